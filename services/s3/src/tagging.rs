//! Tags of objects, and the rules that those of buckets share.

use undercast_kernel::tags::{self, BadTag, Tags};
use undercast_kernel::{AwsError, Cx, Failure, Result};
use undercast_wire::Value;
use undercast_wire::schema::Shape;
use undercast_wire::text::{pairs, percent_encode};

use crate::api::{self, output};
use crate::events::{self, Event};
use crate::objects::existing;
use crate::versions::{self, Moment};
use crate::{bucket, error};

/// Whose tags they are: it decides how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Object,
    Bucket,
}

/// The tags of a set in a request's body.
pub(crate) fn of_set(set: impl Iterator<Item = (String, String)>, of: Of) -> Result<Tags> {
    let mut tags = Tags::new();
    for (key, value) in set {
        if tags.contains_key(&key) {
            return Err(error::invalid_tag("Cannot provide multiple Tags with the same key", &key).into());
        }
        tags.insert(key, value);
    }
    check(tags, of)
}

fn check(set: Tags, of: Of) -> Result<Tags> {
    let (most, whose) = match of {
        Of::Object => (10, "Object"),
        Of::Bucket => (50, "Bucket"),
    };
    let error = match tags::check(&set, 0, most) {
        Ok(()) => return Ok(set),
        Err(BadTag::TooMany(most)) => {
            AwsError::new("BadRequest", 400, format!("{whose} tags cannot be greater than {most}"))
        }
        Err(BadTag::KeyLength(key) | BadTag::Character(key)) => {
            error::invalid_tag("The TagKey you have provided is invalid", &key)
        }
        Err(BadTag::ValueLength(key)) => error::invalid_tag("The TagValue you have provided is invalid", &key),
        Err(BadTag::Reserved(key)) => error::invalid_tag("System tags cannot be added/updated by requester", &key),
    };
    Err(error.into())
}

/// The tags of an `x-amz-tagging` header: `a=1&b=2`.
pub(crate) fn of_header(header: &str) -> Result<Tags> {
    let wrong = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        error::invalid_argument(message, "x-amz-tagging", header)
    };
    let mut tags = Tags::new();
    for (key, value) in pairs(header).ok_or_else(wrong)? {
        if tags.insert(key, value).is_some() {
            return Err(wrong().into());
        }
    }
    check(tags, Of::Object)
}

/// The `x-amz-tagging` header of the XML that a form's field has.
pub(crate) fn header_of_xml(xml: &str) -> Result<String> {
    let operation = api::SERVICE.operations.iter().find(|o| o.name == "PutObjectTagging");
    let schema = operation.and_then(|o| o.input.payload()).and_then(|m| match m.shape {
        Shape::Structure(schema) => Some(schema),
        _ => None,
    });
    let schema = schema.ok_or_else(|| Failure::broken("PutObjectTagging has no body"))?;
    let read = undercast_wire::xml_read::structure(xml.as_bytes(), schema, &mut Vec::new());
    let fields = read.map_err(|_| error::malformed_xml())?;
    let Some(Value::List(tags)) = fields.get("TagSet") else { return Err(error::malformed_xml().into()) };
    let encode = |text: Option<&str>| {
        let mut out = String::new();
        percent_encode(text.unwrap_or(""), false, &mut out);
        out
    };
    let pairs: Vec<String> =
        tags.iter().map(|t| format!("{}={}", encode(t.text("Key")), encode(t.text("Value")))).collect();
    Ok(pairs.join("&"))
}

/// Tags as a setting keeps them.
pub(crate) fn text(tags: &Tags) -> Result<String> {
    serde_json::to_string(tags).map_err(Failure::broken)
}

/// Tags as answers show them.
pub(crate) fn shown(tags: &Tags) -> Vec<output::Tag> {
    tags.iter().map(|(k, v)| output::Tag { key: k.clone(), value: v.clone() }).collect()
}

pub(crate) async fn put(cx: &Cx, input: api::PutObjectTaggingInput) -> Result<api::PutObjectTaggingOutput> {
    let tags = of_set(input.tagging.tag_set.into_iter().map(|t| (t.key, t.value)), Of::Object)?;
    let version_id =
        set(cx, &input.bucket, &input.key, input.version_id.as_deref(), input.expected_bucket_owner.as_deref(), &tags)
            .await?;
    Ok(api::PutObjectTaggingOutput { version_id })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteObjectTaggingInput) -> Result<api::DeleteObjectTaggingOutput> {
    let none = Tags::new();
    let version_id =
        set(cx, &input.bucket, &input.key, input.version_id.as_deref(), input.expected_bucket_owner.as_deref(), &none)
            .await?;
    Ok(api::DeleteObjectTaggingOutput { version_id })
}

async fn set(
    cx: &Cx,
    name: &str,
    key: &str,
    version: Option<&str>,
    owner: Option<&str>,
    tags: &Tags,
) -> Result<Option<String>> {
    let moment = Moment::of(cx);
    let event = if tags.is_empty() { Event::TaggingDelete } else { Event::TaggingPut };
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, name, owner)?;
        let mut object = existing(tx, &bucket, key, version)?;
        object.tags.clone_from(tags);
        versions::put_back(tx, &bucket, key, &object)?;
        events::emit(cx, tx, &bucket, event, key, Some(&object), moment)?;
        Ok(object.shown_version(&bucket))
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetObjectTaggingInput) -> Result<api::GetObjectTaggingOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    Ok(api::GetObjectTaggingOutput { version_id: object.shown_version(&bucket), tag_set: shown(&object.tags) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_in_a_header() {
        let tags = of_header("a=1&b=x%20y&c").map(|t| t.into_iter().collect::<Vec<_>>());
        let wanted = [("a", "1"), ("b", "x y"), ("c", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        assert_eq!(tags.ok(), Some(wanted));
        for (header, code) in [
            ("a=1&a=2", "InvalidArgument"),
            ("aws:x=1", "InvalidTag"),
            ("=1", "InvalidTag"),
            ("a=%zz", "InvalidArgument"),
        ] {
            assert_eq!(
                of_header(header).err().and_then(|e| e.code().map(ToOwned::to_owned)).as_deref(),
                Some(code),
                "{header}"
            );
        }
    }
}
