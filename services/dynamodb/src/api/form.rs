//! Items and values between the wire and the store: read into the types of this crate, written from the stored form.

use super::{
    L_BINARY_SET_ATTRIBUTE_VALUE, L_LIST_ATTRIBUTE_VALUE, L_NUMBER_SET_ATTRIBUTE_VALUE, L_STRING_SET_ATTRIBUTE_VALUE,
    M_ATTRIBUTE_MAP, M_EXPRESSION_ATTRIBUTE_VALUE_MAP, M_MAP_ATTRIBUTE_VALUE, S_ATTRIBUTE_VALUE,
};
use crate::compact::{self, Corrupt, ItemRef, MapRef, SetRef, ValueRef};
use crate::error::Result;
use crate::expression::Placeholders;
use crate::value::{AttributeValue, Item, ValueError, base64};
use bytes::Bytes;
use serde_json::{Map as JsonMap, Value as Json, json};
use std::collections::BTreeMap;
use undercast_wire::schema::{List, Map};
use undercast_wire::text::unbase64;
use undercast_wire::{Value, Write, Writer};

/// Indices of the members of `AttributeValue`, in the order of the API's model.
mod member {
    pub(super) const S: u16 = 0;
    pub(super) const N: u16 = 1;
    pub(super) const B: u16 = 2;
    pub(super) const SS: u16 = 3;
    pub(super) const NS: u16 = 4;
    pub(super) const BS: u16 = 5;
    pub(super) const M: u16 = 6;
    pub(super) const L: u16 = 7;
    pub(super) const NULL: u16 = 8;
    pub(super) const BOOL: u16 = 9;
}

/// A map of attributes: an item, or a key.
#[derive(Debug, Clone)]
pub(crate) enum Attributes {
    /// As a request has it. What is wrong with it is said when it is asked for, for other mistakes come first.
    Written(std::result::Result<Item, ValueError>),
    /// As it is stored.
    Stored(Bytes),
}

impl Default for Attributes {
    fn default() -> Self {
        Self::Written(Ok(Item::new()))
    }
}

impl From<Item> for Attributes {
    fn from(item: Item) -> Self {
        Self::Written(Ok(item))
    }
}

impl Attributes {
    pub(crate) fn read(value: Value) -> Self {
        Self::Written(read_map(value))
    }

    /// A stored item, after a look at all of it: what is written to the wire afterwards can no longer be refused.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub(crate) fn stored(bytes: Bytes) -> std::result::Result<Self, Corrupt> {
        ItemRef::open(&bytes)?.check()?;
        Ok(Self::Stored(bytes))
    }

    /// The item.
    ///
    /// # Errors
    /// What AWS says of its values.
    pub(crate) fn into_item(self) -> Result<Item> {
        Ok(match self {
            Self::Written(item) => item?,
            Self::Stored(bytes) => ItemRef::open(&bytes)?.to_item()?,
        })
    }
}

impl Write for Attributes {
    fn write(&self, w: &mut dyn Writer) {
        // An item of a request goes the way of a stored one: answers with it are rare.
        let (bytes, encoded);
        let stored = match self {
            Self::Stored(stored) => stored,
            Self::Written(item) => {
                let mut out = Vec::new();
                compact::encode(item.as_ref().unwrap_or(&Item::new()), &mut out);
                encoded = out;
                bytes = Bytes::from(encoded);
                &bytes
            }
        };
        match ItemRef::open(stored) {
            Ok(item) => write_map(item.attributes(), &M_ATTRIBUTE_MAP, stored, w),
            Err(Corrupt) => w.null(),
        }
    }
}

/// One value of a request. What is wrong with it is said when it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Written(std::result::Result<AttributeValue, ValueError>);

impl Written {
    pub(crate) fn read(value: Value) -> Self {
        Self(read_value(value))
    }

    /// The value.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn into_value(self) -> Result<AttributeValue> {
        Ok(self.0?)
    }
}

/// The values that the placeholders of expressions stand for, as a request has them.
#[derive(Debug, Default, Clone)]
pub(crate) struct Values(Vec<(String, std::result::Result<AttributeValue, ValueError>)>);

impl Values {
    pub(crate) fn read(value: Value) -> Self {
        let Value::Map(entries) = value else { return Self::default() };
        let checked = |value| read_value(value).and_then(|value| value.check_depth().map(|()| value));
        Self(entries.into_iter().map(|(key, value)| (key, checked(value))).collect())
    }

    /// The values under their placeholders, as an item has them under its names.
    ///
    /// # Errors
    /// What AWS says of a value.
    pub(crate) fn into_item(self) -> Result<Item> {
        let mut item = Item::new();
        for (name, value) in self.0 {
            item.insert(name, value?);
        }
        Ok(item)
    }
}

impl From<&Item> for Values {
    fn from(item: &Item) -> Self {
        Self(item.iter().map(|(name, value)| (name.to_owned(), Ok(value.clone()))).collect())
    }
}

