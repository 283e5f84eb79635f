//! Units, policies and tags.

use super::*;

#[tokio::test]
async fn units_are_a_tree_five_levels_deep() {
    let (cloud, client, root) = organization().await;
    let mut parent = root.clone();
    for level in 1..=5 {
        parent = unit(&client, &parent, &format!("level-{level}")).await;
    }
    let deep = call(&client, "CreateOrganizationalUnit", json!({"ParentId": parent, "Name": "deeper"})).await;
    assert_eq!(deep.json["error"]["Reason"], "OU_DEPTH_LIMIT_EXCEEDED", "{}", deep.json);
    let shown = call(&client, "DescribeOrganizationalUnit", json!({"OrganizationalUnitId": parent})).await.ok();
    let shown = &shown["OrganizationalUnit"];
    assert!(shown["Path"].as_str().unwrap().ends_with(&format!("/{parent}/")), "{shown}");
    assert_eq!(shown["Path"].as_str().unwrap().matches("/ou-").count(), 5);
    let above = call(&client, "ListParents", json!({"ChildId": parent})).await.ok();
    let above = above["Parents"][0]["Id"].as_str().unwrap().to_owned();
    let same = json!({"ParentId": above, "Name": "level-5"});
    refused(&call(&client, "CreateOrganizationalUnit", same).await, "DuplicateOrganizationalUnitException");
    let second = unit(&client, &above, "second").await;
    let taken = json!({"OrganizationalUnitId": second, "Name": "level-5"});
    refused(&call(&client, "UpdateOrganizationalUnit", taken).await, "DuplicateOrganizationalUnitException");
    let renamed = json!({"OrganizationalUnitId": second, "Name": "other"});
    let renamed = call(&client, "UpdateOrganizationalUnit", renamed).await.ok();
    assert_eq!(renamed["OrganizationalUnit"]["Name"], "other");
    let listed =
        call(&client, "ListOrganizationalUnitsForParent", json!({"ParentId": above, "MaxResults": 1})).await.ok();
    assert_eq!(listed["OrganizationalUnits"].as_array().unwrap().len(), 1);
    assert!(listed["NextToken"].is_string());
    let children = json!({"ParentId": above, "ChildType": "ORGANIZATIONAL_UNIT"});
    let children = call(&client, "ListChildren", children).await.ok();
    assert_eq!(children["Children"].as_array().unwrap().len(), 2);
    // One with something in it stays.
    let full = json!({"OrganizationalUnitId": above});
    refused(&call(&client, "DeleteOrganizationalUnit", full).await, "OrganizationalUnitNotEmptyException");
    let account = account(&cloud, "dev").await;
    let input = json!({"AccountId": account, "SourceParentId": root, "DestinationParentId": second});
    call(&client, "MoveAccount", input).await.ok();
    let accounts = call(&client, "ListAccountsForParent", json!({"ParentId": second})).await.ok();
    assert_eq!(accounts["Accounts"][0]["Id"], account);
    let children = call(&client, "ListChildren", json!({"ParentId": second, "ChildType": "ACCOUNT"})).await.ok();
    assert_eq!(children["Children"], json!([{"Id": account, "Type": "ACCOUNT"}]));
    let full = json!({"OrganizationalUnitId": second});
    refused(&call(&client, "DeleteOrganizationalUnit", full).await, "OrganizationalUnitNotEmptyException");
    call(&client, "DeleteOrganizationalUnit", json!({"OrganizationalUnitId": parent})).await.ok();
    for (operation, input, code) in [
        ("DeleteOrganizationalUnit", json!({"OrganizationalUnitId": parent}), "OrganizationalUnitNotFoundException"),
        ("DescribeOrganizationalUnit", json!({"OrganizationalUnitId": parent}), "OrganizationalUnitNotFoundException"),
        ("UpdateOrganizationalUnit", json!({"OrganizationalUnitId": parent}), "OrganizationalUnitNotFoundException"),
        ("CreateOrganizationalUnit", json!({"ParentId": parent, "Name": "x"}), "ParentNotFoundException"),
        ("ListOrganizationalUnitsForParent", json!({"ParentId": parent}), "ParentNotFoundException"),
        ("ListAccountsForParent", json!({"ParentId": parent}), "ParentNotFoundException"),
        ("ListChildren", json!({"ParentId": parent, "ChildType": "ACCOUNT"}), "ParentNotFoundException"),
        ("ListParents", json!({"ChildId": parent}), "ChildNotFoundException"),
    ] {
        refused(&call(&client, operation, input).await, code);
    }
}

