//! What libmqtt promises a C program: tests/c/behaviour, case by case, with our broker and mosquitto, over TCP
//! and over WebSocket in TLS.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use support::secure::{Certificates, Clients, Everywhere};
use support::{Folder, Program, Server, compile_all, root, run};

fn program() -> PathBuf {
    static PROGRAM: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let compiled = || {
        let folder = Folder::new("behaviour");
        let program = folder.0.join("behaviour");
        let sources = fs::read_dir(root().join("ffi/tests/c/behaviour")).unwrap();
        let sources = sources.map(|source| source.unwrap().path());
        let sources: Vec<_> =
            sources.filter(|path| path.extension() == Some("c".as_ref())).collect();
        compile_all(&sources, &program);
        (folder, program)
    };
    PROGRAM.get_or_init(compiled).1.clone()
}

/// Runs a case with each server, and over the transport of most layers.
#[track_caller]
fn holds(case: &str) {
    for server in Server::all(case) {
        run(Command::new(program()).args([case, &server.url]));
    }
    let certificates = Certificates::new(case);
    let secure = Everywhere::ours(&["wss"], &certificates, Clients::Anybody);
    let mut command = Command::new(program());
    run(command.args([case, &secure.urls[0]]).env("SSL_CERT_FILE", certificates.roots()));
}

#[test]
fn each_operation_has_one_outcome() {
    holds("outcomes");
}

#[test]
fn stamps_are_those_of_the_socket() {
    holds("stamps");
}

#[test]
fn messages_carry_their_properties_both_ways() {
    holds("properties");
}

#[test]
fn null_and_nonsense_are_refused() {
    holds("nulls");
}

#[test]
fn the_descriptor_is_readable_while_events_wait() {
    holds("descriptor");
}

#[test]
fn the_wakeup_function_is_called_and_can_be_taken_away() {
    holds("wakeup");
}

#[test]
fn a_waiting_thread_can_be_woken() {
    holds("wake");
}

#[test]
fn handlers_run_where_the_program_drains_and_cannot_deadlock() {
    holds("handlers");
}

#[test]
fn a_handler_may_release_the_client() {
    holds("free-in-handler");
}

#[test]
fn the_program_may_acknowledge_by_itself() {
    holds("manual-ack");
}

#[test]
fn a_fork_is_noticed() {
    holds("forked");
}

#[test]
fn signals_stay_with_the_program() {
    holds("signals");
}

#[test]
fn a_farewell_gets_out() {
    holds("farewell");
}

#[test]
fn nothing_waits_for_a_silent_server() {
    // The system accepts the connection; nobody ever reads from it.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", server.local_addr().unwrap());
    run(Command::new(program()).args(["silent-server", &url]));
}

#[test]
fn what_waits_can_be_taken_back() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", server.local_addr().unwrap());
    run(Command::new(program()).args(["cancelled", &url]));
}

#[test]
fn a_payload_need_not_be_copied() {
    holds("borrowed");
}

#[test]
fn a_thread_of_the_library_may_call_the_handlers() {
    holds("callback-thread");
}

#[test]
fn a_handler_on_the_callback_thread_may_release_the_client() {
    holds("free-in-callback-thread");
}

#[test]
fn what_was_published_outlives_a_killed_process() {
    for server in Server::all("outliving") {
        let folder = Folder::new(&format!("session-{}", server.port));
        let run_with = |case: &str| {
            let mut command = Command::new(program());
            command.args([case, &server.url]).env("SESSION_FILE", folder.0.join("session"));
            command
        };
        let killed = run_with("killed").output().unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
        run(&mut run_with("raised"));
    }
}

#[test]
fn the_next_server_is_tried_when_one_is_not_there() {
    holds("several-servers");
}

#[test]
fn short_lives_leave_nothing_behind() {
    holds("lives");
}

/// `STRESS_SECONDS` makes it long.
#[test]
fn each_operation_of_many_threads_has_one_outcome() {
    let folder = Folder::new("stress");
    let program = folder.0.join("stress");
    compile_all(&[root().join("ffi/tests/c/stress.c")], &program);
    let seconds = std::env::var("STRESS_SECONDS").unwrap_or("1".to_owned());
    let server = Server::ours();
    let said = run(Command::new(&program).args([&server.url, &seconds]));
    println!("{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn many_threads_share_a_client() {
    holds("threads");
}

#[test]
fn a_server_that_comes_back_finds_everything_as_it_was() {
    let server = Server::mosquitto("before");
    let port = server.port;
    let mut client = Program::start(Command::new(program()).args(["comes-back", &server.url]));
    assert_eq!(client.line(), "subscribed");
    drop(server);
    assert_eq!(client.line(), "gone");
    let _server = (0..20).find_map(|_| Server::mosquitto_on("after", port)).unwrap();
    client.end();
}
