//! Writing JSON: awsJson and restJson1 bodies, and the in-process form.

use bytes::Bytes;

use crate::schema::{List, Map, Shape, Structure, TimestampFormat};
use crate::text;
use crate::value::{Body, Timestamp};
use crate::write::Writer;

/// Puts values down as JSON text.
pub struct JsonWriter {
    out: Vec<u8>,
    open: Vec<Open>,
    time: Option<TimestampFormat>,
    json_text: bool,
}

struct Open {
    schema: Option<&'static Structure>,
    close: u8,
    any: bool,
}

impl JsonWriter {
    /// Nothing written.
    pub fn new() -> Self {
        Self { out: Vec::new(), open: Vec::new(), time: None, json_text: false }
    }

    /// The text.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn comma(&mut self) {
        if let Some(top) = self.open.last_mut() {
            if top.any {
                self.out.push(b',');
            }
            top.any = true;
        }
    }

    /// List items are separated here; members and entries are by their names.
    fn item(&mut self) {
        if self.open.last().is_some_and(|o| o.close == b']') {
            self.comma();
        }
    }

    fn begin(&mut self, schema: Option<&'static Structure>, open: u8, close: u8) {
        if self.out.capacity() == 0 {
            self.out.reserve(256);
            self.open.reserve(8);
        }
        self.item();
        self.out.push(open);
        self.open.push(Open { schema, close, any: false });
    }

    fn remember_time(&mut self, shape: &Shape) {
        if let Shape::Timestamp(format) = shape {
            self.time = *format;
        }
    }
}

impl Default for JsonWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends `text` as a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    // Nearly no text has anything to escape, and one look at all of its bytes at once is cheap.
    if !bytes.iter().fold(false, |any, b| any | (*b < 0x20) | (*b == b'"') | (*b == b'\\')) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        let short = match b {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..i]);
        from = i + 1;
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

impl Writer for JsonWriter {
    fn structure(&mut self, of: &'static Structure) {
        self.begin(Some(of), b'{', b'}');
    }

    fn member(&mut self, index: u16) {
        self.comma();
        let member = self.open.last().and_then(|o| o.schema).and_then(|s| s.members.get(usize::from(index)));
        if let Some(member) = member {
            self.out.push(b'"');
            self.out.extend_from_slice(member.wire.as_bytes());
            self.out.extend_from_slice(b"\":");
            self.remember_time(&member.shape);
            self.json_text = member.json_value;
        }
    }

    fn list(&mut self, of: &'static List, _length: usize) {
        self.begin(None, b'[', b']');
        self.remember_time(&of.item);
    }

    fn map(&mut self, of: &'static Map, _length: usize) {
        self.begin(None, b'{', b'}');
        self.remember_time(&of.value);
    }

    fn key(&mut self, key: &str) {
        self.comma();
        string(key, &mut self.out);
        self.out.push(b':');
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.out.push(open.close);
        }
    }

    fn null(&mut self) {
        self.item();
        self.out.extend_from_slice(b"null");
    }

    fn boolean(&mut self, value: bool) {
        self.item();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn integer(&mut self, value: i64) {
        self.item();
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn double(&mut self, value: f64) {
        self.item();
        if value.is_finite() {
            self.out.extend_from_slice(format!("{value:?}").as_bytes());
        } else {
            string(&text::double(value), &mut self.out);
        }
    }

    fn string(&mut self, value: &str) {
        self.item();
        string(value, &mut self.out);
    }

    fn blob(&mut self, value: &Bytes) {
        self.item();
        // Nothing of it has to be escaped.
        self.out.push(b'"');
        text::base64_into(value, &mut self.out);
        self.out.push(b'"');
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.item();
        match self.time.unwrap_or(TimestampFormat::Epoch) {
            TimestampFormat::Epoch => self.out.extend_from_slice(text::epoch(value).as_bytes()),
            format => string(&text::timestamp(value, format), &mut self.out),
        }
    }

    fn document(&mut self, value: &serde_json::Value) {
        self.item();
        let json = value.to_string();
        if std::mem::take(&mut self.json_text) {
            string(&json, &mut self.out);
        } else {
            self.out.extend_from_slice(json.as_bytes());
        }
    }

    fn body(&mut self, value: &Body) {
        // A streaming member never stands inside a JSON body; a whole one is a blob.
        let bytes = value.take().into_parts().unwrap_or_default();
        self.blob(&bytes);
    }
}
