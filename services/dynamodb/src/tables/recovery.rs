//! DescribeContinuousBackups, UpdateContinuousBackups and RestoreTableToPointInTime: the history of a table.
//!
//! A history is kept as the records of a stream are, each with the item as it was before. The past is the present with
//! what has been written since undone.

use super::describe::moment;
use super::restore::{Overrides, Wanted};
use crate::DynamoDb;
use crate::api::input::PointInTimeRecoverySpecification;
use crate::api::output::{ContinuousBackupsDescription, PointInTimeRecoveryDescription};
use crate::api::{
    DescribeContinuousBackupsOutput, RestoreTableToPointInTimeInput, RestoreTableToPointInTimeOutput,
    UpdateContinuousBackupsInput, UpdateContinuousBackupsOutput,
};
use crate::compact::ItemRef;
use crate::error::{Error, Result};
use crate::exports::{self, WAIT};
use crate::request::{scope, table_arn, table_name};
use crate::rows;
use crate::streams::store::{self, Latest, View};
use crate::streams::{BETWEEN, STEP, next_trimming};
use crate::table::{Recovery, Restored, Table};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use undercast_kernel::{Cx, Next, Timestamp};
use undercast_store::{Read, Tx};

/// For how many days a history is kept when nothing else is asked for.
const DAYS: i32 = 35;

/// What is at places of a table instead of what is there.
pub(crate) type Instead = BTreeMap<Vec<u8>, Option<Bytes>>;

impl DynamoDb {
    /// Whether a table can be restored to a moment of the past.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) fn describe_recovery(&self, cx: &Cx, given: &str) -> Result<DescribeContinuousBackupsOutput> {
        let from = cx.read();
        let name = table_name(cx, given)?;
        let table = self.descriptions.any(&from, scope(cx), name)?;
        let table = table.filter(|table| !table.comes_or_goes());
        let table = table.ok_or_else(|| Error::table_of_backups_not_found(name))?;
        Ok(DescribeContinuousBackupsOutput { continuous_backups_description: Some(described(cx, &table)) })
    }

    /// Begins to keep the history of a table, changes how much of it is kept, or ends it.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) async fn update_recovery(
        &self,
        cx: &Cx,
        input: UpdateContinuousBackupsInput,
    ) -> Result<UpdateContinuousBackupsOutput> {
        let wanted = input.point_in_time_recovery_specification;
        let id = cx.random().uuid();
        let table = cx
            .write(|tx| {
                let table = self.backed_up(cx, tx, &input.table_name)?;
                // Replicas of one account keep histories by themselves, those of several all or none.
                let elsewhere = if self.group_of(tx, &table)?.is_some_and(|group| group.is_shared()) {
                    self.elsewhere(cx, tx, &table)?
                } else {
                    Vec::new()
                };
                let changed = self.set_recovery(cx, tx, (*table).clone(), &wanted, &id)?;
                for there in elsewhere {
                    let other = self.counterpart(&there, tx, &table.name)?;
                    self.set_recovery(&there, tx, other, &wanted, &format!("{id}-{}", there.region()))?;
                }
                Ok(changed)
            })
            .await?;
        Ok(UpdateContinuousBackupsOutput { continuous_backups_description: Some(described(cx, &table)) })
    }

    fn set_recovery(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        mut table: Table,
        wanted: &PointInTimeRecoverySpecification,
        id: &str,
    ) -> Result<Table> {
        let days = wanted.recovery_period_in_days;
        match (&mut table.recovery, wanted.point_in_time_recovery_enabled) {
            (Some(recovery), true) => recovery.days = days.unwrap_or(recovery.days),
            (None, true) => self.begin_recovery(cx, tx, &mut table, id, days.unwrap_or(DAYS))?,
            (_, false) => self.end_recovery(cx, tx, &mut table)?,
        }
        rows::put_table(tx, scope(cx), &table);
        Ok(table)
    }

    fn begin_recovery(&self, cx: &Cx, tx: &mut Tx<'_>, table: &mut Table, id: &str, days: i32) -> Result<()> {
        let history = Latest { label: String::new(), id: id.to_owned(), view: View::OldImage, enabled: true };
        table.recovery = Some(Recovery { history, since: cx.now_millis(), days });
        let first = cx.now().saturating_add(BETWEEN).unwrap_or(cx.now());
        self.schedule_history_trimming(cx, tx, table, id, first)
    }

    /// Ends the history of a table, if one is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn end_recovery(&self, cx: &Cx, tx: &mut Tx<'_>, table: &mut Table) -> Result<()> {
        let Some(recovery) = table.recovery.take() else { return Ok(()) };
        self.schedule_history_trimming(cx, tx, table, &recovery.history.id, cx.now())
    }

    /// Does the task that trims a history, `payload` being the table's name and the history's id.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn trim_history(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some((table, id)) = payload.split_once('/') else { return Ok(Next::Done) };
        if exports::needs(&cx.read(), scope(cx), id)? {
            return Ok(Next::Again(cx.now().saturating_add(WAIT).unwrap_or(cx.now())));
        }
        let (more, over) = cx
            .write(|tx| {
                let table = self.descriptions.any(tx, scope(cx), table)?;
                let recovery = table.as_ref().and_then(|table| table.recovery.as_ref());
                let kept = recovery.filter(|recovery| recovery.history.id == id);
                let since = kept.map_or(i64::MAX, |recovery| recovery.earliest(cx.now_millis()));
                let more = store::trim(tx, scope(cx), id, since, STEP)?;
                let over = !more && kept.is_none();
                if over {
                    store::forget(tx, scope(cx), id);
                }
                Ok((more, over))
            })
            .await?;
        Ok(next_trimming(cx, more, over))
    }

    /// Makes a table that holds what another held at a moment.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn restore_moment(
        &self,
        cx: &Cx,
        input: RestoreTableToPointInTimeInput,
    ) -> Result<RestoreTableToPointInTimeOutput> {
        let source = match (input.source_table_arn, input.source_table_name) {
            (Some(source), None) | (None, Some(source)) => source,
            (Some(_), Some(_)) => {
                return Err(Error::validation("Must provide exactly one of: sourceTableArn, sourceTableName"));
            }
            (None, None) => {
                return Err(Error::validation(
                    "The parameter 'TableName' is required but was not present in the request",
                ));
            }
        };
        let overrides = Overrides {
            billing: input.billing_mode_override,
            throughput: input.provisioned_throughput_override,
            most: input.on_demand_throughput_override,
            global: input.global_secondary_index_override,
            local: input.local_secondary_index_override,
        };
        let wanted = wanted_moment(input.use_latest_restorable_time, input.restore_date_time)?;
        let id = cx.random().uuid();
        let asked = input.sse_specification_override.as_ref();
        let given = self.backed_up(cx, &cx.read(), &source)?;
        let encryption = self.encrypt_restored(cx, &given, &input.target_table_name, asked).await?;
        let target = Wanted { table: &input.target_table_name, id: &id, overrides, encryption };
        let shown = cx
            .write(|tx| {
                let source = self.backed_up(cx, tx, &source)?;
                let recovery = source.recovery.as_ref().ok_or_else(|| Error::no_recovery(&source.name))?;
                let now = cx.now_millis();
                let at = wanted.unwrap_or(now);
                let first = recovery.earliest(now);
                // Callers know the earliest moment to the second.
                if at < first.div_euclid(1000) * 1000 || at > now {
                    return Err(Error::invalid_restore_time(second(at), second(first), second(now)).into());
                }
                let instead = undone(tx, cx, &source, &recovery.history.id, at)?;
                let restored = Restored { backup: None, table: table_arn(cx, &source.name), at };
                Ok(self.restore(cx, tx, &source, &restored, &target, &instead)?)
            })
            .await?;
        Ok(RestoreTableToPointInTimeOutput { table_description: Some(shown) })
    }

    /// The table that is meant, in the words of the operations on backups.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn backed_up(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Arc<Table>> {
        let name = table_name(cx, given)?;
        let found = self.descriptions.any(from, scope(cx), name)?.filter(|table| !table.comes_or_goes());
        let table = found.ok_or_else(|| Error::table_of_backups_not_found(name))?;
        if table.importing { Err(Error::backups_not_yet(name)) } else { Ok(table) }
    }
}

