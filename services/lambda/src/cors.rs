//! What pages of other origins may do with a function's URL.
//!
//! Source: "Cross-origin resource sharing (CORS)" of "Creating and managing Lambda function URLs" in the developer guide.

use undercast_kernel::store::Read;
use undercast_kernel::{CrossOrigin, Failure, Result};
use undercast_wire::Request;

use crate::api::kept::Cors;
use crate::function::{FUNCTIONS, Url};
use crate::holder::Holder;
use crate::site::URLS_SITE;
use crate::url::URLS;

/// The rules as they are stored. Rules that say nothing are none.
pub(crate) fn stored(given: &Cors) -> Result<Option<String>> {
    let text = serde_json::to_string(given).map_err(Failure::broken)?;
    Ok((*given != Cors::default()).then_some(text))
}

/// The rules of a URL.
pub(crate) fn of(url: &Url) -> Option<Cors> {
    serde_json::from_str(url.cors.as_ref()?).ok()
}

/// The rules of the URL that a request is for.
fn named(from: &(impl Read + ?Sized), request: &Request) -> Result<Option<Cors>> {
    let host = request.header("host").unwrap_or_default();
    let Some((id, _)) = host.split_once(&format!(".{URLS_SITE}.")) else { return Ok(None) };
    let Some((account, region, name)) = URLS.get(from, &(id,))? else { return Ok(None) };
    let function = FUNCTIONS.get(from, &(account.as_str(), region.as_str(), name.as_str()))?;
    let Some(function) = function else { return Ok(None) };
    let holder = Holder::with_url(from, function, id)?;
    Ok(holder.as_ref().and_then(Holder::url).and_then(of))
}

fn admits(list: Option<&Vec<String>>, asked: &str) -> bool {
    list.into_iter().flatten().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(asked))
}

/// What a page may do with a URL. `None`: its rules, if it has any, do not let the page in.
pub(crate) fn decide(from: &(impl Read + ?Sized), request: &Request) -> Option<CrossOrigin> {
    let origin = request.header("origin")?;
    // A store that cannot be read says so when the request itself is answered.
    let rules = named(from, request).ok().flatten()?;
    let preflight = request.method == "OPTIONS";
    let method = request.header("access-control-request-method").filter(|_| preflight).unwrap_or(&request.method);
    if !admits(rules.allow_origins.as_ref(), origin) || !admits(rules.allow_methods.as_ref(), method) {
        return None;
    }
    let asked: Vec<&str> = request
        .header("access-control-request-headers")
        .map_or_else(Vec::new, |all| all.split(',').map(str::trim).filter(|name| !name.is_empty()).collect());
    if !asked.iter().all(|name| admits(rules.allow_headers.as_ref(), name)) {
        return None;
    }
    let everybody = rules.allow_origins.iter().flatten().any(|allowed| allowed == "*");
    let credentials = rules.allow_credentials == Some(true);
    // Who sends credentials is told its own name.
    let named = if everybody && !credentials { "*" } else { origin };
    let mut headers = vec![("access-control-allow-origin", named.to_owned()), ("vary", "Origin".to_owned())];
    if credentials {
        headers.push(("access-control-allow-credentials", "true".to_owned()));
    }
    if let Some(exposed) = rules.expose_headers.filter(|list| !list.is_empty()) {
        headers.push(("access-control-expose-headers", exposed.join(",")));
    }
    if preflight {
        headers.push(("access-control-allow-methods", method.to_owned()));
        if !asked.is_empty() {
            headers.push(("access-control-allow-headers", asked.join(",")));
        }
        if let Some(seconds) = rules.max_age {
            headers.push(("access-control-max-age", seconds.to_string()));
        }
    }
    Some(CrossOrigin::Allowed(headers))
}
