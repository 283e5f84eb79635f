//! A state: its type, which fields it may have, and what is in them.

use serde_json::Value;

use super::fields::{Fields, Reader};
use super::flow::{self, Numbers};
use super::machine::{LANGUAGES, MOST_SECONDS};
use super::{choice, errors, machine, map, resource};
use crate::diagnostic::Code;
use crate::tree::{Fail, Kind, Pass, QueryLanguage, State, Task, Transition, Wait};

/// Fields of every state.
const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];

/// Fields that only a state has whose language is JSONPath.
const JSONPATH: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Parameters",
    "Result",
    "ItemsPath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "ErrorPath",
    "CausePath",
];

/// Fields that only a state has whose language is JSONata.
const JSONATA: &[&str] = &["Arguments", "Output", "Items"];

/// The types, and the fields that each may have beside the common ones.
const TYPES: &[(&str, &[&str])] = &[
    (
        "Task",
        &[
            "Next",
            "End",
            "InputPath",
            "OutputPath",
            "Parameters",
            "ResultSelector",
            "ResultPath",
            "Arguments",
            "Output",
            "Assign",
            "Retry",
            "Catch",
            "Resource",
            "TimeoutSeconds",
            "TimeoutSecondsPath",
            "HeartbeatSeconds",
            "HeartbeatSecondsPath",
            "Credentials",
        ],
    ),
    ("Pass", &["Next", "End", "InputPath", "OutputPath", "Parameters", "ResultPath", "Result", "Output", "Assign"]),
    ("Choice", &["InputPath", "OutputPath", "Output", "Assign", "Choices", "Default"]),
    (
        "Wait",
        &[
            "Next",
            "End",
            "InputPath",
            "OutputPath",
            "Output",
            "Assign",
            "Seconds",
            "SecondsPath",
            "Timestamp",
            "TimestampPath",
        ],
    ),
    ("Succeed", &["InputPath", "OutputPath", "Output"]),
    ("Fail", &["Error", "ErrorPath", "Cause", "CausePath"]),
    (
        "Parallel",
        &[
            "Next",
            "End",
            "InputPath",
            "OutputPath",
            "Parameters",
            "ResultSelector",
            "ResultPath",
            "Arguments",
            "Output",
            "Assign",
            "Retry",
            "Catch",
            "Branches",
        ],
    ),
    (
        "Map",
        &[
            "Next",
            "End",
            "InputPath",
            "OutputPath",
            "Parameters",
            "ResultSelector",
            "ResultPath",
            "Output",
            "Assign",
            "Retry",
            "Catch",
            "Iterator",
            "ItemProcessor",
            "ItemsPath",
            "Items",
            "ItemSelector",
            "ItemReader",
            "ItemBatcher",
            "ResultWriter",
            "MaxConcurrency",
            "MaxConcurrencyPath",
            "ToleratedFailureCount",
            "ToleratedFailureCountPath",
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentagePath",
            "Label",
        ],
    ),
];

pub(super) fn read(name: &str, value: &Value, at: &str, reader: &mut Reader) -> Option<State> {
    let fields = Fields::of(value, at, reader)?;
    if !fields.require(&["Type"], reader) {
        return None;
    }
    let types: Vec<(&str, &str)> = TYPES.iter().map(|(name, _)| (*name, *name)).collect();
    let kind = fields.word("Type", &types, reader)?;
    let own = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields)?;
    let (language, mixed) = language(&fields, reader);
    allow(&fields, own, language, mixed, reader);
    let comment = fields.text("Comment", reader);
    let next = transition(&fields, own, reader);
    let errors = errors::read(&fields, language, reader);
    let results = matches!(kind, "Task" | "Parallel" | "Map");
    let flow = flow::read(&fields, language, results, reader);
    let kind = read_kind(kind, &fields, language, reader);
    let (mut flow, (retry, catch)) = (flow?, errors);
    if matches!(kind, Some(Kind::Map(_))) {
        // The older form of a `Map` calls its item selector so.
        flow.parameters = None;
    }
    Some(State {
        name: name.to_owned(),
        comment,
        query_language: language,
        next: next?,
        flow,
        retry,
        catch,
        kind: kind?,
    })
}

/// The language of a state: its own, or the machine's; and whether it is JSONPath in a machine of JSONata, to which no state goes
/// back. What is neither word is taken for JSONata, so that the other fields are read.
fn language(fields: &Fields, reader: &mut Reader) -> (QueryLanguage, bool) {
    if !fields.has("QueryLanguage") {
        return (reader.language, false);
    }
    let language = fields.word("QueryLanguage", LANGUAGES, reader).unwrap_or(QueryLanguage::Jsonata);
    let mixed = language == QueryLanguage::JsonPath && reader.language == QueryLanguage::Jsonata;
    if mixed {
        let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
        reader.schema(message, &fields.at);
    }
    (language, mixed)
}

