//! CloudWatch's Contributor Insights: who adds most to what a rule counts.
//!
//! A service that makes a rule puts it here and tells of each contribution (`Cx::contribute`). Contributions are added up in memory
//! by the minute, and some seconds later the greatest of each minute are written to the store, as metrics are. The service
//! `cloudwatch` reads them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use minicbor::{Decode, Encode};
use undercast_store::{Database, Order, Passed, Read, Table, Tx};

use crate::metrics::{DAY, MINUTE};
use crate::{Cx, Result};

/// Account, region and name → a rule.
static RULES: Table<Rule> = Table::new("kernel.insight_rules");
/// Account, region, rule and minute (seconds since 1970) → who contributed.
static SHARES: Table<Minute> = Table::new("kernel.insight_shares");

/// Reports tell of so many contributors at most.
const TOP: usize = 100;
/// So many contributors of a minute are told apart while it lasts; of more of them only the sum is known.
const TOLD_APART: usize = 10_000;
/// Contributions are kept so long, in seconds.
const KEPT: i64 = 15 * DAY;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// What each of the texts that tell contributors apart is.
    #[n(0)]
    pub labels: Vec<String>,
}

/// What was contributed within a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Encode, Decode)]
pub struct Amount {
    /// How often.
    #[n(0)]
    pub count: f64,
    /// How much.
    #[n(1)]
    pub sum: f64,
    /// The least at once.
    #[n(2)]
    pub minimum: f64,
    /// The most at once.
    #[n(3)]
    pub maximum: f64,
}

impl Amount {
    fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, minimum: value, maximum: value }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

/// What one contributor contributed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Share {
    /// What tells it from others.
    #[n(0)]
    pub keys: Vec<String>,
    /// How much it was.
    #[n(1)]
    pub amount: Amount,
}

/// Who contributed in a minute.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Minute {
    /// Those who contributed most, the greatest first.
    #[n(0)]
    pub top: Vec<Share>,
    /// How many contributors there were, as far as they were told apart.
    #[n(1)]
    pub contributors: u64,
    /// What all of them contributed.
    #[n(2)]
    pub all: Amount,
}

impl Minute {
    /// Adds what was contributed in the same minute and written later, or in another one of the same period.
    pub fn add(&mut self, other: &Self) {
        let known: HashMap<Vec<String>, usize> =
            self.top.iter().enumerate().map(|(place, share)| (share.keys.clone(), place)).collect();
        let mut again = 0;
        for share in &other.top {
            match known.get(&share.keys).and_then(|place| self.top.get_mut(*place)) {
                Some(mine) => {
                    mine.amount.add(&share.amount);
                    again += 1;
                }
                None => self.top.push(share.clone()),
            }
        }
        self.contributors += other.contributors.saturating_sub(again);
        self.all.add(&other.all);
        self.cut();
    }

    fn cut(&mut self) {
        self.top.sort_by(|a, b| b.amount.sum.total_cmp(&a.amount.sum).then_with(|| a.keys.cmp(&b.keys)));
        self.top.truncate(TOP);
    }
}

/// What was contributed and is not written yet: account, region and rule → minute → contributors.
#[derive(Default)]
pub(crate) struct Insights(Mutex<HashMap<(String, String, String), HashMap<i64, Fresh>>>);

#[derive(Default)]
struct Fresh {
    shares: HashMap<Vec<String>, Amount>,
    all: Amount,
}

impl Insights {
    fn add(&self, (account, region, rule): (&str, &str, &str), at: i64, keys: &[String], value: f64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = all.entry((account.to_owned(), region.to_owned(), rule.to_owned())).or_default();
        let minute = rule.entry(at - at.rem_euclid(MINUTE)).or_default();
        let amount = Amount::of(value);
        minute.all.add(&amount);
        let full = minute.shares.len() >= TOLD_APART;
        match minute.shares.get_mut(keys) {
            Some(share) => share.add(&amount),
            None if full => {}
            None => {
                minute.shares.insert(keys.to_vec(), amount);
            }
        }
    }

