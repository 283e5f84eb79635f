//! AWS Organizations: accounts under one management account, in units, under policies that the authoriser heeds.
//!
//! Tables: `organizations.organizations` (management account); `organizations.members` (account), for the management account as well;
//! `organizations.units` (management account, unit), `organizations.policies` (management account, policy),
//! `organizations.attachments` (management account, target, policy), `organizations.statuses` (management account, request),
//! `organizations.handshakes` (management account, handshake), `organizations.transfers` (management account that pays, transfer).
//! `known.rs` is what the authoriser asks.
//!
//! An account is made with its root user, whose access key is the account's number, as that of any account here. The root users
//! of accounts that were there before have the address `root@` and their number, `.undercast.invalid`.
//!
//! Service control policies and resource control policies are heeded by the authoriser. The other types say what services are to
//! do; they are kept, attached and worked out, but no service here heeds them. Not built are GovCloud, and policies of Bedrock,
//! GuardDuty, Network Security Director and Security Hub CSPM, whose grammar is not written down here.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod accounts;
mod attachments;
mod cfn;
mod declarative;
mod delegation;
mod effective;
mod error;
mod handshakes;
mod home;
mod ids;
mod known;
mod organization;
mod policies;
mod rows;
mod tags;
mod transfers;
mod units;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Organizations {
    /// There is an organization. Where there is none, the authoriser asks no further.
    any: Arc<AtomicBool>,
}

impl Service for Organizations {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        match violations.first() {
            Some(first) => error::against_model(first),
            None => AwsError::new("InvalidInputException", 400, "The input is not valid."),
        }
    }

    fn start(&self, kernel: &Kernel) {
        // Who cannot be read now cannot be read by the authoriser either, which says so.
        let there = rows::ORGANIZATIONS.all(&kernel.database().read(), &()).map_or(true, |all| !all.is_empty());
        self.any.store(there, Ordering::Release);
        kernel.set_organizations(Arc::new(known::Known::new(self.any.clone())));
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                "create" => accounts::make(cx, &task.payload).await,
                "close" => accounts::close_for_good(cx, &task.payload).await,
                kind => Err(Failure::broken(format!("organizations has no task `{kind}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }
}

api::operations! {
    impl api::Operations for Organizations; |self, cx, input|
    AcceptHandshake => handshakes::accept(cx, &input.handshake_id).await,
    AttachPolicy => attachments::attach(cx, &input.policy_id, &input.target_id).await,
    CancelHandshake => handshakes::cancel(cx, &input.handshake_id).await,
    CloseAccount => accounts::close(cx, &input.account_id).await,
    CreateAccount => accounts::create(cx, input).await,
    CreateGovCloudAccount => accounts::create_in_gov_cloud(cx),
    CreateOrganization => organization::create(cx, input, &self.any).await,
    CreateOrganizationalUnit => units::create(cx, input).await,
    CreatePolicy => policies::create(cx, input).await,
    DeclineHandshake => handshakes::decline(cx, &input.handshake_id).await,
    DeleteOrganization => organization::delete(cx).await,
    DeleteOrganizationalUnit => units::delete(cx, &input.organizational_unit_id).await,
    DeletePolicy => policies::delete(cx, &input.policy_id).await,
    DeleteResourcePolicy => delegation::delete_policy(cx).await,
    DeregisterDelegatedAdministrator => delegation::deregister(cx, input).await,
    DescribeAccount => accounts::describe(cx, &input.account_id),
    DescribeCreateAccountStatus => accounts::status(cx, &input.create_account_request_id),
    DescribeEffectivePolicy => effective::describe(cx, input),
    DescribeHandshake => handshakes::describe(cx, &input.handshake_id),
    DescribeOrganization => organization::describe(cx),
    DescribeOrganizationalUnit => units::describe(cx, &input.organizational_unit_id),
    DescribePolicy => policies::describe(cx, &input.policy_id),
    DescribeResponsibilityTransfer => transfers::describe(cx, &input.id),
    DescribeResourcePolicy => delegation::describe_policy(cx),
    DetachPolicy => attachments::detach(cx, &input.policy_id, &input.target_id).await,
    DisableAWSServiceAccess => delegation::disable(cx, &input.service_principal).await,
    DisablePolicyType => attachments::disable_type(cx, &input.root_id, &input.policy_type).await,
    EnableAWSServiceAccess => delegation::enable(cx, &input.service_principal).await,
    EnableAllFeatures => handshakes::enable_all_features(cx).await,
    EnablePolicyType => attachments::enable_type(cx, &input.root_id, &input.policy_type).await,
    InviteOrganizationToTransferResponsibility => transfers::invite(cx, input).await,
    InviteAccountToOrganization => handshakes::invite(cx, input).await,
    LeaveOrganization => accounts::leave(cx).await,
    ListAWSServiceAccessForOrganization => delegation::list_enabled(cx, &input),
    ListAccounts => accounts::list(cx, &input),
    ListAccountsWithInvalidEffectivePolicy => effective::invalid_accounts(cx, input),
    ListAccountsForParent => accounts::list_of_parent(cx, &input),
    ListChildren => units::children(cx, &input),
    ListCreateAccountStatus => accounts::statuses(cx, &input),
    ListDelegatedAdministrators => delegation::administrators(cx, &input),
    ListDelegatedServicesForAccount => delegation::services(cx, &input),
    ListEffectivePolicyValidationErrors => effective::validation_errors(cx, input),
    ListHandshakesForAccount => handshakes::of_account(cx, input),
    ListHandshakesForOrganization => handshakes::of_organization(cx, input),
    ListInboundResponsibilityTransfers => transfers::list_inbound(cx, &input),
    ListOrganizationalUnitsForParent => units::list(cx, &input),
    ListOutboundResponsibilityTransfers => transfers::list_outbound(cx, &input),
    ListParents => units::parents(cx, &input),
    ListPolicies => policies::list(cx, &input),
    ListPoliciesForTarget => attachments::of_target(cx, &input),
    ListRoots => organization::roots(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    ListTargetsForPolicy => attachments::targets(cx, &input),
    MoveAccount => accounts::move_to(cx, &input).await,
    PutResourcePolicy => delegation::put_policy(cx, input).await,
    RegisterDelegatedAdministrator => delegation::register(cx, input).await,
    RemoveAccountFromOrganization => accounts::remove(cx, &input.account_id).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, input).await,
    TerminateResponsibilityTransfer => transfers::terminate(cx, input).await,
    UpdateResponsibilityTransfer => transfers::update(cx, input).await,
    UpdateOrganizationalUnit => units::update(cx, input).await,
    UpdatePolicy => policies::update(cx, input).await,
}
