//! JSON with the place of everything in it.

/// A step on the way to something in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A key of an object.
    Key(String),
    /// What stands at a key.
    Value(String),
    /// What stands in a list.
    Index(usize),
}

/// Where something stands: the way to it, and its first character and the one behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: Vec<Step>,
    pub(crate) span: (usize, usize),
}

/// A key of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// As it is written.
    Number(String),
    Boolean(bool),
    Null,
    List(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(crate) fn object(&self) -> Option<&[(Key, Node)]> {
        if let Value::Object(entries) = &self.value { Some(entries) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Node]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// What stands at a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.object()?.iter().find(|(found, _)| found.text == key).map(|(_, node)| node)
    }

    /// The value itself, or each of a list.
    pub(crate) fn each(&self) -> &[Node] {
        self.list().unwrap_or(std::slice::from_ref(self))
    }

    /// The texts among them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.each().iter().filter_map(|node| Some((node.text()?, node)))
    }
}

/// How deep a document may be.
const DEEPEST: usize = 64;

struct Reader<'a> {
    text: &'a [char],
    at: usize,
    path: Vec<Step>,
}

/// Reads a document; else the place of what is wrong with it.
pub(crate) fn read(text: &[char]) -> Result<Node, usize> {
    let mut reader = Reader { text, at: 0, path: Vec::new() };
    let node = reader.node()?;
    reader.skip();
    if reader.at == text.len() { Ok(node) } else { Err(reader.at) }
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), usize> {
        self.skip();
        if self.peek() != Some(wanted) {
            return Err(self.at);
        }
        self.at += 1;
        Ok(())
    }

    /// Whether another item follows a comma, or the end.
    fn goes_on(&mut self, end: char) -> Result<bool, usize> {
        self.skip();
        match self.peek() {
            Some(',') => {
                self.at += 1;
                Ok(true)
            }
            Some(c) if c == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.at),
        }
    }

    fn node(&mut self) -> Result<Node, usize> {
        self.skip();
        let start = self.at;
        if self.path.len() > DEEPEST {
            return Err(start);
        }
        let value = match self.peek() {
            Some('"') => Value::Text(self.string()?),
            Some('{') => self.entries()?,
            Some('[') => self.items()?,
            Some(_) => self.word()?,
            None => return Err(start),
        };
        Ok(Node { value, place: Place { path: self.path.clone(), span: (start, self.at) } })
    }

    fn entries(&mut self) -> Result<Value, usize> {
        self.at += 1;
        let mut all: Vec<(Key, Node)> = Vec::new();
        self.skip();
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(Value::Object(all));
        }
        loop {
            self.skip();
            let start = self.at;
            if self.peek() != Some('"') {
                return Err(start);
            }
            let text = self.string()?;
            // Of two of one name one would be left out.
            if all.iter().any(|(key, _)| key.text == text) {
                return Err(start);
            }
            self.path.push(Step::Key(text.clone()));
            let place = Place { path: self.path.clone(), span: (start, self.at) };
            self.path.pop();
            self.expect(':')?;
            self.path.push(Step::Value(text.clone()));
            let node = self.node()?;
            self.path.pop();
            all.push((Key { text, place }, node));
            if !self.goes_on('}')? {
                return Ok(Value::Object(all));
            }
        }
    }

    fn items(&mut self) -> Result<Value, usize> {
        self.at += 1;
        let mut all = Vec::new();
        self.skip();
        if self.peek() == Some(']') {
            self.at += 1;
            return Ok(Value::List(all));
        }
        loop {
            self.path.push(Step::Index(all.len()));
            all.push(self.node()?);
            self.path.pop();
            if !self.goes_on(']')? {
                return Ok(Value::List(all));
            }
        }
    }

    fn string(&mut self) -> Result<String, usize> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    let raw: String = self.text[start..self.at].iter().collect();
                    return serde_json::from_str(&raw).map_err(|_| start);
                }
                '\\' => self.at += 2,
                '\n' | '\r' => return Err(self.at),
                _ => self.at += 1,
            }
        }
        Err(self.text.len())
    }

    /// A number, or a word that stands for itself.
    fn word(&mut self) -> Result<Value, usize> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            self.at += 1;
        }
        let word: String = self.text[start..self.at].iter().collect();
        match word.as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            "null" => Ok(Value::Null),
            _ if serde_json::from_str::<serde_json::Number>(&word).is_ok() => Ok(Value::Number(word)),
            _ => Err(start),
        }
    }
}
