//! Event sources: from a stream to a function.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Cloud};

use crate::setup::{allow, cloud, create, eventually, logs, python};

crate::tests!(
    changes_reach_a_function_in_their_order,
    a_bad_record_is_cut_out_and_given_up,
    what_is_reported_to_have_failed_comes_again,
    records_that_are_too_old_are_given_up,
    a_function_sees_what_its_filters_want,
    a_queue_is_rid_of_what_no_filter_wants,
    a_window_is_summed_up,
    batches_of_a_shard_side_by_side_keep_the_order_of_keys,
    a_mapping_of_a_stream_says_what_it_cannot_be,
    a_template_makes_a_mapping_of_a_stream,
    records_of_kinesis_reach_a_function_through_a_split,
);

const RIGHTS: &[&str] = &[
    "logs:*",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:DescribeStream",
    "dynamodb:ListStreams",
    "kinesis:*",
    "sqs:*",
    "s3:*",
    "sns:*",
];

const SHOW: &str = "import json\ndef handler(event, context):\n    print('EVENT', json.dumps(event))\n";

/// A table with a stream; the stream's ARN.
async fn table(client: &Client) -> String {
    let input = json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}});
    let made = client.call("dynamodb", "CreateTable", input).await.ok();
    made["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned()
}

async fn put(client: &Client, id: &str, n: usize) {
    let item = json!({"id": {"S": id}, "n": {"N": n.to_string()}});
    client.call("dynamodb", "PutItem", json!({"TableName": "tab", "Item": item})).await.ok();
}

/// A cloud with a table, and a function that takes from its stream.
async fn mapped(code: &str, more: Json) -> (Cloud, Client, Json) {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let stream = table(&client).await;
    create(&client, python("f", code)).await;
    let mapping = map(&client, &stream, more).await;
    (cloud, client, mapping)
}

