//! Handshakes: accounts that are invited, members who agree to all features, and those who are to pay for others.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::error::{self, handshake_violation, invalid};
use crate::home::Home;
use crate::ids;
use crate::organization::{email_of, page};
use crate::rows::{HANDSHAKES, Handshake, MEMBERS, Member, moment};
use crate::{tags, transfers};

const DAY: i64 = 86_400_000;
/// "An invitation expires 15 days after you send it", and the wish for all features after 90.
pub(crate) const INVITED: i64 = 15 * DAY;
const ASKED: i64 = 90 * DAY;

fn not_found() -> Failure {
    errors::handshake_not_found_exception("We can't find a handshake with the HandshakeId that you specified.").into()
}

/// The state of a handshake: nobody has to end it.
pub(crate) fn state(handshake: &Handshake, now: i64) -> &str {
    let open = matches!(handshake.state.as_str(), "OPEN" | "REQUESTED");
    if open && now >= handshake.expires { "EXPIRED" } else { &handshake.state }
}

pub(crate) fn arn(from: &(impl Read + ?Sized), management: &str, id: &str, handshake: &Handshake) -> Result<String> {
    let home = Home::of_management(from, management)?;
    let organization = home.map_or_else(String::new, |home| home.organization.id);
    let action = handshake.action.to_lowercase();
    Ok(format!("arn:aws:organizations::{management}:handshake/{organization}/{action}/{id}"))
}

fn resource(kind: &str, value: &str) -> output::HandshakeResource {
    output::HandshakeResource { value: Some(value.to_owned()), type_: Some(kind.to_owned()), resources: None }
}

pub(crate) fn shown(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    management: &str,
    (id, handshake): (&str, &Handshake),
) -> Result<output::Handshake> {
    let home = Home::of_management(from, management)?.ok_or_else(not_found)?;
    let organization = &home.organization;
    let set = if organization.all_features { "ALL" } else { "CONSOLIDATED_BILLING" };
    let party = |id: &str, kind: &str| output::HandshakeParty { id: id.to_owned(), type_: kind.to_owned() };
    let asked = match (&handshake.email, &handshake.account) {
        (Some(email), _) => Some(("EMAIL", email)),
        (None, Some(account)) => Some(("ACCOUNT", account)),
        (None, None) => None,
    };
    let mut resources = vec![output::HandshakeResource {
        resources: Some(vec![
            resource("MASTER_EMAIL", &email_of(management)),
            resource("MASTER_NAME", "master"),
            resource("ORGANIZATION_FEATURE_SET", set),
        ]),
        ..resource("ORGANIZATION", &organization.id)
    }];
    resources.extend(asked.map(|(kind, value)| resource(kind, value)));
    resources.extend(handshake.notes.as_ref().map(|notes| resource("NOTES", notes)));
    resources.extend(handshake.parent.as_ref().map(|parent| resource("PARENT_HANDSHAKE", parent)));
    if let Some(transfer) = &handshake.transfer {
        resources.push(resource("RESPONSIBILITY_TRANSFER", transfer));
        resources.push(resource("TRANSFER_TYPE", "BILLING"));
    }
    let parties = [Some(party(&organization.id, "ORGANIZATION")), asked.map(|(kind, value)| party(value, kind))];
    Ok(output::Handshake {
        id: Some(id.to_owned()),
        arn: Some(arn(from, management, id, handshake)?),
        parties: Some(parties.into_iter().flatten().collect()),
        state: Some(state(handshake, cx.now_millis()).to_owned()),
        requested_timestamp: Some(moment(handshake.requested)),
        expiration_timestamp: Some(moment(handshake.expires)),
        action: Some(handshake.action.clone()),
        resources: Some(resources),
    })
}

/// All handshakes: whose organization, id, and what it is.
fn all(from: &(impl Read + ?Sized)) -> Result<Vec<(String, String, Handshake)>> {
    let rows = HANDSHAKES.all(from, &())?;
    Ok(rows.into_iter().filter_map(|e| e.key::<(String, String)>().map(|(m, id)| (m, id, e.row))).collect())
}

/// A handshake that the account is a party of.
fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<(String, Handshake)> {
    let found = all(from)?.into_iter().find(|(_, known, _)| known == id);
    let (management, _, handshake) = found.ok_or_else(not_found)?;
    let party = management == cx.account() || handshake.account.as_deref() == Some(cx.account());
    if party { Ok((management, handshake)) } else { Err(error::denied()) }
}

