//! What a pipe may say: sources, enrichments, targets, and what they are told.
//!
//! Source: "Amazon EventBridge Pipes sources", "… targets" and "… batching and concurrency" in the user guide.

use std::time::Duration;

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Failure, Result};
use undercast_pattern::Pattern;
use undercast_sources::{Kind, Settings, Start, Streaming};

use crate::api::kept;
use crate::error::validation;
use crate::parameters::{Parameters, template};
use crate::rows::Pipe;
use crate::template as templates;

/// A batch has so many where nobody says it: of messages, of records.
const MESSAGES: i32 = 10;
const RECORDS: i32 = 100;
/// A batch of more messages than so many needs time to fill.
const AT_ONCE: i32 = 10;
/// So many batches of a queue at a time.
const CONCURRENCY: usize = 5;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Function,
    Queue,
    Topic,
    Stream,
    Delivery,
    Bus,
    LogGroup,
}

impl Target {
    /// Of a target's ARN.
    pub(crate) fn of(arn: &Arn) -> Result<Self> {
        let kind = match (arn.service.as_str(), arn.resource.split([':', '/']).next()) {
            ("lambda", Some("function")) => Self::Function,
            ("sqs", _) => Self::Queue,
            ("sns", _) => Self::Topic,
            ("kinesis", Some("stream")) => Self::Stream,
            ("firehose", Some("deliverystream")) => Self::Delivery,
            ("events", Some("event-bus")) => Self::Bus,
            ("logs", Some("log-group")) => Self::LogGroup,
            ("lambda" | "kinesis" | "firehose" | "logs", _) => {
                return Err(validation(format!("The target {arn} is not supported.")));
            }
            (other, _) => return Err(Failure::not_built(format!("pipes targets of {other}"))),
        };
        Ok(kind)
    }

    /// The service that is called, as it is called here.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Function => "lambda",
            Self::Queue => "sqs",
            Self::Topic => "sns",
            Self::Stream => "kinesis",
            Self::Delivery => "firehose",
            Self::Bus => "events",
            Self::LogGroup => "logs",
        }
    }

    /// The largest batch that it takes.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Queue | Self::Topic | Self::Bus => 10,
            Self::Stream | Self::Delivery => 500,
            Self::Function | Self::LogGroup => 10_000,
        }
    }
}

/// The kind of a source.
pub(crate) fn source_kind(source: &str) -> Result<Kind> {
    if source.starts_with("smk://") {
        return Err(Failure::not_built("pipes sources of Kafka"));
    }
    let arn = parsed(source)?;
    match (Kind::of(&arn), arn.service.as_str()) {
        (Some(kind), _) => Ok(kind),
        (None, "dynamodb" | "kinesis") => Err(validation(format!("The source {source} is not supported."))),
        (None, service) => Err(Failure::not_built(format!("pipes sources of {service}"))),
    }
}

pub(crate) fn parsed(arn: &str) -> Result<Arn> {
    Arn::parse(arn).ok_or_else(|| validation(format!("{arn} is not an ARN.")))
}

/// Refuses a pipe that cannot be, or that nobody here can run.
pub(crate) fn check(cx: &Cx, pipe: &Pipe, parameters: &Parameters) -> Result<()> {
    let kind = source_kind(&pipe.source)?;
    check_source(kind, parameters)?;
    for pattern in parameters.patterns() {
        Pattern::parse(&pattern).map_err(|why| validation(format!("Invalid filter pattern: {why}")))?;
    }
    let enriched = pipe.enrichment.as_deref().map(parsed).transpose()?;
    if let Some(arn) = &enriched
        && (arn.service != "lambda" || !arn.resource.starts_with("function:"))
    {
        return Err(Failure::not_built(format!("pipes enrichments of {}", arn.service)));
    }
    let arn = parsed(&pipe.target)?;
    let target = Target::of(&arn)?;
    check_target(target, &arn, &parameters.target)?;
    let taken = settings(pipe, parameters)?;
    if taken.batch > target.most() {
        return Err(validation(format!(
            "The batch size {} is larger than the largest that the target supports: {}.",
            taken.batch,
            target.most()
        )));
    }
    for text in
        [template(parameters.enrichment.input_template.as_ref()), template(parameters.target.input_template.as_ref())]
    {
        text.map_or(Ok(()), templates::check).map_err(validation)?;
    }
    let services = [Some(kind.api()), enriched.is_some().then_some("lambda"), Some(target.service())];
    match services.into_iter().flatten().find(|name| cx.kernel().service(name).is_none()) {
        Some(name) => Err(Failure::not_built(format!("the service {name}"))),
        None => Ok(()),
    }
}

/// The parameters must be those of the source.
fn check_source(kind: Kind, parameters: &Parameters) -> Result<()> {
    let source = &parameters.source;
    let said = [
        (source.sqs_queue_parameters.is_some(), Kind::Queue, "SqsQueueParameters"),
        (source.kinesis_stream_parameters.is_some(), Kind::Kinesis, "KinesisStreamParameters"),
        (source.dynamo_db_stream_parameters.is_some(), Kind::Table, "DynamoDBStreamParameters"),
    ];
    for (given, of, name) in said {
        if given && of != kind {
            return Err(validation(format!("{name} is not supported for the source of this pipe.")));
        }
        if !given && of == kind && kind != Kind::Queue {
            return Err(validation(format!("{name} must be specified for the source of this pipe.")));
        }
    }
    if let Some(stream) = &source.kinesis_stream_parameters
        && (stream.starting_position == "AT_TIMESTAMP") != stream.starting_position_timestamp.is_some()
    {
        return Err(validation("StartingPositionTimestamp is needed for AT_TIMESTAMP, and for nothing else."));
    }
    Ok(())
}

