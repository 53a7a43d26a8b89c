//! Our client and libmqtt's examples, with brokers that others have written.
//!
//! Plain `cargo test` leaves them out: they meet what `make interop` installs.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use interop::{Broker, DEADLINE, House, built, meet, start, wait_for};
use mqtt_client::protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_client::protocol::{QoS, TopicFilter, Version};
use mqtt_client::{
    Client, Event, Farewell, Message, Options, OwnedText, Request, Roots, Subscribe, Will,
};

#[test]
fn our_client_meets_mosquitto_in_every_version_over_every_transport() {
    let house = House::new();
    let broker = house.mosquitto();
    let roots = Roots::from_file(house.certificate()).unwrap();
    for url in broker.urls() {
        for version in [Version::V5_0, Version::V3_1_1, Version::V3_1] {
            println!("{url} {version:?}");
            let roots = Some(roots.clone());
            Meeting { url: url.clone(), version, roots, raises_to_granted_qos: false }.hold();
        }
    }
}

#[test]
fn our_client_meets_rumqttd() {
    let house = House::new();
    let broker = house.rumqttd();
    let (url, version) = (broker.url("mqtt"), Version::V5_0);
    Meeting { url, version, roots: None, raises_to_granted_qos: true }.hold();
}

#[test]
fn libmqtt_meets_mosquitto() {
    let house = House::new();
    examples_meet(&house, &house.mosquitto());
}

#[test]
fn libmqtt_meets_rumqttd() {
    let house = House::new();
    examples_meet(&house, &house.rumqttd());
}

/// Our client and a broker, one version and transport.
struct Meeting {
    url: String,
    version: Version,
    roots: Option<Roots>,
    /// A fault of rumqttd: it delivers with the QoS that was granted, even if the message was published with a
    /// lower one.
    raises_to_granted_qos: bool,
}

impl Meeting {
    fn hold(&self) {
        self.messages_of_every_qos_arrive();
        self.a_retained_message_waits();
        self.the_will_of_a_lost_client_is_published();
        // Version 3.1 cannot tell whether a session was kept, so our client has none there.
        if self.version != Version::V3_1 {
            self.a_session_waits_for_its_client();
        }
        if self.version == Version::V5_0 {
            self.properties_pass_through();
            self.a_request_is_answered();
        }
    }

    fn messages_of_every_qos_arrive(&self) {
        let peer = Peer::connect(self.options());
        for granted in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let topic = self.name(&format!("qos/{granted:?}"));
            peer.subscribe(&topic, granted);
            for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
                peer.publish(&message(&topic, "text", qos));
                let heard = peer.message();
                let expected = if self.raises_to_granted_qos { granted } else { qos.min(granted) };
                assert_eq!((heard.payload(), heard.qos), (&b"text"[..], expected));
            }
        }
    }

    fn a_retained_message_waits(&self) {
        let topic = self.name("retained");
        let mut kept = message(&topic, "kept", AtLeastOnce);
        kept.retain = true;
        Peer::connect(self.options()).publish(&kept);
        let late = Peer::connect(self.options());
        late.subscribe(&topic, AtLeastOnce);
        let heard = late.message();
        assert_eq!((heard.payload(), heard.retain), (&b"kept"[..], true));
    }

    fn the_will_of_a_lost_client_is_published(&self) {
        let topic = self.name("will");
        let watcher = Peer::connect(self.options());
        watcher.subscribe(&topic, AtLeastOnce);
        let will = Some(Will { message: message(&topic, "gone", AtLeastOnce), delay_secs: 0 });
        // A client that is dropped closes without DISCONNECT.
        drop(Peer::connect(Options { will, ..self.options() }));
        assert_eq!(watcher.message().payload(), b"gone");
    }

    fn a_session_waits_for_its_client(&self) {
        let topic = self.name("session");
        let client_id = unused_client_id();
        let lasting = || Options {
            client_id: client_id.clone(),
            clean_start: false,
            session_expiry_secs: if self.version == Version::V5_0 { 1000 } else { 0 },
            ..self.options()
        };
        let away = Peer::connect(lasting());
        away.subscribe(&topic, AtLeastOnce);
        away.client.disconnect(Farewell::default(), Some(DEADLINE)).unwrap();
        let sender = Peer::connect(self.options());
        sender.publish(&message(&topic, "waits", AtLeastOnce));
        let back = Peer::connect(Options { adopts_session: true, ..lasting() });
        assert!(back.session_present);
        assert_eq!(back.message().payload(), b"waits");
    }

    fn properties_pass_through(&self) {
        let peer = Peer::connect(self.options());
        peer.subscribe("properties", AtLeastOnce);
        let mut sent = message("properties", "text", AtLeastOnce);
        let properties = sent.properties_mut();
        properties.content_type = Some(text("text/plain"));
        properties.set_response_topic("answer").unwrap();
        properties.set_correlation(&[0, 1, 255]).unwrap();
        for (name, value) in [("b", "1"), ("a", "2"), ("b", "1")] {
            properties.add_user(name, value).unwrap();
        }
        // The second time an alias may stand for the topic, in both directions.
        for _ in 0..2 {
            peer.publish(&sent);
            let heard = peer.message();
            assert_eq!(heard.topic().as_str(), "properties");
            assert_eq!(heard.properties, sent.properties);
        }
    }

    fn a_request_is_answered(&self) {
        let answerer = Peer::connect(self.options());
        answerer.subscribe("question", AtLeastOnce);
        let asker = Peer::connect(self.options());
        let question = message("question", "why", AtLeastOnce);
        let request = Request { message: &question, timeout: Some(DEADLINE), attachment: None };
        let op = asker.client.request(request).unwrap();
        answerer.client.reply(&answerer.message(), b"because").unwrap();
        let done = asker.client.wait(op, Some(DEADLINE)).unwrap();
        assert_eq!(done.message().unwrap().payload(), b"because");
    }

    fn options(&self) -> Options {
        let mut options = Options::new(&self.url).unwrap();
        options.version = self.version;
        // Versions before 5.0 do not all let the server choose it.
        options.client_id = unused_client_id();
        options.tls.roots = self.roots.clone();
        options
    }

    /// A name that no other meeting of the broker has.
    fn name(&self, what: &str) -> String {
        format!("{:?}/{}/{what}", self.version, self.url.replace(':', ""))
    }
}

