//! What people do together: chat, readiness, rules, waiting, undoing; and rooms that only operators may change.

use crate::bench::{Bench, CLOCK_AHEAD};
use playsync::{Output, Rules, StartRule, WaitRule};
use serde_json::Value;

const ANNA: &str = r#"{"version":1,"name":"Anna","condition":"paused"}"#;
const ANNA_READY: &str = r#"{"version":1,"name":"Anna","condition":"paused","ready":true}"#;
const ANNA_BUFFERS: &str = r#"{"version":1,"name":"Anna","condition":"buffering"}"#;
const START_WHEN_READY: &str = r#"{"version":1,"revision":1,"peer":"anna","start":"all_ready"}"#;

/// Anna is there and the room plays at 100 s.
fn playing_with_anna() -> Bench {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 100.0, 0.0, false, "resume");
    bench.pass(5.0);
    bench.heard();
    bench
}

/// The last message on a channel since last asked.
fn sent(bench: &mut Bench, channel: &str) -> Value {
    let outputs = std::mem::take(&mut bench.outputs);
    let on_channel = |output| match output {
        Output::Publish(publish) if publish.channel == channel => Some(publish.json),
        _ => None,
    };
    let json = outputs.into_iter().filter_map(on_channel).next_back();
    json.map_or(Value::Null, |json| serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn line_of_chat_goes_to_the_others_and_comes_back_to_be_shown() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.say("  grüß dich 日本\u{7}\n", bench.now);
    bench.carry_out();
    let shown =
        Output::Chat { name: "Ben".into(), text: "grüß dich 日本".into(), is_own: true };
    assert!(bench.outputs.contains(&shown), "{:?}", bench.outputs);
    assert_eq!(sent(&mut bench, "chat/ben")["text"], "grüß dich 日本");

    bench.hear("chat/anna", r#"{"version":1,"name":"Anna","text":"hi"}"#);
    let shown = Output::Chat { name: "Anna".into(), text: "hi".into(), is_own: false };
    assert!(bench.outputs.contains(&shown));
}

#[test]
fn nobody_reads_what_is_written_while_the_room_is_lost() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.disconnected(bench.now);
    bench.carry_out();
    bench.heard();
    bench.engine.say("hello?", bench.now);
    bench.carry_out();
    assert_eq!(bench.heard(), ["say Not connected: nobody would read that"]);
}

#[test]
fn room_starts_by_itself_once_all_are_ready() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear("settings", START_WHEN_READY);
    bench.engine.set_ready(true, bench.now);
    bench.carry_out();
    assert_eq!(sent(&mut bench, "peer/ben")["ready"], true, "told at once");
    bench.pass(5.0);
    assert_eq!(bench.heard(), [""; 0], "Anna is not ready");

    bench.hear("peer/anna", ANNA_READY);
    // Anna's id is the lower one, so it is hers to start the room; she does not.
    bench.pass(1.0);
    assert_eq!(bench.heard(), ["say Anna is ready"]);
    bench.pass(5.0);
    let heard = bench.heard();
    assert_eq!(heard[..2], ["say Everybody is ready", "6 start playing at 100.00"]);
    let counts = ["3", "2", "1"].map(|secs| format!("say Starting in {secs}"));
    assert_eq!(heard[2..5], counts);
    assert_eq!(heard[5..], ["play"]);
}

#[test]
fn seconds_before_a_start_are_counted() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 100.0, 12.0, false, "resume");
    assert_eq!(bench.heard(), ["say Anna resumed at 1:40"]);
    bench.pass(12.5);
    let counts = ["10", "5", "3", "2", "1"].map(|secs| format!("say Starting in {secs}"));
    let heard = bench.heard();
    assert_eq!(heard[..5], counts);
    assert_eq!(heard[5..], ["play"]);
}

#[test]
fn who_resumes_where_all_must_be_ready_is_ready_and_waits() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear("settings", START_WHEN_READY);
    bench.heard();
    bench.position = 100.04;
    bench.pause_key(false);
    bench.pass(1.0);
    let heard = bench.heard();
    assert_eq!(heard, ["pause", "say You are ready; Anna is not yet", "seek 100.00"]);
    assert!(bench.engine.status(bench.now).is_ready);
    assert!(bench.is_paused);
}

#[test]
fn who_pauses_where_all_must_be_ready_is_not_ready_any_more() {
    let mut bench = playing_with_anna();
    bench.hear("settings", START_WHEN_READY);
    bench.engine.set_ready(true, bench.now);
    bench.carry_out();
    bench.pause_key(true);
    assert!(!bench.engine.status(bench.now).is_ready);
}

