//! The sentences that viewers read.

use crate::message::{Action, Timeline};
use crate::settings::{Rules, StartRule, WaitRule};
use crate::{Category, Output};

/// What somebody did to the room, or nothing when it was no deed of people.
pub(crate) fn deed(name: &str, timeline: &Timeline, is_tie: bool) -> Option<Output> {
    let when = time_text(timeline.position);
    let what = match timeline.action {
        Action::Pause => format!("paused at {when}"),
        Action::Resume => format!("resumed at {when}"),
        Action::Seek => format!("jumped to {when}"),
        Action::Speed => format!("set the speed to {}", speed_text(timeline.speed)),
        Action::File => format!(
            "opened {}",
            timeline.media.as_ref().map_or("a file", |media| media.name.as_str())
        ),
        Action::Undo => format!("took that back: {when}"),
        Action::Redo => format!("did that again: {when}"),
        Action::Start => return Some(everybody_is_ready()),
        Action::Step | Action::Wait | Action::Restate | Action::Other => return None,
    };
    let category = if timeline.action == Action::File { Category::File } else { Category::Action };
    let also = if is_tie { " at the same time" } else { "" };
    Some(Output::Notice { category, text: format!("{name} {what}{also}") })
}

/// Somebody came.
pub(crate) fn joined(name: &str) -> Output {
    people(format!("{name} joined"))
}

/// Somebody went.
pub(crate) fn left(name: &str) -> Output {
    people(format!("{name} left"))
}

/// The room stands until somebody's data has come.
pub(crate) fn waiting_for(name: &str) -> Output {
    people(format!("Waiting for {name}, whose data has run out"))
}

/// Somebody is ready to watch, or is not any more.
pub(crate) fn readiness(name: &str, is_ready: bool) -> Output {
    ready(format!("{name} is {}ready", if is_ready { "" } else { "not " }))
}

/// The viewer is ready to watch, or is not any more.
pub(crate) fn own_readiness(is_ready: bool) -> Output {
    ready(format!("You are {}ready", if is_ready { "" } else { "not " }))
}

/// The viewer is ready and others are not.
pub(crate) fn unready(names: &[String]) -> Output {
    match names {
        [] => ready("You are ready, and so far alone".to_owned()),
        [name] => ready(format!("You are ready; {name} is not yet")),
        [first, rest @ ..] => {
            ready(format!("You are ready; {first} and {} more are not yet", rest.len()))
        }
    }
}

/// The room starts by itself.
pub(crate) fn everybody_is_ready() -> Output {
    ready("Everybody is ready".to_owned())
}

/// The room starts in so many seconds.
pub(crate) fn starting_in(secs: u32) -> Output {
    let time = if secs < 60 { format!("{secs}") } else { time_text(f64::from(secs)) };
    Output::Notice { category: Category::Action, text: format!("Starting in {time}") }
}

/// Somebody changed the room's rules.
pub(crate) fn rules(name: &str, was: Rules, is: Rules) -> Option<Output> {
    let text = if was.start != is.start {
        match is.start {
            StartRule::Anyone => "anybody starts the film",
            StartRule::AllReady => "the film starts when all are ready",
        }
    } else if was.wait != is.wait {
        match is.wait {
            WaitRule::None => "nobody waits for who buffers",
            WaitRule::Soft => "all wait a while for who buffers",
            WaitRule::All => "all wait for who buffers",
        }
    } else if was.pause_on_leave != is.pause_on_leave {
        if is.pause_on_leave {
            "the film pauses when somebody leaves"
        } else {
            "the film goes on when somebody leaves"
        }
    } else {
        return None;
    };
    Some(people(format!("{name} set: {text}")))
}

/// The room does not take what this viewer does.
pub(crate) fn barred() -> Output {
    people("Only the operators of this room may do that".to_owned())
}

/// What was typed cannot be sent.
pub(crate) fn unsent() -> Output {
    connection("Not connected: nobody would read that")
}

/// There is nothing to take back, or to do again.
pub(crate) fn nothing_to(what: &str) -> Output {
    Output::Notice { category: Category::Action, text: format!("There is nothing to {what}") }
}

/// This peer has entered a room.
pub(crate) fn entered(others: usize) -> Output {
    match others {
        0 => people("You are the first in the room".to_owned()),
        1 => people("One other is in the room".to_owned()),
        _ => people(format!("{others} others are in the room")),
    }
}

/// The room cannot be reached.
pub(crate) fn lost() -> Output {
    connection("Connection lost, playing on")
}

/// The room can be reached again.
pub(crate) fn found() -> Output {
    connection("Connected again")
}

/// The open file is not what the room watches.
pub(crate) fn other_file(name: &str) -> Output {
    Output::Notice { category: Category::File, text: format!("The room watches {name}") }
}

/// Hours only where there are any: `12:34`, `1:02:03`.
fn time_text(secs: f64) -> String {
    let secs = secs.max(0.0) as u64;
    let (hours, minutes, secs) = (secs / 3_600, secs / 60 % 60, secs % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{secs:02}")
    } else {
        format!("{minutes}:{secs:02}")
    }
}

fn speed_text(speed: f64) -> String {
    format!("{}", (speed * 1e3).round() / 1e3)
}

fn people(text: String) -> Output {
    Output::Notice { category: Category::People, text }
}

fn ready(text: String) -> Output {
    Output::Notice { category: Category::Ready, text }
}

fn connection(text: &str) -> Output {
    Output::Notice { category: Category::Connection, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_on_a_player() {
        assert_eq!(time_text(754.9), "12:34");
        assert_eq!(time_text(3_723.0), "1:02:03");
        assert_eq!(time_text(5.0), "0:05");
    }

    #[test]
    fn deeds_are_told_and_housekeeping_is_not() {
        let mut timeline = Timeline {
            revision: 1,
            peer: "anna".to_owned(),
            clock: String::new(),
            at: None,
            position: 754.0,
            speed: 1.1,
            paused: true,
            action: Action::Pause,
            waits_for: None,
            media: None,
        };
        let text = |output| match output {
            Some(Output::Notice { text, .. }) => text,
            _ => String::new(),
        };
        assert_eq!(text(deed("Anna", &timeline, false)), "Anna paused at 12:34");
        assert_eq!(text(deed("Anna", &timeline, true)), "Anna paused at 12:34 at the same time");
        timeline.action = Action::Speed;
        assert_eq!(text(deed("Anna", &timeline, false)), "Anna set the speed to 1.1");
        timeline.action = Action::Restate;
        assert_eq!(deed("Anna", &timeline, false), None);
    }
}
