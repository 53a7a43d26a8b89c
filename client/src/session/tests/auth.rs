//! SCRAM with a server, which the test plays: on the way in, and again on the open connection.

use mqtt_protocol::{Auth, AuthProperties, Binary, Connect, Disconnect, Text};
use scram::{ClientProof, Keys, Password, read_client_first};

use super::*;
use crate::session::Authentication;

const METHOD: &str = scram::NAME;

fn ann() -> Options {
    let (user_name, password) =
        (Some(crate::OwnedText::new("ann").unwrap()), Some(b"secret".to_vec()));
    Options { user_name, password, uses_scram: true, ..options() }
}

/// A client of Ann's that is to connect.
fn dialogue() -> Dialogue {
    let mut dialogue = Dialogue::new(ann());
    let authentication = Authentication::new(&ann(), [7; 32]).unwrap();
    dialogue.session.set_authentication(Some(authentication));
    dialogue
}

fn auth<'a>(reason: ReasonCode, method: &'a str, data: &'a str) -> Packet<'a> {
    let properties = AuthProperties {
        authentication_method: Text::new(method).ok(),
        authentication_data: Binary::new(data.as_bytes()).ok(),
        ..AuthProperties::default()
    };
    Packet::Auth(Auth { reason, properties })
}

fn connack<'a>(method: Option<&'a str>, data: &'a str) -> Packet<'a> {
    let properties = ConnAckProperties {
        authentication_method: method.and_then(|name| Text::new(name).ok()),
        authentication_data: method.and_then(|_| Binary::new(data.as_bytes()).ok()),
        ..ConnAckProperties::default()
    };
    Packet::ConnAck(ConnAck { session_present: false, reason: ReasonCode::Success, properties })
}

/// A server that knows this password of everybody's challenges a client.
fn challenge(first: &[u8], password: &str) -> (ClientProof, String) {
    let password = Password::new(password).unwrap();
    let keys = Keys::new(&password.salted(b"salt", scram::MINIMUM_ITERATIONS).unwrap());
    let opening = read_client_first(first).unwrap();
    assert_eq!(opening.user_name(), "ann");
    opening.challenge(keys, "server").unwrap()
}

impl Dialogue {
    /// Opens a connection. Gives the first message of SCRAM in CONNECT.
    fn open(&mut self) -> Vec<u8> {
        self.session.handle_opened(self.now);
        let bytes = self.output();
        let [Packet::Connect(Connect { properties, user_name: None, password: None, .. })] =
            &packets(&bytes)[..]
        else {
            panic!("a CONNECT without a password: {bytes:02x?}")
        };
        assert_eq!(properties.authentication_method, Text::new(METHOD).ok());
        properties.authentication_data.unwrap().to_vec()
    }

    /// The shell salts the password, if it is asked to. Tells whether it was.
    fn salt(&mut self) -> bool {
        let salting = self.session.take_salting();
        let was_asked = salting.is_some();
        if let Some(salting) = salting {
            self.session.handle_salted(salting.salt().unwrap());
        }
        was_asked
    }

    /// The only packet the client has written, an AUTH, and its data.
    fn step(&mut self) -> (ReasonCode, Vec<u8>) {
        let bytes = self.output();
        let [Packet::Auth(auth)] = &packets(&bytes)[..] else { panic!("no AUTH: {bytes:02x?}") };
        assert_eq!(auth.properties.authentication_method, Text::new(METHOD).ok());
        (auth.reason, auth.properties.authentication_data.unwrap().to_vec())
    }

    /// Connects up to the client's proof. Gives the server's.
    fn prove(&mut self) -> String {
        let (server, message) = challenge(&self.open(), "secret");
        self.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
        self.salt();
        let (reason, answer) = self.step();
        assert_eq!(reason, ReasonCode::ContinueAuthentication);
        server.read_client_final(&answer).unwrap()
    }

