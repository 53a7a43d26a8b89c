//! The life of the connection: CONNECT, CONNACK, keep alive, DISCONNECT, and every way it can end.

use mqtt_protocol::{Decoded, Disconnect, DisconnectProperties, PacketType, decode_as};

use super::keep_alive::Due;
use super::*;
use crate::message::{owned_pairs, user_property_list};
use crate::older;

/// How long DISCONNECT may take to be written.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(1);

impl Session {
    /// A connection was opened: CONNECT is the first packet on it. [MQTT-3.1.0-1]
    pub(crate) fn handle_opened(&mut self, now: Moment) {
        let Phase::Opening { deadline } = self.phase else { return };
        self.phase = Phase::Greeting { deadline };
        self.keep_alive = KeepAlive::new(0, now);
        if !self.asks_before_connect() {
            self.send_connect();
        }
    }

    /// The attempt to open a connection has failed.
    pub(crate) fn handle_open_failed(&mut self, error: Error, now: Moment) {
        if let Phase::Opening { .. } = self.phase {
            self.end(Ending::lost(false, error), now);
        }
    }

    /// The connection was closed by the other end or by the system.
    pub(crate) fn handle_closed(&mut self, error: Error, now: Moment) {
        let lost = Ending::lost(self.is_connected(), error);
        match &mut self.phase {
            Phase::Closing { ending, .. } => {
                let ending = std::mem::replace(ending, lost);
                self.end(ending, now);
            }
            Phase::Greeting { .. } | Phase::Connected | Phase::Leaving { .. } => {
                self.end(lost, now);
            }
            Phase::Stopped | Phase::Waiting { .. } | Phase::Opening { .. } => {}
        }
    }

