//! Brokers that die, links that break, options that are wrong: mpv plays on, and says why in one line.

use crate::house::{
    FRAME, PATIENCE, clip, lines_shown, lines_told, on_both_brokers, on_our_broker, plugin,
    wait_until, wait_until_in_step, wait_until_past,
};
use rooms::spawn::free_port;
use rooms::{DelayProxy, Link, Meter, Player, PlayerOptions, Scratch};
use serde_json::json;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Far less than the ten seconds that one attempt to connect may take: a quit that waits for the network shows.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A player alone with these options and the clip, running.
pub(crate) fn running(options: &PlayerOptions, scratch: &Scratch) -> Player {
    let player = options.argument("--pause=no").spawn(scratch, clip().as_path()).unwrap();
    player
        .wait_until("playing", PATIENCE, |sample| {
            sample.audio.is_some_and(|position| position > 0.2)
        })
        .unwrap();
    player
}

fn assert_plays_on(player: &Player) {
    let position =
        |player: &Player| player.track().newest().and_then(|sample| sample.audio).unwrap_or(0.0);
    let before = position(player);
    wait_until("mpv plays on", || position(player) > before + 0.5);
}

fn assert_quits_at_once(mut player: Player) {
    // The reply may be lost with mpv itself.
    drop(player.command(&json!(["quit"])));
    let status = player.process().wait_for_end(AT_ONCE).unwrap();
    assert!(status.success(), "{status}");
}

pub(crate) fn assert_one_line(player: &Player, words: &str) {
    wait_until(format!("a line about {words}"), || !lines_told(player).is_empty());
    assert_plays_on(player);
    let (told, shown) = (lines_told(player), lines_shown(player));
    assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
    assert!(shown.iter().all(|line| *line == told[0]) && !shown.is_empty(), "{shown:?}");
}

#[test]
fn killed_broker_is_played_through_and_found_again() {
    on_both_brokers(|mut house| {
        let players = house.playing(["Anna", "Ben"]);
        house.broker.kill();
        wait_until("all noticed", || {
            players.iter().all(|player| !player.room_status().unwrap().is_connected)
        });
        let start = Instant::now();
        for player in &players {
            assert_plays_on(player);
        }
        house.broker.start_again().unwrap();
        wait_until("all are back", || {
            players.iter().all(|player| player.room_status().unwrap().is_connected)
        });
        let (all, meter) = (players.each_ref(), Meter::of(&players));
        wait_until_in_step(&all);
        let spread = meter.playing_spread(start, Instant::now());
        assert!(spread.max().unwrap() < FRAME, "the broker's death moved somebody: {spread:?}");

        players[1].seek(150.0).unwrap();
        wait_until_past(&all, 150.0);
        wait_until_in_step(&all);
    });
}

#[test]
fn cut_link_is_mended() {
    on_our_broker(|house| {
        let link = Link {
            delay: Duration::from_millis(20),
            down: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            seed: 1,
        };
        let proxy = DelayProxy::to(house.broker.port(), link).unwrap();
        let anna = house.player("Anna");
        let ben = PlayerOptions::in_room(&plugin(), &proxy.url(), "living room").named("Ben");
        let ben = ben.spawn(&house.scratch, clip().as_path()).unwrap();
        wait_until("they have met", || {
            [&anna, &ben].iter().all(|player| player.room_status().unwrap().peers == 2)
        });
        anna.resume().unwrap();
        let all = [&anna, &ben];
        wait_until_in_step(&all);

        proxy.cut_links();
        anna.seek(80.0).unwrap();

        wait_until_past(&all, 80.0);
        wait_until_in_step(&all);
        wait_until("Ben is there", || anna.room_status().unwrap().peers == 2);
    });
}

#[test]
fn quit_does_not_wait_for_a_broker_that_is_up() {
    on_our_broker(|house| {
        let [anna, _ben] = house.playing(["Anna", "Ben"]);
        assert_quits_at_once(anna);
    });
}

#[test]
fn quit_does_not_wait_for_a_broker_that_is_down() {
    on_our_broker(|mut house| {
        let [anna, ben] = house.playing(["Anna", "Ben"]);
        house.broker.kill();
        wait_until("Anna noticed", || !anna.room_status().unwrap().is_connected);
        assert_quits_at_once(anna);
        assert_quits_at_once(ben);
    });
}

#[test]
fn quit_does_not_wait_for_a_broker_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", silent.local_addr().unwrap());
    let scratch = Scratch::new().unwrap();
    let player = running(&PlayerOptions::in_room(&plugin(), &url, "room").named("Anna"), &scratch);
    drop(silent.accept().unwrap());
    let _connection = silent.accept().unwrap();
    assert_quits_at_once(player);
}

#[test]
fn bad_option_gives_one_line() {
    let scratch = Scratch::new().unwrap();
    let options = PlayerOptions::in_room(&plugin(), "mqtt://127.0.0.1", "room")
        .script_option("playsync-rom", "x");
    assert_one_line(&running(&options, &scratch), "Option playsync-rom=x: there is no such option");
}

#[test]
fn room_that_is_no_topic_level_gives_one_line() {
    let scratch = Scratch::new().unwrap();
    let options = PlayerOptions::in_room(&plugin(), "mqtt://127.0.0.1", "a/b");
    assert_one_line(&running(&options, &scratch), "Option playsync-room=a/b");
}

#[test]
fn wrong_url_gives_one_line() {
    let scratch = Scratch::new().unwrap();
    let options = PlayerOptions::in_room(&plugin(), "gopher://nowhere", "room");
    assert_one_line(&running(&options, &scratch), "Option playsync-url");
}

#[test]
fn refused_connection_gives_one_line_and_is_tried_again() {
    let scratch = Scratch::new().unwrap();
    let port = free_port().unwrap();
    let options = PlayerOptions::in_room(&plugin(), &format!("mqtt://127.0.0.1:{port}"), "room");
    let player = running(&options, &scratch);
    assert_one_line(&player, "Cannot reach the room");

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.accept().expect("the plugin tries again");
}

#[test]
fn who_leaves_gets_the_own_settings_back() {
    on_our_broker(|house| {
        let anna = house.entrance().named("Anna").argument("--video-sync=display-resample");
        let anna = anna.spawn(&house.scratch, clip().as_path()).unwrap();
        wait_until("Anna is there", || anna.has_joined(1).unwrap());
        assert_eq!(anna.property("video-sync").unwrap(), "audio");
        assert_ne!(anna.property("af").unwrap(), json!([]));

        anna.command(&json!(["script-message-to", "playsync", "leave"])).unwrap();

        wait_until("the filter is gone", || anna.property("af").unwrap() == json!([]));
        assert_eq!(anna.property("video-sync").unwrap(), "display-resample");
        assert_eq!(anna.property("audio-pitch-correction").unwrap(), true);
        assert_eq!(anna.room_status().unwrap().whole, json!({}));

        anna.command(&json!(["script-message-to", "playsync", "join"])).unwrap();
        wait_until("Anna is there again", || anna.has_joined(1).unwrap());
    });
}

#[test]
fn without_options_the_plugin_is_silent() {
    let scratch = Scratch::new().unwrap();
    let player = running(&PlayerOptions::alone().argument(script()), &scratch);
    assert_plays_on(&player);
    assert!(lines_told(&player).is_empty(), "{:?}", lines_told(&player));
    assert_quits_at_once(player);
}

fn script() -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from("--script=");
    argument.push(plugin());
    argument
}
