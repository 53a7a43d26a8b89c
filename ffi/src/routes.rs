//! What programs attach to messages, subscriptions and requests: pointers, and handlers to call.

use std::ffi::c_void;
use std::sync::Arc;

use ::mqtt_client::Attachment;

use crate::client::mqtt_client;
use crate::event::mqtt_event;
use crate::options::mqtt_event_fn;
use crate::request::mqtt_reply_fn;
use crate::subscribe::mqtt_message_fn;

/// A pointer of the program's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: the library only hands the pointer back; what it points to is the program's business, which
// the header says may be used on any thread.
unsafe impl Send for User {}
// SAFETY: as above; nothing is reached through it here.
unsafe impl Sync for User {}

impl User {
    /// The pointer itself. (A closure that uses the field would capture only that.)
    pub(crate) fn get(&self) -> *mut c_void {
        self.0
    }

    /// The pointer that was attached.
    pub(crate) fn of(attachment: &Attachment) -> Option<*mut c_void> {
        let any = &attachment.0;
        let message = || any.downcast_ref::<MessageRoute>().map(|route| route.user.get());
        let reply = || any.downcast_ref::<ReplyRoute>().map(|route| route.user.get());
        any.downcast_ref::<Self>().map(Self::get).or_else(message).or_else(reply)
    }
}

/// A handler for events, and the pointer that goes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventHandler {
    pub(crate) call: unsafe extern "C" fn(*mut c_void, *mut mqtt_client, *const mqtt_event),
    pub(crate) user: User,
}

impl EventHandler {
    pub(crate) fn new(handler: mqtt_event_fn, user: *mut c_void) -> Option<Self> {
        handler.map(|call| Self { call, user: User(user) })
    }
}

/// Where messages of a subscription go.
#[derive(Debug)]
pub(crate) struct MessageRoute {
    pub(crate) handler: mqtt_message_fn,
    pub(crate) user: User,
}

impl MessageRoute {
    /// The attachment of a subscription, if it needs one.
    pub(crate) fn attach(handler: mqtt_message_fn, user: *mut c_void) -> Option<Attachment> {
        let leads_somewhere = handler.is_some() || !user.is_null();
        leads_somewhere.then(|| Attachment(Arc::new(Self { handler, user: User(user) })))
    }
}

/// Where the answer to a request goes.
#[derive(Debug)]
pub(crate) struct ReplyRoute {
    pub(crate) handler: mqtt_reply_fn,
    pub(crate) user: User,
}
