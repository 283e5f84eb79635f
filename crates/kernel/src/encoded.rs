//! Encoded authorization failure messages: why a call was denied, for those alone who may decode it.
//!
//! Some services' denials carry one ([`crate::Service::encodes_denials`]); `DecodeAuthorizationMessage` of STS reads it. What it
//! says has the form of AWS's own: "Use DecodeAuthorizationMessage with a CLI" in the code examples of the IAM user guide.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use undercast_policy::{
    Decision, Effect, Element, Inputs, MapContext, PrincipalElement, Principals, Reason, Statement, StepOutcome,
};
use undercast_wire::text;

use crate::{Cx, Failure, Result};

/// The longest message that `DecodeAuthorizationMessage` takes.
const LONGEST: usize = 10_240;
/// Bytes of the key of one message, and of its code.
const KEY: usize = 32;
const CODE: usize = 32;
/// Digits of the account whose message it is.
const ACCOUNT: usize = 12;

fn items(all: impl Iterator<Item = Json>) -> Json {
    json!({"items": all.collect::<Vec<_>>()})
}

fn values<'a>(all: impl Iterator<Item = &'a String>) -> Json {
    items(all.map(|value| json!({"value": value})))
}

fn patterns(element: Option<&Element>) -> Json {
    values(element.into_iter().flat_map(|element| &element.patterns))
}

fn principals(element: Option<&PrincipalElement>, caller: &str) -> Json {
    match element.map(|element| &element.principals) {
        Some(Principals::Everyone) => items(std::iter::once(json!({"value": "*"}))),
        Some(Principals::Named(named)) => values(named.iter().flat_map(|(_, who)| who)),
        // A policy of somebody's own speaks of them: AWS names them by the first part of their unique id.
        None => items(std::iter::once(json!({"value": caller.split(':').next()}))),
    }
}

fn statement(of: &Statement, caller: &str) -> Json {
    let condition = |entry: &undercast_policy::ConditionEntry| json!({"key": entry.key, "operator": entry.operator, "values": values(entry.values.iter())});
    json!({
        "statementId": of.sid.as_deref().unwrap_or_default(),
        "effect": if of.effect == Effect::Deny { "DENY" } else { "ALLOW" },
        "principals": principals(of.principal.as_ref(), caller),
        "principalGroups": items(std::iter::empty()),
        "actions": patterns(Some(&of.action)),
        "resources": patterns(of.resource.as_ref()),
        "conditions": items(of.conditions.iter().map(condition)),
    })
}

/// What a message says of a decision. `told`: the condition keys that the call set.
pub(crate) fn message(inputs: &Inputs<'_>, decision: &Decision, told: &MapContext) -> Json {
    let (request, caller) = (inputs.request, inputs.request.principal);
    let matched = decision.trace.iter().filter(|step| step.outcome == StepOutcome::Matched);
    let matched = matched.filter_map(|step| {
        let (_, named) = inputs.all().find(|(kind, named)| *kind == step.policy_type && named.name == step.policy)?;
        Some(statement(named.policy.document().statements.get(step.statement)?, &caller.user_id))
    });
    let conditions = told.iter().map(|(key, of)| {
        let of: Vec<String> = of.iter().map(ToOwned::to_owned).collect();
        json!({"key": key, "values": values(of.iter())})
    });
    json!({
        "allowed": decision.allowed,
        "explicitDeny": matches!(decision.reason, Reason::ExplicitDeny { .. }),
        "matchedStatements": items(matched),
        "failures": items(std::iter::empty()),
        "context": {
            "principal": {"id": caller.user_id, "arn": caller.arn},
            "action": request.action,
            "resource": request.resource,
            "conditions": items(conditions),
        },
    })
}

/// The code by which a message is known to be whole. Its key is in the message and was never seen by anybody, so nobody makes
/// another one that fits.
fn code(key: &[u8], rest: &[u8]) -> Result<Hmac<Sha256>> {
    let mut code = Hmac::<Sha256>::new_from_slice(key).map_err(|error| Failure::broken(error.to_string()))?;
    code.update(rest);
    Ok(code)
}

/// Seals a message for the caller's account. `None`: it is longer than what can be decoded.
pub(crate) fn seal(cx: &Cx, message: &Json) -> Result<Option<String>> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    packed.write_all(message.to_string().as_bytes()).map_err(Failure::broken)?;
    let mut rest = cx.principal().account.as_bytes().to_vec();
    rest.extend(packed.finish().map_err(Failure::broken)?);
    let mut whole = cx.random().bytes::<KEY>().to_vec();
    let code = code(&whole, &rest)?.finalize().into_bytes();
    whole.extend_from_slice(&code);
    whole.extend_from_slice(&rest);
    let sealed = text::base64(&cx.blobs().seal(&whole)?);
    let sealed = sealed.trim_end_matches('=').replace('+', "-").replace('/', "_");
    Ok((sealed.len() <= LONGEST).then_some(sealed))
}

impl Cx {
    /// What an encoded message of the caller's account says. `None`: it is none, or not of this account, or was altered.
    ///
    /// # Errors
    /// When the system fails.
    pub fn decode_authorization_message(&self, encoded: &str) -> Result<Option<String>> {
        let mut plain = encoded.replace('-', "+").replace('_', "/");
        while !plain.len().is_multiple_of(4) {
            plain.push('=');
        }
        // One message has one spelling.
        let Some(sealed) = text::unbase64(&plain).filter(|bytes| text::base64(bytes) == plain) else {
            return Ok(None);
        };
        // What names a key that is not here was not sealed here.
        let Ok(whole) = self.blobs().unseal(sealed) else { return Ok(None) };
        let Some((key, rest)) = whole.split_at_checked(KEY) else { return Ok(None) };
        let Some((sum, rest)) = rest.split_at_checked(CODE) else { return Ok(None) };
        if code(key, rest)?.verify_slice(sum).is_err() {
            return Ok(None);
        }
        let Some((account, packed)) = rest.split_at_checked(ACCOUNT) else { return Ok(None) };
        if account != self.principal().account.as_bytes() {
            return Ok(None);
        }
        let mut message = String::new();
        let read = DeflateDecoder::new(packed).read_to_string(&mut message);
        Ok(read.is_ok().then_some(message))
    }
}
