//! Being one of the room: entering, losing it, coming back, leaving; and what the viewer did meanwhile.

use crate::keeping::Keeping;
use crate::message::{Action, Timeline};
use crate::people::Candidate;
use crate::presence::Telling;
use crate::steering::Stage;
use crate::wishes::Wish;
use crate::{Engine, Moment, Output, notice};

/// What the room keeps arrives within this time of the subscriptions, in seconds.
const SETTLING_SECS: f64 = 0.3;
/// How long a wish counts that was made before the room was known, in seconds.
const EARLY_WISH_LASTS_SECS: f64 = 5.0;

/// How this peer stands to its room.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    link: Link,
    /// Whether it ever settled: only then there is a line to follow while the room cannot be reached.
    has_settled: bool,
    /// Whether the player ever followed the room: from then on another file is a wish for the room.
    pub(crate) has_followed: bool,
    alone: Option<Alone>,
    /// Whether the room refused what this peer wrote: its timeline is its operators' alone.
    is_barred: bool,
    /// The viewer paused or resumed before the room was known.
    early_wish: Option<EarlyWish>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Link {
    #[default]
    Away,
    /// The room's messages are coming in.
    Settling {
        since: Moment,
    },
    Settled,
    /// For good.
    Left,
}

/// What the viewer did while the room could not hear of it.
#[derive(Clone, Copy, Debug, Default)]
struct Alone {
    sought_at: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct EarlyWish {
    is_paused: bool,
    at: Moment,
}

impl Membership {
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link, Link::Settling { .. } | Link::Settled)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.link == Link::Settled
    }

    pub(crate) fn has_left(&self) -> bool {
        self.link == Link::Left
    }

    /// Whether the room takes no timelines of this peer.
    pub(crate) fn is_barred(&self) -> bool {
        self.is_barred
    }

    /// Whether the player is the room's, not the viewer's alone.
    pub(crate) fn may_follow(&self) -> bool {
        self.has_settled && self.alone.is_none()
    }

    /// The viewer paused or resumed while nothing was known of the room.
    pub(crate) fn wished_early(&mut self, is_paused: bool, now: Moment) {
        self.early_wish = Some(EarlyWish { is_paused, at: now });
    }

    /// Whether the room was ever known.
    pub(crate) fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// The viewer did something the room cannot hear of.
    pub(crate) fn acted_alone(&mut self) {
        if self.has_settled && !self.is_settled() {
            self.alone.get_or_insert_default();
        }
    }

    /// What the viewer did alone was a seek.
    pub(crate) fn sought_alone(&mut self, now: Moment) {
        if let Some(alone) = &mut self.alone {
            alone.sought_at = Some(now);
        }
    }
}

impl Engine {
    /// The connection stands: tell who is here, ask for the time, and wait for what the room keeps.
    pub(crate) fn enter(&mut self, now: Moment) {
        if self.membership.has_settled && !self.membership.is_connected() {
            self.out.push_back(notice::found());
        }
        self.membership.link = Link::Settling { since: now };
        self.telling = Telling::default();
        // Whoever was no operator may be one by now.
        self.membership.is_barred = false;
        self.clock.connected(now);
    }

    /// The room refused a message. Nothing of it is left here either: of timelines, what the room keeps comes again, and counts.
    pub(crate) fn be_refused(&mut self, channel: &str, now: Moment) {
        if channel == "settings" {
            self.forget_own_rules();
        }
        if channel != "timeline" {
            return self.out.push_back(notice::barred());
        }
        let is_news = !std::mem::replace(&mut self.membership.is_barred, true);
        self.out.extend(is_news.then(notice::barred));
        self.ledger.forget_written_by(&self.id);
        self.wish = None;
        self.next_line = None;
        if self.membership.is_settled() {
            self.membership.link = Link::Settling { since: now };
        }
        if self.ledger.held().is_none() {
            self.keeping.has_timeline = false;
            self.line = None;
        }
    }

    /// The connection is gone; the player follows the line it has.
    pub(crate) fn lose_room(&mut self, now: Moment) {
        if self.membership.is_settled() {
            self.out.push_back(notice::lost());
        }
        self.membership.link = Link::Away;
        match self.wish.take() {
            Some(Wish::Pause) => self.membership.acted_alone(),
            Some(Wish::Seek { .. }) => {
                self.membership.acted_alone();
                self.membership.sought_alone(now);
            }
            Some(Wish::Adopt { .. }) | None => {}
        }
        self.keeping = Keeping::default();
        self.people.doubt_all();
        self.clock.disconnected();
    }

