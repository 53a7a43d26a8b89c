//! Which subscriptions are for a topic: exact filters in a map, those with wildcards in a tree.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use mqtt_protocol::{QoS, SubscriptionIdentifier, TopicFilter, TopicName};
use smallvec::{SmallVec, smallvec};

use super::session::{Options, SessionId};

/// One subscription as the router keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) session: SessionId,
    pub(super) maximum_qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) identifier: Option<SubscriptionIdentifier>,
}

impl Subscriber {
    pub(super) const fn new(session: SessionId, options: Options) -> Self {
        Self {
            session,
            maximum_qos: options.maximum_qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            identifier: options.identifier,
        }
    }
}

/// All subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Router {
    /// Filters without wildcards, by their text.
    exact: HashMap<Arc<str>, Subscribers>,
    /// Filters with wildcards, a node for each level.
    root: Node,
    /// Counts the changes.
    generation: u64,
}

/// The subscriptions with one and the same filter.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    single: SubscriberList,
    shared: Option<Box<Groups>>,
}

/// Hardly ever more than one, and there are many filters.
type SubscriberList = SmallVec<[Subscriber; 1]>;

#[derive(Debug, Default)]
struct Groups(Vec<Group>);

/// The members that share one subscription.
#[derive(Debug)]
pub(super) struct Group {
    name: Box<str>,
    members: SubscriberList,
    /// Whose turn it is.
    turn: Cell<usize>,
}

#[derive(Debug, Default)]
struct Node {
    /// By the text of the next level.
    #[allow(clippy::box_collection, reason = "most nodes have none, and there are many nodes")]
    children: Option<Box<HashMap<Box<str>, Node>>>,
    /// Filters whose next level is `+`.
    any: Option<Box<Node>>,
    /// Filters that end at this level.
    here: Option<Box<Subscribers>>,
    /// Filters that go on with `#`.
    below: Option<Box<Subscribers>>,
}

impl Router {
    /// Adds a subscription, or replaces the one of the same session and filter, whose `text` it
    /// shares if it can. [MQTT-3.8.4-3]
    pub(super) fn subscribe(
        &mut self,
        filter: TopicFilter<'_>,
        text: Arc<str>,
        subscriber: Subscriber,
    ) {
        self.generation += 1;
        let subscribers = self.subscribers(filter, text);
        let list = match filter.share_name() {
            None => &mut subscribers.single,
            Some(name) => subscribers.group(name),
        };
        match list.iter_mut().find(|other| other.session == subscriber.session) {
            Some(other) => *other = subscriber,
            None => list.push(subscriber),
        }
    }

    fn subscribers(&mut self, filter: TopicFilter<'_>, text: Arc<str>) -> &mut Subscribers {
        if !filter.has_wildcard() {
            let is_whole = filter.share_name().is_none();
            let key = if is_whole { text } else { filter.pattern().into() };
            return self.exact.entry(key).or_default();
        }
        let mut node = &mut self.root;
        for level in filter.pattern().split('/') {
            node = match level {
                "#" => return node.below.get_or_insert_default(),
                "+" => node.any.get_or_insert_default(),
                level => node.children.get_or_insert_default().entry(level.into()).or_default(),
            };
        }
        node.here.get_or_insert_default()
    }

    /// Removes the subscription of a session with exactly this filter. [MQTT-3.10.4-1]
    pub(super) fn unsubscribe(&mut self, filter: TopicFilter<'_>, session: SessionId) {
        self.generation += 1;
        if filter.has_wildcard() {
            let mut levels = filter.pattern().split('/');
            self.root.remove(&mut levels, filter.share_name(), session);
        } else if let Some(subscribers) = self.exact.get_mut(filter.pattern()) {
            subscribers.remove(filter.share_name(), session);
            if subscribers.is_empty() {
                self.exact.remove(filter.pattern());
            }
        }
    }

    /// Makes all routes be found anew, because there are other rules.
    pub(super) const fn forget_routes(&mut self) {
        self.generation += 1;
    }

