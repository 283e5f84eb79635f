//! Functions of many records.

use crate::error::{Code, Result};
use crate::sql::{AggregateKind, Binary};
use crate::types::Value;

use super::operators::{arithmetic, operand};

/// What an aggregate has come to so far.
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    kind: AggregateKind,
    count: i64,
    value: Value,
}

impl Accumulator {
    pub(crate) fn new(kind: AggregateKind) -> Self {
        Self { kind, count: 0, value: Value::Null }
    }

    /// A record that is counted for being there.
    pub(crate) fn count(&mut self) {
        self.count += 1;
    }

    /// Takes the value of one more record. What is unknown is skipped.
    pub(crate) fn add(&mut self, value: &Value) -> Result<()> {
        if value.is_unknown() {
            return Ok(());
        }
        self.count += 1;
        match self.kind {
            AggregateKind::Count => {}
            AggregateKind::Sum | AggregateKind::Average => {
                let value = operand(value)?;
                self.value = match &self.value {
                    Value::Null => value,
                    sum => arithmetic(Binary::Add, sum, &value)?,
                };
            }
            AggregateKind::Maximum | AggregateKind::Minimum => {
                // Columns of CSV files are numbers here: MAX and MIN are of INT and DECIMAL.
                let value = match value {
                    Value::Timestamp(_) => value.clone(),
                    value => operand(value)?,
                };
                let wanted = if self.kind == AggregateKind::Maximum {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Less
                };
                match value.compare(&self.value) {
                    _ if self.value.is_unknown() => self.value = value,
                    Some(order) if order == wanted => self.value = value,
                    Some(_) => {}
                    None => return Err(Code::InvalidDataType.into()),
                }
            }
        }
        Ok(())
    }

    /// The result: of nothing it is null, but for the count.
    pub(crate) fn result(&self) -> Result<Value> {
        match self.kind {
            AggregateKind::Count => Ok(Value::Int(self.count)),
            AggregateKind::Average if !self.value.is_unknown() => {
                // Of whole numbers the average is a base-10 one.
                let sum = match &self.value {
                    Value::Int(sum) => Value::Decimal((*sum).into()),
                    sum => sum.clone(),
                };
                arithmetic(Binary::Divide, &sum, &Value::Int(self.count))
            }
            _ => Ok(self.value.clone()),
        }
    }
}
