//! Our broker beside foreign clients, and our clients beside foreign brokers.
//!
//! A foreign client is a program in `peers/` that is given a broker's address, meets it case by case, and ends well or
//! says what was wrong. [`House`] starts brokers in a private directory; [`meet`] runs a program to its end.
//! `make interop` installs the foreign parts below the target folder and runs all of it; `make test` runs what
//! takes seconds.
//!
//! What it deliberately is not: a conformance suite. That foreign software gets by with ours is the question here; what
//! the standard says is tested where the code is.

mod brokers;
mod page;
mod peers;

pub use brokers::{Broker, House, Scheme};
pub use page::Page;
pub use peers::{built, meet, mosquitto_client, mqttjs, paho, peer, rumqtt, start};

use std::time::{Duration, Instant};

/// How long anything may take that is expected to happen.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something.
///
/// # Panics
/// When it has not come within [`DEADLINE`].
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} has not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
