//! What a store is told: one change of what outlives a run of the broker.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::PacketId;
use mqtt_protocol::delivery::Stage;

use super::message::{Message, Queued};
use super::session::{Options, StoredWill};
use super::time::Instant;

/// One change of what a store keeps. Changes that come together belong together: a store keeps
/// all of them or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing that was kept before is worth anything; what follows is everything.
    StartOver,
    /// A message is retained, in place of its topic's earlier one.
    Retained {
        /// The message.
        message: Arc<Message>,
        /// Whether anybody was told that it is safe; if not, it may be written later.
        is_promised: bool,
    },
    /// The topic's retained message is gone.
    RetainedCleared {
        /// The topic.
        topic: Box<str>,
        /// As for a message.
        is_promised: bool,
    },
    /// A session has begun, or is in another state.
    Session(SessionNumber, Box<SavedSession>),
    /// The session is over, its subscriptions and identifiers with it; deliveries end by themselves.
    SessionEnded(SessionNumber),
    /// The session has this subscription, with these options.
    Subscribed(SessionNumber, Box<str>, Options),
    /// The session does not have the subscription any more.
    Unsubscribed(SessionNumber, Box<str>),
    /// The client has begun a QoS 2 message, whose PUBREL is to come.
    Received(SessionNumber, PacketId),
    /// The PUBREL has come.
    Released(SessionNumber, PacketId),
    /// A message is on its way to the session's client, and has come so far.
    Delivery(SessionNumber, Queued, Progress),
    /// The message has arrived, or is not to be delivered any more.
    Delivered(Sequence),
}

impl Change {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        const FIXED: usize = 64;
        FIXED
            + match self {
                Self::Retained { message, .. } => message.size(),
                Self::Delivery(_, queued, Progress::Waiting) => queued.message.size(),
                Self::Session(_, saved) => {
                    saved.will.as_ref().map_or(0, |will| will.message.size())
                }
                _ => 0,
            }
    }
}

/// Names a session in the store; no other session ever has the number.
pub type SessionNumber = u64;

/// Names one message on its way to one client. Those of one session are in the order of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    /// Names the message; 0 for one that no store knows.
    pub message: u64,
    /// Counts those it goes to.
    pub copy: u32,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was not begun.
    Waiting,
    /// It has this packet identifier, and waits for this.
    Begun(PacketId, Stage),
}

/// What is kept of a session itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSession {
    /// The client's.
    pub client_id: Box<str>,
    /// The user it belongs to.
    pub user: Option<Box<str>>,
    /// When it lost its connection; `None` while it has one.
    pub since: Option<Instant>,
    /// How long it lives from then on; `None` is for ever.
    pub expiry: Option<Duration>,
    /// Its will, if that is still to be published.
    pub will: Option<StoredWill>,
}
