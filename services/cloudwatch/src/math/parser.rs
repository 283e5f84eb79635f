//! Expressions as trees.
//!
//! Binding, the weakest first: `||`, `&&`, comparisons, `+ -`, `* /`, the sign, `^`.

use super::Wrong;
use super::lexer::{Token, tokens};

/// An expression within an expression, and so on, no deeper than this.
const DEEPEST: usize = 64;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    Text(String),
    /// A query's id, or a word that a function takes.
    Name(String),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
    Array(Vec<Expression>),
}

/// What stands between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Power,
}

/// Operators by how they bind, the weakest first.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Divided)],
];

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expression, Wrong> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.level(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(Wrong(format!("Unexpected {}", shown(token)))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(number) => format!("number: {number}"),
        Token::Name(name) => format!("name: {name}"),
        Token::Text(text) => format!("text: {text}"),
        Token::Sign(sign) => format!("character: {sign}"),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(there);
        there
    }

    fn needs(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.takes(sign) { Ok(()) } else { Err(Wrong(format!("Missing character: {sign}"))) }
    }

    fn level(&mut self, level: usize) -> Result<Expression, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.signed() };
        self.depth += usize::from(level == 0);
        if self.depth > DEEPEST {
            return Err(Wrong::new("The expression is nested too deeply"));
        }
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.takes(sign)) {
            let right = self.level(level + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
        self.depth -= usize::from(level == 0);
        Ok(left)
    }

    fn signed(&mut self) -> Result<Expression, Wrong> {
        let mut negative = false;
        while let Some(Token::Sign(sign @ ("-" | "+"))) = self.peek() {
            negative ^= *sign == "-";
            self.at += 1;
        }
        let value = self.power()?;
        Ok(if negative { Expression::Negative(Box::new(value)) } else { value })
    }

    fn power(&mut self) -> Result<Expression, Wrong> {
        let mut value = self.atom()?;
        while self.takes("^") {
            let negative = self.takes("-");
            let exponent = self.atom()?;
            let exponent = if negative { Expression::Negative(Box::new(exponent)) } else { exponent };
            value = Expression::Binary(Operator::Power, Box::new(value), Box::new(exponent));
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result<Expression, Wrong> {
        let token = self.peek().cloned().ok_or_else(|| Wrong::new("The expression is not complete"))?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Name(name) if self.takes("(") => Ok(Expression::Call(name, self.list(")")?)),
            Token::Name(name) => Ok(Expression::Name(name)),
            Token::Sign("(") => {
                let inner = self.level(0)?;
                self.needs(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Expression::Array(self.list("]")?)),
            Token::Sign(sign) => Err(Wrong(format!("Unexpected character: {sign}"))),
        }
    }

    /// What is between brackets, which are open already.
    fn list(&mut self, end: &str) -> Result<Vec<Expression>, Wrong> {
        let mut items = Vec::new();
        if self.takes(end) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.takes(end) {
                return Ok(items);
            }
            self.needs(",")?;
        }
    }
}

impl Expression {
    /// Calls `see` with the expression and everything in it.
    pub(crate) fn walk(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::Number(_) | Self::Text(_) | Self::Name(_) => {}
            Self::Negative(inner) => inner.walk(see),
            Self::Binary(_, left, right) => {
                left.walk(see);
                right.walk(see);
            }
            Self::Call(_, items) | Self::Array(items) => items.iter().for_each(|item| item.walk(see)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        fn tell(expression: &Expression) -> String {
            match expression {
                Expression::Number(number) => number.to_string(),
                Expression::Text(text) => format!("'{text}'"),
                Expression::Name(name) => name.clone(),
                Expression::Negative(inner) => format!("-{}", tell(inner)),
                Expression::Binary(operator, left, right) => format!("({} {operator:?} {})", tell(left), tell(right)),
                Expression::Call(name, items) => {
                    format!("{name}({})", items.iter().map(tell).collect::<Vec<_>>().join(" "))
                }
                Expression::Array(items) => format!("[{}]", items.iter().map(tell).collect::<Vec<_>>().join(" ")),
            }
        }
        parse(text).map_or_else(|wrong| wrong.0, |expression| tell(&expression))
    }

    #[test]
    fn operators_bind_as_they_do_elsewhere() {
        for (text, wanted) in [
            ("m1+m2*3", "(m1 Plus (m2 Times 3))"),
            ("(m1+m2)/60", "((m1 Plus m2) Divided 60)"),
            ("a-b-c", "((a Minus b) Minus c)"),
            ("-m1^2", "-(m1 Power 2)"),
            ("2*-1.5e1", "(2 Times -15)"),
            ("m1>=1 AND m2<.5 OR 0", "(((m1 GreaterOrEqual 1) And (m2 Less 0.5)) Or 0)"),
            ("IF(m1 == 0, [m1, m2], METRICS('a b'))", "IF((m1 Equal 0) [m1 m2] METRICS('a b'))"),
            ("FILL(m1,REPEAT)", "FILL(m1 REPEAT)"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, wanted) in [
            ("", "The expression is not complete"),
            ("m1 +", "The expression is not complete"),
            ("m1 m2", "Unexpected name: m2"),
            ("(m1", "Missing character: )"),
            ("m1 ? 2", "Unexpected character: ?"),
            ("'abc", "A text has no end"),
            ("1.2.3", "Unexpected number: 0.3"),
            (&"(".repeat(100), "The expression is nested too deeply"),
            ("é", "Unexpected character: é"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }
}
