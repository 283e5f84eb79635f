//! Of the statements of resource policies, trust policies and policies of organizations.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let github = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";
    let web = json!({"Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": github}});
    let subject = |value: &str| when("StringLike", "token.actions.githubusercontent.com:sub", json!(value));
    let service = json!({"Principal": {"Service": "sns.amazonaws.com"}});
    let source = when("StringEquals", "aws:SourceAccount", json!(OWN));
    let long = |count: usize| json!({"Resource": (0..count).map(|n| format!("arn:aws:s3:::bucket-{n}/a")).collect::<Vec<_>>()});
    vec![
        ("R", "INVALID_PRINCIPAL_FORMAT", json!({"Principal": "somebody"}), json!({"Principal": "*"})),
        ("R", "INVALID_PRINCIPAL_KEY", json!({"Principal": {"Aws": OWN}}), json!({})),
        ("R", "MISSING_PRINCIPAL", json!({"Principal": null}), json!({})),
        ("S", "SCP_SYNTAX_ERROR_ACTION_WILDCARD", json!({"Action": "s3:*Object"}), json!({"Action": "s3:Get*"})),
        ("S", "SCP_SYNTAX_ERROR_PRINCIPAL", json!({"Principal": "*"}), json!({})),
        ("B", "UNSUPPORTED_ACTION_IN_POLICY", json!({"Action": "sqs:SendMessage"}), json!({})),
        (
            "B",
            "UNSUPPORTED_RESOURCE_ARN_IN_POLICY",
            json!({"Resource": "arn:aws:sqs:us-east-1:000000000000:q"}),
            json!({}),
        ),
        (
            "R",
            "UNSUPPORTED_WILDCARD_IN_PRINCIPAL",
            json!({"Principal": {"AWS": "arn:aws:iam::000000000000:user/*"}}),
            json!({"Principal": {"AWS": "*"}}),
        ),
        ("S", "POLICY_SIZE_EXCEEDS_SCP_QUOTA", long(400), long(10)),
        (
            "B",
            "FEDERATED_PRINCIPAL_NOT_SUPPORTED",
            json!({"Principal": {"Federated": "accounts.google.com"}}),
            json!({}),
        ),
        (
            "R",
            "UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL",
            with(service.clone(), when("StringEquals", "aws:PrincipalOrgID", json!("o-1"))),
            with(service.clone(), source.clone()),
        ),
        (
            "T",
            "ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL",
            json!({"NotPrincipal": {"AWS": OWN}, "Principal": null}),
            json!({}),
        ),
        ("T", "ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL", json!({"Principal": "*"}), json!({})),
        ("T", "ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE", json!({"Resource": "*"}), json!({})),
        (
            "T",
            "INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY",
            json!({"Principal": {"Federated": "somebody"}}),
            web.clone(),
        ),
        ("T", "MISMATCHED_ACTION_FOR_PRINCIPAL", json!({"Principal": {"Federated": github}}), web.clone()),
        (
            "T",
            "MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY",
            json!({"Principal": {"Service": "rolesanywhere.amazonaws.com"}}),
            json!({"Principal": {"Service": "rolesanywhere.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]}),
        ),
        ("C", "POLICY_SIZE_EXCEEDS_RCP_QUOTA", long(400), long(10)),
        ("C", "RCP_SYNTAX_ERROR_PRINCIPAL", json!({"Principal": {"AWS": "*"}}), json!({})),
        ("C", "RCP_SYNTAX_ERROR_ALLOW", with(json!({"Effect": "Allow"}), source.clone()), json!({"Effect": "Allow"})),
        ("C", "RCP_SYNTAX_ERROR_NOTACTION", json!({"NotAction": "s3:GetObject", "Action": null}), json!({})),
        ("C", "RCP_SYNTAX_ERROR_ACTION", json!({"Action": "ec2:RunInstances"}), json!({"Action": ["s3:*", "sts:*"]})),
        ("R", "INVALID_ROLE_REFERENCE", json!({"Principal": {"AWS": "AROAABCDEFGHIJKLMNOP"}}), json!({})),
        ("R", "INVALID_USER_REFERENCE", json!({"Principal": {"AWS": "AIDAABCDEFGHIJKLMNOP"}}), json!({})),
        ("B", "POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA", long(900), long(400)),
        (
            "T",
            "SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED",
            with(web.clone(), subject("repo:org/*")),
            with(web.clone(), subject("repo:org/one:ref:refs/heads/main")),
        ),
        (
            "T",
            "POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA",
            json!({"Principal": {"AWS": (0..80).map(|n| format!("arn:aws:iam::000000000000:role/role-{n}")).collect::<Vec<_>>()}}),
            json!({}),
        ),
        (
            "C",
            "RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY",
            when("StringNotEqualsIfExists", "aws:PrincipalOrgID", json!("o-1")),
            json!({"Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}}),
        ),
        (
            "C",
            "RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY",
            when("StringNotEqualsIfExists", "aws:SourceOrgID", json!("o-1")),
            json!({"Condition": {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-1"}, "Bool": {"aws:PrincipalIsAWSService": "true"}}}),
        ),
        (
            "C",
            "RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK",
            when("StringNotEqualsIfExists", "aws:SourceOrgID", json!("o-1")),
            json!({"Condition": {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-1"}, "Null": {"aws:SourceAccount": "false"}}}),
        ),
        (
            "R",
            "ALLOW_WITH_NOT_PRINCIPAL",
            json!({"NotPrincipal": {"AWS": OWN}, "Principal": null}),
            json!({"NotPrincipal": {"AWS": OWN}, "Principal": null, "Effect": "Deny"}),
        ),
        (
            "S",
            "DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE",
            with(json!({"Action": "sts:GetCallerIdentity"}), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
            with(json!({"Action": "sqs:SendMessage"}), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
        ),
        (
            "S",
            "DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE",
            with(json!({"NotAction": "s3:*", "Action": null}), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
            json!({"NotAction": "s3:*", "Action": null}),
        ),
        ("R", "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL", service.clone(), with(service.clone(), source.clone())),
        (
            "T",
            "MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL",
            web.clone(),
            with(web.clone(), subject("repo:org/one:ref:a")),
        ),
        ("T", "MISSING_GITHUB_REPO_CONDITION_KEY", web.clone(), with(web.clone(), subject("repo:org/one:ref:a"))),
        (
            "S",
            "S3_PREFIX_IN_NEGATIVE_CONTEXT",
            when("StringLike", "s3:prefix", json!("a/*")),
            when("StringNotLike", "s3:prefix", json!("a/*")),
        ),
        (
            "T",
            "FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE",
            when("ForAnyValue:StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
            when("StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
        ),
        ("R", "EMPTY_ARRAY_PRINCIPAL", json!({"Principal": {"AWS": []}}), json!({})),
        ("R", "EMPTY_OBJECT_PRINCIPAL", json!({"Principal": {}}), json!({})),
        (
            "R",
            "RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL",
            with(service.clone(), when("StringEquals", "aws:Referer", json!("a"))),
            with(service.clone(), source.clone()),
        ),
        ("B", "IRRELEVANT_CONDITION_KEY_IN_POLICY", when("StringEquals", "s3:ResourceAccount", json!(OWN)), json!({})),
        (
            "T",
            "REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY",
            json!({"Principal": {"AWS": ["arn:aws:iam::000000000000:role/r", "arn:aws:sts::000000000000:assumed-role/r/s"]}}),
            json!({"Principal": {"AWS": ["arn:aws:iam::000000000000:role/q", "arn:aws:sts::000000000000:assumed-role/r/s"]}}),
        ),
        (
            "T",
            "CONFIRM_AUDIENCE_CLAIM_TYPE",
            when("ForAllValues:StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
            when("StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
        ),
    ]
}
