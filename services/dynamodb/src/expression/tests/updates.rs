//! Updates: what is refused, and what becomes of an item.

use super::*;
use update::UpdateError;

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = update::parse(text, &placeholders()).unwrap_err();
    assert_eq!(error.to_string(), format!("Invalid UpdateExpression: {message}"), "of {text}");
}

#[test]
fn syntax_errors() {
    let syntax = |text: &str, token: &str, near: &str| {
        refused(text, &format!("Syntax error; token: \"{token}\", near: \"{near}\""));
    };
    refused("", "The expression can not be empty;");
    syntax("INVALID SYNTAX HERE", "INVALID", "INVALID SYNTAX");
    syntax("SET _123 = :s", "_", "SET _123");
    syntax("SET NewAttr = {\"NULL\": true}", "{", "= {\"");
    syntax("SET a = :s,", "<EOF>", ",");
    syntax("SET path = VALUE 1", "1", "VALUE 1");
    syntax("set a", "<EOF>", "a");
    syntax("add a", "<EOF>", "a");
    syntax("set a=set", "set", "=set");
    syntax("remove a = b", "=", "a = b");
    syntax("delete a b", "b", "a b");
    syntax("add a if_not_exists(b)", "if_not_exists", "a if_not_exists(");
    syntax("set a b", "b", "a b");
    syntax("set :s = b", ":s", "set :s =");
    syntax("remove :s", ":s", "remove :s");
    syntax("set a = b / c", "/", "b / c");
    syntax("set a = b + c + d", "+", "c + d");
    syntax("set (a = (b + c))", "(", "set (a");
    syntax("set a = (b.c).d + e", ".", ").d");
    syntax("set if_not_exists(a, b) = a", "(", "if_not_exists(a");
    syntax("SET a = :s b = :s", "b", ":s b =");
    for text in ["set a = (b + c)", "set a = ((b.c.d)+(e))", "set a = (b) + c remove d", "ADD a :n SET b = (:s)"] {
        let parsed = update::parse(text, &placeholders());
        assert!(parsed.is_ok(), "{text}: {parsed:?}");
    }
}

#[test]
fn mistakes_in_the_order_of_aws() {
    refused(" set #c = :n set abOrt = true ", "Attribute name is a reserved keyword; reserved keyword: abOrt");
    refused("set a = foo(:n) set c = d", "Invalid function name; function: foo");
    refused("set a = #zz set c = :d", "The \"SET\" section can only be used once in an update expression;");
    refused(
        "delete a :e set b = c delete d :f",
        "The \"DELETE\" section can only be used once in an update expression;",
    );
    refused(
        "SET #x = if_not_exists(:x)",
        "An expression attribute name used in the document path is not defined; attribute name: #x",
    );
    refused(
        "SET #a = if_not_exists(:x), b = #x",
        "An expression attribute name used in the document path is not defined; attribute name: #x",
    );
    refused(
        "SET #a = if_not_exists(:x)",
        "An expression attribute value used in expression is not defined; attribute value: :x",
    );
    let overlap = |one: &str, two: &str| {
        format!(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    let conflict = |one: &str, two: &str| {
        format!(
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
        )
    };
    refused("set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)", &overlap("[c, [1], a]", "[c]"));
    refused("set a = b remove a, #c, #d", &overlap("[a]", "[a]"));
    refused("set #c[3].#d = a, #c[3] = a", &overlap("[c, [3], [3]]", "[c, [3]]"));
    refused("remove c, #c.a, #d", &overlap("[c]", "[c, a]"));
    refused("set #c[3].#d = a, #c.#d[3] = if_not_exists(a)", &conflict("[c, [3], [3]]", "[c, [3], [3]]"));
    refused("remove a.#c set a[1] = #d", &conflict("[a, c]", "[a, [1]]"));
}

#[test]
fn operand_types() {
    for (value, word) in
        [(":s", "STRING"), (":null", "NULL"), (":bool", "BOOLEAN"), (":b", "BINARY"), (":map", "MAP"), (":l", "LIST")]
    {
        for operator in ["ADD", "DELETE"] {
            refused(
                &format!("set c = if_not_exists(a) {operator} a.b {value}"),
                &format!("Incorrect operand type for operator or function; operator: {operator}, operand type: {word}"),
            );
        }
    }
    refused("delete a.b :n", "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER");
    let wrong = |operator: &str, kind: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}"
        )
    };
    refused("set a = list_append(:s, a)", &wrong("list_append", "S"));
    refused("set a = list_append(a, :n)", &wrong("list_append", "N"));
    refused("set a = :s + :b", &wrong("+", "S"));
    refused("set a = a - :ss", &wrong("-", "SS"));
    refused(
        "set a = list_append(c)",
        "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1",
    );
    refused(
        "set a = if_not_exists(if_not_exists(a, b), c)",
        "Operator or function requires a document path; operator or function: if_not_exists",
    );
}

fn applied(text: &str, old: &Item, exists: bool) -> Result<Item, UpdateError> {
    let values = [
        (":1", n("1")),
        (":10", n("10")),
        (":max", n("9e125")),
        (":s", s("new")),
        (":l", list([s("x"), s("y")])),
        (":xy", ss(&["x", "y"])),
        (":xz", ss(&["x", "z"])),
        (":12", ns(&["1", "2"])),
        (":m", map([])),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), Ok(value)));
    let names = Some([("#n".to_owned(), "name".to_owned())]);
    let update = update::parse(text, &Placeholders::new(names, Some(values)).unwrap()).unwrap();
    update.apply(old, exists)
}

