//! Who may do what: policies of identities, of registries, of other accounts.

use undercast_testkit::Credentials;

use super::*;

async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn allow(actions: &Json, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

const DENIED: &str = "AccessDeniedException";

#[tokio::test]
async fn callers_need_the_registry_the_schema_or_the_discoverer() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r", "Tags": {"team": "shop"}})).await;
    ok(&client, "CreateRegistry", json!({"RegistryName": "s"})).await;
    ok(&client, "CreateSchema", schema("a", &json!({"x": {"type": "string"}}))).await;
    let registry =
        user(&cloud, &client, "registry", json!([allow(&json!("schemas:*"), "arn:aws:schemas:*:*:registry/r")])).await;
    let named = json!({"RegistryName": "r", "SchemaName": "a"});
    ok(&registry, "DescribeRegistry", json!({"RegistryName": "r"})).await;
    assert_eq!(refused(&registry, "DescribeRegistry", json!({"RegistryName": "s"})).await.0, DENIED);
    assert_eq!(refused(&registry, "DescribeSchema", named.clone()).await.0, DENIED);
    assert_eq!(refused(&registry, "ListRegistries", json!({})).await.0, DENIED);
    let schemas =
        user(&cloud, &client, "schemas", json!([allow(&json!("schemas:*"), "arn:aws:schemas:*:*:schema/r/*")])).await;
    ok(&schemas, "DescribeSchema", named.clone()).await;
    ok(&schemas, "ListSchemas", json!({"RegistryName": "r"})).await;
    ok(&schemas, "SearchSchemas", json!({"RegistryName": "r", "Keywords": "x"})).await;
    assert_eq!(refused(&schemas, "ListSchemas", json!({"RegistryName": "s"})).await.0, DENIED);
    let mut export = named;
    export["Type"] = json!("JSONSchemaDraft4");
    // That needs the registry as well.
    assert_eq!(refused(&schemas, "ExportSchema", export).await.0, DENIED);
    let any = user(&cloud, &client, "any", json!([allow(&json!("schemas:GetDiscoveredSchema"), "*")])).await;
    ok(&any, "GetDiscoveredSchema", json!({"Type": "OpenApi3", "Events": ["{}"]})).await;
    let tagged = json!([{"Effect": "Allow", "Action": "schemas:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "shop"}}}]);
    let shop = user(&cloud, &client, "shop", tagged).await;
    ok(&shop, "UpdateRegistry", json!({"RegistryName": "r", "Description": "d"})).await;
    assert_eq!(refused(&shop, "UpdateRegistry", json!({"RegistryName": "s", "Description": "d"})).await.0, DENIED);
    let asked = json!([{"Effect": "Allow", "Action": "schemas:*", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/team": "shop"}}}]);
    let asked = user(&cloud, &client, "asked", asked).await;
    assert_eq!(refused(&asked, "CreateRegistry", json!({"RegistryName": "t"})).await.0, DENIED);
    ok(&asked, "CreateRegistry", json!({"RegistryName": "t", "Tags": {"team": "shop"}})).await;
}

#[tokio::test]
async fn the_first_discoverer_needs_the_making_of_the_role() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let input = json!({"SourceArn": format!("{BUS}/default")});
    let poor = user(&cloud, &client, "poor", json!([allow(&json!("schemas:*"), "*")])).await;
    let (code, message) = refused(&poor, "CreateDiscoverer", input.clone()).await;
    assert!(code == DENIED && message.contains("iam:CreateServiceLinkedRole"), "{message}");
    let rich = json!([allow(&json!(["schemas:*", "iam:CreateServiceLinkedRole"]), "*")]);
    ok(&user(&cloud, &client, "rich", rich).await, "CreateDiscoverer", input).await;
    let role = client.call("iam", "GetRole", json!({"RoleName": "AWSServiceRoleForSchemas"})).await.ok();
    assert_eq!(role["Role"]["Path"], "/aws-service-role/schemas.amazonaws.com/");
    // While a discoverer needs it, it stays.
    let name = json!({"RoleName": "AWSServiceRoleForSchemas"});
    let task = client.call("iam", "DeleteServiceLinkedRole", name).await.ok();
    let status = client.call("iam", "GetServiceLinkedRoleDeletionStatus", task).await.ok();
    let arn = "arn:aws:schemas:us-east-1:000000000000:discoverer/events-event-bus-default";
    assert_eq!(status["Reason"]["RoleUsageList"][0]["Resources"], json!([arn]));
    // Now it is there, and the right to events is the role's.
    ok(&poor, "StopDiscoverer", json!({"DiscovererId": "events-event-bus-default"})).await;
    let of_one =
        user(&cloud, &client, "one", json!([allow(&json!("schemas:*"), "arn:aws:schemas:*:*:discoverer/other")])).await;
    let id = json!({"DiscovererId": "events-event-bus-default"});
    assert_eq!(refused(&of_one, "DescribeDiscoverer", id).await.0, DENIED);
}

#[tokio::test]
async fn a_policy_lets_another_account_in() {
    let cloud = Cloud::start(services()).await;
    let (client, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "test")));
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    ok(&client, "CreateSchema", schema("a", &json!({"x": {"type": "string"}}))).await;
    let arn = "arn:aws:schemas:us-east-1:000000000000:registry/r";
    let theirs = json!({"RegistryName": arn, "SchemaName": "a"});
    assert_eq!(refused(&other, "DescribeSchema", theirs.clone()).await.0, DENIED);
    let policy = |actions: Json| {
        json!({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": actions,
            "Resource": [arn, "arn:aws:schemas:us-east-1:000000000000:schema/r*"]}]})
        .to_string()
    };
    let read = json!(["schemas:Describe*", "schemas:List*", "schemas:Search*", "schemas:ExportSchema"]);
    let put = ok(&client, "PutResourcePolicy", json!({"RegistryName": "r", "Policy": policy(read)})).await;
    let revision = put["RevisionId"].clone();
    let found = ok(&other, "DescribeSchema", theirs.clone()).await;
    assert_eq!(found["SchemaArn"], "arn:aws:schemas:us-east-1:000000000000:schema/r/a");
    assert_eq!(ok(&other, "ListSchemas", json!({"RegistryName": arn})).await["Schemas"][0]["SchemaName"], "a");
    ok(&other, "DescribeRegistry", json!({"RegistryName": arn})).await;
    assert_eq!(refused(&other, "DeleteSchema", theirs.clone()).await.0, DENIED);
    // Policies have no say in that.
    let mut export = theirs.clone();
    export["Type"] = json!("JSONSchemaDraft4");
    assert_eq!(refused(&other, "ExportSchema", export).await.0, DENIED);
    let all = json!({"RegistryName": "r", "Policy": policy(json!("schemas:*")), "RevisionId": "another"});
    assert_eq!(refused(&client, "PutResourcePolicy", all.clone()).await.0, "PreconditionFailedException");
    let mut all = all;
    all["RevisionId"] = revision.clone();
    let put = ok(&client, "PutResourcePolicy", all).await;
    assert_ne!(put["RevisionId"], revision);
    let got = ok(&client, "GetResourcePolicy", json!({"RegistryName": "r"})).await;
    assert_eq!((&got["RevisionId"], got["Policy"].is_string()), (&put["RevisionId"], true));
    let mut new = schema("b", &json!({}));
    new["RegistryName"] = json!(arn);
    ok(&other, "CreateSchema", new.clone()).await;
    new["SchemaName"] = json!("a");
    assert_eq!(ok(&other, "UpdateSchema", new).await["SchemaVersion"], "2");
    let version = json!({"RegistryName": arn, "SchemaName": "a", "SchemaVersion": "1"});
    ok(&other, "DeleteSchemaVersion", version).await;
    ok(&client, "DescribeSchema", json!({"RegistryName": "r", "SchemaName": "b"})).await;
    ok(&client, "DeleteResourcePolicy", json!({"RegistryName": "r"})).await;
    assert_eq!(refused(&other, "DescribeSchema", theirs).await.0, DENIED);
    assert_eq!(refused(&client, "GetResourcePolicy", json!({"RegistryName": "r"})).await.0, "NotFoundException");
}

#[tokio::test]
async fn calls_are_on_the_trail_without_what_events_say() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]});
    let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
    let rule = json!({"Name": "calls", "EventPattern": "{\"source\": [\"aws.schemas\"]}"});
    client.call("events", "PutRule", rule).await.ok();
    let target = json!({"Id": "1", "Arn": arn});
    client.call("events", "PutTargets", json!({"Rule": "calls", "Targets": [target]})).await.ok();
    ok(&client, "CreateRegistry", json!({"RegistryName": "r"})).await;
    ok(&client, "CreateSchema", schema("a", &json!({"secret": {"type": "string"}}))).await;
    let mut told = std::collections::BTreeMap::new();
    for _ in 0..30 {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        for message in got["Messages"].as_array().into_iter().flatten() {
            let event: Json = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            told.insert(event["detail"]["eventName"].as_str().unwrap().to_owned(), event["detail"].clone());
        }
        if told.len() == 2 {
            break;
        }
    }
    assert_eq!(told["CreateRegistry"]["requestParameters"], json!({"registryName": "r"}));
    let wanted = json!({"registryName": "r", "schemaName": "a", "Type": "OpenApi3", "Content": "***"});
    assert_eq!(told["CreateSchema"]["requestParameters"], wanted);
    ok(&client, "CreateDiscoverer", json!({"SourceArn": format!("{BUS}/default")})).await;
    let all = cloud.kernel.trail().latest(100);
    let rule = all.iter().rfind(|record| record.operation == "PutRule").unwrap();
    assert!(rule.principal.contains("assumed-role/AWSServiceRoleForSchemas/"), "{}", rule.principal);
}
