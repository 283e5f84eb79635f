//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Vec<Access> {
    let action = format!("cloudwatch:{}", operation.name);
    let alarm = |name: &str| cx.arn("cloudwatch", &format!("alarm:{name}"));
    let dashboard = |name: &str| cx.global_arn("cloudwatch", &format!("dashboard/{name}"));
    let mute_rule = |name: &str| cx.arn("cloudwatch", &format!("alarm-mute-rule:{name}"));
    let names = |member: &str| match input.get(member) {
        Some(Value::List(names)) => names.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    };
    let resources: Vec<String> = match operation.name {
        // For composite alarms AWS wants the permission on everything.
        "PutMetricAlarm" | "SetAlarmState" => input.text("AlarmName").map(alarm).into_iter().collect(),
        "GetAlarmMuteRule" | "DeleteAlarmMuteRule" => {
            input.text("AlarmMuteRuleName").map(mute_rule).into_iter().collect()
        }
        // The rule, and each alarm that it mutes.
        "PutAlarmMuteRule" => {
            let targets = match input.get("MuteTargets").and_then(Value::as_fields).and_then(|f| f.get("AlarmNames")) {
                Some(Value::List(names)) => names.iter().filter_map(Value::as_str).map(alarm).collect(),
                _ => Vec::new(),
            };
            input.text("Name").map(mute_rule).into_iter().chain(targets).collect()
        }
        "ListAlarmMuteRules" => vec![mute_rule("*")],
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => {
            names("AlarmNames").iter().map(|name: &String| alarm(name)).collect()
        }
        "GetDashboard" | "PutDashboard" => input.text("DashboardName").map(dashboard).into_iter().collect(),
        "DeleteDashboards" => names("DashboardNames").iter().map(|name: &String| dashboard(name)).collect(),
        "GetInsightRuleReport" => input
            .text("RuleName")
            .map(|name| cx.arn("cloudwatch", &format!("insight-rule/{name}")))
            .into_iter()
            .collect(),
        "ListTagsForResource" | "TagResource" | "UntagResource" => {
            input.text("ResourceARN").map(ToOwned::to_owned).into_iter().collect()
        }
        // One of many alarms can be asked for by its name, and AWS asks for all of them all the same.
        "DescribeAlarms" | "DescribeAlarmHistory" => vec![alarm("*")],
        _ => Vec::new(),
    };
    let resources = if resources.is_empty() { vec!["*".to_owned()] } else { resources };
    let each = resources.into_iter().map(|resource| {
        let mut access = Access::new(action.clone(), resource);
        conditions(operation, input, &mut access);
        access
    });
    let mut needed: Vec<Access> = each.collect();
    if matches!(operation.name, "PutMetricAlarm" | "PutCompositeAlarm")
        && matches!(input.get("Tags"), Some(Value::List(tags)) if !tags.is_empty())
        && let Some(name) = input.text("AlarmName")
    {
        let mut tagging = Access::new("cloudwatch:TagResource", alarm(name));
        conditions(operation, input, &mut tagging);
        needed.push(tagging);
    }
    needed
}

fn conditions(operation: &'static Operation, input: &Fields, access: &mut Access) {
    if operation.name == "PutMetricData"
        && let Some(namespace) = input.text("Namespace")
    {
        access.context.set("cloudwatch:namespace", namespace);
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    if matches!(operation.name, "PutMetricAlarm" | "PutCompositeAlarm") {
        let lists = ["AlarmActions", "OKActions", "InsufficientDataActions"].into_iter().filter_map(|n| input.get(n));
        let actions = lists.flat_map(|list| if let Value::List(all) = list { all.as_slice() } else { &[] });
        let actions: Vec<String> = actions.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        if !actions.is_empty() {
            access.context.set_many("cloudwatch:AlarmActions", actions);
        }
    }
}
