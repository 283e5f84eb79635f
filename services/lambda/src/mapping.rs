//! Event source mappings: which queue feeds which function.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Access, Cx, Failure, Kernel, Result, Timestamp, paging};

use crate::api::{self, output};
use crate::function::{Function, FunctionName};
use crate::state::State;
use crate::{check, error, poller};

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
    /// ARN of its queue.
    #[n(4)]
    pub(crate) source: String,
    #[n(5)]
    pub(crate) enabled: bool,
    /// The most messages of a batch.
    #[n(6)]
    pub(crate) batch: i32,
    /// Seconds to wait for a batch to fill.
    #[n(7)]
    pub(crate) window: i32,
    /// The function's answer says which messages failed.
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
            qualifier: None,
        }
    }

    /// How many batches may run at a time.
    pub(crate) fn concurrency(&self) -> usize {
        self.most_at_once.and_then(|n| usize::try_from(n).ok()).unwrap_or(CONCURRENCY)
    }

    /// URL of its queue, for calls from inside.
    pub(crate) fn queue_url(&self, kernel: &Kernel) -> Option<String> {
        let queue = Arn::parse(&self.source)?;
        Some(format!("http://{}/{}/{}", kernel.settings().host, queue.account, queue.resource))
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
fn show(cx: &Cx, mapping: &Mapping, state: &str) -> output::EventSourceMappingConfiguration {
    output::EventSourceMappingConfiguration {
        uuid: Some(mapping.id.clone()),
        batch_size: Some(mapping.batch),
        maximum_batching_window_in_seconds: Some(mapping.window),
        event_source_arn: Some(mapping.source.clone()),
        function_arn: Some(mapping.function().arn(cx)),
        last_modified: Timestamp::from_millisecond(mapping.modified).ok(),
        state: Some(state.to_owned()),
        state_transition_reason: Some("USER_INITIATED".to_owned()),
        scaling_config: mapping.most_at_once.map(|n| output::ScalingConfig { maximum_concurrency: Some(n) }),
        function_response_types: mapping.reports.then(|| vec!["ReportBatchItemFailures".to_owned()]),
        event_source_mapping_arn: Some(arn(cx, &mapping.id)),
        ..output::EventSourceMappingConfiguration::default()
    }
}

fn standing(mapping: &Mapping) -> &'static str {
    if mapping.enabled { "Enabled" } else { "Disabled" }
}

