//! `./x fuzz`: bytes that chance makes, for every reader of what comes from outside.
//!
//! The targets are those of `fuzz/`, whose bodies the tests of the crates run over the kept inputs. The stable compiler
//! is enough: it can count which branches an input reaches, and memory needs no watching where `unsafe` is forbidden.

use std::path::PathBuf;

use crate::shell::{self, Failed, command, has, root, say};
use crate::tools;

/// The release of `cargo fuzz` that is installed.
const CARGO_FUZZ: &str = "0.13.2";

/// How long each target runs where nothing else is said.
const SECONDS: u32 = 60;

/// An input that takes longer is a finding.
const LONGEST_SECONDS: u32 = 10;

struct Plan<'a> {
    seconds: u32,
    targets: Vec<&'a str>,
}

/// Runs the targets one after another. The first finding ends it.
pub(crate) fn run(words: &[&str]) -> Result<(), Failed> {
    let known = targets()?;
    let plan = plan(words, &known)?;
    let program = cargo_fuzz()?;
    for target in &plan.targets {
        say(&format!("== {target}, {} s", plan.seconds));
        // What is new is kept outside of the checkout, and where the next run begins.
        let found = tools::cache().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&found).map_err(|source| Failed::File { path: found.clone(), source })?;
        let limits = [
            format!("-max_total_time={}", plan.seconds),
            format!("-timeout={LONGEST_SECONDS}"),
            "-max_len=65536".to_owned(),
            "-print_final_stats=1".to_owned(),
        ];
        let mut fuzz = command(&program, &["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
        fuzz.arg("--target-dir").arg(tools::cache().join("fuzz/target")).arg(target);
        fuzz.arg(found).arg(root().join("fuzz/corpus").join(target)).arg("--").args(limits);
        shell::run_command(fuzz).map_err(|failed| {
            Failed::Check(format!(
                "{failed}\nThe input is in fuzz/artifacts/{target}; once it breaks nothing, it belongs in fuzz/corpus/{target}."
            ))
        })?;
    }
    say(&format!("{} targets found nothing", plan.targets.len()));
    Ok(())
}

fn plan<'a>(words: &[&'a str], known: &'a [String]) -> Result<Plan<'a>, Failed> {
    let (seconds, named) = match words {
        ["--seconds", number, rest @ ..] => {
            let wrong = || Failed::Check(format!("--seconds takes a number, not {number}"));
            (number.parse().map_err(|_| wrong())?, rest)
        }
        rest => (SECONDS, rest),
    };
    if let Some(other) = named.iter().find(|name| !known.iter().any(|k| k == *name)) {
        return Err(Failed::Check(format!("there is no target {other}; there are: {}", known.join(", "))));
    }
    let targets = if named.is_empty() { known.iter().map(String::as_str).collect() } else { named.to_vec() };
    Ok(Plan { seconds, targets })
}

/// The names of all targets.
fn targets() -> Result<Vec<String>, Failed> {
    let folder = root().join("fuzz/targets");
    let files = std::fs::read_dir(&folder).map_err(|source| Failed::File { path: folder, source })?;
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// The program, installed for this project where it is not.
fn cargo_fuzz() -> Result<PathBuf, Failed> {
    if !has("c++") {
        return Err(Failed::Check("the fuzzer is C++, and there is no compiler for it: install g++".to_owned()));
    }
    let folder = tools::cache().join("fuzz/tools");
    let mark = folder.join("version.txt");
    if shell::read(&mark).ok().as_deref() != Some(CARGO_FUZZ) {
        say(&format!("installing cargo-fuzz {CARGO_FUZZ} into {}", folder.display()));
        let mut install = command("cargo", &["install", "--quiet", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ]);
        install.arg("--root").arg(&folder);
        shell::run_command(install)?;
        shell::write(&mark, CARGO_FUZZ)?;
    }
    Ok(folder.join("bin/cargo-fuzz"))
}
