//! The stored form of an item: read in place, written once, looked up without decoding the rest.
//!
//! ```text
//! item  = version, size as AWS counts it (varint), map
//! map   = count (varint), then for each attribute in order of names: name, value
//! value = tag, then for S, N, B: bytes with their length; for sets, L and M: length of the body (4 bytes), body
//! ```
//!
//! Every value has exactly one form (numbers as their canonical text, sets sorted, names in order), so two values are
//! equal exactly when their bytes are. Bytes come from the disk, so each step checks what it reads and says [`Corrupt`]
//! instead of guessing.

use crate::number::Number;
use crate::value::{AttributeValue, Item, Set, Type};
use std::cmp::Ordering;
use std::io::Write as _;

/// The first byte of the form written today.
const VERSION: u8 = 1;

mod tag {
    pub(super) const S: u8 = 1;
    pub(super) const N: u8 = 2;
    pub(super) const B: u8 = 3;
    pub(super) const FALSE: u8 = 4;
    pub(super) const TRUE: u8 = 5;
    pub(super) const NULL: u8 = 6;
    pub(super) const SS: u8 = 7;
    pub(super) const NS: u8 = 8;
    pub(super) const BS: u8 = 9;
    pub(super) const L: u8 = 10;
    pub(super) const M: u8 = 11;
}

/// Stored bytes that are not an item of a version this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored DynamoDB item is damaged or was written by a newer version")]
pub struct Corrupt;

/// Appends the stored form of an item.
pub fn encode(item: &Item, out: &mut Vec<u8>) {
    out.reserve(item.size() + item.len() * 4 + 8);
    out.push(VERSION);
    write_varint(out, item.size());
    write_map(item, out);
}

/// Appends the stored form of one value, as it stands inside an item.
pub fn encode_value(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) => write_bytes(out, tag::S, text.as_bytes()),
        AttributeValue::N(number) => {
            out.push(tag::N);
            write_number(out, *number);
        }
        AttributeValue::B(bytes) => write_bytes(out, tag::B, bytes),
        AttributeValue::Bool(false) => out.push(tag::FALSE),
        AttributeValue::Bool(true) => out.push(tag::TRUE),
        AttributeValue::Null => out.push(tag::NULL),
        AttributeValue::SS(set) => write_body(out, tag::SS, |out| {
            write_varint(out, set.members().len());
            set.members().iter().for_each(|text| write_counted(out, text.as_bytes()));
        }),
        AttributeValue::NS(set) => write_body(out, tag::NS, |out| {
            write_varint(out, set.members().len());
            set.members().iter().for_each(|number| write_number(out, *number));
        }),
        AttributeValue::BS(set) => write_body(out, tag::BS, |out| {
            write_varint(out, set.members().len());
            set.members().iter().for_each(|bytes| write_counted(out, bytes));
        }),
        AttributeValue::L(list) => write_body(out, tag::L, |out| {
            write_varint(out, list.len());
            list.iter().for_each(|value| encode_value(value, out));
        }),
        AttributeValue::M(map) => write_body(out, tag::M, |out| write_map(map, out)),
    }
}

fn write_map(map: &Item, out: &mut Vec<u8>) {
    write_varint(out, map.len());
    for (name, value) in map.iter() {
        write_counted(out, name.as_bytes());
        encode_value(value, out);
    }
}

fn write_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    write_counted(out, bytes);
}

fn write_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The text of a number with its length before it, which is known only afterwards: at most 170 bytes, so one or two of
/// varint. Numbers are short almost always, hence one is tried first.
fn write_number(out: &mut Vec<u8>, number: Number) {
    let start = out.len();
    out.push(0);
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
    let length = out.len() - start - 1;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out[start] = short,
        _ => {
            let text = out.split_off(start + 1);
            out.truncate(start);
            write_counted(out, &text);
        }
    }
}

fn write_body(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // An item weighs at most 400 KB and its form at most a few times that: 32 bits are plenty.
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A stored item, read in place.
#[derive(Debug, Clone, Copy)]
pub struct ItemRef<'a> {
    size: usize,
    map: MapRef<'a>,
}

