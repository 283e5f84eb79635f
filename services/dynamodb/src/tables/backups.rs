//! Backups: copies of tables, made when somebody asks for them.
//!
//! A backup's items are kept as those of a table are, under an id of their own.

use super::describe::{key_schema, moment};
use super::recovery::Instead;
use super::restore::{Overrides, Wanted, copy};
use crate::DynamoDb;
use crate::api::output::{
    BackupDescription, BackupDetails, BackupSummary, GlobalSecondaryIndexInfo, LocalSecondaryIndexInfo,
    ProvisionedThroughput, SourceTableDetails, SourceTableFeatureDetails, StreamSpecification, TimeToLiveDescription,
};
use crate::api::{
    CreateBackupInput, CreateBackupOutput, DeleteBackupOutput, DescribeBackupOutput, ListBackupsInput,
    ListBackupsOutput, RestoreTableFromBackupInput, RestoreTableFromBackupOutput,
};
use crate::encryption::{self, For};
use crate::error::{Error, Result};
use crate::request::{scope, table_arn, table_name};
use crate::rows::{self, Scope, Sweep};
use crate::table::{BASE, Billing, Restored, Table};
use minicbor::{Decode, Encode};
use undercast_kernel::{Cx, Next, Timestamp};
use undercast_store::{Order, Page, Part, Read, Tx, prefix_end};

const BACKUPS: &str = "dynamodb.backups";

/// Most backups of one page.
const MAX_LISTED: usize = 100;

/// How long what a deleted table held is kept, in milliseconds.
const KEPT: i64 = 35 * 86_400_000;

/// A backup.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
struct Backup {
    /// Its id: the moment that it was made and a random end, so that backups of a table are in order of time.
    #[n(0)]
    id: String,
    /// Its name, which others may have too.
    #[n(1)]
    name: String,
    /// When it was made, in milliseconds since 1970.
    #[n(2)]
    created: i64,
    /// The table as it was.
    #[n(3)]
    table: Table,
    /// Under what id its items are kept.
    #[n(4)]
    items: String,
    /// How many items it has.
    #[n(5)]
    count: i64,
    /// How many bytes they have.
    #[n(6)]
    bytes: i64,
    /// When it goes by itself, in milliseconds since 1970; only those that DynamoDB makes do.
    #[n(7)]
    expires: Option<i64>,
}

impl Backup {
    fn kind(&self) -> &'static str {
        if self.expires.is_some() { "SYSTEM" } else { "USER" }
    }

    fn is_over(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn put(&self, tx: &mut Tx<'_>, scope: Scope<'_>) {
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail.
        let _infallible = minicbor::encode(self, &mut bytes);
        tx.put(key(scope, &self.table.name, &self.id), bytes.into());
    }

    fn arn(&self, cx: &Cx) -> String {
        format!("{}/backup/{}", table_arn(cx, &self.table.name), self.id)
    }

    /// The copy of the table that holds the items.
    fn copy(&self) -> Table {
        Table {
            id: self.items.clone(),
            local: Vec::new(),
            global: Vec::new(),
            ttl: None,
            stream: None,
            recovery: None,
            destinations: None,
            replica: None,
            ..self.table.clone()
        }
    }
}

fn key(scope: Scope<'_>, table: &str, id: &str) -> Vec<u8> {
    let mut key = scope.rows(BACKUPS, table);
    Part::encode(id, &mut key);
    key
}

/// The backup with an ARN of this account and region.
fn find(cx: &Cx, from: &impl Read, arn: &str) -> Result<Backup> {
    let missing = || Error::backup_not_found(arn);
    let (table, id) = parts_of(cx, arn).ok_or_else(missing)?;
    let stored = from.get(&key(scope(cx), table, id))?.ok_or_else(missing)?;
    let backup: Backup = minicbor::decode(&stored)?;
    if backup.is_over(cx.now_millis()) { Err(missing()) } else { Ok(backup) }
}

fn parts_of<'a>(cx: &Cx, arn: &'a str) -> Option<(&'a str, &'a str)> {
    arn.strip_prefix(cx.arn("dynamodb", "table/").as_str())?.split_once("/backup/")
}

