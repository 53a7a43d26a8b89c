//! What a `mqtt_client` points to: the client, the event the program has, and how handlers are called.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::mqtt_client::{Attachment, Client, Event, Message, Options};

use crate::client::mqtt_client;
use crate::convert;
use crate::event::mqtt_event;
use crate::guard::*;
use crate::library::*;
use crate::options::Draining;
use crate::routes::{EventHandler, MessageRoute, ReplyRoute};

/// A client as C holds it.
pub(crate) struct Handle {
    pub(crate) client: Client,
    /// What [`forks`] was when the client was made.
    born: u32,
    /// The event that the program has.
    current: Mutex<Option<mqtt_event>>,
    event_handler: Mutex<Option<EventHandler>>,
    /// The thread that drains in the program's place.
    callback_thread: Mutex<Option<JoinHandle<()>>>,
    is_drained_by_library: bool,
    pub(crate) is_freed: AtomicBool,
    id: OnceLock<CString>,
}

thread_local! {
    /// Where the handle lies whose callback thread this is; 0 on others.
    static DRAINED: Cell<usize> = const { Cell::new(0) };
}

/// The handle behind a pointer.
pub(crate) unsafe fn handle<'a>(c: *const mqtt_client) -> Result<&'a Handle, Failure> {
    // SAFETY: the caller of the library promises that it is NULL or a client that was not released.
    let handle = unsafe { c.cast::<Handle>().as_ref() };
    let handle = handle.ok_or_else(|| Failure::argument("the client is NULL"))?;
    if handle.is_forked() {
        return Err(Failure::new(MQTT_E_FORKED, "the client belongs to another process"));
    }
    Ok(handle)
}

/// A time limit for a call that may wait, which a handler must not.
pub(crate) fn waiting(timeout_ms: c_int) -> Result<Option<Duration>, Failure> {
    let timeout = convert::timeout(timeout_ms)?;
    if timeout != Some(Duration::ZERO) {
        refuse_in_callback()?;
    }
    Ok(timeout)
}

impl Handle {
    /// Makes a client, on whose threads no signal is delivered.
    pub(crate) fn create(
        options: Options,
        draining: Draining,
    ) -> Result<*mut mqtt_client, Failure> {
        watch_forks();
        let client = with_signals_blocked(|| Client::new(options))?;
        let handle = Self {
            client,
            born: forks(),
            current: Mutex::default(),
            event_handler: Mutex::new(draining.event_handler),
            callback_thread: Mutex::default(),
            is_drained_by_library: draining.is_by_library,
            is_freed: AtomicBool::new(false),
            id: OnceLock::new(),
        };
        let handle = Arc::new(handle);
        let pointer = Arc::into_raw(Arc::clone(&handle)).cast_mut().cast();
        // A handler may release the client before this returns; what is held here lives on.
        match handle.begin_callback_thread() {
            Ok(()) => Ok(pointer),
            Err(failure) => {
                // SAFETY: the program does not get the reference that was made for it.
                drop(unsafe { Arc::from_raw(pointer.cast_const().cast::<Self>()) });
                Err(failure)
            }
        }
    }

    /// Has a thread call the handlers until the client is released, if the program wants one.
    fn begin_callback_thread(self: &Arc<Self>) -> Result<(), Failure> {
        if !self.is_drained_by_library {
            return Ok(());
        }
        let mut place = self.callback_thread();
        let handle = Arc::clone(self);
        let drain = move || {
            // It begins when its place is taken.
            drop(handle.callback_thread());
            DRAINED.set(Arc::as_ptr(&handle).addr());
            while !handle.is_freed.load(Ordering::Relaxed) {
                read((), || {
                    handle.dispatch(None);
                    Some(())
                });
            }
        };
        let builder = thread::Builder::new().name("mqtt-callbacks".to_owned());
        let thread = with_signals_blocked(|| builder.spawn(drain));
        let thread = thread.map_err(|_| Failure::new(MQTT_E_INTERNAL, "cannot start a thread"));
        *place = Some(thread?);
        Ok(())
    }

    fn callback_thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.callback_thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread that calls the handlers end, and waits for that, unless this is it.
    pub(crate) fn end_callback_thread(&self) {
        let thread = self.callback_thread().take();
        self.client.wake();
        if let Some(thread) = thread.filter(|_| DRAINED.get() != ptr::from_ref(self).addr()) {
            // How it ends makes no difference here.
            let _ = thread.join();
        }
    }

