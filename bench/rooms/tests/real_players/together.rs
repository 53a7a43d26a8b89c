//! What people do together beyond playing: chat, being ready, taking back, frame by frame, and rooms of operators.

use crate::house::{
    FRAME, clip, lines_shown, on_both_brokers, on_our_broker, plugin, told, wait_until,
    wait_until_each, wait_until_in_step, wait_until_on_one_frame, wait_until_past,
};
use rooms::spawn::{find_program, free_port};
use rooms::{Broker, Clip, Player, PlayerOptions, Scratch};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn ask(player: &Player, words: &[&str]) {
    let mut command = vec![json!("script-message-to"), json!("playsync")];
    command.extend(words.iter().map(|word| json!(word)));
    player.command(&Value::Array(command)).unwrap();
}

fn is_shown(player: &Player, words: &str) -> bool {
    lines_shown(player).iter().any(|line| line.contains(words))
}

#[test]
fn what_one_types_is_on_the_others_picture() {
    on_both_brokers(|house| {
        let [anna, ben] = house.players(["Anna", "Ben"]);
        anna.command(&json!(["keypress", "c"])).unwrap();
        wait_until("the line is open", || is_shown(&anna, "> |"));
        for key in ["ж", "é", "BS", "日"] {
            anna.command(&json!(["keypress", key])).unwrap();
        }
        wait_until("the line is written", || is_shown(&anna, "> ж日|"));
        anna.command(&json!(["keypress", "ENTER"])).unwrap();
        for player in [&anna, &ben] {
            wait_until("the line is read", || is_shown(player, "Anna  ж日"));
        }
    });
}

#[test]
fn table_tells_who_is_there_and_how_far_off() {
    on_our_broker(|house| {
        let [anna, _ben] = house.playing(["Anna", "Ben"]);
        anna.command(&json!(["keypress", "h"])).unwrap();
        wait_until("Ben's row", || is_shown(&anna, "Ben") && is_shown(&anna, "playing"));
        wait_until("milliseconds", || lines_shown(&anna).iter().any(|line| line.ends_with("ms")));
    });
}

#[test]
fn film_starts_by_itself_once_all_are_ready() {
    on_both_brokers(|house| {
        let players = house.players(["Anna", "Ben"]);
        ask(&players[0], &["rule", "start", "all_ready"]);
        wait_until("Ben knows the rule", || told(&players[1], "rules")["start"] == "all_ready");
        players[0].resume().unwrap();
        wait_until("Anna has to wait", || is_shown(&players[0], "Ben is not yet"));
        assert!(players.iter().all(|player| player.property("pause").unwrap() == true));

        ask(&players[1], &["ready", "yes"]);

        wait_until_each(&players.each_ref(), "all are told", |player| {
            is_shown(player, "Starting in")
        });
        wait_until_in_step(&players.each_ref());
    });
}

#[test]
fn seek_is_taken_back_for_all() {
    on_our_broker(|house| {
        let players = house.playing(["Anna", "Ben"]);
        let all = players.each_ref();
        players[0].seek(200.0).unwrap();
        wait_until_past(&all, 200.0);
        wait_until_in_step(&all);
        ask(&players[1], &["undo"]);
        let position = |player: &Player| player.track().newest().and_then(|one| one.position());
        wait_until("back", || {
            all.iter().all(|player| position(player).is_some_and(|position| position < 100.0))
        });
        wait_until_in_step(&all);
        wait_until("Anna is told", || is_shown(&players[0], "Ben took that back"));
    });
}

#[test]
fn frame_step_takes_all_one_frame_on() {
    on_our_broker(|house| {
        let players = house.playing(["Anna", "Ben"]);
        let all = players.each_ref();
        players[0].pause().unwrap();
        wait_until_on_one_frame(&all);
        let frame = |player: &Player| player.property("time-pos").unwrap().as_f64().unwrap_or(0.0);
        let before = frame(&players[1]);
        players[0].command(&json!(["keypress", "."])).unwrap();
        wait_until("one frame on", || {
            all.iter().all(|player| {
                let step = frame(player) - before;
                step > 0.5 * FRAME && step < 1.5 * FRAME
            })
        });
        wait_until_on_one_frame(&all);
    });
}

