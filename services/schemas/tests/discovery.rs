//! Discoverers: what comes to a bus becomes schemas.

use undercast_testkit::Folder;

use super::*;

async fn put(client: &Client, bus: &str, source: &str, kind: &str, detail: &Json) {
    let entry = json!({"EventBusName": bus, "Source": source, "DetailType": kind, "Detail": detail.to_string()});
    let answer = client.call("events", "PutEvents", json!({"Entries": [entry]})).await.ok();
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
}

fn named(name: &str) -> Json {
    json!({"RegistryName": "discovered-schemas", "SchemaName": name})
}

/// The newest version of what was discovered, and its schemas.
async fn found(client: &Client, name: &str) -> Option<(String, Json)> {
    let answer = client.call(SERVICE, "DescribeSchema", named(name)).await;
    let content: Json = serde_json::from_str(answer.json["Content"].as_str()?).unwrap();
    Some((answer.json["SchemaVersion"].as_str()?.to_owned(), content["components"]["schemas"].clone()))
}

async fn version(client: &Client, name: &str, wanted: &str) -> Json {
    let is = async || found(client, name).await.is_some_and(|(version, _)| version == wanted);
    until(&format!("version {wanted} of {name}"), is).await;
    found(client, name).await.unwrap().1
}

async fn bus(client: &Client, name: &str) -> String {
    client.call("events", "CreateEventBus", json!({"Name": name})).await.ok();
    format!("{BUS}/{name}")
}

#[tokio::test]
async fn each_new_form_of_an_event_is_a_version() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let source = bus(&client, "shop").await;
    let made =
        ok(&client, "CreateDiscoverer", json!({"SourceArn": source, "Description": "d", "Tags": {"a": "b"}})).await;
    assert_eq!(made["DiscovererArn"], "arn:aws:schemas:us-east-1:000000000000:discoverer/events-event-bus-shop");
    assert_eq!((&made["State"], &made["CrossAccount"]), (&json!("STARTED"), &json!(true)));
    let placed = json!({"orderId": "1", "customer": {"name": "n"}, "at": "2026-01-01T00:00:00Z"});
    put(&client, "shop", "com.shop", "Order placed", &placed).await;
    let schemas = version(&client, "com.shop@OrderPlaced", "1").await;
    assert_eq!(schemas["AWSEvent"]["x-amazon-events-detail-type"], "Order placed");
    assert_eq!(schemas["OrderPlaced"]["properties"]["at"]["format"], "date-time");
    assert_eq!(schemas["Customer"]["required"], json!(["name"]));
    // The same form again is nothing new, and neither is one that is known by now.
    let vip = json!({"orderId": "2", "customer": {"name": "n", "vip": true}, "at": "2026-01-01T00:00:00Z"});
    for detail in [&placed, &vip, &placed, &vip] {
        put(&client, "shop", "com.shop", "Order placed", detail).await;
    }
    put(&client, "shop", "com.shop", "Order paid", &json!({"amount": 1.5, "lines": [{"n": 1}]})).await;
    let schemas = version(&client, "com.shop@OrderPaid", "1").await;
    assert_eq!(schemas["OrderPaid"]["properties"]["lines"]["items"]["$ref"], "#/components/schemas/LinesItem");
    let schemas = version(&client, "com.shop@OrderPlaced", "2").await;
    assert_eq!(schemas["Customer"]["required"], json!(["name"]));
    assert_eq!(schemas["Customer"]["properties"]["vip"]["type"], "boolean");
    // Events of AWS's own services have schemas already.
    let found =
        pages(&client, "ListSchemas", json!({"RegistryName": "discovered-schemas"}), "Schemas", "SchemaName").await;
    assert_eq!(found, [["com.shop@OrderPaid", "com.shop@OrderPlaced"]]);
    let mut export = named("com.shop@OrderPlaced");
    export["Type"] = json!("JSONSchemaDraft4");
    let exported = ok(&client, "ExportSchema", export).await;
    let exported: Json = serde_json::from_str(exported["Content"].as_str().unwrap()).unwrap();
    assert_eq!(exported["definitions"]["Customer"]["properties"]["vip"]["type"], "boolean");
    assert_eq!(exported["properties"]["detail"]["$ref"], "#/definitions/OrderPlaced");
    for input in [named("com.shop@OrderPaid"), json!({"RegistryName": "discovered-schemas", "SchemaName": "new"})] {
        let mut input = input;
        input["Content"] = json!("{}");
        assert_eq!(refused(&client, "UpdateSchema", input.clone()).await.0, "ForbiddenException");
        input["Type"] = json!("JSONSchemaDraft4");
        assert_eq!(refused(&client, "CreateSchema", input).await.0, "ForbiddenException");
    }
    ok(&client, "DeleteSchema", named("com.shop@OrderPaid")).await;
    put(&client, "shop", "com.shop", "Order paid", &json!({"amount": 1})).await;
    let schemas = version(&client, "com.shop@OrderPaid", "1").await;
    assert_eq!(schemas["OrderPaid"]["required"], json!(["amount"]));
}

