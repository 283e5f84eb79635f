//! Logs of executions: levels, data, destinations.

use serde_json::json;

use super::*;

const GROUP: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

fn to_group(level: &str, data: bool) -> Json {
    let all = if data { json!(["ALL"]) } else { Json::Null };
    merged(
        json!({"Level": level, "CloudwatchLogsLogDestination": {"LogGroupArn": GROUP}}),
        &json!({"IncludeExecutionData": all}),
    )
}

impl Setup {
    async fn logged(&self) -> Vec<Json> {
        let input = json!({"logGroupName": "g", "logStreamName": "p", "startFromHead": true});
        let answer = self.client.call("logs", "GetLogEvents", input).await;
        if answer.status >= 300 {
            return Vec::new();
        }
        answer.json["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| parsed(event["message"].as_str().unwrap()))
            .collect()
    }

    /// The steps that are logged, once the last of them is.
    async fn steps(&self, last: &str) -> Vec<String> {
        eventually(last, async || self.logged().await.iter().any(|record| record["messageType"] == last)).await;
        self.logged().await.iter().map(|record| record["messageType"].as_str().unwrap().to_owned()).collect()
    }
}

async fn logging(more: Json) -> Setup {
    let setup = setup().await;
    setup.client.call("logs", "CreateLogGroup", json!({"logGroupName": "g"})).await.ok();
    setup.running(more).await;
    setup
}

#[tokio::test]
async fn each_step_is_told_as_far_as_the_level_says() {
    let setup = logging(json!({"LogConfiguration": to_group("TRACE", true), "Enrichment": FUNCTION,
        "EnrichmentParameters": {"InputTemplate": "<$.body>"}, "TargetParameters": {"InputTemplate": "<$.n>"}}))
    .await;
    setup.functions.work(|_| Ok(json!([{"n": 1}])));
    setup.send("x").await;
    assert_eq!(setup.come(1).await, ["1"]);
    let steps = setup.steps("EXECUTION_SUCCEEDED").await;
    let enrichment = [
        "STAGE_ENTERED",
        "TRANSFORMATION_STARTED",
        "TRANSFORMATION_SUCCEEDED",
        "INVOCATION_STARTED",
        "INVOCATION_SUCCEEDED",
        "STAGE_EXITED",
    ];
    let mut wanted = vec!["EXECUTION_STARTED".to_owned()];
    wanted.extend(
        ["ENRICHMENT", "TARGET"].iter().flat_map(|stage| enrichment.iter().map(move |step| format!("{stage}_{step}"))),
    );
    wanted.push("EXECUTION_SUCCEEDED".to_owned());
    assert_eq!(steps, wanted);
    let logged = setup.logged().await;
    let first = &logged[0];
    assert_eq!(
        (&first["resourceArn"], &first["logLevel"]),
        (&json!("arn:aws:pipes:us-east-1:000000000000:pipe/p"), &json!("TRACE"))
    );
    assert!(first["timestamp"].is_i64() && first["executionId"].as_str().unwrap().len() == 36);
    assert_eq!(parsed(first["payload"].as_str().unwrap())[0]["body"], "x");
    let invoked = logged.iter().find(|record| record["messageType"] == "TARGET_INVOCATION_SUCCEEDED").unwrap();
    assert_eq!(parsed(invoked["awsRequest"].as_str().unwrap())["Entries"][0]["MessageBody"], "1");
    assert!(invoked["awsResponse"].as_str().unwrap().contains("Successful"));

    let update = async |level: &str| {
        let configuration = to_group(level, false);
        ok(&setup.client, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE, "LogConfiguration": configuration})).await;
        setup.settled("p", "RUNNING").await["LogConfiguration"].clone()
    };
    assert_eq!(update("INFO").await, json!({"Level": "INFO", "CloudwatchLogsLogDestination": {"LogGroupArn": GROUP}}));
    let before = logged.len();
    setup.send("y").await;
    setup.come(1).await;
    eventually("more is logged", async || setup.logged().await.len() >= before + 6).await;
    let more: Vec<Json> = setup.logged().await.split_off(before);
    let steps: Vec<&str> = more.iter().map(|record| record["messageType"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "EXECUTION_STARTED",
            "ENRICHMENT_STAGE_ENTERED",
            "ENRICHMENT_STAGE_EXITED",
            "TARGET_STAGE_ENTERED",
            "TARGET_STAGE_EXITED",
            "EXECUTION_SUCCEEDED"
        ]
    );
    assert!(more.iter().all(|record| record.get("payload").is_none()));
    update("ERROR").await;
    let before = setup.logged().await.len();
    setup.send("z").await;
    setup.come(1).await;
    setup.functions.work(|_| Err(json!({"errorMessage": "no"})));
    setup.send("bad").await;
    eventually("a failure is logged", async || setup.logged().await.len() >= before + 2).await;
    let more: Vec<Json> = setup.logged().await.split_off(before);
    assert_eq!(
        (&more[0]["messageType"], &more[1]["messageType"]),
        (&json!("ENRICHMENT_INVOCATION_FAILED"), &json!("EXECUTION_FAILED"))
    );
    let error = &more[0]["error"];
    assert_eq!((&error["awsService"], &error["details"]), (&json!("lambda"), &json!("FunctionError")));
    assert!(error["message"].as_str().unwrap().contains("errorMessage"));
    // Switched off, nothing more is told.
    ok(&setup.client, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE, "LogConfiguration": {"Level": "OFF"}})).await;
    setup.settled("p", "RUNNING").await;
    setup.functions.work(|_| Ok(json!([{"n": 1}])));
    let before = setup.logged().await.len();
    setup.send("w").await;
    setup.come(1).await;
    assert_eq!(setup.logged().await.len(), before);
}

