//! Organizational units.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::error::{self, violation};
use crate::home::{DEEPEST, Home};
use crate::ids::{self, Kind, target_arn};
use crate::organization::page;
use crate::rows::{ATTACHMENTS, UNITS, Unit};
use crate::tags;

fn shown(home: &Home, from: &(impl Read + ?Sized), id: &str, unit: &Unit) -> Result<output::OrganizationalUnit> {
    Ok(output::OrganizationalUnit {
        id: Some(id.to_owned()),
        arn: Some(target_arn(&home.management, &home.organization.id, id)),
        name: Some(unit.name.clone()),
        path: Some(home.path(from, id)?),
    })
}

/// Names of the units of a parent are unique.
fn check_name(home: &Home, tx: &Tx<'_>, parent: &str, name: &str, but: &str) -> Result<()> {
    let taken = home.units(tx)?.iter().any(|(id, unit)| id != but && unit.parent == parent && unit.name == name);
    if taken {
        return Err(errors::duplicate_organizational_unit_exception("An OU with the same name already exists.").into());
    }
    Ok(())
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateOrganizationalUnitInput,
) -> Result<api::CreateOrganizationalUnitOutput> {
    let unit = Unit { name: input.name, parent: input.parent_id, tags: tags::of(input.tags)? };
    let end = cx.random().text(8, "abcdefghijklmnopqrstuvwxyz0123456789");
    let organizational_unit = cx
        .write(|tx| {
            let mut home = Home::managed(cx, tx)?;
            let line = home.line(tx, &unit.parent)?;
            if line.is_empty() {
                return Err(error::no_parent());
            }
            // The root is the first of the line.
            if line.len() > DEEPEST {
                let message = "You cannot create an organizational unit (OU) more than five levels below the root.";
                return Err(violation("OU_DEPTH_LIMIT_EXCEEDED", message));
            }
            check_name(&home, tx, &unit.parent, &unit.name, "")?;
            let id = format!("ou-{}-{end}", ids::stem(&home.organization.root));
            UNITS.put(tx, &(&home.management, &id), &unit);
            home.attach_managed(cx, tx, &id);
            home.touch(tx);
            shown(&home, tx, &id, &unit)
        })
        .await?;
    Ok(api::CreateOrganizationalUnitOutput { organizational_unit: Some(organizational_unit) })
}

pub(crate) fn describe(cx: &Cx, id: &str) -> Result<api::DescribeOrganizationalUnitOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:DescribeOrganizationalUnit")?;
    let unit = home.unit(&from, id)?.ok_or_else(error::no_unit)?;
    let organizational_unit = Some(shown(&home, &from, id, &unit)?);
    Ok(api::DescribeOrganizationalUnitOutput { organizational_unit })
}

pub(crate) async fn update(
    cx: &Cx,
    input: api::UpdateOrganizationalUnitInput,
) -> Result<api::UpdateOrganizationalUnitOutput> {
    let id = &input.organizational_unit_id;
    let organizational_unit = cx
        .write(|tx| {
            let home = Home::managed(cx, tx)?;
            let mut unit = home.unit(tx, id)?.ok_or_else(error::no_unit)?;
            if let Some(name) = &input.name {
                check_name(&home, tx, &unit.parent, name, id)?;
                unit.name.clone_from(name);
                UNITS.put(tx, &(&home.management, id), &unit);
            }
            shown(&home, tx, id, &unit)
        })
        .await?;
    Ok(api::UpdateOrganizationalUnitOutput { organizational_unit: Some(organizational_unit) })
}

pub(crate) async fn delete(cx: &Cx, id: &str) -> Result<()> {
    cx.write(|tx| {
        let home = Home::managed(cx, tx)?;
        home.unit(tx, id)?.ok_or_else(error::no_unit)?;
        let units = home.units(tx)?.iter().any(|(_, unit)| unit.parent == id);
        if units || home.members(tx)?.iter().any(|(_, member)| member.parent == id) {
            let message = "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.";
            return Err(errors::organizational_unit_not_empty_exception(message).into());
        }
        UNITS.delete(tx, &(&home.management, id));
        ATTACHMENTS.clear(tx, &(&home.management, id))?;
        Ok(())
    })
    .await
}

pub(crate) fn list(
    cx: &Cx,
    input: &api::ListOrganizationalUnitsForParentInput,
) -> Result<api::ListOrganizationalUnitsForParentOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListOrganizationalUnitsForParent")?;
    if !home.is_parent(&from, &input.parent_id)? {
        return Err(error::no_parent());
    }
    let mut all = Vec::new();
    for (id, unit) in home.units(&from)?.iter().filter(|(_, unit)| unit.parent == input.parent_id) {
        all.push(shown(&home, &from, id, unit)?);
    }
    let list = format!("ListOrganizationalUnitsForParent {}", input.parent_id);
    let (units, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListOrganizationalUnitsForParentOutput { organizational_units: Some(units), next_token })
}

pub(crate) fn children(cx: &Cx, input: &api::ListChildrenInput) -> Result<api::ListChildrenOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListChildren")?;
    if !home.is_parent(&from, &input.parent_id)? {
        return Err(error::no_parent());
    }
    let ids: Vec<String> = if input.child_type == "ACCOUNT" {
        home.members(&from)?.into_iter().filter(|(_, m)| m.parent == input.parent_id).map(|(id, _)| id).collect()
    } else {
        home.units(&from)?.into_iter().filter(|(_, unit)| unit.parent == input.parent_id).map(|(id, _)| id).collect()
    };
    let child = |id| output::Child { id: Some(id), type_: Some(input.child_type.clone()) };
    let all = ids.into_iter().map(child).collect();
    let list = format!("ListChildren {} {}", input.parent_id, input.child_type);
    let (children, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListChildrenOutput { children: Some(children), next_token })
}

pub(crate) fn parents(cx: &Cx, input: &api::ListParentsInput) -> Result<api::ListParentsOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListParents")?;
    let line = home.line(&from, &input.child_id)?;
    let no_child = || errors::child_not_found_exception("You specified a child that doesn't exist.");
    let [.., parent, _] = line.as_slice() else { return Err(no_child().into()) };
    let kind = if Kind::of(parent) == Kind::Root { "ROOT" } else { "ORGANIZATIONAL_UNIT" };
    let all = vec![output::Parent { id: Some(parent.clone()), type_: Some(kind.to_owned()) }];
    let (parents, next_token) = page("ListParents", all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListParentsOutput { parents: Some(parents), next_token })
}
