//! Whether the settings of a trail can do what they are for: each is tried as CloudTrail itself, before the trail has it.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::errors;
use crate::deliver::{self, Stream};
use crate::name::TrailName;
use crate::rows::Trail;

/// Settings that are given, tried. Names in them become ARNs. `before`: what the trail had; what stays as it was is not tried
/// again.
pub(crate) async fn settings(cx: &Cx, trail: &mut Trail, before: Option<&Trail>) -> Result<()> {
    let name = trail.named();
    if trail.multi_region && !trail.global_events {
        let message = "Multi-Region trail must include global service events.";
        return Err(errors::invalid_parameter_combination_exception(message).into());
    }
    if before.is_none_or(|b| (&b.kms, &b.bucket) != (&trail.kms, &trail.bucket)) && trail.kms.is_some() {
        key(cx, &name, trail).await?;
    }
    let place = |trail: &Trail| (trail.bucket.clone(), trail.prefix.clone(), trail.validated, trail.organization);
    if before.is_none_or(|before| place(before) != place(trail)) {
        bucket(cx, &name, trail).await?;
    }
    if before.is_none_or(|before| before.topic != trail.topic) {
        topic(cx, &name, trail)?;
    }
    if before.is_none_or(|b| (&b.log_group, &b.role) != (&trail.log_group, &trail.role)) {
        log_group(cx, &name, trail).await?;
    }
    Ok(())
}

