//! What expressions mean and what is said of bad ones.

mod conditions;
mod key_conditions;
mod projections;
mod properties;
mod updates;

use super::*;
use crate::compact::{self, ItemRef};
use crate::value::{Item, Set};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(text: &str) -> AttributeValue {
    AttributeValue::number(text).unwrap()
}

fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(bytes.to_vec())
}

fn ss(members: &[&str]) -> AttributeValue {
    AttributeValue::SS(Set::new(members.iter().map(ToString::to_string).collect()).unwrap())
}

fn ns(members: &[&str]) -> AttributeValue {
    AttributeValue::number_set(&members.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn list(elements: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(elements.into_iter().collect())
}

fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(item(entries))
}

fn item<const N: usize>(entries: [(&str, AttributeValue); N]) -> Item {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One value of each type, under the names by which the tests ask for them.
fn placeholders() -> Placeholders {
    let names = [("#a", "a"), ("#b", "b"), ("#c", "c"), ("#d", "[3]"), ("#n", "name"), ("#dot", "x.y")];
    let values = [
        (":s", s("a")),
        (":t", s("b")),
        (":n", n("1")),
        (":m", n("10")),
        (":b", b(b"a")),
        (":bool", AttributeValue::Bool(true)),
        (":null", AttributeValue::Null),
        (":ss", ss(&["a"])),
        (":ns", ns(&["1"])),
        (":bs", AttributeValue::binary_set(vec![b"a".to_vec()]).unwrap()),
        (":map", map([])),
        (":l", list([])),
        (":type", s("SS")),
    ];
    Placeholders::new(
        Some(names.map(|(key, name)| (key.to_owned(), name.to_owned()))),
        Some(values.map(|(key, value)| (key.to_owned(), Ok(value)))),
    )
    .unwrap()
}

fn stored(item: &Item) -> Vec<u8> {
    let mut bytes = Vec::new();
    compact::encode(item, &mut bytes);
    bytes
}

#[test]
fn placeholders_are_refused_in_the_words_of_aws() {
    let none = || None::<[(String, String); 0]>;
    let values = |key: &str| Some([(key.to_owned(), Ok(s("x")))]);
    let said = |result: Result<Placeholders, PlaceholderError>| result.unwrap_err().to_string();
    assert_eq!(said(Placeholders::new(Some([]), values(":a"))), "ExpressionAttributeNames must not be empty");
    assert_eq!(
        said(Placeholders::new(none(), None::<Vec<_>>.or(Some(vec![])))),
        "ExpressionAttributeValues must not be empty"
    );
    assert_eq!(
        said(Placeholders::new(Some([("a".to_owned(), "a".to_owned())]), values(":a"))),
        "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\""
    );
    for key in ["b", ":", ":a-b", "#b", ""] {
        assert_eq!(
            said(Placeholders::new(none(), values(key))),
            format!("ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\"")
        );
    }
    assert_eq!(
        PlaceholderError::InvalidValue { error: ValueError::NoType, key: ":b".into() }.to_string(),
        "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :b"
    );
}

#[test]
fn what_no_expression_uses_is_named() {
    let used = |text: &str| {
        let placeholders = Placeholders::new(
            Some([("#a".to_owned(), "a".to_owned()), ("#b".to_owned(), "b".to_owned())]),
            Some([(":x".to_owned(), Ok(s("x"))), (":y".to_owned(), Ok(s("y")))]),
        )
        .unwrap();
        condition::parse(ExpressionKind::Filter, text, &placeholders).unwrap();
        placeholders.check_all_used().map_err(|error| error.to_string())
    };
    assert_eq!(
        used("c = d").unwrap_err(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    );
    assert_eq!(
        used("#a = #b").unwrap_err(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}"
    );
    assert_eq!(
        used("#a = :x AND #b = :x").unwrap_err(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"
    );
    assert_eq!(used("#a = :x AND size(c.#b) IN (:y)"), Ok(()));
}
