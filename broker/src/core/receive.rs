//! Bytes that come in: the packets among them, and whose they are to handle.

use mqtt_protocol::{
    DecodeError, Packet, PacketType, RawPacket, Split, Version, named_version, split,
};

use super::connection::State;
use super::session::SessionId;
use super::time::Instant;
use super::{ConnectionId, Core, Received, protocol_error};

impl Core {
    /// Bytes have come in: the packets at their front are handled.
    pub fn receive(&mut self, from: ConnectionId, bytes: &[u8], now: Instant) -> Received {
        self.pressed = None;
        let allowance = self.allowance(from, now);
        let mut left = allowance;
        let (consumed, needed) = self.receive_packets(from, bytes, &mut left, now);
        self.tally.bytes_received += consumed as u64;
        let resumes_at = self.measure(from, [allowance, left], consumed, now);
        Received { consumed, needed, is_held: self.hold(from, resumes_at, now) }
    }

    fn receive_packets(
        &mut self,
        from: ConnectionId,
        bytes: &[u8],
        allowance: &mut u32,
        now: Instant,
    ) -> (usize, usize) {
        let mut consumed = 0;
        while let Some((version, maximum)) = self.terms(from) {
            match split(version, &bytes[consumed..], maximum) {
                Ok(Split::Packet(packet)) => {
                    self.handle_packet(from, &packet, now);
                    consumed += packet.bytes().len();
                    *allowance -= u32::from(is_request(packet.packet_type()));
                    if self.pressed.is_some() || *allowance == 0 {
                        return (consumed, usize::MAX);
                    }
                }
                Ok(Split::Incomplete { .. })
                    if !self.may_begin(from, bytes[consumed..].first()) =>
                {
                    self.close(from);
                }
                Ok(Split::Incomplete { needed }) => return (consumed, needed),
                Err(error) => {
                    self.note_version(from, &bytes[consumed..]);
                    self.fail(from, error, now);
                }
            }
        }
        if self.state(from) == Some(State::Checking) {
            return (consumed, usize::MAX);
        }
        // Nothing is processed behind the packet that closed the connection. [MQTT-3.1.4-6]
        (bytes.len(), usize::MAX)
    }

    /// Whether a packet that begins like this is one the client may send; nothing but a CONNECT is
    /// worth waiting for at first. [MQTT-3.1.0-1]
    fn may_begin(&self, from: ConnectionId, first: Option<&u8>) -> bool {
        let connect = PacketType::Connect as u8;
        self.state(from) != Some(State::Handshake) || first.is_none_or(|&it| it >> 4 == connect)
    }

    /// Notes how a client wants to be spoken to that has failed to connect.
    fn note_version(&mut self, from: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.connection(from)
            && connection.state == State::Handshake
            && let Some(version) = named_version(bytes)
        {
            connection.version = version;
        }
    }

    /// The form of the packets the connection may send now, and their size in bytes; none while
    /// it is closing.
    fn terms(&self, id: ConnectionId) -> Option<(Version, usize)> {
        let limits = &self.config.limits;
        let connection = self.connections.get(id.index())?;
        let maximum = match self.state(id)? {
            State::Handshake | State::Authenticating => limits.maximum_connect_size,
            State::Open(_) => limits.maximum_packet_size as usize,
            State::Checking | State::Closing => return None,
        };
        Some((connection.version, maximum))
    }

    /// A packet has come in. It is a sign of life, as half a packet is not. [MQTT-3.1.2-22]
    fn handle_packet(&mut self, from: ConnectionId, packet: &RawPacket<'_>, now: Instant) {
        self.keeping.begin_packet();
        let Some(connection) = self.connection(from) else { return };
        connection.last_heard = now;
        let handled = match connection.state {
            State::Open(session) => self.handle_exchange(from, session, packet, now),
            State::Handshake => self.handle_first_packet(from, packet, now),
            State::Authenticating => {
                packet.read().and_then(|packet| self.handle_before_connack(from, &packet, now))
            }
            State::Checking | State::Closing => Ok(()),
        };
        if let Err(error) = handled {
            self.note_version(from, packet.bytes());
            self.fail(from, error, now);
        }
    }

    fn handle_first_packet(
        &mut self,
        from: ConnectionId,
        packet: &RawPacket<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        match packet.read()? {
            Packet::Connect(connect) => self.handle_connect(from, &connect, now),
            // [MQTT-3.1.0-1]
            _ => drop(self.close(from)),
        }
        Ok(())
    }

    /// Messages and the steps of their exchanges, nearly all there is, take the short way.
    fn handle_exchange(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        packet: &RawPacket<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        match packet.packet_type() {
            PacketType::Publish => self.handle_publish(from, session, packet, now)?,
            PacketType::PubAck => self.handle_puback(session, &packet.read_ack()?, now),
            PacketType::PubRec => self.handle_pubrec(from, session, &packet.read_ack()?, now),
            PacketType::PubRel => self.handle_pubrel(from, session, &packet.read_ack()?),
            PacketType::PubComp => self.handle_pubcomp(session, &packet.read_ack()?, now),
            _ => self.handle_request(from, session, &packet.read()?, now)?,
        }
        Ok(())
    }

    fn handle_request(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        packet: &Packet<'_>,
        now: Instant,
    ) -> Result<(), DecodeError> {
        match packet {
            Packet::Subscribe(subscribe) => {
                self.handle_subscribe(from, session, subscribe, now)?;
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.handle_unsubscribe(from, session, unsubscribe)?;
            }
            // [MQTT-3.12.4-1]
            Packet::PingReq => self.answer(from, &Packet::PingResp),
            Packet::Disconnect(disconnect) => {
                self.handle_disconnect(from, session, disconnect, now)?;
            }
            Packet::Auth(auth) => self.handle_auth(from, auth, now)?,
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => return Err(protocol_error("a second CONNECT")),
            _ => return Err(protocol_error("a packet that only a server sends")),
        }
        Ok(())
    }
}

/// Whether a packet is not an acknowledgement, which others have caused.
fn is_request(packet_type: PacketType) -> bool {
    use PacketType::{PubAck, PubComp, PubRec, PubRel};
    !matches!(packet_type, PubAck | PubRec | PubRel | PubComp)
}
