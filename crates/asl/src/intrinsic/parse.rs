//! Reading a call.

use serde_json::{Number, Value};

use super::{Argument, Call, Function};
use crate::path::Path;

/// How deep calls may stand in calls ("Nested intrinsic functions": ten).
const DEEPEST: usize = 10;

/// Why a text is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCall(pub String);

pub(super) fn call(text: &str) -> Result<Call, BadCall> {
    let mut reader = Reader { text, at: 0 };
    let call = reader.call(1)?;
    reader.spaces();
    if reader.at < text.len() {
        return Err(BadCall(format!("nothing may follow the call, but there is '{}'", &text[reader.at..])));
    }
    Ok(call)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        self.spaces();
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn call(&mut self, depth: usize) -> Result<Call, BadCall> {
        if depth > DEEPEST {
            return Err(BadCall(format!("calls may be nested {DEEPEST} deep")));
        }
        let start = self.at;
        let name_ends = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        let name = &self.rest()[..name_ends.unwrap_or(self.rest().len())];
        let Some(function) = Function::named(name) else {
            return Err(BadCall(format!("there is no intrinsic function '{name}'")));
        };
        self.at += name.len();
        if !self.eat('(') {
            return Err(BadCall(format!("'(' is missing after {name}")));
        }
        let mut arguments = Vec::new();
        while !self.eat(')') {
            if !arguments.is_empty() && !self.eat(',') {
                return Err(BadCall(format!("',' or ')' is missing in {name}")));
            }
            self.spaces();
            let template = function == Function::Format && arguments.is_empty();
            arguments.push(self.argument(depth, template)?);
        }
        if !function.takes().contains(&arguments.len()) {
            return Err(BadCall(format!("Invalid number of arguments for {name}")));
        }
        Ok(Call { text: self.text[start..self.at].to_owned(), function, arguments })
    }

    fn argument(&mut self, depth: usize, template: bool) -> Result<Argument, BadCall> {
        let rest = self.rest();
        match rest.chars().next() {
            Some('\'') => self.quoted(template).map(|text| Argument::Value(Value::String(text))),
            Some('$') => {
                let text = &rest[..path_ends(rest)];
                self.at += text.len();
                Path::parse(text.trim_end()).map(Argument::Path).map_err(|e| BadCall(e.to_string()))
            }
            Some('S') => self.call(depth + 1).map(Argument::Call),
            _ => {
                let end = rest.find(|c: char| matches!(c, ',' | ')') || c.is_whitespace()).unwrap_or(rest.len());
                self.at += end;
                word(&rest[..end]).map(Argument::Value)
            }
        }
    }

    /// A text in single quotes. The template of `States.Format` keeps its `\{`, `\}` and `\\`, which it reads itself.
    fn quoted(&mut self, template: bool) -> Result<String, BadCall> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, '\'')) => text.push('\''),
                    Some((_, c @ ('{' | '}' | '\\'))) if template => text.extend(['\\', c]),
                    Some((_, c @ ('{' | '}' | '\\'))) => text.push(c),
                    Some((_, c)) => return Err(BadCall(format!("'\\{c}' is no escape"))),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(BadCall("a text is not closed".to_owned()))
    }
}

fn word(word: &str) -> Result<Value, BadCall> {
    match word {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "null" => Ok(Value::Null),
        word => match word.parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(BadCall(format!("cannot read the argument '{word}'"))),
        },
    }
}

/// Where a path among arguments ends: at a comma or parenthesis that is not within its brackets, quotes or parentheses.
fn path_ends(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        if let Some(q) = quote {
            if c == q && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '[' | '(' => depth += 1,
            ')' | ',' if depth == 0 => return at,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}
