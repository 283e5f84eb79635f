//! Addresses.

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `https`
    pub tls: bool,
    /// `user:password`, where it says so.
    pub login: Option<String>,
    /// Name or address.
    pub host: String,
    /// Port, said or usual.
    pub port: u16,
    /// Path and query; it begins with a slash.
    pub path: String,
}

impl Url {
    /// Takes an address of `http` or `https` apart. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login.to_owned()), place),
            None => (None, authority),
        };
        let path = path.split('#').next().unwrap_or_default();
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, if tls { 443 } else { 80 }),
        };
        let good = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_graphic())
            && path.bytes().all(|b| b.is_ascii_graphic());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        good.then(|| Self { tls, login, host: host.to_owned(), port, path })
    }

    /// Host, and the port where it is not the usual one.
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// It is on this machine.
    pub fn is_local(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// It is one of AWS's own hosts.
    pub fn is_aws(&self) -> bool {
        let host = self.host.to_ascii_lowercase();
        let under = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        under("amazonaws.com") || under("amazonaws.com.cn")
    }

    /// With more in its query; names and values are encoded here.
    pub fn add_query(&mut self, pairs: impl IntoIterator<Item = (String, String)>, encode: impl Fn(&str) -> String) {
        for (name, value) in pairs {
            self.path.push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(&format!("{}={}", encode(&name), encode(&value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url = |text: &str| Url::parse(text).map(|u| (u.tls, u.authority(), u.port, u.path));
        assert_eq!(url("https://a.test/b?c=d#e"), Some((true, "a.test".to_owned(), 443, "/b?c=d".to_owned())));
        assert_eq!(url("http://a.test:8080"), Some((false, "a.test:8080".to_owned(), 8080, "/".to_owned())));
        assert_eq!(url("http://[::1]:80?x=y"), Some((false, "[::1]".to_owned(), 80, "/?x=y".to_owned())));
        let login = Url::parse("https://u:p@a.test:8443/").map(|u| (u.authority(), u.login));
        assert_eq!(login, Some(("a.test:8443".to_owned(), Some("u:p".to_owned()))));
        for text in ["a.test", "ftp://a.test", "https://", "https://u@", "https://a b", "https://a.test:x"] {
            assert_eq!(url(text), None, "{text}");
        }
    }

    #[test]
    fn whose_a_host_is() {
        let of = |text: &str| Url::parse(text).map(|u| (u.is_local(), u.is_aws())).unwrap();
        assert_eq!(of("http://127.0.0.1:1"), (true, false));
        assert_eq!(of("http://[::1]/"), (true, false));
        assert_eq!(of("http://x.localhost"), (true, false));
        assert_eq!(of("https://sqs.us-east-1.AmazonAWS.com"), (false, true));
        assert_eq!(of("https://notamazonaws.com"), (false, false));
    }

    #[test]
    fn queries_grow() {
        let mut url = Url::parse("https://a.test/b?c=d").unwrap();
        url.add_query([("e".to_owned(), "f".to_owned())], str::to_owned);
        assert_eq!(url.path, "/b?c=d&e=f");
    }
}
