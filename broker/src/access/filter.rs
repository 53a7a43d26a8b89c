//! Topic filters of rules beside topics and beside the filters of subscriptions.

use super::Who;

/// A filter in which `%u` and `%c` may stand for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    text: Box<str>,
    has_names: bool,
}

impl Filter {
    /// A filter that means what it says.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.into(), has_names: false }
    }

    /// A filter in which `%u` is the user and `%c` the client id.
    pub(super) fn with_names(text: &str) -> Self {
        Self { text: text.into(), has_names: true }
    }

    /// Whether the name of the user is part of it.
    pub(super) fn names_user(&self) -> bool {
        self.has_names && self.text.contains("%u")
    }

    /// Whether the client id is part of it.
    pub(super) fn names_client(&self) -> bool {
        self.has_names && self.text.contains("%c")
    }

    /// Whether it is for the topic.
    pub(super) fn matches(&self, who: Who<'_>, topic: &str) -> bool {
        if topic.starts_with('$') && self.text.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.text.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                (_, None) => return false,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if self.is_level(who, wanted, level) => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether there can be a topic that both filters are for.
    pub(super) fn overlaps(&self, who: Who<'_>, other: &str) -> bool {
        let is_wild = |text: &str| text.starts_with(['+', '#']);
        let is_reserved = |text: &str| text.starts_with('$');
        if is_wild(&self.text) && is_reserved(other) || is_reserved(&self.text) && is_wild(other) {
            return false;
        }
        let (mut ours, mut theirs) = (self.text.split('/'), other.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (None, _) | (_, None) => return false,
                (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
                (Some(our), Some(their)) if self.is_level(who, our, their) => {}
                _ => return false,
            }
        }
    }

    /// Whether it is for all topics that the other filter is for.
    pub(super) fn covers(&self, who: Who<'_>, other: &str) -> bool {
        if self.text.starts_with(['+', '#']) && other.starts_with('$') {
            return false;
        }
        let (mut ours, mut theirs) = (self.text.split('/'), other.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (None, None) => return true,
                (None, _) | (_, None | Some("#")) => return false,
                (Some("+"), Some(_)) => {}
                (Some(_), Some("+")) => return false,
                (Some(our), Some(their)) if self.is_level(who, our, their) => {}
                _ => return false,
            }
        }
    }

    /// Whether a level without wildcards is this one, once names are put in.
    fn is_level(&self, who: Who<'_>, wanted: &str, level: &str) -> bool {
        if !self.has_names {
            return wanted == level;
        }
        let (mut wanted, mut level) = (wanted, level);
        while let Some((before, name, after)) = split_at_name(wanted, who) {
            let rest = level.strip_prefix(before);
            let rest = name.and_then(|name| rest.and_then(|rest| rest.strip_prefix(name)));
            let Some(rest) = rest else { return false };
            (wanted, level) = (after, rest);
        }
        wanted == level
    }
}

/// What is before the first `%u` or `%c`, the name that stands there, and what is behind.
fn split_at_name<'a>(text: &'a str, who: Who<'a>) -> Option<(&'a str, Option<&'a str>, &'a str)> {
    let place = text.match_indices('%').map(|(place, _)| place);
    let mut places =
        place.filter(|&place| matches!(text.as_bytes().get(place + 1), Some(b'u' | b'c')));
    let place = places.next()?;
    let is_user = text.as_bytes().get(place + 1) == Some(&b'u');
    let name = if is_user { who.user } else { Some(who.client_id) };
    Some((&text[..place], name, &text[place + 2..]))
}

#[cfg(test)]
mod tests {
    use mqtt_protocol::{TopicFilter, TopicName};

    use super::*;

    const ANN: Who<'_> = Who { user: Some("ann"), client_id: "c-1" };
    const NOBODY: Who<'_> = Who { user: None, client_id: "c-1" };

    #[test]
    fn names_stand_in_for_themselves() {
        let matches = |filter, who, topic| Filter::with_names(filter).matches(who, topic);
        assert!(matches("home/%u/#", ANN, "home/ann/lamp"));
        assert!(!matches("home/%u/#", ANN, "home/ben/lamp"));
        assert!(!matches("home/%u/#", NOBODY, "home//lamp"), "nobody has no name");
        assert!(matches("%c", NOBODY, "c-1"));
        assert!(matches("a/x-%u-%c-y", ANN, "a/x-ann-c-1-y"));
        assert!(!matches("a/x-%u-%c-y", ANN, "a/x-ann-c-1"));
        assert!(matches("100%/%", ANN, "100%/%"));
        let plain = Filter::plain("home/%u");
        assert!(plain.matches(ANN, "home/%u") && !plain.matches(ANN, "home/ann"));
    }

    /// A name is text, whatever is in it (CVE-2017-7650).
    #[test]
    fn wildcards_in_names_are_none() {
        let filter = Filter::with_names("home/%u");
        for name in ["+", "#", "a/b"] {
            let who = Who { user: Some(name), client_id: "#" };
            assert!(!filter.matches(who, "home/ann"), "{name}");
            assert!(!filter.matches(who, "home/a/b"), "{name}");
            assert!(!filter.covers(who, "home/ann"), "{name}");
        }
    }

    /// All filters of up to three levels beside each other and beside all topics of as many.
    #[test]
    fn filters_compare_as_the_topics_they_are_for() {
        let mut topics = vec![String::new()];
        let mut filters = Vec::new();
        let (names, parts) = (["a", "b", "$x"], ["a", "b", "$x", "+", "#"]);
        let join = |before: &[String], words: &[&str]| -> Vec<String> {
            let pairs = before.iter().flat_map(|one| words.iter().map(move |word| (one, word)));
            pairs
                .map(
                    |(one, word)| {
                        if one.is_empty() { (*word).into() } else { format!("{one}/{word}") }
                    },
                )
                .collect()
        };
        let (mut last_topics, mut last_filters) = (topics.clone(), topics.clone());
        topics.clear();
        // One level more than the filters have stands for all that a final # is for.
        for level in 0..4 {
            last_topics = join(&last_topics, &names);
            topics.extend(last_topics.clone());
            if level < 3 {
                last_filters = join(&last_filters, &parts);
                filters.extend(last_filters.clone());
            }
        }
        filters.retain(|filter| TopicFilter::new(filter).is_ok());
        let sets: Vec<Vec<bool>> = filters
            .iter()
            .map(|filter| {
                let model = TopicFilter::new(filter).unwrap();
                let is_for = topics.iter().map(|topic| {
                    let expected = model.matches(TopicName::new(topic).unwrap());
                    assert_eq!(
                        Filter::plain(filter).matches(ANN, topic),
                        expected,
                        "{filter} {topic}"
                    );
                    expected
                });
                is_for.collect()
            })
            .collect();
        for (one, ours) in filters.iter().zip(&sets) {
            for (other, theirs) in filters.iter().zip(&sets) {
                let filter = Filter::plain(one);
                let both = ours.iter().zip(theirs);
                let overlap = both.clone().any(|(our, their)| *our && *their);
                assert_eq!(filter.overlaps(ANN, other), overlap, "{one} {other}");
                let cover = both.clone().all(|(our, their)| *our || !*their);
                // What it says it covers it covers; a filter for nothing but `$` topics that a
                // wildcard at the front is not for does not occur.
                assert!(!filter.covers(ANN, other) || cover, "{one} {other}");
                assert!(!cover || filter.covers(ANN, other) || one.contains('+'), "{one} {other}");
            }
        }
    }
}
