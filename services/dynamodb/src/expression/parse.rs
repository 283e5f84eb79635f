//! Expression text into [`syntax`](super::syntax) trees.

use super::lexer::{Kind, Tokens};
use super::syntax::{Call, Clause, Comparator, Condition, Operand, Part, Path, Projection, SetValue, Update};
use super::{ExpressionError, ExpressionKind, MAX_EXPRESSION_SIZE, MAX_OPERATORS, Problem};

/// Parses a condition, a filter or a key condition.
///
/// # Errors
/// When it is empty, too long, not of the grammar, has more than 300 operators or parentheses about parentheses.
pub fn condition(kind: ExpressionKind, text: &str) -> Result<Condition, ExpressionError> {
    read(kind, text, CONDITION_KEYWORDS, Parser::condition)
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

/// How many parentheses about operands are followed into each other. More than two make no sense to begin with.
const MAX_NESTING: usize = 64;

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

/// What has been read since an opening parenthesis, or since the beginning.
#[derive(Default)]
struct Level {
    /// Whole alternatives.
    or: Vec<Condition>,
    /// Parts of the alternative that is being read.
    and: Vec<Condition>,
    /// How often the term that is being read is negated.
    not: usize,
}

impl Level {
    /// Whether all there is of it is the term that is being read.
    fn is_plain(&self) -> bool {
        self.or.is_empty() && self.and.is_empty() && self.not == 0
    }

    fn end_term(&mut self, term: Condition) {
        let negations = std::mem::take(&mut self.not);
        self.and.push((0..negations).fold(term, |inner, _| Condition::Not(Box::new(inner))));
    }

    fn end_alternative(&mut self) {
        let and = std::mem::take(&mut self.and);
        self.or.extend(whole(and, Condition::And));
    }

    fn end(mut self, last: Condition) -> Option<Condition> {
        self.end_term(last);
        self.end_alternative();
        whole(self.or, Condition::Or)
    }
}

/// The one part there is, or all of them as one.
fn whole(mut parts: Vec<Condition>, of: fn(Vec<Condition>) -> Condition) -> Option<Condition> {
    if parts.len() < 2 { parts.pop() } else { Some(of(parts)) }
}

impl Parser<'_> {
    /// A condition, to the end of the text. Clients write long chains as deep parentheses, `((a AND b) AND c) AND d`, so
    /// the levels are kept in a list of their own and not on the stack.
    fn condition(&mut self) -> Result<Condition, Problem> {
        let mut outer: Vec<Level> = Vec::new();
        let mut level = Level::default();
        loop {
            while self.tokens.take_keyword("NOT") {
                self.operators += 1;
                level.not += 1;
            }
            if self.tokens.take_if("(") {
                outer.push(std::mem::take(&mut level));
                continue;
            }
            let mut parsed = Parsed { node: Node::Operand(self.simple_operand()?), wrapped: false };
            loop {
                parsed = self.comparison(parsed)?;
                if !self.tokens.peek().is(")") {
                    break;
                }
                let Some(around) = outer.pop() else { break };
                let inner = std::mem::replace(&mut level, around);
                parsed = self.close(inner, parsed)?;
            }
            level.end_term(self.condition_of(parsed)?);
            if self.tokens.take_keyword("OR") {
                level.end_alternative();
            } else if !self.tokens.take_keyword("AND") {
                break;
            }
            self.operators += 1;
        }
        level.end_alternative();
        // The end of the text, while parentheses are open or something other stands here.
        if !outer.is_empty() {
            return Err(self.tokens.unexpected());
        }
        whole(level.or, Condition::Or).ok_or_else(|| self.tokens.unexpected())
    }

    /// Takes the closing parenthesis of a level whose last term has been read.
    fn close(&mut self, level: Level, last: Parsed) -> Result<Parsed, Problem> {
        let mut node = if level.is_plain() {
            self.redundant |= last.wrapped;
            last.node
        } else {
            let last = self.condition_of(last)?;
            Node::Condition(level.end(last).ok_or_else(|| self.tokens.unexpected())?)
        };
        self.tokens.expect(")")?;
        if let Node::Operand(Operand::Path(path)) = &mut node {
            self.path_rest(&mut path.parts)?;
        }
        Ok(Parsed { node, wrapped: true })
    }

    /// What an operand is the beginning of, if a comparator, `BETWEEN` or `IN` follows it.
    fn comparison(&mut self, left: Parsed) -> Result<Parsed, Problem> {
        let token = self.tokens.peek();
        let comparator = if token.kind == Kind::Symbol { Comparator::from_symbol(token.text) } else { None };
        if comparator.is_none() && !token.is_keyword("BETWEEN") && !token.is_keyword("IN") {
            return Ok(left);
        }
        let Node::Operand(left) = left.node else { return Err(self.tokens.unexpected()) };
        self.tokens.take();
        self.operators += 1;
        let condition = if let Some(comparator) = comparator {
            Condition::Compare { comparator, left, right: self.operand()? }
        } else if token.is_keyword("BETWEEN") {
            let low = self.operand()?;
            if !self.tokens.take_keyword("AND") {
                return Err(self.tokens.unexpected());
            }
            Condition::Between { value: left, low, high: self.operand()? }
        } else {
            self.tokens.expect("(")?;
            let candidates = self.list(Self::operand)?;
            self.tokens.expect(")")?;
            Condition::In { value: left, candidates }
        };
        Ok(Parsed { node: Node::Condition(condition), wrapped: false })
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        self.wrapped_operand().map(|(operand, _)| operand)
    }

    /// An operand, and whether it stood in parentheses.
    fn wrapped_operand(&mut self) -> Result<(Operand, bool), Problem> {
        if !self.tokens.take_if("(") {
            return Ok((self.simple_operand()?, false));
        }
        let (mut operand, wrapped) = self.nested(Self::wrapped_operand)?;
        self.redundant |= wrapped;
        self.tokens.expect(")")?;
        if let Operand::Path(path) = &mut operand {
            self.path_rest(&mut path.parts)?;
        }
        Ok((operand, true))
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
            // Checked here and not at the end only, because functions inside functions are followed on the stack.
            if self.operators > MAX_OPERATORS {
                return Err(Problem::TooManyOperators(self.operators));
            }
            let mut arguments = vec![self.argument()?];
            while self.tokens.take_if(",") {
                arguments.push(self.argument()?);
            }
            self.tokens.expect(")")?;
            return Ok(Operand::Call(Call { function: token.text.to_owned(), arguments }));
        }
        self.path().map(Operand::Path)
    }

    /// What a function is given: in an update, where no conditions are, parentheses are of another kind.
    fn argument(&mut self) -> Result<Operand, Problem> {
        if self.keywords == UPDATE_KEYWORDS { self.update_operand() } else { self.operand() }
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

    /// What stands in parentheses about an operand.
    fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Problem::RedundantParentheses);
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
