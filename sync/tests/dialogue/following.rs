//! Following the room, and making it follow.

use crate::bench::Bench;
use playsync::{File, Moment, Output};

#[test]
fn first_in_the_room_gives_it_the_open_film() {
    let mut bench = Bench::new();
    bench.pause_key(true);
    bench.position = 12.0;
    bench.open("film.mkv");
    bench.engine.connected(bench.now);
    bench.pass(2.0);
    assert_eq!(bench.heard(), ["say You are the first in the room", "1 file paused at 12.00"]);
}

#[test]
fn viewers_pause_is_told_with_the_frame_and_its_echo_is_not() {
    let mut bench = Bench::in_an_empty_room();
    bench.pause_key(false);
    bench.pass(3.0);
    assert_eq!(bench.heard(), ["pause", "2 resume playing at 0.00", "play"]);
    bench.pause_key(true);
    assert_eq!(bench.heard().len(), 1);
    bench.pass(3.0);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn others_pause_stops_the_player_on_their_frame_with_one_seek() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 100.0, 0.0, false, "resume");
    bench.pass(1.0);
    bench.heard();
    bench.hear_timeline(7, "anna", 100.9, 0.0, true, "pause");
    bench.pass(2.0);
    assert_eq!(bench.heard(), ["say Anna paused at 1:40", "pause", "seek 100.90"]);
}

#[test]
fn player_on_the_same_frame_is_not_sought() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 100.002, 0.0, true, "pause");
    bench.pass(2.0);
    assert_eq!(bench.heard(), ["say Anna paused at 1:40"]);
}

#[test]
fn each_player_starts_when_the_line_passes_where_it_rests() {
    let mut bench = Bench::with_anna_paused_at_100();
    let start = bench.now + 0.3;
    bench.hear_timeline(6, "anna", 100.02, 0.3, false, "resume");
    bench.pass(0.27);
    assert_eq!(bench.heard(), ["say Anna resumed at 1:40"]);
    bench.pass(0.05);
    assert_eq!(
        bench.heard(),
        ["play"],
        "it rests 20 ms before the line's start and so starts 20 ms sooner"
    );
    assert!(bench.now - start < 0.03);
}

#[test]
fn late_joiner_seeks_to_where_the_room_will_be_and_starts_in_step() {
    let mut bench = Bench::new();
    bench.open("film.mkv");
    bench.engine.connected(bench.now);
    bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"playing"}"#);
    bench.hear_timeline(9, "anna", 200.0, -30.0, false, "resume");
    let joined = bench.now;
    bench.pass(3.0);
    let heard = bench.heard();
    assert_eq!(heard[..2], ["say One other is in the room", "pause"]);
    assert!(heard[2].starts_with("seek 230."), "{heard:?}");
    assert_eq!(heard[3..], ["play"]);
    let room = 230.0 + (bench.now - joined);
    assert!((bench.position - room).abs() < 0.001, "{} and {room}", bench.position);
}

#[test]
fn pause_at_the_end_of_the_file_is_nobodys_wish() {
    let mut bench = Bench::in_an_empty_room();
    bench.pause_key(false);
    bench.pass(1.0);
    bench.heard();
    bench.engine.end_reached(true, bench.now);
    bench.pause_key(true);
    bench.pass(1.0);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn viewers_seek_is_told_where_it_lands_and_all_wait_for_the_start() {
    let mut bench = Bench::in_an_empty_room();
    bench.pause_key(false);
    bench.pass(1.0);
    bench.heard();
    bench.engine.seek_started(bench.now);
    bench.carry_out();
    bench.position = 1_800.0;
    bench.engine.playback_restarted(Some(1_800.0), bench.now);
    bench.carry_out();
    bench.pass(1.0);
    assert_eq!(bench.heard(), ["pause", "3 seek playing at 1800.00", "play"]);
}

#[test]
fn winner_of_a_tie_writes_its_timeline_anew_once_the_loser_was_seen() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.pause_key(false);
    bench.heard();
    bench.hear_timeline(6, "anna", 55.0, 0.0, true, "seek");
    bench.pass(1.0);
    let heard = bench.heard();
    assert!(heard.iter().any(|word| word.starts_with("7 restate playing at 100.")), "{heard:?}");
}

#[test]
fn loser_of_a_tie_follows_and_reads_why() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.pause_key(false);
    bench.heard();
    bench.hear_timeline(6, "zoe", 55.0, 0.0, true, "seek");
    bench.pass(1.0);
    let heard = bench.heard();
    assert_eq!(heard.first().map(String::as_str), Some("say zoe jumped to 0:55 at the same time"));
    assert!(heard.contains(&"seek 55.00".to_owned()), "{heard:?}");
}

#[test]
fn running_line_in_a_deserted_room_stands_for_whoever_comes_first() {
    let mut bench = Bench::new();
    bench.pause_key(true);
    bench.open("film.mkv");
    bench.engine.connected(bench.now);
    bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"gone"}"#);
    bench.hear_timeline(9, "anna", 200.0, -3_000.0, false, "resume");
    bench.pass(2.0);
    assert_eq!(
        bench.heard(),
        ["say You are the first in the room", "10 restate paused at 200.00", "seek 200.00"]
    );
}

#[test]
fn other_film_is_left_alone() {
    let mut bench = Bench::new();
    bench.open("another.mkv");
    bench.engine.connected(bench.now);
    bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"playing"}"#);
    bench.hear_timeline(9, "anna", 200.0, 0.0, false, "resume");
    bench.pass(2.0);
    bench.pause_key(true);
    bench.pass(2.0);
    assert_eq!(bench.heard(), ["say One other is in the room", "say The room watches film.mkv"]);
}

