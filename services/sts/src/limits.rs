//! What a session is limited by and what it carries: session policies, tags, the identity that it goes back to.

use std::collections::BTreeSet;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{MapContext, Policy, PolicyKind};
use undercast_kernel::{Access, AwsError, Begun, Cx, Result};
use undercast_wire::{Fields, Value};

use crate::api::{errors, input};

/// Session policies may have so many characters together, the ARNs of managed ones with them.
const POLICY_CHARACTERS: usize = 2_048;
/// And there are so many managed ones.
const MOST_MANAGED: usize = 10;

/// Refuses with AWS's word for whatever is not as it should be.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", 400, message)
}

/// Sets a condition key to its values.
pub(crate) fn set(context: &mut MapContext, key: &str, values: &[String]) {
    match values {
        [one] => context.set(key, one.clone()),
        many => context.set_many(key, many.to_vec()),
    };
}

fn parameter(message: &str) -> AwsError {
    AwsError::new("InvalidParameterValue", 400, message)
}

/// The documents of a session's policies: its own, and those that it names, of its account or of AWS. What a managed policy
/// says is what it said when the session began.
pub(crate) fn policies(
    cx: &Cx,
    account: &str,
    own: Option<String>,
    managed: Option<Vec<input::PolicyDescriptorType>>,
) -> Result<Vec<String>> {
    let arns: Vec<String> = managed.into_iter().flatten().filter_map(|one| one.arn).collect();
    if arns.len() > MOST_MANAGED {
        let message = format!("The number of policies in PolicyArns exceeds the limit of {MOST_MANAGED}.");
        return Err(invalid(message).into());
    }
    let characters = own.iter().chain(&arns).map(|text| text.chars().count()).sum::<usize>();
    if characters > POLICY_CHARACTERS {
        let percent = characters * 100 / POLICY_CHARACTERS;
        let message = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
        return Err(errors::packed_policy_too_large_exception(message).into());
    }
    let mut all = Vec::new();
    if let Some(policy) = own {
        if let Err(malformed) = Policy::parse(PolicyKind::Session, &policy) {
            return Err(errors::malformed_policy_document_exception(malformed.fault.to_string()).into());
        }
        all.push(policy);
    }
    for arn in arns {
        all.push(document(cx, account, &arn)?);
    }
    Ok(all)
}

fn document(cx: &Cx, account: &str, arn: &str) -> Result<String> {
    let near = Arn::parse(arn).is_some_and(|a| a.service == "iam" && (a.account == account || a.account == "aws"));
    let found = match cx.kernel().identities().filter(|_| near) {
        Some(known) => known.managed(&cx.read(), arn)?,
        None => None,
    };
    found.ok_or_else(|| invalid(format!("Policy {arn} does not exist or is not attachable.")).into())
}

/// Tags and source identity of a session: what is passed, and what comes along from the session in which it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

impl Carried {
    /// Adds what comes along ("Chaining roles with session tags", "Monitor and control actions taken with assumed roles" in
    /// the IAM User Guide). What came along cannot be set anew.
    pub(crate) fn inherit(mut self, cx: &Cx) -> Result<Self> {
        self.check()?;
        let Some(before) = cx.temporary() else { return Ok(self) };
        let Some(begun) = before.begun.as_deref() else { return Ok(self) };
        let inherited = before.tags.iter().filter(|(key, _)| begun.transitive.contains(key));
        for (key, value) in inherited {
            if self.transitive.iter().any(|k| same(k, key)) {
                let message = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
                return Err(parameter(message).into());
            }
            if self.tags.iter().any(|(k, _)| same(k, key)) {
                let message = "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
                return Err(parameter(message).into());
            }
            self.tags.push((key.clone(), value.clone()));
            self.transitive.push(key.clone());
        }
        match (&self.source_identity, &begun.source_identity) {
            (Some(given), Some(before)) if given != before => {
                let message = "The source identity of the calling session cannot be changed.";
                return Err(AwsError::new("AccessDenied", 403, message).into());
            }
            (None, Some(before)) => self.source_identity = Some(before.clone()),
            _ => {}
        }
        Ok(self)
    }

    /// Refuses the same key twice, and a transitive key without a tag.
    pub(crate) fn check(&self) -> Result<()> {
        let names: BTreeSet<String> = self.tags.iter().map(|(key, _)| key.to_lowercase()).collect();
        if names.len() < self.tags.len() {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(parameter(message).into());
        }
        if self.transitive.iter().any(|key| !names.contains(&key.to_lowercase())) {
            return Err(parameter("The specified transitive tag key must be included in the requested tags.").into());
        }
        Ok(())
    }

    /// How the session begins that carries this.
    pub(crate) fn begun(&self, cx: &Cx, claims: Vec<(String, Vec<String>)>) -> Begun {
        Begun {
            at: cx.now_millis(),
            source_identity: self.source_identity.clone(),
            transitive: self.transitive.clone(),
            claims,
        }
    }

    /// Of a request, as it was read.
    pub(crate) fn of(input: &Fields) -> Self {
        let list = |name: &str| match input.get(name) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        let tag = |tag: &Value| Some((tag.text("Key")?.to_owned(), tag.text("Value")?.to_owned()));
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
        Self {
            tags: list("Tags").iter().filter_map(tag).collect(),
            transitive: list("TransitiveTagKeys").iter().filter_map(text).collect(),
            source_identity: input.text("SourceIdentity").map(ToOwned::to_owned),
        }
    }

    /// The permissions that `access` needs when this is carried: to tag the session, and to set its source identity.
    pub(crate) fn permissions(&self, mut access: Access) -> Vec<Access> {
        for (key, value) in &self.tags {
            access.context.set(&format!("aws:RequestTag/{key}"), value.clone());
        }
        if !self.tags.is_empty() {
            access.context.set_many("aws:TagKeys", self.tags.iter().map(|(key, _)| key.clone()).collect());
        }
        if !self.transitive.is_empty() {
            access.context.set_many("sts:TransitiveTagKeys", self.transitive.clone());
        }
        if let Some(identity) = &self.source_identity {
            access.context.set("sts:SourceIdentity", identity.clone());
        }
        let more = [
            (!self.tags.is_empty()).then_some("sts:TagSession"),
            self.source_identity.as_ref().map(|_| "sts:SetSourceIdentity"),
        ];
        let more: Vec<Access> =
            more.into_iter().flatten().map(|action| Access { action: action.into(), ..access.clone() }).collect();
        [access].into_iter().chain(more).collect()
    }
}
