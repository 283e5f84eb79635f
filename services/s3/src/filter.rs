//! Filters by prefix and tags, as configurations have them that a bucket has several of.

use std::collections::{BTreeMap, HashSet};

use undercast_kernel::Result;

use crate::api::kept::Tag;
use crate::error;

/// Which objects a configuration is about, as it was given.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    pub(crate) prefix: Option<&'a str>,
    pub(crate) tag: Option<&'a Tag>,
    /// ARN of an access point: that of a metrics configuration.
    pub(crate) point: Option<&'a str>,
    /// All of several.
    pub(crate) and: Option<And<'a>>,
}

/// A prefix, an access point and tags, of which there are two at least.
#[derive(Clone, Copy)]
pub(crate) struct And<'a> {
    pub(crate) prefix: Option<&'a str>,
    pub(crate) point: Option<&'a str>,
    pub(crate) tags: &'a [Tag],
}

impl<'a> Filter<'a> {
    /// The one that every object passes.
    pub(crate) const ALL: Self = Self { prefix: None, tag: None, point: None, and: None };

    /// "A filter must have exactly one prefix, one tag, or one conjunction" (or an access point), and a conjunction at least two parts.
    pub(crate) fn check(self) -> Result<()> {
        let said = [self.prefix.is_some(), self.tag.is_some(), self.point.is_some(), self.and.is_some()];
        if said.iter().filter(|s| **s).count() != 1 {
            return Err(error::malformed_xml().into());
        }
        let Some(And { prefix, point, tags }) = self.and else { return Ok(()) };
        let mut keys = HashSet::new();
        if !tags.iter().all(|t| keys.insert(&t.key)) {
            return Err(error::invalid_request("Duplicate Tag Keys are not allowed.").into());
        }
        let parts = usize::from(prefix.is_some()) + usize::from(point.is_some()) + tags.len();
        if parts < 2 { Err(error::malformed_xml().into()) } else { Ok(()) }
    }

    /// The prefix of the keys that pass it.
    pub(crate) fn prefix(self) -> &'a str {
        self.prefix.or(self.and.and_then(|and| and.prefix)).unwrap_or("")
    }

    fn tags(self) -> impl Iterator<Item = &'a Tag> {
        self.tag.into_iter().chain(self.and.into_iter().flat_map(|and| and.tags))
    }

    /// In one line: the prefix, and the tags behind it.
    pub(crate) fn text(self) -> String {
        let tags = self.tags().map(|t| format!("{}={}", t.key, t.value));
        let prefix = Some(self.prefix().to_owned()).filter(|p| !p.is_empty());
        prefix.into_iter().chain(tags).collect::<Vec<_>>().join("&")
    }

    /// Whether a request passes it: by its access point, and by the object that it is about. One that is about none has neither a
    /// prefix nor tags.
    pub(crate) fn counts(self, key: Option<&str>, tags: &BTreeMap<String, String>, point: Option<&str>) -> bool {
        let wanted = self.point.or(self.and.and_then(|and| and.point));
        let named = self.prefix.or(self.and.and_then(|and| and.prefix)).is_some();
        wanted.is_none_or(|arn| point == Some(arn))
            && (key.is_some() || !named)
            && self.matches(key.unwrap_or(""), tags)
    }

    /// Whether an object passes it.
    pub(crate) fn matches(self, key: &str, tags: &BTreeMap<String, String>) -> bool {
        key.starts_with(self.prefix()) && self.tags().all(|t| tags.get(&t.key) == Some(&t.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.to_owned(), value: value.to_owned() }
    }

    fn and<'a>(prefix: Option<&'a str>, tags: &'a [Tag]) -> Option<And<'a>> {
        Some(And { prefix, point: None, tags })
    }

    #[test]
    fn what_passes() {
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let (one, both, wrong) = (tag("a", "1"), [tag("a", "1"), tag("b", "2")], [tag("a", "1"), tag("b", "3")]);
        for (filter, wanted) in [
            (Filter::ALL, true),
            (Filter { prefix: Some("logs/"), ..Filter::ALL }, true),
            (Filter { prefix: Some("other/"), ..Filter::ALL }, false),
            (Filter { tag: Some(&one), ..Filter::ALL }, true),
            (Filter { and: and(Some("logs/"), &both), ..Filter::ALL }, true),
            (Filter { and: and(Some("logs/"), &wrong), ..Filter::ALL }, false),
            (Filter { and: and(Some("other/"), &both), ..Filter::ALL }, false),
        ] {
            assert_eq!(filter.matches("logs/1", &tags), wanted);
        }
    }

    #[test]
    fn what_is_no_filter() {
        let (one, twice) = (tag("a", "1"), [tag("a", "1"), tag("a", "2")]);
        let refused = |filter: Filter<'_>| filter.check().err().map(|e| e.to_string()).unwrap_or_default();
        for (filter, wanted) in [
            (Filter { prefix: Some(""), ..Filter::ALL }, ""),
            (Filter { and: and(None, &[tag("a", "1"), tag("b", "1")]), ..Filter::ALL }, ""),
            (Filter::ALL, "MalformedXML"),
            (Filter { prefix: Some("p"), tag: Some(&one), ..Filter::ALL }, "MalformedXML"),
            (Filter { and: and(Some("p"), &[]), ..Filter::ALL }, "MalformedXML"),
            (Filter { and: and(Some("p"), &twice), ..Filter::ALL }, "Duplicate Tag Keys"),
        ] {
            let found = refused(filter);
            assert!(if wanted.is_empty() { found.is_empty() } else { found.contains(wanted) }, "{found}");
        }
    }
}
