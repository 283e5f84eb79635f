//! Reading JSON straight into a [`Value`] by the schema: awsJson, restJson1 and the in-process form.

use std::borrow::Cow;

use bytes::Bytes;

use crate::decode::{Collect, MAX_DEPTH, Malformed, Result, integer};
use crate::schema::{List, Map, Shape, Structure, TimestampFormat};
use crate::text;
use crate::value::{Fields, Value};

/// So many bytes of a text are looked at together.
const AT_ONCE: usize = 32;

/// Reads a whole body as `schema`. An empty body is an empty structure, as AWS's services take it.
/// Names of members that the API does not have are added to `unknown`.
pub fn structure(bytes: &[u8], schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Collect::new(schema).finish();
    }
    match value(bytes, &Shape::Structure(schema), unknown)? {
        Some(Value::Structure(fields)) => Ok(fields),
        _ => Err(Malformed::wrong_type("the body must be a JSON object")),
    }
}

/// Reads a whole body as `shape`. `None`: it is null.
pub fn value(bytes: &[u8], shape: &Shape, unknown: &mut Vec<String>) -> Result<Option<Value>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::syntax("the body is not UTF-8"))?;
    let mut reader = JsonReader { text, at: 0, depth: 0, unknown };
    let value = reader.value(shape)?;
    reader.space();
    if reader.at != text.len() {
        return Err(reader.syntax("the end of the body"));
    }
    Ok(value)
}

struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    unknown: &'a mut Vec<String>,
}

impl<'a> JsonReader<'a> {
    fn syntax(&self, expected: &str) -> Malformed {
        Malformed::syntax(format!("malformed JSON at byte {}: expected {expected}", self.at))
    }

