//! StartLogging, StopLogging and what became of it.

use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::name::{find, find_own};
use crate::rows::{STATUS, TRAILS, Trail, Tried, moment};
use crate::{CloudTrail, deliver, digest, recorder};

pub(crate) async fn start(service: &CloudTrail, cx: &Cx, given: &str) -> Result<()> {
    set(service, cx, given, true).await
}

pub(crate) async fn stop(service: &CloudTrail, cx: &Cx, given: &str) -> Result<()> {
    set(service, cx, given, false).await
}

async fn set(service: &CloudTrail, cx: &Cx, given: &str, logging: bool) -> Result<()> {
    find_own(cx, &cx.read(), given)?;
    // What came before is logged, or not, as it was then.
    service.recorder.settle().await;
    cx.write(|tx| {
        let (name, trail) = find_own(cx, tx, given)?;
        if trail.logging == logging {
            return Ok(());
        }
        let mut status = STATUS.get(tx, &name.key())?.unwrap_or_default();
        *(if logging { &mut status.started } else { &mut status.stopped }) = Some(cx.now_millis());
        STATUS.put(tx, &name.key(), &status);
        let trail = Trail { logging, ..trail };
        TRAILS.put(tx, &name.key(), &trail);
        digest::schedule_if_wanted(cx, tx, &trail, true)?;
        if logging { Ok(()) } else { deliver::hurry(cx, tx, &name) }
    })
    .await?;
    recorder::flag_data(cx.kernel())
}

/// `2026-11-27T19:30:00Z`; nothing is a text of no letters.
fn said(at: Option<i64>) -> String {
    let shown = |at: i64| text::timestamp(moment(at.div_euclid(1000) * 1000), TimestampFormat::Iso8601);
    at.map_or_else(String::new, shown)
}

fn error(tried: &Tried) -> Option<String> {
    tried.error.clone()
}

pub(crate) async fn status(
    service: &CloudTrail,
    cx: &Cx,
    input: &api::GetTrailStatusInput,
) -> Result<api::GetTrailStatusOutput> {
    service.recorder.settle().await;
    let from = cx.read();
    let (name, trail) = find(cx, &from, &input.name)?;
    let status = STATUS.get(&from, &name.key())?.unwrap_or_default();
    Ok(api::GetTrailStatusOutput {
        is_logging: Some(trail.logging),
        latest_delivery_error: error(&status.files),
        latest_notification_error: error(&status.notifications),
        latest_delivery_time: status.files.success.map(moment),
        latest_notification_time: status.notifications.success.map(moment),
        start_logging_time: status.started.map(moment),
        stop_logging_time: status.stopped.map(moment),
        latest_cloud_watch_logs_delivery_error: error(&status.logs),
        latest_cloud_watch_logs_delivery_time: status.logs.success.map(moment),
        latest_digest_delivery_time: status.digests.success.map(moment),
        latest_digest_delivery_error: error(&status.digests),
        latest_delivery_attempt_time: Some(said(status.files.attempt)),
        latest_notification_attempt_time: Some(said(status.notifications.attempt)),
        latest_notification_attempt_succeeded: Some(said(status.notifications.success)),
        latest_delivery_attempt_succeeded: Some(said(status.files.success)),
        time_logging_started: Some(said(status.started)),
        time_logging_stopped: Some(said(status.stopped)),
    })
}
