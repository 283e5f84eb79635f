//! Time: certificates are told of before their end, renewed before it where somebody needs them, and come to it otherwise.

use super::*;

/// One that somebody has outside.
async fn exported(client: &Client) -> String {
    let arn = issued(client, json!({"Options": {"Export": "ENABLED"}})).await;
    export(client, &arn).await;
    arn
}

#[tokio::test]
async fn what_is_needed_is_renewed_45_days_before_its_end() {
    let (cloud, client) = noon().await;
    let arn = exported(&client).await;
    let before = describe(&client, &arn).await;
    assert_eq!(before["RenewalEligibility"], "ELIGIBLE");
    let url = listen(&client).await;
    // 198 days from midnight: a second before the midnight that ends day 153, 45 are left.
    pass(&cloud, 152 * DAY).await;
    assert_eq!(describe(&client, &arn).await["Serial"], before["Serial"]);
    pass(&cloud, DAY).await;
    let after = describe(&client, &arn).await;
    assert_ne!(after["Serial"], before["Serial"]);
    assert_eq!(after["NotAfter"].as_f64().unwrap() - before["NotAfter"].as_f64().unwrap(), 152.0 * 86_400.0);
    assert_eq!(after["CreatedAt"], before["CreatedAt"]);
    assert!(after["IssuedAt"].as_f64() > before["IssuedAt"].as_f64());
    let summary = &after["RenewalSummary"];
    assert_eq!(
        (&summary["RenewalStatus"], &summary["DomainValidationOptions"][0]["ValidationStatus"]),
        (&json!("SUCCESS"), &json!("SUCCESS"))
    );
    // Whoever has the one before outside takes the new one before it counts as needed again.
    assert_eq!(after["RenewalEligibility"], "INELIGIBLE");
    let events = told(&client, &url).await;
    assert_eq!(kinds(&events), ["ACM Certificate Available"]);
    let detail = &events[0]["detail"];
    assert_eq!((&detail["Action"], &detail["CommonName"]), (&json!("RENEWAL"), &json!("shop.com")));
    assert_eq!(
        (&detail["DaysToExpiry"], &detail["Exported"], &detail["InUse"]),
        (&json!(197), &json!(true), &json!(false))
    );
    assert_eq!(events[0]["resources"], json!([arn]));
}

#[tokio::test]
async fn what_nobody_needs_comes_to_its_end() {
    let (cloud, client) = noon().await;
    let url = listen(&client).await;
    let arn = issued(&client, json!({})).await;
    pass(&cloud, 1).await;
    let events = told(&client, &url).await;
    assert_eq!(
        (kinds(&events), &events[0]["detail"]["Action"]),
        (vec!["ACM Certificate Available"], &json!("ISSUANCE"))
    );
    // Public certificates are told of from 30 days before their end on.
    pass(&cloud, 167 * DAY).await;
    assert!(told(&client, &url).await.is_empty());
    pass(&cloud, DAY).await;
    let events = told(&client, &url).await;
    assert_eq!(kinds(&events), ["ACM Certificate Approaching Expiration"]);
    assert_eq!(events[0]["detail"], json!({"DaysToExpiry": 30, "CommonName": "shop.com"}));
    let days: Vec<i64> = told_within(&cloud, &client, &url, 29)
        .await
        .iter()
        .map(|e| e["detail"]["DaysToExpiry"].as_i64().unwrap())
        .collect();
    assert_eq!(days, (1..30).rev().collect::<Vec<i64>>());
    assert_eq!(describe(&client, &arn).await["Status"], "ISSUED");
    pass(&cloud, DAY).await;
    assert_eq!(describe(&client, &arn).await["Status"], "EXPIRED");
    let events = told(&client, &url).await;
    assert_eq!(
        (kinds(&events), &events[0]["detail"]["CertificateType"]),
        (vec!["ACM Certificate Expired"], &json!("AMAZON_ISSUED"))
    );
    // It can still be looked at, and not exported.
    ok(&client, "GetCertificate", json!({"CertificateArn": arn})).await;
}

#[tokio::test]
async fn an_account_says_when_it_wants_to_hear() {
    let (cloud, client) = noon().await;
    assert_eq!(
        ok(&client, "GetAccountConfiguration", json!({})).await["ExpiryEvents"],
        json!({"DaysBeforeExpiry": 45})
    );
    issued(&client, json!({})).await;
    let url = listen(&client).await;
    pass(&cloud, 190 * DAY).await;
    told(&client, &url).await;
    let days = |days: i32, token: &str| json!({"ExpiryEvents": {"DaysBeforeExpiry": days}, "IdempotencyToken": token});
    ok(&client, "PutAccountConfiguration", days(2, "a")).await;
    // A token that comes again is the same call.
    ok(&client, "PutAccountConfiguration", days(30, "a")).await;
    assert_eq!(ok(&client, "GetAccountConfiguration", json!({})).await["ExpiryEvents"], json!({"DaysBeforeExpiry": 2}));
    pass(&cloud, 5 * DAY).await;
    assert!(told(&client, &url).await.is_empty());
    ok(&client, "PutAccountConfiguration", days(30, "b")).await;
    pass(&cloud, 1).await;
    assert_eq!(told(&client, &url).await[0]["detail"]["DaysToExpiry"], 3);
    pass(&cloud, DAY).await;
    assert_eq!(told(&client, &url).await[0]["detail"]["DaysToExpiry"], 2);
}

