//! What requests ask of throughput: `OnDemandThroughput`, `WarmThroughput` and provisioned capacity, and how answers show it.
//!
//! Messages as AWS gives them, observed in 2026.

use super::allowance::{Allowance, INITIAL, Rates, initial};
use super::pace::TABLE_QUOTA;
use crate::api::{input, output};
use crate::error::{Error, Result};
use crate::table::Billing;
use undercast_kernel::{Cx, Timestamp};

/// What is spoken of in messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// The table.
    Table,
    /// The index of this name.
    Index(&'a str),
}

impl Whose<'_> {
    fn spoken(self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Index(name) => format!("index {name}"),
        }
    }

    /// The same in messages about `OnDemandThroughput`, which write it so.
    fn spoken_of_most(self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Index(name) => format!("index : {name}"),
        }
    }
}

/// Whether something is made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// It is made.
    Made,
    /// It was there before.
    Changed,
}

/// What a request asks for one table or index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// `OnDemandThroughput`
    pub(crate) most: Option<&'a input::OnDemandThroughput>,
    /// `WarmThroughput`
    pub(crate) warm: Option<&'a input::WarmThroughput>,
}

impl Asked<'_> {
    /// Whether it asks for anything.
    pub(crate) fn is_none(&self) -> bool {
        self.most.is_none() && self.warm.is_none()
    }

    /// Follows what is asked, of what is paid for so.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn follow(
        &self,
        cx: &Cx,
        allowance: &mut Allowance,
        billing: Billing,
        whose: Whose<'_>,
        when: When,
    ) -> Result<()> {
        if let Some(most) = self.most {
            let sides = [
                ("MaxReadRequestUnits", "Read", most.max_read_request_units, &mut allowance.most_read),
                ("MaxWriteRequestUnits", "Write", most.max_write_request_units, &mut allowance.most_write),
            ];
            for (member, side, given, kept) in sides {
                let Some(given) = given else { continue };
                *kept = most_of(cx, (member, side), given, billing, whose, when)?;
            }
        }
        if let Some(warm) = self.warm {
            let now = allowance.warm(billing);
            let sides = [
                ("ReadUnitsPerSecond", "Read", warm.read_units_per_second, now.read, INITIAL.read),
                ("WriteUnitsPerSecond", "Write", warm.write_units_per_second, now.write, INITIAL.write),
            ];
            for (member, side, given, now, first) in sides {
                let Some(given) = given else { continue };
                check_warm(cx, (member, side), given, now, whose, (when, billing, first))?;
            }
            let or_now = |given: Option<i64>, now: i64| given.unwrap_or(now);
            allowance.warmed = Rates {
                read: or_now(warm.read_units_per_second, now.read),
                write: or_now(warm.write_units_per_second, now.write),
            };
        }
        Ok(())
    }
}

/// The most of one side that is asked for; `-1` takes it back where it was set before.
fn most_of(
    cx: &Cx,
    (member, side): (&str, &str),
    given: i64,
    billing: Billing,
    whose: Whose<'_>,
    when: When,
) -> Result<Option<i64>> {
    let spoken = whose.spoken_of_most();
    if billing != Billing::OnDemand {
        let of_index = match whose {
            Whose::Table => String::new(),
            Whose::Index(_) => format!(" for {spoken}"),
        };
        return Err(Error::invalid(format_args!(
            "{member} for OnDemandThroughput{of_index} cannot be specified when the table BillingMode is PROVISIONED"
        )));
    }
    if given == -1 && when == When::Changed {
        return Ok(None);
    }
    if given < 1 {
        return Err(Error::invalid(format_args!(
            "Requested {member} for OnDemandThroughput for {spoken} is outside of valid range"
        )));
    }
    check_quota(cx, &format!("{member} for OnDemandThroughput for {spoken}"), side, given)?;
    Ok(Some(given))
}

