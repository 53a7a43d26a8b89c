//! The section `[rooms]`: a table for each room.

use std::path::Path;

use mqtt_broker::access::Room;
use mqtt_broker::shell::RoomOptions;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, nearest};
use super::path;

/// What can be said of a room.
const KEYS: [&str; 4] = ["password-file", "members", "operators", "locked"];

/// Reads all rooms.
///
/// # Errors
/// The place and the fault of the first that is wrong.
pub(super) fn parse(
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
) -> Result<Vec<RoomOptions>, (usize, Fault)> {
    let wrong =
        |place, name: &str| (place, Fault::Type(name.into(), "a table, as in [rooms.film]"));
    let Some(rooms) = value.get_ref().as_table() else {
        return Err(wrong(value.span().start, "rooms"));
    };
    let mut parsed = Vec::new();
    for (name, value) in rooms {
        let place = name.span().start;
        let Some(table) = value.get_ref().as_table() else {
            return Err(wrong(place, &format!("rooms.{}", name.get_ref())));
        };
        parsed.push(parse_room(name.get_ref(), table, folder)?);
    }
    Ok(parsed)
}

fn parse_room(
    name: &str,
    table: &DeTable<'_>,
    folder: &Path,
) -> Result<RoomOptions, (usize, Fault)> {
    let mut options = RoomOptions { name: name.into(), room: Room::default(), password_file: None };
    for (key, value) in table {
        let place = key.span().start;
        let wrong = |expected| (place, Fault::Type(key.get_ref().to_string(), expected));
        match key.get_ref().as_ref() {
            "password-file" => {
                let text = value.get_ref().as_str().ok_or_else(|| wrong("the path of a file"))?;
                let text = path::below(folder, text);
                let path = path::file_path(&text.to_string_lossy());
                options.password_file = Some(path.map_err(|why| (place, Fault::Value(why)))?);
            }
            "members" => {
                options.room.members = names(value.get_ref()).ok_or_else(|| wrong(LIST))?;
            }
            "operators" => {
                options.room.operators = names(value.get_ref()).ok_or_else(|| wrong(LIST))?;
            }
            "locked" => {
                let is_locked = value.get_ref().as_bool();
                options.room.is_locked = is_locked.ok_or_else(|| wrong("true or false"))?;
            }
            other => return Err((place, Fault::unknown(other, nearest(other, KEYS.into_iter())))),
        }
    }
    Ok(options)
}

const LIST: &str = "a list of users, as in [\"ann\", \"ben\"]";

fn names(value: &DeValue<'_>) -> Option<Vec<Box<str>>> {
    value.as_array()?.iter().map(|name| name.get_ref().as_str().map(Box::from)).collect()
}
