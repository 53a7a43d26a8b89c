//! Subscriptions that were asked for, the requests about them, and where messages lead.

use std::collections::VecDeque;
use std::sync::Arc;

use mqtt_protocol::{
    DecodeError, EncodeError, Packet, PacketId, PacketType, QoS, RetainHandling, SubAck,
    SubscribeProperties, Subscription, SubscriptionIdentifier, SubscriptionIdentifiers,
    TopicFilter, TopicName, Unsubscribe, UnsubscribeProperties, Version,
};

use super::subscribe::Subscribe;
use super::{Limits, violation};
use crate::message::user_property_list;
use crate::{Attachment, Moment, Op, OwnedText};

/// All subscriptions, and the requests about them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    kept: Vec<Kept>,
    last_identifier: u32,
    /// Requests that were not sent on this connection.
    pub(super) waiting: VecDeque<Request>,
    /// Requests whose answer has not come, in the order in which they were sent.
    pub(super) pending: VecDeque<(PacketId, Request)>,
}

/// A subscription that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) filter: Filter,
    pub(super) route: Route,
    is_renewed: bool,
    /// Whether the server has said yes.
    is_confirmed: bool,
}

/// Where messages of a subscription lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    /// How the server is to name the subscription, if that is of use.
    pub(super) identifier: Option<SubscriptionIdentifier>,
    pub(super) attachment: Option<Attachment>,
    pub(super) is_acknowledged_by_program: bool,
}

/// A filter with its options, kept.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) filter: OwnedText,
    maximum_qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
}

/// Something to ask the server.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) purpose: Purpose,
    pub(super) filters: Vec<Filter>,
    pub(super) identifier: Option<SubscriptionIdentifier>,
    pub(super) user_properties: Vec<(OwnedText, OwnedText)>,
    /// When the program waits no longer for the answer; `None` if it does not wait.
    pub(super) deadline: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The program subscribes.
    Subscribe(Option<Op>),
    /// The program unsubscribes.
    Unsubscribe(Option<Op>),
    /// The server has lost subscriptions that the program relies on.
    Renew,
    /// Answers to requests have to come somewhere.
    Answers,
    /// The program has been told that no answer came in time. What comes yet is not for it.
    GivenUp,
}

