//! The client over TLS, with servers that show good and bad certificates.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod transport;

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mqtt_client::protocol::{Publish, TopicName};
use mqtt_client::{
    Client, Draft, Error, ErrorKind, Event, Farewell, Log, LogLevel, Options, Reconnect, Roots,
    Tls, TlsName,
};
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};

use transport::certificates::{Authority, Certified, Encrypted, serve, serve_with, trusting};
use transport::{DEADLINE, Dribble, Listener, greet, next, packet, refusal, see_off, visit};

const LOCALHOST: &str = "localhost";

fn url(listener: &Listener) -> String {
    format!("mqtts://localhost:{}", listener.port())
}

/// Runs a client against a server that greets it and sees it off; gives the connection back.
fn visited(listener: &Listener, server: ServerConfig, options: Options) -> Encrypted {
    let client = thread::spawn(move || visit(options));
    let mut stream = serve(server, listener.accept());
    greet(&mut stream, usize::MAX);
    see_off(&mut stream);
    client.join().unwrap();
    stream
}

/// Runs a client against a server that wants to shake hands; what the client has to say of it.
fn refused(listener: &Listener, server: ServerConfig, options: Options) -> Error {
    let client = thread::spawn(move || refusal(options));
    let mut stream = serve(server, listener.accept());
    // It fails at once, or when the client has seen that it is refused.
    while stream.conn.complete_io(&mut stream.sock).is_ok_and(|(read, _)| read > 0) {}
    let _ = stream.sock.shutdown(Shutdown::Write);
    client.join().unwrap()
}

/// [MQTT-4.2-1]
#[test]
fn packets_travel_over_both_versions_of_tls() {
    let authority = Authority::new();
    let certified = authority.certify(LOCALHOST);
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let listener = Listener::new();
        let server = certified.server_for(None, &[version]);
        let stream = visited(&listener, server, authority.options(&url(&listener)));
        assert_eq!(stream.conn.protocol_version(), Some(name));
    }
    assert!(CryptoProvider::get_default().is_none(), "no choice is made for the whole process");
}

/// Each byte of MQTT is a record of its own, and each byte of it a segment. [MQTT-4.2-1]
#[test]
fn packets_come_together_from_single_bytes() {
    let authority = Authority::new();
    let server = authority.certify(LOCALHOST).server();
    let listener = Listener::new();
    let options = authority.options(&url(&listener));
    let client = thread::spawn(move || visit(options));
    let mut stream = serve(server, Dribble(listener.accept()));
    greet(&mut stream, 1);
    see_off(&mut stream);
    client.join().unwrap();
}

#[test]
fn an_address_needs_a_certificate_for_it() {
    let authority = Authority::new();
    let listener = Listener::new();
    let options = || authority.options(&format!("mqtts://{}", listener.address()));
    let stream = visited(&listener, authority.certify("127.0.0.1").server(), options());
    assert_eq!(stream.conn.server_name(), None, "an address is no name to ask for");
    let error = refused(&listener, authority.certify(LOCALHOST).server(), options());
    assert_eq!(error.message, "the server's certificate is not for 127.0.0.1");
}

#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let authority = Authority::new();
    let stranger = Authority::named("a stranger");
    let bad: [(Certified, &str); 4] = [
        (stranger.certify(LOCALHOST), "comes from nobody who is trusted"),
        (authority.certify("example.org"), "is not for localhost"),
        (authority.certify_for(LOCALHOST, 2000..2001), "has expired"),
        (authority.certify_for(LOCALHOST, 3000..3001), "is not valid yet"),
    ];
    for (certified, fault) in bad {
        let listener = Listener::new();
        let error = refused(&listener, certified.server(), authority.options(&url(&listener)));
        assert_eq!(error.kind, ErrorKind::Tls);
        assert_eq!(error.message, format!("the server's certificate {fault}"));
    }
}

#[test]
fn a_certificate_may_vouch_for_itself() {
    let own = Certified::by_itself(LOCALHOST, 2000..4000);
    let listener = Listener::new();
    let options = || trusting(&own.pem, &url(&listener));
    for version in [&TLS12, &TLS13] {
        visited(&listener, own.server_for(None, &[version]), options());
    }
    let other = Certified::by_itself(LOCALHOST, 2000..4000);
    let error = refused(&listener, other.server(), options());
    assert_eq!(error.message, "the server's certificate comes from nobody who is trusted");
    for (bad, fault) in [
        (Certified::by_itself("example.org", 2000..4000), "is not for localhost"),
        (Certified::by_itself(LOCALHOST, 2000..2001), "has expired"),
    ] {
        let error = refused(&listener, bad.server(), trusting(&bad.pem, &url(&listener)));
        assert_eq!(error.message, format!("the server's certificate {fault}"));
    }
}

