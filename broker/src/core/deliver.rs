//! Messages that go out: to whom, with which QoS, now or later.

use std::sync::Arc;

use mqtt_protocol::delivery::{AcknowledgedQoS, Stage};
use mqtt_protocol::{
    Delivery, EncodeError, Packet, PacketType, PublishFrame, QoS, ReasonCode,
    SubscriptionIdentifier, SubscriptionIdentifiers, TopicFilter, TopicName, Version,
};

use super::change::{Progress, Sequence};
use super::connection::Connection;
use super::keeping::Keeping;
use super::message::{Message, MessageView, Queued};
use super::route::{Recipient, Route};
use super::router::Subscriber;
use super::session::{Session, SessionId};
use super::time::Instant;
use super::{Core, pressure};
use crate::access::Action;

/// QoS 1 and 2 messages stay in the session while so many bytes wait to be written, because in
/// an outbox they can neither expire nor be resumed.
const OUTBOX_HIGH_WATER: usize = 64 * 1024;

/// What is kept of a buffer that a large message was encoded into, in bytes.
const SCRATCH_SIZE: usize = 64 * 1024;

/// A message to be delivered, in the forms that its receivers can share.
struct Source<'a> {
    message: &'a MessageView<'a>,
    /// What sessions keep of it, once one has to.
    kept: Option<Arc<Message>>,
    /// What the store knows its latest copy by, once one is stored.
    sequence: Option<Sequence>,
    /// Its latest encoding for those who cannot be sent the packet it came in.
    encoded: Option<PublishFrame<Vec<u8>>>,
    /// Where to encode it.
    scratch: Vec<u8>,
    now: Instant,
}

impl Source<'_> {
    fn keep(&mut self) -> Arc<Message> {
        let Self { message, now, .. } = *self;
        self.kept.get_or_insert_with(|| Arc::new(message.to_message(now))).clone()
    }

    fn queued(&mut self, recipient: &Recipient, qos: QoS, retain: bool) -> Queued {
        let identifiers = recipient.identifiers.as_slice().into();
        let sequence = Sequence::default();
        Queued { message: self.keep(), qos, retain, identifiers, sequence }
    }

    /// Gives a copy of it a name, for a store.
    fn name(&mut self, queued: &mut Queued, keeping: &mut Keeping) {
        let sequence = match self.sequence {
            None => keeping.next_sequence(),
            Some(Sequence { message, copy }) => Sequence { message, copy: copy + 1 },
        };
        self.sequence = Some(sequence);
        queued.sequence = sequence;
    }

    /// Sends it to a client. Bytes that others get as well are copied; what is this client's
    /// alone is encoded.
    ///
    /// # Errors
    /// The client does not take packets that large. [MQTT-3.1.2-24]
    fn send(
        &mut self,
        connection: &mut Connection,
        delivery: Delivery,
        retain: bool,
        identifiers: &[SubscriptionIdentifier],
    ) -> Result<(), EncodeError> {
        if !identifiers.is_empty() || !connection.takes_frames() {
            self.scratch.clear();
            let identifiers = identifiers.iter().copied();
            let identifiers = SubscriptionIdentifiers::encode(identifiers, &mut self.scratch);
            return connection.send_publish(self.message.publish(delivery, retain, identifiers));
        }
        if let Some(frame) = &self.message.frame
            && frame.serves(connection.version, delivery)
        {
            return connection.send_frame(frame, delivery, retain);
        }
        let frame = self.encode(connection.version, delivery)?;
        connection.send_frame(frame, delivery, retain)
    }

    /// Encodes it, if that was not done for such a delivery before.
    fn encode(
        &mut self,
        version: Version,
        delivery: Delivery,
    ) -> Result<&PublishFrame<Vec<u8>>, EncodeError> {
        let encoded = self.encoded.take();
        let frame = match encoded {
            Some(frame) if frame.serves(version, delivery) => frame,
            other => {
                let none = SubscriptionIdentifiers::NONE;
                let publish = self.message.publish(delivery, false, none);
                let mut bytes = other
                    .map_or_else(|| std::mem::take(&mut self.scratch), PublishFrame::into_bytes);
                bytes.clear();
                Packet::Publish(publish.clone()).encode_as(version, usize::MAX, &mut bytes)?;
                PublishFrame::new(version, &publish, bytes).ok_or(EncodeError::TooLarge)?
            }
        };
        Ok(self.encoded.insert(frame))
    }
}

impl Core {
    /// Delivers a message to all that subscribed to its topic. [MQTT-4.5.0-1] [MQTT-3.3.2-3]
    pub(super) fn route(
        &mut self,
        message: &MessageView<'_>,
        publisher: Option<SessionId>,
        now: Instant,
    ) {
        let mut route = std::mem::take(&mut self.route);
        self.find_route(&mut route, message.topic, publisher);
        self.deliver_all(&route.recipients, message, now);
        self.route = route;
    }

