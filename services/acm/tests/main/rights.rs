//! Who may do what.

use undercast_testkit::Credentials;

use super::*;

async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

/// Every operation, with an input that is one of its own.
fn calls(arn: &str) -> Vec<(&'static str, Json)> {
    let named = json!({"CertificateArn": arn});
    let and = |more: Json| {
        let mut input = named.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let tags = and(json!({"Tags": [{"Key": "a", "Value": "b"}]}));
    let pem = wire::text::base64(b"x");
    let endpoint = "arn:aws:acm:us-east-1:000000000000:acme-endpoint/e";
    let of_endpoint = json!({"AcmeEndpointArn": endpoint});
    let validation = json!({"AcmeDomainValidationArn": format!("{endpoint}/acme-domain-validation/v")});
    let binding = json!({"AcmeExternalAccountBindingArn": format!("{endpoint}/acme-external-account-binding/b")});
    let account = json!({"AcmeEndpointArn": endpoint, "AccountUrl": "https://localhost"});
    let resource = |more: Json| {
        let mut input = json!({"ResourceArn": endpoint});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    vec![
        (
            "CreateAcmeEndpoint",
            json!({"AuthorizationBehavior": "PRE_APPROVED", "CertificateAuthority": {"PublicCertificateAuthority": {}}}),
        ),
        (
            "CreateAcmeDomainValidation",
            json!({"AcmeEndpointArn": endpoint, "DomainName": "a.com", "PrevalidationOptions": {"DnsPrevalidation": {}}}),
        ),
        (
            "CreateAcmeExternalAccountBinding",
            json!({"AcmeEndpointArn": endpoint, "RoleArn": "arn:aws:iam::000000000000:role/r"}),
        ),
        ("UpdateAcmeEndpoint", of_endpoint.clone()),
        ("UpdateAcmeDomainValidation", validation.clone()),
        ("DescribeAcmeEndpoint", of_endpoint.clone()),
        ("DescribeAcmeDomainValidation", validation.clone()),
        ("DescribeAcmeExternalAccountBinding", binding.clone()),
        ("GetAcmeExternalAccountBindingCredentials", binding.clone()),
        ("DescribeAcmeAccount", account.clone()),
        ("ListAcmeAccounts", of_endpoint.clone()),
        ("ListAcmeDomainValidations", of_endpoint.clone()),
        ("ListAcmeExternalAccountBindings", of_endpoint.clone()),
        ("ListAcmeEndpoints", json!({})),
        ("RevokeAcmeAccount", account),
        ("RevokeAcmeExternalAccountBinding", binding.clone()),
        ("ListTagsForResource", resource(json!({}))),
        ("TagResource", resource(json!({"Tags": [{"Key": "a", "Value": "b"}]}))),
        ("UntagResource", resource(json!({"TagKeys": ["a"]}))),
        ("DeleteAcmeDomainValidation", validation),
        ("DeleteAcmeExternalAccountBinding", binding),
        ("DeleteAcmeEndpoint", of_endpoint),
        ("AddTagsToCertificate", tags.clone()),
        ("RemoveTagsFromCertificate", tags),
        ("DescribeCertificate", named.clone()),
        ("ExportCertificate", and(json!({"Passphrase": wire::text::base64(b"secret")}))),
        ("GetAccountConfiguration", json!({})),
        ("GetCertificate", named.clone()),
        ("ImportCertificate", json!({"Certificate": pem, "PrivateKey": pem})),
        ("ListCertificateDomainValidations", named.clone()),
        ("ListCertificates", json!({})),
        ("ListTagsForCertificate", named.clone()),
        ("PutAccountConfiguration", json!({"IdempotencyToken": "t"})),
        ("RenewCertificate", named.clone()),
        ("RequestCertificate", json!({"DomainName": "shop.com"})),
        ("ResendValidationEmail", and(json!({"Domain": "shop.com", "ValidationDomain": "shop.com"}))),
        ("SearchCertificates", json!({})),
        ("UpdateCertificateOptions", and(json!({"Options": {"Export": "DISABLED"}}))),
        ("RevokeCertificate", and(json!({"RevocationReason": "UNSPECIFIED"}))),
        ("DeleteCertificate", named),
    ]
}

#[tokio::test]
async fn every_operation_needs_its_own_permission() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({})).await;
    let calls = calls(&arn);
    assert_eq!(calls.len(), undercast_acm::api::SERVICE.operations.len());
    for (number, (operation, input)) in calls.into_iter().enumerate() {
        let action = format!("acm:{operation}");
        let but = json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}, {"Effect": "Deny", "Action": action, "Resource": "*"}]);
        let poor = user(&cloud, &client, &format!("poor{number}"), but).await;
        is_refused(&poor, operation, input.clone(), "AccessDeniedException", &action).await;
        let only = json!([{"Effect": "Allow", "Action": [action, "iam:PassRole"], "Resource": "*"}]);
        let rich = user(&cloud, &client, &format!("rich{number}"), only).await;
        let answer = rich.call(SERVICE, operation, input).await;
        assert!(answer.status < 300 || answer.code() != "AccessDeniedException", "{operation}: {}", answer.json);
    }
}

