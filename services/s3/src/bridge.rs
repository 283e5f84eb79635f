//! What happened to objects, as the rules of EventBridge may want it.
//!
//! Source: "Using EventBridge" and "EventBridge event message structure" in the user guide.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Result, Timestamp};

use crate::events::{Event, PRINCIPAL};
use crate::rows::{Archive, Bucket, Object, Restoration};
use crate::versions::{Moment, NULL};

/// What EventBridge calls an event, and the reason that it has, if any. `None`: it is not told of it.
fn kind(event: Event) -> Option<(&'static str, Option<&'static str>)> {
    Some(match event {
        Event::Put => ("Object Created", Some("PutObject")),
        Event::Post => ("Object Created", Some("POST Object")),
        Event::Copy => ("Object Created", Some("CopyObject")),
        Event::Complete => ("Object Created", Some("CompleteMultipartUpload")),
        Event::Delete | Event::MarkerCreated => ("Object Deleted", Some("DeleteObject")),
        Event::LifecycleDelete | Event::LifecycleMarkerCreated => ("Object Deleted", Some("Lifecycle Expiration")),
        Event::RestorePost => ("Object Restore Initiated", None),
        Event::RestoreCompleted => ("Object Restore Completed", None),
        Event::RestoreDelete => ("Object Restore Expired", None),
        Event::TaggingPut => ("Object Tags Added", None),
        Event::TaggingDelete => ("Object Tags Deleted", None),
        Event::AclPut => ("Object ACL Updated", None),
        Event::LifecycleTransition => ("Object Storage Class Changed", None),
        Event::Tiered => ("Object Access Tier Changed", None),
        Event::AnnotationPut
        | Event::AnnotationDelete
        | Event::RetentionPut
        | Event::HoldPut
        | Event::ReplicationFailed
        | Event::ReplicationMissed
        | Event::ReplicationLate => return None,
    })
}

/// What an event says of its object.
fn object(bucket: &Bucket, event: Event, key: &str, object: Option<&Object>, moment: Moment) -> Json {
    let mut what = Map::from_iter([("key".to_owned(), json!(key))]);
    let deleted = matches!(event, Event::Delete | Event::LifecycleDelete);
    let marker = matches!(event, Event::MarkerCreated | Event::LifecycleMarkerCreated);
    if let Some(object) = object {
        let changed = matches!(event, Event::TaggingPut | Event::TaggingDelete | Event::AclPut);
        if !deleted && !marker && !changed {
            what.insert("size".to_owned(), json!(object.size));
        }
        // The tag of nothing.
        let tag = if marker { "d41d8cd98f00b204e9800998ecf8427e" } else { &object.etag };
        what.insert("etag".to_owned(), json!(tag));
        if let Some(version) = object.shown_version(bucket).filter(|version| version != NULL) {
            what.insert("version-id".to_owned(), json!(version));
        }
    }
    if deleted || marker || kind(event).is_some_and(|(kind, _)| kind == "Object Created") {
        what.insert("sequencer".to_owned(), json!(moment.sequencer(object)));
    }
    Json::Object(what)
}

/// Who asked: an account, or a service.
fn requester(cx: &Cx) -> String {
    match &cx.principal().kind {
        PrincipalKind::Service { name } => name.clone(),
        PrincipalKind::Anonymous => "Anonymous".to_owned(),
        _ => cx.principal().account.clone(),
    }
}

/// What some events have besides what all have.
fn besides(event: Event, object: Option<&Object>, detail: &mut Json) {
    let Some(object) = object else { return };
    let class = object.storage_class.as_deref().unwrap_or("STANDARD");
    match event {
        Event::RestorePost => detail["source-storage-class"] = json!(class),
        Event::RestoreCompleted => {
            if let Some(Restoration::Until(until)) = object.restoration {
                let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::UNIX_EPOCH);
                detail["restore-expiry-time"] = json!(until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            }
            detail["source-storage-class"] = json!(class);
        }
        Event::LifecycleTransition => detail["destination-storage-class"] = json!(class),
        Event::Tiered => {
            detail["destination-access-tier"] = json!(object.tiered.and_then(|t| t.archive).map(Archive::name));
        }
        _ => {}
    }
}

/// Tells the bus of the bucket's account of an event.
pub(crate) fn tell(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    event: Event,
    key: &str,
    about: Option<&Object>,
    moment: Moment,
) -> Result<()> {
    let Some((kind, reason)) = kind(event) else { return Ok(()) };
    let mut detail = json!({
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": object(bucket, event, key, about, moment),
        "request-id": cx.request_id(),
        "requester": requester(cx),
    });
    if requester(cx) != PRINCIPAL
        && let Some(address) = cx.origin().address
    {
        detail["source-ip-address"] = json!(address.to_string());
    }
    if let Some(reason) = reason {
        detail["reason"] = json!(reason);
    }
    match event {
        Event::Delete | Event::LifecycleDelete => detail["deletion-type"] = json!("Permanently Deleted"),
        Event::MarkerCreated | Event::LifecycleMarkerCreated => {
            detail["deletion-type"] = json!("Delete Marker Created");
        }
        _ => besides(event, about, &mut detail),
    }
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    owner.announce(tx, &Announcement::new(&owner, "aws.s3", kind, bucket.arn(), detail))
}