/// Whether a bucket's name is one.
///
/// Source: "Naming requirements" in the user guide; the message is AWS's, as its users tell it.
fn check_bucket_name(name: &str) -> std::result::Result<(), AwsError> {
    let good = (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if good {
        Ok(())
    } else {
        Err(errors::invalid_s3_bucket_name_exception(format!("Bucket name is not valid: {name}")))
    }
}

/// CloudTrail reads the bucket's ACL, and may write where it is going to.
async fn bucket(cx: &Cx, name: &TrailName, trail: &Trail) -> Result<()> {
    let own = name.home(cx).as_service(PRINCIPAL, Some(&name.arn()));
    let files = deliver::folders(trail).into_iter().map(|folder| deliver::put(trail, &format!("{folder}/"), 0));
    writable(&own, &trail.bucket, trail.prefix.as_deref(), files.collect()).await
}

/// The same of any bucket. `own`: CloudTrail as it will write; `files`: as S3 is asked to put them.
pub(crate) async fn writable(own: &Cx, bucket: &str, prefix: Option<&str>, files: Vec<Json>) -> Result<()> {
    check_bucket_name(bucket)?;
    if prefix.is_some_and(|prefix| prefix.len() > 200 || prefix.contains("AWSLogs")) {
        return Err(errors::invalid_s3_prefix_exception(
            "S3 prefix is not valid: it is too long, or contains AWSLogs.",
        )
        .into());
    }
    let wrong = || {
        let message = format!("Incorrect S3 bucket policy is detected for bucket: {bucket}");
        Failure::from(errors::insufficient_s3_bucket_policy_exception(message))
    };
    match own.call("s3", "GetBucketAcl", json!({"Bucket": bucket})).await {
        Ok(_) => {}
        Err(Failure::Aws(error)) if error.code == "NoSuchBucket" => {
            let message = format!("S3 bucket {bucket} does not exist!");
            return Err(errors::s3_bucket_does_not_exist_exception(message).into());
        }
        Err(Failure::Aws(_)) => return Err(wrong()),
        Err(failure) => return Err(failure),
    }
    for file in files {
        match own.would_be_denied("s3", "PutObject", file) {
            Ok(None) => {}
            Ok(Some(_)) | Err(Failure::Aws(_)) => return Err(wrong()),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The topic is there, and lets CloudTrail publish. It is named, or given by its ARN.
fn topic(cx: &Cx, name: &TrailName, trail: &mut Trail) -> Result<()> {
    let Some(given) = trail.topic.take() else { return Ok(()) };
    let arn = if given.starts_with("arn:") { given.clone() } else { cx.arn("sns", &given) };
    let last = arn.rsplit(':').next().unwrap_or_default();
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if Arn::parse(&arn).is_none_or(|arn| arn.service != "sns") || last.len() > 256 || !last.chars().all(letters) {
        return Err(errors::invalid_sns_topic_name_exception(format!("SNS topic name is not valid: {given}")).into());
    }
    let own = name.home(cx).as_service(PRINCIPAL, Some(&name.arn()));
    match own.would_be_denied("sns", "Publish", json!({"TopicArn": arn, "Message": "{}"})) {
        Ok(None) => {
            trail.topic = Some(arn);
            Ok(())
        }
        Ok(Some(_)) | Err(Failure::Aws(_)) => {
            let message = "SNS Topic does not exist or the topic policy is incorrect!";
            Err(errors::insufficient_sns_topic_policy_exception(message).into())
        }
        Err(failure) => Err(failure),
    }
}

/// The role lets CloudTrail in, and may make the stream of the group into which events go.
async fn log_group(cx: &Cx, name: &TrailName, trail: &Trail) -> Result<()> {
    let bad_group = |message: &str| Failure::from(errors::invalid_cloud_watch_logs_log_group_arn_exception(message));
    let bad_role = |message: &str| Failure::from(errors::invalid_cloud_watch_logs_role_arn_exception(message));
    let (group, role) = match (&trail.log_group, &trail.role) {
        (None, None) => return Ok(()),
        (Some(group), Some(role)) => (group, role),
        (Some(_), None) => return Err(bad_role("You must specify a CloudWatch Logs role ARN with a log group ARN.")),
        (None, Some(_)) => return Err(bad_group("You must specify a CloudWatch Logs log group ARN with a role ARN.")),
    };
    if deliver::group_name(group).is_none() {
        return Err(bad_group("CloudTrail cannot validate the specified log group ARN."));
    }
    if Arn::parse(role).is_none_or(|arn| arn.service != "iam" || !arn.resource.starts_with("role/")) {
        return Err(bad_role("CloudTrail cannot validate the specified role ARN."));
    }
    if !cx.is_assumable(PRINCIPAL, role, Some(&name.arn()))? {
        return Err(bad_role("Access denied. Check the trust relationships for your role."));
    }
    let Some(stream) = Stream::of(&name.home(cx), trail, &name.account, &name.region) else { return Ok(()) };
    match stream.make().await {
        Ok(()) => Ok(()),
        Err(Failure::Aws(error)) if error.code == "ResourceNotFoundException" => {
            Err(bad_group("CloudTrail cannot validate the specified log group ARN."))
        }
        Err(Failure::Aws(_)) => Err(bad_group("Access denied. Check the permissions for your role.")),
        Err(failure) => Err(failure),
    }
}

/// The key of a trail, known by its ARN from now on.
async fn key(cx: &Cx, name: &TrailName, trail: &mut Trail) -> Result<()> {
    if let Some(given) = trail.kms.take() {
        trail.kms = Some(usable_key(cx, &name.home(cx), &name.arn(), &given).await?);
    }
    Ok(())
}

/// The ARN of the key that is given: it is there and can be used, and its policy lets CloudTrail encrypt for a resource.
pub(crate) async fn usable_key(cx: &Cx, home: &Cx, resource: &str, given: &str) -> Result<String> {
    let missing = || {
        let message = format!("KMS key not found or the KMS key and the S3 bucket are not in the same region: {given}");
        Failure::from(errors::kms_key_not_found_exception(message))
    };
    let described = match cx.through(PRINCIPAL).call("kms", "DescribeKey", json!({"KeyId": given})).await {
        Ok(described) => described["KeyMetadata"].clone(),
        Err(Failure::Aws(error)) if error.code == "NotFoundException" => return Err(missing()),
        Err(Failure::Aws(error)) if error.code == "InvalidArnException" => {
            return Err(errors::invalid_kms_key_id_exception(error.message).into());
        }
        Err(Failure::Aws(error)) => return Err(errors::kms_exception(error.message).into()),
        Err(failure) => return Err(failure),
    };
    if described["KeyState"] != "Enabled" {
        return Err(errors::kms_key_disabled_exception(format!("The KMS key is not enabled: {given}")).into());
    }
    if described["KeySpec"] != "SYMMETRIC_DEFAULT" {
        return Err(errors::invalid_kms_key_id_exception(format!("The KMS key is not symmetric: {given}")).into());
    }
    let arn = described["Arn"].as_str().unwrap_or_default().to_owned();
    let own = home.as_service(PRINCIPAL, Some(resource));
    let asked = json!({"KeyId": arn, "KeySpec": "AES_256", "EncryptionContext": {"aws:cloudtrail:arn": resource}});
    match own.would_be_denied("kms", "GenerateDataKey", asked) {
        Ok(None) => Ok(arn),
        Ok(Some(_)) | Err(Failure::Aws(_)) => {
            let message = "Insufficient permissions to access S3 bucket or KMS key.";
            Err(errors::insufficient_encryption_policy_exception(message).into())
        }
        Err(failure) => Err(failure),
    }
}
