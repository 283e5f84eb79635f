//! `PostObject`: what a browser's form uploads.
//!
//! The form is made into the `PutObject` that it stands for, which goes the way of every call.
//!
//! Source: "POST Object" in the S3 API reference.

use std::sync::{Arc, Mutex, PoisonError};

use multer::{Constraints, Multipart, SizeLimit};
use undercast_kernel::auth::Caller;
use undercast_kernel::{AwsError, Body, Bytes, Cx, Failure, Origin, Result, Signed, SignedIn, Timestamp};
use undercast_wire::sigv4::Signature;
use undercast_wire::text::{percent_decode, percent_encode, unbase64};
use undercast_wire::value::BodyError;
use undercast_wire::{Protocol, Request, Response, protocol};

use crate::form_policy::FormPolicy;
use crate::{api, error, tagging};

/// The fields before the file may have so many bytes.
const MOST_FIELDS: usize = 20 * 1024;

/// Fields that say how the upload is answered.
const ANSWERED: [&str; 3] = ["success_action_redirect", "redirect", "success_action_status"];

/// The fields of a form, and the file behind them.
struct Form {
    /// Lower-case names.
    fields: Vec<(String, String)>,
    file: Body,
}

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn need(&self, name: &str, shown: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{shown}'.  If it is specified, please check the order of the fields."
            );
            error::invalid_argument(message, shown, "").into()
        })
    }
}

fn malformed() -> Failure {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    AwsError::new("MalformedPOSTRequest", 400, message).into()
}

/// Reads the fields, up to the file; what stands behind it is not looked at.
async fn read(request: Request) -> Result<Form> {
    let boundary = request.header("content-type").and_then(|t| multer::parse_boundary(t).ok()).ok_or_else(malformed)?;
    let mut body = request.body;
    let pieces = futures_util::stream::poll_fn(move |cx| {
        let next = std::pin::pin!(body.next()).as_mut().poll(cx);
        next.map(|piece| piece.map(|p| p.map_err(|e| std::io::Error::other(e.to_string()))))
    });
    // Nothing but the file is larger than all fields together may be.
    let limits = SizeLimit::new().per_field(u64::MAX);
    let mut form = Multipart::with_constraints(pieces, boundary, Constraints::new().size_limit(limits));
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut bytes = 0;
    loop {
        let field = form.next_field().await.map_err(|_| malformed())?;
        let Some(mut field) = field else {
            let message = "POST requires exactly one file upload per request.";
            return Err(error::invalid_argument(message, "file", "0").into());
        };
        let name = field.name().unwrap_or_default().to_lowercase();
        if name == "file" {
            let file_name = field.file_name().unwrap_or_default().to_owned();
            for (_, value) in fields.iter_mut().filter(|(n, _)| n == "key") {
                *value = value.replace("${filename}", &file_name);
            }
            let stream = futures_util::stream::unfold((form, field), |(form, mut field)| async move {
                let piece = field.chunk().await.transpose()?;
                Some((piece.map_err(|e| BodyError::Incomplete(Some(Box::new(e)))), (form, field)))
            });
            return Ok(Form { fields, file: Body::stream(Box::pin(stream), None) });
        }
        let mut value = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|_| malformed())? {
            bytes += piece.len();
            if bytes > MOST_FIELDS {
                let message = "Your POST request fields preceding the upload file were too large.";
                return Err(AwsError::new("MaxPostPreDataLengthExceeded", 400, message).into());
            }
            value.extend_from_slice(&piece);
        }
        fields.push((name, String::from_utf8(value).map_err(|_| malformed())?));
    }
}

/// The bucket that the form is sent to.
fn bucket(path: &str) -> Result<String> {
    let name = path.trim_matches('/');
    percent_decode(name, false)
        .filter(|n| !n.is_empty() && !n.contains('/'))
        .ok_or_else(|| AwsError::new("InvalidURI", 400, "Couldn't parse the specified URI.").into())
}

