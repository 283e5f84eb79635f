//! How callers name keys: by id, by ARN, by alias, by the ARN of an alias.

use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use crate::error;
use crate::rows::{ALIASES, KEYS, Key};

/// The prefix of the aliases that are AWS's own.
pub(crate) const AWS_ALIAS: &str = "alias/aws/";

/// What a caller calls a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// By its id, in an account.
    Key { account: String, id: String },
    /// By an alias, in an account.
    Alias { account: String, name: String },
}

impl Reference {
    /// Takes apart what a caller wrote. Ids and aliases are of the caller's account.
    pub(crate) fn parse(cx: &Cx, given: &str) -> Result<Self> {
        let (account, resource) = if given.starts_with("arn:") {
            let arn = Arn::parse(given).filter(|arn| arn.service == "kms").ok_or_else(|| error::bad_arn(given))?;
            if arn.region != cx.region() {
                return Err(error::other_region(&arn.region).into());
            }
            (arn.account, arn.resource)
        } else if given.starts_with("alias/") {
            (cx.account().to_owned(), given.to_owned())
        } else {
            (cx.account().to_owned(), format!("key/{given}"))
        };
        match resource.strip_prefix("key/") {
            Some(id) if is_id(id) => Ok(Self::Key { account, id: id.to_owned() }),
            Some(id) => Err(error::bad_id(id).into()),
            None if resource.starts_with("alias/") => Ok(Self::Alias { account, name: resource }),
            None => Err(error::bad_arn(given).into()),
        }
    }

    /// The same where aliases do not serve.
    pub(crate) fn parse_key(cx: &Cx, given: &str) -> Result<Self> {
        match Self::parse(cx, given)? {
            Self::Alias { .. } => Err(error::bad_id(given).into()),
            key @ Self::Key { .. } => Ok(key),
        }
    }

    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Key { account, .. } | Self::Alias { account, .. } => account,
        }
    }

    /// The alias, where the caller named the key by one: `kms:RequestAlias`.
    pub(crate) fn alias(&self) -> Option<&str> {
        match self {
            Self::Alias { name, .. } => Some(name),
            Self::Key { .. } => None,
        }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        let (account, resource) = match self {
            Self::Key { account, id } => (account, format!("key/{id}")),
            Self::Alias { account, name } => (account, name.clone()),
        };
        format!("arn:{}:kms:{}:{account}:{resource}", cx.partition(), cx.region())
    }

    /// The service whose AWS managed key it names, if it does so by alias.
    pub(crate) fn managed(&self) -> Option<&str> {
        self.alias().and_then(|name| name.strip_prefix(AWS_ALIAS))
    }

    /// The key, if it is there.
    pub(crate) fn find(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Option<Key>> {
        match self {
            Self::Key { account, id } => Ok(KEYS.get(from, &(account, cx.region(), id))?),
            Self::Alias { account, name } => match ALIASES.get(from, &(account, cx.region(), name))? {
                Some(alias) => Ok(KEYS.get(from, &(account, cx.region(), alias.key_id))?),
                None => Ok(None),
            },
        }
    }

    /// The key.
    ///
    /// # Errors
    /// `NotFoundException` when it is not there.
    pub(crate) fn get(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Key> {
        self.find(cx, from)?.ok_or_else(|| self.missing(cx).into())
    }

    pub(crate) fn missing(&self, cx: &Cx) -> undercast_kernel::AwsError {
        match self {
            Self::Key { .. } => error::no_key(&self.arn(cx)),
            Self::Alias { .. } => error::no_alias(&self.arn(cx)),
        }
    }
}

/// A UUID, or the id of a multi-Region key.
fn is_id(id: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match id.strip_prefix("mrk-") {
        Some(rest) => rest.len() == 32 && hex(rest),
        None => id.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && id.split('-').all(hex),
    }
}
