//! Expression text into [`syntax`](super::syntax) trees.

use super::lexer::{Kind, Tokens};
use super::syntax::{Call, Clause, Comparator, Condition, Operand, Part, Path, Projection, SetValue, Update};
use super::{ExpressionError, ExpressionKind, MAX_EXPRESSION_SIZE, MAX_OPERATORS, Problem};

/// Parses a condition, a filter or a key condition.
///
/// # Errors
/// When it is empty, too long, not of the grammar, has more than 300 operators or parentheses about parentheses.
pub fn condition(kind: ExpressionKind, text: &str) -> Result<Condition, ExpressionError> {
    read(kind, text, CONDITION_KEYWORDS, |parser| {
        let parsed = parser.or()?;
        parser.condition_of(parsed)
    })
}

/// Parses an update.
///
/// # Errors
/// As [`condition`].
pub fn update(text: &str) -> Result<Update, ExpressionError> {
    read(ExpressionKind::Update, text, UPDATE_KEYWORDS, Parser::update)
}

/// Parses a projection.
///
/// # Errors
/// As [`condition`].
pub fn projection(text: &str) -> Result<Projection, ExpressionError> {
    read(ExpressionKind::Projection, text, &[], |parser| Ok(Projection { paths: parser.list(Parser::path)? }))
}

/// Words that a condition cannot have as names. Those of the other expressions it can, though they are reserved.
const CONDITION_KEYWORDS: &[&str] = &["AND", "OR", "NOT", "BETWEEN", "IN"];
const UPDATE_KEYWORDS: &[&str] = &["SET", "REMOVE", "ADD", "DELETE"];

/// How deep parentheses and functions are followed. Beyond the limit of operators every further level of a good
/// expression would be a redundant parenthesis, so no good expression is deeper.
const MAX_NESTING: usize = MAX_OPERATORS + 2;

fn read<'a, T>(
    kind: ExpressionKind,
    text: &'a str,
    keywords: &'static [&'static str],
    grammar: impl FnOnce(&mut Parser<'a>) -> Result<T, Problem>,
) -> Result<T, ExpressionError> {
    if text.is_empty() {
        return Err(Problem::Empty.of(kind));
    }
    if text.len() > MAX_EXPRESSION_SIZE {
        return Err(Problem::TooLong(text.len()).of(kind));
    }
    let mut parser = Parser { tokens: Tokens::new(text), keywords, operators: 0, nesting: 0, redundant: false };
    let parsed = grammar(&mut parser).map_err(|problem| problem.of(kind))?;
    if parser.tokens.peek().kind != Kind::End {
        return Err(parser.tokens.unexpected().of(kind));
    }
    if parser.redundant {
        return Err(Problem::RedundantParentheses.of(kind));
    }
    if parser.operators > MAX_OPERATORS {
        return Err(Problem::TooManyOperators(parser.operators).of(kind));
    }
    Ok(parsed)
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    keywords: &'static [&'static str],
    operators: usize,
    nesting: usize,
    /// Whether parentheses stood directly about parentheses. A syntax error anywhere is reported before.
    redundant: bool,
}

/// A condition or an operand: behind an opening parenthesis it shows only later which of them was begun.
struct Parsed {
    node: Node,
    /// Whether it stood in parentheses.
    wrapped: bool,
}

enum Node {
    Condition(Condition),
    Operand(Operand),
}

impl Parsed {
    fn condition(condition: Condition) -> Self {
        Self { node: Node::Condition(condition), wrapped: false }
    }

    fn operand(operand: Operand) -> Self {
        Self { node: Node::Operand(operand), wrapped: false }
    }
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Parsed, Problem> {
        self.chain("OR", Self::and, Condition::Or)
    }

    fn and(&mut self) -> Result<Parsed, Problem> {
        self.chain("AND", Self::not, Condition::And)
    }

