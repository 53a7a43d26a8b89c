//! The library's thread: opens connections, moves bytes, keeps time.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep, sleep_until};

use super::clock;
use super::shared::Shared;
use super::transport::{Transport, open};
use crate::session::Demand;
use crate::{Error, ErrorKind, Moment};

/// How much is read at once, unless one packet needs more.
const READ_SIZE: usize = 64 * 1024;

/// A deadline for lack of one.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs a client until it is shut down.
pub(super) async fn run(shared: &Shared) {
    let mut io = Io::new();
    let mut alarm = pin!(sleep_until(Instant::now() + FAR_AWAY));
    loop {
        let turn = shared.turn(&mut io, Arrival::Nothing);
        match turn.demand {
            _ if turn.is_over => return,
            Demand::Open => {
                if let Some(stream) = opened(shared, &mut io, alarm.as_mut()).await {
                    serve(shared, &mut io, alarm.as_mut(), stream).await;
                }
            }
            _ => {
                set_alarm(alarm.as_mut(), turn.timeout);
                tokio::select! {
                    () = shared.driver.notified() => {}
                    () = alarm.as_mut() => {}
                }
            }
        }
    }
}

/// Opens a connection, unless it is no longer wanted before that.
async fn opened(
    shared: &Shared,
    io: &mut Io,
    mut alarm: Pin<&mut Sleep>,
) -> Option<Box<dyn Transport>> {
    let mut opening = pin!(open(&shared.server, shared.connect_timeout));
    loop {
        let turn = shared.turn(io, Arrival::Nothing);
        if turn.is_over || turn.demand != Demand::Open {
            return None;
        }
        set_alarm(alarm.as_mut(), turn.timeout);
        tokio::select! {
            result = &mut opening => {
                return match result {
                    Ok(stream) => Some(stream),
                    Err(error) => {
                        shared.open_failed(error);
                        None
                    }
                };
            }
            () = shared.driver.notified() => {}
            () = alarm.as_mut() => {}
        }
    }
}

/// Moves bytes until the connection ends.
async fn serve(
    shared: &Shared,
    io: &mut Io,
    mut alarm: Pin<&mut Sleep>,
    mut stream: Box<dyn Transport>,
) {
    io.begin();
    let mut arrival = Arrival::Opened;
    loop {
        let turn = shared.turn(io, arrival);
        match turn.demand {
            _ if turn.is_over => return say_farewell(io, turn.demand, stream).await,
            Demand::None | Demand::Open => return,
            Demand::FlushAndClose if io.is_written() => {
                // What is unread must not make the system reset the connection before DISCONNECT.
                let _ = stream.shutdown().await;
                shared.closed(Error::new(ErrorKind::Lost, "closed"));
                return;
            }
            Demand::Keep | Demand::FlushAndClose => {}
        }
        set_alarm(alarm.as_mut(), turn.timeout);
        let mut woken = pin!(shared.driver.notified());
        arrival = poll_fn(|context| {
            io.poll(&mut *stream, turn.is_reading, woken.as_mut(), alarm.as_mut(), context)
        })
        .await;
    }
}

