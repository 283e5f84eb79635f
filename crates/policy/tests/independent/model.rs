//! The plain evaluator. It reads policies as JSON, compiles nothing, and takes each sentence of the IAM User Guide as
//! it stands.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use undercast_policy::{PrincipalFacts, PrincipalKind};

use super::{Answer, Case};

/// How a statement names who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Account,
    RoleOrUserBehind,
    Itself,
}

pub(super) fn answer(case: &Case) -> Answer {
    let asking = Asking::new(case);
    // "If the code finds even one explicit deny that applies, it returns a final decision of Deny."
    let everything = case.identity.iter().chain(&case.boundary).chain(case.session.iter().flatten());
    let everything = everything.chain(&case.on_resource).chain(&case.endpoint);
    let mut everything =
        everything.chain(case.service_control.iter().flatten()).chain(case.resource_control.iter().flatten());
    if everything.any(|document| asking.matching(document, "Deny").is_some()) {
        return Answer::Denied;
    }
    for (levels, name) in [(&case.resource_control, "resource control"), (&case.service_control, "service control")] {
        if !levels.iter().all(|level| asking.allowed(level).is_some()) {
            return Answer::Missing(name);
        }
    }
    if case.endpoint.as_ref().is_some_and(|document| asking.matching(document, "Allow").is_none()) {
        return Answer::Missing("endpoint");
    }
    asking.by_whom(case)
}

struct Asking<'a> {
    case: &'a Case,
    keys: BTreeMap<String, Vec<String>>,
}

impl<'a> Asking<'a> {
    fn new(case: &'a Case) -> Self {
        let mut keys: BTreeMap<String, Vec<String>> =
            case.keys.iter().map(|(key, values)| (key.to_lowercase(), values.clone())).collect();
        let principal = &case.principal;
        let mut know = |key: &str, value: &str| {
            keys.entry(key.to_owned()).or_insert_with(|| vec![value.to_owned()]);
        };
        let (kind, arn) = match &principal.kind {
            PrincipalKind::Root => ("Account", Some(principal.arn.clone())),
            PrincipalKind::User { name } => {
                know("aws:username", name);
                ("User", Some(principal.arn.clone()))
            }
            PrincipalKind::AssumedRole { role_arn, .. } => ("AssumedRole", Some(role_arn.clone())),
            PrincipalKind::FederatedUser { .. } => ("FederatedUser", Some(principal.arn.clone())),
            PrincipalKind::Service { name } => {
                know("aws:principalservicename", name);
                ("Service", None)
            }
            _ => ("Anonymous", None),
        };
        know("aws:principaltype", kind);
        know("aws:principalisawsservice", if kind == "Service" { "true" } else { "false" });
        if let Some(arn) = arn {
            know("aws:principalarn", &arn);
        }
        if !principal.account.is_empty() {
            know("aws:principalaccount", &principal.account);
        }
        if !principal.user_id.is_empty() {
            know("aws:userid", &principal.user_id);
        }
        Self { case, keys }
    }

    /// The tables of "Policy evaluation for requests within a single account" and of "Cross-account policy evaluation".
    fn by_whom(&self, case: &Case) -> Answer {
        let resource = self.allowed(&case.on_resource);
        let other_account = case.owner != case.principal.account;
        let identity = self.allowed(&case.identity).is_some();
        let limits = || {
            if case.boundary.as_ref().is_some_and(|document| self.matching(document, "Allow").is_none()) {
                return Answer::Missing("boundary");
            }
            let federated = matches!(case.principal.kind, PrincipalKind::FederatedUser { .. });
            match &case.session {
                None if federated => Answer::Missing("session"),
                Some(documents) if self.allowed(documents).is_none() => Answer::Missing("session"),
                _ => Answer::Yes,
            }
        };
        let own = || if identity { limits() } else { Answer::Missing("identity") };
        match (&case.principal.kind, resource) {
            (PrincipalKind::Anonymous | PrincipalKind::Service { .. }, None) => Answer::Missing("resource"),
            (PrincipalKind::Anonymous | PrincipalKind::Service { .. }, Some(_)) => Answer::Yes,
            (PrincipalKind::Root, None) if other_account || case.must => Answer::Missing("resource"),
            (PrincipalKind::Root, _) => Answer::Yes,
            (_, resource) if other_account => match (own(), resource) {
                (Answer::Yes, None) => Answer::Missing("resource"),
                (own, _) => own,
            },
            (_, Some(Named::Itself)) => Answer::Yes,
            (_, Some(Named::RoleOrUserBehind)) => limits(),
            (_, Some(Named::Account)) => own(),
            (_, None) if case.must => Answer::Missing("resource"),
            (_, None) => own(),
        }
    }

