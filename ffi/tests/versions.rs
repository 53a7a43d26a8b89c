//! libmqtt in every version of the protocol (tests/c/versions.c), with our broker and mosquitto.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::process::Command;

use support::{Folder, Server, compile, root, run};

/// [MQTT-3.2.2-4]
#[test]
fn every_version_delivers_and_keeps_sessions() {
    let folder = Folder::new("versions");
    let program = folder.0.join("versions");
    compile(&root().join("ffi/tests/c/versions.c"), &program);
    for server in Server::all("versions") {
        run(Command::new(&program).arg(&server.url));
    }
}
