//! BatchGetItem and BatchWriteItem.

use super::consumed::{Bill, Consumed, collection_metrics};
use super::get::{look_up, projection_of};
use super::write::{Action, Done, ItemWrite, NewItem};
use crate::DynamoDb;
use crate::api::form::Attributes;
use crate::api::input::{KeysAndAttributes, WriteRequest};
use crate::api::output;
use crate::api::{BatchGetItemInput, BatchGetItemOutput, BatchWriteItemInput, BatchWriteItemOutput};
use crate::capacity::Reading;
use crate::error::{Error, Result};
use crate::expression::projection::Projection;
use crate::request::{scope, table_name};
use crate::rows::Descriptions;
use crate::streams::announce;
use crate::throughput::is_throttled;
use crate::value::Item;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use undercast_kernel::Cx;
use undercast_store::Read;

/// Most keys of a BatchGetItem.
const MAX_GETS: usize = 100;
/// Most requests of a BatchWriteItem.
const MAX_WRITES: usize = 25;
/// Most bytes that a BatchGetItem answers with; the keys of the rest come back unprocessed.
const MAX_ANSWER: usize = 16 * 1_048_576;

const DUPLICATES: &str = "Provided list of item keys contains duplicates";

/// The keys that are asked for of one table.
struct TableGets {
    given: String,
    name: String,
    keys: Vec<Item>,
    projection: Option<Projection>,
    reading: Reading,
    /// What the request says besides the keys, for the unprocessed ones.
    request: output::KeysAndAttributes,
}

impl TableGets {
    fn of(cx: &Cx, given: String, asked: KeysAndAttributes) -> Result<Self> {
        let keys = asked.keys.into_iter().map(Attributes::into_item).collect::<Result<Vec<_>>>()?;
        let names = asked.expression_attribute_names.clone();
        Ok(Self {
            name: table_name(cx, &given)?.to_owned(),
            given,
            keys,
            projection: projection_of(asked.projection_expression.as_deref(), names, asked.attributes_to_get.clone())?,
            reading: if asked.consistent_read == Some(true) { Reading::Consistent } else { Reading::Eventual },
            request: output::KeysAndAttributes {
                keys: Vec::new(),
                attributes_to_get: asked.attributes_to_get,
                consistent_read: asked.consistent_read,
                projection_expression: asked.projection_expression,
                expression_attribute_names: asked.expression_attribute_names,
            },
        })
    }
}

