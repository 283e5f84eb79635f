//! Removing: a whole stack, or what an update has left over.

use std::collections::HashMap;

use undercast_kernel::{Cx, Result};

use crate::error::reason;
use crate::rows::{EXPORTS, IMPORTS, Made, NAMES, Operation, Resource, Stack, now};
use crate::{change_sets, plan, references, template, types};

/// Logical ids in the order of deletion, as far as the template tells it; resources it does not know come first.
pub(crate) fn order(cx: &Cx, stack: &Stack, source: &crate::rows::Source, resources: &[Resource]) -> Vec<Vec<String>> {
    let levels = plan::read(source).ok().and_then(|(template, values)| {
        let order = template::Stack::new(&template, values, plan::pseudo(cx, &stack.name, &stack.arn)).ok()?;
        Some(order.deletion_levels().map(|l| l.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).collect::<Vec<_>>())
    });
    let mut levels = levels.unwrap_or_else(Vec::new);
    let known: Vec<&String> = levels.iter().flatten().collect();
    let unknown: Vec<String> = resources.iter().map(|r| r.logical.clone()).filter(|l| !known.contains(&l)).collect();
    levels.insert(0, unknown);
    levels
}

/// Deletes one physical resource; false when that failed.
pub(crate) async fn one(cx: &Cx, stack: &Stack, resource: &mut Resource, made: &Made) -> Result<bool> {
    let step = async |resource: &mut Resource, status: &str, why: Option<String>| {
        status.clone_into(&mut resource.status);
        resource.reason = why;
        resource.updated = now(cx);
        let resource = &*resource;
        cx.write(|tx| {
            stack.put_resource(cx, tx, resource);
            stack.tell_resource(cx, tx, resource, &made.id, Some(made.properties_text()))
        })
        .await
    };
    if made.retained {
        step(resource, "DELETE_SKIPPED", None).await?;
        return Ok(true);
    }
    step(resource, "DELETE_IN_PROGRESS", None).await?;
    let kind = types::find(cx, &made.resource_type)?;
    let properties = made.properties()?;
    // What is gone that it was made with is not needed to let go of it.
    let properties = references::filled(cx, &properties).await.unwrap_or(properties);
    match kind.delete(cx, &made.id, &properties).await {
        Ok(()) => {
            step(resource, "DELETE_COMPLETE", None).await?;
            Ok(true)
        }
        Err(failure) => {
            step(resource, "DELETE_FAILED", Some(reason(&failure))).await?;
            Ok(false)
        }
    }
}

/// Deletes all resources, in order. Returns the logical ids of those that would not go.
pub(crate) async fn resources(
    cx: &Cx,
    stack: &Stack,
    source: &crate::rows::Source,
    retain: &[String],
) -> Result<Vec<String>> {
    let all = stack.resources(cx, &cx.read())?;
    let levels = order(cx, stack, source, &all);
    let mut by_name: HashMap<String, Resource> = all.into_iter().map(|r| (r.logical.clone(), r)).collect();
    let mut failed = Vec::new();
    for logical in levels.into_iter().flatten() {
        let Some(mut resource) = by_name.remove(&logical) else { continue };
        // A replacement under way leaves two.
        let both = [resource.made.take(), resource.before.take().filter(|_| resource.replaced)];
        let mut gone = true;
        for made in both.into_iter().flatten() {
            let made = Made { retained: made.retained || retain.contains(&logical), ..made };
            if !one(cx, stack, &mut resource, &made).await? {
                resource.made = Some(made);
                gone = false;
                break;
            }
        }
        cx.write(|tx| {
            if gone {
                stack.remove_resource(cx, tx, &logical);
            } else {
                stack.put_resource(cx, tx, &resource);
            }
            Ok(())
        })
        .await?;
        if !gone {
            failed.push(logical);
            // What it needs must stay.
            break;
        }
    }
    Ok(failed)
}

/// `DeleteStack`.
pub(crate) async fn all(cx: &Cx, stack: &mut Stack, operation: &Operation) -> Result<()> {
    let used = exports_in_use(cx, stack)?;
    let problem = match used {
        Some(problem) => Some(problem),
        None => {
            let failed = resources(cx, stack, &stack.source, &operation.retain).await?;
            (!failed.is_empty())
                .then(|| format!("The following resource(s) failed to delete: [{}]. ", failed.join(", ")))
        }
    };
    let after = cx
        .write(|tx| {
            let mut stack = stack.clone();
            stack.operation = None;
            if let Some(problem) = &problem {
                stack.set_status(cx, tx, "DELETE_FAILED", Some(problem.clone()))?;
                return Ok(stack);
            }
            stack.deleted = Some(now(cx));
            for export in stack.outputs.iter().filter_map(|o| o.export.as_ref()) {
                EXPORTS.delete(tx, &cx.key(export));
            }
            for import in IMPORTS.all(tx, &(cx.account(), cx.region()))? {
                if let Some((_, _, export, name)) = import.key::<(String, String, String, String)>()
                    && name == stack.name
                {
                    IMPORTS.delete(tx, &(cx.account(), cx.region(), &export, &name));
                }
            }
            change_sets::forget(cx, tx, &stack)?;
            NAMES.delete(tx, &cx.key(&stack.name));
            stack.set_status(cx, tx, "DELETE_COMPLETE", None)?;
            Ok(stack)
        })
        .await?;
    *stack = after;
    Ok(())
}

fn exports_in_use(cx: &Cx, stack: &Stack) -> Result<Option<String>> {
    let read = cx.read();
    for export in stack.outputs.iter().filter_map(|o| o.export.as_ref()) {
        let users = IMPORTS.all(&read, &(cx.account(), cx.region(), export))?;
        if let Some((.., user)) =
            users.first().and_then(undercast_kernel::store::Entry::key::<(String, String, String, String)>)
        {
            return Ok(Some(format!("Export {export} cannot be deleted as it is in use by {user}")));
        }
    }
    Ok(None)
}

/// Deletes what an update has replaced or dropped. What will not go is left to the user, as on AWS.
pub(crate) async fn left_over(cx: &Cx, stack: &mut Stack, operation: &Operation) -> Result<()> {
    let (template, values) = plan::read(&operation.source)?;
    let wanted = template::Stack::new(&template, values, plan::pseudo(cx, &stack.name, &stack.arn))?;
    let names: Vec<&str> = wanted.resources().map(|(name, _)| name).collect();
    let all = stack.resources(cx, &cx.read())?;
    for level in order(cx, stack, &operation.source, &all) {
        for logical in level {
            let Some(resource) = all.iter().find(|r| r.logical == logical) else { continue };
            let mut resource = resource.clone();
            let dropped = !names.contains(&logical.as_str());
            let old =
                if dropped { resource.made.clone() } else { resource.before.clone().filter(|_| resource.replaced) };
            let (status, why) = (resource.status.clone(), resource.reason.clone());
            if let Some(old) = old {
                one(cx, stack, &mut resource, &old).await?;
            }
            // The row of one that was replaced tells of the new one.
            (resource.status, resource.reason) = (status, why);
            resource.before = None;
            resource.replaced = false;
            cx.write(|tx| {
                if dropped {
                    stack.remove_resource(cx, tx, &logical);
                } else {
                    stack.put_resource(cx, tx, &resource);
                }
                Ok(())
            })
            .await?;
        }
    }
    let after = cx
        .write(|tx| {
            let mut stack = stack.clone();
            stack.operation = None;
            stack.set_status(cx, tx, "UPDATE_COMPLETE", None)?;
            Ok(stack)
        })
        .await?;
    *stack = after;
    Ok(())
}
