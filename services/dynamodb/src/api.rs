//! The API as it is generated from the model and `api.toml`.

include!(concat!(env!("OUT_DIR"), "/api.rs"));

pub(crate) mod form;
