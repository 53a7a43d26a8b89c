//! Hears Ctrl-C, so that everything that was started can be ended in order.

use crate::Error;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether the viewer asked for the end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Turns Ctrl-C, a hang-up and a polite kill into this flag; the second Ctrl-C ends the program at once.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn on_ctrl_c() -> Result<Self, Error> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let failed = || Error::system("listen for Ctrl-C");
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop.asked))
                .map_err(failed())?;
            signal_hook::flag::register(signal, Arc::clone(&stop.asked)).map_err(failed())?;
        }
        Ok(stop)
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until `until`.
    ///
    /// # Errors
    /// [`Error::Stopped`] as soon as the end is asked for.
    pub fn wait_until(&self, until: Instant) -> Result<(), Error> {
        loop {
            if self.is_asked() {
                return Err(Error::Stopped);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}
