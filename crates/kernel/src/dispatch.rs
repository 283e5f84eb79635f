//! The kernel itself, and the way of a call: check → authorise → fault → handler → trail and meter.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_core::future::BoxFuture;
use jiff::SignedDuration;
use serde_json::Value as Json;
use undercast_store::{Blobs, Database, Table};
use undercast_wire::check;
use undercast_wire::decode::Decoded;
use undercast_wire::schema::Operation;
use undercast_wire::sigv4::SigningKeys;
use undercast_wire::{AwsError, Body, Protocol, Value, Write};

use crate::auth::{self, Caller};
use crate::callers::Callers;
use crate::enriched::Met;
use crate::insights::Insights;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::trail::Entry;
use crate::{
    Clock, Cx, Failure, Faults, Identities, Meter, Organizations, Origin, Policies, Random, Result, Service, Signals,
    Tasks, Trail, access, json,
};

/// Where the clock is, kept over restarts: a number, and what it means.
static CLOCK: Table<(i64, u8)> = Table::new("kernel.clock");
/// The row's number is how far the clock is ahead, in nanoseconds.
const RUNNING: u8 = 0;
/// The same of a clock that stood still, as it was written once.
const FROZEN_AHEAD: u8 = 1;
/// The row's number is where the clock stands still, in nanoseconds since 1970: wherever the machine's is by then.
const FROZEN: u8 = 2;

/// The clock as it was kept.
fn kept_clock(kept: Option<(i64, u8)>) -> Clock {
    let (nanos, kind) = kept.unwrap_or((0, RUNNING));
    let clock = Clock::new(SignedDuration::from_nanos(if kind == FROZEN { 0 } else { nanos }));
    if kind == FROZEN_AHEAD || kind == FROZEN {
        clock.freeze();
    }
    if kind == FROZEN {
        clock.set(jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(jiff::Timestamp::UNIX_EPOCH));
    }
    clock
}

/// What the authoriser's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IamMode {
    /// No means no.
    #[default]
    Enforce,
    /// What would have been denied is recorded and done.
    Audit,
    /// Nobody is asked.
    Off,
}

/// What becomes of keys that were not issued here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMode {
    /// They are the root user of an account.
    #[default]
    Open,
    /// They are refused.
    Strict,
}

/// How a cloud is run. None of it changes what is true, only where, how strictly, and for how long it is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the authoriser's answer means.
    pub iam: IamMode,
    /// What becomes of unknown keys.
    pub auth: AuthMode,
    /// Every ignored member is an error.
    pub strict: bool,
    /// Host and port under which services are told to reach the cloud: `localhost:4566`.
    pub host: String,
    /// Where the data is; `None`: nothing is kept.
    pub data: Option<PathBuf>,
    /// Where blobs and other large files are.
    pub files: PathBuf,
}

impl Settings {
    /// Where the certificate of this cloud's own authority is, once there is one.
    pub fn authority(&self) -> PathBuf {
        self.files.join("ca").join("undercast-ca.pem")
    }
}

/// One cloud.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) database: Database,
    pub(crate) blobs: Blobs,
    pub(crate) tasks: Tasks,
    pub(crate) signals: Signals,
    pub(crate) meter: Meter,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Memory,
    pub(crate) insights: Insights,
    pub(crate) policies: Policies,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) callers: Callers,
    faults: Faults,
    trail: Trail,
    services: Vec<Arc<dyn Service>>,
    by_name: HashMap<&'static str, usize>,
    identities: OnceLock<Arc<dyn Identities>>,
    organizations: OnceLock<Arc<dyn Organizations>>,
}

/// A call's outcome, and what was noticed on the way.
pub struct Outcome {
    /// The answer.
    pub result: Result<Box<dyn Write>>,
    /// Members that were set and are not honoured, with the reasons.
    pub ignored: Vec<(&'static str, &'static str)>,
    /// Members that the API does not have.
    pub unknown: Vec<String>,
    /// Why it was allowed or not, in a sentence a permission, where the caller asked for it.
    pub why: Vec<String>,
}

