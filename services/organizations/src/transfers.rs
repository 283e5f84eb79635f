//! Responsibility transfers: one management account pays the bills of another one's organization.
//!
//! Source: the operations' pages in the API reference, and "Transfer billing management to external accounts" in the user guide
//! of Billing. Who is to pay invites; whose bills they are accepts, by a handshake. Either withdraws, to the end of a month. There
//! are no bills here, so what is true of a transfer is its state, and who may see it.

use jiff::tz::{Offset, TimeZone};
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::error::{self, handshake_violation, invalid, violation};
use crate::handshakes;
use crate::home::Home;
use crate::ids;
use crate::organization::{email_of, page};
use crate::rows::{HANDSHAKES, Handshake, MEMBERS, TRANSFERS, Transfer, moment};
use crate::tags;

/// What handshakes of transfers are about.
pub(crate) const ACTION: &str = "TRANSFER_RESPONSIBILITY";

fn not_found() -> Failure {
    let message = "We can't find a transfer with the Id that you specified.";
    errors::responsibility_transfer_not_found_exception(message).into()
}

/// All transfers: whose account pays, id, and what it is.
fn all(from: &(impl Read + ?Sized)) -> Result<Vec<(String, String, Transfer)>> {
    let rows = TRANSFERS.all(from, &())?;
    Ok(rows.into_iter().filter_map(|e| e.key::<(String, String)>().map(|(target, id)| (target, id, e.row))).collect())
}

/// The status of a transfer: that of its handshake, until it is withdrawn.
fn status(cx: &Cx, from: &(impl Read + ?Sized), target: &str, transfer: &Transfer) -> Result<&'static str> {
    if transfer.ends.is_some() {
        return Ok("WITHDRAWN");
    }
    let handshake = HANDSHAKES.get(from, &(target, &transfer.handshake))?;
    let state = handshake.as_ref().map_or("CANCELED", |handshake| handshakes::state(handshake, cx.now_millis()));
    Ok(match state {
        "ACCEPTED" => "ACCEPTED",
        "DECLINED" => "DECLINED",
        "CANCELED" => "CANCELED",
        "EXPIRED" => "EXPIRED",
        _ => "REQUESTED",
    })
}

/// A transfer as an account that takes part in it sees it. Its name is of those alone who pay.
fn shown(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    (target, id, transfer): (&str, &str, &Transfer),
) -> Result<output::ResponsibilityTransfer> {
    let inbound = target == cx.account();
    let home = Home::of_management(from, cx.account())?;
    let organization = home.map_or_else(String::new, |home| home.organization.id);
    let direction = if inbound { "inbound" } else { "outbound" };
    let participant = |account: &str| output::TransferParticipant {
        management_account_id: Some(account.to_owned()),
        management_account_email: Some(email_of(account)),
    };
    let status = status(cx, from, target, transfer)?;
    Ok(output::ResponsibilityTransfer {
        arn: Some(format!(
            "arn:{}:organizations::{}:transfer/{organization}/billing/{direction}/{id}",
            cx.partition(),
            cx.account()
        )),
        name: inbound.then(|| transfer.name.clone()),
        id: Some(id.to_owned()),
        type_: Some("BILLING".to_owned()),
        status: Some(status.to_owned()),
        source: Some(participant(&transfer.source)),
        target: Some(participant(target)),
        start_timestamp: Some(moment(transfer.starts)),
        end_timestamp: transfer.ends.map(moment),
        active_handshake_id: (status == "REQUESTED").then(|| transfer.handshake.clone()),
    })
}

/// A transfer that the management account which asks takes part in.
fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<(String, Transfer)> {
    Home::managed(cx, from)?;
    let found = all(from)?.into_iter().find(|(_, known, _)| known == id);
    let (target, _, transfer) = found.ok_or_else(not_found)?;
    if target == cx.account() || transfer.source == cx.account() { Ok((target, transfer)) } else { Err(not_found()) }
}

/// Refuses a day on which no transfer starts.
fn check_start(cx: &Cx, start: Timestamp) -> Result<()> {
    let day = Offset::UTC.to_datetime(start);
    if day.time() != jiff::civil::Time::midnight() {
        let message =
            "You provided an invalid start date. The start date must be the beginning of the day (00:00:00.000).";
        return Err(invalid("START_DATE_NOT_BEGINNING_OF_DAY", message));
    }
    if day.day() != 1 {
        let message = "You provided an invalid start date. The start date must be the first day of the month.";
        return Err(invalid("START_DATE_NOT_BEGINNING_OF_MONTH", message));
    }
    if start <= cx.now() {
        let message = "You provided an invalid start date. The start date is too early.";
        return Err(invalid("START_DATE_TOO_EARLY", message));
    }
    Ok(())
}

