//! Records to the bytes of an answer.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::error::{Code, Result};
use crate::evaluate::cast::as_string;
use crate::input::{MOST_RECORD, over_max_record};
use crate::settings::{CsvOutput, Output, QuoteFields};
use crate::types::Value;

/// A field of a record, and what it is called.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, Value>);

/// Writes one record.
pub(crate) fn record(output: &Output, fields: &[Field<'_>], out: &mut String) -> Result<()> {
    let start = out.len();
    match output {
        Output::Csv(settings) => csv(settings, fields, out)?,
        Output::Json { record_delimiter } => {
            object(fields.iter().map(|(name, value)| (&**name, &**value)), out);
            out.push_str(record_delimiter);
        }
    }
    if (out.len() - start) as u64 > MOST_RECORD { Err(over_max_record()) } else { Ok(()) }
}

/// What is null or missing is an empty field.
fn csv(settings: &CsvOutput, fields: &[Field<'_>], out: &mut String) -> Result<()> {
    for (n, (_, value)) in fields.iter().enumerate() {
        if n > 0 {
            out.push_str(&settings.field_delimiter);
        }
        if value.is_unknown() {
            quoted(settings, "", out);
            continue;
        }
        // "Amazon S3 Select can only emit nested data using the JSON output format."
        let Some(text) = as_string(value) else { return Err(Code::UnrecognizedFormatException.into()) };
        quoted(settings, &text, out);
    }
    out.push_str(&settings.record_delimiter);
    Ok(())
}

fn quoted(settings: &CsvOutput, text: &str, out: &mut String) {
    if settings.quote_fields == QuoteFields::AsNeeded && !needs_quotes(settings, text) {
        out.push_str(text);
        return;
    }
    let (quote, escape) = (settings.quote_character, settings.quote_escape_character);
    out.push(quote);
    for c in text.chars() {
        if c == quote || c == escape {
            out.push(escape);
        }
        out.push(c);
    }
    out.push(quote);
}

/// Whether a text would be read as something else.
fn needs_quotes(settings: &CsvOutput, text: &str) -> bool {
    let quote = settings.quote_character;
    let delimiters = [&settings.field_delimiter, &settings.record_delimiter];
    // Most texts have no byte that any of these begins with.
    let mut buffer = [0; 4];
    let quote_begins = quote.encode_utf8(&mut buffer).as_bytes()[0];
    let [field_begins, record_begins] = delimiters.map(|d| d.bytes().next().unwrap_or(b'\n'));
    let special = [b'\n', b'\r', quote_begins, field_begins, record_begins];
    if !text.bytes().any(|b| special.contains(&b)) {
        return false;
    }
    text.contains([quote, '\n', '\r']) || delimiters.iter().any(|d| !d.is_empty() && text.contains(d.as_str()))
}

/// An object; what is missing is not in it.
fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>, out: &mut String) {
    out.push('{');
    let mut first = true;
    for (name, value) in fields {
        if matches!(value, Value::Missing) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        string(name, out);
        out.push(':');
        json(value, out);
    }
    out.push('}');
}

fn json(value: &Value, out: &mut String) {
    match value {
        Value::Missing | Value::Null => out.push_str("null"),
        Value::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Struct(members) => object(members.iter().map(|(name, value)| (name.as_str(), value)), out),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Decimal(_) => {
            out.push_str(&as_string(value).unwrap_or_default());
        }
        Value::String(_) | Value::Text(_) | Value::Timestamp(_) => string(&as_string(value).unwrap_or_default(), out),
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
