//! Ed25519, ML-DSA and ML-KEM, held against published keys and signatures and against another library.

use super::*;
use crate::imports::{external, wrapped};
use aws_lc_rs::kem::{self, Ciphertext, EncapsulationKey};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sha2::Digest as _;
use shake::{ExtendableOutput as _, Shake256, Update as _, XofReader as _};

fn bytes(value: &Json) -> Vec<u8> {
    text::unbase64(value.as_str().unwrap()).unwrap()
}

/// A key whose private key comes from outside.
async fn imported(client: &Client, spec: &str, usage: &str, private: &[u8]) -> String {
    let (id, _) = external(client, json!({"KeySpec": spec, "KeyUsage": usage})).await;
    call(client, "ImportKeyMaterial", wrapped(client, &id, "RSA_AES_KEY_WRAP_SHA_256", private).await).await;
    id
}

async fn public(client: &Client, id: &str) -> Vec<u8> {
    bytes(&call(client, "GetPublicKey", json!({"KeyId": id})).await["PublicKey"])
}

fn pkcs8(head: &str, seed: &[u8]) -> Vec<u8> {
    [text::unhex(head).unwrap(), seed.to_vec()].concat()
}

/// RFC 8032, 7.1 (TEST 2) and 7.3 (TEST abc).
#[tokio::test]
async fn edwards_keys_sign_as_rfc_8032_says() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for (seed, public_key, algorithm, kind, message, signature) in [
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "ED25519_SHA_512",
            "RAW",
            vec![0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ED25519_PH_SHA_512",
            "DIGEST",
            sha2::Sha512::digest(b"abc").to_vec(),
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
        ),
    ] {
        let private = pkcs8("302e020100300506032b657004220420", &text::unhex(seed).unwrap());
        let id = imported(&client, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY", &private).await;
        assert_eq!(text::hex_encode(&public(&client, &id).await[12..]), public_key);
        let input =
            json!({"KeyId": id, "Message": text::base64(&message), "MessageType": kind, "SigningAlgorithm": algorithm});
        let made = call(&client, "Sign", input.clone()).await;
        assert_eq!(text::hex_encode(&bytes(&made["Signature"])), signature);
        let mut input = input;
        input["Signature"] = made["Signature"].clone();
        assert_eq!(call(&client, "Verify", input.clone()).await["SignatureValid"], json!(true));
        for at in [0, 40, 63] {
            let mut bent = bytes(&made["Signature"]);
            bent[at] ^= 1;
            input["Signature"] = json!(text::base64(&bent));
            assert_eq!(refused(&client, "Verify", input.clone()).await.0, "KMSInvalidSignatureException");
        }
        input["Signature"] = json!(text::base64(b"short"));
        assert_eq!(refused(&client, "Verify", input.clone()).await.0, "KMSInvalidSignatureException");
        // The message types are not interchangeable.
        for kind in ["RAW", "DIGEST", "EXTERNAL_MU"].into_iter().filter(|other| *other != kind) {
            input["MessageType"] = json!(kind);
            let (code, message) = refused(&client, "Verify", input.clone()).await;
            assert_eq!(code, "ValidationException");
            assert_eq!(message, format!("Message type {kind} is incompatible with algorithm {algorithm}."));
        }
    }
}

#[tokio::test]
async fn a_new_edwards_key_signs_for_those_outside() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({"KeySpec": "ECC_NIST_EDWARDS25519", "KeyUsage": "SIGN_VERIFY"})).await;
    let told = call(&client, "DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone();
    assert_eq!(told["SigningAlgorithms"], json!(["ED25519_SHA_512", "ED25519_PH_SHA_512"]));
    let input = json!({"KeyId": id, "Message": b64("hello"), "SigningAlgorithm": "ED25519_SHA_512"});
    let made = call(&client, "Sign", input).await;
    let outside = UnparsedPublicKey::new(&signature::ED25519, public(&client, &id).await);
    outside.verify(b"hello", &bytes(&made["Signature"])).unwrap();
    let (symmetric, _) = key(&client, json!({})).await;
    let input = json!({"KeyId": symmetric, "KeyPairSpec": "ECC_NIST_EDWARDS25519"});
    let pair = call(&client, "GenerateDataKeyPair", input).await;
    let private = bytes(&pair["PrivateKeyPlaintext"]);
    let private = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private).unwrap();
    let outside = UnparsedPublicKey::new(&signature::ED25519, bytes(&pair["PublicKey"]));
    outside.verify(b"x", private.sign(b"x").as_ref()).unwrap();
}

