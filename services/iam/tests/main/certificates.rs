//! Certificates with their keys and chains.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256,
};

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate signed by its own key, and the key.
pub(crate) fn signed(key: &KeyPair, name: &str) -> (String, String) {
    (named(name).self_signed(key).unwrap().pem(), key.serialize_pem())
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("iam", operation, input).await.ok()
}

async fn refused(client: &Client, input: Json) -> (String, String) {
    let answer = client.call("iam", "UploadServerCertificate", input).await;
    assert!(answer.status == 400 || answer.status == 409, "{}", answer.json);
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_server_certificate_goes_with_its_key_and_chain() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (root, stranger) = (authority("root"), authority("stranger"));
    let mut middle = named("middle");
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let middle = CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), &root).unwrap();
    for key in [
        KeyPair::generate().unwrap(),
        KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
    ] {
        let (body, pem) = (named("web.example.com").signed_by(&key, &middle).unwrap().pem(), key.serialize_pem());
        let chain = format!("{}{}", middle.pem(), root.pem());
        let all = json!({"ServerCertificateName": "web", "Path": "/cloudfront/", "CertificateBody": body, "PrivateKey": pem,
            "CertificateChain": chain, "Tags": [{"Key": "k", "Value": "v"}]});
        let with = |member: &str, value: &str| {
            let mut input = all.clone();
            input[member] = json!(value);
            input
        };
        let malformed = |at: usize| {
            (
                "MalformedCertificateException".to_owned(),
                format!(
                    "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: {at}"
                ),
            )
        };
        for (chain, at) in [
            (root.pem(), 0),
            (format!("{}{}", root.pem(), middle.pem()), 0),
            (format!("{}{}", middle.pem(), stranger.pem()), 1),
        ] {
            assert_eq!(refused(&client, with("CertificateChain", &chain)).await, malformed(at));
        }
        let other = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(refused(&client, with("PrivateKey", &other)).await.0, "KeyPairMismatchException");
        assert_eq!(refused(&client, with("PrivateKey", &body)).await.0, "MalformedCertificateException");
        assert_eq!(refused(&client, with("CertificateBody", &chain)).await.0, "MalformedCertificateException");
        let mut doubled = all.clone();
        doubled["Tags"] = json!([{"Key": "k", "Value": "v"}, {"Key": "K", "Value": "v"}]);
        assert_eq!(refused(&client, doubled).await.0, "InvalidInputException");
        assert_eq!(
            call(&client, "ListServerCertificates", json!({})).await["ServerCertificateMetadataList"],
            json!([])
        );
        let made = call(&client, "UploadServerCertificate", all.clone()).await;
        let metadata = &made["ServerCertificateMetadata"];
        assert_eq!(metadata["Arn"], "arn:aws:iam::000000000000:server-certificate/cloudfront/web");
        assert!(metadata["ServerCertificateId"].as_str().unwrap().starts_with("ASCA"));
        // rcgen's certificates end in the year 4096.
        assert_eq!(metadata["Expiration"].as_f64().unwrap(), 67_090_118_400.0);
        assert_eq!(refused(&client, all).await.0, "EntityAlreadyExistsException");
        let shown = call(&client, "GetServerCertificate", json!({"ServerCertificateName": "WEB"})).await;
        let shown = &shown["ServerCertificate"];
        assert_eq!((&shown["CertificateBody"], &shown["CertificateChain"]), (&json!(body), &json!(chain)));
        assert!(!shown.to_string().contains("PRIVATE"));
        call(&client, "DeleteServerCertificate", json!({"ServerCertificateName": "web"})).await;
    }
}

