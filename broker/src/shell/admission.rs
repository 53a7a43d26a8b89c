//! Who may connect, and do what: read from the files that say so.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::hmac;
use tracing::info;

use super::Options;
use crate::access::{Acl, AclError, Administrators, Room, Rooms, RoomsError, Rules};
use crate::core::{Access, NonceSecret};
use crate::users::{SALT_SIZE, User, Users, UsersError};

/// A room that is not for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOptions {
    /// Its name.
    pub name: String,
    /// Whom it knows.
    pub room: Room,
    /// A file whose first line is the password of guests. Without one it is on the line `@NAME` of
    /// the password file; if that is not there either, there are no guests.
    pub password_file: Option<PathBuf>,
}

/// Reads the password file, the ACL and what there is to know about rooms.
///
/// # Errors
/// Something of it cannot be read or makes no sense.
pub(super) fn read_access(options: &Options, secret: &NonceSecret) -> Result<Access, AccessError> {
    let users = options.password_file.as_deref().map(read_users).transpose()?;
    let has_users = users.is_some() || !options.rooms.is_empty();
    let mut users = users.unwrap_or_default();
    let rooms = read_rooms(&options.rooms, &mut users, secret)?;
    let acl = options.acl_file.as_deref().map(read_acl).transpose()?;
    let administrators = match options.administrators.as_slice() {
        // Who can reach it then is on this machine.
        [] if !has_users && !options.allow_anonymous && !options.certificates_name_users() => {
            Administrators::Everybody
        }
        names => Administrators::Users(names.iter().map(|name| name.as_str().into()).collect()),
    };
    Ok(Access {
        users: has_users.then(|| Arc::new(users)),
        allow_anonymous: options.allow_anonymous || !has_users,
        rules: Arc::new(Rules { acl, rooms, administrators }),
        secret: secret.clone(),
    })
}

/// Who can log in, and a word about how.
fn read_users(path: &Path) -> Result<Users, AccessError> {
    let users = Users::read(path).map_err(AccessError::Users)?;
    let (count, without_scram) = (users.count(), users.count_without_scram());
    info!(file = %path.display(), users = count, "read the password file");
    if without_scram > 0 {
        info!(
            users = without_scram,
            "hashes that others have made serve passwords only; `mqtt-broker passwd` makes \
             what SCRAM needs"
        );
    }
    Ok(users)
}

fn read_acl(path: &Path) -> Result<Acl, AccessError> {
    let acl = Acl::read(path).map_err(AccessError::Acl)?;
    info!(file = %path.display(), rules = acl.rule_count(), "read the ACL file");
    Ok(acl)
}

/// The rooms; the passwords that are in files of their own become users'.
fn read_rooms(
    options: &[RoomOptions],
    users: &mut Users,
    secret: &NonceSecret,
) -> Result<Rooms, AccessError> {
    let mut rooms = Rooms::default();
    for RoomOptions { name, room, password_file } in options {
        let line = Rooms::line_of(name);
        if let Some(path) = password_file {
            users.insert(&line, read_password(path, &line, secret)?);
        }
        let mut known = room.members.iter().chain(&room.operators);
        if let Some(stranger) = known.clone().find(|known| users.user(known).is_none()) {
            return Err(AccessError::UnknownMember(name.clone(), stranger.to_string()));
        }
        if users.user(&line).is_none() && known.next().is_none() {
            return Err(AccessError::NoWayIn(name.clone()));
        }
        rooms.insert(name, room.clone()).map_err(AccessError::Rooms)?;
    }
    let guests: HashSet<&str> = users.names().filter(|name| rooms.guest(name).is_some()).collect();
    match guests.into_iter().find(|name| !name.starts_with('@')) {
        Some(name) => Err(AccessError::GuestWithLine(name.to_owned())),
        None => Ok(rooms),
    }
}

/// Reads a room's password. Its salts are the same as long as the broker runs, so that a password
/// that has not changed is seen to be the same.
fn read_password(path: &Path, line: &str, secret: &NonceSecret) -> Result<User, AccessError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| AccessError::Password(path.into(), error.to_string()))?;
    let password = text.lines().next().unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
    let random = hmac::sign(&key, line.as_bytes());
    let mut salts = [[0; SALT_SIZE]; 2];
    for (salt, bytes) in salts.iter_mut().zip(random.as_ref().chunks_exact(SALT_SIZE)) {
        salt.copy_from_slice(bytes);
    }
    User::new(password, salts).map_err(|_| {
        let fault = "its first line is to be a password, which is not empty";
        AccessError::Password(path.into(), fault.into())
    })
}

/// Why nobody knows who may connect, or do what.
#[derive(Debug)]
pub enum AccessError {
    /// There are no users to be had.
    Users(UsersError),
    /// There are no rules to be had.
    Acl(AclError),
    /// The password of a room cannot be read.
    Password(PathBuf, String),
    /// There can be no such room.
    Rooms(RoomsError),
    /// A room has somebody for a member or operator who is no user.
    UnknownMember(String, String),
    /// Nobody can enter a room.
    NoWayIn(String),
    /// A user has a name that guests of a room have.
    GuestWithLine(String),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Users(error) => error.fmt(f),
            Self::Acl(error) => error.fmt(f),
            Self::Password(path, fault) => {
                write!(f, "cannot read a room's password from {}: {fault}", path.display())
            }
            Self::Rooms(error) => error.fmt(f),
            Self::UnknownMember(room, name) => write!(
                f,
                "the room {room} is to know {name}, but the password file does not; \
                 `mqtt-broker passwd FILE {name}` would change that"
            ),
            Self::NoWayIn(room) => write!(
                f,
                "nobody can enter the room {room}: give it a password with \
                 `mqtt-broker passwd FILE @{room}`, or members"
            ),
            Self::GuestWithLine(name) => write!(
                f,
                "the user {name} of the password file has the name of a guest: what is behind \
                 the @ is a room"
            ),
        }
    }
}

impl Error for AccessError {}
