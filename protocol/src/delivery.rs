//! QoS 1 and 2, as a sender and as a receiver run them; client and server alike.
//!
//! ```text
//!  Outgoing (sender)                              Incoming (receiver)
//!
//!  begin ──PUBLISH──────────────────────────────► publish ─► New | Repeated
//!    │ QoS 1  ◄──PUBACK──────────────────────────── acknowledge
//!    ▼
//!  finished
//!
//!  begin ──PUBLISH──────────────────────────────► publish ─► New | Repeated
//!    │ QoS 2  ◄──PUBREC──────────────────────────── (identifier remembered)
//!    ├─ code ≥ 0x80: finished                       refuse (identifier forgotten)
//!    ▼
//!  released ──PUBREL────────────────────────────► release (identifier forgotten)
//!    │        ◄──PUBCOMP───────────────────────────
//!    ▼
//!  finished
//! ```
//!
//! Both halves outlive the connection. When it is replaced, the sender sends again what
//! is not finished, in its order, and at no other time. [MQTT-4.4.0-1]

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::{DecodeError, Delivery, PacketId, QoS, ReasonCode};

/// The messages a sender has begun to deliver and not finished, `M` being a message.
///
/// Identifiers are given out in their order and each slot of the queue belongs to the one
/// after its neighbour's, so that an acknowledgement finds its message by subtraction. A
/// message stuck at the front holds back the 65,535th behind it.
#[derive(Debug)]
pub struct Outgoing<M> {
    /// Slot 0 belongs to `first`; a finished message leaves a hole.
    slots: VecDeque<Option<InFlight<M>>>,
    first: PacketId,
    /// Slots before this one were sent on this connection.
    sent: usize,
    /// How many messages of this connection count against `receive_maximum`.
    window_used: u16,
    /// How many unfinished messages the peer takes at once. [MQTT-4.9.0-1]
    receive_maximum: u16,
}

/// A message that was begun and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight<M> {
    /// What the peer owes.
    pub stage: Stage,
    /// The message, or what its sender has kept of it.
    pub message: M,
    in_window: bool,
}

impl<M> InFlight<M> {
    /// Whether a new connection has to see the PUBLISH again, and not the PUBREL. [MQTT-4.3.3-6]
    fn has_publish_to_resend(&self) -> bool {
        self.stage != Stage::AwaitPubComp
    }
}

/// What the sender of a message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A PUBACK. [MQTT-4.3.2-3]
    AwaitPubAck,
    /// A PUBREC. [MQTT-4.3.3-3]
    AwaitPubRec,
    /// A PUBCOMP. [MQTT-4.3.3-5]
    AwaitPubComp,
}

/// What a PUBREC leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum PubRecOutcome<'a, M> {
    /// PUBREL has to be sent; what remains of the message is only of use to its sender.
    Release(&'a mut M),
    /// The peer refused the message and the exchange is over. [MQTT-4.4.0-2]
    Refused(M),
    /// No such exchange: PUBREL says so with [`ReasonCode::PacketIdentifierNotFound`].
    Unknown,
}

impl<M> Outgoing<M> {
    /// Nothing in flight, and a peer that takes `receive_maximum` messages at once.
    pub fn new(receive_maximum: u16) -> Self {
        Self {
            slots: VecDeque::new(),
            first: PacketId::FIRST,
            sent: 0,
            window_used: 0,
            receive_maximum,
        }
    }

