//! How many there can be.

use super::*;

#[tokio::test]
async fn an_account_has_so_many_imported_certificates() {
    let (_cloud, client) = noon().await;
    let input = imports::shop();
    let mut first = None;
    for _ in 0..2_500 {
        let arn = ok(&client, "ImportCertificate", input.clone()).await["CertificateArn"].clone();
        first.get_or_insert(arn);
    }
    is_refused(&client, "ImportCertificate", input.clone(), "LimitExceededException", "limit of 2500").await;
    ok(&client.in_region("eu-west-1"), "ImportCertificate", input.clone()).await;
    // Those that ACM issues count for themselves.
    request(&client, json!({})).await;
    ok(&client, "DeleteCertificate", json!({"CertificateArn": first})).await;
    ok(&client, "ImportCertificate", input).await;
}

#[tokio::test]
async fn a_certificate_has_so_many_names() {
    let (_cloud, client) = noon().await;
    let names: Vec<String> = (0..10).map(|number| format!("a{number}.shop.com")).collect();
    let asked = |names: &[String]| json!({"DomainName": "shop.com", "ValidationMethod": "DNS", "SubjectAlternativeNames": names});
    is_refused(&client, "RequestCertificate", asked(&names), "LimitExceededException", "limit of 10").await;
    ok(&client, "RequestCertificate", asked(&names[1..])).await;
    let long = format!("{}.com", "a".repeat(61));
    let input = json!({"DomainName": long, "ValidationMethod": "DNS"});
    is_refused(&client, "RequestCertificate", input, "InvalidDomainValidationOptionsException", "64 characters").await;
    ok(&client, "RequestCertificate", asked(&[long])).await;
}