#[tokio::test]
async fn a_rule_that_the_service_manages_brings_the_events() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateDiscoverer", json!({"SourceArn": format!("{BUS}/default")})).await;
    let id = json!({"DiscovererId": "events-event-bus-default"});
    let rule =
        async || client.call("events", "DescribeRule", json!({"Name": "Schemas-events-event-bus-default"})).await;
    let told = rule().await.ok();
    assert_eq!((&told["ManagedBy"], &told["State"]), (&json!("schemas.amazonaws.com"), &json!("ENABLED")));
    let pattern: Json = serde_json::from_str(told["EventPattern"].as_str().unwrap()).unwrap();
    assert_eq!(pattern, json!({"source": [{"prefix": "aws.partner/"}, {"anything-but": {"prefix": "aws."}}]}));
    for (operation, input) in [
        ("DisableRule", json!({"Name": "Schemas-events-event-bus-default"})),
        ("DeleteRule", json!({"Name": "Schemas-events-event-bus-default"})),
        ("PutRule", json!({"Name": "Schemas-events-event-bus-default", "EventPattern": "{\"a\": [1]}"})),
        ("RemoveTargets", json!({"Rule": "Schemas-events-event-bus-default", "Ids": ["events-event-bus-default"]})),
    ] {
        assert_eq!(client.call("events", operation, input).await.code(), "ManagedRuleException", "{operation}");
    }
    // Nobody else has events brought to a discoverer.
    client.call("events", "PutRule", json!({"Name": "mine", "EventPattern": "{\"source\": [\"x\"]}"})).await.ok();
    let target =
        json!({"Id": "1", "Arn": "arn:aws:schemas:us-east-1:000000000000:discoverer/events-event-bus-default"});
    let answer = client.call("events", "PutTargets", json!({"Rule": "mine", "Targets": [target]})).await;
    assert_eq!(answer.code(), "ValidationException");
    assert_eq!(ok(&client, "StopDiscoverer", id.clone()).await["State"], "STOPPED");
    assert_eq!(rule().await.ok()["State"], "DISABLED");
    put(&client, "default", "x", "Stopped", &json!({})).await;
    assert_eq!(ok(&client, "StartDiscoverer", id.clone()).await["State"], "STARTED");
    put(&client, "default", "x", "Started", &json!({})).await;
    version(&client, "x@Started", "1").await;
    assert!(found(&client, "x@Stopped").await.is_none());
    let own = json!({"DiscovererId": "events-event-bus-default", "CrossAccount": false, "Description": "own"});
    assert_eq!(ok(&client, "UpdateDiscoverer", own).await["CrossAccount"], false);
    let pattern: Json = serde_json::from_str(rule().await.ok()["EventPattern"].as_str().unwrap()).unwrap();
    assert_eq!(pattern["account"], json!(["000000000000"]));
    let told = ok(&client, "DescribeDiscoverer", id.clone()).await;
    assert_eq!((&told["Description"], &told["State"]), (&json!("own"), &json!("STARTED")));
    ok(&client, "DeleteDiscoverer", id.clone()).await;
    assert_eq!(rule().await.code(), "ResourceNotFoundException");
    assert_eq!(refused(&client, "DescribeDiscoverer", id).await.0, "NotFoundException");
    // What was discovered stays.
    assert!(found(&client, "x@Started").await.is_some());
}

