//! Who makes a request, and whether an element of a policy speaks of them.

use std::borrow::Cow;

use crate::arn;
use crate::context::Values;
use crate::document::{PrincipalElement, PrincipalType, Principals};

/// What is known of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalFacts {
    /// The ARN AWS prints: a user's, a session's (`arn:aws:sts::…:assumed-role/…`), the root's. A service
    /// principal's name for services; `anonymous` for nobody.
    pub arn: String,
    /// The 12-digit account of the caller; empty for services, providers and nobody.
    pub account: String,
    /// What they are.
    pub kind: PrincipalKind,
    /// `aws:userid`: `AIDA…`, `AROA…:session`, the account for root.
    pub user_id: String,
    /// The canonical user id of the account, where the caller of this crate knows it.
    pub canonical_user: Option<String>,
}

/// The kinds of principals that policies tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A request without credentials.
    Anonymous,
    /// The root user of the account.
    Root,
    /// An IAM user.
    User {
        /// The user's name, without path.
        name: String,
    },
    /// A session of a role.
    AssumedRole {
        /// `arn:aws:iam::…:role/path/name`.
        role_arn: String,
        /// The session's name.
        session_name: String,
        /// The identity provider through which the session was obtained, if any.
        provider: Option<String>,
    },
    /// A session made by `GetFederationToken`.
    FederatedUser {
        /// The name given to the session.
        name: String,
        /// The IAM user who asked for it.
        user_arn: String,
    },
    /// Somebody known only to an identity provider, in the act of assuming a role.
    Federated {
        /// The provider as trust policies name it: an ARN, or a name such as `accounts.google.com`.
        provider: String,
    },
    /// A service acting for itself.
    Service {
        /// Such as `sns.amazonaws.com`.
        name: String,
    },
}

/// How closely a resource-based statement names the caller. The IAM User Guide lets this decide which implicit
/// denies still count ("Policy evaluation for requests within a single account").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// The caller's account: the statement delegates to the account's own policies.
    Account,
    /// The role of a session, or the user behind a federated session: boundary and session policies still limit.
    Behind,
    /// The caller itself, or everyone: nothing but an explicit deny limits.
    Direct,
}

