//! Parsing and static checks, in CloudFormation's words.

use serde_json::json;
use undercast_cloudformation::template::{DeletionPolicy, Template, TemplateError};

use crate::support::template;

fn refused(text: &str) -> String {
    match Template::parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

const QUEUE: &str = "Resources:\n  Q: {Type: AWS::SQS::Queue}\n";

/// Marked (r): recorded from AWS.
#[test]
fn refusals() {
    let cases: &[(&str, &str)] = &[
        ("", "Template format error: unsupported structure."),
        ("just text", "Template format error: unsupported structure."),
        ("Description: x", "Template format error: At least one Resources member must be defined."),
        ("Resources: {}", "Template format error: At least one Resources member must be defined."),
        ("Resources: []", "Template format error: Resources must be a map."),
        ("Bogus: 1\nOther: 2\n", "Invalid template property or properties [Bogus, Other]"),
        (
            "AWSTemplateFormatVersion: 2009-09-09\nResources: {Q: {Type: A}}",
            "Template format error: unsupported value for AWSTemplateFormatVersion.",
        ),
        (
            "Resources:\n  A: {Properties: {}}\n",
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ), // (r)
        ("Resources:\n  A: text\n", "Template format error: Any Resources member must be an object."), // (r)
        (
            "Resources:\n  AWS::NoValue: {Type: X}\n",
            "Template format error: Resource name AWS::NoValue is non alphanumeric.",
        ), // (r)
        (
            "Parameters:\n  AWS::NoValue: {Type: String}\n",
            "Template format error: Parameter name AWS::NoValue is non alphanumeric.",
        ), // (r)
        ("Resources:\n  A: {Type: X, Invalid: 1}\n", "Invalid template resource property 'Invalid'"),  // (r)
        (
            "Resources:\n  A: {Type: X, Properties: {B: }}\n",
            "[/Resources/A/Properties/B] 'null' values are not allowed in templates",
        ),
        ("Mappings: {A: x}\n", "Template format error: Every Mappings member A must be a map"), // (r)
        (
            "Mappings: {A: {B: {C: {}}}}\n",
            "Template format error: [/Mappings/A/B] Every Mappings attribute must be a String or a List.",
        ),
        ("Parameters: {P: {Type: Strin}}\n", "Template format error: Unrecognized parameter type: Strin"),
        ("Parameters: {P: {}}\n", "Template format error: Every Parameters object must contain a Type member."),
        ("Transform: {Nome: x}\n", "Key Name of transform definition must be a string."), // (r)
        (
            "Resources:\n  A: {Type: X, Properties: {N: !Ref InvalidRef}}\n",
            "Template format error: Unresolved resource dependencies [InvalidRef] in the Resources block of the template",
        ), // (r)
        (
            "Resources:\n  A: {Type: X, DependsOn: NonExistingResource}\n",
            "Template format error: Unresolved resource dependencies [NonExistingResource] in the Resources block of the template",
        ), // (r)
        (
            "Resources:\n  A: {Type: X, Properties: {N: !GetAtt X.Arn}}\n",
            "Template error: instance of Fn::GetAtt references undefined resource X",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !GetAtt X}}\n",
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
        ), // (r)
        (
            "Resources:\n  A: {Type: X, Properties: {N: !Sub '${Nope}'}}\n",
            "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !Sub '${Nope.Arn}'}}\n",
            "Template error: instance of Fn::Sub references invalid resource attribute Nope.Arn",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !Sub '${a b}'}}\n",
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !Sub [x]}}\n",
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !If [MissingCondition, a, b]}}\n",
            "Template error: unresolved condition dependency MissingCondition in Fn::If",
        ), // (r)
        (
            "Resources:\n  A: {Type: X, Condition: Nope}\n",
            "Template format error: Unresolved condition dependency Nope in the Resources block of the template",
        ),
        (
            "Resources:\n  A: {Type: X, Properties: {N: !FindInMap [Nope, a, b]}}\n",
            "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template.",
        ),
        (
            "Conditions: {C: !Equals [!Ref Q, x]}\nResources:\n  Q: {Type: X}\n",
            "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Conditions block of the template",
        ),
        (
            "Resources:\n  Q: {Type: X}\nOutputs: {O: {Value: !Ref MyTopic}}\n",
            "Unresolved resource dependencies [MyTopic] in the Outputs block of the template",
        ), // (r)
        (
            "Resources:\n  Q: {Type: X}\nOutputs: {O: {Export: {Name: x}}}\n",
            "Template format error: Every Outputs member must contain a Value object",
        ), // (r)
        (
            "Resources:\n  Q: {Type: X}\nOutputs: {O: {Value: a, Export: {}}}\n",
            "Template format error: Output O is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens.",
        ),
        (
            "Resources:\n  Q: {Type: X, DeletionPolicy: Keep}\n",
            "Template format error: Unrecognized DeletionPolicy Keep for resource Q",
        ),
        (
            "Resources:\n  Q: {Type: X, Properties: {A: {'Fn::Nope': 1}}}\n",
            "Template error: Encountered unsupported function: Fn::Nope",
        ),
        (
            "Resources:\n  Q: {Type: X, Properties: {A: {'Fn::Sub': a, B: 1}}}\n",
            "Template error: Fn::Sub must be the only key of its object",
        ),
        (
            "Resources:\n  A: &x {Type: X}\n  B: *x\n",
            "Template error: YAML aliases are not allowed in CloudFormation templates",
        ),
        ("Resources:\n  'Fn::ForEach::Topics': [A, [b], {}]\n", "Fn::ForEach is not built in Undercast"),
        ("Hooks: {}\nResources:\n  Q: {Type: X}\n", "the Hooks section of templates is not built in Undercast"),
        ("{\"Resources\": {\"Bucket\" {}}}", "Template format error: JSON not well-formed. (line 1, column 25)"), // (r)
        ("Resources: [", "Template format error: YAML not well-formed. (line 2, column 1)"),
        ("Resources:\n  A: !Nope x\n", "Template format error: YAML not well-formed. (line 2, column 6)"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), *expected, "{text}");
    }
}

