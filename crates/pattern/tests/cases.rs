//! Patterns and events as data: which match, and what is refused with which words.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use serde_json::Value as Json;
use undercast_pattern::Pattern;

fn cases(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_matches() {
    let mut seen = 0;
    for case in cases(include_str!("matches.json")) {
        let pattern = Pattern::parse(&case["pattern"].to_string()).unwrap_or_else(|e| panic!("{case}: {e}"));
        for (events, wanted) in [("yes", true), ("no", false)] {
            for event in case[events].as_array().unwrap() {
                assert_eq!(pattern.matches(event), wanted, "{} with {event}", case["pattern"]);
                seen += 1;
            }
        }
    }
    assert!(seen >= 200, "{seen} cases");
}

#[test]
fn what_is_refused() {
    for case in cases(include_str!("refused.json")) {
        let text = case["pattern"].as_str().map_or_else(|| case["pattern"].to_string(), str::to_owned);
        let refused = Pattern::parse(&text).expect_err(&text);
        assert_eq!(refused.0, case["why"].as_str().unwrap(), "{text}");
    }
}

/// What a wildcard means, letter by letter.
fn plainly(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|n| plainly(rest, &text[n..])),
        ([letter, rest @ ..], [first, others @ ..]) => letter == first && plainly(rest, others),
        _ => false,
    }
}

proptest! {
    #[test]
    fn wildcards_find_what_a_plain_reading_finds(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assume!(!pattern.contains("**"));
        let parsed = Pattern::parse(&serde_json::json!({"a": [{"wildcard": pattern}]}).to_string()).unwrap();
        let [p, t]: [Vec<char>; 2] = [&pattern, &text].map(|s| s.chars().collect());
        prop_assert_eq!(parsed.matches(&serde_json::json!({"a": text})), plainly(&p, &t));
    }

    #[test]
    fn no_text_brings_it_down(text in any::<String>()) {
        let _ = Pattern::parse(&text);
        let _ = Pattern::parse(&serde_json::json!({"a": [{"wildcard": text}, {"anything-but": {"prefix": text}}]}).to_string());
    }
}
