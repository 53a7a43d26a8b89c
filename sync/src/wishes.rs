//! Turns what the viewer does into timelines of the room.
//!
//! Some wishes need to know where the player stands first: those wait in [`Engine::wish`] until it rests.

use crate::drift::READ_EVERY_SECS;
use crate::message::{self, Action, Media, Timeline};
use crate::player::Rest;
use crate::steering::{END_MARGIN_SECS, SPEED_LAG_SECS, Stage};
use crate::{Engine, Moment, Output, Position, notice};

/// What frames are taken for when the player does not know, in frames a second.
const USUAL_FRAME_RATE: f64 = 25.0;

/// A wish that waits for the player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wish {
    /// Pause the room where the player stopped.
    Pause,
    /// Have the room where the viewer's seek lands. `is_still`: and stay there.
    Seek { is_still: bool, has_landed: bool },
    /// Have the room watch this file from where the player is.
    Adopt { next_reading: Moment },
}

impl Engine {
    /// The viewer paused the player, or let it run.
    pub(crate) fn viewer_paused(&mut self, is_paused: bool, now: Moment) {
        if is_paused {
            self.player.read_rest(&mut self.out);
        } else {
            self.player.ran();
        }
        if !self.membership.has_settled() || self.line.is_none() {
            self.membership.wished_early(is_paused, now);
        }
        if self.refuses_viewer() {
            self.resist();
        } else if !self.may_act() {
            self.act_alone();
        } else if is_paused {
            self.pause_where_it_rests();
        } else {
            self.resume_by_key(now);
        }
    }

    /// The viewer began to seek; the landing is what they wish.
    pub(crate) fn viewer_began_to_seek(&mut self, now: Moment) {
        if self.refuses_viewer() {
            return self.resist();
        }
        if !self.may_act() {
            self.act_alone();
            return self.membership.sought_alone(now);
        }
        let is_still = self.line.as_ref().is_some_and(Timeline::is_still) || self.player.is_at_end;
        self.wish = Some(Wish::Seek { is_still, has_landed: false });
        self.player.set_pause(true, now, &mut self.out);
        self.drift.stopped(now);
    }

    /// The viewer sought while the room could not hear of it, and now it can.
    pub(crate) fn bring_back_seek(&mut self, now: Moment) {
        let is_still = self.line.as_ref().is_some_and(Timeline::is_still);
        let has_landed = !self.player.seek.is_viewer_seeking();
        self.wish = Some(Wish::Seek { is_still, has_landed });
        self.player.set_pause(true, now, &mut self.out);
        if has_landed && self.player.rest().is_none() {
            self.player.read_rest(&mut self.out);
        }
    }

    /// The viewer's seek has landed.
    pub(crate) fn viewer_landed(&mut self, now: Moment) {
        if let Some(Wish::Seek { has_landed, .. }) = &mut self.wish {
            *has_landed = true;
            self.player.set_pause(true, now, &mut self.out);
        }
    }

    /// The viewer set the speed.
    pub(crate) fn viewer_set_speed(&mut self, reported: f64, now: Moment) {
        if self.refuses_viewer() {
            self.resist();
            return self.apply_speed(now);
        }
        if !self.may_act() {
            return self.act_alone();
        }
        // Keys multiply what they find, which may hold our trim; a round number was set as it is.
        let is_round = ((reported * 100.0).round() / 100.0 - reported).abs() < 1e-9;
        let plain = if is_round { reported } else { reported / self.drift.factor() };
        let speed = (plain * 1e4).round() / 1e4;
        self.wish_for_speed(speed, now);
        self.apply_speed(now);
    }

    /// Pauses the room, or lets it run.
    pub(crate) fn wish_for_pause(&mut self, is_paused: bool, now: Moment) {
        let Some(line) = self.line_to_act_on() else {
            if self.refuses_viewer() {
                return;
            }
            self.act_alone();
            return self.player.set_pause(is_paused, now, &mut self.out);
        };
        match (is_paused, line.is_still()) {
            (true, false) if matches!(self.stage, Stage::Playing(_)) => {
                self.player.set_pause(true, now, &mut self.out);
                self.pause_where_it_rests();
            }
            (true, false) => self.pause_at_the_line(&line, now),
            (true, true) if line.is_waiting() => self.pause_at_the_line(&line, now),
            (false, true) => self.resume_room(&line, now),
            _ => {}
        }
    }