pub(crate) async fn invite(
    cx: &Cx,
    input: api::InviteOrganizationToTransferResponsibilityInput,
) -> Result<api::InviteOrganizationToTransferResponsibilityOutput> {
    let (source, email) = handshakes::account_of(&cx.read(), &input.target.id, &input.target.type_)?;
    check_start(cx, input.start_timestamp)?;
    let (id, handshake_id) = (ids::new(cx, "rt-", 10), ids::new(cx, "h-", 10));
    let transfer = Transfer {
        name: input.source_name,
        kind: input.type_,
        source: source.clone(),
        starts: input.start_timestamp.as_millisecond(),
        ends: None,
        handshake: handshake_id.clone(),
        tags: tags::of(input.tags)?,
    };
    let handshake = Handshake {
        action: ACTION.to_owned(),
        account: Some(source.clone()),
        email,
        notes: input.notes,
        state: "OPEN".to_owned(),
        requested: cx.now_millis(),
        expires: cx.now_millis() + handshakes::INVITED,
        tags: Default::default(),
        parent: None,
        transfer: Some(id.clone()),
    };
    let made = cx
        .write(|tx| {
            let home = Home::managed(cx, tx)?;
            check_source(cx, tx, &home, &source)?;
            HANDSHAKES.put(tx, &(&home.management, &handshake_id), &handshake);
            TRANSFERS.put(tx, &(&home.management, &id), &transfer);
            let text = format!(
                "The account {} asks to pay the bills of your organization. Accept or decline the handshake {handshake_id}. {}",
                home.management,
                handshake.notes.as_deref().unwrap_or_default()
            );
            let subject = "You are invited to transfer the bills of your organization";
            let there = cx.elsewhere(&source, cx.region());
            there.post(tx, "email", &email_of(&source), "AWS Organizations", Some(subject), text.trim())?;
            handshakes::shown(cx, tx, &home.management, (&handshake_id, &handshake))
        })
        .await?;
    Ok(api::InviteOrganizationToTransferResponsibilityOutput { handshake: Some(made) })
}

