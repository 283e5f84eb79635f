//! Tags of parameters.

use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, input, output};
use crate::error::validation;
use crate::put::plain_name;
use crate::rows::Parameter;

/// A parameter has so many tags at most.
const MOST: usize = 50;

pub(crate) fn given(list: &[input::Tag]) -> Tags {
    list.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// Refuses tags on top of `count` others.
pub(crate) fn check(tags: &Tags, count: usize) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|bad| match bad {
        BadTag::TooMany(_) => errors::too_many_tags_error(
            "The Targets parameter includes too many tags. Remove one or more tags and try the command again.",
        )
        .into(),
        other => validation(other.to_string()),
    })
}

fn no_resource(id: &str) -> Failure {
    errors::invalid_resource_id(format!("The resource ID \"{id}\" is not valid. Verify the ID and try again.")).into()
}

/// The name of a parameter that tags are of.
fn check_type(kind: &str) -> Result<()> {
    if kind == "Parameter" { Ok(()) } else { Err(Failure::not_built(format!("tags of the resource type {kind}"))) }
}

async fn change(cx: &Cx, kind: &str, id: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    check_type(kind)?;
    let named = plain_name(cx, id).map_err(|_| no_resource(id))?;
    cx.write(|tx| {
        let mut parameter = Parameter::look_up(cx, tx, &named)?.ok_or_else(|| no_resource(id))?;
        change(&mut parameter.tags)?;
        parameter.put(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn add(cx: &Cx, input: &api::AddTagsToResourceInput) -> Result<()> {
    let new = given(&input.tags);
    change(cx, &input.resource_type, &input.resource_id, |there| {
        let kept = there.keys().filter(|key| !new.contains_key(*key)).count();
        check(&new, kept)?;
        there.extend(new.clone());
        Ok(())
    })
    .await
}

pub(crate) async fn remove(cx: &Cx, input: &api::RemoveTagsFromResourceInput) -> Result<()> {
    change(cx, &input.resource_type, &input.resource_id, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    check_type(&input.resource_type)?;
    let named = plain_name(cx, &input.resource_id).map_err(|_| no_resource(&input.resource_id))?;
    let found = Parameter::look_up(cx, &cx.read(), &named)?.ok_or_else(|| no_resource(&input.resource_id))?;
    let shown = found.tags.into_iter().map(|(key, value)| output::Tag { key, value });
    Ok(api::ListTagsForResourceOutput { tag_list: Some(shown.collect()) })
}
