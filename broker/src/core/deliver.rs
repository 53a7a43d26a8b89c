//! Messages that go out: to whom, with which QoS, now or later.

use std::sync::Arc;

use mqtt_protocol::delivery::AcknowledgedQoS;
use mqtt_protocol::{
    Ack, Delivery, Packet, QoS, ReasonCode, SubscriptionIdentifier, SubscriptionIdentifiers,
    TopicFilter, TopicName,
};

use super::Core;
use super::connection::Connection;
use super::message::{Message, MessageView, Queued};
use super::router::Subscriber;
use super::session::{Session, SessionId};
use super::time::Instant;

/// QoS 1 and 2 messages stay in the session while so many bytes wait to be written, because in
/// an outbox they can neither expire nor be resumed.
const OUTBOX_HIGH_WATER: usize = 64 * 1024;

/// A subscription that a message is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipient {
    subscriber: Subscriber,
    /// Whether it is served by itself, not merged with the session's other subscriptions.
    is_shared: bool,
}

/// A message to be delivered; copied out of its packet if someone has to wait for it.
struct Source<'a> {
    message: &'a MessageView<'a>,
    kept: Option<Arc<Message>>,
    now: Instant,
}

impl Source<'_> {
    fn keep(&mut self) -> Arc<Message> {
        let Self { message, now, .. } = *self;
        self.kept.get_or_insert_with(|| Arc::new(message.to_message(now))).clone()
    }
}

impl Core {
    /// Delivers a message to all that subscribed to its topic; tells whether there is anyone.
    /// [MQTT-4.5.0-1] [MQTT-3.3.2-3]
    pub(super) fn route(
        &mut self,
        message: &MessageView<'_>,
        publisher: Option<SessionId>,
        now: Instant,
    ) -> bool {
        let mut recipients = std::mem::take(&mut self.recipients);
        self.find_recipients(message.topic, publisher, &mut recipients);
        let mut source = Source { message, kept: None, now };
        // Subscriptions of one session stand together and are served by one copy.
        // [MQTT-3.3.4-2] [MQTT-3.3.4-4]
        for same in recipients.chunk_by(|one, other| {
            one.subscriber.session == other.subscriber.session && !one.is_shared && !other.is_shared
        }) {
            self.deliver(same, &mut source);
        }
        let found = !recipients.is_empty();
        recipients.clear();
        self.recipients = recipients;
        found
    }

    fn find_recipients(
        &self,
        name: TopicName<'_>,
        publisher: Option<SessionId>,
        recipients: &mut Vec<Recipient>,
    ) {
        let mut lists = 0;
        self.router.matching(name, |subscribers| {
            lists += usize::from(!subscribers.single().is_empty());
            // [MQTT-3.8.3-3]
            let wanted = subscribers.single().iter().filter(|subscriber| {
                !(subscriber.no_local && Some(subscriber.session) == publisher)
            });
            recipients.extend(wanted.map(|&subscriber| Recipient { subscriber, is_shared: false }));
            // What a member does not finish stays in its session, and ends with it.
            // [MQTT-4.8.2-4] [MQTT-4.8.2-5]
            for group in subscribers.groups() {
                let member = group.choose(|member| self.is_connected(member.session));
                recipients
                    .extend(member.map(|subscriber| Recipient { subscriber, is_shared: true }));
            }
        });
        if lists > 1 {
            recipients.sort_by_key(|one| (one.subscriber.session, one.is_shared));
        }
    }

    fn is_connected(&self, id: SessionId) -> bool {
        self.sessions.get(id.number() as usize).is_some_and(|session| session.connection.is_some())
    }

    /// Delivers a message to one session only, if it has subscribed to the topic.
    pub(super) fn deliver_to(&mut self, id: SessionId, message: &MessageView<'_>, now: Instant) {
        let Some(session) = self.session(id) else { return };
        let subscriptions = session.subscriptions.iter();
        let matching = subscriptions.filter(|(filter, _)| {
            TopicFilter::new(filter).is_ok_and(|filter| filter.matches(message.topic))
        });
        let recipients: Vec<Recipient> = matching
            .map(|(_, &options)| Subscriber::new(id, options))
            .map(|subscriber| Recipient { subscriber, is_shared: false })
            .collect();
        self.deliver(&recipients, &mut Source { message, kept: None, now });
    }

