//! Endpoints of ACME, and a small client of theirs.

use std::cell::RefCell;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};

use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/acme";
const HOST: &str = "http://localhost";

fn encode(bytes: &[u8]) -> String {
    wire::text::base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

/// A client of one endpoint.
struct Acme<'a> {
    client: &'a Client,
    key: EcdsaKeyPair,
    directory: Json,
    account: RefCell<Option<String>>,
    nonce: RefCell<Option<String>>,
}

/// An answer: its status, what it says, and where that is.
struct Told {
    status: u16,
    body: Json,
    text: String,
    location: String,
}

impl Told {
    /// The kind of a problem.
    fn kind(&self) -> (u16, &str) {
        let kind = self.body["type"].as_str().unwrap_or_default();
        (self.status, kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind))
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn jwk(key: &EcdsaKeyPair) -> Json {
    let point = key.public_key().as_ref();
    json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
}

/// A JSON Web Signature of a key. No payload is the empty one.
fn sign(key: &EcdsaKeyPair, protected: &Json, payload: Option<&Json>) -> Json {
    let protected = encode(protected.to_string().as_bytes());
    let payload = payload.map_or_else(String::new, |payload| encode(payload.to_string().as_bytes()));
    let signature = key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
    json!({"protected": protected, "payload": payload, "signature": encode(signature.as_ref())})
}

async fn send(client: &Client, method: &str, url: &str, body: Option<&Json>) -> (Told, Option<String>) {
    let mut request = Request {
        method: method.to_owned(),
        path: url.strip_prefix(HOST).unwrap().to_owned(),
        query: String::new(),
        headers: Default::default(),
        body: body.map_or_else(Body::empty, |body| Body::from(Bytes::from(body.to_string()))),
    };
    request.headers.insert("host", "localhost".parse().unwrap());
    request.headers.insert("content-type", "application/jose+json".parse().unwrap());
    let (status, headers, body) = client.send(request).await;
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let text = String::from_utf8(body.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Json::Null);
    (Told { status, body: json, text, location: header("location").unwrap_or_default() }, header("replay-nonce"))
}

impl<'a> Acme<'a> {
    /// A client that has found the endpoint.
    async fn new(client: &'a Client, endpoint: &str) -> Self {
        let url = describe_endpoint(client, endpoint).await["EndpointUrl"].as_str().unwrap().to_owned();
        let path = url.splitn(4, '/').nth(3).unwrap();
        let (told, _) = send(client, "GET", &format!("{HOST}/{path}"), None).await;
        assert_eq!((told.status, &told.body["meta"]["externalAccountRequired"]), (200, &json!(true)));
        Self { client, key: new_key(), directory: told.body, account: RefCell::default(), nonce: RefCell::default() }
    }

    fn url(&self, name: &str) -> String {
        self.directory[name].as_str().unwrap().to_owned()
    }

    async fn nonce(&self) -> String {
        let kept = self.nonce.borrow_mut().take();
        match kept {
            Some(nonce) => nonce,
            None => send(self.client, "HEAD", &self.url("newNonce"), None).await.1.unwrap(),
        }
    }

    /// Sends what is signed by the account, or by the key where there is none yet.
    async fn post(&self, url: &str, payload: Option<&Json>) -> Told {
        let mut protected = json!({"alg": "ES256", "url": url, "nonce": self.nonce().await});
        match self.account.borrow().as_ref() {
            Some(account) => protected["kid"] = json!(account),
            None => protected["jwk"] = jwk(&self.key),
        }
        self.post_signed(url, &sign(&self.key, &protected, payload)).await
    }

    async fn post_signed(&self, url: &str, body: &Json) -> Told {
        let (told, nonce) = send(self.client, "POST", url, Some(body)).await;
        *self.nonce.borrow_mut() = nonce;
        told
    }

    /// The proof of a binding.
    fn proof(&self, credentials: &Json) -> Json {
        let mac = credentials["MacKey"].as_str().unwrap().replace('-', "+").replace('_', "/");
        let mac = wire::text::unbase64(&format!("{mac}=")).unwrap();
        let protected = json!({"alg": "HS256", "kid": credentials["KeyId"], "url": self.url("newAccount")});
        let (protected, payload) =
            (encode(protected.to_string().as_bytes()), encode(jwk(&self.key).to_string().as_bytes()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac), format!("{protected}.{payload}").as_bytes());
        json!({"protected": protected, "payload": payload, "signature": encode(tag.as_ref())})
    }

    async fn register(&self, credentials: &Json, more: &Json) -> Told {
        let mut payload = json!({"externalAccountBinding": self.proof(credentials)});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = self.post(&self.url("newAccount"), Some(&payload)).await;
        if told.status < 300 {
            *self.account.borrow_mut() = Some(told.location.clone());
        }
        told
    }

    async fn order(&self, names: &[&str]) -> Told {
        let identifiers: Vec<Json> = names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
        self.post(&self.url("newOrder"), Some(&json!({"identifiers": identifiers}))).await
    }