    /// Has the room at a position.
    pub(crate) fn wish_for_position(&mut self, position: f64, now: Moment) {
        let Some(line) = self.line_to_act_on() else { return };
        let at = self.start_after_seek(&line, now);
        let duration = self.player.file.as_ref().and_then(|file| file.duration);
        let last = duration.map_or(f64::MAX, |duration| duration - END_MARGIN_SECS);
        let position = position.min(last).max(0.0);
        self.write(Timeline { position, at, action: Action::Seek, ..line }, now);
    }

    /// Has the room play at a speed.
    pub(crate) fn wish_for_speed(&mut self, speed: f64, now: Moment) {
        let Some(line) = self.line_to_act_on() else { return };
        if speed == line.speed || !(0.01..=100.0).contains(&speed) {
            return;
        }
        let start = now + (self.lead_secs() + SPEED_LAG_SECS);
        let position = self.line_position(&line, start);
        let at = self.reference_time(start);
        self.write(Timeline { position, at, speed, action: Action::Speed, ..line }, now);
    }

    /// Has the room stand, and then go so many frames on or back.
    pub(crate) fn wish_for_step(&mut self, frames: i32, now: Moment) {
        let Some(line) = self.line_to_act_on() else { return };
        if !line.paused {
            return self.wish_for_pause(true, now);
        }
        let rate = self.player.file.as_ref().and_then(|file| file.frames_per_second);
        let step = f64::from(frames) / rate.unwrap_or(USUAL_FRAME_RATE);
        let position = (line.position + step).max(0.0);
        let at = self.reference_time(now);
        self.write(Timeline { position, at, action: Action::Step, ..line }, now);
    }

    /// Has the room start at a moment that lies ahead.
    pub(crate) fn wish_for_start(&mut self, start: Moment, now: Moment) {
        let Some(line) = self.line_to_act_on() else { return };
        let position = self.line_position(&line, now);
        let earliest = now + self.lead_secs();
        let at = self.reference_time(start.max(earliest));
        self.write(Timeline { paused: false, position, at, action: Action::Resume, ..line }, now);
    }

    /// Fulfils a wish once the player rests where it needs to.
    pub(crate) fn grant_wish(&mut self, now: Moment) {
        let Some(wish) = self.wish else { return };
        if self.player.file.is_none() || !self.may_act() {
            self.wish = None;
            return;
        }
        match wish {
            Wish::Adopt { next_reading } if !self.player.pause.is_paused() => {
                self.keep_reading(next_reading, now);
            }
            Wish::Seek { has_landed: false, .. } if !self.player.seek.is_viewer_seeking() => {
                self.wish = None;
            }
            Wish::Seek { has_landed: false, .. } => {}
            _ => {
                let Some(rest) = self.player.rest() else { return };
                self.wish = None;
                self.grant_at_rest(wish, rest, now);
            }
        }
    }

    /// A playing player's reading while its file is to be adopted.
    pub(crate) fn adopt_at(&mut self, position: Position, now: Moment) {
        let Some(Wish::Adopt { .. }) = self.wish.filter(|_| !self.player.pause.is_paused()) else {
            return;
        };
        let Some(position) = position.audio.or(position.frame) else { return };
        self.wish = None;
        self.adopt(position, false, now);
    }

    /// Has the room watch the open file from where the player is, as soon as that is known.
    pub(crate) fn wish_to_adopt(&mut self, now: Moment) {
        self.wish = Some(Wish::Adopt { next_reading: now });
        if self.player.pause.is_paused() && self.player.rest().is_none() {
            self.player.read_rest(&mut self.out);
        }
    }

    /// Looks at the open file: it may be the room's, become the room's, or be another one.
    pub(crate) fn consider_file(&mut self, now: Moment) {
        if self.player.file.is_none() {
            return self.ask_for_film();
        }
        if !self.may_act() || self.player.is_beginning {
            return;
        }
        let Some(held) = self.ledger.held() else { return self.wish_to_adopt(now) };
        if self.is_file_of(held) {
            return;
        }
        if self.people.is_empty() || self.membership.has_followed {
            self.wish_to_adopt(now);
        } else if let Some(media) = &held.media {
            self.out.push_back(notice::other_file(&media.name));
            self.ask_for_film();
        }
    }