/// How many filters are renewed with one packet.
const RENEWED_AT_ONCE: usize = 32;

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
            if !matches!(request.purpose, Purpose::Renew | Purpose::GivenUp) {
                self.waiting.push_front(request);
            }
        }
    }

    /// Whether no subscription makes a difference to its messages.
    pub(super) fn lead_nowhere(&self) -> bool {
        !self.kept.iter().any(|one| one.route.leads_somewhere())
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
                && !routes.iter().any(|other| Arc::ptr_eq(&other.0, &attachment.0))
            {
                routes.push(attachment.clone());
            }
        }
        (routes, is_by_program)
    }

    /// Where messages shall lead; only a subscription that makes a difference gets an identifier.
    pub(super) fn route(&mut self, subscribe: &Subscribe<'_>) -> Route {
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

    /// Begins with identifiers that an earlier process hardly has used.
    pub(super) fn begin_identifiers_with(&mut self, seed: u64) {
        self.last_identifier = (seed % u64::from(LAST_IDENTIFIER)) as u32;
    }

    /// Remembers a subscription in place of an earlier one to the same filter.
    pub(super) fn keep(&mut self, filter: Filter, route: Route, is_renewed: bool) {
        self.forget(&filter.filter);
        self.kept.push(Kept { filter, route, is_renewed, is_confirmed: false });
    }

    pub(super) fn forget(&mut self, filter: &OwnedText) -> Option<Kept> {
        let index = self.kept.iter().position(|one| one.filter.filter == *filter)?;
        Some(self.kept.remove(index))
    }

    /// Takes the server's word on a subscription; gives it back if the word is no.
    pub(super) fn confirm(&mut self, filter: &OwnedText, is_accepted: bool) -> Option<Kept> {
        if !is_accepted {
            return self.forget(filter);
        }
        if let Some(kept) = self.kept.iter_mut().find(|one| one.filter.filter == *filter) {
            kept.is_confirmed = true;
        }
        None
    }

    /// The request that is answered, if there is one. [MQTT-3.9.3-1] [MQTT-3.11.3-1]
    ///
    /// # Errors
    /// The answer does not fit it; then it stays unanswered.
    pub(super) fn answered(
        &mut self,
        kind: PacketType,
        answer: &SubAck<'_>,
    ) -> Result<Option<Request>, DecodeError> {
        let mut pending = self.pending.iter().enumerate();
        let found = pending.find(|(_, (packet_id, _))| *packet_id == answer.packet_id);
        let Some((index, (_, request))) = found else { return Ok(None) };
        if request.purpose == Purpose::GivenUp {
            self.pending.remove(index);
            return Ok(None);
        }
        if request.purpose.answer() != kind {
            return Err(violation("an answer to the other kind of request"));
        }
        // Only an UNSUBACK from before version 5.0 can do without codes.
        if !answer.reasons.is_empty() && request.filters.len() != answer.reasons.len() {
            return Err(violation("an answer with another number of reason codes than filters"));
        }
        Ok(self.pending.remove(index).map(|(_, request)| request))
    }

    /// Requests for what the server had accepted and has lost; what is not to be renewed is forgotten.
    pub(super) fn renewals(&mut self) -> Vec<Request> {
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
                    deadline: None,
                }),
            }
        }
        requests
    }

    /// When the program waits no longer for the answer to one of the requests.
    pub(super) fn next_timeout(&self) -> Option<Moment> {
        self.pending.iter().filter_map(|(_, request)| request.deadline).min()
    }

    /// Takes out of the requests that were sent those whose time is up; their identifiers stay in use.
    pub(super) fn take_late(&mut self, now: Moment) -> Vec<Request> {
        let is_late = |request: &Request| request.deadline.is_some_and(|at| at <= now);
        let pending = self.pending.iter_mut().map(|(_, request)| request);
        pending.filter(|request| is_late(request)).map(Request::give_up).collect()
    }

    /// Takes out a request that was not sent.
    pub(super) fn take_waiting(&mut self, op: Op) -> Option<Request> {
        let index = self.waiting.iter().position(|request| request.purpose.op() == Some(op))?;
        self.waiting.remove(index)
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
    /// What the server answers with.
    fn answer(self) -> PacketType {
        match self {
            Self::Unsubscribe(_) => PacketType::UnsubAck,
            _ => PacketType::SubAck,
        }
    }

    pub(super) fn op(self) -> Option<Op> {
        match self {
            Self::Subscribe(op) | Self::Unsubscribe(op) => op,
            Self::Renew | Self::Answers | Self::GivenUp => None,
        }
    }
}

impl Filter {
    pub(super) fn keep(subscription: &Subscription<'_>) -> Self {
        Self {
            filter: OwnedText::new(subscription.filter.as_str()).unwrap_or_default(),
            maximum_qos: subscription.maximum_qos,
            no_local: subscription.no_local,
            retain_as_published: subscription.retain_as_published,
            retain_handling: subscription.retain_handling,
        }
    }

    pub(super) fn topic_filter(&self) -> TopicFilter<'_> {
        TopicFilter::new(self.filter.as_str()).expect("it was made from a topic filter")
    }

    pub(super) fn subscription(&self) -> Subscription<'_> {
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
    pub(super) fn encode(
        &self,
        packet_id: PacketId,
        (version, maximum): (Version, usize),
        limits: Option<Limits>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
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
        packet.encode_as(version, maximum, bytes)
    }

    /// Leaves something in its place that only keeps its identifier.
    fn give_up(&mut self) -> Self {
        let left = Self {
            purpose: Purpose::GivenUp,
            filters: Vec::new(),
            identifier: None,
            user_properties: Vec::new(),
            deadline: None,
        };
        std::mem::replace(self, left)
    }

    pub(super) fn halve(mut self) -> (Self, Self) {
        let second = Self {
            purpose: self.purpose,
            filters: self.filters.split_off(self.filters.len() / 2),
            identifier: self.identifier,
            user_properties: self.user_properties.clone(),
            deadline: self.deadline,
        };
        (self, second)
    }
}
