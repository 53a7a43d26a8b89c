//! The walls of the crate, held by a test: no clock, no thread, no I/O, no waiting, and nothing of MQTT's or mpv's.

use std::fs;
use std::path::Path;

#[test]
fn engine_has_no_world_of_its_own() {
    let banned = [
        "std::time",
        "std::net",
        "std::io",
        "std::fs",
        "std::thread",
        "std::env",
        "async ",
        ".await",
        "println!",
        "mqtt",
        "mosquitto",
        "audio-pts",
        "time-pos",
        "eof-reached",
    ];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(sources).expect("the crate has sources") {
        let path = entry.expect("readable").path();
        let text = fs::read_to_string(&path).expect("readable").to_lowercase();
        // Only the first line of the crate's tour says what it does not know.
        let text = text.replace("knows neither mqtt nor mpv", "");
        for word in banned {
            assert!(!text.contains(word), "{} says {word}", path.display());
        }
    }
}
