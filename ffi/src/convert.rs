//! From C to Rust: pointers are checked here, and nowhere else.
//!
//! Each function relies on what every caller of the library promises: a pointer is NULL or points to
//! what its type says, a string ends with a NUL, a pointer with a length covers that many bytes, all
//! of them stay as they are until the call returns, and a handle comes from the library and has not
//! been released.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::Duration;

use ::mqtt_client::protocol::QoS;

use crate::guard::Failure;
use crate::library::*;

/// What a pointer points to.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, Failure> {
    // SAFETY: the caller of the library promises that it is NULL or points to a T.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument("a pointer is NULL"))
}

/// What a pointer points to, to be changed; the header says that only one thread may.
pub(crate) unsafe fn exclusive<'a, T>(pointer: *mut T) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller of the library promises that it is NULL or points to a T it alone uses.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::argument("a pointer is NULL"))
}

/// A string.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: passed on to the caller.
    unsafe { optional_text(pointer) }?.ok_or_else(|| Failure::argument("a string is NULL"))
}

/// A string, or NULL.
pub(crate) unsafe fn optional_text<'a>(pointer: *const c_char) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller of the library promises that it ends with a NUL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map(Some).map_err(|_| Failure::new(MQTT_E_UTF8, "text is not UTF-8"))
}

/// Bytes; NULL if there are none.
pub(crate) unsafe fn bytes<'a>(pointer: *const c_void, length: usize) -> Result<&'a [u8], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::argument("bytes are NULL though their length is not 0"));
    }
    if length > isize::MAX as usize {
        return Err(Failure::argument("a length is larger than the memory"));
    }
    // SAFETY: the caller of the library promises that it covers so many bytes.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), length) })
}

/// Writes an output, unless the caller does not want it.
pub(crate) unsafe fn write<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the caller of the library promises that it can be written to.
        unsafe { out.write(value) };
    }
}

/// A time limit in milliseconds; `None` is no limit.
pub(crate) fn timeout(timeout_ms: c_int) -> Result<Option<Duration>, Failure> {
    match u64::try_from(timeout_ms) {
        Ok(millis) => Ok(Some(Duration::from_millis(millis))),
        Err(_) if timeout_ms == MQTT_FOREVER => Ok(None),
        Err(_) => Err(Failure::argument("a timeout is negative")),
    }
}

pub(crate) fn qos(number: c_int) -> Result<QoS, Failure> {
    let qos = u8::try_from(number).ok().and_then(QoS::new);
    qos.ok_or_else(|| Failure::argument("a QoS is 0, 1 or 2"))
}

/// A yes or no.
pub(crate) fn yes(number: c_int) -> bool {
    number != 0
}