impl DynamoDb {
    /// Copies a table.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) async fn back_up(&self, cx: &Cx, input: CreateBackupInput) -> Result<CreateBackupOutput> {
        let (items, end) = (cx.random().uuid(), cx.random().text(8, "0123456789abcdef"));
        if let Some(table) = encryption::before(self, cx, &input.table_name)? {
            self.open(cx, For::Caller, &table).await?;
        }
        let backup = cx
            .write(|tx| {
                let table = self.backed_up(cx, tx, &input.table_name)?;
                let held = rows::counts(tx, scope(cx), &table, BASE)?;
                let backup = Backup {
                    id: format!("{:014}-{end}", cx.now_millis()),
                    name: input.backup_name.clone(),
                    created: cx.now_millis(),
                    table: (*table).clone(),
                    items: items.clone(),
                    count: held.items,
                    bytes: held.bytes,
                    expires: None,
                };
                copy(tx, scope(cx), &table, &backup.copy(), &Instead::new(), cx.now_millis())?;
                backup.put(tx, scope(cx));
                Ok(backup)
            })
            .await?;
        Ok(CreateBackupOutput { backup_details: Some(details(cx, &backup, "CREATING")) })
    }

    /// Keeps what a table that is deleted holds as a backup, as AWS does of tables of which a history is kept. The rows
    /// stay where they are.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn keep_deleted(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let held = rows::counts(tx, scope(cx), table, BASE)?;
        let expires = cx.now_millis().saturating_add(KEPT);
        let backup = Backup {
            id: format!("{:014}-00000000", cx.now_millis()),
            name: format!("{}$DeletedTableBackup", table.name),
            created: cx.now_millis(),
            table: table.clone(),
            items: table.id.clone(),
            count: held.items,
            bytes: held.bytes,
            expires: Some(expires),
        };
        backup.put(tx, scope(cx));
        self.schedule_backup_expiry(cx, tx, &table.name, &backup.id, moment(expires))
    }

    /// Does the task that ends a backup, `payload` being its table's name and its id.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn expire_backup(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some((table, id)) = payload.split_once('/') else { return Ok(Next::Done) };
        cx.write(|tx| {
            let key = key(scope(cx), table, id);
            if let Some(stored) = tx.get(&key)? {
                let backup: Backup = minicbor::decode(&stored).map_err(Error::from)?;
                self.schedule_sweep(cx, tx, &backup.items, Sweep::Table)?;
                tx.delete(key);
            }
            Ok(())
        })
        .await?;
        Ok(Next::Done)
    }

    /// What a backup is.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn describe_backup(&self, cx: &Cx, arn: &str) -> Result<DescribeBackupOutput> {
        let backup = find(cx, &cx.read(), arn)?;
        Ok(DescribeBackupOutput { backup_description: Some(described(cx, &backup, "AVAILABLE")) })
    }

    /// Deletes a backup.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) async fn delete_backup(&self, cx: &Cx, arn: &str) -> Result<DeleteBackupOutput> {
        let backup = cx
            .write(|tx| {
                let backup = find(cx, tx, arn)?;
                if backup.expires.is_some() {
                    return Err(Error::validation("Backups of the type SYSTEM cannot be deleted").into());
                }
                tx.delete(key(scope(cx), &backup.table.name, &backup.id));
                self.schedule_sweep(cx, tx, &backup.items, Sweep::Table)?;
                Ok(backup)
            })
            .await?;
        Ok(DeleteBackupOutput { backup_description: Some(described(cx, &backup, "DELETED")) })
    }

    /// The backups there are.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn list_backups(&self, cx: &Cx, input: &ListBackupsInput) -> Result<ListBackupsOutput> {
        let of_table = input.table_name.as_deref().map(|given| table_name(cx, given)).transpose()?;
        let prefix = of_table.map_or_else(|| scope(cx).prefix(BACKUPS), |table| scope(cx).rows(BACKUPS, table));
        let after = match input.exclusive_start_backup_arn.as_deref() {
            Some(arn) => {
                let (table, id) = parts_of(cx, arn).ok_or_else(|| Error::backup_not_found(arn))?;
                [key(scope(cx), table, id), vec![0]].concat()
            }
            None => prefix.clone(),
        };
        let page = Page {
            start: after.max(prefix.clone()),
            end: prefix_end(&prefix),
            order: Order::Ascending,
            limit: usize::MAX,
        };
        let mut found: Vec<Backup> = Vec::new();
        for (_, stored) in cx.read().scan(&page)? {
            found.push(minicbor::decode(&stored)?);
        }
        let wanted = input.backup_type.as_deref().unwrap_or("USER");
        found.retain(|backup| (wanted == "ALL" || wanted == backup.kind()) && !backup.is_over(cx.now_millis()));
        let from = input.time_range_lower_bound.map(Timestamp::as_millisecond);
        let to = input.time_range_upper_bound.map(Timestamp::as_millisecond);
        found
            .retain(|backup| from.is_none_or(|from| backup.created >= from) && to.is_none_or(|to| backup.created < to));
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_LISTED);
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(ListBackupsOutput {
            last_evaluated_backup_arn: found.last().filter(|_| more).map(|backup| backup.arn(cx)),
            backup_summaries: Some(found.iter().map(|backup| summary(cx, backup)).collect()),
        })
    }

    /// Makes a table of a backup.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn restore_backup(
        &self,
        cx: &Cx,
        input: RestoreTableFromBackupInput,
    ) -> Result<RestoreTableFromBackupOutput> {
        let id = cx.random().uuid();
        let overrides = Overrides {
            billing: input.billing_mode_override,
            throughput: input.provisioned_throughput_override,
            most: input.on_demand_throughput_override,
            global: input.global_secondary_index_override,
            local: input.local_secondary_index_override,
        };
        if !input.backup_arn.contains("/backup/") {
            return Err(Error::validation("Invalid Backup ARN"));
        }
        let mut given = find(cx, &cx.read(), &input.backup_arn)?.table;
        self.descriptions.attach(&mut given);
        let asked = input.sse_specification_override.as_ref();
        let encryption = self.encrypt_restored(cx, &given, &input.target_table_name, asked).await?;
        let wanted = Wanted { table: &input.target_table_name, id: &id, overrides, encryption };
        let shown = cx
            .write(|tx| {
                let backup = find(cx, tx, &input.backup_arn)?;
                let mut source = Table { id: backup.items.clone(), ..backup.table.clone() };
                self.descriptions.attach(&mut source);
                let restored = Restored {
                    backup: Some(input.backup_arn.clone()),
                    table: table_arn(cx, &backup.table.name),
                    at: backup.created,
                };
                Ok(self.restore(cx, tx, &source, &restored, &wanted, &Instead::new())?)
            })
            .await?;
        Ok(RestoreTableFromBackupOutput { table_description: Some(shown) })
    }
}

