//! One operation on one object: the call of S3 or of a function that it is, under the job's role.

use futures_core::future::BoxFuture;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::{Cx, Failure, Result, Timestamp};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text::{base64, percent_encode, timestamp, unbase64};

use super::manifest::encoded;
use super::rows::{Entry, Job};
use super::{PRINCIPAL, sums};
use crate::{S3, replicate};

/// So many objects of a job are worked on at the same time.
const AT_ONCE: usize = 8;

/// What may pass is tried so often.
const ATTEMPTS: u32 = 3;

/// What became of the work on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Outcome {
    pub(crate) fn done(message: impl Into<String>) -> Self {
        Self { succeeded: true, status: 200, code: String::new(), message: message.into() }
    }

    pub(crate) fn failed(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { succeeded: false, status, code: code.to_owned(), message: message.into() }
    }

    /// What a refused call means. What broke here is tried again with all that was being worked on.
    fn of(failure: Failure) -> Result<Self> {
        match failure {
            failure @ Failure::Broken(_) => Err(failure),
            other => {
                let error = other.into_error("");
                Ok(Self::failed(error.status, &error.code, error.message))
            }
        }
    }

    fn may_pass(&self) -> bool {
        !self.succeeded && (self.status >= 500 || self.status == 429) && self.status != 501
    }
}

/// The job's role, as Batch Operations takes it on.
pub(crate) fn as_role(cx: &Cx, job: &Job) -> Cx {
    cx.refreshed().as_role(PRINCIPAL, &job.role, &format!("s3-batch-operations_{}", job.id))
}

/// The bucket in an ARN, as calls of S3 name it: its name, or the ARN of an access point.
pub(crate) fn bucket_of(arn: &str) -> String {
    arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":s3:::")).map_or(arn, |(_, name)| name).to_owned()
}

