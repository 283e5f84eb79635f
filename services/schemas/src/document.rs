//! What a schema may say, in either language: the rules of OpenAPI 3.0 for documents whose schemas alone count, and those of the
//! meta-schema of JSON Schema, draft 4.

use serde_json::{Map, Value as Json};
use undercast_kernel::Result;

use crate::error::bad;
use crate::rows::Kind;

/// The names by which a document of JSON Schema says that it is of draft 4.
const DRAFT_4: &[&str] = &["http://json-schema.org/draft-04/schema", "http://json-schema.org/schema"];

/// What is wrong, and where.
type Checked = std::result::Result<(), String>;

/// Refuses what is no document of this kind.
pub(crate) fn check(kind: Kind, content: &str) -> Result<()> {
    let checked = serde_json::from_str::<Json>(content)
        .map_err(|why| format!("it is not JSON: {why}"))
        .and_then(|document| Checker { kind, document: &document }.check());
    checked.map_err(|why| bad(format!("Content is not a valid {} document: {why}.", kind.name())).into())
}

/// Whether two contents say the same, however they are written.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    match (serde_json::from_str::<Json>(one), serde_json::from_str::<Json>(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

struct Checker<'a> {
    kind: Kind,
    document: &'a Json,
}

fn object<'a>(value: &'a Json, at: &str) -> std::result::Result<&'a Map<String, Json>, String> {
    value.as_object().ok_or_else(|| format!("{at} is not an object"))
}

fn need(is: bool, at: &str, what: &str) -> Checked {
    if is { Ok(()) } else { Err(format!("{at} {what}")) }
}

/// Keywords whose values have one type.
const TEXTS: &[&str] = &["description", "format", "pattern", "title"];
const FLAGS: &[&str] =
    &["deprecated", "exclusiveMaximum", "exclusiveMinimum", "nullable", "readOnly", "uniqueItems", "writeOnly"];
const NUMBERS: &[&str] = &["maximum", "minimum", "multipleOf"];
const COUNTS: &[&str] = &["maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"];
/// Keywords whose values are schemas, by name or in a list.
const NAMED: &[&str] = &["definitions", "patternProperties", "properties"];
const LISTED: &[&str] = &["allOf", "anyOf", "oneOf"];

