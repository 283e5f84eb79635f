//! Website hosting: a bucket as the pages of a host of its own.
//!
//! Source: "Hosting a static website using Amazon S3" in the user guide; refusals as recorded by public test suites.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::{AwsError, Body, Cx, Failure, Result};
use undercast_wire::protocol::host_id;
use undercast_wire::text::{percent_decode, percent_encode};
use undercast_wire::{Request, Response};

use crate::api;
use crate::api::kept::{ErrorDocument, IndexDocument, RedirectAllRequestsTo, RoutingRule};
use crate::error;
use crate::rows::BUCKETS;
use crate::settings::{Setting, missing};

/// A website has so many routing rules at most.
const MOST_RULES: usize = 50;

/// The website of a bucket, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Website {
    index: Option<IndexDocument>,
    error: Option<ErrorDocument>,
    redirect_all: Option<RedirectAllRequestsTo>,
    rules: Option<Vec<RoutingRule>>,
}

fn invalid(message: &str, name: &str, value: &str) -> Failure {
    error::invalid_argument(message, name, value).into()
}

fn check(website: &Website) -> Result<()> {
    if website.redirect_all.is_some() {
        if website.index.is_some() || website.error.is_some() || website.rules.is_some() {
            let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
            return Err(invalid(message, "RedirectAllRequestsTo", "not null"));
        }
        return check_protocol(website.redirect_all.as_ref().and_then(|r| r.protocol.as_deref()));
    }
    let Some(index) = &website.index else {
        let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        return Err(invalid(message, "IndexDocument", "null"));
    };
    if index.suffix.is_empty() || index.suffix.contains('/') {
        return Err(invalid("The IndexDocument Suffix is not well formed", "IndexDocument", &index.suffix));
    }
    if website.error.as_ref().is_some_and(|e| e.key.is_empty()) {
        return Err(invalid("The ErrorDocument Key is not well formed", "ErrorDocument", ""));
    }
    let rules = website.rules.as_deref().unwrap_or_default();
    if rules.len() > MOST_RULES {
        let message = format!(
            "{} routing rules provided, the number of routing rules in a website configuration is limited to {MOST_RULES}.",
            rules.len()
        );
        return Err(error::invalid_request(message).into());
    }
    rules.iter().try_for_each(check_rule)
}

fn check_protocol(protocol: Option<&str>) -> Result<()> {
    if matches!(protocol, None | Some("http" | "https")) {
        return Ok(());
    }
    let message =
        "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.";
    Err(error::invalid_request(message).into())
}