    /// Connects.
    fn log_in(&mut self) {
        let proof = self.prove();
        self.server(connack(Some(METHOD), &proof));
        assert_eq!(self.events(), ["connected"]);
    }

    /// The client leaves the server, and does not come back.
    #[track_caller]
    fn leaves(&mut self, reason: ReasonCode, events: &[&str]) {
        self.client(&[Packet::Disconnect(Disconnect::new(reason))]);
        self.session.handle_closed(Error::new(ErrorKind::Lost, "closed"), self.now);
        assert_eq!(self.events(), events);
    }
}

/// [MQTT-4.12.0-3] [MQTT-4.12.0-5]
#[test]
fn client_and_server_prove_to_each_other_that_they_know_the_password() {
    let mut dialogue = dialogue();
    dialogue.log_in();
}

/// [MQTT-3.1.2-30]
#[test]
fn nothing_but_auth_is_sent_before_connack() {
    let mut dialogue = dialogue();
    dialogue.publish(QoS::AtLeastOnce, "early").unwrap();
    dialogue.subscribe("early");
    let (server, message) = challenge(&dialogue.open(), "secret");
    dialogue.publish(QoS::AtMostOnce, "early").unwrap();
    dialogue.pass(Duration::from_secs(5));
    dialogue.client(&[]);
    dialogue.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    dialogue.client(&[]);
    dialogue.salt();
    let (_, answer) = dialogue.step();
    dialogue.publish(QoS::ExactlyOnce, "early").unwrap();
    dialogue.client(&[]);
    let proof = server.read_client_final(&answer).unwrap();
    dialogue.server(connack(Some(METHOD), &proof));
    assert!(!dialogue.output().is_empty(), "now it goes out");
}

