//! Actions of a statement.

use undercast_kernel::policy::Wildcard;

use super::json::Node;
use super::{Kind, Look};
use crate::facts;

/// Services whose actions resource control policies may name.
///
/// Source: "List of AWS services that support RCPs" in the Organizations user guide.
const CONTROLLED: &[&str] = &[
    "aoss",
    "cognito-identity",
    "cognito-idp",
    "dynamodb",
    "ecr",
    "kms",
    "logs",
    "s3",
    "secretsmanager",
    "sqs",
    "sts",
];

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    let denied = statement.get("NotAction");
    if look.kind == Kind::ResourceControl
        && let Some(node) = denied
    {
        let details = "RCPs do not support the NotAction element. Update to use the Action element.";
        look.error("RCP_SYNTAX_ERROR_NOTACTION", details, &node.place);
    }
    for node in [statement.get("Action"), denied].into_iter().flatten() {
        let all: Vec<(&str, &Node)> = node.texts().collect();
        for (text, node) in &all {
            one(look, text, node);
        }
        redundant(look, node, &all);
    }
}

fn one(look: &mut Look<'_>, text: &str, node: &Node) {
    if look.kind == Kind::ServiceControl && text.trim_end_matches('*').contains('*') {
        let details = format!("SCP actions can include wildcards (*) only at the end of a string. Update {text}.");
        look.error("SCP_SYNTAX_ERROR_ACTION_WILDCARD", details, &node.place);
    }
    let Some((service, name)) = text.split_once(':') else {
        if look.kind == Kind::ResourceControl {
            // Every service is more than those that may be.
            controlled(look, text, node);
        }
        return;
    };
    if service.contains(['*', '?']) && service != "*" {
        let details = "Avoid using wildcards (*, ?) in the service name because it might grant unintended access to other AWS \
                       services with similar names.";
        return look.suggestion("WILDCARD_IN_SERVICE_NAME", details, &node.place);
    }
    if look.kind == Kind::ResourceControl {
        controlled(look, service, node);
    }
    unsupported(look, text, service, node);
    let Some(known) = facts::service(service) else { return };
    let pattern = Wildcard::ignoring_case(name);
    if !known.actions.keys().any(|action| pattern.matches(action)) {
        let meant = nearest(name, known.actions.keys().map(String::as_str));
        let details = match meant {
            Some(meant) => format!("The action {text} does not exist. Did you mean {service}:{meant}?"),
            None => format!("The action {text} does not exist."),
        };
        look.error("INVALID_ACTION", details, &node.place);
    }
}

fn controlled(look: &mut Look<'_>, service: &str, node: &Node) {
    if !CONTROLLED.contains(&service.to_lowercase().as_str()) {
        let details = "RCPs only support specifying select service prefixes in the Action element. Learn more here.";
        look.error("RCP_SYNTAX_ERROR_ACTION", details, &node.place);
    }
}

/// What the policy of a type of resource may speak of: the service, and the beginning of names.
pub(super) fn service_of(resource_type: &str) -> Option<&'static str> {
    match resource_type {
        "AWS::S3::Bucket" | "AWS::S3::AccessPoint" | "AWS::S3::MultiRegionAccessPoint" => Some("s3"),
        "AWS::S3ObjectLambda::AccessPoint" => Some("s3-object-lambda"),
        "AWS::DynamoDB::Table" => Some("dynamodb"),
        "AWS::IAM::AssumeRolePolicyDocument" => Some("sts"),
        _ => None,
    }
}

fn unsupported(look: &mut Look<'_>, text: &str, service: &str, node: &Node) {
    let Some(resource_type) = look.resource_type else { return };
    if service != "*" && service_of(resource_type).is_some_and(|own| !own.eq_ignore_ascii_case(service)) {
        let details = format!(
            "The action {text} is not supported for the resource-based policy attached to the resource type {resource_type}."
        );
        look.error("UNSUPPORTED_ACTION_IN_POLICY", details, &node.place);
    }
}

/// Whether a pattern matches all that another one does.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    // A wildcard of the narrow one is taken for a character that the wide one has no name for.
    let probe = |c: &str| narrow.replace('*', c).replace('?', "\u{e000}");
    let pattern = Wildcard::ignoring_case(wide);
    ["", "\u{e000}", "\u{e000}\u{e001}"].into_iter().all(|run| pattern.matches(&probe(run)))
}

fn redundant(look: &mut Look<'_>, node: &Node, all: &[(&str, &Node)]) {
    let is_redundant = |at: usize| {
        let (text, _) = all[at];
        all.iter()
            .enumerate()
            .any(|(other, (wide, _))| other != at && covers(wide, text) && (!covers(text, wide) || other < at))
    };
    let found: Vec<usize> = (0..all.len()).filter(|at| is_redundant(*at)).collect();
    let Some(first) = found.first() else { return };
    let details = format!(
        "The {} action(s) are redundant because they provide similar permissions. Update the policy to remove the redundant \
         action such as: {}.",
        found.len(),
        all[*first].0
    );
    let places: Vec<_> = found.iter().map(|at| &all[*at].1.place).collect();
    let places = if places.is_empty() { vec![&node.place] } else { places };
    look.tell(super::Impact::Suggestion, "REDUNDANT_ACTION", details, &places);
}

/// What somebody who wrote this may have meant: what takes fewest changes, and not very many.
fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let near = all.map(|other| (distance(&name, &other.to_lowercase()), other)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

/// How many characters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_what() {
        assert!(covers("s3:Get*", "s3:GetObject") && covers("*", "s3:*") && covers("s3:*", "S3:Get*"));
        assert!(!covers("s3:GetObject", "s3:Get*") && !covers("iam:Get*", "iam:*CredentialReport"));
        assert!(!covers("s3:a?", "s3:a*") && covers("s3:a*", "s3:a?"));
        assert_eq!((distance("abc", "abd"), distance("", "ab"), distance("kitten", "sitting")), (1, 2, 3));
    }
}
