//! The parameters of source, enrichment and target: how they are kept, and what is changed in them.

use serde::{Deserialize, Serialize};
use undercast_kernel::{Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::{input, kept};
use crate::error;
use crate::rows::Kept;

/// The name in the encryption context.
const CONTEXT: &str = "aws:pipe:arn";

/// All parameters of a pipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    pub(crate) source: kept::PipeSourceParameters,
    pub(crate) enrichment: kept::PipeEnrichmentParameters,
    pub(crate) target: kept::PipeTargetParameters,
}

impl Parameters {
    /// As they are kept: sealed, where there is a key.
    pub(crate) async fn keep(&self, cx: &Cx, pipe_arn: &str, key: Option<&str>) -> Result<Kept> {
        let json = serde_json::to_string(self).map_err(Failure::broken)?;
        let Some(key) = key else { return Ok(Kept::Plain(json)) };
        let sealed = undercast_sealing::seal(&cx.through(PRINCIPAL), key, (CONTEXT, pipe_arn), json.as_bytes()).await;
        Ok(Kept::Sealed(sealed.map_err(error::of_kms)?))
    }

    /// What was kept, for the role that `cx` has.
    pub(crate) async fn open(cx: &Cx, pipe_arn: &str, kept: &Kept) -> Result<Self> {
        let json = match kept {
            Kept::Plain(json) => json.as_bytes().to_vec(),
            Kept::Sealed(envelope) => undercast_sealing::open(cx, (CONTEXT, pipe_arn), envelope).await?,
        };
        serde_json::from_slice(&json).map_err(Failure::broken)
    }

    /// The same for whoever asks for the pipe.
    pub(crate) async fn open_for_caller(cx: &Cx, pipe_arn: &str, kept: &Kept) -> Result<Self> {
        Self::open(&cx.through(PRINCIPAL), pipe_arn, kept).await.map_err(error::of_kms)
    }

    /// Takes over what an update says of the source. What belongs to one service is changed as a whole, but for where a stream
    /// begins.
    pub(crate) fn change_source(&mut self, said: input::UpdatePipeSourceParameters) {
        let there = &mut self.source;
        there.filter_criteria = said.filter_criteria.or(there.filter_criteria.take());
        if let Some(said) = said.sqs_queue_parameters {
            there.sqs_queue_parameters = Some(kept::PipeSourceSqsQueueParameters {
                batch_size: said.batch_size,
                maximum_batching_window_in_seconds: said.maximum_batching_window_in_seconds,
            });
        }
        if let (Some(said), Some(there)) = (said.kinesis_stream_parameters, &mut there.kinesis_stream_parameters) {
            *there = kept::PipeSourceKinesisStreamParameters {
                batch_size: said.batch_size,
                dead_letter_config: said.dead_letter_config,
                on_partial_batch_item_failure: said.on_partial_batch_item_failure,
                maximum_batching_window_in_seconds: said.maximum_batching_window_in_seconds,
                maximum_record_age_in_seconds: said.maximum_record_age_in_seconds,
                maximum_retry_attempts: said.maximum_retry_attempts,
                parallelization_factor: said.parallelization_factor,
                starting_position: std::mem::take(&mut there.starting_position),
                starting_position_timestamp: there.starting_position_timestamp,
            };
        }
        if let (Some(said), Some(there)) = (said.dynamo_db_stream_parameters, &mut there.dynamo_db_stream_parameters) {
            *there = kept::PipeSourceDynamoDBStreamParameters {
                batch_size: said.batch_size,
                dead_letter_config: said.dead_letter_config,
                on_partial_batch_item_failure: said.on_partial_batch_item_failure,
                maximum_batching_window_in_seconds: said.maximum_batching_window_in_seconds,
                maximum_record_age_in_seconds: said.maximum_record_age_in_seconds,
                maximum_retry_attempts: said.maximum_retry_attempts,
                parallelization_factor: said.parallelization_factor,
                starting_position: std::mem::take(&mut there.starting_position),
            };
        }
    }

    /// Takes over what an update says of the enrichment.
    pub(crate) fn change_enrichment(&mut self, said: kept::PipeEnrichmentParameters) {
        self.enrichment.input_template = said.input_template.or(self.enrichment.input_template.take());
    }

    /// Takes over what an update says of the target. What belongs to one service is changed as a whole.
    pub(crate) fn change_target(&mut self, said: kept::PipeTargetParameters) {
        let there = std::mem::take(&mut self.target);
        self.target = kept::PipeTargetParameters {
            input_template: said.input_template.or(there.input_template),
            lambda_function_parameters: said.lambda_function_parameters.or(there.lambda_function_parameters),
            kinesis_stream_parameters: said.kinesis_stream_parameters.or(there.kinesis_stream_parameters),
            sqs_queue_parameters: said.sqs_queue_parameters.or(there.sqs_queue_parameters),
            event_bridge_event_bus_parameters: said
                .event_bridge_event_bus_parameters
                .or(there.event_bridge_event_bus_parameters),
            cloud_watch_logs_parameters: said.cloud_watch_logs_parameters.or(there.cloud_watch_logs_parameters),
        };
    }

    /// Another target has parameters of its own: but for the template, those of the target before go.
    pub(crate) fn leave_target(&mut self) {
        let input_template = self.target.input_template.take();
        self.target = kept::PipeTargetParameters { input_template, ..kept::PipeTargetParameters::default() };
    }

    /// The patterns of the filters.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let criteria = self.source.filter_criteria.as_ref().and_then(|criteria| criteria.filters.as_deref());
        criteria.unwrap_or_default().iter().filter_map(|filter| filter.pattern.clone()).collect()
    }
}

/// A template that was given. One without a letter takes the template away.
pub(crate) fn template(given: Option<&String>) -> Option<&str> {
    given.map(String::as_str).filter(|template| !template.is_empty())
}
