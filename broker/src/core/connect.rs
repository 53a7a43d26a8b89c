//! The beginning and the end of a connection: CONNECT, takeover, DISCONNECT, failure.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mqtt_protocol::{
    ConnAck, ConnAckProperties, Connect, DecodeError, Disconnect, DisconnectProperties, MaximumQoS,
    Packet, PacketType, ReasonCode, Text,
};

use super::authentication::Proved;
use super::connection::State;
use super::message::Message;
use super::notice::Notice;
use super::session::{Session, SessionId, StoredWill};
use super::subscribe::unroute;
use super::time::Instant;
use super::timers::Timer;
use super::{ConnectionId, Core, Output, protocol_error};
use crate::access::Who;

/// A Session Expiry Interval that means for ever.
const NEVER: u32 = u32::MAX;

/// So many connections that have gone on need not be forgotten among those that wait.
const FEW: usize = 64;

impl Core {
    pub(super) fn handle_connect(
        &mut self,
        from: ConnectionId,
        connect: &Connect<'_>,
        now: Instant,
    ) {
        if let Some(connection) = self.connection(from) {
            connection.speak_as(connect);
        }
        if let Some(other) = self.redirect_to.clone() {
            return self.redirect(from, &other);
        }
        self.authenticate(from, connect, now);
    }

    /// Goes on with a CONNECT when it is clear who the client is.
    pub(super) fn welcome(
        &mut self,
        from: ConnectionId,
        connect: &Connect<'_>,
        proved: Proved<'_>,
        now: Instant,
    ) {
        self.keeping.begin_packet();
        if let Err(reason) = self.check_connect(connect) {
            return self.refuse(from, reason);
        }
        // [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
        let assigned = connect.client_id.is_empty().then(|| self.assign_client_id());
        let client_id = assigned.as_deref().unwrap_or(&connect.client_id);
        let who = Who { user: proved.user.as_deref(), client_id };
        if let Err(reason) = self.check_rights(who, connect) {
            return self.refuse(from, reason);
        }
        let mut granted = self.grant(connect, assigned.as_deref());
        if let Some(connection) = self.connection(from) {
            connection.user.clone_from(&proved.user);
            // [MQTT-4.12.0-5]
            let method = connection.method.and_then(|name| Text::new(name).ok());
            granted.authentication_method = method;
            granted.authentication_data = proved.data;
        }
        if connect.properties.maximum_packet_size.is_some_and(|it| !fits(it, &granted)) {
            return self.refuse(from, ReasonCode::PacketTooLarge);
        }
        self.take_over(client_id, connect.clean_start, now);
        let (session, session_present) =
            self.begin_session(client_id, proved.user, connect.clean_start);
        self.attach(from, session, connect, now);
        self.keep_session(session);
        self.withhold_connack(from);
        self.accept(from, session_present, granted);
        self.drop_forbidden_messages(session);
        self.resume(session, now);
    }

    /// Waits for the CONNECT of a connection; if that are too many, for the oldest no longer.
    pub(super) fn wait_for_connect(&mut self, id: ConnectionId) {
        self.unconnected.count += 1;
        while self.unconnected.count > self.config.limits.maximum_unconnected {
            let Some(oldest) = self.unconnected.arrived.pop_front() else { break };
            if self.is_before_connack(oldest) {
                self.tally.connects_crowded_out += 1;
                self.close(oldest);
            }
        }
        let mut arrived = std::mem::take(&mut self.unconnected.arrived);
        if arrived.len() > 2 * self.unconnected.count + FEW {
            arrived.retain(|&id| self.is_before_connack(id));
        }
        arrived.push_back(id);
        self.unconnected.arrived = arrived;
    }

    /// What can be wrong with a CONNECT that is well formed. [MQTT-3.1.4-1] [MQTT-3.1.4-2]
    fn check_connect(&self, connect: &Connect<'_>) -> Result<(), ReasonCode> {
        let limits = &self.config.limits;
        if let Some(will) = &connect.will
            && (will.topic.is_reserved() || !limits.allow_topic(will.topic.as_str()))
        {
            return Err(ReasonCode::TopicNameInvalid);
        }
        if let Some(will) = &connect.will {
            limits.check_message(will.qos, will.retain)?;
        }
        // [MQTT-3.1.3-8]
        if !limits.allow_client_id(&connect.client_id) {
            return Err(ReasonCode::ClientIdentifierNotValid);
        }
        let is_new = !self.client_ids.contains_key(connect.client_id.as_str());
        let is_full = self.memory.is_short || self.sessions.len() >= limits.maximum_sessions;
        if is_new && is_full {
            return Err(ReasonCode::QuotaExceeded);
        }
        Ok(())
    }

