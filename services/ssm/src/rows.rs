//! What is stored of parameters and their versions.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Announcement, Cx, Result, Timestamp};
use undercast_sealing::Envelope;

use crate::error;
use crate::names::{self, Named, Selector};
use crate::policies::Policy;

/// Account, Region, name.
pub(crate) static PARAMETERS: Table<Parameter> = Table::new("ssm.parameters");
/// Account, Region, name, number.
pub(crate) static VERSIONS: Table<Version> = Table::new("ssm.versions");
/// Account, Region: how many there are.
pub(crate) static COUNTS: Table<Counts> = Table::new("ssm.counts");

/// How many parameters an account has in a Region, by tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Counts {
    #[n(0)]
    pub(crate) standard: u32,
    #[n(1)]
    pub(crate) advanced: u32,
}

/// A tier that a parameter is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Tier {
    #[n(0)]
    Standard,
    #[n(1)]
    Advanced,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
        }
    }
}

/// A parameter. Moments are milliseconds since 1970, here and below.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Parameter {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) name: String,
    /// The number of its newest version.
    #[n(3)]
    pub(crate) version: i64,
    #[n(4)]
    pub(crate) tier: Tier,
    #[n(5)]
    pub(crate) tags: BTreeMap<String, String>,
    #[n(6)]
    pub(crate) shared: Option<Shared>,
    /// Label to the number of a version.
    #[n(7)]
    pub(crate) labels: BTreeMap<String, i64>,
}

/// A resource policy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Shared {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) hash: String,
    #[n(2)]
    pub(crate) text: String,
}

/// A version of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Version {
    #[n(0)]
    pub(crate) number: i64,
    /// `String`, `StringList` or `SecureString`.
    #[n(1)]
    pub(crate) kind: String,
    #[n(2)]
    pub(crate) value: Value,
    #[n(3)]
    pub(crate) description: Option<String>,
    #[n(4)]
    pub(crate) pattern: Option<String>,
    #[n(5)]
    pub(crate) tier: Tier,
    /// The key of KMS, as it was given or as it is meant.
    #[n(6)]
    pub(crate) key: Option<String>,
    #[n(7)]
    pub(crate) modified: i64,
    /// ARN of who made it.
    #[n(8)]
    pub(crate) by: String,
    #[n(9)]
    pub(crate) policies: Vec<Policy>,
}

/// A value as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Value {
    #[n(0)]
    Plain(#[n(0)] String),
    /// A ciphertext of KMS itself.
    #[n(1)]
    Encrypted(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(2)]
    Sealed(#[n(0)] Envelope),
}

impl Parameter {
    pub(crate) fn place(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn version_place(&self, number: i64) -> (&str, &str, &str, i64) {
        (&self.account, &self.region, &self.name, number)
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        PARAMETERS.put(tx, &self.place(), self);
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        names::arn(cx, &self.account, &self.name)
    }

    pub(crate) fn look_up(cx: &Cx, from: &(impl Read + ?Sized), named: &Named) -> Result<Option<Self>> {
        let at = |name: &str| PARAMETERS.get(from, &(named.account.as_str(), cx.region(), name));
        match at(&named.name)? {
            None if named.by_arn && !named.name.starts_with('/') => Ok(at(&format!("/{}", named.name))?),
            found => Ok(found),
        }
    }

    /// # Errors
    /// `ParameterNotFound` when it is not there.
    pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), named: &Named) -> Result<Self> {
        Self::look_up(cx, from, named)?.ok_or_else(error::no_parameter)
    }

    /// One of its versions; `None`: it is not there, or swept.
    pub(crate) fn version(&self, from: &(impl Read + ?Sized), number: i64) -> Result<Option<Version>> {
        Ok(VERSIONS.get(from, &self.version_place(number))?)
    }

    /// Its newest version.
    pub(crate) fn newest(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Version> {
        let lost = || cx.broken(format!("parameter {} has lost its version {}", self.name, self.version));
        self.version(from, self.version)?.ok_or_else(lost)
    }

    /// The version that a selector names.
    ///
    /// # Errors
    /// `ParameterVersionNotFound` when it names none.
    pub(crate) fn selected(
        &self,
        cx: &Cx,
        from: &(impl Read + ?Sized),
        selector: Option<&Selector>,
    ) -> Result<Version> {
        let number = match selector {
            None => return self.newest(cx, from),
            Some(Selector::Version(number)) => Some(*number),
            Some(Selector::Label(label)) => self.labels.get(label).copied(),
        };
        let found = match number {
            Some(number) => self.version(from, number)?,
            None => None,
        };
        let text = selector.map_or_else(String::new, Selector::text);
        found.ok_or_else(|| error::no_version(&text, &self.name))
    }

    /// All its versions, oldest first.
    pub(crate) fn versions(&self, from: &(impl Read + ?Sized)) -> Result<Vec<Version>> {
        Ok(VERSIONS.all(from, &self.place())?.into_iter().map(|entry| entry.row).collect())
    }

    /// The labels of one of its versions.
    pub(crate) fn labels_of(&self, number: i64) -> Vec<String> {
        self.labels.iter().filter(|(_, of)| **of == number).map(|(label, _)| label.clone()).collect()
    }

    /// Tells EventBridge of a change, with the writes of a transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn announce(&self, cx: &Cx, tx: &mut Tx<'_>, operation: &str, version: &Version) -> Result<()> {
        let mut detail = serde_json::json!({"operation": operation, "name": self.name, "type": version.kind});
        if let (Some(description), Some(detail)) = (&version.description, detail.as_object_mut()) {
            detail.insert("description".to_owned(), description.as_str().into());
        }
        let home = cx.elsewhere(&self.account, &self.region);
        let told = Announcement::new(&home, "aws.ssm", "Parameter Store Change", self.arn(cx), detail);
        home.announce(tx, &told)
    }
}

/// The counts of an account, changed by so much.
///
/// # Errors
/// When the store fails.
pub(crate) fn count(tx: &mut Tx<'_>, parameter: &Parameter, tier: Tier, by: i32) -> Result<()> {
    let place = (parameter.account.as_str(), parameter.region.as_str());
    let mut counts = COUNTS.get(tx, &place)?.unwrap_or_else(Counts::default);
    let of = if tier == Tier::Standard { &mut counts.standard } else { &mut counts.advanced };
    *of = of.saturating_add_signed(by);
    COUNTS.put(tx, &place, &counts);
    Ok(())
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
