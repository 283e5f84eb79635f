//! What code is made of: the classes of a schema, in whichever language it is written.

use serde_json::{Map, Value as Json};

use crate::export;
use crate::infer::camel;
use crate::rows::Kind;

/// A class of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A property of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// As events have it: `detail-type`.
    pub(crate) key: String,
    pub(crate) of: Type,
    pub(crate) required: bool,
}

/// What a property holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Moment,
    Number,
    Integer,
    Boolean,
    /// Anything.
    Any,
    List(Box<Type>),
    /// Names to values.
    Map(Box<Type>),
    Class(String),
}

/// The classes of a document, and which of them an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) classes: Vec<Class>,
    pub(crate) root: String,
}

impl Model {
    /// The class of the detail, where it is the model of an event of a bus.
    pub(crate) fn detail(&self) -> Option<&str> {
        let event = self.classes.iter().find(|class| class.name == "AWSEvent")?;
        match event.fields.iter().find(|field| field.key == "detail").map(|field| &field.of) {
            Some(Type::Class(name)) => Some(name),
            _ => None,
        }
    }
}

/// Makes the classes of a content. `schema`: the name of the schema, for what has no title. `None`: there is no object in it.
pub(crate) fn model(kind: Kind, content: &str, schema: &str) -> Option<Model> {
    let document: Json = serde_json::from_str(content).ok()?;
    let fallback = schema.rsplit('@').next().unwrap_or(schema);
    let (definitions, root) = match kind {
        Kind::OpenApi => {
            let root = export::root(&document)?.to_owned();
            (document["components"]["schemas"].as_object()?.clone(), root)
        }
        Kind::JsonSchema => {
            let mut definitions = document["definitions"].as_object().cloned().unwrap_or_else(Map::new);
            let title = document["title"].as_str().filter(|title| !title.is_empty()).unwrap_or(fallback);
            // What AWS exports has the event itself as its root, and the title of the detail.
            let is_event = document.get("x-amazon-events-detail-type").is_some();
            let mut root = if is_event { "AWSEvent".to_owned() } else { title.to_owned() };
            while definitions.contains_key(&root) {
                root.push('_');
            }
            definitions.insert(root.clone(), document.clone());
            (definitions, root)
        }
    };
    let mut maker =
        Maker { definitions: &definitions, root: &root, names: Vec::new(), classes: Vec::new(), within: Vec::new() };
    let objects: Vec<(&String, &Json)> = definitions.iter().filter(|(_, schema)| is_object(schema)).collect();
    for (name, _) in &objects {
        let class = maker.free(class_name(name));
        maker.names.push((name, class));
    }
    for (name, schema) in objects {
        let class = maker.class_of(name);
        maker.class(&class, schema);
    }
    let root = definitions.get_key_value(&root).filter(|(_, schema)| is_object(schema));
    root.map(|(name, _)| Model { root: maker.class_of(name), classes: maker.classes })
}

/// Whether a schema says properties, itself or by its parts.
fn has_parts(schema: &Json) -> bool {
    schema["properties"].as_object().is_some_and(|all| !all.is_empty()) || schema["allOf"].is_array()
}

/// Whether a schema with a name is of an object, which becomes a class: one that may have any property has none.
fn is_object(schema: &Json) -> bool {
    has_parts(schema) || (schema["type"] == "object" && !schema["additionalProperties"].is_object())
}

/// Whether a value may be null, in either language.
fn may_be_null(schema: &Json) -> bool {
    let null = |schema: &Json| schema["type"] == "null";
    let listed = |name: &str| schema[name].as_array().is_some_and(|all| all.iter().any(null));
    let among = schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
    schema["nullable"] == true || among || listed("anyOf") || listed("oneOf")
}

/// Names that the languages have for themselves, or that code here uses.
const TAKEN: &[&str] = &[
    "Array",
    "BigDecimal",
    "Boolean",
    "Class",
    "Date",
    "Error",
    "False",
    "Function",
    "Integer",
    "List",
    "Long",
    "Map",
    "Marshal",
    "Marshaller",
    "None",
    "Number",
    "Object",
    "Objects",
    "Override",
    "Promise",
    "Serializable",
    "String",
    "Symbol",
    "True",
    "UnmarshalEvent",
    "Void",
];

