//! Parquet: rows of the columns that are asked for.

use std::collections::HashSet;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, FileReader as _, Length};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use crate::error::{Code, Error, Result};
use crate::settings::Span;
use crate::sql::Name;
use crate::types::{Decimal, Timestamp, Value};

use super::{Counter, Source};

/// The largest row group: 256 MB without compression.
const MOST_GROUP: i64 = 256 * 1024 * 1024;

/// An object, as the reader of the format wants it.
struct Object {
    source: Arc<dyn Source>,
    counter: Counter,
}

/// Its bytes from somewhere on.
struct From {
    source: Arc<dyn Source>,
    counter: Counter,
    at: u64,
}

impl Length for Object {
    fn len(&self) -> u64 {
        self.source.size()
    }
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read_at(self.at, buffer)?.min(buffer.len());
        self.at += read as u64;
        self.counter.add_scanned(read);
        self.counter.add_processed(read);
        Ok(read)
    }
}

impl ChunkReader for Object {
    type T = std::io::BufReader<From>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let from = From { source: self.source.clone(), counter: self.counter.clone(), at: start };
        Ok(std::io::BufReader::new(from))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // What is not there is not made room for.
        if start.checked_add(length as u64).is_none_or(|end| end > self.source.size()) {
            return Err(ParquetError::EOF("a range is outside of the object".to_owned()));
        }
        let mut buffer = vec![0; length];
        let mut from = From { source: self.source.clone(), counter: self.counter.clone(), at: start };
        from.read_exact(&mut buffer)?;
        Ok(buffer.into())
    }
}

/// Reads rows.
pub(crate) struct ParquetReader {
    rows: RowIter<'static>,
    columns: Vec<TypePtr>,
}

/// The reader of the format is not proof against every file, so what it breaks on is an error of the file.
fn guarded<T>(work: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(ParquetError::External(error))) => match error.downcast::<std::io::Error>() {
            Ok(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(Error::reading(&error)),
            _ => Err(Code::ParquetParsingError.into()),
        },
        Ok(Err(_)) | Err(_) => Err(Code::ParquetParsingError.into()),
    }
}

