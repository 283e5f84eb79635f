//! Sessions for those whom an OpenID Connect provider vouches for, and forged tokens.

use std::sync::Arc;

use undercast_kernel::policy::{Policy, PolicyKind, PrincipalFacts};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Identities, IdentityPolicies, ProviderFacts, Result, RoleFacts};

use super::provider::{Provider, base64url};
use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/web";

/// One role that trusts one provider.
struct Known {
    provider: ProviderFacts,
    arn: String,
    trust: Arc<Policy>,
    own: Arc<IdentityPolicies>,
}

impl Identities for Known {
    fn policies(&self, _from: &Snapshot, _principal: &PrincipalFacts) -> Result<Arc<IdentityPolicies>> {
        Ok(self.own.clone())
    }

    fn role(&self, _from: &Snapshot, arn: &str) -> Result<Option<RoleFacts>> {
        let role = || RoleFacts {
            id: "AROAWEB".to_owned(),
            arn: ROLE.to_owned(),
            trust: self.trust.clone(),
            max_session_seconds: 3_600,
            tags: Vec::new(),
        };
        Ok((arn == ROLE).then(role))
    }

    fn provider(&self, _from: &Snapshot, arn: &str) -> Result<Option<ProviderFacts>> {
        Ok((arn == self.arn).then(|| self.provider.clone()))
    }
}

/// A cloud that knows the provider, whose subject `sub-001` alone it trusts.
async fn cloud(provider: &Provider, thumbprint: &str) -> Cloud {
    let cloud = Cloud::start(vec![Arc::new(Sqs), Arc::new(Sts)]).await;
    let host = &provider.host;
    let arn = format!("arn:aws:iam::000000000000:oidc-provider/{host}");
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": arn},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": {"StringEquals": {format!("{host}:aud"): "client", format!("{host}:sub"): "sub-001"}}}]});
    // The session may make queues that are called as its subject is.
    let own = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*",
        "Resource": format!("arn:aws:sqs:*:*:${{{host}:sub}}-${{aws:PrincipalTag/team, 'none'}}")}]});
    let parse = |kind, json: &Json| Arc::new(Policy::parse(kind, &json.to_string()).unwrap());
    let identity =
        vec![undercast_kernel::policy::NamedPolicy { name: "own".into(), policy: parse(PolicyKind::Inline, &own) }];
    cloud.kernel.set_identities(Arc::new(Known {
        provider: ProviderFacts::Oidc {
            url: host.clone(),
            clients: vec!["client".to_owned(), "other".to_owned()],
            thumbprints: vec![thumbprint.to_owned()],
        },
        arn,
        trust: parse(PolicyKind::Trust, &trust),
        own: Arc::new(IdentityPolicies { identity, ..IdentityPolicies::default() }),
    }));
    cloud
}

