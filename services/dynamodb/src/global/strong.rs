//! Strongly consistent global tables: a write is in several regions when it is answered, and any of them reads it.
//!
//! Each write finds out in its own transaction which of the other regions can be reached, the witness among them; one must
//! be. What the third misses is kept for it, item by item, and both of the others know that. So whoever reaches one other
//! region can make up for all that it missed, and has to, before it writes and before it is read consistently.
//!
//! AWS does not say what is answered where no other region can be reached; here it is an `InternalServerError`.

use super::group::{Group, Standing};
use super::make::later;
use super::stamps::{self, Missed, Stamp};
use super::{PAUSE, STEP, refusals};
use crate::DynamoDb;
use crate::capacity;
use crate::encryption;
use crate::error::{Error, Result};
use crate::items::write::{Done, ItemWrite};
use crate::metrics;
use crate::request::{scope, table_name};
use crate::rows;
use crate::table::{BASE, Table};
use crate::throughput::Side;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use undercast_kernel::{Cx, Next};
use undercast_store::Tx;
use undercast_wire::{Fields, Value};

/// The task.
pub(crate) const MAKE_UP: &str = "make-up";

/// Operations that make transactions.
const TRANSACTIONS: [&str; 3] = ["ExecuteTransaction", "TransactGetItems", "TransactWriteItems"];

/// Operations that write, whatever they are asked.
const WRITES: [&str; 4] = ["BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"];

/// An item of a group: the group's id and the place.
type Place = (String, Vec<u8>);

/// Items of strongly consistent tables that are being written: from which region, and by how many calls.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    items: Mutex<HashMap<Place, (String, usize)>>,
    /// Whether any table is strongly consistent, once that is known.
    any: AtomicBool,
    looked: AtomicBool,
}

/// Items that a call writes, for as long as it does.
pub(crate) struct Writing<'a> {
    of: &'a InFlight,
    items: Vec<Place>,
}

impl InFlight {
    fn begin<'a>(&'a self, region: &str, items: Vec<Place>) -> Result<Writing<'a>> {
        let mut known = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let elsewhere = |item: &Place| known.get(item).is_some_and(|(other, _)| other != region);
        if items.iter().any(elsewhere) {
            return Err(Error::replicated_write_conflict());
        }
        for item in &items {
            known.entry(item.clone()).or_insert_with(|| (region.to_owned(), 0)).1 += 1;
        }
        Ok(Writing { of: self, items })
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut known = self.of.items.lock().unwrap_or_else(PoisonError::into_inner);
        for item in &self.items {
            if let Some((_, calls)) = known.get_mut(item) {
                *calls -= 1;
                if *calls == 0 {
                    known.remove(item);
                }
            }
        }
    }
}

/// What a call wants of the tables that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// What is there.
    Anything,
    /// The latest of everything.
    Latest,
    /// A transaction.
    Transaction,
}

