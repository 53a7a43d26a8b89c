//! The library's thread: opens connections, moves bytes, keeps time.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep, sleep_until};

use super::clock;
use super::shared::{Shared, Turn};
use super::transport::{Opened, Transport, closed, explain};
use crate::session::Demand;
use crate::{Error, LogLevel, Moment};

/// How much is read at once, unless one packet needs more.
const READ_SIZE: usize = 64 * 1024;

/// A deadline for lack of one.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs a client until it is shut down.
pub(super) async fn run(shared: &Shared) {
    let mut io = Io::new();
    let mut alarm = pin!(sleep_until(Instant::now() + FAR_AWAY));
    if shared.routes.is_insecure() {
        shared.log(LogLevel::Warning, "insecure: any certificate is taken for the server's");
    }
    loop {
        let turn = shared.turn(&mut io, Arrival::Nothing);
        match turn.demand {
            _ if turn.is_over => return,
            Demand::Open => {
                if let Some(opened) = opened(shared, &mut io, alarm.as_mut()).await {
                    shared.lock().direct.begin(opened.socket);
                    serve(shared, &mut io, alarm.as_mut(), opened.stream).await;
                    shared.lock().direct.end();
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
async fn opened(shared: &Shared, io: &mut Io, mut alarm: Pin<&mut Sleep>) -> Option<Opened> {
    let server = shared.lock().session.server().cloned()?;
    let mut opening = pin!(shared.routes.open(&server));
    loop {
        let turn = shared.turn(io, Arrival::Nothing);
        if turn.is_over || turn.demand != Demand::Open {
            return None;
        }
        set_alarm(alarm.as_mut(), turn.timeout);
        tokio::select! {
            result = &mut opening => {
                return match result {
                    Ok(opened) => Some(opened),
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
            Demand::Keep | Demand::FlushAndClose => {}
        }
        set_alarm(alarm.as_mut(), turn.timeout);
        let mut woken = pin!(shared.driver.notified());
        arrival = poll_fn(|context| {
            io.poll(&mut *stream, &turn, woken.as_mut(), alarm.as_mut(), context)
        })
        .await;
    }
}

/// Writes what the socket takes without waiting, if it ends in a DISCONNECT, and closes.
async fn say_farewell(io: &mut Io, demand: Demand, mut stream: Box<dyn Transport>) {
    if demand == Demand::FlushAndClose {
        poll_fn(|context| {
            while !io.is_written() {
                match io.poll_write(&mut *stream, context) {
                    Poll::Ready(Arrival::Written { .. }) => {}
                    _ => return Poll::Ready(()),
                }
            }
            let _ = Pin::new(&mut *stream).poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
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
    /// Whether the transport has kept some of the written bytes back.
    is_flushing: bool,
    /// How many bytes of the connection were written before those in `output`.
    pub(super) earlier: u64,
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
        Self {
            input: Vec::new(),
            filled: 0,
            output: Vec::new(),
            written: 0,
            is_flushing: false,
            earlier: 0,
        }
    }

    fn begin(&mut self) {
        self.input.resize(READ_SIZE, 0);
        self.filled = 0;
        self.output.clear();
        self.written = 0;
        self.is_flushing = false;
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
        turn: &Turn,
        woken: Pin<&mut Notified<'_>>,
        alarm: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        if !self.is_written()
            && let Poll::Ready(arrival) = self.poll_write(stream, context)
        {
            return Poll::Ready(arrival);
        }
        // What is unread must not make the system reset the connection before DISCONNECT.
        if self.is_written()
            && turn.demand == Demand::FlushAndClose
            && Pin::new(&mut *stream).poll_shutdown(context).is_ready()
        {
            return Poll::Ready(Arrival::Closed(closed()));
        }
        if turn.is_reading
            && let Poll::Ready(arrival) = self.poll_read(stream, context)
        {
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
        let result = ready!(self.poll_write_and_flush(stream, context));
        Poll::Ready(match result {
            Ok(()) => {
                let total = self.earlier + self.written as u64;
                if self.written == self.output.len() {
                    self.output.clear();
                    self.written = 0;
                    self.earlier = total;
                }
                Arrival::Written { total, stamp }
            }
            // The server may have said why before it closed; that explains more.
            Err(error) => match self.poll_read(stream, context) {
                Poll::Ready(arrival) => arrival,
                Poll::Pending => Arrival::Closed(explain(&error)),
            },
        })
    }

    /// Writes some bytes, and all that the transport keeps back of them.
    fn poll_write_and_flush(
        &mut self,
        stream: &mut dyn Transport,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_flushing {
            let rest = self.output.split_at(self.written).1;
            match ready!(Pin::new(&mut *stream).poll_write(context, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.written += count,
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.is_flushing = true;
        }
        ready!(Pin::new(stream).poll_flush(context))?;
        self.is_flushing = false;
        Poll::Ready(Ok(()))
    }

    fn poll_read(
        &mut self,
        stream: &mut dyn Transport,
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        let mut room = ReadBuf::new(self.input.split_at_mut(self.filled).1);
        let result = ready!(Pin::new(stream).poll_read(context, &mut room));
        let stamp = clock::now();
        let count = room.filled().len();
        Poll::Ready(match result {
            Ok(()) if count == 0 => Arrival::Closed(closed()),
            Ok(()) => {
                self.filled += count;
                Arrival::Read { stamp }
            }
            Err(error) => Arrival::Closed(explain(&error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncRead, AsyncWrite};

    use super::*;
    use crate::ErrorKind;

    /// A connection that takes so many bytes at once, and keeps them back until it may flush.
    struct Script {
        takes: io::Result<usize>,
        can_flush: bool,
        says: &'static [u8],
    }

    impl AsyncWrite for Script {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(self.takes.as_ref().map_err(|error| error.kind().into()).copied())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.can_flush { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.says.is_empty() {
                return Poll::Pending;
            }
            buffer.put_slice(std::mem::take(&mut self.says));
            Poll::Ready(Ok(()))
        }
    }

    fn write(io: &mut Io, stream: &mut Script) -> Poll<Arrival> {
        io.poll_write(stream, &mut Context::from_waker(Waker::noop()))
    }

    fn with_output(bytes: &[u8]) -> Io {
        let mut io = Io::new();
        io.begin();
        io.output.extend_from_slice(bytes);
        io
    }

    #[test]
    fn what_a_transport_keeps_back_is_not_written() {
        let mut stream = Script { takes: Ok(2), can_flush: false, says: b"" };
        let mut io = with_output(b"abcd");
        assert!(write(&mut io, &mut stream).is_pending());
        assert!(write(&mut io, &mut stream).is_pending());
        stream.can_flush = true;
        for expected in [2, 4] {
            let Poll::Ready(Arrival::Written { total, .. }) = write(&mut io, &mut stream) else {
                panic!("the transport takes everything");
            };
            assert_eq!((total, io.is_written()), (expected, expected == 4));
        }
    }

    #[test]
    fn the_last_words_of_a_server_are_heard() {
        let takes = Err(io::ErrorKind::BrokenPipe.into());
        let mut stream = Script { takes, can_flush: true, says: b"farewell" };
        let mut io = with_output(b"abcd");
        assert!(matches!(write(&mut io, &mut stream), Poll::Ready(Arrival::Read { .. })));
        assert_eq!(io.unread(), b"farewell");
        match write(&mut io, &mut stream) {
            Poll::Ready(Arrival::Closed(error)) => assert_eq!(error.kind, ErrorKind::Lost),
            other => panic!("{other:?}"),
        }
    }
}
