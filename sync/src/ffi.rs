//! The C door: `playsync_*` functions that check, call and convert. `include/playsync.h` is generated from this file.
//!
//! The promises every caller makes, stated once in the header's opening and relied on in each `SAFETY` line: a handle
//! comes from `playsync_new`, has not been freed and is used by one thread at a time; text ends with a zero byte; a
//! pointer with a length covers that many bytes; a pointer for a result is writable.
#![allow(clippy::missing_safety_doc, reason = "the promises are the same for all and stand above")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    Category, ClockSource, Condition, Engine, File, Moment, Options, Output, PeerStatus, Position,
    Publish, StartRule, WaitRule,
};

/// The call did what it says.
pub const PLAYSYNC_OK: c_int = 0;
/// An argument was NULL, not UTF-8, or out of its range; nothing was done.
pub const PLAYSYNC_E_ARGUMENT: c_int = -1;
/// The message was not understood and is ignored; play on. playsync_error() says why.
pub const PLAYSYNC_E_MESSAGE: c_int = -2;
/// The engine has a defect and does nothing any more; play on without it.
pub const PLAYSYNC_E_INTERNAL: c_int = -3;

/// Send `json` to `channel` of the room with `qos`, `retain` and `expiry_seconds`.
pub const PLAYSYNC_PUBLISH: c_int = 1;
/// Publish `json` to `channel` at QoS 0 with `correlation` as Correlation Data and a Response Topic of your choice.
pub const PLAYSYNC_CLOCK_REQUEST: c_int = 2;
/// Publish `json` at QoS 0 to the topic in `channel`, as it stands, with `correlation` as Correlation Data.
pub const PLAYSYNC_CLOCK_ANSWER: c_int = 3;
/// Pause the player when `on`, let it run when not.
pub const PLAYSYNC_SET_PAUSE: c_int = 4;
/// Seek to `value` seconds, absolute and exact.
pub const PLAYSYNC_SEEK: c_int = 5;
/// Set the speed to `value`.
pub const PLAYSYNC_SET_SPEED: c_int = 6;
/// Switch pitch correction `on` or off (off: a change of speed resamples).
pub const PLAYSYNC_SET_PITCH_CORRECTION: c_int = 7;
/// Call playsync_position() with fresh values at once.
pub const PLAYSYNC_READ_POSITION: c_int = 8;
/// Show `text`, one line of plain text of the kind `category`.
pub const PLAYSYNC_NOTICE: c_int = 9;
/// Show `text`, a line of chat by `name`; `on` when it is this viewer's own.
pub const PLAYSYNC_CHAT: c_int = 10;
/// Open the film `name`, of `size` bytes (negative: unknown), or `url` if that is trusted: the room watches it.
pub const PLAYSYNC_OPEN_FILE: c_int = 11;

/// Somebody came or went.
pub const PLAYSYNC_CATEGORY_PEOPLE: c_int = 1;
/// Somebody paused, resumed, sought or changed the speed.
pub const PLAYSYNC_CATEGORY_ACTION: c_int = 2;
/// Somebody opened another file.
pub const PLAYSYNC_CATEGORY_FILE: c_int = 3;
/// The connection or the room's clock.
pub const PLAYSYNC_CATEGORY_CONNECTION: c_int = 4;
/// Somebody is ready to watch, or is not.
pub const PLAYSYNC_CATEGORY_READY: c_int = 5;

/// No file is open.
pub const PLAYSYNC_CONDITION_NO_FILE: c_int = 0;
/// A file is open that is not the room's.
pub const PLAYSYNC_CONDITION_OTHER_FILE: c_int = 1;
/// It stands still where the room stands.
pub const PLAYSYNC_CONDITION_PAUSED: c_int = 2;
/// It seeks, or waits for the instant to start.
pub const PLAYSYNC_CONDITION_PREPARING: c_int = 3;
/// It plays with the room.
pub const PLAYSYNC_CONDITION_PLAYING: c_int = 4;
/// Its data has run out for the moment.
pub const PLAYSYNC_CONDITION_BUFFERING: c_int = 5;
/// It has reached the end of the file.
pub const PLAYSYNC_CONDITION_ENDED: c_int = 6;
/// It left, or its connection was lost.
pub const PLAYSYNC_CONDITION_GONE: c_int = 7;
/// It told something that this version does not know.
pub const PLAYSYNC_CONDITION_UNKNOWN: c_int = 8;

/// No clock has answered yet.
pub const PLAYSYNC_CLOCK_NONE: c_int = 0;
/// The broker's own clock.
pub const PLAYSYNC_CLOCK_BROKER: c_int = 1;
/// Another peer's clock: the broker has none.
pub const PLAYSYNC_CLOCK_PEER: c_int = 2;
/// This peer's clock: the broker has none, and the room elected this peer.
pub const PLAYSYNC_CLOCK_OWN: c_int = 3;

