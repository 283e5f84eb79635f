//! Key material: the secrets themselves, which rows hold as ciphertext.

use undercast_kernel::{Bytes, Cx, Result};
use undercast_wire::text;

use crate::pairs;
use crate::rows::{Key, Material};
use crate::specs::{MAC, SYMMETRIC, Spec};

/// The bytes of a material id; it is written in hexadecimal.
pub(crate) const ID: usize = 32;

/// New material for a key of some spec, and its id.
pub(crate) async fn make(cx: &Cx, key_id: &str, spec: Spec) -> Result<(String, Material)> {
    let secret = if spec.name == SYMMETRIC || spec.serves(MAC) {
        // A 224-bit HMAC key has 28 bytes, and so on; a symmetric key has 32.
        let bytes: [u8; 64] = cx.random().bytes();
        bytes[..spec.bits() / 8].to_vec()
    } else {
        pairs::generate(cx, spec.name).await?.private
    };
    let id = new_id(cx);
    Ok((id, sealed(cx, key_id, &secret)?))
}

/// A secret as material of a key.
pub(crate) fn sealed(cx: &Cx, key_id: &str, secret: &[u8]) -> Result<Material> {
    let sealed = Some(cx.blobs().seal(secret)?.into());
    Ok(Material { key_id: key_id.to_owned(), sealed, rotated: None, on_demand: false, import: None })
}

/// A new id of material.
pub(crate) fn new_id(cx: &Cx) -> String {
    text::hex_encode(&cx.random().bytes::<ID>())
}

/// The secret of a key's current material.
pub(crate) fn current(cx: &Cx, key: &Key) -> Result<Bytes> {
    of(cx, key, key.current())
}

/// The secret of some material of a key.
pub(crate) fn of(cx: &Cx, key: &Key, id: &str) -> Result<Bytes> {
    let sealed = key.material(cx, &cx.read(), id)?.sealed;
    let sealed = sealed.ok_or_else(|| cx.broken(format!("key {} is used without its material {id}", key.id)))?;
    Ok(cx.blobs().unseal(sealed.into())?)
}