#[test]
fn last_to_leave_pauses_the_room_and_clears_its_presence() {
    let mut bench = Bench::in_an_empty_room();
    bench.pause_key(false);
    bench.pass(5.0);
    bench.outputs.clear();
    bench.engine.leave(bench.now);
    while let Some(output) = bench.engine.poll_output() {
        bench.outputs.push(output);
    }
    let cleared = bench.outputs.last().cloned();
    assert!(
        matches!(cleared, Some(Output::Publish(publish)) if publish.channel == "peer/ben" && publish.json.is_empty())
    );
    assert!(bench.heard()[0].starts_with("3 pause paused at 4."));
    assert_eq!(bench.engine.next_timeout(), Moment::NEVER);
}

#[test]
fn room_lost_is_followed_on_until_the_viewer_acts() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 100.0, 0.0, false, "resume");
    bench.pass(3.0);
    bench.heard();
    bench.engine.disconnected(bench.now);
    bench.carry_out();
    bench.pass(10.0);
    assert_eq!(bench.heard(), ["say Connection lost, playing on"]);
    bench.pause_key(true);
    bench.pass(10.0);
    assert_eq!(bench.heard(), [""; 0], "the player is the viewer's now");
    bench.engine.connected(bench.now);
    bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"playing"}"#);
    bench.hear_timeline(6, "anna", 100.0, -23.0, false, "resume");
    bench.pass(2.0);
    let heard = bench.heard();
    assert!(heard.iter().any(|word| word.starts_with("7 pause paused at 123.")), "{heard:?}");
}

#[test]
fn play_pressed_before_the_room_is_known_is_granted_once_it_is() {
    let mut bench = Bench::new();
    bench.pause_key(true);
    bench.open("film.mkv");
    bench.engine.connected(bench.now);
    bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"paused"}"#);
    bench.hear_timeline(1, "anna", 0.0, 0.0, true, "file");
    bench.pause_key(false);
    bench.pass(2.0);
    assert_eq!(
        bench.heard(),
        ["say One other is in the room", "2 resume playing at 0.00", "pause", "play"]
    );
}

#[test]
fn play_pressed_before_the_room_is_known_survives_a_simultaneous_newcomer() {
    let mut bench = Bench::new();
    bench.pause_key(true);
    bench.open("film.mkv");
    bench.engine.connected(bench.now);
    bench.pause_key(false);
    bench.pass(1.0);
    bench.heard();
    bench.hear("peer/zoe", r#"{"version":1,"name":"Zoe","condition":"paused"}"#);
    bench.hear_timeline(1, "zoe", 0.0, 0.0, true, "file");
    bench.pass(2.0);
    let heard = bench.heard();
    assert!(heard.iter().any(|word| word.starts_with("2 resume playing")), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("play"));
}

#[test]
fn file_told_again_changes_nothing_but_its_facts() {
    let mut bench = Bench::with_anna_paused_at_100();
    let file = File {
        name: "film.mkv".to_owned(),
        size: None,
        duration: Some(3_600.0),
        frames_per_second: Some(25.0),
        has_audio: false,
        is_seekable: true,
        fingerprint: None,
        url: None,
    };
    bench.engine.file_loaded(file, bench.now);
    bench.hear_timeline(6, "anna", 50.0, 0.0, true, "seek");
    assert_eq!(bench.heard(), ["say Anna jumped to 0:50", "seek 50.00"]);
}

#[test]
fn who_left_while_the_room_was_lost_is_missed_afterwards() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.engine.disconnected(bench.now);
    bench.pass(1.0);
    bench.engine.connected(bench.now);
    bench.hear_timeline(5, "anna", 100.0, -3.0, true, "pause");
    bench.pass(2.0);
    assert_eq!(
        bench.heard(),
        ["say Connection lost, playing on", "say Connected again", "say Anna left"]
    );
}

#[test]
fn nonsense_from_the_room_changes_nothing() {
    let mut bench = Bench::with_anna_paused_at_100();
    for (channel, json) in [
        ("timeline", "{}"),
        ("timeline", r#"{"version":1,"revision":-1}"#),
        ("peer/anna", "[1,2"),
        ("peer/anna/status", r#"{"version":1,"error":"far"}"#),
        ("peer/a b", "{}"),
        ("weather", "{}"),
    ] {
        assert!(
            bench.engine.message(channel, json.as_bytes(), bench.now, bench.now).is_err(),
            "{channel} {json}"
        );
    }
    bench.pass(2.0);
    assert_eq!(bench.heard(), [""; 0]);
}

#[test]
fn player_that_is_late_at_the_end_of_the_film_ends_with_the_room() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 3_590.0, 0.0, true, "seek");
    bench.pass(1.0);
    bench.heard();
    bench.hear_timeline(7, "anna", 3_590.0, -9.95, false, "resume");
    bench.pass(1.0);
    assert_eq!(bench.heard()[1..], ["seek 3599.50", "play"]);
}

#[test]
fn player_far_from_the_end_stays_when_the_room_is_there() {
    let mut bench = Bench::with_anna_paused_at_100();
    bench.hear_timeline(6, "anna", 3_590.0, -9.95, false, "resume");
    bench.pass(1.0);
    assert_eq!(bench.heard()[1..], [""; 0]);
}