/// The parameters must be those of the target.
fn check_target(kind: Target, arn: &Arn, target: &kept::PipeTargetParameters) -> Result<()> {
    let said = [
        (target.lambda_function_parameters.is_some(), Target::Function, "LambdaFunctionParameters"),
        (target.sqs_queue_parameters.is_some(), Target::Queue, "SqsQueueParameters"),
        (target.kinesis_stream_parameters.is_some(), Target::Stream, "KinesisStreamParameters"),
        (target.event_bridge_event_bus_parameters.is_some(), Target::Bus, "EventBridgeEventBusParameters"),
        (target.cloud_watch_logs_parameters.is_some(), Target::LogGroup, "CloudWatchLogsParameters"),
    ];
    if let Some((.., name)) = said.iter().find(|(given, of, _)| *given && *of != kind) {
        return Err(validation(format!("{name} is not supported for the target of this pipe.")));
    }
    let is_missing = match kind {
        Target::Stream => target.kinesis_stream_parameters.is_none().then_some("KinesisStreamParameters"),
        Target::LogGroup => {
            let named = target.cloud_watch_logs_parameters.as_ref().is_some_and(|p| p.log_stream_name.is_some());
            (!named).then_some("CloudWatchLogsParameters.LogStreamName")
        }
        Target::Queue if arn.resource.ends_with(".fifo") => {
            let grouped = target.sqs_queue_parameters.as_ref().is_some_and(|p| p.message_group_id.is_some());
            (!grouped).then_some("SqsQueueParameters.MessageGroupId")
        }
        _ => None,
    };
    match is_missing {
        Some(name) => Err(validation(format!("{name} must be specified for the target of this pipe."))),
        None => Ok(()),
    }
}

/// How the source of a pipe is taken from.
pub(crate) fn settings(pipe: &Pipe, parameters: &Parameters) -> Result<Settings> {
    let kind = source_kind(&pipe.source)?;
    let most = i32::try_from(Target::of(&parsed(&pipe.target)?)?.most()).unwrap_or(RECORDS);
    let source = &parameters.source;
    let (batch, window, streaming) = match kind {
        Kind::Queue => {
            let said = source.sqs_queue_parameters.as_ref();
            let batch = said.and_then(|p| p.batch_size).unwrap_or(MESSAGES);
            let window = said.and_then(|p| p.maximum_batching_window_in_seconds).unwrap_or(0);
            check_queue(&pipe.source, batch, window)?;
            (batch, window, None)
        }
        Kind::Kinesis => {
            let said = source.kinesis_stream_parameters.as_ref();
            let streaming = said.map(|p| kinesis(pipe, p));
            let window = said.and_then(|p| p.maximum_batching_window_in_seconds).unwrap_or(0);
            (said.and_then(|p| p.batch_size).unwrap_or(RECORDS.min(most)), window, streaming)
        }
        Kind::Table => {
            let said = source.dynamo_db_stream_parameters.as_ref();
            let streaming = said.map(|p| table(pipe, p));
            let window = said.and_then(|p| p.maximum_batching_window_in_seconds).unwrap_or(0);
            (said.and_then(|p| p.batch_size).unwrap_or(RECORDS.min(most)), window, streaming)
        }
    };
    Ok(Settings {
        source: pipe.source.clone(),
        batch: usize::try_from(batch).unwrap_or(1),
        window: Duration::from_secs(u64::try_from(window).unwrap_or(0)),
        at_once: CONCURRENCY,
        streaming,
    })
}

fn check_queue(source: &str, batch: i32, window: i32) -> Result<()> {
    if source.ends_with(".fifo") {
        if window > 0 {
            return Err(validation("Batching window is not supported for FIFO queues."));
        }
        if batch > AT_ONCE {
            return Err(validation("Batch size for FIFO queues must be between 1 and 10."));
        }
    } else if batch > AT_ONCE && window == 0 {
        return Err(validation(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}

fn kinesis(pipe: &Pipe, said: &kept::PipeSourceKinesisStreamParameters) -> Streaming {
    let start = match (said.starting_position.as_str(), said.starting_position_timestamp) {
        ("TRIM_HORIZON", _) => Start::Horizon,
        (_, Some(at)) => Start::At(at.as_millisecond()),
        (_, None) => Start::At(pipe.created),
    };
    Streaming {
        start,
        bisect: said.on_partial_batch_item_failure.is_some(),
        most_age: said.maximum_record_age_in_seconds.unwrap_or(-1),
        most_retries: said.maximum_retry_attempts.unwrap_or(-1),
        parallel: usize::try_from(said.parallelization_factor.unwrap_or(1)).unwrap_or(1),
        tumbling: 0,
    }
}

fn table(pipe: &Pipe, said: &kept::PipeSourceDynamoDBStreamParameters) -> Streaming {
    let start = if said.starting_position == "TRIM_HORIZON" { Start::Horizon } else { Start::At(pipe.created) };
    Streaming {
        start,
        bisect: said.on_partial_batch_item_failure.is_some(),
        most_age: said.maximum_record_age_in_seconds.unwrap_or(-1),
        most_retries: said.maximum_retry_attempts.unwrap_or(-1),
        parallel: usize::try_from(said.parallelization_factor.unwrap_or(1)).unwrap_or(1),
        tumbling: 0,
    }
}

/// The queue or the topic that is told of records that are given up.
pub(crate) fn dead_letters(parameters: &Parameters) -> Option<&str> {
    let source = &parameters.source;
    let of_kinesis = source.kinesis_stream_parameters.as_ref().and_then(|p| p.dead_letter_config.as_ref());
    let of_table = source.dynamo_db_stream_parameters.as_ref().and_then(|p| p.dead_letter_config.as_ref());
    of_kinesis.or(of_table)?.arn.as_deref()
}
