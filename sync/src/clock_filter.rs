//! Learns how another clock runs against the local one, from questions asked over a jittery path.
//!
//! Each exchange bounds the other clock to within half of its round trip: whatever the round trip has beyond the quickest one
//! was spent waiting, on the way there or on the way back. The quickest one may be luck, so it is trusted no more than it
//! agrees with the next two. So a straight line is laid through the newest exchanges,
//! each weighted by how little it waited. A drifting crystal is the slope of that line; no slope means the usual
//! crystal, so a few exchanges right after the start do not bend it. No filter can see that one direction of a path
//! is always slower than the other: half of that difference remains.

use std::collections::VecDeque;

use crate::Moment;

/// How many exchanges are remembered.
const REMEMBERED: usize = 128;
/// From how many on an estimate is offered.
const USABLE: usize = 5;
/// From how many on the estimate is as good as it soon gets.
const GOOD: usize = 24;
/// The uncertainty of an exchange that waited nowhere, in seconds.
const SMALLEST_ERROR_SECS: f64 = 0.000_3;
/// How far the rates of two ordinary crystals differ.
const USUAL_SKEW: f64 = 50e-6;
/// What no crystal exceeds.
const LARGEST_SKEW: f64 = 300e-6;

/// The four stamps of one question and its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exchange {
    /// Local: the question was written.
    pub sent: Moment,
    /// Other clock, in seconds: the question was read.
    pub remote_received: f64,
    /// Other clock, in seconds: the answer was written.
    pub remote_sent: f64,
    /// Local: the answer was read.
    pub received: Moment,
}

/// The newest exchanges with one clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockFilter {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Local seconds in the middle of the exchange.
    local: f64,
    /// Other clock minus local.
    offset: f64,
    round_trip: f64,
}

/// The line through the exchanges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Where `offset` holds, in local seconds.
    local: f64,
    /// Other clock minus local there.
    offset: f64,
    /// How much faster the other clock runs.
    pub skew: f64,
    /// The standard error of the newest offset, in seconds.
    pub error: f64,
}

impl Estimate {
    /// Other clock minus local clock at `moment`.
    pub(crate) fn offset_at(&self, moment: Moment) -> f64 {
        self.offset + self.skew * (moment.as_secs() - self.local)
    }
}

impl ClockFilter {
    /// Takes an exchange in. One whose stamps contradict each other is ignored.
    pub(crate) fn add(&mut self, exchange: Exchange) {
        let (sent, received) = (exchange.sent.as_secs(), exchange.received.as_secs());
        let round_trip = (received - sent) - (exchange.remote_sent - exchange.remote_received);
        if !(0.0..10.0).contains(&round_trip) || exchange.remote_sent < exchange.remote_received {
            return;
        }
        let offset = ((exchange.remote_received - sent) + (exchange.remote_sent - received)) / 2.0;
        if self.samples.len() == REMEMBERED {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { local: (sent + received) / 2.0, offset, round_trip });
    }

    /// Whether the estimate is as good as it soon gets.
    pub(crate) fn is_good(&self) -> bool {
        self.samples.len() >= GOOD
    }

    /// The quickest round trip remembered, in seconds.
    pub(crate) fn quickest_round_trip(&self) -> Option<f64> {
        self.samples.iter().map(|sample| sample.round_trip).min_by(f64::total_cmp)
    }

    /// The standard deviation of one direction's delay, in seconds.
    pub(crate) fn jitter(&self) -> Option<f64> {
        let count = self.samples.len() as f64;
        let mean = self.samples.iter().map(|sample| sample.round_trip).sum::<f64>() / count;
        let square =
            self.samples.iter().map(|sample| (sample.round_trip - mean).powi(2)).sum::<f64>()
                / count;
        // A round trip adds two independent directions.
        (count > 0.0).then(|| (square / 2.0).sqrt())
    }

    /// The third quickest round trip remembered, in seconds.
    fn third_round_trip(&self) -> f64 {
        let mut quickest = [f64::INFINITY; 3];
        for sample in &self.samples {
            let mut round_trip = sample.round_trip;
            for place in &mut quickest {
                if round_trip < *place {
                    std::mem::swap(&mut round_trip, place);
                }
            }
        }
        quickest[2]
    }

