//! Addresses of HTTP and HTTPS, taken apart.

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Over TLS.
    pub tls: bool,
    /// `user:password`, where the address says it.
    pub login: Option<String>,
    /// Without brackets.
    pub host: String,
    /// The usual one where nothing is said.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl Url {
    /// Takes an address apart. `None`: it is none of HTTP or HTTPS.
    pub fn parse(text: &str) -> Option<Self> {
        let (protocol, rest) = text.split_once("://")?;
        let tls = match protocol {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, if tls { 443 } else { 80 }),
        };
        let good = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_graphic())
            && path.bytes().all(|b| b.is_ascii_graphic());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        good.then_some(Self { tls, login, host, port, path })
    }

    /// As the `host` header has it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let parsed = |text: &str| {
            let url = Url::parse(text)?;
            Some(format!("{} {:?} {} {} {}", url.tls, url.login, url.authority(), url.port, url.path))
        };
        for (text, wanted) in [
            ("http://a.example/x?y=z", Some("false None a.example 80 /x?y=z")),
            ("https://u:p@a.example:8443", Some("true Some(\"u:p\") a.example:8443 8443 /")),
            ("http://[::1]:8080/", Some("false None [::1]:8080 8080 /")),
            ("http://[::1]?a", Some("false None [::1] 80 /?a")),
            ("ftp://a.example", None),
            ("http:///x", None),
            ("http://a b/", None),
            ("a.example", None),
        ] {
            assert_eq!(parsed(text).as_deref(), wanted, "{text}");
        }
    }
}