fn details(cx: &Cx, backup: &Backup, status: &str) -> BackupDetails {
    BackupDetails {
        backup_arn: backup.arn(cx),
        backup_name: backup.name.clone(),
        backup_size_bytes: Some(backup.bytes),
        backup_status: status.to_owned(),
        backup_type: backup.kind().to_owned(),
        backup_creation_date_time: moment(backup.created),
        backup_expiry_date_time: backup.expires.map(moment),
    }
}

fn summary(cx: &Cx, backup: &Backup) -> BackupSummary {
    BackupSummary {
        table_name: Some(backup.table.name.clone()),
        table_id: Some(backup.table.id.clone()),
        table_arn: Some(table_arn(cx, &backup.table.name)),
        backup_arn: Some(backup.arn(cx)),
        backup_name: Some(backup.name.clone()),
        backup_creation_date_time: Some(moment(backup.created)),
        backup_expiry_date_time: backup.expires.map(moment),
        backup_status: Some("AVAILABLE".to_owned()),
        backup_type: Some(backup.kind().to_owned()),
        backup_size_bytes: Some(backup.bytes),
    }
}

fn throughput(billing: Billing) -> ProvisionedThroughput {
    let (read, write) = match billing {
        Billing::OnDemand => (0, 0),
        Billing::Provisioned { read, write } => (read, write),
    };
    ProvisionedThroughput { read_capacity_units: read, write_capacity_units: write }
}

fn described(cx: &Cx, backup: &Backup, status: &str) -> BackupDescription {
    let table = &backup.table;
    let mode = if table.billing == Billing::OnDemand { "PAY_PER_REQUEST" } else { "PROVISIONED" };
    let local = table.local.iter().map(|index| LocalSecondaryIndexInfo {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(super::describe::projection(&index.projection)),
    });
    let global = table.global.iter().map(|index| GlobalSecondaryIndexInfo {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(super::describe::projection(&index.projection)),
        provisioned_throughput: Some(throughput(index.billing)),
        ..GlobalSecondaryIndexInfo::default()
    });
    let stream = table.stream.as_ref().filter(|stream| stream.enabled).map(|stream| StreamSpecification {
        stream_enabled: true,
        stream_view_type: Some(stream.view.name().to_owned()),
    });
    BackupDescription {
        backup_details: Some(details(cx, backup, status)),
        source_table_details: Some(SourceTableDetails {
            table_name: table.name.clone(),
            table_id: table.id.clone(),
            table_arn: Some(table_arn(cx, &table.name)),
            table_size_bytes: Some(backup.bytes),
            key_schema: key_schema(&table.key),
            table_creation_date_time: moment(table.created),
            provisioned_throughput: throughput(table.billing),
            item_count: Some(backup.count),
            billing_mode: Some(mode.to_owned()),
            ..SourceTableDetails::default()
        }),
        source_table_feature_details: Some(SourceTableFeatureDetails {
            local_secondary_indexes: Some(local.collect()),
            global_secondary_indexes: Some(global.collect()),
            stream_description: stream,
            sse_description: encryption::description(table),
            time_to_live_description: table.ttl.as_ref().map(|attribute| TimeToLiveDescription {
                time_to_live_status: Some("ENABLED".to_owned()),
                attribute_name: Some(attribute.clone()),
            }),
            ..SourceTableFeatureDetails::default()
        }),
    }
}
