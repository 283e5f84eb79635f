//! Input templates: what an enrichment or a target is given of an event.
//!
//! `<$.path>` stands for what is found there in the event, `<aws.pipes.…>` for what is known of the pipe. What an SQS message's `body`
//! or a Kinesis record's `data` holds is seen as the JSON that it is.
//!
//! Source: "Amazon EventBridge Pipes input transformation" in the user guide.

use serde_json::Value as Json;
use undercast_kernel::wire::text;

/// What is known of a pipe to its templates.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) enrichment: String,
    pub(crate) target: String,
    /// When the event came, as ISO 8601 has it.
    pub(crate) ingested: String,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    All,
}

/// Reads `$.a.b[3].c[*]`.
fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let is_name = |c: char| c.is_alphanumeric() || "_-/".contains(c);
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            (end > 0).then_some(())?;
            steps.push(Step::Name(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(if inside == "*" { Step::All } else { Step::Index(inside.parse().ok()?) });
            rest = after;
        }
    }
    Some(steps)
}

/// What is found at a path. `None`: nothing.
fn find(event: &Json, steps: &[Step]) -> Option<Json> {
    let Some((step, rest)) = steps.split_first() else { return Some(event.clone()) };
    match step {
        Step::Name(name) => find(event.get(name)?, rest),
        Step::Index(index) => find(event.get(index)?, rest),
        Step::All => {
            let all: Vec<Json> = event.as_array()?.iter().filter_map(|item| find(item, rest)).collect();
            (!all.is_empty()).then_some(Json::Array(all))
        }
    }
}

/// What is found at a path of an event, with what its sender sent seen as what it is.
pub(crate) fn look_up(event: &Json, written: &str) -> Option<Json> {
    let steps = path(written)?;
    let content = match (steps.first(), event["eventSource"].as_str()) {
        (Some(Step::Name(name)), Some("aws:sqs")) if name == "body" => event["body"].as_str().map(ToOwned::to_owned),
        (Some(Step::Name(name)), Some("aws:kinesis")) if name == "data" => {
            let decoded = event["data"].as_str().and_then(text::unbase64);
            decoded.and_then(|bytes| String::from_utf8(bytes).ok())
        }
        _ => None,
    };
    match content {
        Some(content) => {
            let sent = serde_json::from_str(&content).unwrap_or(Json::String(content));
            find(&sent, steps.get(1..)?)
        }
        None => find(event, &steps),
    }
}

/// The value of a parameter that may be a path into the event.
pub(crate) fn value(written: &str, event: &Json) -> Option<String> {
    if !written.starts_with('$') {
        return Some(written.to_owned());
    }
    Some(match look_up(event, written)? {
        Json::String(text) => text,
        other => other.to_string(),
    })
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    /// What stands between `<` and `>`, and whether that is in a JSON string.
    Variable(&'a str, bool),
}

/// Takes a template apart. What stands between angle brackets and is no variable is text.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let json = is_json(template);
    let (mut pieces, mut from, mut at) = (Vec::new(), 0, 0);
    let (mut quoted, mut escaped) = (false, false);
    while let Some(letter) = template[at..].chars().next() {
        let variable = (letter == '<').then(|| &template[at + 1..]).and_then(|rest| rest.split_once('>'));
        if let Some((name, _)) = variable.filter(|(name, _)| name.starts_with('$') || name.starts_with("aws.pipes.")) {
            pieces.push(Piece::Text(&template[from..at]));
            pieces.push(Piece::Variable(name, quoted));
            at += name.len() + 2;
            from = at;
            continue;
        }
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if json => quoted = !quoted,
            _ => {}
        }
        at += letter.len_utf8();
    }
    pieces.push(Piece::Text(&template[from..]));
    pieces
}

/// Whether a template is JSON, rather than text.
fn is_json(template: &str) -> bool {
    template.trim_start().starts_with(['{', '[', '"'])
}

/// Refuses a template with variables that there are not.
pub(crate) fn check(template: &str) -> Result<(), String> {
    for piece in pieces(template) {
        if let Piece::Variable(name, _) = piece {
            let good = if name.starts_with('$') { path(name).is_some() } else { RESERVED.contains(&name) };
            if !good {
                return Err(format!("Invalid InputTemplate: <{name}> is not supported."));
            }
        }
    }
    Ok(())
}

const RESERVED: &[&str] = &[
    "aws.pipes.enrichment-arn",
    "aws.pipes.event",
    "aws.pipes.event.ingestion-time",
    "aws.pipes.event.json",
    "aws.pipes.pipe-arn",
    "aws.pipes.pipe-name",
    "aws.pipes.source-arn",
    "aws.pipes.target-arn",
];

fn variable(name: &str, known: &Known, event: &Json) -> Option<Json> {
    let text = |text: &str| Some(Json::from(text));
    match name {
        "aws.pipes.pipe-arn" => text(&known.arn),
        "aws.pipes.pipe-name" => text(&known.name),
        "aws.pipes.source-arn" => text(&known.source),
        "aws.pipes.enrichment-arn" => text(&known.enrichment),
        "aws.pipes.target-arn" => text(&known.target),
        "aws.pipes.event.ingestion-time" => text(&known.ingested),
        "aws.pipes.event" | "aws.pipes.event.json" => Some(event.clone()),
        path => look_up(event, path),
    }
}

