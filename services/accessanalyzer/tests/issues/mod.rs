//! Issues of policies: for each what has it and what has it not.

mod identity;
mod resource;

use super::*;

/// Kind, code, what a statement has that has the issue, and what one has that has it not.
type Case = (&'static str, &'static str, Json, Json);

/// A policy of a kind: identity, resource, bucket, trust, table, service control or resource control.
pub(crate) fn policy(kind: &str, statement: &Json) -> Json {
    let mut whole = match kind {
        "T" => json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sts:AssumeRole"}),
        "B" => {
            json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"})
        }
        "R" => json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sqs:SendMessage", "Resource": "*"}),
        "C" => json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
        "S" => json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
        _ => json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}),
    };
    for (key, value) in statement.as_object().unwrap() {
        if value.is_null() {
            whole.as_object_mut().unwrap().remove(key);
        } else {
            whole[key] = value.clone();
        }
    }
    json!({"Version": "2012-10-17", "Statement": [whole]})
}

fn when(operator: &str, key: &str, value: impl Into<Json>) -> Json {
    json!({"Condition": {operator: {key: value.into()}}})
}

fn with(mut statement: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!("{more} is no object") };
    statement.as_object_mut().unwrap().extend(more);
    statement
}

/// Kind, code, a policy that has the issue, and one that has it not.
pub(crate) fn all() -> Vec<Case> {
    let of_statements = identity::cases().into_iter().chain(resource::cases());
    let of_statements = of_statements.map(|(kind, code, a, b)| (kind, code, policy(kind, &a), policy(kind, &b)));
    of_statements.chain(whole()).collect()
}

/// Issues of whole policies.
fn whole() -> Vec<Case> {
    let plain = policy("I", &json!({}));
    let statement = plain["Statement"][0].clone();
    let twice = |kind: &str| {
        let one = policy(kind, &json!({"Sid": "a"}))["Statement"][0].clone();
        let mut other = one.clone();
        other["Effect"] = json!("Deny");
        json!({"Version": "2012-10-17", "Statement": [one, other]})
    };
    vec![
        ("I", "INVALID_VERSION", json!({"Version": "2020-01-01", "Statement": [statement]}), plain.clone()),
        ("I", "MISSING_STATEMENT", json!({"Version": "2012-10-17"}), plain.clone()),
        ("I", "MISSING_VERSION", json!({"Statement": [statement]}), plain.clone()),
        ("I", "UNIQUE_SIDS_REQUIRED", twice("I"), plain.clone()),
        ("R", "UNIQUE_SIDS_RECOMMENDED", twice("R"), policy("R", &json!({}))),
        (
            "I",
            "REDUNDANT_STATEMENT",
            json!({"Version": "2012-10-17", "Statement": [statement, statement]}),
            plain.clone(),
        ),
        (
            "I",
            "VARIABLE_UNSUPPORTED_IN_VERSION",
            json!({"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"}]}),
            plain.clone(),
        ),
    ]
}
