//! A plain model of a sender's queue, and a sender and a receiver in conversation.

use std::collections::VecDeque;

use mqtt_protocol::delivery::{AcknowledgedQoS, Arrival, Incoming, Outgoing, PubRecOutcome, Stage};
use mqtt_protocol::{Delivery, PacketId, ReasonCode};

use crate::source::Source;

/// Does to a queue and to its model what the bytes say, and compares them after each step.
pub(crate) fn check_outgoing(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let maximum = u16::from(source.u8() % 8);
    // Beginning near the last identifier shows what happens when they wrap.
    let first = 65_534 - u64::from(source.u8() % 8);
    let mut model = Model { begun: Vec::new(), next: first, maximum };
    let mut outgoing = Outgoing::new(maximum);
    outgoing.continue_from(id(first));
    let mut message = 0;
    while !source.is_empty() {
        message += 1;
        step(&mut source, &mut outgoing, &mut model, message);
        compare(&outgoing, &model);
    }
    let drained: Vec<_> = outgoing.drain().map(|(id, entry)| (id, entry.message)).collect();
    let expected: Vec<_> = model.begun.iter().map(|entry| (entry.id(), entry.message)).collect();
    assert_eq!(drained, expected);
    assert!(outgoing.is_empty());
}

/// A sender's queue, slow and plain: what was begun and not finished, in order.
struct Model {
    begun: Vec<Begun>,
    /// The place of the next message in the row of all messages.
    next: u64,
    maximum: u16,
}

struct Begun {
    place: u64,
    message: u32,
    stage: Stage,
    was_sent: bool,
    is_counted: bool,
}

impl Begun {
    fn id(&self) -> PacketId {
        id(self.place)
    }

    fn awaits_sending(&self) -> bool {
        !self.was_sent && self.stage != Stage::AwaitPubComp
    }
}

fn id(place: u64) -> PacketId {
    PacketId::new((place % 65_535) as u16 + 1).unwrap()
}

impl Model {
    fn window_is_open(&self) -> bool {
        self.begun.iter().filter(|entry| entry.is_counted).count() < usize::from(self.maximum)
    }

    fn has_room(&self) -> bool {
        let oldest = self.begun.first().map_or(self.next, |entry| entry.place);
        let is_caught_up = !self.begun.iter().any(Begun::awaits_sending);
        is_caught_up && self.window_is_open() && self.next - oldest < 65_535
    }

    fn skip_id(&mut self) -> PacketId {
        self.next += 1;
        id(self.next - 1)
    }

    fn begin(&mut self, stage: Stage, message: u32) -> Option<PacketId> {
        if !self.has_room() {
            return None;
        }
        let place = self.next;
        self.begun.push(Begun { place, message, stage, was_sent: true, is_counted: true });
        self.next += 1;
        Some(id(place))
    }

    fn finish(&mut self, packet_id: PacketId, stage: Option<Stage>) -> Option<u32> {
        let found = self.begun.iter().position(|entry| {
            entry.id() == packet_id && stage.is_none_or(|stage| stage == entry.stage)
        })?;
        Some(self.begun.remove(found).message)
    }

    fn release(&mut self, packet_id: PacketId) -> Option<u32> {
        let entry = self.begun.iter_mut().find(|entry| entry.id() == packet_id)?;
        if entry.stage == Stage::AwaitPubAck {
            return None;
        }
        entry.stage = Stage::AwaitPubComp;
        Some(entry.message)
    }

    fn resend(&mut self) -> Option<(PacketId, u32)> {
        if !self.window_is_open() {
            return None;
        }
        let entry = self.begun.iter_mut().find(|entry| entry.awaits_sending())?;
        (entry.was_sent, entry.is_counted) = (true, true);
        Some((entry.id(), entry.message))
    }

    fn reconnect(&mut self, maximum: u16) {
        self.maximum = maximum;
        for entry in &mut self.begun {
            (entry.was_sent, entry.is_counted) = (false, false);
        }
    }
}

/// Mostly an identifier that is in use.
fn pick(source: &mut Source<'_>, model: &Model) -> PacketId {
    let index = source.index(model.begun.len() + 1);
    model.begun.get(index).map_or_else(|| id(u64::from(source.u16())), Begun::id)
}

