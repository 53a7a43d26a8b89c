//! What the broker keeps for its next run, behind a trait.

mod batch;
mod file;
mod record;
mod recover;
mod redb;
mod writer;

use std::error::Error;
use std::fmt;

pub use self::batch::Batch;
pub use self::file::Place;
pub use self::recover::Recovered;
pub use self::redb::RedbStore;
pub use self::writer::{Event, Writer};
use crate::core::Core;
use crate::core::change::Change;
use crate::core::time::Instant;

/// A place that keeps changes.
pub trait Store: Send {
    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// They could not be made durable.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// There is nothing to do for the moment: the time to prepare for a quick start.
    ///
    /// # Errors
    /// As for a commit.
    fn rest(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gets ready for commits again after one that has failed because there was no room, with what
    /// room is in reserve.
    ///
    /// # Errors
    /// What is kept cannot be reached any more.
    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Sees to it that there is room in reserve; tells whether there is.
    fn reserve(&mut self) -> bool {
        true
    }

    /// Hands over what is kept, as the changes that would make it: sessions first, deliveries in
    /// their order.
    ///
    /// # Errors
    /// What is kept cannot be read.
    fn load(&self, each: &mut dyn FnMut(Change)) -> Result<(), StoreError>;
}

/// Gives a new core what the store has kept.
///
/// # Errors
/// What is kept cannot be read.
pub fn restore(store: &impl Store, core: &mut Core, now: Instant) -> Result<(), StoreError> {
    let mut restoring = core.restore(now);
    redb::quietly(|| store.load(&mut |change| restoring.apply(change)))
}

/// Why a store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The operating system says no.
    Io(std::io::Error),
    /// There is no room.
    Full,
    /// What was written did not reach the disk, or it cannot be known whether it has.
    Sync(std::io::Error),
    /// The database says no.
    Database(::redb::Error),
    /// What is kept is not what was written.
    Damaged(String),
    /// A record cannot be read.
    Corrupt(&'static str),
    /// The store was written by a version of the broker that is not known here.
    Format(u32),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RECOVER: &str = "--recover keeps what can be read";
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Full => f.write_str("there is no room on the disk"),
            Self::Sync(error) => write!(f, "the disk did not take what was written: {error}"),
            Self::Database(error) => error.fmt(f),
            Self::Damaged(how) => write!(f, "it is damaged ({how}); {RECOVER}"),
            Self::Corrupt(what) => {
                write!(f, "it is damaged (a record of {what} cannot be read); {RECOVER}")
            }
            Self::Format(version) => {
                write!(f, "it has format {version}, which this version of the broker cannot read")
            }
        }
    }
}

impl Error for StoreError {}

impl<E: Into<::redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            ::redb::Error::Corrupted(how) => Self::Damaged(how),
            ::redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::Full
            }
            error => Self::Database(error),
        }
    }
}
