//! Keep alive: when to send PINGREQ, and when to give the server up.

use std::time::Duration;

use crate::Moment;

/// Counts silence in both directions.
///
/// ```text
///  0        3/4 interval       interval              + 1/2 interval
///  ├─ silence ─┼─ PINGREQ ────────┼──────────────────────┤ given up
///              └────────── anything received ends it ────┘
/// ```
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// Zero: any silence is fine.
    interval: Duration,
    last_sent: Moment,
    last_received: Moment,
    /// When the PINGREQ was sent that nothing has followed.
    pinged: Option<Moment>,
    /// Whether nothing is read at the moment, so that silence says nothing.
    is_deaf: bool,
}

/// What has become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// PINGREQ has to be sent. [MQTT-3.1.2-20]
    Ping,
    /// The server has not answered.
    GiveUp,
}

/// The shortest time a server gets for its answer.
const SHORTEST_WAIT: Duration = Duration::from_secs(2);

impl KeepAlive {
    pub(super) fn new(interval_secs: u16, now: Moment) -> Self {
        Self {
            interval: Duration::from_secs(interval_secs.into()),
            last_sent: now,
            last_received: now,
            pinged: None,
            is_deaf: false,
        }
    }

    pub(super) fn sent(&mut self, now: Moment) {
        self.last_sent = now;
    }

    pub(super) fn received(&mut self, now: Moment) {
        self.last_received = now;
        self.pinged = None;
    }

    pub(super) fn pinged(&mut self, now: Moment) {
        // A server that owes an answer owes it from the first question on.
        self.pinged.get_or_insert(now);
    }

    /// Tells whether the socket is being read.
    pub(super) fn set_deaf(&mut self, is_deaf: bool, now: Moment) {
        if self.is_deaf && !is_deaf {
            self.received(now);
        }
        self.is_deaf = is_deaf;
    }

    /// When something becomes due, and what.
    pub(super) fn next(&self) -> Option<(Moment, Due)> {
        if self.interval.is_zero() {
            return None;
        }
        let quiet = self.interval * 3 / 4;
        let ping_for_server = self.last_sent + quiet;
        match self.pinged {
            // While deaf, only the server's patience counts.
            _ if self.is_deaf => Some((ping_for_server, Due::Ping)),
            Some(pinged) => {
                let give_up = pinged + (self.interval / 2).max(SHORTEST_WAIT);
                if ping_for_server < give_up {
                    Some((ping_for_server, Due::Ping))
                } else {
                    Some((give_up, Due::GiveUp))
                }
            }
            None => Some((ping_for_server.min(self.last_received + quiet), Due::Ping)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    /// [MQTT-3.1.2-20]
    #[test]
    fn silence_is_broken_before_the_interval_is_over() {
        let mut keep_alive = KeepAlive::new(60, at(0));
        assert_eq!(keep_alive.next(), Some((at(45_000), Due::Ping)));
        keep_alive.sent(at(20_000));
        keep_alive.received(at(30_000));
        assert_eq!(keep_alive.next(), Some((at(65_000), Due::Ping)));
    }

    #[test]
    fn a_server_that_stays_silent_is_given_up() {
        let mut keep_alive = KeepAlive::new(60, at(0));
        keep_alive.pinged(at(45_000));
        keep_alive.sent(at(45_000));
        assert_eq!(keep_alive.next(), Some((at(75_000), Due::GiveUp)));
        keep_alive.received(at(46_000));
        assert_eq!(keep_alive.next(), Some((at(90_000), Due::Ping)));
    }

    /// [MQTT-3.1.2-20]
    #[test]
    fn asking_again_is_no_answer() {
        let mut keep_alive = KeepAlive::new(1, at(0));
        let mut questions = 0;
        while let Some((now, Due::Ping)) = keep_alive.next() {
            keep_alive.sent(now);
            keep_alive.pinged(now);
            questions += 1;
            assert!(questions < 100, "a silent server is never given up");
        }
        assert_eq!(keep_alive.next().unwrap().0, at(750) + SHORTEST_WAIT);
    }

    #[test]
    fn sending_all_the_time_does_not_hide_a_dead_server() {
        let mut keep_alive = KeepAlive::new(60, at(0));
        keep_alive.sent(at(44_000));
        assert_eq!(keep_alive.next(), Some((at(45_000), Due::Ping)));
    }

    #[test]
    fn a_server_is_not_given_up_while_nothing_is_read() {
        let mut keep_alive = KeepAlive::new(60, at(0));
        keep_alive.pinged(at(45_000));
        keep_alive.sent(at(45_000));
        keep_alive.set_deaf(true, at(50_000));
        assert_eq!(keep_alive.next(), Some((at(90_000), Due::Ping)));
        keep_alive.set_deaf(false, at(80_000));
        assert_eq!(keep_alive.next(), Some((at(90_000), Due::Ping)));
    }

    #[test]
    fn an_interval_of_zero_turns_it_off() {
        assert_eq!(KeepAlive::new(0, at(0)).next(), None);
    }
}
