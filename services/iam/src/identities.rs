//! What the authoriser asks: the policies of a user or role; and what services ask: whether an MFA device shows a code. It is
//! told of each call, too.

use std::sync::Arc;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json};
use undercast_kernel::policy::{NamedPolicy, PolicyKind, PrincipalFacts, PrincipalKind};
use undercast_kernel::store::{Remembered, Snapshot, Tx};
use undercast_kernel::{
    Access, Coded, Cx, Failure, Identities, IdentityPolicies, Kernel, MfaCode, Policies, ProviderFacts, Result,
    RoleFacts, Timestamp,
};
use undercast_wire::schema::Operation;

use crate::entity::{Entity, Kind};
use crate::exercised::Exercised;
use crate::usage::Usage;
use crate::{least, mfa, oidc, outbound, policies, root_access, saml};

/// Users and roles of this cloud.
pub(crate) struct Known {
    compiled: Policies,
    seen: Remembered<Seen>,
    usage: Arc<Usage>,
    exercised: Arc<Exercised>,
}

/// A user or role, and its policies where they stand in its own row.
struct Seen {
    entity: Entity,
    policies: Option<Arc<IdentityPolicies>>,
}

impl Known {
    /// With what remembers who used what, by which permissions.
    pub(crate) fn new(usage: Arc<Usage>, exercised: Arc<Exercised>) -> Self {
        Self { compiled: Policies::default(), seen: Remembered::default(), usage, exercised }
    }

    fn compile(&self, kind: PolicyKind, name: &str, document: &str) -> Result<NamedPolicy> {
        let policy = self.compiled.compile(kind, document).map_err(Failure::broken)?;
        Ok(NamedPolicy { name: name.into(), policy })
    }

    fn managed(&self, from: &Snapshot, kind: PolicyKind, arn: &str) -> Result<Option<NamedPolicy>> {
        policies::document(from, arn)?.map(|document| self.compile(kind, arn, &document)).transpose()
    }

    fn seen(&self, entity: Entity) -> Result<Seen> {
        let alone = entity.attached.is_empty() && entity.boundary.is_none() && entity.groups.is_empty();
        let policies = if alone { Some(Arc::new(self.inline(&entity)?)) } else { None };
        Ok(Seen { entity, policies })
    }

    /// What stands in its row.
    fn inline(&self, entity: &Entity) -> Result<IdentityPolicies> {
        let mut identity = Vec::new();
        for (name, document) in &entity.inline {
            identity.push(self.compile(PolicyKind::Inline, &format!("inline:{name}"), document)?);
        }
        let tags = entity.tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(IdentityPolicies { identity, boundary: None, tags })
    }

    /// The policies of a user's group.
    fn of_group(&self, from: &Snapshot, account: &str, name: &str, all: &mut IdentityPolicies) -> Result<()> {
        let found = self.seen.get(Kind::Group.table(), from, &(account, name), |group| self.seen(group))?;
        let Some(group) = found else { return Ok(()) };
        for (policy, document) in &group.entity.inline {
            all.identity.push(self.compile(PolicyKind::Inline, &format!("group:{name}:{policy}"), document)?);
        }
        for arn in &group.entity.attached {
            all.identity.extend(self.managed(from, PolicyKind::Managed, arn)?);
        }
        Ok(())
    }

    fn of(&self, from: &Snapshot, account: &str, entity: &Entity) -> Result<IdentityPolicies> {
        let mut all = self.inline(entity)?;
        for arn in &entity.attached {
            all.identity.extend(self.managed(from, PolicyKind::Managed, arn)?);
        }
        for group in &entity.groups {
            self.of_group(from, account, group, &mut all)?;
        }
        all.boundary = match &entity.boundary {
            Some(arn) => {
                // A boundary whose policy is gone allows nothing.
                let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
                let found = self.managed(from, PolicyKind::Boundary, arn)?;
                Some(found.map_or_else(|| self.compile(PolicyKind::Boundary, arn, nothing), Ok)?)
            }
            None => None,
        };
        Ok(all)
    }
}

/// Account and name of whom an ARN names.
fn last_name(arn: &str) -> Option<(String, String)> {
    Kind::named(arn).map(|(_, account, name)| (account, name))
}

/// Whether a principal is of a user or role that had this one's name before. Services that act by a role do so by its name.
fn is_former(principal: &PrincipalFacts, entity: &Entity) -> bool {
    let id = principal.user_id.split(':').next().unwrap_or_default();
    let unique = id.starts_with("AIDA") || id.starts_with("AROA");
    unique
        && matches!(principal.kind, PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. })
        && id != entity.id
}

impl Identities for Known {
    fn used(&self, cx: &Cx, service: &'static str, operation: &'static Operation) {
        self.usage.note(cx, service, operation);
    }

    fn exercised(&self, cx: &Cx, access: &Access) {
        self.exercised.note(cx, access);
    }

    fn least_privilege<'a>(
        &'a self,
        kernel: &'a Kernel,
        of: &'a str,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Json>>> {
        Box::pin(least::privilege(kernel, of, since))
    }

    fn policies(&self, from: &Snapshot, principal: &PrincipalFacts) -> Result<Arc<IdentityPolicies>> {
        let (kind, place) = match &principal.kind {
            PrincipalKind::User { name } => (Kind::User, Some((principal.account.clone(), name.clone()))),
            PrincipalKind::FederatedUser { user_arn, .. } => (Kind::User, last_name(user_arn)),
            PrincipalKind::AssumedRole { role_arn, .. } => (Kind::Role, last_name(role_arn)),
            _ => return Ok(Arc::default()),
        };
        let Some((account, name)) = place else { return Ok(Arc::default()) };
        let key = (account, name.to_lowercase());
        match self.seen.get(kind.table(), from, &key, |entity| self.seen(entity))? {
            // Who was made anew under a name is somebody else, and what belongs to the former has no rights.
            Some(seen) if is_former(principal, &seen.entity) => Ok(Arc::default()),
            Some(seen) => match &seen.policies {
                Some(policies) => Ok(policies.clone()),
                None => Ok(Arc::new(self.of(from, &key.0, &seen.entity)?)),
            },
            // A user or role that is gone has no policies, and so no rights.
            None => Ok(Arc::default()),
        }
    }

    fn managed(&self, from: &Snapshot, arn: &str) -> Result<Option<String>> {
        policies::document(from, arn)
    }

    fn provider(&self, from: &Snapshot, arn: &str) -> Result<Option<ProviderFacts>> {
        match saml::facts(from, arn)? {
            Some(facts) => Ok(Some(facts)),
            None => oidc::facts(from, arn),
        }
    }

    fn sign_token(&self, cx: &Cx, algorithm: &str, claims: Map<String, Json>) -> Result<Option<String>> {
        outbound::sign_token(cx, algorithm, claims)
    }

    fn is_issuer(&self, place: &str) -> bool {
        outbound::is_issuer(place)
    }

    fn root_sessions(&self, from: &Snapshot, management: &str) -> Result<bool> {
        root_access::are_sessions_on(from, management)
    }

    fn check_code(&self, from: &Snapshot, whose: &PrincipalFacts, code: MfaCode<'_>, now: Timestamp) -> Result<Coded> {
        mfa::check(from, whose, code, now)
    }

    fn use_code(&self, tx: &mut Tx<'_>, whose: &PrincipalFacts, code: MfaCode<'_>, now: Timestamp) -> Result<Coded> {
        mfa::use_up(tx, whose, code, now)
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
            tags: role.tags.into_iter().collect(),
        }))
    }
}
