//! `AWS::CertificateManager::Certificate` and `Account`.

use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, texts, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Result};

use crate::SERVICE;

pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(Account), Box::new(Certificate)]
}

const GONE: &[&str] = &["ResourceNotFoundException"];

/// A certificate is looked at so often while it is waited for.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

/// `AWS::CertificateManager::Account`
struct Account;

async fn configure(cx: &Cx, events: Option<&Json>) -> Result<Resource> {
    let mut input = Map::from_iter([("IdempotencyToken".to_owned(), json!(cx.random().hex(32)))]);
    if let Some(days) = events.and_then(|events| events.get("DaysBeforeExpiry")) {
        let days = text(days).parse::<i64>().map_or_else(|_| days.clone(), |days| json!(days));
        input.insert("ExpiryEvents".to_owned(), json!({"DaysBeforeExpiry": days}));
    }
    call(cx, "PutAccountConfiguration", Json::Object(input)).await?;
    Ok(Resource::new(cx.account(), [("AccountId", json!(cx.account()))]))
}

impl ResourceType for Account {
    fn name(&self) -> &'static str {
        "AWS::CertificateManager::Account"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ExpiryEventsConfiguration"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(configure(cx, request.properties.get("ExpiryEventsConfiguration")))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let events = request.properties.get("ExpiryEventsConfiguration");
            configure(cx, events).await.map(Updated::InPlace)
        })
    }

    /// The account is as it was before anybody said something.
    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { configure(cx, None).await.map(drop) })
    }
}

/// `AWS::CertificateManager::Certificate`
struct Certificate;

fn certificate(arn: &str) -> Resource {
    Resource::new(arn, [("CertificateArn", json!(arn))])
}

/// What `RequestCertificate` is told.
fn request(cx: &Cx, request: &ResourceRequest) -> Result<Json> {
    let names =
        ["CertificateAuthorityArn", "DomainName", "KeyAlgorithm", "ValidationMethod", "SubjectAlternativeNames"];
    let mut input = pick(&request.properties, &names);
    // Names that are there twice, or not at all, are no names.
    if texts(&request.properties, "SubjectAlternativeNames").is_empty() {
        input.remove("SubjectAlternativeNames");
    }
    let options = validation_options(&request.properties);
    let letters: Vec<Json> = options.iter().filter(|o| !o["ValidationDomain"].is_null()).cloned().collect();
    let letters: Vec<Json> = letters
        .iter()
        .map(|o| json!({"DomainName": o["DomainName"], "ValidationDomain": o["ValidationDomain"]}))
        .collect();
    if !letters.is_empty() {
        input.insert("DomainValidationOptions".to_owned(), json!(letters));
    }
    let mut chosen = Map::new();
    for (property, option) in [
        ("CertificateExport", "Export"),
        ("CertificateTransparencyLoggingPreference", "CertificateTransparencyLoggingPreference"),
    ] {
        if let Some(value) = request.text(property) {
            chosen.insert(option.to_owned(), json!(value));
        }
    }
    if !chosen.is_empty() {
        input.insert("Options".to_owned(), Json::Object(chosen));
    }
    let tags = request.all_tags()?;
    if !tags.is_empty() {
        input.insert("Tags".to_owned(), tags.list());
    }
    input.insert("IdempotencyToken".to_owned(), json!(cx.random().hex(32)));
    Ok(Json::Object(input))
}

fn validation_options(properties: &Properties) -> Vec<Json> {
    properties.get("DomainValidationOptions").and_then(Json::as_array).cloned().unwrap_or_else(Vec::new)
}

/// Publishes the records of domains whose zones are named.
async fn publish(cx: &Cx, arn: &str, properties: &Properties) -> Result<()> {
    let options = validation_options(properties);
    let zones = options.iter().filter(|option| !option["HostedZoneId"].is_null());
    for option in zones {
        let described = call(cx, "DescribeCertificate", json!({"CertificateArn": arn})).await?;
        let validations = described["Certificate"]["DomainValidationOptions"].as_array().cloned();
        let record = validations.into_iter().flatten().find(|v| v["DomainName"] == option["DomainName"]);
        let Some(record) = record.map(|v| v["ResourceRecord"].clone()).filter(|record| !record.is_null()) else {
            continue;
        };
        let set = json!({"Name": record["Name"], "Type": record["Type"], "TTL": 60, "ResourceRecords": [{"Value": record["Value"]}]});
        let batch = json!({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": set}]});
        let input = json!({"HostedZoneId": option["HostedZoneId"], "ChangeBatch": batch});
        cx.call("route53", "ChangeResourceRecordSets", input).await?;
    }
    Ok(())
}

/// Waits until a certificate is issued, as CloudFormation does, however long its domains take.
async fn issued(cx: &Cx, arn: &str) -> Result<Resource> {
    loop {
        let described = call(cx, "DescribeCertificate", json!({"CertificateArn": arn})).await?;
        let status = described["Certificate"]["Status"].as_str().unwrap_or_default();
        match status {
            "ISSUED" => return Ok(certificate(arn)),
            "PENDING_VALIDATION" => cx.kernel().clock().sleep(PAUSE).await,
            _ => {
                let message = format!("Certificate {arn} did not come to be issued: its status is {status}.");
                return Err(AwsError::new("NotStabilized", 400, message).into());
            }
        }
    }
}

/// Has a certificate have the tags of its template.
async fn retag(cx: &Cx, arn: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, "ListTagsForCertificate", json!({"CertificateArn": arn})).await?;
    let gone: Vec<Json> = tags.unwanted(&there["Tags"]).into_iter().map(|key| json!({"Key": key})).collect();
    if !gone.is_empty() {
        call(cx, "RemoveTagsFromCertificate", json!({"CertificateArn": arn, "Tags": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, "AddTagsToCertificate", json!({"CertificateArn": arn, "Tags": tags.list()})).await?;
    }
    Ok(())
}

impl ResourceType for Certificate {
    fn name(&self) -> &'static str {
        "AWS::CertificateManager::Certificate"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "CertificateAuthorityArn",
            "CertificateExport",
            "CertificateTransparencyLoggingPreference",
            "DomainName",
            "DomainValidationOptions",
            "KeyAlgorithm",
            "SubjectAlternativeNames",
            "Tags",
            "ValidationMethod",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[
            "CertificateAuthorityArn",
            "CertificateExport",
            "DomainName",
            "DomainValidationOptions",
            "KeyAlgorithm",
            "SubjectAlternativeNames",
            "ValidationMethod",
        ]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let made = call(cx, "RequestCertificate", self::request(cx, request)?).await?;
            let arn = made["CertificateArn"].as_str().unwrap_or_default();
            let done = async {
                publish(cx, arn, &request.properties).await?;
                issued(cx, arn).await
            };
            match done.await {
                Ok(resource) => Ok(resource),
                Err(failure) => {
                    // Nobody knows it by its name but this, so it would stay behind.
                    call(cx, "DeleteCertificate", json!({"CertificateArn": arn})).await?;
                    Err(failure)
                }
            }
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            if let Some(preference) = request.text("CertificateTransparencyLoggingPreference") {
                let options = json!({"CertificateTransparencyLoggingPreference": preference});
                let input = json!({"CertificateArn": id, "Options": options});
                call(cx, "UpdateCertificateOptions", input).await?;
            }
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(certificate(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteCertificate", json!({"CertificateArn": id})).await, GONE) })
    }
}
