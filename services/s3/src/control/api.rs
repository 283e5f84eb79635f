//! The API of S3 Control as it is generated from its model and `control.toml`.

include!(concat!(env!("OUT_DIR"), "/control.rs"));
