//! The broker's core: packets in, bytes and orders out; no socket, clock, task or chance.
//!
//! The shell tells what happened and when, then does what [`Core::poll_output`] says and
//! calls [`Core::handle_timeout`] at [`Core::next_timeout`]. Time and randomness come in as
//! arguments, so that whole networks run inside one test.
//!
//! | module | idea |
//! | --- | --- |
//! | `receive` | bytes that come in, and whose the packets among them are |
//! | `authentication` | who a client is |
//! | `authorization` | what it may do |
//! | `logins` | how often a wrong password may be tried |
//! | `connect` | CONNECT, takeover, the end of a connection |
//! | `publish` | messages that come in, and the QoS 1 and 2 steps of both directions |
//! | `deliver` | messages that go out |
//! | `pressure` | who is not read for the time being |
//! | `subscribe` | SUBSCRIBE and UNSUBSCRIBE |
//! | `lifetime` | timers: keep alive, wills, the end of sessions |
//! | `room_clock` | the clock at `$clock/now` |
//! | `origin`, `rate` | where a connection is from, how much it sends |
//! | `memory` | what is refused when memory is short |
//! | `tally`, `notice` | figures and words for the operator |
//! | `change`, `keeping`, `restore` | what a store is told, what waits for it, what it gives back |
//! | `route` | whom the messages of a topic go to |
//! | `router`, `retained`, `session`, `connection`, `message` | what is kept |

mod authentication;
mod authorization;
pub mod change;
mod connect;
pub mod connection;
mod deliver;
mod keeping;
mod lifetime;
pub mod limits;
mod logins;
mod memory;
pub mod message;
pub mod notice;
pub mod origin;
mod pressure;
mod publish;
mod queue;
pub mod rate;
mod receive;
mod restore;
mod retained;
mod room_clock;
mod route;
mod router;
pub mod session;
mod subscribe;
mod subscriptions;
pub mod tally;
pub mod time;
mod timers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mqtt_protocol::{DecodeError, Packet, ReasonCode};
use slab::Slab;

use self::authentication::Checks;
pub use self::authentication::{Access, NonceSecret};
pub use self::connection::ConnectionId;
use self::connection::{Connection, SpareBuffers, State, Unconnected, WriteRight};
pub use self::keeping::Durability;
use self::keeping::Keeping;
use self::limits::Limits;
use self::logins::Logins;
use self::memory::Memory;
use self::notice::Notice;
use self::origin::Origin;
pub use self::restore::Restoring;
use self::retained::Retained;
use self::route::Route;
use self::router::Router;
use self::session::{Session, SessionId};
use self::tally::Tally;
use self::time::{Instant, WallClock};
use self::timers::{Timer, Timers};
use crate::users::PasswordCheck;

/// What a core is told at its beginning and never again.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it grants.
    pub limits: Limits,
    /// The time of day.
    pub wall_clock: WallClock,
    /// A name for this run of the broker, which no other run has; the room clock's, too.
    pub run_id: String,
    /// Who may connect.
    pub access: Access,
    /// When what is kept is on disk.
    pub durability: Durability,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Take the outbox of the connection and write it.
    Flush(ConnectionId),
    /// Write what the outbox holds, then close the connection.
    Close(ConnectionId),
    /// Read on from a client that was held.
    Resume(ConnectionId),
    /// Find out, without holding up others, whether the password of a client is right, and tell
    /// with [`Core::handle_password_checked`].
    CheckPassword(ConnectionId, PasswordCheck),
    /// Something for the log.
    Note(Box<Notice>),
}

/// What the core made of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes were used.
    pub consumed: usize,
    /// How many bytes there have to be, unused ones included, before it is worth to call again.
    pub needed: usize,
    /// Whether no more is to be read from the client until [`Output::Resume`]; unused bytes are
    /// then to be handed in again.
    pub is_held: bool,
}

/// What became of the wish to write an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The bytes, and the right to write, are the caller's.
    Bytes,
    /// There is nothing to write.
    Nothing,
    /// Somebody else has the right to write, and will write all there is.
    ByAnother,
}

/// All the state of a broker.
#[derive(Debug)]
pub struct Core {
    config: Config,
    connections: Slab<Connection>,
    /// Counts the connections, to give each an id of its own.
    generation: u32,
    sessions: Slab<Session>,
    client_ids: HashMap<Arc<str>, SessionId>,
    /// Counts the times a connection and a session came together.
    epoch: u64,
    /// Counts the client ids the broker made.
    assigned_client_ids: u64,
    /// Counts the nonces.
    nonces: u64,
    checks: Checks,
    logins: Logins,
    /// Counts the changes of access: a login begun before one does not count.
    access_version: u64,
    unconnected: Unconnected,
    router: Router,
    retained: Retained,
    /// Whether a timer for expired retained messages is set.
    retained_expiry_is_set: bool,
    timers: Timers,
    outputs: VecDeque<Output>,
    keeping: Keeping,
    /// The server that clients are to use in place of this one.
    redirect_to: Option<Box<str>>,
    /// Where a message goes that no publisher's route is for; kept to spare allocations.
    route: Route,
    /// What a message is encoded into; kept to spare allocations.
    scratch: Vec<u8>,
    spare: SpareBuffers,
    /// A receiver for whom much waits has got more from the client that is being heard.
    pressed: Option<ConnectionId>,
    /// Messages that were dropped because their receiver did not read, or had too many waiting.
    dropped: u64,
    tally: Tally,
    memory: Memory,
    /// Whether a timer for figures is set.
    figures_are_due: bool,
}