#[test]
fn what_is_no_tls_is_refused() {
    let answers: [(&[u8], &str); 3] = [
        (b"\x20\x03\x00\x00\x00", "the server does not speak TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server does not speak TLS"),
        (b"", "the server closed the connection in the TLS handshake"),
    ];
    let authority = Authority::new();
    for (answer, message) in answers {
        let listener = Listener::new();
        let options = authority.options(&url(&listener));
        let client = thread::spawn(move || refusal(options));
        let mut stream = listener.accept();
        stream.write_all(answer).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // What is unread would make the system reset the connection.
        let _ = stream.read_to_end(&mut Vec::new());
        let error = client.join().unwrap();
        assert_eq!((error.kind, &*error.message), (ErrorKind::Tls, message));
    }
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let listener = Listener::new();
    let connect_timeout = Duration::from_millis(50);
    let error = refusal(Options { connect_timeout, ..Authority::new().options(&url(&listener)) });
    assert_eq!(error.kind, ErrorKind::Timeout);
}

/// With TLS 1.3 the refusal comes when the client takes the connection for open.
#[test]
fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let clients = Authority::new();
    let (certified, ann) = (authority.certify(LOCALHOST), clients.certify("ann"));
    for version in [&TLS12, &TLS13] {
        let listener = Listener::new();
        let server = || certified.server_for(Some(&clients), &[version]);
        let options = |identity| {
            let options = authority.options(&url(&listener));
            Options { tls: Tls { identity, ..options.tls.clone() }, ..options }
        };
        let stream = visited(&listener, server(), options(Some(ann.identity())));
        assert_eq!(stream.conn.peer_certificates().unwrap().len(), 1);

        let error = refused(&listener, server(), options(None));
        assert_eq!(error.kind, ErrorKind::Tls, "{error}");
        assert_eq!(error.message, "the server refused TLS: it wants a client certificate");
        assert_eq!(error.tls_alert, Some(116));

        let stranger = Authority::named("a stranger").certify("ann").identity();
        let error = refused(&listener, server(), options(Some(stranger)));
        assert_eq!(error.kind, ErrorKind::Tls, "{error}");
        assert_eq!(error.tls_alert, Some(48), "{error}");
    }
}

#[test]
fn the_server_is_asked_for_by_name() {
    let authority = Authority::new();
    let listener = Listener::new();
    let options = || authority.options(&url(&listener));
    let stream = visited(&listener, authority.certify(LOCALHOST).server(), options());
    assert_eq!(stream.conn.server_name(), Some(LOCALHOST));
    assert_eq!(stream.conn.alpn_protocol(), None);

    let mut other = options();
    other.tls.server_name = Some(TlsName::new("mqtt.example.org").unwrap());
    let certified = authority.certify("mqtt.example.org");
    let stream = visited(&listener, certified.server(), other.clone());
    assert_eq!(stream.conn.server_name(), Some("mqtt.example.org"));
    let error = refused(&listener, authority.certify(LOCALHOST).server(), other);
    assert_eq!(error.message, "the server's certificate is not for mqtt.example.org");
}

#[test]
fn protocols_are_offered_and_may_be_refused() {
    let authority = Authority::new();
    let certified = authority.certify(LOCALHOST);
    let listener = Listener::new();
    let server = |protocol: &str| {
        let mut server = certified.server();
        server.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        server
    };
    let options = |protocols| {
        let options = authority.options(&url(&listener));
        Options { tls: Tls { protocols, ..options.tls.clone() }, ..options }
    };
    let mqtt = || Some(vec![b"mqtt".to_vec()]);
    // Nothing is offered by default, which suits servers that know something else.
    assert_eq!(visited(&listener, server("h2"), options(None)).conn.alpn_protocol(), None);
    let stream = visited(&listener, server("mqtt"), options(mqtt()));
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"mqtt"[..]));
    let error = refused(&listener, server("h2"), options(mqtt()));
    assert_eq!(
        (error.tls_alert, &*error.message),
        (Some(120), "the server refused TLS: it offers none of the protocols asked for (ALPN)")
    );
}

