//! AWS Identity and Access Management: users, roles, their policies and access keys.
//!
//! Tables, all by account: `iam.roles` and `iam.users` (name in small letters, as names are unique without regard to
//! case), `iam.policies` (name in small letters), `iam.keys` (user, key id), `iam.mfa_devices` (path with name), `iam.aliases`; and
//! `iam.alias_names` by alias. Access keys that sign are rows of the kernel's
//! credentials. `identities.rs` is what the authoriser asks.
//! Limits: 10 attached policies, inline policies of 2,048 (user) and 10,240 (role) characters, managed ones of 6,144, five
//! versions, two keys and eight MFA devices a user, 50 tags.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod aliases;
mod cfn;
mod entity;
mod identities;
mod keys;
mod managed;
mod mfa;
mod operations;
mod pages;
mod policies;

use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Shared;
use undercast_kernel::{Access, Answer, Cx, Kernel, Result, Service};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

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

    fn start(&self, kernel: &Kernel) {
        kernel.set_identities(std::sync::Arc::new(identities::Known::default()));
    }

    fn shared(&self) -> Vec<Shared> {
        vec![Shared::by_row(&aliases::NAMES, |account| account)]
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Role), Box::new(cfn::ManagedPolicy), Box::new(cfn::Policy)]
    }
}
