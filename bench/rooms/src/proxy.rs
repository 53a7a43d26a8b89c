//! A link with delay and jitter in front of a TCP port, for kernels that have no network emulation.

use crate::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Chunks under way in one direction; a sender that is faster has to wait, as TCP would make it.
const CHUNKS: usize = 4096;

/// How a link behaves.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// From the player to the broker.
    pub delay: Duration,
    /// From the broker to the player.
    pub down: Duration,
    /// Each chunk is this much early or late at most, evenly spread; order is kept, as TCP keeps it.
    pub jitter: Duration,
    /// Where the jitter begins.
    pub seed: u64,
}

/// A listening port that passes everything on to another, later; dropping it cuts all links.
#[derive(Debug)]
pub struct DelayProxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    links: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn cut_links(&self) {
        for stream in self.links.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A link that is cut already needs no cutting.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl DelayProxy {
    /// Listens on a free loopback port in front of `target`, another one.
    ///
    /// # Errors
    /// When the system has no port to give.
    pub fn to(target: u16, link: Link) -> Result<Self, Error> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::system("listen"))?;
        let port = listener.local_addr().map_err(Error::system("listen"))?.port();
        let shared = Arc::new(Shared::default());
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, target, link, &shared)
        });
        Ok(Self { port, shared, acceptor: Some(acceptor) })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for a player.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Cuts every link, as a router that restarts would.
    pub fn cut_links(&self) {
        self.shared.cut_links();
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // The acceptor looks up only when somebody connects.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        self.shared.cut_links();
    }
}

fn accept(listener: &TcpListener, target: u16, link: Link, shared: &Shared) {
    let mut seed = link.seed;
    for near in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        // Nobody behind the proxy: the caller sees its connection closed.
        let Ok(near) = near else { continue };
        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
        let (Ok(to_near), Ok(to_far)) = (near.try_clone(), far.try_clone()) else { continue };
        // Known before it carries a byte: whoever has received one can have the link cut.
        shared.links.lock().unwrap_or_else(PoisonError::into_inner).extend([to_near, to_far]);
        for (from, to, delay) in [(&near, &far, link.delay), (&far, &near, link.down)] {
            seed += 1;
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
            carry(from, to, Link { seed, delay, ..link });
        }
    }
}

/// Carries one direction of one connection, in two threads that end with it.
fn carry(from: TcpStream, to: TcpStream, link: Link) {
    let (sender, receiver) = sync_channel(CHUNKS);
    std::thread::spawn(move || take(from, link, &sender));
    std::thread::spawn(move || deliver(to, &receiver));
}

fn take(mut from: TcpStream, link: Link, sender: &SyncSender<(Instant, Vec<u8>)>) {
    let mut jitter = Jitter { state: link.seed };
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        let due = Instant::now() + link.delay + 2 * link.jitter.mul_f64(jitter.next());
        let due = due.checked_sub(link.jitter).unwrap_or(due);
        if sender.send((due, chunk[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn deliver(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    // Nagle's delay would add to the one that was asked for.
    drop(to.set_nodelay(true));
    for (due, bytes) in receiver {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// Even numbers between 0 and 1 from a seed: the generator known as splitmix64.
struct Jitter {
    state: u64,
}

impl Jitter {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn next(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{DelayProxy, Link};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    #[test]
    fn bytes_arrive_whole_in_order_and_not_before_the_delay() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let (delay, jitter) = (Duration::from_millis(30), Duration::from_millis(10));
        let proxy = DelayProxy::to(
            echo.local_addr().unwrap().port(),
            Link { delay, down: delay, jitter, seed: 7 },
        )
        .unwrap();
        std::thread::spawn(move || {
            let (stream, _) = echo.accept().unwrap();
            std::io::copy(&mut &stream, &mut &stream).unwrap();
        });

        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let sent: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let started = Instant::now();
        let writer = std::thread::spawn({
            let (mut stream, sent) = (stream.try_clone().unwrap(), sent.clone());
            move || stream.write_all(&sent).unwrap()
        });
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received[..1]).unwrap();
        assert!(started.elapsed() >= 2 * (delay - jitter), "{:?}", started.elapsed());
        stream.read_exact(&mut received[1..]).unwrap();
        writer.join().unwrap();
        assert!(received == sent);
    }

    #[test]
    fn cut_link_ends_the_connection() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let link =
            Link { delay: Duration::ZERO, down: Duration::ZERO, jitter: Duration::ZERO, seed: 1 };
        let proxy = DelayProxy::to(server.local_addr().unwrap().port(), link).unwrap();
        let mut near = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let (mut far, _) = server.accept().unwrap();
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();

        proxy.cut_links();

        assert!(matches!(near.read(&mut [0]), Ok(0) | Err(_)));
        assert!(matches!(far.read(&mut [0]), Ok(0) | Err(_)));
    }
}
