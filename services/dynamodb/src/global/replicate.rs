//! How writes get to the other replicas of a table: one task for each of them, which goes through what was noted.

use super::group::Home;
use super::make::later;
use super::rights::may_replicate;
use super::stamps::{self, Stamp};
use super::{DELAY, PAUSE, STEP};
use crate::DynamoDb;
use crate::capacity;
use crate::compact::ItemRef;
use crate::error::Result;
use crate::items::write::Done;
use crate::metrics;
use crate::request::scope;
use crate::rows::{self, Change, Written};
use crate::streams::announce;
use crate::table::{BASE, Table};
use crate::throughput::{Ledger, Side, Spot, is_throttled};
use std::sync::Arc;
use std::time::Duration;
use undercast_kernel::{Cx, Next};
use undercast_store::{Read, Tx};

/// The task.
pub(crate) const REPLICATE: &str = "replicate";

/// How long it takes until a replica whose key cannot be used is tried again.
const LOCKED: Duration = Duration::from_secs(60);

/// For how long an item that was written elsewhere last is left to expire there, in seconds.
pub(crate) const LEFT: u64 = 300;

/// Writes that a region was told of.
#[derive(Default)]
struct Told {
    /// The moments at which they were made, in milliseconds since 1970.
    moments: Vec<i64>,
    /// The units of writing that they took.
    units: f64,
    /// What is to come.
    rest: Rest,
}

/// What a region has yet to be told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Rest {
    /// Nothing; or one of the tables is gone.
    #[default]
    Nothing,
    /// Something.
    More,
    /// Something that the throughput of the replica does not let in yet.
    Held,
}

impl DynamoDb {
    /// Does what follows from a write in its transaction: its item may expire, and other replicas are told of it.
    ///
    /// # Errors
    /// When too few replicas of a strongly consistent table can be reached, and when the store fails.
    pub(crate) fn follow(&self, cx: &Cx, tx: &mut Tx<'_>, done: &Done) -> Result<()> {
        self.schedule_expiry(cx, tx, done)?;
        let Some(replica) = &done.table.replica else { return Ok(()) };
        match &done.written.stamp {
            None => Ok(()),
            Some(stamp) if replica.strong => self.mirror(cx, tx, done, stamp),
            Some(_) => self.schedule_replication(cx, tx, &done.table),
        }
    }

