//! The broker beside the clients of Debian's mosquitto-clients, in all versions they speak.
//!
//! Where they are not installed, these tests say so and pass; `make test` installs them.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::process::{Child, Command, Output, Stdio};

use mqtt_protocol::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_protocol::*;
use sockets::*;

const VERSIONS: [&str; 3] = ["5", "311", "31"];

fn are_installed() -> bool {
    let are_there = Command::new("mosquitto_sub").arg("--help").output().is_ok();
    if !are_there {
        println!("skipped: mosquitto-clients is not installed");
    }
    are_there
}

/// Starts one of mosquitto's programs with the address of the broker and these arguments, which
/// are separated by spaces.
fn start(broker: &InProcess, program: &str, arguments: &str) -> Child {
    Command::new(program)
        .args(["-h", "127.0.0.1", "-p", &broker.address.port().to_string()])
        .args(arguments.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the program prints until it ends well.
fn finish(mut child: Child) -> String {
    wait_for("the end of the program", || child.try_wait().unwrap());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn run(broker: &InProcess, program: &str, arguments: &str) -> String {
    finish(start(broker, program, arguments))
}

/// Waits until somebody has subscribed to the topic; that it is so is the first they hear.
fn wait_for_subscriber(peer: &mut Peer, topic: &str) {
    wait_for("a subscriber", || {
        peer.send(&publish_1(topic, b"ready").into());
        match peer.receive() {
            Packet::PubAck(ack) if ack.reason == ReasonCode::Success => Some(()),
            Packet::PubAck(_) => None,
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn mosquitto_pub_reaches_us_in_every_version_and_qos() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    let mut peer = broker.connect("peer");
    peer.subscribe("topic", AtLeastOnce);
    for version in VERSIONS {
        for qos in 0..3 {
            let arguments = format!("-V {version} -q {qos} -t topic -m {version}/{qos}");
            run(&broker, "mosquitto_pub", &arguments);
            let Packet::Publish(publish) = peer.receive() else { panic!("no PUBLISH") };
            assert_eq!(publish.payload, format!("{version}/{qos}").as_bytes());
            assert_eq!(publish.delivery.qos() as u8, qos.min(1));
            if let Some(packet_id) = publish.delivery.packet_id() {
                peer.send(&Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
            }
        }
    }
}

#[test]
fn mosquitto_sub_hears_us_in_every_version_and_qos() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    let mut peer = broker.connect("peer");
    for version in VERSIONS {
        for qos in 0..3 {
            let topic = format!("{version}/{qos}");
            let arguments = format!("-V {version} -q {qos} -t {topic} -C 3 -F %q:%p");
            let subscriber = start(&broker, "mosquitto_sub", &arguments);
            wait_for_subscriber(&mut peer, &topic);
            peer.publish(&topic, b"zero");
            peer.send(&publish_1(&topic, b"one").into());
            assert!(matches!(peer.receive(), Packet::PubAck(_)));
            let one = qos.min(1);
            assert_eq!(finish(subscriber), format!("{one}:ready\n0:zero\n{one}:one\n"));
        }
    }
}

/// [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
#[test]
fn properties_pass_from_mosquitto_pub_to_mosquitto_sub() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    let properties = "-D publish content-type text/plain -D publish user-property b 1 \
                      -D publish user-property a 2 -D publish message-expiry-interval 1000";
    run(&broker, "mosquitto_pub", &format!("-V 5 -r -t topic -m hello {properties}"));
    let heard = run(&broker, "mosquitto_sub", "-V 5 -t topic -C 1 -F %r|%C|%P|%p");
    assert_eq!(heard, "1|text/plain|b:1 a:2|hello\n");
}

#[test]
fn a_session_of_mosquitto_sub_waits_for_it() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    for (version, lasting) in [("5", "-c -x 1000"), ("311", "-c")] {
        let arguments = format!("-V {version} {lasting} -i lasting{version} -q 1 -t {version}");
        run(&broker, "mosquitto_sub", &format!("{arguments} -E"));
        for payload in ["one", "two"] {
            let arguments = format!("-V {version} -q 1 -t {version} -m {payload}");
            run(&broker, "mosquitto_pub", &arguments);
        }
        let heard = run(&broker, "mosquitto_sub", &format!("{arguments} -C 2"));
        assert_eq!(heard, "one\ntwo\n");
    }
}

/// [MQTT-3.3.2-15] [MQTT-3.3.2-16]
#[test]
fn mosquitto_rr_gets_its_answer() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    let mut responder = broker.connect("responder");
    responder.subscribe("request", AtMostOnce);
    let requester = start(&broker, "mosquitto_rr", "-V 5 -t request -e response -m question");
    let Packet::Publish(request) = responder.receive() else { panic!("no PUBLISH") };
    assert_eq!(request.payload, b"question");
    let mut answer = Publish::at_most_once(request.properties.response_topic.unwrap(), b"answer");
    answer.properties.correlation_data = request.properties.correlation_data;
    responder.send(&answer.into());
    assert_eq!(finish(requester), "answer\n");
}

/// [MQTT-3.1.2-8]
#[test]
fn the_will_of_a_killed_mosquitto_sub_is_published() {
    if !are_installed() {
        return;
    }
    let broker = InProcess::start();
    let mut watcher = broker.connect("watcher");
    watcher.subscribe("will", ExactlyOnce);
    let mut peer = broker.connect("peer");
    for version in VERSIONS {
        let will = format!("--will-topic will --will-payload gone{version} --will-qos 1");
        let arguments = format!("-V {version} {will} -t {version}/alive");
        let mut subscriber = start(&broker, "mosquitto_sub", &arguments);
        wait_for_subscriber(&mut peer, &format!("{version}/alive"));
        subscriber.kill().unwrap();
        subscriber.wait().unwrap();
        assert_eq!(watcher.message_1(), format!("gone{version}").as_bytes());
    }
}