/// How much of the beginning and of the end of a file playsync_fingerprint() wants, in bytes.
pub const PLAYSYNC_FINGERPRINT_PART: usize = 262_144;
const _: () = assert!(PLAYSYNC_FINGERPRINT_PART == crate::FINGERPRINT_PART);

/// Anybody lets a paused room run.
pub const PLAYSYNC_START_ANYONE: c_int = 0;
/// A paused room runs once all are ready.
pub const PLAYSYNC_START_ALL_READY: c_int = 1;

/// Who falls behind because data has run out catches up alone.
pub const PLAYSYNC_WAIT_NONE: c_int = 0;
/// The room waits for half a minute, and for nobody more than three times in ten minutes.
pub const PLAYSYNC_WAIT_SOFT: c_int = 1;
/// The room waits for as long as it takes.
pub const PLAYSYNC_WAIT_ALL: c_int = 2;

/// One engine: it keeps one player in step with one room.
#[derive(Debug)]
pub struct Handle {
    engine: Engine,
    is_broken: bool,
    error: CString,
    output: Borrowed,
    will: Borrowed,
    clock: CString,
    status: CString,
    peers: Vec<PeerStatus>,
    peer_texts: Vec<(CString, CString)>,
}

/// A file the player has opened.
#[repr(C)]
#[derive(Debug)]
pub struct PlayerFile {
    /// Its name without folders, or NULL.
    pub name: *const c_char,
    /// Its size in bytes; negative when unknown.
    pub size: i64,
    /// Its length in seconds; NAN when unknown.
    pub duration: f64,
    /// Video frames per second; NAN without video.
    pub frames_per_second: f64,
    /// Whether sound is playing.
    pub has_audio: bool,
    /// Whether one can seek in it.
    pub is_seekable: bool,
    /// What playsync_fingerprint() said of it, or NULL.
    pub fingerprint: *const c_char,
    /// Where anybody can get it, or NULL.
    pub url: *const c_char,
}

/// One thing to do. Fields that the kind does not name are zero, false or NULL.
#[repr(C)]
#[derive(Debug)]
pub struct NextOutput {
    /// One of PLAYSYNC_PUBLISH .. PLAYSYNC_OPEN_FILE; ignore kinds you do not know.
    pub kind: c_int,
    /// PUBLISH, CLOCK_REQUEST: the channel. CLOCK_ANSWER: the response topic.
    pub channel: *const c_char,
    /// PUBLISH, CLOCK_REQUEST, CLOCK_ANSWER: the payload, also zero-terminated.
    pub json: *const c_char,
    /// The payload's length in bytes; 0 clears a retained channel.
    pub json_len: usize,
    /// CLOCK_REQUEST (8 bytes), CLOCK_ANSWER: the Correlation Data.
    pub correlation: *const u8,
    /// The length of the Correlation Data in bytes.
    pub correlation_len: usize,
    /// PUBLISH: 0 or 1.
    pub qos: c_int,
    /// PUBLISH: whether the message is retained.
    pub retain: bool,
    /// PUBLISH: Message Expiry Interval in seconds; 0 means none.
    pub expiry_seconds: u32,
    /// SET_PAUSE, SET_PITCH_CORRECTION: the wanted state. CHAT: whether the line is the viewer's own.
    pub on: bool,
    /// SEEK: seconds. SET_SPEED: the factor.
    pub value: f64,
    /// NOTICE: one of PLAYSYNC_CATEGORY_*.
    pub category: c_int,
    /// NOTICE: the sentence. CHAT: the line.
    pub text: *const c_char,
    /// CHAT: who says it. OPEN_FILE: the file's name.
    pub name: *const c_char,
    /// OPEN_FILE: its size in bytes; negative when unknown.
    pub size: i64,
    /// OPEN_FILE: where anybody can get it, or NULL.
    pub url: *const c_char,
}

/// How this peer stands.
#[repr(C)]
#[derive(Debug)]
pub struct OwnStatus {
    /// Whether the room can be reached.
    pub is_connected: bool,
    /// One of PLAYSYNC_CONDITION_*.
    pub condition: c_int,
    /// Position minus the room's in milliseconds (positive: ahead); NAN unless it plays and has been measured.
    pub error_ms: f64,
    /// Largest minus smallest error over all playing peers that told theirs, in milliseconds; NAN when unknown.
    pub spread_ms: f64,
    /// The factor near 1 that cancels the skew of the sound card.
    pub trim: f64,
    /// One of PLAYSYNC_CLOCK_*.
    pub clock_source: c_int,
    /// The id of the room's clock, "" when there is none; valid until the next playsync_status() or playsync_free().
    pub clock: *const c_char,
    /// The quickest recent round trip to the clock in milliseconds; NAN when unknown.
    pub round_trip_ms: f64,
    /// How uncertain the room's time is here, path asymmetry aside, in milliseconds; NAN when unknown.
    pub clock_error_ms: f64,
    /// The revision of the room's timeline; 0 before there is one.
    pub revision: u64,
    /// Where the room is, in seconds; NAN when unknown.
    pub position: f64,
    /// The room's speed.
    pub speed: f64,
    /// Whether the room is paused.
    pub is_paused: bool,
    /// Whether this viewer is ready to watch.
    pub is_ready: bool,
    /// Whether the room refuses this viewer's deeds, which are its operators' alone.
    pub is_barred: bool,
    /// In how many seconds the room starts, when that lies ahead; NAN when not.
    pub starts_in: f64,
    /// The room's rule, one of PLAYSYNC_START_*.
    pub start: c_int,
    /// The room's rule, one of PLAYSYNC_WAIT_*.
    pub wait: c_int,
    /// The room's rule: whether it pauses when somebody leaves.
    pub pauses_on_leave: bool,
    /// How many other peers are there.
    pub peer_count: usize,
}

