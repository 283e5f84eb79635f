//! What a call needs to be allowed, and the decision.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_policy::{
    Context, Decision, Inputs, MapContext, NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind, Request,
    ResourceRule, Values, decide, denied_message, explained,
};
use undercast_store::{Snapshot, Tx};
use undercast_wire::schema::Operation;

use crate::{Cx, Kernel, Result, Timestamp};

/// One permission that a call needs.
#[derive(Debug, Clone)]
pub struct Access {
    /// `sqs:SendMessage`
    pub action: Cow<'static, str>,
    /// ARN of the resource, or `*` where the action has none.
    pub resource: String,
    /// Account of the resource, where it is not the one that the call goes to.
    pub resource_account: Option<String>,
    /// Policies of the resource.
    pub policies: Vec<NamedPolicy>,
    /// How much they weigh within one account.
    pub rule: ResourceRule,
    /// Condition keys of the service: `dynamodb:LeadingKeys`, `aws:ResourceTag/team`.
    pub context: MapContext,
    /// What lies behind the resource and must allow the same as well: the bucket behind an access point.
    pub behind: Vec<Behind>,
}

/// A resource behind the one that a call names. The action and the condition keys are those of the call.
#[derive(Debug, Clone)]
pub struct Behind {
    /// Its ARN.
    pub resource: String,
    /// The account that owns it.
    pub account: String,
    /// Its policies.
    pub policies: Vec<NamedPolicy>,
}

impl Access {
    /// A permission on a resource.
    pub fn new(action: impl Into<Cow<'static, str>>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            resource_account: None,
            policies: Vec::new(),
            rule: ResourceRule::EitherAllows,
            context: MapContext::new(),
            behind: Vec::new(),
        }
    }

    /// The permission to hand a role over to a service, called by its principal: `lambda.amazonaws.com`. A role of another
    /// account cannot be handed over.
    pub fn passing(cx: &Cx, role: &str, service: &str) -> Self {
        let account = crate::arn::Arn::parse(role).map_or_else(|| cx.account().to_owned(), |arn| arn.account);
        let mut pass = Self::new("iam:PassRole", role).in_account(account);
        pass.context.set("iam:PassedToService", service);
        pass
    }

    /// With the policy of the resource, called `name` in explanations.
    #[must_use]
    pub fn with_policy(mut self, name: &str, policy: Arc<undercast_policy::Policy>) -> Self {
        self.policies.push(NamedPolicy { name: name.into(), policy });
        self
    }

    /// With the account that owns the resource.
    #[must_use]
    pub fn in_account(mut self, account: impl Into<String>) -> Self {
        self.resource_account = Some(account.into());
        self
    }
}

/// Who knows the policies of users and roles.
pub trait Identities: Send + Sync {
    /// The policies of a principal.
    ///
    /// # Errors
    /// When the store fails.
    fn policies(&self, from: &Snapshot, principal: &PrincipalFacts) -> Result<Arc<IdentityPolicies>>;

    /// A role by its ARN, for those who assume it or pass it on.
    ///
    /// # Errors
    /// When the store fails.
    fn role(&self, from: &Snapshot, arn: &str) -> Result<Option<RoleFacts>>;

    /// The document of a managed policy by its ARN, for sessions that it limits.
    ///
    /// # Errors
    /// When the store fails.
    fn managed(&self, from: &Snapshot, arn: &str) -> Result<Option<String>> {
        let _ = (from, arn);
        Ok(None)
    }

    /// An identity provider by its ARN, for those whom it vouches for.
    ///
    /// # Errors
    /// When the store fails.
    fn provider(&self, from: &Snapshot, arn: &str) -> Result<Option<ProviderFacts>> {
        let _ = (from, arn);
        Ok(None)
    }

    /// A JSON Web Token with these claims, in the name of the issuer of an account and signed as that one's published keys
    /// verify. `None`: the account lets nobody have such tokens.
    ///
    /// # Errors
    /// When the store fails.
    fn sign_token(&self, cx: &Cx, algorithm: &str, claims: Map<String, Json>) -> Result<Option<String>> {
        let _ = (cx, algorithm, claims);
        Ok(None)
    }

    /// Whether an address, without `https://`, is that of an issuer of tokens here.
    fn is_issuer(&self, place: &str) -> bool {
        let _ = place;
        false
    }

    /// Whether the accounts that administer IAM in the organization of this management account may act as the root users of
    /// its members.
    ///
    /// # Errors
    /// When the store fails.
    fn root_sessions(&self, from: &Snapshot, management: &str) -> Result<bool> {
        let _ = (from, management);
        Ok(false)
    }

