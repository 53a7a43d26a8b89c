//! Receiving: messages, and the packets that belong to their exchanges.

use std::sync::Arc;

use mqtt_protocol::delivery::Arrival;
use mqtt_protocol::{Ack, DecodeError, Delivery, PacketId, PacketType, Publish};

use super::acks::Step;
use super::*;
use crate::message::Receipt;
use crate::{Attachment, Message};

impl Session {
    /// Takes one packet of the server.
    ///
    /// # Errors
    /// The server has broken the rules and the connection has to end.
    pub(super) fn handle_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Moment,
    ) -> Result<(), DecodeError> {
        if let Phase::Greeting { .. } = self.phase {
            return match packet {
                Packet::ConnAck(connack) => self.handle_connack(connack, now),
                Packet::Auth(auth) => self.handle_auth(auth, now),
                // [MQTT-3.2.0-1] [MQTT-3.14.0-1]
                _ => Err(violation("a packet before CONNACK")),
            };
        }
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish, now)?,
            Packet::PubAck(ack) => self.handle_puback(ack, now),
            Packet::PubRec(ack) => self.handle_pubrec(ack, now),
            Packet::PubRel(ack) => self.handle_pubrel(ack.packet_id),
            Packet::PubComp(ack) => self.handle_pubcomp(ack, now),
            Packet::SubAck(suback) => self.handle_suback(suback)?,
            Packet::UnsubAck(unsuback) => self.handle_unsuback(unsuback)?,
            Packet::PingResp => {}
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect, now)?,
            // [MQTT-3.2.0-2]
            Packet::ConnAck(_) => return Err(violation("a second CONNACK")),
            Packet::Auth(auth) => self.handle_auth(auth, now)?,
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => return Err(violation("a packet that only a client sends")),
        }
        Ok(())
    }

    fn handle_publish(&mut self, publish: &Publish<'_>, now: Moment) -> Result<(), DecodeError> {
        let topic = self.received_aliases.resolve(publish.topic)?;
        let arrival = self.incoming.publish(publish.delivery)?;
        if arrival == Arrival::Repeated {
            if let Some(packet_id) = publish.delivery.packet_id() {
                self.acks.repeat(packet_id);
                self.send_acks();
            }
            return Ok(());
        }
        self.counts.received += 1;
        let is_answer = topic.as_str() == self.requests.private_topic().as_str();
        let mut message = Message::received(topic, publish, now);
        let token = expect_ack(&mut self.acks, publish.delivery);
        if let Some(awaited) = self.awaiting(&message) {
            self.reply(awaited, Ok(Arc::new(message)));
            self.settle(token);
            return Ok(());
        }
        if is_answer {
            // An answer that came too late.
            self.settle(token);
            return Ok(());
        }
        let (routes, is_by_program) = self.routes(&message, publish);
        message.receipt = token.map(|token| Receipt {
            token,
            by_program: is_by_program.then(|| self.acknowledger.clone()),
        });
        let message = message.shared(self.spares.pop());
        self.events.push(Event::Message { message, routes });
        Ok(())
    }

    /// The request that the message answers.
    fn awaiting(&mut self, message: &Message) -> Option<requests::Awaited> {
        let correlation = message.properties.as_deref()?.correlation.as_deref()?;
        self.requests.take(message.topic().as_str(), correlation)
    }

    /// Which subscriptions the message is for, and whether the program acknowledges it.
    fn routes(&self, message: &Message, publish: &Publish<'_>) -> (Vec<Attachment>, bool) {
        if self.subscriptions.lead_nowhere() {
            return (Vec::new(), false);
        }
        let identifiers = publish.subscription_identifiers;
        if identifiers.is_empty() {
            self.subscriptions.routes_by_topic(message.topic())
        } else {
            self.subscriptions.routes_by_identifier(identifiers)
        }
    }

    fn settle(&mut self, token: Option<u64>) {
        if let Some(token) = token {
            // The message is in the hands of whom it is for.
            let _ = self.acknowledge(token, ReasonCode::Success);
        }
    }

    /// The program is done with a message.
    ///
    /// # Errors
    /// No such message waits for it, or a client may not say that about one.
    pub(crate) fn acknowledge(&mut self, token: u64, reason: ReasonCode) -> Result<(), Error> {
        // [MQTT-3.4.2-1] [MQTT-3.5.2-1]
        let is_for_servers = reason == ReasonCode::NoMatchingSubscribers;
        if is_for_servers || !reason.may_stand_in(PacketType::PubRec) {
            return Err(Error::new(ErrorKind::Argument, "no reason to acknowledge with"));
        }
        // What the server cannot be told of is a message that was taken.
        let reason = if self.version().has_properties() { reason } else { ReasonCode::Success };
        if !self.acks.settle(token, reason) {
            let detail = "the message was acknowledged, or its connection is gone";
            return Err(Error::new(ErrorKind::State, detail));
        }
        self.send_acks();
        Ok(())
    }

    /// Sends the acknowledgements that are due, in the order of arrival.
    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    fn send_acks(&mut self) {
        if !self.is_connected() {
            return;
        }
        while let Some((expected, reason)) = self.acks.next_settled() {
            let ack = Ack::new(expected.packet_id, reason);
            match expected.step {
                Step::PubAck => {
                    self.incoming.acknowledge();
                    self.send(Packet::PubAck(ack));
                }
                Step::PubRec => {
                    if reason.is_error() {
                        self.incoming.refuse(expected.packet_id);
                    } else if let Some(journal) = &mut self.journal {
                        journal.held(expected.packet_id);
                    }
                    self.send(Packet::PubRec(ack));
                }
                Step::PubComp => self.complete(expected.packet_id),
            }
        }
    }

    /// Takes a PUBREL: the exchange is over. [MQTT-4.3.3-11]
    fn handle_pubrel(&mut self, packet_id: PacketId) {
        // A server that did not wait for PUBREC gets it first all the same.
        if self.acks.owes_pubrec(packet_id) {
            self.acks.add_settled(packet_id, Step::PubComp);
        } else {
            self.complete(packet_id);
        }
    }

    fn complete(&mut self, packet_id: PacketId) {
        let reason = self.incoming.release(packet_id);
        if let Some(journal) = &mut self.journal {
            journal.free(packet_id);
        }
        self.send(Packet::PubComp(Ack::new(packet_id, reason)));
    }
}

/// Names the message if it is to be acknowledged, whoever takes it. [MQTT-3.3.4-1] [MQTT-4.3.2-4]
/// [MQTT-4.3.3-8] [MQTT-4.5.0-2]
fn expect_ack(acks: &mut Acks, delivery: Delivery) -> Option<u64> {
    match delivery {
        Delivery::AtMostOnce => None,
        Delivery::AtLeastOnce { packet_id, .. } => Some(acks.expect(packet_id, Step::PubAck)),
        Delivery::ExactlyOnce { packet_id, .. } => Some(acks.expect(packet_id, Step::PubRec)),
    }
}
