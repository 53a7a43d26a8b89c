//! What can go wrong around the players, sorted by whose fault it is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a room could not be set up, driven or read.
#[derive(Debug)]
pub enum Error {
    /// A program or file that has to be there is not.
    Missing {
        /// What was looked for.
        what: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A program that was started ended by itself, or never became ready.
    Program {
        /// Which one.
        name: String,
        /// What happened to it.
        what: String,
        /// The last lines it printed.
        output: String,
    },
    /// mpv answered a command with an error.
    Refused {
        /// The command, as JSON.
        command: String,
        /// mpv's word for the error.
        why: String,
    },
    /// Something awaited did not happen in time.
    TimedOut {
        /// What was awaited.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// The viewer pressed Ctrl-C.
    Stopped,
    /// The system refused something.
    System {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, remedy } => write!(f, "{} is missing: {remedy}", what.display()),
            Self::Program { name, what, output } if output.is_empty() => write!(f, "{name} {what}"),
            Self::Program { name, what, output } => write!(f, "{name} {what}: {output}"),
            Self::Refused { command, why } => write!(f, "mpv refused {command}: {why}"),
            Self::TimedOut { what, after } => write!(f, "{what} did not happen within {after:.1?}"),
            Self::Stopped => write!(f, "stopped"),
            Self::System { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
