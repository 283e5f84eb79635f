//! What happens by itself: items expire, deleted tables and indexes are swept. And the two operations
//! that say by which attribute items expire.

use crate::DynamoDb;
use crate::api::input;
use crate::api::output::{TimeToLiveDescription, TimeToLiveSpecification};
use crate::api::{DescribeTimeToLiveOutput, UpdateTimeToLiveInput, UpdateTimeToLiveOutput};
use crate::encryption::{self, For, LOOK};
use crate::error::{Error, Result};
use crate::exports::{self, Export, WAIT};
use crate::global;
use crate::imports::Import;
use crate::items::write::Done;
use crate::metrics;
use crate::request::scope;
use crate::rows::{self, Backfill, Change, Sweep};
use crate::streams::announce;
use crate::streams::store::{RETENTION, Stream};
use crate::table::Table;
use std::time::Duration;
use undercast_kernel::{Cx, Next, Task, Timestamp};
use undercast_store::Tx;

/// The name under which the tasks are scheduled.
const SERVICE: &str = "dynamodb";
/// How many rows one step of a task goes through.
const STEP: usize = 1000;
/// Times further back than this mean nothing: AWS leaves alone what expired more than five years ago.
const OLDEST: u64 = 5 * 365 * 86_400;

const EXPIRE: &str = "expire";
const SWEEP: &str = "sweep";
const EXPIRE_BACKUP: &str = "expire-backup";
const TRIM: &str = "trim-stream";
const TRIM_HISTORY: &str = "trim-history";
const EXPORT: &str = "export";
const IMPORT: &str = "import";
const CHECK_KEY: &str = "check-key";
const SEAL: &str = "seal";

