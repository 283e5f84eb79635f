//! CSV: records and fields, as they come.

use std::sync::Arc;

use crate::error::{Code, Result};
use crate::settings::{Compression, CsvInput, FileHeaderInfo, Span};

use super::{Counter, MOST_RECORD, Source, Tape, invalid_text, over_max_record};

/// A record's fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    text: String,
    ends: Vec<usize>,
}

impl Fields {
    pub(crate) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        self.text.get(start..end)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|n| self.get(n))
    }
}

/// What a field ended at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Field,
    Record,
    End,
}

/// Reads records.
#[derive(Debug)]
pub(crate) struct CsvReader {
    tape: Tape,
    span: Span,
    record_delimiter: Vec<u8>,
    field_delimiter: Vec<u8>,
    quote: Vec<u8>,
    /// `None`: a quotation mark escapes itself.
    escape: Option<Vec<u8>>,
    comments: Vec<u8>,
    allow_quoted_record_delimiter: bool,
}

fn bytes(character: char) -> Vec<u8> {
    character.to_string().into_bytes()
}

impl CsvReader {
    /// Opens an object and reads its header, if it has one.
    pub(crate) fn open(
        source: &Arc<dyn Source>,
        settings: &CsvInput,
        compression: Compression,
        span: Span,
        counter: &Counter,
    ) -> Result<(Self, Option<Fields>)> {
        settings.check()?;
        let (quote, escape) = (settings.quote_character, settings.quote_escape_character);
        let has_header = settings.file_header_info != FileHeaderInfo::None;
        // A record begins right at the start of the range when a delimiter ends there.
        let before = span.first.saturating_sub(settings.record_delimiter.len() as u64);
        let mut reader = Self {
            tape: Tape::open(source.clone(), if has_header { 0 } else { before }, compression, counter)?,
            span: Span::ALL,
            record_delimiter: settings.record_delimiter.clone().into_bytes(),
            field_delimiter: bytes(settings.field_delimiter),
            quote: bytes(quote),
            escape: (quote != escape).then(|| bytes(escape)),
            comments: bytes(settings.comments),
            allow_quoted_record_delimiter: settings.allow_quoted_record_delimiter,
        };
        let mut header = None;
        if has_header {
            let mut fields = Fields::default();
            reader.next(&mut fields)?;
            header = Some(fields);
        }
        reader.span = span;
        // To the first record that begins in the range, behind the header.
        if span.first > reader.tape.offset() {
            if before > reader.tape.offset() {
                reader.tape = Tape::open(source.clone(), before, Compression::None, counter)?;
            }
            reader.tape.skip_past(&reader.record_delimiter)?;
        }
        Ok((reader, header.filter(|_| settings.file_header_info == FileHeaderInfo::Use)))
    }

    /// Reads the next record. False: there is none.
    pub(crate) fn next(&mut self, fields: &mut Fields) -> Result<bool> {
        let mut data = std::mem::take(&mut fields.text).into_bytes();
        data.clear();
        fields.ends.clear();
        loop {
            if self.tape.peek()?.is_none() || self.tape.offset() > self.span.last {
                return Ok(false);
            }
            if self.tape.starts_with(&self.record_delimiter)? {
                self.tape.consume(self.record_delimiter.len());
            } else if self.tape.starts_with(&self.comments)? {
                self.tape.skip_past(&self.record_delimiter)?;
            } else {
                break;
            }
        }
        let start = self.tape.offset();
        loop {
            let stop = if self.tape.starts_with(&self.quote)? {
                self.tape.consume(self.quote.len());
                self.quoted(&mut data, start)?
            } else {
                self.unquoted(&mut data, start)?
            };
            fields.ends.push(data.len());
            if stop != Stop::Field {
                break;
            }
        }
        fields.text =
            String::from_utf8(data).map_err(|error| invalid_text(start + error.utf8_error().valid_up_to() as u64))?;
        // A delimiter of several bytes cannot cut a character in two, but bytes that are no text could.
        if fields.ends.iter().any(|end| !fields.text.is_char_boundary(*end)) {
            return Err(invalid_text(start));
        }
        Ok(true)
    }

    fn check_length(&self, start: u64) -> Result<()> {
        if self.tape.offset() - start > MOST_RECORD { Err(over_max_record()) } else { Ok(()) }
    }

    /// Whether a delimiter or the end comes next; it is gone past.
    fn stop(&mut self) -> Result<Option<Stop>> {
        if self.tape.starts_with(&self.record_delimiter)? {
            self.tape.consume(self.record_delimiter.len());
            return Ok(Some(Stop::Record));
        }
        if self.tape.starts_with(&self.field_delimiter)? {
            self.tape.consume(self.field_delimiter.len());
            return Ok(Some(Stop::Field));
        }
        Ok(self.tape.peek()?.is_none().then_some(Stop::End))
    }

    /// Takes bytes of the window up to one of these.
    fn take_until(&mut self, data: &mut Vec<u8>, stops: [u8; 3], start: u64) -> Result<()> {
        loop {
            let window = self.tape.window()?;
            if window.is_empty() {
                return Ok(());
            }
            let found = memchr::memchr3(stops[0], stops[1], stops[2], window);
            let length = found.unwrap_or(window.len());
            data.extend_from_slice(&window[..length]);
            self.tape.consume(length);
            self.check_length(start)?;
            if found.is_some() {
                return Ok(());
            }
        }
    }

    fn unquoted(&mut self, data: &mut Vec<u8>, start: u64) -> Result<Stop> {
        let stops = [self.field_delimiter[0], self.record_delimiter[0], self.record_delimiter[0]];
        loop {
            self.take_until(data, stops, start)?;
            if let Some(stop) = self.stop()? {
                return Ok(stop);
            }
            self.take_one(data)?;
        }
    }

    fn take_one(&mut self, data: &mut Vec<u8>) -> Result<()> {
        data.extend(self.tape.peek()?);
        self.tape.consume(1);
        Ok(())
    }

    fn quoted(&mut self, data: &mut Vec<u8>, start: u64) -> Result<Stop> {
        let quote = self.quote.clone();
        let escape = self.escape.clone().unwrap_or_else(|| quote.clone());
        let stops = [quote[0], escape[0], self.record_delimiter[0]];
        let (escaped_quote, escaped_escape) = ([&escape[..], &quote].concat(), [&escape[..], &escape].concat());
        loop {
            self.take_until(data, stops, start)?;
            if self.tape.peek()?.is_none() {
                return Err(Code::CsvUnescapedQuote.into());
            }
            if self.tape.starts_with(&escaped_quote)? {
                self.tape.consume(escaped_quote.len());
                data.extend_from_slice(&quote);
            } else if self.tape.starts_with(&escaped_escape)? {
                self.tape.consume(escaped_escape.len());
                data.extend_from_slice(&escape);
            } else if self.tape.starts_with(&quote)? {
                self.tape.consume(quote.len());
                return self.stop()?.ok_or_else(|| Code::CsvUnescapedQuote.into());
            } else if self.tape.starts_with(&self.record_delimiter)? && !self.allow_quoted_record_delimiter {
                return Err(Code::CsvEscapingRecordDelimiter.into());
            } else {
                self.take_one(data)?;
            }
        }
    }
}
