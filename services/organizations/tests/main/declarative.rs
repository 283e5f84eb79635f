//! Policies that tell services what to do: what may stand in them, and what comes out for an account.

use super::*;

fn create(kind: &str, content: &Json) -> Json {
    json!({"Type": kind, "Name": kind, "Description": "", "Content": content.to_string()})
}

#[tokio::test]
async fn each_type_is_kept_and_worked_out() {
    let (cloud, client, root) = organization().await;
    let member = account(&cloud, "dev").await;
    for (kind, above, below, whole) in [
        (
            "AISERVICES_OPT_OUT_POLICY",
            json!({"services": {"default": {"opt_out_policy": {"@@operators_allowed_for_child_policies": ["@@none"], "@@assign": "optOut"}}}}),
            json!({"services": {"default": {"opt_out_policy": {"@@assign": "optIn"}}, "lex": {"opt_out_policy": {"@@assign": "optIn"}}}}),
            json!({"services": {"default": {"opt_out_policy": "optOut"}, "lex": {"opt_out_policy": "optIn"}}}),
        ),
        (
            "SECURITYHUB_POLICY",
            json!({"securityhub": {"enable_in_regions": {"@@assign": ["us-east-1", "eu-west-1"]}, "disable_in_regions": {"@@assign": []}}}),
            json!({"securityhub": {"enable_in_regions": {"@@remove": ["eu-west-1"]}}}),
            json!({"securityhub": {"enable_in_regions": ["us-east-1"], "disable_in_regions": []}}),
        ),
        (
            "DECLARATIVE_POLICY_EC2",
            json!({"ec2_attributes": {"serial_console_access": {"status": {"@@assign": "enabled"}}}}),
            json!({"ec2_attributes": {"serial_console_access": {"status": {"@@assign": "disabled"}}, "exception_message": {"@@assign": "ask us"}}}),
            json!({"ec2_attributes": {"serial_console_access": {"status": "disabled"}, "exception_message": "ask us"}}),
        ),
    ] {
        enable(&client, &root, kind).await;
        attached(&client, kind, "above", &above, &root).await;
        attached(&client, kind, "below", &below, &member).await;
        let found = call(&root_of(&cloud, &member), "DescribeEffectivePolicy", json!({"PolicyType": kind})).await.ok();
        let content = found["EffectivePolicy"]["PolicyContent"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Json>(content).unwrap(), whole, "{kind}");
        let invalid = call(&client, "ListAccountsWithInvalidEffectivePolicy", json!({"PolicyType": kind})).await.ok();
        assert_eq!(invalid["Accounts"], json!([]), "{kind}");
        refused(
            &call(&client, "CreatePolicy", create(kind, &json!({"other": {}}))).await,
            "MalformedPolicyDocumentException",
        );
        let long = json!({"Type": kind, "Name": "long", "Description": "", "Content": format!("{above}{}", " ".repeat(10_000))});
        let long = call(&client, "CreatePolicy", long).await;
        assert_eq!(long.json["error"]["Reason"], "POLICY_CONTENT_LIMIT_EXCEEDED", "{}", long.json);
    }
}

