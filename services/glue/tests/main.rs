//! The Data Catalog through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_glue::Glue;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kernel::resources::{Properties, ResourceRequest, Updated};
use undercast_testkit::{Cloud, Credentials, conformance};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Glue), Arc::new(Iam)]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "glue", services).await;
    assert!(coverage.cases > 40, "{coverage:?}");
}

#[tokio::test]
async fn who_reads_a_table_needs_its_catalog_and_its_database_too() {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    root.call("glue", "CreateDatabase", json!({"DatabaseInput": {"Name": "web"}})).await.ok();
    root.call("glue", "CreateTable", json!({"DatabaseName": "web", "TableInput": {"Name": "clicks"}})).await.ok();
    root.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let credentials = Credentials::new(key["AccessKeyId"].as_str().unwrap(), key["SecretAccessKey"].as_str().unwrap());
    let user = cloud.client_of(credentials);
    let arn = |of: &str| format!("arn:aws:glue:us-east-1:000000000000:{of}");
    let all = [arn("catalog"), arn("database/web"), arn("table/web/clicks")];
    let policy = |resources: &[String]| {
        json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "glue:GetTable", "Resource": resources}]})
    };
    let wanted = json!({"DatabaseName": "Web", "Name": "Clicks"});
    for missing in 0..4 {
        let given: Vec<String> =
            all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, arn)| arn.clone()).collect();
        let input = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy(&given).to_string()});
        root.call("iam", "PutUserPolicy", input).await.ok();
        let answer = user.call("glue", "GetTable", wanted.clone()).await;
        assert_eq!(answer.status == 200, missing == 3, "{missing}");
    }
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
        tags: Vec::new(),
    }
}

#[tokio::test]
async fn stacks_make_databases_and_tables() {
    let cloud = Cloud::start(services()).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let types = Glue.resource_types();
    let of_type = |name: &str| types.iter().find(|t| t.name() == name).unwrap();
    let (databases, tables) = (of_type("AWS::Glue::Database"), of_type("AWS::Glue::Table"));
    let database = json!({"CatalogId": "000000000000", "DatabaseInput": {"Description": "d"}});
    let made = databases.create(&cx, &request(&database)).await.unwrap();
    assert!(made.id.starts_with("stack-logical-"), "{}", made.id);
    let with = |table: Json| json!({"CatalogId": "000000000000", "DatabaseName": made.id, "TableInput": table});
    let before = with(json!({"Name": "Clicks"}));
    let table = tables.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(table.id, "clicks");
    let after = with(json!({"Name": "Clicks", "Description": "new"}));
    let updated = tables.update(&cx, "clicks", &of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(_)));
    let found =
        cx.refreshed().call("glue", "GetTable", json!({"DatabaseName": made.id, "Name": "clicks"})).await.unwrap();
    assert_eq!(found["Table"]["Description"], "new");
    let renamed = with(json!({"Name": "else"}));
    let updated = tables.update(&cx, "clicks", &of(&after), &request(&renamed)).await.unwrap();
    assert!(matches!(updated, Updated::NeedsReplacement));
    let described = json!({"CatalogId": "000000000000", "DatabaseInput": {"Description": "e"}});
    databases.update(&cx, &made.id, &of(&database), &request(&described)).await.unwrap();
    for _ in 0..2 {
        tables.delete(&cx, "clicks", &of(&after)).await.unwrap();
        databases.delete(&cx, &made.id, &of(&described)).await.unwrap();
    }
}
