//! The beginning of a connection: CONNECT, CONNACK, and what becomes of the session.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_protocol::{
    ConnAck, ConnAckProperties, Connect, ConnectProperties, DecodeError, Text, Will, WillProperties,
};

use super::connection::can_heal;
use super::*;
use crate::message::{owned_pairs, user_property_list};

/// The largest packet there can be, in bytes; who accepts it need not say so.
const LARGEST_PACKET: u32 = 1 + 4 + 268_435_455;

impl Session {
    pub(super) fn send_connect(&mut self) {
        match self.begin_authentication() {
            None => self.send_connect_with(None),
            Some(data) => {
                let data = Binary::new(data.as_bytes()).unwrap_or_default();
                self.send_connect_with(Text::new(scram::NAME).ok().map(|method| (method, data)));
            }
        }
    }

    /// Sends CONNECT with an authentication method and what it begins with.
    pub(super) fn send_connect_with(&mut self, proof: Option<(Text<'_>, Binary<'_>)>) {
        // What SCRAM proves takes the place of the password, and says who it is.
        let is_open = self.authentication.is_none();
        let options = &self.options;
        let user_properties = user_property_list(&options.user_properties);
        let connect = Connect {
            clean_start: self.memory == Memory::Fresh,
            keep_alive_secs: options.keep_alive_secs,
            version: options.version,
            properties: ConnectProperties {
                session_expiry_interval: Some(options.session_expiry_secs).filter(|&secs| secs > 0),
                receive_maximum: Some(options.receive_maximum),
                maximum_packet_size: Some(options.maximum_packet_size)
                    .filter(|size| size.get() < LARGEST_PACKET),
                topic_alias_maximum: Some(options.received_aliases).filter(|&count| count > 0),
                authentication_method: proof.map(|(method, _)| method),
                authentication_data: proof
                    .map(|(_, data)| data)
                    .filter(|data| !data.as_bytes().is_empty()),
                user_properties: user_properties.view(),
                ..ConnectProperties::default()
            },
            client_id: self.client_id.as_text(),
            will: None,
            user_name: options.user_name.as_ref().filter(|_| is_open).map(OwnedText::as_text),
            password: options
                .password
                .as_deref()
                .filter(|_| is_open)
                .and_then(|password| Binary::new(password).ok()),
        };
        let Some(will) = &options.will else {
            let _ = Packet::Connect(connect).encode(self.outbox.bytes());
            return;
        };
        let nothing = crate::Properties::default();
        let properties = will.message.properties.as_deref().unwrap_or(&nothing);
        let user_properties = user_property_list(&properties.user);
        let published = properties.publish_properties(properties.expiry_secs, &user_properties);
        let will = Will {
            qos: will.message.qos,
            retain: will.message.retain,
            properties: WillProperties {
                will_delay_interval: Some(will.delay_secs).filter(|&secs| secs > 0),
                payload_format_indicator: published.payload_format_indicator,
                message_expiry_interval: published.message_expiry_interval,
                content_type: published.content_type,
                response_topic: published.response_topic,
                correlation_data: published.correlation_data,
                user_properties: published.user_properties,
            },
            topic: will.message.topic(),
            payload: Binary::new(will.message.payload()).unwrap_or_default(),
        };
        let connect = Connect { will: Some(will), ..connect };
        let _ = Packet::Connect(connect).encode(self.outbox.bytes());
    }

    /// Takes the answer to CONNECT.
    pub(super) fn handle_connack(
        &mut self,
        connack: &ConnAck<'_>,
        now: Moment,
    ) -> Result<(), DecodeError> {
        let properties = &connack.properties;
        // [MQTT-4.13.2-1]
        if connack.reason != ReasonCode::Success {
            let reference = properties.server_reference.map(OwnedText::from);
            let detail = properties.reason_string.map(Text::as_str);
            let is_sent_on = self.redirect(connack.reason, reference);
            let ending = Ending {
                is_final: !(can_heal(connack.reason) || is_sent_on.is_some()),
                is_sent_on,
                user_properties: owned_pairs(properties.user_properties.iter()),
                ..Ending::lost(false, Error::refused(connack.reason, detail))
            };
            self.end(ending, now);
            return Ok(());
        }
        // A session that this end does not remember cannot be gone on with. [MQTT-3.2.2-4]
        if connack.session_present && self.memory != Memory::Kept {
            // The next attempt would find it again, unless it is to be thrown away.
            let is_final = self.memory == Memory::Unknown;
            self.refuse(violation("a session is present that is not ours"), is_final, now);
            return Ok(());
        }
        if self.trusts(connack, now)? {
            self.accept(connack, now);
        }
        Ok(())
    }

