//! Event selectors, basic and advanced: what a trail or an event data store takes of all events.
//!
//! Source: "EventSelector", "AdvancedEventSelector" and "AdvancedFieldSelector" in the API reference; "Logging data events" in the
//! user guide.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use undercast_kernel::AwsError;

use crate::api::errors;
use crate::api::kept::{AdvancedEventSelector, AdvancedFieldSelector, DataResource, EventSelector};

/// What is selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Selectors {
    Basic(Vec<EventSelector>),
    Advanced(Vec<AdvancedEventSelector>),
}

impl Default for Selectors {
    /// All management events.
    fn default() -> Self {
        Self::Basic(vec![basic(EventSelector::default())])
    }
}

/// A basic selector with what is meant where nothing is said.
pub(crate) fn basic(given: EventSelector) -> EventSelector {
    EventSelector {
        read_write_type: Some(given.read_write_type.unwrap_or_else(|| "All".to_owned())),
        include_management_events: Some(given.include_management_events.unwrap_or(true)),
        data_resources: Some(given.data_resources.unwrap_or_else(Vec::new)),
        exclude_management_event_sources: Some(given.exclude_management_event_sources.unwrap_or_else(Vec::new)),
    }
}

/// The sources of management events that can be left out.
const EXCLUDABLE: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
/// The types of data events that basic selectors know.
const BASIC_TYPES: [&str; 3] = ["AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"];
/// A trail has so many basic selectors, with so many data resources and so many conditions in advanced ones.
const MOST_BASIC: usize = 5;
const MOST_RESOURCES: usize = 250;
const MOST_VALUES: usize = 500;

fn bad(message: impl Into<String>) -> AwsError {
    errors::invalid_event_selectors_exception(message)
}

/// Checks basic selectors.
pub(crate) fn check_basic(all: &[EventSelector]) -> Result<(), AwsError> {
    if all.is_empty() || all.len() > MOST_BASIC {
        return Err(bad(format!("A trail must have at least one event selector, and at most {MOST_BASIC}.")));
    }
    let resources = || all.iter().flat_map(|one| one.data_resources.iter().flatten());
    if resources().map(|one| one.values.as_ref().map_or(0, Vec::len)).sum::<usize>() > MOST_RESOURCES {
        return Err(bad(format!("A trail can have at most {MOST_RESOURCES} data resources in its event selectors.")));
    }
    for one in resources() {
        let of = one.type_.as_deref().unwrap_or("");
        if !BASIC_TYPES.contains(&of) {
            return Err(bad(format!("The resource type {of} is not valid for basic event selectors.")));
        }
        let service = BASIC_TYPES.iter().zip(["s3", "lambda", "dynamodb"]).find(|(known, _)| **known == of);
        let service = service.map_or("", |(_, service)| service);
        let fits = |value: &String| value.split(':').nth(2) == Some(service) && value.starts_with("arn:");
        if let Some(value) = one.values.iter().flatten().find(|value| !fits(value)) {
            return Err(bad(format!("Value {value} for DataResources.Values is invalid.")));
        }
    }
    let excluded = all.iter().flat_map(|one| one.exclude_management_event_sources.iter().flatten());
    match excluded.into_iter().find(|source| !EXCLUDABLE.contains(&source.as_str())) {
        Some(source) => Err(bad(format!("Value {source} for ExcludeManagementEventSources is invalid."))),
        None => Ok(()),
    }
}

/// The categories of events, with the fields that select among them.
const CATEGORIES: [(&str, &[&str]); 3] = [
    ("Management", &["eventCategory", "eventSource", "readOnly"]),
    (
        "Data",
        &[
            "eventCategory",
            "eventName",
            "eventSource",
            "eventType",
            "readOnly",
            "resources.ARN",
            "resources.type",
            "sessionCredentialFromConsole",
            "userIdentity.arn",
        ],
    ),
    ("NetworkActivity", &["errorCode", "eventCategory", "eventName", "eventSource", "vpcEndpointId"]),
];
/// Categories that event data stores alone know; nothing else is selected in them.
const OF_STORES_ALONE: [&str; 2] = ["ActivityAuditLog", "Insight"];
/// More fields of management events, which event data stores know.
const OF_STORES: [&str; 4] = ["eventName", "eventType", "sessionCredentialFromConsole", "userIdentity.arn"];
/// Fields that can only be equal to something.
const EQUAL_ONLY: [&str; 4] = ["eventCategory", "readOnly", "resources.type", "sessionCredentialFromConsole"];

