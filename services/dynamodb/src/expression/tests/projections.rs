//! Projections: what is refused, and what is left of an item.

use super::*;

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = projection::parse(text, &placeholders()).unwrap_err();
    assert_eq!(error.to_string(), format!("Invalid ProjectionExpression: {message}"), "of {text}");
}

#[test]
fn refusals() {
    refused("", "The expression can not be empty;");
    refused("a,", "Syntax error; token: \"<EOF>\", near: \",\"");
    refused("event-type", "Syntax error; token: \"-\", near: \"event-type\"");
    refused("a, set", "Attribute name is a reserved keyword; reserved keyword: set");
    refused("a, #x", "An expression attribute name used in the document path is not defined; attribute name: #x");
    let apart = "must remove or rewrite one of these paths;";
    refused("a, #a", &format!("Two document paths overlap with each other; {apart} path one: [a], path two: [a]"));
    refused("a, a.b", &format!("Two document paths overlap with each other; {apart} path one: [a], path two: [a, b]"));
    refused(
        "a[1].b, c, a.b",
        &format!("Two document paths conflict with each other; {apart} path one: [a, [1], b], path two: [a, b]"),
    );
}

#[test]
fn parts_keep_their_shape() {
    let whole = item([
        ("a", s("1")),
        ("b", map([("x", s("2")), ("y", map([("z", s("3")), ("w", s("4"))])), ("x.y", s("5"))])),
        ("l", list([s("0"), map([("k", s("6")), ("j", s("7"))]), s("8"), list([s("9"), s("10")])])),
    ]);
    let bytes = stored(&whole);
    let take = |text: &str| {
        let projection = projection::parse(text, &placeholders()).unwrap();
        projection.apply(ItemRef::open(&bytes).unwrap().attributes()).unwrap()
    };
    assert_eq!(take("a, q"), item([("a", s("1"))]));
    assert_eq!(take("#a, b.y.z, b.x"), item([("a", s("1")), ("b", map([("x", s("2")), ("y", map([("z", s("3"))]))]))]));
    assert_eq!(take("b.#dot"), item([("b", map([("x.y", s("5"))]))]));
    assert_eq!(take("l[2], l[0]"), item([("l", list([s("0"), s("8")]))]));
    assert_eq!(take("l[3][1], l[1].k, l[9]"), item([("l", list([map([("k", s("6"))]), list([s("10")])]))]));
    assert_eq!(take("b.q, a.x, l[7]"), Item::new());
    assert_eq!(take("l.x, b[0]"), Item::new());
}

#[test]
fn a_wanted_whole_holds_its_parts() {
    let whole = item([("b", map([("x", s("2")), ("y", s("3"))]))]);
    let bytes = stored(&whole);
    let inside = Path { root: "b".into(), rest: vec![Element::Attribute("x".into())] };
    for paths in [[Path::attribute("b"), inside.clone()], [inside, Path::attribute("b")]] {
        let projection = projection::Projection::of(&paths);
        assert_eq!(projection.apply(ItemRef::open(&bytes).unwrap().attributes()), Ok(whole.clone()));
    }
}
