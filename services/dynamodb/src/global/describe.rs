//! What a table says of the global table that it is a replica of.

use super::group::{self, Group, Member, Standing};
use super::rights::may_replicate;
use crate::api::output::{
    GlobalTableWitnessDescription, OnDemandThroughputOverride, ProvisionedThroughputOverride, ReplicaDescription,
    ReplicaGlobalSecondaryIndexDescription, TableClassSummary, TableDescription,
};
use crate::error::Result;
use crate::request::table_arn;
use crate::rows;
use crate::table::{Billing, Index, Table};
use crate::tables::describe::moment;
use crate::throughput::{Allowance, settings};
use undercast_kernel::Cx;
use undercast_store::Read;

/// The version of all global tables here.
const VERSION: &str = "2019.11.21";

/// Settings of tables of one account are the same, but where replicas may differ.
const MODE: &str = "ENABLED_WITH_OVERRIDES";

/// Says of a table which other replicas there are, if it is one.
///
/// # Errors
/// When the store fails.
pub(crate) fn describe(cx: &Cx, from: &impl Read, table: &Table, shown: &mut TableDescription) -> Result<()> {
    let own = table.follows.map(|follows| if follows { "ENABLED" } else { "DISABLED" });
    shown.global_table_settings_replication_mode = own.map(ToOwned::to_owned);
    let Some(replica) = &table.replica else { return Ok(()) };
    let Some(group) = group::get(from, &replica.owner, &replica.group)? else { return Ok(()) };
    shown.global_table_version = Some(VERSION.to_owned());
    shown.global_table_settings_replication_mode = Some(mode(&group, table).to_owned());
    shown.multi_region_consistency = group.strong.then(|| "STRONG".to_owned());
    shown.global_table_witnesses = group.witness.as_ref().map(|witness| {
        vec![GlobalTableWitnessDescription {
            region_name: Some(witness.region.clone()),
            witness_status: Some(witness.standing.name().to_owned()),
        }]
    });
    shown.replicas = Some(replicas(cx, from, table, &group)?);
    Ok(())
}

fn replicas(cx: &Cx, from: &impl Read, table: &Table, group: &Group) -> Result<Vec<ReplicaDescription>> {
    let mut all = Vec::new();
    for member in group.members.iter().filter(|member| member.home.region != cx.region()) {
        let other = rows::table(from, member.home.scope(), &table.name)?.filter(|other| other.id == member.table);
        let Some(other) = other else { continue };
        let mut shown = of_member(table, member, &other);
        shown.global_table_settings_replication_mode = Some(mode(group, &other).to_owned());
        if group.is_shared() {
            let there = member.home.cx(cx);
            shown.replica_arn = Some(table_arn(&there, &other.name));
            let both = [((cx, table), (&there, &other)), ((&there, &other), (cx, table))];
            let mut allowed = true;
            for (source, target) in both {
                allowed &= may_replicate(source, target, true)?;
            }
            if member.standing == Standing::Active && !allowed {
                shown.replica_status = Some("REPLICATION_NOT_AUTHORIZED".to_owned());
            }
        }
        all.push(shown);
    }
    Ok(all)
}

/// Whether the settings of a replica follow those of others.
fn mode(group: &Group, table: &Table) -> &'static str {
    match (group.is_shared(), table.follows) {
        (false, _) => MODE,
        (true, Some(true)) => "ENABLED",
        (true, _) => "DISABLED",
    }
}

/// A replica as another one shows it. What both have alike is not said.
fn of_member(table: &Table, member: &Member, other: &Table) -> ReplicaDescription {
    let inaccessible = other.encryption.as_ref().and_then(|encryption| encryption.inaccessible);
    let status = if inaccessible.is_some() { "INACCESSIBLE_ENCRYPTION_CREDENTIALS" } else { member.standing.name() };
    let kms = other.encryption.as_ref().and_then(|encryption| encryption.kms.as_ref());
    let indexes: Vec<_> = other.global.iter().map(|index| of_index(table, index)).collect();
    ReplicaDescription {
        region_name: Some(member.home.region.clone()),
        replica_status: Some(status.to_owned()),
        kms_master_key_id: kms.map(|kms| kms.arn.clone()),
        provisioned_throughput_override: read(table.billing, other.billing),
        on_demand_throughput_override: most(&table.allowance, &other.allowance),
        warm_throughput: Some(settings::warm(other.allowance.warm(other.billing))),
        global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
        replica_inaccessible_date_time: inaccessible.map(moment),
        replica_table_class_summary: other
            .class
            .clone()
            .map(|class| TableClassSummary { table_class: Some(class), ..TableClassSummary::default() }),
        ..ReplicaDescription::default()
    }
}

fn of_index(table: &Table, other: &Index) -> ReplicaGlobalSecondaryIndexDescription {
    let here = table.global.iter().find(|index| index.name == other.name);
    ReplicaGlobalSecondaryIndexDescription {
        index_name: Some(other.name.clone()),
        provisioned_throughput_override: here.and_then(|here| read(here.billing, other.billing)),
        on_demand_throughput_override: here.and_then(|here| most(&here.allowance, &other.allowance)),
        warm_throughput: Some(settings::warm_index(other.allowance.warm(other.billing))),
    }
}

fn read(here: Billing, other: Billing) -> Option<ProvisionedThroughputOverride> {
    match (here, other) {
        (Billing::Provisioned { read: here, .. }, Billing::Provisioned { read, .. }) if here != read => {
            Some(ProvisionedThroughputOverride { read_capacity_units: Some(read) })
        }
        _ => None,
    }
}

fn most(here: &Allowance, other: &Allowance) -> Option<OnDemandThroughputOverride> {
    let differs = here.most_read != other.most_read;
    differs.then_some(OnDemandThroughputOverride { max_read_request_units: other.most_read })
}
