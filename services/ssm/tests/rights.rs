//! Who may do what: names, paths, condition keys.

use undercast_testkit::Credentials;

use super::*;

pub(crate) async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

const DENIED: &str = "AccessDeniedException";

#[tokio::test]
async fn who_may_read_a_path_reads_all_below_it() {
    let (cloud, client) = noon().await;
    put(&client, "/a/open", "1", json!({})).await;
    put(&client, "/a/b/shut", "2", json!({})).await;
    let on = |path: &str| format!("arn:aws:ssm:us-east-1:000000000000:parameter{path}");
    let reader = user(
        &cloud,
        &client,
        "reader",
        json!([
        {"Effect": "Allow", "Action": ["ssm:GetParametersByPath", "ssm:GetParameter*"], "Resource": on("/a/*")},
        {"Effect": "Deny", "Action": "ssm:*", "Resource": on("/a/b/*")}]),
    )
    .await;
    is_refused(&reader, "GetParameter", json!({"Name": "/a/b/shut"}), DENIED, "explicit deny").await;
    is_refused(&reader, "GetParameters", json!({"Names": ["/a/open", "/a/b/shut"]}), DENIED, "").await;
    let all = ok(&reader, "GetParametersByPath", json!({"Path": "/a", "Recursive": true})).await;
    assert_eq!(all["Parameters"].as_array().unwrap().len(), 2);
    is_refused(&reader, "GetParametersByPath", json!({"Path": "/a/b"}), DENIED, "parameter/a/b/").await;
    is_refused(&reader, "GetParametersByPath", json!({"Path": "/"}), DENIED, "").await;
    is_refused(&reader, "DescribeParameters", json!({}), DENIED, "ssm:DescribeParameters").await;
    let level = user(
        &cloud,
        &client,
        "level",
        json!([{"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": on("/a*"),
        "Condition": {"StringEquals": {"ssm:Recursive": "false"}}}]),
    )
    .await;
    ok(&level, "GetParametersByPath", json!({"Path": "/a"})).await;
    is_refused(&level, "GetParametersByPath", json!({"Path": "/a", "Recursive": true}), DENIED, "").await;
}

#[tokio::test]
async fn condition_keys_decide() {
    let (cloud, client) = noon().await;
    let statement = |key: &str, value: &str| {
        json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*",
        "Condition": {"StringEquals": {key: value}}}])
    };
    let new = user(&cloud, &client, "new", statement("ssm:Overwrite", "false")).await;
    put(&new, "/p", "1", json!({})).await;
    is_refused(&new, "PutParameter", json!({"Name": "/p", "Value": "2", "Overwrite": true}), DENIED, "").await;
    let plain = user(&cloud, &client, "plain", statement("ssm:Policies", "false")).await;
    put(&plain, "/q", "1", json!({})).await;
    let policies =
        json!([{"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "1", "Unit": "Days"}}])
            .to_string();
    let with = json!({"Name": "/r", "Value": "1", "Type": "String", "Tier": "Advanced", "Policies": policies});
    is_refused(&plain, "PutParameter", with, DENIED, "").await;
    put(&client, "/mine", "1", json!({"Tags": [{"Key": "team", "Value": "a"}]})).await;
    for (name, key) in [("tagged", "aws:ResourceTag/team"), ("old", "ssm:resourceTag/team")] {
        let tagged = user(&cloud, &client, name, statement(key, "a")).await;
        ok(&tagged, "GetParameter", json!({"Name": "/mine"})).await;
        is_refused(&tagged, "GetParameter", json!({"Name": "/p"}), DENIED, "").await;
    }
    let tagging = user(&cloud, &client, "tagging", statement("aws:RequestTag/team", "a")).await;
    put(&tagging, "/t", "1", json!({"Tags": [{"Key": "team", "Value": "a"}]})).await;
    let other = json!({"Name": "/u", "Value": "1", "Type": "String", "Tags": [{"Key": "team", "Value": "b"}]});
    is_refused(&tagging, "PutParameter", other, DENIED, "").await;
    let keys = json!([{"Effect": "Allow", "Action": "ssm:RemoveTagsFromResource", "Resource": "*",
        "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}}]);
    let keys = user(&cloud, &client, "keys", keys).await;
    let remove = |key: &str| json!({"ResourceType": "Parameter", "ResourceId": "/mine", "TagKeys": [key]});
    is_refused(&keys, "RemoveTagsFromResource", remove("other"), DENIED, "").await;
    ok(&keys, "RemoveTagsFromResource", remove("team")).await;
    let setting = "arn:aws:ssm:us-east-1:000000000000:servicesetting/ssm/parameter-store/default-parameter-tier";
    let settings = user(
        &cloud,
        &client,
        "settings",
        json!([{"Effect": "Allow", "Action": "ssm:GetServiceSetting", "Resource": setting}]),
    )
    .await;
    ok(&settings, "GetServiceSetting", json!({"SettingId": "/ssm/parameter-store/default-parameter-tier"})).await;
    is_refused(&settings, "ResetServiceSetting", json!({"SettingId": setting}), DENIED, "").await;
}
