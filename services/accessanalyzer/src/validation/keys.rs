//! Condition keys and what they hold.

use crate::facts;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Number,
    Date,
    Bool,
    Address,
    Arn,
}

impl Holds {
    /// As operators are called that compare it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Number => "Numeric",
            Self::Date => "Date",
            Self::Bool => "Bool",
            Self::Address => "IPAddress",
            Self::Arn => "ARN",
        }
    }
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) holds: Holds,
    /// It has many values.
    pub(super) many: bool,
}

const fn one(holds: Holds) -> Known {
    Known { holds, many: false }
}

const MANY: Known = Known { holds: Holds::Text, many: true };

/// Keys that all services have. Those that end in a slash have the key of a tag behind it.
///
/// Source: "AWS global condition context keys" in the IAM user guide.
const GLOBAL: &[(&str, Known)] = &[
    ("aws:assumedroot", one(Holds::Bool)),
    ("aws:calledvia", MANY),
    ("aws:calledviafirst", one(Holds::Text)),
    ("aws:calledvialast", one(Holds::Text)),
    ("aws:chatbotsourcearn", one(Holds::Arn)),
    ("aws:currenttime", one(Holds::Date)),
    ("aws:ec2instancesourceprivateipv4", one(Holds::Address)),
    ("aws:ec2instancesourcevpc", one(Holds::Text)),
    ("aws:epochtime", one(Holds::Date)),
    ("aws:federatedprovider", one(Holds::Text)),
    ("aws:multifactorauthage", one(Holds::Number)),
    ("aws:multifactorauthpresent", one(Holds::Bool)),
    ("aws:principalaccount", one(Holds::Text)),
    ("aws:principalarn", one(Holds::Arn)),
    ("aws:principalisawsservice", one(Holds::Bool)),
    ("aws:principalorgid", one(Holds::Text)),
    ("aws:principalorgpaths", MANY),
    ("aws:principalservicename", one(Holds::Text)),
    ("aws:principalservicenameslist", MANY),
    ("aws:principaltag/", one(Holds::Text)),
    ("aws:principaltype", one(Holds::Text)),
    ("aws:referer", one(Holds::Text)),
    ("aws:requestedregion", one(Holds::Text)),
    ("aws:requesttag/", one(Holds::Text)),
    ("aws:resourceaccount", one(Holds::Text)),
    ("aws:resourceorgid", one(Holds::Text)),
    ("aws:resourceorgpaths", MANY),
    ("aws:resourcetag/", one(Holds::Text)),
    ("aws:securetransport", one(Holds::Bool)),
    ("aws:sourceaccount", one(Holds::Text)),
    ("aws:sourcearn", one(Holds::Arn)),
    ("aws:sourceidentity", one(Holds::Text)),
    ("aws:sourceip", one(Holds::Address)),
    ("aws:sourceorgid", one(Holds::Text)),
    ("aws:sourceorgpaths", MANY),
    ("aws:sourceowner", one(Holds::Text)),
    ("aws:sourcevpc", one(Holds::Text)),
    ("aws:sourcevpcarn", one(Holds::Arn)),
    ("aws:sourcevpce", one(Holds::Text)),
    ("aws:tagkeys", MANY),
    ("aws:tokenissuetime", one(Holds::Date)),
    ("aws:useragent", one(Holds::Text)),
    ("aws:userid", one(Holds::Text)),
    ("aws:username", one(Holds::Text)),
    ("aws:viaawsservice", one(Holds::Bool)),
    ("aws:vpceaccount", one(Holds::Text)),
    ("aws:vpceorgid", one(Holds::Text)),
    ("aws:vpceorgpaths", MANY),
    ("aws:vpcsourceip", one(Holds::Address)),
];

/// Whether a key in small letters is of a form such as `s3:ExistingObjectTag/<key>` or `aws:ResourceTag/${TagKey}`.
pub(super) fn is_of(form: &str, key: &str) -> bool {
    let form = form.to_lowercase();
    match form.find(['$', '<']) {
        Some(at) => key.len() > at && key.starts_with(&form[..at]),
        None => form == key,
    }
}

/// What is said of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Known(Known),
    /// There is no such key of all services.
    NotGlobal,
    /// The service, which is known, has no such key.
    NotOfService(&'static str),
    /// It needs the key of a tag behind it.
    WithoutTag,
    /// The service is not known.
    Nothing,
}

/// What is known of a key in small letters.
pub(super) fn told(key: &str) -> Told {
    if key.starts_with("aws:") {
        let is = |name: &str| name == key || (name.ends_with('/') && key.len() > name.len() && key.starts_with(name));
        if GLOBAL.iter().any(|(name, _)| name.ends_with('/') && (*name == key || name.trim_end_matches('/') == key)) {
            return Told::WithoutTag;
        }
        let found = GLOBAL.iter().find(|(name, _)| is(name));
        return found.map_or(Told::NotGlobal, |(_, known)| Told::Known(*known));
    }
    let Some(service) = key.split(':').next().and_then(facts::service) else { return Told::Nothing };
    let found = service.conditions.iter().find(|(form, _)| is_of(form, key));
    let Some((_, condition)) = found else { return Told::NotOfService(&service.service) };
    let (many, kind) = match condition.kind.strip_prefix("ArrayOf") {
        Some(kind) => (true, kind),
        None => (false, condition.kind.as_str()),
    };
    let holds = match kind {
        "Numeric" => Holds::Number,
        "Date" => Holds::Date,
        "Bool" => Holds::Bool,
        "IPAddress" => Holds::Address,
        "ARN" => Holds::Arn,
        _ => Holds::Text,
    };
    Told::Known(Known { holds, many })
}

/// Whether an action of a service has a key; `None`: neither is known.
pub(super) fn supports(service: &str, action: &str, key: &str) -> Option<bool> {
    let known = facts::service(service)?;
    let (_, action) = known.actions.iter().find(|(name, _)| name.eq_ignore_ascii_case(action))?;
    let has = |keys: &[String]| keys.iter().any(|form| is_of(form, key));
    let of_resource = |name: &String| known.resources.get(name).is_some_and(|resource| has(&resource.condition_keys));
    let on = |on: &facts::OnResource| has(&on.condition_keys) || of_resource(&on.name);
    Some(has(&action.condition_keys) || action.resource_types.iter().any(on))
}

/// Whether a service has a key at all.
pub(super) fn is_of_service(service: &str, key: &str) -> bool {
    facts::service(service).is_some_and(|known| known.conditions.keys().any(|form| is_of(form, key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_forms() {
        assert_eq!(told("aws:resourcetag/team"), Told::Known(one(Holds::Text)));
        assert_eq!((told("aws:resourcetag"), told("aws:resourcetag/")), (Told::WithoutTag, Told::WithoutTag));
        assert_eq!((told("aws:other"), told("s3:other")), (Told::NotGlobal, Told::NotOfService("s3")));
        assert_eq!(told("s3:existingobjecttag/a"), Told::Known(one(Holds::Text)));
        assert_eq!((told("s3:max-keys"), told("nothing:known")), (Told::Known(one(Holds::Number)), Told::Nothing));
        assert_eq!(supports("sqs", "SendMessage", "aws:resourcetag/team"), Some(true));
        assert_eq!(supports("sqs", "SendMessage", "aws:requesttag/team"), Some(false));
        assert_eq!(supports("sqs", "Nothing", "aws:resourcetag/team"), None);
    }
}
