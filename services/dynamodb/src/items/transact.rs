//! TransactWriteItems and TransactGetItems.

use super::consumed::{Bill, Consumed, collection_metrics};
use super::get::{look_up, projection_of};
use super::write::{Action, Done, ItemWrite, NewItem, Style};
use super::write_one::{condition_of, shows_old};
use crate::DynamoDb;
use crate::api::form::{self, Values};
use crate::api::input::TransactWriteItem;
use crate::api::output::{ConsumedCapacity, ItemResponse};
use crate::api::{TransactGetItemsInput, TransactGetItemsOutput, TransactWriteItemsInput, TransactWriteItemsOutput};
use crate::capacity::Reading;
use crate::error::{Error, Result};
use crate::expression::projection::Projection;
use crate::expression::update;
use crate::request::{check_parameters, scope, table_name};
use crate::streams::announce;
use crate::throughput::{Ledger, reason_code};
use crate::value::Item;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashSet};
use undercast_kernel::{Cx, Repeated, fingerprint};
use undercast_store::Tx;
use undercast_wire::AwsError;

/// How long a `ClientRequestToken` is remembered, in milliseconds.
const TOKEN_LIFE: i64 = 600_000;
/// Most bytes of all items that a transaction writes or reads.
const MAX_TRANSACTION: usize = 4 * 1_048_576;

/// Why one action of a transaction cannot be done; `None` for one that could.
pub(crate) type Reason = Option<Box<AwsError>>;

