//! Conditions and filters: what is refused, and what holds of an item.

use super::*;
use crate::compact::MapRef;

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = condition::parse(ExpressionKind::Condition, text, &placeholders()).unwrap_err();
    assert_eq!(error.to_string(), format!("Invalid ConditionExpression: {message}"), "of {text}");
}

#[test]
fn syntax_errors() {
    let syntax = |text: &str, token: &str, near: &str| {
        refused(text, &format!("Syntax error; token: \"{token}\", near: \"{near}\""));
    };
    refused("", "The expression can not be empty;");
    syntax(" ", "<EOF>", "");
    syntax("a > 4", "4", "> 4");
    syntax("things are not ok", "are", "things are not");
    syntax("contains(themes, :theme", "<EOF>", ":theme");
    syntax("attribute_not_exists(", "<EOF>", "(");
    syntax("contains()", ")", "()");
    syntax("a", "<EOF>", "a");
    syntax("NOT (#a)", "<EOF>", ")");
    syntax("a AND b = :s", "AND", "a AND b");
    syntax("(a = :s) = b", "=", ") = b");
    syntax("a = :s b", "b", ":s b");
    syntax("a = :s)", ")", ":s)");
    syntax("(size(a))[0] > a", "[", ")[0");
    syntax("a[-1] = :s", "-", "[-1");
    syntax("a[:n] = :s", ":n", "[:n]");
    syntax("a between :s, :t", ",", ":s, :t");
    syntax("a in :s", ":s", "in :s");
    syntax("a IN ()", ")", "()");
    syntax("and = :s", "and", "and =");
    syntax("a.or = :s", "or", ".or =");
    syntax("john@doe = :s", "@", "john@doe");
    syntax("a = G_M#)", "#", "G_M#)");
    syntax("1a = :s", "1", "1a");
    syntax("_a = :s", "_", "_a");
    syntax("a = é", "é", "= é");
    syntax("a == :s", "=", "== :s");
}

#[test]
fn limits() {
    let long = "a = :s OR ".repeat(410);
    refused(&long, &format!("Expression size has exceeded the maximum allowed size; expression size: {}", long.len()));
    let many = |operators: usize| vec!["a<:s"; operators.div_ceil(2)].join(" OR ");
    assert!(condition::parse(ExpressionKind::Condition, &many(299), &placeholders()).is_ok());
    refused(&many(301), "The expression contains too many operators; operator count: 301");
    let candidates = |count: usize| format!("a IN ({})", vec![":s"; count].join(","));
    assert!(condition::parse(ExpressionKind::Condition, &candidates(100), &placeholders()).is_ok());
    refused(&candidates(101), "The IN operator is provided with too many operands; number of operands: 101");
}

#[test]
fn deep_text_is_refused_without_deep_recursion() {
    refused(&format!("{}a = :s{}", "(".repeat(2000), ")".repeat(2000)), "The expression has redundant parentheses;");
    refused(
        &format!("{}a = :s", "not ".repeat(1000)),
        "The expression contains too many operators; operator count: 1001",
    );
    refused(&"size(".repeat(800), "The expression contains too many operators; operator count: 301");
    refused(&format!("a = {}b{}", "(".repeat(200), ")".repeat(200)), "The expression has redundant parentheses;");
    let chain = format!("{}a = :s{}", "(".repeat(149), " and a = :s)".repeat(149));
    assert!(condition::parse(ExpressionKind::Condition, &chain, &placeholders()).is_ok());
}

#[test]
fn parentheses() {
    refused("((a = :s))", "The expression has redundant parentheses;");
    refused("((a)) = :s", "The expression has redundant parentheses;");
    refused("((attribute_not_exists(pk)))", "The expression has redundant parentheses;");
    for text in [
        "(a = :s)",
        "(a) = (:s)",
        "(a.b).c[0] = :s",
        "(attribute_exists(a)) AND (attribute_exists(b))",
        "(attribute_exists(a) AND (attribute_exists(b)))",
        "(size(a)) > :n",
        "NOT (a = :s OR b = :s)",
        "((a = :s) OR (b = :s))",
    ] {
        let parsed = condition::parse(ExpressionKind::Condition, text, &placeholders());
        assert!(parsed.is_ok(), "{text}: {parsed:?}");
    }
}

