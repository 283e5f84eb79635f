//! Generates the APIs from their models: that of trails and stores with `api.toml`, that of events from outside with `-data.toml`.

fn main() -> Result<(), undercast_codegen::Error> {
    undercast_codegen::service("cloudtrail")?;
    undercast_codegen::part("cloudtrail-data", "-data")
}
