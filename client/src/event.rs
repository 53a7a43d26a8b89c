//! Events: what a client tells its program.

use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::ReasonCode;

use crate::{Attachment, Error, Message, Moment, OwnedText};

/// Names one operation of one client; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Op(pub u64);

/// Something that happened.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "fields that several events share are explained where they are made"
)]
pub enum Event {
    /// The server has accepted the client.
    Connected {
        /// Whether it went on with a session it had kept.
        session_present: bool,
        user_properties: Vec<(OwnedText, OwnedText)>,
    },
    /// An attempt to connect has failed; the next follows in `retry`, if at all.
    ConnectFailed { error: Error, retry: Option<Duration> },
    /// The connection has ended; exactly one for each [`Connected`](Self::Connected).
    Disconnected {
        /// Why; `None` if the program wanted it.
        error: Option<Error>,
        retry: Option<Duration>,
        user_properties: Vec<(OwnedText, OwnedText)>,
    },
    /// There will be no further attempt to connect by itself.
    Stopped {
        /// Why; `None` if the program wanted it.
        error: Option<Error>,
    },
    /// A message has come.
    Message { message: Arc<Message>, routes: Vec<Attachment> },
    /// A publish is over.
    PublishDone {
        /// `None` if no report was wanted, and it has failed.
        op: Option<Op>,
        result: Result<ReasonCode, Error>,
        attachment: Option<Attachment>,
        /// QoS 0: right before the write that carried it; else right after the read that told.
        timestamp: Moment,
    },
    /// A subscribe is over.
    SubscribeDone {
        op: Option<Op>,
        /// Whether one filter at least was accepted.
        result: Result<(), Error>,
        /// One for each filter.
        reasons: Vec<ReasonCode>,
    },
    /// An unsubscribe is over.
    UnsubscribeDone { op: Option<Op>, result: Result<(), Error>, reasons: Vec<ReasonCode> },
    /// A request is over.
    Reply { op: Op, result: Result<Arc<Message>, Error>, attachment: Option<Attachment> },
    /// The authentication that the program wanted on the open connection is over.
    AuthenticationDone {
        /// `None` if no report was wanted, and it has failed.
        op: Option<Op>,
        result: Result<(), Error>,
    },
    /// A step of an authentication by the program's own method.
    AuthenticationStep {
        /// Names the step that the program has to answer; `None` for the server's last word.
        step: Option<u64>,
        /// What the server has sent; `None` for the first step, which is the client's.
        data: Option<Box<[u8]>>,
    },
    /// There is room in the queue again.
    Writable,
    /// The server has refused to renew a subscription.
    SubscriptionLost { filter: OwnedText, reason: ReasonCode, attachment: Option<Attachment> },
    /// The server names another one to use.
    Redirect { reason: ReasonCode, reference: OwnedText },
}

impl Event {
    /// The operation that is over.
    pub fn op(&self) -> Option<Op> {
        match self {
            Self::PublishDone { op, .. }
            | Self::SubscribeDone { op, .. }
            | Self::UnsubscribeDone { op, .. }
            | Self::AuthenticationDone { op, .. } => *op,
            Self::Reply { op, .. } => Some(*op),
            _ => None,
        }
    }

    /// What went wrong, if something did.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::ConnectFailed { error, .. } => Some(error),
            Self::Disconnected { error, .. } | Self::Stopped { error } => error.as_ref(),
            Self::PublishDone { result, .. } => result.as_ref().err(),
            Self::SubscribeDone { result, .. }
            | Self::UnsubscribeDone { result, .. }
            | Self::AuthenticationDone { result, .. } => result.as_ref().err(),
            Self::Reply { result, .. } => result.as_ref().err(),
            _ => None,
        }
    }

    /// The message it brings.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Self::Message { message, .. } | Self::Reply { result: Ok(message), .. } => {
                Some(message)
            }
            _ => None,
        }
    }
}
