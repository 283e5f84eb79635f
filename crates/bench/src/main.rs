//! `./x bench`: how fast the release binary is, measured beside what could not be faster.
//!
//! Everything that is compared is measured in the same run, in short rounds one after the other, so that a machine
//! that is busy with something else is busy for all of them.

mod bare;
mod cloud;
mod decisions;
mod events;
mod limit;
mod load;
mod many;
mod messages;
mod objects;
mod plan;
mod python;
mod server;
mod signed;
mod store;
mod table;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(
        "usage: undercast-bench decisions | [store | s3 PATH-OF-AWS | dynamodb PATH-OF-MOTO PATH-OF-DYNALITE | messaging PATH-OF-MOTO] PATH-OF-UNDERCAST"
    )]
    Usage,
    #[error("{0} could not be started")]
    Start(PathBuf, #[source] std::io::Error),
    #[error("{0}")]
    Said(String),
    #[error("the system refuses")]
    System(#[from] std::io::Error),
    #[error("the store refuses")]
    Store(#[from] undercast_store::Error),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["bare" | "raw", address, length] => match (address.parse(), length.parse()) {
            (Ok(address), Ok(length)) => bare::serve(address, words[0] == "raw", length),
            _ => Err(Failed::Usage),
        },
        ["file", address, path] => match address.parse() {
            Ok(address) => bare::serve_file(address, Path::new(path)),
            Err(_) => Err(Failed::Usage),
        },
        ["fill", folder] => store::fill(Path::new(folder)),
        ["decisions"] => decisions::run(),
        ["store", _] => store::run(),
        ["dynamodb", moto, dynalite, binary] => {
            let others = tables::Others { moto: Path::new(moto), dynalite: Path::new(dynalite) };
            tables::run(Path::new(binary), &others)
        }
        ["messaging", moto, binary] => messaging(Path::new(binary), Path::new(moto)),
        ["s3", aws, binary] => objects::run(Path::new(binary), Path::new(aws)),
        [binary] => plan::run(Path::new(binary)),
        _ => Err(Failed::Usage),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let why = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
            table::say(&format!("bench: {error}{why}"));
            ExitCode::FAILURE
        }
    }
}

/// Queues, events and streams.
fn messaging(binary: &Path, moto: &Path) -> Result<(), Failed> {
    let folder = plan::Folder::new()?;
    let sender = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    table::head_of_objects();
    messages::run(&sender, &workers, binary, moto, &folder)?;
    events::run(&sender, binary, &folder)
}
