//! Event source mappings: which queue or stream feeds which function.

pub(crate) mod settings;
pub(crate) mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Kernel, Result, Timestamp, paging};
use undercast_sources::Kind;

use crate::api::{self, output};
use crate::function::FunctionName;
use crate::mapping::settings::{Said, Streaming};
use crate::mapping::source::{check, kind_of, usual_batch};
use crate::state::State;
use crate::{check as rules, error, sources};

/// Account, region, id → mapping.
static MAPPINGS: Table<Mapping> = Table::new("lambda.mappings");
/// A mapping without a setting of its own runs so many batches at a time.
const CONCURRENCY: usize = 5;

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Mapping {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) id: String,
    /// Name of its function, in the same account and region.
    #[n(3)]
    pub(crate) function: String,
    /// ARN of its queue or stream.
    #[n(4)]
    pub(crate) source: String,
    #[n(5)]
    pub(crate) enabled: bool,
    /// The most messages or records of a batch.
    #[n(6)]
    pub(crate) batch: i32,
    /// Seconds to wait for a batch to fill.
    #[n(7)]
    pub(crate) window: i32,
    /// The function's answer says what of the batch failed.
    #[n(8)]
    pub(crate) reports: bool,
    /// The most batches at a time.
    #[n(9)]
    pub(crate) most_at_once: Option<i32>,
    /// Milliseconds since 1970.
    #[n(10)]
    pub(crate) modified: i64,
    #[n(11)]
    pub(crate) tags: BTreeMap<String, String>,
    /// Of a stream.
    #[n(12)]
    pub(crate) streaming: Option<Streaming>,
    /// Patterns, of which what is taken must match one.
    #[n(13)]
    #[cbor(default)]
    pub(crate) filters: Vec<String>,
    /// The version or alias of its function.
    #[n(14)]
    pub(crate) qualifier: Option<String>,
}

impl Mapping {
    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        MAPPINGS.put(tx, &(&self.account, &self.region, &self.id), self);
    }

    pub(crate) fn function(&self) -> FunctionName {
        FunctionName {
            account: self.account.clone(),
            region: self.region.clone(),
            name: self.function.clone(),
            qualifier: self.qualifier.clone(),
        }
    }

    /// Takes over what a call says of what depends on the source.
    fn change(&mut self, input: &api::UpdateEventSourceMappingInput) -> Result<()> {
        let (kind, said) = (kind_of(&self.source)?, Said::from(input));
        match &mut self.streaming {
            None => said.check_queue()?,
            Some(_) if input.scaling_config.is_some() => {
                return Err(error::invalid("Unsupported ScalingConfig for given event source type"));
            }
            Some(streaming) => streaming.change(&said)?,
        }
        if input.filter_criteria.is_some() {
            self.filters = settings::filters(input.filter_criteria.as_ref())?;
        }
        settings::check_batch(kind, &self.source, self.batch, self.window)
    }

    /// How many batches may run at a time.
    pub(crate) fn concurrency(&self) -> usize {
        self.most_at_once.and_then(|n| usize::try_from(n).ok()).unwrap_or(CONCURRENCY)
    }
}

pub(crate) fn arn(cx: &Cx, id: &str) -> String {
    cx.arn("lambda", &format!("event-source-mapping:{id}"))
}

/// All mappings of this cloud.
pub(crate) fn all(kernel: &Kernel) -> Result<Vec<Mapping>> {
    let rows = MAPPINGS.page(&kernel.database().read(), &(), None::<&()>, Order::Ascending, usize::MAX)?;
    Ok(rows.into_iter().map(|e| e.row).collect())
}

pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Mapping> {
    MAPPINGS.get(from, &cx.key(id))?.ok_or_else(|| error::not_found("The resource you requested does not exist."))
}

/// A mapping as answers show it.
fn show(state: &State, cx: &Cx, mapping: &Mapping, standing: &str) -> output::EventSourceMappingConfiguration {
    let filter = |pattern: &String| output::Filter { pattern: Some(pattern.clone()) };
    let filters = || output::FilterCriteria { filters: Some(mapping.filters.iter().map(filter).collect()) };
    let mut out = output::EventSourceMappingConfiguration {
        uuid: Some(mapping.id.clone()),
        batch_size: Some(mapping.batch),
        maximum_batching_window_in_seconds: Some(mapping.window),
        event_source_arn: Some(mapping.source.clone()),
        function_arn: Some(mapping.function().qualified_arn(cx)),
        last_modified: Timestamp::from_millisecond(mapping.modified).ok(),
        state: Some(standing.to_owned()),
        state_transition_reason: Some("USER_INITIATED".to_owned()),
        scaling_config: mapping.most_at_once.map(|n| output::ScalingConfig { maximum_concurrency: Some(n) }),
        function_response_types: mapping.reports.then(|| vec!["ReportBatchItemFailures".to_owned()]),
        event_source_mapping_arn: Some(arn(cx, &mapping.id)),
        filter_criteria: (!mapping.filters.is_empty()).then(filters),
        ..output::EventSourceMappingConfiguration::default()
    };
    if let Some(streaming) = &mapping.streaming {
        streaming.show(&mut out);
        out.last_processing_result = Some(state.last_result(&mapping.id).to_owned());
    }
    out
}

fn standing(mapping: &Mapping) -> &'static str {
    if mapping.enabled { "Enabled" } else { "Disabled" }
}