/// How another peer stands, as it last told.
#[repr(C)]
#[derive(Debug)]
pub struct OtherStatus {
    /// Its id; valid until the next playsync_status() or playsync_free().
    pub id: *const c_char,
    /// Its name for people; as long valid.
    pub name: *const c_char,
    /// One of PLAYSYNC_CONDITION_*.
    pub condition: c_int,
    /// Whether its viewer is ready to watch.
    pub is_ready: bool,
    /// Its error against the room in milliseconds; NAN when not told.
    pub error_ms: f64,
    /// Its quickest round trip to the clock in milliseconds; NAN when not told.
    pub round_trip_ms: f64,
}

// ---------------------------------------------------------------- birth and settings

/// Makes an engine. `peer_id` names this peer in the room (1 to 64 of A-Z a-z 0-9 - _) and must differ from every
/// other peer's; `name` is for people. `seed` is any number unlike other peers' (a few random bytes). `wall_offset_ns`
/// is CLOCK_REALTIME minus CLOCK_MONOTONIC in nanoseconds, read once. Returns NULL when an argument is not acceptable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_new(
    peer_id: *const c_char,
    name: *const c_char,
    seed: u64,
    wall_offset_ns: i64,
) -> *mut Handle {
    // SAFETY: the caller promises that both are NULL or zero-terminated.
    let (Some(peer_id), Some(name)) = (unsafe { text(peer_id) }, unsafe { text(name) }) else {
        return std::ptr::null_mut();
    };
    let options =
        Options { peer_id: peer_id.to_owned(), name: name.to_owned(), seed, wall_offset_ns };
    let Ok(Some(engine)) = catch_unwind(|| options.is_valid().then(|| Engine::new(options))) else {
        return std::ptr::null_mut();
    };
    Box::into_raw(Box::new(Handle {
        engine,
        is_broken: false,
        error: CString::default(),
        output: Borrowed::default(),
        will: Borrowed::default(),
        clock: CString::default(),
        status: CString::default(),
        peers: Vec::new(),
        peer_texts: Vec::new(),
    }))
}

/// Frees an engine and every string borrowed from it. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_free(engine: *mut Handle) {
    if !engine.is_null() {
        // SAFETY: the caller promises that it came from `playsync_new` and is not used again.
        drop(unsafe { Box::from_raw(engine) });
    }
}

/// Says why the last call returned PLAYSYNC_E_MESSAGE: one sentence, valid until the next call with this engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_error(engine: *const Handle) -> *const c_char {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { engine.as_ref() }.map_or(c"no engine".as_ptr(), |handle| handle.error.as_ptr())
}

/// Changes the name for people.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_set_name(
    engine: *mut Handle,
    name: *const c_char,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or zero-terminated.
    let Some(name) = (unsafe { text(name) }) else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.set_name(name, Moment(now))) }
}

/// Tells how late the sound of this device is, in seconds (Bluetooth: 0.1 to 0.3); the player then runs that much
/// ahead. Between -5 and 5.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_set_offset(engine: *mut Handle, seconds: f64, now: i64) -> c_int {
    if !(-5.0..=5.0).contains(&seconds) {
        return PLAYSYNC_E_ARGUMENT;
    }
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.set_offset(seconds, Moment(now))) }
}

/// Switches the correction of small errors while playing; on at birth.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_set_drift_control(engine: *mut Handle, on: bool) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.set_drift_control(on)) }
}

/// Writes the fingerprint of a file, 32 characters and a zero byte: `head` and `tail` are its first and last
/// PLAYSYNC_FINGERPRINT_PART bytes, or all of it if it is shorter. Files with the same one are the same film.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_fingerprint(
    size: u64,
    head: *const u8,
    head_len: usize,
    tail: *const u8,
    tail_len: usize,
    result: *mut [c_char; 33],
) -> c_int {
    // SAFETY: the caller promises as many bytes as said, and a result that is NULL or writable.
    let arguments = unsafe { (bytes(head, head_len), bytes(tail, tail_len), result.as_mut()) };
    let (Some(head), Some(tail), Some(slot)) = arguments else { return PLAYSYNC_E_ARGUMENT };
    for (place, character) in slot.iter_mut().zip(crate::fingerprint(size, head, tail).bytes()) {
        *place = character as c_char;
    }
    slot[32] = 0;
    PLAYSYNC_OK
}

