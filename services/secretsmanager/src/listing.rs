//! Lists: of secrets by filters, of the versions of one, of the values of many.
//!
//! Source: Filter in the API reference: prefixes, of descriptions in any case; `!` says that it must not be so; `all` looks for words
//! everywhere.

use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, input, output};
use crate::rows::{SECRETS, Secret, moment};
use crate::{access, error, shown, values};

/// A page has so many secrets, or versions, where nothing is said.
const PAGE: i32 = 100;
/// A page of values.
const VALUES: i32 = 20;

fn size(given: Option<i32>, usual: i32) -> usize {
    usize::try_from(given.unwrap_or(usual)).unwrap_or(1)
}

/// The words of a text, in small letters.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether each word of `wanted` begins a word of `text`.
fn has_words(text: &str, wanted: &str) -> bool {
    let there = words(text);
    words(wanted).iter().all(|wanted| there.iter().any(|word| word.starts_with(wanted)))
}

fn has(secret: &Secret, key: &str, value: &str) -> bool {
    let description = secret.description.as_deref().unwrap_or("");
    let region = secret.primary.as_deref().or((!secret.replicas.is_empty()).then_some(secret.region.as_str()));
    match key {
        "name" => secret.name.starts_with(value),
        "description" => has_words(description, value),
        "tag-key" => secret.tags.keys().any(|tag| tag.starts_with(value)),
        "tag-value" => secret.tags.values().any(|tag| tag.starts_with(value)),
        "primary-region" => region.is_some_and(|region| region.starts_with(value)),
        // No secret is another service's here.
        "owning-service" => false,
        _ => {
            let tags = secret.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
            let texts = [secret.name.as_str(), description].into_iter().chain(tags).chain(region);
            has_words(&texts.collect::<Vec<_>>().join(" "), value)
        }
    }
}

/// Whether a secret passes a filter: one of its values is enough, and none of those with `!` may hold.
fn passes(secret: &Secret, filter: &input::Filter) -> bool {
    let key = filter.key.as_deref().unwrap_or("all");
    let values = filter.values.as_deref().unwrap_or(&[]);
    let (not, wanted): (Vec<&String>, Vec<&String>) = values.iter().partition(|value| value.starts_with('!'));
    not.iter().all(|value| !has(secret, key, &value[1..]))
        && (wanted.is_empty() || wanted.iter().any(|value| has(secret, key, value)))
}

fn check(filters: &[input::Filter]) -> Result<()> {
    let whole = |filter: &input::Filter| filter.key.is_some() && filter.values.as_ref().is_some_and(|v| !v.is_empty());
    if filters.iter().all(whole) {
        return Ok(());
    }
    Err(error::parameter("A filter must have a Key and Values."))
}

/// The secrets of an account that pass all filters, in the order of their names.
fn filtered(cx: &Cx, filters: &[input::Filter], deleted: bool) -> Result<Vec<Secret>> {
    check(filters)?;
    let all = SECRETS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let wanted =
        |secret: &Secret| (deleted || secret.deletion.is_none()) && filters.iter().all(|filter| passes(secret, filter));
    Ok(all.filter(wanted).collect())
}

pub(crate) fn list(cx: &Cx, input: &api::ListSecretsInput) -> Result<api::ListSecretsOutput> {
    let filters = input.filters.as_deref().unwrap_or(&[]);
    let mut all = filtered(cx, filters, input.include_planned_deletion == Some(true))?;
    match input.sort_by.as_deref() {
        Some("name") => {}
        Some("last-accessed-date") => all.sort_by_key(|secret| secret.accessed),
        Some("last-changed-date") => all.sort_by_key(|secret| secret.changed),
        _ => all.sort_by_key(|secret| secret.created),
    }
    // Without a word the newest come first.
    let descends = input.sort_order.as_deref().map_or(input.sort_by.as_deref() != Some("name"), |o| o == "desc");
    if descends {
        all.reverse();
    }
    let scope = format!("ListSecrets/{filters:?}/{:?}/{descends}", (&input.sort_by, input.include_planned_deletion));
    let page = paging::page(&scope, all, input.next_token.as_deref(), size(input.max_results, PAGE));
    let (page, next_token) = page.ok_or_else(error::bad_page)?;
    let secrets = page.iter().map(|secret| shown::entry(cx, secret));
    Ok(api::ListSecretsOutput { secret_list: Some(secrets.collect()), next_token })
}

