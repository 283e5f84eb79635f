//! What `UpdateTable` asks of the replicas and the witness of a table, as far as that can be judged by itself.

use super::refusals;
use crate::api::UpdateTableInput;
use crate::api::input::{
    GlobalTableWitnessGroupUpdate, OnDemandThroughput, OnDemandThroughputOverride, ProvisionedThroughputOverride,
    ReplicaGlobalSecondaryIndex, ReplicationGroupUpdate,
};
use crate::error::{Error, Result};
use undercast_kernel::{Cx, regions};

/// The regions in which tables can be strongly consistent.
///
/// Source: "Multi-Region strong consistency" in the developer guide; that the regions of one table may lie on several
/// continents was measured in 2026.
const STRONG: [&str; 10] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

/// So many regions a strongly consistent table has besides the one in which it is made global.
const OTHERS_OF_STRONG: usize = 2;

/// How a replica shall differ from the others.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// The key of KMS that it is encrypted with.
    pub(crate) key: Option<String>,
    /// What it reads a second, where it is paid for by capacity.
    pub(crate) read: Option<i64>,
    /// The most that may be read of it a second, where it is paid for by request.
    pub(crate) most: Option<OnDemandThroughput>,
    /// Its table class.
    pub(crate) class: Option<String>,
    /// Its indexes.
    pub(crate) indexes: Vec<IndexOverrides>,
}

/// How an index of a replica shall differ from those of the others.
#[derive(Debug)]
pub(crate) struct IndexOverrides {
    /// Its name.
    pub(crate) name: String,
    /// What it reads a second.
    pub(crate) read: Option<i64>,
    /// The most that may be read of it a second.
    pub(crate) most: Option<OnDemandThroughput>,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Replicas in these regions, and a witness.
    Create {
        /// The regions.
        replicas: Vec<(String, Overrides)>,
        /// Where the witness is to be.
        witness: Option<String>,
        /// Whether the consistency is to be strong, where that is said.
        strong: Option<bool>,
    },
    /// Other settings of one replica.
    Update(String, Overrides),
    /// That the replica in this region be a table of its own.
    Disassociate(String),
    /// The end of these replicas, and of the witness.
    Delete {
        /// The regions.
        replicas: Vec<String>,
        /// Where the witness is.
        witness: Option<String>,
    },
}

