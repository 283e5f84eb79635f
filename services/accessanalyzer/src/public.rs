//! What it is that lets everybody in.
//!
//! A policy is public if it lets somebody in whom it knows nothing fixed of: who is in no account that it names, comes from no
//! network, resource or organization that it names, or says nothing of where they come from. Values with wildcards are not fixed.
//!
//! Source: "The meaning of public" in the S3 user guide, and CheckNoPublicAccess in the API reference.

use std::collections::BTreeSet;

use undercast_kernel::policy::{ConditionEntry, Document, PrincipalFacts, PrincipalKind, Version, fixes, narrowing};

use crate::checks::exactly;
use crate::reach::{Limits, Stranger, Undecided, meets};

/// The keys of services that say from where a request comes, as `narrowing` does of the global ones.
const OF_SERVICES: &[(&str, &[&str])] = &[
    ("s3", &["s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:accesspointnetworkorigin"]),
    ("kms", &["kms:calleraccount", "kms:viaservice"]),
    ("lambda", &["lambda:eventsourcetoken"]),
    ("sts", &["sts:externalid"]),
    ("elasticfilesystem", &["elasticfilesystem:accesspointarn"]),
];

/// The service of a type of resource, as it is called in front of actions.
pub(crate) fn service_of(resource_type: &str) -> &'static str {
    match resource_type.split("::").nth(1).unwrap_or_default() {
        "S3" => "s3",
        "KMS" => "kms",
        "Lambda" => "lambda",
        "IAM" => "sts",
        "EFS" => "elasticfilesystem",
        _ => "",
    }
}

fn of_service(service: &str) -> &'static [&'static str] {
    OF_SERVICES.iter().find(|(name, _)| *name == service).map_or(&[], |(_, keys)| keys)
}

/// Somebody of whom nothing is known.
fn is_stranger(principal: &PrincipalFacts) -> bool {
    match principal.kind {
        PrincipalKind::Anonymous => true,
        PrincipalKind::Service { .. } | PrincipalKind::Federated { .. } => false,
        PrincipalKind::AssumedRole { provider: Some(_), .. } => false,
        _ => principal.account == Stranger::ACCOUNT && principal.user_id.is_empty(),
    }
}

/// The entries of a policy that compare one of these keys with something fixed, each with one such value.
fn fixed(document: &Document, own: &[&str]) -> Vec<(ConditionEntry, Option<Version>)> {
    let entries = document.statements.iter().flat_map(|statement| &statement.conditions);
    let mut all = Vec::new();
    for entry in entries {
        let key = entry.key.to_lowercase();
        if !narrowing(&key) && !own.contains(&key.as_str()) {
            continue;
        }
        // What is left out by a condition is as well known as what is let in by it.
        let operator = crate::reach::base(&entry.operator).replace("Not", "");
        if operator != "Null" {
            let values = entry.values.iter().filter(|value| fixes(&key, value));
            let one = |value: &String| ConditionEntry {
                operator: operator.clone(),
                key: key.clone(),
                values: vec![value.clone()],
            };
            all.extend(values.map(one).map(|entry| (entry, document.version)));
        }
    }
    all
}

/// The statements of a policy that let everybody in.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn statements(document: &Document, service: &str) -> Result<BTreeSet<usize>, Undecided> {
    let own = of_service(service);
    let fixed = fixed(document, own);
    let value = |key: &str, found: Option<&[String]>| {
        let of_key = fixed.iter().filter(|(entry, _)| entry.key == key);
        !of_key.into_iter().any(|(entry, version)| {
            found.into_iter().flatten().any(|one| meets((entry, *version), key, std::slice::from_ref(one)))
        })
    };
    exactly(&[document], &Limits { principal: &is_stranger, value: &value, ..Limits::NONE }, |_| true)
}
