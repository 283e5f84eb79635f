//! Files in Apache ORC (version 0.12).
//!
//! A writer of our own: the crates that write ORC know no nested types. What is written is the plain part of the format: version 1 of the run
//! lengths, texts without dictionaries, no indexes inside stripes.
//! Source: the ORC specification, version 1.

mod column;
mod encoding;
mod message;

use serde_json::Value as Json;

use crate::schema::Schema;
use column::Node;
use encoding::Compressed;
use message::Message;

pub use encoding::Packing;

const MAGIC: &[u8] = b"ORC";

/// A stripe that is written.
struct Stripe {
    offset: usize,
    data: usize,
    footer: usize,
    rows: u64,
}

/// A file that is being written.
pub struct Orc {
    out: Vec<u8>,
    packing: Packing,
    stripe_rows: usize,
    root: Node,
    waiting: usize,
    stripes: Vec<Stripe>,
}

impl std::fmt::Debug for Orc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Orc({} stripes and {} rows)", self.stripes.len(), self.waiting)
    }
}

impl Orc {
    /// A file of a schema. So many rows are held before they are written as a stripe.
    pub fn new(schema: &Schema, packing: Packing, stripe_rows: usize) -> Self {
        let root = Node::of_columns(schema);
        Self { out: MAGIC.to_vec(), packing, stripe_rows: stripe_rows.max(1), root, waiting: 0, stripes: Vec::new() }
    }

    /// Adds a row, as a [`crate::Reader`] makes them. What it lacks is null.
    ///
    /// # Errors
    /// When memory fails, which it does not.
    pub fn write(&mut self, row: &Json) -> std::io::Result<()> {
        self.root.push(Some(row));
        self.waiting += 1;
        if self.waiting == self.stripe_rows { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let offset = self.out.len();
        let (mut footer, packing) = (Message::default(), self.packing);
        let mut count = 0;
        let out = &mut self.out;
        self.root.each(&mut |node| {
            for (stream, bytes) in node.take() {
                let length = Compressed { out: &mut *out, packing }.write(&bytes)?;
                footer.message(1, Message::default().number(1, stream as u64).number(2, count).length(3, length));
            }
            count += 1;
            Ok::<_, std::io::Error>(())
        })?;
        // The encoding of every column: direct.
        for _ in 0..count {
            footer.message(2, Message::default().number(1, 0));
        }
        footer.bytes(3, b"UTC");
        let data = self.out.len() - offset;
        let footer = Compressed { out: &mut self.out, packing }.write(footer.as_bytes())?;
        let rows = std::mem::take(&mut self.waiting) as u64;
        self.stripes.push(Stripe { offset, data, footer, rows });
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// When memory fails, which it does not.
    pub fn finish(mut self) -> std::io::Result<Vec<u8>> {
        if self.waiting > 0 {
            self.flush()?;
        }
        let content = self.out.len() - MAGIC.len();
        let footer = self.footer(content)?;
        let footer = Compressed { out: &mut self.out, packing: self.packing }.write(footer.as_bytes())?;
        let mut end = Message::default();
        // Version 0.12 of the format, by a writer that knows its errors up to ORC-135.
        end.length(1, footer).number(2, self.packing.number()).length(3, encoding::BLOCK_BYTES).bytes(4, &[0, 12]);
        end.number(5, 0).number(6, 6);
        end.bytes(8000, MAGIC);
        self.out.extend_from_slice(end.as_bytes());
        self.out.push(u8::try_from(end.as_bytes().len()).unwrap_or(u8::MAX));
        Ok(self.out)
    }

    fn footer(&mut self, content: usize) -> std::io::Result<Message> {
        let mut footer = Message::default();
        footer.length(1, MAGIC.len()).length(2, content);
        for stripe in &self.stripes {
            let mut told = Message::default();
            told.length(1, stripe.offset).number(2, 0).length(3, stripe.data).length(4, stripe.footer);
            footer.message(3, told.number(5, stripe.rows));
        }
        let (mut next, mut statistics) = (0, Vec::new());
        self.root.each(&mut |node| {
            next += 1;
            footer.message(4, &node.described(next));
            statistics.push((node.values, node.any_gaps));
            Ok::<_, std::io::Error>(())
        })?;
        footer.number(6, self.stripes.iter().map(|stripe| stripe.rows).sum());
        for (values, gaps) in statistics {
            footer.message(7, Message::default().number(1, values).number(10, u64::from(gaps)));
        }
        // There are no indexes of rows.
        footer.number(8, 0);
        Ok(footer)
    }
}