    /// Begins a connection: all that is unfinished is to be sent again.
    pub fn reconnect(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
        self.window_used = 0;
        self.sent = 0;
        for entry in self.slots.iter_mut().flatten() {
            entry.in_window = false;
        }
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many messages are unfinished.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether [`begin`](Self::begin) would succeed. [MQTT-4.9.0-2] [MQTT-3.3.4-7] [MQTT-3.3.4-9]
    pub fn has_room(&self) -> bool {
        self.window_used < self.receive_maximum
            && self.slots.len() < usize::from(u16::MAX)
            && !self.has_to_resend()
    }

    /// Whether a message of a former connection has to be sent again.
    pub fn has_to_resend(&self) -> bool {
        self.slots.range(self.sent..).flatten().any(InFlight::has_publish_to_resend)
    }

    /// Gives the message an identifier that is not in use and counts it as sent.
    /// [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2]
    ///
    /// # Errors
    /// The window is full, or older messages are to be sent again first; the message comes back.
    pub fn begin(&mut self, qos: AcknowledgedQoS, message: M) -> Result<PacketId, M> {
        if !self.has_room() {
            return Err(message);
        }
        let packet_id = self.id_at(self.slots.len());
        let stage = match qos {
            AcknowledgedQoS::AtLeastOnce => Stage::AwaitPubAck,
            AcknowledgedQoS::ExactlyOnce => Stage::AwaitPubRec,
        };
        self.slots.push_back(Some(InFlight { stage, message, in_window: true }));
        self.sent = self.slots.len();
        self.window_used += 1;
        Ok(packet_id)
    }

    /// Puts back a message that a store had kept; they come in the order they were begun.
    ///
    /// # Errors
    /// The identifier is out of order; the message comes back.
    pub fn restore(&mut self, packet_id: PacketId, stage: Stage, message: M) -> Result<(), M> {
        if self.slots.is_empty() {
            self.first = packet_id;
        }
        let index = usize::from(packet_id.steps_from(self.first));
        if index < self.slots.len() {
            return Err(message);
        }
        self.slots.resize_with(index, || None);
        self.slots.push_back(Some(InFlight { stage, message, in_window: false }));
        Ok(())
    }

    /// Gives new messages identifiers from this one on. Only while nothing is in flight.
    pub fn continue_from(&mut self, packet_id: PacketId) {
        debug_assert!(self.is_empty());
        self.first = packet_id;
    }

    /// The identifier the next message gets.
    pub fn next_id(&self) -> PacketId {
        self.id_at(self.slots.len())
    }

    /// Takes the next identifier for something that is no message: SUBSCRIBE and UNSUBSCRIBE share
    /// the identifiers with PUBLISH. It may come up again only after all others. [MQTT-2.2.1-3]
    ///
    /// There is none while the oldest message in flight would be next to have its own again.
    pub fn skip_id(&mut self) -> Option<PacketId> {
        if self.slots.len() == usize::from(u16::MAX) {
            return None;
        }
        let packet_id = self.next_id();
        if self.slots.is_empty() {
            self.first = packet_id.next();
        } else {
            self.sent += usize::from(self.sent == self.slots.len());
            self.slots.push_back(None);
        }
        Some(packet_id)
    }

    /// The exchanges whose PUBREL has to be sent again; no window holds it back.
    /// [MQTT-3.3.4-8] [MQTT-3.3.4-10] [MQTT-4.6.0-4]
    pub fn releases_to_resend(&self) -> impl Iterator<Item = PacketId> {
        self.iter()
            .filter(|(_, entry)| entry.stage == Stage::AwaitPubComp)
            .map(|(packet_id, _)| packet_id)
    }

    /// The next message whose PUBLISH has to be sent again, as a duplicate, while the window
    /// has room; it counts as sent. [MQTT-3.3.1-1] [MQTT-4.6.0-1] [MQTT-4.3.3-6]
    pub fn resend(&mut self) -> Option<(Delivery, &mut M)> {
        while self.sent < self.slots.len() {
            let index = self.sent;
            match self.slots.get(index) {
                Some(Some(entry)) if entry.has_publish_to_resend() => {
                    if self.window_used == self.receive_maximum {
                        return None;
                    }
                    return self.resend_slot(index);
                }
                _ => self.sent += 1,
            }
        }
        None
    }

    fn resend_slot(&mut self, index: usize) -> Option<(Delivery, &mut M)> {
        let packet_id = self.id_at(index);
        let entry = self.slots.get_mut(index)?.as_mut()?;
        entry.in_window = true;
        self.window_used += 1;
        self.sent += 1;
        let delivery = match entry.stage {
            Stage::AwaitPubAck => Delivery::AtLeastOnce { packet_id, duplicate: true },
            _ => Delivery::ExactlyOnce { packet_id, duplicate: true },
        };
        Some((delivery, &mut entry.message))
    }

    /// Takes a PUBACK: the message is finished, or was not known. [MQTT-4.3.2-3] [MQTT-4.4.0-2]
    pub fn puback(&mut self, packet_id: PacketId) -> Option<M> {
        self.finish(packet_id, Stage::AwaitPubAck)
    }

    /// Takes a PUBREC. [MQTT-4.3.3-4]
    pub fn pubrec(&mut self, packet_id: PacketId, reason: ReasonCode) -> PubRecOutcome<'_, M> {
        if reason.is_error() {
            return match self.finish(packet_id, Stage::AwaitPubRec) {
                Some(message) => PubRecOutcome::Refused(message),
                None => PubRecOutcome::Unknown,
            };
        }
        match self.entry(packet_id) {
            Some(entry) if entry.stage != Stage::AwaitPubAck => {
                entry.stage = Stage::AwaitPubComp;
                PubRecOutcome::Release(&mut entry.message)
            }
            _ => PubRecOutcome::Unknown,
        }
    }

