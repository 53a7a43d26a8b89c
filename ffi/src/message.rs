//! Messages: one type both ways.

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use ::mqtt_client::protocol::{PacketType, ReasonCode};
use ::mqtt_client::{Attachment, Lent, Message, OwnedText, Properties};

use crate::convert::{self, bytes, optional_text, text, write};
use crate::guard::*;
use crate::library::*;
use crate::routes::User;

/// A message, to be published or received; reference-counted.
///
/// It can be changed as long as nobody else holds a reference to it: the setters return MQTT_E_STATE otherwise.
#[derive(Debug)]
pub struct mqtt_msg {
    _opaque: (),
}

/// Makes a message with QoS 0. payload may be NULL if len is 0. NULL on failure: see mqtt_last_error.
///
/// The reference is yours: mqtt_msg_unref.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_new(
    topic: *const c_char,
    payload: *const c_void,
    len: usize,
) -> *mut mqtt_msg {
    // SAFETY: the header's promises hold for every argument.
    guard_value(ptr::null_mut(), || unsafe {
        let message = Message::new(text(topic)?, bytes(payload, len)?)?;
        Ok(Arc::into_raw(Arc::new(message)).cast_mut().cast())
    })
}

/// Called when the last message with a borrowed payload is gone, on whichever thread that happens.
pub type mqtt_release_fn = Option<unsafe extern "C" fn(user: *mut c_void, payload: *const c_void)>;

/// Makes a message whose payload is not copied, otherwise as mqtt_msg_new.
///
/// The payload has to stay as it is until release is called with user and payload: once, when the message and all that the
/// library has made of it are gone, or before this returns NULL. release NULL: it stays for ever, as static data does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_new_borrowed(
    topic: *const c_char,
    payload: *const c_void,
    len: usize,
    release: mqtt_release_fn,
    user: *mut c_void,
) -> *mut mqtt_msg {
    // SAFETY: the header's promises hold for every argument.
    guard_value(ptr::null_mut(), || unsafe {
        let payload = Borrowed { bytes: bytes(payload, len)?, release, user: User(user) };
        let message = Message::with_lent(text(topic)?, Lent(Arc::new(payload)))?;
        Ok(Arc::into_raw(Arc::new(message)).cast_mut().cast())
    })
}

/// A payload of the program's.
struct Borrowed {
    /// It is there until `release` is called.
    bytes: &'static [u8],
    release: mqtt_release_fn,
    user: User,
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            let _inside = InCallback::enter();
            // SAFETY: the program gave the function to be called once with these, on any thread.
            unsafe { release(self.user.get(), self.bytes.as_ptr().cast()) };
        }
    }
}

/// Takes another reference, to keep a message beyond its event. Nothing is copied. Returns m.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_ref(m: *const mqtt_msg) -> *mut mqtt_msg {
    if !m.is_null() {
        // SAFETY: the caller holds a reference, so the message is alive.
        unsafe { Arc::increment_strong_count(m.cast::<Message>()) };
    }
    m.cast_mut()
}

/// Gives a reference back. The message is released with its last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_unref(m: *mut mqtt_msg) {
    if !m.is_null() {
        // SAFETY: the caller gives back a reference that it holds.
        let message = unsafe { Arc::from_raw(m.cast::<Message>()) };
        read((), || {
            drop(message);
            Some(())
        });
    }
}

