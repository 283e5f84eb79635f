//! `./x mutants`: how much of a service can be wrong without its tests noticing.
//!
//! Knows: Rust's syntax, cargo. Must not know: any service by name; it is told.
//!
//! A mutant is one thing that is wrong: a member of an input that is dropped, as if the caller had not sent it; a
//! condition that is turned round; `&&` for `||`. All of them are compiled once into a copy of the workspace, each behind
//! a switch, and the tests run once with each. A mutant that all tests pass has survived: there is a behaviour that
//! nothing holds.

mod copy;
mod find;
mod try_out;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use copy::{Compiled, Copy};
use find::Mutant;
use try_out::Noticed;

/// So many of a hundred must be noticed.
const MUST: usize = 90;

const USAGE: &str = "usage: undercast-mutants WORKSPACE COPY FOLDER PACKAGE [--sample N] [--seed S]";

/// Why there is no rate, or not the one that must be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("{USAGE}")]
    Usage,
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be parsed: {source}")]
    Parse { path: PathBuf, source: syn::Error },
    #[error("{program} could not be run: {source}")]
    Start { program: &'static str, source: std::io::Error },
    #[error("{0}")]
    Said(String),
}

struct Asked {
    workspace: PathBuf,
    copy: PathBuf,
    folder: String,
    package: String,
    sample: Option<usize>,
    seed: u64,
}

fn say(line: &str) {
    // A closed pipe has nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words).ok_or(Failed::Usage).and_then(|asked| run(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            say(&format!("mutants: {failed}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[String]) -> Option<Asked> {
    let [workspace, copy, folder, package, options @ ..] = words else { return None };
    let mut asked = Asked {
        workspace: Path::new(workspace).to_owned(),
        copy: Path::new(copy).to_owned(),
        folder: folder.clone(),
        package: package.clone(),
        sample: None,
        seed: 1,
    };
    for pair in options.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "--sample" => asked.sample = Some(value.parse().ok()?),
            "--seed" => asked.seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(asked)
}

fn run(asked: &Asked) -> Result<(), Failed> {
    let copy = Copy::make(&asked.workspace, &asked.copy, &asked.folder, &asked.package)?;
    let compiled = copy.compile()?;
    let chosen = choose(&compiled.mutants, asked.sample, asked.seed);
    say(&format!(
        "{} mutants of {}, {} more that do not compile; {} are tried (seed {})",
        compiled.mutants.len(),
        asked.package,
        compiled.broken.len(),
        chosen.len(),
        asked.seed
    ));
    let limit = limit(&compiled)?;
    let (mut survivors, mut late) = (Vec::new(), 0);
    for mutant in &chosen {
        match try_out::run(&compiled, Some(mutant.number), limit)? {
            Noticed::Failed => {}
            Noticed::Late => late += 1,
            Noticed::No => {
                say(&format!("survived: {}:{}: {}", mutant.file, mutant.line, mutant.change));
                survivors.push(mutant);
            }
        }
    }
    let noticed = chosen.len() - survivors.len();
    #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
    let rate = noticed as f64 * 100.0 / chosen.len().max(1) as f64;
    let verdict = format!(
        "{noticed} of {} were noticed: {rate:.1} % ({late} of them because the tests did not end in {} s)",
        chosen.len(),
        limit.as_secs()
    );
    if noticed * 100 < chosen.len() * MUST {
        return Err(Failed::Said(format!("{verdict}; {MUST} % must be")));
    }
    say(&verdict);
    Ok(())
}

/// How long a run may take, by how long it takes when nothing is wrong.
fn limit(compiled: &Compiled) -> Result<Duration, Failed> {
    let started = Instant::now();
    match try_out::run(compiled, None, Duration::from_secs(300))? {
        Noticed::No => Ok((started.elapsed() * 4).max(Duration::from_secs(20))),
        _ => Err(Failed::Said("the tests fail when nothing is wrong".to_owned())),
    }
}

/// So many of them, chosen by a seed; all without a number.
fn choose(mutants: &[Mutant], sample: Option<usize>, seed: u64) -> Vec<Mutant> {
    let mut chosen = mutants.to_vec();
    let Some(sample) = sample else { return chosen };
    // Each mutant has a number drawn from the seed (SplitMix64); the smallest are the sample.
    let drawn = |n: u32| {
        let mut z = seed.wrapping_add(u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    chosen.sort_by_key(|m| drawn(m.number));
    chosen.truncate(sample);
    chosen.sort_by_key(|m| m.number);
    chosen
}