    /// Delivers one copy to a session, for one or more of its subscriptions.
    fn deliver(&mut self, subscriptions: &[Recipient], source: &mut Source<'_>) {
        let Some(first) = subscriptions.first() else { return };
        let subscribers = || subscriptions.iter().map(|one| &one.subscriber);
        let maximum_qos = subscribers().map(|one| one.maximum_qos).max().unwrap_or_default();
        // [MQTT-3.8.4-8] [MQTT-4.8.2-3]
        let qos = source.message.qos.min(maximum_qos);
        // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        let retain = source.message.retain && subscribers().any(|one| one.retain_as_published);
        // [MQTT-3.3.4-3]
        let identifiers = subscribers().filter_map(|one| one.identifier);
        let copy = Copy { qos, retain, identifiers };

        let id = first.subscriber.session;
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        let connection_id = session.connection;
        let connection = connection_id.and_then(|id| self.connections.get_mut(id.index()));
        let limits = &self.config.limits;
        let is_sent = match (connection, AcknowledgedQoS::new(qos)) {
            (None, None) => return,
            (None, Some(_)) => session.queue.push(copy.queued(source), limits, source.now),
            (Some(connection), None) if !session.queue.holds_back_at_most_once() => {
                let has_room = connection.outbox.bytes.len() < limits.maximum_outbox;
                if has_room {
                    send_at_most_once(connection, &copy, source);
                }
                has_room
            }
            (Some(connection), Some(qos)) if can_send_now(session, connection) => {
                begin(session, connection, qos, copy.queued(source), source.now);
                true
            }
            (Some(_), _) => session.queue.push(copy.queued(source), limits, source.now),
        };
        self.dropped += u64::from(!is_sent);
        if let Some(id) = connection_id {
            self.flush(id);
        }
    }

    /// Begins what can be begun: first what is to be sent again, then what waits.
    pub(super) fn pump(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        let Some(connection_id) = session.connection else { return };
        let Some(connection) = self.connections.get_mut(connection_id.index()) else { return };
        while connection.outbox.bytes.len() < OUTBOX_HIGH_WATER {
            if !resend_next(session, connection, now) && !send_next(session, connection, now) {
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
            let pubrel = Ack::new(packet_id, ReasonCode::Success);
            connection.send_answer(Packet::PubRel(pubrel));
        }
        self.flush(connection_id);
    }
}

/// How one session gets a message.
struct Copy<I> {
    qos: QoS,
    retain: bool,
    identifiers: I,
}

impl<I: Iterator<Item = SubscriptionIdentifier> + Clone> Copy<I> {
    fn queued(&self, source: &mut Source<'_>) -> Queued {
        Queued {
            message: source.keep(),
            qos: self.qos,
            retain: self.retain,
            identifiers: self.identifiers.clone().collect(),
        }
    }
}

fn send_at_most_once(
    connection: &mut Connection,
    copy: &Copy<impl Iterator<Item = SubscriptionIdentifier> + Clone>,
    source: &Source<'_>,
) {
    let mut scratch = Vec::new();
    let identifiers = SubscriptionIdentifiers::encode(copy.identifiers.clone(), &mut scratch);
    let publish = source.message.publish(Delivery::AtMostOnce, copy.retain, identifiers);
    // What does not fit the client is dropped for it. [MQTT-3.1.2-25]
    let _ = connection.send_publish(publish);
}

/// Whether a QoS 1 or 2 message need not wait: nothing overtakes, whatever the topic.
/// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
fn can_send_now(session: &Session, connection: &Connection) -> bool {
    session.queue.is_empty()
        && session.outgoing.has_room()
        && connection.outbox.bytes.len() < OUTBOX_HIGH_WATER
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
    let message = queued.message.view(now);
    connection.send_publish(message.publish(delivery, queued.retain, identifiers)).is_ok()
}

/// Gives a message its identifier and sends it. One that does not fit the client counts as
/// delivered. [MQTT-3.1.2-25] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
fn begin(
    session: &mut Session,
    connection: &mut Connection,
    qos: AcknowledgedQoS,
    queued: Queued,
    now: Instant,
) {
    let delivery = qos.delivery(session.outgoing.next_id());
    if send_queued(connection, &queued, delivery, now) {
        let begun = session.outgoing.begin(qos, queued);
        debug_assert!(begun.is_ok(), "there was room");
    }
}

/// Sends the next unfinished message of a former connection again, whether or not it has expired
/// meanwhile: the client may know it already. [MQTT-4.3.3-7]
fn resend_next(session: &mut Session, connection: &mut Connection, now: Instant) -> bool {
    let Some((delivery, queued)) = session.outgoing.resend() else { return false };
    if !send_queued(connection, queued, delivery, now)
        && let Some(packet_id) = delivery.packet_id()
    {
        session.outgoing.abandon(packet_id);
    }
    true
}

/// Sends the message that has waited longest, if it may be sent now.
fn send_next(session: &mut Session, connection: &mut Connection, now: Instant) -> bool {
    let Some(front) = session.queue.front() else { return false };
    let qos = AcknowledgedQoS::new(front.qos);
    let is_expired = front.message.is_expired(now);
    if qos.is_some() && !is_expired && !session.outgoing.has_room() {
        return false;
    }
    let Some(queued) = session.queue.pop() else { return false };
    match qos {
        // [MQTT-3.3.2-5]
        _ if is_expired => {}
        Some(qos) => begin(session, connection, qos, queued, now),
        None => drop(send_queued(connection, &queued, Delivery::AtMostOnce, now)),
    }
    true
}