/// The account that a party names: by its number, or by the address of its root user.
pub(crate) fn account_of(from: &(impl Read + ?Sized), id: &str, kind: &str) -> Result<(String, Option<String>)> {
    if kind == "ACCOUNT" {
        let digits = id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        if digits {
            return Ok((id.to_owned(), None));
        }
        return Err(invalid("INVALID_PATTERN", "You specified an account that is not twelve digits long."));
    }
    if kind != "EMAIL" {
        return Err(invalid("INVALID_PARTY_TYPE_TARGET", "You can invite accounts by their ID or address only."));
    }
    for entry in MEMBERS.all(from, &())? {
        if let Some((account,)) = entry.key::<(String,)>().filter(|_| entry.row.email.eq_ignore_ascii_case(id)) {
            return Ok((account, Some(id.to_owned())));
        }
    }
    let alone = id.strip_prefix("root@").and_then(|rest| rest.strip_suffix(".undercast.invalid"));
    match alone.filter(|account| email_of(account) == *id && account.len() == 12) {
        Some(account) => Ok((account.to_owned(), Some(id.to_owned()))),
        None => Err(invalid("INVALID_EMAIL_ADDRESS_TARGET", "No account has the address that you specified.")),
    }
}

pub(crate) async fn invite(
    cx: &Cx,
    input: api::InviteAccountToOrganizationInput,
) -> Result<api::InviteAccountToOrganizationOutput> {
    let (account, email) = account_of(&cx.read(), &input.target.id, &input.target.type_)?;
    let id = ids::new(cx, "h-", 10);
    let handshake = Handshake {
        action: "INVITE".to_owned(),
        account: Some(account.clone()),
        email,
        notes: input.notes,
        state: "OPEN".to_owned(),
        requested: cx.now_millis(),
        expires: cx.now_millis() + INVITED,
        tags: tags::of(input.tags)?,
        parent: None,
        transfer: None,
    };
    let made = cx
        .write(|tx| {
            let home = Home::managed(cx, tx)?;
            if MEMBERS.get(tx, &(&account,))?.is_some_and(|member| member.management == home.management) {
                let message = "The specified account is already a member of the organization.";
                return Err(handshake_violation("ALREADY_IN_AN_ORGANIZATION", message));
            }
            let of_home = |(management, _, other): &(String, String, Handshake)| {
                *management == home.management && state(other, cx.now_millis()) == "OPEN"
            };
            let open = all(tx)?.into_iter().filter(of_home).collect::<Vec<_>>();
            if open.iter().any(|(_, _, other)| other.action == "ENABLE_ALL_FEATURES") {
                let message = "You can't invite accounts while all features are being enabled.";
                return Err(handshake_violation("INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES", message));
            }
            if open.iter().any(|(_, _, other)| other.action == "INVITE" && other.account.as_ref() == Some(&account)) {
                let message = "The specified account was invited already, and the invitation is open.";
                return Err(errors::duplicate_handshake_exception(message).into());
            }
            HANDSHAKES.put(tx, &(&home.management, &id), &handshake);
            let text = format!(
                "The account {} invites yours to its organization {}. Accept or decline the handshake {id}. {}",
                home.management,
                home.organization.id,
                handshake.notes.as_deref().unwrap_or_default()
            );
            let subject = "You are invited to join an organization";
            let there = cx.elsewhere(&account, cx.region());
            there.post(tx, "email", &email_of(&account), "AWS Organizations", Some(subject), text.trim())?;
            shown(cx, tx, &home.management, (&id, &handshake))
        })
        .await?;
    Ok(api::InviteAccountToOrganizationOutput { handshake: Some(made) })
}

/// Has an account join whose invitation was accepted.
fn join(cx: &Cx, tx: &mut Tx<'_>, management: &str, handshake: &Handshake) -> Result<()> {
    let mut home = Home::of_management(tx, management)?.ok_or_else(not_found)?;
    let account = cx.account();
    if MEMBERS.has(tx, &(account,))? {
        let message = "The account is already a member of an organization.";
        return Err(handshake_violation("ALREADY_IN_AN_ORGANIZATION", message));
    }
    let member = Member {
        management: management.to_owned(),
        email: email_of(account),
        name: account.to_owned(),
        created: false,
        joined: cx.now_millis(),
        parent: home.organization.root.clone(),
        tags: handshake.tags.clone(),
        closed: false,
    };
    MEMBERS.put(tx, &(account,), &member);
    home.attach_managed(cx, tx, account);
    home.touch(tx);
    Ok(())
}