pub(crate) fn versions(cx: &Cx, input: &api::ListSecretVersionIdsInput) -> Result<api::ListSecretVersionIdsOutput> {
    let secret = Secret::find(cx, &cx.read(), &input.secret_id)?;
    let mut all = secret.versions(&cx.read())?;
    let deprecated = input.include_deprecated == Some(true);
    all.retain(|version| deprecated || secret.labels.has(&version.id));
    let scope = format!("ListSecretVersionIds/{}/{deprecated}", secret.arn(cx));
    let page = paging::page(&scope, all, input.next_token.as_deref(), size(input.max_results, PAGE));
    let (page, next_token) = page.ok_or_else(error::bad_page)?;
    let shown = page.into_iter().map(|version| output::SecretVersionsListEntry {
        version_stages: Some(secret.labels.of(&version.id)).filter(|labels| !labels.is_empty()),
        last_accessed_date: version.accessed.map(moment),
        created_date: Some(moment(version.created)),
        kms_key_ids: version
            .value
            .map(|value| vec![if value.managed { "DefaultEncryptionKey".to_owned() } else { value.key }]),
        version_id: Some(version.id),
    });
    Ok(api::ListSecretVersionIdsOutput {
        versions: Some(shown.collect()),
        next_token,
        arn: Some(secret.arn(cx)),
        name: Some(secret.name.clone()),
    })
}

/// What a batch asks for: secrets by what names them, and where the next page begins.
fn asked(cx: &Cx, input: &api::BatchGetSecretValueInput) -> Result<(Vec<String>, Option<String>)> {
    match (&input.secret_id_list, &input.filters) {
        (Some(_), Some(_)) | (None, None) => {
            Err(error::parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both."))
        }
        (Some(_), None) if input.max_results.is_some() || input.next_token.is_some() => Err(error::parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
        )),
        (Some(ids), None) => Ok((ids.clone(), None)),
        (None, Some(filters)) => {
            let all = filtered(cx, filters, false)?.iter().map(|secret| secret.arn(cx)).collect();
            let scope = format!("BatchGetSecretValue/{filters:?}");
            let page = paging::page(&scope, all, input.next_token.as_deref(), size(input.max_results, VALUES));
            page.ok_or_else(error::bad_page)
        }
    }
}

/// The value of one secret of a batch, if the caller may read it.
async fn one(cx: &Cx, id: &str) -> Result<output::SecretValueEntry> {
    let mut needed = access::on_named(cx, id, "GetSecretValue")?;
    needed.context.set("secretsmanager:VersionStage", crate::labels::CURRENT);
    if let Some(message) = cx.denied(&needed)? {
        return Err(error::access_denied(message));
    }
    let secret = Secret::active(cx, &cx.read(), id)?;
    let read = values::read(cx, &secret, None, None).await?;
    Ok(output::SecretValueEntry {
        arn: read.arn,
        name: read.name,
        version_id: read.version_id,
        secret_binary: read.secret_binary,
        secret_string: read.secret_string,
        version_stages: read.version_stages,
        created_date: read.created_date,
    })
}

pub(crate) async fn batch(cx: &Cx, input: api::BatchGetSecretValueInput) -> Result<api::BatchGetSecretValueOutput> {
    let (ids, next_token) = asked(cx, &input)?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match one(cx, &id).await {
            Ok(entry) => found.push(entry),
            Err(Failure::Aws(error)) => errors.push(output::APIErrorType {
                secret_id: Some(id),
                error_code: Some(error.code.to_string()),
                message: Some(error.message),
            }),
            Err(other) => return Err(other),
        }
    }
    Ok(api::BatchGetSecretValueOutput { secret_values: Some(found), next_token, errors: Some(errors) })
}