#[test]
fn start_at_a_time_is_scheduled_for_all() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.wish_start(bench.now + 3_600.0, bench.now);
    bench.carry_out();
    let line = sent(&mut bench, "timeline");
    let at = line["at"].as_f64().expect("a time");
    assert!((at - (bench.now.as_secs() + CLOCK_AHEAD + 3_600.0)).abs() < 0.01, "{line}");
    assert_eq!(line["paused"], false);
    assert!((bench.engine.status(bench.now).starts_in.expect("ahead") - 3_600.0).abs() < 0.01);

    // A seek meanwhile moves the beginning, not the time.
    bench.engine.wish_seek(200.0, bench.now);
    bench.carry_out();
    let line = sent(&mut bench, "timeline");
    assert!((line["at"].as_f64().expect("a time") - at).abs() < 0.01, "{line}");
    assert_eq!(line["position"], 200.0);
}

#[test]
fn room_waits_for_who_buffers_and_goes_on() {
    let mut bench = playing_with_anna();
    bench.engine.buffering(true, bench.now);
    bench.pass(1.4);
    assert_eq!(bench.heard(), [""; 0], "a short one disturbs nobody");
    bench.pass(0.2);
    let line = sent(&mut bench, "timeline");
    assert_eq!((&line["action"], &line["at"]), (&"wait".into(), &Value::Null));
    assert_eq!(line["waits_for"], "ben");

    bench.engine.buffering(false, bench.now);
    bench.pass(1.9);
    bench.heard();
    bench.pass(0.2);
    let line = sent(&mut bench, "timeline");
    assert_eq!((&line["action"], &line["paused"]), (&"resume".into(), &false.into()));
    assert_eq!(line["waits_for"], Value::Null);
}

#[test]
fn soft_wait_ends_after_half_a_minute_and_comes_three_times() {
    let mut bench = playing_with_anna();
    let mut waits = 0;
    for _ in 0..5 {
        bench.engine.buffering(true, bench.now);
        bench.pass(40.0);
        waits += bench.heard().iter().filter(|word| word.contains("wait")).count();
        bench.engine.buffering(false, bench.now);
        bench.pass(5.0);
    }
    assert_eq!(waits, 3);
    assert!(!bench.engine.status(bench.now).is_paused, "the room runs on without it");
}

#[test]
fn nobody_waits_where_the_rule_says_so() {
    let mut bench = playing_with_anna();
    bench.hear("settings", r#"{"version":1,"revision":1,"peer":"anna","wait":"none"}"#);
    bench.heard();
    bench.engine.buffering(true, bench.now);
    bench.pass(10.0);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn others_hold_the_room_for_a_peer_that_cannot() {
    let mut bench = playing_with_anna();
    bench.hear("peer/anna", ANNA_BUFFERS);
    bench.pass(10.0);
    let heard = bench.heard();
    assert_eq!(heard[0], "say Waiting for Anna, whose data has run out");
    assert!(heard[1].starts_with("7 wait playing at"), "{heard:?}");
    bench.hear("peer/anna", ANNA);
    bench.pass(10.0);
    assert!(bench.heard().iter().any(|word| word.starts_with("8 resume")));
}

#[test]
fn room_pauses_when_somebody_leaves_if_it_should() {
    for (rule, expected) in [("true", true), ("false", false)] {
        let mut bench = playing_with_anna();
        let json = format!(r#"{{"version":1,"revision":1,"peer":"anna","pause_on_leave":{rule}}}"#);
        bench.hear("settings", &json);
        bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"gone"}"#);
        bench.pass(1.0);
        assert_eq!(bench.is_paused, expected);
    }
}

#[test]
fn rules_are_told_kept_and_the_greater_ones_hold() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.wish_rules(Rules { wait: WaitRule::All, ..Rules::default() }, bench.now);
    bench.carry_out();
    assert_eq!(sent(&mut bench, "settings")["wait"], "all");
    bench.hear("settings", START_WHEN_READY);
    assert_eq!(bench.engine.rules().start, StartRule::Anyone, "anna is less than ben");
    assert_eq!(sent(&mut bench, "settings")["revision"], 2, "and what the room keeps is mended");
    bench.hear("settings", r#"{"version":1,"revision":3,"peer":"anna","start":"all_ready"}"#);
    assert_eq!(bench.heard(), ["say Anna set: the film starts when all are ready"]);
}

#[test]
fn seek_is_taken_back_and_done_again() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 500.0, 0.0, true, "seek");
    bench.pass(1.0);
    bench.heard();
    bench.engine.wish_undo(bench.now);
    bench.carry_out();
    bench.pass(1.0);
    assert_eq!(bench.heard(), ["7 undo paused at 100.00", "seek 100.00"]);
    bench.engine.wish_redo(bench.now);
    bench.carry_out();
    bench.pass(1.0);
    assert_eq!(bench.heard(), ["8 redo paused at 500.00", "seek 500.00"]);
    bench.engine.wish_redo(bench.now);
    bench.carry_out();
    assert_eq!(bench.heard(), ["say There is nothing to do again"]);
}

