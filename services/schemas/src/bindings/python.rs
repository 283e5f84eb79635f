//! Code in Python 3.6: `from schema.shop.orderplaced import AWSEvent, OrderPlaced, Marshaller`.

use super::Files;
use super::model::{Class, Field, Model, Type, names, quoted, snake};

/// Words of the language, and names that classes here have for themselves.
const RESERVED: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise",
    "return", "self", "to_dict", "to_str", "try", "while", "with", "yield",
];

pub(super) fn files(model: &Model, package: &str) -> Files {
    let parts: Vec<&str> = package.split('.').collect();
    let folder = parts.join("/");
    let mut out: Files =
        (1..parts.len()).map(|n| (format!("{}/__init__.py", parts[..n].join("/")), String::new())).collect();
    let mut init = String::new();
    for class in &model.classes {
        init.push_str(&format!("from {package}.{0} import {0}\n", class.name));
        out.push((format!("{folder}/{}.py", class.name), class_file(class)));
    }
    init.push_str(&format!("from {package}.Marshaller import Marshaller\n"));
    out.push((format!("{folder}/__init__.py"), init));
    out.push((format!("{folder}/Marshaller.py"), marshaller(package)));
    out
}

/// What the marshaller reads types by: `list[OrderLine]`.
fn type_name(of: &Type) -> String {
    match of {
        Type::Text => "str".to_owned(),
        Type::Moment => "datetime".to_owned(),
        Type::Number => "float".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Any => "object".to_owned(),
        Type::List(item) => format!("list[{}]", type_name(item)),
        Type::Map(value) => format!("dict(str, {})", type_name(value)),
        Type::Class(name) => name.clone(),
    }
}

fn entries<'a>(fields: impl Iterator<Item = (&'a String, String)>) -> String {
    fields.map(|(name, value)| format!("        {}: {value},\n", quoted(name))).collect()
}

fn property(name: &str, field: &Field) -> String {
    let check = if field.required {
        format!(
            "        if {name} is None:\n            raise ValueError(\"Invalid value for `{name}`, must not be `None`\")\n"
        )
    } else {
        String::new()
    };
    format!(
        "\n    @property\n    def {name}(self):\n        return self._{name}\n\n    @{name}.setter\n    def {name}(self, {name}):\n{check}        self._{name} = {name}\n"
    )
}

fn class_file(class: &Class) -> String {
    let names = names(class, snake, RESERVED);
    let with: Vec<(&String, &Field)> = names.iter().zip(&class.fields).collect();
    let arguments: String = names.iter().map(|name| format!(", {name}=None")).collect();
    let types = entries(with.iter().map(|(name, field)| (*name, quoted(&type_name(&field.of)))));
    let keys = entries(with.iter().map(|(name, field)| (*name, quoted(&field.key))));
    // What must be there is checked when it is set, and not when an object is made step by step.
    let set: String = names.iter().map(|name| format!("        self._{name} = {name}\n")).collect();
    let properties: String = with.iter().map(|(name, field)| property(name, field)).collect();
    let body = if set.is_empty() { "        pass\n".to_owned() } else { set };
    format!(
        "# coding: utf-8\nimport pprint\n\n\nclass {0}(object):\n    _types = {{\n{types}    }}\n\n    _attribute_map = {{\n{keys}    }}\n\n    def __init__(self{arguments}):\n{body}{properties}{1}",
        class.name,
        METHODS.replace("CLASS", &class.name),
    )
}

const METHODS: &str = r#"
    def to_dict(self):
        def plain(value):
            if hasattr(value, "to_dict"):
                return value.to_dict()
            if isinstance(value, list):
                return [plain(item) for item in value]
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            return value

        return {name: plain(getattr(self, name)) for name in self._types}

    def to_str(self):
        return pprint.pformat(self.to_dict())

    def __repr__(self):
        return self.to_str()

    def __eq__(self, other):
        return isinstance(other, CLASS) and self.__dict__ == other.__dict__

    def __ne__(self, other):
        return not self == other
"#;

fn marshaller(package: &str) -> String {
    MARSHALLER.replace("PACKAGE", package)
}

const MARSHALLER: &str = r#"# coding: utf-8
import datetime
import importlib
import re

_PLAIN = {"str": str, "int": int, "float": float, "bool": bool}


class Marshaller(object):
    """Makes objects of what an event has, and the other way round."""

    @classmethod
    def marshall(cls, obj):
        """What `json.dumps` takes: dicts, lists, texts, numbers."""
        if obj is None or isinstance(obj, (str, int, float, bool)):
            return obj
        if isinstance(obj, (list, tuple)):
            return [cls.marshall(item) for item in obj]
        if isinstance(obj, dict):
            return {key: cls.marshall(value) for key, value in obj.items()}
        if isinstance(obj, datetime.datetime):
            return cls._moment_text(obj)
        found = {}
        for name, key in obj._attribute_map.items():
            value = getattr(obj, name)
            if value is not None:
                found[key] = cls.marshall(value)
        return found

    @classmethod
    def unmarshall(cls, data, type_name):
        """An object of a class, which may be given by its name, from what `json.loads` gives."""
        if data is None:
            return None
        if isinstance(type_name, str):
            inner = re.match(r"list\[(.*)\]$", type_name)
            if inner:
                return [cls.unmarshall(item, inner.group(1)) for item in data]
            inner = re.match(r"dict\(str, (.*)\)$", type_name)
            if inner:
                return {key: cls.unmarshall(value, inner.group(1)) for key, value in data.items()}
            if type_name == "object":
                return data
            if type_name == "datetime":
                return cls._moment(data)
            if type_name in _PLAIN:
                return cls._plain(data, _PLAIN[type_name])
            type_name = getattr(importlib.import_module("PACKAGE"), type_name)
        made = type_name()
        for name, of in type_name._types.items():
            key = type_name._attribute_map[name]
            if key in data:
                setattr(made, name, cls.unmarshall(data[key], of))
        return made

    @staticmethod
    def _plain(data, of):
        # A number that is whole stays so, or it would be written as another text.
        if of is float and isinstance(data, int):
            return data
        return of(data)

    @staticmethod
    def _moment(text):
        text = re.sub(r"[Zz]$", "+0000", text)
        text = re.sub(r"([+-]\d\d):(\d\d)$", r"\1\2", text)
        fraction = re.search(r"\.(\d+)", text)
        if fraction:
            text = text.replace(fraction.group(0), "." + fraction.group(1)[:6])
        form = "%Y-%m-%dT%H:%M:%S.%f%z" if fraction else "%Y-%m-%dT%H:%M:%S%z"
        return datetime.datetime.strptime(text, form)

    @staticmethod
    def _moment_text(moment):
        text = moment.isoformat()
        return text[:-6] + "Z" if text.endswith("+00:00") else text
"#;
