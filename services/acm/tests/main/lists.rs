//! Lists and searches.

use super::*;

async fn list(client: &Client, input: Json) -> Vec<String> {
    let got = ok(client, "ListCertificates", input).await;
    got["CertificateSummaryList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["DomainName"].as_str().unwrap().to_owned())
        .collect()
}

async fn search(client: &Client, filter: Json) -> Vec<String> {
    let statement = json!({"FilterStatement": filter, "SortBy": "COMMON_NAME", "SortOrder": "ASCENDING"});
    let got = ok(client, "SearchCertificates", statement).await;
    let names = got["Results"].as_array().unwrap().iter();
    names.map(|found| found["X509Attributes"]["Subject"]["CommonName"].as_str().unwrap().to_owned()).collect()
}

/// Four certificates: of RSA, of a curve and exported, one that waits for letters, one that failed.
async fn some(client: &Client, cloud: &Cloud) -> [String; 4] {
    let rsa = issued(client, json!({"DomainName": "a.com", "KeyAlgorithm": "RSA_2048"})).await;
    pass(cloud, 60).await;
    let exported = issued(
        client,
        json!({"DomainName": "b.com", "SubjectAlternativeNames": ["www.b.com"], "Options": {"Export": "ENABLED"}}),
    )
    .await;
    export(client, &exported).await;
    pass(cloud, 60).await;
    let pending =
        request(client, json!({"DomainName": "c.com", "ValidationMethod": "EMAIL", "KeyAlgorithm": "RSA_2048"})).await;
    pass(cloud, 60).await;
    let failed = request(client, json!({"DomainName": "d.test", "KeyAlgorithm": "RSA_2048"})).await;
    has_status(client, &failed, "FAILED").await;
    [rsa, exported, pending, failed]
}

#[tokio::test]
async fn a_list_has_what_is_asked_for() {
    let (cloud, client) = noon().await;
    some(&client, &cloud).await;
    // Curves are not listed by themselves.
    assert_eq!(list(&client, json!({})).await, ["a.com", "c.com", "d.test"]);
    let all = json!({"keyTypes": ["RSA_2048", "EC_prime256v1"]});
    assert_eq!(list(&client, json!({"Includes": all})).await, ["a.com", "b.com", "c.com", "d.test"]);
    assert_eq!(list(&client, json!({"CertificateStatuses": ["ISSUED", "FAILED"]})).await, ["a.com", "d.test"]);
    let sorted = json!({"Includes": all, "SortBy": "CREATED_AT", "SortOrder": "DESCENDING"});
    assert_eq!(list(&client, sorted).await, ["d.test", "c.com", "b.com", "a.com"]);
    let with = |name: &str, value: Json| {
        let mut includes = all.clone();
        includes[name] = value;
        json!({"Includes": includes})
    };
    assert_eq!(list(&client, with("keyUsage", json!(["KEY_ENCIPHERMENT"]))).await, ["a.com"]);
    assert_eq!(
        list(&client, with("extendedKeyUsage", json!(["TLS_WEB_SERVER_AUTHENTICATION"]))).await,
        ["a.com", "b.com"]
    );
    assert_eq!(list(&client, with("exportOption", json!("ENABLED"))).await, ["b.com"]);
    assert!(list(&client, with("managedBy", json!("CLOUDFRONT"))).await.is_empty());
    assert_eq!(list(&client, json!({"CertificateKeyPairOrigins": ["AWS_MANAGED"]})).await.len(), 3);
    assert!(list(&client, json!({"CertificateKeyPairOrigins": ["ACME", "CUSTOMER_PROVIDED"]})).await.is_empty());
    let first = ok(&client, "ListCertificates", json!({"MaxItems": 2})).await;
    assert_eq!(first["CertificateSummaryList"].as_array().unwrap().len(), 2);
    let next = json!({"MaxItems": 2, "NextToken": first["NextToken"]});
    let second = ok(&client, "ListCertificates", next).await;
    assert_eq!(second["CertificateSummaryList"][0]["DomainName"], "d.test");
    assert!(second.get("NextToken").is_none());
    assert!(list(&client.in_region("eu-west-1"), json!({})).await.is_empty());
    let summary = &first["CertificateSummaryList"][0];
    assert_eq!(summary["SubjectAlternativeNameSummaries"], json!(["a.com"]));
    assert_eq!((&summary["HasAdditionalSubjectAlternativeNames"], &summary["InUse"]), (&json!(false), &json!(false)));
    assert_eq!((&summary["KeyUsages"][0], &summary["Type"]), (&json!("DIGITAL_SIGNATURE"), &json!("AMAZON_ISSUED")));
}

#[tokio::test]
async fn statements_find_what_they_say() {
    let (cloud, client) = noon().await;
    let [rsa, exported, ..] = some(&client, &cloud).await;
    let x509 = |name: &str, value: Json| json!({"Filter": {"X509AttributeFilter": {name: value}}});
    let known = |name: &str, value: Json| json!({"Filter": {"AcmCertificateMetadataFilter": {name: value}}});
    let named = |operator: &str, value: &str| json!({"CommonName": {"Value": value, "ComparisonOperator": operator}});
    let serial = describe(&client, &rsa).await["Serial"].clone();
    let everyone = ["a.com", "b.com", "c.com", "d.test"];
    for (statement, found) in [
        (json!({"Filter": {"CertificateArn": rsa}}), &everyone[..1]),
        (x509("Subject", named("CONTAINS", ".COM")), &everyone[..3]),
        (x509("Subject", named("EQUALS", "b.com")), &everyone[1..2]),
        (x509("Subject", named("EQUALS", "b")), &[]),
        (
            x509("SubjectAlternativeName", json!({"DnsName": {"Value": "www.", "ComparisonOperator": "CONTAINS"}})),
            &everyone[1..2],
        ),
        (x509("KeyAlgorithm", json!("EC_prime256v1")), &everyone[1..2]),
        (x509("KeyUsage", json!("KEY_ENCIPHERMENT")), &everyone[..1]),
        (x509("ExtendedKeyUsage", json!("TLS_WEB_SERVER_AUTHENTICATION")), &everyone[..2]),
        (x509("SerialNumber", serial), &everyone[..1]),
        (x509("NotAfter", json!({"Start": "2026-09-01T00:00:00Z"})), &everyone[..2]),
        (x509("NotAfter", json!({"End": "2026-09-01T00:00:00Z"})), &[]),
        (x509("NotBefore", json!({"Start": "2026-03-01T00:00:00Z", "End": "2026-03-01T00:00:00Z"})), &everyone[..2]),
        (known("Status", json!("FAILED")), &everyone[3..]),
        (known("Type", json!("AMAZON_ISSUED")), &everyone),
        (known("InUse", json!(true)), &[]),
        (known("Exported", json!(true)), &everyone[1..2]),
        (known("ExportOption", json!("ENABLED")), &everyone[1..2]),
        (known("ManagedBy", json!("CLOUDFRONT")), &[]),
        (known("ValidationMethod", json!("EMAIL")), &everyone[2..3]),
        (known("RenewalStatus", json!("SUCCESS")), &[]),
        (known("CertificateKeyPairOrigin", json!("ACME")), &[]),
        (known("CertificateKeyPairOrigin", json!("AWS_MANAGED")), &everyone),
        (json!({"Not": known("Status", json!("FAILED"))}), &everyone[..3]),
        (json!({"And": [x509("KeyAlgorithm", json!("RSA_2048")), known("Status", json!("ISSUED"))]}), &everyone[..1]),
        (json!({"Or": [known("Status", json!("FAILED")), known("Exported", json!(true))]}), &["b.com", "d.test"]),
    ] {
        assert_eq!(search(&client, statement.clone()).await, found, "{statement}");
    }
    assert_eq!(
        search(&client, known("AcmeEndpointArn", json!("arn:aws:acm:us-east-1:000000000000:acme-endpoint/x")))
            .await
            .len(),
        0
    );
    assert_eq!(search(&client, known("AcmeAccountId", json!("00000000-0000-4000-8000-000000000000"))).await.len(), 0);
    let got =
        ok(&client, "SearchCertificates", json!({"FilterStatement": {"Filter": {"CertificateArn": exported}}})).await;
    let attributes = &got["Results"][0]["X509Attributes"];
    assert_eq!(attributes["Issuer"]["Organization"], "Amazon");
    assert_eq!(attributes["SubjectAlternativeNames"], json!([{"DnsName": "b.com"}, {"DnsName": "www.b.com"}]));
    let metadata = &got["Results"][0]["CertificateMetadata"]["AcmCertificateMetadata"];
    assert_eq!((&metadata["RenewalEligibility"], &metadata["ValidationMethod"]), (&json!("ELIGIBLE"), &json!("DNS")));
}

#[tokio::test]
async fn searches_have_an_order_and_pages() {
    let (cloud, client) = noon().await;
    some(&client, &cloud).await;
    let found = async |input: Json| {
        let got = ok(&client, "SearchCertificates", input).await;
        let names = got["Results"].as_array().unwrap().iter();
        let names: Vec<String> =
            names.map(|f| f["X509Attributes"]["Subject"]["CommonName"].as_str().unwrap()[..1].to_owned()).collect();
        (names.concat(), got["NextToken"].clone())
    };
    assert_eq!(found(json!({})).await.0, "dcba");
    assert_eq!(found(json!({"SortBy": "CREATED_AT", "SortOrder": "ASCENDING"})).await.0, "abcd");
    for (by, order) in [
        ("NOT_AFTER", "cdab"),
        ("STATUS", "dabc"),
        ("EXPORTED", "acdb"),
        ("KEY_ALGORITHM", "bacd"),
        ("VALIDATION_METHOD", "abdc"),
        ("RENEWAL_ELIGIBILITY", "acdb"),
        ("EXPORT_OPTION", "acdb"),
        ("ISSUED_AT", "cdab"),
        ("MANAGED_BY", "abcd"),
        ("IN_USE", "abcd"),
    ] {
        assert_eq!(found(json!({"SortBy": by, "SortOrder": "ASCENDING"})).await.0, order, "{by}");
    }
    let (first, token) = found(json!({"MaxResults": 3})).await;
    assert_eq!(first, "dcb");
    assert_eq!(found(json!({"MaxResults": 3, "NextToken": token})).await, ("a".to_owned(), Json::Null));
}

#[tokio::test]
async fn statements_say_one_thing_each_and_end_somewhere() {
    let (_cloud, client) = noon().await;
    let status = json!({"AcmCertificateMetadataFilter": {"Status": "FAILED"}});
    let mut deep = json!({"Filter": status});
    for _ in 0..10 {
        deep = json!({"Not": deep});
    }
    let input = json!({"FilterStatement": deep});
    is_refused(&client, "SearchCertificates", input, "ValidationException", "10 levels deep").await;
    let two = json!({"FilterStatement": {"Filter": status, "Not": {"Filter": status}}});
    is_refused(&client, "SearchCertificates", two, "SerializationException", "exactly one").await;
}
