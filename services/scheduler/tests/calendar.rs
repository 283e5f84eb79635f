//! When schedules are due: rates, moments, calendars with their changes of offset, dates, windows.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use proptest::prelude::*;
use serde_json::json;
use undercast_kernel::schedule::Schedule;

use super::*;

#[tokio::test]
async fn a_rate_begins_at_once_and_goes_on() {
    let (cloud, client, url) = noon().await;
    create(&client, "rate(5 minutes)", json!({})).await;
    pass(&cloud, 10 * 60).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z", "2026-03-01T12:10:00Z"]);
    pass(&cloud, 5 * 60 - 1).await;
    assert!(bodies(&client, &url).await.is_empty());
    pass(&cloud, 1).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T12:15:00Z"]);
}

#[tokio::test]
async fn a_rate_has_a_start_and_an_end() {
    let (cloud, client, url) = noon().await;
    let dates = json!({"StartDate": "2026-03-01T12:30:00Z", "EndDate": "2026-03-01T13:30:00Z"});
    create(&client, "rate(30 minutes)", dates).await;
    pass(&cloud, 29 * 60).await;
    assert!(bodies(&client, &url).await.is_empty());
    pass(&cloud, 3 * 3600).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T12:30:00Z", "2026-03-01T13:00:00Z", "2026-03-01T13:30:00Z"]);
    // It is over, and stays.
    assert_eq!(ok(&client, "GetSchedule", json!({"Name": "s"})).await["State"], "ENABLED");
}

#[tokio::test]
async fn a_moment_comes_once_in_its_zone_whatever_the_dates_say() {
    let (cloud, client, url) = noon().await;
    let more = json!({"ScheduleExpressionTimezone": "America/New_York", "StartDate": "2026-04-01T00:00:00Z", "EndDate": "2020-01-01T00:00:00Z"});
    create(&client, "at(2026-03-01T08:00:00)", more).await;
    pass(&cloud, 2 * 86_400).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-01T13:00:00Z"]);
    // What has passed never comes.
    create(&client, "at(2026-03-01T08:00:00)", json!({"Name": "late"})).await;
    pass(&cloud, 86_400).await;
    assert!(bodies(&client, &url).await.is_empty());
}

#[tokio::test]
async fn what_is_left_out_in_spring_is_skipped_and_what_comes_twice_in_autumn_is_done_once() {
    let (cloud, client, url) = at("2026-03-27T12:00:00Z").await;
    let zone = json!({"ScheduleExpressionTimezone": "Europe/Berlin"});
    create(&client, "cron(30 2 * * ? *)", zone.clone()).await;
    pass(&cloud, 4 * 86_400).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]);
    let (cloud, client, url) = at("2026-10-24T12:00:00Z").await;
    create(&client, "cron(30 2 * * ? *)", zone).await;
    pass(&cloud, 2 * 86_400).await;
    assert_eq!(bodies(&client, &url).await, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
}

#[tokio::test]
async fn days_of_a_rate_have_24_hours() {
    let (cloud, client, url) = at("2026-03-28T12:00:00Z").await;
    create(&client, "rate(1 day)", json!({"ScheduleExpressionTimezone": "Europe/Berlin"})).await;
    pass(&cloud, 2 * 86_400).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"]);
}

#[tokio::test]
async fn a_flexible_window_spreads_invocations_over_itself() {
    let (cloud, client, url) = noon().await;
    let more = json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10}});
    create(&client, "cron(0 * * * ? *)", more).await;
    let mut minutes = BTreeSet::new();
    for hour in 1..=24u32 {
        pass(&cloud, if hour == 1 { 3600 } else { 3600 - 10 * 60 }).await;
        for minute in 0..10 {
            pass(&cloud, 60).await;
            if !bodies(&client, &url).await.is_empty() {
                minutes.insert(minute);
                assert_eq!(counted(&cloud, &client, "default", "InvocationAttemptCount").await, f64::from(hour));
            }
        }
    }
    assert!(minutes.len() > 3, "{minutes:?}");
}

#[tokio::test]
async fn what_was_due_while_nobody_looked_is_done_once_each_unless_it_is_too_old() {
    let (cloud, client, url) = noon().await;
    create(&client, "rate(1 hour)", json!({"Target": {"RetryPolicy": {"MaximumEventAgeInSeconds": 4 * 3600}}})).await;
    pass(&cloud, 0).await;
    assert_eq!(bodies(&client, &url).await.len(), 1);
    // The clock jumps, as it does for a machine that slept.
    cloud.kernel.clock().set("2026-03-02T12:30:00Z".parse().unwrap());
    pass(&cloud, 1).await;
    let wanted = ["2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z"];
    assert_eq!(bodies(&client, &url).await, wanted);
    assert_eq!(counted(&cloud, &client, "default", "InvocationDroppedCount").await, 1.0);
    // Back again: what was done is not done a second time.
    cloud.kernel.clock().set("2026-03-02T08:30:00Z".parse().unwrap());
    pass(&cloud, 5 * 3600 + 1800).await;
    assert_eq!(bodies(&client, &url).await, ["2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"]);
}

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Gaza",
];

proptest! {
    /// A calendar that names one time of each day is due on each day that has this time, once, at its first coming; and
    /// on no other.
    #[test]
    fn each_day_has_a_time_at_most_once(zone in 0..ZONES.len(), hour in 0i8..24, minute in 0i8..60, from in 0i64..(60 * 365 * 86_400)) {
        let name = ZONES[zone];
        let zone = TimeZone::get(name).unwrap();
        let timing = Schedule::parse_for_scheduler(&format!("cron({minute} {hour} * * ? *)"), Some(name)).unwrap();
        let mut after = Timestamp::from_second(from).unwrap();
        let mut day = zone.to_datetime(after).date();
        for _ in 0..40 {
            let next = timing.next(after, after).unwrap();
            // What AWS says, by the days and by jiff's own arithmetic of zones.
            let wanted = loop {
                let meant = zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
                let there = !matches!(meant.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
                let moment = meant.earlier().unwrap();
                day = day.tomorrow().unwrap();
                if there && moment > after {
                    break moment;
                }
            };
            prop_assert_eq!(next, wanted, "{} {}:{} after {}", name, hour, minute, after);
            let local = zone.to_datetime(next);
            prop_assert_eq!((local.hour(), local.minute()), (hour, minute));
            after = next;
        }
    }

    /// Whatever the calendar says, moments come in order, and each is one that it names.
    #[test]
    fn moments_come_in_order(zone in 0..ZONES.len(), minutes in prop::collection::btree_set(0i8..60, 1..4), hours in prop::collection::btree_set(0i8..24, 1..4), year in 1990i16..2037, month in 1i8..=12) {
        let name = ZONES[zone];
        let zone = TimeZone::get(name).unwrap();
        let list = |all: &BTreeSet<i8>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let timing = Schedule::parse_for_scheduler(&format!("cron({} {} * * ? *)", list(&minutes), list(&hours)), Some(name)).unwrap();
        let mut after = zone.to_timestamp(civil::date(year, month, 1).at(0, 0, 0, 0)).unwrap();
        for _ in 0..60 {
            let next = timing.next(after, after).unwrap();
            prop_assert!(next > after);
            let local = zone.to_datetime(next);
            prop_assert!(hours.contains(&local.hour()) && minutes.contains(&local.minute()));
            after = next;
        }
    }
}
