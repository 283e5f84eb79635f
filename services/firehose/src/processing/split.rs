//! Records that hold several: one JSON object after another, or parts between delimiters.
//!
//! Source: "Apply dynamic partitioning to aggregated data" in the developer guide.

use serde::de::IgnoredAny;
use undercast_kernel::Result;
use undercast_wire::text;

use crate::error::invalid;

/// A record is taken into so many parts at most.
const MOST: usize = 500;

/// How records are taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Split {
    Json,
    Delimited(Vec<u8>),
}

impl Split {
    pub(super) fn of(kind: &str, delimiter: Option<&str>) -> Result<Self> {
        match (kind, delimiter) {
            ("JSON", None) => Ok(Self::Json),
            ("JSON", Some(_)) => Err(invalid("Delimiter is only supported when SubRecordType is DELIMITED.")),
            ("DELIMITED", given) => {
                let delimiter = given.and_then(text::unbase64).filter(|delimiter| !delimiter.is_empty());
                let delimiter = delimiter.ok_or_else(|| invalid("Delimiter must be a base64 encoded string."))?;
                Ok(Self::Delimited(delimiter))
            }
            _ => Err(invalid("SubRecordType must be JSON or DELIMITED.")),
        }
    }

    /// The parts of a record.
    pub(super) fn apart(&self, data: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
        let parts = match self {
            Self::Json => objects(data)?,
            Self::Delimited(delimiter) => between(data, delimiter),
        };
        if parts.len() > MOST { Err(format!("The record has more than {MOST} parts.")) } else { Ok(parts) }
    }
}

fn objects(data: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<IgnoredAny>();
    let (mut parts, mut begun) = (Vec::new(), 0);
    while let Some(value) = values.next() {
        value.map_err(|why| format!("The record is not JSON: {why}"))?;
        let part = data[begun..values.byte_offset()].trim_ascii();
        if !part.starts_with(b"{") {
            return Err("The record holds something other than JSON objects.".to_owned());
        }
        parts.push(part.to_vec());
        begun = values.byte_offset();
    }
    Ok(parts)
}

fn between(data: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut begun = 0;
    let mut at = 0;
    while at + delimiter.len() <= data.len() {
        if &data[at..at + delimiter.len()] == delimiter {
            parts.push(data[begun..at].to_vec());
            at += delimiter.len();
            begun = at;
        } else {
            at += 1;
        }
    }
    parts.push(data[begun..].to_vec());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart() {
        let parts = |split: &Split, data: &str| {
            let parts = split.apart(data.as_bytes()).ok()?;
            Some(parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect::<Vec<_>>())
        };
        let list = |all: &[&str]| Some(all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            parts(&Split::Json, "{\"a\":1}{\"a\": 2}\n{\"b\":{}}"),
            list(&["{\"a\":1}", "{\"a\": 2}", "{\"b\":{}}"])
        );
        assert_eq!(parts(&Split::Json, "[{\"a\":1}]"), None);
        assert_eq!(parts(&Split::Json, "{\"a\":1} x"), None);
        let delimited = Split::of("DELIMITED", Some("IyMjIw==")).unwrap();
        assert_eq!(parts(&delimited, "a####b###c####"), list(&["a", "b###c"]));
        assert_eq!(parts(&Split::Json, &"{}".repeat(501)), None);
    }
}
