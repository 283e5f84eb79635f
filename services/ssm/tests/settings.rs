//! The settings of Parameter Store.

use super::*;

const TIER: &str = "/ssm/parameter-store/default-parameter-tier";

#[tokio::test]
async fn the_default_tier_is_that_of_the_setting() {
    let (_cloud, client) = noon().await;
    let get =
        async |id: &str| ok(&client, "GetServiceSetting", json!({"SettingId": id})).await["ServiceSetting"].clone();
    let arn = format!("arn:aws:ssm:us-east-1:000000000000:servicesetting{TIER}");
    let usual = json!({"SettingId": TIER, "SettingValue": "Standard", "LastModifiedUser": "System", "ARN": arn, "Status": "Default"});
    assert_eq!(get(TIER).await, usual);
    ok(&client, "UpdateServiceSetting", json!({"SettingId": arn, "SettingValue": "Advanced"})).await;
    assert_eq!(
        get(&arn).await,
        json!({"SettingId": TIER, "SettingValue": "Advanced", "LastModifiedUser": "arn:aws:iam::000000000000:root",
               "LastModifiedDate": NOON, "ARN": arn, "Status": "Customized"})
    );
    assert_eq!(put(&client, "/a", "v", json!({})).await["Tier"], "Advanced");
    assert_eq!(put(&client, "/b", "v", json!({"Tier": "Standard"})).await["Tier"], "Standard");
    assert_eq!(put(&client.in_region("eu-west-1"), "/a", "v", json!({})).await["Tier"], "Standard");
    ok(&client, "UpdateServiceSetting", json!({"SettingId": TIER, "SettingValue": "Intelligent-Tiering"})).await;
    assert_eq!(put(&client, "/c", &"v".repeat(5000), json!({})).await["Tier"], "Advanced");
    assert_eq!(ok(&client, "ResetServiceSetting", json!({"SettingId": TIER})).await["ServiceSetting"], usual);
    assert_eq!(put(&client, "/d", "v", json!({})).await["Tier"], "Standard");
}

#[tokio::test]
async fn other_settings_are_told_apart() {
    let (_cloud, client) = noon().await;
    let throughput = "/ssm/parameter-store/high-throughput-enabled";
    let shown = ok(&client, "GetServiceSetting", json!({"SettingId": throughput})).await;
    assert_eq!(shown["ServiceSetting"]["SettingValue"], "false");
    ok(&client, "UpdateServiceSetting", json!({"SettingId": throughput, "SettingValue": "true"})).await;
    for operation in ["GetServiceSetting", "ResetServiceSetting", "UpdateServiceSetting"] {
        let input = |id: &str| {
            let mut input = json!({"SettingId": id});
            if operation == "UpdateServiceSetting" {
                input["SettingValue"] = json!("x");
            }
            input
        };
        is_not_built(&client, operation, input("/ssm/managed-instance/activation-tier")).await;
        is_refused(&client, operation, input("/ssm/none"), "ServiceSettingNotFound", "/ssm/none").await;
    }
    let bad = json!({"SettingId": TIER, "SettingValue": "Gold"});
    is_refused(
        &client,
        "UpdateServiceSetting",
        bad,
        "ValidationException",
        "[Standard, Advanced, Intelligent-Tiering]",
    )
    .await;
}
