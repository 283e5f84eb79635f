//! Functions: what they give, what they refuse, what a plan knows of them.

use serde_json::{Value, json};
use undercast_cloudformation::template::{KNOWN_AFTER_APPLY, dynamic_references, replace_dynamic_references};

use crate::support::{Nothing, World, property};

#[test]
fn values() {
    let cases: Vec<(&str, Value)> = vec![
        ("!Ref Env", json!("dev")),
        ("!Ref Count", json!("3")),
        ("!Ref Ports", json!(["80", "443"])),
        ("!Ref Names", json!(["a", "b", "c"])),
        ("!Ref Queue", json!("queue-id")),
        ("!Ref AWS::Region", json!("us-east-1")),
        ("!Ref AWS::NotificationARNs", json!(["arn:aws:sns:us-east-1:111122223333:news"])),
        ("!GetAtt Queue.Arn", json!("Queue-Arn")),
        ("!GetAtt Queue.Outputs.A", json!("Queue-Outputs.A")),
        ("{'Fn::GetAtt': [Queue, !Ref Env]}", json!("Queue-dev")),
        (
            "!Sub 'a-${Env}-${Queue}-${Queue.Arn}-${!Literal}-${AWS::AccountId}-$x-${'",
            json!("a-dev-queue-id-Queue-Arn-${Literal}-111122223333-$x-${"),
        ),
        ("!Sub ['${Local}/${Env}', {Local: !Select [1, !Ref Names]}]", json!("b/dev")),
        ("!Join ['|', [a, 1, true, !Ref Env]]", json!("a|1|true|dev")),
        ("!Join ['|', !Ref Ports]", json!("80|443")),
        ("!Join ['|', [a, !Ref 'AWS::NoValue', b]]", json!("a|b")),
        ("!Select [1, [a, b, c]]", json!("b")),
        ("!Select ['0', !GetAZs '']", json!("us-east-1a")),
        ("!GetAZs eu-west-1", json!(["eu-west-1a", "eu-west-1b"])),
        ("!Split [',', 'a,,b']", json!(["a", "", "b"])),
        ("!Join ['-', !Split [',', 'a,b']]", json!("a-b")),
        ("!FindInMap [Regions, !Ref 'AWS::Region', Ami]", json!("ami-1")),
        ("!FindInMap [Regions, us-east-1, Zones]", json!(["x", "y"])),
        ("!FindInMap [Regions, nowhere, Ami, {DefaultValue: !Ref Env}]", json!("dev")),
        ("!If [IsProd, big, small]", json!("small")),
        ("!If [IsProd, !Ref Gone, !Ref Queue]", json!("queue-id")),
        ("!ImportValue shared-vpc", json!("vpc-1")),
        ("!ImportValue {'Fn::Sub': 'shared-${V}'}", json!(null)),
        ("!Base64 'hello world'", json!("aGVsbG8gd29ybGQ=")),
        (
            "!Cidr [192.168.0.0/24, 6, 5]",
            json!([
                "192.168.0.0/27",
                "192.168.0.32/27",
                "192.168.0.64/27",
                "192.168.0.96/27",
                "192.168.0.128/27",
                "192.168.0.160/27"
            ]),
        ),
        ("!Cidr [10.0.7.9/16, '2', '8']", json!(["10.0.0.0/24", "10.0.1.0/24"])),
        ("!Cidr ['2600:1f18:abc:de00::/56', 2, 64]", json!(["2600:1f18:abc:de00::/64", "2600:1f18:abc:de01::/64"])),
        ("!Length [a, b]", json!(2)),
        ("!ToJsonString {a: 1, b: !Ref Env}", json!(r#"{"a":1,"b":"dev"}"#)),
        (
            "{Keep: 1, Drop: !If [IsProd, x, !Ref 'AWS::NoValue'], List: [a, !Ref 'AWS::NoValue']}",
            json!({"Keep": 1, "List": ["a"]}),
        ),
        ("{Ref: x, Other: 1}", json!({"Ref": "x", "Other": 1})),
        ("{Condition: {StringEquals: {a: b}}}", json!({"Condition": {"StringEquals": {"a": "b"}}})),
    ];
    for (yaml, expected) in cases {
        // A null stands for: this one is to be refused, see below.
        if expected.is_null() {
            assert!(property(yaml, &World, false).is_err(), "{yaml}");
        } else {
            assert_eq!(property(yaml, &World, false), Ok(Some(expected)), "{yaml}");
        }
    }
    assert_eq!(property("!Ref AWS::NoValue", &World, false), Ok(None));
}

#[test]
fn refusals() {
    let cases = [
        ("!Select [3, [a, b]]", "Template error: Fn::Select cannot select nonexistent value at index 3"),
        (
            "!Select [x, [a]]",
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
        ),
        (
            "!Select [0, a]",
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
        ),
        ("!FindInMap [Regions, C, Suffix]", "Template error: Unable to get mapping for Regions::C::Suffix"),
        ("!ImportValue nothing", "No export named nothing found."),
        ("!GetAtt Queue.Nope", "Template error: resource Queue does not support attribute type Nope in Fn::GetAtt"),
        (
            "!Ref Gone",
            "Template format error: Unresolved resource dependencies [Gone] in the Resources block of the template",
        ),
        ("!Equals [a, b]", "Template error: Fn::Equals cannot be partially collapsed"),
        (
            "!Cidr [10.0.0.0/24, 9, 5]",
            "Template error: Fn::Cidr cannot fit 9 blocks with 5 subnet bits into 10.0.0.0/24",
        ),
        ("!Base64 [a]", "Template error: every Fn::Base64 object must have a String-typed value."),
        ("!If [IsProd, a]", "Template error: Fn::If requires a list argument with three elements"),
        (
            "!Join ['-', text]",
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        ),
    ];
    for (yaml, expected) in cases {
        let error = property(yaml, &World, false).map_err(|error| error.to_string());
        assert_eq!(error, Err(expected.to_owned()), "{yaml}");
    }
}

#[test]
fn a_plan_marks_what_it_does_not_know() {
    let mark = KNOWN_AFTER_APPLY;
    let cases = [
        ("!Ref Queue", json!(mark)),
        ("!Sub '${Queue}-x'", json!(mark)),
        ("!Join ['-', [a, !GetAtt Queue.Arn]]", json!(mark)),
        ("!Select [0, [a, !Ref Queue]]", json!("a")),
        ("!Select [1, [a, !Ref Queue]]", json!(mark)),
        ("!Base64 {Ref: Queue}", json!(mark)),
        ("!ToJsonString {a: !Ref Queue}", json!(mark)),
        ("{A: !Ref Queue, B: !Ref Env, C: [!GetAtt Queue.Arn, x]}", json!({"A": mark, "B": "dev", "C": [mark, "x"]})),
        ("!Length [!Ref Queue, b]", json!(2)),
    ];
    for (yaml, expected) in cases {
        assert_eq!(property(yaml, &Nothing, true), Ok(Some(expected)), "{yaml}");
    }
    let early = property("!GetAtt Queue.Arn", &Nothing, false).map_err(|error| error.to_string());
    assert_eq!(early, Err("the value of Queue.Arn is not known yet".into()));
}

#[test]
fn dynamic_references_are_found_and_replaced() {
    let value = json!({"A": "x-{{resolve:ssm:/path/name:1}}-{{resolve:secretsmanager:s:SecretString:k}}", "B": ["{{resolve:", "{{other}}"]});
    let found: Vec<String> =
        dynamic_references(&value).into_iter().map(|found| format!("{}|{}", found.service, found.key)).collect();
    assert_eq!(found, ["ssm|/path/name:1", "secretsmanager|s:SecretString:k"]);
    let replaced = replace_dynamic_references(&value, &mut |reference| Ok::<_, ()>(reference.service.clone()));
    assert_eq!(replaced, Ok(json!({"A": "x-ssm-secretsmanager", "B": ["{{resolve:", "{{other}}"]})));
}