    fn accept(&mut self, connack: &ConnAck<'_>, now: Moment) {
        let properties = &connack.properties;
        let limits = Limits::granted(&self.options, properties);
        // [MQTT-3.2.2-16]
        if let Some(assigned) = properties.assigned_client_identifier
            && self.client_id.as_str().is_empty()
        {
            self.client_id = assigned.into();
        }
        self.counts.reconnects += u64::from(self.limits.is_some());
        self.connected_at = now;
        self.limits = Some(limits);
        let is_kept = limits.session_expiry_secs > 0;
        self.remember(if is_kept { Memory::Kept } else { Memory::Fresh });
        self.phase = Phase::Connected;
        self.servers.connected();
        // The server's keep alive takes the place of ours. [MQTT-3.1.2-21] [MQTT-3.2.2-21]
        self.keep_alive = KeepAlive::new(limits.keep_alive_secs, now);
        let event = Event::Connected {
            session_present: connack.session_present,
            user_properties: owned_pairs(properties.user_properties.iter()),
        };
        self.events.push(event);
        self.log(LogLevel::Information, || "connected".to_owned());
        self.begin_connection(limits, connack.session_present, now);
    }

    /// Sets all that belongs to one connection, and resumes or forgets the session.
    fn begin_connection(&mut self, limits: Limits, session_present: bool, now: Moment) {
        // Aliases live as long as their connection. [MQTT-3.3.2-7]
        self.sent_aliases = SentAliases::new(limits.topic_aliases.min(self.options.sent_aliases));
        self.received_aliases = ReceivedAliases::new(self.options.received_aliases);
        self.incoming.reconnect();
        // So it is after a clean start. [MQTT-3.1.2-4]
        if !session_present {
            self.forget_session();
        }
        let in_flight = limits.receive_maximum.min(self.options.maximum_in_flight.get());
        self.outgoing.reconnect(in_flight);
        self.resend_releases();
        self.resume_subscriptions(session_present, now);
        self.send_queued(now);
    }

    /// The server has no session, so what this end kept of it is void. [MQTT-3.2.2-5]
    fn forget_session(&mut self) {
        self.incoming = incoming(&self.options);
        self.acks.clear();
        if let Some(journal) = &mut self.journal {
            journal.lost();
        }
        self.requeue_in_flight();
    }
}

impl Limits {
    fn granted(options: &Options, properties: &ConnAckProperties<'_>) -> Self {
        Self {
            maximum_qos: properties.maximum_qos.map_or(QoS::ExactlyOnce, QoS::from),
            has_retain: properties.retain_available != Some(false),
            maximum_packet_size: properties.maximum_packet_size.map_or(u32::MAX, NonZeroU32::get),
            receive_maximum: properties.receive_maximum.map_or(u16::MAX, NonZeroU16::get),
            topic_aliases: properties.topic_alias_maximum.unwrap_or(0),
            keep_alive_secs: properties.server_keep_alive.unwrap_or(options.keep_alive_secs),
            session_expiry_secs: properties
                .session_expiry_interval
                .unwrap_or_else(|| session_expiry_secs(options)),
            has_wildcards: properties.wildcard_subscription_available != Some(false),
            has_shared_subscriptions: properties.shared_subscription_available != Some(false),
            has_subscription_identifiers: properties.subscription_identifiers_available
                != Some(false),
        }
    }
}

/// How long the session is kept if CONNACK does not say. Before version 5.0 the clean start says it.
fn session_expiry_secs(options: &Options) -> u32 {
    match options.version {
        Version::V5_0 => options.session_expiry_secs,
        _ if options.clean_start => 0,
        _ => u32::MAX,
    }
}
