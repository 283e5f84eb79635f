//! Values of conditions.

use std::net::IpAddr;

use undercast_kernel::policy::{address_range, date};
use undercast_kernel::regions;
use undercast_wire::text::unbase64;

use super::Look;
use super::conditions::Compared;
use super::json::{Node, Value};
use crate::reach::base;

pub(super) fn look(look: &mut Look<'_>, compared: &Compared<'_>) {
    let (node, operator) = (compared.node, base(compared.operator));
    empty(look, compared);
    types(look, compared);
    let texts: Vec<(String, &Node)> = node.each().iter().filter_map(|node| Some((scalar(node)?, node))).collect();
    let variable = texts.iter().find(|(text, _)| text.contains("${"));
    let compares_text = operator.starts_with("String") || operator.starts_with("Arn");
    if let Some((_, node)) = variable.filter(|_| !compares_text) {
        let details = "Policy variables can only be used with String and ARN operators.";
        return look.error("INVALID_VARIABLE_FOR_OPERATOR", details, &node.place);
    }
    match operator {
        "Bool" | "Null" => booleans(look, compared, &texts),
        "BinaryEquals" => binary(look, compared, &texts),
        "IpAddress" | "NotIpAddress" => addresses(look, compared, &texts),
        _ if operator.starts_with("Numeric") => numbers(look, compared, &texts),
        _ if operator.starts_with("Date") => dates(look, &texts),
        _ => strings(look, compared, &texts),
    }
    named(look, compared, &texts);
}

/// A text, or a number or truth as one.
fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn empty(look: &mut Look<'_>, compared: &Compared<'_>) {
    if !compared.node.list().is_some_and(<[Node]>::is_empty) {
        return;
    }
    let (key, place) = (&compared.key.text, &compared.node.place);
    let absent = "To determine if the request context is empty, we recommend that you use the Null condition operator with the \
                  value of true instead.";
    let (code, details) = match (compared.qualifier(), compared.if_exists()) {
        (Some("ForAllValues"), _) => (
            "EMPTY_ARRAY_CONDITION_FORALLVALUES",
            format!(
                "The ForAllValues prefix with an empty condition key matches only if the key {key} is missing from the request \
                 context. {absent}"
            ),
        ),
        (Some(_), _) => (
            "EMPTY_ARRAY_CONDITION_FORANYVALUE",
            format!(
                "The ForAnyValue prefix with an empty condition key {key} never matches the request context and it does not \
                 affect the policy. Specify conditions."
            ),
        ),
        (None, true) => (
            "EMPTY_ARRAY_CONDITION_IFEXISTS",
            format!(
                "The IfExists suffix with an empty condition key matches only if the key {key} is missing from the request \
                 context. {absent}"
            ),
        ),
        (None, false) => (
            "EMPTY_ARRAY_CONDITION",
            format!(
                "There are no values for the condition key {key} and it does not affect the policy. Specify conditions."
            ),
        ),
    };
    look.suggestion(code, details, place);
}

/// What JSON has for them.
fn types(look: &mut Look<'_>, compared: &Compared<'_>) {
    let kind = |node: &Node| match &node.value {
        Value::Text(_) => "String",
        Value::Number(_) => "Number",
        Value::Boolean(_) => "Boolean",
        _ => "",
    };
    let all = compared.node.each();
    for node in all.iter().filter(|node| kind(node).is_empty()) {
        let details = "The text does not match the expected JSON data type String.";
        look.error("DATA_TYPE_MISMATCH", details, &node.place);
    }
    let kinds: Vec<&str> = all.iter().map(kind).filter(|kind| !kind.is_empty()).collect();
    if kinds.windows(2).any(|pair| pair[0] != pair[1]) {
        let details = "The condition value data types do not match. Use condition values of the same JSON data type.";
        look.error("INVALID_CONDITION_DATA_TYPE", details, &compared.node.place);
    }
}

type Texts<'a> = [(String, &'a Node)];

fn booleans(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    if texts.len() > 1 && compared.qualifier().is_none() {
        let details = "The condition key does not support multiple Boolean values. Use a single Boolean value.";
        look.error("INVALID_CONDITION_MULTIPLE_BOOLEAN", details, &compared.node.place);
    }
    for (_, node) in texts.iter().filter(|(text, _)| !matches!(text.to_lowercase().as_str(), "true" | "false")) {
        let details =
            format!("Add a valid Boolean value (true or false) for the condition operator {}.", compared.operator);
        look.warning("TYPE_MISMATCH_BOOLEAN", details, &node.place);
    }
}

fn binary(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    for (_, node) in texts.iter().filter(|(text, _)| unbase64(text).is_none()) {
        let details =
            format!("Add a valid base64-encoded string value for the condition operator {}.", compared.operator);
        look.warning("TYPE_MISMATCH_STRING", details, &node.place);
    }
}

