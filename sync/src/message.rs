//! The JSON of every channel, and the checks a payload passes before anything believes it.

use serde::{Deserialize, Serialize};

use crate::settings::Rules;
use crate::{Condition, File};

/// The version of the protocol that every message carries.
pub(crate) const VERSION: u32 = 1;
/// No message of the protocol comes near this many bytes.
const LARGEST_MESSAGE: usize = 16 * 1024;
/// Ids and names longer than this are refused or cut.
pub(crate) const LONGEST_NAME: usize = 64;
/// File names longer than this are cut.
const LONGEST_FILE_NAME: usize = 256;
/// URLs longer than this, in bytes, are not told.
const LONGEST_URL: usize = 2_048;
/// No film is longer, in seconds.
const LARGEST_POSITION: f64 = 1e8;
/// Revisions beyond this are nobody's.
const LARGEST_REVISION: u64 = 1 << 40;
/// Lines of chat longer than this are cut, in characters.
const LONGEST_CHAT: usize = 1_000;

/// A message with the version that all carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    body: T,
}

/// Where the room is: a straight line through time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// Counts the timelines of the room; the higher one holds.
    pub revision: u64,
    /// Who wrote it; breaks ties of the revision.
    pub peer: String,
    /// The clock that `at` is read from.
    pub clock: String,
    /// When the room is at `position`, in seconds of that clock; without it the room holds there until released.
    pub at: Option<f64>,
    /// A media position in seconds.
    pub position: f64,
    /// Media seconds per second.
    pub speed: f64,
    /// Whether the room stands at `position`.
    pub paused: bool,
    /// What the writer did.
    #[serde(default)]
    pub action: Action,
    /// The peer whose data has run out, while the room waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What the room watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
}

/// What the writer of a timeline did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Pause,
    Resume,
    Seek,
    Speed,
    File,
    /// Went one frame on or back.
    Step,
    /// Let the room run because everybody is ready.
    Start,
    /// Holds the room until somebody's data has come.
    Wait,
    /// Took the last deed back, or did it again.
    Undo,
    Redo,
    /// Wrote the same line anew: in another clock, with a fresh `at`, or because the room might keep another one.
    Restate,
    /// A word that this version does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// A film, known by what does not depend on where it lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A peer about itself, retained on `peer/<id>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub name: String,
    #[serde(default)]
    pub condition: Condition,
    /// Whether its viewer is ready to watch.
    #[serde(default)]
    pub ready: bool,
    /// What it has open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Media>,
    /// Its quickest round trip to the clock, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<f64>,
    /// The standard deviation of one direction, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// What nine in ten of its seeks stay below, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<f64>,
    /// The clock it serves on the `clock` channel, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves_clock: Option<String>,
}

/// How well a playing peer keeps to the room, on `peer/<id>/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drift {
    /// Position minus the room's, in seconds.
    pub error: f64,
    /// Its speed over the room's.
    pub factor: f64,
    pub position: f64,
}

/// The room's rules, retained on `settings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Counts the settings of the room; the higher one holds.
    pub revision: u64,
    /// Who wrote them; breaks ties of the revision.
    pub peer: String,
    #[serde(flatten)]
    pub rules: Rules,
}

/// A line of chat, on `chat/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chat {
    pub name: String,
    pub text: String,
}

/// The answer to a question for the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClockAnswer {
    /// The clock's id.
    pub clock: String,
    /// When the question was read, in seconds of that clock.
    pub received: f64,
    /// When the answer was written.
    pub sent: f64,
}

/// Writes a message with its version.
pub(crate) fn write<T: Serialize>(body: &T) -> String {
    serde_json::to_string(&Versioned { version: VERSION, body })
        .expect("a message of finite numbers and text is JSON")
}

/// Writes the answer to a question for the time, which carries no version: brokers write it too.
pub(crate) fn write_clock_answer(answer: &ClockAnswer) -> String {
    serde_json::to_string(answer).expect("three plain fields are JSON")
}