impl DynamoDb {
    /// Whether any table may be strongly consistent. The first to ask looks at all tables of all accounts.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn has_strong(&self, cx: &Cx) -> Result<bool> {
        let known = &self.in_flight;
        if !known.looked.load(Ordering::Acquire) {
            let strong = |table: &Table| table.replica.as_ref().is_some_and(|replica| replica.strong);
            if rows::every_table(&cx.read())?.iter().any(|(_, table)| strong(table)) {
                self.note_strong();
            }
            known.looked.store(true, Ordering::Release);
        }
        Ok(known.any.load(Ordering::Acquire))
    }

    /// Notes that some table is strongly consistent.
    pub(super) fn note_strong(&self) {
        self.in_flight.any.store(true, Ordering::Release);
    }

    /// Sees to it that a call finds the latest of everything in the strongly consistent tables that it names, where it asks
    /// for that.
    ///
    /// # Errors
    /// When it asks for a transaction, when no other region can be reached, and when the store fails.
    pub(crate) async fn make_ready(&self, cx: &Cx, operation: &str, input: &Value) -> Result<()> {
        let Some(fields) = input.as_fields() else { return Ok(()) };
        let wants = wants(operation, fields);
        if wants == Wants::Anything {
            return Ok(());
        }
        for given in encryption::named(fields) {
            // What names no table is refused by the operation.
            let Ok(name) = table_name(cx, &given) else { continue };
            let table = self.descriptions.get(&cx.read(), scope(cx), name)?;
            let Some(table) = table.filter(|table| table.replica.as_ref().is_some_and(|replica| replica.strong)) else {
                continue;
            };
            if wants == Wants::Transaction {
                return Err(refusals::unsupported_by_strong("Transactions are"));
            }
            self.open_others(cx, &table).await?;
            self.make_up(cx, &table).await?;
        }
        Ok(())
    }

    /// Has the keys of the other replicas at hand.
    async fn open_others(&self, cx: &Cx, table: &Table) -> Result<()> {
        for other in table.replica.iter().flat_map(|replica| &replica.others) {
            let there = other.cx(cx);
            let known = self.descriptions.any(&there.read(), scope(&there), &table.name)?;
            if let Some(known) = known.filter(|known| known.encryption.is_some()) {
                self.open(&there, encryption::For::Itself, &known).await?;
            }
        }
        Ok(())
    }

    /// Makes up for what a replica missed, if another region can be reached that knows it.
    ///
    /// # Errors
    /// When none can be, and when the store fails.
    async fn make_up(&self, cx: &Cx, table: &Table) -> Result<()> {
        loop {
            let from = cx.read();
            if let Some(group) = self.group_of(&from, table)?
                && reached(cx, &group) == 0
            {
                return Err(alone());
            }
            if stamps::missed(&from, scope(cx), &table.id, 1)?.is_empty() {
                return Ok(());
            }
            drop(from);
            cx.write(|tx| Ok(self.make_up_some(cx, tx, table)?)).await?;
        }
    }

    fn make_up_some(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let Some(now) = self.descriptions.any(tx, scope(cx), &table.name)?.filter(|now| now.id == table.id) else {
            return Ok(());
        };
        for (place, missed) in stamps::missed(tx, scope(cx), &now.id, STEP)? {
            let new = missed.new.map(|kept| rows::opened(&now, BASE, &place, kept.into())).transpose()?;
            self.take_over(tx, (cx, &now), &place, new, missed.stamp)?;
            stamps::made_up(tx, scope(cx), &now.id, &place);
        }
        Ok(())
    }

    /// Does the task that makes up for what a replica missed, `payload` being its table's name and id.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn run_make_up(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some((name, id)) = payload.split_once('/') else { return Ok(Next::Done) };
        let table = self.descriptions.any(&cx.read(), scope(cx), name)?.filter(|table| table.id == id);
        let Some(table) = table else { return Ok(Next::Done) };
        let group = self.group_of(&cx.read(), &table)?;
        if group.is_none_or(|group| reached(cx, &group) == 0) || !self.at_hand([(cx, &table), (cx, &table)]).await? {
            return Ok(Next::Again(later(cx, PAUSE)));
        }
        self.make_up(cx, &table).await?;
        crate::streams::announce(cx, &table);
        Ok(Next::Done)
    }

    /// Says that a call writes items, so that none from another region does while it does, and goes the way to the nearest
    /// of the others.
    ///
    /// # Errors
    /// When one does.
    pub(crate) async fn write_alone(&self, cx: &Cx, writes: &[ItemWrite]) -> Result<Option<Writing<'_>>> {
        if !self.has_strong(cx)? {
            return Ok(None);
        }
        let mut items = Vec::new();
        let mut way = Duration::ZERO;
        let from = cx.read();
        for write in writes {
            let table = write.table(&from, scope(cx), &self.descriptions)?;
            if let Some(replica) = table.replica.as_ref().filter(|replica| replica.strong) {
                items.push((replica.group.clone(), write.place(&table)?.bytes));
                if let Some(group) = self.group_of(&from, &table)? {
                    way = way.max(nearest(cx, &group));
                }
            }
        }
        drop(from);
        let writing = self.in_flight.begin(cx.region(), items)?;
        if !way.is_zero() {
            tokio::time::sleep(way).await;
        }
        Ok(Some(writing))
    }

    /// Sees to it in its transaction that a write finds the latest.
    ///
    /// # Errors
    /// When the replica here misses more than can be made up for at once, and when the store fails.
    pub(crate) fn prepare(&self, cx: &Cx, tx: &mut Tx<'_>, write: &ItemWrite) -> Result<()> {
        if !self.has_strong(cx)? {
            return Ok(());
        }
        let table = write.table(tx, scope(cx), &self.descriptions)?;
        if !table.replica.as_ref().is_some_and(|replica| replica.strong) {
            return Ok(());
        }
        if !stamps::missed(tx, scope(cx), &table.id, 1)?.is_empty() {
            self.make_up_some(cx, tx, &table)?;
        }
        if stamps::missed(tx, scope(cx), &table.id, 1)?.is_empty() { Ok(()) } else { Err(alone()) }
    }

    /// Does a write in the other regions that can be reached, and keeps it for those that cannot.
    pub(super) fn mirror(&self, cx: &Cx, tx: &mut Tx<'_>, done: &Done, stamp: &Stamp) -> Result<()> {
        let Some(group) = self.group_of(tx, &done.table)? else { return Ok(()) };
        if reached(cx, &group) == 0 {
            return Err(alone());
        }
        let place = &done.key.bytes;
        for other in group.members.iter().filter(|other| other.home.region != cx.region()) {
            let there = other.home.cx(cx);
            let Some(table) = self.table_in(&there, tx, &group)? else { continue };
            if cx.kernel().faults().are_linked(cx.region(), &other.home.region) {
                self.take_over(tx, (&there, &table), place, done.new.clone(), stamp.clone())?;
                continue;
            }
            let sealed = done.new.clone().map(|new| rows::sealed(&table, BASE, place, new)).transpose()?;
            let missed = Missed { stamp: stamp.clone(), new: sealed.map(|sealed| sealed.to_vec()) };
            stamps::miss(tx, scope(&there), &table.id, place, &missed);
            let payload = format!("{}/{}", table.name, table.id);
            let task = format!("{MAKE_UP}:{}", table.id);
            there.tasks().schedule_sooner(&there, tx, "dynamodb", &task, MAKE_UP, payload, later(cx, PAUSE))?;
        }
        Ok(())
    }

    /// Counts what a write to a strongly consistent table has consumed in other regions, and rings for those who read their
    /// streams.
    ///
    /// # Errors
    /// When the store fails or a stored item is damaged.
    pub(crate) fn count_mirrored(&self, cx: &Cx, done: &Done) -> Result<()> {
        let Some(replica) = done.table.replica.as_ref().filter(|replica| replica.strong) else { return Ok(()) };
        if done.written.stamp.is_none() {
            return Ok(());
        }
        let (old, new) = done.sizes()?;
        let units = capacity::write_units(old, new);
        let from = cx.read();
        for other in &replica.others {
            let there = other.cx(cx);
            if let Some(table) = self.descriptions.any(&from, scope(&there), &done.table.name)? {
                crate::streams::announce(&there, &table);
                metrics::consumed(&there, &table, None, Side::Write, units);
                metrics::replicated_units(&there, units);
            }
        }
        Ok(())
    }
}

