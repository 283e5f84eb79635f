//! Server access logs: a line a request, brought to another bucket in files.
//!
//! Lines are rows until a task makes files of them. A line may be lost in a crash, as AWS promises no more than to do its best.
//!
//! Source: "Logging requests with server access logging" and "Amazon S3 server access log format" in the user guide.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Order, Table};
use undercast_kernel::{AwsError, Body, Cx, Exchange, Failure, Next, Result, SignedIn, Task, Timestamp};
use undercast_wire::protocol::host_id;
use undercast_wire::schema::Operation;

use crate::acl;
use crate::api;
use crate::api::kept::{LoggingEnabled, PartitionedPrefix};
use crate::rows::{BUCKETS, Bucket, Ownership};
use crate::settings::Setting;
use crate::{bucket, error};

/// Account, region, bucket, time and id → a line that is to be delivered.
pub(crate) static LINES: Table<Line> = Table::new("s3.log_lines");

/// Who delivers.
pub(crate) const PRINCIPAL: &str = "logging.s3.amazonaws.com";

/// Lines wait so long for others to go with them, in milliseconds. AWS says: a few hours; nobody wants to wait for that here.
const WAIT: i64 = 60 * 1000;

/// A file has so many lines at most.
const MOST_LINES: usize = 10_000;

/// A line of a log.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Line {
    #[n(0)]
    text: String,
    /// Milliseconds since 1970.
    #[n(1)]
    at: i64,
}

/// Where the logs of a bucket go, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Logging {
    enabled: LoggingEnabled,
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketLoggingInput) -> Result<()> {
    let (name, owner) = (input.bucket.as_str(), input.expected_bucket_owner.as_deref());
    let Some(enabled) = input.bucket_logging_status.logging_enabled else {
        return Setting::Logging.delete(cx, name, owner).await;
    };
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, name, owner)?;
        let target = BUCKETS.get(tx, &(&enabled.target_bucket,))?.filter(|t| t.account == bucket.account);
        let target = target.ok_or_else(|| {
            let message = "The target bucket for logging does not exist";
            AwsError::new("InvalidTargetBucketForLogging", 400, message)
                .with("TargetBucket", enabled.target_bucket.as_str())
        })?;
        if target.region != bucket.region {
            let message = "Cross S3 location logging not allowed. ";
            return Err(AwsError::new("CrossLocationLoggingProhibitted", 403, message).into());
        }
        let granted = enabled.target_grants.as_ref().is_some_and(|g| !g.is_empty());
        if granted && target.ownership == Ownership::Enforced {
            return Err(error::acl_not_supported().into());
        }
        if let Some(format) = &enabled.target_object_key_format
            && format.simple_prefix.is_some() == format.partitioned_prefix.is_some()
        {
            return Err(error::malformed_xml().into());
        }
        Setting::Logging.put(tx, &mut bucket, &Logging { enabled: enabled.clone() })
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketLoggingInput) -> Result<api::GetBucketLoggingOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (_, found) = Setting::Logging.of_call::<Logging>(cx, &input.bucket, owner)?;
    Ok(api::GetBucketLoggingOutput { logging_enabled: found.map(|f| f.enabled) })
}

/// What the log calls an operation: `REST.GET.OBJECT`.
fn operation_name(operation: Option<&Operation>) -> String {
    let Some(operation) = operation else { return "REST.POST.OBJECT".to_owned() };
    let what = match operation.name {
        "CopyObject" => return "REST.COPY.OBJECT".to_owned(),
        "UploadPartCopy" => return "REST.COPY.PART".to_owned(),
        "GetObject" | "PutObject" | "HeadObject" | "DeleteObject" => "OBJECT",
        "DeleteObjects" => "MULTI_OBJECT_DELETE",
        "CreateMultipartUpload" | "ListMultipartUploads" => "UPLOADS",
        "CompleteMultipartUpload" | "AbortMultipartUpload" | "ListParts" => "UPLOAD",
        "UploadPart" => "PART",
        "ListObjects" | "ListObjectsV2" | "CreateBucket" | "DeleteBucket" | "HeadBucket" => "BUCKET",
        "ListObjectVersions" => "BUCKETVERSIONS",
        "GetObjectTagging" | "PutObjectTagging" | "DeleteObjectTagging" => "OBJECT_TAGGING",
        "GetBucketPolicy" | "PutBucketPolicy" | "DeleteBucketPolicy" => "BUCKETPOLICY",
        "RestoreObject" => "RESTORE",
        // Of the others the subresource is the name.
        _ => {
            let query = operation.http.uri.split_once('?').map_or("BUCKET", |(_, q)| q);
            let name = query.split('&').next().unwrap_or(query).split('=').next().unwrap_or(query);
            return format!("REST.{}.{}", operation.http.method, name.replace('-', "_").to_uppercase());
        }
    };
    format!("REST.{}.{what}", operation.http.method)
}

fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).map_or("-".to_owned(), |t| t.replace([' ', '\n', '\r'], "+"))
}

fn quoted(text: Option<&str>) -> String {
    format!("\"{}\"", text.filter(|t| !t.is_empty()).unwrap_or("-").replace('"', "%22"))
}

/// A request that was answered, as the log needs it.
struct Seen<'a> {
    cx: &'a Cx,
    exchange: &'a Exchange,
}

impl Seen<'_> {
    /// The key in the path, encoded as logs have it.
    fn key(&self) -> Option<String> {
        let (_, key) = self.exchange.request.path.strip_prefix('/')?.split_once('/')?;
        (!key.is_empty()).then(|| key.to_owned())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.exchange.response.headers.get(name).and_then(|v| v.to_str().ok())
    }

    fn requester(&self) -> String {
        match &self.cx.principal().kind {
            PrincipalKind::Anonymous => "-".to_owned(),
            PrincipalKind::Root => acl::user(&self.cx.principal().account),
            _ => self.cx.principal().arn.clone(),
        }
    }

    fn line(&self, bucket: &Bucket) -> String {
        let (cx, origin) = (self.cx, self.cx.origin());
        let time = cx.now().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let query = if self.exchange.request.query.is_empty() {
            String::new()
        } else {
            format!("?{}", self.exchange.request.query)
        };
        let uri = format!("{} {}{query} HTTP/1.1", self.exchange.request.method, self.exchange.request.path);
        let name = self.exchange.operation.map_or("", |o| o.name);
        let length = self.header("content-length").map(ToOwned::to_owned);
        let sent = Some(self.exchange.sent).filter(|s| *s > 0);
        let total = self.header("content-range").and_then(|r| r.rsplit('/').next()).map(ToOwned::to_owned);
        let size = match name {
            "GetObject" | "HeadObject" => total.or(length),
            "PutObject" => Some(self.exchange.received.to_string()),
            _ => None,
        };
        let (version, auth) = match &origin.signed {
            Some(signed) => (
                Some(if signed.version.starts_with("AWS4") { "SigV4" } else { "SigV2" }),
                Some(match signed.place {
                    SignedIn::Header => "AuthHeader",
                    SignedIn::Query => "QueryString",
                    SignedIn::Form => "PostPolicy",
                }),
            ),
            None => (None, None),
        };
        let fields = [
            acl::user(&bucket.account),
            bucket.name.clone(),
            format!("[{time}]"),
            origin.address.map_or("-".to_owned(), |a| a.to_string()),
            self.requester(),
            cx.request_id().to_owned(),
            operation_name(self.exchange.operation),
            or_dash(self.key().as_deref()),
            quoted(Some(&uri)),
            self.exchange.response.status.to_string(),
            or_dash(self.exchange.error.as_deref()),
            or_dash(sent.map(|s| s.to_string()).as_deref()),
            or_dash(size.as_deref()),
            self.exchange.total.as_millis().to_string(),
            self.exchange.processing.as_millis().to_string(),
            quoted(self.exchange.request.header("referer")),
            quoted(Some(&origin.user_agent)),
            or_dash(self.header("x-amz-version-id")),
            host_id(cx.request_id()),
            or_dash(version),
            "-".to_owned(),
            or_dash(auth),
            or_dash(Some(&origin.host)),
            "-".to_owned(),
            or_dash(bucket.via.as_ref().map(|via| via.arn.as_str())),
            "-".to_owned(),
        ];
        fields.join(" ")
    }
}

/// A request was answered: its bucket's log gets a line.
pub(crate) fn log(cx: &Cx, bucket: Bucket, exchange: &Exchange) {
    let text = Seen { cx, exchange }.line(&bucket);
    let (work, line) = (cx.clone(), Line { text, at: cx.now_millis() });
    cx.spawn(async move {
        if let Err(failure) = keep(&work, &bucket, line).await {
            tracing::warn!(bucket = bucket.name, error = &failure as &dyn std::error::Error, "a line of a log is lost");
        }
    });
}

async fn keep(cx: &Cx, bucket: &Bucket, line: Line) -> Result<()> {
    let id = format!("{:013} {}", line.at, cx.request_id());
    let due = Timestamp::from_millisecond(line.at + WAIT).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let task = format!("log {}", bucket.name);
    cx.write(|tx| {
        LINES.put(tx, &bucket.key(&id), &line);
        cx.tasks().schedule_sooner(&owner, tx, "s3", &task, "log", bucket.name.clone(), due)
    })
    .await
}

