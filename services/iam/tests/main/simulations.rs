//! The policy simulator: it says what the authoriser would.

use super::*;

fn document(statements: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

async fn custom(client: &Client, input: Json) -> Json {
    client.call("iam", "SimulateCustomPolicy", input).await.ok()["EvaluationResults"].clone()
}

#[tokio::test]
async fn policies_that_are_written_down_are_simulated() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::good/*"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]}"#;
    let found = custom(
        &client,
        json!({"PolicyInputList": [allow], "ActionNames": ["s3:GetObject", "s3:DeleteObject", "sqs:SendMessage"],
        "ResourceArns": ["arn:aws:s3:::good/key"]}),
    )
    .await;
    let decisions: Vec<&Json> = found.as_array().unwrap().iter().map(|one| &one["EvalDecision"]).collect();
    assert_eq!(decisions, ["allowed", "explicitDeny", "implicitDeny"]);
    let second = allow.find(",{").unwrap() + 1;
    let first = json!([{"SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 1, "Column": 38}, "EndPosition": {"Line": 1, "Column": second}}]);
    assert_eq!(found[0]["MatchedStatements"], first, "{found}");
    assert_eq!(found[0]["EvalResourceName"], "arn:aws:s3:::good/key");
    assert_eq!(found[0]["ResourceSpecificResults"][0]["MatchedStatements"], first);
    assert_eq!(found[1]["MatchedStatements"][0]["StartPosition"]["Column"], second);
    assert_eq!(found[2]["MatchedStatements"], json!([]));
    // Of several resources each has its own, and the worst is that of the action.
    let both = json!({"PolicyInputList": [allow], "ActionNames": ["s3:GetObject"],
        "ResourceArns": ["arn:aws:s3:::good/key", "arn:aws:s3:::bad/key"]});
    let found = custom(&client, both).await;
    assert_eq!(found[0]["EvalDecision"], "implicitDeny");
    let each: Vec<&Json> = found[0]["ResourceSpecificResults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["EvalResourceDecision"])
        .collect();
    assert_eq!(each, ["allowed", "implicitDeny"]);
    // Pages.
    let input = json!({"PolicyInputList": [allow], "ActionNames": ["s3:GetObject", "s3:PutObject"], "MaxItems": 1});
    let page = client.call("iam", "SimulateCustomPolicy", input.clone()).await.ok();
    assert_eq!((&page["IsTruncated"], page["EvaluationResults"].as_array().unwrap().len()), (&json!(true), 1));
    let mut rest = input;
    rest["Marker"] = page["Marker"].clone();
    let rest = client.call("iam", "SimulateCustomPolicy", rest).await.ok();
    assert_eq!(
        (&rest["IsTruncated"], &rest["EvaluationResults"][0]["EvalActionName"]),
        (&json!(false), &json!("s3:PutObject"))
    );
}

#[tokio::test]
async fn conditions_boundaries_and_organizations_count() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let dated = document(&json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*",
        "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2018-08-16T12:00:00Z"}}}));
    let ask = |more: Json| {
        let mut input = json!({"PolicyInputList": [dated], "ActionNames": ["dynamodb:CreateBackup"]});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let found = custom(&client, ask(json!({}))).await;
    assert_eq!(
        (&found[0]["EvalDecision"], &found[0]["MissingContextValues"]),
        (&json!("implicitDeny"), &json!(["aws:CurrentTime"]))
    );
    assert!(found[0]["ResourceSpecificResults"].is_null());
    let at = |moment: &str| json!([{"ContextKeyName": "aws:CurrentTime", "ContextKeyType": "date", "ContextKeyValues": [moment]}]);
    for (moment, decision) in [("2018-04-25T11:00:00Z", "implicitDeny"), ("2019-04-25T11:00:00Z", "allowed")] {
        let found = custom(&client, ask(json!({"ContextEntries": at(moment)}))).await;
        assert_eq!(found[0]["EvalDecision"], decision, "{moment}");
        assert_eq!(found[0]["MissingContextValues"], json!([]));
    }
    let late = at("2019-04-25T11:00:00Z");
    let other = document(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}));
    let bounded =
        custom(&client, ask(json!({"ContextEntries": late, "PermissionsBoundaryPolicyInputList": [other]}))).await;
    assert_eq!(bounded[0]["EvalDecision"], "implicitDeny");
    assert_eq!(bounded[0]["PermissionsBoundaryDecisionDetail"], json!({"AllowedByPermissionsBoundary": false}));
    let organized = custom(
        &client,
        ask(json!({"ContextEntries": late,
        "OrderedOrganizationPolicyInputList": [{"ServiceControlPolicyInputList": [other]}]})),
    )
    .await;
    assert_eq!(organized[0]["EvalDecision"], "implicitDeny");
    assert_eq!(organized[0]["OrganizationsDecisionDetail"], json!({"AllowedByOrganizations": false}));
    let many =
        json!([{"ContextKeyName": "aws:TagKeys", "ContextKeyType": "stringList", "ContextKeyValues": ["a", "b"]}]);
    let tags = document(&json!({"Effect": "Allow", "Action": "sqs:*", "Resource": "*",
        "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}}));
    let found =
        custom(&client, json!({"PolicyInputList": [tags], "ActionNames": ["sqs:TagQueue"], "ContextEntries": many}))
            .await;
    assert_eq!(found[0]["EvalDecision"], "implicitDeny");
}

#[tokio::test]
async fn resource_policies_and_callers_count() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let nothing = document(&json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"}));
    let ann = "arn:aws:iam::111122223333:user/ann";
    let policy = document(&json!({"Effect": "Allow", "Principal": {"AWS": ann}, "Action": "sqs:*", "Resource": "*"}));
    let ask = |more: Json| {
        let mut input = json!({"PolicyInputList": [nothing], "ActionNames": ["sqs:SendMessage"], "ResourcePolicy": policy,
            "ResourceArns": ["arn:aws:sqs:us-east-1:111122223333:q"], "CallerArn": ann});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let found = custom(&client, ask(json!({}))).await;
    assert_eq!(found[0]["EvalDecision"], "allowed");
    assert_eq!(found[0]["MatchedStatements"][0]["SourcePolicyType"], "Resource Policy");
    let bob = custom(&client, ask(json!({"CallerArn": "arn:aws:iam::111122223333:user/bob"}))).await;
    assert_eq!(bob[0]["EvalDecision"], "implicitDeny");
    // Between accounts both sides must allow.
    let across = custom(&client, ask(json!({"ResourceOwner": "arn:aws:iam::444455556666:root"}))).await;
    assert_eq!(across[0]["EvalDecision"], "implicitDeny");
    assert_eq!(across[0]["EvalDecisionDetails"], json!({"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}));
    for session in ["arn:aws:sts::111122223333:assumed-role/r/s", "arn:aws:iam::111122223333:root"] {
        client.call("iam", "SimulateCustomPolicy", ask(json!({"CallerArn": session}))).await.ok();
    }
    for (more, word) in [
        (json!({"CallerArn": null}), "CallerArn must be specified"),
        (json!({"CallerArn": "arn:aws:iam::111122223333:role/r"}), "Invalid caller ARN"),
        (json!({"ResourceOwner": "nobody"}), "Invalid Resource Owner"),
        (json!({"ActionNames": ["nothing"]}), "Invalid Action Name"),
        (json!({"PolicyInputList": ["{}"]}), "The policy is not valid"),
        (json!({"PermissionsBoundaryPolicyInputList": [nothing, nothing]}), "At most one"),
    ] {
        let mut input = ask(more);
        input.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let refused = client.call("iam", "SimulateCustomPolicy", input).await;
        assert_eq!(refused.code(), "InvalidInputException", "{}", refused.json);
        assert!(refused.json["message"].as_str().unwrap().contains(word), "{}", refused.json);
    }
}

#[tokio::test]
async fn what_somebody_may_do_is_simulated() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ann = user(&cloud, "ann").await;
    let arn = "arn:aws:iam::000000000000:user/ann";
    client.call("iam", "CreateGroup", json!({"GroupName": "makers"})).await.ok();
    client.call("iam", "AddUserToGroup", json!({"GroupName": "makers", "UserName": "ann"})).await.ok();
    let own = document(&json!({"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:${aws:username}-*"}));
    client
        .call("iam", "PutGroupPolicy", json!({"GroupName": "makers", "PolicyName": "own", "PolicyDocument": own}))
        .await
        .ok();
    let read = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    client.call("iam", "AttachUserPolicy", json!({"UserName": "ann", "PolicyArn": read})).await.ok();
    let ask = |more: Json| {
        let mut input = json!({"PolicySourceArn": arn, "ActionNames": ["sqs:CreateQueue", "s3:ListAllMyBuckets"],
            "ResourceArns": ["arn:aws:sqs:us-east-1:000000000000:ann-1"]});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let simulated = async |more: Json| {
        client.call("iam", "SimulatePrincipalPolicy", ask(more)).await.ok()["EvaluationResults"].clone()
    };
    let found = simulated(json!({})).await;
    assert_eq!((&found[0]["EvalDecision"], &found[1]["EvalDecision"]), (&json!("allowed"), &json!("allowed")));
    assert_eq!(found[0]["MatchedStatements"][0]["SourcePolicyId"], "group_makers_own");
    assert_eq!(found[1]["MatchedStatements"][0]["SourcePolicyId"], "AmazonS3ReadOnlyAccess");
    // As it is simulated, so it is.
    ann.call("sqs", "CreateQueue", json!({"QueueName": "ann-1"})).await.ok();
    assert_eq!(ann.call("sqs", "CreateQueue", json!({"QueueName": "bob-1"})).await.status, 403);
    let other = simulated(json!({"ResourceArns": ["arn:aws:sqs:us-east-1:000000000000:bob-1"]})).await;
    assert_eq!(other[0]["EvalDecision"], "implicitDeny");
    for (exclusion, decisions) in [
        (json!([{"PolicyType": "inline"}]), ["implicitDeny", "allowed"]),
        (json!([{"PolicyType": "aws-managed"}]), ["allowed", "implicitDeny"]),
        (json!([{"PolicyArn": read}]), ["allowed", "implicitDeny"]),
        (
            json!([{"InlinePolicyIdentifier": {"PolicyName": "own", "AttachmentType": "group", "AttachmentName": "makers"}}]),
            ["implicitDeny", "allowed"],
        ),
    ] {
        let found = simulated(json!({"PolicyExclusionList": exclusion})).await;
        assert_eq!([&found[0]["EvalDecision"], &found[1]["EvalDecision"]], decisions, "{exclusion}");
    }
    let boundary = client.call("iam", "CreatePolicy", json!({"PolicyName": "edge", "PolicyDocument": document(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))})).await.ok();
    let edge = boundary["Policy"]["Arn"].clone();
    client
        .call("iam", "PutUserPermissionsBoundary", json!({"UserName": "ann", "PermissionsBoundary": edge}))
        .await
        .ok();
    let bounded = simulated(json!({})).await;
    assert_eq!((&bounded[0]["EvalDecision"], &bounded[1]["EvalDecision"]), (&json!("implicitDeny"), &json!("allowed")));
    let freed = simulated(json!({"PolicyExclusionList": [{"PolicyType": "permission-boundary"}]})).await;
    assert_eq!(freed[0]["EvalDecision"], "allowed");
    let wide = document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let more =
        simulated(json!({"PermissionsBoundaryPolicyInputList": [wide], "PolicyInputList": [wide], "MaxItems": 1}))
            .await;
    assert_eq!(more.as_array().unwrap().len(), 1);
    // A group and a role have policies as well; of them nobody is the caller.
    let group = json!({"PolicySourceArn": "arn:aws:iam::000000000000:group/makers"});
    assert_eq!(simulated(group).await[0]["MissingContextValues"], json!(["aws:username"]));
    let keys = client.call("iam", "GetContextKeysForPrincipalPolicy", json!({"PolicySourceArn": arn, "PolicyInputList": [document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}))]})).await.ok();
    assert_eq!(keys["ContextKeyNames"], json!(["aws:SecureTransport", "aws:username"]));
    let keys = client.call("iam", "GetContextKeysForCustomPolicy", json!({"PolicyInputList": [own]})).await.ok();
    assert_eq!(keys["ContextKeyNames"], json!(["aws:username"]));
    for operation in ["SimulatePrincipalPolicy", "GetContextKeysForPrincipalPolicy"] {
        for (source, code) in [
            ("arn:aws:iam::000000000000:user/nobody", "NoSuchEntityException"),
            ("arn:aws:iam::000000000000:user/path/ann", "NoSuchEntityException"),
            ("arn:aws:iam::111122223333:user/ann", "InvalidInputException"),
            ("arn:aws:iam::000000000000:policy/edge", "InvalidInputException"),
        ] {
            let mut input = json!({"PolicySourceArn": source});
            if operation.starts_with("Simulate") {
                input["ActionNames"] = json!(["s3:GetObject"]);
            }
            let refused = client.call("iam", operation, input).await;
            assert_eq!(refused.code(), code, "{operation} {source}: {}", refused.json);
        }
    }
    let bad = client.call("iam", "GetContextKeysForCustomPolicy", json!({"PolicyInputList": ["{}"]})).await;
    assert_eq!(bad.code(), "InvalidInputException");
}
