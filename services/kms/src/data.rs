//! Encryption and decryption, and the data keys that others encrypt with.

use undercast_kernel::{Bytes, Cx, Result};

use crate::api::{self, errors};
use crate::envelope::{self, Context, Origin};
use crate::reference::Reference;
use crate::rows::{KEYS, Key};
use crate::specs::{ENCRYPT, SYMMETRIC, Spec};
use crate::{error, grants, keys, pairs, usage};

/// The key of a call that uses it, which may do so.
pub(crate) fn to_use(cx: &Cx, given: &str, usage: &str, operation: &str, tokens: Option<Vec<String>>) -> Result<Key> {
    grants::check_tokens(tokens)?;
    let key = Reference::parse(cx, given)?.get(cx, &cx.read())?;
    keys::serves(cx, &key, usage, operation)?;
    Ok(key)
}

/// Refuses an algorithm that the key's spec does not have.
pub(crate) fn check_algorithm(key: &Key, algorithm: &str, of_spec: fn(Spec) -> &'static [&'static str]) -> Result<()> {
    if of_spec(Spec::named(&key.spec)?).contains(&algorithm) {
        return Ok(());
    }
    let message = format!("Algorithm {algorithm} is incompatible with key spec {}.", key.spec);
    Err(errors::invalid_key_usage_exception(message).into())
}

/// Ends a call that was only to be tried. Of any other the key remembers that it was used for it.
pub(crate) fn unless_dry(cx: &Cx, key: &Key, operation: &'static str, dry_run: Option<bool>) -> Result<()> {
    if dry_run == Some(true) {
        return Err(error::dry_run().into());
    }
    usage::note(cx, key, operation);
    Ok(())
}

/// A side of an encryption: the key, the algorithm, the context.
struct Side {
    key: Key,
    algorithm: String,
    context: Context,
}

impl Side {
    fn new(key: Key, algorithm: Option<String>, context: Option<Context>) -> Result<Self> {
        let algorithm = algorithm.unwrap_or_else(|| SYMMETRIC.to_owned());
        check_algorithm(&key, &algorithm, |spec| spec.encryption)?;
        let context = context.unwrap_or_else(Context::new);
        if algorithm != SYMMETRIC && !context.is_empty() {
            let message = format!("EncryptionContext is not supported with the algorithm {algorithm}.");
            return Err(error::validation(message).into());
        }
        Ok(Self { key, algorithm, context })
    }

    fn encrypt(&self, cx: &Cx, plaintext: &[u8]) -> Result<Bytes> {
        if self.algorithm == SYMMETRIC {
            return envelope::encrypt(cx, &self.key, plaintext, &self.context);
        }
        pairs::encrypt(cx, &self.key, &self.algorithm, plaintext)
    }

    fn decrypt(&self, cx: &Cx, blob: &[u8]) -> Result<Bytes> {
        if self.algorithm == SYMMETRIC {
            return envelope::decrypt(cx, &self.key, blob, &self.context);
        }
        pairs::decrypt(cx, &self.key, &self.algorithm, blob)
    }

    /// The id of the material that made a ciphertext; keys that are not symmetric have one only, which is not told.
    fn material_of(&self, blob: &[u8]) -> Result<Option<String>> {
        if self.algorithm == SYMMETRIC { Ok(Some(Origin::of(blob)?.material)) } else { Ok(None) }
    }
}

/// A ciphertext that comes in, and what its caller says of it.
struct Incoming {
    blob: Option<Bytes>,
    key_id: Option<String>,
    algorithm: Option<String>,
    context: Option<Context>,
    /// The call is a trial for which the ciphertext does not matter.
    ignore: bool,
    /// What the ciphertext and the key are called in the request.
    members: (&'static str, &'static str),
}

