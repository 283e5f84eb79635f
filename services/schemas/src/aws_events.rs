//! The registry `aws.events`: the events that services here tell of, each with what they really say.
//!
//! The parts are in `aws-events.json`, an event a line, written by what the services send; a test has them send each and holds it
//! against its schema. On AWS there are many more, for more services.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::tags::Tags;

use crate::infer::Called;
use crate::rows::{Kind, Schema, Version};

/// When they were written: 2026-11-27.
const WRITTEN: i64 = 1_795_737_600_000;

/// An event, in parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    source: String,
    detail_type: String,
    /// The schema of its detail.
    detail: String,
    schemas: Map<String, Json>,
}

static EVENTS: LazyLock<Vec<(Schema, Version)>> = LazyLock::new(|| {
    let told: Vec<Told> = serde_json::from_str(include_str!("aws-events.json")).unwrap_or_else(|_| Vec::new());
    let mut all: Vec<_> = told.into_iter().map(schema).collect();
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    all
});

/// All, by name.
pub(crate) fn all() -> &'static [(Schema, Version)] {
    &EVENTS
}

pub(crate) fn find(name: &str) -> Option<&'static (Schema, Version)> {
    EVENTS.iter().find(|(schema, _)| schema.name == name)
}

fn schema(told: Told) -> (Schema, Version) {
    let text = json!({"type": "string"});
    let event = json!({
        "type": "object",
        "required": ["detail-type", "resources", "detail", "id", "source", "time", "region", "version", "account"],
        "x-amazon-events-detail-type": told.detail_type,
        "x-amazon-events-source": told.source,
        "properties": {
            "detail": {"$ref": format!("#/components/schemas/{}", told.detail)},
            "account": text, "detail-type": text, "id": text, "region": text,
            "resources": {"type": "array", "items": text},
            "source": text, "time": {"type": "string", "format": "date-time"}, "version": text,
        },
    });
    let mut schemas = Map::from_iter([("AWSEvent".to_owned(), event)]);
    schemas.extend(told.schemas);
    let document = json!({"openapi": "3.0.0", "info": {"version": "1.0.0", "title": told.detail}, "paths": {},
        "components": {"schemas": schemas}});
    let called = Called { source: told.source, detail_type: told.detail_type };
    let described = format!("Schema for event type {}, published by AWS service {}", called.title(), called.source);
    let schema =
        Schema { name: called.schema(), description: Some(described), tags: Tags::new(), modified: WRITTEN, next: 2 };
    let content = document.to_string();
    (schema, Version { number: 1, kind: Kind::OpenApi, content, created: WRITTEN, shape: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_documents_of_their_language() {
        assert_eq!(all().len(), 20);
        for (schema, version) in all() {
            assert!(crate::document::check(version.kind, &version.content).is_ok(), "{}", schema.name);
        }
        assert!(find("aws.s3@ObjectCreated").is_some());
    }
}