    /// Schedules that others be told of the writes to a table.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_replication(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let Some(replica) = table.replica.as_ref().filter(|replica| !replica.strong) else { return Ok(()) };
        for other in &replica.others {
            let task = format!("{REPLICATE}:{}:{}", table.id, other.region);
            let payload = format!("{}/{}/{}/{}", table.name, table.id, other.account, other.region);
            let way = DELAY.saturating_add(cx.kernel().faults().distance(cx.region(), &other.region));
            cx.tasks().schedule_sooner(cx, tx, "dynamodb", &task, REPLICATE, payload, later(cx, way))?;
        }
        Ok(())
    }

    /// Does the task that tells a region of the writes to a table, `payload` being the table's name and id, and where
    /// the other replica is.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn replicate(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let mut parts = payload.split('/');
        let (Some(name), Some(id)) = (parts.next(), parts.next()) else { return Ok(Next::Done) };
        let (Some(account), Some(region)) = (parts.next(), parts.next()) else { return Ok(Next::Done) };
        let other = Home { account: account.to_owned(), region: region.to_owned() };
        match self.descriptions.any(&cx.read(), scope(cx), name)?.filter(|table| table.id == id) {
            Some(table) => self.tell(cx, &table, &other).await,
            None => Ok(Next::Done),
        }
    }

    /// Tells a region of all writes to a table that it has yet to be told of.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn tell(&self, cx: &Cx, table: &Table, other: &Home) -> Result<Next> {
        loop {
            let cx = &cx.refreshed();
            let there = other.cx(cx);
            let from = cx.read();
            let both = self.both(cx, &there, &from, &table.name)?;
            drop(from);
            let Some((source, target)) = both.filter(|(source, _)| source.id == table.id) else {
                return Ok(Next::Done);
            };
            let shared = there.account() != cx.account();
            let linked = cx.kernel().faults().are_linked(cx.region(), &other.region);
            if !linked || !may_replicate((cx, &source), (&there, &target), shared)? {
                return Ok(Next::Again(later(cx, PAUSE)));
            }
            if !self.at_hand([(cx, &source), (&there, &target)]).await? {
                return Ok(Next::Again(later(cx, LOCKED)));
            }
            let mut ledger = self.ledger(&there);
            let told = cx
                .write(|tx| {
                    ledger.begin();
                    Ok(self.tell_some(cx, &there, tx, &source, &mut ledger)?)
                })
                .await?;
            drop(ledger);
            announce(&there, &target);
            metrics::replicated_units(&there, told.units);
            for at in told.moments {
                metrics::replicated(cx, &source, &other.region, cx.now_millis().saturating_sub(at));
            }
            match told.rest {
                Rest::Nothing => return Ok(Next::Done),
                Rest::Held => return Ok(Next::Again(later(cx, PAUSE))),
                Rest::More => {}
            }
        }
    }

    /// The tables of one name in two regions, if they are replicas of one global table.
    fn both(&self, cx: &Cx, there: &Cx, from: &impl Read, name: &str) -> Result<Option<(Arc<Table>, Arc<Table>)>> {
        let source = self.descriptions.any(from, scope(cx), name)?;
        let target = self.descriptions.any(from, scope(there), name)?;
        let group = |table: &Arc<Table>| table.replica.as_ref().map(|replica| replica.group.clone());
        Ok(source.zip(target).filter(|(source, target)| group(source).is_some() && group(source) == group(target)))
    }

    fn tell_some(&self, cx: &Cx, there: &Cx, tx: &mut Tx<'_>, source: &Table, ledger: &mut Ledger<'_>) -> Result<Told> {
        let both = self.both(cx, there, tx, &source.name)?;
        let Some((source, target)) = both.filter(|(now, _)| now.id == source.id) else { return Ok(Told::default()) };
        let Some(from) = stamps::cursor(tx, scope(cx), &source.id, there.region())? else { return Ok(Told::default()) };
        let found = stamps::outgoing(tx, scope(cx), &source.id, from, STEP)?;
        let mut told = Told { rest: if found.len() < STEP { Rest::Nothing } else { Rest::More }, ..Told::default() };
        let mut next = from;
        for (position, outgoing) in found {
            let spot = Spot { place: &outgoing.place, partition: &[], sort: None };
            if ledger.admit(&target, BASE, Side::Write, spot).is_err() {
                told.rest = Rest::Held;
                break;
            }
            let done = self.bring(tx, (cx, &source), (there, &target), &outgoing.place)?;
            told.moments.push(outgoing.at);
            next = position.saturating_add(1);
            let Some(done) = done else { continue };
            let (old, new) = done.sizes()?;
            told.units += capacity::write_units(old, new);
            // What an index does not let in has been written by then, and holds up what comes after it.
            if ledger.write(&done, 1.0).is_err_and(|error| is_throttled(&error)) {
                told.rest = Rest::Held;
                break;
            }
        }
        if next > from {
            stamps::set_cursor(tx, scope(cx), &source.id, there.region(), next);
            stamps::trim(tx, scope(cx), &source.id, 2 * STEP)?;
        }
        Ok(told)
    }

    /// Brings what is at a place of a table to another replica, unless that one has something later.
    ///
    /// # Errors
    /// When the store fails or an item is damaged.
    pub(super) fn bring(
        &self,
        tx: &mut Tx<'_>,
        (here, source): (&Cx, &Arc<Table>),
        (there, target): (&Cx, &Arc<Table>),
        place: &[u8],
    ) -> Result<Option<Done>> {
        let stamp = stamps::get(tx, scope(here), &source.id, place)?;
        // What was there before the table was global is older than anything.
        let stamp = stamp.unwrap_or_else(|| Stamp { at: 0, region: here.region().to_owned() });
        let new = rows::get(tx, scope(here), source, place)?;
        self.take_over(tx, (there, target), place, new, stamp)
    }

    /// Does a write that was done elsewhere first, unless there was a later one.
    ///
    /// # Errors
    /// When the store fails or an item is damaged.
    pub(super) fn take_over(
        &self,
        tx: &mut Tx<'_>,
        (there, target): (&Cx, &Arc<Table>),
        place: &[u8],
        new: Option<bytes::Bytes>,
        stamp: Stamp,
    ) -> Result<Option<Done>> {
        if stamps::get(tx, scope(there), &target.id, place)?.is_some_and(|known| known >= stamp) {
            return Ok(None);
        }
        let old = rows::get(tx, scope(there), target, place)?;
        let change = Change { place, old, new, at: there.now_millis(), expired: false, origin: Some(stamp) };
        let written: Written = rows::write(tx, scope(there), target, &change)?;
        let Change { old, new, .. } = change;
        let Some(item) = new.as_ref().or(old.as_ref()) else { return Ok(None) };
        let key = target.place_of(&ItemRef::open(item)?.to_item()?)?;
        let done = Done { table: target.clone(), key, old, new, written };
        self.schedule_expiry(there, tx, &done)?;
        Ok(Some(done))
    }
}

/// Whether an item that has expired `late` seconds ago goes here: where it was written last, or anywhere when it is still
/// there later. So its end is seen as that in the stream of one region.
///
/// # Errors
/// When the store fails.
pub(crate) fn expires_here(from: &impl Read, cx: &Cx, table: &Table, place: &[u8], late: u64) -> Result<bool> {
    if table.replica.is_none() || late >= LEFT {
        return Ok(true);
    }
    let stamp = stamps::get(from, scope(cx), &table.id, place)?;
    let known = stamp.map(|stamp| stamp.region);
    let others = table.replica.iter().flat_map(|replica| &replica.others);
    let elsewhere = |region: &String| others.clone().any(|other| other.region == *region);
    Ok(!known.as_ref().is_some_and(elsewhere))
}
