//! Filters and names are told from other text, and match, as a naive matcher says.
//!
//! Text is a filter, a line end, and a name; other bytes each stand for a piece of a topic.
#![no_main]

#[path = "../../protocol/tests/support/topics.rs"]
mod topics;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((filter, name)) = str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n'))
    {
        topics::check(filter, name);
    }
    let (filter, name) = bytes.split_at(bytes.len() / 2);
    topics::check(&topics::text(filter), &topics::text(name));
});
