//! Sessions for those whom a SAML provider vouches for, and forged assertions. What is signed here is written in its canonical
//! form by hand, so that no other code says what that is.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rustls_pki_types::PrivatePkcs8KeyDer;
use undercast_kernel::policy::{NamedPolicy, Policy, PolicyKind, PrincipalFacts};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Identities, IdentityPolicies, ProviderFacts, Result, RoleFacts};

use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/saml";
const PROVIDER: &str = "arn:aws:iam::000000000000:saml-provider/idp";
const ISSUER: &str = "https://idp.example.com/metadata";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A provider's key, and what it says of itself.
struct Idp {
    key: RsaKeyPair,
    metadata: String,
}

impl Idp {
    fn new() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let der = PrivatePkcs8KeyDer::from(der.as_ref().to_vec());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::new(vec!["idp".to_owned()]).unwrap().self_signed(&pair).unwrap();
        let metadata = format!(
            r#"<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ISSUER}">
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>
{}
  </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>"#,
            base64(certificate.der())
        );
        Self { key, metadata }
    }

    fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let encoding: &dyn RsaEncoding = &RSA_PKCS1_SHA256;
        self.key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        base64(&signature)
    }

    /// The signature of an element, written canonically, whose id this is.
    fn signature(&self, id: &str, canonical: &str) -> String {
        let info = format!(
            r##"<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="{DS}enveloped-signature"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue></ds:Reference>"##,
            base64(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let value = self.sign(&format!(r#"<ds:SignedInfo xmlns:ds="{DS}">{info}</ds:SignedInfo>"#));
        format!(
            r#"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{info}</ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"#
        )
    }
}

/// What an assertion says; each test changes what it is about.
#[derive(Clone)]
struct Says {
    issuer: String,
    subject: String,
    audience: String,
    recipient: String,
    /// Seconds from now.
    issued: i64,
    ends: i64,
    session_ends: i64,
    role: String,
    name: String,
    more: String,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            issuer: ISSUER.to_owned(),
            subject: "ann@example.com".to_owned(),
            audience: "urn:amazon:webservices".to_owned(),
            recipient: "https://signin.aws.amazon.com/saml".to_owned(),
            issued: 0,
            ends: 300,
            session_ends: 7_200,
            role: format!("{ROLE},{PROVIDER}"),
            name: "ann".to_owned(),
            more: String::new(),
        }
    }
}

fn attribute(name: &str, values: &[&str]) -> String {
    let values: String =
        values.iter().map(|value| format!("<saml2:AttributeValue>{value}</saml2:AttributeValue>")).collect();
    format!(r#"<saml2:Attribute Name="{name}">{values}</saml2:Attribute>"#)
}

fn own(name: &str, values: &[&str]) -> String {
    attribute(&format!("https://aws.amazon.com/SAML/Attributes/{name}"), values)
}

impl Says {
    /// The assertion in two halves, between which its signature stands. Canonical, all of it.
    fn halves(&self, cloud: &Cloud, id: &str) -> (String, String) {
        let at = |seconds: i64| {
            // A span has no sign: a long way back, and nearly as long forth.
            let span = |seconds: i64| std::time::Duration::from_secs(u64::try_from(seconds).unwrap());
            let moment = cloud.kernel.clock().now() - span(1_000_000) + span(1_000_000 + seconds);
            moment.to_string()
        };
        let first = format!(
            r#"<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" IssueInstant="{}" Version="2.0"><saml2:Issuer>{}</saml2:Issuer>"#,
            at(self.issued),
            self.issuer
        );
        let attributes =
            [own("Role", &[&self.role]), own("RoleSessionName", &[&self.name]), self.more.clone()].concat();
        let second = format!(
            r#"<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{}</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData NotOnOrAfter="{}" Recipient="{}"></saml2:SubjectConfirmationData></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="{}" NotOnOrAfter="{}"><saml2:AudienceRestriction><saml2:Audience>{}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="{}" SessionNotOnOrAfter="{}"></saml2:AuthnStatement><saml2:AttributeStatement>{attributes}</saml2:AttributeStatement></saml2:Assertion>"#,
            self.subject,
            at(self.ends),
            self.recipient,
            at(self.issued),
            at(self.ends),
            self.audience,
            at(self.issued),
            at(self.session_ends),
        );
        (first, second)
    }

    fn assertion(&self, cloud: &Cloud, idp: &Idp) -> String {
        let (first, second) = self.halves(cloud, "_a1");
        let signature = idp.signature("_a1", &format!("{first}{second}"));
        format!("{first}{signature}{second}")
    }

    fn unsigned(&self, cloud: &Cloud, id: &str) -> String {
        let (first, second) = self.halves(cloud, id);
        first + &second
    }
}

fn response(inner: &str) -> String {
    response_with("urn:oasis:names:tc:SAML:2.0:status:Success", inner)
}

fn response_with(status: &str, inner: &str) -> String {
    format!(
        r#"<?xml version="1.0"?>
<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0">
  <saml2p:Status><saml2p:StatusCode Value="{status}"/></saml2p:Status>
  {inner}
</saml2p:Response>"#
    )
}

/// One role that trusts one provider.
struct Known {
    metadata: String,
    trust: Arc<Policy>,
    own: Arc<IdentityPolicies>,
}

impl Identities for Known {
    fn policies(&self, _from: &Snapshot, _principal: &PrincipalFacts) -> Result<Arc<IdentityPolicies>> {
        Ok(self.own.clone())
    }

    fn role(&self, _from: &Snapshot, arn: &str) -> Result<Option<RoleFacts>> {
        let role = || RoleFacts {
            id: "AROASAML".to_owned(),
            arn: ROLE.to_owned(),
            trust: self.trust.clone(),
            max_session_seconds: 43_200,
            tags: Vec::new(),
        };
        Ok((arn == ROLE).then(role))
    }

    fn provider(&self, _from: &Snapshot, arn: &str) -> Result<Option<ProviderFacts>> {
        Ok((arn == PROVIDER).then(|| ProviderFacts::Saml { metadata: self.metadata.clone() }))
    }
}

async fn cloud(idp: &Idp) -> Cloud {
    let cloud = Cloud::start(vec![Arc::new(Sqs), Arc::new(Sts)]).await;
    cloud.kernel.clock().freeze();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": PROVIDER},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": {"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml", "saml:iss": ISSUER,
            "saml:doc": "000000000000/idp", "saml:sub_type": "persistent"},
            "StringNotEquals": {"saml:sub": "eve@example.com"},
            "ForAllValues:StringEquals": {"saml:edupersonaffiliation": ["staff", "faculty"]}}}]});
    let own = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*",
        "Condition": {"StringEquals": {"saml:sub": "ann@example.com"},
            "StringEqualsIfExists": {"aws:PrincipalTag/team": "red"}}}]});
    let parse = |kind, json: &Json| Arc::new(Policy::parse(kind, &json.to_string()).unwrap());
    let identity = vec![NamedPolicy { name: "own".into(), policy: parse(PolicyKind::Inline, &own) }];
    cloud.kernel.set_identities(Arc::new(Known {
        metadata: idp.metadata.clone(),
        trust: parse(PolicyKind::Trust, &trust),
        own: Arc::new(IdentityPolicies { identity, ..IdentityPolicies::default() }),
    }));
    cloud
}

