//! Topic names, topic filters, shared subscriptions, and how filters match names.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use crate::Text;

/// The name of a topic: at least one character and no wildcards.
/// [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3] [MQTT-3.3.2-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(Text<'a>);

impl<'a> TopicName<'a> {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, or holds a wildcard or U+0000.
    pub fn new(name: &'a str) -> Result<Self, InvalidTopic> {
        Self::from_text(Text::new(name).map_err(|_| InvalidTopic::NotText)?)
    }

    /// Checks text for what a name may not be.
    ///
    /// # Errors
    /// It is empty or holds a wildcard.
    pub fn from_text(name: Text<'a>) -> Result<Self, InvalidTopic> {
        if name.is_empty() {
            Err(InvalidTopic::Empty)
        } else if name.bytes().fold(false, |found, byte| found | matches!(byte, b'+' | b'#')) {
            Err(InvalidTopic::Wildcard)
        } else {
            Ok(Self(name))
        }
    }

    /// The name as text.
    pub const fn as_str(self) -> &'a str {
        self.0.as_str()
    }

    /// What stands between the slashes; may be empty.
    pub fn levels(self) -> impl Iterator<Item = &'a str> {
        self.as_str().split('/')
    }

    /// Whether it begins with `$`, so that a filter has to spell out its first level.
    pub fn is_reserved(self) -> bool {
        self.starts_with('$')
    }
}

impl Deref for TopicName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic name that needs nothing else to live, and need not be checked again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedTopicName(Box<str>);

impl OwnedTopicName {
    /// The name.
    pub const fn name(&self) -> TopicName<'_> {
        TopicName(Text::checked(&self.0))
    }
}

impl From<TopicName<'_>> for OwnedTopicName {
    fn from(name: TopicName<'_>) -> Self {
        Self(name.as_str().into())
    }
}

/// Which topics a subscription is for, and for a shared one, with whom it is shared.
/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a> {
    text: Text<'a>,
    /// Where the part that matches begins: behind `$share/NAME/`, or 0.
    pattern_start: u32,
}

impl<'a> TopicFilter<'a> {
    /// Checks a filter.
    ///
    /// # Errors
    /// It is empty or too long, a wildcard does not fill its level, `#` is not last, or
    /// it begins with `$share/` and lacks a share name or a filter behind it.
    pub fn new(filter: &'a str) -> Result<Self, InvalidTopic> {
        Self::from_text(Text::new(filter).map_err(|_| InvalidTopic::NotText)?)
    }

    /// Checks text for what a filter may not be.
    ///
    /// # Errors
    /// As for [`new`](Self::new), but for what makes it text.
    pub fn from_text(text: Text<'a>) -> Result<Self, InvalidTopic> {
        let pattern_start = pattern_start(text.as_str())?;
        check_pattern(text.as_str().split_at(pattern_start).1)?;
        Ok(Self { text, pattern_start: pattern_start as u32 })
    }

