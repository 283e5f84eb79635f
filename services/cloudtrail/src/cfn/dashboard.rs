//! `AWS::CloudTrail::Dashboard`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

use super::{call, retag};

const GONE: &[&str] = &["ResourceNotFoundException"];

/// `AWS::CloudTrail::Dashboard`
pub(crate) struct Dashboard;

/// Properties that CreateDashboard and UpdateDashboard call the same.
const SAME: &[&str] = &["RefreshSchedule", "TerminationProtectionEnabled", "Widgets"];

/// A dashboard as GetDashboard tells of it.
async fn shown(cx: &Cx, id: &str) -> Result<Resource> {
    let told = call(cx, "GetDashboard", json!({"DashboardId": id})).await?;
    let names = ["DashboardArn", "CreatedTimestamp", "UpdatedTimestamp", "Status", "Type"];
    Ok(Resource::new(text(&told["DashboardArn"]), names.map(|name| (name, told[name].clone()))))
}

impl ResourceType for Dashboard {
    fn name(&self) -> &'static str {
        "AWS::CloudTrail::Dashboard"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Name", "RefreshSchedule", "Tags", "TerminationProtectionEnabled", "Widgets"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let mut input = pick(&request.properties, SAME);
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 128));
            input.insert("Name".to_owned(), json!(name));
            input.insert("TagsList".to_owned(), request.all_tags()?.list());
            let made = call(cx, "CreateDashboard", Json::Object(input)).await?;
            shown(cx, &text(&made["DashboardArn"])).await
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
            let mut input = pick(&request.properties, SAME);
            input.insert("DashboardId".to_owned(), json!(id));
            // What a template does not say any more is as for a new one.
            input.entry("Widgets").or_insert_with(|| json!([]));
            input.entry("TerminationProtectionEnabled").or_insert_with(|| json!(false));
            input.entry("RefreshSchedule").or_insert_with(|| json!({"Status": "DISABLED"}));
            call(cx, "UpdateDashboard", Json::Object(input)).await?;
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(shown(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(call(cx, "DeleteDashboard", json!({"DashboardId": id})).await, GONE) })
    }
}
