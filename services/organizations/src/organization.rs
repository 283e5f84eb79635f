//! The organization itself.

use std::sync::atomic::{AtomicBool, Ordering};

use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, errors, output};
use crate::error;
use crate::home::Home;
use crate::ids::{self, target_arn};
use crate::rows::{ATTACHMENTS, HANDSHAKES, MEMBERS, Member, ORGANIZATIONS, Organization, POLICIES, STATUSES, UNITS};

/// So many are in a page where nothing else is said.
const PAGE: usize = 20;

/// How many a page has.
pub(crate) fn page_size(given: Option<i32>) -> usize {
    given.and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE)
}

/// A page of a list, and the token of the next one.
pub(crate) fn page<T>(
    list: &str,
    items: Vec<T>,
    token: Option<&str>,
    size: Option<i32>,
) -> Result<(Vec<T>, Option<String>)> {
    paging::page(list, items, token, page_size(size)).ok_or_else(error::bad_token)
}

/// The address of the root user of an account that was there before its organization.
pub(crate) fn email_of(account: &str) -> String {
    format!("root@{account}.undercast.invalid")
}

pub(crate) fn shown(home: &Home) -> output::Organization {
    let (management, organization) = (&home.management, &home.organization);
    let set = if organization.all_features { "ALL" } else { "CONSOLIDATED_BILLING" };
    // "Do not use. This field is deprecated and doesn't provide complete information about the policies in your organization":
    // it tells of service control policies only, which organizations with all features have.
    let available = output::PolicyTypeSummary {
        type_: Some("SERVICE_CONTROL_POLICY".to_owned()),
        status: Some("ENABLED".to_owned()),
    };
    output::Organization {
        id: Some(organization.id.clone()),
        arn: Some(format!("arn:aws:organizations::{management}:organization/{}", organization.id)),
        feature_set: Some(set.to_owned()),
        master_account_arn: Some(target_arn(management, &organization.id, management)),
        master_account_id: Some(management.clone()),
        master_account_email: Some(email_of(management)),
        available_policy_types: Some(if organization.all_features { vec![available] } else { Vec::new() }),
    }
}

/// `any`: whether there is an organization at all, which is what the authoriser looks at first.
pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateOrganizationInput,
    any: &AtomicBool,
) -> Result<api::CreateOrganizationOutput> {
    let all_features = input.feature_set.as_deref().unwrap_or("ALL") == "ALL";
    let management = cx.account().to_owned();
    let organization = Organization {
        id: ids::new(cx, "o-", 10),
        root: ids::new(cx, "r-", 4),
        all_features,
        ..Organization::default()
    };
    let home = Home { management: management.clone(), organization };
    any.store(true, Ordering::Release);
    cx.write(|tx| {
        if MEMBERS.has(tx, &(&management,))? {
            let message = "The provided account is already a member of an organization.";
            return Err(errors::already_in_organization_exception(message).into());
        }
        home.put(tx);
        let member = Member {
            management: management.clone(),
            email: email_of(&management),
            name: "master".to_owned(),
            created: false,
            joined: cx.now_millis(),
            parent: home.organization.root.clone(),
            tags: Default::default(),
            closed: false,
        };
        MEMBERS.put(tx, &(&management,), &member);
        Ok(())
    })
    .await?;
    Ok(api::CreateOrganizationOutput { organization: Some(shown(&home)) })
}

pub(crate) fn describe(cx: &Cx) -> Result<api::DescribeOrganizationOutput> {
    let home = Home::of_member(cx, &cx.read())?;
    Ok(api::DescribeOrganizationOutput { organization: Some(shown(&home)) })
}

pub(crate) async fn delete(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        let home = Home::managed(cx, tx)?;
        let place = (&home.management,);
        let empty = home.members(tx)?.len() == 1 && home.units(tx)?.is_empty() && POLICIES.all(tx, &place)?.is_empty();
        if !empty {
            let message = "To delete an organization you must first remove all member accounts (except the master).";
            return Err(errors::organization_not_empty_exception(message).into());
        }
        UNITS.clear(tx, &place)?;
        ATTACHMENTS.clear(tx, &place)?;
        STATUSES.clear(tx, &place)?;
        crate::transfers::forget(tx, &home.management)?;
        HANDSHAKES.clear(tx, &place)?;
        MEMBERS.delete(tx, &place);
        ORGANIZATIONS.delete(tx, &place);
        Ok(())
    })
    .await
}

/// As the root is shown.
pub(crate) fn root(home: &Home) -> output::Root {
    let organization = &home.organization;
    let enabled =
        |kind: &String| output::PolicyTypeSummary { type_: Some(kind.clone()), status: Some("ENABLED".to_owned()) };
    output::Root {
        id: Some(organization.root.clone()),
        arn: Some(target_arn(&home.management, &organization.id, &organization.root)),
        name: Some("Root".to_owned()),
        policy_types: Some(organization.types.iter().map(enabled).collect()),
    }
}

pub(crate) fn roots(cx: &Cx, input: &api::ListRootsInput) -> Result<api::ListRootsOutput> {
    let home = Home::seen_by_policy(cx, &cx.read(), "organizations:ListRoots")?;
    let (roots, next_token) = page("ListRoots", vec![root(&home)], input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListRootsOutput { roots: Some(roots), next_token })
}
