//! Generates the APIs from their models: that of tables and items with `api.toml`, that of streams with `streams.toml`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    undercast_codegen::service("dynamodb")?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (model, config) = (here.join("../../models/dynamodbstreams.json"), here.join("streams.toml"));
    let cases = here.join(undercast_codegen::CASES);
    for path in [&model, &config, &cases] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let (model, config) = (std::fs::read_to_string(model)?, std::fs::read_to_string(config)?);
    let code = undercast_codegen::generate("dynamodbstreams", &model, &config, &cases)?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR; this runs in a build script")?;
    std::fs::write(Path::new(&out).join("streams.rs"), code)?;
    Ok(())
}
