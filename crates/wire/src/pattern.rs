//! The patterns of models. They are Java's regular expressions, and the whole text must match.

use std::fmt::Write as _;

/// A pattern ready to run.
#[derive(Debug)]
pub enum Pattern {
    /// In time that grows with the text.
    Linear(regex::Regex),
    /// By trying, up to a limit: it looks ahead or behind.
    Trying(Box<fancy_regex::Regex>),
    /// No engine here can run it, so that it is not checked.
    Unknown,
}

impl Pattern {
    /// Makes a model's pattern ready.
    pub fn new(pattern: &str) -> Self {
        let whole = format!("^(?:{})$", from_java(pattern));
        regex::Regex::new(&whole)
            .map(Self::Linear)
            .or_else(|_| fancy_regex::Regex::new(&whole).map(|pattern| Self::Trying(Box::new(pattern))))
            .unwrap_or(Self::Unknown)
    }

    /// Whether a text matches. One on which trying comes to no end does not.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Linear(pattern) => pattern.is_match(text),
            Self::Trying(pattern) => pattern.is_match(text).unwrap_or(false),
            Self::Unknown => true,
        }
    }
}

/// Java's classes are of ASCII alone, its `.` stops at every end of a line, and a `-` behind a class stands for itself.
///
/// Source: `java.util.regex.Pattern`, "Summary of regular-expression constructs" and "Line terminators".
fn from_java(pattern: &str) -> String {
    // Java's texts are UTF-16: what is beyond it stands there in pairs.
    let pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\x{10000}-\x{10FFFF}");
    let (mut out, mut depth) = (String::with_capacity(pattern.len()), 0_usize);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let class = match c {
            '\\' => escape(&mut rest, depth > 0, &mut out),
            '[' => {
                depth += 1;
                out.push('[');
                false
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(']');
                false
            }
            '.' if depth == 0 => {
                out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]");
                false
            }
            _ => {
                out.push(c);
                false
            }
        };
        if class && depth > 0 && rest.next_if_eq(&'-').is_some() {
            out.push_str(r"\-");
        }
    }
    out
}

/// Writes an escape, and says whether it stands for a class of characters.
fn escape(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>, inside: bool, out: &mut String) -> bool {
    let Some(c) = rest.next() else {
        out.push('\\');
        return false;
    };
    let members = match c {
        'w' | 'W' => "0-9A-Za-z_",
        'd' | 'D' => "0-9",
        's' | 'S' => r" \t\n\x0B\x0C\r",
        'p' | 'P' => return property(c, rest, inside, out),
        _ => {
            out.extend(['\\', c]);
            return false;
        }
    };
    // Writing to a text cannot fail.
    let _ = match (c.is_uppercase(), inside) {
        (true, _) => write!(out, "[^{members}]"),
        (false, true) => write!(out, "{members}"),
        (false, false) => write!(out, "[{members}]"),
    };
    true
}

fn property(
    c: char,
    rest: &mut std::iter::Peekable<impl Iterator<Item = char>>,
    inside: bool,
    out: &mut String,
) -> bool {
    let mut name = String::new();
    if rest.next_if_eq(&'{').is_some() {
        name.extend(rest.by_ref().take_while(|c| *c != '}'));
    } else {
        name.extend(rest.next());
    }
    // Writing to a text cannot fail.
    let _ = match (name.as_str(), inside) {
        ("XDigit", true) => write!(out, "0-9A-Fa-f"),
        ("XDigit", false) => write!(out, "[0-9A-Fa-f]"),
        (name, _) => write!(out, r"\{c}{{{name}}}"),
    };
    true
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn what_java_matches_is_matched_and_nothing_else() {
        for (pattern, good, bad) in [
            (r"[\w+=,.@-]+", "a_b+c@d-e", "ünï"),
            (r"\d{12}", "123456789012", "١٢٣٤٥٦٧٨٩٠١٢"),
            (r"[\w-_]*", "a-b_c", "a b"),
            (r"[\w- &]*", "a - &", "a;"),
            (r"[a-z\-\d]+", "a-1", "a_1"),
            (r"\S{1,8192}", "abc", "a c"),
            (r"[\S]+", "abc", "a c"),
            (".*", "abc", "a\rb"),
            (r"[\s\S]*", "a\r\nb\u{2028}", "\u{0}never"),
            (r"\p{XDigit}{4}", "00fF", "00fg"),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a \u{1F600}\n", "\u{1}"),
            ("^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "my-alias", "my--alias"),
            (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "v1", "12"),
            (r"[0-9A-Za-z\.\-_]*(?<!\.)", "my.bucket", "my.bucket."),
        ] {
            let ready = Pattern::new(pattern);
            assert!(ready.matches(good), "{pattern} on {good:?}: {ready:?}");
            assert!(bad.ends_with("never") || !ready.matches(bad), "{pattern} on {bad:?}: {ready:?}");
        }
    }

    #[test]
    fn trying_without_end_is_no_match() {
        let endless = Pattern::new("(?=a)(a+)+b");
        assert!(matches!(endless, Pattern::Trying(_)));
        assert!(!endless.matches(&"a".repeat(5_000)));
    }
}