fn allow(fields: &Fields, own: &[&str], language: QueryLanguage, mixed: bool, reader: &mut Reader) {
    let (foreign, other) = match language {
        QueryLanguage::JsonPath => (JSONATA, QueryLanguage::Jsonata),
        QueryLanguage::Jsonata => (JSONPATH, QueryLanguage::JsonPath),
    };
    for name in fields.map.keys().map(String::as_str) {
        if !COMMON.contains(&name) && !own.contains(&name) {
            reader.schema(format!("Field '{name}' is not supported"), &fields.at);
        } else if foreign.contains(&name) && !mixed {
            let (language, other) = (language.as_str(), other.as_str());
            let message = format!(
                "The QueryLanguage is set to '{language}', but field '{name}' is only supported for the '{other}' QueryLanguage"
            );
            reader.schema(message, &fields.at);
        }
    }
}

fn transition(fields: &Fields, own: &[&str], reader: &mut Reader) -> Option<Transition> {
    if !own.contains(&"Next") {
        return Some(Transition::None);
    }
    let next = fields.text("Next", reader);
    let end = fields.boolean("End", reader).unwrap_or(false);
    match (next, end) {
        (Some(next), false) => Some(Transition::Next(next)),
        (None, true) => Some(Transition::End),
        (Some(_), true) => {
            reader.schema("Only one of these fields is supported: [Next, End]", &fields.at);
            None
        }
        (None, false) => {
            // What stands there, but is of another type, has been told of.
            if !fields.has("Next") {
                reader.schema("Exactly one of these fields is required: [Next, End]", &fields.at);
            }
            None
        }
    }
}

fn read_kind(kind: &str, fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Kind> {
    Some(match kind {
        "Task" => Kind::Task(Box::new(task(fields, language, reader)?)),
        "Pass" => Kind::Pass(pass(fields, reader)),
        "Choice" => Kind::Choice(choice::read(fields, language, reader)?),
        "Wait" => Kind::Wait(wait(fields, language, reader)?),
        "Succeed" => Kind::Succeed,
        "Fail" => Kind::Fail(Fail {
            error: flow::given_text(fields, "Error", language, reader),
            cause: flow::given_text(fields, "Cause", language, reader),
        }),
        "Parallel" => Kind::Parallel(branches(fields, reader)?),
        _ => Kind::Map(Box::new(map::read(fields, language, reader)?)),
    })
}

fn task(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Task> {
    let numbers = Numbers { fields, language, owner: "" };
    let timeout_seconds = numbers.whole("TimeoutSeconds", 1, MOST_SECONDS, reader);
    let heartbeat_seconds = numbers.whole("HeartbeatSeconds", 1, MOST_SECONDS, reader);
    if let (Some(crate::tree::Given::Fixed(timeout)), Some(crate::tree::Given::Fixed(heartbeat))) =
        (&timeout_seconds, &heartbeat_seconds)
        && heartbeat >= timeout
    {
        reader.schema("HeartbeatSeconds must be smaller than TimeoutSeconds", &fields.at("HeartbeatSeconds"));
    }
    let credentials = flow::object_template(fields, "Credentials", language, "", reader);
    if let Some(credentials) = fields.object("Credentials", reader) {
        let one = ["RoleArn", "RoleArn.$"];
        credentials.allow(&one, reader);
        credentials.exactly_one(&one, reader);
    }
    if !fields.require(&["Resource"], reader) {
        return None;
    }
    let resource = fields.text("Resource", reader)?;
    resource::check(&resource, &fields.at("Resource"), reader);
    Some(Task { resource, timeout_seconds, heartbeat_seconds, credentials })
}

fn pass(fields: &Fields, reader: &mut Reader) -> Pass {
    let result = fields.get("Result").cloned();
    if result.as_ref().is_some_and(has_dollar) {
        let message = "The result of a Pass state is static: paths in it are not evaluated";
        reader.tell(Code::PassResultIsStatic, message, Some(&fields.at("Result")));
    }
    Pass { result }
}

/// Whether some field in it has a name that ends with `.$`.
fn has_dollar(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_dollar),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.ends_with(".$") || has_dollar(value)),
        _ => false,
    }
}

fn wait(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Wait> {
    let all: &[&str] = match language {
        QueryLanguage::JsonPath => &["Seconds", "SecondsPath", "Timestamp", "TimestampPath"],
        QueryLanguage::Jsonata => &["Seconds", "Timestamp"],
    };
    fields.exactly_one(all, reader);
    if fields.has("Timestamp") || fields.has("TimestampPath") {
        return flow::given_moment(fields, "Timestamp", language, reader).map(Wait::Until);
    }
    let numbers = Numbers { fields, language, owner: "" };
    numbers.whole("Seconds", 0, MOST_SECONDS, reader).map(Wait::Seconds)
}

fn branches(fields: &Fields, reader: &mut Reader) -> Option<Vec<crate::tree::Machine>> {
    if !fields.require(&["Branches"], reader) {
        return None;
    }
    let items = fields.array("Branches", reader)?;
    let at = fields.at("Branches");
    let read: Vec<_> =
        items.iter().enumerate().map(|(i, item)| machine::branch(item, &format!("{at}[{i}]"), reader)).collect();
    read.into_iter().collect()
}
