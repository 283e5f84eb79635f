//! Signing keys: derived once a day, region and service, then kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Signature;
use crate::text;

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length, so this cannot fail; an empty one stands in for the impossible.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// The key that signs for one day, region and service.
pub fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let date_key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    let region_key = hmac(&date_key, region.as_bytes());
    let service_key = hmac(&region_key, service.as_bytes());
    hmac(&service_key, b"aws4_request")
}

/// The signature of `text`, in hexadecimal.
pub fn sign(key: &[u8; 32], text: &str) -> String {
    text::hex_encode(&hmac(key, text.as_bytes()))
}

/// Signing keys that were derived lately.
#[derive(Default)]
pub struct SigningKeys(RwLock<HashMap<u64, Arc<Kept>>>);

struct Kept {
    secret: String,
    date: String,
    region: String,
    service: String,
    key: [u8; 32],
}

/// More than so many are not kept: a client that invents scopes must not fill the memory.
const KEPT: usize = 1024;

impl SigningKeys {
    /// The key for the scope of `signature`, with `secret`.
    pub fn get(&self, signature: &Signature, secret: &str) -> [u8; 32] {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (secret, &signature.date, &signature.region, &signature.service).hash(&mut hasher);
        let slot = hasher.finish();
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&slot).cloned();
        if let Some(kept) = kept
            && kept.secret == secret
            && kept.date == signature.date
            && kept.region == signature.region
            && kept.service == signature.service
        {
            return kept.key;
        }
        let key = signing_key(secret, &signature.date, &signature.region, &signature.service);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        let kept = Kept {
            secret: secret.to_owned(),
            date: signature.date.clone(),
            region: signature.region.clone(),
            service: signature.service.clone(),
            key,
        };
        all.insert(slot, Arc::new(kept));
        key
    }
}
