//! Registries: CreateRegistry and its kin.

use undercast_kernel::store::{Order, Read};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::error::{bad, conflict, managed, missing, page, too_many};
use crate::name::{AWS, DISCOVERED, RegistryName, check_registry};
use crate::rows::{REGISTRIES, Registry, SCHEMAS};
use crate::tags;

/// An account has so many of its own by default.
const MOST: usize = 10;

/// The registry of a call.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &RegistryName) -> Result<Registry> {
    let named = |description: &str| Registry {
        name: name.name.clone(),
        description: Some(description.to_owned()),
        ..Registry::default()
    };
    if name.region == cx.region() {
        if name.is_aws() {
            return Ok(named("Contains the schemas of events emitted by AWS services."));
        }
        if let Some(found) = REGISTRIES.get(from, &name.key())? {
            return Ok(found);
        }
        if name.name == DISCOVERED {
            return Ok(named("Contains schemas of events that discoverers found."));
        }
    }
    Err(missing(format!("Registry with name {} does not exist.", name.name)))
}

pub(crate) async fn create(cx: &Cx, input: api::CreateRegistryInput) -> Result<api::CreateRegistryOutput> {
    check_registry(&input.registry_name)?;
    let name = RegistryName::new(cx, &input.registry_name);
    let registry = Registry {
        name: name.name.clone(),
        description: input.description,
        tags: tags::given(input.tags)?,
        policy: None,
    };
    cx.write(|tx| {
        if name.is_managed() || REGISTRIES.has(tx, &name.key())? {
            return Err(conflict(format!("Registry with name {} already exists.", name.name)));
        }
        let there = REGISTRIES.all(tx, &(cx.account(), cx.region()))?;
        if there.iter().filter(|entry| entry.row.name != DISCOVERED).count() >= MOST {
            return Err(too_many("registries", MOST));
        }
        REGISTRIES.put(tx, &name.key(), &registry);
        Ok(())
    })
    .await?;
    Ok(api::CreateRegistryOutput {
        description: registry.description,
        registry_arn: Some(name.arn()),
        registry_name: Some(registry.name),
        tags: Some(registry.tags),
    })
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeRegistryInput) -> Result<api::DescribeRegistryOutput> {
    let name = RegistryName::of(cx, &input.registry_name);
    let registry = find(cx, &cx.read(), &name)?;
    Ok(api::DescribeRegistryOutput {
        description: registry.description,
        registry_arn: Some(name.arn()),
        registry_name: Some(registry.name),
        tags: Some(registry.tags),
    })
}

/// What is not said of it stays as it is.
pub(crate) async fn update(cx: &Cx, input: api::UpdateRegistryInput) -> Result<api::UpdateRegistryOutput> {
    let name = RegistryName::of(cx, &input.registry_name);
    if name.is_managed() {
        return Err(managed(&name.name));
    }
    let registry = cx
        .write(|tx| {
            let mut registry = find(cx, tx, &name)?;
            if let Some(description) = &input.description {
                registry.description = Some(description.clone());
            }
            REGISTRIES.put(tx, &name.key(), &registry);
            Ok(registry)
        })
        .await?;
    Ok(api::UpdateRegistryOutput {
        description: registry.description,
        registry_arn: Some(name.arn()),
        registry_name: Some(registry.name),
        tags: Some(registry.tags),
    })
}

/// One that has schemas stays.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteRegistryInput) -> Result<()> {
    let name = RegistryName::of(cx, &input.registry_name);
    if name.is_managed() {
        return Err(managed(&name.name));
    }
    cx.write(|tx| {
        find(cx, tx, &name)?;
        if !SCHEMAS.page(tx, &name.key(), None::<&()>, Order::Ascending, 1)?.is_empty() {
            let message = format!("Registry with name {} cannot be deleted: it contains schemas.", name.name);
            return Err(bad(message).into());
        }
        REGISTRIES.delete(tx, &name.key());
        Ok(())
    })
    .await
}

/// All of an account's own, and those that AWS has for every account.
pub(crate) fn list(cx: &Cx, input: &api::ListRegistriesInput) -> Result<api::ListRegistriesOutput> {
    let scope = input.scope.as_deref().unwrap_or("");
    let (aws, local) = match scope.to_ascii_uppercase().as_str() {
        "" => (true, true),
        "AWS" => (true, false),
        "LOCAL" => (false, true),
        _ => return Err(bad("Scope must be LOCAL or AWS.").into()),
    };
    let from = cx.read();
    let mut all: Vec<(String, Tags)> = Vec::new();
    if aws {
        for name in [AWS, DISCOVERED] {
            all.push((name.to_owned(), find(cx, &from, &RegistryName::new(cx, name))?.tags));
        }
    }
    if local {
        let rows = REGISTRIES.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
        all.extend(rows.filter(|row| row.name != DISCOVERED).map(|row| (row.name, row.tags)));
    }
    let prefix = input.registry_name_prefix.as_deref().unwrap_or("");
    all.retain(|(name, _)| name.starts_with(prefix));
    all.sort();
    let shown = all.into_iter().map(|(name, tags)| output::RegistrySummary {
        registry_arn: Some(RegistryName::new(cx, &name).arn()),
        registry_name: Some(name),
        tags: Some(tags),
    });
    let list = format!("ListRegistries/{scope}/{prefix}");
    let (registries, next_token) = page(&list, shown.collect(), input.next_token.as_deref(), input.limit)?;
    Ok(api::ListRegistriesOutput { next_token, registries: Some(registries) })
}