/// The other regions of a group that can be reached, its witness among them.
fn reachable<'a>(cx: &'a Cx, group: &'a Group) -> impl Iterator<Item = &'a String> {
    let faults = cx.kernel().faults();
    let witness = group.witness.iter().filter(|witness| witness.standing != Standing::Deleting);
    let all = group.members.iter().map(|member| &member.home.region).chain(witness.map(|witness| &witness.region));
    all.filter(move |region| *region != cx.region() && faults.are_linked(cx.region(), region))
}

/// How many they are.
fn reached(cx: &Cx, group: &Group) -> usize {
    reachable(cx, group).count()
}

/// How long it takes to the nearest of them, longer than it would.
fn nearest(cx: &Cx, group: &Group) -> Duration {
    let faults = cx.kernel().faults();
    reachable(cx, group).map(|region| faults.distance(cx.region(), region)).min().unwrap_or(Duration::ZERO)
}

/// What is said where no other region can be reached.
fn alone() -> Error {
    Error::internal("The replica cannot reach enough other Regions of the global table to complete the request")
}

fn wants(operation: &str, fields: &Fields) -> Wants {
    if TRANSACTIONS.contains(&operation) {
        return Wants::Transaction;
    }
    let consistent = |fields: &Fields| matches!(fields.get("ConsistentRead"), Some(Value::Boolean(true)));
    let writes = |fields: &Fields| {
        let text = fields.text("Statement").map(str::trim_start);
        text.is_some_and(|text| !text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select")))
    };
    let of_tables = match fields.get("RequestItems") {
        Some(Value::Map(tables)) => tables.values().filter_map(Value::as_fields).any(consistent),
        _ => false,
    };
    let of_statements = match fields.get("Statements") {
        Some(Value::List(all)) => {
            all.iter().filter_map(Value::as_fields).any(|fields| consistent(fields) || writes(fields))
        }
        _ => false,
    };
    let latest = WRITES.contains(&operation) || consistent(fields) || writes(fields) || of_tables || of_statements;
    if latest { Wants::Latest } else { Wants::Anything }
}
