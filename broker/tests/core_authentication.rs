//! Who may come in: nobody, anybody, users with a password, and users who prove it with SCRAM.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod dialogue;

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use data_encoding::BASE64;
use dialogue::*;
use mqtt_broker::core::limits::Limits;
use mqtt_broker::core::origin::Origin;
use mqtt_broker::core::{Access, NonceSecret};
use mqtt_broker::users::Users;
use mqtt_protocol::QoS::AtMostOnce;
use mqtt_protocol::ReasonCode::{ContinueAuthentication, ReAuthenticate, Success};
use mqtt_protocol::*;
use ring::pbkdf2;
use scram::{Keys, Password, ServerProof};

/// Ann and Ben know each their password.
static USERS: LazyLock<Arc<Users>> = LazyLock::new(|| {
    let lines = [("ann", "ann's"), ("ben", "ben's")].map(|(name, password)| {
        let salted = Password::new(password).unwrap().salted(name.as_bytes(), ITERATIONS);
        format!("{name}:{}:{}\n", quick_hash(password), Keys::new(&salted.unwrap()))
    });
    let old = quick_hash("old");
    Arc::new(Users::parse(&format!("{}old:{old}\n", lines.concat())).unwrap())
});

/// As few as may be.
const ITERATIONS: u32 = scram::MINIMUM_ITERATIONS;

/// A hash of the kind that mosquitto makes, which takes no time.
fn quick_hash(password: &str) -> String {
    let (salt, mut hash) = (b"salt", [0; 64]);
    let (algorithm, count) = (pbkdf2::PBKDF2_HMAC_SHA512, NonZeroU32::new(101).unwrap());
    pbkdf2::derive(algorithm, count, salt, password.as_bytes(), &mut hash);
    format!("$7${count}${}${}", BASE64.encode(salt), BASE64.encode(&hash))
}

fn access() -> Access {
    let secret = NonceSecret([7; 32]);
    Access { users: Some(USERS.clone()), allow_anonymous: false, secret, ..Access::default() }
}

fn broker() -> Broker {
    Broker::with(Limits::default(), access())
}

impl Broker {
    /// The shell checks all the passwords it was given.
    fn check_passwords(&mut self) {
        while let Some((client, check)) = self.checks.pop() {
            self.core.handle_password_checked(client, check.is_right(), self.now);
            self.settle();
        }
    }
}

fn with_password<'a>(client_id: &'a str, user: &'a str, password: &'a str) -> Connect<'a> {
    Connect {
        clean_start: true,
        user_name: Some(Text::new(user).unwrap()),
        password: Some(Binary::new(password.as_bytes()).unwrap()),
        ..connect(client_id)
    }
}

fn method(name: &str) -> Option<Text<'_>> {
    Some(Text::new(name).unwrap())
}

fn with_method<'a>(client_id: &'a str, name: &'a str, data: &'a str) -> Connect<'a> {
    let mut connect = Connect { clean_start: true, ..connect(client_id) };
    connect.properties.authentication_method = method(name);
    connect.properties.authentication_data = Binary::new(data.as_bytes()).ok();
    connect
}

fn auth<'a>(reason: ReasonCode, name: &'a str, data: &'a str) -> Packet<'a> {
    let properties = AuthProperties {
        authentication_method: method(name),
        authentication_data: Binary::new(data.as_bytes()).ok(),
        ..AuthProperties::default()
    };
    Packet::Auth(Auth { reason, properties })
}

/// A user on a client that speaks SCRAM.
struct Scram {
    client: scram::Client,
    first: String,
    password: &'static str,
}

fn scram_as(user: &str, password: &'static str) -> Scram {
    let (client, first) = scram::Client::begin(user, "nonce-of-the-client").unwrap();
    Scram { client, first, password }
}

impl Scram {
    /// Takes the challenge that the broker has sent and makes the answer to it.
    fn answer(self, challenge: &Packet<'static>) -> (ServerProof, String) {
        let Packet::Auth(auth) = challenge else { panic!("no challenge: {challenge:?}") };
        assert_eq!(auth.reason, ContinueAuthentication);
        assert_eq!(auth.properties.authentication_method, method(scram::NAME));
        let data = auth.properties.authentication_data.unwrap();
        let challenge = self.client.read_server_first(&data).unwrap();
        let password = Password::new(self.password).unwrap();
        let salted = password.salted(challenge.salt(), challenge.iterations()).unwrap();
        challenge.answer(&salted)
    }
}

