//! JSON: the values under a path, one after another. What is not under it is read past and not kept.

use crate::error::{Code, Error, Result};
use crate::settings::{JsonType, Span};
use crate::sql::Step;
use crate::types::{Decimal, Value};

use super::{MOST_RECORD, Tape, invalid_text, over_max_record};

/// Values are read by recursion.
const MOST_DEPTH: u32 = 100;

/// An array or object on the way to the records.
#[derive(Debug)]
struct Frame {
    array: bool,
    /// The step of the path that its members are asked for.
    step: usize,
    /// How many members were seen.
    members: usize,
    matched: bool,
}

/// Reads records.
#[derive(Debug)]
pub(crate) struct JsonReader {
    tape: Tape,
    kind: JsonType,
    span: Span,
    path: Vec<Step>,
    frames: Vec<Frame>,
    /// Where the line begins that the reader is in.
    line: u64,
    /// Where the line began in which the document did.
    document: u64,
    /// Where the record began; what is not kept may be long.
    record: Option<u64>,
}

fn broken() -> Error {
    // As recorded from AWS; the list of codes has another sentence.
    Error::new(Code::JsonParsingError, "Error parsing JSON file. Please check the file and try again.")
}

impl JsonReader {
    pub(crate) fn new(mut tape: Tape, kind: JsonType, span: Span, path: Vec<Step>) -> Result<Self> {
        if span.first > tape.offset() {
            tape.skip_past(b"\n")?;
        }
        let line = tape.offset();
        Ok(Self { tape, kind, span, path, frames: Vec::new(), line, document: line, record: None })
    }

    /// Where a tape has to begin so that a line that begins right at the range's start is seen to.
    pub(crate) fn start(span: Span) -> u64 {
        span.first.saturating_sub(1)
    }

