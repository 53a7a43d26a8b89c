//! Enhanced authentication by the program.

use mqtt_protocol::{Auth, AuthProperties, Binary, Text};

use super::*;
use crate::OwnedText;

fn dialogue() -> Dialogue {
    let method = Some(OwnedText::new("OWN").unwrap());
    Dialogue::new(Options { authentication_method: method, ..options() })
}

/// The step that the program is asked for, and the server's data.
fn step(dialogue: &mut Dialogue) -> (Option<u64>, Option<Vec<u8>>) {
    let mut events = Vec::new();
    dialogue.session.take_events(&mut events);
    match events.remove(0) {
        Event::AuthenticationStep { step, data } => (step, data.map(Vec::from)),
        other => panic!("{other:?}"),
    }
}

fn answer(dialogue: &mut Dialogue, data: &[u8]) {
    let (asked, _) = step(dialogue);
    dialogue.session.continue_authentication(asked.unwrap(), data).unwrap();
}

fn auth<'a>(reason: ReasonCode, method: &'a str, data: &'a [u8]) -> Packet<'a> {
    Packet::Auth(Auth {
        reason,
        properties: AuthProperties {
            authentication_method: Some(Text::new(method).unwrap()),
            authentication_data: Some(Binary::new(data).unwrap()),
            ..AuthProperties::default()
        },
    })
}

fn accepted(data: &[u8]) -> ConnAckProperties<'_> {
    ConnAckProperties {
        authentication_method: Some(Text::new("OWN").unwrap()),
        authentication_data: Some(Binary::new(data).unwrap()),
        ..Default::default()
    }
}

fn connected() -> Dialogue {
    let mut dialogue = dialogue();
    dialogue.session.handle_opened(dialogue.now);
    answer(&mut dialogue, b"first");
    dialogue.output();
    let reason = ReasonCode::Success;
    let properties = accepted(b"last");
    dialogue.server(Packet::ConnAck(ConnAck { session_present: false, reason, properties }));
    assert_eq!(step(&mut dialogue), (None, Some(b"last".to_vec())));
    dialogue
}

/// [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-3.1.2-30]
#[test]
fn the_program_takes_each_step() {
    let mut dialogue = dialogue();
    dialogue.session.handle_opened(dialogue.now);
    dialogue.client(&[]);
    answer(&mut dialogue, b"first");
    let bytes = dialogue.output();
    let [Packet::Connect(connect)] = &packets(&bytes)[..] else { panic!("{bytes:02x?}") };
    assert_eq!(connect.properties.authentication_method, Some(Text::new("OWN").unwrap()));
    assert_eq!(connect.properties.authentication_data.unwrap().as_bytes(), b"first");

    dialogue.server(auth(ReasonCode::ContinueAuthentication, "OWN", b"challenge"));
    let (asked, data) = step(&mut dialogue);
    assert_eq!(data.as_deref(), Some(&b"challenge"[..]));
    dialogue.client(&[]);
    dialogue.session.continue_authentication(asked.unwrap(), b"answer").unwrap();
    dialogue.client(&[auth(ReasonCode::ContinueAuthentication, "OWN", b"answer")]);
    let again = dialogue.session.continue_authentication(asked.unwrap(), b"").unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);

    let reason = ReasonCode::Success;
    let properties = accepted(b"");
    dialogue.server(Packet::ConnAck(ConnAck { session_present: false, reason, properties }));
    assert!(dialogue.session.is_connected());
}

/// [MQTT-4.12.1-1]
#[test]
fn the_program_authenticates_again() {
    let mut dialogue = connected();
    let op = dialogue.session.reauthenticate(true).unwrap();
    answer(&mut dialogue, b"again");
    dialogue.client(&[auth(ReasonCode::ReAuthenticate, "OWN", b"again")]);
    dialogue.server(auth(ReasonCode::Success, "OWN", b"fine"));
    let expected = ["authentication step".to_owned(), format!("authenticated {}: ok", op.0)];
    assert_eq!(dialogue.events(), expected);
}

/// [MQTT-4.12.1-2]
#[test]
fn the_program_may_end_it() {
    let mut dialogue = dialogue();
    dialogue.session.handle_opened(dialogue.now);
    let (asked, _) = step(&mut dialogue);
    dialogue.session.fail_own_authentication(asked.unwrap(), dialogue.now).unwrap();
    dialogue.client(&[]);
    let events = dialogue.events();
    assert_eq!(events, ["connect failed: Authentication, retry false", "stopped: Authentication"]);
}

/// [MQTT-4.12.0-5] [MQTT-3.15.2-1]
#[test]
fn steps_that_are_not_due_are_refused() {
    let continued = ReasonCode::ContinueAuthentication;
    for packet in [auth(continued, "OTHER", b""), auth(continued, "OWN", b"")] {
        let mut dialogue = connected();
        dialogue.server(packet);
        assert_eq!(dialogue.session.demand(), Demand::FlushAndClose);
    }
}

#[test]
fn an_answer_comes_too_late_when_the_connection_is_gone() {
    let mut dialogue = dialogue();
    dialogue.session.handle_opened(dialogue.now);
    let (asked, _) = step(&mut dialogue);
    dialogue.break_and_wait();
    let error = dialogue.session.continue_authentication(asked.unwrap(), b"").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
