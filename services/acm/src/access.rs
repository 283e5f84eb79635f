//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS Certificate Manager" in the service authorization reference.

use undercast_kernel::policy::MapContext;
use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::SERVICE;
use crate::acme::PRINCIPAL;
use crate::acme::rows::Named;
use crate::rows::find;

/// The operations that are done to no single resource.
const ON_NOTHING: &[&str] = &[
    "CreateAcmeEndpoint",
    "GetAccountConfiguration",
    "ListAcmeEndpoints",
    "ListCertificates",
    "PutAccountConfiguration",
    "SearchCertificates",
];

/// Those that are done to a certificate that is not there yet.
const UNNAMED: &[&str] = &["ImportCertificate", "RequestCertificate"];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("{SERVICE}:{}", operation.name);
    let mut access = match input.text("CertificateArn") {
        _ if ON_NOTHING.contains(&operation.name) => Access::new(action, "*"),
        Some(arn) => on_certificate(cx, action, arn)?,
        // What is asked for or imported has no name yet.
        None if !UNNAMED.contains(&operation.name) => on_acme(cx, action, input)?,
        None => Access::new(action, cx.arn(SERVICE, "certificate/*")),
    };
    if operation.name == "RequestCertificate" {
        requested(&mut access.context, input);
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let mut needed = vec![access];
    if let (Some(role), "CreateAcmeExternalAccountBinding") = (input.text("RoleArn"), operation.name) {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}

/// A permission on a certificate, with what is known of it. What is not there is known of nothing, and the operation says so.
fn on_certificate(cx: &Cx, action: String, arn: &str) -> Result<Access> {
    let mut access = Access::new(action, arn);
    let Ok(of) = find(cx, &cx.read(), arn) else { return Ok(access) };
    let context = &mut access.context;
    context.set("acm:CertificateKeyPairOrigin", of.origin());
    context.set_many("acm:DomainNames", of.names.clone());
    if let Some(method) = of.method {
        context.set("acm:ValidationMethod", method.as_str());
    }
    for (key, value) in &of.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// A permission on an endpoint of ACME, or on what belongs to one.
fn on_acme(cx: &Cx, action: String, input: &Fields) -> Result<Access> {
    const NAMES: &[&str] =
        &["AcmeEndpointArn", "AcmeDomainValidationArn", "AcmeExternalAccountBindingArn", "ResourceArn"];
    let arn = NAMES.iter().find_map(|name| input.text(name)).unwrap_or("*");
    let mut access = Access::new(action, arn);
    let tags = Named::parse(cx, arn).map(|named| named.tags(cx, &cx.read())).transpose()?.flatten();
    for (key, value) in tags.into_iter().flatten() {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// The condition keys of what a request asks for.
fn requested(context: &mut MapContext, input: &Fields) {
    let domain = input.text("DomainName").into_iter();
    let others = match input.get("SubjectAlternativeNames") {
        Some(Value::List(names)) => names.as_slice(),
        _ => &[],
    };
    let names = domain.chain(others.iter().filter_map(Value::as_str)).map(str::to_ascii_lowercase).collect();
    context.set_many("acm:DomainNames", names);
    context.set("acm:ValidationMethod", input.text("ValidationMethod").unwrap_or("EMAIL"));
    context.set("acm:KeyAlgorithm", input.text("KeyAlgorithm").unwrap_or("RSA_2048"));
    context.set("acm:CertificateKeyPairOrigin", "AWS_MANAGED");
    let options = input.get("Options");
    let option = |name: &str| options.and_then(|options| options.text(name));
    context.set("acm:Export", option("Export").unwrap_or("DISABLED"));
    let transparency = option("CertificateTransparencyLoggingPreference").unwrap_or("ENABLED");
    context.set("acm:CertificateTransparencyLogging", transparency);
}
