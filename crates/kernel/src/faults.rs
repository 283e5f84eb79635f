//! Faults on purpose: by rule, for any call.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use undercast_wire::AwsError;

use crate::{Cx, Failure, Result, regions};

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
    /// What stands in this zone: with [`Effect::Dead`] alone, since calls go to regions.
    pub zone: Option<String>,
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
    /// The region or the zone is gone until the rule is removed. Calls into a dead region are cut, from outside and from
    /// inside, and work that falls due there waits. What stands in a dead zone ends, and nothing new is put there.
    Dead,
    /// The region and another one do not reach each other until the rule is removed; calls into both go on. What services
    /// send from one to the other waits.
    Unlinked {
        /// The other region.
        from: String,
    },
    /// What services send between the region and another one takes so much longer.
    Far {
        /// The other region.
        from: String,
        /// Milliseconds.
        milliseconds: u64,
    },
}

impl Effect {
    /// The region that it puts between itself and another one.
    fn apart(&self) -> Option<&str> {
        match self {
            Self::Unlinked { from } | Self::Far { from, .. } => Some(from),
            _ => None,
        }
    }
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// Its probability.
    #[error("`probability` is from 0 to 1")]
    Probability,
    /// It kills something, and does not say what.
    #[error("`dead` goes with a `region` or a `zone`, and with nothing else")]
    Dead,
    /// It is about what is between regions, and does not say which.
    #[error("`unlinked` and `far` go with a `region` and the one that it is apart from, and with nothing else")]
    Apart,
    /// It does something else to a zone.
    #[error("calls go to regions; a `zone` goes with `dead` alone")]
    Zone,
    /// Its region.
    #[error("there is no region {0}")]
    NoRegion(String),
    /// Its zone.
    #[error("there is no zone {0}")]
    NoZone(String),
}

impl FaultRule {
    /// Whether the rule says something that can be done.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> std::result::Result<(), BadRule> {
        let dead = matches!(self.effect, Effect::Dead);
        let narrowed = self.service.is_some() || self.operation.is_some() || self.account.is_some();
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(BadRule::Probability);
        }
        if let Some(from) = self.effect.apart() {
            let apart = self.region.as_deref().is_some_and(|region| region != from);
            if narrowed || self.probability < 1.0 || self.zone.is_some() || !apart {
                return Err(BadRule::Apart);
            }
            if !regions::exists(from) {
                return Err(BadRule::NoRegion(from.to_owned()));
            }
        }
        if dead && (narrowed || self.probability < 1.0 || self.region.is_some() == self.zone.is_some()) {
            return Err(BadRule::Dead);
        }
        if self.zone.is_some() && !dead {
            return Err(BadRule::Zone);
        }
        match (&self.region, &self.zone) {
            (Some(region), _) if !regions::exists(region) => Err(BadRule::NoRegion(region.clone())),
            (_, Some(zone)) if !regions::zone_exists(zone) => Err(BadRule::NoZone(zone.clone())),
            _ => Ok(()),
        }
    }

    fn kills_region(&self, region: &str) -> bool {
        matches!(self.effect, Effect::Dead) && self.region.as_deref() == Some(region)
    }

    /// Whether it is about what is between two regions.
    fn is_between(&self, one: &str, other: &str) -> bool {
        let Some(from) = self.effect.apart() else { return false };
        let ends = (self.region.as_deref(), from);
        ends == (Some(one), other) || ends == (Some(other), one)
    }

    fn parts(&self, one: &str, other: &str) -> bool {
        matches!(self.effect, Effect::Unlinked { .. }) && self.is_between(one, other)
    }

    fn kills_zone(&self, zone: &str) -> bool {
        let kills = |region: &str| zone.strip_prefix(region).is_some_and(|letter| letter.len() == 1);
        matches!(self.effect, Effect::Dead)
            && (self.zone.as_deref() == Some(zone) || self.region.as_deref().is_some_and(kills))
    }
}

/// The rules in force.
#[derive(Default)]
pub struct Faults {
    rules: RwLock<Vec<FaultRule>>,
    /// Rings when they change.
    changed: watch::Sender<()>,
}

