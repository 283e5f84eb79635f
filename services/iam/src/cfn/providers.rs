//! `AWS::IAM::OIDCProvider`, `AWS::IAM::SAMLProvider`, `AWS::IAM::ServerCertificate` and `AWS::IAM::ServiceLinkedRole`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, texts};
use undercast_kernel::{AwsError, Cx, Result};

use super::{call, call_unless_gone, changes, is_gone, update_tags, value};

/// `AWS::IAM::OIDCProvider`
pub(crate) struct OidcProvider;

fn by_arn(arn: &str) -> Resource {
    Resource::new(arn, [("Arn", json!(arn))])
}

impl ResourceType for OidcProvider {
    fn name(&self) -> &'static str {
        "AWS::IAM::OIDCProvider"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ClientIdList", "Tags", "ThumbprintList", "Url"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Url"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["ThumbprintList", "Url"]);
            input.insert("ClientIDList".to_owned(), json!(texts(&request.properties, "ClientIdList")));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            let made = call(cx, "CreateOpenIDConnectProvider", Json::Object(input)).await?;
            Ok(by_arn(made["OpenIDConnectProviderArn"].as_str().unwrap_or_default()))
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
            let after = &request.properties;
            let (gone, come) = changes(before, after, "ClientIdList");
            for (operation, clients) in
                [("RemoveClientIDFromOpenIDConnectProvider", gone), ("AddClientIDToOpenIDConnectProvider", come)]
            {
                for client in clients {
                    call(cx, operation, json!({"OpenIDConnectProviderArn": id, "ClientID": client})).await?;
                }
            }
            let thumbprints = texts(after, "ThumbprintList");
            if thumbprints != texts(before, "ThumbprintList") {
                let input = json!({"OpenIDConnectProviderArn": id, "ThumbprintList": thumbprints});
                call(cx, "UpdateOpenIDConnectProviderThumbprint", input).await?;
            }
            update_tags(cx, "OpenIDConnectProvider", "OpenIDConnectProviderArn", id, request).await?;
            Ok(Updated::InPlace(by_arn(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            call_unless_gone(cx, "DeleteOpenIDConnectProvider", json!({"OpenIDConnectProviderArn": id})).await
        })
    }
}

/// `AWS::IAM::SAMLProvider`
pub(crate) struct SamlProvider;

async fn describe_saml(cx: &Cx, arn: &str) -> Result<Resource> {
    let answer = call(cx, "GetSAMLProvider", json!({"SAMLProviderArn": arn})).await?;
    Ok(Resource::new(arn, [("Arn", json!(arn)), ("SamlProviderUUID", answer["SAMLProviderUUID"].clone())]))
}

impl ResourceType for SamlProvider {
    fn name(&self) -> &'static str {
        "AWS::IAM::SAMLProvider"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AddPrivateKey", "AssertionEncryptionMode", "Name", "SamlMetadataDocument", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AddPrivateKey", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 128));
            let mut input = pick(&request.properties, &["AddPrivateKey", "AssertionEncryptionMode"]);
            input.insert("Name".to_owned(), json!(name));
            input.insert("SAMLMetadataDocument".to_owned(), json!(request.text("SamlMetadataDocument")));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            let made = call(cx, "CreateSAMLProvider", Json::Object(input)).await?;
            describe_saml(cx, made["SAMLProviderArn"].as_str().unwrap_or_default()).await
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
            let after = &request.properties;
            let mut input = json!({"SAMLProviderArn": id});
            for (property, member) in [
                ("SamlMetadataDocument", "SAMLMetadataDocument"),
                ("AssertionEncryptionMode", "AssertionEncryptionMode"),
            ] {
                if value(before, property) != value(after, property) {
                    input[member] = json!(value(after, property));
                }
            }
            call(cx, "UpdateSAMLProvider", input).await?;
            update_tags(cx, "SAMLProvider", "SAMLProviderArn", id, request).await?;
            Ok(Updated::InPlace(describe_saml(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { call_unless_gone(cx, "DeleteSAMLProvider", json!({"SAMLProviderArn": id})).await })
    }
}

/// `AWS::IAM::ServerCertificate`
pub(crate) struct ServerCertificate;

async fn describe_certificate(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = call(cx, "GetServerCertificate", json!({"ServerCertificateName": name})).await?;
    let arn = answer["ServerCertificate"]["ServerCertificateMetadata"]["Arn"].clone();
    Ok(Resource::new(name, [("Arn", arn)]))
}

impl ResourceType for ServerCertificate {
    fn name(&self) -> &'static str {
        "AWS::IAM::ServerCertificate"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CertificateBody", "CertificateChain", "Path", "PrivateKey", "ServerCertificateName", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["CertificateBody", "CertificateChain", "PrivateKey", "ServerCertificateName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("ServerCertificateName").unwrap_or_else(|| request.generated_name(cx, 128));
            let same = ["CertificateBody", "CertificateChain", "Path", "PrivateKey"];
            let mut input = pick(&request.properties, &same);
            input.insert("ServerCertificateName".to_owned(), json!(name));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            call(cx, "UploadServerCertificate", Json::Object(input)).await?;
            describe_certificate(cx, &name).await
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
            let after = &request.properties;
            if value(before, "Path") != value(after, "Path") {
                let path = value(after, "Path").unwrap_or_else(|| "/".to_owned());
                call(cx, "UpdateServerCertificate", json!({"ServerCertificateName": id, "NewPath": path})).await?;
            }
            update_tags(cx, "ServerCertificate", "ServerCertificateName", id, request).await?;
            Ok(Updated::InPlace(describe_certificate(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { call_unless_gone(cx, "DeleteServerCertificate", json!({"ServerCertificateName": id})).await },
        )
    }
}

/// `AWS::IAM::ServiceLinkedRole`
pub(crate) struct ServiceLinkedRole;

fn by_role(name: &str) -> Resource {
    Resource::new(name, [("RoleName", json!(name))])
}

impl ResourceType for ServiceLinkedRole {
    fn name(&self) -> &'static str {
        "AWS::IAM::ServiceLinkedRole"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AWSServiceName", "CustomSuffix", "Description"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AWSServiceName", "CustomSuffix"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let input = pick(&request.properties, &["AWSServiceName", "CustomSuffix", "Description"]);
            let made = call(cx, "CreateServiceLinkedRole", Json::Object(input)).await?;
            Ok(by_role(made["Role"]["RoleName"].as_str().unwrap_or_default()))
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
            call(cx, "UpdateRole", json!({"RoleName": id, "Description": request.text("Description")})).await?;
            Ok(Updated::InPlace(by_role(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let task = match call(cx, "DeleteServiceLinkedRole", json!({"RoleName": id})).await {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other?,
            };
            let asked = json!({"DeletionTaskId": task["DeletionTaskId"]});
            let status = call(cx, "GetServiceLinkedRoleDeletionStatus", asked).await?;
            if status["Status"] == "SUCCEEDED" {
                return Ok(());
            }
            let message = status["Reason"]["Reason"].as_str().unwrap_or("The role could not be deleted.");
            Err(AwsError::new("InvalidRequest", 400, message.to_owned()).into())
        })
    }
}