/// Ends a handshake in a state, for those who may.
async fn end(
    cx: &Cx,
    id: &str,
    to: &str,
    may: impl Fn(&str, &Handshake) -> bool,
    then: impl Fn(&mut Tx<'_>, &str, &Handshake) -> Result<()>,
) -> Result<output::Handshake> {
    cx.write(|tx| {
        let (management, mut handshake) = find(cx, tx, id)?;
        if !may(&management, &handshake) {
            return Err(error::denied());
        }
        let now = state(&handshake, cx.now_millis()).to_owned();
        if now == to {
            let message = format!("The handshake is already in the state {to}.");
            return Err(errors::handshake_already_in_state_exception(message).into());
        }
        if now != "OPEN" && !(now == "REQUESTED" && to == "CANCELED") {
            let message = format!("A handshake in the state {now} can't become {to}.");
            return Err(errors::invalid_handshake_transition_exception(message).into());
        }
        then(tx, &management, &handshake)?;
        handshake.state = to.to_owned();
        HANDSHAKES.put(tx, &(&management, id), &handshake);
        shown(cx, tx, &management, (id, &handshake))
    })
    .await
}

pub(crate) async fn accept(cx: &Cx, id: &str) -> Result<api::AcceptHandshakeOutput> {
    let may = |management: &str, handshake: &Handshake| match &handshake.account {
        Some(account) => account == cx.account(),
        None => management == cx.account(),
    };
    let then = |tx: &mut Tx<'_>, management: &str, handshake: &Handshake| match handshake.action.as_str() {
        "INVITE" => join(cx, tx, management, handshake),
        "APPROVE_ALL_FEATURES" => approve(tx, management, id, handshake),
        transfers::ACTION => transfers::accept(cx, tx, handshake),
        _ => {
            let mut home = Home::of_management(tx, management)?.ok_or_else(not_found)?;
            home.organization.all_features = true;
            home.touch(tx);
            Ok(())
        }
    };
    let handshake = end(cx, id, "ACCEPTED", may, then).await?;
    Ok(api::AcceptHandshakeOutput { handshake: Some(handshake) })
}

/// One more member agrees. When all do, the management account can finish what it began.
fn approve(tx: &mut Tx<'_>, management: &str, id: &str, handshake: &Handshake) -> Result<()> {
    let Some(parent) = &handshake.parent else { return Ok(()) };
    let waiting = all(tx)?
        .into_iter()
        .any(|(_, other, row)| other != id && row.parent.as_ref() == Some(parent) && row.state != "ACCEPTED");
    if let Some(mut whole) = HANDSHAKES.get(tx, &(management, parent))?.filter(|_| !waiting) {
        whole.state = "OPEN".to_owned();
        HANDSHAKES.put(tx, &(management, parent), &whole);
    }
    Ok(())
}

pub(crate) async fn decline(cx: &Cx, id: &str) -> Result<api::DeclineHandshakeOutput> {
    let may = |_: &str, handshake: &Handshake| handshake.account.as_deref() == Some(cx.account());
    let handshake = end(cx, id, "DECLINED", may, |_, _, _| Ok(())).await?;
    Ok(api::DeclineHandshakeOutput { handshake: Some(handshake) })
}

pub(crate) async fn cancel(cx: &Cx, id: &str) -> Result<api::CancelHandshakeOutput> {
    let may = |management: &str, _: &Handshake| management == cx.account();
    let handshake = end(cx, id, "CANCELED", may, |_, _, _| Ok(())).await?;
    Ok(api::CancelHandshakeOutput { handshake: Some(handshake) })
}

pub(crate) fn describe(cx: &Cx, id: &str) -> Result<api::DescribeHandshakeOutput> {
    let from = cx.read();
    let (management, handshake) = find(cx, &from, id)?;
    Ok(api::DescribeHandshakeOutput { handshake: Some(shown(cx, &from, &management, (id, &handshake))?) })
}