    /// A number that is another one after each change.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls `visit` with the subscriptions of every filter that matches the topic.
    pub(super) fn matching(&self, name: TopicName<'_>, mut visit: impl FnMut(&Subscribers)) {
        if let Some(subscribers) = self.exact.get(name.as_str()) {
            visit(subscribers);
        }
        if self.root.is_empty() {
            return;
        }
        // Wildcards at the front do not reach into `$` topics. [MQTT-4.7.2-1]
        let mut wildcard = !name.is_reserved();
        if wildcard {
            self.root.below.as_deref().map(&mut visit);
        }
        let mut nodes: SmallVec<[&Node; 8]> = smallvec![&self.root];
        let mut next = SmallVec::new();
        for level in name.levels() {
            for node in nodes.drain(..) {
                let same = node.children.as_ref().and_then(|children| children.get(level));
                let any = node.any.as_deref().filter(|_| wildcard);
                for child in same.into_iter().chain(any) {
                    child.below.as_deref().map(&mut visit);
                    next.push(child);
                }
            }
            std::mem::swap(&mut nodes, &mut next);
            wildcard = true;
        }
        for node in nodes {
            node.here.as_deref().map(&mut visit);
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        let Self { children, any, here, below } = self;
        children.is_none() && any.is_none() && here.is_none() && below.is_none()
    }

    /// Removes a subscription and the nodes that are empty without it; the depth is bounded by
    /// the limit on topic levels.
    fn remove<'a>(
        &mut self,
        levels: &mut impl Iterator<Item = &'a str>,
        share_name: Option<&str>,
        session: SessionId,
    ) {
        match levels.next() {
            None => Subscribers::remove_from(&mut self.here, share_name, session),
            Some("#") => Subscribers::remove_from(&mut self.below, share_name, session),
            Some("+") => {
                if let Some(child) = &mut self.any {
                    child.remove(levels, share_name, session);
                    self.any.take_if(|child| child.is_empty());
                }
            }
            Some(level) => {
                let Some(children) = &mut self.children else { return };
                let Some(child) = children.get_mut(level) else { return };
                child.remove(levels, share_name, session);
                if child.is_empty() {
                    children.remove(level);
                    self.children.take_if(|children| children.is_empty());
                }
            }
        }
    }
}

impl Subscribers {
    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.shared.is_none()
    }

    /// Those that each receive every message.
    pub(super) fn single(&self) -> &[Subscriber] {
        &self.single
    }

    /// Those of which one of each group receives a message.
    pub(super) fn groups(&self) -> &[Group] {
        self.shared.as_ref().map_or(&[], |groups| &groups.0)
    }

    fn group(&mut self, name: &str) -> &mut SubscriberList {
        let groups = &mut self.shared.get_or_insert_default().0;
        let index = groups.iter().position(|group| &*group.name == name);
        let index = index.unwrap_or_else(|| {
            groups.push(Group {
                name: name.into(),
                members: SubscriberList::new(),
                turn: Cell::new(0),
            });
            groups.len() - 1
        });
        &mut groups[index].members
    }

    fn remove_from(this: &mut Option<Box<Self>>, share_name: Option<&str>, session: SessionId) {
        if let Some(subscribers) = this {
            subscribers.remove(share_name, session);
            this.take_if(|subscribers| subscribers.is_empty());
        }
    }

    fn remove(&mut self, share_name: Option<&str>, session: SessionId) {
        let Some(name) = share_name else {
            self.single.retain(|subscriber| subscriber.session != session);
            return;
        };
        let Some(Groups(groups)) = self.shared.as_deref_mut() else { return };
        for group in groups.iter_mut().filter(|group| &*group.name == name) {
            group.members.retain(|member| member.session != session);
        }
        groups.retain(|group| !group.members.is_empty());
        if groups.is_empty() {
            self.shared = None;
        }
    }
}

