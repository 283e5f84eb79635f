//! What changes between two sets of resources.

use indexmap::IndexMap;
use serde_json::{Value, json};
use undercast_cloudformation::template::{Action, KNOWN_AFTER_APPLY, ResolvedResource, diff};

fn set(resources: &[(&str, &str, Value)]) -> IndexMap<String, ResolvedResource> {
    let resource = |kind: &str, properties: &Value| ResolvedResource {
        resource_type: kind.to_owned(),
        properties: properties.as_object().cloned().unwrap_or_default(),
    };
    resources.iter().map(|(name, kind, properties)| ((*name).to_owned(), resource(kind, properties))).collect()
}

#[test]
fn changes() {
    let old = set(&[
        ("Same", "X", json!({"A": "80", "B": [1, {"C": true}]})),
        ("Changed", "X", json!({"Name": "a", "Tags": [{"Key": "k", "Value": "1"}, {"Key": "l"}], "Gone": 1})),
        ("Pending", "X", json!({"Role": "arn:1", "Name": "a"})),
        ("Retyped", "X", json!({})),
        ("Removed", "X", json!({})),
    ]);
    let new = set(&[
        ("Added", "X", json!({"A": 1})),
        ("Same", "X", json!({"B": ["1", {"C": "true"}], "A": 80})),
        ("Changed", "X", json!({"Name": "a", "Tags": [{"Key": "k", "Value": "2"}], "New": 1})),
        ("Pending", "X", json!({"Role": KNOWN_AFTER_APPLY, "Name": "a"})),
        ("Retyped", "Y", json!({})),
    ]);
    let told: Vec<String> = diff(&old, &new)
        .iter()
        .map(|change| {
            let paths = |paths: &[undercast_cloudformation::template::PropertyPath]| {
                paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            format!(
                "{} {:?} [{}] [{}]",
                change.logical,
                change.action,
                paths(&change.changed),
                paths(&change.uncertain)
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "Added Add [] []",
            "Same None [] []",
            "Changed Modify [/Properties/Tags/0/Value /Properties/Tags/1 /Properties/New /Properties/Gone] []",
            "Pending Modify [/Properties/Role] [/Properties/Role]",
            "Retyped Modify [] []",
            "Removed Remove [] []",
        ]
    );
    let changes = diff(&old, &new);
    assert_eq!(changes[2].changed[0].property(), "Tags");
    assert!(changes[4].type_changed);
    assert!(diff(&old, &old).iter().all(|change| change.action == Action::None));
}
