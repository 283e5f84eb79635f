//! Tags of access points and buckets, by ARN.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use super::api::{self, output};
use super::rows::{POINTS, Point};
use super::{error, via};
use crate::rows::{BUCKETS, Bucket, SETTINGS};
use crate::{buckets, tagging};

/// A resource has so many tags at most.
const MOST: usize = 50;

/// The tags of a request.
pub(crate) fn of(given: impl Iterator<Item = (String, String)>) -> Result<Tags> {
    let mut tags = Tags::new();
    for (key, value) in given {
        if tags.insert(key, value).is_some() {
            let message = "There are duplicate tag keys in your request. Remove the duplicate tag keys and try again.";
            return Err(AwsError::new("InvalidTag", 400, message).into());
        }
    }
    check(&tags)?;
    Ok(tags)
}

fn check(set: &Tags) -> Result<()> {
    let message = match tags::check(set, 0, MOST) {
        Ok(()) => return Ok(()),
        Err(BadTag::TooMany(most)) => {
            let message = format!("The number of tags exceeds the limit of {most} tags.");
            return Err(AwsError::new("TooManyTags", 400, message).into());
        }
        Err(BadTag::Reserved(_)) => {
            "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \"aws:\" from your tag keys and try again."
        }
        Err(BadTag::KeyLength(_) | BadTag::ValueLength(_) | BadTag::Character(_)) => error::INVALID_TAG,
    };
    Err(AwsError::new("InvalidTag", 400, message).into())
}

/// What has tags.
enum Tagged {
    Point(Box<Point>),
    Bucket(Box<Bucket>),
}

impl Tagged {
    /// The resource with an ARN.
    fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Self> {
        let missing = || AwsError::new("NoSuchResource", 404, "The specified resource doesn't exist.");
        if let Some((account, region, name)) = via::of_arn(arn) {
            let own = account == cx.account() && region == cx.region();
            let point = if own { POINTS.get(from, &cx.key(&name))? } else { None };
            return Ok(Self::Point(Box::new(point.ok_or_else(missing)?)));
        }
        let Some(name) = arn.strip_prefix(&format!("arn:{}:s3:::", cx.partition())) else {
            return Err(Failure::not_built(format!("tags of {arn}: resources other than buckets and access points")));
        };
        let bucket = BUCKETS.get(from, &(name,))?.filter(|b| b.account == cx.account() && b.region == cx.region());
        Ok(Self::Bucket(Box::new(bucket.ok_or_else(missing)?)))
    }

    fn tags(&self, from: &(impl Read + ?Sized)) -> Result<Tags> {
        match self {
            Self::Point(point) => Ok(point.tags.clone()),
            Self::Bucket(bucket) => Ok(buckets::tags(from, bucket)?.unwrap_or_default()),
        }
    }

    fn keep(self, tx: &mut Tx<'_>, tags: Tags) -> Result<()> {
        match self {
            Self::Point(mut point) => {
                point.tags = tags;
                POINTS.put(tx, &(&point.account, &point.region, &point.name), &point);
            }
            Self::Bucket(bucket) if tags.is_empty() => SETTINGS.delete(tx, &bucket.key(buckets::TAGS)),
            Self::Bucket(bucket) => SETTINGS.put(tx, &bucket.key(buckets::TAGS), &tagging::text(&tags)?),
        }
        Ok(())
    }
}

pub(crate) async fn add(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    let more = of(input.tags.into_iter().map(|t| (t.key, t.value)))?;
    cx.write(|tx| {
        let found = Tagged::find(cx, tx, &input.resource_arn)?;
        let mut tags = found.tags(tx)?;
        tags.extend(more.clone());
        check(&tags)?;
        found.keep(tx, tags)
    })
    .await
}

pub(crate) async fn remove(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    cx.write(|tx| {
        let found = Tagged::find(cx, tx, &input.resource_arn)?;
        let mut tags = found.tags(tx)?;
        tags.retain(|key, _| !input.tag_keys.contains(key));
        found.keep(tx, tags)
    })
    .await
}

pub(crate) fn list(cx: &Cx, arn: &str) -> Result<api::ListTagsForResourceOutput> {
    let from = cx.read();
    let tags = Tagged::find(cx, &from, arn)?.tags(&from)?;
    let tags = tags.into_iter().map(|(key, value)| output::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}
