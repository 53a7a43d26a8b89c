//! Properties: their values, the macro that makes a struct per packet type, user properties.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use crate::wire::{Reader, prefixed_length, put_prefixed, put_varint, varint_length};
use crate::{Binary, DecodeError, MaximumQoS, ReasonCode, Text, TopicName, Version};

/// A type that is the value of a property.
pub(crate) trait Value<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
    fn length(&self) -> usize;
    fn write(&self, out: &mut Vec<u8>);
}

/// The properties of one packet type.
pub(crate) trait Properties<'a>: Sized + Default {
    /// Reads a property block with its length; an absent one is empty.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// The length of the properties in bytes, without the length in front.
    fn length(&self) -> usize;

    /// Writes the properties, without the length in front.
    fn write(&self, out: &mut Vec<u8>);

    /// Writes the properties behind their length, also when there are none, if the version has
    /// properties. [MQTT-2.2.2-1]
    fn write_block(&self, version: Version, out: &mut Vec<u8>) {
        if version.has_properties() {
            put_varint(out, self.length());
            self.write(out);
        }
    }

    /// The length of what `write_block` writes.
    fn block_length(&self, version: Version) -> usize {
        if !version.has_properties() {
            return 0;
        }
        let length = self.length();
        varint_length(length) + length
    }
}

/// Makes the property struct of one packet type, with one optional field per property.
///
/// User Properties may stand in every packet that has properties, so each struct has
/// them. What else a packet needs, it takes from the block itself with `read_with`.
macro_rules! properties {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $id:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
            /// Names and values of the program's own, in order.
            pub user_properties: $crate::property::UserProperties<'a>,
        }

        impl<'a> $name<'a> {
            /// Reads a block; `extra` takes the properties that it says `true` for.
            pub(crate) fn read_with(
                reader: &mut $crate::wire::Reader<'a>,
                mut extra: impl FnMut(u8, &mut $crate::wire::Reader<'a>) -> Result<bool, $crate::DecodeError>,
            ) -> Result<Self, $crate::DecodeError> {
                if !reader.version().has_properties() {
                    return Ok(Self::default());
                }
                let length = reader.varint()?;
                let block = reader.take(length)?;
                let mut properties = Self::default();
                let mut reader = $crate::wire::Reader::new(block);
                while !reader.is_empty() {
                    match reader.u8()? {
                        $($id => $crate::property::read_once(&mut properties.$field, &mut reader)?,)*
                        $crate::property::USER_PROPERTY => {
                            properties.user_properties.read_next(block, &mut reader)?;
                        }
                        id => if !extra(id, &mut reader)? {
                            return Err($crate::DecodeError::malformed("a property that this packet does not have"));
                        }
                    }
                }
                Ok(properties)
            }
        }

        impl<'a> $crate::property::Properties<'a> for $name<'a> {
            fn read(reader: &mut $crate::wire::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                Self::read_with(reader, |_, _| Ok(false))
            }

            fn length(&self) -> usize {
                0 $(+ $crate::property::length(&self.$field))* + self.user_properties.encoded_length()
            }

            fn write(&self, out: &mut Vec<u8>) {
                $($crate::property::write($id, &self.$field, out);)*
                self.user_properties.write(out);
            }
        }
    };
}
pub(crate) use properties;

/// Reads a property that may stand only once.
pub(crate) fn read_once<'a, T: Value<'a>>(
    field: &mut Option<T>,
    reader: &mut Reader<'a>,
) -> Result<(), DecodeError> {
    if field.is_some() {
        return Err(DecodeError::protocol("a property stands twice"));
    }
    *field = Some(T::read(reader)?);
    Ok(())
}

pub(crate) fn length<'a, T: Value<'a>>(field: &Option<T>) -> usize {
    field.as_ref().map_or(0, |value| 1 + value.length())
}

pub(crate) fn write<'a, T: Value<'a>>(id: u8, field: &Option<T>, out: &mut Vec<u8>) {
    if let Some(value) = field {
        out.push(id);
        value.write(out);
    }
}

