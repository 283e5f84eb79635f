//! What holds for any data, any encryption context, and any time at which a key is rotated.

use std::collections::BTreeMap;

use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Encryptions under contexts, and rotations between them.
#[derive(Debug, Clone)]
enum Step {
    Encrypt(Vec<u8>, BTreeMap<String, String>),
    Rotate,
    ReEncrypt(usize, BTreeMap<String, String>),
}

fn context() -> impl Strategy<Value = BTreeMap<String, String>> {
    // Few names and values, and such as would run together if they were merely joined.
    btree_map("[ab]{0,2}", "[ab=&]{0,2}", 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (vec(any::<u8>(), 1..64), context()).prop_map(|(data, context)| Step::Encrypt(data, context)),
        1 => Just(Step::Rotate),
        2 => (any::<prop::sample::Index>(), context()).prop_map(|(at, context)| Step::ReEncrypt(at.index(1000), context)),
    ]
}

type Kept = (String, Vec<u8>, BTreeMap<String, String>);

async fn run(steps: Vec<Step>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    let mut kept: Vec<Kept> = Vec::new();
    let blob = |answer: &Json| answer["CiphertextBlob"].as_str().unwrap().to_owned();
    for step in steps {
        match step {
            Step::Encrypt(data, context) => {
                let input = json!({"KeyId": id, "Plaintext": text::base64(&data), "EncryptionContext": context});
                kept.push((blob(&call(&client, "Encrypt", input).await), data, context));
            }
            Step::Rotate => drop(call(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await),
            Step::ReEncrypt(_, _) if kept.is_empty() => {}
            Step::ReEncrypt(at, new) => {
                let at = at % kept.len();
                let (old, data, context) = kept[at].clone();
                let input = json!({"CiphertextBlob": old, "SourceEncryptionContext": context, "DestinationKeyId": id, "DestinationEncryptionContext": new});
                kept[at] = (blob(&call(&client, "ReEncrypt", input).await), data, new);
            }
        }
    }
    let contexts: Vec<_> = kept.iter().map(|(.., context)| context.clone()).collect();
    for (blob, data, own) in &kept {
        for context in &contexts {
            let answer =
                client.call("kms", "Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": context})).await;
            if context == own {
                assert_eq!(answer.ok()["Plaintext"], json!(text::base64(data)));
            } else {
                assert_eq!(answer.code(), "InvalidCiphertextException", "{own:?} {context:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_ciphertext_opens_with_its_own_context_whatever_was_rotated(steps in vec(step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
