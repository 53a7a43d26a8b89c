//! Acknowledgements of received messages: given in any order, sent in the order of arrival.

use std::collections::VecDeque;

use mqtt_protocol::{PacketId, ReasonCode};

/// What this end owes the server for the messages that have come.
///
/// ```text
///  arrived ──► expected ──settle──► settled ──all before it settled──► sent
///                 │ connection lost, QoS 2
///                 ▼
///              carried ──same identifier again──► expected
/// ```
#[derive(Debug, Default)]
pub(super) struct Acks {
    last_token: u64,
    /// In the order of arrival on this connection. [MQTT-4.6.0-2] [MQTT-4.6.0-3]
    expected: VecDeque<Expected>,
    /// QoS 2 messages of an earlier connection whose PUBREC was not sent.
    carried: Vec<Expected>,
}

/// The acknowledgement of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    token: u64,
    pub(super) packet_id: PacketId,
    pub(super) step: Step,
    /// The answer, as soon as it is known.
    settled: Option<ReasonCode>,
}

/// Which packet acknowledges the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "they are the standard's names")]
pub(super) enum Step {
    PubAck,
    PubRec,
    /// For a PUBREL that came before its PUBREC was sent.
    PubComp,
}

impl Acks {
    /// A message has arrived: names it.
    pub(super) fn expect(&mut self, packet_id: PacketId, step: Step) -> u64 {
        self.last_token += 1;
        let token = self.last_token;
        self.expected.push_back(Expected { token, packet_id, step, settled: None });
        token
    }

    /// A QoS 2 message has arrived again that the program got before. While its PUBREC is due, that
    /// one answers the repeat too.
    pub(super) fn repeat(&mut self, packet_id: PacketId) {
        if self.owes_pubrec(packet_id) {
            return;
        }
        match self.carried.iter().position(|one| one.packet_id == packet_id) {
            Some(index) => self.expected.push_back(self.carried.swap_remove(index)),
            None => self.add_settled(packet_id, Step::PubRec),
        }
    }

    /// Whether the PUBREC of this connection has yet to be sent.
    pub(super) fn owes_pubrec(&self, packet_id: PacketId) -> bool {
        let is_due = |one: &Expected| one.packet_id == packet_id && one.step == Step::PubRec;
        self.expected.iter().any(is_due)
    }

    /// Whether the message was never answered, on this connection or an earlier one.
    pub(super) fn owes_first_pubrec(&self, packet_id: PacketId) -> bool {
        let is_carried = |one: &Expected| one.packet_id == packet_id;
        self.owes_pubrec(packet_id) || self.carried.iter().any(is_carried)
    }

    /// Adds a step that nobody is asked about; those before it go first.
    pub(super) fn add_settled(&mut self, packet_id: PacketId, step: Step) {
        let settled = Some(ReasonCode::Success);
        self.expected.push_back(Expected { token: 0, packet_id, step, settled });
    }

    /// Takes the program's answer; whether there was such a message without one.
    pub(super) fn settle(&mut self, token: u64, reason: ReasonCode) -> bool {
        let mut all = self.expected.iter_mut().chain(&mut self.carried);
        match all.find(|one| one.token == token && one.settled.is_none()) {
            Some(one) => {
                one.settled = Some(reason);
                true
            }
            None => false,
        }
    }

    /// The next acknowledgement to be sent.
    pub(super) fn next_settled(&mut self) -> Option<(Expected, ReasonCode)> {
        let reason = self.expected.front()?.settled?;
        Some((self.expected.pop_front()?, reason))
    }

    /// The connection is gone: the server will send again what it needs to know.
    pub(super) fn disconnect(&mut self) {
        let expected = self.expected.drain(..);
        self.carried.extend(expected.filter(|one| one.step == Step::PubRec && one.token != 0));
    }

    /// The session is gone.
    pub(super) fn clear(&mut self) {
        self.expected.clear();
        self.carried.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn sent(acks: &mut Acks) -> Vec<u16> {
        std::iter::from_fn(|| acks.next_settled()).map(|(one, _)| one.packet_id.number()).collect()
    }

    /// [MQTT-4.6.0-2]
    #[test]
    fn answers_wait_for_those_before_them() {
        let mut acks = Acks::default();
        let tokens: Vec<u64> = (1..=3).map(|n| acks.expect(id(n), Step::PubAck)).collect();
        assert!(acks.settle(tokens[2], ReasonCode::Success));
        assert!(acks.settle(tokens[1], ReasonCode::Success));
        assert!(sent(&mut acks).is_empty());
        assert!(acks.settle(tokens[0], ReasonCode::Success));
        assert_eq!(sent(&mut acks), [1, 2, 3]);
        assert!(!acks.settle(tokens[0], ReasonCode::Success));
    }

    #[test]
    fn a_qos_1_message_of_a_lost_connection_is_not_acknowledged() {
        let mut acks = Acks::default();
        let token = acks.expect(id(1), Step::PubAck);
        acks.disconnect();
        assert!(!acks.settle(token, ReasonCode::Success));
        assert!(sent(&mut acks).is_empty());
    }

    #[test]
    fn a_qos_2_message_of_a_lost_connection_is_answered_when_it_comes_again() {
        let mut acks = Acks::default();
        let token = acks.expect(id(7), Step::PubRec);
        acks.disconnect();
        assert!(acks.settle(token, ReasonCode::Success));
        assert!(sent(&mut acks).is_empty());
        acks.repeat(id(7));
        assert_eq!(sent(&mut acks), [7]);
        acks.repeat(id(7));
        assert_eq!(sent(&mut acks), [7], "a repeat that was answered is answered again");
    }

    #[test]
    fn a_repeat_before_the_answer_is_answered_with_it() {
        let mut acks = Acks::default();
        let token = acks.expect(id(7), Step::PubRec);
        acks.repeat(id(7));
        assert!(acks.settle(token, ReasonCode::QuotaExceeded));
        assert_eq!(sent(&mut acks), [7], "and with nothing else");
    }

    #[test]
    fn a_repeat_waits_for_the_program_too() {
        let mut acks = Acks::default();
        let token = acks.expect(id(7), Step::PubRec);
        acks.disconnect();
        acks.repeat(id(7));
        assert!(sent(&mut acks).is_empty());
        assert!(acks.settle(token, ReasonCode::Success));
        assert_eq!(sent(&mut acks), [7]);
    }
}
