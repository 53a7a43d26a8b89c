//! `docs/protocol`: the page of packets is drawn from the code, the other pages are true to it.
//!
//! Packet classes and properties are read off the source, for that is where they are written down
//! once; flags and reason codes are asked of the codec. Of the state machines drawn by hand it is
//! tested that their states are in the code, and of all pages that what they link to exists.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::fmt::Write;
use std::fs;

use citations::{files, root};
use mqtt_protocol::{PacketType, ReasonCode, decode};

#[path = "support/citations.rs"]
mod citations;
#[path = "support/classes.rs"]
mod classes;
#[path = "support/pages.rs"]
mod pages;

use classes::{Class, Member};

const PAGE: &str = "docs/protocol/packets.md";

/// What belongs into one diagram, by the files that hold it.
const DIAGRAMS: [(&str, &[&str]); 3] = [
    ("Connecting", &["connect", "connack", "disconnect", "auth"]),
    ("Publishing", &["publish", "ack"]),
    ("Subscribing", &["subscribe", "suback"]),
];

#[test]
fn the_page_says_what_the_code_says() {
    pages::assert_current(PAGE, &page());
}

fn page() -> String {
    let classes = classes::read();
    let mut page = INTRODUCTION.to_owned();
    write_types(&mut page);
    for (title, files) in DIAGRAMS {
        write_diagram(title, files, &classes, &mut page);
    }
    write_properties(&classes, &mut page);
    write_reasons(&mut page);
    page
}

const INTRODUCTION: &str = "\
# Packets and their properties

Made from the code by [a test](../../protocol/tests/drawings.rs), which fails when this page is out of date.

The code has one struct for each form of packet, and what may not be written down has no place in it: a QoS 0 message
has no packet identifier [MQTT-2.2.1-2] and no DUP flag [MQTT-3.3.1-2], a will flag without a will cannot be set
[MQTT-3.1.2-11], an alias of 0 does not exist [MQTT-3.3.2-8], texts and topics are valid once they are there
[MQTT-1.5.4-1] [MQTT-4.7.3-1].
";

/// Who sends each type, in the order of their numbers.
const SENDERS: [&str; 15] = [
    "client", "server", "both", "both", "both", "both", "both", "client", "server", "client",
    "server", "client", "server", "both", "both",
];

fn write_types(page: &mut String) {
    page.push_str(
        "\n## Types\n\nFlags that are reserved have to be as they are here. [MQTT-2.1.3-1]\n\n",
    );
    page.push_str("| Number | Packet | Flags | Sent by |\n| --: | --- | --- | --- |\n");
    for (kind, sender) in PacketType::ALL.into_iter().zip(SENDERS) {
        let first = (kind as u8) << 4;
        let accepted = |flags: &u8| decode(&[first | flags], usize::MAX).is_ok();
        let flags = match (0..16).filter(accepted).collect::<Vec<u8>>()[..] {
            [one] => format!("`{one:04b}`"),
            _ => "DUP, QoS, RETAIN".to_owned(),
        };
        writeln!(page, "| {} | {} | {flags} | {sender} |", kind as u8, name(kind)).unwrap();
    }
}

/// The standard's name for a type.
fn name(kind: PacketType) -> String {
    format!("{kind:?}").to_uppercase()
}

fn write_diagram(title: &str, sources: &[&str], classes: &[Class], page: &mut String) {
    let is_here = |class: &&Class| sources.contains(&class.module.as_str());
    let here: Vec<&Class> = classes.iter().filter(is_here).collect();
    write!(page, "\n## {title}\n\n```mermaid\nclassDiagram\n    direction LR\n").unwrap();
    for Class { name, members, .. } in &here {
        writeln!(page, "    class {name} {{").unwrap();
        for Member { name, kind, id } in members {
            let id = id.as_ref().map(|id| format!("{id} ")).unwrap_or_default();
            let colon = if kind.is_empty() { "" } else { ": " };
            let kind = kind.replace(['<', '>'], "~");
            writeln!(page, "        {id}{name}{colon}{kind}").unwrap();
        }
        page.push_str("    }\n");
    }
    for whole in &here {
        for Member { kind, name, .. } in &whole.members {
            if let Some(part) = here.iter().find(|part| part.name == classes::innermost(kind)) {
                let number = classes::multiplicity(kind);
                writeln!(page, "    {} *-- \"{number}\" {} : {name}", whole.name, part.name)
                    .unwrap();
            }
        }
    }
    page.push_str("```\n\n");
    for source in sources {
        write_source(source, page);
    }
}