impl Incoming {
    /// Its key: the one that is named, or the one that made it.
    fn side(&self, cx: &Cx, operation: &str) -> Result<Side> {
        let symmetric = self.algorithm.as_deref().is_none_or(|algorithm| algorithm == SYMMETRIC);
        let missing = |member: &str| {
            error::validation(format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ))
        };
        if self.blob.is_none() && !self.ignore {
            return Err(missing(self.members.0).into());
        }
        if self.key_id.is_none() && (!symmetric || self.ignore) {
            return Err(missing(self.members.1).into());
        }
        let origin = match &self.blob {
            Some(blob) if symmetric && !self.ignore => Some(Origin::of(blob)?),
            _ => None,
        };
        let made_by = origin.as_ref().map(|origin| origin.key_id(cx)).transpose()?.flatten();
        let key = match (&self.key_id, &origin, made_by) {
            (Some(given), origin, made_by) => {
                let key = Reference::parse(cx, given)?.get(cx, &cx.read())?;
                if origin.is_some() && key.spec == SYMMETRIC && made_by.as_ref() != Some(&key.id) {
                    return Err(error::incorrect_key().into());
                }
                key
            }
            (None, Some(origin), Some(id)) => {
                let key = KEYS.get(&cx.read(), &(&origin.account, cx.region(), id))?;
                key.ok_or_else(error::no_key_of_ciphertext)?
            }
            _ => return Err(error::no_key_of_ciphertext().into()),
        };
        keys::serves(cx, &key, ENCRYPT, operation)?;
        Side::new(key, self.algorithm.clone(), self.context.clone())
    }
}

/// Whether a trial is to leave the ciphertext alone.
fn ignores_ciphertext(modifiers: Option<&Vec<String>>, dry_run: Option<bool>) -> Result<bool> {
    match modifiers {
        Some(modifiers) if !modifiers.is_empty() && dry_run != Some(true) => {
            Err(error::validation("DryRunModifiers can only be specified when DryRun is true.").into())
        }
        Some(modifiers) => Ok(modifiers.iter().any(|modifier| modifier == "IGNORE_CIPHERTEXT")),
        None => Ok(false),
    }
}

pub(crate) fn encrypt(cx: &Cx, input: api::EncryptInput) -> Result<api::EncryptOutput> {
    let key = to_use(cx, &input.key_id, ENCRYPT, "Encrypt", input.grant_tokens)?;
    let side = Side::new(key, input.encryption_algorithm, input.encryption_context)?;
    let blob = side.encrypt(cx, &input.plaintext)?;
    unless_dry(cx, &side.key, "Encrypt", input.dry_run)?;
    Ok(api::EncryptOutput {
        ciphertext_blob: Some(blob),
        key_id: Some(side.key.arn(cx)),
        encryption_algorithm: Some(side.algorithm),
    })
}

pub(crate) fn decrypt(cx: &Cx, input: api::DecryptInput) -> Result<api::DecryptOutput> {
    grants::check_tokens(input.grant_tokens)?;
    let incoming = Incoming {
        ignore: ignores_ciphertext(input.dry_run_modifiers.as_ref(), input.dry_run)?,
        blob: input.ciphertext_blob,
        key_id: input.key_id,
        algorithm: input.encryption_algorithm,
        context: input.encryption_context,
        members: ("ciphertextBlob", "keyId"),
    };
    let side = incoming.side(cx, "Decrypt")?;
    let Some(blob) = incoming.blob.filter(|_| !incoming.ignore) else { return Err(error::dry_run().into()) };
    let plaintext = side.decrypt(cx, &blob)?;
    unless_dry(cx, &side.key, "Decrypt", input.dry_run)?;
    Ok(api::DecryptOutput {
        key_id: Some(side.key.arn(cx)),
        plaintext: Some(plaintext),
        key_material_id: side.material_of(&blob)?,
        encryption_algorithm: Some(side.algorithm),
        ciphertext_for_recipient: None,
    })
}

