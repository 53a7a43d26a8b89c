//! The password file, read.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use scram::Keys;

use super::{PasswordHash, User, Users, is_name};

/// A line that says nothing sensible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which it is, the first being 1.
    pub number: usize,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.fault)
    }
}

/// Why there are no users to be had from a file.
#[derive(Debug)]
pub enum UsersError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// Lines of it are wrong.
    Lines(PathBuf, Vec<BadLine>),
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(f, "cannot read the password file {}: {error}", path.display())
            }
            Self::Lines(path, lines) => {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                write!(f, "the password file {} is wrong: {}", path.display(), lines.join("; "))
            }
        }
    }
}

impl Error for UsersError {}

impl Users {
    /// Reads a password file.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not understood: half a list of users is worse
    /// than none.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| UsersError::Read(path.into(), error))?;
        Self::parse(&text).map_err(|lines| UsersError::Lines(path.into(), lines))
    }
}

/// The users of all lines, or what is wrong with some.
pub(super) fn parse(text: &str) -> Result<Vec<(&str, User)>, Vec<BadLine>> {
    let (mut users, mut bad, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line) {
            Ok((name, _)) if !names.insert(name) => {
                bad.push(BadLine { number: index + 1, fault: "this user has a line already" });
            }
            Ok(user) => users.push(user),
            Err(fault) => bad.push(BadLine { number: index + 1, fault }),
        }
    }
    if bad.is_empty() { Ok(users) } else { Err(bad) }
}

fn parse_line(line: &str) -> Result<(&str, User), &'static str> {
    let (name, rest) = line.split_once(':').ok_or("no colon after the name")?;
    if !is_name(name) {
        return Err("no name before the colon, or one with control characters");
    }
    let (hash, keys) = match rest.split_once(':') {
        Some((hash, keys)) => (hash, Some(keys)),
        None => (rest, None),
    };
    if !hash.starts_with('$') {
        return Err("the password is not hashed");
    }
    let hash = PasswordHash::parse(hash).ok_or("a hash of a kind that is not known")?;
    let keys = keys.map(|keys| Keys::parse(keys).ok_or("keys for SCRAM that make no sense"));
    Ok((name, User { hash: Arc::new(hash), keys: keys.transpose()? }))
}
