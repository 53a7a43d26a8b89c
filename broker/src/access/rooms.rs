//! Rooms that are not for everybody: who enters them, with which password, and who leads them.
//!
//! Who logs in to the room `film` as `ann` is the user `ann@film`. The password is the room's, or
//! ann's own if the room knows her: as one of its members, or as an operator, so that nobody who
//! merely knows the room's password can pass for one. In a locked room there are none but these.
//!
//! Nothing of the broker is a guest's but the topics of the room. There, what a peer says is said by
//! that peer alone, and the timeline and the rules, if the room has operators, by them alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use super::{Action, Verdict, Who};

/// What the topics of all rooms begin with.
const TOPICS: &str = "playsync/1/";

/// What the client id of a player begins with; its peer id follows.
const CLIENT_ID_PREFIX: &str = "playsync-";

/// What each peer writes below its own name only.
const OF_EACH_PEER: [&str; 2] = ["peer", "chat"];

/// What only operators write, in a room that has any.
const LED_BY_OPERATORS: [&str; 2] = ["timeline", "settings"];

/// What stands between the name and the room in a user's name, and before a room in the name of
/// its line in the password file.
const SIGN: char = '@';

/// All rooms that are not for everybody, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rooms(BTreeMap<Box<str>, Room>);

/// One room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Users who enter with a password of their own.
    pub members: Vec<Box<str>>,
    /// Members who lead the room.
    pub operators: Vec<Box<str>>,
    /// Whether nobody else enters, whatever they know.
    pub is_locked: bool,
}

/// Why there is no such room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomsError {
    /// A room cannot have this name.
    Name(String),
    /// A room is described twice.
    Twice(String),
}

impl fmt::Display for RoomsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "{name:?} is no name of a room: it is not empty and has no / + # : @")
            }
            Self::Twice(name) => write!(f, "the room {name:?} is there twice"),
        }
    }
}

impl Error for RoomsError {}

impl Room {
    /// Whether somebody of this name enters with a password of their own.
    fn knows(&self, name: &str) -> bool {
        self.is_led_by(name) || self.members.iter().any(|member| &**member == name)
    }

    fn is_led_by(&self, name: &str) -> bool {
        self.operators.iter().any(|operator| &**operator == name)
    }

    /// Whether somebody who is in the room may do this with a topic of it.
    fn allows(&self, name: &str, client_id: &str, action: Action, channel: &str) -> bool {
        let (first, rest) = channel.split_once('/').unwrap_or((channel, ""));
        match action {
            Action::Receive | Action::Subscribe => true,
            Action::Publish if OF_EACH_PEER.contains(&first) => {
                let peer = rest.split('/').next().unwrap_or_default();
                peer == client_id.strip_prefix(CLIENT_ID_PREFIX).unwrap_or(client_id)
            }
            Action::Publish if LED_BY_OPERATORS.contains(&first) => {
                self.operators.is_empty() || self.is_led_by(name)
            }
            Action::Publish => true,
        }
    }
}

impl Rooms {
    /// Adds a room.
    ///
    /// # Errors
    /// No room can have that name, or one has it.
    pub fn insert(&mut self, name: &str, room: Room) -> Result<(), RoomsError> {
        let is_name = |c: char| !"/+#:@".contains(c) && !c.is_control();
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(RoomsError::Name(name.into()));
        }
        match self.0.insert(name.into(), room) {
            None => Ok(()),
            Some(_) => Err(RoomsError::Twice(name.into())),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rooms and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Room)> {
        self.0.iter().map(|(name, room)| (&**name, room))
    }

    /// The name of a room's line in the password file.
    pub fn line_of(room: &str) -> String {
        format!("{SIGN}{room}")
    }

    /// The name and the room of a guest.
    pub fn guest<'a>(&'a self, user: &'a str) -> Option<(&'a str, &'a str, &'a Room)> {
        let (name, room) = user.rsplit_once(SIGN)?;
        let (room, found) = self.0.get_key_value(room)?;
        Some((name, room, found))
    }

    pub(super) fn account<'a>(&'a self, user: &'a str) -> Cow<'a, str> {
        // No line of the password file has a name with a control character.
        let nobody = || Cow::Owned(format!("\0{user}"));
        match self.guest(user) {
            None => Cow::Borrowed(user),
            Some(("", ..)) => nobody(),
            Some((name, _, room)) if room.knows(name) => Cow::Borrowed(name),
            Some((.., room)) if room.is_locked => nobody(),
            Some((_, room, _)) => Cow::Owned(Self::line_of(room)),
        }
    }

    pub(super) fn judge(&self, who: Who<'_>, action: Action, topic: &str) -> Verdict {
        if let Some((name, room, found)) = who.user.and_then(|user| self.guest(user)) {
            let is_allowed = channel_of(room, topic)
                .is_some_and(|channel| found.allows(name, who.client_id, action, channel));
            return if is_allowed { Verdict::Granted } else { Verdict::Denied };
        }
        let Some(channel) = topic.strip_prefix(TOPICS) else { return Verdict::Silent };
        let (room, channel) = channel.split_once('/').unwrap_or((channel, ""));
        match (self.0.get(room), who.user) {
            (None, _) => Verdict::Silent,
            (Some(found), Some(user))
                if found.knows(user) && found.allows(user, who.client_id, action, channel) =>
            {
                Verdict::Granted
            }
            (Some(_), _) => Verdict::Denied,
        }
    }
}

