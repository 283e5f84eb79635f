//! The explanation of a decision: every statement, and whether it applied.

use std::sync::Arc;

use crate::decide::{Inputs, PolicyType};
use crate::document::Effect;
use crate::policy::{Miss, Subject};

/// One statement of one policy, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The type of the policy.
    pub policy_type: PolicyType,
    /// Its name.
    pub policy: Arc<str>,
    /// The index of the statement.
    pub statement: usize,
    /// The statement's `Sid`.
    pub sid: Option<String>,
    /// What it would do.
    pub effect: Effect,
    /// Whether it applied.
    pub outcome: StepOutcome,
}

/// Whether a statement applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// All its elements match.
    Matched,
    /// The first element that does not.
    Missed(Miss),
}

pub(crate) fn build(inputs: &Inputs<'_>, subject: &Subject<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (policy_type, named) in inputs.all() {
        for (index, statement) in named.policy.document().statements.iter().enumerate() {
            let outcome = match named.policy.explain(index, subject) {
                Ok(()) => StepOutcome::Matched,
                Err(miss) => StepOutcome::Missed(miss),
            };
            steps.push(Step {
                policy_type,
                policy: named.name.clone(),
                statement: index,
                sid: statement.sid.clone(),
                effect: statement.effect,
                outcome,
            });
        }
    }
    steps
}
