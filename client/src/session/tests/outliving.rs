//! What outlives the process: a session that begins where another one ended.

use super::*;
use crate::session::{HEADER, Saved, WallClock};

/// What a process that was killed has left.
struct File(Vec<u8>);

impl File {
    fn new() -> Self {
        Self(HEADER.to_vec())
    }

    /// Appends what the session wants to be appended.
    fn save(&mut self, dialogue: &mut Dialogue) {
        self.0.extend(dialogue.session.take_records().unwrap_or_default());
    }

    /// Begins another process with it.
    fn begin(&self, options: Options) -> Dialogue {
        let mut dialogue = Dialogue::new(options);
        let (saved, whole) = Saved::read(&self.0).unwrap();
        assert_eq!(whole, self.0.len());
        let clock = WallClock { now: dialogue.now, unix_millis: 1_700_000_000_000 };
        dialogue.session.outlive(saved, clock, dialogue.now).unwrap();
        // A file that is written anew says the same.
        let anew = [&HEADER[..], &dialogue.session.snapshot()].concat();
        let (again, _) = Saved::read(&anew).unwrap();
        let before = Saved::read(&self.0).unwrap().0;
        assert_eq!(again.messages.len(), before.messages.len());
        assert_eq!(again.held, before.held);
        dialogue
    }
}

fn options() -> Options {
    let client_id = crate::OwnedText::new("ann").unwrap();
    Options { session_expiry_secs: 100, client_id, ..super::options() }
}

/// [MQTT-4.4.0-1] [MQTT-3.3.1-1]
#[test]
fn what_was_sent_is_sent_again_and_what_waited_follows() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.connect(false, window(2));
    first.publish(QoS::AtLeastOnce, "a").unwrap();
    first.publish(QoS::ExactlyOnce, "b").unwrap();
    first.publish(QoS::AtLeastOnce, "c").unwrap();
    first.publish(QoS::AtMostOnce, "d").unwrap();
    file.save(&mut first);

    let mut second = file.begin(options());
    let connect = second.connect(true, window(2));
    assert!(matches!(&packets(&connect)[0], Packet::Connect(connect) if !connect.clean_start));
    second.client(&[publish(again(once(1)), "a"), publish(again(exactly_once(2)), "b")]);
    second.server(Packet::PubAck(ack(1)));
    second.client(&[publish(once(3), "c")]);
    assert_eq!(second.events(), ["connected, session present"], "nobody is left to be told");
}

/// [MQTT-4.3.3-6]
#[test]
fn an_exchange_goes_on_after_pubrec() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.connect(false, Default::default());
    first.publish(QoS::ExactlyOnce, "a").unwrap();
    first.output();
    first.server(Packet::PubRec(ack(1)));
    file.save(&mut first);

    let mut second = file.begin(options());
    second.connect(true, Default::default());
    second.client(&[Packet::PubRel(ack(1))]);
    second.server(Packet::PubComp(ack(1)));
    file.save(&mut second);
    assert!(Saved::read(&file.0).unwrap().0.messages.is_empty());
}

/// [MQTT-4.3.3-10]
#[test]
fn a_message_that_was_answered_is_not_taken_again() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.connect(false, Default::default());
    first.events();
    first.server(publish(exactly_once(7), "answered"));
    let token = first.messages()[0].receipt.as_ref().unwrap().token;
    first.session.acknowledge(token, ReasonCode::Success).unwrap();
    first.server(publish(exactly_once(8), "not answered"));
    file.save(&mut first);

    let mut second = file.begin(options());
    second.connect(true, Default::default());
    second.events();
    second.server(publish(again(exactly_once(7)), "answered"));
    second.client(&[Packet::PubRec(ack(7))]);
    second.server(publish(again(exactly_once(8)), "not answered"));
    assert_eq!(second.events(), ["message not answered"]);
    second.server(Packet::PubRel(ack(7)));
    second.client(&[Packet::PubComp(ack(7))]);
    file.save(&mut second);
    assert!(Saved::read(&file.0).unwrap().0.held.is_empty());
}

/// [MQTT-3.2.2-5]
#[test]
fn a_session_that_the_server_has_lost_begins_anew_with_its_messages() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.connect(false, Default::default());
    first.publish(QoS::AtLeastOnce, "a").unwrap();
    first.server(publish(exactly_once(7), "answered"));
    file.save(&mut first);

    let mut second = file.begin(options());
    second.connect(false, Default::default());
    second.client(&[publish(once(2), "a")]);
    file.save(&mut second);

    let mut third = file.begin(options());
    third.connect(true, Default::default());
    third.client(&[publish(again(once(2)), "a")]);
}

#[test]
fn messages_outlive_a_disconnect() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.publish(QoS::AtLeastOnce, "a").unwrap();
    let lost = first.publish(QoS::AtMostOnce, "b").unwrap();
    first.session.disconnect(Default::default(), first.now, first.now).unwrap();
    let events = first.events();
    assert!(events.contains(&format!("published {}: Cancelled", lost.0)), "{events:?}");
    assert_eq!(events.iter().filter(|line| line.starts_with("published")).count(), 1);
    file.save(&mut first);
    first.session.reconnect(first.now);
    first.connect(false, Default::default());
    first.client(&[publish(once(1), "a")]);

    let mut second = file.begin(options());
    second.connect(false, Default::default());
    second.client(&[publish(once(1), "a")]);
}

#[test]
fn a_message_taken_back_or_refused_is_not_kept() {
    let mut file = File::new();
    let mut queue = options();
    queue.queue.messages = 1;
    let mut first = file.begin(queue);
    let op = first.publish(QoS::AtLeastOnce, "a").unwrap();
    first.publish(QoS::AtLeastOnce, "b").unwrap_err();
    first.session.cancel(op, first.now).unwrap();
    file.save(&mut first);
    assert!(Saved::read(&file.0).unwrap().0.messages.is_empty());
}

#[test]
fn the_file_of_another_client_is_refused() {
    let mut file = File::new();
    let mut first = file.begin(options());
    first.connect(false, Default::default());
    file.save(&mut first);
    let other = crate::OwnedText::new("bob").unwrap();
    let mut dialogue = Dialogue::new(Options { client_id: other, ..options() });
    let clock = WallClock { now: dialogue.now, unix_millis: 0 };
    let saved = Saved::read(&file.0).unwrap().0;
    let error = dialogue.session.outlive(saved, clock, dialogue.now).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Store);
    assert!(error.message.contains("ann"), "{error}");
}

#[test]
fn without_a_file_to_write_to_the_session_ends() {
    let mut dialogue = File::new().begin(options());
    dialogue.connect(false, Default::default());
    dialogue.events();
    let op = dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
    let full = Error::new(ErrorKind::Store, "no space");
    dialogue.session.handle_store_failed(full, dialogue.now);
    let outcome = format!("published {}: Store", op.0);
    assert_eq!(
        dialogue.events(),
        ["disconnected: Store, retry false".to_owned(), outcome, "stopped: Store".to_owned()]
    );
    dialogue.session.reconnect(dialogue.now);
    assert_eq!(dialogue.session.demand(), Demand::None);
    assert_eq!(dialogue.events(), ["stopped: Store"]);
}
