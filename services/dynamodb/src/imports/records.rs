//! Items in the objects that an import reads: lines of JSON or of Ion, and records of CSV.

use crate::ion;
use crate::value::{AttributeValue, Item, Type};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};
use undercast_wire::text::unbase64;

/// The longest line or record that can be an item: its 400 KB, each byte of them written with six.
const LONGEST: usize = 4 * 1_048_576;

/// What an object is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// `{"Item": {…}}` a line.
    Json,
    /// `$ion_1_0 {Item:{…}}` a line.
    Ion,
    /// Values with a delimiter between them.
    Csv {
        /// What stands between values.
        delimiter: u8,
        /// The names of the columns; without them the first record has them.
        headers: Option<Vec<String>>,
        /// The columns that are no texts, for they are keys of the table or of an index.
        kinds: BTreeMap<String, Type>,
    },
}

/// What was wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// Whether nothing behind it is read.
    pub last: bool,
}

impl Problem {
    fn here(message: impl Into<String>) -> Self {
        Self { message: message.into(), last: false }
    }

    fn last(message: impl Into<String>) -> Self {
        Self { message: message.into(), last: true }
    }
}

/// The records of one object.
pub struct Records<R> {
    source: R,
    format: Format,
    /// Bytes of all that was read.
    read: u64,
    over: bool,
}

impl<R: BufRead> Records<R> {
    /// Those of an object whose bytes are these.
    pub fn new(source: R, format: Format) -> Self {
        Self { source, format, read: 0, over: false }
    }

    /// How many bytes have been read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// One line with its end; `None` at the end of the object.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let mut line = Vec::new();
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = self.source.by_ref().take(limit).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Problem::last(format!("The object cannot be read: {error}")))?;
        self.read += u64::try_from(read).unwrap_or(0);
        if read >= LONGEST && !line.ends_with(b"\n") {
            return Err(Problem::last("A line is longer than an item can be"));
        }
        Ok((read > 0).then_some(line))
    }

    fn text(&mut self) -> Result<Option<String>, Problem> {
        let Some(line) = self.line()? else { return Ok(None) };
        String::from_utf8(line).map(Some).map_err(|_| Problem::last("The object is not UTF-8"))
    }

    /// A line that is not empty.
    fn filled(&mut self) -> Result<Option<String>, Problem> {
        loop {
            match self.text()? {
                Some(line) if line.trim().is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    fn find(&mut self) -> Result<Option<Item>, Problem> {
        match &self.format {
            Format::Json => self.filled()?.map(|line| of_json(line.trim())).transpose(),
            Format::Ion => {
                let item = |line: String| {
                    ion::item(line.trim()).map_err(|error| match error {
                        ion::IonError::Value(message) => Problem::here(message),
                        other => Problem::last(other.to_string()),
                    })
                };
                self.filled()?.map(item).transpose()
            }
            Format::Csv { .. } => self.row(),
        }
    }

    /// The item of a record, whose columns the first record names if nothing else does.
    fn row(&mut self) -> Result<Option<Item>, Problem> {
        let Format::Csv { delimiter, headers, .. } = &self.format else { return Ok(None) };
        let (delimiter, named) = (*delimiter, headers.is_some());
        if !named {
            let Some(first) = self.record(delimiter)? else { return Ok(None) };
            let mut names = first.clone();
            names.sort();
            names.dedup();
            if names.len() < first.len() || names.first().is_some_and(String::is_empty) {
                return Err(Problem::last("The header has a column without a name, or one name twice"));
            }
            if let Format::Csv { headers, .. } = &mut self.format {
                *headers = Some(first);
            }
        }
        let Some(cells) = self.record(delimiter)? else { return Ok(None) };
        let Format::Csv { headers: Some(headers), kinds, .. } = &self.format else { return Ok(None) };
        if cells.len() != headers.len() {
            let (found, wanted) = (cells.len(), headers.len());
            return Err(Problem::here(format!("The record has {found} columns, and the header has {wanted}")));
        }
        let filled = headers.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        filled.map(|(name, cell)| Ok((name.clone(), typed(kinds.get(name), cell)?))).collect::<Result<_, _>>().map(Some)
    }

    /// The cells of a record, which goes over several lines where a line ends within quotes.
    fn record(&mut self, delimiter: u8) -> Result<Option<Vec<String>>, Problem> {
        let Some(mut text) = self.filled()? else { return Ok(None) };
        // Text editors put a mark before the first letter of a file.
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            text = rest.to_owned();
        }
        loop {
            match cells(text.trim_end_matches(['\n', '\r']), char::from(delimiter)) {
                Cells::All(cells) => return Ok(Some(cells)),
                Cells::Wrong => {
                    return Err(Problem::last("A quote stands within a value that does not begin with one"));
                }
                Cells::Open => match self.text()? {
                    Some(next) if text.len() + next.len() <= LONGEST => text.push_str(&next),
                    _ => return Err(Problem::last("A value in quotes does not end")),
                },
            }
        }
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Item, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let found = self.find().transpose();
        self.over = match &found {
            None => true,
            Some(Err(problem)) => problem.last,
            Some(Ok(_)) => false,
        };
        found
    }
}

/// What a line is, as records of CSV go.
enum Cells {
    All(Vec<String>),
    /// It ends within quotes.
    Open,
    Wrong,
}

fn cells(line: &str, delimiter: char) -> Cells {
    let mut all = Vec::new();
    let mut rest = line;
    loop {
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted_cell(quoted) {
                None => return Cells::Open,
                Some((cell, behind)) if behind.is_empty() || behind.starts_with(delimiter) => (cell, behind),
                Some(_) => return Cells::Wrong,
            },
            None => {
                let (cell, behind) = rest.split_at(rest.find(delimiter).unwrap_or(rest.len()));
                if cell.contains('"') {
                    return Cells::Wrong;
                }
                (cell.to_owned(), behind)
            }
        };
        all.push(cell);
        match behind.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Cells::All(all),
        }
    }
}

