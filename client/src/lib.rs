//! An MQTT 5.0 client, for 3.1.1 servers too: a pure session and the tokio driver that moves it.
//!
//! A [`Client`] connects by itself and stays connected. It owns one queue of events: the library's
//! thread puts events in, the program takes them out with [`Client::next_event`], told by a blocking
//! call, a descriptor or a wakeup function. Publishing and subscribing are legal at any time; what
//! cannot be sent yet waits, within limits, and each operation has exactly one outcome.
//!
//! The URL says where the server is and what carries MQTT there: TCP, TLS, WebSocket, both, or a Unix
//! socket. [`Tls`] says whom to trust, if not whom the system does.
//!
//! Everything the client decides is in the session, which knows neither sockets nor clocks: the
//! standard's rules for a client, reconnecting, the queue, subscriptions and requests. The driver
//! moves bytes and keeps time.
//!
//! Deliberately absent: callbacks on the library's thread, and C. libmqtt (the crate `mqtt-ffi`)
//! makes a C library of this one.
//!
//! ```
//! use std::time::Duration;
//!
//! use mqtt_client::protocol::{QoS, TopicFilter, TopicName};
//! use mqtt_client::{Client, Draft, Event, Options, Subscribe};
//!
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("mqtt://{}", server.local_addr()?);
//! # std::thread::spawn(move || {
//! #     use std::io::{Read, Write};
//! #     let (mut stream, _) = server.accept().unwrap();
//! #     let mut received = Vec::new();
//! #     stream.write_all(b"\x20\x03\0\0\0\x90\x04\0\x01\0\x01").unwrap();
//! #     while !received.ends_with(b"hello") {
//! #         let mut some = [0; 100];
//! #         let count = stream.read(&mut some).unwrap();
//! #         received.extend_from_slice(&some[..count]);
//! #     }
//! #     stream.write_all(b"\x30\x0D\0\x05rooms\0hello").unwrap();
//! #     stream.read(&mut [0; 1]).unwrap();
//! # });
//! let client = Client::new(Options::new(&url)?)?;
//! client.subscribe(&Subscribe::new(TopicFilter::new("rooms/#")?, QoS::AtLeastOnce), false)?;
//! client.publish(&Draft::new(TopicName::new("rooms")?, b"hello"), false)?;
//!
//! while let Some(event) = client.next_event(Some(Duration::from_secs(10))) {
//!     if let Event::Message { message, .. } = event {
//!         assert_eq!((message.topic().as_str(), message.payload()), ("rooms", &b"hello"[..]));
//!         break;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod driver;
mod error;
mod event;
mod http;
mod message;
mod moment;
mod older;
mod options;
mod session;
mod text;
mod tls;
mod url;

pub use driver::Client;
pub use error::{Error, ErrorKind};
pub use event::{Event, Op};
pub use http::HttpHeader;
pub use message::{Attachment, Draft, Lent, Message, Properties};
pub use moment::Moment;
pub use mqtt_protocol as protocol;
pub use options::{EventLimit, Log, LogLevel, LogWriter, Options, QueueLimit, Reconnect, Will};
pub use session::{Counts, Farewell, Limits, Request, Subscribe};
pub use text::OwnedText;
pub use tls::{Identity, Roots, Tls, TlsName};
pub use url::{Proxy, Server};
