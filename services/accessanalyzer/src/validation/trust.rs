//! Who may assume a role, and services that are let in.

use super::json::Node;
use super::{Impact, Kind, Look};

const ROLES_ANYWHERE: &str = "rolesanywhere.amazonaws.com";
const GITHUB: &str = "token.actions.githubusercontent.com";
/// Keys that say on whose behalf a service comes.
const SOURCES: &[&str] = &["aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"];
/// Keys that requests of services do not have.
const OF_PRINCIPALS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:userid",
    "aws:username",
];

/// The values of a kind of principal.
fn named<'a>(statement: &'a Node, kind: &str) -> Vec<(&'a str, &'a Node)> {
    let node = statement.get("Principal").and_then(|node| node.get(kind));
    node.into_iter().flat_map(Node::texts).collect()
}

/// The keys of all conditions, in small letters, with their operators.
pub(super) fn keys(statement: &Node) -> Vec<(String, String, &Node)> {
    let operators = statement.get("Condition").and_then(Node::object).unwrap_or(&[]);
    operators
        .iter()
        .flat_map(|(operator, keys)| {
            let keys = keys.object().unwrap_or(&[]);
            keys.iter().map(move |(key, node)| (operator.text.clone(), key.text.to_lowercase(), node))
        })
        .collect()
}

fn actions(statement: &Node) -> Vec<(&str, &Node)> {
    statement.get("Action").into_iter().flat_map(Node::texts).collect()
}

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    if look.kind != Kind::Resource {
        return;
    }
    if look.is_trust() {
        syntax(look, statement);
    }
    let all = actions(statement);
    if look.is_trust() || all.iter().any(|(action, _)| action.to_lowercase().starts_with("sts:assumerole")) {
        mismatched(look, statement);
        anywhere(look, statement);
        open_id(look, statement);
        parents(look, statement);
    }
    services(look, statement);
}

fn syntax(look: &mut Look<'_>, statement: &Node) {
    if let Some(node) = statement.get("NotPrincipal") {
        let details =
            "Role trust policies do not support NotPrincipal. Update the policy to use a Principal element instead.";
        look.error("ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL", details, &node.place);
    }
    if let Some(node) = statement.get("Principal").filter(|node| node.text() == Some("*")) {
        let details = "\"Principal:\" \"*\" is not supported in the principal element of a role trust policy. Replace the \
                       wildcard with a valid principal value.";
        look.error("ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL", details, &node.place);
    }
    for node in ["Resource", "NotResource"].into_iter().filter_map(|name| statement.get(name)) {
        let details = "Role trust policies apply to the role that they are attached to. You cannot specify a resource. Remove \
                       the Resource or NotResource element.";
        look.error("ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE", details, &node.place);
    }
    for (text, node) in named(statement, "Federated") {
        let domain = text.contains('.') && !text.contains(['*', '?', ' ']) && !text.starts_with("arn:");
        if !domain && !is_saml(text) && !is_open_id(text) && !text.contains(['*', '?']) {
            let details = "The principal value specifies a federated principal that does not match the expected format. \
                           Update the federated principal to a domain name or a SAML metadata ARN.";
            look.error("INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY", details, &node.place);
        }
    }
}

fn is_saml(provider: &str) -> bool {
    provider.contains(":saml-provider/")
}

fn is_open_id(provider: &str) -> bool {
    provider.contains(":oidc-provider/") || (!provider.starts_with("arn:") && provider.contains('.'))
}

/// Actions that these principals cannot do.
fn mismatched(look: &mut Look<'_>, statement: &Node) {
    let federated = named(statement, "Federated");
    let others: Vec<(&str, &Node)> = ["AWS", "Service"].into_iter().flat_map(|kind| named(statement, kind)).collect();
    for (action, node) in actions(statement) {
        let wrong: Vec<(&str, &Node)> = match action.to_lowercase().as_str() {
            "sts:assumerole" => federated.clone(),
            "sts:assumerolewithsaml" => federated.iter().filter(|(p, _)| !is_saml(p)).chain(&others).copied().collect(),
            "sts:assumerolewithwebidentity" => {
                federated.iter().filter(|(p, _)| !is_open_id(p)).chain(&others).copied().collect()
            }
            _ => continue,
        };
        if wrong.is_empty() {
            continue;
        }
        let names: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
        let details = format!(
            "The {action} action is invalid with the following principal(s): {}. Use a SAML provider principal with the \
             sts:AssumeRoleWithSAML action or use an OIDC provider principal with the sts:AssumeRoleWithWebIdentity action. \
             Ensure the provider is Federated if you use either of the two options.",
            names.join(", ")
        );
        let mut places = vec![&node.place];
        places.extend(wrong.iter().map(|(_, node)| &node.place));
        look.tell(Impact::Error, "MISMATCHED_ACTION_FOR_PRINCIPAL", details, &places);
    }
}

fn anywhere(look: &mut Look<'_>, statement: &Node) {
    let Some((_, node)) = named(statement, "Service").into_iter().find(|(name, _)| *name == ROLES_ANYWHERE) else {
        return;
    };
    let all: Vec<String> = actions(statement).iter().map(|(action, _)| action.to_lowercase()).collect();
    let has = |wanted: &str| all.iter().any(|action| super::actions::covers(action, wanted));
    if !["sts:assumerole", "sts:setsourceidentity", "sts:tagsession"].into_iter().all(has) {
        let details = "The rolesanywhere.amazonaws.com service principal requires the sts:AssumeRole, sts:SetSourceIdentity, \
                       and sts:TagSession permissions to assume a role. Add the missing permissions to the policy.";
        look.error("MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY", details, &node.place);
    }
}

