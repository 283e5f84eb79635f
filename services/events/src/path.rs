//! JSON paths: `$`, `.name`, `[3]`, `[*]` and `.*`, which is all that EventBridge understands.
//!
//! Source: "Amazon EventBridge input transformation" in the user guide; AWS refuses names in brackets.

use serde_json::Value as Json;

/// A path into an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    All,
}

impl Path {
    /// `None`: it is no path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while let Some(first) = rest.chars().next() {
            let after = &rest[first.len_utf8()..];
            let (step, left) = match first {
                '.' => name(after)?,
                '[' => {
                    let (inside, left) = after.split_once(']')?;
                    let step = if inside == "*" { Step::All } else { Step::Index(inside.parse().ok()?) };
                    (step, left)
                }
                _ => return None,
            };
            steps.push(step);
            rest = left;
        }
        Some(Self(steps))
    }

    /// What an event has there. A path with a wildcard finds a list.
    pub(crate) fn find(&self, event: &Json) -> Option<Json> {
        let found = walk(&self.0, event);
        if self.0.contains(&Step::All) {
            return (!found.is_empty()).then(|| found.into_iter().cloned().collect());
        }
        found.first().map(|value| (*value).clone())
    }
}

fn name(rest: &str) -> Option<(Step, &str)> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, left) = rest.split_at(end);
    let allowed = |c: char| c.is_alphanumeric() || "-_/:@#".contains(c);
    match name {
        "*" => Some((Step::All, left)),
        name if !name.is_empty() && name.chars().all(allowed) => Some((Step::Name(name.to_owned()), left)),
        _ => None,
    }
}

fn walk<'a>(steps: &[Step], value: &'a Json) -> Vec<&'a Json> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    let next: Vec<&Json> = match (step, value) {
        (Step::Name(name), Json::Object(fields)) => fields.get(name).into_iter().collect(),
        (Step::Index(at), Json::Array(items)) => items.get(*at).into_iter().collect(),
        (Step::All, Json::Array(items)) => items.iter().collect(),
        (Step::All, Json::Object(fields)) => fields.values().collect(),
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| walk(rest, value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(path: &str) -> Option<Json> {
        let event = json!({"a": {"b-c": [1, {"d": "x"}, {"d": "y"}]}, "n": null});
        Path::parse(path)?.find(&event)
    }

    #[test]
    fn values_are_found() {
        assert_eq!(find("$.a.b-c[0]"), Some(json!(1)));
        assert_eq!(find("$.a.b-c[1].d"), Some(json!("x")));
        assert_eq!(find("$.a.b-c[*].d"), Some(json!(["x", "y"])));
        assert_eq!(find("$.a.*[2].d"), Some(json!(["y"])));
        assert_eq!(find("$.n"), Some(Json::Null));
        assert_eq!(find("$.a.z"), None);
        assert_eq!(find("$.a.b-c[9]"), None);
    }

    #[test]
    fn what_is_no_path() {
        for text in ["", "a", "$a", "$.", "$.a['b']", "$.a[", "$.a[b]", "$..a", "$.a b"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