/// Reads a timeline and refuses one that cannot be true.
pub(crate) fn read_timeline(json: &[u8]) -> Result<Timeline, String> {
    let timeline: Timeline = read(json)?;
    let is_true = is_name(&timeline.peer)
        && timeline.clock.len() <= LONGEST_NAME
        && timeline.revision <= LARGEST_REVISION
        && (0.0..=LARGEST_POSITION).contains(&timeline.position)
        && (0.01..=100.0).contains(&timeline.speed)
        && timeline.at.is_none_or(|at| at.abs() <= 1e11);
    is_true.then_some(timeline).ok_or_else(|| "a field is out of its range".to_owned())
}

/// Reads a presence; what is out of range counts as untold.
pub(crate) fn read_presence(json: &[u8]) -> Result<Presence, String> {
    let mut presence: Presence = read(json)?;
    let is_delay = |secs: &f64| (0.0..=60.0).contains(secs);
    presence.name = cut(&presence.name, LONGEST_NAME);
    presence.round_trip = presence.round_trip.filter(is_delay);
    presence.jitter = presence.jitter.filter(is_delay);
    presence.restart = presence.restart.filter(is_delay);
    presence.serves_clock = presence.serves_clock.filter(|id| id.len() <= LONGEST_NAME);
    Ok(presence)
}

/// Reads the room's rules.
pub(crate) fn read_settings(json: &[u8]) -> Result<Settings, String> {
    let settings: Settings = read(json)?;
    let is_true = is_name(&settings.peer) && settings.revision <= LARGEST_REVISION;
    is_true.then_some(settings).ok_or_else(|| "a field is out of its range".to_owned())
}

/// Reads a line of chat, cut to what a screen can show.
pub(crate) fn read_chat(json: &[u8]) -> Result<Chat, String> {
    let Chat { name, text } = read(json)?;
    Ok(Chat { name: cut(&name, LONGEST_NAME), text: chat_text(&text) })
}

/// What of a typed or received text is shown as a line of chat.
pub(crate) fn chat_text(text: &str) -> String {
    cut(text.trim(), LONGEST_CHAT)
}

/// Reads a peer's drift.
pub(crate) fn read_drift(json: &[u8]) -> Result<Drift, String> {
    let drift: Drift = read(json)?;
    let is_true = drift.error.is_finite() && drift.factor.is_finite() && drift.position.is_finite();
    is_true.then_some(drift).ok_or_else(|| "a field is out of its range".to_owned())
}

/// Reads an answer to a question for the time.
pub(crate) fn read_clock_answer(json: &[u8]) -> Result<ClockAnswer, String> {
    let answer: ClockAnswer =
        serde_json::from_slice(within_limit(json)?).map_err(|error| error.to_string())?;
    let is_true = answer.clock.len() <= LONGEST_NAME
        && !answer.clock.is_empty()
        && answer.received.abs() <= 1e11
        && answer.sent.abs() <= 1e11;
    is_true.then_some(answer).ok_or_else(|| "a field is out of its range".to_owned())
}

/// Seconds to the microsecond: finer than any player, and short to read.
pub(crate) fn to_micros(secs: f64) -> f64 {
    (secs * 1e6).round() / 1e6
}

/// Whether it may stand for a peer in a channel: 1 to 64 of `A-Z a-z 0-9 - _`.
pub(crate) fn is_name(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_NAME).contains(&id.len()) && id.bytes().all(is_plain)
}

/// The first `longest` characters, control characters left out.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(longest).collect()
}

impl Media {
    /// Describes an open file.
    pub(crate) fn of(file: &File) -> Media {
        let is_short = |url: &String| url.len() <= LONGEST_URL;
        Media {
            name: cut(&file.name, LONGEST_FILE_NAME),
            size: file.size,
            duration: file.duration,
            fingerprint: file.fingerprint.clone(),
            url: file.url.clone().filter(is_short),
        }
    }

