//! Runs many simulated rooms: `simulate [--seeds N] [--from SEED] [--show SEED] [--without-drift-control]`.

#[path = "../tests/world/mod.rs"]
mod world;

use std::process::ExitCode;

use world::run::{Outcome, run_all, run_logging};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse::<u64>().ok()
    };
    let has_drift_control = !arguments.iter().any(|argument| argument == "--without-drift-control");
    if let Some(seed) = after("--show") {
        return show(seed, has_drift_control);
    }
    let (first, count) = (after("--from").unwrap_or(1), after("--seeds").unwrap_or(1_000));
    let outcomes = run_all(first, count, has_drift_control);
    let failed = outcomes.iter().filter(|(_, outcome)| !outcome.breaches.is_empty());
    for (seed, outcome) in failed.clone() {
        println!("seed {seed}: {} peers, {:?}", outcome.peers, outcome.faults);
        for breach in &outcome.breaches {
            println!("    {breach}");
        }
    }
    summarize(first, &outcomes);
    if failed.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints everything that happened in one room.
fn show(seed: u64, has_drift_control: bool) -> ExitCode {
    let outcome = run_logging(seed, has_drift_control, true);
    for line in &outcome.log {
        println!("{line}");
    }
    println!(
        "{} peers, faults {:?}, breaches {:#?}",
        outcome.peers, outcome.faults, outcome.breaches
    );
    ExitCode::SUCCESS
}

fn summarize(first: u64, outcomes: &[(u64, Outcome)]) {
    let mut spreads: Vec<f64> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_playing)
        .map(|(_, outcome)| outcome.spread * 1e3)
        .collect();
    spreads.sort_by(f64::total_cmp);
    let quantile =
        |part: f64| spreads.get((spreads.len() as f64 * part) as usize).or(spreads.last()).copied();
    let failed = outcomes.iter().filter(|(_, outcome)| !outcome.breaches.is_empty()).count();
    let peers: usize = outcomes.iter().map(|(_, outcome)| outcome.peers).sum();
    let speeds: u32 = outcomes.iter().map(|(_, outcome)| outcome.commands.speeds).sum();
    let seeks: u32 = outcomes.iter().map(|(_, outcome)| outcome.commands.seeks).sum();
    println!("{} rooms from seed {first}, {peers} peers: {failed} failed", outcomes.len());
    println!(
        "largest spread beyond half the asymmetry, ms: p50 {:.1}, p95 {:.1}, max {:.1}",
        quantile(0.5).unwrap_or_default(),
        quantile(0.95).unwrap_or_default(),
        spreads.last().copied().unwrap_or_default(),
    );
    println!(
        "commands per peer: {:.1} of speed, {:.1} seeks",
        f64::from(speeds) / peers as f64,
        f64::from(seeks) / peers as f64
    );
}
