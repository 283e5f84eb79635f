//! One request to the other side, and its addresses.

use std::time::Duration;

use bytes::Bytes;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure};
use undercast_outside::{Answer, UNREACHABLE, Url};

use crate::deliver::Refusal;

/// The other side has so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// A form field or a piece of a query, encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text::percent_encode(text, false, &mut out);
    out
}

/// An address with more in its query.
pub(super) fn add_query(url: &mut Url, pairs: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in pairs {
        url.path.push(if url.path.contains('?') { '&' } else { '?' });
        url.path.push_str(&encoded(&name));
        url.path.push('=');
        url.path.push_str(&encoded(&value));
    }
}

/// An address that can be called: HTTPS, or plain HTTP on this machine, which AWS could not reach anyway.
pub(super) fn is_callable(text: &str) -> bool {
    let local = |host: &str| {
        let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || host == "localhost" || host.ends_with(".localhost")
    };
    Url::parse(text).is_some_and(|url| url.login.is_none() && (url.tls || local(&url.host)))
}

impl Request {
    /// Asks, once.
    pub(super) async fn send(&self, cx: &Cx) -> Result<Answer, Refusal> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.body.clone();
        // Ours is over first.
        let asked = undercast_outside::Request { method: &self.method, headers, body, patience: 2 * PATIENCE };
        let late = |_| {
            let message = format!("It did not answer in {} seconds.", PATIENCE.as_secs());
            Refusal::later("TIMEOUT", message)
        };
        let answer = tokio::time::timeout(PATIENCE, undercast_outside::send(cx, &self.url, &asked));
        answer.await.map_err(late)?.map_err(|failure| match &failure {
            Failure::Aws(error) if error.code == UNREACHABLE => {
                Refusal::later("CONNECTION_FAILURE", error.message.clone())
            }
            // It is one of AWS's own, or a header cannot be sent.
            _ => Refusal::for_good("SDK_CLIENT_ERROR", failure.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_of_this_machine() {
        for (text, good) in [
            ("https://a.test/b", true),
            ("http://a.test/b", false),
            ("http://127.0.0.1:1", true),
            ("http://[::1]/", true),
            ("http://x.localhost", true),
            ("https://u:p@a.test", false),
            ("ftp://localhost", false),
        ] {
            assert_eq!(is_callable(text), good, "{text}");
        }
    }

    #[test]
    fn queries_grow() {
        let mut url = Url::parse("https://a.test/b?c=d").unwrap();
        add_query(&mut url, [("e f".to_owned(), "g&h".to_owned())]);
        assert_eq!(url.path, "/b?c=d&e%20f=g%26h");
    }
}