/// Refuses whom nobody can pay for: oneself, who manages no organization, and whose bills are somebody's already.
fn check_source(cx: &Cx, tx: &Tx<'_>, home: &Home, source: &str) -> Result<()> {
    let member = MEMBERS.get(tx, &(source,))?;
    if member.as_ref().is_some_and(|member| member.management == home.management) {
        let message = "The source and target of a transfer can't be in the same organization.";
        return Err(handshake_violation("SOURCE_AND_TARGET_CANNOT_MATCH", message));
    }
    if member.is_none_or(|member| member.management != source) {
        let message = "The account that you invite must be the management account of an organization.";
        return Err(handshake_violation("TARGET_ACCOUNT_VALIDATION_FAILURE", message));
    }
    for (target, _, other) in all(tx)?.iter().filter(|(_, _, other)| other.source == source) {
        match status(cx, tx, target, other)? {
            "ACCEPTED" => {
                let message = "The bills of the organization are transferred already.";
                return Err(handshake_violation("RESPONSIBILITY_TRANSFER_ALREADY_EXISTS", message));
            }
            "REQUESTED" if *target == home.management => {
                let message = "The specified account was invited already, and the invitation is open.";
                return Err(errors::duplicate_handshake_exception(message).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The invitation was accepted, which is good once.
pub(crate) fn accept(cx: &Cx, tx: &Tx<'_>, handshake: &Handshake) -> Result<()> {
    let home = Home::managed(cx, tx)?;
    for (target, id, other) in all(tx)? {
        let another = handshake.transfer.as_ref() != Some(&id) && other.source == home.management;
        if another && status(cx, tx, &target, &other)? == "ACCEPTED" {
            let message = "The bills of the organization are transferred already.";
            return Err(handshake_violation("RESPONSIBILITY_TRANSFER_ALREADY_EXISTS", message));
        }
    }
    Ok(())
}

/// An organization is no more: nobody pays for it, and it pays for nobody.
pub(crate) fn forget(tx: &mut Tx<'_>, management: &str) -> Result<()> {
    for (target, id, transfer) in all(tx)? {
        if target == management || transfer.source == management {
            TRANSFERS.delete(tx, &(&target, &id));
            HANDSHAKES.delete(tx, &(&target, &transfer.handshake));
        }
    }
    Ok(())
}

pub(crate) fn describe(cx: &Cx, id: &str) -> Result<api::DescribeResponsibilityTransferOutput> {
    let from = cx.read();
    let (target, transfer) = find(cx, &from, id)?;
    let responsibility_transfer = Some(shown(cx, &from, (&target, id, &transfer))?);
    Ok(api::DescribeResponsibilityTransferOutput { responsibility_transfer })
}

pub(crate) fn list_inbound(
    cx: &Cx,
    input: &api::ListInboundResponsibilityTransfersInput,
) -> Result<api::ListInboundResponsibilityTransfersOutput> {
    let from = cx.read();
    let home = Home::managed(cx, &from)?;
    let mut found = Vec::new();
    for (target, id, transfer) in
        all(&from)?.iter().filter(|(target, _, t)| *target == home.management && t.kind == input.type_)
    {
        if input.id.as_ref().is_none_or(|wanted| wanted == id) {
            found.push(shown(cx, &from, (target, id, transfer))?);
        }
    }
    if input.id.is_some() && found.is_empty() {
        return Err(not_found());
    }
    let list = "ListInboundResponsibilityTransfers";
    let (transfers, next_token) = page(list, found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListInboundResponsibilityTransfersOutput { responsibility_transfers: Some(transfers), next_token })
}

pub(crate) fn list_outbound(
    cx: &Cx,
    input: &api::ListOutboundResponsibilityTransfersInput,
) -> Result<api::ListOutboundResponsibilityTransfersOutput> {
    let from = cx.read();
    let home = Home::managed(cx, &from)?;
    let mut found = Vec::new();
    for (target, id, transfer) in
        all(&from)?.iter().filter(|(_, _, t)| t.source == home.management && t.kind == input.type_)
    {
        found.push(shown(cx, &from, (target, id, transfer))?);
    }
    let list = "ListOutboundResponsibilityTransfers";
    let (transfers, next_token) = page(list, found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListOutboundResponsibilityTransfersOutput { responsibility_transfers: Some(transfers), next_token })
}

/// Gives a transfer another name, which is for those who pay to do while there is something to pay.
pub(crate) async fn update(
    cx: &Cx,
    input: api::UpdateResponsibilityTransferInput,
) -> Result<api::UpdateResponsibilityTransferOutput> {
    let id = &input.id;
    let changed = cx
        .write(|tx| {
            let (target, mut transfer) = find(cx, tx, id)?;
            if target != cx.account() {
                return Err(error::denied());
            }
            if !matches!(status(cx, tx, &target, &transfer)?, "REQUESTED" | "ACCEPTED") {
                let message = "You can't update a transfer that is over.";
                return Err(violation("TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED", message));
            }
            transfer.name.clone_from(&input.name);
            TRANSFERS.put(tx, &(&target, id), &transfer);
            shown(cx, tx, (&target, id, &transfer))
        })
        .await?;
    Ok(api::UpdateResponsibilityTransferOutput { responsibility_transfer: Some(changed) })
}

/// The last second of the month in which a moment is.
fn end_of_month(at: Timestamp) -> Result<Timestamp> {
    let day = Offset::UTC.to_datetime(at);
    let end = day.last_of_month().date().at(23, 59, 59, 0);
    TimeZone::UTC.to_timestamp(end).map_err(Failure::broken)
}

/// When a transfer that is withdrawn now ends: with this month, or with the one that was said.
fn end(cx: &Cx, wanted: Option<Timestamp>) -> Result<i64> {
    let soonest = end_of_month(cx.now())?;
    let Some(wanted) = wanted else { return Ok(soonest.as_millisecond()) };
    if end_of_month(wanted)?.as_second() != wanted.as_second() {
        let message = "You provided an invalid end date. The end date must be the end of the last day of the month (23.59.59.999).";
        return Err(invalid("END_DATE_NOT_END_OF_MONTH", message));
    }
    if wanted.as_second() < soonest.as_second() {
        let message = "You provided an invalid end date. The end date is too early.";
        return Err(invalid("END_DATE_TOO_EARLY", message));
    }
    Ok(wanted.as_millisecond())
}

pub(crate) async fn terminate(
    cx: &Cx,
    input: api::TerminateResponsibilityTransferInput,
) -> Result<api::TerminateResponsibilityTransferOutput> {
    let id = &input.id;
    let ends = end(cx, input.end_timestamp)?;
    let ended = cx
        .write(|tx| {
            let (target, transfer) = find(cx, tx, id)?;
            match status(cx, tx, &target, &transfer)? {
                "ACCEPTED" => {}
                "WITHDRAWN" => {
                    let message = "The transfer is already in the status WITHDRAWN.";
                    return Err(errors::responsibility_transfer_already_in_status_exception(message).into());
                }
                other => {
                    let message = format!("A transfer in the status {other} can't become WITHDRAWN.");
                    return Err(errors::invalid_responsibility_transfer_transition_exception(message).into());
                }
            }
            let transfer = Transfer { ends: Some(ends), ..transfer };
            TRANSFERS.put(tx, &(&target, id), &transfer);
            shown(cx, tx, (&target, id, &transfer))
        })
        .await?;
    Ok(api::TerminateResponsibilityTransferOutput { responsibility_transfer: Some(ended) })
}

/// The ARN of a transfer as the account sees it that asks.
pub(crate) fn arn(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Option<String>> {
    match find(cx, from, id) {
        Ok((target, transfer)) => Ok(shown(cx, from, (&target, id, &transfer))?.arn),
        Err(Failure::Aws(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}
