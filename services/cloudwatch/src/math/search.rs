//! Search expressions: `{AWS/Lambda,FunctionName} MetricName="Errors" production`.
//!
//! Source: "CloudWatch search expression syntax" in the user guide. A name matches a word that is one of its tokens, or several that
//! follow one another; tokens end where signs stand, where letters become digits, and where small letters become large.

use undercast_kernel::metrics::Series as Known;

use super::Wrong;
use crate::span::is_period;
use crate::statistic::Statistic;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    /// Namespace, and the names of the dimensions that a metric has: these, and no others.
    schema: Option<(String, Vec<String>)>,
    wanted: Wanted,
    pub(crate) statistic: Statistic,
    pub(crate) statistic_name: String,
    /// Seconds; `None`: that of the request.
    pub(crate) period: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    All(Vec<Wanted>),
    Any(Vec<Wanted>),
    Not(Box<Wanted>),
    /// A word, or a quoted text that must be the whole, in a property, or in any.
    Word {
        property: Option<String>,
        text: String,
        whole: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Equals,
    Quoted(String),
    Bare(String),
}

impl Search {
    pub(crate) fn parse(text: &str, statistic: &str, period: Option<f64>) -> Result<Self, Wrong> {
        let known = Statistic::parse(statistic).ok_or_else(|| Wrong(format!("Unknown statistic: {statistic}")))?;
        let mut rest = text.trim();
        let mut schema = None;
        if let Some(inside) = rest.strip_prefix('{') {
            let (inside, after) =
                inside.split_once('}').ok_or_else(|| Wrong::new("A schema of a search has no end"))?;
            let mut names = inside.split(',').map(|name| name.trim().trim_matches('"').to_owned());
            let namespace = names
                .next()
                .filter(|n| !n.is_empty())
                .ok_or_else(|| Wrong::new("A schema of a search has no namespace"))?;
            schema = Some((namespace, names.collect()));
            rest = after;
        }
        let mut parser = Parser { tokens: tokens(rest)?, at: 0 };
        let wanted = parser.any(0)?;
        if parser.at < parser.tokens.len() {
            return Err(Wrong::new("A search has a bracket too many"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is checked by what it is")]
        let period = period.map(|seconds| seconds as i64);
        if period.is_some_and(|seconds| !is_period(seconds)) {
            return Err(Wrong::new("The period of a search is none"));
        }
        Ok(Self { schema, wanted, statistic: known, statistic_name: statistic.to_owned(), period })
    }

    /// The namespace of all that it finds, if it names one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.schema.as_ref().map(|(namespace, _)| namespace.as_str())
    }

    /// Whether it finds a metric.
    pub(crate) fn finds(&self, metric: &Known) -> bool {
        let in_schema = self.schema.as_ref().is_none_or(|(namespace, names)| {
            metric.namespace == *namespace
                && metric.dimensions.len() == names.len()
                && names.iter().all(|name| metric.dimensions.iter().any(|(n, _)| n == name))
        });
        in_schema && self.wanted.holds(metric)
    }
}

impl Wanted {
    fn holds(&self, metric: &Known) -> bool {
        match self {
            Self::All(all) => all.iter().all(|w| w.holds(metric)),
            Self::Any(any) => any.iter().any(|w| w.holds(metric)),
            Self::Not(not) => !not.holds(metric),
            Self::Word { property, text, whole } => {
                let fits = |value: &str| if *whole { value == text } else { has_word(value, text) };
                match property.as_deref() {
                    Some("Namespace") => fits(&metric.namespace),
                    Some("MetricName") => fits(&metric.name),
                    Some(name) => metric.dimensions.iter().any(|(n, value)| n == name && fits(value)),
                    None => {
                        let dimensions = metric.dimensions.iter().flat_map(|(name, value)| [name, value]);
                        [&metric.namespace, &metric.name].into_iter().chain(dimensions).any(|v| fits(v))
                    }
                }
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' => (Token::Equals, 1),
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| Wrong::new("A text of a search has no end"))?;
                (Token::Quoted(rest[1..=end].to_owned()), end + 2)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()=\"".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                (Token::Bare(rest[..length].to_owned()), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// Brackets in brackets, no more than so many.
const DEEPEST: usize = 64;

impl Parser {
    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Bare(found)) if found == word)
    }

    fn any(&mut self, depth: usize) -> Result<Wanted, Wrong> {
        if depth > DEEPEST {
            return Err(Wrong::new("A search is nested too deeply"));
        }
        let mut any = vec![self.all(depth)?];
        while self.is_word("OR") {
            self.at += 1;
            any.push(self.all(depth)?);
        }
        Ok(if any.len() == 1 { any.swap_remove(0) } else { Wanted::Any(any) })
    }

    fn all(&mut self, depth: usize) -> Result<Wanted, Wrong> {
        let mut all = Vec::new();
        while self.at < self.tokens.len() && !self.is_word("OR") && self.tokens[self.at] != Token::Close {
            if self.is_word("AND") {
                self.at += 1;
                continue;
            }
            all.push(self.one(depth)?);
        }
        Ok(Wanted::All(all))
    }

    fn one(&mut self, depth: usize) -> Result<Wanted, Wrong> {
        if self.is_word("NOT") {
            self.at += 1;
            if depth > DEEPEST {
                return Err(Wrong::new("A search is nested too deeply"));
            }
            return Ok(Wanted::Not(Box::new(self.one(depth + 1)?)));
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Open) => self.within_brackets(depth),
            Some(Token::Bare(name) | Token::Quoted(name)) if self.tokens.get(self.at) == Some(&Token::Equals) => {
                self.at += 1;
                // A property may be written with a colon before it, so that it is no word.
                let property = name.trim_start_matches(':').to_owned();
                Ok(named(self.one(depth + 1)?, &property))
            }
            Some(Token::Bare(text)) => Ok(Wanted::Word { property: None, text, whole: false }),
            Some(Token::Quoted(text)) => Ok(Wanted::Word { property: None, text, whole: true }),
            Some(Token::Close | Token::Equals) | None => Err(Wrong::new("A search is not complete")),
        }
    }

    fn within_brackets(&mut self, depth: usize) -> Result<Wanted, Wrong> {
        let inner = self.any(depth + 1)?;
        if self.tokens.get(self.at) != Some(&Token::Close) {
            return Err(Wrong::new("A bracket of a search has no end"));
        }
        self.at += 1;
        Ok(inner)
    }
}

/// The words of `FunctionName=("a" OR "b")` are all of the property.
fn named(wanted: Wanted, property: &str) -> Wanted {
    match wanted {
        Wanted::All(all) => Wanted::All(all.into_iter().map(|w| named(w, property)).collect()),
        Wanted::Any(any) => Wanted::Any(any.into_iter().map(|w| named(w, property)).collect()),
        Wanted::Not(not) => Wanted::Not(Box::new(named(*not, property))),
        Wanted::Word { text, whole, .. } => Wanted::Word { property: Some(property.to_owned()), text, whole },
    }
}

/// Whether the tokens of a word follow one another in a text.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (split(text), split(word));
    !word.is_empty() && text.windows(word.len()).any(|some| some == word)
        || text.concat() == word.concat() && !word.is_empty()
}

/// `CPUUtilization-2` is `cpu`, `utilization`, `2`.
fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut parts, mut part) = (Vec::new(), String::new());
    for (n, c) in chars.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| chars[n]);
        let after = chars.get(n + 1);
        let begins = match before {
            None => false,
            Some(b) if b.is_ascii_digit() != c.is_ascii_digit() => true,
            Some(b) if b.is_lowercase() && c.is_uppercase() => true,
            Some(b) => b.is_uppercase() && c.is_uppercase() && after.is_some_and(|a| a.is_lowercase()),
        };
        if (begins || !c.is_alphanumeric()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_alphanumeric() {
            part.extend(c.to_lowercase());
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use undercast_kernel::Metric;

    fn found(search: &str) -> Vec<&'static str> {
        const ALL: &[(&str, &str, &str, &[(&str, &str)])] = &[
            ("a", "AWS/Lambda", "Errors", &[("FunctionName", "shop-prod")]),
            ("b", "AWS/Lambda", "Errors", &[("FunctionName", "shopTest2")]),
            ("c", "AWS/Lambda", "Errors", &[]),
            ("d", "AWS/EC2", "CPUUtilization", &[("InstanceId", "i-1")]),
            ("e", "Shop", "Errors", &[("FunctionName", "shop-prod"), ("Stage", "prod")]),
        ];
        let search = Search::parse(search, "Sum", None).unwrap();
        let series =
            |namespace, name, dimensions| Known::of("0", "r", &Metric { namespace, name, dimensions, unit: "" });
        ALL.iter().filter(|(_, ns, name, d)| search.finds(&series(ns, name, d))).map(|(id, ..)| *id).collect()
    }

    #[test]
    fn words_and_properties_are_looked_for() {
        for (search, wanted) in [
            ("{AWS/Lambda,FunctionName} MetricName=\"Errors\"", "ab"),
            ("{AWS/Lambda} Errors", "c"),
            ("{AWS/Lambda,FunctionName}", "ab"),
            ("prod", "ae"),
            ("test", "b"),
            ("shop 2", "b"),
            ("sho", ""),
            ("cpu OR FunctionName=test", "bd"),
            ("utilization", "d"),
            ("cpuutilization", "d"),
            ("errors NOT shop", "c"),
            ("FunctionName=(\"shop-prod\" OR \"shopTest2\") NOT Namespace=Shop", "ab"),
            (":Stage=prod", "e"),
            ("\"Errors\" AND (test OR Stage=prod)", "be"),
        ] {
            assert_eq!(found(search).concat(), wanted, "{search}");
        }
    }

    #[test]
    fn what_is_no_search_is_said() {
        for bad in ["{AWS/Lambda", "{} x", "(a", "a)", "a=", "\"a", "NOT"] {
            assert!(Search::parse(bad, "Sum", None).is_err(), "{bad}");
        }
        assert!(Search::parse("a", "Mean", None).is_err() && Search::parse("a", "Sum", Some(61.0)).is_err());
    }
}
