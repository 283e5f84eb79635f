//! What a state takes and gives: paths and templates.

use serde_json::{Map, Value};

use super::fields::{Fields, Reader, integer, kind, number};
use crate::diagnostic::Code;
use crate::jsonata::{self, Expression, Reference};
use crate::path::{Path, Root};
use crate::template::{self, Lookup, Node, Template};
use crate::tree::{Flow, Given, Placement, QueryLanguage, Selection};

/// The fields that are of all states; which of them a state may have is checked elsewhere.
/// `results`: whether the state has a result.
pub(super) fn read(fields: &Fields, language: QueryLanguage, results: bool, reader: &mut Reader) -> Option<Flow> {
    reader.sees_result = results;
    let assign = assign(fields, language, "", reader);
    let output = match language {
        QueryLanguage::JsonPath => None,
        QueryLanguage::Jsonata => template(fields, "Output", language, "", reader),
    };
    reader.sees_result = false;
    let mut flow = Flow { assign, output, ..Flow::default() };
    match language {
        QueryLanguage::JsonPath => {
            flow.input_path = selection(fields, "InputPath", reader)?;
            flow.output_path = selection(fields, "OutputPath", reader)?;
            flow.result_path = placement(fields, reader)?;
            flow.parameters = template(fields, "Parameters", language, "", reader);
            flow.result_selector = object_template(fields, "ResultSelector", language, "", reader);
        }
        QueryLanguage::Jsonata => {
            flow.arguments = template(fields, "Arguments", language, "", reader);
        }
    }
    Some(flow)
}

pub(super) fn path(fields: &Fields, name: &str, reader: &mut Reader) -> Option<Path> {
    let text = fields.text(name, reader)?;
    match Path::parse(&text) {
        Ok(path) => Some(path),
        Err(_) => {
            reader.schema("Value must be a valid JSONPath.", &fields.at(name));
            None
        }
    }
}

/// A path that is one value by its form.
pub(super) fn reference(fields: &Fields, name: &str, reader: &mut Reader) -> Option<Path> {
    let path = path(fields, name, reader)?;
    if path.is_reference() {
        return Some(path);
    }
    reader.schema("Value is not a Reference Path", &fields.at(name));
    None
}

/// `InputPath` and `OutputPath`, which may be `null`. Nothing when something is wrong with it.
fn selection(fields: &Fields, name: &str, reader: &mut Reader) -> Option<Selection> {
    match fields.get(name) {
        None => Some(Selection::All),
        Some(Value::Null) => Some(Selection::Nothing),
        Some(_) => {
            let path = path(fields, name, reader)?;
            let all = path.is_root() && *path.root() == Root::Input;
            Some(if all { Selection::All } else { Selection::Path(path) })
        }
    }
}

/// `ResultPath`, which may be `null`.
pub(super) fn placement(fields: &Fields, reader: &mut Reader) -> Option<Placement> {
    match fields.get("ResultPath") {
        None => Some(Placement::Replace),
        Some(Value::Null) => Some(Placement::Discard),
        Some(_) => {
            let path = reference(fields, "ResultPath", reader)?;
            if *path.root() != Root::Input {
                reader.schema("Value is not a Reference Path", &fields.at("ResultPath"));
                return None;
            }
            Some(if path.is_root() { Placement::Replace } else { Placement::At(path) })
        }
    }
}

/// `Assign`: an object, whose names are those of variables.
pub(super) fn assign(fields: &Fields, language: QueryLanguage, owner: &str, reader: &mut Reader) -> Option<Template> {
    let found = object_template(fields, "Assign", language, owner, reader)?;
    for name in found.field_names() {
        let length = name.chars().count();
        let begins = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
        let legal = begins && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !legal || length > LONGEST_VARIABLE || name == "states" {
            reader.schema(format!("'{name}' is not a valid variable name"), &fields.at("Assign"));
        }
    }
    Some(found)
}

/// How long the name of a variable may be ("Variable name syntax").
const LONGEST_VARIABLE: usize = 80;

/// A field that is a template. `owner` says in messages whose field it is: `Choices[1]/`.
pub(super) fn template(
    fields: &Fields,
    name: &str,
    language: QueryLanguage,
    owner: &str,
    reader: &mut Reader,
) -> Option<Template> {
    let value = fields.get(name)?;
    Some(Template(node(value, language, &format!("{owner}{name}"), &fields.at(name), reader)))
}

/// One that is an object.
pub(super) fn object_template(
    fields: &Fields,
    name: &str,
    language: QueryLanguage,
    owner: &str,
    reader: &mut Reader,
) -> Option<Template> {
    fields.object(name, reader)?;
    template(fields, name, language, owner, reader)
}

