//! What happened to alarms: `DescribeAlarmHistory`.

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::metrics::DAY;
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::{Announcement, Cx, Result, Timestamp, paging};

use super::message;
use super::rows::{Alarm, Definition, State};
use crate::api::{self, errors, output};

/// Account, region, when (milliseconds since 1970), id.
static HISTORY: Table<Item> = Table::new("cloudwatch.alarm_history");

/// Milliseconds: it is kept so long.
const KEPT: i64 = 30 * DAY * 1000;

/// With each new item at most so many that are over are forgotten.
const FORGOTTEN: usize = 4;

/// A page has so many.
const PAGE: i32 = 100;

/// Something that happened to an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Item {
    #[n(0)]
    alarm: String,
    #[n(1)]
    alarm_type: String,
    #[n(2)]
    item_type: String,
    #[n(3)]
    summary: String,
    #[n(4)]
    data: String,
    #[n(5)]
    at: i64,
}

fn add(cx: &Cx, tx: &mut Tx<'_>, alarm: &str, alarm_type: &str, item: (&str, String, &Json)) -> Result<()> {
    let at = cx.now_millis();
    let (item_type, summary, data) = item;
    let over = HISTORY.range(tx, &cx.key(i64::MIN), &cx.key(at - KEPT), Order::Ascending, FORGOTTEN)?;
    for entry in over {
        if let Some((account, region, at, id)) = entry.key::<(String, String, i64, String)>() {
            HISTORY.delete(tx, &(account, region, at, id));
        }
    }
    let item = Item {
        alarm: alarm.to_owned(),
        alarm_type: alarm_type.to_owned(),
        item_type: item_type.to_owned(),
        summary,
        data: data.to_string(),
        at,
    };
    HISTORY.put(tx, &(cx.account(), cx.region(), at, cx.random().uuid()), &item);
    Ok(())
}

/// An alarm was made, changed or deleted: `Create`, `Update`, `Delete`. Rules of EventBridge are told as well. `before`: what it
/// was until it was changed.
pub(super) fn configured(cx: &Cx, tx: &mut Tx<'_>, alarm: &Alarm, what: &str, before: Option<Json>) -> Result<()> {
    let past = match what {
        "Create" => "created",
        "Update" => "updated",
        _ => "deleted",
    };
    let definition = alarm.definition()?;
    let mut data = json!({"type": what, "version": "1.0"});
    data[format!("{past}Alarm")] = message::of_history(cx, alarm, &definition);
    let summary = format!("Alarm \"{}\" {past}", alarm.name);
    add(cx, tx, &alarm.name, definition.alarm_type(), ("ConfigurationUpdate", summary, &data))?;
    let detail = message::of_change(alarm, &definition, &what.to_lowercase(), before);
    let kind = "CloudWatch Alarm Configuration Change";
    cx.announce(tx, &Announcement::new(cx, "aws.cloudwatch", kind, alarm.arn(cx), detail))
}

/// It came to another state.
pub(super) fn changed(cx: &Cx, tx: &mut Tx<'_>, alarm: &Alarm, before: &State) -> Result<()> {
    let shown = |state: &State| {
        let mut shown = json!({"stateValue": state.value.as_str(), "stateReason": state.reason});
        if let Some(data) = state.data.as_deref().and_then(|d| serde_json::from_str::<Json>(d).ok()) {
            shown["stateReasonData"] = data;
        }
        shown
    };
    let data = json!({"version": "1.0", "oldState": shown(before), "newState": shown(&alarm.state)});
    let summary = format!("Alarm updated from {} to {}", before.value.as_str(), alarm.state.value.as_str());
    add(cx, tx, &alarm.name, alarm.definition()?.alarm_type(), ("StateUpdate", summary, &data))
}

/// Something was done about it, or was not.
pub(super) fn acted(
    cx: &Cx,
    tx: &mut Tx<'_>,
    (alarm, definition): (&str, &Definition),
    action: &str,
    (published, error): (Option<&str>, Option<&str>),
    changed: i64,
) -> Result<()> {
    let state = if error.is_some() { "Failed" } else { "Succeeded" };
    let data = json!({"actionState": state, "stateUpdateTimestamp": changed, "notificationResource": action,
                      "publishedMessage": published, "error": error});
    let summary = match error {
        None => format!("Successfully executed action {action}"),
        Some(error) => format!("Failed to execute action {action}. Received error: \"{error}\""),
    };
    let summary = summary.chars().take(255).collect();
    add(cx, tx, alarm, definition.alarm_type(), ("Action", summary, &data))
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeAlarmHistoryInput) -> Result<api::DescribeAlarmHistoryOutput> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let from = millis(input.start_date).unwrap_or(i64::MIN).max(cx.now_millis() - KEPT);
    let to = millis(input.end_date).map_or(i64::MAX, |to| to.saturating_add(1));
    let order = match input.scan_by.as_deref() {
        Some("TimestampAscending") => Order::Ascending,
        _ => Order::Descending,
    };
    let types = input.alarm_types.as_deref().unwrap_or_default();
    let wanted = |item: &Item| {
        let of_type =
            if types.is_empty() { item.alarm_type == "MetricAlarm" } else { types.contains(&item.alarm_type) };
        of_type
            && input.alarm_name.as_ref().is_none_or(|name| *name == item.alarm)
            && input.history_item_type.as_ref().is_none_or(|kind| *kind == item.item_type)
            // Contributors are of alarms that Metrics Insights and logs have.
            && input.alarm_contributor_id.is_none()
    };
    let rows = HISTORY.range(&cx.read(), &cx.key(from), &cx.key(to), order, usize::MAX)?;
    let found: Vec<Item> = rows.into_iter().map(|entry| entry.row).filter(wanted).collect();
    let size = usize::try_from(input.max_records.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page("DescribeAlarmHistory", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(|| errors::invalid_next_token("The next token is invalid."))?;
    let items = page.into_iter().map(|item| output::AlarmHistoryItem {
        alarm_name: Some(item.alarm),
        alarm_contributor_id: None,
        alarm_type: Some(item.alarm_type),
        timestamp: Timestamp::from_millisecond(item.at).ok(),
        history_item_type: Some(item.item_type),
        history_summary: Some(item.summary),
        history_data: Some(item.data),
        alarm_contributor_attributes: None,
    });
    Ok(api::DescribeAlarmHistoryOutput { alarm_history_items: Some(items.collect()), next_token })
}
