//! `AWS::SNS::Topic`, `AWS::SNS::Subscription`, `AWS::SNS::TopicPolicy` and `AWS::SNS::TopicInlinePolicy`.

use std::collections::BTreeMap;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, text, texts, unless_gone,
};
use undercast_kernel::{Cx, Failure, Result};

/// `AWS::SNS::Topic`
pub(crate) struct Topic;

/// Properties of topics that are attributes of the same name.
const OF_TOPICS: &[&str] = &[
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "SignatureVersion",
    "TracingConfig",
];
/// What attributes of logs begin with, by what templates call the protocol.
const LOGGED: &[(&str, &str)] = &[
    ("http/s", "HTTP"),
    ("sqs", "SQS"),
    ("lambda", "Lambda"),
    ("firehose", "Firehose"),
    ("application", "Application"),
];

fn described(arn: &str) -> Resource {
    let name = arn.rsplit(':').next().unwrap_or_default();
    Resource::new(arn, [("TopicArn", json!(arn)), ("TopicName", json!(name))])
}

/// The attributes that a template's properties mean.
fn attributes(properties: &Properties) -> BTreeMap<String, String> {
    let own = OF_TOPICS.iter().filter_map(|n| properties.get(*n).map(|v| ((*n).to_owned(), text(v))));
    // `FifoTopic: false` is how templates say that a topic is a standard one.
    let mut out: BTreeMap<String, String> = own.filter(|(n, v)| n != "FifoTopic" || v == "true").collect();
    for logging in properties.get("DeliveryStatusLogging").and_then(Json::as_array).into_iter().flatten() {
        let Some((_, prefix)) = LOGGED.iter().find(|(protocol, _)| logging["Protocol"] == *protocol) else { continue };
        for name in ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"] {
            out.extend(logging.get(name).map(|v| (format!("{prefix}{name}"), text(v))));
        }
    }
    out
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

/// Has a topic's own list of subscriptions become another.
async fn resubscribe(cx: &Cx, arn: &str, old: &[(String, String)], new: &[(String, String)]) -> Result<()> {
    subscribe_all(cx, arn, new).await?;
    let there = cx.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": arn})).await?;
    let there: Vec<&Json> = there["Subscriptions"].as_array().into_iter().flatten().collect();
    for (endpoint, protocol) in old.iter().filter(|s| !new.contains(s)) {
        let found = there.iter().find(|s| s["Endpoint"] == endpoint.as_str() && s["Protocol"] == protocol.as_str());
        // What is not confirmed cannot be ended, and goes by itself.
        if let Some(arn) = found.and_then(|s| s["SubscriptionArn"].as_str()).filter(|arn| arn.starts_with("arn:")) {
            cx.call("sns", "Unsubscribe", json!({"SubscriptionArn": arn})).await?;
        }
    }
    Ok(())
}

/// Has attributes become others: those that are gone are taken away.
async fn change(cx: &Cx, arn: &str, before: &Properties, now: &Properties) -> Result<()> {
    let (before, mut wanted) = (attributes(before), attributes(now));
    for name in before.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect::<Vec<_>>() {
        wanted.insert(name, String::new());
    }
    for (name, value) in wanted.iter().filter(|(name, value)| before.get(*name) != Some(value)) {
        let input = json!({"TopicArn": arn, "AttributeName": name, "AttributeValue": value});
        cx.call("sns", "SetTopicAttributes", input).await?;
    }
    Ok(())
}

