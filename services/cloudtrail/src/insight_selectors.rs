//! In what insights are found: PutInsightSelectors and GetInsightSelectors, of trails and of event data stores.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::kept::InsightSelector;
use crate::api::{self, errors};
use crate::insights::chosen;
use crate::lake::kind::Kind;
use crate::lake::store::{self, STORES, Store};
use crate::name::{find, find_own};
use crate::rows::{TRAILS, Trail, from_json, to_json};

fn bad(message: &str) -> AwsError {
    errors::invalid_insight_selectors_exception(message)
}

fn wrong(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

impl Store {
    /// The insight selectors of a store.
    pub(crate) fn insight_selectors(&self) -> Result<Vec<InsightSelector>> {
        self.insights.as_deref().map_or_else(|| Ok(Vec::new()), from_json)
    }
}

/// Checks what each selector says. `has_data`: whether there are data events, in which insights could be found.
fn check(all: &[InsightSelector], has_data: bool) -> Result<()> {
    for (at, selector) in all.iter().enumerate() {
        let Some(kind) = selector.insight_type.as_deref() else {
            return Err(bad("An insight selector must have an insight type.").into());
        };
        if all.iter().take(at).any(|before| before.insight_type.as_deref() == Some(kind)) {
            return Err(bad("The same insight type is specified twice.").into());
        }
        let data = selector.event_categories.iter().flatten().any(|category| category == "Data");
        if data && !has_data {
            return Err(bad("There are no data events, in which insights could be found.").into());
        }
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutInsightSelectorsInput) -> Result<api::PutInsightSelectorsOutput> {
    match (&input.trail_name, &input.event_data_store, &input.insights_destination) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let message = "TrailName cannot be specified with EventDataStore or InsightsDestination.";
            Err(errors::invalid_parameter_combination_exception(message).into())
        }
        (Some(trail), None, None) => of_trail(cx, trail, input.insight_selectors.clone()).await,
        (None, Some(store), destination) => {
            of_store(cx, store, destination.as_deref(), input.insight_selectors.clone()).await
        }
        (None, None, _) => Err(wrong("TrailName or EventDataStore must be specified.")),
    }
}

async fn of_trail(cx: &Cx, given: &str, all: Vec<InsightSelector>) -> Result<api::PutInsightSelectorsOutput> {
    let (name, _) = find_own(cx, &cx.read(), given)?;
    let text = if all.is_empty() { None } else { Some(to_json(&all)?) };
    cx.write(|tx| {
        let (_, trail) = find_own(cx, tx, given)?;
        check(&all, trail.selectors()?.has_data())?;
        // What is known already stays known.
        let since = trail.insights_since.filter(|_| trail.insights.is_some()).unwrap_or(cx.now_millis());
        let insights_since = text.is_some().then_some(since);
        TRAILS.put(tx, &name.key(), &Trail { insights: text.clone(), insights_since, ..trail });
        Ok(())
    })
    .await?;
    Ok(api::PutInsightSelectorsOutput {
        trail_arn: Some(name.arn()),
        insight_selectors: Some(all),
        event_data_store_arn: None,
        insights_destination: None,
    })
}

/// A store that is named here. What is wrong with the name is a wrong parameter.
fn named(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Store> {
    match store::find_active(cx, from, given) {
        Err(Failure::Aws(error)) => Err(wrong(error.message)),
        other => other,
    }
}

/// Where the insights of a store go: to one for insights.
fn destination(cx: &Cx, from: &(impl Read + ?Sized), given: Option<&str>) -> Result<String> {
    let Some(given) = given else {
        return Err(wrong("InsightsDestination must be specified with EventDataStore."));
    };
    let store = named(cx, from, given)?;
    if store.kind()? == Kind::Insights {
        Ok(store.arn())
    } else {
        Err(wrong(format!("The event data store {} does not log Insights events.", store.arn())))
    }
}

/// Whether a store has the management events in which insights are found.
fn has_management(store: &Store) -> Result<bool> {
    let chosen = store.chosen()?;
    let mut fields = chosen.iter().flat_map(|one| &one.field_selectors);
    Ok(fields.any(|field| {
        let is_management = |value: &String| value == "Management";
        field.field == "eventCategory" && field.equals.iter().flatten().any(is_management)
    }))
}

/// Refuses a store in which insights are to be found that does not have what they are found in.
pub(crate) fn check_source(store: &Store) -> Result<()> {
    if store.insights.is_none() || has_management(store)? {
        return Ok(());
    }
    Err(bad("The event data store does not log management events.").into())
}

async fn of_store(
    cx: &Cx,
    given: &str,
    to: Option<&str>,
    all: Vec<InsightSelector>,
) -> Result<api::PutInsightSelectorsOutput> {
    let store = cx
        .write(|tx| {
            let store = named(cx, tx, given)?;
            check(&all, false)?;
            if !all.is_empty() && !has_management(&store)? {
                return Err(bad("The event data store does not log management events.").into());
            }
            let on = !all.is_empty();
            let since = store.insights_since.filter(|_| store.insights.is_some()).unwrap_or(cx.now_millis());
            let changed = Store {
                insights: if on { Some(to_json(&all)?) } else { None },
                insights_to: if on { Some(destination(cx, tx, to)?) } else { None },
                insights_since: on.then_some(since),
                updated: cx.now_millis(),
                ..store
            };
            STORES.put(tx, &changed.key(), &changed);
            Ok(changed)
        })
        .await?;
    Ok(api::PutInsightSelectorsOutput {
        trail_arn: None,
        insight_selectors: Some(all),
        event_data_store_arn: Some(store.arn()),
        insights_destination: store.insights_to,
    })
}

fn not_enabled(what: &str, arn: &str) -> Failure {
    let message = format!(
        "{what} {arn} does not have Insights enabled. Edit the {} settings to enable Insights, and then try the operation again.",
        what.to_lowercase()
    );
    errors::insight_not_enabled_exception(message).into()
}

pub(crate) fn get(cx: &Cx, input: &api::GetInsightSelectorsInput) -> Result<api::GetInsightSelectorsOutput> {
    let from = cx.read();
    match (&input.trail_name, &input.event_data_store) {
        (Some(_), Some(_)) => {
            let message = "TrailName cannot be specified with EventDataStore.";
            Err(errors::invalid_parameter_combination_exception(message).into())
        }
        (Some(given), None) => {
            let (name, trail) = find(cx, &from, given)?;
            let all = chosen(&trail)?;
            if all.is_empty() {
                return Err(not_enabled("Trail", &name.arn()));
            }
            Ok(api::GetInsightSelectorsOutput {
                trail_arn: Some(name.arn()),
                insight_selectors: Some(all),
                event_data_store_arn: None,
                insights_destination: None,
            })
        }
        (None, Some(given)) => {
            let store = named(cx, &from, given)?;
            let all = store.insight_selectors()?;
            if all.is_empty() {
                return Err(not_enabled("Event data store", &store.arn()));
            }
            Ok(api::GetInsightSelectorsOutput {
                trail_arn: None,
                insight_selectors: Some(all),
                event_data_store_arn: Some(store.arn()),
                insights_destination: store.insights_to,
            })
        }
        (None, None) => Err(wrong("TrailName or EventDataStore must be specified.")),
    }
}