fn check_warm(
    cx: &Cx,
    (member, side): (&str, &str),
    given: i64,
    now: i64,
    whose: Whose<'_>,
    (when, billing, first): (When, Billing, i64),
) -> Result<()> {
    let what = format!("{member} for WarmThroughput for {}", whose.spoken());
    if given < now {
        let why = match (when, billing) {
            (When::Made, Billing::OnDemand) if given < first => "is lower than initial throughput for OnDemand. See: \
                 https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html\
                 #on-demand-capacity-mode-initial"
                .to_owned(),
            (When::Made, Billing::Provisioned { .. }) => {
                format!("is lower than {side}CapacityUnits of ProvisionedThroughput")
            }
            _ => "is lower than current WarmThroughput, decreasing WarmThroughput is not supported".to_owned(),
        };
        return Err(Error::invalid(format_args!("Requested {what} {why}")));
    }
    check_quota(cx, &what, side, given)
}

fn check_quota(cx: &Cx, what: &str, side: &str, given: i64) -> Result<()> {
    if given <= TABLE_QUOTA {
        return Ok(());
    }
    Err(Error::limit_exceeded(format!(
        "Subscriber limit exceeded: Requested {what} exceeds TableMax{side}CapacityUnits of the account in region {}",
        cx.region()
    )))
}

/// Refuses more capacity than an account has for one table or index.
///
/// # Errors
/// When it is more.
pub(crate) fn check_provisioned(cx: &Cx, billing: Billing, whose: Whose<'_>) -> Result<()> {
    let Billing::Provisioned { read, write } = billing else { return Ok(()) };
    for (member, units) in [("ReadCapacityUnits", read), ("WriteCapacityUnits", write)] {
        if units > TABLE_QUOTA {
            let (of, each) = match whose {
                Whose::Table => (String::new(), "table"),
                Whose::Index(name) => (format!(" for index {name}"), "index"),
            };
            return Err(Error::limit_exceeded(format!(
                "The requested {member}{of}, {units}, is above the per {each} maximum for the account in {}. Per {each} maximum: \
                 {TABLE_QUOTA}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher \
                 limits.",
                cx.region()
            )));
        }
    }
    Ok(())
}

/// `ProvisionedThroughput`, as answers show it.
pub(crate) fn provisioned(
    cx: &Cx,
    billing: Billing,
    allowance: &Allowance,
) -> output::ProvisionedThroughputDescription {
    let Rates { read, write } = match billing {
        Billing::OnDemand => Rates::default(),
        Billing::Provisioned { .. } => initial(billing),
    };
    let moment = |at: Option<i64>| at.and_then(|at| Timestamp::from_millisecond(at).ok());
    output::ProvisionedThroughputDescription {
        last_increase_date_time: moment(allowance.increased),
        last_decrease_date_time: moment(allowance.decreased),
        number_of_decreases_today: Some(allowance.decreases_today(cx.now_millis())),
        read_capacity_units: Some(read),
        write_capacity_units: Some(write),
    }
}

/// `OnDemandThroughput`, as answers show it: not at all where nothing is limited.
pub(crate) fn most(allowance: &Allowance) -> Option<output::OnDemandThroughput> {
    (allowance.most_read.is_some() || allowance.most_write.is_some()).then_some(output::OnDemandThroughput {
        max_read_request_units: allowance.most_read,
        max_write_request_units: allowance.most_write,
    })
}

/// `WarmThroughput` of a table, as answers show it.
pub(crate) fn warm(rates: Rates) -> output::TableWarmThroughputDescription {
    output::TableWarmThroughputDescription {
        read_units_per_second: Some(rates.read),
        write_units_per_second: Some(rates.write),
        status: Some("ACTIVE".to_owned()),
    }
}

/// `WarmThroughput` of an index, as answers show it.
pub(crate) fn warm_index(rates: Rates) -> output::GlobalSecondaryIndexWarmThroughputDescription {
    output::GlobalSecondaryIndexWarmThroughputDescription {
        read_units_per_second: Some(rates.read),
        write_units_per_second: Some(rates.write),
        status: Some("ACTIVE".to_owned()),
    }
}
