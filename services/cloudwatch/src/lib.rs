//! Amazon CloudWatch: metrics, what the services here measure and what users put; alarms on them; dashboards.
//!
//! The kernel keeps metrics (`kernel/metrics`), and who contributes most to what the rules of services count (`kernel/insights`); here
//! is what AWS says about them. Rules of Contributor Insights are made by services; users make none yet.
//! `queries` works out what is asked for, metric math (`math`) and all. `alarms` has a reading order of its own.
//!
//! Tables: `cloudwatch.alarms` (account, region, name), `cloudwatch.alarm_history` (account, region, moment, id),
//! `cloudwatch.mute_rules` (account, region, name), `cloudwatch.dashboards` (account, name).
//! What is not here yet, and refused: anomaly detection, Metrics Insights and PromQL, metric streams, alarms on logs, and actions of
//! alarms besides topics, functions and scaling policies. EventBridge is told of changes of state, not of changes of alarms.
//!
//! Source: the API reference and the user guide.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod alarms;
mod cfn;
mod dashboards;
mod data;
mod error;
mod insights;
mod label;
mod list;
mod math;
mod put;
mod queries;
mod span;
mod statistic;
mod statistics;
mod tags;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Next, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "cloudwatch";

/// The service.
#[derive(Debug, Default)]
pub struct CloudWatch;

impl Service for CloudWatch {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        // What is read by `GetMetricData` is billed by the metric.
        if api::SERVICE.operations.get(operation).is_none_or(|operation| operation.name != "GetMetricData") {
            cx.meter(SERVICE, "Requests", 1.0);
        }
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        Ok(access::access(cx, operation, input))
    }

    /// Newer operations say it in one way, those on metrics and dashboards in another.
    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        error::invalid_input(operation, violations)
    }

    fn denied(&self, _access: &Access, message: String) -> AwsError {
        AwsError::new("AccessDenied", 403, message)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["GetMetricData", "PutMetricData"]
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                alarms::EVALUATE => alarms::evaluate(cx, task).await,
                alarms::ACT => alarms::act(cx, task).await,
                alarms::RELEASE => alarms::release(cx, task).await,
                alarms::UNMUTE => alarms::window_over(cx, task).await,
                other => Err(Failure::broken(format!("cloudwatch has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![
            Box::new(cfn::Alarm::Metric),
            Box::new(cfn::Alarm::Composite),
            Box::new(cfn::MuteRule),
            Box::new(cfn::Dashboard),
        ]
    }
}

api::operations! {
    impl api::Operations for CloudWatch; |self, cx, input|
    DeleteAlarmMuteRule => alarms::delete_mute(cx, &input).await,
    DeleteAlarms => alarms::delete(cx, &input).await,
    DeleteDashboards => dashboards::delete(cx, &input).await,
    DescribeAlarmHistory => alarms::describe_history(cx, &input),
    DescribeAlarms => alarms::describe(cx, &input),
    DescribeAlarmsForMetric => alarms::describe_for_metric(cx, &input),
    DisableAlarmActions => alarms::disable(cx, &input).await,
    EnableAlarmActions => alarms::enable(cx, &input).await,
    GetAlarmMuteRule => alarms::get_mute(cx, &input),
    GetDashboard => dashboards::get(cx, &input),
    GetInsightRuleReport => insights::report(cx, input).await,
    GetMetricData => data::get(cx, input).await,
    GetMetricStatistics => statistics::get(cx, input).await,
    ListAlarmMuteRules => alarms::list_mutes(cx, &input),
    ListDashboards => dashboards::list(cx, &input),
    ListMetrics => list::list(cx, input).await,
    ListTagsForResource => tags::list(cx, &input),
    PutAlarmMuteRule => alarms::put_mute(cx, input).await,
    PutCompositeAlarm => alarms::put_composite(cx, input).await,
    PutDashboard => dashboards::put(cx, input).await,
    PutMetricAlarm => alarms::put_metric(cx, input).await,
    PutMetricData => put::put(cx, input).await,
    SetAlarmState => alarms::set_state(cx, &input).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
}
