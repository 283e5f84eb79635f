//! Services that may act in all accounts, accounts that administer them, and the policy that lets members do what the
//! management account does otherwise.

use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::error::{invalid, violation};
use crate::home::Home;
use crate::ids::{self, target_arn};
use crate::organization::page;
use crate::rows::{ResourcePolicy, moment};
use crate::tags;

/// What comes before `.amazonaws.com` in the names of services that work with organizations ("AWS services that you can use
/// with AWS Organizations").
const SERVICES: &[&str] = &[
    "access-analyzer",
    "account",
    "auditmanager",
    "aws-artifact-account-sync",
    "backup",
    "cloudtrail",
    "compute-optimizer",
    "config",
    "config-multiaccountsetup",
    "controltower",
    "cost-optimization-hub.bcm",
    "detective",
    "devops-guru",
    "ds",
    "ec2",
    "fms",
    "guardduty",
    "health",
    "iam",
    "inspector2",
    "ipam",
    "license-manager",
    "license-manager.member-account",
    "macie",
    "malware-protection.guardduty",
    "member.org.stacksets.cloudformation",
    "networkmanager",
    "notifications",
    "opsdatasync.ssm",
    "ram",
    "reachabilityanalyzer.networkinsights",
    "reporting.trustedadvisor",
    "resource-explorer-2",
    "securityhub",
    "securitylake",
    "servicecatalog",
    "servicequotas",
    "ssm",
    "sso",
    "storage-lens.s3",
    "tagpolicies.tag",
    "wellarchitected",
];

fn check_service(principal: &str) -> Result<()> {
    if principal.strip_suffix(".amazonaws.com").is_some_and(|name| SERVICES.contains(&name)) {
        return Ok(());
    }
    Err(invalid("UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal."))
}

/// Services are let into organizations that have all features.
fn check_features(home: &Home) -> Result<()> {
    if home.organization.all_features {
        return Ok(());
    }
    let message = "You can't use this before all features of the organization are enabled.";
    Err(violation("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE", message))
}

pub(crate) async fn enable(cx: &Cx, principal: &str) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        check_service(principal)?;
        check_features(&home)?;
        home.organization.services.entry(principal.to_owned()).or_insert(cx.now_millis());
        home.touch(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn disable(cx: &Cx, principal: &str) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        check_service(principal)?;
        if home.organization.delegated.keys().any(|(_, service)| service == principal) {
            let message = "You can't disable the access of a service that an account administers.";
            return Err(violation("DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE", message));
        }
        home.organization.services.remove(principal);
        home.touch(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list_enabled(
    cx: &Cx,
    input: &api::ListAWSServiceAccessForOrganizationInput,
) -> Result<api::ListAWSServiceAccessForOrganizationOutput> {
    let home = Home::seen_by_policy(cx, &cx.read(), "organizations:ListAWSServiceAccessForOrganization")?;
    let one = |(principal, at): (&String, &i64)| output::EnabledServicePrincipal {
        service_principal: Some(principal.clone()),
        date_enabled: Some(moment(*at)),
    };
    let all = home.organization.services.iter().map(one).collect();
    let (enabled, next_token) =
        page("ListAWSServiceAccessForOrganization", all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAWSServiceAccessForOrganizationOutput { enabled_service_principals: Some(enabled), next_token })
}

pub(crate) async fn register(cx: &Cx, input: api::RegisterDelegatedAdministratorInput) -> Result<()> {
    let (account, principal) = (input.account_id, input.service_principal);
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let member = home.member(tx, &account)?;
        check_service(&principal)?;
        if account == home.management {
            let message =
                "You cannot register master account/yourself as delegated administrator for your organization.";
            return Err(violation("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR", message));
        }
        if member.closed {
            let message = "You cannot register an account that is closed.";
            return Err(violation("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR", message));
        }
        if !home.organization.services.contains_key(&principal) {
            let message = "You must enable the access of the service before you register an administrator of it.";
            return Err(violation("SERVICE_ACCESS_NOT_ENABLED", message));
        }
        if home.organization.delegated.contains_key(&(account.clone(), principal.clone())) {
            let message = "The provided account is already a delegated administrator for your organization.";
            return Err(errors::account_already_registered_exception(message).into());
        }
        home.organization.delegated.insert((account.clone(), principal.clone()), cx.now_millis());
        home.touch(tx);
        Ok(())
    })
    .await
}

fn not_registered() -> undercast_kernel::Failure {
    let message = "The provided account is not a registered delegated administrator for your organization.";
    errors::account_not_registered_exception(message).into()
}

pub(crate) async fn deregister(cx: &Cx, input: api::DeregisterDelegatedAdministratorInput) -> Result<()> {
    let (account, principal) = (input.account_id, input.service_principal);
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        home.member(tx, &account)?;
        check_service(&principal)?;
        let there = home.organization.delegated.remove(&(account.clone(), principal.clone()));
        there.ok_or_else(not_registered)?;
        home.touch(tx);
        Ok(())
    })
    .await
}

