//! A request to an input, an output or a refusal to an answer, by protocol.

use bytes::Bytes;

use crate::cbor::CborWriter;
use crate::decode::{Decoded, Malformed};
use crate::error::AwsError;
use crate::form_read::Form;
use crate::http::{Request, Response, names};
use crate::json_write::{self, JsonWriter};
use crate::rest::RestWriter;
use crate::schema::{Operation, Protocol, Service};
use crate::text;
use crate::write::Write;
use crate::xml_write::{XmlWriter, escape};
use crate::{cbor, events, json_read, rest};

/// Reads the input of `operation`. `body` holds the request's bytes unless the operation streams them.
/// `labels` are those of its URI.
pub fn decode(
    protocol: Protocol,
    operation: &'static Operation,
    request: &Request,
    body: &Bytes,
    labels: &[(&'static str, String)],
) -> Result<Decoded, Malformed> {
    let mut unknown = Vec::new();
    let input = match protocol {
        Protocol::Json => json_read::structure(body, operation.input, &mut unknown)?,
        Protocol::Cbor => cbor::structure(body, operation.input, &mut unknown)?,
        Protocol::AwsCbor => cbor::aws_structure(body, operation.input, &mut unknown)?,
        Protocol::Query | Protocol::Ec2 => {
            form(request, body, protocol == Protocol::Ec2)?.structure(operation.input, &mut unknown)?
        }
        Protocol::RestJson | Protocol::RestXml => return rest::decode(protocol, operation, request, body, labels),
    };
    Ok(Decoded { input, unknown })
}

/// The names of a query request: those of its body and of its query string.
pub fn form(request: &Request, body: &Bytes, ec2: bool) -> Result<Form, Malformed> {
    let malformed = || Malformed::syntax("the form is not UTF-8 or has a broken escape");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut pairs = text::pairs(&request.query).ok_or_else(malformed)?;
    pairs.extend(text::pairs(text.trim_end_matches(['\r', '\n'])).ok_or_else(malformed)?);
    Ok(Form::new(pairs, ec2))
}

/// Puts the output of `operation` down.
pub fn encode(
    protocol: Protocol,
    service: &'static Service,
    operation: &'static Operation,
    output: &dyn Write,
    request_id: &str,
) -> Response {
    match protocol {
        Protocol::Json | Protocol::AwsCbor if events::of(operation).is_some() => {
            events::encode(protocol, service, operation, output)
        }
        Protocol::Json => {
            let mut w = JsonWriter::new();
            output.write(&mut w);
            let mut response = Response::new(200, w.finish());
            response.put(&names::CONTENT_TYPE, json_type(service));
            response
        }
        Protocol::Cbor => {
            let mut w = CborWriter::new();
            output.write(&mut w);
            cbor_response(200, w.finish())
        }
        Protocol::AwsCbor => {
            let mut w = CborWriter::aws();
            output.write(&mut w);
            aws_cbor_response(service, 200, w.finish())
        }
        Protocol::Query => {
            let wrapper = operation.result_wrapper.unwrap_or(operation.output.name);
            let mut w = XmlWriter::new(wrapper, None);
            output.write(&mut w);
            let result = if operation.result_wrapper.is_some() { w.finish() } else { String::new() };
            let namespace = service.xml_namespace.unwrap_or_default();
            let name = operation.name;
            let body = format!(
                "<?xml version=\"1.0\"?>\n<{name}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
            );
            xml_response(200, body)
        }
        Protocol::Ec2 => {
            let mut w = XmlWriter::new("R", None);
            output.write(&mut w);
            let result = w.finish();
            let inner = result.strip_prefix("<R>").and_then(|r| r.strip_suffix("</R>")).unwrap_or_default();
            let namespace = service.xml_namespace.unwrap_or_default();
            let name = operation.name;
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{inner}</{name}Response>"
            );
            xml_response(200, body)
        }
        Protocol::RestJson | Protocol::RestXml => {
            let mut w = RestWriter::new(
                protocol,
                output.status().unwrap_or(operation.http.code),
                operation.output,
                service.xml_namespace,
            );
            output.write(&mut w);
            w.finish()
        }
    }
}

/// The content type of a service's JSON.
pub fn json_type(service: &Service) -> &'static str {
    if service.json_version == "1.0" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" }
}

fn xml_response(status: u16, body: String) -> Response {
    let mut response = Response::new(status, body.into_bytes());
    response.set("content-type", "text/xml");
    response
}

fn cbor_response(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(status, body);
    response.set("content-type", "application/cbor");
    response.set("smithy-protocol", "rpc-v2-cbor");
    response
}

/// The content type of what a service writes in the place of its JSON.
pub fn aws_cbor_type(service: &Service) -> &'static str {
    if service.json_version == "1.0" { "application/x-amz-cbor-1.0" } else { "application/x-amz-cbor-1.1" }
}

fn aws_cbor_response(service: &Service, status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(status, body);
    response.set("content-type", aws_cbor_type(service));
    response
}