    /// Finds whom messages of a topic go to.
    pub(super) fn find_route(
        &self,
        route: &mut Route,
        name: TopicName<'_>,
        publisher: Option<SessionId>,
    ) {
        let is_connected = |id: SessionId| {
            let session = self.sessions.get(id.number() as usize);
            session.is_some_and(|session| session.connection.is_some())
        };
        if self.config.access.rules.leave_free(name.as_str()) {
            return route.find(&self.router, name, publisher, |_| true, is_connected);
        }
        let may_receive = |id| self.may(id, Action::Receive, name.as_str());
        route.find(&self.router, name, publisher, may_receive, is_connected);
    }

    /// Delivers a message to one session only, if it has subscribed to the topic.
    pub(super) fn deliver_to(&mut self, id: SessionId, message: &MessageView<'_>, now: Instant) {
        if !self.may(id, Action::Receive, message.topic.as_str()) {
            return;
        }
        let Some(session) = self.session(id) else { return };
        let subscriptions = session.subscriptions.iter();
        let mut matching = subscriptions
            .filter(|(filter, _)| {
                TopicFilter::new(filter).is_ok_and(|filter| filter.matches(message.topic))
            })
            .map(|(_, options)| Recipient::new(Subscriber::new(id, options), false));
        let Some(mut recipient) = matching.next() else { return };
        for other in matching {
            recipient.merge(&other);
        }
        self.deliver_all(&[recipient], message, now);
    }

    /// Delivers one copy to each.
    pub(super) fn deliver_all(
        &mut self,
        recipients: &[Recipient],
        message: &MessageView<'_>,
        now: Instant,
    ) {
        let scratch = std::mem::take(&mut self.scratch);
        let mut source =
            Source { message, kept: None, sequence: None, encoded: None, scratch, now };
        for recipient in recipients {
            self.deliver(recipient, &mut source);
        }
        let encoded = source.encoded.map(PublishFrame::into_bytes);
        self.scratch = encoded.unwrap_or(source.scratch);
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_SIZE);
    }

    fn deliver(&mut self, recipient: &Recipient, source: &mut Source<'_>) {
        let qos = source.message.qos.min(recipient.maximum_qos);
        let retain = source.message.retain && recipient.retain_as_published;
        let identifiers = recipient.identifiers.as_slice();
        let Some(session) = self.sessions.get_mut(recipient.session.number() as usize) else {
            return;
        };
        let connection_id = session.connection;
        let connection = connection_id.and_then(|id| self.connections.get_mut(id.index()));
        let limits = &self.config.limits;
        let spare = &mut self.spare;
        let keeping = &mut self.keeping;
        let keeps = session.keeps_messages();
        let is_sent = match (connection, AcknowledgedQoS::new(qos)) {
            (None, None) => return,
            (Some(connection), None) if !session.queue.holds_back_at_most_once() => {
                let has_room = connection.outbox.bytes.len() < limits.maximum_outbox;
                if pressure::is_felt(connection, limits) {
                    self.pressed = connection_id;
                }
                if has_room {
                    spare.lend(&mut connection.outbox);
                    // What does not fit the client is dropped for it. [MQTT-3.1.2-25]
                    let _ = source.send(connection, Delivery::AtMostOnce, retain, identifiers);
                }
                has_room
            }
            (Some(connection), Some(acknowledged)) if can_send_now(session, connection) => {
                spare.lend(&mut connection.outbox);
                let delivery = acknowledged.delivery(session.outgoing.next_id());
                let withheld = keeps.and_then(|_| keeping.withholds(acknowledged));
                let sent = connection.send_or_withhold(withheld, |connection| {
                    source.send(connection, delivery, retain, identifiers)
                });
                // [MQTT-3.1.2-25]
                if sent.is_ok() {
                    let resumable = session.is_persistent();
                    let mut kept = resumable.then(|| source.queued(recipient, qos, retain));
                    if let Some(queued) = kept.as_mut().filter(|_| keeps.is_some()) {
                        source.name(queued, keeping);
                        keeping.delivery(keeps, queued, begun(acknowledged, session));
                    }
                    begin(session, acknowledged, kept);
                }
                true
            }
            _ => {
                let mut queued = source.queued(recipient, qos, retain);
                if keeps.is_none() || qos == QoS::AtMostOnce {
                    session.queue.push(queued, limits, source.now, |expired| {
                        keeping.delivered(keeps, &expired);
                    })
                } else {
                    source.name(&mut queued, keeping);
                    let copy = queued.clone();
                    let is_queued = session.queue.push(queued, limits, source.now, |expired| {
                        keeping.delivered(keeps, &expired);
                    });
                    if is_queued {
                        keeping.delivery(keeps, &copy, Progress::Waiting);
                    }
                    is_queued
                }
            }
        };
        self.tally.messages_delivered += u64::from(is_sent);
        if !is_sent {
            self.count_dropped(recipient.session);
        }
        if let Some(id) = connection_id {
            self.flush(id);
        }
    }

    /// Begins what can be begun: first what is to be sent again, then what waits.
    pub(super) fn pump(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        let Some(connection_id) = session.connection else { return };
        let Some(connection) = self.connections.get_mut(connection_id.index()) else { return };
        if session.queue.is_empty() && !session.outgoing.has_to_resend() || connection.holds_queue()
        {
            return;
        }
        self.spare.lend(&mut connection.outbox);
        let keeping = &mut self.keeping;
        while connection.waiting_bytes() < OUTBOX_HIGH_WATER {
            if !resend_next(session, connection, keeping, now)
                && !send_next(session, connection, keeping, now)
            {
                break;
            }
        }
        self.flush(connection_id);
    }

    /// Sends the PUBRELs again that a former connection left unanswered. [MQTT-4.4.0-1]
    pub(super) fn resend_releases(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        let Some(connection_id) = session.connection else { return };
        let Some(connection) = self.connections.get_mut(connection_id.index()) else { return };
        for packet_id in session.outgoing.releases_to_resend() {
            connection.send_step(PacketType::PubRel, packet_id, ReasonCode::Success);
        }
        self.flush(connection_id);
    }
}

