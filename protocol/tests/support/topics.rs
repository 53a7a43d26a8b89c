//! Topic filters the naive way: what is one, and what it matches.

use mqtt_protocol::{TopicFilter, TopicName};

/// Compares the library with the model on one filter and one name.
pub(crate) fn check(filter: &str, name: &str) {
    let pattern = pattern(filter);
    assert_eq!(TopicFilter::new(filter).is_ok(), pattern.is_some(), "{filter:?} is a filter");
    assert_eq!(TopicName::new(name).is_ok(), is_name(name), "{name:?} is a name");
    if let (Some(pattern), Ok(filter), Ok(name)) =
        (pattern, TopicFilter::new(filter), TopicName::new(name))
    {
        assert_eq!(filter.pattern(), pattern);
        assert_eq!(filter.share_name().is_some(), pattern.len() < filter.as_str().len());
        assert_eq!(filter.has_wildcard(), !is_name(pattern));
        assert_eq!(filter.matches(name), matches(pattern, &name), "{filter:?} is for {name:?}");
    }
}

fn is_text(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains('\0')
}

fn is_name(name: &str) -> bool {
    is_text(name) && !name.contains(['+', '#'])
}

/// The part of a filter that matches, if it is a filter.
fn pattern(filter: &str) -> Option<&str> {
    let levels: Vec<_> = filter.split('/').collect();
    let pattern = match levels[..] {
        ["$share"] => return None,
        ["$share", share_name, ..] => {
            let behind = "$share/".len() + share_name.len() + "/".len();
            if !is_name(share_name) {
                return None;
            }
            filter.get(behind..)?
        }
        _ => filter,
    };
    (is_text(filter) && is_text(pattern) && wildcards_stand_well(pattern)).then_some(pattern)
}

/// A wildcard has a slash or an end on both sides, `#` an end behind it.
fn wildcards_stand_well(pattern: &str) -> bool {
    pattern.match_indices(['+', '#']).all(|(index, wildcard)| {
        let (before, behind) = (&pattern[..index], &pattern[index + 1..]);
        let begins_level = before.is_empty() || before.ends_with('/');
        let ends_level = behind.is_empty() || (wildcard == "+" && behind.starts_with('/'));
        begins_level && ends_level
    })
}

fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<_> = pattern.split('/').collect();
    let name: Vec<_> = name.split('/').collect();
    let hidden = name[0].starts_with('$') && ["+", "#"].contains(&pattern[0]);
    !hidden && levels_match(&pattern, &name)
}

fn levels_match(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], []) | (["#"], _) => true,
        ([level, pattern @ ..], [named, name @ ..]) => {
            (*level == "+" || level == named) && levels_match(pattern, name)
        }
        _ => false,
    }
}

/// Text made of what matters in topics, so that filters and names often meet.
pub(crate) fn text(bytes: &[u8]) -> String {
    const PARTS: [&str; 16] = [
        "/", "/", "/", "a", "a", "b", "+", "+", "#", "$", "$share/", "é", "\u{FEFF}", "e\u{301}",
        "room", "\0",
    ];
    bytes.iter().map(|&byte| PARTS[usize::from(byte % 16)]).collect()
}
