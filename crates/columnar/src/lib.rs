//! Records of JSON as files of columns, by a schema in Hive's words: what Firehose delivers, and what a catalog's tables describe.
//!
//! Each record is read by itself ([`Reader`]), so that one that does not fit the schema is left out and told of, and the others are written
//! ([`write_parquet`], [`orc`]). Columns that a record lacks are null; what it has besides them is not written.
//!
//! Moments are written as `TIMESTAMP(MILLIS)`, where Hive's own writer still has the older `INT96`; readers know both.

pub mod orc;
mod reader;
mod schema;

use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use serde_json::Value as Json;

pub use reader::{Misfit, Reader};
pub use schema::{BadSchema, Schema};

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Its columns cannot be filled.
    #[error("records cannot be arranged in columns: {0}")]
    Columns(#[from] arrow_schema::ArrowError),
    /// It cannot be encoded.
    #[error("a file cannot be written: {0}")]
    File(#[from] parquet::errors::ParquetError),
}

/// What the pages of a file are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Plain,
    /// `GZIP`
    Gzip,
    /// `SNAPPY`
    Snappy,
}

/// How a Parquet file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parquet {
    /// What its pages are compressed with.
    pub packing: Packing,
    /// About so large a page is, in bytes.
    pub page_bytes: usize,
    /// Values that repeat are kept in dictionaries.
    pub dictionary: bool,
    /// Version 2 of data pages, and not 1.
    pub second_version: bool,
}

impl Parquet {
    fn properties(&self) -> WriterProperties {
        let compression = match self.packing {
            Packing::Plain => Compression::UNCOMPRESSED,
            Packing::Gzip => Compression::GZIP(GzipLevel::default()),
            Packing::Snappy => Compression::SNAPPY,
        };
        let version = if self.second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        WriterProperties::builder()
            .set_compression(compression)
            .set_data_page_size_limit(self.page_bytes)
            .set_dictionary_enabled(self.dictionary)
            .set_writer_version(version)
            .build()
    }
}

/// Rows that a [`Reader`] made, as a Parquet file.
///
/// # Errors
/// When the rows are not of this schema.
pub fn write_parquet(schema: &Schema, rows: &[Json], how: &Parquet) -> Result<Vec<u8>, Failed> {
    let columns: SchemaRef = Arc::clone(&schema.columns);
    let mut decoder = ReaderBuilder::new(Arc::clone(&columns)).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, columns, Some(how.properties()))?;
    if let Some(batch) = decoder.flush()? {
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(file)
}