    /// Finishes an order with a request for these names.
    async fn finalize(&self, order: &Told, names: &[&str], key: &KeyPair) -> Told {
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let mut params = params;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let csr = encode(params.serialize_request(key).unwrap().der());
        self.post(order.body["finalize"].as_str().unwrap(), Some(&json!({"csr": csr}))).await
    }

    /// The certificate of an order, and what it is in DER.
    async fn download(&self, order: &Told) -> (String, Vec<u8>) {
        let told = self.post(order.body["certificate"].as_str().unwrap(), None).await;
        assert_eq!(told.status, 200, "{}", told.text);
        let first = told.text.split("-----").nth(2).unwrap().replace('\n', "");
        (told.text, wire::text::unbase64(&first).unwrap())
    }

    /// Orders one certificate for `shop.com`.
    async fn certificate(&self) -> (String, Vec<u8>) {
        let order = self.order(&["shop.com"]).await;
        let finished = self.finalize(&order, &["shop.com"], &KeyPair::generate().unwrap()).await;
        assert_eq!(finished.status, 200, "{}", finished.text);
        self.download(&finished).await
    }
}

/// What the role of bindings lets in, and what it allows: as the user guide says.
async fn role(client: &Client, statements: Json) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "acm-acme.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "Condition": {"StringLike": {"sts:SourceIdentity": "acm-acme-*"}}}]});
    let input = json!({"RoleName": "acme", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"RoleName": "acme", "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

async fn open_role(client: &Client) {
    let actions = json!(["acm:RequestCertificate", "acm:RevokeCertificate"]);
    role(client, json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}])).await;
}

async fn endpoint(client: &Client, more: Json) -> String {
    let mut input =
        json!({"AuthorizationBehavior": "PRE_APPROVED", "CertificateAuthority": {"PublicCertificateAuthority": {}}});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(client, "CreateAcmeEndpoint", input).await["AcmeEndpointArn"].as_str().unwrap().to_owned()
}

async fn describe_endpoint(client: &Client, arn: &str) -> Json {
    ok(client, "DescribeAcmeEndpoint", json!({"AcmeEndpointArn": arn})).await["AcmeEndpoint"].clone()
}

async fn binding(client: &Client, endpoint: &str, more: Json) -> String {
    let mut input = json!({"AcmeEndpointArn": endpoint, "RoleArn": ROLE});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = ok(client, "CreateAcmeExternalAccountBinding", input).await["ExternalAccountBinding"].clone();
    made["AcmeExternalAccountBindingArn"].as_str().unwrap().to_owned()
}

async fn credentials(client: &Client, binding: &str) -> Json {
    let input = json!({"AcmeExternalAccountBindingArn": binding});
    ok(client, "GetAcmeExternalAccountBindingCredentials", input).await
}

/// Asks for the validation of a domain, for all its names or for those that are said.
async fn validation(client: &Client, endpoint: &str, domain: &str, scope: Json) -> String {
    let input = json!({"AcmeEndpointArn": endpoint, "DomainName": domain, "PrevalidationOptions": {"DnsPrevalidation": {"DomainScope": scope}}});
    let made = ok(client, "CreateAcmeDomainValidation", input).await;
    made["AcmeDomainValidationArn"].as_str().unwrap().to_owned()
}

async fn describe_validation(client: &Client, arn: &str) -> Json {
    let input = json!({"AcmeDomainValidationArn": arn});
    ok(client, "DescribeAcmeDomainValidation", input).await["AcmeDomainValidation"].clone()
}

async fn validated(client: &Client, endpoint: &str, domain: &str) -> String {
    let all = json!({"ExactDomain": "ENABLED", "Subdomains": "ENABLED", "Wildcards": "ENABLED"});
    let arn = validation(client, endpoint, domain, all).await;
    until("it is valid", async || describe_validation(client, &arn).await["Status"] == "VALID").await;
    arn
}

/// An endpoint with a role, a domain, a binding, and a client that has registered.
async fn registered<'a>(client: &'a Client, more: Json) -> (String, Acme<'a>) {
    open_role(client).await;
    let endpoint = endpoint(client, more).await;
    validated(client, &endpoint, "shop.com").await;
    let credentials = credentials(client, &binding(client, &endpoint, json!({})).await).await;
    let acme = Acme::new(client, &endpoint).await;
    let told = acme.register(&credentials, &json!({"contact": ["mailto:admin@shop.com"]})).await;
    assert_eq!(told.status, 201, "{}", told.text);
    (endpoint, acme)
}

