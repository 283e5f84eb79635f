//! AWS CloudTrail: the history of what was called, trails that deliver it, and what is unusual in it.
//!
//! Reading order: `name` and `rows`; `recorder` (from calls to events) and `history`; `selectors` (what is logged); `trails`, `checks`
//! (whether a trail can do what it is for), `logging`, `choose`; `deliver`, `digest` and `keys`; `insights`; `organization`.
//!
//! The history of an account and region has 200,000 events at most, the newest; AWS limits it by its 90 days alone.
//!
//! Tables: `cloudtrail.trails` and `cloudtrail.status` by account, home region and name; `cloudtrail.history` by account, region and
//! time, and `cloudtrail.counts`; `cloudtrail.pending`, `cloudtrail.chains` and `cloudtrail.files` by trail; `cloudtrail.keys` by account and region;
//! `cloudtrail.series`, `cloudtrail.hours`, `cloudtrail.unusual` and `cloudtrail.insights` by account and region.
//!
//! The events themselves are made by the kernel (`kernel/cloudtrail`), with what each service says of its own; EventBridge hears of
//! those that a trail of the account logs.
//! Lake: `cloudtrail.stores`, `cloudtrail.queries` by account and region, `cloudtrail.lake` by store and time, `cloudtrail.results` by query
//! (`lake`); `undercast-query` runs the SQL.
//! Beside them: `policies` (who else may do what to a store, a channel, a dashboard), `channels` (events of other applications),
//! `imports` (files of trails, read into stores), `dashboards`.
//! Tables: `cloudtrail.policies`; `cloudtrail.lake.sealed`, `cloudtrail.lake.keys` and `cloudtrail.results.sealed` of stores with a key of KMS;
//! `cloudtrail.channels`, `cloudtrail.imports`, `cloudtrail.imports.failures`, `cloudtrail.dashboards` by account and region.
//!
//! A call that touches another account's resource, and is let, is an event of both accounts. Enriched events have the tags of those
//! resources alone whose services tell the authoriser of tags.
//! What is not here: of Lake its federation, which needs Lake Formation and Athena; queries out of a language; the Highlights dashboard.
//! Trails do not aggregate data events.
//!
//! Source: the API reference and the user guide of AWS CloudTrail.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

pub mod data_api {
    //! The API by which other applications hand their events over, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/-data.rs"));
}

mod access;
mod cfn;
mod channels;
mod checks;
mod choose;
mod dashboards;
mod deliver;
mod digest;
mod history;
mod imports;
mod insight_selectors;
mod insights;
mod keys;
mod lake;
mod logging;
mod name;
mod organization;
mod policies;
mod recorder;
mod rows;
mod selectors;
mod series;
mod tags;
mod trails;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

pub use crate::channels::data::CloudTrailData;
use crate::channels::operations as channel;
use crate::dashboards::{operations as dashboard, refresh};
use crate::imports::operations as import;
use crate::lake::{configuration, queries, stores};

/// What the kernel calls this service.
const SERVICE: &str = "cloudtrail";
/// What policies call it.
const PRINCIPAL: &str = "cloudtrail.amazonaws.com";

/// The service.
#[derive(Default)]
pub struct CloudTrail {
    recorder: recorder::Recorder,
}

impl Service for CloudTrail {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn start(&self, kernel: &Kernel) {
        self.recorder.start(kernel);
    }

    fn keep<'a>(&'a self, _kernel: &'a Kernel) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.recorder.settle().await;
            Ok(())
        })
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                deliver::KIND => deliver::run(cx, task).await,
                digest::KIND => digest::run(cx, task).await,
                refresh::KIND => refresh::run(cx, task).await,
                refresh::CLOCK => refresh::tick(cx, task).await,
                imports::run::KIND => imports::run::run(cx, task).await,
                insights::KIND => insights::run(cx).await,
                queries::KIND => queries::run(self, cx, task).await,
                queries::FORGET => queries::forget(cx, task).await,
                stores::KIND => stores::remove(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![
            Box::new(cfn::Channel),
            Box::new(cfn::Dashboard),
            Box::new(cfn::EventDataStore),
            Box::new(cfn::ResourcePolicy),
            Box::new(cfn::Trail),
        ]
    }
}

api::operations! {
    impl api::Operations for CloudTrail; |self, cx, input|
    AddTags => tags::add(cx, input).await,
    CancelQuery => queries::cancel(cx, &input).await,
    CreateChannel => channel::create(cx, input).await,
    CreateDashboard => dashboard::create(cx, input).await,
    CreateEventDataStore => stores::create(cx, input).await,
    CreateTrail => trails::create(cx, input).await,
    DeleteChannel => channel::delete(cx, &input).await,
    DeleteDashboard => dashboard::delete(cx, &input).await,
    DeleteEventDataStore => stores::delete(self, cx, &input.event_data_store).await,
    DeleteResourcePolicy => policies::delete(cx, &input).await,
    DeleteTrail => trails::delete(cx, input).await,
    DeregisterOrganizationDelegatedAdmin => organization::deregister(cx, &input).await,
    DescribeQuery => queries::describe(cx, &input),
    DescribeTrails => trails::describe(cx, &input),
    GetChannel => channel::get(cx, &input),
    GetDashboard => dashboard::get(cx, &input),
    GetEventConfiguration => configuration::get(cx, &input),
    GetEventDataStore => stores::get(cx, &input),
    GetEventSelectors => choose::get(cx, &input),
    GetImport => import::get(cx, &input),
    GetInsightSelectors => insight_selectors::get(cx, &input),
    GetQueryResults => queries::results(cx, &input).await,
    GetResourcePolicy => policies::get(cx, &input),
    GetTrail => trails::get(cx, &input),
    GetTrailStatus => logging::status(self, cx, &input).await,
    ListChannels => channel::list(cx, &input),
    ListDashboards => dashboard::list(cx, &input),
    ListEventDataStores => stores::list(cx, &input),
    ListImportFailures => import::failures(cx, &input),
    ListImports => import::list(cx, &input),
    ListInsightsData => insights::list(self, cx, input).await,
    ListInsightsMetricData => series::list(self, cx, &input).await,
    ListPublicKeys => keys::list(cx, &input),
    ListQueries => queries::list(cx, &input),
    ListTags => tags::list(cx, &input),
    ListTrails => trails::list(cx, &input),
    LookupEvents => history::lookup(self, cx, input).await,
    PutEventConfiguration => configuration::put(self, cx, input).await,
    PutEventSelectors => choose::put(self, cx, input).await,
    PutInsightSelectors => insight_selectors::put(cx, input).await,
    PutResourcePolicy => policies::put(cx, &input).await,
    RegisterOrganizationDelegatedAdmin => organization::register(cx, &input).await,
    RemoveTags => tags::remove(cx, input).await,
    RestoreEventDataStore => stores::restore(cx, &input).await,
    StartDashboardRefresh => refresh::start(cx, input).await,
    StartEventDataStoreIngestion => stores::ingest(self, cx, &input.event_data_store, true).await,
    StartImport => import::start(cx, input).await,
    StartLogging => logging::start(self, cx, &input.name).await,
    StartQuery => queries::start(cx, input).await,
    StopEventDataStoreIngestion => stores::ingest(self, cx, &input.event_data_store, false).await,
    StopImport => import::stop(cx, &input).await,
    StopLogging => logging::stop(self, cx, &input.name).await,
    UpdateChannel => channel::update(cx, input).await,
    UpdateDashboard => dashboard::update(cx, input).await,
    UpdateEventDataStore => stores::update(cx, input).await,
    UpdateTrail => trails::update(cx, input).await,
}