impl Asked {
    /// Takes out of a request what it asks of replicas, which must be all that it asks. `others`: it asks something else.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn take(cx: &Cx, input: &mut UpdateTableInput, others: bool) -> Result<Option<Self>> {
        let consistency = input.multi_region_consistency.take();
        let witnesses = input.global_table_witness_updates.take();
        // Neither of them is a change by itself.
        let Some(updates) = input.replica_updates.take() else { return Ok(None) };
        if others {
            return Err(if consistency.is_some() || witnesses.is_some() {
                Error::validation("Requests that modify replicas or witnesses must not also modify other fields")
            } else {
                Error::invalid("Replica modification must be the only operation in the request")
            });
        }
        let witness = witnesses.into_iter().flatten().next();
        let strong = consistency.map(|consistency| consistency == "STRONG");
        Self::of(cx, updates, witness, strong).map(Some)
    }

    fn of(
        cx: &Cx,
        updates: Vec<ReplicationGroupUpdate>,
        witness: Option<GlobalTableWitnessGroupUpdate>,
        strong: Option<bool>,
    ) -> Result<Self> {
        let (mut create, mut update, mut delete) = (Vec::new(), Vec::new(), Vec::new());
        if let [one] = updates.as_slice()
            && let Some(leaving) = &one.disassociate
        {
            // The one mode that there is waits until everybody has what was written.
            let alone = one.create.is_none() && one.update.is_none() && one.delete.is_none() && witness.is_none();
            if !alone || strong.is_some() || leaving.disassociation_mode != "WAIT_FOR_REPLICATION" {
                return Err(refusals::mixed());
            }
            check_known(cx, &leaving.region_name)?;
            return Ok(Self::Disassociate(leaving.region_name.clone()));
        }
        for one in updates {
            let actions =
                [one.create.is_some(), one.update.is_some(), one.delete.is_some(), one.disassociate.is_some()];
            if actions.into_iter().filter(|said| *said).count() > 1 || one.disassociate.is_some() {
                return Err(refusals::mixed());
            }
            if let Some(made) = one.create {
                let overrides = Overrides {
                    key: made.kms_master_key_id,
                    read: units(made.provisioned_throughput_override),
                    most: most(made.on_demand_throughput_override),
                    class: made.table_class_override,
                    indexes: indexes(made.global_secondary_indexes),
                };
                // One that is asked for twice is made once.
                if !create.iter().any(|(region, _)| *region == made.region_name) {
                    create.push((made.region_name, overrides));
                }
            } else if let Some(changed) = one.update {
                let overrides = Overrides {
                    key: changed.kms_master_key_id,
                    read: units(changed.provisioned_throughput_override),
                    most: most(changed.on_demand_throughput_override),
                    class: changed.table_class_override,
                    indexes: indexes(changed.global_secondary_indexes),
                };
                update.push((changed.region_name, overrides));
            } else if let Some(gone) = one.delete {
                delete.push(gone.region_name);
            } else {
                return Err(refusals::no_action());
            }
        }
        for region in create.iter().chain(&update).map(|(region, _)| region).chain(&delete) {
            check_region(cx, region)?;
        }
        let (made, gone) = witness.map_or((None, None), |one| {
            (one.create.map(|made| made.region_name), one.delete.map(|gone| gone.region_name))
        });
        for region in made.iter().chain(&gone) {
            check_known(cx, region)?;
        }
        match (create.is_empty(), update.is_empty(), delete.is_empty()) {
            (false, true, true) => Self::creation(cx, create, (made, gone), strong),
            _ if strong.is_some() => Err(Error::validation(
                "Only Replica Create actions are supported when MultiRegionConsistency parameter is provided.",
            )),
            _ if made.is_some() => Err(witness_needs_strong()),
            (true, false, true) => Self::other_settings(update),
            (true, true, false) => Ok(Self::Delete { replicas: delete, witness: gone }),
            _ => Err(refusals::mixed()),
        }
    }

    fn creation(
        cx: &Cx,
        replicas: Vec<(String, Overrides)>,
        (witness, gone): (Option<String>, Option<String>),
        strong: Option<bool>,
    ) -> Result<Self> {
        if (witness.is_some() || gone.is_some()) && strong != Some(true) {
            return Err(witness_needs_strong());
        }
        if gone.is_some() {
            return Err(refusals::mixed());
        }
        if strong != Some(true) {
            if replicas.len() > 1 {
                return Err(refusals::several());
            }
            return Ok(Self::Create { replicas, witness, strong });
        }
        if replicas.len() + usize::from(witness.is_some()) != OTHERS_OF_STRONG {
            return Err(refusals::count_of_strong());
        }
        let regions = replicas.iter().map(|(region, _)| region).chain(&witness).map(String::as_str);
        let unsupported: Vec<&str> = regions.chain([cx.region()]).filter(|region| !STRONG.contains(region)).collect();
        if !unsupported.is_empty() {
            return Err(refusals::regions_of_strong(&unsupported));
        }
        if let Some(witness) = &witness {
            if replicas.iter().any(|(region, _)| region == witness) {
                return Err(Error::validation("Cannot target multiple regions with the same action"));
            }
            if witness == cx.region() {
                return Err(Error::validation(
                    "Cannot add a witness in the same region as an existing replica when creating a global table with \
                     MultiRegionConsistency set to STRONG.",
                ));
            }
        }
        Ok(Self::Create { replicas, witness, strong })
    }

    fn other_settings(updates: Vec<(String, Overrides)>) -> Result<Self> {
        if updates.len() > 1 {
            return Err(refusals::several());
        }
        let (region, overrides) = updates.into_iter().next().ok_or_else(refusals::no_action)?;
        if overrides.key.is_some() {
            // However it is asked for: a key is changed where its replica is.
            return Err(refusals::key_for_each());
        }
        let of_indexes = overrides.indexes.iter().all(|index| index.read.is_none() && index.most.is_none());
        if overrides.read.is_none() && overrides.most.is_none() && overrides.class.is_none() && of_indexes {
            return Err(refusals::no_action());
        }
        Ok(Self::Update(region, overrides))
    }
}

fn witness_needs_strong() -> Error {
    Error::validation(
        "MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.",
    )
}

fn check_known(cx: &Cx, region: &str) -> Result<()> {
    if regions::exists(region) && regions::partition(region) == cx.partition() {
        return Ok(());
    }
    Err(refusals::no_region(region, cx.partition()))
}

fn check_region(cx: &Cx, region: &str) -> Result<()> {
    check_known(cx, region)?;
    if region == cx.region() { Err(refusals::local()) } else { Ok(()) }
}

fn units(given: Option<ProvisionedThroughputOverride>) -> Option<i64> {
    given.and_then(|given| given.read_capacity_units)
}

fn most(given: Option<OnDemandThroughputOverride>) -> Option<OnDemandThroughput> {
    let units = given.and_then(|given| given.max_read_request_units)?;
    Some(OnDemandThroughput { max_read_request_units: Some(units), max_write_request_units: None })
}

fn indexes(given: Option<Vec<ReplicaGlobalSecondaryIndex>>) -> Vec<IndexOverrides> {
    let one = |index: ReplicaGlobalSecondaryIndex| IndexOverrides {
        name: index.index_name,
        read: units(index.provisioned_throughput_override),
        most: most(index.on_demand_throughput_override),
    };
    given.into_iter().flatten().map(one).collect()
}
