//! The smallest policy by which a user or role could have done what it did, and how its present ones differ from that.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use undercast_kernel::policy::{
    Document, Effect, Element, NoContext, Policy, PolicyKind, PrincipalFacts, PrincipalKind, Request, Statement,
    Version,
};
use undercast_kernel::{Failure, Kernel, Result, Timestamp};

use crate::entity::{Entity, Kind};
use crate::exercised;
use crate::granted::{Given, Subject};

/// Actions, with the patterns of the resources on which they were done.
type Actions = BTreeMap<String, Vec<String>>;

/// What is told of a user or role by its ARN, whose path may be left out; `None`: it is not there.
pub(crate) async fn privilege(kernel: &Kernel, of: &str, since: Timestamp) -> Result<Option<Json>> {
    exercised::flush(kernel).await?;
    let from = kernel.database().read();
    let Some((kind, account, name)) = Kind::named(of).filter(|(kind, ..)| *kind != Kind::Group) else {
        return Ok(None);
    };
    let entity = match kind.find(&from, &account, &name) {
        Ok(entity) => entity,
        Err(failure) if failure.code() == Some("NoSuchEntity") => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let actions = exercised::of(&from, &account, &entity.id, since.as_second())?;
    let facts = facts(kind, &account, &entity);
    let policies = Subject::Entity(kind, Box::new(entity)).policies(&account, &from)?;
    let parts = policies.iter().map(|given| parts(given, &facts, &actions)).collect::<Result<Vec<_>>>()?.concat();
    let policy = if actions.is_empty() { Json::Null } else { document(&actions).to_value() };
    let (unused, wider): (Vec<&Part>, Vec<&Part>) =
        parts.iter().filter(|part| !part.is_exact()).partition(|part| part.used.is_empty());
    Ok(Some(json!({
        "of": facts.arn,
        "policy": policy,
        "unused": unused.iter().map(|part| part.told()).collect::<Vec<_>>(),
        "wider": wider.iter().map(|part| part.told()).collect::<Vec<_>>(),
        "missing": missing(&actions, &parts),
    })))
}

fn facts(kind: Kind, account: &str, entity: &Entity) -> PrincipalFacts {
    let arn = format!("arn:aws:iam::{account}:{}{}{}", kind.word(), entity.path, entity.name);
    let known = match kind {
        Kind::Role => PrincipalKind::AssumedRole { role_arn: arn.clone(), session_name: String::new(), provider: None },
        _ => PrincipalKind::User { name: entity.name.clone() },
    };
    PrincipalFacts { arn, account: account.to_owned(), kind: known, user_id: entity.id.clone(), canonical_user: None }
}

/// The policy that allows these actions on these resources and nothing else: a statement for all actions on the same ones.
fn document(actions: &Actions) -> Document {
    let mut by_resources: BTreeMap<&Vec<String>, Vec<String>> = BTreeMap::new();
    for (action, resources) in actions {
        by_resources.entry(resources).or_default().push(action.clone());
    }
    let element = |patterns| Element { negated: false, patterns };
    let mut statements: Vec<Statement> = by_resources
        .into_iter()
        .map(|(resources, actions)| Statement {
            sid: None,
            effect: Effect::Allow,
            principal: None,
            action: element(actions),
            resource: Some(element(resources.clone())),
            conditions: Vec::new(),
        })
        .collect();
    statements.sort_by(|a, b| a.action.patterns.cmp(&b.action.patterns));
    Document { version: Some(Version::V2012), id: None, statements }
}

/// A pattern of actions in a statement that allows, and what of it was used.
#[derive(Debug, Clone)]
struct Part {
    policy: String,
    /// Its id, or its place from 1.
    statement: String,
    action: String,
    used: Actions,
}

impl Part {
    /// It allows the one action that was used, and none more.
    fn is_exact(&self) -> bool {
        self.used.len() == 1 && self.used.keys().all(|used| used.eq_ignore_ascii_case(&self.action))
    }

    fn told(&self) -> Json {
        json!({"policy": self.policy, "statement": self.statement, "action": self.action,
               "used": self.used.keys().collect::<Vec<_>>()})
    }
}

/// The parts of a policy. Conditions are left aside: whether they hold differs from call to call.
fn parts(given: &Given, facts: &PrincipalFacts, actions: &Actions) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let allowing = given.policy.document().statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow);
    for (index, statement) in allowing {
        let whole = statement.action.negated.then(|| statement.action.patterns.clone());
        let each = || statement.action.patterns.iter().map(|pattern| vec![pattern.clone()]).collect();
        for patterns in whole.map_or_else(each, |whole| vec![whole]) {
            let action =
                if statement.action.negated { format!("all but {}", patterns.join(", ")) } else { patterns[0].clone() };
            let alone = Statement {
                action: Element { negated: statement.action.negated, patterns },
                conditions: Vec::new(),
                ..statement.clone()
            };
            let written = Document { id: None, statements: vec![alone], ..given.policy.document().clone() };
            let policy = Policy::compile(PolicyKind::Managed, written).map_err(Failure::broken)?;
            parts.push(Part {
                policy: given.name.clone(),
                statement: statement.sid.clone().unwrap_or_else(|| (index + 1).to_string()),
                action,
                used: used(&policy, facts, actions),
            });
        }
    }
    Ok(parts)
}

/// What of the actions a policy allows.
fn used(policy: &Policy, facts: &PrincipalFacts, actions: &Actions) -> Actions {
    let allows = |action: &str, pattern: &String| {
        let resource = meant(pattern);
        let request = Request { action, resource: &resource, principal: facts, context: &NoContext };
        policy.evaluate(&request).allowed.is_some()
    };
    let of_action = |(action, resources): (&String, &Vec<String>)| {
        let allowed: Vec<String> = resources.iter().filter(|resource| allows(action, resource)).cloned().collect();
        (!allowed.is_empty()).then(|| (action.clone(), allowed))
    };
    actions.iter().filter_map(of_action).collect()
}

/// The resource that a pattern stands for.
fn meant(pattern: &str) -> String {
    pattern.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$")
}

/// What was done that no policy of the caller's own allows: a resource's policy did, or nobody was denied anything.
fn missing(actions: &Actions, parts: &[Part]) -> Vec<Json> {
    let allowed = |action: &String, resource: &String| {
        parts.iter().any(|part| part.used.get(action).is_some_and(|resources| resources.contains(resource)))
    };
    let pairs = actions.iter().flat_map(|(action, resources)| resources.iter().map(move |resource| (action, resource)));
    let missing = pairs.filter(|(action, resource)| !allowed(action, resource));
    missing.map(|(action, resource)| json!({"action": action, "resource": meant(resource)})).collect()
}
