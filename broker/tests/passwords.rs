//! The password file, `mqtt-broker passwd`, and logging in to the program, with a password and
//! with SCRAM.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mqtt_broker::users::{BadLine, Users};
use mqtt_protocol::*;
use sockets::*;

/// Lines that mosquitto_passwd has written: of versions 2 and 1.
const MOSQUITTO: &str = "\
# written by others

new:$7$101$/bzc7T/8943KECzp$hfRvfDNHXEELejeVTTxINu7X8fh4EMrrTP3w53j87v/RYmdIr5wcwJjwy9vW4jGz8TMKQ\
G/qRu48ZfsCfTrZpA==
older:$6$HNeiYQhIJxTx0yoc$25Q6wJM7sH7+Ub+Yck6nD0hykG2IWFYxwbqWE5qZ+9s14+G8jYKSruqegTQfjLhSZ7n0vMIo\
I/rW+lyHhiBmNw==
";

fn fits(users: &Users, name: &str, password: &str) -> bool {
    users.check(name, password.as_bytes()).unwrap().is_right()
}

#[test]
fn hashes_of_mosquitto_are_understood() {
    let users = Users::parse(MOSQUITTO).unwrap();
    assert_eq!((users.count(), users.count_without_scram()), (2, 2));
    assert!(fits(&users, "new", "old") && !fits(&users, "new", "new"));
    assert!(fits(&users, "older", "older") && !fits(&users, "older", "old"));
    assert!(!fits(&users, "nobody", "old"));
}

/// The example of the reference implementation of Argon2.
#[test]
fn argon2id_hashes_of_others_are_understood() {
    let line = "a:$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let users = Users::parse(line).unwrap();
    assert!(fits(&users, "a", "password") && !fits(&users, "a", "passwort"));
}

#[test]
fn every_line_that_is_wrong_is_named() {
    let new = MOSQUITTO.lines().nth(2).unwrap();
    let hash = new.strip_prefix("new:").unwrap();
    let lines = [
        "no colon",
        ":nobody",
        "bell\u{7}:x",
        "plain:password",
        "empty:",
        "kind:$9$x",
        "short:$7$101$AAAA$AAAA",
        "loop:$7$4000000000$AAAA$AAAA",
        "none:$7$0$AAAA$AAAA",
        "big:$argon2id$v=19$m=4000000000,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "old:$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "salt:$argon2id$v=19$m=65536,t=2,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        &format!("keys:{hash}:SCRAM-SHA-256$x"),
        &format!("more:{hash}$"),
        &format!("good:{hash}"),
        &format!("good:{hash}"),
    ];
    let bad = Users::parse(&lines.join("\n")).unwrap_err();
    let numbers: Vec<usize> = bad.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..=14).chain([16]).collect::<Vec<_>>(), "{bad:?}");
    let BadLine { fault, .. } = bad.last().unwrap();
    assert!(fault.contains("already"), "{fault}");
}

/// Runs `mqtt-broker passwd` with these words on standard input.
fn passwd(arguments: &[&str], input: &str) -> Output {
    let mut command = command(&["passwd"]);
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // It may have refused and gone without listening.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn set(file: &Path, user: &str, password: &str) {
    let output = passwd(&[file.to_str().unwrap(), user], &format!("{password}\n"));
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn passwd_changes_one_line_and_keeps_the_others() {
    let scratch = Scratch::new();
    let file = scratch.path().join("users");
    let name = file.to_str().unwrap();
    set(&file, "ann", "ann's");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, [MOSQUITTO, &fs::read_to_string(&file).unwrap()].concat()).unwrap();
    set(&file, "ben", "ben's");
    let before = fs::read_to_string(&file).unwrap();
    assert!(before.starts_with(MOSQUITTO) && !before.contains("'s"), "{before}");
    set(&file, "ann", "ann's other");
    let users = Users::read(&file).unwrap();
    assert_eq!((users.count(), users.count_without_scram()), (4, 2));
    assert!(fits(&users, "ann", "ann's other") && !fits(&users, "ann", "ann's"));
    assert!(fits(&users, "ben", "ben's") && fits(&users, "new", "old"));

    assert!(passwd(&["--delete", name, "ann"], "").status.success());
    let after = fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = before.lines().filter(|line| !line.starts_with("ann:")).collect();
    assert_eq!(after.lines().collect::<Vec<_>>(), kept);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left behind: {left:?}");
}

