//! All requests that some policies tell apart, and which statements each of them satisfies.

use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use undercast_kernel::policy::{
    Context, Document, Effect, Element, MapContext, NoContext, Policy, PolicyKind, PrincipalFacts, PrincipalKind,
    Request, Statement, Version,
};

use super::automaton::{Fold, Glob, witnesses};
use super::values::{Entry, Found, of_key};
use super::{Undecided, principals, variables};

/// So many combinations of statements are looked at.
const MOST_COMBINATIONS: usize = 100_000;

/// Which of all statements.
type Bits = Vec<u64>;

/// A statement of a policy, whose variables are gone.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Which policy, and which of its statements.
    pub(crate) of: (usize, usize),
    pub(crate) version: Option<Version>,
    pub(crate) statement: Statement,
}

/// Which requests are looked at.
pub(crate) struct Limits<'a> {
    pub(crate) principal: &'a dyn Fn(&PrincipalFacts) -> bool,
    pub(crate) value: &'a dyn Fn(&str, Option<&[String]>) -> bool,
    /// Whole names of actions; none: all that can be.
    pub(crate) actions: &'a [String],
    /// Patterns of ARNs; none: all that can be.
    pub(crate) resources: &'a [String],
    /// Who calls; none: all who can.
    pub(crate) callers: &'a [PrincipalFacts],
}

impl Limits<'_> {
    /// All requests.
    pub(crate) const NONE: Limits<'static> =
        Limits { principal: &|_| true, value: &|_, _| true, actions: &[], resources: &[], callers: &[] };
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    /// Each of these, where the caller named actions; else one that stands for all others.
    pub(crate) actions: Vec<String>,
    pub(crate) resource: String,
    pub(crate) principal: PrincipalFacts,
    pub(crate) keys: BTreeMap<String, Found>,
}

impl Witness {
    /// Its condition keys.
    pub(crate) fn context(&self) -> MapContext {
        let mut context = MapContext::new();
        for (key, found) in &self.keys {
            put(&mut context, key, found.as_deref());
        }
        context
    }

    /// Whether the authoriser's evaluator lets it through by this policy.
    #[cfg(test)]
    pub(crate) fn is_allowed(&self, policy: &Policy) -> bool {
        let context = self.context();
        let verdict = policy.evaluate(&Request {
            action: &self.actions[0],
            resource: &self.resource,
            principal: &self.principal,
            context: &context,
        });
        verdict.denied.is_none() && verdict.allowed.is_some()
    }
}

/// A request, and what applies to it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) witness: Witness,
    applying: Vec<(usize, usize, Effect)>,
}

impl Seen {
    /// The statements of a policy that allow the request, unless one denies it.
    pub(crate) fn allowing(&self, policy: usize) -> BTreeSet<usize> {
        let of = || self.applying.iter().filter(|(of, ..)| *of == policy);
        if of().any(|(.., effect)| *effect == Effect::Deny) {
            return BTreeSet::new();
        }
        of().map(|(_, statement, _)| *statement).collect()
    }

    /// The statements that speak for it, whatever others say: each by its policy and its place there.
    pub(crate) fn speaking_for(&self) -> impl Iterator<Item = (usize, usize)> {
        self.applying.iter().filter(|(.., effect)| *effect == Effect::Allow).map(|(of, at, _)| (*of, *at))
    }
}

/// The statements of some policies.
pub(crate) struct Space {
    parts: Vec<Part>,
}

/// The same, with all by which requests are told apart.
pub(crate) struct Prepared {
    parts: Vec<Part>,
    actions: Dimension<Vec<String>>,
    resources: Dimension<String>,
    principals: Dimension<PrincipalFacts>,
    keys: Vec<(String, Dimension<Found>)>,
}

/// One thing by which requests are told apart: its values, and the statements that each satisfies.
struct Dimension<T> {
    classes: Vec<(Bits, T)>,
}

impl<T> Dimension<T> {
    fn new(parts: &[Part], values: Vec<T>, satisfies: impl Fn(usize, &T) -> bool) -> Self {
        let bits = |value: &T| {
            let mut bits = vec![0; parts.len().div_ceil(64)];
            for at in (0..parts.len()).filter(|at| satisfies(*at, value)) {
                bits[at / 64] |= 1 << (at % 64);
            }
            bits
        };
        Self { classes: values.into_iter().map(|value| (bits(&value), value)).collect() }
    }

