//! What statements are to each other.

use super::json::{Node, Value};
use super::{Impact, Kind, Look};

pub(super) fn look(look: &mut Look<'_>, statements: &[&Node]) {
    let sids: Vec<(&str, &Node)> = statements
        .iter()
        .filter_map(|statement| statement.get("Sid"))
        .filter_map(|node| Some((node.text()?, node)))
        .filter(|(sid, _)| !sid.is_empty())
        .collect();
    for (at, (sid, node)) in sids.iter().enumerate() {
        if !sids[..at].iter().any(|(other, _)| other == sid) {
            continue;
        }
        if look.kind == Kind::Resource && !look.is_trust() {
            let details =
                "We recommend that you use statement IDs that are unique to your policy. Update the Sid value.";
            look.warning("UNIQUE_SIDS_RECOMMENDED", details, &node.place);
        } else {
            let details = "Duplicate statement IDs are not supported for this policy type. Update the Sid value.";
            look.error("UNIQUE_SIDS_REQUIRED", details, &node.place);
        }
    }
    let said: Vec<String> = statements.iter().map(|statement| said(statement)).collect();
    for (at, statement) in statements.iter().enumerate() {
        if let Some(first) = said[..at].iter().position(|other| *other == said[at]) {
            let details = "The statements are redundant because they provide identical permissions. Update the policy to remove \
                           the redundant statement.";
            let places = [&statements[first].place, &statement.place];
            look.tell(Impact::Suggestion, "REDUNDANT_STATEMENT", details, &places);
        }
    }
}

/// What a statement says, whatever it is called and in whatever order.
fn said(statement: &Node) -> String {
    let entries = statement.object().unwrap_or(&[]);
    let mut all: Vec<String> = entries
        .iter()
        .filter(|(key, _)| key.text != "Sid")
        .map(|(key, node)| format!("{}: {}", key.text, written(node)))
        .collect();
    all.sort();
    all.join(", ")
}

fn written(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("{text:?}"),
        Value::Number(text) => text.clone(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Null => "null".to_owned(),
        // One of a list is the same as it alone.
        Value::List(items) => match &items[..] {
            [one] => written(one),
            items => {
                let mut all: Vec<String> = items.iter().map(written).collect();
                all.sort();
                format!("[{}]", all.join(", "))
            }
        },
        Value::Object(entries) => {
            let mut all: Vec<String> =
                entries.iter().map(|(key, node)| format!("{}: {}", key.text, written(node))).collect();
            all.sort();
            format!("{{{}}}", all.join(", "))
        }
    }
}