#[tokio::test]
async fn a_client_orders_a_certificate() {
    let (cloud, client) = noon().await;
    let url = listen(&client).await;
    let tags = json!([{"Key": "team", "Value": "shop"}]);
    let (endpoint, acme) = registered(&client, json!({"CertificateTags": tags})).await;
    let order = acme.order(&["shop.com", "*.Shop.com", "a.b.shop.com"]).await;
    assert_eq!((order.status, &order.body["status"]), (201, &json!("ready")), "{}", order.text);
    let authorizations = order.body["authorizations"].as_array().unwrap();
    let second = acme.post(authorizations[1].as_str().unwrap(), None).await;
    assert_eq!((&second.body["status"], &second.body["wildcard"]), (&json!("valid"), &json!(true)));
    assert_eq!(second.body["identifier"], json!({"type": "dns", "value": "shop.com"}));
    let challenge = second.body["challenges"][0]["url"].as_str().unwrap();
    assert_eq!(acme.post(challenge, Some(&json!({}))).await.body["status"], "valid");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let finished = acme.finalize(&order, &["a.b.shop.com", "shop.com", "*.shop.com"], &key).await;
    assert_eq!((finished.status, &finished.body["status"]), (200, &json!("valid")), "{}", finished.text);
    let (pem, _) = acme.download(&finished).await;
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    let listed = ok(&client, "ListCertificates", json!({"Includes": {"keyTypes": ["EC_secp384r1"]}})).await;
    assert_eq!(listed["CertificateSummaryList"], json!([]));
    let origins = json!({"Includes": {"keyTypes": ["EC_secp384r1"]}, "CertificateKeyPairOrigins": ["ACME"]});
    let listed = ok(&client, "ListCertificates", origins).await["CertificateSummaryList"].clone();
    assert_eq!((&listed[0]["Exported"], &listed[0]["ExportOption"]), (&json!(true), &json!("ENABLED")));
    let arn = listed[0]["CertificateArn"].as_str().unwrap().to_owned();
    let got = describe(&client, &arn).await;
    assert_eq!((&got["CertificateKeyPairOrigin"], &got["AcmeEndpointArn"]), (&json!("ACME"), &json!(endpoint)));
    assert_eq!(got["SubjectAlternativeNames"], json!(["shop.com", "*.shop.com", "a.b.shop.com"]));
    assert_eq!((&got["KeyAlgorithm"], &got["RenewalEligibility"]), (&json!("EC-secp384r1"), &json!("INELIGIBLE")));
    let account = acme.account.borrow().clone().unwrap();
    assert!(account.ends_with(got["AcmeAccountId"].as_str().unwrap()));
    let kept = ok(&client, "GetCertificate", json!({"CertificateArn": arn})).await;
    assert!(pem.starts_with(kept["Certificate"].as_str().unwrap()));
    requested::verify(&cloud, &kept, "any.shop.com");
    assert_eq!(ok(&client, "ListTagsForCertificate", json!({"CertificateArn": arn})).await["Tags"], tags);
    let passphrase = json!({"CertificateArn": arn, "Passphrase": wire::text::base64(b"secret")});
    is_refused(&client, "ExportCertificate", passphrase, "ValidationException", "cannot be exported").await;
    let by_account = json!({"Filter": {"AcmCertificateMetadataFilter": {"AcmeAccountId": got["AcmeAccountId"]}}});
    let found = ok(&client, "SearchCertificates", json!({"FilterStatement": by_account})).await;
    assert_eq!(found["Results"][0]["CertificateArn"], arn);
    let by_endpoint = json!({"Filter": {"AcmCertificateMetadataFilter": {"AcmeEndpointArn": endpoint}}});
    let found = ok(&client, "SearchCertificates", json!({"FilterStatement": by_endpoint})).await;
    assert_eq!(found["Results"].as_array().unwrap().len(), 1);
    let orders = acme.post(&format!("{account}/orders"), None).await;
    assert_eq!(orders.body["orders"], json!([order.location]));
    assert_eq!(acme.post(&order.location, None).await.body["status"], "valid");
    let again = acme.finalize(&order, &["shop.com"], &key).await;
    assert_eq!(again.kind(), (403, "orderNotReady"));
    pass(&cloud, 1).await;
    let events = told(&client, &url).await;
    assert_eq!((kinds(&events), &events[0]["detail"]["Exported"]), (vec!["ACM Certificate Available"], &json!(true)));
    // It is not ACM's to renew.
    pass(&cloud, 198 * DAY).await;
    assert_eq!(describe(&client, &arn).await["Status"], "EXPIRED");
}