    /// With those values together that satisfy the same statements.
    fn grouped(self) -> Dimension<Vec<T>> {
        let mut places: HashMap<Bits, usize> = HashMap::new();
        let mut classes: Vec<(Bits, Vec<T>)> = Vec::new();
        for (bits, value) in self.classes {
            let at = *places.entry(bits.clone()).or_insert(classes.len());
            match classes.get_mut(at) {
                Some((_, values)) => values.push(value),
                None => classes.push((bits, vec![value])),
            }
        }
        Dimension { classes }
    }
}

fn everything() -> Element {
    Element { negated: false, patterns: vec!["*".to_owned()] }
}

/// A policy of one statement that has only what is looked at.
fn alone(version: Option<Version>, statement: Statement) -> Result<Policy, Undecided> {
    let document = Document { version, id: None, statements: vec![statement] };
    Policy::compile(PolicyKind::Inline, document).map_err(|_| Undecided::new("it has an operator that does not exist"))
}

fn bare(effect: Effect) -> Statement {
    Statement { sid: None, effect, principal: None, action: everything(), resource: None, conditions: Vec::new() }
}

fn applies(policy: &Policy, request: &Request<'_>) -> bool {
    let verdict = policy.evaluate(request);
    verdict.allowed.is_some() || verdict.denied.is_some()
}

/// Nobody in particular: for what does not depend on who asks.
pub(crate) fn nobody() -> PrincipalFacts {
    PrincipalFacts {
        arn: String::new(),
        account: String::new(),
        kind: PrincipalKind::Anonymous,
        user_id: String::new(),
        canonical_user: None,
    }
}

fn put(context: &mut MapContext, key: &str, found: Option<&[String]>) {
    match found {
        None => {}
        Some([one]) => {
            context.set(key, one.clone());
        }
        Some(many) => {
            context.set_many(key, many.to_vec());
        }
    }
}

