//! A client as the standard wants it, on top of the same `delivery` as our real one.

use std::collections::VecDeque;

use mqtt_broker::core::ConnectionId;
use mqtt_protocol::delivery::{AcknowledgedQoS, Arrival, Incoming, Outgoing, PubRecOutcome};
use mqtt_protocol::*;

use crate::judge::{Judge, Message};

/// Far from the identifiers of messages.
const FIRST_SUBSCRIBE: PacketId = PacketId::new(65_534).unwrap();
const SECOND_SUBSCRIBE: PacketId = PacketId::new(65_535).unwrap();

pub struct Client {
    pub name: &'static str,
    /// Whether its session outlives its connections.
    pub is_lasting: bool,
    receive_maximum: u16,
    filters: Vec<(&'static str, QoS)>,
    outgoing: Outgoing<Message>,
    incoming: Incoming,
    /// Messages that wait for room in the window.
    waiting: VecDeque<(AcknowledgedQoS, Message)>,
    /// Answers that the client has not got round to give.
    answers: VecDeque<Packet<'static>>,
    pub link: Option<Link>,
    /// Whether the broker has ever confirmed a connection.
    was_connected: bool,
    pub is_subscribed: bool,
}

/// A network connection, with the bytes on their way in either direction.
pub struct Link {
    pub id: ConnectionId,
    pub to_broker: Vec<u8>,
    /// What has reached the broker and is not a whole packet yet.
    pub partial: Vec<u8>,
    pub to_client: Vec<u8>,
    /// What has reached the client and is not a whole packet yet.
    received: Vec<u8>,
    /// Whether the broker has confirmed the connection.
    pub is_up: bool,
    /// The will that the broker is to publish when it breaks, unless the client has left in peace.
    pub will: Option<Message>,
    has_left: bool,
}

impl Link {
    fn send(&mut self, packet: &Packet<'_>) {
        packet.encode(&mut self.to_broker).unwrap();
    }

    /// The will that is owed when the connection breaks: the broker certainly knew of it.
    pub fn owed_will(&self) -> Option<Message> {
        self.will.clone().filter(|_| self.is_up && !self.has_left)
    }
}

impl Client {
    pub fn new(
        name: &'static str,
        is_lasting: bool,
        receive_maximum: u16,
        filters: Vec<(&'static str, QoS)>,
    ) -> Self {
        Self {
            name,
            is_lasting,
            receive_maximum,
            filters,
            outgoing: Outgoing::new(0),
            incoming: Incoming::new(receive_maximum),
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            link: None,
            was_connected: false,
            is_subscribed: false,
        }
    }

    /// Sends CONNECT on a new connection; one that lasts has no will.
    pub fn connect(&mut self, id: ConnectionId, will: Option<Message>) {
        let mut link = Link {
            id,
            to_broker: Vec::new(),
            partial: Vec::new(),
            to_client: Vec::new(),
            received: Vec::new(),
            is_up: false,
            will: None,
            has_left: false,
        };
        let payload = will.as_ref().map(Message::payload);
        let properties = ConnectProperties {
            session_expiry_interval: self.is_lasting.then_some(1_000_000),
            receive_maximum: self.receive_maximum.try_into().ok(),
            ..ConnectProperties::default()
        };
        link.send(&Packet::Connect(Connect {
            clean_start: !self.is_lasting,
            client_id: Text::new(self.name).unwrap(),
            properties,
            will: will.as_ref().zip(payload.as_deref()).map(|(will, payload)| Will {
                qos: will.qos,
                retain: false,
                properties: WillProperties::default(),
                topic: TopicName::new(will.topic).unwrap(),
                payload: Binary::new(payload.as_bytes()).unwrap(),
            }),
            ..Connect::default()
        }));
        link.will = will;
        self.answers.clear();
        self.link = Some(link);
    }

    /// Whether nothing is left to be done.
    pub fn is_settled(&self) -> bool {
        self.outgoing.is_empty()
            && self.waiting.is_empty()
            && self.answers.is_empty()
            && self.incoming.unreleased().next().is_none()
            && self.is_subscribed
            && self.link.as_ref().is_some_and(|link| {
                link.is_up && link.to_broker.is_empty() && link.to_client.is_empty()
            })
    }

    pub fn is_linked(&self, id: ConnectionId) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }

    /// Publishes now at QoS 0, when there is room at QoS 1 and 2.
    pub fn publish(&mut self, message: Message) {
        match AcknowledgedQoS::new(message.qos) {
            Some(qos) => {
                self.waiting.push_back((qos, message));
                self.pump();
            }
            None => {
                let payload = message.payload();
                if let Some(link) = self.link.as_mut().filter(|link| link.is_up) {
                    link.send(&message.publish(Delivery::AtMostOnce, &payload));
                }
            }
        }
    }

    /// Gives the answers it owes, up to so many.
    pub fn answer(&mut self, count: usize) {
        let Some(link) = self.link.as_mut().filter(|link| link.is_up) else { return };
        for answer in self.answers.drain(..count.min(self.answers.len())) {
            if matches!(answer, Packet::PubAck(_)) {
                self.incoming.acknowledge();
            }
            link.send(&answer);
        }
    }

    /// Leaves in peace: its will is forgotten if the broker gets to know it.
    pub fn disconnect(&mut self) {
        if let Some(link) = self.link.as_mut().filter(|link| link.is_up) {
            link.send(&Packet::Disconnect(Disconnect::new(ReasonCode::Success)));
            link.has_left = true;
        }
    }

