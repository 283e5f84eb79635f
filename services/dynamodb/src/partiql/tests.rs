//! Statements that nobody writes but to see what breaks.

use super::parse::statement;
use super::problem::StatementProblem;
use super::value::Values;
use super::{bind, tree::Statement};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// The longest text that a statement may be.
const LONGEST: usize = 8192;

/// Parses and binds a text, which must not take longer than a test can wait for.
fn survive(text: &str) {
    let start = Instant::now();
    let parameters = [];
    let values = Values { parameters: &parameters };
    match statement(text) {
        Ok(Statement::Select(select)) => {
            let _ = select.condition.as_ref().map(|condition| bind::condition(condition, values));
        }
        Ok(Statement::Update { changes, .. }) => {
            let _ = bind::update(&changes, values);
        }
        Ok(Statement::Insert { value, .. }) => {
            let _ = values.item(&value);
        }
        _ => {}
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{} characters took too long", text.len());
}

fn filled(before: &str, unit: &str, middle: &str, close: &str) -> String {
    let count = (LONGEST - before.len() - middle.len()) / (unit.len() + close.len());
    [before, &unit.repeat(count), middle, &close.repeat(count)].concat()
}

#[test]
fn hostile_texts_are_refused_or_read_in_time() {
    let select = "SELECT * FROM t WHERE ";
    for (unit, middle, close) in [
        ("(", "a = 1", ")"),
        ("NOT ", "a = 1", ""),
        ("- ", "1", ""),
        ("[", "", "]"),
        ("[", "", ""),
        ("{'a':", "1", "}"),
        ("<<", "", ">>"),
        ("f(", "", ")"),
        ("size(", "a", ")"),
        ("a = 1 AND ", "a = 1", ""),
        ("a = 1 OR ", "a = 1", ""),
        ("a = ", "a", ""),
        ("a.", "a = 1", ""),
        ("a[0].", "a = 1", ""),
        ("a + ", "1", ""),
        ("'", "", ""),
        ("\"", "", ""),
        ("/*", "", ""),
        ("/**/", "a = 1", ""),
        ("--\n", "a = 1", ""),
        ("(a = 1) = ", "true", ""),
        ("((a = 1) = true", "", ")"),
        ("1", "", ""),
        ("?", "", ""),
        ("é", "", ""),
        ("1e", "", ""),
    ] {
        survive(&filled(select, unit, middle, close));
        survive(&filled("", unit, middle, close));
        survive(&filled("INSERT INTO t VALUE ", unit, middle, close));
        survive(&filled("UPDATE t SET a = ", unit, middle, close));
    }
    survive(&filled("SELECT * FROM t WHERE a IN [", "1,", "1]", ""));
    survive(&filled("UPDATE t ", "SET a = 1 ", "WHERE a = 1", ""));
    let names: String = (0..1000).map(|n| format!("a{n}=1,")).collect();
    survive(&format!("UPDATE t SET {names}b=1"));
    survive(&filled("SELECT ", "a,", "a FROM t", ""));
}

#[test]
fn what_cannot_be_read_is_said_to_be_so() {
    for text in ["'", "\"", "/*", "#", "`", "1e", "\u{0}", "é"] {
        assert_eq!(statement(text), Err(StatementProblem::Malformed("")), "{text}");
    }
    assert!(statement("").is_err());
    let deep = statement(&format!("SELECT * FROM t WHERE {}a = 1{}", "(".repeat(100), ")".repeat(100)));
    assert!(matches!(deep, Err(StatementProblem::TooDeep(_))), "{deep:?}");
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn no_words_break_the_parser(
        words in proptest::collection::vec(
            prop_oneof![
                Just("SELECT"), Just("*"), Just("FROM"), Just("\"t\""), Just("WHERE"), Just("a"), Just("="), Just("'x'"),
                Just("("), Just(")"), Just("["), Just("]"), Just("{"), Just("}"), Just("<<"), Just(">>"), Just(","), Just(":"),
                Just("AND"), Just("OR"), Just("NOT"), Just("IN"), Just("IS"), Just("MISSING"), Just("NULL"), Just("BETWEEN"),
                Just("SET"), Just("REMOVE"), Just("UPDATE"), Just("DELETE"), Just("INSERT"), Just("INTO"), Just("VALUE"),
                Just("RETURNING"), Just("ALL"), Just("OLD"), Just("ORDER"), Just("BY"), Just("?"), Just("1"), Just("-"), Just("."),
            ],
            0..40,
        )
    ) {
        survive(&words.join(" "));
    }
}
