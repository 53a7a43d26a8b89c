//! What happens when memory is short: who is here goes on, and what would need more is refused.
//!
//! The shell says how much the process has. That it is more than the limit is not enough: memory
//! that was given back may still be counted. It is short if what is kept for clients accounts for
//! it, too; that is only added up when it matters.

use super::notice::Notice;
use super::{Core, Output};

/// What a session takes beside its messages, what one of its subscriptions takes, and a connection
/// beside what waits to be written, in bytes: about.
const SESSION: usize = 1024;
const SUBSCRIPTION: usize = 256;
const CONNECTION: usize = 1024;

/// Memory as the core knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// What the process has, in bytes.
    pub(super) used: usize,
    pub(super) is_short: bool,
}

impl Core {
    /// The process has so many bytes of memory, of so many that there are for it.
    pub fn handle_memory(&mut self, used: usize, available: usize) {
        let limit = available.min(self.config.limits.maximum_memory);
        // It has to fall a little below before it is enough again.
        let limit = if self.memory.is_short { limit - limit / 16 } else { limit };
        let is_short = used > limit && self.kept_bytes() > limit / 2;
        let was_short = std::mem::replace(&mut self.memory, Memory { used, is_short }).is_short;
        if is_short != was_short {
            self.outputs.push_back(Output::Note(Box::new(Notice::MemoryShort(is_short))));
        }
    }

    /// About how many bytes are kept for clients. A message that waits in several sessions is
    /// counted in each.
    fn kept_bytes(&self) -> usize {
        let sessions = self.sessions.iter().map(|(_, session)| {
            SESSION + session.subscriptions.len() * SUBSCRIPTION + session.queue.bytes()
        });
        let connections = self.connections.iter();
        let connections =
            connections.map(|(_, connection)| CONNECTION + connection.outbox.bytes.capacity());
        self.retained.bytes() + sessions.sum::<usize>() + connections.sum::<usize>()
    }
}
