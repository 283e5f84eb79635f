//! What a service is to the kernel.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_policy::MapContext;
use undercast_store::{Owners, Shared, Snapshot};
use undercast_wire::check::{self, Violation};
use undercast_wire::decode::Malformed;
use undercast_wire::schema::{Operation, Protocol};
use undercast_wire::{AwsError, Fields, Request, Response, Value, Write};

use crate::resources::ResourceType;
use crate::{Access, Cx, Failure, Kernel, Next, Ready, Record, Result, Task, cloudtrail};

/// The answer of a handler.
pub type Answer<'a> = BoxFuture<'a, Result<Box<dyn Write>>>;

/// What a browser's page of another origin may do with what its request is for, by rules that its owner set.
#[derive(Debug)]
pub enum CrossOrigin {
    /// It may: the headers that say so.
    Allowed(Vec<(&'static str, String)>),
    /// It may not: the answer to those who ask beforehand.
    Refused(AwsError),
}

/// A request from outside, and what became of it.
pub struct Exchange {
    /// Which operation. `None`: the upload of a browser's form.
    pub operation: Option<&'static Operation>,
    /// What the service wanted to be reminded of.
    pub note: String,
    /// The request, without its body.
    pub request: Request,
    /// The answer, without its body.
    pub response: Response,
    /// The code, if it was an error.
    pub error: Option<String>,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Bytes of the answer's body that were sent.
    pub sent: u64,
    /// From the last byte of the request to the first one of the answer.
    pub processing: Duration,
    /// From the first byte of the request to the last one of the answer.
    pub total: Duration,
}

/// One AWS service.
pub trait Service: Send + Sync + 'static {
    /// Its API, as generated.
    fn api(&self) -> &'static undercast_wire::Service;

    /// Runs the operation with this number in `api().operations`.
    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a>;

    /// What a call does to what, for the authoriser: one entry a permission that it needs.
    ///
    /// # Errors
    /// When the input names something that cannot be (a malformed ARN), or the store fails.
    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>>;

    /// Condition keys of a permission besides those that [`Service::access`] gave it. They are asked for when a policy
    /// names a key that is not known yet, so that what is dear to find out costs only those who ask.
    ///
    /// # Errors
    /// When the store fails.
    fn conditions(
        &self,
        _cx: &Cx,
        _operation: &'static Operation,
        _input: &Fields,
        _access: &Access,
    ) -> Result<MapContext> {
        Ok(MapContext::default())
    }

    /// The answer to a request that breaks constraints of the model.
    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        AwsError::new(self.api().validation_error, 400, check::message(violations))
    }

    /// Whether denials of an operation carry an encoded message that tells why, as those of EC2 do. It goes behind AWS's usual
    /// sentence, before [`Service::denied`] gets it.
    fn encodes_denials(&self, _operation: &'static Operation) -> bool {
        false
    }

    /// The answer to a caller who may not do it. `message` is AWS's usual sentence.
    fn denied(&self, _access: &Access, message: String) -> AwsError {
        use undercast_wire::Protocol;
        match self.api().protocols.first() {
            Some(Protocol::Query | Protocol::RestXml) => AwsError::new("AccessDenied", 403, message),
            Some(Protocol::Ec2) => AwsError::new("UnauthorizedOperation", 403, message),
            Some(Protocol::RestJson) => AwsError::new("AccessDeniedException", 403, message),
            _ => AwsError::new("AccessDeniedException", 400, message),
        }
    }

    /// Observes what is not counted but measured, once a minute: how many messages wait, say.
    ///
    /// # Errors
    /// When the store fails.
    fn measure(&self, _kernel: &Kernel) -> Result<()> {
        Ok(())
    }

    /// Writes what it remembers of calls and has in memory only ([`crate::waiting`]), and returns when it is written. It is asked to
    /// together with the metrics, and before the cloud stops.
    ///
    /// # Errors
    /// When the store fails.
    fn keep<'a>(&'a self, _kernel: &'a Kernel) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// A call was refused, or broke: for services that count such calls. What cannot be read comes not so far.
    fn refused(&self, _cx: &Cx, _failure: &Failure) {}

    /// For services that keep logs or measure: whether it wants to be told what becomes of this request from outside, and
    /// what it wants to be reminded of then.
    fn observes(&self, _from: &Snapshot, _request: &Request) -> Option<String> {
        None
    }

    /// A request that it observes was answered, to the last byte or as far as the client stayed for it.
    fn answered(&self, _cx: &Cx, _exchange: &Exchange) {}