    fn chain(
        &mut self,
        keyword: &str,
        part: fn(&mut Self) -> Result<Parsed, Problem>,
        whole: fn(Vec<Condition>) -> Condition,
    ) -> Result<Parsed, Problem> {
        let first = part(self)?;
        if !self.tokens.peek().is_keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![self.condition_of(first)?];
        while self.tokens.take_keyword(keyword) {
            self.operators += 1;
            let next = part(self)?;
            parts.push(self.condition_of(next)?);
        }
        Ok(Parsed::condition(whole(parts)))
    }

    fn not(&mut self) -> Result<Parsed, Problem> {
        if !self.tokens.take_keyword("NOT") {
            return self.comparison();
        }
        self.operators += 1;
        let inner = self.nested(Self::not)?;
        let inner = self.condition_of(inner)?;
        Ok(Parsed::condition(Condition::Not(Box::new(inner))))
    }

    fn comparison(&mut self) -> Result<Parsed, Problem> {
        let left = self.primary()?;
        let token = self.tokens.peek();
        let comparator = if token.kind == Kind::Symbol { Comparator::from_symbol(token.text) } else { None };
        if let Some(comparator) = comparator {
            let left = self.operand_of(left)?;
            self.tokens.take();
            self.operators += 1;
            return Ok(Parsed::condition(Condition::Compare { comparator, left, right: self.operand()? }));
        }
        if token.is_keyword("BETWEEN") {
            let value = self.operand_of(left)?;
            self.tokens.take();
            self.operators += 1;
            let low = self.operand()?;
            if !self.tokens.take_keyword("AND") {
                return Err(self.tokens.unexpected());
            }
            return Ok(Parsed::condition(Condition::Between { value, low, high: self.operand()? }));
        }
        if token.is_keyword("IN") {
            let value = self.operand_of(left)?;
            self.tokens.take();
            self.operators += 1;
            self.tokens.expect("(")?;
            let candidates = self.list(Self::operand)?;
            self.tokens.expect(")")?;
            return Ok(Parsed::condition(Condition::In { value, candidates }));
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Parsed, Problem> {
        if !self.tokens.take_if("(") {
            return self.simple_operand().map(Parsed::operand);
        }
        let mut inner = self.nested(Self::or)?;
        self.tokens.expect(")")?;
        self.redundant |= inner.wrapped;
        if let Node::Operand(Operand::Path(path)) = &mut inner.node {
            self.path_rest(&mut path.parts)?;
        }
        Ok(Parsed { node: inner.node, wrapped: true })
    }

    /// A value, a path or a function, with no parentheses about it.
    fn simple_operand(&mut self) -> Result<Operand, Problem> {
        let token = self.tokens.peek();
        if token.kind == Kind::ValuePlaceholder {
            self.tokens.take();
            return Ok(Operand::Value(token.text.to_owned()));
        }
        if token.kind == Kind::Word && !self.is_keyword() && self.tokens.peek_after(1).is("(") {
            self.tokens.take();
            self.tokens.take();
            self.operators += 1;
            let arguments = self.nested(|parser| parser.list(Self::argument))?;
            self.tokens.expect(")")?;
            return Ok(Operand::Call(Call { function: token.text.to_owned(), arguments }));
        }
        self.path().map(Operand::Path)
    }

    /// What a function is given: in an update, where no conditions are, parentheses are of another kind.
    fn argument(&mut self) -> Result<Operand, Problem> {
        if self.keywords == UPDATE_KEYWORDS { self.update_operand() } else { self.operand() }
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        let parsed = self.primary()?;
        self.operand_of(parsed)
    }

    fn path(&mut self) -> Result<Path, Problem> {
        let mut parts = vec![self.name()?];
        self.path_rest(&mut parts)?;
        Ok(Path { parts })
    }

    fn path_rest(&mut self, parts: &mut Vec<Part>) -> Result<(), Problem> {
        loop {
            if self.tokens.take_if(".") {
                parts.push(self.name()?);
            } else if self.tokens.take_if("[") {
                let token = self.tokens.peek();
                if token.kind != Kind::Digits {
                    return Err(self.tokens.unexpected());
                }
                self.tokens.take();
                parts.push(Part::Index(token.text.to_owned()));
                self.tokens.expect("]")?;
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self) -> Result<Part, Problem> {
        let token = self.tokens.peek();
        let part = match token.kind {
            Kind::Word if !self.is_keyword() => Part::Name(token.text.to_owned()),
            Kind::NamePlaceholder => Part::Placeholder(token.text.to_owned()),
            _ => return Err(self.tokens.unexpected()),
        };
        self.tokens.take();
        Ok(part)
    }

    fn is_keyword(&self) -> bool {
        let token = self.tokens.peek();
        self.keywords.iter().any(|keyword| token.is_keyword(keyword))
    }

    /// One or more with commas between.
    fn list<T>(&mut self, part: impl Fn(&mut Self) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let mut parts = vec![part(self)?];
        while self.tokens.take_if(",") {
            parts.push(part(self)?);
        }
        Ok(parts)
    }

    fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let many = self.operators > MAX_OPERATORS;
            return Err(if many { Problem::TooManyOperators(self.operators) } else { Problem::RedundantParentheses });
        }
        let parsed = part(self);
        self.nesting -= 1;
        parsed
    }

    fn condition_of(&self, parsed: Parsed) -> Result<Condition, Problem> {
        match parsed.node {
            Node::Condition(condition) => Ok(condition),
            Node::Operand(Operand::Call(call)) => Ok(Condition::Call(call)),
            Node::Operand(_) => Err(self.tokens.unexpected()),
        }
    }

    fn operand_of(&self, parsed: Parsed) -> Result<Operand, Problem> {
        match parsed.node {
            Node::Operand(operand) => Ok(operand),
            Node::Condition(_) => Err(self.tokens.unexpected()),
        }
    }

    fn update(&mut self) -> Result<Update, Problem> {
        let mut clauses = vec![self.clause()?];
        while self.is_keyword() {
            clauses.push(self.clause()?);
        }
        Ok(Update { clauses })
    }

    fn clause(&mut self) -> Result<Clause, Problem> {
        if self.tokens.take_keyword("SET") {
            self.list(Self::set_action).map(Clause::Set)
        } else if self.tokens.take_keyword("REMOVE") {
            self.list(Self::path).map(Clause::Remove)
        } else if self.tokens.take_keyword("ADD") {
            self.list(Self::value_action).map(Clause::Add)
        } else if self.tokens.take_keyword("DELETE") {
            self.list(Self::value_action).map(Clause::Delete)
        } else {
            Err(self.tokens.unexpected())
        }
    }

    fn set_action(&mut self) -> Result<(Path, SetValue), Problem> {
        let path = self.path()?;
        self.tokens.expect("=")?;
        Ok((path, self.set_value()?))
    }

    fn value_action(&mut self) -> Result<(Path, String), Problem> {
        let path = self.path()?;
        let token = self.tokens.peek();
        if token.kind != Kind::ValuePlaceholder {
            return Err(self.tokens.unexpected());
        }
        self.tokens.take();
        Ok((path, token.text.to_owned()))
    }

    fn set_value(&mut self) -> Result<SetValue, Problem> {
        if !self.tokens.take_if("(") {
            let left = self.update_operand()?;
            return self.arithmetic(left);
        }
        let inner = self.nested(Self::set_value)?;
        self.tokens.expect(")")?;
        match inner {
            SetValue::Operand(left) => self.arithmetic(left),
            whole => Ok(whole),
        }
    }

    fn arithmetic(&mut self, left: Operand) -> Result<SetValue, Problem> {
        let whole = match self.tokens.peek() {
            token if token.is("+") => SetValue::Sum,
            token if token.is("-") => SetValue::Difference,
            _ => return Ok(SetValue::Operand(left)),
        };
        self.tokens.take();
        self.operators += 1;
        Ok(whole(left, self.update_operand()?))
    }

    fn update_operand(&mut self) -> Result<Operand, Problem> {
        if !self.tokens.take_if("(") {
            return self.simple_operand();
        }
        let inner = self.nested(Self::update_operand)?;
        self.tokens.expect(")")?;
        Ok(inner)
    }
}
