//! `AWS::Lambda::LayerVersion` and `AWS::Lambda::LayerVersionPermission`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text};
use undercast_kernel::{Cx, Failure, Result};

use crate::cfn::gone;

/// `AWS::Lambda::LayerVersion`
pub(crate) struct Layer;
/// `AWS::Lambda::LayerVersionPermission`
pub(crate) struct Permission;

/// A layer's ARN and the number, out of a version's ARN.
fn parts(arn: &str) -> Result<(&str, u64)> {
    let found = arn.rsplit_once(':').and_then(|(layer, number)| Some((layer, number.parse().ok()?)));
    found.ok_or_else(|| Failure::broken(format!("{arn} is not the ARN of a version of a layer")))
}

impl ResourceType for Layer {
    fn name(&self) -> &'static str {
        "AWS::Lambda::LayerVersion"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, self.properties());
            input.entry("LayerName").or_insert_with(|| json!(request.generated_name(cx, 64)));
            let arn = cx.call("lambda", "PublishLayerVersion", Json::Object(input)).await?["LayerVersionArn"].clone();
            Ok(Resource::new(text(&arn), [("LayerVersionArn", arn)]))
        })
    }

    fn update<'a>(
        &'a self,
        _cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async { Ok(Updated::NeedsReplacement) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (layer, number) = parts(id)?;
            let input = json!({"LayerName": layer, "VersionNumber": number});
            gone(cx.call("lambda", "DeleteLayerVersion", input).await)
        })
    }
}

impl ResourceType for Permission {
    fn name(&self) -> &'static str {
        "AWS::Lambda::LayerVersionPermission"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Action", "LayerVersionArn", "Principal"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let (arn, statement) = (text(&request.properties["LayerVersionArn"]), request.generated_name(cx, 100));
            let (layer, number) = parts(&arn)?;
            let mut input = pick(&request.properties, &["Action", "Principal"]);
            input.insert("LayerName".to_owned(), json!(layer));
            input.insert("VersionNumber".to_owned(), json!(number));
            input.insert("StatementId".to_owned(), json!(statement));
            cx.call("lambda", "AddLayerVersionPermission", Json::Object(input)).await?;
            let id = format!("{arn}#{statement}");
            Ok(Resource::new(id.clone(), [("Id", json!(id))]))
        })
    }

    fn update<'a>(
        &'a self,
        _cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async { Ok(Updated::NeedsReplacement) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (arn, statement) = id.split_once('#').unwrap_or((id, ""));
            let (layer, number) = parts(arn)?;
            let input = json!({"LayerName": layer, "VersionNumber": number, "StatementId": statement});
            gone(cx.call("lambda", "RemoveLayerVersionPermission", input).await)
        })
    }
}
