//! Policies of users, roles and groups: attached ones, inline ones, and the permissions boundary.

use undercast_kernel::{Cx, Result};

use crate::api::{errors, output};
use crate::entity::{Kind, MOST_ATTACHED, tags_output};
use crate::{managed, pages, policies};

/// Some of a list, whether there are more, and where they begin.
pub(crate) type Page<T> = (Vec<T>, Option<bool>, Option<String>);

/// What a request says of the page that it wants.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) prefix: Option<&'a str>,
    pub(crate) marker: Option<&'a str>,
    pub(crate) most: Option<i32>,
}

/// Attaches a managed policy; attaching it twice is attaching it once.
pub(crate) async fn attach(cx: &Cx, kind: Kind, name: &str, arn: &str) -> Result<()> {
    kind.change(cx, name, |tx, entity| {
        policies::check_attachable(tx, arn)?;
        refuse_of_services(arn)?;
        if entity.attached.iter().any(|a| a == arn) {
            return Ok(());
        }
        if entity.attached.len() >= MOST_ATTACHED {
            let message = format!("Cannot exceed quota for PoliciesPer{}: {MOST_ATTACHED}", kind.capital());
            return Err(errors::limit_exceeded_exception(message).into());
        }
        entity.attached.push(arn.to_owned());
        Ok(())
    })
    .await
}

/// Policies of services' own roles are attached to those alone.
pub(crate) fn refuse_of_services(arn: &str) -> Result<()> {
    if managed::name(arn).is_some_and(|name| name.starts_with("aws-service-role/")) {
        let message = "Cannot attach a Service Role Policy to a Customer Role.";
        return Err(errors::policy_not_attachable_exception(message).into());
    }
    Ok(())
}

pub(crate) async fn detach(cx: &Cx, kind: Kind, name: &str, arn: &str) -> Result<()> {
    kind.change(cx, name, |_, entity| {
        let before = entity.attached.len();
        entity.attached.retain(|a| a != arn);
        if entity.attached.len() == before {
            return Err(errors::no_such_entity_exception(format!("Policy {arn} was not found.")).into());
        }
        Ok(())
    })
    .await
}

pub(crate) async fn put_inline(cx: &Cx, kind: Kind, name: &str, policy: &str, document: &str) -> Result<()> {
    kind.change(cx, name, |_, entity| entity.put_inline(kind, policy.to_owned(), document.to_owned())).await
}

pub(crate) async fn delete_inline(cx: &Cx, kind: Kind, name: &str, policy: &str) -> Result<()> {
    kind.change(cx, name, |_, entity| {
        entity.inline(policy)?;
        entity.inline.remove(policy);
        Ok(())
    })
    .await
}

pub(crate) async fn set_boundary(cx: &Cx, kind: Kind, name: &str, arn: Option<&str>) -> Result<()> {
    kind.change(cx, name, |tx, entity| {
        match arn {
            Some(arn) => {
                policies::check_attachable(tx, arn)?;
                refuse_of_services(arn)?;
            }
            None if entity.boundary.is_none() => {
                let message = format!("{} does not have a permissions boundary", entity.name);
                return Err(errors::no_such_entity_exception(message).into());
            }
            None => {}
        }
        entity.boundary = arn.map(ToOwned::to_owned);
        Ok(())
    })
    .await
}

/// What stands in a policy's ARN behind `:policy`, without its name: `/a/b/`.
fn path(arn: &str) -> &str {
    let place = arn.split_once(":policy").map_or("", |(_, place)| place);
    place.rfind('/').map_or(place, |end| &place[..=end])
}

/// A managed policy as lists of attached ones show it.
pub(crate) fn shown(arn: &str) -> output::AttachedPolicy {
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    output::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn.to_owned()) }
}

pub(crate) fn list(cx: &Cx, kind: Kind, name: &str, wanted: Wanted<'_>) -> Result<Page<output::AttachedPolicy>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    let mut arns = entity.attached;
    arns.retain(|a| wanted.prefix.is_none_or(|p| path(a).starts_with(p)));
    arns.sort();
    let all = arns.iter().map(|arn| shown(arn)).collect();
    let place = |p: &output::AttachedPolicy| p.policy_arn.clone().unwrap_or_default();
    pages::page(&format!("Attached {} {name}", kind.word()), all, place, wanted.marker, wanted.most)
}

pub(crate) fn inline_names(cx: &Cx, kind: Kind, name: &str, wanted: Wanted<'_>) -> Result<Page<String>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    let list = format!("Inline {} {name}", kind.word());
    pages::page(&list, entity.inline.into_keys().collect(), Clone::clone, wanted.marker, wanted.most)
}

pub(crate) fn tags(cx: &Cx, kind: Kind, name: &str, wanted: Wanted<'_>) -> Result<Page<output::Tag>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    let all = tags_output(&entity.tags).unwrap_or_else(Vec::new);
    pages::page(&format!("Tags {} {name}", kind.word()), all, |t| t.key.clone(), wanted.marker, wanted.most)
}