async fn assume(cloud: &Cloud, xml: &str, more: Json) -> undercast_testkit::Answer {
    let mut input = json!({"RoleArn": ROLE, "PrincipalArn": PROVIDER, "SAMLAssertion": base64(xml.as_bytes())});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cloud.anonymous().call("sts", "AssumeRoleWithSAML", input).await
}

#[tokio::test]
async fn a_signed_assertion_begins_a_session() {
    let idp = Idp::new();
    let cloud = cloud(&idp).await;
    let answer = assume(&cloud, &response(&Says::default().assertion(&cloud, &idp)), json!({})).await.ok();
    assert_eq!(answer["Subject"], "ann@example.com");
    assert_eq!(answer["SubjectType"], "persistent");
    assert_eq!(answer["Issuer"], ISSUER);
    assert_eq!(answer["Audience"], "https://signin.aws.amazon.com/saml");
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::000000000000:assumed-role/saml/ann");
    let hash = digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{ISSUER}000000000000/idp").as_bytes());
    assert_eq!(answer["NameQualifier"], base64(hash.as_ref()));
    assert!(may_make_queue(&holder(&cloud, &answer), "a").await, "its policy sees its subject");
    // The whole response may be signed as well, or instead.
    let bare = Says::default().unsigned(&cloud, "_a1");
    let head = r#"<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r2" Version="2.0"><saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></saml2p:StatusCode></saml2p:Status>"#;
    let signature = idp.signature("_r2", &format!("{head}{bare}</saml2p:Response>"));
    let whole = format!("{head}{signature}{bare}</saml2p:Response>");
    assume(&cloud, &whole, json!({})).await.ok();
    assert_eq!(assume(&cloud, &whole.replace("ann@", "bob@"), json!({})).await.code(), "InvalidIdentityTokenException");
    // Tags, the source identity and the groups of directories.
    let says = Says {
        more: [
            own("PrincipalTag:team", &["blue"]),
            own("SourceIdentity", &["ann"]),
            attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", &["staff", "faculty"]),
        ]
        .concat(),
        role: format!("{PROVIDER}, {ROLE}"),
        ..Says::default()
    };
    let answer = assume(&cloud, &response(&says.assertion(&cloud, &idp)), json!({})).await.ok();
    assert_eq!(answer["SourceIdentity"], "ann");
    assert!(!may_make_queue(&holder(&cloud, &answer), "b").await, "its policy sees its tag");
}

