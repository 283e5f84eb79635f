//! Deployments: level by level, each step stored before and after.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Map, Value as Json};
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::resources::{ResourceRequest, Updated};
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::error::reason;
use crate::known::Surroundings;
use crate::rows::{EXPORTS, Export, IMPORTS, Kind, Made, OnFailure, Operation, Output, Resource, STACKS, Stack, now};
use crate::template::{self, DeletionPolicy};
use crate::{plan, references, remove, rollback, types};

/// Writes the beginning of an operation, and the task that carries it out.
pub(crate) fn begin(
    cx: &Cx,
    tx: &mut Tx<'_>,
    stack: &mut Stack,
    operation: Operation,
    status: &str,
    reason: Option<String>,
) -> Result<()> {
    let id = format!("{}/{}", stack.uuid, operation.id);
    stack.token.clone_from(&operation.token);
    stack.operation = Some(operation);
    stack.set_status(cx, tx, status, reason)?;
    cx.tasks().schedule(cx, tx, "cloudformation", &id, "deploy", stack.uuid.clone(), cx.now())
}

/// Who asked: the key that signed, if it was issued here.
pub(crate) fn caller(cx: &Cx) -> Option<String> {
    let root = matches!(cx.principal().kind, PrincipalKind::Root);
    cx.origin().access_key.clone().filter(|_| !root)
}

/// Carries an operation out, to its end.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(stack) = STACKS.get(&cx.read(), &cx.key(&task.payload))? else { return Ok(Next::Done) };
    let mut stack = stack;
    while let Some(operation) = stack.operation.clone() {
        let as_caller = acting(cx, &operation)?;
        let cx = &as_caller;
        match operation.kind {
            Kind::Create | Kind::Update => forward(cx, &mut stack, &operation).await?,
            Kind::Delete => remove::all(cx, &mut stack, &operation).await?,
            Kind::RollbackCreate => rollback::of_creation(cx, &mut stack, &operation).await?,
            Kind::RollbackUpdate => rollback::of_update(cx, &mut stack, &operation).await?,
            Kind::CleanUp => remove::left_over(cx, &mut stack, &operation).await?,
        }
    }
    Ok(Next::Done)
}

/// The context that an operation's calls go out with: its role's, else its caller's.
fn acting(cx: &Cx, operation: &Operation) -> Result<Cx> {
    if let Some(role) = &operation.source.role_arn {
        return Ok(cx.as_role("cloudformation.amazonaws.com", role, "AWSCloudFormation"));
    }
    match &operation.access_key {
        Some(key) => cx.as_holder_of(key, "cloudformation.amazonaws.com"),
        None => Ok(cx.clone()),
    }
}

/// Makes and changes what the template says.
async fn forward(cx: &Cx, stack: &mut Stack, operation: &Operation) -> Result<()> {
    let outcome = work(cx, stack, operation).await;
    let create = operation.kind == Kind::Create;
    match outcome {
        Ok(outputs) => finish(cx, stack, operation, &outputs, create).await,
        Err(Stopped::Failed(why)) => fail(cx, stack, operation, why, create).await,
        Err(Stopped::Broken(failure)) => Err(failure),
    }
}

/// Why a deployment does not go on.
pub(crate) enum Stopped {
    /// Resources failed: roll back.
    Failed(String),
    /// The store failed: try again later.
    Broken(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure)
    }
}

async fn work(cx: &Cx, stack: &Stack, operation: &Operation) -> std::result::Result<Vec<Output>, Stopped> {
    let failed = |failure: Failure| Stopped::Failed(reason(&failure));
    let (template, values) = plan::read(&operation.source).map_err(failed)?;
    let order = template::Stack::new(&template, values, plan::pseudo(cx, &stack.name, &stack.arn));
    let order = order.map_err(|e| failed(e.into()))?;
    for level in order.levels() {
        let steps = level.iter().map(|logical| provision(cx, stack, operation, &order, logical));
        let results = join_all(steps).await;
        let mut failures = Vec::new();
        for (logical, result) in level.iter().zip(results) {
            if !result? {
                failures.push(*logical);
            }
        }
        if !failures.is_empty() {
            let verb = if operation.kind == Kind::Create { "create" } else { "update" };
            return Err(Stopped::Failed(format!(
                "The following resource(s) failed to {verb}: [{}].",
                failures.join(", ")
            )));
        }
    }
    outputs(cx, stack, &order)
}

/// The outputs of a stack whose resources are all there.
pub(crate) fn outputs(
    cx: &Cx,
    stack: &Stack,
    order: &template::Stack<'_>,
) -> std::result::Result<Vec<Output>, Stopped> {
    let read = cx.read();
    let known = Surroundings::of(cx, &read, stack)?;
    let mut out = Vec::new();
    for (name, output) in order.outputs() {
        let (value, export) = order.output(name, &known).map_err(|e| Stopped::Failed(reason(&e.into())))?;
        if let Some(other) =
            export.as_ref().map(|e| EXPORTS.get(&read, &cx.key(e))).transpose().map_err(Failure::from)?.flatten()
            && other.stack != stack.arn
        {
            let export = export.unwrap_or_else(String::new);
            return Err(Stopped::Failed(format!(
                "Export with name {export} is already exported by stack {}.",
                other.stack
            )));
        }
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        out.push(Output { key: name.to_owned(), value, description: output.description.clone(), export });
    }
    Ok(out)
}