impl Checker<'_> {
    fn check(&self) -> Checked {
        match self.kind {
            Kind::OpenApi => self.open_api(),
            Kind::JsonSchema => {
                let root = object(self.document, "the document")?;
                if let Some(of) = root.get("$schema") {
                    let name = of.as_str().map(|name| name.trim_end_matches('#'));
                    need(name.is_some_and(|name| DRAFT_4.contains(&name)), "$schema", "is not draft 4")?;
                }
                self.schema(self.document, "#")
            }
        }
    }

    fn open_api(&self) -> Checked {
        let root = object(self.document, "the document")?;
        let version = root.get("openapi").and_then(Json::as_str);
        need(version.is_some_and(|version| version.starts_with("3.0.")), "openapi", "must be 3.0.x")?;
        let info = object(root.get("info").unwrap_or(&Json::Null), "info")?;
        for name in ["title", "version"] {
            need(info.get(name).is_some_and(Json::is_string), &format!("info.{name}"), "must be a string")?;
        }
        object(root.get("paths").unwrap_or(&Json::Null), "paths")?;
        let Some(components) = root.get("components") else { return Ok(()) };
        let Some(schemas) = object(components, "components")?.get("schemas") else { return Ok(()) };
        for (name, schema) in object(schemas, "components.schemas")? {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let at = format!("#/components/schemas/{name}");
            need(!name.is_empty() && name.chars().all(allowed), &at, "has a name that components cannot have")?;
            self.schema(schema, &at)?;
        }
        Ok(())
    }

    fn schema(&self, schema: &Json, at: &str) -> Checked {
        let schema = object(schema, at)?;
        if let Some(target) = schema.get("$ref") {
            return self.reference(target, at);
        }
        for (name, value) in schema {
            let here = format!("{at}/{name}");
            let name = name.as_str();
            match name {
                "type" => self.types(value, &here)?,
                "required" => self.required(value, &here)?,
                "enum" => need(value.as_array().is_some_and(|all| !all.is_empty()), &here, "is not a list of values")?,
                "items" => self.items(value, &here)?,
                "not" => self.schema(value, &here)?,
                "additionalItems" | "additionalProperties" if !value.is_boolean() => self.schema(value, &here)?,
                "dependencies" => {
                    let mut all = object(value, &here)?.iter();
                    all.try_for_each(|(name, of)| self.dependency(of, &format!("{here}/{name}")))?;
                }
                _ if TEXTS.contains(&name) => need(value.is_string(), &here, "is not a string")?,
                _ if FLAGS.contains(&name) => need(value.is_boolean(), &here, "is not a boolean")?,
                _ if NUMBERS.contains(&name) => need(value.is_number(), &here, "is not a number")?,
                _ if COUNTS.contains(&name) => need(value.is_u64(), &here, "is not a whole number")?,
                _ if NAMED.contains(&name) => {
                    let mut all = object(value, &here)?.iter();
                    all.try_for_each(|(name, schema)| self.schema(schema, &format!("{here}/{name}")))?;
                }
                _ if LISTED.contains(&name) => {
                    let all = value.as_array().filter(|all| !all.is_empty());
                    let mut all = all.ok_or_else(|| format!("{here} is not a list of schemas"))?.iter().enumerate();
                    all.try_for_each(|(index, schema)| self.schema(schema, &format!("{here}/{index}")))?;
                }
                _ => {}
            }
        }
        let is_array = schema.get("type").is_some_and(|kind| kind == "array");
        let open = self.kind == Kind::JsonSchema || !is_array || schema.contains_key("items");
        need(open, at, "is an array without items")
    }

    fn types(&self, value: &Json, at: &str) -> Checked {
        let mut known = vec!["array", "boolean", "integer", "number", "object", "string"];
        let listed = match (self.kind, value) {
            (Kind::JsonSchema, Json::Array(all)) if !all.is_empty() => all.iter().collect(),
            _ => vec![value],
        };
        if self.kind == Kind::JsonSchema {
            known.push("null");
        }
        let is_known = |value: &&Json| value.as_str().is_some_and(|name| known.contains(&name));
        need(listed.iter().all(is_known), at, "is not a type")
    }

    /// Names, each once. In draft 4 there is one at least.
    fn required(&self, value: &Json, at: &str) -> Checked {
        let names = value.as_array().ok_or_else(|| format!("{at} is not a list"))?;
        need(names.iter().all(Json::is_string), at, "has what is not a string")?;
        let distinct = names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
        need(distinct, at, "has a name twice")?;
        need(self.kind == Kind::OpenApi || !names.is_empty(), at, "is empty")
    }

    /// Names that must be there as well, or what else must hold.
    fn dependency(&self, value: &Json, at: &str) -> Checked {
        if value.is_array() { self.required(value, at) } else { self.schema(value, at) }
    }

    fn items(&self, value: &Json, at: &str) -> Checked {
        match (self.kind, value) {
            (Kind::JsonSchema, Json::Array(all)) => {
                all.iter().enumerate().try_for_each(|(index, schema)| self.schema(schema, &format!("{at}/{index}")))
            }
            _ => self.schema(value, at),
        }
    }

    /// What is referred to in the document itself must be there.
    fn reference(&self, target: &Json, at: &str) -> Checked {
        let target = target.as_str().ok_or_else(|| format!("{at}/$ref is not a string"))?;
        let Some(pointer) = target.strip_prefix('#') else { return Ok(()) };
        need(self.document.pointer(pointer).is_some(), &format!("{at}/$ref"), "refers to what is not there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(kind: Kind, content: &str) -> String {
        check(kind, content).unwrap_err().to_string()
    }

    #[test]
    fn documents_are_held_to_their_language() {
        let open = |schemas: &str| {
            format!(
                r##"{{"openapi": "3.0.0", "info": {{"title": "T", "version": "1"}}, "paths": {{}}, "components": {{"schemas": {schemas}}}}}"##
            )
        };
        for good in
            ["{}", r##"{"A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}}, "B": {}}"##]
        {
            check(Kind::OpenApi, &open(good)).unwrap();
        }
        check(Kind::OpenApi, r#"{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}}"#).unwrap();
        for (bad, why) in [
            (r#"{"A": {"type": "text"}}"#, "#/components/schemas/A/type is not a type"),
            (r#"{"A": {"type": ["string", "null"]}}"#, "is not a type"),
            (r#"{"A": {"type": "array"}}"#, "is an array without items"),
            (r##"{"A": {"$ref": "#/components/schemas/B"}}"##, "refers to what is not there"),
            (r#"{"A": {"required": ["a", "a"]}}"#, "has a name twice"),
            (r#"{"A": {"properties": {"a": {"minLength": -1}}}}"#, "properties/a/minLength is not a whole number"),
            (r#"{"A B": {}}"#, "has a name that components cannot have"),
            (r#"{"A": {"allOf": []}}"#, "is not a list of schemas"),
            (r#"{"A": true}"#, "is not an object"),
        ] {
            let said = complaint(Kind::OpenApi, &open(bad));
            assert!(said.contains(why), "{said}");
        }
        for bad in ["nonsense", "[]", "{}", r#"{"openapi": "2.0", "info": {}, "paths": {}}"#] {
            complaint(Kind::OpenApi, bad);
        }
        for good in [
            "{}",
            r#"{"type": ["string", "null"]}"#,
            r#"{"type": "array"}"#,
            r##"{"$schema": "http://json-schema.org/draft-04/schema#", "definitions": {"a": {}}, "items": [{"$ref": "#/definitions/a"}]}"##,
        ] {
            check(Kind::JsonSchema, good).unwrap();
        }
        for bad in [
            r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#,
            r#"{"required": []}"#,
            r#"{"properties": {"a": 1}}"#,
            r#"{"exclusiveMinimum": 3}"#,
            r#"{"enum": []}"#,
            r#"{"additionalItems": 1}"#,
            r#"{"dependencies": {"a": []}}"#,
        ] {
            complaint(Kind::JsonSchema, bad);
        }
    }

    #[test]
    fn the_same_is_the_same_however_it_is_written() {
        assert!(is_same(r#"{"a": 1, "b": [2]}"#, r#"{"b":[2],"a":1}"#));
        assert!(!is_same(r#"{"a": 1}"#, r#"{"a": 2}"#));
    }
}
