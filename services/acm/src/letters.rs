//! Letters to the people of a domain, and the page on which they approve a certificate.
//!
//! Source: "AWS Certificate Manager email validation" in the user guide. Nobody is looked up in WHOIS any more.

use std::fmt::Write as _;

use undercast_kernel::store::Tx;
use undercast_kernel::{Body, Cx, Result};
use undercast_wire::{Request, Response, text};

use crate::api;
use crate::domains::{self, is_within};
use crate::rows::{CERTIFICATES, Certificate, DomainStatus, Method, RenewalStatus, Status, Validation, find};
use crate::{error, lifecycle};

/// The path of the page.
pub(crate) const APPROVALS: &str = "/_acm/approvals";

/// Who gets letters at a domain.
const PEOPLE: &[&str] = &["administrator", "hostmaster", "postmaster", "webmaster", "admin"];
const FROM: &str = "no-reply@certificates.amazon.com";
/// The form on the page is small.
const LIMIT: usize = 1 << 16;

/// What a link ends in.
pub(crate) fn code(cx: &Cx) -> String {
    cx.random().uuid()
}

/// The addresses of a domain.
pub(crate) fn recipients(validation_domain: &str) -> Vec<String> {
    let domain = validation_domain.strip_prefix("www.").unwrap_or(validation_domain);
    PEOPLE.iter().map(|person| format!("{person}@{domain}")).collect()
}

/// Sends the letters of all domains that wait for them.
pub(crate) fn send(cx: &Cx, tx: &mut Tx<'_>, of: &Certificate, validations: &[Validation]) -> Result<()> {
    for validation in validations {
        let (Some(at), Some(code)) = (&validation.validation_domain, &validation.code) else { continue };
        if validation.status != DomainStatus::Pending {
            continue;
        }
        let host = &cx.kernel().settings().host;
        let context = format!("{}/{}/{}", of.account, of.region, of.id);
        let link = format!("http://{host}{APPROVALS}?code={code}&context={context}");
        let mut letter = String::new();
        // A text takes all that is written to it.
        let _ = write!(
            letter,
            "Greetings,\n\nWe have received a request to issue or renew an SSL/TLS certificate for {domain}.\n\nTo \
             approve it, go to {link} and choose I Approve. The link works for 72 hours.\n\nDomain: {domain}\nAWS \
             account ID: {account}\nAWS Region name: {region}\nCertificate identifier: {id}\n",
            domain = validation.domain,
            account = of.account,
            region = of.region,
            id = of.id,
        );
        let subject = format!("Certificate approval for {}", validation.domain);
        for to in recipients(at) {
            cx.post(tx, "email", &to, FROM, Some(&subject), &letter)?;
        }
    }
    Ok(())
}

/// The validations of a certificate that somebody waits for: those of its request, or of its renewal.
fn awaited(of: &mut Certificate) -> Option<&mut Vec<Validation>> {
    match of.status {
        Status::PendingValidation => Some(&mut of.validations),
        Status::Issued => {
            let renewal = of.renewal.as_mut();
            renewal.filter(|r| r.status == RenewalStatus::PendingValidation).map(|r| &mut r.validations)
        }
        _ => None,
    }
}

/// `ResendValidationEmail`
pub(crate) async fn resend(cx: &Cx, input: &api::ResendValidationEmailInput) -> Result<()> {
    let (domain, above) = (input.domain.to_ascii_lowercase(), input.validation_domain.to_ascii_lowercase());
    cx.write(|tx| {
        let mut certificate = find(cx, tx, &input.certificate_arn)?;
        if !certificate.names.contains(&domain) {
            return Err(error::options(format!("The domain {domain} is not one of the certificate's.")));
        }
        if !is_within(domains::without_star(&domain), &above) {
            let message = format!("The validation domain {above} is neither {domain} nor a superdomain of it.");
            return Err(error::options(message));
        }
        let of = certificate.clone();
        let awaited = awaited(&mut certificate).into_iter().flatten();
        let again = awaited.filter(|v| v.domain == domain && v.method == Method::Email);
        let Some(again) = again.into_iter().find(|v| v.status == DomainStatus::Pending) else {
            return Err(error::state("The certificate is not waiting for the domain to be validated by email."));
        };
        again.validation_domain = Some(above.clone());
        let again = again.clone();
        CERTIFICATES.put(tx, &of.key(), &certificate);
        send(cx, tx, &of, &[again])
    })
    .await
}

