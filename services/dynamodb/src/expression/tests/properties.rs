//! What must hold of all expressions, tried on many.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;
use syntax::{Call, Clause, Comparator, Condition, Operand, Part, Path, Projection, SetValue, Update};

fn name() -> impl Strategy<Value = Part> {
    prop_oneof![
        select(vec!["a", "b1", "C_d"]).prop_map(|name| Part::Name(name.into())),
        select(vec!["#a", "#1", "#_x"]).prop_map(|name| Part::Placeholder(name.into())),
    ]
}

fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![name(), (0_u32..200).prop_map(|index| Part::Index(index.to_string()))];
    (name(), proptest::collection::vec(step, 0..3))
        .prop_map(|(first, rest)| Path { parts: std::iter::once(first).chain(rest).collect() })
}

fn placeholder() -> impl Strategy<Value = String> {
    select(vec![":v", ":1", ":long_name"]).prop_map(str::to_owned)
}

fn operand() -> impl Strategy<Value = Operand> {
    let leaf = prop_oneof![path().prop_map(Operand::Path), placeholder().prop_map(Operand::Value)];
    leaf.prop_recursive(2, 6, 2, |inner| call(inner).prop_map(Operand::Call))
}

fn call(argument: impl Strategy<Value = Operand>) -> impl Strategy<Value = Call> {
    let function = select(vec!["size", "contains", "list_append", "anything"]).prop_map(str::to_owned);
    (function, proptest::collection::vec(argument, 1..3)).prop_map(|(function, arguments)| Call { function, arguments })
}

fn comparator() -> impl Strategy<Value = Comparator> {
    select(["=", "<>", "<", "<=", ">", ">="].map(|symbol| Comparator::from_symbol(symbol).unwrap()).to_vec())
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (comparator(), operand(), operand()).prop_map(|(comparator, left, right)| Condition::Compare {
            comparator,
            left,
            right
        }),
        (operand(), operand(), operand()).prop_map(|(value, low, high)| Condition::Between { value, low, high }),
        (operand(), proptest::collection::vec(operand(), 1..3))
            .prop_map(|(value, candidates)| Condition::In { value, candidates }),
        call(operand()).prop_map(Condition::Call),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(Condition::Or),
            parts.prop_map(Condition::And),
            inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn set_value() -> impl Strategy<Value = SetValue> {
    prop_oneof![
        operand().prop_map(SetValue::Operand),
        (operand(), operand()).prop_map(|(left, right)| SetValue::Sum(left, right)),
        (operand(), operand()).prop_map(|(left, right)| SetValue::Difference(left, right)),
    ]
}

fn update() -> impl Strategy<Value = Update> {
    let values = || proptest::collection::vec((path(), placeholder()), 1..3);
    let clause = prop_oneof![
        proptest::collection::vec((path(), set_value()), 1..3).prop_map(Clause::Set),
        proptest::collection::vec(path(), 1..3).prop_map(Clause::Remove),
        values().prop_map(Clause::Add),
        values().prop_map(Clause::Delete),
    ];
    proptest::collection::vec(clause, 1..4).prop_map(|clauses| Update { clauses })
}

proptest! {
    #[test]
    fn conditions_print_as_they_parse(written in condition()) {
        let text = written.to_string();
        prop_assert_eq!(parse::condition(ExpressionKind::Condition, &text), Ok(written), "{}", text);
    }

    #[test]
    fn updates_print_as_they_parse(written in update()) {
        let text = written.to_string();
        prop_assert_eq!(parse::update(&text), Ok(written), "{}", text);
    }

    #[test]
    fn projections_print_as_they_parse(paths in proptest::collection::vec(path(), 1..5)) {
        let written = Projection { paths };
        prop_assert_eq!(parse::projection(&written.to_string()), Ok(written));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "([a-c#:.,()\\[\\]<>=+0-9 é]|SET |REMOVE |ADD |AND |OR |NOT |BETWEEN |IN |size\\(){0,40}") {
        let _ = condition::parse(ExpressionKind::Filter, &text, &placeholders());
        let _ = key_condition::parse(&text, &placeholders());
        let _ = update::parse(&text, &placeholders());
        let _ = projection::parse(&text, &placeholders());
    }

    #[test]
    fn an_update_leaves_what_it_does_not_name(old in crate::value::tests::any_item()) {
        let update = update::parse("SET zz = :s REMOVE zy ADD zx :n", &placeholders()).unwrap();
        let mut new = update.apply(&old, true).unwrap();
        prop_assert_eq!(new.remove("zz"), Some(s("a")));
        prop_assert_eq!(new.remove("zx"), Some(n("1")));
        prop_assert_eq!(new, old);
    }

    #[test]
    fn a_projection_on_every_attribute_is_the_item(whole in crate::value::tests::any_item()) {
        let paths: Vec<_> = whole.iter().map(|(name, _)| super::Path::attribute(name)).collect();
        let bytes = stored(&whole);
        let taken = projection::Projection::of(&paths).apply(ItemRef::open(&bytes).unwrap().attributes());
        prop_assert_eq!(taken, Ok(whole));
    }
}
