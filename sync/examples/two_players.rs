//! Two players in one room, in virtual time: Anna plays and pauses, Ben's player follows. Prints what travels.
//!
//! The loop around each engine is the one a real shell runs: tell it what happened, do what it asks, wake it in time.

use std::collections::VecDeque;

use playsync::{BROKER_CLOCK, Engine, File, Moment, Options, Output, Position};

/// A message on its way to everybody but its sender.
struct Letter {
    from: usize,
    channel: String,
    json: String,
}

/// An engine with a player that obeys at once.
struct Seat {
    name: &'static str,
    engine: Engine,
    position: f64,
    is_paused: bool,
}

impl Seat {
    fn new(name: &'static str, seed: u64) -> Seat {
        let options = Options {
            peer_id: name.to_lowercase(),
            name: name.to_owned(),
            seed,
            wall_offset_ns: 0,
        };
        Seat { name, engine: Engine::new(options), position: 0.0, is_paused: true }
    }

    /// Opens a film, paused at its beginning, and enters the room.
    fn enter(&mut self, now: Moment) {
        self.engine.paused(true, now);
        let file = File {
            name: "film.mkv".to_owned(),
            size: Some(700_000_000),
            duration: Some(5_400.0),
            frames_per_second: Some(24.0),
            has_audio: true,
            is_seekable: true,
            fingerprint: None,
            url: None,
        };
        self.engine.file_loaded(file, now);
        self.engine.playback_restarted(Some(0.0), now);
        self.engine.connected(now);
    }

    /// The viewer presses the pause key.
    fn press_pause(&mut self, now: Moment) {
        self.is_paused = !self.is_paused;
        self.engine.paused(self.is_paused, now);
    }

    /// Does what the engine asks; returns what it sends to the room.
    fn carry_out(&mut self, number: usize, now: Moment) -> Vec<Letter> {
        let mut letters = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Publish(publish) => {
                    println!(
                        "{:7.3}  {} publishes {} {}",
                        now.as_secs(),
                        self.name,
                        publish.channel,
                        publish.json
                    );
                    letters.push(Letter {
                        from: number,
                        channel: publish.channel,
                        json: publish.json,
                    });
                }
                Output::ClockRequest { channel: BROKER_CLOCK, correlation, .. } => {
                    let time = now.as_secs();
                    let json = format!(r#"{{"clock":"demo","received":{time},"sent":{time}}}"#);
                    self.engine.clock_sent(correlation, now);
                    self.engine
                        .clock_answer(&correlation, json.as_bytes(), now, now)
                        .expect("well formed");
                }
                Output::SetPause(is_paused) => {
                    println!(
                        "{:7.3}  {} {}",
                        now.as_secs(),
                        self.name,
                        if is_paused { "stops" } else { "starts" }
                    );
                    self.is_paused = is_paused;
                    self.engine.paused(is_paused, now);
                }
                Output::Seek(target) => {
                    println!("{:7.3}  {} seeks to {target:.3}", now.as_secs(), self.name);
                    self.position = target;
                    self.engine.seek_started(now);
                    self.engine.playback_restarted(Some(target), now);
                }
                Output::ReadPosition => {
                    let position =
                        Position { audio: Some(self.position), frame: Some(self.position) };
                    self.engine.position(position, now, now);
                }
                Output::Notice { text, .. } => {
                    println!("{:7.3}  {} reads: {text}", now.as_secs(), self.name);
                }
                _ => {}
            }
        }
        letters
    }
}

/// Lets both seats run until a time, delivering each letter at once.
fn run(seats: &mut [Seat; 2], now: &mut Moment, until: Moment) {
    let mut post: VecDeque<Letter> = VecDeque::new();
    loop {
        for (number, seat) in seats.iter_mut().enumerate() {
            post.extend(seat.carry_out(number, *now));
        }
        if let Some(letter) = post.pop_front() {
            let reader = &mut seats[1 - letter.from].engine;
            reader
                .message(&letter.channel, letter.json.as_bytes(), *now, *now)
                .expect("well formed");
            continue;
        }
        let next =
            seats.iter().map(|seat| seat.engine.next_timeout()).min().unwrap_or(until).min(until);
        for seat in seats.iter_mut().filter(|seat| !seat.is_paused) {
            seat.position += (next - *now).max(0.0);
        }
        *now = (*now).max(next);
        if next == until {
            return;
        }
        seats.iter_mut().for_each(|seat| seat.engine.handle_timeout(*now));
    }
}

fn main() {
    let mut now = Moment(0);
    let mut seats = [Seat::new("Anna", 1), Seat::new("Ben", 2)];
    seats.iter_mut().for_each(|seat| seat.enter(now));
    run(&mut seats, &mut now, Moment::from_secs(2.0));
    for at in [10.0, 12.0] {
        seats[0].press_pause(now);
        run(&mut seats, &mut now, Moment::from_secs(at));
    }
    println!(
        "{:7.3}  Anna is at {:.3}, Ben at {:.3}",
        now.as_secs(),
        seats[0].position,
        seats[1].position
    );
}