fn subject() -> Item {
    item([
        ("pk", s("k")),
        ("a", n("5")),
        ("name", s("old")),
        ("tags", ss(&["x", "y"])),
        ("l", list([s("0"), s("1"), s("2")])),
        ("m", map([("x", n("7")), ("y", list([map([("z", s("deep"))])])), ("t", ss(&["x"]))])),
    ])
}

#[track_caller]
fn gives<const N: usize>(text: &str, changed: [(&str, Option<AttributeValue>); N]) {
    let mut expected = subject();
    for (name, value) in changed {
        match value {
            Some(value) => drop(expected.insert(name, value)),
            None => drop(expected.remove(name)),
        }
    }
    assert_eq!(applied(text, &subject(), true), Ok(expected), "{text}");
}

#[track_caller]
fn fails(text: &str, error: UpdateError) {
    assert_eq!(applied(text, &subject(), true), Err(error), "{text}");
}

#[test]
fn set() {
    gives("SET b = :s", [("b", Some(s("new")))]);
    gives("SET a = a + :1, b = a", [("a", Some(n("6"))), ("b", Some(n("5")))]);
    gives("SET a = :10 - a", [("a", Some(n("5")))]);
    gives("SET a = #n, #n = a", [("a", Some(s("old"))), ("name", Some(n("5")))]);
    gives("SET b = if_not_exists(a, :s), c = if_not_exists(q, :s)", [("b", Some(n("5"))), ("c", Some(s("new")))]);
    gives("SET c = if_not_exists(c, :1) + :1", [("c", Some(n("2")))]);
    gives("SET l = list_append(l, :l)", [("l", Some(list(["0", "1", "2", "x", "y"].map(s))))]);
    gives("SET l = list_append(:l, if_not_exists(q, :l))", [("l", Some(list(["x", "y", "x", "y"].map(s))))]);
    fails("SET b = q", UpdateError::NoSuchAttribute);
    fails("SET b = q + :1", UpdateError::NoSuchAttribute);
    fails("SET b = l[3]", UpdateError::NoSuchAttribute);
    fails("SET b = #n + :1", UpdateError::OperandType);
    fails("SET b = list_append(a, :l)", UpdateError::OperandType);
    fails("SET b = :max + :max", UpdateError::Number(crate::number::NumberError::Overflow));
}

#[test]
fn set_inside() {
    gives("SET l[1] = :s", [("l", Some(list(["0", "new", "2"].map(s))))]);
    gives("SET l[9] = :1, l[7] = :s", [("l", Some(list([s("0"), s("1"), s("2"), s("new"), n("1")])))]);
    let m = |y: &str, x: &str| map([("x", n(x)), ("y", list([map([("z", s(y))])])), ("t", ss(&["x"]))]);
    gives("SET m.y[0].z = :s, m.x = m.x + :1", [("m", Some(m("new", "8")))]);
    for text in ["SET q.r = :s", "SET a.b = :s", "SET l.a = :s", "SET m[0] = :s", "SET l[3].x = :s", "SET m.q.r = :s"] {
        fails(text, UpdateError::Path);
    }
}

#[test]
fn remove() {
    gives("REMOVE a, q, #n", [("a", None), ("name", None)]);
    gives("REMOVE l[0], l[2]", [("l", Some(list([s("1")])))]);
    gives("REMOVE l[2], l[0], l[1]", [("l", Some(list([])))]);
    gives("REMOVE l[7]", []);
    gives("REMOVE l[0] SET l[5] = :s", [("l", Some(list(["1", "2", "new"].map(s))))]);
    gives("REMOVE l[3] SET l[5] = :s", [("l", Some(list(["0", "1", "2", "new"].map(s))))]);
    gives("REMOVE m.q", []);
    for text in ["REMOVE q.r", "REMOVE a.b", "REMOVE l.a", "REMOVE m[0]"] {
        fails(text, UpdateError::Path);
    }
    assert_eq!(applied("REMOVE x.y, z[0], q", &item([("pk", s("k"))]), false), Ok(item([("pk", s("k"))])));
}

#[test]
fn add_and_delete() {
    gives("ADD a :1, c :10", [("a", Some(n("6"))), ("c", Some(n("10")))]);
    gives("ADD tags :xz, u :12", [("tags", Some(ss(&["x", "y", "z"]))), ("u", Some(ns(&["1", "2"])))]);
    gives("DELETE tags :xz, q :xz", [("tags", Some(ss(&["y"])))]);
    gives("DELETE tags :xy", [("tags", None)]);
    let without_t = map([("x", n("7")), ("y", list([map([("z", s("deep"))])]))]);
    gives("DELETE m.t :xy", [("m", Some(without_t))]);
    fails("ADD #n :1", UpdateError::OperandType);
    fails("ADD a :xy", UpdateError::OperandType);
    fails("ADD tags :12", UpdateError::OperandType);
    fails("DELETE tags :12", UpdateError::OperandType);
    fails("ADD q.r :1", UpdateError::Path);
    fails("DELETE q.r :xy", UpdateError::Path);
}
