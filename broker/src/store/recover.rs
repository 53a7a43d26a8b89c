//! What can still be read of a damaged store, in a new one.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{Directory, Place};
use super::redb::quietly;
use super::{Batch, RedbStore, Store, StoreError};
use crate::core::change::Change;
use crate::core::time::WallClock;

/// What was saved, and from where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Where the damaged file is.
    pub aside: PathBuf,
    /// How many sessions, subscriptions, messages on their way and retained messages there are.
    pub sessions: usize,
    #[allow(missing_docs, reason = "as above")]
    pub subscriptions: usize,
    #[allow(missing_docs, reason = "as above")]
    pub deliveries: usize,
    #[allow(missing_docs, reason = "as above")]
    pub retained: usize,
    /// How many things cannot be read; one may be a table.
    pub lost: u64,
    /// Whether nothing can be read at all.
    pub is_all_lost: bool,
}

impl Recovered {
    fn count(&mut self, change: &Change) {
        match change {
            Change::Session(..) => self.sessions += 1,
            Change::Subscribed(..) => self.subscriptions += 1,
            Change::Delivery(..) => self.deliveries += 1,
            Change::Retained { .. } => self.retained += 1,
            _ => {}
        }
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, subscriptions, deliveries, retained, lost, .. } = self;
        write!(
            f,
            "saved {sessions} sessions, {subscriptions} subscriptions, {deliveries} messages on \
             their way and {retained} retained messages; "
        )?;
        match self.is_all_lost {
            true => f.write_str("nothing can be read")?,
            false => write!(f, "{lost} records or tables cannot be read")?,
        }
        write!(f, "; the damaged file is {}", self.aside.display())
    }
}

impl RedbStore {
    /// Opens the store in a directory. One that is damaged is set aside, and what can be read of it
    /// is in the new one; that is told, too.
    ///
    /// # Errors
    /// Directory or file cannot be used, or another version has written it.
    pub fn recover(
        directory: &Path,
        wall_clock: WallClock,
    ) -> Result<(Self, Option<Recovered>), StoreError> {
        let damaged = match Self::open_readable(directory, wall_clock) {
            Ok(store) => return Ok((store, None)),
            Err(StoreError::Damaged(_) | StoreError::Corrupt(_)) => {
                Directory::new(directory).map_err(StoreError::Io)?
            }
            Err(error) => return Err(error),
        };
        let mut batch = Batch::default();
        let mut recovered = Recovered::default();
        let salvaged = quietly(|| {
            let store = Self::open_unchecked(Box::new(damaged.clone()), wall_clock)?;
            store.salvage(&mut |change| {
                recovered.count(&change);
                batch.add(change);
            })
        });
        recovered.is_all_lost = salvaged.is_err();
        recovered.lost = salvaged.unwrap_or(0);
        recovered.aside = damaged.set_aside().map_err(StoreError::Io)?;
        let place: Box<dyn Place> = Box::new(damaged);
        let mut store = Self::open_in(place, wall_clock)?;
        store.commit(&batch)?;
        Ok((store, Some(recovered)))
    }

    fn open_readable(directory: &Path, wall_clock: WallClock) -> Result<Self, StoreError> {
        let store = Self::open(directory, wall_clock)?;
        quietly(|| store.load(&mut |_| {}))?;
        Ok(store)
    }
}
