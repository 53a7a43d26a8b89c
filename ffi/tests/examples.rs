//! The C examples, under the sanitizers, with our broker and with mosquitto.

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::secure::{Certificates, Clients, Everywhere};
use support::{Folder, Program, Server, compile, root, run};

/// Compiles an example.
fn example(folder: &Folder, name: &str) -> PathBuf {
    let program = folder.0.join(name);
    compile(&root().join(format!("examples/{name}.c")), &program);
    program
}

#[test]
fn what_is_published_arrives() {
    let folder = Folder::new("publish");
    let (publish, subscribe) = (example(&folder, "publish"), example(&folder, "subscribe"));
    for server in Server::all("publish") {
        let mut subscriber =
            Program::start(Command::new(&subscribe).args([&server.url, "greetings/#", "2"]));
        assert_eq!(subscriber.error_line(), "subscribed: MQTT_OK");
        for text in ["hello", "wörld"] {
            let said = run(Command::new(&publish).args([&server.url, "greetings/1", text]));
            assert_eq!(String::from_utf8_lossy(&said.stdout), "published: Success\n");
        }
        assert_eq!(subscriber.line(), "greetings/1 hello");
        assert_eq!(subscriber.line(), "greetings/1 wörld");
        subscriber.end();
    }
}

/// One says whom it trusts, the other is told by the environment.
#[test]
fn what_is_published_arrives_over_tls() {
    let folder = Folder::new("secure");
    let (publish, subscribe) = (example(&folder, "publish"), example(&folder, "subscribe"));
    let certificates = Certificates::new("examples");
    let roots = certificates.roots();
    let server = Everywhere::ours(&["mqtts", "wss"], &certificates, Clients::Anybody);
    let mut subscriber = Program::start(
        Command::new(&subscribe).args([&server.urls[1], "news", "1"]).env("SSL_CERT_FILE", &roots),
    );
    assert_eq!(subscriber.error_line(), "subscribed: MQTT_OK");
    run(Command::new(&publish).args([&server.urls[0], "news", "none", &roots]));
    assert_eq!(subscriber.line(), "news none");
    subscriber.end();
}

#[test]
fn requests_are_answered() {
    let folder = Folder::new("request");
    let request = example(&folder, "request");
    for server in Server::all("request") {
        let answerer =
            Program::start(Command::new(&request).args([&server.url, "answer", "length", "1"]));
        // The answerer may not have subscribed yet; then nobody answers, and one asks again.
        let said = (0..10)
            .map(|_| Command::new(&request).args([&server.url, "ask", "length", "four"]).output())
            .find_map(|output| output.ok().filter(|output| output.status.success()))
            .expect("the request is answered");
        assert_eq!(String::from_utf8_lossy(&said.stdout), "4 bytes\n");
        answerer.end();
    }
}

#[test]
fn a_will_tells_that_somebody_is_gone() {
    let folder = Folder::new("will");
    let (will, subscribe) = (example(&folder, "will"), example(&folder, "subscribe"));
    for server in Server::all("will") {
        let online_and_offline = |count: &str, arguments: &[&str], retained: &[&str]| {
            let mut follow = Command::new(&subscribe);
            let mut follower = Program::start(follow.args([&server.url, "people/ann", count]));
            assert_eq!(follower.error_line(), "subscribed: MQTT_OK");
            for line in retained {
                assert_eq!(follower.line(), *line);
            }
            let mut ann = Program::start(Command::new(&will).arg(&server.url).args(arguments));
            assert_eq!(ann.line(), "ann is online; press Enter to go");
            assert_eq!(follower.line(), "people/ann online");
            ann.say("");
            ann.end();
            assert_eq!(follower.line(), "people/ann offline");
            follower.end();
        };
        online_and_offline("2", &["ann"], &[]);
        online_and_offline("3", &["ann", "crash"], &["people/ann offline"]);
    }
}
