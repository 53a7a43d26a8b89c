//! The configuration file: what the command line can say, and rooms, in TOML.
//!
//! ```toml
//! listen = ["mqtts://[::]:8883"]
//! password-file = "users"
//!
//! [limits]
//! maximum-sessions = 100_000
//!
//! [rooms.film]
//! operators = ["ann"]
//! ```
//!
//! Each key is an option of the command line, by the same name; so the command line itself says
//! which keys there are, and reads their values. Where both have an option, the command line wins.

mod error;
mod path;
mod rooms;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use mqtt_broker::core::limits::Limits;
use mqtt_broker::shell::RoomOptions;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use self::error::ConfigError;
use self::error::{Fault, nearest};
pub(crate) use self::path::file_path;

/// Options of the command line that say something of the file, or of nothing that lasts.
const COMMAND_LINE_ONLY: [&str; 5] = ["config", "check-config", "limit", "help", "version"];

/// A configuration file, read.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// What it says, as arguments that go before those of the command line.
    arguments: Vec<OsString>,
    /// The keys it has, and their lines.
    lines: Vec<(String, usize)>,
    pub(crate) rooms: Vec<RoomOptions>,
    path: PathBuf,
}

impl ConfigFile {
    /// Reads the file, but for what the command line says.
    ///
    /// # Errors
    /// It cannot be read, or not all of it is understood.
    pub(crate) fn read(
        path: &Path,
        command: &Command,
        matches: &ArgMatches,
    ) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| ConfigError::Read(path.into(), error))?;
        let mut file = Self { path: path.into(), ..Self::default() };
        file.parse(&text, command, matches).map_err(|(place, fault)| ConfigError::Wrong {
            path: path.into(),
            line: line_of(&text, place),
            fault,
        })?;
        Ok(file)
    }

    fn parse(
        &mut self,
        text: &str,
        command: &Command,
        matches: &ArgMatches,
    ) -> Result<(), (usize, Fault)> {
        let table = DeTable::parse(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            (place, Fault::Toml(error.message().into()))
        })?;
        let folder = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        for (key, value) in table.get_ref() {
            let place = key.span().start;
            match key.get_ref().as_ref() {
                "limits" => self.add_limits(value)?,
                "rooms" => self.rooms = rooms::parse(value, &folder)?,
                name => {
                    self.add_option(name, value, command, matches, &folder)
                        .map_err(|fault| (place, fault))?;
                    self.lines.push((name.into(), line_of(text, place)));
                }
            }
        }
        Ok(())
    }

    /// Turns a key into the option of the same name, unless the command line has it.
    fn add_option(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        command: &Command,
        matches: &ArgMatches,
        folder: &Path,
    ) -> Result<(), Fault> {
        let names = || {
            let names = command.get_arguments().filter_map(|option| option.get_long());
            names.filter(|name| !COMMAND_LINE_ONLY.contains(name)).chain(["limits", "rooms"])
        };
        let option = command
            .get_arguments()
            .find(|option| option.get_long() == Some(name) && !COMMAND_LINE_ONLY.contains(&name));
        let Some(option) = option else { return Err(Fault::unknown(name, nearest(name, names()))) };
        let is_overruled =
            matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
        let is_path = option.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>();
        let mut add = |value: &str| {
            let value = if is_path { path::below(folder, value) } else { value.into() };
            if !is_overruled {
                let mut argument = OsString::from(format!("--{name}="));
                argument.push(value);
                self.arguments.push(argument);
            }
        };
        match (option.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(is_set)) => {
                if *is_set && !is_overruled {
                    self.arguments.push(format!("--{name}").into());
                }
            }
            (ArgAction::SetTrue, _) => return Err(Fault::Type(name.into(), "true or false")),
            (ArgAction::Append, DeValue::Array(values)) => {
                for value in values {
                    let text = scalar(value.get_ref());
                    add(&text.ok_or(Fault::Type(name.into(), "a list of texts"))?);
                }
            }
            (_, value) => {
                add(&scalar(value).ok_or(Fault::Type(name.into(), "a text or a number"))?);
            }
        }
        Ok(())
    }

    fn add_limits(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), (usize, Fault)> {
        let Some(limits) = value.get_ref().as_table() else {
            return Err((value.span().start, Fault::Type("limits".into(), "a table, [limits]")));
        };
        for (key, value) in limits {
            let place = key.span().start;
            let name = key.get_ref().as_ref();
            let names = Limits::NAMES.iter().map(|name| name.replace('_', "-"));
            if !Limits::NAMES.contains(&name.replace('-', "_").as_str()) {
                return Err((place, Fault::unknown(name, nearest(name, names))));
            }
            let value = match value.get_ref() {
                DeValue::Boolean(true) => Some("yes".to_owned()),
                DeValue::Boolean(false) => Some("no".to_owned()),
                value => scalar(value),
            };
            let value = value.ok_or((place, Fault::Type(name.into(), "a text or a number")))?;
            let set = Limits::default().set(name, &value);
            set.map_err(|invalid| (place, Fault::Value(invalid.to_string())))?;
            self.arguments.push(format!("--limit={name}={value}").into());
        }
        Ok(())
    }

    /// The arguments of the command line, behind what the file says.
    pub(crate) fn before(&self, arguments: &[OsString]) -> Vec<OsString> {
        let (program, rest) = arguments.split_at(arguments.len().min(1));
        [program, &self.arguments, rest].concat()
    }

    /// What is wrong with arguments of which some are the file's: those of the command line were
    /// right without them.
    pub(crate) fn blame(&self, error: &clap::Error) -> ConfigError {
        use clap::error::{ContextKind, ContextValue};
        let option = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(option)) => Some(option.as_str()),
            Some(ContextValue::Strings(options)) => options.first().map(String::as_str),
            _ => None,
        };
        let option =
            option.and_then(|option| option.trim_start_matches('-').split([' ', '=']).next());
        let known = option.and_then(|option| self.lines.iter().find(|(name, _)| name == option));
        let said = error.to_string();
        let said = said.lines().next().unwrap_or_default();
        let said = said.strip_prefix("error: ").unwrap_or(said);
        let reason = std::error::Error::source(error).map(ToString::to_string);
        let fault = match (known, reason) {
            (Some((name, _)), Some(reason)) => format!("{name}: {reason}"),
            _ => said.into(),
        };
        let line = known.map_or(1, |(_, line)| *line);
        ConfigError::Wrong { path: self.path.clone(), line, fault: Fault::Value(fault) }
    }
}

/// A value that is written as one word on the command line.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().into()),
        _ => None,
    }
}

/// The line that a place in a text is in, the first being 1.
fn line_of(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|&byte| byte == b'\n').count() + 1
}
