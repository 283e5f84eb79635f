//! PartiQL: statements in a language like SQL, carried out by what carries out the plain operations.
//!
//! A statement goes four steps. [`lexer`] and [`parse`] make a [`tree`] of what is written. [`bind`] puts parameters in and
//! makes of conditions and changes the typed trees that expressions become. [`select`] finds out which rows a SELECT reads,
//! and [`write`] which item a write is about. `execute` and `transaction` are the operations.
//!
//! Source: "PartiQL - a SQL-compatible query language for Amazon DynamoDB" in the developer guide. What the guide leaves
//! open follows published observations of the service, most of them of September and October 2026.

mod bind;
mod bounds;
mod execute;
mod lexer;
mod parse;
pub(crate) mod permission;
mod problem;
mod reads;
mod select;
#[cfg(test)]
mod tests;
mod transaction;
mod tree;
mod value;
mod words;
mod write;

use crate::api::form::Written;
use crate::error::Result;
use crate::value::AttributeValue;

pub(crate) use problem::StatementProblem;

/// The table that a statement is about, as it is named there; `None` for a text that is no statement.
pub(crate) fn table_of(text: &str) -> Option<String> {
    parse::statement(text).ok().map(|statement| statement.source().0.to_owned())
}

/// The values of a statement's parameters. They are looked at before the statement is.
///
/// # Errors
/// What AWS says of the first value that no attribute may have.
fn parameters(given: Option<Vec<Written>>) -> Result<Vec<AttributeValue>> {
    let checked = |written: Written| {
        let value = written.into_value()?;
        value.check_depth()?;
        Ok(value)
    };
    given.into_iter().flatten().map(checked).collect()
}
