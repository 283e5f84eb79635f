//! What kind of events a store keeps: those of one kind alone, since each has columns of its own.
//!
//! Source: "CloudTrail Lake event data stores" in the user guide. Configuration items of AWS Config and evidence of Audit Manager are
//! kept by no store here, since these services are not here.

use undercast_kernel::{Failure, Result};
use undercast_query::Column;

use super::columns;
use super::store::Store;
use crate::api::errors;
use crate::api::kept::AdvancedEventSelector;

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Management, data and network activity events.
    Calls,
    /// What is unusual in those of another store.
    Insights,
    /// Events of other applications.
    Audit,
}

impl Kind {
    fn of_category(category: &str) -> Self {
        match category {
            "Insight" => Self::Insights,
            "ActivityAuditLog" => Self::Audit,
            _ => Self::Calls,
        }
    }

    /// The kind that is selected.
    pub(crate) fn of(all: &[AdvancedEventSelector]) -> Result<Self> {
        let categories = all.iter().flat_map(|one| &one.field_selectors).filter(|field| field.field == "eventCategory");
        let mut kinds = Vec::new();
        for category in categories.filter_map(|field| field.equals.as_ref()).flatten() {
            if ["ConfigurationItem", "Evidence"].contains(&category.as_str()) {
                return Err(Failure::not_built(format!("event data stores of the category {category}")));
            }
            kinds.push(Self::of_category(category));
        }
        let first = kinds.first().copied().unwrap_or(Self::Calls);
        if kinds.iter().any(|kind| *kind != first) || (first != Self::Calls && kinds.len() > 1) {
            let message = "An event data store cannot log events of these categories together.";
            return Err(errors::invalid_event_selectors_exception(message).into());
        }
        Ok(first)
    }

    /// The columns of its events.
    pub(crate) fn columns(self) -> Vec<Column> {
        match self {
            Self::Calls => columns::calls(),
            Self::Insights => columns::insights(),
            Self::Audit => columns::audit(),
        }
    }
}

impl Store {
    pub(crate) fn kind(&self) -> Result<Kind> {
        Kind::of(&self.chosen()?)
    }
}
