//! Global tables of several accounts: each account makes its own replica, of a table in another account that lets it.
//!
//! Source: "DynamoDB multi-account global tables" in the developer guide. AWS's words for what is refused here are not known.

use super::change::begin_telling;
use super::create::first;
use super::group::{Group, Home, Member, Standing};
use super::request::Overrides;
use super::rights::is_trusting;
use super::{refusals, scaled, stamps};
use crate::DynamoDb;
use crate::api::{CreateTableInput, CreateTableOutput};
use crate::encryption::{self, Encryption, Wanted};
use crate::error::{Error, Result};
use crate::policies::ResourcePolicy;
use crate::request::{scope, table_name};
use crate::rows;
use crate::streams::store::View;
use crate::table::Table;
use crate::tables::describe::description;
use crate::tables::tags::{self, Tags};
use std::sync::Arc;
use undercast_kernel::Cx;
use undercast_kernel::arn::Arn;
use undercast_store::{Read, Tx};

/// Whether the settings of a table are those of replicas in other accounts.
///
/// # Errors
/// When it says what only replicas of one account can have.
pub(crate) fn follows(mode: &str) -> Result<bool> {
    match mode {
        "ENABLED" => Ok(true),
        "DISABLED" => Ok(false),
        other => Err(Error::validation(format_args!(
            "Value '{other}' at 'GlobalTableSettingsReplicationMode' failed to satisfy constraint: Only ENABLED and DISABLED \
             settings replication are supported for a Regional Table."
        ))),
    }
}

/// What a replica that joins others has of its own.
struct Joining {
    name: String,
    protected: bool,
    follows: bool,
    policy: Option<ResourcePolicy>,
    tags: Tags,
    encryption: Option<Encryption>,
    table: String,
    streams: [String; 2],
    group: String,
}

impl DynamoDb {
    /// Makes a replica of a table in another account.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn join(&self, cx: &Cx, source: &str, input: CreateTableInput) -> Result<CreateTableOutput> {
        let name = table_name(cx, &input.table_name)?.to_owned();
        let there = source_of(cx, &name, source)?;
        check_alone(&input)?;
        let mode = input.global_table_settings_replication_mode.as_deref();
        let follows = mode.map(follows).transpose()?.ok_or_else(|| {
            Error::validation("GlobalTableSettingsReplicationMode is required when GlobalTableSourceArn is specified")
        })?;
        let policy = input.resource_policy.as_deref().map(|text| self.policy_of_new_table(cx, text)).transpose()?;
        let tags = tags::tags(input.tags.into_iter().flatten())?;
        let known = {
            let from = cx.read();
            if self.descriptions.any(&from, scope(cx), &name)?.is_some() {
                return Err(Error::table_exists(&name));
            }
            let known = self.joinable(cx, &there, &from, &name)?;
            self.check_trust(cx, &from, (&there, &known), policy.as_ref())?;
            known
        };
        // Whether it is scaled is known to its account alone.
        scaled::require(&there.kernel().cx_for(there.account(), there.region()), &known).await?;
        let wanted = match input.sse_specification.as_ref().map(encryption::wanted).transpose()? {
            Some(wanted) => wanted,
            None => encrypted_alike(&there, &known).await?,
        };
        let encryption = self.encrypt(cx, &name, &wanted).await?;
        let joining = Joining {
            name,
            protected: input.deletion_protection_enabled == Some(true),
            follows,
            policy,
            tags,
            encryption,
            table: cx.random().uuid(),
            streams: [cx.random().uuid(), cx.random().uuid()],
            group: cx.random().uuid(),
        };
        let joined = cx
            .write(|tx| {
                if self.descriptions.any(tx, scope(cx), &joining.name)?.is_some() {
                    return Err(Error::table_exists(&joining.name).into());
                }
                let source = self.joinable(cx, &there, tx, &joining.name)?;
                self.check_trust(cx, tx, (&there, &source), joining.policy.as_ref())?;
                Ok(self.join_in(cx, &there, tx, &source, &joining)?)
            })
            .await;
        match joined {
            Ok(replica) => {
                let shown = description(cx, &cx.read(), &replica, "CREATING")?;
                Ok(CreateTableOutput { table_description: Some(shown) })
            }
            Err(refused) => {
                self.let_go(cx, joining.encryption.as_ref()).await?;
                Err(refused.into())
            }
        }
    }

    /// The table that a replica in another account can be made of.
    fn joinable(&self, cx: &Cx, there: &Cx, from: &impl Read, name: &str) -> Result<Arc<Table>> {
        let source = self.settled(there, from, name)?;
        let group = self.group_of(from, &source)?;
        if let Some(group) = &group {
            if !group.is_shared() {
                return Err(Error::validation(
                    "A global table whose replicas are in one account cannot have replicas in other accounts",
                ));
            }
            if !group.is_settled() {
                return Err(refusals::busy());
            }
            let taken = |member: &Member| member.home.account == cx.account() || member.home.region == cx.region();
            if group.members.iter().any(taken) {
                return Err(Error::validation(
                    "Each replica of a multi-account global table must be in an account and a Region of its own",
                ));
            }
        }
        let regions = group.iter().flat_map(|group| &group.members).map(|member| member.home.region.as_str());
        for region in regions.chain([there.region()]) {
            self.check_link(cx, region)?;
        }
        Ok(source)
    }

    /// Whether the policies of all replicas, the new one among them, let replication do its work for each other.
    fn check_trust(
        &self,
        cx: &Cx,
        from: &impl Read,
        (there, source): (&Cx, &Table),
        policy: Option<&ResourcePolicy>,
    ) -> Result<()> {
        let new = Table { policy: policy.cloned(), ..source.clone() };
        let mut others = vec![(there.clone(), Arc::new(source.clone()))];
        if let Some(group) = self.group_of(from, source)? {
            for member in group.members.iter().filter(|member| member.home.region != there.region()) {
                let other = member.home.cx(cx);
                others.extend(self.table_in(&other, from, &group)?.map(|table| (other.clone(), table)));
            }
        }
        for (other, table) in &others {
            if !is_trusting((cx, &new), (other, table))? || !is_trusting((other, table), (cx, &new))? {
                return Err(Error::validation(format_args!(
                    "The resource-based policies of the replicas must allow replication.dynamodb.amazonaws.com to perform \
                     dynamodb:ReadDataForReplication, dynamodb:WriteDataForReplication and dynamodb:ReplicateSettings for each \
                     other: {} and {}",
                    crate::request::table_arn(cx, &new.name),
                    crate::request::table_arn(other, &table.name)
                )));
            }
        }
        Ok(())
    }

    fn join_in(&self, cx: &Cx, there: &Cx, tx: &mut Tx<'_>, source: &Table, joining: &Joining) -> Result<Table> {
        let mut source = source.clone();
        let known = self.group_of(tx, &source)?;
        let is_new = known.is_none();
        let mut group: Group = known.unwrap_or_else(|| first(there, joining.group.clone(), &source, false));
        let [of_source, own] = &joining.streams;
        if !source.stream.as_ref().is_some_and(|stream| stream.enabled) {
            self.begin_stream(there, tx, &mut source, of_source, View::NewAndOldImages)?;
        }
        let made = self.replica(cx, &joining.table, &source, &Overrides::default(), joining.encryption.clone())?;
        let mut replica = Table {
            deletion_protection: joining.protected,
            policy: joining.policy.clone(),
            follows: Some(joining.follows),
            ..made
        };
        if let Some(stream) = source.stream.as_ref() {
            self.begin_stream(cx, tx, &mut replica, own, stream.view)?;
        }
        group.members.push(Member {
            home: Home { account: cx.account().to_owned(), region: cx.region().to_owned() },
            table: replica.id.clone(),
            standing: Standing::Creating,
            source: Some(there.region().to_owned()),
            added: cx.now_millis(),
            filled: None,
        });
        replica.replica = Some(group.seen_from(cx.region(), Standing::Creating));
        // A table that others are made of follows them, unless it says otherwise.
        source.follows = source.follows.or(Some(true));
        source.replica = Some(group.seen_from(there.region(), Standing::Updating));
        rows::put_table(tx, scope(there), &source);
        rows::put_table(tx, scope(cx), &replica);
        rows::put_tags(tx, scope(cx), &replica.id, &joining.tags);
        self.watch_key(cx, tx, &replica)?;
        begin_telling(tx, &group, there.region(), cx.region())?;
        stamps::set_cursor(tx, scope(cx), &replica.id, there.region(), 0);
        self.schedule_making(cx, tx, &group, cx.region())?;
        group.put(tx);
        self.regroup(tx, &group)?;
        if is_new {
            self.schedule_forgetting(there, tx, &group)?;
        }
        Ok(replica)
    }
}

