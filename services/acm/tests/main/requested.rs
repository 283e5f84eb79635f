//! Certificates that are asked for: validated by records, issued by an authority that the cloud's own vouches for.

use std::process::Command;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::*;

/// Checks a certificate and its chain as a client would who trusts the cloud's authority, on its clock.
pub(crate) fn verify(cloud: &Cloud, got: &Json, name: &str) {
    let folder = undercast_authority::folder(&cloud.kernel.settings().files);
    let root = CertificateDer::from_pem_file(undercast_authority::certificate_path(&folder)).unwrap();
    let body = CertificateDer::from_pem_slice(got["Certificate"].as_str().unwrap().as_bytes()).unwrap();
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_slice_iter(got["CertificateChain"].as_str().unwrap().as_bytes())
            .map(|c| c.unwrap())
            .collect();
    assert_eq!((chain.len(), &chain[1]), (2, &root));
    let own = EndEntityCert::try_from(&body).unwrap();
    let now = Duration::from_secs(u64::try_from(cloud.kernel.clock().now().as_second()).unwrap());
    let anchors = [anchor_from_trusted_cert(&root).unwrap()];
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let usage = KeyUsage::server_auth();
    own.verify_for_usage(algorithms, &anchors, &chain[..1], UnixTime::since_unix_epoch(now), usage, None, None)
        .unwrap();
    own.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).unwrap();
}

#[tokio::test]
async fn a_certificate_is_issued_when_its_record_is_there() {
    for (algorithm, signature, usages) in [
        ("RSA_2048", "SHA256WITHRSA", json!([{"Name": "DIGITAL_SIGNATURE"}, {"Name": "KEY_ENCIPHERMENT"}])),
        ("EC_prime256v1", "SHA256WITHECDSA", json!([{"Name": "DIGITAL_SIGNATURE"}])),
        ("EC_secp384r1", "SHA256WITHECDSA", json!([{"Name": "DIGITAL_SIGNATURE"}])),
    ] {
        let (cloud, client) = noon().await;
        let names = json!(["*.shop.com", "Shop.com", "www.shop.com"]);
        let arn = issued(&client, json!({"SubjectAlternativeNames": names, "KeyAlgorithm": algorithm})).await;
        let got = describe(&client, &arn).await;
        assert_eq!(got["DomainName"], "shop.com");
        assert_eq!(got["SubjectAlternativeNames"], json!(["shop.com", "*.shop.com", "www.shop.com"]));
        assert_eq!((&got["Subject"], &got["Issuer"]), (&json!("CN=shop.com"), &json!("Amazon")));
        assert_eq!(
            (&got["KeyAlgorithm"], &got["SignatureAlgorithm"]),
            (&json!(algorithm.replace('_', "-")), &json!(signature))
        );
        assert_eq!(got["KeyUsages"], usages);
        assert_eq!(
            got["ExtendedKeyUsages"],
            json!([{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}])
        );
        assert_eq!((&got["Type"], &got["CertificateKeyPairOrigin"]), (&json!("AMAZON_ISSUED"), &json!("AWS_MANAGED")));
        // From midnight, for 198 days, to the second before the next one.
        let midnight = "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second();
        assert_eq!(got["NotBefore"].as_f64(), Some(f64::from(i32::try_from(midnight).unwrap())));
        let last = midnight + 198 * 86_400 - 1;
        assert_eq!(got["NotAfter"].as_f64(), Some(f64::from(i32::try_from(last).unwrap())));
        let serial = got["Serial"].as_str().unwrap();
        assert!(serial.split(':').count() == 16 && serial.split(':').all(|part| part.len() == 2), "{serial}");
        let statuses = got["DomainValidationOptions"].as_array().unwrap().iter().map(|v| v["ValidationStatus"].clone());
        assert_eq!(statuses.collect::<Vec<_>>(), vec![json!("SUCCESS"); 3]);
        let pem = ok(&client, "GetCertificate", json!({"CertificateArn": arn})).await;
        verify(&cloud, &pem, "shop.com");
        verify(&cloud, &pem, "any.shop.com");
        assert!(pem.get("PrivateKey").is_none());
    }
}