/// Connects as far as the answer to the challenge.
fn try_scram(broker: &mut Broker, connect: Connect<'_>, scram: Scram) -> (Client, ServerProof) {
    let client = broker.open();
    let mut connect = connect;
    connect.properties.authentication_method = method(scram::NAME);
    connect.properties.authentication_data = Binary::new(scram.first.as_bytes()).ok();
    broker.send(client, &Packet::Connect(connect.clone()));
    let challenge = broker.receive(client);
    let (proof, answer) = scram.answer(&challenge);
    broker.send(client, &auth(ContinueAuthentication, scram::NAME, &answer));
    (client, proof)
}

/// Ann, connected.
fn ann(broker: &mut Broker) -> Client {
    let connect = Connect { clean_start: true, ..connect("a") };
    let (client, _) = try_scram(broker, connect, scram_as("ann", "ann's"));
    assert!(matches!(broker.receive(client), Packet::ConnAck(it) if it.reason == Success));
    client
}

/// [MQTT-4.12.0-2] [MQTT-4.12.0-5]
#[test]
fn who_knows_the_password_is_let_in_and_sees_that_the_broker_knows_it_too() {
    let mut broker = broker();
    let connect = Connect { clean_start: true, ..connect("a") };
    let (client, proof) = try_scram(&mut broker, connect, scram_as("ann", "ann's"));
    let Packet::ConnAck(connack) = broker.receive(client) else { panic!("no CONNACK") };
    assert_eq!(connack.reason, Success);
    assert_eq!(connack.properties.authentication_method, method(scram::NAME));
    proof.read_server_final(&connack.properties.authentication_data.unwrap()).unwrap();
    broker.subscribe(client, "a", AtMostOnce);
}

/// The broker does not tell which of the two it was. [MQTT-4.12.0-4]
#[test]
fn a_wrong_password_and_a_user_there_is_none_of_end_alike() {
    let mut broker = broker();
    for (user, password) in [("ann", "ben's"), ("nobody", "x"), ("old", "old")] {
        let connect = Connect { clean_start: true, ..connect("a") };
        let (client, _) = try_scram(&mut broker, connect, scram_as(user, password));
        assert_eq!(broker.refusal(client), Some(ReasonCode::BadUserNameOrPassword), "{user}");
    }
    assert_eq!(broker.core.session_count(), 0);
}

#[test]
fn a_user_there_is_none_of_is_challenged_like_any_other() {
    let mut broker = broker();
    let mut salts = Vec::new();
    for user in ["ann", "ann", "ghost", "ghost", "phantom"] {
        let first = scram_as(user, "x").first;
        let (_, challenge) = broker.try_connect(&with_method("a", scram::NAME, &first));
        let Packet::Auth(auth) = challenge else { panic!("no challenge for {user}") };
        let data = auth.properties.authentication_data.unwrap();
        let text = str::from_utf8(data.as_bytes()).unwrap();
        let (nonce, cost) = text.split_once(',').unwrap();
        salts.push((nonce, cost));
        assert!(cost.ends_with(",i=4096"), "{text}");
    }
    assert_eq!(salts[0].1, salts[1].1);
    assert_eq!(salts[2].1, salts[3].1);
    assert_ne!(salts[3].1, salts[4].1);
    assert_ne!(salts[0].0, salts[1].0, "no nonce comes twice");
}

/// [MQTT-4.12.0-1] [MQTT-4.12.0-6]
#[test]
fn a_method_that_is_not_offered_is_refused() {
    let first = scram_as("ann", "x").first;
    for (mut broker, name) in
        [(broker(), "SCRAM-SHA-1"), (broker(), "scram-sha-256"), (Broker::new(), scram::NAME)]
    {
        let (client, connack) = broker.try_connect(&with_method("a", name, &first));
        assert_eq!(connack, Packet::ConnAck(ConnAck::refuse(ReasonCode::BadAuthenticationMethod)));
        assert!(broker.is_closed(client));
    }
}

