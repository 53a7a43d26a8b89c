//! Opens a room of headless players and runs a command on it, such as syncmeter.
//!
//! In the command `{sockets}` stands for the players' control sockets and `{port}` for the broker's port. One player
//! may sit behind a slow link, and a sound card may run fast. All of it ends when the command does.

use clap::Parser;
use rooms::spawn::{find_program, free_port};
use rooms::{Broker, Clip, DelayProxy, Error, Link, Player, PlayerOptions, Scratch, Stop};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Opens a room of headless mpv players and runs a command on it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The film [default: a clip made by mpv].
    #[arg(long)]
    file: Option<PathBuf>,
    /// How many players.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=50))]
    players: u8,
    /// The broker's program.
    #[arg(long, default_value = "target/release/mqtt-broker")]
    broker: PathBuf,
    /// Use Debian's mosquitto as the broker.
    #[arg(long)]
    mosquitto: bool,
    /// The plugin.
    #[arg(long, default_value = "mpv-plugin/playsync.so")]
    plugin: PathBuf,
    /// Where the clip is kept.
    #[arg(long, default_value = "target/clips")]
    clips: PathBuf,
    /// One way delay of the last player's link, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// The delay from the broker to it, where that differs.
    #[arg(long)]
    down: Option<u64>,
    /// That delay is this much more or less, in milliseconds.
    #[arg(long, default_value_t = 0)]
    jitter: u64,
    /// How fast the last player's sound card runs; 1.0003 is 300 ppm fast.
    #[arg(long, default_value_t = 1.0)]
    card: f64,
    /// One more argument for every mpv.
    #[arg(long, allow_hyphen_values = true)]
    mpv: Vec<String>,
    /// Keep the players' logs in this folder.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// What to run, with its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("room: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let stop = Stop::on_ctrl_c()?;
    let scratch = Scratch::new()?;
    let film = match &arguments.file {
        Some(file) => file.clone(),
        None => Clip::in_folder(&arguments.clips, Duration::from_secs(600))?.path().to_owned(),
    };
    let broker = start_broker(arguments, &scratch)?;
    let link = Link {
        delay: Duration::from_millis(arguments.delay),
        down: Duration::from_millis(arguments.down.unwrap_or(arguments.delay)),
        jitter: Duration::from_millis(arguments.jitter),
        seed: 1,
    };
    let proxy = DelayProxy::to(broker.port(), link)?;

    let mut players = Vec::new();
    for number in 1..=arguments.players {
        let is_last = number == arguments.players;
        let is_slow = is_last && !link.delay.is_zero();
        let url = if is_slow { proxy.url() } else { broker.url() };
        let mut options =
            PlayerOptions::in_room(&arguments.plugin, &url, "room").named(&format!("P{number}"));
        for argument in &arguments.mpv {
            options = options.argument(argument);
        }
        if is_last {
            options = options.argument(format!("--ao-null-speed={}", arguments.card));
        }
        players.push(options.spawn(&scratch, film.as_path())?);
    }
    let code = run_command(&arguments.command, &players, broker.port(), &stop);
    if let Some(folder) = &arguments.logs {
        keep_logs(folder, &players)?;
    }
    code
}

fn start_broker(arguments: &Arguments, scratch: &Scratch) -> Result<Broker, Error> {
    if !arguments.mosquitto {
        return Broker::ours(&arguments.broker, scratch, free_port()?);
    }
    let mosquitto = find_program("mosquitto").ok_or_else(|| Error::Missing {
        what: "mosquitto".into(),
        remedy: "install the package mosquitto",
    })?;
    Broker::mosquitto(&mosquitto, scratch, free_port()?)
}

fn run_command(
    command: &[String],
    players: &[Player],
    port: u16,
    stop: &Stop,
) -> Result<ExitCode, Error> {
    let (program, words) = command.split_first().expect("clap requires one");
    let mut command = Command::new(program);
    for word in words {
        if word == "{sockets}" {
            command.args(players.iter().map(Player::socket));
        } else {
            command.arg(word.replace("{port}", &port.to_string()));
        }
    }
    let cannot = |source| Error::System { what: format!("run {program}"), source };
    let mut child = command.spawn().map_err(cannot)?;
    loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if stop.is_asked() {
            drop(child.kill());
            drop(child.wait());
            return Err(Error::Stopped);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn keep_logs(folder: &PathBuf, players: &[Player]) -> Result<(), Error> {
    let cannot = |source| Error::System { what: format!("write {}", folder.display()), source };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    for player in players {
        std::fs::write(folder.join(format!("{}.log", player.name())), player.log())
            .map_err(cannot)?;
    }
    Ok(())
}
