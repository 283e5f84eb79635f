//! Random passwords.

use super::*;

async fn random(client: &Client, input: Json) -> String {
    ok(client, "GetRandomPassword", input).await["RandomPassword"].as_str().unwrap().to_owned()
}

const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

#[tokio::test]
async fn a_password_has_what_is_asked_for() {
    let (_cloud, client) = noon().await;
    let usual = random(&client, json!({})).await;
    assert_eq!(usual.len(), 32);
    assert_ne!(usual, random(&client, json!({})).await);
    let has = |password: &str, of: &dyn Fn(char) -> bool| password.chars().any(of);
    for _ in 0..20 {
        // One of each type, in whatever place.
        let short = random(&client, json!({"PasswordLength": 4})).await;
        assert!(has(&short, &|c| c.is_ascii_lowercase()) && has(&short, &|c| c.is_ascii_uppercase()), "{short}");
        assert!(has(&short, &|c| c.is_ascii_digit()) && has(&short, &|c| PUNCTUATION.contains(c)), "{short}");
    }
    let letters = json!({"ExcludeNumbers": true, "ExcludePunctuation": true, "PasswordLength": 200});
    assert!(random(&client, letters).await.chars().all(|c| c.is_ascii_alphabetic()));
    let rest = json!({"ExcludeUppercase": true, "ExcludeLowercase": true, "PasswordLength": 200});
    assert!(random(&client, rest).await.chars().all(|c| c.is_ascii_digit() || PUNCTUATION.contains(c)));
    let without = json!({"ExcludeCharacters": "abc123\"'\\", "PasswordLength": 4096});
    let long = random(&client, without).await;
    assert!(long.len() == 4096 && !long.contains(|c| "abc123\"'\\".contains(c)));
    assert!(random(&client, json!({"IncludeSpace": true, "PasswordLength": 4096})).await.contains(' '));
    let single = json!({"PasswordLength": 1, "RequireEachIncludedType": false});
    assert_eq!(random(&client, single).await.len(), 1);
    // Of a type none of which is left none is asked for.
    let digits = json!({"ExcludeCharacters": "0123456789", "PasswordLength": 3});
    assert_eq!(random(&client, digits).await.len(), 3);
}

#[tokio::test]
async fn all_characters_come_as_often() {
    let (_cloud, client) = noon().await;
    let input = json!({"PasswordLength": 4096, "ExcludePunctuation": true, "ExcludeLowercase": true, "ExcludeUppercase": true,
        "RequireEachIncludedType": false});
    let mut counts = [0_u32; 10];
    for _ in 0..10 {
        random(&client, input.clone()).await.bytes().for_each(|digit| counts[usize::from(digit - b'0')] += 1);
    }
    // 4,096 of each are expected, with a deviation of about 61.
    assert!(counts.iter().all(|count| (3_700..4_500).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let (_cloud, client) = noon().await;
    let short = json!({"PasswordLength": 3});
    let words = "Password length is too short based on the required types.";
    is_refused(&client, "GetRandomPassword", short, "InvalidParameterException", words).await;
    let nothing =
        json!({"ExcludeNumbers": true, "ExcludePunctuation": true, "ExcludeUppercase": true, "ExcludeLowercase": true});
    is_refused(&client, "GetRandomPassword", nothing, "InvalidParameterException", "no characters").await;
    for length in [0, 4097] {
        is_refused(
            &client,
            "GetRandomPassword",
            json!({"PasswordLength": length}),
            "ValidationException",
            "passwordLength",
        )
        .await;
    }
}
