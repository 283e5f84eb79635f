//! Generates the API from the model and `api.toml`.

fn main() -> Result<(), undercast_codegen::Error> {
    undercast_codegen::service("dynamodb")
}
