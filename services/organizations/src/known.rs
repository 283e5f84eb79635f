//! What the authoriser asks: which organization an account belongs to, and the policies that it is under there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use undercast_kernel::policy::{NamedPolicy, Policy as Compiled, PolicyKind};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Failure, Membership, Organizations, Policies, Result};

use crate::home::Home;
use crate::policies::{RESOURCE_CONTROL, SERVICE_CONTROL, content};
use crate::rows::MEMBERS;

/// More accounts than so many are not remembered.
const KEPT: usize = 1024;

/// An account's membership, and the revision of the organization that it was of.
type Seen = HashMap<String, (String, u64, Arc<Membership>)>;

pub(crate) struct Known {
    any: Arc<AtomicBool>,
    compiled: Policies,
    seen: RwLock<Seen>,
}

impl Known {
    pub(crate) fn new(any: Arc<AtomicBool>) -> Self {
        Self { any, compiled: Policies::default(), seen: RwLock::default() }
    }

    fn compile(&self, kind: PolicyKind, name: &str, document: &str) -> Result<NamedPolicy> {
        let policy = self.compiled.compile(kind, document).map_err(Failure::broken)?;
        Ok(NamedPolicy { name: name.into(), policy })
    }

    /// The policies of a type that an account is under, a list a level.
    fn levels(&self, from: &Snapshot, home: &Home, line: &[String], of: &str) -> Result<Vec<Vec<NamedPolicy>>> {
        if !home.organization.types.iter().any(|kind| kind == of) {
            return Ok(Vec::new());
        }
        let kind = if of == SERVICE_CONTROL { PolicyKind::ServiceControl } else { PolicyKind::ResourceControl };
        let mut levels = Vec::new();
        for target in line {
            let mut level = Vec::new();
            for id in home.attached(from, target)? {
                if let Some((_, document)) = content(from, &home.management, &id)?.filter(|(kind, _)| kind == of) {
                    level.push(self.compile(kind, &id, &document)?);
                }
            }
            levels.push(level);
        }
        Ok(levels)
    }

    fn made(&self, from: &Snapshot, home: &Home, account: &str, closed: bool) -> Result<Membership> {
        let line = home.line(from, account)?;
        let of_parents = line.split_last().map_or(&[][..], |(_, parents)| parents);
        let mut path = format!("{}/", home.organization.id);
        of_parents.iter().for_each(|step| path.extend([step.as_str(), "/"]));
        let mut membership = Membership {
            organization: home.organization.id.clone(),
            management: home.management.clone(),
            path,
            all_features: home.organization.all_features,
            trusted: home.organization.services.keys().cloned().collect(),
            administers: home.administered_by(account).map(ToOwned::to_owned).collect(),
            ..Membership::default()
        };
        // "SCPs don't affect users or roles in the management account", nor RCPs its resources.
        if account != home.management {
            membership.service_control = self.levels(from, home, &line, SERVICE_CONTROL)?;
            membership.resource_control = self.levels(from, home, &line, RESOURCE_CONTROL)?;
        }
        if closed {
            // Nobody gets anything done in an account that was closed.
            let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
            let policy = Compiled::parse(PolicyKind::ServiceControl, nothing).map_err(Failure::broken)?;
            membership.service_control.push(vec![NamedPolicy { name: "closed account".into(), policy: policy.into() }]);
        }
        Ok(membership)
    }
}

impl Organizations for Known {
    fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn membership(&self, from: &Snapshot, account: &str) -> Result<Option<Arc<Membership>>> {
        let Some(member) = MEMBERS.get(from, &(account,))? else { return Ok(None) };
        let Some(home) = Home::of_management(from, &member.management)? else { return Ok(None) };
        let (id, revision) = (&home.organization.id, home.organization.revision);
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        if let Some((_, _, membership)) = seen.filter(|(of, at, _)| of == id && *at == revision) {
            return Ok(Some(membership));
        }
        let made = Arc::new(self.made(from, &home, account, member.closed)?);
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT {
            seen.clear();
        }
        seen.insert(account.to_owned(), (id.clone(), revision, made.clone()));
        Ok(Some(made))
    }
}
