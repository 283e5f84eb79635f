//! PutItem, UpdateItem and DeleteItem.

use super::consumed::{Consumed, collection_metrics};
use super::write::{Action, Done, ItemWrite, NewItem, Style};
use crate::DynamoDb;
use crate::api::form::{self, Attributes};
use crate::api::output::{ConsumedCapacity, ItemCollectionMetrics};
use crate::api::{DeleteItemInput, DeleteItemOutput, PutItemInput, PutItemOutput, UpdateItemInput, UpdateItemOutput};
use crate::compact::ItemRef;
use crate::error::{Error, Result};
use crate::expression::condition::{self, Condition};
use crate::expression::projection::Projection;
use crate::expression::update;
use crate::expression::{ExpressionKind, Placeholders};
use crate::legacy;
use crate::request::{check_parameters, scope, table_name};
use crate::streams::announce;
use bytes::Bytes;
use undercast_kernel::Cx;

/// What a write answers besides the attributes that were asked for.
pub(crate) struct Answer {
    pub(crate) done: Done,
    consumed_capacity: Option<ConsumedCapacity>,
    item_collection_metrics: Option<ItemCollectionMetrics>,
}

impl DynamoDb {
    /// Carries out one write, and says what was asked about it.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn carry_out(
        &self,
        cx: &Cx,
        write: &ItemWrite,
        capacity: Option<&str>,
        metrics: Option<&str>,
    ) -> Result<Answer> {
        let mut ledger = self.ledger(cx);
        let writing = self.write_alone(cx, std::slice::from_ref(write)).await?;
        let done = cx
            .write(|tx| {
                ledger.begin();
                self.prepare(cx, tx, write)?;
                let now = cx.now_millis();
                let done = write.carry_out(tx, scope(cx), &self.descriptions, now, (&mut ledger, 1.0))?;
                self.follow(cx, tx, &done)?;
                Ok(done)
            })
            .await?;
        drop(writing);
        announce(cx, &done.table);
        self.count_mirrored(cx, &done)?;
        Ok(Answer {
            consumed_capacity: Consumed::writing(&done, 1.0)?.report(capacity),
            item_collection_metrics: collection_metrics(&cx.read(), scope(cx), &done, metrics)?,
            done,
        })
    }

    /// Puts an item in the place of whatever has its key.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn put(&self, cx: &Cx, input: PutItemInput) -> Result<PutItemOutput> {
        let expressions = [("ConditionExpression", input.condition_expression.is_some())];
        check_parameters(
            &[("Expected", input.expected.is_some()), ("ConditionalOperator", input.conditional_operator.is_some())],
            &expressions,
            input.expression_attribute_names.is_some(),
            input.expression_attribute_values.is_some(),
        )?;
        let item = input.item.into_item()?;
        let returned = returned_of_put(input.return_values.as_deref())?;
        let item = NewItem::new(item)?;
        let legacy = legacy::expected(input.expected, input.conditional_operator.as_deref())?;
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let condition = condition_of(input.condition_expression.as_deref(), &placeholders)?.or(legacy);
        placeholders.check_all_used()?;
        let write = ItemWrite {
            table: table_name(cx, &input.table_name)?.to_owned(),
            action: Action::Put(item),
            condition,
            show_on_failure: shows_old(input.return_values_on_condition_check_failure.as_deref()),
        };
        let capacity = input.return_consumed_capacity.as_deref();
        let answer = self.carry_out(cx, &write, capacity, input.return_item_collection_metrics.as_deref()).await?;
        Ok(PutItemOutput {
            attributes: answer.done.old.filter(|_| returned).map(Attributes::stored).transpose()?,
            consumed_capacity: answer.consumed_capacity,
            item_collection_metrics: answer.item_collection_metrics,
        })
    }

    /// Deletes the item with a key, if there is one.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn delete(&self, cx: &Cx, input: DeleteItemInput) -> Result<DeleteItemOutput> {
        let expressions = [("ConditionExpression", input.condition_expression.is_some())];
        check_parameters(
            &[("Expected", input.expected.is_some()), ("ConditionalOperator", input.conditional_operator.is_some())],
            &expressions,
            input.expression_attribute_names.is_some(),
            input.expression_attribute_values.is_some(),
        )?;
        let key = input.key.into_item()?;
        let returned = returned_of_put(input.return_values.as_deref())?;
        let legacy = legacy::expected(input.expected, input.conditional_operator.as_deref())?;
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let condition = condition_of(input.condition_expression.as_deref(), &placeholders)?.or(legacy);
        placeholders.check_all_used()?;
        let write = ItemWrite {
            table: table_name(cx, &input.table_name)?.to_owned(),
            action: Action::Delete(key),
            condition,
            show_on_failure: shows_old(input.return_values_on_condition_check_failure.as_deref()),
        };
        let capacity = input.return_consumed_capacity.as_deref();
        let answer = self.carry_out(cx, &write, capacity, input.return_item_collection_metrics.as_deref()).await?;
        Ok(DeleteItemOutput {
            attributes: answer.done.old.filter(|_| returned).map(Attributes::stored).transpose()?,
            consumed_capacity: answer.consumed_capacity,
            item_collection_metrics: answer.item_collection_metrics,
        })
    }

    /// Changes the item with a key, or makes it.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn update(&self, cx: &Cx, input: UpdateItemInput) -> Result<UpdateItemOutput> {
        let expressions = [
            ("UpdateExpression", input.update_expression.is_some()),
            ("ConditionExpression", input.condition_expression.is_some()),
        ];
        check_parameters(
            &[
                ("AttributeUpdates", input.attribute_updates.is_some()),
                ("Expected", input.expected.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &expressions,
            input.expression_attribute_names.is_some(),
            input.expression_attribute_values.is_some(),
        )?;
        let key = input.key.into_item()?;
        let legacy_update = input.attribute_updates.map(legacy::updates).transpose()?;
        let legacy = legacy::expected(input.expected, input.conditional_operator.as_deref())?;
        let placeholders = form::placeholders(input.expression_attribute_names, input.expression_attribute_values)?;
        let parsed = input.update_expression.map(|text| update::parse(&text, &placeholders)).transpose()?;
        let style = if legacy_update.is_some() { Style::Legacy } else { Style::Alone };
        let update = parsed.or(legacy_update).unwrap_or_default();
        let condition = condition_of(input.condition_expression.as_deref(), &placeholders)?.or(legacy);
        placeholders.check_all_used()?;
        let write = ItemWrite {
            table: table_name(cx, &input.table_name)?.to_owned(),
            action: Action::Update { key, update, style },
            condition,
            show_on_failure: shows_old(input.return_values_on_condition_check_failure.as_deref()),
        };
        let capacity = input.return_consumed_capacity.as_deref();
        let answer = self.carry_out(cx, &write, capacity, input.return_item_collection_metrics.as_deref()).await?;
        Ok(UpdateItemOutput {
            attributes: returned_of_update(input.return_values.as_deref(), &write, answer.done)?,
            consumed_capacity: answer.consumed_capacity,
            item_collection_metrics: answer.item_collection_metrics,
        })
    }
}

