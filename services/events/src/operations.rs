//! The service as the kernel sees it: its operations, what they need to be allowed, its tasks.

use futures_core::future::BoxFuture;
use undercast_kernel::policy::MapContext;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::{
    Events, announced, api, archive, bus, cfn, deliver, http, partner, permission, policy, put, replay, rule, schedule,
    tags, target,
};

impl Service for Events {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["PutEvents"]
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    fn conditions(&self, cx: &Cx, operation: &'static Operation, input: &Fields, _: &Access) -> Result<MapContext> {
        permission::conditions(cx, operation, input)
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }

    fn start(&self, kernel: &Kernel) {
        if let Err(error) = self.listen_for_rules(kernel) {
            tracing::error!(error = &error as &dyn std::error::Error, "calls are not told of to rules");
        }
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                archive::SWEEP => archive::sweep(cx, task).await,
                http::connection::AUTHORIZE => http::connection::authorize(self, cx, task).await,
                deliver::DELIVERY => deliver::run(self, cx, task).await,
                undercast_kernel::ANNOUNCED => announced::run(self, cx, task).await,
                replay::REPLAY => replay::run(self, cx, task).await,
                schedule::DUE => schedule::run(cx, task).await,
                other => Err(Failure::broken(format!("events has no task `{other}`"))),
            }
        })
    }
}

api::operations! {
    impl api::Operations for Events; |self, cx, input|
    ActivateEventSource => partner::activate(cx, input).await,
    CancelReplay => replay::cancel(cx, input).await,
    CreateApiDestination => http::destination::create(cx, input).await,
    CreateArchive => archive::create(self, cx, input).await,
    CreateConnection => http::connection::create(cx, input).await,
    CreateEventBus => bus::create(cx, input).await,
    CreatePartnerEventSource => partner::create(cx, input).await,
    DeactivateEventSource => partner::deactivate(cx, input).await,
    DeauthorizeConnection => http::connection::deauthorize(cx, input).await,
    DeleteApiDestination => http::destination::delete(cx, input).await,
    DeleteArchive => archive::delete(cx, input).await,
    DeleteConnection => http::connection::delete(cx, input).await,
    DeleteEventBus => bus::delete(cx, input).await,
    DeletePartnerEventSource => partner::delete(cx, input).await,
    DeleteRule => rule::delete(cx, input).await,
    DescribeApiDestination => http::destination::describe(cx, &input),
    DescribeArchive => archive::describe(cx, &input),
    DescribeConnection => http::connection::describe(cx, &input),
    DescribeEventBus => bus::describe(cx, &input),
    DescribeEventSource => partner::describe(cx, &input),
    DescribePartnerEventSource => partner::describe_offered(cx, &input),
    DescribeReplay => replay::describe(cx, &input),
    DescribeRule => rule::describe(cx, &input),
    DisableRule => rule::disable(cx, input).await,
    EnableRule => rule::enable(cx, input).await,
    ListApiDestinations => http::destination::list(cx, &input),
    ListArchives => archive::list(cx, &input),
    ListConnections => http::connection::list(cx, &input),
    ListEventBuses => bus::list(cx, &input),
    ListEventSources => partner::list(cx, &input),
    ListPartnerEventSourceAccounts => partner::list_accounts(cx, &input),
    ListPartnerEventSources => partner::list_offered(cx, &input),
    ListReplays => replay::list(cx, &input),
    ListRuleNamesByTarget => rule::list_by_target(cx, &input),
    ListRules => rule::list(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    ListTargetsByRule => target::list(cx, &input),
    PutEvents => put::put(self, cx, input).await,
    PutPartnerEvents => put::put_partner(self, cx, input).await,
    PutPermission => policy::put(cx, input).await,
    PutRule => rule::put(self, cx, input).await,
    PutTargets => target::put(cx, input).await,
    RemovePermission => policy::remove(cx, input).await,
    RemoveTargets => target::remove(cx, input).await,
    StartReplay => replay::start(cx, input).await,
    TagResource => tags::tag(cx, input).await,
    TestEventPattern => rule::test_pattern(&input),
    UntagResource => tags::untag(cx, input).await,
    UpdateApiDestination => http::destination::update(cx, input).await,
    UpdateArchive => archive::update(self, cx, input).await,
    UpdateConnection => http::connection::update(cx, input).await,
    UpdateEventBus => bus::update(cx, input).await,
}
