//! Each numbered statement of the standard: which code obeys it and which test would notice if
//! it did not, for the broker and for the client.
//!
//! The statements are in `protocol/spec/statements.tsv`, in words of our own. What still lacks
//! code or a test is listed in `protocol/spec/open.tsv`, and nothing that does not: the list can
//! only become shorter. What will never have them is in `protocol/spec/excluded.tsv`.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use citations::{Citation, Place, root};

#[path = "support/citations.rs"]
mod citations;
#[path = "support/pages.rs"]
mod pages;

const STATEMENTS: &str = "protocol/spec/statements.tsv";
const EXCLUDED: &str = "protocol/spec/excluded.tsv";
const OPEN: &str = "protocol/spec/open.tsv";
const PAGE: &str = "docs/conformance.md";

/// How many statements may be excluded.
const MAXIMUM_EXCLUDED: usize = 3;

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Server,
    Client,
}

const ROLES: [Role; 2] = [Role::Server, Role::Client];

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// The crates that play the role.
    fn crates(self) -> &'static [&'static str] {
        match self {
            Self::Server => &["protocol", "broker"],
            Self::Client => &["protocol", "client", "ffi"],
        }
    }
}

/// A line of `statements.tsv`.
struct Statement {
    id: String,
    section: String,
    roles: &'static [Role],
    level: String,
    paraphrase: String,
}

/// Something that a statement ought to have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Gap {
    id: String,
    role: Role,
    lacks: &'static str,
}

/// All that the pages and tests here are about.
struct Trace {
    statements: Vec<Statement>,
    /// Statement, role and the reason.
    excluded: Vec<(String, Role, String)>,
    open: Vec<(Gap, String)>,
    citations: Vec<Citation>,
}

impl Trace {
    fn read() -> Self {
        let statements = rows(STATEMENTS, ["id", "section", "role", "level", "paraphrase"]);
        let statements = statements.into_iter().map(|[id, section, role, level, paraphrase]| {
            let roles = match role.as_str() {
                "both" => &ROLES[..],
                one => std::slice::from_ref(ROLES.iter().find(|role| role.name() == one).unwrap()),
            };
            Statement { id, section, roles, level, paraphrase }
        });
        let excluded = rows(EXCLUDED, ["id", "role", "reason"]).into_iter();
        let open = rows(OPEN, ["id", "role", "lacks", "why"]).into_iter();
        let open = open.map(|[id, role, lacks, why]| {
            let lacks = ["code", "test"].into_iter().find(|what| *what == lacks).unwrap();
            (Gap { id, role: role_named(&role), lacks }, why)
        });
        let crates = ["protocol", "broker", "client", "ffi"];
        Self {
            statements: statements.collect(),
            excluded: excluded.map(|[id, role, why]| (id, role_named(&role), why)).collect(),
            open: open.collect(),
            citations: crates.iter().flat_map(|name| citations::under(name, &[".rs"])).collect(),
        }
    }

    /// The files that cite a statement, for a role, in code or in tests.
    fn files(&self, id: &str, role: Role, place: Place) -> BTreeSet<&str> {
        let cited = self.citations.iter().filter(|it| it.id == id && it.place == place);
        let files = cited.map(|it| it.file.as_str());
        files.filter(|file| role.crates().contains(&file.split('/').next().unwrap())).collect()
    }

    fn is_excluded(&self, id: &str, role: Role) -> bool {
        self.excluded.iter().any(|(other, of, _)| other == id && *of == role)
    }

    /// All that is missing, excluded statements aside.
    fn gaps(&self) -> BTreeSet<Gap> {
        let mut gaps = BTreeSet::new();
        for statement in &self.statements {
            for &role in statement.roles {
                for (place, lacks) in [(Place::Code, "code"), (Place::Test, "test")] {
                    let id = &statement.id;
                    if !self.is_excluded(id, role) && self.files(id, role, place).is_empty() {
                        gaps.insert(Gap { id: id.clone(), role, lacks });
                    }
                }
            }
        }
        gaps
    }
}

fn role_named(name: &str) -> Role {
    *ROLES.iter().find(|role| role.name() == name).unwrap()
}

/// The rows of a table whose columns are parted by tabs, without its first line.
fn rows<const N: usize>(file: &str, columns: [&str; N]) -> Vec<[String; N]> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), columns.join("\t"), "the columns of {file}");
    let row = |line: &str| -> Option<[String; N]> {
        line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    };
    lines.map(|line| row(line).unwrap_or_else(|| panic!("{file}: {line:?}"))).collect()
}

