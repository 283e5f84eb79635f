//! `AWS::CloudWatch::Alarm`, `AWS::CloudWatch::CompositeAlarm`, `AWS::CloudWatch::AlarmMuteRule` and `AWS::CloudWatch::Dashboard`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{Cx, Result};

const SERVICE: &str = "cloudwatch";

/// Which kind of alarm a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Metric,
    Composite,
}

/// Properties that are parameters of `PutMetricAlarm` of the same name and form.
const OF_METRIC: &[&str] = &[
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
    "Unit",
];

/// The same of `PutCompositeAlarm`.
const OF_COMPOSITE: &[&str] = &[
    "ActionsEnabled",
    "ActionsSuppressor",
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "AlarmActions",
    "AlarmDescription",
    "AlarmRule",
    "InsufficientDataActions",
    "OKActions",
];

/// Makes the tags of a resource those that it shall have.
async fn retag(cx: &Cx, arn: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = cx.call(SERVICE, "ListTagsForResource", json!({"ResourceARN": arn})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        cx.call(SERVICE, "UntagResource", json!({"ResourceARN": arn, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        cx.call(SERVICE, "TagResource", json!({"ResourceARN": arn, "Tags": tags.list()})).await?;
    }
    Ok(())
}

impl Alarm {
    async fn put(self, cx: &Cx, name: &str, request: &ResourceRequest, tags: Option<Json>) -> Result<Resource> {
        let (operation, members) = match self {
            Self::Metric => ("PutMetricAlarm", OF_METRIC),
            Self::Composite => ("PutCompositeAlarm", OF_COMPOSITE),
        };
        let mut input = pick(&request.properties, members);
        input.insert("AlarmName".to_owned(), json!(name));
        input.extend(tags.map(|tags| ("Tags".to_owned(), tags)));
        cx.call(SERVICE, operation, Json::Object(input)).await?;
        let arn = cx.arn(SERVICE, &format!("alarm:{name}"));
        Ok(Resource::new(name, [("Arn", json!(arn))]))
    }
}

impl ResourceType for Alarm {
    fn name(&self) -> &'static str {
        match self {
            Self::Metric => "AWS::CloudWatch::Alarm",
            Self::Composite => "AWS::CloudWatch::CompositeAlarm",
        }
    }

    fn properties(&self) -> &'static [&'static str] {
        match self {
            Self::Metric => &[
                "ActionsEnabled",
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "ComparisonOperator",
                "DatapointsToAlarm",
                "Dimensions",
                "EvaluateLowSampleCountPercentile",
                "EvaluationPeriods",
                "ExtendedStatistic",
                "InsufficientDataActions",
                "MetricName",
                "Metrics",
                "Namespace",
                "OKActions",
                "Period",
                "Statistic",
                "Tags",
                "Threshold",
                "TreatMissingData",
                "Unit",
            ],
            Self::Composite => &[
                "ActionsEnabled",
                "ActionsSuppressor",
                "ActionsSuppressorExtensionPeriod",
                "ActionsSuppressorWaitPeriod",
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "AlarmRule",
                "InsufficientDataActions",
                "OKActions",
                "Tags",
            ],
        }
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AlarmName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("AlarmName").unwrap_or_else(|| request.generated_name(cx, 255));
            let tags = request.all_tags()?;
            self.put(cx, &name, request, (!tags.is_empty()).then(|| tags.list())).await
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
            let resource = self.put(cx, id, request, None).await?;
            retag(cx, &text(&resource.attributes["Arn"]), request).await?;
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.call(SERVICE, "DeleteAlarms", json!({"AlarmNames": [id]})).await.map(drop) })
    }
}

/// `AWS::CloudWatch::Dashboard`
pub(crate) struct Dashboard;

impl Dashboard {
    async fn put(&self, cx: &Cx, name: &str, request: &ResourceRequest, tags: Option<Json>) -> Result<Resource> {
        let mut input = json!({"DashboardName": name, "DashboardBody": request.text("DashboardBody")});
        if let Some(tags) = tags {
            input["Tags"] = tags;
        }
        cx.call(SERVICE, "PutDashboard", input).await?;
        Ok(Resource::new(name, []))
    }
}

impl ResourceType for Dashboard {
    fn name(&self) -> &'static str {
        "AWS::CloudWatch::Dashboard"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["DashboardBody", "DashboardName", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["DashboardName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("DashboardName").unwrap_or_else(|| request.generated_name(cx, 255));
            let tags = request.all_tags()?;
            self.put(cx, &name, request, (!tags.is_empty()).then(|| tags.list())).await
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
            let resource = self.put(cx, id, request, None).await?;
            retag(cx, &cx.global_arn(SERVICE, &format!("dashboard/{id}")), request).await?;
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deleted = cx.call(SERVICE, "DeleteDashboards", json!({"DashboardNames": [id]})).await;
            unless_gone(deleted, &["ResourceNotFound"])
        })
    }
}

/// `AWS::CloudWatch::AlarmMuteRule`
pub(crate) struct MuteRule;

impl MuteRule {
    async fn put(&self, cx: &Cx, name: &str, request: &ResourceRequest, tags: Option<Json>) -> Result<Resource> {
        let mut input = pick(&request.properties, &["Description", "ExpireDate", "MuteTargets", "Rule", "StartDate"]);
        input.insert("Name".to_owned(), json!(name));
        input.extend(tags.map(|tags| ("Tags".to_owned(), tags)));
        cx.call(SERVICE, "PutAlarmMuteRule", Json::Object(input)).await?;
        let made = cx.call(SERVICE, "GetAlarmMuteRule", json!({"AlarmMuteRuleName": name})).await?;
        let attributes = [
            ("Arn", made["AlarmMuteRuleArn"].clone()),
            ("LastUpdatedTimestamp", json!(text(&made["LastUpdatedTimestamp"]))),
            ("MuteType", made["MuteType"].clone()),
            ("Status", made["Status"].clone()),
        ];
        Ok(Resource::new(text(&made["AlarmMuteRuleArn"]), attributes))
    }
}

/// The name in a rule's ARN.
fn name_in(arn: &str) -> &str {
    arn.split_once(":alarm-mute-rule:").map_or(arn, |(_, name)| name)
}

impl ResourceType for MuteRule {
    fn name(&self) -> &'static str {
        "AWS::CloudWatch::AlarmMuteRule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "ExpireDate", "MuteTargets", "Name", "Rule", "StartDate", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 255));
            let tags = request.all_tags()?;
            self.put(cx, &name, request, (!tags.is_empty()).then(|| tags.list())).await
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
            let resource = self.put(cx, name_in(id), request, None).await?;
            retag(cx, id, request).await?;
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let input = json!({"AlarmMuteRuleName": name_in(id)});
            cx.call(SERVICE, "DeleteAlarmMuteRule", input).await.map(drop)
        })
    }
}