/// Refuses batches that a queue cannot give.
fn check_batch(source: &str, batch: i32, window: i32) -> Result<()> {
    if source.ends_with(".fifo") {
        if window > 0 {
            return Err(error::invalid("Batching window is not supported for FIFO queues."));
        }
        if batch > 10 {
            return Err(error::invalid("Batch size for FIFO queues must be between 1 and 10."));
        }
    }
    if batch > 10 && window == 0 {
        return Err(error::invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}

/// Looks at the queue with the function's role: it must be there, and the role must be able to take from it.
async fn check_queue(cx: &Cx, function: &Function, source: &str) -> Result<()> {
    let refused = |action: &str| {
        error::invalid(format!("The function execution role does not have permissions to call {action} on SQS"))
    };
    let Some(queue) = Arn::parse(source) else { return Err(error::invalid("The event source ARN is malformed.")) };
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let url = format!("http://{}/{}/{}", cx.kernel().settings().host, queue.account, queue.resource);
    let answer = role.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    let attributes = match answer {
        Ok(answer) => answer["Attributes"].clone(),
        Err(failure) => {
            return Err(match failure.code() {
                Some("AccessDenied") => refused("GetQueueAttributes"),
                Some("AWS.SimpleQueueService.NonExistentQueue") => error::invalid(
                    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
                ),
                _ => failure,
            });
        }
    };
    // Where the queue has no policy of its own, the role's policies alone decide, and can be asked before.
    if attributes.get("Policy").is_none() {
        for action in ["ReceiveMessage", "DeleteMessage"] {
            let access = Access::new(format!("sqs:{action}"), source).in_account(queue.account.clone());
            if role.denied(&access)?.is_some() {
                return Err(refused(action));
            }
        }
    }
    let hidden = attributes["VisibilityTimeout"].as_str().and_then(|v| v.parse::<i32>().ok());
    match hidden.filter(|seconds| *seconds < function.timeout) {
        Some(seconds) => Err(error::invalid(format!(
            "Queue visibility timeout: {seconds} seconds is less than Function timeout: {} seconds",
            function.timeout
        ))),
        None => Ok(()),
    }
}

pub(crate) async fn create(
    state: &Arc<State>,
    cx: &Cx,
    input: api::CreateEventSourceMappingInput,
) -> Result<api::CreateEventSourceMappingOutput> {
    let source = input.event_source_arn.ok_or_else(|| error::invalid("Event source ARN is required."))?;
    match Arn::parse(&source) {
        Some(arn) if arn.service == "sqs" => {}
        Some(arn) => return Err(Failure::not_built(format!("lambda event sources of {}", arn.service))),
        None => return Err(error::invalid("The event source ARN is malformed.")),
    }
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let function = name.find(cx, &cx.read())?;
    let mapping = Mapping {
        account: function.account.clone(),
        region: function.region.clone(),
        id: cx.random().uuid(),
        function: function.name.clone(),
        source,
        enabled: input.enabled != Some(false),
        batch: input.batch_size.unwrap_or(10),
        window: input.maximum_batching_window_in_seconds.unwrap_or(0),
        reports: input.function_response_types.is_some_and(|t| !t.is_empty()),
        most_at_once: input.scaling_config.and_then(|s| s.maximum_concurrency),
        modified: cx.now_millis(),
        tags: input.tags.unwrap_or_else(BTreeMap::new),
    };
    check::tags(&mapping.tags, 0)?;
    check_batch(&mapping.source, mapping.batch, mapping.window)?;
    check_queue(cx, &function, &mapping.source).await?;
    cx.write(|tx| {
        let there = MAPPINGS.all(tx, &(&mapping.account, &mapping.region))?;
        if let Some(same) = there.iter().find(|e| e.row.source == mapping.source && e.row.function == mapping.function) {
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
    poller::apply(state, cx.kernel(), &mapping);
    Ok(show(cx, &mapping, "Creating"))
}

pub(crate) async fn update(
    state: &Arc<State>,
    cx: &Cx,
    input: api::UpdateEventSourceMappingInput,
) -> Result<api::UpdateEventSourceMappingOutput> {
    let function = match &input.function_name {
        Some(name) => Some(FunctionName::parse(cx, name, None)?.find(cx, &cx.read())?),
        None => None,
    };
    let mapping = cx
        .write(|tx| {
            let mut mapping = find(cx, tx, &input.uuid)?;
            if let Some(function) = &function {
                mapping.function.clone_from(&function.name);
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
            check_batch(&mapping.source, mapping.batch, mapping.window)?;
            mapping.modified = cx.now_millis();
            mapping.put(tx);
            Ok(mapping)
        })
        .await?;
    poller::apply(state, cx.kernel(), &mapping);
    Ok(show(cx, &mapping, if mapping.enabled { "Updating" } else { "Disabling" }))
}

pub(crate) async fn delete(state: &Arc<State>, cx: &Cx, id: &str) -> Result<api::DeleteEventSourceMappingOutput> {
    let mapping = cx
        .write(|tx| {
            let mapping = find(cx, tx, id)?;
            MAPPINGS.delete(tx, &cx.key(id));
            Ok(mapping)
        })
        .await?;
    poller::stop(state, id);
    Ok(show(cx, &mapping, "Deleting"))
}

pub(crate) fn get(cx: &Cx, id: &str) -> Result<api::GetEventSourceMappingOutput> {
    let mapping = find(cx, &cx.read(), id)?;
    Ok(show(cx, &mapping, standing(&mapping)))
}

pub(crate) fn list(cx: &Cx, input: api::ListEventSourceMappingsInput) -> Result<api::ListEventSourceMappingsOutput> {
    let function = match &input.function_name {
        Some(name) => Some(FunctionName::parse(cx, name, None)?.find(cx, &cx.read())?.name),
        None => None,
    };
    let scope = format!("ListEventSourceMappings/{function:?}/{:?}", input.event_source_arn);
    let after = input
        .marker
        .map(|m| paging::position(&scope, &m).ok_or_else(|| error::invalid("Invalid Marker")))
        .transpose()?;
    let most = input.max_items.map_or(Ok(100), usize::try_from).map_err(Failure::broken)?.min(100);
    let chosen = |m: &Mapping| {
        function.as_ref().is_none_or(|f| m.function == *f)
            && input.event_source_arn.as_ref().is_none_or(|a| m.source == *a)
            && after.as_ref().is_none_or(|a| m.id > *a)
    };
    let mut rest = MAPPINGS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).filter(chosen);
    let page: Vec<Mapping> = rest.by_ref().take(most).collect();
    let next_marker = rest.next().and(page.last()).map(|m| paging::token(&scope, &m.id));
    let event_source_mappings = Some(page.iter().map(|m| show(cx, m, standing(m))).collect());
    Ok(api::ListEventSourceMappingsOutput { next_marker, event_source_mappings })
}

/// A message as a function's event shows it.
pub(crate) fn record(mapping: &Mapping, message: &Json) -> Json {
    let mut attributes = serde_json::Map::new();
    for (name, value) in message["MessageAttributes"].as_object().into_iter().flatten() {
        let mut shown = json!({"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]});
        for (from, to) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
            if let Some(found) = value.get(from) {
                shown[to] = found.clone();
            }
        }
        attributes.insert(name.clone(), shown);
    }
    let mut record = json!({
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
        "attributes": message["Attributes"], "messageAttributes": attributes, "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs", "eventSourceARN": mapping.source, "awsRegion": mapping.region,
    });
    if let Some(md5) = message.get("MD5OfMessageAttributes") {
        record["md5OfMessageAttributes"] = md5.clone();
    }
    record
}
