//! Passwords, checked beside the connections, which do not wait for it.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use super::hub::{Check, Hub};

/// The checks that the core orders, as many at once as it wants.
#[derive(Debug)]
pub(super) struct Checks(pub(super) UnboundedReceiver<Check>);

impl Checks {
    /// Checks until the broker ends.
    pub(super) async fn run(mut self, hub: Arc<Hub>) {
        while let Some((id, check)) = self.0.recv().await {
            let hub = hub.clone();
            spawn_blocking(move || {
                let is_right = check.is_right();
                hub.password_checked(id, is_right);
            });
        }
    }
}
