//! What an account may have in a region, and what it has chosen: DescribeLimits, DescribeAccountSettings and
//! UpdateAccountSettings.

use std::collections::HashSet;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::stream::{SHARDS, STREAMS, moment};

/// Account, region → what it has chosen.
static SETTINGS: Table<Settings> = Table::new("kinesis.settings");

/// Streams on demand that an account may have in a region.
const MOST_ON_DEMAND: usize = 50;
/// A commitment lasts at least so long, in milliseconds.
const COMMITMENT: i64 = 24 * 3_600_000;

/// What an account has chosen: when its last commitment to a minimum of throughput began, and when it ends or ended, in
/// milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Settings {
    #[n(0)]
    started: Option<i64>,
    #[n(1)]
    ends: Option<i64>,
}

impl Settings {
    /// Whether the account is committed to a minimum of throughput, which AWS calls On-demand Advantage.
    pub(crate) fn is_committed(&self, now: i64) -> bool {
        self.started.is_some() && self.ends.is_none_or(|ends| now < ends)
    }

    fn show(&self, now: i64) -> output::MinimumThroughputBillingCommitmentOutput {
        let committed = self.is_committed(now);
        let status = match (committed, self.ends) {
            (true, None) => "ENABLED",
            (true, Some(_)) => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
            (false, _) => "DISABLED",
        };
        output::MinimumThroughputBillingCommitmentOutput {
            status: status.to_owned(),
            started_at: self.started.map(moment),
            ended_at: self.ends.filter(|_| !committed).map(moment),
            earliest_allowed_end_at: self.started.filter(|_| committed).map(|started| moment(started + COMMITMENT)),
        }
    }
}

pub(crate) fn settings(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Settings> {
    Ok(SETTINGS.get(from, &(cx.account(), cx.region()))?.unwrap_or_default())
}

pub(crate) fn describe_settings(cx: &Cx) -> Result<api::DescribeAccountSettingsOutput> {
    let shown = settings(cx, &cx.read())?.show(cx.now_millis());
    Ok(api::DescribeAccountSettingsOutput { minimum_throughput_billing_commitment: Some(shown) })
}

/// Begins a commitment, or ends one as soon as it may end.
pub(crate) async fn update_settings(
    cx: &Cx,
    input: api::UpdateAccountSettingsInput,
) -> Result<api::UpdateAccountSettingsOutput> {
    let enable = input.minimum_throughput_billing_commitment.status == "ENABLED";
    let now = cx.now_millis();
    let settings = cx
        .write(|tx| {
            let mut settings = settings(cx, tx)?;
            match (enable, settings.is_committed(now)) {
                // To enable what is about to end is to take the end back.
                (true, true) => settings.ends = None,
                (true, false) => settings = Settings { started: Some(now), ends: None },
                (false, true) => {
                    let earliest = settings.started.unwrap_or(now) + COMMITMENT;
                    settings.ends = Some(earliest.max(now));
                }
                (false, false) => {}
            }
            SETTINGS.put(tx, &(cx.account(), cx.region()), &settings);
            Ok(settings)
        })
        .await?;
    Ok(api::UpdateAccountSettingsOutput { minimum_throughput_billing_commitment: Some(settings.show(now)) })
}

/// The default quota of shards, by region.
/// Source: "Quotas and limits" in the developer guide.
pub(crate) fn shard_limit(region: &str) -> u32 {
    match region {
        "us-east-1" | "us-west-2" | "eu-west-1" => 20_000,
        _ => 1_000,
    }
}

/// Open shards of provisioned streams, and streams on demand.
fn counts(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<(u32, usize)> {
    let streams = STREAMS.all(from, &(cx.account(), cx.region()))?;
    let on_demand: HashSet<u64> = streams.iter().filter(|e| e.row.on_demand).map(|e| e.row.id).collect();
    let mut open = 0;
    for entry in SHARDS.all(from, &(cx.account(), cx.region()))?.iter().filter(|e| e.row.is_open()) {
        let id = entry.key::<(String, String, u64)>().map(|(_, _, id)| id);
        open += u32::from(id.is_some_and(|id| !on_demand.contains(&id)));
    }
    Ok((open, on_demand.len()))
}

pub(crate) fn describe_limits(cx: &Cx) -> Result<api::DescribeLimitsOutput> {
    let (open, on_demand) = counts(cx, &cx.read())?;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    Ok(api::DescribeLimitsOutput {
        shard_limit: count(shard_limit(cx.region())),
        open_shard_count: count(open),
        on_demand_stream_count: i32::try_from(on_demand).unwrap_or(i32::MAX),
        on_demand_stream_count_limit: i32::try_from(MOST_ON_DEMAND).unwrap_or(i32::MAX),
        channel_count: None,
        channel_count_limit: None,
    })
}

/// Refuses so many more open shards than the account may have.
pub(crate) fn check_shards(cx: &Cx, tx: &Tx<'_>, more: u32) -> Result<()> {
    let (open, _) = counts(cx, tx)?;
    let limit = shard_limit(cx.region());
    if open.saturating_add(more) <= limit {
        return Ok(());
    }
    let (account, region) = (cx.account(), cx.region());
    let message = format!(
        "This request would exceed the shard limit for the account {account} in {region}. Current shard count for the account: {open}. Limit: {limit}. Number of additional shards that would have resulted from this request: {more}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
    );
    Err(errors::limit_exceeded_exception(message).into())
}

/// Refuses one more stream on demand than the account may have.
pub(crate) fn check_streams(cx: &Cx, tx: &Tx<'_>, on_demand: bool) -> Result<()> {
    if on_demand && counts(cx, tx)?.1 >= MOST_ON_DEMAND {
        let message = format!(
            "This request would exceed the limit of {MOST_ON_DEMAND} on-demand streams for the account {} in {}.",
            cx.account(),
            cx.region()
        );
        return Err(errors::limit_exceeded_exception(message).into());
    }
    Ok(())
}
