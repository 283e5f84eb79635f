//! Resources of a statement.

use undercast_kernel::policy::Wildcard;
use undercast_kernel::regions;

use super::actions::{covers, service_of};
use super::json::Node;
use super::{Impact, Look};
use crate::facts;

const PARTITIONS: &[&str] =
    &["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    for name in ["Resource", "NotResource"] {
        let Some(node) = statement.get(name) else { continue };
        let all: Vec<(&str, &Node)> = node.texts().collect();
        for (text, node) in &all {
            one(look, text, node);
        }
        redundant(look, &all);
    }
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '$'])
}

fn one(look: &mut Look<'_>, text: &str, node: &Node) {
    if text == "*" {
        return;
    }
    if !text.starts_with("arn:") {
        // A pattern may stand for the beginning as well.
        if !text.starts_with(['*', '?', '$']) {
            look.error("INVALID_ARN_PREFIX", "Add the required prefix (arn) to the resource ARN.", &node.place);
        }
        return;
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        if !text.ends_with('*') {
            let details = "Resource ARNs must include at least 6 fields in the following structure: \
                           arn:partition:service:region:account:resource";
            look.error("MISSING_ARN_FIELD", details, &node.place);
        }
        return;
    };
    if !has_pattern(partition) && !PARTITIONS.contains(&partition) {
        let details = format!(
            "The resource ARN for the service {service} does not support the partition {partition}. Use the supported values: \
             {}",
            PARTITIONS[..3].join(", ")
        );
        look.error("INVALID_PARTITION", details, &node.place);
    }
    if service.contains(['*', '?']) && service != "*" {
        let details = "Avoid using wildcards (*, ?) in the service name because it might grant unintended access to other AWS \
                       services with similar names.";
        look.suggestion("WILDCARD_IN_SERVICE_NAME", details, &node.place);
    }
    if service.chars().any(|c| c.is_ascii_uppercase()) {
        let details = format!("Update the service name {service} in the resource ARN to use all lowercase letters.");
        return look.error("INVALID_ARN_SERVICE_CASE", details, &node.place);
    }
    place(look, region, account, node);
    form(look, service, (region, account, resource), node);
    unsupported(look, service, node);
}

fn place(look: &mut Look<'_>, region: &str, account: &str, node: &Node) {
    if !region.is_empty() && !has_pattern(region) && !regions::exists(region) {
        let details = format!(
            "The Region {region} is not valid for this resource. Update the resource ARN to include a supported Region."
        );
        look.error("INVALID_ARN_REGION", details, &node.place);
    }
    let number = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !account.is_empty() && !has_pattern(account) && !number && account != "aws" {
        let details = format!("The resource ARN account ID {account} is not valid. Provide a 12-digit account ID.");
        look.error("INVALID_ARN_ACCOUNT", details, &node.place);
    }
}

/// The form of a type's ARNs: has it a region, an account, and what its last part is like.
struct Form {
    name: &'static str,
    region: bool,
    account: bool,
    last: String,
}

/// The forms of the resources of a service, with a wildcard in each variable's place.
fn forms(service: &str) -> Vec<Form> {
    let resources = facts::service(service).into_iter().flat_map(|known| &known.resources);
    let form = |(name, resource): (&'static String, &'static facts::Resource)| {
        let mut parts = resource.arn.splitn(6, ':').skip(2);
        let of = parts.next()?;
        let (region, account, last) = (parts.next()?, parts.next()?, parts.next()?);
        // Some services name resources of others.
        (of == service).then(|| Form {
            name,
            region: !region.is_empty(),
            account: !account.is_empty(),
            last: wildcards(last),
        })
    };
    resources.filter_map(form).collect()
}

/// `${Name}` and `<name>` as `*`.
fn wildcards(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        text.push_str(&rest[..at]);
        text.push('*');
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    text + rest
}

/// Whether some resource may be named by both. What is written may have wildcards and variables itself.
fn meets(written: &str, form: &str) -> bool {
    if has_pattern(written) {
        // Where it begins with what the form does, as far as both go, it may name one.
        let fixed = |text: &str| text.split(['*', '?', '$']).next().unwrap_or_default().to_owned();
        let (a, b) = (fixed(written), fixed(form));
        return a.starts_with(&b) || b.starts_with(&a);
    }
    Wildcard::new(form).matches(written)
}

fn form(look: &mut Look<'_>, service: &str, (region, account, resource): (&str, &str, &str), node: &Node) {
    let all = forms(service);
    if all.is_empty() || resource == "*" {
        return;
    }
    let same: Vec<&Form> = all.iter().filter(|form| meets(resource, &form.last)).collect();
    if same.is_empty() {
        let details = "Resource ARN does not match the expected ARN format. Update the resource portion of the ARN.";
        return look.error("INVALID_ARN_RESOURCE", details, &node.place);
    }
    // Forms that are wholly a name take in those that say more: an object's is also a bucket's with a slash in it.
    if region.is_empty() && same.iter().all(|form| form.region) {
        look.error("MISSING_ARN_REGION", format!("Add a Region to the {service} resource ARN."), &node.place);
    }
    if !region.is_empty() && region != "*" && same.iter().all(|form| !form.region) {
        let details = format!("The service {service} does not support specifying a Region in the resource ARN.");
        look.error("ARN_REGION_NOT_ALLOWED", details, &node.place);
    }
    if account.is_empty() && same.iter().all(|form| form.account) {
        let name = same[0].name;
        let details =
            format!("The resource {name} in the arn is missing an account id. Please provide a 12 digit account id.");
        look.error("MISSING_ARN_ACCOUNT", details, &node.place);
    }
    if !account.is_empty() && account != "*" && same.iter().all(|form| !form.account) {
        let details = format!("The service {service} does not support specifying an account ID in the resource ARN.");
        look.error("ARN_ACCOUNT_NOT_ALLOWED", details, &node.place);
    }
}

fn unsupported(look: &mut Look<'_>, service: &str, node: &Node) {
    let Some(resource_type) = look.resource_type.filter(|_| !look.is_trust() && service != "*") else { return };
    if service_of(resource_type).is_some_and(|own| own != service) {
        let details = format!(
            "The resource ARN is not supported for the resource-based policy attached to the resource type {resource_type}."
        );
        look.error("UNSUPPORTED_RESOURCE_ARN_IN_POLICY", details, &node.place);
    }
}

fn redundant(look: &mut Look<'_>, all: &[(&str, &Node)]) {
    let is_redundant = |at: usize| {
        let (text, _) = all[at];
        // Letters of ARNs are of one case.
        let covers =
            |wide: &str, narrow: &str| covers(wide, narrow) && (wide == "*" || Wildcard::new(wide).matches(narrow));
        all.iter().enumerate().any(|(other, (wide, _))| {
            let plain = !wide.contains('$') && !text.contains('$');
            other != at && plain && covers(wide, text) && (!covers(text, wide) || other < at)
        })
    };
    let found: Vec<usize> = (0..all.len()).filter(|at| is_redundant(*at)).collect();
    if !found.is_empty() {
        let details = format!(
            "The {} resource ARN(s) are redundant because they reference the same resource. Review the use of wildcards (*)",
            found.len()
        );
        let places: Vec<_> = found.iter().map(|at| &all[*at].1.place).collect();
        look.tell(Impact::Suggestion, "REDUNDANT_RESOURCE", details, &places);
    }
}