impl<'a> ItemRef<'a> {
    /// Opens the stored form of an item.
    ///
    /// # Errors
    /// [`Corrupt`] when it is not one.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (&version, rest) = bytes.split_first().ok_or(Corrupt)?;
        if version != VERSION {
            return Err(Corrupt);
        }
        let mut cursor = Cursor(rest);
        let size = cursor.varint()?;
        Ok(Self { size, map: MapRef::open(cursor.0)? })
    }

    /// Bytes the item weighs by AWS's count.
    pub fn size(self) -> usize {
        self.size
    }

    /// The attributes.
    pub fn attributes(self) -> MapRef<'a> {
        self.map
    }

    /// Looks at every part of it, so that what reads it afterwards meets no damage.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn check(self) -> Result<(), Corrupt> {
        self.map.check()
    }

    /// The whole item, decoded.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn to_item(self) -> Result<Item, Corrupt> {
        self.map.to_item()
    }
}

/// A stored map, read in place.
#[derive(Debug, Clone, Copy)]
pub struct MapRef<'a> {
    count: usize,
    entries: &'a [u8],
}

impl<'a> MapRef<'a> {
    /// A map of nothing, for evaluating against an item that does not exist.
    pub const EMPTY: MapRef<'static> = MapRef { count: 0, entries: &[] };

    fn open(body: &'a [u8]) -> Result<Self, Corrupt> {
        let mut cursor = Cursor(body);
        let count = cursor.varint()?;
        Ok(Self { count, entries: cursor.0 })
    }

    /// How many attributes.
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The attributes in order of their names.
    pub fn iter(self) -> impl Iterator<Item = Result<(&'a str, ValueRef<'a>), Corrupt>> {
        let mut cursor = Cursor(self.entries);
        (0..self.count).map(move |_| Ok((cursor.text()?, cursor.value()?)))
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn get(self, name: &str) -> Result<Option<ValueRef<'a>>, Corrupt> {
        let mut cursor = Cursor(self.entries);
        for _ in 0..self.count {
            match cursor.counted()?.cmp(name.as_bytes()) {
                Ordering::Less => cursor.skip_value()?,
                Ordering::Equal => return cursor.value().map(Some),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    fn check(self) -> Result<(), Corrupt> {
        self.iter().try_for_each(|entry| entry?.1.check())
    }

    /// The whole map, decoded.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn to_item(self) -> Result<Item, Corrupt> {
        self.iter().map(|entry| entry.and_then(|(name, value)| Ok((name.to_owned(), value.to_value()?)))).collect()
    }
}

/// A stored list, read in place.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a> {
    count: usize,
    elements: &'a [u8],
}

impl<'a> ListRef<'a> {
    /// How many elements.
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The elements in order.
    pub fn iter(self) -> impl Iterator<Item = Result<ValueRef<'a>, Corrupt>> {
        let mut cursor = Cursor(self.elements);
        (0..self.count).map(move |_| cursor.value())
    }

    /// The element at an index.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn get(self, index: usize) -> Result<Option<ValueRef<'a>>, Corrupt> {
        if index >= self.count {
            return Ok(None);
        }
        let mut cursor = Cursor(self.elements);
        (0..index).try_for_each(|_| cursor.skip_value())?;
        cursor.value().map(Some)
    }
}

/// A stored set, read in place: the members as bytes (texts, numbers as text, or byte strings).
#[derive(Debug, Clone, Copy)]
pub struct SetRef<'a> {
    count: usize,
    members: &'a [u8],
}

impl<'a> SetRef<'a> {
    /// How many members; never none.
    pub fn len(self) -> usize {
        self.count
    }

