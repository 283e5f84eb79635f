//! Tags of state machines and activities.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, input, output};
use crate::arns::{self, MachineArn};
use crate::error::{no_resource, validation};
use crate::rows::{ACTIVITIES, MACHINES};

/// A resource has so many tags at most.
const MOST: usize = 50;

/// Tags as a request says them.
pub(crate) fn given(list: &[input::Tag]) -> Tags {
    let pair = |tag: &input::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_else(String::new)));
    list.iter().filter_map(pair).collect()
}

/// Refuses tags on top of `count` others.
pub(crate) fn check(tags: &Tags, count: usize, arn: &str) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|why| match why {
        tags::BadTag::TooMany(_) => {
            errors::too_many_tags("You have exceeded the limit of 50 tags.").with("resourceName", arn).into()
        }
        other => validation(other.to_string()),
    })
}

/// What has tags.
enum Tagged {
    Machine(String),
    Activity(String),
}

fn named(cx: &Cx, arn: &str) -> Result<Tagged> {
    if arn.contains(":activity:") {
        return arns::activity(cx, arn).map(Tagged::Activity);
    }
    MachineArn::unqualified(cx, arn).map(|arn| Tagged::Machine(arn.name))
}

/// The tags of a resource; none of one that is not there.
pub(crate) fn of(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Option<Tags>> {
    Ok(match named(cx, arn)? {
        Tagged::Machine(name) => MACHINES.get(from, &cx.key(name.as_str()))?.map(|machine| machine.tags),
        Tagged::Activity(name) => ACTIVITIES.get(from, &cx.key(name.as_str()))?.map(|activity| activity.tags),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let arn = input.resource_arn.as_str();
    let tags = of(cx, &cx.read(), arn)?.ok_or_else(|| no_resource(arn))?;
    let shown = tags.into_iter().map(|(key, value)| output::Tag { key: Some(key), value: Some(value) });
    Ok(api::ListTagsForResourceOutput { tags: Some(shown.collect()) })
}

fn put(cx: &Cx, tx: &mut Tx<'_>, arn: &str, tags: BTreeMap<String, String>) -> Result<()> {
    match named(cx, arn)? {
        Tagged::Machine(name) => {
            if let Some(machine) = MACHINES.get(tx, &cx.key(name.as_str()))? {
                MACHINES.put(tx, &cx.key(name.as_str()), &crate::rows::Machine { tags, ..machine });
            }
        }
        Tagged::Activity(name) => {
            if let Some(activity) = ACTIVITIES.get(tx, &cx.key(name.as_str()))? {
                ACTIVITIES.put(tx, &cx.key(name.as_str()), &crate::rows::Activity { tags, ..activity });
            }
        }
    }
    Ok(())
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let (arn, new) = (input.resource_arn.as_str(), given(&input.tags));
    cx.write(|tx| {
        let mut there = of(cx, tx, arn)?.ok_or_else(|| no_resource(arn))?;
        let kept = there.keys().filter(|key| !new.contains_key(*key)).count();
        check(&new, kept, arn)?;
        there.extend(new.clone());
        put(cx, tx, arn, there)
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    let arn = input.resource_arn.as_str();
    cx.write(|tx| {
        let mut there = of(cx, tx, arn)?.ok_or_else(|| no_resource(arn))?;
        there.retain(|key, _| !input.tag_keys.contains(key));
        put(cx, tx, arn, there)
    })
    .await
}