/// The operators of a field that are given.
fn operators(field: &AdvancedFieldSelector) -> Vec<(&'static str, &Vec<String>)> {
    let all = [
        ("Equals", &field.equals),
        ("StartsWith", &field.starts_with),
        ("EndsWith", &field.ends_with),
        ("NotEquals", &field.not_equals),
        ("NotStartsWith", &field.not_starts_with),
        ("NotEndsWith", &field.not_ends_with),
    ];
    all.into_iter().filter_map(|(name, values)| values.as_ref().map(|values| (name, values))).collect()
}

/// Checks advanced selectors. `store`: of an event data store rather than of a trail.
pub(crate) fn check_advanced(all: &[AdvancedEventSelector], store: bool) -> Result<(), AwsError> {
    if all.is_empty() {
        return Err(bad("At least one advanced event selector must be specified."));
    }
    let fields = || all.iter().flat_map(|one| &one.field_selectors);
    if fields().flat_map(operators).map(|(_, values)| values.len()).sum::<usize>() > MOST_VALUES {
        return Err(bad(format!("The advanced event selectors have more than {MOST_VALUES} values in all.")));
    }
    all.iter().try_for_each(|one| check_one(one, store))
}

fn check_one(selector: &AdvancedEventSelector, store: bool) -> Result<(), AwsError> {
    let named = |name: &str| selector.field_selectors.iter().find(|field| field.field == name);
    let one_value = |name: &str| match named(name).and_then(|field| field.equals.as_deref()) {
        Some([value]) => Some(value.as_str()),
        _ => None,
    };
    let Some(category) = one_value("eventCategory") else {
        return Err(bad("An advanced event selector must have the field eventCategory, equal to one value."));
    };
    let alone = store && OF_STORES_ALONE.contains(&category);
    let known = CATEGORIES.iter().find(|(name, _)| *name == category).map(|(_, known)| *known);
    let Some(known) = known.or(alone.then_some(&["eventCategory"])) else {
        return Err(bad(format!("The event category {category} is not valid.")));
    };
    for (at, field) in selector.field_selectors.iter().enumerate() {
        let name = field.field.as_str();
        let more = store && category == "Management" && OF_STORES.contains(&name);
        if !known.contains(&name) && !more {
            return Err(bad(format!("The field {name} is not valid for the event category {category}.")));
        }
        if selector.field_selectors.iter().take(at).any(|before| before.field == name) {
            return Err(bad(format!("The field {name} is given twice in an advanced event selector.")));
        }
        let given = operators(field);
        if given.is_empty() || given.iter().any(|(_, values)| values.is_empty()) {
            return Err(bad(format!("The field {name} needs an operator with at least one value.")));
        }
        if let Some((operator, _)) = given.iter().find(|(o, _)| *o != "Equals" && EQUAL_ONLY.contains(&name)) {
            return Err(bad(format!("The operator {operator} is not valid for the field {name}.")));
        }
    }
    if let Some(field) = named("readOnly")
        && !matches!(one_value("readOnly"), Some("true" | "false"))
    {
        return Err(bad(format!("The field {} must be equal to true or false.", field.field)));
    }
    match category {
        "Management" if !store => check_sources(named("eventSource")),
        "Data" => match one_value("resources.type") {
            Some(of) if is_type(of) => Ok(()),
            Some(of) => Err(bad(format!("The resource type {of} is not valid."))),
            None => Err(bad("A selector of data events must have the field resources.type, equal to one value.")),
        },
        "NetworkActivity" if one_value("eventSource").is_none() => {
            Err(bad("A selector of network activity events must have the field eventSource, equal to one value."))
        }
        _ => Ok(()),
    }
}

/// `AWS::S3::Object`
fn is_type(text: &str) -> bool {
    let parts: Vec<&str> = text.split("::").collect();
    parts.len() == 3 && parts[0] == "AWS" && parts.iter().all(|p| p.chars().all(char::is_alphanumeric) && !p.is_empty())
}

/// Of a trail's management events only some sources can be told apart, to leave them out.
fn check_sources(field: Option<&AdvancedFieldSelector>) -> Result<(), AwsError> {
    let Some(field) = field else { return Ok(()) };
    let good = operators(field)
        .iter()
        .all(|(operator, values)| *operator == "NotEquals" && values.iter().all(|v| EXCLUDABLE.contains(&v.as_str())));
    if good {
        return Ok(());
    }
    Err(bad(format!("The field eventSource can only be NotEquals {} for management events.", EXCLUDABLE.join(" or "))))
}