impl DynamoDb {
    /// Carries out all actions, or none.
    ///
    /// # Errors
    /// What AWS says, with the reason of each action in order, and when the store fails.
    pub(crate) async fn transact_write(
        &self,
        cx: &Cx,
        mut input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput> {
        let token = input.client_request_token.take();
        let request = fingerprint(&input);
        let writes = input.transact_items.into_iter().map(|item| write_of(cx, item)).collect::<Result<Vec<_>>>()?;
        let asked = input.return_consumed_capacity.as_deref();
        let (done, consumed_capacity) = self.write_all(cx, token.as_deref(), &request, &writes, asked).await?;
        let mut metrics: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let from = cx.read();
        for done in &done {
            let of = collection_metrics(&from, scope(cx), done, input.return_item_collection_metrics.as_deref())?;
            if let Some(of) = of {
                metrics.entry(done.table.name.clone()).or_default().push(of);
            }
        }
        Ok(TransactWriteItemsOutput {
            consumed_capacity,
            item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
        })
    }

    /// Carries out all writes, or none, or none again if the token was used for the same request before. Gives what was done
    /// and what it consumed.
    ///
    /// # Errors
    /// What AWS says, with the reason of each write in order, and when the store fails.
    pub(crate) async fn write_all(
        &self,
        cx: &Cx,
        token: Option<&str>,
        request: &[u8],
        writes: &[ItemWrite],
        asked: Option<&str>,
    ) -> Result<(Vec<Done>, Option<Vec<ConsumedCapacity>>)> {
        let mut ledger = self.ledger(cx);
        let done = cx
            .write(|tx| {
                ledger.begin();
                if let Some(token) = token {
                    match cx.repeated(tx, "dynamodb", token, request, TOKEN_LIFE)? {
                        Repeated::New => {}
                        Repeated::Same => return Ok(None),
                        Repeated::Another => return Err(Error::idempotent_parameter_mismatch().into()),
                    }
                }
                Ok(Some(self.carry_out_all(cx, tx, writes, &mut ledger)?))
            })
            .await?;
        // A repeated request is answered as the first one was, without its units: AWS counts the look as reading.
        let done = done.unwrap_or_default();
        let mut bill = Bill::default();
        for done in &done {
            announce(cx, &done.table);
            bill.add(Consumed::writing(done, 2.0)?);
        }
        Ok((done, bill.report_transaction(asked)))
    }

    fn carry_out_all(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        writes: &[ItemWrite],
        ledger: &mut Ledger<'_>,
    ) -> Result<Vec<Done>> {
        let known = &self.descriptions;
        let mut reasons: Vec<Reason> = Vec::with_capacity(writes.len());
        let mut seen = HashSet::new();
        for write in writes {
            let table = write.table(tx, scope(cx), known)?;
            let place = match write.place(&table) {
                // A key without a value is refused before the transaction, one that does not fit as the reason of its end.
                Err(Error::Aws(error)) if !error.message.contains("empty") => {
                    reasons.push(Some(error));
                    continue;
                }
                place => place?,
            };
            reasons.push(reason_of(write.check(&table))?.1);
            if !seen.insert((table.id.clone(), place.bytes)) {
                return Err(Error::validation("Transaction request cannot include multiple operations on one item"));
            }
        }
        let mut all = Vec::with_capacity(writes.len());
        let mut size = 0;
        for (write, reason) in writes.iter().zip(&mut reasons) {
            if reason.is_some() {
                continue;
            }
            let done = write.carry_out(tx, scope(cx), known, cx.now_millis(), (&mut *ledger, 2.0));
            let (done, failed) = reason_of(done)?;
            *reason = failed;
            if let Some(done) = done {
                let (old, new) = done.sizes()?;
                size += new.or(old).unwrap_or(0);
                self.follow(cx, tx, &done)?;
                all.push(done);
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(cancelled(&reasons));
        }
        if size > MAX_TRANSACTION {
            return Err(Error::validation("Transaction request size has exceeded the maximum allowed size"));
        }
        Ok(all)
    }

    /// The items with these keys, as they are at one moment.
    ///
    /// # Errors
    /// What AWS says, with the reason of each look in order, and when the store fails.
    pub(crate) fn transact_get(&self, cx: &Cx, input: TransactGetItemsInput) -> Result<TransactGetItemsOutput> {
        let mut gets = Vec::with_capacity(input.transact_items.len());
        for item in input.transact_items {
            let get = item.get;
            let projection = projection_of(get.projection_expression.as_deref(), get.expression_attribute_names, None)?;
            gets.push(Get {
                table: table_name(cx, &get.table_name)?.to_owned(),
                key: get.key.into_item()?,
                projection,
            });
        }
        let (responses, consumed_capacity) = self.get_all(cx, &gets, input.return_consumed_capacity.as_deref())?;
        Ok(TransactGetItemsOutput { consumed_capacity, responses: Some(responses) })
    }

    /// Looks for all items at one moment. Gives them, and what it consumed.
    ///
    /// # Errors
    /// What AWS says, with the reason of each look in order, and when the store fails.
    pub(crate) fn get_all(
        &self,
        cx: &Cx,
        gets: &[Get],
        asked: Option<&str>,
    ) -> Result<(Vec<ItemResponse>, Option<Vec<ConsumedCapacity>>)> {
        let from = cx.read();
        let mut ledger = self.ledger(cx);
        let mut bill = Bill::default();
        let mut reasons: Vec<Reason> = Vec::with_capacity(gets.len());
        let mut responses = Vec::with_capacity(gets.len());
        let mut seen = HashSet::new();
        let mut size = 0;
        for Get { table: name, key, projection } in gets {
            let table = self.descriptions.get(&from, scope(cx), name)?.ok_or_else(Error::resource_not_found)?;
            if let Ok(place) = table.key_of(key)
                && !seen.insert((table.id.clone(), place.bytes))
            {
                return Err(Error::validation("Transaction request cannot include multiple operations on one item"));
            }
            let found = look_up(&from, cx, &table, key, projection.as_ref(), (Reading::Transactional, &mut ledger));
            let (found, reason) = reason_of(found)?;
            reasons.push(reason);
            if let Some(found) = found {
                size += found.size;
                bill.add(found.consumed);
                responses.push(ItemResponse { item: found.item });
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(cancelled(&reasons));
        }
        if size > MAX_TRANSACTION {
            return Err(Error::validation("Transaction request size has exceeded the maximum allowed size"));
        }
        Ok((responses, bill.report_transaction(asked)))
    }
}

/// A look for one item.
#[derive(Debug)]
pub(crate) struct Get {
    pub(crate) table: String,
    pub(crate) key: Item,
    pub(crate) projection: Option<Projection>,
}

/// A result, or why it is none; what breaks here is no reason but breaks the transaction.
fn reason_of<T>(result: Result<T>) -> Result<(Option<T>, Reason)> {
    match result {
        Ok(value) => Ok((Some(value), None)),
        Err(Error::Aws(error)) if error.code == "ResourceNotFoundException" => Err(Error::Aws(error)),
        Err(Error::Aws(error)) => Ok((None, Some(error))),
        Err(broken) => Err(broken),
    }
}

/// The end of a transaction, with the reason of each of its actions in order.
pub(crate) fn cancelled(reasons: &[Reason]) -> Error {
    let code = |reason: &Reason| match reason.as_ref().map(|error| error.code.as_ref()) {
        None => "None",
        Some("ConditionalCheckFailedException") => "ConditionalCheckFailed",
        Some("DuplicateItemException") => "DuplicateItem",
        Some("ResourceNotFoundException") => "ResourceNotFound",
        Some(other) => reason_code(other).unwrap_or("ValidationError"),
    };
    let codes: Vec<&str> = reasons.iter().map(code).collect();
    let shown = reasons.iter().map(|reason| {
        let mut shown = json!({ "Code": code(reason) });
        if let Some(error) = reason {
            shown["Message"] = Json::from(error.message.as_str());
            if let Some((_, item)) = error.fields.iter().find(|(name, _)| name == "Item") {
                shown["Item"] = item.clone();
            }
        }
        shown
    });
    Error::transaction_cancelled(&codes, shown.collect())
}

fn write_of(cx: &Cx, item: TransactWriteItem) -> Result<ItemWrite> {
    let invalid = "The action or operation requested is invalid. Verify that the action is typed correctly.";
    match (item.condition_check, item.put, item.delete, item.update) {
        (Some(check), None, None, None) => conditional(
            cx,
            &check.table_name,
            Some(&check.condition_expression),
            None,
            (check.expression_attribute_names, check.expression_attribute_values),
            check.return_values_on_condition_check_failure.as_deref(),
            |_| Ok(Action::Check(check.key.into_item()?)),
        ),
        (None, Some(put), None, None) => conditional(
            cx,
            &put.table_name,
            put.condition_expression.as_deref(),
            None,
            (put.expression_attribute_names, put.expression_attribute_values),
            put.return_values_on_condition_check_failure.as_deref(),
            |_| Ok(Action::Put(NewItem::new(put.item.into_item()?)?)),
        ),
        (None, None, Some(delete), None) => conditional(
            cx,
            &delete.table_name,
            delete.condition_expression.as_deref(),
            None,
            (delete.expression_attribute_names, delete.expression_attribute_values),
            delete.return_values_on_condition_check_failure.as_deref(),
            |_| Ok(Action::Delete(delete.key.into_item()?)),
        ),
        (None, None, None, Some(update)) => conditional(
            cx,
            &update.table_name,
            update.condition_expression.as_deref(),
            Some(&update.update_expression),
            (update.expression_attribute_names, update.expression_attribute_values),
            update.return_values_on_condition_check_failure.as_deref(),
            |changes| Ok(Action::Update { key: update.key.into_item()?, update: changes, style: Style::Transaction }),
        ),
        (None, None, None, None) => Err(Error::validation(invalid)),
        _ => Err(Error::validation("TransactItems can only contain one of Check, Put, Update or Delete")),
    }
}

/// An action with its expressions. The update, if it has one, is read before the condition, as UpdateItem does it.
fn conditional(
    cx: &Cx,
    table: &str,
    condition: Option<&str>,
    changes: Option<&str>,
    (names, values): (Option<BTreeMap<String, String>>, Option<Values>),
    shown: Option<&str>,
    action: impl FnOnce(update::Update) -> Result<Action>,
) -> Result<ItemWrite> {
    let update = ("UpdateExpression", changes.is_some());
    let given = ("ConditionExpression", condition.is_some());
    let expressions: &[_] = if changes.is_some() { &[update, given] } else { &[given] };
    check_parameters(&[], expressions, names.is_some(), values.is_some())?;
    let placeholders = form::placeholders(names, values)?;
    let changes = changes.map(|text| update::parse(text, &placeholders)).transpose()?.unwrap_or_default();
    let condition = condition_of(condition, &placeholders)?;
    placeholders.check_all_used()?;
    Ok(ItemWrite {
        table: table_name(cx, table)?.to_owned(),
        action: action(changes)?,
        condition,
        show_on_failure: shows_old(shown),
    })
}
