//! Lists in Apache ORC (version 0.12), compressed with zlib.
//!
//! A writer of our own: lists have four kinds of columns, and the crates that write ORC bring all of Arrow with them, a hundred
//! crates and more. What is written is the plain part of the format: version 1 of the run lengths, texts without dictionaries,
//! no indexes inside stripes.
//! Source: the ORC specification, version 1.

mod encoding;
mod message;

use encoding::{Bits, Compressed, Integers};
use message::Message;

use super::fields::{Column, Kind, Value};

/// So many lines are held before they are written as a stripe.
const STRIPE_LINES: usize = 10_000;

const MAGIC: &[u8] = b"ORC";
/// A stream is compressed in pieces of so many bytes.
const BLOCK_BYTES: usize = 256 * 1024;
/// Seconds from 1970 to 2015, from which timestamps count.
const EPOCH: i64 = 1_420_070_400;

/// The schema as manifests have it.
pub(super) fn schema(columns: &[Column]) -> String {
    let fields: Vec<String> = columns
        .iter()
        .map(|column| {
            let kind = match column.kind {
                Kind::Text => "string",
                Kind::Truth => "boolean",
                Kind::Number => "bigint",
                Kind::Moment => "timestamp",
            };
            format!("{}:{kind}", column.lower)
        })
        .collect();
    format!("struct<{}>", fields.join(","))
}

/// What a stream inside a stripe holds, as the format numbers it.
#[derive(Clone, Copy)]
enum Stream {
    Present = 0,
    Data = 1,
    Length = 2,
    Secondary = 5,
}

/// The number of a type in the format.
fn number_of(kind: Kind) -> u64 {
    match kind {
        Kind::Truth => 0,
        Kind::Number => 4,
        Kind::Text => 7,
        Kind::Moment => 9,
    }
}

/// The values of a column that are not written yet.
enum Waiting {
    Text { bytes: Vec<u8>, lengths: Integers },
    Truth(Bits),
    Number(Integers),
    Moment { seconds: Integers, nanoseconds: Integers },
}

struct Pile {
    present: Bits,
    /// A line of this stripe has no value.
    gaps: bool,
    waiting: Waiting,
    /// Values in the whole file.
    values: u64,
    /// A line of the file has no value.
    any_gaps: bool,
}

impl Pile {
    fn of(kind: Kind) -> Self {
        let waiting = match kind {
            Kind::Text => Waiting::Text { bytes: Vec::new(), lengths: Integers::unsigned() },
            Kind::Truth => Waiting::Truth(Bits::default()),
            Kind::Number => Waiting::Number(Integers::signed()),
            Kind::Moment => Waiting::Moment { seconds: Integers::signed(), nanoseconds: Integers::unsigned() },
        };
        Self { present: Bits::default(), gaps: false, waiting, values: 0, any_gaps: false }
    }

    fn push(&mut self, value: Value) {
        let there = match (&mut self.waiting, value) {
            (Waiting::Text { bytes, lengths }, Value::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                lengths.push(i64::try_from(text.len()).unwrap_or(i64::MAX));
                true
            }
            (Waiting::Truth(bits), Value::Truth(truth)) => {
                bits.push(truth);
                true
            }
            (Waiting::Number(numbers), Value::Number(number)) => {
                numbers.push(number);
                true
            }
            (Waiting::Moment { seconds, nanoseconds }, Value::Moment(at)) => {
                seconds.push(at.div_euclid(1000) - EPOCH);
                nanoseconds.push(encoding::nanoseconds(at.rem_euclid(1000) * 1_000_000));
                true
            }
            _ => false,
        };
        self.present.push(there);
        self.gaps |= !there;
        self.any_gaps |= !there;
        self.values += u64::from(there);
    }

    /// The streams of this stripe, taken out.
    fn take(&mut self) -> Vec<(Stream, Vec<u8>)> {
        let present = std::mem::take(&mut self.present).finish();
        let mut streams = Vec::new();
        if std::mem::take(&mut self.gaps) {
            streams.push((Stream::Present, present));
        }
        match &mut self.waiting {
            Waiting::Text { bytes, lengths } => {
                streams.push((Stream::Data, std::mem::take(bytes)));
                streams.push((Stream::Length, lengths.take()));
            }
            Waiting::Truth(bits) => streams.push((Stream::Data, std::mem::take(bits).finish())),
            Waiting::Number(numbers) => streams.push((Stream::Data, numbers.take())),
            Waiting::Moment { seconds, nanoseconds } => {
                streams.push((Stream::Data, seconds.take()));
                streams.push((Stream::Secondary, nanoseconds.take()));
            }
        }
        streams
    }
}

/// A stripe that is written.
struct Stripe {
    offset: usize,
    data: usize,
    footer: usize,
    lines: u64,
}

/// A file that is being written.
pub(super) struct Orc {
    out: Vec<u8>,
    columns: Vec<Column>,
    piles: Vec<Pile>,
    waiting: usize,
    stripes: Vec<Stripe>,
}

impl Orc {
    pub(super) fn new(columns: &[Column]) -> Self {
        let piles = columns.iter().map(|c| Pile::of(c.kind)).collect();
        Self { out: MAGIC.to_vec(), columns: columns.to_vec(), piles, waiting: 0, stripes: Vec::new() }
    }

