//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::dimension::Place;
use crate::rows::TARGETS;
use crate::{role, tags};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let from = cx.read();
    let text = |name: &str| input.text(name).unwrap_or_default();
    let (namespace, dimension) = (text("ServiceNamespace"), text("ScalableDimension"));
    // Whether the place can be at all is said by the operation.
    let place = Place::parse(namespace, text("ResourceId"), dimension).ok();
    let target = match (input.text("ResourceARN"), &place) {
        (Some(arn), _) => tags::find(cx, &from, arn)?.map(|(_, target)| target),
        (None, Some(place)) => TARGETS.get(&from, &place.key(cx))?,
        (None, None) => None,
    };
    let one = !operation.name.starts_with("Describe");
    let resource = match (&target, input.text("ResourceARN")) {
        (Some(target), _) if one => target.arn(cx),
        (None, Some(arn)) => arn.to_owned(),
        (None, None) if one => cx.arn("application-autoscaling", "scalable-target/*"),
        _ => "*".to_owned(),
    };
    let mut access = Access::new(format!("application-autoscaling:{}", operation.name), resource);
    for (key, value) in [("service-namespace", namespace), ("scalable-dimension", dimension)] {
        if !value.is_empty() {
            access.context.set(&format!("application-autoscaling:{key}"), value);
        }
    }
    for (key, value) in target.iter().flat_map(|target| &target.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let mut needed = vec![access];
    if operation.name == "RegisterScalableTarget" && place.is_some() && !role::is_there(cx)? {
        let mut made = Access::new("iam:CreateServiceLinkedRole", role::arn(cx));
        made.context.set("iam:AWSServiceName", role::PRINCIPAL);
        needed.push(made);
    }
    Ok(needed)
}
