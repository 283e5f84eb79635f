//! Statements: that they do what the plain operations do, page by page, once for each token, and for whom they may.

use crate::cloud::Cloud;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn statement(text: &str) -> Json {
    json!({"Statement": text})
}

async fn run(cloud: &Cloud, text: &str) -> Json {
    cloud.ok("ExecuteStatement", statement(text)).await["Items"].clone()
}

async fn filled() -> Cloud {
    let cloud = Cloud::new().with_sorted_table("N").await;
    for (pk, sk) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)] {
        cloud.put(json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}, "n": {"N": (sk * 10).to_string()}})).await;
    }
    cloud
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let cloud = filled().await;
    for (text, wanted) in [
        ("SELECT pk, sk FROM tab WHERE pk IN ['a', 'b'] AND sk >= 2", "a2 a3 b2"),
        ("SELECT pk, sk FROM tab WHERE pk IN ['a', 'b'] ORDER BY pk DESC, sk DESC", "b2 b1 a3 a2 a1"),
        ("SELECT pk, sk FROM tab WHERE pk = 'a' AND sk IN [3, 1]", "a1 a3"),
        ("SELECT pk, sk FROM tab WHERE pk = 'a' AND n <> 20", "a1 a3"),
    ] {
        let mut input = json!({"Statement": text, "Limit": 1});
        let mut found = Vec::new();
        for _ in 0..10 {
            let page = cloud.ok("ExecuteStatement", input.clone()).await;
            for item in page["Items"].as_array().unwrap() {
                found.push(format!("{}{}", item["pk"]["S"].as_str().unwrap(), item["sk"]["N"].as_str().unwrap()));
            }
            let Some(token) = page.get("NextToken").filter(|token| !token.is_null()) else { break };
            input["NextToken"] = token.clone();
        }
        assert_eq!(found.join(" "), wanted, "{text}");
    }
    let mut all = json!({"Statement": "SELECT pk, sk FROM tab", "Limit": 2});
    let first = cloud.ok("ExecuteStatement", all.clone()).await;
    all["NextToken"] = first["NextToken"].clone();
    all["Limit"] = json!(9);
    assert_eq!(cloud.ok("ExecuteStatement", all.clone()).await["Items"].as_array().unwrap().len(), 3);
    all["Statement"] = json!("SELECT pk FROM tab");
    assert_eq!(cloud.err("ExecuteStatement", all).await.message, "NextToken does not match request");
}

