//! Signature version 4a: one signature that is good in a set of regions, made with a key of an elliptic curve.
//!
//! The private key is derived from the secret access key, so the server can derive it too; only its public half is kept.
//! Source: "AWS Signature Version 4 for API requests", "How AWS SigV4a works" in the IAM user guide; the derivation is that
//! of NIST SP 800-108 in counter mode.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Unreadable;
use crate::http::{Request, names};
use crate::text;

/// The name of this algorithm in a [`super::Signature`].
pub const ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";

/// The header or query parameter that names the regions.
pub(super) const REGION_SET: &str = "X-Amz-Region-Set";

/// The order of the curve, less two: a candidate above it is not taken.
const ORDER_LESS_TWO: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];

/// The private key that belongs to an access key. `None` if 254 candidates were refused, which does not happen.
pub fn private_key(access_key: &str, secret: &str) -> Option<[u8; 32]> {
    let input_key = format!("AWS4A{secret}");
    (1..=254_u8).find_map(|counter| {
        let mut mac = Hmac::<Sha256>::new_from_slice(input_key.as_bytes()).ok()?;
        // The number of the block, the label, its end, the context, and how many bits are wanted.
        mac.update(&1_u32.to_be_bytes());
        mac.update(ALGORITHM.as_bytes());
        mac.update(&[0]);
        mac.update(access_key.as_bytes());
        mac.update(&[counter]);
        mac.update(&256_u32.to_be_bytes());
        let candidate: [u8; 32] = mac.finalize().into_bytes().into();
        (candidate <= ORDER_LESS_TWO).then(|| plus_one(candidate))
    })
}

fn plus_one(mut number: [u8; 32]) -> [u8; 32] {
    for digit in number.iter_mut().rev() {
        let (sum, carry) = digit.overflowing_add(1);
        *digit = sum;
        if !carry {
            break;
        }
    }
    number
}

/// What verifies the signatures of an access key.
#[derive(Debug, Clone)]
pub struct PublicKey {
    key: ParsedPublicKey,
    point: Vec<u8>,
}

impl PublicKey {
    /// The key that belongs to an access key. `None`: there is none, which does not happen.
    pub fn of(access_key: &str, secret: &str) -> Option<Self> {
        let private = PrivateKey::from_private_key(&ECDH_P256, &private_key(access_key, secret)?).ok()?;
        let point = private.compute_public_key().ok()?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.as_ref()).ok()?;
        Some(Self { key, point: point.as_ref().to_vec() })
    }

    /// The point of the curve that it is, uncompressed.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Whether `signature`, in hexadecimal, is one of `text`.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        text::unhex(signature).is_some_and(|bytes| self.key.verify_sig(text.as_bytes(), &bytes).is_ok())
    }
}

/// The set of regions of a request that is signed in its header. It must be signed itself: else whoever passes the
/// request on could widen it.
pub(super) fn signed_regions(request: &Request, signed_headers: &str) -> Result<String, Unreadable> {
    let signed = signed_headers.split(';').any(|name| name == names::AMZ_REGION_SET.as_str());
    match request.header(&names::AMZ_REGION_SET).filter(|_| signed) {
        Some(regions) => Ok(regions.to_owned()),
        None => Err(Unreadable::Incomplete(format!(
            "Authorization header with {ALGORITHM} requires existence of a signed '{REGION_SET}' header."
        ))),
    }
}

/// The regions of a set: `us-east-1,eu-*`.
fn entries(set: &str) -> impl Iterator<Item = &str> {
    set.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Whether `region` is in the set.
pub fn admits(set: &str, region: &str) -> bool {
    entries(set).any(|entry| fits(entry, region))
}

/// The first region of the set that has no wildcard in it.
pub fn first_named(set: &str) -> Option<&str> {
    entries(set).find(|entry| !entry.contains('*'))
}

/// `eu-*` fits `eu-west-1`. A set is a header long at most, and each star is tried from the left once.
fn fits(pattern: &str, region: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == region };
    let Some(mut rest) = region.strip_prefix(head) else { return false };
    let (middle, end) = tail.rsplit_once('*').map_or((None, tail), |(middle, end)| (Some(middle), end));
    for part in middle.into_iter().flat_map(|m| m.split('*')) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_admit_their_regions() {
        for (set, region, wanted) in [
            ("us-east-1", "us-east-1", true),
            ("us-east-1", "us-east-2", false),
            ("us-east-1,eu-west-1", "eu-west-1", true),
            ("us-east-1, eu-west-1", "eu-west-1", true),
            ("*", "ap-south-1", true),
            ("us-west-*", "us-west-2", true),
            ("us-west-*", "us-east-2", false),
            ("*-1", "us-east-1", true),
            ("*-1", "us-east-2", false),
            ("us-*-1", "us-east-1", true),
            ("us-*-1", "us--1", true),
            ("us-*-1", "us-1", false),
            ("u*-*-1", "us-east-1", true),
            ("u*-*t-*1", "us-east-2", false),
            ("", "us-east-1", false),
            (",,", "us-east-1", false),
        ] {
            assert_eq!(admits(set, region), wanted, "{set} {region}");
        }
        assert_eq!(first_named("*,eu-*, eu-west-1,us-east-1"), Some("eu-west-1"));
        assert_eq!(first_named("*"), None);
    }

    #[test]
    fn one_more_carries() {
        let mut number = [0xff; 32];
        number[0] = 0;
        let mut wanted = [0; 32];
        wanted[0] = 1;
        assert_eq!(plus_one(number), wanted);
    }
}
