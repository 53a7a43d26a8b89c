//! SUBSCRIBE and UNSUBSCRIBE.

use mqtt_protocol::{
    DecodeError, Packet, PacketId, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck,
    Subscribe, Subscription, SubscriptionIdentifier, TopicFilter, Unsubscribe,
};

use super::change::{Change, Progress, Sequence};
use super::message::Queued;
use super::router::{Router, Subscriber};
use super::session::{Options, SessionId};
use super::time::Instant;
use super::{ConnectionId, Core};
use crate::access::Action;

impl Core {
    /// Subscribes to each filter by itself and answers for all at once. [MQTT-3.8.4-1]
    /// [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1]
    pub(super) fn handle_subscribe(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        subscribe: &Subscribe<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        self.check_answer(from, subscribe.packet_id, subscribe.subscriptions.len())?;
        let identifier = subscribe.properties.subscription_identifier;
        let mut reasons = Vec::with_capacity(subscribe.subscriptions.len());
        let mut retained = Vec::new();
        for wish in &subscribe.subscriptions {
            let options = self.grant_options(wish, identifier);
            let granted = if self.may_ask_for_more(session, reasons.len(), retained.len()) {
                self.subscribe_and_note(session, wish.filter, options)
            } else {
                Err(ReasonCode::QuotaExceeded)
            };
            if let Err(refused) = granted {
                self.tally.subscriptions_refused.count(refused);
            }
            reasons
                .push(granted.map_or_else(|refused| refused, |_| granted_qos(options.maximum_qos)));
            if let Ok(is_new) = granted
                && sends_retained(wish.filter, options.retain_handling, is_new)
            {
                self.find_retained(session, wish.filter, options, now, &mut retained);
            }
        }
        self.answer_when_kept(
            from,
            &Packet::SubAck(SubAck {
                packet_id: subscribe.packet_id,
                properties: ReasonProperties::default(),
                reasons,
            }),
        );
        if let Some(connection) = self.connection(from) {
            connection.hold_queue();
        }
        self.send_retained(session, retained, now);
        Ok(())
    }

    /// A request whose answer the client would not take is not carried out, for nobody would ever
    /// tell it. [MQTT-3.1.2-24]
    fn check_answer(
        &mut self,
        to: ConnectionId,
        packet_id: PacketId,
        codes: usize,
    ) -> Result<(), DecodeError> {
        let reasons = vec![ReasonCode::Success; codes];
        let answer = SubAck { packet_id, properties: ReasonProperties::default(), reasons };
        if self.connection(to).is_some_and(|client| !client.takes(&Packet::SubAck(answer))) {
            return Err(DecodeError {
                reason: ReasonCode::PacketTooLarge,
                detail: "the answer would be larger than the client takes",
            });
        }
        Ok(())
    }

    /// What was asked for, as far as it is to be had. [MQTT-3.2.2-10]
    fn grant_options(
        &self,
        wish: &Subscription<'_>,
        identifier: Option<SubscriptionIdentifier>,
    ) -> Options {
        let options = Options::new(wish, identifier);
        let maximum_qos = options.maximum_qos.min(self.config.limits.maximum_qos);
        Options { maximum_qos, ..options }
    }

    /// Whether a further filter is looked at behind so many in the same SUBSCRIBE that have found
    /// so many retained messages. Retained messages that wait are no more than twice those of
    /// the broker.
    fn may_ask_for_more(&mut self, id: SessionId, filters: usize, found: usize) -> bool {
        let waiting = self.session(id).map_or(0, |session| session.queue.waiting_retained());
        let limits = &self.config.limits;
        filters < limits.maximum_subscriptions
            && waiting + found <= limits.maximum_retained_messages
    }

    /// Makes or replaces a subscription, and tells the store.
    fn subscribe_and_note(
        &mut self,
        id: SessionId,
        filter: TopicFilter<'_>,
        options: Options,
    ) -> Result<bool, ReasonCode> {
        let is_new = self.subscribe(id, filter, options)?;
        let filter = filter.as_str();
        self.note_of(id, |session| Change::Subscribed(session, filter.into(), options));
        Ok(is_new)
    }

