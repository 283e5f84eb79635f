//! Replicas that leave their global table and go on as tables of their own.

use super::group::{Group, Home, Member, Standing};
use super::make::{Of, later};
use super::{PAUSE, refusals, stamps};
use crate::DynamoDb;
use crate::api::UpdateTableOutput;
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows::{self, Sweep};
use crate::table::Table;
use crate::tables::describe::description;
use std::time::Duration;
use undercast_kernel::{Cx, Next};
use undercast_store::{Read, Tx};

/// The task.
pub(crate) const LEAVE: &str = "leave-global-table";

/// How long it takes until a replica that shall leave does.
const BEGIN: Duration = Duration::from_secs(1);

impl DynamoDb {
    /// Lets a replica leave its global table once everybody has what was written.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(super) async fn disassociate(&self, cx: &Cx, name: &str, region: &str) -> Result<UpdateTableOutput> {
        let shown = cx
            .write(|tx| {
                let table = self.steady(cx, tx, name)?;
                let group = self.group_of(tx, &table)?.filter(|group| group.member(region).is_some());
                let mut group = group.ok_or_else(|| refusals::no_member(region))?;
                if group.strong {
                    return Err(refusals::one_of_strong().into());
                }
                if !group.is_settled() {
                    return Err(refusals::busy().into());
                }
                for member in &group.members {
                    self.check_link(cx, &member.home.region)?;
                }
                let Some(member) = group.member_mut(region) else { return Err(refusals::no_member(region).into()) };
                member.standing = Standing::Updating;
                let there = member.home.cx(cx);
                if self.table_in(&there, tx, &group)?.is_some_and(|leaving| leaving.stays == Some(true)) {
                    return Err(Error::validation(
                        "Resource cannot be disassociated as it is currently protected against disassociation. Disable \
                         disassociation protection first.",
                    )
                    .into());
                }
                let shown = description(cx, tx, &table, "UPDATING")?;
                let updating = Some(group.seen_from(cx.region(), Standing::Updating));
                rows::put_table(tx, scope(cx), &Table { replica: updating, ..(*table).clone() });
                let task = format!("{LEAVE}:{}:{region}", group.id);
                let payload = group.payload(region);
                there.tasks().schedule(&there, tx, "dynamodb", &task, LEAVE, payload, later(cx, BEGIN))?;
                group.put(tx);
                self.regroup(tx, &group)?;
                Ok(shown)
            })
            .await?;
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    /// Does the task by which a replica leaves, `payload` being its group and its region.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn leave(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some(of) = Of::read(payload) else { return Ok(Next::Done) };
        let Some(group) = of.group(&cx.read())? else { return Ok(Next::Done) };
        let own = Home { account: cx.account().to_owned(), region: cx.region().to_owned() };
        for other in group.members.iter().filter(|other| other.home != own) {
            for (from, to) in [(&own, &other.home), (&other.home, &own)] {
                let there = from.cx(cx);
                let Some(table) = self.table_in(&there, &cx.read(), &group)? else { continue };
                if let Next::Again(at) = self.tell(&there, &table, to).await? {
                    return Ok(Next::Again(at));
                }
            }
        }
        let gone = cx
            .write(|tx| {
                let Some(group) = of.group(tx)? else { return Ok(true) };
                if !is_even(tx, &group, &own)? {
                    return Ok(false);
                }
                self.leave_in(cx, tx, group)?;
                Ok(true)
            })
            .await?;
        // Somebody wrote in the meantime.
        Ok(if gone { Next::Done } else { Next::Again(later(cx, PAUSE)) })
    }

    fn leave_in(&self, cx: &Cx, tx: &mut Tx<'_>, mut group: Group) -> Result<()> {
        if let Some(table) = self.table_in(cx, tx, &group)? {
            rows::put_table(tx, scope(cx), &Table { replica: None, ..(*table).clone() });
            self.schedule_sweep(cx, tx, &table.id, Sweep::Replication)?;
        }
        self.without(cx, tx, &mut group)
    }
}

/// Whether a replica and all others have told each other of everything.
fn is_even(from: &impl Read, group: &Group, home: &Home) -> Result<bool> {
    let told = |one: &Member, other: &Member| -> Result<bool> {
        let end = stamps::end(from, one.home.scope(), &one.table)?;
        Ok(stamps::cursor(from, one.home.scope(), &one.table, &other.home.region)?.is_none_or(|told| told >= end))
    };
    let Some(own) = group.member(&home.region) else { return Ok(true) };
    for other in group.members.iter().filter(|other| other.home != *home) {
        if !told(own, other)? || !told(other, own)? {
            return Ok(false);
        }
    }
    Ok(true)
}
