//! What the tests of libmqtt share: the built library, C programs, and servers to talk to.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod secure;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}

/// Where the Makefile puts what it builds: `TARGET/release`.
pub fn built() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let target = test.ancestors().nth(3).expect("a test lies in TARGET/PROFILE/deps");
    target.join("release")
}

/// Builds libmqtt.a and libmqtt.so as they are shipped.
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        make(&["libmqtt"]);
        built()
    };
    LIBRARY.get_or_init(build).clone()
}

/// Runs make on the library's part of the Makefile; what it builds lies in one place, so once at a time.
pub fn make(arguments: &[&str]) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built();
    let target = built.parent().expect("it is a folder of the target folder");
    run(Command::new("make")
        .current_dir(root())
        .args(["-s", "-f", "ffi/libmqtt.mk"])
        .arg(format!("BUILT={}", built.display()))
        .env("CARGO_TARGET_DIR", target)
        .args(arguments));
}

/// Runs a command that has to succeed.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A folder that is removed with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("libmqtt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Compiles a C program under the sanitizers, with libmqtt in it.
pub fn compile(source: &Path, program: &Path) {
    compile_all(&[source.to_owned()], program);
}

/// Compiles a C program of several files likewise.
pub fn compile_all(sources: &[PathBuf], program: &Path) {
    let archive = library().join("libmqtt.a");
    run(Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror"])
        .arg("-fsanitize=address,undefined")
        .arg("-I")
        .arg(root().join("include"))
        .args(sources)
        .arg(archive)
        .arg("-o")
        .arg(program)
        .args(["-lgcc_s", "-lpthread", "-ldl", "-lm", "-lc"]));
}

/// Builds our broker as it is shipped.
pub fn broker() -> PathBuf {
    static BROKER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let built = built();
        let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
        run(Command::new(cargo)
            .current_dir(root())
            .args(["build", "--quiet", "--release", "-p", "mqtt-broker"])
            .env("CARGO_TARGET_DIR", built.parent().expect("it is in the target folder")));
        built.join("mqtt-broker")
    };
    BROKER.get_or_init(build).clone()
}

/// A server that ends with the test.
pub struct Server {
    pub url: String,
    pub port: u16,
    child: Child,
    _folder: Option<Folder>,
}

impl Server {
    /// Our broker and Debian's mosquitto.
    pub fn all(name: &str) -> [Self; 2] {
        [Self::ours(), Self::mosquitto(name)]
    }

    pub fn ours() -> Self {
        Self::ours_with(&[])
    }

    /// Our broker, with more arguments.
    pub fn ours_with(arguments: &[&str]) -> Self {
        let mut child = Command::new(broker())
            .args(["--listen", "mqtt://127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("our broker starts");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening on ")?.1.trim().to_owned()))
            .expect("our broker says where it listens");
        // Somebody has to read on, or the broker would wait for its log to be read.
        thread::spawn(move || lines.for_each(drop));
        let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Self { port: port.expect("a URL with a port"), url, child, _folder: None }
    }

    pub fn mosquitto(name: &str) -> Self {
        (0..20)
            .find_map(|_| Self::mosquitto_on(name, free_port()))
            .expect("one of many free ports stays free until mosquitto has it")
    }

    /// Mosquitto on a port, unless somebody else has it.
    pub fn mosquitto_on(name: &str, port: u16) -> Option<Self> {
        let folder = Folder::new(&format!("mosquitto-{name}-{port}"));
        let config = folder.0.join("mosquitto.conf");
        let settings = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        fs::write(&config, settings).expect("the configuration can be written");
        let mut child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto is installed");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let is_running = lines.by_ref().any(|line| line.ends_with(" running"));
        thread::spawn(move || lines.for_each(drop));
        let url = format!("mqtt://127.0.0.1:{port}");
        let server = Self { url, port, child, _folder: Some(folder) };
        is_running.then_some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A program that runs beside the test, and its lines.
pub struct Program {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    /// The next line on standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the program writes text");
        line.trim_end().to_owned()
    }

    /// The next line on standard error.
    pub fn error_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("the program writes text");
        line.trim_end().to_owned()
    }

    /// Gives it a line of input.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("the program listens");
    }

    /// Gives it no more input.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for a good end.
    #[track_caller]
    pub fn end(mut self) {
        let mut rest = String::new();
        let _ = self.stderr.read_to_string(&mut rest);
        let status = self.child.wait().expect("the program ends");
        assert!(status.success(), "{status}\n{rest}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
