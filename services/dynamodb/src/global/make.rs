//! The tasks that fill new replicas and empty those that go.

use super::group::{self, Group, Standing};
use super::rights::may_replicate;
use super::{PAUSE, STEP, scaled, stamps};
use crate::DynamoDb;
use crate::encryption::{Encryption, For};
use crate::error::Result;
use crate::request::scope;
use crate::rows::{self, Rows, Sweep};
use crate::table::{BASE, Table};
use std::sync::Arc;
use std::time::Duration;
use undercast_kernel::{Cx, Next, Timestamp};
use undercast_store::{Read, Tx};

/// The name under which the tasks are scheduled.
const SERVICE: &str = "dynamodb";

/// The tasks here.
pub(crate) const MAKE: &str = "make-replica";
pub(crate) const REMOVE: &str = "remove-replica";
pub(crate) const FORGET: &str = "forget-gone";

/// How long it takes until a replica that was asked for begins to be filled, or to go.
const BEGIN: Duration = Duration::from_secs(1);

/// How long it takes until a replica whose key cannot be used is tried again.
const LOCKED: Duration = Duration::from_secs(60);

/// How often stamps of items that are gone are looked through, and how old they are then at least.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// A moment later than this one.
pub(super) fn later(cx: &Cx, wait: Duration) -> Timestamp {
    cx.now().saturating_add(wait).unwrap_or(cx.now())
}

/// What the payload of a task says: a group, and a region of it.
pub(super) struct Of<'a> {
    owner: &'a str,
    id: &'a str,
    region: &'a str,
}

impl<'a> Of<'a> {
    pub(super) fn read(payload: &'a str) -> Option<Self> {
        let mut parts = payload.split('/');
        Some(Self { owner: parts.next()?, id: parts.next()?, region: parts.next()? })
    }

    pub(super) fn group(&self, from: &impl Read) -> Result<Option<Group>> {
        group::get(from, self.owner, self.id)
    }
}

/// What became of a step of making.
enum Made {
    /// It is there, or nothing is to be made any more.
    All,
    /// There is more to fill.
    More,
}

