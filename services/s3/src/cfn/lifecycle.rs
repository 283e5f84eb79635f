//! `LifecycleConfiguration`: its rules are flat where S3's have a filter and an expiration, and keep old spellings.
//!
//! Source: "AWS::S3::Bucket Rule" in the template reference.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::Result;

use super::form::{Form, invalid, member, required};

/// The property, and beside the rules `TransitionDefaultMinimumObjectSize`.
pub(super) static LIFECYCLE: Form =
    Form::Structure(&[required("Rules", Form::List(&RULE)), member("TransitionDefaultMinimumObjectSize", Form::Text)]);

static RULE: Form = Form::Shaped(
    &Form::Structure(&[
        required("Status", Form::Text),
        member("Id", Form::Text).called("ID"),
        member("AbortIncompleteMultipartUpload", Form::Structure(&[required("DaysAfterInitiation", Form::Number)])),
        member("ExpirationDate", Form::Moment),
        member("ExpirationInDays", Form::Number),
        member("ExpiredObjectDeleteMarker", Form::Flag),
        member(
            "NoncurrentVersionExpiration",
            Form::Structure(&[
                required("NoncurrentDays", Form::Number),
                member("NewerNoncurrentVersions", Form::Number),
            ]),
        ),
        member("NoncurrentVersionExpirationInDays", Form::Number),
        member("NoncurrentVersionTransition", Form::Structure(&NONCURRENT_TRANSITION)),
        member("NoncurrentVersionTransitions", Form::List(&Form::Structure(&NONCURRENT_TRANSITION))),
        member("ObjectSizeGreaterThan", Form::Number),
        member("ObjectSizeLessThan", Form::Number),
        member("Prefix", Form::Text),
        member("TagFilters", Form::List(&Form::Structure(&super::forms::TAG))),
        member("Transition", Form::Structure(&TRANSITION)),
        member("Transitions", Form::List(&Form::Structure(&TRANSITION))),
    ]),
    rule,
);

static TRANSITION: [super::form::Member; 3] = [
    required("StorageClass", CLASS),
    member("TransitionDate", Form::Moment).called("Date"),
    member("TransitionInDays", Form::Number).called("Days"),
];

static NONCURRENT_TRANSITION: [super::form::Member; 3] = [
    required("StorageClass", CLASS),
    required("TransitionInDays", Form::Number).called("NoncurrentDays"),
    member("NewerNoncurrentVersions", Form::Number),
];

/// `Glacier` is how the class was once written.
const CLASS: Form = Form::Shaped(&Form::Text, |class, _| Ok(if class == "Glacier" { json!("GLACIER") } else { class }));

fn rule(given: Json, path: &str) -> Result<Json> {
    let Json::Object(mut rule) = given else { return Ok(given) };
    let expiration = expiration(&mut rule);
    if !expiration.is_empty() {
        rule.insert("Expiration".to_owned(), Json::Object(expiration));
    }
    if let Some(days) = rule.remove("NoncurrentVersionExpirationInDays") {
        instead(&mut rule, path, "NoncurrentVersionExpirationInDays", "NoncurrentVersionExpiration", {
            json!({"NoncurrentDays": days})
        })?;
    }
    for (one, many) in [("Transition", "Transitions"), ("NoncurrentVersionTransition", "NoncurrentVersionTransitions")]
    {
        if let Some(transition) = rule.remove(one) {
            instead(&mut rule, path, one, many, json!([transition]))?;
        }
    }
    let filter = filter(&mut rule);
    rule.insert("Filter".to_owned(), filter);
    Ok(Json::Object(rule))
}

/// Puts an old spelling in the place of the new one. A rule has one of them.
fn instead(rule: &mut Map<String, Json>, path: &str, old: &str, new: &str, value: Json) -> Result<()> {
    if rule.insert(new.to_owned(), value).is_some() {
        return Err(invalid(path, &format!("[{old}] and [{new}] cannot be specified together")));
    }
    Ok(())
}