/// Works on some objects.
pub(crate) async fn on<'a>(cx: &Cx, job: &Job, some: &'a [(u64, Entry)]) -> Result<Vec<(u64, &'a Entry, Outcome)>> {
    let request: Json = serde_json::from_str(&job.request).map_err(Failure::broken)?;
    let operation = request.get("Operation").and_then(Json::as_object).and_then(|o| o.iter().next());
    let (name, operation) = operation.ok_or_else(|| cx.broken("a job without an operation"))?;
    let role = as_role(cx, job);
    let work: Vec<BoxFuture<'_, Result<_>>> = some
        .iter()
        .map(|(number, entry)| {
            let work = patiently(&role, job, name, operation, entry);
            let work = async move { work.await.map(|outcome| (*number, entry, outcome)) };
            Box::pin(work) as BoxFuture<'_, _>
        })
        .collect();
    let done: Vec<Result<_>> = stream::iter(work).buffered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn patiently(cx: &Cx, job: &Job, name: &str, operation: &Json, entry: &Entry) -> Result<Outcome> {
    let mut attempt = 1;
    loop {
        let outcome = match name {
            "LambdaInvoke" => invoke(cx, job, operation, entry).await?,
            "S3ReplicateObject" => replicate(cx, entry).await?,
            "S3ComputeObjectChecksum" => sums::compute(cx, operation, entry).await?,
            _ => call(cx, name, operation, entry).await?,
        };
        if attempt == ATTEMPTS || !(outcome.may_pass() || outcome.code == "TemporaryFailure") {
            return Ok(outcome);
        }
        attempt += 1;
    }
}

/// Replicates an object that is there. It is no call of the API, but a permission of its own.
async fn replicate(cx: &Cx, entry: &Entry) -> Result<Outcome> {
    let version = entry.version.as_deref();
    match replicate::existing(&S3::default(), cx, &entry.bucket, &entry.key, version).await {
        Ok(None) => Ok(Outcome::done("Successful")),
        // "You can also view these failure reasons in an S3 Batch Replication completion report."
        Ok(Some(why)) => {
            let status = match why {
                _ if why.ends_with("NotPermitted") => 403,
                _ if why.ends_with("NotFound") => 404,
                _ => 400,
            };
            Ok(Outcome::failed(status, why, "The version was not replicated to every destination"))
        }
        Err(failure) => Outcome::of(failure),
    }
}

async fn call(cx: &Cx, name: &str, operation: &Json, entry: &Entry) -> Result<Outcome> {
    let (call, mut input) = match name {
        "S3PutObjectCopy" => ("CopyObject", copy(operation, entry)),
        "S3PutObjectAcl" => ("PutObjectAcl", acl(operation)),
        "S3PutObjectTagging" => ("PutObjectTagging", json!({"Tagging": {"TagSet": operation.get("TagSet")}})),
        "S3DeleteObjectTagging" => ("DeleteObjectTagging", json!({})),
        "S3InitiateRestoreObject" => ("RestoreObject", restore(operation)),
        "S3PutObjectLegalHold" => ("PutObjectLegalHold", json!({"LegalHold": operation.get("LegalHold")})),
        "S3PutObjectRetention" => ("PutObjectRetention", operation.clone()),
        "S3UpdateObjectEncryption" => ("UpdateObjectEncryption", operation.clone()),
        other => return Err(cx.broken(format!("a job has the operation {other}"))),
    };
    if name != "S3PutObjectCopy"
        && let Some(input) = input.as_object_mut()
    {
        input.insert("Bucket".to_owned(), entry.bucket.clone().into());
        input.insert("Key".to_owned(), entry.key.clone().into());
        input.insert("VersionId".to_owned(), json!(entry.version));
    }
    match cx.call("s3", call, input).await {
        Ok(_) => Ok(Outcome::done("Successful")),
        Err(failure) => Outcome::of(failure),
    }
}

/// `x-amz-copy-source` of an object.
fn source(entry: &Entry) -> String {
    let mut source = String::new();
    let joint = if entry.bucket.starts_with("arn:") { "/object/" } else { "/" };
    percent_encode(&format!("{}{joint}{}", entry.bucket, entry.key), true, &mut source);
    match &entry.version {
        Some(version) => format!("{source}?versionId={version}"),
        None => source,
    }
}

fn copy(operation: &Json, entry: &Entry) -> Json {
    let text = |name: &str| operation.get(name).and_then(Json::as_str);
    let mut input = Map::new();
    let mut set = |name: &str, value: Json| drop(input.insert(name.to_owned(), value));
    set("Bucket", bucket_of(text("TargetResource").unwrap_or_default()).into());
    set("Key", text("TargetKeyPrefix").map_or(entry.key.clone(), |p| format!("{p}/{}", entry.key)).into());
    set("CopySource", source(entry).into());
    for (from, to) in [
        ("CannedAccessControlList", "ACL"),
        ("MetadataDirective", "MetadataDirective"),
        ("AnnotationDirective", "AnnotationDirective"),
        ("ModifiedSinceConstraint", "CopySourceIfModifiedSince"),
        ("UnModifiedSinceConstraint", "CopySourceIfUnmodifiedSince"),
        ("RedirectLocation", "WebsiteRedirectLocation"),
        ("StorageClass", "StorageClass"),
        ("SSEAwsKmsKeyId", "SSEKMSKeyId"),
        ("BucketKeyEnabled", "BucketKeyEnabled"),
        ("ChecksumAlgorithm", "ChecksumAlgorithm"),
        ("ObjectLockLegalHoldStatus", "ObjectLockLegalHoldStatus"),
        ("ObjectLockMode", "ObjectLockMode"),
        ("ObjectLockRetainUntilDate", "ObjectLockRetainUntilDate"),
        ("ObjectLockEventHold", "ObjectLockEventHold"),
    ] {
        set(to, operation.get(from).cloned().unwrap_or_default());
    }
    for (unit, to) in [("Days", "ObjectLockEventHoldDurationDays"), ("Years", "ObjectLockEventHoldDurationYears")] {
        set(to, operation.pointer(&format!("/ObjectLockEventHoldDuration/{unit}")).cloned().unwrap_or_default());
    }
    if operation.get("RequesterPays").and_then(Json::as_bool) == Some(true) {
        set("RequestPayer", "requester".into());
    }
    if let Some(tags) = operation.get("NewObjectTagging").and_then(Json::as_array) {
        set("TaggingDirective", "REPLACE".into());
        set("Tagging", tagging(tags).into());
    }
    let metadata = operation.get("NewObjectMetadata").cloned().unwrap_or_default();
    for (from, to) in [
        ("CacheControl", "CacheControl"),
        ("ContentDisposition", "ContentDisposition"),
        ("ContentEncoding", "ContentEncoding"),
        ("ContentLanguage", "ContentLanguage"),
        ("ContentType", "ContentType"),
        ("UserMetadata", "Metadata"),
    ] {
        set(to, metadata.get(from).cloned().unwrap_or_default());
    }
    let expires = metadata.get("HttpExpiresDate").and_then(Json::as_str).and_then(|t| t.parse().ok());
    set("Expires", json!(expires.map(|at: Timestamp| timestamp(at, TimestampFormat::Http))));
    let encryption = match metadata.get("SSEAlgorithm").and_then(Json::as_str) {
        Some("KMS") => "aws:kms".into(),
        other => json!(other),
    };
    set("ServerSideEncryption", encryption);
    for (permission, to) in [
        ("FULL_CONTROL", "GrantFullControl"),
        ("READ", "GrantRead"),
        ("READ_ACP", "GrantReadACP"),
        ("WRITE_ACP", "GrantWriteACP"),
    ] {
        set(to, grant(operation.get("AccessControlGrants"), permission));
    }
    Json::Object(input)
}

fn tagging(tags: &[Json]) -> String {
    let part = |tag: &Json, name: &str| {
        let mut out = String::new();
        percent_encode(tag.get(name).and_then(Json::as_str).unwrap_or_default(), false, &mut out);
        out
    };
    tags.iter().map(|tag| format!("{}={}", part(tag, "Key"), part(tag, "Value"))).collect::<Vec<_>>().join("&")
}

/// Those who have a permission, as a header grants it: `id="…", uri="…"`.
fn grant(grants: Option<&Json>, permission: &str) -> Json {
    let all = grants.and_then(Json::as_array).into_iter().flatten();
    let fits = all.filter(|g| g.get("Permission").and_then(Json::as_str) == Some(permission));
    let text = |g: &Json, path: &str| g.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let named: Vec<String> = fits
        .map(|g| format!("{}=\"{}\"", text(g, "/Grantee/TypeIdentifier"), text(g, "/Grantee/Identifier")))
        .collect();
    if named.is_empty() { Json::Null } else { named.join(", ").into() }
}

fn acl(operation: &Json) -> Json {
    let policy = operation.get("AccessControlPolicy").cloned().unwrap_or_default();
    let Some(list) = policy.get("AccessControlList") else {
        return json!({"ACL": policy.get("CannedAccessControlList")});
    };
    let grantee = |g: &Json| {
        let identifier = g.pointer("/Grantee/Identifier").cloned().unwrap_or_default();
        let (kind, member) = match g.pointer("/Grantee/TypeIdentifier").and_then(Json::as_str) {
            Some("emailAddress") => ("AmazonCustomerByEmail", "EmailAddress"),
            Some("uri") => ("Group", "URI"),
            _ => ("CanonicalUser", "ID"),
        };
        let name = g.pointer("/Grantee/DisplayName").cloned().unwrap_or_default();
        json!({"Grantee": {"Type": kind, member: identifier, "DisplayName": name}, "Permission": g.get("Permission")})
    };
    let grants: Vec<Json> = list.get("Grants").and_then(Json::as_array).into_iter().flatten().map(grantee).collect();
    json!({"ACL": policy.get("CannedAccessControlList"),
           "AccessControlPolicy": {"Owner": list.get("Owner"), "Grants": grants}})
}

fn restore(operation: &Json) -> Json {
    let tier = match operation.get("GlacierJobTier").and_then(Json::as_str) {
        Some("BULK") => json!("Bulk"),
        Some("STANDARD") => json!("Standard"),
        other => json!(other),
    };
    json!({"RestoreRequest": {"Days": operation.get("ExpirationInDays"), "GlacierJobParameters": {"Tier": tier}}})
}

/// Source: "Invoke AWS Lambda function" in the user guide's chapter on Batch Operations.
async fn invoke(cx: &Cx, job: &Job, operation: &Json, entry: &Entry) -> Result<Outcome> {
    let version = operation.get("InvocationSchemaVersion").and_then(Json::as_str).unwrap_or("1.0");
    let task = cx.random().hex(32);
    let (mut about, mut object) =
        (json!({"id": job.id}), json!({"taskId": task, "s3Key": encoded(&entry.key), "s3VersionId": entry.version}));
    if version == "1.0" {
        object["s3BucketArn"] = format!("arn:{}:s3:::{}", cx.partition(), entry.bucket).into();
    } else {
        object["s3Bucket"] = entry.bucket.clone().into();
        about["userArguments"] = operation.get("UserArguments").cloned().unwrap_or_default();
    }
    let event = json!({"invocationSchemaVersion": version, "invocationId": cx.random().hex(32), "job": about, "tasks": [object]});
    let input = json!({"FunctionName": operation.get("FunctionArn"), "InvocationType": "RequestResponse",
        "Payload": base64(event.to_string().as_bytes())});
    let answer = match cx.call("lambda", "Invoke", input).await {
        Ok(answer) => answer,
        Err(failure) => return Outcome::of(failure),
    };
    let payload = answer.get("Payload").and_then(Json::as_str).and_then(unbase64).unwrap_or_default();
    let payload = String::from_utf8_lossy(&payload);
    if answer.get("FunctionError").is_some_and(|e| !e.is_null()) {
        return Ok(Outcome::failed(200, "PermanentFailure", format!("Lambda returned function error: {payload}")));
    }
    Ok(verdict(&payload, &task))
}

/// What a function says of its task.
fn verdict(payload: &str, task: &str) -> Outcome {
    let answer: Json = serde_json::from_str(payload).unwrap_or_default();
    let results = answer.get("results").and_then(Json::as_array);
    let own = results.into_iter().flatten().find(|r| r.get("taskId").and_then(Json::as_str) == Some(task));
    let text = |json: Option<&Json>| json.and_then(Json::as_str).unwrap_or_default().to_owned();
    let (code, said) = match own {
        Some(result) => (text(result.get("resultCode")), text(result.get("resultString"))),
        None => (text(answer.get("treatMissingKeysAs")), String::new()),
    };
    match code.as_str() {
        "Succeeded" => Outcome::done(said),
        "TemporaryFailure" | "PermanentFailure" => Outcome::failed(200, &code, said),
        _ => {
            Outcome::failed(200, "PermanentFailure", format!("The function's answer is not that of a task: {payload}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bucket: &str) -> Entry {
        Entry { bucket: bucket.into(), key: "a b".into(), version: Some("v".into()) }
    }

    #[test]
    fn copies() {
        let operation = json!({"TargetResource": "arn:aws:s3:::to", "TargetKeyPrefix": "in", "NewObjectTagging": [{"Key": "a b", "Value": "&"}],
            "NewObjectMetadata": {"UserMetadata": {"x": "y"}, "SSEAlgorithm": "KMS", "HttpExpiresDate": "2030-01-01T00:00:00Z"},
            "AccessControlGrants": [{"Grantee": {"TypeIdentifier": "id", "Identifier": "1"}, "Permission": "READ"},
                {"Grantee": {"TypeIdentifier": "uri", "Identifier": "u"}, "Permission": "READ"}]});
        let input = copy(&operation, &entry("from"));
        for (name, wanted) in [
            ("Bucket", "to"),
            ("Key", "in/a b"),
            ("CopySource", "from/a%20b?versionId=v"),
            ("Tagging", "a%20b=%26"),
            ("TaggingDirective", "REPLACE"),
            ("ServerSideEncryption", "aws:kms"),
            ("Expires", "Tue, 01 Jan 2030 00:00:00 GMT"),
            ("GrantRead", "id=\"1\", uri=\"u\""),
        ] {
            assert_eq!(input[name], wanted, "{name}");
        }
        assert_eq!(input["Metadata"], json!({"x": "y"}));
        let point = "arn:aws:s3:us-east-1:000000000000:accesspoint/ap";
        assert!(source(&entry(point)).ends_with("accesspoint/ap/object/a%20b?versionId=v"));
        assert_eq!((bucket_of("arn:aws:s3:::to").as_str(), bucket_of(point).as_str()), ("to", point));
    }

    #[test]
    fn what_functions_say() {
        let says =
            |code: &str| json!({"results": [{"taskId": "t", "resultCode": code, "resultString": "s"}]}).to_string();
        assert_eq!(verdict(&says("Succeeded"), "t"), Outcome::done("s"));
        assert_eq!(verdict(&says("PermanentFailure"), "t").code, "PermanentFailure");
        assert_eq!(verdict(&says("TemporaryFailure"), "t").code, "TemporaryFailure");
        assert!(verdict("{\"treatMissingKeysAs\": \"Succeeded\", \"results\": []}", "t").succeeded);
        assert!(!verdict("nonsense", "t").succeeded);
    }

    #[test]
    fn lists_of_grants_become_policies() {
        let operation = json!({"AccessControlPolicy": {"AccessControlList": {"Owner": {"ID": "o"},
            "Grants": [{"Grantee": {"TypeIdentifier": "uri", "Identifier": "u"}, "Permission": "READ"}]}}});
        let grant = &acl(&operation)["AccessControlPolicy"]["Grants"][0];
        assert_eq!(
            (&grant["Grantee"]["Type"], &grant["Grantee"]["URI"], &grant["Permission"]),
            (&json!("Group"), &json!("u"), &json!("READ"))
        );
        let canned = json!({"AccessControlPolicy": {"CannedAccessControlList": "private"}});
        assert_eq!(acl(&canned)["ACL"], "private");
    }
}