impl DynamoDb {
    /// Schedules the filling of a replica in the region of `there`.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn schedule_making(&self, there: &Cx, tx: &mut Tx<'_>, group: &Group, region: &str) -> Result<()> {
        let task = format!("{MAKE}:{}:{region}", group.id);
        Ok(there.tasks().schedule(there, tx, SERVICE, &task, MAKE, group.payload(region), later(there, BEGIN))?)
    }

    /// Schedules the end of the replica in the region of `there`.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn schedule_removal(&self, there: &Cx, tx: &mut Tx<'_>, group: &Group, region: &str) -> Result<()> {
        let task = format!("{REMOVE}:{}:{region}", group.id);
        Ok(there.tasks().schedule(there, tx, SERVICE, &task, REMOVE, group.payload(region), later(there, BEGIN))?)
    }

    /// Schedules that the stamps of items that are gone be forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn schedule_forgetting(&self, cx: &Cx, tx: &mut Tx<'_>, group: &Group) -> Result<()> {
        let task = format!("{FORGET}:{}", group.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, FORGET, group.payload(""), later(cx, FORGOTTEN))?)
    }

    /// Whether what these tables hold is at hand, by the grants that DynamoDB has.
    ///
    /// # Errors
    /// When KMS breaks.
    pub(super) async fn at_hand(&self, both: [(&Cx, &Table); 2]) -> Result<bool> {
        for (cx, table) in both {
            match self.open(cx, For::Itself, table).await.map_err(crate::error::Error::unwrapped) {
                Ok(()) => {}
                Err(crate::error::Error::Aws(_)) => return Ok(false),
                Err(other) => return Err(other),
            }
        }
        Ok(true)
    }

    /// The table of a group in a region.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn table_in(&self, cx: &Cx, from: &impl Read, group: &Group) -> Result<Option<Arc<Table>>> {
        let Some(member) = group.member(cx.region()) else { return Ok(None) };
        Ok(self.descriptions.any(from, scope(cx), &group.name)?.filter(|table| table.id == member.table))
    }

    /// Does the task that fills a new replica, `payload` being the id of its group and its region.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn make_replica(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some(of) = Of::read(payload) else { return Ok(Next::Done) };
        let region = of.region;
        loop {
            let cx = &cx.refreshed();
            let from = cx.read();
            let Some(group) = of.group(&from)? else { return Ok(Next::Done) };
            let source = group.member(region).and_then(|member| group.member(member.source.as_deref()?));
            let Some(here) = source.map(|source| source.home.cx(cx)) else { return Ok(Next::Done) };
            let tables = (self.table_in(&here, &from, &group)?, self.table_in(cx, &from, &group)?);
            let (Some(source), Some(replica)) = tables else { return Ok(Next::Done) };
            drop(from);
            if !cx.kernel().faults().are_linked(here.region(), region) {
                return Ok(Next::Again(later(cx, PAUSE)));
            }
            if !may_replicate((&here, &source), (cx, &replica), group.is_shared())? {
                return Ok(Next::Again(later(cx, PAUSE)));
            }
            if !self.at_hand([(&here, &source), (cx, &replica)]).await? {
                return Ok(Next::Again(later(cx, LOCKED)));
            }
            match cx.write(|tx| Ok(self.fill_some(&here, cx, tx, &of)?)).await? {
                Made::All => {
                    scaled::mirror(&here, cx, &source).await?;
                    return Ok(Next::Done);
                }
                Made::More => {}
            }
        }
    }

    /// Brings some of what a table holds to a new replica; behind the last of it, the replica is there.
    fn fill_some(&self, here: &Cx, cx: &Cx, tx: &mut Tx<'_>, of: &Of<'_>) -> Result<Made> {
        let Some(mut group) = of.group(tx)? else { return Ok(Made::All) };
        let tables = (self.table_in(here, tx, &group)?, self.table_in(cx, tx, &group)?);
        let (Some(source), Some(replica)) = tables else { return Ok(Made::All) };
        let Some(member) = group.member_mut(cx.region()) else { return Ok(Made::All) };
        let rows = member.filled.as_ref().map_or_else(Rows::all, |place| Rows::all().after(place));
        let found = rows::scan(tx, scope(here), &source, BASE, &rows, STEP)?;
        let last = found.last().map(|(place, _)| place.clone());
        for (place, _) in &found {
            self.bring(tx, (here, &source), (cx, &replica), place)?;
        }
        if found.len() >= STEP {
            member.filled = last;
            group.put(tx);
            return Ok(Made::More);
        }
        member.filled = None;
        member.standing = Standing::Active;
        let others = group.members.iter().filter(|member| member.standing == Standing::Creating).count();
        if let Some(witness) = group.witness.as_mut().filter(|_| others == 0) {
            witness.standing = Standing::Active;
        }
        group.put(tx);
        self.regroup(tx, &group)?;
        Ok(Made::All)
    }

    /// Does the task that takes a replica away, `payload` being the id of its group and its region. What was written to it
    /// is told to all others first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove_replica(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some(of) = Of::read(payload) else { return Ok(Next::Done) };
        let region = of.region;
        let Some(group) = of.group(&cx.read())? else { return Ok(Next::Done) };
        let Some(table) = self.table_in(cx, &cx.read(), &group)? else { return Ok(Next::Done) };
        for other in group.members.iter().filter(|other| other.home.region != region) {
            let told = self.tell(cx, &table, &other.home).await?;
            if let Next::Again(at) = told {
                return Ok(Next::Again(at));
            }
        }
        let gone = cx
            .write(|tx| {
                let Some(group) = of.group(tx)? else { return Ok(Gone::default()) };
                let table = self.table_in(cx, tx, &group)?;
                let Some(table) = table else { return Ok(Gone::default()) };
                for other in group.members.iter().filter(|other| other.home.region != region) {
                    let told = stamps::cursor(tx, scope(cx), &table.id, &other.home.region)?;
                    if told.is_some_and(|told| stamps::end(tx, scope(cx), &table.id).is_ok_and(|end| told < end)) {
                        // Nothing is written to it any more, so this is only so where it was told too early.
                        return Ok(Gone { again: true, ..Gone::default() });
                    }
                }
                Ok(Gone { encryption: self.remove_in(cx, tx, group, (*table).clone())?, again: false })
            })
            .await?;
        self.let_go(cx, gone.encryption.as_ref()).await?;
        self.throughput.forget(&table.id);
        Ok(if gone.again { Next::Again(later(cx, PAUSE)) } else { Next::Done })
    }

    fn remove_in(&self, cx: &Cx, tx: &mut Tx<'_>, mut group: Group, table: Table) -> Result<Option<Encryption>> {
        let encryption = self.delete_in(cx, tx, table)?;
        self.without(cx, tx, &mut group)?;
        Ok(encryption)
    }

    /// Makes a group be without the replica here; the last one of it is a table of its own.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn without(&self, cx: &Cx, tx: &mut Tx<'_>, group: &mut Group) -> Result<()> {
        group.members.retain(|member| member.home.region != cx.region());
        for other in &group.members {
            stamps::end_cursor(tx, other.home.scope(), &other.table, cx.region());
        }
        if let [last] = group.members.as_slice() {
            return self.dissolve(&last.home.cx(cx), tx, group);
        }
        group.put(tx);
        self.regroup(tx, group)
    }

    /// Makes the last replica of a group a table of one region.
    fn dissolve(&self, there: &Cx, tx: &mut Tx<'_>, group: &Group) -> Result<()> {
        if let Some(table) = self.table_in(there, tx, group)? {
            rows::put_table(tx, scope(there), &Table { replica: None, ..(*table).clone() });
            self.schedule_sweep(there, tx, &table.id, Sweep::Replication)?;
        }
        there.tasks().cancel(tx, SERVICE, &format!("{FORGET}:{}", group.id))?;
        group.delete(tx);
        Ok(())
    }

    /// Does the task that forgets the stamps of items that are gone, once no write that is older can be on its way.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn forget_gone(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some(of) = Of::read(payload) else { return Ok(Next::Done) };
        let before = cx.now_millis().saturating_sub(i64::try_from(FORGOTTEN.as_millis()).unwrap_or(i64::MAX));
        loop {
            let more = cx
                .write(|tx| {
                    let Some(group) = of.group(tx)? else { return Ok(None) };
                    if !group.is_settled() {
                        return Ok(Some(false));
                    }
                    let mut more = false;
                    for member in &group.members {
                        let there = member.home.scope();
                        let end = stamps::end(tx, there, &member.table)?;
                        for other in stamps::told(tx, there, &member.table)? {
                            if stamps::cursor(tx, there, &member.table, &other)? != Some(end) {
                                return Ok(Some(false));
                            }
                        }
                    }
                    for member in &group.members {
                        more |= stamps::forget_gone(tx, member.home.scope(), &member.table, before, STEP)?;
                    }
                    Ok(Some(more))
                })
                .await?;
            match more {
                None => return Ok(Next::Done),
                Some(true) => {}
                Some(false) => return Ok(Next::Again(later(cx, FORGOTTEN))),
            }
        }
    }
}

/// What is left of a replica that is gone.
#[derive(Default)]
struct Gone {
    encryption: Option<Encryption>,
    again: bool,
}
