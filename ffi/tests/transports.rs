//! libmqtt over TCP, TLS, WebSocket and Unix sockets: tests/c/transports.c, with our broker and mosquitto.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use support::secure::{Certificates, Clients, Everywhere};
use support::{Folder, compile, root, run};

fn program() -> Command {
    static PROGRAM: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let compiled = || {
        let folder = Folder::new("transports");
        let program = folder.0.join("transports");
        compile(&root().join("ffi/tests/c/transports.c"), &program);
        (folder, program)
    };
    Command::new(&PROGRAM.get_or_init(compiled).1)
}

#[track_caller]
fn talks(arguments: &[&str]) {
    run(program().arg("talk").args(arguments));
}

/// What a client says of a server that it cannot get to: status, alert, sentence.
#[track_caller]
fn refusal(arguments: &[&str]) -> String {
    let output = run(program().arg("refused").args(arguments));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn our_broker_is_reached_on_every_transport() {
    let certificates = Certificates::new("ours");
    let schemes = ["mqtt", "mqtts", "ws", "wss", "unix"];
    let server = Everywhere::ours(&schemes, &certificates, Clients::Anybody);
    for url in &server.urls {
        talks(&[url, &certificates.roots()]);
    }
}

#[test]
fn mosquitto_is_reached_over_tls_and_websocket() {
    let certificates = Certificates::new("mosquitto");
    let schemes = ["mqtts", "ws", "wss"];
    let server = Everywhere::mosquitto(&schemes, &certificates, Clients::Anybody);
    for url in &server.urls {
        talks(&[url, &certificates.roots()]);
    }
}

#[test]
fn a_client_shows_its_certificate() {
    let certificates = Certificates::new("clients");
    let roots = certificates.roots();
    let (ann, key) = (certificates.file("client.pem"), certificates.file("client.key"));
    for server in [
        Everywhere::ours(&["mqtts", "wss"], &certificates, Clients::Certified),
        Everywhere::mosquitto(&["mqtts"], &certificates, Clients::Certified),
    ] {
        for url in &server.urls {
            talks(&[url, &roots, &ann, &key]);
            let said = refusal(&[url, &roots]);
            assert_eq!(
                said,
                "MQTT_E_TLS 116 the server refused TLS: it wants a client certificate"
            );
        }
    }
}

#[test]
fn the_roots_of_the_system_are_those_of_the_environment() {
    let certificates = Certificates::new("system");
    let server = Everywhere::ours(&["mqtts"], &certificates, Clients::Anybody);
    let url = &server.urls[0];
    run(program().args(["talk", url]).env("SSL_CERT_FILE", certificates.roots()));
    let said = refusal(&[url]);
    // A machine may have no roots at all.
    assert!(
        said == "MQTT_E_TLS -1 the server's certificate comes from nobody who is trusted"
            || said.starts_with("MQTT_E_TLS -1 the system trusts no certificates at all"),
        "{said}"
    );
}

#[test]
fn a_stranger_is_not_taken_for_the_server() {
    let certificates = Certificates::new("friend");
    let stranger = Certificates::new("stranger");
    let server = Everywhere::ours(&["mqtts"], &certificates, Clients::Anybody);
    let (url, roots) = (&server.urls[0], certificates.roots());
    assert_eq!(
        refusal(&[url, &stranger.roots()]),
        "MQTT_E_TLS -1 the server's certificate comes from nobody who is trusted"
    );
    let by_address = url.replace("localhost", "127.0.0.1");
    assert_eq!(
        refusal(&[&by_address, &roots]),
        "MQTT_E_TLS -1 the server's certificate is not for 127.0.0.1"
    );
    run(program().args(["named", &by_address, &roots]));
    run(program().args(["insecure", url, &stranger.roots()]));
}

#[test]
fn a_server_of_another_kind_is_told_in_one_sentence() {
    let certificates = Certificates::new("kinds");
    let roots = certificates.roots();
    let schemes = ["mqtt", "mqtts", "ws"];
    let server = Everywhere::ours(&schemes, &certificates, Clients::Anybody);
    let [mqtt, mqtts, ws] = &server.urls[..] else { panic!("three listeners") };
    let with = |scheme: &str, url: &str| format!("{scheme}://{}", url.split_once("://").unwrap().1);
    for (url, status) in [
        (with("mqtts", mqtt), "MQTT_E_TLS"),
        (with("mqtts", ws), "MQTT_E_TLS"),
        (with("ws", mqtt), "MQTT_E_WEBSOCKET"),
        (with("ws", mqtts), "MQTT_E_WEBSOCKET"),
        (with("wss", mqtts), "MQTT_E_TLS 120"),
        (with("mqtt", mqtts), "MQTT_E_"),
        (with("mqtt", ws), "MQTT_E_"),
    ] {
        let said = refusal(&[&url, &roots]);
        assert!(said.starts_with(status), "{url}: {said}");
        assert_eq!(said.lines().count(), 1, "{url}: {said}");
    }
}

#[test]
fn settings_are_checked_at_once() {
    let certificates = Certificates::new("settings");
    let server = Everywhere::ours(&["wss"], &certificates, Clients::Anybody);
    let (certificate, key) = (certificates.file("client.pem"), certificates.file("client.key"));
    let arguments = [&server.urls[0], &certificates.roots(), &certificate, &key];
    run(program().arg("setters").args(arguments));
}
