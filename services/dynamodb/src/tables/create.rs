//! CreateTable and DeleteTable.

use super::describe::description;
use super::stream::{self, Wanted};
use super::{schema, tags};
use crate::DynamoDb;
use crate::api::{CreateTableInput, CreateTableOutput, DeleteTableOutput};
use crate::error::{Error, Result};
use crate::insights;
use crate::request::{scope, table_name};
use crate::rows::{self, Sweep};
use crate::table::{Billing, Table};
use crate::throughput::settings::{Asked, Whose};
use undercast_kernel::Cx;

/// Fewest characters of a table's name.
const MIN_TABLE_NAME: usize = 3;

impl DynamoDb {
    /// Makes a table. The answer says that it is being made; by then it is.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn create(&self, cx: &Cx, input: CreateTableInput) -> Result<CreateTableOutput> {
        let tags = tags::tags(input.tags.into_iter().flatten())?;
        let name = table_name(cx, &input.table_name)?;
        if name.len() < MIN_TABLE_NAME {
            return Err(Error::validation(format_args!(
                "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: Member must have \
                 length greater than or equal to 3"
            )));
        }
        let stream = input.stream_specification.as_ref().map(stream::wanted).transpose()?;
        let stream_id = cx.random().uuid();
        let billing = schema::billing(input.billing_mode.as_deref(), input.provisioned_throughput.as_ref())?;
        let given = input.attribute_definitions.ok_or_else(|| missing("attributeDefinitions"))?;
        let attributes = schema::definitions(given)?;
        let key = schema::table_key(&input.key_schema.ok_or_else(|| missing("keySchema"))?, &attributes)?;
        schema::check_definitions(
            &key,
            input.local_secondary_indexes.as_deref(),
            input.global_secondary_indexes.as_deref(),
            &attributes,
        )?;
        let mut next_index = 1;
        let local = schema::local_indexes(input.local_secondary_indexes, &key, &attributes, &mut next_index)?;
        let global = schema::global_indexes(cx, input.global_secondary_indexes, &attributes, billing, &mut next_index)?;
        schema::check_together(&local, &global)?;
        let asked = Asked { most: input.on_demand_throughput.as_ref(), warm: input.warm_throughput.as_ref() };
        let allowance = schema::made(cx, billing, asked, Whose::Table)?;
        let policy = input.resource_policy.as_deref().map(|text| self.policy_of_new_table(cx, text)).transpose()?;
        let mut table = Table {
            name: name.to_owned(),
            id: cx.random().uuid(),
            created: cx.now_millis(),
            attributes,
            key,
            local,
            global,
            next_index,
            billing,
            deletion_protection: input.deletion_protection_enabled == Some(true),
            class: input.table_class,
            ttl: None,
            on_demand_since: (billing == Billing::OnDemand).then_some(cx.now_millis()),
            stream: None,
            recovery: None,
            restored: None,
            allowance,
            policy,
            insights: None,
        };
        cx.write(|tx| {
            if self.descriptions.get(tx, scope(cx), &table.name)?.is_some() {
                return Err(Error::table_exists(&table.name).into());
            }
            table.stream = None;
            if let Some(Wanted::Enabled(view)) = stream {
                self.begin_stream(cx, tx, &mut table, &stream_id, view)?;
            }
            rows::put_table(tx, scope(cx), &table);
            rows::put_tags(tx, scope(cx), &table.id, &tags);
            Ok(())
        })
        .await?;
        let mut shown = description(cx, &cx.read(), &table, "CREATING")?;
        for index in shown.global_secondary_indexes.iter_mut().flatten() {
            index.index_status = Some("CREATING".to_owned());
        }
        if input.warm_throughput.is_none() {
            // Of one that nobody asked for AWS says nothing yet.
            shown.warm_throughput = None;
        }
        Ok(CreateTableOutput { table_description: Some(shown) })
    }

    /// Deletes a table with all that it holds. The rows are swept afterwards; from now on nobody sees them.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn drop_table(&self, cx: &Cx, given: &str) -> Result<DeleteTableOutput> {
        let shown = cx
            .write(|tx| {
                let mut table = (*self.table_of(cx, tx, given)?).clone();
                if table.deletion_protection {
                    return Err(Error::validation(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                         protection first.",
                    )
                    .into());
                }
                let shown = description(cx, tx, &table, "DELETING")?;
                self.end_stream(cx, tx, &mut table)?;
                let kept = table.recovery.is_some();
                if kept {
                    self.keep_deleted(cx, tx, &table)?;
                    self.end_recovery(cx, tx, &mut table)?;
                }
                insights::end(cx, tx, &table, None);
                rows::delete_table(tx, scope(cx), &table.name);
                rows::put_tags(tx, scope(cx), &table.id, &tags::Tags::new());
                if !kept {
                    self.schedule_sweep(cx, tx, &table.id, Sweep::Table)?;
                }
                Ok(shown)
            })
            .await?;
        self.throughput.forget(shown.table_id.as_deref().unwrap_or_default());
        Ok(DeleteTableOutput { table_description: Some(shown) })
    }
}

/// A member that only tables of other regions' tables can do without.
fn missing(member: &str) -> Error {
    Error::validation(format_args!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}
