//! TLS as the broker speaks it: with whom, for how long, and what it says of files that are no use.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::{Options, TlsFiles};
use mqtt_protocol::{
    Binary, Connect, Packet, QoS, ReasonCode, Text, TopicName, Will, WillProperties,
};
use rustls::ClientConfig;
use sockets::encryption::{Authority, Certified, Encrypted, connect};
use sockets::frames::*;
use sockets::{InProcess, Peer, Scratch, assert_refused, bytes, clean};

/// A broker with a certificate, and who vouches for it.
struct Encrypting {
    broker: InProcess,
    authority: Authority,
    _scratch: Scratch,
}

impl Encrypting {
    fn start(url: &str) -> Self {
        Self::start_with(url, None, Limits::default())
    }

    fn start_with(url: &str, clients: Option<&Authority>, limits: Limits) -> Self {
        let scratch = Scratch::new();
        let authority = Authority::named("of the broker");
        let certified = authority.certify(&["broker.example", "127.0.0.1"]);
        let tls = Some(certified.files(&scratch, clients));
        let broker = InProcess::listen(url, Options { tls, limits, ..Options::default() });
        Self { broker, authority, _scratch: scratch }
    }

    fn connect(&self, config: ClientConfig) -> Encrypted {
        connect(self.broker.address, "broker.example", config)
    }

    fn connect_as(&self, certified: Option<&Certified>) -> Encrypted {
        self.connect(self.authority.client(certified))
    }
}

const MQTTS: &str = "mqtts://127.0.0.1:0";
const WSS: &str = "wss://127.0.0.1:0";

/// A short life of a client.
const DIALOGUE: [&[u8]; 4] = [CONNECT, SUBSCRIBE, PUBLISH, PINGREQ];

/// Says what a client has to say and takes the answers.
fn try_dialogue(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&DIALOGUE.concat())?;
    let mut received = Vec::new();
    while !received.ends_with(PINGRESP) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        received.extend(byte);
    }
    let connack_length = 2 + usize::from(received[1]);
    assert_eq!(received[connack_length..], [SUBACK, PUBLISH, PINGRESP].concat());
    Ok(())
}

/// Waits for the end of a connection, whatever comes before.
fn wait_for_end(mut stream: TcpStream) {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn mqtt_is_spoken_over_tls() {
    let broker = Encrypting::start(MQTTS);
    let mut stream = broker.connect_as(None);
    try_dialogue(&mut stream).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), None, "nothing was offered");
}

/// [MQTT-6.0.0-2]
#[test]
fn websockets_are_spoken_over_tls() {
    let broker = Encrypting::start(WSS);
    let mut stream = broker.connect_as(None);
    let head = upgrade(&mut stream, OFFER);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for piece in DIALOGUE.concat().chunks(3) {
        stream.write_all(&frame(BINARY, piece)).unwrap();
    }
    let received = receive_until(&mut stream, PINGRESP);
    assert!(received.ends_with(&[SUBACK, PUBLISH, PINGRESP].concat()));
}

/// A batch larger than a TLS record, both ways.
#[test]
fn large_messages_cross_many_records() {
    let broker = Encrypting::start(MQTTS);
    let mut stream = broker.connect_as(None);
    try_dialogue(&mut stream).unwrap();
    let message = [&b"\x30\xC4\x93\x04\x00\x01t\x00"[..], &vec![7; 68_032]].concat();
    for _ in 0..10 {
        stream.write_all(&message).unwrap();
        let mut received = vec![0; message.len()];
        stream.read_exact(&mut received).unwrap();
        assert!(received == message);
    }
}

#[test]
fn protocols_are_agreed_on_by_their_names() {
    for (url, name) in [(MQTTS, &b"mqtt"[..]), (WSS, b"http/1.1")] {
        let broker = Encrypting::start(url);
        let mut config = broker.authority.client(None);
        config.alpn_protocols = vec![b"other".to_vec(), name.to_vec()];
        let mut stream = broker.connect(config.clone());
        stream.conn.complete_io(&mut stream.sock).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(name));

        config.alpn_protocols = vec![b"other".to_vec()];
        let mut stream = broker.connect(config);
        let error = stream.conn.complete_io(&mut stream.sock).unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    }
}