impl ResourceType for Topic {
    fn name(&self) -> &'static str {
        "AWS::SNS::Topic"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ArchivePolicy",
            "ContentBasedDeduplication",
            "DataProtectionPolicy",
            "DeliveryStatusLogging",
            "DisplayName",
            "FifoThroughputScope",
            "FifoTopic",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "SignatureVersion",
            "Subscription",
            "Tags",
            "TopicName",
            "TracingConfig",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["FifoTopic", "TopicName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let attributes = attributes(&request.properties);
            let fifo = attributes.contains_key("FifoTopic");
            let name = request.text("TopicName").unwrap_or_else(|| {
                let generated = request.generated_name(cx, if fifo { 251 } else { 256 });
                if fifo { format!("{generated}.fifo") } else { generated }
            });
            let mut input = json!({"Name": name, "Tags": request.all_tags()?.list(), "Attributes": attributes});
            if let Some(policy) = request.text("DataProtectionPolicy") {
                input["DataProtectionPolicy"] = json!(policy);
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
            change(cx, id, before, &request.properties).await?;
            if before.get("DataProtectionPolicy") != request.properties.get("DataProtectionPolicy") {
                let policy = request.text("DataProtectionPolicy").unwrap_or_else(|| "{}".to_owned());
                let input = json!({"ResourceArn": id, "DataProtectionPolicy": policy});
                cx.call("sns", "PutDataProtectionPolicy", input).await?;
            }
            resubscribe(cx, id, &inline(before), &inline(&request.properties)).await?;
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

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // A topic whose archive goes on is not deleted; a template that no longer has it means it to be.
            if properties.contains_key("ArchivePolicy") {
                let input = json!({"TopicArn": id, "AttributeName": "ArchivePolicy", "AttributeValue": "{}"});
                unless_gone(cx.call("sns", "SetTopicAttributes", input).await, &["NotFound"])?;
            }
            cx.call("sns", "DeleteTopic", json!({"TopicArn": id})).await.map(drop)
        })
    }
}

/// `AWS::SNS::Subscription`
pub(crate) struct Subscription;

/// Properties that are attributes of the same name.
const ATTRIBUTES: &[&str] = &[
    "DeliveryPolicy",
    "FilterPolicyScope",
    "FilterPolicy",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
];

/// Where a subscription is made: in the region of its topic, where that is another.
fn there(cx: &Cx, properties: &Properties) -> Cx {
    match properties.get("Region").and_then(Json::as_str) {
        Some(region) => cx.elsewhere(cx.account(), region),
        None => cx.clone(),
    }
}

impl ResourceType for Subscription {
    fn name(&self) -> &'static str {
        "AWS::SNS::Subscription"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "DeliveryPolicy",
            "Endpoint",
            "FilterPolicy",
            "FilterPolicyScope",
            "Protocol",
            "RawMessageDelivery",
            "RedrivePolicy",
            "Region",
            "ReplayPolicy",
            "SubscriptionRoleArn",
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
            let answer = there(cx, &request.properties).call("sns", "Subscribe", input).await?;
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
                let value = match (*name, value.as_str()) {
                    ("RawMessageDelivery", "") => "false".to_owned(),
                    ("FilterPolicyScope", "") => "MessageAttributes".to_owned(),
                    _ => value,
                };
                let input = json!({"SubscriptionArn": id, "AttributeName": name, "AttributeValue": value});
                there(cx, &request.properties).call("sns", "SetSubscriptionAttributes", input).await?;
            }
            Ok(Updated::InPlace(Resource::new(id, [("Arn", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            there(cx, properties).call("sns", "Unsubscribe", json!({"SubscriptionArn": id})).await.map(drop)
        })
    }
}

async fn set_policy(cx: &Cx, topic: &str, policy: &str) -> Result<()> {
    let input = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy});
    let set = cx.call("sns", "SetTopicAttributes", input).await;
    if policy.is_empty() { unless_gone(set, &["NotFound"]) } else { set.map(drop) }
}

/// `AWS::SNS::TopicPolicy`
pub(crate) struct TopicPolicy;

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

/// `AWS::SNS::TopicInlinePolicy`
pub(crate) struct TopicInlinePolicy;

impl ResourceType for TopicInlinePolicy {
    fn name(&self) -> &'static str {
        "AWS::SNS::TopicInlinePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "TopicArn"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["TopicArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let topic = request.text("TopicArn").unwrap_or_else(String::new);
            set_policy(cx, &topic, &request.text("PolicyDocument").unwrap_or_else(String::new)).await?;
            Ok(Resource::new(topic, []))
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
            set_policy(cx, id, &request.text("PolicyDocument").unwrap_or_else(String::new)).await?;
            Ok(Updated::InPlace(Resource::new(id, [])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { set_policy(cx, id, "").await })
    }
}