#[tokio::test]
async fn accounts_are_seen_and_revoked_by_the_owner_of_the_endpoint() {
    let (_cloud, client) = noon().await;
    let (endpoint, acme) = registered(&client, json!({})).await;
    let named = json!({"AcmeEndpointArn": endpoint});
    let listed = ok(&client, "ListAcmeAccounts", named.clone()).await["AcmeAccounts"][0].clone();
    let url = listed["AccountUrl"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with("https://")
            && acme.account.borrow().as_ref().unwrap().rsplit('/').next() == url.rsplit('/').next()
    );
    assert_eq!((&listed["Contacts"], &listed["Status"]), (&json!(["mailto:admin@shop.com"]), &json!("VALID")));
    let account = json!({"AcmeEndpointArn": endpoint, "AccountUrl": url});
    let described = ok(&client, "DescribeAcmeAccount", account.clone()).await["AcmeAccount"].clone();
    assert_eq!(described["PublicKeyThumbprint"].as_str().unwrap().len(), 43);
    let binding = described["AcmeExternalAccountBindingArn"].as_str().unwrap();
    let of_binding = json!({"AcmeExternalAccountBindingArn": binding});
    let used = ok(&client, "DescribeAcmeExternalAccountBinding", of_binding.clone()).await;
    assert!(used["ExternalAccountBinding"]["LastUsedAt"].is_number());
    // Accounts outlive their bindings.
    ok(&client, "RevokeAcmeExternalAccountBinding", of_binding.clone()).await;
    acme.certificate().await;
    ok(&client, "DeleteAcmeExternalAccountBinding", of_binding.clone()).await;
    is_refused(&client, "DescribeAcmeExternalAccountBinding", of_binding, "ResourceNotFoundException", "").await;
    acme.certificate().await;
    ok(&client, "RevokeAcmeAccount", account.clone()).await;
    assert_eq!(ok(&client, "DescribeAcmeAccount", account).await["AcmeAccount"]["Status"], "REVOKED");
    assert_eq!(acme.order(&["shop.com"]).await.kind(), (403, "unauthorized"));
    let other = json!({"AcmeEndpointArn": endpoint, "AccountUrl": "https://localhost/none"});
    is_refused(&client, "DescribeAcmeAccount", other.clone(), "ResourceNotFoundException", "").await;
    is_refused(&client, "RevokeAcmeAccount", other, "ResourceNotFoundException", "").await;
    ok(&client, "DeleteAcmeEndpoint", named.clone()).await;
    is_refused(&client, "ListAcmeAccounts", named, "ResourceNotFoundException", "").await;
    assert_eq!(acme.order(&["shop.com"]).await.status, 404);
    // What it issued stays.
    let all = ok(&client, "SearchCertificates", json!({})).await;
    assert_eq!(all["Results"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn registration_needs_a_binding_that_is_good() {
    let (cloud, client) = noon().await;
    open_role(&client).await;
    let endpoint = endpoint(&client, json!({"Contact": "REQUIRED"})).await;
    let contact = json!({"contact": ["mailto:admin@shop.com"]});
    let hour = json!({"Expiration": {"Value": 1, "Type": "HOURS"}});
    let arn = binding(&client, &endpoint, hour).await;
    let good = credentials(&client, &arn).await;
    let acme = Acme::new(&client, &endpoint).await;
    let none = acme.post(&acme.url("newAccount"), Some(&contact)).await;
    assert_eq!(none.kind(), (403, "externalAccountRequired"));
    assert_eq!(acme.register(&good, &json!({})).await.kind(), (400, "invalidContact"));
    assert_eq!(acme.register(&good, &json!({"contact": ["tel:1"]})).await.kind(), (400, "invalidContact"));
    let mut wrong = good.clone();
    wrong["MacKey"] = json!(encode(&[7; 32]));
    assert_eq!(acme.register(&wrong, &contact).await.kind(), (403, "unauthorized"));
    wrong = good.clone();
    wrong["KeyId"] = json!("none");
    assert_eq!(acme.register(&wrong, &contact).await.kind(), (403, "unauthorized"));
    let existing = json!({"onlyReturnExisting": true});
    let told = acme.post(&acme.url("newAccount"), Some(&existing)).await;
    assert_eq!(told.kind(), (400, "accountDoesNotExist"));
    assert_eq!(acme.register(&good, &contact).await.status, 201);
    let location = acme.account.borrow_mut().take().unwrap();
    let told = acme.post(&acme.url("newAccount"), Some(&existing)).await;
    assert_eq!((told.status, told.location), (200, location));
    pass(&cloud, HOUR).await;
    let late = Acme::new(&client, &endpoint).await;
    assert_eq!(late.register(&good, &contact).await.kind(), (403, "unauthorized"));
    let input = json!({"AcmeExternalAccountBindingArn": arn});
    is_refused(&client, "GetAcmeExternalAccountBindingCredentials", input, "ValidationException", "expired").await;
    // A binding needs a role that lets ACM in.
    let bad = json!({"AcmeEndpointArn": endpoint, "RoleArn": "arn:aws:iam::000000000000:role/none"});
    is_refused(&client, "CreateAcmeExternalAccountBinding", bad, "ValidationException", "cannot be assumed").await;
}

#[tokio::test]
async fn what_is_not_allowed_is_not_issued() {
    let (cloud, client) = noon().await;
    let only =
        json!({"CertificateAuthority": {"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["EC_prime256v1"]}}});
    let (endpoint, acme) = registered(&client, only).await;
    for name in ["other.com", "workshop.com", "shop.test"] {
        assert_eq!(acme.order(&[name]).await.kind(), (403, "rejectedIdentifier"), "{name}");
    }
    let address = json!({"identifiers": [{"type": "ip", "value": "192.0.2.1"}]});
    assert_eq!(acme.post(&acme.url("newOrder"), Some(&address)).await.kind(), (400, "unsupportedIdentifier"));
    assert_eq!(acme.post(&acme.url("newOrder"), Some(&json!({}))).await.kind(), (400, "malformed"));
    let dated = json!({"identifiers": [{"type": "dns", "value": "shop.com"}], "notAfter": "2030-01-01T00:00:00Z"});
    assert_eq!(acme.post(&acme.url("newOrder"), Some(&dated)).await.kind(), (400, "malformed"));
    let order = acme.order(&["shop.com"]).await;
    let key = KeyPair::generate().unwrap();
    assert_eq!(acme.finalize(&order, &["a.shop.com"], &key).await.kind(), (400, "badCSR"));
    let large = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(acme.finalize(&order, &["shop.com"], &large).await.kind(), (400, "badCSR"));
    let finalize = order.body["finalize"].as_str().unwrap();
    assert_eq!(acme.post(finalize, Some(&json!({"csr": "AAAA"}))).await.kind(), (400, "badCSR"));
    // The role decides, with what the request says.
    let deny = |condition: Json| json!([{"Effect": "Allow", "Action": "acm:*", "Resource": "*"}, {"Effect": "Deny", "Action": "acm:RequestCertificate", "Resource": "*", "Condition": condition}]);
    for condition in [
        json!({"StringEquals": {"acm:CertificateKeyPairOrigin": "ACME"}}),
        json!({"ForAnyValue:StringEquals": {"acm:DomainNames": "shop.com"}}),
        json!({"StringEquals": {"acm:KeyAlgorithm": "EC_prime256v1"}}),
        json!({"StringEquals": {"acm:ValidationMethod": "DNS"}}),
        json!({"StringEquals": {"acm:Export": "ENABLED"}}),
        json!({"StringEquals": {"acm:CertificateTransparencyLogging": "ENABLED"}}),
    ] {
        let policy = json!({"Version": "2012-10-17", "Statement": deny(condition.clone())}).to_string();
        let input = json!({"RoleName": "acme", "PolicyName": "p", "PolicyDocument": policy});
        client.call("iam", "PutRolePolicy", input).await.ok();
        assert_eq!(acme.finalize(&order, &["shop.com"], &key).await.kind(), (403, "unauthorized"), "{condition}");
    }
    client.call("iam", "DeleteRolePolicy", json!({"RoleName": "acme", "PolicyName": "p"})).await.ok();
    assert_eq!(acme.finalize(&order, &["shop.com"], &key).await.kind(), (403, "unauthorized"));
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "acm:RequestCertificate",
        "Resource": "arn:aws:acm:us-east-1:000000000000:certificate/*"}]});
    let input = json!({"RoleName": "acme", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    publish(&cloud, "shop.com", "CAA", "0 issue \"letsencrypt.org\"").await;
    assert_eq!(acme.finalize(&order, &["shop.com"], &key).await.kind(), (403, "caa"));
    cloud.kernel.withdraw_name("shop.com", Some("CAA")).await.unwrap();
    // A record that is gone validates nothing any more.
    let listed = ok(&client, "ListAcmeDomainValidations", json!({"AcmeEndpointArn": endpoint})).await;
    let record =
        listed["AcmeDomainValidations"][0]["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"].clone();
    cloud.kernel.withdraw_name(record["Name"].as_str().unwrap(), None).await.unwrap();
    assert_eq!(acme.finalize(&order, &["shop.com"], &key).await.kind(), (403, "rejectedIdentifier"));
    publish(&cloud, record["Name"].as_str().unwrap(), "CNAME", record["Value"].as_str().unwrap()).await;
    pass(&cloud, 7 * DAY).await;
    assert_eq!(acme.post(&order.location, None).await.body["status"], "invalid");
    assert_eq!(acme.finalize(&order, &["shop.com"], &key).await.kind(), (403, "orderNotReady"));
    acme.certificate().await;
}

#[tokio::test]
async fn requests_are_signed_once_for_their_place() {
    let (_cloud, client) = noon().await;
    let (_, acme) = registered(&client, json!({})).await;
    let account = acme.account.borrow().clone().unwrap();
    let url = acme.url("newOrder");
    let protected = async |more: Json| {
        let mut protected = json!({"alg": "ES256", "url": url, "nonce": acme.nonce().await, "kid": account});
        protected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        protected
    };
    let payload = json!({"identifiers": [{"type": "dns", "value": "shop.com"}]});
    let good = protected(json!({})).await;
    let body = sign(&acme.key, &good, Some(&payload));
    assert_eq!(acme.post_signed(&url, &body).await.status, 201);
    assert_eq!(acme.post_signed(&url, &body).await.kind(), (400, "badNonce"));
    let elsewhere = sign(&acme.key, &protected(json!({"url": acme.url("keyChange")})).await, Some(&payload));
    assert_eq!(acme.post_signed(&url, &elsewhere).await.kind(), (403, "unauthorized"));
    let odd = sign(&acme.key, &protected(json!({"alg": "HS256"})).await, Some(&payload));
    assert_eq!(acme.post_signed(&url, &odd).await.kind(), (400, "badSignatureAlgorithm"));
    let stranger = sign(&new_key(), &protected(json!({})).await, Some(&payload));
    assert_eq!(acme.post_signed(&url, &stranger).await.kind(), (400, "malformed"));
    let both = sign(&acme.key, &protected(json!({"jwk": jwk(&acme.key)})).await, Some(&payload));
    assert_eq!(acme.post_signed(&url, &both).await.kind(), (400, "malformed"));
    let nobody = sign(&acme.key, &protected(json!({"kid": format!("{account}0")})).await, Some(&payload));
    assert_eq!(acme.post_signed(&url, &nobody).await.kind(), (400, "accountDoesNotExist"));
    assert_eq!(acme.post_signed(&url, &json!({"payload": "x"})).await.kind(), (400, "malformed"));
    assert_eq!(send(&client, "GET", &url, None).await.0.kind(), (405, "malformed"));
    assert_eq!(send(&client, "GET", &acme.url("newNonce"), None).await.0.status, 204);
    assert_eq!(acme.post(&format!("{url}/none"), None).await.kind(), (404, "malformed"));
    let (status, _) = fetch(&client, "POST", url.strip_prefix(HOST).unwrap(), "x").await;
    assert_eq!(status, 415);
    // What is of one account is not there for another.
    let order = acme.order(&["shop.com"]).await;
    let endpoints = ok(&client, "ListAcmeEndpoints", json!({})).await["AcmeEndpoints"].clone();
    let endpoint = endpoints[0]["AcmeEndpointArn"].as_str().unwrap();
    let credentials = credentials(&client, &binding(&client, endpoint, json!({})).await).await;
    let other = Acme::new(&client, endpoint).await;
    other.register(&credentials, &json!({})).await;
    assert_eq!(other.post(&order.location, None).await.status, 404);
    assert_eq!(other.post(&account, None).await.kind(), (403, "unauthorized"));
    assert_eq!(other.post(&format!("{account}/orders"), None).await.kind(), (403, "unauthorized"));
    let key = KeyPair::generate().unwrap();
    let finished = acme.finalize(&order, &["shop.com"], &key).await;
    assert_eq!(other.post(finished.body["certificate"].as_str().unwrap(), None).await.status, 404);
}

#[tokio::test]
async fn clients_change_their_accounts() {
    let (_cloud, client) = noon().await;
    let (_, mut acme) = registered(&client, json!({})).await;
    let account = acme.account.borrow().clone().unwrap();
    let changed = acme.post(&account, Some(&json!({"contact": ["mailto:a@shop.com", "mailto:b@shop.com"]}))).await;
    assert_eq!(changed.body["contact"], json!(["mailto:a@shop.com", "mailto:b@shop.com"]));
    assert_eq!(acme.post(&account, Some(&json!({"status": "revoked"}))).await.kind(), (400, "malformed"));
    let (new, url) = (new_key(), acme.url("keyChange"));
    let inner = |key: &EcdsaKeyPair, old: &Json| {
        let payload = json!({"account": account, "oldKey": old});
        sign(key, &json!({"alg": "ES256", "jwk": jwk(key), "url": url}), Some(&payload))
    };
    let old = jwk(&acme.key);
    assert_eq!(acme.post(&url, Some(&inner(&new, &jwk(&new)))).await.kind(), (400, "malformed"));
    assert_eq!(acme.post(&url, Some(&inner(&acme.key, &old))).await.status, 409);
    assert_eq!(acme.post(&url, Some(&inner(&new, &old))).await.status, 200);
    // The old key is nobody's now.
    assert_eq!(acme.order(&["shop.com"]).await.kind(), (400, "malformed"));
    acme.key = new;
    acme.certificate().await;
    let gone = acme.post(&account, Some(&json!({"status": "deactivated"}))).await;
    assert_eq!((gone.status, &gone.body["status"]), (200, &json!("deactivated")));
    assert_eq!(acme.order(&["shop.com"]).await.kind(), (403, "unauthorized"));
    let listed = ok(&client, "ListAcmeEndpoints", json!({})).await["AcmeEndpoints"][0]["AcmeEndpointArn"].clone();
    let accounts = ok(&client, "ListAcmeAccounts", json!({"AcmeEndpointArn": listed})).await;
    assert_eq!(accounts["AcmeAccounts"][0]["Status"], "DEACTIVATED");
}

#[tokio::test]
async fn certificates_are_revoked_by_whoever_has_them() {
    let (_cloud, client) = noon().await;
    let (endpoint, acme) = registered(&client, json!({})).await;
    let (_, der) = acme.certificate().await;
    let url = acme.url("revokeCert");
    let revoke = |der: &[u8], reason: i64| json!({"certificate": encode(der), "reason": reason});
    assert_eq!(acme.post(&url, Some(&revoke(&der, 2))).await.kind(), (400, "badRevocationReason"));
    assert_eq!(acme.post(&url, Some(&revoke(b"x", 1))).await.kind(), (404, "malformed"));
    // Somebody else's account has no say.
    let theirs = credentials(&client, &binding(&client, &endpoint, json!({})).await).await;
    let other = Acme::new(&client, &endpoint).await;
    other.register(&theirs, &json!({})).await;
    assert_eq!(other.post(&url, Some(&revoke(&der, 1))).await.kind(), (403, "unauthorized"));
    assert_eq!(acme.post(&url, Some(&revoke(&der, 4))).await.status, 200);
    assert_eq!(acme.post(&url, Some(&revoke(&der, 4))).await.kind(), (400, "alreadyRevoked"));
    let found = async |status: &str| {
        let filter = json!({"FilterStatement": {"Filter": {"AcmCertificateMetadataFilter": {"Status": status}}}});
        ok(&client, "SearchCertificates", filter).await["Results"].clone()
    };
    let arn = found("REVOKED").await[0]["CertificateArn"].as_str().unwrap().to_owned();
    assert_eq!(describe(&client, &arn).await["RevocationReason"], "SUPERSEDED");
    // The key of a certificate revokes it without an account.
    let order = acme.order(&["shop.com"]).await;
    let pair = new_key();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let finished = acme.finalize(&order, &["shop.com"], &KeyPair::try_from(pkcs8.as_ref()).unwrap()).await;
    let (_, der) = acme.download(&finished).await;
    let protected =
        |nonce: String, key: &EcdsaKeyPair| json!({"alg": "ES256", "url": url, "nonce": nonce, "jwk": jwk(key)});
    let stranger = new_key();
    let body = sign(&stranger, &protected(acme.nonce().await, &stranger), Some(&revoke(&der, 1)));
    assert_eq!(acme.post_signed(&url, &body).await.kind(), (403, "unauthorized"));
    // The role of the account that ordered it must allow it nevertheless.
    let role = |action: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "arn:aws:acm:us-east-1:000000000000:certificate/*",
            "Condition": {"StringEquals": {"acm:CertificateKeyPairOrigin": "ACME"}}}]});
        json!({"RoleName": "acme", "PolicyName": "p", "PolicyDocument": policy.to_string()})
    };
    client.call("iam", "PutRolePolicy", role("acm:RequestCertificate")).await.ok();
    let body = sign(&pair, &protected(acme.nonce().await, &pair), Some(&revoke(&der, 1)));
    assert_eq!(acme.post_signed(&url, &body).await.kind(), (403, "unauthorized"));
    client.call("iam", "PutRolePolicy", role("acm:RevokeCertificate")).await.ok();
    let body = sign(&pair, &protected(acme.nonce().await, &pair), Some(&revoke(&der, 1)));
    assert_eq!(acme.post_signed(&url, &body).await.status, 200);
    assert_eq!(found("ISSUED").await, json!([]));
    // The owner of the endpoint revokes as well as its clients.
    client.call("iam", "PutRolePolicy", role("acm:*")).await.ok();
    acme.certificate().await;
    let arn = found("ISSUED").await[0]["CertificateArn"].clone();
    ok(&client, "RevokeCertificate", json!({"CertificateArn": arn, "RevocationReason": "KEY_COMPROMISE"})).await;
}