/// The client is to send nothing but AUTH and DISCONNECT; what else it sends is not processed.
/// [MQTT-3.1.2-30] [MQTT-3.1.4-6]
#[test]
fn nothing_else_is_heard_before_connack() {
    let first = scram_as("ann", "x").first;
    let again = with_method("a", scram::NAME, &first);
    for packet in [
        publish("a", "x").into(),
        Packet::PingReq,
        Packet::PubAck(ack(1)),
        Packet::Connect(again.clone()),
    ] {
        let mut broker = broker();
        let (client, _) = broker.try_connect(&again);
        broker.send(client, &packet);
        assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError), "{packet:?}");
    }
    let mut broker = broker();
    let (client, _) = broker.try_connect(&again);
    broker.send(client, &disconnect(Success));
    assert_eq!(broker.refusal(client), None, "who leaves is not answered");
}

/// [MQTT-3.15.2-1] [MQTT-4.12.0-5]
#[test]
fn a_step_that_is_not_due_and_another_method_are_errors() {
    let first = scram_as("ann", "x").first;
    for step in [
        auth(Success, scram::NAME, "x"),
        auth(ReAuthenticate, scram::NAME, &first),
        auth(ContinueAuthentication, "SCRAM-SHA-1", "x"),
        Packet::Auth(Auth { reason: Success, properties: AuthProperties::default() }),
    ] {
        let mut broker = broker();
        let (client, _) = broker.try_connect(&with_method("a", scram::NAME, &first));
        broker.send(client, &step);
        assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError), "{step:?}");
        let client = ann(&mut broker);
        broker.send(client, &auth(ReAuthenticate, scram::NAME, &first));
        broker.receive(client);
        broker.send(client, &step);
        assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError), "again: {step:?}");
    }
    let mut broker = broker();
    let client = ann(&mut broker);
    broker.send(client, &auth(ContinueAuthentication, scram::NAME, "x"));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError), "nothing has begun");
}

/// [MQTT-4.12.0-4]
#[test]
fn nonsense_in_place_of_a_proof_is_refused() {
    let mut broker = broker();
    let first = scram_as("ann", "x").first;
    for nonsense in ["", "n,,", "n,,n=ann,r=", "\u{0}", "p=tls-unique,,n=ann,r=x"] {
        let (client, _) = broker.try_connect(&with_method("a", scram::NAME, &first));
        broker.send(client, &auth(ContinueAuthentication, scram::NAME, nonsense));
        assert_eq!(broker.refusal(client), Some(ReasonCode::BadUserNameOrPassword));
        let refusal = broker.try_connect(&with_method("a", scram::NAME, nonsense)).1;
        let expected = ConnAck::refuse(ReasonCode::BadUserNameOrPassword);
        assert_eq!(refusal, Packet::ConnAck(expected), "{nonsense}");
    }
    let mut no_data = with_method("a", scram::NAME, "");
    no_data.properties.authentication_data = None;
    assert!(matches!(broker.try_connect(&no_data).1, Packet::ConnAck(it) if it.reason.is_error()));
}

#[test]
fn a_proof_has_to_come_in_time() {
    let mut broker = broker();
    let first = scram_as("ann", "x").first;
    let (client, _) = broker.try_connect(&with_method("a", scram::NAME, &first));
    broker.pass(Limits::default().connect_timeout - Duration::from_millis(1));
    assert!(!broker.is_closed(client));
    broker.pass(Duration::from_millis(1));
    assert!(broker.is_closed(client));
}

/// What was there before the CONNECT is as it was until it is clear who has sent it.
#[test]
fn who_proves_nothing_takes_nothing_over() {
    let mut broker = broker();
    let client = ann(&mut broker);
    broker.subscribe(client, "a", AtMostOnce);
    let connect = Connect { clean_start: true, ..connect("a") };
    let (intruder, _) = try_scram(&mut broker, connect, scram_as("ann", "guess"));
    assert!(broker.is_closed(intruder));
    broker.try_send_password("a", "ann", "guess");
    broker.publish(client, "a", "still here");
    assert_eq!(broker.messages(client), ["still here"]);
}

