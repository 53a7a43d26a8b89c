//! What the broker keeps for its next run, behind a trait.

mod record;
mod redb;
mod writer;

use std::error::Error;
use std::fmt;

pub use self::redb::RedbStore;
pub use self::writer::Writer;
use crate::core::time::Instant;
use crate::core::{Change, Core};

/// A place that keeps changes.
pub trait Store: Send {
    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// They could not be made durable.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// Hands over what is kept, as the changes that would make it.
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
    store.load(&mut |change| match change {
        Change::Retained(message) => core.restore_retained((*message).clone(), now),
        Change::Session(saved) => core.restore_session(*saved, now),
        Change::RetainedCleared(_) | Change::SessionEnded(_) => {}
    })
}

/// Why a store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The operating system says no.
    Io(std::io::Error),
    /// The database says no.
    Database(::redb::Error),
    /// A record cannot be read.
    Corrupt(&'static str),
    /// The store was written by a version of the broker that is not known here.
    Format(u32),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::Corrupt(what) => write!(f, "a record of {what} cannot be read"),
            Self::Format(version) => {
                write!(f, "it has format {version}, which this version of the broker cannot read")
            }
        }
    }
}

impl Error for StoreError {}

impl<E: Into<::redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}