/// Sets the QoS: 0, 1 or 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_qos(m: *mut mqtt_msg, qos: c_int) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            message.qos = convert::qos(qos)?;
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets whether the server keeps the message for those who subscribe later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_retain(m: *mut mqtt_msg, yes: c_int) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            message.retain = convert::yes(yes);
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets the lifetime. It counts from the publish call, in the client's queue too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_expiry(m: *mut mqtt_msg, seconds: u32) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            message.properties_mut().expiry_secs = Some(seconds);
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets what the payload is, as "application/json"; NULL: not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_content_type(
    m: *mut mqtt_msg,
    text: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            let text = optional_text(text)?.map(OwnedText::new).transpose()?;
            message.properties_mut().content_type = text;
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets whether the payload is declared to be UTF-8 text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_payload_utf8(m: *mut mqtt_msg, yes: c_int) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            message.properties_mut().payload_is_utf8 = convert::yes(yes);
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets the topic to which an answer is to be published; NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_response_topic(
    m: *mut mqtt_msg,
    topic: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            match optional_text(topic)? {
                Some(topic) => message.properties_mut().set_response_topic(topic)?,
                None => message.properties_mut().response_topic = None,
            }
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets the data that an answer has to carry, at most 65,535 bytes; NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_correlation(
    m: *mut mqtt_msg,
    data: *const c_void,
    len: usize,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            if data.is_null() && len == 0 {
                message.properties_mut().correlation = None;
            } else {
                message.properties_mut().set_correlation(bytes(data, len)?)?;
            }
            Ok(())
        })?;
        Ok(())
    })
}

/// Adds a name and a value; the same name may be added again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_add_user_property(
    m: *mut mqtt_msg,
    name: *const c_char,
    value: *const c_char,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            message.properties_mut().add_user(text(name)?, text(value)?)?;
            Ok(())
        })?;
        Ok(())
    })
}

/// Sets a pointer that comes back in MQTT_EVENT_PUBLISH_DONE. The library does not look at it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_set_user_data(
    m: *mut mqtt_msg,
    user: *mut c_void,
) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        change(m, |message| {
            let user = (!user.is_null()).then(|| Attachment(Arc::new(User(user))));
            message.attachment = user;
            Ok(())
        })?;
        Ok(())
    })
}

/// The topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_topic(m: *const mqtt_msg) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null(), || unsafe { Some(message(m)?.topic_c_str().as_ptr()) })
}

/// The payload, followed by a NUL that does not count unless it is a borrowed one; never NULL. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_payload(m: *const mqtt_msg, len: *mut usize) -> *const c_void {
    // SAFETY: the header's promises hold for every argument.
    let payload = read(c"".to_bytes(), || unsafe { Some(message(m)?.payload()) });
    // SAFETY: the header's promises hold for every argument.
    unsafe { write(len, payload.len()) };
    payload.as_ptr().cast()
}

/// The QoS: 0, 1 or 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_qos(m: *const mqtt_msg) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(message(m)?.qos as c_int) })
}

/// Whether it was a retained message when it was sent here: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_retain(m: *const mqtt_msg) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(message(m)?.retain.into()) })
}

/// Whether it may have been delivered before: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_dup(m: *const mqtt_msg) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(message(m)?.duplicate.into()) })
}

/// Whether it has a lifetime: 1 or 0; writes what is left of it when the message was sent here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_expiry(m: *const mqtt_msg, seconds: *mut u32) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe {
        write(seconds, properties(m)?.expiry_secs?);
        Some(1)
    })
}

/// What the payload is, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_content_type(m: *const mqtt_msg) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null(), || unsafe { Some(c_text(properties(m)?.content_type.as_ref()?)) })
}

/// Whether the payload is declared to be UTF-8 text: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_payload_utf8(m: *const mqtt_msg) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(properties(m)?.payload_is_utf8.into()) })
}

/// Where an answer is wanted, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_response_topic(m: *const mqtt_msg) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null(), || unsafe { Some(c_text(properties(m)?.response_topic.as_ref()?)) })
}

/// What the answer has to carry, or NULL. len may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_correlation(
    m: *const mqtt_msg,
    len: *mut usize,
) -> *const c_void {
    // SAFETY: the header's promises hold for every argument.
    let correlation = read(None, || unsafe { Some(properties(m)?.correlation.as_deref()) });
    // SAFETY: the header's promises hold for every argument.
    unsafe { write(len, correlation.map_or(0, <[u8]>::len)) };
    correlation.map_or(ptr::null(), |correlation| correlation.as_ptr().cast())
}

/// How many user properties it has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_property_count(m: *const mqtt_msg) -> usize {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(properties(m)?.user.len()) })
}

