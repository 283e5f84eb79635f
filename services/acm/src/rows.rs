//! What is kept of a certificate, and how it is named.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Result, Timestamp};

use crate::error;
use crate::x509::Facts;

/// Account, region, id → certificate.
pub(crate) static CERTIFICATES: Table<Certificate> = Table::new("acm.certificates");
/// The same → its chain and its private key.
pub(crate) static MATERIAL: Table<Material> = Table::new("acm.material");

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Kind {
    #[n(0)]
    AmazonIssued,
    #[n(1)]
    Imported,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AmazonIssued => "AMAZON_ISSUED",
            Self::Imported => "IMPORTED",
        }
    }
}

/// What has become of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Status {
    #[n(0)]
    PendingValidation,
    #[n(1)]
    Issued,
    #[n(2)]
    Expired,
    #[n(3)]
    ValidationTimedOut,
    #[n(4)]
    Revoked,
    #[n(5)]
    Failed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PendingValidation => "PENDING_VALIDATION",
            Self::Issued => "ISSUED",
            Self::Expired => "EXPIRED",
            Self::ValidationTimedOut => "VALIDATION_TIMED_OUT",
            Self::Revoked => "REVOKED",
            Self::Failed => "FAILED",
        }
    }
}

/// How somebody shows that a domain is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Method {
    #[n(0)]
    Dns,
    #[n(1)]
    Email,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Email => "EMAIL",
        }
    }
}

/// Whether somebody has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum DomainStatus {
    #[n(0)]
    Pending,
    #[n(1)]
    Success,
    #[n(2)]
    Failed,
}

impl DomainStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING_VALIDATION",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
        }
    }
}

/// A domain that is to be validated, or was.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Validation {
    /// As it was asked for: `*.example.com`.
    #[n(0)]
    pub domain: String,
    #[n(1)]
    pub method: Method,
    /// Whose people get the letters.
    #[n(2)]
    pub validation_domain: Option<String>,
    #[n(3)]
    pub status: DomainStatus,
    /// What the links of the letters end in.
    #[n(4)]
    pub code: Option<String>,
}

/// A managed renewal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Renewal {
    #[n(0)]
    pub status: RenewalStatus,
    #[n(1)]
    pub validations: Vec<Validation>,
    #[n(2)]
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    #[n(3)]
    pub updated: i64,
    /// How many days were left when its user was last told to do something.
    #[n(4)]
    pub told: Option<i64>,
}

/// How far a renewal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum RenewalStatus {
    #[n(0)]
    PendingAutoRenewal,
    #[n(1)]
    PendingValidation,
    #[n(2)]
    Success,
    #[n(3)]
    Failed,
}

impl RenewalStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PendingAutoRenewal => "PENDING_AUTO_RENEWAL",
            Self::PendingValidation => "PENDING_VALIDATION",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
        }
    }

    /// Whether somebody or something is still at it.
    pub(crate) fn is_pending(self) -> bool {
        matches!(self, Self::PendingAutoRenewal | Self::PendingValidation)
    }
}

/// A change from validation by e-mail to validation by DNS.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Update {
    #[n(0)]
    pub status: DomainStatus,
    /// What is asked of the domains.
    #[n(1)]
    pub validations: Vec<Validation>,
    /// Milliseconds since 1970.
    #[n(2)]
    pub requested: i64,
    #[n(3)]
    pub updated: i64,
}

/// Why and when a certificate was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Revocation {
    #[n(0)]
    pub reason: String,
    /// Milliseconds since 1970.
    #[n(1)]
    pub at: i64,
}

/// What tells a certificate that an ACME client ordered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ordered {
    #[n(0)]
    pub endpoint: String,
    #[n(1)]
    pub account: String,
}