    /// Holds a body that is not a stream against what the request's headers say of it.
    ///
    /// # Errors
    /// When they say something else.
    fn check_body(&self, _operation: &'static Operation, _request: &Request, _body: &[u8]) -> Result<()> {
        Ok(())
    }

    /// What is answered to a request that could not be read: by default what most services on its protocol answer.
    fn malformed(&self, _operation: &'static Operation, protocol: Protocol, why: Malformed) -> AwsError {
        why.into_error(protocol)
    }

    /// What is answered when the service has too much to do; a fault rule says when.
    fn throttled(&self, _operation: &'static Operation) -> AwsError {
        AwsError::new("ThrottlingException", 400, "Rate exceeded")
    }

    /// The largest body of a request that is not a stream, in bytes.
    fn body_limit(&self) -> usize {
        16 * 1024 * 1024
    }

    /// First labels of hosts that are not APIs but what users made: `lambda-url` takes
    /// `<anything>.lambda-url.<region>.<domain>`.
    fn sites(&self) -> &'static [&'static str] {
        &[]
    }

    /// Answers the upload of a browser's form, which is bound to no operation of a model.
    fn form<'a>(&'a self, _cx: &'a Cx, _request: Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async { Err(Failure::not_built("uploads by forms")) })
    }

    /// What a page may do with what a request without a body is for; `None`: its owner can set no rules for it.
    fn cross_origin(&self, _from: &Snapshot, _request: &Request) -> Option<CrossOrigin> {
        None
    }

    /// Answers a request to one of its sites. `name` is what stands before the site's label.
    fn serve<'a>(
        &'a self,
        _cx: &'a Cx,
        _site: &'a str,
        _name: &'a str,
        _request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async { Err(Failure::not_built("this host")) })
    }

    /// Prepares a call from inside that shall be done within a transaction of its caller, checked and allowed as it is.
    /// `None`: this operation cannot be done so.
    ///
    /// # Errors
    /// Those of the operation that are known beforehand.
    fn prepare(&self, _cx: &Cx, _operation: usize, _input: Value) -> Result<Option<Box<dyn Ready>>> {
        Ok(None)
    }

    /// Beginnings of paths that it answers on every host and without a signature, by [`Service::serve`], which gets the
    /// beginning as its site: certificates that messages name, say.
    fn paths(&self) -> &'static [&'static str] {
        &[]
    }

    /// Does a task that it scheduled.
    fn run<'a>(&'a self, _cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move { Err(Failure::broken(format!("{} has no task `{}`", task.service, task.kind))) })
    }

    /// Begins what runs beside the calls: pollers, supervisors. Called once, after all services are registered.
    fn start(&self, _kernel: &Kernel) {}

    /// The operations that CloudTrail records as data events rather than as management events.
    fn data_events(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether CloudTrail's events of its calls are of the region that they went to; else they are of the first one.
    fn has_regional_events(&self) -> bool {
        !self.api().global
    }

    /// What CloudTrail's events call an operation.
    fn event_name(&self, operation: &'static str) -> &'static str {
        operation
    }

    /// What CloudTrail's event of a call says of what it asked for.
    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        cloudtrail::parameters(operation, parameters)
    }

    /// What CloudTrail's event of a call that changed something says of its answer.
    fn event_answer(&self, operation: &'static Operation, _record: &Record, answer: &Json) -> Json {
        cloudtrail::answer(operation, answer)
    }

    /// The resources that CloudTrail's event of a call names.
    fn event_resources(&self, _from: &Snapshot, _record: &Record, _parameters: &Json) -> Vec<Json> {
        Vec::new()
    }

    /// Its tables whose keys do not begin with an account, and how their rows tell whose they are.
    fn shared(&self) -> Vec<Shared> {
        Vec::new()
    }

    /// What it answers to who asks for records of a name, of one kind: for services that have zones.
    ///
    /// # Errors
    /// When the store fails.
    fn resolve(&self, _from: &Snapshot, _name: &str, _kind: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// ARNs of its resources that use something of another service, which is named by its ARN: listeners that use a certificate.
    ///
    /// # Errors
    /// When the store fails.
    fn uses(&self, _from: &Snapshot, _arn: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The CloudFormation resource types that it owns.
    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        Vec::new()
    }
}

/// What tells whose each row is, in the tables of the kernel and of these services.
pub fn owners(services: &[Arc<dyn Service>]) -> Owners {
    let kernel = crate::tasks::shared().into_iter().chain(crate::names::shared());
    let kernel = kernel.chain([Shared::by_row(&crate::CREDENTIALS, |c| &c.account)]);
    Owners::new(kernel.chain(services.iter().flat_map(|service| service.shared())))
}
