//! The store on disk: one redb file with a table for retained messages and one for sessions.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ::redb::backends::FileBackend;
use ::redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};

use super::record::{MessageRecord, Record, SessionRecord};
use super::{Store, StoreError};
use crate::core::Change;
use crate::core::time::WallClock;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
/// By topic.
const RETAINED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("retained");
/// By client id.
const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");

const FORMAT_KEY: &str = "format";
const FORMAT: u32 = 2;

const FILE_NAME: &str = "mqtt-broker.redb";

/// A store in a directory of its own.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    wall_clock: WallClock,
}

impl RedbStore {
    /// Opens the store in a directory, or makes it, for this user's eyes only.
    ///
    /// # Errors
    /// Directory or file cannot be used, or another version has written it.
    pub fn open(directory: &Path, wall_clock: WallClock) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(StoreError::Io)?;
        let backend = FileBackend::new(open_file(directory)?)?;
        let database = Database::builder().create_with_backend(backend)?;
        let store = Self { database, wall_clock };
        store.check_format()?;
        Ok(store)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        let found = transaction.open_table(META)?.get(FORMAT_KEY)?.map(|value| value.value());
        match found {
            Some(FORMAT) => return Ok(()),
            Some(format) => return Err(StoreError::Format(format)),
            None => {
                transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn write(&self, transaction: &WriteTransaction, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::Retained(message) => {
                let record = MessageRecord::new(message, self.wall_clock).to_bytes()?;
                let topic = message.topic();
                transaction.open_table(RETAINED)?.insert(topic.as_str(), record.as_slice())?;
            }
            Change::RetainedCleared(topic) => {
                transaction.open_table(RETAINED)?.remove(&**topic)?;
            }
            Change::Session(saved) => {
                let record = SessionRecord::new(saved, self.wall_clock).to_bytes()?;
                transaction.open_table(SESSIONS)?.insert(&*saved.client_id, record.as_slice())?;
            }
            Change::SessionEnded(client_id) => {
                transaction.open_table(SESSIONS)?.remove(&**client_id)?;
            }
        }
        Ok(())
    }

    fn each_record(
        &self,
        table: TableDefinition<'_, &str, &[u8]>,
        mut each: impl FnMut(&str, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = match self.database.begin_read()?.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }
}

fn open_file(directory: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join(FILE_NAME))
        .map_err(StoreError::Io)
}

impl Store for RedbStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        for change in changes {
            self.write(&transaction, change)?;
        }
        Ok(transaction.commit()?)
    }

    fn load(&self, each: &mut dyn FnMut(Change)) -> Result<(), StoreError> {
        self.each_record(RETAINED, |_, bytes| {
            let message = MessageRecord::from_bytes(bytes)?.into_message(self.wall_clock)?;
            each(Change::Retained(Arc::new(message)));
            Ok(())
        })?;
        self.each_record(SESSIONS, |client_id, bytes| {
            let saved = SessionRecord::from_bytes(bytes)?.into_saved(client_id, self.wall_clock)?;
            each(Change::Session(Box::new(saved)));
            Ok(())
        })
    }
}
