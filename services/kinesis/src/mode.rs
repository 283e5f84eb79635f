//! What a stream can take and how it spreads it: UpdateStreamMode, UpdateStreamWarmThroughput, UpdateMaxRecordSize and
//! UpdateStreamRecordDistributionStrategy.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::account::{self, Settings};
use crate::api::{self, errors, output};
use crate::name::StreamName;
use crate::stream::{Change, Layout, Status, Stream};
use crate::{error, reshard, settle};

pub(crate) const ON_DEMAND: &str = "ON_DEMAND";
pub(crate) const AUTO: &str = "AUTO";

/// The mode can be changed so often in a day.
const MODE_CHANGES: usize = 2;
/// The most that a stream can be asked to be ready for, in MiB a second.
const MOST_WARM: i32 = 10 * 1024;
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * 3_600_000;

/// The shards that take so many MiB a second.
pub(crate) fn shards_for(mebibytes: i32) -> u32 {
    u32::try_from(mebibytes).unwrap_or(0)
}

/// Whether a stream may be asked to be ready for a throughput.
pub(crate) fn check_warm(settings: &Settings, now: i64, on_demand: bool, wanted: Option<i32>) -> Result<()> {
    if !on_demand {
        let message = "WarmThroughputMiBps is only supported for data streams in ON_DEMAND mode.";
        return Err(errors::validation_exception(message).into());
    }
    if !settings.is_committed(now) {
        let message =
            "WarmThroughputMiBps is only supported for accounts that have MinimumThroughputBillingCommitment enabled.";
        return Err(errors::validation_exception(message).into());
    }
    if wanted.is_some_and(|wanted| wanted > MOST_WARM) {
        return Err(errors::limit_exceeded_exception(format!(
            "WarmThroughputMiBps cannot be greater than {MOST_WARM}."
        ))
        .into());
    }
    Ok(())
}

/// "Attempting to set AUTO on a provisioned stream results in an InvalidArgumentException."
pub(crate) fn check_distribution(distributes: bool, on_demand: bool) -> Result<()> {
    if distributes && !on_demand {
        let message = "RecordDistributionStrategy AUTO is only supported for data streams in ON_DEMAND mode.";
        return Err(error::invalid(message).into());
    }
    Ok(())
}

pub(crate) fn distribution(stream: &Stream) -> &'static str {
    if stream.distributes { AUTO } else { "USER_PARTITION_KEY" }
}

/// "This is only present for On-Demand Kinesis Data Streams in accounts that have MinimumThroughputBillingCommitment
/// enabled."
pub(crate) fn warm_throughput(
    stream: &Stream,
    settings: &Settings,
    now: i64,
    open: usize,
) -> Option<output::WarmThroughputObject> {
    let current = i32::try_from(open).ok()?;
    (stream.on_demand && settings.is_committed(now)).then(|| output::WarmThroughputObject {
        target_mi_bps: Some(stream.warm.unwrap_or(current)),
        current_mi_bps: Some(current),
    })
}

/// A stream on demand grows by itself to so many shards.
/// Source: "Quotas and limits" in the developer guide, 200 MiB a second.
const MOST_GROWN: u32 = 200;

/// Has a stream on demand grow to what is written to it, unless it changes just now.
pub(crate) async fn grow(cx: &Cx, name: &StreamName, wanted: u32) -> Result<()> {
    cx.write(|tx| {
        let mut stream = name.find(cx, tx)?;
        let (open, target) = (Layout::read(cx, tx, &stream)?.open().len(), wanted.min(MOST_GROWN));
        let grows = usize::try_from(target).is_ok_and(|target| target > open);
        if grows && stream.on_demand && stream.status == Status::Active {
            stream.status = Status::Updating(Change::Resize { target });
            settle::plan(cx, tx, &stream)?;
        }
        Ok(())
    })
    .await
}

