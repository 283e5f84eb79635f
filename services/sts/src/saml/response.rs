//! A provider's response: who it says somebody is.
//!
//! Sources: SAML 2.0 Core; "Configure SAML assertions for the authentication response" of the IAM User Guide.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Timestamp};

use super::signature::{self, Key};
use super::xml::{self, ASSERTION, Element, METADATA, PROTOCOL, SIGNATURE};
use crate::api::errors;
use crate::limits::Carried;

/// What AWS is called by providers.
const AUDIENCES: &[&str] = &["urn:amazon:webservices", "https://signin.aws.amazon.com/saml"];
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// What AWS's own attributes begin with.
const OWN: &str = "https://aws.amazon.com/SAML/Attributes/";
/// "Token must be redeemed within 5 minutes of issuance" (seconds).
const FRESH: i64 = 300;

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    errors::invalid_identity_token_exception(message.into())
}

/// A provider, by what it says of itself.
pub(crate) struct Provider {
    entity: String,
    keys: Vec<Key>,
}

impl Provider {
    /// Reads its metadata.
    pub(crate) fn read(metadata: &str) -> Result<Self, AwsError> {
        let unreadable = || invalid("Could not parse metadata.");
        let document = xml::read(metadata).ok_or_else(unreadable)?;
        let root = Element::outermost(&document, METADATA, "EntityDescriptor").ok_or_else(unreadable)?;
        let entity = root.attribute("entityID").ok_or_else(unreadable)?.to_owned();
        let mut keys = Vec::new();
        for described in root.all(METADATA, "IDPSSODescriptor").iter().flat_map(|d| d.all(METADATA, "KeyDescriptor")) {
            if described.attribute("use").is_some_and(|used| used != "signing") {
                continue;
            }
            let data = described.all(SIGNATURE, "KeyInfo").into_iter().flat_map(|info| info.all(SIGNATURE, "X509Data"));
            let certificates = data.flat_map(|data| data.all(SIGNATURE, "X509Certificate"));
            keys.extend(certificates.filter_map(|certificate| Key::of_certificate(&certificate.text())));
        }
        Ok(Self { entity, keys })
    }
}

/// What the response says, once it was verified.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) format: String,
    /// Where the response was meant to be brought.
    pub(crate) recipient: String,
    /// When the session shall end at the latest.
    pub(crate) ends: Option<Timestamp>,
    pub(crate) attributes: Vec<(String, Vec<String>)>,
}

impl Said {
    /// Reads a response and verifies it.
    ///
    /// # Errors
    /// `InvalidIdentityToken`, `ExpiredToken` or `IDPRejectedClaim`, each for its reason.
    pub(crate) fn verified(response: &str, provider: &Provider, now: Timestamp) -> Result<Self, AwsError> {
        let unreadable = || invalid("Could not parse the SAML response.");
        let document = xml::read(response).ok_or_else(unreadable)?;
        let root = Element::outermost(&document, PROTOCOL, "Response").ok_or_else(unreadable)?;
        check_status(root)?;
        if root.anywhere(ASSERTION, "EncryptedAssertion") > 0 {
            return Err(invalid("The assertion is encrypted, and the provider has no private key."));
        }
        // One assertion in the whole document, where it belongs: what is elsewhere is not signed, or not meant.
        let assertion = root.one(ASSERTION, "Assertion").filter(|one| one.anywhere(ASSERTION, "Assertion") == 1);
        let assertion = assertion.ok_or_else(|| invalid("The SAML response must have one assertion."))?;
        let issuer = assertion.one(ASSERTION, "Issuer").map(Element::text).unwrap_or_default();
        if issuer != provider.entity {
            return Err(invalid("Issuer not present in specified provider"));
        }
        let signed: Vec<Element<'_>> =
            [root, assertion].into_iter().filter(|element| signature::is_signed(*element)).collect();
        if signed.is_empty() || !signed.iter().all(|element| signature::is_good(*element, &provider.keys)) {
            return Err(invalid("Response signature invalid"));
        }
        Self::read(assertion, issuer, now)
    }

