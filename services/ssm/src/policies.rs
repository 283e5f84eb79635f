//! Policies of advanced parameters: when they expire, and when somebody is told.
//!
//! Source: "Assigning parameter policies in Parameter Store" in the user guide; its events are told of in "Configuring EventBridge rules for
//! parameters and parameter policies".

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Failure, Next, Result, Task, Timestamp};

use crate::api::{errors, output};
use crate::rows::{PARAMETERS, Parameter, VERSIONS, Version, moment};
use crate::{SERVICE, delete};

/// The kind of the tasks that enforce them.
pub(crate) const KIND: &str = "policy";

/// A parameter has so many policies at most.
const MOST: usize = 10;
const HOUR: i64 = 3_600_000;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Policy {
    /// As it was given.
    #[n(0)]
    pub(crate) text: String,
    #[n(1)]
    pub(crate) rule: Rule,
    /// It was applied.
    #[n(2)]
    pub(crate) finished: bool,
}

/// What a policy says. Spans are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Rule {
    /// When the parameter is deleted.
    #[n(0)]
    Expiration(#[n(0)] i64),
    /// How long before its deletion somebody is told.
    #[n(1)]
    ExpirationNotification(#[n(0)] i64),
    /// How long after its last change.
    #[n(2)]
    NoChangeNotification(#[n(0)] i64),
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Expiration(_) => "Expiration",
            Self::ExpirationNotification(_) => "ExpirationNotification",
            Self::NoChangeNotification(_) => "NoChangeNotification",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Expiration(_) => "The parameter has expired and was deleted.",
            Self::ExpirationNotification(_) => "The parameter is about to expire.",
            Self::NoChangeNotification(_) => "The parameter was not changed for the time that the policy says.",
        }
    }
}

fn bad_attribute(what: &str) -> Failure {
    errors::invalid_policy_attribute_exception(format!("A policy attribute or its value is invalid: {what}.")).into()
}

/// How long something is that policies say by a number and a unit.
fn span(attributes: &Json, name: &str) -> Result<i64> {
    let bad = || bad_attribute(name);
    let number = &attributes[name];
    let number = number.as_str().map_or_else(|| number.to_string(), ToOwned::to_owned);
    let number: i64 = number.parse().ok().filter(|number| (1..=100_000).contains(number)).ok_or_else(bad)?;
    match attributes["Unit"].as_str() {
        Some("Days") => Ok(number * 24 * HOUR),
        Some("Hours") => Ok(number * HOUR),
        _ => Err(bad_attribute("Unit")),
    }
}

