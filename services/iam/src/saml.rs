//! Identity providers of SAML 2.0.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, ProviderFacts, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::{add_tags, tags_input, tags_output};
use crate::{certificates, metadata, pages};

/// Account, name → provider.
static PROVIDERS: Table<Provider> = Table::new("iam.saml_providers");

/// An account has so many.
const MOST: usize = 100;
/// A provider has so many private keys: the one in use, and its successor.
const MOST_KEYS: usize = 2;

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Provider {
    #[n(0)]
    id: String,
    #[n(1)]
    name: String,
    #[n(2)]
    metadata: String,
    /// Seconds since 1970.
    #[n(3)]
    created: i64,
    /// What the metadata say of it.
    #[n(4)]
    valid_until: Option<i64>,
    #[n(5)]
    tags: BTreeMap<String, String>,
    /// `Required` or `Allowed`: whether assertions have to be encrypted.
    #[n(6)]
    encryption: Option<String>,
    #[n(7)]
    keys: Vec<PrivateKey>,
}

/// A key that decrypts assertions. No answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct PrivateKey {
    #[n(0)]
    id: String,
    #[n(1)]
    added: i64,
    #[n(2)]
    pem: String,
}

fn arn(cx: &Cx, name: &str) -> String {
    cx.global_arn("iam", &format!("saml-provider/{name}"))
}

fn find(from: &(impl Read + ?Sized), cx: &Cx, text: &str) -> Result<Provider> {
    let parsed = Arn::parse(text).filter(|a| a.service == "iam" && a.account == cx.account());
    let name = parsed.and_then(|a| a.resource.strip_prefix("saml-provider/").map(ToOwned::to_owned));
    let invalid = || errors::invalid_input_exception(format!("Invalid ARN:  {text}"));
    let name = name.ok_or_else(invalid)?;
    let not_found = || errors::no_such_entity_exception(format!("Manifest not found for arn {text}"));
    PROVIDERS.get(from, &(cx.account(), name))?.ok_or_else(|| not_found().into())
}

/// What those need to know whom a provider vouches to.
pub(crate) fn facts(from: &(impl Read + ?Sized), text: &str) -> Result<Option<ProviderFacts>> {
    let Some(arn) = Arn::parse(text).filter(|arn| arn.service == "iam") else { return Ok(None) };
    let Some(name) = arn.resource.strip_prefix("saml-provider/") else { return Ok(None) };
    match PROVIDERS.get(from, &(&arn.account, name))? {
        // To take assertions as they are would be to let in who may not come in so.
        Some(provider) if provider.encryption.as_deref() == Some("Required") => {
            Err(Failure::not_built("assertions that have to be encrypted (AssertionEncryptionMode Required)"))
        }
        found => Ok(found.map(|provider| ProviderFacts::Saml { metadata: provider.metadata })),
    }
}

pub(crate) fn count(from: &(impl Read + ?Sized), account: &str) -> Result<usize> {
    Ok(PROVIDERS.all(from, &(account,))?.len())
}

