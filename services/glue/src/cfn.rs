//! `AWS::Glue::Database` and `AWS::Glue::Table`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, unless_gone};
use undercast_kernel::{Cx, Result};

/// What is not there, in Glue's words.
const GONE: &[&str] = &["EntityNotFoundException"];

/// `AWS::Glue::Database`
pub(crate) struct Database;

/// `AWS::Glue::Table`
pub(crate) struct Table;

/// The input of a call, with the catalog and what else is given.
fn call_with(properties: &Properties, more: Json) -> Json {
    let mut input = more;
    if let Some(catalog) = properties.get("CatalogId") {
        input["CatalogId"] = catalog.clone();
    }
    input
}

/// The description of a database or a table, under its name.
fn described(properties: &Properties, member: &str, name: &str) -> Json {
    let mut given = properties.get(member).cloned().unwrap_or_else(|| json!({}));
    given["Name"] = json!(name);
    given
}

/// The name that is given, beside the description or in it, or a new one. Catalogs have them in lower case.
fn name_of(cx: &Cx, request: &ResourceRequest, beside: &str, inside: &str) -> String {
    let within = request.properties.get(inside).and_then(|given| given["Name"].as_str());
    let given = request.text(beside).or_else(|| within.map(ToOwned::to_owned));
    given.unwrap_or_else(|| request.generated_name(cx, 255)).to_lowercase()
}

/// Whether the name of a description has become another: the resource is another then.
fn renamed(request: &ResourceRequest, beside: &str, inside: &str, id: &str) -> bool {
    let within = request.properties.get(inside).and_then(|given| given["Name"].as_str());
    !request.properties.contains_key(beside) && within.is_some_and(|name| name.to_lowercase() != id)
}

impl ResourceType for Database {
    fn name(&self) -> &'static str {
        "AWS::Glue::Database"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CatalogId", "DatabaseInput", "DatabaseName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["CatalogId", "DatabaseName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = name_of(cx, request, "DatabaseName", "DatabaseInput");
            let input = json!({"DatabaseInput": described(&request.properties, "DatabaseInput", &name)});
            cx.call("glue", "CreateDatabase", call_with(&request.properties, input)).await?;
            Ok(Resource::new(name, []))
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
            if renamed(request, "DatabaseName", "DatabaseInput", id) {
                return Ok(Updated::NeedsReplacement);
            }
            let input = json!({"Name": id, "DatabaseInput": described(&request.properties, "DatabaseInput", id)});
            cx.refreshed().call("glue", "UpdateDatabase", call_with(&request.properties, input)).await?;
            Ok(Updated::InPlace(Resource::new(id, [])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        let input = call_with(properties, json!({"Name": id}));
        Box::pin(async move { unless_gone(cx.refreshed().call("glue", "DeleteDatabase", input).await, GONE) })
    }
}

/// A table, as templates refer to it.
fn table(name: &str) -> Resource {
    Resource::new(name, [("Id", json!(name))])
}

impl ResourceType for Table {
    fn name(&self) -> &'static str {
        "AWS::Glue::Table"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CatalogId", "DatabaseName", "Name", "TableInput"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["CatalogId", "DatabaseName", "Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = name_of(cx, request, "Name", "TableInput");
            let database = request.text("DatabaseName").unwrap_or_default();
            let described = described(&request.properties, "TableInput", &name);
            let input = json!({"DatabaseName": database, "TableInput": described});
            cx.call("glue", "CreateTable", call_with(&request.properties, input)).await?;
            Ok(table(&name))
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
            if renamed(request, "Name", "TableInput", id) {
                return Ok(Updated::NeedsReplacement);
            }
            let database = request.text("DatabaseName").unwrap_or_default();
            let described = described(&request.properties, "TableInput", id);
            let input = json!({"DatabaseName": database, "TableInput": described});
            cx.refreshed().call("glue", "UpdateTable", call_with(&request.properties, input)).await?;
            Ok(Updated::InPlace(table(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        let input = call_with(properties, json!({"DatabaseName": properties.get("DatabaseName"), "Name": id}));
        Box::pin(async move { unless_gone(cx.refreshed().call("glue", "DeleteTable", input).await, GONE) })
    }
}
