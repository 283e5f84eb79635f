//! What of a source a function is to see.

use serde_json::Value as Json;
use undercast_kernel::wire::text;
use undercast_pattern::Pattern;

use crate::mapping::Mapping;

/// The filters of a mapping.
pub(super) struct Filter(Vec<Pattern>);

impl Filter {
    pub(super) fn new(mapping: &Mapping) -> Self {
        // Each was read when it was set.
        Self(mapping.filters.iter().filter_map(|pattern| Pattern::parse(pattern).ok()).collect())
    }

    /// Whether one of them wants this record, or there is none. `content`: the member with what the sender sent, which
    /// patterns see as the JSON that it is, or as text.
    pub(super) fn wants(&self, record: &Json, content: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let mut seen = record.clone();
        if let Some(sent) = seen.get_mut(content)
            && let Some(parsed) = sent.as_str().and_then(parsed)
        {
            *sent = parsed;
        }
        self.0.iter().any(|pattern| pattern.matches(&seen))
    }

    /// The same for a record whose content is in base64.
    pub(super) fn wants_encoded(&self, record: &Json, content: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let mut seen = record.clone();
        let decoded = |sent: &Json| String::from_utf8(text::unbase64(sent.as_str()?)?).ok();
        seen[content] = seen.get(content).and_then(decoded).map_or(Json::Null, Json::from);
        self.wants(&seen, content)
    }
}

/// The object or the list that a text is.
fn parsed(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok().filter(|json: &Json| json.is_object() || json.is_array())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn content_is_seen_as_what_it_is() {
        let filter = |pattern: Json| Filter(vec![Pattern::parse(&pattern.to_string()).unwrap()]);
        let body = |text: &str| json!({"messageId": "1", "body": text});
        let small = filter(json!({"body": {"n": [{"numeric": ["<", 10]}]}}));
        assert!(small.wants(&body(r#"{"n": 1}"#), "body"));
        assert!(!small.wants(&body(r#"{"n": 10}"#), "body") && !small.wants(&body("n"), "body"));
        let word = filter(json!({"body": ["go"]}));
        assert!(word.wants(&body("go"), "body") && !word.wants(&body(r#"{"go": 1}"#), "body"));
        let data = json!({"partitionKey": "p", "data": text::base64(br#"{"n": 1}"#)});
        assert!(filter(json!({"data": {"n": [1]}})).wants_encoded(&data, "data"));
        assert!(filter(json!({"partitionKey": ["p"]})).wants_encoded(&data, "data"));
        assert!(!filter(json!({"data": ["eyJuIjogMX0="]})).wants_encoded(&data, "data"));
        assert!(Filter(Vec::new()).wants(&body("anything"), "body"));
    }
}