/// Providers of OpenID Connect without a condition that says which of their users are meant.
fn open_id(look: &mut Look<'_>, statement: &Node) {
    if statement.get("Effect").and_then(Node::text) != Some("Allow") {
        return;
    }
    let keys = keys(statement);
    for (provider, node) in named(statement, "Federated").into_iter().filter(|(provider, _)| is_open_id(provider)) {
        let name = provider.rsplit_once(":oidc-provider/").map_or(provider, |(_, name)| name).to_lowercase();
        if !keys.iter().any(|(_, key, _)| key.starts_with(&format!("{name}:"))) {
            let details = "Using an Open ID Connect principal without a condition can be overly permissive. Add condition keys \
                           with a prefix that matches your federated OIDC principals to ensure that only the intended \
                           identity provider assumes the role.";
            look.security("MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL", details, &node.place);
        }
        if name == GITHUB {
            github(look, &keys, node);
        }
    }
}

fn github(look: &mut Look<'_>, keys: &[(String, String, &Node)], principal: &Node) {
    let subjects: Vec<&Node> =
        keys.iter().filter(|(_, key, _)| *key == format!("{GITHUB}:sub")).map(|(.., node)| *node).collect();
    if subjects.is_empty() {
        let details = "Granting a federated GitHub principal permissions without a condition key can allow more sources to \
                       assume the role than you intended. Add the token.actions.githubusercontent.com:sub condition key and \
                       specify the branch and repository name in the value.";
        return look.security("MISSING_GITHUB_REPO_CONDITION_KEY", details, &principal.place);
    }
    let branch = keys.iter().any(|(_, key, _)| *key == format!("{GITHUB}:ref"));
    for (text, node) in subjects.into_iter().flat_map(Node::texts) {
        let open =
            if branch { text.split(':').nth(1).is_some_and(|repo| repo.contains('*')) } else { text.contains('*') };
        if open {
            let details = "Using a wildcard (*) in token.actions.githubusercontent.com:sub can allow requests from more sources \
                           than you intended. Specify the value of token.actions.githubusercontent.com:sub with the \
                           repository and branch name. If the subject claim does not include the branch, specify it in a \
                           token.actions.githubusercontent.com:ref condition key.";
            look.warning("SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED", details, &node.place);
        }
    }
}

/// Sessions of roles that are let in anyway.
fn parents(look: &mut Look<'_>, statement: &Node) {
    let all = named(statement, "AWS");
    for (text, node) in &all {
        let Some((account, session)) = text.split_once(":assumed-role/") else { continue };
        let (Some(account), Some(role)) = (account.rsplit(':').next(), session.split('/').next()) else { continue };
        let parent = all
            .iter()
            .find(|(other, _)| other.contains(&format!(":{account}:role/")) && other.rsplit('/').next() == Some(role));
        if let Some((parent, _)) = parent {
            let details = format!(
                "The assumed-role principal {text} is redundant with its parent role {parent}. Remove the assumed-role \
                 principal."
            );
            look.suggestion("REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY", details, &node.place);
        }
    }
}

/// Services that are let in without saying on whose behalf.
fn services(look: &mut Look<'_>, statement: &Node) {
    let services = named(statement, "Service");
    let Some((first, node)) = services.first() else { return };
    let keys = keys(statement);
    let own: Vec<&str> = keys
        .iter()
        .map(|(_, key, _)| key.as_str())
        .filter(|key| OF_PRINCIPALS.contains(key) || key.starts_with("aws:principaltag/"))
        .collect();
    let only_services = ["AWS", "Federated", "CanonicalUser"].into_iter().all(|kind| named(statement, kind).is_empty());
    if !own.is_empty() && only_services {
        let details = format!(
            "The following condition keys are not supported when used with the service principal: {}.",
            own.join(", ")
        );
        look.error("UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL", details, &node.place);
    }
    // Roles of services are assumed by the services alone.
    if look.is_trust() || statement.get("Effect").and_then(Node::text) != Some("Allow") {
        return;
    }
    let assumes = actions(statement).iter().any(|(action, _)| action.to_lowercase().starts_with("sts:"));
    if assumes || keys.iter().any(|(_, key, _)| SOURCES.contains(&key.as_str())) {
        return;
    }
    if let Some((_, key, _)) = keys.iter().find(|(_, key, _)| key == "aws:referer") {
        let prefix = first.split('.').next().unwrap_or(first);
        let details = format!(
            "To restrict access to the service principal {prefix} operating on your behalf, we recommend aws:SourceArn, \
             aws:SourceAccount, aws:SourceOrgID, or aws:SourceOrgPaths instead of {key}."
        );
        return look.suggestion("RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL", details, &node.place);
    }
    let details = "Granting access to a service principal without specifying a source is overly permissive. Use aws:SourceArn, \
                   aws:SourceAccount, aws:SourceOrgID, or aws:SourceOrgPaths condition key to grant fine-grained access.";
    look.security("RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL", details, &node.place);
}
