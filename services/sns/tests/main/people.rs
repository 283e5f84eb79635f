//! People and devices: what would leave this machine is in the inbox.

use super::*;

#[tokio::test]
async fn an_address_is_asked_and_then_gets_its_mail() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({"DisplayName": "News"})).await;
    for protocol in ["email", "email-json"] {
        let input = json!({"TopicArn": TOPIC, "Protocol": protocol, "Endpoint": format!("{protocol}@example.com")});
        let answer = client.call("sns", "Subscribe", input).await.ok();
        assert_eq!(answer["SubscriptionArn"], "pending confirmation");
    }
    until("both are asked", async || letters(&cloud, "email").len() == 2).await;
    for letter in letters(&cloud, "email") {
        let token = letter.text.split("Token=").nth(1).unwrap();
        let token: String = token.chars().take_while(char::is_ascii_hexdigit).collect();
        client.call("sns", "ConfirmSubscription", json!({"TopicArn": TOPIC, "Token": token})).await.ok();
        // Once more is no mistake.
        client.call("sns", "ConfirmSubscription", json!({"TopicArn": TOPIC, "Token": token})).await.ok();
    }
    let message = json!({"default": "for all", "email": "for people"}).to_string();
    let input = json!({"TopicArn": TOPIC, "Message": message, "MessageStructure": "json", "Subject": "today"});
    client.call("sns", "Publish", input).await.ok();
    until("both have it", async || letters(&cloud, "email").len() == 4).await;
    let got = letters(&cloud, "email");
    let to = |address: &str| got.iter().rev().find(|l| l.to == address).unwrap();
    let plain = to("email@example.com");
    assert!(plain.text.starts_with("for people\n") && plain.text.contains("Action=Unsubscribe"), "{plain:?}");
    assert_eq!((plain.subject.as_deref(), plain.from.as_str()), (Some("today"), "News <no-reply@sns.amazonaws.com>"));
    let json: Json = serde_json::from_str(&to("email-json@example.com").text).unwrap();
    assert_eq!(json["Message"], "for all");
    assert_eq!(cloud.kernel.empty_inbox().await.unwrap(), 4);
    assert!(letters(&cloud, "email").is_empty());
}

#[tokio::test]
async fn telephones_get_texts_from_topics_and_without() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({"DisplayName": "News"})).await;
    let arn = subscribed(&client, TOPIC, "sms", "+1-415-555-2671", json!({})).await;
    assert!(arn.starts_with(TOPIC));
    publish(&client, "hello").await;
    until("it is there", async || letters(&cloud, "sms").len() == 1).await;
    let got = letters(&cloud, "sms");
    assert_eq!((got[0].to.as_str(), got[0].text.as_str()), ("+14155552671", "News> hello"));
    client.call("sns", "SetSMSAttributes", json!({"attributes": {"DefaultSenderID": "Me"}})).await.ok();
    client.call("sns", "Publish", json!({"PhoneNumber": "+14155552672", "Message": "direct"})).await.ok();
    let got = letters(&cloud, "sms");
    assert_eq!((got[1].to.as_str(), got[1].text.as_str(), got[1].from.as_str()), ("+14155552672", "direct", "Me"));
    for number in ["+1a234", "NAA+15551234567"] {
        let refused = client.call("sns", "Publish", json!({"PhoneNumber": number, "Message": "x"})).await;
        let message = format!("Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to");
        assert_eq!(refused.json["message"], message);
    }
    let told = client.call("sns", "GetSMSAttributes", json!({"attributes": ["DefaultSenderID"]})).await.ok();
    assert_eq!(told["attributes"], json!({"DefaultSenderID": "Me"}));
    for (name, value) in [("DefaultSMSType", "Loud"), ("Unknown", "x"), ("MonthlySpendLimit", "-1")] {
        let refused = client.call("sns", "SetSMSAttributes", json!({"attributes": {name: value}})).await;
        assert_eq!(refused.code(), "InvalidParameterException", "{name}");
    }
}

