//! Our broker, met by clients that others have written.
//!
//! Plain `cargo test` leaves them out: they meet what `make interop` installs.

use std::process::Command;

use interop::{House, Page, meet, mosquitto_client, mqttjs, paho, peer, rumqtt, start, wait_for};
use rooms::spawn::find_program;

#[test]
fn paho_meets_us_in_5_0_and_3_1_1_over_every_transport() {
    let house = House::new();
    let broker = house.ours();
    for url in broker.urls() {
        for level in ["5", "4"] {
            let mut command = Command::new(paho());
            command.arg(peer("paho_peer.py")).args([&url, level]).arg(house.certificate());
            println!("{url} {level}\n{}", meet(&house, command));
        }
    }
}

#[test]
fn mqttjs_meets_us_in_5_0_and_3_1_1_over_every_transport() {
    let house = House::new();
    let broker = house.ours();
    for url in broker.urls() {
        for level in ["5", "4"] {
            let mut command = Command::new("node");
            command.arg(peer("mqttjs_peer.mjs")).arg(mqttjs());
            command.args([&url, level]).arg(house.certificate());
            println!("{url} {level}\n{}", meet(&house, command));
        }
    }
}

#[test]
fn chromium_meets_us_from_a_page() {
    let house = House::new();
    let broker = house.ours();
    let page = Page::of(vec![
        ("mqttjs_page.html", peer("mqttjs_page.html")),
        ("mqttjs_cases.mjs", peer("mqttjs_cases.mjs")),
        ("mqtt.min.js", mqttjs().join("dist/mqtt.min.js")),
    ]);
    for scheme in ["ws", "wss"] {
        let mut command = Command::new(find_program("chromium").expect("chromium is installed"));
        // Its sandbox refuses to work for root, and it has to believe our certificate.
        command.args([
            "--headless",
            "--no-sandbox",
            "--ignore-certificate-errors",
            "--no-first-run",
        ]);
        command.args(["--disable-gpu", "--disable-dev-shm-usage", "--disable-component-update"]);
        command.args(["--disable-background-networking", "--disable-sync"]);
        command.arg(format!("--user-data-dir={}", house.file(scheme).display()));
        command.arg(format!("{}?{}", page.url("mqttjs_page.html"), broker.url(scheme)));
        let browser = start(&house, command);
        let verdict = page.verdict();
        let said = verdict.unwrap_or_else(|| panic!("no verdict\n{}", browser.output()));
        assert_eq!(said.lines().last(), Some("end"), "{scheme}: {said}\n{}", browser.output());
        println!("{scheme}\n{said}");
        browser.kill();
    }
}

#[test]
fn mosquitto_clients_meet_us_in_every_version_with_and_without_tls() {
    let house = House::new();
    let broker = house.ours();
    for (version, is_encrypted) in [("5", true), ("311", true), ("31", true), ("5", false)] {
        let client = |program: &str, arguments: &str| {
            let mut command = mosquitto_client(program, &broker, &house, is_encrypted);
            command.args(["-V", version]).args(arguments.split(' '));
            command
        };
        meet(&house, client("mosquitto_pub", "-t kept -m kept -r -q 1"));
        let subscriber = client("mosquitto_sub", "-t kept -t live -C 2 -q 2 -F %t:%q:%r:%p");
        let subscriber = start(&house, subscriber);
        // What is retained comes first, so whoever has it has subscribed.
        wait_for("the retained message", || subscriber.output().contains("kept").then_some(()));
        meet(&house, client("mosquitto_pub", "-t live -m live -q 2"));
        assert_eq!(subscriber.finish(), "kept:1:1:kept\nlive:2:0:live\n");
    }
}

#[test]
fn mosquitto_rr_asks_over_tls_and_is_answered_by_its_like() {
    let house = House::new();
    let broker = house.ours();
    let client = |program: &str, arguments: &str| {
        let mut command = mosquitto_client(program, &broker, &house, true);
        command.args(["-V", "5"]).args(arguments.split(' '));
        command
    };
    meet(&house, client("mosquitto_pub", "-t up -m up -r"));
    let answerer = start(&house, client("mosquitto_sub", "-t question -t up -C 2 -F %R:%p"));
    wait_for("the retained message", || answerer.output().contains("up").then_some(()));
    let asker = start(&house, client("mosquitto_rr", "-t question -e answer/1 -m why"));
    assert!(answerer.finish().ends_with("answer/1:why\n"));
    meet(&house, client("mosquitto_pub", "-t answer/1 -m because"));
    assert_eq!(asker.finish(), "because\n");
}

#[test]
fn rumqttc_meets_us_in_5_0() {
    let house = House::new();
    let broker = house.ours();
    let mut command = Command::new(rumqtt("client"));
    command.arg(broker.port("mqtt").to_string());
    println!("{}", meet(&house, command));
}
