//! What every test with real players needs: a broker, a clip, a room, and patience instead of sleeps.

use rooms::spawn::{find_program, free_port};
use rooms::{Broker, Clip, Meter, Moment, Player, PlayerOptions, Scratch};
use serde_json::Value;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One frame of the clip, in seconds: what a viewer cannot see.
pub(crate) const FRAME: f64 = 0.041;
/// How long anything may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a state has to hold before it counts.
const HOLD: Duration = Duration::from_secs(1);
/// How old a sample is at most when it comes in.
const NEWEST: Duration = Duration::from_millis(100);

/// A broker, and players in rooms on it. Fields end in this order: players, broker, files.
pub(crate) struct House {
    pub(crate) broker: Broker,
    pub(crate) scratch: Scratch,
}

impl House {
    fn ours() -> Self {
        let scratch = Scratch::new().unwrap();
        let broker = Broker::ours(&built("mqtt-broker"), &scratch, free_port().unwrap()).unwrap();
        Self { broker, scratch }
    }

    fn mosquitto() -> Self {
        let scratch = Scratch::new().unwrap();
        let program = find_program("mosquitto").expect("the package mosquitto is installed");
        let broker = Broker::mosquitto(&program, &scratch, free_port().unwrap()).unwrap();
        Self { broker, scratch }
    }

    /// How a player enters the room.
    pub(crate) fn entrance(&self) -> PlayerOptions {
        PlayerOptions::in_room(&plugin(), &self.broker.url(), "living room")
    }

    /// A player with the clip open, paused at its beginning.
    pub(crate) fn player(&self, name: &str) -> Player {
        self.entrance().named(name).spawn(&self.scratch, clip().as_path()).unwrap()
    }

    /// Players who have all met, paused.
    pub(crate) fn players<const N: usize>(&self, names: [&str; N]) -> [Player; N] {
        let players = names.map(|name| self.player(name));
        for player in &players {
            wait_until("all players have met", || player.has_joined(N).unwrap());
        }
        players
    }

    /// Players who have all met and play in step.
    pub(crate) fn playing<const N: usize>(&self, names: [&str; N]) -> [Player; N] {
        let players = self.players(names);
        players[0].resume().unwrap();
        wait_until_in_step(&players.each_ref());
        players
    }
}

/// Runs a test on our broker, whose clock the room uses, and on mosquitto, where a player has to give the time.
pub(crate) fn on_both_brokers(test: impl Fn(House)) {
    println!("on our broker");
    test(House::ours());
    println!("on mosquitto");
    test(House::mosquitto());
}

pub(crate) fn on_our_broker(test: impl FnOnce(House)) {
    test(House::ours());
}

/// Polls until `condition` holds.
pub(crate) fn wait_until(what: impl Display, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something holds of each player, and tells how all stood if it never does.
pub(crate) fn wait_until_each(players: &[&Player], what: &str, holds: impl Fn(&Player) -> bool) {
    wait_until(Still { players, what }, || players.iter().all(|player| holds(player)));
}

/// Waits until all have been playing within one frame of each other for a while.
pub(crate) fn wait_until_in_step(players: &[&Player]) {
    wait_for_a_while(players, "in step", |moment| {
        moment.is_playing() && moment.spread().is_some_and(|spread| spread < FRAME)
    });
}

/// Waits until all have been standing on the same frame for a while.
pub(crate) fn wait_until_on_one_frame(players: &[&Player]) {
    wait_for_a_while(players, "on one frame", Moment::is_same_frame);
}

/// Waits until all have come as far as `position`, but not further than a minute beyond.
pub(crate) fn wait_until_past(players: &[&Player], position: f64) {
    let place = |player: &Player| player.track().newest().and_then(|sample| sample.position());
    let is_there = |place: f64| (position - FRAME..position + 60.0).contains(&place);
    let what = &format!("past {position} s");
    wait_until(Still { players, what }, || {
        players.iter().all(|player| place(player).is_some_and(is_there))
    });
}

fn wait_for_a_while(players: &[&Player], what: &str, holds: impl Fn(&Moment) -> bool) {
    let meter = Meter::of(players.iter().copied());
    // What was before the wait says nothing about what the test has just done.
    let start = Instant::now();
    wait_until(Still { players, what }, || {
        let known = Instant::now() - NEWEST;
        known >= start + HOLD && meter.between(known - HOLD, known).iter().all(&holds)
    });
}

/// What the players do, read at the time it is printed: after the wait.
struct Still<'a> {
    players: &'a [&'a Player],
    what: &'a str,
}

impl Display for Still<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}, but", self.what)?;
        for player in self.players {
            let status = player.room_status().map(|status| status.whole);
            let (name, newest) = (player.name(), player.track().newest());
            writeln!(f, "  {name} {newest:?} {status:?} {:?}", lines_told(player))?;
        }
        Ok(())
    }
}

/// The lines that the plugin wrote to mpv's log.
pub(crate) fn lines_told(player: &Player) -> Vec<String> {
    let log = player.log();
    let lines = log.lines().filter_map(|line| line.split_once("][i][cplayer] playsync: "));
    lines.map(|(_, text)| text.to_owned()).collect()
}

/// The lines that the plugin showed on the picture.
pub(crate) fn lines_shown(player: &Player) -> Vec<String> {
    let log = player.log();
    let drawn = log.lines().filter_map(|line| line.split_once("format=\"ass-events\", data=\""));
    let events = drawn.filter_map(|(_, data)| data.split("\", res_x=").next());
    let lines = events.flat_map(|events| events.split("\\n")).map(without_drawing_code);
    lines.filter(|line| !line.is_empty()).collect()
}

/// The words of a line that is drawn: what is between braces says how.
fn without_drawing_code(line: &str) -> String {
    line.split('{').map(|part| part.split_once('}').map_or(part, |(_, words)| words)).collect()
}

/// One field of a player's room status.
pub(crate) fn told(player: &Player, key: &str) -> Value {
    player.room_status().unwrap().whole[key].clone()
}

/// The film that all tests share.
pub(crate) fn clip() -> PathBuf {
    Clip::in_folder(Path::new(env!("CARGO_TARGET_TMPDIR")), Duration::from_secs(300))
        .unwrap()
        .path()
        .to_owned()
}

/// The plugin, as `make plugin` leaves it.
pub(crate) fn plugin() -> PathBuf {
    std::env::var_os("PLAYSYNC_PLUGIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mpv-plugin/playsync.so"),
        PathBuf::from,
    )
}

/// A program of this workspace, built for release.
pub(crate) fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release").join(name)
}
