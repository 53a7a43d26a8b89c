//! The session file: opened by one client at a time, appended to, and written anew when it has grown.
//!
//! A record that was appended outlives the process, because the system has it. A machine that loses
//! its power may lose the latest ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::session::{HEADER, Saved};
use crate::{Error, ErrorKind};

/// A session file that no other client has.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    file: File,
    length: u64,
    /// How long it was when it was written anew.
    begun_with: u64,
}

/// A file below this size is not written anew.
const SMALL: u64 = 256 * 1024;

/// How many times its size a file may grow to before it is written anew.
const GROWTH: u64 = 4;

impl Store {
    /// Opens a file, or makes it, and reads what it has.
    ///
    /// # Errors
    /// Another client has it, the system does not give it, or it is no session file.
    pub(super) fn open(path: &Path) -> Result<(Self, Saved), Error> {
        let failed = |error: &io::Error| failure("cannot use the session file", path, error);
        let mut file = open_alone(path).map_err(|error| failed(&error))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|error| failed(&error))?;
        let (saved, _) = Saved::read(&content).map_err(|error| Error {
            message: format!("{}: {error}", path.display()).into(),
            ..error
        })?;
        let store = Self { path: path.to_owned(), file, length: 0, begun_with: 0 };
        Ok((store, saved))
    }

    /// Appends records.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(records)
            .map_err(|error| failure("cannot write the session file", &self.path, &error))?;
        self.length += records.len() as u64;
        Ok(())
    }

    /// Whether it is time to write it anew.
    pub(super) fn has_grown(&self) -> bool {
        self.length > SMALL && self.length > self.begun_with.saturating_mul(GROWTH)
    }

    /// Puts these records in place of all that came before, or leaves the file as it is.
    pub(super) fn rewrite(&mut self, records: &[u8]) -> Result<(), Error> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        self.file = replace(&self.path, &new, records).map_err(|error| {
            let _ = fs::remove_file(&new);
            failure("cannot write the session file", &self.path, &error)
        })?;
        self.length = (HEADER.len() + records.len()) as u64;
        self.begun_with = self.length;
        Ok(())
    }
}

fn failure(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::system(ErrorKind::Store, &format!("{what} {}", path.display()), error)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // It holds messages, which are nobody else's business.
    options.read(true).create(true).mode(0o600);
    options
}

/// Opens the file and locks it, as it is known by its name at that moment.
fn open_alone(path: &Path) -> io::Result<File> {
    loop {
        let file = options().append(true).open(path)?;
        lock(&file)?;
        let (ours, named) = (file.metadata()?, fs::metadata(path)?);
        if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
        // Another client has replaced it and gone since.
    }
}

fn lock(file: &File) -> io::Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => io::Error::other("another client is using it"),
        other => other.into(),
    })
}

/// Writes a file beside the old one and gives it that one's name.
fn replace(path: &Path, new: &Path, records: &[u8]) -> io::Result<File> {
    let _ = fs::remove_file(new);
    let mut file = options().append(true).open(new)?;
    lock(&file)?;
    file.write_all(HEADER)?;
    file.write_all(records)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mqtt-store-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn one_client_has_a_file_until_it_is_gone() {
        let path = path("alone");
        let (mut first, _) = Store::open(&path).unwrap();
        first.rewrite(&[]).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(error.message.contains("another client is using it"), "{error}");
        drop(first);
        Store::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_session_file_stays_as_it_is() {
        let path = path("foreign");
        fs::write(&path, "precious").unwrap();
        assert_eq!(Store::open(&path).unwrap_err().kind, ErrorKind::Store);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_is_written_anew_when_it_has_grown() {
        let path = path("grown");
        let (mut store, _) = Store::open(&path).unwrap();
        store.rewrite(&[]).unwrap();
        while !store.has_grown() {
            store.append(&[0; 4096]).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() > SMALL);
        store.rewrite(&[]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), HEADER);
        fs::remove_file(&path).unwrap();
    }
}
