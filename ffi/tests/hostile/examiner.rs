//! Plays servers from scripts, and has the driver connect to them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Folder, compile, root};

/// How long anything may take that is expected to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// The driver, and the server it is sent to.
pub(crate) struct Examiner {
    driver: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    server: TcpListener,
}

/// The driver, compiled once.
fn driver() -> &'static Path {
    static DRIVER: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let compiled = || {
        let folder = Folder::new("driver");
        let program = folder.0.join("driver");
        compile(&root().join("ffi/tests/c/driver.c"), &program);
        (folder, program)
    };
    &DRIVER.get_or_init(compiled).1
}

impl Examiner {
    /// Starts the driver with options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut driver = Command::new(driver())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = mpsc::channel();
        let output = BufReader::new(driver.stdout.take().unwrap());
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let input = driver.stdin.take();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        Self { driver, input, lines, server }
    }

    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Has the driver make a connection; `line` is VERSION CLEAN [COMMAND].
    pub(crate) fn accept(&mut self, line: &str) -> Connection {
        let port = self.server.local_addr().unwrap().port();
        writeln!(self.input.as_mut().unwrap(), "{port} {line}").unwrap();
        let version = line.bytes().next().unwrap() - b'0';
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.server.accept() {
                Ok((stream, _)) => return Connection::new(stream, version),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "no connection for {line}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the driver was told of the connection, which has ended.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let line = self.lines.recv_timeout(DEADLINE).expect("the driver is done with the line");
            if line == "done" {
                return events;
            }
            events.push(line);
        }
    }

    /// Plays one connection from a script, and gives back what the driver was told.
    ///
    /// Each line of the script is `< what the client says` or `> what the server says`. That is
    /// [`bytes`], or `CONNECT` and `CONNACK` for any such packet and for the plainest, or `end` for the
    /// end of the connection.
    #[track_caller]
    pub(crate) fn play(&mut self, line: &str, script: &str) -> Vec<String> {
        let mut connection = self.accept(line);
        for step in script.lines().map(str::trim).filter(|step| !step.is_empty()) {
            connection.play(step);
        }
        drop(connection);
        self.events()
    }

    /// The client, once it is connected, answers each of these with DISCONNECT and the code, and
    /// closes; the program is told. Before version 5.0 it only closes.
    #[track_caller]
    pub(crate) fn refuses(&mut self, version: u8, cases: &[(&str, &str, u8)]) {
        for (what, bytes, code) in cases {
            let farewell = if version == 5 { format!("< E0 01 {code:02X}") } else { String::new() };
            let script = format!("< CONNECT\n> CONNACK\n> {bytes}\n{farewell}\n< end");
            let events = self.named(what, version, &script);
            let expected = format!("stopped MQTT_E_PROTOCOL 0x{code:02x}");
            assert!(events.last().unwrap().starts_with(&expected), "{what}: {events:?}");
        }
    }

    /// The client, once it is connected, stays so through each of these.
    #[track_caller]
    pub(crate) fn accepts(&mut self, version: u8, cases: &[(&str, &str)]) {
        for (what, bytes) in cases {
            let script = format!("< CONNECT\n> CONNACK\n> {bytes}\n{}", alive(version));
            self.named(what, version, &script);
        }
    }

    /// Plays a script, and names it if it fails.
    #[track_caller]
    pub(crate) fn named(&mut self, what: &str, version: u8, script: &str) -> Vec<String> {
        eprintln!("{what}");
        self.play(&format!("{version} 1"), script)
    }

    /// The driver has survived all of it: it ends well when its input does.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.driver.try_wait().unwrap() {
                return assert!(status.success(), "{status}");
            }
            assert!(Instant::now() < deadline, "the driver does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Examiner {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Steps that only a connected client takes: a message is acknowledged.
pub(crate) fn alive(version: u8) -> &'static str {
    match version {
        5 => "> 32 [ `alive` FF FF [ ] ]\n< 40 02 FF FF",
        _ => "> 32 [ `alive` FF FF ]\n< 40 02 FF FF",
    }
}

/// The server's end of a connection.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    version: u8,
}

impl Connection {
    fn new(stream: TcpStream, version: u8) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, version }
    }

    /// Takes one step of a script.
    #[track_caller]
    pub(crate) fn play(&mut self, step: &str) {
        match step.split_once(' ') {
            Some(("<", "CONNECT")) => assert_eq!(self.packet()[0], 0x10, "{step}"),
            Some(("<", "end")) => self.ended(),
            Some(("<", text)) => self.says(text),
            Some((">", "CONNACK")) if self.version == 5 => self.send("20 03 00 00 00"),
            Some((">", "CONNACK")) => self.send("20 02 00 00"),
            Some((">", "end")) => self.stream.shutdown(Shutdown::Both).unwrap(),
            Some((">", text)) => self.send(text),
            _ => panic!("no step of a script: {step}"),
        }
    }

    /// Takes the client in.
    pub(crate) fn greet(&mut self) {
        self.play("< CONNECT");
        self.play("> CONNACK");
    }

    pub(crate) fn send(&mut self, text: &str) {
        // A client that has closed already is found out by what follows.
        let _ = self.stream.write_all(&bytes(text));
    }

    /// The client says exactly this next.
    #[track_caller]
    pub(crate) fn says(&mut self, text: &str) {
        let expected = bytes(text);
        let mut said = vec![0; expected.len()];
        let mut length = 0;
        while length < said.len() {
            match self.stream.read(&mut said[length..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => length += count,
            }
        }
        assert_eq!(hex(&said[..length]), hex(&expected));
    }

    /// The next packet of the client, whose remaining length takes one byte.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.stream.read_exact(&mut packet).unwrap();
        assert!(packet[1] < 0x80, "{packet:02x?}");
        packet.resize(2 + usize::from(packet[1]), 0);
        self.stream.read_exact(&mut packet[2..]).unwrap();
        packet
    }

    /// The client has closed the connection, and has said nothing more.
    #[track_caller]
    pub(crate) fn ended(&mut self) {
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => {}
            // It had not read everything.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Ok(_) => panic!("the client goes on talking"),
            Err(error) => panic!("the client does not close: {error}"),
        }
    }
}

/// The bytes that a script names: hexadecimal digits, `'text'`, `` `text` `` for text behind its length
/// in two bytes, and `[ ... ]` for anything behind its length as a variable byte integer.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut enclosing = Vec::new();
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        match word.as_bytes() {
            b"[" => enclosing.push(std::mem::take(&mut bytes)),
            b"]" => {
                let inner = std::mem::replace(&mut bytes, enclosing.pop().unwrap());
                put_varint(inner.len(), &mut bytes);
                bytes.extend(inner);
            }
            [b'\'', text @ .., b'\''] => bytes.extend_from_slice(text),
            [b'`', text @ .., b'`'] => {
                bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(text);
            }
            _ => bytes.push(u8::from_str_radix(word, 16).unwrap()),
        }
    }
    assert!(enclosing.is_empty(), "each [ has its ]: {text}");
    bytes
}

fn put_varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number % 0x80) as u8 | 0x80);
        number /= 0x80;
    }
    out.push(number as u8);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X} ");
        text
    })
}
