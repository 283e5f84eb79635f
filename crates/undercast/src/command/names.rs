//! Records of names, which validate domains.

use std::process::ExitCode;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;

use super::{NamesAction, Outcome, say};
use crate::client::call;

const PATH: &str = "/_undercast/names";

pub(super) async fn run(endpoint: &str, json: bool, action: NamesAction) -> Outcome {
    match action {
        NamesAction::List => {
            let answer = call(endpoint, "GET", PATH, None).await?;
            for record in answer["names"].as_array().into_iter().flatten() {
                say(&if json { record.to_string() } else { line(record) })?;
            }
        }
        NamesAction::Put { name, kind, values } => {
            let record = json!({"name": name, "type": kind, "values": values});
            let put = call(endpoint, "POST", PATH, Some(&record)).await?;
            say(&if json { put.to_string() } else { line(&put) })?;
        }
        NamesAction::Delete { name, kind } => {
            let mut path = format!("{PATH}?name=");
            text::percent_encode(&name, false, &mut path);
            if let Some(kind) = kind {
                path.push_str("&type=");
                text::percent_encode(&kind, false, &mut path);
            }
            let answer = call(endpoint, "DELETE", &path, None).await?;
            say(&format!("{} records removed", answer["removed"]))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `example.com  CNAME  value  (by acm)`
fn line(record: &Json) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let values: Vec<&str> = record["values"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let by = record["by"].as_str().map_or_else(String::new, |by| format!("  (by {by})"));
    format!("{}  {}  {}{by}", text("name"), text("kind"), values.join(" "))
}