impl Core {
    /// A broker without clients.
    pub fn new(config: Config) -> Self {
        let keeping = Keeping::new(config.durability);
        Self {
            config,
            connections: Slab::new(),
            generation: 0,
            sessions: Slab::new(),
            client_ids: HashMap::new(),
            epoch: 0,
            assigned_client_ids: 0,
            nonces: 0,
            checks: Checks::default(),
            logins: Logins::default(),
            access_version: 0,
            unconnected: Unconnected::default(),
            router: Router::default(),
            retained: Retained::default(),
            retained_expiry_is_set: false,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            keeping,
            redirect_to: None,
            route: Route::default(),
            scratch: Vec::new(),
            spare: SpareBuffers::default(),
            pressed: None,
            dropped: 0,
            tally: Tally::default(),
            memory: Memory::default(),
            figures_are_due: false,
        }
    }

    /// From here on, these are the limits; what is there already beyond one of them stays.
    pub fn change_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
    }

    /// From here on, clients that connect are told to use another server, as in
    /// `other.example:8883`.
    pub fn redirect_to(&mut self, server: &str) {
        self.redirect_to = Some(server.into());
    }

    /// A client of this machine has connected; nothing was received yet.
    pub fn open(&mut self, now: Instant) -> ConnectionId {
        self.open_from(Origin::Local, now)
    }

    /// A client has connected; nothing was received yet.
    pub fn open_from(&mut self, origin: Origin, now: Instant) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let index = self.connections.insert(Connection::new(self.generation, origin, now));
        let id = ConnectionId { index: index as u32, generation: self.generation };
        self.set_timer(now + self.config.limits.connect_timeout, Timer::Handshake(id));
        self.wait_for_connect(id);
        id
    }

    /// What there is to do, in the order it is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes the bytes of an outbox into an empty buffer, and with them the right to
    /// write, until [`written`](Self::written) finds no more.
    pub fn take_outbox(&mut self, id: ConnectionId, buffer: &mut Vec<u8>) -> Taken {
        debug_assert!(buffer.is_empty());
        let Some(connection) = self.connection(id) else { return Taken::Nothing };
        let outbox = &mut connection.outbox;
        match outbox.right {
            WriteRight::Taken => return Taken::ByAnother,
            WriteRight::Withheld => return Taken::Nothing,
            WriteRight::Free | WriteRight::Offered => {}
        }
        if outbox.bytes.is_empty() {
            outbox.right = WriteRight::Free;
            return Taken::Nothing;
        }
        outbox.right = WriteRight::Taken;
        *buffer = std::mem::take(&mut outbox.bytes);
        self.tally.bytes_sent += buffer.len() as u64;
        Taken::Bytes
    }

    /// The bytes taken were written. Gives what has gathered meanwhile; if that is nothing, the
    /// right to write is given back.
    pub fn written(&mut self, id: ConnectionId, buffer: &mut Vec<u8>, now: Instant) {
        self.spare.take_back(std::mem::take(buffer), self.connections.len());
        self.relieve(id);
        let Some(connection) = self.connection(id) else { return };
        if let Some(session) = connection.session() {
            self.pump(session, now);
        }
        let Some(connection) = self.connection(id) else { return };
        let gathered = std::mem::take(&mut connection.outbox.bytes);
        if gathered.is_empty() {
            connection.outbox.right = WriteRight::Free;
            self.spare.take_back(gathered, self.connections.len());
        } else {
            self.tally.bytes_sent += gathered.len() as u64;
            *buffer = gathered;
        }
    }

    /// Whether the connection is to be closed once its outbox is written.
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        self.state(id).is_none_or(|state| state == State::Closing)
    }

    /// How many clients are connected.
    pub fn connected_clients(&self) -> usize {
        self.sessions.iter().filter(|(_, session)| session.connection.is_some()).count()
    }

    /// How many sessions there are, connected or not.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many messages are retained.
    pub fn retained_count(&self) -> usize {
        self.retained.len()
    }

    /// How many QoS 0 messages were dropped because their receivers did not read.
    pub fn dropped_messages(&self) -> u64 {
        self.dropped
    }

    /// How many timers are set.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    fn state(&self, id: ConnectionId) -> Option<State> {
        let connection = self.connections.get(id.index())?;
        (connection.generation == id.generation).then_some(connection.state)
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.index())?;
        (connection.generation == id.generation).then_some(connection)
    }

    fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.number() as usize)
    }

    /// Sends an answer to a request.
    fn answer(&mut self, to: ConnectionId, packet: &Packet<'_>) {
        let Some(connection) = self.connections.get_mut(to.index()) else { return };
        if connection.generation == to.generation {
            self.spare.lend(&mut connection.outbox);
            connection.send_answer(packet);
            self.flush(to);
        }
    }

    /// Offers the right to write the outbox, if it has bytes and nobody has the right.
    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id.index()) else { return };
        if connection.generation != id.generation {
            return;
        }
        if let Some(withheld) = &mut connection.withheld {
            self.keeping.watch(id, withheld);
        }
        let outbox = &mut connection.outbox;
        if outbox.right == WriteRight::Free && !outbox.bytes.is_empty() {
            outbox.right = WriteRight::Offered;
            self.outputs.push_back(Output::Flush(id));
        }
    }
}

fn protocol_error(detail: &'static str) -> DecodeError {
    DecodeError { reason: ReasonCode::ProtocolError, detail }
}
