//! What is known of the actions, resources and condition keys of services: `models/iam`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// A service, by what stands in front of its actions.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) service: String,
    pub(crate) actions: BTreeMap<String, Action>,
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) conditions: BTreeMap<String, Condition>,
}

/// An action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    #[serde(default)]
    pub(crate) resource_types: Vec<OnResource>,
    #[serde(default)]
    pub(crate) condition_keys: Vec<String>,
}

/// A type of resource on which an action is done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnResource {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) condition_keys: Vec<String>,
}

/// A type of resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) arn: String,
    #[serde(default)]
    pub(crate) condition_keys: Vec<String>,
}

/// A condition key.
#[derive(Debug, Deserialize)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// Facts that cannot be read are none, which tests would see.
static KNOWN: LazyLock<BTreeMap<String, Service>> = LazyLock::new(|| {
    let all: Vec<Service> =
        serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/facts.json"))).unwrap_or_else(|_| Vec::new());
    all.into_iter().map(|service| (service.service.clone(), service)).collect()
});

/// A service by its name, in any case.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    KNOWN.get(&name.to_ascii_lowercase())
}

/// The actions of a service that are done on one of these types of resources: `s3:GetObject`.
pub(crate) fn actions_on(name: &str, types: &[&str]) -> Vec<String> {
    let on = |action: &Action| action.resource_types.iter().any(|on| types.contains(&on.name.as_str()));
    let actions = service(name).into_iter().flat_map(|service| &service.actions);
    actions.filter(|(_, action)| on(action)).map(|(action, _)| format!("{name}:{action}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_can_be_read() {
        assert!(KNOWN.len() > 100, "{}", KNOWN.len());
        assert!(actions_on("sqs", &["queue"]).contains(&"sqs:SendMessage".to_owned()));
        assert!(!actions_on("s3", &["bucket"]).contains(&"s3:GetObject".to_owned()));
    }
}
