//! The completion report: the lines of what succeeded and of what failed, and a manifest that names the two files.
//!
//! Source: "Examples: S3 Batch Operations completion reports" in the user guide. Its examples have the status before the
//! error code, though the schema names them the other way round.

use serde_json::{Value as Json, json};
use sha1::{Digest as _, Sha1};
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::text;

use super::csv;
use super::manifest::{encoded, md5_of};
use super::rows::{Entry, Job, RESULTS};
use super::run::{Step, Stop};
use super::work::{self, Outcome};

/// Which lines a report is to have.
pub(crate) struct Wanted {
    enabled: bool,
    succeeded: bool,
}

fn of_request(job: &Job) -> Result<Json> {
    let request: Json = serde_json::from_str(&job.request).map_err(Failure::broken)?;
    Ok(request.get("Report").cloned().unwrap_or_default())
}

impl Wanted {
    pub(crate) fn of(job: &Job) -> Result<Self> {
        let report = of_request(job)?;
        let enabled = report.get("Enabled").and_then(Json::as_bool) == Some(true);
        let all = report.get("ReportScope").and_then(Json::as_str) == Some("AllTasks");
        Ok(Self { enabled, succeeded: all })
    }

    /// The line of an object; `None`: the report has none for it.
    pub(crate) fn line(&self, entry: &Entry, outcome: &Outcome) -> Option<String> {
        if !self.enabled || (outcome.succeeded && !self.succeeded) {
            return None;
        }
        let values = [
            entry.bucket.clone(),
            encoded(&entry.key),
            entry.version.clone().unwrap_or_default(),
            if outcome.succeeded { "succeeded" } else { "failed" }.to_owned(),
            outcome.status.to_string(),
            outcome.code.clone(),
            outcome.message.clone(),
        ];
        Some(values.map(|v| csv::value(&v)).join(","))
    }
}

/// Writes the report of a job that has ended, if there is anything to report.
pub(crate) async fn write(cx: &Cx, job: &Job) -> Step<()> {
    let report = of_request(job)?;
    if report.get("Enabled").and_then(Json::as_bool) != Some(true) || job.done() == 0 {
        return Ok(Ok(()));
    }
    let text = |name: &str| report.get(name).and_then(Json::as_str);
    let bucket = work::bucket_of(text("Bucket").unwrap_or_default());
    let prefix = text("Prefix").map_or(String::new(), |p| format!("{}/", p.trim_end_matches('/')));
    let folder = format!("{prefix}job-{}", job.id);
    let mut files: Vec<(String, String)> = Vec::new();
    let mut results = Vec::new();
    for (failed, status) in [(0_u64, "succeeded"), (1, "failed")] {
        let lines: String =
            RESULTS.all(&cx.read(), &(cx.key(&job.id), failed))?.into_iter().map(|e| e.row + "\n").collect();
        if lines.is_empty() {
            continue;
        }
        let key = format!("{folder}/results/{}.csv", text::hex_encode(&Sha1::digest(lines.as_bytes())));
        results.push(json!({"TaskExecutionStatus": status, "Bucket": bucket, "MD5Checksum": md5_of(lines.as_bytes()), "Key": key}));
        files.push((key, lines));
    }
    let manifest = json!({
        "Format": text("Format"),
        "ReportCreationDate": crate::events::iso(cx.refreshed().now()),
        "Results": results,
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    })
    .to_string();
    let sum = md5_of(manifest.as_bytes());
    files.push((format!("{folder}/manifest.json"), manifest));
    files.push((format!("{folder}/manifest.json.md5"), sum));
    // Reports are encrypted with S3's own key, whatever the bucket's default is.
    let as_role = work::as_role(cx, job);
    for (key, content) in files {
        let input = json!({"Bucket": bucket, "Key": key, "ExpectedBucketOwner": text("ExpectedBucketOwner"),
            "ServerSideEncryption": "AES256"});
        if let Err(failure) = as_role.call_with_body("s3", "PutObject", input, Some(content.into_bytes().into())).await
        {
            return Ok(Err(Stop::of(failure, "Error writing the report")?));
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_report() {
        let entry = |key: &str, version: Option<&str>| Entry {
            bucket: "b".into(),
            key: key.into(),
            version: version.map(ToOwned::to_owned),
        };
        let done = Outcome { succeeded: true, status: 200, code: String::new(), message: "Successful".into() };
        let failed =
            Outcome { succeeded: false, status: 403, code: "AccessDenied".into(), message: "No, \"never\"".into() };
        let all = Wanted { enabled: true, succeeded: true };
        assert_eq!(all.line(&entry("a b", Some("v")), &done).as_deref(), Some("b,a%20b,v,succeeded,200,,Successful"));
        assert_eq!(
            all.line(&entry("k", None), &failed).as_deref(),
            Some("b,k,,failed,403,AccessDenied,\"No, \"\"never\"\"\"")
        );
        assert_eq!(Wanted { enabled: true, succeeded: false }.line(&entry("k", None), &done), None);
        assert_eq!(Wanted { enabled: false, succeeded: true }.line(&entry("k", None), &failed), None);
    }
}