impl Kernel {
    /// A cloud over a database, with its services. Nothing runs before [`Kernel::start`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        settings: Settings,
        database: Database,
        blobs: Blobs,
        random: Random,
        services: Vec<Arc<dyn Service>>,
    ) -> Result<Self> {
        let clock = kept_clock(CLOCK.get(&database.read(), &())?);
        let by_name = services.iter().enumerate().map(|(i, s)| (s.api().name, i)).collect();
        let inner = Inner {
            settings,
            clock,
            random,
            database,
            blobs,
            tasks: Tasks::default(),
            signals: Signals::default(),
            meter: Meter::default(),
            metrics: Metrics::default(),
            memory: Memory::default(),
            insights: Insights::default(),
            policies: Policies::default(),
            signing_keys: SigningKeys::default(),
            callers: Callers::default(),
            faults: Faults::default(),
            trail: Trail::default(),
            services,
            by_name,
            identities: OnceLock::new(),
            organizations: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Says who knows the policies of users and roles. The first one stays.
    pub fn set_identities(&self, identities: Arc<dyn Identities>) {
        // A second one is a defect of the wiring, and the first stays the truth.
        let _ = self.inner.identities.set(identities);
    }

    /// Who knows the policies of users and roles, where somebody does.
    pub fn identities(&self) -> Option<&dyn Identities> {
        self.inner.identities.get().map(AsRef::as_ref)
    }

    /// Says who knows which accounts belong to an organization. The first one stays.
    pub fn set_organizations(&self, organizations: Arc<dyn Organizations>) {
        let _ = self.inner.organizations.set(organizations);
    }

    /// Who knows which accounts belong to an organization, where somebody does.
    pub fn organizations(&self) -> Option<&dyn Organizations> {
        self.inner.organizations.get().map(AsRef::as_ref)
    }

    /// Begins what runs beside the calls.
    pub fn start(&self) {
        self.inner.services.iter().for_each(|s| s.start(self));
        let kernel = self.clone();
        self.spawn(kernel.clone().run_tasks());
        self.spawn(kernel.clone().sweep_blobs());
        self.spawn(kernel.tend_metrics());
    }

    /// Runs something beside the calls. The one place where tasks begin.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Nobody waits for it: what it has to say it says through the store or the log.
        drop(tokio::spawn(work));
    }

    /// How it is run.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Ids, secrets and dice.
    pub fn random(&self) -> &Random {
        &self.inner.random
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Large bytes.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// The faults.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// What happened.
    pub fn trail(&self) -> &Trail {
        &self.inner.trail
    }

    /// Usage.
    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// Bells.
    pub fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    /// All services.
    pub fn services(&self) -> &[Arc<dyn Service>] {
        &self.inner.services
    }

    /// What tells whose each row of the state is.
    pub fn owners(&self) -> undercast_store::Owners {
        crate::owners(&self.inner.services)
    }

    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&Arc<dyn Service>> {
        self.inner.by_name.get(name).and_then(|i| self.inner.services.get(*i))
    }

    /// Keeps the clock's lead over restarts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_clock(&self) -> Result<()> {
        let (ahead, frozen) = self.inner.clock.ahead();
        let (nanos, kind) =
            if frozen { (self.inner.clock.now().as_nanosecond(), FROZEN) } else { (ahead.as_nanos(), RUNNING) };
        let nanos = i64::try_from(nanos).map_err(|_| Failure::broken("the clock is more than 292 years ahead"))?;
        self.inner
            .database
            .write(|tx| {
                CLOCK.put(tx, &(), &(nanos, kind));
                Ok(())
            })
            .await
    }

    /// The context of a request from outside.
    pub fn cx(&self, caller: Caller, region: &str, request_id: &str, origin: Origin) -> Cx {
        let account =
            if caller.principal.account.is_empty() { auth::DEFAULT_ACCOUNT } else { &caller.principal.account };
        Cx {
            kernel: self.clone(),
            account: account.into(),
            region: region.into(),
            session: caller.session,
            temporary: caller.temporary,
            request_id: request_id.into(),
            event_id: None,
            now: self.inner.clock.now(),
            origin: Arc::new(origin),
            principal: caller.principal,
        }
    }

    /// The context of work that nobody asked for just now: a task, a poller. It acts as the account's root until it says
    /// as which service or role it goes on.
    pub fn cx_for(&self, account: &str, region: &str) -> Cx {
        let origin = Origin {
            scheme: "http",
            tls: None,
            host: self.inner.settings.host.clone(),
            address: None,
            user_agent: "undercast".to_owned(),
            access_key: None,
            signed: None,
            service: None,
            why: false,
        };
        let principal = Arc::new(auth::root(account));
        let caller = Caller { principal, session: None, temporary: None, access_key: None, chunks: None };
        let mut cx = self.cx(caller, region, &self.inner.random.uuid(), origin);
        cx.account = account.into();
        cx
    }

    /// Runs one call: checks it, asks whether it is allowed, lets faults strike, runs the handler, and records it all.
    pub async fn dispatch(&self, cx: &Cx, service: &Arc<dyn Service>, index: usize, decoded: Decoded) -> Outcome {
        let api = service.api();
        let Some(operation) = api.operations.get(index) else {
            let result = Err(Failure::no_such_operation(api, index));
            return Outcome { result, ignored: Vec::new(), unknown: Vec::new(), why: Vec::new() };
        };
        let started = Instant::now();
        let mut ignored = Vec::new();
        check::ignored(&decoded.input, &mut ignored);
        let changes = !operation.readonly && !operation.streams_input();
        let wanted = self.inner.trail.is_wanted(&**service, operation);
        let parameters = (changes || wanted).then(|| json::encode_for_trail(&decoded.input));
        let unknown = decoded.unknown.clone();
        let mut met = Met::default();
        let result = self.guarded(cx, service, operation, index, decoded, &ignored, &mut met).await;
        if let Err(failure) = &result {
            service.refused(cx, failure);
        }
        self.used(cx, api, operation);
        let why = if cx.origin().why { sentences(met.decision.as_ref()) } else { Vec::new() };
        self.record(cx, service, operation, started, &result, wanted, parameters, met, &ignored);
        Outcome { result, ignored, unknown, why }
    }

    async fn guarded(
        &self,
        cx: &Cx,
        service: &Arc<dyn Service>,
        operation: &'static Operation,
        index: usize,
        decoded: Decoded,
        ignored: &[(&'static str, &'static str)],
        met: &mut Met,
    ) -> Result<Box<dyn Write>> {
        let api = service.api();
        if self.inner.settings.strict
            && let Some((member, reason)) = ignored.first()
        {
            return Err(Failure::not_built(format!("{}.{} with `{member}`: {reason}", api.name, operation.name)));
        }
        let violations = check::violations(&decoded);
        if !violations.is_empty() {
            return Err(service.invalid(operation, &violations).into());
        }
        if let Some((member, reason)) = check::refused(&decoded.input) {
            return Err(Failure::not_built(format!("{}.{} with `{member}`: {reason}", api.name, operation.name)));
        }
        let throttled = || service.throttled(operation);
        self.inner.faults.strike(cx, api.name, operation.name, &throttled).await?;
        self.authorise(cx, service, operation, &decoded, met)?;
        service.call(cx, index, Value::Structure(decoded.input)).await
    }

    pub(crate) fn authorise(
        &self,
        cx: &Cx,
        service: &Arc<dyn Service>,
        operation: &'static Operation,
        decoded: &Decoded,
        met: &mut Met,
    ) -> Result<()> {
        let mode = self.inner.settings.iam;
        if mode == IamMode::Off {
            return Ok(());
        }
        let explain = cx.origin().why;
        let tell = access::Tell { explain, encode: service.encodes_denials(operation) };
        for needed in service.access(cx, operation, &decoded.input)? {
            let work = || service.conditions(cx, operation, &decoded.input, &needed);
            let later = access::Later::new(Some(&work));
            let verdict = access::weigh(cx, self.identities(), &needed, later, tell)?;
            match &mut met.decision {
                Some(Json::Array(all)) if explain => all.push(verdict.explanation),
                decision if explain => *decision = Some(Json::Array(vec![verdict.explanation])),
                decision if !verdict.allowed => *decision = Some(verdict.explanation),
                _ => {}
            }
            if self.inner.trail.is_enriched() {
                met.enrich(cx, &needed, &work()?)?;
            }
            if !verdict.allowed {
                if mode == IamMode::Enforce {
                    let mut message = verdict.message;
                    let sealed = verdict.encoded.map(|told| crate::encoded::seal(cx, &told)).transpose()?.flatten();
                    if let Some(sealed) = sealed {
                        message.push_str(" Encoded authorization failure message: ");
                        message.push_str(&sealed);
                    }
                    return Err(service.denied(&needed, message).into());
                }
                tracing::warn!(request = cx.request_id(), message = verdict.message, "would have been denied");
            }
            met.let_touch(cx, &needed);
            cx.exercised(&needed);
        }
        Ok(())
    }

    /// Who knows users and roles is told that one of them made a call.
    pub(crate) fn used(&self, cx: &Cx, api: &'static undercast_wire::Service, operation: &'static Operation) {
        if let Some(known) = self.identities() {
            known.used(cx, api.iam_prefix, operation);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a record has many fields")]
    pub(crate) fn record(
        &self,
        cx: &Cx,
        service: &Arc<dyn Service>,
        operation: &'static Operation,
        started: Instant,
        result: &Result<Box<dyn Write>>,
        wanted: bool,
        parameters: Option<Json>,
        met: Met,
        ignored: &[(&'static str, &'static str)],
    ) {
        let name = service.api().name;
        let (status, error) = match result {
            Ok(_) => (operation.http.code, None),
            Err(Failure::Aws(e)) => (e.status, Some((e.code.to_string(), e.message.clone()))),
            Err(Failure::NotBuilt { what }) => (501, Some(("NotImplemented".to_owned(), what.clone()))),
            Err(Failure::Cut) => (0, Some(("Cut".to_owned(), "cut by a fault rule".to_owned()))),
            Err(error @ Failure::Broken(_)) => {
                tracing::error!(
                    request = cx.request_id(),
                    service = name,
                    operation = operation.name,
                    error = error as &dyn std::error::Error,
                    "internal failure"
                );
                (500, Some(("InternalFailure".to_owned(), error.to_string())))
            }
        };
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let code = error.as_ref().map_or("", |(code, _)| code.as_str());
        tracing::info!(
            service = name,
            operation = operation.name,
            principal = cx.principal().arn,
            status,
            code,
            micros,
            request = cx.request_id()
        );
        let data = wanted && service.data_events().contains(&operation.name);
        let answered = result.as_ref().ok().filter(|_| wanted && !operation.readonly);
        let entry = Entry {
            time: cx.now(),
            request_id: cx.request_id.clone(),
            service: name,
            operation,
            account: cx.account.clone(),
            region: cx.region.clone(),
            principal: cx.principal.clone(),
            origin: cx.origin.clone(),
            status,
            error,
            microseconds: micros,
            parameters,
            answer: answered.map(|output| json::encode_for_trail(&**output)),
            event_id: wanted.then(|| cx.event_id().to_owned()),
            decision: met.decision,
            owners: met.owners,
            context: met.context,
            ignored: ignored.iter().map(|(member, _)| *member).collect(),
        };
        self.inner.trail.add(entry, data);
    }

    /// The service and the operation that a call from inside means, and its input.
    pub(crate) fn addressed(
        &self,
        service: &str,
        operation: &str,
        input: Json,
    ) -> Result<(&Arc<dyn Service>, usize, Decoded)> {
        let found = self.service(service).ok_or_else(|| Failure::not_built(format!("the service {service}")))?;
        let position = found.api().operations.iter().position(|o| o.name == operation);
        let index = position.ok_or_else(|| Failure::not_built(format!("{service}.{operation}")))?;
        let schema = found.api().operations[index].input;
        let decoded = json::decode(input, schema).map_err(|e| e.into_error(Protocol::Json))?;
        if let Some(name) = decoded.unknown.first() {
            let message = format!("{service}.{operation} has no member `{name}`");
            return Err(AwsError::new("ValidationException", 400, message).into());
        }
        Ok((found, index, decoded))
    }

    /// A call from inside, in JSON.
    pub(crate) fn call<'a>(
        &'a self,
        cx: &'a Cx,
        service: &'a str,
        operation: &'a str,
        input: Json,
        body: Option<Body>,
    ) -> BoxFuture<'a, Result<(Json, Option<Body>)>> {
        Box::pin(async move {
            let (found, index, mut decoded) = self.addressed(service, operation, input)?;
            if let (Some(body), Some(payload)) = (body, found.api().operations[index].input.payload) {
                decoded.input.set.push((payload, whole_unless_streamed(body, &**found, index).await?));
            }
            let cx = Cx { event_id: Some(self.inner.random.uuid().into()), ..cx.clone() };
            let outcome = self.dispatch(&cx, found, index, decoded).await;
            Ok(json::encode_with_body(&*outcome.result?))
        })
    }
}