    fn read(assertion: Element<'_>, issuer: String, now: Timestamp) -> Result<Self, AwsError> {
        let issued = assertion.attribute("IssueInstant").and_then(moment);
        let issued = issued.ok_or_else(|| invalid("The assertion does not say when it was issued."))?;
        let age = now.as_second() - issued.as_second();
        if age > FRESH {
            return Err(errors::expired_token_exception("Token must be redeemed within 5 minutes of issuance"));
        }
        if age < -FRESH {
            return Err(invalid("The assertion is not valid yet."));
        }
        check_conditions(assertion, now)?;
        let subject = assertion.one(ASSERTION, "Subject").ok_or_else(|| invalid("The assertion has no subject."))?;
        let name = subject.one(ASSERTION, "NameID").ok_or_else(|| invalid("The subject has no NameID."))?;
        let recipient = recipient(subject, now)?;
        let statements = assertion.all(ASSERTION, "AuthnStatement");
        if statements.is_empty() {
            return Err(invalid("The assertion has no AuthnStatement."));
        }
        let ends = statements.iter().filter_map(|s| s.attribute("SessionNotOnOrAfter")).filter_map(moment).min();
        let attributes =
            assertion.all(ASSERTION, "AttributeStatement").into_iter().flat_map(|s| s.all(ASSERTION, "Attribute"));
        let attribute = |attribute: Element<'_>| {
            let values = attribute.all(ASSERTION, "AttributeValue").into_iter().map(Element::text);
            (attribute.attribute("Name").unwrap_or_default().to_owned(), values.collect())
        };
        Ok(Self {
            issuer,
            subject: name.text(),
            format: name.attribute("Format").unwrap_or_default().to_owned(),
            recipient,
            ends,
            attributes: attributes.map(attribute).collect(),
        })
    }

    fn values(&self, name: &str) -> Vec<String> {
        let named = self.attributes.iter().filter(|(known, _)| known == name);
        named.flat_map(|(_, values)| values.iter().cloned()).collect()
    }

    fn own(&self, name: &str) -> Vec<String> {
        self.values(&format!("{OWN}{name}"))
    }

    /// Whether it says that somebody may have a role through a provider. The two ARNs stand in either order.
    pub(super) fn grants(&self, role: &str, provider: &str) -> bool {
        self.own("Role").iter().any(|pair| {
            let both = pair.split_once(',').map(|(one, other)| (one.trim(), other.trim()));
            both == Some((role, provider)) || both == Some((provider, role))
        })
    }

    /// The name of the session.
    pub(super) fn session_name(&self) -> Result<String, AwsError> {
        let Ok([name]) = <[String; 1]>::try_from(self.own("RoleSessionName")) else {
            return Err(invalid("RoleSessionName is required in AuthnResponse"));
        };
        if !is_name(&name) {
            return Err(invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"));
        }
        Ok(name)
    }

    /// The tags and the source identity of the session.
    pub(super) fn carried(&self) -> Result<Carried, AwsError> {
        let mut carried = Carried { transitive: self.own("TransitiveTagKeys"), ..Carried::default() };
        for (name, values) in &self.attributes {
            let Some(key) = name.strip_prefix(OWN).and_then(|own| own.strip_prefix("PrincipalTag:")) else { continue };
            let [value] = values.as_slice() else {
                return Err(invalid(format!("The tag {key} in AuthnResponse must have one value.")));
            };
            carried.tags.push((key.to_owned(), value.clone()));
        }
        carried.source_identity = match self.own("SourceIdentity").as_slice() {
            [] => None,
            [one] if is_name(one) => Some(one.clone()),
            _ => {
                let message = r#"Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:""#;
                return Err(invalid(message));
            }
        };
        if carried.tags.len() > 50 {
            return Err(invalid("A session has 50 tags at most."));
        }
        Ok(carried)
    }

    /// What kind of name the subject has, in the words of the condition key `saml:sub_type`.
    pub(super) fn subject_type(&self) -> String {
        let kinds = ["persistent", "transient"];
        let found =
            kinds.iter().find(|kind| self.format == format!("urn:oasis:names:tc:SAML:2.0:nameid-format:{kind}"));
        found.map_or_else(|| self.format.clone(), |kind| (*kind).to_owned())
    }

    /// What tells the names of this provider from those of others: "a hash of the Issuer, the account and the friendly name of
    /// the provider, with `/` between the latter" (AssumeRoleWithSAML, `NameQualifier`).
    pub(super) fn name_qualifier(&self, account: &str, provider: &str) -> String {
        let text = format!("{}{account}/{provider}", self.issuer);
        text::base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
    }

    /// Attributes that directories have, by condition key.
    pub(super) fn of_directories(&self) -> Vec<(String, Vec<String>)> {
        let there = DIRECTORY.iter().map(|(key, names)| {
            let values = names.iter().flat_map(|name| self.values(name)).collect::<Vec<_>>();
            (format!("saml:{key}"), values)
        });
        there.filter(|(_, values)| !values.is_empty()).collect()
    }
}

