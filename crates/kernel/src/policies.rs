//! Compiled policies, kept by their text: most requests meet the same few.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use undercast_policy::{MalformedPolicy, Policy, PolicyKind};

/// Policies that were compiled lately.
#[derive(Default)]
pub struct Policies(RwLock<HashMap<PolicyKind, HashMap<String, Arc<Policy>>>>);

/// More than so many of a kind are not kept.
const KEPT: usize = 512;

impl Policies {
    /// The compiled form of a text.
    ///
    /// # Errors
    /// When it is no policy of that kind; the fault's `Display` is AWS's sentence.
    pub fn compile(&self, kind: PolicyKind, text: &str) -> Result<Arc<Policy>, MalformedPolicy> {
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&kind).and_then(|k| k.get(text))
        {
            return Ok(found.clone());
        }
        let policy = Arc::new(Policy::parse(kind, text)?);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(kind).or_default();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(text.to_owned(), policy.clone());
        Ok(policy)
    }
}
