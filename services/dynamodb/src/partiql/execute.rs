//! ExecuteStatement and BatchExecuteStatement.

use super::parse;
use super::problem::StatementProblem;
use super::reads::{self, Planned, Portion};
use super::tree::{Select, Statement};
use super::value::Values;
use super::{parameters, permission, write};
use crate::DynamoDb;
use crate::api::form::{self, Attributes};
use crate::api::input::BatchStatementRequest;
use crate::api::output::{BatchStatementError, BatchStatementResponse};
use crate::api::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, ExecuteStatementInput, ExecuteStatementOutput,
};
use crate::capacity::Reading;
use crate::error::{Error, Result};
use crate::items::consumed::{Bill, Consumed};
use crate::items::get::look_up;
use crate::items::write::{Action, Done, ItemWrite};
use crate::items::write_one::{returned_of_update, shows_old};
use crate::metrics;
use crate::request::scope;
use crate::throughput::reason_code;
use crate::value::AttributeValue;
use undercast_kernel::Cx;
use undercast_wire::AwsError;

const BATCH: &str = "BatchExecuteStatement";

/// What a statement of a batch answers.
#[derive(Default)]
struct Answer {
    /// Its table, if it came as far as that.
    table: Option<String>,
    item: Option<Attributes>,
    consumed: Option<Consumed>,
}

fn reading(consistent: Option<bool>) -> Reading {
    if consistent == Some(true) { Reading::Consistent } else { Reading::Eventual }
}

impl DynamoDb {
    /// Carries out a statement.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn execute(&self, cx: &Cx, input: ExecuteStatementInput) -> Result<ExecuteStatementOutput> {
        let values = parameters(input.parameters)?;
        let statement = parse::statement(&input.statement)?;
        let asked = input.return_consumed_capacity.as_deref();
        match &statement {
            Statement::Select(select) => {
                let portion = Portion {
                    scope: &format!("ExecuteStatement {} {values:?}", input.statement),
                    token: input.next_token.as_deref(),
                    limit: input.limit.and_then(|limit| usize::try_from(limit).ok()),
                    reading: reading(input.consistent_read),
                };
                self.execute_select(cx, select, &values, portion, asked)
            }
            Statement::Exists(_) => Err(StatementProblem::ExistsElsewhere.into()),
            write => {
                let shown = shows_old(input.return_values_on_condition_check_failure.as_deref());
                let write = self.drafted(cx, write, &values, shown)?;
                let done = self.write_item(cx, &write).await?;
                let consumed = Consumed::writing(&done, 1.0)?.report(asked);
                let returned = returned(&statement, &write, done)?;
                Ok(ExecuteStatementOutput {
                    items: Some(returned.into_iter().collect()),
                    next_token: None,
                    consumed_capacity: consumed,
                    last_evaluated_key: None,
                })
            }
        }
    }

    fn execute_select(
        &self,
        cx: &Cx,
        select: &Select,
        values: &[AttributeValue],
        portion: Portion<'_>,
        asked: Option<&str>,
    ) -> Result<ExecuteStatementOutput> {
        let draft = reads::Draft::of(select, Values { parameters: values })?;
        let from = cx.read();
        let table = self.described(cx, &from, &select.source.table)?;
        let planned = draft.on_table(&table, portion.reading == Reading::Consistent)?;
        let page = planned.run(&from, scope(cx), portion, &mut self.ledger(cx))?;
        metrics::returned(cx, &table, "ExecuteStatement", page.items.len());
        Ok(ExecuteStatementOutput {
            items: Some(page.items),
            next_token: page.token,
            consumed_capacity: page.consumed.report(asked),
            last_evaluated_key: page.last.map(Attributes::from),
        })
    }

    /// The write that a statement asks for.
    fn drafted(&self, cx: &Cx, statement: &Statement, values: &[AttributeValue], shown: bool) -> Result<ItemWrite> {
        let draft = write::Draft::of(statement, Values { parameters: values })?;
        let table = self.described(cx, &cx.read(), statement.source().0)?;
        draft.on_table(&table, shown)
    }

    async fn write_item(&self, cx: &Cx, write: &ItemWrite) -> Result<Done> {
        self.carry_out(cx, write, None, None).await.map(|answer| answer.done).map_err(shorter)
    }

    /// Carries out statements, each by itself: all of them read, or all of them write.
    ///
    /// # Errors
    /// When they are mixed, and when the store fails; what is wrong with one of them is its answer.
    pub(crate) async fn execute_batch(
        &self,
        cx: &Cx,
        input: BatchExecuteStatementInput,
    ) -> Result<BatchExecuteStatementOutput> {
        let parsed: Vec<_> = input.statements.into_iter().map(read_request).collect();
        let reads = parsed.iter().filter(|one| one.as_ref().is_ok_and(|one| one.statement.reads())).count();
        let known = parsed.iter().filter(|one| one.is_ok()).count();
        if reads > 0 && reads < known {
            return Err(StatementProblem::Mixed(BATCH).into());
        }
        let mut bill = Bill::default();
        let mut responses = Vec::with_capacity(parsed.len());
        for request in parsed {
            let mut answer = Answer::default();
            let result = match request {
                Ok(request) => self.execute_member(cx, &request, &mut answer).await,
                Err(error) => Err(error),
            };
            let error = match result {
                Ok(()) => None,
                Err(Error::Aws(error)) => Some(error_of(*error)),
                Err(broken) => return Err(broken),
            };
            if let Some(consumed) = answer.consumed {
                bill.add(consumed);
            }
            responses.push(BatchStatementResponse { error, table_name: answer.table, item: answer.item });
        }
        Ok(BatchExecuteStatementOutput {
            responses: Some(responses),
            consumed_capacity: bill.report(input.return_consumed_capacity.as_deref()),
        })
    }

    async fn execute_member(&self, cx: &Cx, request: &Request, answer: &mut Answer) -> Result<()> {
        let Request { text, statement, values, .. } = request;
        // Each statement is allowed or denied by itself.
        for access in permission::on_statement(self, cx, text, values, BATCH)? {
            if let Some(message) = cx.denied(&access)? {
                return Err(Error::access_denied(message));
            }
        }
        match statement {
            Statement::Select(select) => self.get_member(cx, select, request, answer),
            Statement::Exists(_) => Err(StatementProblem::ExistsElsewhere.into()),
            write => {
                let write = self.drafted(cx, write, values, request.shown)?;
                answer.table = Some(write.table.clone());
                let done = self.write_item(cx, &write).await?;
                answer.consumed = Some(Consumed::writing(&done, 1.0)?);
                answer.item = returned(statement, &write, done)?;
                Ok(())
            }
        }
    }

    /// A SELECT of a batch is a GetItem.
    fn get_member(&self, cx: &Cx, select: &Select, request: &Request, answer: &mut Answer) -> Result<()> {
        let draft = reads::Draft::of(select, Values { parameters: &request.values })?;
        let from = cx.read();
        let table = self.described(cx, &from, &select.source.table)?;
        let planned = draft.on_table(&table, false)?;
        let key = planned.only_key().ok_or(StatementProblem::SelectByKey(BATCH))?;
        answer.table = Some(table.name.clone());
        let mut ledger = self.ledger(cx);
        let reading = (request.reading, &mut ledger);
        let found = look_up(&from, cx, &table, &key, Planned::projection(&planned), reading)?;
        answer.consumed = Some(found.consumed);
        answer.item = found.item;
        Ok(())
    }
}