#[tokio::test]
async fn long_conditions_are_planned_in_time() {
    let cloud = filled().await;
    let start = std::time::Instant::now();
    let repeated = |unit: &str| unit.repeat(7900 / unit.len());
    for (text, rows) in [
        (format!("SELECT sk FROM tab WHERE {}pk = 'a'", repeated("n > 1 AND ")), 3),
        (format!("SELECT sk FROM tab WHERE pk = 'a' AND ({}n = 10)", repeated("n = 1 OR ")), 1),
        (format!("SELECT sk FROM tab WHERE pk = 'a' AND {}n > 1", repeated("sk > 1 AND ")), 2),
        (format!("SELECT sk FROM tab WHERE pk IN ['a', 'b'] AND {}n > 1", repeated("n > 0 AND ")), 5),
    ] {
        assert_eq!(run(&cloud, &text).await.as_array().unwrap().len(), rows);
    }
    let wide = format!("SELECT sk FROM tab WHERE {}pk = 'a'", repeated("(pk = 'a' OR sk = 1) AND "));
    let refused = cloud.err("ExecuteStatement", statement(&wide)).await;
    assert_eq!(refused.message, "Too many decomposed read operations for a given query.");
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn many_small_partitions_are_answered_a_megabyte_at_a_time() {
    let cloud = Cloud::new().with_table().await;
    let names: Vec<String> = (0..8).map(|n| format!("'p{n}'")).collect();
    for name in &names {
        cloud.put(json!({"pk": {"S": name.trim_matches('\'')}, "x": {"S": "x".repeat(300_000)}})).await;
    }
    let mut input = statement(&format!("SELECT pk FROM tab WHERE pk IN [{}]", names.join(",")));
    let mut pages = Vec::new();
    loop {
        let page = cloud.ok("ExecuteStatement", input.clone()).await;
        pages.push(page["Items"].as_array().unwrap().len());
        let Some(token) = page.get("NextToken").filter(|token| !token.is_null()) else { break };
        input["NextToken"] = token.clone();
    }
    assert_eq!(pages, [4, 4]);
}

#[tokio::test]
async fn a_token_does_a_transaction_once() {
    let cloud = filled().await;
    let bump = |by: &str, token: &str| {
        json!({
            "ClientRequestToken": token, "ReturnConsumedCapacity": "INDEXES",
            "TransactStatements": [{"Statement": "UPDATE tab SET n = n + ? WHERE pk = 'a' AND sk = 1", "Parameters": [{"N": by}]}]
        })
    };
    let first = cloud.ok("ExecuteTransaction", bump("1", "first")).await;
    assert_eq!(first["ConsumedCapacity"][0]["WriteCapacityUnits"], 2.0);
    cloud.ok("ExecuteTransaction", bump("1", "first")).await;
    assert_eq!(run(&cloud, "SELECT n FROM tab WHERE pk = 'a' AND sk = 1").await, json!([{"n": {"N": "11"}}]));
    let other = cloud.err("ExecuteTransaction", bump("2", "first")).await;
    assert_eq!(other.code, "IdempotentParameterMismatchException");
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let cloud = filled().await;
    let statements = json!({"TransactStatements": [
        statement("INSERT INTO tab VALUE {'pk': 'c', 'sk': 1}"),
        statement("DELETE FROM tab WHERE pk = 'a' AND sk = 1"),
        {"Statement": "UPDATE tab SET n = 0 WHERE pk = 'a' AND sk = 2 AND n = 1", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
        statement("INSERT INTO tab VALUE {'pk': 'b', 'sk': 1}"),
    ]});
    let refused = cloud.err("ExecuteTransaction", statements).await;
    assert_eq!(refused.code, "TransactionCanceledException");
    assert_eq!(
        refused.fields[0].1,
        json!([
            {"Code": "None"},
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed",
             "Item": {"pk": {"S": "a"}, "sk": {"N": "2"}, "n": {"N": "20"}}},
            {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"},
        ])
    );
    assert_eq!(run(&cloud, "SELECT * FROM tab").await.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_failed_condition_shows_the_item_if_asked() {
    let cloud = filled().await;
    let text = "DELETE FROM tab WHERE pk = 'a' AND sk = 1 AND n = 1";
    let silent = cloud.err("ExecuteStatement", statement(text)).await;
    assert_eq!((silent.code.as_str(), silent.fields.len()), ("ConditionalCheckFailedException", 0));
    let input = json!({"Statement": text, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
    let shown = cloud.err("ExecuteStatement", input).await;
    assert_eq!(shown.fields[0].1["n"], json!({"N": "10"}));
}

#[tokio::test]
async fn an_update_that_leaves_an_item_too_deep_is_refused() {
    let cloud = Cloud::new().with_table().await;
    cloud.put(json!({"pk": {"S": "a"}, "m": {"M": {}}})).await;
    let deep = (0..31).fold(json!({"S": "x"}), |inside, _| json!({"M": {"a": inside}}));
    let input = json!({"Statement": "UPDATE tab SET m.deep = ? WHERE pk = 'a'", "Parameters": [deep]});
    assert_eq!(cloud.err("ExecuteStatement", input).await.message, "Nesting Levels have exceeded supported limits");
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await["m"], json!({"M": {}}));
}

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

fn policy(statements: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A user of a cloud of its own.
async fn user(policy: Json) -> Cloud {
    filled().await.as_user(&policy)
}

#[tokio::test]
async fn each_kind_of_statement_has_a_permission() {
    let texts = [
        ("PartiQLSelect", "SELECT * FROM tab WHERE pk = 'a'"),
        ("PartiQLInsert", "INSERT INTO tab VALUE {'pk': 'new', 'sk': 1}"),
        ("PartiQLUpdate", "UPDATE tab SET n = 0 WHERE pk = 'a' AND sk = 1"),
        ("PartiQLDelete", "DELETE FROM tab WHERE pk = 'a' AND sk = 2"),
    ];
    for (allowed, _) in texts {
        let action = format!("dynamodb:{allowed}");
        let caller = user(policy(&json!([{"Effect": "Allow", "Action": action, "Resource": TABLE}]))).await;
        for (needed, text) in texts {
            if needed == allowed {
                caller.ok("ExecuteStatement", statement(text)).await;
            } else {
                let denied = caller.err("ExecuteStatement", statement(text)).await;
                assert_eq!(denied.code, "AccessDeniedException", "{text}");
                assert!(
                    denied.message.contains(&format!("dynamodb:{needed} on resource: {TABLE}")),
                    "{}",
                    denied.message
                );
            }
        }
    }
    // An index is a resource of its own, and in a batch each statement is denied by itself.
    let allow = json!([{"Effect": "Allow", "Action": "dynamodb:PartiQLSelect", "Resource": TABLE}]);
    let caller = user(policy(&allow)).await;
    let denied = caller.err("ExecuteStatement", statement("SELECT * FROM tab.idx")).await;
    assert!(denied.message.contains("table/tab/index/idx"), "{}", denied.message);
    let batch = json!({"Statements": [
        statement("DELETE FROM tab WHERE pk = 'a' AND sk = 1"), statement("DELETE FROM none WHERE pk = 'a' AND sk = 1")
    ]});
    let answer = caller.ok("BatchExecuteStatement", batch).await;
    for response in answer["Responses"].as_array().unwrap() {
        assert_eq!(response["Error"]["Code"], "AccessDenied");
    }
    let batch = json!({"Statements": [statement("SELECT n FROM tab WHERE pk = 'b' AND sk = 1")]});
    assert_eq!(caller.ok("BatchExecuteStatement", batch).await["Responses"][0]["Item"], json!({"n": {"N": "10"}}));
    // What is not of the grammar is refused for that.
    assert_eq!(caller.err("ExecuteStatement", statement("DROP tab")).await.code, "ValidationException");
}

#[tokio::test]
async fn a_policy_can_deny_full_scans_and_transactions_and_give_partitions() {
    let allow = json!({"Effect": "Allow", "Action": "dynamodb:PartiQL*", "Resource": TABLE});
    let deny = |condition: Json| {
        let deny = json!({"Effect": "Deny", "Action": "dynamodb:PartiQL*", "Resource": TABLE, "Condition": condition});
        policy(&json!([allow, deny]))
    };
    let caller = user(deny(json!({"Bool": {"dynamodb:FullTableScan": ["true"]}}))).await;
    for (text, scans) in [
        ("SELECT * FROM tab WHERE pk = 'a'", false),
        ("SELECT * FROM tab WHERE pk IN ['a', 'b'] AND n = 1", false),
        ("SELECT * FROM tab WHERE pk = 'a' OR pk = 'b'", false),
        ("UPDATE tab SET n = 1 WHERE pk = 'a' AND sk = 1", false),
        ("SELECT * FROM tab", true),
        ("SELECT * FROM tab WHERE pk > 'a'", true),
        ("SELECT * FROM tab WHERE pk = 'a' OR n = 1", true),
    ] {
        let result = caller.call("ExecuteStatement", statement(text)).await;
        assert_eq!(result.is_err(), scans, "{text}: {result:?}");
    }
    let transactions = json!({"StringEquals": {"dynamodb:EnclosingOperation": ["ExecuteTransaction"]}});
    let caller = user(deny(transactions)).await;
    let text = "SELECT * FROM tab WHERE pk = 'a' AND sk = 1";
    caller.ok("ExecuteStatement", statement(text)).await;
    caller.err("ExecuteTransaction", json!({"TransactStatements": [statement(text)]})).await;
    let mut leading = allow.clone();
    leading["Condition"] = json!({
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}, "Null": {"dynamodb:LeadingKeys": "false"}
    });
    let caller = user(policy(&json!([leading]))).await;
    for (text, parameter, allowed) in [
        ("SELECT * FROM tab WHERE pk = ?", "a", true),
        ("SELECT * FROM tab WHERE pk = ?", "b", false),
        ("INSERT INTO tab VALUE {'pk': ?, 'sk': 9}", "a", true),
        ("INSERT INTO tab VALUE {'pk': ?, 'sk': 9}", "b", false),
        ("DELETE FROM tab WHERE pk = ? AND sk = 9", "b", false),
        ("SELECT * FROM tab WHERE n = ?", "a", false),
    ] {
        let result =
            caller.call("ExecuteStatement", json!({"Statement": text, "Parameters": [{"S": parameter}]})).await;
        assert_eq!(result.is_ok(), allowed, "{text} {parameter}: {result:?}");
    }
}

/// A condition as a statement has it, and as an expression has it.
fn condition() -> impl Strategy<Value = (String, String)> {
    let number = || 0_u8..5;
    let leaf = prop_oneof![
        (prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")], number())
            .prop_map(|(sign, n)| (format!("n {sign} {n}"), format!("n {sign} :v{n}"))),
        (number(), 0_u8..3).prop_map(|(low, more)| {
            let high = (low + more).min(4);
            (format!("n BETWEEN {low} AND {high}"), format!("n BETWEEN :v{low} AND :v{high}"))
        }),
        (number(), number()).prop_map(|(a, b)| (format!("n IN [{a}, {b}]"), format!("n IN (:v{a}, :v{b})"))),
        Just(("g IS MISSING".to_owned(), "attribute_not_exists(g)".to_owned())),
        Just(("g IS NOT MISSING".to_owned(), "attribute_exists(g)".to_owned())),
        Just(("size(g) > 1".to_owned(), "size(g) > :v1".to_owned())),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| (format!("({} AND {})", a.0, b.0), format!("({} AND {})", a.1, b.1))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| (format!("({} OR {})", a.0, b.0), format!("({} OR {})", a.1, b.1))),
            inner.prop_map(|a| (format!("NOT ({})", a.0), format!("NOT ({})", unwrapped(&a.1)))),
        ]
    })
}

/// Expressions may not have parentheses about parentheses.
fn unwrapped(text: &str) -> &str {
    text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text)
}

fn used(text: &str) -> Json {
    let mut values = json!({":p": {"S": "a"}});
    for n in 0..5 {
        if text.contains(&format!(":v{n}")) {
            values[format!(":v{n}")] = json!({"N": n.to_string()});
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_statement_and_its_plain_operation_agree(
        numbers in proptest::collection::vec((0_u8..5, any::<bool>()), 1..8),
        (theirs, ours) in condition(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (statements, plain) = (Cloud::new().with_sorted_table("N").await, Cloud::new().with_sorted_table("N").await);
            for (sk, (n, marked)) in numbers.iter().enumerate() {
                let mut item = json!({"pk": {"S": "a"}, "sk": {"N": sk.to_string()}, "n": {"N": n.to_string()}});
                let mut text = format!("INSERT INTO \"tab\" VALUE {{'pk': 'a', 'sk': {sk}, 'n': {n}");
                if *marked {
                    item["g"] = json!({"S": "gg"});
                    text += ", 'g': 'gg'";
                }
                plain.put(item).await;
                run(&statements, &(text + "}")).await;
            }
            let ours = unwrapped(&ours);
            let query = json!({
                "TableName": "tab", "KeyConditionExpression": "pk = :p", "FilterExpression": ours,
                "ExpressionAttributeValues": used(ours)
            });
            let wanted = plain.ok("Query", query).await["Items"].clone();
            assert_eq!(run(&statements, &format!("SELECT * FROM tab WHERE pk = 'a' AND {theirs}")).await, wanted);
            for sk in 0..numbers.len() {
                let text = format!("UPDATE tab SET n = n + 1 WHERE pk = 'a' AND sk = {sk} AND {theirs}");
                let done = statements.call("ExecuteStatement", statement(&text)).await.map(drop).map_err(|error| error.message);
                let mut values = used(ours);
                values.as_object_mut().unwrap().remove(":p");
                values[":one"] = json!({"N": "1"});
                let update = json!({
                    "TableName": "tab", "Key": {"pk": {"S": "a"}, "sk": {"N": sk.to_string()}},
                    "UpdateExpression": "SET n = n + :one", "ConditionExpression": ours, "ExpressionAttributeValues": values
                });
                let wanted = plain.call("UpdateItem", update).await.map(drop).map_err(|error| error.message);
                assert_eq!(done, wanted, "{text}");
            }
            let wanted = plain.ok("Scan", json!({"TableName": "tab"})).await["Items"].clone();
            assert_eq!(run(&statements, "SELECT * FROM tab").await, wanted);
        });
    }
}
