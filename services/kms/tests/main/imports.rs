//! Key material that comes from outside.

use super::*;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature;

const DAY: u64 = 24 * 60 * 60;

pub(crate) async fn external(client: &Client, more: Json) -> (String, String) {
    let mut input = json!({"Origin": "EXTERNAL"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    key(client, input).await
}

/// A token, and material wrapped for it.
pub(crate) async fn wrapped(client: &Client, id: &str, algorithm: &str, material: &[u8]) -> Json {
    let input = json!({"KeyId": id, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"});
    let told = call(client, "GetParametersForImport", input).await;
    let public = text::unbase64(told["PublicKey"].as_str().unwrap()).unwrap();
    let padding = if algorithm.ends_with("SHA_1") { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    let blob = if algorithm.starts_with("RSA_AES") {
        let mut out = vec![0; material.len() + 16];
        let wrapper = AesKek::new(&AES_256, &[7; 32]).unwrap();
        let wrapped = wrapper.wrap_with_padding(material, &mut out).unwrap().to_vec();
        [rsa(&public, padding, &[7; 32]), wrapped].concat()
    } else {
        rsa(&public, padding, material)
    };
    json!({"KeyId": id, "ImportToken": told["ImportToken"], "EncryptedKeyMaterial": text::base64(&blob), "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"})
}

fn rsa(public: &[u8], padding: &'static OaepAlgorithm, plaintext: &[u8]) -> Vec<u8> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public).unwrap()).unwrap();
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(padding, plaintext, &mut out, None).unwrap();
    out
}

fn with(mut input: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!("{more} is no object") };
    input.as_object_mut().unwrap().extend(more);
    input
}

async fn described(client: &Client, id: &str) -> Json {
    call(client, "DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone()
}

#[tokio::test]
async fn a_key_waits_for_its_material_and_is_what_came() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = external(&client, json!({})).await;
    let told = described(&client, &id).await;
    assert_eq!(
        (&told["KeyState"], &told["Origin"], &told["Enabled"]),
        (&json!("PendingImport"), &json!("EXTERNAL"), &json!(false))
    );
    let (code, message) = refused(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await;
    assert_eq!((code, message), ("KMSInvalidStateException".to_owned(), format!("{arn} is pending import.")));
    assert_eq!(refused(&client, "EnableKey", json!({"KeyId": id})).await.0, "KMSInvalidStateException");
    let mut blob = Json::Null;
    for algorithm in ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"] {
        let imported = call(&client, "ImportKeyMaterial", wrapped(&client, &id, algorithm, &[1; 32]).await).await;
        let told = described(&client, &id).await;
        assert_eq!(
            (&told["KeyState"], &told["ExpirationModel"]),
            (&json!("Enabled"), &json!("KEY_MATERIAL_DOES_NOT_EXPIRE"))
        );
        assert_eq!((&imported["KeyId"], &imported["KeyMaterialId"]), (&json!(arn), &told["CurrentKeyMaterialId"]));
        if !blob.is_null() {
            assert_eq!(call(&client, "Decrypt", json!({"CiphertextBlob": blob})).await["Plaintext"], json!(b64("x")));
        }
        blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
        let gone = call(
            &client,
            "DeleteImportedKeyMaterial",
            json!({"KeyId": id, "KeyMaterialId": imported["KeyMaterialId"]}),
        )
        .await;
        assert_eq!(gone["KeyMaterialId"], imported["KeyMaterialId"]);
        assert_eq!(described(&client, &id).await["KeyState"], json!("PendingImport"));
        assert_eq!(refused(&client, "Decrypt", json!({"CiphertextBlob": blob})).await.0, "KMSInvalidStateException");
    }
    // Nothing but the same material comes again.
    let other = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[2; 32]).await;
    assert_eq!(refused(&client, "ImportKeyMaterial", other).await.0, "IncorrectKeyMaterialException");
}

/// Whether some file below a folder has these bytes in it.
fn stands_in(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return stands_in(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn material_lies_as_ciphertext() {
    let cloud = Cloud::durable(services()).await;
    let client = cloud.client();
    let (id, _) = external(&client, json!({"Description": "seen in the data"})).await;
    let secret: Vec<u8> = (100..132).collect();
    call(&client, "ImportKeyMaterial", wrapped(&client, &id, "RSAES_OAEP_SHA_256", &secret).await).await;
    let data = cloud.kernel.settings().data.clone().unwrap();
    assert!(stands_in(&data, b"seen in the data"));
    assert!(!stands_in(&data, &secret));
    call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await;
}

#[tokio::test]
async fn material_expires_when_it_should() {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    let (id, _) = external(&client, json!({})).await;
    let now = cloud.kernel.clock().now().as_second();
    let days = |days: i64| json!({"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": now + days * 24 * 60 * 60});
    let input = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[1; 32]).await;
    for (more, message) in [
        (
            json!({"ExpirationModel": "KEY_MATERIAL_EXPIRES"}),
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        ),
        (
            json!({"ValidTo": now + 60}),
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        ),
        (days(-1), "The validTo date must be in the future"),
        (days(366), "The validTo date must be within 365 days"),
    ] {
        let (code, told) = refused(&client, "ImportKeyMaterial", with(input.clone(), more)).await;
        assert_eq!((code.as_str(), told.as_str()), ("ValidationException", message));
    }
    call(&client, "ImportKeyMaterial", with(input.clone(), days(3))).await;
    assert_eq!(described(&client, &id).await["ValidTo"].as_i64(), Some(now + 3 * 24 * 60 * 60));
    // The same again with a later date moves it.
    call(&client, "ImportKeyMaterial", with(input.clone(), days(5))).await;
    cloud.kernel.advance(Duration::from_secs(4 * DAY)).await.unwrap();
    assert_eq!(described(&client, &id).await["KeyState"], json!("Enabled"));
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    assert_eq!(described(&client, &id).await["KeyState"], json!("PendingImport"));
    assert_eq!(refused(&client, "ImportKeyMaterial", input).await.0, "ExpiredImportTokenException");
    // A key that was to be deleted waits for its material again.
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
    assert_eq!(refused(&client, "DeleteImportedKeyMaterial", json!({"KeyId": id})).await.0, "KMSInvalidStateException");
    call(&client, "CancelKeyDeletion", json!({"KeyId": id})).await;
    assert_eq!(described(&client, &id).await["KeyState"], json!("PendingImport"));
}

#[tokio::test]
async fn material_is_rotated_by_hand() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = external(&client, json!({})).await;
    let input = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[1; 32]).await;
    let first = call(
        &client,
        "ImportKeyMaterial",
        with(input, json!({"ImportType": "NEW_KEY_MATERIAL", "KeyMaterialDescription": "one"})),
    )
    .await["KeyMaterialId"]
        .clone();
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    let (code, message) = refused(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await;
    assert_eq!(
        (code, message),
        (
            "KMSInvalidStateException".to_owned(),
            format!("No available key material pending rotation for the key: {arn}.")
        )
    );
    let (code, message) = refused(&client, "EnableKeyRotation", json!({"KeyId": id})).await;
    assert_eq!(
        (code, message),
        (
            "UnsupportedOperationException".to_owned(),
            format!("{arn} origin is EXTERNAL which is not valid for this operation.")
        )
    );
    let new = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[2; 32]).await;
    let second =
        call(&client, "ImportKeyMaterial", with(new, json!({"ImportType": "NEW_KEY_MATERIAL"}))).await["KeyMaterialId"]
            .clone();
    let third = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[3; 32]).await;
    assert_eq!(
        refused(&client, "ImportKeyMaterial", with(third, json!({"ImportType": "NEW_KEY_MATERIAL"}))).await.0,
        "KMSInvalidStateException"
    );
    assert_eq!(described(&client, &id).await["CurrentKeyMaterialId"], first);
    let all = json!({"KeyId": id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"});
    let told = call(&client, "ListKeyRotations", all.clone()).await["Rotations"].clone();
    assert_eq!(
        (&told[0]["KeyMaterialDescription"], &told[1]["KeyMaterialState"]),
        (&json!("one"), &json!("PENDING_ROTATION"))
    );
    call(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await;
    assert_eq!(described(&client, &id).await["CurrentKeyMaterialId"], second);
    assert_eq!(call(&client, "Decrypt", json!({"CiphertextBlob": blob})).await["KeyMaterialId"], first);
    // A key needs all its material.
    call(&client, "DeleteImportedKeyMaterial", json!({"KeyId": id, "KeyMaterialId": first})).await;
    assert_eq!(described(&client, &id).await["KeyState"], json!("PendingImport"));
    let told = call(&client, "ListKeyRotations", all).await["Rotations"].clone();
    assert_eq!(
        (&told[0]["ImportState"], &told[1]["ImportState"], &told[0]["ExpirationModel"]),
        (&json!("PENDING_IMPORT"), &json!("IMPORTED"), &json!("KEY_MATERIAL_DOES_NOT_EXPIRE"))
    );
    let again = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[1; 32]).await;
    let wrong = with(again.clone(), json!({"KeyMaterialId": second}));
    assert_eq!(refused(&client, "ImportKeyMaterial", wrong).await.0, "IncorrectKeyMaterialException");
    call(
        &client,
        "ImportKeyMaterial",
        with(again, json!({"KeyMaterialId": first, "ImportType": "EXISTING_KEY_MATERIAL"})),
    )
    .await;
    assert_eq!(described(&client, &id).await["KeyState"], json!("Enabled"));
    let unknown = json!({"KeyId": id, "KeyMaterialId": "0".repeat(64)});
    assert_eq!(refused(&client, "DeleteImportedKeyMaterial", unknown).await.0, "NotFoundException");
}

#[tokio::test]
async fn other_keys_come_from_outside_too() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = external(&client, json!({"KeySpec": "HMAC_384", "KeyUsage": "GENERATE_VERIFY_MAC"})).await;
    let short = wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[9; 32]).await;
    assert_eq!(refused(&client, "ImportKeyMaterial", short).await.0, "IncorrectKeyMaterialException");
    call(&client, "ImportKeyMaterial", wrapped(&client, &id, "RSAES_OAEP_SHA_256", &[9; 48]).await).await;
    let made =
        call(&client, "GenerateMac", json!({"KeyId": id, "Message": b64("x"), "MacAlgorithm": "HMAC_SHA_384"})).await;
    let outside = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA384, &[9; 48]);
    assert_eq!(made["Mac"], json!(text::base64(aws_lc_rs::hmac::sign(&outside, b"x").as_ref())));
    let pair = signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let (id, _) = external(&client, json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})).await;
    call(&client, "ImportKeyMaterial", wrapped(&client, &id, "RSAES_OAEP_SHA_256", private.as_ref()).await).await;
    let told = call(&client, "GetPublicKey", json!({"KeyId": id})).await;
    let public = text::unbase64(told["PublicKey"].as_str().unwrap()).unwrap();
    let signed = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), b"x").unwrap();
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, public)
        .verify(b"x", signed.as_ref())
        .unwrap();
    let (id, _) = external(&client, json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})).await;
    let plain = json!({"KeyId": id, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"});
    assert_eq!(refused(&client, "GetParametersForImport", plain).await.0, "UnsupportedOperationException");
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'static> = aws_lc_rs::encoding::AsDer::as_der(&rsa).unwrap();
    call(&client, "ImportKeyMaterial", wrapped(&client, &id, "RSA_AES_KEY_WRAP_SHA_256", private.as_ref()).await).await;
    call(&client, "Sign", json!({"KeyId": id, "Message": b64("x"), "SigningAlgorithm": "RSASSA_PSS_SHA_256"})).await;
}

#[tokio::test]
async fn tokens_are_for_their_key_and_material_for_their_token() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ((one, _), (two, _)) = (external(&client, json!({})).await, external(&client, json!({})).await);
    let input = wrapped(&client, &one, "RSAES_OAEP_SHA_256", &[1; 32]).await;
    let elsewhere = with(input.clone(), json!({"KeyId": two}));
    assert_eq!(refused(&client, "ImportKeyMaterial", elsewhere).await.0, "InvalidImportTokenException");
    for wrong in [b64("x"), text::base64(&[3; 256])] {
        let wrong = with(input.clone(), json!({"EncryptedKeyMaterial": wrong}));
        assert_eq!(refused(&client, "ImportKeyMaterial", wrong).await.0, "InvalidCiphertextException");
    }
    let (own, arn) = key(&client, json!({"Origin": "AWS_KMS"})).await;
    let expected = (
        "UnsupportedOperationException".to_owned(),
        format!("{arn} origin is AWS_KMS which is not valid for this operation."),
    );
    let parameters = json!({"KeyId": own, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"});
    assert_eq!(refused(&client, "GetParametersForImport", parameters).await, expected);
    assert_eq!(refused(&client, "ImportKeyMaterial", with(input.clone(), json!({"KeyId": own}))).await, expected);
    assert_eq!(refused(&client, "DeleteImportedKeyMaterial", json!({"KeyId": own})).await, expected);
    for (algorithm, spec) in [("RSAES_PKCS1_V1_5", "RSA_2048"), ("SM2PKE", "SM2")] {
        let old = json!({"KeyId": one, "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec});
        assert_eq!(refused(&client, "GetParametersForImport", old).await.0, "UnsupportedOperationException");
    }
    let all = [
        ("GetParametersForImport", json!({"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"})),
        ("ImportKeyMaterial", input),
        ("DeleteImportedKeyMaterial", json!({})),
    ];
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": one})).await;
    for (operation, input) in all {
        for (id, code) in [
            (one.as_str(), "KMSInvalidStateException"),
            ("01234567-89ab-cdef-0123-456789abcdef", "NotFoundException"),
            ("arn:aws:kms:us-east-1:000000000000:x", "InvalidArnException"),
        ] {
            assert_eq!(
                refused(&client, operation, with(input.clone(), json!({"KeyId": id}))).await.0,
                code,
                "{operation}"
            );
        }
    }
}