pub(crate) fn re_encrypt(cx: &Cx, input: api::ReEncryptInput) -> Result<api::ReEncryptOutput> {
    let incoming = Incoming {
        ignore: ignores_ciphertext(input.dry_run_modifiers.as_ref(), input.dry_run)?,
        blob: input.ciphertext_blob,
        key_id: input.source_key_id,
        algorithm: input.source_encryption_algorithm,
        context: input.source_encryption_context,
        members: ("ciphertextBlob", "sourceKeyId"),
    };
    let from = incoming.side(cx, "ReEncrypt")?;
    let to = to_use(cx, &input.destination_key_id, ENCRYPT, "ReEncrypt", input.grant_tokens)?;
    let to = Side::new(to, input.destination_encryption_algorithm, input.destination_encryption_context)?;
    let Some(blob) = incoming.blob.filter(|_| !incoming.ignore) else { return Err(error::dry_run().into()) };
    let made = to.encrypt(cx, &from.decrypt(cx, &blob)?)?;
    for side in [&from, &to] {
        unless_dry(cx, &side.key, "ReEncrypt", input.dry_run)?;
    }
    Ok(api::ReEncryptOutput {
        source_key_id: Some(from.key.arn(cx)),
        key_id: Some(to.key.arn(cx)),
        source_key_material_id: from.material_of(&blob)?,
        destination_key_material_id: to.material_of(&made)?,
        ciphertext_blob: Some(made),
        source_encryption_algorithm: Some(from.algorithm),
        destination_encryption_algorithm: Some(to.algorithm),
    })
}

/// What the operations that make data keys are asked.
pub(crate) struct Wanted {
    pub(crate) key_id: String,
    pub(crate) context: Option<Context>,
    pub(crate) tokens: Option<Vec<String>>,
    pub(crate) dry_run: Option<bool>,
}

/// A secret, and the same as a ciphertext of a key.
pub(crate) struct Sealed {
    pub(crate) key_arn: String,
    pub(crate) material: String,
    pub(crate) plaintext: Bytes,
    pub(crate) blob: Bytes,
}

/// The symmetric key that is to seal a data key.
pub(crate) fn sealing_key(cx: &Cx, wanted: &mut Wanted, operation: &str) -> Result<Key> {
    let key = to_use(cx, &wanted.key_id, ENCRYPT, operation, wanted.tokens.take())?;
    check_algorithm(&key, SYMMETRIC, |spec| spec.encryption)?;
    Ok(key)
}

/// Seals a secret with a key, unless the call is a trial.
pub(crate) fn seal(cx: &Cx, key: &Key, wanted: Wanted, secret: Bytes, operation: &'static str) -> Result<Sealed> {
    let context = wanted.context.unwrap_or_else(Context::new);
    let blob = envelope::encrypt(cx, key, &secret, &context)?;
    unless_dry(cx, key, operation, wanted.dry_run)?;
    Ok(Sealed { key_arn: key.arn(cx), material: key.current().to_owned(), plaintext: secret, blob })
}

/// So many bytes of chance.
fn chance(cx: &Cx, length: usize) -> Bytes {
    let mut out = Vec::with_capacity(length);
    while out.len() < length {
        out.extend_from_slice(&cx.random().bytes::<64>());
    }
    out.truncate(length);
    out.into()
}

/// Makes a data key, as long as the caller says in one of two ways.
pub(crate) fn data_key(
    cx: &Cx,
    mut wanted: Wanted,
    spec: Option<&str>,
    bytes: Option<i32>,
    operation: &'static str,
) -> Result<Sealed> {
    let length = match (spec, bytes) {
        (Some("AES_128"), None) => 16,
        (Some(_), None) => 32,
        (None, Some(bytes)) => usize::try_from(bytes).map_err(undercast_kernel::Failure::broken)?,
        _ => return Err(error::validation("Please specify either number of bytes or key spec.").into()),
    };
    let key = sealing_key(cx, &mut wanted, operation)?;
    seal(cx, &key, wanted, chance(cx, length), operation)
}

pub(crate) fn random(cx: &Cx, input: &api::GenerateRandomInput) -> Result<api::GenerateRandomOutput> {
    if let Some(id) = &input.custom_key_store_id {
        return Err(error::no_store(id).into());
    }
    let length = input.number_of_bytes.ok_or_else(|| error::validation("NumberOfBytes is required."))?;
    let length = usize::try_from(length).map_err(undercast_kernel::Failure::broken)?;
    Ok(api::GenerateRandomOutput { plaintext: Some(chance(cx, length)), ciphertext_for_recipient: None })
}