/// The name of a file, made when `at`.
fn file_name(cx: &Cx, bucket: &Bucket, enabled: &LoggingEnabled, first: i64, now: i64) -> String {
    let moment = |millis: i64| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    let unique = cx.random().text(16, "0123456789ABCDEF");
    let stamp = |at: i64| format!("{}-{unique}", moment(at).strftime("%Y-%m-%d-%H-%M-%S"));
    let partitioned = enabled.target_object_key_format.as_ref().and_then(|f| f.partitioned_prefix.as_ref());
    let prefix = &enabled.target_prefix;
    let Some(PartitionedPrefix { partition_date_source }) = partitioned else {
        return format!("{prefix}{}", stamp(now));
    };
    let by_event = partition_date_source.as_deref() == Some("EventTime");
    let at = if by_event { first.div_euclid(DAY) * DAY } else { now };
    let day = moment(at).strftime("%Y/%m/%d").to_string();
    format!("{prefix}{}/{}/{}/{day}/{}", bucket.account, bucket.region, bucket.name, stamp(at))
}

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The grants on a file, as the headers of a `PutObject`.
fn grants(enabled: &LoggingEnabled) -> serde_json::Map<String, serde_json::Value> {
    let mut headers: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
    for grant in enabled.target_grants.iter().flatten() {
        let Some(grantee) = &grant.grantee else { continue };
        let who = match (&grantee.id, &grantee.uri, &grantee.email_address) {
            (Some(id), _, _) => format!("id=\"{id}\""),
            (_, Some(uri), _) => format!("uri=\"{uri}\""),
            (_, _, address) => format!("emailAddress=\"{}\"", address.as_deref().unwrap_or("")),
        };
        let header = match grant.permission.as_deref() {
            Some("READ") => "GrantRead",
            Some("WRITE") => "GrantWriteACP",
            _ => "GrantFullControl",
        };
        let before = headers.get(header).and_then(serde_json::Value::as_str).map(|b| format!("{b}, "));
        let all = format!("{}{who}", before.unwrap_or_else(String::new));
        headers.insert(header.to_owned(), all.into());
    }
    headers
}

/// Makes a file of the lines that wait.
pub(crate) async fn deliver(cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&task.payload,))? else { return Ok(Next::Done) };
    let lines = LINES.page(&from, &bucket.all(), None::<&()>, Order::Ascending, MOST_LINES)?;
    let (Some(first), Some(logging)) = (lines.first(), Setting::Logging.get::<Logging>(&from, &bucket)?) else {
        // Nobody wants them any more.
        cx.write(|tx| LINES.clear(tx, &bucket.all()).map_err(Failure::from)).await?;
        return Ok(Next::Done);
    };
    let key = file_name(cx, &bucket, &logging.enabled, first.row.at, cx.now_millis());
    let text: String = lines.iter().map(|l| format!("{}\n", l.row.text)).collect();
    let mut input = grants(&logging.enabled);
    input.insert("Bucket".to_owned(), logging.enabled.target_bucket.clone().into());
    input.insert("Key".to_owned(), key.into());
    input.insert("ContentType".to_owned(), "text/plain".into());
    input.insert("ContentLength".to_owned(), text.len().into());
    let s3 = cx.elsewhere(&bucket.account, &bucket.region).as_service(PRINCIPAL, Some(&bucket.arn()));
    let body = Body::from(undercast_kernel::Bytes::from(text));
    match s3.call_with_body("s3", "PutObject", json!(input), Some(body)).await {
        Ok(_) => {}
        // A target that takes none gets none: AWS drops what it cannot deliver.
        Err(Failure::Aws(error)) => tracing::warn!(bucket = bucket.name, %error, "a log cannot be delivered"),
        Err(failure) => return Err(failure),
    }
    let more = lines.len() == MOST_LINES;
    let ids: Vec<String> = lines.iter().filter_map(|l| Some(l.key::<(String, String, String, String)>()?.3)).collect();
    cx.write(|tx| {
        ids.iter().for_each(|id| LINES.delete(tx, &bucket.key(id)));
        Ok(())
    })
    .await?;
    let left = more || !LINES.page(&cx.read(), &bucket.all(), None::<&()>, Order::Ascending, 1)?.is_empty();
    Ok(if left { Next::Again(cx.now()) } else { Next::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_operations() {
        let name = |operation: &str| {
            api::SERVICE
                .operations
                .iter()
                .find(|o| o.name == operation)
                .map(|o| operation_name(Some(o)))
                .unwrap_or_default()
        };
        for (operation, wanted) in [
            ("GetObject", "REST.GET.OBJECT"),
            ("CopyObject", "REST.COPY.OBJECT"),
            ("GetBucketVersioning", "REST.GET.VERSIONING"),
            ("PutBucketLogging", "REST.PUT.LOGGING"),
            ("DeleteObjects", "REST.POST.MULTI_OBJECT_DELETE"),
        ] {
            assert_eq!(name(operation), wanted);
        }
    }
}
