//! Tags: the rules that nearly all services share.
//!
//! Source: "Tag naming limits and requirements" in the tagging guide.

use std::collections::BTreeMap;

use undercast_policy::MapContext;
use undercast_wire::Value;

/// Key to value.
pub type Tags = BTreeMap<String, String>;

/// What is wrong with a set of tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    /// Too many.
    #[error("a resource has at most {0} tags")]
    TooMany(usize),
    /// A key has no character or more than 128.
    #[error("the tag key `{0}` is not 1 to 128 characters long")]
    KeyLength(String),
    /// A value has more than 256 characters.
    #[error("the value of the tag `{0}` is longer than 256 characters")]
    ValueLength(String),
    /// The prefix is AWS's own.
    #[error("the tag key `{0}` begins with aws:, which is reserved")]
    Reserved(String),
    /// A character that tags do not have.
    #[error("the tag `{0}` has a character that is not allowed")]
    Character(String),
}

/// Has a permission know the tags of a call: those that it sets, as a list of `Key` and `Value` or as a map, and the keys of
/// those that it takes away. They are `aws:RequestTag/…` and `aws:TagKeys`.
pub fn requested(context: &mut MapContext, set: Option<&Value>, taken: Option<&Value>) {
    let pairs: Vec<(&str, Option<&str>)> = match set {
        Some(Value::List(tags)) => tags.iter().filter_map(|tag| Some((tag.text("Key")?, tag.text("Value")))).collect(),
        Some(Value::Map(tags)) => tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        _ => Vec::new(),
    };
    for (key, value) in &pairs {
        context.set(&format!("aws:RequestTag/{key}"), value.unwrap_or_default());
    }
    let taken = match taken {
        Some(Value::List(keys)) => keys.as_slice(),
        _ => &[],
    };
    let keys = pairs.iter().map(|(key, _)| *key).chain(taken.iter().filter_map(Value::as_str));
    let keys: Vec<String> = keys.map(ToOwned::to_owned).collect();
    if !keys.is_empty() {
        context.set_many("aws:TagKeys", keys);
    }
}

/// Checks tags that a caller sets on top of `count` others.
///
/// # Errors
/// The first rule that is broken.
pub fn check(tags: &Tags, count: usize, most: usize) -> Result<(), BadTag> {
    if tags.len() + count > most {
        return Err(BadTag::TooMany(most));
    }
    for (key, value) in tags {
        let length = key.chars().count();
        if length == 0 || length > 128 {
            return Err(BadTag::KeyLength(key.clone()));
        }
        if value.chars().count() > 256 {
            return Err(BadTag::ValueLength(key.clone()));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(BadTag::Reserved(key.clone()));
        }
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if !key.chars().all(allowed) || !value.chars().all(allowed) {
            return Err(BadTag::Character(key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use undercast_policy::Context as _;

    use super::*;

    #[test]
    fn the_tags_of_a_call_are_condition_keys() {
        let map = Value::Map([("team".to_owned(), Value::String("a".to_owned()))].into_iter().collect());
        let taken = Value::List(vec![Value::String("stage".to_owned())]);
        let mut context = MapContext::new();
        requested(&mut context, Some(&map), Some(&taken));
        let of = |key: &str| context.lookup(key).map(|values| values.iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("aws:requesttag/team"), Some(vec!["a".to_owned()]));
        assert_eq!(of("aws:tagkeys"), Some(vec!["team".to_owned(), "stage".to_owned()]));
        let mut nothing = MapContext::new();
        requested(&mut nothing, Some(&Value::List(Vec::new())), None);
        assert!(nothing.lookup("aws:tagkeys").is_none());
    }
}
