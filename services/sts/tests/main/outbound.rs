//! Tokens for services outside: what they say, who verifies them, and what they are no good for.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use undercast_wire::Request;

use super::*;

/// A page of an issuer, as anybody gets it.
async fn page(cloud: &Cloud, url: &str) -> (u16, Json) {
    let host = &cloud.kernel.settings().host;
    let path = url.strip_prefix(&format!("https://{host}")).unwrap_or_else(|| panic!("{url} is not at {host}"));
    let mut request = Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: Default::default(),
        body: Vec::new().into(),
    };
    request.headers.insert("host", host.parse().unwrap());
    let (status, _, body) = cloud.anonymous().send(request).await;
    (status, serde_json::from_slice(&body).unwrap_or(Json::Null))
}

/// What a token says, verified by the pages of its issuer.
async fn verified(cloud: &Cloud, issuer: &str, token: &str, audience: &str) -> Json {
    let (status, about) = page(cloud, &format!("{issuer}/.well-known/openid-configuration")).await;
    assert_eq!((status, &about["issuer"]), (200, &json!(issuer)));
    let (_, keys) = page(cloud, about["jwks_uri"].as_str().unwrap()).await;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer]);
    validation.validate_exp = false;
    jsonwebtoken::decode::<Json>(token, &key, &validation).unwrap().claims
}

async fn token(client: &Client, more: Json) -> undercast_testkit::Answer {
    let mut input = json!({"Audience": ["https://api.example.com"], "SigningAlgorithm": "ES384"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("sts", "GetWebIdentityToken", input).await
}

#[tokio::test]
async fn a_token_says_who_asked_and_verifies_outside() {
    let cloud = Cloud::durable(services()).await;
    cloud.kernel.clock().freeze();
    let root = cloud.client();
    let role = role(
        &cloud,
        "job",
        &json!({"AWS": "*"}),
        &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        &json!({}),
    )
    .await;
    root.call(
        "iam",
        "TagRole",
        json!({"RoleName": "job", "Tags": [{"Key": "team", "Value": "red"}, {"Key": "stage", "Value": "test"}]}),
    )
    .await
    .ok();
    let ann = user(&cloud, "ann", &allow(&["sts:*"], &json!({}))).await;
    let off = token(&ann, json!({})).await;
    assert_eq!((off.status, off.code()), (403, "OutboundWebIdentityFederationDisabledException"));
    assert_eq!(root.call("iam", "GetOutboundWebIdentityFederationInfo", json!({})).await.status, 404);
    let issuer =
        root.call("iam", "EnableOutboundWebIdentityFederation", json!({})).await.ok()["IssuerIdentifier"].clone();
    let issuer = issuer.as_str().unwrap();
    let told = root.call("iam", "GetOutboundWebIdentityFederationInfo", json!({})).await.ok();
    assert_eq!((&told["IssuerIdentifier"], &told["JwtVendingEnabled"]), (&json!(issuer), &json!(true)));
    let begun =
        assume(&ann, &role, json!({"Tags": [{"Key": "Team", "Value": "blue"}], "SourceIdentity": "ann"})).await.ok();
    let job = holder(&cloud, &begun);
    let now = cloud.kernel.clock().now().as_second();
    for (algorithm, kind) in [("ES384", Algorithm::ES384), ("RS256", Algorithm::RS256)] {
        let tags = json!([{"Key": "job", "Value": "7"}]);
        let made = token(&job, json!({"SigningAlgorithm": algorithm, "Tags": tags, "DurationSeconds": 600})).await.ok();
        let text = made["WebIdentityToken"].as_str().unwrap();
        assert_eq!(jsonwebtoken::decode_header(text).unwrap().alg, kind);
        let claims = verified(&cloud, issuer, text, "https://api.example.com").await;
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(role), &json!("https://api.example.com")));
        assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 600)));
        assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
        let own = &claims["https://sts.amazonaws.com/"];
        assert_eq!((&own["aws_account"], &own["source_region"]), (&json!("000000000000"), &json!("us-east-1")));
        assert_eq!(own["principal_tags"], json!({"Team": "blue", "stage": "test"}));
        assert_eq!((&own["request_tags"], &own["source_identity"]), (&json!({"job": "7"}), &json!("ann")));
        assert!(own["original_session_exp"].as_str().unwrap().ends_with('Z') && own["org_id"].is_null());
        // It is no way back in.
        let input = json!({"RoleArn": role, "RoleSessionName": "s1", "WebIdentityToken": text});
        let back = cloud.anonymous().call("sts", "AssumeRoleWithWebIdentity", input).await;
        assert_eq!(back.code(), "InvalidIdentityTokenException");
    }
    let several = token(&ann, json!({"Audience": ["a", "b"]})).await.ok();
    let claims = verified(&cloud, issuer, several["WebIdentityToken"].as_str().unwrap(), "b").await;
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!(["a", "b"]), &json!("arn:aws:iam::000000000000:user/ann")));
    assert!(claims["https://sts.amazonaws.com/"]["original_session_exp"].is_null());
    // Nobody outlives a session by a token.
    cloud.kernel.advance(std::time::Duration::from_secs(3_000)).await.unwrap();
    token(&job, json!({"DurationSeconds": 600})).await.ok();
    cloud.kernel.advance(std::time::Duration::from_secs(1)).await.unwrap();
    assert_eq!(token(&job, json!({"DurationSeconds": 600})).await.code(), "SessionDurationEscalationException");
    // It is switched off and on again, as the same issuer, whose pages stay.
    assert_eq!(root.call("iam", "EnableOutboundWebIdentityFederation", json!({})).await.status, 409);
    root.call("iam", "DisableOutboundWebIdentityFederation", json!({})).await.ok();
    assert_eq!(root.call("iam", "DisableOutboundWebIdentityFederation", json!({})).await.status, 404);
    assert_eq!(token(&ann, json!({})).await.code(), "OutboundWebIdentityFederationDisabledException");
    verified(&cloud, issuer, several["WebIdentityToken"].as_str().unwrap(), "a").await;
    let again = root.call("iam", "EnableOutboundWebIdentityFederation", json!({})).await.ok();
    assert_eq!(again["IssuerIdentifier"], json!(issuer));
    for bad in ["/x", "", "/.well-known/nothing"] {
        assert_eq!(page(&cloud, &format!("{issuer}{bad}")).await.0, 404, "{bad}");
    }
    let other = issuer.replace("OutboundWebIdentity-", "OutboundWebIdentity-0");
    assert_eq!(page(&cloud, &format!("{other}/.well-known/jwks.json")).await.0, 404);
}