pub(crate) fn administrators(
    cx: &Cx,
    input: &api::ListDelegatedAdministratorsInput,
) -> Result<api::ListDelegatedAdministratorsOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListDelegatedAdministrators")?;
    if let Some(principal) = &input.service_principal {
        check_service(principal)?;
    }
    let wanted = |service: &str| input.service_principal.as_deref().is_none_or(|wanted| wanted == service);
    let mut since: Vec<(&String, i64)> = Vec::new();
    for ((account, service), at) in &home.organization.delegated {
        match since.last_mut() {
            _ if !wanted(service) => {}
            Some((last, first)) if *last == account => *first = (*first).min(*at),
            _ => since.push((account, *at)),
        }
    }
    let mut all = Vec::new();
    for (account, at) in since {
        let member = home.member(&from, account)?;
        let word = if member.closed { "SUSPENDED" } else { "ACTIVE" };
        all.push(output::DelegatedAdministrator {
            id: Some(account.clone()),
            arn: Some(target_arn(&home.management, &home.organization.id, account)),
            email: Some(member.email),
            name: Some(member.name),
            status: Some(word.to_owned()),
            state: Some(word.to_owned()),
            joined_method: Some(if member.created { "CREATED" } else { "INVITED" }.to_owned()),
            joined_timestamp: Some(moment(member.joined)),
            delegation_enabled_date: Some(moment(at)),
        });
    }
    let list = format!("ListDelegatedAdministrators {:?}", input.service_principal);
    let (administrators, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListDelegatedAdministratorsOutput { delegated_administrators: Some(administrators), next_token })
}

pub(crate) fn services(
    cx: &Cx,
    input: &api::ListDelegatedServicesForAccountInput,
) -> Result<api::ListDelegatedServicesForAccountOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListDelegatedServicesForAccount")?;
    home.member(&from, &input.account_id)?;
    let of = home.organization.delegated.iter().filter(|((account, _), _)| *account == input.account_id);
    let one = |((_, service), at): (&(String, String), &i64)| output::DelegatedService {
        service_principal: Some(service.clone()),
        delegation_enabled_date: Some(moment(*at)),
    };
    let all: Vec<_> = of.map(one).collect();
    if all.is_empty() {
        return Err(not_registered());
    }
    let list = format!("ListDelegatedServicesForAccount {}", input.account_id);
    let (services, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListDelegatedServicesForAccountOutput { delegated_services: Some(services), next_token })
}

fn shown(home: &Home, policy: &ResourcePolicy) -> output::ResourcePolicy {
    let (management, organization) = (&home.management, &home.organization.id);
    output::ResourcePolicy {
        resource_policy_summary: Some(output::ResourcePolicySummary {
            id: Some(policy.id.clone()),
            arn: Some(format!("arn:aws:organizations::{management}:resourcepolicy/{organization}/{}", policy.id)),
        }),
        content: Some(policy.content.clone()),
    }
}

pub(crate) async fn put_policy(cx: &Cx, input: api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    if Policy::parse(PolicyKind::Resource, &input.content).is_err() {
        return Err(invalid("INVALID_RESOURCE_POLICY_JSON", "The provided resource policy is not valid."));
    }
    let (id, given) = (ids::new(cx, "rp-", 8), input.tags.is_some());
    let tags = tags::of(input.tags)?;
    let policy = cx
        .write(|tx| {
            let mut home = Home::managed(cx, tx)?;
            check_features(&home)?;
            let before = home.organization.policy.take();
            if before.is_some() && given {
                let message = "Tags can be set only when the resource policy is created.";
                return Err(violation("TAG_POLICY_VIOLATION", message));
            }
            let policy = match before {
                Some(before) => ResourcePolicy { content: input.content.clone(), ..before },
                None => ResourcePolicy { id: id.clone(), content: input.content.clone(), tags: tags.clone() },
            };
            home.organization.policy = Some(policy.clone());
            home.put(tx);
            Ok(shown(&home, &policy))
        })
        .await?;
    Ok(api::PutResourcePolicyOutput { resource_policy: Some(policy) })
}

fn no_resource_policy() -> undercast_kernel::Failure {
    errors::resource_policy_not_found_exception(
        "We can't find a resource policy request with the parameter that you specified.",
    )
    .into()
}

pub(crate) fn describe_policy(cx: &Cx) -> Result<api::DescribeResourcePolicyOutput> {
    let home = Home::seen_by_policy(cx, &cx.read(), "organizations:DescribeResourcePolicy")?;
    let policy = home.organization.policy.as_ref().ok_or_else(no_resource_policy)?;
    Ok(api::DescribeResourcePolicyOutput { resource_policy: Some(shown(&home, policy)) })
}

pub(crate) async fn delete_policy(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        home.organization.policy.take().ok_or_else(no_resource_policy)?;
        home.put(tx);
        Ok(())
    })
    .await
}
