//! Documents: which are refused, and with which of AWS's sentences.

use undercast_policy::{Policy, PolicyKind};

use crate::support::policy;

fn refused(kind: PolicyKind, text: &str) -> String {
    match Policy::parse(kind, text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(malformed) => malformed.to_string(),
    }
}

fn managed(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)
}

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
const ALLOW: &str = r#""Effect":"Allow","Action":"s3:ListBucket""#;
const BUCKET: &str = r#""Resource":"arn:aws:s3:::example_bucket""#;

/// Recorded from AWS, by way of the tests of moto (`test_iam_policies.py`).
#[test]
fn managed_policies_are_refused_in_awss_words() {
    let cases = [
        (format!("{{{ALLOW},{BUCKET},\"Extra\":1}}"), SYNTAX),
        (r#"["afd"]"#.into(), SYNTAX),
        ("[]".into(), SYNTAX),
        (format!(r#"{{"Effect":"invalid","Action":"s3:ListBucket",{BUCKET}}}"#), SYNTAX),
        (format!(r#"{{"Action":"s3:ListBucket",{BUCKET}}}"#), SYNTAX),
        (format!(r#"{{"Effect":"Allow","Action":"invalid",{BUCKET}}}"#), VENDOR),
        (r#"{"Effect":"Allow","Action":"invalid"}"#.into(), VENDOR),
        (format!(r#"{{"Effect":"Allow","NotAction":"",{BUCKET}}}"#), VENDOR),
        (format!(r#"{{"Effect":"Allow","Action":"a a:ListBucket",{BUCKET}}}"#), "Vendor a a is not valid"),
        (
            format!(r#"{{"Effect":"Allow","Action":"s3:List:Bucket",{BUCKET}}}"#),
            "Actions/Condition can contain only one colon.",
        ),
        (
            format!(r#"{{{ALLOW},"Resource":"invalid resource"}}"#),
            r#"Resource invalid resource must be in ARN format or "*"."#,
        ),
        (
            r#"{"Effect":"Allow","Action":"s:3:ListBucket","Resource":"sdfsadf"}"#.into(),
            r#"Resource sdfsadf must be in ARN format or "*"."#,
        ),
        (format!(r#"{{{ALLOW},"Resource":""}}"#), r#"Resource  must be in ARN format or "*"."#),
        (
            format!(r#"{{{ALLOW},"Resource":"a:bsdfdsafsad"}}"#),
            r#"Partition "bsdfdsafsad" is not valid for resource "arn:bsdfdsafsad:*:*:*:*"."#,
        ),
        (
            format!(r#"{{{ALLOW},"Resource":"a:b:c:d:e:f:g:h"}}"#),
            r#"Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h"."#,
        ),
        (
            format!(r#"{{{ALLOW},"Resource":"aws:s3:::example_bucket"}}"#),
            r#"Partition "s3" is not valid for resource "arn:s3:::example_bucket:*"."#,
        ),
        (
            format!(r#"{{{ALLOW},"Resource":["arn:error:s3:::example_bucket","arn:error:s3::example_bucket"]}}"#),
            r#"Partition "error" is not valid for resource "arn:error:s3:::example_bucket"."#,
        ),
        (format!("{{{ALLOW}}}"), "Policy statement must contain resources."),
        (format!(r#"{{{ALLOW},"Resource":[]}}"#), "Policy statement must contain resources."),
        (format!(r#"{{"Effect":"Allow",{BUCKET}}}"#), "Policy statement must contain actions."),
        (r#"{"Effect":"Allow"}"#.into(), "Policy statement must contain actions."),
        (format!(r#"{{"Effect":"Allow","Action":[],{BUCKET}}}"#), "Policy statement must contain actions."),
        (format!(r#"{{{ALLOW},"Resource":"arn:aws:s3::example_bucket"}}"#), LEGACY),
        (r#"{"Effect":"Allow","Resource":"arn:aws:s3::example_bucket"}"#.into(), LEGACY),
        (format!(r#"{{{ALLOW},"Resource":"arn:aws::::example_bucket"}}"#), LEGACY),
        (
            format!(r#"{{{ALLOW},"Resource":"arn:aws"}}"#),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (format!(r#"{{{ALLOW},"Resource":{{"a":"b"}}}}"#), SYNTAX),
        (format!(r#"{{{ALLOW},{BUCKET},"NotResource":[]}}"#), SYNTAX),
        (format!(r#"{{"NotAction":"s3:x",{ALLOW},{BUCKET}}}"#), SYNTAX),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":[]}}"#), SYNTAX),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"a":"b"}}}}"#), SYNTAX),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"x":{{"a":"1"}}}}}}"#), SYNTAX),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"ForAnyValue::StringEqualsIfExists":{{"a":"b"}}}}}}"#), SYNTAX),
        (format!(r#"{{"Sid":{{}},{ALLOW},{BUCKET}}}"#), SYNTAX),
        (
            format!(r#"[{{"Sid":"sdf",{ALLOW},{BUCKET}}},{{"Sid":"sdf","Effect":"Allow"}}]"#),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (format!(r#"{{"Effect":"denY","Action":"s3:x",{BUCKET}}}"#), LEGACY),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"DateGreaterThan":{{"a":"sdfdsf"}}}}}}"#), LEGACY),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"DateLessThan":{{"a":"9223372036854775808"}}}}}}"#), LEGACY),
        (format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"DateLessThan":{{"a":"234-13"}}}}}}"#), LEGACY),
        (
            format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"DateLessThan":{{"a":"2016-12-13t2:00:00.593194+1"}}}}}}"#),
            LEGACY,
        ),
        (format!(r#"{{{ALLOW},{BUCKET},"Principal":"*"}}"#), "Policy document should not specify a principal."),
        (
            format!(r#"{{"Sid":"a-b",{ALLOW},{BUCKET}}}"#),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (format!(r#"{{{ALLOW},{ALLOW},{BUCKET}}}"#), SYNTAX),
    ];
    for (statement, expected) in cases {
        assert_eq!(refused(PolicyKind::Managed, &managed(&statement)), expected, "{statement}");
    }
}

#[test]
fn the_version_is_checked_where_aws_checks_it() {
    let statement = format!("{{{ALLOW},{BUCKET}}}");
    let old = format!(r#"{{"Version":"2008-10-17","Statement":{statement}}}"#);
    let none = format!(r#"{{"Statement":{statement}}}"#);
    let too_old = "Policy document must be version 2012-10-17 or greater.";
    assert_eq!(refused(PolicyKind::Managed, &old), too_old);
    assert_eq!(refused(PolicyKind::Boundary, &none), too_old);
    policy(PolicyKind::Inline, &old);
    policy(PolicyKind::Session, &none);
    let unknown = format!(r#"{{"Version":"2013-10-17","Statement":{statement}}}"#);
    assert_eq!(refused(PolicyKind::Inline, &unknown), SYNTAX);
}

/// Also from moto's recordings: what looks wrong and is accepted.
#[test]
fn odd_documents_are_accepted() {
    let cases = [
        format!(r#"{{"Effect":"Allow","Action":"iam: asdf safdsf af ",{BUCKET}}}"#),
        format!(r#"{{{ALLOW},"Resource":["arn:aws:s3:::example_bucket","*"]}}"#),
        format!(r#"{{{ALLOW},"Resource":"arn:aws:fdsasf"}}"#),
        format!(r#"{{{ALLOW},"Resource":"arn:aws:ec2:us-east-1::example_bucket"}}"#),
        format!(r#"{{{ALLOW},{BUCKET},"Condition":{{}}}}"#),
        format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"a":{{}}}}}}"#),
        format!(r#"{{{ALLOW},{BUCKET},"Condition":{{"DateGreaterThan":{{"a":[]}}}}}}"#),
        format!(r#"[{{"Sid":"",{ALLOW},{BUCKET}}},{{"Sid":"",{ALLOW},{BUCKET}}}]"#),
        format!(
            r#"{{{ALLOW},{BUCKET},"Condition":{{"Bool":{{"aws:SecureTransport":true}},"NumericEquals":{{"a":5}}}}}}"#
        ),
    ];
    for statement in cases {
        policy(PolicyKind::Managed, &managed(&statement));
    }
}

#[test]
fn trust_policies_have_words_of_their_own() {
    let root = r#""Principal":{"AWS":"arn:aws:iam::111122223333:root"}"#;
    let cases = [
        (
            format!(r#"{{"Effect":"Allow",{root},"Action":"sts:AssumeRole","Resource":"*"}}"#),
            "Has prohibited field Resource",
        ),
        (r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#.into(), "Missing required field Principal"),
        (format!(r#"{{"Effect":"Allow",{root}}}"#), "Missing required field Action"),
        (format!(r#"{{{root},"Action":"sts:AssumeRole"}}"#), "Missing required field Effect"),
        (
            format!(r#"{{"Effect":"Allow",{root},"Action":"s3:GetObject"}}"#),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#"{"Effect":"Allow","Principal":{"Unknown":"x"},"Action":"sts:AssumeRole"}"#.into(),
            r#"Invalid principal in policy: "Unknown""#,
        ),
        ("[]".into(), "Could not parse the policy: Statement is empty!"),
    ];
    for (statement, expected) in cases {
        assert_eq!(refused(PolicyKind::Trust, &managed(&statement)), expected, "{statement}");
    }
    // Recorded from AWS: CreateRole with a document that is no JSON.
    assert_eq!(refused(PolicyKind::Trust, "nonsense"), "This policy contains invalid Json");
    assert_eq!(refused(PolicyKind::Managed, "nonsense"), SYNTAX);
    policy(
        PolicyKind::Trust,
        &managed(&format!(r#"{{"Effect":"Allow",{root},"Action":["sts:AssumeRole","sts:TagSession"]}}"#)),
    );
}

#[test]
fn organizations_has_one_sentence() {
    let sentence = "The provided policy document does not meet the requirements of the specified policy type.";
    assert_eq!(refused(PolicyKind::ServiceControl, "{}"), sentence);
    let with_principal = managed(r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}"#);
    assert_eq!(refused(PolicyKind::ServiceControl, &with_principal), sentence);
    policy(PolicyKind::ResourceControl, &with_principal);
    let named = managed(r#"{"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"}"#);
    assert_eq!(refused(PolicyKind::ResourceControl, &named), sentence);
}

#[test]
fn a_document_prints_as_it_was_written() {
    let text = r#"{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A","Effect":"Deny","NotPrincipal":{"AWS":["111122223333","arn:aws:iam::111122223333:root"],"Service":"sns.amazonaws.com"},"NotAction":"s3:Get*","Resource":["*","arn:aws:s3:::b"],"Condition":{"StringLike":{"a:b":["x","y"],"c:d":"z"},"Null":{"e:f":"true"}}}]}"#;
    let printed = policy(PolicyKind::Resource, text).document().to_value().to_string();
    assert_eq!(printed, text);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let deep = "[".repeat(100_000);
    assert_eq!(refused(PolicyKind::Inline, &deep), SYNTAX);
}
