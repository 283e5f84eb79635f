//! Certificates that users bring.

use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};

use super::*;

/// A bundle as a request has it.
struct Bundle {
    certificate: String,
    key: String,
    chain: Option<String>,
}

impl Bundle {
    fn input(&self) -> Json {
        let bytes = |text: &String| wire::text::base64(text.as_bytes());
        let mut input = json!({"Certificate": bytes(&self.certificate), "PrivateKey": bytes(&self.key)});
        if let Some(chain) = &self.chain {
            input["CertificateChain"] = json!(bytes(chain));
        }
        input
    }

    fn again(&self, arn: &str) -> Json {
        let mut input = self.input();
        input["CertificateArn"] = json!(arn);
        input
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
    params.distinguished_name.push(DnType::OrganizationName, "Shop");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn self_signed(params: &CertificateParams) -> Bundle {
    let key = KeyPair::generate().unwrap();
    Bundle { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem(), chain: None }
}

/// What imports one of `shop.com`.
pub(crate) fn shop() -> Json {
    self_signed(&params(&["shop.com"])).input()
}

/// Of an authority under another one.
fn signed(params: &CertificateParams) -> Bundle {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root, between) = (authority("root"), authority("between"));
    let (root_key, between_key) =
        (KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(), KeyPair::generate().unwrap());
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let between_pem = between.signed_by(&between_key, &Issuer::from_params(&root, &root_key)).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::from_params(&between, &between_key)).unwrap().pem();
    Bundle { certificate, key: key.serialize_pem(), chain: Some(format!("{between_pem}{root_pem}")) }
}

/// A key and a certificate of openssl's making.
fn by_openssl(folder: &Path, key: &[&str], form: &[&str]) -> Bundle {
    let run = |arguments: &[&str]| {
        let run = Command::new("openssl").args(arguments).output().unwrap();
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    };
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (made, formed, certificate) = (path("key.pem"), path("formed.pem"), path("certificate.pem"));
    run(&[&["genpkey", "-out", &made], key].concat());
    run(&[
        "req",
        "-new",
        "-x509",
        "-key",
        &made,
        "-subj",
        "/CN=shop.com",
        "-days",
        "30",
        "-sha256",
        "-out",
        &certificate,
    ]);
    run(&[form, &["-in", &made, "-out", &formed]].concat());
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    Bundle { certificate: read(&certificate), key: read(&formed), chain: None }
}

async fn import(client: &Client, input: Json) -> String {
    ok(client, "ImportCertificate", input).await["CertificateArn"].as_str().unwrap().to_owned()
}

async fn refuses(client: &Client, input: Json, words: &str) {
    is_refused(client, "ImportCertificate", input, "ValidationException", words).await;
}

#[tokio::test]
async fn what_was_imported_is_told_as_it_is() {
    let (cloud, client) = noon().await;
    let url = listen(&client).await;
    let bundle = signed(&params(&["shop.com", "*.shop.com", "192.0.2.1"]));
    let mut input = bundle.input();
    input["Tags"] = json!([{"Key": "team", "Value": "shop"}]);
    let arn = import(&client, input).await;
    let got = describe(&client, &arn).await;
    assert_eq!((&got["Type"], &got["Status"]), (&json!("IMPORTED"), &json!("ISSUED")));
    assert_eq!((&got["DomainName"], &got["Issuer"]), (&json!("shop.com"), &json!("between")));
    assert_eq!(got["Subject"], "CN=shop.com, O=Shop");
    assert_eq!(got["SubjectAlternativeNames"], json!(["shop.com", "*.shop.com"]));
    assert_eq!((&got["KeyAlgorithm"], &got["RenewalEligibility"]), (&json!("EC-prime256v1"), &json!("INELIGIBLE")));
    assert_eq!((&got["CertificateKeyPairOrigin"], got.get("Options")), (&json!("CUSTOMER_PROVIDED"), None));
    assert!(got["ImportedAt"].is_number() && got.get("IssuedAt").is_none());
    let pem = ok(&client, "GetCertificate", json!({"CertificateArn": arn})).await;
    assert_eq!((&pem["Certificate"], &pem["CertificateChain"]), (&json!(bundle.certificate), &json!(bundle.chain)));
    let tags = ok(&client, "ListTagsForCertificate", json!({"CertificateArn": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "shop"}]));
    let passphrase = json!({"CertificateArn": arn, "Passphrase": wire::text::base64(b"secret")});
    is_refused(&client, "ExportCertificate", passphrase, "ValidationException", "cannot be exported").await;
    let options = json!({"CertificateArn": arn, "Options": {"ValidationMethod": "DNS"}});
    is_refused(&client, "UpdateCertificateOptions", options, "InvalidStateException", "").await;
    is_refused(&client, "RenewCertificate", json!({"CertificateArn": arn}), "ValidationException", "").await;
    pass(&cloud, 1).await;
    let events = told(&client, &url).await;
    assert_eq!(
        (&events[0]["detail"]["Action"], &events[0]["detail"]["CertificateType"]),
        (&json!("IMPORT"), &json!("IMPORTED"))
    );
}