/// Has a stream grow to what it was asked to be ready for.
fn warm_up(cx: &Cx, tx: &Tx<'_>, stream: &mut Stream, wanted: i32) -> Result<()> {
    stream.warm = Some(wanted);
    let (open, target) = (Layout::read(cx, tx, stream)?.open().len(), shards_for(wanted));
    let grows = usize::try_from(target).is_ok_and(|target| target > open);
    stream.status = Status::Updating(if grows { Change::Resize { target } } else { Change::Setting });
    Ok(())
}

/// Makes a provisioned stream one on demand, or the other way round. Its shards stay.
pub(crate) async fn update(cx: &Cx, input: api::UpdateStreamModeInput) -> Result<()> {
    let name = StreamName::from_arn(cx, &input.stream_arn)?;
    let (on_demand, now) = (input.stream_mode_details.stream_mode == ON_DEMAND, cx.now_millis());
    cx.write(|tx| {
        let mut stream = name.find_active(cx, tx)?;
        if input.warm_throughput_mi_bps.is_some() {
            check_warm(&account::settings(cx, tx)?, now, on_demand, input.warm_throughput_mi_bps)?;
        }
        stream.status = Status::Updating(Change::Setting);
        if on_demand != stream.on_demand {
            let often = reshard::note(&mut stream.changed.mode, now, DAY, MODE_CHANGES);
            if !often {
                let message = format!(
                    "Stream {} under account {} has been updated to switch between stream modes {MODE_CHANGES} times in the last 24 hours.",
                    name.name, name.account
                );
                return Err(errors::limit_exceeded_exception(message).into());
            }
            let open = Layout::read(cx, tx, &stream)?.open().len();
            match on_demand {
                true => account::check_streams(cx, tx, true)?,
                false => account::check_shards(cx, tx, u32::try_from(open).unwrap_or(u32::MAX))?,
            }
            stream.on_demand = on_demand;
            if !on_demand {
                (stream.warm, stream.distributes) = (None, false);
            }
        }
        if let Some(wanted) = input.warm_throughput_mi_bps {
            warm_up(cx, tx, &mut stream, wanted)?;
        }
        settle::plan(cx, tx, &stream)
    })
    .await
}

pub(crate) async fn update_warm_throughput(
    cx: &Cx,
    input: api::UpdateStreamWarmThroughputInput,
) -> Result<api::UpdateStreamWarmThroughputOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let shown = cx
        .write(|tx| {
            let mut stream = name.find_active(cx, tx)?;
            let settings = account::settings(cx, tx)?;
            check_warm(&settings, cx.now_millis(), stream.on_demand, Some(input.warm_throughput_mi_bps))?;
            warm_up(cx, tx, &mut stream, input.warm_throughput_mi_bps)?;
            settle::plan(cx, tx, &stream)?;
            let open = Layout::read(cx, tx, &stream)?.open().len();
            Ok(warm_throughput(&stream, &settings, cx.now_millis(), open))
        })
        .await?;
    Ok(api::UpdateStreamWarmThroughputOutput {
        stream_arn: Some(name.arn(cx)),
        stream_name: Some(name.name),
        warm_throughput: shown,
    })
}

pub(crate) async fn update_record_size(cx: &Cx, input: api::UpdateMaxRecordSizeInput) -> Result<()> {
    let name = StreamName::of(cx, None, input.stream_arn.as_deref())?;
    cx.write(|tx| {
        let mut stream = name.find_active(cx, tx)?;
        stream.max_record_kib = input.max_record_size_in_ki_b;
        stream.status = Status::Updating(Change::Setting);
        settle::plan(cx, tx, &stream)
    })
    .await
}

/// "The change takes effect immediately."
pub(crate) async fn update_distribution(
    cx: &Cx,
    input: api::UpdateStreamRecordDistributionStrategyInput,
) -> Result<()> {
    let name = StreamName::from_arn(cx, &input.stream_arn)?;
    cx.write(|tx| {
        let mut stream = name.find_active(cx, tx)?;
        let distributes = input.record_distribution_strategy == AUTO;
        check_distribution(distributes, stream.on_demand)?;
        stream.distributes = distributes;
        crate::stream::STREAMS.put(tx, &cx.key(&name.name), &stream);
        Ok(())
    })
    .await
}
