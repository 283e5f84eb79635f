//! An event, as targets see it.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::Timestamp;

use crate::bus::moment;

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) detail_type: String,
    pub(crate) source: String,
    /// The account and the region in which it arose.
    pub(crate) account: String,
    pub(crate) region: String,
    /// Seconds since 1970.
    pub(crate) time: i64,
    pub(crate) resources: Vec<String>,
    /// A JSON object, without spaces, its numbers as they were written.
    pub(crate) detail: String,
    /// When EventBridge got it, in milliseconds since 1970.
    pub(crate) ingested: i64,
    /// X-Ray's header of the call that put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    /// It came from another bus: then it goes to no third one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hop: Option<Hop>,
    /// The replay that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replay: Option<String>,
}

/// The bus that an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hop {
    pub(crate) account: String,
    pub(crate) region: String,
}

/// `2026-11-27T12:00:00Z`: whole seconds.
pub(crate) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// JSON without the spaces between its parts, and nothing else changed. The text is JSON.
pub(crate) fn compact(text: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(text.len()), false, false);
    for character in text.chars() {
        match character {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' | '\r' | '\n' if !quoted => continue,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        out.push(character);
    }
    out
}

impl Event {
    /// The event in JSON, its fields in AWS's order.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(self.detail.len() + 320);
        out.push_str("{\"version\":\"0\"");
        let replay = self.replay.as_ref().map(|name| json!(name));
        for (name, value) in [
            ("id", json!(self.id)),
            ("detail-type", json!(self.detail_type)),
            ("source", json!(self.source)),
            ("account", json!(self.account)),
            ("time", json!(self.time())),
            ("region", json!(self.region)),
            ("resources", json!(self.resources)),
        ]
        .into_iter()
        .chain(replay.map(|value| ("replay-name", value)))
        {
            out.push_str(&format!(",\"{name}\":{value}"));
        }
        out.push_str(",\"detail\":");
        out.push_str(&self.detail);
        out.push('}');
        out
    }

    /// The same, taken apart.
    pub(crate) fn json(&self) -> Json {
        // The detail was read as JSON when the event came.
        let detail = serde_json::from_str(&self.detail).unwrap_or(Json::Null);
        let mut all = json!({
            "version": "0", "id": self.id, "detail-type": self.detail_type, "source": self.source,
            "account": self.account, "time": self.time(), "region": self.region, "resources": self.resources,
        });
        if let Some(replay) = &self.replay {
            all["replay-name"] = json!(replay);
        }
        all["detail"] = detail;
        all
    }

    /// The event as the variable `aws.events.event` has it: names as in Java, and no detail.
    pub(crate) fn without_detail(&self) -> Json {
        json!({
            "id": self.id, "account": self.account, "detailType": self.detail_type, "time": self.time(),
            "source": self.source, "region": self.region, "resources": self.resources, "version": "0",
        })
    }

    pub(crate) fn time(&self) -> String {
        iso(moment(self.time * 1000))
    }

    pub(crate) fn ingestion_time(&self) -> String {
        iso(moment(self.ingested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_only_where_they_mean_nothing() {
        assert_eq!(compact("{ \"a b\" : [ 1.50 ,\n \"x \\\" y\" ] }"), "{\"a b\":[1.50,\"x \\\" y\"]}");
    }

    #[test]
    fn an_event_is_written_and_taken_apart_alike() {
        let event = Event {
            id: "1".to_owned(),
            detail_type: "t \"q\"".to_owned(),
            source: "s".to_owned(),
            account: "111111111111".to_owned(),
            region: "us-east-1".to_owned(),
            time: 0,
            resources: vec!["r".to_owned()],
            detail: "{\"n\":1}".to_owned(),
            ingested: 1999,
            trace: None,
            hop: None,
            replay: None,
        };
        assert_eq!(event.text(), event.json().to_string());
        assert_eq!(event.ingestion_time(), "1970-01-01T00:00:01Z");
    }
}
