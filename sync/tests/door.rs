//! The C door from the caller's side: what is refused, what is lent, and that nothing panics across it.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};

use playsync::ffi::*;

const SECOND: i64 = 1_000_000_000;

/// An engine behind the door, freed at the end of its test.
struct Door(*mut Handle);

impl Door {
    fn open() -> Door {
        // SAFETY: both texts end with a zero byte.
        let handle = unsafe { playsync_new(c"anna".as_ptr(), c"Anna".as_ptr(), 7, 0) };
        assert!(!handle.is_null());
        Door(handle)
    }

    fn message(&self, channel: &CStr, json: &str) -> i32 {
        let len = json.len();
        // SAFETY: the handle is live, the channel ends with a zero byte, and the payload covers `len` bytes.
        unsafe {
            playsync_message(self.0, channel.as_ptr(), json.as_ptr().cast(), len, SECOND, SECOND)
        }
    }

    /// Takes the next output, reading what it lends before the next call.
    fn poll(&self) -> Option<(i32, String, Vec<u8>)> {
        // SAFETY: every field of the result is a number, a bool or a pointer, for which zero is a value.
        let mut output: NextOutput = unsafe { std::mem::zeroed() };
        // SAFETY: the handle is live and the result writable.
        if !unsafe { playsync_poll(self.0, &raw mut output) } {
            return None;
        }
        // SAFETY: what an output lends stays valid until the next poll.
        let channel = unsafe { text(output.channel) };
        let correlation = if output.correlation_len == 0 {
            Vec::new()
        } else {
            // SAFETY: as above; the bytes are as many as the output says.
            unsafe { std::slice::from_raw_parts(output.correlation, output.correlation_len) }
                .to_vec()
        };
        Some((output.kind, channel, correlation))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // SAFETY: the handle came from `playsync_new` and is not used again.
        unsafe { playsync_free(self.0) };
    }
}

/// # Safety
/// The pointer is NULL or zero-terminated.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: promised by the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[test]
fn null_and_nonsense_are_refused() {
    let slashed = CString::new("a/b").expect("no zero byte");
    // SAFETY: every pointer is NULL or zero-terminated text.
    unsafe {
        assert!(playsync_new(null(), c"Anna".as_ptr(), 1, 0).is_null());
        assert!(playsync_new(slashed.as_ptr(), c"Anna".as_ptr(), 1, 0).is_null());
        assert!(playsync_new(c"anna".as_ptr(), c"\xff".as_ptr(), 1, 0).is_null());
        playsync_free(null_mut());
        assert_eq!(playsync_connected(null_mut(), 0), PLAYSYNC_E_ARGUMENT);
        assert!(!playsync_poll(null_mut(), null_mut()));
        assert_eq!(playsync_next_timeout(null()), i64::MAX);
        assert!(playsync_status_json(null_mut(), 0).is_null());
    }
    let door = Door::open();
    // SAFETY: the handle is live and every pointer is NULL.
    unsafe {
        assert_eq!(playsync_message(door.0, null(), null(), 0, 0, 0), PLAYSYNC_E_ARGUMENT);
        assert_eq!(playsync_file_loaded(door.0, null(), 0), PLAYSYNC_E_ARGUMENT);
        assert_eq!(playsync_speed(door.0, f64::NAN, 0), PLAYSYNC_E_ARGUMENT);
        assert_eq!(playsync_set_offset(door.0, f64::INFINITY, 0), PLAYSYNC_E_ARGUMENT);
        assert_eq!(playsync_clock_sent(door.0, null(), 0), PLAYSYNC_E_ARGUMENT);
        assert_eq!(playsync_peer(door.0, 0, null_mut()), PLAYSYNC_E_ARGUMENT);
    }
}

#[test]
fn misunderstood_message_says_why() {
    let door = Door::open();
    assert_eq!(door.message(c"timeline", "{"), PLAYSYNC_E_MESSAGE);
    // SAFETY: the handle is live; the sentence is valid until the next call.
    let why = unsafe { text(playsync_error(door.0)) };
    assert!(why.starts_with("the payload is malformed: "), "{why}");
    assert_eq!(door.message(c"weather", "{}"), PLAYSYNC_E_MESSAGE);
    assert_eq!(door.message(c"peer/ben", r#"{"version":1,"name":"Ben"}"#), PLAYSYNC_OK);
}

#[test]
fn connecting_asks_for_the_time_and_tells_of_oneself() {
    let door = Door::open();
    // SAFETY: the handle is live.
    assert_eq!(unsafe { playsync_connected(door.0, SECOND) }, PLAYSYNC_OK);
    let (kind, channel, correlation) = door.poll().expect("a question");
    assert_eq!(
        (kind, channel.as_str(), correlation.len()),
        (PLAYSYNC_CLOCK_REQUEST, "$clock/now", 8)
    );
    let (kind, channel, _) = door.poll().expect("a presence");
    assert_eq!((kind, channel.as_str()), (PLAYSYNC_PUBLISH, "peer/anna"));
    assert_eq!(door.poll(), None);
    // SAFETY: the handle is live.
    assert!(unsafe { playsync_next_timeout(door.0) } > SECOND);
}

#[test]
fn status_lends_its_texts() {
    let door = Door::open();
    door.message(c"peer/ben", r#"{"version":1,"name":"Ben","condition":"playing"}"#);
    // SAFETY: the handle is live; the text is valid until the next status.
    let json = unsafe { text(playsync_status_json(door.0, SECOND)) };
    let status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(status["peers"][0]["name"], "Ben");
    assert_eq!(status["clock_source"], "none");
}

#[test]
fn will_says_gone() {
    let door = Door::open();
    // SAFETY: every field of the result is a number, a bool or a pointer, for which zero is a value.
    let mut will: NextOutput = unsafe { std::mem::zeroed() };
    // SAFETY: the handle is live and the result writable.
    assert_eq!(unsafe { playsync_will(door.0, &raw mut will) }, PLAYSYNC_OK);
    // SAFETY: what the will lends is valid until the next one.
    let channel = unsafe { text(will.channel) };
    assert_eq!(channel, "peer/anna");
}
