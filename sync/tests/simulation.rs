//! Whole rooms in virtual time: each seed is a room of 2 to 50 players on imperfect machines and paths, with viewers who
//! act at once and faults of every kind. `SEEDS=10000` runs more of them; `FIRST_SEED=n` starts elsewhere.

mod world;

use world::run::run;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_room_ends_in_step_on_one_timeline() {
    let (first, count) = (number("FIRST_SEED", 1), number("SEEDS", 300));
    println!("seeds {first} to {}", first + count - 1);
    let mut failed = Vec::new();
    for seed in first..first + count {
        let outcome = run(seed, true);
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
    let playing: Vec<u64> =
        (first..first + 60).filter(|seed| run(*seed, true).is_playing).collect();
    let failed = playing.iter().filter(|seed| !run(**seed, false).breaches.is_empty()).count();
    println!(
        "seeds {first} to {}: {failed} of {} playing rooms fell out of step",
        first + 59,
        playing.len()
    );
    assert!(playing.len() > 30 && 2 * failed > playing.len(), "only {failed} of {}", playing.len());
}

#[test]
fn same_seed_is_the_same_run() {
    let (one, other) = (run(7, true), run(7, true));
    assert_eq!((one.spread, one.commands, one.peers), (other.spread, other.commands, other.peers));
}
