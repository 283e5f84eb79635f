//! Who makes a request: its signature is verified with the key that was issued, or it is nobody's we know.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use undercast_policy::{NamedPolicy, Policy, PrincipalFacts, PrincipalKind};
use undercast_store::is_account;
use undercast_wire::sigv4::{self, Key, Signature, Unreadable};
use undercast_wire::{AwsError, Protocol, Request, Service, text};

use crate::{AuthMode, Kernel, Result, Temporary};

/// The account of keys that say nothing of one.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// How far a signature's time may be from ours.
const SKEW_SECONDS: i64 = 15 * 60;

/// Who makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The principal.
    pub principal: Arc<PrincipalFacts>,
    /// Policies of the session, when it was made with some.
    pub session: Option<Arc<[NamedPolicy]>>,
    /// What is known of temporary credentials; `None`: they are for good.
    pub temporary: Option<Temporary>,
    /// Access key id.
    pub access_key: Option<String>,
    /// What verified the signature, and verifies the chunks of a signed `aws-chunked` body; `None` when the key is not
    /// known to us.
    pub chunks: Option<Arc<Key>>,
}

/// The ways a caller can fail to be known; each protocol has its own words for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No signature.
    Missing,
    /// Not a key that was issued here.
    UnknownKey,
    /// The session token is missing or wrong.
    BadToken,
    /// The session has ended.
    ExpiredToken,
    /// The signature does not match.
    Mismatch,
    /// The signature's time is too far from ours.
    Skew,
    /// The presigned URL's time is over.
    Expired,
    /// The signature is not for the region of the call.
    Region,
}

/// The canonical user id of an account: S3's other name for it.
pub fn canonical_user(account: &str) -> String {
    text::hex_encode(&Sha256::digest(format!("canonical user of {account}").as_bytes()))
}

/// The root user of an account.
pub fn root(account: &str) -> PrincipalFacts {
    PrincipalFacts {
        arn: format!("arn:aws:iam::{account}:root"),
        account: account.to_owned(),
        kind: PrincipalKind::Root,
        user_id: account.to_owned(),
        canonical_user: Some(canonical_user(account)),
    }
}

/// Somebody without credentials.
pub fn anonymous() -> PrincipalFacts {
    PrincipalFacts {
        arn: "anonymous".to_owned(),
        account: String::new(),
        kind: PrincipalKind::Anonymous,
        user_id: String::new(),
        canonical_user: None,
    }
}

/// The account that an unknown access key speaks for: the one whose twelve digits it is, else the default one.
pub fn account_of_key(key: &str) -> &str {
    if is_account(key) { key } else { DEFAULT_ACCOUNT }
}

/// Looks like a key that AWS itself issued.
pub fn looks_real(key: &str) -> bool {
    key.len() == 20 && (key.starts_with("AKIA") || key.starts_with("ASIA"))
}

impl Kernel {
    /// The caller of a signed request. `payload_hash` is what the signer said of the body (or its hash, or
    /// `UNSIGNED-PAYLOAD`); that the body agrees is checked elsewhere.
    ///
    /// # Errors
    /// AWS's own error for each way that a signature can be wrong, in the words of `protocol`.
    pub fn authenticate(
        &self,
        request: &Request,
        signature: &Signature,
        payload_hash: &str,
        protocol: Protocol,
        api: &Service,
    ) -> Result<Caller> {
        let s3 = api.s3_signing;
        if let Some(why) = misplaced(signature, api)
            && self.is_issued(signature)?
        {
            return Err(out_of_scope(why, protocol, s3).into());
        }
        self.authenticate_by(signature, protocol, api, |secret, key| {
            if signature.algorithm == sigv4::v2::ALGORITHM {
                sigv4::same(&sigv4::v2::sign(request, signature, secret), &signature.signature)
            } else {
                sigv4::verify(request, signature, payload_hash, s3, key)
            }
        })
    }

    /// The caller whose signature a text bears: the policy of a browser's form.
    ///
    /// # Errors
    /// As [`Kernel::authenticate`].
    pub fn authenticate_text(
        &self,
        text: &str,
        signature: &Signature,
        protocol: Protocol,
        api: &Service,
    ) -> Result<Caller> {
        self.authenticate_by(signature, protocol, api, |_, key| key.signed(text, &signature.signature))
    }

    /// Whether the key of a signature was issued here.
    fn is_issued(&self, signature: &Signature) -> Result<bool> {
        let key = &signature.access_key;
        Ok(looks_real(key) && self.inner.callers.known(&self.inner.database.read(), key)?.is_some())
    }

