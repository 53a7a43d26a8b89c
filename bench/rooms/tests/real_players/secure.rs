//! Players who meet over TLS and over WebSocket in it, on a broker whose certificate is its own.

use crate::house::{built, clip, plugin, wait_until, wait_until_in_step};
use crate::trouble::{assert_one_line, running};
use rooms::spawn::free_port;
use rooms::{Broker, PlayerOptions, Scratch};

#[test]
fn players_meet_over_tls_and_websocket() {
    let scratch = Scratch::new().unwrap();
    let (certificate, key) = (scratch.file("cert.pem"), scratch.file("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let ports = [free_port().unwrap(), free_port().unwrap()];
    let files = [certificate.as_path(), key.as_path()];
    let _broker = Broker::encrypted(&built("mqtt-broker"), &scratch, ports, files).unwrap();
    let urls = [format!("mqtts://localhost:{}", ports[0]), format!("wss://localhost:{}", ports[1])];

    let stranger = PlayerOptions::in_room(&plugin(), &urls[0], "living room").named("Carl");
    let stranger = running(&stranger, &scratch);
    assert_one_line(&stranger, "certificate");

    let players = [("Anna", &urls[0]), ("Ben", &urls[1])].map(|(name, url)| {
        PlayerOptions::in_room(&plugin(), url, "living room")
            .script_option("playsync-cafile", &certificate.display().to_string())
            .named(name)
            .spawn(&scratch, clip().as_path())
            .unwrap()
    });
    for player in &players {
        wait_until("both have met", || player.has_joined(2).unwrap());
    }
    players[0].resume().unwrap();
    wait_until_in_step(&players.each_ref());
}
