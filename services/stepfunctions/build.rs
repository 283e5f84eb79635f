//! Generates the API from its model and `api.toml`.

fn main() -> Result<(), undercast_codegen::Error> {
    undercast_codegen::service("stepfunctions")
}