impl Write for Values {
    fn write(&self, w: &mut dyn Writer) {
        w.map(&M_EXPRESSION_ATTRIBUTE_VALUE_MAP, self.0.len());
        for (name, value) in &self.0 {
            w.key(name);
            match value {
                Ok(value) => {
                    let mut out = Vec::new();
                    compact::encode_value(value, &mut out);
                    let stored = Bytes::from(out);
                    match ValueRef::open(&stored) {
                        Ok(value) => write_value(value, &stored, w),
                        Err(Corrupt) => w.null(),
                    }
                }
                // What is no value was refused, and is not told again.
                Err(_) => w.null(),
            }
        }
        w.end();
    }
}

/// The placeholders of a request.
///
/// # Errors
/// What AWS says of them.
pub(crate) fn placeholders(names: Option<BTreeMap<String, String>>, values: Option<Values>) -> Result<Placeholders> {
    Ok(Placeholders::new(names, values.map(|values| values.0))?)
}

/// A value of a request that others will read as well; `None` if it is none.
pub(crate) fn seen(value: &Value) -> Option<AttributeValue> {
    let (index, value) = value.as_fields()?.set.first()?;
    let texts = || match value {
        Value::List(texts) => texts.iter().map(|text| text.as_str().map(ToOwned::to_owned)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let bytes = |value: &Value| match value {
        Value::Blob(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    Some(match (*index, value) {
        (member::S, value) => AttributeValue::S(value.as_str()?.to_owned()),
        (member::N, value) => AttributeValue::number(value.as_str()?).ok()?,
        (member::B, value) => AttributeValue::B(bytes(value)?),
        (member::SS, _) => AttributeValue::string_set(texts()?).ok()?,
        (member::NS, _) => AttributeValue::number_set(&texts()?).ok()?,
        (member::BS, Value::List(sets)) => {
            AttributeValue::binary_set(sets.iter().map(bytes).collect::<Option<_>>()?).ok()?
        }
        (member::M, Value::Map(members)) => {
            let member = |(name, value): (&String, &Value)| Some((name.clone(), seen(value)?));
            AttributeValue::M(members.iter().map(member).collect::<Option<_>>()?)
        }
        (member::L, Value::List(elements)) => AttributeValue::L(elements.iter().map(seen).collect::<Option<_>>()?),
        (member::BOOL, Value::Boolean(truth)) => AttributeValue::Bool(*truth),
        (member::NULL, _) => AttributeValue::Null,
        _ => return None,
    })
}

fn read_map(value: Value) -> std::result::Result<Item, ValueError> {
    let Value::Map(entries) = value else { return Ok(Item::new()) };
    entries.into_iter().map(|(name, value)| Ok((name, read_value(value)?))).collect()
}

fn read_value(value: Value) -> std::result::Result<AttributeValue, ValueError> {
    let Value::Structure(fields) = value else { return Err(ValueError::NoType) };
    let mut found = None;
    let mut many = false;
    for (index, value) in fields.set {
        let value = read_typed(index, value)?;
        many |= found.replace(value).is_some();
    }
    if many {
        return Err(ValueError::ManyTypes);
    }
    found.ok_or(ValueError::NoType)
}

fn read_typed(index: u16, value: Value) -> std::result::Result<AttributeValue, ValueError> {
    Ok(match index {
        member::S => AttributeValue::S(value.into_text()),
        member::N => AttributeValue::number(&value.into_text())?,
        member::B => AttributeValue::B(value.into_blob().to_vec()),
        member::SS => AttributeValue::string_set(value.into_list(Value::into_text))?,
        member::NS => AttributeValue::number_set(&value.into_list(Value::into_text))?,
        member::BS => AttributeValue::binary_set(value.into_list(|value| value.into_blob().to_vec()))?,
        member::M => AttributeValue::M(read_map(value)?),
        member::L => {
            let Value::List(elements) = value else { return Err(ValueError::NoType) };
            AttributeValue::L(elements.into_iter().map(read_value).collect::<std::result::Result<_, _>>()?)
        }
        // AWS takes `false` too since 2026, and keeps it as `true`.
        member::NULL => AttributeValue::Null,
        member::BOOL => AttributeValue::Bool(value.into_boolean()),
        _ => return Err(ValueError::NoType),
    })
}

/// Writes attributes that lie in `stored`, without copying what they hold. Damage has been looked for before.
fn write_map(map: MapRef<'_>, as_: &'static Map, stored: &Bytes, w: &mut dyn Writer) {
    w.map(as_, map.len());
    for (name, value) in map.iter().flatten() {
        w.key(name);
        write_value(value, stored, w);
    }
    w.end();
}

fn write_value(value: ValueRef<'_>, stored: &Bytes, w: &mut dyn Writer) {
    w.structure(&S_ATTRIBUTE_VALUE);
    match value {
        ValueRef::S(text) => {
            w.member(member::S);
            w.string(text);
        }
        ValueRef::N(text) => {
            w.member(member::N);
            w.string(text);
        }
        ValueRef::B(bytes) => {
            w.member(member::B);
            w.blob(&stored.slice_ref(bytes));
        }
        ValueRef::SS(set) => write_texts(member::SS, set, &L_STRING_SET_ATTRIBUTE_VALUE, w),
        ValueRef::NS(set) => write_texts(member::NS, set, &L_NUMBER_SET_ATTRIBUTE_VALUE, w),
        ValueRef::BS(set) => {
            w.member(member::BS);
            w.list(&L_BINARY_SET_ATTRIBUTE_VALUE, set.len());
            set.iter().flatten().for_each(|bytes| w.blob(&stored.slice_ref(bytes)));
            w.end();
        }
        ValueRef::M(map) => {
            w.member(member::M);
            write_map(map, &M_MAP_ATTRIBUTE_VALUE, stored, w);
        }
        ValueRef::L(list) => {
            w.member(member::L);
            w.list(&L_LIST_ATTRIBUTE_VALUE, list.len());
            list.iter().flatten().for_each(|value| write_value(value, stored, w));
            w.end();
        }
        ValueRef::Bool(truth) => {
            w.member(member::BOOL);
            w.boolean(truth);
        }
        ValueRef::Null => {
            w.member(member::NULL);
            w.boolean(true);
        }
    }
    w.end();
}

fn write_texts(index: u16, set: SetRef<'_>, as_: &'static List, w: &mut dyn Writer) {
    w.member(index);
    w.list(as_, set.len());
    set.texts().flatten().for_each(|text| w.string(text));
    w.end();
}

/// A stored item as JSON, for the errors that show one.
///
/// # Errors
/// [`Corrupt`].
pub(crate) fn json(stored: &[u8]) -> std::result::Result<Json, Corrupt> {
    json_map(ItemRef::open(stored)?.attributes())
}

/// The item in what [`json`] makes; `None` if it is none.
pub(crate) fn unjson(shown: &Json) -> Option<Item> {
    shown.as_object()?.iter().map(|(name, value)| Some((name.clone(), unjson_value(value)?))).collect()
}

fn unjson_value(shown: &Json) -> Option<AttributeValue> {
    let (code, value) = shown.as_object()?.iter().next()?;
    let bytes = |value: &Json| unbase64(value.as_str()?);
    let texts =
        || value.as_array()?.iter().map(|text| text.as_str().map(ToOwned::to_owned)).collect::<Option<Vec<_>>>();
    Some(match code.as_str() {
        "S" => AttributeValue::S(value.as_str()?.to_owned()),
        "N" => AttributeValue::number(value.as_str()?).ok()?,
        "B" => AttributeValue::B(bytes(value)?),
        "SS" => AttributeValue::string_set(texts()?).ok()?,
        "NS" => AttributeValue::number_set(&texts()?).ok()?,
        "BS" => AttributeValue::binary_set(value.as_array()?.iter().map(bytes).collect::<Option<_>>()?).ok()?,
        "M" => AttributeValue::M(unjson(value)?),
        "L" => AttributeValue::L(value.as_array()?.iter().map(unjson_value).collect::<Option<_>>()?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        _ => AttributeValue::Null,
    })
}

/// The attributes of a stored map as JSON.
///
/// # Errors
/// [`Corrupt`].
pub(crate) fn json_map(map: MapRef<'_>) -> std::result::Result<Json, Corrupt> {
    let mut members = JsonMap::new();
    for entry in map.iter() {
        let (name, value) = entry?;
        members.insert(name.to_owned(), json_value(value)?);
    }
    Ok(Json::Object(members))
}

fn json_value(value: ValueRef<'_>) -> std::result::Result<Json, Corrupt> {
    let texts =
        |set: SetRef<'_>| set.texts().map(|text| text.map(Json::from)).collect::<std::result::Result<Vec<_>, _>>();
    Ok(match value {
        ValueRef::S(text) => json!({ "S": text }),
        ValueRef::N(text) => json!({ "N": text }),
        ValueRef::B(bytes) => json!({ "B": base64(bytes) }),
        ValueRef::SS(set) => json!({ "SS": texts(set)? }),
        ValueRef::NS(set) => json!({ "NS": texts(set)? }),
        ValueRef::BS(set) => {
            let members = set.iter().map(|bytes| bytes.map(base64)).collect::<std::result::Result<Vec<_>, _>>()?;
            json!({ "BS": members })
        }
        ValueRef::M(map) => json!({ "M": json_map(map)? }),
        ValueRef::L(list) => {
            let elements = list.iter().map(|value| json_value(value?)).collect::<std::result::Result<Vec<_>, _>>()?;
            json!({ "L": elements })
        }
        ValueRef::Bool(truth) => json!({ "BOOL": truth }),
        ValueRef::Null => json!({ "NULL": true }),
    })
}
