//! The resource types as CloudFormation drives them.

use super::*;

/// Makes or changes the stack and says how it ended.
pub(crate) async fn stack(client: &Client, operation: &str, template: &Json) -> Json {
    let tags = json!([{"Key": "stack", "Value": "shop"}]);
    let input = json!({"StackName": "shop", "TemplateBody": template.to_string(), "Tags": tags});
    client.call("cloudformation", operation, input).await.ok();
    stands(client).await
}

async fn shown(client: &Client) -> Json {
    client.call("cloudformation", "DescribeStacks", json!({"StackName": "shop"})).await.ok()["Stacks"][0].clone()
}

async fn stands(client: &Client) -> Json {
    until("the stack stands", async || !shown(client).await["StackStatus"].as_str().unwrap().ends_with("IN_PROGRESS"))
        .await;
    shown(client).await
}

pub(crate) fn output(stack: &Json, key: &str) -> String {
    let all = stack["Outputs"].as_array().unwrap().iter();
    let found = all.into_iter().find(|output| output["OutputKey"] == key).unwrap();
    found["OutputValue"].as_str().unwrap().to_owned()
}

fn template(domain: &str, team: &str, days: i64, more: &Json) -> Json {
    let mut properties = json!({"DomainName": domain, "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1",
        "SubjectAlternativeNames": [format!("www.{domain}")], "Tags": [{"Key": "team", "Value": team}]});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "Resources": {
            "Certificate": {"Type": "AWS::CertificateManager::Certificate", "Properties": properties},
            "Account": {"Type": "AWS::CertificateManager::Account", "Properties": {"ExpiryEventsConfiguration": {"DaysBeforeExpiry": days}}},
        },
        "Outputs": {
            "Certificate": {"Value": {"Ref": "Certificate"}},
            "Arn": {"Value": {"Fn::GetAtt": ["Certificate", "CertificateArn"]}},
            "Account": {"Value": {"Fn::GetAtt": ["Account", "AccountId"]}},
        },
    })
}

async fn tags(client: &Client, arn: &str) -> Json {
    ok(client, "ListTagsForCertificate", json!({"CertificateArn": arn})).await["Tags"].clone()
}

#[tokio::test]
async fn a_stack_has_certificates_and_the_account() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let made =
        stack(&client, "CreateStack", &template("shop.com", "one", 20, &json!({"CertificateExport": "ENABLED"}))).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let arn = output(&made, "Certificate");
    assert_eq!((output(&made, "Arn"), output(&made, "Account").as_str()), (arn.clone(), "000000000000"));
    let got = describe(&client, &arn).await;
    assert_eq!((&got["Status"], &got["Options"]["Export"]), (&json!("ISSUED"), &json!("ENABLED")));
    assert_eq!(got["SubjectAlternativeNames"], json!(["shop.com", "www.shop.com"]));
    assert_eq!(tags(&client, &arn).await, json!([{"Key": "stack", "Value": "shop"}, {"Key": "team", "Value": "one"}]));
    assert_eq!(ok(&client, "GetAccountConfiguration", json!({})).await["ExpiryEvents"]["DaysBeforeExpiry"], 20);
    // Tags and days change where they are.
    let more = &json!({"CertificateExport": "ENABLED", "CertificateTransparencyLoggingPreference": "DISABLED"});
    let changed = stack(&client, "UpdateStack", &template("shop.com", "two", 10, more)).await;
    assert_eq!((&changed["StackStatus"], output(&changed, "Certificate")), (&json!("UPDATE_COMPLETE"), arn.clone()));
    assert_eq!(tags(&client, &arn).await[1]["Value"], "two");
    assert_eq!(describe(&client, &arn).await["Options"]["CertificateTransparencyLoggingPreference"], "DISABLED");
    assert_eq!(ok(&client, "GetAccountConfiguration", json!({})).await["ExpiryEvents"]["DaysBeforeExpiry"], 10);
    // Another domain is another certificate.
    let replaced = stack(&client, "UpdateStack", &template("other.com", "two", 10, more)).await;
    assert_eq!(replaced["StackStatus"], "UPDATE_COMPLETE", "{replaced}");
    let new = output(&replaced, "Certificate");
    assert_ne!(new, arn);
    let gone = json!({"CertificateArn": arn});
    is_refused(&client, "DescribeCertificate", gone, "ResourceNotFoundException", "").await;
    client.call("cloudformation", "DeleteStack", json!({"StackName": "shop"})).await.ok();
    until("it is gone", async || {
        client.call(SERVICE, "DescribeCertificate", json!({"CertificateArn": new})).await.status == 400
    })
    .await;
    until("the account is as it was", async || {
        ok(&client, "GetAccountConfiguration", json!({})).await["ExpiryEvents"]["DaysBeforeExpiry"] == 45
    })
    .await;
}

#[tokio::test]
async fn a_stack_waits_until_the_domain_is_validated() {
    let cloud = Cloud::start(with(Acm::waiting())).await;
    let client = cloud.client();
    let mut template = template("shop.com", "one", 20, &json!({"SubjectAlternativeNames": ["shop.com"]}));
    template["Resources"]["Account"]["DependsOn"] = json!("Certificate");
    let input = json!({"StackName": "shop", "TemplateBody": template.to_string()});
    client.call("cloudformation", "CreateStack", input).await.ok();
    let listed = async || {
        let input = json!({"Includes": {"keyTypes": ["EC_prime256v1"]}});
        ok(&client, "ListCertificates", input).await["CertificateSummaryList"][0]["CertificateArn"]
            .as_str()
            .map(ToOwned::to_owned)
    };
    until("it is asked for", async || listed().await.is_some()).await;
    let arn = listed().await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(shown(&client).await["StackStatus"], "CREATE_IN_PROGRESS");
    let (name, value) = record(&client, &arn).await;
    publish(&cloud, &name, "CNAME", &value).await;
    assert_eq!(stands(&client).await["StackStatus"], "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_stack_fails_whose_domain_gets_no_certificate() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let made = stack(&client, "CreateStack", &template("shop.test", "one", 20, &json!({}))).await;
    assert_eq!(made["StackStatus"], "ROLLBACK_COMPLETE", "{made}");
    let input = json!({"Includes": {"keyTypes": ["EC_prime256v1"]}});
    assert_eq!(ok(&client, "ListCertificates", input).await["CertificateSummaryList"], json!([]));
}

#[tokio::test]
async fn a_zone_that_is_named_must_be_there() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let zones = json!([{"DomainName": "shop.com", "HostedZoneId": "Z1"}]);
    let made =
        stack(&client, "CreateStack", &template("shop.com", "one", 20, &json!({"DomainValidationOptions": zones})))
            .await;
    assert_eq!(made["StackStatus"], "ROLLBACK_COMPLETE", "{made}");
    let events = client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "shop"})).await.ok();
    assert!(events.to_string().contains("route53"), "{events}");
}

#[tokio::test]
async fn letters_go_where_a_template_says() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let options = json!([{"DomainName": "a.shop.com", "ValidationDomain": "shop.com"}]);
    let more = json!({"ValidationMethod": "EMAIL", "DomainValidationOptions": options, "SubjectAlternativeNames": []});
    let input = json!({"StackName": "shop", "TemplateBody": template("a.shop.com", "one", 20, &more).to_string()});
    client.call("cloudformation", "CreateStack", input).await.ok();
    until("letters are sent", async || {
        cloud.kernel.inbox().unwrap().iter().any(|letter| letter.to == "admin@shop.com")
    })
    .await;
}
