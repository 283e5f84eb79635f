//! What must neither overflow the stack nor run for ever nor take all memory, on a thread with as little stack as one has.

use std::time::{Duration, Instant};

use serde_json::json;
use undercast_asl::{Call, Expression, Limits, Machine, Path, validate};

use crate::support::Still;

/// No input may take longer, in a build without optimisation.
const LONGEST: Duration = Duration::from_secs(8);

fn quickly(what: &str, run: impl FnOnce() + Send + 'static) {
    let started = Instant::now();
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    assert!(started.elapsed() < LONGEST, "{what} took {:?}", started.elapsed());
}

#[test]
fn deep_and_long_expressions_end() {
    let mut texts: Vec<String> =
        [("(", ")"), ("[", "]"), ("{'a':", "}"), ("function($x){", "}"), ("$f(", ")"), ("a[", "]"), ("-", "")]
            .iter()
            .flat_map(|(open, close)| [150, 990, 100_000].map(|n| format!("{}1{}", open.repeat(n), close.repeat(n))))
            .collect();
    let chains =
        ["1+", "a.", "1&", "true?1:", "$x:=", "a~>", "1=1 and ", "a^(", "!", "?", "/a/.", "a[0]", "not ", "%.", "@$a"];
    texts.extend(chains.iter().flat_map(|part| [900, 50_000].map(|n| format!("{}1", part.repeat(n)))));
    texts.push(format!("\"{}\"", "x".repeat(1 << 20)));
    for text in texts {
        let what = text[..text.len().min(40)].to_owned();
        quickly(&what, move || {
            if let Ok(expression) = Expression::parse(&text, "Output") {
                _ = expression.apply(Some(&json!({"a": 1})), &serde_json::Map::new(), &Still::new());
            }
        });
    }
}

#[test]
fn what_never_ends_is_ended() {
    let text = "( $f := function($n) { $f($n + 1) }; $f(0) )";
    quickly(text, move || {
        let expression = Expression::parse(text, "Output").unwrap();
        let error = expression.apply(None, &serde_json::Map::new(), &Still::new()).unwrap_err();
        assert!(error.0.starts_with("Expression evaluation timeout"), "{error}");
    });
}

#[test]
fn regular_expressions_do_not_explode() {
    let input = json!({"s": "a".repeat(50_000)});
    quickly("a pattern", move || {
        let expression = Expression::parse("$contains(s, /^(a+)+$b/)", "Output").unwrap();
        _ = expression.apply(Some(&input), &serde_json::Map::new(), &Still::new());
        let path = Path::parse("$[?(@.s =~ /(a+)+b/)]");
        assert!(path.is_ok());
    });
}

#[test]
fn deep_and_long_paths_and_calls_end() {
    let mut paths: Vec<String> =
        ["$[?(", "$.a[?(@", "$..", "$.*", "$[?(!"].iter().map(|part| part.repeat(20_000)).collect();
    paths.push(format!("$[?({}@.a{})]", "(".repeat(100_000), ")".repeat(100_000)));
    paths.push(format!("$[?(@.a in {}1{})]", "[".repeat(10_000), "]".repeat(10_000)));
    for path in paths {
        quickly("a path", move || _ = Path::parse(&path));
    }
    quickly("a call", || {
        _ = Call::parse(&"States.Array(".repeat(50_000));
        _ = Call::parse(&format!("States.Array({})", "'a',".repeat(50_000)));
    });
}

#[test]
fn deep_definitions_end() {
    quickly("conditions", || {
        let mut condition = json!({"Variable": "$.a", "IsNull": true});
        for _ in 0..50 {
            condition = json!({"Not": condition});
        }
        let mut rule = condition;
        rule["Next"] = "Y".into();
        let definition =
            json!({"StartAt": "X", "States": {"X": {"Type": "Choice", "Choices": [rule]}, "Y": {"Type": "Succeed"}}});
        assert!(Machine::parse(&definition.to_string()).is_ok());
    });
    quickly("text", || {
        for text in [r#"{"States":"#.repeat(50_000), "[".repeat(200_000)] {
            assert!(!validate(&text, &Limits::default()).is_empty());
        }
    });
    quickly("branches", || {
        let mut machine = json!({"StartAt": "S0", "States": {"S0": {"Type": "Succeed"}}});
        for i in 1..25 {
            let name = format!("S{i}");
            machine =
                json!({"StartAt": name, "States": {name: {"Type": "Parallel", "Branches": [machine], "End": true}}});
        }
        assert!(Machine::parse(&machine.to_string()).is_ok());
    });
}

#[test]
fn a_path_finds_no_more_than_there_is_memory() {
    quickly("descendants", || {
        let mut value = json!(1);
        for _ in 0..60 {
            value = json!({"a": value, "b": 1});
        }
        let machine = json!({"StartAt": "P", "States": {"P": {
            "Type": "Pass", "Parameters": {"v.$": "$..*..*..*..*..*"}, "End": true}}});
        let machine = Machine::parse(&machine.to_string()).unwrap();
        let found = crate::support::within(&value, &json!({}), |scope| machine.first().unwrap().effective_input(scope));
        assert_eq!(found.unwrap_err().error, "States.DataLimitExceeded");
    });
}
