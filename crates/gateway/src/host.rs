//! What a Host header says: a service, a region, a bucket, a site; and whether we answer to it at all.

use std::net::IpAddr;

/// Domains that lead here: RFC 6761's `localhost`, and the public name that resolves to 127.0.0.1.
const DOMAINS: &[&str] = &["localhost", "localhost.localstack.cloud"];

/// A host name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName<'a> {
    /// The labels before the domain, first one first.
    pub(crate) labels: Vec<&'a str>,
}

/// Whether a request says in one way at most for which host it is: in one Host header, and in no other one in its line.
pub(crate) fn is_clear<B>(request: &http::Request<B>) -> bool {
    let mut named = request.headers().get_all(http::header::HOST).iter();
    let (first, more) = (named.next(), named.next());
    let line = request.uri().authority().map(|a| a.as_str().as_bytes());
    more.is_none() && first.is_none_or(|host| line.is_none_or(|line| host.as_bytes().eq_ignore_ascii_case(line)))
}

/// The name without its port.
pub(crate) fn without_port(host: &str) -> &str {
    if let Some(end) = host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        return &host[..end + 2];
    }
    host.split(':').next().unwrap_or(host)
}

/// Takes a Host header apart. `None`: we do not answer to it.
pub(crate) fn parse<'a>(host: &'a str, extra: &[String]) -> Option<HostName<'a>> {
    let name = without_port(host);
    // The name that nearly everybody uses.
    if name == "localhost" {
        return Some(HostName { labels: Vec::new() });
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    if address.is_some_and(|ip| ip.is_loopback()) || extra.iter().any(|e| e == name) {
        return Some(HostName { labels: Vec::new() });
    }
    if address.is_some() {
        return None;
    }
    let domains = DOMAINS.iter().copied().chain(extra.iter().map(String::as_str));
    let mut best: Option<&str> = None;
    for domain in domains {
        let fits = name.eq_ignore_ascii_case(domain) || name.to_ascii_lowercase().ends_with(&format!(".{domain}"));
        if fits && best.is_none_or(|b| domain.len() > b.len()) {
            best = Some(domain);
        }
    }
    let rest = &name[..name.len() - best?.len()];
    Some(HostName { labels: rest.trim_end_matches('.').split('.').filter(|l| !l.is_empty()).collect() })
}

/// The bucket that the labels before the domain name, as the path would name it: a bucket's name, the alias of a
/// multi-region access point, or the ARN of an access point. `region` is that of the signature.
///
/// Source: "Virtual hosting of general purpose buckets", "Referencing access points" and "Making requests through a
/// Multi-Region Access Point" in the S3 user guide.
pub(crate) fn bucket(labels: &[String], region: Option<&str>, is_service: impl Fn(&str) -> bool) -> Option<String> {
    let Some(at) = labels.iter().position(|l| l == "s3" || l.starts_with("s3-")) else {
        let of_aws = |label: &String| is_service(label) || undercast_kernel::regions::exists(label);
        return if labels.iter().any(of_aws) { None } else { before_endpoint(labels, region) };
    };
    match labels.get(at).map(String::as_str) {
        _ if at == 0 => None,
        Some("s3-control" | "s3-control-fips") => None,
        Some("s3-accesspoint" | "s3-accesspoint-fips") => {
            let named = labels.iter().skip(at).find(|l| undercast_kernel::regions::exists(l));
            access_point(&labels[..at].join("."), named.map(String::as_str).or(region)?)
        }
        Some("s3-global") if labels[at - 1] == "accesspoint" => Some(labels[..at - 1].join(".")),
        _ => Some(labels[..at].join(".")),
    }
}

/// What SDKs put before the name of an endpoint that they are told: a bucket's name, or `name-account` of an access point. The
/// account alone, which S3 Control has there, is none.
fn before_endpoint(labels: &[String], region: Option<&str>) -> Option<String> {
    match labels {
        [] => None,
        [label] if is_account(label) => None,
        [label] => {
            let point = access_point(label, region.unwrap_or(undercast_kernel::regions::DEFAULT));
            point.or_else(|| Some(label.clone()))
        }
        _ => Some(labels.join(".")),
    }
}

fn is_account(label: &str) -> bool {
    label.len() == 12 && label.bytes().all(|b| b.is_ascii_digit())
}

/// `name-123456789012` as the ARN of an access point.
fn access_point(label: &str, region: &str) -> Option<String> {
    let (name, account) = label.rsplit_once('-')?;
    let partition = undercast_kernel::regions::partition(region);
    (is_account(account) && !name.is_empty())
        .then(|| format!("arn:{partition}:s3:{region}:{account}:accesspoint/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_stand_before_the_domain() {
        let named = |host: &str| {
            let labels: Vec<String> = host.split('.').filter(|l| !l.is_empty()).map(ToOwned::to_owned).collect();
            bucket(&labels, Some("eu-west-1"), |label| label == "sqs")
        };
        for (host, wanted) in [
            ("", None),
            ("s3", None),
            ("s3.us-east-1", None),
            ("sqs.us-east-1", None),
            ("sqs", None),
            ("sqs.s3", Some("sqs")),
            ("b.s3", Some("b")),
            ("my.bucket.s3.us-east-1", Some("my.bucket")),
            ("b.s3-website-us-east-1", Some("b")),
            ("000000000000", None),
            ("000000000000.s3-control.us-east-1", None),
            ("ap-000000000000", Some("arn:aws:s3:eu-west-1:000000000000:accesspoint/ap")),
            ("a-b-000000000000.s3-accesspoint.us-west-2", Some("arn:aws:s3:us-west-2:000000000000:accesspoint/a-b")),
            (
                "ap-000000000000.s3-accesspoint.dualstack.cn-north-1",
                Some("arn:aws-cn:s3:cn-north-1:000000000000:accesspoint/ap"),
            ),
            ("m1a2b3.mrap.accesspoint.s3-global", Some("m1a2b3.mrap")),
            ("some-name", Some("some-name")),
            ("my.bucket", Some("my.bucket")),
            ("x.eu-west-1", None),
        ] {
            assert_eq!(named(host).as_deref(), wanted, "{host}");
        }
    }

    #[test]
    fn hosts_are_taken_apart() {
        let labels = |host: &str| parse(host, &["cloud.test".to_owned()]).map(|h| h.labels.join("|"));
        for (host, wanted) in [
            ("localhost:4566", Some("")),
            ("127.0.0.1:4566", Some("")),
            ("[::1]:4566", Some("")),
            ("sqs.us-east-1.localhost:4566", Some("sqs|us-east-1")),
            ("my.bucket.s3.localhost.localstack.cloud:4566", Some("my|bucket|s3")),
            ("cloud.test", Some("")),
            ("b.s3.cloud.test", Some("b|s3")),
            ("evil.example.com", None),
            ("10.0.0.1:4566", None),
            ("notlocalhost", None),
        ] {
            assert_eq!(labels(host).as_deref(), wanted, "{host}");
        }
    }
}
