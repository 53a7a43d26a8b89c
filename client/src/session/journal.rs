//! The journal: what of a session outlives the process, as records that are appended to a file.
//!
//! ```text
//!  MESSAGE ──► SENT ──PUBREC──► RELEASED ──► DONE      a message of ours, by its key
//!     └──────────┴────────────────────────────▲
//!  HELD ──PUBREL──► FREE                               a QoS 2 message of the server's, by its id
//! ```
//!
//! `docs/session-file.md` describes the format. Each record has a length, a checksum and a kind; what
//! is not understood is refused as a whole, because half a session would lose or repeat messages. Only
//! the last record may be cut off: the process, or the machine, ended while it was written.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_protocol::delivery::Stage;
use mqtt_protocol::{Binary, PacketId, QoS, Text, TopicName};

use crate::message::Properties;
use crate::{Draft, Error, ErrorKind, Message, Moment, OwnedText};

/// What the file begins with: a name and the version of the format.
pub(crate) const HEADER: &[u8; 12] = b"MQTTSESS\x01\0\0\0";

const CLIENT: u8 = 1;
const MESSAGE: u8 = 2;
const SENT: u8 = 3;
const RELEASED: u8 = 4;
const DONE: u8 = 5;
const HELD: u8 = 6;
const FREE: u8 = 7;
const LOST: u8 = 8;

/// Records that are to be appended to the file.
#[derive(Debug)]
pub(crate) struct Journal {
    records: Vec<u8>,
    last_key: u64,
    clock: WallClock,
}

/// How wall time follows from monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallClock {
    /// A moment.
    pub(crate) now: Moment,
    /// Milliseconds of Unix time at that moment.
    pub(crate) unix_millis: u64,
}

impl WallClock {
    fn millis(self, at: Moment) -> u64 {
        let millis = |moment: Moment| moment.as_nanos() / 1_000_000;
        (self.unix_millis + millis(at)).saturating_sub(millis(self.now))
    }
}

/// What a file has kept.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    pub(super) client_id: OwnedText,
    /// Whether the server has a session that is to go on.
    pub(super) is_kept: bool,
    /// By key, which is their order.
    pub(super) messages: BTreeMap<u64, SavedMessage>,
    /// QoS 2 messages of the server's that were answered with PUBREC.
    pub(super) held: BTreeSet<PacketId>,
}

#[derive(Debug)]
pub(super) struct SavedMessage {
    pub(super) message: Message,
    /// When its lifetime began, in Unix time.
    unix_millis: u64,
    /// Under which identifier it was sent, and what the server owes.
    pub(super) sent: Option<(PacketId, Stage)>,
}

impl SavedMessage {
    /// Counts down the lifetime by what has passed since.
    pub(super) fn age(&mut self, clock: WallClock) {
        let secs = clock.unix_millis.saturating_sub(self.unix_millis) / 1000;
        let secs = u32::try_from(secs).unwrap_or(u32::MAX);
        if let Some(properties) = &mut self.message.properties
            && let Some(expiry) = &mut properties.expiry_secs
        {
            *expiry = expiry.saturating_sub(secs);
        }
    }
}

impl Journal {
    /// A journal that goes on after what was saved.
    pub(crate) fn new(saved: &Saved, clock: WallClock) -> Self {
        let last_key = saved.messages.last_key_value().map_or(0, |(key, _)| *key);
        Self { records: Vec::new(), last_key, clock }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes the records that were made.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    /// Who the client is, and whether the server keeps its session.
    pub(super) fn client(&mut self, id: &OwnedText, is_kept: bool) {
        self.record(CLIENT, |body| {
            body.push(is_kept.into());
            put_text(body, id.as_str());
        });
    }

    /// A message that the program has published.
    pub(super) fn message(&mut self, key: u64, draft: &Draft<'_>, since: Moment) {
        let unix_millis = self.clock.millis(since);
        self.record(MESSAGE, |body| {
            body.extend_from_slice(&key.to_le_bytes());
            body.extend_from_slice(&unix_millis.to_le_bytes());
            put_message(body, draft);
        });
    }

    /// A message was begun to be sent.
    pub(super) fn sent(&mut self, key: u64, packet_id: PacketId) {
        self.record(SENT, |body| {
            body.extend_from_slice(&key.to_le_bytes());
            put_id(body, packet_id);
        });
    }

    /// The server has taken a QoS 2 message over.
    pub(super) fn released(&mut self, key: u64) {
        self.record(RELEASED, |body| body.extend_from_slice(&key.to_le_bytes()));
    }

    /// A message has had its outcome.
    pub(super) fn done(&mut self, key: u64) {
        self.record(DONE, |body| body.extend_from_slice(&key.to_le_bytes()));
    }

    /// A QoS 2 message of the server's is answered with PUBREC.
    pub(super) fn held(&mut self, packet_id: PacketId) {
        self.record(HELD, |body| put_id(body, packet_id));
    }

    /// Its PUBREL has come.
    pub(super) fn free(&mut self, packet_id: PacketId) {
        self.record(FREE, |body| put_id(body, packet_id));
    }

    /// The server has lost its session; messages are to be sent as if they never had been.
    pub(super) fn lost(&mut self) {
        self.record(LOST, |_| {});
    }

    fn record(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.records.len();
        self.records.extend_from_slice(&[0; 8]);
        self.records.push(kind);
        write(&mut self.records);
        let (head, content) = self.records.split_at_mut(start + 8);
        let length = content.len() as u32;
        let head = head.split_at_mut(start).1;
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&checksum(content).to_le_bytes());
    }
}

