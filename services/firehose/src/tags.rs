//! Tags of streams.

use std::collections::BTreeMap;

use undercast_kernel::tags;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, input, output};
use crate::error::invalid;
use crate::stream::{STREAMS, Stream};

/// A stream has at most so many.
const MOST: usize = 50;
/// Tags of one page, where nothing else is said.
const PAGE: i32 = 50;

pub(crate) type Tags = BTreeMap<String, String>;

/// Tags as a map.
pub(crate) fn map(tags: Vec<input::Tag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect()
}

/// Checks tags that come to those that are there.
pub(crate) fn check(given: &Tags, there: &Tags) -> Result<()> {
    let others = there.keys().filter(|key| !given.contains_key(*key)).count();
    tags::check(given, others, MOST).map_err(|why| match why {
        tags::BadTag::TooMany(_) => {
            errors::limit_exceeded_exception(format!("A Firehose stream cannot have more than {MOST} tags.")).into()
        }
        other => invalid(format!("Tags are invalid: {other}.")),
    })
}

pub(crate) fn list(
    cx: &Cx,
    input: &api::ListTagsForDeliveryStreamInput,
) -> Result<api::ListTagsForDeliveryStreamOutput> {
    let stream = Stream::find(cx, &cx.read(), &input.delivery_stream_name)?;
    let after = |key: &str| input.exclusive_start_tag_key.as_deref().is_none_or(|start| key > start);
    let mut tags: Vec<output::Tag> = stream
        .tags
        .into_iter()
        .filter(|(key, _)| after(key))
        .map(|(key, value)| output::Tag { key, value: Some(value) })
        .collect();
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let has_more_tags = tags.len() > limit;
    tags.truncate(limit);
    Ok(api::ListTagsForDeliveryStreamOutput { tags, has_more_tags })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagDeliveryStreamInput) -> Result<()> {
    let given = map(input.tags);
    cx.write(|tx| {
        let mut stream = Stream::find(cx, tx, &input.delivery_stream_name)?;
        check(&given, &stream.tags)?;
        stream.tags.extend(given.clone());
        STREAMS.put(tx, &cx.key(&stream.name), &stream);
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagDeliveryStreamInput) -> Result<()> {
    cx.write(|tx| {
        let mut stream = Stream::find(cx, tx, &input.delivery_stream_name)?;
        stream.tags.retain(|key, _| !input.tag_keys.contains(key));
        STREAMS.put(tx, &cx.key(&stream.name), &stream);
        Ok(())
    })
    .await
}
