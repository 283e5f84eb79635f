//! Words to expressions: precedence by climbing.

use crate::error::{Code, Error, Result};
use crate::types::Value;

use super::lexer::{Token, Word};
use super::tree::{Aggregate, Binary, Expression, Name, Path, Position, Step, Unknown};

/// Expressions are evaluated by recursion, so their height is bounded. Chains of AND and OR are not high.
const MOST_HEIGHT: u32 = 100;

/// The least binding power of what is parsed. Source: "Operator precedence" in the SQL reference.
pub(super) mod power {
    pub(in super::super) const ANY: u8 = 0;
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const EQUALITY: u8 = 4;
    pub(super) const ORDER: u8 = 5;
    pub(super) const MEMBERSHIP: u8 = 6;
    pub(super) const CONCATENATION: u8 = 7;
    pub(super) const SUM: u8 = 8;
    pub(super) const PRODUCT: u8 = 9;
    pub(super) const SIGN: u8 = 10;
}

/// An expression and how high its tree is.
pub(super) type Tree = (Expression, u32);

pub(super) struct Parser {
    words: Vec<Word>,
    next: usize,
    nesting: u32,
    pub(super) aggregates: Vec<Aggregate>,
    /// Aggregates may stand in the select list, and not in one another.
    pub(super) may_aggregate: bool,
}

/// A tree on top of others.
pub(super) fn on_top(expression: Expression, heights: &[u32]) -> Result<Tree> {
    let height = heights.iter().max().copied().unwrap_or(0) + 1;
    if height > MOST_HEIGHT { Err(Code::MaxOperatorsExceeded.into()) } else { Ok((expression, height)) }
}

impl Parser {
    /// `words` ends with [`Token::End`].
    pub(super) fn new(words: Vec<Word>) -> Self {
        Self { words, next: 0, nesting: 0, aggregates: Vec::new(), may_aggregate: false }
    }

    /// The word that is `ahead` words away; the last one is never passed.
    fn look(&self, ahead: usize) -> (&Token, Position) {
        match self.words.get(self.next + ahead).or(self.words.last()) {
            Some(word) => (&word.token, word.at),
            None => (&Token::End, Position { line: 1, column: 1 }),
        }
    }

    pub(super) fn peek(&self) -> &Token {
        self.look(0).0
    }

    pub(super) fn peek_second(&self) -> &Token {
        self.look(1).0
    }

    pub(super) fn at(&self) -> Position {
        self.look(0).1
    }

    pub(super) fn advance(&mut self) {
        self.next = (self.next + 1).min(self.words.len().saturating_sub(1));
    }

    pub(super) fn unexpected(&self) -> Error {
        let (token, at) = self.look(0);
        match token {
            Token::Operator(_) => {
                Error::new(Code::ParseUnexpectedOperator, format!("Unexpected operator {token} at {at}."))
            }
            _ => Error::new(Code::ParseUnexpectedToken, format!("Unexpected token found {token} at {at}.")),
        }
    }

    /// Not what was expected here, in a sentence of S3's form.
    pub(super) fn expected(&self, code: Code, what: &str) -> Error {
        let (token, at) = self.look(0);
        Error::new(code, format!("Expected {what}, found {token} at {at}."))
    }

