//! Schemas that are inferred from events: what is in all of them must be there, what is in some may be; a text that was a moment
//! each time has the format `date-time`.
//!
//! Source: schemas that AWS inferred, as its users show them: names, order and types are theirs. What AWS makes of a value that has
//! different types, or is null, is not told: it is left open here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use undercast_kernel::{Result, Timestamp};

use crate::api;
use crate::error::bad;
use crate::export;
use crate::rows::Kind;

/// What was seen of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    form: Form,
    /// It was null at least once.
    nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    /// Nothing but null, or no item of a list.
    Unseen,
    /// Of one type here, of another there.
    Mixed,
    Boolean,
    Number,
    Text,
    Moment,
    List(Box<Shape>),
    Object(BTreeMap<String, Field>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Field {
    shape: Shape,
    /// It was there each time.
    required: bool,
}

impl Shape {
    /// What one value shows.
    pub(crate) fn of(value: &Json) -> Self {
        let form = match value {
            Json::Null => return Self { form: Form::Unseen, nullable: true },
            Json::Bool(_) => Form::Boolean,
            Json::Number(_) => Form::Number,
            Json::String(text) if is_moment(text) => Form::Moment,
            Json::String(_) => Form::Text,
            Json::Array(items) => {
                let unseen = Self { form: Form::Unseen, nullable: false };
                Form::List(Box::new(items.iter().map(Self::of).fold(unseen, Self::merged)))
            }
            Json::Object(fields) => {
                let field = |value| Field { shape: Self::of(value), required: true };
                Form::Object(fields.iter().map(|(name, value)| (name.clone(), field(value))).collect())
            }
        };
        Self { form, nullable: false }
    }

    /// What both show together.
    pub(crate) fn merged(self, other: Self) -> Self {
        let form = match (self.form, other.form) {
            (Form::Unseen, known) | (known, Form::Unseen) => known,
            (Form::Moment, Form::Text) | (Form::Text, Form::Moment) => Form::Text,
            (Form::List(one), Form::List(other)) => Form::List(Box::new(one.merged(*other))),
            (Form::Object(one), Form::Object(other)) => Form::Object(merge_fields(one, other)),
            (one, other) if one == other => one,
            _ => Form::Mixed,
        };
        Self { form, nullable: self.nullable || other.nullable }
    }
}

fn merge_fields(one: BTreeMap<String, Field>, mut other: BTreeMap<String, Field>) -> BTreeMap<String, Field> {
    let mut all = BTreeMap::new();
    for (name, field) in one {
        let merged = match other.remove(&name) {
            Some(also) => Field { shape: field.shape.merged(also.shape), required: field.required && also.required },
            None => Field { required: false, ..field },
        };
        all.insert(name, merged);
    }
    all.extend(other.into_iter().map(|(name, field)| (name, Field { required: false, ..field })));
    all
}

/// `2026-03-01T12:00:00Z`
fn is_moment(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T') && text.parse::<Timestamp>().is_ok()
}

/// The fields that every event on a bus has.
const ENVELOPE: &[&str] =
    &["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"];

/// What an event on a bus is called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) source: String,
    pub(crate) detail_type: String,
}

impl Called {
    /// `None`: it is no event of a bus.
    pub(crate) fn of(event: &Json) -> Option<Self> {
        let is_event = ENVELOPE.iter().all(|name| event.get(name).is_some()) && event["detail"].is_object();
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        if !is_event {
            return None;
        }
        Some(Self { source: text("source")?, detail_type: text("detail-type")? })
    }

    /// `EC2InstanceStateChangeNotification`
    pub(crate) fn title(&self) -> String {
        camel(&self.detail_type)
    }

    /// `users@UserCreated`, and of partners `aws.partner-example.com/tickets@TicketCreated`.
    pub(crate) fn schema(&self) -> String {
        let source = match self.source.strip_prefix("aws.partner/") {
            Some(rest) => format!("aws.partner-{rest}"),
            None => self.source.clone(),
        };
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '-' };
        format!("{}@{}", source.chars().map(allowed).collect::<String>(), self.title())
    }
}

