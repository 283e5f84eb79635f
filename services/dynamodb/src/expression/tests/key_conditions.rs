//! Key conditions: what is refused, and which range of keys they mean.

use super::*;
use crate::key::{KeyValue, encode_key};
use crate::value::Type;
use key_condition::{KeyAttribute, KeyRange};
use std::ops::Bound;

const PARTITION: KeyAttribute<'_> = KeyAttribute { name: "a", kind: Type::S };
const SORT: KeyAttribute<'_> = KeyAttribute { name: "b", kind: Type::S };

fn said(text: &str) -> String {
    key_condition::parse(text, &placeholders())
        .and_then(|condition| condition.range(&[PARTITION], &[SORT]))
        .map_or_else(|error| error.to_string(), |range| format!("{range:?}"))
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(said(text), message, "of {text}");
}

#[test]
fn what_is_no_key_condition() {
    refused("", "Invalid KeyConditionExpression: The expression can not be empty;");
    refused("a > 4", "Invalid KeyConditionExpression: Syntax error; token: \"4\", near: \"> 4\"");
    for (text, operator) in [
        ("a > b and size(b) > c or a > c", "OR"),
        ("a in (b, size(c), d)", "IN"),
        ("attribute_exists(a)", "attribute_exists"),
        ("attribute_not_exists(a)", "attribute_not_exists"),
        ("attribute_type(a, :type)", "attribute_type"),
        ("contains(a.d, b)", "contains"),
        ("not a > b", "NOT"),
        ("a <> b", "<>"),
    ] {
        refused(text, &format!("Invalid operator used in KeyConditionExpression: {operator}"));
    }
    for (text, operator) in
        [(":s between size(b) and size(a) and b > :s", "BETWEEN"), ("begins_with(:s, b) and a > :s", "begins_with")]
    {
        // Both mistakes are there; AWS names the first operand.
        let said = said(text);
        let first = format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
        );
        assert!(said == first || said == "KeyConditionExpressions cannot contain nested operations", "{said}");
    }
    for text in ["size(b) > a AND a.b > b AND b > c", "a > size(b.d)", "a between size(b) and size(a)"] {
        refused(text, "KeyConditionExpressions cannot contain nested operations");
    }
    for text in ["b > a.b", "b between c[1] and d", "begins_with(a, b)"] {
        refused(text, "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition");
    }
    for text in ["b.d > :s AND c.d > :s", "a.d > :s", "b[0] > :s"] {
        refused(text, "KeyConditionExpressions cannot have conditions on nested attributes");
    }
    refused(":s > :t AND a < :t", "Invalid condition in KeyConditionExpression: No key attribute specified");
    refused(
        "b > :s AND b < :s and c = :s and d = :s",
        "KeyConditionExpressions must only contain one condition per key",
    );
    refused("a = :s and b = :s and c = :s", "Conditions can be of length 1 or 2 only");
}

#[test]
fn what_does_not_fit_the_table() {
    refused("b = :s", "Query condition missed key schema element: a");
    refused("c = :s", "Query condition missed key schema element: a");
    refused("a = :s AND c = :s", "Query condition missed key schema element: b");
    refused("a > :s", "Query key condition not supported");
    refused("a = :n", "One or more parameter values were invalid: Condition parameter type does not match schema type");
    refused(
        "a = :s AND begins_with(b, :b)",
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
    );
}

fn range(text: &str) -> KeyRange {
    let placeholders = Placeholders::new(
        None::<[(String, String); 0]>,
        Some([(":p", "p"), (":m", "m"), (":mm", "mm"), (":t", "t")].map(|(key, text)| (key.to_owned(), Ok(s(text))))),
    );
    key_condition::parse(text, &placeholders.unwrap()).unwrap().range(&[PARTITION], &[SORT]).unwrap()
}

#[track_caller]
fn reads(text: &str, expected: &[&str]) {
    let range = range(text);
    let (from, to) = range.bounds();
    let within = |key: &Vec<u8>| {
        (match &from {
            Bound::Included(bound) => key >= bound,
            Bound::Excluded(bound) => key > bound,
            Bound::Unbounded => true,
        }) && (match &to {
            Bound::Included(bound) => key <= bound,
            Bound::Excluded(bound) => key < bound,
            Bound::Unbounded => true,
        })
    };
    let sorts = ["", "a", "m", "m\0", "ma", "mm", "mz", "n", "t", "t\0", "u"];
    let key = |partition: &str, sort: &str| encode_key(&KeyValue::S(partition.into()), Some(&KeyValue::S(sort.into())));
    // Whatever follows the sort key, as in an index, changes nothing.
    let found: Vec<&str> = sorts.into_iter().filter(|sort| within(&[key("p", sort), vec![0xFF; 3]].concat())).collect();
    assert_eq!(found, expected, "{text}");
    assert_eq!(sorts.into_iter().filter(|sort| within(&key("p", sort))).collect::<Vec<_>>(), expected, "{text}");
    assert!(sorts.into_iter().all(|sort| range.admits(Some(&KeyValue::S(sort.into()))) == expected.contains(&sort)));
    assert!(["", "o", "p\0", "pp", "q"].into_iter().all(|other| !within(&key(other, "m"))));
}

#[test]
fn ranges() {
    reads("a = :p", &["", "a", "m", "m\0", "ma", "mm", "mz", "n", "t", "t\0", "u"]);
    reads("a = :p AND b = :m", &["m"]);
    reads("a = :p AND b < :m", &["", "a"]);
    reads("a = :p AND b <= :m", &["", "a", "m"]);
    reads("a = :p AND b > :t", &["t\0", "u"]);
    reads("(b >= :t) AND (a = :p)", &["t", "t\0", "u"]);
    reads("a = :p AND :t <= b", &["t", "t\0", "u"]);
    reads(":p = a AND b BETWEEN :mm AND :t", &["mm", "mz", "n", "t"]);
    reads("a = :p AND begins_with(b, :m)", &["m", "m\0", "ma", "mm", "mz"]);
}
