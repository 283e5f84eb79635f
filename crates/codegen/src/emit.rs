//! The Rust code: structs, `read`, `write`, the trait, the way from an operation's number to its method.

use std::fmt::Write as _;

use crate::model::{Member, Operation, Shape};
use crate::names::{camel, constant, snake};
use crate::reach::{Reach, holds};
use crate::tables::{Tables, lit};
use crate::{Config, Model};

struct Emit<'a> {
    model: &'a Model,
    config: &'a Config,
    reach: &'a Reach<'a>,
}

/// The whole of a service's `api.rs`.
pub(crate) fn service(model: &Model, config: &Config) -> String {
    let reach = Reach::of(model, config);
    let emit = Emit { model, config, reach: &reach };
    let tables = Tables { model, config, reach: &reach };
    let mut out = String::with_capacity(1 << 16);
    // Style is for code that people read and write; `dead_code` stays, it is the point.
    out.push_str("mod generated {\n#![allow(clippy::style, clippy::complexity, clippy::pedantic, clippy::perf, missing_docs, unreachable_pub, unused_imports, unused_macros)]\n");
    out.push_str("use undercast_kernel::Cx;\nuse undercast_wire::{Protocol, Value, Write, Writer};\nuse undercast_wire::schema::{Bounds, ErrorShape, Http, List, Location, Map, Member, Operation, Range, Service, Shape, Size, Structure, Text, TimestampFormat, Unbuilt};\n");
    out.push_str("/// Keeps every import in use, whatever the API has.\n#[doc(hidden)]\npub type Imports = (Bounds, Location, List, Map, Member, Range, Shape, Size, Structure, Text, TimestampFormat, Unbuilt, Value, Http, &'static ErrorShape);\n");
    if emit.listed().any(|o| o.input.is_none() || o.output.is_none()) {
        out.push_str("static S_UNIT: Structure = Structure::EMPTY;\n");
    }
    tables.shapes(&mut out);
    emit.operations(&tables, &mut out);
    emit.structs(&mut out);
    emit.calls(&mut out);
    out.push_str("}\npub use generated::*;\n");
    out
}

/// The variant of `Protocol` for a protocol as models call it; `None`: one that is not spoken.
pub(crate) fn protocol(name: &str) -> Option<&'static str> {
    Some(match name {
        "json" => "Json",
        "query" => "Query",
        "ec2" => "Ec2",
        "rest-json" => "RestJson",
        "rest-xml" => "RestXml",
        "smithy-rpc-v2-cbor" => "Cbor",
        "aws-cbor" => "AwsCbor",
        _ => return None,
    })
}