impl Selectors {
    /// Whether anything but management events is selected.
    pub(crate) fn has_data(&self) -> bool {
        match self {
            Self::Basic(all) => {
                all.iter().any(|one| one.data_resources.as_ref().is_some_and(|resources| !resources.is_empty()))
            }
            Self::Advanced(all) => {
                all.iter().any(|one| one.field_selectors.iter().any(|f| f.field == "resources.type"))
            }
        }
    }

    /// Whether somebody chose them.
    pub(crate) fn is_custom(&self) -> bool {
        *self != Self::default()
    }

    /// Whether an event is selected.
    pub(crate) fn select(&self, event: &Json) -> bool {
        match self {
            Self::Basic(all) => all.iter().any(|one| basic_selects(one, event)),
            Self::Advanced(all) => all.iter().any(|one| advanced_selects(one, event)),
        }
    }
}

fn basic_selects(selector: &EventSelector, event: &Json) -> bool {
    let read_only = event["readOnly"] == true;
    let wanted = match selector.read_write_type.as_deref() {
        Some("ReadOnly") => read_only,
        Some("WriteOnly") => !read_only,
        _ => true,
    };
    let excluded = |source: &str| selector.exclude_management_event_sources.iter().flatten().any(|one| one == source);
    wanted
        && match event["eventCategory"].as_str() {
            Some("Management") => {
                selector.include_management_events != Some(false)
                    && !excluded(event["eventSource"].as_str().unwrap_or_default())
            }
            Some("Data") => selector.data_resources.iter().flatten().any(|one| is_about(one, event)),
            _ => false,
        }
}

/// Whether an event is about one of these resources.
fn is_about(wanted: &DataResource, event: &Json) -> bool {
    let of = wanted.type_.as_deref();
    let mut resources = event["resources"].as_array().into_iter().flatten();
    resources.any(|resource| {
        let arn = resource["ARN"].as_str().or(resource["ARNPrefix"].as_str()).unwrap_or_default();
        let fits = |value: &String| {
            // `arn:aws:s3` is all of them; of objects the beginning is given, of others all.
            let parts = value.trim_end_matches(':').split(':').count();
            parts <= 3 || arn == value || (of == Some("AWS::S3::Object") && arn.starts_with(value.as_str()))
        };
        resource["type"].as_str() == of && wanted.values.iter().flatten().any(fits)
    })
}