    /// Makes or replaces a subscription; tells whether it is new. [MQTT-3.8.4-3] [MQTT-3.8.4-4]
    pub(super) fn subscribe(
        &mut self,
        id: SessionId,
        filter: TopicFilter<'_>,
        options: Options,
    ) -> Result<bool, ReasonCode> {
        let limits = &self.config.limits;
        if !limits.allow_topic(filter.as_str()) {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        if !self.may(id, Action::Subscribe, filter.pattern()) {
            self.note_denied(id, Action::Subscribe, filter.pattern());
            return Err(ReasonCode::NotAuthorized);
        }
        let limits = &self.config.limits;
        let maximum = if self.memory.is_short { 0 } else { limits.maximum_subscriptions };
        let Some(session) = self.session(id) else { return Err(ReasonCode::UnspecifiedError) };
        let is_new = !session.subscriptions.contains(filter.as_str());
        if is_new && session.subscriptions.len() >= maximum {
            return Err(ReasonCode::QuotaExceeded);
        }
        let text = session.subscriptions.insert(filter.as_str(), options);
        self.router.subscribe(filter, text, Subscriber::new(id, options));
        self.expect_figures(filter.pattern());
        Ok(is_new)
    }

    /// Looks up the retained messages a subscription is for. [MQTT-3.3.1-9]
    fn find_retained(
        &self,
        id: SessionId,
        filter: TopicFilter<'_>,
        options: Options,
        now: Instant,
        found: &mut Vec<Queued>,
    ) {
        let retained = self.retained.matching(filter, now).into_iter();
        let allowed = retained.filter(|message| self.may_get_retained(id, message));
        found.extend(allowed.map(|message| Queued {
            qos: message.qos.min(options.maximum_qos),
            retain: true,
            identifiers: options.identifier.into_iter().collect(),
            message,
            sequence: Sequence::default(),
        }));
    }

    fn send_retained(&mut self, id: SessionId, retained: Vec<Queued>, now: Instant) {
        let Some(session) = self.sessions.get_mut(id.number() as usize) else { return };
        for mut queued in retained {
            if session.keeps_messages().is_some() && queued.qos > QoS::AtMostOnce {
                queued.sequence = self.keeping.next_sequence();
                self.keeping.delivery(session.keeps_messages(), &queued, Progress::Waiting);
            }
            session.queue.push_retained(queued);
        }
        self.pump(id, now);
    }

    /// Ends each subscription by itself and answers for all at once. [MQTT-3.10.4-4]
    /// [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1]
    pub(super) fn handle_unsubscribe(
        &mut self,
        from: ConnectionId,
        id: SessionId,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<(), DecodeError> {
        self.check_answer(from, unsubscribe.packet_id, unsubscribe.filters.len())?;
        let reasons = unsubscribe.filters.iter().map(|&filter| self.unsubscribe(id, filter));
        let reasons = reasons.collect();
        self.answer_when_kept(
            from,
            &Packet::UnsubAck(SubAck {
                packet_id: unsubscribe.packet_id,
                properties: ReasonProperties::default(),
                reasons,
            }),
        );
        Ok(())
    }

    /// Ends the subscription with exactly this filter; what was begun for it goes on.
    /// [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-3]
    pub(super) fn unsubscribe(&mut self, id: SessionId, filter: TopicFilter<'_>) -> ReasonCode {
        let Some(session) = self.session(id) else { return ReasonCode::UnspecifiedError };
        if !session.subscriptions.remove(filter.as_str()) {
            return ReasonCode::NoSubscriptionExisted;
        }
        self.router.unsubscribe(filter, id);
        self.note_of(id, |session| Change::Unsubscribed(session, filter.as_str().into()));
        ReasonCode::Success
    }
}

/// Takes a subscription of a session that ends out of the router.
pub(super) fn unroute(router: &mut Router, filter: &str, id: SessionId) {
    if let Ok(filter) = TopicFilter::new(filter) {
        router.unsubscribe(filter, id);
    }
}

/// [MQTT-3.8.4-7]
const fn granted_qos(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    }
}

/// Whether retained messages follow; a shared subscription never gets any. [MQTT-3.3.1-9]
/// [MQTT-3.3.1-10] [MQTT-3.3.1-11]
fn sends_retained(filter: TopicFilter<'_>, handling: RetainHandling, is_new: bool) -> bool {
    filter.share_name().is_none()
        && match handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        }
}