    /// Whether somebody's MFA device shows a code now, and it was not used yet.
    ///
    /// # Errors
    /// When the store fails.
    fn check_code(&self, from: &Snapshot, whose: &PrincipalFacts, code: MfaCode<'_>, now: Timestamp) -> Result<Coded> {
        let _ = (from, whose, code, now);
        Ok(Coded::NoDevice)
    }

    /// The same, and a good code is used up with the transaction.
    ///
    /// # Errors
    /// When the store fails.
    fn use_code(&self, tx: &mut Tx<'_>, whose: &PrincipalFacts, code: MfaCode<'_>, now: Timestamp) -> Result<Coded> {
        let _ = (tx, whose, code, now);
        Ok(Coded::NoDevice)
    }

    /// A call was made, whatever became of it. `service` is the name in front of its actions.
    fn used(&self, cx: &Cx, service: &'static str, operation: &'static Operation) {
        let _ = (cx, service, operation);
    }

    /// A permission was asked for, and the call goes on: it was given, or nobody is denied anything.
    fn exercised(&self, cx: &Cx, access: &Access) {
        let _ = (cx, access);
    }

    /// The smallest policy by which a user or role, named by an ARN whose path may be left out, could have done what it did
    /// since a time, and how its present ones differ from that: `{of, policy, unused, wider, missing}`. `None`: nobody of that
    /// name is there.
    ///
    /// # Errors
    /// When the store fails.
    fn least_privilege<'a>(
        &'a self,
        kernel: &'a Kernel,
        of: &'a str,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Json>>> {
        let _ = (kernel, of, since);
        Box::pin(async { Ok(None) })
    }
}

/// Who knows which accounts belong to an organization, and what it says of them.
pub trait Organizations: Send + Sync {
    /// Whether there is any organization: what is asked first, of every call.
    fn any(&self) -> bool;

    /// What an organization says of an account; `None`: it belongs to none.
    ///
    /// # Errors
    /// When the store fails.
    fn membership(&self, from: &Snapshot, account: &str) -> Result<Option<Arc<Membership>>>;
}

/// What an organization says of an account of its own.
#[derive(Debug, Clone, Default)]
pub struct Membership {
    /// Its id: `o-…`.
    pub organization: String,
    /// The account that manages it.
    pub management: String,
    /// Where the account is in it: `o-…/r-…/ou-…/`.
    pub path: String,
    /// The organization has all features, not consolidated billing alone.
    pub all_features: bool,
    /// Services that may act in all accounts: `iam.amazonaws.com`.
    pub trusted: Vec<String>,
    /// Those of them that the account administers.
    pub administers: Vec<String>,
    /// Service control policies, a list a level from the root to the account. None for the management account.
    pub service_control: Vec<Vec<NamedPolicy>>,
    /// Resource control policies, likewise.
    pub resource_control: Vec<Vec<NamedPolicy>>,
}

/// A code that somebody read off an MFA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MfaCode<'a> {
    /// The device's serial number: an ARN.
    pub serial: &'a str,
    /// Six digits.
    pub code: &'a str,
}

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// The device shows it.
    Good,
    /// It does not, or it was used already.
    Wrong,
    /// They have no such device.
    NoDevice,
}

/// What those who assume a role need to know of it.
#[derive(Debug, Clone)]
pub struct RoleFacts {
    /// Its unique id: `AROA…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Who may assume it.
    pub trust: Arc<undercast_policy::Policy>,
    /// How long a session may last, in seconds.
    pub max_session_seconds: i32,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// What those need to know of an identity provider whom it vouches to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderFacts {
    /// OpenID Connect.
    Oidc {
        /// Its address without `https://`, which is what condition keys begin with.
        url: String,
        /// The audiences that its tokens may be for.
        clients: Vec<String>,
        /// SHA-1 of certificates that vouch for it beside those that the machine trusts, in hexadecimal.
        thumbprints: Vec<String>,
    },
    /// SAML 2.0.
    Saml {
        /// What it says of itself: an `EntityDescriptor`.
        metadata: String,
    },
}

/// The policies of a user, or of the role behind a session.
#[derive(Debug, Clone, Default)]
pub struct IdentityPolicies {
    /// Its own and its groups'.
    pub identity: Vec<NamedPolicy>,
    /// Its permissions boundary.
    pub boundary: Option<NamedPolicy>,
    /// Tags of the principal.
    pub tags: Vec<(String, String)>,
}

