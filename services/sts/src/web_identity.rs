//! `AssumeRoleWithWebIdentity`: a session with a role's rights for somebody whom an OpenID Connect provider vouches for.

use serde_json::Value as Json;
use undercast_kernel::{AwsError, Cx, ProviderFacts, Result, RoleFacts};

use crate::api::{self, errors};
use crate::assume_role::{self, Asked};
use crate::limits::{self, Carried, invalid};
use crate::token::{Token, texts};

/// Claims of some providers that are condition keys beside those of all (IAM's facts of `sts:AssumeRoleWithWebIdentity`).
const MORE_CLAIMS: &[(&str, &[&str])] = &[
    (
        "token.actions.githubusercontent.com",
        &[
            "actor",
            "actor_id",
            "enterprise_id",
            "environment",
            "job_workflow_ref",
            "ref",
            "repository",
            "repository_id",
            "repository_owner_id",
            "workflow",
        ],
    ),
    (
        "gitlab.com",
        &[
            "namespace_id",
            "pipeline_source",
            "project_id",
            "ref_protected",
            "runner_environment",
            "user_access_level",
            "user_email",
            "user_id",
            "user_login",
        ],
    ),
    (
        "agent.buildkite.com",
        &[
            "build_branch",
            "cluster_id",
            "cluster_name",
            "organization_id",
            "organization_slug",
            "pipeline_id",
            "pipeline_slug",
        ],
    ),
];

/// Where AWS looks for tags and for the source identity in a token.
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

pub(crate) async fn assume(
    cx: &Cx,
    input: api::AssumeRoleWithWebIdentityInput,
) -> Result<api::AssumeRoleWithWebIdentityOutput> {
    let token = Token::read(&input.web_identity_token)?;
    let mut access = assume_role::trusted(cx, "sts:AssumeRoleWithWebIdentity", &input.role_arn)?;
    let account = access.resource_account.clone().unwrap_or_else(String::new);
    let issuer = token.issuer();
    let url = issuer.strip_prefix("https://").unwrap_or(&issuer).trim_end_matches('/').to_owned();
    let provider = format!("arn:{}:iam::{account}:oidc-provider/{url}", cx.partition());
    let audience = check(cx, &provider, &issuer, &token).await?;
    let role = assume_role::role(cx, &input.role_arn)?;
    let (claims, carried) = (claims(&url, &token), carried(&token)?);
    for (key, values) in &claims {
        limits::set(&mut access.context, key, values);
    }
    access.context.set("sts:RoleSessionName", input.role_session_name.clone());
    let subject = token.one("sub").unwrap_or_else(String::new);
    let caller = cx.elsewhere(&account, cx.region()).as_federated(&provider, &subject);
    for needed in carried.permissions(access) {
        if caller.denied(&needed)?.is_some() {
            return Err(not_authorized(&needed.action).into());
        }
    }
    // Nobody is asked for permission where policies are not enforced, but a role must be there all the same.
    let role: RoleFacts = role.ok_or_else(|| not_authorized("sts:AssumeRoleWithWebIdentity"))?;
    let seconds = assume_role::within_role(input.duration_seconds.unwrap_or(3_600), &role)?;
    let policies = limits::policies(cx, &account, input.policy, input.policy_arns)?;
    let source_identity = carried.source_identity.clone();
    let asked = Asked { role, account, name: input.role_session_name, policies, seconds, carried };
    let (credentials, user) = asked.begin(cx, Some(provider), claims, None).await?;
    Ok(api::AssumeRoleWithWebIdentityOutput {
        credentials: Some(credentials),
        subject_from_web_identity_token: Some(subject),
        assumed_role_user: Some(user),
        provider: Some(issuer),
        audience: Some(audience),
        source_identity,
        ..api::AssumeRoleWithWebIdentityOutput::default()
    })
}

fn not_authorized(action: &str) -> AwsError {
    AwsError::new("AccessDenied", 403, format!("Not authorized to perform {action}"))
}

/// Refuses a token that no provider of the role's account vouches for. Gives the audience that it is for.
async fn check(cx: &Cx, provider: &str, issuer: &str, token: &Token) -> Result<String> {
    let known = match cx.kernel().identities() {
        Some(known) => known.provider(&cx.read(), provider)?,
        None => None,
    };
    let Some(ProviderFacts::Oidc { clients, thumbprints, .. }) = known else {
        let message = format!("No OpenIDConnect provider found in your account for {issuer}");
        return Err(errors::invalid_identity_token_exception(message).into());
    };
    token.check_time(cx.now().as_second())?;
    // "If the token has an `azp`, that is whom it is for" (IAM User Guide, `aud` and `oaud`).
    let audiences = token.one("azp").map_or_else(|| token.claim("aud"), |party| vec![party]);
    let audience = audiences.into_iter().find(|audience| clients.contains(audience));
    let audience = audience.ok_or_else(|| errors::invalid_identity_token_exception("Incorrect token audience"))?;
    token.verify(cx, &thumbprints).await?;
    Ok(audience)
}

/// What the token says, by condition key.
fn claims(url: &str, token: &Token) -> Vec<(String, Vec<String>)> {
    let party = token.claim("azp");
    let audience = if party.is_empty() { token.claim("aud") } else { party };
    let mut all = vec![("aud", audience), ("oaud", token.claim("aud"))];
    all.extend(["sub", "amr"].map(|claim| (claim, token.claim(claim))));
    let host = url.split('/').next().unwrap_or_default();
    let more = MORE_CLAIMS.iter().filter(|(of, _)| *of == host).flat_map(|(_, claims)| claims.iter());
    all.extend(more.map(|claim| (*claim, token.claim(claim))));
    let there = all.into_iter().filter(|(_, values)| !values.is_empty());
    there.map(|(claim, values)| (format!("{url}:{claim}"), values)).collect()
}

/// The tags and the source identity that the token brings ("Passing session tags using AssumeRoleWithWebIdentity").
fn carried(token: &Token) -> Result<Carried> {
    let mut carried = Carried { source_identity: token.one(SOURCE_IDENTITY), ..Carried::default() };
    let Some(tags) = token.structured(TAGS) else { return Ok(carried) };
    for (key, value) in tags["principal_tags"].as_object().into_iter().flatten() {
        let [value] = texts(value).try_into().map_err(|_| {
            let message = format!("The tag {key} of the ID Token must have one value.");
            errors::invalid_identity_token_exception(message)
        })?;
        carried.tags.push((key.clone(), value));
    }
    carried.transitive = tags.get("transitive_tag_keys").map_or_else(Vec::new, |keys: &Json| texts(keys));
    if carried.tags.len() > 50 {
        return Err(invalid("A session has 50 tags at most.").into());
    }
    carried.check()?;
    Ok(carried)
}
