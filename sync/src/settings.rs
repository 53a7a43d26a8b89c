//! The room's rules: who starts the film, whether all wait for who buffers, what happens when somebody leaves.

use serde::{Deserialize, Serialize};

use crate::message::{self, Settings};
use crate::{Engine, Output, Publish, notice};

/// The rules of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Who lets a paused room run.
    #[serde(default)]
    pub start: StartRule,
    /// Whether the room waits for who buffers.
    #[serde(default)]
    pub wait: WaitRule,
    /// Whether the room pauses when somebody leaves.
    #[serde(default)]
    pub pause_on_leave: bool,
}

/// Who lets a paused room run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartRule {
    /// Everybody who is ready: it starts by itself once all are.
    AllReady,
    /// Anybody at any time.
    #[default]
    #[serde(other)]
    Anyone,
}

/// Whether the room waits for who buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitRule {
    /// Never: who falls behind catches up alone.
    None,
    /// For as long as it takes, however often.
    All,
    /// For half a minute, and for nobody more than three times in ten minutes.
    #[default]
    #[serde(other)]
    Soft,
}

impl Rules {
    /// The same with one rule changed, by its name and value in words; nothing when there is no such rule or value.
    pub fn with(self, rule: &str, value: &str) -> Option<Rules> {
        match (rule, value) {
            ("start", "anyone") => Some(Rules { start: StartRule::Anyone, ..self }),
            ("start", "all_ready") => Some(Rules { start: StartRule::AllReady, ..self }),
            ("wait", "none") => Some(Rules { wait: WaitRule::None, ..self }),
            ("wait", "soft") => Some(Rules { wait: WaitRule::Soft, ..self }),
            ("wait", "all") => Some(Rules { wait: WaitRule::All, ..self }),
            ("pause_on_leave", "yes") => Some(Rules { pause_on_leave: true, ..self }),
            ("pause_on_leave", "no") => Some(Rules { pause_on_leave: false, ..self }),
            _ => None,
        }
    }
}

impl Engine {
    /// Rules came from the room. Of two the greater (revision, peer) holds, as with timelines; when the room may be keeping
    /// the lesser, the author of the greater says it again.
    pub(crate) fn settings_arrived(&mut self, json: &[u8]) -> Result<(), String> {
        if json.is_empty() {
            return Ok(());
        }
        let new = message::read_settings(json)?;
        self.keeping.has_settings = true;
        let order = |settings: &Settings| (settings.revision, settings.peer.clone());
        if order(&new) > order(&self.settings) {
            if self.membership.is_settled() {
                let name = self.people.name(&new.peer);
                self.out.extend(notice::rules(name, self.settings.rules, new.rules));
            }
            self.settings = new;
        } else if order(&new) < order(&self.settings) && self.settings.peer == self.id {
            self.write_rules(self.settings.rules);
        }
        Ok(())
    }

    /// Changes one rule of the room.
    pub(crate) fn wish_for_rules(&mut self, rules: Rules) {
        if !self.membership.is_connected() {
            self.out.push_back(notice::unsent());
        } else if !self.membership.is_settled() {
            self.early_rules = Some(rules);
        } else if rules != self.settings.rules {
            self.out.extend(notice::rules("You", self.settings.rules, rules));
            self.write_rules(rules);
        }
    }

    /// The room is known: it may have kept no rules for peers that come with some, and the viewer may have set some since.
    pub(crate) fn bring_back_rules(&mut self) {
        let is_lost = !self.keeping.has_settings && self.settings.revision > 0;
        if is_lost && (self.settings.peer == self.id || self.people.rank_of(&self.id) == 0) {
            self.write_rules(self.settings.rules);
        }
        if let Some(rules) = self.early_rules.take() {
            self.wish_for_rules(rules);
        }
    }

    /// The room refused the rules of this peer: those of the others go on.
    pub(crate) fn forget_own_rules(&mut self) {
        if self.settings.peer == self.id {
            self.settings = self.others_settings.clone();
        }
    }

    fn write_rules(&mut self, rules: Rules) {
        if self.settings.peer != self.id {
            self.others_settings = self.settings.clone();
        }
        let revision = self.settings.revision + 1;
        self.settings = Settings { revision, peer: self.id.clone(), rules };
        self.out.push_back(Output::Publish(Publish {
            channel: "settings".to_owned(),
            json: message::write(&self.settings),
            must_arrive: true,
            is_retained: true,
            expiry_secs: 0,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_changed_by_words_and_unknown_words_change_nothing() {
        let rules = Rules::default().with("wait", "all").expect("known");
        let rules = rules.with("start", "all_ready").expect("known");
        assert_eq!(
            rules,
            Rules { start: StartRule::AllReady, wait: WaitRule::All, pause_on_leave: false }
        );
        assert_eq!(rules.with("wait", "forever"), None);
        assert_eq!(rules.with("mood", "good"), None);
    }

    #[test]
    fn rules_of_a_later_version_are_read_as_the_usual_ones() {
        let json = br#"{"version":1,"revision":3,"peer":"anna","start":"at_dawn","wait":"all"}"#;
        let settings = message::read_settings(json).expect("understood");
        assert_eq!(settings.rules, Rules { wait: WaitRule::All, ..Rules::default() });
    }
}
