//! The access control list, in the form that mosquitto gave it.
//!
//! ```text
//! # Clients that do not say who they are.
//! topic read news/#
//!
//! # Ann, and nobody else.
//! user ann
//! topic readwrite home/#
//! topic deny home/safe
//!
//! # Everybody below the own name; %c is the client id.
//! pattern write from/%u/#
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mqtt_protocol::TopicFilter;

use super::filter::Filter;
use super::{Action, Verdict, Who};

/// Rules for those who say who they are, and for those who do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    anonymous: Vec<Rule>,
    users: HashMap<Box<str>, Vec<Rule>>,
    everybody: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    grant: Grant,
    filter: Filter,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    Read,
    Write,
    ReadWrite,
    Deny,
}

impl Grant {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "readwrite" => Some(Self::ReadWrite),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }

    const fn allows(self, action: Action) -> bool {
        match action {
            Action::Publish => matches!(self, Self::Write | Self::ReadWrite),
            Action::Receive | Action::Subscribe => matches!(self, Self::Read | Self::ReadWrite),
        }
    }
}

/// A line that says nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule {
    /// Which it is, the first being 1.
    pub number: usize,
    /// What is wrong with it.
    pub fault: String,
}

/// Why there is no access control list to be had from a file.
#[derive(Debug)]
pub enum AclError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// Lines of it are wrong.
    Lines(PathBuf, Vec<BadRule>),
}

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(f, "cannot read the ACL file {}: {error}", path.display())
            }
            Self::Lines(path, lines) => {
                for (index, BadRule { number, fault }) in lines.iter().enumerate() {
                    let gap = if index == 0 { "" } else { "; " };
                    write!(f, "{gap}{}:{number}: {fault}", path.display())?;
                }
                Ok(())
            }
        }
    }
}

impl Error for AclError {}

impl Acl {
    /// Reads an ACL file.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not understood: half a list of rules is worse
    /// than none.
    pub fn read(path: &Path) -> Result<Self, AclError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| AclError::Read(path.into(), error))?;
        Self::parse(&text).map_err(|lines| AclError::Lines(path.into(), lines))
    }

    /// Reads what an ACL file says.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<BadRule>> {
        let (mut acl, mut bad, mut user) = (Self::default(), Vec::new(), None);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(fault) = acl.parse_line(line, &mut user) {
                bad.push(BadRule { number: index + 1, fault });
            }
        }
        if bad.is_empty() { Ok(acl) } else { Err(bad) }
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        let of_users = self.users.values().map(Vec::len).sum::<usize>();
        self.anonymous.len() + of_users + self.everybody.len()
    }

    fn parse_line<'a>(&mut self, line: &'a str, user: &mut Option<&'a str>) -> Result<(), String> {
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "user" if rest.is_empty() => return Err("user wants a name behind it".into()),
            "user" => {
                *user = Some(rest);
                self.users.entry(rest.into()).or_default();
            }
            "topic" => {
                let rule = parse_rule(word, rest, Filter::plain)?;
                let rules = match user {
                    None => &mut self.anonymous,
                    Some(user) => self.users.entry((*user).into()).or_default(),
                };
                rules.push(rule);
            }
            "pattern" => self.everybody.push(parse_rule(word, rest, Filter::with_names)?),
            other => {
                return Err(format!(
                    "a line begins with user, topic or pattern, not with {other:?}"
                ));
            }
        }
        Ok(())
    }

    /// What the rules say. One that denies wins over all that grant.
    pub(super) fn judge(&self, who: Who<'_>, action: Action, topic: &str) -> Verdict {
        let own = match who.user {
            None => self.anonymous.as_slice(),
            Some(user) => self.users.get(user).map_or(&[][..], Vec::as_slice),
        };
        let mut verdict = Verdict::Silent;
        for rule in own.iter().chain(&self.everybody) {
            match rule.grant {
                Grant::Deny if rule.filter.denies(who, action, topic) => return Verdict::Denied,
                grant if grant.allows(action) && rule.filter.grants(who, action, topic) => {
                    verdict = Verdict::Granted;
                }
                _ => {}
            }
        }
        verdict
    }

    /// Whether names that are part of rules are no more than names there. What could be taken for
    /// several levels, or for a wildcard by another reader of the same rules, cannot be.
    pub(super) fn can_name(&self, who: Who<'_>) -> bool {
        let is_plain = |name: &str| {
            !name.starts_with('$') && !name.contains(|c: char| "+#/".contains(c) || c.is_control())
        };
        let mut filters = self.everybody.iter().map(|rule| &rule.filter);
        filters.all(|filter| {
            (!filter.names_user() || who.user.is_none_or(is_plain))
                && (!filter.names_client() || is_plain(who.client_id))
        })
    }
}

impl Filter {
    /// Whether a rule that grants is about this. A subscription need only have something to receive.
    fn grants(&self, who: Who<'_>, action: Action, topic: &str) -> bool {
        match action {
            Action::Publish | Action::Receive => self.matches(who, topic),
            Action::Subscribe => self.overlaps(who, topic),
        }
    }

    /// Whether a rule that denies is about this. Of a subscription it has to be about all.
    fn denies(&self, who: Who<'_>, action: Action, topic: &str) -> bool {
        match action {
            Action::Publish | Action::Receive => self.matches(who, topic),
            Action::Subscribe => self.covers(who, topic),
        }
    }
}