    /// Writes what was contributed until now.
    pub(crate) async fn keep(&self, database: &Database) -> Result<()> {
        let fresh = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if fresh.is_empty() {
            return Ok(());
        }
        let mut minutes = Vec::new();
        for (rule, of) in fresh {
            for (at, Fresh { shares, all }) in of {
                let contributors = shares.len() as u64;
                let top = shares.into_iter().map(|(keys, amount)| Share { keys, amount }).collect();
                let mut minute = Minute { top, contributors, all };
                minute.cut();
                minutes.push((rule.clone(), at, minute));
            }
        }
        database
            .write(|tx| {
                for ((account, region, rule), at, minute) in &minutes {
                    let key = (account.as_str(), region.as_str(), rule.as_str(), *at);
                    let mut kept = SHARES.get(tx, &key)?.unwrap_or_default();
                    kept.add(minute);
                    SHARES.put(tx, &key, &kept);
                }
                Ok(())
            })
            .await
    }
}

/// Forgets the oldest contributions.
pub(crate) async fn forget(database: &Database, now: i64) -> Result<()> {
    let all = SHARES.all(&database.read(), &())?;
    let old = |key: &(String, String, String, i64)| key.3 < now - KEPT;
    let old: Vec<_> = all.iter().filter_map(|entry| entry.key().filter(old)).collect();
    if old.is_empty() {
        return Ok(());
    }
    database
        .write(|tx| {
            for (account, region, rule, at) in &old {
                SHARES.delete(tx, &(account.as_str(), region.as_str(), rule.as_str(), *at));
            }
            Ok(())
        })
        .await
}

/// Puts a rule of the account and region of a call.
pub fn put(cx: &Cx, tx: &mut Tx<'_>, name: &str, rule: &Rule) {
    RULES.put(tx, &cx.key(name), rule);
}

/// Deletes a rule. What was contributed to it is not seen any more.
pub fn delete(cx: &Cx, tx: &mut Tx<'_>, name: &str) {
    RULES.delete(tx, &cx.key(name));
}

/// A rule of the account and region of a call.
///
/// # Errors
/// When the store fails.
pub fn rule(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Option<Rule>> {
    Ok(RULES.get(from, &cx.key(name))?)
}

/// What was contributed to a rule from second `start` on and before `end`, by the minute, ascending.
///
/// # Errors
/// When the store fails.
pub fn read(cx: &Cx, from: &(impl Read + ?Sized), rule: &str, start: i64, end: i64) -> Result<Vec<(i64, Minute)>> {
    let key = |at: i64| (cx.account(), cx.region(), rule, at);
    let rows = SHARES.range(from, &key(start), &key(end), Order::Ascending, usize::MAX)?;
    let minute = |entry: &undercast_store::Entry<Minute>| entry.key::<(Passed, Passed, Passed, i64)>().map(|key| key.3);
    Ok(rows.into_iter().filter_map(|entry| Some((minute(&entry)?, entry.row))).collect())
}

impl Cx {
    /// Adds a contribution to a rule of this call's account and region.
    pub fn contribute(&self, rule: &str, keys: &[String], value: f64) {
        let insights = &self.kernel.inner.insights;
        insights.add((&self.account, &self.region, rule), self.now.as_second(), keys, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(shares: &[(&str, f64)]) -> Minute {
        let insights = Insights::default();
        for (key, value) in shares {
            insights.add(("a", "r", "rule"), 61, &[(*key).to_owned()], *value);
        }
        let fresh = insights.0.into_inner().unwrap().into_values().next().unwrap().remove(&60).unwrap();
        let contributors = fresh.shares.len() as u64;
        let top = fresh.shares.into_iter().map(|(keys, amount)| Share { keys, amount }).collect();
        let mut minute = Minute { top, contributors, all: fresh.all };
        minute.cut();
        minute
    }

    #[test]
    fn who_contributes_most_comes_first() {
        let mut first = minute(&[("a", 1.0), ("b", 5.0), ("a", 2.0), ("c", 1.0)]);
        let order = |minute: &Minute| minute.top.iter().map(|s| s.keys.concat()).collect::<Vec<_>>().concat();
        assert_eq!(order(&first), "bac");
        assert_eq!(first.top[1].amount, Amount { count: 2.0, sum: 3.0, minimum: 1.0, maximum: 2.0 });
        first.add(&minute(&[("a", 4.0), ("d", 0.5)]));
        assert_eq!(order(&first), "abcd");
        assert_eq!((first.contributors, first.all.sum, first.all.count), (4, 13.5, 6.0));
    }
}
