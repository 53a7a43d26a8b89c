//! A disk that forgets, when the power fails, some of what it was not made to sync.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use mqtt_broker::core::Core;
use mqtt_broker::core::change::Change;
use mqtt_broker::core::time::{Instant, WallClock};
use mqtt_broker::store::{Batch, Place, RedbStore, Store, restore};
use redb::StorageBackend;

use crate::Chance;
use crate::dialogue::Kept;

/// What is written at once, or not at all, in bytes.
const SECTOR: usize = 512;

/// Where the world's broker keeps what it keeps.
pub enum Shelf {
    Memory(Kept),
    Disk { disk: Disk, store: Option<RedbStore>, wall_clock: WallClock },
}

impl Shelf {
    pub fn on_disk(wall_clock: WallClock) -> Self {
        let disk = Disk::default();
        let store = RedbStore::open_in(Box::new(disk.clone()), wall_clock).unwrap();
        Self::Disk { disk, store: Some(store), wall_clock }
    }

    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    /// Keeps all changes or none; tells which.
    pub fn keep(&mut self, changes: impl Iterator<Item = Change>) -> bool {
        match self {
            Self::Memory(kept) => {
                changes.for_each(|change| kept.apply(change));
                true
            }
            Self::Disk { store, .. } => {
                let mut batch = Batch::default();
                changes.for_each(|change| batch.add(change));
                store.as_mut().unwrap().commit(&batch).is_ok()
            }
        }
    }

    /// The power will fail after so many further operations of the disk.
    pub fn light_fuse(&self, operations: usize) {
        if let Self::Disk { disk, .. } = self {
            disk.lock().fuse = Some(operations);
        }
    }

    /// The power has failed, and is back.
    pub fn cut_power(&mut self, chance: &mut Chance) {
        if let Self::Disk { disk, store, wall_clock } = self {
            disk.lock().fuse = Some(0);
            *store = None;
            disk.lock().forget(chance);
            let place = Box::new(disk.clone());
            *store = Some(RedbStore::open_in(place, *wall_clock).expect("it always opens"));
        }
    }

    pub fn restore(&self, core: &mut Core, now: Instant) {
        match self {
            Self::Memory(kept) => kept.restore(core, now),
            Self::Disk { store, .. } => restore(store.as_ref().unwrap(), core, now).unwrap(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the program sees.
    seen: Vec<u8>,
    /// What is there for sure.
    synced: Vec<u8>,
    /// What was done since.
    done: Vec<Done>,
    /// After so many operations there is no power.
    fuse: Option<usize>,
}

#[derive(Debug)]
enum Done {
    Resized(usize),
    Written(usize, Vec<u8>),
}

impl Disk {
    /// Another disk that differs in one bit.
    pub fn copy_with_flipped_bit(&self, chance: &mut Chance) -> Self {
        let mut synced = self.lock().synced.clone();
        let bit = chance.below(synced.len() * 8);
        synced[bit / 8] ^= 1 << (bit % 8);
        let seen = synced.clone();
        Self(Arc::new(Mutex::new(State { seen, synced, ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        match &mut state.fuse {
            Some(0) => Err(io::Error::other("there is no power")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }
}

impl State {
    fn forget(&mut self, chance: &mut Chance) {
        let mut synced = std::mem::take(&mut self.synced);
        for done in self.done.drain(..) {
            match done {
                Done::Resized(length) if chance.below(2) == 0 => synced.resize(length, 0),
                Done::Resized(_) => {}
                Done::Written(offset, bytes) => {
                    let survives = chance.below(3);
                    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                        // Some writes are lost, some are torn, and some arrive.
                        if survives == 0 || survives == 1 && chance.below(2) == 0 {
                            continue;
                        }
                        let start = offset + index * SECTOR;
                        if synced.len() < start + sector.len() {
                            synced.resize(start + sector.len(), 0);
                        }
                        synced[start..start + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
        self.seen.clone_from(&synced);
        self.synced = synced;
        self.fuse = None;
    }
}

impl Place for Disk {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.powered()?;
        let offset = offset as usize;
        let bytes = state.seen.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.powered()?;
        state.seen.resize(length as usize, 0);
        state.done.push(Done::Resized(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.powered()?;
        let state = &mut *state;
        for done in state.done.drain(..) {
            match done {
                Done::Resized(length) => state.synced.resize(length, 0),
                Done::Written(offset, bytes) => {
                    state.synced[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.powered()?;
        let offset = offset as usize;
        state.seen[offset..offset + bytes.len()].copy_from_slice(bytes);
        state.done.push(Done::Written(offset, bytes.into()));
        Ok(())
    }
}