/// The cell before the quote that ends it, and what stands behind that.
fn quoted_cell(mut rest: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    loop {
        let (before, behind) = rest.split_once('"')?;
        cell.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell, behind)),
        }
    }
}

/// A cell as its column wants it.
fn typed(kind: Option<&Type>, cell: String) -> Result<AttributeValue, Problem> {
    match kind {
        Some(Type::N) => AttributeValue::number(cell.trim()).map_err(|error| Problem::here(error.to_string())),
        Some(Type::B) => {
            let bytes = unbase64(&cell).ok_or_else(|| Problem::here("A value of a binary key is not base64"))?;
            Ok(AttributeValue::B(bytes))
        }
        _ => Ok(AttributeValue::S(cell)),
    }
}

fn of_json(line: &str) -> Result<Item, Problem> {
    let read: Json = serde_json::from_str(line).map_err(|error| Problem::last(format!("Unexpected token: {error}")))?;
    match read.get("Item") {
        Some(Json::Object(attributes)) => {
            attributes.iter().map(|(name, value)| Ok((name.clone(), value_of(value)?))).collect()
        }
        _ => Err(Problem::last("Expected 'Item' top level container")),
    }
}

/// A value in the form of DynamoDB's JSON.
fn value_of(json: &Json) -> Result<AttributeValue, Problem> {
    let wrong = || Problem::last("Expected a value with one of the types of DynamoDB");
    let mut members = json.as_object().ok_or_else(wrong)?.iter();
    let (Some((code, value)), None) = (members.next(), members.next()) else { return Err(wrong()) };
    let text = |value: &Json| value.as_str().map(ToOwned::to_owned).ok_or_else(wrong);
    let bytes = |value: &Json| value.as_str().and_then(unbase64).ok_or_else(wrong);
    let members = || value.as_array().ok_or_else(wrong);
    let refused = |error: crate::value::ValueError| Problem::here(error.to_string());
    match code.as_str() {
        "S" => Ok(AttributeValue::S(text(value)?)),
        "N" => AttributeValue::number(&text(value)?).map_err(refused),
        "B" => Ok(AttributeValue::B(bytes(value)?)),
        "BOOL" => Ok(AttributeValue::Bool(value.as_bool().ok_or_else(wrong)?)),
        "NULL" => Ok(AttributeValue::Null),
        "SS" => AttributeValue::string_set(members()?.iter().map(text).collect::<Result<_, _>>()?).map_err(refused),
        "NS" => {
            AttributeValue::number_set(&members()?.iter().map(text).collect::<Result<Vec<_>, _>>()?).map_err(refused)
        }
        "BS" => AttributeValue::binary_set(members()?.iter().map(bytes).collect::<Result<_, _>>()?).map_err(refused),
        "L" => Ok(AttributeValue::L(members()?.iter().map(value_of).collect::<Result<_, _>>()?)),
        "M" => {
            let members = value.as_object().ok_or_else(wrong)?;
            let inner = members.iter().map(|(name, value)| Ok((name.clone(), value_of(value)?)));
            Ok(AttributeValue::M(inner.collect::<Result<_, _>>()?))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, text: &str) -> Vec<Result<Item, Problem>> {
        Records::new(text.as_bytes(), format).collect()
    }

    fn csv(delimiter: u8, headers: Option<&[&str]>, text: &str) -> Vec<Result<Vec<(String, AttributeValue)>, String>> {
        let kinds = BTreeMap::from([("n".to_owned(), Type::N), ("b".to_owned(), Type::B)]);
        let headers = headers.map(|all| all.iter().map(|name| (*name).to_owned()).collect());
        let plain = |item: Item| item.into_iter().collect();
        let read = all(Format::Csv { delimiter, headers, kinds }, text);
        read.into_iter().map(|record| record.map(plain).map_err(|problem| problem.message)).collect()
    }

    fn s(name: &str, text: &str) -> (String, AttributeValue) {
        (name.to_owned(), AttributeValue::S(text.to_owned()))
    }

    #[test]
    fn records_have_the_columns_of_the_header() {
        let n = |text: &str| ("n".to_owned(), AttributeValue::number(text).unwrap());
        let text = "\u{feff}k,n,v\r\na,1, x \n\n\"b,\"\"c\"\"\",2,\"two\nlines\"\nd,,\n";
        assert_eq!(
            csv(b',', None, text),
            [
                Ok(vec![s("k", "a"), n("1"), s("v", " x ")]),
                Ok(vec![s("k", "b,\"c\""), n("2"), s("v", "two\nlines")]),
                Ok(vec![s("k", "d")]),
            ]
        );
        assert_eq!(csv(b'|', Some(&["k", "v"]), "k|v\n"), [Ok(vec![s("k", "k"), s("v", "v")])]);
        assert_eq!(csv(b';', Some(&["b"]), "aGk=\n"), [Ok(vec![("b".to_owned(), AttributeValue::B(b"hi".to_vec()))])]);
    }

    #[test]
    fn records_that_are_none() {
        let short = csv(b',', None, "k,v\na\nb,2\n");
        assert!(short[0].as_ref().unwrap_err().starts_with("The record has 1 columns"));
        assert_eq!(short[1], Ok(vec![s("k", "b"), s("v", "2")]), "the next record is read");
        for text in ["k,v\na \"b\" c,d\ne,f\n", "k,v\n\"a\" b,d\ne,f\n", "k,v\n\"a,b\n", "k,k\na,b\n", "k,\na,b\n"] {
            let read = csv(b',', None, text);
            assert!(read.len() == 1 && read[0].is_err(), "{text}: {read:?}");
        }
        assert!(csv(b',', None, "k,n\na,x\n")[0].as_ref().unwrap_err().contains("numeric value"));
        assert!(csv(b',', None, "").is_empty() && csv(b',', None, "k,v\n").is_empty());
    }

    #[test]
    fn lines_of_json() {
        let text = concat!(
            r#"{"Item":{"a":{"S":"x"},"n":{"N":"1"},"l":{"L":[{"NULL":true},{"BOOL":false}]},"m":{"M":{"b":{"BS":["aGk="]}}}}}"#,
            "\n  \n",
            r#"{"Item":{"n":{"N":"x"}}}"#,
            "\n",
            r#"{"Item":{"a":{"S":"y"}}}"#,
        );
        let read = all(Format::Json, text);
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].as_ref().unwrap().len(), 4);
        assert!(!read[1].as_ref().unwrap_err().last && read[2].is_ok());
        for text in [
            "{\"Item\":",
            "{\"Other\":{}}",
            "{\"Item\":{\"a\":\"b\"}}",
            "{\"Item\":{\"a\":{\"S\":\"b\",\"N\":\"1\"}}}",
            "\u{1f}\u{8b}",
        ] {
            let read = all(Format::Json, &format!("{text}\n{{\"Item\":{{}}}}\n"));
            assert!(read.len() == 1 && read[0].as_ref().unwrap_err().last, "{text}: {read:?}");
        }
        assert_eq!(all(Format::Ion, "$ion_1_0 {Item:{a:1.}}\n\n{Item:{}}\n").len(), 2);
    }
}