fn numbers(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    for (_, node) in texts.iter().filter(|(text, _)| text.trim().parse::<f64>().is_err()) {
        let details = format!("Add a valid numeric value for the condition operator {}.", compared.operator);
        look.warning("TYPE_MISMATCH_NUMBER", details, &node.place);
    }
    let operator = base(compared.operator);
    let least = operator.contains("GreaterThan");
    if texts.len() > 1 && (least || operator.contains("LessThan")) {
        let which = if least { "least" } else { "greatest" };
        let details = format!(
            "Multiple values in {} are redundant. Replace with the {which} single value for {}.",
            compared.operator, compared.key.text
        );
        look.suggestion("REDUNDANT_CONDITION_VALUE_NUM", details, &compared.node.place);
    }
}

fn dates(look: &mut Look<'_>, texts: &Texts<'_>) {
    for (text, node) in texts {
        let epoch = text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        if epoch {
            let details = format!(
                "The date {text} might not resolve as expected. We recommend that you use the YYYY-MM-DD format."
            );
            look.warning("INVALID_DATE_VALUE", details, &node.place);
        } else if date(text).is_none() {
            let details = "The date condition operator is used with an invalid value. Specify a valid date using YYYY-MM-DD or \
                           other ISO 8601 date/time format.";
            look.warning("TYPE_MISMATCH_DATE", details, &node.place);
        }
    }
}

/// Whether all addresses of a range are of networks of one's own.
fn is_private((first, last): (IpAddr, IpAddr)) -> bool {
    let within = |range: &str| {
        address_range(range).is_some_and(|(from, to)| first.is_ipv4() == from.is_ipv4() && from <= first && last <= to)
    };
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"].into_iter().any(within)
}

fn addresses(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    let mut private = 0;
    for (text, node) in texts {
        let Some(range) = address_range(text) else {
            let details = format!(
                "The condition operator {} is used with an invalid IP range value. Specify the IP range in standard CIDR \
                 format.",
                compared.operator
            );
            look.error("TYPE_MISMATCH_IP_RANGE", details, &node.place);
            continue;
        };
        private += usize::from(is_private(range));
        let written = text.split_once('/').and_then(|(ip, bits)| Some((ip.trim().parse::<IpAddr>().ok()?, bits)));
        if let Some((_, bits)) = written.filter(|(ip, _)| *ip != range.0) {
            let details = format!(
                "The non-zero bits in the IP address after the masked bits are ignored. Replace address with {}/{bits}.",
                range.0
            );
            look.suggestion("IMPROVE_IP_RANGE", details, &node.place);
        }
    }
    if compared.name != "aws:sourceip" || private == 0 {
        return;
    }
    let place = &compared.node.place;
    let only = "aws:SourceIp works only for public IP address ranges.";
    match (private == texts.len(), compared.is_negated()) {
        (true, false) => look.error(
            "PRIVATE_IP_ADDRESS",
            format!(
                "{only} The values for condition key aws:SourceIp include only private IP addresses and will not have the \
                 desired effect. Update the value to include only public IP addresses."
            ),
            place,
        ),
        (true, true) => look.error(
            "PRIVATE_NOT_IP_ADDRESS",
            format!(
                "The values for condition key aws:SourceIp include only private IP addresses and has no effect. {only} Update \
                 the value to include only public IP addresses."
            ),
            place,
        ),
        (false, false) => look.suggestion(
            "PRIVATE_IP_ADDRESS_SUBSET",
            format!(
                "The values for condition key aws:SourceIp include a mix of private and public IP addresses. The private \
                 addresses will not have the desired effect. {only} To define permissions for private IP ranges, use \
                 aws:VpcSourceIp."
            ),
            place,
        ),
        (false, true) => look.suggestion(
            "PRIVATE_NOT_IP_ADDRESS_SUBSET",
            format!(
                "The values for condition key aws:SourceIp include a mix of private and public IP addresses. The private \
                 addresses have no effect. {only} To define permissions for private IP ranges, use aws:VpcSourceIp."
            ),
            place,
        ),
    }
}

fn strings(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    let operator = base(compared.operator);
    if matches!(operator, "StringEquals" | "StringNotEquals" | "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase") {
        // In a variable they stand for themselves.
        let plain = |text: &str| text.replace("${*}", "").replace("${?}", "");
        for (_, node) in texts.iter().filter(|(text, _)| plain(text).contains(['*', '?'])) {
            let details = "Your condition value includes a * or ? character. If you meant to use a wildcard (*, ?), update the \
                           condition operator to include Like.";
            look.warning("WILDCARD_WITHOUT_LIKE_OPERATOR", details, &node.place);
        }
    }
    if operator.ends_with("Like") && texts.iter().any(|(text, _)| text == "*") {
        everything(look, compared);
    }
}