fn node(value: &Value, language: QueryLanguage, field: &str, at: &str, reader: &mut Reader) -> Node {
    match value {
        Value::Array(items) => template::array(
            items
                .iter()
                .enumerate()
                .map(|(i, item)| node(item, language, &format!("{field}[{i}]"), &format!("{at}[{i}]"), reader))
                .collect(),
        ),
        Value::Object(map) if language == QueryLanguage::JsonPath => object(map, field, at, reader),
        Value::Object(map) => template::object(
            map.iter()
                .map(|(name, value)| {
                    let node = node(value, language, &format!("{field}/{name}"), &format!("{at}/{name}"), reader);
                    (name.clone(), node)
                })
                .collect(),
        ),
        Value::String(text) if language == QueryLanguage::Jsonata => match expression(text, field, at, reader) {
            Some(expression) => Node::Expression(expression),
            None => Node::Literal(value.clone()),
        },
        value => Node::Literal(value.clone()),
    }
}

/// An object of JSONPath, whose fields with names that end with `.$` are looked up.
fn object(map: &Map<String, Value>, field: &str, at: &str, reader: &mut Reader) -> Node {
    let mut fields = Vec::new();
    for (name, value) in map {
        let Some(plain) = name.strip_suffix(".$") else {
            if value.as_str().is_some_and(looks_like_lookup) {
                let message = format!(
                    "The field '{name}' appears to be a JSONPath or Intrinsic Function, but does not end with '.$'"
                );
                reader.tell(Code::NoDollar, message, Some(&format!("{at}/{name}")));
            }
            let inner = node(value, QueryLanguage::JsonPath, field, &format!("{at}/{name}"), reader);
            fields.push((name.clone(), inner));
            continue;
        };
        let Value::String(text) = value else {
            let kind = kind(value);
            let message =
                format!("The value for the field '{name}' must be a STRING that contains a JSONPath but was an {kind}");
            reader.schema(message, at);
            continue;
        };
        match Lookup::parse(text) {
            Ok(lookup) => fields.push((plain.to_owned(), Node::Lookup(name.clone(), lookup))),
            Err(_) => {
                let message = format!(
                    "The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"
                );
                reader.schema(message, at);
            }
        }
        if map.contains_key(plain) {
            reader.schema(format!("The fields '{plain}' and '{name}' are the same"), at);
        }
    }
    template::object(fields)
}

pub(super) fn looks_like_lookup(text: &str) -> bool {
    text.starts_with("$.") || text.starts_with("$$.") || text.starts_with("States.") && text.ends_with(')')
}

/// A text in `{% … %}`. One that only begins or ends so is wrong.
pub(super) fn expression(text: &str, field: &str, at: &str, reader: &mut Reader) -> Option<Expression> {
    let Some(inner) = jsonata::inner(text) else {
        if text.starts_with("{%") || text.ends_with("%}") {
            let message = "An expression begins with '{%' and ends with '%}'";
            reader.tell(Code::InvalidJsonataExpression, message, Some(at));
        }
        return None;
    };
    match Expression::parse(inner, field) {
        Ok(expression) => {
            check_references(&expression, at, reader);
            Some(expression)
        }
        Err(error) => {
            // The service leaves the code out.
            let message =
                error.0.split_once(": ").filter(|(code, _)| code.len() == 5).map_or(&*error.0, |(_, rest)| rest);
            reader.tell(Code::InvalidJsonataExpression, message, Some(at));
            None
        }
    }
}

/// Tells of what an expression reads and there is not.
fn check_references(expression: &Expression, at: &str, reader: &mut Reader) {
    for reference in expression.references() {
        let message = match reference {
            Reference::Top(name) => format!("Reference to '{name}' at the top level is not supported."),
            Reference::Root => "Reference to '$$' is not supported.".to_owned(),
            Reference::States(field) => {
                let there = match field.as_str() {
                    "input" | "context" => true,
                    "result" => reader.sees_result,
                    "errorOutput" => reader.sees_error,
                    _ => false,
                };
                if there {
                    continue;
                }
                format!("Field '$states.{field}' does not exist.")
            }
            Reference::Variable(_) => continue,
        };
        reader.tell(Code::UnsupportedJsonataExpression, message, Some(at));
    }
}