fn step(source: &mut Source<'_>, outgoing: &mut Outgoing<u32>, model: &mut Model, message: u32) {
    match source.u8() % 16 {
        0..4 => {
            let begun = outgoing.begin(AcknowledgedQoS::AtLeastOnce, message);
            assert_eq!(begun.ok(), model.begin(Stage::AwaitPubAck, message));
        }
        4..8 => {
            let begun = outgoing.begin(AcknowledgedQoS::ExactlyOnce, message);
            assert_eq!(begun.ok(), model.begin(Stage::AwaitPubRec, message));
        }
        8 => {
            let id = pick(source, model);
            assert_eq!(outgoing.puback(id), model.finish(id, Some(Stage::AwaitPubAck)));
        }
        9 => {
            let id = pick(source, model);
            let expected = model.release(id);
            match outgoing.pubrec(id, ReasonCode::Success) {
                PubRecOutcome::Release(message) => assert_eq!(Some(*message), expected),
                PubRecOutcome::Refused(_) => panic!("a success refuses nothing"),
                PubRecOutcome::Unknown => assert_eq!(expected, None),
            }
        }
        10 => {
            let id = pick(source, model);
            let expected = model
                .finish(id, Some(Stage::AwaitPubRec))
                .map_or(PubRecOutcome::Unknown, PubRecOutcome::Refused);
            assert_eq!(outgoing.pubrec(id, ReasonCode::QuotaExceeded), expected);
        }
        11 => {
            let id = pick(source, model);
            assert_eq!(outgoing.pubcomp(id), model.finish(id, Some(Stage::AwaitPubComp)));
        }
        12 => {
            let id = pick(source, model);
            assert_eq!(outgoing.abandon(id), model.finish(id, None));
        }
        13 => {
            let sent = outgoing.resend().map(|(delivery, message)| {
                assert!(delivery.is_duplicate());
                (delivery.packet_id().unwrap(), *message)
            });
            assert_eq!(sent, model.resend());
        }
        14 if source.bool() => assert_eq!(outgoing.skip_id(), Some(model.skip_id())),
        14 => {
            let maximum = u16::from(source.u8() % 8);
            outgoing.reconnect(maximum);
            model.reconnect(maximum);
        }
        _ => {
            *outgoing = stored_and_restored(outgoing, model.maximum);
            model.reconnect(model.maximum);
            model.next = model.begun.last().map_or(model.next, |entry| entry.place + 1);
        }
    }
}

/// A queue that a store has kept over a restart.
fn stored_and_restored(outgoing: &Outgoing<u32>, maximum: u16) -> Outgoing<u32> {
    let mut restored = Outgoing::new(maximum);
    restored.continue_from(outgoing.next_id());
    for (id, entry) in outgoing.iter() {
        restored.restore(id, entry.stage, entry.message).unwrap();
    }
    restored.reconnect(maximum);
    restored
}

fn compare(outgoing: &Outgoing<u32>, model: &Model) {
    let queue: Vec<_> =
        outgoing.iter().map(|(id, entry)| (id, entry.stage, entry.message)).collect();
    let expected: Vec<_> =
        model.begun.iter().map(|entry| (entry.id(), entry.stage, entry.message)).collect();
    assert_eq!(queue, expected);
    assert_eq!(outgoing.len(), expected.len());
    assert_eq!(outgoing.is_empty(), expected.is_empty());
    assert_eq!(outgoing.next_id(), id(model.next));
    assert_eq!(outgoing.has_room(), model.has_room());
    let releases: Vec<_> = outgoing.releases_to_resend().collect();
    let awaiting = |&(id, stage, _): &(_, Stage, _)| (stage == Stage::AwaitPubComp).then_some(id);
    assert_eq!(releases, expected.iter().filter_map(awaiting).collect::<Vec<_>>());
}

/// Lets a sender and a receiver talk over connections that break as the bytes say, and then
/// demands that each message came, at QoS 2 once and in order.
pub(crate) fn check_conversation(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let maximum = 1 + u16::from(source.u8() % 4);
    let mut conversation = Conversation::new(maximum);
    while !source.is_empty() {
        match source.u8() % 16 {
            0..3 => conversation.publish(AcknowledgedQoS::AtLeastOnce),
            3..6 => conversation.publish(AcknowledgedQoS::ExactlyOnce),
            6..10 => conversation.receiver_takes_one(source.index(8) == 0),
            10..15 => conversation.sender_takes_one(),
            _ => conversation.reconnect(),
        }
    }
    conversation.reconnect();
    while !(conversation.to_receiver.is_empty() && conversation.to_sender.is_empty()) {
        conversation.receiver_takes_one(false);
        conversation.sender_takes_one();
    }
    conversation.check();
}

enum Step {
    Publish(Delivery, usize),
    PubAck(PacketId),
    PubRec(PacketId, ReasonCode),
    PubRel(PacketId),
    PubComp(PacketId),
}