/// A text within quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// What a template makes of an event: a text, which may be JSON. What is not found is an empty text.
///
/// # Errors
/// When a template that is JSON does not make JSON.
pub(crate) fn render(template: &str, known: &Known, event: &Json) -> Result<String, String> {
    let json = is_json(template);
    let mut out = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name, quoted) => {
                let found = variable(name, known, event).unwrap_or(Json::String(String::new()));
                let text = found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned);
                match (json, quoted) {
                    (true, true) => out.push_str(&escaped(&text)),
                    (true, false) => out.push_str(&found.to_string()),
                    (false, _) => out.push_str(&text),
                }
            }
        }
    }
    if template.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(&out).is_err() {
        return Err("The input template does not make valid JSON.".to_owned());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn known() -> Known {
        Known {
            arn: "arn:aws:pipes:us-east-1:000000000000:pipe/p".to_owned(),
            name: "p".to_owned(),
            source: "source".to_owned(),
            enrichment: String::new(),
            target: "target".to_owned(),
            ingested: "2026-03-01T12:00:00Z".to_owned(),
        }
    }

    fn message(body: &str) -> Json {
        json!({"messageId": "1", "body": body, "eventSource": "aws:sqs", "attributes": {"SenderId": "AIDA"}})
    }

    #[test]
    fn templates_are_filled_as_the_guide_says() {
        let event = message(r#"{"key": {"a": 1}, "name": "x \"y\"", "Records": [1, 2, {"n": 3}, {"n": 4}]}"#);
        for (template, wanted) in [
            ("\"Hello, sender\"", "\"Hello, sender\""),
            ("<$.attributes.SenderId>", "AIDA"),
            ("Hello, <$.attributes.SenderId> & <b>", "Hello, AIDA & <b>"),
            ("\"Hello, <$.body.name>\"", r#""Hello, x \"y\"""#),
            (r#"{"k": <$.body.key>, "n": <$.body.name>}"#, r#"{"k": {"a":1}, "n": "x \"y\""}"#),
            (
                r#"{"k": "<$.body.key>", "d": <aws.pipes.event.ingestion-time>}"#,
                r#"{"k": "{\"a\":1}", "d": "2026-03-01T12:00:00Z"}"#,
            ),
            (r#"{"k": <$.body.Records[2]>, "all": <$.body.Records[*].n>}"#, r#"{"k": {"n":3}, "all": [3,4]}"#),
            (r#"{"k": <$.body.none>, "l": "<$.none[7]>"}"#, r#"{"k": "", "l": ""}"#),
            ("<$.body>", r#"{"key":{"a":1},"name":"x \"y\"","Records":[1,2,{"n":3},{"n":4}]}"#),
            ("<aws.pipes.pipe-name> <aws.pipes.source-arn>", "p source"),
        ] {
            assert_eq!(render(template, &known(), &event).as_deref(), Ok(wanted), "{template}");
            assert_eq!(check(template), Ok(()), "{template}");
        }
        assert_eq!(render("<$.body>", &known(), &message("plain")).as_deref(), Ok("plain"));
        assert!(render(r#"{"k" <$.body>}"#, &known(), &event).is_err());
        assert!(check("<aws.pipes.nothing>").is_err() && check("<$.a[x]>").is_err() && check("<$..a>").is_err());
    }

    #[test]
    fn data_of_streams_is_decoded() {
        let record = json!({"eventSource": "aws:kinesis", "data": text::base64(br#"{"n": 7}"#), "partitionKey": "p"});
        assert_eq!(render("<$.data.n>", &known(), &record).as_deref(), Ok("7"));
        assert_eq!(value("$.data.n", &record).as_deref(), Some("7"));
        assert_eq!(value("$.partitionKey", &record).as_deref(), Some("p"));
        assert_eq!((value("plain", &record).as_deref(), value("$.none", &record)), (Some("plain"), None));
        // Of another source it is what it is.
        let other = json!({"data": "eyJuIjogN30="});
        assert_eq!(render("<$.data>", &known(), &other).as_deref(), Ok("eyJuIjogN30="));
    }

    proptest! {
        /// Whatever an event holds, a template that is JSON makes JSON, with the text in its place.
        #[test]
        fn what_is_filled_in_stays_json(text in ".*") {
            let event = json!({"x": text});
            let made = render(r#"{"quoted": "a<$.x>b", "bare": <$.x>}"#, &known(), &event).unwrap();
            let made: Json = serde_json::from_str(&made).unwrap();
            prop_assert_eq!(&made["quoted"], &json!(format!("a{text}b")));
            prop_assert_eq!(&made["bare"], &json!(text));
        }

        /// No template breaks anything.
        #[test]
        fn templates_are_read_whatever_they_are(template in "[<>$.{}\"\\\\a-c\\[\\]*0-9é]{0,40}") {
            let _ = check(&template);
            let _ = render(&template, &known(), &json!({"a": [1, {"b": "c"}]}));
        }
    }
}