/// The user property with index i: 1, or 0 if there is none. name and value may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_property(
    m: *const mqtt_msg,
    i: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> c_int {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(pair(&properties(m)?.user, i, name, value)) })
}

/// The value of the first user property with this name, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_find_user_property(
    m: *const mqtt_msg,
    name: *const c_char,
) -> *const c_char {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null(), || unsafe {
        let wanted = text(name).ok()?;
        let mut user = properties(m)?.user.iter();
        user.find(|(name, _)| name.as_str() == wanted).map(|(_, value)| c_text(value))
    })
}

/// The pointer set with mqtt_msg_set_user_data, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_user_data(m: *const mqtt_msg) -> *mut c_void {
    // SAFETY: the header's promises hold for every argument.
    read(ptr::null_mut(), || unsafe { User::of(message(m)?.attachment.as_ref()?) })
}

/// When a received message was read from the socket, as CLOCK_MONOTONIC in nanoseconds; 0 for one made here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_timestamp(m: *const mqtt_msg) -> u64 {
    // SAFETY: the header's promises hold for every argument.
    read(0, || unsafe { Some(message(m)?.timestamp.as_nanos()) })
}

/// Acknowledges a message of a subscription with MQTT_SUB_MANUAL_ACK, with MQTT_RC_SUCCESS or a failure for the sender.
///
/// Once per message, from any thread; MQTT_E_STATE for a message that is not waiting for it. Acknowledgements are sent in
/// the order in which the messages came, so a message that is never acknowledged holds back those after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_msg_ack(m: *const mqtt_msg, reason: mqtt_reason) -> mqtt_status {
    // SAFETY: the header's promises hold for every argument.
    guard(|| unsafe {
        let reason = u8::try_from(reason).ok().and_then(ReasonCode::new);
        let fits = |reason: &ReasonCode| reason.may_stand_in(PacketType::PubRec);
        let reason = reason.filter(fits).ok_or_else(|| Failure::argument("no reason for it"))?;
        required(m)?.acknowledge(reason)?;
        Ok(())
    })
}

/// The message behind a pointer, which comes from an `Arc`.
pub(crate) unsafe fn message<'a>(m: *const mqtt_msg) -> Option<&'a Message> {
    // SAFETY: the caller of the library promises that it is NULL or a message it may use.
    unsafe { m.cast::<Message>().as_ref() }
}

/// The message behind a pointer that must not be NULL.
pub(crate) unsafe fn required<'a>(m: *const mqtt_msg) -> Result<&'a Message, Failure> {
    // SAFETY: passed on to the caller.
    unsafe { message(m) }.ok_or_else(|| Failure::argument("the message is NULL"))
}

/// Changes a message that nobody else holds.
unsafe fn change(
    m: *mut mqtt_msg,
    work: impl FnOnce(&mut Message) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if m.is_null() {
        return Err(Failure::argument("the message is NULL"));
    }
    // SAFETY: it comes from an `Arc` that the caller holds; it is not dropped here.
    let mut shared = ManuallyDrop::new(unsafe { Arc::from_raw(m.cast::<Message>()) });
    match Arc::get_mut(&mut shared) {
        Some(message) => work(message),
        None => Err(Failure::new(MQTT_E_STATE, "the message has more than one holder")),
    }
}

unsafe fn properties<'a>(m: *const mqtt_msg) -> Option<&'a Properties> {
    // SAFETY: passed on to the caller.
    unsafe { message(m) }?.properties.as_deref()
}

fn c_text(text: &OwnedText) -> *const c_char {
    text.as_c_str().as_ptr()
}

/// Writes the pair with an index; whether there is one.
pub(crate) unsafe fn pair(
    pairs: &[(OwnedText, OwnedText)],
    index: usize,
    name: *mut *const c_char,
    value: *mut *const c_char,
) -> c_int {
    let Some(pair) = pairs.get(index) else { return 0 };
    // SAFETY: passed on to the caller.
    unsafe {
        write(name, c_text(&pair.0));
        write(value, c_text(&pair.1));
    }
    1
}
