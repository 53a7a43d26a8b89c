//! Where statements of the standard are cited: their numbers stand in brackets.

use std::fs;
use std::path::{Path, PathBuf};

/// One mention of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    /// What stands between the brackets.
    pub(crate) id: String,
    /// The file, seen from the workspace's folder.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) place: Place,
}

/// What the citation says of where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is in a comment at code that obeys.
    Code,
    /// It is in a comment at a test.
    Test,
    /// Nothing: it is in a text that is printed, or in no source at all.
    Elsewhere,
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All citations in the files under a folder with one of these endings, by file and line.
pub(crate) fn under(folder: &str, endings: &[&str]) -> Vec<Citation> {
    let mut citations = Vec::new();
    for file in files(folder, endings) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let mut of_comments = if file.contains("tests/") { Place::Test } else { Place::Code };
        let mut previous = "";
        for (number, line) in (1..).zip(text.lines()) {
            // Tests in the file they are for stand last in it.
            if previous == "#[cfg(test)]" && line.ends_with('{') {
                of_comments = Place::Test;
            }
            previous = line;
            let mut parts = line.split("[MQTT-");
            let is_comment = parts.next().is_some_and(|before| before.contains("//"));
            let place = if is_comment { of_comments } else { Place::Elsewhere };
            let ids = parts.filter_map(|rest| rest.split(']').next());
            citations.extend(ids.filter(|id| id.starts_with(char::is_numeric)).map(|id| {
                let id = format!("MQTT-{id}");
                Citation { id, file: file.clone(), line: number, place }
            }));
        }
    }
    citations
}

/// The files under a folder with one of these endings, seen from the workspace's folder.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{folder}/{name}");
            if entry.path().is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "corpus") {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path.trim_start_matches("./").to_owned());
            }
        }
    }
    found.sort();
    found
}
