//! Brokers that listen, and clients with sockets; whoever waits does so until a deadline.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

pub mod encryption;
pub mod frames;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mqtt_broker::shell::{Options, Reloader, Server};
use mqtt_protocol::*;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long anything may take that is expected to happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A broker in this process, stopped when it goes out of scope.
pub struct InProcess {
    pub address: SocketAddr,
    pub reloader: Arc<Reloader>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a broker with these options, on a port of the system's choice.
    pub fn start_with(options: Options) -> Self {
        Self::listen("mqtt://127.0.0.1:0", options)
    }

    /// Starts a broker that listens at this URL alone.
    pub fn listen(url: &str, options: Options) -> Self {
        let listen = vec![url.parse().unwrap()];
        let options = Options { listen, ..options };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        let address = server.local_addresses()[0];
        let reloader = server.reloader();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(server.run(async { drop(stopped.await) })).expect("the store works");
        });
        Self { address, reloader, runtime: handle, stop: Some(stop), thread: Some(thread) }
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    pub fn connect(&self, client_id: &str) -> Peer {
        Peer::connect(self.address, &clean(client_id))
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        let finished = self.thread.take().map(JoinHandle::join);
        assert!(finished.is_none_or(|it| it.is_ok()) || std::thread::panicking());
    }
}

/// The program itself, ended when it goes out of scope.
pub struct Program {
    pub address: SocketAddr,
    child: Child,
    /// Kept open, or the program could not write its log.
    log: Option<BufReader<ChildStderr>>,
}