/// Condition keys that are worked out when a policy asks for one, at most once: most policies ask for none.
pub(crate) struct Later<'a> {
    work: Option<&'a dyn Fn() -> Result<MapContext>>,
    done: OnceCell<Result<MapContext>>,
}

impl<'a> Later<'a> {
    /// Keys of this work, which knows none where it is `None`.
    pub(crate) fn new(work: Option<&'a dyn Fn() -> Result<MapContext>>) -> Self {
        Self { work, done: OnceCell::new() }
    }

    fn lookup(&self, key: &str) -> Option<Values<'_>> {
        let work = self.work?;
        self.done.get_or_init(work).as_ref().ok()?.lookup(key)
    }

    /// A decision without keys that could not be worked out is none.
    fn check(self) -> Result<()> {
        self.done.into_inner().map_or(Ok(()), |done| done.map(drop))
    }
}

/// The condition keys that every call has.
pub(crate) struct CallContext<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) access: &'a MapContext,
    pub(crate) later: &'a Later<'a>,
    pub(crate) owner: &'a str,
    pub(crate) tags: &'a [(String, String)],
    pub(crate) organizations: &'a Belonging,
}

/// The organizations of the two sides of a call, where they have one.
#[derive(Default)]
pub(crate) struct Belonging {
    caller: Option<Arc<Membership>>,
    owner: Option<Arc<Membership>>,
}

impl Belonging {
    pub(crate) fn of(cx: &Cx, owner: &str) -> Result<Self> {
        let Some(known) = cx.kernel().organizations().filter(|known| known.any()) else { return Ok(Self::default()) };
        let from = cx.read();
        let of = |account: &str| if account.is_empty() { Ok(None) } else { known.membership(&from, account) };
        let caller = of(&cx.principal().account)?;
        let owner = if owner == cx.principal().account { caller.clone() } else { of(owner)? };
        Ok(Self { caller, owner })
    }

    /// Whether it limits what the root user may do, who needs no policy otherwise.
    fn limits(&self) -> bool {
        let has = |side: &Option<Arc<Membership>>, levels: fn(&Membership) -> &[Vec<NamedPolicy>]| {
            side.as_ref().is_some_and(|membership| !levels(membership).is_empty())
        };
        has(&self.caller, |m| &m.service_control) || has(&self.owner, |m| &m.resource_control)
    }

    fn lookup(&self, key: &str) -> Option<Values<'_>> {
        let (side, name) = match key.strip_prefix("aws:principalorg") {
            Some(name) => (&self.caller, name),
            None => (&self.owner, key.strip_prefix("aws:resourceorg")?),
        };
        let membership = side.as_deref()?;
        match name {
            "id" => Some(Values::one(&membership.organization)),
            "paths" => Some(Values::Many(Cow::Owned(vec![membership.path.clone()]))),
            "masteraccountid" => Some(Values::one(&membership.management)),
            _ => None,
        }
    }
}

/// The services whose resources are under resource control policies ("List of AWS services that support RCPs" in the user
/// guide of Organizations).
const UNDER_RESOURCE_CONTROL: &[&str] = &[
    "s3",
    "sts",
    "sqs",
    "kms",
    "secretsmanager",
    "cognito-idp",
    "cognito-identity",
    "logs",
    "dynamodb",
    "ecr",
    "aoss",
];

/// Roles that services make for themselves are under no policy of an organization.
fn is_service_linked(cx: &Cx) -> bool {
    matches!(&cx.principal().kind, PrincipalKind::AssumedRole { role_arn, .. } if role_arn.contains(":role/aws-service-role/"))
}

