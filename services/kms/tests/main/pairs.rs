//! Pairs of keys and HMAC keys. What they make is checked with a library, as a program without KMS would.

use super::*;
use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sha2::Digest as _;

fn bytes(json: &Json) -> Vec<u8> {
    text::unbase64(json.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn signatures_are_good_outside() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let curves: [(&str, &str, &'static dyn VerificationAlgorithm); 4] = [
        ("ECC_NIST_P256", "ECDSA_SHA_256", &signature::ECDSA_P256_SHA256_ASN1),
        ("ECC_NIST_P384", "ECDSA_SHA_384", &signature::ECDSA_P384_SHA384_ASN1),
        ("ECC_NIST_P521", "ECDSA_SHA_512", &signature::ECDSA_P521_SHA512_ASN1),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", &signature::ECDSA_P256K1_SHA256_ASN1),
    ];
    for (spec, algorithm, verification) in curves {
        let (id, _) = key(&client, json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"})).await;
        good(&client, &id, &[(algorithm, verification)]).await;
    }
    let rsa: [(&str, &'static dyn VerificationAlgorithm); 6] = [
        ("RSASSA_PKCS1_V1_5_SHA_256", &signature::RSA_PKCS1_2048_8192_SHA256),
        ("RSASSA_PKCS1_V1_5_SHA_384", &signature::RSA_PKCS1_2048_8192_SHA384),
        ("RSASSA_PKCS1_V1_5_SHA_512", &signature::RSA_PKCS1_2048_8192_SHA512),
        ("RSASSA_PSS_SHA_256", &signature::RSA_PSS_2048_8192_SHA256),
        ("RSASSA_PSS_SHA_384", &signature::RSA_PSS_2048_8192_SHA384),
        ("RSASSA_PSS_SHA_512", &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let (id, _) = key(&client, json!({"CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})).await;
    good(&client, &id, &rsa).await;
}

async fn good(client: &Client, id: &str, algorithms: &[(&str, &'static dyn VerificationAlgorithm)]) {
    let told = call(client, "GetPublicKey", json!({"KeyId": id})).await;
    let names: Vec<&str> = algorithms.iter().map(|(name, _)| *name).collect();
    assert_eq!((&told["SigningAlgorithms"], &told["EncryptionAlgorithms"]), (&json!(names), &Json::Null));
    for (algorithm, verification) in algorithms {
        let digest = match &algorithm[algorithm.len() - 3..] {
            "256" => sha2::Sha256::digest(b"hello").to_vec(),
            "384" => sha2::Sha384::digest(b"hello").to_vec(),
            _ => sha2::Sha512::digest(b"hello").to_vec(),
        };
        let raw = json!({"KeyId": id, "Message": b64("hello"), "SigningAlgorithm": algorithm});
        let digested = json!({"KeyId": id, "Message": text::base64(&digest), "MessageType": "DIGEST", "SigningAlgorithm": algorithm});
        for (signing, verifying) in [(&raw, &digested), (&digested, &raw)] {
            let made = call(client, "Sign", signing.clone()).await;
            let outside = UnparsedPublicKey::new(*verification, bytes(&told["PublicKey"]));
            outside.verify(b"hello", &bytes(&made["Signature"])).unwrap();
            let mut input = verifying.clone();
            input["Signature"] = made["Signature"].clone();
            assert_eq!(call(client, "Verify", input.clone()).await["SignatureValid"], json!(true));
            let mut other = raw.clone();
            other["Message"] = json!(b64("hullo"));
            other["Signature"] = made["Signature"].clone();
            assert_eq!(
                refused(client, "Verify", other).await,
                ("KMSInvalidSignatureException".to_owned(), String::new())
            );
            input["DryRun"] = json!(true);
            assert_eq!(refused(client, "Verify", input).await.0, "DryRunOperationException");
        }
        let (code, message) = refused(
            client,
            "Sign",
            json!({"KeyId": id, "Message": b64("x"), "MessageType": "DIGEST", "SigningAlgorithm": algorithm}),
        )
        .await;
        assert_eq!(
            (code, message),
            ("ValidationException".to_owned(), format!("Digest is invalid length for algorithm {algorithm}."))
        );
    }
}

#[tokio::test]
async fn rsa_keys_decrypt_what_was_encrypted_outside() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = key(&client, json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})).await;
    let public = bytes(&call(&client, "GetPublicKey", json!({"KeyId": id})).await["PublicKey"]);
    let outside = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public).unwrap()).unwrap();
    let mut blob = vec![0; outside.ciphertext_size()];
    outside.encrypt(&OAEP_SHA256_MGF1SHA256, b"hello", &mut blob, None).unwrap();
    let input =
        json!({"KeyId": id, "CiphertextBlob": text::base64(&blob), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"});
    let opened = call(&client, "Decrypt", input.clone()).await;
    assert_eq!(
        (&opened["Plaintext"], &opened["KeyId"], &opened["KeyMaterialId"]),
        (&json!(b64("hello")), &json!(arn), &Json::Null)
    );
    for (algorithm, most) in [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)] {
        let input = json!({"KeyId": id, "Plaintext": b64(&"x".repeat(most)), "EncryptionAlgorithm": algorithm});
        let made = call(&client, "Encrypt", input).await;
        let input = json!({"KeyId": id, "CiphertextBlob": made["CiphertextBlob"], "EncryptionAlgorithm": algorithm});
        assert_eq!(call(&client, "Decrypt", input).await["Plaintext"], json!(b64(&"x".repeat(most))));
        let input = json!({"KeyId": id, "Plaintext": b64(&"x".repeat(most + 1)), "EncryptionAlgorithm": algorithm});
        let (code, message) = refused(&client, "Encrypt", input).await;
        assert_eq!(code, "ValidationException");
        assert_eq!(
            message,
            format!("Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {most} bytes.")
        );
    }
    let mut wrong = input;
    wrong["EncryptionAlgorithm"] = json!("RSAES_OAEP_SHA_1");
    assert_eq!(refused(&client, "Decrypt", wrong).await.0, "InvalidCiphertextException");
    // A symmetric ciphertext moves under it.
    let (symmetric, _) = key(&client, json!({})).await;
    let made = call(&client, "Encrypt", json!({"KeyId": symmetric, "Plaintext": b64("x")})).await;
    let moved = json!({"CiphertextBlob": made["CiphertextBlob"], "DestinationKeyId": id, "DestinationEncryptionAlgorithm": "RSAES_OAEP_SHA_1"});
    let moved = call(&client, "ReEncrypt", moved).await;
    assert!(moved["DestinationKeyMaterialId"].is_null());
    let back = json!({"CiphertextBlob": moved["CiphertextBlob"], "SourceKeyId": id, "SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_1", "DestinationKeyId": symmetric});
    call(&client, "ReEncrypt", back).await;
    for (operation, input) in [
        ("Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256"})),
        ("Decrypt", json!({"KeyId": id, "CiphertextBlob": made["CiphertextBlob"]})),
    ] {
        let (code, message) = refused(&client, operation, input).await;
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."),
            "{operation}"
        );
    }
}

#[tokio::test]
async fn two_keys_agree_on_a_secret() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for (spec, algorithm, length) in [
        ("ECC_NIST_P256", &agreement::ECDH_P256, 32),
        ("ECC_NIST_P384", &agreement::ECDH_P384, 48),
        ("ECC_NIST_P521", &agreement::ECDH_P521, 66),
    ] {
        let (id, arn) = key(&client, json!({"KeySpec": spec, "KeyUsage": "KEY_AGREEMENT"})).await;
        let told = call(&client, "GetPublicKey", json!({"KeyId": id})).await;
        assert_eq!((&told["KeyAgreementAlgorithms"], &told["SigningAlgorithms"]), (&json!(["ECDH"]), &Json::Null));
        let outside = agreement::PrivateKey::generate(algorithm).unwrap();
        let public: PublicKeyX509Der<'static> = outside.compute_public_key().unwrap().as_der().unwrap();
        let input = json!({"KeyId": id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": text::base64(public.as_ref())});
        let derived = call(&client, "DeriveSharedSecret", input.clone()).await;
        let ours = agreement::UnparsedPublicKey::new(algorithm, bytes(&told["PublicKey"]));
        let secret = agreement::agree(&outside, ours, (), |secret| Ok(secret.to_vec())).unwrap();
        assert_eq!((secret.len(), bytes(&derived["SharedSecret"])), (length, secret));
        assert_eq!((&derived["KeyId"], &derived["KeyOrigin"]), (&json!(arn), &json!("AWS_KMS")));
        let change = |more: Json| {
            let mut input = input.clone();
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        assert_eq!(
            refused(&client, "DeriveSharedSecret", change(json!({"PublicKey": b64("x")}))).await.0,
            "ValidationException"
        );
        assert_eq!(
            refused(&client, "DeriveSharedSecret", change(json!({"DryRun": true}))).await.0,
            "DryRunOperationException"
        );
        assert_eq!(
            refused(&client, "DeriveSharedSecret", change(json!({"GrantTokens": ["x"]}))).await.0,
            "InvalidGrantTokenException"
        );
        call(&client, "DisableKey", json!({"KeyId": id})).await;
        assert_eq!(refused(&client, "DeriveSharedSecret", input.clone()).await.0, "DisabledException");
        call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
        assert_eq!(refused(&client, "DeriveSharedSecret", input.clone()).await.0, "KMSInvalidStateException");
        let (signs, _) = key(&client, json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"})).await;
        assert_eq!(
            refused(&client, "DeriveSharedSecret", change(json!({"KeyId": signs}))).await.0,
            "InvalidKeyUsageException"
        );
    }
}

#[tokio::test]
async fn codes_are_those_of_hmac() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for (bits, length) in [("224", 28), ("256", 32), ("384", 48), ("512", 64)] {
        let (id, _) = key(&client, json!({"KeySpec": format!("HMAC_{bits}"), "KeyUsage": "GENERATE_VERIFY_MAC"})).await;
        let algorithm = format!("HMAC_SHA_{bits}");
        let input = json!({"KeyId": id, "Message": b64("hello"), "MacAlgorithm": algorithm});
        let made = call(&client, "GenerateMac", input.clone()).await;
        assert_eq!(bytes(&made["Mac"]).len(), length);
        let mut verify = input.clone();
        verify["Mac"] = made["Mac"].clone();
        assert_eq!(call(&client, "VerifyMac", verify.clone()).await["MacValid"], json!(true));
        verify["DryRun"] = json!(true);
        assert_eq!(refused(&client, "VerifyMac", verify.clone()).await.0, "DryRunOperationException");
        verify["Message"] = json!(b64("hullo"));
        assert_eq!(refused(&client, "VerifyMac", verify).await.0, "KMSInvalidMacException");
        let described = call(&client, "DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone();
        assert_eq!(
            (&described["MacAlgorithms"], &described["EncryptionAlgorithms"]),
            (&json!([algorithm]), &Json::Null)
        );
        let wrong = if bits == "256" { "HMAC_SHA_512" } else { "HMAC_SHA_256" };
        let (code, message) =
            refused(&client, "GenerateMac", json!({"KeyId": id, "Message": b64("x"), "MacAlgorithm": wrong})).await;
        assert_eq!(
            (code, message),
            (
                "InvalidKeyUsageException".to_owned(),
                format!("Algorithm {wrong} is incompatible with key spec HMAC_{bits}.")
            )
        );
    }
}

#[tokio::test]
async fn a_pair_of_data_keys_belongs_together() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    for spec in ["ECC_NIST_P256", "ECC_SECG_P256K1", "RSA_2048"] {
        let input = json!({"KeyId": id, "KeyPairSpec": spec, "EncryptionContext": {"a": "b"}});
        let made = call(&client, "GenerateDataKeyPair", input.clone()).await;
        let opened = json!({"CiphertextBlob": made["PrivateKeyCiphertextBlob"], "EncryptionContext": {"a": "b"}});
        let opened = call(&client, "Decrypt", opened).await;
        assert_eq!(
            (&opened["Plaintext"], &opened["KeyMaterialId"]),
            (&made["PrivateKeyPlaintext"], &made["KeyMaterialId"])
        );
        let (private, public) = (bytes(&made["PrivateKeyPlaintext"]), bytes(&made["PublicKey"]));
        signs_for(spec, &private, &public);
        let hidden = call(&client, "GenerateDataKeyPairWithoutPlaintext", input).await;
        assert!(hidden["PrivateKeyPlaintext"].is_null());
        let opened = json!({"CiphertextBlob": hidden["PrivateKeyCiphertextBlob"], "EncryptionContext": {"a": "b"}});
        let private = bytes(&call(&client, "Decrypt", opened).await["Plaintext"]);
        signs_for(spec, &private, &bytes(&hidden["PublicKey"]));
    }
}

/// What the private key signs, the public one verifies.
fn signs_for(spec: &str, private: &[u8], public: &[u8]) {
    let chance = aws_lc_rs::rand::SystemRandom::new();
    let curve = match spec {
        "ECC_NIST_P256" => Some((&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P256_SHA256_ASN1)),
        "ECC_SECG_P256K1" => Some((&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING, &signature::ECDSA_P256K1_SHA256_ASN1)),
        _ => None,
    };
    if let Some((signing, verification)) = curve {
        let made = signature::EcdsaKeyPair::from_pkcs8(signing, private).unwrap().sign(&chance, b"x").unwrap();
        UnparsedPublicKey::new(verification, public).verify(b"x", made.as_ref()).unwrap();
        return;
    }
    let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(private).unwrap();
    let mut made = vec![0; pair.public_modulus_len()];
    pair.sign(&signature::RSA_PSS_SHA256, &chance, b"x", &mut made).unwrap();
    UnparsedPublicKey::new(&signature::RSA_PSS_2048_8192_SHA256, public).verify(b"x", &made).unwrap();
}
