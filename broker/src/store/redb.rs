//! The store on disk: one redb file, whose tables are keyed by sequence where there is much to write.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};
use mqtt_protocol::PacketId;

use super::file::{Directory, Place, StoreFile, Trouble};
use super::record::{DeliveryRecord, MessageRecord, Record, SessionRecord, SubscriptionRecord};
use super::{Batch, Store, StoreError};
use crate::core::change::{Change, Progress, Sequence, SessionNumber};
use crate::core::message::{Message, Queued};
use crate::core::time::WallClock;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
/// By topic.
const RETAINED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("retained");
/// By number.
const SESSIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sessions");
/// By session and filter.
const SUBSCRIPTIONS: TableDefinition<'_, (u64, &str), &[u8]> =
    TableDefinition::new("subscriptions");
/// The identifiers of QoS 2 messages that clients have not released, by session.
const RECEIVED: TableDefinition<'_, (u64, u16), ()> = TableDefinition::new("received");
/// By sequence.
const DELIVERIES: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("deliveries");
/// What is delivered, if it is large, once for all deliveries; by the message of the sequence.
const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");

const FORMAT_KEY: &str = "format";
const FORMAT: u32 = 3;

/// Up to this size in bytes, a message is written with each of its deliveries.
const SMALL: usize = 256;

/// How much of the file is held in memory, in bytes; the core holds what is alive anyway.
const CACHE: usize = 64 * 1024 * 1024;

/// A store in a file.
#[derive(Debug)]
pub struct RedbStore {
    /// There is none only while it is being opened anew.
    database: Option<Database>,
    place: Box<dyn Place>,
    trouble: Arc<Trouble>,
    wall_clock: WallClock,
    /// Whether the file can be opened quickly after a crash.
    opens_quickly: bool,
}

impl RedbStore {
    /// Opens the store in a directory, or makes it, for this user's eyes only.
    ///
    /// # Errors
    /// Directory or file cannot be used, or another version has written it.
    pub fn open(directory: &Path, wall_clock: WallClock) -> Result<Self, StoreError> {
        Self::open_in(Box::new(Directory::new(directory).map_err(StoreError::Io)?), wall_clock)
    }