fn check_rule(rule: &RoutingRule) -> Result<()> {
    let refused = |message: &str| Err(error::invalid_request(message).into());
    if let Some(condition) = &rule.condition {
        if condition.key_prefix_equals.is_none() && condition.http_error_code_returned_equals.is_none() {
            return refused(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
            );
        }
        let code = condition.http_error_code_returned_equals.as_deref();
        if code.is_some_and(|c| c.parse::<u16>().map_or(true, |c| !(400..=599).contains(&c))) {
            return refused("The provided HTTP error code is not valid. Valid codes are 4XX or 5XX.");
        }
    }
    let redirect = &rule.redirect;
    if redirect.replace_key_prefix_with.is_some() && redirect.replace_key_with.is_some() {
        return refused("You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    }
    let code = redirect.http_redirect_code.as_deref();
    if code.is_some_and(|c| c.parse::<u16>().map_or(true, |c| !(301..=399).contains(&c))) {
        let code = code.unwrap_or("");
        return refused(&format!(
            "The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        ));
    }
    check_protocol(redirect.protocol.as_deref())
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketWebsiteInput) -> Result<()> {
    let given = input.website_configuration;
    let website = Website {
        index: given.index_document,
        error: given.error_document,
        redirect_all: given.redirect_all_requests_to,
        rules: given.routing_rules,
    };
    check(&website)?;
    Setting::Website.set(cx, &input.bucket, input.expected_bucket_owner.as_deref(), &website).await
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketWebsiteInput) -> Result<api::GetBucketWebsiteOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (bucket, website) = Setting::Website.of_call::<Website>(cx, &input.bucket, owner)?;
    let website = website.ok_or_else(|| {
        missing(&bucket, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
    })?;
    Ok(api::GetBucketWebsiteOutput {
        index_document: website.index,
        error_document: website.error,
        redirect_all_requests_to: website.redirect_all,
        routing_rules: website.rules,
    })
}

/// A visit to a website.
struct Visit<'a> {
    cx: &'a Cx,
    bucket: String,
    website: Website,
    request: &'a Request,
}

/// Answers a request to the host of a bucket's website.
pub(crate) async fn serve(cx: &Cx, name: &str, request: &Request) -> Response {
    match visit(cx, name, request).await {
        Ok(response) => response,
        Err(failure) => page(cx, &failure.into_error(cx.request_id())),
    }
}

async fn visit(cx: &Cx, name: &str, request: &Request) -> Result<Response> {
    let from = cx.read();
    let bucket = BUCKETS.get(&from, &(name,))?.ok_or_else(|| error::no_such_bucket(name))?;
    let website = Setting::Website.get::<Website>(&from, &bucket)?.ok_or_else(|| {
        missing(&bucket, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
    })?;
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let message = "The specified method is not allowed against this resource.";
        let error = AwsError::new("MethodNotAllowed", 405, message).with("Method", request.method.as_str());
        return Err(error.with("ResourceType", "OBJECT").into());
    }
    let path = percent_decode(&request.path, false)
        .ok_or_else(|| AwsError::new("InvalidURI", 400, "Couldn't parse the specified URI."))?;
    let key = path.strip_prefix('/').unwrap_or(&path).to_owned();
    // The bucket lies where it lies, whatever region the host names.
    let cx = cx.elsewhere(cx.account(), &bucket.region);
    Visit { cx: &cx, bucket: bucket.name, website, request }.answer(&key).await
}

impl Visit<'_> {
    async fn answer(&self, key: &str) -> Result<Response> {
        if let Some(all) = &self.website.redirect_all {
            let scheme = all.protocol.as_deref().unwrap_or(self.cx.origin().scheme);
            return Ok(moved(301, &format!("{scheme}://{}/{}", all.host_name, encoded(key))));
        }
        if let Some(rule) = self.rule(key, None) {
            return Ok(self.follow(rule, key));
        }
        let suffix = self.website.index.as_ref().map_or("index.html", |i| &i.suffix);
        let wanted = if key.is_empty() || key.ends_with('/') { format!("{key}{suffix}") } else { key.to_owned() };
        let refused = match self.fetch(&wanted).await {
            Ok(response) => return Ok(response),
            Err(Failure::Aws(error)) => error,
            Err(failure) => return Err(failure),
        };
        // A folder's name without its slash leads to the folder.
        let page = format!("{key}/{suffix}");
        if wanted == key && matches!(refused.status, 403 | 404) && self.fetch(&page).await.is_ok() {
            return Ok(moved(302, &format!("/{}/", encoded(key))));
        }
        if let Some(rule) = self.rule(key, Some(refused.status)) {
            return Ok(self.follow(rule, key));
        }
        let Some(document) = &self.website.error else { return Err((*refused).into()) };
        match self.fetch(&document.key).await {
            Ok(mut response) => {
                response.status = refused.status;
                Ok(response)
            }
            Err(Failure::Aws(nested)) => Ok(nested_page(self.cx, &refused, &nested, &document.key)),
            Err(failure) => Err(failure),
        }
    }

    /// The first rule that a key meets: before it is looked for, or after `status` came of that.
    fn rule(&self, key: &str, status: Option<u16>) -> Option<&RoutingRule> {
        self.website.rules.iter().flatten().find(|rule| {
            let condition = rule.condition.as_ref();
            let prefix = condition.and_then(|c| c.key_prefix_equals.as_deref());
            let code = condition.and_then(|c| c.http_error_code_returned_equals.as_deref());
            let code = code.and_then(|c| c.parse::<u16>().ok());
            prefix.is_none_or(|p| key.starts_with(p)) && code == status
        })
    }

    fn follow(&self, rule: &RoutingRule, key: &str) -> Response {
        let redirect = &rule.redirect;
        let prefix = rule.condition.as_ref().and_then(|c| c.key_prefix_equals.as_deref()).unwrap_or("");
        let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
            (Some(whole), _) => whole.clone(),
            (None, Some(other)) => format!("{other}{}", key.strip_prefix(prefix).unwrap_or(key)),
            (None, None) => key.to_owned(),
        };
        let scheme = redirect.protocol.as_deref().unwrap_or(self.cx.origin().scheme);
        let host = redirect.host_name.as_deref().unwrap_or(&self.cx.origin().host);
        let code = redirect.http_redirect_code.as_deref().and_then(|c| c.parse().ok()).unwrap_or(301);
        moved(code, &format!("{scheme}://{host}/{}", encoded(&key)))
    }

    /// An object, read as the visitor.
    async fn fetch(&self, key: &str) -> Result<Response> {
        let mut input = json!({"Bucket": self.bucket, "Key": key});
        for (header, member) in [("range", "Range"), ("if-match", "IfMatch"), ("if-none-match", "IfNoneMatch")] {
            if let (Some(value), Json::Object(input)) = (self.request.header(header), &mut input) {
                input.insert(member.to_owned(), value.into());
            }
        }
        let (found, body) = self.cx.call_with_body("s3", "GetObject", input, None).await?;
        let text = |member: &str| found.get(member).and_then(Json::as_str);
        if let Some(to) = text("WebsiteRedirectLocation") {
            return Ok(moved(301, to));
        }
        let status = if found.get("ContentRange").is_some() { 206 } else { 200 };
        let body = if self.request.method == "HEAD" { Body::empty() } else { body.unwrap_or_else(Body::empty) };
        let mut response = Response { status, headers: Default::default(), body };
        for (member, header) in [
            ("ContentType", "content-type"),
            ("CacheControl", "cache-control"),
            ("ContentDisposition", "content-disposition"),
            ("ContentEncoding", "content-encoding"),
            ("ContentLanguage", "content-language"),
            ("ContentRange", "content-range"),
            ("ETag", "etag"),
            ("LastModified", "last-modified"),
        ] {
            if let Some(value) = text(member) {
                response.set(header, value);
            }
        }
        if let Some(length) = found.get("ContentLength").and_then(Json::as_i64) {
            response.set("content-length", &length.to_string());
        }
        for (name, value) in found.get("Metadata").and_then(Json::as_object).into_iter().flatten() {
            response.set(&format!("x-amz-meta-{name}"), value.as_str().unwrap_or_default());
        }
        named(self.cx, &mut response);
        Ok(response)
    }
}

fn encoded(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    percent_encode(key, true, &mut out);
    out
}

fn moved(status: u16, to: &str) -> Response {
    let mut response = Response::new(status, Vec::new());
    response.set("location", to);
    response
}

fn named(cx: &Cx, response: &mut Response) {
    response.set("x-amz-request-id", cx.request_id());
    response.set("x-amz-id-2", &host_id(cx.request_id()));
    response.set("server", "AmazonS3");
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        412 => "Precondition Failed",
        416 => "Requested Range Not Satisfiable",
        501 => "Not Implemented",
        _ => "Internal Server Error",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn items(cx: &Cx, error: &AwsError) -> String {
    let mut items = format!("<li>Code: {}</li>\n<li>Message: {}</li>\n", error.code, escaped(&error.message));
    for (name, value) in &error.fields {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        items.push_str(&format!("<li>{name}: {}</li>\n", escaped(&value)));
    }
    items.push_str(&format!(
        "<li>RequestId: {}</li>\n<li>HostId: {}</li>\n",
        cx.request_id(),
        host_id(cx.request_id())
    ));
    items
}

fn html(cx: &Cx, error: &AwsError, more: &str) -> Response {
    // A condition that does not hold has no page.
    if error.code.is_empty() {
        return Response::new(error.status, Vec::new());
    }
    let title = format!("{} {}", error.status, reason(error.status));
    let body = format!(
        "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{}</ul>\n{more}<hr/>\n</body>\n</html>\n",
        items(cx, error)
    );
    let mut response = Response::new(error.status, body.into_bytes());
    response.set("content-type", "text/html; charset=utf-8");
    response.set("x-amz-error-code", &error.code);
    response.set("x-amz-error-message", &error.message);
    named(cx, &mut response);
    response
}

/// The page of an error.
fn page(cx: &Cx, error: &AwsError) -> Response {
    html(cx, error, "")
}

/// The page of an error whose own document could not be had.
fn nested_page(cx: &Cx, error: &AwsError, nested: &AwsError, key: &str) -> Response {
    let message = "An Error Occurred While Attempting to Retrieve a Custom Error Document";
    let more = format!(
        "<h3>{message}</h3>\n<ul>\n<li>Code: {}</li>\n<li>Message: {}</li>\n<li>Key: {}</li>\n</ul>\n",
        nested.code,
        escaped(&nested.message),
        escaped(key)
    );
    html(cx, error, &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn website(value: &Json) -> Website {
        let of = |name: &str| value.get(name).cloned().unwrap_or(Json::Null);
        let parsed = json!({"index": of("IndexDocument"), "error": of("ErrorDocument"),
                            "redirect_all": of("RedirectAllRequestsTo"), "rules": of("RoutingRules")});
        serde_json::from_value(parsed).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn websites_that_are_refused() {
        let rule = |rule: Json| json!({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [rule]});
        for (value, wanted) in [
            (json!({"IndexDocument": {"Suffix": "index.html"}}), ""),
            (json!({}), "A value for IndexDocument Suffix"),
            (json!({"IndexDocument": {"Suffix": "a/b"}}), "not well formed"),
            (json!({"IndexDocument": {"Suffix": "i"}, "RedirectAllRequestsTo": {"HostName": "h"}}), "in conjunction"),
            (json!({"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "ftp"}}), "Invalid protocol"),
            (rule(json!({"Condition": {}, "Redirect": {"HostName": "h"}})), "Condition cannot be empty"),
            (rule(json!({"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}})), "but not both"),
            (rule(json!({"Redirect": {"HttpRedirectCode": "200"}})), "redirect code"),
        ] {
            let found = check(&website(&value)).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(if wanted.is_empty() { found.is_empty() } else { found.contains(wanted) }, "{value}: {found}");
        }
    }
}