#[test]
fn passwd_refuses_what_cannot_be_and_leaves_the_file_alone() {
    let scratch = Scratch::new();
    let file = scratch.path().join("users");
    let name = file.to_str().unwrap();
    let in_vain = |arguments: &[&str], input: &str, word: &str| {
        let output = passwd(arguments, input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(word), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    in_vain(&[name, "a:b"], "x\n", "user name");
    in_vain(&[name, "#a"], "x\n", "user name");
    in_vain(&[name, ""], "x\n", "user name");
    in_vain(&[name, "ann"], "\n", "password");
    in_vain(&[name, "ann"], "", "no password");
    in_vain(&[name, "ann"], "bell\u{7}\n", "password");
    in_vain(&["--delete", name, "ann"], "", "no user ann");
    in_vain(&["/nowhere/users", "ann"], "x\n", "/nowhere/users");
    assert!(!file.exists());
}

#[test]
fn a_program_with_a_wrong_password_file_does_not_start() {
    let scratch = Scratch::new();
    let file = scratch.path().join("users");
    let arguments = ["--listen", "mqtt://127.0.0.1:0", "--password-file", file.to_str().unwrap()];
    for (text, words) in [(None, "No such file"), (Some("ann:x\nben\n"), "line 1: ")] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let output = command(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains(arguments[3]) && said.contains(words), "{said}");
    }
}

fn with_password<'a>(client_id: &'a str, user: &'a str, password: &'a str) -> Connect<'a> {
    Connect {
        user_name: Some(Text::new(user).unwrap()),
        password: Some(Binary::new(password.as_bytes()).unwrap()),
        ..clean(client_id)
    }
}

/// What a CONNECT is answered with.
fn answer(broker: &Program, connect: &Connect<'_>) -> ReasonCode {
    let mut peer = Peer::open(broker.address);
    peer.send(&Packet::Connect(connect.clone()));
    let Packet::ConnAck(connack) = peer.receive() else { panic!("no CONNACK") };
    connack.reason
}

fn broker_with_users() -> (Program, Scratch) {
    let scratch = Scratch::new();
    let file: PathBuf = scratch.path().join("users");
    fs::write(&file, MOSQUITTO).unwrap();
    set(&file, "ann", "ann's");
    // Beyond loopback too, for there is a lock on the door.
    let everywhere = ["--listen", "mqtt://0.0.0.0:0", "--password-file", file.to_str().unwrap()];
    (Program::start(&everywhere), scratch)
}

#[test]
fn users_log_in_with_their_passwords() {
    let (broker, _scratch) = broker_with_users();
    let refused = ReasonCode::BadUserNameOrPassword;
    for (user, password, reason) in [
        ("ann", "ann's", ReasonCode::Success),
        ("new", "old", ReasonCode::Success),
        ("ann", "old", refused),
        ("nobody", "x", refused),
    ] {
        assert_eq!(answer(&broker, &with_password("a", user, password)), reason, "{user}");
    }
    assert_eq!(answer(&broker, &clean("a")), ReasonCode::NotAuthorized);

    // What is sent right behind CONNECT is heard once the password is found right.
    let mut hasty = Peer::open(broker.address);
    let mut bytes = bytes(&Packet::Connect(with_password("hasty", "ann", "ann's")));
    Packet::PingReq.encode(&mut bytes).unwrap();
    bytes.extend_from_slice(&[0xC0]);
    hasty.stream.write_all(&bytes).unwrap();
    assert!(matches!(hasty.receive(), Packet::ConnAck(it) if it.reason == ReasonCode::Success));
    assert_eq!(hasty.receive(), Packet::PingResp);
    hasty.stream.write_all(&[0]).unwrap();
    assert_eq!(hasty.receive(), Packet::PingResp);
}

