//! The CloudFormation type, as stacks use it.

use serde_json::{Value as Json, json};
use undercast_firehose::Firehose;
use undercast_kernel::Service;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

use crate::support::{BUCKET, ROLE, call, cloud};

fn of_type() -> Box<dyn ResourceType> {
    Firehose::default().resource_types().remove(0)
}

fn of(properties: &Json) -> Properties {
    properties.as_object().unwrap().clone()
}

fn request(properties: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "stack".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
        logical_id: "Logical".to_owned(),
        properties: of(properties),
        tags: vec![("of".to_owned(), "stack".to_owned())],
    }
}

#[tokio::test]
async fn a_stream_is_made_changed_and_removed() {
    let (cloud, client) = cloud().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let streams = of_type();
    let before = json!({"DeliveryStreamName": "s", "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"},
        "ExtendedS3DestinationConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET, "Prefix": "a/", "CompressionFormat": "GZIP"},
        "Tags": [{"Key": "a", "Value": "1"}]});
    let made = streams.create(&cx, &request(&before)).await.unwrap();
    let arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/s";
    assert_eq!((made.id.as_str(), &made.attributes["Arn"]), ("s", &json!(arn)));

    // What is gone has its default again.
    let after = json!({"DeliveryStreamName": "s",
        "ExtendedS3DestinationConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET, "S3BackupMode": "Enabled",
            "S3BackupConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET, "Prefix": "raw/"}}});
    let updated = streams.update(&cx, "s", &of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(_)));
    let told = call(&client, "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    let told = &told["DeliveryStreamDescription"];
    let destination = &told["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!((&destination["Prefix"], &destination["CompressionFormat"]), (&json!(""), &json!("UNCOMPRESSED")));
    assert_eq!(destination["S3BackupDescription"]["Prefix"], "raw/");
    assert_eq!(told["DeliveryStreamEncryptionConfiguration"]["Status"], "DISABLED");
    assert_eq!(told["VersionId"], "2");
    let tags = call(&client, "ListTagsForDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "of", "Value": "stack"}]));

    let plain =
        json!({"DeliveryStreamName": "s", "S3DestinationConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET}});
    let replaced = streams.update(&cx, "s", &of(&after), &request(&plain)).await.unwrap();
    assert!(matches!(replaced, Updated::NeedsReplacement));
    for _ in 0..2 {
        streams.delete(&cx, "s", &of(&after)).await.unwrap();
    }
    let gone = client.call("firehose", "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn an_endpoint_is_changed_where_it_is() {
    let (cloud, client) = cloud().await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let streams = of_type();
    let with = |more: Json| {
        let mut given = json!({"EndpointConfiguration": {"Url": "https://localhost:1/"},
            "S3Configuration": {"RoleARN": ROLE, "BucketARN": BUCKET}});
        given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"DeliveryStreamName": "s", "HttpEndpointDestinationConfiguration": given})
    };
    let before = with(json!({"RetryOptions": {"DurationInSeconds": 7}, "S3BackupMode": "AllData"}));
    streams.create(&cx, &request(&before)).await.unwrap();
    let after = with(json!({"BufferingHints": {"SizeInMBs": 2, "IntervalInSeconds": 3}}));
    streams.update(&cx, "s", &of(&before), &request(&after)).await.unwrap();
    let told = call(&client, "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    let told = &told["DeliveryStreamDescription"]["Destinations"][0]["HttpEndpointDestinationDescription"];
    assert_eq!(
        (&told["RetryOptions"]["DurationInSeconds"], &told["S3BackupMode"]),
        (&json!(300), &json!("FailedDataOnly"))
    );
    assert_eq!(told["BufferingHints"], json!({"SizeInMBs": 2, "IntervalInSeconds": 3}));
}
