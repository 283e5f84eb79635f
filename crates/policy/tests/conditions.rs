//! Operators, after the examples of "Condition operators" and "Multivalued context keys" in the IAM User Guide.

use undercast_policy::{MapContext, PolicyKind, Request, Wildcard};

use crate::support::{condition_holds, context, policy, role_session, user};

/// A condition, the keys of the request, whether it holds.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool);

#[test]
fn operators() {
    let cases: &[Case] = &[
        // String
        (
            r#"{"StringEquals":{"aws:PrincipalTag/job-category":"iamuser-admin"}}"#,
            &[("aws:PrincipalTag/job-category", "iamuser-admin")],
            true,
        ),
        (
            r#"{"StringEquals":{"aws:principaltag/JOB-category":"iamuser-admin"}}"#,
            &[("aws:PrincipalTag/job-category", "iamuser-admin")],
            true,
        ),
        (r#"{"StringEquals":{"k":"iamuser-admin"}}"#, &[("k", "iamUser-admin")], false),
        (r#"{"StringEquals":{"k":"*"}}"#, &[("k", "x")], false),
        (r#"{"StringEquals":{"k":"a"}}"#, &[], false),
        (r#"{"StringNotEquals":{"k":"a"}}"#, &[], true),
        (r#"{"StringNotEquals":{"k":["a","b"]}}"#, &[("k", "b")], false),
        (r#"{"StringNotEquals":{"k":["a","b"]}}"#, &[("k", "c")], true),
        (r#"{"StringEqualsIgnoreCase":{"k":"ÄbC"}}"#, &[("k", "äBc")], true),
        (r#"{"StringNotEqualsIgnoreCase":{"k":"abc"}}"#, &[("k", "ABC")], false),
        (r#"{"StringLike":{"k":["home/","home/${aws:username}/*"]}}"#, &[("k", "home/alice/x/y")], true),
        (r#"{"StringLike":{"k":"home/${aws:username}/*"}}"#, &[("k", "home/bob/x")], false),
        (r#"{"StringLike":{"k":"a?c"}}"#, &[("k", "aéc")], true),
        (r#"{"StringNotLike":{"k":"a*"}}"#, &[("k", "abc")], false),
        // Variables: missing key, default, literals
        (r#"{"StringEquals":{"k":"${aws:PrincipalTag/team}"}}"#, &[("k", "")], false),
        (r#"{"StringEquals":{"k":"${aws:PrincipalTag/team, 'company-wide'}"}}"#, &[("k", "company-wide")], true),
        (
            r#"{"StringEquals":{"k":"${aws:PrincipalTag/team, 'company-wide'}"}}"#,
            &[("k", "red"), ("aws:PrincipalTag/team", "red")],
            true,
        ),
        (r#"{"StringLike":{"k":"a${*}b"}}"#, &[("k", "axb")], false),
        (r#"{"StringLike":{"k":"a${*}${?}${$}b"}}"#, &[("k", "a*?$b")], true),
        (r#"{"StringLike":{"k":"${v}"}}"#, &[("k", "abc"), ("v", "*")], false),
        // Numeric
        (r#"{"NumericLessThanEquals":{"s3:max-keys":"10"}}"#, &[("s3:max-keys", "10")], true),
        (r#"{"NumericLessThan":{"k":"10"}}"#, &[("k", "10")], false),
        (r#"{"NumericGreaterThan":{"k":"9.5"}}"#, &[("k", "10")], true),
        (r#"{"NumericNotEquals":{"k":"10"}}"#, &[("k", "10.0")], false),
        (r#"{"NumericEquals":{"k":"9007199254740993"}}"#, &[("k", "9007199254740992")], false),
        (r#"{"NumericEquals":{"k":"10"}}"#, &[("k", "ten")], false),
        (r#"{"NumericLessThanIfExists":{"aws:MultiFactorAuthAge":"3600"}}"#, &[], true),
        // Date
        (
            r#"{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:01Z"}}"#,
            &[("aws:TokenIssueTime", "2020-01-01T00:00:02Z")],
            true,
        ),
        (
            r#"{"DateLessThan":{"aws:CurrentTime":"2020-06-30T23:59:59Z"}}"#,
            &[("aws:CurrentTime", "2020-07-01T00:00:00Z")],
            false,
        ),
        (r#"{"DateEquals":{"k":"2020-01-01T02:00:00+02:00"}}"#, &[("k", "1577836800")], true),
        (r#"{"DateEquals":{"k":"1577836800"}}"#, &[("k", "2020-01-01")], true),
        (r#"{"DateLessThanEquals":{"k":"2020"}}"#, &[("k", "2019-12-31T23:59:59.999Z")], true),
        // Bool, binary
        (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, &[("aws:SecureTransport", "false")], true),
        (r#"{"Bool":{"aws:SecureTransport":true}}"#, &[("aws:SecureTransport", "TRUE")], true),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, &[], false),
        (r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#, &[], true),
        (
            r#"{"BinaryEquals":{"key":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}"#,
            &[("key", "QmluYXJ5VmFsdWVJbkJhc2U2NA==")],
            true,
        ),
        // Addresses
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, &[("aws:SourceIp", "203.0.113.77")], true),
        (
            r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}"#,
            &[("aws:SourceIp", "2001:db8:1234:5678::1")],
            true,
        ),
        (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.5"}}"#, &[("aws:SourceIp", "203.0.113.6")], false),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, &[("aws:SourceIp", "::1")], false),
        (r#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, &[("aws:SourceIp", "fe80::1")], true),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, &[("aws:SourceIp", "203.0.113.6")], true),
        (r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, &[("aws:SourceIp", "203.0.113.77")], false),
        // ARNs: each of the six parts is checked separately
        (
            r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:123456789012:TOPIC-ID"}}"#,
            &[("aws:SourceArn", "arn:aws:sns:us-east-1:123456789012:TOPIC-ID")],
            true,
        ),
        (
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:123456789012:T*"}}"#,
            &[("aws:SourceArn", "arn:aws:sns:eu-west-1:123456789012:T:x")],
            true,
        ),
        (
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:T"}}"#,
            &[("aws:SourceArn", "arn:aws:sns:eu-west-1:123456789012:T")],
            false,
        ),
        (r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s*:1:2:b"}}"#, &[("aws:SourceArn", "arn:aws:sns:x:1:2:b")], false),
        (r#"{"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:T"}}"#, &[], true),
        (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/${aws:username}"}}"#, &[], true),
        // Null
        (r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, &[], true),
        (r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, &[("aws:TokenIssueTime", "2020-01-01")], false),
        (r#"{"Null":{"aws:TokenIssueTime":"false"}}"#, &[("aws:TokenIssueTime", "2020-01-01")], true),
        // Several operators and keys: all must hold
        (r#"{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}"#, &[("a", "1"), ("b", "2"), ("c", "true")], true),
        (r#"{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}"#, &[("a", "1"), ("b", "3"), ("c", "true")], false),
        // Keys that follow from the principal
        (r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333","aws:PrincipalType":"User"}}"#, &[], true),
        (r#"{"Bool":{"aws:PrincipalIsAWSService":"false"}}"#, &[], true),
    ];
    for (condition, keys, expected) in cases {
        assert_eq!(condition_holds(condition, &context(keys)), *expected, "{condition} with {keys:?}");
    }
}

#[test]
fn sets() {
    let all = r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["environment","cost-center"]}}"#;
    let any = r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["environment","cost-center"]}}"#;
    let all_not = r#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["environment"]}}"#;
    let any_not = r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["environment"]}}"#;
    let any_if_exists = r#"{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":["environment"]}}"#;
    let cases: &[(&str, Option<&[&str]>, bool)] = &[
        (all, Some(&["environment"]), true),
        (all, Some(&["environment", "cost-center"]), true),
        (all, Some(&["environment", "owner"]), false),
        (all, Some(&[]), true),
        (all, None, true),
        (any, Some(&["environment", "owner"]), true),
        (any, Some(&["owner"]), false),
        (any, Some(&[]), false),
        (any, None, false),
        (all_not, Some(&["owner"]), true),
        (all_not, Some(&["owner", "environment"]), false),
        (any_not, Some(&["owner", "environment"]), true),
        (any_not, Some(&["environment"]), false),
        (any_if_exists, None, false),
    ];
    for (condition, values, expected) in cases {
        let mut context = MapContext::new();
        if let Some(values) = values {
            context.set_many("aws:TagKeys", values.iter().map(|value| (*value).to_owned()).collect());
        }
        assert_eq!(condition_holds(condition, &context), *expected, "{condition} with {values:?}");
    }
}

#[test]
fn resources_and_actions() {
    let cases = [
        ("s3:GetObject", "arn:aws:s3:::b/*", "s3:GetObject", "arn:aws:s3:::b/c/d:e", true),
        ("S3:getobject", "arn:aws:s3:::b/*", "s3:GetObject", "arn:aws:s3:::b/c", true),
        ("s3:Get*", "arn:aws:s3:::B/*", "s3:GetObject", "arn:aws:s3:::b/c", false),
        ("s3:Get??????", "*", "s3:GetObject", "arn:aws:s3:::b/c", true),
        ("s3:*", "arn:aws:s3:::b", "sqs:SendMessage", "arn:aws:s3:::b", false),
        ("*", "arn:aws:sqs", "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q", true),
        ("*", "arn:aws:sqs:us-*:1:q?", "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q1", true),
        // A star does not reach over a colon in the first five parts.
        ("*", "arn:aws:sqs:*:q", "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q", false),
        ("*", "*", "s3:ListAllMyBuckets", "*", true),
        ("*", "arn:aws:s3:::*", "s3:ListAllMyBuckets", "*", false),
        ("*", "arn:aws:s3:::home/${aws:username}/*", "s3:GetObject", "arn:aws:s3:::home/alice/x", true),
        ("*", "arn:aws:s3:::home/${aws:username}/*", "s3:GetObject", "arn:aws:s3:::home/bob/x", false),
    ];
    let alice = user("alice");
    for (action, resource, asked_action, asked_resource, expected) in cases {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}}}"#
        );
        let request =
            Request { action: asked_action, resource: asked_resource, principal: &alice, context: &MapContext::new() };
        let allowed = policy(PolicyKind::Inline, &text).evaluate(&request).allowed.is_some();
        assert_eq!(allowed, expected, "{action} on {resource} for {asked_action} on {asked_resource}");
    }
}

#[test]
fn the_old_version_knows_no_variables() {
    let text = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}"#;
    let policy = policy(PolicyKind::Inline, text);
    let alice = user("alice");
    let context = MapContext::new();
    let ask = |resource| {
        policy.evaluate(&Request { action: "s3:x", resource, principal: &alice, context: &context }).allowed.is_some()
    };
    assert!(!ask("arn:aws:s3:::alice"));
    assert!(ask("arn:aws:s3:::${aws:username}"));
}

#[test]
fn a_session_is_known_by_its_role() {
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/deploy"},"StringLike":{"aws:userid":"AROAEXAMPLE:*"},"Null":{"aws:username":"true"}}}}"#;
    let session = role_session("deploy", "ci");
    let request = Request { action: "s3:x", resource: "*", principal: &session, context: &MapContext::new() };
    assert!(policy(PolicyKind::Inline, text).evaluate(&request).allowed.is_some());
}

#[test]
fn many_stars_do_not_blow_up() {
    let pattern = format!("{}b", "a*".repeat(200));
    assert!(!Wildcard::new(&pattern).matches(&"a".repeat(20_000)));
    assert!(Wildcard::ignoring_case("A*c").matches("abC"));
}
