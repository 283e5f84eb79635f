//! What ACM tells of itself on the default bus.
//!
//! Source: "Amazon EventBridge support for ACM" in the user guide.

use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Result};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text;

use crate::rows::{Certificate, moment};
use crate::x509::Facts;

const SOURCE: &str = "aws.acm";
const DAY: i64 = 86_400_000;

/// How a certificate came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Issuance,
    Renewal,
    Import,
    Reimport,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Issuance => "ISSUANCE",
            Self::Renewal => "RENEWAL",
            Self::Import => "IMPORT",
            Self::Reimport => "REIMPORT",
        }
    }
}

/// The days until a moment, a begun one counted.
pub(crate) fn days_left(now: i64, end: i64) -> i64 {
    (end - now + DAY - 1).div_euclid(DAY)
}

/// What is told of every certificate.
fn told(cx: &Cx, of: &Certificate, facts: &Facts) -> Result<Json> {
    let date = |milliseconds: i64| moment(milliseconds).map(|at| text::timestamp(at, TimestampFormat::Iso8601));
    let mut told = json!({
        "CertificateType": of.kind.as_str(),
        "CommonName": facts.domain(),
        "CertificateCreatedDate": date(of.created),
        "CertificateExpirationDate": date(facts.not_after * 1000),
        "InUse": !of.users(cx)?.is_empty(),
        "Exported": of.exported,
    });
    if let Some(method) = of.method {
        told["DomainValidationMethod"] = json!(method.as_str());
    }
    Ok(told)
}

fn tell(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, what: &str, detail: Json) -> Result<()> {
    cx.announce(tx, &Announcement::new(cx, SOURCE, what, of.arn(cx), detail))
}

/// It is there, and can be used.
pub(crate) fn available(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, facts: &Facts, action: Action) -> Result<()> {
    let mut detail = told(cx, of, facts)?;
    detail["Action"] = json!(action.as_str());
    detail["DaysToExpiry"] = json!(days_left(cx.now_millis(), facts.not_after * 1000));
    tell(cx, tx, of, "ACM Certificate Available", detail)
}

/// It comes to its end.
pub(crate) fn approaching(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, facts: &Facts, days: i64) -> Result<()> {
    let detail = json!({"DaysToExpiry": days, "CommonName": facts.domain()});
    tell(cx, tx, of, "ACM Certificate Approaching Expiration", detail)
}

/// It has come to its end.
pub(crate) fn expired(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, facts: &Facts) -> Result<()> {
    let detail = told(cx, of, facts)?;
    tell(cx, tx, of, "ACM Certificate Expired", detail)
}

/// Its renewal waits for somebody.
pub(crate) fn action_required(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, facts: &Facts, reason: &str) -> Result<()> {
    let mut detail = told(cx, of, facts)?;
    detail["RenewalStatusReason"] = json!(reason);
    detail["DaysToExpiry"] = json!(days_left(cx.now_millis(), facts.not_after * 1000));
    tell(cx, tx, of, "ACM Certificate Renewal Action Required", detail)
}

/// It is revoked.
pub(crate) fn revoked(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, facts: &Facts) -> Result<()> {
    let detail = told(cx, of, facts)?;
    tell(cx, tx, of, "ACM Certificate Revoked", detail)
}