    /// Lays the line through the exchanges, once there are enough.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        if self.samples.len() < USABLE {
            return None;
        }
        let quickest = self.quickest_round_trip()?;
        let newest = self.samples.back()?.local;
        // Offsets are huge and their differences tiny: everything is reckoned from the first sample.
        let origin = self.samples.front()?.offset;
        // Where even the quickest few differ, none of them is known to have waited nowhere.
        let doubt = (self.third_round_trip() - quickest) / 2.0;
        let weigh = |sample: &Sample| {
            let error = SMALLEST_ERROR_SECS + doubt + (sample.round_trip - quickest) / 2.0;
            error.powi(-2)
        };
        let (mut total, mut time, mut offset) = (0.0, 0.0, 0.0);
        for sample in &self.samples {
            let weight = weigh(sample);
            total += weight;
            time += weight * (sample.local - newest);
            offset += weight * (sample.offset - origin);
        }
        let (mean_time, mean_offset) = (time / total, offset / total);
        let (mut spread, mut shared) = (USUAL_SKEW.powi(-2), 0.0);
        for sample in &self.samples {
            let since = sample.local - newest - mean_time;
            spread += weigh(sample) * since * since;
            shared += weigh(sample) * since * (sample.offset - origin - mean_offset);
        }
        let skew = (shared / spread).clamp(-LARGEST_SKEW, LARGEST_SKEW);
        let error = (total.recip() + mean_time * mean_time / spread).sqrt();
        Some(Estimate { local: newest + mean_time, offset: origin + mean_offset, skew, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock 1.8e9 s ahead that gains 40 ppm, asked over a path with the given one-way delays.
    fn ask(filter: &mut ClockFilter, at: f64, there: f64, back: f64) {
        let remote = |local: f64| local + 1.8e9 + local * 40e-6;
        let sent = Moment::from_secs(at);
        filter.add(Exchange {
            sent,
            remote_received: remote(at + there),
            remote_sent: remote(at + there + 0.000_1),
            received: sent + (there + back + 0.000_1),
        });
    }

    fn error_at(filter: &ClockFilter, at: f64) -> f64 {
        let estimate = filter.estimate().expect("enough exchanges");
        estimate.offset_at(Moment::from_secs(at)) - (1.8e9 + at * 40e-6)
    }

    #[test]
    fn four_exchanges_are_not_enough_and_five_are() {
        let mut filter = ClockFilter::default();
        for turn in 0..4 {
            ask(&mut filter, f64::from(turn), 0.001, 0.001);
        }
        assert_eq!(filter.estimate(), None);
        ask(&mut filter, 4.0, 0.001, 0.001);
        assert!(error_at(&filter, 4.0).abs() < 100e-6);
    }

    #[test]
    fn line_learns_the_skew_and_foretells_a_minute() {
        let mut filter = ClockFilter::default();
        for turn in 0..128 {
            ask(&mut filter, f64::from(turn), 0.01, 0.01);
        }
        assert!((filter.estimate().expect("enough").skew - 40e-6).abs() < 1e-6);
        assert!(error_at(&filter, 187.0).abs() < 100e-6);
    }

    #[test]
    fn exchanges_that_waited_hardly_count() {
        let mut filter = ClockFilter::default();
        for turn in 0..60 {
            let wait = if turn % 3 == 0 { 0.0 } else { 0.02 * f64::from(turn % 7) };
            ask(&mut filter, f64::from(turn), 0.005 + wait, 0.005);
        }
        assert!(error_at(&filter, 60.0).abs() < 0.001, "{}", error_at(&filter, 60.0));
    }

    #[test]
    fn half_of_a_lasting_asymmetry_remains() {
        let mut filter = ClockFilter::default();
        for turn in 0..60 {
            ask(&mut filter, f64::from(turn), 0.060, 0.020);
        }
        assert!((error_at(&filter, 60.0) - 0.020).abs() < 0.000_1);
    }

    #[test]
    fn stamps_that_contradict_each_other_are_ignored() {
        let mut filter = ClockFilter::default();
        ask(&mut filter, 1.0, -0.5, 0.1);
        let sent = Moment::from_secs(2.0);
        filter.add(Exchange { sent, remote_received: 9.0, remote_sent: 8.0, received: sent + 0.1 });
        assert_eq!(filter.quickest_round_trip(), None);
    }
}
