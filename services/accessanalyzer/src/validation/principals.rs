//! Principals of a statement.

use undercast_kernel::arn::Arn;

use super::json::{Node, Value};
use super::{Kind, Look};

const KEYS: &[&str] = &["AWS", "CanonicalUser", "Federated", "Service"];

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    for name in ["Principal", "NotPrincipal"] {
        let Some(node) = statement.get(name) else { continue };
        match look.kind {
            Kind::ServiceControl => {
                let details =
                    "SCPs do not support specifying principals. Remove the Principal or NotPrincipal element.";
                look.error("SCP_SYNTAX_ERROR_PRINCIPAL", details, &node.place);
                continue;
            }
            Kind::Identity => {
                let details = "The policy type IDENTITY_POLICY does not support the Principal element. Remove the Principal element.";
                look.error("UNSUPPORTED_PRINCIPAL", details, &node.place);
                continue;
            }
            Kind::ResourceControl if name == "NotPrincipal" || node.text() != Some("*") => {
                let details = "The Principal element contents are not valid. RCPs only support specifying all principals \
                               (\"*\") in the Principal element. The NotPrincipal element is not supported for RCPs.";
                look.error("RCP_SYNTAX_ERROR_PRINCIPAL", details, &node.place);
                continue;
            }
            _ => {}
        }
        element(look, node);
    }
    let allows = statement.get("Effect").and_then(Node::text) == Some("Allow");
    if look.kind == Kind::ResourceControl && allows {
        allowing_control(look, statement);
    }
    if let Some(node) = statement.get("NotPrincipal").filter(|_| allows && look.kind == Kind::Resource) {
        let details =
            "Using Allow with NotPrincipal can be overly permissive. We recommend that you use Principal instead.";
        look.security("ALLOW_WITH_NOT_PRINCIPAL", details, &node.place);
    }
}

fn allowing_control(look: &mut Look<'_>, statement: &Node) {
    let everything = statement.get("Resource").is_some_and(|node| node.texts().all(|(text, _)| text == "*"));
    let everybody = statement.get("Principal").is_some_and(|node| node.text() == Some("*"));
    if !everything || !everybody || statement.get("Condition").is_some() {
        let details = "RCPs only support specifying all principals (\"*\") in the Principal element, all resources (\"*\") in \
                       the Resource element, and no Condition element with an effect of Allow.";
        look.error("RCP_SYNTAX_ERROR_ALLOW", details, &statement.place);
    }
}

fn element(look: &mut Look<'_>, node: &Node) {
    let malformed = "The Principal element contents are not valid. Specify a key-value pair in the Principal element.";
    match &node.value {
        Value::Text(text) if text == "*" => {}
        Value::Object(entries) if entries.is_empty() => {
            let details = "This statement includes no principals and does not affect the policy. Specify principals.";
            look.suggestion("EMPTY_OBJECT_PRINCIPAL", details, &node.place);
        }
        Value::Object(entries) => {
            for (key, node) in entries {
                if !KEYS.contains(&key.text.as_str()) {
                    let details = format!("The principal key {} is not valid.", key.text);
                    look.error("INVALID_PRINCIPAL_KEY", details, &key.place);
                    continue;
                }
                if node.list().is_some_and(<[Node]>::is_empty) {
                    let details =
                        "This statement includes no principals and does not affect the policy. Specify principals.";
                    look.suggestion("EMPTY_ARRAY_PRINCIPAL", details, &node.place);
                }
                for (text, node) in node.texts() {
                    one(look, &key.text, text, node);
                }
            }
        }
        _ => look.error("INVALID_PRINCIPAL_FORMAT", malformed, &node.place),
    }
}

fn one(look: &mut Look<'_>, key: &str, text: &str, node: &Node) {
    let everybody = key == "AWS" && text == "*";
    if text.contains(['*', '?']) && !everybody {
        let details = format!(
            "Wildcards (*, ?) are not supported with the principal key {key}. Replace the wildcard with a valid principal \
             value."
        );
        return look.error("UNSUPPORTED_WILDCARD_IN_PRINCIPAL", details, &node.place);
    }
    if key == "Federated" && look.resource_type.is_some() && !look.is_trust() {
        let details = "The policy type does not support a federated identity provider in the principal element. Use a \
                       supported principal.";
        look.error("FEDERATED_PRINCIPAL_NOT_SUPPORTED", details, &node.place);
    }
    if key != "AWS" || everybody {
        return;
    }
    if let Some((code, what, kind)) = reference(text) {
        let details =
            format!("The Principal element includes the IAM {kind} ID {text}. We recommend that you use a {what}.");
        return look.warning(code, details, &node.place);
    }
    if !is_aws(text) {
        let details =
            "The Principal element contents are not valid. Specify a key-value pair in the Principal element.";
        look.error("INVALID_PRINCIPAL_FORMAT", details, &node.place);
    }
}

/// Users and roles that are named by their unique ids.
fn reference(text: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let plain = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.get(..4).filter(|_| plain)? {
        "AROA" => Some(("INVALID_ROLE_REFERENCE", "role ARN instead", "role")),
        "AIDA" => Some(("INVALID_USER_REFERENCE", "user ARN instead", "user")),
        _ => None,
    }
}

fn is_aws(text: &str) -> bool {
    let account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let arn = Arn::parse(text).is_some_and(|arn| matches!(arn.service.as_str(), "iam" | "sts"));
    account || arn
}
