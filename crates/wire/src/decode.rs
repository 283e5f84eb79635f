//! What all readers share: the answer of a reading, unknown members, and the protocol's words for a malformed body.

use crate::error::AwsError;
use crate::schema::{Member, Protocol, Range, Shape, Structure};
use crate::value::{Fields, Value};

/// Nesting that no request may exceed.
pub const MAX_DEPTH: usize = 128;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// What was wrong, and where.
    pub message: String,
    /// In what way.
    pub fault: Fault,
    /// The parameter or header that it was, where it was none of the body.
    pub at: Option<Argument>,
}

/// A member of a request beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name on the wire.
    pub name: &'static str,
    /// What was given.
    pub value: String,
}

/// The ways in which a request can be malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not even the protocol's own syntax: broken JSON, XML or CBOR.
    Syntax,
    /// A value is not of the type that its member has.
    Type,
    /// The body is of a type that the operation does not take.
    ContentType,
    /// The answer would be of a type that the caller does not take.
    Accept,
}

impl Malformed {
    /// The bytes are not the protocol's syntax.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self { message: message.into(), fault: Fault::Syntax, at: None }
    }

    /// A value is not of the type that its member has.
    pub fn wrong_type(message: impl Into<String>) -> Self {
        Self { message: message.into(), fault: Fault::Type, at: None }
    }

    /// The same, said of a parameter or header.
    #[must_use]
    pub fn at(self, name: &'static str, value: &str) -> Self {
        Self { at: Some(Argument { name, value: value.to_owned() }), ..self }
    }

    /// The answer that services give on `protocol`.
    pub fn into_error(self, protocol: Protocol) -> AwsError {
        match (self.fault, protocol) {
            (Fault::ContentType, _) => AwsError::new("UnsupportedMediaTypeException", 415, self.message),
            (Fault::Accept, _) => AwsError::new("NotAcceptableException", 406, self.message),
            (_, Protocol::Json | Protocol::RestJson | Protocol::Cbor | Protocol::AwsCbor) => {
                AwsError::new("SerializationException", 400, self.message)
            }
            (_, Protocol::RestXml) => AwsError::new(
                "MalformedXML",
                400,
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
            (Fault::Syntax, Protocol::Query | Protocol::Ec2) => {
                AwsError::new("MalformedQueryString", 400, self.message)
            }
            (_, Protocol::Query | Protocol::Ec2) => AwsError::new("MalformedInput", 400, self.message),
        }
    }
}

/// The result of a reading.
pub type Result<T> = std::result::Result<T, Malformed>;

/// A request as it was understood.
#[derive(Debug)]
pub struct Decoded {
    /// The input structure.
    pub input: Fields,
    /// Members that the request names and the API does not have.
    pub unknown: Vec<String>,
}

/// Checks that an integer fits 32 bits where the member says so.
pub fn integer(value: i64, shape: &Shape) -> Result<Value> {
    match shape {
        Shape::Integer(Range { .. }) if i32::try_from(value).is_err() => {
            Err(Malformed::wrong_type(format!("{value} does not fit an integer of 32 bits")))
        }
        _ => Ok(Value::Integer(value)),
    }
}

/// The scalar that `text` is, for places where every value is text: labels, headers, query strings, forms, XML.
pub fn scalar(text: &str, shape: &Shape, default_time: crate::schema::TimestampFormat) -> Result<Value> {
    let wrong = |what: &str| Malformed::wrong_type(format!("`{}` is not {what}", shorten(text)));
    Ok(match shape {
        Shape::String(_) => Value::String(text.to_owned()),
        Shape::Boolean => match text {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => return Err(wrong("a boolean")),
        },
        Shape::Integer(_) | Shape::Long(_) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong("an integer"));
            }
            integer(text.parse().map_err(|_| wrong("an integer of 64 bits"))?, shape)?
        }
        Shape::Float(_) | Shape::Double(_) => {
            Value::Double(crate::text::parse_double(text).ok_or_else(|| wrong("a number"))?)
        }
        Shape::Blob(_) => Value::Blob(crate::text::unbase64(text).ok_or_else(|| wrong("base64"))?.into()),
        Shape::Timestamp(format) => {
            let format = format.unwrap_or(default_time);
            Value::Timestamp(crate::text::parse_timestamp(text, format).ok_or_else(|| wrong("a timestamp"))?)
        }
        Shape::Document => Value::Document(serde_json::Value::String(text.to_owned())),
        Shape::List(_) | Shape::Map(_) | Shape::Structure(_) => return Err(wrong("a structure")),
    })
}

/// The start of a text, for messages.
pub fn shorten(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}

/// The members of a structure as they are found: later ones replace earlier ones, unions take one.
pub struct Collect {
    fields: Fields,
    /// How many were found that the API does not have.
    foreign: usize,
    /// The member that comes next if members come in the model's order, as they usually do.
    hint: usize,
}

impl Collect {
    /// Nothing found so far.
    pub fn new(schema: &'static Structure) -> Self {
        Self { fields: Fields::new(schema), foreign: 0, hint: 0 }
    }

    /// The member whose wire name is `name`.
    pub fn find(&mut self, name: &str) -> Option<(u16, &'static Member)> {
        let members = self.fields.schema.members;
        let found = match members.get(self.hint) {
            Some(m) if m.wire == name => Some((self.hint, m)),
            _ => members.iter().enumerate().find(|(_, m)| m.wire == name),
        };
        let (index, member) = found?;
        self.hint = index + 1;
        u16::try_from(index).ok().map(|index| (index, member))
    }

    /// A member was found.
    pub fn set(&mut self, index: u16, value: Value) {
        match self.fields.set.iter_mut().find(|(i, _)| *i == index) {
            Some(slot) => slot.1 = value,
            None => self.fields.set.push((index, value)),
        }
    }

    /// A member was found that the API does not have.
    pub fn foreign(&mut self) {
        self.foreign += 1;
    }

    /// The structure; a union must have exactly one member, and that one known.
    pub fn finish(self) -> Result<Fields> {
        let count = self.fields.set.len();
        if self.fields.schema.union && (count != 1 || self.foreign > 0) {
            let name = self.fields.schema.name;
            let count = count + self.foreign;
            return Err(Malformed::wrong_type(format!(
                "the union {name} must have exactly one known member, not {count}"
            )));
        }
        Ok(self.fields)
    }
}