impl ParquetReader {
    /// Opens an object for the columns of these names, or all.
    pub(crate) fn open(
        source: &Arc<dyn Source>,
        span: Span,
        wanted: Option<&[Name]>,
        counter: &Counter,
    ) -> Result<Self> {
        let object = Object { source: source.clone(), counter: counter.clone() };
        let starts_inside = move |group: &RowGroupMetaData, _: usize| {
            let start = group.columns().first().map(|c| c.byte_range().0);
            group.num_columns() > 0 && start.is_none_or(|start| span.contains(start))
        };
        let options = ReadOptionsBuilder::new().with_predicate(Box::new(starts_inside)).build();
        let reader = guarded(|| SerializedFileReader::new_with_options(object, options))?;
        let metadata = reader.metadata();
        for group in metadata.row_groups() {
            if group.total_byte_size() > MOST_GROUP {
                return Err(Code::OverMaxParquetBlockSize.into());
            }
            for column in group.columns() {
                let known = matches!(
                    column.compression(),
                    Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_)
                );
                if !known {
                    return Err(Code::ParquetUnsupportedCompressionCodec.into());
                }
            }
        }
        let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
        let columns = columns(&schema, wanted)?;
        for column in &columns {
            check(column)?;
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(columns.clone()).build();
        let rows = guarded(|| RowIter::from_file_into(Box::new(reader)).project(Some(projection?)))?;
        Ok(Self { rows, columns })
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Value>> {
        let Some(row) = guarded(|| self.rows.next().transpose())? else { return Ok(None) };
        let members = row.into_columns().into_iter();
        let mut value = Vec::new();
        for (name, field) in members {
            let column = self.columns.iter().find(|c| c.name() == name);
            let column = column.ok_or_else(|| Error::from(Code::ParquetParsingError))?;
            value.push((name, convert(field, column)?));
        }
        Ok(Some(Value::Struct(value)))
    }
}

/// The columns that are asked for, in the order of the file; of no column the first, so that there are rows.
fn columns(schema: &TypePtr, wanted: Option<&[Name]>) -> Result<Vec<TypePtr>> {
    let all = schema.get_fields();
    let Some(wanted) = wanted else { return Ok(all.to_vec()) };
    let mut found = HashSet::new();
    for name in wanted {
        let mut matching = all.iter().filter(|c| name.matches(c.name()));
        match (matching.next(), matching.next()) {
            (Some(_), Some(_)) if !name.exact => return Err(Code::AmbiguousFieldName.into()),
            (Some(column), _) => found.insert(column.name()),
            (None, _) => return Err(Code::EvaluatorBindingDoesNotExist.into()),
        };
    }
    let mut columns: Vec<TypePtr> = all.iter().filter(|c| found.contains(c.name())).cloned().collect();
    if columns.is_empty() {
        columns.extend(all.first().cloned());
    }
    Ok(columns)
}

/// Whether a column's type is one of those that S3 Select knows.
fn check(column: &Type) -> Result<()> {
    let unsupported = || Err(Code::UnsupportedParquetType.into());
    if !column.is_primitive() {
        if column.get_basic_info().converted_type() == ConvertedType::MAP {
            return unsupported();
        }
        return column.get_fields().iter().try_for_each(|inner| check(inner));
    }
    if column.get_physical_type() == Physical::INT96 {
        return unsupported();
    }
    match column.get_basic_info().logical_type_ref() {
        Some(LogicalType::Time(_) | LogicalType::Unknown | LogicalType::Bson) => unsupported(),
        _ => match column.get_basic_info().converted_type() {
            ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS | ConvertedType::INTERVAL | ConvertedType::BSON => {
                unsupported()
            }
            _ => Ok(()),
        },
    }
}

fn unsupported() -> Error {
    Code::UnsupportedParquetType.into()
}

fn moment(nanoseconds: i128, digits: u8) -> Result<Value> {
    Timestamp::of_nanoseconds(nanoseconds, digits).map(Value::Timestamp).ok_or_else(|| Code::ValueParseFailure.into())
}

/// A field as the mapping of Parquet's types to S3 Select's has it: of 64 bits is a base-10 number.
fn convert(field: Field, of: &Type) -> Result<Value> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(value),
        Field::Byte(value) => Value::Int(value.into()),
        Field::Short(value) => Value::Int(value.into()),
        Field::UByte(value) => Value::Int(value.into()),
        Field::UShort(value) => Value::Int(value.into()),
        Field::UInt(value) => Value::Int(value.into()),
        Field::ULong(value) => Value::Decimal(value.into()),
        Field::Int(value) => match of.get_basic_info().logical_type_ref() {
            Some(LogicalType::Date) => date(value)?,
            Some(LogicalType::Decimal(decimal)) => {
                Value::Decimal(Decimal::from_bytes(&value.to_be_bytes(), decimal.scale)?)
            }
            _ => Value::Int(value.into()),
        },
        Field::Long(value) => long(value, of)?,
        Field::Float16(value) => finite(f64::from(value.to_f32()))?,
        // The shortest text of 32 bits, and not what they are in 64.
        Field::Float(value) => finite(value.to_string().parse().unwrap_or(f64::from(value)))?,
        Field::Double(value) => finite(value)?,
        Field::Decimal(value) => Value::Decimal(Decimal::from_bytes(value.data(), value.scale())?),
        Field::Str(value) => Value::String(value),
        Field::Bytes(value) => match String::from_utf8(value.data().to_vec()) {
            Ok(text) => Value::String(text),
            Err(_) => return Err(unsupported()),
        },
        Field::Date(days) => date(days)?,
        Field::TimestampMillis(value) => moment(i128::from(value) * 1_000_000, 3)?,
        Field::TimestampMicros(value) => moment(i128::from(value) * 1_000, 6)?,
        Field::TimeMillis(_) | Field::TimeMicros(_) | Field::MapInternal(_) => return Err(unsupported()),
        Field::Group(row) => group(row, of)?,
        Field::ListInternal(list) => {
            let inner = element(of);
            let items: Result<Vec<Value>> =
                list.elements().iter().map(|item| convert(item.clone(), inner.unwrap_or(of))).collect();
            match inner {
                Some(_) => Value::List(items?),
                // "Selecting on a repeated field returns only the last value."
                None => items?.pop().unwrap_or(Value::Missing),
            }
        }
    })
}

fn date(days: i32) -> Result<Value> {
    Timestamp::of_days(days).map(Value::Timestamp).ok_or_else(|| Code::ValueParseFailure.into())
}

fn long(value: i64, of: &Type) -> Result<Value> {
    match of.get_basic_info().logical_type_ref() {
        Some(LogicalType::Decimal(decimal)) => {
            Ok(Value::Decimal(Decimal::from_bytes(&value.to_be_bytes(), decimal.scale)?))
        }
        Some(LogicalType::Timestamp(timestamp)) => match timestamp.unit {
            TimeUnit::MILLIS => moment(i128::from(value) * 1_000_000, 3),
            TimeUnit::MICROS => moment(i128::from(value) * 1_000, 6),
            TimeUnit::NANOS => moment(i128::from(value), 9),
        },
        _ => Ok(Value::Decimal(value.into())),
    }
}

fn finite(value: f64) -> Result<Value> {
    if value.is_finite() { Ok(Value::Float(value)) } else { Err(Code::UnrecognizedFormatException.into()) }
}

fn group(row: Row, of: &Type) -> Result<Value> {
    let mut members = Vec::new();
    for (name, field) in row.into_columns() {
        let inner = of.get_fields().iter().find(|f| f.name() == name);
        let inner = inner.ok_or_else(|| Error::from(Code::ParquetParsingError))?;
        members.push((name, convert(field, inner)?));
    }
    Ok(Value::Struct(members))
}

/// The type of a list's elements. `None`: it is no list, but a field that is repeated.
fn element(of: &Type) -> Option<&Type> {
    if of.is_primitive() || of.get_basic_info().converted_type() != ConvertedType::LIST {
        return None;
    }
    let repeated = of.get_fields().first()?;
    match repeated.is_group() && repeated.get_fields().len() == 1 {
        true => repeated.get_fields().first().map(|t| &**t),
        false => Some(repeated),
    }
}