    /// Takes what came from the server and says how many bytes of it are done with.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Moment) -> usize {
        self.keep_alive.received(now);
        let maximum = self.options.maximum_packet_size.get() as usize;
        let mut rest = bytes;
        while self.demand() == Demand::Keep {
            let result = match decode_as(self.version(), rest, maximum) {
                Ok(Decoded::Packet { packet, length }) => {
                    rest = rest.split_at(length).1;
                    self.handle_packet(&packet, now)
                }
                Ok(Decoded::Incomplete { .. }) => return bytes.len() - rest.len(),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                self.refuse(error, false, now);
            }
        }
        // After DISCONNECT nothing of this connection is listened to.
        bytes.len()
    }

    /// The moment told by [`next_timeout`](Self::next_timeout) has come.
    pub(crate) fn handle_timeout(&mut self, now: Moment) {
        for late in self.requests.take_late(now) {
            let error = Error::new(ErrorKind::Timeout, "no answer came in time");
            self.reply(late, Err(error));
        }
        self.fail_unanswered(now);
        match &self.phase {
            Phase::Waiting { until } if *until <= now => self.open(now),
            Phase::Opening { deadline } | Phase::Greeting { deadline } if *deadline <= now => {
                let error = Error::new(ErrorKind::Timeout, "the server did not answer in time");
                self.end(Ending::lost(false, error), now);
            }
            Phase::Connected => self.check_keep_alive(now),
            Phase::Leaving { deadline, .. } if *deadline <= now => self.leave(now),
            Phase::Leaving { .. } => self.check_keep_alive(now),
            Phase::Closing { deadline, .. } if *deadline <= now => {
                self.handle_closed(Error::new(ErrorKind::Lost, "the server does not read"), now);
            }
            _ => {}
        }
    }

    /// Cuts the pause between two attempts short, or begins again after a stop.
    pub(crate) fn reconnect(&mut self, now: Moment) {
        if let Some(error) = &self.broken {
            return self.events.push(Event::Stopped { error: Some(error.clone()) });
        }
        if let Phase::Stopped | Phase::Waiting { .. } = self.phase {
            if let Some(backoff) = &mut self.backoff {
                backoff.reset();
            }
            self.open(now);
        }
    }

    /// Leaves the server in good order, at the latest at `deadline`.
    ///
    /// # Errors
    /// The farewell is none that a client may say.
    pub(crate) fn disconnect(
        &mut self,
        farewell: Farewell,
        deadline: Moment,
        now: Moment,
    ) -> Result<(), Error> {
        older::check_farewell(self.version(), &farewell)?;
        if !may_be_said_by_a_client(farewell.reason) {
            return Err(Error::new(ErrorKind::Argument, "no reason to disconnect for"));
        }
        let granted = self.limits.map_or(0, |limits| limits.session_expiry_secs);
        if granted == 0 && farewell.session_expiry_secs.is_some_and(|secs| secs > 0) {
            let message = "a session that ends with the connection cannot be kept";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        match self.phase {
            Phase::Connected | Phase::Leaving { .. } => {
                self.phase = Phase::Leaving { deadline, farewell };
                self.send_queued(now);
                if deadline <= now {
                    self.leave(now);
                } else {
                    self.leave_if_done(now);
                }
            }
            Phase::Opening { .. } | Phase::Greeting { .. } => {
                let error = Error::new(ErrorKind::Cancelled, "the program disconnected");
                self.end(Ending { is_final: true, ..Ending::lost(false, error) }, now);
            }
            Phase::Waiting { .. } => self.stop(None),
            Phase::Closing { ref mut ending, .. } => ending.is_final = true,
            Phase::Stopped => {}
        }
        Ok(())
    }

    /// Sends DISCONNECT if the program wants to go and nothing is owed any more.
    pub(super) fn leave_if_done(&mut self, now: Moment) {
        if self.is_leaving() && !self.owes_something() {
            self.leave(now);
        }
    }

    fn owes_something(&self) -> bool {
        !self.queue.is_empty()
            || !self.outgoing.is_empty()
            || !self.subscriptions.is_quiet()
            || self.outbox.has_marks()
    }

    /// Says farewell. Nothing is sent after DISCONNECT. [MQTT-3.14.4-1] [MQTT-3.14.4-2]
    fn leave(&mut self, now: Moment) {
        let Phase::Leaving { farewell, .. } = std::mem::replace(&mut self.phase, Phase::Stopped)
        else {
            return;
        };
        self.left_something = self.owes_something();
        let user_properties = user_property_list(&farewell.user_properties);
        self.send(Packet::Disconnect(Disconnect {
            reason: farewell.reason,
            properties: DisconnectProperties {
                session_expiry_interval: farewell.session_expiry_secs,
                reason_string: farewell.reason_string.as_ref().map(OwnedText::as_text),
                server_reference: None,
                user_properties: user_properties.view(),
            },
        }));
        let expiry = farewell.session_expiry_secs;
        if expiry == Some(0) {
            self.remember(Memory::Fresh);
        }
        let ending = Ending {
            was_connected: true,
            error: None,
            is_final: true,
            is_sent_on: None,
            user_properties: Vec::new(),
        };
        self.phase = Phase::Closing { deadline: now + CLOSE_TIME, ending };
    }

    /// Ends a connection on which the server has broken the rules. [MQTT-4.13.1-1]
    ///
    /// Before version 5.0 DISCONNECT has no reason, and would cost the will that is due.
    pub(super) fn refuse(
        &mut self,
        error: mqtt_protocol::DecodeError,
        is_final: bool,
        now: Moment,
    ) {
        let was_connected = self.is_connected();
        if self.version().has_properties() {
            let is_ours = may_be_said_by_a_client(error.reason);
            let reason = if is_ours { error.reason } else { ReasonCode::ProtocolError };
            self.send(Packet::Disconnect(Disconnect::new(reason)));
        }
        let ending = Ending { is_final, ..Ending::lost(was_connected, error.into()) };
        self.phase = Phase::Closing { deadline: now + CLOSE_TIME, ending };
    }

    fn check_keep_alive(&mut self, now: Moment) {
        match self.keep_alive.next() {
            Some((at, Due::Ping)) if at <= now => {
                self.send(Packet::PingReq);
                self.keep_alive.sent(now);
                self.keep_alive.pinged(now);
            }
            Some((at, Due::GiveUp)) if at <= now => {
                let error = Error::new(ErrorKind::KeepAlive, "the server has fallen silent");
                self.end(Ending::lost(true, error), now);
            }
            _ => {}
        }
    }

    fn open(&mut self, now: Moment) {
        self.phase = Phase::Opening { deadline: now + self.options.connect_timeout };
    }

    /// Takes a DISCONNECT: the connection is over. [MQTT-3.14.4-1] [MQTT-4.13.2-1]
    pub(super) fn handle_disconnect(
        &mut self,
        disconnect: &Disconnect<'_>,
        now: Moment,
    ) -> Result<(), mqtt_protocol::DecodeError> {
        // [MQTT-3.14.2-1]
        if !self.version().has_properties() || disconnect.reason == ReasonCode::DisconnectWithWill {
            return Err(violation("a DISCONNECT that only a client sends"));
        }
        let properties = &disconnect.properties;
        // [MQTT-3.14.2-2]
        if properties.session_expiry_interval.is_some() {
            return Err(violation("a server does not set the session expiry"));
        }
        let reference = properties.server_reference.map(OwnedText::from);
        let is_sent_on = self.redirect(disconnect.reason, reference);
        let detail = properties.reason_string.map(mqtt_protocol::Text::as_str);
        let ending = Ending {
            is_final: !(can_heal(disconnect.reason) || is_sent_on.is_some()) || self.is_leaving(),
            is_sent_on,
            user_properties: owned_pairs(properties.user_properties.iter()),
            ..Ending::lost(true, Error::refused(disconnect.reason, detail))
        };
        self.end(ending, now);
        Ok(())
    }

    fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// Takes the name of another server. Tells whether the client goes there, and if so whether at
    /// once.
    pub(super) fn redirect(
        &mut self,
        reason: ReasonCode,
        reference: Option<OwnedText>,
    ) -> Option<bool> {
        let reference = reference?;
        let is_sent_on = match reason {
            ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => {
                self.servers.redirect(reason, reference.as_str())
            }
            _ => None,
        };
        self.events.push(Event::Redirect { reason, reference });
        is_sent_on
    }

    /// Ends a connection or an attempt: one event, and what follows it.
    pub(super) fn end(&mut self, ending: Ending, now: Moment) {
        let is_final = ending.is_final || self.is_leaving();
        let retry = self.pause_after(&ending, now).filter(|_| !is_final);
        self.lose_connection();
        let error = ending.error.clone();
        match (ending.was_connected, ending.error) {
            (true, error) => {
                let user_properties = ending.user_properties;
                self.events.push(Event::Disconnected { error, retry, user_properties });
            }
            (false, Some(error)) => self.events.push(Event::ConnectFailed { error, retry }),
            (false, None) => {}
        }
        self.log(LogLevel::Warning, || match &error {
            Some(error) => format!("no connection: {error}"),
            None => "disconnected".to_owned(),
        });
        match retry {
            Some(pause) => self.phase = Phase::Waiting { until: now + pause },
            None => self.stop(error.filter(|error| error.kind != ErrorKind::Cancelled)),
        }
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn pause_after(&mut self, ending: &Ending, now: Moment) -> Option<Duration> {
        if ending.was_connected {
            let time = now.since(self.connected_at);
            self.backoff.as_mut().into_iter().for_each(|backoff| backoff.connection_lasted(time));
            self.servers.lasted(time);
        }
        let follows_at_once = match ending.is_sent_on {
            Some(at_once) => at_once,
            // A server that was lost may be back; the others follow if it is not.
            None => !ending.was_connected && self.servers.turn(),
        };
        match follows_at_once {
            true => Some(Duration::ZERO),
            false => self.backoff.as_mut().map(Backoff::pause),
        }
    }

    /// Puts away what cannot go on without the connection; the rest stays for the next one.
    /// [MQTT-3.1.2-23]
    fn lose_connection(&mut self) {
        for mark in self.outbox.reset() {
            let error = Error::new(ErrorKind::Lost, "the connection broke before it was written");
            let report = Report::Always(mark.op);
            self.finish_publish(report, mark.attachment, Err(error), Moment::default());
        }
        self.acks.disconnect();
        self.subscriptions.disconnect();
        let error = Error::new(ErrorKind::Lost, "the connection ended before it was authenticated");
        self.end_authentication(&error);
    }

    /// Ends every operation: there is no connection to come on which they could go on.
    fn stop(&mut self, error: Option<Error>) {
        self.phase = Phase::Stopped;
        let cause = error.clone().unwrap_or(Error::new(ErrorKind::Cancelled, "disconnected"));
        self.fail_publishes(&cause);
        self.fail_subscriptions(&cause);
        for awaited in self.requests.take_all() {
            self.reply(awaited, Err(cause.clone()));
        }
        self.events.push(Event::Stopped { error });
    }
}

impl Ending {
    pub(super) fn lost(was_connected: bool, error: Error) -> Self {
        Self {
            was_connected,
            error: Some(error),
            is_final: false,
            is_sent_on: None,
            user_properties: Vec::new(),
        }
    }
}

/// Whether a client may give this reason for leaving; the others are for servers. [MQTT-3.14.2-1]
fn may_be_said_by_a_client(reason: ReasonCode) -> bool {
    reason.may_stand_in(PacketType::Disconnect)
        && !matches!(
            reason,
            ReasonCode::NotAuthorized
                | ReasonCode::ServerBusy
                | ReasonCode::ServerShuttingDown
                | ReasonCode::BadAuthenticationMethod
                | ReasonCode::KeepAliveTimeout
                | ReasonCode::SessionTakenOver
                | ReasonCode::TopicFilterInvalid
                | ReasonCode::RetainNotSupported
                | ReasonCode::QoSNotSupported
                | ReasonCode::UseAnotherServer
                | ReasonCode::ServerMoved
                | ReasonCode::SharedSubscriptionsNotSupported
                | ReasonCode::ConnectionRateExceeded
                | ReasonCode::MaximumConnectTime
                | ReasonCode::SubscriptionIdentifiersNotSupported
                | ReasonCode::WildcardSubscriptionsNotSupported
        )
}

/// Whether another attempt may succeed without the program changing something.
pub(super) fn can_heal(reason: ReasonCode) -> bool {
    !matches!(
        reason,
        ReasonCode::UnsupportedProtocolVersion
            | ReasonCode::ClientIdentifierNotValid
            | ReasonCode::BadUserNameOrPassword
            | ReasonCode::NotAuthorized
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::SessionTakenOver
            | ReasonCode::TopicNameInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::PayloadFormatInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported
            | ReasonCode::ServerMoved
    )
}