impl Broker {
    /// Connects with a password, which is checked. Gives what the broker answers.
    fn try_send_password(&mut self, id: &str, user: &str, password: &str) -> (Client, ReasonCode) {
        let client = self.open();
        self.send_connect(client, &with_password(id, user, password));
        self.check_passwords();
        let Packet::ConnAck(connack) = self.receive(client) else { panic!("no CONNACK") };
        assert_eq!(connack.properties.authentication_method, None);
        assert_eq!(self.is_closed(client), connack.reason.is_error());
        (client, connack.reason)
    }

    fn send_connect(&mut self, client: Client, connect: &Connect<'_>) {
        self.send(client, &Packet::Connect(connect.clone()));
    }
}

/// Other packets go on as before meanwhile. [MQTT-4.12.0-2] [MQTT-4.12.0-5]
#[test]
fn a_client_may_prove_again_who_it_is() {
    let mut broker = broker();
    let client = ann(&mut broker);
    broker.subscribe(client, "a", AtMostOnce);
    for _ in 0..2 {
        let scram = scram_as("ann", "ann's");
        broker.send(client, &auth(ReAuthenticate, scram::NAME, &scram.first));
        let challenge = broker.receive(client);
        broker.publish(client, "a", "meanwhile");
        assert_eq!(broker.messages(client), ["meanwhile"]);
        let (proof, answer) = scram.answer(&challenge);
        broker.send(client, &auth(ContinueAuthentication, scram::NAME, &answer));
        let Packet::Auth(end) = broker.receive(client) else { panic!("no end") };
        assert_eq!(end.reason, Success);
        assert_eq!(end.properties.authentication_method, method(scram::NAME));
        proof.read_server_final(&end.properties.authentication_data.unwrap()).unwrap();
    }
}

/// Nor may somebody else go on in the place of who was let in. [MQTT-4.12.1-2]
#[test]
fn who_fails_to_prove_it_again_is_disconnected() {
    for (user, password) in [("ann", "ben's"), ("ben", "ben's"), ("nobody", "x")] {
        let mut broker = broker();
        let client = ann(&mut broker);
        let scram = scram_as(user, password);
        broker.send(client, &auth(ReAuthenticate, scram::NAME, &scram.first));
        let challenge = broker.receive(client);
        let (_, answer) = scram.answer(&challenge);
        broker.send(client, &auth(ContinueAuthentication, scram::NAME, &answer));
        assert_eq!(broker.refusal(client), Some(ReasonCode::NotAuthorized), "{user}");
    }
    let mut broker = broker();
    let client = ann(&mut broker);
    broker.send(client, &auth(ReAuthenticate, scram::NAME, "nonsense"));
    assert_eq!(broker.refusal(client), Some(ReasonCode::NotAuthorized));
}

/// [MQTT-4.12.0-6]
#[test]
fn without_a_method_in_connect_there_is_no_auth() {
    let mut broker = broker();
    let (client, reason) = broker.try_send_password("a", "ann", "ann's");
    assert_eq!(reason, Success);
    broker.send(client, &auth(ReAuthenticate, scram::NAME, &scram_as("ann", "x").first));
    assert_eq!(broker.refusal(client), Some(ReasonCode::ProtocolError));
}

#[test]
fn a_right_password_lets_in_and_anything_else_does_not() {
    let mut broker = broker();
    for (user, password, reason) in [
        ("ann", "ann's", Success),
        ("old", "old", Success),
        ("ann", "ben's", ReasonCode::BadUserNameOrPassword),
        ("ann", "", ReasonCode::BadUserNameOrPassword),
        ("old", "new", ReasonCode::BadUserNameOrPassword),
        ("nobody", "ann's", ReasonCode::BadUserNameOrPassword),
        ("", "", ReasonCode::BadUserNameOrPassword),
    ] {
        let outcome = broker.try_send_password(user, user, password).1;
        assert_eq!(outcome, reason, "{user} {password}");
    }
    let no_password = Connect { password: None, ..with_password("a", "ann", "") };
    let no_name = Connect { user_name: None, ..with_password("a", "", "ann's") };
    for connect in [no_password, no_name] {
        let (client, _) = broker.try_connect(&connect);
        assert!(broker.is_closed(client) && broker.checks.is_empty());
    }
}

