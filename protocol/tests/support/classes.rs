//! The structs and enums of the packets, read off their source.

use std::fs;

use crate::citations::{files, root};

/// A struct, a property struct, or an enum.
pub(crate) struct Class {
    pub(crate) name: String,
    /// The file under `protocol/src/packet` that holds it.
    pub(crate) module: String,
    pub(crate) members: Vec<Member>,
}

/// A field, a property or a variant.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its type without lifetimes; empty for a variant that has nothing.
    pub(crate) kind: String,
    /// The number of a property, as it is written.
    pub(crate) id: Option<String>,
}

/// All of them, in the order of files and lines.
pub(crate) fn read() -> Vec<Class> {
    let mut classes = Vec::new();
    for file in files("protocol/src/packet", &[".rs"]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let module = file.trim_start_matches("protocol/src/packet/").trim_end_matches(".rs");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some((name, closing)) = head(line, &mut lines) else { continue };
            let body = lines.by_ref().take_while(|line| *line != closing);
            let members = body.filter_map(member).collect();
            classes.push(Class { name, module: module.to_owned(), members });
        }
    }
    classes
}

/// The name of the class that begins at this line, and the line that ends it.
fn head<'a>(
    line: &str,
    rest: &mut impl Iterator<Item = &'a str>,
) -> Option<(String, &'static str)> {
    if line == "properties! {" {
        let name = rest.find(|line| !line.trim().starts_with("///"))?.trim().strip_suffix(" {")?;
        return Some((name.to_owned(), "    }"));
    }
    let head = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum "))?;
    let name = head.strip_suffix(" {")?.trim_end_matches("<'a>");
    Some((name.to_owned(), "}"))
}

fn member(line: &str) -> Option<Member> {
    let line = line.trim().trim_start_matches("pub ").strip_suffix(',')?;
    if line.starts_with(['/', '#']) {
        return None;
    }
    let line = line.replace("<'a>", "").replace("&'a [u8]", "bytes");
    let member = |name: &str, kind: &str, id: Option<&str>| {
        Some(Member { name: name.into(), kind: kind.into(), id: id.map(str::to_owned) })
    };
    // A variant has its fields in brackets or braces.
    if let Some((name, fields)) = line.split_once(['(', '{']) {
        return member(name.trim(), fields.trim_matches([' ', ')', '}']), None);
    }
    match line.split_once(": ") {
        Some((name, kind)) => match kind.split_once(" = ") {
            Some((kind, id)) => member(name, kind, Some(id)),
            None => member(name, kind, None),
        },
        None => member(&line, "", None),
    }
}

/// The type in a list or an option.
pub(crate) fn innermost(kind: &str) -> &str {
    kind.trim_start_matches("Option<").trim_start_matches("Vec<").trim_end_matches('>')
}

/// How many of the innermost type there are.
pub(crate) fn multiplicity(kind: &str) -> &'static str {
    match kind.split_once('<') {
        Some(("Option", _)) => "0..1",
        Some(("Vec", _)) => "1..*",
        _ => "1",
    }
}

/// Where properties stand, by the standard's name, and the struct that holds them there.
pub(crate) fn property_structs(classes: &[Class]) -> Vec<(String, String)> {
    let packets = &classes.iter().find(|class| class.name == "Packet").unwrap().members;
    let properties_of = |class: &str| {
        let class = classes.iter().find(|other| other.name == class)?;
        let field = class.members.iter().find(|member| member.name == "properties")?;
        Some(field.kind.clone())
    };
    let mut places = Vec::new();
    for packet in packets {
        let Some(properties) = properties_of(&packet.kind) else { continue };
        places.push((packet.name.to_uppercase(), properties));
        if packet.name == "Connect" {
            places.push(("will".to_owned(), properties_of("Will").unwrap()));
        }
    }
    places
}

/// Properties that do not stand in the struct of their packet: all packets have the one, and of a
/// PUBLISH the others are more than values.
const BESIDE: [(&str, &str); 3] =
    [("0x0B", "subscription_identifier"), ("0x23", "topic_alias"), ("0x26", "user_property")];

/// Numbers and names of all properties, in the order of the numbers.
pub(crate) fn property_names(classes: &[Class]) -> Vec<(String, String)> {
    let members = classes.iter().flat_map(|class| &class.members);
    let written = members.filter_map(|member| Some((member.id.clone()?, member.name.clone())));
    let beside = BESIDE.map(|(id, name)| (id.to_owned(), name.to_owned()));
    let mut names: Vec<(String, String)> =
        written.chain(beside).map(|(id, name)| (id, name.replace('_', " "))).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether the property may stand at that place.
pub(crate) fn has_property(classes: &[Class], place: &str, class: &str, id: &str) -> bool {
    // A struct that has no property of its own is not read.
    let class = classes.iter().find(|other| other.name == class);
    let mut members = class.iter().flat_map(|class| &class.members);
    id == "0x26"
        || place == "PUBLISH" && ["0x0B", "0x23"].contains(&id)
        || members.any(|member| member.id.as_deref() == Some(id))
}
