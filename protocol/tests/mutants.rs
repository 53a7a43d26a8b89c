//! The mutants in `protocol/spec/mutants`: each still fits the code, and names a test that cites its statement.
//!
//! Whether each turns its test red takes many minutes to find out: `make mutants`.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use citations::{files, root};

#[allow(dead_code, reason = "another test uses the rest")]
#[path = "support/citations.rs"]
mod citations;

const FOLDER: &str = "protocol/spec/mutants";

/// A patch that breaks the line which obeys a statement.
struct Mutant {
    file: String,
    statement: String,
    breaks: String,
    /// What is red with it: arguments of `cargo test -p`, then the test's name.
    test: String,
}

fn mutants() -> Vec<Mutant> {
    let read = |file: String| {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let header = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            value.unwrap_or_else(|| panic!("{file} has no line {name}"))
        };
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".patch");
        // One statement may have a mutant for each role.
        let parts: Vec<&str> = name.split('-').take(3).collect();
        let (breaks, test) = (header("Breaks: "), header("Test: "));
        Mutant { statement: parts.join("-"), breaks, test, file }
    };
    files(FOLDER, &[".patch"]).into_iter().map(read).collect()
}

/// What stands above a test of this name in the crate of a `cargo test -p`.
fn comment_at(test: &str) -> String {
    let (target, path) = test.rsplit_once(' ').unwrap();
    let folder = target.split([' ', '-']).nth(1).unwrap();
    let part = target.split_once("--test ").map_or("src/", |(_, name)| name);
    let signature = format!("fn {}()", path.rsplit("::").next().unwrap());
    for file in files(folder, &[".rs"]).iter().filter(|file| file.contains(part)) {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        if let Some(at) = lines.iter().position(|line| line.starts_with(&signature)) {
            let above = lines[..at].iter().rev();
            return above.take_while(|line| line.starts_with(['/', '#'])).copied().collect();
        }
    }
    panic!("there is no test {test}")
}

#[test]
fn each_mutant_still_fits_the_code() {
    let mut misfits = Vec::new();
    for mutant in mutants() {
        let mut git = Command::new("git");
        let output = git.current_dir(root()).args(["apply", "--check", &mutant.file]).output();
        let output = output.expect("git is there");
        if !output.status.success() {
            misfits.push(format!("{}: {}", mutant.file, String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(misfits.is_empty(), "make these patches anew:\n{}", misfits.join(""));
}

#[test]
fn each_mutant_names_a_test_that_cites_its_statement() {
    for mutant in mutants() {
        let cited = format!("[{}]", mutant.statement);
        assert!(comment_at(&mutant.test).contains(&cited), "{}: {}", mutant.file, mutant.test);
        assert!(!mutant.breaks.is_empty(), "{} says what it breaks", mutant.file);
    }
}

#[test]
fn mutants_break_something_in_each_chapter() {
    let mutants = mutants();
    let statements: BTreeSet<&str> = mutants.iter().map(|it| it.statement.as_str()).collect();
    assert!(statements.len() >= 30, "{} statements", statements.len());
    // PINGRESP, 3.13, has no statement of its own.
    let packets = (1..=15).filter(|&number| number != 13).map(|number| format!("MQTT-3.{number}."));
    let chapters = ["MQTT-1.", "MQTT-2.", "MQTT-4.", "MQTT-6."].map(str::to_owned);
    for chapter in packets.chain(chapters) {
        let is_broken = statements.iter().any(|statement| statement.starts_with(&chapter));
        assert!(is_broken, "{chapter} has no mutant");
    }
}
