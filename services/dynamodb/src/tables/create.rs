//! CreateTable and DeleteTable.

use super::describe::description;
use super::stream::{self, Wanted};
use super::{schema, tags};
use crate::DynamoDb;
use crate::api::input::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex, ProvisionedThroughput,
    VectorIndex,
};
use crate::api::{CreateTableInput, CreateTableOutput, DeleteTableOutput};
use crate::encryption::{self, Attached, Encryption};
use crate::error::{Error, Result};
use crate::global::{self, Standing};
use crate::insights;
use crate::request::{scope, table_name};
use crate::rows::{self, Sweep};
use crate::table::{Billing, Table};
use crate::throughput::settings::{Asked, Whose};
use crate::vectors;
use std::sync::Arc;
use undercast_kernel::Cx;
use undercast_store::{Read, Tx};

/// Fewest characters of a table's name.
const MIN_TABLE_NAME: usize = 3;

impl DynamoDb {
    /// Makes a table. The answer says that it is being made; by then it is.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn create(&self, cx: &Cx, mut input: CreateTableInput) -> Result<CreateTableOutput> {
        if let Some(source) = input.global_table_source_arn.take() {
            return self.join(cx, &source, input).await;
        }
        let follows = input.global_table_settings_replication_mode.as_deref().map(global::follows).transpose()?;
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
        let drafted = Draft {
            name,
            mode: input.billing_mode.as_deref(),
            throughput: input.provisioned_throughput.as_ref(),
            asked: Asked { most: input.on_demand_throughput.as_ref(), warm: input.warm_throughput.as_ref() },
            attributes: input.attribute_definitions.ok_or_else(|| missing("attributeDefinitions"))?,
            key: &input.key_schema.ok_or_else(|| missing("keySchema"))?,
            local: input.local_secondary_indexes,
            global: input.global_secondary_indexes,
            vectors: input.vector_indexes,
        }
        .table(cx)?;
        let policy = input.resource_policy.as_deref().map(|text| self.policy_of_new_table(cx, text)).transpose()?;
        let mut table = Table {
            deletion_protection: input.deletion_protection_enabled == Some(true),
            class: input.table_class,
            policy,
            follows,
            ..drafted
        };
        let wanted = input.sse_specification.as_ref().map_or(Ok(encryption::Wanted::Owned), encryption::wanted)?;
        // A name that is taken leaves no grant behind.
        if self.descriptions.any(&cx.read(), scope(cx), name)?.is_some() {
            return Err(Error::table_exists(name));
        }
        table.encryption = self.encrypt(cx, name, &wanted).await?;
        self.descriptions.attach(&mut table);
        cx.write(|tx| {
            if self.descriptions.any(tx, scope(cx), &table.name)?.is_some() {
                return Err(Error::table_exists(&table.name).into());
            }
            table.stream = None;
            if let Some(Wanted::Enabled(view)) = stream {
                self.begin_stream(cx, tx, &mut table, &stream_id, view)?;
            }
            rows::put_table(tx, scope(cx), &table);
            rows::put_tags(tx, scope(cx), &table.id, &tags);
            Ok(self.watch_key(cx, tx, &table)?)
        })
        .await?;
        let mut shown = description(cx, &cx.read(), &table, "CREATING")?;
        for index in shown.global_secondary_indexes.iter_mut().flatten() {
            index.index_status = Some("CREATING".to_owned());
        }
        for index in shown.vector_indexes.iter_mut().flatten() {
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
        let (shown, used) = cx
            .write(|tx| {
                let table = (*self.removable(cx, tx, given)?).clone();
                if table.replica.is_some() {
                    self.remove_here(cx, tx, &table)?;
                    return Ok((description(cx, tx, &table, "DELETING")?, None));
                }
                if table.deletion_protection {
                    return Err(Error::validation(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                         protection first.",
                    )
                    .into());
                }
                let shown = description(cx, tx, &table, "DELETING")?;
                Ok((shown, self.delete_in(cx, tx, table)?))
            })
            .await?;
        self.let_go(cx, used.as_ref()).await?;
        self.throughput.forget(shown.table_id.as_deref().unwrap_or_default());
        Ok(DeleteTableOutput { table_description: Some(shown) })
    }

