//! What a seed stands for: who is in the room, over which paths, what the viewers do and what goes wrong.

use super::dice::Dice;
use super::network::{Broker, Jitter, Path};
use super::player::{SoundOutput, VirtualPlayer};
use super::{Deed, Event, Peer, World};

/// The facts about a run that its judge needs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) peers: usize,
    /// When the last fault has ended and the last viewer has acted.
    pub(crate) calm_from: f64,
    /// Whether all films have the same frame rate.
    pub(crate) has_one_frame_rate: bool,
    /// The largest difference between two peers of half the asymmetry of their paths, in seconds.
    pub(crate) half_asymmetry: f64,
    pub(crate) faults: Vec<String>,
}

/// When viewers act and when things go wrong, in seconds.
const ACTING_SECS: (f64, f64) = (0.5, 16.0);
const FAULT_SECS: (f64, f64) = (5.0, 18.0);

/// Builds the world of a seed and plans everything that will happen in it.
pub(crate) fn world_of(seed: u64, has_drift_control: bool) -> (World, Plan) {
    let mut dice = Dice::new(seed);
    let has_clock = dice.chance(0.75);
    let clock_offset = 1.7e9 + dice.between(-1_000.0, 1_000.0);
    let mut world = World::new(dice.bits(), Broker::new(has_clock, clock_offset));
    let peers = room_size(&mut dice);
    let has_one_frame_rate = dice.chance(0.85);
    for number in 0..=peers {
        let mut peer = peer_of(number, has_one_frame_rate, &mut dice);
        peer.engine.set_drift_control(has_drift_control);
        world.peers.push(peer);
    }
    let mut plan = Plan {
        peers,
        calm_from: FAULT_SECS.1,
        has_one_frame_rate,
        half_asymmetry: half_asymmetry(&world.peers),
        faults: Vec::new(),
    };
    if dice.chance(0.2) {
        world.broker.operators = (0..=dice.below(peers)).map(|_| dice.below(peers)).collect();
    }
    plan_joins(&mut world, peers, &mut dice);
    plan_rules(&mut world, peers, &mut dice);
    plan_deeds(&mut world, peers, &mut dice);
    plan_faults(&mut world, &mut plan, &mut dice);
    plan_last_deed(&mut world, &mut plan, &mut dice);
    world.plan(plan.calm_from + 14.0, Event::Joins { peer: peers });
    (world, plan)
}

fn room_size(dice: &mut Dice) -> usize {
    match dice.between(0.0, 1.0) {
        x if x < 0.80 => 2 + dice.below(5),
        x if x < 0.95 => 7 + dice.below(10),
        _ => 17 + dice.below(34),
    }
}

fn peer_of(number: usize, has_one_frame_rate: bool, dice: &mut Dice) -> Peer {
    let rates = [24_000.0 / 1_001.0, 25.0, 30.0];
    let rate = if has_one_frame_rate { rates[0] } else { rates[dice.below(3)] };
    let output = [SoundOutput::Null, SoundOutput::Server, SoundOutput::Pull][dice.below(3)];
    let card_ppm = dice.between(-200.0, 200.0);
    let player = VirtualPlayer::new(1.0 / rate, card_ppm, output, Dice::new(dice.bits()));
    let clock = (dice.between(0.0, 1e6), 1.0 + dice.between(-50e-6, 50e-6));
    Peer::new(number, dice.bits(), player, clock, paths(dice))
}

/// Cable, radio, the internet, and the internet at its worst: a round trip of 50 ms, 20 more or less.
fn paths(dice: &mut Dice) -> (Path, Path) {
    let (up, down, jitter) = match dice.below(4) {
        0 => (0.000_15, 0.000_15, Jitter::Exponential(0.000_05)),
        1 => (0.001, 0.001, Jitter::Exponential(0.001_5)),
        2 => {
            let base = dice.between(0.005, 0.040);
            (base, base + dice.between(-0.004, 0.020), Jitter::Exponential(0.002))
        }
        _ => (0.015, 0.015, Jitter::Even(0.020)),
    };
    (Path::new(up, jitter), Path::new(down, jitter))
}

fn half_asymmetry(peers: &[Peer]) -> f64 {
    let halves = || peers.iter().map(|peer| (peer.up.base() - peer.down.base()) / 2.0);
    let largest = halves().fold(f64::MIN, f64::max);
    let smallest = halves().fold(f64::MAX, f64::min);
    largest - smallest
}

fn plan_joins(world: &mut World, peers: usize, dice: &mut Dice) {
    for peer in 0..peers {
        world.peers[peer].player.is_paused = dice.chance(0.5);
        world.plan(dice.between(0.0, 3.5), Event::Joins { peer });
    }
}

