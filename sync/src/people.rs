//! The other peers of the room, as they told of themselves.

use std::collections::BTreeMap;

use crate::message::{Drift, Presence};
use crate::{Condition, Moment, PeerStatus};

/// How many peers are remembered; a room of friends is far smaller.
const LARGEST_ROOM: usize = 256;
/// Limits of the time that a message needs to reach everybody, in seconds.
const LEAD_SECS: (f64, f64) = (0.1, 0.5);
/// What is added to the slowest path for work on both ends, in seconds.
const LEAD_MARGIN_SECS: f64 = 0.06;
/// How long an error counts after it was told; in the largest rooms it is told every minute, in seconds.
const ERROR_LASTS_SECS: f64 = 60.0;
/// What a path is taken for while its peer has not told, in seconds.
const USUAL_ROUND_TRIP_SECS: f64 = 0.05;

/// Everybody else in the room.
#[derive(Debug, Default)]
pub(crate) struct People {
    others: BTreeMap<String, Person>,
}

#[derive(Debug)]
struct Person {
    presence: Presence,
    error: Option<ToldError>,
    /// Whether it was heard of since the room was last lost.
    is_confirmed: bool,
}

#[derive(Clone, Copy, Debug)]
struct ToldError {
    secs: f64,
    at: Moment,
}

/// This peer in the election of whose clock is the room's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub id: &'a str,
    /// The id of the clock it serves or would serve.
    pub clock: &'a str,
    pub is_serving: bool,
}

/// What a presence says that the last one did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Joined,
    Left,
    Nothing,
}

impl People {
    /// Takes a presence in.
    pub(crate) fn tell(&mut self, id: &str, presence: Presence) -> News {
        let was_here = self.is_here(id);
        if was_here || self.others.len() < LARGEST_ROOM || self.others.contains_key(id) {
            let error = self.others.get(id).and_then(|person| person.error);
            self.others.insert(id.to_owned(), Person { presence, error, is_confirmed: true });
        }
        match (was_here, self.is_here(id)) {
            (false, true) => News::Joined,
            (true, false) => News::Left,
            _ => News::Nothing,
        }
    }

    /// A peer's presence was cleared: it left for good.
    pub(crate) fn forget(&mut self, id: &str) -> News {
        let was_here = self.is_here(id);
        self.others.remove(id);
        if was_here { News::Left } else { News::Nothing }
    }

    /// The room is lost: who leaves meanwhile may never be heard of.
    pub(crate) fn doubt_all(&mut self) {
        self.others.values_mut().for_each(|person| person.is_confirmed = false);
    }

    /// What the room keeps has come: whoever it does not know has left. Returns their names.
    pub(crate) fn forget_unconfirmed(&mut self) -> Vec<String> {
        let (here, left) = std::mem::take(&mut self.others)
            .into_iter()
            .partition(|(_, person)| person.is_confirmed);
        self.others = here;
        let left: BTreeMap<String, Person> = left;
        let was_here = |person: &Person| person.presence.condition != Condition::Gone;
        left.into_values().filter(was_here).map(|person| person.presence.name).collect()
    }

    /// Takes in how well a peer keeps to the room.
    pub(crate) fn tell_drift(&mut self, id: &str, drift: &Drift, received: Moment) {
        if let Some(person) = self.others.get_mut(id) {
            person.error = Some(ToldError { secs: drift.error, at: received });
        }
    }

