//! How many certificates an account has in a Region: at a time, and asked for or imported within a year.
//!
//! Source: "Quotas" in the user guide. What ACME clients order does not count.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::error;
use crate::rows::{Certificate, Kind};

/// Account, region, kind → how many there are.
static COUNTS: Table<u64> = Table::new("acm.counts");
/// Account, region, kind, day → how many came that day.
static DAYS: Table<Day> = Table::new("acm.days");

/// So many at a time.
const MOST: u64 = 2_500;
/// So many within a year.
const MOST_A_YEAR: u64 = 5_000;
const YEAR: i64 = 365;
const DAY: i64 = 86_400_000;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Day {
    #[n(0)]
    came: u64,
}

/// Counts one more.
///
/// # Errors
/// `LimitExceededException` when there are as many as may be.
pub(crate) fn take(cx: &Cx, tx: &mut Tx<'_>, kind: Kind) -> Result<()> {
    let place = (cx.account(), cx.region(), kind.as_str());
    let count = COUNTS.get(tx, &place)?.unwrap_or(0);
    if count >= MOST {
        return Err(error::limit(format!("Error: you have reached your limit of {MOST} certificates.")));
    }
    let today = cx.now_millis().div_euclid(DAY);
    let within = |day: i64| (cx.account(), cx.region(), kind.as_str(), day);
    let most = usize::try_from(YEAR).unwrap_or(usize::MAX) + 1;
    let year = DAYS.range(tx, &within(today - YEAR + 1), &within(today + 1), Order::Ascending, most)?;
    if year.iter().map(|entry| entry.row.came).sum::<u64>() >= MOST_A_YEAR {
        let message = format!("Error: you have reached your limit of {MOST_A_YEAR} certificates in the last year.");
        return Err(error::limit(message));
    }
    COUNTS.put(tx, &place, &(count + 1));
    let came = DAYS.get(tx, &within(today))?.map_or(0, |day| day.came) + 1;
    DAYS.put(tx, &within(today), &Day { came });
    Ok(())
}

/// Counts one less. It has come this year nevertheless.
pub(crate) fn give_back(cx: &Cx, tx: &mut Tx<'_>, certificate: &Certificate) -> Result<()> {
    if certificate.ordered.is_some() {
        return Ok(());
    }
    let place = (cx.account(), cx.region(), certificate.kind.as_str());
    let count = COUNTS.get(tx, &place)?.unwrap_or(0);
    COUNTS.put(tx, &place, &count.saturating_sub(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::Status;

    #[tokio::test]
    async fn there_are_so_many_at_a_time_and_within_a_year() {
        let cloud = undercast_testkit::Cloud::start(vec![Arc::new(crate::Acm::default())]).await;
        cloud.kernel.clock().freeze();
        let kind = Kind::AmazonIssued;
        let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
        let certificate = Certificate::new(&cx, kind, Status::Issued, Vec::new(), "RSA_2048".to_owned());
        let all = async |cx: &Cx| cx.write(|tx| (0..MOST).try_for_each(|_| take(cx, tx, kind))).await;
        let none = async |cx: &Cx| cx.write(|tx| (0..MOST).try_for_each(|_| give_back(cx, tx, &certificate))).await;
        let one = async |cx: &Cx| cx.write(|tx| take(cx, tx, kind)).await;
        all(&cx).await.unwrap();
        assert_eq!(one(&cx).await.unwrap_err().code(), Some("LimitExceededException"));
        none(&cx).await.unwrap();
        all(&cx).await.unwrap();
        none(&cx).await.unwrap();
        // As many as there may be within a year; those that were imported count for themselves.
        assert_eq!(one(&cx).await.unwrap_err().code(), Some("LimitExceededException"));
        cx.write(|tx| take(&cx, tx, Kind::Imported)).await.unwrap();
        let day = std::time::Duration::from_hours(24);
        cloud.kernel.advance(day * 364).await.unwrap();
        assert!(one(&cloud.kernel.cx_for("000000000000", "us-east-1")).await.is_err());
        cloud.kernel.advance(day).await.unwrap();
        one(&cloud.kernel.cx_for("000000000000", "us-east-1")).await.unwrap();
    }
}