#[test]
fn frames_are_stepped_together() {
    let mut bench = playing_with_anna();
    bench.engine.wish_step(1, bench.now);
    bench.carry_out();
    bench.pass(1.0);
    let heard = bench.heard();
    assert!(heard[1].contains("pause paused"), "a running room only stops: {heard:?}");
    let stood = bench.position;
    bench.engine.wish_step(-1, bench.now);
    bench.carry_out();
    bench.pass(1.0);
    assert!((stood - bench.position - 0.04).abs() < 0.001, "{stood} {}", bench.position);
}

#[test]
fn refused_rules_hold_for_nobody() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear("settings", START_WHEN_READY);
    let rules = bench.engine.rules();
    for wait in [WaitRule::All, WaitRule::None] {
        bench.engine.wish_rules(Rules { wait, ..rules }, bench.now);
    }
    bench.engine.refused("settings", bench.now);
    bench.engine.refused("settings", bench.now);
    assert_eq!(bench.engine.rules(), rules);
}

#[test]
fn refused_viewer_is_told_and_brought_back_to_the_room() {
    let mut bench = playing_with_anna();
    bench.pause_key(true);
    bench.pass(0.1);
    let told = sent(&mut bench, "timeline");
    assert_eq!(told["action"], "pause");
    // The broker refuses that, and what the room keeps comes again.
    bench.engine.refused("timeline", bench.now);
    bench.carry_out();
    bench.hear_timeline(6, "anna", 105.1, 0.0, false, "resume");
    bench.pass(3.0);
    let heard = bench.heard();
    assert_eq!(heard[0], "say Only the operators of this room may do that");
    assert!(!bench.is_paused, "it plays with the room again: {heard:?}");

    bench.pause_key(true);
    bench.pass(3.0);
    let heard = bench.heard();
    assert_eq!(heard[0], "say Only the operators of this room may do that");
    assert!(!bench.is_paused && !heard.iter().any(|word| word.contains(" pause ")), "{heard:?}");
    assert!(bench.engine.status(bench.now).is_barred);
}

#[test]
fn film_that_the_room_watches_is_asked_for_once() {
    let mut bench = playing_with_anna();
    let next = r#"{"version":1,"revision":7,"peer":"anna","clock":"broker","at":null,"position":0,"speed":1.0,
        "paused":true,"action":"file","media":{"name":"next.mkv","size":5,"duration":50.0}}"#;
    bench.hear("timeline", next);
    bench.hear("timeline", &next.replace("\"revision\":7", "\"revision\":8"));
    let asked =
        |output: &&Output| matches!(output, Output::OpenFile { name, .. } if name == "next.mkv");
    assert_eq!(bench.outputs.iter().filter(asked).count(), 1);
    bench.pass(1.0);
    bench.heard();
    bench.position = 0.0;
    bench.open("next.mkv");
    bench.pass(1.0);
    assert!(bench.is_paused, "and followed once it is open");
    assert!(!bench.heard().iter().any(|word| word.contains("file")), "which is nobody's wish");
}

#[test]
fn rule_set_while_the_room_is_being_entered_is_not_lost() {
    let mut bench = Bench::new();
    bench.engine.connected(bench.now);
    bench.engine.wish_rules(Rules { wait: WaitRule::All, ..Rules::default() }, bench.now);
    bench.hear("settings", START_WHEN_READY);
    bench.pass(1.0);
    let settings = sent(&mut bench, "settings");
    assert_eq!((&settings["revision"], &settings["wait"]), (&2.into(), &"all".into()));
}

#[test]
fn readiness_is_for_one_film() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.set_ready(true, bench.now);
    bench.carry_out();
    assert_eq!(bench.heard(), ["say You are ready"]);
    bench.engine.file_unloaded(bench.now);
    assert!(!bench.engine.status(bench.now).is_ready);
    bench.engine.set_ready(true, bench.now);
    bench.open("film.mkv");
    assert!(bench.engine.status(bench.now).is_ready, "who was ready before it opened, is");
}

#[test]
fn room_paused_for_who_left_does_not_start_again_by_itself() {
    let mut bench = playing_with_anna();
    bench.hear("peer/anna", ANNA_READY);
    bench.hear("peer/cleo", r#"{"version":1,"name":"Cleo","condition":"playing","ready":true}"#);
    let rules =
        r#"{"version":1,"revision":1,"peer":"anna","start":"all_ready","pause_on_leave":true}"#;
    bench.hear("settings", rules);
    bench.engine.set_ready(true, bench.now);
    bench.carry_out();
    bench.heard();
    bench.hear("peer/cleo", r#"{"version":1,"name":"Cleo","condition":"gone"}"#);
    bench.pass(20.0);
    let lines = |heard: &[String]| heard.iter().filter(|word| word.contains(" at ")).count();
    let heard = bench.heard();
    assert_eq!(lines(&heard), 1, "{heard:?}");
    assert!(bench.is_paused);
}
