//! The columns of a file as a tree: what each holds until a stripe is written.

use arrow_schema::{DataType, Field};
use jiff::civil::Date;
use serde_json::Value as Json;

use super::encoding::{self, Bits, Integers};
use super::message::{Message, big_varint};
use crate::schema::Schema;

/// Seconds from 1970 to 2015, from which timestamps count.
const EPOCH: i64 = 1_420_070_400;

/// What a stream inside a stripe holds, as the format numbers it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Present = 0,
    Data = 1,
    Length = 2,
    Secondary = 5,
}

/// The values of a column that are not written yet.
enum Held {
    Truth(Bits),
    /// `tinyint`
    Byte(Vec<u8>),
    Whole(Integers),
    Float(Vec<u8>),
    Double(Vec<u8>),
    Text {
        bytes: Vec<u8>,
        lengths: Integers,
    },
    Date(Integers),
    Moment {
        seconds: Integers,
        nanoseconds: Integers,
    },
    Decimal {
        digits: Vec<u8>,
        scales: Integers,
        precision: u8,
        scale: u8,
    },
    List {
        lengths: Integers,
        of: Box<Node>,
    },
    Map {
        lengths: Integers,
        key: Box<Node>,
        value: Box<Node>,
    },
    Struct(Vec<Node>),
}

/// A column, or a part of one.
pub(super) struct Node {
    /// Its name in the structure that it is in.
    name: String,
    /// As the format numbers it.
    kind: u64,
    present: Bits,
    /// A row of this stripe has no value.
    gaps: bool,
    held: Held,
    /// Values in the whole file.
    pub(super) values: u64,
    /// A row of the file has no value.
    pub(super) any_gaps: bool,
}

impl Node {
    /// The root: a structure of all columns.
    pub(super) fn of_columns(schema: &Schema) -> Self {
        Self::new("", 12, Held::Struct(schema.columns.fields().iter().map(|field| Self::of(field)).collect()))
    }

    fn new(name: &str, kind: u64, held: Held) -> Self {
        Self { name: name.to_owned(), kind, present: Bits::default(), gaps: false, held, values: 0, any_gaps: false }
    }

    fn of(field: &Field) -> Self {
        let (kind, held) = match field.data_type() {
            DataType::Boolean => (0, Held::Truth(Bits::default())),
            DataType::Int8 => (1, Held::Byte(Vec::new())),
            DataType::Int16 => (2, Held::Whole(Integers::signed())),
            DataType::Int32 => (3, Held::Whole(Integers::signed())),
            DataType::Int64 => (4, Held::Whole(Integers::signed())),
            DataType::Float32 => (5, Held::Float(Vec::new())),
            DataType::Float64 => (6, Held::Double(Vec::new())),
            DataType::Timestamp(..) => {
                (9, Held::Moment { seconds: Integers::signed(), nanoseconds: Integers::unsigned() })
            }
            DataType::List(of) => (10, Held::List { lengths: Integers::unsigned(), of: Box::new(Self::of(of)) }),
            DataType::Map(entries, _) => (11, Self::map(entries)),
            DataType::Struct(members) => (12, Held::Struct(members.iter().map(|member| Self::of(member)).collect())),
            DataType::Decimal128(precision, scale) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                let (digits, scales) = (Vec::new(), Integers::signed());
                (14, Held::Decimal { digits, scales, precision: *precision, scale })
            }
            DataType::Date32 => (15, Held::Date(Integers::signed())),
            // A schema has no other types than texts besides those.
            _ => (7, Held::Text { bytes: Vec::new(), lengths: Integers::unsigned() }),
        };
        Self::new(field.name(), kind, held)
    }

    fn map(entries: &Field) -> Held {
        let fields = match entries.data_type() {
            DataType::Struct(fields) => fields.iter().map(|field| Self::of(field)).collect(),
            _ => Vec::new(),
        };
        let mut fields: Vec<Self> = fields;
        let value = fields.pop().unwrap_or_else(|| Self::new("value", 12, Held::Struct(Vec::new())));
        let key = fields.pop().unwrap_or_else(|| Self::new("key", 12, Held::Struct(Vec::new())));
        Held::Map { lengths: Integers::unsigned(), key: Box::new(key), value: Box::new(value) }
    }

    /// Adds a value; one that is not of the type is none.
    pub(super) fn push(&mut self, value: Option<&Json>) {
        let there = value.is_some_and(|value| self.held.push(value));
        self.present.push(there);
        self.gaps |= !there;
        self.any_gaps |= !there;
        self.values += u64::from(there);
    }

    /// Does something with this and all that is in it, in the order in which columns are numbered.
    pub(super) fn each<E>(&mut self, work: &mut impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        work(self)?;
        match &mut self.held {
            Held::List { of, .. } => of.each(work),
            Held::Map { key, value, .. } => key.each(work).and_then(|()| value.each(work)),
            Held::Struct(members) => members.iter_mut().try_for_each(|member| member.each(work)),
            _ => Ok(()),
        }
    }

    /// How many columns it is, with all that is in it.
    fn count(&self) -> u64 {
        1 + match &self.held {
            Held::List { of, .. } => of.count(),
            Held::Map { key, value, .. } => key.count() + value.count(),
            Held::Struct(members) => members.iter().map(Self::count).sum(),
            _ => 0,
        }
    }

    /// Its type. `next`: the number of the first column in it.
    pub(super) fn described(&self, next: u64) -> Message {
        let mut told = Message::default();
        told.number(1, self.kind);
        match &self.held {
            Held::List { .. } => {
                told.packed(2, [next].into_iter());
            }
            Held::Map { key, .. } => {
                told.packed(2, [next, next + key.count()].into_iter());
            }
            Held::Struct(members) => {
                let mut at = next;
                let mut numbers = Vec::new();
                for member in members {
                    numbers.push(at);
                    at += member.count();
                }
                told.packed(2, numbers.into_iter());
                members.iter().for_each(|member| {
                    told.bytes(3, member.name.as_bytes());
                });
            }
            Held::Decimal { precision, scale, .. } => {
                told.number(5, u64::from(*precision)).number(6, u64::from(*scale));
            }
            _ => {}
        }
        told
    }

    /// The streams of this stripe, taken out.
    pub(super) fn take(&mut self) -> Vec<(Stream, Vec<u8>)> {
        let present = std::mem::take(&mut self.present).finish();
        let mut streams = Vec::new();
        if std::mem::take(&mut self.gaps) {
            streams.push((Stream::Present, present));
        }
        match &mut self.held {
            Held::Truth(bits) => streams.push((Stream::Data, std::mem::take(bits).finish())),
            Held::Byte(values) => streams.push((Stream::Data, encoding::bytes(&std::mem::take(values)))),
            Held::Whole(numbers) | Held::Date(numbers) => streams.push((Stream::Data, numbers.take())),
            Held::Float(bytes) | Held::Double(bytes) => streams.push((Stream::Data, std::mem::take(bytes))),
            Held::Text { bytes, lengths } => {
                streams.push((Stream::Data, std::mem::take(bytes)));
                streams.push((Stream::Length, lengths.take()));
            }
            Held::Moment { seconds, nanoseconds } => {
                streams.push((Stream::Data, seconds.take()));
                streams.push((Stream::Secondary, nanoseconds.take()));
            }
            Held::Decimal { digits, scales, .. } => {
                streams.push((Stream::Data, std::mem::take(digits)));
                streams.push((Stream::Secondary, scales.take()));
            }
            Held::List { lengths, .. } | Held::Map { lengths, .. } => streams.push((Stream::Length, lengths.take())),
            Held::Struct(_) => {}
        }
        streams
    }
}

