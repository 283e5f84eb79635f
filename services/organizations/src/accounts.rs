//! Accounts: made, moved, closed, let go.

use serde_json::json;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Next, Result};

use crate::api::{self, errors, output};
use crate::error::{self, violation};
use crate::home::Home;
use crate::ids::{self, target_arn};
use crate::organization::page;
use crate::rows::{ATTACHMENTS, CreateStatus, MEMBERS, Member, STATUSES, moment};
use crate::tags;

/// The role by which the management account gets into an account that it made, where nothing else is said.
const ROLE: &str = "OrganizationAccountAccessRole";
/// "You can reopen a closed account within 90 days": by AWS's support, after which it is gone for good.
const CLOSED_DAYS: i64 = 90;

pub(crate) fn shown(
    home: &Home,
    from: &(impl Read + ?Sized),
    account: &str,
    member: &Member,
) -> Result<output::Account> {
    let word = if member.closed { "SUSPENDED" } else { "ACTIVE" };
    Ok(output::Account {
        id: Some(account.to_owned()),
        arn: Some(target_arn(&home.management, &home.organization.id, account)),
        email: Some(member.email.clone()),
        name: Some(member.name.clone()),
        status: Some(word.to_owned()),
        state: Some(word.to_owned()),
        paths: Some(vec![home.path(from, account)?]),
        joined_method: Some(if member.created { "CREATED" } else { "INVITED" }.to_owned()),
        joined_timestamp: Some(moment(member.joined)),
    })
}

fn status_shown(id: &str, status: &CreateStatus) -> output::CreateAccountStatus {
    let state = match (&status.completed, &status.failure) {
        (None, _) => "IN_PROGRESS",
        (Some(_), None) => "SUCCEEDED",
        (Some(_), Some(_)) => "FAILED",
    };
    output::CreateAccountStatus {
        id: Some(id.to_owned()),
        account_name: Some(status.name.clone()),
        state: Some(state.to_owned()),
        requested_timestamp: Some(moment(status.requested)),
        completed_timestamp: status.completed.map(moment),
        account_id: status.account.clone().filter(|_| state == "SUCCEEDED"),
        gov_cloud_account_id: None,
        failure_reason: status.failure.clone(),
    }
}

/// Asks for an account. It is made a moment later.
pub(crate) async fn create(cx: &Cx, input: api::CreateAccountInput) -> Result<api::CreateAccountOutput> {
    let id = ids::new(cx, "car-", 32);
    let status = CreateStatus {
        name: input.account_name,
        email: input.email,
        role: input.role_name.unwrap_or_else(|| ROLE.to_owned()),
        tags: tags::of(input.tags)?,
        requested: cx.now_millis(),
        completed: None,
        account: None,
        failure: None,
    };
    cx.write(|tx| {
        let home = Home::managed(cx, tx)?;
        STATUSES.put(tx, &(&home.management, &id), &status);
        cx.tasks().schedule(cx, tx, "organizations", &format!("create/{id}"), "create", id.clone(), cx.now())
    })
    .await?;
    Ok(api::CreateAccountOutput { create_account_status: Some(status_shown(&id, &status)) })
}

/// Accounts come in pairs where there is GovCloud. The management account has none there, which is what AWS says of most.
pub(crate) fn create_in_gov_cloud(cx: &Cx) -> Result<api::CreateGovCloudAccountOutput> {
    Home::managed(cx, &cx.read())?;
    let message = "To complete this operation, the management account must have an associated account in the AWS GovCloud (US-West) Region.";
    Err(violation("MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED", message))
}