    /// Opens the store that is in some place.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_in(place: Box<dyn Place>, wall_clock: WallClock) -> Result<Self, StoreError> {
        let mut store = quietly(|| Self::open_unchecked(place, wall_clock))?;
        quietly(|| store.check_integrity())?;
        Ok(store)
    }

    /// Opens a store of which some may be damaged.
    pub(super) fn open_unchecked(
        place: Box<dyn Place>,
        wall_clock: WallClock,
    ) -> Result<Self, StoreError> {
        let trouble = Arc::new(Trouble::default());
        let (database, opens_quickly) = (None, false);
        let mut store = Self { database, place, trouble, wall_clock, opens_quickly };
        store.open_database()?;
        store.check_format()?;
        store.place.reserve();
        Ok(store)
    }

    fn open_database(&mut self) -> Result<(), StoreError> {
        let file = StoreFile::new(self.place.open().map_err(StoreError::Io)?, self.trouble.clone());
        let mut builder = Database::builder();
        let database = builder.set_cache_size(CACHE).create_with_backend(file);
        self.database = Some(database.map_err(|error| self.explain(error.into()))?);
        Ok(())
    }

    /// Sees whether all that is kept is as it was written.
    fn check_integrity(&mut self) -> Result<(), StoreError> {
        let Some(database) = &mut self.database else { return Ok(()) };
        // What it can mend without loss is in order.
        database.check_integrity().map(drop).map_err(StoreError::from)
    }

    /// Hands over what can be read; gives the number of records, or tables, that cannot.
    pub(super) fn salvage(&self, each: &mut dyn FnMut(Change)) -> Result<u64, StoreError> {
        let damaged = Some(Cell::new(0));
        let from = self.database()?.begin_read()?;
        let reader = Reader { from, wall_clock: self.wall_clock, damaged };
        reader.everything(each)?;
        Ok(reader.damaged.map_or(0, Cell::into_inner))
    }

    /// What the file knows of an error is clearer than what the database does.
    fn explain(&self, error: StoreError) -> StoreError {
        self.trouble.take().unwrap_or(error)
    }

    fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or(StoreError::Corrupt("a store that was closed"))
    }

    fn check_format(&mut self) -> Result<(), StoreError> {
        let transaction = self.database()?.begin_write()?;
        let found = transaction.open_table(META)?.get(FORMAT_KEY)?.map(|value| value.value());
        match found {
            Some(FORMAT) => return Ok(()),
            Some(format) => return Err(StoreError::Format(format)),
            None => {
                transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
            }
        }
        transaction.commit().map_err(|error| self.explain(error.into()))
    }

    fn try_commit(&self, batch: &Batch, is_quick: bool) -> Result<(), StoreError> {
        let mut transaction = self.database()?.begin_write()?;
        transaction.set_quick_repair(is_quick);
        if batch.starts_over {
            start_over(&transaction)?;
        }
        self.write_sessions(&transaction, batch)?;
        self.write_deliveries(&transaction, batch)?;
        self.write_retained(&transaction, batch)?;
        Ok(transaction.commit()?)
    }

    fn write_sessions(&self, to: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
        let mut sessions = to.open_table(SESSIONS)?;
        let mut subscriptions = to.open_table(SUBSCRIPTIONS)?;
        let mut received = to.open_table(RECEIVED)?;
        for (&number, saved) in &batch.sessions {
            if let Some(saved) = saved {
                let record = SessionRecord::new(saved, self.wall_clock).to_bytes()?;
                sessions.insert(number, record.as_slice())?;
            } else if sessions.remove(number)?.is_some() {
                subscriptions.retain_in((number, "")..(number + 1, ""), |_, _| false)?;
                received.retain_in((number, 0)..(number + 1, 0), |_, ()| false)?;
            }
        }
        for ((number, filter), options) in &batch.subscriptions {
            let key = (*number, &**filter);
            match options {
                Some(options) => {
                    let record = SubscriptionRecord::new(options).to_bytes()?;
                    subscriptions.insert(key, record.as_slice())?;
                }
                None => drop(subscriptions.remove(key)?),
            }
        }
        for ((number, packet_id), fate) in &batch.received {
            let key = (*number, packet_id.number());
            match fate {
                Some(()) => drop(received.insert(key, ())?),
                None => drop(received.remove(key)?),
            }
        }
        Ok(())
    }

    fn write_deliveries(&self, to: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
        let mut deliveries = to.open_table(DELIVERIES)?;
        let mut messages = to.open_table(MESSAGES)?;
        for (sequence, delivery) in &batch.deliveries {
            let key = (sequence.message, sequence.copy);
            if let Some((session, queued, progress)) = delivery {
                let record = self.delivery_record(*session, queued, *progress, &mut messages)?;
                deliveries.insert(key, record.to_bytes()?.as_slice())?;
                continue;
            }
            let ended =
                deliveries.remove(key)?.map(|bytes| DeliveryRecord::from_bytes(bytes.value()));
            let is_large = ended.transpose()?.is_some_and(|record| record.message.is_none());
            let of_message = (sequence.message, 0)..=(sequence.message, u32::MAX);
            if is_large && deliveries.range(of_message)?.next().is_none() {
                messages.remove(sequence.message)?;
            }
        }
        Ok(())
    }

    fn delivery_record(
        &self,
        session: SessionNumber,
        queued: &Queued,
        progress: Progress,
        messages: &mut Table<'_, u64, &'static [u8]>,
    ) -> Result<DeliveryRecord, StoreError> {
        let number = queued.sequence.message;
        let is_small = queued.message.size() <= SMALL;
        let message = is_small.then(|| MessageRecord::new(&queued.message, self.wall_clock));
        if !is_small && messages.get(number)?.is_none() {
            let record = MessageRecord::new(&queued.message, self.wall_clock).to_bytes()?;
            messages.insert(number, record.as_slice())?;
        }
        Ok(DeliveryRecord::new(session, queued, progress, message))
    }

    fn write_retained(&self, to: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
        let mut retained = to.open_table(RETAINED)?;
        for (topic, message) in &batch.retained {
            match message {
                Some(message) => {
                    let record = MessageRecord::new(message, self.wall_clock).to_bytes()?;
                    retained.insert(&**topic, record.as_slice())?;
                }
                None => drop(retained.remove(&**topic)?),
            }
        }
        Ok(())
    }
}

fn start_over(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.delete_table(SESSIONS)?;
    transaction.delete_table(SUBSCRIPTIONS)?;
    transaction.delete_table(RECEIVED)?;
    transaction.delete_table(DELIVERIES)?;
    transaction.delete_table(MESSAGES)?;
    transaction.delete_table(RETAINED)?;
    Ok(())
}

