//! The retained messages: one a topic at most, found by name or by filter.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use mqtt_protocol::{TopicFilter, TopicName};

use super::limits::Limits;
use super::message::Message;
use super::time::Instant;

/// The last message published to each topic to be retained.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<Box<str>, Arc<Message>>,
    /// The sum of their sizes.
    bytes: usize,
}

impl Retained {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.values()
    }

    /// How much room they take, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is room for a message, in place of its topic's earlier one.
    pub(super) fn has_room(&self, message: &Message, limits: &Limits) -> bool {
        let earlier = self.messages.get(message.topic().as_str());
        let bytes = self.bytes - earlier.map_or(0, |earlier| earlier.size()) + message.size();
        message.size() <= limits.maximum_retained_size
            && (earlier.is_some() || self.messages.len() < limits.maximum_retained_messages)
            && bytes <= limits.maximum_retained_bytes
    }

    /// Keeps the message in place of the topic's earlier one. [MQTT-3.3.1-5]
    pub(super) fn set(&mut self, message: Arc<Message>) {
        self.bytes += message.size();
        let earlier = self.messages.insert(message.topic().as_str().into(), message);
        self.bytes -= earlier.map_or(0, |earlier| earlier.size());
    }

    /// Forgets the topic's message; tells whether there was one. [MQTT-3.3.1-6]
    pub(super) fn clear(&mut self, name: TopicName<'_>) -> bool {
        self.remove(name.as_str())
    }

    fn remove(&mut self, topic: &str) -> bool {
        let removed = self.messages.remove(topic);
        self.bytes -= removed.as_ref().map_or(0, |removed| removed.size());
        removed.is_some()
    }

    /// The messages of all topics the filter is for; expired ones are left out.
    pub(super) fn matching(&self, filter: TopicFilter<'_>, now: Instant) -> Vec<Arc<Message>> {
        let prefix = literal_prefix(filter);
        let range = (Bound::Included(prefix), Bound::Unbounded);
        self.messages
            .range::<str, _>(range)
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .map(|(_, message)| message)
            .filter(|message| filter.matches(message.topic()) && !message.is_expired(now))
            .cloned()
            .collect()
    }

    /// Whether some message has a lifetime.
    pub(super) fn any_expires(&self) -> bool {
        self.messages.values().any(|message| message.expires.is_some())
    }

    /// Forgets the messages whose time is over and gives their topics.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Box<str>> {
        let expired: Vec<_> = self
            .messages
            .iter()
            .filter(|(_, message)| message.is_expired(now))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in &expired {
            self.remove(topic);
        }
        expired
    }
}

/// What every topic that the filter is for begins with. The slash before a final `#` is not
/// part of it, because `a/#` is for `a` too.
fn literal_prefix(filter: TopicFilter<'_>) -> &str {
    let pattern = filter.pattern();
    match pattern.find(['+', '#']) {
        None => pattern,
        Some(wildcard) => {
            let literal = pattern.split_at(wildcard).0;
            literal.strip_suffix('/').unwrap_or(literal)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mqtt_protocol::Publish;

    use super::super::message::MessageView;
    use super::*;

    fn retained(names: &[&str]) -> Retained {
        let mut retained = Retained::default();
        for name in names {
            let name = TopicName::new(name).unwrap();
            let publish = Publish::at_most_once(name, b"payload");
            let message = MessageView::new(name, &publish).to_message(Instant::default());
            retained.set(Arc::new(message));
        }
        retained
    }

    fn matching(retained: &Retained, filter: &str) -> Vec<String> {
        let found = retained.matching(TopicFilter::new(filter).unwrap(), Instant::default());
        found.iter().map(|message| message.topic().to_string()).collect()
    }

    #[test]
    fn messages_are_found_by_name_and_by_wildcard() {
        let retained = retained(&["a", "a/b", "a/b/c", "ab", "b/c", "$x/c"]);
        assert_eq!(matching(&retained, "a/b"), ["a/b"]);
        assert_eq!(matching(&retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(matching(&retained, "+/c"), ["b/c"]);
        assert_eq!(matching(&retained, "#"), ["a", "a/b", "a/b/c", "ab", "b/c"]);
        assert_eq!(matching(&retained, "$x/#"), ["$x/c"]);
    }

    /// [MQTT-3.3.2-5]
    #[test]
    fn expired_messages_are_not_found() {
        let mut retained = Retained::default();
        let name = TopicName::new("a").unwrap();
        let mut publish = Publish::at_most_once(name, b"payload");
        publish.properties.message_expiry_interval = Some(10);
        let message = MessageView::new(name, &publish).to_message(Instant::default());
        retained.set(Arc::new(message));
        let later = Instant::default() + Duration::from_secs(10);
        assert_eq!(retained.matching(TopicFilter::new("a").unwrap(), later), []);
        assert_eq!(retained.expire(later), ["a".into()]);
        assert_eq!(retained.len(), 0);
    }
}
