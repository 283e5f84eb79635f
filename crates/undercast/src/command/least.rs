//! The smallest policy for what somebody was seen doing.

use std::process::ExitCode;

use serde_json::Value as Json;
use undercast_kernel::Timestamp;
use undercast_kernel::wire::text;

use super::ask::{BadArgument, seconds};
use super::{LeastPrivilegeArguments, Outcome, say};
use crate::client::call;

/// Prints the policy, or how the present ones differ from it.
pub(super) async fn privilege(endpoint: &str, json: bool, arguments: &LeastPrivilegeArguments) -> Outcome {
    let mut path = "/_undercast/least-privilege?of=".to_owned();
    text::percent_encode(&whose(arguments), false, &mut path);
    match arguments.since.as_deref() {
        Some(since) if since.parse::<Timestamp>().is_ok() => {
            path.push_str("&since=");
            text::percent_encode(since, false, &mut path);
        }
        Some(span) => {
            let seconds = seconds(span).map_err(|_| BadArgument::Since(span.to_owned()))?;
            path.push_str(&format!("&seconds={seconds}"));
        }
        None => {}
    }
    let told = call(endpoint, "GET", &path, None).await?;
    if json {
        say(&told.to_string())?;
    } else if arguments.diff {
        difference(&told)?;
    } else if told["policy"].is_null() {
        say(&format!("{} was not seen doing anything", told["of"].as_str().unwrap_or_default()))?;
        return Ok(ExitCode::FAILURE);
    } else {
        say(&format!("{:#}", told["policy"]))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The ARN of whom it is about; of a name its path is left out.
fn whose(arguments: &LeastPrivilegeArguments) -> String {
    let (kind, name) = match (&arguments.role, &arguments.user) {
        (Some(role), _) => ("role", role.as_str()),
        (None, user) => ("user", user.as_deref().unwrap_or_default()),
    };
    if name.starts_with("arn:") { name.to_owned() } else { format!("arn:aws:iam::{}:{kind}/{name}", arguments.account) }
}

/// A line each: `-` nobody used it, `~` some of it was used, `+` it was done and no policy of theirs allows it.
fn difference(told: &Json) -> std::io::Result<()> {
    let word = |one: &Json, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let each = |name: &str| told[name].as_array().cloned().unwrap_or_default();
    let place = |one: &Json| format!("policy {}, statement {}", word(one, "policy"), word(one, "statement"));
    for one in each("unused") {
        say(&format!("- {}  ({}: not used)", word(&one, "action"), place(&one)))?;
    }
    for one in each("wider") {
        let used: Vec<&str> = one["used"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        say(&format!("~ {}  ({}: used are {})", word(&one, "action"), place(&one), used.join(", ")))?;
    }
    for one in each("missing") {
        say(&format!("+ {} on {}  (no policy of theirs allows it)", word(&one, "action"), word(&one, "resource")))?;
    }
    Ok(())
}