/// A statement of a batch.
struct Request {
    text: String,
    statement: Statement,
    values: Vec<AttributeValue>,
    reading: Reading,
    shown: bool,
}

fn read_request(request: BatchStatementRequest) -> Result<Request> {
    let values = parameters(request.parameters)?;
    Ok(Request {
        statement: parse::statement(&request.statement)?,
        text: request.statement,
        values,
        reading: reading(request.consistent_read),
        shown: shows_old(request.return_values_on_condition_check_failure.as_deref()),
    })
}

/// What a write answers with.
fn returned(statement: &Statement, write: &ItemWrite, done: Done) -> Result<Option<Attributes>> {
    let Some(returning) = statement.returning() else { return Ok(None) };
    match &write.action {
        Action::Update { .. } => returned_of_update(Some(returning.return_values()), write, done),
        _ => Ok(done.old.map(Attributes::stored).transpose()?),
    }
}

/// What is said of an item that a write makes too deep is shorter here than elsewhere.
pub(super) fn shorter(error: Error) -> Error {
    const TOO_DEEP: &str = "Nesting Levels have exceeded supported limits";
    match error.unwrapped() {
        Error::Aws(error) if error.message.starts_with(TOO_DEEP) => Error::validation(TOO_DEEP),
        other => other,
    }
}

fn error_of(error: AwsError) -> BatchStatementError {
    let code = match error.code.as_ref() {
        "ConditionalCheckFailedException" => "ConditionalCheckFailed",
        "ResourceNotFoundException" => "ResourceNotFound",
        "DuplicateItemException" => "DuplicateItem",
        "AccessDeniedException" => "AccessDenied",
        other => reason_code(other).unwrap_or("ValidationError"),
    };
    let shown = error.fields.iter().find(|(name, _)| name == "Item").and_then(|(_, item)| form::unjson(item));
    BatchStatementError { code: Some(code.to_owned()), message: Some(error.message), item: shown.map(Attributes::from) }
}