/// Makes the account that was asked for, and the role in it. What was done before a crash is not done again.
pub(crate) async fn make(cx: &Cx, id: &str) -> Result<Next> {
    let management = cx.account().to_owned();
    let number = cx.random().text(12, "0123456789");
    let begun = cx
        .write(|tx| {
            let Some(mut status) = STATUSES.get(tx, &(&management, id))?.filter(|s| s.completed.is_none()) else {
                return Ok(None);
            };
            let Some(mut home) = Home::of_management(tx, &management)? else { return Ok(None) };
            if status.account.is_none() {
                if taken(tx, &status.email)? {
                    status.failure = Some("EMAIL_ALREADY_EXISTS".to_owned());
                    status.completed = Some(cx.now_millis());
                    STATUSES.put(tx, &(&management, id), &status);
                    return Ok(None);
                }
                let number = free(tx, &number)?;
                join(cx, tx, &mut home, &number, &status);
                status.account = Some(number);
                STATUSES.put(tx, &(&management, id), &status);
            }
            Ok(Some(status))
        })
        .await?;
    let Some(mut status) = begun else { return Ok(Next::Done) };
    role(cx, &management, &status).await?;
    status.completed = Some(cx.now_millis());
    cx.write(|tx| {
        STATUSES.put(tx, &(&management, id), &status);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

/// Addresses of root users are unique among accounts.
fn taken(tx: &Tx<'_>, email: &str) -> Result<bool> {
    Ok(MEMBERS.all(tx, &())?.iter().any(|entry| entry.row.email.eq_ignore_ascii_case(email)))
}

/// An account's number that nobody has: this one, or the next that is free.
fn free(tx: &Tx<'_>, number: &str) -> Result<String> {
    let mut number: u64 = number.parse().map_err(Failure::broken)?;
    loop {
        let text = format!("{number:012}");
        if !text.starts_with('0') && !MEMBERS.has(tx, &(&text,))? {
            return Ok(text);
        }
        number = (number + 1).max(100_000_000_000) % 1_000_000_000_000;
    }
}

fn join(cx: &Cx, tx: &mut Tx<'_>, home: &mut Home, account: &str, status: &CreateStatus) {
    let member = Member {
        management: home.management.clone(),
        email: status.email.clone(),
        name: status.name.clone(),
        created: true,
        joined: cx.now_millis(),
        parent: home.organization.root.clone(),
        tags: status.tags.clone(),
        closed: false,
    };
    MEMBERS.put(tx, &(account,), &member);
    home.attach_managed(cx, tx, account);
    home.touch(tx);
}

/// The role in the new account which trusts the management account, with all rights.
async fn role(cx: &Cx, management: &str, status: &CreateStatus) -> Result<()> {
    let Some(account) = &status.account else { return Err(cx.broken("an account was made without a number")) };
    let there = cx.kernel().cx_for(account, cx.region());
    let principal = format!("arn:{}:iam::{management}:root", cx.partition());
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": status.role, "AssumeRolePolicyDocument": trust.to_string()});
    match there.call("iam", "CreateRole", input).await {
        Err(failure) if failure.code() == Some("EntityAlreadyExists") => {}
        made => drop(made?),
    }
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    there.call("iam", "AttachRolePolicy", json!({"RoleName": status.role, "PolicyArn": policy})).await.map(drop)
}

pub(crate) fn status(cx: &Cx, id: &str) -> Result<api::DescribeCreateAccountStatusOutput> {
    let from = cx.read();
    let home = Home::seen(cx, &from)?;
    let found = STATUSES.get(&from, &(&home.management, id))?;
    let none = || {
        let message = "You specified a request that doesn't exist.";
        errors::create_account_status_not_found_exception(message)
    };
    let status = found.ok_or_else(none)?;
    Ok(api::DescribeCreateAccountStatusOutput { create_account_status: Some(status_shown(id, &status)) })
}

pub(crate) fn statuses(
    cx: &Cx,
    input: &api::ListCreateAccountStatusInput,
) -> Result<api::ListCreateAccountStatusOutput> {
    let from = cx.read();
    let home = Home::seen(cx, &from)?;
    let rows = STATUSES.all(&from, &(&home.management,))?;
    let all = rows.iter().filter_map(|e| e.key::<(String, String)>().map(|(_, id)| status_shown(&id, &e.row)));
    let wanted = |status: &output::CreateAccountStatus| match &input.states {
        Some(states) => status.state.as_ref().is_some_and(|state| states.contains(state)),
        None => true,
    };
    let all = all.filter(wanted).collect();
    let (statuses, next_token) = page("ListCreateAccountStatus", all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListCreateAccountStatusOutput { create_account_statuses: Some(statuses), next_token })
}

pub(crate) fn describe(cx: &Cx, account: &str) -> Result<api::DescribeAccountOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:DescribeAccount")?;
    let member = home.member(&from, account)?;
    Ok(api::DescribeAccountOutput { account: Some(shown(&home, &from, account, &member)?) })
}

fn all(home: &Home, from: &(impl Read + ?Sized), parent: Option<&str>) -> Result<Vec<output::Account>> {
    let members = home.members(from)?;
    let here = members.iter().filter(|(_, member)| parent.is_none_or(|parent| member.parent == parent));
    here.map(|(account, member)| shown(home, from, account, member)).collect()
}

pub(crate) fn list(cx: &Cx, input: &api::ListAccountsInput) -> Result<api::ListAccountsOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListAccounts")?;
    let (accounts, next_token) =
        page("ListAccounts", all(&home, &from, None)?, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAccountsOutput { accounts: Some(accounts), next_token })
}

pub(crate) fn list_of_parent(
    cx: &Cx,
    input: &api::ListAccountsForParentInput,
) -> Result<api::ListAccountsForParentOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListAccountsForParent")?;
    if !home.is_parent(&from, &input.parent_id)? {
        return Err(error::no_parent());
    }
    let found = all(&home, &from, Some(&input.parent_id))?;
    let list = format!("ListAccountsForParent {}", input.parent_id);
    let (accounts, next_token) = page(&list, found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAccountsForParentOutput { accounts: Some(accounts), next_token })
}