impl Saved {
    /// Reads a file. Tells how long the part of it is that is whole.
    ///
    /// # Errors
    /// It is no such file, of another version, or damaged.
    pub(crate) fn read(file: &[u8]) -> Result<(Self, usize), Error> {
        let mut saved = Self::default();
        if file.is_empty() {
            return Ok((saved, 0));
        }
        let Some(mut rest) = file.strip_prefix(HEADER) else {
            return Err(match file.starts_with(b"MQTTSESS") && file.len() >= HEADER.len() {
                true => refused("the session file is of another version of its format"),
                false => refused("this is no session file"),
            });
        };
        while !rest.is_empty() {
            let Some((content, after)) = next_record(rest)? else { break };
            saved.apply(content).ok_or(refused("the session file has a record out of place"))?;
            rest = after;
        }
        Ok((saved, file.len() - rest.len()))
    }

    fn apply(&mut self, content: &[u8]) -> Option<()> {
        let mut body = Reader(content);
        match body.byte()? {
            CLIENT => {
                self.is_kept = body.flag()?;
                self.client_id = body.owned_text()?;
            }
            MESSAGE => {
                let (key, unix_millis) = (body.u64()?, body.u64()?);
                let message = body.message()?;
                self.messages.insert(key, SavedMessage { message, unix_millis, sent: None });
            }
            SENT => {
                let message = self.messages.get_mut(&body.u64()?)?;
                let stage = match message.message.qos {
                    QoS::AtMostOnce => return None,
                    QoS::AtLeastOnce => Stage::AwaitPubAck,
                    QoS::ExactlyOnce => Stage::AwaitPubRec,
                };
                message.sent = Some((body.id()?, stage));
            }
            RELEASED => {
                let (_, stage) = self.messages.get_mut(&body.u64()?)?.sent.as_mut()?;
                *stage = Stage::AwaitPubComp;
            }
            DONE => drop(self.messages.remove(&body.u64()?)?),
            HELD => drop(self.held.insert(body.id()?)),
            FREE => drop(self.held.remove(&body.id()?)),
            LOST => {
                self.held.clear();
                self.messages.values_mut().for_each(|message| message.sent = None);
            }
            _ => return None,
        }
        body.0.is_empty().then_some(())
    }
}

fn refused(detail: &'static str) -> Error {
    Error::new(ErrorKind::Store, detail)
}

/// A record's kind and content, and what follows it.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The first record; `None` if it is cut off and nothing follows.
fn next_record(rest: &[u8]) -> Result<Option<Record<'_>>, Error> {
    // Some file systems end a file with zeros that was not written to its end.
    if rest.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let mut head = Reader(rest);
    let (Some(length), Some(expected)) = (head.u32(), head.u32()) else { return Ok(None) };
    let Some((content, after)) = head.0.split_at_checked(length as usize) else {
        return Ok(None);
    };
    if checksum(content) == expected && !content.is_empty() {
        return Ok(Some((content, after)));
    }
    match after.iter().all(|&byte| byte == 0) {
        true => Ok(None),
        false => Err(refused("the session file is damaged")),
    }
}

