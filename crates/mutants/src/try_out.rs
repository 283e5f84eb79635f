//! One run of the tests with one mutant on, and not longer than it may take.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failed;
use crate::copy::Compiled;

/// What the tests said of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// One failed.
    Failed,
    /// They did not end.
    Late,
    /// All passed.
    No,
}

/// Runs the tests of a crate, one file after the other, until one fails. `None`: none is on.
pub(crate) fn run(compiled: &Compiled, mutant: Option<u32>, limit: Duration) -> Result<Noticed, Failed> {
    let started = Instant::now();
    for test in &compiled.tests {
        let left = limit.saturating_sub(started.elapsed());
        match run_one(test, &compiled.folder, mutant, left)? {
            Noticed::No => {}
            noticed => return Ok(noticed),
        }
    }
    Ok(Noticed::No)
}

fn run_one(test: &Path, folder: &Path, mutant: Option<u32>, limit: Duration) -> Result<Noticed, Failed> {
    let mut command = Command::new(test);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env("RUST_BACKTRACE", "0");
    if let Some(number) = mutant {
        command.env("UNDERCAST_MUTANT", number.to_string());
    }
    let failed = |source| Failed::Start { program: "a test", source };
    let mut child = command.spawn().map_err(failed)?;
    // One test that fails is enough; nobody waits for the others.
    let mut told = child.stdout.take().map(|out| std::thread::spawn(move || tells_of_failure(out)));
    let started = Instant::now();
    loop {
        if let Some(reader) = told.take_if(|reader| reader.is_finished())
            && reader.join().is_ok_and(|failed| failed)
        {
            end(&mut child).map_err(failed)?;
            return Ok(Noticed::Failed);
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(if status.success() { Noticed::No } else { Noticed::Failed });
        }
        if started.elapsed() > limit {
            end(&mut child).map_err(failed)?;
            return Ok(Noticed::Late);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads what tests print until one has failed, or all have ended.
fn tells_of_failure(printed: impl Read) -> bool {
    BufReader::new(printed).lines().map_while(Result::ok).any(|line| line.ends_with("FAILED"))
}

fn end(child: &mut Child) -> std::io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}
