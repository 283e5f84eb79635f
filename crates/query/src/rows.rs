//! Rows of JSON as columns.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use serde_json::{Map, Value as Json};

/// So many rows are in a batch.
const BATCH: usize = 4096;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text. Another value is told as JSON.
    Text,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A moment, in ISO 8601.
    Moment,
    /// Values by name, each told as text.
    Map,
    /// Named parts.
    Structure(Vec<Column>),
    /// Many of a kind.
    List(Box<Kind>),
}

/// A column, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// A column.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind }
    }
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Boolean => DataType::Boolean,
        Kind::Integer => DataType::Int64,
        Kind::Moment => DataType::Timestamp(TimeUnit::Millisecond, None),
        Kind::Map => {
            let entries = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)];
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)), false)
        }
        Kind::Structure(parts) => DataType::Struct(fields(parts)),
        Kind::List(of) => DataType::List(Arc::new(Field::new("item", data_type(of), true))),
    }
}

fn fields(columns: &[Column]) -> Fields {
    columns.iter().map(|column| Field::new(&column.name, data_type(&column.kind), true)).collect()
}

pub(crate) fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(fields(columns)))
}

/// A value as its column holds it; what does not fit is nothing.
fn fitted(kind: &Kind, value: Json) -> Json {
    match (kind, value) {
        (_, Json::Null) => Json::Null,
        (Kind::Text | Kind::Moment, text @ Json::String(_)) => text,
        (Kind::Text, other) => Json::String(other.to_string()),
        (Kind::Boolean, Json::String(text)) => Json::Bool(text == "true"),
        (Kind::Boolean, flag @ Json::Bool(_)) => flag,
        (Kind::Integer, number @ Json::Number(_)) => number,
        (Kind::Map, Json::Object(entries)) => {
            Json::Object(entries.into_iter().map(|(name, value)| (name, fitted(&Kind::Text, value))).collect())
        }
        (Kind::Structure(parts), Json::Object(mut entries)) => structure(parts, &mut entries),
        (Kind::List(of), Json::Array(items)) => items.into_iter().map(|item| fitted(of, item)).collect(),
        _ => Json::Null,
    }
}

fn structure(parts: &[Column], entries: &mut Map<String, Json>) -> Json {
    let part = |part: &Column| {
        let value = entries.remove(&part.name).unwrap_or(Json::Null);
        (part.name.clone(), fitted(&part.kind, value))
    };
    Json::Object(parts.iter().map(part).collect())
}

pub(crate) fn batches(columns: &[Column], rows: Vec<Json>) -> Result<Vec<RecordBatch>, ArrowError> {
    let schema = schema(columns);
    if columns.is_empty() {
        // Rows of no columns are counted all the same.
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        return Ok(vec![RecordBatch::try_new_with_options(schema, Vec::new(), &options)?]);
    }
    let mut decoder = ReaderBuilder::new(schema).with_batch_size(BATCH).build_decoder()?;
    let mut all = Vec::new();
    let mut fitted: Vec<Json> = Vec::with_capacity(BATCH);
    let mut rows = rows.into_iter().peekable();
    while let Some(row) = rows.next() {
        let Json::Object(mut entries) = row else { continue };
        fitted.push(structure(columns, &mut entries));
        if fitted.len() == BATCH || rows.peek().is_none() {
            decoder.serialize(&fitted)?;
            all.extend(decoder.flush()?);
            fitted.clear();
        }
    }
    Ok(all)
}
