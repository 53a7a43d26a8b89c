//! The engine: inputs and `now` go in, outputs and a next deadline come out.
//!
//! The deeds lie in its neighbours: `membership` enters and leaves the room, `presence` tells of this peer and hears of the
//! others, `keeping` takes timelines in and sees to what the room keeps, `wishes` turns what the viewer does into
//! timelines, `steering` makes the player follow the timeline, and `drift` keeps it close while it plays.

use std::collections::VecDeque;

use crate::drift::DriftControl;
use crate::duties::Duties;
use crate::echo::{Cause, Landing};
use crate::history::History;
use crate::keeping::Keeping;
use crate::membership::Membership;
use crate::message::{self, Media, Settings, Timeline};
use crate::people::People;
use crate::player::Player;
use crate::presence::Telling;
use crate::room_clock::RoomClock;
use crate::steering::Stage;
use crate::timeline::Ledger;
use crate::wishes::Wish;
use crate::{
    Condition, File, Moment, Output, PeerStatus, Position, Publish, Rules, Status, status,
};

/// What an engine is born with.
#[derive(Clone, Debug)]
pub struct Options {
    /// This peer's id in the room: 1 to 64 of `A-Z a-z 0-9 - _`, unlike any other peer's.
    pub peer_id: String,
    /// This peer's name for people.
    pub name: String,
    /// Any number unlike other peers'; ids and correlations are made from it.
    pub seed: u64,
    /// Wall clock minus monotonic clock at birth, in nanoseconds; used when this peer's clock becomes the room's.
    pub wall_offset_ns: i64,
}

impl Options {
    /// Whether the peer id may stand in a channel.
    pub fn is_valid(&self) -> bool {
        message::is_name(&self.peer_id)
    }
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

/// Keeps one player in step with its room.
#[derive(Debug)]
pub struct Engine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) out: VecDeque<Output>,
    pub(crate) clock: RoomClock,
    pub(crate) people: People,
    pub(crate) membership: Membership,
    pub(crate) telling: Telling,
    pub(crate) keeping: Keeping,
    pub(crate) ledger: Ledger,
    /// The timeline the player follows; the held one, unless that one's clock is not readable yet.
    pub(crate) line: Option<Timeline>,
    /// The timeline to follow from a moment on: a change of speed that is commanded ahead of its time.
    pub(crate) next_line: Option<(Moment, Timeline)>,
    pub(crate) player: Player,
    pub(crate) stage: Stage,
    pub(crate) drift: DriftControl,
    pub(crate) wish: Option<Wish>,
    pub(crate) settings: Settings,
    /// The rules that held before this peer wrote some.
    pub(crate) others_settings: Settings,
    /// Rules that the viewer set before it was known which the room has.
    pub(crate) early_rules: Option<Rules>,
    pub(crate) duties: Duties,
    pub(crate) history: History,
    pub(crate) is_ready: bool,
    /// The film that the shell was asked to look for last.
    pub(crate) asked_for: Option<Media>,
    /// How late this device's sound is, in seconds.
    pub(crate) offset_secs: f64,
}

impl Engine {
    /// Makes an engine that is not connected and takes its player for running at speed 1 without a file.
    pub fn new(options: Options) -> Engine {
        Engine {
            clock: RoomClock::new(&options.peer_id, options.seed, options.wall_offset_ns),
            name: message::cut(&options.name, message::LONGEST_NAME),
            id: options.peer_id,
            out: VecDeque::new(),
            people: People::default(),
            membership: Membership::default(),
            telling: Telling::default(),
            keeping: Keeping::default(),
            ledger: Ledger::default(),
            line: None,
            next_line: None,
            player: Player::default(),
            stage: Stage::Free,
            drift: DriftControl::new(),
            wish: None,
            settings: Settings::default(),
            others_settings: Settings::default(),
            early_rules: None,
            duties: Duties::default(),
            history: History::default(),
            is_ready: false,
            asked_for: None,
            offset_secs: 0.0,
        }
    }

