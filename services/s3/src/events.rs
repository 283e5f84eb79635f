//! What happened to objects, told to those whom a bucket's rules name. A notification is a task stored with the writing
//! that it tells of, so it is neither lost nor made up.
//!
//! Source: "Event message structure" in the user guide.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp, auth};
use undercast_wire::protocol::host_id;
use undercast_wire::text::base64;

use crate::lifecycle::Ages;
use crate::notifications::{self, To};
use crate::rows::{Bucket, Object, Restoration};
use crate::versions::Moment;
use crate::{bridge, lifecycle, replicate, tiering};

/// The principal that S3 is to the destinations.
pub(crate) const PRINCIPAL: &str = "s3.amazonaws.com";

/// A destination that refuses is asked so often, then the notification is given up.
const ATTEMPTS: u32 = 10;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Put,
    Post,
    Copy,
    Complete,
    Delete,
    MarkerCreated,
    TaggingPut,
    TaggingDelete,
    AnnotationPut,
    AnnotationDelete,
    AclPut,
    RestorePost,
    RestoreCompleted,
    RestoreDelete,
    LifecycleTransition,
    LifecycleDelete,
    LifecycleMarkerCreated,
    /// It was moved into an archive of INTELLIGENT_TIERING.
    Tiered,
    RetentionPut,
    /// S3 tells nobody of it; replication takes it along.
    HoldPut,
    ReplicationFailed,
    ReplicationMissed,
    ReplicationLate,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::Complete => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::MarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
            Self::AnnotationPut => "ObjectAnnotation:Put",
            Self::AnnotationDelete => "ObjectAnnotation:Delete",
            Self::AclPut => "ObjectAcl:Put",
            Self::RestorePost => "ObjectRestore:Post",
            Self::RestoreCompleted => "ObjectRestore:Completed",
            Self::RestoreDelete => "ObjectRestore:Delete",
            Self::LifecycleTransition => "LifecycleTransition",
            Self::LifecycleDelete => "LifecycleExpiration:Delete",
            Self::LifecycleMarkerCreated => "LifecycleExpiration:DeleteMarkerCreated",
            Self::Tiered => "IntelligentTiering",
            Self::RetentionPut => "ObjectRetention:Put",
            Self::HoldPut => "ObjectLegalHold:Put",
            Self::ReplicationFailed => "Replication:OperationFailedReplication",
            Self::ReplicationMissed => "Replication:OperationMissedThreshold",
            Self::ReplicationLate => "Replication:OperationReplicatedAfterThreshold",
        }
    }
}

impl Event {
    /// Whose age counts for lifecycle rules from now on.
    fn ages(self) -> Ages {
        match self {
            Self::Delete
            | Self::TaggingPut
            | Self::TaggingDelete
            | Self::RetentionPut
            | Self::HoldPut
            | Self::LifecycleDelete
            | Self::LifecycleMarkerCreated => Ages::Old,
            _ => Ages::New,
        }
    }

    /// The version of the structure that its records have.
    fn version(self) -> &'static str {
        match self {
            Self::ReplicationFailed | Self::ReplicationMissed | Self::ReplicationLate => "2.2",
            Self::TaggingPut
            | Self::TaggingDelete
            | Self::AclPut
            | Self::LifecycleTransition
            | Self::LifecycleDelete
            | Self::LifecycleMarkerCreated
            | Self::Tiered => "2.3",
            // They are younger than the versions that differ by event.
            Self::AnnotationPut | Self::AnnotationDelete => "2.5",
            _ => "2.1",
        }
    }
}

/// What a task needs to deliver.
#[derive(Debug, Serialize, Deserialize)]
struct Delivery {
    bucket: String,
    to: To,
    arn: String,
    message: String,
}

/// Something happened: what follows from it is stored with the writing that made it. `object`: what the event is about, as
/// it is now, or the version that went.
pub(crate) fn emit(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    event: Event,
    key: &str,
    object: Option<&Object>,
    moment: Moment,
) -> Result<()> {
    lifecycle::notice(cx, tx, bucket, event.ages())?;
    if let Some(object) = object {
        if matches!(event, Event::TaggingPut | Event::TaggingDelete) {
            tiering::notice(cx, tx, bucket, object)?;
        }
        replicate::notice(cx, tx, bucket, event, key, object)?;
    }
    tell(cx, tx, bucket, event, key, object, moment, None)
}