    pub(super) fn skip_keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Keyword(k) if *k == word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        matches!(self.peek(), Token::Sign(s) if *s == sign)
    }

    pub(super) fn skip_sign(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect_sign(&mut self, sign: char, code: Code, what: &str) -> Result<()> {
        if self.skip_sign(sign) { Ok(()) } else { Err(self.expected(code, what)) }
    }

    pub(super) fn expect_keyword(&mut self, word: &str) -> Result<()> {
        if self.skip_keyword(word) { Ok(()) } else { Err(self.expected(Code::ParseExpectedKeyword, word)) }
    }

    /// An expression of operators that bind at least as tightly as that.
    pub(super) fn expression(&mut self, least: u8) -> Result<Tree> {
        self.nesting += 1;
        if self.nesting > MOST_HEIGHT {
            return Err(Code::MaxOperatorsExceeded.into());
        }
        let mut left = self.prefix()?;
        while let Some(power) = self.infix_power().filter(|power| *power >= least) {
            left = self.infix(left, power)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn infix_power(&self) -> Option<u8> {
        Some(match self.peek() {
            Token::Keyword("or") => power::OR,
            Token::Keyword("and") => power::AND,
            Token::Keyword("is") => power::EQUALITY,
            Token::Keyword("between" | "in" | "like") => power::MEMBERSHIP,
            Token::Keyword("not") => match self.peek_second() {
                Token::Keyword("between" | "in" | "like") => power::MEMBERSHIP,
                _ => return None,
            },
            Token::Sign('*') => power::PRODUCT,
            Token::Operator(operator) => binary(operator)?.1,
            _ => return None,
        })
    }

    fn infix(&mut self, left: Tree, power: u8) -> Result<Tree> {
        let token = self.peek().clone();
        self.advance();
        match token {
            Token::Keyword("or") => {
                let right = self.expression(power + 1)?;
                chain(left, right, |e| if let Expression::Or(all) = e { Ok(all) } else { Err(e) }, Expression::Or)
            }
            Token::Keyword("and") => {
                let right = self.expression(power + 1)?;
                chain(left, right, |e| if let Expression::And(all) = e { Ok(all) } else { Err(e) }, Expression::And)
            }
            Token::Keyword("is") => {
                let negated = self.skip_keyword("not");
                let what = self.unknown()?;
                negate(on_top(Expression::Is(Box::new(left.0), what), &[left.1])?, negated)
            }
            Token::Keyword("not") => {
                let tree = self.membership(left)?;
                negate(tree, true)
            }
            Token::Keyword(_) => {
                self.next -= 1;
                self.membership(left)
            }
            Token::Sign(_) => self.binary(Binary::Multiply, left, power),
            Token::Operator(operator) => match binary(operator) {
                Some((operator, _)) => self.binary(operator, left, power),
                None => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    fn binary(&mut self, operator: Binary, left: Tree, power: u8) -> Result<Tree> {
        let right = self.expression(power + 1)?;
        on_top(Expression::Binary(operator, Box::new([left.0, right.0])), &[left.1, right.1])
    }

    fn unknown(&mut self) -> Result<Unknown> {
        let what = match self.peek() {
            Token::Literal(Value::Null) => Unknown::Null,
            Token::Literal(Value::Missing) => Unknown::Missing,
            Token::Literal(Value::Bool(true)) => Unknown::True,
            Token::Literal(Value::Bool(false)) => Unknown::False,
            _ => return Err(self.expected(Code::ParseExpectedTypeName, "type name")),
        };
        self.advance();
        Ok(what)
    }

    /// `BETWEEN`, `IN` and `LIKE`, at which the parser stands.
    fn membership(&mut self, left: Tree) -> Result<Tree> {
        let inner = power::MEMBERSHIP + 1;
        if self.skip_keyword("between") {
            let from = self.expression(inner)?;
            self.expect_keyword("and")?;
            let to = self.expression(inner)?;
            return on_top(Expression::Between(Box::new([left.0, from.0, to.0])), &[left.1, from.1, to.1]);
        }
        if self.skip_keyword("like") {
            let pattern = self.expression(inner)?;
            let escape = if self.skip_keyword("escape") { Some(self.expression(inner)?) } else { None };
            let height = escape.as_ref().map_or(0, |e| e.1);
            let escape = escape.map(|e| Box::new(e.0));
            return on_top(Expression::Like(Box::new([left.0, pattern.0]), escape), &[left.1, pattern.1, height]);
        }
        self.expect_keyword("in")?;
        if self.skip_sign('(') {
            let (list, height) = self.list(')')?;
            return on_top(Expression::In(Box::new(left.0), list), &[left.1, height]);
        }
        if !self.is_sign('[') && !matches!(self.peek(), Token::Identifier(_) | Token::Quoted(_)) {
            let code = Code::ParseExpectedLeftParenValueConstructor;
            return Err(self.expected(code, "LEFT_PAREN"));
        }
        let list = self.expression(inner)?;
        on_top(Expression::InList(Box::new([left.0, list.0])), &[left.1, list.1])
    }

    /// Expressions up to a closing sign.
    pub(super) fn list(&mut self, close: char) -> Result<(Vec<Expression>, u32)> {
        let (mut list, mut height) = (Vec::new(), 0);
        if self.skip_sign(close) {
            return Ok((list, height));
        }
        loop {
            let item = self.expression(power::ANY)?;
            list.push(item.0);
            height = height.max(item.1);
            if self.skip_sign(close) {
                return Ok((list, height));
            }
            self.expect_sign(',', Code::ParseExpectedArgumentDelimiter, "argument delimiter")?;
        }
    }

    fn prefix(&mut self) -> Result<Tree> {
        match self.peek().clone() {
            Token::Literal(value) => {
                self.advance();
                Ok((Expression::Literal(value), 1))
            }
            Token::Operator("-") => {
                self.advance();
                let operand = self.expression(power::SIGN)?;
                Ok(match operand {
                    (Expression::Literal(Value::Int(int)), height) if int != i64::MIN => {
                        (Expression::Literal(Value::Int(-int)), height)
                    }
                    (Expression::Literal(Value::Decimal(decimal)), height) => {
                        (Expression::Literal(Value::Decimal(decimal.negated())), height)
                    }
                    (operand, height) => on_top(Expression::Negate(Box::new(operand)), &[height])?,
                })
            }
            Token::Operator("+") => {
                self.advance();
                self.expression(power::SIGN)
            }
            Token::Keyword("not") => {
                self.advance();
                let operand = self.expression(power::NOT)?;
                negate(operand, true)
            }
            Token::Keyword(word) => self.call_of_keyword(word),
            Token::Sign('(') => {
                self.advance();
                let inner = self.expression(power::ANY)?;
                self.expect_sign(')', Code::ParseExpectedTokenType, "RIGHT_PAREN")?;
                Ok(inner)
            }
            Token::Sign('[') => {
                self.advance();
                let (list, height) = self.list(']')?;
                on_top(Expression::List(list), &[height])
            }
            Token::Identifier(name) if matches!(self.peek_second(), Token::Sign('(')) => self.call(&name),
            Token::Identifier(_) | Token::Quoted(_) => Ok((Expression::Path(self.path()?), 1)),
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn name(&mut self) -> Option<Name> {
        let name = match self.peek() {
            Token::Identifier(text) => Name { text: text.clone(), exact: false },
            Token::Quoted(text) => Name { text: text.clone(), exact: true },
            _ => return None,
        };
        self.advance();
        Some(name)
    }

    /// `s.a['b'][0]`
    fn path(&mut self) -> Result<Path> {
        let at = self.at();
        let root = self.name().ok_or_else(|| self.unexpected())?;
        let steps = self.steps(false)?;
        Ok(Path { root, steps, at })
    }

    /// The steps behind a name, with wildcards where they are allowed.
    pub(super) fn steps(&mut self, wildcards: bool) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.is_sign('.') {
                // `s.*` of a select list is the list's own.
                if !wildcards && matches!(self.peek_second(), Token::Sign('*')) {
                    return Ok(steps);
                }
                self.advance();
                steps.push(self.step_by_name(wildcards)?);
            } else if self.skip_sign('[') {
                steps.push(self.step_in_brackets(wildcards)?);
                self.expect_sign(']', Code::ParseExpectedTokenType, "RIGHT_BRACKET")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn step_by_name(&mut self, wildcards: bool) -> Result<Step> {
        if wildcards && self.skip_sign('*') {
            return Ok(Step::AnyKey);
        }
        self.name().map(Step::Key).ok_or_else(|| {
            let (token, at) = self.look(0);
            let message = format!(
                "Invalid Path component, expecting either an IDENTIFIER or STAR, got: {},at {at}.",
                token.kind()
            );
            Error::new(Code::ParseInvalidPathComponent, message)
        })
    }

    fn step_in_brackets(&mut self, wildcards: bool) -> Result<Step> {
        let step = match self.peek() {
            Token::Sign('*') if wildcards => Step::AnyIndex,
            Token::Sign('*') => return Err(Code::ParseInvalidContextForWildcardInSelectList.into()),
            Token::Literal(Value::Int(index)) => match usize::try_from(*index) {
                Ok(index) => Step::Index(index),
                Err(_) => return Err(Code::InvalidKeyPath.into()),
            },
            Token::Literal(Value::String(name)) => Step::Key(Name { text: name.clone(), exact: true }),
            _ => return Err(Code::InvalidKeyPath.into()),
        };
        self.advance();
        Ok(step)
    }
}

fn negate(tree: Tree, negated: bool) -> Result<Tree> {
    if negated { on_top(Expression::Not(Box::new(tree.0)), &[tree.1]) } else { Ok(tree) }
}

/// Puts an operand behind those that are there.
fn chain(
    left: Tree,
    right: Tree,
    open: impl Fn(Expression) -> std::result::Result<Vec<Expression>, Expression>,
    close: impl Fn(Vec<Expression>) -> Expression,
) -> Result<Tree> {
    match open(left.0) {
        Ok(mut all) => {
            all.push(right.0);
            // The chain has its height already.
            Ok((close(all), left.1.max(right.1 + 1))).and_then(|tree: Tree| {
                if tree.1 > MOST_HEIGHT { Err(Code::MaxOperatorsExceeded.into()) } else { Ok(tree) }
            })
        }
        Err(first) => on_top(close(vec![first, right.0]), &[left.1, right.1]),
    }
}

fn binary(operator: &str) -> Option<(Binary, u8)> {
    Some(match operator {
        "=" => (Binary::Equal, power::EQUALITY),
        "<>" | "!=" => (Binary::Unequal, power::EQUALITY),
        "<" => (Binary::Less, power::ORDER),
        "<=" => (Binary::LessOrEqual, power::ORDER),
        ">" => (Binary::Greater, power::ORDER),
        ">=" => (Binary::GreaterOrEqual, power::ORDER),
        "||" => (Binary::Concatenate, power::CONCATENATION),
        "+" => (Binary::Add, power::SUM),
        "-" => (Binary::Subtract, power::SUM),
        "/" => (Binary::Divide, power::PRODUCT),
        "%" => (Binary::Remainder, power::PRODUCT),
        _ => return None,
    })
}
