//! Child processes that never outlive the value that holds them.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with nothing to read and everything it prints in the file `output`.
    ///
    /// # Errors
    /// When the program is not there or cannot be started.
    pub fn start(name: &str, mut command: Command, output: PathBuf) -> Result<Self, Error> {
        let shown = output.display();
        let file = File::create(&output).map_err(Error::system(format!("write {shown}")))?;
        let again = file.try_clone().map_err(Error::system(format!("write {shown}")))?;
        command.stdin(Stdio::null()).stdout(file).stderr(again);
        let child = command
            .spawn()
            .map_err(Error::system(format!("start {}", command.get_program().display())))?;
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it is still there after `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(Error::TimedOut {
                    what: format!("the end of {}", self.name),
                    after: limit,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Freezes it, as a busy or sleeping machine would.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        self.send(Signal::TERM);
    }

    /// Ends it without warning, as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only for a child that is gone already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The error that tells what became of it, with the last lines it printed.
    #[must_use]
    pub fn failure(&self, what: impl Into<String>) -> Error {
        Error::Program {
            name: self.name.clone(),
            what: what.into(),
            output: last_lines(&self.output, 3),
        }
    }

    fn send(&self, signal: Signal) {
        // The child has not been waited for, so its id cannot belong to another process; one that has just
        // ended is past being told anything.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A TCP port of the loopback address that nobody listens on just now.
///
/// # Errors
/// When the system has none to give.
pub fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::system("find a free port"))
}

/// The path of a program, looked for as a shell would.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    // Debian keeps servers in sbin, which an ordinary user's path leaves out.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn last_lines(file: &Path, count: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}