    /// The name of a peer, or its id while it told none.
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.others
            .get(id)
            .map(|person| person.presence.name.as_str())
            .filter(|name| !name.is_empty())
            .unwrap_or(id)
    }

    /// Whether nobody else is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.here().next().is_none()
    }

    /// How many others are here.
    pub(crate) fn count(&self) -> usize {
        self.here().count()
    }

    /// Whether the peer is here.
    pub(crate) fn is_here(&self, id: &str) -> bool {
        self.others.get(id).is_some_and(|person| person.presence.condition != Condition::Gone)
    }

    /// How many of those here come before `own_id`: tasks that one must do fall to rank 0 first.
    pub(crate) fn rank_of(&self, own_id: &str) -> usize {
        self.here().filter(|(id, _)| id.as_str() < own_id).count()
    }

    /// Whether the room's clock falls on this peer. It stays with, or goes back to, whose clock the held timeline is in;
    /// failing that, the lowest who serves one goes on; failing that, the lowest of all begins.
    pub(crate) fn elects(&self, own: Candidate<'_>, held_clock: Option<&str>) -> bool {
        let served = |person: &Person| person.presence.serves_clock.clone();
        if held_clock == Some(own.clock) {
            return true;
        }
        if held_clock.is_some()
            && self.here().any(|(_, person)| served(person).as_deref() == held_clock)
        {
            return false;
        }
        match self.here().find(|(_, person)| served(person).is_some()) {
            Some((server, _)) => own.is_serving && own.id < server.as_str(),
            None => own.is_serving || self.rank_of(own.id) == 0,
        }
    }

    /// What the peer's player does; one that is not here is gone.
    pub(crate) fn condition(&self, id: &str) -> Condition {
        self.others.get(id).map_or(Condition::Gone, |person| person.presence.condition)
    }

    /// Whether the peer is here with the room's film open.
    pub(crate) fn is_watching(&self, id: &str) -> bool {
        use Condition::{Gone, NoFile, OtherFile};
        !matches!(self.condition(id), Gone | NoFile | OtherFile)
    }

    /// The first here whose data has run out.
    pub(crate) fn buffering(&self) -> Option<&str> {
        let mut here = self.here();
        here.find(|(_, person)| person.presence.condition == Condition::Buffering)
            .map(|(id, _)| id.as_str())
    }

    /// The names of those here who are not ready.
    pub(crate) fn unready(&self) -> Vec<String> {
        let unready = self.here().filter(|(_, person)| !person.presence.ready);
        unready.map(|(id, _)| self.name(id).to_owned()).collect()
    }

    /// Whether the peer is here and ready.
    pub(crate) fn is_ready(&self, id: &str) -> bool {
        self.is_here(id) && self.others.get(id).is_some_and(|person| person.presence.ready)
    }

    /// How long before its time something must be written so that all have it by then, in seconds.
    pub(crate) fn lead_secs(&self, own_path: Option<(f64, f64)>) -> f64 {
        let own = own_path.map_or(USUAL_ROUND_TRIP_SECS, |(round_trip, _)| round_trip) / 2.0;
        let slowest =
            self.here().map(|(_, person)| person.presence.delay_secs()).fold(0.0, f64::max);
        (own + slowest + LEAD_MARGIN_SECS).clamp(LEAD_SECS.0, LEAD_SECS.1)
    }

    /// What nine in ten seeks of the slowest player stay below, `own` included, in seconds.
    pub(crate) fn restart_secs(&self, own: f64) -> f64 {
        self.here().filter_map(|(_, person)| person.presence.restart).fold(own, f64::max).min(2.0)
    }

    /// The errors that playing peers told lately.
    pub(crate) fn errors(&self, now: Moment) -> impl Iterator<Item = f64> {
        self.here().filter_map(move |(_, person)| person.error_at(now))
    }

    /// A row for each peer that is here.
    pub(crate) fn rows(&self, now: Moment) -> Vec<PeerStatus> {
        let row = |(id, person): (&String, &Person)| PeerStatus {
            id: id.clone(),
            name: self.name(id).to_owned(),
            condition: person.presence.condition,
            is_ready: person.presence.ready,
            error_ms: person.error_at(now).map(|secs| secs * 1e3),
            round_trip_ms: person.presence.round_trip.map(|secs| secs * 1e3),
        };
        self.here().map(row).collect()
    }

    fn here(&self) -> impl Iterator<Item = (&String, &Person)> {
        self.others.iter().filter(|(_, person)| person.presence.condition != Condition::Gone)
    }
}

