//! Subscriptions: asked for, remembered, renewed, and what messages they lead to whom.

use std::collections::VecDeque;

use mqtt_protocol::{
    DecodeError, PacketId, RetainHandling, SubAck, SubscribeProperties, Subscription,
    SubscriptionIdentifier, SubscriptionIdentifiers, TopicFilter, TopicName, Unsubscribe,
    UnsubscribeProperties,
};

use super::*;
use crate::Attachment;
use crate::message::user_property_list;

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

/// All subscriptions, and the requests about them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    kept: Vec<Kept>,
    last_identifier: u32,
    /// Requests that were not sent on this connection.
    waiting: VecDeque<Request>,
    /// Requests whose answer has not come, in the order in which they were sent.
    pending: VecDeque<(PacketId, Request)>,
}

/// A subscription that was asked for.
#[derive(Clone, Debug)]
struct Kept {
    filter: Filter,
    route: Route,
    is_renewed: bool,
    /// Whether the server has said yes.
    is_confirmed: bool,
}

/// Where messages of a subscription lead.
#[derive(Clone, Debug, Default)]
struct Route {
    /// How the server is to name the subscription, if that is of use.
    identifier: Option<SubscriptionIdentifier>,
    attachment: Option<Attachment>,
    is_acknowledged_by_program: bool,
}

/// A filter with its options, kept.
#[derive(Clone, Debug)]
struct Filter {
    filter: OwnedText,
    maximum_qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
}

/// Something to ask the server.
#[derive(Debug)]
struct Request {
    purpose: Purpose,
    filters: Vec<Filter>,
    identifier: Option<SubscriptionIdentifier>,
    user_properties: Vec<(OwnedText, OwnedText)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The program subscribes.
    Subscribe(Option<Op>),
    /// The program unsubscribes.
    Unsubscribe(Option<Op>),
    /// The server has lost subscriptions that the program relies on.
    Renew,
    /// Answers to requests have to come somewhere.
    Answers,
}

/// How many subscribes and unsubscribes may be unanswered.
const MAXIMUM_REQUESTS: usize = 10_000;

/// How many filters are renewed with one packet.
const RENEWED_AT_ONCE: usize = 32;