/// Words of Java, Python and Go, after which no package is called.
const WORDS: &[&str] = &[
    "abstract",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "chan",
    "char",
    "class",
    "const",
    "continue",
    "def",
    "default",
    "defer",
    "del",
    "do",
    "double",
    "elif",
    "else",
    "enum",
    "except",
    "extends",
    "fallthrough",
    "false",
    "final",
    "finally",
    "float",
    "for",
    "from",
    "func",
    "global",
    "go",
    "goto",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "int",
    "interface",
    "is",
    "lambda",
    "long",
    "map",
    "native",
    "new",
    "nonlocal",
    "not",
    "null",
    "or",
    "package",
    "pass",
    "private",
    "protected",
    "public",
    "raise",
    "range",
    "return",
    "select",
    "short",
    "static",
    "strictfp",
    "struct",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "try",
    "type",
    "var",
    "void",
    "volatile",
    "while",
    "with",
    "yield",
];

/// A text as all four languages write it between double quotes, and JSON does.
pub(crate) fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// A name that classes can have in all languages.
fn class_name(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { ' ' }).collect();
    let name = camel(&safe);
    if TAKEN.contains(&name.as_str()) {
        return format!("{name}_");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// What a value is where it is not null, if that is said beside it.
fn beside_null(schema: &Json) -> Option<&Json> {
    let all = schema["anyOf"].as_array().or(schema["oneOf"].as_array())?;
    let mut others = all.iter().filter(|one| one["type"] != "null");
    others.next().filter(|_| others.next().is_none() && all.len() == 2)
}

struct Maker<'a> {
    definitions: &'a Map<String, Json>,
    root: &'a str,
    /// The classes of definitions.
    names: Vec<(&'a str, String)>,
    classes: Vec<Class>,
    /// The names for other things that are being gone through: one may lead to itself.
    within: Vec<String>,
}

impl<'a> Maker<'a> {
    fn resolve(&self, target: &str) -> Option<(&'a str, &'a Json)> {
        let name = match target {
            "#" => self.root,
            target => target.rsplit('/').next()?,
        };
        self.definitions.get_key_value(name).map(|(name, schema)| (name.as_str(), schema))
    }

    fn class_of(&self, definition: &str) -> String {
        let found = self.names.iter().find(|(name, _)| *name == definition);
        found.map_or_else(|| class_name(definition), |(_, class)| class.clone())
    }

    /// The name, or one like it that no class has.
    fn free(&self, mut name: String) -> String {
        let taken = |name: &str| {
            self.names.iter().any(|(_, class)| class == name) || self.classes.iter().any(|class| class.name == name)
        };
        while taken(&name) {
            name.push('_');
        }
        name
    }

    fn class(&mut self, name: &str, schema: &Json) {
        self.classes.push(Class { name: name.to_owned(), fields: Vec::new() });
        let mut fields: Vec<Field> = Vec::new();
        let mut seen = Vec::new();
        self.fields(name, schema, &mut fields, &mut seen);
        if let Some(class) = self.classes.iter_mut().find(|class| class.name == name) {
            class.fields = fields;
        }
    }

    /// The fields that a schema says, and those of what it is made up of. `seen`: what was gone through.
    fn fields(&mut self, class: &str, schema: &Json, fields: &mut Vec<Field>, seen: &mut Vec<String>) {
        if let Some(target) = schema["$ref"].as_str() {
            if !seen.iter().any(|name| name == target) {
                seen.push(target.to_owned());
                if let Some((_, schema)) = self.resolve(target) {
                    self.fields(class, schema, fields, seen);
                }
            }
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.fields(class, part, fields, seen);
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (key, of) in schema["properties"].as_object().into_iter().flatten() {
            if !fields.iter().any(|field| field.key == *key) {
                let required = required.contains(&key.as_str()) && !may_be_null(of);
                let of = self.type_of(class, key, of);
                fields.push(Field { key: key.clone(), of, required });
            }
        }
    }

    fn type_of(&mut self, class: &str, key: &str, schema: &Json) -> Type {
        if let Some(target) = schema["$ref"].as_str() {
            let Some((name, found)) = self.resolve(target) else { return Type::Any };
            if is_object(found) {
                return Type::Class(self.class_of(name));
            }
            if self.within.iter().any(|name| name == target) {
                return Type::Any;
            }
            self.within.push(target.to_owned());
            let of = self.plain(class, key, found);
            self.within.pop();
            return of;
        }
        // What may be null beside what it is: it is what it is.
        if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
            return self.type_of(class, key, only);
        }
        if let Some(other) = beside_null(schema) {
            return self.type_of(class, key, other);
        }
        self.plain(class, key, schema)
    }

    fn plain(&mut self, class: &str, key: &str, schema: &Json) -> Type {
        let kind = match &schema["type"] {
            Json::Array(kinds) => {
                let mut kinds = kinds.iter().filter_map(Json::as_str).filter(|kind| *kind != "null");
                kinds.next().filter(|_| kinds.next().is_none())
            }
            kind => kind.as_str(),
        };
        match kind {
            Some("string") if schema["format"] == "date-time" => Type::Moment,
            Some("string") => Type::Text,
            Some("number") => Type::Number,
            Some("integer") => Type::Integer,
            Some("boolean") => Type::Boolean,
            Some("array") => {
                let items = if schema["items"].is_object() {
                    self.type_of(class, &format!("{key}Item"), &schema["items"])
                } else {
                    Type::Any
                };
                Type::List(Box::new(items))
            }
            Some("object") | None if has_parts(schema) => {
                let name = self.free(format!("{class}{}", class_name(key)));
                self.class(&name, schema);
                Type::Class(name)
            }
            Some("object") => {
                let values = if schema["additionalProperties"].is_object() {
                    self.type_of(class, &format!("{key}Value"), &schema["additionalProperties"])
                } else {
                    Type::Any
                };
                Type::Map(Box::new(values))
            }
            _ => Type::Any,
        }
    }
}

/// The words of a name, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    let characters: Vec<char> = name.chars().collect();
    for (index, c) in characters.iter().copied().enumerate() {
        let next_is_small = characters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let begins = c.is_ascii_uppercase() && (!last.is_ascii_uppercase() || next_is_small);
        if c.is_ascii_alphanumeric() {
            match words.last_mut() {
                Some(word) if !begins && last.is_ascii_alphanumeric() => word.push(c.to_ascii_lowercase()),
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
        }
        last = c;
    }
    if words.first().is_none_or(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        words.insert(0, "field".to_owned());
    }
    words
}

/// `detail_type`
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// `detailType`
pub(crate) fn lower_camel(name: &str) -> String {
    let upper = upper_camel(name);
    upper[..1].to_ascii_lowercase() + &upper[1..]
}

/// `DetailType`
pub(crate) fn upper_camel(name: &str) -> String {
    words(name).iter().map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// The names of a class's fields in a language: each once, and none that the language has for itself.
pub(crate) fn names(class: &Class, style: fn(&str) -> String, reserved: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in &class.fields {
        let mut name = style(&field.key);
        while reserved.contains(&name.as_str()) || names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// The package of a schema: `schema.aws.ec2.ec2instancestatechangenotification`.
///
/// Source: "Code bindings" as AWS's tools for editors, which look for the packages, know them.
pub(crate) fn package(schema: &str) -> String {
    let partner = schema.strip_prefix("aws.partner-");
    let aws = schema.strip_prefix("aws.");
    let (prefix, rest) = match (partner, aws) {
        (Some(rest), _) => ("schema.aws.partner.", rest.to_owned()),
        // `aws.ec2@Event` and `aws.ec2.Event` alike.
        (None, Some(rest)) => ("schema.aws.", rest.replacen('.', "@", usize::from(!rest.contains('@')))),
        (None, None) => ("schema.", schema.to_owned()),
    };
    let part = |part: &str| {
        let safe: String = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let safe = safe.to_ascii_lowercase();
        if safe.is_empty() || safe.starts_with(|c: char| c.is_ascii_digit()) {
            return format!("_{safe}");
        }
        if WORDS.contains(&safe.as_str()) { format!("{safe}_") } else { safe }
    };
    format!("{prefix}{}", rest.split('@').map(part).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_where_tools_look_for_them() {
        for (schema, wanted) in [
            ("aws.ec2@EC2InstanceStateChangeNotification", "schema.aws.ec2.ec2instancestatechangenotification"),
            (
                "aws.ec2.EC2InstanceStateChangeNotificationEvent",
                "schema.aws.ec2.ec2instancestatechangenotificationevent",
            ),
            (
                "aws.partner-mongodb.com/1234567-tickets@TicketCreated",
                "schema.aws.partner.mongodb_com_1234567_tickets.ticketcreated",
            ),
            ("order@NewOrder", "schema.order.neworder"),
            ("MyEvent.Special#Characters$etc", "schema.myevent_special_characters_etc"),
            ("MyEvent@Discriminator@Another", "schema.myevent.discriminator.another"),
            ("class@1st", "schema.class_._1st"),
        ] {
            assert_eq!(package(schema), wanted);
        }
    }

    #[test]
    fn names_follow_the_ways_of_languages() {
        assert_eq!(snake("detail-type"), "detail_type");
        assert_eq!(snake("sourceIPAddress"), "source_ip_address");
        assert_eq!(lower_camel("version-id"), "versionId");
        assert_eq!(upper_camel("x-1y"), "X1y");
        assert_eq!(snake("7-days"), "field_7_days");
    }

    #[test]
    fn nested_objects_parts_and_names_for_other_things_become_classes() {
        let content = serde_json::json!({
            "title": "Order placed", "type": "object", "required": ["id"],
            "properties": {
                "id": {"type": ["string", "null"]}, "at": {"type": "string", "format": "date-time"},
                "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                "labels": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "money": {"$ref": "#/definitions/Money"}, "whole": {"$ref": "#"}, "both": {"oneOf": [{}, {}]},
                "customer": {"allOf": [{"$ref": "#/definitions/Party"}, {"properties": {"vip": {"type": "boolean"}}}]},
            },
            "definitions": {"Money": {"type": "number"}, "Party": {"properties": {"name": {"type": "string"}}}},
        });
        let model = model(Kind::JsonSchema, &content.to_string(), "shop@Order").unwrap();
        assert_eq!(model.root, "OrderPlaced");
        let of = |class: &str| model.classes.iter().find(|c| c.name == class).unwrap().fields.clone();
        let root = of("OrderPlaced");
        let types: Vec<&Type> = root.iter().map(|field| &field.of).collect();
        let class = |name: &str| Type::Class(name.to_owned());
        assert_eq!(
            types[..4],
            [
                &Type::Text,
                &Type::Moment,
                &Type::List(Box::new(class("OrderPlacedLinesItem"))),
                &Type::Map(Box::new(Type::Boolean))
            ]
        );
        assert_eq!(types[4..7], [&Type::Number, &class("OrderPlaced"), &Type::Any]);
        assert_eq!(of("OrderPlacedLinesItem")[0].of, Type::Integer);
        let customer = of("OrderPlacedCustomer");
        assert_eq!(customer.iter().map(|field| field.key.as_str()).collect::<Vec<_>>(), ["name", "vip"]);
        // What must be there and may be null is as good as missing.
        assert!(root.iter().all(|field| !field.required));
    }

    #[test]
    fn each_class_has_a_name_of_its_own_and_circles_end() {
        let content = serde_json::json!({
            "title": "Order", "type": "object", "required": ["line", "maybe"],
            "properties": {
                "line": {"type": "object", "properties": {"a": {"type": "string"}}}, "other": {"$ref": "#/definitions/order-line"},
                "third": {"$ref": "#/definitions/OrderLine"}, "list": {"$ref": "#/definitions/List"}, "map": {"$ref": "#/definitions/Names"},
                "maybe": {"anyOf": [{"$ref": "#/definitions/OrderLine"}, {"type": "null"}]},
            },
            "definitions": {
                "order-line": {"properties": {"b": {"type": "string"}}}, "OrderLine": {"properties": {"c": {"type": "string"}}},
                "List": {"type": "array", "items": {"$ref": "#/definitions/List"}},
                "Names": {"type": "object", "additionalProperties": {"$ref": "#/definitions/Names"}},
            },
        });
        let model = model(Kind::JsonSchema, &content.to_string(), "s").unwrap();
        let key = |class: &str| model.classes.iter().find(|c| c.name == class).unwrap().fields[0].key.clone();
        assert_eq!(
            (key("OrderLine"), key("OrderLine_"), key("OrderLine__")),
            ("b".to_owned(), "c".to_owned(), "a".to_owned())
        );
        let root = &model.classes.iter().find(|c| c.name == "Order").unwrap().fields;
        let class = |name: &str| Type::Class(name.to_owned());
        let types: Vec<&Type> = root.iter().map(|field| &field.of).collect();
        assert_eq!(types[..3], [&class("OrderLine__"), &class("OrderLine"), &class("OrderLine_")]);
        assert_eq!(types[3..5], [&Type::List(Box::new(Type::Any)), &Type::Map(Box::new(Type::Any))]);
        assert_eq!((types[5], root[0].required, root[5].required), (&class("OrderLine_"), true, false));
    }
}
