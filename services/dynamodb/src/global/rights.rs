//! Whether replication may read one table and write to another: policies of tables can forbid it, and must allow it where
//! the tables are in different accounts.
//!
//! Source: "DynamoDB global tables security" in the developer guide.

use crate::error::Result;
use crate::policies;
use crate::request::table_arn;
use crate::table::Table;
use undercast_kernel::{Access, Cx};

/// Replication, as policies know it.
const PRINCIPAL: &str = "replication.dynamodb.amazonaws.com";

/// Its role in an account, where all replicas are in that.
const ROLE: &str = "role/aws-service-role/replication.dynamodb.amazonaws.com/AWSServiceRoleForDynamoDBReplication";

/// What replication does to a table that is read.
const READ: &[&str] = &["ReadDataForReplication"];

/// What replication does to a table that is written to.
const WRITE: &[&str] = &["WriteDataForReplication"];

/// Everything that replication does to tables of several accounts.
const ALL: &[&str] = &["ReadDataForReplication", "WriteDataForReplication", "ReplicateSettings"];

/// Whether writes to one table may be brought to another. `shared`: they are in different accounts.
///
/// # Errors
/// When a policy cannot be read, and when the store fails.
pub(super) fn may_replicate(source: (&Cx, &Table), target: (&Cx, &Table), shared: bool) -> Result<bool> {
    Ok(allows(source, READ, target, shared)? && allows(target, WRITE, source, shared)?)
}

/// Whether a table lets replication do everything for the sake of another one, which is in a different account.
///
/// # Errors
/// When a policy cannot be read, and when the store fails.
pub(super) fn is_trusting(table: (&Cx, &Table), other: (&Cx, &Table)) -> Result<bool> {
    allows(table, ALL, other, true)
}

fn allows((home, table): (&Cx, &Table), actions: &[&str], other: (&Cx, &Table), shared: bool) -> Result<bool> {
    // Nothing but a policy says anything.
    let Some(policy) = &table.policy else { return Ok(!shared) };
    let arn = table_arn(home, &table.name);
    let for_whom = table_arn(other.0, &other.1.name);
    // `aws:SourceAccount` is the account that the call is for.
    let mut callers = vec![other.0.as_service(PRINCIPAL, Some(&for_whom))];
    if !shared {
        callers.push(home.as_role(PRINCIPAL, &home.global_arn("iam", ROLE), "replication"));
    }
    for caller in callers {
        for action in actions {
            let access = Access::new(format!("dynamodb:{action}"), arn.as_str()).in_account(home.account());
            let denied = caller.denied(&policies::guarded(&caller, access, &arn, &policy.text)?)?;
            // Within an account replication may do what nobody forbids.
            if denied.is_some_and(|message| shared || message.contains("with an explicit deny")) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
