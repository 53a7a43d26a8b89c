//! Any packet there is, made of any bytes.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_protocol::{
    Ack, Auth, AuthProperties, Binary, ConnAck, ConnAckProperties, Connect, ConnectProperties,
    Delivery, Disconnect, DisconnectProperties, MaximumQoS, Packet, PacketId, PacketType, Publish,
    PublishProperties, PublishTopic, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck,
    Subscribe, SubscribeProperties, Subscription, SubscriptionIdentifier, SubscriptionIdentifiers,
    Text, TopicAlias, TopicFilter, TopicName, Unsubscribe, UnsubscribeProperties, UserProperties,
    UserPropertyList, Will, WillProperties,
};

use crate::source::Source;

/// Shows the test the packet that these bytes make.
pub(crate) fn with_packet<R>(bytes: &[u8], test: impl FnOnce(Packet<'_>) -> R) -> R {
    let mut source = Source::new(bytes);
    let kind = PacketType::ALL[source.index(PacketType::ALL.len())];
    let lists = [user_properties(&mut source), user_properties(&mut source)];
    let mut scratch = Vec::new();
    let identifiers = list(&mut source, subscription_identifier);
    let identifiers = SubscriptionIdentifiers::encode(identifiers, &mut scratch);
    let [user_properties, will_user_properties] = lists.each_ref().map(UserPropertyList::view);
    let mut maker = Maker { source, user_properties, will_user_properties, identifiers };
    test(maker.packet(kind))
}

/// Up to seven of something.
fn list<'a, T>(source: &mut Source<'a>, value: fn(&mut Source<'a>) -> T) -> Vec<T> {
    (0..source.u8() % 8).map(|_| value(source)).collect()
}

fn user_properties(source: &mut Source<'_>) -> UserPropertyList {
    let mut list = UserPropertyList::new();
    for _ in 0..source.u8() % 8 {
        list.push(text(source), text(source));
    }
    list
}

fn subscription_identifier(source: &mut Source<'_>) -> SubscriptionIdentifier {
    SubscriptionIdentifier::new(source.u32() >> (4 + source.u8() % 28))
        .unwrap_or(SubscriptionIdentifier::new(1).unwrap())
}

fn text<'a>(source: &mut Source<'a>) -> Text<'a> {
    Text::new(source.text()).unwrap()
}

fn binary<'a>(source: &mut Source<'a>) -> Binary<'a> {
    Binary::new(source.bytes()).unwrap()
}

fn name<'a>(source: &mut Source<'a>) -> TopicName<'a> {
    let text = source.text().split(['+', '#']).next().unwrap_or_default();
    TopicName::new(text).unwrap_or(TopicName::new("room").unwrap())
}

fn filter<'a>(source: &mut Source<'a>) -> TopicFilter<'a> {
    let ready = ["#", "+", "/", "a/+/#", "$share/group/room/+"][source.index(5)];
    TopicFilter::new(source.text()).unwrap_or(TopicFilter::new(ready).unwrap())
}

fn qos(source: &mut Source<'_>) -> QoS {
    QoS::new(source.u8() % 3).unwrap()
}

fn packet_id(source: &mut Source<'_>) -> PacketId {
    PacketId::new(source.u16()).unwrap_or(PacketId::FIRST)
}

fn reason(source: &mut Source<'_>, kind: PacketType) -> ReasonCode {
    let codes: Vec<_> = ReasonCode::ALL.iter().filter(|code| code.may_stand_in(kind)).collect();
    *codes[source.index(codes.len())]
}

fn subscription<'a>(source: &mut Source<'a>) -> Subscription<'a> {
    let filter = filter(source);
    let handling = [RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
    Subscription {
        filter,
        maximum_qos: qos(source),
        no_local: source.bool() && filter.share_name().is_none(),
        retain_as_published: source.bool(),
        retain_handling: handling[source.index(3)],
    }
}

/// What goes into a packet, and where from.
struct Maker<'a> {
    source: Source<'a>,
    user_properties: UserProperties<'a>,
    will_user_properties: UserProperties<'a>,
    identifiers: SubscriptionIdentifiers<'a>,
}

