//! The interpreters on this machine: which there are, and what of the host a sandbox must show to run one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::sandbox::Mount;

/// How long an interpreter may take to tell about itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the sandbox shows the host's files anyway.
const ALWAYS_SHOWN: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"];

/// Prints what `Answer` reads. Modules with libraries of their own are loaded first, so that `/proc/self/maps`
/// names every library there is. Works from Python 3.6 on.
const ASK_PYTHON: &str = r"
import json, os, sys, sysconfig
for name in ('ssl', 'ctypes', 'sqlite3', 'zlib', 'bz2', 'lzma', 'hashlib', 'uuid'):
    try:
        __import__(name)
    except ImportError:
        pass
paths = sysconfig.get_paths()
mapped = set(line.split(None, 5)[5].strip() for line in open('/proc/self/maps') if '/' in line)
print(json.dumps({
    'version': list(sys.version_info[:3]),
    'program': os.path.realpath(sys.executable),
    'needs': sorted(set([paths['stdlib'], paths['platstdlib']]) | mapped),
}))
";

const ASK_NODE: &str = r"
const maps = require('fs').readFileSync('/proc/self/maps', 'utf8').split('\n');
const mapped = maps.filter((line) => line.includes('/')).map((line) => line.slice(line.indexOf('/')));
console.log(JSON.stringify({
    version: process.versions.node.split('.').map(Number),
    program: process.execPath,
    needs: [...new Set(mapped)],
}));
";

/// A language whose interpreters are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// CPython 3.
    Python,
    /// Node.js.
    Node,
}

/// A version, as the interpreter itself tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "(u32, u32, u32)")]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl From<(u32, u32, u32)> for Version {
    fn from((major, minor, patch): (u32, u32, u32)) -> Self {
        Self { major, minor, patch }
    }
}

/// An interpreter that was found, and that answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Runtime {
    /// What it interprets.
    pub language: Language,
    /// Its version.
    pub version: Version,
    /// Its program, without any symbolic link on the way.
    pub program: PathBuf,
    /// The files and directories it needs that a sandbox does not show anyway.
    pub needs: Vec<PathBuf>,
}

impl Runtime {
    /// What it needs, as mounts at the same places inside.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        let same = |path: &PathBuf| Mount { host: path.clone(), inside: path.clone() };
        self.needs.iter().map(same).collect()
    }
}

/// What an interpreter tells about itself.
#[derive(Deserialize)]
struct Answer {
    version: Version,
    program: PathBuf,
    needs: BTreeSet<PathBuf>,
}

/// The directories where interpreters usually are: those of `path` (the value of `PATH`), the system's, and
/// those of the version managers pyenv, nvm and asdf below `home`.
#[must_use]
pub fn usual_places(path: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    places.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    let managers = [".pyenv/versions", ".nvm/versions/node", ".asdf/installs/python", ".asdf/installs/nodejs"];
    for versions in home.iter().flat_map(|home| managers.map(|manager| home.join(manager))) {
        let entries = fs::read_dir(versions).into_iter().flatten().flatten();
        places.extend(entries.map(|entry| entry.path().join("bin")));
    }
    places
}

/// Finds the interpreters in some directories by asking each program with a fitting name, once.
///
/// A program that is a script (the shims of version managers), fails or does not answer is left out.
/// The answer is sorted by language, version and program.
pub async fn discover(places: &[PathBuf]) -> Vec<Runtime> {
    let mut seen = BTreeSet::new();
    let mut asked = Vec::new();
    for (language, program) in places.iter().flat_map(|place| candidates(place)) {
        if seen.insert(program.clone())
            && is_binary(&program)
            && let Ok(child) = ask(language, &program)
        {
            asked.push((language, child));
        }
    }
    let mut found = BTreeSet::new();
    for (language, child) in asked {
        found.extend(listen(language, child).await);
    }
    found.into_iter().collect()
}

fn candidates(place: &Path) -> Vec<(Language, PathBuf)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let fitting = entries.filter_map(|entry| {
        let name = entry.file_name();
        let language = language_of(name.to_str()?)?;
        Some((language, fs::canonicalize(entry.path()).ok()?))
    });
    fitting.collect()
}

/// `python3`, `python3.11`, `node`, but not `python3-config`.
fn language_of(name: &str) -> Option<Language> {
    if name == "node" || name == "nodejs" {
        return Some(Language::Node);
    }
    let rest = name.strip_prefix("python3")?;
    let minor = rest.strip_prefix('.').unwrap_or("");
    let fits = rest.is_empty() || (!minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()));
    fits.then_some(Language::Python)
}

fn is_binary(program: &Path) -> bool {
    let mut head = [0; 4];
    File::open(program).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF"
}

fn ask(language: Language, program: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    match language {
        Language::Python => command.args(["-I", "-c", ASK_PYTHON]),
        Language::Node => command.args(["-e", ASK_NODE]),
    };
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn()
}

async fn listen(language: Language, child: Child) -> Option<Runtime> {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.ok()?.ok()?;
    let answer = serde_json::from_slice::<Answer>(&output.stdout).ok()?;
    let mut needs = answer.needs;
    needs.insert(answer.program.clone());
    let needs =
        needs.into_iter().filter(|path| path.exists() && !ALWAYS_SHOWN.iter().any(|shown| path.starts_with(shown)));
    let needs = outermost(needs.collect());
    Some(Runtime { language, version: answer.version, program: answer.program, needs })
}

/// Leaves out what lies within another one of the paths.
fn outermost(paths: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut kept = Vec::<PathBuf>::new();
    for path in paths {
        // In their order a directory comes before what it holds, but not always right before.
        if !kept.iter().any(|outer| path.starts_with(outer)) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_interpreters_have() {
        let python = ["python3", "python3.6", "python3.13"];
        assert!(python.iter().all(|name| language_of(name) == Some(Language::Python)));
        assert_eq!(language_of("node"), Some(Language::Node));
        for other in ["python", "python2", "python3-config", "python3.", "python3.11-config", "python3.x", "node-gyp"] {
            assert_eq!(language_of(other), None, "{other}");
        }
    }

    #[test]
    fn what_lies_within_is_left_out() {
        let paths = ["/a", "/a-b", "/a/b", "/a/b/c", "/d/e"].map(PathBuf::from);
        assert_eq!(outermost(paths.into()), ["/a", "/a-b", "/d/e"].map(PathBuf::from));
    }
}
