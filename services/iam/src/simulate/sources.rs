//! The policies that a simulation is about.

use std::sync::Arc;

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{NamedPolicy, Policy, PolicyKind};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Cx, Result};

use super::{invalid, parsed};
use crate::api::{errors, input};
use crate::entity::{Entity, Kind};
use crate::policies;

/// A policy, and what the simulator calls it.
pub(super) struct Source {
    pub(super) id: String,
    pub(super) text: String,
    policy: Arc<Policy>,
}

impl Source {
    fn new(kind: PolicyKind, id: String, text: &str) -> Result<Self> {
        Ok(Self { id, text: text.to_owned(), policy: Arc::new(parsed(kind, text)?) })
    }

    pub(super) fn named(&self) -> NamedPolicy {
        NamedPolicy { name: self.id.as_str().into(), policy: self.policy.clone() }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) identity: Vec<Source>,
    pub(super) boundary: Vec<Source>,
    pub(super) resource: Option<Source>,
    /// Service control policies, a list a level.
    pub(super) organization: Vec<Vec<NamedPolicy>>,
    /// What was given of the identity's.
    given: usize,
}

impl Sources {
    /// Policies that are written down.
    pub(super) fn add(&mut self, texts: &[String]) -> Result<()> {
        for text in texts {
            self.given += 1;
            let id = format!("PolicyInputList.{}", self.given);
            self.identity.push(Source::new(PolicyKind::Inline, id, text)?);
        }
        Ok(())
    }

    /// A permissions boundary that is written down: "you can specify one policy", instead of one that is there.
    pub(super) fn bound(&mut self, texts: Option<Vec<String>>) -> Result<()> {
        let Some(texts) = texts else { return Ok(()) };
        if texts.len() > 1 {
            return Err(invalid("At most one permissions boundary policy may be given.").into());
        }
        self.boundary.clear();
        for text in &texts {
            let id = "PermissionsBoundaryPolicyInputList.1".to_owned();
            self.boundary.push(Source::new(PolicyKind::Inline, id, text)?);
        }
        Ok(())
    }

    pub(super) fn on_resource(&mut self, text: Option<String>) -> Result<()> {
        let source = text.map(|text| Source::new(PolicyKind::Resource, "ResourcePolicy".to_owned(), &text));
        self.resource = source.transpose()?;
        Ok(())
    }

    /// Service control policies that are written down, from the root down.
    pub(super) fn organize(&mut self, levels: Option<Vec<input::OrderedOrganizationPolicyType>>) -> Result<()> {
        for level in levels.into_iter().flatten() {
            let mut policies = Vec::new();
            for text in level.service_control_policy_input_list.into_iter().flatten() {
                let policy = Arc::new(parsed(PolicyKind::ServiceControl, &text)?);
                policies.push(NamedPolicy { name: "service control policy".into(), policy });
            }
            self.organization.push(policies);
        }
        Ok(())
    }

    /// All their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.identity.iter().chain(&self.boundary).chain(&self.resource).map(|source| source.text.as_str())
    }

    /// Those of a user, group or role, and what its organization says of the account; but for those that are left out.
    pub(super) fn of(cx: &Cx, arn: &str, without: Option<Vec<input::PolicyIdentifier>>) -> Result<Self> {
        let from = cx.read();
        let (kind, name) = entity_of(cx, arn)?;
        let entity = kind.find(&from, cx.account(), &name)?;
        if entity.arn(cx, kind) != arn {
            let message = format!("The {} with name {name} cannot be found.", kind.word());
            return Err(errors::no_such_entity_exception(message).into());
        }
        let mut all = Self::default();
        let left_out = LeftOut(without.unwrap_or_else(Vec::new));
        all.of_entity(&from, kind, &entity, &left_out)?;
        for group in &entity.groups {
            all.of_entity(&from, Kind::Group, &Kind::Group.find(&from, cx.account(), group)?, &left_out)?;
        }
        if let Some(arn) = entity.boundary.as_ref().filter(|_| !left_out.kind("permission-boundary")) {
            let text = policies::document(&from, arn)?;
            let text = text.ok_or_else(|| invalid(format!("The permissions boundary {arn} is gone.")))?;
            all.boundary.push(Source::new(PolicyKind::Inline, last(arn), &text)?);
        }
        if let Some(known) = cx.kernel().organizations().filter(|_| !left_out.kind("scp"))
            && let Some(membership) = known.membership(&from, cx.account())?
        {
            all.organization.clone_from(&membership.service_control);
        }
        Ok(all)
    }

    fn of_entity(&mut self, from: &Snapshot, kind: Kind, entity: &Entity, without: &LeftOut) -> Result<()> {
        for (name, text) in &entity.inline {
            if !without.inline(kind, &entity.name, name) {
                let id = format!("{}_{}_{name}", kind.word(), entity.name);
                self.identity.push(Source::new(PolicyKind::Inline, id, text)?);
            }
        }
        for arn in entity.attached.iter().filter(|arn| !without.managed(arn)) {
            if let Some(text) = policies::document(from, arn)? {
                self.identity.push(Source::new(PolicyKind::Inline, last(arn), &text)?);
            }
        }
        Ok(())
    }
}

fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

/// The kind and name of a user, group or role of the account.
fn entity_of(cx: &Cx, arn: &str) -> Result<(Kind, String)> {
    let bad = || invalid(format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."));
    let parsed = Arn::parse(arn).filter(|a| a.service == "iam" && a.account == cx.account()).ok_or_else(bad)?;
    let kind = match parsed.resource.split('/').next().unwrap_or_default() {
        "user" => Kind::User,
        "group" => Kind::Group,
        "role" => Kind::Role,
        _ => return Err(bad().into()),
    };
    Ok((kind, last(&parsed.resource)))
}

/// Policies that a simulation shall leave out.
struct LeftOut(Vec<input::PolicyIdentifier>);

impl LeftOut {
    fn kind(&self, wanted: &str) -> bool {
        self.0.iter().any(|one| one.policy_type.as_deref() == Some(wanted))
    }

    fn managed(&self, arn: &str) -> bool {
        let kind = if arn.contains(":iam::aws:") { "aws-managed" } else { "user-managed" };
        self.kind(kind) || self.0.iter().any(|one| one.policy_arn.as_deref() == Some(arn))
    }

    fn inline(&self, kind: Kind, of: &str, name: &str) -> bool {
        let mut named = self.0.iter().filter_map(|one| one.inline_policy_identifier.as_ref());
        self.kind("inline")
            || named.any(|inline| {
                inline.policy_name == name && inline.attachment_name == of && inline.attachment_type == kind.word()
            })
    }
}