/// A wildcard that every value matches.
fn everything(look: &mut Look<'_>, compared: &Compared<'_>) {
    let (key, operator, place) = (&compared.key.text, compared.operator, &compared.key.place);
    match (compared.qualifier(), compared.if_exists(), compared.is_negated()) {
        (None | Some("ForAnyValue"), false, false) => {
            let details = format!(
                "We recommend replacing the key {key} in the condition block of {operator} with {{{key}: false}} to ensure \
                 better enforcement of the condition."
            );
            look.suggestion("EQUIVALENT_TO_NULL_FALSE", details, place);
        }
        (None, _, true) | (Some("ForAllValues"), _, true) => {
            let details = format!(
                "We recommend replacing the key {key} in the condition block of {operator} with {{{key}: true}} to ensure \
                 better enforcement of the condition."
            );
            look.suggestion("EQUIVALENT_TO_NULL_TRUE", details, place);
        }
        (None, true, false) | (Some("ForAllValues"), _, false) => {
            let details = format!(
                "The key {key} in the condition block of {operator} is redundant because it is always matched. Remove this key \
                 to simplify the condition."
            );
            look.suggestion("REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION", details, place);
        }
        (Some(_), _, true) => {
            let details = format!(
                "The key {key} in the condition block of {operator} does not match any values. Remove this key to simplify the \
                 condition."
            );
            look.suggestion("REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION", details, place);
        }
        _ => {}
    }
}

/// What the values of some keys have to be like.
fn named(look: &mut Look<'_>, compared: &Compared<'_>, texts: &Texts<'_>) {
    if !base(compared.operator).starts_with("String") && !base(compared.operator).starts_with("Arn") {
        return;
    }
    for (text, node) in texts.iter().filter(|(text, _)| text.contains("${") && compared.name == "aws:userid") {
        // What stands before the colon that is not within a variable.
        let (inside, rest) = text.strip_prefix("${").and_then(|rest| rest.split_once('}')).unwrap_or(("", text));
        let alone = !inside.is_empty() && rest.starts_with(':');
        let left =
            if inside.is_empty() { text.split(':').next().is_some_and(|left| left.contains("${")) } else { !alone };
        if left {
            let details = "Overly permissive use of policy variable with aws:userID. Use the policy variable on the right side of \
                           colon or as the only character on the left side of a colon.";
            look.error("VARIABLE_USAGE_TOO_PERMISSIVE", details, &node.place);
        }
    }
    for (text, node) in texts.iter().filter(|(text, _)| !text.contains("${")) {
        let place = &node.place;
        let pattern = text.contains(['*', '?']);
        let id = |prefix: &str| {
            let rest = text.strip_prefix(prefix).unwrap_or_default();
            matches!(rest.len(), 8 | 17) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match compared.name.as_str() {
            "aws:requestedregion" if !pattern && !regions::exists(text) && text != "aws-global" => {
                let details =
                    format!("The Region {text} is not valid. Update the condition value to a supported Region.");
                look.error("INVALID_REGION", details, place);
            }
            "aws:sourcevpc" if !pattern && !id("vpc-") => {
                let details = "The VPC identifier in the condition key value is not valid. Use the prefix 'vpc-' followed by 8 \
                               or 17 alphanumeric characters.";
                look.error("INVALID_VPC_FORMAT", details, place);
            }
            "aws:sourcevpce" if !pattern && !id("vpce-") => {
                let details = "The VPCE identifier in the condition key value is not valid.  Use the prefix 'vpce-' followed by \
                               8 or 17 alphanumeric characters.";
                look.error("INVALID_VPCE_FORMAT", details, place);
            }
            "s3:x-amz-server-side-encryption-aws-kms-key-id" if !pattern && !text.starts_with("arn:aws") => {
                let details = format!("The {} condition key value must be a valid KMS key ARN.", compared.key.text);
                look.error("INVALID_KMS_KEY_VALUE", details, place);
            }
            "aws:userid" => user(look, text, place),
            key => service(look, key, text, place),
        }
    }
}

/// A service, as some keys name it.
fn service(look: &mut Look<'_>, key: &str, text: &str, place: &super::json::Place) {
    let expected = match key {
        "kms:viaservice" => "service-name.AWS_region.amazonaws.com",
        "iam:passedtoservice"
        | "aws:principalservicename"
        | "aws:calledvia"
        | "aws:calledviafirst"
        | "aws:calledvialast" => "service-name.amazonaws.com",
        _ => return,
    };
    let right = text.contains(['*', '?'])
        || (text.to_lowercase() == text && (text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn")));
    let parts = if key == "kms:viaservice" { 4 } else { 3 };
    if !right || (!text.contains(['*', '?']) && text.split('.').count() < parts) {
        let details = format!("The service principal does not match the expected format. Use the format {expected}.");
        look.error("INVALID_SERVICE_PRINCIPAL_FORMAT", details, place);
    }
}

/// Unique ids, of which what stands before the colon says whose they are.
fn user(look: &mut Look<'_>, text: &str, place: &super::json::Place) {
    let whose = text.split(':').next().unwrap_or_default();
    let alone = whose == "*" && text.contains(':');
    if whose.contains(['*', '?']) && !alone {
        let details = "Overly permissive use of wildcard with aws:userID. Use the wildcard on the right side of colon or as the \
                       only character on the left side of a colon.";
        look.error("WILDCARD_USAGE_TOO_PERMISSIVE", details, place);
    }
}
