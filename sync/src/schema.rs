//! Holds `docs/room-protocol.schema.json` and the types of `message` together: the same fields, the same ones required.

use serde_json::{Map, Value, json};

use crate::message;

const SCHEMA: &str = include_str!("../../docs/room-protocol.schema.json");

/// What reads a kind of message, and says whether it was understood.
type Reader = fn(&[u8]) -> bool;

/// A message of each kind with every field that there is.
fn whole_messages() -> [(&'static str, Reader, Value); 6] {
    let media =
        json!({ "name": "film.mkv", "size": 7, "duration": 60.5, "fingerprint": "0f", "url": "u" });
    [
        (
            "timeline",
            |json| message::read_timeline(json).is_ok(),
            json!({
                "version": 1, "revision": 1, "peer": "anna", "clock": "c", "at": 1.5, "position": 2.5, "speed": 1.0,
                "paused": false, "action": "wait", "waits_for": "ben", "media": media,
            }),
        ),
        (
            "presence",
            |json| message::read_presence(json).is_ok(),
            json!({
                "version": 1, "name": "Anna", "condition": "playing", "ready": true, "file": media, "round_trip": 0.5,
                "jitter": 0.5, "restart": 0.5, "serves_clock": "c",
            }),
        ),
        (
            "status",
            |json| message::read_drift(json).is_ok(),
            json!({ "version": 1, "error": 0.5, "factor": 1.0, "position": 2.5 }),
        ),
        (
            "settings",
            |json| message::read_settings(json).is_ok(),
            json!({
                "version": 1, "revision": 1, "peer": "anna", "start": "all_ready", "wait": "all", "pause_on_leave": true,
            }),
        ),
        (
            "chat",
            |json| message::read_chat(json).is_ok(),
            json!({ "version": 1, "name": "Anna", "text": "hi" }),
        ),
        (
            "clock_answer",
            |json| message::read_clock_answer(json).is_ok(),
            json!({ "clock": "c", "received": 1.5, "sent": 1.5 }),
        ),
    ]
}

/// The message as our types write it again: what they do not know is lost.
fn rewritten(kind: &str, json: &[u8]) -> Value {
    let text = match kind {
        "timeline" => message::write(&message::read_timeline(json).expect("understood")),
        "presence" => message::write(&message::read_presence(json).expect("understood")),
        "status" => message::write(&message::read_drift(json).expect("understood")),
        "settings" => message::write(&message::read_settings(json).expect("understood")),
        "chat" => message::write(&message::read_chat(json).expect("understood")),
        _ => message::write_clock_answer(&message::read_clock_answer(json).expect("understood")),
    };
    serde_json::from_str(&text).expect("JSON")
}

fn schema_of(kind: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    schema["$defs"][kind].clone()
}

fn fields(object: &Value) -> Vec<&String> {
    let mut names: Vec<&String> = object.as_object().expect("an object").keys().collect();
    names.sort();
    names
}

#[test]
fn schema_names_every_field_that_is_written_and_no_other() {
    for (kind, _, whole) in whole_messages() {
        let schema = schema_of(kind);
        assert_eq!(
            fields(&whole),
            fields(&schema["properties"]),
            "{kind}: the sample is not whole"
        );
        let again = rewritten(kind, whole.to_string().as_bytes());
        assert_eq!(again, whole, "{kind}: the types do not carry every field");
    }
}

#[test]
fn schema_requires_what_readers_require() {
    for (kind, reads, whole) in whole_messages() {
        let schema = schema_of(kind);
        let required = schema["required"].as_array().expect("a list");
        let whole: &Map<String, Value> = whole.as_object().expect("an object");
        for field in whole.keys() {
            let mut without = whole.clone();
            without.remove(field);
            let is_read = reads(Value::Object(without).to_string().as_bytes());
            let is_required = required.iter().any(|name| name == field);
            assert_eq!(is_read, !is_required, "{kind} without {field}");
        }
    }
}