    pub(super) fn write(&mut self, values: Vec<Value>) -> std::io::Result<()> {
        for (pile, value) in self.piles.iter_mut().zip(values) {
            pile.push(value);
        }
        self.waiting += 1;
        if self.waiting == STRIPE_LINES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let offset = self.out.len();
        let mut footer = Message::default();
        for (column, pile) in (1..).zip(&mut self.piles) {
            for (stream, bytes) in pile.take() {
                let length = Compressed(&mut self.out).write(&bytes)?;
                footer.message(1, Message::default().number(1, stream as u64).number(2, column).length(3, length));
            }
        }
        // The encoding of the root and of every column: direct.
        for _ in 0..=self.columns.len() {
            footer.message(2, Message::default().number(1, 0));
        }
        footer.bytes(3, b"UTC");
        let data = self.out.len() - offset;
        let footer = Compressed(&mut self.out).write(footer.as_bytes())?;
        let lines = std::mem::take(&mut self.waiting) as u64;
        self.stripes.push(Stripe { offset, data, footer, lines });
        Ok(())
    }

    pub(super) fn finish(mut self) -> std::io::Result<Vec<u8>> {
        if self.waiting > 0 {
            self.flush()?;
        }
        let content = self.out.len() - MAGIC.len();
        let footer = self.footer(content);
        let footer = Compressed(&mut self.out).write(footer.as_bytes())?;
        let mut end = Message::default();
        // Zlib; version 0.12 of the format, by a writer that knows its errors up to ORC-135.
        end.length(1, footer).number(2, 1).length(3, BLOCK_BYTES).bytes(4, &[0, 12]).number(5, 0).number(6, 6);
        end.bytes(8000, MAGIC);
        self.out.extend_from_slice(end.as_bytes());
        self.out.push(u8::try_from(end.as_bytes().len()).unwrap_or(u8::MAX));
        Ok(self.out)
    }

    fn footer(&self, content: usize) -> Message {
        let mut footer = Message::default();
        footer.length(1, MAGIC.len()).length(2, content);
        for stripe in &self.stripes {
            let mut told = Message::default();
            told.length(1, stripe.offset).number(2, 0).length(3, stripe.data).length(4, stripe.footer);
            footer.message(3, told.number(5, stripe.lines));
        }
        let mut root = Message::default();
        root.number(1, 12).packed(2, 1..=self.columns.len() as u64);
        for column in &self.columns {
            root.bytes(3, column.lower.as_bytes());
        }
        footer.message(4, &root);
        for column in &self.columns {
            footer.message(4, Message::default().number(1, number_of(column.kind)));
        }
        let lines = self.stripes.iter().map(|s| s.lines).sum();
        footer.number(6, lines);
        footer.message(7, Message::default().number(1, lines).number(10, 0));
        for pile in &self.piles {
            footer.message(7, Message::default().number(1, pile.values).number(10, u64::from(pile.any_gaps)));
        }
        // There are no indexes of rows.
        footer.number(8, 0);
        footer
    }
}

#[cfg(test)]
#[path = "../../../tests/main/orc.rs"]
mod reader;

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::fields::columns;
    use super::*;
    use crate::api::kept::InventoryConfiguration;

    #[test]
    fn lines_over_several_stripes_are_read_back() {
        let columns = columns(&InventoryConfiguration {
            included_object_versions: "All".to_owned(),
            optional_fields: Some(["Size", "LastModifiedDate", "ETag"].map(ToOwned::to_owned).to_vec()),
            ..Default::default()
        });
        let mut file = Orc::new(&columns);
        let mut wanted = Vec::new();
        for n in 0..STRIPE_LINES as i64 * 2 + 7 {
            let key = format!("key {}", n * n % 1009);
            // Some columns have gaps in the second stripe only, one has nothing at all.
            let gap = (10_000..20_000).contains(&n) && n % 3 == 0;
            let at = n * 86_400_017;
            file.write(vec![
                Value::text("b"),
                Value::text(&key),
                if gap { Value::None } else { Value::text(format!("{n}")) },
                Value::Truth(n % 7 < 3),
                Value::Truth(gap),
                if gap { Value::None } else { Value::Number(n * n * n - 5) },
                if gap { Value::None } else { Value::Moment(at) },
                Value::None,
            ])
            .expect("memory does not fail");
            let there = |value: Json| if gap { Json::Null } else { value };
            wanted.push(
                json!({"bucket": "b", "key": key, "version_id": there(json!(n.to_string())), "is_latest": n % 7 < 3,
                "is_delete_marker": gap, "size": there(json!(n * n * n - 5)), "last_modified_date": there(json!(at)),
                "e_tag": null}),
            );
        }
        let file = file.finish().expect("memory does not fail");
        assert!(reader::lines(&file) == wanted);
    }

    #[test]
    fn the_schema_names_what_is_asked_for() {
        let columns = columns(&InventoryConfiguration {
            included_object_versions: "All".to_owned(),
            optional_fields: Some(vec!["Size".to_owned(), "ETag".to_owned(), "LastModifiedDate".to_owned()]),
            ..Default::default()
        });
        assert_eq!(
            schema(&columns),
            "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,\
             last_modified_date:timestamp,e_tag:string>"
        );
    }
}
