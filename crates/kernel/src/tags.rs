//! Tags: the rules that nearly all services share.
//!
//! Source: "Tag naming limits and requirements" in the tagging guide.

use std::collections::BTreeMap;

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
