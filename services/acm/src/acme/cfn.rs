//! `AWS::CertificateManager::AcmeEndpoint`, `AcmeDomainValidation` and `AcmeExternalAccountBinding`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick};
use undercast_kernel::{AwsError, Cx, Result};

use crate::SERVICE;
use crate::cfn::PAUSE;

pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(Endpoint), Box::new(DomainValidation), Box::new(Binding)]
}

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

/// Has a resource have the tags of its template.
async fn retag(cx: &Cx, arn: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, "ListTagsForResource", json!({"ResourceArn": arn})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        call(cx, "UntagResource", json!({"ResourceArn": arn, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, "TagResource", json!({"ResourceArn": arn, "Tags": tags.list()})).await?;
    }
    Ok(())
}

/// What makes something of properties that are called as the members are, with its tags and a token.
fn input(cx: &Cx, request: &ResourceRequest, names: &[&str]) -> Result<Properties> {
    let mut input = pick(&request.properties, names);
    let tags = request.all_tags()?;
    if !tags.is_empty() {
        input.insert("Tags".to_owned(), tags.list());
    }
    input.insert("IdempotencyToken".to_owned(), json!(cx.random().hex(32)));
    Ok(input)
}

/// `AWS::CertificateManager::AcmeEndpoint`
struct Endpoint;

async fn endpoint(cx: &Cx, arn: &str) -> Result<Resource> {
    let described = call(cx, "DescribeAcmeEndpoint", json!({"AcmeEndpointArn": arn})).await?;
    let url = described["AcmeEndpoint"]["EndpointUrl"].clone();
    Ok(Resource::new(arn, [("AcmeEndpointArn", json!(arn)), ("EndpointUrl", url)]))
}

impl ResourceType for Endpoint {
    fn name(&self) -> &'static str {
        "AWS::CertificateManager::AcmeEndpoint"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AuthorizationBehavior", "CertificateAuthority", "CertificateTags", "Contact", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AuthorizationBehavior", "CertificateTags"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let names = ["AuthorizationBehavior", "CertificateAuthority", "CertificateTags", "Contact"];
            let made = call(cx, "CreateAcmeEndpoint", Json::Object(input(cx, request, &names)?)).await?;
            endpoint(cx, made["AcmeEndpointArn"].as_str().unwrap_or_default()).await
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
            let mut input = pick(&request.properties, &["CertificateAuthority", "Contact"]);
            input.insert("AcmeEndpointArn".to_owned(), json!(id));
            call(cx, "UpdateAcmeEndpoint", Json::Object(input)).await?;
            retag(cx, id, request).await?;
            endpoint(cx, id).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { call(cx, "DeleteAcmeEndpoint", json!({"AcmeEndpointArn": id})).await.map(drop) })
    }
}

/// `AWS::CertificateManager::AcmeDomainValidation`
struct DomainValidation;

fn validation(arn: &str) -> Resource {
    Resource::new(arn, [("Arn", json!(arn))])
}

/// Waits until a domain is validated.
async fn validated(cx: &Cx, arn: &str) -> Result<Resource> {
    loop {
        let described = call(cx, "DescribeAcmeDomainValidation", json!({"AcmeDomainValidationArn": arn})).await?;
        let of = &described["AcmeDomainValidation"];
        match of["Status"].as_str().unwrap_or_default() {
            "VALID" => return Ok(validation(arn)),
            "VALIDATING" => cx.kernel().clock().sleep(PAUSE).await,
            status => {
                let reason = of["FailureDetails"]["Reason"].as_str().unwrap_or_default();
                let message = format!("The domain validation {arn} is {status}: {reason}.");
                return Err(AwsError::new("NotStabilized", 400, message).into());
            }
        }
    }
}

impl ResourceType for DomainValidation {
    fn name(&self) -> &'static str {
        "AWS::CertificateManager::AcmeDomainValidation"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AcmeEndpointArn", "DomainName", "PrevalidationOptions", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AcmeEndpointArn", "DomainName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let names = ["AcmeEndpointArn", "DomainName", "PrevalidationOptions"];
            let made = call(cx, "CreateAcmeDomainValidation", Json::Object(input(cx, request, &names)?)).await?;
            let arn = made["AcmeDomainValidationArn"].as_str().unwrap_or_default();
            match validated(cx, arn).await {
                Ok(resource) => Ok(resource),
                Err(failure) => {
                    // Nobody knows it by its name but this, so it would stay behind.
                    call(cx, "DeleteAcmeDomainValidation", json!({"AcmeDomainValidationArn": arn})).await?;
                    Err(failure)
                }
            }
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let options = request.properties.get("PrevalidationOptions");
            if options != before.get("PrevalidationOptions") {
                let input = json!({"AcmeDomainValidationArn": id, "PrevalidationOptions": options});
                call(cx, "UpdateAcmeDomainValidation", input).await?;
                validated(cx, id).await?;
            }
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(validation(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            call(cx, "DeleteAcmeDomainValidation", json!({"AcmeDomainValidationArn": id})).await.map(drop)
        })
    }
}

/// `AWS::CertificateManager::AcmeExternalAccountBinding`
struct Binding;

fn binding(arn: &str) -> Resource {
    Resource::new(arn, [("AcmeExternalAccountBindingArn", json!(arn))])
}

impl ResourceType for Binding {
    fn name(&self) -> &'static str {
        "AWS::CertificateManager::AcmeExternalAccountBinding"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AcmeEndpointArn", "Expiration", "RoleArn", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AcmeEndpointArn", "Expiration", "RoleArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let names = ["AcmeEndpointArn", "Expiration", "RoleArn"];
            let made = call(cx, "CreateAcmeExternalAccountBinding", Json::Object(input(cx, request, &names)?)).await?;
            let arn = made["ExternalAccountBinding"]["AcmeExternalAccountBindingArn"].as_str().unwrap_or_default();
            Ok(binding(arn))
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
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(binding(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let input = json!({"AcmeExternalAccountBindingArn": id});
            call(cx, "DeleteAcmeExternalAccountBinding", input).await.map(drop)
        })
    }
}