    /// The next record; one that a path does not lead to is missing.
    pub(crate) fn next(&mut self) -> Result<Option<Value>> {
        loop {
            let found = match self.frames.last() {
                None => match self.begin()? {
                    true => self.enter(0)?,
                    false => return Ok(None),
                },
                Some(_) => self.advance()?,
            };
            if self.frames.is_empty() && self.kind == JsonType::Lines {
                self.end_line()?;
            }
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// To the next document.
    fn begin(&mut self) -> Result<bool> {
        self.skip_blanks()?;
        self.document = self.line;
        Ok(self.tape.peek()?.is_some() && self.line <= self.span.last)
    }

    /// A document of a file of lines ends in the line that it began in, and nothing follows it there.
    fn end_line(&mut self) -> Result<()> {
        if self.line != self.document {
            return Err(broken());
        }
        self.skip_blanks()?;
        match self.tape.peek()? {
            Some(_) if self.line == self.document => Err(broken()),
            _ => Ok(()),
        }
    }

    /// Steps into a value: it is a record, or something on the way, or the path ends here.
    fn enter(&mut self, step: usize) -> Result<Option<Value>> {
        let array = match (self.path.get(step), self.tape.peek()?) {
            (None, _) => return self.record().map(Some),
            (Some(Step::Index(_) | Step::AnyIndex), Some(b'[')) => true,
            (Some(Step::Key(_) | Step::AnyKey), Some(b'{')) => false,
            _ => {
                self.value(false, 0)?;
                return Ok(Some(Value::Missing));
            }
        };
        self.tape.consume(1);
        self.frames.push(Frame { array, step, members: 0, matched: false });
        Ok(None)
    }

    fn record(&mut self) -> Result<Value> {
        self.record = Some(self.tape.offset());
        let value = self.value(true, 0);
        self.record = None;
        value
    }

    /// To the next member of what the reader is in.
    fn advance(&mut self) -> Result<Option<Value>> {
        self.skip_blanks()?;
        let Some(frame) = self.frames.last() else { return Ok(None) };
        let (array, step, members) = (frame.array, frame.step, frame.members);
        let close = if array { b']' } else { b'}' };
        if self.tape.peek()? == Some(close) {
            self.tape.consume(1);
            let matched = frame_matched(self.frames.pop());
            return Ok((!matched).then_some(Value::Missing));
        }
        if members > 0 {
            self.expect(b',')?;
            self.skip_blanks()?;
        }
        let key = if array { None } else { Some(self.key()?) };
        let wanted = match (self.path.get(step), key) {
            (Some(Step::AnyKey | Step::AnyIndex), _) => true,
            (Some(Step::Index(index)), _) => *index == members,
            (Some(Step::Key(name)), Some(key)) => name.matches(&key),
            _ => false,
        };
        let single = matches!(self.path.get(step), Some(Step::Key(name)) if !name.exact);
        if let Some(frame) = self.frames.last_mut() {
            if wanted && frame.matched && single {
                return Err(Code::AmbiguousFieldName.into());
            }
            frame.members += 1;
            frame.matched |= wanted;
        }
        if wanted {
            return self.enter(step + 1);
        }
        self.value(false, 0)?;
        Ok(None)
    }

    fn key(&mut self) -> Result<String> {
        if self.tape.peek()? != Some(b'"') {
            return Err(broken());
        }
        let key = self.string(true)?;
        self.skip_blanks()?;
        self.expect(b':')?;
        self.skip_blanks()?;
        Ok(key)
    }

    fn skip_blanks(&mut self) -> Result<()> {
        while let Some(byte) = self.tape.peek()? {
            match byte {
                b'\n' => {
                    self.tape.consume(1);
                    self.line = self.tape.offset();
                }
                b' ' | b'\t' | b'\r' => self.tape.consume(1),
                _ => break,
            }
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<()> {
        match self.record {
            Some(start) if self.tape.offset() - start > MOST_RECORD => Err(over_max_record()),
            _ => Ok(()),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.tape.peek()? != Some(byte) {
            return Err(broken());
        }
        self.tape.consume(1);
        Ok(())
    }

    /// Reads a value, and keeps it if it is wanted.
    fn value(&mut self, keep: bool, depth: u32) -> Result<Value> {
        if depth > MOST_DEPTH {
            return Err(broken());
        }
        match self.tape.peek()?.ok_or_else(broken)? {
            b'{' => self.object(keep, depth),
            b'[' => self.array(keep, depth),
            b'"' => self.string(keep).map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", Value::Bool(true)),
            b'f' => self.word(b"false", Value::Bool(false)),
            b'n' => self.word(b"null", Value::Null),
            _ => Err(broken()),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value> {
        if !self.tape.starts_with(word)? {
            return Err(broken());
        }
        self.tape.consume(word.len());
        match self.tape.peek()? {
            Some(b) if b.is_ascii_alphanumeric() => Err(broken()),
            _ => Ok(value),
        }
    }

    fn object(&mut self, keep: bool, depth: u32) -> Result<Value> {
        let mut members = Vec::new();
        self.tape.consume(1);
        self.skip_blanks()?;
        if self.tape.peek()? == Some(b'}') {
            self.tape.consume(1);
            return Ok(Value::Struct(members));
        }
        loop {
            let key = self.key()?;
            let value = self.value(keep, depth + 1)?;
            if keep {
                members.push((key, value));
            }
            if self.is_last(b'}')? {
                return Ok(Value::Struct(members));
            }
        }
    }

    fn array(&mut self, keep: bool, depth: u32) -> Result<Value> {
        let mut items = Vec::new();
        self.tape.consume(1);
        self.skip_blanks()?;
        if self.tape.peek()? == Some(b']') {
            self.tape.consume(1);
            return Ok(Value::List(items));
        }
        loop {
            let value = self.value(keep, depth + 1)?;
            if keep {
                items.push(value);
            }
            if self.is_last(b']')? {
                return Ok(Value::List(items));
            }
        }
    }

    /// Past the closing sign, or past the comma to the next member.
    fn is_last(&mut self, close: u8) -> Result<bool> {
        self.skip_blanks()?;
        match self.tape.peek()? {
            Some(byte) if byte == close => {
                self.tape.consume(1);
                Ok(true)
            }
            Some(b',') => {
                self.tape.consume(1);
                self.skip_blanks()?;
                Ok(false)
            }
            _ => Err(broken()),
        }
    }

    fn number(&mut self) -> Result<Value> {
        let mut text = String::new();
        while let Some(byte @ (b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) = self.tape.peek()? {
            text.push(char::from(byte));
            self.tape.consume(1);
            if text.len() as u64 > MOST_RECORD {
                return Err(over_max_record());
            }
        }
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let mantissa = digits.split(['e', 'E']).next().unwrap_or("");
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) || fraction == Some("") {
            return Err(broken());
        }
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Value::Int(int));
        }
        Decimal::parse(&text).ok_or_else(broken)?.map(Value::Decimal)
    }

    fn string(&mut self, keep: bool) -> Result<String> {
        self.tape.consume(1);
        let start = self.tape.offset();
        let mut text = Vec::new();
        loop {
            let window = self.tape.window()?;
            if window.is_empty() {
                return Err(broken());
            }
            let found = memchr::memchr2(b'"', b'\\', window);
            let length = found.unwrap_or(window.len());
            if window[..length].iter().any(|b| *b < 0x20) {
                return Err(broken());
            }
            // A name that is not kept is read for its text, but one that is as long as this is nobody's.
            if text.len() as u64 + length as u64 > MOST_RECORD && keep {
                return Err(over_max_record());
            }
            if keep {
                text.extend_from_slice(&window[..length]);
            }
            self.tape.consume(length);
            match found.map(|_| self.tape.peek()).transpose()?.flatten() {
                Some(b'"') => break,
                Some(_) => {
                    self.escape(&mut text)?;
                    if !keep {
                        text.clear();
                    }
                }
                None => {}
            }
        }
        self.tape.consume(1);
        self.check_length()?;
        String::from_utf8(text).map_err(|error| invalid_text(start + error.utf8_error().valid_up_to() as u64))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<()> {
        self.tape.consume(1);
        let kind = self.tape.peek()?.ok_or_else(broken)?;
        self.tape.consume(1);
        let character = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(broken()),
        };
        let mut buffer = [0; 4];
        text.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        Ok(())
    }

    fn unicode(&mut self) -> Result<char> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(broken);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(broken());
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(broken)
    }

    fn hexadecimal(&mut self) -> Result<u32> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.tape.peek()?.and_then(|b| char::from(b).to_digit(16)).ok_or_else(broken)?;
            number = number * 16 + digit;
            self.tape.consume(1);
        }
        Ok(number)
    }
}

fn frame_matched(frame: Option<Frame>) -> bool {
    frame.is_none_or(|f| f.matched)
}
