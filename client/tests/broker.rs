//! The client and our broker, on every transport.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod transport;

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::{env, fs, process};

use mqtt_broker::shell::{self, Server, TlsFiles};
use mqtt_client::protocol::{QoS, TopicFilter, TopicName};
use mqtt_client::{Client, Draft, Event, Farewell, Options, Subscribe};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use transport::certificates::{Authority, Certified};
use transport::{DEADLINE, next};

/// A broker on all transports, until it goes out of scope.
struct Broker {
    urls: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    folder: PathBuf,
}

impl Broker {
    fn start(certified: &Certified) -> Self {
        let folder = env::temp_dir().join(format!("mqtt-client-broker-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let tls = TlsFiles {
            certificate: written(&folder, "server.pem", &certified.pem),
            key: written(&folder, "server.key", &certified.key_pem),
            client_roots: None,
            names_users: false,
        };
        let listen = ["mqtt", "mqtts", "ws", "wss"].map(|scheme| format!("{scheme}://127.0.0.1:0"));
        let socket = format!("unix://{}", folder.join("socket").display());
        let listen = listen.iter().chain([&socket]).map(|url| url.parse().unwrap()).collect();
        let options = shell::Options { listen, tls: Some(tls), ..shell::Options::default() };

        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        let urls = server.urls().iter().map(|url| url.replace("127.0.0.1", "localhost")).collect();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(server.run(async { drop(stopped.await) })).expect("there is no store");
        });
        Self { urls, stop: Some(stop), thread: Some(thread), folder }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Sends itself a message of each QoS, small and large, and leaves.
fn talk(options: Options) {
    let client = Client::new(options).unwrap();
    let filter = TopicFilter::new("talk").unwrap();
    let op = client.subscribe(&Subscribe::new(filter, QoS::ExactlyOnce), true).unwrap();
    assert!(client.wait(op, Some(DEADLINE)).unwrap().error().is_none());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for payload in [&b"x"[..], &[7; 200_000]] {
            let mut draft = Draft::new(TopicName::new("talk").unwrap(), payload);
            draft.qos = qos;
            client.publish(&draft, false).unwrap();
            let message = loop {
                if let Event::Message { message, .. } = next(&client) {
                    break message;
                }
            };
            assert!((message.qos, message.payload()) == (qos, payload));
        }
    }
    client.disconnect(Farewell::default(), Some(DEADLINE)).unwrap();
}

/// [MQTT-4.2-1]
#[test]
fn all_transports_carry_the_same() {
    let authority = Authority::new();
    let broker = Broker::start(&authority.certify("localhost"));
    assert_eq!(broker.urls.len(), 5);
    for url in &broker.urls {
        talk(authority.options(url));
    }
}
