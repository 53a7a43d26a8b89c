//! Publishing: from the program's call to the one outcome of each message.

use std::sync::Arc;

use mqtt_protocol::delivery::{AcknowledgedQoS, PubRecOutcome, Stage};
use mqtt_protocol::{
    Ack, Delivery, EncodeError, PacketId, Publish, PublishProperties, SubscriptionIdentifiers,
    TopicFilter, UserPropertyList,
};

use super::requests::{Awaited, deadline};
use super::*;
use crate::{Attachment, Draft, Message, older};

/// A request: a message that asks for an answer.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The message. Without a response topic or correlation data, it gets them.
    pub message: &'a Message,
    /// How long to wait for the answer; `None` for as long as it takes.
    pub timeout: Option<Duration>,
    /// What comes back with the answer.
    pub attachment: Option<Attachment>,
}

impl Session {
    /// Publishes a message: sends it at once or puts it in the queue.
    ///
    /// # Errors
    /// The queue is full, the session has stopped, or the server would not take the message. Then
    /// there is no operation.
    pub(crate) fn publish(
        &mut self,
        draft: &Draft<'_>,
        is_reported: bool,
        now: Moment,
    ) -> Result<Op, Error> {
        older::check_message(self.version(), draft)?;
        let op = self.next_op();
        let report = if is_reported { Report::Always(op) } else { Report::Failure };
        self.enqueue(draft, report, now)?;
        Ok(op)
    }

    /// Publishes a request, and subscribes to where its answer comes.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish), or its correlation data are those of another request.
    pub(crate) fn request(&mut self, request: Request<'_>, now: Moment) -> Result<Op, Error> {
        older::check_request(self.version())?;
        if self.requests.is_full() {
            return Err(Error::new(ErrorKind::Full, "too many requests are running"));
        }
        let mut message = request.message.clone();
        message.attachment = None;
        let properties = message.properties_mut();
        let correlation = match &properties.correlation {
            Some(correlation) if self.requests.is_awaited(correlation) => {
                let detail = "a request with this correlation data is running";
                return Err(Error::new(ErrorKind::State, detail));
            }
            Some(correlation) => correlation.clone(),
            None => self.requests.new_correlation(),
        };
        properties.correlation = Some(correlation.clone());
        let private = self.requests.private_topic().clone();
        let is_private = properties.response_topic.is_none();
        let topic = properties.response_topic.get_or_insert(private).clone();

        let op = self.next_op();
        if is_private {
            self.subscribe_to_answers(&topic, now)?;
        }
        self.enqueue(&message.draft(), Report::Request(op), now)?;
        let deadline = deadline(request.timeout, now);
        self.requests.insert(correlation, topic, deadline, op, request.attachment);
        Ok(op)
    }

    fn subscribe_to_answers(&mut self, topic: &OwnedText, now: Moment) -> Result<(), Error> {
        if self.requests.needs_subscription() {
            let filter = TopicFilter::new(topic.as_str())?;
            self.subscribe_for_requests(filter, now)?;
        }
        Ok(())
    }

    fn enqueue(&mut self, draft: &Draft<'_>, report: Report, now: Moment) -> Result<(), Error> {
        if self.is_connected() {
            check_limits(self.limits, draft.qos, draft.retain)?;
        }
        match self.phase {
            Phase::Connected if self.queue.is_empty() && self.outbox.has_room() => {
                match AcknowledgedQoS::new(draft.qos) {
                    None => return self.send_at_most_once(draft, draft.expiry_secs(), report),
                    Some(qos) if self.window_has_room() => {
                        let queued = self.keep(draft, report, now);
                        let key = queued.key;
                        return self.begin(qos, queued, now).inspect_err(|_| self.forget(key));
                    }
                    Some(_) => {}
                }
            }
            Phase::Connected => {}
            Phase::Stopped | Phase::Leaving { .. } | Phase::Closing { .. } => {
                return Err(Error::new(ErrorKind::State, "the client has disconnected"));
            }
            _ if draft.qos == QoS::AtMostOnce && !self.options.queue.holds_qos_0 => {
                return Err(Error::new(ErrorKind::State, "the client is not connected"));
            }
            _ => {}
        }
        let mut dropped = Vec::new();
        let queued = self.keep(draft, report, now);
        let key = queued.key;
        let result = self.queue.push(queued, |oldest| dropped.push(oldest));
        for oldest in dropped {
            self.counts.dropped += 1;
            let error = Error::new(ErrorKind::Dropped, "given up for a newer message");
            self.finish(oldest, Err(error), now);
        }
        result.inspect_err(|_| self.forget(key))
    }