impl Program {
    /// Starts the program and waits until it says where it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_as(command(&["--listen", "mqtt://127.0.0.1:0"]).args(arguments))
    }

    /// Starts the program where it may have so many files and sockets open.
    pub fn start_with_descriptors(count: usize) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {count}; exec \"$0\" \"$@\"")]);
        shell.args([env!("CARGO_BIN_EXE_mqtt-broker"), "--listen", "mqtt://127.0.0.1:0"]);
        Self::start_as(shell.stdin(Stdio::null()).stderr(Stdio::piped()))
    }

    /// Starts the program as the command says, and waits until it says where it listens.
    pub fn start_as(command: &mut Command) -> Self {
        let child = command.spawn().unwrap();
        let mut program = Self { address: ([127, 0, 0, 1], 0).into(), child, log: None };
        let mut log = BufReader::new(program.child.stderr.take().unwrap());
        let mut said = String::new();
        while program.address.port() == 0 {
            let before = said.len();
            assert!(log.read_line(&mut said).unwrap() > 0, "it ended and said: {said}");
            if let Some((_, address)) = said[before..].split_once("listening on mqtt://") {
                let end = address.find(['"', '\n']).unwrap();
                program.address = address[..end].parse().unwrap();
            }
        }
        program.log = Some(log);
        program
    }

    /// The next line of the log with these words.
    pub fn log_line(&mut self, words: &str) -> String {
        let log = self.log.as_mut().unwrap();
        loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended and did not say {words}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// What it says until it ends.
    pub fn rest_of_log(&mut self) -> String {
        let mut said = String::new();
        self.log.as_mut().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Asks the program to end, as a service manager does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Ends the program and gives what it has said since it listened.
    pub fn last_words(&mut self) -> String {
        self.terminate();
        let mut said = String::new();
        self.log.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.wait().success());
        said
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the program", || self.child.try_wait().unwrap())
    }

    /// How much memory the program has, in bytes.
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already where the test got that far.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with these arguments, its log to be read.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt-broker"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the program says when it is started like this and ends, and how it ends.
pub fn refusal(arguments: &[&str]) -> (String, ExitStatus) {
    let mut child = command(arguments).spawn().unwrap();
    let status = wait_for("the end of the program", || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (said, status)
}

/// Checks that the program refuses to start and says why in one line with these words in it.
pub fn assert_refused(arguments: &[&str], words: &[&str]) {
    let (said, status) = refusal(arguments);
    assert!(!status.success());
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

/// Looks again and again until there is something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} has not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client with a socket.
pub struct Peer {
    pub stream: TcpStream,
    received: Vec<u8>,
    /// How much of it was taken.
    looked_at: usize,
}

impl Peer {
    /// Opens a connection and says nothing.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, received: Vec::new(), looked_at: 0 }
    }

    /// Connects and checks that the broker agrees.
    pub fn connect(address: SocketAddr, connect: &Connect<'_>) -> Self {
        Self::resume(address, connect).0
    }

    /// Connects; tells whether there was a session.
    pub fn resume(address: SocketAddr, connect: &Connect<'_>) -> (Self, bool) {
        let mut peer = Self::open(address);
        let present = peer.greet(connect);
        (peer, present)
    }

    /// Sends CONNECT and checks that the broker agrees; tells whether there was a session.
    pub fn greet(&mut self, connect: &Connect<'_>) -> bool {
        self.send(&Packet::Connect(connect.clone()));
        let Packet::ConnAck(connack) = self.receive() else { panic!("no CONNACK") };
        assert_eq!(connack.reason, ReasonCode::Success);
        connack.session_present
    }

    pub fn send(&mut self, packet: &Packet<'_>) {
        self.stream.write_all(&bytes(packet)).unwrap();
    }

    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.send(&Publish::at_most_once(TopicName::new(topic).unwrap(), payload).into());
    }

    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.send(&subscribe(filter, qos));
        let Packet::SubAck(suback) = self.receive() else { panic!("no SUBACK") };
        assert!(!suback.reasons[0].is_error());
    }

    /// The next packet; what it borrows from is not given back.
    pub fn receive(&mut self) -> Packet<'static> {
        self.try_receive().expect("the broker has closed the connection")
    }

    /// The next packet, or nothing when the broker has closed the connection.
    pub fn try_receive(&mut self) -> Option<Packet<'static>> {
        loop {
            if let Some(packet) = self.take_packet() {
                return Some(packet);
            }
            let mut buffer = [0; 64 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no packet has come: {error}"),
            }
        }
    }

    fn take_packet(&mut self) -> Option<Packet<'static>> {
        let received = &self.received[self.looked_at..];
        let length = match decode(received, usize::MAX).unwrap() {
            Decoded::Packet { length, .. } => length,
            Decoded::Incomplete { .. } => {
                self.received.drain(..self.looked_at);
                self.looked_at = 0;
                return None;
            }
        };
        self.looked_at += length;
        let whole: &'static [u8] = received[..length].to_vec().leak();
        match decode(whole, usize::MAX) {
            Ok(Decoded::Packet { packet, .. }) => Some(packet),
            other => panic!("{other:?}"),
        }
    }

    /// The payload of the next packet, a message.
    pub fn message(&mut self) -> &'static [u8] {
        match self.receive() {
            Packet::Publish(publish) => publish.payload,
            other => panic!("not a PUBLISH: {other:?}"),
        }
    }

    /// Acknowledges a QoS 1 message and gives its payload.
    pub fn message_1(&mut self) -> &'static [u8] {
        let Packet::Publish(publish) = self.receive() else { panic!("no PUBLISH") };
        let packet_id = publish.delivery.packet_id().unwrap();
        self.send(&Packet::PubAck(Ack::new(packet_id, ReasonCode::Success)));
        publish.payload
    }
}

pub fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes).unwrap();
    bytes
}

pub fn clean(client_id: &str) -> Connect<'_> {
    Connect { client_id: Text::new(client_id).unwrap(), clean_start: true, ..Connect::default() }
}

/// A connection whose session outlives it.
pub fn lasting(client_id: &str) -> Connect<'_> {
    let mut connect = Connect { clean_start: false, ..clean(client_id) };
    connect.properties.session_expiry_interval = Some(1000);
    connect
}

pub fn subscribe(filter: &str, maximum_qos: QoS) -> Packet<'_> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::FIRST,
        properties: SubscribeProperties::default(),
        subscriptions: vec![Subscription::new(TopicFilter::new(filter).unwrap(), maximum_qos)],
    })
}

pub fn publish_1<'a>(topic: &'a str, payload: &'a [u8]) -> Publish<'a> {
    let delivery = Delivery::AtLeastOnce { packet_id: PacketId::FIRST, duplicate: false };
    Publish { delivery, ..Publish::at_most_once(TopicName::new(topic).unwrap(), payload) }
}

/// A folder of its own, gone when it goes out of scope.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("broker-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
