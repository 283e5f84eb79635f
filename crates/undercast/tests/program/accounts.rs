//! One account's part of the state: saved, brought back, emptied, carried elsewhere, while the other account goes on.

use serde_json::json;
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Credentials, Folder};

use crate::cloud::Cloud;

const ANNA: &str = "111111111111";
const BERT: &str = "222222222222";
/// Larger than what stands in a row.
const LARGE: usize = 100_000;

fn client(cloud: &Cloud, account: &str) -> Client {
    let mut client = cloud.client.clone();
    client.credentials = Credentials::new(account, "any");
    client
}

/// Something of every service, in an account.
async fn furnish(client: &Client, account: &str) {
    let call = async |service, operation, input| client.call(service, operation, input).await.ok();
    let queue = call("sqs", "CreateQueue", json!({"QueueName": "queue"})).await;
    call("sqs", "SendMessage", json!({"QueueUrl": queue["QueueUrl"], "MessageBody": account})).await;
    let topic = call("sns", "CreateTopic", json!({"Name": "topic"})).await;
    let endpoint = format!("arn:aws:sqs:us-east-1:{account}:queue");
    let input = json!({"TopicArn": topic["TopicArn"], "Protocol": "sqs", "Endpoint": endpoint});
    call("sns", "Subscribe", input).await;
    let bucket = format!("bucket-of-{account}");
    call("s3", "CreateBucket", json!({"Bucket": bucket})).await;
    for (key, length) in [("small", 10), ("large", LARGE)] {
        let body = account.repeat(length / account.len() + 1).into_bytes().into();
        client.call_with_body("s3", "PutObject", json!({"Bucket": bucket, "Key": key}), Some(body)).await.ok();
    }
    let input = json!({"TableName": "table", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    call("dynamodb", "CreateTable", input).await;
    call("logs", "CreateLogGroup", json!({"logGroupName": "group"})).await;
    call("logs", "CreateLogStream", json!({"logGroupName": "group", "logStreamName": "stream"})).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let input = json!({"logGroupName": "group", "logStreamName": "stream",
                       "logEvents": [{"timestamp": now, "message": account}]});
    call("logs", "PutLogEvents", input).await;
    let input = json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"});
    let key = call("kms", "CreateKey", input).await["KeyMetadata"]["KeyId"].clone();
    call("kms", "CreateAlias", json!({"AliasName": "alias/mac", "TargetKeyId": key})).await;
    let template = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}).to_string();
    call("cloudformation", "CreateStack", json!({"StackName": "stack", "TemplateBody": template})).await;
}

/// What an account has, as text.
async fn inventory(client: &Client, account: &str) -> String {
    let bucket = format!("bucket-of-{account}");
    let mut out = Vec::new();
    for (service, operation, input) in [
        ("sqs", "ListQueues", json!({})),
        ("sns", "ListSubscriptions", json!({})),
        ("s3", "ListObjectsV2", json!({"Bucket": bucket})),
        ("dynamodb", "ListTables", json!({})),
        ("logs", "DescribeLogGroups", json!({})),
        ("logs", "GetLogEvents", json!({"logGroupName": "group", "logStreamName": "stream", "startFromHead": true})),
        ("kms", "ListAliases", json!({})),
        // The same key makes the same code, wherever its material is.
        ("kms", "GenerateMac", json!({"KeyId": "alias/mac", "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"})),
        ("cloudformation", "DescribeStackResources", json!({"StackName": "stack"})),
    ] {
        out.push(client.call(service, operation, input).await.json.to_string());
    }
    let large = client.call("s3", "GetObject", json!({"Bucket": bucket, "Key": "large"})).await;
    out.push(format!("{} {}", large.status, large.body.len()));
    out.join("\n")
}