    /// Changes the name for people.
    pub fn set_name(&mut self, name: &str, now: Moment) {
        self.name = message::cut(name, message::LONGEST_NAME);
        self.go_on(now);
    }

    /// Tells how late the sound of this device is, in seconds; the player then runs that much ahead.
    pub fn set_offset(&mut self, secs: f64, now: Moment) {
        self.offset_secs = secs;
        self.drift.disturbed(now, 0.0);
        self.go_on(now);
    }

    /// Switches the correction of errors while playing; on at birth.
    pub fn set_drift_control(&mut self, is_on: bool) {
        self.drift.set_on(is_on);
    }

    /// The message to leave as a will: it tells the room that this peer is gone.
    pub fn will(&self) -> Publish {
        self.presence_message(&self.presence_as(Condition::Gone))
    }

    /// The room can be reached and the subscriptions stand.
    pub fn connected(&mut self, now: Moment) {
        self.enter(now);
        self.go_on(now);
    }

    /// The room cannot be reached; the player plays on by what is known.
    pub fn disconnected(&mut self, now: Moment) {
        self.lose_room(now);
        self.go_on(now);
    }

    /// The viewer leaves for good: the farewell is the last output.
    pub fn leave(&mut self, now: Moment) {
        self.say_farewell(now);
    }

    /// The machine slept: what was known of clocks is void.
    pub fn suspended(&mut self, now: Moment) {
        self.clock.suspended(now);
        self.drift.disturbed(now, 0.0);
        self.go_on(now);
    }

    /// A message arrived on a channel of the room.
    ///
    /// # Errors
    /// It is none of the protocol's and was ignored.
    pub fn message(
        &mut self,
        channel: &str,
        json: &[u8],
        received: Moment,
        now: Moment,
    ) -> Result<(), MessageError> {
        let done = match channel.split('/').collect::<Vec<_>>()[..] {
            ["timeline"] => self.timeline_arrived(json, now),
            ["settings"] => self.settings_arrived(json),
            ["chat", id] if message::is_name(id) => self.chat_arrived(id, json),
            ["peer", id] if message::is_name(id) => self.presence_arrived(id, json),
            ["peer", id, "status"] if message::is_name(id) => {
                self.drift_arrived(id, json, received)
            }
            _ => return Err(MessageError::UnknownChannel),
        };
        self.go_on(now);
        done.map_err(MessageError::Malformed)
    }

    /// The stamp of the socket's write of a clock request. May come after the answer.
    pub fn clock_sent(&mut self, correlation: [u8; 8], sent: Moment) {
        self.clock.sent(correlation, sent);
    }

    /// The answer to a clock request, with the stamp of the socket's read.
    ///
    /// # Errors
    /// The payload is not an answer and was ignored.
    pub fn clock_answer(
        &mut self,
        correlation: &[u8],
        json: &[u8],
        received: Moment,
        now: Moment,
    ) -> Result<(), MessageError> {
        let done = self.clock.answered(correlation, json, received);
        self.go_on(now);
        done.map_err(MessageError::Malformed)
    }

    /// A question on the room's `clock` channel, with the stamp of the socket's read.
    pub fn clock_request(
        &mut self,
        response_topic: &str,
        correlation: &[u8],
        received: Moment,
        now: Moment,
    ) {
        let answer = self.clock.question(response_topic, correlation, received, now);
        self.out.extend(answer);
    }

    /// A file is open and about to play, or something new is known about the one that is open.
    pub fn file_loaded(&mut self, file: File, now: Moment) {
        if self.player.file.as_ref().is_some_and(|open| open.is_told_again_as(&file)) {
            self.player.file = Some(file);
        } else {
            self.player.changed_file(Some(file));
            self.file_changed(now);
        }
        self.go_on(now);
    }

    /// The file is closed.
    pub fn file_unloaded(&mut self, now: Moment) {
        self.player.changed_file(None);
        // Ready for this film is not ready for the next.
        self.is_ready = false;
        self.file_changed(now);
        self.go_on(now);
    }