impl DynamoDb {
    /// The items with these keys.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn batch_get(&self, cx: &Cx, input: BatchGetItemInput) -> Result<BatchGetItemOutput> {
        let asked = input.request_items.into_iter().map(|(given, asked)| TableGets::of(cx, given, asked));
        let asked = asked.collect::<Result<Vec<_>>>()?;
        if asked.iter().map(|table| table.keys.len()).sum::<usize>() > MAX_GETS {
            return Err(Error::validation("Too many items requested for the BatchGetItem call"));
        }
        let from = cx.read();
        let mut tables = Vec::new();
        for gets in &asked {
            let table = self.descriptions.get(&from, scope(cx), &gets.name)?.ok_or_else(Error::resource_not_found)?;
            let mut seen = HashSet::new();
            for key in &gets.keys {
                if !seen.insert(table.key_of(key)?.bytes) {
                    return Err(Error::validation(DUPLICATES));
                }
            }
            tables.push(table);
        }
        let mut ledger = self.ledger(cx);
        let mut bill = Bill::default();
        let mut answered = 0;
        let mut refusal = None;
        let mut responses = BTreeMap::new();
        let mut unprocessed = BTreeMap::new();
        for (gets, table) in asked.into_iter().zip(tables) {
            let mut items = Vec::new();
            let mut left = gets.request;
            for key in gets.keys {
                if answered >= MAX_ANSWER {
                    left.keys.push(Attributes::from(key));
                    continue;
                }
                let reading = (gets.reading, &mut ledger);
                match look_up(&from, cx, &table, &key, gets.projection.as_ref(), reading) {
                    Ok(found) => {
                        answered += found.size;
                        bill.add(found.consumed);
                        items.extend(found.item);
                    }
                    Err(error) if is_throttled(&error) => {
                        left.keys.push(Attributes::from(key));
                        refusal = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if !left.keys.is_empty() {
                unprocessed.insert(gets.given.clone(), left);
            }
            responses.insert(gets.given, items);
        }
        // A batch of which nothing was let in is refused as a whole.
        if let Some(refusal) = refusal.filter(|_| bill.is_empty()) {
            return Err(refusal);
        }
        Ok(BatchGetItemOutput {
            responses: Some(responses),
            unprocessed_keys: Some(unprocessed),
            consumed_capacity: bill.report(input.return_consumed_capacity.as_deref()),
        })
    }

    /// Puts and deletes items, each by itself as AWS promises it; here they even happen together.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn batch_write(&self, cx: &Cx, input: BatchWriteItemInput) -> Result<BatchWriteItemOutput> {
        let mut writes = Vec::new();
        let mut names = Vec::new();
        for (given, requests) in input.request_items {
            let name = table_name(cx, &given)?.to_owned();
            for request in requests {
                writes.push(write_of(name.clone(), request)?);
                names.push(given.clone());
            }
        }
        if writes.len() > MAX_WRITES {
            return Err(Error::validation("Too many items requested for the BatchWriteItem call"));
        }
        check_writes(&cx.read(), cx, &self.descriptions, &writes)?;
        let mut left = BTreeSet::new();
        let done = self.write_batch(cx, &writes, &mut left).await?;
        let mut unprocessed: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for place in left {
            if let (Some(given), Some(write)) = (names.get(place), writes.get(place)) {
                unprocessed.entry(given.clone()).or_default().extend(request_of(write));
            }
        }
        let mut bill = Bill::default();
        let mut metrics: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let from = cx.read();
        for done in &done {
            announce(cx, &done.table);
            self.count_mirrored(cx, done)?;
            bill.add(Consumed::writing(done, 1.0)?);
            let of = collection_metrics(&from, scope(cx), done, input.return_item_collection_metrics.as_deref())?;
            if let Some(of) = of {
                metrics.entry(done.table.name.clone()).or_default().push(of);
            }
        }
        Ok(BatchWriteItemOutput {
            unprocessed_items: Some(unprocessed),
            item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
            consumed_capacity: bill.report(input.return_consumed_capacity.as_deref()),
        })
    }

    /// Carries out the writes of a batch, but for those that throughput does not let in, whose places are added to `left`.
    ///
    /// # Errors
    /// When nothing is let in, and when the store fails.
    async fn write_batch(&self, cx: &Cx, writes: &[ItemWrite], left: &mut BTreeSet<usize>) -> Result<Vec<Done>> {
        let mut ledger = self.ledger(cx);
        let _writing = self.write_alone(cx, writes).await?;
        loop {
            // What an index does not let in has been written to the table by then: all is taken back, and done again without it.
            let mut held = None;
            let done = cx
                .write(|tx| {
                    ledger.begin();
                    held = None;
                    let mut all = Vec::with_capacity(writes.len());
                    for (place, write) in writes.iter().enumerate().filter(|(place, _)| !left.contains(place)) {
                        self.prepare(cx, tx, write)?;
                        let now = cx.now_millis();
                        let done = write.carry_out(tx, scope(cx), &self.descriptions, now, (&mut ledger, 1.0));
                        if done.as_ref().is_err_and(is_throttled) {
                            held = Some(place);
                        }
                        let done = done?;
                        self.follow(cx, tx, &done)?;
                        all.push(done);
                    }
                    Ok(all)
                })
                .await;
            match (done, held) {
                (Err(refusal), Some(place)) => {
                    left.insert(place);
                    if left.len() == writes.len() {
                        return Err(refusal.into());
                    }
                }
                (done, _) => return Ok(done?),
            }
        }
    }
}

/// The request that asks for a write of a batch.
fn request_of(write: &ItemWrite) -> Option<output::WriteRequest> {
    let (put_request, delete_request) = match &write.action {
        Action::Put(new) => (Some(output::PutRequest { item: Attributes::from(new.item().clone()) }), None),
        Action::Delete(key) => (None, Some(output::DeleteRequest { key: Attributes::from(key.clone()) })),
        Action::Insert(_) | Action::Update { .. } | Action::Check(_) => return None,
    };
    Some(output::WriteRequest { put_request, delete_request })
}

fn write_of(table: String, request: WriteRequest) -> Result<ItemWrite> {
    let action = match (request.put_request, request.delete_request) {
        (Some(put), None) => Action::Put(NewItem::new(put.item.into_item()?)?),
        (None, Some(delete)) => Action::Delete(delete.key.into_item()?),
        (Some(_), Some(_)) => {
            return Err(Error::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
        (None, None) => {
            return Err(Error::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        }
    };
    Ok(ItemWrite { table, action, condition: None, show_on_failure: false })
}

/// A batch is refused as a whole if one of its writes does not fit its table, or two have one place.
fn check_writes(from: &impl Read, cx: &Cx, known: &Descriptions, writes: &[ItemWrite]) -> Result<()> {
    let mut seen = HashSet::new();
    for write in writes {
        let table = write.table(from, scope(cx), known)?;
        let place = match write.place(&table) {
            // Of an item that does not fit, a batch says what other operations say of a key.
            Err(Error::Aws(error))
                if ["Type mismatch for key", "Missing the key"].iter().any(|words| error.message.contains(words)) =>
            {
                return Err(Error::validation("The provided key element does not match the schema"));
            }
            place => place?,
        };
        write.check(&table)?;
        if !seen.insert((table.id.clone(), place.bytes)) {
            return Err(Error::validation(DUPLICATES));
        }
    }
    Ok(())
}
