//! libmqtt proves who it is (tests/c/authentication.c), to our broker with a password file.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::{Folder, Server, broker, compile, root, run};

/// [MQTT-4.12.0-3] [MQTT-4.12.1-1]
#[test]
fn a_c_program_logs_in_with_scram_and_with_a_password() {
    let folder = Folder::new("authentication");
    let program = folder.0.join("authentication");
    compile(&root().join("ffi/tests/c/authentication.c"), &program);

    let users = folder.0.join("users");
    let mut passwd = Command::new(broker())
        .arg("passwd")
        .args([users.as_os_str(), "ann".as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    passwd.stdin.take().unwrap().write_all(b"ann's\n").unwrap();
    assert!(passwd.wait().unwrap().success());

    let strict = Server::ours_with(&["--password-file", users.to_str().unwrap()]);
    run(Command::new(&program).arg(&strict.url));
    let open = Server::ours();
    run(Command::new(&program).args(["-", &open.url]));
}
