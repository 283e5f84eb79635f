//! UpdateTable.

use super::describe::description;
use super::{schema, stream};
use crate::DynamoDb;
use crate::api::input::{
    CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, ProvisionedThroughput, SSESpecification,
    UpdateGlobalSecondaryIndexAction, VectorIndexUpdate,
};
use crate::api::output::TableDescription;
use crate::api::{UpdateTableInput, UpdateTableOutput};
use crate::encryption::{self, For};
use crate::error::{Error, Result};
use crate::global;
use crate::insights;
use crate::metrics;
use crate::request::scope;
use crate::rows::{self, Backfill, Sweep};
use crate::table::{Billing, Index, KeyDefinition, Table};
use crate::throughput::Allowance;
use crate::throughput::settings::{self, Asked, When, Whose};
use crate::vectors::{self, VectorIndex};
use undercast_kernel::Cx;
use undercast_store::Tx;

/// How many items are looked at at a time while an index is made.
const BACKFILL_STEP: usize = 1000;

/// A change to the global indexes, checked.
enum IndexChange {
    Create(Index),
    Update(String, Billing, Allowance),
    Delete(String),
}

/// What a request wants to be different of a table.
struct Changes<'a> {
    mode: Option<&'a str>,
    throughput: Option<&'a ProvisionedThroughput>,
    asked: Asked<'a>,
    protected: Option<bool>,
    class: Option<&'a str>,
    follows: Option<bool>,
    stays: Option<bool>,
    stream: Option<stream::Wanted>,
    stream_id: String,
    definitions: &'a [KeyDefinition],
    indexes: &'a [GlobalSecondaryIndexUpdate],
    vectors: &'a [VectorIndexUpdate],
    /// Whose they are.
    whose: Which,
}

/// Which replica of a table is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one that was asked, or the only one.
    Asked,
    /// Another one, which follows.
    Other,
    /// Another one, which follows what is written but not what is read.
    Scaled,
}

impl Which {
    /// What another replica is given where one was given this.
    fn follows(self, own: Billing, given: Billing) -> Billing {
        match (self, own, given) {
            (Self::Scaled, Billing::Provisioned { read, .. }, Billing::Provisioned { write, .. }) => {
                Billing::Provisioned { read, write }
            }
            _ => given,
        }
    }
}

/// What became of a table that was changed.
struct Changed {
    shown: TableDescription,
    table: Table,
    /// An index that was made, and the units of writing that it took.
    made: Option<(String, f64)>,
}

