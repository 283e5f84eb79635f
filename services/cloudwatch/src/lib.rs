//! Amazon CloudWatch: metrics, so far: what the services here measure, and what users put.
//!
//! The kernel keeps them (`kernel/metrics`), and who contributes most to what the rules of services count (`kernel/insights`); here
//! is what AWS says about them. Rules of Contributor Insights are made by services; users make none yet.
//! `queries` works out what is asked for, metric math (`math`) and all.
//! What is not here yet, and refused: alarms, dashboards, streams.
//!
//! Source: the API reference and "Metrics concepts" in the user guide.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

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

use undercast_kernel::{Access, Answer, Cx, Result, Service};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct CloudWatch;

impl Service for CloudWatch {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        let rule = input.text("RuleName").map(|name| cx.arn("cloudwatch", &format!("insight-rule/{name}")));
        let resource = rule.unwrap_or_else(|| "*".to_owned());
        let mut access = Access::new(format!("cloudwatch:{}", operation.name), resource);
        if operation.name == "PutMetricData"
            && let Some(namespace) = input.text("Namespace")
        {
            access.context.set("cloudwatch:namespace", namespace);
        }
        Ok(vec![access])
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["GetMetricData", "PutMetricData"]
    }
}

api::operations! {
    impl api::Operations for CloudWatch; |self, cx, input|
    GetInsightRuleReport => insights::report(cx, input).await,
    GetMetricData => data::get(cx, input).await,
    GetMetricStatistics => statistics::get(cx, input).await,
    ListMetrics => list::list(cx, input).await,
    PutMetricData => put::put(cx, input).await,
}
