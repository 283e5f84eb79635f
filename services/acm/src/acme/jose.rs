//! How clients sign: JSON Web Signatures (RFC 7515) with keys as JSON (RFC 7517), and their thumbprints (RFC 7638).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::wire::text;

/// Base64 for URLs, without signs at the end.
pub(crate) fn encode(bytes: &[u8]) -> String {
    text::base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

pub(crate) fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut usual = encoded.replace('-', "+").replace('_', "/");
    if usual.len() != encoded.len() || encoded.contains(['+', '/', '=']) {
        return None;
    }
    while !usual.len().is_multiple_of(4) {
        usual.push('=');
    }
    text::unbase64(&usual)
}

/// Something that is signed.
pub(crate) struct Signed {
    /// What the signature says of itself.
    pub protected: Json,
    pub payload: Vec<u8>,
    /// What is signed.
    text: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads the flattened form. `None`: it is none.
    pub(crate) fn read(json: &Json) -> Option<Self> {
        let part = |name: &str| json.get(name).and_then(Json::as_str);
        let (protected, payload) = (part("protected")?, part("payload")?);
        Some(Self {
            protected: serde_json::from_slice(&decode(protected)?).ok().filter(Json::is_object)?,
            payload: decode(payload)?,
            text: format!("{protected}.{payload}"),
            signature: decode(part("signature")?)?,
        })
    }

    /// A text of its protected header.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        self.protected.get(name).and_then(Json::as_str)
    }

    /// What is signed, as JSON.
    pub(crate) fn json(&self) -> Option<Json> {
        serde_json::from_slice(&self.payload).ok()
    }

    /// Whether a key signed it. `None`: nothing is known of such keys, or of how it was signed.
    pub(crate) fn is_signed_with(&self, key: &Json) -> Option<bool> {
        let text = self.text.as_bytes();
        let verified = match (self.said("alg")?, key.get("kty")?.as_str()?) {
            ("RS256", "RSA") => {
                let (n, e) = (member(key, "n")?, member(key, "e")?);
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, text, &self.signature)
            }
            ("ES256", "EC") if key.get("crv")? == "P-256" => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(key)?).verify(text, &self.signature)
            }
            ("ES384", "EC") if key.get("crv")? == "P-384" => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(key)?).verify(text, &self.signature)
            }
            _ => return None,
        };
        Some(verified.is_ok())
    }

    /// Whether it was made with a secret.
    pub(crate) fn is_made_with(&self, mac: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, mac);
        self.said("alg") == Some("HS256") && hmac::verify(&key, self.text.as_bytes(), &self.signature).is_ok()
    }
}

fn member(key: &Json, name: &str) -> Option<Vec<u8>> {
    decode(key.get(name)?.as_str()?)
}

/// A point of a curve, as libraries and certificates have it.
fn point(key: &Json) -> Option<Vec<u8>> {
    Some([&[4][..], &member(key, "x")?, &member(key, "y")?].concat())
}

/// A public key as certificates have it.
pub(crate) fn public_key(key: &Json) -> Option<Vec<u8>> {
    match key.get("kty")?.as_str()? {
        "EC" => point(key),
        "RSA" => {
            let (n, e) = (member(key, "n")?, member(key, "e")?);
            Some(yasna::construct_der(|writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_bigint_bytes(&n, true);
                    writer.next().write_bigint_bytes(&e, true);
                });
            }))
        }
        _ => None,
    }
}

/// What tells a key from others. `None`: it is none.
pub(crate) fn thumbprint(key: &Json) -> Option<String> {
    let names: &[&str] = match key.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    // The members in the order of their names, which is that of the map, and nothing else.
    let members = names.iter().map(|name| Some(((*name).to_owned(), json!(key.get(*name)?.as_str()?))));
    let canonical = Json::Object(members.collect::<Option<_>>()?).to_string();
    Some(encode(&Sha256::digest(canonical.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_has_its_thumbprint() {
        // RFC 7638, 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        assert_eq!(thumbprint(&key).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            proptest::prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn the_usual_alphabet_is_not_read() {
        assert_eq!(decode(&encode(&[0xfb, 0xff, 0xfe, 1])), Some(vec![0xfb, 0xff, 0xfe, 1]));
        assert_eq!((decode("+/8"), decode("AA==")), (None, None));
    }
}
