//! `./x sim`: simulations by their seeds.

use std::io::Write as _;
use std::process::ExitCode;

use undercast_sim::{Plan, run};

const USAGE: &str = "usage: ./x sim [--seed N] [--seeds COUNT] [--steps K]";

struct Asked {
    seed: u64,
    seeds: u64,
    steps: u32,
}

fn say(line: &str) {
    // A closed pipe has nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = parse(&words) else {
        say(USAGE);
        return ExitCode::FAILURE;
    };
    let (mut calls, mut mishaps, mut crashes) = (0, 0, 0);
    for seed in (asked.seed..).take(usize::try_from(asked.seeds).unwrap_or(usize::MAX)) {
        match run(Plan { seed, steps: asked.steps, sabotage: None }) {
            Ok(passed) => {
                say(&format!("seed {seed}: {} calls, trace {:016x}", passed.calls, passed.trace));
                calls += passed.calls;
                mishaps += passed.mishaps;
                crashes += passed.crashes;
            }
            Err(failed) => {
                say(&failed.to_string());
                return ExitCode::FAILURE;
            }
        }
    }
    say(&format!(
        "{} seeds of {} steps: everything holds ({calls} calls, {mishaps} mishaps, {crashes} crashes)",
        asked.seeds, asked.steps
    ));
    ExitCode::SUCCESS
}

fn parse(words: &[String]) -> Option<Asked> {
    let mut asked = Asked { seed: 1, seeds: 1, steps: 1_000 };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "--seed" => asked.seed = value.parse().ok()?,
            "--seeds" => asked.seeds = value.parse().ok()?,
            "--steps" => asked.steps = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(asked)
}
