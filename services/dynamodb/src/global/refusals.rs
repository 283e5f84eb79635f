//! What AWS says of changes to global tables, as measured in 2026.

use crate::error::Error;
use std::fmt::Display;
use undercast_kernel::regions;

/// Nothing to do.
pub(super) fn no_action() -> Error {
    Error::validation("There are no actions specified in the Replica Update Action of the request.")
}

/// Several kinds of actions.
pub(super) fn mixed() -> Error {
    Error::validation("Update table operation with more than one type of replica actions not allowed.")
}

/// Several replicas at once.
pub(super) fn several() -> Error {
    Error::validation("Update table operation with more than one create or delete replica actions not allowed")
}

/// The table's own region.
pub(super) fn local() -> Error {
    Error::validation(
        "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as \
         required.",
    )
}

/// A region that is none, or none of this partition.
pub(super) fn no_region(region: &str, partition: &str) -> Error {
    let all: Vec<&str> = regions::all_of(partition).collect();
    Error::validation(format_args!(
        "Region {region} is not supported. The latest version of global tables are only supported in the following regions: \
         [{}]",
        all.join(", ")
    ))
}

/// A table of that name is there.
pub(super) fn taken(name: &str) -> Error {
    Error::validation(format_args!(
        "Failed to create a the new replica of table with name: \u{2018}{name}\u{2019} because one or more replicas already \
         existed as tables."
    ))
}

/// Not a replica.
pub(super) fn no_member(region: &str) -> Error {
    Error::validation(format_args!(
        "Update global table operation failed because one or more replicas were not part of the global table. Please retry \
         the request without these replicas: [{region}]."
    ))
}

/// Not a witness.
pub(super) fn no_witness(region: &str) -> Error {
    Error::validation(format_args!(
        "Update global table operation failed because one or more witnesses were not part of the global table. Please retry \
         the request without these witnesses: [{region}]."
    ))
}

/// Others were filled from it a short while ago.
pub(super) fn is_source() -> Error {
    Error::validation(
        "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table in the \
         last 24 hours.",
    )
}

/// It is protected.
pub(super) fn protected(name: &str, region: &str) -> Error {
    Error::validation(format_args!(
        "Cannot delete table {name} in region {region} because it has deletion protection enabled. Disable deletion \
         protection first."
    ))
}

/// Something of the global table is being changed.
pub(super) fn busy() -> Error {
    Error::in_use_plainly("The resource which you are attempting to change is in use.")
}

/// It is being made.
pub(super) fn being_made(name: &str, region: &str) -> Error {
    Error::validation(format_args!(
        "Create/Update/Delete of replica is not allowed while the replica is being added to table with name: {name} in \
         region {region}"
    ))
}

/// It is paid for by capacity that nothing scales.
pub(super) fn not_scaled(whose: &str) -> Error {
    Error::validation(format_args!("{whose} write capacity should either be Pay-Per-Request or AutoScaled."))
}

/// Keys of KMS that do not go together, or are missing.
pub(super) fn key_for_each() -> Error {
    Error::invalid("KMSMasterKeyId must be specified for each replica.")
}

/// Keys of different kinds.
pub(super) fn keys_of_two_kinds() -> Error {
    Error::invalid("All replica keys must either be Customer Managed CMK or AWS Managed CMK.")
}

/// Capacity of what is paid for by request.
pub(super) fn no_capacity() -> Error {
    Error::validation(
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
    )
}

/// Too few or too many regions for strong consistency.
pub(super) fn count_of_strong() -> Error {
    Error::validation("Unsupported replica count for global tables with MultiRegionConsistency set to STRONG.")
}

/// Regions without strong consistency.
pub(super) fn regions_of_strong(regions: &[&str]) -> Error {
    Error::validation(format_args!(
        "Unsupported Region(s) specified for global tables with MultiRegionConsistency set to STRONG: [{}].",
        regions.join(", ")
    ))
}

/// What strong consistency cannot be had with; AWS's words for it are not known.
pub(super) fn unsupported_by_strong(what: impl Display) -> Error {
    Error::validation(format_args!("{what} not supported for global tables with MultiRegionConsistency set to STRONG."))
}

/// One replica of several that only go together.
pub(super) fn one_of_strong() -> Error {
    Error::validation(
        "Deletion of only one table replica is not supported for global tables with MultiRegionConsistency set to STRONG.",
    )
}

/// What each account does for itself.
pub(super) fn shared() -> Error {
    Error::validation(
        "Replicas of a multi-account global table are added by CreateTable with GlobalTableSourceArn, taken away by DeleteTable in \
         their accounts, and have no overrides.",
    )
}

/// A change that needs a region which cannot be reached.
pub(super) fn unreachable(region: &str) -> Error {
    Error::internal(format_args!("The replica in region {region} cannot be reached"))
}