/// Schedules the notifications of an event. `more`: what its record has besides what all have.
pub(crate) fn tell(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    event: Event,
    key: &str,
    object: Option<&Object>,
    moment: Moment,
    more: Option<&(&'static str, Json)>,
) -> Result<()> {
    if !bucket.notifies {
        return Ok(());
    }
    let name = event.name();
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let told = notifications::told(tx, bucket)?;
    if told.bridge {
        bridge::tell(cx, tx, bucket, event, key, object, moment)?;
    }
    for rule in told.rules.into_iter().filter(|r| r.wants(name, key)) {
        let mut record = record(cx, bucket, event, &rule.id, key, object, moment);
        let besides = more.cloned().or_else(|| besides(event, object));
        if let (Some((name, data)), Json::Object(record)) = (besides, &mut record["Records"][0]) {
            record.insert(name.to_owned(), data);
        }
        let message = record.to_string();
        let delivery = Delivery { bucket: bucket.name.clone(), to: rule.to, arn: rule.arn, message };
        let payload = serde_json::to_string(&delivery).map_err(Failure::broken)?;
        cx.tasks().schedule(&owner, tx, "s3", &cx.random().uuid(), "notify", payload, cx.now())?;
    }
    Ok(())
}

/// What the records of some events have besides what all have.
///
/// Source: "Event message structure" in the user guide: `glacierEventData`, `lifecycleEventData`,
/// `intelligentTieringEventData`.
fn besides(event: Event, object: Option<&Object>) -> Option<(&'static str, Json)> {
    let object = object?;
    let class = object.storage_class.as_deref().unwrap_or("STANDARD");
    match (event, object.restoration) {
        (Event::RestoreCompleted, Some(Restoration::Until(until))) => {
            let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::UNIX_EPOCH);
            let data = json!({"lifecycleRestorationExpiryTime": iso(until), "lifecycleRestoreStorageClass": class});
            Some(("glacierEventData", json!({"restoreEventData": data})))
        }
        (Event::LifecycleTransition, _) => {
            let data = json!({"transitionEventData": {"destinationStorageClass": class}});
            Some(("lifecycleEventData", data))
        }
        (Event::Tiered, _) => {
            let data = json!({"destinationAccessTier": object.tiered?.archive?.name()});
            Some(("intelligentTieringEventData", data))
        }
        _ => None,
    }
}

/// A moment with milliseconds, always.
pub(crate) fn iso(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or(&text).to_owned();
    format!("{seconds}.{:03}Z", at.as_millisecond().rem_euclid(1000))
}

fn principal(cx: &Cx) -> String {
    match &cx.principal().kind {
        PrincipalKind::Anonymous => "Anonymous".to_owned(),
        PrincipalKind::Service { name } if name == PRINCIPAL => name.clone(),
        PrincipalKind::Service { name } => format!("AWS:{name}"),
        _ => format!("AWS:{}", cx.principal().user_id),
    }
}

/// Keys in records are encoded as in forms: a space is a plus.
fn encoded(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 8);
    undercast_wire::text::percent_encode(key, true, &mut out);
    out.replace("%20", "+")
}