#[tokio::test]
async fn a_number_of_the_sandbox_is_verified_by_the_code_that_it_gets() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let number = "+14155552671";
    let create = json!({"PhoneNumber": number, "LanguageCode": "de-DE"});
    client.call("sns", "CreateSMSSandboxPhoneNumber", create.clone()).await.ok();
    let text = letters(&cloud, "sms")[0].text.clone();
    let code = text.strip_prefix("Ihr Bestätigungscode lautet ").unwrap().to_owned();
    let wrong = client
        .call("sns", "VerifySMSSandboxPhoneNumber", json!({"PhoneNumber": number, "OneTimePassword": "00000"}))
        .await;
    assert_eq!(wrong.code(), "VerificationException");
    let listed = client.call("sns", "ListSMSSandboxPhoneNumbers", json!({"MaxResults": 10})).await.ok();
    assert_eq!(listed["PhoneNumbers"], json!([{"PhoneNumber": number, "Status": "Pending"}]));
    client
        .call("sns", "VerifySMSSandboxPhoneNumber", json!({"PhoneNumber": number, "OneTimePassword": code}))
        .await
        .ok();
    assert_eq!(client.call("sns", "CreateSMSSandboxPhoneNumber", create).await.code(), "UserErrorException");
    assert_eq!(
        client.call("sns", "DeleteSMSSandboxPhoneNumber", json!({"PhoneNumber": number})).await.code(),
        "UserErrorException"
    );
    cloud.kernel.advance(Duration::from_secs(86_401)).await.unwrap();
    client.call("sns", "DeleteSMSSandboxPhoneNumber", json!({"PhoneNumber": number})).await.ok();
    let gone = client.call("sns", "DeleteSMSSandboxPhoneNumber", json!({"PhoneNumber": number})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
    for _ in 0..5 {
        client.call("sns", "CreateSMSSandboxPhoneNumber", json!({"PhoneNumber": number})).await.ok();
    }
    let often = client.call("sns", "CreateSMSSandboxPhoneNumber", json!({"PhoneNumber": number})).await;
    assert_eq!(often.code(), "ThrottledException");
    let told = client.call("sns", "GetSMSSandboxAccountStatus", json!({})).await.ok();
    assert_eq!(told["IsInSandbox"], false);
}

#[tokio::test]
async fn devices_get_what_their_platform_reads() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let call = async |operation: &str, input: Json| client.call("sns", operation, input).await;
    let secret = json!({"PlatformCredential": "key"});
    let made =
        call("CreatePlatformApplication", json!({"Name": "app", "Platform": "GCM", "Attributes": secret})).await.ok();
    let app = made["PlatformApplicationArn"].as_str().unwrap().to_owned();
    assert_eq!(app, "arn:aws:sns:us-east-1:000000000000:app/GCM/app");
    let told = call("GetPlatformApplicationAttributes", json!({"PlatformApplicationArn": app})).await.ok();
    assert_eq!(told["Attributes"], json!({"Enabled": "true"}), "secrets are not told");
    let create = |data: &str| json!({"PlatformApplicationArn": app, "Token": "token", "CustomUserData": data, "Attributes": {"Enabled": "true"}});
    let made = call("CreatePlatformEndpoint", create("mine")).await.ok();
    let device = made["EndpointArn"].as_str().unwrap().to_owned();
    assert_eq!(call("CreatePlatformEndpoint", create("mine")).await.ok(), made);
    let message = format!(
        "Invalid parameter: Token Reason: Endpoint {device} already exists with the same Token, but different attributes."
    );
    assert_eq!(call("CreatePlatformEndpoint", create("other")).await.json["message"], message);
    // By itself, and by a topic.
    let message = json!({"default": "all", "GCM": "for GCM"}).to_string();
    call("Publish", json!({"TargetArn": device, "Message": message, "MessageStructure": "json"})).await.ok();
    topic(&client, json!({})).await;
    subscribed(&client, TOPIC, "application", &device, json!({})).await;
    publish(&client, "by topic").await;
    until("it is there", async || letters(&cloud, "push").len() == 2).await;
    let got = letters(&cloud, "push");
    assert_eq!((got[0].to.as_str(), got[0].text.as_str(), got[0].from.as_str()), ("token", "for GCM", app.as_str()));
    assert_eq!(got[1].text, "by topic");
    // What is off gets nothing.
    call("SetEndpointAttributes", json!({"EndpointArn": device, "Attributes": {"Enabled": "false", "Token": "new"}}))
        .await
        .ok();
    let told = call("GetEndpointAttributes", json!({"EndpointArn": device})).await.ok();
    assert_eq!(told["Attributes"], json!({"CustomUserData": "mine", "Enabled": "false", "Token": "new"}));
    let off = call("Publish", json!({"TargetArn": device, "Message": "x"})).await;
    assert_eq!(off.code(), "EndpointDisabledException");
    call("SetEndpointAttributes", json!({"EndpointArn": device, "Attributes": {"Enabled": "true"}})).await.ok();
    call(
        "SetPlatformApplicationAttributes",
        json!({"PlatformApplicationArn": app, "Attributes": {"Enabled": "false"}}),
    )
    .await
    .ok();
    let off = call("Publish", json!({"TargetArn": device, "Message": "x"})).await;
    assert_eq!(off.code(), "PlatformApplicationDisabledException");
    let listed = call("ListEndpointsByPlatformApplication", json!({"PlatformApplicationArn": app})).await.ok();
    assert_eq!(listed["Endpoints"][0]["EndpointArn"], device);
    let listed = call("ListPlatformApplications", json!({})).await.ok();
    assert_eq!(listed["PlatformApplications"][0]["PlatformApplicationArn"], app);
    call("DeleteEndpoint", json!({"EndpointArn": device})).await.ok();
    let gone = call("Publish", json!({"TargetArn": device, "Message": "x"})).await;
    assert_eq!(
        gone.json["message"],
        "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
    );
    call("DeletePlatformApplication", json!({"PlatformApplicationArn": app})).await.ok();
    assert_eq!(call("ListPlatformApplications", json!({})).await.ok()["PlatformApplications"], json!([]));
}
