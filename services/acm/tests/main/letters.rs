//! Domains that are validated by letters.

use super::*;

/// The letters of a domain: to whom, and the path and query of the link.
fn letters(cloud: &Cloud, domain: &str) -> Vec<(String, String, String)> {
    let all = cloud.kernel.inbox().unwrap().into_iter();
    let of_domain = all
        .filter(|l| l.kind == "email" && l.subject.as_deref() == Some(&format!("Certificate approval for {domain}")));
    of_domain
        .map(|letter| {
            let link = letter.text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
            let (path, query) = link.splitn(4, '/').nth(3).unwrap().split_once('?').unwrap();
            (letter.to, format!("/{path}"), query.to_owned())
        })
        .collect()
}

async fn page(client: &Client, method: &str, path: &str, query: &str) -> (u16, String) {
    let (status, body) = fetch(client, method, path, query).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn people_of_the_domain_approve_it() {
    let (cloud, client) = noon().await;
    let options = json!([{"DomainName": "*.a.shop.com", "ValidationDomain": "shop.com"}]);
    let names = json!(["*.a.shop.com"]);
    let more = json!({"DomainName": "www.shop.com", "ValidationMethod": "EMAIL", "SubjectAlternativeNames": names, "DomainValidationOptions": options});
    let arn = request(&client, more).await;
    let got = describe(&client, &arn).await["DomainValidationOptions"].clone();
    assert_eq!(
        (&got[0]["ValidationDomain"], &got[1]["ValidationDomain"]),
        (&json!("www.shop.com"), &json!("shop.com"))
    );
    let mut people: Vec<String> =
        ["admin", "administrator", "hostmaster", "postmaster", "webmaster"].map(|p| format!("{p}@shop.com")).to_vec();
    let mut shown: Vec<String> = serde_json::from_value(got[0]["ValidationEmails"].clone()).unwrap();
    shown.sort();
    assert_eq!(shown, people);
    assert!(got[0].get("ResourceRecord").is_none());
    let sent = letters(&cloud, "www.shop.com");
    let mut to: Vec<String> = sent.iter().map(|(to, ..)| to.clone()).collect();
    to.sort();
    people.sort();
    assert_eq!(to, people);
    let (_, path, query) = sent[0].clone();
    let (status, asked) = page(&client, "GET", &path, &query).await;
    assert!(status == 200 && asked.contains("www.shop.com") && asked.contains("I Approve"), "{asked}");
    // To look is not to approve.
    assert_eq!(describe(&client, &arn).await["DomainValidationOptions"][0]["ValidationStatus"], "PENDING_VALIDATION");
    assert_eq!(page(&client, "POST", &path, &query).await.0, 200);
    until("one is validated", async || {
        describe(&client, &arn).await["DomainValidationOptions"][0]["ValidationStatus"] == "SUCCESS"
    })
    .await;
    assert_eq!(describe(&client, &arn).await["Status"], "PENDING_VALIDATION");
    let wrong = query.replace("code=", "code=x");
    assert_eq!(page(&client, "POST", &path, &wrong).await.0, 404);
    let (_, path, query) = letters(&cloud, "*.a.shop.com")[0].clone();
    assert_eq!(page(&client, "POST", &path, &query).await.0, 200);
    has_status(&client, &arn, "ISSUED").await;
    assert_eq!(page(&client, "GET", &path, &query).await.0, 404);
    assert_eq!(page(&client, "GET", &path, "").await.0, 404);
}

#[tokio::test]
async fn letters_are_sent_again_while_they_are_waited_for() {
    let (cloud, client) = noon().await;
    let arn = request(&client, json!({"DomainName": "a.b.shop.com", "ValidationMethod": "EMAIL"})).await;
    let again = |above: &str| json!({"CertificateArn": arn, "Domain": "a.b.shop.com", "ValidationDomain": above});
    ok(&client, "ResendValidationEmail", again("shop.com")).await;
    let sent = letters(&cloud, "a.b.shop.com");
    assert_eq!(sent.len(), 10);
    assert!(sent[5..].iter().all(|(to, ..)| to.ends_with("@shop.com")), "{sent:?}");
    assert_eq!(describe(&client, &arn).await["DomainValidationOptions"][0]["ValidationDomain"], "shop.com");
    let code = "InvalidDomainValidationOptionsException";
    is_refused(&client, "ResendValidationEmail", again("other.com"), code, "superdomain").await;
    let other = json!({"CertificateArn": arn, "Domain": "b.shop.com", "ValidationDomain": "shop.com"});
    is_refused(&client, "ResendValidationEmail", other, code, "not one of").await;
    pass(&cloud, 72 * HOUR).await;
    assert_eq!(describe(&client, &arn).await["Status"], "VALIDATION_TIMED_OUT");
    is_refused(&client, "ResendValidationEmail", again("shop.com"), "InvalidStateException", "").await;
    let (_, path, query) = sent[9].clone();
    assert_eq!(page(&client, "POST", &path, &query).await.0, 404);
}

#[tokio::test]
async fn a_renewal_by_letters_waits_for_the_people() {
    let (cloud, client) = noon().await;
    let more = json!({"ValidationMethod": "EMAIL", "Options": {"Export": "ENABLED"}});
    let arn = request(&client, more).await;
    let (_, path, query) = letters(&cloud, "shop.com")[0].clone();
    page(&client, "POST", &path, &query).await;
    has_status(&client, &arn, "ISSUED").await;
    export(&client, &arn).await;
    let url = listen(&client).await;
    pass(&cloud, 151 * DAY).await;
    let events = told_within(&cloud, &client, &url, 3).await;
    let got = describe(&client, &arn).await;
    assert_eq!(got["RenewalSummary"]["RenewalStatus"], "PENDING_VALIDATION");
    assert_eq!(letters(&cloud, "shop.com").len(), 10);
    assert_eq!(kinds(&events), ["ACM Certificate Renewal Action Required"]);
    let detail = &events[0]["detail"];
    assert_eq!((&detail["DaysToExpiry"], &detail["DomainValidationMethod"]), (&json!(45), &json!("EMAIL")));
    assert_eq!(detail["RenewalStatusReason"], "PENDING_DOMAIN_VALIDATION");
    // They are reminded at 30 days.
    pass(&cloud, 15 * DAY).await;
    assert_eq!(letters(&cloud, "shop.com").len(), 15);
    let before = describe(&client, &arn).await;
    let (_, path, query) = letters(&cloud, "shop.com")[14].clone();
    assert_eq!(page(&client, "POST", &path, &query).await.0, 200);
    until("it is renewed", async || describe(&client, &arn).await["RenewalSummary"]["RenewalStatus"] == "SUCCESS")
        .await;
    let after = describe(&client, &arn).await;
    assert!(after["NotAfter"].as_f64() > before["NotAfter"].as_f64() && after["Serial"] != before["Serial"]);
}

#[tokio::test]
async fn validation_moves_from_letters_to_records() {
    let (cloud, client) = waiting().await;
    let arn = request(&client, json!({"ValidationMethod": "EMAIL"})).await;
    let change = json!({"CertificateArn": arn, "Options": {"ValidationMethod": "DNS"}});
    is_refused(&client, "UpdateCertificateOptions", change.clone(), "InvalidStateException", "").await;
    let (_, path, query) = letters(&cloud, "shop.com")[0].clone();
    page(&client, "POST", &path, &query).await;
    has_status(&client, &arn, "ISSUED").await;
    ok(&client, "UpdateCertificateOptions", change.clone()).await;
    let got = describe(&client, &arn).await;
    assert_eq!(got["UpdateSummary"]["Status"], "PENDING_DOMAIN_VALIDATION");
    assert_eq!(got["UpdateSummary"]["DomainValidationMethodUpdateSummary"], json!({"From": "EMAIL", "To": "DNS"}));
    is_refused(&client, "UpdateCertificateOptions", change.clone(), "ConflictException", "").await;
    let asked = json!({"CertificateArn": arn});
    let listed =
        ok(&client, "ListCertificateDomainValidations", asked.clone()).await["DomainValidationSummaryList"][0].clone();
    assert_eq!(listed["ActiveValidationConfiguration"]["ValidationMethod"], "EMAIL");
    let requested = &listed["RequestedValidationConfiguration"];
    assert_eq!(
        (&requested["ValidationMethod"], &requested["ValidationStatus"]),
        (&json!("DNS"), &json!("PENDING_VALIDATION"))
    );
    let record = requested["ValidationChallenge"]["DnsValidationChallenge"]["ResourceRecord"].clone();
    // Nobody publishes it in time.
    pass(&cloud, 72 * HOUR).await;
    assert_eq!(describe(&client, &arn).await["UpdateSummary"]["Status"], "FAILED");
    ok(&client, "UpdateCertificateOptions", change.clone()).await;
    publish(&cloud, record["Name"].as_str().unwrap(), "CNAME", record["Value"].as_str().unwrap()).await;
    until("it has changed", async || describe(&client, &arn).await["UpdateSummary"]["Status"] == "SUCCESS").await;
    assert_eq!(describe(&client, &arn).await["DomainValidationOptions"][0]["ValidationMethod"], "DNS");
    let listed = ok(&client, "ListCertificateDomainValidations", asked).await["DomainValidationSummaryList"][0].clone();
    assert_eq!(listed["ActiveValidationConfiguration"]["ValidationMethod"], "DNS");
    assert!(listed.get("RequestedValidationConfiguration").is_none());
    is_refused(&client, "UpdateCertificateOptions", change, "ValidationException", "EMAIL to DNS").await;
}
