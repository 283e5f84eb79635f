//! What the authoriser asks: the policies of a user or role.

use std::sync::Arc;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, PolicyKind, PrincipalFacts, PrincipalKind};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Failure, Identities, IdentityPolicies, Policies, Result, RoleFacts};

use crate::entity::{Entity, Kind};
use crate::policies;

/// Users and roles of this cloud.
#[derive(Default)]
pub(crate) struct Known {
    compiled: Policies,
}

impl Known {
    fn compile(&self, kind: PolicyKind, name: &str, document: &str) -> Result<NamedPolicy> {
        let policy = self.compiled.compile(kind, document).map_err(Failure::broken)?;
        Ok(NamedPolicy { name: name.into(), policy })
    }

    fn managed(&self, from: &Snapshot, kind: PolicyKind, arn: &str) -> Result<Option<NamedPolicy>> {
        policies::document(from, arn)?.map(|document| self.compile(kind, arn, &document)).transpose()
    }

    fn of(&self, from: &Snapshot, entity: &Entity) -> Result<IdentityPolicies> {
        let mut identity = Vec::new();
        for (name, document) in &entity.inline {
            identity.push(self.compile(PolicyKind::Inline, &format!("inline:{name}"), document)?);
        }
        for arn in &entity.attached {
            identity.extend(self.managed(from, PolicyKind::Managed, arn)?);
        }
        let boundary = match &entity.boundary {
            Some(arn) => {
                // A boundary whose policy is gone allows nothing.
                let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
                let found = self.managed(from, PolicyKind::Boundary, arn)?;
                Some(found.map_or_else(|| self.compile(PolicyKind::Boundary, arn, nothing), Ok)?)
            }
            None => None,
        };
        let tags = entity.tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(IdentityPolicies { identity, boundary, service_control: Vec::new(), tags })
    }
}

fn last_name(arn: &str) -> Option<(String, String)> {
    let arn = Arn::parse(arn).filter(|a| a.service == "iam")?;
    let name = arn.resource.rsplit('/').next()?.to_owned();
    Some((arn.account, name))
}

/// A user or role that is gone has no policies, and so no rights.
fn gone(failure: Failure) -> Result<IdentityPolicies> {
    if failure.code() == Some("NoSuchEntity") { Ok(IdentityPolicies::default()) } else { Err(failure) }
}

impl Identities for Known {
    fn policies(&self, from: &Snapshot, principal: &PrincipalFacts) -> Result<IdentityPolicies> {
        let (kind, place) = match &principal.kind {
            PrincipalKind::User { name } => (Kind::User, Some((principal.account.clone(), name.clone()))),
            PrincipalKind::FederatedUser { user_arn, .. } => (Kind::User, last_name(user_arn)),
            PrincipalKind::AssumedRole { role_arn, .. } => (Kind::Role, last_name(role_arn)),
            _ => return Ok(IdentityPolicies::default()),
        };
        let Some((account, name)) = place else { return Ok(IdentityPolicies::default()) };
        match kind.find(from, &account, &name) {
            Ok(entity) => self.of(from, &entity),
            Err(failure) => gone(failure),
        }
    }

    fn role(&self, from: &Snapshot, arn: &str) -> Result<Option<RoleFacts>> {
        let Some((account, name)) = last_name(arn) else { return Ok(None) };
        let role = match Kind::Role.find(from, &account, &name) {
            Ok(role) => role,
            Err(failure) if failure.code() == Some("NoSuchEntity") => return Ok(None),
            Err(failure) => return Err(failure),
        };
        // The path is part of the ARN, though not of the name's uniqueness.
        if !arn.ends_with(&format!(":role{}{}", role.path, role.name)) {
            return Ok(None);
        }
        let trust = self.compiled.compile(PolicyKind::Trust, &role.trust).map_err(Failure::broken)?;
        Ok(Some(RoleFacts {
            id: role.id,
            arn: arn.to_owned(),
            trust: Arc::clone(&trust),
            max_session_seconds: role.max_session,
        }))
    }
}
