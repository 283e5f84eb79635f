//! ExportSchema: a document of OpenAPI as one of JSON Schema, draft 4.
//!
//! Source: an exported schema, as users of AWS show it: names and order are AWS's.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::error::{bad, forbidden};
use crate::name::RegistryName;
use crate::rows::Kind;
use crate::{schemas, versions};

/// Keywords that OpenAPI has and JSON Schema has not.
const FOREIGN: &[&str] = &["deprecated", "discriminator", "example", "externalDocs", "readOnly", "writeOnly", "xml"];

/// Only what AWS made is exported: what was discovered, and its own events.
pub(crate) fn export(cx: &Cx, input: &api::ExportSchemaInput) -> Result<api::ExportSchemaOutput> {
    let registry = RegistryName::of(cx, &input.registry_name);
    let from = cx.read();
    let schema = schemas::find(cx, &from, &registry, &input.schema_name)?;
    let version = versions::find(&from, &registry, &schema.name, input.schema_version.as_deref())?;
    if !registry.is_managed() {
        return Err(forbidden("You cannot export non discovered or non aws managed schemas."));
    }
    if Kind::parse(&input.type_)? != Kind::JsonSchema {
        return Err(bad("Schemas are exported to JSONSchemaDraft4 only.").into());
    }
    let document: Json = serde_json::from_str(&version.content).map_err(undercast_kernel::Failure::broken)?;
    Ok(api::ExportSchemaOutput {
        content: Some(to_json_schema(&document).to_string()),
        schema_arn: Some(registry.schema_arn(&schema.name)),
        schema_name: Some(schema.name),
        schema_version: Some(version.number.to_string()),
        type_: Some(Kind::JsonSchema.name().to_owned()),
    })
}

/// The name of the schema that a document is about: the event, else what has the document's title, else the first.
pub(crate) fn root(document: &Json) -> Option<&str> {
    let schemas = document["components"]["schemas"].as_object()?;
    let title = document["info"]["title"].as_str().unwrap_or_default();
    let named = |name: &str| schemas.get_key_value(name).map(|(name, _)| name.as_str());
    named("AWSEvent").or_else(|| named(title)).or_else(|| schemas.keys().next().map(String::as_str))
}

/// The same in the words of JSON Schema.
pub(crate) fn to_json_schema(document: &Json) -> Json {
    let mut out = Map::new();
    out.insert("$schema".to_owned(), json!("http://json-schema.org/draft-04/schema#"));
    out.insert("title".to_owned(), document["info"]["title"].clone());
    let root = root(document);
    let mut definitions = Map::new();
    let mut of_root = Map::new();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        match translated(schema) {
            Json::Object(said) if Some(name.as_str()) == root => of_root = said,
            said => drop(definitions.insert(name.clone(), said)),
        }
    }
    definitions.sort_keys();
    out.insert("definitions".to_owned(), Json::Object(definitions));
    out.extend(of_root);
    // What refers to the event itself refers to the document.
    let whole = root.map(|name| format!("#/definitions/{name}"));
    let mut out = Json::Object(out);
    if let Some(whole) = whole {
        redirect(&mut out, &whole);
    }
    out
}

/// Has references to `whole` be ones to the document.
fn redirect(value: &mut Json, whole: &str) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Json::String(target) if name == "$ref" && target == whole => *target = "#".to_owned(),
                    value => redirect(value, whole),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| redirect(item, whole)),
        _ => {}
    }
}

/// A schema in the other language, its keywords in alphabetical order.
fn translated(schema: &Json) -> Json {
    match schema {
        Json::Array(items) => items.iter().map(translated).collect(),
        Json::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields.iter().filter(|(name, _)| !FOREIGN.contains(&name.as_str())) {
                let said = match (name.as_str(), value) {
                    ("nullable", _) => continue,
                    ("$ref", Json::String(target)) => json!(target.replace("#/components/schemas/", "#/definitions/")),
                    ("required", Json::Array(names)) if names.is_empty() => continue,
                    // Names are names there, and no keywords.
                    ("properties", Json::Object(named)) => {
                        let mut all: Map<String, Json> =
                            named.iter().map(|(name, schema)| (name.clone(), translated(schema))).collect();
                        all.sort_keys();
                        Json::Object(all)
                    }
                    ("enum" | "default", value) => value.clone(),
                    (_, value) => translated(value),
                };
                out.insert(name.clone(), said);
            }
            if fields.get("nullable") == Some(&Json::Bool(true)) {
                out = or_null(out);
            }
            out.sort_keys();
            Json::Object(out)
        }
        other => other.clone(),
    }
}

/// What may be null as well.
fn or_null(mut schema: Map<String, Json>) -> Map<String, Json> {
    match schema.get("type").cloned() {
        Some(kind @ Json::String(_)) => {
            schema.insert("type".to_owned(), json!([kind, "null"]));
            if let Some(Json::Array(values)) = schema.get_mut("enum") {
                values.push(Json::Null);
            }
            schema
        }
        _ => Map::from_iter([("anyOf".to_owned(), json!([schema, {"type": "null"}]))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_null_says_so_in_either_language() {
        let document = json!({"info": {"title": "T"}, "components": {"schemas": {
            "T": {"properties": {"nullable": {"type": "string", "nullable": true, "example": "x"},
                "b": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/T"}]}}}, "U": {"required": []}}}});
        let said = to_json_schema(&document);
        assert_eq!(said["properties"]["nullable"], json!({"type": ["string", "null"]}));
        assert_eq!(said["properties"]["b"], json!({"anyOf": [{"allOf": [{"$ref": "#"}]}, {"type": "null"}]}));
        assert_eq!(said["definitions"], json!({"U": {}}));
    }
}
