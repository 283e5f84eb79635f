//! Scaling activities: what was done, why, and what came of it.

use minicbor::{Decode, Encode};
use undercast_kernel::metrics::DAY;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Result, Timestamp, paging};

use crate::api::{self, output};
use crate::dimension::{NAMESPACE, Place};
use crate::error::bad_token;
use crate::targets::{PAGE, page_size, wanted_dimension};

/// Account, region, when (milliseconds since 1970), id.
static ACTIVITIES: Table<Activity> = Table::new("autoscaling.activities");

/// Milliseconds: six weeks.
const KEPT: i64 = 42 * DAY * 1000;

/// With each new one at most so many that are over are forgotten.
const FORGOTTEN: usize = 4;

/// Something that was done, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Activity {
    #[n(0)]
    resource: String,
    #[n(1)]
    dimension: String,
    #[n(2)]
    pub(crate) description: String,
    #[n(3)]
    pub(crate) cause: String,
    /// Milliseconds since 1970.
    #[n(4)]
    start: i64,
    #[n(5)]
    pub(crate) status: String,
    #[n(6)]
    pub(crate) message: Option<String>,
    /// Why nothing was scaled.
    #[n(7)]
    pub(crate) not_scaled: Option<NotScaled>,
    #[n(8)]
    end: i64,
}

/// Why nothing was scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum NotScaled {
    #[n(0)]
    AlreadyAtMaxCapacity(#[n(0)] i32),
    #[n(1)]
    AlreadyAtMinCapacity(#[n(0)] i32),
    #[n(2)]
    AlreadyAtDesiredCapacity(#[n(0)] i32),
}

impl Activity {
    /// One that has begun and ended now.
    pub(crate) fn new(cx: &Cx, place: &Place, description: String, cause: &str) -> Self {
        Self {
            resource: place.resource.clone(),
            dimension: place.dimension.name().to_owned(),
            description,
            cause: cause.to_owned(),
            start: cx.now_millis(),
            status: "Successful".to_owned(),
            message: None,
            not_scaled: None,
            end: cx.now_millis(),
        }
    }

    pub(crate) fn add(&self, cx: &Cx, tx: &mut Tx<'_>) -> Result<()> {
        let over = cx.now_millis() - KEPT;
        for entry in ACTIVITIES.range(tx, &cx.key(i64::MIN), &cx.key(over), Order::Ascending, FORGOTTEN)? {
            if let Some((account, region, at, id)) = entry.key::<(String, String, i64, String)>() {
                ACTIVITIES.delete(tx, &(account, region, at, id));
            }
        }
        ACTIVITIES.put(tx, &(cx.account(), cx.region(), self.start, cx.random().uuid()), self);
        Ok(())
    }
}

/// The newest activity of a target.
pub(crate) fn newest(cx: &Cx, from: &(impl Read + ?Sized), place: &Place) -> Result<Option<Activity>> {
    let since = cx.now_millis() - KEPT;
    let rows = ACTIVITIES.range(from, &cx.key(since), &cx.key(i64::MAX), Order::Descending, usize::MAX)?;
    let is_its =
        |activity: &Activity| activity.resource == place.resource && activity.dimension == place.dimension.name();
    Ok(rows.into_iter().map(|entry| entry.row).find(is_its))
}

/// A moment that was kept.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeScalingActivitiesInput,
) -> Result<api::DescribeScalingActivitiesOutput> {
    let size = page_size(input.max_results, PAGE)?;
    let dimension = wanted_dimension(input.scalable_dimension.as_deref());
    let from = cx.now_millis() - KEPT;
    let rows = ACTIVITIES.range(&cx.read(), &cx.key(from), &cx.key(i64::MAX), Order::Descending, usize::MAX)?;
    let mut found: Vec<(String, Activity)> = Vec::new();
    for entry in rows {
        let activity = &entry.row;
        let wanted = input.service_namespace == NAMESPACE
            && input.resource_id.as_ref().is_none_or(|id| *id == activity.resource)
            && dimension.is_none_or(|d| d.is_some_and(|d| d.name() == activity.dimension))
            && (activity.not_scaled.is_none() || input.include_not_scaled_activities == Some(true));
        if wanted && let Some((_, _, _, id)) = entry.key::<(String, String, i64, String)>() {
            found.push((id, entry.row));
        }
    }
    let page = paging::page("DescribeScalingActivities", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(bad_token)?;
    let activities = page.into_iter().map(|(id, activity)| shown(id, activity)).collect();
    Ok(api::DescribeScalingActivitiesOutput { scaling_activities: Some(activities), next_token })
}

fn shown(id: String, activity: Activity) -> output::ScalingActivity {
    let reason = activity.not_scaled.map(|reason| {
        let (code, max, min, current) = match reason {
            NotScaled::AlreadyAtMaxCapacity(max) => ("AlreadyAtMaxCapacity", Some(max), None, None),
            NotScaled::AlreadyAtMinCapacity(min) => ("AlreadyAtMinCapacity", None, Some(min), None),
            NotScaled::AlreadyAtDesiredCapacity(current) => ("AlreadyAtDesiredCapacity", None, None, Some(current)),
        };
        let (max_capacity, min_capacity, current_capacity) = (max, min, current);
        vec![output::NotScaledReason { code: code.to_owned(), max_capacity, min_capacity, current_capacity }]
    });
    output::ScalingActivity {
        activity_id: id,
        service_namespace: NAMESPACE.to_owned(),
        resource_id: activity.resource,
        scalable_dimension: activity.dimension,
        description: activity.description,
        cause: activity.cause,
        start_time: moment(activity.start),
        end_time: Some(moment(activity.end)),
        status_code: activity.status,
        status_message: activity.message,
        details: None,
        not_scaled_reasons: reason,
    }
}
