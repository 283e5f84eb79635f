//! Tags of registries, schemas and discoverers.

use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::error::{bad, managed, missing};
use crate::name::RegistryName;
use crate::rows::{DISCOVERERS, REGISTRIES, SCHEMAS};
use crate::{discoverers, registries, schemas};

/// A resource has so many tags at most.
const MOST: usize = 50;

/// The tags of a request for something new.
pub(crate) fn given(tags: Option<Tags>) -> Result<Tags> {
    let tags = tags.unwrap_or_else(Tags::new);
    check(&tags, 0)?;
    Ok(tags)
}

/// Refuses tags on top of `count` others.
fn check(tags: &Tags, count: usize) -> Result<()> {
    tags::check(tags, count, MOST).map_err(|why| bad(why.to_string()).into())
}

/// What has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tagged {
    Registry(RegistryName),
    Schema(RegistryName, String),
    Discoverer(String),
}

impl Tagged {
    /// What an ARN of this account and region names.
    pub(crate) fn parse(cx: &Cx, text: &str) -> Result<Self> {
        let malformed = || bad(format!("ResourceArn {text} is not valid."));
        let arn = Arn::parse(text).filter(|arn| arn.service == "schemas").ok_or_else(malformed)?;
        let (kind, rest) = arn.resource.split_once('/').ok_or_else(malformed)?;
        if arn.region != cx.region() || !(arn.account == cx.account() || arn.account.is_empty()) {
            return Err(missing(format!("Resource {text} does not exist.")));
        }
        let registry = |name: &str| RegistryName { account: arn.account.clone(), ..RegistryName::new(cx, name) };
        match (kind, rest.split_once('/')) {
            ("registry", None) => Ok(Self::Registry(registry(rest))),
            ("schema", Some((of, schema))) => Ok(Self::Schema(registry(of), schema.to_owned())),
            ("discoverer", None) => Ok(Self::Discoverer(rest.to_owned())),
            _ => Err(malformed().into()),
        }
    }

    pub(crate) fn tags(&self, cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Tags> {
        match self {
            Self::Registry(name) => Ok(registries::find(cx, from, name)?.tags),
            Self::Schema(registry, name) => Ok(schemas::find(cx, from, registry, name)?.tags),
            Self::Discoverer(id) => Ok(discoverers::find(cx, from, id)?.tags),
        }
    }

    fn put(&self, cx: &Cx, tx: &mut Tx<'_>, tags: Tags) -> Result<()> {
        match self {
            Self::Registry(name) => {
                let registry = registries::find(cx, tx, name)?;
                REGISTRIES.put(tx, &name.key(), &crate::rows::Registry { tags, ..registry });
            }
            Self::Schema(registry, name) => {
                let schema = schemas::find(cx, tx, registry, name)?;
                SCHEMAS.put(tx, &(registry.key(), name), &crate::rows::Schema { tags, ..schema });
            }
            Self::Discoverer(id) => {
                let discoverer = discoverers::find(cx, tx, id)?;
                DISCOVERERS.put(tx, &cx.key(id), &crate::rows::Discoverer { tags, ..discoverer });
            }
        }
        Ok(())
    }
}

pub(crate) fn list(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    let tags = Tagged::parse(cx, &input.resource_arn)?.tags(cx, &cx.read())?;
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

async fn change(cx: &Cx, arn: &str, change: impl Fn(&mut Tags) -> Result<()>) -> Result<()> {
    let tagged = Tagged::parse(cx, arn)?;
    if let Tagged::Registry(name) | Tagged::Schema(name, _) = &tagged
        && name.is_aws()
    {
        return Err(managed(&name.name));
    }
    cx.write(|tx| {
        let mut tags = tagged.tags(cx, tx)?;
        change(&mut tags)?;
        tagged.put(cx, tx, tags)
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |there| {
        check(&input.tags, there.keys().filter(|key| !input.tags.contains_key(*key)).count())?;
        there.extend(input.tags.clone());
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    change(cx, &input.resource_arn, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}