impl Cx {
    /// Records something that a service did by itself, which is no call: a rotation that succeeded. `error`: it failed.
    pub fn record_event(&self, service: &str, event: &'static Operation, error: Option<AwsError>, told: Json) {
        let Some(service) = self.kernel().service(service) else { return };
        let result: Result<Box<dyn Write>> = match error {
            None => Ok(Box::new(())),
            Some(error) => Err(error.into()),
        };
        let wanted = self.kernel().trail().is_wanted(&**service, event);
        let own = Self { event_id: Some(self.random().uuid().into()), ..self.clone() };
        self.kernel().record(&own, service, event, Instant::now(), &result, wanted, Some(told), Met::default(), &[]);
    }
}

/// What explanations say in words.
fn sentences(decision: Option<&Json>) -> Vec<String> {
    let all = decision.and_then(Json::as_array).into_iter().flatten();
    all.filter_map(|one| one["sentence"].as_str().map(ToOwned::to_owned)).collect()
}

/// A body for an operation that takes bytes is all of it; only operations that stream get it as it arrives.
async fn whole_unless_streamed(body: Body, service: &dyn Service, index: usize) -> Result<Value> {
    if service.api().operations.get(index).is_some_and(|o| o.streams_input()) {
        return Ok(Value::Body(body));
    }
    let whole = body.collect(service.body_limit()).await.map_err(Failure::broken)?;
    let too_large = || AwsError::new("RequestEntityTooLargeException", 413, "Request entity is too large");
    Ok(Value::Blob(whole.ok_or_else(too_large)?))
}