async fn map(client: &Client, stream: &str, more: Json) -> Json {
    let mut input = json!({"EventSourceArn": stream, "FunctionName": "f", "StartingPosition": "TRIM_HORIZON"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("lambda", "CreateEventSourceMapping", input).await.ok()
}

/// The events that the function saw, once they have so many records.
async fn events(client: &Client, records: usize) -> Vec<Json> {
    let count = |events: &[Json]| events.iter().map(|e| e["Records"].as_array().unwrap().len()).sum::<usize>();
    for _ in 0..400 {
        let answer = client.call("logs", "FilterLogEvents", json!({"logGroupName": "/aws/lambda/f"})).await;
        let lines = answer.json["events"].as_array().cloned().unwrap_or_default();
        let shown = lines.iter().filter_map(|l| l["message"].as_str()?.strip_prefix("EVENT "));
        let events: Vec<Json> = shown.map(|text| serde_json::from_str(text).unwrap()).collect();
        if count(&events) >= records {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {records} records within 20 s");
}

fn numbers(events: &[Json]) -> Vec<u32> {
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    records.map(|r| r["dynamodb"]["NewImage"]["n"]["N"].as_str().unwrap().parse().unwrap()).collect()
}

async fn changes_reach_a_function_in_their_order() {
    let (_cloud, client, made) = mapped(SHOW, json!({"BatchSize": 3, "MaximumBatchingWindowInSeconds": 1})).await;
    assert_eq!((&made["State"], &made["LastProcessingResult"]), (&json!("Creating"), &json!("No records processed")));
    assert_eq!((&made["StartingPosition"], &made["MaximumRetryAttempts"]), (&json!("TRIM_HORIZON"), &json!(-1)));
    for n in 0..7 {
        put(&client, &format!("k{n}"), n).await;
    }
    let seen = events(&client, 7).await;
    assert_eq!(numbers(&seen), (0..7).collect::<Vec<u32>>());
    assert!(seen.iter().all(|e| e["Records"].as_array().unwrap().len() <= 3) && seen.len() >= 3, "{}", seen.len());
    let record = &seen[0]["Records"][0];
    assert_eq!((&record["eventName"], &record["eventSource"]), (&json!("INSERT"), &json!("aws:dynamodb")));
    assert_eq!((&record["eventSourceARN"], &record["awsRegion"]), (&made["EventSourceArn"], &json!("us-east-1")));
    assert_eq!(record["dynamodb"]["Keys"], json!({"id": {"S": "k0"}}));
    assert!(record["dynamodb"]["ApproximateCreationDateTime"].is_number(), "{record}");
    eventually("it says that all is well", || async {
        let mapping = client.call("lambda", "GetEventSourceMapping", json!({"UUID": made["UUID"]})).await.ok();
        (&mapping["State"], &mapping["LastProcessingResult"]) == (&json!("Enabled"), &json!("OK"))
    })
    .await;
    // What comes while it is off waits, and nothing comes twice.
    let set = async |enabled: bool| {
        let input = json!({"UUID": made["UUID"], "Enabled": enabled});
        client.call("lambda", "UpdateEventSourceMapping", input).await.ok();
    };
    set(false).await;
    put(&client, "later", 7).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(numbers(&events(&client, 7).await).len(), 7);
    set(true).await;
    assert_eq!(numbers(&events(&client, 8).await), (0..8).collect::<Vec<u32>>());
    // Who begins with the latest sees nothing of that.
    create(&client, python("g", SHOW)).await;
    let input = json!({"EventSourceArn": made["EventSourceArn"], "FunctionName": "g", "StartingPosition": "LATEST"});
    client.call("lambda", "CreateEventSourceMapping", input).await.ok();
    put(&client, "last", 8).await;
    let lines = logs(&client, "g", "EVENT").await;
    let first = lines.iter().find_map(|l| l.strip_prefix("EVENT ")).unwrap();
    assert_eq!(numbers(&[serde_json::from_str(first).unwrap()]), [8]);
}

/// Fails with whatever has the key `bad` in it.
const PICKY: &str = r"
import json
def handler(event, context):
    print('EVENT', json.dumps(event))
    if any(r['dynamodb']['Keys']['id']['S'] == 'bad' for r in event['Records']):
        raise Exception('bad')
    print('GOOD', [r['dynamodb']['Keys']['id']['S'] for r in event['Records']])
";

async fn queue(client: &Client, name: &str) -> (String, String) {
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.ok();
    (made["QueueUrl"].as_str().unwrap().to_owned(), format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
}

async fn message(client: &Client, url: &str) -> Json {
    for _ in 0..20 {
        let input = json!({"QueueUrl": url, "WaitTimeSeconds": 1});
        let answer = client.call("sqs", "ReceiveMessage", input).await.ok();
        if let Some(body) = answer["Messages"][0]["Body"].as_str() {
            return serde_json::from_str(body).unwrap();
        }
    }
    panic!("no message");
}

async fn a_bad_record_is_cut_out_and_given_up() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let stream = table(&client).await;
    let (url, arn) = queue(&client, "dead").await;
    for (n, id) in ["a", "b", "bad", "c", "d"].iter().enumerate() {
        put(&client, id, n).await;
    }
    create(&client, python("f", PICKY)).await;
    let more = json!({"BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 1,
                      "DestinationConfig": {"OnFailure": {"Destination": arn}}});
    let made = map(&client, &stream, more.clone()).await;
    assert_eq!(made["DestinationConfig"], more["DestinationConfig"]);
    let told = message(&client, &url).await;
    let context = &told["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&json!("RetryAttemptsExhausted"), &json!(2))
    );
    let batch = &told["DDBStreamBatchInfo"];
    assert_eq!((&batch["batchSize"], &batch["streamArn"]), (&json!(1), &json!(stream)));
    assert_eq!(batch["startSequenceNumber"], batch["endSequenceNumber"]);
    assert!(told.get("payload").is_none() && told["responseContext"]["functionError"] == "Unhandled", "{told}");
    let lines = logs(&client, "f", "'d'").await;
    let good: String = lines.iter().filter(|l| l.starts_with("GOOD")).cloned().collect();
    assert!(["'a'", "'b'", "'c'", "'d'"].iter().all(|id| good.matches(id).count() == 1), "{good}");
    let result = client.call("lambda", "GetEventSourceMapping", json!({"UUID": made["UUID"]})).await.ok();
    assert_eq!(result["LastProcessingResult"], "OK");
    // A bucket is told with the records, a topic without.
    client.call("s3", "CreateBucket", json!({"Bucket": "dead"})).await.ok();
    let topic = client.call("sns", "CreateTopic", json!({"Name": "dead"})).await.ok()["TopicArn"].clone();
    let endpoint =
        json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": {"RawMessageDelivery": "true"}});
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]});
    let attributes = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", attributes).await.ok();
    client.call("sns", "Subscribe", endpoint).await.ok();
    for (destination, name) in [(json!("arn:aws:s3:::dead"), "s3"), (topic, "sns")] {
        let input = json!({"UUID": made["UUID"], "MaximumRetryAttempts": 0,
                           "DestinationConfig": {"OnFailure": {"Destination": destination}}});
        client.call("lambda", "UpdateEventSourceMapping", input).await.ok();
        client.call("dynamodb", "DeleteItem", json!({"TableName": "tab", "Key": {"id": {"S": "bad"}}})).await.ok();
        put(&client, "bad", 9).await;
        if name == "sns" {
            assert_eq!(message(&client, &url).await["requestContext"]["approximateInvokeCount"], 1);
            continue;
        }
        let listed = || client.call("s3", "ListObjectsV2", json!({"Bucket": "dead"}));
        eventually("it is in the bucket", || async { listed().await.ok()["KeyCount"].as_i64() > Some(0) }).await;
        let key = listed().await.ok()["Contents"][0]["Key"].as_str().unwrap().to_owned();
        assert!(key.starts_with(&format!("aws/lambda/{}/shardId-", made["UUID"].as_str().unwrap())), "{key}");
        let kept = client.call("s3", "GetObject", json!({"Bucket": "dead", "Key": key})).await;
        let kept: Json = serde_json::from_slice(&kept.body).unwrap();
        let payload: Json = serde_json::from_str(kept["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["Records"][0]["dynamodb"]["Keys"]["id"]["S"], "bad");
    }
}

async fn what_is_reported_to_have_failed_comes_again() {
    let code = r"
import json
seen = []
def handler(event, context):
    print('EVENT', json.dumps(event))
    for r in event['Records']:
        n = r['dynamodb']['NewImage']['n']['N']
        if n == '2' and seen.count('2') < 2:
            seen.append(n)
            return {'batchItemFailures': [{'itemIdentifier': r['dynamodb']['SequenceNumber']}]}
";
    let more = json!({"FunctionResponseTypes": ["ReportBatchItemFailures"], "MaximumBatchingWindowInSeconds": 1});
    let (_cloud, client, _) = mapped(code, more).await;
    for n in 0..4 {
        put(&client, &format!("k{n}"), n).await;
    }
    // All four, or fewer at first; then twice what failed, with all that comes behind it.
    let seen = events(&client, 8).await;
    let all = numbers(&seen);
    assert_eq!([0, 1, 2, 3].map(|n| all.iter().filter(|m| **m == n).count()), [1, 1, 3, 3], "{all:?}");
}

async fn records_that_are_too_old_are_given_up() {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let stream = table(&client).await;
    let (url, arn) = queue(&client, "dead").await;
    create(&client, python("f", SHOW)).await;
    put(&client, "old", 1).await;
    cloud.kernel.advance(Duration::from_secs(100)).await.unwrap();
    put(&client, "new", 2).await;
    let more = json!({"MaximumRecordAgeInSeconds": 60, "BatchSize": 1, "DestinationConfig": {"OnFailure": {"Destination": arn}}});
    map(&client, &stream, more).await;
    let told = message(&client, &url).await;
    assert_eq!(told["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(told["responseContext"], Json::Null, "the function never saw it");
    assert_eq!(numbers(&events(&client, 1).await), [2]);
}

async fn a_function_sees_what_its_filters_want() {
    let pattern =
        json!({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"prefix": "1"}]}}}}).to_string();
    let more = json!({"FilterCriteria": {"Filters": [{"Pattern": pattern}]}});
    let (_cloud, client, made) = mapped(SHOW, more.clone()).await;
    assert_eq!(made["FilterCriteria"], more["FilterCriteria"]);
    for n in 0..20 {
        put(&client, &format!("k{n}"), n).await;
    }
    put(&client, "k3", 1000).await;
    put(&client, "end", 199).await;
    let seen = numbers(&events(&client, 12).await);
    assert_eq!(seen, [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 199]);
}

