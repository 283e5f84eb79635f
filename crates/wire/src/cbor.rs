//! CBOR, reading and writing: rpcV2 CBOR, and what stands in the place of JSON in awsJson, where moments are counted in
//! milliseconds rather than in seconds.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::decode::{Collect, MAX_DEPTH, Malformed, Result, integer};
use crate::schema::{List, Map, Shape, Structure};
use crate::value::{Body, Fields, Timestamp, Value};
use crate::write::Writer;

/// Reads a whole body as `schema`; an empty one is an empty structure.
pub fn structure(bytes: &[u8], schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
    whole(bytes, schema, unknown, false)
}

/// The same of a body that stands in the place of one of awsJson.
pub fn aws_structure(bytes: &[u8], schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
    whole(bytes, schema, unknown, true)
}

fn whole(bytes: &[u8], schema: &'static Structure, unknown: &mut Vec<String>, millis: bool) -> Result<Fields> {
    if bytes.is_empty() {
        return Collect::new(schema).finish();
    }
    let mut reader = CborReader { bytes, at: 0, depth: 0, unknown, millis };
    let fields = reader.structure(schema)?;
    if reader.at == bytes.len() { Ok(fields) } else { Err(reader.syntax("bytes behind the end")) }
}

/// The texts of a map of texts, which is what errors are; of anything else, those before it.
pub fn texts(bytes: &[u8]) -> Vec<(String, String)> {
    let (mut unknown, mut found) = (Vec::new(), Vec::new());
    let mut reader = CborReader { bytes, at: 0, depth: 0, unknown: &mut unknown, millis: false };
    // What comes behind something else is not looked at.
    let _ = reader.sequence(5, "a map", &mut |r| {
        found.push((r.text()?, r.text()?));
        Ok(())
    });
    found
}

struct CborReader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    unknown: &'a mut Vec<String>,
    /// Moments are milliseconds.
    millis: bool,
}

/// The first byte of an item: major type, the length or value that goes with it (`None`: indefinite).
struct Head {
    major: u8,
    info: u8,
    value: Option<u64>,
}

const BREAK: u8 = 0xff;