impl Provider {
    fn add_key(&mut self, cx: &Cx, pem: String) -> Result<()> {
        if !certificates::is_rsa_key(&pem) {
            let message = "The private key has to be an RSA key of 2048 bits or more in PEM, without a password.";
            return Err(errors::invalid_input_exception(message).into());
        }
        if self.keys.len() >= MOST_KEYS {
            let message = format!("Cannot exceed quota for PrivateKeysPerSAMLProvider: {MOST_KEYS}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        self.keys.push(PrivateKey { id: cx.random().text(22, LETTERS), added: cx.now().as_second(), pem });
        Ok(())
    }

    /// Encrypted assertions need a key that decrypts them.
    fn check(&self) -> Result<()> {
        if self.encryption.is_some() && self.keys.is_empty() {
            let message = "AssertionEncryptionMode cannot be set without a private key.";
            return Err(errors::invalid_input_exception(message).into());
        }
        Ok(())
    }
}

pub(crate) async fn create(cx: &Cx, input: api::CreateSAMLProviderInput) -> Result<api::CreateSAMLProviderOutput> {
    let valid_until = metadata::check(&input.saml_metadata_document)?;
    let mut provider = Provider {
        id: cx.random().text(22, LETTERS),
        name: input.name,
        metadata: input.saml_metadata_document,
        created: cx.now().as_second(),
        valid_until,
        tags: BTreeMap::new(),
        encryption: input.assertion_encryption_mode,
        keys: Vec::new(),
    };
    add_tags(&mut provider.tags, &tags_input(input.tags)?)?;
    if let Some(pem) = input.add_private_key {
        provider.add_key(cx, pem)?;
    }
    provider.check()?;
    cx.write(|tx| {
        let key = (cx.account(), &provider.name);
        if PROVIDERS.has(tx, &key)? {
            let message = format!("SAML provider {} already exists.", provider.name);
            return Err(errors::entity_already_exists_exception(message).into());
        }
        if count(tx, cx.account())? >= MOST {
            let message = format!("Cannot exceed quota for SAMLProvidersPerAccount: {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        PROVIDERS.put(tx, &key, &provider);
        Ok(())
    })
    .await?;
    Ok(api::CreateSAMLProviderOutput {
        saml_provider_arn: Some(arn(cx, &provider.name)),
        tags: tags_output(&provider.tags),
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetSAMLProviderInput) -> Result<api::GetSAMLProviderOutput> {
    let provider = find(&cx.read(), cx, &input.saml_provider_arn)?;
    let keys = provider.keys.iter().map(|key| output::SAMLPrivateKey {
        key_id: Some(key.id.clone()),
        timestamp: Timestamp::from_second(key.added).ok(),
    });
    Ok(api::GetSAMLProviderOutput {
        private_key_list: Some(keys.collect()).filter(|all: &Vec<_>| !all.is_empty()),
        saml_provider_uuid: Some(provider.id),
        saml_metadata_document: Some(provider.metadata),
        create_date: Timestamp::from_second(provider.created).ok(),
        valid_until: provider.valid_until.and_then(|at| Timestamp::from_second(at).ok()),
        tags: tags_output(&provider.tags),
        assertion_encryption_mode: provider.encryption,
    })
}

pub(crate) fn list(cx: &Cx) -> Result<api::ListSAMLProvidersOutput> {
    let rows = PROVIDERS.all(&cx.read(), &(cx.account(),))?;
    let all = rows.iter().map(|entry| output::SAMLProviderListEntry {
        arn: Some(arn(cx, &entry.row.name)),
        valid_until: entry.row.valid_until.and_then(|at| Timestamp::from_second(at).ok()),
        create_date: Timestamp::from_second(entry.row.created).ok(),
    });
    Ok(api::ListSAMLProvidersOutput { saml_provider_list: Some(all.collect()) })
}

async fn change(cx: &Cx, arn: &str, mut change: impl FnMut(&mut Tx<'_>, &mut Provider) -> Result<()>) -> Result<()> {
    cx.write(|tx| {
        let mut provider = find(tx, cx, arn)?;
        change(tx, &mut provider)?;
        PROVIDERS.put(tx, &(cx.account(), &provider.name), &provider);
        Ok(())
    })
    .await
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateSAMLProviderInput) -> Result<api::UpdateSAMLProviderOutput> {
    let valid_until = input.saml_metadata_document.as_deref().map(metadata::check).transpose()?;
    change(cx, &input.saml_provider_arn, |_, provider| {
        if let (Some(document), Some(until)) = (&input.saml_metadata_document, valid_until) {
            provider.metadata.clone_from(document);
            provider.valid_until = until;
        }
        if let Some(gone) = &input.remove_private_key {
            let before = provider.keys.len();
            provider.keys.retain(|key| key.id != *gone);
            if provider.keys.len() == before {
                let message = format!("The private key with id {gone} cannot be found.");
                return Err(errors::no_such_entity_exception(message).into());
            }
        }
        if let Some(pem) = &input.add_private_key {
            provider.add_key(cx, pem.clone())?;
        }
        if input.assertion_encryption_mode.is_some() {
            provider.encryption.clone_from(&input.assertion_encryption_mode);
        }
        provider.check()
    })
    .await?;
    Ok(api::UpdateSAMLProviderOutput { saml_provider_arn: Some(input.saml_provider_arn) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteSAMLProviderInput) -> Result<()> {
    cx.write(|tx| {
        let provider = find(tx, cx, &input.saml_provider_arn)?;
        PROVIDERS.delete(tx, &(cx.account(), &provider.name));
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagSAMLProviderInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.saml_provider_arn, |_, provider| add_tags(&mut provider.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagSAMLProviderInput) -> Result<()> {
    change(cx, &input.saml_provider_arn, |_, provider| {
        provider.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list_tags(cx: &Cx, input: &api::ListSAMLProviderTagsInput) -> Result<api::ListSAMLProviderTagsOutput> {
    let provider = find(&cx.read(), cx, &input.saml_provider_arn)?;
    let list = format!("ListSAMLProviderTags {}", provider.name);
    let (tags, is_truncated, marker) = pages::tags(&list, &provider.tags, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListSAMLProviderTagsOutput { tags, is_truncated, marker })
}
