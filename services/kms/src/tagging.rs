//! Tags of keys.

use std::collections::BTreeMap;

use undercast_kernel::tags::BadTag;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, input, output};
use crate::reference::Reference;
use crate::{keys, pages};

/// A key has at most so many tags.
const MOST: usize = 50;

/// The tags of a request, each key once.
pub(crate) fn read(given: impl Iterator<Item = input::Tag>) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for tag in given {
        if tags.insert(tag.tag_key, tag.tag_value).is_some() {
            return Err(errors::tag_exception("Duplicate tag keys found").into());
        }
    }
    Ok(tags)
}

/// Checks tags that come to `others`.
pub(crate) fn check(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    match undercast_kernel::tags::check(tags, others, MOST) {
        Ok(()) => Ok(()),
        Err(BadTag::TooMany(_)) => Err(errors::tag_exception("Too many tags").into()),
        Err(BadTag::Reserved(_)) => Err(errors::tag_exception("Tags beginning with aws: are reserved").into()),
        Err(bad) => Err(errors::tag_exception(bad.to_string()).into()),
    }
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let tags = read(input.tags.into_iter())?;
    cx.write(|tx| {
        let mut key = keys::living(cx, tx, &input.key_id)?;
        check(&tags, key.tags.keys().filter(|name| !tags.contains_key(*name)).count())?;
        key.tags.extend(tags.clone());
        key.put(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
    if input.tag_keys.iter().any(|name| name.to_ascii_lowercase().starts_with("aws:")) {
        return Err(errors::tag_exception("Tags beginning with aws: are reserved").into());
    }
    cx.write(|tx| {
        let mut key = keys::living(cx, tx, &input.key_id)?;
        key.tags.retain(|name, _| !input.tag_keys.contains(name));
        key.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListResourceTagsInput) -> Result<api::ListResourceTagsOutput> {
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &cx.read())?;
    let scope = format!("ListResourceTags/{}", key.id);
    let page = pages::page(key.tags, |(name, _)| name.clone(), &scope, 50, input.limit, input.marker)?;
    let tag = |(tag_key, tag_value)| output::Tag { tag_key, tag_value };
    Ok(api::ListResourceTagsOutput {
        tags: Some(page.items.into_iter().map(tag).collect()),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_one_value() {
        let tag = |value: &str| input::Tag { tag_key: "a".to_owned(), tag_value: value.to_owned() };
        let refused = read([tag("1"), tag("2")].into_iter()).err();
        assert_eq!(refused.as_ref().and_then(undercast_kernel::Failure::code), Some("TagException"));
    }
}