impl Group {
    /// The member whose turn it is, of those that `may` be chosen and `suits` is true for; if there
    /// are none, of all that may.
    pub(super) fn choose(
        &self,
        may: impl Fn(&Subscriber) -> bool,
        suits: impl Fn(&Subscriber) -> bool,
    ) -> Option<Subscriber> {
        let count = self.members.len();
        let order = (0..count).map(|step| (self.turn.get() + step) % count);
        let mut allowed = order.filter(|&index| may(&self.members[index]));
        let chosen = allowed.clone().find(|&index| suits(&self.members[index]));
        let index = chosen.or_else(|| allowed.next())?;
        self.turn.set(index + 1);
        self.members.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(session: u32) -> Subscriber {
        Subscriber {
            session: SessionId::new(session),
            maximum_qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            identifier: None,
        }
    }

    fn filter(filter: &str) -> TopicFilter<'_> {
        TopicFilter::new(filter).unwrap()
    }

    fn matching(router: &Router, name: &str) -> Vec<u32> {
        let mut sessions = Vec::new();
        router.matching(TopicName::new(name).unwrap(), |subscribers| {
            sessions.extend(subscribers.single().iter().map(|one| one.session.number()));
        });
        sessions.sort_unstable();
        sessions
    }

    /// Every filter beside its own `matches`, for a grid of topics.
    #[test]
    fn the_tree_finds_what_the_filters_match() {
        let levels = ["a", "b", "", "$x"];
        let parts = ["a", "b", "", "$x", "+", "#"];
        let mut filters: Vec<String> = parts.iter().map(ToString::to_string).collect();
        for first in parts {
            filters.extend(parts.iter().map(|second| format!("{first}/{second}")));
            for second in parts {
                filters.extend(parts.iter().map(|third| format!("{first}/{second}/{third}")));
            }
        }
        filters.retain(|text| TopicFilter::new(text).is_ok());
        let mut router = Router::default();
        for (number, text) in filters.iter().enumerate() {
            router.subscribe(filter(text), text.as_str().into(), subscriber(number as u32));
        }
        for first in levels {
            for second in levels {
                for name in
                    [first.to_string(), format!("{first}/{second}"), format!("{first}/b/{second}")]
                {
                    let Ok(topic) = TopicName::new(&name) else { continue };
                    let expected: Vec<u32> = filters
                        .iter()
                        .enumerate()
                        .filter(|(_, text)| filter(text).matches(topic))
                        .map(|(number, _)| number as u32)
                        .collect();
                    assert_eq!(matching(&router, &name), expected, "{name}");
                }
            }
        }
        for (number, text) in filters.iter().enumerate() {
            router.unsubscribe(filter(text), SessionId::new(number as u32));
        }
        assert!(router.exact.is_empty() && router.root.is_empty());
    }

    /// [MQTT-3.8.4-3]
    #[test]
    fn the_same_filter_again_replaces_the_subscription() {
        let mut router = Router::default();
        router.subscribe(filter("a/+"), "a/+".into(), subscriber(1));
        router.subscribe(
            filter("a/+"),
            "a/+".into(),
            Subscriber { no_local: true, ..subscriber(1) },
        );
        assert_eq!(matching(&router, "a/b"), [1]);
    }

    /// [MQTT-3.10.4-1]
    #[test]
    fn only_exactly_the_same_filter_is_removed() {
        let mut router = Router::default();
        router.subscribe(filter("a/+"), "a/+".into(), subscriber(1));
        router.unsubscribe(filter("a/b"), SessionId::new(1));
        router.unsubscribe(filter("$share/g/a/+"), SessionId::new(1));
        assert_eq!(matching(&router, "a/b"), [1]);
        router.unsubscribe(filter("a/+"), SessionId::new(1));
        assert_eq!(matching(&router, "a/b"), []);
    }

    #[test]
    fn members_of_a_group_take_turns() {
        let mut router = Router::default();
        for session in 0..3 {
            router.subscribe(filter("$share/g/a"), "$share/g/a".into(), subscriber(session));
        }
        let mut chosen = Vec::new();
        for _ in 0..4 {
            router.matching(TopicName::new("a").unwrap(), |subscribers| {
                assert!(subscribers.single().is_empty());
                let member =
                    subscribers.groups()[0].choose(|_| true, |one| one.session.number() != 1);
                chosen.push(member.unwrap().session.number());
            });
        }
        assert_eq!(chosen, [0, 2, 0, 2]);
    }
}
