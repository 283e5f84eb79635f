//! Secrets that two parties have in common by ML-KEM.
//!
//! Source: "ML-KEM keys in AWS KMS" in the KMS developer guide, and the operations' pages in its API reference.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::data::{check_algorithm, to_use, unless_dry};
use crate::specs::ENCAPSULATE;
use crate::{error, lattices, material};

pub(crate) fn encapsulate(cx: &Cx, input: api::EncapsulateInput) -> Result<api::EncapsulateOutput> {
    let key = to_use(cx, &input.key_id, ENCAPSULATE, "Encapsulate", input.grant_tokens)?;
    check_algorithm(&key, &input.encapsulation_algorithm, |spec| spec.encapsulation)?;
    let (secret, sealed) = lattices::encapsulate(cx, &key.spec, &material::current(cx, &key)?)?;
    unless_dry(cx, &key, "Encapsulate", input.dry_run)?;
    Ok(api::EncapsulateOutput {
        key_id: Some(key.arn(cx)),
        shared_secret: Some(secret),
        shared_secret_ciphertext_blob: Some(sealed),
        encapsulation_algorithm: Some(input.encapsulation_algorithm),
    })
}

pub(crate) fn decapsulate(cx: &Cx, input: api::DecapsulateInput) -> Result<api::DecapsulateOutput> {
    let key = to_use(cx, &input.key_id, ENCAPSULATE, "Decapsulate", input.grant_tokens)?;
    check_algorithm(&key, &input.encapsulation_algorithm, |spec| spec.encapsulation)?;
    let private = material::current(cx, &key)?;
    let secret = lattices::decapsulate(&key.spec, &private, &input.shared_secret_ciphertext_blob)?;
    let secret = secret.ok_or_else(error::bad_ciphertext)?;
    unless_dry(cx, &key, "Decapsulate", input.dry_run)?;
    Ok(api::DecapsulateOutput {
        key_id: Some(key.arn(cx)),
        shared_secret: Some(secret),
        encapsulation_algorithm: Some(input.encapsulation_algorithm),
    })
}
