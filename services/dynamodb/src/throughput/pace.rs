//! What a table or a global index may do in a second, as its settings say it.

use super::Side;
use super::bucket::Flow;
use crate::table::{Billing, Index, Table};

/// What one partition can read and write a second, whatever the table is given.
pub(crate) const PARTITION_READ: f64 = 3000.0;
pub(crate) const PARTITION_WRITE: f64 = 1000.0;
/// What an account lets one table, or one index, read and write a second.
pub(crate) const TABLE_QUOTA: i64 = 40_000;
/// What an account lets all its tables read and write a second.
pub(crate) const ACCOUNT_QUOTA: i64 = 80_000;
/// For so many seconds capacity that is not used is saved.
const SAVED: f64 = 300.0;

/// What one side may do in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How it is paid for.
    pub(crate) provisioned: bool,
    /// What is provisioned, or what was set as the most; `None`: nothing was.
    pub(crate) total: Option<Flow>,
    /// What one partition can do. It saves nothing: that is what it can do at all.
    pub(crate) partition: Flow,
    /// How many partitions there are to begin with.
    pub(crate) partitions: usize,
}

/// What an account allows, of what is paid for by request.
pub(crate) fn quota() -> Flow {
    Flow { rate: units(TABLE_QUOTA), seconds: 1.0 }
}

impl Pace {
    /// That of a table, or of one of its global indexes.
    pub(crate) fn of(table: &Table, index: Option<&Index>, side: Side) -> Self {
        let (billing, allowance) =
            index.map_or((table.billing, &table.allowance), |index| (index.billing, &index.allowance));
        let total = match billing {
            Billing::OnDemand => side.of(allowance.most_read, allowance.most_write),
            Billing::Provisioned { read, write } => Some(side.of(read, write)),
        };
        let warm = allowance.warm(billing);
        let needed = (units(warm.read) / PARTITION_READ).max(units(warm.write) / PARTITION_WRITE);
        Self {
            provisioned: billing != Billing::OnDemand,
            total: total.map(|total| Flow { rate: units(total), seconds: SAVED }),
            partition: Flow { rate: side.of(PARTITION_READ, PARTITION_WRITE), seconds: 1.0 },
            partitions: whole(needed),
        }
    }
}

/// As many partitions as are needed, one at least.
pub(crate) fn whole(needed: f64) -> usize {
    // No quota allows as many as a thousand.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and 1024")]
    let count = needed.ceil().clamp(1.0, 1024.0) as usize;
    count
}

/// Units as a rate.
#[expect(clippy::cast_precision_loss, reason = "capacity is asked for in numbers that a float tells apart")]
pub(crate) fn units(count: i64) -> f64 {
    count as f64
}
