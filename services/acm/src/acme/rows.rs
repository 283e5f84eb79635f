//! What is kept of endpoints and of what belongs to them, and how it is named.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::errors;
use crate::{SERVICE, error};

/// Account, region, id → endpoint.
pub(crate) static ENDPOINTS: Table<Endpoint> = Table::new("acm.acme_endpoints");
/// Account, region, endpoint, id → validation.
pub(crate) static VALIDATIONS: Table<Validation> = Table::new("acm.acme_validations");
/// Account, region, endpoint, id → binding.
pub(crate) static BINDINGS: Table<Binding> = Table::new("acm.acme_bindings");
/// Account, region, endpoint, id → account of a client.
pub(crate) static ACCOUNTS: Table<Account> = Table::new("acm.acme_accounts");
/// Account, region, endpoint, id → order.
pub(crate) static ORDERS: Table<Order> = Table::new("acm.acme_orders");

/// What the ARNs of validations and of bindings have behind their endpoint.
pub(crate) const VALIDATION: &str = "acme-domain-validation";
pub(crate) const BINDING: &str = "acme-external-account-binding";

/// A server of ACME.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Endpoint {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub account: String,
    #[n(2)]
    pub region: String,
    /// Whether clients must say whom to write to. `None`: nobody said.
    #[n(3)]
    pub contact: Option<String>,
    /// The algorithms of keys that are certified; all, where nothing is said.
    #[n(4)]
    pub algorithms: Option<Vec<String>>,
    /// Of the certificates that are ordered.
    #[n(5)]
    pub certificate_tags: Tags,
    #[n(6)]
    pub tags: Tags,
    /// Milliseconds since 1970, as all times here.
    #[n(7)]
    pub created: i64,
    #[n(8)]
    pub updated: i64,
    #[n(9)]
    pub token: Option<String>,
}

/// How far the validation of a domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum ValidationStatus {
    #[n(0)]
    Validating,
    #[n(1)]
    Valid,
    #[n(2)]
    Invalid,
}

impl ValidationStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "VALIDATING",
            Self::Valid => "VALID",
            Self::Invalid => "INVALID",
        }
    }
}

/// For which names of a domain a validation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Scope {
    #[n(0)]
    pub exact: bool,
    #[n(1)]
    pub subdomains: bool,
    #[n(2)]
    pub wildcards: bool,
}

/// A domain for which an endpoint may issue.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Validation {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub endpoint: String,
    #[n(2)]
    pub domain: String,
    #[n(3)]
    pub scope: Scope,
    #[n(4)]
    pub zone: Option<String>,
    #[n(5)]
    pub status: ValidationStatus,
    /// Why it is invalid.
    #[n(6)]
    pub failure: Option<String>,
    #[n(7)]
    pub tags: Tags,
    #[n(8)]
    pub created: i64,
    #[n(9)]
    pub updated: i64,
    #[n(10)]
    pub token: Option<String>,
}

/// A credential with which a client registers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Binding {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub endpoint: String,
    #[n(2)]
    pub role: String,
    /// Sealed.
    #[n(3)]
    pub mac: ByteVec,
    #[n(4)]
    pub expires: Option<i64>,
    #[n(5)]
    pub revoked: Option<i64>,
    #[n(6)]
    pub used: Option<i64>,
    #[n(7)]
    pub tags: Tags,
    #[n(8)]
    pub created: i64,
    #[n(9)]
    pub updated: i64,
    #[n(10)]
    pub token: Option<String>,
}

/// Whether a client's account may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum AccountStatus {
    #[n(0)]
    Valid,
    /// By the client.
    #[n(1)]
    Deactivated,
    /// By the endpoint's owner.
    #[n(2)]
    Revoked,
}

impl AccountStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Deactivated => "DEACTIVATED",
            Self::Revoked => "REVOKED",
        }
    }
}

/// A client that has registered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Account {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub endpoint: String,
    /// Its public key, as JSON.
    #[n(2)]
    pub key: String,
    #[n(3)]
    pub thumbprint: String,
    #[n(4)]
    pub status: AccountStatus,
    #[n(5)]
    pub contacts: Vec<String>,
    /// ARN of the binding with which it registered, and its role: they outlive the binding.
    #[n(6)]
    pub binding: String,
    #[n(7)]
    pub role: String,
    #[n(8)]
    pub created: i64,
}