#[test]
fn functions() {
    refused("foo(a)", "Invalid function name; function: foo");
    refused("Size(a) = :n", "Invalid function name; function: Size");
    refused("size(a)", "The function is not allowed to be used this way in an expression; function: size");
    refused(
        "begins_with(a, :s) = :bool",
        "The function is not allowed to be used this way in an expression; function: begins_with",
    );
    refused(
        "contains(a, attribute_exists(b))",
        "The function is not allowed to be used this way in an expression; function: attribute_exists",
    );
    let count = |name: &str, count: usize| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
        )
    };
    refused("attribute_exists(a, b)", &count("attribute_exists", 2));
    refused("begins_with(a)", &count("begins_with", 1));
    refused("size(a, b) = :n", &count("size", 2));
    let path = |name: &str| format!("Operator or function requires a document path; operator or function: {name}");
    refused("attribute_exists(:s)", &path("attribute_exists"));
    refused("attribute_not_exists(size(a))", &path("attribute_not_exists"));
}

#[test]
fn operand_types() {
    let wrong = |operator: &str, kind: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
        )
    };
    refused("begins_with(a, :n)", &wrong("begins_with", "N"));
    refused("begins_with(:ss, a)", &wrong("begins_with", "SS"));
    refused("begins_with(a, size(b))", &wrong("begins_with", "N"));
    refused("attribute_type(a, b)", &wrong("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"));
    refused("attribute_type(a, :n)", &wrong("attribute_type", "N"));
    refused(
        "attribute_type(a, :s)",
        "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    );
    refused("size(:n) = :n", &wrong("size", "N"));
    refused("size(size(a)) = :n", &wrong("size", "N"));
    refused("a < :bool", &wrong("<", "BOOL"));
    refused("a >= :l", &wrong(">=", "L"));
    refused("a between :null and :null", &wrong("BETWEEN", "NULL"));
    refused(
        "a between :n and :s",
        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
    );
    refused(
        "a between :m and :n",
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:1}",
    );
    refused(
        "contains(#n, #n)",
        "The first operand must be distinct from the remaining operands for this operator or function; operator: contains, first operand: [name]",
    );
    refused(
        "a.b[1] = #a.#b[1]",
        "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a, b, [1]]",
    );
}

#[test]
fn names_and_values() {
    refused("Abort = :s", "Attribute name is a reserved keyword; reserved keyword: Abort");
    refused("a.name = :s", "Attribute name is a reserved keyword; reserved keyword: name");
    refused("size(status) = :n", "Attribute name is a reserved keyword; reserved keyword: status");
    refused(
        "#missing = :s",
        "An expression attribute name used in the document path is not defined; attribute name: #missing",
    );
    refused(
        "a = :missing",
        "An expression attribute value used in expression is not defined; attribute value: :missing",
    );
    refused("a[99999999999] = :s", "List index is not within the allowable range; index: [99999999999]");
}

#[test]
fn the_first_kind_of_mistake_in_the_order_of_aws_is_reported() {
    refused("((a = :s)) AND foo(abort)", "The expression has redundant parentheses;");
    refused("abort = :s AND foo(a)", "Invalid function name; function: foo");
    refused(
        "abort = :s AND size(a)",
        "The function is not allowed to be used this way in an expression; function: size",
    );
    refused("a = :missing AND abort = :s", "Attribute name is a reserved keyword; reserved keyword: abort");
    refused(
        "a < :l AND b = :missing",
        "Incorrect operand type for operator or function; operator or function: <, operand type: L",
    );
}

fn subject() -> Item {
    item([
        ("a", n("5")),
        ("name", s("apple")),
        ("bin", b(b"ab\0c")),
        ("tags", ss(&["x", "y"])),
        ("nums", ns(&["1", "2.50"])),
        ("l", list([n("1"), s("two"), map([("k", s("v"))])])),
        ("m", map([("x", map([("y", n("7"))])), ("x.y", s("dotted"))])),
        ("yes", AttributeValue::Bool(true)),
        ("nil", AttributeValue::Null),
    ])
}

