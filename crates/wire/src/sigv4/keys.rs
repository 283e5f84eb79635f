//! Signing keys: derived once a day, region and service, then kept.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::asymmetric::PublicKey;
use super::canonical::{Collected, Sink};
use super::{Signature, same};
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

/// What verifies signatures: of version 4 for one day, region and service, of version 4a for one access key.
#[derive(Clone)]
pub struct Key(Kind);

#[derive(Clone)]
enum Kind {
    /// It has been given the key already, which is a third of the work.
    Shared(Hmac<Sha256>),
    /// `None` stands in for a key that cannot be derived; nothing is signed with it.
    Asymmetric(Option<PublicKey>),
}

impl Key {
    /// The key for the scope of `signature`, with `secret`.
    pub fn of(signature: &Signature, secret: &str) -> Self {
        if signature.is_asymmetric() {
            return Self(Kind::Asymmetric(PublicKey::of(&signature.access_key, secret)));
        }
        let key = signing_key(secret, &signature.date, &signature.region, &signature.service);
        match Hmac::<Sha256>::new_from_slice(&key) {
            Ok(mac) => Self(Kind::Shared(mac)),
            Err(_) => Self(Kind::Asymmetric(None)),
        }
    }

    /// The algorithm, as strings to sign begin with it.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.0 {
            Kind::Shared(_) => super::SYMMETRIC,
            Kind::Asymmetric(_) => super::asymmetric::ALGORITHM,
        }
    }

    /// Whether `given`, in hexadecimal, is a signature of `text`.
    pub fn signed(&self, text: &str, given: &str) -> bool {
        self.verifies(given, |out| out.put(text))
    }

    /// Whether `given`, in hexadecimal, is a signature of the text that `write` writes.
    pub(super) fn verifies(&self, given: &str, write: impl Fn(&mut dyn Sink)) -> bool {
        match &self.0 {
            Kind::Shared(mac) => {
                let mut out = Collected::new(mac.clone());
                write(&mut out);
                let made: [u8; 32] = out.finish().finalize().into_bytes().into();
                let mut hex = [0; 64];
                same(text::hex_into(&made, &mut hex), given)
            }
            Kind::Asymmetric(key) => {
                let mut text = String::new();
                write(&mut text);
                key.as_ref().is_some_and(|key| key.verifies(&text, given))
            }
        }
    }
}

/// A key is not for logs.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// Keys that were derived lately.
#[derive(Default)]
pub struct SigningKeys(RwLock<HashMap<u64, Kept>>);

struct Kept {
    of: Scope<String>,
    key: Arc<Key>,
}

/// What a key is derived from.
#[derive(Hash)]
struct Scope<T> {
    secret: T,
    date: T,
    region: T,
    service: T,
    /// Of version 4a only, whose keys know nothing of days, regions and services.
    access_key: T,
}

impl<'a> Scope<&'a str> {
    fn new(signature: &'a Signature, secret: &'a str) -> Self {
        if signature.is_asymmetric() {
            return Self { secret, date: "", region: "", service: "", access_key: &signature.access_key };
        }
        let Signature { date, region, service, .. } = signature;
        Self { secret, date, region, service, access_key: "" }
    }

    fn is(&self, other: &Scope<String>) -> bool {
        self.secret == other.secret
            && self.date == other.date
            && self.region == other.region
            && self.service == other.service
            && self.access_key == other.access_key
    }

    fn kept(&self) -> Scope<String> {
        Scope {
            secret: self.secret.to_owned(),
            date: self.date.to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
            access_key: self.access_key.to_owned(),
        }
    }
}

/// More than so many are not kept: a client that invents scopes must not fill the memory.
const KEPT: usize = 1024;

impl SigningKeys {
    /// The key for the scope of `signature`, with `secret`.
    pub fn get(&self, signature: &Signature, secret: &str) -> Arc<Key> {
        let scope = Scope::new(signature, secret);
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        let slot = hasher.finish();
        if let Some(kept) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&slot)
            && scope.is(&kept.of)
        {
            return kept.key.clone();
        }
        let key = Arc::new(Key::of(signature, secret));
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(slot, Kept { of: scope.kept(), key: key.clone() });
        key
    }
}