// ---------------------------------------------------------------- the connection

/// Writes the message to give as the will at each connect: it tells the room that this peer is gone. Only `channel`,
/// `json`, `json_len`, `qos` and `retain` mean something; they are valid until the next playsync_will().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_will(engine: *mut Handle, will: *mut NextOutput) -> c_int {
    // SAFETY: the caller promises that each is NULL, or a live handle and a writable result.
    let (Some(handle), Some(slot)) = (unsafe { engine.as_mut() }, unsafe { will.as_mut() }) else {
        return PLAYSYNC_E_ARGUMENT;
    };
    handle.guarded(|handle| {
        handle.will = Borrowed::from(Output::Publish(handle.engine.will()));
        *slot = handle.will.view();
        PLAYSYNC_OK
    })
}

/// The room can be reached: the connection is up and the subscriptions are acknowledged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_connected(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.connected(Moment(now))) }
}

/// The room cannot be reached. The player plays on by what is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_disconnected(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.disconnected(Moment(now))) }
}

/// The viewer leaves for good: poll once more for the farewell, then disconnect. After it the engine asks for nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_leave(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.leave(Moment(now))) }
}

/// The machine was asleep (CLOCK_BOOTTIME minus CLOCK_MONOTONIC has jumped): what was known of clocks is void.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_suspended(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.suspended(Moment(now))) }
}

/// A message arrived on a channel of the room; `received` is its stamp from the socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_message(
    engine: *mut Handle,
    channel: *const c_char,
    json: *const c_char,
    json_len: usize,
    received: i64,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises zero-terminated text and as many bytes as said.
    let (Some(channel), Some(json)) =
        (unsafe { text(channel) }, unsafe { bytes(json.cast(), json_len) })
    else {
        return PLAYSYNC_E_ARGUMENT;
    };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.message(channel, json, Moment(received), Moment(now))) }
}

/// The room refused what this peer published on a channel (reason "Not authorized"). Subscribe anew to that channel with
/// Retain Handling 0: what the room keeps has to come again, and counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_refused(
    engine: *mut Handle,
    channel: *const c_char,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or zero-terminated.
    let Some(channel) = (unsafe { text(channel) }) else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.refused(channel, Moment(now))) }
}

// ---------------------------------------------------------------- the clock

/// The request with this correlation (8 bytes) was written to the socket at `sent`. May come after the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_clock_sent(
    engine: *mut Handle,
    correlation: *const u8,
    sent: i64,
) -> c_int {
    // SAFETY: the caller promises 8 bytes.
    let Some(correlation) =
        (unsafe { bytes(correlation, 8) }).and_then(|bytes| bytes.try_into().ok())
    else {
        return PLAYSYNC_E_ARGUMENT;
    };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.clock_sent(correlation, Moment(sent))) }
}

/// An answer arrived on the Response Topic; `received` is its stamp from the socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_clock_answer(
    engine: *mut Handle,
    correlation: *const u8,
    correlation_len: usize,
    json: *const c_char,
    json_len: usize,
    received: i64,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises as many bytes as said.
    let arguments = unsafe { (bytes(correlation, correlation_len), bytes(json.cast(), json_len)) };
    let (Some(correlation), Some(json)) = arguments else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe {
        run(engine, |engine| engine.clock_answer(correlation, json, Moment(received), Moment(now)))
    }
}

/// A request arrived on the room's `clock` channel: its Response Topic, its Correlation Data and its stamp from the
/// socket. The engine answers with PLAYSYNC_CLOCK_ANSWER when this peer is the one elected to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_clock_request(
    engine: *mut Handle,
    response_topic: *const c_char,
    correlation: *const u8,
    correlation_len: usize,
    received: i64,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises zero-terminated text and as many bytes as said.
    let arguments = unsafe { (text(response_topic), bytes(correlation, correlation_len)) };
    let (Some(topic), Some(correlation)) = arguments else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe {
        run(engine, |engine| {
            engine.clock_request(topic, correlation, Moment(received), Moment(now));
        })
    }
}

// ---------------------------------------------------------------- the player's reports

