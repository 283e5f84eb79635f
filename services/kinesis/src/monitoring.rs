//! Which metrics are told of each shard: EnableEnhancedMonitoring and DisableEnhancedMonitoring.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::name::StreamName;
use crate::settle;
use crate::stream::{Change, Status};

/// What `ALL` means, in the order in which AWS tells it.
const ALL: &[&str] = &[
    "IncomingBytes",
    "OutgoingRecords",
    "IteratorAgeMilliseconds",
    "IncomingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
    "OutgoingBytes",
];

/// What was on, and what shall be.
struct Changed {
    name: StreamName,
    before: Vec<String>,
    after: Vec<String>,
}

async fn change(cx: &Cx, name: StreamName, named: &[String], on: bool) -> Result<Changed> {
    let meant = |metric: &str| named.iter().any(|n| n == metric || n == "ALL");
    let (before, after) = cx
        .write(|tx| {
            let mut stream = name.find_active(cx, tx)?;
            let is_on = |metric: &str| stream.monitored.iter().any(|m| m == metric);
            let after: Vec<String> = ALL
                .iter()
                .filter(|metric| if on { is_on(metric) || meant(metric) } else { is_on(metric) && !meant(metric) })
                .map(|metric| (*metric).to_owned())
                .collect();
            let before = std::mem::replace(&mut stream.monitored, after.clone());
            stream.status = Status::Updating(Change::Setting);
            settle::plan(cx, tx, &stream)?;
            Ok((before, after))
        })
        .await?;
    Ok(Changed { name, before, after })
}

pub(crate) async fn enable(
    cx: &Cx,
    input: api::EnableEnhancedMonitoringInput,
) -> Result<api::EnableEnhancedMonitoringOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(show(cx, change(cx, name, &input.shard_level_metrics, true).await?))
}

pub(crate) async fn disable(
    cx: &Cx,
    input: api::DisableEnhancedMonitoringInput,
) -> Result<api::DisableEnhancedMonitoringOutput> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    Ok(show(cx, change(cx, name, &input.shard_level_metrics, false).await?))
}

fn show(cx: &Cx, changed: Changed) -> api::EnableEnhancedMonitoringOutput {
    api::EnableEnhancedMonitoringOutput {
        stream_arn: Some(changed.name.arn(cx)),
        stream_name: Some(changed.name.name),
        current_shard_level_metrics: Some(changed.before),
        desired_shard_level_metrics: Some(changed.after),
    }
}