/// Makes or changes one resource; false when that failed.
async fn provision(
    cx: &Cx,
    stack: &Stack,
    operation: &Operation,
    order: &template::Stack<'_>,
    logical: &str,
) -> Result<bool> {
    let read = cx.read();
    let existing = stack.resources(cx, &read)?.into_iter().find(|r| r.logical == logical);
    if existing.as_ref().is_some_and(|r| r.operation == operation.id && r.status.ends_with("_COMPLETE")) {
        return Ok(true);
    }
    let Some(wanted) = order.template().resources.get(logical) else { return Ok(true) };
    let (resolved, imported) = {
        let known = Surroundings::of(cx, &read, stack)?;
        let resolved = order.properties(logical, &known);
        (resolved, known.imported.into_inner())
    };
    let mut step = Step {
        cx,
        stack,
        operation,
        resource: start(existing, operation, logical, &wanted.resource_type),
        retained: retained(wanted.deletion_policy),
    };
    match resolved {
        Ok(properties) => step.to(properties, imported).await,
        Err(error) => step.failed(&error.into()).await,
    }
}

fn retained(policy: Option<DeletionPolicy>) -> bool {
    matches!(policy, Some(DeletionPolicy::Retain | DeletionPolicy::RetainExceptOnCreate))
}

/// The row of a resource at the beginning of an operation's work on it.
fn start(existing: Option<Resource>, operation: &Operation, logical: &str, resource_type: &str) -> Resource {
    let mut resource = existing.unwrap_or_else(|| Resource {
        logical: logical.to_owned(),
        resource_type: resource_type.to_owned(),
        status: String::new(),
        reason: None,
        updated: 0,
        made: None,
        before: None,
        operation: String::new(),
        replaced: false,
    });
    if resource.operation != operation.id {
        resource.before.clone_from(&resource.made);
        resource.replaced = false;
        resource.operation.clone_from(&operation.id);
    }
    resource_type.clone_into(&mut resource.resource_type);
    resource
}

/// One resource under way.
struct Step<'a> {
    cx: &'a Cx,
    stack: &'a Stack,
    operation: &'a Operation,
    resource: Resource,
    retained: bool,
}

