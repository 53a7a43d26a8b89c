//! rumqttc, speaking MQTT 5.0 to a broker: client PORT
//!
//! The first case that does not hold ends the program.
//!
//! A fault of rumqttc: it hands on a message before it has resolved its Topic Alias, so that its user sees no topic.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS::{self, AtLeastOnce, AtMostOnce, ExactlyOnce};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, LastWill, Packet, Publish, PublishProperties, RetainForwardRule,
    SubscribeProperties, SubscribeReasonCode,
};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};

const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    messages_of_every_qos_arrive(port);
    properties_pass_through(port);
    a_retained_message_waits(port);
    the_will_of_a_lost_client_is_published(port);
    a_session_waits_for_its_client(port);
    subscription_options_are_obeyed(port);
    a_shared_subscription_gives_each_to_one(port);
}

fn messages_of_every_qos_arrive(port: u16) {
    let mut peer = Peer::clean(port, "qos");
    for granted in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        peer.subscribe("rumqttc/qos", granted);
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            peer.client.publish("rumqttc/qos", qos, false, format!("{qos:?}")).unwrap();
            let heard = peer.message();
            assert_eq!(heard.payload, format!("{qos:?}"));
            assert_eq!((heard.qos, heard.retain, heard.dup), (lesser(granted, qos), false, false));
        }
    }
    peer.leave();
}

fn properties_pass_through(port: u16) {
    let mut options = options(port, "properties");
    options.set_topic_alias_max(Some(5));
    let mut peer = Peer::connect(options);
    peer.subscribe("rumqttc/properties", AtLeastOnce);
    let sent = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        response_topic: Some("rumqttc/answer".into()),
        correlation_data: Some([0, 1, 255].as_slice().into()),
        user_properties: [("b", "1"), ("a", "2"), ("b", "1")].map(owned).to_vec(),
        content_type: Some("text/plain".into()),
        ..PublishProperties::default()
    };
    // The second time an alias stands for the topic, in both directions.
    for topic in ["rumqttc/properties", ""] {
        let properties = PublishProperties { topic_alias: Some(3), ..sent.clone() };
        peer.client.publish_with_properties(topic, AtLeastOnce, false, "text", properties).unwrap();
        let heard = peer.message();
        assert_eq!(heard.topic, topic);
        let mut properties = heard.properties.unwrap();
        assert!(properties.topic_alias.take().is_some(), "the broker has sent no alias");
        assert_eq!(properties, sent);
    }
    peer.leave();
}

fn a_retained_message_waits(port: u16) {
    let mut keeper = Peer::clean(port, "keeper");
    keeper.publish("rumqttc/retained", true, "kept");
    let mut late = Peer::clean(port, "late");
    late.subscribe("rumqttc/retained", AtLeastOnce);
    let heard = late.message();
    assert_eq!((heard.payload.as_ref(), heard.retain), (&b"kept"[..], true));
    keeper.publish("rumqttc/retained", true, "");
    assert_eq!(late.message().payload, "");
    keeper.leave();
    late.leave();
}

fn the_will_of_a_lost_client_is_published(port: u16) {
    let mut watcher = Peer::clean(port, "watcher");
    watcher.subscribe("rumqttc/will", AtLeastOnce);
    let mut options = options(port, "lost");
    options.set_last_will(LastWill::new("rumqttc/will", "gone", AtLeastOnce, false, None));
    drop(Peer::connect(options));
    assert_eq!(watcher.message().payload, "gone");
    watcher.leave();
}

fn a_session_waits_for_its_client(port: u16) {
    let mut lasting = options(port, "away");
    lasting.set_clean_start(false).set_session_expiry_interval(Some(1000));
    let mut away = Peer::connect(lasting.clone());
    assert!(!away.connack.session_present);
    away.subscribe("rumqttc/session", ExactlyOnce);
    away.leave();
    let mut sender = Peer::clean(port, "sender");
    sender.publish("rumqttc/session", false, "waits");
    sender.leave();
    let mut away = Peer::connect(lasting);
    assert!(away.connack.session_present);
    assert_eq!(away.message().payload, "waits");
    away.leave();
}

