//! The event history: what was called, by whom, with what, and what came of it.

use super::*;

async fn events(client: &Client, key: &str, value: &str) -> Vec<Json> {
    let input = json!({"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]});
    ok(client, "LookupEvents", input).await["Events"].as_array().unwrap().clone()
}

fn told(event: &Json) -> Json {
    serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_call_is_told_with_what_it_asked_for_and_got() {
    let (cloud, client) = cloud().await;
    let maker = user(&cloud, &client, "maker", json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])).await;
    maker.call("sqs", "CreateQueue", json!({"QueueName": "orders"})).await.ok();
    let found = events(&client, "EventName", "CreateQueue").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let shown = &found[0];
    assert_eq!((&shown["Username"], &shown["ReadOnly"]), (&json!("maker"), &json!("false")));
    assert_eq!(shown["Resources"], json!([{"ResourceType": "AWS::SQS::Queue", "ResourceName": "orders"}]));
    let event = told(shown);
    assert_eq!(event["eventID"], shown["EventId"]);
    assert_eq!(event["requestParameters"], json!({"queueName": "orders"}));
    let url = event["responseElements"]["queueUrl"].as_str().unwrap();
    assert!(url.ends_with("/000000000000/orders"), "{url}");
    let identity = &event["userIdentity"];
    assert_eq!((&identity["type"], &identity["userName"]), (&json!("IAMUser"), &json!("maker")));
    // The key was issued here, so that it is told, and found by.
    assert_eq!(identity["accessKeyId"], shown["AccessKeyId"]);
    let by_key = events(&client, "AccessKeyId", shown["AccessKeyId"].as_str().unwrap()).await;
    assert_eq!(by_key.len(), 1);
    for (key, value) in [
        ("EventId", shown["EventId"].as_str().unwrap()),
        ("Username", "maker"),
        ("ResourceName", "orders"),
        ("ResourceType", "AWS::SQS::Queue"),
    ] {
        assert_eq!(events(&client, key, value).await, found, "{key}");
    }
    assert_eq!(events(&client, "EventSource", "sqs.amazonaws.com").await.len(), 1);
    assert!(events(&client, "ReadOnly", "true").await.iter().all(|event| event["ReadOnly"] == "true"));
    assert!(events(&client, "EventName", "NoSuchCall").await.is_empty());
}

#[tokio::test]
async fn what_is_denied_is_told_as_well() {
    let (cloud, client) = cloud().await;
    let nobody = user(&cloud, &client, "nobody", json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}])).await;
    nobody.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await;
    let event = told(&events(&client, "Username", "nobody").await[0]);
    assert_eq!(event["errorCode"], "AccessDenied");
    assert!(event["errorMessage"].as_str().unwrap().contains("explicit deny"), "{event}");
    assert_eq!(event["responseElements"], Json::Null);
}

#[tokio::test]
async fn secrets_are_in_no_event() {
    let (_cloud, client) = cloud().await;
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let password = "Canary-Password-1!";
    client.call("iam", "CreateLoginProfile", json!({"UserName": "u", "Password": password})).await.ok();
    let all = ok(&client, "LookupEvents", json!({})).await.to_string();
    assert!(all.contains("CreateLoginProfile") && all.contains(key["AccessKey"]["AccessKeyId"].as_str().unwrap()));
    assert!(!all.contains(password) && !all.contains(key["AccessKey"]["SecretAccessKey"].as_str().unwrap()));
}

#[tokio::test]
async fn sessions_tell_of_their_role_and_when_they_began() {
    let (cloud, client) = cloud().await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let input = json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": all.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    let caller = user(&cloud, &client, "caller", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])).await;
    let input = json!({"RoleArn": "arn:aws:iam::000000000000:role/r", "RoleSessionName": "night"});
    let given = caller.call("sts", "AssumeRole", input).await.ok()["Credentials"].clone();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let session = Credentials {
        token: Some(text("SessionToken")),
        ..Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"))
    };
    cloud.client_of(session).call("sqs", "ListQueues", json!({})).await.ok();
    let event = told(&events(&client, "EventName", "ListQueues").await[0]);
    let context = &event["userIdentity"]["sessionContext"];
    assert_eq!(event["userIdentity"]["type"], "AssumedRole");
    assert_eq!(
        (&context["sessionIssuer"]["userName"], &context["attributes"]["mfaAuthenticated"]),
        (&json!("r"), &json!("false"))
    );
    assert!(context["attributes"]["creationDate"].as_str().unwrap().ends_with('Z'), "{context}");
    assert_eq!(events(&client, "Username", "night").await.len(), 1);
    // The secret of the session is not in the answer that is told of.
    let assumed = told(&events(&client, "EventName", "AssumeRole").await[0]);
    assert_eq!(assumed["responseElements"]["credentials"]["accessKeyId"], given["AccessKeyId"]);
    assert_eq!(assumed["responseElements"]["credentials"]["secretAccessKey"], Json::Null);
}

#[tokio::test]
async fn pages_follow_each_other_from_the_newest_back() {
    let (cloud, client) = cloud().await;
    for at in 0..7 {
        client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{at}")})).await.ok();
        cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    }
    let (mut seen, mut token, mut pages) = (Vec::new(), Json::Null, 0);
    loop {
        let input = json!({"MaxResults": 3, "NextToken": token,
            "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}]});
        let page = ok(&client, "LookupEvents", input).await;
        seen.extend(page["Events"].as_array().unwrap().iter().map(|e| e["Resources"][0]["ResourceName"].clone()));
        pages += 1;
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(json!(seen), json!(["q6", "q5", "q4", "q3", "q2", "q1", "q0"]));
    assert!(pages >= 3, "{pages}");
}

#[tokio::test]
async fn what_is_older_than_ninety_days_is_forgotten() {
    let (cloud, client) = cloud().await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "old"})).await.ok();
    advance(&cloud, 89 * 24 * 60).await;
    assert_eq!(events(&client, "ResourceName", "old").await.len(), 1);
    advance(&cloud, 2 * 24 * 60).await;
    assert_eq!(events(&client, "ResourceName", "old").await.len(), 0);
}

#[tokio::test]
async fn each_region_has_its_own_and_global_services_the_first_one() {
    let (_cloud, client) = cloud().await;
    let there = client.in_region("eu-west-1");
    there.call("sqs", "CreateQueue", json!({"QueueName": "far"})).await.ok();
    there.call("iam", "CreateUser", json!({"UserName": "anywhere"})).await.ok();
    assert_eq!(events(&there, "ResourceName", "far").await.len(), 1);
    assert_eq!(events(&client, "ResourceName", "far").await.len(), 0);
    let found = events(&client, "ResourceName", "anywhere").await;
    assert_eq!(told(&found[0])["awsRegion"], "us-east-1");
}

#[tokio::test]
async fn calls_for_data_are_not_in_it() {
    let (_cloud, client) = cloud().await;
    client.call("s3", "PutObject", json!({"Bucket": BUCKET, "Key": "k"})).await.ok();
    assert!(events(&client, "EventName", "PutObject").await.is_empty());
}
