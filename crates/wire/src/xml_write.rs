//! Writing XML: restXml bodies and the answers of query and ec2Query.

use bytes::Bytes;

use crate::schema::{List, Map, Member, Shape, Structure, TimestampFormat};
use crate::text;
use crate::value::{Body, Timestamp};
use crate::write::Writer;

/// Puts values down as XML elements.
pub struct XmlWriter {
    out: String,
    open: Vec<Open>,
    /// Name, namespace and timestamp form of the element that comes next.
    next: Next,
    /// Members of the innermost open structure that are attributes are put into its start tag, which stays open so long.
    tag_open: bool,
    root_namespace: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Next {
    name: &'static str,
    namespace: Option<(&'static str, Option<&'static str>)>,
    time: Option<TimestampFormat>,
    flattened: bool,
    attribute: bool,
}

enum Open {
    Structure { of: &'static Structure, close: &'static str },
    List { of: &'static List, close: Option<&'static str>, each: &'static str },
    Map { of: &'static Map, close: Option<&'static str>, each: &'static str, entry: bool },
}

impl XmlWriter {
    /// Writes a root element called `root`, in `namespace`.
    pub fn new(root: &'static str, namespace: Option<&'static str>) -> Self {
        let next = Next { name: root, namespace: None, time: None, flattened: false, attribute: false };
        Self { out: String::new(), open: Vec::new(), next, tag_open: false, root_namespace: namespace }
    }

    /// The text, without a declaration.
    pub fn finish(mut self) -> String {
        self.close_tag();
        self.out
    }

    fn close_tag(&mut self) {
        if std::mem::take(&mut self.tag_open) {
            self.out.push('>');
        }
    }

    /// Opens the element that comes next and says what closes it.
    fn start(&mut self) -> &'static str {
        self.start_in(None)
    }

    /// The same for an element whose shape may have a namespace of its own; the member's goes before it.
    fn start_in(&mut self, own: Option<(&'static str, Option<&'static str>)>) -> &'static str {
        self.prepare();
        let next = Next { namespace: self.next.namespace.or(own), ..self.next };
        if self.out.capacity() == 0 {
            self.out.reserve(256);
            self.open.reserve(8);
        }
        self.close_tag();
        self.out.push('<');
        self.out.push_str(next.name);
        if let Some(namespace) = self.root_namespace.take() {
            self.namespace(namespace, None);
        }
        if let Some((uri, prefix)) = next.namespace {
            self.namespace(uri, prefix);
        }
        self.tag_open = true;
        next.name
    }

    fn namespace(&mut self, uri: &str, prefix: Option<&str>) {
        self.out.push_str(" xmlns");
        if let Some(prefix) = prefix {
            self.out.push(':');
            self.out.push_str(prefix);
        }
        self.out.push_str("=\"");
        escape(uri, &mut self.out);
        self.out.push('"');
    }

    /// In a list, the next element is an item; in a map, a value.
    fn prepare(&mut self) {
        match self.open.last() {
            Some(Open::List { of, each, .. }) => {
                self.next =
                    Next { name: each, namespace: None, time: time_of(&of.item), flattened: false, attribute: false };
            }
            Some(Open::Map { of, .. }) => {
                self.next = Next {
                    name: of.value_name,
                    namespace: None,
                    time: time_of(&of.value),
                    flattened: false,
                    attribute: false,
                };
            }
            _ => {}
        }
    }

    fn stop(&mut self, name: &str) {
        self.close_tag();
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn scalar(&mut self, text: &str) {
        if self.next.attribute && matches!(self.open.last(), Some(Open::Structure { .. })) {
            self.out.push(' ');
            self.out.push_str(self.next.name);
            self.out.push_str("=\"");
            escape(text, &mut self.out);
            self.out.push('"');
        } else {
            let name = self.start();
            self.close_tag();
            escape(text, &mut self.out);
            self.stop(name);
        }
        self.end_entry();
    }

    /// A map entry ends with its value.
    fn end_entry(&mut self) {
        if let Some(Open::Map { each, entry, .. }) = self.open.last_mut()
            && std::mem::take(entry)
        {
            let each = *each;
            self.stop(each);
        }
    }
}

fn time_of(shape: &Shape) -> Option<TimestampFormat> {
    if let Shape::Timestamp(format) = shape { *format } else { None }
}

fn next_of(member: &'static Member) -> Next {
    Next {
        name: member.xml,
        namespace: member.xml_namespace,
        time: time_of(&member.shape),
        flattened: member.flattened,
        attribute: member.attribute,
    }
}

/// Appends `text` with what XML cannot carry as it is escaped.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Readers turn a bare carriage return into a line feed.
            '\r' => out.push_str("&#xD;"),
            '\u{85}' => out.push_str("&#x85;"),
            '\u{2028}' => out.push_str("&#x2028;"),
            c => out.push(c),
        }
    }
}

impl Writer for XmlWriter {
    fn structure(&mut self, of: &'static Structure) {
        // The root's namespace was given to the writer.
        let close = self.start_in(of.xml_namespace.filter(|_| !self.open.is_empty()));
        self.open.push(Open::Structure { of, close });
    }

    fn member(&mut self, index: u16) {
        if let Some(Open::Structure { of, .. }) = self.open.last()
            && let Some(member) = of.members.get(usize::from(index))
        {
            self.next = next_of(member);
        }
    }

    fn list(&mut self, of: &'static List, _length: usize) {
        let inside = matches!(self.open.last(), Some(Open::Structure { .. }));
        let opened = if inside && self.next.flattened {
            self.close_tag();
            Open::List { of, close: None, each: self.next.name }
        } else {
            Open::List { of, close: Some(self.start()), each: of.item_name }
        };
        self.open.push(opened);
    }

    fn map(&mut self, of: &'static Map, _length: usize) {
        let inside = matches!(self.open.last(), Some(Open::Structure { .. }));
        let opened = if inside && self.next.flattened {
            self.close_tag();
            Open::Map { of, close: None, each: self.next.name, entry: false }
        } else {
            Open::Map { of, close: Some(self.start()), each: "entry", entry: false }
        };
        self.open.push(opened);
    }

    fn key(&mut self, key: &str) {
        self.close_tag();
        let Some(Open::Map { of, each, entry, .. }) = self.open.last_mut() else { return };
        *entry = true;
        let (each, key_name) = (*each, of.key_name);
        for part in ["<", each, "><", key_name, ">"] {
            self.out.push_str(part);
        }
        escape(key, &mut self.out);
        self.stop(key_name);
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Structure { close, .. }) => self.stop(close),
            Some(Open::List { close, .. } | Open::Map { close, .. }) => {
                if let Some(close) = close {
                    self.stop(close);
                }
            }
            None => {}
        }
        self.end_entry();
    }

    fn null(&mut self) {
        self.scalar("");
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }

    fn double(&mut self, value: f64) {
        self.scalar(&text::double(value));
    }

    fn string(&mut self, value: &str) {
        self.scalar(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.scalar(&text::base64(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.prepare();
        let text = text::timestamp(value, self.next.time.unwrap_or(TimestampFormat::Iso8601));
        self.scalar(&text);
    }

    fn document(&mut self, value: &serde_json::Value) {
        self.scalar(&value.to_string());
    }

    fn body(&mut self, value: &Body) {
        let bytes = value.take().into_parts().unwrap_or_default();
        self.blob(&bytes);
    }
}
