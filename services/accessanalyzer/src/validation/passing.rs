//! Actions by which one gets what others may do: passing roles, and making service-linked ones.

use undercast_kernel::policy::Wildcard;

use super::json::Node;
use super::trust::keys;
use super::{Impact, Kind, Look};

/// An action, how its issues matter, and what they are called and say.
struct Risky {
    action: &'static str,
    impact: Impact,
    /// By whether actions have wildcards (`Some`), or are left out (`None`), and whether resources are left out.
    issues: [(&'static str, &'static str); 6],
}

const STAR_AND_NOT: usize = 1;
const NOT_AND_NOT: usize = 2;
const STAR: usize = 3;
const STARS: usize = 4;
const STAR_AND_NOT_ACTION: usize = 5;

const PASS: Risky = Risky {
    action: "iam:PassRole",
    impact: Impact::Security,
    issues: [
        (
            "PASS_ROLE_WITH_NOT_RESOURCE",
            "Using the iam:PassRole action with NotResource can be overly permissive because it can allow iam:PassRole \
             permissions on multiple resources. We recommend that you specify resource ARNs instead.",
        ),
        (
            "PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE",
            "Using an action with a wildcard(*) and NotResource can be overly permissive because it can allow iam:PassRole \
             permissions on multiple resources. We recommend that you specify resource ARNs instead.",
        ),
        (
            "PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE",
            "Using NotAction with NotResource can be overly permissive because it can allow iam:PassRole permissions on \
             multiple resources.. We recommend that you specify resource ARNs instead.",
        ),
        (
            "PASS_ROLE_WITH_STAR_IN_RESOURCE",
            "Using the iam:PassRole action with wildcards (*) in the resource can be overly permissive because it allows \
             iam:PassRole permissions on multiple resources. We recommend that you specify resource ARNs or add the \
             iam:PassedToService condition key to your statement.",
        ),
        (
            "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE",
            "Using wildcards (*) in the action and the resource can be overly permissive because it allows iam:PassRole \
             permissions on all resources. We recommend that you specify resource ARNs or add the iam:PassedToService \
             condition key to your statement.",
        ),
        (
            "PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION",
            "Using a resource with wildcards (*) and NotAction can be overly permissive because it allows iam:PassRole \
             permissions on all resources. We recommend that you specify resource ARNs or add the iam:PassedToService \
             condition key to your statement.",
        ),
    ],
};

const LINK: Risky = Risky {
    action: "iam:CreateServiceLinkedRole",
    impact: Impact::Warning,
    issues: [
        (
            "CREATE_SLR_WITH_NOT_RESOURCE",
            "Using the iam:CreateServiceLinkedRole action with NotResource can allow creation of unintended service-linked \
             roles for multiple resources. We recommend that you specify resource ARNs instead.",
        ),
        (
            "CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE",
            "Using an action with a wildcard(*) and NotResource can allow creation of unintended service-linked roles because \
             it can allow iam:CreateServiceLinkedRole permissions on multiple resources. We recommend that you specify \
             resource ARNs instead.",
        ),
        (
            "CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE",
            "Using NotAction with NotResource can allow creation of unintended service-linked roles because it allows \
             iam:CreateServiceLinkedRole permissions on multiple resources. We recommend that you specify resource ARNs \
             instead.",
        ),
        (
            "CREATE_SLR_WITH_STAR_IN_RESOURCE",
            "Using the iam:CreateServiceLinkedRole action with wildcards (*) in the resource can allow creation of unintended \
             service-linked roles. We recommend that you specify resource ARNs instead.",
        ),
        (
            "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE",
            "Using wildcards (*) in the action and the resource can allow creation of unintended service-linked roles because \
             it allows iam:CreateServiceLinkedRole permissions on all resources. We recommend that you specify resource ARNs \
             instead.",
        ),
        (
            "CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION",
            "Using a resource with wildcards (*) and NotAction can allow creation of unintended service-linked roles because it \
             allows iam:CreateServiceLinkedRole permissions on all resources. We recommend that you specify resource ARNs \
             instead.",
        ),
    ],
};

/// Whether a pattern of resources is so wide that it names roles nobody thought of: those that begin with the name of their service
/// are thought of.
fn is_wide(resource: &str) -> bool {
    match resource.split_once(":role/") {
        Some((_, name)) => name.starts_with('*') || (name.contains('*') && name.len() <= 2),
        None => Wildcard::new(resource).matches("arn:aws:iam::123456789012:role/anything"),
    }
}

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    if look.kind != Kind::Identity || statement.get("Effect").and_then(Node::text) != Some("Allow") {
        return;
    }
    let keys = keys(statement);
    let narrowed = |key: &str| keys.iter().any(|(_, found, _)| found == key);
    if !narrowed("iam:passedtoservice") {
        risky(look, statement, &PASS);
    }
    if !narrowed("iam:awsservicename") {
        risky(look, statement, &LINK);
    }
}

fn risky(look: &mut Look<'_>, statement: &Node, risky: &Risky) {
    let named = |pattern: &str| Wildcard::ignoring_case(pattern).matches(risky.action);
    let action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(node), _) => {
            let all: Vec<(&str, &Node)> = node.texts().filter(|(pattern, _)| named(pattern)).collect();
            // What names it as it is says more than a pattern.
            let exact = all.iter().find(|(pattern, _)| !pattern.contains(['*', '?']));
            let Some((pattern, node)) = exact.or(all.first()) else { return };
            Some((pattern.contains(['*', '?']), *node))
        }
        (None, Some(node)) if !node.texts().any(|(pattern, _)| named(pattern)) => None,
        _ => return,
    };
    let left_out = statement.get("NotResource");
    let wide = || {
        let node = statement.get("Resource")?;
        node.texts().find(|(text, _)| is_wide(text)).map(|(_, node)| node)
    };
    let (which, resource) = match (action, left_out) {
        (Some((false, _)), Some(node)) => (0, node),
        (Some((true, _)), Some(node)) => (STAR_AND_NOT, node),
        (None, Some(node)) => (NOT_AND_NOT, node),
        (action, None) => {
            let Some(node) = wide() else { return };
            let which = match action {
                Some((false, _)) => STAR,
                Some((true, _)) => STARS,
                None => STAR_AND_NOT_ACTION,
            };
            (which, node)
        }
    };
    let (code, details) = risky.issues[which];
    let acted = action.map(|(_, node)| node).or(statement.get("NotAction"));
    let places: Vec<_> = acted.into_iter().chain([resource]).map(|node| &node.place).collect();
    look.tell(risky.impact, code, details, &places);
}
