//! The form in which a store keeps an event: with the context that was chosen for it, and no larger than it may be.
//!
//! Source: "Enrich CloudTrail events by adding resource tag keys and IAM global condition keys" and "CloudTrail record contents" in the
//! user guide, which lists what is left out of an event that is too large, and in which order.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::Result;

use super::store::Store;
use crate::api::kept::ContextKeySelector;
use crate::rows::from_json;

/// So many bytes an event has at most, and where the store says so.
const STANDARD: usize = 256 * 1024;
const LARGE: usize = 1024 * 1024;
/// What is left out of an event that is too large, one after the other.
const LEFT_OUT: &[&str] = &[
    "annotation",
    "requestID",
    "additionalEventData",
    "serviceEventDetails",
    "userAgent",
    "errorCode",
    "responseElements",
    "requestParameters",
    "errorMessage",
];

/// The form of a store's events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    /// Keys of tags.
    tags: Vec<String>,
    /// Condition keys.
    keys: Vec<String>,
    large: bool,
}

impl Form {
    pub(crate) fn of(store: &Store) -> Result<Self> {
        let all: Vec<ContextKeySelector> = store.context.as_deref().map_or_else(|| Ok(Vec::new()), from_json)?;
        let mut form = Self { large: store.large, ..Self::default() };
        for one in all {
            let keys = if one.type_ == "TagContext" { &mut form.tags } else { &mut form.keys };
            keys.extend(one.equals);
        }
        Ok(form)
    }

    /// An event as it is kept. `met`: the condition keys and tags that the call had.
    pub(crate) fn text(&self, event: &Json, met: Option<&Json>) -> String {
        let mut event = event.clone();
        if !self.tags.is_empty() || !self.keys.is_empty() {
            event["eventContext"] = self.context(met.unwrap_or(&Json::Null));
        }
        self.fitted(event)
    }

    /// Those of some tags that were chosen, as they were chosen: keys of tags are the same whatever their letters are.
    fn chosen(&self, tags: &Json) -> Map<String, Json> {
        let given = |key: &String| {
            let mut all = tags.as_object().into_iter().flatten();
            all.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| (key.clone(), value.clone()))
        };
        self.tags.iter().filter_map(given).collect()
    }

    fn context(&self, met: &Json) -> Json {
        let keys = self.keys.iter().filter_map(|key| Some((key.clone(), met["keys"].get(key)?.clone())));
        let keys: Map<String, Json> = keys.collect();
        let mut resources: Vec<Json> = Vec::new();
        for resource in met["resourceTags"].as_array().into_iter().flatten() {
            let told = json!({"arn": resource["arn"], "tags": self.chosen(&resource["tags"])});
            if told["tags"] != json!({}) && !resources.contains(&told) {
                resources.push(told);
            }
        }
        json!({
            "requestContext": keys,
            "tagContext": {"resourceTags": resources, "principalTags": self.chosen(&met["principalTags"])},
        })
    }

    fn fitted(&self, mut event: Json) -> String {
        let most = if self.large { LARGE } else { STANDARD };
        let mut text = event.to_string();
        for name in LEFT_OUT {
            if text.len() <= most {
                break;
            }
            if let Some(field) = event.get_mut(*name).filter(|field| !field.is_null()) {
                let size = field.to_string().len();
                let reason = format!("{name} too large");
                *field = match field {
                    Json::Object(_) => json!({"omitted": true, "originalSize": size, "reason": reason}),
                    _ => Json::Null,
                };
                text = event.to_string();
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_left_out_in_order() {
        let big = "a".repeat(200 * 1024);
        let event = json!({"eventID": "e", "userAgent": big, "requestParameters": {"a": big}, "errorMessage": "no"});
        let standard: Json = serde_json::from_str(&Form::default().text(&event, None)).unwrap();
        assert_eq!(standard["userAgent"], Json::Null);
        assert_eq!((&standard["requestParameters"]["a"], &standard["errorMessage"]), (&json!(big), &json!("no")));
        let form = Form { large: true, ..Form::default() };
        assert_eq!(form.text(&event, None), event.to_string());
        let event = json!({"requestParameters": {"a": big, "b": big}});
        let standard: Json = serde_json::from_str(&Form::default().text(&event, None)).unwrap();
        assert_eq!(standard["requestParameters"]["reason"], "requestParameters too large");
    }
}
