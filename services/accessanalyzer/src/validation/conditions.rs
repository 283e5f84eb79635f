//! Conditions of a statement: operators and keys. What the values are like is in [`super::values`].

use undercast_kernel::policy::{PolicyKind, Wildcard};

use super::json::{Key, Node};
use super::keys::{Holds, Told, is_of_service, supports, told};
use super::trust::keys;
use super::{Impact, Kind, Look, values};
use crate::facts;
use crate::reach::base;

/// Keys by which callers say what they like.
const UNTRUSTWORTHY: &[&str] = &["aws:referer", "aws:useragent"];
/// Keys that tell less without another one.
const PAIRED: &[(&str, &[&str], &str)] =
    &[("aws:vpcsourceip", &["aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn"], "aws:SourceVpc")];

/// One key of one operator.
pub(super) struct Compared<'a> {
    pub(super) operator: &'a str,
    pub(super) key: &'a Key,
    /// The key in small letters.
    pub(super) name: String,
    pub(super) node: &'a Node,
    pub(super) told: Told,
    /// The statement denies.
    pub(super) denies: bool,
}

impl Compared<'_> {
    pub(super) fn is_negated(&self) -> bool {
        base(self.operator).contains("Not")
    }

    pub(super) fn qualifier(&self) -> Option<&str> {
        self.operator.split_once(':').map(|(qualifier, _)| qualifier)
    }

    pub(super) fn if_exists(&self) -> bool {
        self.operator.ends_with("IfExists")
    }
}

/// Whether the authoriser knows an operator.
fn exists(operator: &str) -> bool {
    let text = serde_json::json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {operator: {"aws:userid": "x"}}}});
    undercast_kernel::policy::Policy::parse(PolicyKind::Inline, &text.to_string()).is_ok()
        || base(operator).starts_with("Date")
}

pub(super) fn look(look: &mut Look<'_>, statement: &Node) {
    let Some(condition) = statement.get("Condition") else { return };
    let operators = condition.object().unwrap_or(&[]);
    if condition.object().is_some_and(<[_]>::is_empty) {
        let details = "This condition block is empty and it does not affect the policy. Specify conditions.";
        look.suggestion("EMPTY_OBJECT_CONDITION", details, &condition.place);
    }
    let denies = statement.get("Effect").and_then(Node::text) == Some("Deny");
    for (operator, block) in operators {
        if !operator_is_right(look, operator) {
            continue;
        }
        let entries = block.object().unwrap_or(&[]);
        if block.object().is_some_and(<[_]>::is_empty) {
            let details = "This condition block is empty and it does not affect the policy. Specify conditions.";
            look.suggestion("EMPTY_OBJECT_CONDITION", details, &block.place);
        }
        for (at, (key, node)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(other, _)| other.text.eq_ignore_ascii_case(&key.text)) {
                let details = format!(
                    "The condition key {} appears more than once with different capitalization in the same condition block. \
                     Remove the duplicate condition keys.",
                    key.text
                );
                look.error("DUPLICATE_KEYS_WITH_DIFFERENT_CASE", details, &key.place);
            }
            let name = key.text.to_lowercase();
            let compared = Compared { operator: &operator.text, key, told: told(&name), name, node, denies };
            one(look, statement, &compared);
            values::look(look, &compared);
        }
    }
    together(look, statement);
}

fn operator_is_right(look: &mut Look<'_>, operator: &Key) -> bool {
    let text = operator.text.as_str();
    if text == "NullIfExists" {
        let details =
            "The Null condition operator cannot be used with the IfExists suffix. Update the operator or the suffix.";
        look.error("NULL_WITH_IF_EXISTS", details, &operator.place);
        return false;
    }
    if matches!(text, "ForAllValues:Null" | "ForAnyValue:Null") {
        let details = "Avoid using the Null condition operator with the ForAllValues or ForAnyValue qualifiers because they \
                       always return a true or false respectively.";
        look.suggestion("NULL_WITH_QUALIFIER", details, &operator.place);
        return false;
    }
    if !exists(text) {
        let details = format!("The condition operator {text} is not valid. Use a valid condition operator.");
        look.error("INVALID_CONDITION_OPERATOR", details, &operator.place);
        return false;
    }
    true
}

