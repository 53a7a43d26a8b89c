//! Sending from the program's own thread: a message alone gets out without waking the library's.
//!
//! It costs the caller a system call, so it is done once and then not again until something has come
//! from the server: questions and answers are quick, and a stream of messages is gathered as before.

use std::os::fd::OwnedFd;

use rustix::net::{SendFlags, send};

/// The way past the library's thread, while that has nothing to write.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// The socket, if bytes go into it as they are.
    socket: Option<OwnedFd>,
    is_open: bool,
    /// How many bytes of the connection the library's thread has written.
    written_before: u64,
    /// How many were written here since.
    written: u64,
    /// What the socket did not take; the library's thread has to.
    rest: Vec<u8>,
}

/// More than this is not sent by the program's thread.
const LIMIT: usize = 4096;

impl Direct {
    /// A connection has begun, on this socket if bytes go into it as they are.
    pub(super) fn begin(&mut self, socket: Option<OwnedFd>) {
        *self = Self { socket, is_open: true, ..Self::default() };
    }

    /// The connection is over.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Something has come from the server.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// Whether so many bytes may be sent here.
    pub(super) fn is_open_for(&self, length: usize) -> bool {
        self.is_open && self.socket.is_some() && length <= LIMIT && self.rest.is_empty()
    }

    /// Sends bytes, and keeps what the socket does not take. Tells how many bytes of the connection were
    /// written so far.
    pub(super) fn send(&mut self, bytes: &[u8]) -> u64 {
        self.is_open = false;
        // SIGPIPE would end the program. What fails here fails again for the library's thread.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = self.socket.as_ref().map_or(0, |socket| send(socket, bytes, flags).unwrap_or(0));
        self.written += sent as u64;
        self.rest.extend_from_slice(bytes.split_at(sent).1);
        self.written_before + self.written
    }

    /// Whether the library's thread has something to write that was left here.
    pub(super) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Gives the library's thread what is left, and how many bytes it has to count as written.
    pub(super) fn hand_over(&mut self) -> (Vec<u8>, u64) {
        (std::mem::take(&mut self.rest), std::mem::take(&mut self.written))
    }

    /// Takes note of how many bytes the library's thread has written.
    pub(super) fn note_written(&mut self, total: u64) {
        self.written_before = total;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn direct() -> (Direct, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        let mut direct = Direct::default();
        direct.begin(Some(here.into()));
        (direct, there)
    }

    #[test]
    fn it_is_open_once_for_each_thing_that_comes() {
        let (mut direct, mut there) = direct();
        direct.note_written(100);
        assert!(direct.is_open_for(3) && !direct.is_open_for(LIMIT + 1));
        assert_eq!(direct.send(b"one"), 103);
        assert!(!direct.is_open_for(3));
        direct.open();
        assert!(direct.is_open_for(3));
        let mut received = [0; 3];
        there.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"one");
        assert_eq!(direct.hand_over(), (Vec::new(), 3));
    }

    #[test]
    fn what_a_full_or_closed_socket_does_not_take_is_left() {
        let (mut direct, there) = direct();
        while !direct.has_rest() {
            direct.send(&[0; LIMIT]);
        }
        assert!(!direct.is_open_for(1));
        drop(there);
        let (rest, _) = direct.hand_over();
        let before = direct.send(b"x");
        assert_eq!((!rest.is_empty(), before, direct.has_rest()), (true, 0, true));
    }

    #[test]
    fn an_encrypted_connection_has_no_such_way() {
        let mut direct = Direct::default();
        direct.begin(None);
        assert!(!direct.is_open_for(1));
    }
}
