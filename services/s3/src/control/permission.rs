//! What a call of S3 Control needs to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon S3" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use super::rows::{MULTI, POINTS, origin};
use super::{api, jobs, points};

/// What a call needs.
pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("s3:{}", operation.name);
    Ok(match operation.name {
        "GetPublicAccessBlock" => vec![Access::new("s3:GetAccountPublicAccessBlock", "*")],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => vec![Access::new("s3:PutAccountPublicAccessBlock", "*")],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            let mut access = Access::new(action, input.text("ResourceArn").unwrap_or("*"));
            request_tags(&mut access, input);
            vec![access]
        }
        "CreateAccessPoint" => create(cx, action, input),
        "CreateJob" => create_job(cx, input),
        "ListJobs" => vec![Access::new(action, "*")],
        name if name.contains("Job") => vec![of_job(cx, action, input)?],
        "DescribeMultiRegionAccessPointOperation" => {
            vec![Access::new(action, input.text("RequestTokenARN").unwrap_or("*"))]
        }
        "ListMultiRegionAccessPoints" => vec![Access::new(action, "*")],
        name if name.contains("MultiRegion") => vec![of_multi_region(cx, action, input)?],
        name if name.contains("AccessPoint") && input.text("Name").is_some() => {
            vec![of_point(cx, action, input.text("Name").unwrap_or_default())?]
        }
        _ => vec![Access::new(action, "*")],
    })
}

fn create(cx: &Cx, action: String, input: &Fields) -> Vec<Access> {
    let arn = points::arn_of(cx, input.text("Name").unwrap_or_default());
    let mut access = Access::new(action, arn.as_str());
    keys(cx, &mut access, &arn, origin(input.get("VpcConfiguration").is_some()));
    let mut needed = vec![access];
    if matches!(input.get("Tags"), Some(Value::List(tags)) if !tags.is_empty()) {
        needed.push(Access::new("s3:TagResource", arn));
    }
    needed.iter_mut().for_each(|access| request_tags(access, input));
    needed
}

fn create_job(cx: &Cx, input: &Fields) -> Vec<Access> {
    let mut access = Access::new("s3:CreateJob", "*");
    let operation = input.get("Operation").and_then(Value::as_fields).and_then(|o| o.set.first());
    let name = operation.and_then(|(index, _)| api::S_JOB_OPERATION.members.get(usize::from(*index)));
    if let Some(member) = name {
        access.context.set("s3:RequestJobOperation", member.name);
    }
    if let Some(Value::Integer(priority)) = input.get("Priority") {
        access.context.set("s3:RequestJobPriority", priority.to_string());
    }
    request_tags(&mut access, input);
    let pass = Access::passing(cx, input.text("RoleArn").unwrap_or("*"), jobs::PRINCIPAL);
    vec![access, pass]
}

fn of_job(cx: &Cx, action: String, input: &Fields) -> Result<Access> {
    let id = input.text("JobId").unwrap_or_default();
    let mut access = Access::new(action, cx.arn("s3", &format!("job/{id}")));
    request_tags(&mut access, input);
    if let Some(Value::Integer(priority)) = input.get("Priority") {
        access.context.set("s3:RequestJobPriority", priority.to_string());
    }
    if let Some(job) = jobs::JOBS.get(&cx.read(), &cx.key(id))? {
        access.context.set("s3:ExistingJobPriority", job.priority.to_string());
        if let Some(operation) = job.operation() {
            access.context.set("s3:ExistingJobOperation", operation);
        }
        if job.is_suspended() {
            access.context.set("s3:JobSuspendedCause", jobs::AWAITING);
        }
        for (key, value) in &job.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        }
    }
    Ok(access)
}

fn request_tags(access: &mut Access, input: &Fields) {
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
}

fn of_point(cx: &Cx, action: String, name: &str) -> Result<Access> {
    let arn = points::arn_of(cx, name);
    // To look at one needs a permission on no resource, says the reference.
    let resource = if action == "s3:GetAccessPoint" { "*".to_owned() } else { arn.clone() };
    let mut access = Access::new(action, resource);
    if let Some(point) = POINTS.get(&cx.read(), &cx.key(name))? {
        keys(cx, &mut access, &arn, point.origin());
        for (key, value) in &point.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
            access.context.set(&format!("s3:AccessPointTag/{key}"), value.as_str());
        }
    }
    Ok(access)
}

/// A multi-region access point has its alias in its ARN; one that is still to be made has its name.
fn of_multi_region(cx: &Cx, action: String, input: &Fields) -> Result<Access> {
    let name = input.text("Name").or_else(|| input.get("Details").and_then(|d| d.text("Name")));
    let arn = match (name, input.text("Mrap")) {
        (Some(name), _) => {
            let found = MULTI.get(&cx.read(), &(cx.account(), name))?;
            found.map_or_else(|| cx.global_arn("s3", &format!("accesspoint/{name}")), |multi| multi.arn())
        }
        (None, Some(arn)) if arn.starts_with("arn:") => arn.to_owned(),
        (None, alias) => cx.global_arn("s3", &format!("accesspoint/{}", alias.unwrap_or("*"))),
    };
    let mut access = Access::new(action, arn);
    access.context.set("s3:DataAccessPointAccount", cx.account());
    Ok(access)
}

fn keys(cx: &Cx, access: &mut Access, arn: &str, origin: &'static str) {
    access.context.set("s3:DataAccessPointArn", arn);
    access.context.set("s3:DataAccessPointAccount", cx.account());
    access.context.set("s3:AccessPointNetworkOrigin", origin);
}