fn expiration(rule: &mut Map<String, Json>) -> Map<String, Json> {
    let mut expiration = take(rule, &[("ExpirationDate", "Date"), ("ExpirationInDays", "Days")]);
    let marker = rule.remove("ExpiredObjectDeleteMarker");
    // S3 takes it alone; beside a date or days, one that is false says nothing.
    if let Some(marker) = marker.filter(|m| *m == true || expiration.is_empty()) {
        expiration.insert("ExpiredObjectDeleteMarker".to_owned(), marker);
    }
    expiration
}

/// Takes members out of a rule, under other names.
fn take(rule: &mut Map<String, Json>, names: &[(&str, &str)]) -> Map<String, Json> {
    names.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), rule.remove(*theirs)?))).collect()
}

/// What a rule is about: one thing stands alone, several stand in an `And`, and nothing is every key.
fn filter(rule: &mut Map<String, Json>) -> Json {
    let same = ["Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"].map(|name| (name, name));
    let mut filter = take(rule, &same);
    let mut tags = match rule.remove("TagFilters") {
        Some(Json::Array(tags)) => tags,
        _ => Vec::new(),
    };
    match (filter.len(), tags.len()) {
        (0, 0) => json!({"Prefix": ""}),
        (0, 1) => json!({"Tag": tags.remove(0)}),
        (1, 0) => Json::Object(filter),
        (_, 0) => json!({"And": filter}),
        _ => {
            filter.insert("Tags".to_owned(), Json::Array(tags));
            json!({"And": filter})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: &Json) -> Result<Json> {
        Ok(LIFECYCLE.read(&json!({"Rules": [rule]}), "L")?["Rules"][0].clone())
    }

    #[test]
    fn rules_become_those_of_s3() {
        for (given, wanted) in [
            (json!({"ExpirationInDays": "3"}), json!({"Expiration": {"Days": 3}, "Filter": {"Prefix": ""}})),
            (
                json!({"ExpirationDate": "2030-01-01", "ExpiredObjectDeleteMarker": false, "Prefix": "a/"}),
                json!({"Expiration": {"Date": "2030-01-01T00:00:00Z"}, "Filter": {"Prefix": "a/"}}),
            ),
            (
                json!({"ExpiredObjectDeleteMarker": "true", "ObjectSizeLessThan": "9"}),
                json!({"Expiration": {"ExpiredObjectDeleteMarker": true}, "Filter": {"ObjectSizeLessThan": 9}}),
            ),
            (
                json!({"NoncurrentVersionExpirationInDays": 1, "TagFilters": [{"Key": "k", "Value": 1}]}),
                json!({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Filter": {"Tag": {"Key": "k", "Value": "1"}}}),
            ),
            (
                json!({"Transition": {"StorageClass": "Glacier", "TransitionInDays": 1}, "Prefix": "p", "ObjectSizeGreaterThan": 7}),
                json!({"Transitions": [{"StorageClass": "GLACIER", "Days": 1}],
                       "Filter": {"And": {"Prefix": "p", "ObjectSizeGreaterThan": 7}}}),
            ),
            (
                json!({"NoncurrentVersionTransition": {"StorageClass": "GLACIER", "TransitionInDays": 1},
                       "TagFilters": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}),
                json!({"NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "NoncurrentDays": 1}],
                       "Filter": {"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}}),
            ),
        ] {
            let mut rule = given.clone();
            rule["Status"] = json!("Enabled");
            let mut found = read(&rule).unwrap_or_else(|e| panic!("{given}: {e}"));
            assert_eq!(found.as_object_mut().and_then(|f| f.remove("Status")), Some(json!("Enabled")));
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn an_old_and_a_new_spelling_do_not_go_together() {
        let to = json!({"StorageClass": "GLACIER", "TransitionInDays": 1});
        let refused = read(&json!({"Status": "Enabled", "Transition": to, "Transitions": [to]})).err();
        let wanted = "(#/L/Rules/0: [Transition] and [Transitions] cannot be specified together)";
        assert!(refused.is_some_and(|e| e.to_string().contains(wanted)));
    }
}
