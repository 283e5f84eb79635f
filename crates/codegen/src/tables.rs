//! The static tables of shapes, errors, operations and of the service.

use std::fmt::Write as _;

use crate::model::{Member, Shape};
use crate::names::constant;
use crate::reach::Reach;
use crate::{Config, Model};

/// Text as a Rust literal.
pub(crate) fn lit(text: &str) -> String {
    format!("{text:?}")
}

fn opt(text: Option<&str>) -> String {
    text.map_or("None".to_owned(), |t| format!("Some({})", lit(t)))
}

pub(crate) struct Tables<'a> {
    pub(crate) model: &'a Model,
    pub(crate) config: &'a Config,
    pub(crate) reach: &'a Reach<'a>,
}

impl Tables<'_> {
    /// `Shape::…` for a use of the shape called `name`; `member` may narrow it.
    fn kind(&self, name: &str, member: Option<&Member>) -> String {
        let Some(shape) = self.model.shapes.get(name) else { return "Shape::Document".to_owned() };
        match shape.kind.as_str() {
            "string" | "character" => format!("Shape::String(&T_{})", self.text_constant(name)),
            "blob" => format!("Shape::Blob({})", size(shape)),
            "boolean" => "Shape::Boolean".to_owned(),
            "integer" | "short" | "byte" => format!("Shape::Integer({})", range(shape)),
            "long" | "bigInteger" => format!("Shape::Long({})", range(shape)),
            "float" => format!("Shape::Float({})", bounds(shape)),
            "double" | "bigDecimal" => format!("Shape::Double({})", bounds(shape)),
            "timestamp" => {
                let format = member.and_then(|m| m.text("timestampFormat")).or(shape.text("timestampFormat"));
                let format = format.or(self.model.text("timestampFormat"));
                let format = match format {
                    Some("iso8601") => "Some(TimestampFormat::Iso8601)",
                    Some("unixTimestamp") => "Some(TimestampFormat::Epoch)",
                    Some("rfc822") => "Some(TimestampFormat::Http)",
                    _ => "None",
                };
                format!("Shape::Timestamp({format})")
            }
            "list" => format!("Shape::List(&L_{})", constant(name)),
            "map" => format!("Shape::Map(&M_{})", constant(name)),
            "structure" if shape.flag("document") => "Shape::Document".to_owned(),
            "structure" => format!("Shape::Structure(&S_{})", constant(name)),
            _ => "Shape::Document".to_owned(),
        }
    }

    pub(crate) fn shapes(&self, out: &mut String) {
        for name in self.reach.all() {
            let Some(shape) = self.model.shapes.get(name) else { continue };
            match shape.kind.as_str() {
                "string" | "character" => self.text(shape, out),
                "list" => self.list(shape, out),
                "map" => self.map(shape, out),
                "structure" if !shape.flag("document") => self.structure(shape, out),
                _ => {}
            }
        }
    }

    fn text(&self, shape: &Shape, out: &mut String) {
        let open = self.config.open_enums.contains_key(&shape.name);
        let listed = shape.raw.get("enum").and_then(serde_json::Value::as_array).filter(|_| !open);
        let values = listed.cloned().unwrap_or_default();
        let values: Vec<String> = values.iter().filter_map(|v| v.as_str()).map(lit).collect();
        let any_form = self.config.open_patterns.contains_key(&shape.name);
        let _ = writeln!(
            out,
            "pub(crate) static T_{}: Text = Text {{ name: {}, size: {}, pattern: {}, values: &[{}], sensitive: {}, compiled: ::std::sync::OnceLock::new() }};",
            self.text_constant(&shape.name),
            lit(&shape.name),
            size(shape),
            opt(shape.text("pattern").filter(|_| !any_form)),
            values.join(", "),
            shape.flag("sensitive"),
        );
    }

    /// A text's name as a constant. Some models have both `String` and `string`.
    fn text_constant(&self, name: &str) -> String {
        let mut letters = name.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        let twin = capital != name && self.model.shapes.contains_key(&capital);
        if twin { format!("{}_SMALL", constant(name)) } else { constant(name) }
    }

    fn list(&self, shape: &Shape, out: &mut String) {
        let Some(item) = shape.members.first() else { return };
        let _ = writeln!(
            out,
            "pub(crate) static L_{}: List = List {{ name: {}, item: {}, item_name: {}, size: {}, sparse: {}, flattened: {} }};",
            constant(&shape.name),
            lit(&shape.name),
            self.kind(&item.shape, Some(item)),
            lit(item.text("locationName").unwrap_or("member")),
            size(shape),
            shape.flag("sparse"),
            shape.flag("flattened"),
        );
    }

    fn is_ec2(&self) -> bool {
        self.model.text("protocol") == Some("ec2")
    }

    fn map(&self, shape: &Shape, out: &mut String) {
        let [key, value] = shape.members.as_slice() else { return };
        let names = self.config.form_maps.get(&shape.name);
        let key_name = names.map_or(key.text("locationName").unwrap_or("key"), |n| n.0.as_str());
        let value_name = names.map_or(value.text("locationName").unwrap_or("value"), |n| n.1.as_str());
        let _ = writeln!(
            out,
            "pub(crate) static M_{}: Map = Map {{ name: {}, key: &T_{}, value: {}, key_name: {}, value_name: {}, size: {}, sparse: {}, flattened: {} }};",
            constant(&shape.name),
            lit(&shape.name),
            self.text_constant(&key.shape),
            self.kind(&value.shape, Some(value)),
            lit(key_name),
            lit(value_name),
            size(shape),
            shape.flag("sparse"),
            shape.flag("flattened"),
        );
    }

    fn structure(&self, shape: &Shape, out: &mut String) {
        let payload = shape.text("payload").and_then(|p| shape.members.iter().position(|m| m.name == p));
        let payload = payload.or_else(|| shape.members.iter().position(|m| m.flag("eventpayload")));
        let payload = payload.map_or("None".to_owned(), |i| format!("Some({i})"));
        let operations = self.reach.input_of.get(shape.name.as_str()).cloned().unwrap_or_default();
        let root = operations.iter().find_map(|o| self.model.operations.get(*o).and_then(|o| o.input_root.as_ref()));
        let own = self.config.xml_roots.get(&shape.name).map(String::as_str);
        let xml_name = own.or(shape.text("locationName")).or(root.map(|r| r.0.as_str()));
        let namespace = shape.raw.get("xmlNamespace").map(namespace_of);
        let namespace = namespace.unwrap_or_else(|| {
            root.and_then(|r| r.1.as_deref()).map_or("None".to_owned(), |uri| format!("Some(({}, None))", lit(uri)))
        });
        let _ = writeln!(
            out,
            "pub(crate) static S_{}: Structure = Structure {{ name: {}, union: {}, payload: {payload}, xml_name: {}, xml_namespace: {namespace}, event_stream: {}, unwrapped: {}, members: &[",
            constant(&shape.name),
            lit(&shape.name),
            shape.flag("union"),
            opt(xml_name),
            shape.flag("eventstream"),
            self.config.xml_unwrapped.contains(&shape.name),
        );
        for member in &shape.members {
            self.member(shape, member, &operations, out);
        }
        out.push_str("] };\n");
    }

    fn member(&self, shape: &Shape, member: &Member, operations: &[&str], out: &mut String) {
        let wire = member.text("locationName").unwrap_or(&member.name);
        let flattened =
            member.flag("flattened") || self.model.shapes.get(&member.shape).is_some_and(|s| s.flag("flattened"));
        let own = self.config.form_names.get(&format!("{}.{}", shape.name, member.name)).map(String::as_str);
        let xml = own.unwrap_or(wire);
        let form = if self.is_ec2() {
            ec2_name(member)
        } else {
            own.unwrap_or_else(|| self.form_name(member, flattened)).to_owned()
        };
        let location = match member.text("location") {
            Some("uri") => "Label",
            Some("querystring") if self.model.shapes.get(&member.shape).is_some_and(|s| s.kind == "map") => "QueryMap",
            Some("querystring") => "Query",
            Some("header") => "Header",
            Some("headers") => "Headers",
            Some("statusCode") => "Status",
            _ => "Body",
        };
        let namespace = member.raw.get("xmlNamespace").map_or("None".to_owned(), namespace_of);
        let target = self.model.shapes.get(&member.shape);
        let streaming = member.flag("streaming")
            || target.is_some_and(|t| {
                t.flag("eventstream") || (t.flag("streaming") && shape.text("payload") == Some(member.name.as_str()))
            });
        let ignored = self.config.ignored(&shape.name, &member.name, operations);
        let _ = writeln!(
            out,
            "  Member {{ name: {}, wire: {}, xml: {}, form: {}, shape: {}, location: Location::{location}, required: {}, flattened: {flattened}, attribute: {}, xml_namespace: {namespace}, streaming: {streaming}, json_value: {}, idempotency_token: {}, ignored: {}, refused: {}, event_header: {}, event_payload: {} }},",
            lit(&member.name),
            lit(wire),
            lit(xml),
            lit(&form),
            self.kind(&member.shape, Some(member)),
            shape.required.contains(&member.name),
            member.flag("xmlAttribute"),
            member.flag("jsonvalue"),
            member.flag("idempotencyToken"),
            opt(ignored),
            opt(self.config.refused(&shape.name, &member.name, operations)),
            member.flag("eventheader"),
            member.flag("eventpayload"),
        );
    }

    /// In forms, a flattened list without a name of its own takes the name of its items.
    fn form_name<'m>(&'m self, member: &'m Member, flattened: bool) -> &'m str {
        let item = self.model.shapes.get(&member.shape).filter(|s| s.kind == "list").and_then(|s| s.members.first());
        let item = item.and_then(|i| i.text("locationName")).filter(|_| flattened);
        member.text("locationName").or(item).unwrap_or(&member.name)
    }

    pub(crate) fn errors(&self, names: &[&str], out: &mut String) {
        out.push_str("/// The errors that the API documents.\npub mod errors {\n    use undercast_wire::{AwsError, schema::ErrorShape};\n");
        for name in names {
            let Some(shape) = self.model.shapes.get(*name) else { continue };
            let at = |path: &str| shape.raw.pointer(path);
            let own = self.config.error_codes.get(*name).map(String::as_str);
            let code = own.or(at("/error/code").and_then(serde_json::Value::as_str)).unwrap_or(name);
            let fault = shape.flag("fault");
            let own = self.config.error_statuses.get(*name).map(|s| u64::from(*s));
            let status = own.or(at("/error/httpStatusCode").and_then(serde_json::Value::as_u64)).unwrap_or(if fault {
                500
            } else {
                400
            });
            let sender = at("/error/senderFault").and_then(serde_json::Value::as_bool).unwrap_or(status < 500);
            let constant = constant(name);
            let function = crate::names::snake(name);
            let _ = writeln!(
                out,
                "    /// The shape of `{name}`.\n    pub static {constant}: ErrorShape = ErrorShape {{ name: {}, code: {}, status: {status}, sender: {sender} }};\n    /// `{name}`, with AWS's message.\n    pub fn {function}(message: impl Into<String>) -> AwsError {{ AwsError::from_shape(&{constant}, message) }}",
                lit(name),
                lit(code),
            );
        }
        out.push_str("}\n");
    }
}

