//! Tables made at run time out of a published model. They are never freed: a test process is short.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value as Json;
use undercast_wire::schema::{
    Bounds, Http, List, Location, Map, Member, Operation, Protocol, Range, Service, Shape, Size, Structure, Text,
    TimestampFormat,
};
use undercast_wire::text;
use undercast_wire::value::{Body, Fields, Timestamp, Value};

pub(crate) struct Api {
    pub(crate) protocol: Protocol,
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn word(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Makes the code of a model, which is checked elsewhere; here its tables are needed as values.
struct Builder<'a> {
    shapes: &'a Json,
    ec2: bool,
    made: HashMap<String, &'static Structure>,
    depth: usize,
}

impl Builder<'_> {
    fn shape(&mut self, reference: &Json) -> Shape {
        let name = reference["shape"].as_str().unwrap_or_default().to_owned();
        let raw = self.shapes[&name].clone();
        let text = |key: &str| reference[key].as_str().or(raw[key].as_str()).map(ToOwned::to_owned);
        match raw["type"].as_str().unwrap_or_default() {
            "string" | "character" => Shape::String(leak(Text::any(word(&name)))),
            "blob" => Shape::Blob(Size::ANY),
            "boolean" => Shape::Boolean,
            "integer" | "short" | "byte" => Shape::Integer(Range::ANY),
            "long" | "bigInteger" => Shape::Long(Range::ANY),
            "float" => Shape::Float(Bounds::ANY),
            "double" | "bigDecimal" => Shape::Double(Bounds::ANY),
            "timestamp" => Shape::Timestamp(match text("timestampFormat").as_deref() {
                Some("iso8601") => Some(TimestampFormat::Iso8601),
                Some("unixTimestamp") => Some(TimestampFormat::Epoch),
                Some("rfc822") => Some(TimestampFormat::Http),
                _ => None,
            }),
            "list" => {
                let item = self.shape(&raw["member"]);
                let item_name = word(raw["member"]["locationName"].as_str().unwrap_or("member"));
                Shape::List(leak(List {
                    name: word(&name),
                    item,
                    item_name,
                    size: Size::ANY,
                    sparse: raw["sparse"] == true,
                    flattened: raw["flattened"] == true,
                }))
            }
            "map" => {
                let value = self.shape(&raw["value"]);
                Shape::Map(leak(Map {
                    name: word(&name),
                    key: leak(Text::any("Key")),
                    value,
                    key_name: word(raw["key"]["locationName"].as_str().unwrap_or("key")),
                    value_name: word(raw["value"]["locationName"].as_str().unwrap_or("value")),
                    size: Size::ANY,
                    sparse: raw["sparse"] == true,
                    flattened: raw["flattened"] == true,
                }))
            }
            "structure" if raw["document"] == true => Shape::Document,
            "structure" => Shape::Structure(self.structure(&name, None)),
            _ => Shape::Document,
        }
    }

    /// Shapes that hold themselves are followed a few times, deeper than any case goes.
    fn structure(&mut self, name: &str, root: Option<&Json>) -> &'static Structure {
        if self.depth > 12 {
            static END: Structure = Structure::EMPTY;
            return &END;
        }
        if root.is_none()
            && let Some(made) = self.made.get(&format!("{name}@{}", self.depth))
        {
            return made;
        }
        self.depth += 1;
        let raw = self.shapes[name].clone();
        let members = raw["members"].as_object().cloned().unwrap_or_default();
        let payload = raw["payload"].as_str().map(ToOwned::to_owned);
        let payload = payload.and_then(|p| members.keys().position(|k| *k == p)).and_then(|i| u16::try_from(i).ok());
        let made: Vec<Member> = members.iter().map(|(n, m)| self.member(n, m, &raw)).collect();
        let from_root = |key: &str| root.and_then(|r| r[key].as_str());
        let namespace = namespace(&raw).or_else(|| root.and_then(namespace));
        let structure = leak(Structure {
            name: word(name),
            members: Box::leak(made.into_boxed_slice()),
            union: raw["union"] == true,
            payload,
            xml_name: raw["locationName"].as_str().or(from_root("locationName")).map(word),
            xml_namespace: namespace,
            event_stream: false,
            unwrapped: false,
        });
        self.depth -= 1;
        self.made.insert(format!("{name}@{}", self.depth), structure);
        structure
    }

    fn member(&mut self, name: &str, raw: &Json, owner: &Json) -> Member {
        let target = self.shapes[raw["shape"].as_str().unwrap_or_default()].clone();
        let wire = raw["locationName"].as_str().unwrap_or(name);
        let flattened = raw["flattened"] == true || target["flattened"] == true;
        let item = target["member"]["locationName"].as_str().filter(|_| flattened && target["type"] == "list");
        let xml = wire;
        let mut capital = wire.chars();
        let capital: String = capital.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(capital).collect();
        let form = if self.ec2 {
            raw["queryName"].as_str().map_or(capital, ToOwned::to_owned)
        } else {
            raw["locationName"].as_str().or(item).unwrap_or(name).to_owned()
        };
        let location = match raw["location"].as_str() {
            Some("uri") => Location::Label,
            Some("querystring") if target["type"] == "map" => Location::QueryMap,
            Some("querystring") => Location::Query,
            Some("header") => Location::Header,
            Some("headers") => Location::Headers,
            Some("statusCode") => Location::Status,
            _ => Location::Body,
        };
        Member {
            name: word(name),
            wire: word(wire),
            xml: word(xml),
            form: word(&form),
            shape: self.shape(raw),
            location,
            required: false,
            flattened,
            attribute: raw["xmlAttribute"] == true,
            xml_namespace: namespace(raw).or_else(|| namespace(&target)),
            streaming: raw["streaming"] == true || (target["streaming"] == true && owner["payload"] == name),
            json_value: raw["jsonvalue"] == true || target["jsonvalue"] == true,
            idempotency_token: raw["idempotencyToken"] == true,
            ignored: None,
            refused: None,
            event_header: false,
            event_payload: false,
        }
    }
}

