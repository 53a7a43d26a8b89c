//! Runs the world of one seed and judges it.

use std::thread;

use playsync::{Condition, Moment};

use super::plan::{Plan, world_of};
use super::{Commands, World};

/// How far apart players may be, half of the paths' asymmetry aside, in seconds.
const LARGEST_SPREAD: f64 = 0.010;
/// How far a late joiner may be from the others once it has landed, in seconds.
const LARGEST_LANDING_ERROR: f64 = 0.040;
/// Calm for this long, players must be in step; then the late joiner comes and has as long. A room that waited for somebody's
/// data, or until all were ready, starts only then.
const SETTLING_SECS: f64 = 14.0;
const WATCHING_SECS: f64 = 4.0;
const LOOK_EVERY_SECS: f64 = 0.05;

/// How a run went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) breaches: Vec<String>,
    pub(crate) peers: usize,
    pub(crate) faults: Vec<String>,
    pub(crate) is_playing: bool,
    /// The largest spread while watched, half of the asymmetry taken off.
    pub(crate) spread: f64,
    pub(crate) commands: Commands,
    pub(crate) log: Vec<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, has_drift_control: bool) -> Outcome {
    run_logging(seed, has_drift_control, false)
}

/// One thread for each core, every seed once.
pub(crate) fn run_all(first: u64, count: u64, has_drift_control: bool) -> Vec<(u64, Outcome)> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut outcomes: Vec<(u64, Outcome)> = thread::scope(|scope| {
        let share = |number: u64| {
            let seeds = (first..first + count).filter(move |seed| seed % threads == number);
            scope.spawn(move || {
                seeds.map(|seed| (seed, run(seed, has_drift_control))).collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..threads).map(share).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a run does not panic"))
            .collect()
    });
    outcomes.sort_by_key(|(seed, _)| *seed);
    outcomes
}

/// Runs a seed and keeps a diary.
pub(crate) fn run_logging(seed: u64, has_drift_control: bool, is_logging: bool) -> Outcome {
    let (mut world, plan) = world_of(seed, has_drift_control);
    world.is_logging = is_logging;
    let mut outcome =
        Outcome { peers: plan.peers, faults: plan.faults.clone(), ..Outcome::default() };
    let watched_from = plan.calm_from + SETTLING_SECS;
    world.run_until(watched_from - 0.001);
    let before = commands_of(&world, plan.peers);
    outcome.is_playing = !world.peers[0].engine.status(world.peers[0].local(world.now)).is_paused;
    if is_logging {
        write_down(&mut world, &plan);
    }
    let mut look = watched_from;
    while look < watched_from + WATCHING_SECS {
        world.run_until(look);
        judge_step(&mut world, &plan, plan.peers, &mut outcome);
        look += LOOK_EVERY_SECS;
    }
    judge_timelines(&mut world, plan.peers, &mut outcome);
    if commands_of(&world, plan.peers) != before {
        outcome.breaches.push("a player was paused or sought while a newcomer joined".to_owned());
    }
    world.run_until(watched_from + SETTLING_SECS);
    judge_newcomer(&mut world, &plan, &mut outcome);
    judge_timelines(&mut world, plan.peers + 1, &mut outcome);
    outcome.commands = world.peers.iter().fold(Commands::default(), |sum, peer| Commands {
        pauses: sum.pauses + peer.commands.pauses,
        seeks: sum.seeks + peer.commands.seeks,
        speeds: sum.speeds + peer.commands.speeds,
    });
    outcome.breaches.append(&mut world.breaches);
    outcome.log = std::mem::take(&mut world.log);
    outcome
}

/// How everybody stands, for the diary. The true error is against the line in the true time of the broker's clock.
fn write_down(world: &mut World, plan: &Plan) {
    let now = world.now;
    for number in 0..plan.peers {
        let peer = &mut world.peers[number];
        let position = peer.player.position_at(now);
        let status = peer.engine.status(peer.local(now));
        let half = (peer.up.base() - peer.down.base()) / 2.0;
        world.log.push(format!(
            "peer {number} at {position:.4}, half asymmetry {half:.4}, {:?}: {status:?}",
            peer.player
        ));
    }
}

/// Pauses and seeks commanded so far, for each peer.
fn commands_of(world: &World, peers: usize) -> Vec<(u32, u32)> {
    world.peers[..peers].iter().map(|peer| (peer.commands.pauses, peer.commands.seeks)).collect()
}

/// Playing, the players are together; paused, they show the same picture.
fn judge_step(world: &mut World, plan: &Plan, peers: usize, outcome: &mut Outcome) {
    let now = world.now;
    let condition = if outcome.is_playing { Condition::Playing } else { Condition::Paused };
    for number in 0..peers {
        let peer = &world.peers[number];
        let status = peer.engine.status(peer.local(now));
        if status.condition != condition || peer.player.is_paused == outcome.is_playing {
            return breach(outcome, format!("at {now:.2} peer {number} is {:?}", status.condition));
        }
    }
    if outcome.is_playing {
        let spread = spread_beyond_asymmetry(world, plan, peers);
        outcome.spread = outcome.spread.max(spread);
        if spread > LARGEST_SPREAD {
            breach(
                outcome,
                format!("at {now:.2} the spread is {:.1} ms beyond the asymmetry", spread * 1e3),
            );
        }
    } else {
        judge_picture(world, plan, peers, outcome);
    }
}

/// Largest minus smallest position, less what no clock filter can see: half of the asymmetry, at the room's speed.
fn spread_beyond_asymmetry(world: &mut World, plan: &Plan, peers: usize) -> f64 {
    let now = world.now;
    let speed = world.peers[0].engine.status(Moment(0)).speed;
    let positions: Vec<f64> =
        world.peers[..peers].iter_mut().map(|peer| peer.player.position_at(now)).collect();
    let largest = positions.iter().copied().fold(f64::MIN, f64::max);
    let smallest = positions.iter().copied().fold(f64::MAX, f64::min);
    largest - smallest - plan.half_asymmetry * speed
}

fn judge_picture(world: &mut World, plan: &Plan, peers: usize, outcome: &mut Outcome) {
    let now = world.now;
    let shown: Vec<f64> =
        world.peers[..peers].iter_mut().map(|peer| peer.player.shown_at(now)).collect();
    let limit = if plan.has_one_frame_rate { 0.001 } else { 0.043 };
    if shown.iter().any(|one| (one - shown[0]).abs() > limit) {
        breach(outcome, format!("at {now:.2} paused on different frames: {shown:.3?}"));
    }
}

/// All hold the same timeline, and the room keeps that one for newcomers.
fn judge_timelines(world: &mut World, peers: usize, outcome: &mut Outcome) {
    let now = world.now;
    let kept = world.broker.retained.get("timeline").cloned().unwrap_or_default();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap_or_default();
    for number in 0..peers {
        let peer = &world.peers[number];
        let status = peer.engine.status(peer.local(now));
        let is_same = kept["revision"] == status.revision
            && kept["speed"] == status.speed
            && kept["paused"] == status.is_paused
            && (!status.is_paused || kept["position"].as_f64() == status.position);
        if !is_same {
            return breach(
                outcome,
                format!("at {now:.2} the room keeps {kept} and peer {number} has {status:?}"),
            );
        }
    }
}

/// The newcomer is where the others are.
fn judge_newcomer(world: &mut World, plan: &Plan, outcome: &mut Outcome) {
    if !outcome.is_playing {
        return judge_step(world, plan, plan.peers + 1, outcome);
    }
    let spread = spread_beyond_asymmetry(world, plan, plan.peers + 1);
    if spread > LARGEST_LANDING_ERROR {
        breach(outcome, format!("the newcomer is {:.1} ms off", spread * 1e3));
    }
}

fn breach(outcome: &mut Outcome, what: String) {
    if outcome.breaches.len() < 8 {
        outcome.breaches.push(what);
    }
}
