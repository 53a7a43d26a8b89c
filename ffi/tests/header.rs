//! The committed header is what cbindgen makes of the door. `UPDATE_HEADER=1` writes it anew.

use std::path::Path;

/// The files of the door, in the order in which the header has them.
const FILES: [&str; 9] = [
    "library",
    "options",
    "transport",
    "client",
    "publish",
    "message",
    "subscribe",
    "request",
    "event",
];

#[test]
fn committed_header_is_current() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = crate_folder.join("../include/mqtt.h");
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml"))
        .expect("the configuration is valid");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(crate_folder.join(format!("src/{file}.rs")));
    }
    let mut fresh = Vec::new();
    builder.generate().expect("cbindgen reads the door").write(&mut fresh);
    let fresh = String::from_utf8(fresh).expect("the header is text");

    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&committed, &fresh).expect("the header can be written");
    }
    let current = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        current == fresh,
        "include/mqtt.h is stale: run the tests of mqtt-ffi with UPDATE_HEADER=1"
    );
}