impl CborReader<'_> {
    fn syntax(&self, what: &str) -> Malformed {
        Malformed::syntax(format!("malformed CBOR at byte {}: {what}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.syntax("the body ends inside an item"))?;
        let start = std::mem::replace(&mut self.at, end);
        Ok(&self.bytes[start..end])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn head(&mut self) -> Result<Head> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let value = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => {
                let bytes = self.take(1 << (info - 24))?;
                Some(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
            }
            31 if matches!(major, 2..=5) => None,
            _ => return Err(self.syntax("a reserved form")),
        };
        Ok(Head { major, info, value })
    }

    /// An item that is null or undefined.
    fn skip_null(&mut self) -> bool {
        let null = matches!(self.peek(), Some(0xf6 | 0xf7));
        if null {
            self.at += 1;
        }
        null
    }

    fn value(&mut self, shape: &Shape) -> Result<Option<Value>> {
        if self.skip_null() {
            return Ok(None);
        }
        self.present(shape).map(Some)
    }

    fn present(&mut self, shape: &Shape) -> Result<Value> {
        Ok(match shape {
            Shape::Structure(of) => Value::Structure(self.structure(of)?),
            Shape::List(of) => self.list(of)?,
            Shape::Map(of) => self.map(of)?,
            Shape::String(_) => Value::String(self.text()?),
            Shape::Blob(_) => Value::Blob(self.chunks(2, "a byte string")?.into()),
            Shape::Boolean => match self.take(1)?[0] {
                0xf4 => Value::Boolean(false),
                0xf5 => Value::Boolean(true),
                _ => return Err(Malformed::wrong_type("expected a boolean")),
            },
            Shape::Integer(_) | Shape::Long(_) => integer(self.integer()?, shape)?,
            Shape::Float(_) | Shape::Double(_) => Value::Double(self.double()?),
            Shape::Timestamp(_) => {
                let head = self.head()?;
                if (head.major, head.value) != (6, Some(1)) {
                    return Err(Malformed::wrong_type("expected a timestamp (tag 1)"));
                }
                let counted = self.double()?;
                let seconds = if self.millis { counted / 1000.0 } else { counted };
                let moment = crate::text::from_epoch(seconds);
                Value::Timestamp(moment.ok_or_else(|| Malformed::wrong_type("a timestamp out of range"))?)
            }
            Shape::Document => return Err(Malformed::wrong_type("documents do not exist in this protocol")),
        })
    }

    fn integer(&mut self) -> Result<i64> {
        let head = self.head()?;
        let value = head.value.and_then(|v| i64::try_from(v).ok());
        match (head.major, value) {
            (0, Some(v)) => Ok(v),
            (1, Some(v)) => Ok(-1 - v),
            _ => Err(Malformed::wrong_type("expected an integer of 64 bits")),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an integer stands where a double is expected")]
    fn double(&mut self) -> Result<f64> {
        if self.peek().is_some_and(|b| b >> 5 < 2) {
            return Ok(self.integer()? as f64);
        }
        let head = self.head()?;
        let bits = head.value.unwrap_or_default();
        match (head.major, head.info) {
            (7, 25) => Ok(half(u16::try_from(bits).unwrap_or_default())),
            (7, 26) => Ok(f64::from(f32::from_bits(u32::try_from(bits).unwrap_or_default()))),
            (7, 27) => Ok(f64::from_bits(bits)),
            _ => Err(Malformed::wrong_type("expected a number")),
        }
    }

    fn text(&mut self) -> Result<String> {
        let bytes = self.chunks(3, "a text")?;
        String::from_utf8(bytes).map_err(|_| self.syntax("a text is not UTF-8"))
    }

    fn chunks(&mut self, major: u8, what: &str) -> Result<Vec<u8>> {
        let head = self.head()?;
        if head.major != major {
            return Err(Malformed::wrong_type(format!("expected {what}")));
        }
        if let Some(length) = head.value {
            let length = usize::try_from(length).map_err(|_| self.syntax("too long"))?;
            return Ok(self.take(length)?.to_vec());
        }
        let mut all = Vec::new();
        while self.peek() != Some(BREAK) {
            let part = self.head()?;
            let length = part.value.filter(|_| part.major == major).and_then(|l| usize::try_from(l).ok());
            let length = length.ok_or_else(|| self.syntax("a piece of another kind"))?;
            all.extend_from_slice(self.take(length)?);
        }
        self.at += 1;
        Ok(all)
    }

    /// Runs `each` for every item of a list or entry of a map.
    fn sequence(&mut self, major: u8, what: &str, each: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let head = self.head()?;
        if head.major != major {
            return Err(Malformed::wrong_type(format!("expected {what}")));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed::syntax(format!("nested deeper than {MAX_DEPTH}")));
        }
        if let Some(count) = head.value {
            for _ in 0..count {
                each(self)?;
            }
        } else {
            while self.peek() != Some(BREAK) {
                each(self)?;
            }
            self.at += 1;
        }
        self.depth -= 1;
        Ok(())
    }

    fn list(&mut self, of: &'static List) -> Result<Value> {
        let mut items = Vec::new();
        self.sequence(4, "a list", &mut |r| {
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
        let mut entries = BTreeMap::new();
        self.sequence(5, "a map", &mut |r| {
            let key = r.text()?;
            match r.value(&of.value)? {
                Some(value) => drop(entries.insert(key, value)),
                None if of.sparse => drop(entries.insert(key, Value::Null)),
                None => {}
            }
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    fn structure(&mut self, of: &'static Structure) -> Result<Fields> {
        let mut found = Collect::new(of);
        self.sequence(5, "a structure", &mut |r| {
            let key = r.text()?;
            match found.find(&key) {
                Some((index, member)) => {
                    if let Some(value) = r.value(&member.shape)? {
                        found.set(index, value);
                    }
                }
                None => {
                    r.skip()?;
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

    /// Passes over one item of any kind.
    fn skip(&mut self) -> Result<()> {
        let start = self.at;
        let head = self.head()?;
        match head.major {
            2 | 3 => {
                self.at = start;
                self.chunks(head.major, "a string").map(drop)
            }
            4 => {
                self.at = start;
                self.sequence(4, "a list", &mut Self::skip)
            }
            5 => {
                self.at = start;
                self.sequence(5, "a map", &mut |r| r.skip().and_then(|()| r.skip()))
            }
            6 => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Malformed::syntax(format!("nested deeper than {MAX_DEPTH}")));
                }
                let skipped = self.skip();
                self.depth -= 1;
                skipped
            }
            _ => Ok(()),
        }
    }
}

/// A 16-bit float.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 31, f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
    }
}

/// Puts values down as CBOR. Structures are of indefinite length, so that members can be given one by one.
#[derive(Default)]
pub struct CborWriter {
    out: Vec<u8>,
    open: Vec<Option<&'static Structure>>,
    /// Moments are milliseconds.
    millis: bool,
}

impl CborWriter {
    /// Nothing written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing written of what stands in the place of a body of awsJson.
    pub fn aws() -> Self {
        Self { millis: true, ..Self::default() }
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    #[expect(clippy::cast_possible_truncation, reason = "each arm has bounded the value")]
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..=23 => self.out.push(major | value as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 24, value as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&(value as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&(value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }
}

impl Writer for CborWriter {
    fn structure(&mut self, of: &'static Structure) {
        self.out.push(0xbf);
        self.open.push(Some(of));
    }

    fn member(&mut self, index: u16) {
        let member = self.open.last().copied().flatten().and_then(|s| s.members.get(usize::from(index)));
        if let Some(member) = member {
            self.text(member.wire);
        }
    }

    fn list(&mut self, _of: &'static List, length: usize) {
        self.head(4, length as u64);
        self.open.push(None);
    }

    fn map(&mut self, _of: &'static Map, length: usize) {
        self.head(5, length as u64);
        self.open.push(None);
    }

    fn key(&mut self, key: &str) {
        self.text(key);
    }

    fn end(&mut self) {
        if let Some(Some(_)) = self.open.pop() {
            self.out.push(BREAK);
        }
    }

    fn null(&mut self) {
        self.out.push(0xf6);
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(v) => self.head(0, v),
            Err(_) => self.head(1, value.unsigned_abs() - 1),
        }
    }

    fn double(&mut self, value: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    fn string(&mut self, value: &str) {
        self.text(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.head(2, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of the years 0 to 9999 are exact in a double")]
    fn timestamp(&mut self, value: Timestamp) {
        self.head(6, 1);
        let millis = value.as_millisecond();
        if self.millis {
            self.integer(millis);
            return;
        }
        if millis.rem_euclid(1000) == 0 { self.integer(millis / 1000) } else { self.double(millis as f64 / 1000.0) }
    }

    fn document(&mut self, _value: &serde_json::Value) {
        self.null();
    }

    fn body(&mut self, value: &Body) {
        let bytes = value.take().into_parts().unwrap_or_default();
        self.blob(&bytes);
    }
}
