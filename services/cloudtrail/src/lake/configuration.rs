//! How large the events of a store may be and what they are enriched with: PutEventConfiguration and GetEventConfiguration.

use undercast_kernel::{CONTEXT_KEYS, Cx, Failure, Result};

use super::kind::Kind;
use super::store::{STORES, State, Store, find_active};
use crate::api::kept::ContextKeySelector;
use crate::api::{self, errors};
use crate::rows::{from_json, to_json};
use crate::{CloudTrail, name, recorder};

fn bad(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

/// What a call is about: a trail, or a store.
fn one<'a>(trail: Option<&'a str>, store: Option<&'a str>) -> Result<std::result::Result<&'a str, &'a str>> {
    match (trail, store) {
        (Some(trail), None) => Ok(Err(trail)),
        (None, Some(store)) => Ok(Ok(store)),
        (Some(_), Some(_)) => {
            let message = "Specify either TrailName or EventDataStore, and not both.";
            Err(errors::invalid_parameter_combination_exception(message).into())
        }
        (None, None) => Err(bad("Specify either TrailName or EventDataStore.")),
    }
}

/// The store that is given, if it is one for events of AWS's services, and takes some.
fn find(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), given: &str) -> Result<Store> {
    let store = find_active(cx, from, given)?;
    if store.kind()? != Kind::Calls {
        let message = format!("The events of the event data store {} are not those of AWS's services.", store.arn());
        return Err(errors::invalid_event_data_store_category_exception(message).into());
    }
    if store.state == State::Stopped {
        let message = format!("The event data store {} has the status {}.", store.arn(), store.state.name());
        return Err(errors::invalid_event_data_store_status_exception(message).into());
    }
    Ok(store)
}

/// Checks what events are to be enriched with.
fn check(all: &[ContextKeySelector], large: bool) -> Result<()> {
    if !all.is_empty() && !large {
        return Err(bad("MaxEventSize must be Large where context key selectors are used."));
    }
    for (at, selector) in all.iter().enumerate() {
        if all.iter().take(at).any(|before| before.type_ == selector.type_) {
            return Err(bad(format!("There are two context key selectors of the type {}.", selector.type_)));
        }
        let unknown = selector.equals.iter().find(|key| !CONTEXT_KEYS.contains(&key.as_str()));
        if let Some(key) = unknown.filter(|_| selector.type_ == "RequestContext") {
            return Err(bad(format!("The condition key {key} is not supported in context key selectors.")));
        }
    }
    Ok(())
}

fn size(store: &Store) -> String {
    if store.large { "Large" } else { "Standard" }.to_owned()
}

fn selectors(store: &Store) -> Result<Vec<ContextKeySelector>> {
    store.context.as_deref().map_or_else(|| Ok(Vec::new()), from_json)
}

pub(crate) async fn put(
    service: &CloudTrail,
    cx: &Cx,
    input: api::PutEventConfigurationInput,
) -> Result<api::PutEventConfigurationOutput> {
    let given = match one(input.trail_name.as_deref(), input.event_data_store.as_deref())? {
        Ok(store) => store,
        Err(trail) => {
            name::find_own(cx, &cx.read(), trail)?;
            return Err(bad("AggregationConfigurations must be specified for a trail."));
        }
    };
    find(cx, &cx.read(), given)?;
    // What came before is kept as it was chosen then.
    service.recorder.settle().await;
    let store = cx
        .write(|tx| {
            let mut store = find(cx, tx, given)?;
            if let Some(size) = &input.max_event_size {
                store.large = size == "Large";
            }
            if let Some(all) = &input.context_key_selectors {
                store.context = if all.is_empty() { None } else { Some(to_json(all)?) };
            }
            check(&selectors(&store)?, store.large)?;
            store.updated = cx.now_millis();
            STORES.put(tx, &store.key(), &store);
            Ok(store.clone())
        })
        .await?;
    recorder::flag_data(cx.kernel())?;
    Ok(api::PutEventConfigurationOutput {
        trail_arn: None,
        event_data_store_arn: Some(store.arn()),
        max_event_size: Some(size(&store)),
        context_key_selectors: Some(selectors(&store)?),
        aggregation_configurations: None,
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetEventConfigurationInput) -> Result<api::GetEventConfigurationOutput> {
    let from = cx.read();
    match one(input.trail_name.as_deref(), input.event_data_store.as_deref())? {
        Ok(given) => {
            let store = find(cx, &from, given)?;
            Ok(api::GetEventConfigurationOutput {
                trail_arn: None,
                event_data_store_arn: Some(store.arn()),
                max_event_size: Some(size(&store)),
                context_key_selectors: Some(selectors(&store)?),
                aggregation_configurations: None,
            })
        }
        Err(given) => Ok(api::GetEventConfigurationOutput {
            trail_arn: Some(name::find(cx, &from, given)?.0.arn()),
            event_data_store_arn: None,
            max_event_size: None,
            context_key_selectors: None,
            aggregation_configurations: Some(Vec::new()),
        }),
    }
}
