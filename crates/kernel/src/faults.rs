//! Faults on purpose: by rule, for any call.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use undercast_wire::AwsError;

use crate::{Cx, Failure, Result};

/// A rule: which calls, how often, what happens to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Name by which it is removed; made up when it is empty.
    #[serde(default)]
    pub id: String,
    /// Only calls of this service.
    pub service: Option<String>,
    /// Only calls of this operation.
    pub operation: Option<String>,
    /// Only calls into this account.
    pub account: Option<String>,
    /// Only calls into this region.
    pub region: Option<String>,
    /// What share of them, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// What happens.
    pub effect: Effect,
}

fn always() -> f64 {
    1.0
}

/// What happens to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is refused as by a service that has too much to do.
    Throttle,
    /// It is answered with an error.
    Error {
        /// AWS's code.
        code: String,
        /// HTTP status.
        status: u16,
        /// Message.
        #[serde(default)]
        message: String,
    },
    /// It takes so much longer.
    Latency {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// The connection is cut before the answer.
    Abort,
}

/// The rules in force.
#[derive(Default)]
pub struct Faults(RwLock<Vec<FaultRule>>);

impl Faults {
    /// The rules in force.
    pub fn list(&self) -> Vec<FaultRule> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a rule, or replaces the one with its id.
    pub fn add(&self, rule: FaultRule) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|r| r.id != rule.id);
        rules.push(rule);
    }

    /// Removes a rule; all of them when `id` is `None`. Says how many.
    pub fn remove(&self, id: Option<&str>) -> usize {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = rules.len();
        rules.retain(|r| id.is_some_and(|id| r.id != id));
        before - rules.len()
    }

    /// Does to a call what the rules say.
    ///
    /// # Errors
    /// Those of the rules.
    pub async fn strike(&self, cx: &Cx, service: &str, operation: &str) -> Result<()> {
        for effect in self.matching(cx, service, operation) {
            match effect {
                Effect::Throttle => {
                    return Err(AwsError::new("ThrottlingException", 400, "Rate exceeded").into());
                }
                Effect::Error { code, status, message } => return Err(AwsError::new(code, status, message).into()),
                Effect::Latency { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
                Effect::Abort => return Err(Failure::Cut),
            }
        }
        Ok(())
    }

    fn matching(&self, cx: &Cx, service: &str, operation: &str) -> Vec<Effect> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if rules.is_empty() {
            return Vec::new();
        }
        let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|w| w == given);
        let matching = rules.iter().filter(|r| {
            is(&r.service, service)
                && is(&r.operation, operation)
                && is(&r.account, cx.account())
                && is(&r.region, cx.region())
        });
        matching
            .filter(|r| r.probability >= 1.0 || cx.random().fraction() < r.probability)
            .map(|r| r.effect.clone())
            .collect()
    }
}
