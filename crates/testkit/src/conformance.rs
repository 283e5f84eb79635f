//! Conformance cases as data: what is given, what is asked, what AWS answers. Each case runs on every protocol that the
//! service has, through the socket.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;
use undercast_kernel::Service;

use crate::{Answer, Client, Cloud};

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `sqs.SendMessage`
    pub operation: String,
    /// What it shows.
    pub why: String,
    /// Where its truth comes from: `documentation`, `recorded`, `sdk`, `inferred`, and the place.
    pub source: String,
    /// Calls before.
    #[serde(default)]
    pub given: Vec<Step>,
    /// The call.
    pub when: When,
    /// The answer.
    pub then: Then,
}

/// A call before or after, with what it is answered; without a word on that it succeeds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `sqs.CreateQueue`
    pub call: String,
    /// Its input.
    #[serde(default)]
    pub input: Json,
    /// Members of its output.
    #[serde(default)]
    pub output: Option<Json>,
    /// Code of its error.
    #[serde(default)]
    pub error: Option<String>,
    /// Message of its error, or a part of it.
    #[serde(default)]
    pub message: Option<String>,
    /// Name to the path of a member of its answer, for what comes later.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
}

/// The call of a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Its input.
    pub input: Json,
}

/// What the call is answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// Members of the output: each must be there with this value. `{"type": "uuid" | "timestamp" | "text" | "absent"}`
    /// stands for what differs from run to run.
    #[serde(default)]
    pub output: Option<Json>,
    /// Code of an error.
    #[serde(default)]
    pub error: Option<String>,
    /// HTTP status of an error.
    #[serde(default)]
    pub status: Option<u16>,
    /// Message of an error.
    #[serde(default)]
    pub message: Option<String>,
    /// Calls after it: the effect.
    #[serde(default)]
    pub and: Vec<Step>,
}

/// What the cases of a service exercised.
#[derive(Debug, Default)]
pub struct Coverage {
    /// `Operation`
    pub operations: BTreeSet<String>,
    /// `Operation.Member`
    pub members: BTreeSet<String>,
    /// `Operation!Error`
    pub errors: BTreeSet<String>,
    /// Cases run, one a protocol.
    pub cases: usize,
}

/// Runs all cases of a folder, each in a cloud of its own, and says what they exercised.
pub async fn run(folder: &Path, service: &str, services: impl Fn() -> Vec<Arc<dyn Service>>) -> Coverage {
    let (mut coverage, mut failed) = (Coverage::default(), Vec::new());
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder of cases").filter_map(|e| e.ok().map(|e| e.path())).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let text = std::fs::read_to_string(file).expect("a readable file");
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in cases {
            for protocol in protocols(service, &services()) {
                let cloud = Cloud::start(services()).await;
                let client = cloud.client().speaking_to(service, protocol);
                if let Err(why) = check(&client, &case).await {
                    failed.push(format!("{} on {}: {}: {why}", file.display(), protocol.name(), case.why));
                }
                coverage.cases += 1;
            }
            coverage.note(&case);
        }
    }
    assert!(failed.is_empty(), "{} cases do not hold\n{}", failed.len(), failed.join("\n"));
    coverage
}

fn protocols(service: &str, services: &[Arc<dyn Service>]) -> Vec<undercast_wire::Protocol> {
    let found = services.iter().find(|s| s.api().name == service);
    found.unwrap_or_else(|| panic!("no service {service}")).api().protocols.to_vec()
}

impl Client {
    /// A client that speaks `protocol` to one service, and every other's preferred one.
    fn speaking_to(&self, service: &str, protocol: undercast_wire::Protocol) -> (Client, Client, String) {
        (self.speaking(protocol), self.clone(), service.to_owned())
    }
}

async fn call(clients: &(Client, Client, String), name: &str, input: Json) -> Answer {
    let (service, operation) = name.split_once('.').unwrap_or_else(|| panic!("`{name}` is not service.Operation"));
    let client = if service == clients.2 { &clients.0 } else { &clients.1 };
    client.call(service, operation, input).await
}

async fn check(clients: &(Client, Client, String), case: &Case) -> Result<(), String> {
    let mut saved: BTreeMap<String, Json> = BTreeMap::new();
    for step in &case.given {
        take(clients, step, &mut saved).await.map_err(|why| format!("the given {}: {why}", step.call))?;
    }
    let answer = call(clients, &case.operation, fill(&case.when.input, &saved)).await;
    compare(&answer, case.then.error.as_deref(), case.then.output.as_ref().map(|o| fill(o, &saved)).as_ref())?;
    if let Some(status) = case.then.status.filter(|s| *s != answer.status) {
        return Err(format!("status {} instead of {status}", answer.status));
    }
    says(&answer, case.then.message.as_deref(), &saved)?;
    for step in &case.then.and {
        take(clients, step, &mut saved).await.map_err(|why| format!("then {}: {why}", step.call))?;
    }
    Ok(())
}

