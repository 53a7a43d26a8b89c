//! Whole rooms in virtual time: each seed is a room of 2 to 50 players on imperfect machines and paths, with viewers who
//! act at once and faults of every kind. `SEEDS=10000` runs more of them; `FIRST_SEED=n` starts elsewhere.

mod world;

use world::dice::Dice;
use world::network::{Broker, Jitter, Path};
use world::player::{SoundOutput, VirtualPlayer};
use world::run::{Outcome, run, run_all};
use world::{Deed, Event, Peer, World};

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_room_ends_in_step_on_one_timeline() {
    let (first, count) = (number("FIRST_SEED", 1), number("SEEDS", 300));
    println!("seeds {first} to {}", first + count - 1);
    let mut failed = Vec::new();
    for (seed, outcome) in run_all(first, count, true) {
        if !outcome.breaches.is_empty() {
            println!(
                "seed {seed}, {} peers, {:?}: {:#?}",
                outcome.peers, outcome.faults, outcome.breaches
            );
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "{} of {count} rooms failed, seeds {failed:?}", failed.len());
}

#[test]
fn same_rooms_fall_out_of_step_without_drift_control() {
    let first = number("FIRST_SEED", 1);
    let with = run_all(first, 60, true);
    let playing: Vec<u64> =
        with.iter().filter(|(_, outcome)| outcome.is_playing).map(|(seed, _)| *seed).collect();
    let without = run_all(first, 60, false);
    let has_failed =
        |(seed, outcome): &&(u64, Outcome)| playing.contains(seed) && !outcome.breaches.is_empty();
    let failed = without.iter().filter(has_failed).count();
    println!(
        "seeds {first} to {}: {failed} of {} playing rooms fell out of step",
        first + 59,
        playing.len()
    );
    assert!(playing.len() > 30 && 2 * failed > playing.len(), "only {failed} of {}", playing.len());
}

/// The broker is gone for a second; some time after it is back a viewer seeks. However early that is, all end there.
#[test]
fn seek_right_after_a_restart_of_the_broker_is_never_undone() {
    for tenth in 0_u32..40 {
        for has_clock in [true, false] {
            let after = 0.01 + 0.1 * f64::from(tenth);
            let positions = positions_after_restart_and_seek(u64::from(tenth), has_clock, after);
            let expected = 3_000.0..3_020.0;
            let are_there = positions.iter().all(|position| expected.contains(position));
            assert!(
                are_there,
                "sought {after:.2} s after the restart, broker's clock {has_clock}: {positions:?}"
            );
        }
    }
}

/// Three peers play; at 20 s the broker stops, at 21 s it starts. One seeks to 3,000 s; all are asked 8 s later.
fn positions_after_restart_and_seek(seed: u64, has_clock: bool, after: f64) -> Vec<f64> {
    let mut world = calm_world(seed, 3, has_clock);
    world.plan(5.0, Event::Acts { peer: 1, deed: Deed::TogglePause });
    world.plan(20.0, Event::BrokerStops { for_secs: 1.0, keeps_state: true });
    world.plan(21.0 + after, Event::Acts { peer: 1, deed: Deed::Seek(3_000.0) });
    world.run_until(29.0 + after);
    let now = world.now;
    world.peers.iter_mut().map(|peer| peer.player.position_at(now)).collect()
}

/// A machine is too busy to seek in time, each time more so, and then is not. The last seeks aim
/// so far ahead that they land long before the room is there: the player waits for it.
#[test]
fn player_whose_seeks_take_ever_longer_ends_in_step() {
    let mut world = calm_world(1, 2, true);
    world.peers[1].player.slow_seeks = [0.9, 1.6, 4.0].into();
    world.plan(5.0, Event::Acts { peer: 0, deed: Deed::TogglePause });
    world.plan(10.0, Event::Acts { peer: 0, deed: Deed::Seek(3_000.0) });
    world.run_until(30.0);
    let now = world.now;
    let positions: Vec<f64> =
        world.peers.iter_mut().map(|peer| peer.player.position_at(now)).collect();
    assert!((positions[0] - positions[1]).abs() < 0.04, "{positions:?}");
}

/// A room in which nothing happens but what the caller plans: everybody joins a paused film at once, over short paths.
fn calm_world(seed: u64, peers: usize, has_clock: bool) -> World {
    let mut dice = Dice::new(seed);
    let mut world = World::new(dice.bits(), Broker::new(has_clock, 1.7e9));
    for number in 0..peers {
        let player = VirtualPlayer::new(0.04, 50.0, SoundOutput::Null, Dice::new(dice.bits()));
        let path = || Path::new(0.002, Jitter::Exponential(0.000_5));
        let clock = (dice.between(0.0, 1e6), 1.0);
        world.peers.push(Peer::new(number, dice.bits(), player, clock, (path(), path())));
        world.plan(0.1 * number as f64, Event::Joins { peer: number });
    }
    world
}

#[test]
fn same_seed_is_the_same_run() {
    let (one, other) = (run(7, true), run(7, true));
    assert_eq!((one.spread, one.commands, one.peers), (other.spread, other.commands, other.peers));
}
