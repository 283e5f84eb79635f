//! Records of JSON as rows of a schema, each value as its column's type has it.
//!
//! Source: "Choosing the JSON deserializer" in Firehose's developer guide, and the two deserializers' own descriptions.

use std::collections::BTreeMap;

use arrow_schema::{DataType, Field};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use crate::schema::Schema;

/// From so many on, a number that is a moment counts milliseconds and not seconds: it would be the year 5138.
const MILLIS_FROM: f64 = 1e11;

/// Why a record does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It is not a JSON object.
    #[error("The record is not a JSON object: {0}")]
    NotAnObject(String),
    /// A value is none of its column's type.
    #[error("The value {value} of the field {field} cannot be read as {of}")]
    Value {
        /// Where it stands.
        field: String,
        /// What stands there, cut short.
        value: String,
        /// The type.
        of: String,
    },
}

/// How keys and moments of records are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reader {
    /// Keys mean columns whatever their case.
    pub any_case: bool,
    /// `a.b` means `a_b`.
    pub dots_are_underscores: bool,
    /// Column to the key that it is read from.
    pub keys: BTreeMap<String, String>,
    /// How moments in text are written, in the notation of `strptime`, tried before the usual ones.
    pub moments: Vec<String>,
    /// Numbers that are moments count milliseconds.
    pub millis: bool,
}

fn shortened(value: &Json) -> String {
    let text = value.to_string();
    text.char_indices().nth(100).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

fn misfit(path: &str, value: &Json, of: impl std::fmt::Display) -> Misfit {
    Misfit::Value { field: path.to_owned(), value: shortened(value), of: of.to_string() }
}

impl Reader {
    /// A record as a row.
    ///
    /// # Errors
    /// When it is not an object, or one of its values is none of its column's type.
    pub fn read(&self, schema: &Schema, record: &[u8]) -> Result<Json, Misfit> {
        let value: Json = serde_json::from_slice(record).map_err(|why| Misfit::NotAnObject(why.to_string()))?;
        let Json::Object(given) = value else { return Err(Misfit::NotAnObject(shortened(&value))) };
        let given: Map<String, Json> = given.into_iter().map(|(key, value)| (self.key(key), value)).collect();
        let mut row = Map::new();
        for column in schema.columns.fields() {
            let key = self.keys.get(column.name()).map_or(column.name(), |key| key);
            let folded = self.key(key.clone());
            if let Some(value) = given.get(&folded) {
                row.insert(column.name().clone(), self.value(column.name(), value, column.data_type())?);
            }
        }
        Ok(Json::Object(row))
    }

    /// A key, as it is compared.
    fn key(&self, key: String) -> String {
        let key = if self.any_case { key.to_lowercase() } else { key };
        if self.dots_are_underscores { key.replace('.', "_") } else { key }
    }

    fn value(&self, path: &str, value: &Json, kind: &DataType) -> Result<Json, Misfit> {
        if value.is_null() {
            return Ok(Json::Null);
        }
        match kind {
            DataType::Boolean => truth(path, value),
            DataType::Int8 => whole(path, value, (i8::MIN.into(), i8::MAX.into()), "tinyint"),
            DataType::Int16 => whole(path, value, (i16::MIN.into(), i16::MAX.into()), "smallint"),
            DataType::Int32 => whole(path, value, (i32::MIN.into(), i32::MAX.into()), "int"),
            DataType::Int64 => whole(path, value, (i64::MIN, i64::MAX), "bigint"),
            DataType::Float32 | DataType::Float64 => number(path, value),
            DataType::Decimal128(precision, scale) => decimal(path, value, *precision, *scale),
            DataType::Date32 => date(path, value),
            DataType::Timestamp(..) => self.moment(path, value),
            DataType::List(of) => self.list(path, value, of),
            DataType::Map(entries, _) => self.map(path, value, entries),
            DataType::Struct(members) => {
                let Json::Object(given) = value else { return Err(misfit(path, value, "struct")) };
                let given: BTreeMap<String, &Json> = given.iter().map(|(k, v)| (self.key(k.clone()), v)).collect();
                let mut row = Map::new();
                for member in members {
                    if let Some(value) = given.get(&self.key(member.name().clone())) {
                        let path = format!("{path}.{}", member.name());
                        row.insert(member.name().clone(), self.value(&path, value, member.data_type())?);
                    }
                }
                Ok(Json::Object(row))
            }
            // Whatever else there is can be a text, as the deserializers have it.
            _ => Ok(Json::String(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))),
        }
    }

    fn list(&self, path: &str, value: &Json, of: &Field) -> Result<Json, Misfit> {
        let Json::Array(items) = value else { return Err(misfit(path, value, "array")) };
        let read = |(at, item): (usize, &Json)| self.value(&format!("{path}[{at}]"), item, of.data_type());
        items.iter().enumerate().map(read).collect::<Result<Vec<Json>, Misfit>>().map(Json::Array)
    }

    fn map(&self, path: &str, value: &Json, entries: &Field) -> Result<Json, Misfit> {
        let Json::Object(given) = value else { return Err(misfit(path, value, "map")) };
        let DataType::Struct(entry) = entries.data_type() else { return Err(misfit(path, value, "map")) };
        let Some(of) = entry.get(1) else { return Err(misfit(path, value, "map")) };
        let read = |(key, item): (&String, &Json)| {
            Ok((key.clone(), self.value(&format!("{path}.{key}"), item, of.data_type())?))
        };
        given.iter().map(read).collect::<Result<Map<String, Json>, Misfit>>().map(Json::Object)
    }

    /// A moment, in milliseconds since 1970.
    fn moment(&self, path: &str, value: &Json) -> Result<Json, Misfit> {
        let found = match value {
            Json::Number(number) => number.as_f64().map(|number| self.counted(number)),
            Json::String(text) => {
                let own = self.moments.iter().find_map(|form| by_form(form, text));
                own.or_else(|| usual(text)).or_else(|| text.parse().ok().map(|number| self.counted(number)))
            }
            _ => None,
        };
        found.map(|millis| json!(millis)).ok_or_else(|| misfit(path, value, "timestamp"))
    }

    #[expect(clippy::cast_possible_truncation, reason = "moments are far from the ends")]
    fn counted(&self, number: f64) -> i64 {
        if self.millis || number.abs() >= MILLIS_FROM { number as i64 } else { (number * 1000.0).round() as i64 }
    }
}

