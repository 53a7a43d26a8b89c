//! Talking to servers of MQTT 3.1.1 and 3.1: the same session, in another form.

use mqtt_protocol::{Connect, Disconnect, RetainHandling, Unsubscribe, UnsubscribeProperties};

use super::*;
use crate::{Farewell, Message, OwnedText, Request};

fn older(version: Version) -> Options {
    Options { version, client_id: OwnedText::new("ann").unwrap(), ..options() }
}

fn kept() -> Options {
    Options { clean_start: false, ..older(Version::V3_1_1) }
}

fn connected(options: Options) -> Dialogue {
    Dialogue::connected_with(options, ConnAckProperties::default())
}

fn closed(dialogue: &mut Dialogue) {
    assert_eq!(dialogue.session.demand(), Demand::FlushAndClose);
    dialogue.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), dialogue.now);
}

#[test]
fn connect_has_the_form_of_its_version() {
    let expected: [(Version, &[u8]); 2] = [
        (Version::V3_1, b"\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x03ann"),
        (Version::V3_1_1, b"\x10\x0F\x00\x04MQTT\x04\x02\x00\x3C\x00\x03ann"),
    ];
    for (version, bytes) in expected {
        let mut dialogue = Dialogue::new(older(version));
        assert_eq!(dialogue.connect(false, ConnAckProperties::default()), bytes);
        assert_eq!(dialogue.events(), ["connected"]);
    }
}

#[test]
fn messages_go_both_ways_at_every_qos() {
    let mut dialogue = connected(older(Version::V3_1_1));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        dialogue.publish(qos, "a").unwrap();
    }
    dialogue.client(&[
        publish(Delivery::AtMostOnce, "a"),
        publish(once(1), "a"),
        publish(exactly_once(2), "a"),
    ]);
    dialogue.server(Packet::PubAck(ack(1)));
    dialogue.server(Packet::PubRec(ack(2)));
    dialogue.client(&[Packet::PubRel(ack(2))]);
    dialogue.server(Packet::PubComp(ack(2)));
    let expected = ["published 1: ok", "published 2: ok", "published 3: ok"];
    assert_eq!(dialogue.events(), expected);

    dialogue.server(publish(exactly_once(9), "b"));
    let token = dialogue.messages()[0].receipt.as_ref().unwrap().token;
    // The server cannot be told of a refusal, so the message counts as taken.
    dialogue.session.acknowledge(token, ReasonCode::QuotaExceeded).unwrap();
    dialogue.client(&[Packet::PubRec(ack(9))]);
    dialogue.server(publish(again(exactly_once(9)), "b"));
    assert_eq!(dialogue.events(), [""; 0], "the program has it");
    dialogue.client(&[Packet::PubRec(ack(9))]);
    dialogue.server(Packet::PubRel(ack(9)));
    dialogue.client(&[Packet::PubComp(ack(9))]);
}

#[test]
fn subscribing_and_unsubscribing_work_with_the_fewer_codes() {
    let mut dialogue = connected(older(Version::V3_1_1));
    let subscribed = dialogue.subscribe("a");
    dialogue.output();
    dialogue.server(suback(1, &[ReasonCode::UnspecifiedError]));
    assert_eq!(dialogue.events(), [format!("subscribed {}: Refused", subscribed.0)]);

    let filters = [TopicFilter::new("a").unwrap(), TopicFilter::new("b").unwrap()];
    let unsubscribed = dialogue.session.unsubscribe(&filters, true, dialogue.now).unwrap();
    dialogue.client(&[Packet::Unsubscribe(Unsubscribe {
        packet_id: id(2),
        properties: UnsubscribeProperties::default(),
        filters: filters.to_vec(),
    })]);
    let (properties, reasons) = (Default::default(), Vec::new());
    dialogue.server(Packet::UnsubAck(SubAck { packet_id: id(2), properties, reasons }));
    let mut events = Vec::new();
    dialogue.session.take_events(&mut events);
    let [Event::UnsubscribeDone { op, result: Ok(()), reasons }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*op, &reasons[..]), (Some(unsubscribed), &[ReasonCode::Success; 2][..]));
}