fn subscription_options_are_obeyed(port: u16) {
    let mut peer = Peer::clean(port, "options");
    let mut other = Peer::clean(port, "other");
    other.publish("rumqttc/options", true, "kept");
    let filter = Filter {
        nolocal: true,
        preserve_retain: true,
        retain_forward_rule: RetainForwardRule::Never,
        ..Filter::new("rumqttc/options", AtLeastOnce)
    };
    peer.ask(filter, Some(268_435_455));
    peer.publish("rumqttc/options", false, "my own");
    other.publish("rumqttc/options", true, "");
    let heard = peer.message();
    assert_eq!((heard.payload.as_ref(), heard.retain), (&b""[..], true));
    assert_eq!(heard.properties.unwrap().subscription_identifiers, [268_435_455]);
    other.leave();
    peer.leave();
}

fn a_shared_subscription_gives_each_to_one(port: u16) {
    let mut workers = ["ann", "ben"].map(|name| Peer::clean(port, name));
    let mut boss = Peer::clean(port, "boss");
    for worker in &mut workers {
        worker.subscribe("$share/workers/rumqttc/work", AtLeastOnce);
        worker.subscribe("rumqttc/end", AtLeastOnce);
    }
    for number in 0..20 {
        boss.publish("rumqttc/work", false, &number.to_string());
    }
    boss.publish("rumqttc/end", false, "end");
    let mut done: Vec<u32> = Vec::new();
    for worker in &mut workers {
        let before = done.len();
        let messages = std::iter::repeat_with(|| worker.message().payload);
        let texts = messages.map(|payload| String::from_utf8(payload.to_vec()).unwrap());
        done.extend(
            texts.take_while(|text| text != "end").map(|text| text.parse::<u32>().unwrap()),
        );
        assert!(done.len() > before, "one has done all the work");
    }
    done.sort_unstable();
    assert_eq!(done, (0..20).collect::<Vec<_>>());
    boss.leave();
    workers.into_iter().for_each(Peer::leave);
}

/// A client that is moved on only while it waits.
struct Peer {
    client: Client,
    connection: Connection,
    connack: ConnAck,
    /// What came while it waited for something else.
    messages: Vec<Publish>,
}

impl Peer {
    fn clean(port: u16, name: &str) -> Self {
        Self::connect(options(port, name))
    }

    fn connect(options: MqttOptions) -> Self {
        let (client, mut connection) = Client::new(options, 100);
        let event = connection.recv_timeout(PATIENCE).expect("CONNACK comes").unwrap();
        let Event::Incoming(Packet::ConnAck(connack)) = event else { panic!("{event:?}") };
        Self { client, connection, connack, messages: Vec::new() }
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.ask(Filter::new(filter, qos), None);
    }

    fn ask(&mut self, filter: Filter, id: Option<usize>) {
        let granted = SubscribeReasonCode::Success(filter.qos);
        let properties = SubscribeProperties { id, user_properties: Vec::new() };
        self.client.subscribe_many_with_properties([filter], properties).unwrap();
        let suback = self.wait_for(|packet| match packet {
            Packet::SubAck(suback) => Some(suback),
            _ => None,
        });
        assert_eq!(suback.return_codes, [granted]);
    }

    /// Publishes at QoS 1 and waits until that is acknowledged.
    fn publish(&mut self, topic: &str, retain: bool, payload: &str) {
        self.client.publish(topic, AtLeastOnce, retain, payload.to_owned()).unwrap();
        self.wait_for(|packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }

    /// The next message.
    fn message(&mut self) -> Publish {
        while self.messages.is_empty() {
            self.step();
        }
        self.messages.remove(0)
    }

    /// Goes on until a packet comes that is looked for.
    fn wait_for<T>(&mut self, look: impl Fn(Packet) -> Option<T>) -> T {
        loop {
            if let Some(found) = self.step().and_then(&look) {
                return found;
            }
        }
    }

    /// Waits for something to happen; keeps a message, gives any other packet that has come.
    fn step(&mut self) -> Option<Packet> {
        match self.connection.recv_timeout(PATIENCE).expect("a packet comes").unwrap() {
            Event::Incoming(Packet::Publish(publish)) => {
                self.messages.push(publish);
                None
            }
            Event::Incoming(packet) => Some(packet),
            Event::Outgoing(_) => None,
        }
    }

    fn leave(mut self) {
        self.client.disconnect().unwrap();
        while let Ok(Ok(_)) = self.connection.recv_timeout(PATIENCE) {}
    }
}

fn options(port: u16, name: &str) -> MqttOptions {
    let mut options = MqttOptions::new(format!("rumqttc {name}"), "127.0.0.1", port);
    options.set_clean_start(true);
    options
}

fn lesser(one: QoS, other: QoS) -> QoS {
    if (one as u8) < other as u8 { one } else { other }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