/// Condition keys and the attributes that they are the values of ("Available keys for SAML-based AWS STS federation").
const DIRECTORY: &[(&str, &[&str])] = &[
    ("cn", &["urn:oid:2.5.4.3"]),
    ("commonName", &["http://schemas.xmlsoap.org/claims/CommonName"]),
    ("eduorghomepageuri", &["urn:oid:1.3.6.1.4.1.5923.1.2.1.2"]),
    ("eduorgidentityauthnpolicyuri", &["urn:oid:1.3.6.1.4.1.5923.1.2.1.3"]),
    ("eduorglegalname", &["urn:oid:1.3.6.1.4.1.5923.1.2.1.4"]),
    ("eduorgsuperioruri", &["urn:oid:1.3.6.1.4.1.5923.1.2.1.5"]),
    ("eduorgwhitepagesuri", &["urn:oid:1.3.6.1.4.1.5923.1.2.1.6"]),
    ("edupersonaffiliation", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.1"]),
    ("edupersonassurance", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.11"]),
    ("edupersonentitlement", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.7"]),
    ("edupersonnickname", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.2"]),
    ("edupersonorgdn", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.3"]),
    ("edupersonorgunitdn", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.4"]),
    ("edupersonprimaryaffiliation", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.5"]),
    ("edupersonprimaryorgunitdn", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.8"]),
    ("edupersonprincipalname", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.6"]),
    ("edupersonscopedaffiliation", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.9"]),
    ("edupersontargetedid", &["urn:oid:1.3.6.1.4.1.5923.1.1.1.10"]),
    ("givenName", &["urn:oid:2.5.4.42"]),
    ("mail", &["urn:oid:0.9.2342.19200300.100.1.3"]),
    ("name", &["urn:oid:2.5.4.41"]),
    ("organizationStatus", &["urn:oid:0.9.2342.19200300.100.1.45"]),
    ("surname", &["urn:oid:2.5.4.4"]),
    ("uid", &["urn:oid:0.9.2342.19200300.100.1.1"]),
    ("x500UniqueIdentifier", &["urn:oid:2.5.4.45"]),
];

fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn check_status(response: Element<'_>) -> Result<(), AwsError> {
    let code = response.one(PROTOCOL, "Status").and_then(|status| status.one(PROTOCOL, "StatusCode"));
    match code.and_then(|code| code.attribute("Value")) {
        Some(SUCCESS) => Ok(()),
        _ => Err(errors::idp_rejected_claim_exception("The identity provider did not authenticate the subject.")),
    }
}

fn check_conditions(assertion: Element<'_>, now: Timestamp) -> Result<(), AwsError> {
    let conditions =
        assertion.one(ASSERTION, "Conditions").ok_or_else(|| invalid("The assertion has no conditions."))?;
    check_time(conditions, now)?;
    let restricted = conditions.all(ASSERTION, "AudienceRestriction");
    let meant = |restriction: &Element<'_>| {
        restriction.all(ASSERTION, "Audience").iter().any(|audience| is_aws(&audience.text()))
    };
    if restricted.is_empty() || !restricted.iter().all(meant) {
        return Err(invalid("Response does not contain the required audience."));
    }
    Ok(())
}

/// AWS as an audience: by name, or by the address at which people sign in, of one region or of all.
fn is_aws(audience: &str) -> bool {
    let regional = |rest: &str| rest.strip_suffix(".signin.aws.amazon.com/saml").is_some_and(|r| !r.contains('/'));
    AUDIENCES.contains(&audience) || audience.strip_prefix("https://").is_some_and(regional)
}

/// What is not valid yet, or no longer. Clocks of others may be wrong by five minutes before, by none after.
fn check_time(element: Element<'_>, now: Timestamp) -> Result<(), AwsError> {
    let at = |name: &str| match element.attribute(name).map(|text| (text, moment(text))) {
        Some((text, None)) => Err(invalid(format!("{name} is no moment: {text}"))),
        Some((_, moment)) => Ok(moment),
        None => Ok(None),
    };
    if at("NotBefore")?.is_some_and(|begins| begins.as_second() > now.as_second() + FRESH) {
        return Err(invalid("The assertion is not valid yet."));
    }
    if at("NotOnOrAfter")?.is_some_and(|ends| ends <= now) {
        return Err(errors::expired_token_exception("The assertion has expired."));
    }
    Ok(())
}

/// Where the bearer was to bring the assertion.
fn recipient(subject: Element<'_>, now: Timestamp) -> Result<String, AwsError> {
    let missing = || invalid("The subject must be confirmed for a bearer, with a recipient and an end.");
    let confirmed = subject.all(ASSERTION, "SubjectConfirmation");
    let bearer = confirmed.into_iter().find(|c| c.attribute("Method") == Some(BEARER)).ok_or_else(missing)?;
    let data = bearer.one(ASSERTION, "SubjectConfirmationData").ok_or_else(missing)?;
    data.attribute("NotOnOrAfter").ok_or_else(missing)?;
    check_time(data, now)?;
    let recipient = data.attribute("Recipient").ok_or_else(missing)?;
    if !is_aws(recipient) {
        return Err(invalid("The recipient of the assertion is not AWS."));
    }
    Ok(recipient.to_owned())
}
