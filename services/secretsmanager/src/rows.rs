//! What is stored of secrets and their versions, and how a secret is found by what names it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result, Timestamp};
use undercast_sealing::Envelope;

use crate::error;
use crate::labels::Labels;

/// Account, Region, name.
pub(crate) static SECRETS: Table<Secret> = Table::new("secretsmanager.secrets");
/// Account, Region, name, suffix, version.
pub(crate) static VERSIONS: Table<Version> = Table::new("secretsmanager.versions");

/// An ARN ends in so many random characters, behind a hyphen.
const SUFFIX: usize = 6;
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A secret. Moments are milliseconds since 1970, here and below.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Secret {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) name: String,
    /// What its ARN ends in: it tells it from others that had its name before.
    #[n(3)]
    pub(crate) suffix: String,
    #[n(4)]
    pub(crate) created: i64,
    #[n(5)]
    pub(crate) changed: i64,
    /// The day on which a value was read last.
    #[n(6)]
    pub(crate) accessed: Option<i64>,
    #[n(7)]
    pub(crate) description: Option<String>,
    /// The key of KMS, as it was given. `None`: the AWS managed key.
    #[n(8)]
    pub(crate) key: Option<String>,
    #[n(9)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(10)]
    pub(crate) labels: Labels,
    /// The resource policy, as it was put.
    #[n(11)]
    pub(crate) policy: Option<String>,
    /// When it is deleted, once that was asked for.
    #[n(12)]
    pub(crate) deletion: Option<i64>,
    #[n(13)]
    pub(crate) rotation: Option<Rotation>,
    /// The Region of the secret that it is a replica of.
    #[n(14)]
    pub(crate) primary: Option<String>,
    #[n(15)]
    pub(crate) replicas: Vec<Replica>,
}

/// How a secret is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rotation {
    #[n(0)]
    pub(crate) enabled: bool,
    /// ARN of the function.
    #[n(1)]
    pub(crate) function: String,
    #[n(2)]
    pub(crate) days: Option<i64>,
    #[n(3)]
    pub(crate) duration: Option<String>,
    #[n(4)]
    pub(crate) expression: Option<String>,
    /// From when a rate in hours counts: a midnight.
    #[n(5)]
    pub(crate) begun: i64,
    /// When the window of the next rotation is over.
    #[n(6)]
    pub(crate) next: Option<i64>,
    #[n(7)]
    pub(crate) last: Option<i64>,
    /// The one that is under way.
    #[n(8)]
    pub(crate) under_way: Option<UnderWay>,
}

/// A rotation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct UnderWay {
    #[n(0)]
    pub(crate) version: String,
    /// What the function shows to say that it acts for this rotation.
    #[n(1)]
    pub(crate) token: String,
    /// Only the configuration is tried out.
    #[n(2)]
    pub(crate) test: bool,
    #[n(3)]
    pub(crate) failures: u32,
}

/// A replica, as its primary knows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Replica {
    #[n(0)]
    pub(crate) region: String,
    #[n(1)]
    pub(crate) key: Option<String>,
    /// `InSync`, `InProgress` or `Failed`.
    #[n(2)]
    pub(crate) status: String,
    #[n(3)]
    pub(crate) message: Option<String>,
    /// It takes the place of a secret of its name.
    #[n(4)]
    pub(crate) overwrite: bool,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Version {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) created: i64,
    #[n(2)]
    pub(crate) accessed: Option<i64>,
    /// A rotation makes the version before its value.
    #[n(3)]
    pub(crate) value: Option<Sealed>,
}

/// A value that is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Sealed {
    /// It is a text, rather than bytes.
    #[n(0)]
    pub(crate) text: bool,
    #[n(1)]
    pub(crate) envelope: Envelope,
    /// ARN of the key of KMS.
    #[n(2)]
    pub(crate) key: String,
    /// The key is the AWS managed one.
    #[n(3)]
    pub(crate) managed: bool,
}

/// Where a version stands.
pub(crate) type Place<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