    /// The whole filter, as a client writes it.
    pub const fn as_str(self) -> &'a str {
        self.text.as_str()
    }

    /// The part that names are matched against: the filter without `$share/NAME/`.
    pub fn pattern(self) -> &'a str {
        self.as_str().split_at(self.pattern_start as usize).1
    }

    /// The name of the group that shares the subscription, if it is a shared one.
    pub fn share_name(self) -> Option<&'a str> {
        let share = self.as_str().split_at(self.pattern_start as usize).0;
        share.strip_prefix(SHARE)?.strip_suffix('/')
    }

    /// Whether a `+` or `#` is in it.
    pub fn has_wildcard(self) -> bool {
        self.pattern().bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// Whether the topic is one this subscription is for.
    ///
    /// Bytes are compared as they are, without any normalization. [MQTT-4.7.3-4]
    pub fn matches(self, name: TopicName<'_>) -> bool {
        let mut filter = self.pattern().split('/');
        let mut levels = name.levels();
        // Wildcards at the front do not reach into `$` topics. [MQTT-4.7.2-1]
        if name.is_reserved() && self.pattern().starts_with(['+', '#']) {
            return false;
        }
        loop {
            match (filter.next(), levels.next()) {
                // `a/#` is for `a` too.
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

const SHARE: &str = "$share/";

/// Finds the end of `$share/NAME/`. [MQTT-4.8.2-1] [MQTT-4.8.2-2]
fn pattern_start(filter: &str) -> Result<usize, InvalidTopic> {
    let Some(shared) = filter.strip_prefix(SHARE) else {
        return if filter == "$share" { Err(InvalidTopic::Share) } else { Ok(0) };
    };
    let (name, pattern) = shared.split_once('/').ok_or(InvalidTopic::Share)?;
    if name.is_empty() || pattern.is_empty() || name.contains(['+', '#']) {
        return Err(InvalidTopic::Share);
    }
    Ok(filter.len() - pattern.len())
}

fn check_pattern(pattern: &str) -> Result<(), InvalidTopic> {
    if pattern.is_empty() {
        return Err(InvalidTopic::Empty);
    }
    let mut levels = pattern.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        match level {
            "+" => {}
            "#" if is_last => {}
            _ if level.contains(['+', '#']) => return Err(InvalidTopic::Wildcard),
            _ => {}
        }
    }
    Ok(())
}

/// Why text is no topic name or no topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTopic {
    /// It has no character.
    Empty,
    /// It is longer than 65,535 bytes or holds U+0000.
    NotText,
    /// A wildcard stands where none may.
    Wildcard,
    /// A shared subscription without a valid share name and a filter.
    Share,
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic needs at least one character",
            Self::NotText => "a topic is at most 65535 bytes without U+0000",
            Self::Wildcard => "a wildcard stands where none may",
            Self::Share => "a shared subscription is $share/NAME/FILTER",
        })
    }
}

impl Error for InvalidTopic {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &str, name: &str) -> bool {
        TopicFilter::new(filter).unwrap().matches(TopicName::new(name).unwrap())
    }

    /// [MQTT-4.7.1-1] [MQTT-4.7.1-2]
    #[test]
    fn wildcards_match_levels() {
        for (filter, name) in [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("#", "/"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("+/tennis/#", "sport/tennis"),
            ("$share/group/a/+", "a/b"),
        ] {
            assert!(matches(filter, name), "{filter} is for {name}");
        }
        for (filter, name) in [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("a/b", "a/B"),
            ("a/b", "a/b/"),
            ("a/+/#", "a"),
        ] {
            assert!(!matches(filter, name), "{filter} is not for {name}");
        }
    }

    /// [MQTT-4.7.2-1]
    #[test]
    fn wildcards_at_the_front_do_not_match_dollar_topics() {
        assert!(!matches("#", "$SYS/uptime"));
        assert!(!matches("+/uptime", "$SYS/uptime"));
        assert!(!matches("$share/group/#", "$SYS/uptime"));
        assert!(matches("$SYS/#", "$SYS/uptime"));
        assert!(matches("$SYS/+", "$SYS/uptime"));
    }

    /// [MQTT-4.7.3-4]
    #[test]
    fn names_are_not_normalized() {
        assert!(!matches("caf\u{E9}", "cafe\u{301}"));
        assert!(!matches("a", "A"));
    }

    /// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
    #[test]
    fn malformed_filters_are_refused() {
        for filter in ["", "#/a", "a#", "a/#/b", "a+", "+a", "a/+b/c", "##", "++"] {
            assert!(TopicFilter::new(filter).is_err(), "{filter}");
        }
    }

    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    #[test]
    fn shared_filters_have_a_name_and_a_filter() {
        for filter in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//f",
            "$share/a+b/f",
            "$share/#/f",
        ] {
            assert_eq!(TopicFilter::new(filter), Err(InvalidTopic::Share), "{filter}");
        }
        let filter = TopicFilter::new("$share/group//a").unwrap();
        assert_eq!((filter.share_name(), filter.pattern()), (Some("group"), "/a"));
        let plain = TopicFilter::new("$shared/group/a").unwrap();
        assert_eq!((plain.share_name(), plain.pattern()), (None, "$shared/group/a"));
    }

    /// [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]
    #[test]
    fn names_have_no_wildcards_and_are_not_empty() {
        for name in ["", "a/+", "#", "a\0b", &"x".repeat(65_536)] {
            assert!(TopicName::new(name).is_err());
        }
        assert!(TopicName::new("/").is_ok());
    }
}