/// A file is open and about to play; playsync_playback_restarted() follows. Call it again for the same file when more
/// is known about it or has_audio changes: nothing else changes by that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_file_loaded(
    engine: *mut Handle,
    file: *const PlayerFile,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or readable.
    let Some(file) = (unsafe { file.as_ref() }) else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or zero-terminated.
    let name = if file.name.is_null() { Some("") } else { unsafe { text(file.name) } };
    let Some(name) = name else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that both are NULL or zero-terminated.
    let (fingerprint, url) = unsafe { (text(file.fingerprint), text(file.url)) };
    let file = File {
        name: name.to_owned(),
        size: u64::try_from(file.size).ok(),
        duration: known(file.duration).filter(|secs| *secs > 0.0),
        frames_per_second: known(file.frames_per_second).filter(|rate| *rate > 0.0),
        has_audio: file.has_audio,
        is_seekable: file.is_seekable,
        fingerprint: fingerprint.map(str::to_owned),
        url: url.map(str::to_owned),
    };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.file_loaded(file, Moment(now))) }
}

/// The file is closed, whether it ended or another one follows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_file_unloaded(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.file_unloaded(Moment(now))) }
}

/// A reading of the position, made between the clock readings `before` and `after`: `audio_pts` is where the sound is,
/// `time_pos` the newest video frame's position, in seconds; NAN when the player does not know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_position(
    engine: *mut Handle,
    audio_pts: f64,
    time_pos: f64,
    before: i64,
    after: i64,
) -> c_int {
    let position = Position { audio: known(audio_pts), frame: known(time_pos) };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.position(position, Moment(before), Moment(after))) }
}

/// The player's pause state, at first and at each change, whoever caused it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_paused(engine: *mut Handle, paused: bool, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.paused(paused, Moment(now))) }
}

/// The player began to seek, whoever caused it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_seek_started(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.seek_started(Moment(now))) }
}

/// The player is ready again after a seek or a load; `time_pos` is where it landed, in seconds, or NAN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_playback_restarted(
    engine: *mut Handle,
    time_pos: f64,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.playback_restarted(known(time_pos), Moment(now))) }
}

/// The player's speed, at first and at each change, whoever caused it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_speed(engine: *mut Handle, speed: f64, now: i64) -> c_int {
    if known(speed).is_none() {
        return PLAYSYNC_E_ARGUMENT;
    }
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.speed_changed(speed, Moment(now))) }
}

/// Whether the player stands at the end of the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_end_reached(
    engine: *mut Handle,
    at_end: bool,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.end_reached(at_end, Moment(now))) }
}

/// Whether the player stands still because its data has run out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_buffering(
    engine: *mut Handle,
    buffering: bool,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.buffering(buffering, Moment(now))) }
}

// ---------------------------------------------------------------- wishes without a key of the player

/// The viewer wishes the room to pause or to run: for key bindings and menus of the shell's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_pause(engine: *mut Handle, paused: bool, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_pause(paused, Moment(now))) }
}

/// The viewer wishes the room to be at `position` seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_seek(engine: *mut Handle, position: f64, now: i64) -> c_int {
    if known(position).is_none() {
        return PLAYSYNC_E_ARGUMENT;
    }
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_seek(position, Moment(now))) }
}

/// The viewer wishes the room to play at `speed`, from 0.01 to 100.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_speed(engine: *mut Handle, speed: f64, now: i64) -> c_int {
    if !(0.01..=100.0).contains(&speed) {
        return PLAYSYNC_E_ARGUMENT;
    }
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_speed(speed, Moment(now))) }
}

/// The viewer wishes the room to stand and to go so many frames on, or back when negative; a room that runs only stands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_step(engine: *mut Handle, frames: i32, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_step(frames, Moment(now))) }
}

/// The viewer wishes the room to start at `start`, which lies ahead on CLOCK_MONOTONIC; all are told the last seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_start(engine: *mut Handle, start: i64, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_start(Moment(start), Moment(now))) }
}

/// The viewer wishes the room's last deed taken back, whoever did it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_undo(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_undo(Moment(now))) }
}

/// The viewer wishes done again what was taken back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_redo(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.wish_redo(Moment(now))) }
}

/// The viewer wishes a rule of the room changed: "start" to "anyone" or "all_ready", "wait" to "none", "soft" or "all",
/// "pause_on_leave" to "yes" or "no". PLAYSYNC_E_ARGUMENT for other words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_wish_rule(
    engine: *mut Handle,
    rule: *const c_char,
    value: *const c_char,
    now: i64,
) -> c_int {
    // SAFETY: the caller promises that both are NULL or zero-terminated.
    let (Some(rule), Some(value)) = (unsafe { text(rule) }, unsafe { text(value) }) else {
        return PLAYSYNC_E_ARGUMENT;
    };
    // SAFETY: the caller promises that it is NULL or a live handle.
    let Some(handle) = (unsafe { engine.as_mut() }) else { return PLAYSYNC_E_ARGUMENT };
    handle.guarded(|handle| match handle.engine.rules().with(rule, value) {
        Some(rules) => {
            handle.engine.wish_rules(rules, Moment(now));
            PLAYSYNC_OK
        }
        None => PLAYSYNC_E_ARGUMENT,
    })
}