#[test]
fn json_and_yaml_are_the_same_template() {
    let yaml = "
AWSTemplateFormatVersion: 2010-09-09
Description: Both
Parameters:
  P: {Type: String, Default: 5}
Resources:
  B:
    Type: AWS::S3::Bucket
    DependsOn: A
    DeletionPolicy: Retain
    Properties:
      Name: !Sub '${P}-x'
      Arn: !GetAtt A.Outputs.Arn
      Many: [1, 2.5, true, no, '5', 0x10, 0644, 012345678901, 1e3, 22:22, 2012-10-17]
      Join: !Join [',', [a, !Ref P]]
  A: {Type: AWS::SNS::Topic}
";
    let json = json!({
        "AWSTemplateFormatVersion": "2010-09-09", "Description": "Both",
        "Parameters": {"P": {"Type": "String", "Default": 5}},
        "Resources": {
            "B": {"Type": "AWS::S3::Bucket", "DependsOn": ["A"], "DeletionPolicy": "Retain", "Properties": {
                "Name": {"Fn::Sub": "${P}-x"},
                "Arn": {"Fn::GetAtt": ["A", "Outputs.Arn"]},
                "Many": [1, 2.5, true, false, "5", 16, 420, "012345678901", "1e3", "22:22", "2012-10-17"],
                "Join": {"Fn::Join": [",", ["a", {"Ref": "P"}]]}}},
            "A": {"Type": "AWS::SNS::Topic"}}
    });
    let template = template(yaml);
    assert_eq!(Template::parse(&json.to_string()), Ok(template.clone()));
    assert_eq!(template.resources.keys().collect::<Vec<_>>(), ["B", "A"], "the order written is kept");
    assert_eq!(template.resources["B"].deletion_policy, Some(DeletionPolicy::Retain));
}

#[test]
fn transforms_are_listed() {
    // What a macro may define can be named before it has run.
    let text = "Transform: [AWS::Serverless-2016-10-31, {Name: Own, Parameters: {}}]\nGlobals: {}\nResources:\n  Q: {Type: X, Properties: {R: !Ref ServerlessRestApi}}\n";
    assert_eq!(template(text).transforms, ["AWS::Serverless-2016-10-31", "Own"]);
    let text = "Transform: AWS::LanguageExtensions\nResources:\n  Q: {Type: X, Properties: {R: !Ref Nope}}\n";
    assert!(refused(text).contains("Unresolved resource dependencies [Nope]"));
    for inner in ["{'Fn::Transform': {Name: Inner}}", "{A: {'Fn::Transform': {Name: Inner}}}"] {
        let text = format!("Resources:\n  Q: {{Type: X, Properties: {inner}}}\n");
        assert_eq!(refused(&text), "Fn::Transform is not built in Undercast");
    }
    let text = "Resources:\n  Q: {Type: X, Properties: {'Fn::If': [C, {}, {}]}}\n";
    assert_eq!(refused(text), "Encountered unsupported property Fn::If");
}

/// CloudFormation takes the last of two, in both notations; we say so.
#[test]
fn of_duplicate_keys_the_last_wins() {
    let yaml = template("Resources:\n  Q: {Type: A}\n  Q: {Type: B}\n");
    let json = template(r#"{"Resources": {"Q": {"Type": "A"}, "Q": {"Type": "B"}}}"#);
    for template in [yaml, json] {
        assert_eq!(template.resources["Q"].resource_type, "B");
        assert_eq!(template.duplicate_keys, ["Q"]);
    }
}

#[test]
fn sizes_and_depths_are_bounded() {
    let long = format!("{QUEUE}Description: {}", "x".repeat(60_000));
    assert!(matches!(Template::parse_body(&long), Err(TemplateError::BodyTooLong { limit: 51_200 })));
    assert_eq!(refused(&long), "Template format error: 'Description' length is greater than 1024.");
    assert!(matches!(Template::parse(&" ".repeat(1_000_001)), Err(TemplateError::TooLong { .. })));
    for open in ["[", "{\"a\":", "- ", "{a: "] {
        let deep = open.repeat(100_000);
        assert!(Template::parse(&deep).is_err());
    }
    let many: String = (0..501).map(|index| format!("  R{index}: {{Type: X}}\n")).collect();
    assert_eq!(
        refused(&format!("Resources:\n{many}")),
        "Template format error: Number of resources, 501, is greater than maximum allowed, 500"
    );
}