/// Writes what the socket takes without waiting, if it ends in a DISCONNECT.
async fn say_farewell(io: &mut Io, demand: Demand, mut stream: Box<dyn Transport>) {
    if demand == Demand::FlushAndClose {
        poll_fn(|context| {
            while !io.is_written() {
                match io.poll_write(&mut *stream, context) {
                    Poll::Ready(Arrival::Written { .. }) => {}
                    _ => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        let _ = stream.shutdown().await;
    }
}

/// Moves the alarm if it would ring too late. An alarm that rings early costs less than one that is
/// moved with each message.
fn set_alarm(alarm: Pin<&mut Sleep>, timeout: Option<Moment>) {
    let now = Instant::now();
    let wanted = timeout.map_or(FAR_AWAY, |at| at.since(clock::now()).min(FAR_AWAY));
    // Timers have milliseconds, and one that rings a little early would only ring again.
    let wanted = now + wanted + Duration::from_millis(1);
    if alarm.is_elapsed() || wanted < alarm.deadline() {
        alarm.reset(wanted);
    }
}

/// The buffers of a connection.
#[derive(Debug)]
pub(super) struct Io {
    /// Bytes from the server; the first `filled` are not done with.
    input: Vec<u8>,
    filled: usize,
    /// Bytes for the server; the first `written` are gone.
    pub(super) output: Vec<u8>,
    written: usize,
    /// How many bytes of the connection were written before those in `output`.
    earlier: u64,
}

/// What has happened on the connection.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A deadline, or a wish of the program.
    Nothing,
    /// The connection is open.
    Opened,
    /// Bytes were read, and when.
    Read { stamp: Moment },
    /// Bytes were written; `stamp` is from before.
    Written { total: u64, stamp: Moment },
    /// The connection is gone.
    Closed(Error),
}

impl Io {
    fn new() -> Self {
        Self { input: Vec::new(), filled: 0, output: Vec::new(), written: 0, earlier: 0 }
    }

    fn begin(&mut self) {
        self.input.resize(READ_SIZE, 0);
        self.filled = 0;
        self.output.clear();
        self.written = 0;
        self.earlier = 0;
    }

    /// Whether all bytes for the server are gone.
    pub(super) fn is_written(&self) -> bool {
        self.output.is_empty()
    }

    /// The bytes from the server that are not done with.
    pub(super) fn unread(&self) -> &[u8] {
        self.input.split_at(self.filled).0
    }

    /// The first `used` bytes are done with.
    pub(super) fn consume(&mut self, used: usize) {
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
        if self.filled == self.input.len() {
            self.input.resize(self.filled * 2, 0);
        } else if self.filled == 0 && self.input.len() > READ_SIZE {
            self.input = vec![0; READ_SIZE];
        }
    }

    /// Waits for the first thing that happens.
    fn poll(
        &mut self,
        stream: &mut dyn Transport,
        is_reading: bool,
        woken: Pin<&mut Notified<'_>>,
        alarm: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        if !self.is_written()
            && let Poll::Ready(arrival) = self.poll_write(stream, context)
        {
            return Poll::Ready(arrival);
        }
        if is_reading && let Poll::Ready(arrival) = self.poll_read(stream, context) {
            return Poll::Ready(arrival);
        }
        if woken.poll(context).is_ready() || alarm.poll(context).is_ready() {
            return Poll::Ready(Arrival::Nothing);
        }
        Poll::Pending
    }

    fn poll_write(
        &mut self,
        stream: &mut dyn Transport,
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        let stamp = clock::now();
        let rest = self.output.split_at(self.written).1;
        let result = std::task::ready!(Pin::new(stream).poll_write(context, rest));
        Poll::Ready(match result {
            Ok(0) => Arrival::Closed(lost(&io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                self.written += count;
                let total = self.earlier + self.written as u64;
                if self.written == self.output.len() {
                    self.output.clear();
                    self.written = 0;
                    self.earlier = total;
                }
                Arrival::Written { total, stamp }
            }
            Err(error) => Arrival::Closed(lost(&error)),
        })
    }

    fn poll_read(
        &mut self,
        stream: &mut dyn Transport,
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        let mut room = ReadBuf::new(self.input.split_at_mut(self.filled).1);
        let result = std::task::ready!(Pin::new(stream).poll_read(context, &mut room));
        let stamp = clock::now();
        let count = room.filled().len();
        Poll::Ready(match result {
            Ok(()) if count == 0 => {
                Arrival::Closed(Error::new(ErrorKind::Lost, "the server closed the connection"))
            }
            Ok(()) => {
                self.filled += count;
                Arrival::Read { stamp }
            }
            Err(error) => Arrival::Closed(lost(&error)),
        })
    }
}

fn lost(error: &io::Error) -> Error {
    Error::system(ErrorKind::Lost, "the connection broke", error)
}
