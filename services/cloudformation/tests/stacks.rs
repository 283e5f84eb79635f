//! Which resources exist, in which order, and what they export.

use crate::support::{World, stack, template};

const CONDITIONS: &str = "
Parameters:
  Env: {Type: String, Default: dev}
  Size: {Type: String, Default: small}
Conditions:
  Both: !And [!Condition IsProd, !Condition IsBig]
  Either: !Or [!Condition IsProd, !Condition IsBig]
  IsDev: !Not [!Condition IsProd]
  IsProd: !Equals [!Ref Env, prod]
  IsBig: !Equals [!If [IsProd, big, !Ref Size], big]
Resources:
  Always: {Type: X}
  Prod: {Type: X, Condition: IsProd}
  Dev: {Type: X, Condition: IsDev, DependsOn: [Prod, Always]}
  Both: {Type: X, Condition: Both}
  Either: {Type: X, Condition: Either}
Outputs:
  ProdName: {Value: !Ref Prod, Condition: IsProd}
  Name: {Value: !GetAtt Always.Arn, Export: {Name: !Sub '${AWS::StackName}-name'}}
";

/// Values of parameters, the resources that exist, the outputs that exist.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

#[test]
fn conditions_decide() {
    let template = template(CONDITIONS);
    let cases: [Case; 3] = [
        (&[("Env", "prod")], &["Always", "Prod", "Both", "Either"], &["ProdName", "Name"]),
        (&[("Size", "big")], &["Always", "Dev", "Either"], &["Name"]),
        (&[], &["Always", "Dev"], &["Name"]),
    ];
    for (values, resources, outputs) in cases {
        let stack = stack(&template, values).expect("a stack");
        assert_eq!(stack.resources().map(|(name, _)| name).collect::<Vec<_>>(), resources);
        assert_eq!(stack.outputs().map(|(name, _)| name).collect::<Vec<_>>(), outputs);
    }
    let stack = stack(&template, &[]).expect("a stack");
    assert_eq!(stack.output("Name", &World), Ok(("Always-Arn".into(), Some("demo-name".into()))));
    assert_eq!(stack.dependencies("Dev"), ["Always"], "what does not exist is not waited for");
}

#[test]
fn conditions_that_cannot_be() {
    let cases = [
        ("A: !Not [!Condition Nope]", "Template error: unresolved condition dependency Nope in Condition"),
        ("A: !Not [!Condition B]\n  B: !Not [!Condition A]", "Circular dependency between conditions: [A, B]"),
        (
            "A: !And [!Equals [a, a]]",
            "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
        ),
        (
            "A: !Not [!Equals [a, a], !Equals [a, a]]",
            "Template error: every Fn::Not object requires a list with exactly 1 boolean parameter.",
        ),
        ("A: !Equals [a]", "Template error: every Fn::Equals object requires a list of 2 string parameters."),
        (
            "A: yes",
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
        ),
    ];
    for (conditions, expected) in cases {
        let template = template(&format!("Conditions:\n  {conditions}\nResources:\n  Q: {{Type: X}}\n"));
        assert_eq!(stack(&template, &[]).map(|_| ()).map_err(|error| error.to_string()), Err(expected.into()));
    }
}

#[test]
fn rules_are_checked() {
    let text = "
Parameters:
  Env: {Type: String, Default: test}
  Size: {Type: String, Default: small}
Rules:
  Sizes:
    RuleCondition: !Equals [!Ref Env, prod]
    Assertions:
      - Assert: {'Fn::Contains': [[large, huge], !Ref Size]}
        AssertDescription: production is large
Resources:
  Q: {Type: X}
";
    let template = template(text);
    let ask = |values: &[(&str, &str)]| stack(&template, values).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(ask(&[]), Ok(()));
    assert_eq!(ask(&[("Env", "prod"), ("Size", "large")]), Ok(()));
    let failed = "Template validation error: Rule Sizes failed to satisfy assertion: production is large";
    assert_eq!(ask(&[("Env", "prod")]), Err(failed.into()));
}

#[test]
fn levels() {
    let text = "
Resources:
  Subscription: {Type: X, Properties: {Topic: !Ref Topic, Queue: !GetAtt Queue.Arn}}
  Topic: {Type: X}
  Queue: {Type: X, Properties: {Dead: !Sub '${Dead.Arn}'}}
  Dead: {Type: X}
  Last: {Type: X, DependsOn: [Subscription], Metadata: {See: !Ref Topic}}
";
    let template = template(text);
    let stack = stack(&template, &[]).expect("a stack");
    let levels: Vec<Vec<&str>> = stack.levels().to_vec();
    assert_eq!(levels, [vec!["Topic", "Dead"], vec!["Queue"], vec!["Subscription"], vec!["Last"]]);
    assert_eq!(stack.deletion_levels().flatten().next(), Some(&"Last"));
}

#[test]
fn circles() {
    let text = "
Resources:
  Waits: {Type: X, DependsOn: A}
  A: {Type: X, Properties: {B: !Ref B}}
  B: {Type: X, Properties: {A: !Sub '${A.Arn}'}}
";
    let circle = template(text);
    let error = stack(&circle, &[]).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(error, Err("Circular dependency between resources: [A, B]".into()));
    let own = template("Resources:\n  A: {Type: X, DependsOn: A}\n");
    assert_eq!(
        stack(&own, &[]).map(|_| ()).map_err(|error| error.to_string()),
        Err("Circular dependency between resources: [A]".into())
    );
}