pub(crate) async fn move_to(cx: &Cx, input: &api::MoveAccountInput) -> Result<()> {
    let (source, destination) = (&input.source_parent_id, &input.destination_parent_id);
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let mut member = home.member(tx, &input.account_id)?;
        if member.parent != *source {
            let message = "You specified a source parent that doesn't exist.";
            return Err(errors::source_parent_not_found_exception(message).into());
        }
        if !home.is_parent(tx, destination)? {
            let message = "You specified a destination parent that doesn't exist.";
            return Err(errors::destination_parent_not_found_exception(message).into());
        }
        if source == destination {
            let message = "The account is already in the destination parent.";
            return Err(errors::duplicate_account_exception(message).into());
        }
        member.parent.clone_from(destination);
        MEMBERS.put(tx, &(&input.account_id,), &member);
        home.touch(tx);
        Ok(())
    })
    .await
}

/// Closes an account: nobody gets anything done in it any more, and after 90 days it is no longer there.
pub(crate) async fn close(cx: &Cx, account: &str) -> Result<()> {
    let span = std::time::Duration::from_secs(CLOSED_DAYS.unsigned_abs() * 86_400);
    let gone = cx.now().checked_add(span).map_err(Failure::broken)?;
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let mut member = home.member(tx, account)?;
        if account == home.management {
            let message = "You can't close the management account.";
            return Err(violation("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", message));
        }
        if member.closed {
            return Err(errors::account_already_closed_exception("The account is already closed.").into());
        }
        member.closed = true;
        MEMBERS.put(tx, &(account,), &member);
        home.touch(tx);
        cx.tasks().schedule(cx, tx, "organizations", &format!("close/{account}"), "close", account.to_owned(), gone)
    })
    .await
}

pub(crate) async fn close_for_good(cx: &Cx, account: &str) -> Result<Next> {
    cx.write(|tx| {
        let Some(mut home) = Home::of_management(tx, cx.account())? else { return Ok(Next::Done) };
        // The account stays what nobody gets into: its membership says so. It is only not listed any more.
        if let Ok(member) = home.member(tx, account)
            && member.closed
        {
            gone(tx, &mut home, account)?;
        }
        Ok(Next::Done)
    })
    .await
}

fn gone(tx: &mut Tx<'_>, home: &mut Home, account: &str) -> Result<()> {
    ATTACHMENTS.clear(tx, &(&home.management, account))?;
    home.organization.delegated.retain(|(delegated, _), _| delegated != account);
    MEMBERS.delete(tx, &(account,));
    home.touch(tx);
    Ok(())
}

/// Takes an account out of the organization: it stands alone from then on.
fn let_go(tx: &mut Tx<'_>, home: &mut Home, account: &str) -> Result<()> {
    let member = home.member(tx, account)?;
    if account == home.management {
        let message = "You can't remove a management account from an AWS Organization. If you want the management account to become a member account in another organization, you must first delete the current organization of the management account.";
        return Err(errors::master_cannot_leave_organization_exception(message).into());
    }
    if member.closed {
        let message = "You can't remove an account that is closed.";
        return Err(violation("ACCOUNT_CANNOT_LEAVE_ORGANIZATION", message));
    }
    if home.organization.delegated.keys().any(|(delegated, _)| delegated == account) {
        let message = "You can't remove an account that is a delegated administrator of a service.";
        return Err(violation("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", message));
    }
    gone(tx, home, account)
}

pub(crate) async fn remove(cx: &Cx, account: &str) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let_go(tx, &mut home, account)
    })
    .await
}

pub(crate) async fn leave(cx: &Cx) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::of_member(cx, tx)?;
        let_go(tx, &mut home, cx.account())
    })
    .await
}
