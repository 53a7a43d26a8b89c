//! A real mpv: started with the plugin or without, driven as its viewer would, and read.

use crate::spawn::{Process, find_program};
use crate::{Error, Ipc, Sample, Scratch, Track};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A busy machine takes its time to start a player.
const START: Duration = Duration::from_secs(20);

/// How a player is started; paused, without a window and without sound unless told otherwise.
#[derive(Clone, Debug)]
pub struct PlayerOptions {
    name: String,
    plugin: Option<PathBuf>,
    script_options: Vec<(String, String)>,
    outputs: Vec<OsString>,
    arguments: Vec<OsString>,
}

impl PlayerOptions {
    /// A plain player, without the plugin.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            name: "mpv".to_owned(),
            plugin: None,
            script_options: Vec::new(),
            outputs: ["--vo=null", "--ao=null"].map(OsString::from).to_vec(),
            arguments: Vec::new(),
        }
    }

    /// A player whose plugin joins a room on the broker at `url`.
    #[must_use]
    pub fn in_room(plugin: &Path, url: &str, room: &str) -> Self {
        let options = Self { plugin: Some(plugin.to_owned()), ..Self::alone() };
        options.script_option("playsync-url", url).script_option("playsync-room", room)
    }

    /// The name of the player and of its viewer.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }.script_option("playsync-name", name)
    }

    /// Sets one of the plugin's options, in place of an earlier value.
    #[must_use]
    pub fn script_option(&self, key: &str, value: &str) -> Self {
        let mut options = self.clone();
        options.script_options.retain(|option| option.0 != key);
        options.script_options.push((key.to_owned(), value.to_owned()));
        options
    }

    /// Adds an argument of mpv's own.
    #[must_use]
    pub fn argument(&self, argument: impl Into<OsString>) -> Self {
        let mut options = self.clone();
        options.arguments.push(argument.into());
        options
    }

    /// Opens a window, and sound where there is any.
    #[must_use]
    pub fn with_window(&self) -> Self {
        Self { outputs: vec!["--audio-fallback-to-null=yes".into()], ..self.clone() }
    }

    /// Starts mpv on `film`, or idle without one, and waits until it answers.
    ///
    /// # Errors
    /// When mpv is not installed, ends at once or never answers.
    pub fn spawn<'f>(
        &self,
        scratch: &Scratch,
        film: impl Into<Option<&'f Path>>,
    ) -> Result<Player, Error> {
        let mpv = find_program("mpv").ok_or_else(|| Error::Missing {
            what: "mpv".into(),
            remedy: "install the package mpv",
        })?;
        if let Some(plugin) = self.plugin.as_ref().filter(|plugin| !plugin.is_file()) {
            return Err(Error::Missing { what: plugin.clone(), remedy: "run make to build it" });
        }
        let socket = scratch.file(&format!("{}.sock", self.name));
        let log = scratch.file(&format!("{}.log", self.name));
        let mut command = Command::new(mpv);
        command.args(self.command_line(&socket, &log)).args(film.into());
        let output = scratch.file(&format!("{}.out", self.name));
        let mut process = Process::start(&self.name, command, output)?;
        let ipc = connect(&socket, &mut process)?;
        let track = Track::of(&socket)?;
        Ok(Player { name: self.name.clone(), socket, log, track, ipc: Mutex::new(ipc), process })
    }

    fn command_line(&self, socket: &Path, log: &Path) -> Vec<OsString> {
        let with = |option: &str, value: &Path| {
            let mut argument = OsString::from(option);
            argument.push(value);
            argument
        };
        let mut line: Vec<OsString> =
            ["--no-config", "--no-terminal", "--msg-level=cplayer=trace", "--idle=yes", "--pause"]
                .map(OsString::from)
                .to_vec();
        line.push(with("--input-ipc-server=", socket));
        line.push(with("--log-file=", log));
        line.extend(self.outputs.iter().cloned());
        line.extend(self.plugin.iter().map(|plugin| with("--script=", plugin)));
        // The suffix takes one item as it is, so names may hold commas.
        let option =
            |(key, value): &(String, String)| format!("--script-opts-append={key}={value}").into();
        line.extend(self.script_options.iter().map(option));
        line.extend(self.arguments.iter().cloned());
        line
    }
}