    /// Finds whose key a signature names, and whether it is good: `good` is asked with the secret and what was derived
    /// from it.
    fn authenticate_by(
        &self,
        signature: &Signature,
        protocol: Protocol,
        api: &Service,
        good: impl FnOnce(&str, &Key) -> bool,
    ) -> Result<Caller> {
        let s3 = api.s3_signing;
        let refuse = |why: Refusal| Err(refusal(why, protocol, s3, Some(signature)).into());
        let inner = &self.inner;
        // Only keys that look like AWS's are issued; for any other one there is no row to look for.
        let issued = looks_real(&signature.access_key);
        let from = inner.database.read();
        let known = if issued { inner.callers.known(&from, &signature.access_key)? } else { None };
        let Some(known) = known else {
            if inner.settings.auth == AuthMode::Strict {
                return refuse(Refusal::UnknownKey);
            }
            let account = account_of_key(&signature.access_key);
            return Ok(Caller {
                principal: inner.callers.root(account),
                session: None,
                temporary: None,
                access_key: Some(signature.access_key.clone()),
                chunks: None,
            });
        };
        let credential = &known.credential;
        if !credential.active {
            return refuse(Refusal::UnknownKey);
        }
        if let Some(token) = &credential.token
            && !signature.token.as_deref().is_some_and(|given| sigv4::same(given, token))
        {
            return refuse(Refusal::BadToken);
        }
        let now = inner.clock.now();
        if credential.expires.is_some_and(|at| at <= now.as_millisecond()) {
            return refuse(Refusal::ExpiredToken);
        }
        if let Some(why) = self.untimely(signature) {
            return refuse(why);
        }
        let key = inner.signing_keys.get(signature, &credential.secret);
        if !good(&credential.secret, &key) {
            return refuse(Refusal::Mismatch);
        }
        Ok(Caller {
            principal: known.principal.clone(),
            session: known.session.clone(),
            temporary: known.temporary.clone(),
            access_key: Some(signature.access_key.clone()),
            chunks: Some(key),
        })
    }

    /// A signature's time must be near the cloud's clock, or near the machine's: a client beside a cloud whose clock was
    /// advanced still signs by the machine's.
    fn untimely(&self, signature: &Signature) -> Option<Refusal> {
        let now = self.inner.clock.now().as_second();
        let machine = now - self.inner.clock.ahead().0.as_secs();
        let signed = signature.signed_at.as_second();
        if let Some(expires) = signature.expires {
            let ends = signed.saturating_add(i64::try_from(expires).unwrap_or(i64::MAX));
            return (now > ends).then_some(Refusal::Expired);
        }
        let near = |at: i64| (at - signed).abs() <= SKEW_SECONDS;
        (!near(now) && !near(machine)).then_some(Refusal::Skew)
    }
}

pub(crate) fn session_policies(texts: &[String], limited: bool) -> Option<Arc<[NamedPolicy]>> {
    if texts.is_empty() && !limited {
        return None;
    }
    // They were parsed when the session was made; one that no longer parses must not widen the session.
    let parsed = texts.iter().enumerate().filter_map(|(n, text)| {
        let policy = Policy::parse(undercast_policy::PolicyKind::Session, text).ok()?;
        Some(NamedPolicy { name: format!("session policy {n}").into(), policy: Arc::new(policy) })
    });
    Some(parsed.collect())
}

/// The error for an unreadable signature.
pub fn unreadable(why: &Unreadable, protocol: Protocol, s3: bool) -> AwsError {
    let message = why.to_string();
    match (why, protocol) {
        (Unreadable::Query(_), _) if s3 => AwsError::new("AuthorizationQueryParametersError", 400, message),
        (Unreadable::Incomplete(_), _) if s3 => AwsError::new("AuthorizationHeaderMalformed", 400, message),
        (Unreadable::Scheme, _) if s3 => AwsError::new("InvalidArgument", 400, "Unsupported Authorization Type"),
        (_, Protocol::Json | Protocol::Cbor | Protocol::AwsCbor) => {
            AwsError::new("IncompleteSignatureException", 400, message)
        }
        (_, Protocol::RestJson) => AwsError::new("IncompleteSignatureException", 403, message),
        _ => AwsError::new("IncompleteSignature", 400, message),
    }
}

