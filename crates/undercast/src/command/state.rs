//! Commands about the whole state: saved, brought back, forked, carried in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::store::{Beginning, Owners, Snapshots};

use super::progress::watched;
use super::{Outcome, SnapshotAction, say};
use crate::client::{ClientError, call};

/// Exported and imported states pass through a snapshot of this name.
const PASSING: &str = "passing-through";

/// Why a state is not brought.
#[derive(Debug, thiserror::Error)]
enum StateError {
    #[error("there is no snapshot `{0}`; `undercast snapshot list` shows those there are")]
    NoSnapshot(String),
    #[error("{0} is there already; a fork makes a new directory")]
    Exists(PathBuf),
    #[error("{0} is not an exported state")]
    NotExported(PathBuf),
    #[error("the cloud did not come back within 60 s; its log says why")]
    Gone,
}

pub(super) async fn snapshot(endpoint: &str, json: bool, action: SnapshotAction) -> Outcome {
    match action {
        SnapshotAction::Save { name, account } => {
            let what = json!({"name": name, "account": account});
            let saved = watched("saving", call(endpoint, "POST", "/_undercast/snapshots", Some(&what))).await?;
            say(&if json { saved.to_string() } else { format!("saved {name} ({} bytes of rows)", saved["bytes"]) })?;
        }
        SnapshotAction::Load { name, account } => {
            load(endpoint, &name, account.as_deref()).await?;
            say(&format!("{} is as it was in {name}", subject(account.as_deref())))?;
        }
        SnapshotAction::List => list(endpoint, json).await?,
        SnapshotAction::Remove { name } => {
            let gone = call(endpoint, "DELETE", "/_undercast/snapshots", Some(&json!({"name": name}))).await?;
            if gone["removed"] != true {
                return Err(StateError::NoSnapshot(name).into());
            }
            say(&format!("removed {name}"))?;
        }
        SnapshotAction::Fork { name, directory } => fork(endpoint, name, &directory).await?,
    }
    Ok(ExitCode::SUCCESS)
}

type Done<T> = Result<T, Box<dyn std::error::Error>>;

async fn list(endpoint: &str, json: bool) -> Done<()> {
    let answer = call(endpoint, "GET", "/_undercast/snapshots", None).await?;
    if json {
        say(&answer["snapshots"].to_string())?;
        return Ok(());
    }
    for saved in answer["snapshots"].as_array().into_iter().flatten() {
        say(&format!("{:<32} {:>12} bytes of rows", saved["name"].as_str().unwrap_or_default(), saved["bytes"]))?;
    }
    Ok(())
}

/// What is spoken of.
fn subject(account: Option<&str>) -> String {
    account.map_or("the cloud".to_owned(), |id| format!("the account {id}"))
}

async fn load(endpoint: &str, name: &str, account: Option<&str>) -> Done<()> {
    let what = json!({"name": name, "account": account});
    call(endpoint, "POST", "/_undercast/snapshots/load", Some(&what)).await?;
    watched("bringing it back", until_begun(endpoint)).await
}

/// Waits until the cloud has begun again with the state that was ordered.
async fn until_begun(endpoint: &str) -> Done<()> {
    for _ in 0..1_200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match call(endpoint, "GET", "/_undercast/snapshots", None).await {
            Ok(answer) if answer["beginning"] == false => return Ok(()),
            // Between the two there is nobody to answer, or one who hangs up.
            Ok(_) | Err(ClientError::Unreachable { .. } | ClientError::Http { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(StateError::Gone.into())
}

async fn folder_of(endpoint: &str, name: &str) -> Done<PathBuf> {
    let answer = call(endpoint, "GET", "/_undercast/snapshots", None).await?;
    let folder = PathBuf::from(answer["folder"].as_str().unwrap_or_default());
    match Snapshots::new(folder).find(name)? {
        Some(found) => Ok(found.folder),
        None => Err(StateError::NoSnapshot(name.to_owned()).into()),
    }
}

async fn fork(endpoint: &str, name: String, directory: &Path) -> Done<()> {
    let folder = folder_of(endpoint, &name).await?;
    if directory.exists() {
        return Err(StateError::Exists(directory.to_owned()).into());
    }
    // The copy is made here and now, so that the snapshot may be removed before the fork begins.
    let files = std::path::absolute(directory)?;
    let database = undercast_kernel::store::Durable::open(&files)?;
    let database = undercast_kernel::store::Database::new(std::sync::Arc::new(database))?;
    let beginning = Beginning { saved: Some(folder), account: None };
    beginning.bring_blobs(&files)?;
    beginning.bring_rows(&files, &database, &Owners::new([])).await?;
    database.close();
    say(&format!("undercast up --data '{}' --listen 127.0.0.1:4567", files.display()))?;
    Ok(())
}

pub(super) async fn reset(endpoint: &str, account: Option<&str>) -> Outcome {
    call(endpoint, "POST", "/_undercast/reset", Some(&json!({"account": account}))).await?;
    watched("emptying", until_begun(endpoint)).await?;
    say(&format!("{} is empty", subject(account)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn export(endpoint: &str, file: &Path, account: Option<&str>) -> Outcome {
    use std::os::unix::fs::OpenOptionsExt as _;
    let passing = json!({"name": PASSING, "account": account});
    let saved: Json = watched("saving", call(endpoint, "POST", "/_undercast/snapshots", Some(&passing))).await?;
    let out = File::options().create(true).truncate(true).write(true).mode(0o600).open(file)?;
    let mut archive = tar::Builder::new(out);
    archive.append_dir_all(".", saved["folder"].as_str().unwrap_or_default())?;
    archive.into_inner()?.sync_all()?;
    call(endpoint, "DELETE", "/_undercast/snapshots", Some(&passing)).await?;
    say(&format!("wrote {}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn import(endpoint: &str, file: &Path, account: Option<&str>) -> Outcome {
    let answer = call(endpoint, "GET", "/_undercast/snapshots", None).await?;
    let snapshots = Snapshots::new(PathBuf::from(answer["folder"].as_str().unwrap_or_default()));
    snapshots.remove(PASSING)?;
    let folder = snapshots.folder().join(PASSING);
    let unpacked = File::open(file).and_then(|f| tar::Archive::new(f).unpack(&folder));
    if unpacked.is_err() || snapshots.find(PASSING)?.is_none() {
        std::fs::remove_dir_all(&folder).or_else(|e| if folder.exists() { Err(e) } else { Ok(()) })?;
        return Err(StateError::NotExported(file.to_owned()).into());
    }
    let loaded = load(endpoint, PASSING, account).await;
    snapshots.remove(PASSING)?;
    loaded?;
    say(&format!("{} is as it was in {}", subject(account), file.display()))?;
    Ok(ExitCode::SUCCESS)
}