/// What is behind the name of the room in one of its topics, or filters for nothing but these.
fn channel_of<'a>(room: &str, topic: &'a str) -> Option<&'a str> {
    topic.strip_prefix(TOPICS)?.strip_prefix(room)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms() -> Rooms {
        let mut rooms = Rooms::default();
        let led = Room { operators: vec!["ann".into()], ..Room::default() };
        let locked =
            Room { members: vec!["ben".into()], operators: vec!["ann".into()], is_locked: true };
        rooms.insert("free", Room::default()).unwrap();
        rooms.insert("film", led).unwrap();
        rooms.insert("safe", locked).unwrap();
        rooms
    }

    #[test]
    fn guests_log_in_with_the_password_of_the_room_and_those_it_knows_with_their_own() {
        let rooms = rooms();
        for (user, line) in [
            ("ann", "ann"),
            ("ann@free", "@free"),
            ("ann@film", "ann"),
            ("ben@film", "@film"),
            ("a@b@film", "@film"),
            ("ann@safe", "ann"),
            ("ben@safe", "ben"),
            ("eve@safe", "\0eve@safe"),
            ("@safe", "\0@safe"),
            ("@film", "\0@film"),
            ("eve@example.org", "eve@example.org"),
        ] {
            assert_eq!(rooms.account(user), line, "{user}");
        }
    }

    fn judge(user: &str, action: Action, topic: &str) -> Verdict {
        let user = (!user.is_empty()).then_some(user);
        rooms().judge(Who { user, client_id: "playsync-p1" }, action, topic)
    }

    #[test]
    fn a_guest_has_the_room_and_nothing_else() {
        for topic in ["playsync/1/free/timeline", "playsync/1/free/#", "playsync/1/free/peer/+"] {
            assert_eq!(judge("eve@free", Action::Subscribe, topic), Verdict::Granted, "{topic}");
        }
        for topic in
            ["#", "playsync/1/+/timeline", "playsync/1/film/timeline", "playsync/1/free", "home"]
        {
            assert_eq!(judge("eve@free", Action::Subscribe, topic), Verdict::Denied, "{topic}");
        }
    }

    #[test]
    fn a_peer_speaks_for_itself_only() {
        let publish = |topic| judge("eve@free", Action::Publish, topic);
        assert_eq!(publish("playsync/1/free/peer/p1"), Verdict::Granted);
        assert_eq!(publish("playsync/1/free/peer/p1/status"), Verdict::Granted);
        assert_eq!(publish("playsync/1/free/peer/p2"), Verdict::Denied);
        assert_eq!(publish("playsync/1/free/peer"), Verdict::Denied);
        assert_eq!(publish("playsync/1/free/chat/p1"), Verdict::Granted);
        assert_eq!(publish("playsync/1/free/chat/p2"), Verdict::Denied);
        assert_eq!(publish("playsync/1/free/answer/p1"), Verdict::Granted);
    }

    #[test]
    fn operators_alone_lead_a_room_that_has_them() {
        let timeline = "playsync/1/film/timeline";
        assert_eq!(judge("eve@film", Action::Publish, timeline), Verdict::Denied);
        assert_eq!(judge("eve@film", Action::Receive, timeline), Verdict::Granted);
        assert_eq!(judge("ann@film", Action::Publish, timeline), Verdict::Granted);
        assert_eq!(
            judge("eve@free", Action::Publish, "playsync/1/free/timeline"),
            Verdict::Granted
        );
        assert_eq!(judge("ben@safe", Action::Publish, "playsync/1/safe/timeline"), Verdict::Denied);
    }

    #[test]
    fn others_have_no_part_in_a_room_unless_it_knows_them() {
        let timeline = "playsync/1/film/timeline";
        for user in ["", "eve", "eve@free"] {
            for action in [Action::Publish, Action::Receive, Action::Subscribe] {
                assert_eq!(judge(user, action, timeline), Verdict::Denied, "{user} {action:?}");
            }
        }
        assert_eq!(judge("eve", Action::Subscribe, "playsync/1/film/#"), Verdict::Denied);
        assert_eq!(judge("ann", Action::Publish, timeline), Verdict::Granted);
        assert_eq!(judge("eve", Action::Publish, "playsync/1/other/timeline"), Verdict::Silent);
        assert_eq!(judge("eve", Action::Subscribe, "#"), Verdict::Silent, "each message is judged");
    }

    #[test]
    fn a_room_has_a_name_of_one_level() {
        for name in ["", "a/b", "+", "#", "a@b", "a:b", "bell\u{7}"] {
            let error = Rooms::default().insert(name, Room::default()).unwrap_err();
            assert_eq!(error, RoomsError::Name(name.into()));
        }
        let mut rooms = rooms();
        let error = rooms.insert("film", Room::default()).unwrap_err();
        assert_eq!(error.to_string(), "the room \"film\" is there twice");
    }
}