    /// The table that is to be deleted.
    fn removable(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Arc<Table>> {
        let name = table_name(cx, given)?;
        let known = self.descriptions.any(from, scope(cx), name)?;
        let changing = |table: &Table| table.replica.as_ref().map(|replica| replica.standing);
        match known.as_deref().and_then(changing) {
            Some(Standing::Creating | Standing::Deleting) => {
                Err(Error::in_use(&format!("Table: {name} is being used.")))
            }
            _ => self.settled(cx, from, given),
        }
    }

    /// Deletes a table in its transaction; gives what it was encrypted with, if nothing of it is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn delete_in(&self, cx: &Cx, tx: &mut Tx<'_>, mut table: Table) -> Result<Option<Encryption>> {
        self.end_stream(cx, tx, &mut table)?;
        let kept = table.recovery.is_some();
        if kept {
            self.keep_deleted(cx, tx, &table)?;
            self.end_recovery(cx, tx, &mut table)?;
        }
        self.end_destinations(cx, tx, &mut table)?;
        insights::end(cx, tx, &table, None);
        rows::delete_table(tx, scope(cx), &table.name);
        rows::put_tags(tx, scope(cx), &table.id, &tags::Tags::new());
        if table.replica.is_some() {
            self.schedule_sweep(cx, tx, &table.id, Sweep::Replication)?;
        }
        if !kept {
            self.schedule_sweep(cx, tx, &table.id, Sweep::Table)?;
        }
        Ok(table.encryption.filter(|_| !kept))
    }
}

/// What a new table shall be, as far as all that make one say it alike.
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a str,
    pub(crate) mode: Option<&'a str>,
    pub(crate) throughput: Option<&'a ProvisionedThroughput>,
    pub(crate) asked: Asked<'a>,
    pub(crate) attributes: Vec<AttributeDefinition>,
    pub(crate) key: &'a [KeySchemaElement],
    pub(crate) local: Option<Vec<LocalSecondaryIndex>>,
    pub(crate) global: Option<Vec<GlobalSecondaryIndex>>,
    pub(crate) vectors: Option<Vec<VectorIndex>>,
}

impl Draft<'_> {
    /// The table, with an id of its own.
    ///
    /// # Errors
    /// What AWS says of a table that there cannot be.
    pub(crate) fn table(self, cx: &Cx) -> Result<Table> {
        let billing = schema::billing(self.mode, self.throughput)?;
        let attributes = schema::definitions(self.attributes)?;
        let key = schema::table_key(self.key, &attributes)?;
        let searched = self.vectors.iter().flatten().flat_map(|index| index.search_schema.iter().flatten());
        let searched: Vec<&str> = searched.map(|element| element.attribute_name.as_str()).collect();
        schema::check_definitions(&key, self.local.as_deref(), self.global.as_deref(), &searched, &attributes)?;
        let mut next_index = 1;
        let local = schema::local_indexes(self.local, &key, &attributes, &mut next_index)?;
        let global = schema::global_indexes(cx, self.global, &attributes, billing, &mut next_index)?;
        schema::check_together(&local, &global)?;
        let allowance = schema::made(cx, billing, self.asked, Whose::Table)?;
        let mut table = Table {
            name: self.name.to_owned(),
            id: cx.random().uuid(),
            created: cx.now_millis(),
            attributes,
            key,
            local,
            global,
            next_index,
            billing,
            deletion_protection: false,
            class: None,
            ttl: None,
            on_demand_since: (billing == Billing::OnDemand).then_some(cx.now_millis()),
            stream: None,
            recovery: None,
            destinations: None,
            restored: None,
            importing: false,
            encryption: None,
            ring: Attached::default(),
            allowance,
            policy: None,
            insights: None,
            replica: None,
            follows: None,
            stays: None,
            vectors: Vec::new(),
        };
        vectors::create(&mut table, self.vectors)?;
        Ok(table)
    }
}

/// A member that only tables of other regions' tables can do without.
fn missing(member: &str) -> Error {
    Error::validation(format_args!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}