/// Makes a call, holds its answer against what is wanted of it, and keeps what is to be kept.
async fn take(
    clients: &(Client, Client, String),
    step: &Step,
    saved: &mut BTreeMap<String, Json>,
) -> Result<(), String> {
    let answer = call(clients, &step.call, fill(&step.input, saved)).await;
    let output = step.output.as_ref().map(|o| fill(o, saved));
    compare(&answer, step.error.as_deref(), output.as_ref())?;
    says(&answer, step.message.as_deref(), saved)?;
    for (name, path) in &step.save {
        let found = answer.json.pointer(&format!("/{}", path.replace('.', "/")));
        saved.insert(name.clone(), found.cloned().ok_or_else(|| format!("it has no {path}"))?);
    }
    Ok(())
}

/// The message of an error is the one that is wanted, or has it in it.
fn says(answer: &Answer, wanted: Option<&str>, saved: &BTreeMap<String, Json>) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let wanted = fill(&Json::String(wanted.to_owned()), saved);
    let found = answer.json["message"].as_str().unwrap_or_default();
    if found.contains(wanted.as_str().unwrap_or("\0")) {
        Ok(())
    } else {
        Err(format!("message {found} instead of {wanted}"))
    }
}

fn compare(answer: &Answer, error: Option<&str>, output: Option<&Json>) -> Result<(), String> {
    match error {
        None if answer.status >= 300 => Err(format!("failed: {}", answer.json)),
        Some(_) if answer.status < 300 => Err(format!("succeeded: {}", answer.json)),
        Some(code) if answer.json["code"] != code => {
            Err(format!("error {} instead of {code}: {}", answer.json["code"], answer.json["message"]))
        }
        _ => output.map_or(Ok(()), |wanted| fits(&answer.json, wanted, "")),
    }
}

/// Every member that is wanted is there with its value.
fn fits(found: &Json, wanted: &Json, path: &str) -> Result<(), String> {
    match (found, wanted) {
        (_, Json::Object(w)) if w.len() == 1 && w.get("type").is_some_and(Json::is_string) => {
            let kind = w["type"].as_str().unwrap_or_default();
            if of_kind(found, kind) { Ok(()) } else { Err(format!("{path} is {found}, which is no {kind}")) }
        }
        (Json::Object(f), Json::Object(w)) => w
            .iter()
            .try_for_each(|(name, value)| fits(f.get(name).unwrap_or(&Json::Null), value, &format!("{path}.{name}"))),
        (Json::Array(f), Json::Array(w)) if f.len() == w.len() => {
            f.iter().zip(w).enumerate().try_for_each(|(n, (f, w))| fits(f, w, &format!("{path}[{n}]")))
        }
        (found, wanted) if found == wanted => Ok(()),
        (found, wanted) => Err(format!("{path} is {found} instead of {wanted}")),
    }
}

fn of_kind(found: &Json, kind: &str) -> bool {
    let text = found.as_str().unwrap_or_default();
    match kind {
        "uuid" => text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        "timestamp" => found.is_number() || text.parse::<f64>().is_ok(),
        "text" => !text.is_empty(),
        "absent" => found.is_null(),
        other => panic!("cases know no type `{other}`"),
    }
}

/// Puts what was saved in the place of `${name}`.
fn fill(json: &Json, saved: &BTreeMap<String, Json>) -> Json {
    match json {
        Json::String(text) => {
            if let Some(whole) =
                text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).and_then(|name| saved.get(name))
            {
                return whole.clone();
            }
            let filled = saved.iter().fold(text.clone(), |t, (name, value)| {
                t.replace(&format!("${{{name}}}"), &value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
            });
            Json::String(filled)
        }
        Json::Array(items) => Json::Array(items.iter().map(|i| fill(i, saved)).collect()),
        Json::Object(entries) => Json::Object(entries.iter().map(|(k, v)| (k.clone(), fill(v, saved))).collect()),
        other => other.clone(),
    }
}

impl Coverage {
    fn note(&mut self, case: &Case) {
        let operation = case.operation.split_once('.').map_or("", |(_, o)| o);
        self.operations.insert(operation.to_owned());
        let members = case.when.input.as_object().into_iter().flatten();
        self.members.extend(members.map(|(name, _)| format!("{operation}.{name}")));
        self.errors.extend(case.then.error.iter().map(|e| format!("{operation}!{e}")));
        for step in &case.given {
            let name = step.call.split_once('.').map_or("", |(_, o)| o);
            self.members.extend(step.input.as_object().into_iter().flatten().map(|(m, _)| format!("{name}.{m}")));
        }
    }
}
