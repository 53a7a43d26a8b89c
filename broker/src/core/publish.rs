//! Messages that come in, and the steps of QoS 1 and 2 in both directions.

use std::sync::Arc;

use mqtt_protocol::delivery::{Arrival, PubRecOutcome, Stage};
use mqtt_protocol::{
    Ack, DecodeError, Delivery, OwnedTopicName, PacketType, Publish, PublishFrame, QoS, RawPacket,
    ReasonCode,
};

use super::change::{Change, Progress};
use super::connection::Publishing;
use super::message::{Message, MessageView};
use super::route::Route;
use super::session::{Session, SessionId};
use super::time::Instant;
use super::timers::Timer;
use super::{ConnectionId, Core, protocol_error, room_clock};
use crate::access::Action;

impl Core {
    pub(super) fn handle_publish(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        packet: &RawPacket<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        let Some(connection) = self.connection(from) else { return Ok(()) };
        let version = connection.version;
        // It is put back when what is borrowed from it is no longer needed.
        let mut publishing = connection
            .publishing
            .take()
            .unwrap_or_else(|| Box::new(Publishing::new(connection.topic_alias_maximum)));
        let Publishing { aliases, topic: last, route } = &mut *publishing;
        let known = last.as_ref().map(OwnedTopicName::name);
        let publish = packet.read_publish(known)?;
        self.check_publish(&publish)?;
        let topic = aliases.resolve(publish.topic)?;
        let is_other = known != Some(topic);
        if is_other {
            route.forget();
        }
        let frame = PublishFrame::new(version, &publish, packet.bytes());
        let message = MessageView { frame, ..MessageView::new(topic, &publish) };
        self.take_publish(from, session, publish.delivery, &message, route, now)?;
        if is_other {
            let topic = topic.into();
            *last = Some(topic);
        }
        if let Some(connection) = self.connection(from) {
            connection.publishing = Some(publishing);
        }
        Ok(())
    }

    fn check_publish(&mut self, publish: &Publish<'_>) -> Result<(), DecodeError> {
        self.tally.messages_received += 1;
        // [MQTT-3.3.4-6]
        if !publish.subscription_identifiers.is_empty() {
            return Err(protocol_error("a client's message with a Subscription Identifier"));
        }
        let limits = &self.config.limits;
        limits.check_message(publish.delivery.qos(), publish.retain).map_err(|reason| DecodeError {
            reason,
            detail: "a message of a kind that CONNACK has ruled out",
        })
    }

    fn take_publish(
        &mut self,
        from: ConnectionId,
        id: SessionId,
        delivery: Delivery,
        message: &MessageView<'_>,
        route: &mut Route,
        now: Instant,
    ) -> Result<(), DecodeError> {
        let Some(session) = self.session(id) else { return Ok(()) };
        let reason = match session.incoming.publish(delivery)? {
            Arrival::New => self.admit(id, message, route, now),
            Arrival::Repeated => ReasonCode::Success,
        };
        if reason == ReasonCode::QuotaExceeded
            && delivery.qos() > QoS::AtMostOnce
            && self.connection(from).is_some_and(|client| !client.version.has_properties())
        {
            // An older client would take its PUBACK for success.
            return Err(DecodeError { reason, detail: "there is no room for the message" });
        }
        self.acknowledge(from, id, delivery, reason);
        Ok(())
    }

    /// Hands the message on, if it may be, and gives the reason code for its sender.
    fn admit(
        &mut self,
        id: SessionId,
        message: &MessageView<'_>,
        route: &mut Route,
        now: Instant,
    ) -> ReasonCode {
        let is_known = route.is_valid(&self.router);
        if self.keeping.is_full() && message.qos > QoS::AtMostOnce {
            return ReasonCode::QuotaExceeded;
        }
        if !is_known {
            if message.topic.as_str() == room_clock::TOPIC {
                return self.answer_clock_request(id, message, now);
            }
            if message.topic.is_reserved() {
                return ReasonCode::NotAuthorized;
            }
            if !self.config.limits.allow_topic(&message.topic) {
                return ReasonCode::TopicNameInvalid;
            }
            // A route that is known was found for a topic that it might publish to.
            if !self.may(id, Action::Publish, message.topic.as_str()) {
                self.note_denied(id, Action::Publish, message.topic.as_str());
                return ReasonCode::NotAuthorized;
            }
        }
        let is_kept = message.qos > QoS::AtMostOnce || message.retain;
        if is_kept && self.memory.is_short && !message.payload.is_empty() {
            return ReasonCode::QuotaExceeded;
        }
        if message.retain && !self.retain(id, message, now) {
            return ReasonCode::QuotaExceeded;
        }
        if !is_known {
            self.find_route(route, message.topic, Some(id));
        }
        if route.recipients.is_empty() {
            return ReasonCode::NoMatchingSubscribers;
        }
        self.deliver_all(&route.recipients, message, now);
        ReasonCode::Success
    }

