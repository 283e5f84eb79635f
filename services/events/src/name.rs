//! How calls name buses and rules.

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, regions};

/// The bus that every account has in every region.
pub(crate) const DEFAULT: &str = "default";

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BusName {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
}

/// What tags are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tagged {
    Bus(BusName),
    Rule(BusName, String),
}

impl BusName {
    pub(crate) fn new(cx: &Cx, name: &str) -> Self {
        Self { account: cx.account().to_owned(), region: cx.region().to_owned(), name: name.to_owned() }
    }

    /// The bus that a call names by its name or ARN; without either it is the default one.
    pub(crate) fn of(cx: &Cx, given: Option<&str>) -> Self {
        match given {
            None => Self::new(cx, DEFAULT),
            Some(given) => Self::from_arn(given).unwrap_or_else(|| Self::new(cx, given)),
        }
    }

    /// `arn:aws:events:us-east-1:111111111111:event-bus/name`
    pub(crate) fn from_arn(arn: &str) -> Option<Self> {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "events")?;
        let name = arn.resource.strip_prefix("event-bus/").filter(|name| !name.is_empty())?.to_owned();
        Some(Self { account: arn.account, region: arn.region, name })
    }

    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.name)
    }

    pub(crate) fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    fn resource(&self, resource: &str) -> String {
        format!("arn:{}:events:{}:{}:{resource}", regions::partition(&self.region), self.region, self.account)
    }

    pub(crate) fn arn(&self) -> String {
        self.resource(&format!("event-bus/{}", self.name))
    }

    pub(crate) fn rule_arn(&self, rule: &str) -> String {
        if self.is_default() {
            return self.resource(&format!("rule/{rule}"));
        }
        self.resource(&format!("rule/{}/{rule}", self.name))
    }
}

impl Tagged {
    /// `None`: it is no ARN of a bus or a rule.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(bus) = BusName::from_arn(text) {
            return Some(Self::Bus(bus));
        }
        let arn = Arn::parse(text).filter(|arn| arn.service == "events")?;
        let rest = arn.resource.strip_prefix("rule/").filter(|rest| !rest.is_empty())?;
        // Names of partners' buses have slashes, those of rules have none.
        let (bus, rule) = rest.rsplit_once('/').unwrap_or((DEFAULT, rest));
        let bus = BusName { account: arn.account, region: arn.region, name: bus.to_owned() };
        Some(Self::Rule(bus, rule.to_owned()))
    }
}
