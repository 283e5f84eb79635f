//! Tags of trails: AddTags, RemoveTags, ListTags.

use std::collections::BTreeMap;

use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{AwsError, Cx, Result, paging};

use crate::api::{self, errors, input, output};
use crate::name::TrailName;
use crate::rows::{TRAILS, Trail};

/// A resource has so many tags at most.
const MOST: usize = 50;
/// ListTags answers so many resources at once.
const MOST_RESOURCES: usize = 20;

fn wrong(why: &BadTag) -> AwsError {
    match why {
        BadTag::TooMany(most) => {
            let message = format!("The number of tags per resource has exceeded the limit of {most}.");
            errors::tags_limit_exceeded_exception(message)
        }
        other => errors::invalid_tag_parameter_exception(other.to_string()),
    }
}

/// Tags that are given, beside `count` others.
pub(crate) fn given(list: Vec<input::Tag>, count: usize) -> Result<Tags> {
    let mut tags = BTreeMap::new();
    for tag in list {
        if tags.insert(tag.key.clone(), tag.value.unwrap_or_else(String::new)).is_some() {
            let message = format!("The tag key {} is given twice.", tag.key);
            return Err(errors::invalid_tag_parameter_exception(message).into());
        }
    }
    tags::check(&tags, count, MOST).map_err(|why| wrong(&why))?;
    Ok(tags)
}

/// The trail whose ARN is given.
pub(crate) fn parse(cx: &Cx, id: &str) -> Result<TrailName> {
    let invalid = || errors::cloud_trail_arn_invalid_exception(format!("The ARN is not valid: {id}."));
    let arn = Arn::parse(id).filter(|arn| arn.service == "cloudtrail").ok_or_else(invalid)?;
    if !arn.resource.starts_with("trail/") {
        let message = format!("The resource type of {id} is not supported for tagging.");
        return Err(errors::resource_type_not_supported_exception(message).into());
    }
    let name = TrailName::parse(id).ok_or_else(invalid)?;
    if name.account == cx.account() && name.region == cx.region() { Ok(name) } else { Err(missing(id).into()) }
}

fn missing(id: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Resource {id} is not found."))
}

fn find(from: &(impl Read + ?Sized), name: &TrailName) -> Result<Trail> {
    TRAILS.get(from, &name.key())?.ok_or_else(|| missing(&name.arn()).into())
}

pub(crate) async fn add(cx: &Cx, input: api::AddTagsInput) -> Result<()> {
    let name = parse(cx, &input.resource_id)?;
    let new = given(input.tags_list, 0)?;
    cx.write(|tx| {
        let mut trail = find(tx, &name)?;
        let others = trail.tags.keys().filter(|key| !new.contains_key(*key)).count();
        tags::check(&new, others, MOST).map_err(|why| wrong(&why))?;
        trail.tags.extend(new.clone());
        TRAILS.put(tx, &name.key(), &trail);
        Ok(())
    })
    .await
}

/// A tag goes whatever its value is, unless one is given that it has not.
pub(crate) async fn remove(cx: &Cx, input: api::RemoveTagsInput) -> Result<()> {
    let name = parse(cx, &input.resource_id)?;
    cx.write(|tx| {
        let mut trail = find(tx, &name)?;
        for tag in &input.tags_list {
            let fits = |there: &String| tag.value.as_ref().is_none_or(|value| value == there);
            if trail.tags.get(&tag.key).is_some_and(fits) {
                trail.tags.remove(&tag.key);
            }
        }
        TRAILS.put(tx, &name.key(), &trail);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsInput) -> Result<api::ListTagsOutput> {
    let from = cx.read();
    let mut all = Vec::new();
    for id in &input.resource_id_list {
        let trail = find(&from, &parse(cx, id)?)?;
        let tags = trail.tags.into_iter().map(|(key, value)| output::Tag { key, value: Some(value) });
        all.push(output::ResourceTag { resource_id: Some(id.clone()), tags_list: Some(tags.collect()) });
    }
    let page = paging::page("ListTags", all, input.next_token.as_deref(), MOST_RESOURCES);
    let (list, next_token) = page.ok_or_else(|| errors::invalid_token_exception("The next token is not valid."))?;
    Ok(api::ListTagsOutput { resource_tag_list: Some(list), next_token })
}
