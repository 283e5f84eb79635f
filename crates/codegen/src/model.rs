//! A model, read.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::Error;

/// One API.
#[derive(Debug)]
pub struct Model {
    /// The project's name of the service.
    pub service: String,
    /// Its metadata as it stands in the model.
    pub metadata: Json,
    /// Operations by name.
    pub operations: BTreeMap<String, Operation>,
    /// Shapes by name.
    pub shapes: BTreeMap<String, Shape>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Name.
    pub name: String,
    /// HTTP method.
    pub method: String,
    /// URI pattern.
    pub uri: String,
    /// Status of a success.
    pub code: u64,
    /// Input shape.
    pub input: Option<String>,
    /// Element name and namespace of the input's root, where the model gives one.
    pub input_root: Option<(String, Option<String>)>,
    /// Output shape.
    pub output: Option<String>,
    /// Element around a query result.
    pub result_wrapper: Option<String>,
    /// Error shapes.
    pub errors: Vec<String>,
    /// No signature needed.
    pub anonymous: bool,
    /// Changes nothing.
    pub readonly: bool,
    /// A request must say a checksum of its body.
    pub checksum_required: bool,
}

/// One shape.
#[derive(Debug, Default)]
pub struct Shape {
    /// Name.
    pub name: String,
    /// `structure`, `list`, `map`, `string`, …
    pub kind: String,
    /// Members of a structure; the only one of a list; key and value of a map.
    pub members: Vec<Member>,
    /// Required members.
    pub required: Vec<String>,
    /// Everything else as it stands in the model.
    pub raw: Json,
}

/// One member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Its shape.
    pub shape: String,
    /// Everything else as it stands in the model.
    pub raw: Json,
}

impl Model {
    /// Reads the text of a model.
    pub fn parse(service: &str, text: &str) -> Result<Self, Error> {
        let json: Json =
            serde_json::from_str(text).map_err(|source| Error::Json { service: service.to_owned(), source })?;
        let section = |name: &str| json.get(name).and_then(Json::as_object).cloned().unwrap_or_default();
        Ok(Self {
            service: service.to_owned(),
            metadata: json.get("metadata").cloned().unwrap_or_default(),
            operations: section("operations").iter().map(|(n, v)| (n.clone(), operation(n, v))).collect(),
            shapes: section("shapes").iter().map(|(n, v)| (n.clone(), shape(n, v))).collect(),
        })
    }

    /// A text of the metadata.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).and_then(Json::as_str)
    }
}

impl Shape {
    /// A flag of the shape.
    pub fn flag(&self, name: &str) -> bool {
        self.raw.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A text of the shape.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw.get(name).and_then(Json::as_str)
    }
}

impl Member {
    /// A flag of the member.
    pub fn flag(&self, name: &str) -> bool {
        self.raw.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A text of the member.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw.get(name).and_then(Json::as_str)
    }
}

fn operation(name: &str, v: &Json) -> Operation {
    let text = |path: &str| v.pointer(path).and_then(Json::as_str).map(ToOwned::to_owned);
    let errors = v.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
    let reads = ["Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search", "Select", "Query", "Scan"];
    Operation {
        name: name.to_owned(),
        method: text("/http/method").unwrap_or_else(|| "POST".to_owned()),
        uri: text("/http/requestUri").unwrap_or_else(|| "/".to_owned()),
        code: v.pointer("/http/responseCode").and_then(Json::as_u64).unwrap_or(200),
        input: text("/input/shape"),
        input_root: text("/input/locationName").map(|n| (n, text("/input/xmlNamespace/uri"))),
        output: text("/output/shape"),
        result_wrapper: text("/output/resultWrapper"),
        errors: errors.iter().filter_map(|e| e.get("shape").and_then(Json::as_str)).map(ToOwned::to_owned).collect(),
        anonymous: text("/authtype").is_some_and(|t| t == "none"),
        readonly: v.get("readonly").and_then(Json::as_bool).unwrap_or(false)
            || reads.iter().any(|r| name.starts_with(r)),
        checksum_required: v.pointer("/httpChecksum/requestChecksumRequired").and_then(Json::as_bool).unwrap_or(false),
    }
}

fn shape(name: &str, v: &Json) -> Shape {
    let kind = v.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
    let member = |name: &str, raw: &Json| Member {
        name: name.to_owned(),
        shape: raw.get("shape").and_then(Json::as_str).unwrap_or_default().to_owned(),
        raw: raw.clone(),
    };
    let members = match kind.as_str() {
        "structure" => {
            let members = v.get("members").and_then(Json::as_object);
            members.map(|all| all.iter().map(|(n, m)| member(n, m)).collect()).unwrap_or_default()
        }
        "list" => v.get("member").map(|m| member("member", m)).into_iter().collect(),
        "map" => ["key", "value"].iter().filter_map(|n| v.get(n).map(|m| member(n, m))).collect(),
        _ => Vec::new(),
    };
    let required = v.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
    let required = required.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
    Shape { name: name.to_owned(), kind, members, required, raw: v.clone() }
}