/// The error for a refusal, as the services of each protocol word it.
///
/// Source: "Common errors" of the SQS, DynamoDB, Lambda and IAM API references; "Error responses" of S3.
pub fn refusal(why: Refusal, protocol: Protocol, s3: bool, signature: Option<&Signature>) -> AwsError {
    let json = matches!(protocol, Protocol::Json | Protocol::Cbor | Protocol::AwsCbor | Protocol::RestJson);
    let status = if protocol == Protocol::RestJson { 403 } else { 400 };
    match why {
        Refusal::Missing if json => {
            AwsError::new("MissingAuthenticationTokenException", status, "Missing Authentication Token")
        }
        Refusal::Missing => AwsError::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        Refusal::UnknownKey | Refusal::BadToken if json => AwsError::new(
            "UnrecognizedClientException",
            status,
            "The security token included in the request is invalid.",
        ),
        Refusal::UnknownKey if s3 => {
            let error = AwsError::new(
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.",
            );
            match signature {
                Some(s) => error.with("AWSAccessKeyId", s.access_key.as_str()),
                None => error,
            }
        }
        Refusal::BadToken if s3 => {
            AwsError::new("InvalidToken", 400, "The provided token is malformed or otherwise invalid.")
        }
        Refusal::UnknownKey | Refusal::BadToken => {
            AwsError::new("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
        }
        Refusal::ExpiredToken if json => {
            AwsError::new("ExpiredTokenException", status, "The security token included in the request is expired")
        }
        Refusal::ExpiredToken if s3 => AwsError::new("ExpiredToken", 400, "The provided token has expired."),
        Refusal::ExpiredToken => {
            AwsError::new("ExpiredToken", 403, "The security token included in the request is expired")
        }
        Refusal::Mismatch => mismatch(json, status, s3),
        Refusal::Skew if s3 => AwsError::new(
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        Refusal::Region => elsewhere(json, status, s3, signature),
        Refusal::Expired if s3 => AwsError::new("AccessDenied", 403, "Request has expired"),
        Refusal::Skew | Refusal::Expired => {
            let stamp = signature.map_or("", |s| s.stamp.as_str());
            let message = format!("Signature expired: {stamp} is now earlier than the time allowed (15 min.)");
            if json {
                AwsError::new("InvalidSignatureException", status, message)
            } else {
                AwsError::new("SignatureDoesNotMatch", 403, message)
            }
        }
    }
}

/// What is wrong with the scope of a signature of version 4, in AWS's words: a signature that was made for one service or
/// day is good for no other.
fn misplaced(signature: &Signature, api: &Service) -> Option<String> {
    if signature.algorithm == sigv4::v2::ALGORITHM {
        return None;
    }
    let (given, wanted) = (signature.service.as_str(), api.signing_name);
    if given != wanted {
        return Some(if api.s3_signing {
            format!(
                "The authorization header is malformed; incorrect service \"{given}\". This endpoint belongs to \"{wanted}\"."
            )
        } else {
            format!("Credential should be scoped to correct service: '{wanted}'. ")
        });
    }
    let day = signature.stamp.get(..8).unwrap_or_default();
    if signature.date != day {
        let (date, stamp) = (&signature.date, &signature.stamp);
        return Some(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != '{day}', from '{stamp}'."
        ));
    }
    let host = signature.signed_headers.split(';').any(|name| name == "host");
    (!host).then(|| "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned())
}

fn out_of_scope(message: String, protocol: Protocol, s3: bool) -> AwsError {
    match protocol {
        Protocol::RestJson => AwsError::new("InvalidSignatureException", 403, message),
        Protocol::Json | Protocol::Cbor | Protocol::AwsCbor => AwsError::new("InvalidSignatureException", 400, message),
        _ if s3 => AwsError::new("AuthorizationHeaderMalformed", 400, message),
        _ => AwsError::new("SignatureDoesNotMatch", 403, message),
    }
}

/// For a signature of version 4a too, the words are those that AWS has for a region that version 4 did not sign for.
fn elsewhere(json: bool, status: u16, s3: bool, signature: Option<&Signature>) -> AwsError {
    let message = "Credential should be scoped to a valid region. ";
    if json {
        AwsError::new("InvalidSignatureException", status, message)
    } else if s3 {
        let regions = signature.map_or("", |s| s.region.as_str());
        let message = format!("The authorization header is malformed; the region '{regions}' is wrong");
        AwsError::new("AuthorizationHeaderMalformed", 400, message)
    } else {
        AwsError::new("SignatureDoesNotMatch", 403, message)
    }
}

fn mismatch(json: bool, status: u16, s3: bool) -> AwsError {
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
    if json {
        AwsError::new("InvalidSignatureException", status, message)
    } else if s3 {
        AwsError::new(
            "SignatureDoesNotMatch",
            403,
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        )
    } else {
        AwsError::new("SignatureDoesNotMatch", 403, message)
    }
}