/// The moment that a request wants, in milliseconds since 1970; `None` for the latest that there is.
fn wanted_moment(latest: Option<bool>, at: Option<Timestamp>) -> Result<Option<i64>> {
    match (latest, at) {
        (Some(true), None) => Ok(None),
        (None | Some(false), Some(at)) => Ok(Some(at.as_millisecond())),
        (Some(true), Some(_)) => Err(Error::validation(
            "Invalid Request: Both RestoreDateTime and UseLatestRestorableTime cannot be set for point-in-time restore \
             request. Please set only one of them",
        )),
        (None | Some(false), None) => Err(Error::validation(
            "Invalid Request: Either one of RestoreDateTime or UseLatestRestorableTime must be specified, but not both",
        )),
    }
}

/// A moment in milliseconds since 1970, to the second.
fn second(millis: i64) -> Timestamp {
    moment(millis.div_euclid(1000) * 1000)
}

/// What was at the places that have been written since a moment.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub(crate) fn undone(from: &impl Read, cx: &Cx, table: &Table, history: &str, at: i64) -> Result<Instead> {
    let mut instead = Instead::new();
    let mut position = store::first_since(from, scope(cx), history, at.saturating_add(1))?;
    loop {
        let records = store::records(from, scope(cx), history, position, STEP)?;
        let Some((last, _)) = records.last() else { return Ok(instead) };
        position = last + 1;
        for (_, record) in records {
            let record = record.opened(table.keys(), history)?;
            let place = table.key_of(&ItemRef::open(&record.keys)?.to_item()?)?.bytes;
            // The first write since then found what was there then.
            instead.entry(place).or_insert_with(|| record.old.map(Bytes::from));
        }
    }
}

/// AWS says `ENABLED` of the status as a whole for every table there is.
fn described(cx: &Cx, table: &Table) -> ContinuousBackupsDescription {
    let recovery = table.recovery.as_ref();
    let status = if recovery.is_some() { "ENABLED" } else { "DISABLED" };
    ContinuousBackupsDescription {
        continuous_backups_status: "ENABLED".to_owned(),
        point_in_time_recovery_description: Some(PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(status.to_owned()),
            recovery_period_in_days: recovery.map(|recovery| recovery.days),
            earliest_restorable_date_time: recovery.map(|recovery| moment(recovery.earliest(cx.now_millis()))),
            latest_restorable_date_time: recovery.map(|_| cx.now()),
        }),
    }
}