#[tokio::test]
async fn another_client_verifies_it_too() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({"KeyAlgorithm": "RSA_2048"})).await;
    let got = ok(&client, "GetCertificate", json!({"CertificateArn": arn})).await;
    let folder = cloud.kernel.settings().files.clone();
    std::fs::write(folder.join("c.pem"), got["Certificate"].as_str().unwrap()).unwrap();
    std::fs::write(folder.join("chain.pem"), got["CertificateChain"].as_str().unwrap()).unwrap();
    let root = undercast_authority::certificate_path(&undercast_authority::folder(&folder));
    let at = cloud.kernel.clock().now().as_second().to_string();
    let run = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslserver", "-attime", &at, "-CAfile"])
        .arg(root)
        .arg("-untrusted")
        .args([folder.join("chain.pem"), folder.join("c.pem")])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
async fn a_domain_has_one_record_for_all_its_certificates() {
    let (cloud, client) = waiting().await;
    let one = request(&client, json!({})).await;
    let star = request(&client, json!({"DomainName": "*.shop.com"})).await;
    let elsewhere = request(&client.in_region("eu-west-1"), json!({})).await;
    let other = request(&client, json!({"DomainName": "www.shop.com"})).await;
    let (name, value) = record(&client, &one).await;
    assert!(name.starts_with('_') && name.ends_with(".shop.com.") && name.len() == 33 + ".shop.com.".len(), "{name}");
    assert!(value.starts_with('_') && value.ends_with(".acm-validations.aws."), "{value}");
    assert_eq!(record(&client, &star).await, (name.clone(), value.clone()));
    assert_eq!(record(&client.in_region("eu-west-1"), &elsewhere).await, (name.clone(), value.clone()));
    assert_ne!(record(&client, &other).await.0, name);
    let stranger = cloud.client_of(undercast_testkit::Credentials::new("111111111111", "test"));
    let theirs = request(&stranger, json!({})).await;
    assert_ne!(record(&stranger, &theirs).await, (name, value));
}

#[tokio::test]
async fn it_waits_until_its_user_publishes_the_record() {
    let (cloud, client) = waiting().await;
    let arn = request(&client, json!({"SubjectAlternativeNames": ["www.shop.com"]})).await;
    pass(&cloud, 71 * HOUR).await;
    let got = describe(&client, &arn).await;
    assert_eq!((&got["Status"], &got["Issuer"]), (&json!("PENDING_VALIDATION"), &json!("Amazon")));
    is_refused(&client, "GetCertificate", json!({"CertificateArn": arn}), "RequestInProgressException", "").await;
    let (name, value) = record(&client, &arn).await;
    // Case and dots at the end do not count.
    publish(&cloud, &name.to_uppercase(), "cname", value.trim_end_matches('.')).await;
    until("one is validated", async || {
        let options = describe(&client, &arn).await["DomainValidationOptions"].clone();
        options[0]["ValidationStatus"] == "SUCCESS" && options[1]["ValidationStatus"] == "PENDING_VALIDATION"
    })
    .await;
    let second = describe(&client, &arn).await["DomainValidationOptions"][1]["ResourceRecord"].clone();
    publish(&cloud, second["Name"].as_str().unwrap(), "CNAME", "_wrong.acm-validations.aws.").await;
    pass(&cloud, 60).await;
    assert_eq!(describe(&client, &arn).await["Status"], "PENDING_VALIDATION");
    publish(&cloud, second["Name"].as_str().unwrap(), "CNAME", second["Value"].as_str().unwrap()).await;
    has_status(&client, &arn, "ISSUED").await;
}

#[tokio::test]
async fn it_does_not_wait_for_ever() {
    let (cloud, client) = waiting().await;
    let arn = request(&client, json!({})).await;
    pass(&cloud, 72 * HOUR).await;
    let got = describe(&client, &arn).await;
    assert_eq!(got["Status"], "VALIDATION_TIMED_OUT");
    assert_eq!(got["DomainValidationOptions"][0]["ValidationStatus"], "FAILED");
    is_refused(&client, "GetCertificate", json!({"CertificateArn": arn}), "ResourceNotFoundException", "").await;
    // Too late.
    let (name, value) = record(&client, &arn).await;
    publish(&cloud, &name, "CNAME", &value).await;
    pass(&cloud, HOUR).await;
    assert_eq!(describe(&client, &arn).await["Status"], "VALIDATION_TIMED_OUT");
}

