//! Logs as JSON, in levels.

use serde_json::{Value as Json, json};
use undercast_testkit::Client;

use crate::setup::{cloud, create, invoke, invoke_with, logs, node, python, told};

crate::tests!(
    logs_in_json_are_one_object_a_line,
    levels_leave_out_what_is_below_them,
    what_goes_wrong_is_told_in_json,
    formats_and_levels_go_together,
);

/// The lines of a function's log that are JSON, once one of them has `wanted` in it, and the others.
async fn lines(client: &Client, name: &str, wanted: &str) -> (Vec<Json>, Vec<String>) {
    let (mut objects, mut others) = (Vec::new(), Vec::new());
    for line in logs(client, name, wanted).await {
        match serde_json::from_str::<Json>(&line) {
            Ok(object) if object.is_object() => objects.push(object),
            _ => others.push(line),
        }
    }
    (objects, others)
}

fn kinds(lines: &[Json]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["type"].as_str()).collect()
}

fn said<'a>(lines: &'a [Json], message: &str) -> Option<&'a Json> {
    lines.iter().find(|line| line["message"] == message)
}

async fn logs_in_json_are_one_object_a_line() {
    let (_cloud, client) = cloud().await;
    let code = "import logging, os\ndef handler(event, context):\n    print('printed')\n    logging.info('two\\nlines', extra={'own': 7})\n    logging.debug('below')\n    try:\n        raise KeyError('k')\n    except KeyError:\n        logging.exception('caught')\n    return [os.environ['AWS_LAMBDA_LOG_FORMAT'], os.environ['AWS_LAMBDA_LOG_LEVEL']]\n";
    let mut input = python("p", code);
    input["LoggingConfig"] = json!({"LogFormat": "JSON"});
    let made = create(&client, input).await;
    let usual = json!({"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/p"});
    assert_eq!(made["LoggingConfig"], usual);
    let answer = invoke_with(&client, "p", json!({}), &json!({})).await;
    assert_eq!(serde_json::from_slice::<Json>(&answer.body).unwrap(), json!(["JSON", "INFO"]));
    let id = answer.headers["x-amzn-requestid"].to_str().unwrap();
    let (found, others) = lines(&client, "p", "platform.report").await;
    assert_eq!(others, ["printed\n"], "what is printed is as it is");
    assert_eq!(kinds(&found), ["platform.initStart", "platform.start", "platform.report"]);
    let of = |kind: &str| found.iter().find(|line| line["type"] == kind).unwrap()["record"].clone();
    assert_eq!(of("platform.initStart")["initializationType"], "on-demand");
    assert_eq!(of("platform.start"), json!({"requestId": id, "version": "$LATEST"}));
    let report = of("platform.report");
    assert_eq!(
        (&report["requestId"], &report["status"], &report["metrics"]["memorySizeMB"]),
        (&json!(id), &json!("success"), &json!(128))
    );
    assert!(
        report["metrics"]["initDurationMs"].as_f64().unwrap() > 0.0 && report["metrics"]["durationMs"].is_f64(),
        "{report}"
    );
    let line = said(&found, "two\nlines").unwrap();
    assert_eq!(
        (&line["level"], &line["logger"], &line["requestId"], &line["own"]),
        (&json!("INFO"), &json!("root"), &json!(id), &json!(7))
    );
    let caught = said(&found, "caught").unwrap();
    assert_eq!((&caught["errorType"], &caught["level"]), (&json!("KeyError"), &json!("ERROR")));
    assert!(said(&found, "below").is_none());
    let code = "exports.handler = async () => { console.info('hello %s', 'you'); console.debug('below'); console.log({own: 1}); console.error('bad', new TypeError('t')) }";
    let mut input = node("n", "index.js", code);
    input["LoggingConfig"] = json!({"LogFormat": "JSON"});
    create(&client, input).await;
    invoke(&client, "n", json!({})).await;
    let (found, others) = lines(&client, "n", "platform.report").await;
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(said(&found, "hello you").unwrap()["level"], "INFO");
    assert!(found.iter().any(|line| line["message"] == json!({"own": 1})), "{found:?}");
    let bad = found.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!((&bad["errorType"], &bad["errorMessage"]), (&json!("TypeError"), &json!("t")));
    assert!(said(&found, "below").is_none());
}

