//! What review would repeat, said by a test: the walls between parts, and the house rules.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files under a folder of the workspace with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "corpus") {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found
}

/// Calls `check` with each line of the files and collects what it complains of.
fn complaints(files: Vec<PathBuf>, check: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(complaint) = check(line) {
                complaints.push(format!("{}:{}: {complaint}", path.display(), number + 1));
            }
        }
    }
    complaints
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word)
}

#[test]
fn pure_cores_neither_wait_nor_look_at_clocks_nor_do_input_and_output() {
    const WORDS: [&str; 6] = ["tokio", "async", "await", "SystemTime", "getrandom", "rand"];
    const PATHS: [&str; 5] =
        ["std::time::Instant", "std::net", "std::thread", "std::fs", "std::io"];
    let mut cores = Vec::new();
    for folder in ["protocol/src", "scram/src", "broker/src/core", "client/src/session", "sync/src"]
    {
        cores.extend(files(folder, &[".rs"]));
    }
    assert!(cores.len() > 30, "the cores were found");
    assert_none(&complaints(cores, |line| {
        let line = code(line);
        let found = WORDS.iter().find(|word| has_word(line, word));
        let found = found.or_else(|| PATHS.iter().find(|path| line.contains(**path)))?;
        Some(format!("a pure core uses {found}"))
    }));
}

#[test]
fn unsafe_code_stays_in_the_doors() {
    let mut outside = Vec::new();
    for folder in
        ["protocol/src", "scram/src", "broker/src", "client/src", "sync/src", "bench/rooms/src"]
    {
        outside.extend(files(folder, &[".rs"]));
    }
    outside.retain(|path| !path.ends_with("sync/src/ffi.rs"));
    assert_none(&complaints(outside, |line| {
        has_word(code(line), "unsafe").then(|| "unsafe outside the doors".into())
    }));
    for crate_root in ["protocol", "scram", "broker", "client"] {
        let text = fs::read_to_string(root().join(crate_root).join("src/lib.rs")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{crate_root}");
    }
}

#[test]
fn the_sync_engine_depends_on_neither_mqtt_nor_mpv() {
    let manifest = fs::read_to_string(root().join("sync/Cargo.toml")).unwrap();
    assert!(!manifest.contains("mqtt"), "sync knows no MQTT");
}

#[test]
fn the_plugin_sees_only_headers() {
    let sources = files("mpv-plugin", &[".c", ".h"]);
    assert_none(&complaints(sources, |line| {
        let path = line.strip_prefix("#include \"")?;
        let allowed = !path.contains('/');
        (!allowed).then(|| format!("the plugin includes {path}"))
    }));
}

#[test]
fn every_rust_file_says_first_what_it_holds() {
    for path in files(".", &[".rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let says = first.starts_with("//!") || first.starts_with("#!");
        assert!(says, "{} begins with {first:?}", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in halves, so that this file does not complain of itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["todo", "!("], ["unimplemented", "!("]];
    let marks = marks.map(|halves| halves.concat());
    let sources = files(".", &[".rs", ".c", ".h", ".py", ".sh", "Makefile", ".mk"]);
    assert_none(&complaints(sources, |line| {
        let mark = marks.iter().find(|mark| line.contains(mark.as_str()))?;
        Some(format!("{mark} is left for later"))
    }));
}

#[test]
fn c_fits_eighty_columns() {
    let mut sources = files("mpv-plugin", &[".c", ".h"]);
    sources.extend(files("examples", &[".c", ".h"]));
    assert_none(&complaints(sources, |line| {
        let columns = line.chars().count();
        (columns > 80).then(|| format!("{columns} columns"))
    }));
}

/// What ends up in the broker, libmqtt and playsync: each crate's name, version and licence.
fn dependencies() -> BTreeSet<[String; 3]> {
    let mut found = BTreeSet::new();
    for package in ["mqtt-broker", "mqtt-ffi", "playsync"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["tree", "--locked", "-e", "normal"]);
        cargo.args(["-p", package, "--prefix", "none", "-f", "{p}\t{l}"]);
        let output = cargo.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            let (package, licence) = line.split_once('\t').unwrap();
            let mut words = package.split(' ');
            let mut word = || words.next().unwrap().to_owned();
            let licence = licence.trim_end_matches(" (*)").to_owned();
            found.insert([word(), word(), licence]);
        }
    }
    found
}

#[test]
fn what_we_ship_may_be_shipped() {
    const FREE: [&str; 8] = [
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
    ];
    let dependencies = dependencies();
    assert!(dependencies.len() > 50, "they were found");
    for [name, version, licence] in dependencies {
        // A choice needs one that is free, a sum needs all; ours have no choice within a choice.
        let is_free = licence.replace(['(', ')'], "").split(" AND ").all(|part| {
            part.split(" OR ").flat_map(|one| one.split('/')).any(|one| FREE.contains(&one))
        });
        assert!(is_free, "{name} {version} has the licence {licence:?}");
    }
}

#[test]
fn crates_come_in_one_version() {
    // ring, tungstenite and we are each a step apart; syn runs only while we build.
    const TWICE: [&str; 2] = ["getrandom", "syn"];
    let names: Vec<_> = dependencies().into_iter().map(|[name, ..]| name).collect();
    let twice: BTreeSet<_> =
        names.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0].as_str()).collect();
    assert_eq!(twice, BTreeSet::from(TWICE), "more, or fewer, than there were");
}
