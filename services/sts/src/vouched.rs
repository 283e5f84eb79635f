//! What strangers bring, verified: for tests that bring words of chance. Nobody's rights follow from this alone.

use jsonwebtoken::jwk::JwkSet;
use serde_json::{Map, Value as Json};
use undercast_kernel::{AwsError, Timestamp};

use crate::api::errors;
use crate::saml::response::{Provider, Said};
use crate::token::Token;

/// What a token says that was signed with one of these keys (a JWK set).
///
/// # Errors
/// What AWS answers for a token that is not.
pub fn claims(token: &str, keys: &[u8], now: Timestamp) -> Result<Map<String, Json>, AwsError> {
    let token = Token::read(token)?;
    let keys: JwkSet = serde_json::from_slice(keys)
        .map_err(|_| errors::invalid_identity_token_exception("There are no keys.".to_owned()))?;
    token.check_signature(&keys)?;
    token.check_time(now.as_second())?;
    Ok(token.claims().clone())
}

/// Who somebody is in the words of a response that the provider of this metadata signed: the subject, and the attributes.
///
/// # Errors
/// What AWS answers for a response that is not.
pub fn subject(
    response: &str,
    metadata: &str,
    now: Timestamp,
) -> Result<(String, Vec<(String, Vec<String>)>), AwsError> {
    let said = Said::verified(response, &Provider::read(metadata)?, now)?;
    Ok((said.subject, said.attributes))
}