    fn allowed(&self, documents: &[Json]) -> Option<Named> {
        documents.iter().filter_map(|document| self.matching(document, "Allow")).max()
    }

    /// How the statements of this effect that apply name who asks, at best.
    fn matching(&self, document: &Json, effect: &str) -> Option<Named> {
        let variables = document["Version"] == "2012-10-17";
        let statements = document["Statement"].as_array().expect("statements are made as lists");
        let of_effect = statements.iter().filter(|statement| statement["Effect"] == effect);
        of_effect.filter_map(|statement| self.applies(statement, variables)).max()
    }

    fn applies(&self, statement: &Json, variables: bool) -> Option<Named> {
        let denies = statement["Effect"] == "Deny";
        let action =
            |pattern: &String| matches(&plain(&pattern.to_ascii_lowercase()), &self.case.action.to_ascii_lowercase());
        let actions = match (statement.get("Action"), statement.get("NotAction")) {
            (Some(some), _) => texts(some).iter().any(action),
            (None, Some(others)) => !texts(others).iter().any(action),
            (None, None) => false,
        };
        let resource = |pattern: &String| self.is_resource(pattern, &self.case.resource, variables, true);
        let resources = match (statement.get("Resource"), statement.get("NotResource")) {
            (Some(some), _) => texts(some).iter().any(resource),
            (None, Some(others)) => !texts(others).iter().any(resource),
            (None, None) => true,
        };
        let conditions = statement.get("Condition").and_then(Json::as_object);
        let holds = conditions.into_iter().flatten().all(|(operator, keys)| {
            let keys = keys.as_object().expect("a condition has keys");
            keys.iter().all(|(key, values)| self.condition(operator, key, &texts(values), variables))
        });
        if !(actions && resources && holds) {
            return None;
        }
        match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(some), _) => named(some, &self.case.principal),
            (None, Some(others)) => {
                let excepted = if denies {
                    // "A deny with NotPrincipal always hits who has a permissions boundary."
                    self.case.boundary.is_none() && excepted_from_deny(others, &self.case.principal)
                } else {
                    named(others, &self.case.principal).is_some()
                };
                (!excepted).then_some(Named::Itself)
            }
            (None, None) => Some(Named::Itself),
        }
    }

    /// The pieces of a pattern, variables replaced. `None`: a variable has no value and no default.
    fn replaced(&self, pattern: &str, variables: bool) -> Option<Vec<Piece>> {
        let mut out = Vec::new();
        let characters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        while at < characters.len() {
            let rest: String = characters[at..].iter().collect();
            if variables && rest.starts_with("${") && rest.contains('}') {
                let inside: String = rest[2..].chars().take_while(|c| *c != '}').collect();
                at += inside.chars().count() + 3;
                if ["*", "?", "$"].contains(&inside.as_str()) {
                    out.extend(inside.chars().map(Piece::Is));
                    continue;
                }
                let (key, default) = match inside.split_once(',') {
                    None => (inside.as_str(), None),
                    Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_owned())),
                };
                let value = match self.keys.get(&key.trim().to_lowercase()).map(Vec::as_slice) {
                    Some([one]) => Some(one.clone()),
                    _ => default,
                };
                out.extend(value?.chars().map(Piece::Is));
                continue;
            }
            out.push(match characters[at] {
                '*' => Piece::Many,
                '?' => Piece::One,
                other => Piece::Is(other),
            });
            at += 1;
        }
        Some(out)
    }

    /// "Each segment is matched by itself; a wildcard of the last one goes beyond colons." What is missing at the end
    /// of a resource is anything.
    fn is_resource(&self, pattern: &str, resource: &str, variables: bool, complete: bool) -> bool {
        if pattern == "*" {
            return true;
        }
        let asked: Vec<&str> = resource.splitn(6, ':').collect();
        if asked.len() < 6 || asked[0] != "arn" {
            return false;
        }
        let mut wanted: Vec<String> = segments(pattern);
        if wanted.len() < 6 && !complete {
            return false;
        }
        wanted.resize(6, "*".to_owned());
        wanted
            .iter()
            .zip(asked)
            .all(|(pattern, segment)| self.replaced(pattern, variables).is_some_and(|pieces| matches(&pieces, segment)))
    }

    fn condition(&self, operator: &str, key: &str, wanted: &[String], variables: bool) -> bool {
        let (set, operator) = operator.split_once(':').map_or(("", operator), |(set, rest)| (set, rest));
        let (if_exists, operator) = operator.strip_suffix("IfExists").map_or((false, operator), |rest| (true, rest));
        let values = self.keys.get(&key.to_lowercase()).filter(|values| !values.is_empty());
        if operator == "Null" {
            return wanted.iter().any(|wanted| (wanted == "true") == values.is_none());
        }
        let negated = operator.contains("Not");
        let Some(values) = values else {
            return match set {
                "ForAllValues" => true,
                "ForAnyValue" => false,
                _ => if_exists || negated,
            };
        };
        let positive = operator.replace("Not", "");
        let one = |value: &String| wanted.iter().any(|wanted| self.compares(&positive, value, wanted, variables));
        match set {
            "ForAllValues" => values.iter().all(|value| one(value) != negated),
            "ForAnyValue" => values.iter().any(|value| one(value) != negated),
            _ => values.iter().any(one) != negated,
        }
    }

    fn compares(&self, operator: &str, value: &str, wanted: &str, variables: bool) -> bool {
        let literal = |pieces: Vec<Piece>| -> String {
            let text = |piece: &Piece| match piece {
                Piece::Is(c) => *c,
                Piece::Many => '*',
                Piece::One => '?',
            };
            pieces.iter().map(text).collect()
        };
        let replaced = self.replaced(wanted, variables);
        let number = |text: &str| text.parse::<f64>().ok();
        let date = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|t| t.as_second() as f64);
        let ordered = |a: Option<f64>, b: Option<f64>, how: &str| match (a, b) {
            (Some(a), Some(b)) => match how {
                "Equals" => a == b,
                "LessThan" => a < b,
                "LessThanEquals" => a <= b,
                "GreaterThan" => a > b,
                "GreaterThanEquals" => a >= b,
                _ => false,
            },
            _ => false,
        };
        match operator {
            "StringEquals" => replaced.is_some_and(|pieces| literal(pieces) == value),
            "StringEqualsIgnoreCase" => {
                replaced.is_some_and(|pieces| literal(pieces).to_lowercase() == value.to_lowercase())
            }
            "StringLike" => replaced.is_some_and(|pieces| matches(&pieces, value)),
            "Bool" => wanted.eq_ignore_ascii_case(value),
            "ArnLike" | "ArnEquals" => self.is_resource(wanted, value, variables, false),
            "IpAddress" => in_network(value, wanted),
            _ => match (operator.strip_prefix("Numeric"), operator.strip_prefix("Date")) {
                (Some(how), _) => ordered(number(value), number(wanted), how),
                (_, Some(how)) => ordered(date(value), date(wanted), how),
                _ => panic!("{operator} is not known"),
            },
        }
    }
}

fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(all) => all.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// A character of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Is(char),
    One,
    Many,
}

fn plain(pattern: &str) -> Vec<Piece> {
    let piece = |c| match c {
        '*' => Piece::Many,
        '?' => Piece::One,
        other => Piece::Is(other),
    };
    pattern.chars().map(piece).collect()
}

/// Whether the whole text is of the pattern, by the table of all their beginnings.
fn matches(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut row: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for piece in pattern {
        let before = row.clone();
        row[0] = *piece == Piece::Many && before[0];
        for length in 1..=text.len() {
            row[length] = match piece {
                Piece::Many => before[length] || row[length - 1],
                Piece::One => before[length - 1],
                Piece::Is(c) => before[length - 1] && *c == text[length - 1],
            };
        }
    }
    row[text.len()]
}

/// The six segments of a pattern. The colons of a variable divide nothing.
fn segments(pattern: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut inside = false;
    for c in pattern.chars() {
        let count = all.len();
        let last = &mut all[count - 1];
        inside = (inside || (c == '{' && last.ends_with('$'))) && c != '}';
        if c == ':' && !inside && count < 6 {
            all.push(String::new());
        } else {
            last.push(c);
        }
    }
    all
}

fn in_network(address: &str, network: &str) -> bool {
    let bits = |text: &str| -> Option<u32> { text.parse::<std::net::Ipv4Addr>().ok().map(u32::from) };
    let (base, length) = network.split_once('/').unwrap_or((network, "32"));
    let (Some(address), Some(base), Ok(length)) = (bits(address), bits(base), length.parse::<u32>()) else {
        return false;
    };
    (0..length).all(|bit| (address >> (31 - bit)) & 1 == (base >> (31 - bit)) & 1)
}

