//! Tags of accounts, units, the root, policies, the resource policy, and transfers.

use std::collections::BTreeMap;

use undercast_kernel::store::Tx;
use undercast_kernel::tags::BadTag;
use undercast_kernel::{Cx, Result};

use crate::api::{self, input, output};
use crate::error::{invalid, no_target, violation};
use crate::home::Home;
use crate::ids::Kind;
use crate::organization::page;
use crate::rows::{MEMBERS, POLICIES, TRANSFERS, UNITS};

type Tags = BTreeMap<String, String>;

/// A resource has so many tags at most.
const MOST: usize = 50;

fn check(tags: &Tags, others: usize) -> Result<()> {
    match undercast_kernel::tags::check(tags, others, MOST) {
        Ok(()) => Ok(()),
        Err(BadTag::TooMany(most)) => {
            Err(violation("MAX_TAG_LIMIT_EXCEEDED", format!("A resource can have at most {most} tags.")))
        }
        Err(bad @ BadTag::Reserved(_)) => Err(invalid("INVALID_SYSTEM_TAGS_PARAMETER", bad.to_string())),
        Err(bad) => Err(invalid("INVALID_PATTERN", bad.to_string())),
    }
}

/// Tags as a request gives them.
pub(crate) fn of(given: Option<Vec<input::Tag>>) -> Result<Tags> {
    let mut out = Tags::new();
    for tag in given.into_iter().flatten() {
        if out.insert(tag.key, tag.value).is_some() {
            return Err(invalid("DUPLICATE_TAG_KEY", "You specified the same tag key more than once."));
        }
    }
    check(&out, 0)?;
    Ok(out)
}

/// Changes the tags of whatever has this id, and gives them back.
fn change(home: &mut Home, tx: &mut Tx<'_>, id: &str, change: impl FnOnce(&mut Tags) -> Result<()>) -> Result<Tags> {
    let management = home.management.clone();
    if id.starts_with("p-") {
        let mut policy = POLICIES.get(tx, &(&management, id))?.ok_or_else(no_target)?;
        change(&mut policy.tags)?;
        POLICIES.put(tx, &(&management, id), &policy);
        return Ok(policy.tags);
    }
    if id.starts_with("rt-") {
        let mut transfer = TRANSFERS.get(tx, &(&management, id))?.ok_or_else(no_target)?;
        change(&mut transfer.tags)?;
        TRANSFERS.put(tx, &(&management, id), &transfer);
        return Ok(transfer.tags);
    }
    if id.starts_with("rp-") {
        let policy = home.organization.policy.as_mut().filter(|policy| policy.id == id).ok_or_else(no_target)?;
        change(&mut policy.tags)?;
        let tags = policy.tags.clone();
        home.put(tx);
        return Ok(tags);
    }
    match Kind::of(id) {
        Kind::Root if id == home.organization.root => {
            change(&mut home.organization.root_tags)?;
            home.put(tx);
            Ok(home.organization.root_tags.clone())
        }
        Kind::Root => Err(no_target()),
        Kind::Unit => {
            let mut unit = home.unit(tx, id)?.ok_or_else(no_target)?;
            change(&mut unit.tags)?;
            UNITS.put(tx, &(&management, id), &unit);
            Ok(unit.tags)
        }
        Kind::Account => {
            let mut member = home.member(tx, id).map_err(|_| no_target())?;
            change(&mut member.tags)?;
            MEMBERS.put(tx, &(id,), &member);
            Ok(member.tags)
        }
    }
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let tags = of(Some(input.tags))?;
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        change(&mut home, tx, &input.resource_id, |there| {
            let others = there.keys().filter(|key| !tags.contains_key(*key)).count();
            check(&tags, others)?;
            there.extend(tags.clone());
            Ok(())
        })
        .map(drop)
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        change(&mut home, tx, &input.resource_id, |there| {
            there.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .map(drop)
    })
    .await
}

/// The tags of what has this id; none where it is not there.
pub(crate) fn there(cx: &Cx, home: &Home, id: &str) -> Result<Option<Tags>> {
    let from = cx.read();
    Ok(if id.starts_with("p-") {
        POLICIES.get(&from, &(&home.management, id))?.map(|policy| policy.tags)
    } else if id.starts_with("rt-") {
        TRANSFERS.get(&from, &(&home.management, id))?.map(|transfer| transfer.tags)
    } else if id.starts_with("rp-") {
        home.organization.policy.as_ref().filter(|policy| policy.id == id).map(|policy| policy.tags.clone())
    } else {
        match Kind::of(id) {
            Kind::Root => (id == home.organization.root).then(|| home.organization.root_tags.clone()),
            Kind::Unit => home.unit(&from, id)?.map(|unit| unit.tags),
            Kind::Account => {
                let found = MEMBERS.get(&from, &(id,))?.filter(|member| member.management == home.management);
                found.map(|member| member.tags)
            }
        }
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let home = Home::seen_by_policy(cx, &cx.read(), "organizations:ListTagsForResource")?;
    let tags = there(cx, &home, &input.resource_id)?.ok_or_else(no_target)?;
    let all = tags.into_iter().map(|(key, value)| output::Tag { key, value }).collect();
    let list = format!("ListTagsForResource {}", input.resource_id);
    let (tags, next_token) = page(&list, all, input.next_token.as_deref(), None)?;
    Ok(api::ListTagsForResourceOutput { tags: Some(tags), next_token })
}