impl<'a> Value<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::protocol("a property that is 0 or 1 is neither")),
        }
    }

    fn length(&self) -> usize {
        1
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<'a> Value<'a> for u16 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u16()
    }

    fn length(&self) -> usize {
        2
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl<'a> Value<'a> for u32 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.u32()
    }

    fn length(&self) -> usize {
        4
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl<'a> Value<'a> for NonZeroU16 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::new(reader.u16()?).ok_or(DecodeError::protocol("a property that may not be 0 is 0"))
    }

    fn length(&self) -> usize {
        2
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.get().write(out);
    }
}

impl<'a> Value<'a> for NonZeroU32 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::new(reader.u32()?).ok_or(DecodeError::protocol("a property that may not be 0 is 0"))
    }

    fn length(&self) -> usize {
        4
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.get().write(out);
    }
}

impl<'a> Value<'a> for Text<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.text()
    }

    fn length(&self) -> usize {
        prefixed_length(self.as_bytes())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_prefixed(out, self.as_bytes());
    }
}

impl<'a> Value<'a> for Binary<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.binary()
    }

    fn length(&self) -> usize {
        prefixed_length(self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_prefixed(out, self);
    }
}

/// A Response Topic. [MQTT-3.3.2-13] [MQTT-3.3.2-14]
impl<'a> Value<'a> for TopicName<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::from_text(reader.text()?)
            .map_err(|_| DecodeError::malformed("the response topic is no topic name"))
    }

    fn length(&self) -> usize {
        prefixed_length(self.as_bytes())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_prefixed(out, self.as_bytes());
    }
}

impl<'a> Value<'a> for MaximumQoS {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            _ => Err(DecodeError::protocol("a Maximum QoS other than 0 or 1")),
        }
    }

    fn length(&self) -> usize {
        1
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

/// The number a client gave a subscription, to know it by in what it receives: 1 to 268,435,455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionIdentifier(NonZeroU32);

impl SubscriptionIdentifier {
    /// The identifier with this number, if it is in range.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) if number.get() <= crate::wire::MAXIMUM_VARINT as u32 => {
                Some(Self(number))
            }
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl<'a> Value<'a> for SubscriptionIdentifier {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let number = reader.varint()?;
        Self::new(number as u32).ok_or(DecodeError::protocol("a Subscription Identifier of 0"))
    }

    fn length(&self) -> usize {
        varint_length(self.number() as usize)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.number() as usize);
    }
}

/// A number that stands for a topic name on one connection, in one direction; never 0.
/// [MQTT-3.3.2-8]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicAlias(NonZeroU16);

impl TopicAlias {
    /// The alias with this number, unless it is 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl<'a> Value<'a> for TopicAlias {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::new(reader.u16()?).ok_or(DecodeError {
            reason: ReasonCode::TopicAliasInvalid,
            detail: "a Topic Alias of 0",
        })
    }

    fn length(&self) -> usize {
        2
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
}

pub(crate) const USER_PROPERTY: u8 = 0x26;
pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;

/// The User Properties of one packet, in their order, left in the property block where they are.
///
/// To make some, fill a [`UserPropertyList`] and take its [`view`](UserPropertyList::view).
#[derive(Clone, Copy, Default)]
pub struct UserProperties<'a> {
    /// A block whose properties were all checked.
    block: &'a [u8],
    /// How many bytes of the block are User Properties.
    encoded_length: usize,
}

impl<'a> UserProperties<'a> {
    /// None at all.
    pub const NONE: UserProperties<'static> = UserProperties { block: &[], encoded_length: 0 };

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.encoded_length == 0
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let block = if self.is_empty() { &[] } else { self.block };
        RawProperties(Reader::new(block)).filter_map(|(id, value)| {
            let mut pair = Reader::new(value);
            (id == USER_PROPERTY)
                .then(|| Some((pair.text().ok()?.as_str(), pair.text().ok()?.as_str())))?
        })
    }

    /// Checks one pair and counts it in. [MQTT-1.5.7-1]
    pub(crate) fn read_next(
        &mut self,
        block: &'a [u8],
        reader: &mut Reader<'a>,
    ) -> Result<(), DecodeError> {
        let (name, value) = (reader.text()?, reader.text()?);
        self.block = block;
        self.encoded_length += 1 + name.length() + value.length();
        Ok(())
    }

    pub(crate) const fn encoded_length(&self) -> usize {
        self.encoded_length
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.encoded_length == self.block.len() {
            return out.extend_from_slice(self.block);
        }
        for (name, value) in self.iter() {
            write_user_property(out, name, value);
        }
    }
}

