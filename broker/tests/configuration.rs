//! The configuration file, and what SIGHUP does: the program with its users, rules and rooms.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod sockets;

use std::fs;
use std::io::Write;
use std::num::NonZeroU32;
use std::process::{Output, Stdio};

use data_encoding::BASE64;
use mqtt_protocol::QoS::AtMostOnce;
use mqtt_protocol::ReasonCode::{BadUserNameOrPassword, NotAuthorized, Success};
use mqtt_protocol::*;
use ring::pbkdf2;
use sockets::*;

/// A folder with a configuration and the files it names.
struct Folder(Scratch);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = Self(Scratch::new());
        folder.write("mqtt-broker.toml", config);
        folder
    }

    /// Writes a file, at once: the broker may be about to read it.
    fn write(&self, name: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Gives users passwords that are their names, with hashes of the kind that mosquitto makes,
    /// which take no time.
    fn add_users(&self, names: &[&str]) {
        let lines = names.iter().map(|name| {
            let (algorithm, count) = (pbkdf2::PBKDF2_HMAC_SHA512, NonZeroU32::new(101).unwrap());
            let (salt, mut hash) = (b"salt", [0; 64]);
            pbkdf2::derive(algorithm, count, salt, name.as_bytes(), &mut hash);
            format!("{name}:$7${count}${}${}\n", BASE64.encode(salt), BASE64.encode(&hash))
        });
        let before = fs::read_to_string(self.path("users")).unwrap_or_default();
        self.write("users", &(before + &lines.collect::<String>()));
    }

    /// Gives a user a password that is the name, as an operator would.
    fn passwd(&self, name: &str) {
        let mut command = command(&["passwd", &self.path("users"), name]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{name}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn start(&self) -> Program {
        Program::start_as(&mut command(&["--config", &self.path("mqtt-broker.toml")]))
    }

    fn check(&self) -> Output {
        let config = self.path("mqtt-broker.toml");
        command(&["--config", &config, "--check-config"]).output().unwrap()
    }

    /// What is said of the configuration if that is written into it.
    fn fault(&self, config: &str) -> String {
        self.write("mqtt-broker.toml", config);
        let output = self.check();
        assert!(!output.status.success(), "{config}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said.trim_end().replace(&format!("{}/", self.0.text()), "")
    }
}

fn login<'a>(user: &'a str, password: &'a str) -> Connect<'a> {
    Connect {
        user_name: Some(Text::new(user).unwrap()),
        password: Some(Binary::new(password.as_bytes()).unwrap()),
        ..clean(user)
    }
}

/// What a CONNECT is answered with.
fn answer(broker: &Program, connect: &Connect<'_>) -> ReasonCode {
    let mut peer = Peer::open(broker.address);
    peer.send(&Packet::Connect(connect.clone()));
    let Packet::ConnAck(connack) = peer.receive() else { panic!("no CONNACK") };
    connack.reason
}

/// Publishes at QoS 1 and gives the reason in the PUBACK; messages that come first are passed over.
fn publish(peer: &mut Peer, topic: &str) -> ReasonCode {
    peer.send(&publish_1(topic, b"payload").into());
    loop {
        match peer.receive() {
            Packet::PubAck(ack) => return ack.reason,
            Packet::Publish(_) => {}
            other => panic!("no PUBACK: {other:?}"),
        }
    }
}

const ANN: &str = "listen = [\"mqtt://127.0.0.1:0\"]\npassword-file = \"users\"\nacl-file = \"acl\"\n\
                   [limits]\nmaximum-qos = 1\nretain_available = false\n";

#[test]
fn a_file_says_what_the_command_line_could() {
    let folder = Folder::with(ANN);
    folder.add_users(&["ann"]);
    folder.write("acl", "user ann\ntopic home/#\n");
    let said = folder.check();
    assert!(said.status.success(), "{said:?}");
    let broker = folder.start();
    let mut ann = Peer::open(broker.address);
    ann.send(&Packet::Connect(login("ann", "ann")));
    let Packet::ConnAck(connack) = ann.receive() else { panic!("no CONNACK") };
    assert_eq!(connack.properties.retain_available, Some(false));
    assert_eq!(connack.properties.maximum_qos, MaximumQoS::below(QoS::AtLeastOnce));
    assert_eq!(publish(&mut ann, "away"), NotAuthorized);
    assert_eq!(publish(&mut ann, "home/lamp"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(answer(&broker, &clean("a")), NotAuthorized);
}

#[test]
fn the_command_line_wins() {
    let config =
        format!("{ANN}maximum-sessions = 0\n").replace("127.0.0.1", "no.such.host.invalid");
    let folder = Folder::with(&config);
    folder.add_users(&["ann"]);
    folder.write("acl", "");
    let file = folder.path("mqtt-broker.toml");
    let limit = "maximum-sessions=9";
    let broker = Program::start(&["--config", &file, "--limit", limit]);
    assert_eq!(answer(&broker, &login("ann", "ann")), Success);
}

/// Each fault has its file, its line, and one sentence.
#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = Folder::with("");
    for (config, fault) in [
        ("\nlisen = [\"mqtt://[::1]\"]\n", "2: there is no lisen; the nearest there is is listen"),
        (
            "password_file = \"users\"\n",
            "1: there is no password_file; the nearest there is is password-file",
        ),
        ("config = \"other\"\n", "1: there is no config; the nearest there is is log"),
        (
            "[limits]\n\nmaximum-session = 3\n",
            "3: there is no maximum-session; the nearest there is is maximum-sessions",
        ),
        ("[limits]\nmaximum-qos = 7\n", "2: maximum-qos is 0, 1 or 2"),
        ("limits = 7\n", "1: limits is a table, [limits]"),
        ("allow-anonymous = \"yes\"\n", "1: allow-anonymous is true or false"),
        (
            "\nlisten = [\"htp://a\"]\n",
            "2: listen: unknown scheme \"htp\", expected mqtt, mqtts, ws, wss or unix",
        ),
        ("listen = [1.5]\n", "1: listen is a list of texts"),
        ("threads = \"many\"\n", "1: threads: invalid digit found in string"),
        ("listen = [\"mqtt://[::1]\"\n\nthreads = 1\n", "3: this is no TOML: "),
        (
            "tls-key = \"credential:key\"\n",
            "1: tls-key: there are no credentials: CREDENTIALS_DIRECTORY",
        ),
        (
            "[rooms.film]\npasword-file = \"film\"\n",
            "2: there is no pasword-file; the nearest there is is password-file",
        ),
        (
            "[rooms.film]\nmembers = \"ann\"\n",
            "2: members is a list of users, as in [\"ann\", \"ben\"]",
        ),
        ("[rooms]\nfilm = 3\n", "2: rooms.film is a table, as in [rooms.film]"),
    ] {
        let said = folder.fault(config);
        let expected = format!("mqtt-broker: mqtt-broker.toml:{fault}");
        assert!(said.starts_with(&expected), "{said}\n{expected}");
    }
}

#[test]
fn what_the_files_say_wrong_is_said_too() {
    let folder = Folder::with("");
    folder.write("users", "ann:secret\n");
    folder.write("acl", "user ann\ntopics home/#\n");
    for (config, words) in [
        ("password-file = \"users\"\n", "users is wrong: line 1: the password is not hashed"),
        (
            "acl-file = \"acl\"\n",
            "acl:2: a line begins with user, topic or pattern, not with \"topics\"",
        ),
        ("acl-file = \"none\"\n", "cannot read the ACL file none: No such file"),
        ("listen = [\"mqtt://0.0.0.0\"]\n", "can be reached from other machines by anyone"),
        ("listen = [\"mqtts://0.0.0.0\"]\nallow-anonymous = true\n", "needs a certificate"),
        ("[rooms.film]\n", "nobody can enter the room film: give it a password"),
        ("[rooms.film]\noperators = [\"ann\"]\n", "the room film is to know ann"),
        ("[rooms.\"a/b\"]\npassword-file = \"users\"\n", "\"a/b\" is no name of a room"),
        ("[rooms.film]\npassword-file = \"none\"\n", "cannot read a room's password from none"),
    ] {
        let said = folder.fault(config);
        assert!(said.contains(words), "{said}\n{words}");
    }
}

/// systemd hands secrets to a service in a folder of their own.
#[test]
fn secrets_may_be_credentials() {
    let folder =
        Folder::with("listen = [\"mqtt://127.0.0.1:0\"]\npassword-file = \"credential:users\"\n");
    folder.add_users(&["ann"]);
    let config = folder.path("mqtt-broker.toml");
    let mut command = command(&["--config", &config]);
    let broker = Program::start_as(command.env("CREDENTIALS_DIRECTORY", folder.0.path()));
    assert_eq!(answer(&broker, &login("ann", "ann")), Success);
}

/// Users, rules and limits are read anew; what is wrong changes nothing, and nobody is thrown out
/// who would still be let in.
#[test]
fn sighup_reads_all_anew() {
    let folder = Folder::with(ANN);
    folder.add_users(&["ann", "ben"]);
    folder.write("acl", "user ann\ntopic home/#\n");
    let mut broker = folder.start();
    let mut ann = Peer::connect(broker.address, &login("ann", "ann"));
    let mut ben = Peer::connect(broker.address, &login("ben", "ben"));
    ann.subscribe("home/#", AtMostOnce);

    for round in 0..10 {
        folder.write("mqtt-broker.toml", if round % 2 == 0 { "lisen = 1\n" } else { ANN });
        broker.signal("HUP");
    }
    folder.write("acl", "user ann\ntopic office/#\n");
    let users = fs::read_to_string(folder.path("users")).unwrap();
    folder.write("users", users.lines().next().unwrap());
    broker.signal("HUP");
    assert!(
        matches!(ben.receive(), Packet::Disconnect(it) if it.reason == NotAuthorized),
        "ben is no user any more"
    );
    wait_for("the new rules", || (publish(&mut ann, "home/lamp") == NotAuthorized).then_some(()));
    assert_eq!(publish(&mut ann, "office/lamp"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(answer(&broker, &login("ben", "ben")), BadUserNameOrPassword);

    folder.write("acl", "nonsense\n");
    broker.signal("HUP");
    ann.send(&Packet::PingReq);
    while ann.receive() != Packet::PingResp {}
    drop((ann, ben));
    let said = broker.last_words();
    assert!(said.contains("kept the configuration as it was: "), "{said}");
}

/// A player logs in with its name, the room and a password, and no more.
#[test]
fn rooms_have_passwords_members_and_operators() {
    let rooms = "listen = [\"mqtt://127.0.0.1:0\"]\npassword-file = \"users\"\n\
                 [rooms.film]\noperators = [\"ann\"]\n\
                 [rooms.safe]\nmembers = [\"ben\"]\nlocked = true\n\
                 [rooms.open]\npassword-file = \"open\"\n";
    let folder = Folder::with(rooms);
    folder.add_users(&["ann", "ben"]);
    folder.passwd("@film");
    folder.write("open", "sesame\n");
    let mut broker = folder.start();
    for (user, password, reason) in [
        ("eve@film", "@film", Success),
        ("eve@film", "wrong", BadUserNameOrPassword),
        ("ann@film", "@film", BadUserNameOrPassword),
        ("ann@film", "ann", Success),
        ("@film", "@film", BadUserNameOrPassword),
        ("eve@safe", "@film", BadUserNameOrPassword),
        ("ben@safe", "ben", Success),
        ("eve@open", "sesame", Success),
        ("eve@other", "sesame", BadUserNameOrPassword),
        ("ben", "ben", Success),
    ] {
        assert_eq!(answer(&broker, &login(user, password)), reason, "{user} {password}");
    }

    let connect = |user, password, client_id| {
        let client_id = Text::new(client_id).unwrap();
        let mut peer =
            Peer::connect(broker.address, &Connect { client_id, ..login(user, password) });
        for filter in
            ["playsync/1/film/timeline", "playsync/1/film/peer/#", "playsync/1/film/clock"]
        {
            peer.subscribe(filter, AtMostOnce);
        }
        peer
    };
    let mut eve = connect("eve@film", "@film", "playsync-eve1");
    let mut ann = connect("ann@film", "ann", "playsync-ann1");
    assert_eq!(publish(&mut eve, "playsync/1/film/peer/eve1"), Success);
    assert_eq!(publish(&mut eve, "playsync/1/film/peer/ann1"), NotAuthorized);
    assert_eq!(publish(&mut eve, "playsync/1/film/timeline"), NotAuthorized);
    assert_eq!(publish(&mut eve, "playsync/1/open/timeline"), NotAuthorized);
    assert_eq!(publish(&mut eve, "home/lamp"), NotAuthorized);
    assert_eq!(publish(&mut ann, "playsync/1/film/timeline"), Success);
    eve.send(&subscribe("#", AtMostOnce));
    loop {
        match eve.receive() {
            Packet::SubAck(suback) => break assert_eq!(suback.reasons, [NotAuthorized]),
            other => assert!(matches!(other, Packet::Publish(_)), "{other:?}"),
        }
    }

    // The same again changes nothing; another password lets guests go who knew the old one.
    let mut guest = Peer::connect(broker.address, &login("guest@open", "sesame"));
    broker.signal("HUP");
    folder.write("open", "close\n");
    broker.signal("HUP");
    assert!(matches!(guest.receive(), Packet::Disconnect(it) if it.reason == NotAuthorized));
    ann.send(&Packet::PingReq);
    while ann.receive() != Packet::PingResp {}
    drop((ann, eve, guest));
    let said = broker.last_words();
    assert!(!said.contains("sesame") && !said.contains("kept"), "{said}");
}
