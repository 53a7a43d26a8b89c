//! The file under the database: it remembers what the disk has refused, and has room in reserve.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::redb::backends::FileBackend;
use ::redb::{BackendError, StorageBackend};
use rustix::fs::FallocateFlags;

use super::StoreError;

/// Where a store is.
pub trait Place: Send + fmt::Debug {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// It cannot be had.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Sees to it that there is room in reserve; tells whether there is.
    fn reserve(&self) -> bool {
        true
    }

    /// Gives the reserve up.
    fn release_reserve(&self) {}
}

/// A file in a directory of its own, for its owner's eyes only.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

const FILE_NAME: &str = "mqtt-broker.redb";

/// Room that is taken, so that there is some when the disk is full.
const RESERVE_NAME: &str = "reserve";
const RESERVE: u64 = 8 * 1024 * 1024;

impl Directory {
    /// Makes the directory if there is none.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.into()))
    }

    /// Moves the file aside under a name that none has; tells where it is.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let names = (1..).map(|number| self.0.join(format!("{FILE_NAME}.damaged-{number}")));
        let mut free = names.filter(|name| !name.exists());
        let aside = free.next().ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(self.0.join(FILE_NAME), &aside)?;
        Ok(aside)
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.0.join(name))
    }
}

impl Place for Directory {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = FileBackend::new(self.open_file(FILE_NAME)?);
        Ok(Box::new(file.map_err(|error| io::Error::other(error.to_string()))?))
    }

    fn reserve(&self) -> bool {
        let taken = self.open_file(RESERVE_NAME).and_then(|file| {
            Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE)?)
        });
        // Where room cannot be taken beforehand, there is nothing to wait for.
        taken.is_ok() || taken.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
    }

    fn release_reserve(&self) {
        let _ = fs::remove_file(self.0.join(RESERVE_NAME));
    }
}

/// What a database is in.
#[derive(Debug)]
pub(super) struct StoreFile {
    inner: Box<dyn StorageBackend>,
    trouble: Arc<Trouble>,
}

/// What has gone wrong with a file, which the database tells less clearly.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<StoreError>>);

impl Trouble {
    /// What has gone wrong since it was last asked for.
    pub(super) fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The first is the cause of the others.
    fn note(&self, trouble: StoreError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
    }
}

impl StoreFile {
    pub(super) fn new(inner: Box<dyn StorageBackend>, trouble: Arc<Trouble>) -> Self {
        Self { inner, trouble }
    }

    fn written(&self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result {
            self.trouble.note(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
                kind => StoreError::Io(kind.into()),
            });
        }
        result
    }
}

impl StorageBackend for StoreFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.written(self.inner.set_len(length))
    }

    /// What a failed sync has not written, the system may have forgotten: it is not tried again.
    fn sync_data(&self) -> io::Result<()> {
        let result = self.inner.sync_data();
        if let Err(error) = &result {
            self.trouble.note(StoreError::Sync(error.kind().into()));
        }
        result
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.written(self.inner.write(offset, bytes))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }
}
