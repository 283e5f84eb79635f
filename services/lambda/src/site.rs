//! What is behind the hosts that are Lambda's: function URLs, and the packages that `GetFunction` links to.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::auth::{self, Refusal};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::BlobId;
use undercast_kernel::wire::sigv4;
use undercast_kernel::wire::text;
use undercast_kernel::{Access, AwsError, Cx, Failure, Result};
use undercast_wire::{Protocol, Request, Response};

use crate::function::FUNCTIONS;
use crate::holder::Holder;
use crate::report::{Call, Done};
use crate::state::State;
use crate::url::URLS;
use crate::{access, api, invoke, site_streamed};

/// `<id>.lambda-url.<region>.localhost`
pub(crate) const URLS_SITE: &str = "lambda-url";
/// `code.lambda-code.<region>.localhost`
pub(crate) const PACKAGES: &str = "lambda-code";
/// The most bytes of a request to a URL.
const MOST_BYTES: usize = 6 * 1024 * 1024;

pub(crate) async fn serve(state: &Arc<State>, cx: &Cx, site: &str, name: &str, request: Request) -> Result<Response> {
    if site == PACKAGES { package(state, cx, &request).await } else { url(state, cx, name, request).await }
}

/// A link to a package, good for some minutes.
pub(crate) fn link(state: &State, cx: &Cx, package: &str, region: &str) -> String {
    let token = state.link(cx, package);
    let host = cx.origin().host.clone();
    let host = host.strip_prefix("127.0.0.1").map_or(host.clone(), |port| format!("localhost{port}"));
    format!("{}://code.{PACKAGES}.{region}.{host}/{token}", cx.origin().scheme)
}

/// The package that a link leads to.
async fn package(state: &State, cx: &Cx, request: &Request) -> Result<Response> {
    let denied = || AwsError::new("AccessDenied", 403, "Request has expired");
    let token = request.path.trim_start_matches('/');
    let id = BlobId(state.linked(token, cx.now()).ok_or_else(denied)?);
    let bytes = cx.blobs().read(&id, 0, usize::MAX).await?;
    let mut response = Response::new(200, bytes);
    response.set("content-type", "application/zip");
    Ok(response)
}

fn forbidden() -> Failure {
    let message = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";
    AwsError::new("AccessDeniedException", 403, message).into()
}

/// A request to a function's URL.
async fn url(state: &Arc<State>, cx: &Cx, id: &str, request: Request) -> Result<Response> {
    let read = cx.read();
    let Some((account, region, name)) = URLS.get(&read, &(id,))?.filter(|u| u.1 == cx.region()) else {
        return Err(forbidden());
    };
    let function = FUNCTIONS.get(&read, &(account.as_str(), region.as_str(), name.as_str()))?;
    let Some(function) = function else { return Err(forbidden()) };
    let Some(holder) = Holder::with_url(&read, function, id)? else { return Err(forbidden()) };
    let Some(url) = holder.url() else { return Err(forbidden()) };
    let too_large =
        || AwsError::new("RequestEntityTooLargeException", 413, "Request must be smaller than 6291456 bytes");
    let body = request.body.take().collect(MOST_BYTES).await.map_err(Failure::broken)?.ok_or_else(too_large)?;
    let cx = if url.auth == "AWS_IAM" { signed(cx, &request, &body)? } else { cx.clone() };
    let cx = cx.elsewhere(&account, &region);
    allowed(&cx, &holder, &url.auth)?;
    let name = holder.name();
    let function = name.find_to_run(&cx, &read)?;
    let event = event(&cx, id, &request, &body);
    let call = Call {
        request_id: cx.request_id().to_owned(),
        payload: event.to_string().into(),
        client_context: None,
        arn: name.qualified_arn(&cx),
        pieces: None,
    };
    let mut response = if url.streams {
        site_streamed::answer(state, &cx, &function, call).await?
    } else {
        answer(&invoke::run(state, &cx, &function, call).await?)
    };
    response.set("x-amzn-requestid", cx.request_id());
    Ok(response)
}

/// The caller of a signed request.
fn signed(cx: &Cx, request: &Request, body: &Bytes) -> Result<Cx> {
    let missing = || auth::refusal(Refusal::Missing, Protocol::RestJson, false, None);
    let signature = sigv4::read(request).map_err(|why| auth::unreadable(&why, Protocol::RestJson, false))?;
    let signature = signature.ok_or_else(missing)?;
    let hash = text::hex_encode(&Sha256::digest(body));
    let caller = cx.kernel().authenticate(request, &signature, &hash, Protocol::RestJson, &api::SERVICE)?;
    if signature.is_asymmetric() && !sigv4::asymmetric::admits(&signature.region, cx.region()) {
        return Err(auth::refusal(Refusal::Region, Protocol::RestJson, false, Some(&signature)).into());
    }
    Ok(cx.kernel().cx(caller, cx.region(), cx.request_id(), cx.origin().clone()))
}