    /// A client id that no session has. [MQTT-3.2.2-16]
    fn assign_client_id(&mut self) -> String {
        loop {
            self.assigned_client_ids += 1;
            let id = format!("{}-{}", self.config.run_id, self.assigned_client_ids);
            if !self.client_ids.contains_key(id.as_str()) {
                return id;
            }
        }
    }

    /// Ends the connection that uses the client id. [MQTT-3.1.4-3]
    fn take_over(&mut self, client_id: &str, clean_start: bool, now: Instant) {
        let Some(&id) = self.client_ids.get(client_id) else { return };
        if let Some(older) = self.session(id).and_then(|session| session.connection) {
            let detail = "another connection uses this client id";
            self.disconnect(older, ReasonCode::SessionTakenOver, detail, now);
        }
        // The session may have ended with its connection. [MQTT-3.1.2-4] [MQTT-3.1.4-4]
        if clean_start && let Some(&id) = self.client_ids.get(client_id) {
            self.end_session(id, now);
        }
    }

    /// Finds the session to go on with, or makes one. [MQTT-3.1.2-5] [MQTT-3.1.2-6]
    fn begin_session(
        &mut self,
        client_id: &str,
        user: Option<Arc<str>>,
        clean_start: bool,
    ) -> (SessionId, bool) {
        if let Some(&id) = self.client_ids.get(client_id) {
            debug_assert!(!clean_start, "a clean start has ended the session");
            return (id, true);
        }
        let session = Session::new(client_id, user, &self.config.limits);
        let client_id = session.client_id.clone();
        let id = SessionId::new(self.sessions.insert(session) as u32);
        self.client_ids.insert(client_id, id);
        (id, false)
    }

    /// Makes the connection the session's, on the terms of CONNECT.
    fn attach(&mut self, from: ConnectionId, id: SessionId, connect: &Connect<'_>, now: Instant) {
        let limits = self.config.limits.clone();
        self.epoch += 1;
        let epoch = self.epoch;
        let asked = &connect.properties;
        if let Some(session) = self.session(id) {
            session.connection = Some(from);
            session.epoch = epoch;
            session.dropped = 0;
            session.expiry = granted_expiry(asked.session_expiry_interval, &limits);
            let receive_maximum = asked.receive_maximum.map_or(u16::MAX, u16::from);
            session.outgoing.reconnect(receive_maximum.min(limits.maximum_in_flight));
            session.incoming.reconnect();
            // [MQTT-3.1.2-7] [MQTT-3.1.3-9]
            session.will = connect.will.as_ref().map(|will| {
                let (message, lifetime) = Message::from_will(will);
                let delay = will.properties.will_delay_interval.unwrap_or(0);
                let delay = Duration::from_secs(delay.into());
                Box::new(StoredWill { delay, lifetime, message })
            });
        }
        if let Some(connection) = self.connection(from) {
            connection.accept(id, connect, &limits);
            self.unconnected.count -= 1;
        }
        if let Some(patience) = self.connection(from).and_then(|connection| connection.patience) {
            self.set_timer(now + patience, Timer::KeepAlive(from));
        }
    }

    /// What the client is told that it is granted.
    fn grant<'a>(&self, connect: &Connect<'_>, assigned: Option<&'a str>) -> ConnAckProperties<'a> {
        let limits = &self.config.limits;
        let asked = connect.properties.session_expiry_interval;
        let expiry = granted_expiry(asked, limits);
        let expiry_secs = expiry.map_or(NEVER, |expiry| expiry.as_secs() as u32);
        ConnAckProperties {
            session_expiry_interval: (expiry_secs != asked.unwrap_or(0)).then_some(expiry_secs),
            receive_maximum: limits.receive_maximum.try_into().ok(),
            // [MQTT-3.2.2-9]
            maximum_qos: MaximumQoS::below(limits.maximum_qos),
            retain_available: (!limits.retain_available).then_some(false),
            server_keep_alive: limits.server_keep_alive(connect),
            maximum_packet_size: limits.maximum_packet_size.try_into().ok(),
            topic_alias_maximum: Some(limits.topic_alias_maximum),
            assigned_client_identifier: assigned.and_then(|id| Text::new(id).ok()),
            ..ConnAckProperties::default()
        }
    }

