//! Access keys that were issued here, and whose they are.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use undercast_policy::{PrincipalFacts, PrincipalKind};
use undercast_store::{Table, Tx};

use crate::Result;

/// Access key id → credential. Services that issue keys write here; the kernel reads. Ids look like AWS's own
/// ([`crate::auth::looks_real`]): no row is looked for under any other.
pub static CREDENTIALS: Table<Credential> = Table::new("kernel.credentials");

/// A key that was issued here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credential {
    /// The secret that signs.
    #[n(0)]
    pub secret: String,
    /// Account of its owner.
    #[n(1)]
    pub account: String,
    /// ARN of its owner, as AWS prints it.
    #[n(2)]
    pub arn: String,
    /// Unique id of its owner: `AIDA…`, `AROA…:session`.
    #[n(3)]
    pub user_id: String,
    /// What its owner is.
    #[n(4)]
    pub owner: OwnerKind,
    /// The session token that must go with it.
    #[n(5)]
    pub token: Option<String>,
    /// When it ends, in milliseconds since 1970.
    #[n(6)]
    pub expires: Option<i64>,
    /// Policies of the session.
    #[n(7)]
    pub session_policies: Vec<String>,
    /// It may be used.
    #[n(8)]
    pub active: bool,
    /// Session tags.
    #[n(9)]
    pub tags: Vec<(String, String)>,
    /// The session was made with policies, even if none is left to name.
    #[n(10)]
    pub limited: bool,
    /// When the code of an MFA device was given for the session, in milliseconds since 1970.
    #[n(11)]
    pub mfa: Option<i64>,
    /// How the session began; `None`: it is none, or its beginning is not known.
    #[n(12)]
    pub begun: Option<Begun>,
}

/// How a session began, and what of it goes on to those that begin in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Begun {
    /// When (ms): `aws:TokenIssueTime`.
    #[n(0)]
    pub at: i64,
    /// The identity that was set for it, which later sessions keep.
    #[n(1)]
    pub source_identity: Option<String>,
    /// Keys of the tags that later sessions get.
    #[n(2)]
    pub transitive: Vec<String>,
    /// What an identity provider said of whoever it let in, by condition key: `accounts.google.com:sub`.
    #[n(3)]
    pub claims: Vec<(String, Vec<String>)>,
}

/// What policies see of temporary credentials, beside whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Temporary {
    /// When the code of an MFA device was given for them, in milliseconds since 1970.
    pub mfa: Option<i64>,
    /// Tags of the session. They stand before those of the role.
    pub tags: Arc<[(String, String)]>,
    /// How the session began; `None`: just now.
    pub begun: Option<Arc<Begun>>,
}

/// What the owner of a key is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum OwnerKind {
    /// The root user.
    #[n(0)]
    Root,
    /// An IAM user.
    #[n(1)]
    User {
        /// Its name.
        #[n(0)]
        name: String,
    },
    /// A session of a role.
    #[n(2)]
    AssumedRole {
        /// The role.
        #[n(0)]
        role_arn: String,
        /// The session's name.
        #[n(1)]
        session_name: String,
        /// The identity provider through which it was obtained.
        #[n(2)]
        provider: Option<String>,
    },
    /// A federated user's session.
    #[n(3)]
    FederatedUser {
        /// Its name.
        #[n(0)]
        name: String,
        /// Who asked for it.
        #[n(1)]
        user_arn: String,
    },
}

impl Credential {
    /// Takes a key away. It stays known as one that was issued here: an unknown key may be anybody's, and with open
    /// authentication it is the root user of an account.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_away(tx: &mut Tx<'_>, access_key: &str) -> Result<()> {
        if let Some(credential) = CREDENTIALS.get(tx, &(access_key,))? {
            let ended = Self { active: false, secret: String::new(), token: None, ..credential };
            CREDENTIALS.put(tx, &(access_key,), &ended);
        }
        Ok(())
    }

    /// What policies see of it where it ends; `None`: it is for good.
    pub fn temporary(&self) -> Option<Temporary> {
        self.token.is_some().then(|| Temporary {
            mfa: self.mfa,
            tags: self.tags.as_slice().into(),
            begun: self.begun.clone().map(Arc::new),
        })
    }

    /// Its owner, as policies see it.
    pub fn principal(&self) -> PrincipalFacts {
        let kind = match &self.owner {
            OwnerKind::Root => PrincipalKind::Root,
            OwnerKind::User { name } => PrincipalKind::User { name: name.clone() },
            OwnerKind::AssumedRole { role_arn, session_name, provider } => PrincipalKind::AssumedRole {
                role_arn: role_arn.clone(),
                session_name: session_name.clone(),
                provider: provider.clone(),
            },
            OwnerKind::FederatedUser { name, user_arn } => {
                PrincipalKind::FederatedUser { name: name.clone(), user_arn: user_arn.clone() }
            }
        };
        PrincipalFacts {
            arn: self.arn.clone(),
            account: self.account.clone(),
            kind,
            user_id: self.user_id.clone(),
            canonical_user: Some(crate::auth::canonical_user(&self.account)),
        }
    }
}
