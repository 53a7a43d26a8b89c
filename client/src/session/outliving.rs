//! Outliving the process: what the session has its journal remember, and what it takes from one.

use super::journal::{Saved, WallClock};
use super::*;
use crate::Draft;

impl Session {
    /// Goes on with what an earlier process has saved, and keeps a journal from here on.
    ///
    /// # Errors
    /// The file is another client's.
    pub(crate) fn outlive(
        &mut self,
        saved: Saved,
        clock: WallClock,
        now: Moment,
    ) -> Result<(), Error> {
        let given = &self.options.client_id;
        let is_ours = saved.client_id.as_str().is_empty()
            || given.as_str().is_empty()
            || *given == saved.client_id;
        if !is_ours {
            let message = format!("the session file is that of the client {}", saved.client_id);
            return Err(Error::new(ErrorKind::Store, message));
        }
        self.journal = Some(Journal::new(&saved, clock));
        if !saved.client_id.as_str().is_empty() {
            self.client_id = saved.client_id;
            self.memory = if saved.is_kept { Memory::Kept } else { Memory::Fresh };
        }
        for packet_id in saved.held {
            self.incoming.restore(packet_id);
        }
        for (key, mut one) in saved.messages {
            one.age(clock);
            let queued = Queued { message: one.message, report: Report::Failure, since: now, key };
            let result = match one.sent {
                Some((packet_id, stage)) => self.outgoing.restore(packet_id, stage, queued),
                None => Err(queued),
            };
            if let Err(queued) = result {
                self.queue.push_back(queued);
            }
        }
        // Identifiers of an earlier process must not lead astray.
        self.subscriptions.begin_identifiers_with(clock.unix_millis);
        Ok(())
    }

    /// Takes the records that were made since the last time.
    pub(crate) fn take_records(&mut self) -> Option<Vec<u8>> {
        self.journal.as_mut().filter(|journal| !journal.is_empty()).map(Journal::take)
    }

    /// Everything that a journal has to begin with, so that what came before can go.
    pub(crate) fn snapshot(&mut self) -> Vec<u8> {
        let Some(mut journal) = self.journal.take() else { return Vec::new() };
        journal.client(&self.client_id, self.memory == Memory::Kept);
        for (packet_id, entry) in self.outgoing.iter() {
            let queued = &entry.message;
            if queued.key == 0 {
                continue;
            }
            journal.message(queued.key, &queued.message.draft(), queued.since);
            journal.sent(queued.key, packet_id);
            if entry.stage == mqtt_protocol::delivery::Stage::AwaitPubComp {
                journal.released(queued.key);
            }
        }
        for queued in self.queue.iter().filter(|queued| queued.key != 0) {
            journal.message(queued.key, &queued.message.draft(), queued.since);
        }
        for packet_id in self.incoming.unreleased() {
            if !self.acks.owes_first_pubrec(packet_id) {
                journal.held(packet_id);
            }
        }
        let snapshot = journal.take();
        self.journal = Some(journal);
        snapshot
    }

    /// The file cannot be written: nothing can be promised any more, so all ends here.
    pub(crate) fn handle_store_failed(&mut self, error: Error, now: Moment) {
        self.journal = None;
        self.broken = Some(error.clone());
        match self.phase {
            Phase::Stopped => {}
            _ => {
                let ending = Ending::lost(self.is_connected(), error);
                self.end(Ending { is_final: true, ..ending }, now);
            }
        }
    }

    /// A message of the program's on its way into the session.
    pub(super) fn keep(&mut self, draft: &Draft<'_>, report: Report, now: Moment) -> Queued {
        let mut key = 0;
        if let Some(journal) = self.journal.as_mut().filter(|_| draft.qos != QoS::AtMostOnce) {
            key = journal.next_key();
            journal.message(key, draft, now);
        }
        Queued { message: draft.to_message(), report, since: now, key }
    }

    /// A message is over.
    pub(super) fn forget(&mut self, key: u64) {
        if let Some(journal) = self.journal.as_mut().filter(|_| key != 0) {
            journal.done(key);
        }
    }

    /// Whether a message stays for the next connection, or the next process.
    pub(super) fn outlives(&self, queued: &Queued) -> bool {
        self.journal.is_some() && queued.key != 0
    }

    /// What CONNECT is to ask for from here on.
    pub(super) fn remember(&mut self, memory: Memory) {
        self.memory = memory;
        if let Some(journal) = &mut self.journal {
            journal.client(&self.client_id, memory == Memory::Kept);
        }
    }
}
