//! What a target gets of an event: all of it, a part (InputPath), something fixed (Input), or a template that is filled
//! (InputTransformer).
//!
//! Source: "Amazon EventBridge input transformation" in the user guide. Whether a placeholder is a value or a piece of text
//! depends on where it stands: outside of quotation marks it is a JSON value, within them its text. What an event does not
//! have is an empty text, as AWS was seen to do it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::api::kept::{InputTransformer, Target};
use crate::event::Event;
use crate::path::Path;

/// Variables that are always there.
const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";
const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";
pub(crate) const RESERVED: [&str; 5] = [RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON];

/// What kind of text a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A JSON object or array: what is put into its strings is escaped.
    Document,
    /// Text, which may stand in quotation marks: what is put in stays as it is.
    Text,
}

impl Kind {
    fn of(template: &str) -> Self {
        if template.trim_start().starts_with(['{', '[']) { Self::Document } else { Self::Text }
    }
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// A placeholder, and whether it stands within quotation marks.
    Variable(&'a str, bool),
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Takes a template apart.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut begun, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    let mut at = 0;
    while let Some(character) = template[at..].chars().next() {
        let variable = (character == '<').then(|| template[at + 1..].split_once('>')).flatten();
        if let Some((name, _)) = variable.filter(|(name, _)| is_variable(name)) {
            pieces.push(Piece::Text(&template[begun..at]));
            pieces.push(Piece::Variable(name, quoted));
            at += name.len() + 2;
            begun = at;
            escaped = false;
            continue;
        }
        match character {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        at += character.len_utf8();
    }
    pieces.push(Piece::Text(&template[begun..]));
    pieces
}

/// What is wrong with a transformer, as AWS ends its sentence `InputTemplate for target t1 …`.
pub(crate) fn complaint(transformer: &InputTransformer) -> Option<String> {
    let template = &transformer.input_template;
    let known = transformer.input_paths_map.as_ref();
    for piece in pieces(template) {
        let Piece::Variable(name, _) = piece else { continue };
        if !RESERVED.contains(&name) && !known.is_some_and(|map| map.contains_key(name)) {
            return Some(format!("contains invalid placeholder {name}."));
        }
        if [EVENT, EVENT_JSON].contains(&name) && !template.trim_start().starts_with('{') {
            return Some(format!("contains placeholder {name} valid only for JSON template."));
        }
    }
    let filled = fill(template, |_| Some(Json::Null));
    let whole = Kind::of(template) == Kind::Text || serde_json::from_str::<Json>(&filled).is_ok();
    (!whole).then(|| "is not valid JSON.".to_owned())
}

/// Fills a template with the values of its variables.
fn fill(template: &str, value: impl Fn(&str) -> Option<Json>) -> String {
    let kind = Kind::of(template);
    let mut out = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) if kind == Kind::Text => out.push_str(&text.replace("\\\"", "\"")),
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name, quoted) => out.push_str(&shown(value(name), kind, quoted)),
        }
    }
    out
}

/// A value as it stands in a template.
fn shown(value: Option<Json>, kind: Kind, quoted: bool) -> String {
    let value = value.unwrap_or_else(|| json!(""));
    match (value, kind, quoted) {
        (Json::String(text), Kind::Text, _) => text,
        (Json::String(text), Kind::Document, true) => {
            let json = Json::from(text).to_string();
            json[1..json.len() - 1].to_owned()
        }
        (value, Kind::Document, false) => value.to_string(),
        // Documents lose their quotation marks where they are a piece of text.
        (value, ..) => value.to_string().replace('"', ""),
    }
}

/// Of which rule something is said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) rule: &'a str,
    pub(crate) rule_arn: &'a str,
}

fn transform(transformer: &InputTransformer, said: Said<'_>, event: &Event, json: &Json) -> String {
    let none = BTreeMap::new();
    let paths = transformer.input_paths_map.as_ref().unwrap_or(&none);
    fill(&transformer.input_template, |name| match name {
        RULE_ARN => Some(json!(said.rule_arn)),
        RULE_NAME => Some(json!(said.rule)),
        INGESTION_TIME => Some(json!(event.ingestion_time())),
        EVENT => Some(event.without_detail()),
        EVENT_JSON => Some(json.clone()),
        name => paths.get(name).and_then(|path| Path::parse(path)).and_then(|path| path.find(json)),
    })
}

/// What a target gets.
pub(crate) fn input(target: &Target, said: Said<'_>, event: &Event) -> String {
    if let Some(fixed) = &target.input {
        return fixed.clone();
    }
    if let Some(path) = target.input_path.as_deref().filter(|path| *path != "$") {
        let found = Path::parse(path).and_then(|path| path.find(&event.json()));
        return found.unwrap_or(Json::Null).to_string();
    }
    match &target.input_transformer {
        Some(transformer) => transform(transformer, said, event, &event.json()),
        None => event.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> String {
        fill(template, |name| match name {
            "instance" => Some(json!("i-1")),
            "state" => Some(json!("RUN\"ING")),
            "list" => Some(json!(["a", 1])),
            "object" => Some(json!({"k": "v"})),
            "number" => Some(json!(7)),
            _ => None,
        })
    }

    #[test]
    fn a_text_is_filled_with_texts() {
        assert_eq!(filled("\"instance <instance> is <state>\""), "\"instance i-1 is RUN\"ING\"");
        assert_eq!(filled("<instance> is <number>"), "i-1 is 7");
        assert_eq!(filled("\"instance \\\"<instance>\\\"\""), "\"instance \"i-1\"\"");
        assert_eq!(filled("\"gone: <missing>\""), "\"gone: \"");
        assert_eq!(filled("\"a\"\n\"<list> <object>\""), "\"a\"\n\"[a,1] {k:v}\"");
        assert_eq!(filled("a < b > <c d>"), "a < b > <c d>");
    }

    #[test]
    fn a_document_is_filled_with_values() {
        assert_eq!(filled(r#"{"i": <instance>, "s": "is <state>"}"#), r#"{"i": "i-1", "s": "is RUN\"ING"}"#);
        assert_eq!(
            filled(r#"{"l": <list>, "o": <object>, "m": <missing>}"#),
            r#"{"l": ["a",1], "o": {"k":"v"}, "m": ""}"#
        );
        assert_eq!(filled(r#"[9, <number>, "<number>", "<object>"]"#), r#"[9, 7, "7", "{k:v}"]"#);
        assert_eq!(filled(r#"{"q": "a \"<instance>\" b"}"#), r#"{"q": "a \"i-1\" b"}"#);
    }

    #[test]
    fn templates_are_looked_at_before() {
        let complaint = |template: &str| {
            let paths = BTreeMap::from([("known".to_owned(), "$.detail".to_owned())]);
            complaint(&InputTransformer { input_paths_map: Some(paths), input_template: template.to_owned() })
        };
        assert_eq!(complaint("\"<known> <aws.events.rule-name>\""), None);
        assert_eq!(complaint("{\"a\": <known>, \"b\": <aws.events.event.json>}"), None);
        assert_eq!(complaint("\"<other>\"").as_deref(), Some("contains invalid placeholder other."));
        assert_eq!(
            complaint("[<aws.events.event.json>]").as_deref(),
            Some("contains placeholder aws.events.event.json valid only for JSON template.")
        );
        assert_eq!(complaint("{\"a\": }").as_deref(), Some("is not valid JSON."));
    }
}
