//! Items in lines of Ion.

use super::{BINARIES, NUMBERS, STRINGS, VERSION};
use crate::value::{AttributeValue, Item, MAX_DEPTH};
use undercast_wire::text::unbase64;

/// Why a line is no item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IonError {
    /// It breaks off, or has what cannot stand there.
    #[error("Unexpected token at position {0}")]
    Syntax(usize),
    /// There is no structure with an item in it.
    #[error("Expected 'Item' top level container")]
    NoItem,
    /// A type of Ion that no type of DynamoDB stands for.
    #[error("Unsupported Ion type: {0}")]
    Unsupported(&'static str),
    /// A value that DynamoDB does not take.
    #[error("{0}")]
    Value(String),
}

type Result<T> = std::result::Result<T, IonError>;

/// The item of a line.
///
/// # Errors
/// When the line is not one structure with an item in it, or the item is none that DynamoDB takes.
pub fn item(line: &str) -> Result<Item> {
    let mut reader = Reader { text: line, at: 0 };
    reader.space()?;
    if let Some(rest) = reader.rest().strip_prefix(VERSION)
        && !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "_$:".contains(c))
    {
        reader.at += VERSION.len();
        reader.space()?;
    }
    if reader.peek() != Some(b'{') || reader.rest().starts_with("{{") {
        return Err(IonError::NoItem);
    }
    let outer = reader.structure(0)?;
    reader.space()?;
    if !reader.rest().is_empty() {
        return Err(reader.wrong());
    }
    match outer.into_iter().find(|(name, _)| name == "Item") {
        Some((_, AttributeValue::M(item))) => Ok(item),
        _ => Err(IonError::NoItem),
    }
}