#[tokio::test]
async fn policies_are_made_attached_and_taken_away() {
    let (cloud, client, root) = organization().await;
    let scp = "SERVICE_CONTROL_POLICY";
    let allow = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let input = |name: &str| json!({"Content": allow.to_string(), "Description": "d", "Name": name, "Type": scp});
    let made = call(&client, "CreatePolicy", input("a")).await.ok();
    let summary = &made["Policy"]["PolicySummary"];
    let id = summary["Id"].as_str().unwrap();
    assert!(summary["Arn"].as_str().unwrap().ends_with(&format!("/service_control_policy/{id}")), "{summary}");
    refused(&call(&client, "CreatePolicy", input("a")).await, "DuplicatePolicyException");
    refused(&call(&client, "CreatePolicy", input("FullAWSAccess")).await, "DuplicatePolicyException");
    let attach = json!({"PolicyId": id, "TargetId": root});
    refused(&call(&client, "AttachPolicy", attach.clone()).await, "PolicyTypeNotEnabledException");
    let kind = json!({"RootId": root, "PolicyType": scp});
    refused(&call(&client, "DisablePolicyType", kind.clone()).await, "PolicyTypeNotEnabledException");
    let enabled = call(&client, "EnablePolicyType", kind.clone()).await.ok();
    assert_eq!(enabled["Root"]["PolicyTypes"], json!([{"Type": scp, "Status": "ENABLED"}]));
    refused(&call(&client, "EnablePolicyType", kind).await, "PolicyTypeAlreadyEnabledException");
    let elsewhere = json!({"RootId": "r-none", "PolicyType": scp});
    refused(&call(&client, "EnablePolicyType", elsewhere.clone()).await, "RootNotFoundException");
    refused(&call(&client, "DisablePolicyType", elsewhere).await, "RootNotFoundException");
    call(&client, "AttachPolicy", attach.clone()).await.ok();
    refused(&call(&client, "AttachPolicy", attach.clone()).await, "DuplicatePolicyAttachmentException");
    refused(&call(&client, "DeletePolicy", json!({"PolicyId": id})).await, "PolicyInUseException");
    for n in 0..3 {
        attached(&client, scp, &format!("more-{n}"), &allow, &root).await;
    }
    let sixth = call(&client, "CreatePolicy", input("sixth")).await.ok();
    let sixth = sixth["Policy"]["PolicySummary"]["Id"].as_str().unwrap().to_owned();
    let many = call(&client, "AttachPolicy", json!({"PolicyId": sixth, "TargetId": root})).await;
    assert_eq!(many.json["error"]["Reason"], "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "{}", many.json);
    let targets = call(&client, "ListTargetsForPolicy", json!({"PolicyId": "p-FullAWSAccess"})).await.ok();
    let kinds: Vec<&Json> = targets["Targets"].as_array().unwrap().iter().map(|t| &t["Type"]).collect();
    assert_eq!(kinds, ["ACCOUNT", "ROOT"], "{targets}");
    let detach = json!({"PolicyId": sixth, "TargetId": root});
    refused(&call(&client, "DetachPolicy", detach).await, "PolicyNotAttachedException");
    call(&client, "DetachPolicy", attach.clone()).await.ok();
    call(&client, "DeletePolicy", json!({"PolicyId": id})).await.ok();
    let described = call(&client, "DescribePolicy", json!({"PolicyId": "p-FullAWSAccess"})).await.ok();
    assert_eq!(described["Policy"]["PolicySummary"]["AwsManaged"], true);
    assert_eq!(
        described["Policy"]["PolicySummary"]["Arn"],
        "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    );
    let change = json!({"PolicyId": "p-FullAWSAccess", "Name": "x"});
    let change = call(&client, "UpdatePolicy", change).await;
    assert_eq!(change.json["error"]["Reason"], "IMMUTABLE_POLICY", "{}", change.json);
    let renamed = json!({"PolicyId": sixth, "Name": "more-0"});
    refused(&call(&client, "UpdatePolicy", renamed).await, "DuplicatePolicyException");
    let renamed = json!({"PolicyId": sixth, "Name": "new", "Description": "e"});
    let renamed = call(&client, "UpdatePolicy", renamed).await.ok();
    assert_eq!(
        (&renamed["Policy"]["PolicySummary"]["Name"], &renamed["Policy"]["PolicySummary"]["Description"]),
        (&json!("new"), &json!("e"))
    );
    let account = account(&cloud, "dev").await;
    let got = call(&client, "ListPoliciesForTarget", json!({"TargetId": account, "Filter": scp})).await.ok();
    assert_eq!(got["Policies"][0]["Id"], "p-FullAWSAccess", "a new account gets it as well");
    let nowhere = "ou-0000-00000000";
    for (operation, input, code) in [
        ("AttachPolicy", attach, "PolicyNotFoundException"),
        ("AttachPolicy", json!({"PolicyId": sixth, "TargetId": nowhere}), "TargetNotFoundException"),
        ("DetachPolicy", json!({"PolicyId": id, "TargetId": root}), "PolicyNotFoundException"),
        ("DetachPolicy", json!({"PolicyId": sixth, "TargetId": nowhere}), "TargetNotFoundException"),
        ("DescribePolicy", json!({"PolicyId": id}), "PolicyNotFoundException"),
        ("DeletePolicy", json!({"PolicyId": id}), "PolicyNotFoundException"),
        ("UpdatePolicy", json!({"PolicyId": id}), "PolicyNotFoundException"),
        ("ListTargetsForPolicy", json!({"PolicyId": id}), "PolicyNotFoundException"),
        ("ListPoliciesForTarget", json!({"TargetId": nowhere, "Filter": scp}), "TargetNotFoundException"),
        ("UpdatePolicy", json!({"PolicyId": sixth, "Content": "{}"}), "MalformedPolicyDocumentException"),
        ("ListPolicies", json!({"Filter": "BEDROCK_POLICY"}), "NotImplemented"),
    ] {
        refused(&call(&client, operation, input).await, code);
    }
    let bad = |content: String| json!({"Content": content, "Description": "", "Name": "bad", "Type": scp});
    let principal = allow.to_string().replace("\"Resource\"", "\"Principal\":\"*\",\"Resource\"");
    refused(&call(&client, "CreatePolicy", bad(principal)).await, "MalformedPolicyDocumentException");
    let long = format!("{}{}", allow, " ".repeat(5_121));
    let long = call(&client, "CreatePolicy", bad(long)).await;
    assert_eq!(long.json["error"]["Reason"], "POLICY_CONTENT_LIMIT_EXCEEDED", "{}", long.json);
    let longer = json!({"PolicyId": sixth, "Content": format!("{}{}", allow, " ".repeat(5_121))});
    refused(&call(&client, "UpdatePolicy", longer).await, "ConstraintViolationException");
    let own = json!({"Type": "BEDROCK_POLICY", "Name": "b", "Description": "", "Content": "{}"});
    refused(&call(&client, "CreatePolicy", own).await, "NotImplemented");
}

#[tokio::test]
async fn tag_policies_come_down_the_tree() {
    let (cloud, client, root) = organization().await;
    let kind = "TAG_POLICY";
    let account = account(&cloud, "dev").await;
    let effective = json!({"PolicyType": kind, "TargetId": account});
    refused(&call(&client, "DescribeEffectivePolicy", effective.clone()).await, "EffectivePolicyNotFoundException");
    enable(&client, &root, kind).await;
    let above = json!({"tags": {"cost": {"tag_key": {"@@assign": "Cost"}, "tag_value": {"@@assign": ["1"]}}}});
    let below = json!({"tags": {"cost": {"tag_value": {"@@append": ["2"]}}}});
    attached(&client, kind, "above", &above, &root).await;
    attached(&client, kind, "below", &below, &account).await;
    let whole = json!({"tags": {"cost": {"tag_key": "Cost", "tag_value": ["1", "2"]}}});
    for (who, input) in [(client.clone(), effective), (root_of(&cloud, &account), json!({"PolicyType": kind}))] {
        let found = call(&who, "DescribeEffectivePolicy", input).await.ok();
        let content = found["EffectivePolicy"]["PolicyContent"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Json>(content).unwrap(), whole);
        assert_eq!(found["EffectivePolicy"]["TargetId"], account);
    }
    let nowhere = json!({"PolicyType": kind, "TargetId": "444455556666"});
    refused(&call(&client, "DescribeEffectivePolicy", nowhere).await, "TargetNotFoundException");
    let enforced = json!({"tags": {"cost": {"enforced_for": {"@@assign": ["sqs:queue"]}}}});
    for (content, code) in [(enforced, "NotImplemented"), (json!({"tag": {}}), "MalformedPolicyDocumentException")] {
        let input = json!({"Content": content.to_string(), "Description": "", "Name": "x", "Type": kind});
        refused(&call(&client, "CreatePolicy", input).await, code);
    }
}

#[tokio::test]
async fn everything_has_tags() {
    let (cloud, client, root) = organization().await;
    let tags = json!([{"Key": "a", "Value": "1"}]);
    let unit =
        call(&client, "CreateOrganizationalUnit", json!({"ParentId": root, "Name": "u", "Tags": tags})).await.ok();
    let content = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let policy = json!({"Content": content.to_string(), "Description": "", "Name": "p", "Type": "SERVICE_CONTROL_POLICY", "Tags": tags});
    let policy = call(&client, "CreatePolicy", policy).await.ok();
    let account = account(&cloud, "dev").await;
    call(&client, "TagResource", json!({"ResourceId": account, "Tags": tags})).await.ok();
    call(&client, "TagResource", json!({"ResourceId": root, "Tags": tags})).await.ok();
    let ids = [
        unit["OrganizationalUnit"]["Id"].as_str().unwrap(),
        policy["Policy"]["PolicySummary"]["Id"].as_str().unwrap(),
        &account,
        &root,
    ];
    for id in ids {
        call(&client, "TagResource", json!({"ResourceId": id, "Tags": [{"Key": "b", "Value": "2"}]})).await.ok();
        call(&client, "UntagResource", json!({"ResourceId": id, "TagKeys": ["a"]})).await.ok();
        let listed = call(&client, "ListTagsForResource", json!({"ResourceId": id})).await.ok();
        assert_eq!(listed["Tags"], json!([{"Key": "b", "Value": "2"}]), "{id}");
        let many: Vec<Json> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
        let many = call(&client, "TagResource", json!({"ResourceId": id, "Tags": many})).await;
        assert_eq!(many.json["error"]["Reason"], "MAX_TAG_LIMIT_EXCEEDED", "{}", many.json);
    }
    let twice = json!([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]);
    let twice = call(&client, "TagResource", json!({"ResourceId": root, "Tags": twice})).await;
    assert_eq!(twice.json["error"]["Reason"], "DUPLICATE_TAG_KEY", "{}", twice.json);
    let reserved = json!({"ResourceId": root, "Tags": [{"Key": "aws:x", "Value": "1"}]});
    assert_eq!(call(&client, "TagResource", reserved).await.json["error"]["Reason"], "INVALID_SYSTEM_TAGS_PARAMETER");
    for id in ["p-00000000", "ou-0000-00000000", "444455556666", "r-none", "rp-none0000"] {
        refused(
            &call(&client, "TagResource", json!({"ResourceId": id, "Tags": tags})).await,
            "TargetNotFoundException",
        );
        refused(
            &call(&client, "UntagResource", json!({"ResourceId": id, "TagKeys": ["a"]})).await,
            "TargetNotFoundException",
        );
        refused(&call(&client, "ListTagsForResource", json!({"ResourceId": id})).await, "TargetNotFoundException");
    }
}
