//! CSV: an object a line, whose values are texts ("CSV file" of "ItemReader").

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::failed;
use crate::failure::Failure;
use crate::tree::CsvHeaders;

pub(super) fn read(bytes: &[u8], headers: &CsvHeaders, delimiter: char, most: usize) -> Result<Vec<Value>, Failure> {
    // A mark of the order of bytes is not of the first name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delimiter = u8::try_from(delimiter).map_err(|_| failed("The CSV delimiter is not ASCII."))?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
    let mut records = reader.records();
    let names: Vec<String> = match headers {
        CsvHeaders::Given(names) => names.clone(),
        CsvHeaders::FirstRow => match records.next() {
            Some(record) => line(record)?.iter().map(str::to_owned).collect(),
            None => return Ok(Vec::new()),
        },
    };
    let mut items = Vec::new();
    for record in records.take(most) {
        let record = line(record)?;
        items.push(item(&names, &record));
    }
    Ok(items)
}

fn line(record: Result<StringRecord, csv::Error>) -> Result<StringRecord, Failure> {
    record.map_err(|e| failed(format!("The CSV file cannot be read: {e}")))
}

/// A line that is too short has empty texts at its end; what is too much at the end of a long one is left out.
fn item(names: &[String], record: &StringRecord) -> Value {
    let fields = names.iter().enumerate().map(|(i, name)| (name.clone(), record.get(i).unwrap_or("").into()));
    Value::Object(fields.collect::<Map<_, _>>())
}
