//! A policy in the form it is evaluated in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::arn::{self, ArnPattern, Parts};
use crate::condition::Condition;
use crate::context::{Context, Values};
use crate::document::{ConditionEntry, Document, Effect, Element, PrincipalElement, Statement, Version};
use crate::error::MalformedPolicy;
use crate::parse::{self, PolicyKind};
use crate::pattern::{Pattern, Reading};
use crate::principal::{Grade, PrincipalFacts};

/// What is asked: may this principal do this to that?
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `service:Action`, in any case.
    pub action: &'a str,
    /// The ARN of the resource, or `*` where the action has none.
    pub resource: &'a str,
    /// The caller.
    pub principal: &'a PrincipalFacts,
    /// The condition keys of the request.
    pub context: &'a dyn Context,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

/// A request with what all policies need of it worked out once.
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Request<'a>,
    parts: Option<Parts<'a>>,
    /// The caller has a permissions boundary.
    bounded: bool,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(request: &'a Request<'a>, bounded: bool) -> Self {
        Self { request, parts: arn::split(request.resource), bounded }
    }

    fn lookup(&self, key: &str) -> Option<Values<'a>> {
        self.request.context.lookup(key).or_else(|| self.request.principal.lookup(key))
    }

    /// The text of a policy variable. Only single-valued keys can be variables (IAM User Guide, policy variables).
    fn resolve(&self, key: &str) -> Option<String> {
        let values = self.lookup(key)?;
        let mut all = values.iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Some(one.to_owned()),
            _ => None,
        }
    }
}

/// What one policy says to one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The first statement that denies.
    pub denied: Option<usize>,
    /// The statement that allows and names the caller most closely.
    pub allowed: Option<(usize, Grade)>,
}

/// Why a statement does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// It speaks of others.
    Principal,
    /// It speaks of other actions.
    Action,
    /// It speaks of other resources.
    Resource,
    /// A condition does not hold.
    Condition {
        /// The operator as written.
        operator: String,
        /// The key as written.
        key: String,
    },
}

/// A parsed and compiled policy. Immutable: share it by `Arc`.
#[derive(Debug, Clone)]
pub struct Policy {
    kind: PolicyKind,
    document: Document,
    statements: Vec<Compiled>,
    index: Index,
}

#[derive(Debug, Clone)]
struct Compiled {
    effect: Effect,
    principal: Option<PrincipalElement>,
    action_negated: bool,
    actions: Vec<Pattern>,
    resource_negated: bool,
    /// `None`: the statement has no resource element, as in trust policies, and applies to what it is attached to.
    resources: Option<Vec<ArnPattern>>,
    conditions: Vec<Condition>,
}

impl Policy {
    /// Parses, checks and compiles a document of the given kind. Size limits are the caller's; nesting is bounded.
    ///
    /// # Errors
    /// [`MalformedPolicy`], whose text is what AWS answers.
    pub fn parse(kind: PolicyKind, text: &str) -> Result<Self, MalformedPolicy> {
        let document = parse::document(kind, text)?;
        Self::compile(kind, document)
    }

    /// Compiles a document built or changed in code. Only its operators are checked.
    ///
    /// # Errors
    /// [`MalformedPolicy`] when a condition has an operator that does not exist: leaving the condition out would
    /// change what the statement says.
    pub fn compile(kind: PolicyKind, document: Document) -> Result<Self, MalformedPolicy> {
        let variables = document.version == Some(Version::V2012);
        let statements = document
            .statements
            .iter()
            .map(|statement| Compiled::new(statement, variables))
            .collect::<Result<Vec<_>, _>>()?;
        let index = Index::new(&statements);
        Ok(Self { kind, document, statements, index })
    }

    /// What kind of policy this was parsed as.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The policy as written.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What this policy alone says. For the answer to a request, see [`crate::decide`].
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        self.verdict(&Subject::new(request, false))
    }

    pub(crate) fn verdict(&self, subject: &Subject<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for index in self.index.of(subject.request.action) {
            let Some(statement) = self.statements.get(index) else { continue };
            let Some(grade) = statement.applies(subject) else { continue };
            match statement.effect {
                Effect::Deny => {
                    verdict.denied = Some(index);
                    return verdict;
                }
                Effect::Allow => {
                    if verdict.allowed.is_none_or(|(_, before)| before < grade) {
                        verdict.allowed = Some((index, grade));
                    }
                }
            }
        }
        verdict
    }

    /// Whether the statement applies, or the first reason why not.
    pub(crate) fn explain(&self, index: usize, subject: &Subject<'_>) -> Result<(), Miss> {
        match (self.statements.get(index), self.document.statements.get(index)) {
            (Some(compiled), Some(written)) => compiled.explain(written, subject),
            _ => Err(Miss::Action),
        }
    }
}