/// What a link says.
struct Link {
    code: String,
    account: String,
    region: String,
    id: String,
}

impl Link {
    fn read(parameters: &str) -> Option<Self> {
        let pairs = text::pairs(parameters)?;
        let of = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let context = of("context")?;
        let mut parts = context.split('/').map(ToOwned::to_owned);
        let link = Self { code: of("code")?, account: parts.next()?, region: parts.next()?, id: parts.next()? };
        parts.next().is_none().then_some(link)
    }

    fn parameters(&self) -> String {
        format!("code={}&context={}/{}/{}", self.code, self.account, self.region, self.id)
    }

    /// The domain that it is about, if it still is.
    fn domain(&self, of: &mut Certificate) -> Option<String> {
        let validation = awaited(of)?.iter().find(|v| v.code.as_ref() == Some(&self.code))?;
        Some(validation.domain.clone())
    }
}

/// The page: what is asked, and the button; and what the button does.
pub(crate) async fn serve(cx: &Cx, request: Request) -> Result<Response> {
    let approves = request.method.as_str() == "POST";
    let parameters = if approves { form(request.body).await } else { Some(request.query) };
    let Some(link) = parameters.as_deref().and_then(Link::read) else { return Ok(page(404, GONE)) };
    let cx = cx.elsewhere(&link.account, &link.region);
    let there = CERTIFICATES.get(&cx.read(), &cx.key(&link.id))?;
    let Some(domain) = there.and_then(|mut of| link.domain(&mut of)) else { return Ok(page(404, GONE)) };
    if !approves {
        return Ok(page(200, &question(&link, &domain)));
    }
    approve(&cx, &link).await?;
    Ok(page(200, &format!("<p>The certificate for {domain} is approved.</p>")))
}

const GONE: &str = "<p>This link leads nowhere any more: the certificate is not waiting for an approval.</p>";

async fn form(body: Body) -> Option<String> {
    let bytes = body.collect(LIMIT).await.ok().flatten()?;
    String::from_utf8(bytes.to_vec()).ok()
}

async fn approve(cx: &Cx, link: &Link) -> Result<()> {
    cx.write(|tx| {
        let Some(mut certificate) = CERTIFICATES.get(tx, &cx.key(&link.id))? else { return Ok(()) };
        let awaited = awaited(&mut certificate).into_iter().flatten();
        for validation in awaited.filter(|v| v.code.as_ref() == Some(&link.code)) {
            validation.status = DomainStatus::Success;
        }
        CERTIFICATES.put(tx, &certificate.key(), &certificate);
        lifecycle::look_now(cx, tx, &certificate)
    })
    .await
}

/// A domain has no character that a page would take for its own; what else is in it was made here.
fn question(link: &Link, domain: &str) -> String {
    let (account, region, id) = (&link.account, &link.region, &link.id);
    let fields: String = text::pairs(&link.parameters())
        .unwrap_or_else(Vec::new)
        .into_iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"))
        .collect();
    format!(
        "<p>Account {account} asks for a certificate for <b>{domain}</b> in {region} ({id}).</p>\
         <form method=\"post\" action=\"{APPROVALS}\">{fields}<button>I Approve</button></form>"
    )
}

fn page(status: u16, inside: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Certificate approval</title></head>\
         <body><h1>Certificate approval</h1>{inside}</body></html>"
    );
    let mut response = Response::new(status, page.into_bytes());
    response.set("content-type", "text/html; charset=utf-8");
    response
}
