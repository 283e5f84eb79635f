//! What must hold for all templates.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use undercast_cloudformation::template::{Attributes, Stack, Template};

use crate::support::{Nothing, World, pseudo};

/// Any tree, with functions in the right and the wrong places. Names are mostly those of the template below, so that
/// most trees pass the static checks and reach the resolver.
fn tree() -> impl Strategy<Value = Value> {
    let names = vec!["A", "P", "L", "AWS::Region", "AWS::NoValue"];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z$!{}.:,/0-9 é]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["M", "k", "10.0.0.0/16", "::/0", "0", "4", "256", "C"]).prop_map(Value::from),
        prop::sample::select(names).prop_map(|name| json!({ "Ref": name })),
        prop::sample::select(vec!["${A}-${P}", "${A.Arn}${!x}", "${L}", "${", "$"])
            .prop_map(|text| json!({ "Fn::Sub": text })),
        prop::sample::select(vec!["Arn", "Nope"]).prop_map(|name| json!({ "Fn::GetAtt": ["A", name] })),
    ];
    let of_lists =
        vec!["Fn::Join", "Fn::Select", "Fn::Split", "Fn::FindInMap", "Fn::Cidr", "Fn::Equals", "Fn::Contains"];
    let of_one = vec!["Fn::ImportValue", "Fn::Base64", "Fn::GetAZs", "Fn::Length", "Fn::ToJsonString", "Condition"];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-zA-Z]{1,4}", inner.clone()), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            (inner.clone(), inner.clone()).prop_map(|(yes, no)| json!({ "Fn::If": ["C", yes, no] })),
            (prop::sample::select(of_one.clone()), inner.clone())
                .prop_map(|(name, argument)| json!({ name: argument })),
            (prop::sample::select(of_lists.clone()), prop::collection::vec(inner, 1..4))
                .prop_map(|(name, arguments)| json!({ name: arguments })),
        ]
    })
}

/// Any tree of booleans, now and then with something else in it.
fn boolean() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => (tree(), tree()).prop_map(|(a, b)| json!({ "Fn::Equals": [a, b] })),
        2 => Just(json!({ "Condition": "C" })),
        1 => tree(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| json!({ "Fn::Not": [one] })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "Fn::And": all })),
            prop::collection::vec(inner, 1..4).prop_map(|all| json!({ "Fn::Or": all })),
        ]
    })
}

fn with(property: &Value, condition: &Value, value: &Value) -> Value {
    json!({
        "Parameters": {"P": {"Type": "String", "Default": "x"}, "L": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Mappings": {"M": {"k": {"k": "v"}}},
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "x"]}, "D": condition},
        "Resources": {"A": {"Type": "X"}, "B": {"Type": "X", "Properties": {"Q": property}}},
        "Outputs": {"O": {"Value": value}}
    })
}

/// Resolves everything there is to resolve.
fn resolve_all(template: &Template, known: &dyn Attributes) {
    let Ok(parameters) = template.parameters(&indexmap::IndexMap::new()) else { return };
    let Ok(stack) = Stack::new(template, parameters, pseudo()) else { return };
    for (name, _) in stack.resources() {
        let _ = stack.properties(name, known);
        let _ = stack.planned_properties(name, known);
    }
    for (name, _) in stack.outputs() {
        let _ = stack.output(name, known);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_tree_breaks_the_resolver(property in tree(), value in tree()) {
        if let Ok(template) = Template::from_value(&with(&property, &json!({"Condition": "C"}), &value)) {
            resolve_all(&template, &World);
            resolve_all(&template, &Nothing);
        }
    }

    #[test]
    fn no_tree_breaks_a_condition(condition in boolean()) {
        if let Ok(template) = Template::from_value(&with(&json!(1), &condition, &json!(1))) {
            resolve_all(&template, &World);
        }
    }

    /// A plan of a template of which all is known is its properties.
    #[test]
    fn a_plan_of_the_known_is_the_outcome(property in tree()) {
        if let Ok(template) = Template::from_value(&with(&property, &json!({"Condition": "C"}), &json!(1)))
            && let Ok(parameters) = template.parameters(&indexmap::IndexMap::new())
            && let Ok(stack) = Stack::new(&template, parameters, pseudo())
        {
            prop_assert_eq!(stack.planned_properties("B", &World), stack.properties("B", &World));
        }
    }

    #[test]
    fn no_text_breaks_the_parser(text in "[a-zA-Z0-9:{}\\[\\]\"',!&*|>#%@`~.\\n \\t-]{0,120}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("Resources:\n  A:\n    Type: X\n    Properties:\n      P: {text}\n"));
    }

    /// What a resource needs is always in an earlier level, and every resource is in exactly one.
    #[test]
    fn the_order_respects_every_need(edges in prop::collection::vec((0usize..12, 0usize..12, any::<bool>()), 0..30)) {
        let mut resources: Map<String, Value> =
            (0..12).map(|index| (format!("R{index}"), json!({"Type": "X", "DependsOn": [], "Properties": {}}))).collect();
        // Only from greater to lesser, so that there is no circle.
        let edges: Vec<(usize, usize, bool)> = edges.into_iter().filter(|(from, to, _)| from > to).collect();
        for (from, to, by_reference) in &edges {
            let resource = &mut resources[&format!("R{from}")];
            if *by_reference {
                resource["Properties"][format!("P{to}")] = json!({"Fn::Sub": format!("${{R{to}.Arn}}")});
            } else if let Some(names) = resource["DependsOn"].as_array_mut() {
                names.push(format!("R{to}").into());
            }
        }
        let template = Template::from_value(&json!({ "Resources": resources }));
        let template = template.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let stack = Stack::new(&template, indexmap::IndexMap::new(), pseudo());
        let stack = stack.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut level_of = HashMap::new();
        for (level, names) in stack.levels().iter().enumerate() {
            for name in names {
                prop_assert!(level_of.insert((*name).to_owned(), level).is_none());
            }
        }
        prop_assert_eq!(level_of.len(), 12);
        for (from, to, _) in edges {
            let (from, to) = (level_of[&format!("R{from}")], level_of[&format!("R{to}")]);
            prop_assert!(from > to);
        }
    }
}
