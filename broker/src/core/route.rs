//! Whom the messages of one topic go to.

use mqtt_protocol::{QoS, SubscriptionIdentifier, TopicName};
use smallvec::SmallVec;

use super::router::{Router, Subscriber};
use super::session::SessionId;

/// A publisher keeps the route of its last message if it has no more recipients than so many.
/// Beyond, to find them again costs little beside serving them.
const KEPT_RECIPIENTS: usize = 128;

/// The sessions a topic's messages go to, as long as no subscription changes.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// The state of the router it was found in; none if it holds for one message only.
    generation: Option<u64>,
    pub(super) recipients: Vec<Recipient>,
}

/// A session that gets one copy of a message, for one or more of its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipient {
    pub(super) session: SessionId,
    /// The highest QoS of the subscriptions. [MQTT-3.8.4-8] [MQTT-4.8.2-3]
    pub(super) maximum_qos: QoS,
    /// Whether one of the subscriptions wants the RETAIN flag as it was published.
    /// [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    pub(super) retain_as_published: bool,
    /// The identifiers of the subscriptions. [MQTT-3.3.4-3]
    pub(super) identifiers: SmallVec<[SubscriptionIdentifier; 1]>,
    /// Whether it is served by itself, not merged with the session's other subscriptions.
    is_shared: bool,
}

impl Recipient {
    pub(super) fn new(subscriber: Subscriber, is_shared: bool) -> Self {
        Self {
            session: subscriber.session,
            maximum_qos: subscriber.maximum_qos,
            retain_as_published: subscriber.retain_as_published,
            identifiers: subscriber.identifier.into_iter().collect(),
            is_shared,
        }
    }

    /// Takes another subscription of the same session into the same copy; a shared one is served
    /// by itself. Tells whether it did. [MQTT-3.3.4-2] [MQTT-3.3.4-4]
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        if self.session != other.session || self.is_shared || other.is_shared {
            return false;
        }
        self.maximum_qos = self.maximum_qos.max(other.maximum_qos);
        self.retain_as_published |= other.retain_as_published;
        self.identifiers.extend_from_slice(&other.identifiers);
        true
    }
}

impl Route {
    /// Whether it still tells where messages of its topic go.
    pub(super) fn is_valid(&self, router: &Router) -> bool {
        self.generation == Some(router.generation())
    }

    /// The next message has another topic.
    pub(super) fn forget(&mut self) {
        self.generation = None;
    }

    /// Finds the recipients of a message among those that `may_receive` it. Of a group the member
    /// whose turn it is gets it, of those that `is_connected` if there are any.
    pub(super) fn find(
        &mut self,
        router: &Router,
        name: TopicName<'_>,
        publisher: Option<SessionId>,
        may_receive: impl Fn(SessionId) -> bool,
        is_connected: impl Fn(SessionId) -> bool,
    ) {
        let recipients = &mut self.recipients;
        recipients.clear();
        let mut is_lasting = true;
        let mut lists = 0;
        router.matching(name, |subscribers| {
            lists += usize::from(!subscribers.single().is_empty());
            // [MQTT-3.8.3-3]
            let wanted = subscribers.single().iter().filter(|subscriber| {
                !(subscriber.no_local && Some(subscriber.session) == publisher)
            });
            let wanted = wanted.filter(|subscriber| may_receive(subscriber.session));
            recipients.extend(wanted.map(|&subscriber| Recipient::new(subscriber, false)));
            // What a member does not finish stays in its session, and ends with it.
            // [MQTT-4.8.2-4] [MQTT-4.8.2-5]
            for group in subscribers.groups() {
                is_lasting = false;
                let member = group.choose(
                    |member| may_receive(member.session),
                    |member| is_connected(member.session),
                );
                recipients.extend(member.map(|subscriber| Recipient::new(subscriber, true)));
            }
        });
        if lists > 1 {
            recipients.sort_by_key(|one| (one.session, one.is_shared));
            recipients.dedup_by(|later, first| first.merge(later));
        }
        is_lasting &= recipients.len() <= KEPT_RECIPIENTS;
        self.generation = is_lasting.then(|| router.generation());
    }
}
