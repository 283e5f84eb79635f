//! `AWS::Kinesis::Stream`, `AWS::Kinesis::StreamConsumer` and `AWS::Kinesis::ResourcePolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, text, texts, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::mode::ON_DEMAND;
use crate::stream::{DAY, RECORD_KIB};

/// What is not there, in Kinesis's words.
const GONE: &[&str] = &["ResourceNotFoundException"];

/// `AWS::Kinesis::Stream`
pub(crate) struct Stream;

fn number(properties: &Properties, name: &str) -> Result<Option<i64>> {
    let wrong = || AwsError::new("ValidationError", 400, format!("Value of property {name} must be an integer"));
    let given = properties.get(name).filter(|value| !value.is_null()).map(text);
    given.map(|value| value.parse().map_err(|_| wrong().into())).transpose()
}

/// The mode that is wanted, if one is.
fn mode(properties: &Properties) -> Option<String> {
    properties.get("StreamModeDetails").and_then(|details| details.get("StreamMode")).map(text)
}

/// The key that records are encrypted with.
fn key(properties: &Properties) -> Option<String> {
    properties.get("StreamEncryption").and_then(|encryption| encryption.get("KeyId")).map(text)
}

/// Asks for something of a stream, and waits until it is so.
async fn ask(cx: &Cx, operation: &str, name: &str, more: Json) -> Result<()> {
    let mut input = Map::from_iter([("StreamARN".to_owned(), json!(cx.arn("kinesis", &format!("stream/{name}"))))]);
    input.extend(more.as_object().cloned().unwrap_or_default());
    cx.refreshed().call("kinesis", operation, Json::Object(input)).await?;
    summary(cx, name).await.map(drop)
}

/// What a stream is, once it is what it was told to be.
async fn summary(cx: &Cx, name: &str) -> Result<Json> {
    let answer = cx.refreshed().call("kinesis", "DescribeStreamSummary", json!({"StreamName": name})).await?;
    Ok(answer["StreamDescriptionSummary"].clone())
}

async fn describe(cx: &Cx, name: &str) -> Result<Resource> {
    let told = summary(cx, name).await?;
    let mut attributes = vec![("Arn", told["StreamARN"].clone())];
    let warm = &told["WarmThroughput"];
    if warm.is_object() {
        attributes.push(("WarmThroughputObject", warm.clone()));
        attributes.push(("WarmThroughputObject.TargetMiBps", warm["TargetMiBps"].clone()));
        attributes.push(("WarmThroughputObject.CurrentMiBps", warm["CurrentMiBps"].clone()));
    }
    Ok(Resource::new(name, attributes))
}

async fn create(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let properties = &request.properties;
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 128));
    let mut input = Map::from_iter([("StreamName".to_owned(), json!(name))]);
    for member in ["ShardCount", "MaxRecordSizeInKiB", "WarmThroughputMiBps"] {
        if let Some(value) = number(properties, member)? {
            input.insert(member.to_owned(), json!(value));
        }
    }
    if let Some(mode) = mode(properties) {
        input.insert("StreamModeDetails".to_owned(), json!({"StreamMode": mode}));
    }
    let tags = request.all_tags()?;
    if !tags.is_empty() {
        input.insert("Tags".to_owned(), tags.map());
    }
    cx.refreshed().call("kinesis", "CreateStream", Json::Object(input)).await?;
    summary(cx, &name).await?;
    let none = Properties::new();
    if let Err(failure) = settings(cx, &name, &none, properties).await {
        // The stack never hears of this stream, so nobody else would remove it.
        delete(cx, &name).await?;
        return Err(failure);
    }
    describe(cx, &name).await
}

/// Sets what CreateStream does not, as far as it differs.
async fn settings(cx: &Cx, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let hours = |of| Ok::<_, Failure>(number(of, "RetentionPeriodHours")?.unwrap_or(i64::from(DAY)));
    let (was, wanted) = (hours(before)?, hours(after)?);
    if was != wanted {
        let operation = if wanted > was { "IncreaseStreamRetentionPeriod" } else { "DecreaseStreamRetentionPeriod" };
        ask(cx, operation, name, json!({"RetentionPeriodHours": wanted})).await?;
    }
    let (was, wanted) = (texts(before, "DesiredShardLevelMetrics"), texts(after, "DesiredShardLevelMetrics"));
    let gone: Vec<&String> = was.iter().filter(|metric| !wanted.contains(metric)).collect();
    if !gone.is_empty() {
        ask(cx, "DisableEnhancedMonitoring", name, json!({"ShardLevelMetrics": gone})).await?;
    }
    if !wanted.is_empty() && (was != wanted || !gone.is_empty()) {
        ask(cx, "EnableEnhancedMonitoring", name, json!({"ShardLevelMetrics": wanted})).await?;
    }
    match (key(before), key(after)) {
        (was, Some(key)) if was.as_ref() != Some(&key) => {
            ask(cx, "StartStreamEncryption", name, json!({"EncryptionType": "KMS", "KeyId": key})).await
        }
        (Some(key), None) => {
            ask(cx, "StopStreamEncryption", name, json!({"EncryptionType": "KMS", "KeyId": key})).await
        }
        _ => Ok(()),
    }
}