async fn a_queue_is_rid_of_what_no_filter_wants() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (url, arn) = queue(&client, "q").await;
    create(
        &client,
        python("f", "def handler(event, context):\n    print('GOT', [r['body'] for r in event['Records']])\n"),
    )
    .await;
    let pattern = json!({"body": {"kind": ["good"]}}).to_string();
    let input =
        json!({"EventSourceArn": arn, "FunctionName": "f", "FilterCriteria": {"Filters": [{"Pattern": pattern}]}});
    client.call("lambda", "CreateEventSourceMapping", input).await.ok();
    for body in [r#"{"kind": "bad"}"#, "no JSON", r#"{"kind": "good"}"#] {
        client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body})).await.ok();
    }
    let lines = logs(&client, "f", "good").await;
    assert!(!lines.iter().any(|l| l.contains("bad") || l.contains("no JSON")), "{lines:?}");
    let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    eventually("the queue is empty", || async {
        let all = client.call("sqs", "GetQueueAttributes", input.clone()).await.ok()["Attributes"].clone();
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"].iter().all(|name| all[*name] == "0")
    })
    .await;
}

async fn a_window_is_summed_up() {
    let code = r"
import json
def handler(event, context):
    print('EVENT', json.dumps(event))
    state = event['state']
    for r in event['Records']:
        state['sum'] = state.get('sum', 0) + int(r['dynamodb']['NewImage']['n']['N'])
    if event['isFinalInvokeForWindow']:
        print('SUM', json.dumps(state))
    return {'state': state}
";
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let stream = table(&client).await;
    create(&client, python("f", code)).await;
    // At the beginning of a window, lest it ends between the puts.
    let now = cloud.kernel.clock().now().as_millisecond();
    let left = u64::try_from(300_000 - now.rem_euclid(300_000)).unwrap();
    cloud.kernel.advance(Duration::from_millis(left)).await.unwrap();
    map(&client, &stream, json!({"TumblingWindowInSeconds": 300, "BatchSize": 2})).await;
    for n in 1..=4 {
        put(&client, &format!("k{n}"), n).await;
    }
    let seen = events(&client, 4).await;
    let first = &seen[0];
    assert_eq!((&first["state"], &first["isFinalInvokeForWindow"]), (&json!({}), &json!(false)));
    assert_eq!((&first["isWindowTerminatedEarly"], &first["eventSourceARN"]), (&json!(false), &json!(stream)));
    assert!(
        first["shardId"].as_str().unwrap().starts_with("shardId-") && first["window"]["start"].is_string(),
        "{first}"
    );
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    let lines = logs(&client, "f", "SUM").await;
    assert!(lines.iter().any(|l| l.trim_end() == r#"SUM {"sum": 10}"#), "{lines:?}");
    put(&client, "k5", 5).await;
    let last = events(&client, 5).await.pop().unwrap();
    assert_eq!(last["state"], json!({}), "a new window begins with nothing");
}

async fn batches_of_a_shard_side_by_side_keep_the_order_of_keys() {
    let more = json!({"ParallelizationFactor": 4, "BatchSize": 5});
    let (_cloud, client, made) = mapped(SHOW, more).await;
    assert_eq!(made["ParallelizationFactor"], 4);
    for n in 0..40 {
        put(&client, &format!("k{}", n % 8), n).await;
    }
    let seen = events(&client, 40).await;
    for key in 0..8 {
        let records = seen.iter().flat_map(|e| e["Records"].as_array().unwrap());
        let own = records.filter(|r| r["dynamodb"]["Keys"]["id"]["S"] == format!("k{key}"));
        let own: Vec<u32> =
            own.map(|r| r["dynamodb"]["NewImage"]["n"]["N"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(own, (0..5).map(|n| key + n * 8).collect::<Vec<u32>>());
    }
}

async fn a_mapping_of_a_stream_says_what_it_cannot_be() {
    let (_cloud, client) = cloud().await;
    let stream = table(&client).await;
    create(&client, python("f", SHOW)).await;
    let good = json!({"EventSourceArn": stream, "FunctionName": "f", "StartingPosition": "LATEST"});
    let refused = client.call("lambda", "CreateEventSourceMapping", good.clone()).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidParameterValueException"));
    assert!(
        refused.json["message"].as_str().unwrap().contains("GetRecords, GetShardIterator, DescribeStream"),
        "{}",
        refused.json
    );
    allow(&client, "function", &["dynamodb:DescribeStream"]).await;
    let refused = client.call("lambda", "CreateEventSourceMapping", good.clone()).await;
    assert!(refused.json["message"].as_str().unwrap().contains("Cannot access stream"), "{}", refused.json);
    allow(&client, "function", RIGHTS).await;
    let (_, queue) = queue(&client, "q").await;
    let gone = stream.replace("table/tab/", "table/gone/");
    for (more, words) in [
        (json!({"StartingPosition": null}), "startingPosition"),
        (json!({"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1}), "Unsupported starting position"),
        (json!({"StartingPositionTimestamp": 1}), "only supported for AT_TIMESTAMP"),
        (json!({"EventSourceArn": gone}), "Stream not found"),
        (json!({"EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/tab"}), "malformed"),
        (json!({"BatchSize": 10_001}), "10000"),
        (json!({"MaximumRecordAgeInSeconds": 59}), "60"),
        (
            json!({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:lambda:us-east-1:000000000000:function:f"}}}),
            "destination",
        ),
        (json!({"DestinationConfig": {"OnSuccess": {"Destination": queue}}}), "OnSuccess"),
        (json!({"ScalingConfig": {"MaximumConcurrency": 2}}), "ScalingConfig"),
        (json!({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}), "Invalid filter pattern definition."),
        (
            json!({"FilterCriteria": {"Filters": vec![json!({"Pattern": "{\"a\": [1]}"}); 6]}}),
            "maximum number of allowed filters",
        ),
        (json!({"EventSourceArn": queue}), "StartingPosition"),
        (
            json!({"EventSourceArn": queue, "StartingPosition": null, "BisectBatchOnFunctionError": true}),
            "BisectBatchOnFunctionError",
        ),
    ] {
        let mut input = good.clone();
        for (name, value) in more.as_object().unwrap() {
            match value {
                Json::Null => drop(input.as_object_mut().unwrap().shift_remove(name)),
                value => input[name] = value.clone(),
            }
        }
        let refused = client.call("lambda", "CreateEventSourceMapping", input).await;
        assert_eq!(refused.status, 400, "{more}: {}", refused.json);
        assert!(refused.json["message"].as_str().unwrap().contains(words), "{more}: {}", refused.json);
    }
    let mut input = good;
    input["TumblingWindowInSeconds"] = json!(10);
    input["ParallelizationFactor"] = json!(2);
    assert_eq!(client.call("lambda", "CreateEventSourceMapping", input).await.status, 501);
    let listed = client.call("lambda", "ListEventSourceMappings", json!({"FunctionName": "f"})).await.ok();
    assert_eq!(listed["EventSourceMappings"], json!([]), "what was refused left nothing");
}

async fn a_template_makes_a_mapping_of_a_stream() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let stream = table(&client).await;
    create(&client, python("f", SHOW)).await;
    let pattern = json!({"eventName": ["REMOVE"]}).to_string();
    let template = |properties: Json| {
        json!({"Resources": {"M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}}}).to_string()
    };
    let properties = json!({"EventSourceArn": stream, "FunctionName": "f", "StartingPosition": "TRIM_HORIZON", "BatchSize": 7,
        "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 3, "MaximumRecordAgeInSeconds": 120,
        "ParallelizationFactor": 2, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}});
    let wait = async |wanted: &str| {
        eventually(wanted, || async {
            let found = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await.ok();
            found["Stacks"][0]["StackStatus"] == wanted
        })
        .await;
        client.call("lambda", "ListEventSourceMappings", json!({"FunctionName": "f"})).await.ok()["EventSourceMappings"]
            [0]
        .clone()
    };
    client
        .call("cloudformation", "CreateStack", json!({"StackName": "s", "TemplateBody": template(properties.clone())}))
        .await
        .ok();
    let made = wait("CREATE_COMPLETE").await;
    for (name, value) in properties.as_object().unwrap().iter().filter(|(name, _)| *name != "FunctionName") {
        assert_eq!(made[name], *value, "{name}");
    }
    // What is no longer said has its default again, in place.
    let less = json!({"EventSourceArn": stream, "FunctionName": "f", "StartingPosition": "TRIM_HORIZON"});
    client.call("cloudformation", "UpdateStack", json!({"StackName": "s", "TemplateBody": template(less)})).await.ok();
    let changed = wait("UPDATE_COMPLETE").await;
    assert_eq!(changed["UUID"], made["UUID"]);
    let settings = [
        "BatchSize",
        "BisectBatchOnFunctionError",
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "ParallelizationFactor",
        "FilterCriteria",
    ];
    let found = settings.map(|name| changed[name].clone());
    assert_eq!(found, [json!(100), json!(false), json!(-1), json!(-1), json!(1), Json::Null]);
}

async fn records_of_kinesis_reach_a_function_through_a_split() {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    let active = async || {
        for _ in 0..50 {
            let shown = client.call("kinesis", "DescribeStreamSummary", json!({"StreamName": "s"})).await.ok();
            if shown["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return shown["StreamDescriptionSummary"]["StreamARN"].as_str().unwrap().to_owned();
            }
            cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
        }
        panic!("the stream does not become active");
    };
    let stream = active().await;
    let put = async |key: &str, n: usize| {
        let data = undercast_kernel::wire::text::base64(json!({"n": n}).to_string().as_bytes());
        client.call("kinesis", "PutRecord", json!({"StreamName": "s", "PartitionKey": key, "Data": data})).await.ok();
    };
    create(&client, python("f", SHOW)).await;
    let pattern = json!({"data": {"n": [{"numeric": ["<", 100]}]}}).to_string();
    let more = json!({"BatchSize": 4, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}});
    map(&client, &stream, more).await;
    for n in 0..6 {
        put(&format!("k{}", n % 2), n).await;
    }
    put("k0", 1000).await;
    let seen = events(&client, 6).await;
    let record = &seen[0]["Records"][0];
    assert_eq!((&record["eventSource"], &record["eventName"]), (&json!("aws:kinesis"), &json!("aws:kinesis:record")));
    assert_eq!((&record["eventSourceARN"], &record["invokeIdentityArn"]), (&json!(stream), &json!(crate::setup::ROLE)));
    assert_eq!(
        (&record["kinesis"]["partitionKey"], &record["kinesis"]["data"]),
        (&json!("k0"), &json!("eyJuIjowfQ=="))
    );
    let id = format!("shardId-000000000000:{}", record["kinesis"]["sequenceNumber"].as_str().unwrap());
    assert_eq!(record["eventID"], json!(id));
    // The children of a shard come behind it.
    let middle = "170141183460469231731687303715884105728";
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle});
    client.call("kinesis", "SplitShard", split).await.ok();
    active().await;
    for n in 6..12 {
        put(&format!("k{}", n % 2), n).await;
    }
    let seen = events(&client, 12).await;
    let records: Vec<&Json> = seen.iter().flat_map(|e| e["Records"].as_array().unwrap()).collect();
    for key in 0..2_usize {
        let own = records.iter().filter(|r| r["kinesis"]["partitionKey"] == format!("k{key}"));
        let own: Vec<usize> = own
            .map(|r| {
                let data = undercast_kernel::wire::text::unbase64(r["kinesis"]["data"].as_str().unwrap()).unwrap();
                usize::try_from(serde_json::from_slice::<Json>(&data).unwrap()["n"].as_u64().unwrap()).unwrap()
            })
            .collect();
        assert_eq!(own, (0..6).map(|n| key + n * 2).collect::<Vec<usize>>());
    }
}