    /// Takes back an operation that was not begun to be sent; its outcome is that it was cancelled.
    ///
    /// # Errors
    /// It is on its way, or over, or unknown.
    pub(crate) fn cancel(&mut self, op: Op, now: Moment) -> Result<(), Error> {
        let error = || Error::new(ErrorKind::Cancelled, "cancelled");
        if self.cancel_request(op) {
            return Ok(());
        }
        let queued = self.queue.take(op);
        // A request that was sent can be forgotten, too: nobody waits for its answer.
        if let Some(awaited) = self.requests.take_op(op) {
            if let Some(queued) = queued {
                self.forget(queued.key);
            }
            self.reply(awaited, Err(error()));
            return Ok(());
        }
        if let Some(queued) = queued {
            self.finish(queued, Err(error()), now);
            return Ok(());
        }
        Err(match self.is_running(op) {
            true => Error::new(ErrorKind::State, "the operation is on its way already"),
            false => Error::new(ErrorKind::NotFound, "the operation is over or unknown"),
        })
    }

    /// Sends what waits in the queue, as far as the outbox and the server's window have room.
    pub(super) fn send_queued(&mut self, now: Moment) {
        if !self.is_connected() {
            return;
        }
        self.send_requests(now);
        self.resend(now);
        while self.outbox.has_room() {
            let Some(front) = self.queue.front() else { break };
            let acknowledged = AcknowledgedQoS::new(front.message.qos);
            if acknowledged.is_some() && !self.window_has_room() {
                break;
            }
            if let Some(queued) = self.queue.pop() {
                self.send_from_queue(queued, acknowledged, now);
            }
        }
        if self.queue.became_writable() {
            self.events.push(Event::Writable);
        }
    }

    fn send_from_queue(
        &mut self,
        queued: Queued,
        acknowledged: Option<AcknowledgedQoS>,
        now: Moment,
    ) {
        let (report, key) = (queued.report, queued.key);
        let attachment = queued.message.attachment.clone();
        let result = if queued.is_expired(now) {
            Err(Error::new(ErrorKind::Expired, "expired before it could be sent"))
        } else if let Err(error) =
            check_limits(self.limits, queued.message.qos, queued.message.retain)
        {
            Err(error)
        } else if let Some(qos) = acknowledged {
            self.begin(qos, queued, now)
        } else {
            let expiry = queued.expiry_left(now);
            self.send_at_most_once(&queued.message.draft(), expiry, report)
        };
        if let Err(error) = result {
            self.forget(key);
            self.finish_publish(report, attachment, Err(error), now);
        }
    }

    /// Writes a QoS 0 message: it is done when the socket has it. [MQTT-4.3.1-1]
    fn send_at_most_once(
        &mut self,
        draft: &Draft<'_>,
        expiry_secs: Option<u32>,
        report: Report,
    ) -> Result<(), Error> {
        self.write_publish(Delivery::AtMostOnce, draft, expiry_secs)?;
        if let Report::Always(op) = report {
            self.outbox.mark(op, draft.attachment.cloned());
        }
        Ok(())
    }

    /// Begins an exchange; the window has room.
    fn begin(&mut self, qos: AcknowledgedQoS, queued: Queued, now: Moment) -> Result<(), Error> {
        let delivery = qos.delivery(self.outgoing.next_id());
        let expiry = queued.expiry_left(now);
        self.write_publish(delivery, &queued.message.draft(), expiry)?;
        let key = queued.key;
        let begun = self.outgoing.begin(qos, queued);
        debug_assert!(begun.is_ok(), "the window has room");
        if let (Some(journal), Ok(packet_id)) = (&mut self.journal, begun)
            && key != 0
        {
            journal.sent(key, packet_id);
        }
        Ok(())
    }

    /// Whether an exchange can begin, with an identifier that is free. [MQTT-2.2.1-3]
    fn window_has_room(&mut self) -> bool {
        while self.subscriptions.uses(self.outgoing.next_id()) {
            if self.outgoing.skip_id().is_none() {
                return false;
            }
        }
        self.outgoing.has_room()
    }

