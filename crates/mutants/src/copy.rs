//! A copy of the workspace, beside it, in which a crate can be wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::Failed;
use crate::find::{self, Mutant};

/// What every mutant asks: whether it is the one.
const SWITCH: &str = r#"
/// Which mutant is on.
pub(crate) mod mutants {
    /// Whether it is this one.
    pub(crate) fn on(number: u32) -> bool {
        static ON: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
        let read = || std::env::var("UNDERCAST_MUTANT").ok().and_then(|text| text.parse().ok());
        *ON.get_or_init(read) == Some(number)
    }
}
"#;

/// The copy.
pub(crate) struct Copy {
    original: PathBuf,
    folder: PathBuf,
    /// `services/sqs`
    of: String,
    package: String,
}

/// A crate that was compiled with mutants in it.
pub(crate) struct Compiled {
    pub(crate) mutants: Vec<Mutant>,
    /// Those that do not compile.
    pub(crate) broken: Vec<Mutant>,
    /// Its tests, and the folder that they run in.
    pub(crate) tests: Vec<PathBuf>,
    pub(crate) folder: PathBuf,
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Failed + '_ {
    move |source| Failed::File { path: path.to_owned(), source }
}

impl Copy {
    /// Copies what git knows of a workspace, and what it does not ignore. What was copied before and is the same stays
    /// as it is, so that it need not be compiled again.
    pub(crate) fn make(original: &Path, folder: &Path, of: &str, package: &str) -> Result<Self, Failed> {
        let mut list = Command::new("git");
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(original);
        let listed = list.output().map_err(|source| Failed::Start { program: "git", source })?;
        let names: BTreeSet<PathBuf> =
            String::from_utf8_lossy(&listed.stdout).split('\0').filter(|n| !n.is_empty()).map(PathBuf::from).collect();
        for name in &names {
            let (from, to) = (original.join(name), folder.join(name));
            // Of files that were removed and not committed, git still knows the names.
            let Ok(wanted) = std::fs::read(&from) else { continue };
            if std::fs::read(&to).is_ok_and(|there| there == wanted) {
                continue;
            }
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent).map_err(file(parent))?;
            }
            std::fs::write(&to, wanted).map_err(file(&to))?;
        }
        // A file that is no more must not be compiled.
        for source in sources(&folder.join(of))? {
            if source.strip_prefix(folder).is_ok_and(|name| !names.contains(name)) {
                std::fs::remove_file(&source).map_err(file(&source))?;
            }
        }
        let (original, folder) = (original.to_owned(), folder.to_owned());
        Ok(Self { original, folder, of: of.to_owned(), package: package.to_owned() })
    }

    /// Compiles the crate with all of its mutants, but for those that do not compile.
    pub(crate) fn compile(&self) -> Result<Compiled, Failed> {
        let (mut without, mut broken) = (BTreeSet::new(), Vec::new());
        loop {
            let mutants = self.put_in(&without)?;
            let (tests, lines) = self.build()?;
            if lines.is_empty() {
                return Ok(Compiled { mutants, broken, tests, folder: self.folder.join(&self.of) });
            }
            let at_fault = |m: &&Mutant| lines.contains(&(m.file.clone(), m.line));
            let found: Vec<Mutant> = mutants.iter().filter(at_fault).cloned().collect();
            if found.is_empty() {
                let lines: Vec<String> = lines.iter().map(|(file, line)| format!("{file}:{line}")).collect();
                return Err(Failed::Said(format!("{} does not compile: {}", self.package, lines.join(", "))));
            }
            without.extend(found.iter().map(|m| m.number));
            broken.extend(found);
        }
    }

    /// Writes the sources with their mutants.
    fn put_in(&self, without: &BTreeSet<u32>) -> Result<Vec<Mutant>, Failed> {
        let folder = self.original.join(&self.of).join("src");
        let mut mutants: Vec<Mutant> = Vec::new();
        let mut first = 1;
        for path in sources(&folder)? {
            let source = std::fs::read_to_string(&path).map_err(file(&path))?;
            let name = path.strip_prefix(&self.original).unwrap_or(&path).display().to_string();
            let found = find::find(&name, &source, first, without).map_err(|source| Failed::Parse { path, source })?;
            first = found.next;
            let mut text = find::apply(&source, found.edits);
            if name.ends_with("src/lib.rs") {
                text.push_str(SWITCH);
            }
            mutants.extend(found.mutants);
            let to = self.folder.join(&name);
            if std::fs::read_to_string(&to).ok().as_deref() != Some(&text) {
                std::fs::write(&to, text).map_err(file(&to))?;
            }
        }
        Ok(mutants)
    }

    /// Builds the tests. The answer has them, or the lines that do not compile.
    fn build(&self) -> Result<(Vec<PathBuf>, BTreeSet<(String, usize)>), Failed> {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--no-run", "--message-format=json", "--package", &self.package]);
        // Lints say how code is written, and mutants are not.
        cargo.env("RUSTFLAGS", "--cap-lints=allow").env("CARGO_TARGET_DIR", self.folder.join("target"));
        cargo.current_dir(&self.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        let built = cargo.output().map_err(|source| Failed::Start { program: "cargo", source })?;
        let (mut tests, mut lines) = (Vec::new(), BTreeSet::new());
        for line in String::from_utf8_lossy(&built.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Json>(line) else { continue };
            if let (Some(path), true) = (message["executable"].as_str(), message["profile"]["test"] == true) {
                tests.push(PathBuf::from(path));
            }
            if message["message"]["level"] == "error" {
                let spans = message["message"]["spans"].as_array().into_iter().flatten();
                lines.extend(spans.filter_map(|s| {
                    let line = usize::try_from(s["line_start"].as_u64()?).ok()?;
                    Some((s["file_name"].as_str()?.to_owned(), line))
                }));
            }
        }
        if !built.status.success() && lines.is_empty() {
            return Err(Failed::Said(format!("the tests of {} cannot be built: {}", self.package, built.status)));
        }
        Ok((tests, lines))
    }
}

/// The Rust files of a folder, in order; without what was compiled.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut out = Vec::new();
    if !folder.is_dir() {
        return Ok(out);
    }
    let entries = std::fs::read_dir(folder).map_err(file(folder))?;
    let mut entries: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            out.extend(sources(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(out)
}
