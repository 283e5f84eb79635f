//! How CloudTrail tells of calls for data: which tables they are about, keys of items, and names of attributes in the place of what
//! these hold.
//!
//! Source: "Logging DynamoDB operations by using AWS CloudTrail" in the developer guide, whose examples show it.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::{Record, event_parameters, regions};
use undercast_wire::schema::Operation;

/// Members that hold what is in items, of which nothing is told.
const VALUES: &[&str] = &["ExclusiveStartKey", "ExpressionAttributeValues", "Parameters"];
/// Members that name attributes and say what these hold, are to hold or are held against.
const NAMED: &[&str] =
    &["AttributeUpdates", "Expected", "Item", "KeyConditions", "NewImage", "QueryFilter", "ScanFilter"];

/// The parameters without what is in items.
pub(crate) fn parameters(operation: &Operation, given: &Json) -> Json {
    event_parameters(operation, &told(given))
}

fn told(given: &Json) -> Json {
    match given {
        Json::Object(entries) => {
            let entries = entries.iter().filter(|(name, _)| !VALUES.contains(&name.as_str()));
            Json::Object(entries.map(|(name, json)| (name.clone(), member(name, json))).collect())
        }
        Json::Array(items) => items.iter().map(told).collect(),
        other => other.clone(),
    }
}

fn member(name: &str, json: &Json) -> Json {
    match (name, json) {
        (name, Json::Object(attributes)) if NAMED.contains(&name) => {
            Json::Array(attributes.keys().map(|attribute| json!(attribute)).collect())
        }
        ("Key", Json::Object(key)) => plain(key),
        ("Keys", Json::Array(keys)) => keys.iter().map(|key| key.as_object().map_or(Json::Null, plain)).collect(),
        // What is said in a statement may be a value as well as a name.
        ("Statement", _) => json!("HIDDEN_DUE_TO_SECURITY_REASONS"),
        (_, json) => told(json),
    }
}

/// A key as people write it: `{"Artist": "No One You Know"}`.
fn plain(key: &Map<String, Json>) -> Json {
    let value = |typed: &Json| typed.as_object().and_then(|of| of.values().next().cloned()).unwrap_or(Json::Null);
    Json::Object(key.iter().map(|(name, typed)| (name.clone(), value(typed))).collect())
}

/// The tables that a call is about.
pub(crate) fn resources(record: &Record, given: &Json) -> Vec<Json> {
    let mut names: Vec<String> = given["TableName"].as_str().map(ToOwned::to_owned).into_iter().collect();
    names.extend(given["RequestItems"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    for one in given["TransactItems"].as_array().into_iter().flatten() {
        let parts = one.as_object().into_iter().flatten();
        names.extend(parts.filter_map(|(_, part)| part["TableName"].as_str()).map(ToOwned::to_owned));
    }
    names.sort();
    names.dedup();
    let partition = regions::partition(&record.region);
    let arn = |name: String| {
        if name.starts_with("arn:") {
            return name;
        }
        format!("arn:{partition}:dynamodb:{}:{}:table/{name}", record.region, record.account)
    };
    let shown = names.into_iter().map(arn).map(|arn| {
        let account = arn.split(':').nth(4).unwrap_or(&record.account).to_owned();
        json!({"accountId": account, "type": "AWS::DynamoDB::Table", "ARN": arn})
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    #[test]
    fn what_is_in_items_is_not_told() {
        let operation = |name: &str| api::SERVICE.operations.iter().find(|o| o.name == name).copied();
        for (name, given, wanted) in [
            (
                "PutItem",
                json!({"TableName": "t", "Item": {"k": {"S": "a"}, "secret": {"S": "b"}}}),
                json!({"tableName": "t", "item": ["k", "secret"]}),
            ),
            (
                "UpdateItem",
                json!({"TableName": "t", "Key": {"k": {"S": "a"}}, "UpdateExpression": "SET #s = :s",
                    "ExpressionAttributeNames": {"#s": "secret"}, "ExpressionAttributeValues": {":s": {"S": "b"}}}),
                json!({"tableName": "t", "key": {"k": "a"}, "updateExpression": "SET #s = :s",
                    "expressionAttributeNames": {"#s": "secret"}}),
            ),
            (
                "BatchGetItem",
                json!({"RequestItems": {"t": {"Keys": [{"k": {"N": "1"}}]}}}),
                json!({"requestItems": {"t": {"keys": [{"k": "1"}]}}}),
            ),
            (
                "ExecuteStatement",
                json!({"Statement": "SELECT * FROM t WHERE k = 'a'", "Parameters": [{"S": "a"}]}),
                json!({"statement": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
            ),
        ] {
            assert_eq!(operation(name).map(|of| parameters(of, &given)), Some(wanted), "{name}");
        }
    }
}
