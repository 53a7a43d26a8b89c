//! What the plugin says of its room, asked over mpv's script messages.

use crate::{Error, Player};
use serde_json::{Value, json};
use std::time::Duration;

/// The plugin answers within one turn of its loop; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a player stands in its room, in its plugin's words.
#[derive(Clone, Debug)]
pub struct RoomStatus {
    /// Whether the room can be reached.
    pub is_connected: bool,
    /// How many are in the room, this player included.
    pub peers: u64,
    /// The revision of the room's timeline, 0 as long as there is none.
    pub revision: u64,
    /// Everything else it said.
    pub whole: Value,
}

impl Player {
    /// Asks the plugin how the player stands in its room.
    ///
    /// # Errors
    /// When there is no plugin or it does not answer.
    pub fn room_status(&self) -> Result<RoomStatus, Error> {
        self.command(&json!(["script-message-to", "playsync", "status"]))?;
        let words = self.script_message("playsync-status", PATIENCE)?;
        let whole: Value =
            words.first().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let is_connected = whole["connected"].as_bool().unwrap_or(false);
        let peers = whole["peers"].as_array().map_or(0, |peers| peers.len() as u64 + 1);
        let revision = whole["revision"].as_u64().unwrap_or(0);
        Ok(RoomStatus { is_connected, peers, revision, whole })
    }

    /// Whether the player has met `count - 1` others and the room has a timeline.
    ///
    /// # Errors
    /// When there is no plugin or it does not answer.
    pub fn has_joined(&self, count: usize) -> Result<bool, Error> {
        let status = self.room_status()?;
        Ok(status.peers == count as u64 && status.revision > 0)
    }
}