/// The viewer is ready to watch, or is not any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_set_ready(engine: *mut Handle, ready: bool, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.set_ready(ready, Moment(now))) }
}

/// The viewer wrote a line to the others. It comes back as PLAYSYNC_CHAT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_say(engine: *mut Handle, line: *const c_char, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or zero-terminated.
    let Some(line) = (unsafe { text(line) }) else { return PLAYSYNC_E_ARGUMENT };
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.say(line, Moment(now))) }
}

// ---------------------------------------------------------------- what to do next

/// Takes the next output: true and `*output` filled in, or false when nothing is left to do. Its pointers are valid
/// until the next playsync_poll() or playsync_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_poll(engine: *mut Handle, output: *mut NextOutput) -> bool {
    // SAFETY: the caller promises that each is NULL, or a live handle and a writable result.
    let (Some(handle), Some(slot)) = (unsafe { engine.as_mut() }, unsafe { output.as_mut() })
    else {
        return false;
    };
    let done = handle.guarded(|handle| {
        let Some(output) = handle.engine.poll_output() else { return 0 };
        handle.output = Borrowed::from(output);
        *slot = handle.output.view();
        1
    });
    done == 1
}

/// When to call playsync_handle_timeout(), on CLOCK_MONOTONIC in nanoseconds; INT64_MAX when there is nothing to wait for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_next_timeout(engine: *const Handle) -> i64 {
    // SAFETY: the caller promises that it is NULL or a live handle.
    match unsafe { engine.as_ref() } {
        Some(handle) if !handle.is_broken => {
            catch_unwind(AssertUnwindSafe(|| handle.engine.next_timeout().0)).unwrap_or(i64::MAX)
        }
        _ => i64::MAX,
    }
}

/// Does what has come due. Harmless when called too early.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_handle_timeout(engine: *mut Handle, now: i64) -> c_int {
    // SAFETY: the caller promises that it is NULL or a live handle.
    unsafe { run(engine, |engine| engine.handle_timeout(Moment(now))) }
}

// ---------------------------------------------------------------- how things stand

/// Writes how this peer stands and takes a picture of the others for playsync_peer().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_status(
    engine: *mut Handle,
    now: i64,
    status: *mut OwnStatus,
) -> c_int {
    // SAFETY: the caller promises that each is NULL, or a live handle and a writable result.
    let (Some(handle), Some(slot)) = (unsafe { engine.as_mut() }, unsafe { status.as_mut() })
    else {
        return PLAYSYNC_E_ARGUMENT;
    };
    handle.guarded(|handle| {
        let status = handle.engine.status(Moment(now));
        handle.clock = c_text(&status.clock);
        handle.peers = handle.engine.peers(Moment(now));
        handle.peer_texts =
            handle.peers.iter().map(|peer| (c_text(&peer.id), c_text(&peer.name))).collect();
        *slot = OwnStatus {
            is_connected: status.is_connected,
            condition: condition_number(status.condition),
            error_ms: or_nan(status.error_ms),
            spread_ms: or_nan(status.spread_ms),
            trim: status.trim,
            clock_source: source_number(status.clock_source),
            clock: handle.clock.as_ptr(),
            round_trip_ms: or_nan(status.round_trip_ms),
            clock_error_ms: or_nan(status.clock_error_ms),
            revision: status.revision,
            position: or_nan(status.position),
            speed: status.speed,
            is_paused: status.is_paused,
            is_ready: status.is_ready,
            is_barred: status.is_barred,
            starts_in: or_nan(status.starts_in),
            start: start_number(status.rules.start),
            wait: wait_number(status.rules.wait),
            pauses_on_leave: status.rules.pause_on_leave,
            peer_count: handle.peers.len(),
        };
        PLAYSYNC_OK
    })
}

/// Writes how the peer with this index (from 0) stood at the last playsync_status(). PLAYSYNC_E_ARGUMENT past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_peer(
    engine: *const Handle,
    index: usize,
    peer: *mut OtherStatus,
) -> c_int {
    // SAFETY: the caller promises that each is NULL, or a live handle and a writable result.
    let (Some(handle), Some(slot)) = (unsafe { engine.as_ref() }, unsafe { peer.as_mut() }) else {
        return PLAYSYNC_E_ARGUMENT;
    };
    let (Some(peer), Some((id, name))) = (handle.peers.get(index), handle.peer_texts.get(index))
    else {
        return PLAYSYNC_E_ARGUMENT;
    };
    *slot = OtherStatus {
        id: id.as_ptr(),
        name: name.as_ptr(),
        condition: condition_number(peer.condition),
        is_ready: peer.is_ready,
        error_ms: or_nan(peer.error_ms),
        round_trip_ms: or_nan(peer.round_trip_ms),
    };
    PLAYSYNC_OK
}

