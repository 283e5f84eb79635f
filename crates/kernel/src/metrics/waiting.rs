//! Those who have nothing to do before there are new metrics: alarms that have seen all that there is.

use std::time::Duration;

use minicbor::{Decode, Encode};
use undercast_store::{Read, Table, Tx};

use crate::{Cx, Result, Timestamp};

use super::MINUTE;

/// Account, region → who waits there.
static WAITING: Table<Waiting> = Table::new("kernel.metrics.waiting");

/// The task that is scheduled when there are new metrics.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Waiting {
    #[n(0)]
    service: String,
    #[n(1)]
    id: String,
    #[n(2)]
    kind: String,
}

impl Cx {
    /// Whether somebody waits for new metrics of this account and region, and there have been none since.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_metrics_awaited(&self, from: &(impl Read + ?Sized)) -> Result<bool> {
        Ok(WAITING.has(from, &(self.account(), self.region()))?)
    }

    /// Has a task scheduled at the next full minute after there are new metrics of this account and region. One task a region waits.
    pub fn await_metrics(&self, tx: &mut Tx<'_>, service: &str, id: &str, kind: &str) {
        let waiting = Waiting { service: service.to_owned(), id: id.to_owned(), kind: kind.to_owned() };
        WAITING.put(tx, &(self.account(), self.region()), &waiting);
    }

    /// There are new metrics of this account and region.
    ///
    /// # Errors
    /// When the store fails.
    pub fn metrics_came(&self, tx: &mut Tx<'_>) -> Result<()> {
        let key = (self.account(), self.region());
        let Some(waiting) = WAITING.get(tx, &key)? else { return Ok(()) };
        WAITING.delete(tx, &key);
        let now = self.now().as_second();
        let minute = Timestamp::from_second(now - now.rem_euclid(MINUTE)).unwrap_or(self.now());
        let due = minute.checked_add(Duration::from_secs(60)).unwrap_or(Timestamp::MAX);
        let Waiting { service, id, kind } = waiting;
        self.tasks().schedule_sooner(self, tx, &service, &id, &kind, String::new(), due)
    }
}