impl PrincipalFacts {
    /// The values of the condition keys that follow from the principal alone; `key` in lower case.
    pub fn lookup(&self, key: &str) -> Option<Values<'_>> {
        match key {
            // Who is not known has no keys: the simulator asks for nobody in particular.
            "aws:principalarn" => self.principal_arn().filter(|arn| !arn.is_empty()).map(Values::one),
            "aws:principalaccount" => (!self.account.is_empty()).then(|| Values::one(&self.account)),
            "aws:principaltype" => (!self.arn.is_empty()).then(|| Values::one(self.principal_type())),
            "aws:userid" => (!self.user_id.is_empty()).then(|| Values::one(&self.user_id)),
            "aws:username" => match &self.kind {
                PrincipalKind::User { name } if !name.is_empty() => Some(Values::one(name)),
                _ => None,
            },
            "aws:principalisawsservice" => {
                Some(Values::one(if matches!(self.kind, PrincipalKind::Service { .. }) { "true" } else { "false" }))
            }
            "aws:principalservicename" => match &self.kind {
                PrincipalKind::Service { name } => Some(Values::One(Cow::Borrowed(name))),
                _ => None,
            },
            _ => None,
        }
    }

    /// `aws:PrincipalArn` of a session is the role's ARN, not the session's (IAM User Guide, global keys).
    fn principal_arn(&self) -> Option<&str> {
        match &self.kind {
            PrincipalKind::AssumedRole { role_arn, .. } => Some(role_arn),
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::FederatedUser { .. } => Some(&self.arn),
            PrincipalKind::Anonymous | PrincipalKind::Federated { .. } | PrincipalKind::Service { .. } => None,
        }
    }

    fn principal_type(&self) -> &'static str {
        match self.kind {
            PrincipalKind::Anonymous => "Anonymous",
            PrincipalKind::Root => "Account",
            PrincipalKind::User { .. } => "User",
            PrincipalKind::AssumedRole { .. } => "AssumedRole",
            PrincipalKind::FederatedUser { .. } | PrincipalKind::Federated { .. } => "FederatedUser",
            PrincipalKind::Service { .. } => "Service",
        }
    }

    /// Whether `element` speaks of this principal, and how closely.
    ///
    /// `bounded`: the principal has a permissions boundary. The IAM User Guide says that a deny with
    /// `NotPrincipal` always hits such a principal, whoever is listed.
    pub(crate) fn named_by(&self, element: &PrincipalElement, denies: bool, bounded: bool) -> Option<Grade> {
        if !element.negated {
            return self.listed(&element.principals);
        }
        let excepted = if denies {
            !bounded && self.listed_with_parents(&element.principals)
        } else {
            self.listed(&element.principals).is_some()
        };
        (!excepted).then_some(Grade::Direct)
    }

    fn listed(&self, principals: &Principals) -> Option<Grade> {
        match principals {
            Principals::Everyone => Some(Grade::Direct),
            Principals::Named(named) => named
                .iter()
                .flat_map(|(kind, values)| values.iter().filter_map(|value| self.is_named(*kind, value)))
                .max(),
        }
    }

    /// Under `NotPrincipal` a principal is excepted from a deny only when it and everything it belongs to is
    /// listed: the session, its role, and the account (IAM User Guide, NotPrincipal).
    fn listed_with_parents(&self, principals: &Principals) -> bool {
        let Principals::Named(named) = principals else { return true };
        let has = |wanted: Grade| {
            named.iter().any(|(kind, values)| values.iter().any(|value| self.is_named(*kind, value) == Some(wanted)))
        };
        if named.iter().any(|(kind, values)| *kind == PrincipalType::Aws && values.iter().any(|value| value == "*")) {
            return true;
        }
        match self.kind {
            PrincipalKind::Root => has(Grade::Account),
            PrincipalKind::User { .. } => has(Grade::Direct) && has(Grade::Account),
            PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
                has(Grade::Direct) && has(Grade::Behind) && has(Grade::Account)
            }
            PrincipalKind::Anonymous | PrincipalKind::Federated { .. } | PrincipalKind::Service { .. } => {
                has(Grade::Direct)
            }
        }
    }

    fn is_named(&self, kind: PrincipalType, value: &str) -> Option<Grade> {
        match (kind, &self.kind) {
            (PrincipalType::Aws, _) => self.is_aws_principal(value),
            (PrincipalType::Service, PrincipalKind::Service { name }) => (name == value).then_some(Grade::Direct),
            (PrincipalType::Federated, PrincipalKind::Federated { provider }) => {
                (provider == value).then_some(Grade::Direct)
            }
            (PrincipalType::Federated, PrincipalKind::AssumedRole { provider: Some(provider), .. }) => {
                (provider == value).then_some(Grade::Direct)
            }
            (PrincipalType::CanonicalUser, _) => {
                (self.canonical_user.as_deref() == Some(value)).then_some(Grade::Account)
            }
            (PrincipalType::Service | PrincipalType::Federated, _) => None,
        }
    }

    fn is_aws_principal(&self, value: &str) -> Option<Grade> {
        // `{"AWS": "*"}` is everyone, as `"*"` is: services and nobody included.
        if value == "*" {
            return Some(Grade::Direct);
        }
        if self.account.is_empty() {
            return None;
        }
        if value == self.account || is_account_arn(value, &self.account) {
            return Some(Grade::Account);
        }
        let direct = value == self.arn || value == self.user_id;
        if direct {
            return Some(Grade::Direct);
        }
        let behind = match &self.kind {
            // A role that was deleted and made again is named by its id, the part of `aws:userid` before the colon.
            PrincipalKind::AssumedRole { role_arn, .. } => {
                value == role_arn || self.user_id.split(':').next() == Some(value)
            }
            PrincipalKind::FederatedUser { user_arn, .. } => value == user_arn,
            _ => false,
        };
        behind.then_some(Grade::Behind)
    }
}

fn is_account_arn(value: &str, account: &str) -> bool {
    arn::split(value).is_some_and(|parts| parts[2] == "iam" && parts[4] == account && parts[5] == "root")
}