/// A moment in a text by one form; without an offset it is one of UTC.
fn by_form(form: &str, text: &str) -> Option<i64> {
    let broken = jiff::fmt::strtime::BrokenDownTime::parse(form, text).ok()?;
    if let Ok(moment) = broken.to_timestamp() {
        return Some(moment.as_millisecond());
    }
    let civil =
        broken.to_datetime().or_else(|_| broken.to_date().map(|date| date.to_datetime(jiff::civil::Time::midnight())));
    Some(TimeZone::UTC.to_timestamp(civil.ok()?).ok()?.as_millisecond())
}

/// A moment as ISO 8601 has it, or with a blank instead of the `T` and without an offset.
fn usual(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_millisecond())
}

fn truth(path: &str, value: &Json) -> Result<Json, Misfit> {
    match value {
        Json::Bool(_) => Ok(value.clone()),
        Json::String(text) if text.eq_ignore_ascii_case("true") => Ok(json!(true)),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Ok(json!(false)),
        _ => Err(misfit(path, value, "boolean")),
    }
}

fn whole(path: &str, value: &Json, (least, most): (i64, i64), of: &str) -> Result<Json, Misfit> {
    let found = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse::<i64>().ok(),
        _ => None,
    };
    let found = found.filter(|found| (least..=most).contains(found)).ok_or_else(|| misfit(path, value, of))?;
    Ok(json!(found))
}

fn number(path: &str, value: &Json) -> Result<Json, Misfit> {
    let found = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse::<f64>().ok().filter(|number| number.is_finite()),
        _ => None,
    };
    found.map(|found| json!(found)).ok_or_else(|| misfit(path, value, "double"))
}