    /// Confirms the connection. [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.2.2-2]
    /// [MQTT-3.2.2-3]
    ///
    /// It says nothing of response topics, asked or not, nor of authentication to those who have
    /// not asked for it. [MQTT-3.1.2-28] [MQTT-4.12.0-6]
    fn accept(
        &mut self,
        to: ConnectionId,
        session_present: bool,
        properties: ConnAckProperties<'_>,
    ) {
        self.tally.connects_accepted += 1;
        self.note_connected(to);
        let connack = ConnAck { session_present, reason: ReasonCode::Success, properties };
        if let Some(connection) = self.connection(to) {
            connection.send_connack(connack);
            self.flush(to);
        }
    }

    /// Sends again what a former connection left unfinished, then what has been waiting.
    fn resume(&mut self, id: SessionId, now: Instant) {
        self.resend_releases(id);
        self.pump(id, now);
    }

    /// Answers a CONNECT that is not accepted. [MQTT-3.2.2-7] [MQTT-3.14.0-1]
    pub(super) fn refuse(&mut self, to: ConnectionId, reason: ReasonCode) {
        self.tally.connects_refused.count(reason);
        self.note_refused(reason);
        if let Some(connection) = self.connection(to) {
            connection.send_connack(ConnAck::refuse(reason));
        }
        self.close(to);
    }

    /// Tells a client which server to use for the time being.
    fn redirect(&mut self, to: ConnectionId, other: &str) {
        let mut connack = ConnAck::refuse(ReasonCode::UseAnotherServer);
        connack.properties.server_reference = Text::new(other).ok();
        if let Some(connection) = self.connection(to) {
            connection.send_connack(connack);
        }
        self.close(to);
    }

    pub(super) fn handle_disconnect(
        &mut self,
        from: ConnectionId,
        id: SessionId,
        disconnect: &Disconnect<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        // [MQTT-3.14.2-1]
        if !is_for_clients(disconnect.reason) || disconnect.properties.server_reference.is_some() {
            return Err(protocol_error("a DISCONNECT that only a server sends"));
        }
        let limits = self.config.limits.clone();
        let Some(session) = self.session(id) else { return Ok(()) };
        if let Some(secs) = disconnect.properties.session_expiry_interval {
            if secs > 0 && !session.is_persistent() {
                return Err(protocol_error("a session that was to end now shall stay"));
            }
            session.expiry = granted_expiry(Some(secs), &limits);
        }
        // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
        if disconnect.reason == ReasonCode::Success {
            session.will = None;
        }
        let reason = disconnect.reason;
        self.note(id, |client_id| Notice::Left { client_id, reason });
        self.close(from);
        self.detach(id, now);
        Ok(())
    }

    /// Ends a connection whose client has broken the rules. Before CONNACK the answer is a
    /// CONNACK, later a DISCONNECT. [MQTT-3.14.0-1] [MQTT-4.13.1-1] [MQTT-4.13.2-1]
    pub(super) fn fail(&mut self, id: ConnectionId, error: DecodeError, now: Instant) {
        let Some(connection) = self.connection(id) else { return };
        // A server of an older version only hangs up on who does not know how to connect.
        let has_code = connection.version.has_properties()
            || error.reason == ReasonCode::ClientIdentifierNotValid;
        match connection.state {
            state if state.is_before_connack() => {
                if has_code && error.reason.may_stand_in(PacketType::ConnAck) {
                    self.refuse(id, error.reason);
                } else {
                    self.close(id);
                }
            }
            State::Open(_) if error.reason.may_stand_in(PacketType::Disconnect) => {
                self.disconnect(id, error.reason, error.detail, now);
            }
            // Only what is wrong with a CONNECT has no code there, and a second one is wrong anyway.
            // [MQTT-3.1.0-2] [MQTT-3.14.2-1]
            State::Open(_) => self.disconnect(id, ReasonCode::ProtocolError, error.detail, now),
            _ => {}
        }
    }

    /// The network connection is gone, for whatever reason.
    pub fn handle_closed(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection(id) else { return };
        if let Some(session) = connection.session() {
            self.note(session, Notice::Lost);
            self.detach(session, now);
        }
        self.relieve(id);
        let connection = self.connections.remove(id.index());
        self.unconnected.count -= usize::from(connection.state.is_before_connack());
    }

