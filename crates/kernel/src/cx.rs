//! `Cx`: the context of one call. Nothing global: time, chance, state and other services are reached through it.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value as Json;
use undercast_policy::{NamedPolicy, PrincipalFacts, PrincipalKind};
use undercast_store::{Blobs, Snapshot, Tx};
use undercast_wire::{Body, Timestamp};

use crate::{Coded, Failure, Kernel, MfaCode, Policies, Random, Result, Signals, Tasks, Temporary, regions};

/// The context of one call.
#[derive(Clone)]
pub struct Cx {
    pub(crate) kernel: Kernel,
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) principal: Arc<PrincipalFacts>,
    /// Policies of the session, when it was made with some.
    pub(crate) session: Option<Arc<[NamedPolicy]>>,
    /// What is known of temporary credentials; `None`: they are for good.
    pub(crate) temporary: Option<Temporary>,
    pub(crate) request_id: Arc<str>,
    /// What CloudTrail's event of the call is called; `None`: as the request. Calls from inside may share a request.
    pub(crate) event_id: Option<Arc<str>>,
    pub(crate) now: Timestamp,
    pub(crate) origin: Arc<Origin>,
}

/// How a request was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Where the signature stood.
    pub place: SignedIn,
    /// `AWS4-HMAC-SHA256`
    pub version: String,
    /// When it was made.
    pub at: Timestamp,
    /// What the request says of its body in `x-amz-content-sha256`: a hash, or why there is none.
    pub content: Option<String>,
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedIn {
    /// In a header.
    Header,
    /// In the query string: a presigned URL.
    Query,
    /// In a field of a browser's form.
    Form,
}

/// Where a call came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The version of TLS: `1.3`. `None`: there is none.
    pub tls: Option<&'static str>,
    /// The Host header of the request, port and all: what URLs in answers are built from.
    pub host: String,
    /// The caller's address; `None` for a call from inside.
    pub address: Option<IpAddr>,
    /// User agent.
    pub user_agent: String,
    /// The access key id.
    pub access_key: Option<String>,
    /// How it was signed, if it was.
    pub signed: Option<Signed>,
    /// The service that makes the call on somebody's behalf, and the resource for which it does.
    pub service: Option<(String, Option<String>)>,
    /// The caller wants to be told why the call is allowed or not.
    pub why: bool,
}

impl Cx {
    /// The moment the call is handled at: one moment for the whole call.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Milliseconds since 1970 at that moment.
    pub fn now_millis(&self) -> i64 {
        self.now.as_millisecond()
    }

