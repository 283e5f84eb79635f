//! Events of other applications: what is asked of them, and what CloudTrail makes of them.
//!
//! Source: "CloudTrail Lake integrations event schema" in the user guide, and PutAuditEvents in the API reference. The messages are
//! our own: AWS publishes the codes alone.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::Timestamp;
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;

/// What is wrong with an event: code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

fn wrong(code: &'static str, message: impl Into<String>) -> Wrong {
    Wrong { code, message: message.into() }
}

/// Texts that must be there, and how long they may be.
const NEEDED: &[(&str, usize)] = &[
    ("version", 256),
    ("eventSource", 1024),
    ("eventName", 1024),
    ("eventTime", 1024),
    ("UID", 1024),
    ("recipientAccountId", 1024),
];
/// Texts that may be there.
const OPTIONAL: &[(&str, usize)] =
    &[("userAgent", 1024), ("errorCode", 256), ("errorMessage", 256), ("sourceIPAddress", 1024)];
/// Objects that may be there, and how many bytes they have at most.
const OBJECTS: &[(&str, usize)] =
    &[("requestParameters", 100 * 1024), ("responseElements", 100 * 1024), ("additionalEventData", 28 * 1024)];

/// An event that was read.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    data: Map<String, Json>,
    at: Timestamp,
}

fn check_text(of: &Map<String, Json>, name: &str, most: usize, needed: bool) -> Result<(), Wrong> {
    match of.get(name) {
        None | Some(Json::Null) if needed => Err(wrong("FieldNotFound", format!("The field {name} is required."))),
        None | Some(Json::Null) => Ok(()),
        Some(Json::String(text)) if text.is_empty() && needed => {
            Err(wrong("FieldNotFound", format!("The field {name} is required.")))
        }
        Some(Json::String(text)) if text.chars().count() > most => {
            Err(wrong("FieldTooLong", format!("The field {name} has more than {most} characters.")))
        }
        Some(Json::String(_)) => Ok(()),
        Some(_) => Err(wrong("InvalidData", format!("The field {name} must be a string."))),
    }
}

fn check_object(of: &Map<String, Json>, name: &str, most: usize) -> Result<(), Wrong> {
    match of.get(name) {
        None | Some(Json::Null) => Ok(()),
        Some(object @ Json::Object(_)) if object.to_string().len() > most => {
            Err(wrong("FieldTooLong", format!("The field {name} has more than {most} bytes.")))
        }
        Some(Json::Object(_)) => Ok(()),
        Some(_) => Err(wrong("InvalidData", format!("The field {name} must be a JSON object."))),
    }
}

/// Who did it: type and id are needed.
fn check_identity(data: &Map<String, Json>) -> Result<(), Wrong> {
    match data.get("userIdentity") {
        None | Some(Json::Null) => Err(wrong("FieldNotFound", "The field userIdentity is required.")),
        Some(Json::Object(identity)) => {
            check_text(identity, "type", 128, true)?;
            check_text(identity, "principalId", 1024, true)?;
            check_object(identity, "details", 100 * 1024)
        }
        Some(_) => Err(wrong("InvalidData", "The field userIdentity must be a JSON object.")),
    }
}

/// `2026-11-27T19:30:00Z`, or without the letter: times are UTC's.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// Whether a checksum is that of a text: base64 of its SHA-256.
fn check_sum(data: &str, checksum: Option<&str>) -> Result<(), Wrong> {
    match checksum {
        Some(sum) if sum != text::base64(&Sha256::digest(data.as_bytes())) => {
            Err(wrong("InvalidChecksum", "The checksum does not match the event data."))
        }
        _ => Ok(()),
    }
}

impl Audit {
    /// Reads an event for an account.
    pub(crate) fn read(data: &str, checksum: Option<&str>, account: &str) -> Result<Self, Wrong> {
        check_sum(data, checksum)?;
        let Ok(Json::Object(data)) = serde_json::from_str(data) else {
            return Err(wrong("InvalidData", "The event data is not a JSON object."));
        };
        NEEDED.iter().try_for_each(|(name, most)| check_text(&data, name, *most, true))?;
        OPTIONAL.iter().try_for_each(|(name, most)| check_text(&data, name, *most, false))?;
        OBJECTS.iter().try_for_each(|(name, most)| check_object(&data, name, *most))?;
        check_identity(&data)?;
        let said = |name: &str| data.get(name).and_then(Json::as_str).unwrap_or_default();
        let Some(at) = time(said("eventTime")) else {
            return Err(wrong("InvalidData", "The field eventTime must be a time as yyyy-MM-DDTHH:mm:ss."));
        };
        if said("recipientAccountId") != account {
            return Err(wrong("InvalidRecipient", "The field recipientAccountId must be the owner of the channel."));
        }
        if said("eventSource").ends_with(".amazonaws.com") {
            return Err(wrong("InvalidEventSource", "The field eventSource must not be an AWS service."));
        }
        Ok(Self { data, at })
    }