#[tokio::test]
async fn server_certificates_are_renamed_listed_and_tagged() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (body, pem) = signed(&KeyPair::generate().unwrap(), "web.example.com");
    let upload = |name: &str| json!({"ServerCertificateName": name, "CertificateBody": body, "PrivateKey": pem});
    for n in 0..20 {
        call(&client, "UploadServerCertificate", upload(&format!("web-{n:02}"))).await;
    }
    let (code, message) = refused(&client, upload("more")).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("LimitExceededException", "Cannot exceed quota for ServerCertificatesPerAccount: 20")
    );
    let taken = json!({"ServerCertificateName": "web-00", "NewServerCertificateName": "WEB-01"});
    assert_eq!(client.call("iam", "UpdateServerCertificate", taken).await.code(), "EntityAlreadyExistsException");
    let renamed = json!({"ServerCertificateName": "web-00", "NewServerCertificateName": "shop", "NewPath": "/s/"});
    call(&client, "UpdateServerCertificate", renamed).await;
    let gone = client.call("iam", "GetServerCertificate", json!({"ServerCertificateName": "web-00"})).await;
    assert_eq!(gone.code(), "NoSuchEntityException");
    let names = |listed: &Json| -> Vec<String> {
        let all = listed["ServerCertificateMetadataList"].as_array().unwrap();
        all.iter().map(|m| m["ServerCertificateName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&call(&client, "ListServerCertificates", json!({"PathPrefix": "/s/"})).await), ["shop"]);
    let first = call(&client, "ListServerCertificates", json!({"MaxItems": 19})).await;
    assert_eq!((names(&first).len(), names(&first)[0].as_str()), (19, "shop"));
    let rest = call(&client, "ListServerCertificates", json!({"MaxItems": 19, "Marker": first["Marker"]})).await;
    assert_eq!((names(&rest), &rest["IsTruncated"]), (vec!["web-19".to_owned()], &json!(false)));
    let of = |more: Json| {
        let mut input = json!({"ServerCertificateName": "shop"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let tags = json!({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]});
    call(&client, "TagServerCertificate", of(tags)).await;
    let page = call(&client, "ListServerCertificateTags", of(json!({"MaxItems": 1}))).await;
    assert_eq!(page["Tags"], json!([{"Key": "a", "Value": "1"}]));
    let page = call(&client, "ListServerCertificateTags", of(json!({"Marker": page["Marker"]}))).await;
    assert_eq!(page["Tags"], json!([{"Key": "b", "Value": "2"}]));
    let doubled = of(json!({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "1"}]}));
    assert_eq!(client.call("iam", "TagServerCertificate", doubled).await.code(), "InvalidInputException");
    let many: Vec<Json> = (0..49).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
    let many = client.call("iam", "TagServerCertificate", of(json!({"Tags": many}))).await;
    assert_eq!(many.code(), "LimitExceededException");
    call(&client, "UntagServerCertificate", of(json!({"TagKeys": ["a"]}))).await;
    let left = call(&client, "ListServerCertificateTags", of(json!({}))).await;
    assert_eq!(left["Tags"], json!([{"Key": "b", "Value": "2"}]));
}

#[tokio::test]
async fn a_user_has_two_signing_certificates_and_five_keys_for_ssh() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateUser", json!({"UserName": "ann"})).await;
    let upload = |body: &str| json!({"UserName": "ann", "CertificateBody": body});
    for n in 0..2 {
        let (body, _) = signed(&KeyPair::generate().unwrap(), &format!("user-{n}"));
        call(&client, "UploadSigningCertificate", upload(&body)).await;
    }
    let (body, _) = signed(&KeyPair::generate().unwrap(), "third");
    let refused = client.call("iam", "UploadSigningCertificate", upload(&body)).await;
    assert_eq!(
        (refused.code(), &refused.json["message"]),
        ("LimitExceededException", &json!("Cannot exceed quota for SigningCertificatesPerUser: 2"))
    );
    let mut old = named("old");
    old.not_after = rcgen::date_time_ymd(2001, 1, 1);
    old.not_before = rcgen::date_time_ymd(2000, 1, 1);
    let old = old.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let refused = client.call("iam", "UploadSigningCertificate", upload(&old)).await;
    assert_eq!(refused.code(), "InvalidCertificateException");
    let first = call(&client, "ListSigningCertificates", json!({"UserName": "ann", "MaxItems": 1})).await;
    let page = json!({"UserName": "ann", "Marker": first["Marker"]});
    assert_eq!(call(&client, "ListSigningCertificates", page).await["Certificates"].as_array().unwrap().len(), 1);
    for n in 0..6 {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let input = json!({"UserName": "ann", "SSHPublicKeyBody": key.public_key_pem()});
        let answer = client.call("iam", "UploadSSHPublicKey", input).await;
        if n < 5 {
            answer.ok();
        } else {
            assert_eq!(
                (answer.code(), &answer.json["message"]),
                ("LimitExceededException", &json!("Cannot exceed quota for SSHPublicKeysPerUser: 5"))
            );
        }
    }
    let first = call(&client, "ListSSHPublicKeys", json!({"UserName": "ann", "MaxItems": 3})).await;
    let page = json!({"UserName": "ann", "Marker": first["Marker"]});
    assert_eq!(call(&client, "ListSSHPublicKeys", page).await["SSHPublicKeys"].as_array().unwrap().len(), 2);
}

/// Metadata of an identity provider.
pub(crate) fn metadata() -> String {
    let der = named("idp").self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let certificate = undercast_wire::text::base64(&der);
    format!(
        r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/metadata"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>{}"#,
        " ".repeat(500)
    )
}

#[tokio::test]
async fn a_saml_provider_has_two_keys_that_decrypt() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let key = || KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
    let make = json!({"Name": "idp", "SAMLMetadataDocument": metadata(), "AssertionEncryptionMode": "Required", "AddPrivateKey": key()});
    let made = call(&client, "CreateSAMLProvider", make).await;
    let arn = &made["SAMLProviderArn"];
    let add = json!({"SAMLProviderArn": arn, "AddPrivateKey": key()});
    call(&client, "UpdateSAMLProvider", add).await;
    let third = client.call("iam", "UpdateSAMLProvider", json!({"SAMLProviderArn": arn, "AddPrivateKey": key()})).await;
    assert_eq!(third.code(), "LimitExceededException");
    let shown = call(&client, "GetSAMLProvider", json!({"SAMLProviderArn": arn})).await;
    let keys = shown["PrivateKeyList"].as_array().unwrap();
    assert_eq!((keys.len(), &shown["AssertionEncryptionMode"]), (2, &json!("Required")));
    assert!(!shown.to_string().contains("PRIVATE KEY"));
    let swap = json!({"SAMLProviderArn": arn, "RemovePrivateKey": keys[0]["KeyId"], "AddPrivateKey": key(), "AssertionEncryptionMode": "Allowed"});
    call(&client, "UpdateSAMLProvider", swap).await;
    let elliptic = KeyPair::generate().unwrap().serialize_pem();
    let refused = client
        .call(
            "iam",
            "UpdateSAMLProvider",
            json!({"SAMLProviderArn": arn, "RemovePrivateKey": keys[1]["KeyId"], "AddPrivateKey": elliptic}),
        )
        .await;
    assert_eq!(refused.code(), "InvalidInputException");
    let shown = call(&client, "GetSAMLProvider", json!({"SAMLProviderArn": arn})).await;
    assert_eq!(
        (shown["PrivateKeyList"].as_array().unwrap().len(), &shown["AssertionEncryptionMode"]),
        (2, &json!("Allowed"))
    );
}