/// Since October 2025 a URL's caller needs both permissions.
fn allowed(cx: &Cx, holder: &Holder, auth: &str) -> Result<()> {
    let needed = |action: &'static str, key: &str, value: &str| {
        let mut needed =
            Access::new(action, holder.name().qualified_arn(cx)).in_account(holder.function().account.clone());
        needed.context.set(key, value);
        access::known(cx, needed, holder)
    };
    let both = [
        needed("lambda:InvokeFunctionUrl", "lambda:FunctionUrlAuthType", auth)?,
        needed("lambda:InvokeFunction", "lambda:InvokedViaFunctionUrl", "true")?,
    ];
    for access in &both {
        if let Some(message) = cx.denied(access)? {
            tracing::warn!(
                function = holder.function().name,
                action = access.action.as_ref(),
                message,
                "a request to a function URL was refused; both lambda:InvokeFunctionUrl and lambda:InvokeFunction must be allowed"
            );
            return Err(forbidden());
        }
    }
    Ok(())
}

/// Whether a body of this type is handed on as text.
fn is_text(content_type: Option<&str>) -> bool {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(kind.as_str(), "application/json" | "application/xml" | "application/javascript")
}

/// The event, in the payload format of version 2.0.
fn event(cx: &Cx, id: &str, request: &Request, body: &Bytes) -> Json {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.to_string()).and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
    }
    let cookies: Option<Vec<String>> =
        headers.remove("cookie").map(|all| all.split(';').map(|c| c.trim().to_owned()).collect());
    let mut query: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in text::pairs(&request.query).into_iter().flatten() {
        query.entry(name).and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
    }
    let domain = cx.origin().host.split(':').next().unwrap_or_default().to_owned();
    let anonymous = matches!(cx.principal().kind, PrincipalKind::Anonymous);
    let mut context = json!({
        "accountId": if anonymous { "anonymous" } else { cx.principal().account.as_str() },
        "apiId": id, "domainName": domain, "domainPrefix": id,
        "http": {
            "method": request.method, "path": request.path, "protocol": "HTTP/1.1",
            "sourceIp": cx.origin().address.map_or_else(String::new, |a| a.to_string()), "userAgent": cx.origin().user_agent,
        },
        "requestId": cx.request_id(), "routeKey": "$default", "stage": "$default",
        "time": cx.now().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(), "timeEpoch": cx.now_millis(),
    });
    if !anonymous {
        let principal = cx.principal();
        context["authorizer"] = json!({"iam": {
            "accessKey": cx.origin().access_key, "accountId": principal.account, "callerId": principal.user_id,
            "cognitoIdentity": null, "principalOrgId": null, "userArn": principal.arn, "userId": principal.user_id,
        }});
    }
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": request.path, "rawQueryString": request.query, "headers": headers,
        "requestContext": context, "isBase64Encoded": false,
    });
    if let Some(cookies) = cookies {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query);
    }
    if !body.is_empty() {
        let as_text = std::str::from_utf8(body).ok().filter(|_| is_text(request.header("content-type")));
        event["isBase64Encoded"] = json!(as_text.is_none());
        event["body"] = as_text.map_or_else(|| json!(text::base64(body)), |t| json!(t));
    }
    event
}

/// What a function that fails answers.
pub(crate) fn broken() -> Response {
    let mut response = Response::new(502, json!({"Message": "Internal Server Error"}).to_string().into_bytes());
    response.set("content-type", "application/json");
    response
}

/// What a function's answer is in HTTP.
fn answer(done: &Done) -> Response {
    if done.failed {
        return broken();
    }
    match serde_json::from_slice::<Json>(&done.payload) {
        Ok(Json::Object(parts)) if parts.contains_key("statusCode") => {
            composed(&parts, "application/json").unwrap_or_else(broken)
        }
        // An answer without a status is the body itself.
        _ => {
            let mut response = Response::new(200, done.payload.clone());
            response.set("content-type", "application/json");
            response
        }
    }
}

/// An answer that says how it is to be sent. `None`: it makes no sense.
pub(crate) fn composed(parts: &Map<String, Json>, usual: &str) -> Option<Response> {
    let status = match parts.get("statusCode")? {
        Json::Number(n) => n.as_u64()?,
        Json::String(s) => s.parse().ok()?,
        _ => return None,
    };
    let status = u16::try_from(status).ok().filter(|s| (100..=599).contains(s))?;
    let body = match parts.get("body") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) if parts.get("isBase64Encoded") == Some(&Json::Bool(true)) => text::unbase64(text)?,
        Some(Json::String(text)) => text.clone().into_bytes(),
        Some(_) => return None,
    };
    let mut response = Response::new(status, body);
    response.set("content-type", usual);
    for (name, value) in parts.get("headers").and_then(Json::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        response.set(&name.to_ascii_lowercase(), &value);
    }
    for cookie in parts.get("cookies").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        if let Ok(value) = http::HeaderValue::from_str(cookie) {
            response.headers.append("set-cookie", value);
        }
    }
    Some(response)
}
