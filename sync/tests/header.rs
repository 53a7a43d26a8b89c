//! The committed header is what cbindgen makes of the door today. `UPDATE_HEADER=1` writes it anew.

use std::path::Path;

#[test]
fn committed_header_is_current() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = crate_folder.join("../include/playsync.h");
    let config = cbindgen::Config::from_file(crate_folder.join("cbindgen.toml"))
        .expect("the configuration is valid");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(crate_folder.join("src/ffi.rs"))
        .generate()
        .expect("cbindgen reads the door");
    let mut fresh = Vec::new();
    bindings.write(&mut fresh);
    let fresh = String::from_utf8(fresh).expect("the header is text");

    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&committed, &fresh).expect("the header can be written");
    }
    let current = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        current == fresh,
        "include/playsync.h is stale: run the tests of playsync with UPDATE_HEADER=1"
    );
}
