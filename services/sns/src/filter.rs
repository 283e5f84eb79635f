//! Filter policies: which messages a subscription gets.
//!
//! Source: "Amazon SNS message filtering" in the developer guide; messages of refusals as AWS answered them.

use serde_json::{Map, Value as Json};
use undercast_kernel::AwsError;

use crate::error::invalid;

/// Refuses a policy that is none. `body`: it is about the message's body, and may nest.
pub(crate) fn check(text: &str, body: bool) -> Result<(), AwsError> {
    let policy: Json =
        serde_json::from_str(text).map_err(|_| invalid("Invalid parameter: FilterPolicy: failed to parse JSON."))?;
    let Json::Object(entries) = policy else {
        return Err(invalid("Invalid parameter: FilterPolicy: Filter policy must be an object"));
    };
    check_entries(&entries, body)
}

fn refuse(reason: &str) -> AwsError {
    invalid(format!("Invalid parameter: FilterPolicy: {reason}"))
}

fn check_entries(entries: &Map<String, Json>, body: bool) -> Result<(), AwsError> {
    for (key, value) in entries {
        match value {
            Json::Array(rules) if key == "$or" => {
                for rule in rules {
                    let Json::Object(entries) = rule else { return Err(refuse("\"$or\" must be an array of objects")) };
                    check_entries(entries, body)?;
                }
            }
            Json::Array(rules) if rules.is_empty() => return Err(refuse("Empty arrays are not allowed")),
            Json::Array(rules) => rules.iter().try_for_each(check_rule)?,
            Json::Object(_) if !body => {
                return Err(invalid(
                    "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy",
                ));
            }
            Json::Object(entries) => check_entries(entries, body)?,
            _ => return Err(refuse(&format!("\"{key}\" must be an object or an array"))),
        }
    }
    Ok(())
}

fn check_rule(rule: &Json) -> Result<(), AwsError> {
    let Json::Object(operators) = rule else {
        return if rule.is_array() {
            Err(refuse("Match value must be String, number, true, false, or null"))
        } else {
            Ok(())
        };
    };
    let (Some((name, value)), 1) = (operators.iter().next(), operators.len()) else {
        return Err(refuse("Only one key allowed in match expression"));
    };
    match (name.as_str(), value) {
        ("exists", Json::Bool(_)) | ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", Json::String(_)) => {
            Ok(())
        }
        ("exists", _) => Err(refuse("exists match pattern must be either true or false.")),
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", _) => {
            Err(refuse(&format!("{name} match pattern must be a string")))
        }
        ("anything-but", Json::Object(inner)) => {
            let supported = inner.len() == 1
                && inner.keys().all(|k| matches!(k.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard"));
            if supported { Ok(()) } else { Err(refuse("Unsupported anything-but pattern")) }
        }
        ("anything-but", _) => Ok(()),
        ("numeric", Json::Array(terms)) => check_numeric(terms),
        ("cidr", Json::String(text)) if cidr(text).is_some() => Ok(()),
        ("cidr", _) => Err(refuse("Malformed CIDR, one '/' required")),
        _ => Err(refuse(&format!("Unrecognized match type {name}"))),
    }
}

fn check_numeric(terms: &[Json]) -> Result<(), AwsError> {
    if terms.is_empty() {
        return Err(refuse("Invalid member in numeric match: ]"));
    }
    for pair in terms.chunks(2) {
        let Some(operator) = pair[0].as_str() else {
            return Err(refuse(&format!("Invalid member in numeric match: {}", pair[0])));
        };
        if !matches!(operator, "=" | "<" | "<=" | ">" | ">=") {
            return Err(refuse(&format!("Unrecognized numeric range operator: {operator}")));
        }
        if !pair.get(1).is_some_and(Json::is_number) {
            return Err(refuse(&format!(
                "Value of {} must be numeric",
                if operator == "=" { "equals" } else { operator }
            )));
        }
    }
    if terms.len() > 4 { Err(refuse("Too many terms in numeric range expression")) } else { Ok(()) }
}

/// Whether a message fits. `values` gives the values of a key: those of an attribute, or of the body.
pub(crate) fn fits(text: &str, root: &Json) -> bool {
    // It was checked when it was set; one that cannot be read lets nothing through.
    let Ok(Json::Object(policy)) = serde_json::from_str(text) else { return false };
    fits_entries(&policy, root)
}

fn fits_entries(entries: &Map<String, Json>, value: &Json) -> bool {
    entries.iter().all(|(key, rule)| match rule {
        Json::Array(choices) if key == "$or" => {
            choices.iter().any(|c| c.as_object().is_some_and(|c| fits_entries(c, value)))
        }
        Json::Array(rules) => {
            let found = value.get(key);
            rules.iter().any(|rule| fits_rule(rule, found))
        }
        Json::Object(inner) => match value.get(key) {
            Some(Json::Array(items)) => items.iter().any(|item| fits_entries(inner, item)),
            Some(found) => fits_entries(inner, found),
            None => fits_entries(inner, &Json::Null),
        },
        _ => false,
    })
}

