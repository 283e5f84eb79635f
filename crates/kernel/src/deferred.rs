//! Work that goes on after the call that ordered it, with the rights of whoever made the call.

use minicbor::{Decode, Encode};
use undercast_policy::{PrincipalFacts, PrincipalKind};

use crate::{Cx, Failure, Result};

/// Who ordered work, as a row keeps it until the work is done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Deferred {
    /// The access key that the call was signed with: what its holder may do then, decides then.
    #[n(0)]
    access_key: Option<String>,
    /// Of a call that came through another service, and so has no key: who makes it.
    #[n(1)]
    caller: Option<Caller>,
}

/// A caller without an access key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Caller {
    #[n(0)]
    arn: String,
    #[n(1)]
    account: String,
    #[n(2)]
    user_id: String,
    #[n(3)]
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
enum Kind {
    #[n(0)]
    Root,
    #[n(1)]
    User(#[n(0)] String),
    #[n(2)]
    Role(#[n(0)] String, #[n(1)] String, #[n(2)] Option<String>),
    #[n(3)]
    Service(#[n(0)] String),
}

impl Caller {
    fn of(principal: &PrincipalFacts) -> Option<Self> {
        let kind = match &principal.kind {
            PrincipalKind::Root => Kind::Root,
            PrincipalKind::User { name } => Kind::User(name.clone()),
            PrincipalKind::AssumedRole { role_arn, session_name, provider } => {
                Kind::Role(role_arn.clone(), session_name.clone(), provider.clone())
            }
            PrincipalKind::Service { name } => Kind::Service(name.clone()),
            PrincipalKind::Anonymous | PrincipalKind::FederatedUser { .. } | PrincipalKind::Federated { .. } => {
                return None;
            }
        };
        Some(Self {
            arn: principal.arn.clone(),
            account: principal.account.clone(),
            user_id: principal.user_id.clone(),
            kind,
        })
    }

    fn principal(&self) -> PrincipalFacts {
        let kind = match &self.kind {
            Kind::Root => PrincipalKind::Root,
            Kind::User(name) => PrincipalKind::User { name: name.clone() },
            Kind::Role(role_arn, session_name, provider) => PrincipalKind::AssumedRole {
                role_arn: role_arn.clone(),
                session_name: session_name.clone(),
                provider: provider.clone(),
            },
            Kind::Service(name) => PrincipalKind::Service { name: name.clone() },
        };
        let known = !self.account.is_empty();
        PrincipalFacts {
            arn: self.arn.clone(),
            account: self.account.clone(),
            kind,
            user_id: self.user_id.clone(),
            canonical_user: known.then(|| crate::auth::canonical_user(&self.account)),
        }
    }
}

impl Cx {
    /// Who makes this call, for work that goes on after it.
    ///
    /// # Errors
    /// When that cannot be kept: of a session with policies of its own that came through another service nothing would be
    /// left that limits it.
    pub fn deferred(&self) -> Result<Deferred> {
        if let Some(key) = &self.origin().access_key {
            return Ok(Deferred { access_key: Some(key.clone()), caller: None });
        }
        let limited = self.session.is_some();
        let caller = Caller::of(self.principal()).filter(|_| !limited);
        let what = "work that goes on after a call of a session with policies of its own, made through another service";
        Ok(Deferred { access_key: None, caller: Some(caller.ok_or_else(|| Failure::not_built(what))?) })
    }

    /// The context in which a service goes on with work, with the rights of whoever ordered it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn resume(&self, ordered_by: &Deferred, service: &str) -> Result<Self> {
        match (&ordered_by.access_key, &ordered_by.caller) {
            (Some(key), _) => self.as_holder_of(key, service),
            (None, Some(caller)) => Ok(self.inside(caller.principal(), service, None)),
            (None, None) => Err(self.broken("nobody is known to have ordered this work")),
        }
    }
}
