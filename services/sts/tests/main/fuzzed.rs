//! The bodies of the fuzz targets: what strangers bring, of chance. Nobody here has the private keys, so what is verified
//! says what was once signed, and nothing else.

use serde_json::{Value as Json, json};
use undercast_kernel::Timestamp;
use undercast_sts::vouched;

/// The keys and the metadata of a provider whose private keys are gone.
const KEYS: &[u8] = include_bytes!("fuzzed/keys.json");
const METADATA: &str = include_str!("fuzzed/metadata.xml");
/// When they were used.
const NOW: i64 = 1_700_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A token; and behind the first line, the keys that it is verified with, where they are not those above. `true`: it is good.
pub(crate) fn token(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Some((token, keys)) = text.split_once('\n') {
        return vouched::claims(token, keys.as_bytes(), now()).is_ok();
    }
    let Ok(claims) = vouched::claims(text, KEYS, now()) else { return false };
    // What was signed, but for when it ends and begins, and what holds it together.
    assert_eq!(claims["iss"], "https://idp.example.com");
    assert_eq!(claims["sub"], "ann");
    assert_eq!(claims["aud"], json!(["app", "other"]));
    let tags = claims["https://aws.amazon.com/tags"]["principal_tags"].as_object().map(|tags| json!(tags));
    assert_eq!(tags, Some(json!({"team": ["red"]})));
    assert!(claims["exp"].as_f64().is_some_and(|ends| ends > NOW as f64));
    true
}

/// A response of SAML, and the metadata of a provider. `true`: it is good.
pub(crate) fn saml(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    assert!(vouched::subject(text, text, now()).is_err(), "a response is no metadata");
    let Ok((subject, attributes)) = vouched::subject(text, METADATA, now()) else { return false };
    assert_eq!(subject, "ann@example.com");
    let role = "arn:aws:iam::000000000000:role/saml,arn:aws:iam::000000000000:saml-provider/idp";
    let expected: Json = json!([
        ["https://aws.amazon.com/SAML/Attributes/Role", [role]],
        ["https://aws.amazon.com/SAML/Attributes/RoleSessionName", ["ann"]],
        ["https://aws.amazon.com/SAML/Attributes/PrincipalTag:team", ["red", "blue"]],
        ["urn:oid:1.3.6.1.4.1.5923.1.1.1.1", ["staff"]],
    ]);
    assert_eq!(json!(attributes), expected);
    true
}
