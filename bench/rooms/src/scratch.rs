//! A private directory for sockets, logs and stores, removed with all that is in it.

use crate::Error;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that only this user can enter and that lives as long as this value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty directory with a short name: a socket's path may have 107 bytes at most.
    ///
    /// # Errors
    /// When the system's temporary directory cannot be written.
    pub fn new() -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("rooms-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(Error::system(format!("create {}", path.display())))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("ROOMS_KEEP").is_some() {
            eprintln!("kept {}", self.path.display());
            return;
        }
        // Nothing can be done about a directory that will not go, and it is in the temporary one.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
