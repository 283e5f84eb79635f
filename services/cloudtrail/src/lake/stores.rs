//! Event data stores: CreateEventDataStore and its kin.
//!
//! Source: "CloudTrail Lake" in the user guide and the API reference.

use std::time::Duration;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Next, Result, Task, paging};

use super::kind::Kind;
use super::store::{self, STORES, State, Store, find, find_active};
use super::{ingest, seal};
use crate::api::kept::{AdvancedEventSelector, AdvancedFieldSelector};
use crate::api::{self, errors, output};
use crate::channels::operations;
use crate::imports::operations::check_none;
use crate::rows::{moment, to_json};
use crate::selectors::check_advanced;
use crate::{CloudTrail, SERVICE, checks, insight_selectors, organization, policies, recorder, tags};

/// What the task is called that removes a store.
pub(crate) const KIND: &str = "remove store";

/// A region has so many, those among them that are pending deletion.
const MOST: usize = 10;
/// So many are on a page.
const PAGE: usize = 1000;
/// A deleted one can be restored so long.
const PENDING: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const EXTENDABLE: &str = "EXTENDABLE_RETENTION_PRICING";
const FIXED: &str = "FIXED_RETENTION_PRICING";

/// How a store is answered: shapes with the same members.
macro_rules! shown {
    ($of:path, $store:expr, $status:expr, {$($more:ident: $value:expr),*}) => {{
        let store = $store;
        $of {
            event_data_store_arn: Some(store.arn()),
            name: Some(store.name.clone()),
            status: Some($status.to_owned()),
            advanced_event_selectors: Some(store.chosen()?),
            multi_region_enabled: Some(store.multi_region),
            organization_enabled: Some(store.organization.is_some()),
            retention_period: Some(store.retention),
            termination_protection_enabled: Some(store.protected),
            created_timestamp: Some(moment(store.created)),
            updated_timestamp: Some(moment(store.updated)),
            $($more: $value,)*
        }
    }};
}

fn billing(store: &Store) -> Option<String> {
    Some(if store.extendable { EXTENDABLE } else { FIXED }.to_owned())
}

/// What a store keeps where nothing is said.
fn management() -> Vec<AdvancedEventSelector> {
    let category = AdvancedFieldSelector {
        field: "eventCategory".to_owned(),
        equals: Some(vec!["Management".to_owned()]),
        ..AdvancedFieldSelector::default()
    };
    vec![AdvancedEventSelector { name: Some("Default management events".to_owned()), field_selectors: vec![category] }]
}

/// What a store is to keep, checked.
fn selectors(given: Option<Vec<AdvancedEventSelector>>) -> Result<String> {
    let all = given.unwrap_or_else(management);
    Kind::of(&all)?;
    check_advanced(&all, true)?;
    to_json(&all)
}

/// How many days events are kept.
fn retention(given: Option<i32>, extendable: bool) -> Result<i32> {
    let days = given.unwrap_or(if extendable { 366 } else { 2557 });
    if !extendable && days > 2557 {
        let message = "The retention period of fixed retention pricing is 2557 days at most.";
        return Err(errors::invalid_parameter_exception(message).into());
    }
    Ok(days)
}

/// The key that is given for a store, by its ARN.
async fn key(cx: &Cx, store: &str, given: Option<&str>) -> Result<Option<String>> {
    let Some(given) = given else { return Ok(None) };
    match checks::usable_key(cx, cx, store, given).await {
        Ok(arn) => Ok(Some(arn)),
        Err(Failure::Aws(error)) if error.code == "KmsKeyDisabledException" => {
            Err(errors::kms_exception(error.message).into())
        }
        Err(failure) => Err(failure),
    }
}

/// The key that a store has after a change: one that it has stays.
async fn new_key(cx: &Cx, store: &Store, given: Option<&str>) -> Result<Option<String>> {
    let key = key(cx, &store.arn(), given).await?;
    match (&store.kms, key) {
        (Some(old), Some(new)) if *old != new => {
            let message = "The KMS key of an event data store cannot be changed.";
            Err(errors::invalid_parameter_exception(message).into())
        }
        (old, new) => Ok(new.or_else(|| old.clone())),
    }
}

