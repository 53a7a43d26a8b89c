//! The wall around the session: no waiting, no clock, no socket, no chance. A small reader of sources,
//! so that nobody has to watch for it in review.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::fs;
use std::path::{Path, PathBuf};

/// What the session must not know.
const BEYOND_THE_WALL: [&str; 10] = [
    "tokio",
    "rustix",
    "rustls",
    "tungstenite",
    "async ",
    "std::net",
    "std::thread",
    "Instant",
    "SystemTime",
    "RandomState",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

#[test]
fn the_session_only_decides() {
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session");
    let files = sources(&session);
    assert!(files.len() > 10, "the session is in src/session");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in BEYOND_THE_WALL {
                assert!(!code.contains(word), "{}:{}: {word}", file.display(), number + 1);
            }
        }
    }
}