    fn write_publish(
        &mut self,
        delivery: Delivery,
        draft: &Draft<'_>,
        expiry_secs: Option<u32>,
    ) -> Result<(), Error> {
        let form = (self.version(), self.maximum_packet_size());
        let bytes = self.outbox.bytes();
        write_publish(bytes, &mut self.sent_aliases, form, delivery, draft, expiry_secs)?;
        self.counts.sent += 1;
        Ok(())
    }

    /// Sends again what an earlier connection left unfinished, in its order. [MQTT-4.4.0-1]
    fn resend(&mut self, now: Moment) {
        while self.outbox.has_room() {
            let form = (self.version(), self.maximum_packet_size());
            let limits = self.limits;
            let Some((delivery, queued)) = self.outgoing.resend() else { break };
            // It was sent before, so it is not for this end to let it expire. [MQTT-4.3.3-7]
            let expiry = queued.expiry_left(now).map(|left| left.max(1));
            let draft = queued.message.draft();
            let (bytes, aliases) = (self.outbox.bytes(), &mut self.sent_aliases);
            let result = check_limits(limits, draft.qos, draft.retain)
                .and_then(|()| Ok(write_publish(bytes, aliases, form, delivery, &draft, expiry)?));
            if let Err(error) = result
                && let Some(queued) = delivery.packet_id().and_then(|id| self.outgoing.abandon(id))
            {
                self.finish(queued, Err(error), now);
            }
        }
    }

    /// Sends PUBREL again for what an earlier connection left unfinished. [MQTT-4.4.0-1]
    pub(super) fn resend_releases(&mut self) {
        let releases: Vec<PacketId> = self.outgoing.releases_to_resend().collect();
        for packet_id in releases {
            self.send(Packet::PubRel(Ack::new(packet_id, ReasonCode::Success)));
        }
    }

    /// Takes a PUBACK.
    pub(super) fn handle_puback(&mut self, ack: &Ack<'_>, now: Moment) {
        if let Some(queued) = self.outgoing.puback(ack.packet_id) {
            self.finish(queued, outcome(ack), now);
        }
    }

    /// Takes a PUBREC, and answers it with PUBREL unless it is a refusal. [MQTT-4.3.3-4]
    pub(super) fn handle_pubrec(&mut self, ack: &Ack<'_>, now: Moment) {
        let release = match self.outgoing.pubrec(ack.packet_id, ack.reason) {
            PubRecOutcome::Release(queued) => {
                if let Some(journal) = self.journal.as_mut().filter(|_| queued.key != 0) {
                    journal.released(queued.key);
                }
                ReasonCode::Success
            }
            PubRecOutcome::Refused(queued) => return self.finish(queued, outcome(ack), now),
            PubRecOutcome::Unknown if ack.reason.is_error() => return,
            PubRecOutcome::Unknown => ReasonCode::PacketIdentifierNotFound,
        };
        // In the order of the PUBRECs. [MQTT-4.6.0-4]
        self.send(Packet::PubRel(Ack::new(ack.packet_id, release)));
    }

    /// Takes a PUBCOMP. With PUBREC the server has taken the message over; that it has forgotten
    /// the exchange since is no failure.
    pub(super) fn handle_pubcomp(&mut self, ack: &Ack<'_>, now: Moment) {
        if let Some(queued) = self.outgoing.pubcomp(ack.packet_id) {
            self.finish(queued, Ok(ReasonCode::Success), now);
        }
    }

    /// The shell has written so many bytes of this connection; `stamp` was taken before.
    pub(crate) fn handle_written(&mut self, written: u64, stamp: Moment) {
        while let Some(mark) = self.outbox.next_written(written) {
            let report = Report::Always(mark.op);
            self.finish_publish(report, mark.attachment, Ok(ReasonCode::Success), stamp);
        }
    }

    /// The session at the server is gone. What it had not acknowledged is published anew, but for QoS
    /// 2 messages: whether they have arrived is not known, and they must not arrive twice.
    pub(super) fn requeue_in_flight(&mut self) {
        let in_flight: Vec<_> = self.outgoing.drain().collect();
        for (_, entry) in in_flight.into_iter().rev() {
            let queued = entry.message;
            let result = match entry.stage {
                Stage::AwaitPubAck => {
                    self.queue.push_front(queued);
                    continue;
                }
                Stage::AwaitPubRec => Err(Error::new(
                    ErrorKind::Lost,
                    "the server lost its session, and whether the message has arrived is not known",
                )),
                // With PUBREC the server has taken the message over.
                Stage::AwaitPubComp => Ok(ReasonCode::Success),
            };
            self.finish(queued, result, Moment::default());
        }
    }

