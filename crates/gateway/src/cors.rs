//! Browsers: which pages may call. A page that is not on the list must not drive somebody's cloud.

use http::HeaderMap;
use undercast_wire::Response;

use crate::host;

/// Whether a page of this origin may call.
pub(crate) fn allowed(origin: &str, extra: &[String]) -> bool {
    if extra.iter().any(|e| e == origin || e == "*") {
        return true;
    }
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    matches!(scheme, "http" | "https") && host::parse(rest, extra).is_some()
}

/// The answer to a preflight request.
pub(crate) fn preflight(origin: &str, headers: &HeaderMap) -> Response {
    let mut response = Response::new(204, Vec::new());
    add(&mut response, origin);
    response.set("access-control-allow-methods", "HEAD,GET,PUT,POST,DELETE,OPTIONS,PATCH");
    let wanted = headers.get("access-control-request-headers").and_then(|v| v.to_str().ok());
    response.set("access-control-allow-headers", wanted.unwrap_or("*"));
    response.set("access-control-max-age", "600");
    response
}

/// Lets the page read the answer. What a service set itself (a bucket's own rules) stays.
pub(crate) fn add(response: &mut Response, origin: &str) {
    if response.headers.contains_key("access-control-allow-origin") {
        return;
    }
    response.set("access-control-allow-origin", origin);
    response.set("access-control-expose-headers", "*, etag, x-amz-version-id, x-amz-request-id, x-amzn-requestid");
    response.set("vary", "Origin");
}