#[tokio::test]
async fn an_account_has_so_many_providers() {
    let saml = json!({"SAMLMetadataDocument": metadata()});
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for n in 0..101 {
        let mut input = saml.clone();
        input["Name"] = json!(format!("idp-{n}"));
        let answer = client.call("iam", "CreateSAMLProvider", input).await;
        let oidc = json!({"Url": format!("https://id-{n}.example.com"), "ThumbprintList": ["a".repeat(40)]});
        let other = client.call("iam", "CreateOpenIDConnectProvider", oidc).await;
        if n < 100 {
            answer.ok();
            other.ok();
        } else {
            assert_eq!(answer.json["message"], "Cannot exceed quota for SAMLProvidersPerAccount: 100");
            assert_eq!(other.json["message"], "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100");
            assert_eq!((answer.code(), other.code()), ("LimitExceededException", "LimitExceededException"));
        }
    }
    let summary = call(&client, "GetAccountSummary", json!({})).await;
    assert_eq!(summary["SummaryMap"]["Providers"], 200);
}

#[tokio::test]
async fn thumbprints_are_not_fetched() {
    let cloud = Cloud::start(services()).await;
    let refused =
        cloud.client().call("iam", "CreateOpenIDConnectProvider", json!({"Url": "https://id.example.com"})).await;
    assert_eq!((refused.status, refused.code()), (501, "NotImplemented"));
}
