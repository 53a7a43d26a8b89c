//! What viewers do together, with real players on our broker and on mosquitto.

use crate::house::{
    FRAME, clip, lines_shown, on_both_brokers, on_our_broker, told, wait_until, wait_until_in_step,
    wait_until_on_one_frame, wait_until_past,
};
use rooms::{Meter, Player};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn three_players_stay_within_one_frame() {
    on_both_brokers(|house| {
        let players = house.playing(["Anna", "Ben", "Clara"]);
        let meter = Meter::of(&players);
        let start = Instant::now();

        wait_until("two hundred moments were seen", || {
            meter.playing_spread(start, Instant::now()).count() >= 200
        });

        let spread = meter.playing_spread(start, Instant::now());
        assert!(spread.max().unwrap() < FRAME, "{spread:?}");
    });
}

#[test]
fn a_pause_stops_all_on_the_same_frame() {
    on_both_brokers(|house| {
        let players = house.playing(["Anna", "Ben"]);
        let all = players.each_ref();
        for viewer in [&players[1], &players[0]] {
            viewer.pause().unwrap();
            wait_until_on_one_frame(&all);
            viewer.resume().unwrap();
            wait_until_in_step(&all);
        }
    });
}

#[test]
fn a_seek_takes_all_along_playing_or_paused() {
    on_both_brokers(|house| {
        let players = house.playing(["Anna", "Ben"]);
        let all = players.each_ref();

        players[1].seek(120.0).unwrap();
        wait_until_past(&all, 120.0);
        wait_until_in_step(&all);

        players[0].pause().unwrap();
        wait_until_on_one_frame(&all);
        players[1].seek(60.0).unwrap();
        wait_until_past(&all, 60.0);
        wait_until_on_one_frame(&all);
        assert!(players.iter().all(|player| player.property("pause").unwrap() == true));

        players[0].resume().unwrap();
        wait_until_in_step(&all);
    });
}

#[test]
fn one_viewers_speed_is_the_rooms() {
    on_our_broker(|house| {
        let players = house.playing(["Anna", "Ben"]);
        let all = players.each_ref();
        let speed = |player: &Player| player.property("speed").unwrap().as_f64().unwrap();

        players[1].set("speed", 1.5).unwrap();
        wait_until("all play faster", || {
            players.iter().all(|player| (speed(player) - 1.5).abs() < 0.05)
        });
        wait_until_in_step(&all);

        players[0].set("speed", 1.0).unwrap();
        wait_until("all play as before", || {
            players.iter().all(|player| (speed(player) - 1.0).abs() < 0.05)
        });
        wait_until_in_step(&all);
    });
}

#[test]
fn a_late_joiner_lands_in_step_and_disturbs_nobody() {
    on_both_brokers(|house| {
        let early = house.playing(["Anna", "Ben"]);
        early[0].seek(100.0).unwrap();
        wait_until_past(&early.each_ref(), 100.0);
        let meter = Meter::of(&early);
        wait_until_in_step(&early.each_ref());
        let start = Instant::now();

        let clara = house.entrance().named("Clara").argument("--pause=no");
        let clara = clara.spawn(&house.scratch, clip().as_path()).unwrap();
        wait_until_in_step(&[&early[0], &early[1], &clara]);

        wait_until_past(&[&clara], 100.0);
        let moments = meter.between(start, Instant::now() - Duration::from_millis(100));
        for moment in &moments {
            assert!(
                moment.is_playing() && moment.spread().unwrap() < FRAME,
                "disturbed: {moment:?}"
            );
        }
    });
}

#[test]
fn a_late_joiner_finds_a_paused_room_paused() {
    on_both_brokers(|house| {
        let early = house.playing(["Anna", "Ben"]);
        early[0].seek(50.0).unwrap();
        wait_until_past(&early.each_ref(), 50.0);
        wait_until_in_step(&early.each_ref());
        early[1].pause().unwrap();
        wait_until_on_one_frame(&early.each_ref());

        let clara = house.player("Clara");

        wait_until_on_one_frame(&[&early[0], &early[1], &clara]);
    });
}

#[test]
fn two_viewers_at_once_end_on_one_timeline_and_so_does_a_newcomer() {
    on_both_brokers(|house| {
        let players = house.playing(["Anna", "Ben"]);
        std::thread::scope(|scope| {
            scope.spawn(|| players[0].seek(60.0).unwrap());
            scope.spawn(|| players[1].seek(180.0).unwrap());
        });
        // Both seeks are under way when this begins, so "in step" cannot be the state before them.
        wait_until("both have sought", || {
            let positions = Meter::of(&players).newest().players;
            positions.iter().all(|player| player.is_some_and(|(position, _)| position > 59.0))
        });
        wait_until_in_step(&players.each_ref());

        let clara = house.player("Clara");
        wait_until_in_step(&[&players[0], &players[1], &clara]);
        let revision = |player: &Player| told(player, "revision");
        wait_until("one revision", || {
            players.iter().all(|player| revision(player) == revision(&clara))
        });
    });
}

#[test]
fn others_are_told_who_paused() {
    on_both_brokers(|house| {
        let players = house.playing(["Anna", "Ben"]);
        players[1].pause().unwrap();
        wait_until("Anna reads that Ben paused", || {
            lines_shown(&players[0])
                .iter()
                .any(|line| line.contains("Ben") && line.contains("pause"))
        });
    });
}

#[test]
fn who_leaves_is_missed_by_the_others() {
    on_both_brokers(|house| {
        let [anna, ben] = house.playing(["Anna", "Ben"]);
        ben.command(&json!(["quit"])).unwrap();
        wait_until("Anna is alone", || anna.room_status().unwrap().peers == 1);
        assert!(!anna.property("pause").unwrap().as_bool().unwrap(), "Anna plays on");
    });
}
