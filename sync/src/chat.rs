//! What viewers write to each other.

use crate::message::{self, Chat};
use crate::{Engine, Output, Publish, notice};

/// A line that nobody has read for an hour is worth nothing.
const CHAT_EXPIRY_SECS: u32 = 3_600;

impl Engine {
    /// Sends a line to everybody in the room, and gives it back to be shown.
    pub(crate) fn send_chat(&mut self, text: &str) {
        let text = message::chat_text(text);
        if text.is_empty() {
            return;
        }
        if !self.membership.is_connected() {
            return self.out.push_back(notice::unsent());
        }
        let chat = Chat { name: self.name.clone(), text };
        self.out.push_back(Output::Publish(Publish {
            channel: format!("chat/{}", self.id),
            json: message::write(&chat),
            must_arrive: true,
            is_retained: false,
            expiry_secs: CHAT_EXPIRY_SECS,
        }));
        self.out.push_back(Output::Chat { name: chat.name, text: chat.text, is_own: true });
    }

    /// Somebody wrote a line.
    pub(crate) fn chat_arrived(&mut self, id: &str, json: &[u8]) -> Result<(), String> {
        if id == self.id || json.is_empty() {
            return Ok(());
        }
        let Chat { name, text } = message::read_chat(json)?;
        let name = if name.is_empty() { self.people.name(id).to_owned() } else { name };
        if !text.is_empty() {
            self.out.push_back(Output::Chat { name, text, is_own: false });
        }
        Ok(())
    }
}