    /// Takes a PUBCOMP: the message is finished, or was not known. [MQTT-4.3.3-5]
    pub fn pubcomp(&mut self, packet_id: PacketId) -> Option<M> {
        self.finish(packet_id, Stage::AwaitPubComp)
    }

    /// Ends an exchange without the peer, because its PUBLISH could not be sent.
    pub fn abandon(&mut self, packet_id: PacketId) -> Option<M> {
        let stage = self.entry(packet_id)?.stage;
        self.finish(packet_id, stage)
    }

    /// What is in flight, in the order it was begun.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, &InFlight<M>)> {
        let entries = self.slots.iter().enumerate();
        entries.filter_map(|(index, slot)| Some((self.id_at(index), slot.as_ref()?)))
    }

    /// Takes out all that is in flight, in the order it was begun.
    pub fn drain(&mut self) -> impl Iterator<Item = (PacketId, InFlight<M>)> {
        let mut packet_id = self.first;
        self.first = self.next_id();
        self.sent = 0;
        self.window_used = 0;
        self.slots.drain(..).filter_map(move |slot| {
            let this = packet_id;
            packet_id = packet_id.next();
            Some((this, slot?))
        })
    }

    fn id_at(&self, index: usize) -> PacketId {
        let last = u32::from(u16::MAX);
        let number = (u32::from(self.first.number()) - 1 + index as u32) % last + 1;
        PacketId::new(number as u16).unwrap_or(PacketId::FIRST)
    }

    fn entry(&mut self, packet_id: PacketId) -> Option<&mut InFlight<M>> {
        let index = usize::from(packet_id.steps_from(self.first));
        self.slots.get_mut(index)?.as_mut()
    }

    fn finish(&mut self, packet_id: PacketId, stage: Stage) -> Option<M> {
        let index = usize::from(packet_id.steps_from(self.first));
        let slot = self.slots.get_mut(index)?;
        let entry = slot.take_if(|entry| entry.stage == stage)?;
        self.window_used -= u16::from(entry.in_window);
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first = self.first.next();
            self.sent = self.sent.saturating_sub(1);
        }
        Some(entry.message)
    }
}

/// A QoS that is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgedQoS {
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

impl AcknowledgedQoS {
    /// The QoS if it is acknowledged; QoS 0 is not.
    pub const fn new(qos: QoS) -> Option<Self> {
        match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Self::AtLeastOnce),
            QoS::ExactlyOnce => Some(Self::ExactlyOnce),
        }
    }

    /// A first transmission with this identifier.
    pub const fn delivery(self, packet_id: PacketId) -> Delivery {
        match self {
            Self::AtLeastOnce => Delivery::AtLeastOnce { packet_id, duplicate: false },
            Self::ExactlyOnce => Delivery::ExactlyOnce { packet_id, duplicate: false },
        }
    }
}

/// The messages a receiver has begun to take and not finished.
#[derive(Debug)]
pub struct Incoming {
    /// QoS 2 messages whose PUBREL has not come; the value tells whether this connection's
    /// window counts them.
    unreleased: HashMap<PacketId, bool, BuildHasherDefault<PacketIdHasher>>,
    unacknowledged: u16,
    receive_maximum: u16,
    window_used: u16,
}

/// Spreads packet identifiers. There are too few of them to make a table slow on purpose.
#[derive(Default)]
struct PacketIdHasher(u64);

