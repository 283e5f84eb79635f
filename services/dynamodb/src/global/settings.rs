//! Settings that are the same in all regions of a global table: a change to one replica is a change to all.
//!
//! Source: "Settings synchronization" in the developer guide. The billing mode, indexes, limits of throughput, warm throughput,
//! the table class, TTL and whether KMS is used go to all replicas, those that may differ as well; protection against
//! deletion, recovery, tags, policies, insights and streams of strongly consistent tables stay where they are set.

use super::refusals;
use crate::DynamoDb;
use crate::api::input::SSESpecification;
use crate::encryption::{self, For, Wanted};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::table::Table;
use undercast_kernel::Cx;
use undercast_store::{Read, Tx};

impl DynamoDb {
    /// The contexts of the other replicas that follow the settings of a table, all of which can be reached.
    ///
    /// # Errors
    /// When something of the global table is being changed, when one cannot be reached, and when the store fails.
    pub(crate) fn elsewhere(&self, cx: &Cx, from: &impl Read, table: &Table) -> Result<Vec<Cx>> {
        let Some(group) = self.group_of(from, table)? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for member in group.members.iter().filter(|member| member.home.region != cx.region()) {
            let there = member.home.cx(cx);
            if group.is_shared() {
                // Accounts say for themselves whether they follow.
                let other = self.table_in(&there, from, &group)?;
                if table.follows != Some(true) || other.is_none_or(|other| other.follows != Some(true)) {
                    continue;
                }
            }
            self.check_link(cx, &member.home.region)?;
            all.push(there);
        }
        Ok(all)
    }

    /// The table here, to be changed, of which nothing else is being changed.
    ///
    /// # Errors
    /// When there is none, or it is being changed, and when the store fails.
    pub(crate) fn changeable(&self, cx: &Cx, from: &impl Read, given: &str) -> Result<Table> {
        let table = self.settled(cx, from, given)?;
        let group = self.group_of(from, &table)?;
        if group.is_some_and(|group| !group.is_settled()) {
            return Err(refusals::busy());
        }
        Ok((*table).clone())
    }

    /// The replica in another region, to be changed with the one here.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn counterpart(&self, there: &Cx, tx: &Tx<'_>, name: &str) -> Result<Table> {
        let known = self.descriptions.any(tx, scope(there), name)?;
        known.map(|known| (*known).clone()).ok_or_else(|| Error::table_not_found(name))
    }

    /// Has the keys of all other replicas of a table at hand.
    ///
    /// # Errors
    /// What KMS refuses.
    pub(crate) async fn open_everywhere(&self, cx: &Cx, table: &Table) -> Result<()> {
        for other in table.replica.iter().flat_map(|replica| &replica.others) {
            let there = other.cx(cx);
            let known = self.descriptions.any(&there.read(), scope(&there), &table.name)?;
            if let Some(known) = known {
                self.open(&there, For::Itself, &known).await?;
            }
        }
        Ok(())
    }

    /// The specifications with which the encryption of the other replicas follows a change here.
    ///
    /// # Errors
    /// When the keys would not go together, and when KMS breaks.
    pub(crate) async fn encryption_elsewhere(
        &self,
        cx: &Cx,
        given: &str,
        specification: &SSESpecification,
    ) -> Result<Vec<(Cx, SSESpecification)>> {
        let from = cx.read();
        let table = self.changeable(cx, &from, given)?;
        let others = self.elsewhere(cx, &from, &table)?;
        drop(from);
        let wanted = encryption::wanted(specification)?;
        let customers = match &wanted {
            Wanted::Kms(key) => !encryption::is_managed(cx, key).await?,
            Wanted::Owned => false,
        };
        let mut all = Vec::new();
        for there in others {
            let other = self.descriptions.any(&there.read(), scope(&there), &table.name)?;
            let kms = other.and_then(|other| other.encryption.as_ref().and_then(|encryption| encryption.kms.clone()));
            let managed = match &kms {
                Some(kms) => Some(encryption::is_managed(&there, &kms.arn).await?),
                None => None,
            };
            match (&wanted, customers, managed) {
                (Wanted::Owned, _, None)
                | (Wanted::Kms(_), false, Some(true))
                | (Wanted::Kms(_), true, Some(false)) => {}
                (Wanted::Kms(_), true, _) => return Err(refusals::keys_of_two_kinds()),
                (Wanted::Owned, ..) => all.push((there, of_kms(false))),
                (Wanted::Kms(_), false, _) => all.push((there, of_kms(true))),
            }
        }
        Ok(all)
    }
}

/// The key that DynamoDB owns, or the one that AWS manages in KMS.
fn of_kms(enabled: bool) -> SSESpecification {
    SSESpecification { enabled: Some(enabled), sse_type: enabled.then(|| "KMS".to_owned()), kms_master_key_id: None }
}