/// `[read|write|readwrite|deny] FILTER`
fn parse_rule(word: &str, rest: &str, filter: fn(&str) -> Filter) -> Result<Rule, String> {
    let (grant, text) = match rest.split_once([' ', '\t']) {
        None if rest.is_empty() || Grant::parse(rest).is_some() => {
            return Err(format!("{word} {rest} wants a topic behind it").replace("  ", " "));
        }
        None => (Grant::ReadWrite, rest),
        Some((first, text)) => {
            let grant = Grant::parse(first).ok_or_else(|| {
                format!("before the topic stands read, write, readwrite or deny, not {first:?}")
            })?;
            (grant, text.trim_start())
        }
    };
    match TopicFilter::new(text) {
        Ok(topic) if topic.share_name().is_none() => Ok(Rule { grant, filter: filter(text) }),
        Ok(_) => {
            Err(format!("{text:?} is a shared subscription; the rule is for what is behind it"))
        }
        Err(_) => Err(format!(
            "{text:?} is no topic filter: # stands alone at the end, + alone in a level"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(text: &str) -> Acl {
        Acl::parse(text).unwrap()
    }

    fn may(acl: &Acl, user: &str, action: Action, topic: &str) -> bool {
        let user = (!user.is_empty()).then_some(user);
        acl.judge(Who { user, client_id: "c" }, action, topic) == Verdict::Granted
    }

    #[test]
    fn rules_are_for_whom_they_stand_under() {
        let acl = acl(
            "topic read open\n# a word\nuser ann\ntopic home/#\nuser b c\n\ttopic write log\npattern read from/%u\n",
        );
        assert_eq!(acl.rule_count(), 4);
        assert!(may(&acl, "", Action::Receive, "open") && !may(&acl, "", Action::Publish, "open"));
        assert!(!may(&acl, "ann", Action::Receive, "open"), "ann says who she is");
        assert!(
            may(&acl, "ann", Action::Publish, "home/a")
                && may(&acl, "ann", Action::Receive, "home")
        );
        assert!(
            may(&acl, "b c", Action::Publish, "log") && !may(&acl, "b c", Action::Receive, "log")
        );
        assert!(may(&acl, "ben", Action::Receive, "from/ben"), "patterns are for all");
        assert!(!may(&acl, "ben", Action::Receive, "from/ann"));
        assert!(!may(&acl, "", Action::Receive, "from/"));
    }

    #[test]
    fn what_denies_wins() {
        let acl = acl(
            "user ann\ntopic deny a/secret\ntopic a/#\npattern deny a/for/+\ntopic a/for/ann\n",
        );
        assert!(may(&acl, "ann", Action::Receive, "a/b"));
        for action in [Action::Receive, Action::Publish, Action::Subscribe] {
            assert!(!may(&acl, "ann", action, "a/secret"), "{action:?}");
            assert!(!may(&acl, "ann", action, "a/for/ann"), "{action:?}");
        }
    }

    #[test]
    fn a_subscription_wants_something_to_receive() {
        let acl = acl("user ann\ntopic read a/+/c\ntopic deny a/b/#\ntopic write w\n");
        for filter in ["#", "a/#", "a/+/c", "a/x/c", "+/+/+"] {
            assert!(may(&acl, "ann", Action::Subscribe, filter), "{filter}");
        }
        for filter in ["a/b/c", "a/b/#", "w", "b/#", "a/x/d", "a", "+", "$SYS/#"] {
            assert!(!may(&acl, "ann", Action::Subscribe, filter), "{filter}");
        }
    }

    #[test]
    fn names_in_rules_are_names_only() {
        let by_user = acl("pattern a/%u\n");
        let by_client = acl("pattern a/%c\n");
        for name in ["+", "a/b", "#", "$x", "bell\u{7}"] {
            let user = Who { user: Some(name), client_id: "c" };
            let client = Who { user: Some("ann"), client_id: name };
            assert!(!by_user.can_name(user) && by_user.can_name(client), "{name}");
            assert!(by_client.can_name(user) && !by_client.can_name(client), "{name}");
        }
    }

    /// Half a list is worse than none: every fault is said, with its line.
    #[test]
    fn every_line_that_is_wrong_is_named() {
        let text = "user\ntopic\ntopic read\ntopic of ann\ntopic read a/#/b\ntopics a\npattern deny\ntopic $share/g/a\nuser ann\ntopic deny a b\n";
        let bad = Acl::parse(text).unwrap_err();
        let said: Vec<_> = bad.iter().map(|one| format!("{}: {}", one.number, one.fault)).collect();
        assert_eq!(
            said,
            [
                "1: user wants a name behind it",
                "2: topic wants a topic behind it",
                "3: topic read wants a topic behind it",
                "4: before the topic stands read, write, readwrite or deny, not \"of\"",
                "5: \"a/#/b\" is no topic filter: # stands alone at the end, + alone in a level",
                "6: a line begins with user, topic or pattern, not with \"topics\"",
                "7: pattern deny wants a topic behind it",
                "8: \"$share/g/a\" is a shared subscription; the rule is for what is behind it",
            ]
        );
        let error = AclError::Lines("acl".into(), bad[..2].to_vec()).to_string();
        assert_eq!(
            error,
            "acl:1: user wants a name behind it; acl:2: topic wants a topic behind it"
        );
    }
}
