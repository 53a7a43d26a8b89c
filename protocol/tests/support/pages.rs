//! Pages of the documentation that are made from code, and committed.

use std::env;
use std::fs;

use crate::citations::root;

/// Demands that the committed page is this one. With `UPDATE_CONFORMANCE=1` it becomes it.
pub(crate) fn assert_current(file: &str, page: &str) {
    if is_updating() {
        fs::write(root().join(file), page).unwrap();
        return;
    }
    let committed = fs::read_to_string(root().join(file)).unwrap_or_default();
    assert!(
        committed == page,
        "{file} is not what the code makes of it; this brings it up to date:\n    {UPDATE}\n"
    );
}

const UPDATE: &str =
    "UPDATE_CONFORMANCE=1 cargo test -p mqtt-protocol --test statements --test drawings";

/// Whether this run is to write what it would else compare.
pub(crate) fn is_updating() -> bool {
    env::var_os("UPDATE_CONFORMANCE").is_some_and(|value| value == "1")
}