    /// Keeps or clears the retained message of the topic; refuses one more than the limit.
    /// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8]
    pub(super) fn retain(
        &mut self,
        from: SessionId,
        message: &MessageView<'_>,
        now: Instant,
    ) -> bool {
        let topic = message.topic;
        if message.payload.is_empty() {
            if self.retained.clear(topic) {
                let (topic, is_promised) = (topic.as_str().into(), message.qos > QoS::AtMostOnce);
                self.note_retained(Change::RetainedCleared { topic, is_promised });
            }
            return true;
        }
        let mut message = message.to_message(now);
        message.publisher = self.session(from).map(Session::publisher);
        let message = Arc::new(message);
        if !self.retained.has_room(&message, &self.config.limits) {
            return false;
        }
        let is_promised = message.qos > QoS::AtMostOnce;
        self.note_retained(Change::Retained { message: message.clone(), is_promised });
        self.keep_retained(message, now);
        true
    }

    /// Keeps a retained message and sees to its end.
    pub(super) fn keep_retained(&mut self, message: Arc<Message>, now: Instant) {
        if message.expires.is_some() && !self.retained_expiry_is_set {
            self.retained_expiry_is_set = true;
            self.set_timer(now + super::lifetime::RETAINED_EXPIRY_INTERVAL, Timer::RetainedExpiry);
        }
        self.retained.set(message);
    }

    /// Answers a message as its QoS demands. [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
    fn acknowledge(
        &mut self,
        to: ConnectionId,
        id: SessionId,
        delivery: Delivery,
        reason: ReasonCode,
    ) {
        if reason.is_error() {
            self.tally.messages_refused.count(reason);
        }
        let Some(session) = self.session(id) else { return };
        match delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce { packet_id, .. } => {
                if self.step(to, PacketType::PubAck, packet_id, reason)
                    && let Some(session) = self.session(id)
                {
                    session.incoming.acknowledge();
                }
            }
            Delivery::ExactlyOnce { packet_id, .. } => {
                if reason.is_error() {
                    session.incoming.refuse(packet_id);
                } else {
                    self.note_of(id, |session| Change::Received(session, packet_id));
                }
                self.step(to, PacketType::PubRec, packet_id, reason);
            }
        }
    }

    pub(super) fn handle_pubrel(&mut self, from: ConnectionId, id: SessionId, pubrel: &Ack<'_>) {
        let Some(session) = self.session(id) else { return };
        // [MQTT-4.3.3-11]
        let reason = session.incoming.release(pubrel.packet_id);
        if reason == ReasonCode::Success {
            self.note_of(id, |session| Change::Released(session, pubrel.packet_id));
        }
        self.step(from, PacketType::PubComp, pubrel.packet_id, reason);
    }

    pub(super) fn handle_puback(&mut self, id: SessionId, puback: &Ack<'_>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        // A refusal ends the delivery as well as success does. [MQTT-4.8.2-6]
        if let Some(Some(queued)) = session.outgoing.puback(puback.packet_id) {
            self.keeping.delivered(session.keeps_messages(), &queued);
        }
        self.pump(id, now);
    }

    pub(super) fn handle_pubrec(
        &mut self,
        from: ConnectionId,
        id: SessionId,
        pubrec: &Ack<'_>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        let keeps = session.keeps_messages();
        let reason = match session.outgoing.pubrec(pubrec.packet_id, pubrec.reason) {
            PubRecOutcome::Release(kept) => {
                let progress = Progress::Begun(pubrec.packet_id, Stage::AwaitPubComp);
                if let Some(queued) = kept {
                    self.keeping.delivery(keeps, queued, progress);
                }
                ReasonCode::Success
            }
            PubRecOutcome::Refused(kept) => {
                if let Some(queued) = kept {
                    self.keeping.delivered(keeps, &queued);
                }
                return self.pump(id, now);
            }
            PubRecOutcome::Unknown if pubrec.reason.is_error() => return,
            PubRecOutcome::Unknown => ReasonCode::PacketIdentifierNotFound,
        };
        self.step(from, PacketType::PubRel, pubrec.packet_id, reason);
    }

    pub(super) fn handle_pubcomp(&mut self, id: SessionId, pubcomp: &Ack<'_>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        if let Some(Some(queued)) = session.outgoing.pubcomp(pubcomp.packet_id) {
            self.keeping.delivered(session.keeps_messages(), &queued);
        }
        self.pump(id, now);
    }
}