#[test]
fn the_clean_start_says_whether_the_session_is_kept() {
    for (options, is_kept) in [(older(Version::V3_1_1), false), (kept(), true)] {
        let mut dialogue = connected(options);
        dialogue.publish(QoS::AtLeastOnce, "a").unwrap();
        dialogue.output();
        dialogue.break_and_wait();
        let bytes = dialogue.connect(is_kept, ConnAckProperties::default());
        let [Packet::Connect(Connect { clean_start, .. })] =
            packets_as(Version::V3_1_1, &bytes)[..]
        else {
            panic!("CONNECT comes first")
        };
        assert_eq!(clean_start, !is_kept);
        let delivery = if is_kept { again(once(1)) } else { once(2) };
        dialogue.client(&[publish(delivery, "a")]);
    }
}

/// A DISCONNECT would cost the will, and says nothing.
#[test]
fn a_server_that_breaks_the_rules_is_left_without_a_word() {
    for packet in [
        Packet::PingReq,
        Packet::Connect(Connect { version: Version::V3_1_1, ..Connect::default() }),
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    ] {
        let mut dialogue = connected(older(Version::V3_1_1));
        dialogue.server(packet);
        dialogue.client(&[]);
        closed(&mut dialogue);
        assert_eq!(dialogue.events(), ["disconnected: Protocol, retry true"]);
    }
}

#[test]
fn a_session_nobody_remembers_is_not_gone_on_with() {
    let mut dialogue = Dialogue::new(kept());
    dialogue.connect(true, ConnAckProperties::default());
    dialogue.client(&[]);
    closed(&mut dialogue);
    let expected = ["connect failed: Protocol, retry false", "stopped: Protocol"];
    assert_eq!(dialogue.events(), expected);
}

/// It was never told of one.
#[test]
fn a_server_may_send_more_than_a_receive_maximum() {
    let receive_maximum = NonZeroU16::new(1).unwrap();
    let mut dialogue = connected(Options { receive_maximum, ..older(Version::V3_1_1) });
    dialogue.server(publish(once(1), "a"));
    dialogue.server(publish(once(2), "b"));
    assert_eq!(dialogue.events(), ["message a", "message b"]);
}

#[test]
fn what_version_5_has_alone_is_refused() {
    let unsupported = |result: Result<Op, Error>| {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
    };
    let mut dialogue = connected(older(Version::V3_1_1));
    let mut message = Message::new("a", b"x").unwrap();
    let question = Request { message: &message, timeout: None, attachment: None };
    unsupported(dialogue.session.request(question, dialogue.now));
    message.properties_mut().expiry_secs = Some(1);
    unsupported(dialogue.session.publish(&message.draft(), true, dialogue.now));

    let mut subscribe = Subscribe::new(TopicFilter::new("a").unwrap(), QoS::AtMostOnce);
    subscribe.subscriptions[0].retain_handling = RetainHandling::DoNotSend;
    unsupported(dialogue.session.subscribe(&subscribe, true, dialogue.now));

    let farewell = Farewell { reason: ReasonCode::DisconnectWithWill, ..Farewell::default() };
    let refused = dialogue.session.disconnect(farewell, dialogue.now, dialogue.now);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Unsupported);
    dialogue.client(&[]);

    dialogue.session.disconnect(Farewell::default(), dialogue.now, dialogue.now).unwrap();
    assert_eq!(dialogue.output(), b"\xE0\x00");
    closed(&mut dialogue);
}

#[test]
fn a_return_code_is_understood() {
    let mut dialogue = Dialogue::new(older(Version::V3_1_1));
    dialogue.session.handle_opened(dialogue.now);
    dialogue.server(Packet::ConnAck(ConnAck::refuse(ReasonCode::NotAuthorized)));
    let expected = ["connect failed: Refused, retry false", "stopped: Refused"];
    assert_eq!(dialogue.events(), expected);
}
