//! What S3 takes over a secure connection only: keys of customers, and codes of MFA devices.
//!
//! Here a connection within this machine is as good as TLS for that, though `aws:SecureTransport` tells of it what it is: why is in
//! `docs/decisions/004-secrets-over-http.md`.

use std::net::IpAddr;

use undercast_kernel::{AwsError, Cx};
use undercast_wire::Value;

use crate::error;

/// The members that nobody may read on their way, with what S3 calls them.
const SECRETS: [(&str, &str); 3] = [
    ("SSECustomerKey", "Server Side Encryption with Customer provided keys"),
    ("CopySourceSSECustomerKey", "Server Side Encryption with Customer provided keys"),
    // The rule is in the user guide; the sentence is made after the one above, for S3's own is not known.
    ("MFA", "Multi-Factor Authentication"),
];

/// The answer to a secret that came over an open network.
pub(crate) fn refusal(cx: &Cx, input: &Value) -> Option<AwsError> {
    let origin = cx.origin();
    if is_private(origin.scheme, origin.address) {
        return None;
    }
    let (_, what) = SECRETS.iter().find(|(member, _)| input.text(member).is_some())?;
    Some(error::invalid_request(format!("Requests specifying {what} must be made over a secure connection.")))
}

/// Whether nobody on a network can read what is sent. A call from inside has no address.
fn is_private(scheme: &str, from: Option<IpAddr>) -> bool {
    scheme == "https" || from.is_none_or(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_within_the_machine_is_private() {
        let from = |scheme, address: &str| is_private(scheme, address.parse().ok());
        assert!(from("https", "10.0.0.1"));
        assert!(from("http", "127.0.0.1") && from("http", "::1") && from("http", "::ffff:127.0.0.2"));
        assert!(!from("http", "10.0.0.1") && !from("http", "fe80::1"));
        assert!(is_private("http", None));
    }
}