/// Returns all of that as one JSON object, with the names of playsync_own_status, `connected`, `paused` and `peers` in
/// full words and null for what is unknown; valid until the next playsync_status_json() or playsync_free(). NULL when
/// the engine is NULL or has a defect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn playsync_status_json(engine: *mut Handle, now: i64) -> *const c_char {
    // SAFETY: the caller promises that it is NULL or a live handle.
    let Some(handle) = (unsafe { engine.as_mut() }) else { return std::ptr::null() };
    let outcome = handle.guarded(|handle| {
        handle.status = c_text(&handle.engine.status_json(Moment(now)));
        PLAYSYNC_OK
    });
    if outcome == PLAYSYNC_OK { handle.status.as_ptr() } else { std::ptr::null() }
}

// ---------------------------------------------------------------- conversions

impl Handle {
    /// Runs `deed` unless the engine is broken; a panic inside breaks it and never crosses into C.
    fn guarded(&mut self, deed: impl FnOnce(&mut Handle) -> c_int) -> c_int {
        if self.is_broken {
            return PLAYSYNC_E_INTERNAL;
        }
        catch_unwind(AssertUnwindSafe(|| deed(self))).unwrap_or_else(|_| {
            self.is_broken = true;
            PLAYSYNC_E_INTERNAL
        })
    }
}

/// What an engine call may return to C.
trait Outcome {
    /// The sentence about what went wrong, if something did.
    fn complaint(self) -> Option<String>;
}

impl Outcome for () {
    fn complaint(self) -> Option<String> {
        None
    }
}