    /// When it was, in milliseconds since 1970.
    pub(crate) fn at(&self) -> i64 {
        self.at.as_millisecond()
    }

    /// As its store keeps it.
    pub(crate) fn event(&self, id: &str, account: &str, region: &str, channel: &str, now: Timestamp) -> Json {
        let shown = |at: Timestamp| {
            let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
            text::timestamp(whole, TimestampFormat::Iso8601)
        };
        let mut data = self.data.clone();
        data.insert("eventTime".to_owned(), json!(shown(self.at)));
        json!({
            "eventVersion": "1.0",
            "eventCategory": "ActivityAuditLog",
            "eventType": "ActivityLog",
            "eventID": id,
            "eventTime": shown(self.at),
            "awsRegion": region,
            "recipientAccountId": account,
            "metadata": {"ingestionTime": shown(now), "channelARN": channel},
            "eventData": data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Json {
        json!({"version": "1", "userIdentity": {"type": "T", "principalId": "p"}, "eventSource": "app", "eventName": "e",
            "eventTime": "2026-11-27T19:30:00", "UID": "u", "recipientAccountId": "1"})
    }

    fn code(change: impl Fn(&mut Json)) -> Option<&'static str> {
        let mut event = good();
        change(&mut event);
        Audit::read(&event.to_string(), None, "1").err().map(|wrong| wrong.code)
    }

    #[test]
    fn what_is_asked_of_an_event() {
        assert_eq!(code(|_| ()), None);
        assert_eq!(code(|e| e["eventTime"] = json!("2026-11-27T19:30:00Z")), None);
        for (name, _) in NEEDED {
            assert_eq!(code(|e| e[*name] = Json::Null), Some("FieldNotFound"), "{name}");
            assert_eq!(code(|e| e[*name] = json!("")), Some("FieldNotFound"), "{name}");
            assert_eq!(code(|e| e[*name] = json!(1)), Some("InvalidData"), "{name}");
            assert_eq!(code(|e| e[*name] = json!("a".repeat(1025))), Some("FieldTooLong"), "{name}");
        }
        for (name, most) in OPTIONAL {
            assert_eq!(code(|e| e[*name] = json!("a".repeat(*most))), None, "{name}");
            assert_eq!(code(|e| e[*name] = json!("a".repeat(*most + 1))), Some("FieldTooLong"), "{name}");
        }
        for (name, most) in OBJECTS {
            assert_eq!(code(|e| e[*name] = json!({"a": "b"})), None, "{name}");
            assert_eq!(code(|e| e[*name] = json!("text")), Some("InvalidData"), "{name}");
            assert_eq!(code(|e| e[*name] = json!({"a": "b".repeat(*most)})), Some("FieldTooLong"), "{name}");
        }
        assert_eq!(code(|e| e["userIdentity"] = Json::Null), Some("FieldNotFound"));
        assert_eq!(code(|e| e["userIdentity"] = json!("me")), Some("InvalidData"));
        assert_eq!(code(|e| e["userIdentity"] = json!({"type": "T"})), Some("FieldNotFound"));
        assert_eq!(code(|e| e["eventTime"] = json!("yesterday")), Some("InvalidData"));
        assert_eq!(code(|e| e["recipientAccountId"] = json!("2")), Some("InvalidRecipient"));
        assert_eq!(code(|e| e["eventSource"] = json!("s3.amazonaws.com")), Some("InvalidEventSource"));
        let read = |text: &str, sum: Option<&str>| Audit::read(text, sum, "1").err().map(|wrong| wrong.code);
        assert_eq!(read("[]", None), Some("InvalidData"));
        assert_eq!(read("{", None), Some("InvalidData"));
        let text = good().to_string();
        assert_eq!(read(&text, Some("none")), Some("InvalidChecksum"));
        assert_eq!(read(&text, Some(&text::base64(&Sha256::digest(text.as_bytes())))), None);
    }
}
