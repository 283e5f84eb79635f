//! SQL over the records of one object: CSV, JSON or Parquet in, the records that are asked for out, in pieces as they
//! are found.
//!
//! **Knows:** the dialect of "SQL reference for Amazon S3 Select", S3's input and output serialisations, scan ranges,
//! and the list of error codes of its SelectObjectContent.
//! **Must not know:** where objects are, who may read them, HTTP, a clock. Bytes reach it through [`Source`], the moment
//! of `UTCNOW()` as a parameter.
//!
//! Start with [`Scan`]. Memory is bounded by the longest record (1 MB) and what decompression needs; of a Parquet file
//! the pages that are read. Work is done by whoever calls [`Scan::next`], on their thread.
//!
//! The parser is our own. `sqlparser` 0.64 was tried with four of its dialects: none takes `IS MISSING` or `.*` in a
//! `FROM` path, which are this dialect's own, literals of Ion in backticks are names to all of them, and S3's messages
//! name the kind of a word and its place. JSON is read by our own reader, because the records of one document
//! (`FROM S3Object[*].Records[*]`) are given out before the document has been read, and numbers keep their digits.
//!
//! What the reference leaves open is decided so:
//! - A column of a CSV file that is compared or reckoned with a number, a boolean or a moment is taken for one if its
//!   text is one; else they are not equal, and which is larger is unknown.
//! - Values of different kinds are never equal and have no order. What is unknown selects nothing.
//! - Division of whole numbers gives a whole number, and dividing by zero is an error.
//! - Empty lines of a CSV file are no records. A column that a record does not have is missing.
//! - A header is the first record of the object, wherever the scan range begins.

mod bind;
mod error;
mod evaluate;
mod input;
mod output;
mod scan;
mod settings;
mod sql;
mod types;

pub use error::{Code, Error, Result};
pub use input::Source;
pub use scan::{MOST_PIECE, Piece, Scan, Statistics};
pub use settings::{
    Compression, CsvInput, CsvOutput, FileHeaderInfo, Format, Input, JsonType, Output, QuoteFields, ScanRange,
    character,
};
