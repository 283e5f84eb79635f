//! How objects are written, and how answers are to be: S3's input and output serialisation.

use crate::error::{Code, Error, Result};

/// What an object is, and which part of it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its format.
    pub format: Format,
    /// How the whole of it is compressed.
    pub compression: Compression,
    /// The bytes in which the records begin that are asked; `None`: all of them.
    pub range: Option<ScanRange>,
}

/// A format of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Fields between delimiters.
    Csv(CsvInput),
    /// JSON.
    Json(JsonType),
    /// Apache Parquet.
    Parquet,
}

/// How JSON values follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    /// A value may span lines.
    Document,
    /// One value a line.
    Lines,
}

/// Compression of a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// It is as it is.
    None,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
}

/// What the first line of a CSV file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileHeaderInfo {
    /// A record.
    None,
    /// The names of the columns.
    Use,
    /// The names of the columns, which expressions do not use.
    Ignore,
}

/// `CSV` of an input serialisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvInput {
    /// What the first line is.
    pub file_header_info: FileHeaderInfo,
    /// Lines that begin so are no records.
    pub comments: char,
    /// Stands before a quotation mark that is part of a quoted field.
    pub quote_escape_character: char,
    /// What is between records: one character, or two as in `\r\n`.
    pub record_delimiter: String,
    /// What is between fields.
    pub field_delimiter: char,
    /// What quoted fields begin and end with.
    pub quote_character: char,
    /// Quoted fields may hold record delimiters.
    pub allow_quoted_record_delimiter: bool,
}

impl Default for CsvInput {
    fn default() -> Self {
        Self {
            file_header_info: FileHeaderInfo::None,
            comments: '#',
            quote_escape_character: '"',
            record_delimiter: "\n".to_owned(),
            field_delimiter: ',',
            quote_character: '"',
            allow_quoted_record_delimiter: false,
        }
    }
}

impl CsvInput {
    /// That no character has two meanings.
    pub(crate) fn check(&self) -> Result<()> {
        let delimiters = self.record_delimiter.chars().count();
        let quote = self.quote_character;
        let clash = self.record_delimiter.contains([self.field_delimiter, quote]) || self.field_delimiter == quote;
        if (1..=2).contains(&delimiters) && !clash { Ok(()) } else { Err(Code::InvalidRequestParameter.into()) }
    }
}

/// Bytes of an object, counted from 0, both ends included; an end alone is a length from the end of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRange {
    /// The first byte.
    pub start: Option<i64>,
    /// The last byte.
    pub end: Option<i64>,
}

/// A range of an object of known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    pub(crate) const ALL: Self = Self { first: 0, last: u64::MAX };

    /// Nothing begins outside of it.
    pub(crate) fn contains(self, offset: u64) -> bool {
        (self.first..=self.last).contains(&offset)
    }
}

impl ScanRange {
    pub(crate) fn of(self, size: u64) -> Result<Span> {
        let invalid = || Error::from(Code::InvalidScanRange);
        let number = |n: i64| u64::try_from(n).map_err(|_| invalid());
        match (self.start.map(number).transpose()?, self.end.map(number).transpose()?) {
            (None, None) => Err(invalid()),
            (None, Some(0)) => Err(invalid()),
            (None, Some(length)) => Ok(Span { first: size.saturating_sub(length), last: u64::MAX }),
            (Some(first), last) => {
                let last = last.unwrap_or(u64::MAX);
                if first > last || first >= size.max(1) { Err(invalid()) } else { Ok(Span { first, last }) }
            }
        }
    }
}

/// How answers are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Fields between delimiters.
    Csv(CsvOutput),
    /// An object a record, with that behind each.
    Json {
        /// What follows each record.
        record_delimiter: String,
    },
}

/// Which fields are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteFields {
    /// All.
    Always,
    /// Those that would be read as something else.
    AsNeeded,
}

/// `CSV` of an output serialisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOutput {
    /// Which fields are quoted.
    pub quote_fields: QuoteFields,
    /// Stands before a quotation mark that is part of a quoted field.
    pub quote_escape_character: char,
    /// What follows each record.
    pub record_delimiter: String,
    /// What is between fields.
    pub field_delimiter: String,
    /// What quoted fields begin and end with.
    pub quote_character: char,
}

impl Default for CsvOutput {
    fn default() -> Self {
        Self {
            quote_fields: QuoteFields::AsNeeded,
            quote_escape_character: '"',
            record_delimiter: "\n".to_owned(),
            field_delimiter: ",".to_owned(),
            quote_character: '"',
        }
    }
}

/// A member that is one character.
///
/// # Errors
/// When it is none or several.
pub fn character(text: &str) -> Result<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Code::InvalidRequestParameter.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (start, end, size, wanted) in [
            (Some(1), Some(4), 10, Some((1, 4))),
            (Some(5), None, 10, Some((5, u64::MAX))),
            (None, Some(4), 10, Some((6, u64::MAX))),
            (None, Some(40), 10, Some((0, u64::MAX))),
            (Some(0), Some(0), 0, Some((0, 0))),
            (Some(10), None, 10, None),
            (Some(4), Some(3), 10, None),
            (Some(-1), None, 10, None),
            (None, Some(0), 10, None),
            (None, None, 10, None),
        ] {
            let span = ScanRange { start, end }.of(size).ok();
            assert_eq!(span.map(|s| (s.first, s.last)), wanted, "{start:?} {end:?} of {size}");
        }
    }
}
