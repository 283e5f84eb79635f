//! How calls name registries and schemas.

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Result, regions};

use crate::error::bad;

/// The registry of what discoverers find.
pub(crate) const DISCOVERED: &str = "discovered-schemas";
/// The registry of AWS's own events.
pub(crate) const AWS: &str = "aws.events";

/// Most characters of the name of a registry, and of a schema.
const LONGEST_REGISTRY: usize = 64;
const LONGEST_SCHEMA: usize = 385;

/// Where a registry is. Calls name it by its name or, where it is another account's, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegistryName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

impl RegistryName {
    pub(crate) fn of(cx: &Cx, given: &str) -> Self {
        let own = || Self::new(cx, given);
        Self::from_arn(given).unwrap_or_else(own)
    }

    pub(crate) fn new(cx: &Cx, name: &str) -> Self {
        Self { account: cx.account().to_owned(), region: cx.region().to_owned(), name: name.to_owned() }
    }

    /// `arn:aws:schemas:us-east-1:111111111111:registry/name`
    pub(crate) fn from_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "schemas")?;
        let name = arn.resource.strip_prefix("registry/")?.to_owned();
        Some(Self { account: arn.account, region: arn.region, name })
    }

    /// Whether it is the one of AWS's own events, which is nobody's.
    pub(crate) fn is_aws(&self) -> bool {
        self.name == AWS
    }

    /// Whether nobody but AWS makes schemas in it.
    pub(crate) fn is_managed(&self) -> bool {
        self.is_aws() || self.name == DISCOVERED
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    fn resource(&self, resource: &str) -> String {
        let account = if self.is_aws() { "" } else { &self.account };
        format!("arn:{}:schemas:{}:{account}:{resource}", regions::partition(&self.region), self.region)
    }

    pub(crate) fn arn(&self) -> String {
        self.resource(&format!("registry/{}", self.name))
    }

    pub(crate) fn schema_arn(&self, schema: &str) -> String {
        self.resource(&format!("schema/{}/{schema}", self.name))
    }
}

/// Checks the name of something that is made: letters, digits, dots, dashes, underscores and `@`.
fn check(what: &str, name: &str, most: usize) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if name.is_empty() || name.chars().count() > most || !name.chars().all(allowed) {
        let rule = format!("1 to {most} letters, digits, '.', '-', '_' or '@'");
        return Err(bad(format!("{what} must have {rule}.")).into());
    }
    Ok(())
}

pub(crate) fn check_registry(name: &str) -> Result<()> {
    check("RegistryName", name, LONGEST_REGISTRY)
}

pub(crate) fn check_schema(name: &str) -> Result<()> {
    check("SchemaName", name, LONGEST_SCHEMA)
}