#[tokio::test]
async fn what_is_wrong_with_what_comes_out_is_told() {
    let (cloud, client, root) = organization().await;
    let kind = "BACKUP_POLICY";
    let member = account(&cloud, "dev").await;
    let (list, told) = ("ListAccountsWithInvalidEffectivePolicy", "ListEffectivePolicyValidationErrors");
    refused(&call(&client, list, json!({"PolicyType": kind})).await, "EffectivePolicyNotFoundException");
    enable(&client, &root, kind).await;
    let of = json!({"AccountId": member, "PolicyType": kind});
    refused(&call(&client, told, of.clone()).await, "EffectivePolicyNotFoundException");
    let whole = json!({"plans": {"daily": {
        "regions": {"@@assign": ["us-east-1"]},
        "rules": {"night": {"schedule_expression": {"@@assign": "cron(0 1 ? * * *)"}, "target_backup_vault_name": {"@@assign": "vault"},
            "lifecycle": {"delete_after_days": {"@@assign": "30"}}}},
        "selections": {"tags": {"all": {"iam_role_arn": {"@@assign": "arn:aws:iam::$account:role/backup"},
            "tag_key": {"@@assign": "backup"}, "tag_value": {"@@assign": ["yes"]}}}}}}});
    let above = attached(&client, kind, "above", &whole, &root).await;
    let good = call(&client, told, of.clone()).await.ok();
    assert_eq!(good["EffectivePolicyValidationErrors"], json!([]));
    assert_eq!(call(&client, list, json!({"PolicyType": kind})).await.ok()["Accounts"], json!([]));
    let nonsense = call(&client, list, json!({"PolicyType": kind, "NextToken": "nonsense"})).await;
    refused(&nonsense, "InvalidInputException");
    // A level takes away what is needed, and adds what is not whole.
    let below = json!({"plans": {"daily": {"regions": {"@@remove": ["us-east-1"]},
        "rules": {"noon": {"schedule_expression": {"@@assign": "cron(0 12 ? * * *)"}}}}}});
    let below = attached(&client, kind, "below", &below, &member).await;
    let bad = call(&client, told, of.clone()).await.ok();
    let errors = bad["EffectivePolicyValidationErrors"].as_array().unwrap();
    let mut both = vec![above.clone(), below.clone()];
    both.sort();
    assert_eq!(
        errors[0],
        json!({"ErrorCode": "ELEMENTS_TOO_FEW", "ErrorMessage": "'regions' is less than the allowed minimum limit 1",
            "PathToError": "plans/daily/regions", "ContributingPolicies": both})
    );
    assert_eq!(
        errors[1],
        json!({"ErrorCode": "KEY_REQUIRED", "ErrorMessage": "'target_backup_vault_name' is missing",
            "PathToError": "plans/daily/rules/noon", "ContributingPolicies": [below]})
    );
    assert_eq!((errors.len(), &bad["AccountId"]), (2, &json!(member)));
    assert!(bad["Path"].as_str().unwrap().ends_with(&format!("/{root}/{member}/")), "{bad}");
    let page = json!({"AccountId": member, "PolicyType": kind, "MaxResults": 1});
    let page = call(&client, told, page).await.ok();
    let next = json!({"AccountId": member, "PolicyType": kind, "NextToken": page["NextToken"]});
    assert_eq!(call(&client, told, next).await.ok()["EffectivePolicyValidationErrors"], json!([errors[1]]));
    let accounts = call(&client, list, json!({"PolicyType": kind, "MaxResults": 5})).await.ok();
    assert_eq!((&accounts["Accounts"][0]["Id"], accounts["Accounts"].as_array().unwrap().len()), (&json!(member), 1));
    // Eleven rules are too many.
    let rules: serde_json::Map<String, Json> =
        (0..10).map(|n| (format!("r{n}"), json!({"target_backup_vault_name": {"@@assign": "v"}}))).collect();
    attached(&client, kind, "rules", &json!({"plans": {"daily": {"rules": rules}}}), &root).await;
    let bad = call(&client, told, json!({"AccountId": MANAGEMENT, "PolicyType": kind})).await.ok();
    let error = &bad["EffectivePolicyValidationErrors"][0];
    assert_eq!(
        (&error["ErrorCode"], &error["PathToError"]),
        (&json!("ELEMENTS_TOO_MANY"), &json!("plans/daily/rules"))
    );
    assert_eq!(error["ErrorMessage"], "'rules' exceeds the allowed maximum limit 10");
    let (member, stranger) = (root_of(&cloud, &member), root_of(&cloud, "444455556666"));
    for (operation, input) in [(list, json!({"PolicyType": kind})), (told, of)] {
        refused(&call(&member, operation, input.clone()).await, "AccessDeniedException");
        refused(&call(&stranger, operation, input).await, "AWSOrganizationsNotInUseException");
        refused(
            &call(&client, operation, json!({"PolicyType": "NONE", "AccountId": "1"})).await,
            "InvalidInputException",
        );
    }
    let nobody = json!({"AccountId": "444455556666", "PolicyType": kind});
    refused(&call(&client, told, nobody).await, "AccountNotFoundException");
}