/// A field that is an expression of JSONata, if it is one.
fn given_expression(
    fields: &Fields,
    name: &str,
    language: QueryLanguage,
    owner: &str,
    reader: &mut Reader,
) -> Option<Option<Expression>> {
    let text = fields.get(name)?.as_str().filter(|_| language == QueryLanguage::Jsonata)?;
    jsonata::inner(text)?;
    Some(expression(text, &format!("{owner}{name}"), &fields.at(name), reader))
}

/// The path of a field whose name ends with `Path`.
fn given_path<T>(fields: &Fields, name: &str, reader: &mut Reader) -> Option<Given<T>> {
    reference(fields, name, reader).map(|path| Given::Lookup(Lookup::Path(path)))
}

/// What a definition says of a number: in `name`, in `name` + `Path`, or as an expression.
pub(super) struct Numbers<'a, 'b> {
    pub(super) fields: &'b Fields<'a>,
    pub(super) language: QueryLanguage,
    /// Whose fields they are: `ItemBatcher/`.
    pub(super) owner: &'b str,
}

impl Numbers<'_, '_> {
    pub(super) fn whole(&self, name: &str, least: u64, most: u64, reader: &mut Reader) -> Option<Given<u64>> {
        self.given(name, reader, |value, at, reader| integer(value, at, least, most, reader))
    }

    pub(super) fn real(&self, name: &str, least: f64, most: f64, reader: &mut Reader) -> Option<Given<f64>> {
        self.given(name, reader, |value, at, reader| number(value, at, least, most, reader))
    }

    fn given<T>(
        &self,
        name: &str,
        reader: &mut Reader,
        fixed: impl Fn(&Value, &str, &mut Reader) -> Option<T>,
    ) -> Option<Given<T>> {
        let fields = self.fields;
        let path = format!("{name}Path");
        fields.one_at_most(&[name, &path], reader);
        if self.language == QueryLanguage::JsonPath && fields.has(&path) {
            return given_path(fields, &path, reader);
        }
        if let Some(expression) = given_expression(fields, name, self.language, self.owner, reader) {
            return expression.map(Given::Expression);
        }
        let value = fields.get(name)?;
        warn_of_path(value, name, &fields.at(name), reader);
        fixed(value, &fields.at(name), reader).map(Given::Fixed)
    }
}

/// A text: in `name`, in `name` + `Path` (which may be a call too), or as an expression.
pub(super) fn given_text(
    fields: &Fields,
    name: &str,
    language: QueryLanguage,
    reader: &mut Reader,
) -> Option<Given<String>> {
    let path = format!("{name}Path");
    fields.one_at_most(&[name, &path], reader);
    if language == QueryLanguage::JsonPath && fields.has(&path) {
        let text = fields.text(&path, reader)?;
        let lookup = Lookup::parse(&text).ok().filter(|lookup| match lookup {
            Lookup::Path(path) => path.is_reference(),
            Lookup::Call(_) => true,
        });
        if lookup.is_none() {
            let message = "Value is not a Reference Path or a valid intrinsic function call";
            reader.schema(message, &fields.at(&path));
        }
        return lookup.map(Given::Lookup);
    }
    if let Some(expression) = given_expression(fields, name, language, "", reader) {
        return expression.map(Given::Expression);
    }
    let text = fields.text(name, reader)?;
    warn_of_path(&Value::String(text.clone()), name, &fields.at(name), reader);
    Some(Given::Fixed(text))
}

/// A moment: in `name`, in `name` + `Path`, or as an expression.
pub(super) fn given_moment(
    fields: &Fields,
    name: &str,
    language: QueryLanguage,
    reader: &mut Reader,
) -> Option<Given<jiff::Timestamp>> {
    let path = format!("{name}Path");
    if language == QueryLanguage::JsonPath && fields.has(&path) {
        return given_path(fields, &path, reader);
    }
    if let Some(expression) = given_expression(fields, name, language, "", reader) {
        return expression.map(Given::Expression);
    }
    let text = fields.text(name, reader)?;
    warn_of_path(&Value::String(text.clone()), name, &fields.at(name), reader);
    let moment = crate::moment::read(&text);
    if moment.is_none() {
        reader.schema("Value is not a valid timestamp", &fields.at(name));
    }
    moment.map(Given::Fixed)
}

/// Warns of a value that looks like a path in a field that takes none.
pub(super) fn warn_of_path(value: &Value, name: &str, at: &str, reader: &mut Reader) {
    if value.as_str().is_some_and(|text| text.starts_with("$.") || text.starts_with("$$.")) {
        let message =
            format!("The value of the field '{name}' looks like a path, but the field name does not end with 'Path'");
        reader.tell(Code::NoPath, message, Some(at));
    }
}