impl<'a> Maker<'a> {
    fn packet(&mut self, kind: PacketType) -> Packet<'a> {
        match kind {
            PacketType::Connect => Packet::Connect(self.connect()),
            PacketType::ConnAck => Packet::ConnAck(self.connack()),
            PacketType::Publish => Packet::Publish(self.publish()),
            PacketType::PubAck => Packet::PubAck(self.ack(kind)),
            PacketType::PubRec => Packet::PubRec(self.ack(kind)),
            PacketType::PubRel => Packet::PubRel(self.ack(kind)),
            PacketType::PubComp => Packet::PubComp(self.ack(kind)),
            PacketType::Subscribe => Packet::Subscribe(self.subscribe()),
            PacketType::SubAck => Packet::SubAck(self.suback(kind)),
            PacketType::Unsubscribe => Packet::Unsubscribe(self.unsubscribe()),
            PacketType::UnsubAck => Packet::UnsubAck(self.suback(kind)),
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(self.disconnect()),
            PacketType::Auth => Packet::Auth(self.auth()),
        }
    }

    fn connect(&mut self) -> Connect<'a> {
        let source = &mut self.source;
        let authentication_method = source.option(text);
        let properties = ConnectProperties {
            session_expiry_interval: source.option(Source::u32),
            receive_maximum: NonZeroU16::new(source.u16()),
            maximum_packet_size: NonZeroU32::new(source.u32()),
            topic_alias_maximum: source.option(Source::u16),
            request_response_information: source.option(Source::bool),
            request_problem_information: source.option(Source::bool),
            authentication_method,
            authentication_data: authentication_method.and_then(|_| source.option(binary)),
            user_properties: self.user_properties,
        };
        Connect {
            version: mqtt_protocol::Version::V5_0,
            clean_start: self.source.bool(),
            keep_alive_secs: self.source.u16(),
            properties,
            client_id: text(&mut self.source),
            will: self.source.bool().then(|| self.will()),
            user_name: self.source.option(text),
            password: self.source.option(binary),
        }
    }

    fn will(&mut self) -> Will<'a> {
        let source = &mut self.source;
        Will {
            qos: qos(source),
            retain: source.bool(),
            properties: WillProperties {
                will_delay_interval: source.option(Source::u32),
                payload_format_indicator: source.option(Source::bool),
                message_expiry_interval: source.option(Source::u32),
                content_type: source.option(text),
                response_topic: source.option(name),
                correlation_data: source.option(binary),
                user_properties: self.will_user_properties,
            },
            topic: name(source),
            payload: binary(source),
        }
    }

    fn connack(&mut self) -> ConnAck<'a> {
        let source = &mut self.source;
        let reason = reason(source, PacketType::ConnAck);
        let authentication_method = source.option(text);
        ConnAck {
            session_present: source.bool() && reason == ReasonCode::Success,
            reason,
            properties: ConnAckProperties {
                session_expiry_interval: source.option(Source::u32),
                receive_maximum: NonZeroU16::new(source.u16()),
                maximum_qos: MaximumQoS::below(qos(source)),
                retain_available: source.option(Source::bool),
                maximum_packet_size: NonZeroU32::new(source.u32()),
                assigned_client_identifier: source.option(text),
                topic_alias_maximum: source.option(Source::u16),
                reason_string: source.option(text),
                wildcard_subscription_available: source.option(Source::bool),
                subscription_identifiers_available: source.option(Source::bool),
                shared_subscription_available: source.option(Source::bool),
                server_keep_alive: source.option(Source::u16),
                response_information: source.option(text),
                server_reference: source.option(text),
                authentication_method,
                authentication_data: authentication_method.and_then(|_| source.option(binary)),
                user_properties: self.user_properties,
            },
        }
    }

    fn publish(&mut self) -> Publish<'a> {
        let source = &mut self.source;
        let (packet_id, duplicate) = (packet_id(source), source.bool());
        let alias = TopicAlias::new(source.u16());
        Publish {
            delivery: match qos(source) {
                QoS::AtMostOnce => Delivery::AtMostOnce,
                QoS::AtLeastOnce => Delivery::AtLeastOnce { packet_id, duplicate },
                QoS::ExactlyOnce => Delivery::ExactlyOnce { packet_id, duplicate },
            },
            retain: source.bool(),
            topic: match alias {
                Some(alias) if source.bool() => PublishTopic::Alias(alias),
                Some(alias) => PublishTopic::Define(name(source), alias),
                None => PublishTopic::Name(name(source)),
            },
            properties: PublishProperties {
                payload_format_indicator: source.option(Source::bool),
                message_expiry_interval: source.option(Source::u32),
                content_type: source.option(text),
                response_topic: source.option(name),
                correlation_data: source.option(binary),
                user_properties: self.user_properties,
            },
            subscription_identifiers: self.identifiers,
            payload: source.bytes(),
        }
    }

    fn ack(&mut self, kind: PacketType) -> Ack<'a> {
        Ack {
            packet_id: packet_id(&mut self.source),
            reason: reason(&mut self.source, kind),
            properties: self.reason_properties(),
        }
    }

    fn reason_properties(&mut self) -> ReasonProperties<'a> {
        ReasonProperties {
            reason_string: self.source.option(text),
            user_properties: self.user_properties,
        }
    }

    fn subscribe(&mut self) -> Subscribe<'a> {
        let first = subscription(&mut self.source);
        let mut subscriptions = list(&mut self.source, subscription);
        subscriptions.push(first);
        Subscribe {
            packet_id: packet_id(&mut self.source),
            properties: SubscribeProperties {
                subscription_identifier: self.identifiers.iter().next(),
                user_properties: self.user_properties,
            },
            subscriptions,
        }
    }

    fn suback(&mut self, kind: PacketType) -> SubAck<'a> {
        SubAck {
            packet_id: packet_id(&mut self.source),
            properties: self.reason_properties(),
            reasons: (0..=self.source.u8() % 8).map(|_| reason(&mut self.source, kind)).collect(),
        }
    }

    fn unsubscribe(&mut self) -> Unsubscribe<'a> {
        let first = filter(&mut self.source);
        let mut filters = list(&mut self.source, filter);
        filters.push(first);
        Unsubscribe {
            packet_id: packet_id(&mut self.source),
            properties: UnsubscribeProperties { user_properties: self.user_properties },
            filters,
        }
    }

    fn disconnect(&mut self) -> Disconnect<'a> {
        let source = &mut self.source;
        Disconnect {
            reason: reason(source, PacketType::Disconnect),
            properties: DisconnectProperties {
                session_expiry_interval: source.option(Source::u32),
                reason_string: source.option(text),
                server_reference: source.option(text),
                user_properties: self.user_properties,
            },
        }
    }

    fn auth(&mut self) -> Auth<'a> {
        let source = &mut self.source;
        if source.is_empty() {
            return Auth { reason: ReasonCode::Success, properties: AuthProperties::default() };
        }
        Auth {
            reason: reason(source, PacketType::Auth),
            properties: AuthProperties {
                authentication_method: Some(text(source)),
                authentication_data: source.option(binary),
                reason_string: source.option(text),
                user_properties: self.user_properties,
            },
        }
    }
}