#[test]
fn a_server_that_does_not_know_the_password_is_left() {
    let stopped = ["connect failed: Authentication, retry false", "stopped: Authentication"];
    let mut liar = dialogue();
    liar.prove();
    liar.server(connack(Some(METHOD), "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    liar.leaves(ReasonCode::UnspecifiedError, &stopped);

    let mut silent = dialogue();
    silent.open();
    silent.server(connack(Some(METHOD), ""));
    silent.leaves(ReasonCode::UnspecifiedError, &stopped);

    let mut cheap = dialogue();
    let first = cheap.open();
    let nonce = String::from_utf8(first).unwrap();
    let nonce = nonce.rsplit_once("r=").unwrap().1;
    let message = format!("r={nonce}x,s=AAAA,i=1");
    cheap.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    cheap.leaves(ReasonCode::UnspecifiedError, &stopped);
}

/// [MQTT-4.12.0-5] [MQTT-3.15.2-1]
#[test]
fn another_method_and_a_step_that_is_not_due_are_errors() {
    let failed = ["connect failed: Protocol, retry true"];
    for packet in [
        connack(None, ""),
        connack(Some("SCRAM-SHA-1"), "v=x"),
        auth(ReasonCode::ContinueAuthentication, "SCRAM-SHA-1", "x"),
        auth(ReasonCode::Success, METHOD, "x"),
        auth(ReasonCode::ReAuthenticate, METHOD, "x"),
    ] {
        let mut begun = dialogue();
        begun.open();
        begun.server(packet.clone());
        begun.leaves(ReasonCode::ProtocolError, &failed);
        let mut proved = dialogue();
        proved.prove();
        proved.server(packet);
        proved.leaves(ReasonCode::ProtocolError, &failed);
    }
    let mut connected = dialogue();
    connected.log_in();
    connected.server(auth(ReasonCode::ContinueAuthentication, METHOD, "x"));
    connected.leaves(ReasonCode::ProtocolError, &["disconnected: Protocol, retry true"]);
}

#[test]
fn a_refusal_is_told() {
    let mut dialogue = dialogue();
    dialogue.open();
    dialogue.server(Packet::ConnAck(ConnAck::refuse(ReasonCode::BadUserNameOrPassword)));
    let events = dialogue.events();
    assert_eq!(events, ["connect failed: Refused, retry false", "stopped: Refused"]);
}

/// What was salted once serves each connection with the same salt.
#[test]
fn a_password_is_salted_once() {
    let mut dialogue = dialogue();
    dialogue.log_in();
    dialogue.break_and_wait();
    dialogue.events();
    let (server, message) = challenge(&dialogue.open(), "secret");
    dialogue.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    assert!(!dialogue.salt());
    let (_, answer) = dialogue.step();
    assert!(server.read_client_final(&answer).is_ok());
}

/// What was salted for a connection that is gone answers nobody.
#[test]
fn a_connection_may_break_while_the_password_is_salted() {
    let mut dialogue = dialogue();
    let (_, message) = challenge(&dialogue.open(), "secret");
    dialogue.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    let salting = dialogue.session.take_salting().unwrap();
    dialogue.break_and_wait();
    dialogue.events();
    dialogue.session.handle_salted(salting.salt().unwrap());
    dialogue.client(&[]);
    dialogue.log_in();
}

/// Messages go on meanwhile. [MQTT-4.12.1-1]
#[test]
fn the_program_may_authenticate_again() {
    let mut dialogue = dialogue();
    dialogue.log_in();
    let op = dialogue.session.reauthenticate(true).unwrap();
    assert!(dialogue.session.reauthenticate(true).is_err(), "one at a time");
    let (reason, first) = dialogue.step();
    assert_eq!(reason, ReasonCode::ReAuthenticate);
    dialogue.server(publish(Delivery::AtMostOnce, "meanwhile"));
    assert_eq!(dialogue.events(), ["message meanwhile"]);
    let (server, message) = challenge(&first, "secret");
    dialogue.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    dialogue.salt();
    let (reason, answer) = dialogue.step();
    assert_eq!(reason, ReasonCode::ContinueAuthentication);
    assert!(dialogue.session.is_running(op));
    let proof = server.read_client_final(&answer).unwrap();
    dialogue.server(auth(ReasonCode::Success, METHOD, &proof));
    assert_eq!(dialogue.events(), [format!("authenticated {}: ok", op.0)]);
    assert!(!dialogue.session.is_running(op));
}

/// [MQTT-4.12.1-2]
#[test]
fn an_authentication_that_fails_ends_the_connection() {
    let mut liar = dialogue();
    liar.log_in();
    let op = liar.session.reauthenticate(true).unwrap().0;
    let (_, first) = liar.step();
    let (_, message) = challenge(&first, "guess");
    liar.server(auth(ReasonCode::ContinueAuthentication, METHOD, &message));
    liar.salt();
    liar.step();
    liar.server(auth(ReasonCode::Success, METHOD, "v=AAAA"));
    let told = format!("authenticated {op}: Lost");
    let ended = ["disconnected: Authentication, retry false", "stopped: Authentication"];
    liar.leaves(ReasonCode::UnspecifiedError, &[&told, ended[0], ended[1]]);

    let mut refused = dialogue();
    refused.log_in();
    let op = refused.session.reauthenticate(false).unwrap().0;
    assert!(op > 0);
    refused.step();
    refused.server(Packet::Disconnect(Disconnect::new(ReasonCode::NotAuthorized)));
    let events =
        ["authenticated -: Lost", "disconnected: Refused, retry false", "stopped: Refused"];
    assert_eq!(refused.events(), events);
    assert!(refused.session.reauthenticate(true).is_err(), "without a connection");
}

#[test]
fn who_has_no_password_cannot_use_scram() {
    for options in [
        Options { user_name: None, ..ann() },
        Options { password: None, ..ann() },
        Options { password: Some(b"\xFF".to_vec()), ..ann() },
        Options { password: Some(Vec::new()), ..ann() },
    ] {
        let error = Authentication::new(&options, [7; 32]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Argument);
    }
    let mut dialogue = Dialogue::connected();
    assert_eq!(dialogue.session.reauthenticate(true).unwrap_err().kind, ErrorKind::State);
}