/// What a value was told to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Annotation {
    None,
    Strings,
    Numbers,
    Binaries,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self) -> IonError {
        IonError::Syntax(self.at)
    }

    /// Passes over space and comments.
    fn space(&mut self) -> Result<()> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += trimmed.find("*/").ok_or_else(|| self.wrong())? + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        if !self.rest().starts_with(token) {
            return Err(self.wrong());
        }
        self.at += token.len();
        Ok(())
    }

    /// Whether `token` stands here; it is passed over.
    fn takes(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    /// An identifier, or nothing.
    fn identifier(&mut self) -> &'a str {
        let rest = self.rest();
        let start = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
        if !rest.starts_with(start) {
            return "";
        }
        let end = rest.find(|c: char| !start(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    /// The fields of a structure, whose brace stands here.
    fn structure(&mut self, depth: usize) -> Result<Vec<(String, AttributeValue)>> {
        self.expect("{")?;
        let mut fields = Vec::new();
        loop {
            self.space()?;
            if self.takes("}") {
                return Ok(fields);
            }
            let name = match self.peek() {
                Some(b'"') => self.quoted('"')?,
                Some(b'\'') if !self.rest().starts_with("'''") => self.quoted('\'')?,
                _ => match self.identifier() {
                    "" => return Err(self.wrong()),
                    name => name.to_owned(),
                },
            };
            self.space()?;
            self.expect(":")?;
            let value = self.value(depth + 1)?;
            fields.push((name, value));
            self.space()?;
            if !self.takes(",") && self.peek() != Some(b'}') {
                return Err(self.wrong());
            }
        }
    }

    /// A value with what stands before it.
    fn value(&mut self, depth: usize) -> Result<AttributeValue> {
        // The item itself is no level.
        if depth > MAX_DEPTH + 1 {
            return Err(IonError::Value(crate::value::ValueError::TooDeep.to_string()));
        }
        self.space()?;
        let annotation = self.annotation()?;
        let found = match self.peek() {
            Some(b'"') => AttributeValue::S(self.quoted('"')?),
            Some(b'\'') if self.rest().starts_with("'''") => AttributeValue::S(self.long()?),
            Some(b'\'') => return Err(IonError::Unsupported("symbol")),
            Some(b'(') => return Err(IonError::Unsupported("sexp")),
            Some(b'[') => return self.list(annotation, depth),
            Some(b'{') if self.rest().starts_with("{{") => AttributeValue::B(self.blob()?),
            Some(b'{') => AttributeValue::M(self.structure(depth)?.into_iter().collect()),
            Some(b'0'..=b'9' | b'-' | b'+') => self.number()?,
            Some(_) => self.word()?,
            None => return Err(self.wrong()),
        };
        if annotation == Annotation::None { Ok(found) } else { Err(IonError::Unsupported("set that is no list")) }
    }

    fn annotation(&mut self) -> Result<Annotation> {
        let start = self.at;
        let name = match self.peek() {
            Some(b'\'') if !self.rest().starts_with("'''") => self.quoted('\'')?,
            _ => self.identifier().to_owned(),
        };
        self.space()?;
        if name.is_empty() || !self.takes("::") {
            self.at = start;
            return Ok(Annotation::None);
        }
        self.space()?;
        match name.as_str() {
            STRINGS => Ok(Annotation::Strings),
            NUMBERS => Ok(Annotation::Numbers),
            BINARIES => Ok(Annotation::Binaries),
            _ => Err(IonError::Unsupported("annotation")),
        }
    }

    fn list(&mut self, annotation: Annotation, depth: usize) -> Result<AttributeValue> {
        self.expect("[")?;
        let mut elements = Vec::new();
        loop {
            self.space()?;
            if self.takes("]") {
                break;
            }
            elements.push(self.value(depth + 1)?);
            self.space()?;
            if !self.takes(",") && self.peek() != Some(b']') {
                return Err(self.wrong());
            }
        }
        set(annotation, elements)
    }

    /// `null`, `true`, `false`.
    fn word(&mut self) -> Result<AttributeValue> {
        let start = self.at;
        match self.identifier() {
            "null" => {
                // `null.string` is a null too.
                if self.takes(".") && self.identifier().is_empty() {
                    return Err(self.wrong());
                }
                Ok(AttributeValue::Null)
            }
            "true" => Ok(AttributeValue::Bool(true)),
            "false" => Ok(AttributeValue::Bool(false)),
            "nan" => Err(IonError::Unsupported("float")),
            "" => Err(IonError::Syntax(start)),
            _ => Err(IonError::Unsupported("symbol")),
        }
    }

    /// A decimal or an integer.
    fn number(&mut self) -> Result<AttributeValue> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._:".contains(c))).unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or("");
        let digits = token.strip_prefix('-').unwrap_or(token);
        if digits == "inf" || token == "+inf" || (digits.contains(['e', 'E']) && !digits.starts_with("0x")) {
            return Err(IonError::Unsupported("float"));
        }
        let dated = digits.len() > 4 && digits.bytes().take(4).all(|byte| byte.is_ascii_digit());
        if digits.contains(['T', ':']) || (dated && digits.as_bytes().get(4) == Some(&b'-')) {
            return Err(IonError::Unsupported("timestamp"));
        }
        let wrong = self.wrong();
        self.at += end;
        let plain = plain(token).ok_or(wrong)?;
        AttributeValue::number(&plain).map_err(|error| IonError::Value(error.to_string()))
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.character()? {
                '\\' => self.escaped(&mut out)?,
                found if found == quote => return Ok(out),
                '\n' | '\r' => return Err(self.wrong()),
                other => out.push(other),
            }
        }
    }

    /// Texts between three quotes, of which several make one.
    fn long(&mut self) -> Result<String> {
        let mut out = String::new();
        while self.takes("'''") {
            while !self.takes("'''") {
                match self.character()? {
                    '\\' => self.escaped(&mut out)?,
                    other => out.push(other),
                }
            }
            self.space()?;
        }
        Ok(out)
    }

    fn character(&mut self) -> Result<char> {
        let found = self.rest().chars().next().ok_or_else(|| self.wrong())?;
        self.at += found.len_utf8();
        Ok(found)
    }

    fn escaped(&mut self, out: &mut String) -> Result<()> {
        let plain = match self.character()? {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            'v' => '\u{b}',
            same @ ('"' | '\'' | '?' | '\\' | '/') => same,
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '\n' => return Ok(()),
            _ => return Err(self.wrong()),
        };
        out.push(plain);
        Ok(())
    }

    /// A character by its number; two halves of one are put together.
    fn code(&mut self, digits: usize) -> Result<char> {
        let mut number = self.hexadecimal(digits)?;
        if digits == 4 && (0xD800..0xDC00).contains(&number) {
            self.expect("\\u")?;
            let low = self.hexadecimal(4)?;
            let low = low.checked_sub(0xDC00).filter(|low| *low < 0x400).ok_or_else(|| self.wrong())?;
            number = 0x10000 + ((number - 0xD800) << 10) + low;
        }
        char::from_u32(number).ok_or_else(|| self.wrong())
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32> {
        let text = self.rest().get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = text.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| self.wrong())?;
        self.at += digits;
        Ok(number)
    }

    fn blob(&mut self) -> Result<Vec<u8>> {
        self.expect("{{")?;
        let rest = self.rest();
        let end = rest.find("}}").ok_or_else(|| self.wrong())?;
        let inner = rest.get(..end).unwrap_or("");
        if inner.contains(['"', '\'']) {
            return Err(IonError::Unsupported("clob"));
        }
        let packed: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = unbase64(&packed).ok_or_else(|| self.wrong())?;
        self.at += end + 2;
        Ok(bytes)
    }
}

