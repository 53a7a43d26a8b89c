//! The meter itself, on players that nothing keeps in step: what it cannot see, no other test here could.

use crate::house::{FRAME, clip, wait_until};
use rooms::{Meter, Player, PlayerOptions, Scratch};
use std::time::Instant;

fn two_players_at(scratch: &Scratch, positions: [f64; 2]) -> [Player; 2] {
    let open = |(name, position): (&str, f64)| {
        let player = PlayerOptions::alone().named(name).spawn(scratch, clip().as_path()).unwrap();
        wait_until("a film is open", || player.property("time-pos").unwrap().is_number());
        player.seek(position).unwrap();
        player
    };
    let players = [("Anna", positions[0]), ("Ben", positions[1])].map(open);
    let is_there = |(player, position): (&Player, f64)| {
        let newest = player.track().newest().and_then(|sample| sample.frame);
        newest.is_some_and(|frame| (frame - position).abs() < FRAME)
    };
    wait_until("both are there", || players.iter().zip(positions).all(is_there));
    players
}

#[test]
fn players_half_a_second_apart_are_measured_so() {
    let scratch = Scratch::new().unwrap();
    let players = two_players_at(&scratch, [20.0, 20.5]);
    let meter = Meter::of(&players);
    assert!(!meter.newest().is_same_frame());
    players[0].resume().unwrap();
    players[1].resume().unwrap();
    wait_until("both play", || meter.newest().is_playing());
    let start = Instant::now();
    wait_until("a hundred moments were seen", || {
        meter.playing_spread(start, Instant::now()).count() >= 100
    });

    let spread = meter.playing_spread(start, Instant::now());

    // One starts a little later than the other, by a round trip and what a busy machine adds.
    let middle = spread.percentile(50.0).unwrap();
    assert!((0.2..1.5).contains(&middle), "{middle}");
    let width = spread.percentile(75.0).unwrap() - spread.percentile(25.0).unwrap();
    assert!(width < FRAME, "{width}");
}

#[test]
fn one_frame_is_told_from_the_next() {
    let scratch = Scratch::new().unwrap();
    let players = two_players_at(&scratch, [20.02, 20.02]);
    let meter = Meter::of(&players);
    wait_until("on one frame", || meter.newest().is_same_frame());
    players[1].command(&serde_json::json!(["frame-step"])).unwrap();
    wait_until("on two frames", || {
        meter.newest().spread().is_some_and(|spread| spread > 0.9 * FRAME)
    });
    assert!(!meter.newest().is_same_frame());
}