impl Hasher for PacketIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u16(byte.into()));
    }

    fn write_u16(&mut self, number: u16) {
        // The golden ratio, as a fraction of 2^64.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Whether a message is to be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is a message that was not seen before.
    New,
    /// It was handed on before and is only to be answered again.
    Repeated,
}

impl Incoming {
    /// Nothing under way, and `receive_maximum` announced to the peer.
    pub fn new(receive_maximum: u16) -> Self {
        Self { unreleased: HashMap::default(), unacknowledged: 0, receive_maximum, window_used: 0 }
    }

    /// Begins a connection: the window is empty, identifiers awaiting PUBREL stay.
    pub fn reconnect(&mut self) {
        self.unacknowledged = 0;
        self.window_used = 0;
        self.unreleased.values_mut().for_each(|in_window| *in_window = false);
    }

    /// Takes a PUBLISH. At QoS 1 [`acknowledge`](Self::acknowledge) is to follow, at QoS 2 the
    /// identifier is remembered until [`release`](Self::release) or [`refuse`](Self::refuse).
    /// [MQTT-4.3.2-5] [MQTT-4.3.3-10]
    ///
    /// # Errors
    /// The peer does not keep to the announced maximum.
    pub fn publish(&mut self, delivery: Delivery) -> Result<Arrival, DecodeError> {
        match delivery {
            Delivery::AtMostOnce => return Ok(Arrival::New),
            Delivery::AtLeastOnce { .. } => {
                self.take_slot()?;
                self.unacknowledged += 1;
            }
            Delivery::ExactlyOnce { packet_id, .. } => {
                if let Some(in_window) = self.unreleased.get(&packet_id).copied() {
                    if !in_window {
                        self.take_slot()?;
                        self.unreleased.insert(packet_id, true);
                    }
                    return Ok(Arrival::Repeated);
                }
                self.take_slot()?;
                self.unreleased.insert(packet_id, true);
            }
        }
        Ok(Arrival::New)
    }

    fn take_slot(&mut self) -> Result<(), DecodeError> {
        if self.window_used == self.receive_maximum {
            return Err(DecodeError {
                reason: ReasonCode::ReceiveMaximumExceeded,
                detail: "more messages at once than the Receive Maximum",
            });
        }
        self.window_used += 1;
        Ok(())
    }

    /// Counts a PUBACK that goes out.
    pub fn acknowledge(&mut self) {
        let was_open = self.unacknowledged > 0;
        self.unacknowledged -= u16::from(was_open);
        self.window_used -= u16::from(was_open);
    }

    /// Forgets a QoS 2 message that goes out with a failing PUBREC. [MQTT-4.3.3-9]
    pub fn refuse(&mut self, packet_id: PacketId) {
        self.forget(packet_id);
    }

    /// Takes a PUBREL and gives the code for the PUBCOMP that answers it. How old the message is
    /// does not matter. [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-4.3.3-13]
    pub fn release(&mut self, packet_id: PacketId) -> ReasonCode {
        if self.forget(packet_id) {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        }
    }

    fn forget(&mut self, packet_id: PacketId) -> bool {
        let in_window = self.unreleased.remove(&packet_id);
        self.window_used -= u16::from(in_window == Some(true));
        in_window.is_some()
    }

    /// Puts back an identifier that a store had kept.
    pub fn restore(&mut self, packet_id: PacketId) {
        self.unreleased.insert(packet_id, false);
    }

    /// The identifiers whose PUBREL has not come.
    pub fn unreleased(&self) -> impl Iterator<Item = PacketId> {
        self.unreleased.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::AcknowledgedQoS::{AtLeastOnce, ExactlyOnce};
    use super::*;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    /// [MQTT-4.3.2-1] [MQTT-4.3.2-3]
    #[test]
    fn a_qos_1_message_is_finished_by_its_puback() {
        let mut outgoing = Outgoing::new(10);
        assert_eq!(outgoing.begin(AtLeastOnce, "a"), Ok(id(1)));
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Ok(id(2)));
        assert_eq!(outgoing.puback(id(2)), Some("b"));
        assert_eq!(outgoing.puback(id(2)), None);
        assert_eq!(outgoing.puback(id(1)), Some("a"));
        assert!(outgoing.is_empty());
        assert_eq!(outgoing.next_id(), id(3));
    }

