//! Whether something would be allowed, asked before it is done: for answers that depend on it, and for services that are told where
//! to write long before they do.

use serde_json::Value as Json;
use undercast_policy::{MapContext, NamedPolicy, ResourceRule};

use crate::access::{Later, Tell, weigh};
use crate::{Access, Cx, IamMode, Result};

impl Cx {
    /// Whether the caller may do one thing more than what the call itself needs, for answers that depend on it: S3 tells
    /// that a key is missing only to those who may list, and `DeleteObjects` decides key by key. `None`: yes; else AWS's
    /// sentence.
    ///
    /// # Errors
    /// When the store fails.
    pub fn denied(&self, access: &Access) -> Result<Option<String>> {
        self.denied_but(access, None)
    }

    /// The same, with more condition keys where policies ask for them.
    fn denied_but(&self, access: &Access, more: Option<&dyn Fn() -> Result<MapContext>>) -> Result<Option<String>> {
        let mode = self.kernel().settings().iam;
        if mode == IamMode::Off {
            return Ok(None);
        }
        let verdict = weigh(self, self.kernel().identities(), access, Later::new(more), Tell::default())?;
        if !verdict.allowed && mode == IamMode::Audit {
            tracing::warn!(request = self.request_id(), message = verdict.message, "would have been denied");
            self.exercised(access);
            return Ok(None);
        }
        if verdict.allowed {
            self.exercised(access);
        }
        Ok((!verdict.allowed).then_some(verdict.message))
    }

    /// Whether a call would be denied. Nothing is done. `None`: it would not; else AWS's sentence.
    ///
    /// # Errors
    /// Those of the operation that are known beforehand; [`Failure::NotBuilt`] when it is not there.
    pub fn would_be_denied(&self, service: &str, operation: &str, input: Json) -> Result<Option<String>> {
        let (found, index, decoded) = self.kernel().addressed(service, operation, input)?;
        let of = found.api().operations[index];
        for needed in found.access(self, of, &decoded.input)? {
            let work = || found.conditions(self, of, &decoded.input, &needed);
            if let Some(sentence) = self.denied_but(&needed, Some(&work))? {
                return Ok(Some(sentence));
            }
        }
        Ok(None)
    }

    /// Whether a service may take on a role, for the sake of `source` (an ARN): it is there, and lets the service in.
    /// Where nobody is asked for permission, a role need not be there to be had.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_assumable(&self, service: &str, role: &str, source: Option<&str>) -> Result<bool> {
        if self.kernel().settings().iam != IamMode::Enforce {
            return Ok(true);
        }
        let Some(known) = self.kernel().identities() else { return Ok(false) };
        let Some(facts) = known.role(&self.read(), role)? else { return Ok(false) };
        let account = crate::arn::Arn::parse(role).map_or_else(String::new, |arn| arn.account);
        let mut access = Access::new("sts:AssumeRole", role).in_account(account);
        access.rule = ResourceRule::MustAllow;
        access.policies.push(NamedPolicy { name: role.into(), policy: facts.trust });
        Ok(self.as_service(service, source).denied(&access)?.is_none())
    }

    /// Who knows users and roles is told that one of them exercised a permission.
    pub(crate) fn exercised(&self, access: &Access) {
        if let Some(known) = self.kernel().identities() {
            known.exercised(self, access);
        }
    }
}
