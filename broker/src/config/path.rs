//! Paths of files that the broker reads, and the credentials that systemd hands it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What stands before the name of a credential.
const CREDENTIAL: &str = "credential:";

/// The variable in which systemd says where credentials are.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A path as an operator writes it: `credential:NAME` is that credential of the service.
///
/// # Errors
/// There are no credentials, or none can have this name.
pub(crate) fn file_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix(CREDENTIAL) {
        None => Ok(text.into()),
        Some(name) if name.is_empty() || name.contains('/') => {
            Err(format!("{name:?} is no name of a credential"))
        }
        Some(name) => match env::var_os(CREDENTIALS_DIRECTORY) {
            Some(directory) => Ok(Path::new(&directory).join(name)),
            None => Err(format!(
                "there are no credentials: {CREDENTIALS_DIRECTORY} is not set, as systemd does for \
                 a unit with LoadCredential="
            )),
        },
    }
}

/// A path in a configuration file, which is seen from the folder of that file.
pub(super) fn below(folder: &Path, text: &str) -> OsString {
    if text.starts_with(CREDENTIAL) { text.into() } else { folder.join(text).into_os_string() }
}
