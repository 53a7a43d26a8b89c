//! What the engine asks of its shell: messages to send, commands for the player, words for the viewer.

/// The channel at which a broker answers what time it is: a whole topic, outside the room.
pub const BROKER_CLOCK: &str = "$clock/now";

/// One thing the shell must do, in the order the engine gave it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message to the room.
    Publish(Publish),
    /// Ask for the time; the answer comes back through [`Engine::clock_answer`](crate::Engine::clock_answer).
    ClockRequest {
        /// [`BROKER_CLOCK`] or the room's `clock` channel.
        channel: &'static str,
        /// Travels with the request and its answer.
        correlation: [u8; 8],
        /// The request's payload.
        json: String,
    },
    /// Answer another peer's question for the time.
    ClockAnswer {
        /// Where the asking peer awaits the answer, as it came.
        response_topic: String,
        /// The asking peer's correlation, as it came.
        correlation: Vec<u8>,
        /// The answer.
        json: String,
    },
    /// Pause the player, or let it run.
    SetPause(bool),
    /// Seek to this media position in seconds, exactly.
    Seek(f64),
    /// Play at this speed.
    SetSpeed(f64),
    /// Keep the pitch when the speed is not 1 (`true`), or resample (`false`).
    SetPitchCorrection(bool),
    /// Read the position between two readings of the clock and report it.
    ReadPosition,
    /// Open this film, if it can be found: the room watches it, and this player does not.
    OpenFile {
        /// Its name without folders.
        name: String,
        /// Its size in bytes, when known.
        size: Option<u64>,
        /// Where anybody can get it, when it came from there.
        url: Option<String>,
    },
    /// Show a line of chat; this viewer's own come back as well.
    Chat {
        /// Who says it.
        name: String,
        /// One line of plain text.
        text: String,
        /// Whether it is this viewer's own.
        is_own: bool,
    },
    /// Show the viewer a sentence.
    Notice {
        /// What it is about, so that a viewer can switch kinds off.
        category: Category,
        /// One line of plain text.
        text: String,
    },
}

/// A message for the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The channel within the room, such as `timeline` or `peer/anna`.
    pub channel: String,
    /// The payload; empty clears a retained channel.
    pub json: String,
    /// Whether it must arrive (QoS 1) or may be lost (QoS 0).
    pub must_arrive: bool,
    /// Whether the room keeps it for those who join later.
    pub is_retained: bool,
    /// After how many seconds it is worth nothing; 0 means never.
    pub expiry_secs: u32,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Somebody came or went.
    People,
    /// Somebody paused, resumed, sought or changed the speed.
    Action,
    /// Somebody opened another file.
    File,
    /// Somebody is ready to watch, or is not.
    Ready,
    /// The connection or the clock.
    Connection,
}