/// Many come at once; all are answered in the end, and nobody else waits for them.
#[test]
fn a_rush_of_passwords_is_got_through() {
    let (broker, _scratch) = broker_with_users();
    let mut before = Peer::connect(broker.address, &with_password("before", "ann", "ann's"));
    let names: Vec<String> = (0..20).map(|number| format!("client {number}")).collect();
    let mut peers: Vec<Peer> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let mut peer = Peer::open(broker.address);
            let password = if number % 2 == 0 { "ann's" } else { "guess" };
            peer.send(&Packet::Connect(with_password(name, "ann", password)));
            peer
        })
        .collect();
    before.send(&Packet::PingReq);
    assert_eq!(before.receive(), Packet::PingResp);
    for (number, peer) in peers.iter_mut().enumerate() {
        let Packet::ConnAck(connack) = peer.receive() else { panic!("no CONNACK") };
        assert_eq!(connack.reason == ReasonCode::Success, number % 2 == 0);
    }
}

/// The whole of it as bytes on a socket: SCRAM, and once more on the open connection.
/// [MQTT-4.12.0-2] [MQTT-4.12.0-5] [MQTT-4.12.1-2]
#[test]
fn users_prove_with_scram_who_they_are() {
    let (broker, _scratch) = broker_with_users();
    let mut peer = Peer::open(broker.address);
    let (client, first) = scram::Client::begin("ann", "nonce").unwrap();
    let mut connect = clean("a");
    connect.properties.authentication_method = Text::new(scram::NAME).ok();
    connect.properties.authentication_data = Binary::new(first.as_bytes()).ok();
    peer.send(&Packet::Connect(connect));
    let (proof, answer) = answer_challenge(client, &peer.receive(), "ann's");
    peer.send(&auth(ReasonCode::ContinueAuthentication, &answer));
    let Packet::ConnAck(connack) = peer.receive() else { panic!("no CONNACK") };
    proof.read_server_final(&connack.properties.authentication_data.unwrap()).unwrap();

    for (password, is_right) in [("ann's", true), ("old", false)] {
        let (client, first) = scram::Client::begin("ann", "another").unwrap();
        peer.send(&auth(ReasonCode::ReAuthenticate, &first));
        let (proof, answer) = answer_challenge(client, &peer.receive(), password);
        peer.send(&auth(ReasonCode::ContinueAuthentication, &answer));
        match peer.receive() {
            Packet::Auth(end) if is_right => {
                assert_eq!(end.reason, ReasonCode::Success);
                proof.read_server_final(&end.properties.authentication_data.unwrap()).unwrap();
            }
            Packet::Disconnect(end) => {
                assert!(!is_right);
                assert_eq!(end.reason, ReasonCode::NotAuthorized);
                assert_eq!(peer.try_receive(), None);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn auth(reason: ReasonCode, data: &str) -> Packet<'_> {
    let properties = AuthProperties {
        authentication_method: Text::new(scram::NAME).ok(),
        authentication_data: Binary::new(data.as_bytes()).ok(),
        ..AuthProperties::default()
    };
    Packet::Auth(Auth { reason, properties })
}

fn answer_challenge(
    client: scram::Client,
    challenge: &Packet<'_>,
    password: &str,
) -> (scram::ServerProof, String) {
    let Packet::Auth(auth) = challenge else { panic!("no challenge: {challenge:?}") };
    let data = auth.properties.authentication_data.unwrap();
    let challenge = client.read_server_first(&data).unwrap();
    let password = scram::Password::new(password).unwrap();
    let salted = password.salted(challenge.salt(), challenge.iterations()).unwrap();
    challenge.answer(&salted)
}

/// A file written by mosquitto's own program.
#[test]
fn a_file_of_mosquitto_passwd_is_understood() {
    let scratch = Scratch::new();
    let file = scratch.path().join("users");
    let mosquitto = |arguments: &[&str]| {
        let mut command = Command::new("mosquitto_passwd");
        let output = command.args(arguments).arg(&file).args(["ann", "ann's"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    mosquitto(&["-c", "-b"]);
    assert!(fits(&Users::read(&file).unwrap(), "ann", "ann's"));
    mosquitto(&["-H", "sha512", "-b"]);
    assert!(fits(&Users::read(&file).unwrap(), "ann", "ann's"));
}
