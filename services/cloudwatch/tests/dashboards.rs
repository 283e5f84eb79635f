//! Dashboards through a socket.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::{at_noon, code, seconds};

async fn keep(client: &Client, name: &str, body: &Json) -> Json {
    let input = json!({"DashboardName": name, "DashboardBody": body.to_string()});
    client.call("cloudwatch", "PutDashboard", input).await.ok()
}

#[tokio::test]
async fn a_dashboard_is_kept_as_it_was_given() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let text = json!({"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "hello"}}]});
    assert_eq!(keep(&client, "one", &text).await["DashboardValidationMessages"], json!([]));
    let odd = json!({"widgets": [], "colour": "blue"});
    let told = keep(&client, "other", &odd).await;
    assert_eq!(told["DashboardValidationMessages"][0]["DataPath"], "/colour");
    let get = async |name: &str| client.call("cloudwatch", "GetDashboard", json!({"DashboardName": name})).await;
    let found = get("one").await.ok();
    assert_eq!(found["DashboardArn"], "arn:aws:cloudwatch::000000000000:dashboard/one");
    assert_eq!(found["DashboardBody"], text.to_string());
    let list =
        async |input: Json| client.call("cloudwatch", "ListDashboards", input).await.ok()["DashboardEntries"].clone();
    let all = list(json!({})).await;
    assert_eq!((&all[0]["DashboardName"], &all[1]["DashboardName"]), (&json!("one"), &json!("other")));
    assert_eq!(
        (seconds(&all[0]["LastModified"]), all[0]["Size"].as_u64()),
        (crate::noon(0).as_second(), Some(text.to_string().len() as u64))
    );
    assert_eq!(list(json!({"DashboardNamePrefix": "ot"})).await.as_array().unwrap().len(), 1);
    // They are the account's, in whatever region.
    let elsewhere =
        client.in_region("eu-west-1").call("cloudwatch", "GetDashboard", json!({"DashboardName": "one"})).await;
    elsewhere.ok();
    let delete =
        async |names: Json| client.call("cloudwatch", "DeleteDashboards", json!({"DashboardNames": names})).await;
    assert_eq!(code(&delete(json!(["one", "gone"])).await), "ResourceNotFound");
    delete(json!(["other"])).await.ok();
    let gone = get("one").await;
    assert_eq!((code(&gone), gone.status), ("ResourceNotFound", 404));
    assert_eq!(code(&delete(json!([])).await), "InvalidParameterValue");
}

#[tokio::test]
async fn a_body_that_cannot_be_shown_is_refused() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let widget = |widget: Json| json!({"widgets": [widget]}).to_string();
    for body in [
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        json!({"widgets": 1}).to_string(),
        widget(json!(1)),
        widget(json!({"properties": {}})),
        widget(json!({"type": "radio", "properties": {}})),
        widget(json!({"type": "text"})),
        widget(json!({"type": "text", "properties": {}})),
        widget(json!({"type": "metric", "properties": {}})),
        widget(json!({"type": "text", "width": 25, "properties": {"markdown": ""}})),
    ] {
        let input = json!({"DashboardName": "d", "DashboardBody": body});
        assert_eq!(code(&client.call("cloudwatch", "PutDashboard", input).await), "InvalidParameterInput", "{body}");
    }
    for (operation, input) in [
        ("PutDashboard", json!({"DashboardName": "a b", "DashboardBody": "{\"widgets\": []}"})),
        ("GetDashboard", json!({"DashboardName": "a b"})),
        ("ListDashboards", json!({"DashboardNamePrefix": "a b"})),
        ("ListDashboards", json!({"NextToken": "x"})),
    ] {
        assert_eq!(code(&client.call("cloudwatch", operation, input).await), "InvalidParameterValue", "{operation}");
    }
}

#[tokio::test]
async fn dashboards_have_tags() {
    let cloud = at_noon().await;
    let client = cloud.client();
    let input =
        json!({"DashboardName": "d", "DashboardBody": "{\"widgets\": []}", "Tags": [{"Key": "a", "Value": "b"}]});
    client.call("cloudwatch", "PutDashboard", input).await.ok();
    let arn = json!({"ResourceARN": "arn:aws:cloudwatch::000000000000:dashboard/d"});
    let tags = client.call("cloudwatch", "ListTagsForResource", arn).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
}
