//! The one thread that writes to the store; what gathers while it writes is one commit.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use tracing::error;

use super::Store;
use crate::core::Change;

/// The way to the writing thread.
#[derive(Debug)]
pub struct Writer {
    changes: Sender<Change>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(store: impl Store + 'static) -> io::Result<Self> {
        let (changes, receiver) = channel();
        let thread = Builder::new().name("store".into()).spawn(move || run(store, &receiver))?;
        Ok(Self { changes, thread })
    }

    /// Hands over a change, to be written after those before it.
    pub fn submit(&self, change: Change) {
        // The thread ends before its sender only if it panicked.
        let _ = self.changes.send(change);
    }

    /// Waits until everything handed over is written.
    pub fn finish(self) {
        drop(self.changes);
        if self.thread.join().is_err() {
            error!("the store's thread has panicked");
        }
    }
}

fn run(mut store: impl Store, changes: &Receiver<Change>) {
    while let Ok(first) = changes.recv() {
        let batch: Vec<Change> = std::iter::once(first).chain(changes.try_iter()).collect();
        if let Err(error) = store.commit(&batch) {
            error!(%error, changes = batch.len(), "cannot write to the store");
        }
    }
}
