//! ID tokens of OpenID Connect: read, and verified with the keys that their issuer publishes.
//!
//! Sources: OpenID Connect Core 1.0, section 2 and 3.1.3.7; "Create an OpenID Connect (OIDC) identity provider in IAM" of the
//! IAM User Guide, which says how keys are found.

use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::{Map, Value as Json};
use undercast_kernel::{AwsError, Cx};
use undercast_outward::{Request, Trust, Url};

use crate::api::errors;

/// "STS waits for five seconds" (re:Post, "Why do I get InvalidIdentityToken errors").
const PATIENCE: Duration = Duration::from_secs(5);
/// The signatures that AWS takes: never one without a key, nor one whose key both sides know.
const ALGORITHMS: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::ES256, Algorithm::ES384];

/// What a token says. Nothing of it is true before [`Token::verify`].
#[derive(Debug, Clone)]
pub(crate) struct Token {
    text: String,
    header: Header,
    claims: Map<String, Json>,
}

fn invalid(message: impl Into<String>) -> AwsError {
    errors::invalid_identity_token_exception(message.into())
}

fn no_key() -> AwsError {
    invalid(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
    )
}

/// A text, or each text of a list.
pub(crate) fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::String(text) => vec![text.clone()],
        Json::Array(all) => all.iter().flat_map(texts).collect(),
        Json::Bool(_) | Json::Number(_) => vec![value.to_string()],
        Json::Null | Json::Object(_) => Vec::new(),
    }
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// `InvalidIdentityToken` when it is none, or its signature is of a kind that is not taken.
    pub(crate) fn read(text: &str) -> Result<Self, AwsError> {
        let none = || {
            invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        };
        let header = jsonwebtoken::decode_header(text).map_err(|_| none())?;
        let claims = jsonwebtoken::dangerous::insecure_decode::<Map<String, Json>>(text).map_err(|_| none())?.claims;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid("The signature algorithm of the ID Token is not supported."));
        }
        let token = Self { text: text.to_owned(), header, claims };
        for claim in ["iss", "sub", "aud", "exp", "iat"] {
            if token.claim(claim).is_empty() {
                return Err(invalid(format!("Missing a required claim: {claim}")));
            }
        }
        Ok(token)
    }

    /// The values of a claim; none: it is not there.
    pub(crate) fn claim(&self, name: &str) -> Vec<String> {
        self.claims.get(name).map_or_else(Vec::new, texts)
    }

    /// All that it says.
    pub(crate) fn claims(&self) -> &Map<String, Json> {
        &self.claims
    }

    /// A claim of any form.
    pub(crate) fn structured(&self, name: &str) -> Option<&Json> {
        self.claims.get(name)
    }

    /// The one value of a claim.
    pub(crate) fn one(&self, name: &str) -> Option<String> {
        self.claim(name).into_iter().next()
    }

    /// Who issued it: an address that begins with `https://`.
    pub(crate) fn issuer(&self) -> String {
        self.one("iss").unwrap_or_default()
    }

    fn moment(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_f64().map(|seconds| seconds as i64)
    }

    /// Refuses a token whose time is over or has not come.
    pub(crate) fn check_time(&self, now: i64) -> Result<(), AwsError> {
        let ends = self.moment("exp").ok_or_else(|| invalid("Missing a required claim: exp"))?;
        if ends <= now {
            let message =
                format!("Token expired: current date/time {now} must be before the expiration date/time {ends}");
            return Err(errors::expired_token_exception(message));
        }
        // Clocks differ: five minutes are forgiven, as for signatures of requests.
        let early = |at: i64| at > now + 300;
        if ["nbf", "iat"].into_iter().filter_map(|claim| self.moment(claim)).any(early) {
            return Err(invalid("The ID Token is not valid yet"));
        }
        Ok(())
    }

    /// Refuses a token that was not signed with a key that its issuer publishes now.
    pub(crate) async fn verify(&self, cx: &Cx, thumbprints: &[String]) -> Result<(), AwsError> {
        let issuer = self.issuer();
        let about = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let about = fetched(cx, &about, thumbprints).await?;
        // "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix" (Discovery 1.0, 4.3).
        if about["issuer"].as_str() != Some(&issuer) {
            return Err(no_key());
        }
        let keys = fetched(cx, about["jwks_uri"].as_str().ok_or_else(no_key)?, thumbprints).await?;
        let keys: JwkSet = serde_json::from_value(keys).map_err(|_| no_key())?;
        self.check_signature(&keys)
    }

    /// Refuses a token that was not signed with one of these keys.
    pub(crate) fn check_signature(&self, keys: &JwkSet) -> Result<(), AwsError> {
        let fitting: Vec<&Jwk> = match &self.header.kid {
            Some(id) => keys.find(id).into_iter().collect(),
            None => keys.keys.iter().collect(),
        };
        if fitting.is_empty() {
            return Err(no_key());
        }
        let signed = fitting.iter().any(|key| self.is_signed_with(key));
        if signed { Ok(()) } else { Err(invalid("The ID Token's signature is not valid.")) }
    }

    fn is_signed_with(&self, key: &Jwk) -> bool {
        let Ok(key) = DecodingKey::from_jwk(key) else { return false };
        let mut validation = Validation::new(self.header.alg);
        // Time is the cloud's, and audiences are the provider's: both are looked at elsewhere.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<Map<String, Json>>(&self.text, &key, &validation).is_ok()
    }
}

/// What a provider answers at an address.
async fn fetched(cx: &Cx, address: &str, thumbprints: &[String]) -> Result<Json, AwsError> {
    let url = Url::parse(address).ok_or_else(no_key)?;
    if !url.tls {
        return Err(no_key());
    }
    let request = Request {
        method: "GET".to_owned(),
        url,
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: bytes::Bytes::new(),
        patience: PATIENCE,
    };
    let ca = cx.kernel().settings().authority();
    let answer = undercast_outward::send_trusting(&Trust { ca: &ca, thumbprints }, request).await;
    let answer = answer.map_err(|why| {
        tracing::warn!(address, why = why.to_string(), "an identity provider's keys cannot be had");
        no_key()
    })?;
    if !answer.is_success() {
        return Err(no_key());
    }
    serde_json::from_slice(&answer.body).map_err(|_| no_key())
}