/// Words with capitals and nothing between them; dots stay.
pub(crate) fn camel(text: &str) -> String {
    let words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let name: String = words.map(capital).collect();
    if name.is_empty() { "Event".to_owned() } else { name }
}

/// An order of names that AWS's answers have: that of a Java hash set into which they came in alphabetical order.
fn in_order_of_hashes(names: &mut [&String]) {
    let mut buckets: u32 = 16;
    while names.len() * 4 > usize::try_from(buckets).unwrap_or(usize::MAX) * 3 {
        buckets *= 2;
    }
    names.sort_by_key(|name| {
        let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
}

/// The schemas of a document, by name, in the order in which they were met.
#[derive(Default)]
struct Components<'a>(Vec<(String, &'a Shape, Json)>);

impl<'a> Components<'a> {
    /// The name under which an object stands, which is made unless the same is there.
    fn named(&mut self, name: &str, shape: &'a Shape) -> String {
        let base = camel(name);
        let mut name = base.clone();
        let mut others = 0;
        while let Some((_, there, _)) = self.0.iter().find(|(taken, ..)| *taken == name) {
            if *there == shape {
                return name;
            }
            others += 1;
            name = format!("{base}_{others}");
        }
        let index = self.0.len();
        self.0.push((name.clone(), shape, Json::Null));
        let said = self.object(shape);
        self.0[index].2 = said;
        name
    }

    fn reference(&mut self, name: &str, shape: &'a Shape) -> Json {
        json!({"$ref": format!("#/components/schemas/{}", self.named(name, shape))})
    }

    fn object(&mut self, shape: &'a Shape) -> Json {
        let mut out = json!({"type": "object"});
        let Form::Object(fields) = &shape.form else { return out };
        let mut required: Vec<&String> = fields.iter().filter(|(_, f)| f.required).map(|(name, _)| name).collect();
        in_order_of_hashes(&mut required);
        if !required.is_empty() {
            out["required"] = json!(required);
        }
        if !fields.is_empty() {
            let said = fields.iter().map(|(name, field)| (name.clone(), self.value(name, &field.shape)));
            out["properties"] = Json::Object(said.collect());
        }
        out
    }

    fn value(&mut self, name: &str, shape: &'a Shape) -> Json {
        let said = match &shape.form {
            Form::Unseen | Form::Mixed => return json!({}),
            Form::Boolean => json!({"type": "boolean"}),
            Form::Number => json!({"type": "number"}),
            Form::Text => json!({"type": "string"}),
            Form::Moment => json!({"type": "string", "format": "date-time"}),
            Form::List(item) => {
                let items = match item.form {
                    Form::Unseen => json!({"type": "object"}),
                    Form::Object(_) => self.value(&format!("{name}Item"), item),
                    _ => self.value(name, item),
                };
                json!({"type": "array", "items": items})
            }
            Form::Object(fields) if fields.is_empty() => json!({"type": "object"}),
            Form::Object(_) => self.reference(name, shape),
        };
        match said {
            said if !shape.nullable => said,
            // Beside a reference nothing else counts.
            said if said.get("$ref").is_some() => json!({"nullable": true, "allOf": [said]}),
            mut said => {
                said["nullable"] = json!(true);
                said
            }
        }
    }
}

/// The document of what was seen. `called`: of an event on a bus.
pub(crate) fn document(shape: &Shape, called: Option<&Called>) -> Json {
    let mut components = Components::default();
    let title = called.map_or_else(|| "Event".to_owned(), Called::title);
    match (called, &shape.form) {
        (Some(called), Form::Object(fields)) => {
            let mut event = json!({"type": "object"});
            let mut required: Vec<&String> = fields.keys().collect();
            in_order_of_hashes(&mut required);
            event["required"] = json!(required);
            event["x-amazon-events-detail-type"] = json!(called.detail_type);
            event["x-amazon-events-source"] = json!(called.source);
            components.0.push(("AWSEvent".to_owned(), shape, Json::Null));
            let mut properties = Map::new();
            if let Some(detail) = fields.get("detail") {
                properties.insert("detail".to_owned(), components.reference(&title, &detail.shape));
            }
            for (name, field) in fields.iter().filter(|(name, _)| *name != "detail") {
                properties.insert(name.clone(), components.value(name, &field.shape));
            }
            event["properties"] = Json::Object(properties);
            components.0[0].2 = event;
        }
        _ => drop(components.named("Event", shape)),
    }
    let schemas: Map<String, Json> = components.0.into_iter().map(|(name, _, said)| (name, said)).collect();
    json!({"openapi": "3.0.0", "info": {"version": "1.0.0", "title": title}, "paths": {}, "components": {"schemas": schemas}})
}

