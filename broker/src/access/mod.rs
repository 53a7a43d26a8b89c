//! Who may do what: one pure question, [`Rules::authorize`], asked at the last moment on every path.
//!
//! Three things have a say, in this order:
//!
//! 1. The ACL, if there is one ([`Acl`]): a rule that denies wins, a rule that grants comes next.
//! 2. Rooms ([`Rooms`]): their topics are for those who have entered them, and who has logged in to
//!    a room has nothing but that room.
//! 3. What neither speaks of is allowed to all where there is no ACL, and to nobody where there is
//!    one. `$SYS` is for administrators.

mod acl;
mod filter;
mod rooms;

use std::borrow::Cow;
use std::collections::HashSet;

pub use self::acl::{Acl, AclError, BadRule};
pub use self::rooms::{Room, Rooms, RoomsError};

/// Who wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// The user, if it is one.
    pub user: Option<&'a str>,
    /// The client.
    pub client_id: &'a str,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish to a topic, at once, as a will, or as a retained message that goes out later.
    Publish,
    /// Get a message of a topic.
    Receive,
    /// Subscribe to a filter. It is refused if nothing that it is for may be received; each
    /// message is looked at again.
    Subscribe,
}

/// Everything that says who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The access control list; without one, what nobody speaks of is allowed.
    pub acl: Option<Acl>,
    /// The rooms that are not for everybody.
    pub rooms: Rooms,
    /// Who may see what the broker says of itself.
    pub administrators: Administrators,
}

/// Who may see what the broker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Administrators {
    /// Whoever can connect.
    Everybody,
    /// These users.
    Users(HashSet<Box<str>>),
}

impl Default for Administrators {
    fn default() -> Self {
        Self::Users(HashSet::new())
    }
}

impl Administrators {
    fn include(&self, user: Option<&str>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Users(names) => user.is_some_and(|user| names.contains(user)),
        }
    }
}

/// What one of those who have a say says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted,
    Denied,
    /// Nothing that is to the point.
    Silent,
}

impl Rules {
    /// Whether they may. The topic is a filter where it is about a subscription.
    pub fn authorize(&self, who: Who<'_>, action: Action, topic: &str) -> bool {
        let ruled = self.acl.as_ref().map_or(Verdict::Silent, |acl| acl.judge(who, action, topic));
        let verdict = match ruled {
            Verdict::Silent if is_about_broker(topic) => {
                return self.administrators.include(who.user);
            }
            Verdict::Silent => self.rooms.judge(who, action, topic),
            ruled => ruled,
        };
        match verdict {
            Verdict::Granted => true,
            Verdict::Denied => false,
            Verdict::Silent => self.acl.is_none(),
        }
    }

    /// Whether everybody may do everything with the topic, so that there is nothing to ask.
    pub fn leave_free(&self, topic: &str) -> bool {
        self.leave_all_free() && !is_about_broker(topic)
    }

    /// Whether everybody may do everything with all topics but those of the broker's state.
    pub fn leave_all_free(&self) -> bool {
        self.acl.is_none() && self.rooms.is_empty()
    }

    /// The line of the password file that a user logs in with. What has no line is nobody's.
    pub fn account<'a>(&'a self, user: &'a str) -> Cow<'a, str> {
        self.rooms.account(user)
    }

    /// Whether a name can be put in the place of `%u` or `%c` without meaning something else there,
    /// or there is no such place.
    pub fn can_name(&self, who: Who<'_>) -> bool {
        self.acl.as_ref().is_none_or(|acl| acl.can_name(who))
    }
}

/// Whether the topic, or filter, is of the broker's own state.
fn is_about_broker(topic: &str) -> bool {
    topic.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(user: &str) -> Who<'_> {
        Who { user: Some(user), client_id: "client" }
    }

    #[test]
    fn without_rules_all_is_allowed_but_the_state_of_the_broker() {
        let rules = Rules::default();
        assert!(rules.authorize(who("ann"), Action::Publish, "a"));
        assert!(rules.authorize(who("ann"), Action::Subscribe, "#"));
        for topic in ["$SYS", "$SYS/#", "$SYS/uptime"] {
            assert!(!rules.leave_free(topic));
            assert!(!rules.authorize(who("ann"), Action::Receive, topic));
        }
        assert!(rules.leave_free("a") && rules.leave_free("$SYSTEM"));
    }

    #[test]
    fn administrators_see_the_state_of_the_broker() {
        let names = HashSet::from(["ann".into()]);
        let named = Rules { administrators: Administrators::Users(names), ..Rules::default() };
        assert!(named.authorize(who("ann"), Action::Subscribe, "$SYS/#"));
        assert!(!named.authorize(who("ben"), Action::Subscribe, "$SYS/#"));
        let nobody = Who { user: None, client_id: "client" };
        assert!(!named.authorize(nobody, Action::Receive, "$SYS/uptime"));
        let all = Rules { administrators: Administrators::Everybody, ..Rules::default() };
        assert!(all.authorize(nobody, Action::Receive, "$SYS/uptime"));
    }

    #[test]
    fn an_acl_speaks_first_and_allows_nothing_else() {
        let acl = Acl::parse("user ann\ntopic read $SYS/#\ntopic a\n").unwrap();
        let names = HashSet::from(["ben".into()]);
        let administrators = Administrators::Users(names);
        let rules = Rules { acl: Some(acl), administrators, ..Rules::default() };
        assert!(rules.authorize(who("ann"), Action::Receive, "$SYS/uptime"));
        assert!(rules.authorize(who("ann"), Action::Publish, "a"));
        assert!(!rules.authorize(who("ann"), Action::Publish, "b"));
        assert!(rules.authorize(who("ben"), Action::Receive, "$SYS/uptime"));
        assert!(!rules.authorize(who("ben"), Action::Receive, "a"));
    }

    /// [`Acl`] with nothing in it: mosquitto had it allow everything once (CVE-2018-12550).
    #[test]
    fn an_empty_acl_allows_nothing() {
        let rules = Rules { acl: Some(Acl::parse("").unwrap()), ..Rules::default() };
        assert!(!rules.leave_free("a"));
        for action in [Action::Publish, Action::Receive, Action::Subscribe] {
            assert!(!rules.authorize(who("ann"), action, "a"), "{action:?}");
        }
    }
}