impl DynamoDb {
    /// Sets the attribute that says when items expire, or takes it back.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn update_ttl(&self, cx: &Cx, input: UpdateTimeToLiveInput) -> Result<UpdateTimeToLiveOutput> {
        let wanted = input.time_to_live_specification;
        if wanted.attribute_name.is_empty() {
            return Err(Error::validation("TimeToLiveSpecification AttributeName must not be empty"));
        }
        if let Some(table) = encryption::before(self, cx, &input.table_name)? {
            self.open(cx, For::Caller, &table).await?;
        }
        if let Some(table) = encryption::before(self, cx, &input.table_name)? {
            self.open_everywhere(cx, &table).await?;
        }
        cx.write(|tx| {
            let table = self.settled(cx, tx, &input.table_name)?;
            let elsewhere = self.elsewhere(cx, tx, &table)?;
            self.set_ttl(cx, tx, (*table).clone(), &wanted)?;
            for there in elsewhere {
                let other = self.counterpart(&there, tx, &table.name)?;
                self.set_ttl(&there, tx, other, &wanted)?;
            }
            Ok(())
        })
        .await?;
        let shown = TimeToLiveSpecification { enabled: wanted.enabled, attribute_name: wanted.attribute_name };
        Ok(UpdateTimeToLiveOutput { time_to_live_specification: Some(shown) })
    }

    fn set_ttl(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        mut table: Table,
        wanted: &input::TimeToLiveSpecification,
    ) -> Result<()> {
        if table.replica.as_ref().is_some_and(|replica| replica.strong) {
            return Err(global::no_ttl());
        }
        match (&table.ttl, wanted.enabled) {
            (Some(current), true) if *current == wanted.attribute_name => {
                return Err(Error::validation("TimeToLive is already enabled"));
            }
            (Some(current), _) if *current != wanted.attribute_name => {
                return Err(Error::validation(format_args!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {current}"
                )));
            }
            (None, false) => return Err(Error::validation("TimeToLive is already disabled")),
            (None, true) => {
                table.ttl = Some(wanted.attribute_name.clone());
                self.begin_expiry(cx, tx, &table, &wanted.attribute_name)?;
            }
            (Some(_), _) => {
                table.ttl = None;
                cx.tasks().cancel(tx, SERVICE, &format!("{EXPIRE}:{}", table.id))?;
                self.schedule_sweep(cx, tx, &table.id, Sweep::Expiry)?;
            }
        }
        rows::put_table(tx, scope(cx), &table);
        Ok(())
    }

    /// The attribute that says when items expire.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) fn describe_ttl(&self, cx: &Cx, given: &str) -> Result<DescribeTimeToLiveOutput> {
        let table = self.table_of(cx, &cx.read(), given)?;
        let status = if table.ttl.is_some() { "ENABLED" } else { "DISABLED" };
        let shown =
            TimeToLiveDescription { time_to_live_status: Some(status.to_owned()), attribute_name: table.ttl.clone() };
        Ok(DescribeTimeToLiveOutput { time_to_live_description: Some(shown) })
    }

    /// Notes when the items that are there expire.
    fn begin_expiry(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table, attribute: &str) -> Result<()> {
        // Times of an attribute that was taken back a moment ago may not have been swept yet.
        while rows::sweep(tx, scope(cx), &table.id, Sweep::Expiry, STEP)? {}
        let mut after: Option<Vec<u8>> = None;
        loop {
            (after, _) = rows::backfill(tx, scope(cx), table, Backfill::Expiry(attribute), after.as_deref(), STEP)?;
            if after.is_none() {
                break;
            }
        }
        match rows::next_expiry(tx, scope(cx), table, oldest(cx))? {
            Some(seconds) => self.schedule_expiry_at(cx, tx, table, seconds),
            None => Ok(()),
        }
    }

    /// Schedules the expiry of an item that was written, if no other of its table expires before it.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_expiry(&self, cx: &Cx, tx: &mut Tx<'_>, done: &Done) -> Result<()> {
        let Some(seconds) = done.written.expires else { return Ok(()) };
        if rows::next_expiry(tx, scope(cx), &done.table, oldest(cx))? == Some(seconds) {
            self.schedule_expiry_at(cx, tx, &done.table, seconds)?;
        }
        Ok(())
    }

    fn schedule_expiry_at(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table, seconds: u64) -> Result<()> {
        let id = format!("{EXPIRE}:{}", table.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &id, EXPIRE, table.name.clone(), moment(seconds))?)
    }

    /// Schedules the sweeping of rows that nobody sees any more.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_sweep(&self, cx: &Cx, tx: &mut Tx<'_>, table: &str, part: Sweep) -> Result<()> {
        let part = match part {
            Sweep::Replication => "replication".to_owned(),
            Sweep::Table => "table".to_owned(),
            Sweep::Expiry => "expiry".to_owned(),
            Sweep::Index(number) => number.to_string(),
        };
        let id = format!("{SWEEP}:{table}:{part}");
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &id, SWEEP, format!("{table} {part}"), cx.now())?)
    }

    /// Schedules the trimming of a stream, which goes on until the stream is over.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_trimming(&self, cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
        let at = moment(u64::try_from(stream.created.saturating_add(RETENTION) / 1000).unwrap_or(0));
        let payload = format!("{}/{}", stream.table, stream.label);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &format!("{TRIM}:{}", stream.id), TRIM, payload, at)?)
    }

    /// Schedules the end of a backup.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_backup_expiry(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        table: &str,
        id: &str,
        at: Timestamp,
    ) -> Result<()> {
        let payload = format!("{table}/{id}");
        let task = format!("{EXPIRE_BACKUP}:{}:{}:{payload}", cx.account(), cx.region());
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, EXPIRE_BACKUP, payload, at)?)
    }

    /// Schedules the trimming of a history, which goes on until it is no longer kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_history_trimming(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        table: &Table,
        history: &str,
        at: Timestamp,
    ) -> Result<()> {
        let payload = format!("{}/{history}", table.name);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &format!("{TRIM_HISTORY}:{history}"), TRIM_HISTORY, payload, at)?)
    }

    /// Schedules the writing of an export.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_export(&self, cx: &Cx, tx: &mut Tx<'_>, export: &Export) -> Result<()> {
        let task = format!("{EXPORT}:{}:{}:{}", cx.account(), cx.region(), export.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, EXPORT, export.payload(), cx.now())?)
    }

    /// Schedules the work of an import.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_import(&self, cx: &Cx, tx: &mut Tx<'_>, import: &Import) -> Result<()> {
        let task = format!("{IMPORT}:{}:{}:{}", cx.account(), cx.region(), import.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, IMPORT, import.payload(), cx.now())?)
    }

    /// Schedules the looking after the key of a table.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_key_check(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let at = cx.now().saturating_add(LOOK).unwrap_or(cx.now());
        let task = format!("{CHECK_KEY}:{}", table.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, CHECK_KEY, format!("{}/{}", table.name, table.id), at)?)
    }

    /// Schedules the sealing of the rows of a table with its newest key.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn schedule_sealing(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let task = format!("{SEAL}:{}", table.id);
        Ok(cx.tasks().schedule(cx, tx, SERVICE, &task, SEAL, format!("{}/{}", table.name, table.id), cx.now())?)
    }

    /// Does a task that was scheduled here.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn run_task(&self, cx: &Cx, task: &Task) -> Result<Next> {
        match task.kind.as_str() {
            EXPIRE => self.expire(cx, &task.payload).await,
            SWEEP => sweep(cx, &task.payload).await,
            EXPIRE_BACKUP => self.expire_backup(cx, &task.payload).await,
            TRIM => crate::streams::trim(cx, &task.payload).await,
            EXPORT => self.run_export(cx, &task.payload).await,
            IMPORT => self.run_import(cx, &task.payload).await,
            CHECK_KEY => self.check_key(cx, &task.payload).await,
            SEAL => self.seal_anew(cx, &task.payload).await,
            TRIM_HISTORY => self.trim_history(cx, &task.payload).await,
            global::MAKE => self.make_replica(cx, &task.payload).await,
            global::REMOVE => self.remove_replica(cx, &task.payload).await,
            global::LEAVE => self.leave(cx, &task.payload).await,
            global::REPLICATE => self.replicate(cx, &task.payload).await,
            global::FORGET => self.forget_gone(cx, &task.payload).await,
            global::MAKE_UP => self.run_make_up(cx, &task.payload).await,
            other => Err(cx.broken(format!("dynamodb has no task `{other}`")).into()),
        }
    }

    async fn expire(&self, cx: &Cx, name: &str) -> Result<Next> {
        let now = u64::try_from(cx.now().as_second()).unwrap_or(0);
        let known = self.descriptions.any(&cx.read(), scope(cx), name)?;
        if let Some(table) = known {
            self.open(cx, For::Itself, &table).await?;
        }
        let done = cx
            .write(|tx| {
                let table = self.descriptions.any(tx, scope(cx), name)?;
                let Some(table) = table.filter(|table| !table.importing) else { return Ok(None) };
                if table.ttl.is_none() {
                    return Ok(None);
                }
                let (gone, next) = self.expire_some(cx, tx, &table, now)?;
                Ok(Some((table, next, gone)))
            })
            .await?;
        let Some((table, next, gone)) = done else { return Ok(Next::Done) };
        announce(cx, &table);
        metrics::expired(cx, &table, gone);
        Ok(next.map_or(Next::Done, |seconds| Next::Again(moment(seconds).max(cx.now()))))
    }

    /// Takes away some items whose time has come; gives how many, and when the next one's comes.
    fn expire_some(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table, now: u64) -> Result<(usize, Option<u64>)> {
        let mut gone = 0;
        let mut left: Option<u64> = None;
        for (seconds, place) in rows::expired(tx, scope(cx), table, oldest(cx), now.saturating_add(1), STEP)? {
            if !global::expires_here(tx, cx, table, &place, now.saturating_sub(seconds))? {
                left = Some(left.map_or(seconds, |left| left.min(seconds)));
                continue;
            }
            let old = rows::get(tx, scope(cx), table, &place)?;
            let change = Change { place: &place, old, new: None, at: cx.now_millis(), expired: true, origin: None };
            rows::write(tx, scope(cx), table, &change)?;
            gone += 1;
        }
        if gone > 0 {
            self.schedule_replication(cx, tx, table)?;
        }
        let next = match left {
            // What others take away is looked at again when it should be gone, unless something else comes first.
            Some(left) if gone == 0 => {
                let again = left.saturating_add(global::LEFT);
                let next = rows::next_expiry(tx, scope(cx), table, now.saturating_add(1))?;
                Some(next.map_or(again, |next| next.min(again)))
            }
            _ => rows::next_expiry(tx, scope(cx), table, oldest(cx))?,
        };
        Ok((gone, next))
    }
}

async fn sweep(cx: &Cx, payload: &str) -> Result<Next> {
    let Some((table, part)) = payload.split_once(' ') else { return Ok(Next::Done) };
    let part = match part {
        "table" => Sweep::Table,
        "expiry" => Sweep::Expiry,
        "replication" => Sweep::Replication,
        number => match number.parse() {
            Ok(number) => Sweep::Index(number),
            Err(_) => return Ok(Next::Done),
        },
    };
    if part == Sweep::Table && exports::needs(&cx.read(), scope(cx), table)? {
        return Ok(Next::Again(cx.now().saturating_add(WAIT).unwrap_or(cx.now())));
    }
    let more = cx.write(|tx| Ok(rows::sweep(tx, scope(cx), table, part, STEP)?)).await?;
    Ok(if more { Next::Again(cx.now()) } else { Next::Done })
}

/// The earliest time that means anything.
fn oldest(cx: &Cx) -> u64 {
    u64::try_from(cx.now().as_second()).unwrap_or(0).saturating_sub(OLDEST)
}

/// A moment in seconds since 1970. Items expire in the second that they name.
fn moment(seconds: u64) -> Timestamp {
    let start = Timestamp::UNIX_EPOCH;
    start.checked_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
