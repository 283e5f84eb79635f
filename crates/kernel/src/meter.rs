//! Usage, in AWS's billing units.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How much of what was used, since the start.
#[derive(Default)]
pub struct Meter(Mutex<BTreeMap<(String, String, &'static str, &'static str), f64>>);

impl Meter {
    /// Adds usage: `Requests-Tier1`, `Lambda-GB-Second`, …
    pub fn add(&self, account: &str, region: &str, service: &'static str, unit: &'static str, amount: f64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry((account.to_owned(), region.to_owned(), service, unit)).or_insert(0.0) += amount;
    }

    /// Everything counted so far, as account, region, service, unit, amount.
    pub fn read(&self) -> Vec<(String, String, &'static str, &'static str, f64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|((a, r, s, u), n)| (a.clone(), r.clone(), *s, *u, *n)).collect()
    }
}