impl Emit<'_> {
    fn listed(&self) -> impl Iterator<Item = &Operation> {
        self.config.operations.iter().filter_map(|n| self.model.operations.get(n))
    }

    fn operations(&self, tables: &Tables<'_>, out: &mut String) {
        let mut errors: Vec<&str> =
            self.model.operations.values().flat_map(|o| &o.errors).map(String::as_str).collect();
        errors.extend(self.model.shapes.values().filter(|s| s.flag("exception")).map(|s| s.name.as_str()));
        errors.sort_unstable();
        errors.dedup();
        tables.errors(&errors, out);
        for operation in self.listed() {
            let table =
                |shape: &Option<String>| shape.as_ref().map_or("S_UNIT".to_owned(), |s| format!("S_{}", constant(s)));
            let errors: Vec<String> = operation.errors.iter().map(|e| format!("&errors::{}", constant(e))).collect();
            let _ = writeln!(
                out,
                "static O_{}: Operation = Operation {{ name: {}, http: {}, input: &{}, output: &{}, result_wrapper: {}, errors: &[{}], anonymous: {}, readonly: {}, checksum_required: {}, cases: {} }};",
                constant(&operation.name),
                lit(&operation.name),
                http(operation),
                table(&operation.input),
                table(&operation.output),
                self.result_wrapper(operation).map_or("None".to_owned(), |w| format!("Some({})", lit(&w))),
                errors.join(", "),
                operation.anonymous || self.config.wire.unsigned.contains(&operation.name),
                operation.readonly,
                operation.checksum_required,
                self.config.cases.get(&operation.name).copied().unwrap_or(0),
            );
        }
        self.service_table(out);
    }

    /// Element around a query result. Models that no longer list the query protocol do not tell it; it was always this.
    fn result_wrapper(&self, operation: &Operation) -> Option<String> {
        let kept = operation.result_wrapper.clone();
        let added = self.config.wire.protocols.iter().any(|p| p == "query") && self.answer(operation).is_some();
        kept.or_else(|| added.then(|| format!("{}Result", operation.name)))
    }

    fn service_table(&self, out: &mut String) {
        let model = self.model;
        let wire = &self.config.wire;
        let prefix = model.text("endpointPrefix").unwrap_or(&model.service);
        let signing = model.text("signingName").unwrap_or(prefix);
        let opt = |t: Option<&str>| t.map_or("None".to_owned(), |t| format!("Some({})", lit(t)));
        let listed: Vec<String> = self.listed().map(|o| format!("&O_{}", constant(&o.name))).collect();
        let unbuilt: Vec<String> = model
            .operations
            .values()
            .filter(|o| !self.config.operations.contains(&o.name) && !self.config.former.contains_key(&o.name))
            .map(|o| format!("Unbuilt {{ name: {}, http: {} }}", lit(&o.name), http(o)))
            .collect();
        let compatible = model.metadata.get("awsQueryCompatible").is_some();
        let protocols = self.protocols();
        let default_error = if protocols.first().is_some_and(|p| p == "Query" || p == "Ec2") {
            "ValidationError"
        } else {
            "ValidationException"
        };
        let namespace = wire
            .xml_namespace
            .as_deref()
            .or(model.metadata.pointer("/xmlNamespace").and_then(|n| n.as_str().or_else(|| n.get("uri")?.as_str())));
        let protocols: Vec<String> = protocols.iter().map(|p| format!("Protocol::{p}")).collect();
        let _ = writeln!(
            out,
            "/// The API as the wire sees it.\npub static SERVICE: Service = Service {{ name: {}, signing_name: {}, endpoint_prefix: {}, iam_prefix: {}, target_prefix: {}, rpc_name: {}, api_version: {}, xml_namespace: {}, json_version: {}, protocols: &[{}], query_compatible: {compatible}, bare_errors: {}, s3_signing: {}, crc32: {}, validation_error: {}, operations: &[{}], unbuilt: &[{}], global: {}, told_by: {} }};",
            lit(&model.service),
            lit(signing),
            lit(prefix),
            lit(wire.iam_prefix.as_deref().unwrap_or(signing)),
            opt(model.text("targetPrefix")),
            opt(model.text("targetPrefix")),
            lit(model.text("apiVersion").unwrap_or_default()),
            opt(namespace),
            lit(model.text("jsonVersion").unwrap_or("1.1")),
            protocols.join(", "),
            wire.bare_errors,
            wire.s3_signing,
            wire.crc32,
            lit(wire.validation_error.as_deref().unwrap_or(default_error)),
            listed.join(", "),
            unbuilt.join(", "),
            wire.global,
            opt(wire.told_by.as_deref()),
        );
    }

    /// The protocols' variants, the model's preferred one first.
    fn protocols(&self) -> Vec<String> {
        let listed =
            self.model.metadata.get("protocols").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        let listed = listed.iter().filter_map(serde_json::Value::as_str);
        let mut found: Vec<String> = Vec::new();
        for name in self
            .model
            .text("protocol")
            .into_iter()
            .chain(listed)
            .chain(self.config.wire.protocols.iter().map(String::as_str))
        {
            let Some(variant) = protocol(name) else { continue };
            if !found.iter().any(|f| f == variant) {
                found.push(variant.to_owned());
            }
        }
        found
    }

    /// Whether a shape becomes a struct.
    fn is_struct(&self, shape: &Shape) -> bool {
        shape.kind == "structure"
            && !shape.flag("document")
            && !shape.flag("eventstream")
            && !self.config.external.contains_key(&shape.name)
    }

    fn structs(&self, out: &mut String) {
        for (module, what, names) in [
            ("kept", "requests and answers hold alike, and the store keeps", &self.reach.kept),
            ("input", "requests hold", &self.reach.inputs),
            ("output", "answers hold", &self.reach.outputs),
        ] {
            if module == "kept" && names.is_empty() {
                continue;
            }
            let _ = writeln!(
                out,
                "/// What {what}.\npub(crate) mod {module} {{\n    use super::*;\n    const _: Option<Imports> = None;"
            );
            for shape in names.iter().filter_map(|n| self.model.shapes.get(*n)).filter(|s| self.is_struct(s)) {
                match module {
                    "kept" => self.kept(shape, out),
                    _ if self.reach.kept.contains(shape.name.as_str()) => {
                        let name = self.type_name(&shape.name);
                        let _ = writeln!(out, "    pub(crate) use super::kept::{name};");
                    }
                    "input" => self.input(shape, out),
                    _ => self.output(shape, out),
                }
            }
            out.push_str("}\n");
        }
        for operation in self.listed() {
            if let Some(input) = &operation.input {
                let _ = writeln!(
                    out,
                    "pub(crate) use input::{} as {}Input;",
                    self.type_name(input),
                    camel(&operation.name)
                );
            }
            if let Some(output) = self.answer(operation) {
                let own = format!("output::{}", self.type_name(output));
                let path = self.config.external.get(output).unwrap_or(&own);
                let _ = writeln!(out, "pub(crate) use {path} as {}Output;", camel(&operation.name));
            }
        }
    }

    /// The output shape of an operation that answers something.
    fn answer<'o>(&self, operation: &'o Operation) -> Option<&'o str> {
        let output = operation.output.as_deref()?;
        let any = self.model.shapes.get(output).is_some_and(|s| !s.members.is_empty());
        any.then_some(output)
    }

    fn type_name(&self, shape: &str) -> String {
        camel(shape)
    }

    /// The Rust type of a shape.
    fn rust_type(&self, name: &str, member: Option<&Member>, owner: Option<&str>) -> String {
        if let Some(path) = self.config.external.get(name) {
            return path.clone();
        }
        let Some(shape) = self.model.shapes.get(name) else { return "serde_json::Value".to_owned() };
        match shape.kind.as_str() {
            "string" | "character" => "String".to_owned(),
            "blob" if member.is_some_and(|m| streams(m, shape)) => "undercast_wire::Body".to_owned(),
            "blob" => "undercast_wire::Bytes".to_owned(),
            "boolean" => "bool".to_owned(),
            "integer" | "short" | "byte" => "i32".to_owned(),
            "long" | "bigInteger" => "i64".to_owned(),
            "float" => "f32".to_owned(),
            "double" | "bigDecimal" => "f64".to_owned(),
            "timestamp" => "undercast_wire::Timestamp".to_owned(),
            "list" => format!("Vec<{}>", self.item_type(shape, 0)),
            "map" => format!("std::collections::BTreeMap<String, {}>", self.item_type(shape, 1)),
            "structure" if shape.flag("document") => "serde_json::Value".to_owned(),
            "structure" if shape.flag("eventstream") => "undercast_wire::Body".to_owned(),
            "structure" => {
                let name_in_rust = camel(name);
                if owner.is_some_and(|o| holds(self.model, name, o)) {
                    format!("Box<{name_in_rust}>")
                } else {
                    name_in_rust
                }
            }
            _ => "serde_json::Value".to_owned(),
        }
    }

    fn item_type(&self, shape: &Shape, index: usize) -> String {
        let Some(item) = shape.members.get(index) else { return "()".to_owned() };
        let inner = self.rust_type(&item.shape, None, None);
        if shape.flag("sparse") { format!("Option<{inner}>") } else { inner }
    }

    /// An expression that makes the Rust value of a shape from `value`.
    fn read_expression(&self, name: &str, member: Option<&Member>, owner: Option<&str>) -> String {
        if let Some(path) = self.config.external.get(name) {
            return format!("{path}::read(value)");
        }
        let Some(shape) = self.model.shapes.get(name) else { return "value.into_document()".to_owned() };
        let method = match shape.kind.as_str() {
            "string" | "character" => "into_text",
            "blob" if member.is_some_and(|m| streams(m, shape)) => "into_body",
            "blob" => "into_blob",
            "boolean" => "into_boolean",
            "integer" | "short" | "byte" => "into_integer",
            "long" | "bigInteger" => "into_long",
            "float" => "into_float",
            "double" | "bigDecimal" => "into_double",
            "timestamp" => "into_timestamp",
            "list" => return format!("value.into_list(|value| {})", self.item_read(shape, 0)),
            "map" => return format!("value.into_map(|value| {})", self.item_read(shape, 1)),
            "structure" if shape.flag("document") => "into_document",
            "structure" if shape.flag("eventstream") => "into_body",
            "structure" => {
                let read = format!("{}::read(value)", camel(name));
                return if owner.is_some_and(|o| holds(self.model, name, o)) {
                    format!("Box::new({read})")
                } else {
                    read
                };
            }
            _ => "into_document",
        };
        format!("value.{method}()")
    }

    fn item_read(&self, shape: &Shape, index: usize) -> String {
        let Some(item) = shape.members.get(index) else { return "()".to_owned() };
        let inner = self.read_expression(&item.shape, None, None);
        if shape.flag("sparse") { format!("value.into_sparse(|value| {inner})") } else { inner }
    }

    /// The members of an input that handlers read, with their numbers.
    fn read_members<'s>(&self, shape: &'s Shape) -> Vec<(usize, &'s Member)> {
        let operations = self.reach.input_of.get(shape.name.as_str()).cloned().unwrap_or_default();
        let members = shape.members.iter().enumerate();
        members.filter(|(_, m)| self.config.is_read(&shape.name, &m.name, &operations)).collect()
    }

    fn input(&self, shape: &Shape, out: &mut String) {
        let members = self.read_members(shape);
        self.fields(shape, &members, "Debug, Default", false, out);
        self.read(shape, &members, out);
    }

    /// A struct for both sides, which can be stored as it is.
    fn kept(&self, shape: &Shape, out: &mut String) {
        let members = self.read_members(shape);
        let derived = "Debug, Default, Clone, PartialEq, serde::Serialize, serde::Deserialize";
        self.fields(shape, &members, derived, true, out);
        // What only answers hold is made by the service itself.
        if self.reach.inputs.contains(shape.name.as_str()) {
            self.read(shape, &members, out);
        }
        self.write(shape, &members, out);
    }

    fn fields(&self, shape: &Shape, members: &[(usize, &Member)], derived: &str, stored: bool, out: &mut String) {
        let _ = writeln!(out, "    #[derive({derived})]\n    pub(crate) struct {} {{", self.type_name(&shape.name));
        for (_, member) in members {
            let inner = self.rust_type(&member.shape, Some(member), Some(&shape.name));
            let required = shape.required.contains(&member.name);
            let inner = if required { inner } else { format!("Option<{inner}>") };
            if stored {
                let rest = if required { "" } else { ", default, skip_serializing_if = \"Option::is_none\"" };
                let _ = writeln!(out, "        #[serde(rename = {}{rest})]", lit(&member.name));
            }
            let _ = writeln!(out, "        pub(crate) {}: {inner},", snake(&member.name));
        }
        out.push_str("    }\n");
    }

    fn read(&self, shape: &Shape, members: &[(usize, &Member)], out: &mut String) {
        let name = self.type_name(&shape.name);
        let argument = if members.is_empty() { "_value" } else { "value" };
        let _ = writeln!(out, "    impl {name} {{\n        pub(crate) fn read({argument}: Value) -> Self {{");
        // Locals are named by number: a member may be called `value`.
        for (index, _) in members {
            let _ = writeln!(out, "            let mut m{index} = None;");
        }
        if !members.is_empty() {
            out.push_str("            for (index, value) in value.into_set() {\n                match index {\n");
            for (index, member) in members {
                let read = self.read_expression(&member.shape, Some(member), Some(&shape.name));
                let _ = writeln!(out, "                    {index} => m{index} = Some({read}),");
            }
            out.push_str("                    _ => {}\n                }\n            }\n");
        }
        let fields: Vec<String> = members
            .iter()
            .map(|(index, m)| {
                let field = snake(&m.name);
                if shape.required.contains(&m.name) {
                    format!("{field}: m{index}.unwrap_or_default()")
                } else {
                    format!("{field}: m{index}")
                }
            })
            .collect();
        let _ = writeln!(out, "            Self {{ {} }}\n        }}\n    }}", fields.join(", "));
    }

    fn output(&self, shape: &Shape, out: &mut String) {
        let whole = self.reach.output_of.contains_key(shape.name.as_str());
        if shape.members.is_empty() && whole {
            return;
        }
        let members: Vec<(usize, &Member)> = shape.members.iter().enumerate().collect();
        self.fields(shape, &members, if whole { "Debug, Default" } else { "Debug, Default, Clone" }, false, out);
        self.write(shape, &members, out);
    }

    fn write(&self, shape: &Shape, members: &[(usize, &Member)], out: &mut String) {
        let _ = writeln!(
            out,
            "    impl Write for {} {{\n        fn write(&self, w: &mut dyn Writer) {{\n            w.structure(&S_{});",
            self.type_name(&shape.name),
            constant(&shape.name)
        );
        // XML attributes stand in the start tag, so they come before all elements.
        let (attributes, elements): (Vec<_>, Vec<_>) =
            members.iter().copied().partition(|(_, m)| m.flag("xmlAttribute"));
        for (index, member) in attributes.into_iter().chain(elements) {
            let field = snake(&member.name);
            let write = self.write_statement(&member.shape, "v", Some(member));
            if shape.required.contains(&member.name) {
                let _ = writeln!(out, "            {{ let v = &self.{field}; w.member({index}); {write} }}");
            } else {
                let _ = writeln!(out, "            if let Some(v) = &self.{field} {{ w.member({index}); {write} }}");
            }
        }
        out.push_str("            w.end();\n        }\n    }\n");
    }

    /// A statement that writes the value behind the reference `v`.
    fn write_statement(&self, name: &str, v: &str, member: Option<&Member>) -> String {
        if self.config.external.contains_key(name) {
            return format!("{v}.write(w);");
        }
        let Some(shape) = self.model.shapes.get(name) else { return format!("w.document({v});") };
        match shape.kind.as_str() {
            "string" | "character" => format!("w.string({v});"),
            "blob" if member.is_some_and(|m| streams(m, shape)) => format!("w.body({v});"),
            "blob" => format!("w.blob({v});"),
            "boolean" => format!("w.boolean(*{v});"),
            "integer" | "short" | "byte" => format!("w.integer(i64::from(*{v}));"),
            "long" | "bigInteger" => format!("w.integer(*{v});"),
            "float" => format!("w.double(f64::from(*{v}));"),
            "double" | "bigDecimal" => format!("w.double(*{v});"),
            "timestamp" => format!("w.timestamp(*{v});"),
            "list" => format!(
                "w.list(&L_{}, {v}.len()); for v in {v} {{ {} }} w.end();",
                constant(name),
                self.item_write(shape, 0)
            ),
            "map" => format!(
                "w.map(&M_{}, {v}.len()); for (k, v) in {v} {{ w.key(k); {} }} w.end();",
                constant(name),
                self.item_write(shape, 1)
            ),
            "structure" if shape.flag("document") => format!("w.document({v});"),
            "structure" if shape.flag("eventstream") => format!("w.body({v});"),
            "structure" => format!("{v}.write(w);"),
            _ => format!("w.document({v});"),
        }
    }

    fn item_write(&self, shape: &Shape, index: usize) -> String {
        let Some(item) = shape.members.get(index) else { return String::new() };
        let inner = self.write_statement(&item.shape, "v", None);
        if shape.flag("sparse") { format!("match v {{ Some(v) => {{ {inner} }} None => w.null() }}") } else { inner }
    }

    fn calls(&self, out: &mut String) {
        out.push_str(
            "/// The operations that are built, one method each.\npub(crate) trait Operations: Send + Sync {\n",
        );
        for operation in self.listed() {
            let input =
                operation.input.as_ref().map_or(String::new(), |_| format!(", input: {}Input", camel(&operation.name)));
            let _ = writeln!(
                out,
                "    /// `{}`.\n    fn {}(&self, cx: &Cx{input}) -> impl Future<Output = undercast_kernel::Result<{}>> + Send;",
                operation.name,
                snake(&operation.name),
                self.answer_type(operation)
            );
        }
        out.push_str("}\n");
        self.table_of_operations(out);
        out.push_str("/// Runs the operation with this number.\npub(crate) fn call<'a, T: Operations>(service: &'a T, cx: &'a Cx, operation: usize, input: Value) -> undercast_kernel::Answer<'a> {\n    match operation {\n");
        for (index, operation) in self.listed().enumerate() {
            let (read, argument) = match &operation.input {
                Some(_) => (format!("let input = {}Input::read(input); ", camel(&operation.name)), ", input"),
                None => ("drop(input); ".to_owned(), ""),
            };
            let _ = writeln!(
                out,
                "        {index} => Box::pin(async move {{ {read}Ok(Box::new(service.{}(cx{argument}).await?) as Box<dyn Write>) }}),",
                snake(&operation.name)
            );
        }
        out.push_str("        _ => Box::pin(async move { drop(input); Err(undercast_kernel::Failure::no_such_operation(&SERVICE, operation)) }),\n    }\n}\n");
    }

    /// The macro with which a service says in one line an operation what does it.
    fn table_of_operations(&self, out: &mut String) {
        out.push_str(
            "/// The methods of [`Operations`], of a table: `ListQueues => queues::list(cx, input).await,`\nmacro_rules! operations {\n    (impl $api:ident::Operations for $service:ty; |$this:ident, $cx:ident, $input:ident| $($name:ident => $does:expr),* $(,)?) => {\n        impl $api::Operations for $service { $($api::operations!(@$name $api, $this, $cx, $input, $does);)* }\n    };\n",
        );
        for operation in self.listed() {
            let (name, method) = (camel(&operation.name), snake(&operation.name));
            let input = operation.input.as_ref().map_or(String::new(), |_| format!(", $input: $api::{name}Input"));
            let used = operation.input.as_ref().map_or("", |_| ", &$input");
            let answer = match self.answer_type(operation).as_str() {
                "()" => "()".to_owned(),
                named => format!("$api::{named}"),
            };
            let _ = writeln!(
                out,
                "    (@{} $api:ident, $this:ident, $cx:ident, $input:ident, $does:expr) => {{\n        async fn {method}(&$this, $cx: &undercast_kernel::Cx{input}) -> undercast_kernel::Result<{answer}> {{\n            // Few need them all.\n            let _ = (&$this, $cx{used});\n            $does\n        }}\n    }};",
                operation.name
            );
        }
        out.push_str("}\npub(crate) use operations;\n");
    }

    fn answer_type(&self, operation: &Operation) -> String {
        self.answer(operation).map_or("()".to_owned(), |_| format!("{}Output", camel(&operation.name)))
    }
}

fn streams(member: &Member, shape: &Shape) -> bool {
    member.flag("streaming") || shape.flag("streaming")
}

fn http(operation: &Operation) -> String {
    format!("Http {{ method: {}, uri: {}, code: {} }}", lit(&operation.method), lit(&operation.uri), operation.code)
}