    /// Never, for DynamoDB keeps no empty set.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The members in ascending order, as bytes.
    pub fn iter(self) -> impl Iterator<Item = Result<&'a [u8], Corrupt>> {
        let mut cursor = Cursor(self.members);
        (0..self.count).map(move |_| cursor.counted())
    }

    /// The members of a set of texts or numbers, as text.
    pub fn texts(self) -> impl Iterator<Item = Result<&'a str, Corrupt>> {
        self.iter().map(|member| member.and_then(|bytes| std::str::from_utf8(bytes).map_err(|_| Corrupt)))
    }

    /// Whether this is one of the members.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn contains(self, member: &[u8]) -> Result<bool, Corrupt> {
        for own in self.iter() {
            if own? == member {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A stored value, read in place.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Text.
    S(&'a str),
    /// Number, as its canonical text.
    N(&'a str),
    /// Bytes.
    B(&'a [u8]),
    /// Set of texts.
    SS(SetRef<'a>),
    /// Set of numbers.
    NS(SetRef<'a>),
    /// Set of byte strings.
    BS(SetRef<'a>),
    /// Map.
    M(MapRef<'a>),
    /// List.
    L(ListRef<'a>),
    /// Truth value.
    Bool(bool),
    /// Null.
    Null,
}

impl<'a> ValueRef<'a> {
    /// Opens the stored form of one value.
    ///
    /// # Errors
    /// [`Corrupt`] when it is not one, or something follows it.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let mut cursor = Cursor(bytes);
        let value = cursor.value()?;
        if cursor.0.is_empty() { Ok(value) } else { Err(Corrupt) }
    }

    /// Looks at every part of it. Texts are looked at as they are read.
    fn check(self) -> Result<(), Corrupt> {
        match self {
            Self::SS(set) | Self::NS(set) => set.texts().try_for_each(|text| text.map(drop)),
            Self::BS(set) => set.iter().try_for_each(|bytes| bytes.map(drop)),
            Self::M(map) => map.check(),
            Self::L(list) => list.iter().try_for_each(|value| value?.check()),
            Self::S(_) | Self::N(_) | Self::B(_) | Self::Bool(_) | Self::Null => Ok(()),
        }
    }

    /// Its type.
    pub fn kind(self) -> Type {
        match self {
            Self::S(_) => Type::S,
            Self::N(_) => Type::N,
            Self::B(_) => Type::B,
            Self::SS(_) => Type::SS,
            Self::NS(_) => Type::NS,
            Self::BS(_) => Type::BS,
            Self::M(_) => Type::M,
            Self::L(_) => Type::L,
            Self::Bool(_) => Type::Bool,
            Self::Null => Type::Null,
        }
    }

    /// Whether both are the same value: sets without regard to order, numbers by value.
    pub fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::S(a), Self::S(b)) | (Self::N(a), Self::N(b)) => a == b,
            (Self::B(a), Self::B(b)) => a == b,
            (Self::SS(a), Self::SS(b)) | (Self::NS(a), Self::NS(b)) | (Self::BS(a), Self::BS(b)) => {
                a.count == b.count && a.members == b.members
            }
            (Self::M(a), Self::M(b)) => a.count == b.count && a.entries == b.entries,
            (Self::L(a), Self::L(b)) => a.count == b.count && a.elements == b.elements,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Null, Self::Null) => true,
            _ => false,
        }
    }

    /// The order of two texts, numbers or byte strings; `None` for anything else.
    ///
    /// # Errors
    /// [`Corrupt`] when a stored number is none.
    pub fn compare(self, other: Self) -> Result<Option<Ordering>, Corrupt> {
        Ok(match (self, other) {
            (Self::S(a), Self::S(b)) => Some(a.cmp(b)),
            (Self::B(a), Self::B(b)) => Some(a.cmp(b)),
            (Self::N(a), Self::N(b)) => Some(parse_number(a)?.cmp(&parse_number(b)?)),
            _ => None,
        })
    }

    /// The value, decoded.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn to_value(self) -> Result<AttributeValue, Corrupt> {
        Ok(match self {
            Self::S(text) => AttributeValue::S(text.to_owned()),
            Self::N(text) => AttributeValue::N(parse_number(text)?),
            Self::B(bytes) => AttributeValue::B(bytes.to_vec()),
            Self::SS(set) => {
                let members = set.texts().map(|text| Ok(text?.to_owned())).collect::<Result<_, _>>()?;
                AttributeValue::SS(Set::new(members).ok_or(Corrupt)?)
            }
            Self::NS(set) => {
                let members = set.texts().map(|text| parse_number(text?)).collect::<Result<_, _>>()?;
                AttributeValue::NS(Set::new(members).ok_or(Corrupt)?)
            }
            Self::BS(set) => {
                let members = set.iter().map(|bytes| Ok(bytes?.to_vec())).collect::<Result<_, _>>()?;
                AttributeValue::BS(Set::new(members).ok_or(Corrupt)?)
            }
            Self::M(map) => AttributeValue::M(map.to_item()?),
            Self::L(list) => AttributeValue::L(list.iter().map(|value| value?.to_value()).collect::<Result<_, _>>()?),
            Self::Bool(truth) => AttributeValue::Bool(truth),
            Self::Null => AttributeValue::Null,
        })
    }
}

/// A number from its stored text.
///
/// # Errors
/// [`Corrupt`] when it is none.
pub fn parse_number(text: &str) -> Result<Number, Corrupt> {
    Number::parse(text).map_err(|_| Corrupt)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Result<u8, Corrupt> {
        let (&byte, rest) = self.0.split_first().ok_or(Corrupt)?;
        self.0 = rest;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Corrupt)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<usize, Corrupt> {
        let mut value = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7F).checked_shl(shift).ok_or(Corrupt)?;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt)
    }

    fn counted(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.varint()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.counted()?).map_err(|_| Corrupt)
    }

    /// The body of a set, list or map: how many parts, and the bytes of them.
    fn body(&mut self) -> Result<(usize, &'a [u8]), Corrupt> {
        let length: [u8; 4] = self.take(4)?.try_into().map_err(|_| Corrupt)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Corrupt)?;
        let mut body = Cursor(self.take(length)?);
        Ok((body.varint()?, body.0))
    }

    fn set(&mut self) -> Result<SetRef<'a>, Corrupt> {
        self.body().map(|(count, members)| SetRef { count, members })
    }

    fn value(&mut self) -> Result<ValueRef<'a>, Corrupt> {
        Ok(match self.byte()? {
            tag::S => ValueRef::S(self.text()?),
            tag::N => ValueRef::N(self.text()?),
            tag::B => ValueRef::B(self.counted()?),
            tag::FALSE => ValueRef::Bool(false),
            tag::TRUE => ValueRef::Bool(true),
            tag::NULL => ValueRef::Null,
            tag::SS => ValueRef::SS(self.set()?),
            tag::NS => ValueRef::NS(self.set()?),
            tag::BS => ValueRef::BS(self.set()?),
            tag::L => self.body().map(|(count, elements)| ValueRef::L(ListRef { count, elements }))?,
            tag::M => self.body().map(|(count, entries)| ValueRef::M(MapRef { count, entries }))?,
            _ => return Err(Corrupt),
        })
    }

    fn skip_value(&mut self) -> Result<(), Corrupt> {
        match self.byte()? {
            tag::FALSE | tag::TRUE | tag::NULL => Ok(()),
            tag::S | tag::N | tag::B => self.counted().map(drop),
            tag::SS | tag::NS | tag::BS | tag::L | tag::M => self.body().map(drop),
            _ => Err(Corrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::tests::{any_item, any_value};
    use proptest::prelude::*;

    fn stored(item: &Item) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(item, &mut bytes);
        bytes
    }

    fn stored_value(value: &AttributeValue) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_value(value, &mut bytes);
        bytes
    }

    #[test]
    fn long_numbers_have_a_longer_length() {
        let item = Item::from_iter([("n".to_owned(), AttributeValue::number("-1.5e-128").unwrap())]);
        assert_eq!(ItemRef::open(&stored(&item)).unwrap().to_item(), Ok(item));
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let mut bytes = stored(&Item::new());
        bytes[0] = 2;
        assert_eq!(ItemRef::open(&bytes).unwrap_err(), Corrupt);
        assert_eq!(ItemRef::open(&[]).unwrap_err(), Corrupt);
    }

    proptest! {
        #[test]
        fn items_round_trip(item in any_item()) {
            let bytes = stored(&item);
            let read = ItemRef::open(&bytes).unwrap();
            prop_assert_eq!(read.size(), item.size());
            prop_assert_eq!(read.attributes().len(), item.len());
            prop_assert_eq!(read.to_item(), Ok(item));
        }

        #[test]
        fn lookups_find_what_is_there(item in any_item(), name in "[a-e]{1,2}") {
            let bytes = stored(&item);
            let found = ItemRef::open(&bytes).unwrap().attributes().get(&name).unwrap();
            let found = found.map(|value| value.to_value().unwrap());
            prop_assert_eq!(found.as_ref(), item.get(&name));
        }

        #[test]
        fn equality_is_equality_of_values(a in any_value(), b in any_value()) {
            let (x, y) = (stored_value(&a), stored_value(&b));
            let (x, y) = (ValueRef::open(&x).unwrap(), ValueRef::open(&y).unwrap());
            prop_assert_eq!(x.equals(y), a == b);
            prop_assert!(x.equals(x));
        }

        #[test]
        fn damage_is_found_or_harmless_but_never_a_panic(item in any_item(), at in any::<prop::sample::Index>(), byte: u8, cut: bool) {
            let mut bytes = stored(&item);
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let _ = ItemRef::open(&bytes).and_then(ItemRef::to_item);
        }
    }
}