impl Faults {
    /// The rules in force.
    pub fn list(&self) -> Vec<FaultRule> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a rule, or replaces the one with its id.
    ///
    /// # Errors
    /// [`FaultRule::check`]'s.
    pub fn add(&self, rule: FaultRule) -> std::result::Result<(), BadRule> {
        rule.check()?;
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|r| r.id != rule.id);
        rules.push(rule);
        drop(rules);
        self.changed.send_replace(());
        Ok(())
    }

    /// Removes a rule; all of them when `id` is `None`. Says how many.
    pub fn remove(&self, id: Option<&str>) -> usize {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let before = rules.len();
        rules.retain(|r| id.is_some_and(|id| r.id != id));
        let removed = before - rules.len();
        drop(rules);
        self.changed.send_replace(());
        removed
    }

    /// Whether a rule may do something to a call.
    pub fn concern(&self, cx: &Cx, service: &str, operation: &str) -> bool {
        let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|w| w == given);
        self.any(|r| {
            r.zone.is_none()
                && is(&r.service, service)
                && is(&r.operation, operation)
                && is(&r.account, cx.account())
                && is(&r.region, cx.region())
        })
    }

    fn any(&self, is: impl Fn(&FaultRule) -> bool) -> bool {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).iter().any(is)
    }

    /// Whether a region is dead.
    pub fn is_dead_region(&self, region: &str) -> bool {
        self.any(|rule| rule.kills_region(region))
    }

    /// Whether what is sent from one region to another arrives: both are alive, and no rule parts them.
    pub fn are_linked(&self, one: &str, other: &str) -> bool {
        !self.any(|rule| rule.kills_region(one) || rule.kills_region(other) || rule.parts(one, other))
    }

    /// How much longer it takes than it would, to send something from one region to another.
    pub fn distance(&self, one: &str, other: &str) -> Duration {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let between = rules.iter().filter(|rule| rule.is_between(one, other));
        let all = between.filter_map(|rule| match rule.effect {
            Effect::Far { milliseconds, .. } => Some(milliseconds),
            _ => None,
        });
        Duration::from_millis(all.fold(0, u64::saturating_add))
    }

    /// Whether a zone is dead, or the region it is in.
    pub fn is_dead_zone(&self, zone: &str) -> bool {
        self.any(|rule| rule.kills_zone(zone))
    }

    /// The zones of a region where something can be put.
    pub fn living_zones(&self, region: &str) -> Vec<String> {
        let mut zones = regions::zones(region);
        zones.retain(|zone| !self.is_dead_zone(zone));
        zones
    }

    /// Returns when a zone is dead. What stands there ends then.
    pub async fn zone_dies(&self, zone: &str) {
        let mut changed = self.changed.subscribe();
        while !self.is_dead_zone(zone) {
            if changed.changed().await.is_err() {
                // There are no rules any more, and so nothing that could kill it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Does to a call what the rules say. `throttled` is what the service answers when it has too much to do.
    ///
    /// # Errors
    /// Those of the rules.
    pub async fn strike(
        &self,
        cx: &Cx,
        service: &str,
        operation: &str,
        throttled: &(dyn Fn() -> AwsError + Sync),
    ) -> Result<()> {
        for effect in self.matching(cx, service, operation) {
            match effect {
                Effect::Throttle => return Err(throttled().into()),
                Effect::Error { code, status, message } => return Err(AwsError::new(code, status, message).into()),
                Effect::Latency { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
                Effect::Abort | Effect::Dead => return Err(Failure::Cut),
                // It is no call that is in its way.
                Effect::Unlinked { .. } | Effect::Far { .. } => {}
            }
        }
        Ok(())
    }

    fn matching(&self, cx: &Cx, service: &str, operation: &str) -> Vec<Effect> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        if rules.is_empty() {
            return Vec::new();
        }
        let is = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|w| w == given);
        let matching = rules.iter().filter(|r| {
            r.zone.is_none()
                && is(&r.service, service)
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
