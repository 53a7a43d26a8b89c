//! Many clients in one thread, as small as they can be.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mqtt_protocol::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sockets::{DEADLINE, bytes};

/// A client that knows just enough.
pub(crate) struct Guest {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Guest {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Comes from another machine: a proxy says so.
    pub(crate) async fn open_from(broker: SocketAddr, number: u32) -> io::Result<Self> {
        let mut guest = Self::open(broker).await?;
        let [_, a, b, c] = number.to_be_bytes();
        let header = format!("PROXY TCP4 11.{a}.{b}.{c} 198.51.100.7 40000 1883\r\n");
        guest.stream.write_all(header.as_bytes()).await?;
        Ok(guest)
    }

    /// Sends CONNECT and gives the reason in CONNACK.
    pub(crate) async fn greet(&mut self, connect: &Connect<'_>) -> io::Result<ReasonCode> {
        self.send(&Packet::Connect(connect.clone())).await?;
        let packet = self.receive().await?;
        // A CONNACK of success is 20 .. 00 00.
        Ok(if packet[0] == 0x20 && packet[3] == 0 {
            ReasonCode::Success
        } else {
            ReasonCode::new(packet[3]).unwrap_or(ReasonCode::UnspecifiedError)
        })
    }

    pub(crate) async fn send(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.stream.write_all(&bytes(packet)).await
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The bytes of the next packet; an error at the end of the connection.
    pub(crate) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let whole = match decode(&self.received, usize::MAX) {
                Ok(Decoded::Packet { length, .. }) => Some(length),
                Ok(Decoded::Incomplete { .. }) => None,
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            };
            if let Some(length) = whole {
                return Ok(self.received.drain(..length).collect());
            }
            let mut buffer = [0; 4096];
            match timeout(DEADLINE, self.stream.read(&mut buffer)).await?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.received.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

/// Times that something took.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn note(&mut self, since: Instant) {
        self.0.push(since.elapsed());
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds, the time that so many in a hundred did not take longer than.
    pub(crate) fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort();
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}
