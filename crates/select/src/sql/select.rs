//! The one statement that there is.

use crate::error::{Code, Error, Result};
use crate::types::Value;

use super::lexer::{self, Token};
use super::parser::{Parser, power};
use super::tree::{Expression, Item, Name, Query, Step};

/// The longest expression: 256 KB.
const MOST_BYTES: usize = 256 * 1024;

/// The table that there is, and how it may be called where nothing else is said.
const TABLE: &str = "S3Object";

/// A query of its text.
pub(crate) fn parse(text: &str) -> Result<Query> {
    if text.len() > MOST_BYTES {
        return Err(Code::ExpressionTooLong.into());
    }
    let mut parser = Parser::new(lexer::words(text)?);
    if !parser.skip_keyword("select") {
        return Err(parser.unexpected());
    }
    if matches!(parser.peek(), Token::Keyword("distinct" | "all")) {
        return Err(Code::ParseUnsupportedSelect.into());
    }
    let items = parser.items()?;
    if !parser.skip_keyword("from") {
        return match parser.peek() {
            Token::End => Err(Code::ParseSelectMissingFrom.into()),
            _ => Err(parser.unexpected()),
        };
    }
    let (from, names) = parser.from()?;
    let condition = match parser.skip_keyword("where") {
        true => Some(parser.expression(power::ANY)?.0),
        false => None,
    };
    if matches!(parser.peek(), Token::Keyword("group")) {
        return Err(Code::ParseExpectedIdentForGroupName.into());
    }
    let limit = match parser.skip_keyword("limit") {
        true => Some(parser.limit()?),
        false => None,
    };
    parser.skip_sign(';');
    if !matches!(parser.peek(), Token::End) {
        return Err(parser.unexpected());
    }
    let mut query = Query { items, from, names, condition, limit, aggregates: parser.aggregates };
    check(&mut query)?;
    Ok(query)
}

impl Parser {
    fn items(&mut self) -> Result<Vec<Item>> {
        if matches!(self.peek(), Token::Keyword("from") | Token::End) {
            return Err(Code::ParseEmptySelect.into());
        }
        self.may_aggregate = true;
        let mut items = Vec::new();
        let mut alone = false;
        loop {
            if self.skip_sign('*') {
                alone = true;
                items.push(Item::All);
            } else {
                items.push(self.item()?);
            }
            if !self.skip_sign(',') {
                break;
            }
        }
        self.may_aggregate = false;
        if alone && items.len() > 1 {
            return Err(Code::ParseAsteriskIsNotAloneInSelectList.into());
        }
        Ok(items)
    }

    fn item(&mut self) -> Result<Item> {
        let (expression, _) = self.expression(power::ANY)?;
        if self.is_sign('.') && matches!(self.peek_second(), Token::Sign('*')) {
            // Whose they are is checked when the names of the record are known.
            let Expression::Path(path) = &expression else { return Err(self.unexpected()) };
            if !path.steps.is_empty() {
                return Err(Code::ParseInvalidContextForWildcardInSelectList.into());
            }
            let name = path.root.clone();
            self.advance();
            self.advance();
            return Ok(Item::AllOf(name));
        }
        let alias = if self.skip_keyword("as") {
            let alias = self.name();
            Some(alias.ok_or_else(|| self.expected(Code::ParseExpectedIdentForAlias, "identifier for alias"))?.text)
        } else {
            self.name().map(|name| name.text)
        };
        let alias = alias.or_else(|| own_name(&expression));
        Ok(Item::One(expression, alias))
    }

    /// The path behind the table, and what the record is called.
    fn from(&mut self) -> Result<(Vec<Step>, Vec<Name>)> {
        let table = self.name().ok_or_else(|| self.unexpected())?;
        if !table.text.eq_ignore_ascii_case(TABLE) {
            return Err(Code::InvalidTableAlias.into());
        }
        let mut path = Vec::new();
        let mut listed = false;
        if self.is_sign('[') {
            path = self.steps(true)?;
            // Each document is one of the table's, so the first step is always there.
            if !matches!(path.first(), Some(Step::AnyIndex)) {
                return Err(Code::InvalidKeyPath.into());
            }
            path.remove(0);
            listed = true;
        } else if self.is_sign('.') {
            return Err(Code::InvalidKeyPath.into());
        }
        let alias = if self.skip_keyword("as") {
            Some(self.name().ok_or_else(|| self.expected(Code::ParseExpectedIdentForAlias, "identifier for alias"))?)
        } else {
            self.name()
        };
        if self.is_sign(',')
            || matches!(
                self.peek(),
                Token::Keyword("join" | "inner" | "left" | "right" | "full" | "cross" | "outer" | "natural")
            )
        {
            return Err(Code::ParseMalformedJoin.into());
        }
        Ok((path.clone(), names(alias, &path, listed)))
    }

    fn limit(&mut self) -> Result<u64> {
        let negative = matches!(self.peek(), Token::Operator("-"));
        if negative {
            self.advance();
        }
        let Token::Literal(Value::Int(number)) = *self.peek() else {
            return Err(self.expected(Code::ParseExpectedNumber, "number"));
        };
        self.advance();
        let number = if negative { -number } else { number };
        u64::try_from(number).map_err(|_| Code::EvaluatorNegativeLimit.into())
    }
}

/// How a record may be called: its alias; else the last name of the path, or `_1` behind a wildcard; else the table.
fn names(alias: Option<Name>, path: &[Step], listed: bool) -> Vec<Name> {
    let unquoted = |text: &str| Name { text: text.to_owned(), exact: false };
    match (alias, path.last()) {
        (Some(alias), _) => vec![alias],
        (None, Some(Step::Key(name))) => vec![name.clone()],
        (None, Some(_)) => vec![unquoted("_1")],
        (None, None) if listed => vec![unquoted("_1"), unquoted(TABLE)],
        (None, None) => vec![unquoted(TABLE)],
    }
}

/// The name that a column has without an alias.
fn own_name(expression: &Expression) -> Option<String> {
    let Expression::Path(path) = expression else { return None };
    match path.steps.last() {
        None => Some(path.root.text.clone()),
        Some(Step::Key(name)) => Some(name.text.clone()),
        Some(_) => None,
    }
}

/// What can be known only when all has been read.
fn check(query: &mut Query) -> Result<()> {
    let aggregated = !query.aggregates.is_empty();
    for item in &mut query.items {
        match item {
            Item::AllOf(name) if !query.names.iter().any(|own| own.text.eq_ignore_ascii_case(&name.text)) => {
                return Err(Code::ParseInvalidContextForWildcardInSelectList.into());
            }
            // Aggregates make one record of all, so nothing that is of one record can stand beside them.
            Item::All | Item::AllOf(_) if aggregated => return Err(Code::UnsupportedSqlStructure.into()),
            Item::All | Item::AllOf(_) => {}
            Item::One(expression, _) => expression.walk(&mut |inner| match inner {
                Expression::Path(_) if aggregated => Err(Error::from(Code::UnsupportedSqlStructure)),
                _ => Ok(()),
            })?,
        }
    }
    Ok(())
}
