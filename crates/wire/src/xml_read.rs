//! Reading XML: restXml bodies. Entities are never expanded; a document type is refused.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::decode::{Collect, MAX_DEPTH, Malformed, Result, scalar};
use crate::schema::{Member, Shape, Structure, TimestampFormat};
use crate::value::{Fields, Value};

/// One element: its local name, attributes, text and children.
#[derive(Debug, Default)]
pub struct Element {
    /// Name without its prefix.
    pub name: String,
    /// Attributes, by their names as written (`xsi:type`).
    pub attributes: Vec<(String, String)>,
    /// The text directly in it.
    pub text: String,
    /// The elements directly in it.
    pub children: Vec<Element>,
}

/// Reads a whole body as `schema`; an empty one is an empty structure.
pub fn structure(bytes: &[u8], schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
    match parse(bytes)? {
        Some(root) => members(&root, schema, unknown),
        None => Collect::new(schema).finish(),
    }
}

/// The root element. `None`: there is nothing but white space.
pub fn parse(bytes: &[u8]) -> Result<Option<Element>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::syntax("the body is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|e| Malformed::syntax(format!("malformed XML: {e}")))?;
        match event {
            Event::Start(_) | Event::Empty(_) if open.len() >= MAX_DEPTH => {
                return Err(Malformed::syntax(format!("nested deeper than {MAX_DEPTH}")));
            }
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let done = open.pop().ok_or_else(|| Malformed::syntax("an end without a start"))?;
                close(done, &mut open, &mut root)?;
            }
            Event::Text(t) => add_text(&t, &mut open)?,
            Event::CData(t) => add_text(&t, &mut open)?,
            Event::GeneralRef(r) => {
                let text = match r.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    Ok(None) => predefined(&r).ok_or_else(|| Malformed::syntax("an undefined entity"))?.to_owned(),
                    Err(e) => return Err(Malformed::syntax(e.to_string())),
                };
                add_text(&text, &mut open)?;
            }
            Event::DocType(_) => return Err(Malformed::syntax("a document type is not accepted")),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if open.is_empty() { Ok(root) } else { Err(Malformed::syntax("the document ended inside an element")) }
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

fn element(start: &BytesStart<'_>) -> Result<Element> {
    let mut found = Element { name: start.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| Malformed::syntax(e.to_string()))?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|e| Malformed::syntax(e.to_string()))?;
        found.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(found)
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<()> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return Err(Malformed::syntax("more than one root element")),
    }
    Ok(())
}

fn add_text(text: &str, open: &mut [Element]) -> Result<()> {
    match open.last_mut() {
        Some(top) => top.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Malformed::syntax("text outside the root element")),
    }
    Ok(())
}

/// The members of a structure, from its element.
pub fn members(element: &Element, schema: &'static Structure, unknown: &mut Vec<String>) -> Result<Fields> {
    let mut found = Collect::new(schema);
    for (index, member) in (0u16..).zip(schema.members) {
        if member.location != crate::schema::Location::Body {
            continue;
        }
        if member.attribute {
            let wanted = member.xml.rsplit(':').next().unwrap_or(member.xml);
            let attribute = element.attributes.iter().find(|(n, _)| n.rsplit(':').next() == Some(wanted));
            if let Some((_, text)) = attribute {
                found.set(index, scalar(text, &member.shape, TimestampFormat::Iso8601)?);
            }
        } else if let Some(value) = member_value(element, member, unknown)? {
            found.set(index, value);
        }
    }
    for child in &element.children {
        if !schema.members.iter().any(|m| {
            m.xml == child.name || matches!(m.shape, Shape::List(l) if m.flattened && l.item_name == child.name)
        }) {
            found.foreign();
            unknown.push(child.name.clone());
        }
    }
    found.finish()
}

fn member_value(parent: &Element, member: &'static Member, unknown: &mut Vec<String>) -> Result<Option<Value>> {
    let named = || parent.children.iter().filter(|c| c.name == member.xml);
    if member.flattened {
        let mut elements = named().peekable();
        if elements.peek().is_none() {
            return Ok(None);
        }
        return match &member.shape {
            Shape::List(of) => {
                let items: Result<Vec<_>> = elements.map(|e| value(e, &of.item, unknown)).collect();
                Ok(Some(Value::List(items?)))
            }
            Shape::Map(of) => entries(elements, of, unknown).map(Some),
            _ => Err(Malformed::wrong_type("only lists and maps are flattened")),
        };
    }
    // Of an element that stands twice the last one counts, as in AWS's own readers.
    named().next_back().map(|e| value(e, &member.shape, unknown)).transpose()
}

fn value(element: &Element, shape: &Shape, unknown: &mut Vec<String>) -> Result<Value> {
    match shape {
        Shape::Structure(of) => members(element, of, unknown).map(Value::Structure),
        Shape::List(of) => {
            let items = element.children.iter().filter(|c| c.name == of.item_name);
            items.map(|e| value(e, &of.item, unknown)).collect::<Result<_>>().map(Value::List)
        }
        Shape::Map(of) => entries(element.children.iter().filter(|c| c.name == "entry"), of, unknown),
        Shape::String(_) => Ok(Value::String(element.text.clone())),
        _ => scalar(element.text.trim(), shape, TimestampFormat::Iso8601),
    }
}

fn entries<'a>(
    elements: impl Iterator<Item = &'a Element>,
    of: &'static crate::schema::Map,
    unknown: &mut Vec<String>,
) -> Result<Value> {
    let mut out = BTreeMap::new();
    for element in elements {
        let child = |name: &str| element.children.iter().find(|c| c.name == name);
        let key = child(of.key_name).ok_or_else(|| Malformed::wrong_type("a map entry has no key"))?;
        let item = child(of.value_name).ok_or_else(|| Malformed::wrong_type("a map entry has no value"))?;
        out.insert(key.text.clone(), value(item, &of.value, unknown)?);
    }
    Ok(Value::Map(out))
}