impl Person {
    /// Its error, while it plays and has told it lately.
    fn error_at(&self, now: Moment) -> Option<f64> {
        let is_playing = self.presence.condition == Condition::Playing;
        self.error
            .filter(|told| is_playing && now - told.at < ERROR_LASTS_SECS)
            .map(|told| told.secs)
    }
}

impl Presence {
    /// Within what time a message from the broker reaches this peer, in seconds.
    fn delay_secs(&self) -> f64 {
        self.round_trip.unwrap_or(USUAL_ROUND_TRIP_SECS) / 2.0 + 3.0 * self.jitter.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(name: &str, condition: Condition) -> Presence {
        Presence {
            name: name.to_owned(),
            condition,
            ready: false,
            file: None,
            round_trip: None,
            jitter: None,
            restart: None,
            serves_clock: None,
        }
    }

    #[test]
    fn coming_and_going_is_news_once() {
        let mut people = People::default();
        assert_eq!(people.tell("ben", presence("Ben", Condition::NoFile)), News::Joined);
        assert_eq!(people.tell("ben", presence("Ben", Condition::Playing)), News::Nothing);
        assert_eq!(people.tell("ben", presence("Ben", Condition::Gone)), News::Left);
        assert_eq!(people.forget("ben"), News::Nothing);
        assert!(people.is_empty());
    }

    #[test]
    fn those_the_room_does_not_know_any_more_have_left() {
        let mut people = People::default();
        for (id, name) in [("ben", "Ben"), ("cleo", "Cleo")] {
            people.tell(id, presence(name, Condition::Playing));
        }
        people.doubt_all();
        people.tell("cleo", presence("Cleo", Condition::Playing));
        assert_eq!(people.forget_unconfirmed(), ["Ben"]);
        assert!(people.is_here("cleo") && !people.is_here("ben"));
    }

    #[test]
    fn clock_falls_on_the_lowest_and_stays_where_it_is_served() {
        let mut people = People::default();
        people.tell("ben", presence("Ben", Condition::Playing));
        let elects = |people: &People, id, is_serving, held_clock| {
            people.elects(Candidate { id, clock: id, is_serving }, held_clock)
        };
        assert!(elects(&people, "anna", false, None));
        assert!(!elects(&people, "cleo", false, None));
        people.tell(
            "ben",
            Presence {
                serves_clock: Some("ben".to_owned()),
                ..presence("Ben", Condition::Playing)
            },
        );
        assert!(!elects(&people, "anna", false, None), "a newcomer does not take it over");
        assert!(elects(&people, "anna", true, None), "of two servers the lower one goes on");
        assert!(!elects(&people, "cleo", true, None));
        assert!(
            !elects(&people, "anna", true, Some("ben")),
            "unless the timeline is in the clock of the other"
        );
        assert!(
            elects(&people, "cleo", false, Some("cleo")),
            "who can read the timeline best serves again"
        );
    }

    #[test]
    fn lead_covers_the_slowest_path_within_its_limits() {
        let mut people = People::default();
        assert_eq!(people.lead_secs(Some((0.001, 0.0))), 0.1);
        let slow = Presence {
            round_trip: Some(0.2),
            jitter: Some(0.02),
            ..presence("Ben", Condition::Playing)
        };
        people.tell("ben", slow.clone());
        assert!((people.lead_secs(Some((0.01, 0.0))) - 0.225).abs() < 1e-9);
        people.tell("ben", Presence { round_trip: Some(2.0), ..slow });
        assert_eq!(people.lead_secs(Some((0.01, 0.0))), 0.5);
    }

    #[test]
    fn room_has_a_limit() {
        let mut people = People::default();
        for number in 0..300 {
            people.tell(&format!("p{number}"), presence("", Condition::Playing));
        }
        assert_eq!(people.count(), LARGEST_ROOM);
    }
}