/// What waits for one user is not for another, and nobody throws another out.
#[test]
fn a_session_is_its_users_alone() {
    let mut broker = broker();
    let (ann, reason) = broker.try_send_password("a", "ann", "ann's");
    assert_eq!(reason, Success);
    let (_, reason) = broker.try_send_password("a", "ben", "ben's");
    assert_eq!(reason, ReasonCode::ClientIdentifierNotValid);
    assert!(!broker.is_closed(ann), "ann is still there");
    let (_, reason) = broker.try_send_password("a", "ann", "ann's");
    assert_eq!(reason, Success);
    assert!(broker.is_closed(ann), "ann has taken her own session over");
}

/// The first packet that a client of another machine is sent, all passwords checked.
fn try_from_afar(broker: &mut Broker, last_byte: u8, connect: &Connect<'_>) -> ReasonCode {
    let origin = Origin::of([192, 0, 2, last_byte].into());
    let client = broker.core.open_from(origin, broker.now);
    broker.send(client, &Packet::Connect(connect.clone()));
    broker.check_passwords();
    match broker.receive(client) {
        Packet::ConnAck(connack) => connack.reason,
        Packet::Auth(auth) => auth.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_guesses_is_not_listened_to_for_a_while() {
    let (right, wrong) = (with_password("a", "ann", "ann's"), with_password("a", "ann", "guess"));
    let unknown = with_password("a", "nobody", "guess");
    let scram = scram_as("ann", "x").first;
    let scram = with_method("b", scram::NAME, &scram);
    let mut broker = broker();
    for number in 0..5 {
        let guess = if number % 2 == 0 { &wrong } else { &unknown };
        assert_eq!(try_from_afar(&mut broker, 1, guess), ReasonCode::BadUserNameOrPassword);
    }
    for connect in [&wrong, &right, &unknown, &scram] {
        let reason = try_from_afar(&mut broker, 1, connect);
        assert_eq!(reason, ReasonCode::ConnectionRateExceeded);
        assert!(broker.checks.is_empty());
    }
    assert_eq!(try_from_afar(&mut broker, 2, &right), Success, "others are not meant");
    let (_, reason) = broker.try_send_password("a", "ann", "ann's");
    assert_eq!(reason, Success, "nor is this machine");
    broker.pass(Duration::from_secs(60));
    assert_eq!(try_from_afar(&mut broker, 1, &right), Success);
}

/// Many devices of one household come back at once, and one of them has a wrong password.
#[test]
fn right_passwords_are_not_counted_however_many_come_at_once() {
    let mut broker = broker();
    let origin = Origin::of([192, 0, 2, 1].into());
    let mut clients = Vec::new();
    for number in 0..20 {
        let client = broker.core.open_from(origin, broker.now);
        let (id, password) = (number.to_string(), if number < 4 { "guess" } else { "ann's" });
        broker.send(client, &Packet::Connect(with_password(&id, "ann", password)));
        clients.push(client);
    }
    broker.check_passwords();
    let welcome = clients.iter().filter(|&&client| !broker.is_closed(client)).count();
    assert_eq!(welcome, 16);
}

/// What waits to be checked is not checked when too much was wrong meanwhile.
#[test]
fn many_guesses_at_once_are_no_way_around() {
    let mut broker = broker();
    let origin = Origin::of([192, 0, 2, 1].into());
    let mut clients = Vec::new();
    for number in 0..20 {
        let client = broker.core.open_from(origin, broker.now);
        let id = number.to_string();
        broker.send(client, &Packet::Connect(with_password(&id, "ann", &format!("guess {id}"))));
        clients.push(client);
    }
    let mut checks = 0;
    while let Some((client, check)) = broker.checks.pop() {
        checks += 1;
        broker.core.handle_password_checked(client, check.is_right(), broker.now);
        broker.settle();
    }
    let running = Limits::default().maximum_password_checks;
    assert!((5..5 + running).contains(&checks), "{checks} were looked at");
    assert!(clients.iter().all(|&client| broker.is_closed(client)));
}

/// Who knows another password now.
fn other_access() -> Access {
    let line = format!("ann:{}\n", quick_hash("ann's other"));
    Access { users: Some(Arc::new(Users::parse(&line).unwrap())), ..access() }
}

/// A right password is not hashed again for some minutes, unless users have changed.
#[test]
fn a_right_password_is_remembered() {
    let mut broker = broker();
    let right = with_password("a", "ann", "ann's");
    assert_eq!(broker.try_send_password("a", "ann", "ann's").1, Success);
    broker.core.change_access(access(), broker.now);
    broker.connect_with(&right);
    let (_, reason) = broker.try_send_password("a", "ann", "ben's");
    assert_eq!(reason, ReasonCode::BadUserNameOrPassword);
    broker.pass(Duration::from_secs(600));
    let client = broker.open();
    broker.send(client, &Packet::Connect(right));
    assert_eq!(broker.checks.len(), 1, "it was long ago");
    broker.check_passwords();
    broker.core.change_access(other_access(), broker.now);
    let (_, reason) = broker.try_send_password("a", "ann", "ann's");
    assert_eq!(reason, ReasonCode::BadUserNameOrPassword);
}

/// A password that was being checked when users changed may not be theirs any more.
#[test]
fn a_check_begun_before_users_change_is_begun_again() {
    for (access, reason) in [(access(), None), (other_access(), Some(ReasonCode::ServerBusy))] {
        let mut broker = broker();
        let client = broker.open();
        broker.send(client, &Packet::Connect(with_password("a", "ann", "ann's")));
        broker.core.change_access(access, broker.now);
        broker.check_passwords();
        assert_eq!(broker.is_closed(client).then(|| broker.refusal(client)).flatten(), reason);
    }
}

#[test]
fn who_says_nothing_is_let_in_only_where_that_is_said() {
    let mut strict = broker();
    let (_, refusal) = strict.try_connect(&connect("a"));
    assert_eq!(refusal, Packet::ConnAck(ConnAck::refuse(ReasonCode::NotAuthorized)));

    let mut open = Broker::with(Limits::default(), Access { allow_anonymous: true, ..access() });
    open.connect("a");
    let (_, reason) = open.try_send_password("b", "ann", "wrong");
    assert_eq!(reason, ReasonCode::BadUserNameOrPassword, "a wrong word is worse than none");

    let users = Some(Arc::new(Users::parse("").unwrap()));
    let mut nobody = Broker::with(Limits::default(), Access { users, ..access() });
    let (_, refusal) = nobody.try_connect(&with_password("a", "ann", "ann's"));
    assert_eq!(refusal, Packet::ConnAck(ConnAck::refuse(ReasonCode::BadUserNameOrPassword)));

    // Where nobody is known, a name says nothing, and nobody is kept out for it.
    Broker::new().connect_with(&with_password("a", "ann", "ann's"));
}

/// What is behind a CONNECT is handled when that is accepted, and never if it is not.
/// [MQTT-3.1.4-6]
#[test]
fn what_is_behind_a_connect_waits_for_the_check() {
    for (password, is_heard) in [("ann's", true), ("guess", false)] {
        let mut broker = broker();
        let client = broker.open();
        let mut bytes = Vec::new();
        Packet::Connect(with_password("a", "ann", password)).encode(&mut bytes).unwrap();
        let connect_length = bytes.len();
        Packet::PingReq.encode(&mut bytes).unwrap();
        let received = broker.core.receive(client, &bytes, broker.now);
        assert_eq!((received.consumed, received.is_held), (connect_length, true));
        broker.settle();
        let (_, check) = broker.checks.pop().unwrap();
        let rest = &bytes[connect_length..];
        assert_eq!(broker.core.receive(client, rest, broker.now).consumed, 0, "not yet");
        broker.core.handle_password_checked(client, check.is_right(), broker.now);
        let received = broker.core.receive(client, rest, broker.now);
        assert_eq!((received.consumed, received.is_held), (2, false));
        broker.settle();
        broker.receive(client);
        assert_eq!(broker.try_receive(client) == Some(Packet::PingResp), is_heard);
    }
}

#[test]
fn few_passwords_are_checked_at_once_and_not_many_wait() {
    let limits =
        Limits { maximum_password_checks: 2, maximum_password_queue: 3, ..Limits::default() };
    let mut broker = Broker::with(limits, access());
    let names: Vec<String> = (0..5).map(|number| format!("client {number}")).collect();
    let clients: Vec<Client> = names
        .iter()
        .map(|name| {
            let client = broker.open();
            broker.send_connect(client, &with_password(name, "ann", "ann's"));
            client
        })
        .collect();
    let ordered = |broker: &Broker| broker.checks.iter().map(|(it, _)| *it).collect::<Vec<_>>();
    assert_eq!(ordered(&broker), clients[..2]);
    let (_, refusal) = broker.try_connect(&with_password("one too many", "ann", "ann's"));
    assert_eq!(refusal, Packet::ConnAck(ConnAck::refuse(ReasonCode::ServerBusy)));
    // Who has gone is passed over.
    broker.lose(clients[2]);
    broker.core.handle_password_checked(clients[0], true, broker.now);
    broker.settle();
    assert_eq!(ordered(&broker), [clients[0], clients[1], clients[3]]);
    // So is the answer for who goes during the check, whose place is free then.
    broker.lose(clients[1]);
    broker.core.handle_password_checked(clients[1], true, broker.now);
    broker.settle();
    assert_eq!(ordered(&broker).last(), Some(&clients[4]));
    assert_eq!(broker.core.connected_clients(), 1);
}

#[test]
fn a_check_that_takes_too_long_comes_to_nothing() {
    let mut broker = broker();
    let client = broker.open();
    broker.send_connect(client, &with_password("a", "ann", "ann's"));
    broker.pass(Limits::default().connect_timeout);
    assert!(broker.is_closed(client));
    broker.check_passwords();
    assert_eq!(broker.core.connected_clients(), 0);
}

/// Terms and will of a CONNECT that has waited are those it came with.
#[test]
fn nothing_of_a_connect_is_lost_while_it_waits() {
    let mut broker = broker();
    let watcher = ann(&mut broker);
    broker.subscribe(watcher, "gone", AtMostOnce);
    let mut connect = Connect {
        will: Some(will("gone", "b", None)),
        keep_alive_secs: 10,
        ..with_password("b", "ben", "ben's")
    };
    connect.properties.session_expiry_interval = Some(1000);
    let client = broker.open();
    broker.send_connect(client, &connect);
    broker.check_passwords();
    broker.pass_secs(14);
    assert!(!broker.is_closed(client));
    broker.pass_secs(2);
    assert!(broker.is_closed(client), "the keep alive is over");
    assert_eq!(broker.messages(watcher), ["b"]);
    assert_eq!(broker.core.session_count(), 2);
}

#[test]
fn older_clients_are_told_in_their_words() {
    for (connect, code) in [
        (with_password("a", "ann", "ann's"), 0),
        (with_password("a", "ann", "wrong"), 4),
        (Connect { clean_start: true, ..connect("a") }, 5),
    ] {
        let mut broker = broker();
        let connect = Connect { version: Version::V3_1_1, ..connect };
        let client = broker.open();
        let mut bytes = Vec::new();
        Packet::Connect(connect).encode_as(Version::V3_1_1, usize::MAX, &mut bytes).unwrap();
        broker.send_bytes(client, &bytes);
        broker.check_passwords();
        assert_eq!(broker.received_bytes(client), [0x20, 2, 0, code]);
    }
}

#[test]
fn no_password_is_shown_in_what_is_printed_for_debugging() {
    let mut broker = broker();
    let secret = "correct horse battery staple";
    let connect = with_password("a", "ann", secret);
    let client = broker.open();
    broker.send_connect(client, &connect);
    let bytes = format!("{:?}", secret.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    let shown = format!("{connect:?} {:?} {:?}", broker.checks, broker.core);
    assert!(shown.contains("ann") && !shown.contains(secret) && !shown.contains(bytes));
}
