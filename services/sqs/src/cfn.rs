//! `AWS::SQS::Queue`, `AWS::SQS::QueuePolicy` and `AWS::SQS::QueueInlinePolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, text, texts, unless_gone,
};
use undercast_kernel::{Cx, Failure, Result};

/// Properties that are attributes of the same name.
const ATTRIBUTES: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// A queue that is not there, in SQS's words.
const GONE: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// `AWS::SQS::Queue`
pub(crate) struct Queue;

fn attributes(properties: &Properties) -> Map<String, Json> {
    let mut out = Map::new();
    for (name, value) in properties {
        let attribute = if name == "MaximumMessageSize" {
            Some(name.as_str())
        } else {
            ATTRIBUTES.iter().copied().find(|a| a == name)
        };
        // `FifoQueue: false` is how templates say that a queue is a standard one; the API has no such value.
        let (Some(attribute), false) = (attribute, name == "FifoQueue" && matches!(text(value).as_str(), "false"))
        else {
            continue;
        };
        out.insert(attribute.to_owned(), Json::from(text(value)));
    }
    out
}

async fn describe(cx: &Cx, url: &str) -> Result<Resource> {
    let answer = cx.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]})).await?;
    let (arn, name) = (answer["Attributes"]["QueueArn"].clone(), url.rsplit('/').next().unwrap_or_default());
    Ok(Resource::new(url, [("Arn", arn), ("QueueName", json!(name)), ("QueueUrl", json!(url))]))
}

impl ResourceType for Queue {
    fn name(&self) -> &'static str {
        "AWS::SQS::Queue"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ContentBasedDeduplication",
            "DeduplicationScope",
            "DelaySeconds",
            "FifoQueue",
            "FifoThroughputLimit",
            "KmsDataKeyReusePeriodSeconds",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "QueueName",
            "ReceiveMessageWaitTimeSeconds",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "Tags",
            "VisibilityTimeout",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["FifoQueue", "QueueName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let attributes = attributes(&request.properties);
            let fifo = attributes.contains_key("FifoQueue");
            let name = request.text("QueueName").unwrap_or_else(|| {
                let most = if fifo { 75 } else { 80 };
                let generated = request.generated_name(cx, most);
                if fifo { format!("{generated}.fifo") } else { generated }
            });
            let input = json!({"QueueName": name, "Attributes": attributes, "tags": request.all_tags()?.map()});
            let answer = cx.call("sqs", "CreateQueue", input).await?;
            let url = answer["QueueUrl"].as_str().ok_or_else(|| Failure::broken("CreateQueue gave no URL"))?;
            describe(cx, url).await
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
            let mut changed = attributes(&request.properties);
            changed.remove("FifoQueue");
            // A property that is gone has its default again; policies have none, and an empty text takes them away.
            for (name, _) in before.iter().filter(|(name, _)| !request.properties.contains_key(*name)) {
                let default = crate::attributes::default_number(name);
                match name.as_str() {
                    "RedrivePolicy" | "RedriveAllowPolicy" | "KmsMasterKeyId" => {
                        drop(changed.insert(name.clone(), json!("")));
                    }
                    _ if default > 0 || name == "DelaySeconds" || name == "ReceiveMessageWaitTimeSeconds" => {
                        drop(changed.insert(name.clone(), json!(default.to_string())));
                    }
                    _ => {}
                }
            }
            if !changed.is_empty() {
                cx.call("sqs", "SetQueueAttributes", json!({"QueueUrl": id, "Attributes": changed})).await?;
            }
            let tags = request.all_tags()?;
            let there = cx.call("sqs", "ListQueueTags", json!({"QueueUrl": id})).await?;
            let gone = tags.unwanted(&there["Tags"]);
            if !gone.is_empty() {
                cx.call("sqs", "UntagQueue", json!({"QueueUrl": id, "TagKeys": gone})).await?;
            }
            if !tags.is_empty() {
                cx.call("sqs", "TagQueue", json!({"QueueUrl": id, "Tags": tags.map()})).await?;
            }
            Ok(Updated::InPlace(describe(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { unless_gone(cx.call("sqs", "DeleteQueue", json!({"QueueUrl": id})).await, &[GONE]) })
    }
}

/// `AWS::SQS::QueuePolicy`
pub(crate) struct QueuePolicy;

async fn set_policy(cx: &Cx, queue: &str, policy: &str) -> Result<()> {
    let input = json!({"QueueUrl": queue, "Attributes": {"Policy": policy}});
    let set = cx.call("sqs", "SetQueueAttributes", input).await;
    // To take a policy from a queue that is gone is to do nothing.
    if policy.is_empty() { unless_gone(set, &[GONE]) } else { set.map(drop) }
}

impl ResourceType for QueuePolicy {
    fn name(&self) -> &'static str {
        "AWS::SQS::QueuePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queues"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let policy = request.text("PolicyDocument").unwrap_or_default();
            for queue in texts(&request.properties, "Queues") {
                set_policy(cx, &queue, &policy).await?;
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
            let (old, new) = (texts(before, "Queues"), texts(&request.properties, "Queues"));
            let policy = request.text("PolicyDocument").unwrap_or_default();
            for queue in &new {
                set_policy(cx, queue, &policy).await?;
            }
            for queue in old.iter().filter(|q| !new.contains(q)) {
                set_policy(cx, queue, "").await?;
            }
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for queue in texts(properties, "Queues") {
                set_policy(cx, &queue, "").await?;
            }
            Ok(())
        })
    }
}

/// `AWS::SQS::QueueInlinePolicy`
pub(crate) struct QueueInlinePolicy;

impl ResourceType for QueueInlinePolicy {
    fn name(&self) -> &'static str {
        "AWS::SQS::QueueInlinePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queue"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Queue"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let queue = request.text("Queue").unwrap_or_default();
            set_policy(cx, &queue, &request.text("PolicyDocument").unwrap_or_default()).await?;
            Ok(Resource::new(queue, []))
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
            set_policy(cx, id, &request.text("PolicyDocument").unwrap_or_default()).await?;
            Ok(Updated::InPlace(Resource::new(id, [])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { set_policy(cx, id, "").await })
    }
}
