//! AWS Identity and Access Management: users, groups, roles, their policies and credentials, identity providers.
//!
//! Tables, all by account: `iam.users`, `iam.roles`, `iam.groups`, `iam.instance_profiles`, `iam.policies`,
//! `iam.server_certificates` (name in small letters, as names are unique without regard to case); `iam.members` (group, user);
//! of a user `iam.keys`, `iam.login_profiles`, `iam.ssh_public_keys`, `iam.signing_certificates`, `iam.service_credentials`;
//! `iam.mfa_devices` (path with name), `iam.saml_providers`, `iam.oidc_providers`, `iam.aliases`, `iam.password_policies`;
//! `iam.last_used` and `iam.key_last_used` ([`usage`]), `iam.exercised`, and reports. By alias: `iam.alias_names`. Access keys that sign are
//! rows of the kernel's credentials. `identities.rs` is what the authoriser asks.
//! `iam.token_issuers` (outbound federation), by their ids `iam.token_issuer_ids`; `iam.root_features` and
//! `iam.organization_reports` (management account), `iam.root_passwords`.
//! Limits are AWS's defaults, each where its subject is.
//! What is not here: making delegation requests, which is for partners that AWS lets in one by one, so there are none; role
//! templates (`AcquireRole`, `GetRoleTemplateVersion`), whose texts AWS keeps to itself.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod accessed;
mod account;
mod aliases;
mod attached;
mod certificates;
mod cfn;
mod delegations;
mod entity;
mod exercised;
mod granted;
mod groups;
mod identities;
mod instance_profiles;
mod keys;
mod least;
mod linked;
mod managed;
mod metadata;
mod mfa;
mod oidc;
mod operations;
mod organization_report;
mod outbound;
mod pages;
mod password_policy;
mod passwords;
mod policies;
mod preferences;
mod properties;
mod report;
mod roles;
mod root_access;
mod root_user;
mod saml;
mod server_certificates;
mod service_credentials;
mod signing;
mod simulate;
mod ssh;
mod usage;
mod users;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Shared;
use undercast_kernel::{Access, Answer, Cx, Kernel, Result, Service};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Request, Response, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Iam;

impl Service for Iam {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn keep<'a>(&'a self, kernel: &'a Kernel) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            usage::flush(kernel).await?;
            exercised::flush(kernel).await
        })
    }

    fn start(&self, kernel: &Kernel) {
        kernel.set_identities(std::sync::Arc::new(identities::Known::new(kernel.memory(), kernel.memory())));
    }

    fn paths(&self) -> &'static [&'static str] {
        &[outbound::PATH]
    }

    fn serve<'a>(
        &'a self,
        cx: &'a Cx,
        _site: &'a str,
        _name: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move { outbound::serve(cx, &request.path) })
    }

    fn shared(&self) -> Vec<Shared> {
        vec![Shared::by_row(&aliases::NAMES, |account| account), outbound::shared()]
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }
}