    /// Has the shell look for what the room watches, once for each film.
    pub(crate) fn ask_for_film(&mut self) {
        let Some(media) = self.ledger.held().and_then(|held| held.media.clone()) else { return };
        if !self.membership.is_settled() || self.asked_for.as_ref() == Some(&media) {
            return;
        }
        self.asked_for = Some(media.clone());
        let Media { name, size, url, .. } = media;
        self.out.push_back(Output::OpenFile { name, size, url });
    }

    /// When a wish has something to do.
    pub(crate) fn wish_timeout(&self) -> Moment {
        match self.wish {
            Some(Wish::Adopt { next_reading }) if !self.player.pause.is_paused() => next_reading,
            _ => Moment::NEVER,
        }
    }

    /// Writes a timeline of this peer, whose `at` is in the reference, and tells the room.
    pub(crate) fn write(&mut self, line: Timeline, now: Moment) {
        let clock = self.clock.reference().unwrap_or_default().to_owned();
        self.write_in_its_clock(Timeline { clock, ..line }, now);
    }

    /// Writes a timeline of this peer and tells the room. Which and whose it is, is set here.
    pub(crate) fn write_in_its_clock(&mut self, line: Timeline, now: Moment) {
        let timeline = Timeline {
            revision: self.ledger.next_revision(),
            peer: self.id.clone(),
            at: line.at.map(message::to_micros),
            position: message::to_micros(line.position),
            waits_for: line.waits_for.clone().filter(|_| line.is_waiting()),
            ..line
        };
        if let Some(deed) = self.deed_of(&timeline, now) {
            self.history.note(deed);
        }
        self.ledger.write(timeline.clone());
        self.publish_timeline(&timeline);
        self.take_line(timeline, now);
    }

    /// The reference's time at a local moment.
    pub(crate) fn reference_time(&self, moment: Moment) -> Option<f64> {
        self.clock.time_at(self.clock.reference()?, moment)
    }

    /// Where the line is at a moment, without this device's offset: what is told to others.
    pub(crate) fn line_position(&self, line: &Timeline, moment: Moment) -> f64 {
        let time = self.clock.time_at(&line.clock, moment).filter(|_| !line.is_still());
        time.map_or(line.position, |time| line.position_at(time))
    }

    /// The line, when a wish may change it; the viewer is told when only operators may.
    pub(crate) fn line_to_act_on(&mut self) -> Option<Timeline> {
        if self.refuses_viewer() {
            self.out.push_back(notice::barred());
            return None;
        }
        self.line.clone().filter(|_| self.may_act_on_room())
    }

    /// Whether the player follows a room that does not take what its viewer does.
    fn refuses_viewer(&self) -> bool {
        self.membership.is_barred() && self.stage != Stage::Free
    }

    /// Brings the player back to the room that refuses what its viewer did.
    fn resist(&mut self) {
        self.out.push_back(notice::barred());
        self.stage = Stage::Preparing { attempts: 0 };
    }

    /// Whether what the viewer does is done to the room.
    fn may_act(&self) -> bool {
        self.membership.is_settled()
            && !self.membership.is_barred()
            && self.membership.may_follow()
            && self.clock.reference().is_some()
    }

    /// The same for wishes that come without the player, such as a remote control's.
    fn may_act_on_room(&self) -> bool {
        let is_readable = |line: &Timeline| {
            line.is_still() || self.clock.time_at(&line.clock, Moment(0)).is_some()
        };
        let is_of_file = |line: &Timeline| self.player.file.is_none() || self.is_file_of(line);
        self.may_act()
            && self.line.as_ref().is_some_and(|line| is_readable(line) && is_of_file(line))
    }

    /// The viewer acts while the room cannot hear of it: the player is theirs until it can.
    fn act_alone(&mut self) {
        if self.player.file.is_some() {
            self.membership.acted_alone();
        }
    }

    fn pause_where_it_rests(&mut self) {
        self.viewer_is_off();
        if self.may_act_on_room() && self.line.as_ref().is_some_and(|line| !line.is_still()) {
            self.wish = Some(Wish::Pause);
        }
    }