/// Whether a QoS 1 or 2 message need not wait: nothing overtakes, whatever the topic.
/// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
fn can_send_now(session: &Session, connection: &Connection) -> bool {
    session.queue.is_empty()
        && session.outgoing.has_room()
        && connection.waiting_bytes() < OUTBOX_HIGH_WATER
}

/// How far a message has come that is begun with the identifier that is next.
fn begun(qos: AcknowledgedQoS, session: &Session) -> Progress {
    let stage = match qos {
        AcknowledgedQoS::AtLeastOnce => Stage::AwaitPubAck,
        AcknowledgedQoS::ExactlyOnce => Stage::AwaitPubRec,
    };
    Progress::Begun(session.outgoing.next_id(), stage)
}

fn send_queued(
    connection: &mut Connection,
    queued: &Queued,
    delivery: Delivery,
    now: Instant,
) -> bool {
    let mut scratch = Vec::new();
    let identifiers = queued.identifiers.iter().copied();
    let identifiers = SubscriptionIdentifiers::encode(identifiers, &mut scratch);
    let properties = queued.message.properties(now);
    let message = queued.message.view(&properties);
    connection.send_publish(message.publish(delivery, queued.retain, identifiers)).is_ok()
}

/// Counts a message as sent, with the identifier that was next. [MQTT-4.3.2-2] [MQTT-4.3.3-2]
fn begin(session: &mut Session, qos: AcknowledgedQoS, kept: Option<Queued>) {
    let begun = session.outgoing.begin(qos, kept);
    debug_assert!(begun.is_ok(), "there was room");
}

/// Sends the next unfinished message of a former connection again, whether or not it has expired
/// meanwhile: the client may know it already. [MQTT-4.3.3-7]
fn resend_next(
    session: &mut Session,
    connection: &mut Connection,
    keeping: &mut Keeping,
    now: Instant,
) -> bool {
    let Some((delivery, kept)) = session.outgoing.resend() else { return false };
    let is_sent =
        kept.as_ref().is_some_and(|queued| send_queued(connection, queued, delivery, now));
    if !is_sent
        && let Some(packet_id) = delivery.packet_id()
        && let Some(Some(queued)) = session.outgoing.abandon(packet_id)
    {
        keeping.delivered(session.keeps_messages(), &queued);
    }
    true
}

/// Sends the message that has waited longest, if it may be sent now.
fn send_next(
    session: &mut Session,
    connection: &mut Connection,
    keeping: &mut Keeping,
    now: Instant,
) -> bool {
    let Some(front) = session.queue.front() else { return false };
    let qos = AcknowledgedQoS::new(front.qos);
    let is_expired = front.message.is_expired(now);
    if qos.is_some() && !is_expired && !session.outgoing.has_room() {
        return false;
    }
    let Some(queued) = session.queue.pop() else { return false };
    let keeps = session.keeps_messages();
    match qos {
        // [MQTT-3.3.2-5]
        _ if is_expired => keeping.delivered(keeps, &queued),
        Some(qos) => {
            let delivery = qos.delivery(session.outgoing.next_id());
            let withheld = keeps.and_then(|_| keeping.withholds(qos));
            let is_sent = connection.send_or_withhold(withheld, |connection| {
                send_queued(connection, &queued, delivery, now)
            });
            // One that does not fit the client counts as delivered. [MQTT-3.1.2-25]
            if is_sent {
                keeping.delivery(keeps, &queued, begun(qos, session));
                let kept = session.is_persistent().then_some(queued);
                begin(session, qos, kept);
            } else {
                keeping.delivered(keeps, &queued);
            }
        }
        None => drop(send_queued(connection, &queued, Delivery::AtMostOnce, now)),
    }
    true
}
