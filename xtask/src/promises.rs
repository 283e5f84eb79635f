//! The promise files: what services list and no test has seen. They may only shrink.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use undercast_codegen::Promised;

use crate::shell::{self, Failed, say};

/// The variable that names the folder where tests write down what they see.
pub(crate) const SEEN: &str = "UNDERCAST_SEEN";

/// A promise file and what stands in it.
struct File {
    name: &'static str,
    promised: BTreeSet<String>,
}

/// An empty folder for what tests see.
pub(crate) fn folder() -> Result<PathBuf, Failed> {
    let folder = crate::tools::cache().join("seen");
    let failed = |source| Failed::File { path: folder.clone(), source };
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(failed)?;
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}

/// Compares what is promised and was not seen with the promise files. Those may only shrink: `rewrite` strikes out of them
/// what is seen, and makes those that are not there.
pub(crate) fn check(seen: &Path, rewrite: bool) -> Result<(), Failed> {
    let seen = read_seen(seen)?;
    let mut wrong = Vec::new();
    for file in promised()? {
        let path = shell::root().join(file.name);
        let uncovered: BTreeSet<&str> = file.promised.difference(&seen).map(String::as_str).collect();
        say(&format!("{}: {} of {} promised", file.name, uncovered.len(), file.promised.len()));
        if rewrite {
            let listed = if path.exists() { Some(shell::read(&path)?) } else { None };
            let listed: Option<BTreeSet<&str>> = listed.as_deref().map(|text| text.lines().collect());
            let kept = uncovered.iter().filter(|line| listed.as_ref().is_none_or(|all| all.contains(**line)));
            shell::write(&path, &kept.map(|line| format!("{line}\n")).collect::<String>())?;
            continue;
        }
        let text = shell::read(&path)?;
        let listed: BTreeSet<&str> = text.lines().collect();
        wrong.extend(uncovered.difference(&listed).map(|line| format!("{}: no test sees {line}", file.name)));
        let seen_now = listed.difference(&uncovered).count();
        if seen_now > 0 {
            say(&format!("{}: {seen_now} of them are seen now; `./x promises` strikes them out", file.name));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.push("what is promised needs a test that sees it".to_owned());
    Err(Failed::Check(wrong.join("\n")))
}

/// Runs all tests and strikes out of the promise files what they see.
pub(crate) fn run() -> Result<(), Failed> {
    let folder = folder()?;
    tests(&folder)?;
    check(&folder, true)
}

/// All tests, which write down what they see.
pub(crate) fn tests(folder: &Path) -> Result<(), Failed> {
    let mut command = shell::command("cargo", &["test", "--workspace", "--quiet"]);
    command.env(SEEN, folder);
    shell::run_command(command)
}

fn read_seen(folder: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut seen = BTreeSet::new();
    let failed = |source| Failed::File { path: folder.to_owned(), source };
    for file in std::fs::read_dir(folder).map_err(failed)? {
        let text = shell::read(&file.map_err(failed)?.path())?;
        seen.extend(text.lines().map(ToOwned::to_owned));
    }
    Ok(seen)
}

fn promised() -> Result<[File; 3], Failed> {
    let mut all = Promised::default();
    let services = shell::root().join("services");
    let failed = |source| Failed::File { path: services.clone(), source };
    for entry in std::fs::read_dir(&services).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        for (name, config) in configurations(&folder)? {
            let model = shell::read(&shell::root().join("models").join(format!("{name}.json")))?;
            let promised = Promised::of(&name, &model, &shell::read(&config)?);
            let promised = promised.map_err(|e| Failed::Check(format!("{}: {e}", config.display())))?;
            all.operations.extend(promised.operations);
            all.members.extend(promised.members);
            all.errors.extend(promised.errors);
        }
    }
    Ok([
        File { name: "uncovered-operations.txt", promised: all.operations },
        File { name: "uncovered-members.txt", promised: all.members },
        File { name: "uncovered-errors.txt", promised: all.errors },
    ])
}

/// The APIs of a crate: `api.toml` is that of the service it is called after, `streams.toml` in `dynamodb` that of
/// `dynamodbstreams`, `control.toml` in `s3` that of `s3control`.
fn configurations(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failed> {
    let crate_name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let failed = |source| Failed::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".toml")) {
            Some("api") => found.push((crate_name.to_owned(), path)),
            Some("Cargo") | None => {}
            Some(more) => found.push((format!("{crate_name}{more}"), path)),
        }
    }
    Ok(found)
}