/// The signature of a form's policy.
fn signature(form: &Form) -> Result<Signature> {
    if form.get("signature").is_some() || form.get("awsaccesskeyid").is_some() {
        let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        return Err(error::invalid_request(message).into());
    }
    let algorithm = form.need("x-amz-algorithm", "X-Amz-Algorithm")?;
    let credential = form.need("x-amz-credential", "X-Amz-Credential")?;
    let stamp = form.need("x-amz-date", "X-Amz-Date")?;
    let signature = form.need("x-amz-signature", "X-Amz-Signature")?;
    let wrong = || {
        AwsError::new(
            "AuthorizationQueryParametersError",
            400,
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        )
    };
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = parts.as_slice() else { return Err(wrong().into()) };
    if algorithm != "AWS4-HMAC-SHA256" {
        return Err(error::invalid_argument(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
            "X-Amz-Algorithm",
            algorithm,
        )
        .into());
    }
    let signed_at = moment(stamp).ok_or_else(|| {
        let message = "X-Amz-Date must be formated via ISO8601 Long format";
        error::invalid_argument(message, "X-Amz-Date", stamp)
    })?;
    Ok(Signature {
        algorithm: algorithm.to_owned(),
        access_key: (*access_key).to_owned(),
        date: (*date).to_owned(),
        region: (*region).to_owned(),
        service: (*service).to_owned(),
        signed_headers: String::new(),
        signature: signature.to_owned(),
        signed_at,
        stamp: stamp.to_owned(),
        token: form.get("x-amz-security-token").map(ToOwned::to_owned),
        expires: None,
    })
}

/// `20261124T062303Z`
fn moment(stamp: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| stamp.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    );
    text.parse().ok().filter(|_| stamp.len() == 16)
}

/// Who sends the form, and what its policy says of the file's size.
struct Sender {
    cx: Cx,
    size: Option<(u64, u64)>,
}

fn sender(cx: &Cx, form: &Form, bucket: &str) -> Result<Sender> {
    let Some(policy) = form.get("policy") else {
        return Ok(Sender { cx: as_form(cx, None, None), size: None });
    };
    let signature = signature(form)?;
    let caller = cx.kernel().authenticate_text(policy, &signature, Protocol::RestXml, &api::SERVICE)?;
    let wrong = || AwsError::new("InvalidPolicyDocument", 400, "Invalid Policy: Invalid Base64 encoding.");
    let text = unbase64(policy).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let read = FormPolicy::parse(&text, cx.now())?;
    let mut fields = form.fields.clone();
    fields.push(("bucket".to_owned(), bucket.to_owned()));
    read.check(&fields)?;
    Ok(Sender { cx: as_form(cx, Some(caller), Some(&signature)), size: read.size })
}

/// The call that the form stands for, as who sends it.
fn as_form(cx: &Cx, caller: Option<Caller>, signature: Option<&Signature>) -> Cx {
    let signed = Signed {
        place: SignedIn::Form,
        version: signature.map_or_else(String::new, |s| s.algorithm.clone()),
        at: signature.map_or(cx.now(), |s| s.signed_at),
        content: None,
    };
    let origin = Origin {
        signed: Some(signed),
        access_key: caller.as_ref().and_then(|c| c.access_key.clone()),
        ..cx.origin().clone()
    };
    let region = signature.map_or(cx.region(), |s| s.region.as_str());
    let caller = caller.unwrap_or_else(|| Caller {
        principal: cx.principal().clone(),
        session: None,
        temporary: None,
        access_key: None,
        chunks: None,
    });
    cx.kernel().cx(caller, region, cx.request_id(), origin)
}

