//! Tags of groups; schedules have none.

use undercast_kernel::store::Read;
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Result};

use crate::api::{self, input, output};
use crate::error::{no_group, validation};
use crate::groups;
use crate::rows::{GROUPS, Group};

/// A group has so many tags at most.
const MOST: usize = 50;

/// Tags as a request says them.
pub(crate) fn given(list: &[input::Tag]) -> Tags {
    list.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// Refuses tags on top of `count` others.
pub(crate) fn check(tags: &Tags, count: usize) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|why| validation(why.to_string()))
}

/// The group of an ARN.
fn named(cx: &Cx, arn: &str) -> Result<String> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let own = crate::rows::arn_of_group(cx, name) == arn;
    if own { Ok(name.to_owned()) } else { Err(no_group(name)) }
}

pub(crate) fn of(cx: &Cx, from: &(impl Read + ?Sized), group: &str) -> Result<Tags> {
    Ok(GROUPS.get(from, &cx.key(group))?.map_or_else(Tags::new, |group| group.tags))
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let group = Group::find(cx, &cx.read(), &named(cx, &input.resource_arn)?)?;
    let shown = group.tags.into_iter().map(|(key, value)| output::Tag { key, value });
    Ok(api::ListTagsForResourceOutput { tags: Some(shown.collect()) })
}

async fn change(cx: &Cx, arn: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    let name = named(cx, arn)?;
    cx.write(|tx| {
        groups::keep_default(cx, tx, &name)?;
        let mut group = Group::find_active(cx, tx, &name)?;
        change(&mut group.tags)?;
        group.modified = cx.now_millis();
        GROUPS.put(tx, &cx.key(name.as_str()), &group);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let new = given(&input.tags);
    change(cx, &input.resource_arn, |there| {
        let kept = there.keys().filter(|key| !new.contains_key(*key)).count();
        check(&new, kept)?;
        there.extend(new.clone());
        Ok(())
    })
    .await?;
    Ok(())
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(())
}