fn namespace(raw: &Json) -> Option<(&'static str, Option<&'static str>)> {
    let found = raw.get("xmlNamespace")?;
    let uri = found["uri"].as_str().or(found.as_str())?;
    Some((word(uri), found["prefix"].as_str().map(word)))
}

/// A service around published cases.
fn service(protocol: Protocol, json_version: &str, query_compatible: bool) -> &'static Service {
    leak(Service {
        name: "published",
        signing_name: "published",
        endpoint_prefix: "published",
        iam_prefix: "published",
        target_prefix: None,
        rpc_name: None,
        api_version: "2020-01-08",
        xml_namespace: None,
        json_version: word(json_version),
        protocols: leak([protocol]),
        query_compatible,
        bare_errors: false,
        s3_signing: false,
        crc32: false,
        validation_error: "ValidationException",
        operations: &[],
        unbuilt: &[],
        global: false,
        told_by: None,
    })
}

impl Api {
    /// Of an operation that is described here, with no more of a service around it than is needed.
    pub(crate) fn around(protocol: Protocol, operation: &'static Operation) -> Self {
        Self { protocol, service: service(protocol, "1.1", false), operation }
    }

    pub(crate) fn build(group: &Json, case: &Json) -> Self {
        let metadata = &group["metadata"];
        let protocol = match metadata["protocol"].as_str().unwrap() {
            "json" => Protocol::Json,
            "query" => Protocol::Query,
            "ec2" => Protocol::Ec2,
            "rest-json" => Protocol::RestJson,
            "rest-xml" => Protocol::RestXml,
            _ => Protocol::Cbor,
        };
        let mut builder =
            Builder { shapes: &group["shapes"], ec2: protocol == Protocol::Ec2, made: HashMap::new(), depth: 0 };
        let given = &case["given"];
        let mut top = |side: &str| match given[side]["shape"].as_str() {
            Some(name) => builder.structure(name, Some(&given[side])),
            None => {
                static UNIT: OnceLock<Structure> = OnceLock::new();
                UNIT.get_or_init(|| Structure::EMPTY)
            }
        };
        let (input, output) = (top("input"), top("output"));
        let operation = leak(Operation {
            name: word(given["name"].as_str().unwrap_or("Operation")),
            http: Http {
                method: word(given["http"]["method"].as_str().unwrap_or("POST")),
                uri: word(given["http"]["requestUri"].as_str().unwrap_or("/")),
                code: u16::try_from(given["http"]["responseCode"].as_u64().unwrap_or(200)).unwrap(),
            },
            input,
            output,
            result_wrapper: given["output"]["resultWrapper"]
                .as_str()
                .map(word)
                .or((protocol == Protocol::Query && given["output"].is_object())
                    .then(|| word(&format!("{}Result", given["name"].as_str().unwrap_or_default())))),
            errors: &[],
            anonymous: false,
            readonly: false,
            checksum_required: false,
            cases: 0,
        });
        let json_version = metadata["jsonVersion"].as_str().unwrap_or("1.1");
        let service = service(protocol, json_version, metadata.get("awsQueryCompatible").is_some());
        Self { protocol, service, operation }
    }

    /// A case's parameters or result as a value of `schema`.
    pub(crate) fn value(&self, json: &Json, schema: &'static Structure) -> Value {
        self.structure(json, schema)
    }

    fn structure(&self, json: &Json, schema: &'static Structure) -> Value {
        let mut fields = Fields { schema, set: Vec::new() };
        for (name, value) in json.as_object().into_iter().flatten() {
            if let Some(index) = schema.index(name).filter(|_| !value.is_null()) {
                let member = &schema.members[usize::from(index)];
                let value = match (member.streaming, &member.shape) {
                    (true, Shape::Blob(_)) => {
                        Value::Body(Body::from(value.as_str().unwrap_or_default().as_bytes().to_vec()))
                    }
                    (_, shape) => self.of(value, shape),
                };
                fields.set.push((index, value));
            }
        }
        fields.set.sort_by_key(|(index, _)| *index);
        Value::Structure(fields)
    }

    fn of(&self, json: &Json, shape: &Shape) -> Value {
        match shape {
            Shape::Document => Value::Document(json.clone()),
            _ if json.is_null() => Value::Null,
            Shape::Structure(of) => self.structure(json, of),
            Shape::List(of) => Value::List(json.as_array().unwrap().iter().map(|j| self.of(j, &of.item)).collect()),
            Shape::Map(of) => {
                Value::Map(json.as_object().unwrap().iter().map(|(k, j)| (k.clone(), self.of(j, &of.value))).collect())
            }
            Shape::String(_) => Value::String(json.as_str().map_or_else(|| json.to_string(), ToOwned::to_owned)),
            // Blobs in published cases are their text.
            Shape::Blob(_) => Value::Blob(json.as_str().unwrap().as_bytes().to_vec().into()),
            Shape::Boolean => Value::Boolean(json == true),
            Shape::Integer(_) | Shape::Long(_) => Value::Integer(json.as_i64().unwrap()),
            Shape::Float(_) | Shape::Double(_) => {
                Value::Double(json.as_f64().unwrap_or_else(|| text::parse_double(json.as_str().unwrap()).unwrap()))
            }
            Shape::Timestamp(_) => {
                Value::Timestamp(json.as_f64().and_then(text::from_epoch).unwrap_or(Timestamp::UNIX_EPOCH))
            }
        }
    }
}
