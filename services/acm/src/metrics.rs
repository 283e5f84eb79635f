//! What CloudWatch is told, in the namespace `AWS/CertificateManager`: how many days a certificate has left, twice a day.
//!
//! Source: "Supported CloudWatch metrics" in the user guide.

use undercast_kernel::{Kernel, Metric, Result};

use crate::events::days_left;
use crate::rows::{CERTIFICATES, Status};

/// Half a day, in minutes.
const PERIOD: i64 = 12 * 60;

pub(crate) fn measure(kernel: &Kernel) -> Result<()> {
    let now = kernel.clock().now();
    // It is asked for every minute.
    if now.as_second().div_euclid(60).rem_euclid(PERIOD) != 0 {
        return Ok(());
    }
    for entry in CERTIFICATES.all(&kernel.database().read(), &())? {
        let row = entry.row;
        let (Status::Issued, Some(facts)) = (row.status, row.facts()?) else { continue };
        let cx = kernel.cx_for(&row.account, &row.region);
        let arn = row.arn(&cx);
        let dimensions = [("CertificateArn", arn.as_str())];
        let metric =
            Metric { namespace: "AWS/CertificateManager", name: "DaysToExpiry", dimensions: &dimensions, unit: "None" };
        let days = days_left(now.as_millisecond(), facts.not_after * 1000);
        cx.observe(&metric, i32::try_from(days).map_or(f64::from(i32::MAX), f64::from));
    }
    Ok(())
}
