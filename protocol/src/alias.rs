//! Topic aliases: the receiver's table and the sender's choice.

use std::collections::HashMap;

use crate::{DecodeError, OwnedTopicName, PublishTopic, ReasonCode, TopicAlias, TopicName};

/// The aliases the peer has defined on one connection. [MQTT-3.3.2-7]
#[derive(Debug, Default)]
pub struct ReceivedAliases {
    names: Vec<Option<OwnedTopicName>>,
    maximum: u16,
}

impl ReceivedAliases {
    /// No alias yet, and at most `maximum` of them, as was announced to the peer.
    pub const fn new(maximum: u16) -> Self {
        Self { names: Vec::new(), maximum }
    }

    /// The name a received PUBLISH means; a definition is remembered.
    /// [MQTT-3.3.2-10] [MQTT-3.3.2-12]
    ///
    /// # Errors
    /// The alias is above the maximum, or was not defined.
    pub fn resolve<'a>(
        &'a mut self,
        topic: PublishTopic<'a>,
    ) -> Result<TopicName<'a>, DecodeError> {
        match topic {
            PublishTopic::Name(name) => Ok(name),
            PublishTopic::Define(name, alias) => {
                self.define(alias, name)?;
                Ok(name)
            }
            PublishTopic::Alias(alias) => self.name(alias),
        }
    }

    fn define(&mut self, alias: TopicAlias, name: TopicName<'_>) -> Result<(), DecodeError> {
        if alias.number() > self.maximum {
            return Err(invalid("a topic alias above the maximum"));
        }
        let index = usize::from(alias.number()) - 1;
        if self.names.len() <= index {
            self.names.resize(index + 1, None);
        }
        self.names[index] = Some(name.into());
        Ok(())
    }

    fn name(&self, alias: TopicAlias) -> Result<TopicName<'_>, DecodeError> {
        if alias.number() > self.maximum {
            return Err(invalid("a topic alias above the maximum"));
        }
        let name = self.names.get(usize::from(alias.number()) - 1).and_then(Option::as_ref);
        name.map(OwnedTopicName::name).ok_or(DecodeError::protocol("an unknown topic alias"))
    }
}

fn invalid(detail: &'static str) -> DecodeError {
    DecodeError { reason: ReasonCode::TopicAliasInvalid, detail }
}

/// The aliases this end has defined on one connection. [MQTT-3.3.2-7]
///
/// Aliases go to the topics that come first; when all are given away, further topics are
/// sent by name.
#[derive(Debug, Default)]
pub struct SentAliases {
    aliases: HashMap<Box<str>, TopicAlias>,
    maximum: u16,
}

impl SentAliases {
    /// No alias yet, and at most `maximum` of them, which is what the peer accepts.
    /// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-9]
    /// [MQTT-3.3.2-11]
    pub fn new(maximum: u16) -> Self {
        Self { aliases: HashMap::new(), maximum }
    }

    /// How to name the topic in the next PUBLISH. The answer must be sent, or undone with
    /// [`forget`](Self::forget).
    pub fn choose<'a>(&mut self, name: TopicName<'a>) -> PublishTopic<'a> {
        if self.maximum == 0 {
            return PublishTopic::Name(name);
        }
        if let Some(&alias) = self.aliases.get(name.as_str()) {
            return PublishTopic::Alias(alias);
        }
        let given = u16::try_from(self.aliases.len()).unwrap_or(u16::MAX);
        match TopicAlias::new(given.saturating_add(1)).filter(|_| given < self.maximum) {
            Some(alias) => {
                self.aliases.insert(name.as_str().into(), alias);
                PublishTopic::Define(name, alias)
            }
            None => PublishTopic::Name(name),
        }
    }

    /// Takes back the latest definition, because its PUBLISH could not be sent.
    pub fn forget(&mut self, topic: PublishTopic<'_>) {
        if let PublishTopic::Define(name, _) = topic {
            self.aliases.remove(name.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> TopicName<'_> {
        TopicName::new(name).unwrap()
    }

    fn alias(number: u16) -> TopicAlias {
        TopicAlias::new(number).unwrap()
    }

    /// [MQTT-3.3.2-10] [MQTT-3.3.2-12]
    #[test]
    fn aliases_up_to_the_maximum_are_understood() {
        let mut received = ReceivedAliases::new(10);
        for number in (1..=10).rev() {
            let topic = format!("topic/{number}");
            received.resolve(PublishTopic::Define(name(&topic), alias(number))).unwrap();
        }
        let resolved = received.resolve(PublishTopic::Alias(alias(10))).unwrap();
        assert_eq!(resolved, name("topic/10"));
        received.resolve(PublishTopic::Define(name("new"), alias(10))).unwrap();
        assert_eq!(received.resolve(PublishTopic::Alias(alias(10))).unwrap(), name("new"));
    }

    #[test]
    fn unknown_aliases_and_those_above_the_maximum_are_invalid() {
        let mut received = ReceivedAliases::new(2);
        for (topic, reason) in [
            (PublishTopic::Alias(alias(1)), ReasonCode::ProtocolError),
            (PublishTopic::Alias(alias(3)), ReasonCode::TopicAliasInvalid),
            (PublishTopic::Define(name("a"), alias(3)), ReasonCode::TopicAliasInvalid),
        ] {
            assert_eq!(received.resolve(topic).unwrap_err().reason, reason);
        }
    }

    /// [MQTT-3.1.2-26] [MQTT-3.2.2-17] [MQTT-3.3.2-9] [MQTT-3.3.2-11]
    #[test]
    fn topics_beyond_the_maximum_are_sent_by_name() {
        let mut sent = SentAliases::new(1);
        assert_eq!(sent.choose(name("a")), PublishTopic::Define(name("a"), alias(1)));
        assert_eq!(sent.choose(name("a")), PublishTopic::Alias(alias(1)));
        assert_eq!(sent.choose(name("b")), PublishTopic::Name(name("b")));
    }

    /// [MQTT-3.1.2-27] [MQTT-3.2.2-18]
    #[test]
    fn a_peer_without_a_maximum_gets_no_alias() {
        assert_eq!(SentAliases::default().choose(name("a")), PublishTopic::Name(name("a")));
    }
}
