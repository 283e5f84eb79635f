//! Generates the APIs from their models: that of buckets and objects with `api.toml`, S3 Control with `control.toml`.

fn main() -> Result<(), undercast_codegen::Error> {
    undercast_codegen::service("s3")?;
    undercast_codegen::part("s3control", "control")
}