#[tokio::test]
async fn policies_say_whom_a_token_may_be_for() {
    let cloud = Cloud::start(services()).await;
    cloud.client().call("iam", "EnableOutboundWebIdentityFederation", json!({})).await.ok();
    let condition = json!({"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": "https://api.example.com"},
        "StringEquals": {"sts:SigningAlgorithm": "ES384"}, "NumericLessThanEquals": {"sts:DurationSeconds": "300"}});
    let ann = user(&cloud, "ann", &allow(&["sts:GetWebIdentityToken"], &condition)).await;
    token(&ann, json!({})).await.ok();
    for more in [
        json!({"Audience": ["https://other.example.com"]}),
        json!({"SigningAlgorithm": "RS256"}),
        json!({"DurationSeconds": 301}),
        json!({"Tags": [{"Key": "a", "Value": "b"}]}),
    ] {
        assert_eq!(token(&ann, more.clone()).await.code(), "AccessDenied", "{more}");
    }
    let tagged = json!({"StringEquals": {"aws:RequestTag/a": "b"}});
    let bob = user(&cloud, "bob", &allow(&["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"], &tagged)).await;
    token(&bob, json!({"Tags": [{"Key": "a", "Value": "b"}]})).await.ok();
    assert_eq!(token(&bob, json!({"Tags": [{"Key": "a", "Value": "c"}]})).await.code(), "AccessDenied");
    let root = cloud.client();
    assert_eq!(token(&root, json!({"SigningAlgorithm": "HS256"})).await.code(), "ValidationError");
    let twice = json!({"Tags": [{"Key": "a", "Value": "b"}, {"Key": "A", "Value": "c"}]});
    assert_eq!(token(&root, twice).await.code(), "InvalidParameterValue");
}
