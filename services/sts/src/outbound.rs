//! `GetWebIdentityToken`: a signed word on who the caller is, for services outside.
//!
//! Source: "Federating AWS identities to external services" and "Understanding token claims" in the IAM user guide. IAM has the
//! switch, the issuer and its keys; what the token says is put together here.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Access, CREDENTIALS, Cx, Failure, Result, Timestamp};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::{Fields, Value, text};

use crate::api::{self, errors};
use crate::limits::{Carried, invalid};

/// A token is good for so long if nobody says how long.
const USUAL_SECONDS: i32 = 300;
/// What AWS's own claims stand under.
const OWN: &str = "https://sts.amazonaws.com/";

pub(crate) fn access(input: &Fields) -> Vec<Access> {
    let mut access = Access::new("sts:GetWebIdentityToken", "*");
    if let Some(Value::List(items)) = input.get("Audience") {
        let audience = items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        access.context.set_many("sts:IdentityTokenAudience", audience);
    }
    if let Some(algorithm) = input.text("SigningAlgorithm") {
        access.context.set("sts:SigningAlgorithm", algorithm);
    }
    let seconds = match input.get("DurationSeconds") {
        Some(Value::Integer(seconds)) => seconds.to_string(),
        _ => USUAL_SECONDS.to_string(),
    };
    access.context.set("sts:DurationSeconds", seconds);
    let carried = Carried { tags: Carried::of(input).tags, ..Carried::default() };
    let mut needed = carried.permissions(access);
    // Tags of a token are something else than tags of a session.
    for further in needed.iter_mut().skip(1) {
        further.action = "sts:TagGetWebIdentityToken".into();
    }
    needed
}

/// When the caller's session ends, if it is one.
fn ends(cx: &Cx) -> Result<Option<i64>> {
    let Some(key) = cx.origin().access_key.as_deref().filter(|_| cx.temporary().is_some()) else { return Ok(None) };
    Ok(CREDENTIALS.get(&cx.read(), &(key,))?.and_then(|credential| credential.expires))
}

/// Who it is: a session is known by its role.
fn subject(cx: &Cx) -> &str {
    match &cx.principal().kind {
        PrincipalKind::AssumedRole { role_arn, .. } => role_arn,
        _ => &cx.principal().arn,
    }
}

/// Tags of the principal; those of the session stand before them.
fn principal_tags(cx: &Cx) -> Result<Map<String, Json>> {
    let own = match cx.kernel().identities() {
        Some(known) => known.policies(&cx.read(), cx.principal())?.tags.clone(),
        None => Vec::new(),
    };
    let of_session = cx.temporary().map_or_else(Vec::new, |temporary| temporary.tags.to_vec());
    let mut all: Vec<(String, String)> = of_session;
    for (key, value) in own {
        if !all.iter().any(|(there, _)| there.eq_ignore_ascii_case(&key)) {
            all.push((key, value));
        }
    }
    Ok(all.into_iter().map(|(key, value)| (key, Json::String(value))).collect())
}

/// AWS's own claims.
fn own_claims(cx: &Cx, tags: Vec<(String, String)>, ends: Option<i64>) -> Result<Map<String, Json>> {
    let mut own = Map::new();
    let mut set = |name: &str, value: Json| {
        own.insert(name.to_owned(), value);
    };
    set("aws_account", json!(cx.principal().account));
    set("source_region", json!(cx.region()));
    set("principal_id", json!(subject(cx)));
    if let Some(known) = cx.kernel().organizations()
        && let Some(membership) = known.membership(&cx.read(), &cx.principal().account)?
    {
        set("org_id", json!(membership.organization));
        set("ou_path", json!([membership.path]));
    }
    let principal_tags = principal_tags(cx)?;
    if !principal_tags.is_empty() {
        set("principal_tags", Json::Object(principal_tags));
    }
    if let Some(ends) = ends {
        let at = Timestamp::from_second(ends / 1000).map_err(Failure::broken)?;
        set("original_session_exp", json!(text::timestamp(at, TimestampFormat::Iso8601)));
    }
    if let PrincipalKind::AssumedRole { provider: Some(provider), .. } = &cx.principal().kind {
        set("federated_provider", json!(provider));
    }
    if let Some(identity) = cx.temporary().and_then(|t| t.begun.as_deref()?.source_identity.clone()) {
        set("source_identity", json!(identity));
    }
    if !tags.is_empty() {
        let tags: Map<String, Json> = tags.into_iter().map(|(key, value)| (key, Json::String(value))).collect();
        set("request_tags", Json::Object(tags));
    }
    Ok(own)
}

pub(crate) fn token(cx: &Cx, input: api::GetWebIdentityTokenInput) -> Result<api::GetWebIdentityTokenOutput> {
    if !matches!(input.signing_algorithm.as_str(), "RS256" | "ES384") {
        return Err(invalid("The signing algorithm must be RS256 or ES384.").into());
    }
    let carried = Carried {
        tags: input.tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect(),
        ..Carried::default()
    };
    carried.check()?;
    let now = cx.now().as_second();
    let until = now + i64::from(input.duration_seconds.unwrap_or(USUAL_SECONDS));
    let ends = ends(cx)?;
    if ends.is_some_and(|ends| until > ends / 1000) {
        let message = "The requested token duration would extend the session beyond its original expiration time.";
        return Err(errors::session_duration_escalation_exception(message).into());
    }
    let audience = match <[String; 1]>::try_from(input.audience) {
        Ok([one]) => json!(one),
        Err(many) => json!(many),
    };
    let mut claims = Map::new();
    for (claim, value) in [
        ("aud", audience),
        ("sub", json!(subject(cx))),
        ("iat", json!(now)),
        ("exp", json!(until)),
        ("jti", json!(cx.random().uuid())),
        (OWN, Json::Object(own_claims(cx, carried.tags, ends)?)),
    ] {
        claims.insert(claim.to_owned(), value);
    }
    let signed = match cx.kernel().identities() {
        Some(known) => known.sign_token(cx, &input.signing_algorithm, claims)?,
        None => None,
    };
    let signed = signed.ok_or_else(|| {
        let message = "Outbound web identity federation is not enabled for the account.";
        errors::outbound_web_identity_federation_disabled_exception(message)
    })?;
    Ok(api::GetWebIdentityTokenOutput {
        web_identity_token: Some(signed),
        expiration: Some(Timestamp::from_second(until).map_err(Failure::broken)?),
    })
}
