//! How CloudTrail tells of calls to S3 Control.

use serde_json::{Value as Json, json};
use undercast_kernel::{Record, regions};

const POINT: &str = "AWS::S3::AccessPoint";
const BUCKET: &str = "AWS::S3::Bucket";

/// The account's Block Public Access is told apart from that of buckets.
///
/// Source: "Amazon S3 CloudTrail events" in the user guide, account-level actions.
pub(crate) fn name(operation: &'static str) -> &'static str {
    match operation {
        "DeletePublicAccessBlock" => "DeleteAccountPublicAccessBlock",
        "GetPublicAccessBlock" => "GetAccountPublicAccessBlock",
        "PutPublicAccessBlock" => "PutAccountPublicAccessBlock",
        same => same,
    }
}

/// The access point that a call is about, with the bucket where it names one; or what has the tags. Of jobs and multi-region
/// access points nothing is known of what AWS names.
pub(crate) fn resources(record: &Record, given: &Json) -> Vec<Json> {
    let text = |name: &str| given.get(name).and_then(Json::as_str);
    let account = text("AccountId").unwrap_or(&record.account);
    let one = |account: &str, kind: &str, arn: String| json!({"accountId": account, "type": kind, "ARN": arn});
    if let Some(arn) = text("ResourceArn") {
        let kind = if arn.contains(":accesspoint/") { POINT } else { BUCKET };
        return vec![one(account, kind, arn.to_owned())];
    }
    let Some(name) = text("Name").filter(|_| !record.operation.contains("MultiRegion")) else { return Vec::new() };
    let (partition, region) = (regions::partition(&record.region), &record.region);
    let mut all = vec![one(account, POINT, format!("arn:{partition}:s3:{region}:{account}:accesspoint/{name}"))];
    if let Some(bucket) = text("Bucket") {
        let owner = text("BucketAccountId").unwrap_or(account);
        all.push(one(owner, BUCKET, format!("arn:{partition}:s3:::{bucket}")));
    }
    all
}
