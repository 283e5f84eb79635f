//! Distributed maps: their items are executions of their own.

use undercast_s3::S3;

use super::*;

async fn cloud() -> (Cloud, Client) {
    let mut all = services();
    all.push(Arc::new(S3::default()));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    role(&client, "states", &["*"]).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "items"})).await.ok();
    (cloud, client)
}

async fn put(client: &Client, key: &str, body: &str) {
    let body = Some(body.to_owned().into_bytes().into());
    client.call_with_body("s3", "PutObject", json!({"Bucket": "items", "Key": key}), body).await.ok();
}

/// A distributed map that does this with each item.
fn mapping(processor: Json, more: &Json) -> Json {
    let mut processor = processor;
    processor["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    let mut state = json!({"Type": "Map", "Label": "each", "ItemProcessor": processor, "End": true});
    for (name, value) in more.as_object().unwrap() {
        state[name] = value.clone();
    }
    json!({"StartAt": "Each", "States": {"Each": state}})
}

fn passing() -> Json {
    json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})
}

/// Fails for items whose `n` is 2.
fn choosing() -> Json {
    json!({"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "F"}], "Default": "S"},
        "F": {"Type": "Fail", "Error": "Two", "Cause": "is bad"}, "S": {"Type": "Succeed"}}})
}

async fn the_run(client: &Client, arn: &str) -> Json {
    let listed = ok(client, "ListMapRuns", json!({"executionArn": arn})).await;
    assert_eq!(listed["mapRuns"].as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(listed["mapRuns"][0]["executionArn"], arn);
    ok(client, "DescribeMapRun", json!({"mapRunArn": listed["mapRuns"][0]["mapRunArn"]})).await
}

#[tokio::test]
async fn each_item_is_an_execution_of_its_own() {
    let (_cloud, client) = cloud().await;
    let selector = json!({"ItemSelector": {"index.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value", "all.$": "$.name"}, "ItemsPath": "$.items", "MaxConcurrency": 2});
    machine(&client, &mapping(passing(), &selector)).await;
    let arn = start(&client, &json!({"name": "x", "items": ["a", "b", "c"]})).await;
    let expected: Vec<Json> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(index, value)| json!({"index": index, "value": value, "all": "x"}))
        .collect();
    assert_eq!(output(&ended(&client, &arn).await), json!(expected));
    let kinds = [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types(&client, &arn).await, kinds);
    let run = the_run(&client, &arn).await;
    let run_arn = run["mapRunArn"].as_str().unwrap();
    assert!(run_arn.starts_with("arn:aws:states:us-east-1:000000000000:mapRun:m/each:"), "{run_arn}");
    assert_eq!((&run["status"], &run["maxConcurrency"]), (&json!("SUCCEEDED"), &json!(2)));
    assert_eq!(
        (&run["executionCounts"]["succeeded"], &run["itemCounts"]["total"], &run["itemCounts"]["pending"]),
        (&json!(3), &json!(3), &json!(0))
    );
    let children = ok(&client, "ListExecutions", json!({"mapRunArn": run_arn})).await;
    let child = &children["executions"][0];
    assert_eq!(
        (children["executions"].as_array().unwrap().len(), &child["itemCount"], &child["mapRunArn"]),
        (3, &json!(1), &json!(run_arn))
    );
    let of = ok(&client, "DescribeExecution", json!({"executionArn": child["executionArn"]})).await;
    assert_eq!((&of["stateMachineArn"], &of["mapRunArn"]), (&json!(format!("{MACHINE}/each")), &json!(run_arn)));
    let of = ok(&client, "DescribeStateMachineForExecution", json!({"executionArn": child["executionArn"]})).await;
    assert_eq!((&of["label"], &of["mapRunArn"]), (&json!("each"), &json!(run_arn)));
    // The machine's own executions are others.
    assert_eq!(
        ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE})).await["executions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn items_are_read_from_objects_and_batched_and_results_are_written() {
    let (_cloud, client) = cloud().await;
    put(&client, "rows.csv", "id,name\n1,a\n2,b\n3,c\n").await;
    let reader = json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "items", "Key.$": "$.key"}},
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"common.$": "$.key"}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "items", "Prefix": "out"}}});
    machine(&client, &mapping(passing(), &reader)).await;
    let arn = start(&client, &json!({"key": "rows.csv"})).await;
    let out = output(&ended(&client, &arn).await);
    let key = out["ResultWriterDetails"]["Key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("out/") && key.ends_with("/manifest.json"), "{out:#}");
    let get = async |key: &str| {
        let answer = client.call("s3", "GetObject", json!({"Bucket": "items", "Key": key})).await;
        serde_json::from_slice::<Json>(&answer.body).unwrap()
    };
    let manifest = get(&key).await;
    assert_eq!((&manifest["MapRunArn"], &manifest["DestinationBucket"]), (&out["MapRunArn"], &json!("items")));
    let results = get(manifest["ResultFiles"]["SUCCEEDED"][0]["Key"].as_str().unwrap()).await;
    let outputs: Vec<Json> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|one| serde_json::from_str(one["Output"].as_str().unwrap()).unwrap())
        .collect();
    let batch = |items: Json| json!({"BatchInput": {"common": "rows.csv"}, "Items": items});
    assert_eq!(
        outputs,
        [batch(json!([{"id": "1", "name": "a"}, {"id": "2", "name": "b"}])), batch(json!([{"id": "3", "name": "c"}]))]
    );
    let run = the_run(&client, &arn).await;
    assert_eq!(
        (&run["executionCounts"]["total"], &run["itemCounts"]["total"], &run["executionCounts"]["resultsWritten"]),
        (&json!(2), &json!(3), &json!(2))
    );
}

