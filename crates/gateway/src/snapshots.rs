//! `/_undercast/snapshots`: the state, all of it or one account's, saved, listed, brought back; `/_undercast/reset`: none of
//! it.

use serde_json::{Value as Json, json};
use undercast_kernel::store::{Beginning, Error, Saved, Scope, is_account};

use crate::internal::Answer;
use crate::listen::Gateway;

/// Answers one of these endpoints. What changes the state has the program begin again; `beginning` is true until it has.
pub(crate) async fn answer(gateway: &Gateway, method: &str, path: &str, input: &Json) -> Answer {
    let name = || input["name"].as_str().ok_or((400, "`name` must be the name of a snapshot".to_owned()));
    match (method, path) {
        ("GET", "/_undercast/snapshots") => list(gateway),
        ("POST", "/_undercast/snapshots") => save(gateway, name()?, account(input)?).await,
        ("DELETE", "/_undercast/snapshots") => {
            let removed = gateway.settings.snapshots.remove(name()?).map_err(broken)?;
            Ok(json!({"removed": removed}))
        }
        ("POST", "/_undercast/snapshots/load") => {
            let saved = Some(find(gateway, name()?)?.folder);
            begin(gateway, &Beginning { saved, account: account(input)? })
        }
        ("POST", "/_undercast/reset") => begin(gateway, &Beginning { saved: None, account: account(input)? }),
        _ => Err((404, format!("there is no {method} {path}"))),
    }
}

/// The account that is meant; `None`: all of them.
fn account(input: &Json) -> Result<Option<String>, (u16, String)> {
    match &input["account"] {
        Json::Null => Ok(None),
        Json::String(id) if is_account(id) => Ok(Some(id.clone())),
        other => Err((400, format!("an account has twelve digits, and {other} has not"))),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` wants")]
fn broken(error: Error) -> (u16, String) {
    let reason = std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
    let status = if matches!(error, Error::InTheWay { .. }) { 409 } else { 500 };
    (status, format!("{error}{reason}"))
}

fn shown(saved: &Saved) -> Json {
    json!({"name": saved.name, "folder": saved.folder, "bytes": saved.bytes})
}

fn list(gateway: &Gateway) -> Answer {
    let all = gateway.settings.snapshots.list().map_err(broken)?;
    let beginning = Beginning::ordered(&gateway.settings.files).map_err(broken)?.is_some();
    let folder = gateway.settings.snapshots.folder();
    Ok(json!({"snapshots": all.iter().map(shown).collect::<Vec<_>>(), "folder": folder, "beginning": beginning}))
}

fn find(gateway: &Gateway, name: &str) -> Result<Saved, (u16, String)> {
    let found = gateway.settings.snapshots.find(name).map_err(broken)?;
    found.ok_or_else(|| (404, format!("there is no snapshot `{name}`")))
}

async fn save(gateway: &Gateway, name: &str, account: Option<String>) -> Answer {
    if !undercast_kernel::store::Snapshots::is_name(name) {
        let rule = "1 to 64 letters, digits, `-`, `_` and `.`, and does not begin with `.`";
        return Err((400, format!("the name of a snapshot has {rule}")));
    }
    let kernel = gateway.kernel.clone();
    kernel.keep_metrics().await.map_err(|e| (500, e.to_string()))?;
    let (snapshots, name) = (gateway.settings.snapshots.clone(), name.to_owned());
    let work = move || {
        let owners = kernel.owners();
        let scope = account.as_deref().map_or(Scope::Everything, |account| Scope::Account(account, &owners));
        snapshots.save(&name, scope, kernel.database(), kernel.blobs())
    };
    let saved = tokio::task::spawn_blocking(work).await.map_err(|e| (500, e.to_string()))?;
    saved.map(|saved| shown(&saved)).map_err(broken)
}

fn begin(gateway: &Gateway, with: &Beginning) -> Answer {
    with.check(gateway.kernel.database(), &gateway.kernel.owners()).map_err(broken)?;
    with.order(&gateway.settings.files).map_err(broken)?;
    gateway.stop();
    Ok(json!({"beginning": true}))
}