    fn space(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8, expected: &str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.syntax(expected))
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, shape: &Shape) -> Result<Option<Value>> {
        if self.peek() == Some(b'n') && !matches!(shape, Shape::Document) {
            return if self.word("null") { Ok(None) } else { Err(self.syntax("null")) };
        }
        self.present(shape).map(Some)
    }

    fn present(&mut self, shape: &Shape) -> Result<Value> {
        match shape {
            Shape::String(_) => self.expect_string("a string").map(Value::String),
            Shape::Blob(_) => {
                if self.peek() != Some(b'"') {
                    return Err(self.wrong_type("base64 text"));
                }
                let text = self.string_as_it_stands()?;
                let bytes = text::unbase64(&text).ok_or_else(|| Malformed::wrong_type("a blob is not base64"))?;
                Ok(Value::Blob(Bytes::from(bytes)))
            }
            Shape::Boolean => match self.peek() {
                Some(b't') if self.word("true") => Ok(Value::Boolean(true)),
                Some(b'f') if self.word("false") => Ok(Value::Boolean(false)),
                _ => Err(self.wrong_type("a boolean")),
            },
            Shape::Integer(_) | Shape::Long(_) => self.integer(shape),
            Shape::Float(_) | Shape::Double(_) => self.double().map(Value::Double),
            Shape::Timestamp(format) => self.timestamp(*format),
            Shape::List(of) => self.list(of),
            Shape::Map(of) => self.map(of),
            Shape::Structure(of) => self.structure(of).map(Value::Structure),
            Shape::Document => self.document().map(Value::Document),
        }
    }

    fn wrong_type(&self, expected: &str) -> Malformed {
        match self.text.as_bytes().get(self.at) {
            Some(b'"' | b'{' | b'[' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => {
                Malformed::wrong_type(format!("expected {expected} at byte {}", self.at))
            }
            _ => self.syntax(expected),
        }
    }

    fn expect_string(&mut self, expected: &str) -> Result<String> {
        if self.peek() == Some(b'"') { self.string() } else { Err(self.wrong_type(expected)) }
    }

    /// A string, the cursor on its opening quote.
    fn string(&mut self) -> Result<String> {
        self.string_as_it_stands().map(Cow::into_owned)
    }

    /// The same, not copied where it has no escapes.
    fn string_as_it_stands(&mut self) -> Result<Cow<'a, str>> {
        let (text, bytes) = (self.text, self.text.as_bytes());
        let start = self.at + 1;
        let mut end = start;
        loop {
            // Long texts are mostly plain, and one look at many bytes at once is cheap.
            while let Some(many) = bytes.get(end..end + AT_ONCE)
                && !many.iter().fold(false, |any, b| any | (*b < 0x20) | (*b == b'"') | (*b == b'\\'))
            {
                end += AT_ONCE;
            }
            match bytes.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return Ok(Cow::Borrowed(&text[start..end]));
                }
                Some(b'\\') => return self.escaped(start, end).map(Cow::Owned),
                Some(0x20..) => end += 1,
                _ => {
                    self.at = end;
                    return Err(self.syntax("a closing quote"));
                }
            }
        }
    }

    /// The rest of a string that has escapes; `first` is where the first one stands.
    fn escaped(&mut self, start: usize, first: usize) -> Result<String> {
        let bytes = self.text.as_bytes();
        let mut out = String::with_capacity(first - start + 16);
        let (mut from, mut to) = (start, first);
        loop {
            match bytes.get(to) {
                Some(b'"') => {
                    out.push_str(&self.text[from..to]);
                    self.at = to + 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[from..to]);
                    self.at = to + 1;
                    out.push(self.escape()?);
                    (from, to) = (self.at, self.at);
                }
                Some(0x20..) => to += 1,
                _ => {
                    self.at = to;
                    return Err(self.syntax("a closing quote"));
                }
            }
        }
    }

    /// One escape, the cursor behind its backslash.
    fn escape(&mut self) -> Result<char> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.syntax("an escape")),
        })
    }

    fn unicode(&mut self) -> Result<char> {
        let high = self.hex4()?;
        if let Some(c) = char::from_u32(high) {
            return Ok(c);
        }
        if (0xD800..0xDC00).contains(&high) && self.word("\\u") {
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(code).ok_or_else(|| self.syntax("a Unicode character"));
            }
        }
        Err(self.syntax("a pair of surrogates"))
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| self.syntax("four hexadecimal digits"))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.syntax("four hexadecimal digits"))
    }

    /// The text of a number, by JSON's grammar.
    fn number(&mut self) -> Result<&'a str> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.wrong_type("a number"));
        }
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut at = if bytes[start] == b'-' { start + 1 } else { start };
        let whole = at;
        at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at) };
        let mut good = at > whole;
        if bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            good &= end > at + 1;
            at = end;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let end = digits(at + 1 + sign);
            good &= end > at + 1 + sign;
            at = end;
        }
        self.at = at;
        if good && !bytes.get(at).is_some_and(u8::is_ascii_digit) {
            Ok(&self.text[start..at])
        } else {
            Err(self.syntax("a number"))
        }
    }

    fn integer(&mut self, shape: &Shape) -> Result<Value> {
        let text = self.number()?;
        if let Ok(value) = text.parse::<i64>() {
            return integer(value, shape);
        }
        // `1.0` and `1e3` are integers too; AWS's JSON services take them where nothing is lost.
        match text.parse::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the integers a double holds exactly")]
            Ok(d) if d.fract() == 0.0 && d.abs() < 9.0e15 => integer(d as i64, shape),
            _ => Err(Malformed::wrong_type(format!("{text} is not an integer"))),
        }
    }

    fn double(&mut self) -> Result<f64> {
        if self.peek() == Some(b'"') {
            let text = self.string()?;
            return match text.as_str() {
                "NaN" | "Infinity" | "-Infinity" => {
                    text::parse_double(&text).ok_or_else(|| self.wrong_type("a number"))
                }
                _ => Err(Malformed::wrong_type("a text stands where a number is expected")),
            };
        }
        self.number()?.parse().map_err(|_| self.syntax("a number"))
    }

    fn timestamp(&mut self, format: Option<TimestampFormat>) -> Result<Value> {
        let wrong = || Malformed::wrong_type("not a timestamp in the form of its member");
        if self.peek() == Some(b'"') {
            let text = self.string()?;
            return match format {
                Some(format @ (TimestampFormat::Iso8601 | TimestampFormat::Http)) => {
                    text::parse_timestamp(&text, format).map(Value::Timestamp).ok_or_else(wrong)
                }
                _ => Err(wrong()),
            };
        }
        match format {
            None | Some(TimestampFormat::Epoch) => {
                let seconds = self.double()?;
                text::from_epoch(seconds).map(Value::Timestamp).ok_or_else(wrong)
            }
            Some(_) => Err(self.wrong_type("a timestamp in a string")),
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Malformed::syntax(format!("nested deeper than {MAX_DEPTH}"))) } else { Ok(()) }
    }

    /// Runs `each` for every comma-separated part up to `close`, the cursor on the opening bracket.
    fn sequence(&mut self, close: u8, each: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.at += 1;
        self.deeper()?;
        if self.peek() == Some(close) {
            self.at += 1;
        } else {
            loop {
                each(self)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b) if b == close => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.syntax("a comma or a closing bracket")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax("a member name"));
        }
        let key = self.string()?;
        self.eat(b':', "a colon")?;
        Ok(key)
    }

    fn list(&mut self, of: &'static List) -> Result<Value> {
        if self.peek() != Some(b'[') {
            return Err(self.wrong_type("a list"));
        }
        let mut items = Vec::new();
        self.sequence(b']', &mut |r| {
            match r.value(&of.item)? {
                Some(item) => items.push(item),
                None if of.sparse => items.push(Value::Null),
                None => return Err(Malformed::wrong_type("a list holds null")),
            }
            Ok(())
        })?;
        Ok(Value::List(items))
    }

    fn map(&mut self, of: &'static Map) -> Result<Value> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong_type("a map"));
        }
        let mut entries = std::collections::BTreeMap::new();
        self.sequence(b'}', &mut |r| {
            let key = r.key()?;
            match r.value(&of.value)? {
                Some(value) => drop(entries.insert(key, value)),
                None if of.sparse => drop(entries.insert(key, Value::Null)),
                None => return Err(Malformed::wrong_type("a map holds null")),
            }
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    fn structure(&mut self, of: &'static Structure) -> Result<Fields> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong_type("an object"));
        }
        let mut found = Collect::new(of);
        self.sequence(b'}', &mut |r| {
            let key = r.key()?;
            match found.find(&key) {
                Some((index, member)) => {
                    if let Some(value) = r.value(&member.shape)? {
                        found.set(index, value);
                    }
                }
                None => {
                    r.document()?;
                    // Unions carry their type's name in some SDKs' requests.
                    if key != "__type" {
                        found.foreign();
                        r.unknown.push(key);
                    }
                }
            }
            Ok(())
        })?;
        found.finish()
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        use serde_json::Value as Json;
        Ok(match self.peek() {
            Some(b'"') => Json::String(self.string()?),
            Some(b'{') => {
                let mut entries = serde_json::Map::new();
                self.sequence(b'}', &mut |r| {
                    let key = r.key()?;
                    let value = r.document()?;
                    entries.insert(key, value);
                    Ok(())
                })?;
                Json::Object(entries)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.sequence(b']', &mut |r| {
                    items.push(r.document()?);
                    Ok(())
                })?;
                Json::Array(items)
            }
            Some(b't') if self.word("true") => Json::Bool(true),
            Some(b'f') if self.word("false") => Json::Bool(false),
            Some(b'n') if self.word("null") => Json::Null,
            _ => {
                let text = self.number()?;
                match (text.parse::<i64>(), text.parse::<u64>()) {
                    (Ok(i), _) => Json::from(i),
                    (_, Ok(u)) => Json::from(u),
                    _ => Json::from(text.parse::<f64>().map_err(|_| self.syntax("a number"))?),
                }
            }
        })
    }
}
