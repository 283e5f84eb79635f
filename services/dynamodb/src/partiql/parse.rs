//! Tokens into statements.

mod expression;

use super::lexer::{Kind, Token, tokens};
use super::problem::StatementProblem;
use super::tree::{Change, Expression, Returning, Select, Source, Statement};
use super::words;

type Parsed<T> = Result<T, StatementProblem>;

const LEFT_OVER: StatementProblem = StatementProblem::Malformed("Unexpected token after expression");
const NO_CHANGE: StatementProblem = StatementProblem::Malformed("Expected data manipulation");
const NO_TERM: StatementProblem = StatementProblem::Malformed("Unexpected term");
const NO_TABLE: StatementProblem = StatementProblem::Malformed("Expected identifier for simple path");

/// Parses a statement.
///
/// # Errors
/// What AWS says of one that is not of the grammar.
pub(super) fn statement(text: &str) -> Parsed<Statement> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, parameters: 0, nesting: 0, unsupported: None };
    let statement = parser.statement()?;
    parser.take_symbol(";");
    if parser.peek().kind != Kind::End {
        return Err(LEFT_OVER);
    }
    parser.unsupported.map_or(Ok(statement), Err)
}

/// The tokens of a statement with a place among them.
struct Parser {
    /// Never empty: the last is the end.
    tokens: Vec<Token>,
    at: usize,
    /// Parameters met so far.
    parameters: usize,
    /// Parentheses and brackets that are open.
    nesting: usize,
    /// What is of the grammar but not supported: it is said of statements that are read to their end.
    unsupported: Option<StatementProblem>,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.peek_after(0)
    }

    fn peek_after(&self, ahead: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + ahead).min(last)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek().kind, Kind::Symbol(found) if found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, Kind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// Whether the statement ends here.
    fn is_end(&self) -> bool {
        self.peek().kind == Kind::End || self.is_symbol(";")
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.no_term()) }
    }

    /// One or more with commas between.
    fn list<T>(&mut self, part: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut parts = vec![part(self)?];
        while self.take_symbol(",") {
            parts.push(part(self)?);
        }
        Ok(parts)
    }

    /// What is said of a token where something with a value should begin.
    fn no_term(&self) -> StatementProblem {
        match &self.peek().kind {
            Kind::Word(word) if words::is_operator(word) => StatementProblem::Malformed("Unexpected operator"),
            Kind::Word(word) if words::is_keyword(word) => StatementProblem::Malformed("Unexpected keyword"),
            Kind::Symbol("=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "*" | "/" | "%" | "||" | "+" | "-") => {
                StatementProblem::Malformed("Unexpected operator")
            }
            _ => NO_TERM,
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.take_word("SELECT") {
            return self.select().map(Statement::Select);
        }
        if self.take_word("INSERT") {
            return self.insert();
        }
        if self.take_word("UPDATE") {
            return self.update();
        }
        if self.take_word("DELETE") {
            return self.delete();
        }
        if self.take_word("FROM") {
            return self.update_from();
        }
        let exists = matches!(self.peek_after(1).kind, Kind::Symbol("("))
            && matches!(&self.peek_after(2).kind, Kind::Word(word) if word.eq_ignore_ascii_case("SELECT"));
        if exists && self.take_word("EXISTS") {
            self.take();
            self.take();
            let select = self.select()?;
            self.expect_symbol(")")?;
            return Ok(Statement::Exists(select));
        }
        Err(self.no_statement())
    }

    /// What is said of a text that is an expression and not a statement, or not even that.
    fn no_statement(&mut self) -> StatementProblem {
        let read = match self.expression() {
            Ok(read) => read,
            Err(problem) => return problem,
        };
        // A misspelt SELECT is a name, and its star a multiplication with a FROM that changes nothing.
        if self.is_end() || self.is_symbol("*") {
            match read {
                Expression::Is { .. } => StatementProblem::Operation("IsType"),
                _ => NO_CHANGE,
            }
        } else {
            LEFT_OVER
        }
    }

    fn select(&mut self) -> Parsed<Select> {
        let columns = if self.take_symbol("*") { None } else { Some(self.list(Self::column)?) };
        if !self.take_word("FROM") {
            return Err(if self.is_end() { NO_TERM } else { LEFT_OVER });
        }
        let source = self.source(Self::no_term)?;
        let condition = self.condition()?;
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            if !self.take_word("BY") {
                return Err(self.no_term());
            }
            order = self.list(Self::order_key)?;
        }
        if self.take_word("LIMIT") {
            let at = self.peek().at;
            self.expression()?;
            self.unsupported.get_or_insert(StatementProblem::Clause { clause: "LIMIT", at });
        }
        Ok(Select { columns, source, condition, order })
    }

    /// A column, and another name for it if one follows.
    fn column(&mut self) -> Parsed<Expression> {
        let column = self.expression()?;
        if self.take_word("AS") {
            self.path()?;
            self.unsupported.get_or_insert(StatementProblem::Alias);
        }
        Ok(column)
    }

    fn order_key(&mut self) -> Parsed<(String, bool)> {
        let Expression::Path(path, at) = self.expression()? else { return Err(NO_TERM) };
        if path.is_nested() {
            return Err(StatementProblem::PathComponent(at));
        }
        let descends = self.take_word("DESC");
        if !descends {
            self.take_word("ASC");
        }
        Ok((path.root, descends))
    }

    fn insert(&mut self) -> Parsed<Statement> {
        if !self.take_word("INTO") {
            return Err(NO_CHANGE);
        }
        let components = self.components(|_| NO_TABLE)?;
        if !self.take_word("VALUE") {
            self.expression()?;
            return Err(LEFT_OVER);
        }
        let value = self.expression()?;
        let [table]: [String; 1] = components.try_into().map_err(|_| StatementProblem::InsertSource)?;
        Ok(Statement::Insert { table, value })
    }

    fn update(&mut self) -> Parsed<Statement> {
        let source = self.source(|_| NO_TABLE)?;
        let changes = self.changes()?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        Ok(Statement::Update { source, changes, condition, returning })
    }

    /// `FROM table WHERE condition SET …`, another way to write an UPDATE.
    fn update_from(&mut self) -> Parsed<Statement> {
        let source = self.source(Self::no_term)?;
        let condition = self.condition()?;
        let changes = self.changes()?;
        let returning = self.returning()?;
        Ok(Statement::Update { source, changes, condition, returning })
    }

    fn delete(&mut self) -> Parsed<Statement> {
        if !self.take_word("FROM") {
            return Err(NO_CHANGE);
        }
        let source = self.source(|_| NO_TABLE)?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        Ok(Statement::Delete { source, condition, returning })
    }

    fn changes(&mut self) -> Parsed<Vec<Change>> {
        let mut changes = Vec::new();
        loop {
            if self.take_word("SET") {
                changes.extend(self.list(Self::assignment)?);
            } else if self.take_word("REMOVE") {
                changes.push(Change::Remove(self.path()?.0));
            } else if changes.is_empty() {
                return Err(NO_CHANGE);
            } else {
                return Ok(changes);
            }
        }
    }

    fn assignment(&mut self) -> Parsed<Change> {
        let (path, _) = self.path()?;
        if !self.take_symbol("=") {
            return Err(if self.is_end() { NO_TERM } else { LEFT_OVER });
        }
        if self.is_end() {
            return Err(NO_TERM);
        }
        Ok(Change::Set(path, self.expression()?))
    }

    fn condition(&mut self) -> Parsed<Option<Expression>> {
        if self.take_word("WHERE") { self.expression().map(Some) } else { Ok(None) }
    }

    fn returning(&mut self) -> Parsed<Option<Returning>> {
        if !self.take_word("RETURNING") {
            return Ok(None);
        }
        let all = self.take_word("ALL");
        if !all && !self.take_word("MODIFIED") {
            return Err(self.no_term());
        }
        let old = self.take_word("OLD");
        if (!old && !self.take_word("NEW")) || !self.take_symbol("*") {
            return Err(LEFT_OVER);
        }
        Ok(Some(match (all, old) {
            (true, true) => Returning::AllOld,
            (true, false) => Returning::AllNew,
            (false, true) => Returning::ModifiedOld,
            (false, false) => Returning::ModifiedNew,
        }))
    }

    /// A table or an index, and another name for it if one follows.
    fn source(&mut self, missing: fn(&Self) -> StatementProblem) -> Parsed<Source> {
        let mut components = self.components(missing)?.into_iter();
        let (table, index) = (components.next().unwrap_or_default(), components.next());
        if components.next().is_some() {
            return Err(StatementProblem::LongSource);
        }
        let as_word = self.take_word("AS");
        let named = match &self.peek().kind {
            Kind::Quoted(_) => true,
            Kind::Word(word) => !words::is_keyword(word) && !word.eq_ignore_ascii_case("RETURNING"),
            _ => false,
        };
        if named {
            self.take();
            self.unsupported.get_or_insert(StatementProblem::Alias);
        } else if as_word {
            return Err(self.no_term());
        }
        Ok(Source { table, index })
    }

    /// The names of a table, with dots between.
    fn components(&mut self, missing: fn(&Self) -> StatementProblem) -> Parsed<Vec<String>> {
        let mut components = Vec::new();
        loop {
            let name = match &self.peek().kind {
                Kind::Quoted(name) => name.clone(),
                Kind::Word(name) if !words::is_keyword(name) => name.clone(),
                _ if components.is_empty() => return Err(missing(self)),
                _ => return Err(StatementProblem::Malformed("Invalid path dot component")),
            };
            self.take();
            if name.is_empty() {
                return Err(StatementProblem::EmptyComponent);
            }
            components.push(name);
            if !self.take_symbol(".") {
                return Ok(components);
            }
        }
    }
}