fn plan_deeds(world: &mut World, peers: usize, dice: &mut Dice) {
    for _ in 0..2 + dice.below(7) {
        let at = dice.between(ACTING_SECS.0, ACTING_SECS.1);
        let deed = any_deed(dice);
        world.plan(at, Event::Acts { peer: dice.below(peers), deed });
    }
    // Two viewers within the same 20 ms, more than once.
    for _ in 0..2 {
        let at = dice.between(ACTING_SECS.0, ACTING_SECS.1 + 2.0);
        let one = dice.below(peers);
        let other = (one + 1 + dice.below(peers - 1)) % peers;
        let (first, second) = (any_deed(dice), any_deed(dice));
        world.plan(at, Event::Acts { peer: one, deed: first });
        world.plan(at + dice.between(0.0, 0.020), Event::Acts { peer: other, deed: second });
    }
}

/// Somebody, if anybody at all, sets the rules early on.
fn plan_rules(world: &mut World, peers: usize, dice: &mut Dice) {
    let rules: [(&str, &[&str]); 3] = [
        ("start", &["anyone", "all_ready"]),
        ("wait", &["none", "soft", "all"]),
        ("pause_on_leave", &["yes", "no"]),
    ];
    for (rule, values) in rules {
        if dice.chance(0.5) {
            continue;
        }
        let deed = Deed::Rule(rule, values[dice.below(values.len())]);
        world.plan(dice.between(3.0, 8.0), Event::Acts { peer: dice.below(peers), deed });
    }
}

fn any_deed(dice: &mut Dice) -> Deed {
    match dice.below(14) {
        0..=3 => Deed::TogglePause,
        4..=5 => Deed::Seek(dice.between(0.0, 6_000.0)),
        6 => Deed::SetSpeed([0.9, 1.0, 1.1, 1.25, 1.5][dice.below(5)]),
        7 => Deed::WishPause(dice.chance(0.3)),
        8 => Deed::WishStart(dice.between(0.0, 6.0)),
        9 => Deed::Step([-1, 1, 5][dice.below(3)]),
        10 => Deed::Undo,
        11 => Deed::Redo,
        12 => Deed::Ready(dice.chance(0.7)),
        _ => Deed::Say,
    }
}

fn plan_faults(world: &mut World, plan: &mut Plan, dice: &mut Dice) {
    for _ in 0..dice.below(5) {
        let at = dice.between(FAULT_SECS.0, FAULT_SECS.1);
        let ends = match dice.below(6) {
            0 => plan_loss(world, plan.peers, at, dice),
            1 => plan_partition(world, plan.peers, at, dice),
            2 => plan_restart(world, at, dice),
            3 => plan_drought(world, plan.peers, at, dice),
            _ => plan_stumble(world, plan.peers, at, dice),
        };
        plan.faults.push(format!("{} at {at:.2} until {:.2}", ends.0, ends.1));
        plan.calm_from = plan.calm_from.max(ends.1);
    }
}

/// A connection breaks and comes back.
fn plan_loss(world: &mut World, peers: usize, at: f64, dice: &mut Dice) -> (&'static str, f64) {
    let until = at + dice.between(0.0, 3.0);
    world.plan(at, Event::LinkBreaks { peer: dice.below(peers), until, is_silent: false });
    ("loss", until)
}

/// Some peers stop hearing from the broker, which nobody notices at first.
fn plan_partition(
    world: &mut World,
    peers: usize,
    at: f64,
    dice: &mut Dice,
) -> (&'static str, f64) {
    let until = at + dice.between(7.0, 12.0);
    let share = dice.between(0.2, 0.8);
    for peer in (0..peers).filter(|_| dice.chance(share)) {
        world.plan(at, Event::LinkBreaks { peer, until, is_silent: true });
    }
    ("partition", until)
}

/// The broker stops and starts with a new clock, with or without what it kept.
fn plan_restart(world: &mut World, at: f64, dice: &mut Dice) -> (&'static str, f64) {
    let for_secs = dice.between(0.2, 3.0);
    let keeps_state = dice.chance(0.7);
    world.plan(at, Event::BrokerStops { for_secs, keeps_state });
    ("restart", at + for_secs)
}

/// A player's data runs out and comes again.
fn plan_drought(world: &mut World, peers: usize, at: f64, dice: &mut Dice) -> (&'static str, f64) {
    let (peer, until) = (dice.below(peers), at + dice.between(0.2, 8.0));
    world.plan(at, Event::Starves { peer, is_starved: true });
    world.plan(until, Event::Starves { peer, is_starved: false });
    ("drought", until)
}

/// A player loses time: a stopped process, a slow disk.
fn plan_stumble(world: &mut World, peers: usize, at: f64, dice: &mut Dice) -> (&'static str, f64) {
    world.plan(at, Event::Stumbles { peer: dice.below(peers), lost: dice.between(0.02, 0.6) });
    ("stumble", at)
}

/// Four rooms in five end playing: a paused room has little to prove.
fn plan_last_deed(world: &mut World, plan: &mut Plan, dice: &mut Dice) {
    let deed = Deed::WishPause(dice.chance(0.2));
    for peer in 0..plan.peers {
        // Whoever is connected by then says the same; one would do, were it never the one that is away.
        world.plan(
            plan.calm_from - 0.3 + 0.01 * peer as f64 / plan.peers as f64,
            Event::Acts { peer, deed },
        );
    }
}
