//! Policies of parameters, on the clock.

use super::*;

fn expiration(at: &str) -> Json {
    json!({"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": at}})
}

fn notice(before: u32, unit: &str) -> Json {
    json!({"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": before.to_string(), "Unit": unit}})
}

fn no_change(after: u32, unit: &str) -> Json {
    json!({"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": after.to_string(), "Unit": unit}})
}

async fn with(client: &Client, policies: Json, more: Json) -> Json {
    put(client, "/p", "v", merged(json!({"Tier": "Advanced", "Policies": policies.to_string()}), &more)).await
}

async fn statuses(client: &Client) -> Vec<(String, String)> {
    let described = ok(client, "DescribeParameters", json!({})).await;
    let all = described["Parameters"][0]["Policies"].as_array().unwrap().clone();
    let text = |policy: &Json, member: &str| policy[member].as_str().unwrap().to_owned();
    all.iter().map(|policy| (text(policy, "PolicyType"), text(policy, "PolicyStatus"))).collect()
}

/// The policies that were acted on.
async fn acted(cloud: &Cloud, client: &Client, url: &str) -> Vec<String> {
    let heard = heard(cloud, client, url).await;
    let acted = heard.iter().filter(|event| event["detail-type"] == "Parameter Store Policy Action");
    acted.map(|event| event["detail"]["policy-type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_parameter_expires_and_somebody_is_told_before() {
    let (cloud, client) = noon().await;
    let url = listening(&client).await;
    with(&client, json!([expiration("2026-03-11T12:00:00Z"), notice(3, "Days")]), json!({})).await;
    let pending = |kind: &str| (kind.to_owned(), "Pending".to_owned());
    assert_eq!(statuses(&client).await, [pending("Expiration"), pending("ExpirationNotification")]);
    pass(&cloud, 7 * DAY - 60).await;
    assert!(acted(&cloud, &client, &url).await.is_empty());
    pass(&cloud, 60).await;
    let told = heard(&cloud, &client, &url).await;
    assert_eq!(
        told[0]["detail"],
        json!({"parameter-name": "/p", "parameter-type": "String", "policy-type": "ExpirationNotification",
               "policy-content": notice(3, "Days").to_string(), "action-status": "Success",
               "action-reason": "The parameter is about to expire."})
    );
    assert_eq!(told[0]["resources"], json!(["arn:aws:ssm:us-east-1:000000000000:parameter/p"]));
    assert_eq!(statuses(&client).await[1].1, "Finished");
    assert_eq!(value(&client, "/p").await, "v");
    pass(&cloud, 3 * DAY).await;
    is_refused(&client, "GetParameter", json!({"Name": "/p"}), "ParameterNotFound", "").await;
    let told = heard(&cloud, &client, &url).await;
    let kinds: Vec<(&Json, &Json)> =
        told.iter().map(|e| (&e["detail"]["policy-type"], &e["detail"]["operation"])).collect();
    assert_eq!(kinds, [(&Json::Null, &json!("Delete")), (&json!("Expiration"), &Json::Null)]);
}

#[tokio::test]
async fn what_is_not_changed_is_told_of_after_each_change() {
    let (cloud, client) = noon().await;
    let url = listening(&client).await;
    with(&client, json!([no_change(36, "Hours")]), json!({})).await;
    pass(&cloud, DAY).await;
    put(&client, "/p", "w", json!({"Overwrite": true})).await;
    pass(&cloud, DAY).await;
    assert!(acted(&cloud, &client, &url).await.is_empty());
    pass(&cloud, DAY / 2).await;
    assert_eq!(acted(&cloud, &client, &url).await, ["NoChangeNotification"]);
    pass(&cloud, 10 * DAY).await;
    assert!(acted(&cloud, &client, &url).await.is_empty());
    put(&client, "/p", "x", json!({"Overwrite": true})).await;
    assert_eq!(statuses(&client).await[0].1, "Pending");
    let history = ok(&client, "GetParameterHistory", json!({"Name": "/p"})).await;
    assert_eq!(history["Parameters"][1]["Policies"][0]["PolicyStatus"], "Finished");
    // Nothing is left when that is said.
    put(&client, "/p", "y", json!({"Overwrite": true, "Policies": "[{}]"})).await;
    assert!(statuses(&client).await.is_empty());
    pass(&cloud, 10 * DAY).await;
    assert!(acted(&cloud, &client, &url).await.is_empty());
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let (_cloud, client) = noon().await;
    let future = "2026-04-01T00:00:00Z";
    let eleven: Vec<Json> = (0..11).map(|_| no_change(1, "Days")).collect();
    let odd = |change: &str, value: Json| {
        let mut policy = no_change(1, "Days");
        *policy.pointer_mut(change).unwrap() = value;
        json!([policy])
    };
    for (policies, code) in [
        (json!(eleven), "PoliciesLimitExceededException"),
        (json!([{"Type": "Other", "Version": "1.0", "Attributes": {}}]), "InvalidPolicyTypeException"),
        (json!({}), "InvalidPolicyAttributeException"),
        (json!([expiration("2026-02-01T00:00:00Z")]), "InvalidPolicyAttributeException"),
        (json!([expiration("soon")]), "InvalidPolicyAttributeException"),
        (odd("/Attributes/Unit", json!("Weeks")), "InvalidPolicyAttributeException"),
        (odd("/Attributes/After", json!("0")), "InvalidPolicyAttributeException"),
        (odd("/Version", json!("2.0")), "InvalidPolicyAttributeException"),
        (json!([expiration(future), expiration(future)]), "IncompatiblePolicyException"),
        (json!([notice(1, "Days")]), "IncompatiblePolicyException"),
    ] {
        let input =
            json!({"Name": "/p", "Value": "v", "Type": "String", "Tier": "Advanced", "Policies": policies.to_string()});
        is_refused(&client, "PutParameter", input, code, "").await;
    }
    let standard =
        json!({"Name": "/p", "Value": "v", "Type": "String", "Policies": json!([no_change(1, "Days")]).to_string()});
    is_refused(&client, "PutParameter", standard, "ValidationException", "advanced-parameter tier").await;
    let long = json!({"Name": "/p", "Value": "v", "Type": "String", "Policies": " ".repeat(4097)});
    is_refused(&client, "PutParameter", long, "ValidationException", "policies").await;
    is_refused(&client, "GetParameter", json!({"Name": "/p"}), "ParameterNotFound", "").await;
    // The clever tier takes them.
    let clever = with(&client, json!([no_change(1, "Days")]), json!({"Tier": "Intelligent-Tiering"})).await;
    assert_eq!(clever["Tier"], "Advanced");
}