#[tokio::test]
async fn a_session_ends_with_that_of_the_provider() {
    let idp = Idp::new();
    let cloud = cloud(&idp).await;
    let says = Says { session_ends: 1_000, ..Says::default() };
    let signed = response(&says.assertion(&cloud, &idp));
    let answer = assume(&cloud, &signed, json!({"DurationSeconds": 7_200})).await.ok();
    let ends = answer["Credentials"]["Expiration"].as_f64().unwrap();
    assert!((ends - cloud.kernel.clock().now().as_second() as f64 - 1_000.0).abs() < 2.0, "{answer}");
    let long = assume(&cloud, &signed, json!({"DurationSeconds": 43_201})).await;
    assert_eq!(long.code(), "ValidationError");
    // It can be used for five minutes after it was issued.
    cloud.kernel.advance(std::time::Duration::from_secs(299)).await.unwrap();
    assume(&cloud, &signed, json!({})).await.ok();
    cloud.kernel.advance(std::time::Duration::from_secs(2)).await.unwrap();
    assert_eq!(assume(&cloud, &signed, json!({})).await.code(), "ExpiredTokenException");
}

/// Each is as good as the one that is taken, but for one thing.
#[tokio::test]
async fn forged_assertions_are_refused() {
    let (idp, other) = (Idp::new(), Idp::new());
    let cloud = cloud(&idp).await;
    let good = Says::default();
    let signed = good.assertion(&cloud, &idp);
    assume(&cloud, &response(&signed), json!({})).await.ok();
    let says = |change: fn(&mut Says)| {
        let mut says = Says::default();
        change(&mut says);
        response(&says.assertion(&cloud, &idp))
    };
    let evil = Says { subject: "root@example.com".to_owned(), name: "evil".to_owned(), ..Says::default() };
    let (evil_first, evil_second) = evil.halves(&cloud, "_evil");
    let signature = &signed[signed.find("<ds:Signature ").unwrap()..signed.find("</ds:Signature>").unwrap() + 15];
    let bare = good.unsigned(&cloud, "_a1");
    const INVALID: &str = "InvalidIdentityTokenException";
    let cases = [
        ("nothing is signed", response(&bare), INVALID),
        ("signed by somebody else", response(&good.assertion(&cloud, &other)), INVALID),
        ("changed after it was signed", response(&signed.replace("ann@", "bob@")), INVALID),
        // Wrapped signatures: XSW1 to XSW8 of "On Breaking SAML: Be Whoever You Want to Be".
        ("the signed one beside it", response(&format!("{evil_first}{evil_second}{signed}")), INVALID),
        ("the signed one before it", response(&format!("{signed}{evil_first}{evil_second}")), INVALID),
        (
            "the signed one in its signature",
            response(&format!(
                "{evil_first}{}{evil_second}",
                signature.replace("</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"))
            )),
            INVALID,
        ),
        ("the signed one in it", response(&format!("{evil_first}{signed}{evil_second}")), INVALID),
        ("in an extension", response(&format!("<x xmlns=\"urn:x\">{signed}</x>{evil_first}{evil_second}")), INVALID),
        ("the signature of another one", response(&format!("{evil_first}{signature}{evil_second}")), INVALID),
        ("the same id twice", response(&format!("<x xmlns=\"urn:x\" ID=\"_a1\"/>{signed}")), INVALID),
        ("two signatures", response(&signed.replacen(signature, &format!("{signature}{signature}"), 1)), INVALID),
        ("a document type", response(&signed).replacen("?>", "?><!DOCTYPE x [<!ENTITY e \"ann\">]>", 1), INVALID),
        ("no response", signed.clone(), INVALID),
        ("not XML", "hello".to_owned(), INVALID),
        (
            "a comment in the subject",
            response(&signed.replace("ann@example.com", "ann@example.com<!-- -->.evil.com")),
            INVALID,
        ),
        (
            "not authenticated",
            response_with("urn:oasis:names:tc:SAML:2.0:status:Responder", &signed),
            "IDPRejectedClaimException",
        ),
        ("another issuer", says(|s| s.issuer = "https://other".to_owned()), INVALID),
        ("another audience", says(|s| s.audience = "https://other".to_owned()), INVALID),
        ("another recipient", says(|s| s.recipient = "https://signin.aws.amazon.com.evil/saml".to_owned()), INVALID),
        ("too old", says(|s| s.issued = -301), "ExpiredTokenException"),
        ("from the future", says(|s| s.issued = 301), INVALID),
        ("over", says(|s| s.ends = 0), "ExpiredTokenException"),
        ("the session is over", says(|s| s.session_ends = 0), "ExpiredTokenException"),
        ("another role", says(|s| s.role = s.role.replace("role/saml", "role/admin")), "AccessDenied"),
        ("the policy says no", says(|s| s.subject = "eve@example.com".to_owned()), "AccessDenied"),
        ("no name", says(|s| s.name = "a b".to_owned()), INVALID),
        ("a tag with two values", says(|s| s.more = own("PrincipalTag:a", &["1", "2"])), INVALID),
        (
            "a group that is not trusted",
            says(|s| s.more = attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", &["guest"])),
            "AccessDenied",
        ),
        (
            "a transitive key without a tag",
            says(|s| s.more = own("TransitiveTagKeys", &["a"])),
            "InvalidParameterValue",
        ),
        ("a bad source identity", says(|s| s.more = own("SourceIdentity", &["aws:x"])), INVALID),
    ];
    for (what, xml, code) in cases {
        let refused = assume(&cloud, &xml, json!({})).await;
        assert_eq!(refused.code(), code, "{what}: {}", refused.json);
    }
    for (more, code) in [
        (json!({"Policy": "{}"}), "MalformedPolicyDocumentException"),
        (json!({"PolicyArns": long_policies()}), "PackedPolicyTooLargeException"),
        (json!({"PrincipalArn": "arn:aws:iam::000000000000:saml-provider/none"}), INVALID),
        (json!({"PrincipalArn": "arn:aws:iam::111122223333:saml-provider/idp"}), INVALID),
        (json!({"RoleArn": "arn:aws:iam::000000000000:role/admin"}), "AccessDenied"),
        (json!({"SAMLAssertion": "%%%%"}), INVALID),
    ] {
        let refused = assume(&cloud, &response(&signed), more).await;
        assert_eq!(refused.code(), code, "{}", refused.json);
    }
    // No byte of the assertion can be another one.
    let bytes = signed.as_bytes();
    for at in (0..bytes.len()).step_by(23).filter(|at| bytes[*at].is_ascii_alphanumeric()) {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        let refused = assume(&cloud, &response(&String::from_utf8(changed).unwrap()), json!({})).await;
        assert!(refused.status >= 400, "byte {at} of {signed}");
    }
}
