//! `./x test`: everything that CI runs.

use std::time::Instant;

use crate::demo::{self, Plan};
use crate::shell::{self, Failed, say};
use crate::{clients, promises, tidy, tools};

pub(crate) fn run() -> Result<(), Failed> {
    let started = Instant::now();
    step("tidy", tidy::run)?;
    step("format", || {
        shell::run("cargo", &["fmt", "--all", "--check"])?;
        shell::run("cargo", &["fmt", "--manifest-path", "clients/rust/Cargo.toml", "--check"])
    })?;
    step("clippy", || {
        shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    let seen = promises::folder()?;
    step("tests", || promises::tests(&seen))?;
    step("promises", || promises::check(&seen, false))?;
    step("the clients", || clients::run(&[]))?;
    step("the search example", example)?;
    say(&format!("everything holds ({} s)", started.elapsed().as_secs()));
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    say(&format!("== {name}"));
    let started = Instant::now();
    work()?;
    say(&format!("== {name}: {} s", started.elapsed().as_secs()));
    Ok(())
}

/// The example end to end, smaller than in the demonstration, through a crash.
fn example() -> Result<(), Failed> {
    let binary = tools::build(false)?;
    let plan = Plan { binary, port: 14_566, documents: 300, folder: tools::cache().join("test-demo") };
    demo::show(&plan, true).map(drop)
}