/// What ML-DSA signs of a message: FIPS 204, algorithm 7, with an empty context.
fn representative(raw_public: &[u8], message: &[u8]) -> Vec<u8> {
    let shake = |parts: &[&[u8]]| {
        let mut hash = Shake256::default();
        parts.iter().for_each(|part| hash.update(part));
        let mut out = [0; 64];
        hash.finalize_xof().read(&mut out);
        out
    };
    shake(&[&shake(&[raw_public]), &[0, 0], message]).to_vec()
}

/// The keys are those of RFC 9881, appendix C: the seed 00 01 … 1f, and its public key.
#[tokio::test]
async fn lattice_keys_sign_messages_and_their_representatives_alike() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let algorithms: [(&str, &str, &str, &'static dyn VerificationAlgorithm, usize); 3] = [
        (
            "ML_DSA_44",
            "11",
            "837832708c5236d951581f1fddf2b79991b3424a0486d16da1ddad0fd69701be",
            &signature::ML_DSA_44,
            2420,
        ),
        (
            "ML_DSA_65",
            "12",
            "b8b62131bfbe84433efb2273d7f5b87f7a22854a2cfd366fc2aead86d837c52d",
            &signature::ML_DSA_65,
            3309,
        ),
        (
            "ML_DSA_87",
            "13",
            "07e57c4f14dbad1267f621ec3777b4e2e6c4fbc4c22fbb87510ff8e0b3c6a642",
            &signature::ML_DSA_87,
            4627,
        ),
    ];
    let seed: Vec<u8> = (0..32).collect();
    for (spec, oid, hash, verification, length) in algorithms {
        let private = pkcs8(&format!("3034020100300b06096086480165030403{oid}04228020"), &seed);
        let id = imported(&client, spec, "SIGN_VERIFY", &private).await;
        let public = public(&client, &id).await;
        assert_eq!(text::hex_encode(&sha2::Sha256::digest(&public)), hash, "{spec}");
        let outside = UnparsedPublicKey::new(verification, public.clone());
        let raw = json!({"KeyId": id, "Message": b64("hello"), "SigningAlgorithm": "ML_DSA_SHAKE_256"});
        let of = representative(&public[22..], b"hello");
        let mut mu = raw.clone();
        mu["Message"] = json!(text::base64(&of));
        mu["MessageType"] = json!("EXTERNAL_MU");
        for signing in [&raw, &mu] {
            let signature = call(&client, "Sign", signing.clone()).await["Signature"].clone();
            let mut bent = bytes(&signature);
            assert_eq!(bent.len(), length);
            outside.verify(b"hello", &bent).unwrap();
            bent[length / 2] ^= 1;
            for verifying in [&raw, &mu] {
                let mut input = verifying.clone();
                input["Signature"] = signature.clone();
                assert_eq!(call(&client, "Verify", input.clone()).await["SignatureValid"], json!(true));
                for wrong in [bent.clone(), bent[1..].to_vec()] {
                    input["Signature"] = json!(text::base64(&wrong));
                    assert_eq!(refused(&client, "Verify", input.clone()).await.0, "KMSInvalidSignatureException");
                }
            }
        }
        mu["Message"] = json!(b64("short"));
        let (code, message) = refused(&client, "Sign", mu.clone()).await;
        assert_eq!(code, "ValidationException");
        assert_eq!(message, "Digest is invalid length for algorithm ML_DSA_SHAKE_256.");
        mu["MessageType"] = json!("DIGEST");
        assert_eq!(refused(&client, "Sign", mu).await.0, "ValidationException");
    }
    // One that was made here does the same.
    let (id, _) = key(&client, json!({"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"})).await;
    let public = public(&client, &id).await;
    let of = text::base64(&representative(&public[22..], b"hello"));
    let input =
        json!({"KeyId": id, "Message": of, "MessageType": "EXTERNAL_MU", "SigningAlgorithm": "ML_DSA_SHAKE_256"});
    let made = call(&client, "Sign", input).await;
    UnparsedPublicKey::new(&signature::ML_DSA_44, public).verify(b"hello", &bytes(&made["Signature"])).unwrap();
}