    /// Bytes have come from the broker.
    pub fn receive(&mut self, bytes: &[u8], judge: &mut Judge, refuses: bool) {
        let Some(link) = &mut self.link else { return };
        link.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut link.received);
        let mut used = 0;
        while let Decoded::Packet { packet, length } =
            decode(&received[used..], usize::MAX).unwrap()
        {
            self.handle(&packet, judge, refuses);
            used += length;
        }
        if let Some(link) = &mut self.link {
            link.received = received[used..].to_vec();
        }
    }

    fn handle(&mut self, packet: &Packet<'_>, judge: &mut Judge, refuses: bool) {
        match packet {
            Packet::ConnAck(connack) => self.begin(connack),
            Packet::Publish(publish) => self.take(publish, judge, refuses),
            Packet::PubAck(ack) => drop(self.outgoing.puback(ack.packet_id)),
            Packet::PubRec(ack) => {
                let reason = match self.outgoing.pubrec(ack.packet_id, ack.reason) {
                    PubRecOutcome::Release(_) => ReasonCode::Success,
                    _ => ReasonCode::PacketIdentifierNotFound,
                };
                self.answers.push_back(Packet::PubRel(Ack::new(ack.packet_id, reason)));
            }
            Packet::PubRel(ack) => {
                let reason = self.incoming.release(ack.packet_id);
                self.answers.push_back(Packet::PubComp(Ack::new(ack.packet_id, reason)));
            }
            Packet::PubComp(ack) => drop(self.outgoing.pubcomp(ack.packet_id)),
            Packet::SubAck(suback) => {
                assert!(suback.reasons.iter().all(|reason| !reason.is_error()));
                self.is_subscribed = suback.packet_id == SECOND_SUBSCRIBE;
            }
            Packet::Disconnect(disconnect) => {
                let reason = disconnect.reason;
                let is_expected = [ReasonCode::SessionTakenOver, ReasonCode::ServerShuttingDown]
                    .contains(&reason);
                assert!(is_expected, "{} is told {reason}", self.name);
            }
            other => panic!("{} got {other:?}", self.name),
        }
        self.pump();
    }

    /// The connection is confirmed: what is unfinished is sent again.
    fn begin(&mut self, connack: &ConnAck<'_>) {
        assert_eq!(connack.reason, ReasonCode::Success);
        let has_session = self.is_lasting && self.was_connected;
        assert!(connack.session_present || !has_session, "{} lost its session", self.name);
        self.was_connected = true;
        let Some(link) = &mut self.link else { return };
        link.is_up = true;
        if !connack.session_present {
            self.is_subscribed = false;
            self.incoming = Incoming::new(self.receive_maximum);
            if !self.is_lasting {
                self.outgoing = Outgoing::new(0);
            }
        }
        let receive_maximum = connack.properties.receive_maximum.map_or(u16::MAX, u16::from);
        self.outgoing.reconnect(receive_maximum);
        self.incoming.reconnect();
        for packet_id in self.outgoing.releases_to_resend() {
            link.send(&Packet::PubRel(Ack::new(packet_id, ReasonCode::Success)));
        }
        if !self.is_subscribed {
            self.subscribe();
        }
    }

    /// Shared subscriptions have an identifier, to know by which a message came.
    fn subscribe(&mut self) {
        let Some(link) = &mut self.link else { return };
        for (packet_id, subscription_identifier) in
            [(FIRST_SUBSCRIBE, SubscriptionIdentifier::new(1)), (SECOND_SUBSCRIBE, None)]
        {
            let wishes = self
                .filters
                .iter()
                .map(|&(filter, qos)| Subscription::new(TopicFilter::new(filter).unwrap(), qos));
            let is_shared = subscription_identifier.is_some();
            let subscriptions: Vec<_> =
                wishes.filter(|wish| wish.filter.share_name().is_some() == is_shared).collect();
            if !subscriptions.is_empty() {
                let properties = SubscribeProperties {
                    subscription_identifier,
                    ..SubscribeProperties::default()
                };
                link.send(&Packet::Subscribe(Subscribe { packet_id, properties, subscriptions }));
            }
        }
    }

    fn take(&mut self, publish: &Publish<'_>, judge: &mut Judge, refuses: bool) {
        // That the broker keeps to the window is what `Incoming` checks.
        let arrival = self.incoming.publish(publish.delivery).unwrap();
        if arrival == Arrival::New {
            judge.delivered(self.name, publish);
        }
        let reason = if refuses { ReasonCode::UnspecifiedError } else { ReasonCode::Success };
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce { packet_id, .. } => {
                self.answers.push_back(Packet::PubAck(Ack::new(packet_id, reason)));
            }
            Delivery::ExactlyOnce { packet_id, .. } => {
                let ack = Ack::new(packet_id, ReasonCode::Success);
                self.answers.push_back(Packet::PubRec(ack));
            }
        }
    }

    /// Sends what may be sent now.
    fn pump(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| link.is_up) else { return };
        while let Some((delivery, message)) = self.outgoing.resend() {
            link.send(&message.publish(delivery, &message.payload()));
        }
        while self.outgoing.has_room()
            && let Some((qos, message)) = self.waiting.pop_front()
        {
            let payload = message.payload();
            let packet_id = self.outgoing.begin(qos, message.clone()).unwrap();
            link.send(&message.publish(qos.delivery(packet_id), &payload));
        }
    }
}
