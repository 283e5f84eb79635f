//! Which pages of other origins may use a bucket: the rules, and what they come to for a request.
//!
//! Source: "Using cross-origin resource sharing (CORS)" in the user guide.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, CrossOrigin, Cx, Result};
use undercast_wire::Request;
use undercast_wire::text::percent_decode;

use crate::api::{self, kept::CORSRule};
use crate::rows::{BUCKETS, Bucket};
use crate::settings::{Setting, missing};
use crate::{control, error};

/// A bucket has so many rules at most.
const MOST_RULES: usize = 100;

/// The methods that rules may name.
const METHODS: &[&str] = &["GET", "PUT", "HEAD", "POST", "DELETE"];

fn check(rules: &[CORSRule]) -> Result<()> {
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(error::malformed_xml().into());
    }
    for rule in rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(error::malformed_xml().into());
        }
        if let Some(method) = rule.allowed_methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
            let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}");
            return Err(error::invalid_request(message).into());
        }
        let stars = |text: &&String| text.matches('*').count() > 1;
        if let Some(origin) = rule.allowed_origins.iter().find(stars) {
            let message = format!("AllowedOrigin \"{origin}\" can not have more than one wildcard.");
            return Err(error::invalid_request(message).into());
        }
        if let Some(header) = rule.allowed_headers.iter().flatten().find(stars) {
            let message = format!("AllowedHeader \"{header}\" can not have more than one wildcard.");
            return Err(error::invalid_request(message).into());
        }
        if let Some(header) = rule.expose_headers.iter().flatten().find(|h| h.contains('*')) {
            let message = format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            );
            return Err(error::invalid_request(message).into());
        }
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketCorsInput) -> Result<()> {
    let rules = input.cors_configuration.cors_rules;
    check(&rules)?;
    Setting::Cors.set(cx, &input.bucket, input.expected_bucket_owner.as_deref(), &rules).await
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketCorsInput) -> Result<api::GetBucketCorsOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (bucket, rules) = Setting::Cors.of_call::<Vec<CORSRule>>(cx, &input.bucket, owner)?;
    let rules =
        rules.ok_or_else(|| missing(&bucket, "NoSuchCORSConfiguration", "The CORS configuration does not exist"))?;
    Ok(api::GetBucketCorsOutput { cors_rules: Some(rules) })
}

/// Whether a pattern with at most one star is this text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail),
    }
}

/// What a page asks for.
struct Asked<'a> {
    origin: &'a str,
    method: &'a str,
    headers: Vec<String>,
}

fn admits(rule: &CORSRule, asked: &Asked<'_>) -> bool {
    let header =
        |name: &String| rule.allowed_headers.iter().flatten().any(|allowed| fits(&allowed.to_ascii_lowercase(), name));
    rule.allowed_origins.iter().any(|o| fits(o, asked.origin))
        && rule.allowed_methods.iter().any(|m| m == asked.method)
        && asked.headers.iter().all(header)
}

/// The headers that let the page go on.
fn headers(rule: &CORSRule, asked: &Asked<'_>, preflight: bool) -> Vec<(&'static str, String)> {
    let everybody = rule.allowed_origins.iter().any(|o| o == "*");
    let origin = if everybody { "*" } else { asked.origin };
    let mut headers = vec![("access-control-allow-origin", origin.to_owned())];
    headers.push(("access-control-allow-methods", rule.allowed_methods.join(", ")));
    if preflight && !asked.headers.is_empty() {
        headers.push(("access-control-allow-headers", asked.headers.join(", ")));
    }
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|e| !e.is_empty()) {
        headers.push(("access-control-expose-headers", exposed.join(", ")));
    }
    if let Some(seconds) = rule.max_age_seconds {
        headers.push(("access-control-max-age", seconds.to_string()));
    }
    if !everybody {
        headers.push(("access-control-allow-credentials", "true".to_owned()));
    }
    headers.push(("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned()));
    headers
}

fn refused(message: &str, asked: &Asked<'_>, object: bool) -> AwsError {
    AwsError::new("AccessForbidden", 403, message)
        .with("Method", asked.method)
        .with("ResourceType", if object { "OBJECT" } else { "BUCKET" })
}

/// The bucket that a request's path names, and whether it names a key too.
fn named(from: &(impl Read + ?Sized), path: &str) -> Option<(Bucket, bool)> {
    let (bucket, key) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.get(1..)?, ""));
    // A store that cannot be read says so when the request itself is answered.
    let found = match control::via::of_path(from, bucket) {
        Some(bucket) => bucket,
        None => BUCKETS.get(from, &(percent_decode(bucket, false)?,)).ok().flatten()?,
    };
    Some((found, !key.is_empty()))
}

/// What a request of a page comes to. `None`: it is for no bucket.
pub(crate) fn decide(from: &(impl Read + ?Sized), request: &Request) -> Option<CrossOrigin> {
    let origin = request.header("origin")?;
    let (bucket, object) = named(from, &request.path)?;
    let wanted = request.header("access-control-request-method");
    let preflight = request.method == "OPTIONS" && wanted.is_some();
    let listed = request.header("access-control-request-headers").unwrap_or_default();
    let headers_asked = listed.split(',').map(|h| h.trim().to_ascii_lowercase()).filter(|h| !h.is_empty());
    let asked = Asked {
        origin,
        method: wanted.filter(|_| preflight).unwrap_or(&request.method),
        headers: if preflight { headers_asked.collect() } else { Vec::new() },
    };
    let rules = Setting::Cors.get::<Vec<CORSRule>>(from, &bucket).ok().flatten();
    let message = match &rules {
        None => "CORSResponse: CORS is not enabled for this bucket.",
        Some(_) => {
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
        }
    };
    Some(match rules.iter().flatten().find(|rule| admits(rule, &asked)) {
        Some(rule) => CrossOrigin::Allowed(headers(rule, &asked, preflight)),
        None => CrossOrigin::Refused(refused(message, &asked, object)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("*", "https://a.example", true),
            ("https://*.example", "https://a.example", true),
            ("https://*.example", "https://.example", true),
            ("https://*.example", "https://example", false),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://b.example", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_that_are_refused() {
        let rule = |method: &str, origin: &str| CORSRule {
            allowed_methods: vec![method.to_owned()],
            allowed_origins: vec![origin.to_owned()],
            ..CORSRule::default()
        };
        assert!(check(&[rule("GET", "*")]).is_ok());
        for rules in [vec![], vec![rule("PATCH", "*")], vec![rule("GET", "https://*.*")]] {
            assert!(check(&rules).is_err(), "{rules:?}");
        }
    }
}