fn one(look: &mut Look<'_>, statement: &Node, compared: &Compared<'_>) {
    let (key, place) = (&compared.key.text, &compared.key.place);
    if !key.contains(':') {
        let details = "The condition key format is not valid. Use the format service:keyname.";
        return look.error("INVALID_CONDITION_KEY_FORMAT", details, place);
    }
    match compared.told {
        _ if compared.name == "aws:arn" => {
            let details = "The condition key aws:ARN is not supported. Use aws:PrincipalArn or aws:SourceArn instead.";
            look.error("UNSUPPORTED_GLOBAL_CONDITION_KEY", details, place);
        }
        Told::NotGlobal => {
            let details = format!("The condition key {key} does not exist. Use a valid condition key.");
            look.error("INVALID_GLOBAL_CONDITION_KEY", details, place);
        }
        Told::NotOfService(service) => {
            let details =
                format!("The condition key {key} does not exist in the service {service}. Use a valid condition key.");
            look.error("INVALID_SERVICE_CONDITION_KEY", details, place);
        }
        Told::WithoutTag => {
            let name = format!("{}/", key.trim_end_matches('/'));
            let details = format!(
                "The condition key {name} must include a tag key to control access based on tags. Use the format {name}tag-key \
                 and specify a key name for tag-key."
            );
            look.error("MISSING_TAG_KEY_IN_CONDITION", details, place);
        }
        Told::Known(_) | Told::Nothing => {}
    }
    qualified(look, compared);
    fitting(look, compared);
    if UNTRUSTWORTHY.contains(&compared.name.as_str()) {
        let details = format!(
            "The {key} condition key is not recommended for access control as it can be spoofed/manipulated by the caller."
        );
        look.security("UNTRUSTWORTHY_CONDITION_KEY", details, place);
    }
    let of_bucket = matches!(look.resource_type, Some("AWS::S3::Bucket" | "AWS::S3::AccessPoint"));
    if of_bucket && compared.name == "s3:resourceaccount" {
        let what = look.resource_type.unwrap_or_default();
        let details = format!(
            "The condition key {key} is not relevant for the {what} policy.  Use this key in an identity-based policy to govern \
             access to this resource."
        );
        look.suggestion("IRRELEVANT_CONDITION_KEY_IN_POLICY", details, place);
    }
    prefix(look, compared);
    supported(look, statement, compared);
}

/// Whether a key has many values or one, and what says that it has.
fn qualified(look: &mut Look<'_>, compared: &Compared<'_>) {
    let (key, place) = (&compared.key.text, &compared.key.place);
    let audience = compared.name.ends_with(":aud") && compared.name.contains('.');
    match (compared.qualifier(), compared.told) {
        (None, Told::Known(known)) if known.many && compared.operator != "Null" => {
            let details = format!(
                "The request context key {key} has multiple values. Use the ForAllValues or ForAnyValue condition key \
                 qualifiers in your policy."
            );
            look.error("MISSING_QUALIFIER", details, place);
        }
        (Some("ForAnyValue"), _) if audience => {
            let details = format!(
                "Using ForAnyValue qualifier with the single-valued condition key {key} can be overly permissive. We recommend \
                 that you remove ForAnyValue:."
            );
            look.security("FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE", details, place);
        }
        (Some("ForAllValues"), _) if audience => {
            let details = format!(
                "The \"{key}\" (aud) claim key identifies the recipients that the JSON web token is intended for. Because this \
                 claim is single-valued, do not use a qualifier."
            );
            look.suggestion("CONFIRM_AUDIENCE_CLAIM_TYPE", details, place);
        }
        (Some("ForAllValues"), Told::Known(known)) if !known.many => {
            let details = format!(
                "Using ForAllValues qualifier with the single-valued condition key {key} can be overly permissive. We recommend \
                 that you remove ForAllValues:."
            );
            look.security("FORALLVALUES_WITH_SINGLE_VALUED_KEY", details, place);
        }
        _ => {}
    }
}

/// Whether an operator compares what its key holds.
fn fitting(look: &mut Look<'_>, compared: &Compared<'_>) {
    let Told::Known(known) = compared.told else { return };
    let operator = base(compared.operator);
    let family = match operator {
        "Null" | "BinaryEquals" => return,
        "Bool" => Holds::Bool,
        "IpAddress" | "NotIpAddress" => Holds::Address,
        _ if operator.starts_with("String") => Holds::Text,
        _ if operator.starts_with("Numeric") => Holds::Number,
        _ if operator.starts_with("Date") => Holds::Date,
        _ => Holds::Arn,
    };
    let details = format!(
        "Use the operator type {} instead of operator {} for the condition key {}.",
        known.holds.name(),
        compared.operator,
        compared.key.text
    );
    let fits = family == known.holds
        || matches!((known.holds, family), (Holds::Text, Holds::Arn) | (Holds::Arn, Holds::Text))
        || (compared.name == "aws:epochtime" && family == Holds::Number);
    if !fits {
        return look.warning("TYPE_MISMATCH", details, &compared.key.place);
    }
    if known.holds == Holds::Arn && operator.ends_with("Like") && family == Holds::Text {
        look.security("STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS", details, &compared.key.place);
    }
}