    /// Whether both are the same film as far as one can tell: by content or length; failing those by size or name. Of two
    /// whose content is known to differ, one name says nothing: cuts differ in length.
    pub(crate) fn is_same_as(&self, other: &Media) -> bool {
        let sizes = self.size.zip(other.size);
        let lengths = self.duration.zip(other.duration);
        let is_same_size = sizes.is_some_and(|(one, two)| one == two);
        let is_same_length = lengths.is_some_and(|(one, two)| (one - two).abs() < 1.0);
        let is_nothing_known = sizes.is_none() && lengths.is_none();
        let contents = self.fingerprint.as_ref().zip(other.fingerprint.as_ref());
        if let Some((one, two)) = contents {
            return one == two || is_same_length;
        }
        is_same_size || is_same_length || is_nothing_known || self.name == other.name
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    let message: Versioned<T> =
        serde_json::from_slice(within_limit(json)?).map_err(|error| error.to_string())?;
    if message.version == VERSION {
        Ok(message.body)
    } else {
        Err(format!("version {} is not spoken here", message.version))
    }
}

fn within_limit(json: &[u8]) -> Result<&[u8], String> {
    (json.len() <= LARGEST_MESSAGE)
        .then_some(json)
        .ok_or_else(|| format!("{} bytes are too many", json.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(name: &str, size: Option<u64>, duration: Option<f64>) -> Media {
        Media { name: name.to_owned(), size, duration, fingerprint: None, url: None }
    }

    #[test]
    fn timeline_comes_back_as_it_was_written() {
        let timeline = Timeline {
            revision: 42,
            peer: "anna".to_owned(),
            clock: "k3v9".to_owned(),
            at: Some(1_795_336_171.008_3),
            position: 1_234.567_89,
            speed: 1.25,
            paused: false,
            action: Action::Seek,
            waits_for: None,
            media: Some(film("film.mkv", Some(7_340_032), Some(5_400.1))),
        };
        let json = write(&timeline);
        assert!(json.starts_with(r#"{"version":1,"revision":42,"peer":"anna""#), "{json}");
        assert_eq!(read_timeline(json.as_bytes()), Ok(timeline));
    }

    #[test]
    fn unknown_fields_and_actions_are_let_through() {
        let json =
            br#"{"version":1,"revision":1,"peer":"bot","clock":"","at":null,"position":2,"speed":1,
            "paused":true,"action":"dance","mood":"good"}"#;
        let timeline = read_timeline(json).expect("understood");
        assert_eq!((timeline.action, timeline.at), (Action::Other, None));
    }

    #[test]
    fn impossible_timelines_are_refused() {
        let with = |field: &str| {
            let json = format!(
                r#"{{"version":1,"revision":1,"peer":"a","clock":"c","at":1,"position":1,"speed":1,"paused":true,{field}}}"#
            );
            read_timeline(json.replace(r#""position":1,"#, "").as_bytes())
        };
        assert!(with(r#""position":3"#).is_ok());
        for field in
            [r#""position":-1"#, r#""position":1e300"#, r#""position":null"#, r#""position":"x""#]
        {
            assert!(with(field).is_err(), "{field}");
        }
        assert!(read_timeline(b"").is_err());
        assert!(read_timeline(br#"{"version":2}"#).is_err());
        assert!(read_timeline(&[b' '; 20_000]).is_err());
    }

    #[test]
    fn same_film_is_known_by_size_or_length_or_name() {
        let here = film("film.mkv", Some(1_000), Some(60.0));
        assert!(here.is_same_as(&film("renamed.mkv", Some(1_000), None)));
        assert!(here.is_same_as(&film("other container.mp4", Some(900), Some(60.4))));
        assert!(here.is_same_as(&film("film.mkv", Some(900), Some(70.0))));
        assert!(!here.is_same_as(&film("another.mkv", Some(900), Some(70.0))));
    }

    #[test]
    fn another_cut_under_the_same_name_is_known_by_its_content() {
        let known = |name: &str, duration, fingerprint: &str| Media {
            fingerprint: Some(fingerprint.to_owned()),
            ..film(name, None, Some(duration))
        };
        let here = known("film.mkv", 60.0, "aa");
        assert!(here.is_same_as(&known("renamed.mkv", 99.0, "aa")));
        assert!(here.is_same_as(&known("film.mp4", 60.5, "bb")), "another container");
        assert!(!here.is_same_as(&known("film.mkv", 70.0, "bb")), "another cut");
        assert!(here.is_same_as(&film("film.mkv", None, Some(70.0))), "content unknown there");
    }
}