/// The keys are those of RFC 9935, appendix C: the seed 00 01 … 3f, and its public key.
#[tokio::test]
async fn what_is_encapsulated_here_or_elsewhere_comes_out_as_one_secret() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let algorithms = [
        ("ML_KEM_512", "01", "0e3c8b89b54202d2545f7aba2e2aaa3cffa7b6191919ad738fab35b4f313cf71", &kem::ML_KEM_512, 768),
        (
            "ML_KEM_768",
            "02",
            "c23e23dd3d485a9256cda09358a4a286e00b373db10761eadf99f710649ca31c",
            &kem::ML_KEM_768,
            1088,
        ),
        (
            "ML_KEM_1024",
            "03",
            "d2b7480ae006a14b37c1e8a8e45ea39022e32a9b1a7b90d594c84d869c6ac420",
            &kem::ML_KEM_1024,
            1568,
        ),
    ];
    let seed: Vec<u8> = (0..64).collect();
    let usage = "ENCAPSULATE_DECAPSULATE";
    for (spec, oid, hash, algorithm, length) in algorithms {
        let private = pkcs8(&format!("3054020100300b06096086480165030404{oid}04428040"), &seed);
        let id = imported(&client, spec, usage, &private).await;
        let told = call(&client, "GetPublicKey", json!({"KeyId": id})).await;
        assert_eq!((&told["EncapsulationAlgorithms"], &told["KeyUsage"]), (&json!(["ML_KEM"]), &json!(usage)));
        let public = bytes(&told["PublicKey"]);
        assert_eq!(text::hex_encode(&sha2::Sha256::digest(&public)), hash, "{spec}");
        let named = json!({"KeyId": id, "EncapsulationAlgorithm": "ML_KEM"});
        let opened = |sealed: &[u8]| {
            let mut input = named.clone();
            input["SharedSecretCiphertextBlob"] = json!(text::base64(sealed));
            input
        };
        // Another library encapsulates, KMS opens.
        let outside = EncapsulationKey::new(algorithm, &public[22..]).unwrap();
        let (sealed, secret) = outside.encapsulate().unwrap();
        let there = call(&client, "Decapsulate", opened(sealed.as_ref())).await;
        assert_eq!(bytes(&there["SharedSecret"]), secret.as_ref());
        // KMS encapsulates for a pair whose private key another library opens it with, by way of its own.
        let made = call(&client, "Encapsulate", named.clone()).await;
        let blob = bytes(&made["SharedSecretCiphertextBlob"]);
        assert_eq!((blob.len(), bytes(&made["SharedSecret"]).len()), (length, 32));
        assert_eq!(call(&client, "Decapsulate", opened(&blob)).await["SharedSecret"], made["SharedSecret"]);
        let again = call(&client, "Encapsulate", named.clone()).await;
        assert_ne!(again["SharedSecret"], made["SharedSecret"]);
        // Altered, it becomes another secret, always the same one; of another length it is none.
        let mut bent = blob.clone();
        bent[length - 1] ^= 1;
        let other = call(&client, "Decapsulate", opened(&bent)).await;
        assert_ne!(other["SharedSecret"], made["SharedSecret"]);
        assert_eq!(call(&client, "Decapsulate", opened(&bent)).await["SharedSecret"], other["SharedSecret"]);
        assert_eq!(refused(&client, "Decapsulate", opened(&blob[1..])).await.0, "InvalidCiphertextException");
        // Pairs of keys for callers.
        let (symmetric, _) = key(&client, json!({})).await;
        let pair = call(&client, "GenerateDataKeyPair", json!({"KeyId": symmetric, "KeyPairSpec": spec})).await;
        let taken = imported(&client, spec, usage, &bytes(&pair["PrivateKeyPlaintext"])).await;
        let outside = EncapsulationKey::new(algorithm, &bytes(&pair["PublicKey"])[22..]).unwrap();
        let (sealed, secret): (Ciphertext<'_>, _) = outside.encapsulate().unwrap();
        let input = json!({"KeyId": taken, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": text::base64(sealed.as_ref())});
        assert_eq!(bytes(&call(&client, "Decapsulate", input).await["SharedSecret"]), secret.as_ref());
    }
}

#[tokio::test]
async fn lattices_are_what_their_region_has() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client().in_region("cn-north-1");
    let input = json!({"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"});
    assert_eq!(refused(&client, "CreateKey", input).await.0, "UnsupportedOperationException");
    let client = cloud.client();
    let input = json!({"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"});
    assert_eq!(refused(&client, "CreateKey", input).await.0, "UnsupportedOperationException");
    for (spec, usage) in
        [("ML_KEM_768", "SIGN_VERIFY"), ("ML_DSA_44", "KEY_AGREEMENT"), ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT")]
    {
        let (code, message) = refused(&client, "CreateKey", json!({"KeySpec": spec, "KeyUsage": usage})).await;
        assert_eq!(
            (code, message),
            ("ValidationException".to_owned(), format!("KeyUsage {usage} is not compatible with KeySpec {spec}"))
        );
    }
    // A private key of another kind is no material.
    let (id, _) = external(&client, json!({"KeySpec": "ML_DSA_44", "KeyUsage": "SIGN_VERIFY"})).await;
    let private = pkcs8("302e020100300506032b657004220420", &[1; 32]);
    let input = wrapped(&client, &id, "RSA_AES_KEY_WRAP_SHA_256", &private).await;
    assert_eq!(refused(&client, "ImportKeyMaterial", input).await.0, "IncorrectKeyMaterialException");
}

#[tokio::test]
async fn a_grant_lets_its_grantee_encapsulate_and_nothing_else() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let input = json!({"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"});
    let (id, _) = key(&client, input).await;
    let grantee = user(&cloud, ACCOUNT, "grantee", None).await;
    let named = json!({"KeyId": id, "EncapsulationAlgorithm": "ML_KEM"});
    assert_eq!(refused(&grantee, "Encapsulate", named.clone()).await.0, "AccessDeniedException");
    let grant = json!({"KeyId": id, "GranteePrincipal": format!("arn:aws:iam::{ACCOUNT}:user/grantee"), "Operations": ["Encapsulate"]});
    call(&client, "CreateGrant", grant).await;
    let made = call(&grantee, "Encapsulate", named.clone()).await;
    let mut open = named;
    open["SharedSecretCiphertextBlob"] = made["SharedSecretCiphertextBlob"].clone();
    assert_eq!(refused(&grantee, "Decapsulate", open.clone()).await.0, "AccessDeniedException");
    assert_eq!(call(&client, "Decapsulate", open).await["SharedSecret"], made["SharedSecret"]);
    let grant = json!({"KeyId": id, "GranteePrincipal": format!("arn:aws:iam::{ACCOUNT}:user/grantee"), "Operations": ["Sign"]});
    assert_eq!(refused(&client, "CreateGrant", grant).await.0, "ValidationException");
}
