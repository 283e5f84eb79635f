//! What happened, in Undercast's form and in CloudTrail's.

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Credentials, Folder};

use crate::cloud::Cloud;

/// The newest call of an operation, as CloudTrail tells it.
async fn newest(cloud: &Cloud, operation: &str) -> Json {
    let (status, answer) = cloud.get("/_undercast/events?form=cloudtrail").await;
    assert_eq!(status, 200);
    let records = answer["Records"].as_array().unwrap();
    records.iter().rfind(|r| r["eventName"] == operation).unwrap_or_else(|| panic!("no {operation}")).clone()
}

#[tokio::test]
async fn calls_are_told_in_cloudtrails_form() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    let url = cloud.queue("q").await;
    let record = newest(&cloud, "CreateQueue").await;
    let seconds = record["eventTime"].as_str().unwrap();
    assert!(seconds.len() == 20 && seconds.ends_with('Z'), "{seconds}");
    assert_eq!(
        record["userIdentity"],
        json!({"type": "Root", "principalId": "000000000000", "arn": "arn:aws:iam::000000000000:root",
               "accountId": "000000000000"})
    );
    for (name, value) in [
        ("eventVersion", json!("1.11")),
        ("eventSource", json!("sqs.amazonaws.com")),
        ("awsRegion", json!("us-east-1")),
        ("sourceIPAddress", json!("127.0.0.1")),
        ("requestParameters", json!({"queueName": "q"})),
        ("readOnly", json!(false)),
        ("managementEvent", json!(true)),
        ("eventCategory", json!("Management")),
        ("recipientAccountId", json!("000000000000")),
    ] {
        assert_eq!(record[name], value, "{name}");
    }
    cloud.client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "text"})).await.ok();
    let record = newest(&cloud, "SendMessage").await;
    assert_eq!((&record["eventCategory"], &record["managementEvent"]), (&json!("Data"), &json!(false)));
    let missing = json!({"QueueUrl": format!("{url}-that-is-not-there")});
    assert_eq!(cloud.client.call("sqs", "DeleteQueue", missing).await.status, 400);
    let record = newest(&cloud, "DeleteQueue").await;
    assert_eq!(record["errorMessage"], "The specified queue does not exist.");
    assert!(cloud.get("/_undercast/events?form=other").await.0 == 400);
}

#[tokio::test]
async fn a_session_of_a_role_is_told_with_its_role() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    let call = async |client: &Client, service, operation, input| client.call(service, operation, input).await.ok();
    call(&cloud.client, "iam", "CreateUser", json!({"UserName": "u"})).await;
    let made = call(&cloud.client, "iam", "CreateAccessKey", json!({"UserName": "u"})).await["AccessKey"].clone();
    let mut client: Client = cloud.client.clone();
    client.credentials =
        Credentials::new(made["AccessKeyId"].as_str().unwrap(), made["SecretAccessKey"].as_str().unwrap());
    let account = "arn:aws:iam::000000000000:user/u";
    let trust = json!({"Version": "2012-10-17",
                       "Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()});
    let role = call(&cloud.client, "iam", "CreateRole", input).await["Role"].clone();
    let input = json!({"RoleArn": role["Arn"], "RoleSessionName": "session"});
    let given = call(&client, "sts", "AssumeRole", input).await["Credentials"].clone();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let (key, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    let credentials = Credentials { token: Some(text("SessionToken")), ..Credentials::new(&key, &secret) };
    client.credentials = credentials;
    assert_eq!(client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.status, 403);
    let record = newest(&cloud, "CreateQueue").await;
    let who = &record["userIdentity"];
    assert_eq!(
        (&who["type"], &who["arn"]),
        (&json!("AssumedRole"), &json!("arn:aws:sts::000000000000:assumed-role/r/session"))
    );
    let issuer = json!({"type": "Role", "principalId": role["RoleId"], "arn": role["Arn"], "accountId": "000000000000",
                        "userName": "r"});
    assert_eq!(who["sessionContext"]["sessionIssuer"], issuer);
    assert_eq!(who["principalId"], format!("{}:session", role["RoleId"].as_str().unwrap()));
    // The key was issued here, so that it is told; its secret is not.
    assert_eq!(who["accessKeyId"], key);
    assert!(!record.to_string().contains(&secret));
}