/// Names the file and the statements it cites.
fn write_source(module: &str, page: &mut String) {
    let file = format!("protocol/src/packet/{module}.rs");
    let mut cited = Vec::new();
    for citation in citations::under("protocol/src/packet", &[".rs"]) {
        let id = format!("[{}]", citation.id);
        if citation.file == file && !cited.contains(&id) {
            cited.push(id);
        }
    }
    let line = format!("- [{file}](../../{file}) {}", cited.join(" "));
    writeln!(page, "{}", line.trim_end()).unwrap();
}

fn write_properties(classes: &[Class], page: &mut String) {
    let places = classes::property_structs(classes);
    page.push_str(
        "\n## Properties\n\nEach stands once at most, but for User Property, and Subscription \
         Identifier in PUBLISH. [MQTT-3.3.4-4]\n\n| | |",
    );
    for (place, _) in &places {
        write!(page, " {place} |").unwrap();
    }
    writeln!(page, "\n| --- | --- |{}", " :-: |".repeat(places.len())).unwrap();
    for (id, property) in classes::property_names(classes) {
        write!(page, "| {id} | {property} |").unwrap();
        for (place, class) in &places {
            let has = classes::has_property(classes, place, class, &id);
            page.push_str(if has { " x |" } else { " |" });
        }
        page.push('\n');
    }
}

fn write_reasons(page: &mut String) {
    let has_reasons =
        |kind: &PacketType| ReasonCode::ALL.iter().any(|reason| reason.may_stand_in(*kind));
    let kinds: Vec<PacketType> = PacketType::ALL.into_iter().filter(has_reasons).collect();
    page.push_str(
        "\n## Reason codes\n\n[MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] \
         [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1] [MQTT-3.15.2-1] \
         in [reason.rs](../../protocol/src/reason.rs)\n\n| | |",
    );
    for kind in &kinds {
        write!(page, " {} |", name(*kind)).unwrap();
    }
    writeln!(page, "\n| --- | --- |{}", " :-: |".repeat(kinds.len())).unwrap();
    for reason in ReasonCode::ALL {
        write!(page, "| 0x{:02X} | {} |", reason.code(), reason.name()).unwrap();
        for kind in &kinds {
            page.push_str(if reason.may_stand_in(*kind) { " x |" } else { " |" });
        }
        page.push('\n');
    }
}

/// A diagram that says `%% states of` a file has its states from there.
#[test]
fn the_states_in_the_drawings_are_those_of_the_code() {
    let mut checked = 0;
    for page in files("docs/protocol", &[".md"]) {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for diagram in text.split("```").filter(|block| block.contains("%% states of ")) {
            let file = diagram.split("%% states of ").nth(1).unwrap().lines().next().unwrap();
            let code = fs::read_to_string(root().join(file)).unwrap();
            for state in states(diagram) {
                let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                assert!(words.any(|word| word == state), "{page}: {file} has no state {state}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "the states were found");
}

/// The states on either side of the arrows.
fn states(diagram: &str) -> impl Iterator<Item = &str> {
    let arrows = diagram.lines().filter_map(|line| line.split_once(" --> "));
    let ends = arrows.flat_map(|(from, to)| [from, to.split(" : ").next().unwrap()]);
    ends.map(str::trim).filter(|state| *state != "[*]")
}

/// A link is what stands in `](` and `)`; those to other sites are not followed.
#[test]
fn what_the_pages_link_to_exists() {
    if pages::is_updating() {
        return;
    }
    let mut broken = Vec::new();
    for file in files("docs", &[".md"]) {
        let folder = root().join(&file).parent().unwrap().to_owned();
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if !path.is_empty() && !link.contains("://") && !folder.join(path).exists() {
                broken.push(format!("{file}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