/// A condition of a write, if it has one.
pub(crate) fn condition_of(text: Option<&str>, placeholders: &Placeholders) -> Result<Option<Condition>> {
    Ok(text.map(|text| condition::parse(ExpressionKind::Condition, text, placeholders)).transpose()?)
}

/// Whether a failed condition shows the item.
pub(crate) fn shows_old(asked: Option<&str>) -> bool {
    asked == Some("ALL_OLD")
}

fn returned_of_put(asked: Option<&str>) -> Result<bool> {
    match asked {
        None | Some("NONE") => Ok(false),
        Some("ALL_OLD") => Ok(true),
        Some(_) => Err(Error::validation("ReturnValues can only be ALL_OLD or NONE")),
    }
}

/// The attributes that an update answers with.
///
/// # Errors
/// When a stored item is damaged.
pub(crate) fn returned_of_update(asked: Option<&str>, write: &ItemWrite, done: Done) -> Result<Option<Attributes>> {
    let whole = |stored: Option<Bytes>| -> Result<_> { Ok(stored.map(Attributes::stored).transpose()?) };
    let touched = |stored: Option<Bytes>| -> Result<_> {
        let (Some(stored), Action::Update { update, .. }) = (stored, &write.action) else { return Ok(None) };
        let part = Projection::of(update.paths()).apply(ItemRef::open(&stored)?.attributes())?;
        Ok(Some(part).filter(|part| !part.is_empty()).map(Attributes::from))
    };
    match asked {
        Some("ALL_OLD") => whole(done.old),
        Some("ALL_NEW") => whole(done.new),
        Some("UPDATED_OLD") => touched(done.old),
        Some("UPDATED_NEW") => touched(done.new),
        _ => Ok(None),
    }
}
