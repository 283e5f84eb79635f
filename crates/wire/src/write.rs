//! Writing an answer: `Write` says what a shape holds, `Writer` says how a protocol puts it down.

use bytes::Bytes;

use crate::schema::{List, Map, Shape, Structure};
use crate::value::{Body, Fields, Timestamp, Value};

/// A shape that can be put down by any protocol. The generated output structs implement it.
pub trait Write: Send + Sync {
    /// Puts it down, once, as one value.
    fn write(&self, w: &mut dyn Writer);

    /// The HTTP status, where it is not the one that the operation is bound to: S3 tells a restoration that was begun
    /// from one that was there.
    fn status(&self) -> Option<u16> {
        None
    }
}

/// A protocol that puts values down in the order they are given.
///
/// A structure is `structure`, then for each member that is set `member` and its value, then `end`. A list is `list`,
/// the items, `end`. A map is `map`, then for each entry `key` and its value, then `end`.
pub trait Writer {
    /// Opens a structure.
    fn structure(&mut self, of: &'static Structure);
    /// Names the member whose value comes next.
    fn member(&mut self, index: u16);
    /// Opens a list of `length` items.
    fn list(&mut self, of: &'static List, length: usize);
    /// Opens a map of `length` entries.
    fn map(&mut self, of: &'static Map, length: usize);
    /// Names the entry whose value comes next.
    fn key(&mut self, key: &str);
    /// Closes what was opened last.
    fn end(&mut self);
    /// A null in a sparse list or map.
    fn null(&mut self);
    /// true or false.
    fn boolean(&mut self, value: bool);
    /// An integer or long.
    fn integer(&mut self, value: i64);
    /// A float or double.
    fn double(&mut self, value: f64);
    /// A text.
    fn string(&mut self, value: &str);
    /// Bytes.
    fn blob(&mut self, value: &Bytes);
    /// A moment.
    fn timestamp(&mut self, value: Timestamp);
    /// Any JSON.
    fn document(&mut self, value: &serde_json::Value);
    /// A streaming body. It is taken out of `value`.
    fn body(&mut self, value: &Body);
}

impl Write for () {
    fn write(&self, w: &mut dyn Writer) {
        w.structure(&EMPTY);
        w.end();
    }
}

static EMPTY: Structure = Structure::EMPTY;

impl Write for Fields {
    fn write(&self, w: &mut dyn Writer) {
        w.structure(self.schema);
        for (index, value) in &self.set {
            if let Some(member) = self.schema.members.get(usize::from(*index)) {
                w.member(*index);
                value.write_as(&member.shape, w);
            }
        }
        w.end();
    }
}

impl Value {
    /// Writes it as `shape` says.
    pub fn write_as(&self, shape: &Shape, w: &mut dyn Writer) {
        match (self, shape) {
            (Self::Null, _) => w.null(),
            (Self::Boolean(b), _) => w.boolean(*b),
            #[expect(clippy::cast_precision_loss, reason = "a whole number read for a double")]
            (Self::Integer(i), Shape::Double(_) | Shape::Float(_)) => w.double(*i as f64),
            (Self::Integer(i), _) => w.integer(*i),
            (Self::Double(d), _) => w.double(*d),
            (Self::String(s), _) => w.string(s),
            (Self::Blob(b), _) => w.blob(b),
            (Self::Timestamp(t), _) => w.timestamp(*t),
            (Self::Document(d), _) => w.document(d),
            (Self::Body(b), _) => w.body(b),
            (Self::Structure(fields), _) => fields.write(w),
            (Self::List(items), Shape::List(of)) => {
                w.list(of, items.len());
                items.iter().for_each(|item| item.write_as(&of.item, w));
                w.end();
            }
            (Self::Map(entries), Shape::Map(of)) => {
                w.map(of, entries.len());
                for (key, value) in entries {
                    w.key(key);
                    value.write_as(&of.value, w);
                }
                w.end();
            }
            (Self::List(_) | Self::Map(_), _) => w.null(),
        }
    }
}
