//! What holds whatever comes, tried on bytes made up at random.
//!
//! A failure prints the seed that finds it again: `PROPTEST_RNG_SEED=… cargo test`. The same
//! laws are what the fuzz targets in `fuzz/` try to break, with more patience.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::hash::{BuildHasher, RandomState};

use mqtt_protocol::{Decoded, Version, decode};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed, TestRunner};

#[path = "support/codec.rs"]
mod codec;
#[path = "support/deliveries.rs"]
mod deliveries;
#[path = "support/packets.rs"]
mod packets;
#[path = "support/source.rs"]
mod source;
#[path = "support/topics.rs"]
mod topics;
#[path = "support/wire.rs"]
mod wire;

/// Tries the law on many values, and shows the simplest that breaks it.
fn hold<T: Strategy>(values: T, law: impl Fn(T::Value)) {
    let mut config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(RandomState::new().hash_one("seed"));
    }
    let seed = config.rng_seed;
    let outcome = TestRunner::new(config).run(&values, |value| {
        law(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}\n{error}");
    }
}

/// Bytes from all there are, small ones and letters being more likely.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = |number: u16| match (number % 3, (number / 3) as u8) {
        (0, byte) => byte % 16,
        (1, byte) => b'a' + byte % 8,
        (_, byte) => byte,
    };
    vec(any::<u16>(), 0..length).prop_map(move |numbers| numbers.into_iter().map(byte).collect())
}

#[test]
fn any_packet_is_read_as_it_was_written() {
    hold(bytes(400), |bytes| packets::with_packet(&bytes, codec::check_packet));
}

#[test]
fn any_bytes_are_a_packet_or_the_beginning_of_one_or_an_error() {
    hold(bytes(60), |bytes| codec::check_bytes(&bytes));
}

/// The remaining length is right, so that it is the body that is tried.
#[test]
fn any_body_is_a_packet_or_an_error() {
    hold((1..16_u8, 0..16_u8, bytes(60)), |(kind, flags, body)| {
        let bytes = wire::packet(kind << 4 | flags, &body);
        assert!(!matches!(decode(&bytes, usize::MAX), Ok(Decoded::Incomplete { .. })));
        codec::check_bytes(&bytes);
    });
}

#[test]
fn any_packet_with_a_byte_changed_is_a_packet_or_an_error() {
    hold((bytes(200), any::<usize>(), any::<u8>()), |(recipe, place, byte)| {
        let mut written = Vec::new();
        packets::with_packet(&recipe, |packet| packet.encode(&mut written).unwrap());
        let place = place % written.len();
        written[place] = byte;
        codec::check_bytes(&written);
    });
}

#[test]
fn any_body_of_an_older_version_is_a_packet_or_an_error() {
    hold((1..16_u8, 0..16_u8, bytes(40)), |(kind, flags, body)| {
        let bytes = wire::packet(kind << 4 | flags, &body);
        for version in [Version::V3_1, Version::V3_1_1] {
            codec::check_bytes_as(version, &bytes);
        }
    });
}

/// Bytes arrive in pieces of any size; the packets are the same.
#[test]
fn any_split_of_the_bytes_gives_the_same_packets() {
    let recipes = vec(bytes(100), 1..6);
    hold((recipes, vec(1..40_usize, 1..20)), |(recipes, pieces)| {
        let sent = recipes.iter().map(|recipe| {
            let mut written = Vec::new();
            packets::with_packet(recipe, |packet| packet.encode(&mut written).unwrap());
            written
        });
        let sent: Vec<_> = sent.collect();
        let stream = sent.concat();
        let mut pieces = pieces.into_iter().cycle();

        let (mut received, mut buffer, mut rest) = (Vec::new(), Vec::new(), stream.as_slice());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(pieces.next().unwrap().min(rest.len()));
            rest = behind;
            buffer.extend_from_slice(piece);
            while let Decoded::Packet { packet, length } = decode(&buffer, usize::MAX).unwrap() {
                let mut written = Vec::new();
                packet.encode(&mut written).unwrap();
                received.push(written);
                buffer.drain(..length);
            }
        }
        assert_eq!(received, sent);
        assert!(buffer.is_empty());
    });
}

/// [MQTT-3.3.2-17] [MQTT-3.3.2-18]
#[test]
fn properties_of_a_message_outlive_storage() {
    hold(bytes(60), |block| codec::check_properties(&block));
    hold(bytes(300), |recipe| {
        let mut written = Vec::new();
        packets::with_packet(&recipe, |packet| {
            if let mqtt_protocol::Packet::Publish(publish) = packet {
                publish.properties.to_bytes(&mut written);
            }
        });
        let length_bytes = written.iter().take_while(|&&byte| byte >= 128).count() + 1;
        codec::check_properties(written.get(length_bytes..).unwrap_or_default());
    });
}

/// [MQTT-4.7.0-1] [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-1] [MQTT-4.7.3-4]
/// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn filters_match_as_the_naive_matcher_says() {
    let parts = || vec(any::<u8>(), 0..8);
    hold((parts(), parts()), |(filter, name)| {
        topics::check(&topics::text(&filter), &topics::text(&name));
    });
    // A filter made of the name's own parts, some of them replaced, matches more often.
    hold((parts(), vec(0..5_u8, 8)), |(parts, replace)| {
        let name = topics::text(&parts);
        let levels = name.split('/').zip(replace.into_iter().cycle());
        let filter = levels.map(|(level, replace)| match replace {
            0 => "+".to_owned(),
            1 => "#".to_owned(),
            2 => level.to_uppercase(),
            _ => level.to_owned(),
        });
        let filter: Vec<_> = filter.collect();
        topics::check(&filter.join("/"), &name);
    });
}

/// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-3.3.4-7] [MQTT-3.3.4-9] [MQTT-4.3.3-1] [MQTT-4.3.3-3]
/// [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
#[test]
fn a_senders_queue_does_what_its_model_does() {
    hold(bytes(200), |bytes| deliveries::check_outgoing(&bytes));
}

/// [MQTT-3.3.1-1] [MQTT-3.3.4-8] [MQTT-3.3.4-10] [MQTT-4.3.2-2] [MQTT-4.3.2-5] [MQTT-4.3.3-2]
/// [MQTT-4.3.3-6] [MQTT-4.3.3-9] [MQTT-4.3.3-10] [MQTT-4.3.3-12] [MQTT-4.4.0-1] [MQTT-4.4.0-2]
#[test]
fn messages_come_once_whatever_connections_break() {
    hold(bytes(300), |bytes| deliveries::check_conversation(&bytes));
}