fn record(
    cx: &Cx,
    bucket: &Bucket,
    event: Event,
    rule: &str,
    key: &str,
    object: Option<&Object>,
    moment: Moment,
) -> Json {
    let mut what = serde_json::Map::new();
    what.insert("key".to_owned(), encoded(key).into());
    if let Some(object) = object {
        let created = matches!(event, Event::Put | Event::Post | Event::Copy | Event::Complete);
        if created || event == Event::Tiered {
            what.insert("size".to_owned(), object.size.into());
        }
        let changed = matches!(event, Event::TaggingPut | Event::TaggingDelete | Event::Tiered)
            || matches!(event, Event::AnnotationPut | Event::AnnotationDelete);
        if created || changed {
            what.insert("eTag".to_owned(), object.etag.clone().into());
        }
        if event == Event::MarkerCreated {
            // The tag of nothing.
            what.insert("eTag".to_owned(), "d41d8cd98f00b204e9800998ecf8427e".into());
        }
        if let Some(version) = object.shown_version(bucket).filter(|v| v != crate::versions::NULL) {
            what.insert("versionId".to_owned(), version.into());
        }
    }
    what.insert("sequencer".to_owned(), moment.sequencer(object).into());
    let address = cx
        .origin()
        .address
        .map_or_else(|| cx.origin().service.as_ref().map_or_else(String::new, |s| s.0.clone()), |a| a.to_string());
    json!({"Records": [{
        "eventVersion": event.version(),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso(cx.now()),
        "eventName": event.name(),
        "userIdentity": {"principalId": principal(cx)},
        "requestParameters": {"sourceIPAddress": address},
        "responseElements": {"x-amz-request-id": cx.request_id(), "x-amz-id-2": host_id(cx.request_id())},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": owner_id(&bucket.account)},
                "arn": bucket.arn(),
            },
            "object": what,
        },
    }]})
}

/// The short id that records have for the bucket's owner: capital letters and digits, made from the account.
fn owner_id(account: &str) -> String {
    let hash = auth::canonical_user(account);
    format!("A{}", hash.to_uppercase().chars().take(13).collect::<String>())
}

/// The event that tells a new destination that it works.
pub(crate) fn test(cx: &Cx, bucket: &Bucket) -> String {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso(cx.now()),
        "Bucket": bucket.name,
        "RequestId": cx.request_id(),
        "HostId": host_id(cx.request_id()),
    })
    .to_string()
}

/// S3 itself, acting for a bucket in its owner's account.
pub(crate) fn as_s3(cx: &Cx, bucket: &Bucket) -> Cx {
    cx.elsewhere(&bucket.account, &bucket.region).as_service(PRINCIPAL, Some(&bucket.arn()))
}

/// Sends a message to a destination.
pub(crate) async fn send(cx: &Cx, bucket: &Bucket, to: To, arn: &str, message: &str) -> Result<()> {
    let cx = as_s3(cx, bucket);
    let sent = match to {
        To::Queue => {
            let Some(queue) = Arn::parse(arn) else { return Err(Failure::broken("a rule has a malformed ARN")) };
            let url = format!("http://{}/{}/{}", cx.kernel().settings().host, queue.account, queue.resource);
            cx.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": message})).await
        }
        To::Topic => {
            let input = json!({"TopicArn": arn, "Message": message, "Subject": "Amazon S3 Notification"});
            cx.call("sns", "Publish", input).await
        }
        To::Function => {
            let input = json!({"FunctionName": arn, "InvocationType": "Event", "Payload": base64(message.as_bytes())});
            cx.call("lambda", "Invoke", input).await
        }
    };
    sent.map(drop)
}

/// Delivers what a task says.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let delivery: Delivery = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    // The bucket may have gone since; what it told has happened all the same.
    let bucket = Bucket::new(&delivery.bucket, &task.account, &task.region, 0);
    match send(cx, &bucket, delivery.to, &delivery.arn, &delivery.message).await {
        Ok(()) => Ok(Next::Done),
        Err(failure @ (Failure::Aws(_) | Failure::NotBuilt { .. })) if task.attempts >= ATTEMPTS => {
            tracing::warn!(
                arn = delivery.arn,
                bucket = bucket.name,
                error = &failure as &dyn std::error::Error,
                "a notification is given up"
            );
            Ok(Next::Done)
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_milliseconds() {
        let at = |millis| Timestamp::from_millisecond(millis).map(iso).ok();
        assert_eq!(at(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(at(1_234).as_deref(), Some("1970-01-01T00:00:01.234Z"));
    }

    #[test]
    fn keys_are_encoded_as_in_forms() {
        assert_eq!(encoded("a b/c+d"), "a+b/c%2Bd");
    }
}
