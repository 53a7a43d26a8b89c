//! Subscribing and unsubscribing: from the program's call to the server's answer.

use mqtt_protocol::{DecodeError, PacketId, PacketType, SubAck, Subscription, TopicFilter};

use super::subscriptions::{Filter, Purpose, Request, Route};
use super::*;
use crate::{Attachment, older};

/// A wish to receive messages.
#[derive(Clone, Debug)]
pub struct Subscribe<'a> {
    /// The filters with their options; at least one.
    pub subscriptions: Vec<Subscription<'a>>,
    /// Names and values of the program's own.
    pub user_properties: Vec<(OwnedText, OwnedText)>,
    /// What comes back with each message.
    pub attachment: Option<Attachment>,
    /// Whether the program acknowledges each message itself.
    pub is_acknowledged_by_program: bool,
    /// Whether the subscription is renewed when the server has lost the session.
    pub is_renewed: bool,
}

impl<'a> Subscribe<'a> {
    /// A subscription to one filter with the default options.
    pub fn new(filter: TopicFilter<'a>, maximum_qos: QoS) -> Self {
        Self {
            subscriptions: vec![Subscription::new(filter, maximum_qos)],
            user_properties: Vec::new(),
            attachment: None,
            is_acknowledged_by_program: false,
            is_renewed: true,
        }
    }
}

/// How many subscribes and unsubscribes may be unanswered.
const MAXIMUM_REQUESTS: usize = 10_000;

