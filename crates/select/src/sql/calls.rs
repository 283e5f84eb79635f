//! Calls of functions, each with a grammar of its own.

use crate::error::{Code, Error, Result};
use crate::types::{Part, Value};

use super::lexer::Token;
use super::parser::{Parser, Tree, on_top, power};
use super::tree::{Aggregate, AggregateKind, Expression, Function, Trim, Type};

const OPEN: Code = Code::ParseExpectedLeftParenBuiltinFunctionCall;
const CLOSE: Code = Code::ParseExpectedRightParenBuiltinFunctionCall;

impl Parser {
    fn open(&mut self) -> Result<()> {
        self.expect_sign('(', OPEN, "LEFT_PAREN")
    }

    fn close(&mut self) -> Result<()> {
        self.expect_sign(')', CLOSE, "RIGHT_PAREN")
    }

    /// What begins with a keyword, at which the parser stands.
    pub(super) fn call_of_keyword(&mut self, word: &'static str) -> Result<Tree> {
        let function = match word {
            "case" => return self.case(),
            "cast" => return self.cast(),
            "avg" => return self.aggregate(AggregateKind::Average),
            "count" => return self.aggregate(AggregateKind::Count),
            "max" => return self.aggregate(AggregateKind::Maximum),
            "min" => return self.aggregate(AggregateKind::Minimum),
            "sum" => return self.aggregate(AggregateKind::Sum),
            "substring" => return self.substring(),
            "trim" => return self.trim(),
            "extract" => return self.extract(),
            "char_length" | "character_length" => Function::CharLength,
            "lower" => Function::Lower,
            "upper" => Function::Upper,
            "coalesce" => Function::Coalesce,
            "nullif" => Function::NullIf,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        self.open()?;
        let (arguments, height) = self.list(')')?;
        called(function, arguments, height)
    }

    /// A function whose name is no keyword.
    pub(super) fn call(&mut self, name: &str) -> Result<Tree> {
        let function = match name.to_ascii_lowercase().as_str() {
            "to_string" => Function::ToString,
            "to_timestamp" => Function::ToTimestamp,
            "utcnow" => Function::UtcNow,
            "date_add" => return self.of_part(Function::DateAdd),
            "date_diff" => return self.of_part(Function::DateDiff),
            _ => {
                let message = format!("{} {name} at {}.", Code::UnsupportedFunction.message(), self.at());
                return Err(Error::new(Code::UnsupportedFunction, message));
            }
        };
        self.advance();
        self.open()?;
        let (arguments, height) = self.list(')')?;
        called(function, arguments, height)
    }

    fn part(&mut self, zones: bool) -> Result<Part> {
        let found = match self.peek() {
            Token::Keyword(word) => Part::of(word),
            Token::Identifier(word) => Part::of(word),
            _ => None,
        };
        let zoned = matches!(found, Some(Part::TimezoneHour | Part::TimezoneMinute));
        match found.filter(|_| zones || !zoned) {
            Some(part) => {
                self.advance();
                Ok(part)
            }
            None => Err(self.expected(Code::ParseExpectedDatePart, "one of: [year, month, day, hour, minute, second]")),
        }
    }

    /// `DATE_ADD(part, a, b)`
    fn of_part(&mut self, function: fn(Part) -> Function) -> Result<Tree> {
        self.advance();
        self.open()?;
        let part = self.part(false)?;
        self.expect_sign(',', Code::ParseExpectedArgumentDelimiter, "argument delimiter")?;
        let (arguments, height) = self.list(')')?;
        called(function(part), arguments, height)
    }

    /// `EXTRACT(part FROM moment)`
    fn extract(&mut self) -> Result<Tree> {
        self.advance();
        self.open()?;
        let part = self.part(true)?;
        self.expect_keyword("from")?;
        let moment = self.expression(power::ANY)?;
        self.close()?;
        called(Function::Extract(part), vec![moment.0], moment.1)
    }

    /// `SUBSTRING(text FROM start FOR length)`, or with commas.
    fn substring(&mut self) -> Result<Tree> {
        self.advance();
        self.open()?;
        let text = self.expression(power::ANY)?;
        let (mut arguments, mut height) = (vec![text.0], text.1);
        if self.skip_keyword("from") {
            let start = self.expression(power::ANY)?;
            arguments.push(start.0);
            height = height.max(start.1);
            if self.skip_keyword("for") {
                let length = self.expression(power::ANY)?;
                arguments.push(length.0);
                height = height.max(length.1);
            }
            self.close()?;
        } else if self.skip_sign(',') {
            let (mut more, inner) = self.list(')')?;
            arguments.append(&mut more);
            height = height.max(inner);
        } else {
            self.close()?;
        }
        called(Function::Substring, arguments, height)
    }

    /// `TRIM(LEADING 'x' FROM text)`, each part but the text optional.
    fn trim(&mut self) -> Result<Tree> {
        self.advance();
        self.open()?;
        let ends = [("leading", Trim::Leading), ("trailing", Trim::Trailing), ("both", Trim::Both)];
        let end = ends.iter().find(|(word, _)| self.skip_keyword(word)).map(|(_, end)| *end);
        let blank = || (Expression::Literal(Value::String(" ".to_owned())), 1);
        let (characters, text) = if self.skip_keyword("from") {
            (blank(), self.expression(power::ANY)?)
        } else {
            let first = self.expression(power::ANY)?;
            if self.skip_keyword("from") { (first, self.expression(power::ANY)?) } else { (blank(), first) }
        };
        self.close()?;
        let height = characters.1.max(text.1);
        called(Function::Trim(end.unwrap_or(Trim::Both)), vec![text.0, characters.0], height)
    }

    fn case(&mut self) -> Result<Tree> {
        self.advance();
        let mut height = 0;
        let mut taken = |tree: Tree| {
            height = height.max(tree.1);
            tree.0
        };
        let of = match self.peek() {
            Token::Keyword("when") => None,
            _ => Some(Box::new(taken(self.expression(power::ANY)?))),
        };
        let mut when = Vec::new();
        while self.skip_keyword("when") {
            let condition = taken(self.expression(power::ANY)?);
            self.expect_keyword("then")?;
            when.push([condition, taken(self.expression(power::ANY)?)]);
        }
        if when.is_empty() {
            return Err(self.expected(Code::ParseExpectedWhenClause, "WHEN clause"));
        }
        let otherwise =
            if self.skip_keyword("else") { Some(Box::new(taken(self.expression(power::ANY)?))) } else { None };
        self.expect_keyword("end")?;
        on_top(Expression::Case { of, when, otherwise }, &[height])
    }

    fn cast(&mut self) -> Result<Tree> {
        self.advance();
        self.expect_sign('(', Code::ParseExpectedLeftParenAfterCast, "LEFT_PAREN")?;
        let of = self.expression(power::ANY)?;
        if !self.skip_keyword("as") {
            return Err(self.expected(Code::ParseCastArity, "AS"));
        }
        let to = self.type_name()?;
        self.close()?;
        on_top(Expression::Cast(Box::new(of.0), to), &[of.1])
    }

    fn type_name(&mut self) -> Result<Type> {
        let to = match self.peek() {
            Token::Keyword("bool" | "boolean") => Type::Bool,
            Token::Keyword("int" | "integer") => Type::Int,
            Token::Keyword("string" | "varchar" | "char") => Type::String,
            Token::Keyword("float" | "double" | "real") => Type::Float,
            Token::Keyword("decimal" | "numeric") => Type::Decimal,
            Token::Keyword("timestamp") => Type::Timestamp,
            Token::Keyword(_) | Token::Identifier(_) => return Err(Code::InvalidDataType.into()),
            _ => return Err(self.expected(Code::ParseExpectedTypeName, "type name")),
        };
        let double = matches!(self.peek(), Token::Keyword("double"));
        self.advance();
        if double {
            self.skip_keyword("precision");
        }
        // "Amazon S3 Select ignores scale and precision when you provide both at the same time."
        if self.skip_sign('(') {
            loop {
                if !matches!(self.peek(), Token::Literal(Value::Int(_))) {
                    return Err(self.expected(Code::ParseInvalidTypeParam, "a number"));
                }
                self.advance();
                if !self.skip_sign(',') {
                    break;
                }
            }
            self.close()?;
        }
        Ok(to)
    }

    fn aggregate(&mut self, kind: AggregateKind) -> Result<Tree> {
        if !self.may_aggregate {
            return Err(Code::UnsupportedSqlStructure.into());
        }
        self.advance();
        self.open()?;
        if self.skip_sign('*') {
            if kind != AggregateKind::Count {
                return Err(Code::ParseUnsupportedCallWithStar.into());
            }
            self.close()?;
            return Ok(self.aggregated(kind, None));
        }
        if matches!(self.peek(), Token::Keyword("distinct" | "all")) {
            return Err(Code::UnsupportedSqlStructure.into());
        }
        self.may_aggregate = false;
        let (mut arguments, _) = self.list(')')?;
        self.may_aggregate = true;
        match (arguments.pop(), arguments.is_empty()) {
            (Some(of), true) => Ok(self.aggregated(kind, Some(of))),
            _ => Err(Code::ParseNonUnaryAggregateFunctionCall.into()),
        }
    }

    fn aggregated(&mut self, kind: AggregateKind, of: Option<Expression>) -> Tree {
        self.aggregates.push(Aggregate { kind, of });
        (Expression::Aggregate(self.aggregates.len() - 1), 1)
    }
}

/// A call with as many arguments as the function takes.
fn called(function: Function, arguments: Vec<Expression>, height: u32) -> Result<Tree> {
    let fits = match function {
        Function::UtcNow => arguments.is_empty(),
        Function::CharLength | Function::Lower | Function::Upper | Function::ToTimestamp | Function::Extract(_) => {
            arguments.len() == 1
        }
        Function::Trim(_) | Function::DateAdd(_) | Function::DateDiff(_) | Function::ToString | Function::NullIf => {
            arguments.len() == 2
        }
        Function::Substring => (2..=3).contains(&arguments.len()),
        Function::Coalesce => !arguments.is_empty(),
    };
    if !fits {
        return Err(Code::EvaluatorInvalidArguments.into());
    }
    on_top(Expression::Call(function, arguments), &[height])
}
