//! The policy of a browser's form: what its sender may have put into the fields.
//!
//! Source: "POST policy" in the S3 API reference; refusals as recorded by public test suites.

use serde_json::Value as Json;
use undercast_kernel::{AwsError, Failure, Result, Timestamp};

/// A policy, read.
pub(crate) struct FormPolicy {
    conditions: Vec<Condition>,
    /// The least and the most bytes that the file may have.
    pub(crate) size: Option<(u64, u64)>,
}

enum Condition {
    Equals { field: String, value: String, shown: String },
    StartsWith { field: String, value: String, shown: String },
}

fn invalid(message: &str) -> Failure {
    AwsError::new("InvalidPolicyDocument", 400, format!("Invalid Policy: {message}")).into()
}

fn denied(message: impl AsRef<str>) -> Failure {
    AwsError::new("AccessDenied", 403, format!("Invalid according to Policy: {}", message.as_ref())).into()
}

/// As refusals show a condition: `["eq", "$key", "a"]`.
fn shown(operator: &str, field: &str, value: &str) -> String {
    format!("[{}, {}, {}]", Json::from(operator), Json::from(field), Json::from(value))
}

impl FormPolicy {
    /// Reads a policy's JSON, whose time must not be over.
    pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Self> {
        let json: Json = serde_json::from_str(text).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = json.get("expiration").and_then(Json::as_str);
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let ends: Timestamp =
            expiration.parse().map_err(|_| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?;
        if ends <= now {
            return Err(denied("Policy expired."));
        }
        let given = json.get("conditions").and_then(Json::as_array);
        let given = given.ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut policy = Self { conditions: Vec::new(), size: None };
        for condition in given {
            policy.add(condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Json) -> Result<()> {
        match condition {
            Json::Object(pair) => {
                let mut pairs = pair.iter();
                let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let value =
                    value.as_str().ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
                let shown = shown("eq", &format!("${field}"), value);
                self.conditions.push(Condition::Equals { field: field.to_lowercase(), value: value.to_owned(), shown });
                Ok(())
            }
            Json::Array(parts) => self.add_list(parts),
            _ => Err(invalid("Invalid Condition: must be an object or a list.")),
        }
    }

    fn add_list(&mut self, parts: &[Json]) -> Result<()> {
        let [operator, first, second] = parts else {
            return Err(invalid("Invalid Condition: must have three elements."));
        };
        let operator = operator.as_str().unwrap_or_default();
        if operator.eq_ignore_ascii_case("content-length-range") {
            let number = |v: &Json| v.as_u64().or_else(|| v.as_str()?.parse().ok());
            let (Some(least), Some(most)) = (number(first), number(second)) else {
                return Err(invalid("Invalid content-length-range: the bounds must be numbers."));
            };
            self.size = Some((least, most));
            return Ok(());
        }
        let (Some(name), Some(value)) = (first.as_str(), second.as_str()) else {
            return Err(invalid("Invalid Condition: its elements must be strings."));
        };
        let field = name.strip_prefix('$').unwrap_or(name).to_lowercase();
        let (value, shown) = (value.to_owned(), shown(operator, name, value));
        self.conditions.push(match operator.to_ascii_lowercase().as_str() {
            "eq" => Condition::Equals { field, value, shown },
            "starts-with" => Condition::StartsWith { field, value, shown },
            _ => return Err(invalid(&format!("Invalid Condition: unknown operation '{operator}'."))),
        });
        Ok(())
    }

    /// Whether the fields are what the policy wants, and no others. `fields`: lower-case names and values, the bucket's
    /// among them.
    pub(crate) fn check(&self, fields: &[(String, String)]) -> Result<()> {
        let value_of = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        for condition in &self.conditions {
            let (holds, shown) = match condition {
                Condition::Equals { field, value, shown } => (value_of(field) == Some(value.as_str()), shown),
                Condition::StartsWith { field, value, shown } => {
                    (value_of(field).is_some_and(|found| starts(field, found, value)), shown)
                }
            };
            if !holds {
                return Err(denied(format!("Policy Condition failed: {shown}")));
            }
        }
        let named = |name: &str| {
            self.conditions.iter().any(|c| match c {
                Condition::Equals { field, .. } | Condition::StartsWith { field, .. } => field == name,
            })
        };
        match fields.iter().map(|(name, _)| name.as_str()).find(|name| !is_free(name) && !named(name)) {
            Some(extra) => Err(denied(format!("Extra input fields: {extra}"))),
            None => Ok(()),
        }
    }
}

/// A list of content types must begin so in each of its members.
fn starts(field: &str, found: &str, wanted: &str) -> bool {
    if field == "content-type" {
        return found.split(',').all(|one| one.trim().starts_with(wanted));
    }
    found.starts_with(wanted)
}

/// Fields that no policy needs to name.
fn is_free(name: &str) -> bool {
    matches!(name, "policy" | "file" | "bucket" | "x-amz-signature" | "signature" | "awsaccesskeyid")
        || name.starts_with("x-ignore-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conditions: &str, fields: &[(&str, &str)]) -> String {
        let text = format!(r#"{{"expiration": "2030-01-01T00:00:00Z", "conditions": {conditions}}}"#);
        let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let outcome = FormPolicy::parse(&text, Timestamp::UNIX_EPOCH).and_then(|p| p.check(&fields));
        outcome.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn policies() {
        let key = [("key", "user/a"), ("bucket", "b")];
        for (conditions, fields, wanted) in [
            (r#"[["starts-with", "$key", "user/"], {"bucket": "b"}]"#, &key[..], ""),
            (r#"[["eq", "$key", "other"]]"#, &key, r#"Policy Condition failed: ["eq", "$key", "other"]"#),
            (r#"[{"key": "other"}]"#, &key, r#"Policy Condition failed: ["eq", "$key", "other"]"#),
            (r#"[["starts-with", "$key", ""]]"#, &[("key", "k"), ("acl", "private")], "Extra input fields: acl"),
            (r#"[["starts-with", "$key", ""]]"#, &[("key", "k"), ("x-ignore-me", "1")], ""),
            (r#"[["starts-with", "$content-type", "image/"]]"#, &[("content-type", "image/png,text/html")], "failed"),
            (r#"[{"a": "b", "c": "d"}]"#, &key, "exactly one property"),
            (r#"[["like", "$key", "a"]]"#, &key, "unknown operation"),
            (r#"[["content-length-range", "x", 1]]"#, &key, "content-length-range"),
        ] {
            let found = check(conditions, fields);
            assert!(if wanted.is_empty() { found.is_empty() } else { found.contains(wanted) }, "{conditions}: {found}");
        }
        let late =
            FormPolicy::parse(r#"{"expiration": "1970-01-01T00:00:00Z", "conditions": []}"#, Timestamp::UNIX_EPOCH);
        assert!(late.err().is_some_and(|e| e.to_string().contains("Policy expired")));
    }
}