impl Held {
    /// Adds a value. `false`: it is none of this type.
    fn push(&mut self, value: &Json) -> bool {
        match (self, value) {
            (Self::Truth(bits), Json::Bool(truth)) => bits.push(*truth),
            (Self::Byte(values), Json::Number(number)) => {
                values.push(number.as_i64().unwrap_or(0).to_le_bytes()[0]);
            }
            (Self::Whole(numbers), Json::Number(number)) => numbers.push(number.as_i64().unwrap_or(0)),
            #[expect(clippy::cast_possible_truncation, reason = "it is what a float is")]
            (Self::Float(bytes), Json::Number(number)) => {
                bytes.extend((number.as_f64().unwrap_or(0.0) as f32).to_le_bytes());
            }
            (Self::Double(bytes), Json::Number(number)) => bytes.extend(number.as_f64().unwrap_or(0.0).to_le_bytes()),
            (Self::Text { bytes, lengths }, Json::String(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                lengths.push(i64::try_from(text.len()).unwrap_or(i64::MAX));
            }
            (Self::Date(days), Json::String(text)) => {
                let Ok(date) = text.parse::<Date>() else { return false };
                days.push(i64::from((date - Date::constant(1970, 1, 1)).get_days()));
            }
            (Self::Moment { seconds, nanoseconds }, Json::Number(number)) => {
                let at = number.as_i64().unwrap_or(0);
                seconds.push(at.div_euclid(1000) - EPOCH);
                nanoseconds.push(encoding::nanoseconds(at.rem_euclid(1000) * 1_000_000));
            }
            (Self::Decimal { digits, scales, scale, .. }, Json::String(text)) => {
                let Some(unscaled) = unscaled(text, *scale) else { return false };
                big_varint(((unscaled << 1) ^ (unscaled >> 127)).cast_unsigned(), digits);
                scales.push(i64::from(*scale));
            }
            (Self::List { lengths, of }, Json::Array(items)) => {
                lengths.push(i64::try_from(items.len()).unwrap_or(i64::MAX));
                items.iter().for_each(|item| of.push(Some(item)));
            }
            (Self::Map { lengths, key, value }, Json::Object(entries)) => {
                lengths.push(i64::try_from(entries.len()).unwrap_or(i64::MAX));
                for (name, item) in entries {
                    key.push(Some(&Json::String(name.clone())));
                    value.push(Some(item));
                }
            }
            (Self::Struct(members), Json::Object(given)) => {
                members.iter_mut().for_each(|member| member.push(given.get(&member.name)));
            }
            _ => return false,
        }
        true
    }
}

/// A decimal text as a whole number of the scale's smallest part, rounded to the nearest.
fn unscaled(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim_start_matches('+')),
    };
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::from(scale);
    let kept: String = before.chars().chain(behind.chars().chain(std::iter::repeat('0')).take(scale)).collect();
    let up = behind.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5');
    let value = kept.parse::<i128>().ok()? + i128::from(up);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_counted_in_their_smallest_part() {
        for (text, scale, wanted) in
            [("1.5", 2, 150), ("-0.005", 2, -1), ("12.344", 2, 1234), ("7", 0, 7), (".5", 1, 5), ("+3.", 1, 30)]
        {
            assert_eq!(unscaled(text, scale), Some(wanted), "{text}");
        }
        assert_eq!(unscaled("x", 0), None);
    }
}