#[tokio::test]
async fn a_renewal_waits_for_records_that_are_gone() {
    let (cloud, client) = noon().await;
    let arn = exported(&client).await;
    let serial = describe(&client, &arn).await["Serial"].clone();
    let (name, value) = record(&client, &arn).await;
    assert_eq!(cloud.kernel.withdraw_name(&name, Some("CNAME")).await.unwrap(), 1);
    let url = listen(&client).await;
    pass(&cloud, 150 * DAY).await;
    let mut events = told_within(&cloud, &client, &url, 10).await;
    let got = describe(&client, &arn).await;
    assert_eq!((&got["RenewalSummary"]["RenewalStatus"], &got["Serial"]), (&json!("PENDING_VALIDATION"), &serial));
    let domain = &got["RenewalSummary"]["DomainValidationOptions"][0];
    assert_eq!(
        (&domain["ValidationStatus"], &domain["ResourceRecord"]["Name"]),
        (&json!("PENDING_VALIDATION"), &json!(name))
    );
    is_refused(&client, "RenewCertificate", json!({"CertificateArn": arn}), "RequestInProgressException", "").await;
    events.extend(told_within(&cloud, &client, &url, 25).await);
    let required = events.iter().filter(|e| e["detail-type"] == "ACM Certificate Renewal Action Required");
    let days: Vec<i64> = required.map(|e| e["detail"]["DaysToExpiry"].as_i64().unwrap()).collect();
    assert_eq!(days, [45, 30, 15]);
    publish(&cloud, &name, "CNAME", &value).await;
    until("it is renewed", async || describe(&client, &arn).await["Serial"] != serial).await;
    assert_eq!(describe(&client, &arn).await["RenewalSummary"]["RenewalStatus"], "SUCCESS");
}

#[tokio::test]
async fn a_renewal_that_never_comes_has_failed() {
    let (cloud, client) = noon().await;
    let arn = exported(&client).await;
    publish(&cloud, "shop.com", "CAA", "0 issue \";\"").await;
    pass(&cloud, 160 * DAY).await;
    let summary = describe(&client, &arn).await["RenewalSummary"].clone();
    assert_eq!(
        (&summary["RenewalStatus"], &summary["RenewalStatusReason"]),
        (&json!("PENDING_VALIDATION"), &json!("CAA_ERROR"))
    );
    pass(&cloud, 40 * DAY).await;
    let got = describe(&client, &arn).await;
    assert_eq!((&got["Status"], &got["RenewalSummary"]["RenewalStatus"]), (&json!("EXPIRED"), &json!("FAILED")));
}

#[tokio::test]
async fn what_was_exported_is_renewed_when_its_user_says_so() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({"Options": {"Export": "ENABLED"}})).await;
    let named = json!({"CertificateArn": arn});
    is_refused(&client, "RenewCertificate", named.clone(), "ValidationException", "not eligible").await;
    export(&client, &arn).await;
    let before = describe(&client, &arn).await["Serial"].clone();
    ok(&client, "RenewCertificate", named.clone()).await;
    until("it is renewed", async || describe(&client, &arn).await["Serial"] != before).await;
    is_refused(&client, "RenewCertificate", named, "ValidationException", "not eligible").await;
    pass(&cloud, 1).await;
}

#[tokio::test]
async fn what_is_in_use_is_renewed_and_stays() {
    let neighbours = |uses: Option<String>| {
        let mut services = services();
        services.retain(|service| service.api().name != "iam");
        services.push(Arc::new(Neighbour { name: None, uses }));
        services
    };
    // Whatever certificate there is, is in use.
    let (cloud, client) = noon_with(neighbours(Some(String::new()))).await;
    let arn = issued(&client, json!({})).await;
    let got = describe(&client, &arn).await;
    assert_eq!(got["InUseBy"], json!(["arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/l"]));
    assert_eq!(got["RenewalEligibility"], "ELIGIBLE");
    let listed = ok(&client, "ListCertificates", json!({"Includes": {"keyTypes": ["EC_prime256v1"]}})).await;
    assert_eq!(listed["CertificateSummaryList"][0]["InUse"], true);
    is_refused(&client, "DeleteCertificate", json!({"CertificateArn": arn}), "ResourceInUseException", "is in use")
        .await;
    let revoke = json!({"CertificateArn": arn, "RevocationReason": "SUPERSEDED"});
    is_refused(&client, "RevokeCertificate", revoke, "ResourceInUseException", "is in use").await;
    pass(&cloud, 154 * DAY).await;
    assert_ne!(describe(&client, &arn).await["Serial"], got["Serial"]);
}

#[tokio::test]
async fn cloudwatch_is_told_twice_a_day_how_long_it_lasts() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({})).await;
    pass(&cloud, 60).await;
    // What is measured is asked for once a minute of the machine's time; it is asked here as then.
    for moment in ["2026-03-02T00:00:30Z", "2026-03-02T00:01:30Z", "2026-03-02T12:00:30Z"] {
        cloud.kernel.clock().set(moment.parse().unwrap());
        Acm::default().measure(&cloud.kernel).unwrap();
        cloud.kernel.keep_metrics().await.unwrap();
    }
    pass(&cloud, 60).await;
    let input = json!({"Namespace": "AWS/CertificateManager", "MetricName": "DaysToExpiry", "Dimensions": [{"Name": "CertificateArn", "Value": arn}],
        "StartTime": "2026-03-02T00:00:00Z", "EndTime": "2026-03-03T00:00:00Z", "Period": 60, "Statistics": ["Minimum"]});
    let got = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
    let points = got["Datapoints"].as_array().unwrap().iter().map(|point| point["Minimum"].as_f64().unwrap());
    let mut points: Vec<f64> = points.collect();
    points.sort_by(f64::total_cmp);
    assert_eq!(points, [197.0, 197.0]);
}
