//! From a model and an `api.toml` to the Rust code of a service's API.
//!
//! Knows: the models' form, what `api.toml` may say, the tables of the wire crate. Must not know: any service by name.
//!
//! A service's `build.rs` is `undercast_codegen::service("sqs")`; its `lib.rs` includes `$OUT_DIR/api.rs`. A crate of two
//! APIs says `part` for the second one. Generated are:
//! the static tables of every shape that a listed operation reaches; an input struct an input shape, each with a `read`
//! that ends in one literal (so that the compiler names every member that no handler reads); an output struct an output
//! shape, each with a `write`; constructors of the documented errors; the trait `Operations` with one method a listed
//! operation, and `call`, which goes from an operation's number to its method.

mod cases;
mod config;
mod emit;
mod model;
mod names;
mod promised;
mod reach;
mod tables;

use std::path::{Path, PathBuf};

pub use config::Config;
pub use model::Model;
pub use promised::Promised;

/// Where a service keeps its conformance cases.
pub const CASES: &str = "tests/conformance";

/// Why code could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// `api.toml` is not well formed.
    #[error("api.toml")]
    Config(#[from] toml::de::Error),
    /// A model is not JSON.
    #[error("the model of `{service}`")]
    Json {
        /// The service.
        service: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// `api.toml` or a model names something that does not exist.
    #[error("{0}")]
    Unknown(String),
}

/// Generates the code of one service from the text of its model and of its `api.toml`.
///
/// `cases` is the folder of its conformance cases, which need not be there.
///
/// # Errors
/// When one of the two is malformed, or `api.toml` names an operation, shape or member that the model does not have.
pub fn generate(service: &str, model: &str, config: &str, cases: &Path) -> Result<String, Error> {
    let mut model = Model::parse(service, model)?;
    let mut config: Config = toml::from_str(config)?;
    config.complete(&mut model)?;
    config.check(&model)?;
    config.cases = cases::count(service, cases)?;
    Ok(emit::service(&model, &config))
}

/// For `build.rs`: writes `$OUT_DIR/api.rs` for the service whose model is called `name`, as its `api.toml` says.
///
/// # Errors
/// As [`generate`], and when a file cannot be read or written.
pub fn service(name: &str) -> Result<(), Error> {
    part(name, "api")
}

/// The same for one API of a crate that has several: `part("dynamodbstreams", "streams")` reads `streams.toml` and writes
/// `$OUT_DIR/streams.rs`.
///
/// # Errors
/// As [`service`].
pub fn part(name: &str, file: &str) -> Result<(), Error> {
    let here = build_variable("CARGO_MANIFEST_DIR")?;
    let config_path = Path::new(&here).join(format!("{file}.toml"));
    let model_path = Path::new(&here).join("../../models").join(format!("{name}.json"));
    let cases = Path::new(&here).join(CASES);
    for path in [&config_path, &model_path, &cases] {
        write_line(&format!("cargo::rerun-if-changed={}", path.display()))?;
    }
    let code = generate(name, &read(&model_path)?, &read(&config_path)?, &cases)?;
    let out = Path::new(&build_variable("OUT_DIR")?).join(format!("{file}.rs"));
    std::fs::write(&out, code).map_err(|source| Error::File { path: out, source })
}

#[expect(clippy::disallowed_methods, reason = "build scripts are told by variables")]
fn build_variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| Error::Unknown(format!("cargo did not set {name}; this runs in a build script")))
}

fn write_line(line: &str) -> Result<(), Error> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}")
        .map_err(|source| Error::File { path: PathBuf::from("standard output"), source })
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