/// The file, which is cut off where it is larger or smaller than the policy allows.
fn measured(file: Body, size: Option<(u64, u64)>) -> Body {
    let Some((least, most)) = size else { return file };
    let state = (Arc::new(Mutex::new(file)), 0u64, false);
    let stream = futures_util::stream::unfold(state, move |(file, seen, done)| async move {
        if done {
            return None;
        }
        let mut body = file.lock().unwrap_or_else(PoisonError::into_inner).take();
        let piece = body.next().await;
        *file.lock().unwrap_or_else(PoisonError::into_inner) = body;
        let refuse =
            |code: &'static str, message: &str| Some(Err(BodyError::Refused { code, message: message.to_owned() }));
        match piece {
            Some(Ok(bytes)) => {
                let seen = seen + bytes.len() as u64;
                if seen > most {
                    let answer = refuse("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
                    return answer.map(|a| (a, (file, seen, true)));
                }
                Some((Ok(bytes), (file, seen, false)))
            }
            Some(Err(error)) => Some((Err(error), (file, seen, true))),
            None if seen < least => {
                let answer = refuse("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
                answer.map(|a| (a, (file, seen, true)))
            }
            None => None,
        }
    });
    Body::stream(Box::pin(stream), None)
}

/// The request of the `PutObject` that a form stands for.
fn as_put(form: Form, size: Option<(u64, u64)>) -> Result<Request> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in &form.fields {
        let (name, value) = match name.as_str() {
            "acl" => ("x-amz-acl", value.clone()),
            "tagging" => ("x-amz-tagging", tagging::header_of_xml(value)?),
            "key"
            | "policy"
            | "bucket"
            | "submit"
            | "x-amz-signature"
            | "x-amz-credential"
            | "x-amz-algorithm"
            | "x-amz-date"
            | "x-amz-security-token" => continue,
            name if ANSWERED.contains(&name) || name.starts_with("x-ignore-") => continue,
            name => (name, value.clone()),
        };
        let wrong = || error::invalid_argument("Header value cannot be represented using ISO-8859-1.", name, &value);
        let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        headers.append(header, http::HeaderValue::from_str(&value).map_err(|_| wrong())?);
    }
    Ok(Request {
        method: "PUT".to_owned(),
        path: String::new(),
        query: String::new(),
        headers,
        body: measured(form.file, size),
    })
}

/// Answers a form.
pub(crate) async fn post(cx: &Cx, request: Request) -> Result<Response> {
    let bucket = bucket(&request.path)?;
    let form = read(request).await?;
    let key = form.need("key", "key")?.to_owned();
    if key.is_empty() {
        return Err(error::invalid_argument("User key must have a length greater than 0.", "key", "").into());
    }
    let sender = sender(cx, &form, &bucket)?;
    let answer = Answered::of(&form);
    let put = as_put(form, sender.size)?;
    let labels = [("Bucket", bucket.clone()), ("Key", key.clone())];
    let service = cx.kernel().service("s3").ok_or_else(|| cx.broken("S3 is not there"))?;
    let index = api::SERVICE.operations.iter().position(|o| o.name == "PutObject");
    let index = index.ok_or_else(|| cx.broken("PutObject is not built"))?;
    let operation = api::SERVICE.operations[index];
    let decoded = protocol::decode(Protocol::RestXml, operation, &put, &Bytes::new(), &labels)
        .map_err(|e| e.into_error(Protocol::RestXml))?;
    let outcome = cx.kernel().dispatch(&sender.cx, service, index, decoded).await;
    let output = outcome.result?;
    let mut response = protocol::encode(Protocol::RestXml, &api::SERVICE, operation, &*output, cx.request_id());
    answer.write(cx, &bucket, &key, &mut response);
    Ok(response)
}

/// How an upload that succeeded is answered.
struct Answered {
    redirect: Option<String>,
    status: u16,
}

impl Answered {
    fn of(form: &Form) -> Self {
        let redirect = form.get("success_action_redirect").or(form.get("redirect")).map(ToOwned::to_owned);
        // Every other status than these is answered with 204.
        let status = match form.get("success_action_status") {
            Some("200") => 200,
            Some("201") => 201,
            _ => 204,
        };
        Self { redirect: redirect.filter(|r| r.starts_with("http://") || r.starts_with("https://")), status }
    }

    fn write(&self, cx: &Cx, bucket: &str, key: &str, response: &mut Response) {
        let etag = response.headers.get("etag").and_then(|e| e.to_str().ok()).unwrap_or_default().to_owned();
        let encode = |text: &str| {
            let mut out = String::new();
            percent_encode(text, true, &mut out);
            out
        };
        let location = format!("{}/{bucket}/{}", cx.endpoint(), encode(key));
        if let Some(redirect) = &self.redirect {
            let join = if redirect.contains('?') { '&' } else { '?' };
            let encoded_key = encode(key).replace('/', "%2F");
            let to = format!("{redirect}{join}bucket={bucket}&key={encoded_key}&etag={}", encode(&etag));
            response.status = 303;
            response.set("location", &to);
            return;
        }
        response.status = self.status;
        response.set("location", &location);
        if self.status == 201 {
            let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{bucket}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
                escape(&location),
                escape(key),
                etag.replace('"', "&quot;")
            );
            response.set("content-type", "application/xml");
            response.headers.remove("content-length");
            response.body = Body::from(Bytes::from(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert!(moment("20261124T062303Z").is_some());
        assert!(moment("20261124T062303").is_none());
        assert!(moment("nonsense").is_none());
    }
}