fn holds_of(text: &str, item: Option<&Item>) -> bool {
    let values = [
        (":5", n("5.0")),
        (":7", n("7")),
        (":1", n("1")),
        (":2.5", n("2.5")),
        (":0", n("0")),
        (":three", n("3")),
        (":app", s("app")),
        (":apple", s("apple")),
        (":zoo", s("zoo")),
        (":x", s("x")),
        (":bin", b(b"\0c")),
        (":ab", b(b"ab")),
        (":tags", ss(&["y", "x"])),
        (":true", AttributeValue::Bool(true)),
        (":null", AttributeValue::Null),
        (":kv", map([("k", s("v"))])),
        (":two", s("two")),
    ];
    let values = values.map(|(key, value)| (key.replace('.', "_"), value));
    let names = [("#n", "name"), ("#dot", "x.y"), ("#lang", "language")];
    let names = names.map(|(key, name)| (key.to_owned(), name.to_owned()));
    let kinds = [":S", ":N", ":NULL", ":M"].map(|key| (key.to_owned(), s(&key[1..])));
    let placeholders =
        Placeholders::new(Some(names), Some(values.into_iter().chain(kinds).map(|(key, value)| (key, Ok(value)))))
            .unwrap();
    let condition = condition::parse(ExpressionKind::Condition, text, &placeholders).unwrap();
    let bytes = item.map(stored);
    let attributes = bytes.as_deref().map_or(MapRef::EMPTY, |bytes| ItemRef::open(bytes).unwrap().attributes());
    condition.holds(attributes).unwrap()
}

#[track_caller]
fn holds(text: &str) {
    assert!(holds_of(text, Some(&subject())), "{text}");
    assert!(!holds_of(&format!("NOT ({text})"), Some(&subject())), "NOT ({text})");
}

#[track_caller]
fn fails(text: &str) {
    assert!(!holds_of(text, Some(&subject())), "{text}");
}

#[test]
fn comparisons() {
    for text in ["a = :5", "a >= :5", "a <= :5", "a < :7", "a > :0", "a <> :7", ":5 = a", "l[0] < a", "m.x.y = :7"] {
        holds(text);
    }
    for text in ["a = :apple", "a < :apple", "a > :apple", "#n < :5", "yes = :null"] {
        fails(text);
    }
    holds("#n > :app");
    holds("bin > :bin");
    holds("tags = :tags");
    holds("yes = :true");
    holds("nil = :null");
    holds("l[2] = :kv");
    holds("m.#dot <> :apple");
    holds("a <> :apple");
}

#[test]
fn what_is_missing_is_equal_to_nothing() {
    fails("q = :5");
    fails("q < :5");
    fails("q = r");
    fails("l[3] = :5");
    fails("a.b = :5");
    fails("m[0] = :5");
    holds("q <> :5");
    holds("q <> r");
    holds("attribute_not_exists(q)");
    holds("attribute_not_exists(m.z.y)");
    holds("attribute_exists(m.x.y)");
    fails("attribute_exists(l[3])");
    assert!(holds_of("attribute_not_exists(a)", None));
    assert!(!holds_of("attribute_exists(a) OR a = :5", None));
}

#[test]
fn ranges_and_lists() {
    holds("a BETWEEN :5 AND :7");
    holds("a between :0 and :5");
    fails("a BETWEEN :0 AND :1");
    fails("a BETWEEN :apple AND :zoo");
    fails("q BETWEEN :0 AND :7");
    holds("a IN (:7, :5)");
    holds("#n IN (:5, a, :apple)");
    fails("a IN (:apple, q)");
    fails("q IN (q2, :5)");
}

#[test]
fn functions_of_items() {
    holds("begins_with(#n, :app)");
    holds("begins_with(bin, :ab)");
    fails("begins_with(a, :app)");
    fails("begins_with(#n, :ab)");
    holds("contains(#n, :app)");
    holds("contains(bin, :bin)");
    holds("contains(tags, :x)");
    holds("contains(nums, :2_5)");
    holds("contains(l, :two)");
    holds("contains(l, :kv)");
    fails("contains(nums, :7)");
    fails("contains(tags, :1)");
    fails("contains(m, :x)");
    holds("attribute_type(nil, :NULL)");
    holds("attribute_type(m.x, :M)");
    fails("attribute_type(a, :S)");
    fails("attribute_type(q, :S)");
    holds("size(#n) = :5");
    holds("size(l) = :three");
    holds("size(m) < size(l)");
    holds(":1 < size(tags)");
    holds("size(bin) BETWEEN :1 AND :5");
    fails("size(a) >= :0");
    fails("size(q) >= :0");
    fails("size(yes) >= :0");
}

#[test]
fn logic_and_precedence() {
    holds("a = :5 OR a = :7 AND #n = :zoo");
    fails("(a = :5 OR a = :7) AND #n = :zoo");
    holds("NOT a = :7 AND #n = :apple");
    holds("NOT (a = :7 AND #n = :apple)");
    holds("not NOT a = :5");
    holds("a = :5 and a <> :7 aNd a between :1 and :7 and #n = :apple");
}
