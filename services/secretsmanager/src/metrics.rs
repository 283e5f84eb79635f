//! What CloudWatch is told, in the namespace `AWS/SecretsManager`: how many secrets an account has in a Region, once an hour.
//!
//! Source: "Monitor AWS Secrets Manager with Amazon CloudWatch" in the user guide: those that wait for their deletion count, too.

use std::collections::BTreeMap;

use undercast_kernel::{Kernel, Metric, Result};

use crate::rows::SECRETS;

/// The dimensions, which are those of the metrics of usage.
const DIMENSIONS: &[(&str, &str)] =
    &[("Class", "None"), ("Resource", "SecretCount"), ("Service", "Secrets Manager"), ("Type", "Resource")];

pub(crate) fn measure(kernel: &Kernel) -> Result<()> {
    let now = kernel.clock().now().as_second();
    // It is asked for every minute.
    if now.rem_euclid(3600) >= 60 {
        return Ok(());
    }
    let mut counted: BTreeMap<(String, String), u32> = BTreeMap::new();
    for entry in SECRETS.all(&kernel.database().read(), &())? {
        *counted.entry((entry.row.account, entry.row.region)).or_default() += 1;
    }
    for ((account, region), count) in counted {
        let metric =
            Metric { namespace: "AWS/SecretsManager", name: "ResourceCount", dimensions: DIMENSIONS, unit: "Count" };
        kernel.cx_for(&account, &region).observe(&metric, f64::from(count));
    }
    Ok(())
}
