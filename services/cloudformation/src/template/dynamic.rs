//! Dynamic references: `{{resolve:service:key}}` in resolved text. Finding them is here, fetching is the caller's.

use serde_json::Value;

const START: &str = "{{resolve:";

/// One dynamic reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicReference {
    /// `ssm`, `ssm-secure` or `secretsmanager`, as written.
    pub service: String,
    /// What follows: a name and version, or a secret with its parts.
    pub key: String,
}

/// All dynamic references in a value, in order.
pub fn dynamic_references(value: &Value) -> Vec<DynamicReference> {
    let mut found = Vec::new();
    let all = replace_dynamic_references(value, &mut |reference| {
        found.push(reference.clone());
        Ok::<_, std::convert::Infallible>(String::new())
    });
    match all {
        Ok(_) => found,
        Err(never) => match never {},
    }
}

/// The value with each dynamic reference replaced by what `fetch` gives for it.
///
/// # Errors
/// The first error of `fetch`.
pub fn replace_dynamic_references<E>(
    value: &Value,
    fetch: &mut dyn FnMut(&DynamicReference) -> Result<String, E>,
) -> Result<Value, E> {
    Ok(match value {
        Value::String(text) => replace(text, fetch)?.into(),
        Value::Array(items) => {
            let items = items.iter().map(|item| replace_dynamic_references(item, fetch));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| Ok((key.clone(), replace_dynamic_references(value, fetch)?)));
            Value::Object(pairs.collect::<Result<_, E>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn replace<E>(text: &str, fetch: &mut dyn FnMut(&DynamicReference) -> Result<String, E>) -> Result<String, E> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(START) {
        let after = &rest[start + START.len()..];
        let Some((body, remaining)) = after.split_once("}}") else { break };
        let Some((service, key)) = body.split_once(':') else { break };
        out.push_str(&rest[..start]);
        out.push_str(&fetch(&DynamicReference { service: service.to_owned(), key: key.to_owned() })?);
        rest = remaining;
    }
    out.push_str(rest);
    Ok(out)
}