fn advanced_selects(selector: &AdvancedEventSelector, event: &Json) -> bool {
    let (of_resources, of_event): (Vec<_>, Vec<_>) =
        selector.field_selectors.iter().partition(|field| field.field.starts_with("resources."));
    let text = |json: &Json| match json {
        Json::String(text) => Some(text.clone()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let field = |field: &&AdvancedFieldSelector| {
        let found = match field.field.as_str() {
            "userIdentity.arn" => text(&event["userIdentity"]["arn"]),
            "sessionCredentialFromConsole" => Some(text(&event[&field.field]).unwrap_or_else(|| "false".to_owned())),
            name => text(&event[name]),
        };
        agrees(field, found.as_deref())
    };
    of_event.iter().all(field)
        && (of_resources.is_empty() || {
            let mut resources = event["resources"].as_array().into_iter().flatten();
            resources.any(|resource| {
                of_resources.iter().all(|field| {
                    let name = if field.field == "resources.ARN" { "ARN" } else { "type" };
                    agrees(field, resource[name].as_str())
                })
            })
        })
}

/// Each operator that is given agrees with the value.
fn agrees(field: &AdvancedFieldSelector, value: Option<&str>) -> bool {
    let given = |test: fn(&str, &str) -> bool, wanted: &Vec<String>| {
        value.is_some_and(|value| wanted.iter().any(|one| test(value, one)))
    };
    operators(field).into_iter().all(|(operator, wanted)| match operator {
        "Equals" => given(|a, b| a == b, wanted),
        "StartsWith" => given(|a, b| a.starts_with(b), wanted),
        "EndsWith" => given(|a, b| a.ends_with(b), wanted),
        "NotEquals" => !given(|a, b| a == b, wanted),
        "NotStartsWith" => !given(|a, b| a.starts_with(b), wanted),
        _ => !given(|a, b| a.ends_with(b), wanted),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "values are written where they are needed")]

    use super::*;
    use serde_json::json;

    fn advanced(fields: Json) -> Selectors {
        let one: AdvancedEventSelector = serde_json::from_value(json!({"FieldSelectors": fields})).unwrap();
        Selectors::Advanced(vec![one])
    }

    fn event(category: &str, name: &str, read_only: bool, resources: Json) -> Json {
        json!({"eventCategory": category, "eventName": name, "readOnly": read_only, "eventSource": "s3.amazonaws.com",
            "userIdentity": {"arn": "arn:aws:iam::1:user/u"}, "resources": resources})
    }

    fn object(key: &str) -> Json {
        json!([{"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::b/{key}")}, {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}])
    }

    #[test]
    fn without_choice_all_management_events_are_selected() {
        let all = Selectors::default();
        assert!(all.select(&event("Management", "CreateBucket", false, json!([]))));
        assert!(all.select(&event("Management", "ListBuckets", true, json!([]))));
        assert!(!all.select(&event("Data", "PutObject", false, object("k"))) && !all.has_data() && !all.is_custom());
    }

    #[test]
    fn basic_selectors_know_what_an_event_is_about() {
        let one = |selector: Json| Selectors::Basic(vec![basic(serde_json::from_value(selector).unwrap())]);
        let of = |values: Json| {
            one(json!({"ReadWriteType": "WriteOnly", "IncludeManagementEvents": false,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": values}]}))
        };
        let put = event("Data", "PutObject", false, object("logs/1"));
        for values in [json!(["arn:aws:s3"]), json!(["arn:aws:s3:::b/"]), json!(["arn:aws:s3:::b/logs/"])] {
            assert!(of(values.clone()).select(&put), "{values}");
        }
        assert!(!of(json!(["arn:aws:s3:::b/other/"])).select(&put));
        assert!(!of(json!(["arn:aws:s3"])).select(&event("Data", "GetObject", true, object("logs/1"))));
        assert!(!of(json!(["arn:aws:s3"])).select(&event("Management", "CreateBucket", false, json!([]))));
        let without = one(json!({"ExcludeManagementEventSources": ["kms.amazonaws.com"]}));
        let mut of_kms = event("Management", "Encrypt", true, json!([]));
        assert!(without.select(&of_kms));
        of_kms["eventSource"] = json!("kms.amazonaws.com");
        assert!(!without.select(&of_kms));
    }

    #[test]
    fn all_fields_of_an_advanced_selector_agree() {
        let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
        let of = json!({"Field": "resources.type", "Equals": ["AWS::S3::Object"]});
        let put = event("Data", "PutObject", false, object("logs/1"));
        for (more, wanted) in [
            (json!({"Field": "readOnly", "Equals": ["false"]}), true),
            (json!({"Field": "readOnly", "Equals": ["true"]}), false),
            (json!({"Field": "eventName", "StartsWith": ["Put", "Delete"]}), true),
            (json!({"Field": "eventName", "NotEquals": ["PutObject"]}), false),
            (json!({"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::b/logs/"]}), true),
            (json!({"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::b/logs/"]}), false),
            (json!({"Field": "userIdentity.arn", "EndsWith": ["user/u"]}), true),
            (json!({"Field": "sessionCredentialFromConsole", "Equals": ["true"]}), false),
        ] {
            assert_eq!(advanced(json!([data, of, more])).select(&put), wanted, "{more}");
        }
        // The type is of the same resource as the ARN.
        let bucket = json!({"Field": "resources.ARN", "Equals": ["arn:aws:s3:::b"]});
        assert!(!advanced(json!([data, of, bucket])).select(&put));
    }

    #[test]
    fn what_cannot_be_selected_is_refused() {
        let check = |fields: Json| match advanced(fields) {
            Selectors::Advanced(all) => check_advanced(&all, false),
            Selectors::Basic(_) => Ok(()),
        };
        let management = json!({"Field": "eventCategory", "Equals": ["Management"]});
        let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
        for fields in [
            json!([]),
            json!([{"Field": "eventCategory", "Equals": ["Other"]}]),
            json!([{"Field": "eventCategory", "NotEquals": ["Data"]}]),
            json!([management, management]),
            json!([management, {"Field": "eventName", "Equals": ["x"]}]),
            json!([management, {"Field": "readOnly", "Equals": ["maybe"]}]),
            json!([management, {"Field": "readOnly"}]),
            json!([management, {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]}]),
            json!([data]),
            json!([data, {"Field": "resources.type", "Equals": ["S3"]}]),
            json!([data, {"Field": "resources.type", "StartsWith": ["AWS::S3::Object"]}]),
        ] {
            assert!(check(fields.clone()).is_err(), "{fields}");
        }
        assert!(check(json!([management, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}])).is_ok());
    }
}