#[test]
fn statements_are_numbered_by_their_sections() {
    let trace = Trace::read();
    let ids: BTreeSet<&str> = trace.statements.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), trace.statements.len(), "no statement stands twice");
    let of = |roles: &[Role]| trace.statements.iter().filter(|it| it.roles == roles).count();
    assert_eq!((of(&[Role::Server]), of(&[Role::Client]), of(&ROLES)), (118, 27, 106));
    for Statement { id, section, paraphrase, .. } in &trace.statements {
        let number = id.strip_prefix(&format!("MQTT-{section}-")).unwrap();
        assert!(number.parse::<u8>().is_ok(), "{id}");
        assert!(paraphrase.ends_with(['.', ')']), "{id}: {paraphrase}");
        assert!(title(section).is_some(), "{id} has no place on the page");
    }
}

#[test]
fn nobody_cites_a_statement_that_does_not_exist() {
    let trace = Trace::read();
    let endings = [".rs", ".c", ".h", ".md", ".toml", ".py", ".sh", ".tsv"];
    let everywhere = citations::under(".", &endings);
    assert!(everywhere.len() > 500, "the citations were found");
    let exists = |id: &str| trace.statements.iter().any(|statement| statement.id == id);
    let unknown: Vec<String> = everywhere
        .iter()
        .filter(|citation| !exists(&citation.id))
        .map(|Citation { id, file, line, .. }| format!("{file}:{line}: {id}"))
        .collect();
    assert!(unknown.is_empty(), "no such statements:\n{}", unknown.join("\n"));
}

