//! Signatures: one that is verified is right, and what is right is verified.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use sha2::{Digest as _, Sha256};
use undercast_wire::sigv4::{self, Key, Signature, asymmetric, canonical, v2};
use undercast_wire::{Request, text};

use super::rest;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request that says in a header by whom it is signed. The first line of the input is its URI, headers follow.
pub(super) fn header(bytes: &[u8]) {
    check(&rest::request(bytes));
}

/// A request that says in its URI by whom it is signed.
pub(super) fn query(bytes: &[u8]) {
    let mut request = rest::request(bytes);
    request.headers.remove("authorization");
    check(&request);
}

fn check(request: &Request) {
    let Ok(Some(signature)) = sigv4::read(request) else { return };
    if signature.algorithm == v2::ALGORITHM {
        let _ = v2::sign(request, &signature, SECRET);
        return;
    }
    let body = text::hex_encode(&Sha256::digest(rest::whole_body(request)));
    for s3 in [false, true] {
        let canonical = sigv4::canonical_request(request, &signature, &body, s3);
        let hash: [u8; 32] = Sha256::digest(canonical.as_bytes()).into();
        assert_eq!(hash, canonical::canonical_hash(request, &signature, &body, s3), "hashed in pieces: {canonical}");
        verified(request, &signature, &body, s3, &sigv4::string_to_sign(&signature, &canonical));
    }
}

fn verified(request: &Request, given: &Signature, body: &str, s3: bool, to_sign: &str) {
    let key = Key::of(given, SECRET);
    let right = if given.is_asymmetric() {
        sign_asymmetric(&given.access_key, to_sign)
    } else {
        sigv4::sign(&sigv4::signing_key(SECRET, &given.date, &given.region, &given.service), to_sign)
    };
    let verify = |signature: &str| {
        let signature = Signature { signature: signature.to_owned(), ..given.clone() };
        sigv4::verify(request, &signature, body, s3, &key)
    };
    assert!(verify(&right), "the right signature is refused: {to_sign}");
    // A signature of version 4a is another one each time; the input cannot have made one.
    let known = !given.is_asymmetric() && given.signature == right;
    assert_eq!(verify(&given.signature), known, "the signature {} of {to_sign}", given.signature);
    for at in [0, right.len() / 2, right.len() - 1] {
        let mut wrong = right.clone().into_bytes();
        wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
        let wrong = String::from_utf8(wrong).unwrap_or_default();
        assert!(!verify(&wrong), "the wrong signature {wrong} is taken: {to_sign}");
    }
    assert!(!verify(&right[..right.len() - 2]), "a part of a signature is taken");
}

/// A signature of version 4a in hexadecimal.
pub(super) fn sign_asymmetric(access_key: &str, to_sign: &str) -> String {
    let private = asymmetric::private_key(access_key, SECRET).expect("a private key");
    let public = asymmetric::PublicKey::of(access_key, SECRET).expect("a public key");
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_ASN1_SIGNING, &private, public.point());
    let made = pair.expect("a pair of keys").sign(&SystemRandom::new(), to_sign.as_bytes()).expect("a signature");
    text::hex_encode(made.as_ref())
}