fn write_user_property(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(USER_PROPERTY);
    put_prefixed(out, name.as_bytes());
    put_prefixed(out, value.as_bytes());
}

impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.encoded_length == other.encoded_length && self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

impl fmt::Debug for UserProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// User Properties to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPropertyList(Vec<u8>);

impl UserPropertyList {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a pair at the end; the same name may stand any number of times.
    pub fn push(&mut self, name: Text<'_>, value: Text<'_>) {
        write_user_property(&mut self.0, name.as_str(), value.as_str());
    }

    /// The list as a packet takes it.
    pub const fn view(&self) -> UserProperties<'_> {
        UserProperties { block: self.0.as_slice(), encoded_length: self.0.len() }
    }
}

/// The Subscription Identifiers in a PUBLISH, left in the property block where they are.
#[derive(Clone, Copy, Default)]
pub struct SubscriptionIdentifiers<'a> {
    block: &'a [u8],
    encoded_length: usize,
}

impl<'a> SubscriptionIdentifiers<'a> {
    /// None at all.
    pub const NONE: SubscriptionIdentifiers<'static> =
        SubscriptionIdentifiers { block: &[], encoded_length: 0 };

    /// Writes identifiers into `scratch` in the form a packet takes.
    pub fn encode(
        identifiers: impl IntoIterator<Item = SubscriptionIdentifier>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        for identifier in identifiers {
            write(SUBSCRIPTION_IDENTIFIER, &Some(identifier), scratch);
        }
        Self { block: scratch, encoded_length: scratch.len() }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.encoded_length == 0
    }

    /// The identifiers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = SubscriptionIdentifier> + use<'a> {
        let block = if self.is_empty() { &[] } else { self.block };
        RawProperties(Reader::new(block)).filter_map(|(id, value)| {
            let mut value = Reader::new(value);
            (id == SUBSCRIPTION_IDENTIFIER)
                .then(|| SubscriptionIdentifier::read(&mut value).ok())?
        })
    }

    pub(crate) fn read_next(
        &mut self,
        block: &'a [u8],
        reader: &mut Reader<'a>,
    ) -> Result<(), DecodeError> {
        let identifier = SubscriptionIdentifier::read(reader)?;
        self.block = block;
        self.encoded_length += 1 + identifier.length();
        Ok(())
    }

    pub(crate) const fn encoded_length(&self) -> usize {
        self.encoded_length
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for identifier in self.iter() {
            write(SUBSCRIPTION_IDENTIFIER, &Some(identifier), out);
        }
    }
}

impl PartialEq for SubscriptionIdentifiers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscriptionIdentifiers<'_> {}

impl fmt::Debug for SubscriptionIdentifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(SubscriptionIdentifier::number)).finish()
    }
}

/// Walks over a checked property block: the identifier and the value's bytes of each.
struct RawProperties<'a>(Reader<'a>);

impl<'a> RawProperties<'a> {
    fn read(&mut self) -> Result<(u8, &'a [u8]), DecodeError> {
        let id = self.0.u8()?;
        let value = self.0.rest();
        match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => self.0.u8().map(drop)?,
            0x13 | 0x21..=0x23 => self.0.u16().map(drop)?,
            0x02 | 0x11 | 0x18 | 0x27 => self.0.u32().map(drop)?,
            SUBSCRIPTION_IDENTIFIER => self.0.varint().map(drop)?,
            USER_PROPERTY => {
                self.0.binary()?;
                self.0.binary()?;
            }
            _ => self.0.binary().map(drop)?,
        }
        let length = value.len() - self.0.rest().len();
        Ok((id, value.split_at(length).0))
    }
}

impl<'a> Iterator for RawProperties<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        self.read().ok()
    }
}