async fn settled(cloud: &Cloud, account: &str) -> String {
    let client = client(cloud, account);
    for _ in 0..500 {
        let stacks = client.call("cloudformation", "DescribeStacks", json!({"StackName": "stack"})).await;
        if stacks.json["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE" {
            return inventory(&client, account).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the stack was not made");
}

#[tokio::test]
async fn one_account_is_brought_back_while_the_other_goes_on() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--data", home.0.join("data").to_str().unwrap()]);
    let (anna, bert) = (client(&cloud, ANNA), client(&cloud, BERT));
    furnish(&anna, ANNA).await;
    furnish(&bert, BERT).await;
    let (hers, his) = (settled(&cloud, ANNA).await, settled(&cloud, BERT).await);
    assert!(hers.contains("200 100008") && hers.contains("\"Mac\"") && hers.contains("stack"), "{hers}");
    cloud.ok(&["snapshot", "save", "anna", "--account", ANNA]);
    let file = home.0.join("anna.tar");
    cloud.ok(&["export", file.to_str().unwrap(), "--account", ANNA]);
    cloud.ok(&["reset", "--account", ANNA]);
    let empty = inventory(&anna, ANNA).await;
    assert!(!empty.contains(&format!(":{ANNA}:queue")) && empty.contains("NoSuchBucket"), "{empty}");
    assert_eq!(inventory(&bert, BERT).await, his, "the other account goes on");
    cloud.ok(&["snapshot", "load", "anna", "--account", ANNA]);
    assert_eq!(inventory(&anna, ANNA).await, hers);
    assert_eq!(inventory(&bert, BERT).await, his);

    // Elsewhere: a cloud with a key of its own, in which Bert lives too.
    let other_home = Folder::new();
    let other = Cloud::start(&other_home.0, &["--data", other_home.0.join("data").to_str().unwrap()]);
    furnish(&client(&other, BERT), BERT).await;
    let his = settled(&other, BERT).await;
    other.ok(&["import", file.to_str().unwrap(), "--account", ANNA]);
    let moved = inventory(&client(&other, ANNA), ANNA).await;
    // URLs are those of whoever is asked; a stack keeps the ids that its resources had.
    let anywhere = |text: &str| {
        [cloud.port, other.port].iter().fold(text.to_owned(), |t, port| t.replace(&format!(":{port}/"), ":port/"))
    };
    assert_eq!(anywhere(&moved), anywhere(&hers));
    assert_eq!(inventory(&client(&other, BERT), BERT).await, his);
    other.no(&["reset", "--account", "12"], "an account has twelve digits");
}

#[tokio::test]
async fn what_is_anothers_by_now_stays_his() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--data", home.0.join("data").to_str().unwrap()]);
    client(&cloud, ANNA).call("s3", "CreateBucket", json!({"Bucket": "the-name"})).await.ok();
    cloud.ok(&["snapshot", "save", "anna"]);
    cloud.ok(&["reset", "--account", ANNA]);
    let bert = client(&cloud, BERT);
    bert.call("s3", "CreateBucket", json!({"Bucket": "the-name"})).await.ok();
    cloud.no(&["snapshot", "load", "anna", "--account", ANNA], "the-name of the account 222222222222 is in the way");
    bert.call("s3", "HeadBucket", json!({"Bucket": "the-name"})).await.ok();
}

/// Every row is somebody's, so that nothing of an account stays behind: but for the few tables that are the cloud's.
#[tokio::test]
async fn nothing_of_an_account_stays_behind() {
    let home = Folder::new();
    let data = home.0.join("data");
    let cloud = Cloud::start(&home.0, &["--data", data.to_str().unwrap()]);
    furnish(&client(&cloud, ANNA), ANNA).await;
    settled(&cloud, ANNA).await;
    cloud.ok(&["clock", "advance", "1s"]);
    cloud.ok(&["reset", "--account", ANNA]);
    cloud.ok(&["snapshot", "save", "rest"]);
    let rows = std::fs::read(data.join("snapshots/rest/rows")).unwrap();
    let rest = text::hex_encode(&rows);
    assert!(!rest.contains(&text::hex_encode(ANNA.as_bytes())), "{:?}", String::from_utf8_lossy(&rows));
    assert!(String::from_utf8_lossy(&rows).contains("kernel.clock"), "the clock is nobody's");
    // Without the head, the clock's row and the end there is nothing.
    assert!(rows.len() < 200, "{:?}", String::from_utf8_lossy(&rows));
}
