//! The keys that digest files are signed with, and ListPublicKeys.
//!
//! Each region has its own, for a year each. Source: "Custom implementations of CloudTrail log file integrity validation" in the user
//! guide.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use md5::{Digest as _, Md5};
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Table};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::{self, errors, output};
use crate::rows::moment;

/// Account, region, since when it is valid.
static KEYS: Table<SigningKey> = Table::new("cloudtrail.keys");

/// A key is used so long, in milliseconds.
const VALID: i64 = 365 * 24 * 60 * 60 * 1000;
/// So many are on a page.
const PAGE: usize = 50;

/// A pair of keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SigningKey {
    /// PKCS #8.
    #[cbor(n(0), with = "minicbor::bytes")]
    private: Vec<u8>,
    /// PKCS #1.
    #[cbor(n(1), with = "minicbor::bytes")]
    public: Vec<u8>,
    #[n(2)]
    pub(crate) fingerprint: String,
    /// Milliseconds since 1970.
    #[n(3)]
    from: i64,
    #[n(4)]
    until: i64,
}

fn make(now: i64) -> Result<SigningKey> {
    let no_key = |_| Failure::broken("a key for digest files could not be made");
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(no_key)?;
    let public = pair.public_key().as_ref().to_vec();
    let der = pair.public_key().as_der().map_err(no_key)?;
    Ok(SigningKey {
        private: pair.as_der().map_err(no_key)?.as_ref().to_vec(),
        fingerprint: text::hex_encode(&Md5::digest(der.as_ref())),
        public,
        from: now,
        until: now + VALID,
    })
}

impl SigningKey {
    /// A signature over SHA-256, in hexadecimal.
    pub(crate) fn sign(&self, what: &str) -> Result<String> {
        let failed = |_| Failure::broken("a digest file could not be signed");
        let pair = RsaKeyPair::from_pkcs8(&self.private).map_err(|_| Failure::broken("a key cannot be read"))?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), what.as_bytes(), &mut signature).map_err(failed)?;
        Ok(text::hex_encode(&signature))
    }
}

/// The key of this region by now. The first one who needs it makes it.
pub(crate) async fn current(cx: &Cx) -> Result<SigningKey> {
    let valid = |key: &SigningKey| key.until > cx.now_millis();
    let newest = |found: Vec<undercast_kernel::store::Entry<SigningKey>>| found.into_iter().next().map(|e| e.row);
    let place = (cx.account(), cx.region());
    let there = newest(KEYS.page(&cx.read(), &place, None::<&()>, Order::Descending, 1)?);
    if let Some(key) = there.filter(valid) {
        return Ok(key);
    }
    // Two seconds of work, beside which others go on.
    let now = cx.now_millis();
    let made = tokio::task::spawn_blocking(move || make(now)).await.map_err(Failure::broken)??;
    cx.write(|tx| {
        let there = newest(KEYS.page(tx, &place, None::<&()>, Order::Descending, 1)?);
        if let Some(key) = there.filter(valid) {
            return Ok(key);
        }
        KEYS.put(tx, &(cx.account(), cx.region(), made.from), &made);
        Ok(made.clone())
    })
    .await
}

/// The keys that were valid at a time between these.
pub(crate) fn list(cx: &Cx, input: &api::ListPublicKeysInput) -> Result<api::ListPublicKeysOutput> {
    let start = input.start_time.map_or(cx.now_millis(), Timestamp::as_millisecond);
    let end = input.end_time.map_or(cx.now_millis(), Timestamp::as_millisecond);
    if start > end {
        return Err(errors::invalid_time_range_exception("The start time must not be after the end time.").into());
    }
    let all = KEYS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let found = all.filter(|key| key.from <= end && key.until >= start).map(|key| output::PublicKey {
        value: Some(key.public.into()),
        validity_start_time: Some(moment(key.from)),
        validity_end_time: Some(moment(key.until)),
        fingerprint: Some(key.fingerprint),
    });
    let page = paging::page("ListPublicKeys", found.collect(), input.next_token.as_deref(), PAGE);
    let (keys, next_token) = page.ok_or_else(|| errors::invalid_token_exception("The next token is not valid."))?;
    Ok(api::ListPublicKeysOutput { public_key_list: Some(keys), next_token })
}