impl Session {
    /// Subscribes, as soon as there is a connection.
    ///
    /// # Errors
    /// The session has stopped, or too many requests are unanswered.
    pub(crate) fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        is_reported: bool,
        now: Moment,
    ) -> Result<Op, Error> {
        self.check_request(subscribe.subscriptions.len())?;
        older::check_subscribe(self.version(), subscribe)?;
        if subscribe
            .subscriptions
            .iter()
            .any(|one| one.no_local && one.filter.share_name().is_some())
        {
            // [MQTT-3.8.3-4]
            let detail = "a shared subscription cannot leave out local messages";
            return Err(Error::new(ErrorKind::Argument, detail));
        }
        let op = self.next_op();
        let route = self.subscriptions.route(subscribe);
        let filters: Vec<Filter> = subscribe.subscriptions.iter().map(Filter::keep).collect();
        for filter in &filters {
            self.subscriptions.keep(filter.clone(), route.clone(), subscribe.is_renewed);
        }
        self.ask(
            Request {
                purpose: Purpose::Subscribe(is_reported.then_some(op)),
                filters,
                identifier: route.identifier,
                user_properties: subscribe.user_properties.clone(),
                deadline: None,
            },
            now,
        );
        Ok(op)
    }

    /// Subscribes to where answers to requests come.
    pub(super) fn subscribe_for_requests(
        &mut self,
        filter: TopicFilter<'_>,
        now: Moment,
    ) -> Result<(), Error> {
        self.check_request(1)?;
        let filter = Filter::keep(&Subscription::new(filter, QoS::AtLeastOnce));
        self.subscriptions.keep(filter.clone(), Route::default(), true);
        self.ask(
            Request {
                purpose: Purpose::Answers,
                filters: vec![filter],
                identifier: None,
                user_properties: Vec::new(),
                deadline: None,
            },
            now,
        );
        Ok(())
    }

    /// Unsubscribes, as soon as there is a connection.
    ///
    /// # Errors
    /// The session has stopped, or too many requests are unanswered.
    pub(crate) fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        is_reported: bool,
        now: Moment,
    ) -> Result<Op, Error> {
        self.check_request(filters.len())?;
        let op = self.next_op();
        let keep =
            |filter: &TopicFilter<'_>| Filter::keep(&Subscription::new(*filter, QoS::AtMostOnce));
        self.ask(
            Request {
                purpose: Purpose::Unsubscribe(is_reported.then_some(op)),
                filters: filters.iter().map(keep).collect(),
                identifier: None,
                user_properties: Vec::new(),
                deadline: None,
            },
            now,
        );
        Ok(op)
    }

    fn check_request(&self, filters: usize) -> Result<(), Error> {
        if filters == 0 {
            return Err(Error::new(ErrorKind::Argument, "at least one filter is needed"));
        }
        if self.subscriptions.waiting.len() + self.subscriptions.pending.len() >= MAXIMUM_REQUESTS {
            return Err(Error::new(ErrorKind::Full, "too many subscribes are unanswered"));
        }
        match self.phase {
            Phase::Stopped | Phase::Leaving { .. } | Phase::Closing { .. } => {
                Err(Error::new(ErrorKind::State, "the client has disconnected"))
            }
            _ => Ok(()),
        }
    }

    fn ask(&mut self, request: Request, now: Moment) {
        if self.is_connected() {
            self.send_request(request, now);
        } else {
            self.subscriptions.waiting.push_back(request);
        }
    }

    /// A connection has begun: asks what waits, and renews what the server has lost.
    pub(super) fn resume_subscriptions(&mut self, session_present: bool, now: Moment) {
        if !session_present {
            for request in self.subscriptions.renewals() {
                self.send_request(request, now);
            }
        }
        self.send_requests(now);
    }

    /// Asks what waits.
    pub(super) fn send_requests(&mut self, now: Moment) {
        for request in std::mem::take(&mut self.subscriptions.waiting) {
            self.send_request(request, now);
        }
    }

    fn send_request(&mut self, mut request: Request, now: Moment) {
        if let Err(error) = self.check_offered(&request) {
            return self.fail_request(&request, &error);
        }
        let Some(packet_id) = self.free_id() else {
            return self.subscriptions.waiting.push_back(request);
        };
        let form = (self.version(), self.maximum_packet_size());
        let encoded = request.encode(packet_id, form, self.limits, self.outbox.bytes());
        match encoded {
            Ok(()) => {
                let is_awaited =
                    matches!(request.purpose, Purpose::Subscribe(_) | Purpose::Unsubscribe(_));
                request.deadline = is_awaited.then(|| now + self.options.answer_timeout);
                self.subscriptions.pending.push_back((packet_id, request));
            }
            Err(_) if request.purpose == Purpose::Renew && request.filters.len() > 1 => {
                let (first, second) = request.halve();
                self.send_request(first, now);
                self.send_request(second, now);
            }
            Err(too_large) => self.fail_request(&request, &too_large.into()),
        }
    }

    /// What the server does not offer is not asked for.
    fn check_offered(&self, request: &Request) -> Result<(), Error> {
        let Some(limits) = self.limits else { return Ok(()) };
        let filters = || request.filters.iter().map(Filter::topic_filter);
        if !limits.has_wildcards && filters().any(TopicFilter::has_wildcard) {
            return Err(Error::unsupported(ReasonCode::WildcardSubscriptionsNotSupported));
        }
        if !limits.has_shared_subscriptions && filters().any(|one| one.share_name().is_some()) {
            return Err(Error::unsupported(ReasonCode::SharedSubscriptionsNotSupported));
        }
        Ok(())
    }

    /// An identifier that names nothing else, if there is one. [MQTT-2.2.1-3]
    fn free_id(&mut self) -> Option<PacketId> {
        loop {
            let packet_id = self.outgoing.skip_id()?;
            if !self.subscriptions.uses(packet_id) {
                return Some(packet_id);
            }
        }
    }

    /// Takes a SUBACK.
    pub(super) fn handle_suback(&mut self, suback: &SubAck<'_>) -> Result<(), DecodeError> {
        let answered = self.subscriptions.answered(PacketType::SubAck, suback)?;
        let Some(request) = answered else { return Ok(()) };
        for (filter, reason) in request.filters.iter().zip(&suback.reasons) {
            let lost = self.subscriptions.confirm(&filter.filter, !reason.is_error());
            if let (Some(lost), Purpose::Renew) = (lost, request.purpose) {
                self.events.push(Event::SubscriptionLost {
                    filter: filter.filter.clone(),
                    reason: *reason,
                    attachment: lost.route.attachment,
                });
            }
        }
        let result = outcome(suback);
        match request.purpose {
            Purpose::Subscribe(op) if op.is_some() || result.is_err() => {
                self.events.push(Event::SubscribeDone {
                    op,
                    result,
                    reasons: suback.reasons.clone(),
                });
            }
            Purpose::Answers => {
                if let Err(error) = result {
                    self.no_answers(&error);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes an UNSUBACK.
    pub(super) fn handle_unsuback(&mut self, unsuback: &SubAck<'_>) -> Result<(), DecodeError> {
        let answered = self.subscriptions.answered(PacketType::UnsubAck, unsuback)?;
        let Some(request) = answered else { return Ok(()) };
        let op = request.purpose.op();
        // Before version 5.0 UNSUBACK says yes without a code.
        let mut reasons = unsuback.reasons.clone();
        reasons.resize(request.filters.len(), ReasonCode::Success);
        for (filter, reason) in request.filters.iter().zip(&reasons) {
            if !reason.is_error() {
                self.subscriptions.forget(&filter.filter);
            }
        }
        let result = outcome(unsuback);
        if op.is_some() || result.is_err() {
            self.events.push(Event::UnsubscribeDone { op, result, reasons });
        }
        Ok(())
    }

    /// Tells the program of requests that the server has not answered in time. It may yet do what it was
    /// asked for.
    pub(super) fn fail_unanswered(&mut self, now: Moment) {
        for late in self.subscriptions.take_late(now) {
            let error = Error::new(ErrorKind::Timeout, "the server did not answer in time");
            self.fail_request(&late, &error);
        }
    }

    /// Takes back a request that was not sent. Tells whether it was there.
    pub(super) fn cancel_request(&mut self, op: Op) -> bool {
        let Some(request) = self.subscriptions.take_waiting(op) else { return false };
        self.fail_request(&request, &Error::new(ErrorKind::Cancelled, "cancelled"));
        true
    }

    /// Ends every request about subscriptions; what the server has confirmed stays remembered.
    pub(super) fn fail_subscriptions(&mut self, cause: &Error) {
        self.subscriptions.disconnect();
        for request in std::mem::take(&mut self.subscriptions.waiting) {
            self.fail_request(&request, cause);
        }
    }

    fn fail_request(&mut self, request: &Request, error: &Error) {
        let (result, reasons) = (Err(error.clone()), Vec::new());
        match request.purpose {
            Purpose::Subscribe(op) => {
                for filter in &request.filters {
                    self.subscriptions.confirm(&filter.filter, false);
                }
                self.events.push(Event::SubscribeDone { op, result, reasons });
            }
            Purpose::Unsubscribe(op) => {
                self.events.push(Event::UnsubscribeDone { op, result, reasons });
            }
            Purpose::Answers => {
                for filter in &request.filters {
                    self.subscriptions.confirm(&filter.filter, false);
                }
                self.no_answers(error);
            }
            Purpose::GivenUp => {}
            Purpose::Renew => {
                for filter in &request.filters {
                    if let Some(lost) = self.subscriptions.forget(&filter.filter) {
                        self.events.push(Event::SubscriptionLost {
                            filter: filter.filter.clone(),
                            reason: error.reason.unwrap_or(ReasonCode::UnspecifiedError),
                            attachment: lost.route.attachment,
                        });
                    }
                }
            }
        }
    }

    /// Answers cannot come.
    fn no_answers(&mut self, error: &Error) {
        self.requests.unsubscribed();
        for awaited in self.requests.take_private() {
            self.reply(awaited, Err(error.clone()));
        }
    }
}

/// What an answer says on the whole: no if it says no to each filter.
fn outcome(answer: &SubAck<'_>) -> Result<(), Error> {
    match answer.reasons.first() {
        Some(first) if answer.reasons.iter().all(|reason| reason.is_error()) => {
            let detail = answer.properties.reason_string.map(mqtt_protocol::Text::as_str);
            Err(Error::refused(*first, detail))
        }
        _ => Ok(()),
    }
}
