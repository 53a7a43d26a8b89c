//! A broker and its clients on a network that breaks, in virtual time, from one seed.
//!
//! Whatever happens, at the end everything that was promised has to have come: QoS 1 at least
//! once, QoS 2 exactly once, in the order of each publisher, and never more at once than a
//! client's Receive Maximum. `SEEDS=10000 cargo test --release --test simulation` looks harder,
//! `FIRST_SEED=n SEEDS=1` looks at one again.
//!
//! [MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.6.0-5] [MQTT-4.9.0-2] [MQTT-3.3.4-9]
//! [MQTT-3.1.4-3] [MQTT-4.5.0-1] [MQTT-4.8.2-4]
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]
#![allow(unreachable_pub, reason = "the modules are parts of one test")]

mod client;
#[path = "../dialogue/mod.rs"]
mod dialogue;
mod disk;
mod flips;
mod judge;
mod killed;
#[path = "../sockets/mod.rs"]
mod sockets;
mod world;

use killed::Killed;
use world::World;

/// Numbers that look random and follow from a seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Tells which seed it was that failed.
struct Tell(u64);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see it again: FIRST_SEED={} SEEDS=1", self.0);
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn promises_are_kept_whatever_breaks() {
    let first = number("FIRST_SEED", 0);
    for seed in first..first + number("SEEDS", 300) {
        let _tell = Tell(seed);
        World::new(Chance(seed), false).run();
    }
}

/// `POWER_CUTS=10000` looks harder.
#[test]
fn promises_are_kept_when_the_power_fails() {
    let first = number("FIRST_SEED", 0);
    let count = number("POWER_CUTS", 6);
    for seed in first..first + count {
        let _tell = Tell(seed);
        World::new(Chance(seed), true).run();
    }
    println!("power failed in {count} worlds: nothing acknowledged was lost");
}

/// `KILLS=200` looks harder.
#[test]
fn promises_are_kept_by_a_program_that_is_killed() {
    let seed = number("FIRST_SEED", u64::from(std::process::id()));
    let _tell = Tell(seed);
    let kills = number("KILLS", 3);
    let longest = Killed::new(Chance(seed)).run(kills as usize);
    println!(
        "killed {kills} times: nothing acknowledged was lost, serving again within {longest:?}"
    );
}

/// `FLIPS=1000` looks harder.
#[test]
fn a_store_with_a_wrong_bit_is_refused_or_whole() {
    let seed = number("FIRST_SEED", u64::from(std::process::id()));
    let _tell = Tell(seed);
    let count = number("FLIPS", 30);
    let harmless = flips::count_harmless(&mut Chance(seed), count);
    println!("of {count} wrong bits {} were refused, {harmless} did no harm", count - harmless);
}