    /// [MQTT-4.3.3-4] [MQTT-4.3.3-5]
    #[test]
    fn a_qos_2_message_is_released_and_then_finished() {
        let mut outgoing = Outgoing::new(10);
        outgoing.begin(ExactlyOnce, "a").unwrap();
        assert_eq!(outgoing.pubcomp(id(1)), None);
        assert_eq!(outgoing.pubrec(id(1), ReasonCode::Success), PubRecOutcome::Release(&mut "a"));
        assert_eq!(outgoing.pubrec(id(1), ReasonCode::Success), PubRecOutcome::Release(&mut "a"));
        assert_eq!(outgoing.pubcomp(id(1)), Some("a"));
        assert_eq!(outgoing.pubrec(id(1), ReasonCode::Success), PubRecOutcome::Unknown);
    }

    /// [MQTT-4.3.3-4] [MQTT-4.4.0-2]
    #[test]
    fn a_failing_pubrec_ends_the_exchange() {
        let mut outgoing = Outgoing::new(1);
        outgoing.begin(ExactlyOnce, "a").unwrap();
        let outcome = outgoing.pubrec(id(1), ReasonCode::QuotaExceeded);
        assert_eq!(outcome, PubRecOutcome::Refused("a"));
        assert!(outgoing.has_room());
        outgoing.reconnect(1);
        assert!(outgoing.resend().is_none());
    }

