//! The broker seen from outside: figures for Prometheus at `/metrics`, and `/healthz`.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

use super::door::Terms;
use super::hub::Hub;
use crate::core::tally::{Figure, Kind};

/// The longest request that is read, in bytes.
const MAXIMUM_REQUEST: usize = 4096;

/// How many are answered at once; others wait.
const MAXIMUM_GUESTS: usize = 8;

/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait when a connection cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A place where figures are to be had.
#[derive(Debug)]
pub(super) struct Metrics {
    listener: TcpListener,
}

impl Metrics {
    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers for ever.
    pub(super) async fn answer_all(self, hub: Arc<Hub>, terms: Arc<Terms>) {
        let places = Arc::new(Semaphore::new(MAXIMUM_GUESTS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, peer)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (hub, terms) = (hub.clone(), terms.clone());
            tokio::spawn(async move {
                let answered = timeout(PATIENCE, answer(stream, &hub, &terms)).await;
                if !matches!(answered, Ok(Ok(()))) {
                    debug!(%peer, "could not tell how the broker is");
                }
                drop(place);
            });
        }
    }
}

async fn answer(mut stream: TcpStream, hub: &Hub, terms: &Terms) -> io::Result<()> {
    let request = read_head(&mut stream).await?;
    let (status, body) = match target(&request) {
        Some("/metrics") => ("200 OK", exposition(&hub.figures(), terms)),
        // To answer takes the lock around the core: a broker that hangs does not.
        Some("/healthz") => {
            hub.connection_count();
            ("200 OK", "ok\n".into())
        }
        Some(_) => ("404 Not Found", "there are /metrics and /healthz\n".into()),
        None => ("400 Bad Request", "expected GET\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads up to the empty line that ends the head of a request.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).await?;
        if length == 0 || head.len() + length > MAXIMUM_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&buffer[..length]);
    }
    Ok(head)
}

/// The path that is asked for, without a query.
fn target(request: &[u8]) -> Option<&str> {
    let line = request.split(|&byte| byte == b'\r').next()?;
    let (path, _) = str::from_utf8(line).ok()?.strip_prefix("GET ")?.split_once(' ')?;
    path.split('?').next()
}

/// The figures as Prometheus reads them.
fn exposition(figures: &[Figure], terms: &Terms) -> String {
    let mut text = String::new();
    let mut last = "";
    for figure in figures {
        let name = metric(figure);
        if figure.name != last {
            let kind = if figure.kind == Kind::Gauge { "gauge" } else { "counter" };
            let _ = writeln!(text, "# TYPE {name} {kind}");
            last = figure.name;
        }
        let _ = match figure.reason {
            Some(reason) => {
                writeln!(text, "{name}{{reason=\"0x{reason:02X}\"}} {}", figure.value)
            }
            None => writeln!(text, "{name} {}", figure.value),
        };
    }
    text.push_str("# TYPE mqtt_broker_connections_turned_away_total counter\n");
    for (reason, count) in terms.turned_away.by_reason() {
        let _ = writeln!(
            text,
            "mqtt_broker_connections_turned_away_total{{reason=\"{reason}\"}} {count}"
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(
        text,
        "# TYPE mqtt_broker_info gauge\nmqtt_broker_info{{version=\"{version}\"}} 1"
    );
    text
}

fn metric(figure: &Figure) -> String {
    let unit = if figure.name == "uptime" { "_seconds" } else { "" };
    let total = if figure.kind == Kind::Counter { "_total" } else { "" };
    format!("mqtt_broker_{}{unit}{total}", figure.name.replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_path() {
        assert_eq!(target(b"GET /metrics HTTP/1.1\r\n\r\n"), Some("/metrics"));
        assert_eq!(target(b"GET /metrics?a=b HTTP/1.0\r\n\r\n"), Some("/metrics"));
        for request in [&b"POST /metrics HTTP/1.1\r\n\r\n"[..], b"GET /", b"\xFF\xFE\r\n\r\n", b""]
        {
            assert_eq!(target(request), None);
        }
    }
}
