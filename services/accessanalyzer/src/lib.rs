//! IAM Access Analyzer: who has access to what, exactly.
//!
//! Reading order: `reach` (what requests policies let through, exactly); `checks` and `public` (custom policy checks); `zone`, `role`,
//! `analyzers`, `archive_rules`, `filter`; `resources`, `external` and `exposure` (who from outside has access), `internal` (who within),
//! `unused` (access that nobody uses), `scan` and `watch` (when they are looked for), `findings`, `statistics`; `previews`, `generation`,
//! `recommendations`, `validation`, `cfn`.
//!
//! `reach` has no rules of its own about what a policy means: it makes requests, one for each way in which the statements of some
//! policies can be met, and puts them before the evaluator that decides calls. Condition keys are held to be independent of one another,
//! but for those that follow from who calls. What it cannot tell exactly it does not tell: the checks answer
//! `UnprocessableEntityException`, and a resource has a finding with an error.
//!
//! Resources are read as AWS reads them: by the service-linked role, through the operations of their services. A policy that keeps the
//! role out is a finding with `ACCESS_DENIED`. Changes are seen by the trail at once, where AWS takes up to 30 minutes; all is looked at
//! again each day.
//!
//! Tables: `accessanalyzer.analyzers`, `.rules`, `.findings` (with those that are resolved, for 90 days), `.analyzed` (resources),
//! `.previews` and `.previewed` (their findings), `.jobs` (policies that are generated), `.recommended`.
//!
//! Not there: `CreateServiceLinkedAnalyzer` and `DeleteServiceLinkedAnalyzer`, which other services of AWS call for themselves, none of
//! which is here. Resources whose services are not here (snapshots, repositories, file systems, directory buckets), versions of Lambda's
//! layers, and multi-Region access points are not looked at; previews of the former are refused. Policies are generated of what is in the
//! trail up to now: an `endTime` that is over, and single Regions of a trail, are refused. The issues that `ValidatePolicy` does not find
//! are named in `validation`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod analyzers;
mod archive_rules;
mod cfn;
mod checks;
mod error;
mod exposure;
mod external;
mod facts;
mod filter;
mod findings;
mod generation;
mod internal;
mod previews;
mod public;
mod reach;
mod recommendations;
mod resources;
mod role;
mod rows;
mod scan;
mod statistics;
mod unused;
mod validation;
mod watch;
mod zone;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "accessanalyzer";

/// The service.
#[derive(Debug, Default)]
pub struct AccessAnalyzer {
    listening: watch::Listening,
}

impl Service for AccessAnalyzer {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        error::invalid(undercast_wire::check::message(violations))
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                generation::KIND => generation::run(cx, task).await,
                previews::KIND => previews::run(cx, task).await,
                recommendations::KIND => recommendations::run(cx, task).await,
                scan::KIND => scan::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Analyzer), Box::new(cfn::ArchiveRule)]
    }

    fn start(&self, kernel: &Kernel) {
        if let Err(failure) = self.listening.begin_if_needed(kernel) {
            tracing::error!(%failure, "analyzers cannot be told of changes");
        }
    }
}

api::operations! {
    impl api::Operations for AccessAnalyzer; |self, cx, input|
    ApplyArchiveRule => archive_rules::apply(cx, &input).await,
    CancelPolicyGeneration => generation::cancel(cx, &input).await,
    CheckAccessNotGranted => checks::access_not_granted(&input),
    CheckNoNewAccess => checks::no_new_access(&input),
    CheckNoPublicAccess => checks::no_public_access(&input),
    CreateAccessPreview => previews::create(cx, input).await,
    CreateAnalyzer => self.create_analyzer(cx, input).await,
    CreateArchiveRule => archive_rules::create(cx, &input).await,
    DeleteAnalyzer => analyzers::delete(cx, &input).await,
    DeleteArchiveRule => archive_rules::delete(cx, &input).await,
    GenerateFindingRecommendation => recommendations::generate(cx, &input).await,
    GetAccessPreview => previews::get(cx, &input),
    GetAnalyzedResource => findings::resource(cx, &input),
    GetAnalyzer => analyzers::get(cx, &input),
    GetArchiveRule => archive_rules::get(cx, &input),
    GetFinding => findings::get(cx, &input),
    GetFindingRecommendation => recommendations::get(cx, &input),
    GetFindingV2 => findings::get_v2(cx, &input),
    GetFindingsStatistics => statistics::get(cx, &input),
    GetGeneratedPolicy => generation::get(cx, &input),
    ListAccessPreviewFindings => previews::list_findings(cx, &input),
    ListAccessPreviews => previews::list(cx, &input),
    ListAnalyzedResources => findings::resources(cx, &input),
    ListAnalyzers => analyzers::list(cx, &input),
    ListArchiveRules => archive_rules::list(cx, &input),
    ListFindings => findings::list(cx, &input),
    ListFindingsV2 => findings::list_v2(cx, &input),
    ListPolicyGenerations => generation::list(cx, &input),
    ListTagsForResource => analyzers::list_tags(cx, &input),
    StartPolicyGeneration => generation::start(cx, input).await,
    StartResourceScan => scan::start(cx, &input).await,
    TagResource => analyzers::tag(cx, input).await,
    UntagResource => analyzers::untag(cx, &input).await,
    UpdateAnalyzer => analyzers::update(cx, input).await,
    UpdateArchiveRule => archive_rules::update(cx, &input).await,
    UpdateFindings => findings::update(cx, &input).await,
    ValidatePolicy => validation::validate(&input),
}

impl AccessAnalyzer {
    async fn create_analyzer(&self, cx: &Cx, input: api::CreateAnalyzerInput) -> Result<api::CreateAnalyzerOutput> {
        let made = analyzers::create(cx, input).await?;
        self.listening.begin(cx.kernel());
        Ok(made)
    }
}
