//! A value is told to whoever reads it, and stands nowhere else: not in the trail, in events, in errors.

use super::*;

const CANARY: &str = "canary-4f1e-in-the-mine";

#[tokio::test]
async fn a_value_is_told_to_nobody_but_who_reads_it() {
    let functions = Functions::default();
    let (cloud, client) = noon_with(functions.clone()).await;
    // Whatever the trail tells goes to a queue, too.
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "*"}]}).to_string();
    let url = client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": open}})).await.ok()["QueueUrl"].clone();
    let pattern = json!({"source": ["aws.secretsmanager"]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern})).await.ok();
    let queue = json!([{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}]);
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": queue})).await.ok();
    create(&client, json!({"SecretString": CANARY})).await;
    let bytes = undercast_kernel::wire::text::base64(CANARY.as_bytes());
    let binary = json!({"SecretId": "s", "SecretBinary": bytes, "ClientRequestToken": token(2)});
    ok(&client, "PutSecretValue", binary.clone()).await;
    let update = json!({"SecretId": "s", "SecretString": format!("{CANARY} again"), "ClientRequestToken": token(3)});
    ok(&client, "UpdateSecret", update).await;
    assert_eq!(get(&client, "s").await["SecretString"], format!("{CANARY} again"));
    ok(&client, "BatchGetSecretValue", json!({"SecretIdList": ["s"]})).await;
    // What is refused tells it no more than what is done.
    let long = format!("{CANARY}{}", "x".repeat(70_000));
    let mut messages = String::new();
    for input in [
        json!({"SecretId": "s", "SecretString": CANARY, "ClientRequestToken": token(3)}),
        json!({"SecretId": "s", "SecretString": long, "ClientRequestToken": token(4)}),
        json!({"SecretId": "s", "SecretString": CANARY, "ClientRequestToken": "x"}),
        json!({"SecretId": "s", "SecretString": CANARY, "SecretBinary": bytes, "ClientRequestToken": token(4)}),
        json!({"SecretId": "s", "SecretString": CANARY, "ClientRequestToken": token(4), "RotationToken": format!("{}-{}", token(1), CANARY)}),
        json!({"SecretId": "none", "SecretString": CANARY, "ClientRequestToken": token(4)}),
    ] {
        let (_, message) = refused(&client, "PutSecretValue", input).await;
        messages.push_str(&message);
    }
    functions.fail_in(Some("setSecret"));
    ok(
        &client,
        "RotateSecret",
        json!({"SecretId": "s", "RotationLambdaARN": FUNCTION, "ClientRequestToken": token(5)}),
    )
    .await;
    pass(&cloud, 3600).await;
    let mut told = Vec::new();
    loop {
        let got = client
            .call(
                "sqs",
                "ReceiveMessage",
                json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 3600}),
            )
            .await
            .ok();
        let Some(some) = got["Messages"].as_array().filter(|some| !some.is_empty()) else { break };
        told.extend(some.iter().map(|message| message["Body"].as_str().unwrap().to_owned()));
    }
    let names: Vec<String> = told
        .iter()
        .map(|event| serde_json::from_str::<Json>(event).unwrap()["detail"]["eventName"].as_str().unwrap().to_owned())
        .collect();
    for name in ["CreateSecret", "PutSecretValue", "UpdateSecret", "RotationStarted", "RotationFailed"] {
        assert!(names.iter().any(|there| there == name), "{name}: {names:?}");
    }
    let failed: Json = told
        .iter()
        .map(|event| serde_json::from_str::<Json>(event).unwrap())
        .find(|event| event["detail"]["eventName"] == "RotationFailed")
        .unwrap();
    assert_eq!(
        (&failed["detail-type"], &failed["detail"]["eventType"]),
        (&json!("AWS Service Event via CloudTrail"), &json!("AwsServiceEvent"))
    );
    assert!(failed["detail"]["additionalEventData"]["SecretId"].as_str().unwrap().contains(":secret:s-"));
    let from = cloud.kernel.database().read();
    let mut trail = String::new();
    for record in cloud.kernel.trail().latest(1000) {
        let Some(service) = cloud.kernel.service(record.service) else { continue };
        trail.push_str(&record.cloudtrail(&**service, &from).to_string());
        trail.push_str(&serde_json::to_string(&record).unwrap());
    }
    assert!(trail.contains("HIDDEN_DUE_TO_SECURITY_REASONS"));
    for (place, text) in [("trail", &trail), ("events", &told.concat()), ("errors", &messages)] {
        assert!(!text.contains(CANARY) && !text.contains(&bytes), "the {place} tells it");
    }
}
