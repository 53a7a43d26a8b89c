//! The wall between C and Rust: panics stop here, failures become a status and a sentence, and forks
//! and handlers are known.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use ::mqtt_client::{Error, ErrorKind};

use crate::library::*;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: mqtt_status,
    message: String,
}

impl Failure {
    pub(crate) fn new(status: mqtt_status, message: &str) -> Self {
        Self { status, message: message.to_owned() }
    }

    /// An argument is NULL or out of its range.
    pub(crate) fn argument(message: &str) -> Self {
        Self::new(MQTT_E_ARG, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { status: status_of(error.kind), message: error.message.into_owned() }
    }
}

impl From<::mqtt_client::protocol::InvalidText> for Failure {
    fn from(error: ::mqtt_client::protocol::InvalidText) -> Self {
        Error::from(error).into()
    }
}

impl From<::mqtt_client::protocol::InvalidTopic> for Failure {
    fn from(error: ::mqtt_client::protocol::InvalidTopic) -> Self {
        Error::from(error).into()
    }
}

/// The status for a class of failure.
pub(crate) fn status_of(kind: ErrorKind) -> mqtt_status {
    match kind {
        ErrorKind::Argument => MQTT_E_ARG,
        ErrorKind::Text => MQTT_E_UTF8,
        ErrorKind::Topic => MQTT_E_TOPIC,
        ErrorKind::Url => MQTT_E_URL,
        ErrorKind::State => MQTT_E_STATE,
        ErrorKind::Full => MQTT_E_FULL,
        ErrorKind::NotFound => MQTT_E_NOT_FOUND,
        ErrorKind::Unsupported => MQTT_E_UNSUPPORTED,
        ErrorKind::TooLarge => MQTT_E_TOO_LARGE,
        ErrorKind::Cancelled => MQTT_E_CANCELLED,
        ErrorKind::Expired => MQTT_E_EXPIRED,
        ErrorKind::Dropped => MQTT_E_DROPPED,
        ErrorKind::Timeout => MQTT_E_TIMEOUT,
        ErrorKind::Dns => MQTT_E_DNS,
        ErrorKind::Tcp => MQTT_E_TCP,
        ErrorKind::Proxy => MQTT_E_PROXY,
        ErrorKind::Tls => MQTT_E_TLS,
        ErrorKind::WebSocket => MQTT_E_WEBSOCKET,
        ErrorKind::Refused => MQTT_E_REFUSED,
        ErrorKind::Lost => MQTT_E_LOST,
        ErrorKind::KeepAlive => MQTT_E_KEEPALIVE,
        ErrorKind::Protocol => MQTT_E_PROTOCOL,
        ErrorKind::Store => MQTT_E_STORE,
        ErrorKind::Authentication => MQTT_E_AUTH,
        ErrorKind::Internal => MQTT_E_INTERNAL,
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
    static CALLBACKS: Cell<u32> = const { Cell::new(0) };
}

/// Runs the body of an entry; a failure becomes its status, with its sentence kept for the thread.
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> mqtt_status {
    let caught = catch_unwind(AssertUnwindSafe(body));
    match caught.unwrap_or_else(|_| Err(Failure::new(MQTT_E_INTERNAL, "a defect in the library"))) {
        Ok(()) => MQTT_OK,
        Err(failure) => {
            let text = c_string(&failure.message);
            LAST_ERROR.with(|last| last.replace(text));
            failure.status
        }
    }
}

/// Runs the body of an entry that returns a value; `otherwise` stands for a failure.
pub(crate) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    let mut value = otherwise;
    guard(|| {
        value = body()?;
        Ok(())
    });
    value
}

/// Runs the body of a getter: no failure is noted.
pub(crate) fn read<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    catch_unwind(AssertUnwindSafe(body)).ok().flatten().unwrap_or(otherwise)
}

pub(crate) fn last_error() -> *const c_char {
    LAST_ERROR.with(|last| last.borrow().as_ptr())
}

/// Text for C; a NUL in it becomes a space.
pub(crate) fn c_string(text: &str) -> CString {
    let without_nul = text.replace('\0', " ");
    CString::new(without_nul).unwrap_or_default()
}

/// Text that is always there.
pub(crate) const fn fixed(text: &'static CStr) -> *const c_char {
    text.as_ptr()
}

/// Marks the calling thread as running a function of the program's.
#[derive(Debug)]
pub(crate) struct InCallback(());

impl InCallback {
    pub(crate) fn enter() -> Self {
        CALLBACKS.with(|depth| depth.set(depth.get() + 1));
        Self(())
    }
}

impl Drop for InCallback {
    fn drop(&mut self) {
        CALLBACKS.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Refuses what must not be done inside a handler or a wakeup function.
pub(crate) fn refuse_in_callback() -> Result<(), Failure> {
    if CALLBACKS.with(Cell::get) == 0 {
        return Ok(());
    }
    let message = "a handler or wakeup function would wait for its own thread";
    Err(Failure::new(MQTT_E_DEADLOCK, message))
}

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library; two processes that
/// share a client differ in it.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Begins to count forks. Asking for the process id each time would be a system call for each message.
pub(crate) fn watch_forks() {
    static WATCH: Once = Once::new();
    extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    WATCH.call_once(|| {
        // SAFETY: the handler is a function that only counts, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
}
