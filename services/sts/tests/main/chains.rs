//! What goes along from one session to the next.

use super::*;

const TAGGED: &[&str] = &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

fn tags(all: &[(&str, &str)]) -> Json {
    all.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

async fn limit(cloud: &Cloud, role: &str, condition: &Json) {
    let policy = allow(&["sqs:*", "sts:*"], condition);
    let input = json!({"RoleName": role, "PolicyName": "all", "PolicyDocument": policy});
    cloud.client().call("iam", "PutRolePolicy", input).await.ok();
}

#[tokio::test]
async fn transitive_tags_come_along_and_others_stay() {
    let cloud = Cloud::start(services()).await;
    let ann = user(&cloud, "ann", &allow(&["sts:*"], &json!({}))).await;
    let account = json!({"AWS": "000000000000"});
    let (one, two) = (
        role(&cloud, "one", &account, TAGGED, &json!({})).await,
        role(&cloud, "two", &account, TAGGED, &json!({})).await,
    );
    let input = json!({"Tags": tags(&[("Star", "1"), ("Sun", "2")]), "TransitiveTagKeys": ["Star"]});
    let first = holder(&cloud, &assume(&ann, &one, input).await.ok());
    let second = holder(&cloud, &assume(&first, &two, json!({})).await.ok());
    limit(&cloud, "two", &json!({"StringEquals": {"aws:PrincipalTag/star": "1"}})).await;
    assert!(may_make_queue(&second, "a").await);
    limit(&cloud, "two", &json!({"Null": {"aws:PrincipalTag/Sun": "false"}})).await;
    assert!(!may_make_queue(&second, "b").await);
    // It goes on to the third as well, and cannot be set anew.
    limit(&cloud, "two", &json!({})).await;
    for (given, word) in [
        (json!({"Tags": tags(&[("STAR", "3")])}), "tag keys can't be set because it conflicts"),
        (json!({"Tags": tags(&[("star", "3")]), "TransitiveTagKeys": ["star"]}), "transitive tag keys can't be set"),
        (json!({"Tags": tags(&[("a", "3")]), "TransitiveTagKeys": ["b"]}), "must be included in the requested tags"),
        (json!({"Tags": tags(&[("a", "3"), ("A", "4")])}), "Duplicate tag keys found"),
    ] {
        let refused = assume(&second, &one, given).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidParameterValue"), "{}", refused.json);
        assert!(refused.json["message"].as_str().unwrap().contains(word), "{}", refused.json);
    }
    // A role that does not let sessions be tagged is none for a session whose tags come along.
    let plain = role(&cloud, "plain", &account, &["sts:AssumeRole"], &json!({})).await;
    let denied = assume(&second, &plain, json!({})).await;
    assert!(denied.json["message"].as_str().unwrap().contains("sts:TagSession"), "{}", denied.json);
}

#[tokio::test]
async fn a_source_identity_stays_for_good() {
    let cloud = Cloud::start(services()).await;
    let ann = user(&cloud, "ann", &allow(&["sts:*"], &json!({}))).await;
    let account = json!({"AWS": "000000000000"});
    let own = json!({"StringEquals": {"sts:SourceIdentity": "ann@x"}});
    let (one, two) =
        (role(&cloud, "one", &account, TAGGED, &own).await, role(&cloud, "two", &account, TAGGED, &json!({})).await);
    for given in [json!({}), json!({"SourceIdentity": "bob@x"})] {
        assert_eq!(assume(&ann, &one, given).await.code(), "AccessDenied");
    }
    let first = assume(&ann, &one, json!({"SourceIdentity": "ann@x"})).await.ok();
    assert_eq!(first["SourceIdentity"], "ann@x");
    let first = holder(&cloud, &first);
    let changed = assume(&first, &two, json!({"SourceIdentity": "bob@x"})).await;
    assert_eq!(changed.code(), "AccessDenied", "{}", changed.json);
    let second = assume(&first, &two, json!({})).await.ok();
    assert_eq!(second["SourceIdentity"], "ann@x");
    let second = holder(&cloud, &second);
    limit(&cloud, "two", &json!({"StringEquals": {"aws:SourceIdentity": "ann@x"}})).await;
    assert!(may_make_queue(&second, "a").await);
    limit(&cloud, "two", &json!({"StringEquals": {"aws:SourceIdentity": "bob@x"}})).await;
    assert!(!may_make_queue(&second, "b").await);
    let bad = assume(&ann, &one, json!({"SourceIdentity": "a b"})).await;
    assert_eq!((bad.status, bad.code()), (400, "ValidationError"), "{}", bad.json);
}

/// "Revoking IAM role temporary security credentials": a deny of all tokens that were issued before a moment.
#[tokio::test]
async fn sessions_are_revoked_by_their_age() {
    let cloud = Cloud::start(services()).await;
    let ann = user(&cloud, "ann", &allow(&["sts:*"], &json!({}))).await;
    let one = role(&cloud, "one", &json!({"AWS": "000000000000"}), TAGGED, &json!({})).await;
    cloud.kernel.clock().freeze();
    let old = holder(&cloud, &assume(&ann, &one, json!({})).await.ok());
    assert!(may_make_queue(&old, "a").await);
    cloud.kernel.advance(std::time::Duration::from_secs(60)).await.unwrap();
    let moment = cloud.kernel.clock().now().to_string();
    let revoke = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": moment}}}]});
    let input =
        json!({"RoleName": "one", "PolicyName": "AWSRevokeOlderSessions", "PolicyDocument": revoke.to_string()});
    cloud.client().call("iam", "PutRolePolicy", input).await.ok();
    assert!(!may_make_queue(&old, "b").await);
    cloud.kernel.advance(std::time::Duration::from_secs(1)).await.unwrap();
    let young = holder(&cloud, &assume(&ann, &one, json!({})).await.ok());
    assert!(may_make_queue(&young, "c").await);
    // Keys that are for good have no moment, and the condition does not hold of them.
    assert_eq!(ann.call("sts", "GetCallerIdentity", json!({})).await.status, 200);
}

#[tokio::test]
async fn managed_policies_limit_a_session() {
    let cloud = Cloud::start(services()).await;
    let ann = user(&cloud, "ann", &allow(&["sts:*"], &json!({}))).await;
    let one = role(&cloud, "one", &json!({"AWS": "000000000000"}), TAGGED, &json!({})).await;
    let input = json!({"PolicyName": "lists", "PolicyDocument": allow(&["sqs:ListQueues"], &json!({}))});
    let made = cloud.client().call("iam", "CreatePolicy", input).await.ok();
    let arn = made["Policy"]["Arn"].as_str().unwrap();
    let limited = holder(&cloud, &assume(&ann, &one, json!({"PolicyArns": [{"arn": arn}]})).await.ok());
    limited.call("sqs", "ListQueues", json!({})).await.ok();
    assert!(!may_make_queue(&limited, "a").await);
    let both = json!({"PolicyArns": [{"arn": arn}], "Policy": allow(&["sqs:CreateQueue"], &json!({}))});
    assert!(may_make_queue(&holder(&cloud, &assume(&ann, &one, both).await.ok()), "a").await);
    for unknown in ["arn:aws:iam::000000000000:policy/none", "arn:aws:iam::111122223333:policy/lists"] {
        let refused = assume(&ann, &one, json!({"PolicyArns": [{"arn": unknown}]})).await;
        assert_eq!((refused.status, refused.code()), (400, "ValidationError"), "{}", refused.json);
    }
    let many: Vec<Json> = (0..11).map(|_| json!({"arn": arn})).collect();
    assert_eq!(assume(&ann, &one, json!({"PolicyArns": many})).await.code(), "ValidationError");
    let long = format!("{arn}{}", "x".repeat(1_900));
    let large = json!({"PolicyArns": [{"arn": long}, {"arn": long}]});
    assert_eq!(assume(&ann, &one, large).await.code(), "PackedPolicyTooLargeException");
}