fn prefix(look: &mut Look<'_>, compared: &Compared<'_>) {
    let text = base(compared.operator).starts_with("String");
    // What is denied for all prefixes but some is denied for shorter ones too.
    if compared.name == "s3:prefix" && text && compared.denies != compared.is_negated() {
        let details = "Using the s3:prefix condition key in a Deny statement or with a negated string operator does not block \
                       listing the objects under the matching prefixes. A request that specifies a shorter prefix does not \
                       match the condition and can still list those objects. To restrict listing to specific prefixes, use \
                       s3:prefix with StringLike in an Allow statement, or use a Deny statement with StringNotLike.";
        look.security("S3_PREFIX_IN_NEGATIVE_CONTEXT", details, &compared.key.place);
    }
}

/// Whether the actions of a statement have a key.
fn supported(look: &mut Look<'_>, statement: &Node, compared: &Compared<'_>) {
    if compared.name.starts_with("aws:resourcetag/") {
        return tagged(look, statement, compared);
    }
    let mut without: Vec<(&str, &Node)> = Vec::new();
    for (action, node) in statement.get("Action").into_iter().flat_map(Node::texts) {
        let Some((service, name)) = action.split_once(':').filter(|_| !action.contains(['*', '?'])) else { continue };
        let own = is_of_service(service, &compared.name) && !compared.name.starts_with("aws:");
        if own && supports(service, name, &compared.name) == Some(false) {
            without.push((action, node));
        }
    }
    if without.is_empty() {
        return;
    }
    let names: Vec<&str> = without.iter().map(|(action, _)| *action).collect();
    let details = format!(
        "The following actions: {} are not supported by the condition key {}. The condition will not be evaluated for these \
         actions. We recommend that you move these actions to a different statement without this condition key.",
        names.join(", "),
        compared.key.text
    );
    let mut places: Vec<_> = without.iter().map(|(_, node)| &node.place).collect();
    places.push(&compared.node.place);
    look.tell(Impact::Error, "UNSUPPORTED_ACTION_FOR_CONDITION_KEY", details, &places);
}

/// Services of which actions do not know the tags of their resources.
fn tagged(look: &mut Look<'_>, statement: &Node, compared: &Compared<'_>) {
    let place = &compared.key.place;
    let name = "aws:ResourceTag";
    if let Some(_node) = statement.get("NotAction") {
        if compared.denies {
            let details = format!(
                "Using the effect Deny with NotAction and the tag condition key {name} can be overly permissive because some \
                 service actions are not denied by this statement. This is because the condition key doesn't apply to some \
                 service actions. We recommend that you use Action instead of NotAction."
            );
            look.security("DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE", details, place);
        } else {
            let details = format!(
                "Using the effect Allow with NotAction and the tag condition key {name} allows only service actions that \
                 support the condition key. The condition key doesn't apply to some service actions. We recommend that you use \
                 Action instead of NotAction."
            );
            look.suggestion("ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE", details, place);
        }
        return;
    }
    let actions: Vec<(&str, &str)> = statement
        .get("Action")
        .into_iter()
        .flat_map(Node::texts)
        .filter_map(|(action, _)| action.split_once(':'))
        .collect();
    let lacks = |(service, pattern): &(&str, &str)| {
        let pattern = Wildcard::ignoring_case(pattern);
        let names = facts::service(service).into_iter().flat_map(|known| known.actions.keys());
        names
            .filter(|name| pattern.matches(name))
            .any(|action| supports(service, action, &compared.name) == Some(false))
    };
    let mut without: Vec<&str> = actions.iter().filter(|action| lacks(action)).map(|(service, _)| *service).collect();
    without.sort_unstable();
    without.dedup();
    if without.is_empty() {
        return;
    }
    let services = without.join(", ");
    if compared.denies {
        let details = format!(
            "Using the effect Deny with the tag condition key {name} and actions for services with the following prefixes can \
             be overly permissive: {services}. Actions for the listed services are not denied by this statement. We recommend \
             that you move these actions to a different statement without this condition key."
        );
        look.security("DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE", details, place);
    } else {
        let details = format!(
            "Using the effect Allow with the tag condition key {name} and actions for services with the following prefixes does \
             not affect the policy: {services}. Actions for the listed service are not allowed by this statement. We recommend \
             that you move these actions to a different statement without this condition key."
        );
        look.suggestion("ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE", details, place);
    }
}