/// CRC-32 as in Ethernet and zip.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = value >> 1 ^ if value & 1 == 1 { 0xEDB8_8320 } else { 0 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, &byte| sum >> 8 ^ TABLE[((sum ^ u32::from(byte)) & 0xFF) as usize])
}

fn put_id(body: &mut Vec<u8>, packet_id: PacketId) {
    body.extend_from_slice(&packet_id.number().to_le_bytes());
}

/// All text that comes here stands in packets, so it has at most 65,535 bytes.
fn put_text(body: &mut Vec<u8>, text: &str) {
    put_short(body, text.as_bytes());
}

fn put_short(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    body.extend_from_slice(bytes);
}

fn put_option<T>(body: &mut Vec<u8>, option: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    body.push(option.is_some().into());
    if let Some(value) = option {
        put(body, value);
    }
}

fn put_message(body: &mut Vec<u8>, draft: &Draft<'_>) {
    let nothing = Properties::default();
    let properties = draft.properties.unwrap_or(&nothing);
    body.extend_from_slice(&[draft.qos as u8, draft.retain.into()]);
    put_text(body, draft.topic.as_str());
    body.extend_from_slice(&(draft.payload.len() as u32).to_le_bytes());
    body.extend_from_slice(draft.payload);
    body.push(properties.payload_is_utf8.into());
    put_option(body, properties.expiry_secs, |body, secs| {
        body.extend_from_slice(&secs.to_le_bytes());
    });
    put_option(body, properties.content_type.as_ref(), |body, text| put_text(body, text.as_str()));
    put_option(body, properties.response_topic.as_ref(), |body, text| {
        put_text(body, text.as_str());
    });
    put_option(body, properties.correlation.as_deref(), put_short);
    body.extend_from_slice(&(properties.user.len() as u32).to_le_bytes());
    for (name, value) in &properties.user {
        put_text(body, name.as_str());
        put_text(body, value.as_str());
    }
}