    fn resume_by_key(&mut self, now: Moment) {
        let Some(line) = self.line.clone().filter(|_| self.may_act_on_room()) else { return };
        if self.player.is_at_end {
            return;
        }
        if !line.is_still() && self.is_past_the_end(&line, now) {
            return self.wish_to_adopt(now);
        }
        // A pause that has not been told yet is simply taken back.
        let is_taken_back = self.wish.take_if(|wish| *wish == Wish::Pause).is_some();
        self.player.set_pause(true, now, &mut self.out);
        match self.stage {
            _ if is_taken_back => self.stage = Stage::Preparing { attempts: 0 },
            _ if line.is_still() => {
                // Until it stood again it went on by a frame, perhaps; should the room not start, that is too far.
                self.stage = Stage::Preparing { attempts: 0 };
                self.resume_room(&line, now);
            }
            // The player stood still for us and took the key that was to pause the room for the opposite.
            Stage::Preparing { .. } | Stage::Waiting { .. } => self.pause_at_the_line(&line, now),
            _ => self.stage = Stage::Preparing { attempts: 0 },
        }
    }

    fn resume_room(&mut self, line: &Timeline, now: Moment) {
        if self.is_start_postponed() {
            return;
        }
        let at = self.reference_time(now + self.lead_secs());
        self.write(Timeline { paused: false, at, action: Action::Resume, ..line.clone() }, now);
    }

    pub(crate) fn pause_at_the_line(&mut self, line: &Timeline, now: Moment) {
        let position = self.line_position(line, now);
        let at = self.reference_time(now);
        self.write(
            Timeline { paused: true, position, at, action: Action::Pause, ..line.clone() },
            now,
        );
    }

    fn grant_at_rest(&mut self, wish: Wish, rest: Rest, now: Moment) {
        let Some(line) = self.line.clone().filter(|line| self.is_file_of(line)) else {
            return self.adopt(rest.resume, true, now);
        };
        match wish {
            Wish::Pause => {
                let at = self.reference_time(now);
                let paused = Timeline {
                    paused: true,
                    position: rest.shown,
                    at,
                    action: Action::Pause,
                    ..line
                };
                self.write(paused, now);
            }
            Wish::Seek { is_still, .. } => {
                let at = self.start_after_seek(&line, now);
                let sought = Timeline {
                    paused: is_still && !line.is_waiting(),
                    position: rest.shown,
                    at,
                    action: Action::Seek,
                    ..line
                };
                self.write(sought, now);
            }
            Wish::Adopt { .. } => self.adopt(rest.shown, true, now),
        }
    }

    /// Writes a timeline from the player as it is. A player that runs goes on undisturbed.
    fn adopt(&mut self, position: f64, is_paused: bool, now: Moment) {
        let Some(file) = &self.player.file else { return };
        let adopted = Timeline {
            revision: 0,
            peer: String::new(),
            clock: String::new(),
            at: self.reference_time(now + self.offset_secs),
            position: position.max(0.0),
            speed: self.player.speed.speed(),
            paused: is_paused,
            action: Action::File,
            waits_for: None,
            media: Some(Media::of(file)),
        };
        self.membership.has_followed = true;
        self.write(adopted, now);
        if !is_paused {
            self.adopt_course(now);
        }
    }

    fn keep_reading(&mut self, next_reading: Moment, now: Moment) {
        if now >= next_reading {
            self.wish = Some(Wish::Adopt { next_reading: now + READ_EVERY_SECS });
            self.out.push_back(Output::ReadPosition);
        }
    }

    /// When the room goes on after a seek: once all have landed, and not before a start that was set for later; a room that
    /// waits for somebody's data goes on waiting.
    fn start_after_seek(&self, line: &Timeline, now: Moment) -> Option<f64> {
        if line.is_waiting() {
            return None;
        }
        let lead = self.lead_secs() + self.people.restart_secs(self.player.restart_secs());
        let start = now + lead;
        let planned = line.at.filter(|_| !line.paused);
        let planned = planned.and_then(|at| self.clock.moment_of(&line.clock, at));
        self.reference_time(planned.map_or(start, |planned| planned.max(start)))
    }

    pub(crate) fn lead_secs(&self) -> f64 {
        self.people.lead_secs(self.clock.path())
    }
}