/// Says what the events of a request have in common.
pub(crate) fn discovered(input: &api::GetDiscoveredSchemaInput) -> Result<api::GetDiscoveredSchemaOutput> {
    let kind = Kind::parse(&input.type_)?;
    let mut events = Vec::new();
    for text in &input.events {
        let event: Json = serde_json::from_str(text).map_err(|why| bad(format!("Event is not valid JSON: {why}.")))?;
        if !event.is_object() {
            return Err(bad("Event is not a JSON object.").into());
        }
        events.push(event);
    }
    let called: Vec<Option<Called>> = events.iter().map(Called::of).collect();
    if called.windows(2).any(|two| two[0] != two[1]) {
        return Err(bad("Events must be of a single type.").into());
    }
    let shape = events.iter().map(Shape::of).reduce(Shape::merged);
    let shape = shape.ok_or_else(|| bad("Events must not be empty."))?;
    let mut document = document(&shape, called.first().and_then(Option::as_ref));
    if kind == Kind::JsonSchema {
        document = export::to_json_schema(&document);
    }
    Ok(api::GetDiscoveredSchemaOutput { content: Some(document.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(events: &[Json]) -> Shape {
        events.iter().map(Shape::of).reduce(Shape::merged).unwrap()
    }

    #[test]
    fn what_aws_inferred_is_inferred() {
        let event = json!({"Source": "com.mycompany.myapp", "Detail": "{ \"key1\": \"value1\" }", "EventBusName": "default",
            "Resources": ["resource1", "resource2"], "DetailType": "myDetailType"});
        let wanted = r#"{"openapi":"3.0.0","info":{"version":"1.0.0","title":"Event"},"paths":{},"components":{"schemas":{"Event":{"type":"object","required":["EventBusName","DetailType","Resources","Detail","Source"],"properties":{"Detail":{"type":"string"},"DetailType":{"type":"string"},"EventBusName":{"type":"string"},"Resources":{"type":"array","items":{"type":"string"}},"Source":{"type":"string"}}}}}}"#;
        assert_eq!(document(&seen(&[event]), None).to_string(), wanted);
        let event = json!({"version": "0", "id": "1", "detail-type": "userCreated", "source": "users", "account": "1",
            "time": "2022-01-20T06:58:30Z", "region": "us-west-1", "resources": [], "detail": {"data": {"id": "x"}}});
        let called = Called::of(&event).unwrap();
        assert_eq!(called.schema(), "users@UserCreated");
        let wanted = r##"{"openapi":"3.0.0","info":{"version":"1.0.0","title":"UserCreated"},"paths":{},"components":{"schemas":{"AWSEvent":{"type":"object","required":["detail-type","resources","detail","id","source","time","region","version","account"],"x-amazon-events-detail-type":"userCreated","x-amazon-events-source":"users","properties":{"detail":{"$ref":"#/components/schemas/UserCreated"},"account":{"type":"string"},"detail-type":{"type":"string"},"id":{"type":"string"},"region":{"type":"string"},"resources":{"type":"array","items":{"type":"object"}},"source":{"type":"string"},"time":{"type":"string","format":"date-time"},"version":{"type":"string"}}},"UserCreated":{"type":"object","required":["data"],"properties":{"data":{"$ref":"#/components/schemas/Data"}}},"Data":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}}}"##;
        let inferred = document(&seen(&[event]), Some(&called));
        assert_eq!(inferred.to_string(), wanted);
        let wanted = r##"{"$schema":"http://json-schema.org/draft-04/schema#","title":"UserCreated","definitions":{"Data":{"properties":{"id":{"type":"string"}},"required":["id"],"type":"object"},"UserCreated":{"properties":{"data":{"$ref":"#/definitions/Data"}},"required":["data"],"type":"object"}},"properties":{"account":{"type":"string"},"detail":{"$ref":"#/definitions/UserCreated"},"detail-type":{"type":"string"},"id":{"type":"string"},"region":{"type":"string"},"resources":{"items":{"type":"object"},"type":"array"},"source":{"type":"string"},"time":{"format":"date-time","type":"string"},"version":{"type":"string"}},"required":["detail-type","resources","detail","id","source","time","region","version","account"],"type":"object","x-amazon-events-detail-type":"userCreated","x-amazon-events-source":"users"}"##;
        assert_eq!(export::to_json_schema(&inferred).to_string(), wanted);
    }

    #[test]
    fn several_events_show_more_than_one() {
        let shape = seen(&[
            json!({"a": 1, "b": "2026-01-01T00:00:00Z", "c": [{"x": 1}], "d": null, "e": true}),
            json!({"a": "1", "b": "soon", "c": [{"x": 2, "y": false}, {}], "d": {"z": 1}, "f": []}),
        ]);
        let said = document(&shape, None);
        let event = &said["components"]["schemas"]["Event"];
        assert_eq!(event["required"], json!(["a", "b", "c", "d"]));
        assert_eq!(event["properties"]["a"], json!({}));
        assert_eq!(event["properties"]["b"], json!({"type": "string"}));
        assert_eq!(event["properties"]["d"], json!({"nullable": true, "allOf": [{"$ref": "#/components/schemas/D"}]}));
        assert_eq!(event["properties"]["f"], json!({"type": "array", "items": {"type": "object"}}));
        let item = json!({"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "boolean"}}});
        assert_eq!(said["components"]["schemas"]["CItem"], item);
    }

    #[test]
    fn objects_of_one_name_and_two_forms_have_two_names() {
        let shape = seen(&[json!({"a": {"x": {"n": 1}}, "b": {"x": {"n": 1}}, "c": {"x": {"n": ""}}})]);
        let said = document(&shape, None);
        let names: Vec<&String> = said["components"]["schemas"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["Event", "A", "X", "B", "C", "X_1"]);
    }

    #[test]
    fn names_are_made_of_words() {
        assert_eq!(camel("EC2 Instance State-change Notification"), "EC2InstanceStateChangeNotification");
        assert_eq!(camel("Ticket.Created"), "Ticket.Created");
        assert_eq!(camel("--"), "Event");
        let partner = Called {
            source: "aws.partner/mongodb.com/1234567-tickets".to_owned(),
            detail_type: "Ticket.Created".to_owned(),
        };
        assert_eq!(partner.schema(), "aws.partner-mongodb.com/1234567-tickets@Ticket.Created");
    }

    proptest::proptest! {
        #[test]
        fn what_was_seen_does_not_grow_by_being_seen_again(values in proptest::collection::vec(value(), 1..5)) {
            let all = values.iter().map(Shape::of).reduce(Shape::merged).unwrap();
            for value in &values {
                proptest::prop_assert_eq!(all.clone().merged(Shape::of(value)), all.clone());
            }
            let kept: Shape = serde_json::from_str(&serde_json::to_string(&all).unwrap()).unwrap();
            proptest::prop_assert_eq!(&kept, &all);
            let said = document(&all, None).to_string();
            proptest::prop_assert!(crate::document::check(Kind::OpenApi, &said).is_ok(), "{}", said);
            let exported = export::to_json_schema(&document(&all, None)).to_string();
            proptest::prop_assert!(crate::document::check(Kind::JsonSchema, &exported).is_ok(), "{}", exported);
        }
    }

    fn value() -> impl proptest::strategy::Strategy<Value = Json> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "[a-c]{0,2}".prop_map(Json::from),
            Just(json!("2026-01-01T00:00:00Z")),
        ];
        let tree = leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
                proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| json!(map)),
            ]
        });
        proptest::collection::btree_map("[a-d]", tree, 0..4).prop_map(|map| json!(map))
    }
}
