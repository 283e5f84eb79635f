//! Signatures, codes that authenticate messages, and the pairs of keys that callers take with them.

use aws_lc_rs::digest::Digest;
use aws_lc_rs::hmac;
use undercast_kernel::{Bytes, Cx, Result};

use crate::api::{self, errors};
use crate::data::{self, Sealed, Wanted, check_algorithm, to_use, unless_dry};
use crate::pairs::{self, Message, Pair};
use crate::reference::Reference;
use crate::rows::Key;
use crate::specs::{AGREE, ENCAPSULATE, ENCRYPT, MAC, SIGN, Spec};
use crate::{error, grants, keys, material, specs};

/// What is signed: the message, the digest that the caller made of it, or what ML-DSA calls its representative.
fn message<'a>(given: &'a [u8], kind: Option<&str>, algorithm: &str) -> Result<Message<'a>> {
    let kind = kind.unwrap_or("RAW");
    // "These message types cannot be used interchangeably": of Ed25519 each algorithm takes one, and ML-DSA no digest.
    let fits = match algorithm {
        "ED25519_SHA_512" => kind == "RAW",
        "ED25519_PH_SHA_512" => kind == "DIGEST",
        "ML_DSA_SHAKE_256" => kind != "DIGEST",
        _ => kind != "EXTERNAL_MU",
    };
    if !fits {
        let message = format!("Message type {kind} is incompatible with algorithm {algorithm}.");
        return Err(error::validation(message).into());
    }
    let wrong = || error::validation(format!("Digest is invalid length for algorithm {algorithm}."));
    match kind {
        "DIGEST" => {
            let of = pairs::digest_of(algorithm);
            let digest = Digest::import_less_safe(given, of).ok().filter(|_| given.len() == of.output_len());
            Ok(Message::Digest(digest.ok_or_else(wrong)?))
        }
        "EXTERNAL_MU" => Ok(Message::Representative(given.try_into().map_err(|_| wrong())?)),
        _ => Ok(Message::Raw(given)),
    }
}

pub(crate) fn sign(cx: &Cx, input: api::SignInput) -> Result<api::SignOutput> {
    let key = to_use(cx, &input.key_id, SIGN, "Sign", input.grant_tokens)?;
    check_algorithm(&key, &input.signing_algorithm, |spec| spec.signing)?;
    let message = message(&input.message, input.message_type.as_deref(), &input.signing_algorithm)?;
    let signature = pairs::sign(cx, &key, &input.signing_algorithm, &message)?;
    unless_dry(cx, &key, "Sign", input.dry_run)?;
    Ok(api::SignOutput {
        key_id: Some(key.arn(cx)),
        signature: Some(signature),
        signing_algorithm: Some(input.signing_algorithm),
    })
}

pub(crate) fn verify(cx: &Cx, input: api::VerifyInput) -> Result<api::VerifyOutput> {
    let key = to_use(cx, &input.key_id, SIGN, "Verify", input.grant_tokens)?;
    check_algorithm(&key, &input.signing_algorithm, |spec| spec.signing)?;
    let message = message(&input.message, input.message_type.as_deref(), &input.signing_algorithm)?;
    if !pairs::verifies(cx, &key, &input.signing_algorithm, &message, &input.signature)? {
        return Err(errors::kms_invalid_signature_exception("").into());
    }
    unless_dry(cx, &key, "Verify", input.dry_run)?;
    Ok(api::VerifyOutput {
        key_id: Some(key.arn(cx)),
        signature_valid: Some(true),
        signing_algorithm: Some(input.signing_algorithm),
    })
}