async fn levels_leave_out_what_is_below_them() {
    let (_cloud, client) = cloud().await;
    let code = "import logging\ndef handler(event, context):\n    for level in ('debug', 'info', 'warning', 'error'):\n        getattr(logging, level)(level)\n";
    let all = ["debug", "info", "warning", "error"];
    for (name, levels, messages, events) in [
        (
            "low",
            json!({"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "DEBUG"}),
            &all[..],
            &["platform.initStart", "platform.start", "platform.runtimeDone", "platform.report"][..],
        ),
        (
            "high",
            json!({"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"}),
            &all[3..],
            &[][..],
        ),
    ] {
        let mut input = python(name, code);
        input["LoggingConfig"] = levels;
        create(&client, input).await;
        invoke(&client, name, json!({})).await;
        let (found, _) = lines(&client, name, "\"error\"").await;
        assert_eq!(kinds(&found), events, "{name}");
        for message in all {
            assert_eq!(said(&found, message).is_some(), messages.contains(&message), "{name} {message}");
        }
    }
    let mut input =
        node("warn", "index.js", "exports.handler = async () => { console.info('info'); console.warn('warn') }");
    input["LoggingConfig"] = json!({"LogFormat": "JSON", "ApplicationLogLevel": "WARN"});
    create(&client, input).await;
    invoke(&client, "warn", json!({})).await;
    let (found, _) = lines(&client, "warn", "\"warn\"").await;
    assert!(said(&found, "info").is_none() && said(&found, "warn").is_some(), "{found:?}");
}

async fn what_goes_wrong_is_told_in_json() {
    let (_cloud, client) = cloud().await;
    let code = "import os, time\ndef handler(event, context):\n    match event['do']:\n        case 'raise': raise ValueError('boom')\n        case 'sleep': time.sleep(5)\n        case 'exit': os._exit(3)\n";
    let mut input = python("f", code);
    input["Timeout"] = json!(1);
    input["LoggingConfig"] = json!({"LogFormat": "JSON", "SystemLogLevel": "WARN"});
    create(&client, input).await;
    for what in ["raise", "sleep", "exit"] {
        invoke_with(&client, "f", json!({}), &json!({"do": what})).await;
    }
    let (found, others) = lines(&client, "f", "Runtime.ExitError").await;
    assert_eq!(others, Vec::<String>::new());
    let error = found.iter().find(|line| line["log_level"] == "ERROR").unwrap();
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("ValueError"), &json!("boom")));
    let reports: Vec<(&Json, &Json)> = found
        .iter()
        .filter(|line| line["type"] == "platform.report")
        .map(|line| (&line["record"]["status"], &line["record"]["errorType"]))
        .collect();
    let wanted = [
        (json!("error"), Json::Null),
        (json!("timeout"), json!("Sandbox.Timedout")),
        (json!("error"), json!("Runtime.ExitError")),
    ];
    for (status, kind) in &wanted {
        assert!(reports.contains(&(status, kind)), "{reports:?}");
    }
}

async fn formats_and_levels_go_together() {
    let (_cloud, client) = cloud().await;
    create(&client, python("f", "def handler(event, context):\n    return 1\n")).await;
    let set = async |config: Json| {
        client
            .call("lambda", "UpdateFunctionConfiguration", json!({"FunctionName": "f", "LoggingConfig": config}))
            .await
    };
    let refused = set(json!({"SystemLogLevel": "WARN"})).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidParameterValueException"));
    assert_eq!(told(&refused), "Log levels can be set for functions with LogFormat JSON only.");
    set(json!({"LogFormat": "JSON", "SystemLogLevel": "WARN", "LogGroup": "own"})).await.ok();
    let kept = set(json!({"ApplicationLogLevel": "FATAL", "LogGroup": "own"})).await.ok();
    let wanted =
        json!({"LogFormat": "JSON", "ApplicationLogLevel": "FATAL", "SystemLogLevel": "WARN", "LogGroup": "own"});
    assert_eq!(kept["LoggingConfig"], wanted, "what is not said of the format stays");
    let text = set(json!({"LogFormat": "Text"})).await.ok();
    assert_eq!(text["LoggingConfig"], json!({"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}));
    invoke(&client, "f", json!({})).await;
    assert!(logs(&client, "f", "REPORT").await.iter().any(|line| line.starts_with("START RequestId")));
}
