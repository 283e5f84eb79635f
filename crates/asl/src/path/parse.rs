//! Reading a path.

use super::filter;
use super::{BadPath, Function, Path, Root, Step};

/// How deep filters may stand in filters, and parentheses in parentheses.
pub(super) const DEEPEST: usize = 20;

/// What a path of Step Functions may be long: the definition is a mebibyte, one path of it need not be.
const LONGEST: usize = 32 * 1024;

pub(super) fn path(text: &str) -> Result<Path, BadPath> {
    if text.len() > LONGEST {
        return Err(bad("the path is too long"));
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let path = reader.path(false)?;
    if reader.at < text.len() {
        return Err(bad(format!("'{}' cannot follow at position {}", reader.rest(), reader.at)));
    }
    Ok(path)
}

pub(super) fn bad(why: impl Into<String>) -> BadPath {
    BadPath(why.into())
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(super) fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    pub(super) fn take_while(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !of(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A path, of the kind that stands in a filter (`@` is a root, and an operator may follow) or alone.
    pub(super) fn path(&mut self, inside: bool) -> Result<Path, BadPath> {
        let start = self.at;
        let root = self.root(inside)?;
        let (mut steps, mut function) = (Vec::new(), None);
        while function.is_none() {
            if self.eat("..") {
                steps.push(Step::Descend);
                if self.peek() == Some('[') {
                    continue;
                }
                self.dotted(inside, &mut steps, &mut function)?;
            } else if self.eat(".") {
                self.dotted(inside, &mut steps, &mut function)?;
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else {
                break;
            }
        }
        if steps.last() == Some(&Step::Descend) {
            return Err(bad("Path must not end with a '.' or '..'"));
        }
        Ok(Path { text: self.text[start..self.at].to_owned(), root, steps, function })
    }

    fn root(&mut self, inside: bool) -> Result<Root, BadPath> {
        if self.eat("$$") {
            return Ok(Root::Context);
        }
        if self.eat("$") {
            let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
            return Ok(if name.is_empty() { Root::Input } else { Root::Variable(name.to_owned()) });
        }
        if inside && self.eat("@") {
            return Ok(Root::Current);
        }
        Err(bad("a path begins with '$'"))
    }

    /// What follows a dot: a name, `*`, or a function at the end.
    fn dotted(&mut self, inside: bool, steps: &mut Vec<Step>, function: &mut Option<Function>) -> Result<(), BadPath> {
        if self.eat("*") {
            steps.push(Step::All);
            return Ok(());
        }
        let name = self.take_while(|c| {
            let ends = matches!(c, '.' | '[' | ']' | '(' | ')' | '*' | '\'' | '"' | ',') || c.is_whitespace();
            !(ends || inside && matches!(c, '=' | '!' | '<' | '>' | '&' | '|' | '~'))
        });
        if name.is_empty() {
            return Err(bad("Path must not end with a '.' or '..'"));
        }
        if self.eat("(") {
            self.spaces();
            if !self.eat(")") {
                return Err(bad(format!("the function '{name}' takes nothing")));
            }
            *function =
                Some(Function::named(name).ok_or_else(|| bad(format!("Function with name: {name} does not exist.")))?);
            return Ok(());
        }
        steps.push(Step::Name(name.to_owned()));
        Ok(())
    }

    fn bracket(&mut self) -> Result<Step, BadPath> {
        self.spaces();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::All
            }
            Some('?') => {
                self.at += 1;
                self.deeper()?;
                let filter = filter::read(self)?;
                self.depth -= 1;
                Step::Filter(Box::new(filter))
            }
            Some('\'' | '"') => self.names()?,
            Some(c) if c.is_ascii_digit() || c == '-' || c == ':' => self.numbers()?,
            _ => return Err(bad(format!("cannot read what is in brackets at position {}", self.at))),
        };
        self.spaces();
        if self.eat("]") { Ok(step) } else { Err(bad(format!("']' is missing at position {}", self.at))) }
    }

    pub(super) fn deeper(&mut self) -> Result<(), BadPath> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(bad("the path is nested too deep")) } else { Ok(()) }
    }

    fn names(&mut self) -> Result<Step, BadPath> {
        let mut names = vec![self.quoted()?];
        self.spaces();
        while self.eat(",") {
            self.spaces();
            names.push(self.quoted()?);
            self.spaces();
        }
        Ok(match names.len() {
            1 => Step::Name(names.swap_remove(0)),
            _ => Step::Names(names),
        })
    }

    /// A text in quotes, where `\` takes its meaning from what follows.
    pub(super) fn quoted(&mut self) -> Result<String, BadPath> {
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = chars.next() else {
            return Err(bad(format!("a quote is missing at position {}", self.at)));
        };
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(bad("Property has not been closed - missing closing quote"))
    }

    fn number(&mut self) -> Result<Option<i64>, BadPath> {
        self.spaces();
        let start = self.at;
        self.eat("-");
        self.take_while(|c| c.is_ascii_digit());
        let digits = &self.text[start..self.at];
        self.spaces();
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| bad(format!("'{digits}' is no index")))
    }

    fn numbers(&mut self) -> Result<Step, BadPath> {
        let first = self.number()?;
        if self.eat(":") {
            let to = self.number()?;
            let by = if self.eat(":") { self.number()?.unwrap_or(1) } else { 1 };
            return if by > 0 { Ok(Step::Slice { from: first, to, by }) } else { Err(bad("a slice goes forward")) };
        }
        let mut all = vec![first.ok_or_else(|| bad("an index is missing"))?];
        while self.eat(",") {
            all.push(self.number()?.ok_or_else(|| bad("an index is missing"))?);
        }
        Ok(if all.len() == 1 { Step::Index(all[0]) } else { Step::Indices(all) })
    }
}