impl Context for CallContext<'_> {
    fn lookup(&self, key: &str) -> Option<Values<'_>> {
        if let Some(found) = self.access.lookup(key).or_else(|| self.later.lookup(key)) {
            return Some(found);
        }
        let owned = |text: String| Some(Values::One(Cow::Owned(text)));
        let origin = self.cx.origin();
        match key {
            "aws:currenttime" => owned(self.cx.now().to_string()),
            "aws:epochtime" => owned(self.cx.now().as_second().to_string()),
            "aws:requestedregion" => Some(Values::one(self.cx.region())),
            "aws:securetransport" => owned((origin.scheme == "https").to_string()),
            "aws:sourceip" => origin.address.and_then(|a| owned(a.to_string())),
            "aws:useragent" => Some(Values::one(&origin.user_agent)),
            // Of credentials that are for good AWS does not say whether a code was given.
            "aws:multifactorauthpresent" => self.cx.temporary().and_then(|t| owned(t.mfa.is_some().to_string())),
            "aws:multifactorauthage" => {
                let given = self.cx.temporary().and_then(|t| t.mfa)?;
                owned(((self.cx.now_millis() - given) / 1000).to_string())
            }
            "aws:tokenissuetime" => self.cx.temporary().and_then(|t| owned(self.issued(t))),
            "aws:sourceidentity" => {
                let begun = self.cx.temporary()?.begun.as_deref()?;
                begun.source_identity.as_deref().map(Values::one)
            }
            "aws:federatedprovider" => match &self.cx.principal().kind {
                PrincipalKind::AssumedRole { provider, .. } => provider.as_deref().map(Values::one),
                PrincipalKind::Federated { provider } => Some(Values::one(provider)),
                _ => None,
            },
            "aws:viaawsservice" => owned(self.cx.forwarded_by().is_some().to_string()),
            "aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast" => self.cx.forwarded_by().map(Values::one),
            "aws:sourcearn" => origin.service.as_ref().and_then(|(_, source)| source.as_deref()).map(Values::one),
            // Services tell for whom they act when they act in their own name only.
            "aws:sourceaccount" if matches!(self.cx.principal().kind, PrincipalKind::Service { .. }) => {
                // That of the resource for which it acts, where its ARN has one: a bucket's has none.
                let source = origin.service.as_ref().and_then(|(_, source)| crate::arn::Arn::parse(source.as_deref()?));
                let account = source.map(|arn| arn.account).filter(|account| !account.is_empty());
                account.map_or_else(|| Some(Values::one(self.cx.account())), owned)
            }
            "aws:resourceaccount" => Some(Values::one(self.owner)),
            _ => {
                let Some(name) = key.strip_prefix("aws:principaltag/") else {
                    return self.organizations.lookup(key).or_else(|| self.claim(key));
                };
                let of_session = self.cx.temporary().into_iter().flat_map(|t| t.tags.iter());
                let found = of_session.chain(self.tags).find(|(k, _)| k.eq_ignore_ascii_case(name))?;
                Some(Values::one(&found.1))
            }
        }
    }
}

impl CallContext<'_> {
    /// When the session began: one that a service began with a role that it was given, just now.
    fn issued(&self, temporary: &crate::Temporary) -> String {
        let begun = temporary.begun.as_ref().and_then(|begun| Timestamp::from_millisecond(begun.at).ok());
        let seconds = begun.unwrap_or_else(|| self.cx.now()).as_second();
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    }

    /// What an identity provider said of whoever it let in.
    fn claim(&self, key: &str) -> Option<Values<'_>> {
        let claims = &self.cx.temporary()?.begun.as_deref()?.claims;
        match claims.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, values)| values.as_slice())? {
            [one] => Some(Values::one(one)),
            many => Some(Values::Many(Cow::Borrowed(many))),
        }
    }
}

/// The decision on one permission, and AWS's sentence where it is no.
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) message: String,
    pub(crate) explanation: Json,
    /// What an encoded message would say of it, where it was asked for and the decision is no.
    pub(crate) encoded: Option<Json>,
}

impl Verdict {
    fn yes() -> Self {
        Self { allowed: true, message: String::new(), explanation: Json::Null, encoded: None }
    }
}

/// What is to be told of a decision beside whether it is yes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tell {
    /// Each step, of a yes as well.
    pub(crate) explain: bool,
    /// What an encoded message says of a no.
    pub(crate) encode: bool,
}

/// Whether somebody acts in a session that the root user made for them.
fn is_root_behind(cx: &Cx) -> bool {
    matches!(&cx.principal().kind, PrincipalKind::FederatedUser { user_arn, .. } if user_arn.ends_with(":root"))
}

/// What the root user may do.
fn everything() -> Result<Arc<IdentityPolicies>> {
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let policy = Policy::parse(PolicyKind::Inline, all).map_err(crate::Failure::broken)?;
    let identity = vec![NamedPolicy { name: "root".into(), policy: Arc::new(policy) }];
    Ok(Arc::new(IdentityPolicies { identity, ..IdentityPolicies::default() }))
}