/// A connected client.
struct Peer {
    client: Client,
    session_present: bool,
}

impl Peer {
    fn connect(options: Options) -> Self {
        let client = Client::new(Options { reconnect: None, ..options }).unwrap();
        match client.next_event(Some(DEADLINE)).expect("the broker answers") {
            Event::Connected { session_present, .. } => Self { client, session_present },
            other => panic!("{other:?}"),
        }
    }

    fn subscribe(&self, filter: &str, maximum_qos: QoS) {
        let subscribe = Subscribe::new(TopicFilter::new(filter).unwrap(), maximum_qos);
        let op = self.client.subscribe(&subscribe, true).unwrap();
        let done = self.client.wait(op, Some(DEADLINE)).unwrap();
        assert!(done.error().is_none(), "{done:?}");
    }

    /// Publishes and waits until the broker has acknowledged it.
    fn publish(&self, message: &Message) {
        let op = self.client.publish(&message.draft(), true).unwrap();
        let done = self.client.wait(op, Some(DEADLINE)).unwrap();
        assert!(done.error().is_none(), "{done:?}");
    }

    fn message(&self) -> Arc<Message> {
        match self.client.next_event(Some(DEADLINE)).expect("a message comes") {
            Event::Message { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }
}

/// As short and plain as any server takes it.
fn unused_client_id() -> OwnedText {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    text(&format!("client{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn message(topic: &str, payload: &str, qos: QoS) -> Message {
    let mut message = Message::new(topic, payload.as_bytes()).unwrap();
    message.qos = qos;
    message
}

fn text(text: &str) -> OwnedText {
    OwnedText::new(text).unwrap()
}

/// What is published arrives, and a request is answered.
fn examples_meet(house: &House, broker: &Broker) {
    let url = broker.url("mqtt");
    let example = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(compiled(house, name));
        command.arg(&url).args(arguments);
        command
    };
    let subscriber = start(house, example("subscribe", &["greetings/#", "1"]));
    wait_for("a subscriber", || subscriber.output().contains("subscribed: MQTT_OK").then_some(()));
    meet(house, example("publish", &["greetings/1", "wörld"]));
    assert!(subscriber.finish().ends_with("greetings/1 wörld\n"));

    let answerer = start(house, example("request", &["answer", "length", "1"]));
    // The answerer may not have subscribed yet; then nobody answers, and one asks again.
    let said = wait_for("an answer", || {
        let output = example("request", &["ask", "length", "four"]).output().unwrap();
        output.status.success().then_some(output.stdout)
    });
    assert_eq!(said, b"4 bytes\n");
    answerer.finish();
}

/// An example, linked with libmqtt as it is shipped.
fn compiled(house: &House, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = house.file(name);
    if !program.exists() {
        let mut command = Command::new("cc");
        command.args(["-std=c11", "-D_GNU_SOURCE", "-I"]).arg(root.join("include"));
        command.arg(root.join(format!("examples/{name}.c"))).arg(built("libmqtt.a"));
        command.arg("-o").arg(&program).args(["-lgcc_s", "-lpthread", "-ldl", "-lm", "-lc"]);
        meet(house, command);
    }
    program
}