fn one(cx: &Cx, policy: &Json) -> Result<Policy> {
    let attributes = &policy["Attributes"];
    let rule = match policy["Type"].as_str() {
        Some("Expiration") => {
            let at = attributes["Timestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
            let at = at.map(Timestamp::as_millisecond).filter(|at| *at > cx.now_millis());
            Rule::Expiration(at.ok_or_else(|| bad_attribute("Timestamp"))?)
        }
        Some("ExpirationNotification") => Rule::ExpirationNotification(span(attributes, "Before")?),
        Some("NoChangeNotification") => Rule::NoChangeNotification(span(attributes, "After")?),
        _ => {
            let message = "The policy type isn't supported. Parameter Store supports the following policy types: Expiration, ExpirationNotification, and NoChangeNotification.";
            return Err(errors::invalid_policy_type_exception(message).into());
        }
    };
    if policy["Version"] != "1.0" {
        return Err(bad_attribute("Version"));
    }
    Ok(Policy { text: policy.to_string(), rule, finished: false })
}

/// Reads the policies of a request. `[{}]` says that there shall be none.
///
/// # Errors
/// AWS's, for what is none.
pub(crate) fn parse(cx: &Cx, text: &str) -> Result<Vec<Policy>> {
    let read: Option<Vec<Json>> = serde_json::from_str(text).ok();
    let read = read.ok_or_else(|| bad_attribute("it must be a JSON array of policies"))?;
    if read == [json!({})] {
        return Ok(Vec::new());
    }
    if read.len() > MOST {
        let message =
            "You specified more than the maximum number of allowed policies for the parameter. The maximum is 10.";
        return Err(errors::policies_limit_exceeded_exception(message).into());
    }
    let all: Vec<Policy> = read.iter().map(|policy| one(cx, policy)).collect::<Result<_>>()?;
    let count = |name: &str| all.iter().filter(|policy| policy.rule.name() == name).count();
    if count("Expiration") > 1 || (count("ExpirationNotification") > 0 && count("Expiration") == 0) {
        let message = "There is a conflict in the policies specified for this parameter. You can't, for example, specify two Expiration policies for a parameter. Review your policies, and try again.";
        return Err(errors::incompatible_policy_exception(message).into());
    }
    Ok(all)
}

/// The policies that a new version has, where the request says none: those before, of which what waits for a change waits anew.
pub(crate) fn kept(before: &[Policy]) -> Vec<Policy> {
    let anew = |policy: &Policy| match policy.rule {
        Rule::NoChangeNotification(_) => Policy { finished: false, ..policy.clone() },
        _ => policy.clone(),
    };
    before.iter().map(anew).collect()
}

pub(crate) fn shown(policies: &[Policy]) -> Option<Vec<output::ParameterInlinePolicy>> {
    let all = policies.iter().map(|policy| output::ParameterInlinePolicy {
        policy_text: Some(policy.text.clone()),
        policy_type: Some(policy.rule.name().to_owned()),
        policy_status: Some(if policy.finished { "Finished" } else { "Pending" }.to_owned()),
    });
    Some(all.collect())
}

fn task_id(parameter: &Parameter, index: usize) -> String {
    format!("{KIND}/{}/{}/{}:{index}", parameter.account, parameter.region, parameter.name)
}

/// When a policy is to be applied.
fn due(policy: &Policy, version: &Version) -> Option<i64> {
    let expiration = version.policies.iter().find_map(|policy| match policy.rule {
        Rule::Expiration(at) => Some(at),
        _ => None,
    });
    match policy.rule {
        _ if policy.finished => None,
        Rule::Expiration(at) => Some(at),
        Rule::ExpirationNotification(before) => expiration.map(|at| at - before),
        Rule::NoChangeNotification(after) => Some(version.modified + after),
    }
}

/// Has the policies of the newest version applied when they are due.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, parameter: &Parameter, version: &Version) -> Result<()> {
    unplan(cx, tx, parameter)?;
    let home = cx.elsewhere(&parameter.account, &parameter.region);
    for (index, policy) in version.policies.iter().enumerate() {
        let Some(at) = due(policy, version) else { continue };
        let payload = json!({"name": parameter.name, "version": version.number, "index": index}).to_string();
        // What is due already is told at once.
        let at = moment(at.max(cx.now_millis()));
        cx.tasks().schedule(&home, tx, SERVICE, &task_id(parameter, index), KIND, payload, at)?;
    }
    Ok(())
}

/// Has them applied no more.
pub(crate) fn unplan(cx: &Cx, tx: &mut Tx<'_>, parameter: &Parameter) -> Result<()> {
    (0..MOST).try_for_each(|index| cx.tasks().cancel(tx, SERVICE, &task_id(parameter, index)))
}

/// A policy is due.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let name = told["name"].as_str().unwrap_or_default();
    let index = told["index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
    cx.write(|tx| {
        let there = PARAMETERS.get(tx, &cx.key(name))?;
        let Some(parameter) = there.filter(|there| told["version"] == there.version) else { return Ok(()) };
        let mut version = parameter.newest(cx, tx)?;
        let Some(policy) = version.policies.get_mut(index).filter(|policy| !policy.finished) else { return Ok(()) };
        policy.finished = true;
        let (rule, text) = (policy.rule, policy.text.clone());
        let detail = json!({"parameter-name": parameter.name, "parameter-type": version.kind, "policy-type": rule.name(),
            "policy-content": text, "action-status": "Success", "action-reason": rule.reason()});
        let event = Announcement::new(cx, "aws.ssm", "Parameter Store Policy Action", parameter.arn(cx), detail);
        cx.announce(tx, &event)?;
        if let Rule::Expiration(_) = rule {
            return delete::remove(cx, tx, &parameter);
        }
        VERSIONS.put(tx, &parameter.version_place(version.number), &version);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}