/// Asks for all features. Accounts that were invited have to agree; those that were made here have.
pub(crate) async fn enable_all_features(cx: &Cx) -> Result<api::EnableAllFeaturesOutput> {
    let id = ids::new(cx, "h-", 10);
    let stem = ids::new(cx, "h-", 8);
    let made = cx
        .write(|tx| {
            let home = Home::managed(cx, tx)?;
            if home.organization.all_features {
                let message = "The organization already has all features.";
                return Err(handshake_violation("ORGANIZATION_ALREADY_HAS_ALL_FEATURES", message));
            }
            let pending = all(tx)?.into_iter().any(|(management, _, other)| {
                management == home.management
                    && other.action == "ENABLE_ALL_FEATURES"
                    && matches!(state(&other, cx.now_millis()), "OPEN" | "REQUESTED")
            });
            if pending {
                let message = "All features of the organization are already being enabled.";
                return Err(handshake_violation("ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION", message));
            }
            let members = home.members(tx)?;
            let asked: Vec<&String> = members
                .iter()
                .filter(|(account, member)| !member.created && *account != home.management)
                .map(|(account, _)| account)
                .collect();
            let whole = Handshake {
                action: "ENABLE_ALL_FEATURES".to_owned(),
                account: None,
                email: None,
                notes: None,
                state: if asked.is_empty() { "OPEN" } else { "REQUESTED" }.to_owned(),
                requested: cx.now_millis(),
                expires: cx.now_millis() + ASKED,
                tags: Default::default(),
                parent: None,
                transfer: None,
            };
            for (number, account) in asked.into_iter().enumerate() {
                let part = Handshake {
                    action: "APPROVE_ALL_FEATURES".to_owned(),
                    account: Some(account.clone()),
                    state: "OPEN".to_owned(),
                    parent: Some(id.clone()),
                    ..whole.clone()
                };
                HANDSHAKES.put(tx, &(&home.management, format!("{stem}{number:02}")), &part);
            }
            HANDSHAKES.put(tx, &(&home.management, &id), &whole);
            shown(cx, tx, &home.management, (&id, &whole))
        })
        .await?;
    Ok(api::EnableAllFeaturesOutput { handshake: Some(made) })
}

type Filter = Option<crate::api::input::HandshakeFilter>;

/// Those that a filter lets through.
fn filtered(filter: Filter, found: Vec<(String, String, Handshake)>) -> Result<Vec<(String, String, Handshake)>> {
    let Some(filter) = filter else { return Ok(found) };
    if filter.action_type.is_some() && filter.parent_handshake_id.is_some() {
        return Err(invalid("INVALID_LIST_MEMBER", "You can filter by an action or by a parent, not by both."));
    }
    let wanted = |row: &Handshake| {
        filter.action_type.as_ref().is_none_or(|action| row.action == *action)
            && filter.parent_handshake_id.as_ref().is_none_or(|parent| row.parent.as_ref() == Some(parent))
    };
    Ok(found.into_iter().filter(|(_, _, row)| wanted(row)).collect())
}

pub(crate) fn of_account(
    cx: &Cx,
    input: api::ListHandshakesForAccountInput,
) -> Result<api::ListHandshakesForAccountOutput> {
    let from = cx.read();
    let own = all(&from)?.into_iter().filter(|(_, _, row)| row.account.as_deref() == Some(cx.account())).collect();
    let mut found = Vec::new();
    for (management, id, row) in filtered(input.filter, own)? {
        found.push(shown(cx, &from, &management, (&id, &row))?);
    }
    let (handshakes, next_token) =
        page("ListHandshakesForAccount", found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListHandshakesForAccountOutput { handshakes: Some(handshakes), next_token })
}

pub(crate) fn of_organization(
    cx: &Cx,
    input: api::ListHandshakesForOrganizationInput,
) -> Result<api::ListHandshakesForOrganizationOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListHandshakesForOrganization")?;
    let own = all(&from)?.into_iter().filter(|(management, _, _)| *management == home.management).collect();
    let mut found = Vec::new();
    for (management, id, row) in filtered(input.filter, own)? {
        found.push(shown(cx, &from, &management, (&id, &row))?);
    }
    let (handshakes, next_token) =
        page("ListHandshakesForOrganization", found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListHandshakesForOrganizationOutput { handshakes: Some(handshakes), next_token })
}
