//! Key material that comes from outside: wrapped for the way, kept as long as its owner wishes.
//!
//! Source: "Importing key material for AWS KMS keys" in the KMS developer guide.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Bytes, Cx, Result, Task};
use undercast_wire::text;

use crate::api::{self, errors};
use crate::keys::{self, DAY, SERVICE};
use crate::rows::{Import, KEYS, Key, MATERIALS, Material, State};
use crate::specs::{SYMMETRIC, Spec};
use crate::{error, material, pairs};

/// Account, region, key id, token: the private keys that unwrap.
static IMPORTS: Table<Wrapping> = Table::new("kms.imports");

/// The kind of the task that takes expired material away.
pub(crate) const EXPIRE: &str = "expire";
/// Material is valid for at most so many days.
const LONGEST_DAYS: i64 = 365;

/// A pair of keys that wraps material on its way here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Wrapping {
    #[n(0)]
    sealed: minicbor::bytes::ByteVec,
    #[n(1)]
    algorithm: String,
    /// When it serves no longer, in milliseconds since 1970.
    #[n(2)]
    expires: i64,
}

/// A key whose material comes from outside: the caller's own, and not about to be deleted.
fn external(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Key> {
    let key = keys::living(cx, from, given)?;
    if key.external {
        return Ok(key);
    }
    Err(error::wrong_origin(&key.arn(cx), key.origin()).into())
}

pub(crate) async fn parameters(
    cx: &Cx,
    input: api::GetParametersForImportInput,
) -> Result<api::GetParametersForImportOutput> {
    let key = external(cx, &cx.read(), &input.key_id)?;
    let algorithm = input.wrapping_algorithm;
    let wraps_keys = algorithm.starts_with("RSA_AES_KEY_WRAP");
    let known = wraps_keys || algorithm.starts_with("RSAES_OAEP");
    // A private RSA key is larger than what RSA encrypts. AWS takes PKCS #1 no more, and SM2 in China only.
    if !known || !input.wrapping_key_spec.starts_with("RSA") || (key.spec.starts_with("RSA") && !wraps_keys) {
        let message =
            format!("{algorithm} with {} is not valid for the key spec {}.", input.wrapping_key_spec, key.spec);
        return Err(errors::unsupported_operation_exception(message).into());
    }
    let pair = pairs::generate(cx, &input.wrapping_key_spec).await?;
    let token = cx.random().bytes::<32>();
    let expires = cx.now_millis() + DAY;
    let wrapping = Wrapping { sealed: cx.blobs().seal(&pair.private)?.into(), algorithm, expires };
    cx.write(|tx| {
        let key = external(cx, tx, &input.key_id)?;
        for old in IMPORTS.all(tx, &key.place())?.iter().filter(|entry| entry.row.expires <= cx.now_millis() - DAY) {
            if let Some((account, region, id, token)) = old.key::<(String, String, String, String)>() {
                IMPORTS.delete(tx, &(account, region, id, token));
            }
        }
        IMPORTS.put(tx, &(&key.account, &key.region, &key.id, text::hex_encode(&token)), &wrapping);
        Ok(())
    })
    .await?;
    Ok(api::GetParametersForImportOutput {
        key_id: Some(key.arn(cx)),
        import_token: Some(Bytes::copy_from_slice(&token)),
        public_key: Some(pair.public.into()),
        parameters_valid_to: Some(keys::moment(expires)?),
    })
}

/// The secret that was wrapped for a token.
fn unwrap(cx: &Cx, key: &Key, token: &[u8], wrapped: &[u8]) -> Result<Bytes> {
    let found = IMPORTS.get(&cx.read(), &(&key.account, &key.region, &key.id, text::hex_encode(token)))?;
    let found = found.ok_or_else(|| errors::invalid_import_token_exception("The import token is invalid."))?;
    if found.expires <= cx.now_millis() {
        return Err(errors::expired_import_token_exception("The import token has expired.").into());
    }
    let private = cx.blobs().unseal(found.sealed.into())?;
    let (padding, wraps_keys) = match found.algorithm.strip_prefix("RSA_AES_KEY_WRAP_") {
        Some(hash) => (format!("RSAES_OAEP_{hash}"), true),
        None => (found.algorithm, false),
    };
    if !wraps_keys {
        return pairs::decrypt_with(&private, &padding, wrapped);
    }
    // An AES key wrapped by RSA, then the secret wrapped by the AES key.
    let length = pairs::modulus_length(&private)?;
    let (wrapped_key, rest) = wrapped.split_at_checked(length).ok_or_else(error::bad_ciphertext)?;
    let secret_key = pairs::decrypt_with(&private, &padding, wrapped_key)?;
    let wrapper = AesKek::new(&AES_256, &secret_key).map_err(|_| error::bad_ciphertext())?;
    let mut out = vec![0; rest.len()];
    let opened = wrapper.unwrap_with_padding(rest, &mut out).map_err(|_| error::bad_ciphertext())?;
    Ok(Bytes::copy_from_slice(opened))
}

fn incorrect(message: &str) -> undercast_kernel::AwsError {
    errors::incorrect_key_material_exception(message)
}

/// Refuses a secret that is no material for a key.
fn check(key: &Key, secret: &[u8]) -> Result<()> {
    let spec = Spec::named(&key.spec)?;
    let good = if spec.is_pair() { pairs::is_of(&key.spec, secret) } else { secret.len() == spec.bits() / 8 };
    if good {
        Ok(())
    } else {
        Err(incorrect(&format!("The key material is not valid for the key spec {}.", key.spec)).into())
    }
}

/// When material is to expire.
fn valid_to(cx: &Cx, input: &api::ImportKeyMaterialInput) -> Result<Option<i64>> {
    let expires = input.expiration_model.as_deref() != Some("KEY_MATERIAL_DOES_NOT_EXPIRE");
    let refused = |message: &str| Err(error::validation(message).into());
    match input.valid_to {
        None if expires => refused("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
        Some(_) if !expires => {
            refused("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
        }
        None => Ok(None),
        Some(at) if at <= cx.now() => refused("The validTo date must be in the future"),
        Some(at) if at.as_millisecond() > cx.now_millis() + LONGEST_DAYS * DAY => {
            refused("The validTo date must be within 365 days")
        }
        Some(at) => Ok(Some(at.as_millisecond())),
    }
}

/// The material of a key with a fingerprint: its id.
fn known(cx: &Cx, from: &(impl Read + ?Sized), key: &Key, fingerprint: &str) -> Result<Option<String>> {
    for id in key.materials.iter().chain(&key.pending) {
        if key.material(cx, from, id)?.import.is_some_and(|import| import.fingerprint == fingerprint) {
            return Ok(Some(id.clone()));
        }
    }
    Ok(None)
}

/// Where a secret belongs: the id of material that is there, or a new one.
fn place(
    cx: &Cx,
    tx: &Tx<'_>,
    key: &mut Key,
    input: &api::ImportKeyMaterialInput,
    fingerprint: &str,
) -> Result<String> {
    let known = known(cx, tx, key, fingerprint)?;
    let first = key.materials.is_empty();
    let new = input.import_type.as_deref().map_or(first, |kind| kind == "NEW_KEY_MATERIAL");
    if !new || known.is_some() {
        let same = |id: &String| input.key_material_id.as_ref().is_none_or(|wanted| wanted == id);
        // Material that is new by name only replaces what waits for a rotation, or is what is there already.
        let known = known.filter(same).filter(|id| !new || key.pending.as_ref() == Some(id));
        let other = "The key material is not the key material that was imported before.";
        return known.ok_or_else(|| incorrect(other).into());
    }
    if input.key_material_id.is_some() {
        return Err(error::validation("KeyMaterialId cannot be specified for new key material.").into());
    }
    let id = material::new_id(cx);
    if first {
        key.materials.push(id.clone());
    } else if key.spec != SYMMETRIC {
        return Err(incorrect("The key material is not the key material that was imported before.").into());
    } else if key.pending.is_some() {
        let message = format!("{} has key material that is pending rotation.", key.arn(cx));
        return Err(error::invalid_state(message).into());
    } else {
        key.pending = Some(id.clone());
    }
    Ok(id)
}

pub(crate) async fn import(cx: &Cx, input: api::ImportKeyMaterialInput) -> Result<api::ImportKeyMaterialOutput> {
    let key = external(cx, &cx.read(), &input.key_id)?;
    let valid_to = valid_to(cx, &input)?;
    let secret = unwrap(cx, &key, &input.import_token, &input.encrypted_key_material)?;
    check(&key, &secret)?;
    let fingerprint = digest(&SHA256, &[key.id.as_bytes(), &secret].concat());
    let fingerprint = text::hex_encode(fingerprint.as_ref());
    let fresh = material::sealed(cx, &key.id, &secret)?;
    let id = cx
        .write(|tx| {
            let mut key = external(cx, tx, &input.key_id)?;
            let id = place(cx, tx, &mut key, &input, &fingerprint)?;
            let there = MATERIALS.get(tx, &(&key.account, &key.region, &id))?;
            let before = there.as_ref().and_then(|there| there.import.clone());
            let description = input.key_material_description.clone();
            let description = description.or_else(|| before.and_then(|before| before.description));
            let made = Material {
                sealed: fresh.sealed.clone(),
                import: Some(Import { fingerprint: fingerprint.clone(), valid_to, description }),
                ..there.unwrap_or_else(|| fresh.clone())
            };
            key.put_material(tx, &id, &made);
            expire_later(cx, tx, &key, &id, valid_to)?;
            if key.state == State::PendingImport && !lacks_material(cx, tx, &key)? {
                key.state = State::Enabled;
            }
            key.put(tx);
            Ok(id)
        })
        .await?;
    Ok(api::ImportKeyMaterialOutput { key_id: Some(key.arn(cx)), key_material_id: Some(id) })
}

fn task(key: &Key, id: &str) -> String {
    format!("{}/{id}", keys::task(key, EXPIRE))
}

/// Has material taken away when it expires.
fn expire_later(cx: &Cx, tx: &mut Tx<'_>, key: &Key, id: &str, valid_to: Option<i64>) -> Result<()> {
    match valid_to {
        Some(at) => {
            let payload = format!("{}/{id}", key.id);
            cx.tasks().schedule(cx, tx, SERVICE, &task(key, id), EXPIRE, payload, keys::moment(at)?)
        }
        None => cx.tasks().cancel(tx, SERVICE, &task(key, id)),
    }
}

/// Some of the material that a key needs is not there.
pub(crate) fn lacks_material(cx: &Cx, from: &(impl Read + ?Sized), key: &Key) -> Result<bool> {
    for id in &key.materials {
        if key.material(cx, from, id)?.sealed.is_none() {
            return Ok(true);
        }
    }
    Ok(key.materials.is_empty())
}

/// Takes material away. What waits for a rotation is not needed yet.
fn take_away(cx: &Cx, tx: &mut Tx<'_>, mut key: Key, id: &str) -> Result<()> {
    let there = key.material(cx, tx, id)?;
    key.put_material(tx, id, &Material { sealed: None, ..there });
    cx.tasks().cancel(tx, SERVICE, &task(&key, id))?;
    let waits = matches!(key.state, State::PendingDeletion | State::PendingReplicaDeletion);
    if !waits && key.materials.iter().any(|needed| needed == id) {
        key.state = State::PendingImport;
    }
    key.put(tx);
    Ok(())
}

pub(crate) async fn delete(
    cx: &Cx,
    input: api::DeleteImportedKeyMaterialInput,
) -> Result<api::DeleteImportedKeyMaterialOutput> {
    let (arn, id) = cx
        .write(|tx| {
            let key = external(cx, tx, &input.key_id)?;
            let arn = key.arn(cx);
            let id = input.key_material_id.clone().or_else(|| key.materials.last().cloned());
            let Some(id) = id else { return Ok((arn, None)) };
            if !key.materials.iter().chain(&key.pending).any(|there| *there == id) {
                let message = format!("Key material {id} does not exist for the key {arn}.");
                return Err(errors::not_found_exception(message).into());
            }
            take_away(cx, tx, key, &id)?;
            Ok((arn, Some(id)))
        })
        .await?;
    Ok(api::DeleteImportedKeyMaterialOutput { key_id: Some(arn), key_material_id: id })
}

/// Material's time is over.
pub(crate) async fn expire(cx: &Cx, task: &Task) -> Result<()> {
    let Some((key_id, id)) = task.payload.split_once('/') else { return Ok(()) };
    cx.write(|tx| {
        let Some(key) = KEYS.get(tx, &cx.key(key_id))? else { return Ok(()) };
        let import = key.material(cx, tx, id)?.import;
        let over = import.and_then(|import| import.valid_to).is_some_and(|at| at <= cx.now_millis());
        if over { take_away(cx, tx, key, id) } else { Ok(()) }
    })
    .await
}

/// A key goes, and what waits for its material.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, key: &Key) -> Result<()> {
    IMPORTS.clear(tx, &key.place())?;
    for id in key.materials.iter().chain(&key.pending) {
        cx.tasks().cancel(tx, SERVICE, &task(key, id))?;
    }
    Ok(())
}
