//! Policy validation: for each issue a policy that has it and one that has not.

use super::*;

/// A policy of a kind: identity, resource, bucket, trust, table, service control or resource control.
fn policy(kind: &str, statement: &Json) -> Json {
    let mut whole = match kind {
        "T" => json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sts:AssumeRole"}),
        "B" => {
            json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"})
        }
        "R" => json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sqs:SendMessage", "Resource": "*"}),
        "C" => json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
        "S" => json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
        _ => json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}),
    };
    for (key, value) in statement.as_object().unwrap() {
        if value.is_null() {
            whole.as_object_mut().unwrap().remove(key);
        } else {
            whole[key] = value.clone();
        }
    }
    json!({"Version": "2012-10-17", "Statement": [whole]})
}

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

fn when(operator: &str, key: &str, value: impl Into<Json>) -> Json {
    json!({"Condition": {operator: {key: value.into()}}})
}

fn with(mut statement: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!("{more} is no object") };
    statement.as_object_mut().unwrap().extend(more);
    statement
}

/// Kind, code, what a statement has that has the issue, and what one has that has it not.
fn cases() -> Vec<(&'static str, &'static str, Json, Json)> {
    let resource = |arn: &str| json!({"Resource": arn, "Action": "*"});
    let action = |action: Json| json!({"Action": action, "Resource": "*"});
    let github = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";
    let web = json!({"Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": github}});
    let subject = |value: &str| when("StringLike", "token.actions.githubusercontent.com:sub", json!(value));
    let service = json!({"Principal": {"Service": "sns.amazonaws.com"}});
    let source = when("StringEquals", "aws:SourceAccount", json!(OWN));
    let long = |count: usize| json!({"Resource": (0..count).map(|n| format!("arn:aws:s3:::bucket-{n}/a")).collect::<Vec<_>>()});
    vec![
        ("I", "ARN_ACCOUNT_NOT_ALLOWED", resource("arn:aws:s3::000000000000:b"), resource("arn:aws:s3:::b")),
        (
            "I",
            "ARN_REGION_NOT_ALLOWED",
            resource("arn:aws:iam:us-east-1:000000000000:role/r"),
            resource("arn:aws:iam::000000000000:role/r"),
        ),
        ("I", "DATA_TYPE_MISMATCH", json!({"Effect": 1}), json!({})),
        (
            "I",
            "DUPLICATE_KEYS_WITH_DIFFERENT_CASE",
            json!({"Condition": {"StringEquals": {"aws:userid": "a", "aws:UserId": "b"}}}),
            when("StringEquals", "aws:userid", json!("a")),
        ),
        ("I", "INVALID_ACTION", action(json!("s3:GetObjekt")), action(json!("s3:GetObj*"))),
        (
            "I",
            "INVALID_ARN_ACCOUNT",
            resource("arn:aws:sqs:us-east-1:123:q"),
            resource("arn:aws:sqs:us-east-1:000000000000:q"),
        ),
        ("I", "INVALID_ARN_PREFIX", resource("aws:s3:::b"), resource("*")),
        (
            "I",
            "INVALID_ARN_REGION",
            resource("arn:aws:sqs:mars-1:000000000000:q"),
            resource("arn:aws:sqs:us-*:000000000000:q"),
        ),
        (
            "I",
            "INVALID_ARN_RESOURCE",
            resource("arn:aws:kms:us-east-1:000000000000:lock/1"),
            resource("arn:aws:kms:us-east-1:000000000000:key/1"),
        ),
        ("I", "INVALID_ARN_SERVICE_CASE", resource("arn:aws:S3:::b"), resource("arn:aws:s3:::b")),
        (
            "I",
            "INVALID_CONDITION_DATA_TYPE",
            when("StringEquals", "aws:userid", json!(["a", 1])),
            when("StringEquals", "aws:userid", json!(["a", "1"])),
        ),
        (
            "I",
            "INVALID_CONDITION_KEY_FORMAT",
            when("StringEquals", "userid", json!("a")),
            when("StringEquals", "aws:userid", json!("a")),
        ),
        (
            "I",
            "INVALID_CONDITION_MULTIPLE_BOOLEAN",
            when("Bool", "aws:SecureTransport", json!(["true", "false"])),
            when("Bool", "aws:SecureTransport", json!("true")),
        ),
        (
            "I",
            "INVALID_CONDITION_OPERATOR",
            when("StringIs", "aws:userid", json!("a")),
            when("StringEquals", "aws:userid", json!("a")),
        ),
        ("I", "INVALID_EFFECT", json!({"Effect": "Permit"}), json!({"Effect": "Deny"})),
        (
            "I",
            "INVALID_GLOBAL_CONDITION_KEY",
            when("StringEquals", "aws:Nothing", json!("a")),
            when("StringEquals", "aws:PrincipalTag/a", json!("a")),
        ),
        ("I", "INVALID_PARTITION", resource("arn:moon:s3:::b"), resource("arn:aws-cn:s3:::b")),
        ("I", "INVALID_POLICY_ELEMENT", json!({"Actions": "a"}), json!({})),
        ("R", "INVALID_PRINCIPAL_FORMAT", json!({"Principal": "somebody"}), json!({"Principal": "*"})),
        ("R", "INVALID_PRINCIPAL_KEY", json!({"Principal": {"Aws": OWN}}), json!({})),
        (
            "I",
            "INVALID_REGION",
            when("StringEquals", "aws:RequestedRegion", json!("mars-1")),
            when("StringEquals", "aws:RequestedRegion", json!("us-east-1")),
        ),
        (
            "I",
            "INVALID_SERVICE_CONDITION_KEY",
            when("StringEquals", "s3:nothing", json!("a")),
            when("StringEquals", "s3:prefix", json!("a")),
        ),
        (
            "I",
            "INVALID_VARIABLE_FOR_OPERATOR",
            when("NumericEquals", "aws:MultiFactorAuthAge", json!("${aws:userid}")),
            when("StringEquals", "s3:prefix", json!("${aws:userid}")),
        ),
        ("I", "MISSING_ACTION", json!({"Action": null}), json!({})),
        ("I", "MISSING_ARN_FIELD", resource("arn:aws:s3:b"), resource("arn:aws:s3:::b")),
        ("I", "MISSING_ARN_REGION", resource("arn:aws:sqs::000000000000:q"), resource("arn:aws:sqs:*:000000000000:q")),
        ("I", "MISSING_EFFECT", json!({"Effect": null}), json!({})),
        ("R", "MISSING_PRINCIPAL", json!({"Principal": null}), json!({})),
        (
            "I",
            "MISSING_QUALIFIER",
            when("StringEquals", "aws:TagKeys", json!("a")),
            when("ForAnyValue:StringEquals", "aws:TagKeys", json!("a")),
        ),
        ("I", "MISSING_RESOURCE", json!({"Resource": null}), json!({})),
        (
            "I",
            "NULL_WITH_IF_EXISTS",
            when("NullIfExists", "aws:userid", json!("true")),
            when("Null", "aws:userid", json!("true")),
        ),
        ("S", "SCP_SYNTAX_ERROR_ACTION_WILDCARD", json!({"Action": "s3:*Object"}), json!({"Action": "s3:Get*"})),
        ("S", "SCP_SYNTAX_ERROR_PRINCIPAL", json!({"Principal": "*"}), json!({})),
        ("B", "UNSUPPORTED_ACTION_IN_POLICY", json!({"Action": "sqs:SendMessage"}), json!({})),
        ("I", "UNSUPPORTED_ELEMENT_COMBINATION", json!({"NotAction": "s3:GetObject"}), json!({})),
        (
            "I",
            "UNSUPPORTED_GLOBAL_CONDITION_KEY",
            when("ArnEquals", "aws:ARN", json!("a")),
            when("ArnEquals", "aws:PrincipalArn", json!("arn:aws:iam::000000000000:role/r")),
        ),
        ("I", "UNSUPPORTED_PRINCIPAL", json!({"Principal": "*"}), json!({})),
        (
            "B",
            "UNSUPPORTED_RESOURCE_ARN_IN_POLICY",
            json!({"Resource": "arn:aws:sqs:us-east-1:000000000000:q"}),
            json!({}),
        ),
        ("I", "UNSUPPORTED_SID", json!({"Sid": "a-b"}), json!({"Sid": "ab"})),
        (
            "R",
            "UNSUPPORTED_WILDCARD_IN_PRINCIPAL",
            json!({"Principal": {"AWS": "arn:aws:iam::000000000000:user/*"}}),
            json!({"Principal": {"AWS": "*"}}),
        ),
        (
            "I",
            "MISSING_BRACE_IN_VARIABLE",
            json!({"Resource": "arn:aws:s3:::b/${aws:username"}),
            json!({"Resource": "arn:aws:s3:::b/${aws:username}"}),
        ),
        (
            "I",
            "MISSING_QUOTE_IN_VARIABLE",
            json!({"Resource": "arn:aws:s3:::b/${aws:username, 'a}"}),
            json!({"Resource": "arn:aws:s3:::b/${aws:username, 'a'}"}),
        ),
        (
            "I",
            "UNSUPPORTED_SPACE_IN_VARIABLE",
            json!({"Resource": "arn:aws:s3:::b/${aws: username}"}),
            json!({"Resource": "arn:aws:s3:::b/${aws:username, 'a'}"}),
        ),
        (
            "I",
            "EMPTY_VARIABLE",
            json!({"Resource": "arn:aws:s3:::b/${}"}),
            json!({"Resource": "arn:aws:s3:::b/${aws:username}"}),
        ),
        (
            "I",
            "VARIABLE_UNSUPPORTED_IN_ELEMENT",
            json!({"Sid": "${aws:username}"}),
            json!({"Resource": "arn:aws:s3:::b/${aws:username}"}),
        ),
        (
            "I",
            "PRIVATE_IP_ADDRESS",
            when("IpAddress", "aws:SourceIp", json!("10.0.0.0/8")),
            when("IpAddress", "aws:SourceIp", json!("203.0.113.0/24")),
        ),
        (
            "I",
            "PRIVATE_NOT_IP_ADDRESS",
            when("NotIpAddress", "aws:SourceIp", json!("10.0.0.0/8")),
            when("IpAddress", "aws:SourceIp", json!("10.0.0.0/8")),
        ),
        ("S", "POLICY_SIZE_EXCEEDS_SCP_QUOTA", long(400), long(10)),
        (
            "I",
            "INVALID_SERVICE_PRINCIPAL_FORMAT",
            when("StringEquals", "iam:PassedToService", json!("Lambda")),
            when("StringEquals", "iam:PassedToService", json!("lambda.amazonaws.com")),
        ),
        (
            "I",
            "MISSING_TAG_KEY_IN_CONDITION",
            when("StringEquals", "aws:ResourceTag", json!("a")),
            when("StringEquals", "aws:ResourceTag/a", json!("a")),
        ),
        (
            "I",
            "INVALID_VPC_FORMAT",
            when("StringEquals", "aws:SourceVpc", json!("a")),
            when("StringEquals", "aws:SourceVpc", json!("vpc-12345678")),
        ),
        (
            "I",
            "INVALID_VPCE_FORMAT",
            when("StringEquals", "aws:SourceVpce", json!("vpce-1")),
            when("StringEquals", "aws:SourceVpce", json!("vpce-12345678")),
        ),
        (
            "B",
            "FEDERATED_PRINCIPAL_NOT_SUPPORTED",
            json!({"Principal": {"Federated": "accounts.google.com"}}),
            json!({}),
        ),
        (
            "I",
            "UNSUPPORTED_ACTION_FOR_CONDITION_KEY",
            with(action(json!(["s3:GetObject", "s3:ListBucket"])), when("StringEquals", "s3:prefix", json!("a"))),
            with(action(json!("s3:ListBucket")), when("StringEquals", "s3:prefix", json!("a"))),
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
            "I",
            "TYPE_MISMATCH_IP_RANGE",
            when("IpAddress", "aws:SourceIp", json!("home")),
            when("IpAddress", "aws:SourceIp", json!("203.0.113.1")),
        ),
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
        ("I", "MISSING_ARN_ACCOUNT", resource("arn:aws:sqs:us-east-1::q"), resource("arn:aws:sqs:us-east-1:*:q")),
        (
            "I",
            "INVALID_KMS_KEY_VALUE",
            when("StringEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", json!("key")),
            when(
                "StringEquals",
                "s3:x-amz-server-side-encryption-aws-kms-key-id",
                json!("arn:aws:kms:us-east-1:000000000000:key/1"),
            ),
        ),
        (
            "I",
            "VARIABLE_USAGE_TOO_PERMISSIVE",
            when("StringLike", "aws:userid", json!("${aws:username}")),
            when("StringLike", "aws:userid", json!("${aws:username}:*")),
        ),
        (
            "I",
            "WILDCARD_USAGE_TOO_PERMISSIVE",
            when("StringLike", "aws:userid", json!("AIDA*")),
            when("StringLike", "aws:userid", json!("*:session")),
        ),
        (
            "I",
            "CREATE_SLR_WITH_NOT_RESOURCE",
            json!({"Action": "iam:CreateServiceLinkedRole", "NotResource": "a", "Resource": null}),
            json!({}),
        ),
        (
            "I",
            "CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE",
            json!({"Action": "iam:*", "NotResource": "a", "Resource": null}),
            json!({}),
        ),
        (
            "I",
            "CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE",
            json!({"NotAction": "s3:*", "Action": null, "NotResource": "a", "Resource": null}),
            json!({"NotAction": "iam:*", "Action": null, "NotResource": "a", "Resource": null}),
        ),
        (
            "I",
            "CREATE_SLR_WITH_STAR_IN_RESOURCE",
            json!({"Action": "iam:CreateServiceLinkedRole", "Resource": "*"}),
            with(
                json!({"Action": "iam:CreateServiceLinkedRole", "Resource": "*"}),
                when("StringEquals", "iam:AWSServiceName", json!("ecs.amazonaws.com")),
            ),
        ),
        (
            "I",
            "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE",
            json!({"Action": "iam:Create*", "Resource": "*"}),
            json!({"Action": "iam:Get*", "Resource": "*"}),
        ),
        (
            "I",
            "CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION",
            json!({"NotAction": "s3:*", "Action": null, "Resource": "*"}),
            json!({"NotAction": "iam:*", "Action": null, "Resource": "*"}),
        ),
        (
            "I",
            "INVALID_DATE_VALUE",
            when("DateLessThan", "aws:CurrentTime", json!("1700000000")),
            when("DateLessThan", "aws:CurrentTime", json!("2020-01-01")),
        ),
        ("R", "INVALID_ROLE_REFERENCE", json!({"Principal": {"AWS": "AROAABCDEFGHIJKLMNOP"}}), json!({})),
        ("R", "INVALID_USER_REFERENCE", json!({"Principal": {"AWS": "AIDAABCDEFGHIJKLMNOP"}}), json!({})),
        (
            "I",
            "WILDCARD_WITHOUT_LIKE_OPERATOR",
            when("StringEquals", "s3:prefix", json!("a*")),
            when("StringLike", "s3:prefix", json!("a*")),
        ),
        ("I", "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA", long(400), long(10)),
        ("B", "POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA", long(900), long(400)),
        (
            "I",
            "TYPE_MISMATCH",
            when("StringEquals", "aws:SecureTransport", json!("true")),
            when("Bool", "aws:SecureTransport", json!("true")),
        ),
        (
            "I",
            "TYPE_MISMATCH_BOOLEAN",
            when("Bool", "aws:SecureTransport", json!("yes")),
            when("Bool", "aws:SecureTransport", json!("true")),
        ),
        (
            "I",
            "TYPE_MISMATCH_DATE",
            when("DateLessThan", "aws:CurrentTime", json!("today")),
            when("DateLessThan", "aws:CurrentTime", json!("2020-01-01T00:00:00Z")),
        ),
        (
            "I",
            "TYPE_MISMATCH_NUMBER",
            when("NumericLessThan", "s3:max-keys", json!("many")),
            when("NumericLessThan", "s3:max-keys", json!("10")),
        ),
        (
            "I",
            "TYPE_MISMATCH_STRING",
            when("BinaryEquals", "k:key", json!("***")),
            when("BinaryEquals", "k:key", json!("QmluYXJ5")),
        ),
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
            "I",
            "UNTRUSTWORTHY_CONDITION_KEY",
            when("StringEquals", "aws:Referer", json!("a")),
            when("StringEquals", "aws:userid", json!("a")),
        ),
        (
            "R",
            "ALLOW_WITH_NOT_PRINCIPAL",
            json!({"NotPrincipal": {"AWS": OWN}, "Principal": null}),
            json!({"NotPrincipal": {"AWS": OWN}, "Principal": null, "Effect": "Deny"}),
        ),
        (
            "I",
            "FORALLVALUES_WITH_SINGLE_VALUED_KEY",
            when("ForAllValues:StringEquals", "aws:userid", json!("a")),
            when("ForAllValues:StringEquals", "aws:TagKeys", json!("a")),
        ),
        (
            "I",
            "PASS_ROLE_WITH_NOT_RESOURCE",
            json!({"Action": "iam:PassRole", "NotResource": "a", "Resource": null}),
            json!({}),
        ),
        (
            "I",
            "PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE",
            json!({"Action": "iam:*", "NotResource": "a", "Resource": null}),
            json!({}),
        ),
        (
            "I",
            "PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE",
            json!({"NotAction": "s3:*", "Action": null, "NotResource": "a", "Resource": null}),
            json!({}),
        ),
        (
            "I",
            "PASS_ROLE_WITH_STAR_IN_RESOURCE",
            json!({"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/*"}),
            json!({"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/Service*"}),
        ),
        (
            "I",
            "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE",
            json!({"Action": "*", "Resource": "*"}),
            with(
                json!({"Action": "*", "Resource": "*"}),
                when("StringEquals", "iam:PassedToService", json!("ecs.amazonaws.com")),
            ),
        ),
        (
            "I",
            "PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION",
            json!({"NotAction": "s3:*", "Action": null, "Resource": "*"}),
            json!({"NotAction": "iam:PassRole", "Action": null, "Resource": "*"}),
        ),
        (
            "I",
            "MISSING_PAIRED_CONDITION_KEYS",
            when("IpAddress", "aws:VpcSourceIp", json!("10.0.0.1")),
            json!({"Condition": {"IpAddress": {"aws:VpcSourceIp": "10.0.0.1"}, "StringEquals": {"aws:SourceVpc": "vpc-12345678"}}}),
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
            "I",
            "STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS",
            when("StringLike", "aws:SourceArn", json!("arn:aws:s3:::b*")),
            when("ArnLike", "aws:SourceArn", json!("arn:aws:s3:::b*")),
        ),
        (
            "I",
            "DYNAMODB_ATTRIBUTES_WITHOUT_SELECT",
            when("ForAllValues:StringEquals", "dynamodb:Attributes", json!("a")),
            json!({"Condition": {"ForAllValues:StringEquals": {"dynamodb:Attributes": "a"}, "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}}}),
        ),
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
        ("I", "EMPTY_ARRAY_ACTION", action(json!([])), json!({})),
        (
            "I",
            "EMPTY_ARRAY_CONDITION",
            when("StringEquals", "aws:userid", json!([])),
            when("StringEquals", "aws:userid", json!("a")),
        ),
        (
            "I",
            "EMPTY_ARRAY_CONDITION_FORALLVALUES",
            when("ForAllValues:StringEquals", "aws:TagKeys", json!([])),
            json!({}),
        ),
        (
            "I",
            "EMPTY_ARRAY_CONDITION_FORANYVALUE",
            when("ForAnyValue:StringEquals", "aws:TagKeys", json!([])),
            json!({}),
        ),
        ("I", "EMPTY_ARRAY_CONDITION_IFEXISTS", when("StringEqualsIfExists", "aws:userid", json!([])), json!({})),
        ("R", "EMPTY_ARRAY_PRINCIPAL", json!({"Principal": {"AWS": []}}), json!({})),
        ("I", "EMPTY_ARRAY_RESOURCE", json!({"Resource": []}), json!({})),
        ("I", "EMPTY_OBJECT_CONDITION", json!({"Condition": {}}), json!({})),
        ("R", "EMPTY_OBJECT_PRINCIPAL", json!({"Principal": {}}), json!({})),
        ("I", "EMPTY_SID_VALUE", json!({"Sid": ""}), json!({"Sid": "a"})),
        (
            "I",
            "EQUIVALENT_TO_NULL_FALSE",
            when("StringLike", "aws:PrincipalTag/a", json!("*")),
            when("StringLike", "aws:PrincipalTag/a", json!("b*")),
        ),
        (
            "I",
            "EQUIVALENT_TO_NULL_TRUE",
            when("StringNotLike", "aws:PrincipalTag/a", json!("*")),
            when("StringNotLike", "aws:PrincipalTag/a", json!("b*")),
        ),
        (
            "I",
            "IMPROVE_IP_RANGE",
            when("IpAddress", "aws:SourceIp", json!("203.0.113.7/24")),
            when("IpAddress", "aws:SourceIp", json!("203.0.113.0/24")),
        ),
        (
            "I",
            "NULL_WITH_QUALIFIER",
            when("ForAnyValue:Null", "aws:TagKeys", json!("true")),
            when("Null", "aws:TagKeys", json!("true")),
        ),
        (
            "I",
            "PRIVATE_IP_ADDRESS_SUBSET",
            when("IpAddress", "aws:SourceIp", json!(["10.0.0.0/8", "203.0.113.0/24"])),
            json!({}),
        ),
        (
            "I",
            "PRIVATE_NOT_IP_ADDRESS_SUBSET",
            when("NotIpAddress", "aws:SourceIp", json!(["10.0.0.0/8", "203.0.113.0/24"])),
            json!({}),
        ),
        ("I", "REDUNDANT_ACTION", action(json!(["s3:Get*", "s3:GetObject"])), action(json!(["s3:Get*", "s3:*Object"]))),
        (
            "I",
            "REDUNDANT_CONDITION_VALUE_NUM",
            when("NumericLessThan", "s3:max-keys", json!(["1", "2"])),
            when("NumericLessThan", "s3:max-keys", json!("2")),
        ),
        (
            "I",
            "REDUNDANT_RESOURCE",
            json!({"Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::b/a"]}),
            json!({"Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}),
        ),
        ("I", "WILDCARD_IN_SERVICE_NAME", action(json!("s*:Get")), action(json!("s3:Get*"))),
        (
            "I",
            "ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE",
            with(action(json!("sts:GetCallerIdentity")), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
            with(action(json!("sqs:SendMessage")), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
        ),
        (
            "I",
            "ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE",
            with(json!({"NotAction": "iam:*", "Action": null}), when("StringEquals", "aws:ResourceTag/a", json!("b"))),
            json!({}),
        ),
        (
            "R",
            "RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL",
            with(service.clone(), when("StringEquals", "aws:Referer", json!("a"))),
            with(service.clone(), source.clone()),
        ),
        ("B", "IRRELEVANT_CONDITION_KEY_IN_POLICY", when("StringEquals", "s3:ResourceAccount", json!(OWN)), json!({})),
        (
            "I",
            "REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION",
            when("StringLikeIfExists", "aws:PrincipalTag/a", json!("*")),
            when("StringLikeIfExists", "aws:PrincipalTag/a", json!("b*")),
        ),
        (
            "T",
            "REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY",
            json!({"Principal": {"AWS": ["arn:aws:iam::000000000000:role/r", "arn:aws:sts::000000000000:assumed-role/r/s"]}}),
            json!({"Principal": {"AWS": ["arn:aws:iam::000000000000:role/q", "arn:aws:sts::000000000000:assumed-role/r/s"]}}),
        ),
        (
            "I",
            "REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION",
            when("ForAnyValue:StringNotLike", "aws:TagKeys", json!("*")),
            when("ForAnyValue:StringNotLike", "aws:TagKeys", json!("a*")),
        ),
        (
            "T",
            "CONFIRM_AUDIENCE_CLAIM_TYPE",
            when("ForAllValues:StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
            when("StringEquals", "cognito-identity.amazonaws.com:aud", json!("a")),
        ),
    ]
}

/// The same for whole policies.
fn whole() -> Vec<(&'static str, &'static str, Json, Json)> {
    let plain = policy("I", &json!({}));
    let statement = plain["Statement"][0].clone();
    let twice = |kind: &str| {
        let one = policy(kind, &json!({"Sid": "a"}))["Statement"][0].clone();
        let mut other = one.clone();
        other["Effect"] = json!("Deny");
        json!({"Version": "2012-10-17", "Statement": [one, other]})
    };
    vec![
        ("I", "INVALID_VERSION", json!({"Version": "2020-01-01", "Statement": [statement]}), plain.clone()),
        ("I", "MISSING_STATEMENT", json!({"Version": "2012-10-17"}), plain.clone()),
        ("I", "MISSING_VERSION", json!({"Statement": [statement]}), plain.clone()),
        ("I", "UNIQUE_SIDS_REQUIRED", twice("I"), plain.clone()),
        ("R", "UNIQUE_SIDS_RECOMMENDED", twice("R"), policy("R", &json!({}))),
        (
            "I",
            "REDUNDANT_STATEMENT",
            json!({"Version": "2012-10-17", "Statement": [statement, statement]}),
            plain.clone(),
        ),
        (
            "I",
            "VARIABLE_UNSUPPORTED_IN_VERSION",
            json!({"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}]}),
            plain.clone(),
        ),
    ]
}

async fn codes(client: &Client, kind: &str, document: &str) -> Vec<String> {
    let found = ok(client, "ValidatePolicy", input(kind, document)).await;
    found["findings"].as_array().unwrap().iter().map(|f| f["issueCode"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_issue_is_found_where_it_is_and_nowhere_else() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let of_statements = cases().into_iter().map(|(kind, code, a, b)| (kind, code, policy(kind, &a), policy(kind, &b)));
    let all: Vec<_> = of_statements.chain(whole()).collect();
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