/// Changes how much a stream takes.
async fn capacity(cx: &Cx, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let told = summary(cx, name).await?;
    let is = text(&told["StreamModeDetails"]["StreamMode"]);
    let wanted = mode(after)
        .unwrap_or_else(|| if after.contains_key("ShardCount") { "PROVISIONED" } else { ON_DEMAND }.to_owned());
    let warm = number(after, "WarmThroughputMiBps")?;
    if is != wanted {
        let mut more = json!({"StreamModeDetails": {"StreamMode": wanted}});
        if let Some(warm) = warm {
            more["WarmThroughputMiBps"] = json!(warm);
        }
        ask(cx, "UpdateStreamMode", name, more).await?;
    } else if let Some(warm) = warm.filter(|warm| number(before, "WarmThroughputMiBps").is_ok_and(|b| b != Some(*warm)))
    {
        ask(cx, "UpdateStreamWarmThroughput", name, json!({"WarmThroughputMiBps": warm})).await?;
    }
    if let Some(count) = number(after, "ShardCount")?.filter(|count| told["OpenShardCount"] != json!(*count)) {
        let more = json!({"TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"});
        ask(cx, "UpdateShardCount", name, more).await?;
    }
    let size = |of| Ok::<_, Failure>(number(of, "MaxRecordSizeInKiB")?.unwrap_or(i64::from(RECORD_KIB)));
    if size(before)? != size(after)? {
        ask(cx, "UpdateMaxRecordSize", name, json!({"MaxRecordSizeInKiB": size(after)?})).await?;
    }
    Ok(())
}

async fn update(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<Resource> {
    capacity(cx, name, before, &request.properties).await?;
    settings(cx, name, before, &request.properties).await?;
    let tags = request.all_tags()?;
    let there = cx.refreshed().call("kinesis", "ListTagsForStream", json!({"StreamName": name})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        cx.refreshed().call("kinesis", "RemoveTagsFromStream", json!({"StreamName": name, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        cx.refreshed().call("kinesis", "AddTagsToStream", json!({"StreamName": name, "Tags": tags.map()})).await?;
    }
    describe(cx, name).await
}

async fn delete(cx: &Cx, name: &str) -> Result<()> {
    let input = json!({"StreamName": name, "EnforceConsumerDeletion": true});
    unless_gone(cx.refreshed().call("kinesis", "DeleteStream", input).await, GONE)?;
    // It is gone when nobody knows it any more.
    unless_gone(summary(cx, name).await, GONE)
}

impl ResourceType for Stream {
    fn name(&self) -> &'static str {
        "AWS::Kinesis::Stream"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "DesiredShardLevelMetrics",
            "MaxRecordSizeInKiB",
            "Name",
            "RetentionPeriodHours",
            "ShardCount",
            "StreamEncryption",
            "StreamModeDetails",
            "Tags",
            "WarmThroughputMiBps",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(update(cx, id, before, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(delete(cx, id))
    }
}

/// `AWS::Kinesis::StreamConsumer`
pub(crate) struct StreamConsumer;

/// A consumer, once it is made.
async fn consumer(cx: &Cx, arn: &str) -> Result<Resource> {
    let answer = cx.refreshed().call("kinesis", "DescribeStreamConsumer", json!({"ConsumerARN": arn})).await?;
    let told = &answer["ConsumerDescription"];
    let created = told["ConsumerCreationTimestamp"].to_string();
    let member = |name: &'static str| (name, told[name].clone());
    let attributes = [
        member("ConsumerARN"),
        member("ConsumerName"),
        member("ConsumerStatus"),
        member("StreamARN"),
        ("ConsumerCreationTimestamp", json!(created)),
    ];
    Ok(Resource::new(arn, attributes))
}

impl ResourceType for StreamConsumer {
    fn name(&self) -> &'static str {
        "AWS::Kinesis::StreamConsumer"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ConsumerName", "StreamARN", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ConsumerName", "StreamARN", "Tags"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let (name, stream) = (request.text("ConsumerName"), request.text("StreamARN"));
            let mut input = json!({"ConsumerName": name, "StreamARN": stream});
            let tags = request.all_tags()?;
            if !tags.is_empty() {
                input["Tags"] = tags.map();
            }
            let made = cx.refreshed().call("kinesis", "RegisterStreamConsumer", input).await?;
            let arn = made["Consumer"]["ConsumerARN"].as_str();
            consumer(cx, arn.ok_or_else(|| Failure::broken("RegisterStreamConsumer gave no ARN"))?).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(consumer(cx, id).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        let input = json!({"ConsumerARN": id});
        Box::pin(
            async move { unless_gone(cx.refreshed().call("kinesis", "DeregisterStreamConsumer", input).await, GONE) },
        )
    }
}

/// `AWS::Kinesis::ResourcePolicy`
pub(crate) struct ResourcePolicy;

async fn put_policy(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let arn = request.text("ResourceArn").unwrap_or_default();
    let input = json!({"ResourceARN": arn, "Policy": request.text("ResourcePolicy").unwrap_or_default()});
    cx.refreshed().call("kinesis", "PutResourcePolicy", input).await?;
    Ok(Resource::new(arn, []))
}

impl ResourceType for ResourcePolicy {
    fn name(&self) -> &'static str {
        "AWS::Kinesis::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ResourceArn", "ResourcePolicy"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ResourceArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(put_policy(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(put_policy(cx, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        let input = json!({"ResourceARN": id});
        Box::pin(async move { unless_gone(cx.refreshed().call("kinesis", "DeleteResourcePolicy", input).await, GONE) })
    }
}