impl Store for RedbStore {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.opens_quickly = false;
        self.try_commit(batch, false).map_err(|error| self.explain(error))
    }

    fn rest(&mut self) -> Result<(), StoreError> {
        if self.opens_quickly {
            return Ok(());
        }
        self.try_commit(&Batch::default(), true).map_err(|error| self.explain(error))?;
        self.opens_quickly = true;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.place.release_reserve();
        self.database = None;
        self.trouble.take();
        self.open_database()
    }

    fn reserve(&mut self) -> bool {
        self.place.reserve()
    }

    fn load(&self, each: &mut dyn FnMut(Change)) -> Result<(), StoreError> {
        let from = self.database()?.begin_read()?;
        Reader { from, wall_clock: self.wall_clock, damaged: None }.everything(each)
    }
}

/// Does something with a file that may be damaged in ways at which the database gives up.
pub(super) fn quietly<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| Err(StoreError::Damaged("it makes no sense".into())))
}

/// Reads the tables as they were at one moment.
struct Reader {
    from: ReadTransaction,
    wall_clock: WallClock,
    /// Counts what cannot be read, if that is no reason to stop.
    damaged: Option<Cell<u64>>,
}

type Each<'a> = &'a mut dyn FnMut(Change);

impl Reader {
    fn everything(&self, each: Each<'_>) -> Result<(), StoreError> {
        self.tolerate(self.sessions(each))?;
        self.tolerate(self.subscriptions(each))?;
        self.tolerate(self.received(each))?;
        self.tolerate(self.deliveries(each))?;
        self.tolerate(self.retained(each))
    }

    /// Counts what cannot be read, or stops at it.
    fn tolerate(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        match (&self.damaged, result) {
            (Some(damaged), Err(_)) => damaged.set(damaged.get() + 1),
            (_, result) => return result,
        }
        Ok(())
    }

    /// Hands over what is in a table, which need not be there.
    fn each<K: ::redb::Key + 'static, V: ::redb::Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
        mut each: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = match self.from.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            self.tolerate(each(key.value(), value.value()))?;
        }
        Ok(())
    }

    fn sessions(&self, each: Each<'_>) -> Result<(), StoreError> {
        self.each(SESSIONS, |number, bytes| {
            let saved = SessionRecord::from_bytes(bytes)?.into_saved(self.wall_clock)?;
            each(Change::Session(number, Box::new(saved)));
            Ok(())
        })
    }

    fn subscriptions(&self, each: Each<'_>) -> Result<(), StoreError> {
        self.each(SUBSCRIPTIONS, |(number, filter), bytes| {
            let options = SubscriptionRecord::from_bytes(bytes)?.into_options()?;
            each(Change::Subscribed(number, filter.into(), options));
            Ok(())
        })
    }

    fn received(&self, each: Each<'_>) -> Result<(), StoreError> {
        self.each(RECEIVED, |(number, packet_id), ()| {
            let packet_id = PacketId::new(packet_id);
            let packet_id = packet_id.ok_or(StoreError::Corrupt("a packet identifier"))?;
            each(Change::Received(number, packet_id));
            Ok(())
        })
    }

    fn deliveries(&self, each: Each<'_>) -> Result<(), StoreError> {
        let messages = match self.from.open_table(MESSAGES) {
            Err(TableError::TableDoesNotExist(_)) => None,
            table => Some(table?),
        };
        // Deliveries of one message are neighbours and share it.
        let mut latest: Option<(u64, Arc<Message>)> = None;
        self.each(DELIVERIES, |(number, copy), bytes| {
            let mut record = DeliveryRecord::from_bytes(bytes)?;
            let message = match latest.take() {
                Some((of, message)) if of == number => message,
                _ => {
                    let message = match (record.message.take(), &messages) {
                        (Some(message), _) => message,
                        (None, Some(messages)) => {
                            let bytes = messages.get(number)?;
                            let bytes = bytes.ok_or(StoreError::Corrupt(MessageRecord::NAME))?;
                            MessageRecord::from_bytes(bytes.value())?
                        }
                        (None, None) => return Err(StoreError::Corrupt(MessageRecord::NAME)),
                    };
                    Arc::new(message.into_message(self.wall_clock)?)
                }
            };
            latest = Some((number, message.clone()));
            each(record.into_change(Sequence { message: number, copy }, message)?);
            Ok(())
        })
    }

    fn retained(&self, each: Each<'_>) -> Result<(), StoreError> {
        self.each(RETAINED, |_, bytes| {
            let message = MessageRecord::from_bytes(bytes)?.into_message(self.wall_clock)?;
            each(Change::Retained { message: Arc::new(message), is_promised: true });
            Ok(())
        })
    }
}
