//! An MQTT 5.0 client: a pure session and the tokio driver that moves it.
#![forbid(unsafe_code)]

mod driver;
mod error;
mod event;
mod message;
mod moment;
mod options;
mod session;
mod text;
mod url;

pub use driver::Client;
pub use error::{Error, ErrorKind};
pub use event::{Event, Op};
pub use message::{Attachment, Draft, Message, Properties};
pub use moment::Moment;
pub use mqtt_protocol as protocol;
pub use options::{EventLimit, Log, LogLevel, LogWriter, Options, QueueLimit, Reconnect, Will};
pub use session::{Counts, Farewell, Limits, Request, Subscribe};
pub use text::OwnedText;
pub use url::Server;