impl Secret {
    /// A new one, without versions.
    pub(crate) fn new(cx: &Cx, name: &str) -> Self {
        Self {
            account: cx.account().to_owned(),
            region: cx.region().to_owned(),
            name: name.to_owned(),
            suffix: cx.random().text(SUFFIX, LETTERS),
            created: cx.now_millis(),
            changed: cx.now_millis(),
            accessed: None,
            description: None,
            key: None,
            tags: BTreeMap::new(),
            labels: Labels::default(),
            policy: None,
            deletion: None,
            rotation: None,
            primary: None,
            replicas: Vec::new(),
        }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        let (region, account) = (&self.region, &self.account);
        format!("arn:{}:secretsmanager:{region}:{account}:secret:{}-{}", cx.partition(), self.name, self.suffix)
    }

    pub(crate) fn place(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    /// Where all its versions stand.
    pub(crate) fn versions_place(&self) -> (&str, &str, &str, &str) {
        (&self.account, &self.region, &self.name, &self.suffix)
    }

    pub(crate) fn version_place<'a>(&'a self, id: &'a str) -> Place<'a> {
        (&self.account, &self.region, &self.name, &self.suffix, id)
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        SECRETS.put(tx, &self.place(), self);
    }

    pub(crate) fn version(&self, from: &(impl Read + ?Sized), id: &str) -> Result<Option<Version>> {
        Ok(VERSIONS.get(from, &self.version_place(id))?)
    }

    /// All its versions, oldest first.
    pub(crate) fn versions(&self, from: &(impl Read + ?Sized)) -> Result<Vec<Version>> {
        let all = VERSIONS.all(from, &self.versions_place())?;
        let mut all: Vec<Version> = all.into_iter().map(|entry| entry.row).collect();
        all.sort_by_key(|version| version.created);
        Ok(all)
    }

    /// The one that a name, an ARN, or an ARN without its random end names.
    ///
    /// # Errors
    /// `ResourceNotFoundException` when it is not there.
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Self> {
        Self::look_up(cx, from, id)?.ok_or_else(error::no_secret)
    }

    pub(crate) fn look_up(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Option<Self>> {
        let Some(arn) = Arn::parse(id) else { return Ok(SECRETS.get(from, &cx.key(id))?) };
        let Some(rest) = arn.resource.strip_prefix("secret:").filter(|_| arn.region == cx.region()) else {
            return Ok(None);
        };
        let at = |name: &str| SECRETS.get(from, &(arn.account.as_str(), cx.region(), name));
        if let Some((name, suffix)) = rest.rsplit_once('-')
            && let Some(found) = at(name)?
            && found.suffix == suffix
        {
            return Ok(Some(found));
        }
        Ok(at(rest)?)
    }

    /// The same, which is not to be deleted.
    ///
    /// # Errors
    /// `InvalidRequestException` when it is.
    pub(crate) fn active(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Self> {
        let found = Self::find(cx, from, id)?;
        if found.deletion.is_some() { Err(error::marked_for_deletion()) } else { Ok(found) }
    }

    /// The same, which can be changed where it is.
    ///
    /// # Errors
    /// `InvalidParameterException` when it is a replica.
    pub(crate) fn changeable(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Self> {
        let found = Self::active(cx, from, id)?;
        if found.primary.is_some() { Err(error::is_replica()) } else { Ok(found) }
    }

    /// The same secret as it is by now; one that took its place is another.
    pub(crate) fn again(&self, from: &(impl Read + ?Sized)) -> Result<Option<Self>> {
        let found = SECRETS.get(from, &self.place())?;
        Ok(found.filter(|found| found.suffix == self.suffix))
    }

    /// The context in its own account.
    pub(crate) fn home(&self, cx: &Cx) -> Cx {
        cx.elsewhere(&self.account, &self.region)
    }
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The day of a moment, which is what AWS tells of reads.
pub(crate) fn day(millis: i64) -> i64 {
    millis - millis.rem_euclid(86_400_000)
}