#[tokio::test]
async fn keys_come_in_all_their_forms() {
    // openssl's certificates begin now, by the machine's clock.
    let cloud = Cloud::start(services()).await;
    let (client, folder) = (cloud.client(), cloud.kernel.settings().files.clone());
    for (algorithm, key, form) in [
        ("RSA_1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..], &["pkey"][..]),
        ("RSA_2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &["rsa", "-traditional"]),
        ("RSA_3072", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], &["pkey"]),
        ("EC_prime256v1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &["ec"]),
        ("EC_secp384r1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], &["pkey"]),
        ("EC_secp521r1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], &["pkey"]),
    ] {
        let bundle = by_openssl(&folder, key, form);
        let arn = import(&client, bundle.input()).await;
        let got = describe(&client, &arn).await;
        assert_eq!(got["KeyAlgorithm"], algorithm.replace('_', "-"));
        assert_eq!(
            (&got["KeyUsages"], &got["ExtendedKeyUsages"]),
            (&json!([{"Name": "ANY"}]), &json!([{"Name": "NONE"}]))
        );
    }
    let odd = by_openssl(&folder, &["-algorithm", "ED25519"], &["pkey"]);
    refuses(&client, odd.input(), "not a private key").await;
    let encrypted = ["pkey", "-aes256", "-passout", "pass:secret"];
    let closed = by_openssl(&folder, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &encrypted);
    refuses(&client, closed.input(), "is encrypted").await;
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused() {
    let (_cloud, client) = noon().await;
    let (good, other) = (self_signed(&params(&["shop.com"])), self_signed(&params(&["shop.com"])));
    let bundle = |certificate: &str, key: &str, chain: Option<&str>| {
        let chain = chain.map(ToOwned::to_owned);
        Bundle { certificate: certificate.to_owned(), key: key.to_owned(), chain }.input()
    };
    refuses(&client, bundle(&good.certificate, &other.key, None), "does not match").await;
    refuses(&client, bundle("nonsense", &good.key, None), "PEM").await;
    refuses(&client, bundle(&good.key, &good.key, None), "X.509").await;
    refuses(&client, bundle(&good.certificate, "nonsense", None), "not a private key").await;
    let two = format!("{}{}", good.certificate, other.certificate);
    refuses(&client, bundle(&two, &good.key, None), "more than one certificate").await;
    refuses(&client, bundle(&good.certificate, &good.key, Some(&other.certificate)), "certificate chain").await;
    refuses(&client, bundle(&good.certificate, &good.key, Some("nonsense")), "PEM").await;
    let signed = signed(&params(&["shop.com"]));
    refuses(&client, bundle(&signed.certificate, &signed.key, None), "not a valid self signed").await;
    let mut late = params(&["shop.com"]);
    late.not_after = rcgen::date_time_ymd(2026, 2, 28);
    refuses(&client, self_signed(&late).input(), "has expired").await;
    let mut early = params(&["shop.com"]);
    early.not_before = rcgen::date_time_ymd(2026, 3, 2);
    refuses(&client, self_signed(&early).input(), "not valid yet").await;
    import(&client, good.input()).await;
}

#[tokio::test]
async fn a_new_one_takes_the_place_of_the_old_one() {
    let (cloud, client) = noon().await;
    let mut short = params(&["shop.com"]);
    short.not_after = rcgen::date_time_ymd(2026, 5, 1);
    let arn = import(&client, self_signed(&short).input()).await;
    let before = describe(&client, &arn).await;
    let url = listen(&client).await;
    // Imported ones are told of from 45 days before their end on.
    pass(&cloud, 16 * DAY).await;
    assert_eq!(told(&client, &url).await[0]["detail"]["DaysToExpiry"], 45);
    let new = self_signed(&params(&["shop.com", "www.shop.com"]));
    let mut tagged = new.again(&arn);
    tagged["Tags"] = json!([{"Key": "a", "Value": "b"}]);
    is_refused(&client, "ImportCertificate", tagged, "InvalidParameterException", "tags").await;
    assert_eq!(import(&client, new.again(&arn)).await, arn);
    let after = describe(&client, &arn).await;
    assert_eq!(
        (&after["CreatedAt"], &after["SubjectAlternativeNames"]),
        (&before["CreatedAt"], &json!(["shop.com", "www.shop.com"]))
    );
    assert!(after["ImportedAt"].as_f64() > before["ImportedAt"].as_f64());
    let events = told_within(&cloud, &client, &url, 40).await;
    assert_eq!(
        (kinds(&events), &events[0]["detail"]["Action"]),
        (vec!["ACM Certificate Available"], &json!("REIMPORT"))
    );
    let mut usages = params(&["shop.com"]);
    usages.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    refuses(&client, self_signed(&usages).again(&arn), "Key usages").await;
    let mut usages = params(&["shop.com"]);
    usages.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    refuses(&client, self_signed(&usages).again(&arn), "Extended key usages").await;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = params(&["shop.com"]).self_signed(&key).unwrap().pem();
    refuses(&client, Bundle { certificate, key: key.serialize_pem(), chain: None }.again(&arn), "type and size").await;
    let mut nameless = CertificateParams::default();
    nameless.distinguished_name = rcgen::DistinguishedName::new();
    nameless.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    refuses(&client, self_signed(&nameless).again(&arn), "domain names").await;
    let own = issued(&client, json!({})).await;
    refuses(&client, new.again(&own), "was not imported").await;
}

#[tokio::test]
async fn what_was_imported_comes_to_its_end_without_a_word() {
    let (cloud, client) = noon().await;
    let mut short = params(&["shop.com"]);
    short.not_after = rcgen::date_time_ymd(2026, 3, 3);
    let arn = import(&client, self_signed(&short).input()).await;
    let url = listen(&client).await;
    pass(&cloud, 2 * DAY).await;
    assert_eq!(describe(&client, &arn).await["Status"], "EXPIRED");
    assert!(kinds(&told(&client, &url).await).iter().all(|kind| *kind == "ACM Certificate Approaching Expiration"));
    // A new one brings it back.
    import(&client, self_signed(&params(&["shop.com"])).again(&arn)).await;
    assert_eq!(describe(&client, &arn).await["Status"], "ISSUED");
}