fn connect(socket: &Path, process: &mut Process) -> Result<Ipc, Error> {
    let end = Instant::now() + START;
    loop {
        if let Ok(ipc) = Ipc::connect(socket) {
            return Ok(ipc);
        }
        if let Some(status) = process.ended() {
            return Err(process.failure(format!("ended with {status}")));
        }
        if Instant::now() > end {
            return Err(process.failure("opened no control socket"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running mpv; dropping it ends it.
#[derive(Debug)]
pub struct Player {
    name: String,
    socket: PathBuf,
    log: PathBuf,
    // Ends before the process does, so that its last question is answered.
    track: Track,
    ipc: Mutex<Ipc>,
    process: Process,
}

impl Player {
    /// Its viewer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is and was.
    #[must_use]
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The path of its control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether mpv still answers.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.command(&json!(["get_property", "pid"])).is_ok()
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Gives mpv a command.
    ///
    /// # Errors
    /// When mpv refuses it or is gone.
    pub fn command(&self, command: &Value) -> Result<Value, Error> {
        self.ipc.lock().unwrap_or_else(PoisonError::into_inner).command(command)
    }

    /// Reads a property; null where mpv has none just now.
    ///
    /// # Errors
    /// When mpv is gone.
    pub fn property(&self, name: &str) -> Result<Value, Error> {
        match self.command(&json!(["get_property", name])) {
            Err(Error::Refused { .. }) => Ok(Value::Null),
            answer => answer,
        }
    }

    /// Sets a property.
    ///
    /// # Errors
    /// When mpv refuses the value or is gone.
    pub fn set(&self, name: &str, value: impl Into<Value>) -> Result<(), Error> {
        self.command(&json!(["set_property", name, value.into()])).map(drop)
    }

    /// Pauses, as its viewer.
    ///
    /// # Errors
    /// When mpv is gone.
    pub fn pause(&self) -> Result<(), Error> {
        self.set("pause", true)
    }

    /// Resumes, as its viewer.
    ///
    /// # Errors
    /// When mpv is gone.
    pub fn resume(&self) -> Result<(), Error> {
        self.set("pause", false)
    }

    /// Seeks to a position in seconds, as its viewer.
    ///
    /// # Errors
    /// When mpv cannot seek or is gone.
    pub fn seek(&self, position: f64) -> Result<(), Error> {
        self.command(&json!(["seek", position, "absolute+exact"])).map(drop)
    }

    /// Waits until a sample fulfils `condition`, and returns it.
    ///
    /// # Errors
    /// [`Error::TimedOut`], naming `what`, after `limit`.
    pub fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Sample) -> bool,
    ) -> Result<Sample, Error> {
        let end = Instant::now() + limit;
        loop {
            if let Some(sample) = self.track.newest().filter(&condition) {
                return Ok(sample);
            }
            if Instant::now() > end {
                return Err(Error::TimedOut {
                    what: format!("{}: {what}", self.name),
                    after: limit,
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next message a script sent to everybody under `name`, such as `playsync-status`; its arguments.
    ///
    /// # Errors
    /// When none comes before `limit`, or mpv is gone.
    pub fn script_message(&self, name: &str, limit: Duration) -> Result<Vec<String>, Error> {
        let end = Instant::now() + limit;
        let mut ipc = self.ipc.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(event) = ipc.event(end)? {
            let words = event["args"].as_array().into_iter().flatten();
            let mut words = words.filter_map(|word| word.as_str().map(str::to_owned));
            if event["event"] == "client-message" && words.next().as_deref() == Some(name) {
                return Ok(words.collect());
            }
        }
        Err(Error::TimedOut { what: format!("{}: the message {name}", self.name), after: limit })
    }

    /// What mpv has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}