#[test]
fn anybody_is_the_server_only_for_the_insecure() {
    let listener = Listener::new();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let mut options = Options::new(&url(&listener)).unwrap();
    options.tls.insecurely_accepts_any_certificate = true;
    let log = Arc::clone(&lines);
    options.log = Some(Log {
        level: LogLevel::Warning,
        write: Arc::new(move |_, line| log.lock().unwrap().push(line.to_owned())),
    });
    for version in [&TLS12, &TLS13] {
        let certified = Authority::new().certify_for("example.org", 2000..2001);
        visited(&listener, certified.server_for(None, &[version]), options.clone());
    }
    let said = lines.lock().unwrap();
    assert!(said.iter().any(|line| line.starts_with("insecure: ")), "{said:?}");
}

/// It costs the server less, and the client a round trip less.
#[test]
fn a_reconnect_resumes_the_session_of_tls() {
    let authority = Authority::new();
    let server = Arc::new(authority.certify(LOCALHOST).server());
    let listener = Listener::new();
    let soon = Duration::from_millis(1);
    let reconnect = Some(Reconnect { minimum: soon, maximum: soon });
    let client = Client::new(Options { reconnect, ..authority.options(&url(&listener)) }).unwrap();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = serve_with(&server, listener.accept());
        greet(&mut stream, usize::MAX);
        assert!(matches!(next(&client), Event::Connected { .. }));
        assert_eq!(stream.conn.handshake_kind(), Some(kind));
        while !matches!(next(&client), Event::Message { message, .. } if message.topic().as_str() == "b")
        {
        }
        stream.sock.shutdown(Shutdown::Both).unwrap();
        match next(&client) {
            Event::Disconnected { error: Some(error), .. } => {
                assert_eq!(error.kind, ErrorKind::Lost);
                assert_eq!(error.message, "the server closed the connection");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Sockets and buffers fill up in both directions.
#[test]
fn large_messages_arrive_whole() {
    const SIZE: usize = 8_000_000;
    let payload: Vec<u8> = (0..SIZE).map(|number| number as u8).collect();
    let authority = Authority::new();
    let server = authority.certify(LOCALHOST).server();
    let listener = Listener::new();
    let client = Client::new(authority.options(&url(&listener))).unwrap();
    let topic = TopicName::new("large").unwrap();
    client.publish(&Draft::new(topic, &payload), false).unwrap();
    let mut message = Vec::new();
    mqtt_client::protocol::Packet::Publish(Publish::at_most_once(topic, &payload))
        .encode(&mut message)
        .unwrap();
    let expected = message.clone();
    let player = thread::spawn(move || {
        let mut stream = serve(server, listener.accept());
        packet(&mut stream);
        stream.write_all(b"\x20\x03\x00\x00\x00").unwrap();
        stream.write_all(&message).unwrap();
        let mut received = vec![0; expected.len()];
        stream.read_exact(&mut received).unwrap();
        assert!(received == expected);
        see_off(&mut stream);
    });
    loop {
        if let Event::Message { message, .. } = next(&client) {
            assert!(message.payload() == payload);
            break;
        }
    }
    client.disconnect(Farewell::default(), Some(DEADLINE)).unwrap();
    player.join().unwrap();
}

#[test]
fn a_client_goes_while_its_server_does_not_read() {
    let authority = Authority::new();
    let server = authority.certify(LOCALHOST).server();
    let listener = Listener::new();
    let client = Client::new(authority.options(&url(&listener))).unwrap();
    let mut stream = serve(server, listener.accept());
    greet(&mut stream, usize::MAX);
    client.wait_connected(Some(DEADLINE)).unwrap();
    let payload = vec![0; 100_000];
    let topic = TopicName::new("t").unwrap();
    while client.publish(&Draft::new(topic, &payload), false).is_ok() {}
    let result = client.disconnect(Farewell::default(), Some(Duration::from_millis(1)));
    assert_eq!(result.unwrap_err().kind, ErrorKind::Timeout);
    drop(client);
    // It is gone, with a farewell only if the socket took that, too.
    if let Err(end) = std::io::copy(&mut stream, &mut std::io::sink()) {
        assert!([IoErrorKind::UnexpectedEof, IoErrorKind::ConnectionReset].contains(&end.kind()));
    }
}

#[test]
fn a_host_that_no_certificate_can_name_is_refused_at_once() {
    let error = Client::new(Options::new("mqtts://no..name").unwrap()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls);
    assert!(Roots::from_file("/nowhere").is_err());
}