#[tokio::test]
async fn what_fails_and_what_is_skipped_is_told() {
    let setup =
        logging(json!({"LogConfiguration": to_group("TRACE", true), "Target": FUNCTION, "Enrichment": FUNCTION})).await;
    let mut calls = 0;
    setup.functions.work(move |events| {
        calls += 1;
        match calls {
            1 => Ok(json!([])),
            2 => Err(json!("throttled")),
            // The enrichment, then the target.
            3 => Ok(events.clone()),
            4 => Ok(json!({"batchItemFailures": [{"itemIdentifier": events[0]["messageId"]}]})),
            _ => Ok(events.clone()),
        }
    });
    setup.send("x").await;
    let steps = setup.steps("EXECUTION_SUCCEEDED").await;
    assert!(steps.contains(&"TARGET_INVOCATION_SKIPPED".to_owned()), "{steps:?}");
    setup.send("y").await;
    setup.steps("EXECUTION_THROTTLED").await;
    setup.steps("TARGET_INVOCATION_PARTIALLY_FAILED").await;
    setup.steps("EXECUTION_FAILED").await;
    let template = json!({"Name": "p", "RoleArn": ROLE, "Enrichment": "", "TargetParameters": {"InputTemplate": r#"{"n" <$.body>}"#}});
    setup.emptied(&setup.from).await;
    ok(&setup.client, "UpdatePipe", template).await;
    setup.settled("p", "RUNNING").await;
    setup.send(&"x".repeat(70_000)).await;
    setup.steps("TARGET_TRANSFORMATION_FAILED").await;
    let logged = setup.logged().await;
    let failed = logged.iter().find(|record| record["messageType"] == "TARGET_TRANSFORMATION_FAILED").unwrap();
    assert_eq!((&failed["truncatedFields"], failed["payload"].as_str().unwrap().len()), (&json!(["payload"]), 65_536));
    assert_eq!(failed["error"]["message"], "The input template does not make valid JSON.");
}

#[tokio::test]
async fn logs_go_to_buckets() {
    let setup = setup().await;
    setup.client.call("s3", "CreateBucket", json!({"Bucket": "logs-of-pipes"})).await.ok();
    let to =
        json!({"BucketName": "logs-of-pipes", "BucketOwner": "000000000000", "Prefix": "in/", "OutputFormat": "json"});
    setup.running(json!({"LogConfiguration": {"Level": "INFO", "S3LogDestination": to}})).await;
    let shown = ok(&setup.client, "DescribePipe", json!({"Name": "p"})).await;
    assert_eq!(shown["LogConfiguration"]["S3LogDestination"], to);
    setup.send("x").await;
    setup.come(1).await;
    let keys = async || {
        let found = setup
            .client
            .call(
                "s3",
                "ListObjectsV2",
                json!({"Bucket": "logs-of-pipes", "Prefix": "in/AWSLogs/000000000000/pipes/us-east-1/p/"}),
            )
            .await
            .ok();
        found["Contents"].as_array().cloned().unwrap_or_default()
    };
    eventually("a log is stored", async || !keys().await.is_empty()).await;
    let key = keys().await[0]["Key"].clone();
    let log = setup.client.call("s3", "GetObject", json!({"Bucket": "logs-of-pipes", "Key": key})).await;
    let lines: Vec<Json> = std::str::from_utf8(&log.body).unwrap().lines().map(parsed).collect();
    assert_eq!((lines.len(), &lines[0]["messageType"]), (4, &json!("EXECUTION_STARTED")));
    let refuse = async |configuration: Json| {
        refused(&setup.client, "CreatePipe", pipe(&json!({"Name": "q", "LogConfiguration": configuration}))).await
    };
    let elsewhere =
        json!({"Level": "INFO", "S3LogDestination": merged(to.clone(), &json!({"BucketOwner": "111111111111"}))});
    assert_eq!(refuse(elsewhere).await.0, "ValidationException");
    let plain = json!({"Level": "INFO", "S3LogDestination": merged(to, &json!({"OutputFormat": "plain"}))});
    assert_eq!(refuse(plain).await.0, "ValidationException");
    assert_eq!(refuse(to_group("INFO", false)).await.0, "ValidationException");
    let gone = json!({"Level": "INFO", "FirehoseLogDestination": {"DeliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/gone"}});
    assert_eq!(refuse(gone).await.0, "ValidationException");
}

#[tokio::test]
async fn logs_go_to_delivery_streams() {
    let setup = setup().await;
    let to = json!({"DeliveryStreamArn": delivery(&setup).await});
    setup.running(json!({"LogConfiguration": {"Level": "INFO", "FirehoseLogDestination": to}})).await;
    let shown = ok(&setup.client, "DescribePipe", json!({"Name": "p"})).await;
    assert_eq!(shown["LogConfiguration"]["FirehoseLogDestination"], to);
    setup.send("x").await;
    setup.come(1).await;
    setup.emptied(&setup.from).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lines: Vec<Json> = delivered(&setup).await.lines().map(parsed).collect();
    assert_eq!((lines.len(), &lines[3]["messageType"]), (4, &json!("EXECUTION_SUCCEEDED")));
}