#[tokio::test]
async fn domains_are_validated_by_records_of_the_endpoint() {
    let (cloud, client) = waiting().await;
    let (one, other) = (endpoint(&client, json!({})).await, endpoint(&client, json!({})).await);
    let exact = json!({"ExactDomain": "ENABLED"});
    let arn = validation(&client, &one, "shop.com", exact.clone()).await;
    let of = describe_validation(&client, &arn).await;
    assert_eq!((&of["Status"], &of["PrevalidationType"]), (&json!("VALIDATING"), &json!("DNS_PREVALIDATION")));
    let dns = &of["PrevalidationDetails"]["DnsPrevalidation"];
    assert_eq!(
        dns["DomainScope"],
        json!({"ExactDomain": "ENABLED", "Subdomains": "DISABLED", "Wildcards": "DISABLED"})
    );
    let record = dns["ResourceRecord"].clone();
    let theirs = validation(&client, &other, "shop.com", exact.clone()).await;
    let theirs_record =
        describe_validation(&client, &theirs).await["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"]
            .clone();
    assert_ne!(record, theirs_record);
    publish(&cloud, record["Name"].as_str().unwrap(), "CNAME", record["Value"].as_str().unwrap()).await;
    until("it is valid", async || describe_validation(&client, &arn).await["Status"] == "VALID").await;
    let input = json!({"AcmeDomainValidationArn": arn, "PrevalidationOptions": {"DnsPrevalidation": {"DomainScope": {"Wildcards": "ENABLED"}}}});
    ok(&client, "UpdateAcmeDomainValidation", input).await;
    until("it is valid again", async || describe_validation(&client, &arn).await["Status"] == "VALID").await;
    let scope =
        describe_validation(&client, &arn).await["PrevalidationDetails"]["DnsPrevalidation"]["DomainScope"].clone();
    assert_eq!(scope, json!({"ExactDomain": "DISABLED", "Subdomains": "DISABLED", "Wildcards": "ENABLED"}));
    pass(&cloud, 72 * HOUR).await;
    let late = describe_validation(&client, &theirs).await;
    assert_eq!((&late["Status"], &late["FailureDetails"]["Reason"]), (&json!("INVALID"), &json!("TIMED_OUT")));
    let zone = json!({"AcmeDomainValidationArn": theirs, "PrevalidationOptions": {"DnsPrevalidation": {"HostedZoneId": "Z1"}}});
    ok(&client, "UpdateAcmeDomainValidation", zone).await;
    until("it is invalid", async || {
        describe_validation(&client, &theirs).await["FailureDetails"]["Reason"] == "HOSTED_ZONE_NOT_FOUND"
    })
    .await;
    let reserved = validation(&client, &one, "shop.test", exact).await;
    until("it is invalid", async || {
        describe_validation(&client, &reserved).await["FailureDetails"]["Reason"] == "INVALID_PUBLIC_DOMAIN"
    })
    .await;
    let none = json!({"DnsPrevalidation": {"DomainScope": {"ExactDomain": "DISABLED"}}});
    let input = json!({"AcmeEndpointArn": one, "DomainName": "a.com", "PrevalidationOptions": none});
    is_refused(&client, "CreateAcmeDomainValidation", input, "ValidationException", "ENABLED").await;
    ok(&client, "DeleteAcmeDomainValidation", json!({"AcmeDomainValidationArn": reserved})).await;
    let listed = ok(&client, "ListAcmeDomainValidations", json!({"AcmeEndpointArn": one})).await;
    assert_eq!(listed["AcmeDomainValidations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stack_has_an_endpoint_with_all_it_needs() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    open_role(&client).await;
    let template = |contact: &str, subdomains: &str, team: &str| {
        let tags = json!([{"Key": "team", "Value": team}]);
        json!({
            "Resources": {
                "Endpoint": {"Type": "AWS::CertificateManager::AcmeEndpoint", "Properties": {"AuthorizationBehavior": "PRE_APPROVED", "Contact": contact,
                    "CertificateAuthority": {"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["RSA_2048"]}}, "CertificateTags": [{"Key": "a", "Value": "b"}], "Tags": tags}},
                "Validation": {"Type": "AWS::CertificateManager::AcmeDomainValidation", "Properties": {"AcmeEndpointArn": {"Ref": "Endpoint"}, "DomainName": "shop.com",
                    "PrevalidationOptions": {"DnsPrevalidation": {"DomainScope": {"ExactDomain": "ENABLED", "Subdomains": subdomains}}}, "Tags": tags}},
                "Binding": {"Type": "AWS::CertificateManager::AcmeExternalAccountBinding", "Properties": {"AcmeEndpointArn": {"Fn::GetAtt": ["Endpoint", "AcmeEndpointArn"]},
                    "RoleArn": ROLE, "Expiration": {"Value": 30, "Type": "DAYS"}, "Tags": tags}},
            },
            "Outputs": {
                "Endpoint": {"Value": {"Ref": "Endpoint"}}, "Url": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointUrl"]}},
                "Validation": {"Value": {"Ref": "Validation"}}, "ValidationArn": {"Value": {"Fn::GetAtt": ["Validation", "Arn"]}},
                "Binding": {"Value": {"Fn::GetAtt": ["Binding", "AcmeExternalAccountBindingArn"]}}, "BindingRef": {"Value": {"Ref": "Binding"}},
            },
        })
    };
    let made = cfn::stack(&client, "CreateStack", &template("REQUIRED", "DISABLED", "one")).await;
    assert_eq!(made["StackStatus"], "CREATE_COMPLETE", "{made}");
    let out = |key: &str| cfn::output(&made, key);
    let endpoint = describe_endpoint(&client, &out("Endpoint")).await;
    assert_eq!(
        (endpoint["EndpointUrl"].as_str(), &endpoint["Contact"]),
        (Some(out("Url").as_str()), &json!("REQUIRED"))
    );
    assert_eq!(
        endpoint["CertificateAuthority"],
        json!({"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["RSA_2048"]}})
    );
    assert_eq!((out("Validation"), out("Binding")), (out("ValidationArn"), out("BindingRef")));
    assert_eq!(describe_validation(&client, &out("Validation")).await["Status"], "VALID");
    let changed = cfn::stack(&client, "UpdateStack", &template("NOT_REQUIRED", "ENABLED", "two")).await;
    assert_eq!(
        (&changed["StackStatus"], cfn::output(&changed, "Endpoint")),
        (&json!("UPDATE_COMPLETE"), out("Endpoint"))
    );
    assert_eq!(describe_endpoint(&client, &out("Endpoint")).await["Contact"], "NOT_REQUIRED");
    let scope = describe_validation(&client, &out("Validation")).await["PrevalidationDetails"]["DnsPrevalidation"]["DomainScope"].clone();
    assert_eq!(scope["Subdomains"], "ENABLED");
    for arn in ["Endpoint", "Validation", "Binding"].map(out) {
        let tags = ok(&client, "ListTagsForResource", json!({"ResourceArn": arn})).await;
        assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "shop"}, {"Key": "team", "Value": "two"}]));
    }
    client.call("cloudformation", "DeleteStack", json!({"StackName": "shop"})).await.ok();
    until("all is gone", async || ok(&client, "ListAcmeEndpoints", json!({})).await["AcmeEndpoints"] == json!([]))
        .await;
}
