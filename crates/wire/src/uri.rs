//! URI patterns of HTTP bindings, taken apart once and fitted to many requests.

use std::borrow::Cow;

use crate::text;

/// A pattern: `/{Bucket}/{Key+}?uploads`.
#[derive(Debug)]
pub struct Pattern {
    segments: Vec<Segment>,
    query: Vec<(&'static str, Option<&'static str>)>,
    greedy: bool,
}

#[derive(Debug, Clone, Copy)]
enum Segment {
    Literal(&'static str),
    Label(&'static str),
    Greedy(&'static str),
}

/// How well a URI pattern fits a request: labels by name, and a rank (literal segments and query literals count).
#[derive(Debug)]
pub struct Match {
    /// Labels, decoded.
    pub labels: Vec<(&'static str, String)>,
    /// The better of two matches has the higher rank.
    pub rank: usize,
}

/// A raw path, split at its slashes.
#[derive(Debug)]
pub struct Path<'a> {
    segments: Vec<&'a str>,
    /// How many there are without the empty one that a trailing slash leaves.
    bare: usize,
}

impl<'a> Path<'a> {
    /// Splits a path.
    pub fn new(raw: &'a str) -> Self {
        let segments: Vec<&str> = raw.trim_start_matches('/').split('/').collect();
        let bare = if segments.len() > 1 && segments.last() == Some(&"") { segments.len() - 1 } else { segments.len() };
        Self { segments, bare }
    }
}

impl Pattern {
    /// Takes a pattern apart.
    pub fn new(pattern: &'static str) -> Self {
        let (path, query) = pattern.split_once('?').unwrap_or((pattern, ""));
        let literals = query.split('&').filter(|w| !w.is_empty());
        let query = literals.map(|w| w.split_once('=').map_or((w, None), |(n, v)| (n, Some(v)))).collect();
        let mut segments: Vec<Segment> = path.trim_start_matches('/').split('/').map(segment).collect();
        let greedy = segments.iter().any(|s| matches!(s, Segment::Greedy(_)));
        // A trailing slash means nothing to a pattern that does not end in a greedy label.
        if !greedy && segments.len() > 1 && matches!(segments.last(), Some(Segment::Literal(""))) {
            segments.pop();
        }
        Self { segments, query, greedy }
    }

    /// It asks for something in the query string.
    pub fn has_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// Fits the pattern to a raw path and a decoded query string.
    pub fn fit(&self, path: &Path<'_>, query: &[(String, String)]) -> Option<Match> {
        for (name, value) in &self.query {
            let found = query.iter().find(|(n, _)| n == name)?;
            if value.is_some_and(|v| v != found.1) {
                return None;
            }
        }
        let given = if self.greedy { path.segments.as_slice() } else { path.segments.get(..path.bare)? };
        // Most patterns are of another length, and nothing is decoded for them.
        if if self.greedy { given.len() < self.segments.len() } else { given.len() != self.segments.len() } {
            return None;
        }
        let (mut at, mut rank, mut labels) = (0, self.query.len() * 100, Vec::new());
        for (i, segment) in self.segments.iter().enumerate() {
            let part = *given.get(at)?;
            match segment {
                Segment::Greedy(name) => {
                    let end = given.len().checked_sub(self.segments.len() - i - 1).filter(|end| *end > at)?;
                    let value: Cow<'_, str> = if end == at + 1 { part.into() } else { given[at..end].join("/").into() };
                    labels.push((*name, label(&value)?));
                    at = end;
                    rank += 1;
                    continue;
                }
                Segment::Label(name) => {
                    labels.push((*name, label(part)?));
                    rank += 2;
                }
                Segment::Literal(literal) => {
                    if part != *literal && text::percent_decode(part, false).as_deref() != Some(*literal) {
                        return None;
                    }
                    rank += 3;
                }
            }
            at += 1;
        }
        (at == given.len()).then_some(Match { labels, rank })
    }
}

fn segment(text: &'static str) -> Segment {
    match text.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
        None => Segment::Literal(text),
        Some(name) => name.strip_suffix('+').map_or(Segment::Label(name), Segment::Greedy),
    }
}

/// The value of a label, which cannot be empty.
fn label(raw: &str) -> Option<String> {
    if raw.is_empty() { None } else { text::percent_decode(raw, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pattern: &'static str, path: &str, query: &str) -> Option<String> {
        let query = text::pairs(query).unwrap();
        let found = Pattern::new(pattern).fit(&Path::new(path), &query)?;
        Some(found.labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn patterns_fit() {
        for (pattern, path, query, wanted) in [
            ("/", "/", "", Some("")),
            ("/", "", "", Some("")),
            ("/", "/b", "", None),
            ("/{Bucket}", "/b", "", Some("Bucket=b")),
            ("/{Bucket}", "/b/", "", Some("Bucket=b")),
            ("/{Bucket}", "/", "", None),
            ("/{Bucket}/{Key+}", "/b/", "", None),
            ("/{Bucket}/{Key+}", "/b/k", "", Some("Bucket=b,Key=k")),
            ("/{Bucket}/{Key+}", "/b/k/", "", Some("Bucket=b,Key=k/")),
            ("/{Bucket}/{Key+}", "/b/k%20l/m", "", Some("Bucket=b,Key=k l/m")),
            ("/{Bucket}?uploads", "/b", "uploads", Some("Bucket=b")),
            ("/{Bucket}?uploads", "/b", "", None),
            ("/{Bucket}?list-type=2", "/b", "list-type=1", None),
            ("/{Bucket}?list-type=2", "/b", "list-type=2", Some("Bucket=b")),
            ("/a/{Name+}/end", "/a/b/c/end", "", Some("Name=b/c")),
            ("/a/{Name+}/end", "/a/end", "", None),
            ("/functions/{Name}/code", "/functions/f/code", "", Some("Name=f")),
            ("/functions/{Name}/code", "/functions/f", "", None),
            ("/with space", "/with%20space", "", Some("")),
        ] {
            assert_eq!(labels(pattern, path, query).as_deref(), wanted, "{pattern} {path}?{query}");
        }
    }
}
