//! The demo: a broker and some mpv players in one room on this machine, with a live table of where they are.
//!
//! With `--seconds` a short script of pause, seek and resume is played through the players' own controls,
//! and the program succeeds only if the players were in step.

mod script;
mod table;
mod verdict;

use clap::Parser;
use rooms::spawn::free_port;
use rooms::{Broker, Clip, Error, Meter, Player, PlayerOptions, Scratch, Stop};
use script::Script;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::Table;
use verdict::Verdict;

const NAMES: [&str; 8] = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo"];
/// How long the players may take to find each other.
const JOIN: Duration = Duration::from_secs(30);

/// Opens mpv players in one room and shows how closely they are in step.
#[derive(Debug, Parser)]
struct Arguments {
    /// The film [default: a clip made by mpv].
    #[arg(long)]
    file: Option<PathBuf>,
    /// Play a script of pause, seek and resume for so many seconds, then judge; without, watch until Ctrl-C.
    #[arg(long, value_parser = clap::value_parser!(u16).range(10..=3600))]
    seconds: Option<u16>,
    /// How many players.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=8))]
    players: u8,
    /// The broker's program.
    #[arg(long, default_value = "target/release/mqtt-broker")]
    broker: PathBuf,
    /// The plugin.
    #[arg(long, default_value = "mpv-plugin/playsync.so")]
    plugin: PathBuf,
    /// Where the clip is kept.
    #[arg(long, default_value = "target/clips")]
    clips: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(verdict) if verdict.is_in_step() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(Error::Stopped) => ExitCode::from(130),
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Verdict, Error> {
    let stop = Stop::on_ctrl_c()?;
    let scratch = Scratch::new()?;
    let film = film(arguments)?;
    let broker = Broker::ours(&arguments.broker, &scratch, free_port()?)?;
    let players = open_players(arguments, &scratch, &broker.url(), &film)?;
    println!(
        "{} players in one room at {}, watching {}",
        players.len(),
        broker.url(),
        film.display()
    );

    join(&players, &stop)?;
    players[0].resume()?;
    for player in &players {
        player.wait_until("playing", JOIN, |sample| !sample.is_paused)?;
    }
    let verdict = match arguments.seconds {
        Some(seconds) => play_script(&players, &stop, Duration::from_secs(seconds.into()))?,
        None => watch(players, &stop)?,
    };
    println!("{verdict}");
    Ok(verdict)
}

fn film(arguments: &Arguments) -> Result<PathBuf, Error> {
    let Some(file) = &arguments.file else {
        let length = Duration::from_secs(300.max(u64::from(arguments.seconds.unwrap_or(0)) + 120));
        return Ok(Clip::in_folder(&arguments.clips, length)?.path().to_owned());
    };
    if !file.is_file() {
        return Err(Error::Missing { what: file.clone(), remedy: "FILE has to name a film" });
    }
    Ok(file.clone())
}

fn open_players(
    arguments: &Arguments,
    scratch: &Scratch,
    url: &str,
    film: &Path,
) -> Result<Vec<Player>, Error> {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let room = PlayerOptions::in_room(&arguments.plugin, url, "demo");
    let count = usize::from(arguments.players);
    let names = NAMES.iter().take(count).enumerate();
    let open = |(index, name): (usize, &&str)| {
        let mut options = room.named(name);
        if has_display {
            let across = 100 * index / (count - 1);
            options = options
                .with_window()
                .argument(format!("--title={name}"))
                .argument("--autofit=45%")
                .argument(format!("--geometry={across}%:50%"));
        }
        options.spawn(scratch, film)
    };
    names.map(open).collect()
}

/// Waits until every player sees all the others.
fn join(players: &[Player], stop: &Stop) -> Result<(), Error> {
    let end = Instant::now() + JOIN;
    loop {
        let joined: Result<Vec<bool>, Error> =
            players.iter().map(|player| player.has_joined(players.len())).collect();
        if joined?.iter().all(|&has_joined| has_joined) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Error::TimedOut {
                what: "the meeting of all players".to_owned(),
                after: JOIN,
            });
        }
        stop.wait_until(Instant::now() + Duration::from_millis(50))?;
    }
}

/// Plays the script, showing the table meanwhile, and judges.
fn play_script(players: &[Player], stop: &Stop, length: Duration) -> Result<Verdict, Error> {
    let start = Instant::now();
    let meter = Meter::of(players);
    let mut table = Table::new(players);
    let mut script = Script::new(players, start, length);
    while let Some(next) = script.next_at() {
        table.show_until(&meter, stop, next)?;
        table.announce(&script.act(&meter)?);
    }
    table.show_until(&meter, stop, start + length)?;
    Ok(Verdict::of_script(&meter.between(start, start + length), &script))
}

/// Shows the table until Ctrl-C or until the viewers have closed all windows, and judges.
fn watch(mut players: Vec<Player>, stop: &Stop) -> Result<Verdict, Error> {
    println!("Ctrl-C ends it; pause or seek in any window");
    let mut moments = Vec::new();
    while !players.is_empty() {
        let (start, meter) = (Instant::now(), Meter::of(&players));
        let shown =
            Table::new(&players).show_while(&meter, stop, || players.iter().all(Player::is_alive));
        moments.extend(meter.between(start, Instant::now()));
        match shown {
            Err(Error::Stopped) => break,
            other => other?,
        }
        players.retain(Player::is_alive);
    }
    Ok(Verdict::of_viewing(&moments))
}
