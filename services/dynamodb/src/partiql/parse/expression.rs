//! What has a value in a statement, and what is true or false.

use super::{LEFT_OVER, NO_TERM, Parsed, Parser};
use crate::expression::syntax::Comparator;
use crate::expression::{Element, Path};
use crate::partiql::lexer::{Kind, Token};
use crate::partiql::problem::StatementProblem;
use crate::partiql::tree::{At, Expression, Is};
use crate::partiql::words;

/// How many parentheses and brackets are followed into each other: twice as many as values may have levels.
const MAX_NESTING: usize = 64;
/// The last index a list can be asked for.
const MAX_INDEX: u32 = i32::MAX.cast_unsigned();

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(StatementProblem::TooDeep("root".into()));
        }
        let parsed = self.chain("OR", Self::conjunction, Expression::Or);
        self.nesting -= 1;
        parsed
    }

    fn conjunction(&mut self) -> Parsed<Expression> {
        self.chain("AND", Self::negation, Expression::And)
    }

    /// Parts with an operator between them, or the only part.
    fn chain(
        &mut self,
        operator: &str,
        part: fn(&mut Self) -> Parsed<Expression>,
        whole: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Expression> {
        let first = part(self)?;
        if !self.is_word(operator) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_word(operator) {
            self.right_hand_side()?;
            parts.push(part(self)?);
        }
        Ok(whole(parts))
    }

    /// Refuses the end of a statement behind an operator.
    fn right_hand_side(&self) -> Parsed<()> {
        if self.is_end() {
            return Err(StatementProblem::Malformed("Missing right-hand side expression of infix operator"));
        }
        Ok(())
    }

    fn negation(&mut self) -> Parsed<Expression> {
        let mut negated = false;
        while self.take_word("NOT") {
            negated = !negated;
        }
        let parsed = self.comparison()?;
        Ok(if negated { Expression::Not(Box::new(parsed)) } else { parsed })
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.sum()?;
        if let Kind::Symbol(symbol) = self.peek().kind
            && let Some(comparator) = Comparator::from_symbol(if symbol == "!=" { "<>" } else { symbol })
        {
            self.take();
            self.right_hand_side()?;
            let right = Box::new(self.sum()?);
            return Ok(Expression::Compare { comparator, left: Box::new(left), right });
        }
        let negated = self.is_word("NOT")
            && matches!(&self.peek_after(1).kind, Kind::Word(word)
                if word.eq_ignore_ascii_case("IN") || word.eq_ignore_ascii_case("BETWEEN"));
        if negated {
            self.take();
        }
        let value = Box::new(left);
        let test = if self.take_word("BETWEEN") {
            self.right_hand_side()?;
            let low = Box::new(self.sum()?);
            if !self.take_word("AND") {
                return Err(NO_TERM);
            }
            self.right_hand_side()?;
            Expression::Between { value, low, high: Box::new(self.sum()?) }
        } else if self.take_word("IN") {
            self.right_hand_side()?;
            Expression::In { value, candidates: self.candidates()? }
        } else if self.take_word("IS") {
            return self.is(value);
        } else if self.is_word("LIKE") {
            return Err(StatementProblem::Operation("Like"));
        } else {
            return Ok(*value);
        };
        Ok(if negated { Expression::Not(Box::new(test)) } else { test })
    }

    /// What stands behind `IN`: values in brackets of any kind.
    fn candidates(&mut self) -> Parsed<Vec<Expression>> {
        let close = match self.peek().kind {
            Kind::Symbol("[") => "]",
            Kind::Symbol("(") => ")",
            Kind::Symbol("<<") => ">>",
            _ => return Err(self.no_term()),
        };
        self.take();
        let candidates = self.list(Self::expression)?;
        self.expect_symbol(close)?;
        Ok(candidates)
    }

    /// What stands behind `IS`.
    fn is(&mut self, value: Box<Expression>) -> Parsed<Expression> {
        let negated = self.take_word("NOT");
        let unknown = StatementProblem::Malformed("Expected type name");
        let Kind::Word(word) = self.peek().kind.clone() else { return Err(unknown) };
        let what = if word.eq_ignore_ascii_case("MISSING") {
            Is::Missing
        } else {
            Is::Type(words::type_named(&word).ok_or(unknown)?)
        };
        self.take();
        // Two types have names of two words.
        if word.eq_ignore_ascii_case("DOUBLE") {
            self.take_word("PRECISION");
        } else if word.eq_ignore_ascii_case("CHARACTER") {
            self.take_word("VARYING");
        }
        let test = Expression::Is { value, what };
        Ok(if negated { Expression::Not(Box::new(test)) } else { test })
    }

    fn sum(&mut self) -> Parsed<Expression> {
        let left = self.signed()?;
        let plus = self.is_symbol("+");
        if !plus && !self.is_symbol("-") {
            return Ok(left);
        }
        self.take();
        self.right_hand_side()?;
        let right = Box::new(self.signed()?);
        Ok(Expression::Arithmetic { plus, left: Box::new(left), right })
    }

    /// A term, or a number with signs before it.
    fn signed(&mut self) -> Parsed<Expression> {
        let (mut signs, mut negative) = (false, false);
        while self.is_symbol("-") || self.is_symbol("+") {
            negative ^= self.is_symbol("-");
            signs = true;
            self.take();
        }
        match self.term()? {
            Expression::Number(text) if negative => Ok(Expression::Number(format!("-{text}"))),
            Expression::Number(text) => Ok(Expression::Number(text)),
            _ if signs => Err(StatementProblem::Operation("Negate")),
            other => Ok(other),
        }
    }

    fn term(&mut self) -> Parsed<Expression> {
        let Token { kind, at } = self.peek().clone();
        match kind {
            Kind::Text(text) => self.taken(Expression::Text(text)),
            Kind::Number(text) => self.taken(Expression::Number(text)),
            Kind::Parameter => {
                self.parameters += 1;
                self.taken(Expression::Parameter(self.parameters - 1, at))
            }
            Kind::Symbol("(") => {
                self.take();
                let inside = self.expression()?;
                self.expect_symbol(")")?;
                Ok(inside)
            }
            Kind::Symbol("[") => self.collection("]", Self::expression).map(Expression::List),
            Kind::Symbol("<<") => self.collection(">>", Self::expression).map(Expression::Bag),
            Kind::Symbol("{") => self.collection("}", Self::member).map(Expression::Map),
            Kind::Word(word) => self.word(&word, at),
            Kind::Quoted(_) => self.path().map(|(path, at)| Expression::Path(path, at)),
            Kind::Symbol(_) | Kind::End => Err(self.no_term()),
        }
    }

    fn taken(&mut self, term: Expression) -> Parsed<Expression> {
        self.take();
        Ok(term)
    }

    fn word(&mut self, word: &str, at: At) -> Parsed<Expression> {
        if matches!(self.peek_after(1).kind, Kind::Symbol("(")) && words::is_function(word) {
            self.take();
            // A star is what COUNT counts; no function here takes it, but it is not what is wrong with the statement.
            let arguments = if matches!(self.peek_after(1).kind, Kind::Symbol("*")) {
                self.take();
                self.take();
                self.expect_symbol(")")?;
                Vec::new()
            } else {
                self.collection(")", Self::expression)?
            };
            return Ok(Expression::Call { function: word.to_ascii_lowercase(), arguments, at });
        }
        match word.to_ascii_uppercase().as_str() {
            "TRUE" => self.taken(Expression::Bool(true)),
            "FALSE" => self.taken(Expression::Bool(false)),
            "NULL" => self.taken(Expression::Null),
            _ => self.path().map(|(path, at)| Expression::Path(path, at)),
        }
    }

    /// None or more with commas between, from the bracket at hand to the one that closes it.
    fn collection<T>(&mut self, close: &str, part: fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.take();
        if self.take_symbol(close) {
            return Ok(Vec::new());
        }
        let parts = self.list(part)?;
        self.expect_symbol(close)?;
        Ok(parts)
    }

    fn member(&mut self) -> Parsed<(String, Expression)> {
        let (Kind::Text(name) | Kind::Quoted(name)) = self.peek().kind.clone() else { return Err(self.no_term()) };
        self.take();
        self.expect_symbol(":")?;
        Ok((name, self.expression()?))
    }

    /// A path and where its first name stands.
    pub(super) fn path(&mut self) -> Parsed<(Path, At)> {
        let Token { kind, at } = self.peek().clone();
        let root = match kind {
            Kind::Quoted(name) => name,
            Kind::Word(name) if !words::is_keyword(&name) => name,
            _ => return Err(self.no_term()),
        };
        self.take();
        let mut path = Path::attribute(root);
        loop {
            if self.take_symbol(".") {
                let name = match self.peek().kind.clone() {
                    Kind::Quoted(name) => name,
                    Kind::Word(name) if !words::is_keyword(&name) => name,
                    _ => return Err(StatementProblem::Malformed("Invalid path dot component")),
                };
                self.take();
                path.rest.push(Element::Attribute(name));
            } else if self.take_symbol("[") {
                path.rest.push(self.step()?);
                self.expect_symbol("]")?;
            } else {
                return Ok((path, at));
            }
        }
    }

    /// What stands in the brackets of a path: an index, or a name in quotes.
    fn step(&mut self) -> Parsed<Element> {
        let negative = self.take_symbol("-");
        let Token { kind, at } = self.take();
        match kind {
            Kind::Text(name) if !negative => Ok(Element::Attribute(name)),
            Kind::Number(digits) => {
                let index = digits.parse().ok().filter(|index| *index <= MAX_INDEX && (!negative || *index == 0));
                let written = || if negative { format!("-{digits}") } else { digits.clone() };
                let outside = || StatementProblem::ListIndex { index: written().into(), at };
                Ok(Element::Index(index.ok_or_else(outside)?))
            }
            _ => Err(LEFT_OVER),
        }
    }
}