    /// Ends all that is unfinished, but for what outlives the process.
    pub(super) fn fail_publishes(&mut self, cause: &Error) {
        let in_flight: Vec<_> = match self.journal {
            // With a journal, all that is in flight outlives the process.
            Some(_) => Vec::new(),
            None => self.outgoing.drain().collect(),
        };
        // An identifier the server remembers must not name another message.
        let is_qos_2 = |queued: &Queued| queued.message.qos == QoS::ExactlyOnce;
        if in_flight.iter().any(|(_, entry)| is_qos_2(&entry.message)) {
            self.memory = Memory::Fresh;
        }
        let waiting: Vec<Queued> = std::iter::from_fn(|| self.queue.pop()).collect();
        for queued in in_flight.into_iter().map(|(_, entry)| entry.message).chain(waiting) {
            if self.outlives(&queued) {
                self.queue.push_back(queued);
            } else {
                self.finish(queued, Err(cause.clone()), Moment::default());
            }
        }
    }

    /// Ends a message that was kept.
    fn finish(&mut self, queued: Queued, result: Result<ReasonCode, Error>, timestamp: Moment) {
        self.forget(queued.key);
        self.finish_publish(queued.report, queued.message.attachment, result, timestamp);
    }

    /// The one outcome of a message.
    pub(super) fn finish_publish(
        &mut self,
        report: Report,
        attachment: Option<Attachment>,
        result: Result<ReasonCode, Error>,
        timestamp: Moment,
    ) {
        let op = match (report, &result) {
            (Report::Always(op), _) => Some(op),
            (Report::Failure, Err(_)) => None,
            (Report::Failure, Ok(_)) | (Report::Request(_), Ok(_)) => return,
            (Report::Request(op), Err(error)) => {
                let error = error.clone();
                if let Some(awaited) = self.requests.take_op(op) {
                    self.reply(awaited, Err(error));
                }
                return;
            }
        };
        self.events.push(Event::PublishDone { op, result, attachment, timestamp });
    }

    /// The one outcome of a request.
    pub(super) fn reply(&mut self, awaited: Awaited, result: Result<Arc<Message>, Error>) {
        let Awaited { op, attachment, .. } = awaited;
        self.events.push(Event::Reply { op, result, attachment });
    }
}

/// What the server does not offer is not sent. [MQTT-3.2.2-11] [MQTT-3.2.2-14]
fn check_limits(limits: Option<Limits>, qos: QoS, retain: bool) -> Result<(), Error> {
    match limits {
        Some(limits) if qos > limits.maximum_qos => {
            Err(Error::unsupported(ReasonCode::QoSNotSupported))
        }
        Some(limits) if retain && !limits.has_retain => {
            Err(Error::unsupported(ReasonCode::RetainNotSupported))
        }
        _ => Ok(()),
    }
}

fn write_publish(
    bytes: &mut Vec<u8>,
    aliases: &mut SentAliases,
    (version, maximum): (Version, usize),
    delivery: Delivery,
    draft: &Draft<'_>,
    expiry_secs: Option<u32>,
) -> Result<(), EncodeError> {
    let user = draft.properties.map_or_else(UserPropertyList::new, |properties| {
        crate::message::user_property_list(&properties.user)
    });
    let properties = draft.properties.map_or_else(PublishProperties::default, |properties| {
        properties.publish_properties(expiry_secs, &user)
    });
    let topic = aliases.choose(draft.topic);
    // [MQTT-3.3.4-6]
    let packet = Packet::Publish(Publish {
        delivery,
        retain: draft.retain,
        topic,
        properties,
        subscription_identifiers: SubscriptionIdentifiers::NONE,
        payload: draft.payload,
    });
    packet.encode_as(version, maximum, bytes).inspect_err(|_| aliases.forget(topic))
}

/// What an acknowledgement says about its message.
fn outcome(ack: &Ack<'_>) -> Result<ReasonCode, Error> {
    if ack.reason.is_error() {
        let detail = ack.properties.reason_string.map(mqtt_protocol::Text::as_str);
        return Err(Error::refused(ack.reason, detail));
    }
    Ok(ack.reason)
}