    /// Account that the call goes to: twelve digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Region that the call goes to.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Partition of the region.
    pub fn partition(&self) -> &'static str {
        regions::partition(&self.region)
    }

    /// Who makes the call.
    pub fn principal(&self) -> &Arc<PrincipalFacts> {
        &self.principal
    }

    /// Id of the request.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Id of the event by which CloudTrail tells of the call.
    pub fn event_id(&self) -> &str {
        self.event_id.as_ref().unwrap_or(&self.request_id)
    }

    /// Where the call came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Ids, secrets and dice.
    pub fn random(&self) -> &Random {
        &self.kernel.inner.random
    }

    /// Bells.
    pub fn signals(&self) -> &Signals {
        &self.kernel.inner.signals
    }

    /// Durable timers.
    pub fn tasks(&self) -> &Tasks {
        &self.kernel.inner.tasks
    }

    /// Compiled policies.
    pub fn policies(&self) -> &Policies {
        &self.kernel.inner.policies
    }

    /// Large bytes.
    pub fn blobs(&self) -> &Blobs {
        &self.kernel.inner.blobs
    }

    /// The beginning of every key of this account and region, with what follows it.
    pub fn key<T>(&self, rest: T) -> (&str, &str, T) {
        (&self.account, &self.region, rest)
    }

    /// `arn:aws:sqs:us-east-1:000000000000:resource`
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// The same for a resource of a global service, without region.
    pub fn global_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition(), self.account)
    }

    /// `http://localhost:4566`, as the caller reached us.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.origin.scheme, self.origin.host)
    }

    /// The host of a site ([`crate::Service::sites`]) under the one at which the caller reached us:
    /// `abc.lambda-url.us-east-1.localhost:4566`.
    pub fn site_host(&self, site: &str) -> String {
        // `localhost` has names below it, an address has none.
        let host = &self.origin.host;
        match host.strip_prefix("127.0.0.1").or(host.strip_prefix("[::1]")) {
            Some(port) => format!("{site}.localhost{port}"),
            None => format!("{site}.{host}"),
        }
    }

    /// Committed state.
    pub fn read(&self) -> Snapshot {
        self.kernel.inner.database.read()
    }

    /// Runs `change` in a transaction and returns when it is permanent. It may run again, so it has no effect but its
    /// writes.
    ///
    /// # Errors
    /// Those of `change`, and when the store fails.
    pub async fn write<T>(&self, change: impl FnMut(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let tasks = &self.kernel.inner.tasks;
        let before = tasks.scheduled();
        let value = self.kernel.inner.database.write(change).await?;
        tasks.wake_if_since(before);
        Ok(value)
    }

    /// What is known of the temporary credentials of whoever makes the call; `None`: they are for good.
    pub fn temporary(&self) -> Option<&Temporary> {
        self.temporary.as_ref()
    }

    /// Whether the caller's MFA device shows a code now. It can still be used.
    ///
    /// # Errors
    /// When the store fails.
    pub fn check_mfa(&self, code: MfaCode<'_>) -> Result<Coded> {
        match self.kernel.identities() {
            Some(known) => known.check_code(&self.read(), &self.principal, code, self.now),
            None => Ok(Coded::NoDevice),
        }
    }

    /// The same within a transaction that uses the code up.
    ///
    /// # Errors
    /// When the store fails.
    pub fn use_mfa(&self, tx: &mut Tx<'_>, code: MfaCode<'_>) -> Result<Coded> {
        match self.kernel.identities() {
            Some(known) => known.use_code(tx, &self.principal, code, self.now),
            None => Ok(Coded::NoDevice),
        }
    }

    /// Adds usage in AWS's billing units.
    pub fn meter(&self, service: &'static str, unit: &'static str, amount: f64) {
        self.kernel.inner.meter.add(&self.account, &self.region, service, unit, amount);
    }

    /// Calls an operation of any service, through the same dispatch as a call from outside, as this call's principal.
    ///
    /// # Errors
    /// Those of the operation; [`Failure::NotBuilt`] when it is not there.
    pub async fn call(&self, service: &str, operation: &str, input: Json) -> Result<Json> {
        Ok(self.call_with_body(service, operation, input, None).await?.0)
    }

    /// The same with a streaming body in the request, in the answer, or both.
    ///
    /// # Errors
    /// As [`Cx::call`].
    pub async fn call_with_body(
        &self,
        service: &str,
        operation: &str,
        input: Json,
        body: Option<Body>,
    ) -> Result<(Json, Option<Body>)> {
        self.kernel.call(self, service, operation, input, body).await
    }

    /// The same call made by a service on its own behalf, for the sake of `source` (an ARN).
    #[must_use]
    pub fn as_service(&self, service: &str, source: Option<&str>) -> Self {
        let principal = PrincipalFacts {
            arn: service.to_owned(),
            account: String::new(),
            kind: PrincipalKind::Service { name: service.to_owned() },
            user_id: String::new(),
            canonical_user: None,
        };
        self.inside(principal, service, source)
    }

    /// The same call made by somebody whom only an identity provider knows: `provider` as trust policies name it, `whom` by
    /// the provider's name for them.
    #[must_use]
    pub fn as_federated(&self, provider: &str, whom: &str) -> Self {
        let principal = PrincipalFacts {
            arn: whom.to_owned(),
            account: String::new(),
            kind: PrincipalKind::Federated { provider: provider.to_owned() },
            user_id: whom.to_owned(),
            canonical_user: None,
        };
        Self { principal: Arc::new(principal), session: None, temporary: None, ..self.clone() }
    }

    /// The same call made by a service with the rights of whoever called it (AWS's forward access session): S3 that asks KMS
    /// for a data key, say. `aws:ViaAWSService` is true of it, and `kms:ViaService` names the service; what a service that
    /// called in its own name acts for (`aws:SourceArn`) stays.
    #[must_use]
    pub fn through(&self, service: &str) -> Self {
        let source = self.origin.service.as_ref().and_then(|(_, source)| source.clone());
        let (session, temporary) = (self.session.clone(), self.temporary.clone());
        Self { session, temporary, ..self.inside((*self.principal).clone(), service, source.as_deref()) }
    }

    /// The service that makes the call with the rights of somebody else, if one does.
    pub fn forwarded_by(&self) -> Option<&str> {
        let (service, _) = self.origin.service.as_ref()?;
        // Who calls in its own name forwards nothing.
        let own = matches!(&self.principal.kind, PrincipalKind::Service { name } if name == service);
        (!own).then_some(service.as_str())
    }

    /// The same call made by a service with a role that it was given. The role's own policies decide.
    #[must_use]
    pub fn as_role(&self, service: &str, role_arn: &str, session_name: &str) -> Self {
        let role = crate::arn::Arn::parse(role_arn);
        let account = role.as_ref().map_or_else(|| self.account.to_string(), |a| a.account.clone());
        let name = role.as_ref().and_then(|a| a.resource.rsplit('/').next().map(ToOwned::to_owned)).unwrap_or_default();
        let principal = PrincipalFacts {
            arn: format!("arn:{}:sts::{account}:assumed-role/{name}/{session_name}", self.partition()),
            canonical_user: Some(crate::auth::canonical_user(&account)),
            account,
            kind: PrincipalKind::AssumedRole {
                role_arn: role_arn.to_owned(),
                session_name: session_name.to_owned(),
                provider: None,
            },
            user_id: format!("{name}:{session_name}"),
        };
        // The session of a service begins without a code.
        Self { temporary: Some(Temporary::default()), ..self.inside(principal, service, None) }
    }

    /// The same call made by a service with the rights of whoever holds an access key, or held it when the work began.
    ///
    /// # Errors
    /// When the store fails.
    pub fn as_holder_of(&self, access_key: &str, service: &str) -> Result<Self> {
        let Some(credential) = crate::CREDENTIALS.get(&self.read(), &(access_key,))? else {
            // A key that was not issued here is an account's root user.
            let account = crate::auth::account_of_key(access_key).to_owned();
            return Ok(self.inside(crate::auth::root(&account), service, None));
        };
        let session = crate::auth::session_policies(&credential.session_policies, credential.limited);
        let temporary = credential.temporary();
        Ok(Self { session, temporary, ..self.inside(credential.principal(), service, None) })
    }

    pub(crate) fn inside(&self, principal: PrincipalFacts, service: &str, source: Option<&str>) -> Self {
        let origin = Origin {
            address: None,
            user_agent: service.to_owned(),
            access_key: None,
            signed: None,
            service: Some((service.to_owned(), source.map(ToOwned::to_owned))),
            why: false,
            ..(*self.origin).clone()
        };
        Self {
            principal: Arc::new(principal),
            session: None,
            temporary: None,
            origin: Arc::new(origin),
            now: self.kernel.inner.clock.now(),
            request_id: self.kernel.inner.random.uuid().into(),
            event_id: None,
            ..self.clone()
        }
    }

    /// The same call in another account or region.
    #[must_use]
    pub fn elsewhere(&self, account: &str, region: &str) -> Self {
        Self { account: account.into(), region: region.into(), ..self.clone() }
    }

    /// A later moment of a call that waited: the clock is read again.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        Self { now: self.kernel.inner.clock.now(), ..self.clone() }
    }

    /// Runs something beside the call, for as long as it takes.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.kernel.spawn(work);
    }

    /// An error with the id of this request, for what can only be a defect.
    pub fn broken(&self, what: impl Into<String>) -> Failure {
        Failure::broken(what.into())
    }
}
