//! What a schedule may say, and when it is due by that.

use undercast_kernel::schedule::{BadSchedule, Schedule as Timing};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, input, kept};
use crate::error::validation;
use crate::rows::{DEFAULT_GROUP, Input, QueueParameters, Schedule, Target, moment};

/// A schedule may begin so long ago at most.
const LATEST_START: i64 = 5 * 60_000;
/// How long an invocation is tried, and how often again, where nobody says it.
const MOST_AGE: i32 = 86_400;
const MOST_RETRIES: i32 = 185;
/// The largest input of a target, in bytes.
const LARGEST_INPUT: usize = 262_144;

/// What a call says of a schedule. An update says all of it anew.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) expression: String,
    pub(crate) zone: String,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) description: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) key: Option<String>,
    pub(crate) target: input::Target,
    pub(crate) window: kept::FlexibleTimeWindow,
    pub(crate) deletes: bool,
}

macro_rules! said {
    ($from:ty) => {
        impl From<$from> for Said {
            fn from(input: $from) -> Self {
                Self {
                    name: input.name,
                    group: input.group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
                    expression: input.schedule_expression,
                    zone: input.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
                    start: input.start_date,
                    end: input.end_date,
                    description: input.description,
                    enabled: input.state.as_deref() != Some("DISABLED"),
                    key: input.kms_key_arn,
                    target: input.target,
                    window: input.flexible_time_window,
                    deletes: input.action_after_completion.as_deref() == Some("DELETE"),
                }
            }
        }
    };
}

said!(api::CreateScheduleInput);
said!(api::UpdateScheduleInput);

/// Reads a schedule expression.
fn timing(expression: &str, zone: &str) -> Result<Timing> {
    Timing::parse_for_scheduler(expression, Some(zone)).map_err(|why| match why {
        BadSchedule::Expression(text) => validation(format!("Invalid Schedule Expression {text}.")),
        BadSchedule::Zone(zone) => validation(format!("Invalid Schedule Expression Timezone {zone}.")),
    })
}

impl Said {
    /// Refuses what cannot be, but for the target, which is looked at by itself.
    pub(crate) fn check(&self, cx: &Cx) -> Result<()> {
        let timing = timing(&self.expression, &self.zone)?;
        match (self.window.mode.as_str(), self.window.maximum_window_in_minutes) {
            ("FLEXIBLE", None) => {
                return Err(validation(
                    "MaximumWindowInMinutes is required when the flexible time window mode is FLEXIBLE.",
                ));
            }
            ("OFF", Some(_)) => {
                return Err(validation(
                    "MaximumWindowInMinutes must not be set when the flexible time window mode is OFF.",
                ));
            }
            _ => {}
        }
        // What is due once has neither.
        if !matches!(timing, Timing::At(_)) {
            self.check_dates(cx)?;
        }
        if self.target.input.as_ref().is_some_and(|input| input.len() > LARGEST_INPUT) {
            return Err(validation(format!("The target input must not be larger than {LARGEST_INPUT} bytes.")));
        }
        Ok(())
    }

    fn check_dates(&self, cx: &Cx) -> Result<()> {
        if self.start.is_some_and(|start| start.as_millisecond() < cx.now_millis() - LATEST_START) {
            return Err(validation("The StartDate you specify cannot be earlier than 5 minutes ago."));
        }
        if self.end.is_some_and(|end| end <= cx.now()) {
            return Err(validation("The EndDate you specify cannot be in the past."));
        }
        match (self.start, self.end) {
            (Some(start), Some(end)) if start >= end => {
                Err(validation("The EndDate you specify must be later than the StartDate."))
            }
            _ => Ok(()),
        }
    }

    /// The target as it is kept, with the input in its form.
    pub(crate) fn target(&self, input: Input) -> Target {
        let given = &self.target;
        let retries = given.retry_policy.clone().unwrap_or_else(kept::RetryPolicy::default);
        Target {
            arn: given.arn.clone(),
            role: given.role_arn.clone(),
            dead_letters: given.dead_letter_config.as_ref().and_then(|config| config.arn.clone()),
            most_age: retries.maximum_event_age_in_seconds.unwrap_or(MOST_AGE),
            most_retries: retries.maximum_retry_attempts.unwrap_or(MOST_RETRIES),
            input,
            event: given.event_bridge_parameters.as_ref().map(|p| (p.detail_type.clone(), p.source.clone())),
            partition_key: given.kinesis_parameters.as_ref().map(|p| p.partition_key.clone()),
            queue: given.sqs_parameters.as_ref().map(|p| QueueParameters { group: p.message_group_id.clone() }),
        }
    }

    /// The schedule that this makes, or makes of one that is there.
    pub(crate) fn define(&self, cx: &Cx, target: Target, there: Option<&Schedule>) -> Result<Schedule> {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        let now = cx.now_millis();
        let begun = millis(self.start).unwrap_or(now).div_euclid(1000) * 1000;
        let mut schedule = Schedule {
            group: self.group.clone(),
            name: self.name.clone(),
            id: there.map_or_else(|| cx.random().uuid(), |there| there.id.clone()),
            created: there.map_or(now, |there| there.created),
            modified: now,
            expression: self.expression.clone(),
            zone: self.zone.clone(),
            start: millis(self.start),
            end: millis(self.end),
            description: self.description.clone(),
            enabled: self.enabled,
            window: self.window.maximum_window_in_minutes,
            deletes: self.deletes,
            key: self.key.clone(),
            target,
            begun,
            next: None,
        };
        schedule.next = schedule.next_after_change(there, now)?;
        Ok(schedule)
    }
}

impl Schedule {
    pub(crate) fn timing(&self) -> Result<Timing> {
        timing(&self.expression, &self.zone)
    }

    /// When it is due first, having been made or changed now. What was due before the change stays due.
    fn next_after_change(&mut self, there: Option<&Self>, now: i64) -> Result<Option<i64>> {
        let timing = self.timing()?;
        let same = there.filter(|there| {
            (&there.expression, &there.zone, there.start) == (&self.expression, &self.zone, self.start)
        });
        if let Some(there) = same {
            self.begun = there.begun;
        }
        Ok(match same {
            _ if !self.enabled => None,
            Some(there) if there.enabled && there.end == self.end => there.next,
            None if matches!(timing, Timing::Rate(_)) => self.following(&timing, self.begun - 1),
            _ => self.following(&timing, now),
        })
    }

    /// When it is due next after a moment. `None`: never again.
    ///
    /// A rate begins with its start, or at once; the calendar has nothing before the start. What is due once has neither
    /// start nor end.
    pub(crate) fn following(&self, timing: &Timing, after: i64) -> Option<i64> {
        let begun = moment(self.begun);
        let next = match timing {
            Timing::At(_) => return timing.next(begun, moment(after)).map(Timestamp::as_millisecond),
            Timing::Rate(_) if after < self.begun => Some(begun),
            Timing::Rate(_) => timing.next(begun, moment(after)),
            Timing::Cron(..) => {
                let from = self.start.map_or(after, |start| after.max(start - 1));
                timing.next(begun, moment(from))
            }
        };
        next.map(Timestamp::as_millisecond).filter(|at| self.end.is_none_or(|end| *at <= end))
    }
}