#[test]
fn every_statement_is_obeyed_and_tested_but_for_the_open_ones() {
    let trace = Trace::read();
    let gaps = trace.gaps();
    if pages::is_updating() {
        return write_open(&trace, &gaps);
    }
    let open: BTreeSet<Gap> = trace.open.iter().map(|(gap, _)| gap.clone()).collect();
    assert_eq!(open.len(), trace.open.len(), "{OPEN} says nothing twice");
    let mut complaints = String::new();
    for Gap { id, role, lacks } in gaps.difference(&open) {
        writeln!(complaints, "{id} is cited by no {lacks} of the {}", role.name()).unwrap();
    }
    for Gap { id, role, lacks } in open.difference(&gaps) {
        let role = role.name();
        writeln!(complaints, "{id} has its {lacks} of the {role}: strike it out of {OPEN}")
            .unwrap();
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// Strikes out what is no longer open; what is open and not listed stays a complaint.
fn write_open(trace: &Trace, gaps: &BTreeSet<Gap>) {
    let mut text = "id\trole\tlacks\twhy\n".to_owned();
    for (gap, why) in trace.open.iter().filter(|(gap, _)| gaps.contains(gap)) {
        writeln!(text, "{}\t{}\t{}\t{why}", gap.id, gap.role.name(), gap.lacks).unwrap();
    }
    fs::write(root().join(OPEN), text).unwrap();
}

#[test]
fn few_statements_are_excluded_and_with_a_reason() {
    let trace = Trace::read();
    let ids: BTreeSet<&str> = trace.excluded.iter().map(|(id, ..)| id.as_str()).collect();
    assert!(ids.len() <= MAXIMUM_EXCLUDED, "{ids:?}");
    for (id, role, reason) in &trace.excluded {
        let statement = trace.statements.iter().find(|statement| statement.id == *id).unwrap();
        assert!(statement.roles.contains(role), "{id} does not bind the {}", role.name());
        assert!(reason.len() > 20, "{id} is excluded because of {reason:?}");
        let is_obeyed = |place| !trace.files(id, *role, place).is_empty();
        assert!(!is_obeyed(Place::Code) || !is_obeyed(Place::Test), "{id} need not be excluded");
    }
}

#[test]
fn the_page_says_what_the_code_and_the_tests_say() {
    pages::assert_current(PAGE, &page(&Trace::read()));
}

/// The sections of the standard that have statements.
const SECTIONS: [(&str, &str); 29] = [
    ("1.5", "Data representation"),
    ("2.1", "Fixed header"),
    ("2.2", "Variable header"),
    ("3.1", "CONNECT"),
    ("3.2", "CONNACK"),
    ("3.3", "PUBLISH"),
    ("3.4", "PUBACK"),
    ("3.5", "PUBREC"),
    ("3.6", "PUBREL"),
    ("3.7", "PUBCOMP"),
    ("3.8", "SUBSCRIBE"),
    ("3.9", "SUBACK"),
    ("3.10", "UNSUBSCRIBE"),
    ("3.11", "UNSUBACK"),
    ("3.12", "PINGREQ"),
    ("3.14", "DISCONNECT"),
    ("3.15", "AUTH"),
    ("4.1", "Session state"),
    ("4.2", "Network connections"),
    ("4.3", "Quality of service"),
    ("4.4", "Message delivery retry"),
    ("4.5", "Message receipt"),
    ("4.6", "Message ordering"),
    ("4.7", "Topic names and filters"),
    ("4.8", "Subscriptions"),
    ("4.9", "Flow control"),
    ("4.12", "Enhanced authentication"),
    ("4.13", "Handling errors"),
    ("6.0", "WebSocket"),
];

fn title(section: &str) -> Option<(&'static str, &'static str)> {
    let mut levels = section.splitn(3, '.');
    let number = format!("{}.{}", levels.next()?, levels.next()?);
    SECTIONS.iter().find(|(of, _)| *of == number).copied()
}

/// The text of `docs/conformance.md`.
fn page(trace: &Trace) -> String {
    let mut page = INTRODUCTION.to_owned();
    write_totals(trace, &mut page);
    write_exceptions(trace, &mut page);
    for (number, name) in SECTIONS {
        let statements = trace.statements.iter();
        write!(page, "\n## {number} {name}\n\n{HEAD}").unwrap();
        for statement in statements.filter(|it| title(&it.section) == Some((number, name))) {
            write_row(trace, statement, &mut page);
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Conformance to MQTT 5.0

The standard numbers its normative statements. This page says of each, in words of our own, which file of the code
obeys it and in which file the test is that would notice if it did not: for the broker, and for the client that libmqtt
is made of. In those files the statement stands in brackets, as `[MQTT-3.3.1-2]`, at the line that obeys and at the test.
What both ends do alike is done, and tested, once, in `protocol`.

The page is made from [the statements](../protocol/spec/statements.tsv) and the citations in the code by
[a test](../protocol/tests/statements.rs), which fails when a statement has no code or no test, when a citation names
no statement, and when this page is out of date. `UPDATE_CONFORMANCE=1 cargo test -p mqtt-protocol --test statements`
brings it up to date. [protocol/](protocol/README.md) draws what is hard to say in words.
";

const HEAD: &str = "\
| | Level | Demand | Broker: obeyed in | tested in | Client: obeyed in | tested in |
| --- | --- | --- | --- | --- | --- | --- |
";

fn write_totals(trace: &Trace, page: &mut String) {
    page.push_str(
        "\n| Chapter | Broker: bound by | obeyed | tested | Client: bound by | obeyed | tested |\n",
    );
    page.push_str("| --- | --: | --: | --: | --: | --: | --: |\n");
    for chapter in ["1", "2", "3", "4", "6", ""] {
        let name = if chapter.is_empty() { "all" } else { chapter };
        write!(page, "| {name} |").unwrap();
        for role in ROLES {
            let of_chapter = trace.statements.iter().filter(|it| it.section.starts_with(chapter));
            let bound: Vec<_> = of_chapter.filter(|it| it.roles.contains(&role)).collect();
            let cited = |place| {
                bound.iter().filter(|it| !trace.files(&it.id, role, place).is_empty()).count()
            };
            write!(page, " {} | {} | {} |", bound.len(), cited(Place::Code), cited(Place::Test))
                .unwrap();
        }
        page.push('\n');
    }
}

fn write_exceptions(trace: &Trace, page: &mut String) {
    if !trace.excluded.is_empty() {
        page.push_str("\nExcluded:\n\n");
        for (id, role, reason) in &trace.excluded {
            writeln!(page, "- {id}, {}: {reason}", role.name()).unwrap();
        }
    }
    if !trace.open.is_empty() {
        page.push_str("\nOpen:\n\n");
        let reasons: BTreeSet<&str> = trace.open.iter().map(|(_, why)| why.as_str()).collect();
        for reason in reasons {
            let because = trace.open.iter().filter(|(_, why)| why == reason).map(|(gap, _)| gap);
            let ends: BTreeSet<String> =
                because.map(|gap| format!("{} ({})", gap.id, gap.role.name())).collect();
            let ends: Vec<String> = ends.into_iter().collect();
            writeln!(page, "- {reason}: {}", ends.join(", ")).unwrap();
        }
    }
}

fn write_row(trace: &Trace, statement: &Statement, page: &mut String) {
    let Statement { id, level, paraphrase, roles, .. } = statement;
    let number = id.trim_start_matches("MQTT-");
    write!(page, "| {number} | {level} | {paraphrase} |").unwrap();
    for role in ROLES {
        for place in [Place::Code, Place::Test] {
            let links: Vec<String> = trace.files(id, role, place).into_iter().map(link).collect();
            let cell = match links.join(", ") {
                _ if !roles.contains(&role) => "–".to_owned(),
                links if !links.is_empty() => links,
                _ if trace.is_excluded(id, role) => "excluded".to_owned(),
                _ => "**open**".to_owned(),
            };
            write!(page, " {cell} |").unwrap();
        }
    }
    page.push('\n');
}

/// A link to a file, named by its crate and its path therein.
fn link(file: &str) -> String {
    let name = file.trim_end_matches(".rs").replacen("/src/", " ", 1).replacen("/tests/", " ", 1);
    format!("[{name}](../{file})")
}