/// Whether entries of one statement that compare a key hold for a request that has this of it.
pub(crate) fn holds(entries: &[Entry<'_>], key: &str, found: Option<&[String]>) -> bool {
    let conditions = entries.iter().map(|(entry, _)| (*entry).clone()).collect();
    let version = entries.first().and_then(|(_, version)| *version);
    let Ok(policy) = alone(version, Statement { conditions, ..bare(Effect::Allow) }) else { return false };
    let mut context = MapContext::new();
    put(&mut context, key, found);
    asked(&policy, "a:a", "*", &nobody(), &context)
}

fn asked(policy: &Policy, action: &str, resource: &str, principal: &PrincipalFacts, context: &dyn Context) -> bool {
    applies(policy, &Request { action, resource, principal, context })
}

impl Space {
    /// The requests that these policies tell apart.
    ///
    /// # Errors
    /// When there are too many of them to tell.
    pub(crate) fn new(policies: &[&Document]) -> Result<Self, Undecided> {
        let mut atoms = variables::Atoms::default();
        let mut parts = Vec::new();
        for (at, document) in policies.iter().enumerate() {
            parts.extend(variables::freed(at, document, &mut atoms)?);
        }
        Ok(Self { parts })
    }

    /// What each statement says of one thing, by the evaluator.
    fn elements(&self, of: impl Fn(&Part) -> Option<Statement>) -> Result<Vec<Option<Policy>>, Undecided> {
        self.parts.iter().map(|part| of(part).map(|statement| alone(part.version, statement)).transpose()).collect()
    }

    fn actions(&self, limits: &Limits<'_>) -> Result<Dimension<Vec<String>>, Undecided> {
        let globs: Vec<Glob> = self
            .parts
            .iter()
            .flat_map(|part| &part.statement.action.patterns)
            .map(|pattern| Glob::new(pattern, true, false, Fold::Ascii))
            .collect();
        let policies =
            self.elements(|part| Some(Statement { action: part.statement.action.clone(), ..bare(Effect::Allow) }))?;
        let values =
            if limits.actions.is_empty() { witnesses(&globs, &Glob::actions())? } else { limits.actions.to_vec() };
        let all = Dimension::new(&self.parts, values, |at, action: &String| {
            policies[at].as_ref().is_none_or(|policy| asked(policy, action, "*", &nobody(), &NoContext))
        });
        Ok(all.grouped())
    }

    fn resources(&self, limits: &Limits<'_>) -> Result<Dimension<String>, Undecided> {
        let patterns = self.parts.iter().flat_map(|part| {
            let variables = part.version == Some(Version::V2012);
            part.statement.resource.iter().flat_map(|element| &element.patterns).map(move |p| (p, variables))
        });
        let globs: Vec<Glob> = patterns.filter_map(|(pattern, v)| Glob::arn(pattern, v, true)).collect();
        let policies = self.elements(|part| {
            let resource = part.statement.resource.clone();
            resource.map(|resource| Statement { resource: Some(resource), ..bare(Effect::Allow) })
        })?;
        let mut values = Vec::new();
        for form in limits.resources {
            values.extend(witnesses(&globs, &Glob::new(form, true, true, Fold::Exact))?);
        }
        if limits.resources.is_empty() {
            values = witnesses(&globs, &Glob::new("arn:*:*:*:*:*", true, false, Fold::Exact))?;
            // What has no resource is asked with this.
            values.push("*".to_owned());
        }
        Ok(Dimension::new(&self.parts, values, |at, resource| {
            policies[at].as_ref().is_none_or(|policy| asked(policy, "a:a", resource, &nobody(), &NoContext))
        }))
    }

    fn principals(&self, limits: &Limits<'_>) -> Result<Dimension<PrincipalFacts>, Undecided> {
        let policies = self.elements(|part| {
            let statement = &part.statement;
            let own = statement.conditions.iter().filter(|entry| principals::is_own(&entry.key.to_lowercase()));
            let conditions: Vec<_> = own.cloned().collect();
            let said = statement.principal.is_some() || !conditions.is_empty();
            said.then(|| Statement { principal: statement.principal.clone(), conditions, ..bare(statement.effect) })
        })?;
        let values = if limits.callers.is_empty() { principals::of(&self.parts)? } else { limits.callers.to_vec() };
        Ok(Dimension::new(&self.parts, values, |at, principal| {
            policies[at].as_ref().is_none_or(|policy| asked(policy, "a:a", "*", principal, &NoContext))
        }))
    }

    fn keys(&self, limits: &Limits<'_>) -> Result<Vec<(String, Dimension<Found>)>, Undecided> {
        let mut by_key: BTreeMap<String, Vec<(usize, Entry<'_>)>> = BTreeMap::new();
        for (at, part) in self.parts.iter().enumerate() {
            for entry in &part.statement.conditions {
                let key = entry.key.to_lowercase();
                if !principals::is_own(&key) {
                    by_key.entry(key).or_default().push((at, (entry, part.version)));
                }
            }
        }
        let mut all = Vec::new();
        for (key, entries) in by_key {
            let compared: Vec<Entry<'_>> = entries.iter().map(|(_, entry)| *entry).collect();
            let mut values = of_key(&key, &compared)?;
            values.retain(|found| (limits.value)(&key, found.as_deref()));
            let mut of_part: BTreeMap<usize, Vec<Entry<'_>>> = BTreeMap::new();
            entries.into_iter().for_each(|(at, entry)| of_part.entry(at).or_default().push(entry));
            let satisfied = |at: usize, found: &Found| {
                of_part.get(&at).is_none_or(|entries| holds(entries, &key, found.as_deref()))
            };
            let dimension = Dimension::new(&self.parts, values, satisfied);
            all.push((key, dimension));
        }
        Ok(all)
    }

    /// The requests, told apart.
    ///
    /// # Errors
    /// When there are too many of them to tell.
    pub(crate) fn prepare(self, limits: &Limits<'_>) -> Result<Prepared, Undecided> {
        let (actions, resources) = (self.actions(limits)?, self.resources(limits)?);
        let (principals, keys) = (self.principals(limits)?, self.keys(limits)?);
        Ok(Prepared { parts: self.parts, actions, resources, principals, keys })
    }

    /// All that can apply to a request which some statement of a policy would allow.
    ///
    /// # Errors
    /// When there are too many of them to tell.
    pub(crate) fn requests(self, allowed_by: usize, limits: &Limits<'_>) -> Result<Vec<Seen>, Undecided> {
        self.prepare(limits)?.requests(|of, _| of == allowed_by, limits.principal)
    }
}

impl Prepared {
    /// All that can apply to a request of such a principal which one of these statements would allow: each is called by its policy
    /// and its place there.
    ///
    /// # Errors
    /// When there are too many of them to tell.
    pub(crate) fn requests(
        &self,
        wanted: impl Fn(usize, usize) -> bool,
        principal: impl Fn(&PrincipalFacts) -> bool,
    ) -> Result<Vec<Seen>, Undecided> {
        let mut found = Combinations::new(&self.parts, wanted);
        found.narrow(&self.actions, |_| true)?;
        found.narrow(&self.resources, |_| true)?;
        found.narrow(&self.principals, principal)?;
        for (_, dimension) in &self.keys {
            found.narrow(dimension, |_| true)?;
        }
        Ok(found.all.iter().map(|(bits, way)| self.seen(bits, way)).collect())
    }

    fn seen(&self, bits: &Bits, way: &Way) -> Seen {
        let chosen = &way.chosen;
        // The first is what the rest was chosen for.
        let others = way.actions.iter().copied().filter(|at| *at != chosen[0]);
        let actions = std::iter::once(chosen[0]).chain(others);
        let key = |((key, dimension), at): (&(String, Dimension<Found>), &usize)| {
            (key.clone(), dimension.classes[*at].1.clone())
        };
        Seen {
            witness: Witness {
                actions: actions.flat_map(|at| &self.actions.classes[at].1).cloned().collect(),
                resource: self.resources.classes[chosen[1]].1.clone(),
                principal: self.principals.classes[chosen[2]].1.clone(),
                keys: self.keys.iter().zip(&chosen[3..]).map(key).collect(),
            },
            applying: self.applying(bits),
        }
    }

    fn applying(&self, bits: &Bits) -> Vec<(usize, usize, Effect)> {
        let set = |at: &usize| bits[at / 64] & (1 << (at % 64)) != 0;
        let parts = (0..self.parts.len()).filter(set).map(|at| &self.parts[at]);
        parts.map(|part| (part.of.0, part.of.1, part.statement.effect)).collect()
    }
}

/// How some statements can apply together.
#[derive(Clone, Default)]
struct Way {
    /// The class of each thing that shows it.
    chosen: Vec<usize>,
    /// The classes of all actions that do.
    actions: BTreeSet<usize>,
}

/// What can apply together.
struct Combinations {
    all: BTreeMap<Bits, Way>,
    wanted: Bits,
}

impl Combinations {
    fn new(parts: &[Part], of_interest: impl Fn(usize, usize) -> bool) -> Self {
        let mut wanted = vec![0; parts.len().div_ceil(64)];
        for (at, part) in parts.iter().enumerate() {
            if of_interest(part.of.0, part.of.1) && part.statement.effect == Effect::Allow {
                wanted[at / 64] |= 1 << (at % 64);
            }
        }
        Self { all: BTreeMap::from([(vec![u64::MAX; wanted.len()], Way::default())]), wanted }
    }

    /// With one more thing looked at.
    fn narrow<T>(&mut self, dimension: &Dimension<T>, looked_at: impl Fn(&T) -> bool) -> Result<(), Undecided> {
        // Of values that satisfy the same statements one is enough.
        let mut known = HashSet::new();
        let classes: Vec<(usize, &Bits)> = dimension
            .classes
            .iter()
            .enumerate()
            .filter(|(_, (bits, value))| looked_at(value) && known.insert(bits))
            .map(|(at, (bits, _))| (at, bits))
            .collect();
        let mut next: BTreeMap<Bits, Way> = BTreeMap::new();
        for (bits, way) in &self.all {
            for (at, class) in &classes {
                let both: Bits = bits.iter().zip(*class).map(|(a, b)| a & b).collect();
                if !both.iter().zip(&self.wanted).any(|(bits, wanted)| bits & wanted != 0) {
                    continue;
                }
                // Actions are what is looked at first.
                let first = way.chosen.is_empty().then_some(*at);
                let actions = way.actions.iter().copied().chain(first);
                match next.entry(both) {
                    Occupied(mut known) => known.get_mut().actions.extend(actions),
                    Vacant(place) => {
                        let chosen = way.chosen.iter().copied().chain([*at]).collect();
                        place.insert(Way { chosen, actions: actions.collect() });
                    }
                }
            }
            if next.len() > MOST_COMBINATIONS {
                return Err(Undecided::new("its statements overlap in too many ways"));
            }
        }
        self.all = next;
        Ok(())
    }
}
