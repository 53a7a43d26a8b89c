//! The engine: inputs and `now` go in, outputs and a next deadline come out.

use crate::{File, Moment, Output, PeerStatus, Position, Publish, Status};

/// What an engine is born with.
#[derive(Clone, Debug)]
pub struct Options {
    /// This peer's id in the room: letters, digits, `-` and `_`, unlike any other peer's.
    pub peer_id: String,
    /// This peer's name for people.
    pub name: String,
    /// Any number unlike other peers'; ids and correlations are made from it.
    pub seed: u64,
    /// Wall clock minus monotonic clock at birth, in nanoseconds; used when this peer's clock becomes the room's.
    pub wall_offset_ns: i64,
}

/// Why a message from the room was ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// The channel is none of the protocol's.
    UnknownChannel,
    /// The payload is not what the channel carries.
    Malformed(String),
}

impl std::fmt::Display for MessageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MessageError::UnknownChannel => write!(f, "the channel is unknown"),
            MessageError::Malformed(why) => write!(f, "the payload is malformed: {why}"),
        }
    }
}

impl std::error::Error for MessageError {}

impl Options {
    /// Whether the peer id may stand in a topic: 1 to 64 of `A-Z a-z 0-9 - _`.
    pub fn is_valid(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=64).contains(&self.peer_id.len()) && self.peer_id.bytes().all(is_plain)
    }
}

/// Keeps one player in step with its room.
#[derive(Debug)]
pub struct Engine {}

#[allow(unused_variables, missing_docs, clippy::needless_pass_by_value)]
impl Engine {
    pub fn new(options: Options) -> Engine {
        Engine {}
    }
    pub fn set_name(&mut self, name: &str, now: Moment) {}
    pub fn set_offset(&mut self, secs: f64, now: Moment) {}
    pub fn set_drift_control(&mut self, is_on: bool) {}
    pub fn will(&self) -> Publish {
        Publish {
            channel: String::new(),
            json: String::new(),
            must_arrive: true,
            is_retained: true,
            expiry_secs: 0,
        }
    }
    pub fn connected(&mut self, now: Moment) {}
    pub fn disconnected(&mut self, now: Moment) {}
    pub fn leave(&mut self, now: Moment) {}
    pub fn suspended(&mut self, now: Moment) {}
    pub fn message(
        &mut self,
        channel: &str,
        json: &[u8],
        received: Moment,
        now: Moment,
    ) -> Result<(), MessageError> {
        Ok(())
    }
    pub fn clock_sent(&mut self, correlation: [u8; 8], sent: Moment) {}
    pub fn clock_answer(
        &mut self,
        correlation: &[u8],
        json: &[u8],
        received: Moment,
        now: Moment,
    ) -> Result<(), MessageError> {
        Ok(())
    }
    pub fn clock_request(
        &mut self,
        response_topic: &str,
        correlation: &[u8],
        received: Moment,
        now: Moment,
    ) {
    }
    pub fn file_loaded(&mut self, file: File, now: Moment) {}
    pub fn file_unloaded(&mut self, now: Moment) {}
    pub fn position(&mut self, position: Position, before: Moment, after: Moment) {}
    pub fn paused(&mut self, is_paused: bool, now: Moment) {}
    pub fn seek_started(&mut self, now: Moment) {}
    pub fn playback_restarted(&mut self, landing: Option<f64>, now: Moment) {}
    pub fn speed_changed(&mut self, speed: f64, now: Moment) {}
    pub fn end_reached(&mut self, is_at_end: bool, now: Moment) {}
    pub fn buffering(&mut self, is_buffering: bool, now: Moment) {}
    pub fn wish_pause(&mut self, is_paused: bool, now: Moment) {}
    pub fn wish_seek(&mut self, position: f64, now: Moment) {}
    pub fn wish_speed(&mut self, speed: f64, now: Moment) {}
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    pub fn next_timeout(&self) -> Moment {
        Moment::NEVER
    }
    pub fn handle_timeout(&mut self, now: Moment) {}
    pub fn status(&self, now: Moment) -> Status {
        Status::default()
    }
    pub fn peers(&self) -> Vec<PeerStatus> {
        Vec::new()
    }
}
