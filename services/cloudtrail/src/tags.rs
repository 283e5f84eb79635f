//! Tags of trails, event data stores, channels and dashboards: AddTags, RemoveTags, ListTags.

use std::collections::BTreeMap;

use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{AwsError, Cx, Result, paging};

use crate::api::{self, errors, input, output};
use crate::channels::row::{self, CHANNELS, Channel};
use crate::dashboards;
use crate::dashboards::row::{DASHBOARDS, Dashboard};
use crate::lake::store::{self, STORES, Store};
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

/// Tags as they are answered.
pub(crate) fn shown(tags: Tags) -> Vec<output::Tag> {
    tags.into_iter().map(|(key, value)| output::Tag { key, value: Some(value) }).collect()
}

/// What has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tagged {
    Trail(TrailName),
    /// An event data store, by its id.
    Store(String),
    /// A channel, by its ARN.
    Channel(String),
    /// A dashboard, by its ARN.
    Dashboard(String),
}

/// What is named by an ARN.
fn parse(cx: &Cx, id: &str) -> Result<Tagged> {
    let invalid = || errors::cloud_trail_arn_invalid_exception(format!("The ARN is not valid: {id}."));
    let arn = Arn::parse(id).filter(|arn| arn.service == "cloudtrail").ok_or_else(invalid)?;
    if arn.resource.starts_with("eventdatastore/") {
        return Ok(Tagged::Store(store::id(cx, id)?));
    }
    if arn.resource.starts_with("channel/") {
        row::id(cx, id)?;
        return Ok(Tagged::Channel(id.to_owned()));
    }
    if arn.resource.starts_with("dashboard/") {
        return Ok(Tagged::Dashboard(id.to_owned()));
    }
    if !arn.resource.starts_with("trail/") {
        let message = format!("The resource type of {id} is not supported for tagging.");
        return Err(errors::resource_type_not_supported_exception(message).into());
    }
    let name = TrailName::parse(id).ok_or_else(invalid)?;
    let own = name.account == cx.account() && name.region == cx.region();
    if own { Ok(Tagged::Trail(name)) } else { Err(missing(id).into()) }
}

fn missing(id: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Resource {id} is not found."))
}

fn find_trail(from: &(impl Read + ?Sized), name: &TrailName) -> Result<Trail> {
    TRAILS.get(from, &name.key())?.ok_or_else(|| missing(&name.arn()).into())
}

impl Tagged {
    fn tags(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Tags> {
        match self {
            Self::Trail(name) => Ok(find_trail(from, name)?.tags),
            Self::Store(id) => Ok(store::find_active(cx, from, id)?.tags),
            Self::Channel(id) => Ok(row::find(cx, from, id)?.tags),
            Self::Dashboard(id) => Ok(dashboards::row::find(cx, from, id)?.tags),
        }
    }

    fn put(&self, cx: &Cx, tx: &mut Tx<'_>, tags: Tags) -> Result<()> {
        match self {
            Self::Trail(name) => {
                let trail = find_trail(tx, name)?;
                TRAILS.put(tx, &name.key(), &Trail { tags, ..trail });
            }
            Self::Store(id) => {
                let store = store::find_active(cx, tx, id)?;
                STORES.put(tx, &cx.key(id.as_str()), &Store { tags, ..store });
            }
            Self::Dashboard(id) => {
                let dashboard = dashboards::row::find(cx, tx, id)?;
                DASHBOARDS.put(tx, &cx.key(dashboard.name.as_str()), &Dashboard { tags, ..dashboard.clone() });
            }
            Self::Channel(id) => {
                let channel = row::find(cx, tx, id)?;
                CHANNELS.put(tx, &channel.key(), &Channel { tags, ..channel.clone() });
            }
        }
        Ok(())
    }
}

async fn change(cx: &Cx, id: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    let tagged = parse(cx, id)?;
    cx.write(|tx| {
        let mut tags = tagged.tags(cx, tx)?;
        change(&mut tags)?;
        tagged.put(cx, tx, tags)
    })
    .await
}

pub(crate) async fn add(cx: &Cx, input: api::AddTagsInput) -> Result<()> {
    let new = given(input.tags_list, 0)?;
    change(cx, &input.resource_id, |there| {
        let others = there.keys().filter(|key| !new.contains_key(*key)).count();
        tags::check(&new, others, MOST).map_err(|why| wrong(&why))?;
        there.extend(new.clone());
        Ok(())
    })
    .await
}

/// A tag goes whatever its value is, unless one is given that it has not.
pub(crate) async fn remove(cx: &Cx, input: api::RemoveTagsInput) -> Result<()> {
    change(cx, &input.resource_id, |there| {
        for tag in &input.tags_list {
            let fits = |there: &String| tag.value.as_ref().is_none_or(|value| value == there);
            if there.get(&tag.key).is_some_and(fits) {
                there.remove(&tag.key);
            }
        }
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsInput) -> Result<api::ListTagsOutput> {
    let from = cx.read();
    let mut all = Vec::new();
    for id in &input.resource_id_list {
        let tags = parse(cx, id)?.tags(cx, &from)?;
        all.push(output::ResourceTag { resource_id: Some(id.clone()), tags_list: Some(shown(tags)) });
    }
    let page = paging::page("ListTags", all, input.next_token.as_deref(), MOST_RESOURCES);
    let (list, next_token) = page.ok_or_else(|| errors::invalid_token_exception("The next token is not valid."))?;
    Ok(api::ListTagsOutput { resource_tag_list: Some(list), next_token })
}
