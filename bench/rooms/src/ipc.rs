//! One connection to mpv's JSON IPC: a command goes out, its reply comes back, events gather meanwhile.

use crate::Error;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long mpv may take over one command; a seek in a large film holds its core for a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events nobody asks for are forgotten, the oldest first.
const EVENTS_KEPT: usize = 4096;

/// A connection; mpv takes any number of them.
#[derive(Debug)]
pub struct Ipc {
    stream: UnixStream,
    unread: Vec<u8>,
    last_id: u64,
    events: VecDeque<Value>,
}

impl Ipc {
    /// Connects to a socket that is there.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self { stream, unread: Vec::new(), last_id: 0, events: VecDeque::new() })
    }

    /// Gives one command, such as `json!(["set_property", "pause", true])`, and returns its result.
    ///
    /// # Errors
    /// [`Error::Refused`] with mpv's word when it cannot be done, else what is wrong with the connection.
    pub fn command(&mut self, command: &Value) -> Result<Value, Error> {
        let reply = self.commands(std::slice::from_ref(command))?.pop().unwrap_or_default();
        match reply["error"].as_str() {
            Some("success") => Ok(reply["data"].clone()),
            why => Err(Error::Refused {
                command: command.to_string(),
                why: why.unwrap_or("no reply").to_owned(),
            }),
        }
    }

    /// Gives several commands in one write and returns mpv's whole replies, in the same order.
    ///
    /// # Errors
    /// When the connection is lost or mpv does not answer.
    pub fn commands(&mut self, commands: &[Value]) -> Result<Vec<Value>, Error> {
        let first = self.last_id + 1;
        let mut text = String::new();
        for command in commands {
            self.last_id += 1;
            text += &json!({ "command": command, "request_id": self.last_id }).to_string();
            text.push('\n');
        }
        self.stream.write_all(text.as_bytes()).map_err(Error::system("write to mpv"))?;
        let end = Instant::now() + PATIENCE;
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() {
            let Some(message) = self.read(end)? else {
                return Err(Error::TimedOut {
                    what: format!("mpv's reply to {}", text.trim_end()),
                    after: PATIENCE,
                });
            };
            if message.get("event").is_some() {
                self.keep(message);
            } else if message["request_id"].as_u64().is_some_and(|id| id >= first) {
                replies.push(message);
            }
        }
        Ok(replies)
    }

    /// Takes the oldest event that has come, waiting for one until `end`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn event(&mut self, end: Instant) -> Result<Option<Value>, Error> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        while let Some(message) = self.read(end)? {
            if message.get("event").is_some() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn keep(&mut self, event: Value) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// One line from mpv, or `None` when `end` comes first.
    fn read(&mut self, end: Instant) -> Result<Option<Value>, Error> {
        loop {
            if let Some(length) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=length).collect();
                // mpv writes titles as they are, which need not be UTF-8.
                match serde_json::from_str(&String::from_utf8_lossy(&line)) {
                    Ok(message) => return Ok(Some(message)),
                    Err(_) => continue,
                }
            }
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
            let mut chunk = [0; 8192];
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut chunk));
            match read {
                Ok(0) => {
                    return Err(Error::system("read from mpv")(ErrorKind::UnexpectedEof.into()));
                }
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(Error::system("read from mpv")(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ipc;
    use crate::{Error, Scratch};
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    /// Answers the first line that comes with `answer`, in which `ID` stands for its request id.
    fn answering(answer: &'static str, act: impl FnOnce(Ipc)) {
        let scratch = Scratch::new().unwrap();
        let socket = scratch.file("mpv");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let request: Value = serde_json::from_str(&line).unwrap();
                (&stream)
                    .write_all(answer.replace("ID", &request["request_id"].to_string()).as_bytes())
                    .unwrap();
            });
            act(Ipc::connect(&socket).unwrap());
        });
    }

    #[test]
    fn reply_is_told_from_the_events_before_it() {
        let answer = "{\"event\":\"seek\"}\n{\"request_id\":ID,\"error\":\"success\",\"data\":7}\n";
        answering(answer, |mut ipc| {
            assert_eq!(ipc.command(&json!(["get_property", "volume"])).unwrap(), json!(7));
            assert_eq!(ipc.event(Instant::now()).unwrap(), Some(json!({ "event": "seek" })));
        });
    }

    #[test]
    fn refusal_names_the_command_and_the_reason() {
        answering("{\"request_id\":ID,\"error\":\"property unavailable\"}\n", |mut ipc| {
            let error = ipc.command(&json!(["get_property", "audio-pts"])).unwrap_err();
            assert!(
                matches!(&error, Error::Refused { why, .. } if why == "property unavailable"),
                "{error}"
            );
        });
    }

    #[test]
    fn lost_connection_is_an_error() {
        answering("", |mut ipc| {
            let error = ipc.command(&json!(["get_property", "pid"])).unwrap_err();
            assert!(matches!(error, Error::System { .. }), "{error}");
        });
    }
}