/// Whether a `Principal` element names somebody, and how.
fn named(element: &Json, who: &PrincipalFacts) -> Option<Named> {
    if element == "*" {
        return Some(Named::Itself);
    }
    let kinds = element.as_object()?;
    let one =
        |(kind, values): (&String, &Json)| texts(values).iter().filter_map(|value| is_named(kind, value, who)).max();
    kinds.iter().filter_map(one).max()
}

fn is_named(kind: &str, value: &str, who: &PrincipalFacts) -> Option<Named> {
    match (kind, &who.kind) {
        ("Service", PrincipalKind::Service { name }) => (name == value).then_some(Named::Itself),
        ("AWS", _) if value == "*" => Some(Named::Itself),
        ("AWS", _) if who.account.is_empty() => None,
        ("AWS", _) if value == who.account || value == format!("arn:aws:iam::{}:root", who.account) => {
            Some(Named::Account)
        }
        ("AWS", _) if value == who.arn => Some(Named::Itself),
        ("AWS", PrincipalKind::AssumedRole { role_arn, .. }) if value == role_arn => Some(Named::RoleOrUserBehind),
        ("AWS", PrincipalKind::FederatedUser { user_arn, .. }) if value == user_arn => Some(Named::RoleOrUserBehind),
        _ => None,
    }
}

/// "Name the principal, and the account that it belongs to; of a session the role and the account as well."
fn excepted_from_deny(element: &Json, who: &PrincipalFacts) -> bool {
    if element == "*" {
        return true;
    }
    let all: Vec<(String, String)> = element
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(kind, values)| texts(values).into_iter().map(move |value| (kind.clone(), value)))
        .collect();
    if all.iter().any(|(kind, value)| kind == "AWS" && value == "*") {
        return true;
    }
    let has = |how: Named| all.iter().any(|(kind, value)| is_named(kind, value, who) == Some(how));
    match who.kind {
        PrincipalKind::Root => has(Named::Account),
        PrincipalKind::User { .. } => has(Named::Itself) && has(Named::Account),
        PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
            has(Named::Itself) && has(Named::RoleOrUserBehind) && has(Named::Account)
        }
        _ => has(Named::Itself),
    }
}
