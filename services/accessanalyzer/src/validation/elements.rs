//! What a policy and its statements are made of.

use super::json::{Node, Value};
use super::{Kind, Look};

const OF_POLICIES: &[&str] = &["Id", "Statement", "Version"];
const OF_STATEMENTS: &[&str] =
    &["Action", "Condition", "Effect", "NotAction", "NotPrincipal", "NotResource", "Principal", "Resource", "Sid"];
const PAIRS: &[(&str, &str)] = &[("Action", "NotAction"), ("Principal", "NotPrincipal"), ("Resource", "NotResource")];

/// Characters that a policy may have.
///
/// Source: "IAM and AWS STS quotas" in the IAM user guide, "Quotas for AWS Organizations", and "Bucket policies" in the S3 user guide.
const MOST_OF_IDENTITY: usize = 6_144;
const MOST_OF_TRUST: usize = 2_048;
const MOST_OF_CONTROL: usize = 5_120;
const MOST_OF_BUCKET: usize = 20_480;

/// The policy as a whole.
pub(super) fn policy(look: &mut Look<'_>, root: &Node, text: &[char]) {
    let Some(entries) = root.object() else {
        return look.error("DATA_TYPE_MISMATCH", mismatch("Object"), &root.place);
    };
    for (key, _) in entries.iter().filter(|(key, _)| !OF_POLICIES.contains(&key.text.as_str())) {
        look.error("INVALID_POLICY_ELEMENT", format!("The policy element {} is not valid.", key.text), &key.place);
    }
    match root.get("Version") {
        None => {
            let details =
                "We recommend that you specify the Version element to help you with debugging permission issues.";
            look.warning("MISSING_VERSION", details, &root.place);
        }
        Some(node) => version(look, node),
    }
    if let Some(id) = root.get("Id").filter(|id| id.text().is_none()) {
        look.error("DATA_TYPE_MISMATCH", mismatch("String"), &id.place);
    }
    let statement = root.get("Statement");
    if statement.is_none_or(|node| node.list().is_some_and(<[Node]>::is_empty)) {
        look.error("MISSING_STATEMENT", "Add a statement to the policy", &root.place);
    }
    for node in statement.map_or(&[][..], Node::each).iter().filter(|node| node.object().is_none()) {
        look.error("DATA_TYPE_MISMATCH", mismatch("Object"), &node.place);
    }
    size(look, root, text);
}

fn mismatch(wanted: &str) -> String {
    format!("The text does not match the expected JSON data type {wanted}.")
}

fn version(look: &mut Look<'_>, node: &Node) {
    match node.text() {
        None => look.error("DATA_TYPE_MISMATCH", mismatch("String"), &node.place),
        Some("2012-10-17" | "2008-10-17") => {}
        Some(other) => {
            let details =
                format!("The version {other} is not valid. Use one of the following versions: 2012-10-17, 2008-10-17");
            look.error("INVALID_VERSION", details, &node.place);
        }
    }
}

/// Whether it is longer than a policy of its kind may be.
fn size(look: &mut Look<'_>, root: &Node, text: &[char]) {
    let all = text.len();
    let bare = text.iter().filter(|c| !c.is_whitespace()).count();
    let more = "We recommend that you use multiple granular policies.";
    match look.kind {
        Kind::Identity if bare > MOST_OF_IDENTITY => {
            let details = format!(
                "The {bare} characters in the identity policy, excluding whitespace, exceed the {MOST_OF_IDENTITY} character \
                 maximum for inline and managed policies. {more}"
            );
            look.warning("POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA", details, &root.place);
        }
        Kind::ServiceControl if all > MOST_OF_CONTROL => {
            let details = format!(
                "The {all} characters in the service control policy (SCP) exceed the {MOST_OF_CONTROL} character maximum for \
                 SCPs. {more}"
            );
            look.error("POLICY_SIZE_EXCEEDS_SCP_QUOTA", details, &root.place);
        }
        Kind::ResourceControl if all > MOST_OF_CONTROL => {
            let details = format!(
                "The {all} characters in the resource control policy (RCP) exceed the {MOST_OF_CONTROL} character maximum for \
                 RCPs. {more}"
            );
            look.error("POLICY_SIZE_EXCEEDS_RCP_QUOTA", details, &root.place);
        }
        Kind::Resource if look.is_trust() && bare > MOST_OF_TRUST => {
            let details = "The characters in the role trust policy, excluding whitespace, exceed the character maximum. We \
                 recommend that you request a role trust policy length quota increase using Service Quotas and AWS Support \
                 Center. If the quotas have already been increased, then you can ignore this warning.";
            look.warning("POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA", details, &root.place);
        }
        Kind::Resource if look.resource_type == Some("AWS::S3::Bucket") && all > MOST_OF_BUCKET => {
            let details = format!(
                "The {all} characters in the resource policy exceed the {MOST_OF_BUCKET} character maximum for resource \
                 policies. {more}"
            );
            look.warning("POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA", details, &root.place);
        }
        _ => {}
    }
}