/// Keys that want others beside them.
fn together(look: &mut Look<'_>, statement: &Node) {
    let all = keys(statement);
    let has = |wanted: &str| all.iter().any(|(_, key, _)| key == wanted);
    for (_, key, node) in &all {
        for (one, others, named) in PAIRED.iter().filter(|(one, ..)| one == key) {
            if !others.iter().any(|other| has(other)) {
                let details = format!(
                    "Using the condition key {one} can be overly permissive without also using the following condition keys: \
                     {named}. Condition keys like this one are more secure when paired with a related key. We recommend that \
                     you add the related condition keys to the same condition block."
                );
                look.security("MISSING_PAIRED_CONDITION_KEYS", details, &node.place);
            }
        }
        if key == "dynamodb:attributes" && !has("dynamodb:select") {
            let details = "Restricting dynamodb:Attributes without also setting dynamodb:Select to SPECIFIC_ATTRIBUTES allows \
                           all attributes to be returned on read requests that omit a projection expression. We recommend that \
                           you also set dynamodb:Select to SPECIFIC_ATTRIBUTES.";
            look.security("DYNAMODB_ATTRIBUTES_WITHOUT_SELECT", details, &node.place);
        }
    }
    if look.kind == Kind::ResourceControl && statement.get("Effect").and_then(Node::text) == Some("Deny") {
        controlled(look, &all);
    }
}

/// Resource control policies that would hit services, or everybody else.
fn controlled(look: &mut Look<'_>, all: &[(String, String, &Node)]) {
    let says = |wanted: &str| {
        all.iter().any(|(operator, key, node)| {
            let flag = node.each().iter().any(|node| match &node.value {
                super::json::Value::Boolean(flag) => flag.to_string() == wanted,
                _ => node.text() == Some(wanted),
            });
            key == "aws:principalisawsservice" && base(operator) == "Bool" && flag
        })
    };
    let absent = |key: &str| all.iter().any(|(operator, found, _)| operator == "Null" && found == key);
    let of_principals = all.iter().find(|(operator, key, _)| {
        operator != "Null"
            && (key.starts_with("aws:principalorg") || key == "aws:principalaccount" || key == "aws:principalarn")
    });
    if let Some((_, key, node)) = of_principals.filter(|_| !says("false")) {
        let details = format!(
            "RCPs impact IAM roles, users, and AWS service principals. To prevent unintended impact to services acting on your \
             behalf using a service principal, an additional statement should be added to the Condition block \"BoolIfExists\": \
             {{ \"aws:PrincipalIsAWSService\": \"false\"}} whenever a principal key {key} is used."
        );
        look.warning("RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY", details, &node.place);
    }
    let of_services = all.iter().find(|(operator, key, _)| {
        operator != "Null" && (key.starts_with("aws:sourceorg") || key == "aws:sourceaccount" || key == "aws:sourcearn")
    });
    let Some((_, key, node)) = of_services else { return };
    if !says("true") {
        let details = format!(
            "RCPs impact IAM roles, users, and AWS service principals. To prevent unintended impact to your principals, an \
             additional statement should be added to the Condition block \"BoolIfExists\": {{ \"aws:PrincipalIsAWSService\": \
             \"true\"}} whenever the key {key} is used."
        );
        look.warning("RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY", details, &node.place);
    }
    if !absent("aws:sourceaccount") && !absent("aws:sourcearn") {
        let details = format!(
            "The specified service may have a service integration that does not require the use of the {key} condition key. To \
             prevent unintended impact to services acting on your behalf using a service principal, an additional statement \
             should be added to the Condition block \"Null\": {{ \"aws:SourceAccount\": \"false\"}} or \"Null\": {{ \
             \"aws:SourceArn\": \"false\"}} whenever the key {key} is used."
        );
        look.warning("RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK", details, &node.place);
    }
}
