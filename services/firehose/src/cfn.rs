//! `AWS::KinesisFirehose::DeliveryStream`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, unless_gone};
use undercast_kernel::{Cx, Result};

use crate::SERVICE;
use crate::describe::DESTINATION;
use crate::stream::arn;

/// What is not there, in Firehose's words.
const GONE: &[&str] = &["ResourceNotFoundException"];
const EXTENDED: &str = "ExtendedS3DestinationConfiguration";
const PLAIN: &str = "S3DestinationConfiguration";
const HTTP: &str = "HttpEndpointDestinationConfiguration";
const ENCRYPTION: &str = "DeliveryStreamEncryptionConfigurationInput";
/// Parameters that have the name and the form of the property.
const ALIKE: &[&str] = &[
    ENCRYPTION,
    "DeliveryStreamType",
    "DirectPutSourceConfiguration",
    EXTENDED,
    HTTP,
    "KinesisStreamSourceConfiguration",
    PLAIN,
];

/// `AWS::KinesisFirehose::DeliveryStream`
pub(crate) struct DeliveryStream;

fn described(cx: &Cx, name: &str) -> Resource {
    Resource::new(name, [("Arn", json!(arn(cx, name)))])
}

/// A destination as an update has it: what is not said any more has its default again.
fn update_of(given: &Json) -> Json {
    let mut all = json!({
        "Prefix": "", "ErrorOutputPrefix": "", "CompressionFormat": "UNCOMPRESSED",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": false},
    });
    merge(&mut all, given);
    all
}

fn extended_update_of(given: &Json) -> Json {
    let mut all = update_of(&json!({}));
    merge(
        &mut all,
        &json!({"FileExtension": "", "CustomTimeZone": "", "S3BackupMode": "Disabled",
        "ProcessingConfiguration": {"Enabled": false}, "DataFormatConversionConfiguration": {"Enabled": false}}),
    );
    if given["DataFormatConversionConfiguration"].is_object() {
        all["BufferingHints"]["SizeInMBs"] = json!(128);
    }
    merge(&mut all, given);
    if let Some(backup) = all.as_object_mut().and_then(|all| all.remove("S3BackupConfiguration")) {
        all["S3BackupUpdate"] = update_of(&backup);
    }
    all
}

fn http_update_of(given: &Json) -> Json {
    let mut all = json!({
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300}, "CloudWatchLoggingOptions": {"Enabled": false},
        "ProcessingConfiguration": {"Enabled": false}, "RequestConfiguration": {"ContentEncoding": "NONE"},
        "RetryOptions": {"DurationInSeconds": 300}, "S3BackupMode": "FailedDataOnly",
    });
    merge(&mut all, given);
    if let Some(bucket) = all.as_object_mut().and_then(|all| all.remove("S3Configuration")) {
        all["S3Update"] = update_of(&bucket);
    }
    all
}

fn merge(into: &mut Json, from: &Json) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

async fn destination(cx: &Cx, name: &str, after: &Properties) -> Result<()> {
    let told = cx.refreshed().call(SERVICE, "DescribeDeliveryStream", json!({"DeliveryStreamName": name})).await?;
    let version = &told["DeliveryStreamDescription"]["VersionId"];
    let mut input = json!({"DeliveryStreamName": name, "DestinationId": DESTINATION,
        "CurrentDeliveryStreamVersionId": version});
    let (name, update): (&str, fn(&Json) -> Json) = match (after.get(EXTENDED), after.get(PLAIN), after.get(HTTP)) {
        (Some(_), ..) => (EXTENDED, extended_update_of),
        (None, Some(_), _) => (PLAIN, update_of),
        (None, None, Some(_)) => (HTTP, http_update_of),
        (None, None, None) => return Ok(()),
    };
    input[name.replace("Configuration", "Update")] = update(&after[name]);
    cx.refreshed().call(SERVICE, "UpdateDestination", input).await.map(drop)
}

async fn encryption(cx: &Cx, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let (operation, input) = match (before.get(ENCRYPTION), after.get(ENCRYPTION)) {
        (was, wanted) if was == wanted => return Ok(()),
        (_, Some(wanted)) => {
            ("StartDeliveryStreamEncryption", json!({"DeliveryStreamName": name, (ENCRYPTION): wanted}))
        }
        (_, None) => ("StopDeliveryStreamEncryption", json!({"DeliveryStreamName": name})),
    };
    cx.refreshed().call(SERVICE, operation, input).await.map(drop)
}

async fn tags(cx: &Cx, name: &str, request: &ResourceRequest) -> Result<()> {
    let cx = cx.refreshed();
    let told = cx.call(SERVICE, "ListTagsForDeliveryStream", json!({"DeliveryStreamName": name})).await?;
    let wanted = request.all_tags()?;
    let unwanted = wanted.unwanted(&told["Tags"]);
    if !unwanted.is_empty() {
        let input = json!({"DeliveryStreamName": name, "TagKeys": unwanted});
        cx.call(SERVICE, "UntagDeliveryStream", input).await?;
    }
    if !wanted.is_empty() {
        let input = json!({"DeliveryStreamName": name, "Tags": wanted.list()});
        cx.call(SERVICE, "TagDeliveryStream", input).await?;
    }
    Ok(())
}

impl ResourceType for DeliveryStream {
    fn name(&self) -> &'static str {
        "AWS::KinesisFirehose::DeliveryStream"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            ENCRYPTION,
            "DeliveryStreamName",
            "DeliveryStreamType",
            "DirectPutSourceConfiguration",
            EXTENDED,
            HTTP,
            "KinesisStreamSourceConfiguration",
            PLAIN,
            "Tags",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[
            "DeliveryStreamName",
            "DeliveryStreamType",
            "DirectPutSourceConfiguration",
            "KinesisStreamSourceConfiguration",
        ]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("DeliveryStreamName").unwrap_or_else(|| request.generated_name(cx, 64));
            let mut input: Map<String, Json> = pick(&request.properties, ALIKE);
            input.insert("DeliveryStreamName".to_owned(), json!(name));
            let tags = request.all_tags()?;
            if !tags.is_empty() {
                input.insert("Tags".to_owned(), tags.list());
            }
            cx.call(SERVICE, "CreateDeliveryStream", Json::Object(input)).await?;
            Ok(described(cx, &name))
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
            // A stream stays what the parameter that it was made with makes it.
            let partitions =
                |of: &Properties| of.get(EXTENDED).map(|of| of["DynamicPartitioningConfiguration"].clone());
            if before.contains_key(EXTENDED) != after.contains_key(EXTENDED) || partitions(before) != partitions(after)
            {
                return Ok(Updated::NeedsReplacement);
            }
            if [EXTENDED, PLAIN, HTTP].iter().any(|name| before.get(*name) != after.get(*name)) {
                destination(cx, id, after).await?;
            }
            encryption(cx, id, before, after).await?;
            tags(cx, id, request).await?;
            Ok(Updated::InPlace(described(cx, id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        let input = json!({"DeliveryStreamName": id});
        Box::pin(async move { unless_gone(cx.refreshed().call(SERVICE, "DeleteDeliveryStream", input).await, GONE) })
    }
}
