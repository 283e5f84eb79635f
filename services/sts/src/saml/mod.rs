//! `AssumeRoleWithSAML`: a session with a role's rights for somebody whom a SAML 2.0 provider vouches for.

pub(crate) mod response;
mod signature;
mod xml;

use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, ProviderFacts, Result};

use self::response::{Provider, Said, invalid};
use crate::api::{self, errors};
use crate::assume_role::{self, Asked};
use crate::limits;

fn not_authorized(action: &str) -> AwsError {
    AwsError::new("AccessDenied", 403, format!("Not authorized to perform {action}"))
}

pub(crate) async fn assume(cx: &Cx, input: api::AssumeRoleWithSAMLInput) -> Result<api::AssumeRoleWithSAMLOutput> {
    let mut access = assume_role::trusted(cx, "sts:AssumeRoleWithSAML", &input.role_arn)?;
    let account = access.resource_account.clone().unwrap_or_else(String::new);
    let provider_arn = input.principal_arn;
    let name = provider_name(&account, &provider_arn)?;
    let provider = Provider::read(&metadata(cx, &provider_arn)?)?;
    let bytes = text::unbase64(&input.saml_assertion.split_whitespace().collect::<String>());
    let response = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let response = response.ok_or_else(|| invalid("Invalid base64 SAMLResponse"))?;
    let said = Said::verified(&response, &provider, cx.now())?;
    if !said.grants(&input.role_arn, &provider_arn) {
        return Err(not_authorized("sts:AssumeRoleWithSAML").into());
    }
    let (session_name, carried) = (said.session_name()?, said.carried()?);
    carried.check()?;
    let name_qualifier = said.name_qualifier(&account, &name);
    let one = |key: &str, value: &str| (format!("saml:{key}"), vec![value.to_owned()]);
    // These three are seen in the session as well, the others where the role is assumed only.
    let lasting =
        vec![one("sub", &said.subject), one("sub_type", &said.subject_type()), one("namequalifier", &name_qualifier)];
    let passing = [one("iss", &said.issuer), one("aud", &said.recipient), one("doc", &format!("{account}/{name}"))];
    for (key, values) in lasting.iter().chain(&passing).chain(&said.of_directories()) {
        limits::set(&mut access.context, key, values);
    }
    access.context.set("sts:RoleSessionName", session_name.clone());
    let caller = cx.elsewhere(&account, cx.region()).as_federated(&provider_arn, &said.subject);
    for needed in carried.permissions(access) {
        if caller.denied(&needed)?.is_some() {
            return Err(not_authorized(&needed.action).into());
        }
    }
    let role = assume_role::role(cx, &input.role_arn)?;
    let role = role.ok_or_else(|| not_authorized("sts:AssumeRoleWithSAML"))?;
    let asked = assume_role::within_role(input.duration_seconds.unwrap_or(3_600), &role)?;
    let seconds = until(cx, asked, &said)?;
    let policies = limits::policies(cx, &account, input.policy, input.policy_arns)?;
    let source_identity = carried.source_identity.clone();
    let asked = Asked { role, account, name: session_name, policies, seconds, carried };
    let (credentials, user) = asked.begin(cx, Some(provider_arn), lasting, None).await?;
    Ok(api::AssumeRoleWithSAMLOutput {
        credentials: Some(credentials),
        assumed_role_user: Some(user),
        subject_type: Some(said.subject_type()),
        subject: Some(said.subject),
        issuer: Some(said.issuer),
        audience: Some(said.recipient),
        name_qualifier: Some(name_qualifier),
        source_identity,
        ..api::AssumeRoleWithSAMLOutput::default()
    })
}

/// The friendly name of a provider, which is of the role's account.
fn provider_name(account: &str, arn: &str) -> Result<String> {
    let parsed = Arn::parse(arn).filter(|a| a.service == "iam" && a.account == account);
    let name = parsed.and_then(|a| a.resource.strip_prefix("saml-provider/").map(ToOwned::to_owned));
    name.ok_or_else(|| invalid("Specified provider doesn't exist.").into())
}

fn metadata(cx: &Cx, provider: &str) -> Result<String> {
    let found = match cx.kernel().identities() {
        Some(known) => known.provider(&cx.read(), provider)?,
        None => None,
    };
    match found {
        Some(ProviderFacts::Saml { metadata }) => Ok(metadata),
        _ => Err(invalid("Specified provider doesn't exist.").into()),
    }
}

/// How long the session lasts: what is asked, or until the provider's session ends, if that is sooner.
fn until(cx: &Cx, asked: i32, said: &Said) -> Result<i32> {
    let Some(ends) = said.ends else { return Ok(asked) };
    let left = i32::try_from(ends.as_second() - cx.now().as_second()).unwrap_or(i32::MAX);
    if left <= 0 {
        return Err(errors::expired_token_exception("The provider's session is over.").into());
    }
    Ok(asked.min(left))
}
