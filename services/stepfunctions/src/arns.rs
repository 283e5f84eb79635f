//! The ARNs of Step Functions, taken apart.
//!
//! Source: "Resource types defined by AWS Step Functions" in the service authorization reference.

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Result};

use crate::error::invalid_arn;

/// Which revision of a state machine an ARN names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Qualifier {
    /// The newest.
    None,
    Version(u64),
    Alias(String),
}

/// `…:stateMachine:name`, `…:stateMachine:name:7`, `…:stateMachine:name:PROD`; of the machine of a distributed map `…:stateMachine:name/label`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineArn {
    pub(crate) account: String,
    pub(crate) region: String,
    /// With the label behind a slash, if there is one.
    pub(crate) name: String,
    pub(crate) qualifier: Qualifier,
}

/// `…:execution:machine:name`; of a child of a distributed map `…:execution:machine/label:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutionArn {
    /// With the label behind a slash, if there is one.
    pub(crate) machine: String,
    pub(crate) name: String,
}

fn parts(cx: &Cx, text: &str) -> Result<(Arn, Vec<String>)> {
    if !text.starts_with("arn:") {
        return Err(invalid_arn(format!("Invalid ARN prefix: {text}")));
    }
    let arn = Arn::parse(text).filter(|arn| arn.service == "states" && !arn.region.is_empty());
    let arn = arn.ok_or_else(|| invalid_arn(format!("ARN is not well-formed: {text}")))?;
    if arn.region != cx.region() {
        return Err(invalid_arn(format!("ARN is of another Region: {text}")));
    }
    let parts = arn.resource.split(':').map(ToOwned::to_owned).collect();
    Ok((arn, parts))
}

fn unfit(kind: &str) -> undercast_kernel::Failure {
    invalid_arn(format!("Resource type not valid in this context: {kind}"))
}

impl MachineArn {
    pub(crate) fn parse(cx: &Cx, text: &str) -> Result<Self> {
        let (arn, parts) = parts(cx, text)?;
        let (name, qualifier) = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["stateMachine", name] if !name.is_empty() => (name, Qualifier::None),
            ["stateMachine", name, qualifier] if !name.is_empty() && !qualifier.is_empty() => {
                let number = qualifier.parse().map(Qualifier::Version);
                (name, number.unwrap_or_else(|_| Qualifier::Alias(qualifier.to_owned())))
            }
            [kind, ..] if kind != "stateMachine" => return Err(unfit(kind)),
            _ => return Err(invalid_arn(format!("ARN is not well-formed: {text}"))),
        };
        Ok(Self { name: name.to_owned(), qualifier, account: arn.account, region: arn.region })
    }

    /// The same, which must name no version and no alias.
    pub(crate) fn unqualified(cx: &Cx, text: &str) -> Result<Self> {
        let arn = Self::parse(cx, text)?;
        if arn.qualifier != Qualifier::None {
            return Err(invalid_arn(format!("State machine ARN must not be qualified: {text}")));
        }
        Ok(arn)
    }
}

impl ExecutionArn {
    pub(crate) fn parse(cx: &Cx, text: &str) -> Result<Self> {
        let (_, parts) = parts(cx, text)?;
        match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["execution", machine, name] if !machine.is_empty() && !name.is_empty() => {
                Ok(Self { machine: machine.to_owned(), name: name.to_owned() })
            }
            [kind, ..] if kind != "execution" => Err(unfit(kind)),
            _ => Err(invalid_arn(format!("ARN is not well-formed: {text}"))),
        }
    }
}

/// The name in an activity's ARN.
pub(crate) fn activity(cx: &Cx, text: &str) -> Result<String> {
    let (_, parts) = parts(cx, text)?;
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["activity", name] if !name.is_empty() => Ok(name.to_owned()),
        [kind, ..] if kind != "activity" => Err(unfit(kind)),
        _ => Err(invalid_arn(format!("ARN is not well-formed: {text}"))),
    }
}

/// Machine with label, and id, in the ARN of a map run: `…:mapRun:machine/label:id`.
pub(crate) fn map_run(cx: &Cx, text: &str) -> Result<(String, String)> {
    let (_, parts) = parts(cx, text)?;
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mapRun", machine, id] if machine.contains('/') && !id.is_empty() => Ok((machine.to_owned(), id.to_owned())),
        [kind, ..] if kind != "mapRun" => Err(unfit(kind)),
        _ => Err(invalid_arn(format!("ARN is not well-formed: {text}"))),
    }
}

pub(crate) fn of_machine(cx: &Cx, name: &str) -> String {
    cx.arn("states", &format!("stateMachine:{name}"))
}

/// Of a version or alias.
pub(crate) fn of_qualified(cx: &Cx, name: &str, qualifier: &str) -> String {
    cx.arn("states", &format!("stateMachine:{name}:{qualifier}"))
}

pub(crate) fn of_execution(cx: &Cx, machine: &str, name: &str) -> String {
    cx.arn("states", &format!("execution:{machine}:{name}"))
}

pub(crate) fn of_express(cx: &Cx, machine: &str, name: &str, id: &str) -> String {
    cx.arn("states", &format!("express:{machine}:{name}:{id}"))
}

pub(crate) fn of_activity(cx: &Cx, name: &str) -> String {
    cx.arn("states", &format!("activity:{name}"))
}
