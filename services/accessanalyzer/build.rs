//! Generates the API from its model and `api.toml`, and puts what is known of actions, resources and condition keys in one file.

#![expect(clippy::disallowed_methods, reason = "cargo tells build scripts by variables")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    undercast_codegen::service("accessanalyzer")?;
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../models/iam");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>()?;
    files.sort();
    let facts: Vec<serde_json::Value> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| Ok(serde_json::from_str(&fs::read_to_string(file)?)?))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("facts.json"), serde_json::to_string(&facts)?)?;
    Ok(())
}
