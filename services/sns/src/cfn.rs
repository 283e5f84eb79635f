//! `AWS::SNS::Topic`, `AWS::SNS::Subscription` and `AWS::SNS::TopicPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, text, texts, unless_gone,
};
use undercast_kernel::{Cx, Failure, Result};

/// `AWS::SNS::Topic`
pub(crate) struct Topic;

fn described(arn: &str) -> Resource {
    let name = arn.rsplit(':').next().unwrap_or_default();
    Resource::new(arn, [("TopicArn", json!(arn)), ("TopicName", json!(name))])
}

/// Endpoint and protocol of the subscriptions in a topic's own list.
fn inline(properties: &Properties) -> Vec<(String, String)> {
    let items = properties.get("Subscription").and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|s| Some((s["Endpoint"].as_str()?.to_owned(), s["Protocol"].as_str()?.to_owned()))).collect()
}

async fn subscribe_all(cx: &Cx, arn: &str, wanted: &[(String, String)]) -> Result<()> {
    for (endpoint, protocol) in wanted {
        cx.call("sns", "Subscribe", json!({"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint})).await?;
    }
    Ok(())
}

impl ResourceType for Topic {
    fn name(&self) -> &'static str {
        "AWS::SNS::Topic"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["DisplayName", "Subscription", "Tags", "TopicName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["TopicName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("TopicName").unwrap_or_else(|| request.generated_name(cx, 256));
            let mut input = json!({"Name": name, "Tags": request.all_tags()?.list()});
            if let Some(display) = request.text("DisplayName") {
                input["Attributes"] = json!({"DisplayName": display});
            }
            let answer = cx.call("sns", "CreateTopic", input).await?;
            let arn = answer["TopicArn"].as_str().ok_or_else(|| Failure::broken("CreateTopic gave no ARN"))?;
            subscribe_all(cx, arn, &inline(&request.properties)).await?;
            Ok(described(arn))
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
            if before.get("DisplayName") != request.properties.get("DisplayName") {
                let display = request.text("DisplayName").unwrap_or_else(String::new);
                let input = json!({"TopicArn": id, "AttributeName": "DisplayName", "AttributeValue": display});
                cx.call("sns", "SetTopicAttributes", input).await?;
            }
            let (old, new) = (inline(before), inline(&request.properties));
            subscribe_all(cx, id, &new).await?;
            let there = cx.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": id})).await?;
            for (endpoint, _) in old.iter().filter(|s| !new.contains(s)) {
                let found = there["Subscriptions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|s| s["Endpoint"] == endpoint.as_str());
                if let Some(found) = found {
                    cx.call("sns", "Unsubscribe", json!({"SubscriptionArn": found["SubscriptionArn"]})).await?;
                }
            }
            let tags = request.all_tags()?;
            let there = cx.call("sns", "ListTagsForResource", json!({"ResourceArn": id})).await?;
            let gone = tags.unwanted(&there["Tags"]);
            if !gone.is_empty() {
                cx.call("sns", "UntagResource", json!({"ResourceArn": id, "TagKeys": gone})).await?;
            }
            if !tags.is_empty() {
                cx.call("sns", "TagResource", json!({"ResourceArn": id, "Tags": tags.list()})).await?;
            }
            Ok(Updated::InPlace(described(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.call("sns", "DeleteTopic", json!({"TopicArn": id})).await.map(drop) })
    }
}

/// `AWS::SNS::Subscription`
pub(crate) struct Subscription;

/// Properties that are attributes of the same name.
const ATTRIBUTES: &[&str] = &["FilterPolicyScope", "FilterPolicy", "RawMessageDelivery", "RedrivePolicy"];

impl ResourceType for Subscription {
    fn name(&self) -> &'static str {
        "AWS::SNS::Subscription"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Endpoint",
            "FilterPolicy",
            "FilterPolicyScope",
            "Protocol",
            "RawMessageDelivery",
            "RedrivePolicy",
            "TopicArn",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Endpoint", "Protocol", "TopicArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let given =
                ATTRIBUTES.iter().filter_map(|n| request.properties.get(*n).map(|v| ((*n).to_owned(), json!(text(v)))));
            let input = json!({"TopicArn": request.text("TopicArn"), "Protocol": request.text("Protocol"), "Endpoint": request.text("Endpoint"),
                               "Attributes": given.collect::<Map<_, _>>(), "ReturnSubscriptionArn": true});
            let answer = cx.call("sns", "Subscribe", input).await?;
            let arn = answer["SubscriptionArn"].as_str().unwrap_or_default().to_owned();
            Ok(Resource::new(arn.clone(), [("Arn", json!(arn))]))
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
            for name in ATTRIBUTES.iter().filter(|n| before.get(**n) != request.properties.get(**n)) {
                let value = request.properties.get(*name).map_or_else(String::new, text);
                let value = if value.is_empty() && *name == "RawMessageDelivery" { "false".to_owned() } else { value };
                let input = json!({"SubscriptionArn": id, "AttributeName": name, "AttributeValue": value});
                cx.call("sns", "SetSubscriptionAttributes", input).await?;
            }
            Ok(Updated::InPlace(Resource::new(id, [("Arn", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { cx.call("sns", "Unsubscribe", json!({"SubscriptionArn": id})).await.map(drop) })
    }
}

/// `AWS::SNS::TopicPolicy`
pub(crate) struct TopicPolicy;

async fn set_policy(cx: &Cx, topic: &str, policy: &str) -> Result<()> {
    let input = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy});
    let set = cx.call("sns", "SetTopicAttributes", input).await;
    if policy.is_empty() { unless_gone(set, &["NotFound"]) } else { set.map(drop) }
}

impl ResourceType for TopicPolicy {
    fn name(&self) -> &'static str {
        "AWS::SNS::TopicPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Topics"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let policy = request.text("PolicyDocument").unwrap_or_else(String::new);
            for topic in texts(&request.properties, "Topics") {
                set_policy(cx, &topic, &policy).await?;
            }
            let id = request.generated_name(cx, 128);
            Ok(Resource::new(id.clone(), [("Id", json!(id))]))
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
            let (old, new) = (texts(before, "Topics"), texts(&request.properties, "Topics"));
            let policy = request.text("PolicyDocument").unwrap_or_else(String::new);
            for topic in &new {
                set_policy(cx, topic, &policy).await?;
            }
            for topic in old.iter().filter(|t| !new.contains(t)) {
                set_policy(cx, topic, "").await?;
            }
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for topic in texts(properties, "Topics") {
                set_policy(cx, &topic, "").await?;
            }
            Ok(())
        })
    }
}
