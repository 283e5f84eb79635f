//! Policy validation: for each issue a policy that has it and one that has not.

use super::*;
use crate::issues::policy;

fn input(kind: &str, document: &str) -> Json {
    let (of, resource) = match kind {
        "R" => ("RESOURCE_POLICY", None),
        "B" => ("RESOURCE_POLICY", Some("AWS::S3::Bucket")),
        "T" => ("RESOURCE_POLICY", Some("AWS::IAM::AssumeRolePolicyDocument")),
        "S" => ("SERVICE_CONTROL_POLICY", None),
        "C" => ("RESOURCE_CONTROL_POLICY", None),
        _ => ("IDENTITY_POLICY", None),
    };
    json!({"policyDocument": document, "policyType": of, "validatePolicyResourceType": resource})
}

async fn codes(client: &Client, kind: &str, document: &str) -> Vec<String> {
    let found = ok(client, "ValidatePolicy", input(kind, document)).await;
    found["findings"].as_array().unwrap().iter().map(|f| f["issueCode"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_issue_is_found_where_it_is_and_nowhere_else() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let all = issues::all();
    assert!(all.len() > 125, "{}", all.len());
    let mut wrong = Vec::new();
    for (kind, code, with, without) in all {
        let (has, has_not) =
            (codes(&client, kind, &with.to_string()).await, codes(&client, kind, &without.to_string()).await);
        if !has.iter().any(|found| found == code) || has_not.iter().any(|found| found == code) {
            wrong.push(format!("{code}: {with} has {has:?}, {without} has {has_not:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(codes(&client, "I", "{").await, ["JSON_SYNTAX_ERROR"]);
}

#[tokio::test]
async fn policies_without_a_fault_have_no_issue() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for kind in ["I", "R", "B", "T", "S"] {
        assert!(codes(&client, kind, &policy(kind, &json!({})).to_string()).await.is_empty(), "{kind}");
    }
    let listing =
        json!({"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]});
    assert!(codes(&client, "I", &policy("I", &listing).to_string()).await.is_empty());
}

/// What AWS's own example shows, in all that it tells.
#[tokio::test]
async fn issues_tell_where_they_are() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let text = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "",
            "Effect": "Allow",
            "Principal": {
                "Federated": "cognito-identity.amazonaws.com"
            },
            "Action": [
                "sts:AssumeRole",
                "sts:TagSession"
            ],
            "Condition": {
                "StringEquals": {
                    "cognito-identity.amazonaws.com:aud": "us-west-2_EXAMPLE"
                }
            }
        }
    ]
}"#;
    let found = ok(&client, "ValidatePolicy", input("R", text)).await;
    let all = found["findings"].as_array().unwrap();
    let codes: Vec<&str> = all.iter().map(|finding| finding["issueCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["EMPTY_SID_VALUE", "MISMATCHED_ACTION_FOR_PRINCIPAL", "UNSUPPORTED_ACTION_FOR_CONDITION_KEY"]);
    let place = |line: i32, from: i32, to: i32, offset: i32| json!({"start": {"line": line, "column": from, "offset": offset}, "end": {"line": line, "column": to, "offset": offset + to - from}});
    let path = |names: &[&str], index: Option<i32>| -> Json {
        let start = [json!({"value": "Statement"}), json!({"index": 0})];
        let rest = names.iter().map(|name| json!({"value": name})).chain(index.map(|index| json!({"index": index})));
        start.into_iter().chain(rest).collect()
    };
    assert_eq!(all[0]["locations"], json!([{"path": path(&["Sid"], None), "span": place(5, 19, 21, 79)}]));
    assert_eq!(
        all[1]["locations"],
        json!([
            {"path": path(&["Action"], Some(0)), "span": place(11, 16, 32, 258)},
            {"path": path(&["Principal", "Federated"], None), "span": place(8, 29, 61, 170)},
        ])
    );
    assert_eq!(
        all[2]["locations"],
        json!([
            {"path": path(&["Action"], Some(1)), "span": place(12, 16, 32, 292)},
            {"path": path(&["Condition", "StringEquals", "cognito-identity.amazonaws.com:aud"], None), "span": place(16, 58, 77, 443)},
        ])
    );
    assert_eq!(all[0]["findingType"], "SUGGESTION");
    let link = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-suggestion-empty-sid-value";
    assert_eq!(all[0]["learnMoreLink"], link);
    assert_eq!(
        all[1]["findingDetails"],
        "The sts:AssumeRole action is invalid with the following principal(s): cognito-identity.amazonaws.com. Use a SAML provider principal with the sts:AssumeRoleWithSAML action or use an OIDC provider principal with the sts:AssumeRoleWithWebIdentity action. Ensure the provider is Federated if you use either of the two options."
    );
    let mut paged = input("R", text);
    paged["maxResults"] = json!(2);
    let first = ok(&client, "ValidatePolicy", paged.clone()).await;
    paged["nextToken"] = first["nextToken"].clone();
    assert_eq!(ok(&client, "ValidatePolicy", paged).await["findings"].as_array().unwrap().len(), 1);
}