impl Step<'_> {
    async fn tell(
        &mut self,
        status: &str,
        why: Option<String>,
        physical: &str,
        properties: &str,
        imported: &BTreeSet<String>,
    ) -> Result<()> {
        status.clone_into(&mut self.resource.status);
        self.resource.reason = why;
        self.resource.updated = now(self.cx);
        let (cx, stack, resource) = (self.cx, self.stack, &self.resource);
        cx.write(|tx| {
            stack.put_resource(cx, tx, resource);
            for export in imported {
                IMPORTS.put(tx, &(cx.account(), cx.region(), export, &stack.name), &0);
            }
            stack.tell_resource(cx, tx, resource, physical, Some(properties))
        })
        .await
    }

    async fn failed(&mut self, failure: &Failure) -> Result<bool> {
        if let Failure::Broken(_) = failure {
            tracing::error!(
                resource = self.resource.logical,
                error = failure as &dyn std::error::Error,
                "a resource failed"
            );
        }
        let verb = if self.resource.before.is_some() { "UPDATE" } else { "CREATE" };
        let physical = self.resource.made.as_ref().map_or(String::new(), |m| m.id.clone());
        self.tell(&format!("{verb}_FAILED"), Some(reason(failure)), &physical, "{}", &BTreeSet::new()).await?;
        Ok(false)
    }

    /// Brings the resource to these properties.
    async fn to(&mut self, properties: Map<String, Json>, imported: BTreeSet<String>) -> Result<bool> {
        let request = ResourceRequest {
            stack: self.stack.name.clone(),
            stack_id: self.stack.arn.clone(),
            logical_id: self.resource.logical.clone(),
            tags: self.tags(),
            properties,
        };
        let Some(made) = self.resource.made.clone() else { return self.create(&request, "CREATE", &imported).await };
        let before = made.properties()?;
        let same_tags = self.stack.source.tags == self.operation.source.tags;
        if before == request.properties && made.resource_type == self.resource.resource_type && same_tags {
            return self.unchanged(&made).await;
        }
        let kind = types::find(self.cx, &self.resource.resource_type)?;
        let differs = |name: &str| before.get(name) != request.properties.get(name);
        let replace =
            made.resource_type != self.resource.resource_type || kind.create_only().iter().any(|n| differs(n));
        if replace {
            return self.replace(&request, &imported).await;
        }
        let text = Json::Object(request.properties.clone()).to_string();
        self.tell("UPDATE_IN_PROGRESS", None, &made.id, &text, &imported).await?;
        let updated = async {
            let before = references::filled(self.cx, &before).await?;
            let request = references::request(self.cx, &request).await?;
            kind.update(self.cx, &made.id, &before, &request).await
        };
        match updated.await {
            Ok(Updated::InPlace(now)) => {
                self.resource.made =
                    Some(Made::new(&self.resource.resource_type, &now, &request.properties, self.retained));
                self.tell("UPDATE_COMPLETE", None, &now.id, &text, &imported).await?;
                Ok(true)
            }
            Ok(Updated::NeedsReplacement) => self.replace(&request, &imported).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    /// The stack's own tags. Those that AWS adds itself, `aws:cloudformation:…`, are not set.
    fn tags(&self) -> Vec<(String, String)> {
        self.operation.source.tags.clone()
    }

    /// Nothing to do; its policy may have changed.
    async fn unchanged(&mut self, made: &Made) -> Result<bool> {
        self.resource.made = Some(Made { retained: self.retained, ..made.clone() });
        let (cx, stack, resource) = (self.cx, self.stack, &self.resource);
        cx.write(|tx| {
            stack.put_resource(cx, tx, resource);
            Ok(())
        })
        .await?;
        Ok(true)
    }

    async fn replace(&mut self, request: &ResourceRequest, imported: &BTreeSet<String>) -> Result<bool> {
        self.resource.replaced = true;
        let old = self.resource.made.take();
        let why = "Requested update requires the creation of a new physical resource; hence creating one.";
        let physical = old.as_ref().map_or(String::new(), |m| m.id.clone());
        let text = Json::Object(request.properties.clone()).to_string();
        self.tell("UPDATE_IN_PROGRESS", Some(why.to_owned()), &physical, &text, imported).await?;
        self.create(request, "UPDATE", imported).await
    }

    async fn create(&mut self, request: &ResourceRequest, verb: &str, imported: &BTreeSet<String>) -> Result<bool> {
        let kind = types::find(self.cx, &self.resource.resource_type)?;
        let text = Json::Object(request.properties.clone()).to_string();
        if verb == "CREATE" {
            self.tell("CREATE_IN_PROGRESS", None, "", &text, imported).await?;
        }
        let made = async { kind.create(self.cx, &references::request(self.cx, request).await?).await };
        match made.await {
            Ok(made) => {
                self.resource.made =
                    Some(Made::new(&self.resource.resource_type, &made, &request.properties, self.retained));
                self.tell(&format!("{verb}_COMPLETE"), None, &made.id, &text, imported).await?;
                Ok(true)
            }
            Err(failure) => self.failed(&failure).await,
        }
    }
}

/// Stores outputs and exports, and the source that is now the stack's.
async fn finish(cx: &Cx, stack: &mut Stack, operation: &Operation, outputs: &[Output], create: bool) -> Result<()> {
    let done = cx
        .write(|tx| {
            let mut stack = stack.clone();
            publish(cx, tx, &stack, outputs)?;
            stack.outputs = outputs.to_vec();
            stack.source = operation.source.clone();
            if create {
                stack.operation = None;
                stack.set_status(cx, tx, "CREATE_COMPLETE", None)?;
            } else {
                stack.updated = Some(now(cx));
                stack.operation = Some(Operation { kind: Kind::CleanUp, ..operation.clone() });
                stack.set_status(cx, tx, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None)?;
            }
            Ok(stack)
        })
        .await?;
    *stack = done;
    Ok(())
}

/// Puts a stack's exports in the place of those it had.
pub(crate) fn publish(cx: &Cx, tx: &mut Tx<'_>, stack: &Stack, outputs: &[Output]) -> Result<()> {
    for old in stack.outputs.iter().filter_map(|o| o.export.as_ref()) {
        if !outputs.iter().any(|o| o.export.as_ref() == Some(old)) {
            EXPORTS.delete(tx, &cx.key(old));
        }
    }
    for output in outputs {
        if let Some(name) = &output.export {
            EXPORTS.put(tx, &cx.key(name), &Export { stack: stack.arn.clone(), value: output.value.clone() });
        }
    }
    Ok(())
}

/// What becomes of a stack whose deployment failed.
async fn fail(cx: &Cx, stack: &mut Stack, operation: &Operation, why: String, create: bool) -> Result<()> {
    let next = |kind: Kind| Some(Operation { kind, ..operation.clone() });
    let (status, operation, why) = match (create, operation.on_failure) {
        (true, OnFailure::DoNothing) => ("CREATE_FAILED", None, why),
        (false, OnFailure::DoNothing) => ("UPDATE_FAILED", None, why),
        (true, OnFailure::Delete) => {
            ("DELETE_IN_PROGRESS", next(Kind::Delete), format!("{why} Delete requested by user."))
        }
        (true, OnFailure::RollBack) => {
            ("ROLLBACK_IN_PROGRESS", next(Kind::RollbackCreate), format!("{why} Rollback requested by user."))
        }
        (false, _) => ("UPDATE_ROLLBACK_IN_PROGRESS", next(Kind::RollbackUpdate), why),
    };
    let failed = cx
        .write(|tx| {
            let mut stack = stack.clone();
            stack.operation.clone_from(&operation);
            stack.set_status(cx, tx, status, Some(why.clone()))?;
            Ok(stack)
        })
        .await?;
    *stack = failed;
    Ok(())
}
