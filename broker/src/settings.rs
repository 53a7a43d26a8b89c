//! What the command line and the configuration file say together.

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::{Options, RoomOptions, TlsFiles};

use crate::Arguments;
use crate::config::{ConfigError, ConfigFile};

/// All that an operator can say.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) arguments: Arguments,
    rooms: Vec<RoomOptions>,
}

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// The command line asks for help, or for what there is not.
    CommandLine(clap::Error),
    /// The configuration file is of no use.
    File(ConfigError),
}

impl Wrong {
    /// Says what is wrong, or what was asked for, and gives the exit status.
    pub(crate) fn end(&self) -> ExitCode {
        match self {
            Self::CommandLine(error) => error.exit(),
            Self::File(error) => {
                eprintln!("mqtt-broker: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl Settings {
    /// Reads the command line, and the file it names.
    pub(crate) fn read(line: &[OsString]) -> Result<Self, Wrong> {
        let command = Arguments::command();
        let matches = command.clone().try_get_matches_from(line).map_err(Wrong::CommandLine)?;
        let arguments = Arguments::from_arg_matches(&matches).map_err(Wrong::CommandLine)?;
        let Some(path) = &arguments.config else {
            return Self::complete(arguments, Vec::new());
        };
        let file = ConfigFile::read(path, &command, &matches).map_err(Wrong::File)?;
        let together = Arguments::try_parse_from(file.before(line));
        let arguments = together.map_err(|error| Wrong::File(file.blame(&error)))?;
        Self::complete(arguments, file.rooms)
    }

    fn complete(arguments: Arguments, rooms: Vec<RoomOptions>) -> Result<Self, Wrong> {
        let Arguments { tls_cert, tls_key, tls_client_ca, tls_identity, .. } = &arguments;
        let missing = match (tls_cert, tls_key) {
            (None, Some(_)) => Some("--tls-key wants --tls-cert"),
            (Some(_), None) => Some("--tls-cert wants --tls-key"),
            _ if *tls_identity && tls_client_ca.is_none() => {
                Some("--tls-identity wants --tls-client-ca")
            }
            (None, None) if tls_client_ca.is_some() => Some("--tls-client-ca wants --tls-cert"),
            _ => None,
        };
        match missing {
            None => Ok(Self { arguments, rooms }),
            Some(what) => {
                let kind = clap::error::ErrorKind::MissingRequiredArgument;
                Err(Wrong::CommandLine(Arguments::command().error(kind, what)))
            }
        }
    }

    /// What the broker is to do.
    pub(crate) fn into_options(self) -> Options {
        let Self { arguments, rooms } = self;
        let tls = arguments.tls_cert.zip(arguments.tls_key).map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_roots: arguments.tls_client_ca,
            names_users: arguments.tls_identity,
        });
        Options {
            listen: arguments.listen,
            tls,
            state_dir: arguments.state_dir,
            durability: arguments.durability,
            recover: arguments.recover,
            password_file: arguments.password_file,
            acl_file: arguments.acl_file,
            rooms,
            administrators: arguments.administrator,
            allow_anonymous: arguments.allow_anonymous,
            proxies: arguments.proxy_protocol_from,
            redirect_to: arguments.redirect_to,
            limits: limits(&arguments.limits),
            metrics: arguments.metrics_listen,
        }
    }
}

fn limits(settings: &[(String, String)]) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in settings {
        // It could be set when the command line was read.
        let _ = limits.set(name, value);
    }
    limits
}