impl Session {
    /// Subscribes, as soon as there is a connection.
    ///
    /// # Errors
    /// The session has stopped, or too many requests are unanswered.
    pub(crate) fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        is_reported: bool,
    ) -> Result<Op, Error> {
        self.check_request(subscribe.subscriptions.len())?;
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
        self.ask(Request {
            purpose: Purpose::Subscribe(is_reported.then_some(op)),
            filters,
            identifier: route.identifier,
            user_properties: subscribe.user_properties.clone(),
        });
        Ok(op)
    }

    /// Subscribes to where answers to requests come.
    pub(super) fn subscribe_for_requests(&mut self, filter: TopicFilter<'_>) -> Result<(), Error> {
        self.check_request(1)?;
        let filter = Filter::keep(&Subscription::new(filter, QoS::AtLeastOnce));
        self.subscriptions.keep(filter.clone(), Route::default(), true);
        self.ask(Request {
            purpose: Purpose::Answers,
            filters: vec![filter],
            identifier: None,
            user_properties: Vec::new(),
        });
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
    ) -> Result<Op, Error> {
        self.check_request(filters.len())?;
        let op = self.next_op();
        let keep =
            |filter: &TopicFilter<'_>| Filter::keep(&Subscription::new(*filter, QoS::AtMostOnce));
        self.ask(Request {
            purpose: Purpose::Unsubscribe(is_reported.then_some(op)),
            filters: filters.iter().map(keep).collect(),
            identifier: None,
            user_properties: Vec::new(),
        });
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

    fn ask(&mut self, request: Request) {
        if self.is_connected() {
            self.send_request(request);
        } else {
            self.subscriptions.waiting.push_back(request);
        }
    }

    /// A connection has begun: asks what waits, and renews what the server has lost.
    pub(super) fn resume_subscriptions(&mut self, session_present: bool) {
        if !session_present {
            for request in self.subscriptions.renewals() {
                self.send_request(request);
            }
        }
        self.send_requests();
    }

    /// Asks what waits.
    pub(super) fn send_requests(&mut self) {
        for request in std::mem::take(&mut self.subscriptions.waiting) {
            self.send_request(request);
        }
    }

    fn send_request(&mut self, request: Request) {
        if let Err(error) = self.check_offered(&request) {
            return self.fail_request(&request, &error);
        }
        let Some(packet_id) = self.free_id() else {
            return self.subscriptions.waiting.push_back(request);
        };
        let maximum = self.maximum_packet_size();
        let encoded = request.encode(packet_id, maximum, self.limits, self.outbox.bytes());
        match encoded {
            Ok(()) => self.subscriptions.pending.push_back((packet_id, request)),
            Err(_) if request.purpose == Purpose::Renew && request.filters.len() > 1 => {
                let (first, second) = request.halve();
                self.send_request(first);
                self.send_request(second);
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
        let Some(request) = self.subscriptions.answered(suback)? else { return Ok(()) };
        if let Purpose::Unsubscribe(_) = request.purpose {
            return Err(violation("SUBACK for an UNSUBSCRIBE"));
        }
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
        let Some(request) = self.subscriptions.answered(unsuback)? else { return Ok(()) };
        let Purpose::Unsubscribe(op) = request.purpose else {
            return Err(violation("UNSUBACK for a SUBSCRIBE"));
        };
        for (filter, reason) in request.filters.iter().zip(&unsuback.reasons) {
            if !reason.is_error() {
                self.subscriptions.forget(&filter.filter);
            }
        }
        let (result, reasons) = (outcome(unsuback), unsuback.reasons.clone());
        if op.is_some() || result.is_err() {
            self.events.push(Event::UnsubscribeDone { op, result, reasons });
        }
        Ok(())
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

impl Subscriptions {
    /// Whether nothing is unanswered.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.pending.is_empty()
    }

    /// Whether an unanswered request has this identifier.
    pub(super) fn uses(&self, packet_id: PacketId) -> bool {
        self.pending.iter().any(|(id, _)| *id == packet_id)
    }

    pub(super) fn is_running(&self, op: Op) -> bool {
        let requests = self.waiting.iter().chain(self.pending.iter().map(|(_, request)| request));
        requests.into_iter().any(|request| request.purpose.op() == Some(op))
    }

    /// The connection is gone: what was not answered is asked again on the next one.
    pub(super) fn disconnect(&mut self) {
        while let Some((_, request)) = self.pending.pop_back() {
            // What has to be renewed is found anew.
            if request.purpose != Purpose::Renew {
                self.waiting.push_front(request);
            }
        }
    }

    /// The subscriptions that a message without identifiers is for.
    pub(super) fn routes_by_topic(&self, topic: TopicName<'_>) -> (Vec<Attachment>, bool) {
        self.collect(|one| one.route.leads_somewhere() && one.filter.topic_filter().matches(topic))
    }

    /// The subscriptions that the server says a message is for.
    pub(super) fn routes_by_identifier(
        &self,
        identifiers: SubscriptionIdentifiers<'_>,
    ) -> (Vec<Attachment>, bool) {
        self.collect(|one| {
            let identifier = one.route.identifier;
            identifiers.iter().any(|of_message| Some(of_message) == identifier)
        })
    }

    fn collect(&self, is_meant: impl Fn(&Kept) -> bool) -> (Vec<Attachment>, bool) {
        let mut routes: Vec<Attachment> = Vec::new();
        let mut is_by_program = false;
        for kept in self.kept.iter().filter(|one| is_meant(one)) {
            is_by_program |= kept.route.is_acknowledged_by_program;
            if let Some(attachment) = &kept.route.attachment
                && !routes.iter().any(|other| std::sync::Arc::ptr_eq(&other.0, &attachment.0))
            {
                routes.push(attachment.clone());
            }
        }
        (routes, is_by_program)
    }

    /// Where messages shall lead; only a subscription that makes a difference gets an identifier.
    fn route(&mut self, subscribe: &Subscribe<'_>) -> Route {
        let mut route = Route {
            identifier: None,
            attachment: subscribe.attachment.clone(),
            is_acknowledged_by_program: subscribe.is_acknowledged_by_program,
        };
        if route.leads_somewhere() {
            self.last_identifier = self.last_identifier % LAST_IDENTIFIER + 1;
            route.identifier = SubscriptionIdentifier::new(self.last_identifier);
        }
        route
    }

    /// Remembers a subscription in place of an earlier one to the same filter.
    fn keep(&mut self, filter: Filter, route: Route, is_renewed: bool) {
        self.forget(&filter.filter);
        self.kept.push(Kept { filter, route, is_renewed, is_confirmed: false });
    }

    fn forget(&mut self, filter: &OwnedText) -> Option<Kept> {
        let index = self.kept.iter().position(|one| one.filter.filter == *filter)?;
        Some(self.kept.remove(index))
    }

    /// Takes the server's word on a subscription; gives it back if the word is no.
    fn confirm(&mut self, filter: &OwnedText, is_accepted: bool) -> Option<Kept> {
        if !is_accepted {
            return self.forget(filter);
        }
        if let Some(kept) = self.kept.iter_mut().find(|one| one.filter.filter == *filter) {
            kept.is_confirmed = true;
        }
        None
    }

    /// The request that is answered, if there is one. [MQTT-3.9.3-1] [MQTT-3.11.3-1]
    fn answered(&mut self, answer: &SubAck<'_>) -> Result<Option<Request>, DecodeError> {
        let position = self.pending.iter().position(|(id, _)| *id == answer.packet_id);
        let Some((_, request)) = position.and_then(|index| self.pending.remove(index)) else {
            return Ok(None);
        };
        if request.filters.len() != answer.reasons.len() {
            return Err(violation("an answer with another number of reason codes than filters"));
        }
        Ok(Some(request))
    }

    /// Requests for what the server had accepted and has lost; what is not to be renewed is forgotten.
    fn renewals(&mut self) -> Vec<Request> {
        self.kept.retain(|one| one.is_renewed || !one.is_confirmed);
        let mut requests: Vec<Request> = Vec::new();
        for kept in self.kept.iter().filter(|one| one.is_confirmed) {
            let identifier = kept.route.identifier;
            match requests.last_mut() {
                Some(last)
                    if last.identifier == identifier && last.filters.len() < RENEWED_AT_ONCE =>
                {
                    last.filters.push(kept.filter.clone());
                }
                _ => requests.push(Request {
                    purpose: Purpose::Renew,
                    filters: vec![kept.filter.clone()],
                    identifier,
                    user_properties: Vec::new(),
                }),
            }
        }
        requests
    }
}

/// The largest subscription identifier.
const LAST_IDENTIFIER: u32 = 268_435_455;

impl Route {
    fn leads_somewhere(&self) -> bool {
        self.attachment.is_some() || self.is_acknowledged_by_program
    }
}

impl Purpose {
    fn op(self) -> Option<Op> {
        match self {
            Self::Subscribe(op) | Self::Unsubscribe(op) => op,
            Self::Renew | Self::Answers => None,
        }
    }
}

impl Filter {
    fn keep(subscription: &Subscription<'_>) -> Self {
        Self {
            filter: OwnedText::new(subscription.filter.as_str()).unwrap_or_default(),
            maximum_qos: subscription.maximum_qos,
            no_local: subscription.no_local,
            retain_as_published: subscription.retain_as_published,
            retain_handling: subscription.retain_handling,
        }
    }

    fn topic_filter(&self) -> TopicFilter<'_> {
        TopicFilter::new(self.filter.as_str()).expect("it was made from a topic filter")
    }

    fn subscription(&self) -> Subscription<'_> {
        Subscription {
            filter: self.topic_filter(),
            maximum_qos: self.maximum_qos,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: self.retain_handling,
        }
    }
}

impl Request {
    fn encode(
        &self,
        packet_id: PacketId,
        maximum: usize,
        limits: Option<Limits>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), mqtt_protocol::PacketTooLarge> {
        let has_identifiers = limits.is_none_or(|limits| limits.has_subscription_identifiers);
        let user_properties = user_property_list(&self.user_properties);
        let user_properties = user_properties.view();
        let packet = match self.purpose {
            Purpose::Unsubscribe(_) => Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties: UnsubscribeProperties { user_properties },
                filters: self.filters.iter().map(Filter::topic_filter).collect(),
            }),
            _ => Packet::Subscribe(mqtt_protocol::Subscribe {
                packet_id,
                properties: SubscribeProperties {
                    subscription_identifier: self.identifier.filter(|_| has_identifiers),
                    user_properties,
                },
                subscriptions: self.filters.iter().map(Filter::subscription).collect(),
            }),
        };
        packet.encode_within(maximum, bytes)
    }

    fn halve(mut self) -> (Self, Self) {
        let second = Self {
            purpose: self.purpose,
            filters: self.filters.split_off(self.filters.len() / 2),
            identifier: self.identifier,
            user_properties: self.user_properties.clone(),
        };
        (self, second)
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
