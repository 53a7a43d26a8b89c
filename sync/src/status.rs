//! What the engine tells about itself and its peers, for a live table.

use crate::settings::Rules;

/// What a peer's player is doing in the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// No file is open.
    #[default]
    NoFile,
    /// A file is open that is not the room's.
    OtherFile,
    /// It stands still where the room stands.
    Paused,
    /// It seeks, or waits for the instant to start.
    Preparing,
    /// It plays with the room.
    Playing,
    /// Its data has run out for the moment.
    Buffering,
    /// It has reached the end of the file.
    Ended,
    /// It left, or its connection was lost.
    Gone,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Which clock the room's time is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// None has answered yet.
    #[default]
    None,
    /// The broker's own.
    Broker,
    /// Another peer's: the broker has none.
    Peer,
    /// This peer's: the broker has none and the room elected this peer.
    Own,
}

/// How this peer stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Status {
    /// Whether the room can be reached.
    #[serde(rename = "connected")]
    pub is_connected: bool,
    /// What the player is doing.
    pub condition: Condition,
    /// Position minus the room's, in milliseconds, while it plays and has been measured.
    pub error_ms: Option<f64>,
    /// Largest minus smallest error over all playing peers that told theirs, in milliseconds.
    pub spread_ms: Option<f64>,
    /// The correction that cancels the skew of the sound card, as a factor near 1.
    pub trim: f64,
    /// Which clock is used.
    pub clock_source: ClockSource,
    /// The id of that clock, empty when there is none.
    pub clock: String,
    /// The quickest recent round trip to the clock, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// How uncertain the room's time is here, path asymmetry aside, in milliseconds.
    pub clock_error_ms: Option<f64>,
    /// The revision of the timeline; 0 before there is one.
    pub revision: u64,
    /// Where the room is, in seconds, when there is a timeline and a clock.
    pub position: Option<f64>,
    /// The room's speed.
    pub speed: f64,
    /// Whether the room is paused.
    #[serde(rename = "paused")]
    pub is_paused: bool,
    /// Whether this viewer is ready to watch.
    #[serde(rename = "ready")]
    pub is_ready: bool,
    /// Whether the room refuses this viewer's deeds, which are its operators' alone.
    #[serde(rename = "barred")]
    pub is_barred: bool,
    /// In how many seconds the room starts, when that lies ahead.
    pub starts_in: Option<f64>,
    /// The room's rules.
    pub rules: Rules,
}

/// How another peer stands, as it last told.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PeerStatus {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What its player is doing.
    pub condition: Condition,
    /// Whether its viewer is ready to watch.
    #[serde(rename = "ready")]
    pub is_ready: bool,
    /// Its own error against the room, in milliseconds, when told.
    pub error_ms: Option<f64>,
    /// Its quickest round trip to the clock, in milliseconds, when told.
    pub round_trip_ms: Option<f64>,
}

/// Everything in one JSON object: the own fields and `peers`, an array of the others.
pub(crate) fn to_json(own: &Status, peers: &[PeerStatus]) -> String {
    #[derive(serde::Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        own: &'a Status,
        peers: &'a [PeerStatus],
    }
    serde_json::to_string(&Whole { own, peers }).expect("numbers and text are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_reads_in_full_words_with_null_for_the_unknown() {
        let ben = PeerStatus {
            id: "ben".to_owned(),
            name: "Ben".to_owned(),
            condition: Condition::NoFile,
            is_ready: true,
            error_ms: None,
            round_trip_ms: Some(0.25),
        };
        let own = Status {
            trim: 1.0,
            speed: 1.0,
            clock_source: ClockSource::Broker,
            ..Status::default()
        };
        assert_eq!(
            to_json(&own, &[ben]),
            concat!(
                r#"{"connected":false,"condition":"no_file","error_ms":null,"spread_ms":null,"trim":1.0,"#,
                r#""clock_source":"broker","clock":"","round_trip_ms":null,"clock_error_ms":null,"revision":0,"#,
                r#""position":null,"speed":1.0,"paused":false,"ready":false,"barred":false,"starts_in":null,"#,
                r#""rules":{"start":"anyone","wait":"soft","pause_on_leave":false},"#,
                r#""peers":[{"id":"ben","name":"Ben","condition":"no_file","ready":true,"error_ms":null,"round_trip_ms":0.25}]}"#,
            )
        );
    }
}
