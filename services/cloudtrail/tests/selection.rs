//! Selectors: which calls a trail logs.

use super::*;

async fn logged(cloud: &Cloud, client: &Client) -> Vec<String> {
    let before = keys(client, "/CloudTrail/").await;
    client.call("s3", "PutObject", json!({"Bucket": "data", "Key": "in/k"})).await.ok();
    client.call("s3", "PutObject", json!({"Bucket": "data", "Key": "out/k"})).await.ok();
    client.call("s3", "GetObject", json!({"Bucket": "data", "Key": "in/k"})).await;
    client.call("sqs", "ListQueues", json!({})).await.ok();
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    advance(cloud, 6).await;
    let mut all = Vec::new();
    for key in keys(client, "/CloudTrail/").await.into_iter().filter(|key| !before.contains(key)) {
        let content: Json = serde_json::from_slice(&file(client, &key).await).unwrap();
        let wanted = |e: &&Json| {
            let name = e["eventName"].as_str().unwrap();
            ["PutObject", "GetObject", "ListQueues", "CreateQueue"].contains(&name)
                && e["userIdentity"]["type"] != "AWSService"
        };
        all.extend(content["Records"].as_array().unwrap().iter().filter(wanted).map(|e| {
            let key = e["requestParameters"]["key"].as_str().map_or(String::new(), |key| format!(" {key}"));
            format!("{}{key}", e["eventName"].as_str().unwrap())
        }));
    }
    all.sort();
    all
}

async fn with(selectors: Json) -> Vec<String> {
    let (cloud, client) = cloud().await;
    client.call("s3", "CreateBucket", json!({"Bucket": "data"})).await.ok();
    trail(&client, json!({})).await;
    let mut input = selectors;
    input["TrailName"] = json!("all");
    let put = ok(&client, "PutEventSelectors", input.clone()).await;
    let got = ok(&client, "GetEventSelectors", json!({"TrailName": TRAIL})).await;
    assert_eq!(put, got);
    let described = ok(&client, "GetTrail", json!({"Name": "all"})).await;
    assert_eq!(described["Trail"]["HasCustomEventSelectors"], true);
    logged(&cloud, &client).await
}

#[tokio::test]
async fn basic_selectors() {
    let management = with(json!({"EventSelectors": [{"ReadWriteType": "WriteOnly"}]})).await;
    assert_eq!(management, ["CreateQueue"]);
    let objects = json!({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": false,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::data/in/"]}]}]});
    assert_eq!(with(objects).await, ["GetObject in/k", "PutObject in/k"]);
}

#[tokio::test]
async fn advanced_selectors() {
    let of = |more: Json| {
        let mut fields = vec![
            json!({"Field": "eventCategory", "Equals": ["Data"]}),
            json!({"Field": "resources.type", "Equals": ["AWS::S3::Object"]}),
        ];
        fields.extend(more.as_array().unwrap().clone());
        json!({"AdvancedEventSelectors": [{"Name": "objects", "FieldSelectors": fields}]})
    };
    let writes = of(
        json!([{"Field": "readOnly", "Equals": ["false"]}, {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::data/out/", "arn:aws:s3:::trail-logs/"]}]),
    );
    assert_eq!(with(writes).await, ["PutObject in/k"]);
    let names = of(json!([{"Field": "eventName", "StartsWith": ["Get"]}]));
    assert_eq!(with(names).await, ["GetObject in/k"]);
}

#[tokio::test]
async fn deliveries_are_logged_unless_it_is_said_otherwise() {
    for recursive in [true, false] {
        let (cloud, client) = cloud().await;
        let made = trail(&client, json!({"RecursiveLogging": recursive})).await;
        assert_eq!(made["RecursiveLogging"], recursive);
        let all = json!({"TrailName": "all", "AdvancedEventSelectors": [{"FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]});
        ok(&client, "PutEventSelectors", all).await;
        client.call("s3", "PutObject", json!({"Bucket": BUCKET, "Key": "k"})).await.ok();
        advance(&cloud, 21).await;
        let own =
            |e: &Json| e["userIdentity"]["invokedBy"] == "cloudtrail.amazonaws.com" && e["eventName"] == "PutObject";
        assert_eq!(delivered(&client).await.iter().any(own), recursive);
    }
}
