//! Commands that ask a running cloud.

use std::process::ExitCode;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;

use super::progress::watched;
use super::{ClockAction, Command, FaultAction, FaultArguments, Outcome, say};
use crate::client::{ClientError, call};

/// Why a command line cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadArgument {
    #[error("`{0}` is not a span: expected something like 90s, 15m, 36h or 400d")]
    Span(String),
    #[error("`{0}` is neither a moment such as 2027-01-01T00:00:00Z nor a span such as 90s, 15m, 36h or 400d")]
    Since(String),
    #[error(
        "`{0}` is not an effect: expected throttle, abort, dead, latency:MILLISECONDS or error:CODE:STATUS[:MESSAGE]"
    )]
    Effect(String),
}

pub(super) async fn run(command: Command, endpoint: &str, json: bool) -> Outcome {
    match command {
        Command::Status => status(endpoint, json).await,
        Command::Down => {
            call(endpoint, "POST", "/_undercast/stop", None).await?;
            say("stopping")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Report { service } => report(endpoint, json, service.as_deref()).await,
        Command::Events { count, cloudtrail: true, .. } => {
            let path = format!("/_undercast/events?form=cloudtrail&count={count}");
            say(&format!("{:#}", call(endpoint, "GET", &path, None).await?))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Events { follow, count, .. } => events(endpoint, json, follow, count).await,
        Command::Inbox { clear: true, .. } => {
            let answer = call(endpoint, "DELETE", "/_undercast/inbox", None).await?;
            say(&format!("{} letters removed", answer["removed"]))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Inbox { kind, to, .. } => inbox(endpoint, json, kind.as_deref(), to.as_deref()).await,
        Command::Names { action } => super::names::run(endpoint, json, action).await,
        Command::Why { request_id } => why(endpoint, &request_id).await,
        Command::LeastPrivilege(arguments) => super::least::privilege(endpoint, json, &arguments).await,
        Command::Clock { action } => clock(endpoint, json, action.unwrap_or(ClockAction::Get)).await,
        Command::Fault { action } => fault(endpoint, json, action).await,
        Command::Snapshot { action } => super::state::snapshot(endpoint, json, action).await,
        Command::Reset { account } => super::state::reset(endpoint, account.as_deref()).await,
        Command::Export { file, account } => super::state::export(endpoint, &file, account.as_deref()).await,
        Command::Import { file, account } => super::state::import(endpoint, &file, account.as_deref()).await,
        // The others need no running cloud and have been done.
        Command::Up(_) | Command::Ca { .. } | Command::Env | Command::Doctor | Command::Completions { .. } => {
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn status(endpoint: &str, json: bool) -> Outcome {
    match call(endpoint, "GET", "/_undercast/health", None).await {
        Ok(health) if json => say(&health.to_string())?,
        Ok(health) => {
            let names: Vec<&str> =
                health["services"].as_object().into_iter().flat_map(|s| s.keys().map(String::as_str)).collect();
            say(&format!("running at {endpoint}, version {}", health["version"].as_str().unwrap_or("unknown")))?;
            say(&format!("services: {}", names.join(", ")))?;
        }
        Err(ClientError::Unreachable { .. }) => {
            say(&format!("no cloud is running at {endpoint}"))?;
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn inbox(endpoint: &str, json: bool, kind: Option<&str>, to: Option<&str>) -> Outcome {
    let answer = call(endpoint, "GET", "/_undercast/inbox", None).await?;
    let letters = answer["letters"].as_array().into_iter().flatten();
    let wanted = |wanted: Option<&str>, is: &Json| wanted.is_none_or(|wanted| is == wanted);
    for letter in letters.filter(|l| wanted(kind, &l["kind"]) && wanted(to, &l["to"])) {
        if json {
            say(&letter.to_string())?;
            continue;
        }
        let text = |name: &str| letter[name].as_str().unwrap_or_default();
        let time = letter["time"].as_i64().and_then(|t| undercast_kernel::Timestamp::from_millisecond(t).ok());
        let time = time.map_or_else(String::new, |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        say(&format!("{time}  {:<5} to {}  from {}", text("kind"), text("to"), text("from")))?;
        if !text("subject").is_empty() {
            say(&format!("    Subject: {}", text("subject")))?;
        }
        text("text").lines().try_for_each(|line| say(&format!("    {line}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn report(endpoint: &str, json: bool, only: Option<&str>) -> Outcome {
    let report = call(endpoint, "GET", "/_undercast/report", None).await?;
    let services = report["services"].as_array().cloned().unwrap_or_default();
    let chosen: Vec<&Json> = services.iter().filter(|s| only.is_none_or(|o| s["service"] == o)).collect();
    if json {
        say(&json!({"services": chosen}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for service in chosen {
        let count = |name: &str| service[name].as_array().map_or(0, Vec::len);
        let protocols: Vec<&str> =
            service["protocols"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let (built, not_built) = (count("operations"), count("not_built"));
        let operations = service["operations"].as_array().into_iter().flatten();
        let cases: u64 = operations.filter_map(|o| o["cases"].as_u64()).sum();
        say(&format!(
            "{:<16} {built:>4} of {:>4} operations, {cases:>3} cases  {}",
            service["service"].as_str().unwrap_or_default(),
            built + not_built,
            protocols.join(", ")
        ))?;
        for operation in service["operations"].as_array().into_iter().flatten() {
            report_operation(operation, only.is_some())?;
        }
        if only.is_some() {
            for name in service["not_built"].as_array().into_iter().flatten().filter_map(Json::as_str) {
                say(&format!("    {name} is not built"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report_operation(operation: &Json, all: bool) -> std::io::Result<()> {
    let name = operation["name"].as_str().unwrap_or_default();
    if all {
        let cases = operation["cases"].as_u64().unwrap_or(0);
        say(&format!("    {name} works, by {cases} conformance cases on each protocol"))?;
    }
    for (member, reason) in operation["ignored"].as_object().into_iter().flatten() {
        say(&format!("    {name} ignores {member}: {}", reason.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

/// How many calls a cloud remembers, at most.
const REMEMBERED: usize = 1_000;

async fn events(endpoint: &str, json: bool, follow: bool, count: usize) -> Outcome {
    let (mut shown, mut count) = (String::new(), count);
    loop {
        let answer = call(endpoint, "GET", &format!("/_undercast/events?count={count}"), None).await?;
        let all = answer["events"].as_array().cloned().unwrap_or_default();
        // All that was shown has gone from memory, or nothing was shown yet: everything is new.
        let new = all.iter().rposition(|e| e["request_id"] == shown.as_str()).map_or(0, |at| at + 1);
        for event in &all[new..] {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            if json {
                say(&event.to_string())?;
            } else {
                let code = event["error"][0].as_str().unwrap_or_default();
                say(&format!(
                    "{}  {:<14} {:<28} {:>3} {code}  {}",
                    text("time"),
                    text("service"),
                    text("operation"),
                    event["status"],
                    text("request_id")
                ))?;
            }
            shown = text("request_id");
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        // However many come meanwhile.
        count = REMEMBERED;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

async fn why(endpoint: &str, request_id: &str) -> Outcome {
    let answer = call(endpoint, "GET", &format!("/_undercast/events?request={request_id}"), None).await?;
    match answer["events"].get(0) {
        Some(event) => {
            for sentence in sentences(&event["decision"]) {
                say(sentence)?;
            }
            say(&format!("{event:#}"))?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            say(&format!("no call with this id is remembered: {request_id}"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a decision says in words, a permission each.
fn sentences(decision: &Json) -> Vec<&str> {
    match decision {
        Json::Array(all) => all.iter().flat_map(sentences).collect(),
        one => one["sentence"].as_str().into_iter().collect(),
    }
}

async fn clock(endpoint: &str, json: bool, action: ClockAction) -> Outcome {
    let body = match action {
        ClockAction::Get => None,
        ClockAction::Freeze => Some(json!({"action": "freeze"})),
        ClockAction::Resume => Some(json!({"action": "resume"})),
        ClockAction::Set { to } => Some(json!({"action": "set", "to": to})),
        ClockAction::Advance { by } => Some(json!({"action": "advance", "seconds": seconds(&by)?})),
    };
    let method = if body.is_some() { "POST" } else { "GET" };
    // Everything that falls due on the way is done before the answer comes.
    let answer = watched("moving the clock", call(endpoint, method, "/_undercast/clock", body.as_ref())).await?;
    if json {
        say(&answer.to_string())?;
    } else {
        let state = if answer["frozen"] == true { "frozen" } else { "running" };
        say(&format!(
            "{} ({state}, {} s ahead of the machine)",
            answer["now"].as_str().unwrap_or_default(),
            answer["ahead_seconds"]
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn seconds(span: &str) -> Result<f64, BadArgument> {
    let bad = || BadArgument::Span(span.to_owned());
    let unit = span.chars().last().ok_or_else(bad)?;
    let factor = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3_600.0,
        'd' => 86_400.0,
        'w' => 604_800.0,
        _ => return Err(bad()),
    };
    let number: f64 = span[..span.len() - 1].parse().map_err(|_| bad())?;
    if number.is_finite() && number >= 0.0 { Ok(number * factor) } else { Err(bad()) }
}

async fn fault(endpoint: &str, json: bool, action: FaultAction) -> Outcome {
    let answer = match action {
        FaultAction::List => call(endpoint, "GET", "/_undercast/faults", None).await?,
        FaultAction::Add(arguments) => call(endpoint, "POST", "/_undercast/faults", Some(&rule(&arguments)?)).await?,
        FaultAction::Remove { id } => {
            let query = id.map_or(String::new(), |id| {
                let mut query = "?id=".to_owned();
                text::percent_encode(&id, false, &mut query);
                query
            });
            call(endpoint, "DELETE", &format!("/_undercast/faults{query}"), None).await?
        }
    };
    say(&if json { answer.to_string() } else { format!("{answer:#}") })?;
    Ok(ExitCode::SUCCESS)
}

fn rule(arguments: &FaultArguments) -> Result<Json, BadArgument> {
    let bad = || BadArgument::Effect(arguments.effect.clone());
    let mut parts = arguments.effect.splitn(4, ':');
    let effect = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("throttle"), None, ..) => json!("throttle"),
        (Some("abort"), None, ..) => json!("abort"),
        (Some("dead"), None, ..) => json!("dead"),
        (Some("unlinked"), Some(from), None, _) => json!({"unlinked": {"from": from}}),
        (Some("far"), Some(from), Some(milliseconds), None) => {
            json!({"far": {"from": from, "milliseconds": milliseconds.parse::<u64>().map_err(|_| bad())?}})
        }
        (Some("latency"), Some(milliseconds), None, _) => {
            json!({"latency": {"milliseconds": milliseconds.parse::<u64>().map_err(|_| bad())?}})
        }
        (Some("error"), Some(code), Some(status), message) => {
            json!({"error": {"code": code, "status": status.parse::<u16>().map_err(|_| bad())?, "message": message.unwrap_or_default()}})
        }
        _ => return Err(bad()),
    };
    Ok(json!({"service": arguments.service, "operation": arguments.operation, "account": arguments.account,
              "region": arguments.region, "zone": arguments.zone, "probability": arguments.probability, "effect": effect}))
}