/// Where the table is that a replica is to be made of.
fn source_of(cx: &Cx, name: &str, given: &str) -> Result<Cx> {
    let arn = Arn::parse(given).filter(|arn| arn.service == "dynamodb" && arn.partition == cx.partition());
    let arn = arn.ok_or_else(|| Error::validation("GlobalTableSourceArn is not the ARN of a table"))?;
    if given.rsplit_once(":table/").map(|(_, name)| name) != Some(name) {
        return Err(Error::validation("All replicas of a global table must have the same name"));
    }
    if arn.account == cx.account() || arn.region == cx.region() {
        return Err(Error::validation(
            "Each replica of a multi-account global table must be in an account and a Region of its own",
        ));
    }
    Ok(cx.elsewhere(&arn.account, &arn.region))
}

/// What a replica has from the table that it is made of cannot be said of it.
fn check_alone(input: &CreateTableInput) -> Result<()> {
    let said = [
        ("AttributeDefinitions", input.attribute_definitions.is_some()),
        ("KeySchema", input.key_schema.is_some()),
        ("LocalSecondaryIndexes", input.local_secondary_indexes.is_some()),
        ("GlobalSecondaryIndexes", input.global_secondary_indexes.is_some()),
        ("BillingMode", input.billing_mode.is_some()),
        ("ProvisionedThroughput", input.provisioned_throughput.is_some()),
        ("OnDemandThroughput", input.on_demand_throughput.is_some()),
        ("WarmThroughput", input.warm_throughput.is_some()),
        ("StreamSpecification", input.stream_specification.is_some()),
        ("TableClass", input.table_class.is_some()),
    ];
    match said.iter().find(|(_, said)| *said) {
        None => Ok(()),
        Some((member, _)) => {
            Err(Error::validation(format_args!("{member} cannot be specified when GlobalTableSourceArn is specified")))
        }
    }
}

/// What a replica is encrypted with of which nothing is said: as the table that it is made of, unless that has a key of its
/// own.
async fn encrypted_alike(there: &Cx, source: &Table) -> Result<Wanted> {
    match source.encryption.as_ref().and_then(|encryption| encryption.kms.as_ref()) {
        None => Ok(Wanted::Owned),
        // Whether AWS manages a key is known to its account alone.
        Some(kms) if encryption::is_managed(&there.as_service("dynamodb.amazonaws.com", None), &kms.arn).await? => {
            Ok(encryption::managed())
        }
        Some(_) => Err(refusals::key_for_each()),
    }
}
