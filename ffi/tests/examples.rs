//! The C examples, under the sanitizers, with our broker and with mosquitto.

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::secure::{Certificates, Clients, Everywhere};
use support::{Folder, Program, Server, compile, compile_all, root, run};

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

/// Compiles a tool.
fn tool(folder: &Folder, name: &str) -> PathBuf {
    let (sources, program) = (root().join("examples/tools"), folder.0.join(name));
    compile_all(&[sources.join(format!("{name}.c")), sources.join("tool.c")], &program);
    program
}

#[test]
fn the_tools_publish_follow_and_ask() {
    let folder = Folder::new("tools");
    let [publish, subscribe, request] =
        ["mqtt-pub", "mqtt-sub", "mqtt-request"].map(|name| tool(&folder, name));
    for server in Server::all("tools") {
        let url = &server.url[..];
        let mut follower = Program::start(
            Command::new(&subscribe)
                .args(["-u", url, "-t", "a/#", "-t", "b", "-q", "1", "-v", "-j", "-C", "5"]),
        );
        assert_eq!(follower.error_line(), "subscribed");
        let mut lines =
            Program::start(Command::new(&publish).args(["-u", url, "-t", "b", "-l", "-q", "1"]));
        for line in ["one", "two \"quoted\"", ""] {
            lines.say(line);
        }
        lines.close_input();
        lines.end();
        let more = ["-u", url, "-t", "a/b", "-m", "w\u{f6}rld", "-r", "--expiry", "100"];
        run(Command::new(&publish).args(more).args(["--content-type", "text/plain", "-D", "k=v"]));
        run(Command::new(&publish).args(["-u", url, "-t", "a/b", "-m", "\u{7f}"]));
        let said: Vec<String> = (0..5).map(|_| follower.line()).collect();
        assert_eq!(said[0], r#"{"topic":"b","qos":1,"retain":false,"payload":"one"}"#);
        assert!(said[1].contains(r#""payload":"two \"quoted\"""#), "{}", said[1]);
        assert!(said[2].ends_with(r#""payload":""}"#), "{}", said[2]);
        let properties = r#""content_type":"text/plain","user_properties":[["k","v"]]"#;
        assert!(said[3].contains(properties) && said[3].contains("w\u{f6}rld"), "{}", said[3]);
        assert!(said[4].contains(r#""payload":"\u007f""#), "{}", said[4]);
        follower.end();

        let asked = ["-u", url, "-t", "nobody", "-m", "?", "-W", "1"];
        let answer = Command::new(&request).args(asked).output().expect("it runs");
        assert_eq!(answer.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&answer.stderr).starts_with("no answer"), "{answer:?}");
        let nonsense = Command::new(&publish).args(["-q", "3"]).output().expect("it runs");
        assert_eq!(nonsense.status.code(), Some(2));
    }
}

/// The broker's own clock answers.
#[test]
fn the_request_tool_prints_the_answer() {
    let folder = Folder::new("tool-request");
    let request = tool(&folder, "mqtt-request");
    let server = Server::ours();
    let said = run(Command::new(&request).args(["-u", &server.url, "-t", "$clock/now"]));
    assert!(String::from_utf8_lossy(&said.stdout).contains("clock"), "{said:?}");
}