fn fits_rule(rule: &Json, found: Option<&Json>) -> bool {
    if let Some(Json::Bool(wanted)) = rule.get("exists") {
        return found.is_some() == *wanted;
    }
    match found {
        None => false,
        // An array fits when one of its items does.
        Some(Json::Array(items)) => items.iter().any(|item| fits_one(rule, item)),
        Some(value) => fits_one(rule, value),
    }
}

fn fits_one(rule: &Json, value: &Json) -> bool {
    let Json::Object(operators) = rule else { return same(rule, value) };
    operators.iter().all(|(name, operand)| operator(name, operand, value))
}

fn operator(name: &str, operand: &Json, value: &Json) -> bool {
    let texts = || operand.as_str().zip(value.as_str());
    match name {
        "prefix" => texts().is_some_and(|(o, v)| v.starts_with(o)),
        "suffix" => texts().is_some_and(|(o, v)| v.ends_with(o)),
        "equals-ignore-case" => texts().is_some_and(|(o, v)| v.to_lowercase() == o.to_lowercase()),
        "wildcard" => texts().is_some_and(|(o, v)| undercast_kernel::policy::Wildcard::new(o).matches(v)),
        "anything-but" => match operand {
            Json::Array(items) => !items.iter().any(|i| same(i, value)),
            Json::Object(inner) => !inner.iter().any(|(name, operand)| operator(name, operand, value)),
            other => !same(other, value),
        },
        "numeric" => {
            operand.as_array().zip(number(value)).is_some_and(|(terms, v)| terms.chunks(2).all(|pair| compare(pair, v)))
        }
        "cidr" => texts().is_some_and(|(o, v)| in_network(o, v)),
        _ => false,
    }
}

fn number(value: &Json) -> Option<f64> {
    value.as_f64()
}

fn compare(pair: &[Json], value: f64) -> bool {
    let (Some(operator), Some(bound)) = (pair[0].as_str(), pair.get(1).and_then(Json::as_f64)) else { return false };
    match operator {
        "=" => (value - bound).abs() < f64::EPSILON,
        "<" => value < bound,
        "<=" => value <= bound,
        ">" => value > bound,
        _ => value >= bound,
    }
}

/// Numbers are the same by value, everything else by form.
fn same(rule: &Json, value: &Json) -> bool {
    match (rule.as_f64(), value.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => rule == value,
    }
}

fn cidr(text: &str) -> Option<(u128, u32, bool)> {
    let (address, bits) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    match address {
        std::net::IpAddr::V4(a) if bits <= 32 => Some((u128::from(a.to_bits()), bits, true)),
        std::net::IpAddr::V6(a) if bits <= 128 => Some((a.to_bits(), bits, false)),
        _ => None,
    }
}

fn in_network(network: &str, address: &str) -> bool {
    let (Some((base, bits, v4)), Ok(address)) = (cidr(network), address.parse::<std::net::IpAddr>()) else {
        return false;
    };
    let (value, width) = match address {
        std::net::IpAddr::V4(a) if v4 => (u128::from(a.to_bits()), 32),
        std::net::IpAddr::V6(a) if !v4 => (a.to_bits(), 128),
        _ => return false,
    };
    let shift = width - bits;
    shift >= 128 || base >> shift == value >> shift
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_let_through_what_they_say() {
        let message =
            json!({"kind": "order", "price": 105, "tags": ["a", "b"], "ip": "10.0.0.7", "store": {"city": "Bern"}});
        for (policy, wanted) in [
            (json!({"kind": ["order", "refund"]}), true),
            (json!({"kind": ["refund"]}), false),
            (json!({"kind": [{"prefix": "ord"}]}), true),
            (json!({"kind": [{"anything-but": ["order"]}]}), false),
            (json!({"kind": [{"anything-but": {"prefix": "re"}}]}), true),
            (json!({"price": [{"numeric": [">", 100, "<=", 105]}]}), true),
            (json!({"price": [{"numeric": ["<", 100]}]}), false),
            (json!({"tags": ["b"]}), true),
            (json!({"missing": [{"exists": false}], "kind": [{"exists": true}]}), true),
            (json!({"ip": [{"cidr": "10.0.0.0/24"}]}), true),
            (json!({"store": {"city": [{"equals-ignore-case": "BERN"}]}}), true),
            (json!({"$or": [{"kind": ["x"]}, {"price": [105.0]}]}), true),
            (json!({"kind": ["order"], "price": [1]}), false),
        ] {
            assert_eq!(fits(&policy.to_string(), &message), wanted, "{policy}");
            assert!(check(&policy.to_string(), true).is_ok(), "{policy}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for policy in [
            json!([]),
            json!({"a": "b"}),
            json!({"a": []}),
            json!({"a": [{"numeric": []}]}),
            json!({"a": [{"what": 1}]}),
        ] {
            assert!(check(&policy.to_string(), true).is_err(), "{policy}");
        }
        assert!(check(r#"{"a": {"b": ["c"]}}"#, false).is_err());
    }
}
