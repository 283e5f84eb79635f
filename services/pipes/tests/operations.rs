//! Pipes described, changed, listed, tagged; and what cannot be one.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_pipe_is_described_with_what_it_was_made_with() {
    let setup = setup().await;
    let client = &setup.client;
    let given = json!({"Description": "words", "DesiredState": "STOPPED", "Enrichment": FUNCTION, "Tags": {"team": "shop"},
        "SourceParameters": {"FilterCriteria": {"Filters": [{"Pattern": "{\"body\": [\"x\"]}"}]}, "SqsQueueParameters": {"BatchSize": 5, "MaximumBatchingWindowInSeconds": 1}},
        "EnrichmentParameters": {"InputTemplate": "<$.body>"}, "TargetParameters": {"InputTemplate": "<$.x>", "SqsQueueParameters": {"MessageGroupId": "g"}}});
    ok(client, "CreatePipe", pipe(&given)).await;
    let shown = setup.settled("p", "STOPPED").await;
    for member in [
        "Description",
        "DesiredState",
        "Enrichment",
        "Tags",
        "SourceParameters",
        "EnrichmentParameters",
        "TargetParameters",
    ] {
        assert_eq!(shown[member], given[member], "{member}");
    }
    assert_eq!(
        (&shown["Source"], &shown["Target"], &shown["RoleArn"]),
        (&json!(arn("from")), &json!(arn("to")), &json!(ROLE))
    );
    // What belongs to one service is changed as a whole; the rest stays where it is not said.
    let update = json!({"Name": "p", "RoleArn": ROLE, "Enrichment": "", "SourceParameters": {"SqsQueueParameters": {"BatchSize": 7, "MaximumBatchingWindowInSeconds": 2}},
        "TargetParameters": {"SqsQueueParameters": {}}, "EnrichmentParameters": {"InputTemplate": ""}});
    ok(client, "UpdatePipe", update).await;
    let shown = setup.settled("p", "STOPPED").await;
    assert_eq!((shown.get("Enrichment"), &shown["Description"]), (None, &json!("words")));
    assert_eq!(
        shown["SourceParameters"],
        json!({"FilterCriteria": given["SourceParameters"]["FilterCriteria"], "SqsQueueParameters": {"BatchSize": 7, "MaximumBatchingWindowInSeconds": 2}})
    );
    assert_eq!(shown["TargetParameters"], json!({"InputTemplate": "<$.x>", "SqsQueueParameters": {}}));
    assert_eq!(shown["EnrichmentParameters"], json!({"InputTemplate": ""}));
    assert!(shown["LastModifiedTime"].as_f64() > shown["CreationTime"].as_f64());
    let elsewhere = json!({"Name": "p", "RoleArn": ROLE, "Target": FUNCTION, "TargetParameters": {"LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}}});
    ok(client, "UpdatePipe", elsewhere).await;
    let shown = setup.settled("p", "STOPPED").await;
    assert_eq!(
        shown["TargetParameters"],
        json!({"InputTemplate": "<$.x>", "LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}})
    );
    for operation in ["StartPipe", "StopPipe", "DeletePipe", "DescribePipe"] {
        assert_eq!(refused(client, operation, json!({"Name": "gone"})).await.0, "NotFoundException", "{operation}");
    }
    assert_eq!(refused(client, "UpdatePipe", json!({"Name": "gone", "RoleArn": ROLE})).await.0, "NotFoundException");
}

#[tokio::test]
async fn pipes_are_listed_with_filters_and_pages() {
    let setup = setup().await;
    let client = &setup.client;
    for (name, more) in [
        ("a1", json!({"DesiredState": "STOPPED"})),
        ("a2", json!({"Target": FUNCTION})),
        ("b1", json!({"Source": arn("other")})),
    ] {
        ok(client, "CreatePipe", pipe(&merged(more, &json!({"Name": name})))).await;
    }
    setup.cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    let list = async |input: Json| {
        let found = ok(client, "ListPipes", input).await;
        let names = found["Pipes"].as_array().unwrap().iter().map(|p| p["Name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found["NextToken"].clone())
    };
    assert_eq!(list(json!({})).await.0, ["a1", "a2", "b1"]);
    assert_eq!(list(json!({"NamePrefix": "a"})).await.0, ["a1", "a2"]);
    assert_eq!(list(json!({"DesiredState": "RUNNING"})).await.0, ["a2", "b1"]);
    assert_eq!(list(json!({"CurrentState": "RUNNING"})).await.0, ["a2"]);
    assert_eq!(list(json!({"CurrentState": "CREATE_FAILED"})).await.0, ["b1"]);
    assert_eq!(list(json!({"SourcePrefix": arn("from")})).await.0, ["a1", "a2"]);
    assert_eq!(list(json!({"TargetPrefix": "arn:aws:lambda"})).await.0, ["a2"]);
    let (first, token) = list(json!({"Limit": 2})).await;
    assert_eq!(first, ["a1", "a2"]);
    assert_eq!(list(json!({"Limit": 2, "NextToken": token})).await.0, ["b1"]);
    for wrong in [json!({"NextToken": "x"}), json!({"NextToken": token, "NamePrefix": "a"}), json!({"Limit": 101})] {
        assert_eq!(refused(client, "ListPipes", wrong).await.0, "ValidationException");
    }
    let shown = ok(client, "ListPipes", json!({"NamePrefix": "a2"})).await["Pipes"][0].clone();
    assert_eq!(
        (&shown["Source"], &shown["Target"], &shown["CurrentState"]),
        (&json!(arn("from")), &json!(FUNCTION), &json!("RUNNING"))
    );
}

#[tokio::test]
async fn pipes_have_tags() {
    let setup = setup().await;
    let client = &setup.client;
    let pipe_arn = ok(client, "CreatePipe", pipe(&json!({"Tags": {"a": "1"}}))).await["Arn"].clone();
    ok(client, "TagResource", json!({"resourceArn": pipe_arn, "tags": {"a": "2", "b": "3"}})).await;
    ok(client, "UntagResource", json!({"resourceArn": pipe_arn, "tagKeys": ["a", "x"]})).await;
    let tags = ok(client, "ListTagsForResource", json!({"resourceArn": pipe_arn})).await["tags"].clone();
    assert_eq!(tags, json!({"b": "3"}));
    assert_eq!(setup.settled("p", "RUNNING").await["Tags"], tags);
    for wrong in [json!({"aws:x": "1"}), (0..50).map(|n| (format!("k{n}"), json!("v"))).collect()] {
        assert_eq!(
            refused(client, "TagResource", json!({"resourceArn": pipe_arn, "tags": wrong})).await.0,
            "ValidationException"
        );
    }
    assert_eq!(
        refused(client, "CreatePipe", pipe(&json!({"Name": "q", "Tags": {"aws:x": "1"}}))).await.0,
        "ValidationException"
    );
    let gone = "arn:aws:pipes:us-east-1:000000000000:pipe/gone";
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({"tags": {"a": "b"}})),
        ("UntagResource", json!({"tagKeys": ["a"]})),
    ] {
        let input = merged(json!({"resourceArn": gone}), &more);
        assert_eq!(refused(client, operation, input).await.0, "NotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_pipe_is_refused_and_changes_nothing() {
    let setup = setup().await;
    let client = &setup.client;
    setup.running(json!({})).await;
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let kinesis = |more: Json| json!({"KinesisStreamParameters": merged(json!({"StartingPosition": "LATEST"}), &more)});
    let v = "ValidationException";
    let n = "NotImplemented";
    for (more, code, words) in [
        (json!({"Source": "arn:aws:kafka:us-east-1:000000000000:cluster/c"}), n, "pipes sources of kafka"),
        (json!({"Source": "arn:aws:mq:us-east-1:000000000000:broker:b"}), n, "pipes sources of mq"),
        (json!({"Source": "smk://a.b:9092"}), n, "pipes sources of Kafka"),
        (json!({"Source": "arn:aws:dynamodb:us-east-1:000000000000:table/t"}), v, "is not supported"),
        (json!({"Source": stream}), v, "KinesisStreamParameters must be specified"),
        (json!({"SourceParameters": kinesis(json!({}))}), v, "KinesisStreamParameters is not supported"),
        (
            json!({"Source": stream, "SourceParameters": kinesis(json!({"StartingPosition": "AT_TIMESTAMP"}))}),
            v,
            "StartingPositionTimestamp",
        ),
        (
            json!({"Source": stream, "SourceParameters": kinesis(json!({"BatchSize": 11}))}),
            v,
            "larger than the largest that the target supports: 10",
        ),
        (
            json!({"SourceParameters": {"SqsQueueParameters": {"BatchSize": 11}}, "Target": FUNCTION}),
            v,
            "Maximum batch window",
        ),
        (
            json!({"Source": arn("f.fifo"), "SourceParameters": {"SqsQueueParameters": {"MaximumBatchingWindowInSeconds": 1}}}),
            v,
            "FIFO",
        ),
        (
            json!({"Source": arn("f.fifo"), "Target": FUNCTION, "SourceParameters": {"SqsQueueParameters": {"BatchSize": 11}}}),
            v,
            "FIFO",
        ),
        (json!({"SourceParameters": {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}}), v, "Invalid filter pattern"),
        (
            json!({"Enrichment": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}),
            n,
            "pipes enrichments of states",
        ),
        (
            json!({"Enrichment": "arn:aws:events:us-east-1:000000000000:api-destination/a"}),
            n,
            "pipes enrichments of events",
        ),
        (json!({"Enrichment": FUNCTION, "EnrichmentParameters": {"HttpParameters": {}}}), n, "HttpParameters"),
        (json!({"Target": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}), n, "pipes targets of states"),
        (json!({"Target": "arn:aws:lambda:us-east-1:000000000000:layer:l"}), v, "is not supported"),
        (json!({"Target": "arn:aws:sqs:us-east-1:000000000000:f.fifo"}), v, "MessageGroupId must be specified"),
        (json!({"Target": stream}), v, "KinesisStreamParameters must be specified"),
        (json!({"Target": "arn:aws:logs:us-east-1:000000000000:log-group:g"}), v, "LogStreamName must be specified"),
        (
            json!({"TargetParameters": {"KinesisStreamParameters": {"PartitionKey": "p"}}}),
            v,
            "KinesisStreamParameters is not supported",
        ),
        (
            json!({"TargetParameters": {"EventBridgeEventBusParameters": {"DetailType": "t", "Source": "s", "Resources": ["$.a"], "Time": "$.t"}}}),
            v,
            "is not supported",
        ),
        (
            json!({"TargetParameters": {"StepFunctionStateMachineParameters": {}}}),
            n,
            "StepFunctionStateMachineParameters",
        ),
        (
            json!({"TargetParameters": {"InputTemplate": "<aws.pipes.nothing>"}}),
            v,
            "<aws.pipes.nothing> is not supported",
        ),
        (json!({"LogConfiguration": {"Level": "INFO"}}), v, "A log destination must be specified"),
        (json!({"Name": "a b"}), v, "name"),
    ] {
        let (found, message) = refused(client, "CreatePipe", pipe(&merged(json!({"Name": "q"}), &more))).await;
        assert!(found == code && message.contains(words), "{more}: {found}: {message}");
    }
    assert_eq!(ok(client, "ListPipes", json!({})).await["Pipes"].as_array().unwrap().len(), 1);
    let before = ok(client, "DescribePipe", json!({"Name": "p"})).await;
    for wrong in [
        json!({"TargetParameters": {"InputTemplate": "<aws.pipes.nothing>"}}),
        json!({"SourceParameters": {"SqsQueueParameters": {"BatchSize": 11}}}),
        json!({"Target": stream}),
        json!({"Enrichment": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}),
    ] {
        let input = merged(json!({"Name": "p", "RoleArn": ROLE}), &wrong);
        assert_ne!(refused(client, "UpdatePipe", input).await.0, "", "{wrong}");
    }
    assert_eq!(ok(client, "DescribePipe", json!({"Name": "p"})).await, before);
}
