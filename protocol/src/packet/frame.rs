//! A PUBLISH as bytes that many receivers share; what differs is patched into their copies.

use super::publish::first_byte;
use crate::{Delivery, EncodeError, Publish, PublishTopic, Version};

/// The bytes of a PUBLISH that names its topic and says nothing that is for one receiver alone,
/// but for QoS, RETAIN and Packet Identifier, which every copy has of its own.
#[derive(Clone, Copy, Debug)]
pub struct PublishFrame<B> {
    bytes: B,
    form: Form,
    /// Behind fixed header and topic name.
    packet_id_at: usize,
}

/// What cannot be patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    has_properties: bool,
    has_packet_id: bool,
}

impl Form {
    const fn new(version: Version, delivery: Delivery) -> Self {
        let has_packet_id = !matches!(delivery, Delivery::AtMostOnce);
        Self { has_properties: version.has_properties(), has_packet_id }
    }
}

impl<B: AsRef<[u8]>> PublishFrame<B> {
    /// The packet that was read from `bytes`, or encoded into them; none if others could not be
    /// sent the same.
    pub fn new(version: Version, publish: &Publish<'_>, bytes: B) -> Option<Self> {
        let PublishTopic::Name(name) = publish.topic else { return None };
        if !publish.subscription_identifiers.is_empty() {
            return None;
        }
        let fixed_header =
            2 + bytes.as_ref().iter().skip(1).take_while(|&&byte| byte >= 0x80).count();
        Some(Self {
            bytes,
            form: Form::new(version, publish.delivery),
            packet_id_at: fixed_header + 2 + name.len(),
        })
    }

    /// Whether a copy for such a delivery can be made.
    pub fn serves(&self, version: Version, delivery: Delivery) -> bool {
        self.form == Form::new(version, delivery)
    }

    /// The bytes it was made of.
    pub fn into_bytes(self) -> B {
        self.bytes
    }

    /// Appends a copy to `out` if it is not larger than `maximum` bytes.
    ///
    /// # Errors
    /// It is larger; `out` is then as it was.
    pub fn append(
        &self,
        delivery: Delivery,
        retain: bool,
        maximum: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let bytes = self.bytes.as_ref();
        if bytes.len() > maximum {
            return Err(EncodeError::TooLarge);
        }
        let start = out.len();
        out.extend_from_slice(bytes);
        let copy = &mut out[start..];
        copy[0] = first_byte(delivery, retain);
        if let Some(packet_id) = delivery.packet_id() {
            let field = &mut copy[self.packet_id_at..][..2];
            field.copy_from_slice(&packet_id.number().to_be_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoded, Packet, PacketId, SubscriptionIdentifiers, TopicAlias, TopicName};

    fn publish(delivery: Delivery, payload: &[u8]) -> Publish<'_> {
        let topic = TopicName::new("a/b").unwrap();
        let mut publish = Publish { delivery, ..Publish::at_most_once(topic, payload) };
        publish.properties.message_expiry_interval = Some(9);
        publish
    }

    fn qos_1(number: u16, duplicate: bool) -> Delivery {
        Delivery::AtLeastOnce { packet_id: PacketId::new(number).unwrap(), duplicate }
    }

    /// Copies differ from their frame in DUP, QoS, RETAIN and Packet Identifier alone, whatever
    /// the length of the fixed header. [MQTT-3.3.1-3]
    #[test]
    fn copies_decode_to_the_same_message() {
        for version in [Version::V3_1_1, Version::V5_0] {
            for size in [0, 100, 1000, 100_000] {
                let payload = vec![7; size];
                let original = publish(qos_1(1, true), &payload);
                let mut bytes = Vec::new();
                Packet::Publish(original.clone())
                    .encode_as(version, usize::MAX, &mut bytes)
                    .unwrap();
                let frame = PublishFrame::new(version, &original, &bytes).unwrap();
                let packet_id = PacketId::new(0x1234).unwrap();
                let delivery = Delivery::ExactlyOnce { packet_id, duplicate: false };
                assert!(frame.serves(version, delivery));
                let mut copy = Vec::new();
                frame.append(delivery, true, usize::MAX, &mut copy).unwrap();
                let expected = Publish { delivery, retain: true, ..original.clone() };
                let mut encoded = Vec::new();
                Packet::Publish(expected).encode_as(version, usize::MAX, &mut encoded).unwrap();
                assert_eq!(copy, encoded);
            }
        }
    }

    #[test]
    fn deliveries_of_another_form_are_not_served() {
        let original = publish(Delivery::AtMostOnce, b"x");
        let mut bytes = Vec::new();
        Packet::Publish(original.clone()).encode(&mut bytes).unwrap();
        let frame = PublishFrame::new(Version::V5_0, &original, &bytes).unwrap();
        assert!(frame.serves(Version::V5_0, Delivery::AtMostOnce));
        assert!(!frame.serves(Version::V3_1_1, Delivery::AtMostOnce));
        assert!(!frame.serves(Version::V5_0, qos_1(1, false)));
    }

    /// [MQTT-3.1.2-24]
    #[test]
    fn too_large_copies_leave_nothing_behind() {
        let original = publish(Delivery::AtMostOnce, b"x");
        let mut bytes = Vec::new();
        Packet::Publish(original.clone()).encode(&mut bytes).unwrap();
        let frame = PublishFrame::new(Version::V5_0, &original, &bytes).unwrap();
        let mut out = Vec::new();
        let appended = frame.append(Delivery::AtMostOnce, false, bytes.len() - 1, &mut out);
        assert_eq!((appended, out.len()), (Err(EncodeError::TooLarge), 0));
    }

    /// An alias means something on one connection only. [MQTT-3.3.2-7]
    #[test]
    fn what_is_for_one_receiver_makes_no_frame() {
        let mut original = publish(Delivery::AtMostOnce, b"x");
        original.topic = PublishTopic::Alias(TopicAlias::new(1).unwrap());
        assert!(PublishFrame::new(Version::V5_0, &original, []).is_none());
        let mut scratch = Vec::new();
        let mut original = publish(Delivery::AtMostOnce, b"x");
        let identifier = crate::SubscriptionIdentifier::new(1);
        original.subscription_identifiers =
            SubscriptionIdentifiers::encode(identifier, &mut scratch);
        assert!(PublishFrame::new(Version::V5_0, &original, []).is_none());
    }

    #[test]
    fn decoded_packets_make_frames() {
        let mut bytes = Vec::new();
        Packet::Publish(publish(Delivery::AtMostOnce, b"x")).encode(&mut bytes).unwrap();
        let Ok(Decoded::Packet { packet: Packet::Publish(read), .. }) = crate::decode(&bytes, 99)
        else {
            panic!("it is a PUBLISH")
        };
        let frame = PublishFrame::new(Version::V5_0, &read, &bytes).unwrap();
        let mut copy = Vec::new();
        frame.append(Delivery::AtMostOnce, false, usize::MAX, &mut copy).unwrap();
        assert_eq!(copy, bytes);
    }
}