/// Puts a refusal down.
pub fn encode_error(protocol: Protocol, service: &Service, error: &AwsError, request_id: &str) -> Response {
    let mut response = match protocol {
        Protocol::Json | Protocol::Cbor | Protocol::AwsCbor => rpc_error(protocol, service, error),
        Protocol::RestJson => {
            let mut response = Response::new(error.status, json_error(error, None));
            response.set("content-type", "application/json");
            response.set("x-amzn-errortype", &error.name);
            response
        }
        Protocol::Query => query_error(service, error, request_id),
        Protocol::Ec2 => {
            let (mut code, mut message) = (String::new(), String::new());
            escape(&error.code, &mut code);
            escape(&error.message, &mut message);
            xml_response(
                error.status,
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
                ),
            )
        }
        Protocol::RestXml if service.bare_errors => bare_xml_error(error, request_id),
        Protocol::RestXml => query_error(service, error, request_id),
    };
    for (name, value) in &error.headers {
        response.set(name, value);
    }
    response
}

fn rpc_error(protocol: Protocol, service: &Service, error: &AwsError) -> Response {
    let mut response = if protocol == Protocol::Cbor {
        cbor_response(error.status, cbor_error(error))
    } else if protocol == Protocol::AwsCbor {
        aws_cbor_response(service, error.status, cbor_error(error))
    } else {
        let namespace = service
            .target_prefix
            .filter(|_| service.query_compatible)
            .map(|_| format!("com.amazonaws.{}#", service.name));
        let mut response = Response::new(error.status, json_error(error, Some(namespace.unwrap_or_default())));
        response.set("content-type", json_type(service));
        response
    };
    response.set("x-amzn-errortype", &error.name);
    if service.query_compatible {
        let fault = if error.sender { "Sender" } else { "Receiver" };
        response.set("x-amzn-query-error", &format!("{};{fault}", error.code));
    }
    response
}

fn json_error(error: &AwsError, type_prefix: Option<String>) -> Vec<u8> {
    let mut out = vec![b'{'];
    if let Some(prefix) = type_prefix {
        out.extend_from_slice(b"\"__type\":");
        json_write::string(&format!("{prefix}{}", error.name), &mut out);
        out.push(b',');
    }
    let own_message = error.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("message"));
    if !own_message {
        out.extend_from_slice(b"\"message\":");
        json_write::string(&error.message, &mut out);
        out.push(b',');
    }
    for (name, value) in &error.fields {
        json_write::string(name, &mut out);
        out.push(b':');
        out.extend_from_slice(value.to_string().as_bytes());
        out.push(b',');
    }
    out.pop();
    out.push(b'}');
    out
}

fn cbor_error(error: &AwsError) -> Vec<u8> {
    use crate::write::Writer as _;
    let mut out = vec![0xbf];
    let mut entry = |name: &str, value: &str| {
        let mut w = CborWriter::new();
        w.string(name);
        w.string(value);
        out.extend_from_slice(&w.finish());
    };
    entry("__type", &error.name);
    entry("message", &error.message);
    for (name, value) in &error.fields {
        if let Some(text) = value.as_str() {
            entry(name, text);
        }
    }
    out.push(0xff);
    out
}

fn query_error(service: &Service, error: &AwsError, request_id: &str) -> Response {
    let mut inner = String::new();
    let fault = if error.sender { "Sender" } else { "Receiver" };
    for (name, value) in [("Type", fault), ("Code", error.code.as_ref()), ("Message", error.message.as_str())] {
        inner.push_str(&format!("<{name}>"));
        escape(value, &mut inner);
        inner.push_str(&format!("</{name}>"));
    }
    xml_fields(error, &mut inner);
    let namespace = service.xml_namespace.unwrap_or_default();
    xml_response(
        error.status,
        format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{namespace}\"><Error>{inner}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        ),
    )
}

fn bare_xml_error(error: &AwsError, request_id: &str) -> Response {
    // An error without a code is one that S3 answers without a body: a HEAD, a 304, a failed precondition of a GET.
    if error.code.is_empty() {
        return Response::new(error.status, Bytes::new());
    }
    let mut inner = String::new();
    for (name, value) in [("Code", error.code.as_ref()), ("Message", error.message.as_str())] {
        inner.push_str(&format!("<{name}>"));
        escape(value, &mut inner);
        inner.push_str(&format!("</{name}>"));
    }
    xml_fields(error, &mut inner);
    let mut response = xml_response(
        error.status,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{inner}<RequestId>{request_id}</RequestId><HostId>{}</HostId></Error>",
            host_id(request_id)
        ),
    );
    response.set("content-type", "application/xml");
    response
}

/// S3's second request id; support cases name both. Ours is derived from the first.
pub fn host_id(request_id: &str) -> String {
    text::base64(format!("{request_id}/{request_id}").as_bytes())
}

fn xml_fields(error: &AwsError, out: &mut String) {
    for (name, value) in &error.fields {
        out.push_str(&format!("<{name}>"));
        match value.as_str() {
            Some(text) => escape(text, out),
            None => escape(&value.to_string(), out),
        }
        out.push_str(&format!("</{name}>"));
    }
}
