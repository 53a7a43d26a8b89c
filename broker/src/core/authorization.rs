//! What a client may do: the one question, asked where messages and subscriptions are about to be
//! taken or given, and what becomes of those there are when the answers change.

use mqtt_protocol::delivery::Stage;
use mqtt_protocol::{Connect, ReasonCode, TopicFilter};

use super::authentication::Access;
use super::logins::Logins;
use super::message::Message;
use super::session::SessionId;
use super::time::Instant;
use super::{ConnectionId, Core};
use crate::access::{Action, Who};

impl Core {
    /// Whether the client of a session may do this.
    pub(super) fn may(&self, id: SessionId, action: Action, topic: &str) -> bool {
        let rules = &self.config.access.rules;
        if rules.leave_free(topic) {
            return true;
        }
        let Some(session) = self.sessions.get(id.number() as usize) else { return false };
        let who = Who { user: session.user.as_deref(), client_id: &session.client_id };
        rules.authorize(who, action, topic)
    }

    /// Whether a retained message may go to the client: it may receive it, and who has published
    /// it still may.
    pub(super) fn may_get_retained(&self, id: SessionId, message: &Message) -> bool {
        let topic = message.topic();
        let rules = &self.config.access.rules;
        if rules.leave_free(topic.as_str()) {
            return true;
        }
        let may_publish = message.publisher.as_deref().is_none_or(|publisher| {
            let who = Who { user: publisher.user.as_deref(), client_id: &publisher.client_id };
            rules.authorize(who, Action::Publish, topic.as_str())
        });
        may_publish && self.may(id, Action::Receive, topic.as_str())
    }

    /// Whether who has proved to be somebody may connect like this.
    pub(super) fn check_rights(
        &self,
        who: Who<'_>,
        connect: &Connect<'_>,
    ) -> Result<(), ReasonCode> {
        let rules = &self.config.access.rules;
        // What waits for one user is not for another, and nobody throws another out.
        let session = self.client_ids.get(who.client_id);
        let session = session.and_then(|id| self.sessions.get(id.number() as usize));
        if session.is_some_and(|session| session.user.as_deref() != who.user) {
            return Err(ReasonCode::ClientIdentifierNotValid);
        }
        if !rules.can_name(who) {
            return Err(ReasonCode::NotAuthorized);
        }
        match &connect.will {
            Some(will) if !rules.authorize(who, Action::Publish, will.topic.as_str()) => {
                Err(ReasonCode::NotAuthorized)
            }
            _ => Ok(()),
        }
    }

    /// From here on this is who may connect, and do what. Those who are there and would not be let
    /// in any more have to go; subscriptions and messages that nobody may have any more are dropped.
    pub fn change_access(&mut self, access: Access, now: Instant) {
        let former = std::mem::replace(&mut self.config.access, access);
        let access = &self.config.access;
        if access.users != former.users || access.rules.rooms != former.rules.rooms {
            // What was right may be wrong, and users may have other names.
            self.logins = Logins::default();
            self.access_version += 1;
        }
        let connections = self.connections.iter();
        let strangers = connections.filter(|(_, connection)| {
            connection.session().is_some()
                && !connection.is_certified
                && !self.config.access.still_admits(connection.user.as_deref(), &former)
        });
        let strangers = strangers.map(|(index, connection)| ConnectionId {
            index: index as u32,
            generation: connection.generation,
        });
        for id in strangers.collect::<Vec<_>>() {
            let reason = ReasonCode::NotAuthorized;
            self.disconnect(id, reason, "you are not let in any more", now);
        }
        let sessions = self.sessions.iter().map(|(number, _)| SessionId::new(number as u32));
        for id in sessions.collect::<Vec<_>>() {
            self.drop_forbidden_subscriptions(id);
            self.drop_forbidden_queue(id);
        }
        self.router.forget_routes();
    }

    fn drop_forbidden_subscriptions(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let filters: Vec<String> =
            session.subscriptions.iter().map(|(filter, _)| filter.to_owned()).collect();
        for filter in &filters {
            if let Ok(filter) = TopicFilter::new(filter)
                && !self.may(id, Action::Subscribe, filter.pattern())
            {
                self.unsubscribe(id, filter);
            }
        }
    }

    fn drop_forbidden_queue(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        if session.queue.is_empty() || self.config.access.rules.leave_all_free() {
            return;
        }
        let Some(session) = self.session(id) else { return };
        let mut queue = std::mem::take(&mut session.queue);
        let keeps = session.keeps_messages();
        let mut forbidden = Vec::new();
        queue.retain(|queued| {
            let may = self.may(id, Action::Receive, queued.message.topic().as_str());
            if !may {
                forbidden.push(queued.clone());
            }
            may
        });
        for queued in forbidden {
            self.keeping.delivered(keeps, &queued);
        }
        if let Some(session) = self.session(id) {
            session.queue = queue;
        }
    }

    /// Drops what waits for a client that has come back, or was to be sent again, and that it may not
    /// have any more; rules may have changed while the broker was not running, too.
    pub(super) fn drop_forbidden_messages(&mut self, id: SessionId) {
        self.drop_forbidden_queue(id);
        self.drop_forbidden_in_flight(id);
    }

    fn drop_forbidden_in_flight(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id.number() as usize) else { return };
        let begun = session.outgoing.iter().filter(|(_, entry)| entry.stage != Stage::AwaitPubComp);
        let forbidden = begun.filter(|(_, entry)| {
            entry.message.as_ref().is_some_and(|queued| {
                !self.may(id, Action::Receive, queued.message.topic().as_str())
            })
        });
        let forbidden: Vec<_> = forbidden.map(|(packet_id, _)| packet_id).collect();
        if let Some(session) = self.sessions.get_mut(id.number() as usize) {
            for packet_id in forbidden {
                if let Some(Some(queued)) = session.outgoing.abandon(packet_id) {
                    self.keeping.delivered(session.keeps_messages(), &queued);
                }
            }
        }
    }
}
