//! The rules of staging labels: which version each is attached to.
//!
//! Source: "What's in a Secrets Manager secret" and "Secrets Manager quotas" in the user guide; UpdateSecretVersionStage in the API
//! reference.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::Result;

use crate::error;

/// The version that is read where none is named.
pub(crate) const CURRENT: &str = "AWSCURRENT";
/// The one before it.
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
/// The one that a rotation makes.
pub(crate) const PENDING: &str = "AWSPENDING";

/// So many labels are attached to all versions of a secret at most.
const MOST: usize = 20;

/// Label to version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Labels(#[n(0)] BTreeMap<String, String>);

impl Labels {
    /// The version that has a label.
    pub(crate) fn version(&self, label: &str) -> Option<&str> {
        self.0.get(label).map(String::as_str)
    }

    /// The labels of a version, in order.
    pub(crate) fn of(&self, version: &str) -> Vec<String> {
        self.0.iter().filter(|(_, of)| *of == version).map(|(label, _)| label.clone()).collect()
    }

    /// Whether a version has any.
    pub(crate) fn has(&self, version: &str) -> bool {
        self.0.values().any(|of| of == version)
    }

    /// Attaches a label to a version, wherever it was. What loses `AWSCURRENT` has `AWSPREVIOUS` from then on.
    ///
    /// # Errors
    /// `LimitExceededException` when there would be too many.
    pub(crate) fn attach(&mut self, label: &str, version: &str) -> Result<()> {
        let before = self.0.insert(label.to_owned(), version.to_owned());
        if let Some(before) = before.filter(|before| label == CURRENT && before != version) {
            self.0.insert(PREVIOUS.to_owned(), before);
        }
        if self.0.len() > MOST { Err(error::over_quota("20 staging labels")) } else { Ok(()) }
    }

    /// Takes a label away from wherever it is.
    pub(crate) fn detach(&mut self, label: &str) {
        self.0.remove(label);
    }

    /// Attaches the labels of a new version. The first version of a secret is the current one.
    ///
    /// # Errors
    /// As [`Labels::attach`].
    pub(crate) fn begin(&mut self, version: &str, given: &[String]) -> Result<()> {
        if self.version(CURRENT).is_none() && self.0.is_empty() {
            self.attach(CURRENT, version)?;
        }
        given.iter().try_for_each(|label| self.attach(label, version))
    }

    /// Moves a label as `UpdateSecretVersionStage` is told to: away from `from`, to `to`.
    ///
    /// # Errors
    /// `InvalidParameterException` when the label is not where the request says, or would be nowhere and must not.
    pub(crate) fn shift(&mut self, label: &str, from: Option<&str>, to: Option<&str>) -> Result<()> {
        let has = self.version(label).map(ToOwned::to_owned);
        match (has.as_deref(), from, to) {
            (_, None, None) => {
                Err(error::parameter("You must specify MoveToVersionId, RemoveFromVersionId, or both of them."))
            }
            (Some(has), _, Some(to)) if has == to => Ok(()),
            (None, None, Some(to)) => self.attach(label, to),
            (None, Some(from), _) => {
                Err(error::parameter(format!("Staging label {label} isn't currently attached to version {from}.")))
            }
            (Some(has), None, Some(_)) => Err(error::parameter(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {has}, so you must explicitly reference that version in RemoveFromVersionId."
            ))),
            (Some(has), Some(from), Some(_)) if has != from => Err(error::parameter(format!(
                "When you move staging label {label}, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label {label}."
            ))),
            (Some(_), Some(_), Some(to)) => self.attach(label, to),
            (Some(has), Some(from), None) if has != from => {
                Err(error::parameter(format!("Staging label {label} isn't currently attached to version {from}.")))
            }
            (Some(_), Some(_), None) if label == CURRENT => Err(error::parameter(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
            )),
            (Some(_), Some(_), None) => {
                self.detach(label);
                Ok(())
            }
        }
    }

    /// Version to labels, of the versions that have some.
    pub(crate) fn by_version(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (label, version) in &self.0 {
            all.entry(version.clone()).or_default().push(label.clone());
        }
        all
    }
}
