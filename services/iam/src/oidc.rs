//! Identity providers of OpenID Connect.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, ProviderFacts, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::{add_tags, tags_input, tags_output};
use crate::pages;

/// Account, host with path → provider.
static PROVIDERS: Table<Provider> = Table::new("iam.oidc_providers");

/// An account has so many.
const MOST: usize = 100;
/// A provider has so many.
const MOST_CLIENTS: usize = 100;
const MOST_THUMBPRINTS: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Provider {
    /// Host and path.
    #[n(0)]
    place: String,
    /// Audiences.
    #[n(1)]
    clients: Vec<String>,
    /// SHA-1 of certificates, in hexadecimal.
    #[n(2)]
    thumbprints: Vec<String>,
    /// Seconds since 1970.
    #[n(3)]
    created: i64,
    #[n(4)]
    tags: BTreeMap<String, String>,
}

fn arn(cx: &Cx, place: &str) -> String {
    cx.global_arn("iam", &format!("oidc-provider/{place}"))
}

/// The host without its port. AWS takes no port; providers on one's own machine have nothing but ports to be told apart by.
fn without_port(host: &str) -> &str {
    match host.split_once(':') {
        Some((name @ ("localhost" | "127.0.0.1"), port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
}

/// Host and path of a provider's URL: `https://`, a host, and a path perhaps.
fn place_of_url(url: &str) -> Result<String> {
    let place = url.strip_prefix("https://").map(|place| place.trim_end_matches('/'));
    let good = place.filter(|place| {
        let host = without_port(place.split('/').next().unwrap_or(""));
        let letters = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        // No query: it is no part of an issuer's name.
        !host.is_empty()
            && host.chars().all(letters)
            && place.chars().all(|c| c.is_ascii_graphic() && !"?#".contains(c))
    });
    good.map(ToOwned::to_owned)
        .ok_or_else(|| errors::invalid_input_exception("Invalid Open ID Connect Provider URL").into())
}

/// Host and path in a provider's ARN.
fn place_of_arn(cx: &Cx, text: &str) -> Result<String> {
    let parsed = Arn::parse(text).filter(|a| a.service == "iam" && a.account == cx.account());
    let place = parsed.and_then(|a| a.resource.strip_prefix("oidc-provider/").map(ToOwned::to_owned));
    place.ok_or_else(|| errors::invalid_input_exception(format!("Invalid ARN:  {text}")).into())
}

fn not_found(arn: &str) -> AwsError {
    errors::no_such_entity_exception(format!("OpenIDConnect Provider not found for arn {arn}"))
}

fn find(from: &(impl Read + ?Sized), cx: &Cx, arn: &str) -> Result<Provider> {
    let place = place_of_arn(cx, arn)?;
    PROVIDERS.get(from, &(cx.account(), place))?.ok_or_else(|| not_found(arn).into())
}

/// What those need to know whom a provider vouches to.
pub(crate) fn facts(from: &(impl Read + ?Sized), text: &str) -> Result<Option<ProviderFacts>> {
    let Some(arn) = Arn::parse(text).filter(|arn| arn.service == "iam") else { return Ok(None) };
    let Some(place) = arn.resource.strip_prefix("oidc-provider/") else { return Ok(None) };
    let found = PROVIDERS.get(from, &(&arn.account, place))?;
    Ok(found.map(|p| ProviderFacts::Oidc { url: p.place, clients: p.clients, thumbprints: p.thumbprints }))
}

pub(crate) fn count(from: &(impl Read + ?Sized), account: &str) -> Result<usize> {
    Ok(PROVIDERS.all(from, &(account,))?.len())
}

fn check_clients(clients: &[String]) -> Result<()> {
    if clients.len() > MOST_CLIENTS {
        let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENTS}");
        return Err(errors::limit_exceeded_exception(message).into());
    }
    Ok(())
}

fn check_thumbprints(thumbprints: &[String]) -> Result<()> {
    if thumbprints.is_empty() {
        // AWS fetches the certificate of whoever issued the provider's own, and takes its thumbprint.
        return Err(Failure::not_built(
            "an OpenID Connect provider without thumbprints: its certificates are not fetched",
        ));
    }
    if thumbprints.len() > MOST_THUMBPRINTS {
        let message = format!("Thumbprint list must contain fewer than {MOST_THUMBPRINTS} entries.");
        return Err(errors::invalid_input_exception(message).into());
    }
    if !thumbprints.iter().flat_map(|text| text.chars()).all(|c| c.is_ascii_hexdigit()) {
        return Err(errors::invalid_input_exception("Thumbprints are 40 hexadecimal digits.").into());
    }
    Ok(())
}

async fn change(cx: &Cx, arn: &str, mut change: impl FnMut(&mut Provider) -> Result<()>) -> Result<()> {
    cx.write(|tx: &mut Tx<'_>| {
        let mut provider = find(tx, cx, arn)?;
        change(&mut provider)?;
        PROVIDERS.put(tx, &(cx.account(), &provider.place), &provider);
        Ok(())
    })
    .await
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateOpenIDConnectProviderInput,
) -> Result<api::CreateOpenIDConnectProviderOutput> {
    let place = place_of_url(&input.url)?;
    let clients = input.client_id_list.unwrap_or_else(Vec::new);
    let thumbprints = input.thumbprint_list.unwrap_or_else(Vec::new);
    check_clients(&clients)?;
    check_thumbprints(&thumbprints)?;
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, &tags_input(input.tags)?)?;
    let provider = Provider { place, clients, thumbprints, created: cx.now().as_second(), tags };
    cx.write(|tx| {
        let key = (cx.account(), &provider.place);
        if PROVIDERS.has(tx, &key)? {
            let message = format!("Provider with url {} already exists.", input.url);
            return Err(errors::entity_already_exists_exception(message).into());
        }
        if count(tx, cx.account())? >= MOST {
            let message = format!("Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        PROVIDERS.put(tx, &key, &provider);
        Ok(())
    })
    .await?;
    Ok(api::CreateOpenIDConnectProviderOutput {
        open_id_connect_provider_arn: Some(arn(cx, &provider.place)),
        tags: tags_output(&provider.tags),
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetOpenIDConnectProviderInput) -> Result<api::GetOpenIDConnectProviderOutput> {
    let provider = find(&cx.read(), cx, &input.open_id_connect_provider_arn)?;
    Ok(api::GetOpenIDConnectProviderOutput {
        // As it was seen on AWS: without `https://`.
        url: Some(provider.place),
        client_id_list: Some(provider.clients),
        thumbprint_list: Some(provider.thumbprints),
        create_date: Timestamp::from_second(provider.created).ok(),
        tags: tags_output(&provider.tags),
    })
}

pub(crate) fn list(cx: &Cx) -> Result<api::ListOpenIDConnectProvidersOutput> {
    let rows = PROVIDERS.all(&cx.read(), &(cx.account(),))?;
    let all = rows.iter().map(|e| output::OpenIDConnectProviderListEntry { arn: Some(arn(cx, &e.row.place)) });
    Ok(api::ListOpenIDConnectProvidersOutput { open_id_connect_provider_list: Some(all.collect()) })
}

/// Removes one; one that is not there is answered by an error, unlike on other deletions of what is gone.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteOpenIDConnectProviderInput) -> Result<()> {
    cx.write(|tx| {
        let provider = find(tx, cx, &input.open_id_connect_provider_arn)?;
        PROVIDERS.delete(tx, &(cx.account(), &provider.place));
        Ok(())
    })
    .await
}

/// Adds an audience; one that is there stays there.
pub(crate) async fn add_client(cx: &Cx, input: api::AddClientIDToOpenIDConnectProviderInput) -> Result<()> {
    change(cx, &input.open_id_connect_provider_arn, |provider| {
        if !provider.clients.contains(&input.client_id) {
            provider.clients.push(input.client_id.clone());
        }
        check_clients(&provider.clients)
    })
    .await
}

/// Takes an audience away; one that is not there is none.
pub(crate) async fn remove_client(cx: &Cx, input: api::RemoveClientIDFromOpenIDConnectProviderInput) -> Result<()> {
    change(cx, &input.open_id_connect_provider_arn, |provider| {
        provider.clients.retain(|client| *client != input.client_id);
        Ok(())
    })
    .await
}

pub(crate) async fn update_thumbprints(cx: &Cx, input: api::UpdateOpenIDConnectProviderThumbprintInput) -> Result<()> {
    check_thumbprints(&input.thumbprint_list)?;
    change(cx, &input.open_id_connect_provider_arn, |provider| {
        provider.thumbprints.clone_from(&input.thumbprint_list);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagOpenIDConnectProviderInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.open_id_connect_provider_arn, |provider| add_tags(&mut provider.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagOpenIDConnectProviderInput) -> Result<()> {
    change(cx, &input.open_id_connect_provider_arn, |provider| {
        provider.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list_tags(
    cx: &Cx,
    input: &api::ListOpenIDConnectProviderTagsInput,
) -> Result<api::ListOpenIDConnectProviderTagsOutput> {
    let provider = find(&cx.read(), cx, &input.open_id_connect_provider_arn)?;
    let list = format!("ListOpenIDConnectProviderTags {}", provider.place);
    let (tags, is_truncated, marker) = pages::tags(&list, &provider.tags, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListOpenIDConnectProviderTagsOutput { tags, is_truncated, marker })
}
