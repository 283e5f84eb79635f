//! Bodies that are not what they should be: refused in IAM's words, and nothing of them kept.

use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_RSA_SHA256};

use super::*;

/// What a body becomes: cut, with bytes changed, doubled, or something else altogether.
#[derive(Debug, Clone)]
enum Harm {
    Cut(prop::sample::Index),
    Change(prop::sample::Index, char),
    Drop(prop::sample::Index, usize),
    Twice,
    Other(String),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        (any::<prop::sample::Index>(), "[ -~]").prop_map(|(at, c)| Harm::Change(at, c.chars().next().unwrap())),
        (any::<prop::sample::Index>(), 1..64_usize).prop_map(|(at, n)| Harm::Drop(at, n)),
        Just(Harm::Twice),
        "[ -~\n]{1,400}".prop_map(Harm::Other),
    ]
}

impl Harm {
    fn done_to(&self, body: &str) -> String {
        let mut letters: Vec<char> = body.chars().collect();
        match self {
            Self::Cut(at) => letters.truncate(at.index(letters.len()).max(1)),
            Self::Change(at, c) => {
                let at = at.index(letters.len());
                letters[at] = *c;
            }
            Self::Drop(at, n) => {
                let at = at.index(letters.len());
                letters.drain(at..(at + n).min(letters.len()));
            }
            Self::Twice => letters.extend(body.chars()),
            Self::Other(text) => return text.clone(),
        }
        letters.into_iter().collect()
    }
}

/// The bodies that are read, each with its call and where in it the body stands.
fn calls() -> Vec<(&'static str, Json, &'static str)> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let (body, pem) = certificates::signed(&key, "web");
    let mut server = json!({"ServerCertificateName": "web", "CertificateBody": body, "PrivateKey": pem});
    server["CertificateChain"] = json!(body);
    let saml = json!({"Name": "idp", "SAMLMetadataDocument": certificates::metadata(), "AddPrivateKey": pem});
    vec![
        ("UploadServerCertificate", server.clone(), "CertificateBody"),
        ("UploadServerCertificate", server.clone(), "PrivateKey"),
        ("UploadServerCertificate", server, "CertificateChain"),
        ("UploadSigningCertificate", json!({"UserName": "ann", "CertificateBody": body}), "CertificateBody"),
        (
            "UploadSSHPublicKey",
            json!({"UserName": "ann", "SSHPublicKeyBody": key.public_key_pem()}),
            "SSHPublicKeyBody",
        ),
        ("CreateSAMLProvider", saml.clone(), "SAMLMetadataDocument"),
        ("CreateSAMLProvider", saml, "AddPrivateKey"),
        (
            "CreateOpenIDConnectProvider",
            json!({"Url": "https://id.example.com/a", "ThumbprintList": ["a".repeat(40)]}),
            "Url",
        ),
        (
            "PutGroupPolicy",
            json!({"GroupName": "devs", "PolicyName": "p", "PolicyDocument": allow("sqs:*", "*")}),
            "PolicyDocument",
        ),
    ]
}

async fn kept(client: &Client) -> Json {
    let mut all = json!({});
    for operation in ["ListServerCertificates", "ListSAMLProviders", "ListOpenIDConnectProviders"] {
        all[operation] = client.call("iam", operation, json!({})).await.ok();
    }
    for operation in ["ListSigningCertificates", "ListSSHPublicKeys"] {
        all[operation] = client.call("iam", operation, json!({"UserName": "ann"})).await.ok();
    }
    all["ListGroupPolicies"] = client.call("iam", "ListGroupPolicies", json!({"GroupName": "devs"})).await.ok();
    all
}

async fn harmed(harms: Vec<Harm>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    client.call("iam", "CreateGroup", json!({"GroupName": "devs"})).await.ok();
    for (operation, input, member) in calls() {
        for harm in &harms {
            let mut bad = input.clone();
            bad[member] = json!(harm.done_to(input[member].as_str().unwrap()));
            let before = kept(&client).await;
            let answer = client.call("iam", operation, bad).await;
            match answer.status {
                // Some harm is none: white space, a letter of a name.
                200 => break,
                400 | 409 => assert_eq!(kept(&client).await, before, "{operation} {member}"),
                other => panic!("{operation} {member} is answered {other}: {}", answer.json),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn bodies_that_are_broken_are_refused(harms in prop::collection::vec(harm(), 4)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(harmed(harms));
    }
}

#[tokio::test]
async fn markers_and_names_that_cannot_be_are_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    for (operation, input) in [
        ("ListGroups", json!({"Marker": "none"})),
        ("ListGroups", json!({"MaxItems": 0})),
        ("ListGroups", json!({"PathPrefix": "x"})),
        ("CreateGroup", json!({"GroupName": "a b"})),
        ("CreateGroup", json!({"GroupName": "x".repeat(129)})),
        ("CreateGroup", json!({"GroupName": "x", "Path": "no"})),
        ("CreateUser", json!({"UserName": "x".repeat(65)})),
        ("UpdateUser", json!({"UserName": "ann", "NewUserName": "a/b"})),
        ("CreateInstanceProfile", json!({"InstanceProfileName": ""})),
        ("UpdateAccountPasswordPolicy", json!({"MinimumPasswordLength": 5})),
        ("UpdateAccountPasswordPolicy", json!({"MaxPasswordAge": 0})),
        ("UpdateAccountPasswordPolicy", json!({"PasswordReusePrevention": 25})),
        ("GetSSHPublicKey", json!({"UserName": "ann", "SSHPublicKeyId": "APKAAAAAAAAAAAAAAAAA", "Encoding": "DER"})),
        (
            "ListEntitiesForPolicy",
            json!({"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess", "EntityFilter": "Car"}),
        ),
        ("CreateLoginProfile", json!({"UserName": "ann", "Password": "x".repeat(129)})),
        ("AttachGroupPolicy", json!({"GroupName": "x", "PolicyArn": "short"})),
    ] {
        let answer = client.call("iam", operation, input.clone()).await;
        assert_eq!((answer.status, answer.code()), (400, "ValidationError"), "{operation} {input}: {}", answer.json);
    }
    // A marker is of its own list.
    for name in ["one", "two"] {
        client.call("iam", "CreateGroup", json!({"GroupName": name})).await.ok();
    }
    let first = client.call("iam", "ListGroups", json!({"MaxItems": 1})).await.ok();
    let other = client.call("iam", "ListUsers", json!({"Marker": first["Marker"]})).await;
    assert_eq!(other.code(), "ValidationError");
}
