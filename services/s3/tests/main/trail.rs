//! Every operation leaves a record, as CloudTrail would tell of it.

use std::sync::{Mutex, PoisonError};

use undercast_kernel::{Keeper, Record};
use undercast_wire::schema::{Member, Shape, Structure};

use super::control::ME;
use super::*;

/// Keeps all records.
#[derive(Default)]
struct Kept(Mutex<Vec<Record>>);

impl Keeper for Kept {
    fn keep(&self, record: &Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}

/// A cloud, and what is kept of its calls.
async fn watched() -> (Cloud, Arc<Kept>) {
    let cloud = Cloud::start(services()).await;
    let kept = Arc::new(Kept::default());
    cloud.kernel.trail().tell(kept.clone());
    (cloud, kept)
}

/// The event of the newest call of an operation.
fn event(cloud: &Cloud, kept: &Kept, service: &str, operation: &str) -> Json {
    let all = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    let found = all.iter().rev().find(|r| r.service == service && r.operation == operation);
    let record = found.unwrap_or_else(|| panic!("{service}.{operation} leaves no record"));
    record.cloudtrail(&**cloud.kernel.service(service).unwrap(), &cloud.kernel.database().read())
}

/// The least that a request can be: what is required, with some value.
fn least(of: &Structure) -> Json {
    // Of a union one member is set.
    let wanted = |at: usize, m: &Member| if of.union { at == 0 } else { m.required && !m.streaming };
    let required = of.members.iter().enumerate().filter(|(at, m)| wanted(*at, m)).map(|(_, m)| m);
    Json::Object(required.map(|member| (member.name.to_owned(), some(member))).collect())
}

fn some(member: &Member) -> Json {
    match (member.name, &member.shape) {
        ("Bucket", _) => json!("bkt"),
        ("Key", _) => json!("a/k"),
        ("AccountId", _) => json!(ME),
        ("Name", _) => json!("point"),
        ("CopySource", _) => json!("other/b"),
        ("ResourceArn", _) => json!("arn:aws:s3:::bkt"),
        (_, shape) => of_shape(shape),
    }
}

fn of_shape(shape: &Shape) -> Json {
    match shape {
        Shape::String(text) => json!(text.values.first().unwrap_or(&"x")),
        Shape::Integer(_) | Shape::Long(_) | Shape::Float(_) | Shape::Double(_) => json!(1),
        Shape::Boolean => json!(true),
        Shape::Timestamp(_) => json!(1_700_000_000),
        Shape::Blob(_) => json!(""),
        Shape::List(list) => json!([of_shape(&list.item)]),
        Shape::Map(_) | Shape::Document => json!({}),
        Shape::Structure(of) => least(of),
    }
}

/// The names of events that are not those of their operations.
const NAMES: [(&str, &str); 15] = [
    ("s3.DeletePublicAccessBlock", "DeleteBucketPublicAccessBlock"),
    ("s3.GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("s3.GetBucketLifecycleConfiguration", "GetBucketLifecycle"),
    ("s3.GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("s3.GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("s3.GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("s3.ListObjectsV2", "ListObjects"),
    ("s3.PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("s3.PutBucketLifecycleConfiguration", "PutBucketLifecycle"),
    ("s3.PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("s3.PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("s3.PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("s3control.DeletePublicAccessBlock", "DeleteAccountPublicAccessBlock"),
    ("s3control.GetPublicAccessBlock", "GetAccountPublicAccessBlock"),
    ("s3control.PutPublicAccessBlock", "PutAccountPublicAccessBlock"),
];

/// Those that change nothing, by how their names begin.
const READS: [&str; 5] = ["Describe", "Get", "Head", "List", "Select"];

#[tokio::test]
async fn every_operation_is_told_with_its_name_and_what_it_is_about() {
    let (cloud, kept) = watched().await;
    let client = cloud.client();
    for service in ["s3", "s3control"] {
        for operation in cloud.kernel.service(service).unwrap().api().operations {
            let (name, input) = (operation.name, least(operation.input));
            let body = operation.streams_input().then(|| Bytes::from_static(b"x"));
            let answer = client.call_with_body(service, name, input.clone(), body).await;
            let event = event(&cloud, &kept, service, name);
            assert_eq!(answer.headers["x-amz-request-id"], event["requestID"].as_str().unwrap(), "{name}");
            let full = format!("{service}.{name}");
            let wanted = NAMES.iter().find(|(of, _)| *of == full).map_or(name, |(_, wanted)| wanted);
            assert_eq!((&event["eventName"], &event["eventSource"]), (&json!(wanted), &json!("s3.amazonaws.com")));
            assert_eq!(event["readOnly"], READS.iter().any(|r| name.starts_with(r)), "{full}");
            let arns: Vec<&str> =
                event["resources"].as_array().into_iter().flatten().filter_map(|r| r["ARN"].as_str()).collect();
            if service == "s3" {
                assert_eq!(arns.contains(&"arn:aws:s3:::bkt"), input.get("Bucket").is_some(), "{full}: {event}");
                assert_eq!(arns.contains(&"arn:aws:s3:::bkt/a/k"), input.get("Key").is_some(), "{full}: {event}");
                assert_eq!(
                    arns.contains(&"arn:aws:s3:::other/b"),
                    input.get("CopySource").is_some(),
                    "{full}: {event}"
                );
            } else {
                let point = format!("arn:aws:s3:us-east-1:{ME}:accesspoint/point");
                let named = input.get("Name").is_some() && !name.contains("MultiRegion");
                assert_eq!(arns.contains(&point.as_str()), named, "{full}: {event}");
                let on_bucket = input.get("ResourceArn").or(input.get("Bucket")).is_some()
                    && named == input.get("Bucket").is_some();
                assert_eq!(arns.contains(&"arn:aws:s3:::bkt"), on_bucket, "{full}: {event}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_says_what_was_asked_for_in_the_words_of_the_request() {
    let (cloud, kept) = watched().await;
    let client = cloud.client();
    bucket(&client, "told").await;
    let input = json!({"Bucket": "told", "Key": "a b", "Metadata": {"colour": "red"}, "StorageClass": "STANDARD_IA",
        "ContentType": "text/plain"});
    client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"hello"))).await.ok();
    let put = event(&cloud, &kept, "s3", "PutObject");
    let asked = &put["requestParameters"];
    let wanted = json!({"bucketName": "told", "key": "a b", "Host": format!("localhost:{}", client.address.port()),
        "x-amz-meta-colour": "red", "x-amz-storage-class": "STANDARD_IA"});
    assert_eq!(*asked, wanted);
    assert_eq!((&put["eventCategory"], &put["managementEvent"]), (&json!("Data"), &json!(false)));
    let resources = json!([{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::told/a b"},
        {"accountId": ME, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::told"}]);
    assert_eq!(put["resources"], resources);
    let policy = statement(&json!({"AWS": "111111111111"}), &json!("s3:GetObject"), &json!("arn:aws:s3:::told/*"));
    call(&client, "PutBucketPolicy", json!({"Bucket": "told", "Policy": policy})).await.ok();
    let put = event(&cloud, &kept, "s3", "PutBucketPolicy");
    let asked = &put["requestParameters"];
    assert_eq!((&asked["policy"], &asked["bucketPolicy"]["Version"]), (&json!(""), &json!("2012-10-17")));
    assert_eq!((&put["eventCategory"], put["resources"].as_array().unwrap().len()), (&json!("Management"), 1));
    call(&client, "ListObjectsV2", json!({"Bucket": "told", "Prefix": "a", "MaxKeys": 5})).await.ok();
    let listed = event(&cloud, &kept, "s3", "ListObjectsV2");
    assert_eq!(listed["resources"][0], json!({"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::told/a"}));
    let asked = &listed["requestParameters"];
    assert_eq!((&asked["list-type"], &asked["prefix"], &asked["max-keys"]), (&json!("2"), &json!("a"), &json!("5")));
    // Who is denied another's bucket is not told whose it is.
    let other = cloud.client_of(Credentials::new("222222222222", "x"));
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "told", "Key": "a b"})).await.code(), "AccessDenied");
    let denied = event(&cloud, &kept, "s3", "GetObject");
    assert_eq!((&denied["resources"][1]["accountId"], &denied["errorCode"]), (&json!(""), &json!("AccessDenied")));
    let allowed = cloud.client_of(Credentials::new("111111111111", "x"));
    call(&allowed, "GetObject", json!({"Bucket": "told", "Key": "a b"})).await.ok();
    assert_eq!(event(&cloud, &kept, "s3", "GetObject")["resources"][1]["accountId"], ME);
}
