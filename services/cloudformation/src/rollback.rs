//! Rolling back: a creation is undone, an update is taken back.

use undercast_kernel::resources::ResourceRequest;
use undercast_kernel::{Cx, Failure, Result};

use crate::error::reason;
use crate::rows::{Operation, Resource, Stack, now};
use crate::{references, remove, types};

async fn end(cx: &Cx, stack: &mut Stack, status: &str, why: Option<String>) -> Result<()> {
    let after = cx
        .write(|tx| {
            let mut stack = stack.clone();
            stack.operation = None;
            stack.set_status(cx, tx, status, why.clone())?;
            Ok(stack)
        })
        .await?;
    *stack = after;
    Ok(())
}

/// Deletes what the creation has made.
pub(crate) async fn of_creation(cx: &Cx, stack: &mut Stack, operation: &Operation) -> Result<()> {
    let failed = remove::resources(cx, stack, &operation.source, &[]).await?;
    if failed.is_empty() {
        end(cx, stack, "ROLLBACK_COMPLETE", None).await
    } else {
        let why = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
        end(cx, stack, "ROLLBACK_FAILED", Some(why)).await
    }
}

/// Brings every resource that the update has touched back to what it was.
pub(crate) async fn of_update(cx: &Cx, stack: &mut Stack, operation: &Operation) -> Result<()> {
    let all = stack.resources(cx, &cx.read())?;
    let touched: Vec<Resource> = all.iter().filter(|r| r.operation == operation.id).cloned().collect();
    let mut failed = Vec::new();
    for level in remove::order(cx, stack, &operation.source, &touched) {
        for logical in level {
            let Some(resource) = touched.iter().find(|r| r.logical == logical) else { continue };
            if let Err(failure) = back(cx, stack, operation, resource.clone()).await {
                tracing::warn!(resource = logical, reason = reason(&failure), "a resource could not be rolled back");
                failed.push(logical);
            }
        }
    }
    if failed.is_empty() {
        end(cx, stack, "UPDATE_ROLLBACK_COMPLETE", None).await
    } else {
        let why = format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
        end(cx, stack, "UPDATE_ROLLBACK_FAILED", Some(why)).await
    }
}

async fn back(cx: &Cx, stack: &Stack, operation: &Operation, mut resource: Resource) -> Result<()> {
    match (resource.before.clone(), resource.made.clone()) {
        // New in this update, or a new one in the place of another.
        (before, Some(made)) if before.is_none() || resource.replaced => {
            if !remove::one(cx, stack, &mut resource, &made).await? {
                return Err(Failure::broken(format!("{} would not go", resource.logical)));
            }
            resource.made = before;
        }
        (Some(before), Some(made)) if before != made => {
            let request = ResourceRequest {
                stack: stack.name.clone(),
                stack_id: stack.arn.clone(),
                logical_id: resource.logical.clone(),
                properties: before.properties()?,
                tags: stack.source.tags.clone(),
            };
            let kind = types::find(cx, &before.resource_type)?;
            let was = references::filled(cx, &made.properties()?).await?;
            kind.update(cx, &made.id, &was, &references::request(cx, &request).await?).await?;
            resource.made = Some(before);
        }
        (before, _) => resource.made = before,
    }
    resource.before = None;
    resource.replaced = false;
    resource.operation.clone_from(&operation.id);
    if let Some(made) = &resource.made {
        resource.resource_type.clone_from(&made.resource_type);
    }
    "UPDATE_COMPLETE".clone_into(&mut resource.status);
    resource.updated = now(cx);
    cx.write(|tx| match &resource.made {
        Some(made) => {
            stack.put_resource(cx, tx, &resource);
            stack.tell_resource(cx, tx, &resource, &made.id, None)
        }
        None => {
            stack.remove_resource(cx, tx, &resource.logical);
            Ok(())
        }
    })
    .await
}