pub(crate) fn public_key(cx: &Cx, input: api::GetPublicKeyInput) -> Result<api::GetPublicKeyOutput> {
    grants::check_tokens(input.grant_tokens)?;
    let key = Reference::parse(cx, &input.key_id)?.get(cx, &cx.read())?;
    let spec = Spec::named(&key.spec)?;
    if !spec.is_pair() {
        return Err(error::unsupported().into());
    }
    keys::usable(cx, &key)?;
    let of_usage = |usage: &str, algorithms: &[&str]| {
        (key.usage == usage).then(|| algorithms.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    };
    Ok(api::GetPublicKeyOutput {
        key_id: Some(key.arn(cx)),
        public_key: Some(pairs::public_key(cx, &key)?.into()),
        customer_master_key_spec: Some(key.spec.clone()),
        key_spec: Some(key.spec.clone()),
        encryption_algorithms: of_usage(ENCRYPT, spec.encryption),
        signing_algorithms: of_usage(SIGN, spec.signing),
        key_usage: Some(key.usage.clone()),
        key_agreement_algorithms: of_usage(AGREE, spec.agreement),
        encapsulation_algorithms: of_usage(ENCAPSULATE, spec.encapsulation),
    })
}

pub(crate) fn derive(cx: &Cx, input: api::DeriveSharedSecretInput) -> Result<api::DeriveSharedSecretOutput> {
    let key = to_use(cx, &input.key_id, AGREE, "DeriveSharedSecret", input.grant_tokens)?;
    check_algorithm(&key, &input.key_agreement_algorithm, |spec| spec.agreement)?;
    let secret = pairs::agree(cx, &key, &input.public_key)?;
    let secret = secret
        .ok_or_else(|| error::validation(format!("The public key is not valid for the key spec {}.", key.spec)))?;
    unless_dry(cx, &key, "DeriveSharedSecret", input.dry_run)?;
    Ok(api::DeriveSharedSecretOutput {
        key_id: Some(key.arn(cx)),
        shared_secret: Some(secret),
        ciphertext_for_recipient: None,
        key_agreement_algorithm: Some(input.key_agreement_algorithm),
        key_origin: Some(key.origin().to_owned()),
    })
}

/// The key that authenticates messages by an algorithm.
fn mac_key(cx: &Cx, key: &Key, algorithm: &str) -> Result<hmac::Key> {
    check_algorithm(key, algorithm, |spec| spec.mac)?;
    let of = match algorithm {
        "HMAC_SHA_224" => hmac::HMAC_SHA224,
        "HMAC_SHA_384" => hmac::HMAC_SHA384,
        "HMAC_SHA_512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    Ok(hmac::Key::new(of, &material::current(cx, key)?))
}

pub(crate) fn generate_mac(cx: &Cx, input: api::GenerateMacInput) -> Result<api::GenerateMacOutput> {
    let key = to_use(cx, &input.key_id, MAC, "GenerateMac", input.grant_tokens)?;
    let mac = hmac::sign(&mac_key(cx, &key, &input.mac_algorithm)?, &input.message);
    unless_dry(cx, &key, "GenerateMac", input.dry_run)?;
    Ok(api::GenerateMacOutput {
        mac: Some(Bytes::copy_from_slice(mac.as_ref())),
        mac_algorithm: Some(input.mac_algorithm),
        key_id: Some(key.arn(cx)),
    })
}

pub(crate) fn verify_mac(cx: &Cx, input: api::VerifyMacInput) -> Result<api::VerifyMacOutput> {
    let key = to_use(cx, &input.key_id, MAC, "VerifyMac", input.grant_tokens)?;
    let secret = mac_key(cx, &key, &input.mac_algorithm)?;
    hmac::verify(&secret, &input.message, &input.mac).map_err(|_| errors::kms_invalid_mac_exception(""))?;
    unless_dry(cx, &key, "VerifyMac", input.dry_run)?;
    Ok(api::VerifyMacOutput {
        key_id: Some(key.arn(cx)),
        mac_valid: Some(true),
        mac_algorithm: Some(input.mac_algorithm),
    })
}

/// A pair of keys for the caller, its private key sealed with a symmetric key.
pub(crate) async fn data_key_pair(
    cx: &Cx,
    mut wanted: Wanted,
    spec: &str,
    operation: &'static str,
) -> Result<(Sealed, Bytes)> {
    let key = data::sealing_key(cx, &mut wanted, operation)?;
    specs::check_region(cx, spec)?;
    let Pair { private, public } = pairs::generate(cx, spec).await?;
    Ok((data::seal(cx, &key, wanted, private.into(), operation)?, public.into()))
}
