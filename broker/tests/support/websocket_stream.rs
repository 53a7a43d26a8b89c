//! What holds for MQTT in WebSocket frames, whatever the frames and however they are split.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use mqtt_broker::shell::websocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::source::Source;

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
    Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// The largest message that is accepted.
const MAXIMUM: usize = 300;

/// Makes frames, then anything, of these bytes, and reads them as the broker does.
pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut stream = Stream { pace: source.u8(), ..Stream::default() };
    if source.bool() {
        stream.bytes = bytes.to_vec();
        stream.request = bytes.len();
        return drop(read_all(stream));
    }
    let mut carried = Vec::new();
    stream.bytes.extend(REQUEST);
    stream.request = REQUEST.len();
    for _ in 0..source.u8() % 8 {
        carried.extend(write_message(&mut source, &mut stream.bytes));
    }
    let framed = stream.bytes.len();
    while !source.is_empty() {
        stream.bytes.extend(source.bytes());
    }
    let is_all_framed = stream.bytes.len() == framed;
    let limit = stream.bytes.len();
    let read = read_all(stream).expect("the handshake is right");
    assert!(read.starts_with(&carried), "{read:02x?} is not {carried:02x?}");
    assert!(read.len() == carried.len() || !is_all_framed && read.len() < limit);
}

/// Writes a message in frames, with a ping before each; gives what it carries.
fn write_message(source: &mut Source<'_>, out: &mut Vec<u8>) -> Vec<u8> {
    let mut carried = Vec::new();
    let count = 1 + source.index(3);
    for number in 0..count {
        if source.bool() {
            write_frame(source, 0x89, b"ping", out);
        }
        let payload = source.bytes();
        let payload = &payload[..payload.len().min(MAXIMUM - carried.len())];
        let kind = if number == 0 { 0x02 } else { 0x00 };
        let end = if number + 1 == count { 0x80 } else { 0x00 };
        write_frame(source, end | kind, payload, out);
        carried.extend(payload);
    }
    carried
}

fn write_frame(source: &mut Source<'_>, first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => out.push(0x80 | length),
        _ => {
            out.push(0x80 | 126);
            out.extend((payload.len() as u16).to_be_bytes());
        }
    }
    let mask = source.u32().to_be_bytes();
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// What the broker reads until the end, if there is a WebSocket at all.
fn read_all(stream: Stream) -> Option<Vec<u8>> {
    // Each poll reads a byte, or has none to read, or hands some on.
    let polls = 4 * stream.bytes.len() + 1000;
    let mut reading = pin!(async {
        let mut reader = websocket::accept(stream, MAXIMUM).await.ok()?;
        let mut read = Vec::new();
        let mut buffer = [0; 100];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            read.extend_from_slice(&buffer[..length]);
        }
        Some(read)
    });
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(read) = reading.as_mut().poll(&mut context) {
            return read;
        }
    }
    panic!("there is no end to it");
}

/// A client that has said all it will ever say; it comes in pieces, and not always at once.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    read: usize,
    /// The length of the request, which comes in one piece and whose answer a client awaits.
    request: usize,
    is_answered: bool,
    /// How large the pieces are.
    pace: u8,
    has_waited: bool,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_waited = !self.has_waited;
        if self.has_waited {
            return Poll::Pending;
        }
        let end = if self.is_answered { self.bytes.len() } else { self.request };
        let rest = &self.bytes[self.read..end];
        let piece = if self.is_answered { 1 + usize::from(self.pace) } else { rest.len() };
        let piece = &rest[..rest.len().min(piece).min(buffer.remaining())];
        buffer.put_slice(piece);
        self.read += piece.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_answered = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
