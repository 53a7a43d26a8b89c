//! `mqtt-broker passwd`: changes a password file.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mqtt_broker::users::{EditError, SALT_SIZE, remove_user, set_password};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Give a user a password, or another one.
///
/// The password is asked for on a terminal, or else is the first line of standard input. The file is
/// made if there is none, can be read by its owner only, and is replaced at once or not at all. It
/// holds no password, only what is needed to recognise one. A broker reads it when it
/// starts, and at SIGHUP. The password of a room's guests is that of the user @ROOM.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The password file
    file: PathBuf,

    /// The user
    user: String,

    /// Forget the user instead
    #[arg(long)]
    delete: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match change(arguments) {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("mqtt-broker passwd: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn change(Arguments { file, user, delete }: &Arguments) -> Result<String, Failure> {
    if *delete {
        remove_user(file, user)?;
        return Ok(format!("{user} is not a user any more"));
    }
    let password = read_password(user)?;
    let mut salts = [[0; SALT_SIZE]; 2];
    for salt in &mut salts {
        getrandom::fill(salt).map_err(Failure::Random)?;
    }
    let is_new = set_password(file, user, &password, salts)?;
    Ok(format!("{user} has {} password", if is_new { "a" } else { "another" }))
}

fn read_password(user: &str) -> Result<String, Failure> {
    let input = io::stdin().lock();
    if !input.is_terminal() {
        return read_line(input);
    }
    let password = ask(&format!("Password of {user}: "))?;
    if ask("Once more: ")? == password { Ok(password) } else { Err(Failure::Different) }
}

/// Asks for a line that is not shown.
fn ask(question: &str) -> Result<String, Failure> {
    let mut output = io::stderr();
    // Silent before it asks: who types fast is not shown either.
    let _silence = Silence::begin(io::stdin()).map_err(Failure::Input)?;
    write!(output, "{question}").and_then(|()| output.flush()).map_err(Failure::Input)?;
    read_line(io::stdin().lock())
}

fn read_line(mut input: impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let length = input.read_line(&mut line).map_err(Failure::Input)?;
    if length == 0 {
        return Err(Failure::Input(io::ErrorKind::UnexpectedEof.into()));
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// A terminal that does not show what is typed, but for the end of the line.
struct Silence<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Silence<T> {
    fn begin(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Silence<T> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Why the password is as it was.
enum Failure {
    Input(io::Error),
    Different,
    Random(getrandom::Error),
    Edit(EditError),
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => write!(f, "no password: {error}"),
            Self::Different => f.write_str("the two passwords differ"),
            Self::Random(error) => write!(f, "the system has no randomness: {error}"),
            Self::Edit(error) => error.fmt(f),
        }
    }
}
