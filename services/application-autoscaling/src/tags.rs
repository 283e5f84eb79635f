//! Tags of scalable targets.

use undercast_kernel::store::Read;
use undercast_kernel::tags::{self, BadTag};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors};
use crate::dimension::Place;
use crate::error::validation;
use crate::rows::{TARGETS, Target, all_targets};
use crate::targets::MOST_TAGS;

/// The target of an ARN.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Option<(Place, Target)>> {
    Ok(all_targets(cx, from)?.into_iter().find(|(_, target)| target.arn(cx) == arn))
}

fn found(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<(Place, Target)> {
    find(cx, from, arn)?.ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> Failure {
    errors::resource_not_found_exception(format!("No scalable target found for resource ARN: {arn}"))
        .with("ResourceName", arn)
        .into()
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let (_, target) = found(cx, &cx.read(), &input.resource_arn)?;
    Ok(api::ListTagsForResourceOutput { tags: Some(target.tags) })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let (place, mut target) = found(cx, tx, &input.resource_arn)?;
        let kept = target.tags.keys().filter(|key| !input.tags.contains_key(*key)).count();
        tags::check(&input.tags, kept, MOST_TAGS).map_err(|why| match why {
            BadTag::TooMany(most) => {
                let message = format!("A scalable target has at most {most} tags");
                errors::too_many_tags_exception(message).with("ResourceName", input.resource_arn.as_str()).into()
            }
            other => validation(other.to_string()),
        })?;
        target.tags.extend(input.tags.clone());
        TARGETS.put(tx, &place.key(cx), &target);
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let (place, mut target) = found(cx, tx, &input.resource_arn)?;
        target.tags.retain(|key, _| !input.tag_keys.contains(key));
        TARGETS.put(tx, &place.key(cx), &target);
        Ok(())
    })
    .await
}