    /// Refuses to drain what a thread of the library's drains.
    pub(crate) fn refuse_if_drained_by_library(&self) -> Result<(), Failure> {
        match self.is_drained_by_library {
            false => Ok(()),
            true => Err(Failure::new(MQTT_E_STATE, "the callback thread takes the events")),
        }
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.born != forks()
    }

    /// The client id; it is kept once there is one, so that C may keep the pointer.
    pub(crate) fn id(&self) -> *const c_char {
        let id = self.client.client_id();
        if id.as_str().is_empty() {
            return fixed(c"");
        }
        self.id.get_or_init(|| id.as_c_str().to_owned()).as_ptr()
    }

    pub(crate) fn event_handler(&self) -> MutexGuard<'_, Option<EventHandler>> {
        self.event_handler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the event that the program gets until the next one.
    pub(crate) fn hand_out(&self, event: Option<Event>) -> *const mqtt_event {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let event = event.map(mqtt_event::new);
        if let Some(last) = std::mem::replace(&mut *current, event) {
            self.client.take_back(last.event);
        }
        current.as_ref().map_or(ptr::null(), ptr::from_ref)
    }

    /// Waits for events and calls the handlers for those there are; returns how many there were.
    pub(crate) fn dispatch(&self, timeout: Option<Duration>) -> c_int {
        self.hand_out(None);
        let mut count = 0;
        let mut next = self.client.next_event(timeout);
        while let Some(event) = next {
            count += 1;
            let event = mqtt_event::new(event);
            self.call_handlers(&event);
            self.client.take_back(event.event);
            if self.is_freed.load(Ordering::Relaxed) {
                break;
            }
            next = self.client.next_event(Some(Duration::ZERO));
        }
        count
    }

    fn call_handlers(&self, event: &mqtt_event) {
        match &event.event {
            Event::Message { message, routes } if !routes.is_empty() => {
                let mut has_rest = false;
                for route in routes {
                    has_rest |= !self.call_message_handler(route, message);
                }
                if has_rest {
                    self.call_event_handler(event);
                }
            }
            Event::Reply { result, attachment: Some(attachment), .. } => {
                let status =
                    result.as_ref().map_or_else(|error| status_of(error.kind), |_| MQTT_OK);
                let reply = result.as_ref().ok();
                if !self.call_reply_handler(attachment, status, reply) {
                    self.call_event_handler(event);
                }
            }
            _ => self.call_event_handler(event),
        }
    }

    /// Calls a subscription's handler; whether it has one.
    fn call_message_handler(&self, route: &Attachment, message: &Arc<Message>) -> bool {
        let Some(route) = route.0.downcast_ref::<MessageRoute>() else { return false };
        let Some(handler) = route.handler else { return false };
        if !self.is_freed.load(Ordering::Relaxed) {
            let message = Arc::as_ptr(message).cast_mut().cast();
            let _inside = InCallback::enter();
            // SAFETY: the program gave the handler; what it borrows lives until it returns.
            unsafe { handler(route.user.get(), self.pointer(), message) };
        }
        true
    }

    /// Calls a request's handler; whether it has one.
    fn call_reply_handler(
        &self,
        route: &Attachment,
        status: mqtt_status,
        reply: Option<&Arc<Message>>,
    ) -> bool {
        let Some(route) = route.0.downcast_ref::<ReplyRoute>() else { return false };
        let Some(handler) = route.handler else { return false };
        let reply = reply.map_or(ptr::null(), Arc::as_ptr).cast_mut().cast();
        let _inside = InCallback::enter();
        // SAFETY: the program gave the handler; what it borrows lives until it returns.
        unsafe { handler(route.user.get(), self.pointer(), status, reply) };
        true
    }

    fn call_event_handler(&self, event: &mqtt_event) {
        let handler = *self.event_handler();
        if let Some(EventHandler { call, user }) = handler
            && !self.is_freed.load(Ordering::Relaxed)
        {
            let _inside = InCallback::enter();
            // SAFETY: the program gave the handler; what it borrows lives until it returns.
            unsafe { call(user.get(), self.pointer(), event) };
        }
    }

    fn pointer(&self) -> *mut mqtt_client {
        ptr::from_ref(self).cast_mut().cast()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Runs something while the calling thread, and so every thread begun by it, blocks all signals.
fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are written by the calls before they are read.
    let is_blocked = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0
    };
    let result = work();
    if is_blocked {
        // SAFETY: the set was written by the call that blocked the signals.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    result
}
