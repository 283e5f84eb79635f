//! What a task's `Resource` names: a function, an activity, or a call of a service.
//!
//! Source: "Integrating services with Step Functions" in the developer guide.

use undercast_kernel::{Cx, Failure, Result};

use crate::error::validation;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A function by its ARN.
    Function(String),
    /// An activity by its ARN.
    Activity(String),
    Service(Call),
}

/// A call of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `sqs`, or `aws-sdk:sqs`.
    pub(crate) kind: String,
    /// `sendMessage`
    pub(crate) action: String,
    pub(crate) pattern: Pattern,
}

/// When such a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// When the call is answered.
    RequestResponse,
    /// When what the call began has ended.
    Sync,
    /// The same, with its output as JSON.
    Sync2,
    /// When somebody comes with the token.
    Callback,
}

/// The calls that Step Functions knows by itself, and the services here that do them.
const KNOWN: &[(&str, &[&str])] = &[
    ("dynamodb", &["deleteItem", "getItem", "putItem", "updateItem"]),
    ("events", &["putEvents"]),
    ("lambda", &["invoke"]),
    ("sns", &["publish"]),
    ("sqs", &["sendMessage"]),
    ("states", &["startExecution"]),
];

impl Resource {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let malformed = || validation(format!("The resource provided {text} is not recognized."));
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, service, _, _, rest] = parts[..] else { return Err(malformed()) };
        match (service, rest) {
            ("lambda", rest) if rest.starts_with("function:") => Ok(Self::Function(text.to_owned())),
            ("states", rest) if rest.starts_with("activity:") => Ok(Self::Activity(text.to_owned())),
            ("states", rest) => Call::parse(rest).map(Self::Service).ok_or_else(malformed),
            (other, _) => Err(Failure::not_built(format!("tasks of {other}"))),
        }
    }

    /// Refuses what nobody here does.
    pub(crate) fn check(&self, cx: &Cx) -> Result<()> {
        match self {
            Self::Function(_) if cx.kernel().service("lambda").is_none() => {
                Err(Failure::not_built("the service lambda"))
            }
            Self::Function(_) | Self::Activity(_) => Ok(()),
            Self::Service(call) => call.check(cx),
        }
    }
}

impl Call {
    /// `aws-sdk:sqs:sendMessage.waitForTaskToken`
    fn parse(rest: &str) -> Option<Self> {
        let (kind, action) = match rest.strip_prefix("aws-sdk:") {
            Some(sdk) => sdk.split_once(':').map(|(service, action)| (format!("aws-sdk:{service}"), action))?,
            None => rest.split_once(':').map(|(service, action)| (service.to_owned(), action))?,
        };
        let (action, pattern) = match action.split_once('.') {
            None => (action, Pattern::RequestResponse),
            Some((action, "sync")) => (action, Pattern::Sync),
            Some((action, "sync:2")) => (action, Pattern::Sync2),
            Some((action, "waitForTaskToken")) => (action, Pattern::Callback),
            Some(_) => return None,
        };
        (!action.is_empty() && !kind.is_empty()).then(|| Self { kind, action: action.to_owned(), pattern })
    }

    /// `sendMessage.waitForTaskToken`, as events tell it.
    pub(crate) fn resource(&self) -> String {
        let suffix = match self.pattern {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::Sync2 => ".sync:2",
            Pattern::Callback => ".waitForTaskToken",
        };
        format!("{}{suffix}", self.action)
    }

    /// The service as SDKs call it, of a call in their form.
    pub(crate) fn sdk(&self) -> Option<&str> {
        self.kind.strip_prefix("aws-sdk:")
    }

    /// Whether its end is told after its answer.
    pub(crate) fn is_submitted(&self) -> bool {
        self.pattern != Pattern::RequestResponse
    }

    fn check(&self, cx: &Cx) -> Result<()> {
        let missing = || Failure::not_built(format!("tasks of {}:{}", self.kind, self.resource()));
        let syncs = matches!(self.pattern, Pattern::Sync | Pattern::Sync2);
        if let Some(sdk) = self.sdk() {
            let found = cx.kernel().callable(sdk, &self.action);
            return if found.is_some() && !syncs { Ok(()) } else { Err(missing()) };
        }
        let known = KNOWN.iter().any(|(kind, actions)| *kind == self.kind && actions.contains(&self.action.as_str()));
        let there = self.kind == "states" || cx.kernel().service(&self.kind).is_some();
        if known && there && (!syncs || self.kind == "states") { Ok(()) } else { Err(missing()) }
    }
}
