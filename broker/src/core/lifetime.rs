//! What happens when time passes: silence, wills, the end of sessions and messages.

use std::time::Duration;

use mqtt_protocol::ReasonCode;

use super::change::Change;
use super::connection::State;
use super::session::SessionId;
use super::time::Instant;
use super::timers::Timer;
use super::{ConnectionId, Core};
use crate::access::Action;

/// How often retained messages are looked through for expired ones. Those that are expired
/// are not delivered in between either.
pub(super) const RETAINED_EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

impl Core {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Handshake(id) => self.check_handshake(id),
                Timer::KeepAlive(id) => self.check_keep_alive(id, now),
                Timer::Allowance(id) => self.resume_reading(id),
                Timer::Figures => self.publish_figures(now),
                Timer::Stuck(id) => self.check_stuck(id, now),
                Timer::Will(id, epoch) if self.is_away(id, epoch) => {
                    self.publish_will(id, now);
                    self.keep_session(id);
                }
                Timer::SessionExpiry(id, epoch) if self.is_away(id, epoch) => {
                    self.end_session(id, now);
                }
                Timer::Will(..) | Timer::SessionExpiry(..) => {}
                Timer::RetainedExpiry => self.expire_retained(now),
            }
        }
    }

    /// Sets a timer. What clients leave behind when they come and go is bounded.
    pub(super) fn set_timer(&mut self, at: Instant, timer: Timer) {
        self.timers.set(at, timer);
        if self.timers.is_crowded() {
            let mut timers = std::mem::take(&mut self.timers);
            timers.retain(|timer| self.has_meaning(timer));
            self.timers = timers;
        }
    }

    fn has_meaning(&self, timer: Timer) -> bool {
        match timer {
            Timer::Handshake(id) => self.is_before_connack(id),
            Timer::Allowance(id) => self.state(id).is_some(),
            Timer::KeepAlive(id) => matches!(self.state(id), Some(State::Open(_))),
            Timer::Stuck(id) => self.holds_somebody(id),
            Timer::Will(id, epoch) | Timer::SessionExpiry(id, epoch) => self.is_away(id, epoch),
            Timer::RetainedExpiry | Timer::Figures => true,
        }
    }

    /// Whether the session is without a connection, and the last one was of this epoch.
    fn is_away(&self, id: SessionId, epoch: u64) -> bool {
        let session = self.sessions.get(id.number() as usize);
        session.is_some_and(|session| session.epoch == epoch && session.connection.is_none())
    }

    fn check_handshake(&mut self, id: ConnectionId) {
        if self.is_before_connack(id) {
            self.tally.connects_late += 1;
            self.close(id);
        }
    }

    pub(super) fn is_before_connack(&self, id: ConnectionId) -> bool {
        self.state(id).is_some_and(State::is_before_connack)
    }

    /// Ends the connection if its client was silent for too long, else looks again when it
    /// could have been. [MQTT-3.1.2-22]
    fn check_keep_alive(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connection(id) else { return };
        let (Some(patience), State::Open(_)) = (connection.patience, connection.state) else {
            return;
        };
        let deadline = connection.last_heard + patience;
        if deadline > now {
            return self.set_timer(deadline, Timer::KeepAlive(id));
        }
        self.disconnect(id, ReasonCode::KeepAliveTimeout, "silent beyond the keep alive", now);
    }

    /// Publishes the will of a session, if it still may be, and forgets it. [MQTT-3.1.2-8]
    /// [MQTT-3.1.2-10] [MQTT-3.1.2-14] [MQTT-3.1.2-15]
    pub(super) fn publish_will(&mut self, id: SessionId, now: Instant) {
        let Some(will) = self.session(id).and_then(|session| session.will.take()) else { return };
        let mut message = will.message;
        if !self.may(id, Action::Publish, message.topic().as_str()) {
            return;
        }
        message.expires = will.lifetime.map(|lifetime| now + lifetime);
        let properties = message.properties(now);
        let message = message.view(&properties);
        if message.retain {
            self.retain(id, &message, now);
        }
        self.route(&message, Some(id), now);
    }

    fn expire_retained(&mut self, now: Instant) {
        self.retained_expiry_is_set = false;
        for topic in self.retained.expire(now) {
            self.note_retained(Change::RetainedCleared { topic, is_promised: false });
        }
        if self.retained.any_expires() {
            self.retained_expiry_is_set = true;
            self.set_timer(now + RETAINED_EXPIRY_INTERVAL, Timer::RetainedExpiry);
        }
    }
}
