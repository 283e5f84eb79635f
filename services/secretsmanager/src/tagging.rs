//! Tags of secrets.

use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{Cx, Result};

use crate::api::{self, input, output};
use crate::replication;
use crate::rows::Secret;
use crate::{access, error};

/// A secret has so many tags at most.
const MOST: usize = 50;

/// The tags of a request, which may say a name once.
pub(crate) fn given(list: &[input::Tag]) -> Result<Tags> {
    let mut all = Tags::new();
    for tag in list {
        let key = tag.key.clone().ok_or_else(|| error::parameter("A tag must have a Key."))?;
        let value = tag.value.clone().unwrap_or_else(String::new);
        if all.insert(key.clone(), value).is_some() {
            return Err(error::parameter(format!("You can't specify the tag key {key} more than once.")));
        }
    }
    Ok(all)
}

/// Refuses tags on top of `count` others.
pub(crate) fn check(tags: &Tags, count: usize) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|bad| match bad {
        BadTag::TooMany(_) => error::parameter("A secret can have a maximum of 50 tags."),
        other => error::parameter(other.to_string()),
    })
}

pub(crate) fn shown(tags: &Tags) -> Option<Vec<output::Tag>> {
    let all = tags.iter().map(|(key, value)| output::Tag { key: Some(key.clone()), value: Some(value.clone()) });
    (!tags.is_empty()).then(|| all.collect())
}

/// Changes the tags of a secret, unless whoever does could not do it again: tags may be what lets them in.
async fn change(
    cx: &Cx,
    id: &str,
    operation: &str,
    said: &Tags,
    change: impl Fn(&mut Tags) -> Result<()>,
) -> Result<()> {
    cx.write(|tx| {
        let mut secret = Secret::changeable(cx, tx, id)?;
        change(&mut secret.tags)?;
        let mut again = access::on_secret(cx, &secret, operation)?;
        access::said_of_tags(&mut again.context, said);
        if let Some(message) = cx.denied(&again)? {
            return Err(error::access_denied(message));
        }
        secret.changed = cx.now_millis();
        secret.put(tx);
        replication::follow(cx, tx, &secret)
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: &api::TagResourceInput) -> Result<()> {
    let new = given(&input.tags)?;
    change(cx, &input.secret_id, "TagResource", &new, |there| {
        let kept = there.keys().filter(|key| !new.contains_key(*key)).count();
        check(&new, kept)?;
        there.extend(new.clone());
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    let said = input.tag_keys.iter().map(|key| (key.clone(), String::new())).collect();
    change(cx, &input.secret_id, "UntagResource", &said, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}