/// What became of one message.
struct Fate {
    qos: AcknowledgedQoS,
    arrivals: usize,
    was_refused: bool,
}

struct Conversation {
    outgoing: Outgoing<usize>,
    incoming: Incoming,
    maximum: u16,
    to_receiver: VecDeque<Step>,
    to_sender: VecDeque<Step>,
    messages: Vec<Fate>,
    /// The QoS 2 messages in the order they were handed on.
    arrived: Vec<usize>,
}

impl Conversation {
    fn new(maximum: u16) -> Self {
        Self {
            outgoing: Outgoing::new(maximum),
            incoming: Incoming::new(maximum),
            maximum,
            to_receiver: VecDeque::new(),
            to_sender: VecDeque::new(),
            messages: Vec::new(),
            arrived: Vec::new(),
        }
    }

    fn publish(&mut self, qos: AcknowledgedQoS) {
        let message = self.messages.len();
        if let Ok(id) = self.outgoing.begin(qos, message) {
            self.messages.push(Fate { qos, arrivals: 0, was_refused: false });
            let delivery = qos.delivery(id);
            assert!(!delivery.is_duplicate());
            self.to_receiver.push_back(Step::Publish(delivery, message));
        }
    }

    fn reconnect(&mut self) {
        self.to_receiver.clear();
        self.to_sender.clear();
        self.outgoing.reconnect(self.maximum);
        self.incoming.reconnect();
        self.to_receiver.extend(self.outgoing.releases_to_resend().map(Step::PubRel));
        self.resend();
    }

    fn resend(&mut self) {
        while let Some((delivery, message)) = self.outgoing.resend() {
            assert!(delivery.is_duplicate());
            self.to_receiver.push_back(Step::Publish(delivery, *message));
        }
    }

    fn receiver_takes_one(&mut self, refuses: bool) {
        let answer = match self.to_receiver.pop_front() {
            Some(Step::Publish(delivery, message)) => self.receive(delivery, message, refuses),
            Some(Step::PubRel(id)) => {
                self.incoming.release(id);
                Step::PubComp(id)
            }
            _ => return,
        };
        self.to_sender.push_back(answer);
    }

    fn receive(&mut self, delivery: Delivery, message: usize, refuses: bool) -> Step {
        let arrival = self.incoming.publish(delivery).expect("the sender keeps to the window");
        let id = delivery.packet_id().expect("no message is sent at QoS 0");
        let fate = &mut self.messages[message];
        if let Delivery::AtLeastOnce { .. } = delivery {
            fate.arrivals += 1;
            self.incoming.acknowledge();
            return Step::PubAck(id);
        }
        if arrival == Arrival::New && refuses {
            fate.was_refused = true;
            self.incoming.refuse(id);
            return Step::PubRec(id, ReasonCode::QuotaExceeded);
        }
        if arrival == Arrival::New {
            fate.arrivals += 1;
            self.arrived.push(message);
        }
        Step::PubRec(id, ReasonCode::Success)
    }

    fn sender_takes_one(&mut self) {
        match self.to_sender.pop_front() {
            Some(Step::PubAck(id)) => assert!(self.outgoing.puback(id).is_some()),
            Some(Step::PubRec(id, reason)) => match self.outgoing.pubrec(id, reason) {
                PubRecOutcome::Release(_) => self.to_receiver.push_back(Step::PubRel(id)),
                PubRecOutcome::Refused(message) => assert!(self.messages[message].was_refused),
                PubRecOutcome::Unknown => panic!("the receiver answers what was sent"),
            },
            Some(Step::PubComp(id)) => assert!(self.outgoing.pubcomp(id).is_some()),
            _ => return,
        }
        self.resend();
    }

    fn check(&self) {
        assert!(self.outgoing.is_empty());
        assert_eq!(self.incoming.unreleased().count(), 0);
        for (message, fate) in self.messages.iter().enumerate() {
            let arrivals = fate.arrivals;
            match fate.qos {
                AcknowledgedQoS::AtLeastOnce => assert!(arrivals >= 1, "{message} is lost"),
                AcknowledgedQoS::ExactlyOnce if fate.was_refused => assert!(arrivals <= 1),
                AcknowledgedQoS::ExactlyOnce => assert_eq!(arrivals, 1, "{message}"),
            }
        }
        let in_order = self.arrived.iter().filter(|&&message| !self.messages[message].was_refused);
        assert!(in_order.is_sorted(), "{:?}", self.arrived);
    }
}