/// A number of Ion as DynamoDB reads one; `None`: it is none.
fn plain(token: &str) -> Option<String> {
    let (sign, digits) = token.strip_prefix('-').map_or(("", token), |rest| ("-", rest));
    let radix = |digits: &str, radix: u32| {
        let number = u128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
        Some(format!("{sign}{number}"))
    };
    if let Some(hexadecimal) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        return radix(hexadecimal, 16);
    }
    if let Some(binary) = digits.strip_prefix("0b").or(digits.strip_prefix("0B")) {
        return radix(binary, 2);
    }
    let (mantissa, exponent) = match digits.split_once(['d', 'D']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let whole = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !before.starts_with(|c: char| c.is_ascii_digit()) || !whole(before) || !whole(behind) {
        return None;
    }
    let exponent = match exponent {
        None => String::new(),
        Some(text) => format!("e{}", text.parse::<i32>().ok()?),
    };
    let behind = if behind.is_empty() { String::new() } else { format!(".{behind}") };
    Some(format!("{sign}{before}{behind}{exponent}").replace('_', ""))
}

fn set(annotation: Annotation, elements: Vec<AttributeValue>) -> Result<AttributeValue> {
    let wrong = || IonError::Value("A set has members of one type".to_owned());
    let made = match annotation {
        Annotation::None => return Ok(AttributeValue::L(elements)),
        Annotation::Strings => {
            let text = |value| if let AttributeValue::S(text) = value { Ok(text) } else { Err(wrong()) };
            AttributeValue::string_set(elements.into_iter().map(text).collect::<Result<_>>()?)
        }
        Annotation::Numbers => {
            let text =
                |value| if let AttributeValue::N(number) = value { Ok(number.to_string()) } else { Err(wrong()) };
            AttributeValue::number_set(&elements.into_iter().map(text).collect::<Result<Vec<_>>>()?)
        }
        Annotation::Binaries => {
            let bytes = |value| if let AttributeValue::B(bytes) = value { Ok(bytes) } else { Err(wrong()) };
            AttributeValue::binary_set(elements.into_iter().map(bytes).collect::<Result<_>>()?)
        }
    };
    made.map_err(|error| IonError::Value(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Result<AttributeValue> {
        Ok(item(&format!("$ion_1_0 {{Item:{{v:{value}}}}}"))?.remove("v").unwrap())
    }

    #[test]
    fn values_in_all_their_forms() {
        let text = |text: &str| Ok(AttributeValue::S(text.to_owned()));
        assert_eq!(one(r#""a\x41é\U0001F600😀\n""#), text("aAé😀😀\n"));
        assert_eq!(one("'''two '''  '''parts'''"), text("two parts"));
        assert_eq!(one("/* why */ 1_000.5d-1 // so\n"), Ok(AttributeValue::number("100.05").unwrap()));
        assert_eq!(one("-0x1F"), Ok(AttributeValue::number("-31").unwrap()));
        assert_eq!(one("{{ aGVs bG8= }}"), Ok(AttributeValue::B(b"hello".to_vec())));
        assert_eq!(one("null.string"), Ok(AttributeValue::Null));
        assert_eq!(
            one("[true, false,]"),
            Ok(AttributeValue::L(vec![true, false].into_iter().map(AttributeValue::Bool).collect()))
        );
        assert_eq!(
            one("'$dynamodb_SS'::[\"b\",\"a\"]"),
            Ok(AttributeValue::string_set(vec!["a".into(), "b".into()]).unwrap())
        );
        assert_eq!(item("{\"Item\":{'a b':{}}}").unwrap().len(), 1);
    }

    #[test]
    fn what_dynamodb_has_no_type_for() {
        for (value, kind) in [
            ("1e3", "float"),
            ("nan", "float"),
            ("2024-01-01T", "timestamp"),
            ("2024-01-01", "timestamp"),
            ("name", "symbol"),
            ("'name'", "symbol"),
            ("(a b)", "sexp"),
            ("{{\"clob\"}}", "clob"),
            ("other::1.", "annotation"),
        ] {
            assert_eq!(one(value), Err(IonError::Unsupported(kind)), "{value}");
        }
    }

    #[test]
    fn what_is_no_item() {
        for line in ["$ion_1_0", "[1.]", "{NotAnItem:{}}", "{Item:1.}", "{{aGk=}}"] {
            assert_eq!(item(line), Err(IonError::NoItem), "{line}");
        }
        for line in
            ["{Item:{a:}}", "{Item:{a:1.} b}", "{Item:{}} {Item:{}}", "{Item:{a:\"b}}", "{Item:{1:2.}}", "{Item:"]
        {
            assert!(matches!(item(line), Err(IonError::Syntax(_))), "{line}: {:?}", item(line));
        }
        let deep = format!("{{Item:{{a:{}1.{}}}}}", "[".repeat(100), "]".repeat(100));
        assert!(matches!(item(&deep), Err(IonError::Value(_))));
        assert!(matches!(one("$dynamodb_NS::[]"), Err(IonError::Value(_))));
        assert!(matches!(one("$dynamodb_NS::[\"a\"]"), Err(IonError::Value(_))));
    }
}