fn claims(cloud: &Cloud, provider: &Provider, more: &Json) -> Json {
    let now = cloud.kernel.clock().now().as_second();
    let mut all = json!({"iss": provider.issuer(), "sub": "sub-001", "aud": "client", "iat": now, "exp": now + 300, "nonce": "n"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

async fn assume(cloud: &Cloud, token: &str) -> undercast_testkit::Answer {
    let input = json!({"RoleArn": ROLE, "RoleSessionName": "s1", "WebIdentityToken": token});
    cloud.anonymous().call("sts", "AssumeRoleWithWebIdentity", input).await
}

#[tokio::test]
async fn a_token_that_the_provider_signed_begins_a_session() {
    let provider = Provider::new().await;
    let cloud = cloud(&provider, &provider.thumbprint.to_uppercase()).await;
    for key in ["rsa", "ec"] {
        let answer = assume(&cloud, &provider.token(key, &claims(&cloud, &provider, &json!({})))).await.ok();
        assert_eq!(answer["SubjectFromWebIdentityToken"], "sub-001");
        assert_eq!(answer["Audience"], "client");
        assert_eq!(answer["Provider"], provider.issuer());
        assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::000000000000:assumed-role/web/s1");
        let session = holder(&cloud, &answer);
        assert!(may_make_queue(&session, "sub-001-none").await, "its policy sees its subject");
        assert!(!may_make_queue(&session, "sub-002-none").await);
    }
    let tags = json!({"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "ann@x"});
    let answer = assume(&cloud, &provider.token("rsa", &claims(&cloud, &provider, &tags))).await.ok();
    assert_eq!(answer["SourceIdentity"], "ann@x");
    assert!(may_make_queue(&holder(&cloud, &answer), "sub-001-red").await);
}

#[tokio::test]
async fn a_provider_that_was_registered_with_iam_vouches() {
    let provider = Provider::new().await;
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    let arn = format!("arn:aws:iam::000000000000:oidc-provider/{}", provider.host);
    let trusted = json!({"StringEquals": {format!("{}:sub", provider.host): "sub-001"}});
    let role = role(&cloud, "web", &json!({"Federated": arn}), &["sts:AssumeRoleWithWebIdentity"], &trusted).await;
    assert_eq!(role, ROLE);
    let token = provider.token("rsa", &claims(&cloud, &provider, &json!({})));
    assert_eq!(assume(&cloud, &token).await.code(), "InvalidIdentityTokenException");
    let register =
        json!({"Url": provider.issuer(), "ClientIDList": ["other"], "ThumbprintList": [provider.thumbprint]});
    let made = root.call("iam", "CreateOpenIDConnectProvider", register).await.ok();
    assert_eq!(made["OpenIDConnectProviderArn"], arn);
    assert_eq!(assume(&cloud, &token).await.code(), "InvalidIdentityTokenException");
    let client = json!({"OpenIDConnectProviderArn": arn, "ClientID": "client"});
    root.call("iam", "AddClientIDToOpenIDConnectProvider", client).await.ok();
    let answer = assume(&cloud, &token).await.ok();
    assert!(may_make_queue(&holder(&cloud, &answer), "mine").await);
    // What the session did is the role's last use.
    let shown = root.call("iam", "GetRole", json!({"RoleName": "web"})).await.ok();
    assert_eq!(shown["Role"]["RoleLastUsed"]["Region"], "us-east-1");
    let other = provider.token("rsa", &claims(&cloud, &provider, &json!({"sub": "sub-002"})));
    assert_eq!(assume(&cloud, &other).await.code(), "AccessDenied");
    root.call("iam", "DeleteOpenIDConnectProvider", json!({"OpenIDConnectProviderArn": arn})).await.ok();
    assert_eq!(assume(&cloud, &token).await.code(), "InvalidIdentityTokenException");
}

/// Each of these tokens is as good as the one that is taken, but for one thing.
#[tokio::test]
async fn forged_tokens_are_refused() {
    let provider = Provider::new().await;
    let other = Provider::new().await;
    let cloud = cloud(&provider, &provider.thumbprint).await;
    let good = claims(&cloud, &provider, &json!({}));
    let signed = provider.token("rsa", &good);
    assume(&cloud, &signed).await.ok();
    let parts: Vec<&str> = signed.split('.').collect();
    let encoded = |json: &Json| base64url(json.to_string().as_bytes());
    let now = cloud.kernel.clock().now().as_second();
    let with = |more: Json| provider.token("rsa", &claims(&cloud, &provider, &more));
    // Signed with the provider's public key as if it were a secret that both share.
    let shared = {
        let text = format!("{}.{}", encoded(&json!({"alg": "HS256", "typ": "JWT", "kid": "rsa"})), parts[1]);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &provider.public_der());
        format!("{text}.{}", base64url(aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref()))
    };
    let cases = [
        (String::from("no.token.here"), "InvalidIdentityTokenException"),
        (format!("{}.{}.", encoded(&json!({"alg": "none"})), parts[1]), "InvalidIdentityTokenException"),
        (format!("{}.{}.{}", encoded(&json!({"alg": "none"})), parts[1], parts[2]), "InvalidIdentityTokenException"),
        (shared, "InvalidIdentityTokenException"),
        (format!("{}.{}.", parts[0], parts[1]), "InvalidIdentityTokenException"),
        (
            format!("{}.{}.{}", parts[0], encoded(&claims(&cloud, &provider, &json!({"sub": "sub-002"}))), parts[2]),
            "InvalidIdentityTokenException",
        ),
        (other.token("rsa", &good), "InvalidIdentityTokenException"),
        (other.token("ec", &good), "InvalidIdentityTokenException"),
        (provider.signed(&json!({"alg": "RS256", "kid": "unknown"}), &good), "InvalidIdentityTokenException"),
        (provider.signed(&json!({"alg": "RS256", "kid": "ec"}), &good), "InvalidIdentityTokenException"),
        (other.token("rsa", &claims(&cloud, &other, &json!({}))), "InvalidIdentityTokenException"),
        (with(json!({"iss": format!("{}/", provider.issuer())})), "InvalidIdentityTokenException"),
        (with(json!({"aud": "stranger"})), "InvalidIdentityTokenException"),
        (with(json!({"azp": "stranger"})), "InvalidIdentityTokenException"),
        (with(json!({"exp": now - 1})), "ExpiredTokenException"),
        (with(json!({"nbf": now + 900})), "InvalidIdentityTokenException"),
        (with(json!({"sub": null})), "InvalidIdentityTokenException"),
        (with(json!({"exp": "soon"})), "InvalidIdentityTokenException"),
        (with(json!({"aud": "other"})), "AccessDenied"),
        (with(json!({"sub": "sub-002"})), "AccessDenied"),
        (
            with(json!({"https://aws.amazon.com/tags": {"principal_tags": {"a": ["1", "2"]}}})),
            "InvalidIdentityTokenException",
        ),
    ];
    for (at, (token, code)) in cases.into_iter().enumerate() {
        let refused = assume(&cloud, &token).await;
        assert_eq!(refused.code(), code, "case {at}: {}", refused.json);
    }
    // A byte of the signature that is another one is another signature.
    let bytes = signed.as_bytes();
    let from = signed.rfind('.').unwrap() + 1;
    for at in (from..signed.len() - 1).step_by(17) {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let refused = assume(&cloud, &String::from_utf8(changed).unwrap()).await;
        assert_eq!(refused.code(), "InvalidIdentityTokenException", "byte {at}: {}", refused.json);
    }
}

#[tokio::test]
async fn policies_of_the_session_are_checked() {
    let provider = Provider::new().await;
    let cloud = cloud(&provider, &provider.thumbprint).await;
    let token = provider.token("rsa", &claims(&cloud, &provider, &json!({})));
    for (more, code) in [
        (json!({"Policy": "{}"}), "MalformedPolicyDocumentException"),
        (json!({"PolicyArns": long_policies()}), "PackedPolicyTooLargeException"),
        (json!({"DurationSeconds": 3_601}), "ValidationError"),
        (json!({"ProviderId": "www.amazon.com"}), "NotImplemented"),
    ] {
        let mut input = json!({"RoleArn": ROLE, "RoleSessionName": "s1", "WebIdentityToken": token});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = cloud.anonymous().call("sts", "AssumeRoleWithWebIdentity", input).await;
        assert_eq!(refused.code(), code, "{}", refused.json);
    }
}

#[tokio::test]
async fn keys_come_from_the_provider_alone() {
    let provider = Provider::new().await;
    let other = Provider::new().await;
    let no_key = async |cloud: &Cloud| {
        let refused = assume(cloud, &provider.token("rsa", &claims(cloud, &provider, &json!({})))).await;
        assert_eq!(refused.code(), "InvalidIdentityTokenException", "{}", refused.json);
        assert!(refused.json["message"].as_str().unwrap().starts_with("Couldn't retrieve verification key"));
    };
    // Nobody vouches for its certificate.
    no_key(&cloud(&provider, &other.thumbprint).await).await;
    let cloud = cloud(&provider, &provider.thumbprint).await;
    let about = "/.well-known/openid-configuration";
    // What it says of itself is of somebody else, is not over TLS, or is not there.
    provider.show(about, &json!({"issuer": other.issuer(), "jwks_uri": format!("{}/keys", provider.issuer())}));
    no_key(&cloud).await;
    provider.show(about, &json!({"issuer": provider.issuer(), "jwks_uri": format!("http://{}/keys", provider.host)}));
    no_key(&cloud).await;
    provider.show(about, &json!({"issuer": provider.issuer(), "jwks_uri": format!("{}/none", provider.issuer())}));
    no_key(&cloud).await;
    provider.show(about, &json!({"issuer": provider.issuer(), "jwks_uri": format!("{}/keys", provider.issuer())}));
    provider.show("/keys", &json!({"keys": []}));
    no_key(&cloud).await;
    provider.show("/keys", &json!({"keys": "none"}));
    no_key(&cloud).await;
}