#[tokio::test]
async fn conditions_are_of_the_request_and_of_the_certificate() {
    let (cloud, client) = noon().await;
    let on = |condition: Json| json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*", "Condition": condition}]);
    let ask = |more: Json| {
        let mut input = json!({"DomainName": "a.shop.com", "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (number, (condition, good, bad)) in [
        (
            json!({"ForAllValues:StringLike": {"acm:DomainNames": "*.shop.com"}}),
            json!({}),
            json!({"SubjectAlternativeNames": ["b.com"]}),
        ),
        (json!({"StringEquals": {"acm:ValidationMethod": "DNS"}}), json!({}), json!({"ValidationMethod": "EMAIL"})),
        (
            json!({"StringEquals": {"acm:KeyAlgorithm": "EC_prime256v1"}}),
            json!({}),
            json!({"KeyAlgorithm": "RSA_2048"}),
        ),
        (json!({"StringEquals": {"acm:Export": "DISABLED"}}), json!({}), json!({"Options": {"Export": "ENABLED"}})),
        (
            json!({"StringEquals": {"acm:CertificateTransparencyLogging": "ENABLED"}}),
            json!({}),
            json!({"Options": {"CertificateTransparencyLoggingPreference": "DISABLED"}}),
        ),
        (
            json!({"StringEquals": {"aws:RequestTag/team": "shop"}}),
            json!({"Tags": [{"Key": "team", "Value": "shop"}]}),
            json!({}),
        ),
        (json!({"StringEquals": {"acm:CertificateKeyPairOrigin": "AWS_MANAGED"}}), json!({}), Json::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let user = user(&cloud, &client, &format!("u{number}"), on(condition.clone())).await;
        ok(&user, "RequestCertificate", ask(good)).await;
        if !bad.is_null() {
            is_refused(&user, "RequestCertificate", ask(bad), "AccessDeniedException", "").await;
        }
    }
    let tagged = issued(&client, json!({"Tags": [{"Key": "team", "Value": "shop"}]})).await;
    let plain = issued(&client, json!({"DomainName": "www.shop.com"})).await;
    let shop = user(&cloud, &client, "shop", on(json!({"StringEquals": {"aws:ResourceTag/team": "shop"}}))).await;
    describe(&shop, &tagged).await;
    is_refused(&shop, "DescribeCertificate", json!({"CertificateArn": plain}), "AccessDeniedException", "").await;
    let one = json!([{"Effect": "Allow", "Action": "acm:*", "Resource": plain}]);
    let one = user(&cloud, &client, "one", one).await;
    describe(&one, &plain).await;
    is_refused(&one, "DescribeCertificate", json!({"CertificateArn": tagged}), "AccessDeniedException", "").await;
    is_refused(&one, "ListCertificates", json!({}), "AccessDeniedException", "").await;
    // What is not there yet is one of all certificates.
    let all = "arn:aws:acm:us-east-1:000000000000:certificate/*";
    is_refused(&one, "RequestCertificate", ask(json!({})), "AccessDeniedException", all).await;
    let wide = json!([{"Effect": "Allow", "Action": "acm:RequestCertificate", "Resource": all}]);
    ok(&user(&cloud, &client, "wide", wide).await, "RequestCertificate", ask(json!({}))).await;
    // What is of another account is not there.
    let stranger = cloud.client_of(Credentials::new("111111111111", "test"));
    is_refused(&stranger, "DescribeCertificate", json!({"CertificateArn": plain}), "ResourceNotFoundException", "")
        .await;
}

#[tokio::test]
async fn the_trail_tells_no_secrets() {
    let (cloud, client) = noon().await;
    let arn = issued(&client, json!({"Options": {"Export": "ENABLED"}})).await;
    export(&client, &arn).await;
    let secret = wire::text::base64(b"canary-in-the-mine");
    let import = json!({"Certificate": secret, "PrivateKey": secret});
    client.call(SERVICE, "ImportCertificate", import).await.code();
    let from = cloud.kernel.database().read();
    let acm = cloud.kernel.service(SERVICE).unwrap();
    let records = cloud.kernel.trail().latest(100).into_iter().filter(|record| record.service == SERVICE);
    let told: Vec<String> = records.map(|record| record.cloudtrail(&**acm, &from).to_string()).collect();
    let passphrase = wire::text::base64(b"secret");
    let exported = told.iter().find(|event| event.contains("\"ExportCertificate\"")).unwrap();
    assert!(exported.contains(&arn) && !exported.contains(&passphrase), "{exported}");
    let imported = told.iter().find(|event| event.contains("\"ImportCertificate\"")).unwrap();
    assert!(imported.contains("HIDDEN_DUE_TO_SECURITY_REASONS") && !imported.contains(&secret), "{imported}");
}

#[tokio::test]
async fn endpoints_have_tags_and_hand_roles_over() {
    let (cloud, client) = noon().await;
    let made = json!({"AuthorizationBehavior": "PRE_APPROVED", "CertificateAuthority": {"PublicCertificateAuthority": {}}, "Tags": [{"Key": "team", "Value": "shop"}]});
    let arn = ok(&client, "CreateAcmeEndpoint", made).await["AcmeEndpointArn"].clone();
    let on = |condition: Json| json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*", "Condition": condition}]);
    let named = json!({"AcmeEndpointArn": arn});
    let shop = user(&cloud, &client, "shop", on(json!({"StringEquals": {"aws:ResourceTag/team": "shop"}}))).await;
    ok(&shop, "DescribeAcmeEndpoint", named.clone()).await;
    let other = user(&cloud, &client, "other", on(json!({"StringEquals": {"aws:ResourceTag/team": "other"}}))).await;
    is_refused(&other, "DescribeAcmeEndpoint", named, "AccessDeniedException", "").await;
    let asked = user(&cloud, &client, "asked", on(json!({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}))).await;
    ok(&asked, "UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a"]})).await;
    is_refused(&asked, "UntagResource", json!({"ResourceArn": arn, "TagKeys": ["team"]}), "AccessDeniedException", "")
        .await;
    let poor = user(&cloud, &client, "poor", json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}])).await;
    let bind = json!({"AcmeEndpointArn": arn, "RoleArn": "arn:aws:iam::000000000000:role/r"});
    is_refused(&poor, "CreateAcmeExternalAccountBinding", bind.clone(), "AccessDeniedException", "iam:PassRole").await;
    let pass = json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
        "Condition": {"StringEquals": {"iam:PassedToService": "acm-acme.amazonaws.com"}}}]);
    let rich = user(&cloud, &client, "rich", pass).await;
    is_refused(&rich, "CreateAcmeExternalAccountBinding", bind, "ValidationException", "cannot be assumed").await;
}