    /// Leaves nothing behind: the last one pauses the room where it is, and the own presence is cleared.
    pub(crate) fn say_farewell(&mut self, now: Moment) {
        let line = self.line.clone().filter(|line| !line.is_still());
        if let Some(line) = line
            && self.membership.is_settled()
            && self.people.is_empty()
            && !self.membership.is_barred
            && matches!(self.stage, Stage::Playing(_))
        {
            let position = self.line_position(&line, now);
            let at = self.reference_time(now);
            self.write(Timeline { paused: true, position, at, action: Action::Pause, ..line }, now);
        }
        if self.membership.is_connected() {
            let mut cleared = self.will();
            cleared.json.clear();
            self.out.push_back(Output::Publish(cleared));
        }
        self.out.retain(|output| matches!(output, Output::Publish(_)));
        self.clock.disconnected();
        self.membership.link = Link::Left;
    }

    /// Another file is open, or none.
    pub(crate) fn file_changed(&mut self, now: Moment) {
        self.wish = None;
        self.stage = Stage::Free;
        self.next_line = None;
        self.drift.stopped(now);
    }

    /// Settles, serves the clock, tells what has changed, and does its part for the room.
    pub(crate) fn keep_up_membership(&mut self, now: Moment) {
        if !self.membership.is_connected() {
            return;
        }
        let held_clock =
            self.ledger.held().map(|held| held.clock.as_str()).filter(|clock| !clock.is_empty());
        let own = Candidate {
            id: &self.id,
            clock: self.clock.own_id(),
            is_serving: self.clock.serves().is_some(),
        };
        let is_elected = self.people.elects(own, held_clock);
        self.clock.elect(is_elected);
        self.settle(now);
        self.tell_presence(now);
        self.tell_drift(now);
        self.restate(now);
        self.do_duties(now);
    }

    /// When membership has something to do.
    pub(crate) fn membership_timeout(&self) -> Moment {
        let settling = match self.membership.link {
            Link::Away | Link::Left => return Moment::NEVER,
            Link::Settling { since, .. } if self.clock.reference().is_some() => {
                since + SETTLING_SECS
            }
            _ => Moment::NEVER,
        };
        settling
            .min(self.telling_timeout())
            .min(self.keeping_timeout())
            .min(self.wish_timeout())
            .min(self.duties_timeout())
    }

    /// The room is complete once what it keeps has come and the time is known.
    fn settle(&mut self, now: Moment) {
        let Link::Settling { since } = self.membership.link else {
            return;
        };
        if now - since < SETTLING_SECS || self.clock.reference().is_none() {
            return;
        }
        let is_first = !std::mem::replace(&mut self.membership.has_settled, true);
        let alone = self.membership.alone.take();
        self.membership.link = Link::Settled;
        self.telling.next_drift = Some(now);
        if !self.keeping.has_timeline {
            self.doubt_the_room(now);
        }
        let left = self.people.forget_unconfirmed();
        self.out.extend(left.iter().map(|name| notice::left(name)));
        self.take_readable_line(now);
        self.bring_back_rules();
        if is_first {
            self.out.push_back(notice::entered(self.people.count()));
            self.wake_empty_room(now);
            self.grant_early_wish(now);
        } else if let Some(alone) = alone.filter(|_| !self.keeping.has_changed) {
            self.bring_back_wish(alone, now);
        }
        self.consider_file(now);
    }

    /// A running line in a room that everybody has left stands since it was last written.
    fn wake_empty_room(&mut self, now: Moment) {
        let Some(line) = self.ledger.held().filter(|held| {
            self.people.is_empty() && !held.is_still() && !self.membership.is_barred
        }) else {
            return;
        };
        let at = self.reference_time(now);
        self.write(Timeline { paused: true, at, action: Action::Restate, ..line.clone() }, now);
    }

    /// What the viewer did before the room was known is done to the room it turned out to be; also to the one that a
    /// simultaneous newcomer made it.
    pub(crate) fn grant_early_wish(&mut self, now: Moment) {
        if self.ledger.held().is_none() {
            return;
        }
        if let Some(wish) = self.membership.early_wish.take()
            && now - wish.at < EARLY_WISH_LASTS_SECS
        {
            self.wish_for_pause(wish.is_paused, now);
        }
    }

    /// The viewer acted alone and the room has not changed since. Alone, the player is right. With others a pause or a resume
    /// still counts, at the place where the room is by now, and a seek of a moment ago.
    fn bring_back_wish(&mut self, alone: Alone, now: Moment) {
        let is_recent = |at: Moment| now - at < EARLY_WISH_LASTS_SECS;
        if self.people.is_empty() {
            self.wish_to_adopt(now);
        } else if alone.sought_at.is_some_and(is_recent) {
            self.bring_back_seek(now);
        } else {
            self.wish_for_pause(self.player.pause.is_paused(), now);
        }
    }
}
