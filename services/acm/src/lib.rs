//! AWS Certificate Manager: certificates that are asked for, issued when their domains are validated, renewed before their end;
//! certificates that users import.
//!
//! Reading order: `rows` and `x509` (what a certificate is, and what it says), `domains` and `letters` (how domains are validated),
//! `request`, `lifecycle` (what becomes of one with time), `issuing` and `keys`; then the operations: `describe`, `listing`, `search`,
//! `import`, `export`, `certificates`, `tagging`, `account`; `acme`.
//!
//! Tables, all by account and Region: `acm.certificates` and `acm.material` (id), `acm.issuers` (family), `acm.accounts`, `acm.counts`
//! and `acm.days`; `acm.acme_endpoints`, and by endpoint `acm.acme_validations`, `acm.acme_bindings`, `acm.acme_accounts` and
//! `acm.acme_orders`. Private keys are in them as ciphertext of the key of the data directory, and leave by `ExportCertificate` alone.
//!
//! The cloud's own authority (`undercast ca`) vouches for the authorities that issue, so whoever trusts it trusts every certificate.
//! Records that validate domains are published in the kernel's names as they are asked for, or by users (`undercast up --acm-names
//! wait`, `undercast names put`). Letters are in the inbox, and their links work. Revoked certificates are on lists, whose
//! places the certificates name.
//!
//! What is not here, and refused: private authorities (`CertificateAuthorityArn`), certificates that CloudFront asks for (`ManagedBy`,
//! validation by HTTP). What clients of ACME ask for is not in the trail. Nobody is told of revocations by OCSP, and certificates are in
//! no transparency log, because no public client would trust them.
//!
//! Source: the API reference and the user guide of AWS Certificate Manager.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod account;
mod acme;
mod certificates;
mod cfn;
mod describe;
mod domains;
mod error;
mod events;
mod export;
mod import;
mod issuing;
mod keys;
mod letters;
mod lifecycle;
mod listing;
mod metrics;
mod quotas;
mod request;
mod rows;
mod search;
mod tagging;
mod x509;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Record, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Request, Response, Value};

use crate::acme::server::Nonces;
use crate::acme::{accounts, bindings, endpoints, validations};
use crate::request::Names;

/// What the kernel calls this service.
const SERVICE: &str = "acm";

/// The service.
#[derive(Debug)]
pub struct Acm {
    names: Names,
    nonces: Nonces,
}

impl Default for Acm {
    /// The records that validate domains are published as they are asked for.
    fn default() -> Self {
        Self { names: Names::Published, nonces: Nonces::default() }
    }
}

impl Acm {
    /// One that waits for users to publish the records that validate domains.
    pub fn waiting() -> Self {
        Self { names: Names::Awaited, nonces: Nonces::default() }
    }
}

impl Service for Acm {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                lifecycle::KIND => lifecycle::run(cx, task).await,
                validations::KIND => validations::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn measure(&self, kernel: &Kernel) -> Result<()> {
        metrics::measure(kernel)
    }

    fn paths(&self) -> &'static [&'static str] {
        &[letters::APPROVALS, issuing::LISTS, acme::server::PATHS]
    }

    fn serve<'a>(
        &'a self,
        cx: &'a Cx,
        site: &'a str,
        _name: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            match site {
                letters::APPROVALS => letters::serve(cx, request).await,
                acme::server::PATHS => acme::server::serve(&self.nonces, cx, request).await,
                _ => issuing::serve(cx, &request).await,
            }
        })
    }

    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        let hidden = ["privateKey", "passphrase"];
        undercast_kernel::hidden(undercast_kernel::event_parameters(operation, parameters), &hidden)
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types().into_iter().chain(acme::cfn::types()).collect()
    }
}

api::operations! {
    impl api::Operations for Acm; |self, cx, input|
    AddTagsToCertificate => tagging::add(cx, &input).await,
    CreateAcmeDomainValidation => validations::create(cx, self.names, &input).await,
    CreateAcmeEndpoint => endpoints::create(cx, &input).await,
    CreateAcmeExternalAccountBinding => bindings::create(cx, &input).await,
    DeleteAcmeDomainValidation => validations::delete(cx, &input).await,
    DeleteAcmeEndpoint => endpoints::delete(cx, &input).await,
    DeleteAcmeExternalAccountBinding => bindings::delete(cx, &input).await,
    DeleteCertificate => certificates::delete(cx, &input).await,
    DescribeAcmeAccount => accounts::describe(cx, &input),
    DescribeAcmeDomainValidation => validations::describe(cx, &input),
    DescribeAcmeEndpoint => endpoints::describe(cx, &input),
    DescribeAcmeExternalAccountBinding => bindings::describe(cx, &input),
    DescribeCertificate => describe::describe(cx, &input),
    ExportCertificate => export::export(cx, &input).await,
    GetAccountConfiguration => account::get(cx),
    GetAcmeExternalAccountBindingCredentials => bindings::credentials(cx, &input),
    GetCertificate => export::get(cx, &input),
    ImportCertificate => import::import(cx, &input).await,
    ListAcmeAccounts => accounts::list(cx, &input),
    ListAcmeDomainValidations => validations::list(cx, &input),
    ListAcmeEndpoints => endpoints::list(cx, &input),
    ListAcmeExternalAccountBindings => bindings::list(cx, &input),
    ListCertificateDomainValidations => describe::list_validations(cx, &input),
    ListCertificates => listing::list(cx, &input),
    ListTagsForCertificate => tagging::list(cx, &input),
    ListTagsForResource => acme::tagging::list(cx, &input),
    PutAccountConfiguration => account::put(cx, &input).await,
    RemoveTagsFromCertificate => tagging::remove(cx, &input).await,
    RenewCertificate => certificates::renew(cx, &input).await,
    RequestCertificate => request::request(cx, self.names, &input).await,
    ResendValidationEmail => letters::resend(cx, &input).await,
    RevokeAcmeAccount => accounts::revoke(cx, &input).await,
    RevokeAcmeExternalAccountBinding => bindings::revoke(cx, &input).await,
    RevokeCertificate => certificates::revoke(cx, &input).await,
    SearchCertificates => search::search(cx, &input),
    TagResource => acme::tagging::tag(cx, &input).await,
    UntagResource => acme::tagging::untag(cx, &input).await,
    UpdateAcmeDomainValidation => validations::update(cx, self.names, &input).await,
    UpdateAcmeEndpoint => endpoints::update(cx, &input).await,
    UpdateCertificateOptions => certificates::update_options(cx, self.names, &input).await,
}