/// A decimal, as text. Digits behind those of the scale are rounded away; too many before them do not fit.
fn decimal(path: &str, value: &Json, precision: u8, scale: i8) -> Result<Json, Misfit> {
    let text = match value {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let bad = || misfit(path, value, format!("decimal({precision},{scale})"));
    let digits = text.trim_start_matches(['-', '+']);
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = !digits.is_empty() && before.chars().chain(behind.chars()).all(|c| c.is_ascii_digit());
    let room = usize::from(precision).saturating_sub(usize::try_from(scale).unwrap_or(0));
    if !numeric || before.trim_start_matches('0').len() > room {
        return Err(bad());
    }
    Ok(Json::String(text))
}

fn date(path: &str, value: &Json) -> Result<Json, Misfit> {
    let text = value.as_str().ok_or_else(|| misfit(path, value, "date"))?;
    let date: jiff::civil::Date = text.parse().map_err(|_| misfit(path, value, "date"))?;
    Ok(Json::String(date.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, value: &str) -> Option<Json> {
        let schema = Schema::parse([("c", kind)]).unwrap();
        let reader = Reader { any_case: true, ..Reader::default() };
        reader.read(&schema, format!("{{\"C\":{value}}}").as_bytes()).ok().map(|row| row["c"].clone())
    }

    #[test]
    fn values_become_what_their_columns_are() {
        for (kind, value, wanted) in [
            ("int", "7", json!(7)),
            ("int", "\"7\"", json!(7)),
            ("string", "{\"a\":1}", json!("{\"a\":1}")),
            ("string", "null", Json::Null),
            ("double", "1", json!(1.0)),
            ("boolean", "\"TRUE\"", json!(true)),
            ("date", "\"2024-02-29\"", json!("2024-02-29")),
            ("timestamp", "1700000000", json!(1_700_000_000_000_i64)),
            ("timestamp", "1700000000123", json!(1_700_000_000_123_i64)),
            ("timestamp", "1700000000.5", json!(1_700_000_000_500_i64)),
            ("timestamp", "\"2023-11-14T22:13:20.123Z\"", json!(1_700_000_000_123_i64)),
            ("timestamp", "\"2023-11-14 22:13:20.1\"", json!(1_700_000_000_100_i64)),
            ("decimal(4,2)", "12.345", json!("12.345")),
            ("array<int>", "[1,\"2\"]", json!([1, 2])),
            ("struct<a:int>", "{\"A\":1,\"b\":2}", json!({"a": 1})),
            ("map<string,int>", "{\"x\":1}", json!({"x": 1})),
        ] {
            assert_eq!(read(kind, value), Some(wanted), "{kind} {value}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (kind, value) in [
            ("int", "1.5"),
            ("tinyint", "200"),
            ("boolean", "1"),
            ("date", "\"2023-02-29\""),
            ("timestamp", "\"yesterday\""),
            ("decimal(4,2)", "123"),
            ("array<int>", "1"),
            ("map<string,int>", "[]"),
            ("double", "\"NaN\""),
        ] {
            assert_eq!(read(kind, value), None, "{kind} {value}");
        }
        let schema = Schema::parse([("c", "struct<d:array<int>>")]).unwrap();
        let why = Reader::default().read(&schema, br#"{"c":{"d":[1,"x"]}}"#).unwrap_err();
        assert_eq!(why.to_string(), "The value \"x\" of the field c.d[1] cannot be read as int");
        assert!(matches!(Reader::default().read(&schema, b"[1]"), Err(Misfit::NotAnObject(_))));
    }

    #[test]
    fn keys_are_read_as_it_is_said() {
        let schema = Schema::parse([("a_b", "int"), ("at", "timestamp")]).unwrap();
        let mut reader =
            Reader { dots_are_underscores: true, moments: vec!["%d/%m/%Y".to_owned()], ..Reader::default() };
        assert_eq!(
            reader.read(&schema, br#"{"a.b":1,"at":"01/02/1970"}"#).unwrap(),
            json!({"a_b": 1, "at": 2_678_400_000_i64})
        );
        assert_eq!(reader.read(&schema, br#"{"A.b":1}"#).unwrap(), json!({}));
        reader.keys.insert("a_b".to_owned(), "other".to_owned());
        assert_eq!(reader.read(&schema, br#"{"other":2,"a_b":1}"#).unwrap(), json!({"a_b": 2}));
    }
}
