//! Values as queries see them.

mod decimal;
mod pattern;
mod timestamp;
mod value;

pub(crate) use decimal::Decimal;
pub(crate) use pattern::format;
pub(crate) use timestamp::{Part, Timestamp};
pub(crate) use value::{Value, boolean, number};
