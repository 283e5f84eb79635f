//! DescribeStream, DescribeStreamSummary and ListStreams.

use undercast_kernel::store::{Order, Read};
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, output};
use crate::consumers::CONSUMERS;
use crate::name::StreamName;
use crate::stream::{STREAMS, Shard, Stream, moment, shard_name, shard_number};
use crate::{Kinesis, account, error, mode, settle};

/// Shards or streams of one page where nothing else is said, and the most of DescribeStream.
const PAGE: i32 = 100;

/// A shard, as answers tell it.
pub(crate) fn show(shard: &Shard) -> output::Shard {
    output::Shard {
        shard_id: shard_name(shard.number),
        parent_shard_id: shard.parent.map(shard_name),
        adjacent_parent_shard_id: shard.adjacent.map(shard_name),
        hash_key_range: range(shard),
        sequence_number_range: output::SequenceNumberRange {
            starting_sequence_number: shard.first_sequence().to_string(),
            ending_sequence_number: shard.last_sequence().map(|last| last.to_string()),
        },
    }
}

pub(crate) fn range(shard: &Shard) -> output::HashKeyRange {
    output::HashKeyRange { starting_hash_key: shard.from.to_string(), ending_hash_key: shard.to.to_string() }
}

/// The shards of which something may still be read, by number.
pub(crate) fn visible(service: &Kinesis, cx: &Cx, from: &impl Read, stream: &Stream) -> Result<Vec<Shard>> {
    let (layout, horizon) = (service.layouts.get(cx, from, stream)?, stream.horizon(cx.now_millis()));
    let kept = layout.shards.iter().filter(|shard| shard.closed.is_none_or(|closed| closed > horizon));
    Ok(kept.cloned().collect())
}

fn monitoring(stream: &Stream) -> Vec<output::EnhancedMetrics> {
    vec![output::EnhancedMetrics { shard_level_metrics: Some(stream.monitored.clone()) }]
}

fn encryption(stream: &Stream) -> Option<String> {
    Some(if stream.key.is_some() { "KMS" } else { "NONE" }.to_owned())
}

pub(crate) fn mode_details(stream: &Stream) -> Option<output::StreamModeDetails> {
    Some(output::StreamModeDetails { stream_mode: stream.mode().to_owned() })
}

pub(crate) async fn stream(
    service: &Kinesis,
    cx: &Cx,
    input: api::DescribeStreamInput,
) -> Result<api::DescribeStreamOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let cx = &*settle::wait_settled(cx, &name).await?;
    let from = cx.read();
    let stream = name.find(cx, &from)?;
    let after = match &input.exclusive_start_shard_id {
        Some(given) => Some(shard_number(given).ok_or_else(|| error::shard_not_found(&name, given))?),
        None => None,
    };
    let mut shards = visible(service, cx, &from, &stream)?;
    shards.retain(|shard| after.is_none_or(|after| shard.number > after));
    let limit = usize::try_from(input.limit.unwrap_or(PAGE).min(PAGE)).unwrap_or(1);
    let has_more_shards = shards.len() > limit;
    shards.truncate(limit);
    Ok(api::DescribeStreamOutput {
        stream_description: output::StreamDescription {
            stream_name: stream.name.clone(),
            stream_arn: stream.arn(cx),
            stream_status: stream.status.name().to_owned(),
            stream_mode_details: mode_details(&stream),
            shards: shards.iter().map(show).collect(),
            has_more_shards,
            retention_period_hours: stream.retention_hours,
            stream_creation_timestamp: moment(stream.created),
            enhanced_monitoring: monitoring(&stream),
            encryption_type: encryption(&stream),
            key_id: stream.key.clone(),
        },
    })
}

pub(crate) async fn summary(
    service: &Kinesis,
    cx: &Cx,
    input: api::DescribeStreamSummaryInput,
) -> Result<api::DescribeStreamSummaryOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let cx = &*settle::wait_settled(cx, &name).await?;
    let from = cx.read();
    let stream = name.find(cx, &from)?;
    let settings = account::settings(cx, &from)?;
    let open = service.layouts.get(cx, &from, &stream)?.open().len();
    let consumers = CONSUMERS.all(&from, &stream.place(cx))?.len();
    Ok(api::DescribeStreamSummaryOutput {
        stream_description_summary: output::StreamDescriptionSummary {
            stream_name: stream.name.clone(),
            stream_arn: stream.arn(cx),
            stream_id: None,
            stream_status: stream.status.name().to_owned(),
            stream_mode_details: mode_details(&stream),
            retention_period_hours: stream.retention_hours,
            stream_creation_timestamp: moment(stream.created),
            enhanced_monitoring: monitoring(&stream),
            encryption_type: encryption(&stream),
            key_id: stream.key.clone(),
            open_shard_count: i32::try_from(open).unwrap_or(i32::MAX),
            consumer_count: i32::try_from(consumers).ok(),
            warm_throughput: mode::warm_throughput(&stream, &settings, cx.now_millis(), open),
            max_record_size_in_ki_b: Some(stream.max_record_kib),
            channel_count: None,
            record_distribution_strategy: stream.on_demand.then(|| mode::distribution(&stream).to_owned()),
            queue_count: None,
        },
    })
}

/// The streams of the account in the region, by name.
pub(crate) fn list(cx: &Cx, input: api::ListStreamsInput) -> Result<api::ListStreamsOutput> {
    const LIST: &str = "kinesis.ListStreams";
    let after = match (&input.next_token, input.exclusive_start_stream_name) {
        (Some(token), None) => Some(error::read_token(cx, LIST, token)?),
        (Some(_), Some(_)) => {
            let message = "NextToken and ExclusiveStartStreamName cannot be provided together.";
            return Err(error::invalid(message).into());
        }
        (None, after) => after,
    };
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let after = after.as_ref().map(|name| (cx.account(), cx.region(), name.as_str()));
    let from = cx.read();
    let mut rows = STREAMS.page(&from, &(cx.account(), cx.region()), after.as_ref(), Order::Ascending, limit + 1)?;
    let has_more_streams = rows.len() > limit;
    rows.truncate(limit);
    let summaries = rows.iter().map(|entry| output::StreamSummary {
        stream_name: entry.row.name.clone(),
        stream_arn: entry.row.arn(cx),
        stream_status: entry.row.status.name().to_owned(),
        stream_mode_details: mode_details(&entry.row),
        stream_creation_timestamp: Some(moment(entry.row.created)),
    });
    let last = rows.last().filter(|_| has_more_streams);
    let expires = cx.now_millis() + error::TOKEN_LIFE;
    Ok(api::ListStreamsOutput {
        next_token: last.map(|entry| paging::token(LIST, &format!("{expires}/{}", entry.row.name))),
        stream_summaries: Some(summaries.collect()),
        stream_names: rows.iter().map(|entry| entry.row.name.clone()).collect(),
        has_more_streams,
    })
}