/// An order of a client. Its domains were validated before it came, so it is ready from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Order {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub account: String,
    #[n(2)]
    pub names: Vec<String>,
    #[n(3)]
    pub expires: i64,
    /// The certificate, once it is issued.
    #[n(4)]
    pub certificate: Option<String>,
}

impl Endpoint {
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.id)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        endpoint_arn(cx, &self.id)
    }

    /// Where clients find it, as it is told.
    pub(crate) fn url(&self, cx: &Cx) -> String {
        let host = &cx.kernel().settings().host;
        format!("https://{host}{}/directory", path(&self.region, &self.id))
    }
}

/// What the paths of an endpoint begin with.
pub(crate) fn path(region: &str, id: &str) -> String {
    format!("{}{region}/{id}", super::server::PATHS)
}

pub(crate) fn endpoint_arn(cx: &Cx, id: &str) -> String {
    cx.arn(SERVICE, &format!("acme-endpoint/{id}"))
}

/// The ARN of something that belongs to an endpoint.
pub(crate) fn child_arn(cx: &Cx, endpoint: &str, kind: &str, id: &str) -> String {
    cx.arn(SERVICE, &format!("acme-endpoint/{endpoint}/{kind}/{id}"))
}

/// What an ARN names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Endpoint(String),
    Validation(String, String),
    Binding(String, String),
}

impl Named {
    /// Takes an ARN of this account and region apart. `None`: it names nothing of the kind, or nothing here.
    pub(crate) fn parse(cx: &Cx, text: &str) -> Option<Self> {
        let arn = Arn::parse(text).filter(|arn| arn.service == SERVICE)?;
        if arn.region != cx.region() || arn.account != cx.account() {
            return None;
        }
        let parts: Vec<&str> = arn.resource.split('/').collect();
        match parts.as_slice() {
            ["acme-endpoint", id] => Some(Self::Endpoint((*id).to_owned())),
            ["acme-endpoint", endpoint, kind, id] if *kind == VALIDATION => {
                Some(Self::Validation((*endpoint).to_owned(), (*id).to_owned()))
            }
            ["acme-endpoint", endpoint, kind, id] if *kind == BINDING => {
                Some(Self::Binding((*endpoint).to_owned(), (*id).to_owned()))
            }
            _ => None,
        }
    }

    /// The tags of what it names, if that is there.
    pub(crate) fn tags(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Option<Tags>> {
        Ok(match self {
            Self::Endpoint(id) => ENDPOINTS.get(from, &cx.key(id))?.map(|row| row.tags),
            Self::Validation(endpoint, id) => {
                VALIDATIONS.get(from, &(cx.account(), cx.region(), endpoint, id))?.map(|row| row.tags)
            }
            Self::Binding(endpoint, id) => {
                BINDINGS.get(from, &(cx.account(), cx.region(), endpoint, id))?.map(|row| row.tags)
            }
        })
    }
}

pub(crate) fn missing(arn: &str) -> Failure {
    errors::resource_not_found_exception(format!("Could not find the resource {arn}.")).into()
}

/// An endpoint by its ARN.
pub(crate) fn endpoint(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Endpoint> {
    let Some(Named::Endpoint(id)) = Named::parse(cx, arn) else { return Err(missing(arn)) };
    ENDPOINTS.get(from, &cx.key(&id))?.ok_or_else(|| missing(arn))
}

/// A validation by its ARN.
pub(crate) fn validation(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Validation> {
    let Some(Named::Validation(endpoint, id)) = Named::parse(cx, arn) else { return Err(missing(arn)) };
    VALIDATIONS.get(from, &(cx.account(), cx.region(), &endpoint, &id))?.ok_or_else(|| missing(arn))
}

/// A binding by its ARN.
pub(crate) fn binding(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Binding> {
    let Some(Named::Binding(endpoint, id)) = Named::parse(cx, arn) else { return Err(missing(arn)) };
    BINDINGS.get(from, &(cx.account(), cx.region(), &endpoint, &id))?.ok_or_else(|| missing(arn))
}

/// The size of a page of one of the lists.
const PAGE: usize = 100;

/// A page of one of the lists.
pub(crate) fn page<T>(
    scope: &str,
    items: Vec<T>,
    token: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<T>, Option<String>)> {
    let size = most.map_or(PAGE, |most| usize::try_from(most).unwrap_or(PAGE));
    error::page(scope, items, token, size, error::validation)
}