#[tokio::test]
async fn a_service_that_has_zones_answers_for_names() {
    let (_cloud, client) = waiting().await;
    let arn = request(&client, json!({})).await;
    let (name, value) = record(&client, &arn).await;
    let name = name.trim_end_matches('.').to_owned();
    let mut services = with(Acm::waiting());
    services.retain(|service| service.api().name != "iam");
    services.push(Arc::new(Neighbour { name: Some((name, value)), uses: None }));
    // The record of a domain is the same in every cloud.
    let (_cloud, client) = noon_with(services).await;
    issued(&client, json!({})).await;
}

#[tokio::test]
async fn some_names_get_no_certificate() {
    let (cloud, client) = noon().await;
    for (name, reason) in [
        ("shop.test", "INVALID_PUBLIC_DOMAIN"),
        ("a.b.local", "INVALID_PUBLIC_DOMAIN"),
        ("*.s3.amazonaws.com", "DOMAIN_NOT_ALLOWED"),
    ] {
        let arn = request(&client, json!({"DomainName": name})).await;
        has_status(&client, &arn, "FAILED").await;
        assert_eq!(describe(&client, &arn).await["FailureReason"], reason, "{name}");
    }
    publish(&cloud, "shop.com", "CAA", "0 issue \"letsencrypt.org\"").await;
    let arn = request(&client, json!({"DomainName": "www.shop.com"})).await;
    has_status(&client, &arn, "FAILED").await;
    assert_eq!(describe(&client, &arn).await["FailureReason"], "CAA_ERROR");
    publish(&cloud, "www.shop.com", "CAA", "0 issue \"amazontrust.com\"").await;
    issued(&client, json!({"DomainName": "www.shop.com"})).await;
}

#[tokio::test]
async fn a_token_asks_for_one_certificate_within_the_hour() {
    let (cloud, client) = noon().await;
    let one = request(&client, json!({"IdempotencyToken": "t"})).await;
    assert_eq!(request(&client, json!({"IdempotencyToken": "t"})).await, one);
    assert_ne!(request(&client, json!({"IdempotencyToken": "u"})).await, one);
    assert_ne!(request(&client, json!({"IdempotencyToken": "t", "DomainName": "other.com"})).await, one);
    pass(&cloud, HOUR).await;
    assert_ne!(request(&client, json!({"IdempotencyToken": "t"})).await, one);
}

#[tokio::test]
async fn a_certificate_outlives_the_program() {
    let folder = undercast_testkit::Folder::new();
    let run = |what: Box<dyn FnOnce(Client) -> std::pin::Pin<Box<dyn Future<Output = String>>>>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let done = runtime.block_on(async {
            let cloud = Cloud::in_folder(services(), &folder).await;
            what(cloud.client()).await
        });
        drop(runtime);
        done
    };
    let arn = run_in_thread(|| {
        run(Box::new(|client| {
            Box::pin(async move { issued(&client, json!({"Options": {"Export": "ENABLED"}})).await })
        }))
    });
    let again = arn.clone();
    let key = run_in_thread(|| {
        run(Box::new(move |client| {
            Box::pin(async move { export(&client, &again).await["PrivateKey"].as_str().unwrap().to_owned() })
        }))
    });
    assert!(key.contains("BEGIN ENCRYPTED PRIVATE KEY"));
    // The private key lies nowhere in the open.
    let files = files_of(&folder.0);
    assert!(files.len() > 2 && !files.iter().any(|bytes| bytes.windows(11).any(|w| w == b"PRIVATE KEY")));
}

/// A runtime cannot be made within another one.
fn run_in_thread<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(what).join().unwrap())
}

/// What is in a folder, but for the authority of the cloud itself.
fn files_of(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("ca") {
            all.extend(files_of(&path));
        } else if path.is_file() {
            all.push(std::fs::read(&path).unwrap());
        }
    }
    all
}
