//! Tags of streams and consumers: AddTagsToStream and its kin, and TagResource and its kin.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, BadTag};
use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::consumers::{self, CONSUMERS};
use crate::error;
use crate::name::{Resource, StreamName};
use crate::stream::{STREAMS, Status};

/// A resource has at most so many.
const MOST: usize = 50;
/// Tags of one page of ListTagsForStream, where nothing else is said.
const PAGE: i32 = 50;

type Tags = BTreeMap<String, String>;

/// Checks tags that come to `others` more of a stream.
pub(crate) fn check(name: &StreamName, given: &Tags, others: usize) -> Result<()> {
    let StreamName { name, account } = name;
    tags::check(given, others, MOST).map_err(|bad| {
        let message = match bad {
            BadTag::TooMany(most) => format!(
                "Failed to add tags to stream {name} under account {account} because a given stream cannot have more than {most} tags associated with it."
            ),
            BadTag::Character(_) => "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ :.".to_owned(),
            other => format!("Failed to add tags to stream {name} under account {account} because {other}."),
        };
        error::invalid(message).into()
    })
}

fn list(tags: &Tags) -> Vec<output::Tag> {
    tags.iter().map(|(key, value)| output::Tag { key: key.clone(), value: Some(value.clone()) }).collect()
}

/// Changes the tags of a stream or a consumer.
fn change(cx: &Cx, tx: &mut Tx<'_>, of: &Resource, change: impl FnOnce(&mut Tags) -> Result<()>) -> Result<()> {
    match of {
        Resource::Stream(name) => {
            let mut stream = name.find(cx, tx)?;
            if matches!(stream.status, Status::Creating | Status::Deleting) {
                return Err(error::not_active(name, &stream).into());
            }
            change(&mut stream.tags)?;
            STREAMS.put(tx, &cx.key(&name.name), &stream);
        }
        Resource::Consumer(name) => {
            let (stream, mut consumer) = consumers::find(cx, tx, name)?;
            change(&mut consumer.tags)?;
            CONSUMERS.put(tx, &(stream.place(cx), &consumer.name), &consumer);
        }
    }
    Ok(())
}

async fn add(cx: &Cx, of: &Resource, given: &Tags) -> Result<()> {
    cx.write(|tx| {
        change(cx, tx, of, |tags| {
            check(of.stream(), given, tags.keys().filter(|key| !given.contains_key(*key)).count())?;
            tags.extend(given.clone());
            Ok(())
        })
    })
    .await
}

async fn remove(cx: &Cx, of: &Resource, keys: &[String]) -> Result<()> {
    cx.write(|tx| {
        change(cx, tx, of, |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    })
    .await
}

/// The tags of a stream or a consumer.
pub(crate) fn of(cx: &Cx, from: &impl Read, resource: &Resource) -> Result<Tags> {
    Ok(match resource {
        Resource::Stream(name) => name.find(cx, from)?.tags,
        Resource::Consumer(name) => consumers::find(cx, from, name)?.1.tags,
    })
}

pub(crate) async fn add_to_stream(cx: &Cx, input: api::AddTagsToStreamInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    add(cx, &Resource::Stream(name), &input.tags).await
}

pub(crate) async fn remove_from_stream(cx: &Cx, input: api::RemoveTagsFromStreamInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    remove(cx, &Resource::Stream(name), &input.tag_keys).await
}

pub(crate) fn list_of_stream(cx: &Cx, input: &api::ListTagsForStreamInput) -> Result<api::ListTagsForStreamOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let mut all = list(&name.find(cx, &cx.read())?.tags);
    all.retain(|tag| input.exclusive_start_tag_key.as_ref().is_none_or(|after| tag.key > *after));
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let has_more_tags = all.len() > limit;
    all.truncate(limit);
    Ok(api::ListTagsForStreamOutput { tags: all, has_more_tags })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    add(cx, &Resource::parse(cx, &input.resource_arn)?, &input.tags).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
    remove(cx, &Resource::parse(cx, &input.resource_arn)?, &input.tag_keys).await
}

pub(crate) fn list_of_resource(
    cx: &Cx,
    input: &api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput> {
    let found = of(cx, &cx.read(), &Resource::parse(cx, &input.resource_arn)?)?;
    Ok(api::ListTagsForResourceOutput { tags: Some(list(&found)) })
}