/// What is left of a record.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<PacketId> {
        PacketId::new(self.array().map(u16::from_le_bytes)?)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u16::from_le_bytes)?;
        self.bytes(length.into())
    }

    fn text(&mut self) -> Option<Text<'a>> {
        Text::new(str::from_utf8(self.short()?).ok()?).ok()
    }

    fn owned_text(&mut self) -> Option<OwnedText> {
        self.text().map(OwnedText::from)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    fn message(&mut self) -> Option<Message> {
        let qos = QoS::new(self.byte()?)?;
        let retain = self.flag()?;
        let topic = TopicName::new(self.text()?.as_str()).ok()?;
        let length = self.u32()?;
        let payload = self.bytes(length as usize)?;
        let mut properties = Properties {
            payload_is_utf8: self.flag()?,
            expiry_secs: self.option(Self::u32)?,
            content_type: self.option(Self::owned_text)?,
            ..Properties::default()
        };
        if let Some(topic) = self.option(Self::text)? {
            properties.set_response_topic(topic.as_str()).ok()?;
        }
        let correlation = self.option(|body| Binary::new(body.short()?).ok())?;
        properties.correlation = correlation.map(|data| data.as_bytes().into());
        for _ in 0..self.u32()? {
            properties.user.push((self.owned_text()?, self.owned_text()?));
        }
        let properties = Some(&properties).filter(|it| **it != Properties::default());
        let draft = Draft { qos, retain, properties, ..Draft::new(topic, payload) };
        Some(draft.to_message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> WallClock {
        WallClock { now: Moment::from_nanos(5_000_000_000), unix_millis: 1_000_000 }
    }

    fn journal() -> Journal {
        Journal::new(&Saved::default(), clock())
    }

    fn file(journal: &mut Journal) -> Vec<u8> {
        [&HEADER[..], &journal.take()].concat()
    }

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn message(qos: QoS) -> Message {
        let mut message = Message::new("a/b", b"pay\0load").unwrap();
        message.qos = qos;
        message.retain = true;
        let properties = message.properties_mut();
        properties.payload_is_utf8 = true;
        properties.expiry_secs = Some(100);
        properties.content_type = Some(OwnedText::new("text/plain").unwrap());
        properties.set_response_topic("answer").unwrap();
        properties.set_correlation(&[0, 1]).unwrap();
        properties.add_user("name", "value").unwrap();
        message
    }

    #[test]
    fn what_was_recorded_is_read_again() {
        let mut journal = journal();
        let original = message(QoS::ExactlyOnce);
        journal.client(&OwnedText::new("ann").unwrap(), true);
        for key in 1..=4 {
            journal.message(key, &original.draft(), clock().now);
            journal.sent(key, id(key as u16 + 10));
        }
        journal.released(2);
        journal.done(3);
        journal.held(id(7));
        journal.held(id(8));
        journal.free(id(7));
        let file = file(&mut journal);
        let (saved, whole) = Saved::read(&file).unwrap();
        assert_eq!((whole, saved.client_id.as_str(), saved.is_kept), (file.len(), "ann", true));
        assert_eq!(saved.held.iter().copied().collect::<Vec<_>>(), [id(8)]);
        let sent: Vec<_> = saved.messages.iter().map(|(key, it)| (*key, it.sent)).collect();
        let expected = [
            (1, Some((id(11), Stage::AwaitPubRec))),
            (2, Some((id(12), Stage::AwaitPubComp))),
            (4, Some((id(14), Stage::AwaitPubRec))),
        ];
        assert_eq!(sent, expected);
        let read = &saved.messages[&1].message;
        assert_eq!(format!("{read:?}"), format!("{original:?}"));
        assert_eq!(Journal::new(&saved, clock()).next_key(), 5);
    }

    #[test]
    fn lifetimes_go_on_while_nobody_looks() {
        let mut journal = journal();
        journal.message(1, &message(QoS::AtLeastOnce).draft(), clock().now);
        let (mut saved, _) = Saved::read(&file(&mut journal)).unwrap();
        let kept = saved.messages.get_mut(&1).unwrap();
        kept.age(WallClock { unix_millis: 1_030_999, ..clock() });
        assert_eq!(kept.message.properties.as_ref().unwrap().expiry_secs, Some(70));
    }

    #[test]
    fn a_lost_session_leaves_messages_that_were_never_sent() {
        let mut journal = journal();
        journal.message(1, &message(QoS::AtLeastOnce).draft(), clock().now);
        journal.sent(1, id(1));
        journal.held(id(2));
        journal.lost();
        let (saved, _) = Saved::read(&file(&mut journal)).unwrap();
        assert!(saved.held.is_empty() && saved.messages[&1].sent.is_none());
    }

    #[test]
    fn a_file_that_ends_too_early_has_what_is_whole() {
        let mut journal = journal();
        journal.held(id(1));
        let whole = HEADER.len() + journal.records.len();
        journal.held(id(2));
        let file = file(&mut journal);
        for length in whole..file.len() {
            let (saved, used) = Saved::read(&file[..length]).unwrap();
            assert_eq!((saved.held.len(), used), (1, whole));
        }
        let zeros = [&file[..whole], &[0; 50]].concat();
        assert_eq!(Saved::read(&zeros).unwrap().1, whole);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut journal = journal();
        journal.held(id(1));
        journal.free(id(1));
        let good = file(&mut journal);
        let mut damaged = good.clone();
        damaged[HEADER.len() + 9] ^= 1;
        let mut newer = good.clone();
        newer[8] = 2;
        journal.record(99, |_| {});
        let unknown = file(&mut journal);
        journal.done(1);
        let out_of_place = file(&mut journal);
        journal.record(HELD, |body| body.extend_from_slice(&[1, 0, 0]));
        let too_long = file(&mut journal);
        for (file, detail) in [
            (&damaged[..], "damaged"),
            (&newer, "another version"),
            (b"anything else", "no session file"),
            (b"MQTT", "no session file"),
            (&unknown, "out of place"),
            (&out_of_place, "out of place"),
            (&too_long, "out of place"),
        ] {
            let error = Saved::read(file).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Store);
            assert!(error.message.contains(detail), "{error}");
        }
    }

    /// Whatever is changed in a file, reading it ends well or in a refusal.
    #[test]
    fn no_damage_makes_it_panic() {
        let mut journal = journal();
        journal.client(&OwnedText::new("ann").unwrap(), true);
        journal.message(1, &message(QoS::AtLeastOnce).draft(), clock().now);
        journal.sent(1, id(1));
        let good = file(&mut journal);
        for index in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[index] ^= 1 << bit;
                let _ = Saved::read(&changed);
            }
            // As if the checksum were right.
            let mut saved = Saved::default();
            let _ = saved.apply(&good[index..]);
        }
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }
}