    /// Disconnects every client, because the broker stops. A will that would be kept beyond the
    /// connection is kept beyond the stop.
    pub fn shut_down(&mut self, now: Instant) {
        let ids = self.connections.iter().map(|(index, connection)| ConnectionId {
            index: index as u32,
            generation: connection.generation,
        });
        for id in ids.collect::<Vec<_>>() {
            let Some(connection) = self.connection(id) else { continue };
            if connection.session().is_some() {
                connection.send_disconnect(Disconnect::new(ReasonCode::ServerShuttingDown));
            }
            if let Some(session) = self.close(id) {
                self.detach(session, now);
            }
        }
        if !self.keeping.is_on() {
            self.keep_everything();
        }
    }

    /// Sends DISCONNECT and ends the connection. It is for the client to say how long its session
    /// lasts. [MQTT-3.14.2-2] [MQTT-3.14.4-1] [MQTT-3.14.4-2]
    pub(super) fn disconnect(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        detail: &str,
        now: Instant,
    ) {
        self.tally.disconnects.count(reason);
        let Some(connection) = self.connection(id) else { return };
        let properties = DisconnectProperties {
            reason_string: Text::new(detail).ok(),
            ..DisconnectProperties::default()
        };
        connection.send_disconnect(Disconnect { reason, properties });
        if let Some(session) = self.close(id) {
            self.note(session, |client_id| Notice::Disconnected { client_id, reason });
            self.detach(session, now);
        }
    }

    /// Orders the connection closed, once what its outbox holds is written. Gives the session,
    /// which is to be detached.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<SessionId> {
        let connection = self.connection(id)?;
        let session = connection.session();
        let former = std::mem::replace(&mut connection.state, State::Closing);
        connection.forget_withheld();
        self.unconnected.count -= usize::from(former.is_before_connack());
        self.relieve(id);
        self.outputs.push_back(Output::Close(id));
        session
    }

    /// The session has lost its connection: will and expiry begin to count. [MQTT-3.1.2-8]
    fn detach(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.session(id) else { return };
        session.connection = None;
        session.away_since = now;
        if !session.is_persistent() {
            return self.end_session(id, now);
        }
        session.queue.drop_at_most_once();
        let (epoch, expiry) = (session.epoch, session.expiry);
        match session.will.as_ref().map(|will| will.delay) {
            Some(Duration::ZERO) => self.publish_will(id, now),
            Some(delay) => self.set_timer(now + delay, Timer::Will(id, epoch)),
            None => {}
        }
        if let Some(expiry) = expiry {
            self.set_timer(now + expiry, Timer::SessionExpiry(id, epoch));
        }
        self.keep_session(id);
    }

    /// Forgets the session; its will is published if it still has one. [MQTT-3.1.2-8]
    /// [MQTT-4.1.0-2]
    pub(super) fn end_session(&mut self, id: SessionId, now: Instant) {
        if self.session(id).is_none() {
            return;
        }
        self.publish_will(id, now);
        let mut session = self.sessions.remove(id.number() as usize);
        for (filter, _) in session.subscriptions.iter() {
            unroute(&mut self.router, filter, id);
        }
        self.client_ids.remove(&session.client_id);
        self.keeping.forget(&mut session);
    }
}

/// Whether a client may leave with this reason; the others are a server's. 0x8C is in one of the
/// standard's two tables of them and not in the other.
const fn is_for_clients(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWill
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
    )
}

/// Whether a client that takes packets of so many bytes can be told what it is granted. To one that
/// cannot, the broker has nothing to say. [MQTT-3.1.2-24]
fn fits(maximum: NonZeroU32, granted: &ConnAckProperties<'_>) -> bool {
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::Success,
        properties: granted.clone(),
    };
    Packet::ConnAck(connack).length() <= maximum.get() as usize
}

/// The wish of the client, cut to what the limits allow.
fn granted_expiry(secs: Option<u32>, limits: &super::Limits) -> Option<Duration> {
    let maximum = limits.maximum_session_expiry;
    match secs.unwrap_or(0) {
        NEVER if maximum == Duration::MAX => None,
        secs => Some(Duration::from_secs(secs.into()).min(maximum)),
    }
}
