//! ARNs: `arn:partition:service:region:account:resource`.

use std::fmt;

/// An ARN in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The service's name in ARNs.
    pub service: String,
    /// Region; empty for global resources.
    pub region: String,
    /// Account; empty for resources that need none in their names.
    pub account: String,
    /// Everything behind.
    pub resource: String,
}

impl Arn {
    /// Takes an ARN apart. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        (parts.next()? == "arn").then_some(())?;
        let mut next = || parts.next().map(ToOwned::to_owned);
        let arn = Self { partition: next()?, service: next()?, region: next()?, account: next()?, resource: next()? };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty()).then_some(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:{}:{}:{}:{}", self.partition, self.service, self.region, self.account, self.resource)
    }
}
