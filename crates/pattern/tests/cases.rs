//! Patterns and events as data: which match, and what is refused with which words.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use serde_json::Value as Json;
use undercast_pattern::{Pattern, Rules};

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

/// Scalars that patterns and events have in common often enough.
fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        "[abAB]{0,3}".prop_map(Json::from),
        (-3..3_i8).prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
        Just(Json::from("10.0.0.1")),
    ]
}

fn matcher() -> impl Strategy<Value = Json> {
    let text = || "[abAB]{1,2}";
    prop_oneof![
        4 => scalar(),
        1 => text().prop_map(|t| serde_json::json!({"prefix": t})),
        1 => text().prop_map(|t| serde_json::json!({"suffix": t})),
        1 => text().prop_map(|t| serde_json::json!({"prefix": {"equals-ignore-case": t}})),
        1 => text().prop_map(|t| serde_json::json!({"suffix": {"equals-ignore-case": t}})),
        1 => text().prop_map(|t| serde_json::json!({"equals-ignore-case": t})),
        1 => "[ab]?\\*[ab]?".prop_map(|t| serde_json::json!({"wildcard": t})),
        1 => (-3..3_i8).prop_map(|n| serde_json::json!({"numeric": [">", n]})),
        1 => text().prop_map(|t| serde_json::json!({"anything-but": t})),
        1 => any::<bool>().prop_map(|b| serde_json::json!({"exists": b})),
        1 => Just(serde_json::json!({"cidr": "10.0.0.0/8"})),
    ]
}

fn fields(leaf: impl Strategy<Value = Json> + Clone + 'static) -> impl Strategy<Value = Json> {
    let object = |inside: BoxedStrategy<Json>| {
        prop::collection::btree_map("[xyz]", inside, 1..3).prop_map(Json::from_iter).boxed()
    };
    let leaf = leaf.boxed();
    object(prop_oneof![3 => leaf.clone(), 1 => object(leaf)].boxed())
}

fn pattern() -> impl Strategy<Value = Json> {
    let leaf = prop::collection::vec(matcher(), 1..3).prop_map(Json::from);
    let leaf = leaf.boxed();
    let plain = fields(leaf.clone()).boxed();
    let either = prop::collection::vec(fields(leaf), 2..4).prop_map(|all| serde_json::json!({"$or": all}));
    prop_oneof![4 => plain, 1 => either]
}

fn event() -> impl Strategy<Value = Json> {
    let value = prop_oneof![3 => scalar(), 1 => prop::collection::vec(scalar(), 0..3).prop_map(Json::from)].boxed();
    let inside = fields(value.clone()).boxed();
    fields(prop_oneof![4 => value, 1 => prop::collection::vec(inside, 0..3).prop_map(Json::from)].boxed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The index finds what holding each pattern against the event finds, whatever came and went before.
    #[test]
    fn an_index_finds_what_a_loop_finds(
        changes in prop::collection::vec((0..20_u8, prop::option::weighted(0.8, pattern())), 1..60),
        events in prop::collection::vec(event(), 1..12),
    ) {
        let (mut rules, mut plain) = (Rules::new(), std::collections::BTreeMap::new());
        for (name, change) in changes {
            match change {
                Some(pattern) => {
                    let pattern = Pattern::parse(&pattern.to_string()).unwrap();
                    rules.insert(name, pattern.clone());
                    plain.insert(name, pattern);
                }
                None => assert_eq!(rules.remove(&name), plain.remove(&name).is_some()),
            }
            assert_eq!(rules.len(), plain.len());
        }
        for event in events {
            let mut found = rules.matching(&event);
            found.sort_unstable();
            let wanted: Vec<u8> = plain.iter().filter(|(_, pattern)| pattern.matches(&event)).map(|(name, _)| *name).collect();
            prop_assert_eq!(found, wanted, "{}", event);
        }
    }
}

/// Ten thousand rules cost no more than three times what ten do, of the kinds that one meets.
#[test]
fn many_rules_cost_little_more_than_few() {
    type Kind = fn(usize) -> Json;
    let kinds: [(&str, Kind); 5] = [
        (
            "exact",
            |n| serde_json::json!({"source": ["aws.s3"], "detail": {"bucket": {"name": [format!("bucket-{n}")]}}}),
        ),
        (
            "prefix",
            |n| serde_json::json!({"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": format!("folder-{n}/")}]}}}),
        ),
        (
            "suffix",
            |n| serde_json::json!({"source": ["aws.s3"], "detail": {"object": {"key": [{"suffix": format!(".{n}")}]}}}),
        ),
        (
            "wildcard",
            |n| serde_json::json!({"detail": {"object": {"key": [{"wildcard": format!("folder-{n}/*.png")}]}}}),
        ),
        (
            "either",
            |n| serde_json::json!({"$or": [{"account": [n.to_string()]}, {"detail": {"bucket": {"name": [format!("bucket-{n}")]}}}]}),
        ),
    ];
    let event = serde_json::json!({"source": "aws.s3", "account": "000000000000", "detail-type": "Object Created", "region": "us-east-1",
        "detail": {"bucket": {"name": "bucket-7"}, "object": {"key": "folder-7/a.png", "size": 12}}});
    for (kind, make) in kinds {
        let of = |count: usize| {
            let mut rules = Rules::new();
            (0..count).for_each(|n| rules.insert(n, Pattern::parse(&make(n).to_string()).unwrap()));
            rules
        };
        let (few, many) = (of(10), of(10_000));
        assert_eq!(few.matching(&event), many.matching(&event));
        // The best of several rounds, each of both, on a machine that does other things too.
        let mut best = [f64::MAX; 2];
        for _ in 0..15 {
            for (rules, best) in [&few, &many].into_iter().zip(&mut best) {
                let began = std::time::Instant::now();
                for _ in 0..200 {
                    std::hint::black_box(rules.matching(&event));
                }
                *best = best.min(began.elapsed().as_secs_f64());
            }
        }
        let ratio = best[1] / best[0];
        assert!(ratio <= 3.0, "{kind}: 10,000 rules cost {ratio:.1} times what 10 do");
    }
}