impl DynamoDb {
    /// Changes the settings of a table, or its global indexes, one of them at a time as AWS wants it; or the replicas of a
    /// table.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn change_table(&self, cx: &Cx, mut input: UpdateTableInput) -> Result<UpdateTableOutput> {
        let settings = input.provisioned_throughput.is_some()
            || input.on_demand_throughput.is_some()
            || input.warm_throughput.is_some()
            || input.billing_mode.is_some()
            || input.global_secondary_index_updates.is_some()
            || input.vector_index_updates.is_some()
            || input.stream_specification.is_some()
            || input.table_class.is_some()
            || input.deletion_protection_enabled.is_some()
            || input.disassociation_protection_enabled.is_some()
            || input.global_table_settings_replication_mode.is_some();
        let others = settings || input.sse_specification.is_some();
        if let Some(replicas) = global::Asked::take(cx, &mut input, others)? {
            return self.change_replicas(cx, &input.table_name, replicas).await;
        }
        let stream = input.stream_specification.as_ref().map(stream::wanted).transpose()?;
        let none = input.global_secondary_index_updates.as_ref().is_some_and(Vec::is_empty);
        let definitions = schema::definitions(input.attribute_definitions.into_iter().flatten())?;
        let changes = Changes {
            mode: input.billing_mode.as_deref(),
            throughput: input.provisioned_throughput.as_ref(),
            asked: Asked { most: input.on_demand_throughput.as_ref(), warm: input.warm_throughput.as_ref() },
            protected: input.deletion_protection_enabled,
            class: input.table_class.as_deref(),
            stays: input.disassociation_protection_enabled,
            follows: input.global_table_settings_replication_mode.as_deref().map(global::follows).transpose()?,
            stream,
            stream_id: cx.random().uuid(),
            indexes: input.global_secondary_index_updates.as_deref().unwrap_or_default(),
            vectors: input.vector_index_updates.as_deref().unwrap_or_default(),
            definitions: &definitions,
            whose: Which::Asked,
        };
        let others = changes.any();
        if let Some(specification) = &input.sse_specification {
            if others {
                return Err(Error::invalid(
                    "Server-Side Encryption modification must be the only operation in the request",
                ));
            }
            return self.change_encryption_everywhere(cx, &input.table_name, specification).await;
        }
        if !others {
            return Err(Error::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        if none {
            return Err(Error::invalid("List of GlobalSecondaryIndexUpdates is empty"));
        }
        self.make_changes(cx, &input.table_name, &changes).await
    }

    async fn make_changes(&self, cx: &Cx, given: &str, changes: &Changes<'_>) -> Result<UpdateTableOutput> {
        if let Some(table) = encryption::before(self, cx, given)?.filter(|_| changes.any_index()) {
            self.open(cx, For::Caller, &table).await?;
            self.open_everywhere(cx, &table).await?;
        }
        if changes.mode == Some("PROVISIONED")
            && let Some(table) = encryption::before(self, cx, given)?.filter(|table| table.replica.is_some())
        {
            let billing = schema::billing(changes.mode, changes.throughput)?;
            global::require(cx, &Table { billing, ..(*table).clone() }).await?;
        }
        let (shown, filled) = cx
            .write(|tx| {
                let table = self.changeable(cx, tx, given)?;
                let elsewhere = if changes.are_regional() { Vec::new() } else { self.elsewhere(cx, tx, &table)? };
                let name = table.name.clone();
                let here = self.make_changes_in(cx, tx, table, changes)?;
                let mut filled = vec![(cx.clone(), here.table, here.made)];
                for there in elsewhere {
                    let table = self.counterpart(&there, tx, &name)?;
                    let whose = if global::is_scaling(cx) { Which::Scaled } else { Which::Other };
                    let of_others = Changes { whose, ..changes.of_others() };
                    let changed = self.make_changes_in(&there, tx, table, &of_others)?;
                    filled.push((there, changed.table, changed.made));
                }
                Ok((here.shown, filled))
            })
            .await?;
        for (cx, table, made) in filled {
            if let Some((made, units)) = made {
                metrics::filled(&cx, &table, &made, units);
            }
        }
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    fn make_changes_in(&self, cx: &Cx, tx: &mut Tx<'_>, mut table: Table, changes: &Changes<'_>) -> Result<Changed> {
        change_billing(cx, &mut table, changes.mode, changes.throughput, changes.whose)?;
        let billing = table.billing;
        changes.asked.follow(cx, &mut table.allowance, billing, Whose::Table, When::Changed)?;
        if let Some(protected) = changes.protected {
            table.deletion_protection = protected;
        }
        if let Some(class) = changes.class {
            table.class = Some(class.to_owned());
        }
        table.follows = changes.follows.or(table.follows);
        table.stays = changes.stays.or(table.stays);
        if let Some(wanted) = changes.stream {
            self.change_stream(cx, tx, &mut table, &changes.stream_id, wanted)?;
        }
        let (made, gone, units) = self.change_indexes(cx, tx, &mut table, changes)?;
        check_indexes(&table)?;
        let others = made.is_some() || gone.is_some();
        let vectors = self.change_vectors(cx, tx, &mut table, changes.definitions, (changes.vectors, others))?;
        rows::put_table(tx, scope(cx), &table);
        let mut shown = description(cx, tx, &table, "UPDATING")?;
        show_vectors(cx, tx, &table, &mut shown, &vectors)?;
        for index in shown.global_secondary_indexes.iter_mut().flatten() {
            if index.index_name == made {
                index.index_status = Some("CREATING".to_owned());
                index.backfilling = Some(false);
            }
        }
        if let Some(gone) = gone {
            let arn = crate::request::table_arn(cx, &table.name);
            let gone = super::describe::global_index(cx, tx, &table, &gone, &arn, "DELETING")?;
            shown.global_secondary_indexes.get_or_insert_default().push(gone);
        }
        Ok(Changed { shown, table, made: made.map(|made| (made, units)) })
    }

    /// Changes what a table is encrypted with, and its replicas where they follow it.
    async fn change_encryption_everywhere(
        &self,
        cx: &Cx,
        given: &str,
        specification: &SSESpecification,
    ) -> Result<UpdateTableOutput> {
        let elsewhere = self.encryption_elsewhere(cx, given, specification).await?;
        let changed = self.change_encryption(cx, given, specification).await?;
        for (there, specification) in elsewhere {
            let name = changed.table_description.as_ref().and_then(|shown| shown.table_name.as_deref());
            self.change_encryption(&there, name.unwrap_or(given), &specification).await?;
        }
        Ok(changed)
    }

    /// Changes indexes; gives the name of one that was made, one that went, and the units of writing that it took.
    fn change_indexes(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        table: &mut Table,
        changes: &Changes<'_>,
    ) -> Result<(Option<String>, Option<Index>, f64)> {
        let Changes { definitions, indexes: updates, whose, .. } = *changes;
        check_once(updates)?;
        let mut made = None;
        let mut gone = None;
        let mut units = 0.0;
        for update in updates {
            match index_change(cx, table, definitions, update)? {
                IndexChange::Create(index) => {
                    if made.is_some() || gone.is_some() {
                        return Err(Error::limit_exceeded(
                            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
                        ));
                    }
                    made = Some(index.name.clone());
                    table.global.push(index);
                    schema::check_together(&table.local, &table.global)?;
                    units += self.fill(cx, tx, table)?;
                }
                IndexChange::Update(name, billing, allowance) => {
                    if let Some(index) = table.global.iter_mut().find(|index| index.name == name) {
                        (index.billing, index.allowance) = (whose.follows(index.billing, billing), allowance);
                    }
                }
                IndexChange::Delete(name) => {
                    if made.is_some() || gone.is_some() {
                        return Err(Error::limit_exceeded(
                            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
                        ));
                    }
                    let at = table.global.iter().position(|index| index.name == name);
                    let index = at.map(|at| table.global.remove(at)).ok_or_else(Error::resource_not_found)?;
                    insights::end(cx, tx, table, Some(&index));
                    self.schedule_sweep(cx, tx, &table.id, Sweep::Index(index.number))?;
                    forget_definitions(table);
                    gone = Some(index);
                }
            }
        }
        Ok((made, gone, units))
    }

    /// Changes vector indexes.
    fn change_vectors(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        table: &mut Table,
        definitions: &[KeyDefinition],
        (updates, others): (&[VectorIndexUpdate], bool),
    ) -> Result<vectors::Changes> {
        let changes = vectors::Changes::follow(table, definitions, updates, others)?;
        if changes.made.is_some()
            && let Some(index) = table.vectors.last()
        {
            vectors::fill(tx, scope(cx), table, index)?;
        }
        if let Some(gone) = &changes.gone {
            self.schedule_sweep(cx, tx, &table.id, Sweep::Index(gone.number))?;
            forget_definitions(table);
        }
        Ok(changes)
    }

    /// Makes the rows of the index that was added last; gives the units of writing that it takes.
    fn fill(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<f64> {
        let Some(index) = table.global.last() else { return Ok(0.0) };
        let mut all = 0.0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let units;
            (after, units) =
                rows::backfill(tx, scope(cx), table, Backfill::Index(index), after.as_deref(), BACKFILL_STEP)?;
            all += units;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Shows vector indexes as the answer to their change does.
fn show_vectors(
    cx: &Cx,
    tx: &Tx<'_>,
    table: &Table,
    shown: &mut TableDescription,
    changes: &vectors::Changes,
) -> Result<()> {
    for index in shown.vector_indexes.iter_mut().flatten().filter(|index| index.index_name == changes.made) {
        index.index_status = Some("CREATING".to_owned());
        index.backfilling = Some(false);
    }
    if let Some(gone) = &changes.gone {
        let gone = vectors::description(cx, tx, table, gone, "DELETING")?;
        shown.vector_indexes.get_or_insert_default().push(gone);
    }
    Ok(())
}

impl Changes<'_> {
    /// Whether anything is to be different.
    fn any(&self) -> bool {
        self.throughput.is_some()
            || !self.asked.is_none()
            || self.mode.is_some()
            || self.any_index()
            || self.stream.is_some()
            || self.class.is_some()
            || self.follows.is_some()
            || self.stays.is_some()
            || self.protected.is_some()
    }

    /// Whether indexes are to be made, changed or taken away.
    fn any_index(&self) -> bool {
        !self.indexes.is_empty() || !self.vectors.is_empty()
    }

    /// Whether nothing of it concerns the other replicas of a table.
    fn are_regional(&self) -> bool {
        !Changes { stream: None, protected: None, ..self.of_others() }.any()
    }

    /// What the other replicas of a table follow.
    fn of_others(&self) -> Changes<'_> {
        Changes {
            mode: self.mode,
            throughput: self.throughput,
            asked: self.asked,
            protected: None,
            class: self.class,
            follows: None,
            stays: None,
            stream: None,
            stream_id: String::new(),
            definitions: self.definitions,
            indexes: self.indexes,
            vectors: self.vectors,
            whose: Which::Other,
        }
    }
}

fn change_billing(
    cx: &Cx,
    table: &mut Table,
    mode: Option<&str>,
    throughput: Option<&ProvisionedThroughput>,
    whose: Which,
) -> Result<()> {
    let new = match (mode, throughput) {
        (None, None) => return Ok(()),
        (None, Some(_)) if table.billing == Billing::OnDemand => {
            return Err(Error::invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        (None, Some(throughput)) => schema::provisioned(throughput)?,
        (Some("PROVISIONED"), None) if table.billing != Billing::OnDemand => return Ok(()),
        (mode, throughput) => schema::billing(mode, throughput)?,
    };
    let new = whose.follows(table.billing, new);
    if whose != Which::Asked && new == table.billing {
        return Ok(());
    }
    if let (Billing::Provisioned { read, write }, true) = (new, new == table.billing) {
        return Err(Error::validation(format_args!(
            "The provisioned throughput for the table will not change. The requested value equals the current value. Current \
             ReadCapacityUnits provisioned for the table: {read}. Requested ReadCapacityUnits: {read}. Current \
             WriteCapacityUnits provisioned for the table: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon \
             DynamoDB Developer Guide for current limits and how to request higher limits."
        )));
    }
    settings::check_provisioned(cx, new, Whose::Table)?;
    if new == Billing::OnDemand && table.billing != Billing::OnDemand {
        table.on_demand_since = Some(cx.now_millis());
        for index in &mut table.global {
            index.allowance.change(index.billing, new, cx.now_millis())?;
            index.billing = new;
        }
    }
    table.allowance.change(table.billing, new, cx.now_millis())?;
    table.billing = new;
    Ok(())
}

/// Indexes are paid for as their table is.
fn check_indexes(table: &Table) -> Result<()> {
    let unpaid = |index: &&Index| index.billing == Billing::OnDemand && table.billing != Billing::OnDemand;
    match table.global.iter().find(unpaid) {
        None => Ok(()),
        Some(index) => {
            Err(Error::invalid(format_args!("ProvisionedThroughput must be specified for index: {}", index.name)))
        }
    }
}

/// What an index is paid for, and may read and write, after a change.
fn changed(cx: &Cx, table: &Table, update: &UpdateGlobalSecondaryIndexAction) -> Result<(Billing, Allowance)> {
    let name = &update.index_name;
    let index = table.global.iter().find(|index| index.name == *name).ok_or_else(Error::resource_not_found)?;
    let asked = Asked { most: update.on_demand_throughput.as_ref(), warm: update.warm_throughput.as_ref() };
    let mut allowance = index.allowance;
    let billing = match &update.provisioned_throughput {
        None if !asked.is_none() => index.billing,
        None if table.billing == Billing::OnDemand => {
            return Err(Error::invalid(format_args!(
                "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, \
                 WarmThroughput"
            )));
        }
        throughput => schema::index_billing(name, table.billing, throughput.as_ref())?,
    };
    settings::check_provisioned(cx, billing, Whose::Index(name))?;
    allowance.change(index.billing, billing, cx.now_millis())?;
    asked.follow(cx, &mut allowance, billing, Whose::Index(name), When::Changed)?;
    Ok((billing, allowance))
}

fn index_change(
    cx: &Cx,
    table: &mut Table,
    definitions: &[KeyDefinition],
    update: &GlobalSecondaryIndexUpdate,
) -> Result<IndexChange> {
    let known = |name: &str| {
        let found = table.global.iter().any(|index| index.name == name);
        if found { Ok(()) } else { Err(Error::resource_not_found()) }
    };
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => new_index(cx, table, definitions, create).map(IndexChange::Create),
        (None, Some(update), None) => {
            known(&update.index_name)?;
            let (billing, allowance) = changed(cx, table, update)?;
            Ok(IndexChange::Update(update.index_name.clone(), billing, allowance))
        }
        (None, None, Some(delete)) => {
            known(&delete.index_name)?;
            Ok(IndexChange::Delete(delete.index_name.clone()))
        }
        (None, None, None) => Err(Error::invalid(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must \
             not be null",
        )),
        _ => Err(Error::invalid(
            "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        )),
    }
}

/// Refuses two changes to one index.
fn check_once(updates: &[GlobalSecondaryIndexUpdate]) -> Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for update in updates {
        let of = [
            update.create.as_ref().map(|create| create.index_name.as_str()),
            update.update.as_ref().map(|update| update.index_name.as_str()),
            update.delete.as_ref().map(|delete| delete.index_name.as_str()),
        ];
        // One object with several actions is refused for that.
        let Some(name) = of.into_iter().flatten().next() else { continue };
        if names.contains(&name) {
            return Err(Error::invalid(format_args!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )));
        }
        names.push(name);
    }
    Ok(())
}

fn new_index(
    cx: &Cx,
    table: &mut Table,
    definitions: &[KeyDefinition],
    create: &CreateGlobalSecondaryIndexAction,
) -> Result<Index> {
    if table.index(&create.index_name).is_some() {
        return Err(Error::validation(format_args!(
            "Attempting to create an index which already exists: {}",
            create.index_name
        )));
    }
    if definitions.is_empty() {
        let name = &create.index_name;
        return Err(Error::invalid(format_args!("AttributeDefinitions is not specified for index: {name}")));
    }
    for definition in definitions {
        match table.attributes.iter().find(|known| known.name == definition.name) {
            Some(known) if known.code != definition.code => {
                return Err(Error::invalid(format_args!(
                    "Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. \
                     Existing schema: {known:?} New schema: {definition:?}"
                )));
            }
            Some(_) => {}
            None => table.attributes.push(definition.clone()),
        }
    }
    let key = schema::global_key(&create.key_schema, &table.attributes)?;
    forget_unused(table, &key);
    let billing = schema::index_billing(&create.index_name, table.billing, create.provisioned_throughput.as_ref())?;
    let asked = Asked { most: create.on_demand_throughput.as_ref(), warm: create.warm_throughput.as_ref() };
    let allowance = schema::made(cx, billing, asked, Whose::Index(&create.index_name))?;
    Ok(Index {
        allowance,
        insights: None,
        name: create.index_name.clone(),
        number: schema::next(&mut table.next_index),
        key,
        projection: schema::projection(&create.projection)?,
        billing,
    })
}

/// Definitions that neither an old key nor the new one uses are not kept, as AWS does not keep them.
fn forget_unused(table: &mut Table, new: &crate::table::KeySchema) {
    let used: Vec<String> = table
        .key
        .names()
        .chain(table.indexes().flat_map(|index| index.key.names()))
        .chain(table.vectors.iter().flat_map(VectorIndex::schema))
        .chain(new.names())
        .map(ToOwned::to_owned)
        .collect();
    table.attributes.retain(|definition| used.contains(&definition.name));
}

pub(crate) fn forget_definitions(table: &mut Table) {
    let key = table.key.clone();
    forget_unused(table, &key);
}