/// Which statements can be about an action, by its service: most are about one service only, and need not be looked at for
/// others.
#[derive(Debug, Clone)]
struct Index {
    /// Those that can be about any service. Statements are in their order.
    any: Vec<usize>,
    /// Those that can be about one, with those of `any` among them.
    of_service: BTreeMap<String, Vec<usize>>,
}

impl Index {
    fn new(statements: &[Compiled]) -> Self {
        let services: Vec<Option<BTreeSet<String>>> = statements.iter().map(Compiled::services).collect();
        let about = |service: Option<&str>| {
            let fits = |of: &Option<BTreeSet<String>>| match (of, service) {
                (None, _) => true,
                (Some(of), Some(service)) => of.contains(service),
                (Some(_), None) => false,
            };
            services.iter().enumerate().filter(|(_, of)| fits(of)).map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let named: BTreeSet<&String> = services.iter().flatten().flatten().collect();
        Self {
            any: about(None),
            of_service: named.into_iter().map(|service| (service.clone(), about(Some(service)))).collect(),
        }
    }

    fn of(&self, action: &str) -> impl Iterator<Item = usize> {
        let service = action.split_once(':').map_or(action, |(service, _)| service);
        let found = if service.bytes().any(|b| b.is_ascii_uppercase()) {
            self.of_service.get(&service.to_ascii_lowercase())
        } else {
            self.of_service.get(service)
        };
        found.unwrap_or(&self.any).iter().copied()
    }
}

impl Compiled {
    /// The services of the actions that it can be about, in small letters; `None`: any.
    fn services(&self) -> Option<BTreeSet<String>> {
        if self.action_negated {
            return None;
        }
        let service = |pattern: &Pattern| {
            pattern.literal_prefix().split_once(':').map(|(service, _)| service.to_ascii_lowercase())
        };
        self.actions.iter().map(service).collect()
    }

    fn new(statement: &Statement, variables: bool) -> Result<Self, MalformedPolicy> {
        let action = Reading { wildcards: true, variables: false, fold: true };
        let resources = |element: &Element| {
            element.patterns.iter().map(|pattern| ArnPattern::of_resource(pattern, variables)).collect()
        };
        let condition = |entry: &ConditionEntry| {
            Condition::compile(entry, variables)
                .ok_or_else(|| MalformedPolicy::syntax(format!("Condition.{}", entry.operator)))
        };
        Ok(Self {
            effect: statement.effect,
            principal: statement.principal.clone(),
            action_negated: statement.action.negated,
            actions: statement.action.patterns.iter().map(|pattern| Pattern::compile(pattern, action)).collect(),
            resource_negated: statement.resource.as_ref().is_some_and(|element| element.negated),
            resources: statement.resource.as_ref().map(resources),
            conditions: statement.conditions.iter().map(condition).collect::<Result<_, _>>()?,
        })
    }

    /// `Some` when all elements match; the grade is how closely the principal is named.
    fn applies(&self, subject: &Subject<'_>) -> Option<Grade> {
        if !self.covers_action(subject) || !self.covers_resource(subject) {
            return None;
        }
        let grade = self.grade(subject)?;
        self.conditions.iter().all(|condition| holds(condition, subject)).then_some(grade)
    }

    fn explain(&self, written: &Statement, subject: &Subject<'_>) -> Result<(), Miss> {
        if self.grade(subject).is_none() {
            return Err(Miss::Principal);
        }
        if !self.covers_action(subject) {
            return Err(Miss::Action);
        }
        if !self.covers_resource(subject) {
            return Err(Miss::Resource);
        }
        for (condition, entry) in self.conditions.iter().zip(&written.conditions) {
            if !holds(condition, subject) {
                return Err(Miss::Condition { operator: entry.operator.clone(), key: entry.key.clone() });
            }
        }
        Ok(())
    }

    fn grade(&self, subject: &Subject<'_>) -> Option<Grade> {
        match &self.principal {
            None => Some(Grade::Direct),
            Some(element) => subject.request.principal.named_by(element, self.effect == Effect::Deny, subject.bounded),
        }
    }

    fn covers_action(&self, subject: &Subject<'_>) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(subject.request.action, &|_| None)) != self.action_negated
    }

    fn covers_resource(&self, subject: &Subject<'_>) -> bool {
        let Some(resources) = &self.resources else { return true };
        let resolve = |key: &str| subject.resolve(key);
        resources.iter().any(|pattern| pattern.matches(subject.parts.as_ref(), &resolve)) != self.resource_negated
    }
}

fn holds(condition: &Condition, subject: &Subject<'_>) -> bool {
    condition.holds(&|key| subject.lookup(key), &|key| subject.resolve(key))
}