/// Decides whether the principal of `cx` may do what `access` says. `later`: more of its condition keys.
pub(crate) fn weigh(
    cx: &Cx,
    identities: Option<&dyn Identities>,
    access: &Access,
    later: Later<'_>,
    tell: Tell,
) -> Result<Verdict> {
    let explain = tell.explain;
    let owner = access.resource_account.as_deref().unwrap_or(cx.account());
    let own = |account: &str, policies: &[NamedPolicy]| account == cx.principal().account && policies.is_empty();
    let simple_root = matches!(cx.principal().kind, PrincipalKind::Root)
        && own(owner, &access.policies)
        && access.behind.iter().all(|b| own(&b.account, &b.policies));
    let organizations = Belonging::of(cx, owner)?;
    let simple_root = simple_root && cx.session.is_none() && !organizations.limits();
    if simple_root && access.rule == ResourceRule::EitherAllows && !explain {
        return Ok(Verdict::yes());
    }
    let facts = match identities {
        _ if is_root_behind(cx) => everything()?,
        Some(known) => known.policies(&cx.read(), cx.principal())?,
        None => Arc::default(),
    };
    let side = Side { resource: &access.resource, owner, policies: &access.policies };
    let mut verdict = side.weigh(cx, (&facts, &organizations), (access, &later), tell);
    for behind in &access.behind {
        if !verdict.allowed {
            break;
        }
        let side = Side { resource: &behind.resource, owner: &behind.account, policies: &behind.policies };
        let before = std::mem::replace(&mut verdict, side.weigh(cx, (&facts, &organizations), (access, &later), tell));
        if explain && let Some(steps) = verdict.explanation.as_object_mut() {
            steps.insert("before".to_owned(), before.explanation);
        }
    }
    later.check()?;
    Ok(verdict)
}

/// One resource of a permission, with what decides over it.
struct Side<'a> {
    resource: &'a str,
    owner: &'a str,
    policies: &'a [NamedPolicy],
}

impl Side<'_> {
    fn weigh(
        &self,
        cx: &Cx,
        (facts, organizations): (&IdentityPolicies, &Belonging),
        (access, later): (&Access, &Later<'_>),
        tell: Tell,
    ) -> Verdict {
        let context =
            CallContext { cx, access: &access.context, later, owner: self.owner, tags: &facts.tags, organizations };
        let request =
            Request { action: &access.action, resource: self.resource, principal: cx.principal(), context: &context };
        let service = access.action.split(':').next().unwrap_or_default();
        let limited = |_: &&Membership| !is_service_linked(cx);
        let controlled = |_: &&Membership| UNDER_RESOURCE_CONTROL.contains(&service);
        let (caller, owner) = (organizations.caller.as_deref(), organizations.owner.as_deref());
        let service_control = caller.filter(limited).map_or(&[][..], |m| &m.service_control);
        let resource_control = owner.filter(controlled).filter(limited).map_or(&[][..], |m| &m.resource_control);
        let service_control: Vec<&[NamedPolicy]> = service_control.iter().map(Vec::as_slice).collect();
        let resource_control: Vec<&[NamedPolicy]> = resource_control.iter().map(Vec::as_slice).collect();
        let inputs = Inputs {
            resource_account: Some(self.owner),
            identity: &facts.identity,
            boundary: facts.boundary.as_ref(),
            session: cx.session.as_deref(),
            resource: self.policies,
            resource_rule: access.rule,
            service_control: &service_control,
            resource_control: &resource_control,
            explain: tell.explain,
            ..Inputs::new(&request)
        };
        let decision = decide(&inputs);
        if decision.allowed && !tell.explain {
            return Verdict::yes();
        }
        let message = denied_message(&request, &decision.reason).unwrap_or_default();
        let mut explanation = explanation(&access.action, self.resource, &decision);
        explanation["sentence"] = explained(&request, &decision).into();
        let encode = tell.encode && !decision.allowed;
        let encoded = encode.then(|| crate::encoded::message(&inputs, &decision, &access.context));
        Verdict { allowed: decision.allowed, message, explanation, encoded }
    }
}

fn explanation(action: &str, resource: &str, decision: &Decision) -> Json {
    let steps: Vec<Json> = decision
        .trace
        .iter()
        .map(|s| {
            json!({"policyType": format!("{:?}", s.policy_type), "policy": *s.policy, "statement": s.statement, "sid": s.sid,
                   "effect": s.effect.as_str(), "outcome": format!("{:?}", s.outcome)})
        })
        .collect();
    json!({"action": action, "resource": resource, "allowed": decision.allowed,
           "reason": format!("{:?}", decision.reason), "steps": steps})
}