impl Outcome for Result<(), crate::MessageError> {
    fn complaint(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// Runs one engine call behind the checks that all share.
///
/// # Safety
/// `engine` is NULL or a live handle that no other thread uses meanwhile.
unsafe fn run<T: Outcome>(engine: *mut Handle, call: impl FnOnce(&mut Engine) -> T) -> c_int {
    // SAFETY: promised by this function's caller.
    let Some(handle) = (unsafe { engine.as_mut() }) else { return PLAYSYNC_E_ARGUMENT };
    handle.guarded(|handle| match call(&mut handle.engine).complaint() {
        None => PLAYSYNC_OK,
        Some(sentence) => {
            handle.error = c_text(&sentence);
            PLAYSYNC_E_MESSAGE
        }
    })
}

/// The strings and bytes an output lends to C.
#[derive(Debug, Default)]
struct Borrowed {
    output: Option<Output>,
    channel: CString,
    text: CString,
    name: CString,
    url: CString,
    /// The payload and a zero byte, for those who print it.
    json: Vec<u8>,
}

impl From<Output> for Borrowed {
    fn from(output: Output) -> Borrowed {
        let (channel, json, text) = match &output {
            Output::Publish(Publish { channel, json, .. }) => (channel.as_str(), json.as_str(), ""),
            Output::ClockRequest { channel, json, .. } => (*channel, json.as_str(), ""),
            Output::ClockAnswer { response_topic, json, .. } => {
                (response_topic.as_str(), json.as_str(), "")
            }
            Output::Notice { text, .. } | Output::Chat { text, .. } => ("", "", text.as_str()),
            _ => ("", "", ""),
        };
        let (name, url) = match &output {
            Output::Chat { name, .. } => (name.as_str(), ""),
            Output::OpenFile { name, url, .. } => (name.as_str(), url.as_deref().unwrap_or("")),
            _ => ("", ""),
        };
        let (channel, text) = (c_text(channel), c_text(text));
        let (name, url) = (c_text(name), c_text(url));
        let json = json.bytes().chain([0]).collect();
        Borrowed { output: Some(output), channel, text, name, url, json }
    }
}

impl Borrowed {
    fn view(&self) -> NextOutput {
        let mut view = NextOutput::nothing();
        match &self.output {
            Some(Output::Publish(publish)) => {
                view.kind = PLAYSYNC_PUBLISH;
                self.lend_message(&mut view);
                view.qos = c_int::from(publish.must_arrive);
                view.retain = publish.is_retained;
                view.expiry_seconds = publish.expiry_secs;
            }
            Some(Output::ClockRequest { correlation, .. }) => {
                view.kind = PLAYSYNC_CLOCK_REQUEST;
                self.lend_message(&mut view);
                (view.correlation, view.correlation_len) =
                    (correlation.as_ptr(), correlation.len());
            }
            Some(Output::ClockAnswer { correlation, .. }) => {
                view.kind = PLAYSYNC_CLOCK_ANSWER;
                self.lend_message(&mut view);
                (view.correlation, view.correlation_len) =
                    (correlation.as_ptr(), correlation.len());
            }
            Some(Output::SetPause(on)) => (view.kind, view.on) = (PLAYSYNC_SET_PAUSE, *on),
            Some(Output::Seek(position)) => (view.kind, view.value) = (PLAYSYNC_SEEK, *position),
            Some(Output::SetSpeed(speed)) => (view.kind, view.value) = (PLAYSYNC_SET_SPEED, *speed),
            Some(Output::SetPitchCorrection(on)) => {
                (view.kind, view.on) = (PLAYSYNC_SET_PITCH_CORRECTION, *on);
            }
            Some(Output::ReadPosition) => view.kind = PLAYSYNC_READ_POSITION,
            Some(Output::Notice { category, .. }) => {
                view.kind = PLAYSYNC_NOTICE;
                view.category = category_number(*category);
                view.text = self.text.as_ptr();
            }
            Some(Output::OpenFile { size, .. }) => {
                view.kind = PLAYSYNC_OPEN_FILE;
                view.name = self.name.as_ptr();
                view.size = size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1);
                if !self.url.is_empty() {
                    view.url = self.url.as_ptr();
                }
            }
            Some(Output::Chat { is_own, .. }) => {
                view.kind = PLAYSYNC_CHAT;
                view.on = *is_own;
                view.text = self.text.as_ptr();
                view.name = self.name.as_ptr();
            }
            None => {}
        }
        view
    }

    fn lend_message(&self, view: &mut NextOutput) {
        view.channel = self.channel.as_ptr();
        view.json = self.json.as_ptr().cast();
        view.json_len = self.json.len() - 1;
    }
}

impl NextOutput {
    fn nothing() -> NextOutput {
        NextOutput {
            kind: 0,
            channel: std::ptr::null(),
            json: std::ptr::null(),
            json_len: 0,
            correlation: std::ptr::null(),
            correlation_len: 0,
            qos: 0,
            retain: false,
            expiry_seconds: 0,
            on: false,
            value: 0.0,
            category: 0,
            text: std::ptr::null(),
            name: std::ptr::null(),
            size: -1,
            url: std::ptr::null(),
        }
    }
}

fn category_number(category: Category) -> c_int {
    match category {
        Category::People => PLAYSYNC_CATEGORY_PEOPLE,
        Category::Action => PLAYSYNC_CATEGORY_ACTION,
        Category::File => PLAYSYNC_CATEGORY_FILE,
        Category::Connection => PLAYSYNC_CATEGORY_CONNECTION,
        Category::Ready => PLAYSYNC_CATEGORY_READY,
    }
}

fn start_number(rule: StartRule) -> c_int {
    match rule {
        StartRule::Anyone => PLAYSYNC_START_ANYONE,
        StartRule::AllReady => PLAYSYNC_START_ALL_READY,
    }
}

fn wait_number(rule: WaitRule) -> c_int {
    match rule {
        WaitRule::None => PLAYSYNC_WAIT_NONE,
        WaitRule::Soft => PLAYSYNC_WAIT_SOFT,
        WaitRule::All => PLAYSYNC_WAIT_ALL,
    }
}

fn condition_number(condition: Condition) -> c_int {
    match condition {
        Condition::NoFile => PLAYSYNC_CONDITION_NO_FILE,
        Condition::OtherFile => PLAYSYNC_CONDITION_OTHER_FILE,
        Condition::Paused => PLAYSYNC_CONDITION_PAUSED,
        Condition::Preparing => PLAYSYNC_CONDITION_PREPARING,
        Condition::Playing => PLAYSYNC_CONDITION_PLAYING,
        Condition::Buffering => PLAYSYNC_CONDITION_BUFFERING,
        Condition::Ended => PLAYSYNC_CONDITION_ENDED,
        Condition::Gone => PLAYSYNC_CONDITION_GONE,
        Condition::Unknown => PLAYSYNC_CONDITION_UNKNOWN,
    }
}

fn source_number(source: ClockSource) -> c_int {
    match source {
        ClockSource::None => PLAYSYNC_CLOCK_NONE,
        ClockSource::Broker => PLAYSYNC_CLOCK_BROKER,
        ClockSource::Peer => PLAYSYNC_CLOCK_PEER,
        ClockSource::Own => PLAYSYNC_CLOCK_OWN,
    }
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

/// A C string of `text`, cut at a zero byte should there be one.
fn c_text(text: &str) -> CString {
    let whole = text.split('\0').next().unwrap_or_default();
    CString::new(whole).unwrap_or_default()
}

/// Borrows zero-terminated UTF-8, or nothing.
///
/// # Safety
/// `pointer` is NULL or zero-terminated and unchanged while the result is used.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: promised by this function's caller.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}

/// Borrows `len` bytes; NULL is allowed when there are none.
///
/// # Safety
/// `pointer` covers `len` bytes that stay unchanged while the result is used.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Option<&'a [u8]> {
    match (pointer.is_null(), len) {
        (_, 0) => Some(&[]),
        (true, _) => None,
        // SAFETY: promised by this function's caller.
        (false, _) => Some(unsafe { std::slice::from_raw_parts(pointer, len) }),
    }
}