#[tokio::test]
async fn objects_of_a_bucket_are_items_and_lines_too() {
    let (_cloud, client) = cloud().await;
    put(&client, "in/a.jsonl", "{\"n\": 1}\n{\"n\": 3}\n").await;
    put(&client, "in/b.jsonl", "{\"n\": 4}\n").await;
    let listing = |config: Json| json!({"ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "ReaderConfig": config, "Parameters": {"Bucket": "items", "Prefix": "in/"}}});
    machine(&client, &mapping(passing(), &listing(json!({})))).await;
    let arn = start(&client, &json!({})).await;
    let listed = output(&ended(&client, &arn).await);
    let keys: Vec<&Json> = listed.as_array().unwrap().iter().map(|item| &item["Key"]).collect();
    assert_eq!(keys, ["in/a.jsonl", "in/b.jsonl"]);
    let flat = listing(json!({"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN", "MaxItems": 2}));
    ok(
        &client,
        "UpdateStateMachine",
        json!({"stateMachineArn": MACHINE, "definition": mapping(passing(), &flat).to_string()}),
    )
    .await;
    let arn = start(&client, &json!({})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!([{"n": 1}, {"n": 3}]));
    put(&client, "bad.json", "{").await;
    let bad = json!({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": "items", "Key": "none.json"}}});
    ok(
        &client,
        "UpdateStateMachine",
        json!({"stateMachineArn": MACHINE, "definition": mapping(passing(), &bad).to_string()}),
    )
    .await;
    let arn = start(&client, &json!({})).await;
    assert_eq!(ended(&client, &arn).await["error"], "States.ItemReaderFailed");
    assert!(types(&client, &arn).await.contains(&"MapRunFailed".to_owned()));
}

#[tokio::test]
async fn a_run_fails_when_more_fail_than_may() {
    let (_cloud, client) = cloud().await;
    machine(&client, &mapping(choosing(), &json!({}))).await;
    let items = json!([{"n": 1}, {"n": 2}, {"n": 3}]);
    let arn = start(&client, &items).await;
    let failed = ended(&client, &arn).await;
    assert_eq!(
        (&failed["status"], &failed["error"]),
        (&json!("FAILED"), &json!("States.ExceedToleratedFailureThreshold"))
    );
    assert_eq!(failed["cause"], "The specified tolerated failure threshold was exceeded");
    assert_eq!(failed["redriveStatus"], "NOT_REDRIVABLE");
    assert_eq!(the_run(&client, &arn).await["status"], "FAILED");
    for tolerance in [json!({"ToleratedFailureCount": 1}), json!({"ToleratedFailurePercentage": 34})] {
        ok(
            &client,
            "UpdateStateMachine",
            json!({"stateMachineArn": MACHINE, "definition": mapping(choosing(), &tolerance).to_string()}),
        )
        .await;
        let arn = start(&client, &items).await;
        assert_eq!(output(&ended(&client, &arn).await), json!([{"n": 1}, {"n": 3}]));
        let run = the_run(&client, &arn).await;
        assert_eq!((&run["itemCounts"]["failed"], &run["itemCounts"]["succeeded"]), (&json!(1), &json!(2)));
    }
}

#[tokio::test]
async fn who_stops_the_execution_stops_its_run_and_a_run_can_be_widened() {
    let (_cloud, client) = cloud().await;
    let waiting = json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1000, "End": true}}});
    machine(&client, &mapping(waiting, &json!({"MaxConcurrency": 1}))).await;
    let arn = start(&client, &json!([1, 2, 3])).await;
    until(&client, &arn, "MapRunStarted").await;
    let running = async |wanted: i64| {
        for _ in 0..1000 {
            let listed = ok(&client, "ListMapRuns", json!({"executionArn": arn})).await;
            if let Some(run) = listed["mapRuns"].get(0) {
                let run = ok(&client, "DescribeMapRun", json!({"mapRunArn": run["mapRunArn"]})).await;
                if run["executionCounts"]["running"] == wanted {
                    return run;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {wanted}");
    };
    let run = running(1).await;
    assert_eq!((&run["status"], &run["executionCounts"]["pending"]), (&json!("RUNNING"), &json!(2)));
    let change = json!({"mapRunArn": run["mapRunArn"], "maxConcurrency": 2, "toleratedFailureCount": 5, "toleratedFailurePercentage": 50.0});
    ok(&client, "UpdateMapRun", change.clone()).await;
    let run = running(2).await;
    assert_eq!((&run["toleratedFailureCount"], &run["toleratedFailurePercentage"]), (&json!(5), &json!(50.0)));
    ok(&client, "StopExecution", json!({"executionArn": arn})).await;
    let run = running(0).await;
    assert_eq!((&run["status"], &run["executionCounts"]["aborted"]), (&json!("ABORTED"), &json!(2)));
    assert_eq!(refused(&client, "UpdateMapRun", change).await.0, "ValidationException");
}
