//! What is written to the log about clients.
//!
//! Names come from the wire and are written as Rust writes text in quotes: whatever is in them, a
//! line stays a line, and a terminal is not told anything. Payloads and passwords are never written.

use tracing::{debug, info, warn};

use crate::core::notice::Notice;

/// Writes down what has happened to a client.
pub(super) fn write(notice: Notice) {
    match notice {
        Notice::Connected { client_id: client, user: Some(user) } => {
            debug!(?client, ?user, "connected");
        }
        Notice::Connected { client_id: client, user: None } => debug!(?client, "connected"),
        Notice::Refused(reason) => debug!(%reason, "refused a client"),
        Notice::NotProved(user) => {
            info!(?user, "refused a login: a wrong password, or no such user");
        }
        Notice::Denied { client_id: client, action, topic } => {
            debug!(?client, ?action, ?topic, "denied by the rules");
        }
        Notice::Disconnected { client_id: client, reason } => {
            debug!(?client, %reason, "disconnected");
        }
        Notice::Left { client_id: client, reason } => debug!(?client, %reason, "left"),
        Notice::Lost(client) => debug!(?client, "lost the connection"),
        Notice::MemoryShort(true) => warn!("memory is short: what would need more is refused"),
        Notice::MemoryShort(false) => info!("there is enough memory again"),
        Notice::Dropping(client) => {
            warn!(?client, "takes less than there is for it: messages are dropped");
        }
    }
}
