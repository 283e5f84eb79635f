//! A value is told to whoever reads it, and stands nowhere else: not in the trail, in events, in errors.

use super::*;

const CANARY: &str = "canary-77b3-in-the-mine";

#[tokio::test]
async fn a_value_is_told_to_nobody_but_who_reads_it() {
    let (cloud, client) = noon().await;
    let url = listening(&client).await;
    put(&client, "/s", CANARY, json!({"Type": "SecureString"})).await;
    put(&client, "/s", CANARY, json!({"Type": "SecureString", "Tier": "Advanced", "Overwrite": true})).await;
    put(&client, "/plain", CANARY, json!({"Tags": [{"Key": "seen", "Value": "as it is"}]})).await;
    assert_eq!(value(&client, "/s").await, CANARY);
    ok(&client, "GetParametersByPath", json!({"Path": "/", "WithDecryption": true})).await;
    ok(&client, "GetParameterHistory", json!({"Name": "/s", "WithDecryption": true})).await;
    let mut messages = String::new();
    for more in [
        json!({}),
        json!({"Overwrite": true, "AllowedPattern": "[0-9]+"}),
        json!({"Overwrite": true, "Type": "String"}),
        json!({"Name": "/aws/x"}),
        json!({"Name": "/t", "KeyId": "alias/none", "Type": "SecureString"}),
        json!({"Name": "/t", "Value": format!("{CANARY}{}", "x".repeat(9000)), "Type": "String"}),
        json!({"Name": "/t", "Type": CANARY.len().to_string()}),
    ] {
        let input = merged(json!({"Name": "/s", "Value": CANARY}), &more);
        messages.push_str(&refused(&client, "PutParameter", input).await.1);
    }
    ok(&client, "DeleteParameter", json!({"Name": "/s"})).await;
    let told = heard(&cloud, &client, &url).await;
    let call = told.iter().find(|event| event["detail"]["eventName"] == "PutParameter").unwrap();
    assert_eq!(call["detail"]["requestParameters"]["value"], "HIDDEN_DUE_TO_SECURITY_REASONS");
    let from = cloud.kernel.database().read();
    let mut trail = String::new();
    for record in cloud.kernel.trail().latest(1000) {
        let Some(service) = cloud.kernel.service(record.service) else { continue };
        trail.push_str(&record.cloudtrail(&**service, &from).to_string());
        trail.push_str(&serde_json::to_string(&record).unwrap());
    }
    // A tag's value is no secret.
    assert!(trail.contains("as it is"));
    let told = json!(told).to_string();
    let encoded = undercast_kernel::wire::text::base64(CANARY.as_bytes());
    for (place, text) in [("trail", &trail), ("events", &told), ("errors", &messages)] {
        assert!(!text.contains(CANARY) && !text.contains(&encoded), "the {place} tells it");
    }
}
