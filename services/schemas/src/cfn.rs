//! `AWS::EventSchemas::Registry`, `Schema`, `Discoverer` and `RegistryPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

use crate::SERVICE;

const GONE: &[&str] = &["NotFoundException"];

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

/// What stands behind the last slash of an ARN.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
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
        call(cx, "TagResource", json!({"ResourceArn": arn, "Tags": tags.map()})).await?;
    }
    Ok(())
}

/// `AWS::EventSchemas::Registry`
pub(crate) struct Registry;

fn registry(answer: &Json) -> Resource {
    let (arn, name) = (&answer["RegistryArn"], &answer["RegistryName"]);
    Resource::new(text(arn), [("RegistryArn", arn.clone()), ("RegistryName", name.clone())])
}

impl ResourceType for Registry {
    fn name(&self) -> &'static str {
        "AWS::EventSchemas::Registry"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "RegistryName", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["RegistryName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["Description"]);
            let name = request.text("RegistryName").unwrap_or_else(|| request.generated_name(cx, 64));
            input.insert("RegistryName".to_owned(), json!(name));
            input.insert("Tags".to_owned(), request.all_tags()?.map());
            Ok(registry(&call(cx, "CreateRegistry", Json::Object(input)).await?))
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
            let description = request.text("Description").unwrap_or_else(String::new);
            let input = json!({"RegistryName": last(id), "Description": description});
            let updated = registry(&call(cx, "UpdateRegistry", input).await?);
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(updated))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteRegistry", json!({"RegistryName": last(id)})).await, GONE) })
    }
}

/// `AWS::EventSchemas::Schema`
pub(crate) struct Schema;

fn schema(answer: &Json) -> Resource {
    let names = ["LastModified", "SchemaArn", "SchemaName", "SchemaVersion", "VersionCreatedDate"];
    Resource::new(text(&answer["SchemaArn"]), names.map(|name| (name, answer[name].clone())))
}

/// The registry and the name of a schema by its ARN.
fn place(arn: &str) -> (&str, &str) {
    let rest = arn.split_once(":schema/").map_or("", |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

/// A template may give a registry by its ARN, which is what `Ref` gives.
fn registry_of(request: &ResourceRequest) -> String {
    request.text("RegistryName").unwrap_or_else(String::new)
}

impl ResourceType for Schema {
    fn name(&self) -> &'static str {
        "AWS::EventSchemas::Schema"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Content", "Description", "RegistryName", "SchemaName", "Tags", "Type"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["RegistryName", "SchemaName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["Description", "Type"]);
            let name = request.text("SchemaName").unwrap_or_else(|| request.generated_name(cx, 255));
            input.insert("SchemaName".to_owned(), json!(name));
            input.insert("RegistryName".to_owned(), json!(registry_of(request)));
            input.insert("Content".to_owned(), json!(request.text("Content")));
            input.insert("Tags".to_owned(), request.all_tags()?.map());
            Ok(schema(&call(cx, "CreateSchema", Json::Object(input)).await?))
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
            let (registry, name) = place(id);
            let mut input = pick(&request.properties, &["Type"]);
            input.insert("RegistryName".to_owned(), json!(registry));
            input.insert("SchemaName".to_owned(), json!(name));
            input.insert("Content".to_owned(), json!(request.text("Content")));
            let description = request.text("Description").unwrap_or_else(String::new);
            input.insert("Description".to_owned(), json!(description));
            let updated = schema(&call(cx, "UpdateSchema", Json::Object(input)).await?);
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(updated))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (registry, name) = place(id);
            let input = json!({"RegistryName": registry, "SchemaName": name});
            unless_gone(call(cx, "DeleteSchema", input).await, GONE)
        })
    }
}

/// `AWS::EventSchemas::Discoverer`
pub(crate) struct Discoverer;

fn discoverer(answer: &Json) -> Resource {
    let names = ["CrossAccount", "DiscovererArn", "DiscovererId", "State"];
    Resource::new(text(&answer["DiscovererArn"]), names.map(|name| (name, answer[name].clone())))
}

/// Whether events of other accounts are looked at. Templates may say it as a text.
fn cross_account(request: &ResourceRequest) -> bool {
    request.text("CrossAccount").is_none_or(|text| text != "false")
}

impl ResourceType for Discoverer {
    fn name(&self) -> &'static str {
        "AWS::EventSchemas::Discoverer"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CrossAccount", "Description", "SourceArn", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["SourceArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, &["Description", "SourceArn"]);
            input.insert("CrossAccount".to_owned(), json!(cross_account(request)));
            input.insert("Tags".to_owned(), request.all_tags()?.map());
            Ok(discoverer(&call(cx, "CreateDiscoverer", Json::Object(input)).await?))
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
            let description = request.text("Description").unwrap_or_else(String::new);
            let input =
                json!({"DiscovererId": last(id), "Description": description, "CrossAccount": cross_account(request)});
            let updated = discoverer(&call(cx, "UpdateDiscoverer", input).await?);
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(updated))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { unless_gone(call(cx, "DeleteDiscoverer", json!({"DiscovererId": last(id)})).await, GONE) },
        )
    }
}

/// `AWS::EventSchemas::RegistryPolicy`
pub(crate) struct RegistryPolicy;

async fn put_policy(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = registry_of(request);
    let policy = request.properties.get("Policy").map_or_else(String::new, text);
    let mut input = pick(&request.properties, &["RevisionId"]);
    input.insert("RegistryName".to_owned(), json!(name));
    input.insert("Policy".to_owned(), json!(policy));
    let answer = call(cx, "PutResourcePolicy", Json::Object(input)).await?;
    Ok(Resource::new(name, [("Id", answer["RevisionId"].clone())]))
}

impl ResourceType for RegistryPolicy {
    fn name(&self) -> &'static str {
        "AWS::EventSchemas::RegistryPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Policy", "RegistryName", "RevisionId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(put_policy(cx, request))
    }

    /// It moves from one registry to another where it is told to: the type has nothing that only a new one can have.
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let put = put_policy(cx, request).await?;
            if put.id != id {
                self.delete(cx, id, before).await?;
            }
            Ok(Updated::InPlace(put))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteResourcePolicy", json!({"RegistryName": id})).await, GONE) })
    }
}
