//! What of a source a consumer is to see.

use serde_json::Value as Json;
use undercast_kernel::wire::text;
use undercast_pattern::Pattern;

/// The filters of a consumer: of their patterns one must match.
#[derive(Debug, Clone, Default)]
pub struct Filter(Vec<Pattern>);

impl Filter {
    /// Of patterns that were read when they were set.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a String>) -> Self {
        Self(patterns.into_iter().filter_map(|pattern| Pattern::parse(pattern).ok()).collect())
    }

    /// Whether one of them wants this record, or there is none. `content`: the member with what the sender sent, which
    /// patterns see as the JSON that it is, or as text.
    pub fn wants(&self, record: &Json, content: &str) -> bool {
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
    pub fn wants_encoded(&self, record: &Json, content: &str) -> bool {
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
        let filter = |pattern: Json| Filter::new([&pattern.to_string()]);
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
        assert!(Filter::default().wants(&body("anything"), "body"));
    }
}