fn namespace_of(raw: &serde_json::Value) -> String {
    let text = |name: &str| raw.get(name).and_then(serde_json::Value::as_str);
    match text("uri").or(raw.as_str()) {
        Some(uri) => format!("Some(({}, {}))", lit(uri), opt(text("prefix"))),
        None => "None".to_owned(),
    }
}

fn ec2_name(member: &Member) -> String {
    if let Some(name) = member.text("queryName") {
        return name.to_owned();
    }
    let name = member.text("locationName").unwrap_or(&member.name);
    let mut chars = name.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn bound(shape: &Shape, name: &str) -> String {
    let value = shape.raw.get(name).and_then(|v| v.as_i64().or_else(|| v.as_f64().map(whole)));
    value.map_or("None".to_owned(), |n| format!("Some({n})"))
}

#[expect(clippy::cast_possible_truncation, reason = "bounds of integers that a model writes with a fraction")]
fn whole(value: f64) -> i64 {
    value as i64
}

fn size(shape: &Shape) -> String {
    // Models have `min: 0` without meaning, and negative ones by mistake.
    let least = shape.raw.get("min").and_then(serde_json::Value::as_u64).filter(|n| *n > 0);
    let least = least.map_or("None".to_owned(), |n| format!("Some({n})"));
    format!("Size {{ min: {least}, max: {} }}", bound(shape, "max"))
}

fn range(shape: &Shape) -> String {
    format!("Range {{ min: {}, max: {} }}", bound(shape, "min"), bound(shape, "max"))
}

fn bounds(shape: &Shape) -> String {
    let bound = |key: &str| shape.raw.get(key).and_then(serde_json::Value::as_f64);
    format!("Bounds {{ min: {:?}, max: {:?} }}", bound("min"), bound("max"))
}
