//! The condition keys that a policy asks for: in its conditions, and as variables.

use serde_json::Value as Json;

/// The keys of a document, as they are written there.
pub(super) fn of_policy(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(document) = serde_json::from_str::<Json>(text) {
        let statements = match &document["Statement"] {
            Json::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        for statement in statements {
            for keys in statement["Condition"].as_object().into_iter().flat_map(|c| c.values()) {
                found.extend(keys.as_object().into_iter().flat_map(|keys| keys.keys().cloned()));
            }
            // Version 2008-10-17 has no variables.
            if document["Version"] == "2012-10-17" {
                ["Resource", "NotResource", "Condition"]
                    .iter()
                    .for_each(|name| variables(&statement[name], &mut found));
            }
        }
    }
    found
}

/// `${aws:username}`, with or without a default; `${*}` is a character.
fn variables(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) => {
            let mut rest = text.as_str();
            while let Some((_, after)) = rest.split_once("${") {
                let Some((inside, behind)) = after.split_once('}') else { return };
                let key = inside.split(',').next().unwrap_or_default().trim();
                if key.contains(':') {
                    found.push(key.to_owned());
                }
                rest = behind;
            }
        }
        Json::Array(all) => all.iter().for_each(|one| variables(one, found)),
        Json::Object(all) => all.values().for_each(|one| variables(one, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_variables_are_found() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",
            "Resource":["arn:aws:s3:::${aws:username}/${*}","arn:aws:s3:::x/${aws:PrincipalTag/team, 'none'}"],
            "Condition":{"StringEquals":{"s3:prefix":"${aws:userid}"},"Bool":{"aws:SecureTransport":"true"}}}}"#;
        let mut found = of_policy(text);
        found.sort();
        assert_eq!(found, ["aws:PrincipalTag/team", "aws:SecureTransport", "aws:userid", "aws:username", "s3:prefix"]);
        assert!(of_policy("no policy").is_empty());
    }
}
