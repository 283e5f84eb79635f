//! Whole requests of the REST protocols, and the patterns of their URIs.

use http::{HeaderMap, HeaderName, HeaderValue};
use undercast_wire::schema::Protocol;
use undercast_wire::uri::{Path, Pattern};
use undercast_wire::value::{Body, Fields};
use undercast_wire::{Bytes, Request, Write, Writer, protocol, text};

use super::shapes::{READS_OUTSIDE, SAYS_BACK, SERVICE};
use super::{bounded, same_fields};

/// A request out of an input: the URI, headers by lines, an empty line, the body.
pub(super) fn request(bytes: &[u8]) -> Request {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, &[][..]),
    };
    let mut lines = head.split(|b| *b == b'\n');
    let uri = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(at) = line.iter().position(|b| *b == b':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 1..])) {
            headers.append(name, value);
        }
    }
    Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Body::from(body.to_vec()),
    }
}

struct Output(Fields);

impl Write for Output {
    fn write(&self, w: &mut dyn Writer) {
        self.0.write(w);
    }
}

pub(super) fn json(bytes: &[u8]) {
    rest(Protocol::RestJson, bytes);
}

pub(super) fn xml(bytes: &[u8]) {
    rest(Protocol::RestXml, bytes);
}

fn rest(protocol: Protocol, bytes: &[u8]) {
    let request = request(bytes);
    let body = request.body.take().into_parts().unwrap_or_default();
    let query = text::pairs(&request.query).unwrap_or_default();
    let labels = Pattern::new(READS_OUTSIDE.http.uri).fit(&Path::new(&request.path), &query);
    let labels = labels.map(|m| m.labels).unwrap_or_default();
    // Labels and the query map make values out of a URI's bytes twice.
    let size = 3 * bytes.len();
    if let Ok(decoded) = protocol::decode(protocol, &READS_OUTSIDE, &request, &body, &labels) {
        bounded(decoded.input, size);
    }
    let Ok(decoded) = protocol::decode(protocol, &SAYS_BACK, &request, &body, &labels) else { return };
    let output = Output(bounded(decoded.input, size));
    let response = protocol::encode(protocol, &SERVICE, &SAYS_BACK, &output, "request-id");
    let written = response.body.into_parts().unwrap_or_default();
    let echo = Request { headers: response.headers, body: Body::empty(), ..request };
    let again = protocol::decode(protocol, &SAYS_BACK, &echo, &written, &labels);
    let shown = || format!("{:?} {}", echo.headers, String::from_utf8_lossy(&written));
    let again = again.unwrap_or_else(|e| panic!("{e} in {}", shown()));
    assert!(same_fields(&output.0, &again.input), "{:?}\nwas written as {}", output.0, shown());
}

const PATTERNS: &[&str] = &[
    "/",
    "/{Bucket}",
    "/{Bucket}/{Key+}",
    "/{Bucket}?uploads",
    "/{Bucket}/{Key+}?list-type=2&x",
    "/a/{Name+}/end",
    "/functions/{Name}/versions/{Version}",
    "/with space/{Name}",
];

pub(super) fn uri(bytes: &[u8]) {
    let request = request(bytes);
    let Some(pairs) = text::pairs(&request.query) else { return };
    let encoded = |text: &str, slash: bool| {
        let mut out = String::new();
        text::percent_encode(text, slash, &mut out);
        out
    };
    let sent: Vec<_> = request.query.split('&').filter(|part| !part.is_empty()).collect();
    assert_eq!(sent.len(), pairs.len(), "each part of a query string is a pair");
    for (part, (name, value)) in sent.iter().zip(&pairs) {
        let (sent_name, sent_value) = part.split_once('=').unwrap_or((part, ""));
        assert_eq!((decoded(sent_name, true), decoded(sent_value, true)), (name.clone(), value.clone()), "{part}");
    }
    let query: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false))).collect();
    assert_eq!(text::pairs(&query.join("&")).as_ref(), Some(&pairs), "a query string was written as {query:?}");
    for pattern in PATTERNS {
        let fitted = Pattern::new(pattern);
        let Some(found) = fitted.fit(&Path::new(&request.path), &pairs) else { continue };
        let bare = pattern.split_once('?').map_or(*pattern, |(path, _)| path);
        let filled = |value: &dyn Fn(&str) -> String| {
            found.labels.iter().fold(bare.to_owned(), |path, (name, label)| {
                assert!(!label.is_empty(), "the label {name} of {pattern} is empty");
                path.replace(&format!("{{{name}}}"), &value(label)).replace(&format!("{{{name}+}}"), &value(label))
            })
        };
        let plain = |path: &str| path.trim_start_matches('/').trim_end_matches('/').to_owned();
        let sent = plain(&decoded(&request.path, false));
        // A label that has a pattern's own brackets in it cannot be put into one.
        if !sent.contains('{') {
            assert_eq!(plain(&filled(&str::to_owned)), sent, "the labels of {pattern}");
        }
        let path = filled(&|label| encoded(label, false));
        let again = fitted.fit(&Path::new(&path), &pairs).unwrap_or_else(|| panic!("{path} does not fit {pattern}"));
        assert_eq!((again.labels, again.rank), (found.labels, found.rank), "{pattern} with {path}");
    }
}

/// Decodes escapes, once more and in another way than the wire does.
fn decoded(text: &str, plus: bool) -> String {
    let text = if plus { text.replace('+', " ") } else { text.to_owned() };
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).expect("two digits, as the wire has taken it"));
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(out).expect("a text, as the wire has taken it")
}

/// The bytes of a request's body.
pub(super) fn whole_body(request: &Request) -> Bytes {
    request.body.take().into_parts().unwrap_or_default()
}