pub(crate) async fn create(
    state: &Arc<State>,
    cx: &Cx,
    input: api::CreateEventSourceMappingInput,
) -> Result<api::CreateEventSourceMappingOutput> {
    let source = input.event_source_arn.clone().ok_or_else(|| error::invalid("Event source ARN is required."))?;
    let kind = kind_of(&source)?;
    let streaming = match kind {
        Kind::Queue => {
            Said::from(&input).check_queue()?;
            if input.starting_position.is_some() {
                return Err(error::invalid("StartingPosition is not valid for SQS event sources."));
            }
            None
        }
        Kind::Table | Kind::Kinesis if input.scaling_config.is_some() => {
            return Err(error::invalid("Unsupported ScalingConfig for given event source type"));
        }
        Kind::Table | Kind::Kinesis => Some(Streaming::new(cx, kind, &input)?),
    };
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let function = name.find_version(cx, &cx.read())?;
    let mapping = Mapping {
        account: function.account.clone(),
        region: function.region.clone(),
        id: cx.random().uuid(),
        function: function.name.clone(),
        source,
        enabled: input.enabled != Some(false),
        batch: input.batch_size.unwrap_or(usual_batch(kind)),
        window: input.maximum_batching_window_in_seconds.unwrap_or(0),
        reports: input.function_response_types.is_some_and(|t| !t.is_empty()),
        most_at_once: input.scaling_config.and_then(|s| s.maximum_concurrency),
        modified: cx.now_millis(),
        tags: input.tags.unwrap_or_else(BTreeMap::new),
        streaming,
        filters: settings::filters(input.filter_criteria.as_ref())?,
        qualifier: name.qualifier.clone(),
    };
    rules::tags(&mapping.tags, 0)?;
    settings::check_batch(kind, &mapping.source, mapping.batch, mapping.window)?;
    check(kind, cx, &function, &mapping.source).await?;
    cx.write(|tx| {
        let there = MAPPINGS.all(tx, &(&mapping.account, &mapping.region))?;
        if let Some(same) = there.iter().find(|e| e.row.source == mapping.source && e.row.function() == mapping.function()) {
            let message = format!(
                "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please update or delete the existing mapping with UUID {}",
                mapping.source, mapping.function, same.row.id
            );
            return Err(error::conflict(message));
        }
        mapping.put(tx);
        Ok(())
    })
    .await?;
    sources::apply(state, cx.kernel(), &mapping);
    Ok(show(state, cx, &mapping, "Creating"))
}

pub(crate) async fn update(
    state: &Arc<State>,
    cx: &Cx,
    input: api::UpdateEventSourceMappingInput,
) -> Result<api::UpdateEventSourceMappingOutput> {
    let function = match &input.function_name {
        Some(name) => {
            let name = FunctionName::parse(cx, name, None)?;
            name.find_version(cx, &cx.read())?;
            Some(name)
        }
        None => None,
    };
    let mapping = cx
        .write(|tx| {
            let mut mapping = find(cx, tx, &input.uuid)?;
            if let Some(function) = &function {
                mapping.function.clone_from(&function.name);
                mapping.qualifier.clone_from(&function.qualifier);
            }
            mapping.enabled = input.enabled.unwrap_or(mapping.enabled);
            mapping.batch = input.batch_size.unwrap_or(mapping.batch);
            mapping.window = input.maximum_batching_window_in_seconds.unwrap_or(mapping.window);
            if let Some(types) = &input.function_response_types {
                mapping.reports = !types.is_empty();
            }
            if let Some(scaling) = &input.scaling_config {
                mapping.most_at_once = scaling.maximum_concurrency;
            }
            mapping.change(&input)?;
            mapping.modified = cx.now_millis();
            mapping.put(tx);
            Ok(mapping)
        })
        .await?;
    sources::apply(state, cx.kernel(), &mapping);
    Ok(show(state, cx, &mapping, if mapping.enabled { "Updating" } else { "Disabling" }))
}

pub(crate) async fn delete(state: &Arc<State>, cx: &Cx, id: &str) -> Result<api::DeleteEventSourceMappingOutput> {
    let mapping = cx
        .write(|tx| {
            let mapping = find(cx, tx, id)?;
            MAPPINGS.delete(tx, &cx.key(id));
            sources::forget(cx, tx, id)?;
            Ok(mapping)
        })
        .await?;
    sources::stop(state, id);
    Ok(show(state, cx, &mapping, "Deleting"))
}

pub(crate) fn get(state: &State, cx: &Cx, id: &str) -> Result<api::GetEventSourceMappingOutput> {
    let mapping = find(cx, &cx.read(), id)?;
    Ok(show(state, cx, &mapping, standing(&mapping)))
}

pub(crate) fn list(
    state: &State,
    cx: &Cx,
    input: api::ListEventSourceMappingsInput,
) -> Result<api::ListEventSourceMappingsOutput> {
    let function = match &input.function_name {
        Some(name) => {
            let name = FunctionName::parse(cx, name, None)?;
            name.find_version(cx, &cx.read())?;
            Some(name)
        }
        None => None,
    };
    let scope = format!("ListEventSourceMappings/{function:?}/{:?}", input.event_source_arn);
    let after = input
        .marker
        .map(|m| paging::position(&scope, &m).ok_or_else(|| error::invalid("Invalid Marker")))
        .transpose()?;
    let most = input.max_items.map_or(Ok(100), usize::try_from).map_err(Failure::broken)?.min(100);
    let chosen = |m: &Mapping| {
        function.as_ref().is_none_or(|f| m.function() == *f)
            && input.event_source_arn.as_ref().is_none_or(|a| m.source == *a)
            && after.as_ref().is_none_or(|a| m.id > *a)
    };
    let mut rest = MAPPINGS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).filter(chosen);
    let page: Vec<Mapping> = rest.by_ref().take(most).collect();
    let next_marker = rest.next().and(page.last()).map(|m| paging::token(&scope, &m.id));
    let event_source_mappings = Some(page.iter().map(|m| show(state, cx, m, standing(m))).collect());
    Ok(api::ListEventSourceMappingsOutput { next_marker, event_source_mappings })
}
