//! An engine with a shell around it: what it is told, and what it asks for in return.

use playsync::{Engine, File, Moment, Options, Output, Position};

/// An engine with a shell that answers the clock and carries out commands at once. The room's clock is 1,000 s ahead.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: Moment,
    pub(crate) position: f64,
    pub(crate) is_paused: bool,
    pub(crate) outputs: Vec<Output>,
}

pub(crate) const CLOCK_AHEAD: f64 = 1_000.0;

impl Bench {
    pub(crate) fn new() -> Bench {
        let options = Options {
            peer_id: "ben".to_owned(),
            name: "Ben".to_owned(),
            seed: 1,
            wall_offset_ns: 0,
        };
        let now = Moment(1_000_000_000_000);
        Bench {
            engine: Engine::new(options),
            now,
            position: 0.0,
            is_paused: false,
            outputs: Vec::new(),
        }
    }

    /// Connected, with a paused film open at 0, and nothing kept in the room.
    pub(crate) fn in_an_empty_room() -> Bench {
        let mut bench = Bench::new();
        bench.pause_key(true);
        bench.open("film.mkv");
        bench.engine.connected(bench.now);
        bench.pass(2.0);
        bench.outputs.clear();
        bench
    }

    /// Connected, with Anna there, who keeps the room paused at 100 s; this player is paused there too.
    pub(crate) fn with_anna_paused_at_100() -> Bench {
        let mut bench = Bench::new();
        bench.pause_key(true);
        bench.open("film.mkv");
        bench.engine.connected(bench.now);
        bench.hear("peer/anna", r#"{"version":1,"name":"Anna","condition":"paused"}"#);
        bench.hear_timeline(5, "anna", 100.0, 0.0, true, "pause");
        bench.pass(2.0);
        bench.outputs.clear();
        bench
    }

    pub(crate) fn hear(&mut self, channel: &str, json: &str) {
        self.engine.message(channel, json.as_bytes(), self.now, self.now).expect("understood");
        self.carry_out();
    }

    /// `at` is in seconds from now.
    pub(crate) fn hear_timeline(
        &mut self,
        revision: u64,
        peer: &str,
        position: f64,
        at: f64,
        paused: bool,
        action: &str,
    ) {
        let at = self.now.as_secs() + CLOCK_AHEAD + at;
        self.hear(
            "timeline",
            &format!(
                r#"{{"version":1,"revision":{revision},"peer":"{peer}","clock":"broker","at":{at},
                    "position":{position},"speed":1.0,"paused":{paused},"action":"{action}",
                    "media":{{"name":"film.mkv","duration":3600.0}}}}"#
            ),
        );
    }

    pub(crate) fn open(&mut self, name: &str) {
        let file = File {
            name: name.to_owned(),
            size: None,
            duration: Some(if name == "film.mkv" { 3_600.0 } else { 50.0 }),
            frames_per_second: Some(25.0),
            has_audio: true,
            is_seekable: true,
            fingerprint: None,
            url: None,
        };
        self.engine.file_loaded(file, self.now);
        self.engine.playback_restarted(Some(self.position), self.now);
        self.carry_out();
    }

    /// The viewer presses pause.
    pub(crate) fn pause_key(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.engine.paused(is_paused, self.now);
        self.carry_out();
    }

    pub(crate) fn pass(&mut self, secs: f64) {
        let end = self.now + secs;
        let mut turns = 0;
        while self.engine.next_timeout() <= end {
            turns += 1;
            assert!(turns < 100_000, "the engine's deadline never moves on");
            self.go_to(self.engine.next_timeout());
            self.engine.handle_timeout(self.now);
            self.carry_out();
        }
        self.go_to(end);
    }

    pub(crate) fn go_to(&mut self, moment: Moment) {
        if !self.is_paused && moment > self.now {
            self.position += moment - self.now;
        }
        self.now = self.now.max(moment);
    }

    pub(crate) fn carry_out(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.outputs.push(output.clone());
            let now = self.now;
            match output {
                Output::ClockRequest { channel: "$clock/now", correlation, .. } => {
                    let time = now.as_secs() + CLOCK_AHEAD;
                    let json = format!(r#"{{"clock":"broker","received":{time},"sent":{time}}}"#);
                    self.engine.clock_sent(correlation, now);
                    self.engine
                        .clock_answer(&correlation, json.as_bytes(), now, now)
                        .expect("understood");
                }
                Output::SetPause(is_paused) => {
                    self.is_paused = is_paused;
                    self.engine.paused(is_paused, now);
                }
                Output::Seek(target) => {
                    self.position = target;
                    self.engine.seek_started(now);
                    self.engine.playback_restarted(Some(target), now);
                }
                Output::ReadPosition => {
                    let position =
                        Position { audio: Some(self.position), frame: Some(self.position) };
                    self.engine.position(position, now, now);
                }
                _ => {}
            }
        }
    }

    /// What the player was told and the room was sent since last asked; clock questions and presence left out.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        let words = |output: Output| match output {
            Output::SetPause(true) => Some("pause".to_owned()),
            Output::SetPause(false) => Some("play".to_owned()),
            Output::Seek(position) => Some(format!("seek {position:.2}")),
            Output::Notice { text, .. } => Some(format!("say {text}")),
            Output::Publish(publish) if publish.channel == "timeline" => {
                let sent: serde_json::Value = serde_json::from_str(&publish.json).expect("JSON");
                let is_paused = if sent["paused"] == true { "paused" } else { "playing" };
                let position = sent["position"].as_f64().expect("a number");
                Some(format!(
                    "{} {} {is_paused} at {position:.2}",
                    sent["revision"],
                    sent["action"].as_str()?
                ))
            }
            _ => None,
        };
        std::mem::take(&mut self.outputs).into_iter().filter_map(words).collect()
    }
}
