//! What is wrong with a configuration file, and what was probably meant.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration to be had from a file.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// A line of it is wrong.
    Wrong { path: PathBuf, line: usize, fault: Fault },
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no TOML.
    Toml(String),
    /// There is no such key; the nearest one there is.
    Unknown(String, String),
    /// A key has a value of another kind than this.
    Type(String, &'static str),
    /// A key has a value it cannot have.
    Value(String),
}

impl Fault {
    pub(super) fn unknown(name: &str, nearest: String) -> Self {
        Self::Unknown(name.into(), nearest)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(f, "cannot read the configuration {}: {error}", path.display())
            }
            Self::Wrong { path, line, fault } => write!(f, "{}:{line}: {fault}", path.display()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(message) => write!(f, "this is no TOML: {}", message.replace('\n', ", ")),
            Self::Unknown(name, nearest) => {
                write!(f, "there is no {name}; the nearest there is is {nearest}")
            }
            Self::Type(name, expected) => write!(f, "{name} is {expected}"),
            Self::Value(fault) => f.write_str(fault),
        }
    }
}

impl Error for ConfigError {}

/// The name that takes the fewest changes of letters to come to.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = impl Into<String>>) -> String {
    let names = names.map(Into::into);
    names.min_by_key(|other| distance(name, other)).unwrap_or_default()
}

/// How many letters have to be added, removed or replaced to make one text the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, &theirs) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != theirs);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_takes_the_fewest_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listen", "listen"), 0);
        let names = || ["listen", "limits", "acl-file"].into_iter();
        assert_eq!(nearest("lisen", names()), "listen");
        assert_eq!(nearest("acl_file", names()), "acl-file");
    }
}