/// A certificate, or one that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Certificate {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub account: String,
    #[n(2)]
    pub region: String,
    #[n(3)]
    pub kind: Kind,
    #[n(4)]
    pub status: Status,
    /// The names, the first one first; those of an imported one are in the certificate.
    #[n(5)]
    pub names: Vec<String>,
    #[n(6)]
    pub key_algorithm: String,
    #[n(7)]
    pub method: Option<Method>,
    #[n(8)]
    pub validations: Vec<Validation>,
    /// Milliseconds since 1970, as all times here.
    #[n(9)]
    pub created: i64,
    #[n(10)]
    pub issued: Option<i64>,
    #[n(11)]
    pub imported: Option<i64>,
    /// PEM, once it is there.
    #[n(12)]
    pub body: Option<String>,
    /// Whether it may be exported.
    #[n(13)]
    pub exportable: bool,
    /// Whether it ever was.
    #[n(14)]
    pub exported: bool,
    /// Whether it was since it was issued or renewed last.
    #[n(15)]
    pub exported_since: bool,
    /// What its user would have liked.
    #[n(16)]
    pub transparency: Option<String>,
    #[n(17)]
    pub revoked: Option<Revocation>,
    #[n(18)]
    pub failure: Option<String>,
    #[n(19)]
    pub renewal: Option<Renewal>,
    #[n(20)]
    pub update: Option<Update>,
    #[n(21)]
    pub tags: Tags,
    /// The token of the request.
    #[n(22)]
    pub token: Option<String>,
    /// How many days were left when it was last told that it comes to its end.
    #[n(23)]
    pub told: Option<i64>,
    #[n(24)]
    pub ordered: Option<Ordered>,
}

/// What goes with a certificate that is there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Material {
    /// PEM.
    #[n(0)]
    pub chain: Option<String>,
    /// PKCS #8, sealed with the key of the data directory. `None`: the key never was here.
    #[n(1)]
    pub key: Option<minicbor::bytes::ByteVec>,
}

/// A moment of a row.
pub(crate) fn moment(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok()
}

impl Certificate {
    /// A new one, of which nothing but this is known yet.
    pub(crate) fn new(cx: &Cx, kind: Kind, status: Status, names: Vec<String>, key_algorithm: String) -> Self {
        Self {
            id: cx.random().uuid(),
            account: cx.account().to_owned(),
            region: cx.region().to_owned(),
            kind,
            status,
            names,
            key_algorithm,
            method: None,
            validations: Vec::new(),
            created: cx.now_millis(),
            issued: None,
            imported: None,
            body: None,
            exportable: false,
            exported: false,
            exported_since: false,
            transparency: None,
            revoked: None,
            failure: None,
            renewal: None,
            update: None,
            tags: Tags::new(),
            token: None,
            told: None,
            ordered: None,
        }
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.id)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.elsewhere(&self.account, &self.region).arn("acm", &format!("certificate/{}", self.id))
    }

    /// What the certificate says, once it is there.
    pub(crate) fn facts(&self) -> Result<Option<Facts>> {
        self.body.as_deref().map(Facts::of_own).transpose()
    }

    /// Who made its pair of keys.
    pub(crate) fn origin(&self) -> &'static str {
        match (self.kind, &self.ordered) {
            (_, Some(_)) => "ACME",
            (Kind::AmazonIssued, None) => "AWS_MANAGED",
            (Kind::Imported, None) => "CUSTOMER_PROVIDED",
        }
    }

    /// Who uses it.
    pub(crate) fn users(&self, cx: &Cx) -> Result<Vec<String>> {
        let (arn, from) = (self.arn(cx), cx.read());
        let mut users = Vec::new();
        for service in cx.kernel().services() {
            users.extend(service.uses(&from, &arn)?);
        }
        Ok(users)
    }

    /// Whether it is renewed without being asked: it is used, or somebody has it outside.
    ///
    /// Source: "Managed certificate renewal in AWS Certificate Manager" in the user guide.
    pub(crate) fn is_renewable(&self, cx: &Cx) -> Result<bool> {
        let own = self.kind == Kind::AmazonIssued && self.ordered.is_none() && self.status == Status::Issued;
        Ok(own && (self.exported_since || !self.users(cx)?.is_empty()))
    }
}

/// The id of a certificate that is named by its ARN, whoever's it is.
pub(crate) fn id_of(arn: &str) -> Option<String> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "acm")?;
    Some(arn.resource.strip_prefix("certificate/").filter(|id| !id.is_empty() && !id.contains('/'))?.to_owned())
}

/// A certificate of this account and region by its ARN.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Certificate> {
    let id = id_of(arn).ok_or_else(|| error::bad_arn(arn))?;
    if arn != cx.arn("acm", &format!("certificate/{id}")) {
        return Err(error::missing(arn));
    }
    CERTIFICATES.get(from, &cx.key(&id))?.ok_or_else(|| error::missing(arn))
}
