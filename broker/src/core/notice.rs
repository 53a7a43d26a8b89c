//! What an operator may want to read in a log.

use std::sync::Arc;

use mqtt_protocol::ReasonCode;

use super::session::SessionId;
use super::{ConnectionId, Core, Output};
use crate::access::Action;

/// Something that has happened, mostly to a client. Its words are the client's own: whoever writes them
/// down has to mind what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was let in.
    Connected {
        /// Its name.
        client_id: Arc<str>,
        /// Who it has proved to be.
        user: Option<Arc<str>>,
    },
    /// It was not let in.
    Refused(ReasonCode),
    /// It has not proved to be this user, who may not exist.
    NotProved(Arc<str>),
    /// It may not do something.
    Denied {
        /// Its name.
        client_id: Arc<str>,
        /// What it wanted to do.
        action: Action,
        /// The topic, or filter.
        topic: Box<str>,
    },
    /// The broker has ended its connection.
    Disconnected {
        /// Its name.
        client_id: Arc<str>,
        /// Why.
        reason: ReasonCode,
    },
    /// It has said goodbye.
    Left {
        /// Its name.
        client_id: Arc<str>,
        /// Why.
        reason: ReasonCode,
    },
    /// Its connection has ended without a word.
    Lost(Arc<str>),
    /// It takes less than there is for it: the first of this session's messages is dropped.
    Dropping(Arc<str>),
    /// There is too little memory for more, or there is enough again.
    MemoryShort(bool),
}

impl Core {
    /// Notes something about the client of a session, by its name.
    pub(super) fn note(&mut self, id: SessionId, notice: impl FnOnce(Arc<str>) -> Notice) {
        if let Some(client_id) = self.session(id).map(|session| session.client_id.clone()) {
            self.outputs.push_back(Output::Note(Box::new(notice(client_id))));
        }
    }

    pub(super) fn note_connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        let (session, user) = (connection.session(), connection.user.clone());
        if let Some(session) = session {
            self.note(session, |client_id| Notice::Connected { client_id, user });
        }
    }

    pub(super) fn note_denied(&mut self, id: SessionId, action: Action, topic: &str) {
        self.note(id, |client_id| Notice::Denied { client_id, action, topic: topic.into() });
    }

    pub(super) fn note_refused(&mut self, reason: ReasonCode) {
        self.outputs.push_back(Output::Note(Box::new(Notice::Refused(reason))));
    }

    /// Counts a message that a session does not get; tells of the first.
    pub(super) fn count_dropped(&mut self, id: SessionId) {
        self.dropped += 1;
        let Some(session) = self.session(id) else { return };
        session.dropped += 1;
        if session.dropped == 1 {
            self.note(id, Notice::Dropping);
        }
    }
}