    /// [MQTT-4.9.0-2] [MQTT-3.3.4-7]
    #[test]
    fn the_window_opens_at_puback_and_pubcomp_and_not_before() {
        let mut outgoing = Outgoing::new(1);
        outgoing.begin(ExactlyOnce, "a").unwrap();
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Err("b"));
        let _ = outgoing.pubrec(id(1), ReasonCode::Success);
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Err("b"));
        outgoing.pubcomp(id(1));
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Ok(id(2)));
    }

    /// [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-6]
    #[test]
    fn what_is_unfinished_is_sent_again_in_order() {
        let mut outgoing = Outgoing::new(10);
        for (qos, message) in [(AtLeastOnce, "a"), (ExactlyOnce, "b"), (ExactlyOnce, "c")] {
            outgoing.begin(qos, message).unwrap();
        }
        let _ = outgoing.pubrec(id(2), ReasonCode::Success);
        assert!(outgoing.resend().is_none(), "nothing is sent again while connected");

        outgoing.reconnect(1);
        assert_eq!(outgoing.releases_to_resend().collect::<Vec<_>>(), [id(2)]);
        assert!(outgoing.begin(AtLeastOnce, "d").is_err(), "older messages go first");
        let (delivery, message) = outgoing.resend().unwrap();
        assert_eq!((*message, delivery.packet_id()), ("a", Some(id(1))));
        assert!(delivery.is_duplicate());
        assert!(outgoing.resend().is_none(), "the new window is full");
        outgoing.puback(id(1));
        let (delivery, message) = outgoing.resend().unwrap();
        assert_eq!((*message, delivery.packet_id()), ("c", Some(id(3))));
        outgoing.pubcomp(id(2));
        assert!(!outgoing.has_room());
        let _ = outgoing.pubrec(id(3), ReasonCode::Success);
        outgoing.pubcomp(id(3));
        assert_eq!(outgoing.begin(AtLeastOnce, "d"), Ok(id(4)));
    }

    #[test]
    fn a_release_to_resend_holds_back_no_new_message() {
        let mut outgoing = Outgoing::new(1);
        outgoing.begin(ExactlyOnce, "a").unwrap();
        let _ = outgoing.pubrec(id(1), ReasonCode::Success);
        outgoing.reconnect(1);
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Ok(id(2)));
    }

    /// [MQTT-2.2.1-3] [MQTT-2.2.1-4]
    #[test]
    fn identifiers_in_use_are_not_given_again() {
        let mut outgoing = Outgoing::new(u16::MAX);
        outgoing.begin(AtLeastOnce, 0_u32).unwrap();
        for number in 1..u32::from(u16::MAX) {
            let packet_id = outgoing.begin(AtLeastOnce, number).unwrap();
            assert_eq!(outgoing.puback(packet_id), Some(number));
        }
        assert_eq!(outgoing.begin(AtLeastOnce, 7), Err(7), "1 is in use");
        assert_eq!(outgoing.puback(id(1)), Some(0));
        assert_eq!(outgoing.begin(AtLeastOnce, 7), Ok(id(1)));
    }

    /// [MQTT-2.2.1-3]
    #[test]
    fn a_skipped_identifier_is_not_given_to_a_message() {
        let mut outgoing = Outgoing::new(10);
        assert_eq!(outgoing.skip_id(), Some(id(1)));
        outgoing.begin(AtLeastOnce, "a").unwrap();
        assert_eq!(outgoing.skip_id(), Some(id(3)));
        assert_eq!(outgoing.begin(AtLeastOnce, "b"), Ok(id(4)));
        outgoing.puback(id(2));
        assert_eq!(outgoing.puback(id(3)), None);
        assert_eq!(outgoing.puback(id(4)), Some("b"));
        assert!(outgoing.is_empty());
        assert_eq!(outgoing.next_id(), id(5));
    }

    /// [MQTT-2.2.1-3]
    #[test]
    fn an_identifier_in_use_is_not_skipped_to() {
        let mut outgoing = Outgoing::new(1);
        outgoing.begin(AtLeastOnce, "a").unwrap();
        for number in 2..=u16::MAX {
            assert_eq!(outgoing.skip_id(), Some(id(number)));
        }
        assert_eq!(outgoing.skip_id(), None, "1 is in use");
        assert_eq!(outgoing.puback(id(1)), Some("a"));
        assert_eq!(outgoing.skip_id(), Some(id(1)));
    }

    #[test]
    fn a_restored_queue_goes_on_where_it_was() {
        let mut outgoing = Outgoing::new(10);
        outgoing.restore(id(65_534), Stage::AwaitPubAck, "a").unwrap();
        outgoing.restore(id(1), Stage::AwaitPubComp, "b").unwrap();
        assert_eq!(outgoing.restore(id(65_535), Stage::AwaitPubAck, "c"), Err("c"));
        outgoing.reconnect(10);
        assert_eq!(outgoing.releases_to_resend().collect::<Vec<_>>(), [id(1)]);
        assert_eq!(outgoing.resend().unwrap().0.packet_id(), Some(id(65_534)));
        assert_eq!(outgoing.next_id(), id(2));
    }

    fn qos_1(number: u16) -> Delivery {
        AtLeastOnce.delivery(id(number))
    }

    fn qos_2(number: u16) -> Delivery {
        ExactlyOnce.delivery(id(number))
    }

    /// [MQTT-4.3.2-5]
    #[test]
    fn a_qos_1_message_is_new_each_time() {
        let mut incoming = Incoming::new(10);
        for _ in 0..2 {
            assert_eq!(incoming.publish(qos_1(1)), Ok(Arrival::New));
            incoming.acknowledge();
        }
    }

    /// [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12]
    #[test]
    fn a_qos_2_message_is_new_once_until_it_is_released() {
        let mut incoming = Incoming::new(10);
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::New));
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::Repeated));
        incoming.reconnect();
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::Repeated));
        assert_eq!(incoming.release(id(1)), ReasonCode::Success);
        assert_eq!(incoming.release(id(1)), ReasonCode::PacketIdentifierNotFound);
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::New));
    }

    /// [MQTT-4.3.3-9]
    #[test]
    fn a_refused_qos_2_message_is_new_again() {
        let mut incoming = Incoming::new(1);
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::New));
        incoming.refuse(id(1));
        assert_eq!(incoming.publish(qos_2(1)), Ok(Arrival::New));
    }

    #[test]
    fn a_peer_that_sends_too_many_at_once_is_told() {
        let mut incoming = Incoming::new(2);
        incoming.publish(qos_1(1)).unwrap();
        incoming.publish(qos_2(2)).unwrap();
        let error = incoming.publish(qos_1(3)).unwrap_err();
        assert_eq!(error.reason, ReasonCode::ReceiveMaximumExceeded);
        incoming.release(id(2));
        assert!(incoming.publish(qos_1(3)).is_ok());
    }
}