#[test]
fn next_film_is_opened_by_all_and_a_renamed_one_is_known() {
    on_our_broker(|house| {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let film = |secs| Clip::in_folder(made, Duration::from_secs(secs)).unwrap();
        let (first, next) = (film(20), film(25));
        let bens = |name: &str| house.scratch.file(name);
        std::fs::copy(first.path(), bens("renamed.nut")).unwrap();
        std::fs::copy(next.path(), bens("clip-25s.nut")).unwrap();
        let open = |name: &str, film: &Path| {
            house.entrance().named(name).spawn(&house.scratch, film).unwrap()
        };
        let anna = open("Anna", first.path());
        wait_until("Anna is there", || anna.has_joined(1).unwrap());
        anna.command(&json!(["loadfile", next.path().to_str().unwrap(), "append"])).unwrap();
        let ben = open("Ben", &bens("renamed.nut"));
        let idle = house.entrance().named("Clara");
        let folders = made.display().to_string();
        let clara = idle.script_option("playsync-media-dirs", &folders);
        let clara = clara.spawn(&house.scratch, None).unwrap();
        let all = [&anna, &ben, &clara];
        for player in all {
            wait_until("all have met", || player.has_joined(3).unwrap());
        }
        wait_until("Clara has the film", || clara.property("filename").unwrap() == "clip-20s.nut");
        wait_until_on_one_frame(&all);
        ben.seek(18.0).unwrap();
        wait_until_past(&all, 18.0);
        ben.resume().unwrap();
        wait_until("the next film", || {
            all.iter().all(|player| player.property("filename").unwrap() == "clip-25s.nut")
        });
        wait_until_in_step(&all);
    });
}

#[test]
fn only_operators_move_a_room_that_is_theirs() {
    let scratch = Scratch::new().unwrap();
    let (passwords, rights) = (scratch.file("passwords"), scratch.file("rights"));
    let made = Command::new(find_program("mosquitto_passwd").expect("mosquitto is installed"))
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["anna", "secret"])
        .status();
    assert!(made.unwrap().success());
    // Everybody reads, and writes about themselves; Anna writes everything.
    let members = ["peer/#", "chat/#", "clock", "answer/#"]
        .map(|channel| format!("topic write playsync/1/+/{channel}\n"))
        .concat();
    let text = format!("topic read playsync/#\n{members}\nuser anna\ntopic readwrite playsync/#\n");
    std::fs::write(&rights, text).unwrap();
    let more = format!("password_file {}\nacl_file {}\n", passwords.display(), rights.display());
    let port = free_port().unwrap();
    let program = find_program("mosquitto").unwrap();
    let broker = Broker::mosquitto_with(&program, &scratch, port, &more).unwrap();
    let enter = |name: &str, url: &str| {
        let options = PlayerOptions::in_room(&plugin(), url, "living room").named(name);
        options.spawn(&scratch, clip().as_path()).unwrap()
    };
    let anna = enter("Anna", &format!("mqtt://anna:secret@127.0.0.1:{port}"));
    wait_until("Anna is there", || anna.has_joined(1).unwrap());
    let ben = enter("Ben", &broker.url());
    for player in [&anna, &ben] {
        wait_until("both have met", || player.has_joined(2).unwrap());
    }
    anna.resume().unwrap();
    wait_until_in_step(&[&anna, &ben]);

    for _ in 0..2 {
        ben.pause().unwrap();
        wait_until("Ben is told", || is_shown(&ben, "Only the operators"));
        wait_until_in_step(&[&anna, &ben]);
    }
    anna.pause().unwrap();
    wait_until_on_one_frame(&[&anna, &ben]);
}