fn check_name(cx: &Cx, from: &(impl Read + ?Sized), name: &str, id: &str) -> Result<()> {
    let all = STORES.all(from, &(cx.account(), cx.region()))?;
    if all.iter().any(|entry| entry.row.name == name && entry.row.id != id) {
        let message = format!("The event data store {name} already exists.");
        return Err(errors::event_data_store_already_exists_exception(message).into());
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateEventDataStoreInput) -> Result<api::CreateEventDataStoreOutput> {
    let extendable = input.billing_mode.as_deref() != Some(FIXED);
    let now = cx.now_millis();
    let organization = match input.organization_enabled {
        Some(true) => Some(organization::of_trail(cx).await?),
        _ => None,
    };
    let id = cx.random().uuid();
    let arn = store::arn(cx.account(), cx.region(), &id);
    let store = Store {
        id,
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: input.name,
        selectors: selectors(input.advanced_event_selectors)?,
        multi_region: input.multi_region_enabled.unwrap_or(true),
        organization,
        retention: retention(input.retention_period, extendable)?,
        protected: input.termination_protection_enabled.unwrap_or(true),
        created: now,
        updated: now,
        state: if input.start_ingestion == Some(false) { State::Stopped } else { State::Enabled },
        extendable,
        tags: tags::given(input.tags_list.unwrap_or_else(Vec::new), 0)?,
        kms: key(cx, &arn, input.kms_key_id.as_deref()).await?,
        insights: None,
        insights_to: None,
        insights_since: None,
        large: false,
        context: None,
    };
    cx.write(|tx| {
        check_name(cx, tx, &store.name, "")?;
        if STORES.all(tx, &(cx.account(), cx.region()))?.len() >= MOST {
            let message = format!("The account already has {MOST} event data stores in this region.");
            return Err(errors::event_data_store_max_limit_exceeded_exception(message).into());
        }
        STORES.put(tx, &store.key(), &store);
        Ok(())
    })
    .await?;
    recorder::flag_data(cx.kernel())?;
    Ok(shown!(api::CreateEventDataStoreOutput, &store, "CREATED", {
        tags_list: Some(tags::shown(store.tags.clone())), kms_key_id: store.kms.clone(), billing_mode: billing(&store)
    }))
}

pub(crate) fn get(cx: &Cx, input: &api::GetEventDataStoreInput) -> Result<api::GetEventDataStoreOutput> {
    let cx = &store::home(cx, Some(&input.event_data_store), None);
    let store = find(cx, &cx.read(), &input.event_data_store)?;
    Ok(shown!(api::GetEventDataStoreOutput, &store, store.state.name(), {
        kms_key_id: store.kms.clone(), billing_mode: billing(&store), federation_status: Some("DISABLED".to_owned()),
        federation_role_arn: None, partition_keys: None
    }))
}

/// What is not said of it stays as it is. Fixed pricing can become extendable, and not the other way.
pub(crate) async fn update(cx: &Cx, input: api::UpdateEventDataStoreInput) -> Result<api::UpdateEventDataStoreOutput> {
    let before = find_active(cx, &cx.read(), &input.event_data_store)?;
    let extendable = input.billing_mode.as_deref().map_or(before.extendable, |mode| mode == EXTENDABLE);
    if before.extendable && !extendable {
        let message = "The billing mode cannot change from extendable to fixed retention pricing.";
        return Err(errors::invalid_parameter_exception(message).into());
    }
    let organization = match input.organization_enabled {
        Some(true) => Some(organization::of_trail(cx).await?),
        Some(false) => None,
        None => before.organization.clone(),
    };
    let chosen = input.advanced_event_selectors.map(|all| selectors(Some(all))).transpose()?;
    let kms = new_key(cx, &before, input.kms_key_id.as_deref()).await?;
    let days = retention(Some(input.retention_period.unwrap_or(before.retention)), extendable)?;
    let store = cx
        .write(|tx| {
            let now = find_active(cx, tx, &input.event_data_store)?;
            check_none(cx, tx, &now)?;
            let name = input.name.clone().unwrap_or_else(|| now.name.clone());
            check_name(cx, tx, &name, &now.id)?;
            let changed = Store {
                name,
                selectors: chosen.clone().unwrap_or_else(|| now.selectors.clone()),
                multi_region: input.multi_region_enabled.unwrap_or(now.multi_region),
                organization: organization.clone(),
                retention: days,
                protected: input.termination_protection_enabled.unwrap_or(now.protected),
                updated: cx.now_millis(),
                extendable,
                kms: kms.clone(),
                ..now
            };
            insight_selectors::check_source(&changed)?;
            STORES.put(tx, &changed.key(), &changed);
            Ok(changed)
        })
        .await?;
    recorder::flag_data(cx.kernel())?;
    Ok(shown!(api::UpdateEventDataStoreOutput, &store, store.state.name(), {
        kms_key_id: store.kms.clone(), billing_mode: billing(&store), federation_status: Some("DISABLED".to_owned()),
        federation_role_arn: None
    }))
}

pub(crate) fn list(cx: &Cx, input: &api::ListEventDataStoresInput) -> Result<api::ListEventDataStoresOutput> {
    let all = STORES.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let all = all.map(|store| Ok(shown!(output::EventDataStore, &store, store.state.name(), {})));
    let all: Vec<output::EventDataStore> = all.collect::<Result<_>>()?;
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let page = paging::page("ListEventDataStores", all, input.next_token.as_deref(), size);
    let (stores, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListEventDataStoresOutput { event_data_stores: Some(stores), next_token })
}

fn task(store: &Store) -> String {
    format!("{KIND} {}", store.arn())
}

/// It is gone after seven days.
pub(crate) async fn delete(service: &CloudTrail, cx: &Cx, given: &str) -> Result<()> {
    service.recorder.settle().await;
    cx.write(|tx| {
        let store = find_active(cx, tx, given)?;
        if store.protected {
            let message = format!("Termination protection is enabled for the event data store {}.", store.arn());
            return Err(errors::event_data_store_termination_protected_exception(message).into());
        }
        operations::check_unused(cx, tx, &store)?;
        check_none(cx, tx, &store)?;
        let due = cx.now() + PENDING;
        cx.tasks().schedule(cx, tx, SERVICE, &task(&store), KIND, store.id.clone(), due)?;
        let store = Store { state: State::PendingDeletion, updated: cx.now_millis(), ..store };
        STORES.put(tx, &store.key(), &store);
        Ok(())
    })
    .await?;
    recorder::flag_data(cx.kernel())
}

pub(crate) async fn remove(cx: &Cx, task: &Task) -> Result<Next> {
    cx.write(|tx| {
        let Some(store) = STORES.get(tx, &cx.key(task.payload.as_str()))? else { return Ok(()) };
        if store.state == State::PendingDeletion {
            ingest::forget(tx, &store)?;
            seal::forget(tx, &store)?;
            policies::forget(cx, tx, &format!("eventdatastore/{}", store.id));
            STORES.delete(tx, &store.key());
        }
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

fn wrong_state(store: &Store) -> Failure {
    let message = format!("The event data store {} has the status {}.", store.arn(), store.state.name());
    errors::invalid_event_data_store_status_exception(message).into()
}

/// Takes a store back that was deleted less than seven days ago.
pub(crate) async fn restore(
    cx: &Cx,
    input: &api::RestoreEventDataStoreInput,
) -> Result<api::RestoreEventDataStoreOutput> {
    let store = cx
        .write(|tx| {
            let store = find(cx, tx, &input.event_data_store)?;
            if store.state != State::PendingDeletion {
                return Err(wrong_state(&store));
            }
            cx.tasks().cancel(tx, SERVICE, &task(&store))?;
            let store = Store { state: State::Enabled, updated: cx.now_millis(), ..store };
            STORES.put(tx, &store.key(), &store);
            Ok(store)
        })
        .await?;
    recorder::flag_data(cx.kernel())?;
    Ok(shown!(api::RestoreEventDataStoreOutput, &store, store.state.name(), {
        kms_key_id: store.kms.clone(), billing_mode: billing(&store)
    }))
}

/// Begins to keep events, or keeps no more.
pub(crate) async fn ingest(service: &CloudTrail, cx: &Cx, given: &str, on: bool) -> Result<()> {
    // What came before is kept, or not, as it was then.
    service.recorder.settle().await;
    cx.write(|tx| {
        let store = find(cx, tx, given)?;
        if store.kind()? != Kind::Calls {
            let message =
                format!("The events of the event data store {} are not those of AWS's services.", store.arn());
            return Err(errors::invalid_event_data_store_category_exception(message).into());
        }
        let (wanted, state) = if on { (State::Stopped, State::Enabled) } else { (State::Enabled, State::Stopped) };
        if store.state != wanted {
            return Err(wrong_state(&store));
        }
        let store = Store { state, updated: cx.now_millis(), ..store };
        STORES.put(tx, &store.key(), &store);
        Ok(())
    })
    .await?;
    recorder::flag_data(cx.kernel())
}
