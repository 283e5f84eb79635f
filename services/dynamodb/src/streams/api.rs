//! The API of streams as it is generated from its model and `streams.toml`.

include!(concat!(env!("OUT_DIR"), "/streams.rs"));