#[tokio::test]
async fn events_of_other_accounts_count_unless_they_shall_not() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let other = cloud.client_of(undercast_testkit::Credentials::new("111111111111", "test"));
    let policy = json!({"Action": "events:PutEvents", "Principal": "111111111111", "StatementId": "s", "EventBusName": "default"});
    client.call("events", "PutPermission", policy).await.ok();
    let source = format!("{BUS}/default");
    ok(&client, "CreateDiscoverer", json!({"SourceArn": source, "CrossAccount": false})).await;
    put(&other, &source, "them", "First", &json!({})).await;
    let change = json!({"DiscovererId": "events-event-bus-default", "CrossAccount": true});
    ok(&client, "UpdateDiscoverer", change).await;
    put(&other, &source, "them", "Second", &json!({})).await;
    version(&client, "them@Second", "1").await;
    assert!(found(&client, "them@First").await.is_none());
}

#[tokio::test]
async fn discoverers_are_listed_and_held_to_their_quota() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for n in 0..10 {
        let source = bus(&client, &format!("b{n}")).await;
        ok(&client, "CreateDiscoverer", json!({"SourceArn": source})).await;
    }
    let source = bus(&client, "more").await;
    assert_eq!(refused(&client, "CreateDiscoverer", json!({"SourceArn": source})).await.0, "ForbiddenException");
    let found = pages(&client, "ListDiscoverers", json!({"Limit": 6}), "Discoverers", "DiscovererId").await;
    assert_eq!((found.len(), found[0].len(), found[1].len()), (2, 6, 4));
    let one = json!({"DiscovererIdPrefix": "events-event-bus-b1", "SourceArnPrefix": BUS});
    assert_eq!(pages(&client, "ListDiscoverers", one, "Discoverers", "DiscovererId").await, [["events-event-bus-b1"]]);
    let (code, message) = refused(&client, "CreateDiscoverer", json!({"SourceArn": format!("{BUS}/b1")})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ConflictException", "Discoverer with id events-event-bus-b1 already exists.")
    );
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for arn in [format!("{BUS}/nowhere"), "arn:aws:sqs:us-east-1:000000000000:q".to_owned()] {
        assert_eq!(refused(&client, "CreateDiscoverer", json!({"SourceArn": arn})).await.0, "BadRequestException");
    }
    // What is refused leaves nothing behind.
    let role = client.call("iam", "GetRole", json!({"RoleName": "AWSServiceRoleForSchemas"})).await;
    assert_eq!(role.code(), "NoSuchEntityException");
}

#[tokio::test]
async fn a_discoverer_that_cannot_have_its_rule_is_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    // The bus forbids it to whoever it is.
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "events:PutRule", "Resource": "*"}]});
    client.call("events", "PutPermission", json!({"Policy": policy.to_string()})).await.ok();
    let input = json!({"SourceArn": format!("{BUS}/default")});
    assert_eq!(refused(&client, "CreateDiscoverer", input.clone()).await.0, "AccessDeniedException");
    assert_eq!(ok(&client, "ListDiscoverers", json!({})).await["Discoverers"], json!([]));
    client.call("events", "RemovePermission", json!({"RemoveAllPermissions": true})).await.ok();
    ok(&client, "CreateDiscoverer", input).await;
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let rule = client.call("events", "DescribeRule", json!({"Name": "Schemas-events-event-bus-default"})).await.ok();
    assert_eq!(rule["State"], "ENABLED");
}

/// Runs in a runtime of its own, which takes all that was going on with it, as a crash does.
fn life<T>(folder: &Folder, work: impl AsyncFnOnce(Cloud, Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = runtime.block_on(async {
        let cloud = Cloud::in_folder(services(), folder).await;
        let client = cloud.client();
        work(cloud, client).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    out
}

#[test]
fn what_was_acknowledged_is_discovered_after_a_crash() {
    let folder = Folder::new();
    life(&folder, async |_cloud, client| {
        ok(&client, "CreateDiscoverer", json!({"SourceArn": format!("{BUS}/default")})).await;
        for n in 0..20 {
            put(&client, "default", "x", &format!("Kind {n}"), &json!({"n": n})).await;
        }
    });
    life(&folder, async |_cloud, client| {
        for n in 0..20 {
            version(&client, &format!("x@Kind{n}"), "1").await;
        }
    });
}
