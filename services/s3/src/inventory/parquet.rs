//! Lists in Apache Parquet, compressed with Snappy.
//!
//! The schema is the text that the manifest shows, so that the two cannot differ.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::fields::{Column, Kind, Value};

/// So many lines are held before they are written as a row group.
const GROUP_LINES: usize = 10_000;

/// The schema as manifests have it.
///
/// Source: manifests that AWS delivered, which are in the tests of several open programs that read them; the user guide's
/// example still has the older notation (`UTF8`).
pub(super) fn schema(columns: &[Column]) -> String {
    let fields: String = columns
        .iter()
        .map(|column| {
            let need = if column.required { "required" } else { "optional" };
            let (physical, logical) = match column.kind {
                Kind::Text => ("binary", " (STRING)"),
                Kind::Truth => ("boolean", ""),
                Kind::Number => ("int64", ""),
                Kind::Moment => ("int64", " (TIMESTAMP(MILLIS,true))"),
            };
            format!("  {need} {physical} {}{logical};", column.lower)
        })
        .collect();
    format!("message s3.inventory {{{fields}}}")
}

/// The values of a column that are not written yet.
struct Held<T> {
    values: Vec<T>,
    /// One for each line: 1 where there is a value.
    levels: Vec<i16>,
}

impl<T> Held<T> {
    fn new() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }

    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn write<D: DataType<T = T>>(&mut self, required: bool, mut to: SerializedColumnWriter<'_>) -> Result<()> {
        let levels = (!required).then_some(self.levels.as_slice());
        to.typed::<D>().write_batch(&self.values, levels, None)?;
        self.values.clear();
        self.levels.clear();
        to.close()
    }
}

enum Pile {
    Texts(Held<ByteArray>),
    Truths(Held<bool>),
    Numbers(Held<i64>),
}

impl Pile {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Texts(Held::new()),
            Kind::Truth => Self::Truths(Held::new()),
            Kind::Number | Kind::Moment => Self::Numbers(Held::new()),
        }
    }

    fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Texts(held), Value::Text(text)) => held.push(Some(text.into_bytes().into())),
            (Self::Texts(held), _) => held.push(None),
            (Self::Truths(held), Value::Truth(truth)) => held.push(Some(truth)),
            (Self::Truths(held), _) => held.push(None),
            (Self::Numbers(held), Value::Number(number) | Value::Moment(number)) => held.push(Some(number)),
            (Self::Numbers(held), _) => held.push(None),
        }
    }

    fn write(&mut self, required: bool, to: SerializedColumnWriter<'_>) -> Result<()> {
        match self {
            Self::Texts(held) => held.write::<ByteArrayType>(required, to),
            Self::Truths(held) => held.write::<BoolType>(required, to),
            Self::Numbers(held) => held.write::<Int64Type>(required, to),
        }
    }
}

/// A file that is being written.
pub(super) struct Parquet {
    file: SerializedFileWriter<Vec<u8>>,
    /// For each column: whether every line has a value, and those that wait.
    piles: Vec<(bool, Pile)>,
    waiting: usize,
}

impl Parquet {
    pub(super) fn new(columns: &[Column]) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(&schema(columns))?);
        let file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let piles = columns.iter().map(|c| (c.required, Pile::of(c.kind))).collect();
        Ok(Self { file, piles, waiting: 0 })
    }

    pub(super) fn write(&mut self, values: Vec<Value>) -> Result<()> {
        for ((_, pile), value) in self.piles.iter_mut().zip(values) {
            pile.push(value);
        }
        self.waiting += 1;
        if self.waiting == GROUP_LINES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for (required, pile) in &mut self.piles {
            if let Some(column) = group.next_column()? {
                pile.write(*required, column)?;
            }
        }
        self.waiting = 0;
        group.close().map(drop)
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        if self.waiting > 0 {
            self.flush()?;
        }
        self.file.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use undercast_kernel::Bytes;

    use super::super::fields::columns;
    use super::*;
    use crate::api::kept::InventoryConfiguration;

    #[test]
    fn lines_over_several_groups_are_read_back() {
        let columns = columns(&InventoryConfiguration {
            optional_fields: Some(vec!["Size".to_owned(), "IsMultipartUploaded".to_owned()]),
            ..Default::default()
        });
        let mut file = Parquet::new(&columns).expect("the schema is one");
        let lines = GROUP_LINES as i64 * 2 + 7;
        for n in 0..lines {
            let size = if n % 3 == 0 { Value::None } else { Value::Number(n) };
            file.write(vec![Value::text("b"), Value::text(format!("{n}")), size, Value::Truth(n % 2 == 0)])
                .expect("memory does not fail");
        }
        let file = file.finish().expect("memory does not fail");
        let reader = SerializedFileReader::new(Bytes::from(file)).expect("it can be read");
        assert_eq!(reader.num_row_groups(), 3);
        for (n, row) in (0..).zip(reader.get_row_iter(None).expect("it has rows")) {
            let size = if n % 3 == 0 { "null".to_owned() } else { n.to_string() };
            let wanted =
                format!("{{bucket: \"b\", key: \"{n}\", size: {size}, is_multipart_uploaded: {}}}", n % 2 == 0);
            assert_eq!(row.expect("it can be read").to_string(), wanted);
        }
        assert_eq!(reader.metadata().file_metadata().num_rows(), lines);
    }
}
