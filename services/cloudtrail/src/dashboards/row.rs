//! A dashboard, and what an operation means by one.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result};

use super::widget::Widget;
use crate::api::errors;

/// Account, region, name.
pub(crate) static DASHBOARDS: Table<Dashboard> = Table::new("cloudtrail.dashboards");

/// A dashboard. Moments are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Dashboard {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) widgets: Vec<Widget>,
    #[n(2)]
    pub(crate) schedule: Option<Schedule>,
    #[n(3)]
    pub(crate) protected: bool,
    #[n(4)]
    pub(crate) tags: Tags,
    #[n(5)]
    pub(crate) created: i64,
    #[n(6)]
    pub(crate) updated: i64,
    /// It was changed since it was made.
    #[n(7)]
    pub(crate) changed: bool,
    #[n(8)]
    pub(crate) refreshed: Option<String>,
    /// Why the last refresh failed.
    #[n(9)]
    pub(crate) failure: Option<String>,
}

/// When a dashboard is refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Schedule {
    /// `HOURS` or `DAYS`.
    #[n(0)]
    pub(crate) unit: Option<String>,
    #[n(1)]
    pub(crate) value: Option<i32>,
    #[n(2)]
    pub(crate) enabled: bool,
    /// `19:30`, in UTC.
    #[n(3)]
    pub(crate) time: Option<String>,
}

impl Schedule {
    /// How many hours are between two refreshes.
    pub(crate) fn hours(&self) -> i64 {
        let value = i64::from(self.value.unwrap_or(1)).max(1);
        if self.unit.as_deref() == Some("DAYS") { 24 * value } else { value }
    }

    /// The minutes after midnight of the first refresh of a day.
    pub(crate) fn minutes(&self) -> i64 {
        let parts = self.time.as_deref().and_then(|time| time.split_once(':'));
        let number = |text: &str| text.parse::<i64>().unwrap_or(0);
        parts.map_or(0, |(hours, minutes)| number(hours) * 60 + number(minutes))
    }
}

/// The name that is given by itself, or as the end of an ARN; `None`: it is of another place.
pub(crate) fn name<'a>(cx: &Cx, given: &'a str) -> Option<&'a str> {
    if !given.starts_with("arn:") {
        return Some(given);
    }
    let arn = Arn::parse(given)?;
    let own = arn.service == "cloudtrail" && arn.account == cx.account() && arn.region == cx.region();
    let (_, name) = given.rsplit_once(":dashboard/")?;
    own.then_some(name)
}

/// The dashboard that is given.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Dashboard> {
    let missing =
        || Failure::from(errors::resource_not_found_exception(format!("The dashboard {given} is not found.")));
    let name = name(cx, given).ok_or_else(missing)?;
    DASHBOARDS.get(from, &cx.key(name))?.ok_or_else(missing)
}

impl Dashboard {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("cloudtrail", &format!("dashboard/{}", self.name))
    }
}
