//! Generates the APIs from their models: that of tables and items with `api.toml`, that of streams with `streams.toml`.

fn main() -> Result<(), undercast_codegen::Error> {
    undercast_codegen::service("dynamodb")?;
    undercast_codegen::part("dynamodbstreams", "streams")
}