    /// A reading of the position, made between two readings of the clock.
    pub fn position(&mut self, position: Position, before: Moment, after: Moment) {
        self.player.rested_at(position, after);
        self.adopt_at(position, after);
        self.position_read(position, before, after);
        self.go_on(after);
    }

    /// The player's pause state.
    pub fn paused(&mut self, is_paused: bool, now: Moment) {
        let has_begun = self.player.file.is_some() && !self.player.is_beginning;
        if !has_begun || (self.player.is_at_end && is_paused) {
            // A load or keep-open set it, not the viewer.
            self.player.pause.set(is_paused);
        } else if self.player.pause.report(is_paused) == Cause::Viewer {
            self.viewer_paused(is_paused, now);
        }
        self.go_on(now);
    }

    /// The player began to seek.
    pub fn seek_started(&mut self, now: Moment) {
        let has_begun = self.player.file.is_some() && !self.player.is_beginning;
        if has_begun && self.player.seek.started(now) == Cause::Viewer {
            self.viewer_began_to_seek(now);
        }
        self.go_on(now);
    }

    /// The player is ready again after a seek or a load.
    pub fn playback_restarted(&mut self, landing: Option<f64>, now: Moment) {
        let was_beginning = std::mem::take(&mut self.player.is_beginning);
        let whose = self.player.seek.landed(now);
        self.player.landed(whose);
        self.drift.disturbed(now, RESTART_QUIET_SECS);
        if self.player.pause.is_paused() {
            match landing {
                Some(_) => self.player.rested_at(Position { audio: None, frame: landing }, now),
                None => self.player.read_rest(&mut self.out),
            }
        }
        if !matches!(whose, Landing::Own(_)) && matches!(self.stage, Stage::Still { .. }) {
            // It stands elsewhere than it was taken to.
            self.stage = Stage::Preparing { attempts: 0 };
        }
        if was_beginning {
            self.consider_file(now);
        } else if whose == Landing::Viewer {
            self.viewer_landed(now);
        }
        self.go_on(now);
    }

    /// The player's speed.
    pub fn speed_changed(&mut self, speed: f64, now: Moment) {
        if self.player.speed.report(speed) == Cause::Viewer {
            self.viewer_set_speed(speed, now);
        }
        self.go_on(now);
    }

    /// Whether the player stands at the end of the file.
    pub fn end_reached(&mut self, is_at_end: bool, now: Moment) {
        self.player.is_at_end = is_at_end;
        self.drift.stopped(now);
        self.go_on(now);
    }

    /// Whether the player stands still because its data has run out.
    pub fn buffering(&mut self, is_buffering: bool, now: Moment) {
        self.player.is_buffering = is_buffering;
        self.drift.disturbed(now, RESTART_QUIET_SECS);
        self.go_on(now);
    }

    /// The viewer wishes the room to pause or to run.
    pub fn wish_pause(&mut self, is_paused: bool, now: Moment) {
        self.wish_for_pause(is_paused, now);
        self.go_on(now);
    }

    /// The viewer wishes the room to be at a position.
    pub fn wish_seek(&mut self, position: f64, now: Moment) {
        self.wish_for_position(position, now);
        self.go_on(now);
    }

    /// The viewer wishes the room to play at a speed.
    pub fn wish_speed(&mut self, speed: f64, now: Moment) {
        self.wish_for_speed(speed, now);
        self.go_on(now);
    }

    /// The viewer wishes the room to stand and to go so many frames on, or back.
    pub fn wish_step(&mut self, frames: i32, now: Moment) {
        self.wish_for_step(frames, now);
        self.go_on(now);
    }

    /// The viewer wishes the room to start at a moment that lies ahead.
    pub fn wish_start(&mut self, start: Moment, now: Moment) {
        self.wish_for_start(start, now);
        self.go_on(now);
    }

    /// The viewer wishes the room's last deed taken back.
    pub fn wish_undo(&mut self, now: Moment) {
        self.wish_to_undo(now);
        self.go_on(now);
    }

    /// The viewer wishes done again what was taken back.
    pub fn wish_redo(&mut self, now: Moment) {
        self.wish_to_redo(now);
        self.go_on(now);
    }

