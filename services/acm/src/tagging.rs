//! Tags of certificates.

use undercast_kernel::store::Tx;
use undercast_kernel::tags::{BadTag, Tags, check};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, input, output};
use crate::error;
use crate::rows::{CERTIFICATES, Certificate, find};

/// A resource has so many tags at most.
const MOST: usize = 50;

fn refused(why: &BadTag) -> Failure {
    match why {
        BadTag::TooMany(_) => errors::too_many_tags_exception(why.to_string()).into(),
        _ => errors::invalid_tag_exception(why.to_string()).into(),
    }
}

/// The tags of a request, each key once.
fn read(given: &[input::Tag]) -> Result<Tags> {
    let mut tags = Tags::new();
    for tag in given {
        let value = tag.value.as_deref().unwrap_or_default();
        if tags.insert(tag.key.clone(), value.to_owned()).is_some() {
            return Err(error::parameter(format!("The tag key {} is there twice.", tag.key)));
        }
    }
    Ok(tags)
}

/// The tags of a request for something new.
pub(crate) fn given(given: Option<&[input::Tag]>) -> Result<Tags> {
    let tags = read(given.unwrap_or_default())?;
    check(&tags, 0, MOST).map_err(|why| refused(&why))?;
    Ok(tags)
}

/// The tags of a request about ACME, whose operations know one error for all that is wrong with tags.
pub(crate) fn of_acme(given: Option<&[input::Tag]>) -> Result<Tags> {
    let tags = read(given.unwrap_or_default()).map_err(|_| error::validation("A tag key is there twice."))?;
    check(&tags, 0, MOST).map_err(|why| error::validation(why.to_string()))?;
    Ok(tags)
}

pub(crate) fn shown(tags: &Tags) -> Vec<output::Tag> {
    tags.iter().map(|(key, value)| output::Tag { key: key.clone(), value: Some(value.clone()) }).collect()
}

async fn change(cx: &Cx, arn: &str, change: impl Fn(&mut Certificate) -> Result<()>) -> Result<()> {
    cx.write(|tx: &mut Tx<'_>| {
        let mut certificate = find(cx, tx, arn)?;
        change(&mut certificate)?;
        CERTIFICATES.put(tx, &certificate.key(), &certificate);
        Ok(())
    })
    .await
}

/// `AddTagsToCertificate`: a tag takes the place of one of the same key.
pub(crate) async fn add(cx: &Cx, input: &api::AddTagsToCertificateInput) -> Result<()> {
    let tags = read(&input.tags)?;
    change(cx, &input.certificate_arn, |certificate| {
        let others = certificate.tags.keys().filter(|key| !tags.contains_key(*key)).count();
        check(&tags, others, MOST).map_err(|why| refused(&why))?;
        certificate.tags.extend(tags.clone());
        Ok(())
    })
    .await
}

/// `RemoveTagsFromCertificate`: one that is named with a value goes only if it has that value.
pub(crate) async fn remove(cx: &Cx, input: &api::RemoveTagsFromCertificateInput) -> Result<()> {
    check(&read(&input.tags)?, 0, MOST).map_err(|why| refused(&why))?;
    change(cx, &input.certificate_arn, |certificate| {
        let goes = |key: &String, value: &String| {
            input.tags.iter().any(|tag| tag.key == *key && tag.value.as_ref().is_none_or(|named| named == value))
        };
        certificate.tags.retain(|key, value| !goes(key, value));
        Ok(())
    })
    .await
}

/// `ListTagsForCertificate`
pub(crate) fn list(cx: &Cx, input: &api::ListTagsForCertificateInput) -> Result<api::ListTagsForCertificateOutput> {
    let certificate = find(cx, &cx.read(), &input.certificate_arn)?;
    Ok(api::ListTagsForCertificateOutput { tags: Some(shown(&certificate.tags)) })
}