/// By name with SNI, by address without; what the certificate is for is the client's to check.
#[test]
fn the_broker_is_known_by_name_and_by_address() {
    let broker = Encrypting::start(MQTTS);
    for name in ["broker.example", "127.0.0.1"] {
        let config = broker.authority.client(None);
        try_dialogue(&mut connect(broker.broker.address, name, config)).unwrap();
    }
    let mut config = broker.authority.client(None);
    config.enable_sni = false;
    try_dialogue(&mut broker.connect(config)).unwrap();
    let config = broker.authority.client(None);
    let mut stream = connect(broker.broker.address, "other.example", config);
    let error = try_dialogue(&mut stream).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn only_clients_with_the_right_certificate_are_let_in() {
    let clients = Authority::named("of clients");
    for url in [MQTTS, WSS] {
        let broker = Encrypting::start_with(url, Some(&clients), Limits::default());
        let others = Authority::named("of others");
        let impostors = Authority::named("of clients");
        for wrong in [None, Some(others.certify(&["a"])), Some(impostors.certify(&["a"]))] {
            let mut stream = broker.connect_as(wrong.as_ref());
            // The client may get through with its part before it learns of its failure.
            let failure = stream.conn.complete_io(&mut stream.sock).err();
            let failure = failure.or_else(|| stream.read(&mut [0]).err()).unwrap();
            assert!(failure.to_string().contains("fatal alert"), "{failure}");
        }
        let mut stream = broker.connect_as(Some(&clients.certify(&["a"])));
        if url == MQTTS {
            try_dialogue(&mut stream).unwrap();
        } else {
            assert!(upgrade(&mut stream, OFFER).starts_with("HTTP/1.1 101 "));
        }
    }
}

#[test]
fn plain_bytes_to_an_encrypted_address_end_the_connection() {
    for url in [MQTTS, WSS] {
        let broker = Encrypting::start(url);
        for bytes in [&DIALOGUE.concat()[..], b"GET / HTTP/1.1\r\n\r\n", &[0xFF; 100]] {
            let mut stream = Peer::open(broker.broker.address).stream;
            stream.write_all(bytes).unwrap();
            wait_for_end(stream);
        }
        let mut stream = broker.connect_as(None);
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
}

/// The first bytes of a handshake, so many at most.
fn beginning_of_handshake(broker: &Encrypting, count: usize) -> Vec<u8> {
    let mut stream = broker.connect_as(None);
    let mut bytes = Vec::new();
    stream.conn.write_tls(&mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn a_handshake_that_is_never_finished_ends_in_time() {
    let limits = Limits { connect_timeout: Duration::from_millis(200), ..Limits::default() };
    for url in [MQTTS, WSS] {
        let broker = Encrypting::start_with(url, None, limits.clone());
        for count in [0, 1, 50, usize::MAX] {
            let mut stream = Peer::open(broker.broker.address).stream;
            stream.write_all(&beginning_of_handshake(&broker, count)).unwrap();
            wait_for_end(stream);
        }
        // It is finished, and nothing follows.
        let mut stream = broker.connect_as(None);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    }
    let broker = Encrypting::start_with(WSS, None, limits);
    let mut stream = broker.connect_as(None);
    stream.write_all(b"GET /mqtt HTTP/1.1\r\n").unwrap();
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
}

#[test]
fn slow_handshakes_hold_nobody_else() {
    let broker = Encrypting::start(MQTTS);
    let beginning = beginning_of_handshake(&broker, 50);
    let mut slow: Vec<TcpStream> =
        (0..100).map(|_| Peer::open(broker.broker.address).stream).collect();
    for byte in beginning {
        for stream in &mut slow {
            stream.write_all(&[byte]).unwrap();
        }
        if byte % 8 == 0 {
            try_dialogue(&mut broker.connect_as(None)).unwrap();
        }
    }
    try_dialogue(&mut broker.connect_as(None)).unwrap();
}

/// An address without encryption beside it.
#[test]
fn an_encrypted_address_changes_nothing_for_a_plain_one() {
    let scratch = Scratch::new();
    let certified = Authority::named("of the broker").certify(&["a"]);
    let tls = Some(certified.files(&scratch, None));
    let broker = InProcess::start_with(Options { tls, ..Options::default() });
    Peer::connect(broker.address, &clean("a"));
}

/// A new certificate is shown to who comes next, a bad one to nobody, and who is there stays.
#[test]
fn certificates_change_while_the_broker_runs() {
    let scratch = Scratch::new();
    let [first, second] = ["first", "second"].map(Authority::named);
    let files = first.certify(&["broker.example"]).files(&scratch, None);
    let options = Options { tls: Some(files.clone()), ..Options::default() };
    let broker = InProcess::listen(MQTTS, options.clone());
    let open =
        |authority: &Authority| connect(broker.address, "broker.example", authority.client(None));
    let mut early = open(&first);
    try_dialogue(&mut early).unwrap();

    let options = Options { listen: vec![MQTTS.parse().unwrap()], ..options };
    second.certify(&["broker.example"]).files(&scratch, None);
    broker.reloader.reload(&options).unwrap();
    fs::write(&files.key, "a love letter").unwrap();
    let error = broker.reloader.reload(&options).unwrap_err().to_string();
    assert!(error.contains("key.pem"), "{error}");

    early.write_all(PINGREQ).unwrap();
    let mut answer = [0; 2];
    early.read_exact(&mut answer).unwrap();
    assert_eq!(answer, PINGRESP);
    assert!(try_dialogue(&mut open(&first)).is_err());
    try_dialogue(&mut open(&second)).unwrap();
}

/// The reason in the CONNACK, if one comes.
fn greet(stream: &mut Encrypted, connect: &Connect<'_>) -> Option<u8> {
    stream.write_all(&bytes(&Packet::Connect(connect.clone()))).ok()?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).ok()?;
    Some(connack[3])
}

/// Who it is for needs no password, has the rights of that user, and is nobody else.
#[test]
fn a_certificate_says_who_a_client_is_where_that_is_asked() {
    let scratch = Scratch::new();
    let authority = Authority::named("of all");
    let files = authority.certify(&["broker.example"]).files(&scratch, Some(&authority));
    let acl = scratch.path().join("acl");
    fs::write(&acl, "user ann\ntopic write of/ann\n").unwrap();
    let tls = Some(TlsFiles { names_users: true, ..files });
    let options = Options { tls, acl_file: Some(acl), ..Options::default() };
    let broker = InProcess::listen("mqtts://0.0.0.0:0", options);
    let address = ([127, 0, 0, 1], broker.address.port()).into();
    let open = |certified: &Certified| {
        connect(address, "broker.example", authority.client(Some(certified)))
    };
    let [ann, nobody] = ["ann", "a:b"].map(|name| authority.certify_client(name));

    let will = |topic: &'static str| Will {
        topic: TopicName::new(topic).unwrap(),
        payload: Binary::new(b"gone").unwrap(),
        qos: QoS::AtMostOnce,
        retain: false,
        properties: WillProperties::default(),
    };
    let with_will = |topic| Connect { will: Some(will(topic)), ..clean("a") };
    assert_eq!(greet(&mut open(&ann), &with_will("of/ann")), Some(0));
    let denied = Some(ReasonCode::NotAuthorized as u8);
    assert_eq!(greet(&mut open(&ann), &with_will("of/ben")), denied);
    let named = |name| Connect { user_name: Some(Text::new(name).unwrap()), ..clean("a") };
    assert_eq!(greet(&mut open(&ann), &named("ann")), Some(0));
    let refused = Some(ReasonCode::BadUserNameOrPassword as u8);
    assert_eq!(greet(&mut open(&ann), &named("ben")), refused);
    assert_eq!(greet(&mut open(&nobody), &clean("a")), None, "no user can have that name");
}

#[test]
fn files_that_are_of_no_use_are_said_at_the_start() {
    let scratch = Scratch::new();
    let authority = Authority::named("of the broker");
    let files = authority.certify(&["a"]).files(&scratch, Some(&authority));
    let path = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [certificate, key] = [&files.certificate, &files.key].map(|it| it.to_str().unwrap());
    let other_key = path("other-key.pem", &authority.certify(&["a"]).key.serialize_pem());
    let letter = path("letter.txt", "a love letter");
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let broken = path("broken.pem", broken);
    let nowhere = scratch.path().join("nowhere.pem");
    let nowhere = nowhere.to_str().unwrap();

    let refused = |certificate: &str, key: &str, clients: Option<&str>, words: &[&str]| {
        let mut arguments = vec!["--listen", MQTTS, "--tls-cert", certificate, "--tls-key", key];
        arguments.extend(clients.map(|clients| ["--tls-client-ca", clients]).iter().flatten());
        assert_refused(&arguments, words);
    };
    refused(nowhere, key, None, &[nowhere, "No such file"]);
    refused(certificate, nowhere, None, &[nowhere, "No such file"]);
    refused(&letter, key, None, &[&letter]);
    refused(certificate, &letter, None, &[&letter]);
    refused(certificate, certificate, None, &[certificate]);
    refused(key, key, None, &[key]);
    refused(&broken, key, None, &["cannot use TLS"]);
    refused(certificate, &other_key, None, &["cannot use TLS", "KeyMismatch"]);
    refused(certificate, key, Some(nowhere), &[nowhere, "No such file"]);
    refused(certificate, key, Some(&letter), &[&letter]);
    refused(certificate, key, Some(&broken), &["cannot use TLS"]);
    assert_refused(&["--listen", MQTTS], &[MQTTS, "--tls-cert"]);
}
