//! A page for a browser, and what the browser says of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::{fs, io, thread};

use crate::DEADLINE;

/// Serves files over HTTP on a loopback port until a page posts its verdict.
#[derive(Debug)]
pub struct Page {
    port: u16,
    verdict: Receiver<String>,
}

impl Page {
    /// Serves these files by name.
    ///
    /// # Panics
    /// When the system has no port.
    #[must_use]
    pub fn of(files: Vec<(&'static str, PathBuf)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, verdict) = channel();
        // It serves until the process ends; one request at a time is enough for one page.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Browsers open connections that they do not use.
                if let Ok(Some(said)) = answer(stream, &files) {
                    let _ = tell.send(said);
                }
            }
        });
        Self { port, verdict }
    }

    /// Where a file is.
    #[must_use]
    pub fn url(&self, file: &str) -> String {
        format!("http://127.0.0.1:{}/{file}", self.port)
    }

    /// What the page has posted, once it has; `None` when that takes too long.
    #[must_use]
    pub fn verdict(&self) -> Option<String> {
        self.verdict.recv_timeout(DEADLINE).ok()
    }
}

/// Answers one request; gives what was posted.
fn answer(stream: TcpStream, files: &[(&str, PathBuf)]) -> io::Result<Option<String>> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let length = content_length(&mut reader)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if method == "POST" {
        let mut said = vec![0; length];
        reader.read_exact(&mut said)?;
        respond(reader.into_inner(), "200 OK", "text/plain", b"")?;
        return Ok(Some(String::from_utf8_lossy(&said).into_owned()));
    }
    let name = path.trim_start_matches('/').split('?').next().unwrap_or("");
    match files.iter().find(|(known, _)| *known == name) {
        Some((_, file)) => {
            let kind = if name.ends_with("js") { "text/javascript" } else { "text/html" };
            respond(reader.into_inner(), "200 OK", kind, &fs::read(file)?)?;
        }
        None => respond(reader.into_inner(), "404 Not Found", "text/plain", b"")?,
    }
    Ok(None)
}

/// Reads the header fields to their end.
fn content_length(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(length);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            // A page's verdict is a few lines.
            length = value.trim().parse().unwrap_or(0).min(64 * 1024);
        }
    }
}

fn respond(mut stream: TcpStream, status: &str, kind: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
