//! Certificates that leave with their keys, and what is done when that was a mistake.

use std::process::Command;

use super::*;

/// Runs openssl, and says what it printed.
fn openssl(arguments: &[&str]) -> String {
    let run = Command::new("openssl").args(arguments).output().unwrap();
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[tokio::test]
async fn a_key_is_exported_under_a_passphrase() {
    for algorithm in ["RSA_2048", "EC_prime256v1", "EC_secp384r1"] {
        let (cloud, client) = noon().await;
        let arn = issued(&client, json!({"KeyAlgorithm": algorithm, "Options": {"Export": "ENABLED"}})).await;
        let got = describe(&client, &arn).await;
        assert_eq!((&got["Options"]["Export"], &got["RenewalEligibility"]), (&json!("ENABLED"), &json!("INELIGIBLE")));
        let exported = export(&client, &arn).await;
        let files = cloud.kernel.settings().files.clone();
        let (certificate, key) = (files.join("c.pem"), files.join("k.pem"));
        std::fs::write(&certificate, exported["Certificate"].as_str().unwrap()).unwrap();
        std::fs::write(&key, exported["PrivateKey"].as_str().unwrap()).unwrap();
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let public = openssl(&["x509", "-in", certificate, "-noout", "-pubkey"]);
        assert_eq!(openssl(&["pkey", "-in", key, "-passin", "pass:secret", "-pubout"]), public);
        let wrong = Command::new("openssl").args(["pkey", "-in", key, "-passin", "pass:other"]).output().unwrap();
        assert!(!wrong.status.success());
        assert_eq!(describe(&client, &arn).await["RenewalEligibility"], "ELIGIBLE");
        let listed = ok(&client, "ListCertificates", json!({"Includes": {"keyTypes": [algorithm]}})).await;
        assert_eq!(listed["CertificateSummaryList"][0]["Exported"], true);
    }
}

#[tokio::test]
async fn a_key_stays_that_was_not_to_be_exported() {
    let (_cloud, client) = noon().await;
    let arn = issued(&client, json!({})).await;
    let passphrase = |text: &str| json!({"CertificateArn": arn, "Passphrase": wire::text::base64(text.as_bytes())});
    is_refused(&client, "ExportCertificate", passphrase("secret"), "ValidationException", "cannot be exported").await;
    is_refused(&client, "ExportCertificate", passphrase("se$ret"), "ValidationException", "passphrase").await;
    let update = json!({"CertificateArn": arn, "Options": {"Export": "ENABLED"}});
    is_refused(&client, "UpdateCertificateOptions", update, "ValidationException", "Export").await;
    let same = json!({"CertificateArn": arn, "Options": {"Export": "DISABLED", "CertificateTransparencyLoggingPreference": "DISABLED"}});
    ok(&client, "UpdateCertificateOptions", same).await;
    assert_eq!(describe(&client, &arn).await["Options"]["CertificateTransparencyLoggingPreference"], "DISABLED");
    let revoke = json!({"CertificateArn": arn, "RevocationReason": "UNSPECIFIED"});
    is_refused(&client, "RevokeCertificate", revoke, "ValidationException", "not exported").await;
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_on_the_list() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({"Options": {"Export": "ENABLED"}})).await;
    let exported = export(&client, &arn).await;
    let url = listen(&client).await;
    let files = cloud.kernel.settings().files.clone();
    let (certificate, list, chain) = (files.join("c.pem"), files.join("list.pem"), files.join("chain.pem"));
    std::fs::write(&certificate, exported["Certificate"].as_str().unwrap()).unwrap();
    std::fs::write(&chain, exported["CertificateChain"].as_str().unwrap()).unwrap();
    let text = openssl(&["x509", "-in", certificate.to_str().unwrap(), "-noout", "-text"]);
    let place = text.split("URI:").nth(1).unwrap().split_whitespace().next().unwrap();
    let path = format!("/{}", place.splitn(4, '/').nth(3).unwrap());
    let list_now = async || {
        let (status, der) = fetch(&client, "GET", &path, "").await;
        assert_eq!(status, 200);
        let der_file = files.join("list.der");
        std::fs::write(&der_file, &der).unwrap();
        let arguments = ["crl", "-inform", "DER", "-in", der_file.to_str().unwrap(), "-out", list.to_str().unwrap()];
        openssl(&arguments);
        openssl(&["crl", "-in", list.to_str().unwrap(), "-noout", "-text", "-CAfile", chain.to_str().unwrap()])
    };
    assert!(list_now().await.contains("No Revoked Certificates"));
    let revoke = json!({"CertificateArn": arn, "RevocationReason": "SUPERSEDED"});
    assert_eq!(ok(&client, "RevokeCertificate", revoke.clone()).await["CertificateArn"], arn);
    let got = describe(&client, &arn).await;
    assert_eq!((&got["Status"], &got["RevocationReason"]), (&json!("REVOKED"), &json!("SUPERSEDED")));
    assert!(got["RevokedAt"].is_number());
    let text = list_now().await;
    let serial = got["Serial"].as_str().unwrap().replace(':', "").to_uppercase();
    assert!(text.contains(&serial) && text.contains("Superseded"), "{text}");
    pass(&cloud, 1).await;
    assert_eq!(kinds(&told(&client, &url).await), ["ACM Certificate Revoked"]);
    is_refused(&client, "RevokeCertificate", revoke, "ConflictException", "revoked already").await;
    let passphrase = json!({"CertificateArn": arn, "Passphrase": wire::text::base64(b"secret")});
    is_refused(&client, "ExportCertificate", passphrase, "ValidationException", "REVOKED").await;
    // It counts no more among those that are renewed.
    pass(&cloud, 160 * DAY).await;
    assert_eq!(describe(&client, &arn).await["Serial"], got["Serial"]);
    ok(&client, "DeleteCertificate", json!({"CertificateArn": arn})).await;
    for missing in [path.replace("ecdsa256", "other"), path.replace("us-east-1", "eu-west-1"), "/_acm/crl/x".to_owned()]
    {
        assert_eq!(fetch(&client, "GET", &missing, "").await.0, 404);
    }
}
