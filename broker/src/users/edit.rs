//! The password file, changed: one line of it, and the whole file at once or not at all.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::{SALT_SIZE, User, is_name};

/// Gives a user a password, and a line in the file if there is none; makes the file if there is
/// none. Tells whether the user is new. It takes long. The salts are random.
///
/// # Errors
/// The name or the password cannot be used, or the file cannot be read or written; then it is as
/// it was.
pub fn set_password(
    file: &Path,
    name: &str,
    password: &str,
    salts: [[u8; SALT_SIZE]; 2],
) -> Result<bool, EditError> {
    // As SCRAM will ask for it.
    let name = &scram::prepare(name).map_err(|_| EditError::Name)?;
    if !is_name(name) {
        return Err(EditError::Name);
    }
    let user = User::new(password, salts).map_err(|_| EditError::Password)?;
    let line = format!("{name}:{user}");
    let mut lines = read_lines(file)?;
    let place = lines.iter().position(|line| is_of(line, name));
    match place {
        Some(place) => lines[place] = line,
        None => lines.push(line),
    }
    replace(file, &lines).map_err(|error| EditError::File(file.into(), error))?;
    Ok(place.is_none())
}

/// Removes a user's line from the file.
///
/// # Errors
/// There is no such user, or the file cannot be read or written; then it is as it was.
pub fn remove_user(file: &Path, name: &str) -> Result<(), EditError> {
    let mut lines = read_lines(file)?;
    let before = lines.len();
    lines.retain(|line| !is_of(line, name));
    if lines.len() == before {
        return Err(EditError::NoSuchUser(name.into()));
    }
    replace(file, &lines).map_err(|error| EditError::File(file.into(), error))
}

fn is_of(line: &str, name: &str) -> bool {
    !line.starts_with('#') && line.split_once(':').is_some_and(|(other, _)| other == name)
}

fn read_lines(file: &Path) -> Result<Vec<String>, EditError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(EditError::File(file.into(), error)),
    }
}

/// Writes a new file and puts it in the place of the old one, whose owner keeps it.
fn replace(file: &Path, lines: &[String]) -> io::Result<()> {
    // The file itself, where a link points to it.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let mut name = target.clone().into_os_string();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let written = write_new(&new, &target, lines).and_then(|()| fs::rename(&new, &target));
    if written.is_err() {
        // What is wrong is said already.
        let _ = fs::remove_file(&new);
    }
    written?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_new(new: &Path, old: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    if let Ok(old) = fs::metadata(old) {
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.sync_all()
}

/// Why the password file is as it was.
#[derive(Debug)]
pub enum EditError {
    /// No user can have this name.
    Name,
    /// No user can have this password.
    Password,
    /// There is no such user.
    NoSuchUser(String),
    /// The file cannot be read or written.
    File(PathBuf, io::Error),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str(
                "a user name is not empty, begins with no # and has neither colons nor control \
                 characters",
            ),
            Self::Password => f.write_str("a password is not empty and has no control characters"),
            Self::NoSuchUser(name) => write!(f, "there is no user {name}"),
            Self::File(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl Error for EditError {}
