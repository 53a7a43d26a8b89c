//! Requests: one outcome each, wherever the answer is lost.

use std::sync::Arc;

use mqtt_protocol::{Binary, PublishProperties, Subscription};

use super::*;
use crate::{Message, Request};

fn ask(dialogue: &mut Dialogue, timeout: Option<Duration>) -> Result<Op, Error> {
    let message = Message::new("service", b"what").unwrap();
    let request = Request { message: &message, timeout, attachment: None };
    dialogue.session.request(request, dialogue.now)
}

/// The private topic and the correlation data of the request that was sent.
fn sent_request(dialogue: &mut Dialogue) -> (String, Vec<u8>) {
    let bytes = dialogue.output();
    let packets = packets(&bytes);
    let Some(Packet::Publish(request)) = packets.last() else { panic!("a request goes out") };
    let topic = request.properties.response_topic.unwrap().to_string();
    if let Packet::Subscribe(subscribe) = &packets[0] {
        let filter = TopicFilter::new(&topic).unwrap();
        assert_eq!(subscribe.subscriptions, [Subscription::new(filter, QoS::AtLeastOnce)]);
    }
    (topic, request.properties.correlation_data.unwrap().to_vec())
}

fn answer<'a>(topic: &'a str, correlation: &'a [u8]) -> Packet<'a> {
    let answer = Publish::at_most_once(TopicName::new(topic).unwrap(), b"that");
    Packet::Publish(Publish {
        properties: PublishProperties {
            correlation_data: Some(Binary::new(correlation).unwrap()),
            ..Default::default()
        },
        ..answer
    })
}

#[test]
fn the_answer_finds_its_request() {
    let mut dialogue = Dialogue::connected();
    let first = ask(&mut dialogue, None).unwrap();
    let (topic, correlation) = sent_request(&mut dialogue);
    let second = ask(&mut dialogue, None).unwrap();
    let (_, other) = sent_request(&mut dialogue);
    dialogue.server(answer(&topic, b"unknown"));
    dialogue.server(answer("elsewhere", &correlation));
    assert_eq!(dialogue.events(), ["message elsewhere"]);
    dialogue.server(answer(&topic, &other));
    dialogue.server(answer(&topic, &correlation));
    let expected = [format!("reply {}: ok", second.0), format!("reply {}: ok", first.0)];
    assert_eq!(dialogue.events(), expected);
    dialogue.server(answer(&topic, &correlation));
    assert_eq!(dialogue.events(), [""; 0], "there is one answer");
}

#[test]
fn an_answer_that_does_not_come_is_given_up() {
    let mut dialogue = Dialogue::connected();
    let op = ask(&mut dialogue, Some(Duration::from_secs(5))).unwrap();
    let (topic, correlation) = sent_request(&mut dialogue);
    dialogue.pass(Duration::from_secs(4));
    assert_eq!(dialogue.events(), [""; 0]);
    dialogue.pass(Duration::from_secs(1));
    assert_eq!(dialogue.events(), [format!("reply {}: Timeout", op.0)]);
    dialogue.server(answer(&topic, &correlation));
    assert_eq!(dialogue.events(), [""; 0], "a late answer is dropped");
}

#[test]
fn a_request_waits_for_the_connection() {
    let mut dialogue = Dialogue::new(options());
    let op = ask(&mut dialogue, Some(Duration::from_secs(60))).unwrap();
    dialogue.connect(false, ConnAckProperties::default());
    dialogue.events();
    let (topic, correlation) = sent_request(&mut dialogue);
    dialogue.server(answer(&topic, &correlation));
    assert_eq!(dialogue.events(), [format!("reply {}: ok", op.0)]);
}

#[test]
fn a_request_fails_if_its_answer_cannot_come() {
    let mut dialogue = Dialogue::connected();
    let op = ask(&mut dialogue, None).unwrap();
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::NotAuthorized]));
    assert_eq!(dialogue.events(), [format!("reply {}: Refused", op.0)]);
}

#[test]
fn a_request_fails_if_its_message_is_refused() {
    let mut dialogue = Dialogue::connected();
    let mut message = Message::new("service", b"what").unwrap();
    message.qos = QoS::AtLeastOnce;
    let request = Request { message: &message, timeout: None, attachment: None };
    let op = dialogue.session.request(request, dialogue.now).unwrap();
    dialogue.output();
    dialogue.server(Packet::PubAck(Ack::new(id(2), ReasonCode::NotAuthorized)));
    assert_eq!(dialogue.events(), [format!("reply {}: Refused", op.0)]);
}

#[test]
fn a_stop_ends_every_request() {
    let mut dialogue = Dialogue::connected();
    let op = ask(&mut dialogue, None).unwrap();
    dialogue.output();
    let taken_over = mqtt_protocol::Disconnect::new(ReasonCode::SessionTakenOver);
    dialogue.server(Packet::Disconnect(taken_over));
    let events = dialogue.events();
    let replies: Vec<&String> = events.iter().filter(|line| line.starts_with("reply")).collect();
    assert_eq!(replies, [&format!("reply {}: Refused", op.0)]);
}

#[test]
fn topic_and_correlation_of_the_program_are_kept() {
    let mut dialogue = Dialogue::connected();
    let mut message = Message::new("service", b"what").unwrap();
    message.properties_mut().set_response_topic("mine").unwrap();
    message.properties_mut().set_correlation(b"7").unwrap();
    let request = Request { message: &message, timeout: None, attachment: None };
    dialogue.session.request(request.clone(), dialogue.now).unwrap();
    assert_eq!(sent_request(&mut dialogue), ("mine".to_owned(), b"7".to_vec()));
    let again = dialogue.session.request(request, dialogue.now);
    assert_eq!(again.unwrap_err().kind, ErrorKind::State);
    dialogue.server(answer("mine", b"7"));
    let mut events = Vec::new();
    dialogue.session.take_events(&mut events);
    let [Event::Reply { result: Ok(reply), .. }] = &events[..] else { panic!("it is answered") };
    assert_eq!((Arc::strong_count(reply), reply.payload()), (1, &b"that"[..]));
}
