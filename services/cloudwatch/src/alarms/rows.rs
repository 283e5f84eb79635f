//! What is stored of alarms.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::kept::{Dimension, MetricDataQuery};

/// Account, region, name.
pub(crate) static ALARMS: Table<Alarm> = Table::new("cloudwatch.alarms");

/// Account, region → how many alarms there are.
pub(crate) static COUNTS: Table<u32> = Table::new("cloudwatch.alarm_counts");

/// An alarm.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Alarm {
    #[n(0)]
    pub(crate) name: String,
    /// A [`Definition`] in JSON.
    #[n(1)]
    definition: String,
    #[n(2)]
    pub(crate) tags: BTreeMap<String, String>,
    /// When it was defined, in milliseconds since 1970.
    #[n(3)]
    pub(crate) defined: i64,
    #[n(4)]
    pub(crate) actions_enabled: bool,
    #[n(5)]
    pub(crate) state: State,
    /// Why a composite alarm does nothing at the moment.
    #[n(6)]
    pub(crate) suppressed: Option<Suppressed>,
    /// It has done nothing about its state, for it was muted.
    #[cbor(n(7), default)]
    pub(crate) muted: bool,
}

/// The state of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct State {
    #[n(0)]
    pub(crate) value: StateValue,
    #[n(1)]
    pub(crate) reason: String,
    /// JSON.
    #[n(2)]
    pub(crate) data: Option<String>,
    /// Since when it has it, in milliseconds since 1970.
    #[n(3)]
    pub(crate) since: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum StateValue {
    #[n(0)]
    Ok,
    #[n(1)]
    Alarm,
    #[n(2)]
    InsufficientData,
}

impl StateValue {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|value| value.as_str() == text)
    }
}

/// Who holds a composite alarm's actions back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Suppressed {
    #[n(0)]
    pub(crate) by: SuppressedBy,
    /// Until when at most, in milliseconds since 1970; `None`: as long as the suppressor is in `ALARM`.
    #[n(1)]
    pub(crate) until: Option<i64>,
    /// A change of state has not been acted on.
    #[n(2)]
    pub(crate) waiting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum SuppressedBy {
    #[n(0)]
    WaitPeriod,
    #[n(1)]
    ExtensionPeriod,
    #[n(2)]
    Alarm,
}

/// What an alarm was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) description: Option<String>,
    pub(crate) ok_actions: Vec<String>,
    pub(crate) alarm_actions: Vec<String>,
    pub(crate) insufficient_data_actions: Vec<String>,
    pub(crate) watched: Watched,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Watched {
    Metric(Box<MetricDefinition>),
    Composite(CompositeDefinition),
}

/// What a metric alarm watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricDefinition {
    pub(crate) source: MetricSource,
    pub(crate) evaluation_periods: i32,
    pub(crate) datapoints_to_alarm: Option<i32>,
    pub(crate) threshold: f64,
    pub(crate) comparison: Comparison,
    pub(crate) treat_missing_data: Option<String>,
    pub(crate) evaluate_low_sample_count_percentile: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum MetricSource {
    One {
        namespace: String,
        name: String,
        dimensions: Option<Vec<Dimension>>,
        statistic: Option<String>,
        extended_statistic: Option<String>,
        period: i32,
        unit: Option<String>,
    },
    Math(Vec<MetricDataQuery>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

impl Comparison {
    const ALL: [(&'static str, Self); 4] = [
        ("GreaterThanOrEqualToThreshold", Self::GreaterThanOrEqualToThreshold),
        ("GreaterThanThreshold", Self::GreaterThanThreshold),
        ("LessThanThreshold", Self::LessThanThreshold),
        ("LessThanOrEqualToThreshold", Self::LessThanOrEqualToThreshold),
    ];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, comparison)| comparison)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Self::GreaterThanThreshold => "GreaterThanThreshold",
            Self::LessThanThreshold => "LessThanThreshold",
            Self::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }

    pub(crate) fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }
}

/// What a composite alarm watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompositeDefinition {
    pub(crate) rule: String,
    pub(crate) suppressor: Option<Suppressor>,
}

/// The alarm that holds a composite one's actions back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suppressor {
    /// As it was given: a name or an ARN.
    pub(crate) alarm: String,
    /// Seconds.
    pub(crate) wait: i32,
    /// Seconds.
    pub(crate) extension: i32,
}

impl MetricDefinition {
    /// Seconds.
    pub(crate) fn period(&self) -> i64 {
        match &self.source {
            MetricSource::One { period, .. } => i64::from(*period),
            MetricSource::Math(queries) => {
                let shown = queries.iter().find(|q| q.return_data != Some(false)).and_then(|q| q.period);
                let metrics = || queries.iter().filter_map(|q| q.metric_stat.as_ref().map(|s| s.period)).max();
                i64::from(shown.or_else(metrics).unwrap_or(60))
            }
        }
    }

    /// How many of the points must breach.
    pub(crate) fn to_alarm(&self) -> i32 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }
}

impl Definition {
    /// What is done when the alarm comes to a state.
    pub(crate) fn actions(&self, state: StateValue) -> &[String] {
        match state {
            StateValue::Ok => &self.ok_actions,
            StateValue::Alarm => &self.alarm_actions,
            StateValue::InsufficientData => &self.insufficient_data_actions,
        }
    }

    pub(crate) fn all_actions(&self) -> impl Iterator<Item = &String> {
        self.ok_actions.iter().chain(&self.alarm_actions).chain(&self.insufficient_data_actions)
    }

    pub(crate) fn metric(&self) -> Option<&MetricDefinition> {
        if let Watched::Metric(metric) = &self.watched { Some(metric) } else { None }
    }

    pub(crate) fn composite(&self) -> Option<&CompositeDefinition> {
        if let Watched::Composite(composite) = &self.watched { Some(composite) } else { None }
    }

    pub(crate) fn alarm_type(&self) -> &'static str {
        if self.metric().is_some() { "MetricAlarm" } else { "CompositeAlarm" }
    }
}

impl Alarm {
    /// A new one, of which nothing is known yet.
    pub(crate) fn new(cx: &Cx, name: &str, definition: &Definition, reason: &str) -> Result<Self> {
        let state = State {
            value: StateValue::InsufficientData,
            reason: reason.to_owned(),
            data: None,
            since: cx.now_millis(),
        };
        let definition = serde_json::to_string(definition).map_err(Failure::broken)?;
        Ok(Self {
            name: name.to_owned(),
            definition,
            tags: BTreeMap::new(),
            defined: cx.now_millis(),
            actions_enabled: true,
            state,
            suppressed: None,
            muted: false,
        })
    }

    pub(crate) fn definition(&self) -> Result<Definition> {
        serde_json::from_str(&self.definition).map_err(Failure::broken)
    }

    pub(crate) fn define(&mut self, definition: &Definition, now: i64) -> Result<()> {
        self.definition = serde_json::to_string(definition).map_err(Failure::broken)?;
        self.defined = now;
        Ok(())
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("cloudwatch", &format!("alarm:{}", self.name))
    }
}

/// The alarms of a region, with what they were made with.
pub(crate) fn all(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<(Alarm, Definition)>> {
    let rows = ALARMS.all(from, &(cx.account(), cx.region()))?;
    rows.into_iter().map(|entry| entry.row.definition().map(|d| (entry.row, d))).collect()
}

/// The name of an alarm that is named, or named by its ARN.
pub(crate) fn name_of(given: &str) -> &str {
    given.strip_prefix("arn:").and_then(|arn| arn.split_once(":alarm:")).map_or(given, |(_, name)| name)
}