/// The elements of a statement.
pub(super) fn statement(look: &mut Look<'_>, statement: &Node) {
    for (key, _) in statement.object().into_iter().flatten() {
        if !OF_STATEMENTS.contains(&key.text.as_str()) {
            look.error("INVALID_POLICY_ELEMENT", format!("The policy element {} is not valid.", key.text), &key.place);
        }
    }
    for (one, other) in PAIRS {
        if let (Some(first), Some(second)) = (statement.get(one), statement.get(other)) {
            let details = format!(
                "The policy elements {one} and {other} can not be used in the same statement. Remove one of these elements."
            );
            look.tell(super::Impact::Error, "UNSUPPORTED_ELEMENT_COMBINATION", details, &[&first.place, &second.place]);
        }
    }
    types(look, statement);
    effect(look, statement);
    sid(look, statement);
    missing(look, statement);
}

/// Texts, and lists of them.
fn types(look: &mut Look<'_>, statement: &Node) {
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        let Some(node) = statement.get(name) else { continue };
        for item in node.each().iter().filter(|item| item.text().is_none()) {
            look.error("DATA_TYPE_MISMATCH", mismatch("String"), &item.place);
        }
        if node.list().is_some_and(<[Node]>::is_empty) {
            let (code, what) = if name.ends_with("Action") {
                ("EMPTY_ARRAY_ACTION", "actions")
            } else {
                ("EMPTY_ARRAY_RESOURCE", "resources")
            };
            let details = format!("This statement includes no {what} and does not affect the policy. Specify {what}.");
            look.suggestion(code, details, &node.place);
        }
    }
    for name in ["Effect", "Sid"] {
        if let Some(node) = statement.get(name).filter(|node| node.text().is_none()) {
            look.error("DATA_TYPE_MISMATCH", mismatch("String"), &node.place);
        }
    }
    if let Some(node) = statement.get("Condition").filter(|node| node.object().is_none()) {
        look.error("DATA_TYPE_MISMATCH", mismatch("Object"), &node.place);
    }
}

fn effect(look: &mut Look<'_>, statement: &Node) {
    match statement.get("Effect") {
        None => {
            let details = "Add an Effect element to the policy statement with a value of Allow or Deny.";
            look.error("MISSING_EFFECT", details, &statement.place);
        }
        Some(Node { value: Value::Text(text), place }) if text != "Allow" && text != "Deny" => {
            look.error("INVALID_EFFECT", format!("The effect {text} is not valid. Use Allow or Deny."), place);
        }
        Some(_) => {}
    }
}

fn sid(look: &mut Look<'_>, statement: &Node) {
    let Some((text, node)) = statement.get("Sid").and_then(|node| Some((node.text()?, node))) else { return };
    if text.is_empty() {
        return look.suggestion("EMPTY_SID_VALUE", "Add a value to the empty string in the Sid element.", &node.place);
    }
    // Services that own policies of resources take more characters.
    let narrow = look.kind != Kind::Resource || look.is_trust();
    if narrow && !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let details =
            "Update the characters in the Sid element to use one of the following character types: [a-z, A-Z, 0-9]";
        look.error("UNSUPPORTED_SID", details, &node.place);
    }
}

fn missing(look: &mut Look<'_>, statement: &Node) {
    let has = |one: &str, other: &str| statement.get(one).or(statement.get(other)).is_some();
    if !has("Action", "NotAction") {
        let details = "Add an Action or NotAction element to the policy statement.";
        look.error("MISSING_ACTION", details, &statement.place);
    }
    // Who is asked of nothing but a policy of some resource may mean the trust policy of a role, which has none.
    let needs_resource = match look.kind {
        Kind::Resource => look.resource_type.is_some() && !look.is_trust(),
        _ => true,
    };
    if needs_resource && !has("Resource", "NotResource") {
        let details = "Add a Resource or NotResource element to the policy statement.";
        look.error("MISSING_RESOURCE", details, &statement.place);
    }
    if matches!(look.kind, Kind::Resource | Kind::ResourceControl) && !has("Principal", "NotPrincipal") {
        look.error("MISSING_PRINCIPAL", "Add a Principal element to the policy statement.", &statement.place);
    }
}
