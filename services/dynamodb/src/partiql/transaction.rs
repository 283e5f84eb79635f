//! ExecuteTransaction.

use super::execute::shorter;
use super::parse;
use super::problem::StatementProblem;
use super::reads::{self, Planned};
use super::tree::Statement;
use super::value::Values;
use super::{parameters, write};
use crate::DynamoDb;
use crate::api::{ExecuteTransactionInput, ExecuteTransactionOutput};
use crate::error::{Error, Result};
use crate::expression::projection::Projection;
use crate::items::transact::{Get, Reason, cancelled};
use crate::items::write::ItemWrite;
use crate::items::write_one::shows_old;
use crate::request::scope;
use crate::rows::Descriptions;
use crate::table::Table;
use crate::value::AttributeValue;
use std::sync::Arc;
use undercast_kernel::{Cx, fingerprint};

const TRANSACTION: &str = "ExecuteTransaction";

/// A statement of a transaction.
struct Member {
    statement: Statement,
    values: Vec<AttributeValue>,
    shown: bool,
}

/// What is wrong with a statement of a transaction: the whole request is refused, or the transaction is cancelled for it.
enum Wrong {
    Refused(Error),
    Cancelled(Reason),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<StatementProblem> for Wrong {
    fn from(problem: StatementProblem) -> Self {
        Self::Refused(problem.into())
    }
}

/// What AWS says of the key of a transaction's statement, as the reason why the transaction is cancelled.
fn cancels(error: impl Into<Error>) -> Wrong {
    match error.into() {
        Error::Aws(error) => Wrong::Cancelled(Some(error)),
        broken => Wrong::Refused(broken),
    }
}

/// Says which statement of a transaction is meant.
fn numbered(number: usize, error: Error) -> Error {
    match error {
        Error::Aws(error) if error.code == "ValidationException" => {
            Error::validation(format_args!("Validation failed in TransactStatements[{number}]: {}", error.message))
        }
        other => other,
    }
}

impl DynamoDb {
    /// Carries out all statements, or none: all of them read, or all of them write.
    ///
    /// # Errors
    /// What AWS says, with the reason of each statement in order, and when the store fails.
    pub(crate) async fn transaction(
        &self,
        cx: &Cx,
        mut input: ExecuteTransactionInput,
    ) -> Result<ExecuteTransactionOutput> {
        let token = input.client_request_token.take();
        let request = fingerprint(&input);
        let asked = input.return_consumed_capacity;
        let mut given = Vec::with_capacity(input.transact_statements.len());
        for one in input.transact_statements {
            let shown = shows_old(one.return_values_on_condition_check_failure.as_deref());
            given.push((one.statement, parameters(one.parameters)?, shown));
        }
        let mut members = Vec::with_capacity(given.len());
        for (number, (text, values, shown)) in given.into_iter().enumerate() {
            let statement = parse::statement(&text).map_err(|problem| numbered(number, problem.into()))?;
            members.push(Member { statement, values, shown });
        }
        let reads = members.iter().filter(|member| member.statement.reads()).count();
        if reads == 0 {
            let writes = self.settle(cx, &members, write_of)?;
            let (_, capacity) =
                self.write_all(cx, token.as_deref(), &request, &writes, asked.as_deref()).await.map_err(shorter)?;
            return Ok(ExecuteTransactionOutput { responses: Some(Vec::new()), consumed_capacity: capacity });
        }
        if members.iter().any(|member| matches!(member.statement, Statement::Exists(_))) {
            return Err(StatementProblem::ExistsElsewhere.into());
        }
        if reads < members.len() {
            return Err(StatementProblem::Mixed(TRANSACTION).into());
        }
        let gets = self.settle(cx, &members, get_of)?;
        let (responses, capacity) = self.get_all(cx, &gets, asked.as_deref())?;
        Ok(ExecuteTransactionOutput { responses: Some(responses), consumed_capacity: capacity })
    }

    /// What the statements ask of their tables.
    ///
    /// # Errors
    /// When one of them cannot be part of a transaction; else, when one has no table or no item, the transaction is cancelled.
    fn settle<T>(
        &self,
        cx: &Cx,
        members: &[Member],
        of: fn(&Member, &Arc<Table>) -> std::result::Result<T, Wrong>,
    ) -> Result<Vec<T>> {
        let from = cx.read();
        let known: &Descriptions = &self.descriptions;
        let mut settled = Vec::with_capacity(members.len());
        let mut reasons: Vec<Reason> = Vec::with_capacity(members.len());
        for (number, member) in members.iter().enumerate() {
            let name = crate::request::table_name(cx, member.statement.source().0);
            let table = match name {
                Ok(name) => known.get(&from, scope(cx), name)?.ok_or_else(Error::resource_not_found),
                Err(error) => Err(error),
            };
            let found = match table {
                Ok(table) => of(member, &table),
                Err(error) => Err(cancels(error)),
            };
            match found {
                Ok(one) => {
                    settled.push(one);
                    reasons.push(None);
                }
                Err(Wrong::Cancelled(reason)) => reasons.push(reason),
                Err(Wrong::Refused(error)) => return Err(numbered(number, error)),
            }
        }
        if reasons.iter().any(Option::is_some) { Err(cancelled(&reasons)) } else { Ok(settled) }
    }
}

fn write_of(member: &Member, table: &Arc<Table>) -> std::result::Result<ItemWrite, Wrong> {
    if member.statement.returning().is_some() {
        return Err(StatementProblem::ReturningInTransaction.into());
    }
    if matches!(member.statement, Statement::Exists(_)) && member.statement.source().1.is_some() {
        return Err(StatementProblem::IndexInTransaction.into());
    }
    let draft = write::Draft::of(&member.statement, Values { parameters: &member.values })?;
    let exists = matches!(draft, write::Draft::Exists(_));
    draft.on_table(table, member.shown).map_err(|error| match error {
        Error::Aws(wrong) if wrong.message == StatementProblem::KeyMissing.to_string() => {
            cancels(Error::validation(crate::table::MISMATCH))
        }
        other if exists => Wrong::Refused(other),
        other => cancels(other),
    })
}

fn get_of(member: &Member, table: &Arc<Table>) -> std::result::Result<Get, Wrong> {
    let Statement::Select(select) = &member.statement else {
        return Err(StatementProblem::Mixed(TRANSACTION).into());
    };
    if select.source.index.is_some() {
        return Err(StatementProblem::IndexInTransaction.into());
    }
    let draft = reads::Draft::of(select, Values { parameters: &member.values })?;
    let planned = match draft.on_table(table, false) {
        Err(Error::Aws(wrong)) if wrong.message.starts_with("Key attribute's data type") => {
            return Err(cancels(Error::validation(crate::table::MISMATCH)));
        }
        planned => planned?,
    };
    let key = planned.only_key().ok_or(StatementProblem::SelectByKey(TRANSACTION))?;
    let projection: Option<Projection> = Planned::projection(&planned).cloned();
    Ok(Get { table: table.name.clone(), key, projection })
}