    /// The viewer wishes the room to have these rules.
    pub fn wish_rules(&mut self, rules: Rules, now: Moment) {
        self.wish_for_rules(rules);
        self.go_on(now);
    }

    /// The room's rules.
    pub fn rules(&self) -> Rules {
        self.settings.rules
    }

    /// The viewer is ready to watch, or is not any more.
    pub fn set_ready(&mut self, is_ready: bool, now: Moment) {
        self.wish_to_be_ready(is_ready);
        self.go_on(now);
    }

    /// The viewer wrote a line to the others.
    pub fn say(&mut self, text: &str, now: Moment) {
        self.send_chat(text);
        self.go_on(now);
    }

    /// The room refused a message on this channel, because this viewer may not write there. The shell subscribes anew, so
    /// that what the room keeps comes again.
    pub fn refused(&mut self, channel: &str, now: Moment) {
        self.be_refused(channel, now);
        self.go_on(now);
    }

    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Engine::handle_timeout`].
    pub fn next_timeout(&self) -> Moment {
        if self.membership.has_left() {
            return Moment::NEVER;
        }
        let deadlines = [
            self.clock.next_timeout(),
            self.membership_timeout(),
            self.player.next_timeout(),
            self.steering_timeout(),
        ];
        deadlines.into_iter().min().unwrap_or(Moment::NEVER)
    }

    /// Does what has come due.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.player.handle_timeout(now, &mut self.out) && self.stage != Stage::Free {
            self.stage = Stage::Preparing { attempts: 0 };
        }
        self.go_on(now);
    }

    /// How this peer stands.
    pub fn status(&self, now: Moment) -> Status {
        let held = self.ledger.held();
        let error = self.drift.error().filter(|_| matches!(self.stage, Stage::Playing(_)));
        Status {
            is_connected: self.membership.is_connected(),
            condition: self.condition(),
            error_ms: error.map(|secs| secs * 1e3),
            spread_ms: self.spread(now).map(|secs| secs * 1e3),
            trim: self.drift.trim(),
            clock_source: self.clock.source(),
            clock: self.clock.reference().unwrap_or_default().to_owned(),
            round_trip_ms: self.clock.path().map(|(round_trip, _)| round_trip * 1e3),
            clock_error_ms: self.clock.error().map(|secs| secs * 1e3),
            revision: held.map_or(0, |held| held.revision),
            position: self.line.as_ref().and_then(|line| self.room_position(line, now)),
            speed: held.map_or(1.0, |held| held.speed),
            is_paused: held.is_some_and(Timeline::is_still),
            is_ready: self.is_ready,
            is_barred: self.membership.is_barred(),
            starts_in: self.starts_in(now),
            rules: self.settings.rules,
        }
    }

    /// How the others stand; those gone are left out.
    pub fn peers(&self, now: Moment) -> Vec<PeerStatus> {
        self.people.rows(now)
    }

    /// How everybody stands, as one JSON object.
    pub fn status_json(&self, now: Moment) -> String {
        status::to_json(&self.status(now), &self.peers(now))
    }

    /// After every input: whatever follows from it.
    fn go_on(&mut self, now: Moment) {
        if self.membership.has_left() {
            return;
        }
        let question = self.clock.handle_timeout(now);
        self.out.extend(question);
        self.keep_up_membership(now);
        self.grant_wish(now);
        self.steer(now);
    }

    fn spread(&self, now: Moment) -> Option<f64> {
        let own = self.drift.error().filter(|_| matches!(self.stage, Stage::Playing(_)));
        let errors: Vec<f64> = self.people.errors(now).chain(own).collect();
        let largest = errors.iter().copied().max_by(f64::total_cmp)?;
        let smallest = errors.iter().copied().min_by(f64::total_cmp)?;
        (errors.len() > 1).then_some(largest - smallest)
    }
}

/// How long after a restart the player's readings mean nothing, in seconds.
const RESTART_QUIET_SECS: f64 = 0.5;
