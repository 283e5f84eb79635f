//! The CloudFormation types, as stacks use them.

use undercast_kernel::Cx;
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};

use super::*;

fn of_type(name: &str) -> Box<dyn ResourceType> {
    let all = Organizations::default().resource_types();
    all.into_iter().find(|t| t.name() == format!("AWS::Organizations::{name}")).unwrap()
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

/// Updates in place.
async fn updated(kind: &dyn ResourceType, cx: &Cx, id: &str, before: &Json, after: &Json) -> Json {
    match kind.update(cx, id, &of(before), &request(after)).await.unwrap() {
        Updated::InPlace(now) => Json::Object(now.attributes),
        Updated::NeedsReplacement => panic!("it is replaced"),
    }
}

#[tokio::test]
async fn an_organization_is_made_by_stacks() {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for(MANAGEMENT, "us-east-1"));
    let (organizations, units) = (of_type("Organization"), of_type("OrganizationalUnit"));
    let billing = json!({"FeatureSet": "CONSOLIDATED_BILLING"});
    let made = organizations.create(&cx, &request(&billing)).await.unwrap();
    let root = made.attributes["RootId"].as_str().unwrap().to_owned();
    assert_eq!(made.attributes["ManagementAccountId"], MANAGEMENT);
    assert_eq!(made.attributes["Id"], made.id.as_str());
    updated(&*organizations, &cx, &made.id, &billing, &json!({"FeatureSet": "ALL"})).await;
    let back = organizations.update(&cx, &made.id, &of(&json!({})), &request(&billing)).await;
    assert_eq!(back.unwrap_err().code(), Some("ValidationError"));
    let unit = json!({"Name": "team", "ParentId": root, "Tags": [{"Key": "a", "Value": "1"}]});
    let team = units.create(&cx, &request(&unit)).await.unwrap();
    assert!(team.attributes["Path"].as_str().unwrap().ends_with(&format!("/{}/", team.id)));
    updated(&*units, &cx, &team.id, &unit, &json!({"Name": "crew", "ParentId": root})).await;
    let shown = call(&client, "DescribeOrganizationalUnit", json!({"OrganizationalUnitId": team.id})).await.ok();
    assert_eq!(shown["OrganizationalUnit"]["Name"], "crew");
    let tags = call(&client, "ListTagsForResource", json!({"ResourceId": team.id})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "of", "Value": "stack"}]));

    let accounts = of_type("Account");
    let account =
        json!({"AccountName": "dev", "Email": "dev@example.com", "ParentIds": [team.id], "RoleName": "Admin"});
    let dev = accounts.create(&cx, &request(&account)).await.unwrap();
    assert_eq!((&dev.attributes["JoinedMethod"], &dev.attributes["State"]), (&json!("CREATED"), &json!("ACTIVE")));
    assert!(dev.attributes["Paths"][0].as_str().unwrap().contains(&team.id));
    let moved = json!({"AccountName": "dev", "Email": "dev@example.com", "RoleName": "Admin"});
    updated(&*accounts, &cx, &dev.id, &account, &moved).await;
    let parents = call(&client, "ListParents", json!({"ChildId": dev.id})).await.ok();
    assert_eq!(parents["Parents"][0]["Id"], root);
    let renamed = json!({"AccountName": "other", "Email": "dev@example.com", "RoleName": "Admin"});
    let renamed = accounts.update(&cx, &dev.id, &of(&moved), &request(&renamed)).await;
    assert_eq!(renamed.unwrap_err().code(), Some("ValidationError"));
    let two = json!({"AccountName": "x", "Email": "x@example.com", "ParentIds": [root, team.id]});
    assert_eq!(accounts.create(&cx, &request(&two)).await.unwrap_err().code(), Some("ValidationError"));

    units.delete(&cx, &team.id, &of(&unit)).await.unwrap();
    units.delete(&cx, &team.id, &of(&unit)).await.unwrap();
    accounts.delete(&cx, &dev.id, &of(&moved)).await.unwrap();
    accounts.delete(&cx, &dev.id, &of(&moved)).await.unwrap();
    let closed = call(&client, "DescribeAccount", json!({"AccountId": dev.id})).await.ok();
    assert_eq!(closed["Account"]["Status"], "SUSPENDED");
    assert!(organizations.delete(&cx, &made.id, &of(&billing)).await.is_err(), "the account is in it still");
    cloud.kernel.advance(std::time::Duration::from_secs(91 * 86_400)).await.unwrap();
    let cx = cx.refreshed();
    organizations.delete(&cx, &made.id, &of(&billing)).await.unwrap();
    organizations.delete(&cx, &made.id, &of(&billing)).await.unwrap();
}

#[tokio::test]
async fn policies_are_attached_by_stacks() {
    let (cloud, client, root) = organization().await;
    let cx = cloud.kernel.cx_for(MANAGEMENT, "us-east-1");
    let scp = "SERVICE_CONTROL_POLICY";
    enable(&client, &root, scp).await;
    let unit = unit(&client, &root, "u").await;
    let policies = of_type("Policy");
    let document =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]});
    let before = json!({"Name": "p", "Type": scp, "Content": document, "TargetIds": [unit]});
    let made = policies.create(&cx, &request(&before)).await.unwrap();
    assert_eq!(made.attributes["AwsManaged"], false);
    let targets = async || {
        let found = call(&client, "ListTargetsForPolicy", json!({"PolicyId": made.id})).await.ok();
        found["Targets"].as_array().unwrap().iter().map(|t| t["TargetId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(targets().await, [json!(unit)]);
    let after =
        json!({"Name": "q", "Type": scp, "Content": document.to_string(), "Description": "d", "TargetIds": [root]});
    updated(&*policies, &cx, &made.id, &before, &after).await;
    assert_eq!(targets().await, [json!(root)]);
    policies.delete(&cx, &made.id, &of(&after)).await.unwrap();
    policies.delete(&cx, &made.id, &of(&after)).await.unwrap();

    let own = of_type("ResourcePolicy");
    let content = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER},
        "Action": "organizations:ListAccounts", "Resource": "*"}]});
    let before = json!({"Content": content, "Tags": [{"Key": "a", "Value": "1"}]});
    let made = own.create(&cx, &request(&before)).await.unwrap();
    assert!(made.attributes["Arn"].as_str().unwrap().ends_with(&made.id));
    updated(&*own, &cx, &made.id, &before, &json!({"Content": content.to_string()})).await;
    let tags = call(&client, "ListTagsForResource", json!({"ResourceId": made.id})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "of", "Value": "stack"}]));
    own.delete(&cx, &made.id, &of(&before)).await.unwrap();
    own.delete(&cx, &made.id, &of(&before)).await.unwrap();
}
