//! Tags of pipes.

use undercast_kernel::store::Read;
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::error::{not_found, validation};
use crate::rows::{PIPES, Pipe, arn_of};

/// A pipe has so many tags at most.
const MOST: usize = 50;

/// Refuses tags on top of `count` others.
pub(crate) fn check(tags: &Tags, count: usize) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|why| validation(why.to_string()))
}

/// The name in a pipe's ARN.
fn named<'a>(cx: &Cx, arn: &'a str) -> Result<&'a str> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    if arn_of(cx, name) == arn { Ok(name) } else { Err(not_found(name)) }
}

pub(crate) fn of(cx: &Cx, from: &(impl Read + ?Sized), pipe: &str) -> Result<Tags> {
    Ok(PIPES.get(from, &cx.key(pipe))?.map_or_else(Tags::new, |pipe| pipe.tags))
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let pipe = Pipe::find(cx, &cx.read(), named(cx, &input.resource_arn)?)?;
    Ok(api::ListTagsForResourceOutput { tags: Some(pipe.tags) })
}

async fn change(cx: &Cx, arn: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    let name = named(cx, arn)?;
    cx.write(|tx| {
        let mut pipe = Pipe::find(cx, tx, name)?;
        change(&mut pipe.tags)?;
        PIPES.put(tx, &cx.key(name), &pipe);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |there| {
        let kept = there.keys().filter(|key| !input.tags.contains_key(*key)).count();
        check(&input.tags, kept)?;
        there.extend(input.tags.clone());
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}
