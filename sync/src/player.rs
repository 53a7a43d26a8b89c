//! What the shell reports of its player.

/// A file the player has opened, described without its path.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its name without folders.
    pub name: String,
    /// Its size in bytes, when known.
    pub size: Option<u64>,
    /// Its length in seconds, when known.
    pub duration: Option<f64>,
    /// Video frames per second, when there is video.
    pub frames_per_second: Option<f64>,
    /// Whether sound is playing; without it positions come frame by frame.
    pub has_audio: bool,
    /// Whether the player can seek in it.
    pub is_seekable: bool,
}

/// One reading of the player's position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// The position of the sound now leaving the device, when the player knows it.
    pub audio: Option<f64>,
    /// The position of the newest video frame, when the player knows it.
    pub frame: Option<f64>,
}
